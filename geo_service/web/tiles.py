"""The base map on pages: its tiles through our own address, its source note."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from flask import Blueprint, Response, current_app

from geo_service.maps import TILE_ZOOM, TileLayer
from geo_service.tiles import (
    Absent,
    Image,
    Tile,
    TileCache,
    TileGrid,
    TileProxy,
    TileSource,
    Unavailable,
    tile_source,
)
from geo_service.web.answers import Body, answer
from geo_service.web.languages import neutral_url_for
from geo_service.web.sources import SourceNote
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    import datetime as dt

    from flask import Flask

    from geo_service.config import Settings
    from geo_service.web.site import Site

__all__ = ["init_tiles", "tile_layer", "tile_notes"]

tiles = Blueprint("tiles", __name__)

EXTENSION: Final = "geo_service_tiles"
WEEK_S: Final = 7 * 86_400
"""How long a browser keeps a tile at the most."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,6}")


class BaseMap:
    """The base map of an application: its source, its proxy and the tiles there are."""

    def __init__(self, source: TileSource, settings: Settings, site: Site) -> None:
        self.source = source
        self.max_zoom = settings.tiles_max_zoom
        self.proxy = _proxy(source, settings)
        self._site = site

    @property
    def grid(self) -> TileGrid:
        """Return the tiles of the Land's box."""
        territory = self._site.view().snapshot.territory
        return self._site.backdrop.get(
            territory,
            ("tile grid",),
            lambda: TileGrid(territory.bounds, zooms=(TILE_ZOOM, self.max_zoom)),
        )

    def note(self, today: dt.date) -> str:
        """Return the note that a map with tiles must print."""
        return self.source.attribution.replace("{jahr}", str(today.year))


def init_tiles(app: Flask, site: Site) -> None:
    """Give `app` the base map of its settings, and the address of the tiles.

    Raises
    ------
    SettingsError
        If the settings name no base map that there is.
    """
    settings = site.settings
    source = tile_source(
        settings.tiles_url,
        attribution=settings.tiles_attribution,
        licence=settings.tiles_licence,
    )
    app.extensions[EXTENSION] = None if source is None else BaseMap(source, settings, site)
    app.register_blueprint(tiles)


def _proxy(source: TileSource, settings: Settings) -> TileProxy:
    max_bytes = settings.tiles_cache_mb * 1_000_000
    cache = TileCache(Path(settings.tiles_cache), source.key, max_bytes=max_bytes)
    contact = settings.contact.encode("ascii", "ignore").decode()
    return TileProxy(
        source,
        cache if max_bytes else None,
        user_agent=f"geo-service ({' '.join(contact.split()) or 'no contact set'})",
        timeout_s=settings.tiles_timeout_s,
        expire_s=settings.tiles_expire_days * 86_400,
    )


def _base_map() -> BaseMap | None:
    return cast("BaseMap | None", current_app.extensions[EXTENSION])


def tile_layer(today: dt.date) -> TileLayer | None:
    """Return what a map needs to show the base map; None if there is none."""
    base_map = _base_map()
    if base_map is None:
        return None
    first = neutral_url_for("tiles.tile", z="0", x="0", y="0").removesuffix("0/0/0")
    return TileLayer(
        # The address changes with the source, so browsers mix no two of them.
        url=f"{first}{{z}}/{{x}}/{{y}}?v={base_map.source.key}",
        note=base_map.note(today),
        max_zoom=base_map.max_zoom,
        dimmable=base_map.source.dimmable,
    )


def tile_notes(today: dt.date) -> tuple[SourceNote, ...]:
    """Return the source of the base map, for the page of sources."""
    base_map = _base_map()
    if base_map is None:
        return ()
    source = base_map.source
    note = SourceNote(
        title=gettext("Kartenbild"),
        note=base_map.note(today),
        licence=source.licence or None,
        origin=source.title,
        url=source.origin,
    )
    return (note,)


@tiles.get("/kacheln/<z>/<x>/<y>")
def tile(z: str, x: str, y: str) -> Response:
    """Give one tile of the base map; nothing (204) where it has no picture, now or at all.

    A 404 is for addresses that are no tile of ours, which no map asks for. A picture that is
    missing is no fault of the visitor's: an error status would fill their browser's console.
    """
    base_map = _base_map()
    wanted = _read_tile(z, x, y)
    if base_map is None or wanted is None or wanted not in base_map.grid:
        return _nothing(404, "public, max-age=86400")
    found = base_map.proxy.get(wanted)
    if isinstance(found, Image):
        keep_s = int(min(max(found.expires_s, 3_600), WEEK_S))
        body = Body(found.content, found.mimetype)
        return answer(body, cache=f"public, max-age={keep_s}")
    if isinstance(found, Absent):
        return _nothing(204, "public, max-age=3600")
    return _later(found)


def _read_tile(*numbers: str) -> Tile | None:
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        return None
    return Tile(*map(int, numbers))


def _later(unavailable: Unavailable) -> Response:
    """Answer that the tile cannot be had now; browsers need not ask again while it is so."""
    rest_s = int(min(unavailable.retry_s, 60))
    return _nothing(204, f"public, max-age={rest_s}" if rest_s else "no-store")


def _nothing(status: int, cache: str) -> Response:
    response = Response(status=status, mimetype="text/plain")
    response.headers["Cache-Control"] = cache
    return response
