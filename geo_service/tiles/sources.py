"""Where tiles come from: presets, or the address that an operator names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from geo_service.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.tiles.grid import Tile

__all__ = ["PRESETS", "TileSource", "tile_source"]


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
