"""What must hold before anything is written; every fault is reported at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import shapely

from gemeinden.errors import BuildError
from gemeinden.vg250 import METRIC_CRS, is_municipal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import geopandas as gpd
    from numpy.typing import NDArray

    from gemeinden.register import Change, Entry
    from gemeinden.territory import Territory
    from gemeinden.vg250 import Release

PARENTS: Final = {"VWG": 9, "KRS": 5, "LAN": 2}
"""Digits of the ARS that name a municipality's unit in each coarser layer."""

PARENT_AREA_TOLERANCE: Final = 0.001
"""Share by which a unit's land may differ from that of its municipalities."""

LAND_AREA_TOLERANCE: Final = 0.002
"""Share by which the Land's land area may differ from the register's sum."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How the drawn area differs from the official one."""

    land_drawn_km2: float
    land_official_km2: float
    municipalities: pd.DataFrame

    @property
    def land_share(self) -> float:
        """Difference of the Land as a share of the official area."""
        return self.land_drawn_km2 / self.land_official_km2 - 1.0


def check_release(release: Release) -> None:
    """Check that every municipality is in exactly one unit of every coarser layer."""
    municipalities = release.layers["GEM"]
    faults = [
        f"VG250_GEM: expected one unit with AGS {key}"
        for key in _repeats(municipalities[is_municipal(municipalities)])
    ]
    for layer, digits in PARENTS.items():
        faults += _check_parents(municipalities, release.layers[layer], layer, digits)
    _raise(faults)


def check_territory(
    territory: Territory, register: Sequence[Entry], changes: Sequence[Change], release: Release
) -> Differences:
    """Check the result against the register; return how the areas differ."""
    table = territory.municipalities
    polygons = np.array(table.geometry.array, dtype=object)
    faults = [
        *_check_geometry(table["ags"].tolist(), polygons),
        *_check_units(register),
        *_check_moves(territory, changes, release),
    ]
    differences = _differences(table)
    if abs(differences.land_share) >= LAND_AREA_TOLERANCE:
        faults.append(
            f"area: expected {differences.land_official_km2:.2f} km² within "
            f"{LAND_AREA_TOLERANCE:.1%}, got {differences.land_drawn_km2:.2f} km²"
        )
    _raise(faults)
    return differences


def _raise(faults: Iterable[str]) -> None:
    listed = list(faults)
    if listed:
        raise BuildError("\n".join(listed))


def _repeats(units: gpd.GeoDataFrame) -> list[str]:
    return sorted(set(units.loc[units["ags"].duplicated(), "ags"]))


def _check_parents(
    municipalities: gpd.GeoDataFrame, parents: gpd.GeoDataFrame, layer: str, digits: int
) -> list[str]:
    """Compare the municipalities of every unit with the unit's own land."""
    own = pd.Series(parents.geometry.area.to_numpy(), index=parents["ars"].str[:digits])
    sums = municipalities.geometry.area.groupby(municipalities["ars"].str[:digits]).sum()
    faults = [
        f"VG250_{layer}: expected the unit {key} of a municipality, got none"
        for key in sorted(set(sums.index) - set(own.index))
    ]
    faults += [
        f"VG250_{layer}: expected a municipality in {key}, got none"
        for key in sorted(set(own.index) - set(sums.index))
    ]
    for key in sorted(set(own.index) & set(sums.index)):
        if abs(sums[key] / own[key] - 1.0) > PARENT_AREA_TOLERANCE:
            faults.append(
                f"VG250_{layer} {key}: expected {own[key] / 1e6:.2f} km² of municipalities, "
                f"got {sums[key] / 1e6:.2f} km²"
            )
    return faults


def _check_geometry(keys: Sequence[str], polygons: NDArray[np.object_]) -> list[str]:
    """Check that polygons are valid, not empty, and form a coverage."""
    faults = [
        f"{key}: expected a valid polygon, got {shapely.is_valid_reason(polygon)}"
        for key, polygon in zip(keys, polygons, strict=True)
        if not shapely.is_valid(polygon) or shapely.is_empty(polygon)
    ]
    if not faults and not shapely.coverage_is_valid(polygons):
        edges = shapely.coverage_invalid_edges(polygons)
        broken = [key for key, edge in zip(keys, edges, strict=True) if not shapely.is_empty(edge)]
        faults.append(f"geometry: expected neighbours to share their border, got {broken}")
    return faults


def _check_units(register: Sequence[Entry]) -> list[str]:
    """Check that every key of a coarser level has exactly one name, and the reverse.

    A municipality outside a Verbandsgemeinde is a unit of its own at that level.
    """
    faults: list[str] = []
    levels = (
        ("Verbandsgemeinde", [(e.ars[:9], e.verbandsgemeinde or e.ags) for e in register]),
        ("Kreis", [(e.ars[:5], e.kreis) for e in register]),
    )
    for level, pairs in levels:
        names: dict[str, set[str]] = {}
        for key, name in pairs:
            names.setdefault(key, set()).add(name)
        faults += [
            f"register, {level} {key}: expected one name, got {sorted(found)}"
            for key, found in sorted(names.items())
            if len(found) > 1
        ]
    return faults


def _check_moves(territory: Territory, changes: Sequence[Change], release: Release) -> list[str]:
    """Check that every Verbandsgemeinde that lost its key is in the list of changes."""
    keys = territory.keys
    stays = keys["alter_ags"] == keys["neuer_ags"]
    old_keys, new_keys = keys["alter_ars"].str[:9][stays], keys["neuer_ars"].str[:9][stays]
    pairs = set(zip(old_keys, new_keys, strict=True))
    listed = {(change.old_key, change.new_key) for change in changes}
    names = dict(zip(release.layers["VWG"]["ars"], release.layers["VWG"]["name"], strict=True))
    return [
        f"changes: expected a row for {old} ({names.get(old, '?')}) becoming {new}, got none"
        for old, new in sorted(pairs)
        if old != new and not _reaches(old, new, listed)
    ]


def _reaches(old: str, new: str, listed: set[tuple[str, str]]) -> bool:
    """Whether the listed changes lead from `old` to `new`, in any number of steps."""
    reached, frontier = {old}, {old}
    while frontier:
        frontier = {after for before, after in listed if before in frontier} - reached
        reached |= frontier
    return new in reached


def _differences(table: gpd.GeoDataFrame) -> Differences:
    drawn = table.geometry.to_crs(METRIC_CRS).area.to_numpy() / 1e6
    official = table["area_km2"].to_numpy()
    frame = pd.DataFrame(
        {
            "ags": table["ags"],
            "name": table["name"],
            "official_km2": official,
            "drawn_km2": drawn.round(2),
            "difference_km2": (drawn - official).round(2),
        }
    )
    order = np.lexsort((table["ags"].to_numpy(dtype=object), -np.abs(drawn - official)))
    return Differences(float(drawn.sum()), float(official.sum()), frame.iloc[order])
