"""What is worked out of one revision and kept with it, up to a bound in bytes."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar, cast

import pandas as pd

T = TypeVar("T")

MOST_VALUES: Final = 512
MOST_BYTES: Final = 160_000_000
ANSWER_BYTES: Final = 96_000_000
"""What the answers of a snapshot may hold, in a store of their own (`Snapshot.keep_answer`)."""
WEIGHED: Final = 4
"""How many of the values used last are weighed anew whenever one is made: values grow while they
are used, a page by its compressed forms, a terrain by what it remembers."""
SAMPLE: Final = 10
"""How many parts of a long sequence are weighed; of a sequence within it a fifth as many."""


class _Slot:
    """A value, or the place where one thread makes it while the others wait."""

    __slots__ = ("lock", "made", "size", "value")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.made = False
        self.size = 0
        self.value: Any = None

    @property
    def grows(self) -> bool:
        """Whether the value can come to hold more than when it was made."""
        return isinstance(self.value, dict) or hasattr(self.value, "__dict__")


class Derived:
    """Values by key, each made once; the least recently used go first when it gets full.

    Parameters
    ----------
    max_values
        Most values kept.
    max_bytes
        Most bytes that all of them hold, by `estimate_size`.
    """

    def __init__(self, max_values: int = MOST_VALUES, max_bytes: int = MOST_BYTES) -> None:
        self._max_values = max_values
        self._max_bytes = max_bytes
        self._bytes = 0
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of `key`; make it where it is not kept.

        Threads that ask for the same key wait for the one that makes it. A failure is not kept.
        """
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = _Slot()
            else:
                self._slots.move_to_end(key)
        if slot.made:
            return cast("T", slot.value)
        with slot.lock:
            if not slot.made:
                self._fill(key, slot, make)
            return cast("T", slot.value)

    def _fill(self, key: Hashable, slot: _Slot, make: Callable[[], Any]) -> None:
        try:
            slot.value = make()
            slot.made = True
        finally:
            with self._lock:
                if slot.made:
                    self._keep(key, slot)
                elif self._slots.get(key) is slot:
                    del self._slots[key]

    def _keep(self, key: Hashable, slot: _Slot) -> None:
        replaced = self._slots.get(key)  # made meanwhile, after a failure had freed the key
        if replaced is not None and replaced is not slot:
            self._bytes -= replaced.size
        self._slots[key] = slot
        self._weigh(slot)
        latest = (used for used in reversed(self._slots.values()) if used.made and used.grows)
        for used in itertools.islice(latest, WEIGHED):
            self._weigh(used)
        while len(self._slots) > self._max_values or self._bytes > self._max_bytes:
            oldest = next((key for key, slot in self._slots.items() if slot.made), None)
            if oldest is None:
                return
            self._bytes -= self._slots.pop(oldest).size

    def _weigh(self, slot: _Slot) -> None:
        size = estimate_size(slot.value)
        self._bytes += size - slot.size
        slot.size = size


def estimate_size(value: Any, sample: int = SAMPLE) -> int:
    """Estimate how many bytes a value holds; long sequences by a sample.

    What a dataclass worked out and keeps (``cached_property``) counts as its fields do; what
    several values share counts in each of them.
    """
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, str):
        return sys.getsizeof(value)
    if isinstance(value, pd.DataFrame):
        return len(value) * sum(getattr(kind, "itemsize", 8) for kind in value.dtypes)
    if isinstance(nbytes := getattr(value, "nbytes", None), int):
        return nbytes
    if dataclasses.is_dataclass(value):
        parts = _parts_of(value)
    elif isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, (tuple, list)):
        parts = list(value)
    else:
        return 64
    weighed = parts[:: max(1, len(parts) // sample)]
    held = sum(estimate_size(part, max(1, sample // 5)) for part in weighed)
    return 64 + held * len(parts) // max(1, len(weighed))


def _parts_of(value: Any) -> list[Any]:
    """Return the fields of a dataclass, and what it keeps besides."""
    if hasattr(value, "__dict__"):
        return [*vars(value).values()]  # at once: another thread may be adding to them
    return [getattr(value, part.name) for part in dataclasses.fields(value)]
