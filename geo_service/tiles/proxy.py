"""One tile, from the cache or the tile server, quickly whatever the tile server does."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from geo_service.tiles.grid import image_type
from geo_service.tiles.upstream import Breaker, Upstream, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo_service.tiles.cache import TileCache
    from geo_service.tiles.grid import Tile
    from geo_service.tiles.sources import TileSource

__all__ = ["FLIGHTS", "WAITERS", "Absent", "Image", "TileAnswer", "TileProxy", "Unavailable"]

WAITERS: Final = 3
"""Requests of a process that may wait for the tile server; a web process has four threads."""

FLIGHTS: Final = 6
"""Requests to the tile server at one time, per process."""

PATIENCE_S: Final = 1.0
"""How long a request stands in line to wait for a tile server that answers."""

DOUBT_S: Final = 0.25
"""How long it does so while the tile server has not answered yet."""

ABSENT_S: Final = 86_400.0
"""How long a tile that the tile server does not have is not asked for again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Image:
    """A tile. `expires_s` is how long it stays good, 0 if it is kept beyond its time."""

    content: bytes
    mimetype: str
    expires_s: float


@dataclass(frozen=True, slots=True)
class Absent:
    """The tile server has no such tile."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The tile cannot be had now; asking again makes sense after `retry_s`."""

    retry_s: float


TileAnswer: TypeAlias = Image | Absent | Unavailable


class _Flight:
    """One question to the tile server, and everybody who waits for its answer."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.answer: TileAnswer | None = None


class TileProxy:
    """Gives tiles of one source.

    A tile is asked for once at a time, however many want it. At most `WAITERS` requests of
    this process wait for the tile server, one while it has not answered yet, and none while
    it rests: the others, and all pages, are answered at once.

    Parameters
    ----------
    source
        Where tiles come from.
    cache
        None keeps nothing.
    user_agent
        Says to the tile server who asks, with a contact.
    timeout_s
        How long a tile may take.
    expire_s
        After how many seconds a kept tile is fetched anew; it is given out meanwhile.
    """

    def __init__(
        self,
        source: TileSource,
        cache: TileCache | None,
        *,
        user_agent: str,
        timeout_s: float = 4.0,
        expire_s: float = 30 * 86_400.0,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._cache = cache
        self._upstream = Upstream(source, user_agent=user_agent, timeout_s=timeout_s)
        self._timeout_s = timeout_s
        self._expire_s = expire_s
        self._breaker = breaker or Breaker()
        self._clock = clock
        self._state = threading.Condition()
        self._flights: dict[Tile, _Flight] = {}
        self._absent: dict[Tile, float] = {}
        self._waiting = 0
        self._proven = False

    @property
    def resting(self) -> bool:
        """Whether the tile server failed lately and is left alone."""
        return self._breaker.resting

    def get(self, tile: Tile) -> TileAnswer:
        """Return a tile of the source's grid, quickly whatever the tile server does."""
        kept = self._cache.read(tile) if self._cache else None
        if kept is not None:
            content, age_s = kept
            left_s = max(self._expire_s - age_s, 0.0)
            if not left_s:
                self._take_off(tile)
            return Image(content, image_type(content) or "", left_s)
        if self._absent.get(tile, -math.inf) > self._clock():
            return Absent()
        if self._breaker.resting:
            self._take_off(tile)  # tries anew if it is time; nobody waits for it
            return self._unavailable()
        return self._wait_for(tile) if self._enter() else self._unavailable()

    def _enter(self) -> bool:
        """Stand in line for a moment; say whether this request may wait for the tile server."""

        def free() -> bool:
            most = WAITERS if self._proven else 1
            return self._breaker.resting or self._waiting < most

        with self._state:
            patience_s = PATIENCE_S if self._proven else DOUBT_S
            if not self._state.wait_for(free, timeout=patience_s) or self._breaker.resting:
                return False
            self._waiting += 1
            return True

    def _wait_for(self, tile: Tile) -> TileAnswer:
        try:
            flight = self._take_off(tile)
            if flight is None:
                return self._unavailable()
            if not flight.landed.wait(self._timeout_s + 0.5):
                # Looking up a name has no time limit of its own.
                self._fail(UpstreamError(f"no answer in {self._timeout_s:g} s"))
            return flight.answer or self._unavailable()
        finally:
            with self._state:
                self._waiting -= 1
                self._state.notify_all()

    def _take_off(self, tile: Tile) -> _Flight | None:
        """Ask the tile server in the background, unless it is being asked; None if it may not."""
        with self._state:
            flight = self._flights.get(tile)
            if flight is not None:
                return flight
            if len(self._flights) >= FLIGHTS or not self._breaker.may_ask():
                return None
            flight = self._flights[tile] = _Flight()
        threading.Thread(target=self._fly, args=(tile, flight), daemon=True).start()
        return flight

    def _fly(self, tile: Tile, flight: _Flight) -> None:
        try:
            flight.answer = self._ask(tile)
        finally:
            with self._state:
                del self._flights[tile]
            flight.landed.set()

    def _ask(self, tile: Tile) -> TileAnswer:
        try:
            content = self._upstream.fetch(tile)
        except UpstreamError as error:
            self._fail(error)
            return self._unavailable()
        self._succeed()
        if content is None:
            self._forget_old_absences()
            self._absent[tile] = self._clock() + ABSENT_S
            if self._cache:
                self._cache.forget(tile)
            return Absent()
        if self._cache:
            self._cache.write(tile, content)
        return Image(content, image_type(content) or "", self._expire_s)

    def _succeed(self) -> None:
        if self._breaker.succeed():
            _log.info("tiles: %s answers again", self.source.host)
        with self._state:
            self._proven = True
            self._state.notify_all()

    def _fail(self, error: UpstreamError) -> None:
        rest_s = self._breaker.fail(at_once=not self._proven, rest_s=error.rest_s)
        if rest_s is not None:
            _log.warning(
                "tiles: %s gives no tiles (%s); the map shows its own backdrop;"
                " asking again in %.0f s",
                self.source.host,
                error,
                rest_s,
            )
        with self._state:
            self._proven = False
            self._state.notify_all()

    def _forget_old_absences(self) -> None:
        if len(self._absent) >= 10_000:
            self._absent = {}

    def _unavailable(self) -> Unavailable:
        return Unavailable(self._breaker.left_s)
