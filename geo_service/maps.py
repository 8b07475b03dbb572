"""Tables to Folium maps with our own assets, and to the GeoJSON that those maps load.

Folium turns its text arguments into script, so no text of a record, a place or a visitor
ever reaches Folium: a map gets ids, numbers and addresses of ours, and loads its data by
URL. Its script is served as a file, its container carries ``data-`` attributes, and nothing
is inline, so a page runs under ``script-src 'self'; style-src 'self'``.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import folium
import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from branca.element import CssLink, Figure, JavascriptLink
from folium.elements import JSCSSMixin
from folium.template import Template

from geo_service.errors import QueryError
from geo_service.schema import (
    KEY_COLUMN,
    METRIC_CRS,
    WGS84,
    Level,
    Municipalities,
    check_municipalities,
    to_geojson,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = [
    "BORDER_TOLERANCE_M",
    "CHOROPLETH_ID",
    "MAP_ID",
    "SITES_ID",
    "TILE_ZOOM",
    "ChoroplethOptions",
    "MapOptions",
    "MapParts",
    "MapPlace",
    "SitesMapOptions",
    "TileLayer",
    "borders_geojson",
    "build_choropleth_map",
    "build_places_map",
    "build_sites_map",
    "outline_geojson",
    "packed_borders",
    "places_geojson",
    "thin_borders",
    "towns_json",
]

MAP_ID: Final = "karte_orte"
"""Name of the map in its script and id of its container: fixed, so bytes repeat."""

CHOROPLETH_ID: Final = "karte_gebiete"
"""The same for the planners' map."""

SITES_ID: Final = "karte_standorte"
"""The same for the map of proposed places."""

BORDER_TOLERANCE_M: Final = 200.0
"""How coarse borders are: finer than a pen's line on the 1:250,000 map they come from."""

TILE_ZOOM: Final = 10
"""From which zoom on a map shows tiles: about a Kreis. Further out the own backdrop says more
in fewer bytes, and the first view of the Land needs no tile."""

_LEAFLET_JS: Final = (("leaflet_js", "vendor/leaflet/leaflet.js"),)
_LEAFLET_CSS: Final = (
    ("leaflet_css", "vendor/leaflet/leaflet.css"),
    ("map_css", "css/map.css"),
)
_CLUSTER_JS: Final = (("cluster_js", "vendor/leaflet.markercluster/leaflet.markercluster.js"),)
"""Our assets, by a name that no other asset has, as paths below the static folder."""

TOWN_ZOOMS: Final = ((80_000, 7), (35_000, 8), (15_000, 9), (6_000, 10))
"""From how many people a town's name shows, and from which zoom on."""


@dataclass(frozen=True, slots=True)
class MapOptions:
    """Where a map finds its data, and which part of the earth it starts with.

    `bounds` are west, south, east, north in degrees (EPSG:4326). Addresses are this
    service's own and relative to the page. `view` is where the map starts, in the form of
    `bounds`, if not with all of them; `outline_url` gives an area to outline.
    """

    places_url: str
    borders_url: str
    towns_url: str
    revision: int
    bounds: tuple[float, float, float, float]
    tiles: TileLayer | None = None
    view: tuple[float, float, float, float] | None = None
    outline_url: str = ""


@dataclass(frozen=True, slots=True)
class ChoroplethOptions:
    """Where a map of areas finds their borders and figures; see `MapOptions`.

    The borders are those of `packed_borders`. In `drill_url` and `area_url`, which popups
    link to, ``KEY`` stands for the key of an area.
    """

    borders_url: str
    values_url: str
    drill_url: str
    area_url: str
    revision: int
    bounds: tuple[float, float, float, float]
    view: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class SitesMapOptions:
    """Where a map of proposed places finds borders and the places there are; see `MapOptions`.

    The borders are those of `packed_borders`, of municipalities and of Kreise. The proposed
    places stand in the page's table.
    """

    borders_url: str
    outline_url: str
    places_url: str
    revision: int
    bounds: tuple[float, float, float, float]
    view: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class TileLayer:
    """Where a map finds the tiles of its base map, and the note they must be shown with.

    `url` has ``{z}``, ``{x}`` and ``{y}``; `max_zoom` is the greatest zoom of the tiles.
    `dimmable` says whether they may be darkened on dark pages.
    """

    url: str
    note: str
    max_zoom: int = 17
    dimmable: bool = False


@dataclass(frozen=True, slots=True)
class MapParts:
    """A map in parts: markup for the page, a script for a file, and the assets it needs.

    `scripts` and `styles` are paths below the static folder, in loading order.
    """

    html: str
    script: str
    scripts: tuple[str, ...]
    styles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapPlace:
    """What the map says about a place; missing is None. Degrees, EPSG:4326.

    `rough` is set where the point stands for a whole town or municipality. `opening` says what is
    certain about today; `hours` are the record's own words, beside it only a remark. `number` is
    its place in the list, from 1.
    """

    id: str
    name: str
    category: str
    group: str
    organisation: str | None
    where: str
    rough: bool
    hours: str | None
    languages: str | None
    freshness: str
    lon: float
    lat: float
    opening: str | None = None
    number: int | None = None


