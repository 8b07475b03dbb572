"""Tiles on disk."""

from __future__ import annotations

import fcntl
import logging
import math
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from geo_service.tiles.grid import image_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geo_service.tiles.grid import Tile

__all__ = ["TileCache"]

_log = logging.getLogger(__name__)


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
            self.forget(tile)
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

    def forget(self, tile: Tile) -> None:
        """Keep a tile no longer."""
        with suppress(OSError):
            self._path(tile).unlink()

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
