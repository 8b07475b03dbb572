"""The base map's tiles through our own server: asked for once, kept on disk, never waited for.

A visitor asks us, we ask the operator's tile server, so no visitor's address leaves the
house. Only tiles of the Land's box are asked for. What was fetched stays on disk until it
expires, and longer while the tile server fails. A tile server that fails is left alone for
a while, each time longer; meanwhile every answer is immediate, and the map shows its own
backdrop.

::

    TileGrid    which tiles there are
    TileCache   tiles on disk, shared by all processes
    Breaker     whether the tile server may be asked now
    TileProxy   one tile, from the cache or the tile server: Image, Absent or Unavailable
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import logging
import math
import os
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from geo_service.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "MAX_BYTES",
    "PRESETS",
    "Absent",
    "Breaker",
    "Image",
    "Tile",
    "TileAnswer",
    "TileCache",
    "TileGrid",
    "TileProxy",
    "TileSource",
    "Unavailable",
    "image_type",
    "tile_source",
]

MAX_BYTES: Final = 1_000_000
"""Largest tile that is taken; usual ones have 5 to 60 KB."""

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


# ----------------------------------------------------------------------------- sources


@dataclass(frozen=True, slots=True)
class TileSource:
    """Where tiles come from, and what their licence wants to be said.

    `url` has ``{z}``, ``{x}`` and ``{y}``. In `attribution` ``{jahr}`` stands for the
    present year. `dimmable` says whether the tiles may be darkened for dark pages.
    """

    title: str
    url: str
    attribution: str
    licence: str
    origin: str | None = None
    dimmable: bool = False

    @property
    def host(self) -> str:
        """Name of the tile server, for the log."""
        return urlsplit(self.url).hostname or ""

    @property
    def key(self) -> str:
        """A short text that changes with the address."""
        return hashlib.blake2b(self.url.encode(), digest_size=5).hexdigest()

    def address(self, tile: Tile) -> str:
        """Return the address of one tile."""
        return (
            self.url.replace("{z}", str(tile.z))
            .replace("{x}", str(tile.x))
            .replace("{y}", str(tile.y))
        )


def _basemap_de(kind: str, *, dimmable: bool) -> TileSource:
    # WMTS counts rows first. Licence and note: basemap.de's terms of use and the service's
    # own metadata (Fees), nutzungsbedingungen_basemapde.pdf, read at second hand in 2026.
    return TileSource(
        title=f"basemap.de Web Raster {kind.capitalize()}",
        url=(
            "https://sgx.geodatenzentrum.de/wmts_basemapde/tile/1.0.0/"
            f"de_basemapde_web_raster_{kind}/default/GLOBAL_WEBMERCATOR/{{z}}/{{y}}/{{x}}.png"
        ),
        attribution="basemap.de, © GeoBasis-DE / BKG {jahr} CC BY 4.0",
        licence="CC BY 4.0",
        origin="https://basemap.de/",
        dimmable=dimmable,
    )


PRESETS: Final[Mapping[str, TileSource]] = {
    "basemap-grau": _basemap_de("grau", dimmable=True),
    "basemap-farbe": _basemap_de("farbe", dimmable=True),
}
"""Tile servers that an operator may name instead of writing an address."""


def tile_source(url: str, *, attribution: str = "", licence: str = "") -> TileSource | None:
    """Return the source that `url` names: a preset, an address with z, x and y, or ``off``.

    Parameters
    ----------
    url
        Name of a preset, an http(s) address with ``{z}``, ``{x}``, ``{y}``, or ``off``.
    attribution, licence
        Go before the preset's own; an address needs an attribution.

    Raises
    ------
    SettingsError
        If `url` is none of these, or an address comes without an attribution.

    >>> tile_source("basemap-grau").host
    'sgx.geodatenzentrum.de'
    """
    if url == "off":
        return None
    preset = PRESETS.get(url)
    if preset is not None:
        attribution, licence = attribution or preset.attribution, licence or preset.licence
        return TileSource(
            preset.title, preset.url, attribution, licence, preset.origin, preset.dimmable
        )
    address = urlsplit(url)
    whole = all(part in url for part in ("{z}", "{x}", "{y}"))
    if address.scheme not in {"http", "https"} or not address.hostname or not whole:
        raise SettingsError(f"tiles: expected a preset or an address with z, x, y, got {url!r}")
    if not attribution:
        raise SettingsError(f"tiles: expected an attribution for {address.hostname}, got none")
    return TileSource("Kartenbild", url, attribution, licence)


# ------------------------------------------------------------------------------- tiles


class Tile(NamedTuple):
    """A square of the Web Mercator map (EPSG:3857): zoom, column from the west, row from the
    north, each from 0.
    """

    z: int
    x: int
    y: int


class TileGrid:
    """Which tiles there are: those that touch a box, at some zooms.

    Parameters
    ----------
    bounds
        West, south, east, north in degrees (EPSG:4326).
    zooms
        The least and the greatest zoom.

    >>> Tile(10, 533, 346) in TileGrid((6.1, 48.9, 8.5, 51.0), zooms=(10, 17))
    True
    """

    def __init__(
        self, bounds: tuple[float, float, float, float], *, zooms: tuple[int, int]
    ) -> None:
        west, south, east, north = bounds
        self._ranges = {
            z: (*_tile_at(west, north, z), *_tile_at(east, south, z))
            for z in range(zooms[0], zooms[1] + 1)
        }

    def __contains__(self, tile: Tile) -> bool:
        if tile.z not in self._ranges:
            return False
        first_x, first_y, last_x, last_y = self._ranges[tile.z]
        return first_x <= tile.x <= last_x and first_y <= tile.y <= last_y

    def __len__(self) -> int:
        return sum((x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in self._ranges.values())


def _tile_at(lon: float, lat: float, z: int) -> tuple[int, int]:
    """Return column and row of the tile a point lies in (OGC 17-083r4, Web Mercator quad)."""
    side = 2**z
    x = (lon + 180) / 360 * side
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * side
    return min(max(int(x), 0), side - 1), min(max(int(y), 0), side - 1)


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


def image_type(content: bytes) -> str | None:
    """Return the media type of a whole PNG, JPEG or WebP; None for anything else.

    >>> image_type(b"<html>")
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(b"IEND\xaeB\x60\x82"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff") and content.endswith(b"\xff\xd9"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        whole = int.from_bytes(content[4:8], "little") + 8 == len(content)
        return "image/webp" if whole else None
    return None


# ------------------------------------------------------------------------------- cache


class TileCache:
    """Tiles of one source on disk; any number of threads and processes may share the folder.

    Files appear whole or not at all. When the folder has grown past its size, the tiles
    that were not asked for longest go first, whatever source they came from.

    Parameters
    ----------
    folder
        Is made when the first tile is kept. Only ``*.tile`` files in it are ever deleted.
    key
        Names the source, so that two sources never mix.
    max_bytes
        Size of the folder's tiles; may be passed by a twentieth for a moment.
    now
        Seconds since the epoch.
    """

    def __init__(
        self, folder: Path, key: str, *, max_bytes: int, now: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._key = key
        self._max_bytes = max_bytes
        self._now = now
        self._lock = threading.Lock()
        self._unswept = max_bytes  # so that the first tile kept looks at what is there
        self._told = -math.inf

    def read(self, tile: Tile) -> tuple[bytes, float] | None:
        """Return a kept tile and its age in seconds; None if there is none, or it is broken."""
        path = self._path(tile)
        try:
            content = path.read_bytes()
            status = path.stat()
        except OSError:
            return None
        if image_type(content) is None:
            with suppress(OSError):
                path.unlink()
            return None
        now = self._now()
        if now - status.st_atime > 3_600:
            with suppress(OSError):  # the time of use decides what goes first
                os.utime(path, (now, status.st_mtime))
        age_s = now - status.st_mtime
        return content, age_s if age_s >= 0 else math.inf

    def write(self, tile: Tile, content: bytes) -> None:
        """Keep a tile, if the disk can; then make room if need be."""
        path = self._path(tile)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, content, now=self._now())
        except OSError as error:
            self._tell(error)
            return
        with self._lock:
            self._unswept += len(content)
            if self._unswept < self._max_bytes / 20:
                return
            self._unswept = 0
        self._sweep()

    def _path(self, tile: Tile) -> Path:
        return self._folder / self._key / str(tile.z) / str(tile.x) / f"{tile.y}.tile"

    def _sweep(self) -> None:
        """Delete what was not used longest until a twentieth of the size is free."""
        with suppress(OSError), (self._folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another process is at it
                return
            found = sorted(self._files())
            total = sum(size for _, size, _ in found)
            if total <= self._max_bytes:
                return
            for _, size, path in found:
                with suppress(FileNotFoundError):
                    path.unlink()
                total -= size
                if total <= self._max_bytes * 0.95:
                    return

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Give time of last use, size and path of every tile; clear what a crash left."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder) / name
                with suppress(FileNotFoundError):
                    status = path.stat()
                    if name.endswith(".tile"):
                        yield status.st_atime, status.st_size, path
                    elif name.endswith(".tile.part") and status.st_mtime < self._now() - 3_600:
                        path.unlink()

    def _tell(self, error: OSError) -> None:
        """Log that nothing can be kept, once an hour."""
        now = time.monotonic()
        if now - self._told > 3_600:
            self._told = now
            _log.warning("tiles: %s cannot keep tiles: %s", self._folder, error.strerror)


def _write_whole(path: Path, content: bytes, *, now: float) -> None:
    handle, name = tempfile.mkstemp(suffix=".tile.part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.utime(name, (now, now))
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


# ---------------------------------------------------------------------------- upstream


class UpstreamError(Exception):
    """The tile server did not give a tile; the text says why, without the address."""

    def __init__(self, reason: str, *, rest_s: float = 0.0) -> None:
        super().__init__(reason)
        self.rest_s = rest_s


class Breaker:
    """Whether the tile server may be asked: after failures it is left alone for a while.

    Parameters
    ----------
    threshold
        Failures in a row after which the tile server rests.
    first_s, most_s
        The first rest and the longest; each rest is twice the one before.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        *,
        threshold: int = 3,
        first_s: float = 30.0,
        most_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._first_s = first_s
        self._most_s = most_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rest_s = 0.0
        self._until: float | None = None
        self._trying = False

    @property
    def resting(self) -> bool:
        """Whether the tile server failed, and has not answered since."""
        return self._until is not None

    @property
    def left_s(self) -> float:
        """Seconds until the tile server is tried again."""
        return 0.0 if self._until is None else max(self._until - self._clock(), 0.0)

    def may_ask(self) -> bool:
        """Say whether to ask now; after a rest only the first caller may, until it is known."""
        with self._lock:
            if self._until is None:
                return True
            if self._trying or self._clock() < self._until:
                return False
            self._trying = True
            return True

    def succeed(self) -> bool:
        """Take note of an answer; say whether it ended a rest."""
        with self._lock:
            ended = self._until is not None
            self._failures, self._rest_s, self._until, self._trying = 0, 0.0, None, False
            return ended

    def fail(self, *, at_once: bool = False, rest_s: float = 0.0) -> float | None:
        """Take note of a failure; return the length of the rest that it began, if any.

        `at_once` does not wait for more failures, nor does `rest_s`, a rest that the tile
        server asked for itself.
        """
        with self._lock:
            if self._until is not None and not self._trying:
                return None  # asked before the rest began
            self._failures += 1
            enough = self._failures >= self._threshold or at_once or rest_s > 0
            if not self._trying and not enough:
                return None
            self._rest_s = min(max(self._rest_s * 2, self._first_s, rest_s), self._most_s)
            self._until, self._trying = self._clock() + self._rest_s, False
            return self._rest_s


class _Upstream:
    """Asks the tile server; follows no redirect, believes nothing it is told."""

    def __init__(self, source: TileSource, *, user_agent: str, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "image/png,image/webp,image/jpeg",
            "Accept-Encoding": "identity",
        }
        # No handler of redirects, files, FTP or errors; the operator's HTTP proxy holds.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
        ):
            self._opener.add_handler(handler)

    def fetch(self, tile: Tile) -> bytes | None:
        """Return a tile, None if the tile server has none.

        Raises
        ------
        UpstreamError
            If it does not answer in time, or with anything but a tile.
        """
        deadline = time.monotonic() + self._timeout_s
        address = self._source.address(tile)
        request = urllib.request.Request(address, headers=self._headers)  # noqa: S310 (http/https)
        try:
            answer = self._opener.open(request, timeout=self._timeout_s)
            if answer is None:
                raise UpstreamError("no way to ask it")
            with answer:
                return self._content(answer, deadline)
        except TimeoutError:
            raise UpstreamError(f"no answer in {self._timeout_s:g} s") from None
        except urllib.error.URLError as error:
            raise UpstreamError(str(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise UpstreamError(f"{type(error).__name__}: {error}") from None

    def _content(self, answer: http.client.HTTPResponse, deadline: float) -> bytes | None:
        if answer.status in {204, 404, 410}:
            return None
        if answer.status != 200:
            rest_s = _seconds(answer.headers.get("Retry-After"))
            raise UpstreamError(f"status {answer.status}", rest_s=rest_s)
        told = answer.headers.get_content_type()
        content = _read(answer, deadline)
        if not told.startswith("image/") or image_type(content) is None:
            raise UpstreamError(f"no whole PNG, JPEG or WebP but {told}, {len(content)} bytes")
        return content


def _read(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    """Read the body; raise UpstreamError if it is too large or drips in too slowly."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise UpstreamError(f"more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise UpstreamError("the tile came too slowly")
    return b"".join(parts)


def _seconds(text: str | None) -> float:
    """Read Retry-After where it is a number of seconds, else 0."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 0.0


# ------------------------------------------------------------------------------- proxy


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
        self._upstream = _Upstream(source, user_agent=user_agent, timeout_s=timeout_s)
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
