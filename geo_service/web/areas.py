"""The Land and its parts as pages show them: names, what lies in what, who borders whom.

One area has one page. A kreisfreie Stadt is a Kreis, a unit of the level of the
Verbandsgemeinden and a municipality at once; its page is the Kreis's. A municipality
outside any Verbandsgemeinde is such a unit too; its page is the municipality's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import shapely

from geo_service.names import fold
from geo_service.schema import KEY_COLUMN, LAND_NAMES
from geo_service.web.places import read_kreise
from geo_service.web.wording import N_, gettext

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from geo_service.schema import Level, Municipalities
    from geo_service.web.places import Place

__all__ = ["Area", "AreaIndex"]

_LEVEL_OF_LENGTH: Final[Mapping[int, Level]] = {
    2: "land",
    5: "kreis",
    9: "verbandsgemeinde",
    8: "gemeinde",
}
_LAND: Final = N_("Land")
_LANDKREIS: Final = N_("Landkreis")
_TOWN: Final = N_("kreisfreie Stadt")
_VG: Final = N_("Verbandsgemeinde")
DESIGNATIONS: Final = (
    N_("Gemeinde"),
    N_("Stadt"),
    N_("verbandsfreie Gemeinde"),
    N_("verbandsfreie Stadt"),
)
"""What the register calls municipalities; translated where they are shown."""


@dataclass(frozen=True, slots=True)
class Area:
    """The Land, a Kreis, a Verbandsgemeinde or a municipality.

    `name` is as lists write it, `kind` what it is (German), `path` the keys of the larger
    areas it lies in, the Land's first. `bounds` are west, south, east, north in degrees
    (EPSG:4326). `seat` is where most of its people live: name, lon, lat.
    """

    key: str
    level: Level
    name: str
    kind: str
    population: int
    path: tuple[str, ...]
    bounds: tuple[float, float, float, float]
    seat: tuple[str, float, float]

    @property
    def kind_name(self) -> str:
        """Return what it is in the page's language."""
        return gettext(self.kind)

    @property
    def short_name(self) -> str:
        """Return the name as a list of its level needs it."""
        return self.name.removeprefix(f"{_VG} ")

    @property
    def sort_key(self) -> tuple[str, str]:
        """Order in lists."""
        return fold(self.short_name.removeprefix(f"{_LANDKREIS} ")), self.key


