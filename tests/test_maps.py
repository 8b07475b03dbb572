"""The map: our own assets, stable bytes, no text in its script, borders that fit."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import folium
import pytest
import shapely
from web_helpers import SOURCE_NOTE, VECTORS, small_land

from geo_service import maps
from geo_service.errors import QueryError
from geo_service.schema import LEVELS
from geo_service.snapshot import Territory


def options(**given: object) -> maps.MapOptions:
    values = {
        "places_url": "/daten/orte.geojson?art=haus",
        "borders_url": "/daten/grenzen/LEVEL.geojson",
        "towns_url": "/daten/staedte.json",
        "revision": 3,
        "bounds": (7.0, 50.0, 7.3, 50.1),
    }
    return maps.MapOptions(**(values | given))  # type: ignore[arg-type]


class Attributes(HTMLParser):
    """The attributes of all elements, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str | None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= dict(attrs)


def test_same_options_give_the_same_bytes() -> None:
    assert maps.build_places_map(options()) == maps.build_places_map(options())


def test_script_is_one_file_for_every_choice_of_places() -> None:
    one = maps.build_places_map(options())
    other = maps.build_places_map(options(places_url="/daten/orte.geojson?q=x", revision=9))
    assert one.script == other.script
    assert one.html != other.html


def test_every_asset_is_ours() -> None:
    parts = maps.build_places_map(options())
    assert parts.scripts == (
        "vendor/leaflet/leaflet.js",
        "vendor/leaflet.markercluster/leaflet.markercluster.js",
    )
    assert all("//" not in path for path in parts.scripts + parts.styles)
    assert "http" not in parts.script + parts.html


def test_nothing_is_inline() -> None:
    html = maps.build_places_map(options()).html
    for inline in ("<script", "<style", " style=", " on"):
        assert inline not in html


def test_folium_itself_is_left_as_it_was() -> None:
    before = list(folium.Map.default_js), list(folium.Map.default_css)
    maps.build_places_map(options())
    assert (list(folium.Map.default_js), list(folium.Map.default_css)) == before


@pytest.mark.parametrize("vector", VECTORS)
def test_addresses_are_escaped_in_the_container(vector: str) -> None:
    html = maps.build_places_map(options(places_url=vector)).html
    assert html.count("<") == 2
    assert html.count('"') % 2 == 0
    assert "<script" not in html
    parser = Attributes()
    parser.feed(html)
    assert parser.found["data-places"] == vector


def test_places_keep_their_order_and_leave_out_what_is_unknown() -> None:
    place = maps.MapPlace(
        id="a",
        name="</script>",
        category="Begegnungscafé",
        group="begegnung",
        organisation=None,
        where="Aheim",
        rough=True,
        hours=None,
        languages=None,
        freshness="Stand unbekannt",
        lon=7.123456789,
        lat=50.0,
    )
    data = json.loads(maps.places_geojson([place], revision=5, listed=2))
    assert (data["revision"], data["listed"]) == (5, 2)
    (feature,) = data["features"]
    assert feature["id"] == "a"
    assert feature["geometry"] == {"type": "Point", "coordinates": [7.123457, 50.0]}
    assert feature["properties"]["name"] == "</script>"
    assert feature["properties"]["rough"] is True
    assert "hours" not in feature["properties"]


def test_levels_are_unions_of_the_municipalities() -> None:
    land = small_land()
    names = {
        "gemeinde": ["Aheim", "Bdorf", "Cstadt"],
        "verbandsgemeinde": ["Aheim", "Cstadt"],
        "kreis": ["Kreis Auenland", "Cstadt"],
        "land": ["Rheinland-Pfalz"],
    }
    for level in LEVELS:
        data = json.loads(maps.borders_geojson(land, level=level, note=SOURCE_NOTE))
        assert data["attribution"] == SOURCE_NOTE
        assert [f["properties"]["name"] for f in data["features"]] == names[level]
        areas = [shapely.geometry.shape(f["geometry"]) for f in data["features"]]
        assert sum(area.area for area in areas) == pytest.approx(0.03)
        for area, feature in zip(areas, data["features"], strict=True):
            assert area.intersects(shapely.Point(feature["properties"]["at"]))


def test_borders_of_one_kreis() -> None:
    data = json.loads(maps.borders_geojson(small_land(), level="gemeinde", kreis_key="07131"))
    assert [f["properties"]["key"] for f in data["features"]] == ["07131001", "07131002"]
    with pytest.raises(QueryError, match="'07999'"):
        maps.borders_geojson(small_land(), level="gemeinde", kreis_key="07999")


def test_towns_show_from_the_zoom_that_fits_their_size() -> None:
    data = json.loads(maps.towns_json(small_land(), note=SOURCE_NOTE))
    assert data["towns"] == [["Cstadt", 7.25, 50.05, 7], ["Bdorf", 7.15, 50.05, 10]]


def test_thinned_neighbours_keep_their_common_border(territory: Territory) -> None:
    land = territory.municipalities
    thinned = maps.thin_borders(land)
    assert list(thinned["ags"]) == list(land["ags"])
    vertices, before = (int(t.geometry.count_coordinates().sum()) for t in (thinned, land))
    assert vertices < before / 2
    metric = thinned.to_crs("EPSG:25832").geometry
    whole = land.to_crs("EPSG:25832").geometry
    # Overlaps or gaps would make the parts' sum differ from their union's area.
    assert metric.area.sum() == pytest.approx(shapely.union_all(metric.array).area, rel=1e-6)
    assert metric.area.sum() == pytest.approx(whole.area.sum(), rel=1e-3)
    assert len(maps.borders_geojson(thinned, level="kreis")) < 200_000
