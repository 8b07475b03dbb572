"""The indicators of each area of a level: sums over municipalities, divided last."""

from __future__ import annotations

import datetime as dt
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from geo_service.coverage.e2sfca import collect
from geo_service.coverage.parameters import CoverageParameters, require, short
from geo_service.coverage.places import Places
from geo_service.coverage.terrain import Ground, Terrain, Tier, text
from geo_service.coverage.uncertainty import Figure, Layouts, Range, middle
from geo_service.errors import QueryError
from geo_service.formats import german_number, german_percent
from geo_service.schema import (
    COVERAGE_COLUMNS,
    LEVELS,
    Coverage,
    Initiatives,
    Level,
    Municipalities,
    Population,
    check_coverage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]
    Bools = NDArray[np.bool_]

E2SFCA_PEOPLE: Final = 10_000
"""E2SFCA is given as places per so many people, as `places_per_10k` is."""

FEW_PLACES: Final = 5
"""With fewer places a ratio of places says little: its relative standard error, 1 / sqrt(n)
(New York State Department of Health, Rates Based on Small Numbers), is over 44 %, and one
place more or less changes it by more than a fifth."""

FEW_PEOPLE: Final = 1_000
"""With fewer people one per cent of them is fewer than ten."""

CHANGING: Final = (
    "people_reached",
    "share_reached",
    "people_beyond",
    "nearest_mean_m",
    "e2sfca",
)
"""The figures whose differences have a range (`measure_change`)."""

_JUDGEMENTS: Final = text(["no_gap", "gap", "uncertain", "too_small", "unknown"])


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
    require(level in LEVELS, "level", f"one of {LEVELS}", level)
    terrain = Terrain.of(Ground(municipalities), population)
    return _Measure.of(initiatives, terrain, parameters, today).level(level)


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
        Where people live. Each point's municipality must be one of `municipalities`; a
        point whose people are NaN is in no sum.
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
    terrain = Terrain.of(Ground(municipalities), population)
    return measure_terrain(initiatives, terrain, parameters=parameters, today=today)


class TooLargeError(QueryError):
    """A question that goes through more pairs of people and place than it may."""


def measure_terrain(
    initiatives: Initiatives,
    terrain: Terrain,
    *,
    parameters: CoverageParameters | None = None,
    today: dt.date,
    levels: Collection[Level] = LEVELS,
    most_pairs: int | None = None,
) -> dict[Level, Coverage]:
    """Measure some or all levels on a terrain that was made ready; see `compute_levels`.

    Raises
    ------
    TooLargeError
        Before anything is measured, if more than `most_pairs` points of people and places lie
        within the radius of one another, which say how long it takes. A roughly located place
        stands at each of its spots.
    """
    measure = _Measure.of(initiatives, terrain, parameters, today, most_pairs)
    return {level: measure.level(level) for level in levels}


class Sample(NamedTuple):
    """What is measured: places, the people around them, and the day that both are judged by."""

    initiatives: Initiatives
    terrain: Terrain
    today: dt.date


def measure_change(
    old: Sample, new: Sample, *, parameters: CoverageParameters, levels: Collection[Level] = LEVELS
) -> dict[Level, pd.DataFrame]:
    """Measure by how much figures differ between two samples of a territory, and how surely.

    Each layout puts a rough place on the same spot in both, so that a place which did not
    change adds nothing to the range of the difference.

    Returns
    -------
    changes
        For each level a row per area, indexed by key: for each of `CHANGING` the difference
        and its range (``…_low``, ``…_high``; nine of ten layouts), missing where unknown.
    """
    before, after = (
        _Measure.of(one.initiatives, one.terrain, parameters, one.today) for one in (old, new)
    )
    return {level: after.change_since(before, level) for level in levels}


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """The places that count, and how far people are from the nearest of them.

    `xy_m` are the distinct points where places stand, shape (n, 2) in EPSG:25832; `places` of
    them count in the territory, `rough` of those are laid out anew for a range.
    """

    xy_m: Floats
    places: int
    rough: int
    nearest: _Nearest

    def spread(self, figures: Callable[[Floats], Floats]) -> Range:
        """Return figures of the distances to the nearest place, with their ranges.

        `figures` is given the metres of each demand point, infinite where there is no place.
        """
        return middle(*self.nearest.figure(figures))


