"""The base map's tiles through our own server: asked for once, kept on disk, never waited for.

A visitor asks us, we ask the operator's tile server, so no visitor's address leaves the
house. Only tiles of the Land's box are asked for. What was fetched stays on disk until it
expires, and longer while the tile server fails. A tile server that fails is left alone for
a while, each time longer; meanwhile every answer is immediate, and the map shows its own
backdrop.

::

    sources     where tiles come from
    grid        which tiles there are
    cache       tiles on disk, shared by all processes
    upstream    the tile server, and the breaker that says whether it may be asked now
    proxy       one tile, from the cache or the tile server: Image, Absent or Unavailable
"""

from geo_service.tiles.cache import TileCache
from geo_service.tiles.grid import Tile, TileGrid, image_type
from geo_service.tiles.proxy import (
    FLIGHTS,
    WAITERS,
    Absent,
    Image,
    TileAnswer,
    TileProxy,
    Unavailable,
)
from geo_service.tiles.sources import PRESETS, TileSource, tile_source
from geo_service.tiles.upstream import MAX_BYTES, Breaker

__all__ = [
    "FLIGHTS",
    "MAX_BYTES",
    "PRESETS",
    "WAITERS",
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