class _PageMap(folium.Map):
    """Folium's map without foreign assets, inline style or a random id."""

    _template = Template(
        """
        {%- macro html(this, kwargs) -%}
        <div class="map" id="{{ this.get_name()|e }}"
          {%- for name, value in this.data.items() %} data-{{ name }}="{{ value }}"
          {%- endfor %}></div>
        {%- endmacro -%}
        {%- macro script(this, kwargs) -%}
        import { fitWhenShown, makeMap } from "{{ this.root }}static/js/map.js";
        import { scaleOptions, zoomOptions } from "{{ this.root }}static/js/map.js";
        const {{ this.get_name() }} = makeMap(
          {{ this.get_name()|tojson }}, {{ this.options|tojavascript }}
        );
        fitWhenShown({{ this.get_name() }}, {{ this.fit|tojson }});
        L.control.zoom(zoomOptions()).addTo({{ this.get_name() }});
        L.control.scale(scaleOptions()).addTo({{ this.get_name() }});
        {% endmacro -%}
        """
    )

    def __init__(
        self,
        map_id: str,
        bounds: tuple[float, float, float, float],
        data: Mapping[str, str],
        *,
        root: str = "./",
    ) -> None:
        west, south, east, north = bounds
        super().__init__(
            location=((south + north) / 2, (west + east) / 2),
            tiles=None,
            zoom_start=8,
            zoom_control=False,
            attribution_control=False,
            max_bounds_viscosity=0.8,
        )
        self.default_js, self.default_css = [*_LEAFLET_JS], [*_LEAFLET_CSS]
        self._name, self._id = map_id.split("_")
        self.root = root
        # Folium wants latitude first.
        self.fit = [[south, west], [north, east]]
        self.options |= {"min_zoom": 6, "max_zoom": 17, "zoom_snap": 0.5}
        self.options["max_bounds"] = [[south - 1.5, west - 2.5], [north + 1.5, east + 2.5]]
        self.data = {name: _attribute(value) for name, value in data.items() if value}


def _places_data(options: MapOptions) -> dict[str, str]:
    data = {
        "places": options.places_url,
        "borders": options.borders_url,
        "towns": options.towns_url,
        "revision": str(options.revision),
        "view": _edges(options.view),
        "outline": options.outline_url,
    }
    if options.tiles is not None:
        data |= {
            "tiles": options.tiles.url,
            "tiles-note": options.tiles.note,
            "tiles-zoom": str(options.tiles.max_zoom),
            "tiles-dim": str(options.tiles.dimmable).lower(),
        }
    return data


def _edges(view: tuple[float, float, float, float] | None) -> str:
    return ",".join(f"{edge:.4f}" for edge in view) if view is not None else ""


def _attribute(text: str) -> str:
    """Escape `text` for an attribute, braces too: branca renders markup as a template again."""
    return html.escape(text).replace("{", "&#123;").replace("}", "&#125;")