def measure_reach(
    initiatives: Initiatives, terrain: Terrain, *, parameters: CoverageParameters, today: dt.date
) -> Reach:
    """Measure how far each point of people is from the nearest place."""
    places = Places.of(initiatives, terrain.ground.index, parameters, today, terrain.unknown)
    counted, rough = (int(places.counts[kind].sum()) for kind in ("places", "rough"))
    nearest = _Nearest.of("people", terrain.xy_m, places, Layouts.of(terrain, places))
    return Reach(places.xy_m, counted, rough, nearest)


# ----------------------------------------------------------------- sums by municipality


@dataclass(frozen=True, slots=True)
class _Measure:
    """Sums over each municipality, of which every level's figures are made.

    `reached` counts people, `people_metres` adds up their ways to the nearest place,
    `access` is how many places fall to the municipality, `seats_m` its seat's way.
    """

    terrain: Terrain
    parameters: CoverageParameters
    some_place: bool
    counts: Mapping[str, NDArray[np.int64]]
    reached: Figure
    people_metres: Figure
    access: Figure
    seats_m: Figure

    @classmethod
    def of(
        cls,
        initiatives: Initiatives,
        terrain: Terrain,
        parameters: CoverageParameters | None,
        today: dt.date,
        most_pairs: int | None = None,
    ) -> _Measure:
        parameters = parameters or CoverageParameters()
        places = Places.of(initiatives, terrain.ground.index, parameters, today, terrain.unknown)
        layouts = Layouts.of(terrain, places)
        if most_pairs is not None:
            _check_pairs(terrain, places, layouts, parameters.radius_m, most_pairs)
        people = _Nearest.of("people", terrain.xy_m, places, layouts)
        seats = people
        if not terrain.at_seats:
            seats = _Nearest.of("seats", terrain.ground.seats_xy_m, places, layouts)
        return cls(
            terrain,
            parameters,
            bool(len(places.xy_m)),
            places.counts,
            people.figure(lambda length_m: terrain.total(length_m <= parameters.radius_m)),
            people.figure(lambda length_m: terrain.total(_finite(length_m))),
            _access(terrain, places, layouts, parameters),
            seats.figure(lambda length_m: length_m),
        )

    def level(self, level: Level) -> Coverage:
        """Return one row per area of `level`, sorted by key."""
        tier, areas = self.terrain.ground.tiers[level], _AreaPeople.of(self.terrain, level)
        counts = {name: tier.total(values).astype(np.int64) for name, values in self.counts.items()}
        reached = self.reached.total(tier)
        share = _ratios(reached, areas.people)
        values: dict[str, Any] = {
            **tier.columns,
            **counts,
            **_reach(areas, reached, share),
            **self._distances(level, tier, areas),
            **_named("e2sfca", _ratios(self.access.total(tier), areas.people, E2SFCA_PEOPLE)),
            **self._judge(areas, share, counts["places"]),
            "places_per_10k": 10_000 * self._places_per_person(tier, areas),
            "small_numbers": _small(counts["places"], areas),
            "municipalities_unknown": areas.municipalities_unknown,
            "population_basis": text([self.terrain.population.basis] * len(tier.first)),
        }
        return check_coverage(pd.DataFrame({name: values[name] for name in COVERAGE_COLUMNS}))

    def change_since(self, before: _Measure, level: Level) -> pd.DataFrame:
        """Return the figures less those of another measure, as `measure_change`."""
        then, now = before._figures(level), self._figures(level)
        columns = {
            f"{name}{end}": values
            for name in CHANGING
            for end, values in zip(("", "_low", "_high"), now[name].less(then[name]), strict=True)
        }
        keys = self.terrain.ground.tiers[level].columns["key"]
        return pd.DataFrame(columns, index=pd.Index(keys, name="key"))

    def _figures(self, level: Level) -> dict[str, Figure]:
        """Return the figures of `CHANGING` by area, with their layouts."""
        tier, areas = self.terrain.ground.tiers[level], _AreaPeople.of(self.terrain, level)
        reached, metres, access = (
            one.by_area(tier) for one in (self.reached, self.people_metres, self.access)
        )
        known = np.where(areas.unknown, np.nan, 1.0)
        some = np.where(self.some_place, areas.people, np.nan)
        figures = (
            _each(reached, lambda values: values * known[:, None]),
            _each(reached, lambda values: _per_person(values, areas.people)),
            _each(reached, lambda values: areas.people[:, None] - values),
            _each(metres, lambda values: _per_person(values, some)),
            _each(access, lambda values: E2SFCA_PEOPLE * _per_person(values, areas.people)),
        )
        return dict(zip(CHANGING, figures, strict=True))

    def _places_per_person(self, tier: Tier, areas: _AreaPeople) -> Floats:
        """Divide places by people; of named people by those known, with their places alone."""
        if not self.terrain.population.name:
            return _ratio(tier.total(self.counts["places"]), np.asarray(tier.columns["population"]))
        known = np.where(self.terrain.unknown, 0, self.counts["places"])
        return _ratio(tier.total(known), areas.people)

    def _distances(self, level: Level, tier: Tier, areas: _AreaPeople) -> dict[str, Any]:
        none = np.full(len(tier.first), np.nan)
        seats = mean = Range(none, none, none)
        if self.some_place:
            mean = _ratios(self.people_metres.total(tier), areas.people)
            if level == "gemeinde":
                seats = self.seats_m.total(tier)
        return {**_named("nearest_seat", seats, "_m"), **_named("nearest_mean", mean, "_m")}

    def _judge(self, areas: _AreaPeople, share: Range, places: NDArray[np.int64]) -> dict[str, Any]:
        """Say of each area whether it is a gap (missing: not judged), how sure, and why."""
        limit, minimum = self.parameters.gap_share, self.parameters.minimum_people
        judged = (areas.people > 0) & (areas.people >= minimum)
        gap = judged & (share.value < limit)
        uncertain = judged & ((share.low < limit) != (share.high < limit))
        kind = np.select([areas.unknown, ~judged, uncertain, gap], [4, 3, 2, 1], 0)
        rows = np.flatnonzero(kind)
        figures = (kind, areas.people, *share, places > 0)
        facts = zip(*(figure[rows].tolist() for figure in figures), strict=True)
        reasons = np.full(len(kind), None, dtype=object)
        reasons[rows] = [_reason(limit, minimum, self.some_place, *fact) for fact in facts]
        return {
            "gap": pd.arrays.BooleanArray(gap, ~judged),
            "judgement": _JUDGEMENTS.take(kind),
            "gap_reason": text(reasons),
        }


