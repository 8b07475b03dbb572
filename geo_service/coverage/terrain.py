"""What does not depend on the places, made ready once: the territory and its people."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import pandas as pd
import pyproj
import shapely
from scipy import sparse
from scipy.spatial import cKDTree

from geo_service.coverage.spots import spread_spots
from geo_service.errors import QueryError
from geo_service.schema import (
    KEY_COLUMN,
    LAND_NAMES,
    LEVELS,
    METRIC_CRS,
    WGS84,
    Level,
    Municipalities,
    Population,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]
    Bools = NDArray[np.bool_]

T = TypeVar("T", bound=np.generic)

TERRAIN_BYTES: Final = 200_000_000
"""What a terrain remembers; a hundred metre grid has 40 MB for one set of rough places."""


class Recent:
    """The arrays made last, by key; a thread that makes one holds up no other."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._values: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """What the arrays hold, in bytes."""
        with self._lock:
            return sum(kept.nbytes for kept in self._values.values())

    def get(self, key: Hashable, make: Callable[[], NDArray[T]]) -> NDArray[T]:
        """Return the array of `key`; make it where it is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while sum(kept.nbytes for kept in self._values.values()) > self.most_bytes:
                self._values.popitem(last=False)
        return value


@dataclass(frozen=True, eq=False, slots=True)
class Tier:
    """The areas of one level, sorted by key; `area` is each municipality's area number.

    `members` is the same as a matrix: a row per area, with 1 for each of its municipalities.
    """

    columns: Mapping[str, Any]
    area: Ints
    first: Ints
    members: sparse.csr_array

    def total(self, values: NDArray[Any]) -> Floats:
        """Add up a figure of each municipality by area."""
        return sums(self.area, values, len(self.first))


@dataclass(frozen=True, eq=False)
class Ground:
    """A territory made ready for measuring. What is costly is made when first asked for."""

    municipalities: Municipalities

    @cached_property
    def index(self) -> pd.Index[Any]:
        """The keys of the municipalities, by row."""
        index: pd.Index[Any] = pd.Index(self.municipalities["ags"])
        index.get_indexer(index[:1])  # builds its table now: threads must not race for it
        return index

    @cached_property
    def tiers(self) -> Mapping[Level, Tier]:
        """The areas of each level."""
        return {level: _tier(self.municipalities, level) for level in LEVELS}

    @cached_property
    def seats_xy_m(self) -> Floats:
        """The seats, shape (n, 2)."""
        table = self.municipalities
        return to_metres(table["seat_lon"].to_numpy(), table["seat_lat"].to_numpy())

    @cached_property
    def spots_xy_m(self) -> Floats:
        """Where a rough place may stand, shape (municipalities, `SPOTS`, 2)."""
        polygons = shapely.transform(
            np.asarray(self.municipalities.geometry.array),
            lambda points: to_metres(points[:, 0], points[:, 1]),
        )
        return spread_spots(polygons, self.municipalities["ags"], self.seats_xy_m)


@dataclass(frozen=True, eq=False)
class Terrain:
    """A territory with its people, made ready for measuring any places in it.

    Keep it as long as both stay the same; it remembers what it worked out for the roughly
    located places of the last questions. Threads may share it.

    Parameters
    ----------
    ground
        The territory.
    population
        Where people live. Each point's municipality must be one of the territory's.
    home
        Row of each point's municipality.

    Raises
    ------
    QueryError
        If `population` has points in municipalities that the territory lacks (`of`).
    """

    ground: Ground
    population: Population
    home: Ints
    recent: Recent = field(default_factory=lambda: Recent(TERRAIN_BYTES), repr=False)

    @classmethod
    def of(cls, ground: Ground, population: Population, most_bytes: int = TERRAIN_BYTES) -> Terrain:
        """Put the people on their ground; it remembers at most `most_bytes`."""
        return cls(ground, population, _home_of(population, ground), Recent(most_bytes))

    @cached_property
    def people(self) -> Floats:
        """People at each point; 0 where unknown."""
        return np.nan_to_num(self.population.people, nan=0.0)

    @cached_property
    def known(self) -> Bools:
        """For each municipality whether it has a point with known people."""
        return sums(self.home, ~np.isnan(self.population.people), len(self.ground.index)) > 0

    @cached_property
    def unknown(self) -> Bools:
        """For each municipality whether it has points, and none with known people."""
        points = np.bincount(self.home, minlength=len(self.ground.index))
        return (points > 0) & ~self.known

    @cached_property
    def xy_m(self) -> Floats:
        """The points, shape (n, 2)."""
        return np.column_stack([self.population.x_m, self.population.y_m])

    @cached_property
    def tree(self) -> cKDTree:
        """The points, to be found by distance."""
        return cKDTree(self.xy_m)

    @cached_property
    def at_seats(self) -> bool:
        """Whether the points are the seats, one each, in order."""
        return np.array_equal(self.xy_m, self.ground.seats_xy_m)

    def total(self, values: NDArray[Any]) -> Floats:
        """Add up a figure of each point, times its people, by municipality."""
        return sums(self.home, self.people * values, len(self.ground.index))


def _home_of(population: Population, ground: Ground) -> Ints:
    home = ground.index.get_indexer(pd.Index(population.ags))
    if bool((home < 0).any()):
        strangers = sorted({str(ags) for ags in population.ags[home < 0]})
        raise QueryError(
            "population: expected points in the municipalities at hand only, got"
            f" {len(strangers)} other keys ({', '.join(strangers[:5])});"
            " load the population again after a change of territory"
        )
    return np.asarray(home, dtype=np.intp)


def _tier(municipalities: Municipalities, level: Level) -> Tier:
    keys, first, area = np.unique(
        municipalities[KEY_COLUMN[level]].to_numpy(dtype=object),
        return_index=True,
        return_inverse=True,
    )
    people = sums(area, municipalities["population"].to_numpy(), len(keys))
    columns = {
        "key": text(keys),
        "name": text(_area_names(municipalities, level)[first]),
        "level": text([level] * len(keys)),
        "population": people.astype(np.int64),
    }
    ones = (np.ones(len(area)), (area, np.arange(len(area))))
    return Tier(columns, area, first, sparse.csr_array(ones, shape=(len(keys), len(area))))


def _area_names(municipalities: Municipalities, level: Level) -> NDArray[np.object_]:
    """Return for each municipality the name of its area at `level`."""
    if level == "gemeinde":
        names = municipalities["name"]
    elif level == "verbandsgemeinde":
        names = municipalities["verbandsgemeinde"].fillna(municipalities["name"])
    elif level == "kreis":
        names = municipalities["kreis"]
    else:
        names = municipalities["land_key"].map(LAND_NAMES)
    return np.asarray(names, dtype=object)


# -------------------------------------------------------------------------------- helpers


def text(values: Sequence[str | None] | NDArray[np.object_]) -> pd.api.extensions.ExtensionArray:
    """Return a column of text; None is missing."""
    return pd.array(values, dtype="str")


def sums(group: Ints, values: NDArray[Any], length: int) -> Floats:
    """Add up `values` by their group number, 0 to `length` - 1."""
    return np.asarray(np.bincount(group, values, minlength=length), dtype=np.float64)


def to_metres(lon: Floats, lat: Floats) -> Floats:
    """Return degrees (EPSG:4326) as an array of shape (n, 2) in EPSG:25832."""
    return np.column_stack(_transformer().transform(lon, lat)).astype(np.float64)


@functools.cache
def _transformer() -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True)
