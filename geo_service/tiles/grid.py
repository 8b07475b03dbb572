"""Which tiles there are, and what counts as the picture of one."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Tile", "TileGrid", "image_type"]


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