class AreaIndex:
    """All areas of one territory by key.

    Parameters
    ----------
    municipalities
        The Land.
    successors
        Former keys and the present ones.
    """

    def __init__(self, municipalities: Municipalities, successors: Mapping[str, str]) -> None:
        self._successors = successors
        self._geometry = np.asarray(municipalities.geometry.array)
        self._tree = shapely.STRtree(self._geometry)
        self._aliases = _aliases(municipalities)
        columns = municipalities[[KEY_COLUMN[level] for level in _LEVEL_OF_LENGTH.values()]]
        rows = [tuple(map(str, row)) for row in columns.itertuples(index=False, name=None)]
        self._paths = [
            tuple(dict.fromkeys(self._aliases.get(key, key) for key in row)) for row in rows
        ]
        self._path_of_ags: dict[str | None, tuple[str, ...]] = dict(
            zip(municipalities["ags"], self._paths, strict=True)
        )
        self.areas = self._read(municipalities)
        """Every area by its key, larger ones first, then by name."""

    def get(self, key: str) -> Area | None:
        """Return the area whose own key `key` is; None if there is none."""
        return self.areas.get(key)

    def canonical(self, key: str) -> str | None:
        """Return the key of the area's page for any key that means it, former ones too."""
        key = self._successors.get(key, key)
        key = self._aliases.get(key, key)
        return key if key in self.areas else None

    def children(self, area: Area) -> tuple[Area, ...]:
        """Return the areas right below one, by name."""
        return tuple(one for one in self.areas.values() if one.path and one.path[-1] == area.key)

    def parents(self, area: Area) -> tuple[Area, ...]:
        """Return the areas above one, the Land first."""
        return tuple(self.areas[key] for key in area.path)

    def within(self, area: Area, *, known: Collection[str] = ()) -> str:
        """Say in which Verbandsgemeinde and Kreis one lies, but for those of `known` keys."""
        keys = (key for key in reversed(area.path) if len(key) != 2 and key not in known)
        return ", ".join(self.areas[key].name.replace(f"{_VG} ", "VG ") for key in keys)

    def neighbours(self, area: Area) -> tuple[Area, ...]:
        """Return the areas of the same kind that share a border with one, not only a point.

        Beside a Verbandsgemeinde these may be municipalities outside any.
        """
        inside = np.array([area.key in path for path in self._paths])
        if inside.all():
            return ()
        own, other = self._tree.query(self._geometry[inside], predicate="touches")
        outside = ~inside[other]
        own, other = np.flatnonzero(inside)[own[outside]], other[outside]
        shared = shapely.intersection(self._geometry[own], self._geometry[other])
        touched = np.unique(other[shapely.length(shared) > 0])
        found = {self._at_level(self._paths[number], area.level) for number in touched}
        return tuple(sorted((self.areas[key] for key in found), key=lambda one: one.sort_key))

    def keys_of(self, place: Place) -> tuple[str, ...]:
        """Return the keys of all areas that a place lies in, as far as that is known."""
        kreis = place.kreis.key if place.kreis else None
        return self.path_of(place.ags) or self.path_of(kreis)

    def path_of(self, key: str | None) -> tuple[str, ...]:
        """Return the keys of the areas that a municipality or Kreis is or lies in, the Land first.

        Empty where there is no such area.
        """
        if key in self._path_of_ags:
            return self._path_of_ags[key]
        area = self.areas.get(key or "")
        return (*area.path, area.key) if area else ()

    def _at_level(self, path: tuple[str, ...], level: Level) -> str:
        """Return the key on a path that stands beside areas of `level`."""
        if level == "kreis":
            return path[1]
        return path[min(2, len(path) - 1)] if level == "verbandsgemeinde" else path[-1]

    def _read(self, municipalities: Municipalities) -> dict[str, Area]:
        names = _names(municipalities)
        bounds = shapely.bounds(self._geometry)
        seats = municipalities[["name", "seat_lon", "seat_lat"]]
        people = municipalities["population"].to_numpy()
        members: dict[str, list[int]] = {}
        for number, path in enumerate(self._paths):
            for key in path:
                members.setdefault(key, []).append(number)
        areas = []
        for key, numbers in members.items():
            level = _LEVEL_OF_LENGTH[len(key)]
            west, south = bounds[numbers, :2].min(axis=0).tolist()
            east, north = bounds[numbers, 2:].max(axis=0).tolist()
            largest = numbers[int(np.argmax(people[numbers]))]
            seat, lon, lat = seats.iloc[largest]
            path = self._paths[numbers[0]]
            name, kind = names[key]
            area = Area(
                key=key,
                level=level,
                name=name,
                kind=kind,
                population=int(people[numbers].sum()),
                path=path[: path.index(key)],
                bounds=(west, south, east, north),
                seat=(str(seat), float(lon), float(lat)),
            )
            areas.append(area)
        order = tuple(_LEVEL_OF_LENGTH.values())
        areas.sort(key=lambda area: (order.index(area.level), area.sort_key))
        return {area.key: area for area in areas}


def _aliases(municipalities: Municipalities) -> dict[str, str]:
    """Return the keys that mean an area whose page goes by another of its keys."""
    aliases: dict[str, str] = {}
    columns = municipalities[
        ["ags", "verbandsgemeinde_key", "kreis_key", "designation", "verbandsgemeinde"]
    ]
    for ags, unit, kreis, designation, joint in columns.itertuples(index=False, name=None):
        if designation == _TOWN:
            aliases |= {ags: kreis, unit: kreis}
        elif not isinstance(joint, str):
            aliases[unit] = ags
    return aliases


def _names(municipalities: Municipalities) -> dict[str, tuple[str, str]]:
    """Return the name and the kind of every area by every key."""
    names: dict[str, tuple[str, str]] = {}
    columns = municipalities[
        ["ags", "name", "designation", "verbandsgemeinde_key", "verbandsgemeinde", "land_key"]
    ]
    for ags, name, kind, unit, joint, land in columns.itertuples(index=False, name=None):
        names[land] = (LAND_NAMES[land], _LAND)
        if isinstance(joint, str):
            names[unit] = (f"{_VG} {joint}", _VG)
        names[ags] = (name, kind)
    for kreis in read_kreise(municipalities):
        names[kreis.key] = (kreis.name, _TOWN if kreis.town else _LANDKREIS)
    return names
