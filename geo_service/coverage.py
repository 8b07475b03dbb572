"""Coverage: how well places reach people, per area and level, and where the gaps are.

Distances are as the crow flies, in metres, in EPSG:25832. The method, with its formulas,
assumptions and limits, is docs/coverage.md.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyproj
import shapely
from scipy.spatial import cKDTree

from geo_service.errors import QueryError, SchemaError
from geo_service.formats import german_number, german_percent
from geo_service.schema import (
    CATEGORIES,
    COVERAGE_COLUMNS,
    FINE_PRECISIONS,
    KEY_COLUMN,
    LAND_NAMES,
    LEVELS,
    METRIC_CRS,
    STALE_AFTER_MONTHS,
    THEMES,
    WGS84,
    Coverage,
    Initiatives,
    Level,
    Municipalities,
    Population,
    check_coverage,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]
    Zones = NDArray[np.uint8]
    Bools = NDArray[np.bool_]

__all__ = [
    "E2SFCA_PEOPLE",
    "LUO_QI_STEPS",
    "MAX_RADIUS_M",
    "CoverageParameters",
    "PlaceCount",
    "compute_coverage",
    "compute_e2sfca",
    "compute_levels",
    "count_places",
    "select_places",
]

LUO_QI_STEPS: Final = ((1 / 3, 1.0), (2 / 3, 0.68), (1.0, 0.22))
"""Three equal zones of the catchment and their weights: Luo, W., & Qi, Y. (2009), An enhanced
two-step floating catchment area (E2SFCA) method for measuring spatial accessibility to primary
care physicians, Health & Place 15(4), 1100-1107, doi:10.1016/j.healthplace.2009.06.002, the
first set of weights (their zones are 0-10, 10-20 and 20-30 minutes)."""

E2SFCA_PEOPLE: Final = 10_000
"""E2SFCA is given as places per so many people, as `places_per_10k` is."""

MAX_RADIUS_M: Final = 100_000.0
"""Longest radius and catchment, in metres: about half the length of the Land."""

_PAIRS_AT_ONCE: Final = 2_000_000
"""Pairs of demand point and place found at a time (24 bytes each, and as much to work with)."""

_PAIRS_KEPT: Final = 24_000_000
"""Pairs kept between the two steps of E2SFCA (9 bytes each); beyond, found a second time."""


@dataclass(frozen=True, slots=True)
class CoverageParameters:
    """What coverage is measured with.

    Parameters
    ----------
    radius_m
        Service radius in metres, over 0 and at most `MAX_RADIUS_M`, as the crow flies.
    categories, themes
        Only places of these count; empty: all. A place without a theme is in none.
    e2sfca_steps
        Zones of the E2SFCA catchment: (outer edge as a multiple of `radius_m`, weight),
        edges rising, weights over 0 and never rising.
    gap_share
        An area is a gap where a smaller share of its people is reached, 0 to 1.
    minimum_people
        An area with fewer people is not judged.
    stale_after_months
        A record is stale when neither statement nor confirmation is younger.

    Raises
    ------
    QueryError
        If a parameter is out of range; the message names it.
    """

    radius_m: float = 5_000.0
    categories: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    e2sfca_steps: tuple[tuple[float, float], ...] = LUO_QI_STEPS
    gap_share: float = 0.5
    minimum_people: float = 50.0
    stale_after_months: int = STALE_AFTER_MONTHS

    def __post_init__(self) -> None:
        """Check every parameter."""
        _require(
            0 < self.radius_m <= MAX_RADIUS_M,
            "radius_m",
            f"over 0 to {MAX_RADIUS_M:.0f} metres",
            self.radius_m,
        )
        _require(0 <= self.gap_share <= 1, "gap_share", "a share of 0 to 1", self.gap_share)
        _require(
            0 <= self.minimum_people < math.inf,
            "minimum_people",
            "a number from 0",
            self.minimum_people,
        )
        _require(
            isinstance(self.stale_after_months, int) and 0 <= self.stale_after_months <= 1200,
            "stale_after_months",
            "whole months from 0 to 1200",
            self.stale_after_months,
        )
        _check_names("categories", self.categories, CATEGORIES)
        _check_names("themes", self.themes, THEMES)
        _check_steps(self.e2sfca_steps, self.radius_m)

    def describe(self) -> dict[str, str]:
        """Return label and value of each in German, for a sheet, a legend or a file's metadata.

        >>> CoverageParameters().describe()["Umkreis"]
        '5 km Luftlinie'
        """
        zones = (
            f"bis {_kilometres(edge * self.radius_m)} Gewicht {_short(weight)}"
            for edge, weight in self.e2sfca_steps
        )
        return {
            "Umkreis": f"{_kilometres(self.radius_m)} Luftlinie",
            "Kategorien": ", ".join(self.categories) or "alle",
            "Leitthemen": ", ".join(self.themes) or "alle",
            "E2SFCA-Zonen": "; ".join(zones),
            "Lücke": f"weniger als {_short(self.gap_share * 100)} % der Menschen erreicht",
            "Beurteilt ab": f"{_short(self.minimum_people)} Menschen",
            "Veraltet nach": f"{self.stale_after_months} Monaten ohne Angabe oder Bestätigung",
        }


def _kilometres(length_m: float) -> str:
    return f"{_short(length_m / 1000, 3)} km"


def _short(value: float, decimals: int = 2) -> str:
    """Return a number in German form without trailing zeros."""
    text = german_number(value, decimals)
    return text.rstrip("0").rstrip(",") if "," in text else text


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """What became of the records: ``selected == counted + outside + unplaced``.

    `selected` pass the filter; `counted` stand in a municipality and are what `places` of
    every level adds up to; `outside` have a point, but in no municipality: they reach people
    near the border and count in no area; `unplaced` have no point and count nowhere.
    """

    records: int
    selected: int
    counted: int
    outside: int
    unplaced: int


def select_places(initiatives: Initiatives, parameters: CoverageParameters) -> Bools:
    """Return for each record whether it passes the filter by category and theme.

    A record of one of the categories and one of the themes passes; no categories, or no
    themes, means any.
    """
    chosen = np.ones(len(initiatives), dtype=bool)
    if parameters.categories:
        chosen &= initiatives["category"].isin(parameters.categories).to_numpy(dtype=bool)
    if parameters.themes:
        chosen &= initiatives["theme"].isin(parameters.themes).to_numpy(dtype=bool)
    return chosen


def count_places(
    initiatives: Initiatives, municipalities: Municipalities, *, parameters: CoverageParameters
) -> PlaceCount:
    """Count the records that pass the filter, and those of them that no area has."""
    places = _Places.of(initiatives, municipalities, parameters)
    inside = places.municipality >= 0
    return PlaceCount(
        records=len(initiatives),
        selected=len(places.municipality),
        counted=int(inside.sum()),
        outside=int((places.has_point & ~inside).sum()),
        unplaced=int((~places.has_point).sum()),
    )


def compute_coverage(
    initiatives: Initiatives,
    municipalities: Municipalities,
    population: Population,
    *,
    level: Level,
    parameters: CoverageParameters | None = None,
    today: dt.date,
) -> Coverage:
    """Measure each area of one level; see `compute_levels`.

    Raises
    ------
    QueryError
        If `level` is none of `LEVELS`, or `population` is of other municipalities.
    """
    _require(level in LEVELS, "level", f"one of {LEVELS}", level)
    measure = _Measure.of(initiatives, municipalities, population, parameters, today)
    return measure.level(level)


def compute_levels(
    initiatives: Initiatives,
    municipalities: Municipalities,
    population: Population,
    *,
    parameters: CoverageParameters | None = None,
    today: dt.date,
) -> dict[Level, Coverage]:
    """Measure the areas of all four levels and flag the gaps.

    Parameters
    ----------
    initiatives
        Points in degrees (EPSG:4326). Records without a point, or that the filter leaves
        out, do not count: `count_places` says how many.
    municipalities
        Their keys make the levels; their own population is the register's figure.
    population
        Where people live. Each point's municipality must be one of `municipalities`.
    parameters
        Radius, filter and rules; the defaults of `CoverageParameters` if None.
    today
        Day that staleness is judged by.

    Returns
    -------
    levels
        For each level a row per area, sorted by key, as `schema.COVERAGE_COLUMNS` documents.
        `e2sfca` is in places per 10,000 people. Lengths are in metres in EPSG:25832.

    Raises
    ------
    QueryError
        If `population` has points in municipalities that `municipalities` lacks.
    """
    measure = _Measure.of(initiatives, municipalities, population, parameters, today)
    return {level: measure.level(level) for level in LEVELS}


def compute_e2sfca(
    demand_xy_m: Floats,
    people: Floats,
    supply_xy_m: Floats,
    capacity: Floats,
    *,
    steps: tuple[tuple[float, float], ...],
) -> Floats:
    """Return each demand point's access by E2SFCA, in units of capacity per person.

    Step 1 gives each place its ratio R_j = S_j / sum of P_k w(d_kj), step 2 each demand
    point A_i = sum of R_j w(d_ij), with w the weight of the zone that the distance falls in
    and 0 beyond the last (Luo & Qi 2009, see `LUO_QI_STEPS`).
    A place that nobody lives near has no ratio and adds nothing.

    Parameters
    ----------
    demand_xy_m, supply_xy_m
        Arrays of shape (n, 2), metres in one plane.
    people, capacity
        People at each demand point and capacity of each place, 0 or more.
    steps
        Zones as (outer edge in metres, weight), edges rising; an edge belongs to its zone.

    Returns
    -------
    access
        One value per demand point, in order; 0 where no place is within the last edge.

    Examples
    --------
    >>> two_towns = np.array([[0.0, 0.0], [3.0, 0.0]])
    >>> people = np.array([100.0, 50.0])
    >>> place = np.array([[0.0, 0.0]])
    >>> compute_e2sfca(two_towns, people, place, np.ones(1), steps=((1.0, 1.0), (3.0, 0.5)))
    array([0.008, 0.004])
    """
    access = np.zeros(len(demand_xy_m))
    if not len(demand_xy_m) or not len(supply_xy_m):
        return access
    pairs = _Pairs(demand_xy_m, supply_xy_m, steps)
    competing = np.zeros(len(supply_xy_m))
    for i, j, weight in pairs:
        competing += _sums(j, people[i] * weight, len(competing))
    ratio = np.divide(capacity, competing, out=np.zeros(len(competing)), where=competing > 0)
    for i, j, weight in pairs:
        access += _sums(i, ratio[j] * weight, len(access))
    return access


class _Pairs:
    """Demand points and places at most the last edge apart, with their zone's weight.

    Iterating gives blocks of (demand index, place index, weight), each time the same; few
    enough pairs are kept for the second time, more are found again, so that memory is bounded.
    """

    def __init__(
        self, demand_xy_m: Floats, supply_xy_m: Floats, steps: tuple[tuple[float, float], ...]
    ) -> None:
        self._demand_xy_m = demand_xy_m
        self._supply = cKDTree(supply_xy_m)
        self._edges = np.array([edge for edge, _ in steps])
        self._weights = np.array([weight for _, weight in steps])
        counts = self._supply.query_ball_point(demand_xy_m, self._edges[-1], return_length=True)
        self._slices = _slices(counts, _PAIRS_AT_ONCE)
        self._kept = (
            [self._find(part) for part in self._slices] if counts.sum() <= _PAIRS_KEPT else None
        )

    def __iter__(self) -> Iterator[tuple[Ints, Ints, Floats]]:
        blocks = self._kept if self._kept is not None else map(self._find, self._slices)
        for demand, supply, zone in blocks:
            yield demand, supply, self._weights[zone]

    def _find(self, part: slice) -> tuple[Ints, Ints, Zones]:
        # A hair beyond the last edge, so that the comparison with the edges alone decides.
        found = cKDTree(self._demand_xy_m[part]).sparse_distance_matrix(
            self._supply, self._edges[-1] * (1 + 1e-9), output_type="ndarray"
        )
        zone = np.searchsorted(self._edges, found["v"], side="left")
        within = zone < len(self._edges)
        demand = (found["i"][within] + part.start).astype(np.int32)
        return demand, found["j"][within].astype(np.int32), zone[within].astype(np.uint8)


def _slices(counts: Ints, limit: int) -> list[slice]:
    """Cut 0..len(counts) so that each part adds up to about `limit`, or is one long."""
    group = np.cumsum(counts) // limit
    starts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(counts)]
    return [slice(start, stop) for start, stop in itertools.pairwise(starts)]


# ----------------------------------------------------------------------- what is measured


@dataclass(frozen=True, slots=True)
class _Places:
    """The records that pass the filter; `municipality` is a row number, or -1 for none."""

    table: pd.DataFrame
    has_point: Bools
    lon: Floats
    lat: Floats
    municipality: Ints

    @classmethod
    def of(
        cls,
        initiatives: Initiatives,
        municipalities: Municipalities,
        parameters: CoverageParameters,
    ) -> _Places:
        chosen = select_places(initiatives, parameters)
        points = np.asarray(initiatives.geometry.array)[chosen]
        table = pd.DataFrame(initiatives)[chosen]
        return cls(
            table,
            ~shapely.is_missing(points),
            shapely.get_x(points),
            shapely.get_y(points),
            pd.Index(municipalities["ags"]).get_indexer(table["ags"]),
        )

    def distinct_points(self) -> tuple[Floats, Floats]:
        """Return the distinct points, shape (n, 2) in metres, and the counted places at each.

        In the order of their coordinates, whatever the order of the records. A point in no
        municipality has no counted place.
        """
        lon, lat = self.lon[self.has_point], self.lat[self.has_point]
        points, at = np.unique(lon + 1j * lat, return_inverse=True)
        inside = self.municipality[self.has_point] >= 0
        counted = _sums(at, inside, len(points))
        return _to_metres(points.real, points.imag), counted

    def per_municipality(self, rows: Bools, length: int) -> NDArray[np.int64]:
        """Count the records of `rows` in each of `length` municipalities."""
        where = self.municipality[rows & (self.municipality >= 0)]
        return np.bincount(where, minlength=length).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Measure:
    """Sums over each municipality, of which every level's figures are made."""

    municipalities: Municipalities
    parameters: CoverageParameters
    basis: str
    some_place: bool
    counts: dict[str, NDArray[np.int64]]
    people: Floats
    reached: Floats
    people_metres: Floats
    people_access: Floats
    nearest_seat_m: Floats

    @classmethod
    def of(
        cls,
        initiatives: Initiatives,
        municipalities: Municipalities,
        population: Population,
        parameters: CoverageParameters | None,
        today: dt.date,
    ) -> _Measure:
        parameters = parameters or CoverageParameters()
        places = _Places.of(initiatives, municipalities, parameters)
        supply_xy_m, capacity = places.distinct_points()
        home = _home_of(population, municipalities)
        demand_xy_m = np.column_stack([population.x_m, population.y_m])
        nearest_m = _nearest(demand_xy_m, supply_xy_m)
        steps = tuple((edge * parameters.radius_m, w) for edge, w in parameters.e2sfca_steps)
        access = compute_e2sfca(demand_xy_m, population.people, supply_xy_m, capacity, steps=steps)
        seats_xy_m = _to_metres(
            municipalities["seat_lon"].to_numpy(), municipalities["seat_lat"].to_numpy()
        )

        def total(values: Floats) -> Floats:
            return _sums(home, population.people * values, len(municipalities))

        return cls(
            municipalities,
            parameters,
            population.basis,
            bool(len(supply_xy_m)),
            _count_records(places, len(municipalities), parameters, today),
            total(np.ones(len(home))),
            total((nearest_m <= parameters.radius_m).astype(np.float64)),
            total(np.where(np.isfinite(nearest_m), nearest_m, 0.0)),
            total(access),
            _nearest(seats_xy_m, supply_xy_m),
        )

    def level(self, level: Level) -> Coverage:
        """Return one row per area of `level`, sorted by key."""
        keys, first, area = np.unique(
            self.municipalities[KEY_COLUMN[level]].to_numpy(dtype=object),
            return_index=True,
            return_inverse=True,
        )

        def total(values: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
            return _sums(area, values, len(keys))

        people, reached = total(self.people), total(self.reached)
        population = total(self.municipalities["population"].to_numpy())
        counts = {name: total(values).astype(np.int64) for name, values in self.counts.items()}
        share = _ratio(reached, people)
        gap, reason = self._judge(people, share, counts["places"])
        values = {
            "key": keys,
            "name": _area_names(self.municipalities, level)[first],
            "level": [level] * len(keys),
            "population": population.astype(np.int64),
            "places_per_10k": 10_000 * _ratio(total(self.counts["places"]), population),
            "people_counted": people,
            "people_reached": reached,
            "share_reached": share,
            "people_beyond": people - reached,
            "nearest_seat_m": self._seats(level)[first],
            "nearest_mean_m": self._mean_distance(total(self.people_metres), people),
            "e2sfca": E2SFCA_PEOPLE * _ratio(total(self.people_access), people),
            "gap": gap,
            "gap_reason": reason,
            "population_basis": [self.basis] * len(keys),
            **counts,
        }
        frame = {name: pd.Series(values[name], dtype=t) for name, t in COVERAGE_COLUMNS.items()}
        return check_coverage(pd.DataFrame(frame))

    def _seats(self, level: Level) -> Floats:
        known = level == "gemeinde" and self.some_place
        return self.nearest_seat_m if known else np.full(len(self.nearest_seat_m), np.nan)

    def _mean_distance(self, people_metres: Floats, people: Floats) -> Floats:
        return _ratio(people_metres, people) if self.some_place else np.full(len(people), np.nan)

    def _judge(
        self, people: Floats, share: Floats, places: NDArray[np.int64]
    ) -> tuple[pd.api.extensions.ExtensionArray, list[str | None]]:
        """Return for each area whether it is a gap (missing: not judged), and why."""
        judged = (people > 0) & (people >= self.parameters.minimum_people)
        gap = judged & (share < self.parameters.gap_share)
        reasons: list[str | None] = [None] * len(people)
        for row in np.flatnonzero(~judged):
            reasons[row] = self._too_small(people[row])
        for row in np.flatnonzero(gap):
            reasons[row] = self._too_few(share[row], int(places[row]))
        return pd.arrays.BooleanArray(gap, ~judged), reasons

    def _too_small(self, people: float) -> str:
        if not people:
            return "nicht beurteilt: niemand gezählt"
        return (
            f"nicht beurteilt: {german_number(people)} Menschen,"
            f" mindestens {german_number(self.parameters.minimum_people)} nötig"
        )

    def _too_few(self, share: float, places: int) -> str:
        if not self.some_place:
            return "kein Ort"
        limit = _short(self.parameters.gap_share * 100)
        reason = f"unter {limit} % erreicht ({german_percent(share, down=True)})"
        return reason if places else f"{reason}, kein Ort im Gebiet"


def _home_of(population: Population, municipalities: Municipalities) -> Ints:
    home = pd.Index(municipalities["ags"]).get_indexer(pd.Index(population.ags))
    if bool((home < 0).any()):
        strangers = sorted({str(ags) for ags in population.ags[home < 0]})
        raise QueryError(
            "population: expected points in the municipalities at hand only, got"
            f" {len(strangers)} other keys ({', '.join(strangers[:5])});"
            " load the population again after a change of territory"
        )
    return np.asarray(home, dtype=np.intp)


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


def _count_records(
    places: _Places, length: int, parameters: CoverageParameters, today: dt.date
) -> dict[str, NDArray[np.int64]]:
    """Count places, and those that are rough, stale or undated, in each municipality."""
    fine = places.table["coordinate_precision"].isin(FINE_PRECISIONS).to_numpy(dtype=bool)
    stated = _last_days(places.table["source_date"])
    latest = np.maximum(stated, _last_days(places.table["confirmed_on"]))
    oldest = _day_number(_months_before(today, parameters.stale_after_months))
    rows = {
        "places": np.ones(len(fine), dtype=bool),
        "rough": ~fine,
        "stale": (latest > 0) & (latest < oldest),
        "undated": latest == 0,
    }
    return {name: places.per_municipality(mask, length) for name, mask in rows.items()}


# -------------------------------------------------------------------------------- helpers


def _to_metres(lon: Floats, lat: Floats) -> Floats:
    """Return degrees (EPSG:4326) as an array of shape (n, 2) in EPSG:25832."""
    return np.column_stack(_transformer().transform(lon, lat)).astype(np.float64)


@functools.cache
def _transformer() -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True)


