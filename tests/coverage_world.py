"""Three square municipalities in a row, with places and people, for tests known by hand.

Coordinates are given in metres from a corner and turned into degrees, so that every
distance in EPSG:25832 is known.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from geo_service.schema import (
    INITIATIVE_COLUMNS,
    METRIC_CRS,
    MUNICIPALITY_COLUMNS,
    WGS84,
    Initiatives,
    Municipalities,
    Population,
    as_columns,
    check_initiatives,
    check_municipalities,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CORNER = (400_000.0, 5_500_000.0)
SIDE_M = 10_000.0
TO_DEGREES = pyproj.Transformer.from_crs(METRIC_CRS, WGS84, always_xy=True)

A, B, C = "07001001", "07001002", "07002001"


def degrees(x_m: float, y_m: float) -> tuple[float, float]:
    """Return longitude and latitude of a point in metres from the corner."""
    lon, lat = TO_DEGREES.transform(CORNER[0] + x_m, CORNER[1] + y_m)
    return float(lon), float(lat)


def square(west_m: float) -> shapely.MultiPolygon:
    corners = [(west_m, 0), (west_m + SIDE_M, 0), (west_m + SIDE_M, SIDE_M), (west_m, SIDE_M)]
    return shapely.MultiPolygon([shapely.Polygon([degrees(*corner) for corner in corners])])


@functools.cache
def three_squares(people: tuple[int, ...] = (1000, 3000, 100)) -> Municipalities:
    """A and B form Verbandsgemeinde and Kreis 1; C is free and Kreis 2. Seats are centres."""
    seats = [degrees(west + 5000, 5000) for west in (0, 10_000, 20_000)]
    values = {
        "ags": [A, B, C],
        "ars": ["070015001001", "070015001002", "070020001001"],
        "name": ["Adorf", "Bedorf", "Zestadt"],
        "designation": ["Gemeinde", "Gemeinde", "verbandsfreie Stadt"],
        "verbandsgemeinde": ["Abend", "Abend", None],
        "verbandsgemeinde_key": ["070015001", "070015001", "070020001"],
        "kreis": ["Westkreis", "Westkreis", "Ostkreis"],
        "kreis_key": ["07001", "07001", "07002"],
        "land_key": ["07"] * 3,
        "population": list(people),
        "area_km2": [100.0] * 3,
        "postcode": ["55001", "55002", "55003"],
        "seat_lon": [seat[0] for seat in seats],
        "seat_lat": [seat[1] for seat in seats],
        "seat_source": ["official"] * 3,
    }
    table = as_columns(values, MUNICIPALITY_COLUMNS)
    shapes = [square(west) for west in (0, 10_000, 20_000)]
    return check_municipalities(gpd.GeoDataFrame(table, geometry=shapes, crs=WGS84))


def places(rows: Sequence[Mapping[str, object]]) -> Initiatives:
    """Build records from rows with `at` (metres from the corner, or missing) and columns.

    `ags` is worked out from the squares where a row does not say it.
    """
    full = [_record(number, row) for number, row in enumerate(rows)]
    values = {name: [row.get(name) for row in full] for name in INITIATIVE_COLUMNS}
    points = [
        None if row.get("at") is None else shapely.Point(degrees(*row["at"]))  # type: ignore[misc]
        for row in rows
    ]
    table = as_columns(values, INITIATIVE_COLUMNS)
    geometry = gpd.GeoSeries(points, index=table.index, crs=WGS84)
    return check_initiatives(gpd.GeoDataFrame(table, geometry=geometry, crs=WGS84))


def _record(number: int, row: Mapping[str, object]) -> dict[str, object]:
    at = row.get("at")
    record: dict[str, object] = {
        "id": f"r{number}",
        "name": f"Ort {number}",
        "category": "Begegnungsort",
        "source_line": number + 2,
        "coordinate_status": "not_found" if at is None else "found",
        "coordinate_precision": None if at is None else "address",
        "ags": None if at is None else _square_at(*at),  # type: ignore[misc]
    }
    return record | {key: value for key, value in row.items() if key != "at"}


def _square_at(x_m: float, y_m: float) -> str | None:
    inside = 0 <= x_m < 3 * SIDE_M and 0 <= y_m < SIDE_M
    return (A, B, C)[int(x_m // SIDE_M)] if inside else None


def people_at(points: Sequence[tuple[str, float, float, float]]) -> Population:
    """Build grid points from (ags, x, y, people), in metres from the corner."""
    ags, x_m, y_m, people = zip(*points, strict=True)
    return Population(
        basis="grid_1km",
        source_note="Probe",
        ags=np.array(ags, dtype=object),
        x_m=CORNER[0] + np.array(x_m, dtype=np.float64),
        y_m=CORNER[1] + np.array(y_m, dtype=np.float64),
        people=np.array(people, dtype=np.float64),
    )
