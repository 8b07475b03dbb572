"""What keeps the snapshot current, for all threads of a process."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from geo_service.errors import GeoServiceError, StoreError
from geo_service.snapshot.derived import Derived
from geo_service.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from geo_service.snapshot.territory import Territory
    from geo_service.store import DatedState, Store

STATES_KEPT: Final = 2

LEAST_APART_S: Final = 0.05
"""Between two questions to the store, whoever claims to have seen a later revision."""


@dataclass(frozen=True, slots=True)
class HolderStatus:
    """What a holder serves, and since when it has not reached the store, with the reason."""

    revision: int | None
    changed_at: dt.datetime | None
    unreachable_since: dt.datetime | None
    error: str | None


class SnapshotHolder:
    """Keeps the current snapshot of a store, for all threads of a process.

    It asks the store at most once in `min_interval_s`, and only when somebody asks it; for whoever
    has seen a later revision at once, but never twice in `LEAST_APART_S`. One
    thread then builds the new snapshot while the others are given the last one. When the
    store is out of reach the last good snapshot is served on; attempts get rarer, so that a
    store that hangs holds up one caller in ten seconds at the most.

    Parameters
    ----------
    store
        Read only.
    territory
        Shared by all snapshots.
    clock
        Seconds that never run backwards.
    now
        The time of day, for `status`.
    min_interval_s
        Seconds between two questions to the store, >= 0.
    sleep
        Waits for so many seconds.
    """

    def __init__(
        self,
        store: Store,
        territory: Territory,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        min_interval_s: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._territory = territory
        self._clock = clock
        self._now = now
        self._min_interval_s = min_interval_s
        self._sleep = sleep
        self._states = Derived(max_values=STATES_KEPT)
        self._snapshot: Snapshot | None = None
        self._trouble: tuple[dt.datetime, str] | None = None
        self._next_question = clock()
        self._asking = threading.Lock()
        self._asked_at = -LEAST_APART_S
        self._questions = 0

    def current(self, *, at_least: int = 0) -> Snapshot:
        """Return the snapshot of the current revision, or of the last one that was read.

        Parameters
        ----------
        at_least
            A revision that the caller has seen, perhaps from another process: where the last
            one that was read is older, the store is asked at once: by one caller for all that
            wait meanwhile.

        Raises
        ------
        StoreError
            If the store was never reached.
        """
        questions, served = self._questions, self._snapshot
        behind = served is not None and served.revision < at_least and not self._trouble
        if (self._due() or behind) and self._asking.acquire(blocking=served is None or behind):
            try:
                if self._due():
                    self._ask()
                elif behind and self._questions == questions:  # none began since this was asked
                    self._pause()
                    self._ask()
            finally:
                self._asking.release()
        if self._snapshot is None:
            reason = self._trouble[1] if self._trouble else "not asked yet"
            raise StoreError(f"no revision could be read so far: {reason}")
        return self._snapshot

    def read_state(self, snapshot: Snapshot, slug: str) -> DatedState:
        """Return a dated state whole; read from the store once per revision.

        Raises
        ------
        NotFoundError
            If there is none, or no longer.
        StoreError
            If the store is out of reach.
        """
        return snapshot.derive(("dated state", slug), lambda: self._store.read_state(slug))

    def snapshot_of(self, snapshot: Snapshot, state: DatedState) -> Snapshot:
        """Return a dated state, read at the revision of `snapshot`, as a snapshot itself.

        The last two are kept, whoever asked for them: each holds much that is derived.
        """
        key = (snapshot.revision, snapshot.changed_at, state.slug)
        return self._states.get(key, lambda: Snapshot.of_state(state, snapshot.territory))

    def status(self) -> HolderStatus:
        """Say what is served and whether the store was reached the last time."""
        snapshot, trouble = self._snapshot, self._trouble
        return HolderStatus(
            revision=snapshot.revision if snapshot else None,
            changed_at=snapshot.changed_at if snapshot else None,
            unreachable_since=trouble[0] if trouble else None,
            error=trouble[1] if trouble else None,
        )

    @property
    def store_reachable(self) -> bool:
        """Whether the store answered the last time it was asked."""
        return self._trouble is None

    def _due(self) -> bool:
        return self._clock() >= self._next_question

    def _pause(self) -> None:
        rest_s = self._asked_at + LEAST_APART_S - self._clock()
        if rest_s > 0:
            self._sleep(rest_s)

    def _ask(self) -> None:
        self._asked_at = asked_at = self._clock()
        self._questions += 1
        try:
            self._refresh()
        except GeoServiceError as error:
            since = self._trouble[0] if self._trouble else self._now()
            self._trouble = (since, str(error))
            waited_s = self._clock() - asked_at
            self._next_question = self._clock() + max(self._min_interval_s, 9 * waited_s)
        else:
            self._trouble = None
            self._next_question = asked_at + self._min_interval_s

    def _refresh(self) -> None:
        served = self._snapshot
        if served is None or self._store.latest() != (served.revision, served.changed_at):
            self._snapshot = Snapshot.of(self._store.read(), self._territory)