def _sums(group: Ints, values: NDArray[Any], length: int) -> Floats:
    """Add up `values` by their group number, 0 to `length` - 1."""
    return np.asarray(np.bincount(group, values, minlength=length), dtype=np.float64)


def _nearest(from_xy_m: Floats, to_xy_m: Floats) -> Floats:
    """Return each point's distance to the nearest of the others; infinite where none is."""
    if not len(to_xy_m):
        return np.full(len(from_xy_m), np.inf)
    return np.asarray(cKDTree(to_xy_m).query(from_xy_m)[0], dtype=np.float64)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; missing where the denominator is 0."""
    ratio = np.full(len(denominator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _last_days(dates: pd.Series[str]) -> NDArray[np.int64]:
    """Return the last day of each stated period as a number JJJJMMTT; 0 where unknown."""
    codes, texts = pd.factorize(dates)
    numbers = np.array([*(_last_day(str(text)) for text in texts), 0], dtype=np.int64)
    return numbers[codes]


def _last_day(text: str) -> int:
    try:
        if len(text) == 4:
            return _day_number(dt.date(int(text), 12, 31))
        if len(text) == 7:
            first = dt.date.fromisoformat(f"{text}-01")
            return _day_number(first.replace(day=calendar.monthrange(first.year, first.month)[1]))
        return _day_number(dt.date.fromisoformat(text))
    except ValueError as error:
        raise SchemaError(
            f"Initiatives: expected a date JJJJ, JJJJ-MM or JJJJ-MM-TT, got {text!r}"
        ) from error


def _day_number(day: dt.date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _months_before(day: dt.date, months: int) -> dt.date:
    """Return the same day `months` earlier, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(day.day, last))


def _require(holds: bool, name: str, expected: str, got: object) -> None:
    if not holds:
        raise QueryError(f"{name}: expected {expected}, got {got!r}")


def _check_names(name: str, values: Collection[str], known: Collection[str]) -> None:
    _require(not isinstance(values, str), name, "a tuple of names", values)
    for value in values:
        _require(value in known, name, f"one of {', '.join(known)}", value)


def _check_steps(steps: tuple[tuple[float, float], ...], radius_m: float) -> None:
    name = "e2sfca_steps"
    _require(0 < len(steps) <= 20, name, "1 to 20 pairs of edge and weight", steps)
    edges, weights = zip(*steps, strict=True)
    rising = all(0 <= low < high for low, high in itertools.pairwise((0.0, *edges)))
    _require(rising, name, "edges rising from over 0", edges)
    _require(
        edges[-1] * radius_m <= MAX_RADIUS_M,
        name,
        f"a catchment up to {MAX_RADIUS_M:.0f} metres",
        edges,
    )
    falling = all(math.inf > high >= low > 0 for high, low in itertools.pairwise(weights))
    _require(falling and 0 < weights[0] < math.inf, name, "weights over 0, never rising", weights)