class _Layer(JSCSSMixin):
    """What one function of our scripts adds to the map, with the assets it needs besides."""

    _template = Template(
        """
        {%- macro script(this, kwargs) -%}
        import { {{ this.function }} } from "{{ this._parent.root }}static/js/{{ this.module }}";
        {{ this.function }}({{ this._parent.get_name() }}
        {%- if this.options %}, {{ this.options|tojavascript }}{% endif %});
        {% endmacro -%}
        """
    )

    def __init__(
        self,
        name: str,
        module: str,
        function: str,
        *,
        options: Mapping[str, object] | None = None,
        scripts: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name, self._id = name, "0"
        self.module, self.function, self.options = module, function, options
        self.default_js, self.default_css = [*scripts], []


def build_choropleth_map(options: ChoroplethOptions) -> MapParts:
    """Build the planners' map of areas; the same options give the same bytes.

    The script depends on the bounds alone and is served one folder below the root.
    Colours are classes of the style sheet: ``klasse-1`` to ``klasse-5``.
    """
    return _planning_map(
        CHOROPLETH_ID,
        _Layer("gebiete", "planning.js", "addAreas"),
        options,
        borders=options.borders_url,
        values=options.values_url,
        drill=options.drill_url,
        area=options.area_url,
    )


def build_sites_map(options: SitesMapOptions) -> MapParts:
    """Build the map of proposed places; the script is served one folder below the root."""
    return _planning_map(
        SITES_ID,
        _Layer("standorte", "siting.js", "addSites"),
        options,
        borders=options.borders_url,
        outline=options.outline_url,
        places=options.places_url,
    )


def _planning_map(
    map_id: str, layer: _Layer, options: ChoroplethOptions | SitesMapOptions, **urls: str
) -> MapParts:
    data = urls | {"revision": str(options.revision), "view": _edges(options.view)}
    page_map = _PageMap(map_id, options.bounds, data, root="../")
    layer.add_to(page_map)
    return _parts(page_map)


def build_places_map(options: MapOptions) -> MapParts:
    """Build the map of places; the same options give the same bytes.

    The script depends on the bounds alone, so one file serves every page, filter and
    language; what a page shows is in the ``data-`` attributes of its container.
    """
    page_map = _PageMap(MAP_ID, options.bounds, _places_data(options))
    near = {"bounds": page_map.fit, "min_zoom": TILE_ZOOM}
    for layer in (  # the tiles lie between the land and its borders
        _Layer("grenzen", "borders.js", "addBorders"),
        _Layer("kacheln", "tiles.js", "addTiles", options=near),
        _Layer("umriss", "borders.js", "addOutline"),
        _Layer("orte", "places.js", "addPlaces", scripts=_CLUSTER_JS),
    ):
        layer.add_to(page_map)
    return _parts(page_map)


def _parts(page_map: _PageMap) -> MapParts:
    figure = cast("Figure", page_map.get_root())
    figure.render()
    links = list(figure.header._children.values())
    return MapParts(
        html=figure.html.render(),
        script=figure.script.render(),
        scripts=tuple(link.url for link in links if isinstance(link, JavascriptLink)),
        styles=tuple(link.url for link in links if isinstance(link, CssLink)),
    )


def places_geojson(places: Iterable[MapPlace], *, revision: int, listed: int) -> bytes:
    """Write places as a compact GeoJSON FeatureCollection (RFC 7946), UTF-8.

    Parameters
    ----------
    places
        The places that have a point, in the order of the list.
    revision
        Revision of the store they were read at, written as a member of the collection.
    listed
        How many places the list beside the map has, those without a point included.
    """
    features = [
        {
            "type": "Feature",
            "id": place.id,
            "geometry": {
                "type": "Point",
                "coordinates": [round(place.lon, 6), round(place.lat, 6)],
            },
            "properties": _properties(place),
        }
        for place in places
    ]
    collection = {
        "type": "FeatureCollection",
        "revision": revision,
        "listed": listed,
        "features": features,
    }
    return json.dumps(collection, ensure_ascii=False, separators=(",", ":")).encode()


def _properties(place: MapPlace) -> dict[str, str | bool | int]:
    """Return what the popup says; what is unknown is left out."""
    known: dict[str, str | bool | int | None] = {
        "name": place.name,
        "category": place.category,
        "group": place.group,
        "organisation": place.organisation,
        "where": place.where,
        "rough": place.rough or None,
        "opening": place.opening,
        "hours": place.hours,
        "languages": place.languages,
        "freshness": place.freshness,
        "number": place.number,
    }
    return {key: value for key, value in known.items() if value is not None}


def thin_borders(
    municipalities: Municipalities, *, tolerance_m: float = BORDER_TOLERANCE_M
) -> Municipalities:
    """Thin the borders so that neighbours keep their common border.

    Parameters
    ----------
    municipalities
        A valid coverage. One row in, one row out, order kept.
    tolerance_m
        Side of the square whose area a left-out corner may have, in metres (EPSG:25832).

    Notes
    -----
    Visvalingam–Whyatt on the coverage (`shapely.coverage_simplify`).
    """
    metric = municipalities.to_crs(METRIC_CRS)
    thin = shapely.coverage_simplify(np.asarray(metric.geometry.array), tolerance_m)
    frame = municipalities.set_geometry(gpd.GeoSeries(thin, crs=METRIC_CRS).to_crs(WGS84))
    return check_municipalities(frame)


def borders_geojson(
    thinned: Municipalities, *, level: Level, kreis_key: str | None = None, note: str = ""
) -> bytes:
    """Write the borders of one level as compact GeoJSON (RFC 7946), UTF-8.

    The areas of every level are unions of the same thinned municipalities, so lines of two
    levels lie on one another. Features carry ``key``, ``name`` and a label point (``at``).

    Parameters
    ----------
    thinned
        Municipalities from `thin_borders`.
    level
        Level to write.
    kreis_key
        Only the areas of this Kreis, by its five digits.
    note
        Source note, written as the collection's ``attribution``.

    Raises
    ------
    QueryError
        If no area lies in `kreis_key`.
    """
    areas = _areas_inside(thinned, level, kreis_key)
    return to_geojson(areas, columns=["key", "name", "at"], decimals=4, note=note)


def packed_borders(
    thinned: Municipalities, *, level: Level, kreis_key: str | None = None, note: str = ""
) -> bytes:
    """Write the borders of one level as small JSON: a third of GeoJSON's bytes, compressed.

    Each area is ``[key, ring, …]``. A ring is closed and goes lon, lat, lon, lat, … in
    1/10,000 degree (EPSG:4326), each the difference to the point before; the closing point
    is left out. Rings that lie in one another are holes (the even-odd rule).

    Parameters
    ----------
    thinned
        Municipalities from `thin_borders`.
    level, kreis_key, note
        As for `borders_geojson`.

    Raises
    ------
    QueryError
        If no area lies in `kreis_key`.
    """
    areas = _areas_inside(thinned, level, kreis_key)
    rings = _packed_rings(np.asarray(areas.geometry.array))
    packed = [[key, *own] for key, own in zip(areas["key"], rings, strict=True)]
    body = {"attribution": note, "areas": packed}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _packed_rings(geometries: NDArray[np.object_]) -> list[list[list[int]]]:
    """Return the packed rings of each geometry, all worked out at once."""
    parts, geometry = shapely.get_parts(geometries, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    degrees, ring = shapely.get_coordinates(rings, return_index=True)
    points = np.rint(degrees * 10_000).astype(np.int64)
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    steps = np.diff(points, axis=0, prepend=np.zeros((1, 2), np.int64))
    steps[first] = points[first]
    numbers, closing = steps.ravel().tolist(), [*first[1:] - 1, len(points) - 1]
    packed: list[list[list[int]]] = [[] for _ in geometries]
    for owner, start, end in zip(geometry[part], first, closing, strict=True):
        packed[owner].append(numbers[2 * start : 2 * end])
    return packed


def outline_geojson(thinned: Municipalities, *, level: Level, key: str, note: str = "") -> bytes:
    """Write the border of one area as compact GeoJSON (RFC 7946), UTF-8.

    Its line lies on those of `borders_geojson`.

    Raises
    ------
    QueryError
        If no municipality lies in `key`.
    """
    rows = thinned[thinned[KEY_COLUMN[level]] == key]
    if not len(rows):
        raise QueryError(f"key: expected the key of an area of level {level}, got {key!r}")
    return to_geojson(_dissolve(rows, level), columns=["key", "name"], decimals=4, note=note)


def _areas_inside(thinned: Municipalities, level: Level, kreis_key: str | None) -> gpd.GeoDataFrame:
    """Return the areas of `level` in a Kreis, or in the Land."""
    rows = thinned if kreis_key is None else thinned[thinned["kreis_key"] == kreis_key]
    if not len(rows):
        raise QueryError(f"kreis: expected the five-digit key of a Kreis, got {kreis_key!r}")
    return _dissolve(rows, level)


def _dissolve(rows: gpd.GeoDataFrame, level: Level) -> gpd.GeoDataFrame:
    """Return an area per key of `level`, with its name and a point for its label."""
    if level == "gemeinde":
        areas = rows.rename(columns={"ags": "key"})
        at = list(zip(rows["seat_lon"], rows["seat_lat"], strict=True))
    else:
        keyed = rows.assign(key=rows[KEY_COLUMN[level]], name=_area_names(rows, level))
        areas = keyed[["key", "name", "geometry"]].dissolve("key", method="coverage").reset_index()
        inside = areas.geometry.representative_point()
        at = list(zip(inside.x, inside.y, strict=True))
    points = [[round(lon, 4), round(lat, 4)] for lon, lat in at]
    return gpd.GeoDataFrame(areas.assign(at=pd.Series(points, index=areas.index)))


def _area_names(rows: gpd.GeoDataFrame, level: Level) -> pd.Series[str]:
    """Return for each municipality the name of its area of `level`."""
    if level == "land":
        return pd.Series("Rheinland-Pfalz", index=rows.index)
    if level == "kreis":
        town = rows["designation"] == "kreisfreie Stadt"
        named = town | rows["kreis"].str.contains("kreis")
        return rows["kreis"].str.split(",").str[0].where(named, "Kreis " + rows["kreis"])
    return rows["verbandsgemeinde"].fillna(rows["name"])


def towns_json(municipalities: Municipalities, *, note: str = "") -> bytes:
    """Write the names of the larger towns: name, lon, lat, least zoom; the largest first."""
    rows = municipalities.sort_values(["population", "ags"], ascending=[False, True])
    columns = rows[["name", "seat_lon", "seat_lat", "population"]]
    towns = []
    for name, lon, lat, people in columns.itertuples(index=False, name=None):
        zoom = next((zoom for least, zoom in TOWN_ZOOMS if people >= least), None)
        if zoom is not None:
            towns.append([name, round(lon, 4), round(lat, 4), zoom])
    body = {"attribution": note, "towns": towns}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