@dataclass(frozen=True, slots=True)
class _AreaPeople:
    """People of each area (missing: no figure known), and municipalities without a figure."""

    people: Floats
    unknown: Bools
    municipalities_unknown: NDArray[np.int64]

    @classmethod
    def of(cls, terrain: Terrain, level: Level) -> _AreaPeople:
        tier = terrain.ground.tiers[level]
        missing = tier.total(terrain.unknown)
        unknown = (missing > 0) & (tier.total(terrain.known) == 0)
        people = tier.total(terrain.total(np.ones(len(terrain.people))))
        return cls(np.where(unknown, np.nan, people), unknown, missing.astype(np.int64))


@dataclass(frozen=True, slots=True)
class _Nearest:
    """How far points are from the nearest place (infinite: none), on record and laid out."""

    length_m: Floats
    fixed_m: Floats
    rough_m: NDArray[np.float32] | None

    @classmethod
    def of(cls, name: str, xy_m: Floats, places: Places, layouts: Layouts | None) -> _Nearest:
        length_m = _distance(xy_m, places.xy_m)
        if layouts is None:
            return cls(length_m, length_m, None)
        fixed_m = _distance(xy_m, places.xy_m[places.fixed])
        return cls(length_m, fixed_m, layouts.nearest(name, xy_m))

    def figure(self, of_municipalities: Callable[[Floats], Floats]) -> Figure:
        """Return what the function makes of the distances, for each layout as well."""
        value = of_municipalities(self.length_m)
        if self.rough_m is None:
            return Figure(value, None)
        draws = np.empty((len(value), len(self.rough_m)))
        for draw, rough_m in enumerate(self.rough_m):
            draws[:, draw] = of_municipalities(np.minimum(self.fixed_m, rough_m))
        return Figure(value, draws)


def _check_pairs(
    terrain: Terrain, places: Places, layouts: Layouts | None, radius_m: float, most: int
) -> None:
    """Count the pairs within the radius; not where all there are cannot be too many."""
    spots = [] if layouts is None else [layouts.spots_xy_m]
    stands = np.concatenate([places.xy_m, *spots])
    if len(stands) * len(terrain.xy_m) <= most:
        return
    pairs = int(cKDTree(stands).count_neighbors(terrain.tree, radius_m))
    if pairs > most:
        raise TooLargeError(f"radius_m: expected at most {most} pairs within it, got {pairs}")


