"""Bring a VG250 release to the territorial state of the register."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gemeinden.errors import BuildError
from gemeinden.vg250 import is_municipal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from gemeinden.register import Change, Entry
    from gemeinden.vg250 import Release

WGS84: Final = "EPSG:4326"


@dataclass(frozen=True, slots=True)
class Territory:
    """The register's municipalities with geometry, and what became of every old key.

    Attributes
    ----------
    municipalities
        Columns of the product's table of municipalities; MultiPolygons in EPSG:4326.
    keys
        One row per municipality of the release: old and new key and name, and why.
    left_out
        Territory of the release that belongs to no municipality.
    """

    municipalities: gpd.GeoDataFrame
    keys: pd.DataFrame
    left_out: tuple[str, ...]


def bring_to_state(
    release: Release, register: Sequence[Entry], changes: Sequence[Change]
) -> Territory:
    """Apply the changes to a release until its municipalities are those of the register.

    Raises
    ------
    BuildError
        If an old key leads nowhere, or a municipality of the register gets no land.
    """
    old = release.layers["GEM"]
    known = {entry.ags for entry in register}
    kept = is_municipal(old) | old["ags"].isin(known)
    old, left_out = old[kept], old[~kept]
    successor = follow(old["ags"], known, changes)
    merged = _merge(old, successor)
    lacking = sorted(known - set(merged.index))
    if lacking:
        raise BuildError(f"register: expected land for every municipality, got none for {lacking}")
    return Territory(
        municipalities=_table(register, merged),
        keys=_key_table(old, successor, register, changes),
        left_out=tuple(f"{row.ars} {row.name}" for row in left_out.itertuples(index=False)),
    )


def follow(old_keys: Iterable[str], known: set[str], changes: Sequence[Change]) -> dict[str, str]:
    """Return for every old AGS the AGS of the register that it became.

    A key that the register has is kept, so a release that already is at the register's state
    passes unchanged. Otherwise the changes are followed, however many there are in a row.
    """
    steps: dict[str, set[str]] = {}
    for change in changes:
        if change.level == "Gemeinde" and change.old_key != change.new_key:
            steps.setdefault(change.old_key, set()).add(change.new_key)
    successor: dict[str, str] = {}
    faults: list[str] = []
    for key in old_keys:
        try:
            successor[key] = _follow_one(key, known, steps)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise BuildError("\n".join(faults))
    return successor


def _follow_one(key: str, known: set[str], steps: Mapping[str, set[str]]) -> str:
    passed: list[str] = []
    now = key
    while now not in known:
        passed.append(now)
        following = steps.get(now, set())
        if len(following) != 1:
            raise ValueError(f"{key}: expected one successor of {now}, got {sorted(following)}")
        (now,) = following
        if now in passed:
            raise ValueError(f"{key}: expected an end of the changes, got a circle at {now}")
    return now


def _merge(old: gpd.GeoDataFrame, successor: Mapping[str, str]) -> gpd.GeoSeries:
    """Merge the polygons of every new key; EPSG:4326, index AGS."""
    new_keys = old["ags"].map(successor)
    merged = old.geometry.groupby(new_keys).agg(_union)
    metric = gpd.GeoSeries(merged, crs=old.crs)
    polygons = np.array(metric.to_crs(WGS84).array, dtype=object)
    parts, owner = shapely.get_parts(polygons, return_index=True)
    multi = shapely.multipolygons(parts, indices=owner)
    rounded = shapely.transform(shapely.normalize(multi), _rounded)
    return gpd.GeoSeries(rounded, index=metric.index, crs=WGS84)


def _rounded(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round degrees to 0.1 mm: less than any processor or PROJ release differs by."""
    return coordinates.round(9)


def _union(polygons: gpd.GeoSeries) -> shapely.Geometry:
    """Merge neighbours along the border they share."""
    array = np.array(polygons.array, dtype=object)
    return array[0] if len(array) == 1 else shapely.coverage_union_all(array)


def _table(register: Sequence[Entry], land: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """Join the register's facts and the land; a seat point for each."""
    polygons = np.array(land.loc[[entry.ags for entry in register]].array, dtype=object)
    seats = [_seat(entry, polygon) for entry, polygon in zip(register, polygons, strict=True)]
    rows = [
        {
            "ags": entry.ags,
            "ars": entry.ars,
            "name": entry.name,
            "designation": entry.designation,
            "verbandsgemeinde": entry.verbandsgemeinde or None,
            "verbandsgemeinde_key": entry.ars[:9],
            "kreis": entry.kreis,
            "kreis_key": entry.ars[:5],
            "land_key": entry.ars[:2],
            "population": entry.population,
            "area_km2": entry.area_km2,
            "postcode": entry.postcode or None,
            "seat_lon": seat[0],
            "seat_lat": seat[1],
            "seat_source": seat[2],
        }
        for entry, seat in zip(register, seats, strict=True)
    ]
    return gpd.GeoDataFrame(pd.DataFrame(rows), geometry=polygons, crs=WGS84)


def _seat(entry: Entry, polygon: shapely.Geometry) -> tuple[float, float, str]:
    """Return the official centre point where it lies inside, else a point on the surface."""
    if entry.centre is not None and shapely.contains_xy(polygon, *entry.centre):
        return *entry.centre, "official"
    point = shapely.point_on_surface(polygon)
    return round(point.x, 6), round(point.y, 6), "surface"


def _key_table(
    old: gpd.GeoDataFrame,
    successor: Mapping[str, str],
    register: Sequence[Entry],
    changes: Sequence[Change],
) -> pd.DataFrame:
    """Account for every old key: what it became, and by which change."""
    entries = {entry.ags: entry for entry in register}
    reasons = {
        change.old_key: (change.date, change.kind)
        for change in changes
        if change.level == "Gemeinde" and change.old_key != change.new_key
    }
    rows = []
    units = old.sort_values("ags")
    for ags, ars, name in zip(units["ags"], units["ars"], units["name"], strict=True):
        entry = entries[successor[ags]]
        date, kind = reasons[ags] if ags != entry.ags else ("", "")
        rows.append(
            {
                "alter_ags": ags,
                "alter_ars": ars,
                "alter_name": name,
                "neuer_ags": entry.ags,
                "neuer_ars": entry.ars,
                "neuer_name": entry.name,
                "datum": date,
                "art": kind,
            }
        )
    return pd.DataFrame(rows)
