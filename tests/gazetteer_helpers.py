"""A small land for the gazetteer and the geocoders, with answers known by hand.

Municipalities are squares of 0.1° beside each other on one parallel; each seat lies in the
middle of its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo_service.gazetteer import PLACE_COLUMNS, Gazetteer
from geo_service.schema import (
    MUNICIPALITY_COLUMNS,
    RECORD_COLUMNS,
    Municipalities,
    Records,
    as_columns,
    check_municipalities,
    check_records,
)

SOUTH, SIDE = 49.7, 0.1

# name, designation, Verbandsgemeinde, Kreis, Kreis key, postcode, population
TOWNS = [
    ("Koblenz", "kreisfreie Stadt", "", "Koblenz, kreisfreie Stadt", "07111", "56068", 113_000),
    ("Bauler", "Gemeinde", "Adenau", "Ahrweiler", "07131", "53534", 40),
    ("Roth", "Gemeinde", "Hamm (Sieg)", "Altenkirchen (Westerwald)", "07132", "57539", 300),
    (
        *("Altenkirchen (Westerwald)", "Stadt", "Altenkirchen-Flammersfeld"),
        *("Altenkirchen (Westerwald)", "07132", "57610", 6_400),
    ),
    ("Roth", "Gemeinde", "Langenlonsheim-Stromberg", "Bad Kreuznach", "07133", "55442", 290),
    ("Stromberg", "Stadt", "Langenlonsheim-Stromberg", "Bad Kreuznach", "07133", "55442", 3_300),
    ("Bendorf", "verbandsfreie Stadt", "", "Mayen-Koblenz", "07137", "56170", 17_000),
    (
        "Sankt Goar",
        "Stadt",
        "Hunsrück-Mittelrhein",
        "Rhein-Hunsrück-Kreis",
        "07140",
        "56329",
        2_800,
    ),
    ("Trier", "kreisfreie Stadt", "", "Trier, kreisfreie Stadt", "07211", "54290", 110_000),
    ("Bauler", "Gemeinde", "Südeifel", "Eifelkreis Bitburg-Prüm", "07232", "54673", 60),
    ("Konz", "Stadt", "Konz", "Trier-Saarburg", "07235", "54329", 18_000),
    ("Wasserliesch", "Gemeinde", "Konz", "Trier-Saarburg", "07235", "54332", 2_200),
    (
        *("Kaiserslautern", "kreisfreie Stadt", "", "Kaiserslautern, kreisfreie Stadt"),
        *("07312", "67657", 100_000),
    ),
    (
        *("Landau in der Pfalz", "kreisfreie Stadt", "", "Landau in der Pfalz, kreisfreie Stadt"),
        *("07313", "76829", 46_000),
    ),
    ("Mainz", "kreisfreie Stadt", "", "Mainz, kreisfreie Stadt", "07315", "55116", 220_000),
    (
        *("Neustadt an der Weinstraße", "kreisfreie Stadt", ""),
        *("Neustadt an der Weinstraße, kreisfreie Stadt", "07316", "67433", 53_000),
    ),
    ("Rodenbach", "Gemeinde", "Weilerbach", "Kaiserslautern", "07335", "67688", 3_100),
    ("Altenkirchen", "Gemeinde", "Oberes Glantal", "Kusel", "07336", "66903", 1_200),
    ("Quirnbach/Pfalz", "Gemeinde", "Oberes Glantal", "Kusel", "07336", "66909", 500),
    (
        "Bretzenheim",
        "Gemeinde",
        "Langenlonsheim-Stromberg",
        "Bad Kreuznach",
        "07133",
        "55559",
        2_500,
    ),
]

# name, kind, name of the municipality, other spellings
PARTS = [
    ("Koblenz", "seat", "Koblenz", "Кобленц;Coblence;كوبلنس"),
    ("Mainz", "seat", "Mainz", "Майнц;ماينتس;Mayence"),
    ("Ehrang", "ortsteil", "Trier", ""),
    ("Mainz-Gonsenheim", "ortsteil", "Mainz", "Гонзенхайм"),
    ("Stromberg", "ortsteil", "Bendorf", ""),
    ("Erlenbach", "ortsteil", "Wasserliesch", ""),
    ("Heidesheim am Rhein", "former_municipality", "Mainz", ""),
]


def small_municipalities() -> Municipalities:
    """Return the municipalities of `TOWNS`; AGS and ARS continue the Kreis key."""
    rows = sorted((town[4], index, town) for index, town in enumerate(TOWNS))
    vgs = {town[2]: f"{number:04d}" for number, town in enumerate(TOWNS)}
    values: dict[str, list[Any]] = {name: [] for name in MUNICIPALITY_COLUMNS}
    boxes = []
    for index, (kreis_key, _, town) in enumerate(rows):
        west = 6.0 + index * SIDE
        row = {
            "ags": f"{kreis_key}{index:03d}",
            "ars": f"{kreis_key}{vgs[town[2]]}{index:03d}",
            "name": town[0],
            "designation": town[1],
            "verbandsgemeinde": town[2],
            "verbandsgemeinde_key": f"{kreis_key}{vgs[town[2]]}",
            "kreis": town[3],
            "kreis_key": kreis_key,
            "land_key": "07",
            "population": town[6],
            "area_km2": 80.0,
            "postcode": town[5],
            "seat_lon": west + SIDE / 2,
            "seat_lat": SOUTH + SIDE / 2,
            "seat_source": "official",
        }
        for name, value in row.items():
            values[name].append(value)
        boxes.append(shapely.MultiPolygon([shapely.box(west, SOUTH, west + SIDE, SOUTH + SIDE)]))
    frame = as_columns(values, MUNICIPALITY_COLUMNS)
    return check_municipalities(gpd.GeoDataFrame(frame, geometry=boxes, crs="EPSG:4326"))


def small_places(municipalities: Municipalities) -> pd.DataFrame:
    """Return the places of `PARTS`, each a quarter of a square off its seat."""
    seats = municipalities.drop_duplicates("name").set_index("name")
    rows = [
        {
            "id": f"place-{number}",
            "name": name,
            "kind": kind,
            "ags": seats.loc[whole, "ags"],
            "lon": seats.loc[whole, "seat_lon"] + SIDE / 4,
            "lat": seats.loc[whole, "seat_lat"] + SIDE / 4,
            "population": float("nan"),
            "names": names,
            "source": "GeoNames",
            "licence": "CC BY 4.0",
        }
        for number, (name, kind, whole, names) in enumerate(PARTS)
    ]
    return pd.DataFrame(rows, columns=[*PLACE_COLUMNS])


def small_gazetteer() -> Gazetteer:
    municipalities = small_municipalities()
    return Gazetteer(municipalities, small_places(municipalities))


def find_small_ags(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the AGS of the squares that points lie in, or None."""
    table = small_municipalities()
    column = np.floor((np.asarray(lon) - 6.0) / SIDE + 1e-9).astype(int)
    inside = (column >= 0) & (column < len(table)) & (lat >= SOUTH) & (lat <= SOUTH + SIDE)
    keys = table["ags"].to_numpy(dtype=object)
    return np.where(inside, keys[np.clip(column, 0, len(table) - 1)], None)


def make_records(*rows: dict[str, Any]) -> Records:
    """Return records with these fields; the rest is missing, ids are 1, 2, …"""
    names = sorted({name for row in rows for name in row} | {"id", "name", "source_line"})
    values: dict[str, Sequence[Any]] = {name: [row.get(name) for row in rows] for name in names}
    values["id"] = [str(number) for number in range(1, len(rows) + 1)]
    values["name"] = [row.get("name", "Treffpunkt") for row in rows]
    values["source_line"] = list(range(2, len(rows) + 2))
    for name in ("lon", "lat"):
        values[name] = [row.get(name, float("nan")) for row in rows]
    return check_records(as_columns(values, RECORD_COLUMNS))