def _distance(from_xy_m: Floats, to_xy_m: Floats) -> Floats:
    if not len(to_xy_m):
        return np.full(len(from_xy_m), np.inf)
    return np.asarray(cKDTree(to_xy_m).query(from_xy_m)[0], dtype=np.float64)


def _finite(length_m: Floats) -> Floats:
    return np.where(np.isfinite(length_m), length_m, 0.0)


def _access(
    terrain: Terrain, places: Places, layouts: Layouts | None, parameters: CoverageParameters
) -> Figure:
    """Return how many places fall to each municipality by E2SFCA."""
    steps = parameters.steps_m
    capacities = (places.capacity, places.fixed_capacity)
    access = collect(terrain.tree, terrain.people, places.xy_m, capacities, steps)
    value, fixed = (terrain.total(values) for values in access)
    return Figure(value, None if layouts is None else fixed[:, None] + layouts.access(steps))


def _reach(areas: _AreaPeople, reached: Range, share: Range) -> dict[str, Any]:
    return {
        "people_counted": areas.people,
        "people_reached": np.where(areas.unknown, np.nan, reached.value),
        "share_reached": share.value,
        "share_low": share.low,
        "share_high": share.high,
        "people_beyond": areas.people - reached.value,
        "beyond_low": areas.people - reached.high,
        "beyond_high": areas.people - reached.low,
    }


# -------------------------------------------------------------------------------- helpers


def _named(name: str, figures: Range, unit: str = "") -> dict[str, Floats]:
    """Return the columns of an indicator and its range."""
    return {
        f"{name}{unit}": figures.value,
        f"{name}_low{unit}": figures.low,
        f"{name}_high{unit}": figures.high,
    }


def _ratios(figures: Range, denominator: Floats, times: int = 1) -> Range:
    return Range(*(times * _ratio(numerator, denominator) for numerator in figures))


def _each(figure: Figure, make: Callable[[Floats], Floats]) -> Figure:
    """Return what the function makes of a figure, given as an array of shape (areas, n)."""
    draws = None if figure.draws is None else make(figure.draws)
    return Figure(make(figure.value[:, None])[:, 0], draws)


def _per_person(values: Floats, people: Floats) -> Floats:
    """Divide each row; missing where there are no people, or it is not known how many."""
    return values / np.where(people > 0, people, np.nan)[:, None]


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Divide; missing where the denominator is 0 or missing."""
    ratio = np.full(len(denominator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _small(places: NDArray[np.int64], areas: _AreaPeople) -> pd.arrays.BooleanArray:
    small = (places < FEW_PLACES) | (areas.people < FEW_PEOPLE)
    return pd.arrays.BooleanArray(small, areas.unknown & ~small)


@functools.lru_cache(16_384)
def _reason(
    gap_share: float,
    minimum_people: float,
    some_place: bool,
    kind: int,
    people: float,
    share: float,
    low: float,
    high: float,
    own_place: bool,
) -> str:
    """Say why an area is a gap, uncertain or not judged; `kind` as in `_JUDGEMENTS`."""
    judgement = _JUDGEMENTS[kind]
    if judgement == "unknown":
        return "nicht beurteilt: Zahl der Menschen unbekannt"
    if judgement == "too_small":
        return _too_small(people, minimum_people)
    if judgement == "uncertain":
        return (
            f"zu unsicher: {german_percent(low, down=True)} bis {_percent_up(high)} erreicht"
            " in 9 von 10 durchgerechneten Lagen der grob verorteten Orte"
        )
    if not some_place:
        return "kein Ort"
    limit = short(gap_share * 100)
    reason = f"unter {limit} % erreicht ({german_percent(share, down=True)})"
    return reason if own_place else f"{reason}, kein Ort im Gebiet"


def _too_small(people: float, minimum: float) -> str:
    if not people:
        return "nicht beurteilt: niemand gezählt"
    counted = german_number(people, 1, down=True).removesuffix(",0") if people >= 1 else "unter 1"
    return f"nicht beurteilt: {counted} Menschen, mindestens {short(minimum)} nötig"


def _percent_up(share: float) -> str:
    return german_percent(math.ceil(share * 1000 - 1e-9) / 1000)
