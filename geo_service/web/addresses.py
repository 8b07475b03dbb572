"""Ask the operator's online geocoder for a visitor's address; nothing of it is kept on disk.

What a visitor types may be their home. It is held in this process's memory for the few
hundred last questions, goes to the geocoder that the operator chose, and nowhere else.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from geo_service.schema import FINE_PRECISIONS, Failed, Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo_service.schema import Address, GeocodeResult

__all__ = ["AddressFinder", "AddressGeocoder"]

KEPT: Final = 256
PAUSE_S: Final = 30.0
"""For how long nobody is asked after a failure."""


class AddressGeocoder(Protocol):
    """An online geocoder as `geocoding.OnlineGeocoder` is one, set up to be quick."""

    def start_run(self, addresses: int) -> None:
        """Forget earlier failures."""

    def find(
        self, address: Address, *, today: dt.date, stated: frozenset[str], find_ags: Any
    ) -> GeocodeResult:
        """Find one address."""


class AddressFinder:
    """One question at a time; who comes in between is told that it cannot be asked now.

    Parameters
    ----------
    geocoder
        Is asked with one attempt each, and paces itself.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self, geocoder: AddressGeocoder, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._geocoder = geocoder
        self._clock = clock
        self._asking = threading.Lock()
        self._keeping = threading.Lock()
        self._answers: OrderedDict[tuple[Address, str | None], Found | None] = OrderedDict()
        self._not_before = clock()

    def find(
        self, address: Address, *, ags: str | None, find_ags: Any, today: dt.date
    ) -> Found | Failed | None:
        """Return the point of a house or street, None if there is none, `Failed` if not asked.

        Parameters
        ----------
        address
            Street and town.
        ags
            The municipality that the town is; a point elsewhere does not count.
        find_ags
            Degrees (EPSG:4326) to AGS, in bulk.
        today
            Date of the answer.
        """
        with self._keeping:
            if (address, ags) in self._answers:
                self._answers.move_to_end((address, ags))
                return self._answers[address, ags]
        if self._clock() < self._not_before or not self._asking.acquire(blocking=False):
            return Failed("", "gave_up", "busy")
        try:
            return self._ask(address, ags, find_ags, today)
        finally:
            self._asking.release()

    def _ask(
        self, address: Address, ags: str | None, find_ags: Any, today: dt.date
    ) -> Found | Failed | None:
        self._geocoder.start_run(1)
        stated = frozenset({ags}) if ags else frozenset[str]()
        found = self._geocoder.find(address, today=today, stated=stated, find_ags=find_ags)
        if isinstance(found, Failed):
            self._not_before = self._clock() + PAUSE_S
            return found
        kept = found if isinstance(found, Found) and _proves(found, ags, find_ags) else None
        with self._keeping:
            self._answers[address, ags] = kept
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        return kept


def _proves(found: Found, ags: str | None, find_ags: Any) -> bool:
    """Tell whether a point is that of a house or street, in the municipality that was meant."""
    if found.precision not in FINE_PRECISIONS:
        return False
    return ags is None or bool(find_ags(np.array([found.lon]), np.array([found.lat]))[0] == ags)
