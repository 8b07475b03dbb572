"""The indicators of each area of a level: sums over municipalities, divided last."""

from __future__ import annotations

import datetime as dt
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from geo_service.coverage.e2sfca import collect
from geo_service.coverage.parameters import CoverageParameters, require, short
from geo_service.coverage.places import Places
from geo_service.coverage.terrain import Ground, Terrain, Tier, text
from geo_service.coverage.uncertainty import Range, bound_distances, bound_shares
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
    from collections.abc import Mapping

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


def measure_terrain(
    initiatives: Initiatives,
    terrain: Terrain,
    *,
    parameters: CoverageParameters | None = None,
    today: dt.date,
) -> dict[Level, Coverage]:
    """Measure all four levels on a terrain that was made ready; see `compute_levels`."""
    measure = _Measure.of(initiatives, terrain, parameters, today)
    return {level: measure.level(level) for level in LEVELS}


# ----------------------------------------------------------------- sums by municipality


@dataclass(frozen=True, slots=True)
class _Measure:
    """Sums over each municipality, of which every level's figures are made.

    `access` holds of each level the sum of people times their access (places that fall to
    the area), the other ranges of each municipality.
    """

    terrain: Terrain
    parameters: CoverageParameters
    some_place: bool
    counts: Mapping[str, NDArray[np.int64]]
    reached: Range
    people_metres: Range
    access: Mapping[Level, Range]
    seats_m: Range

    @classmethod
    def of(
        cls,
        initiatives: Initiatives,
        terrain: Terrain,
        parameters: CoverageParameters | None,
        today: dt.date,
    ) -> _Measure:
        parameters = parameters or CoverageParameters()
        places = Places.of(initiatives, terrain.ground.index, parameters, today)
        nearest = _nearest_people(terrain, places)
        reached = (
            terrain.total(length_m <= parameters.radius_m)
            for length_m in (nearest.value, nearest.high, nearest.low)
        )
        metres = (
            terrain.total(np.where(np.isfinite(length_m), length_m, 0.0)) for length_m in nearest
        )
        return cls(
            terrain,
            parameters,
            bool(len(places.xy_m)),
            places.counts,
            Range(*reached),
            Range(*metres),
            _access(terrain, places, parameters),
            nearest if terrain.at_seats else _nearest_seats(terrain, places),
        )

    def level(self, level: Level) -> Coverage:
        """Return one row per area of `level`, sorted by key."""
        tier, areas = self.terrain.ground.tiers[level], _AreaPeople.of(self.terrain, level)
        counts = {name: tier.total(values).astype(np.int64) for name, values in self.counts.items()}
        share = _ratios(self._totals(tier, self.reached), areas.people)
        named = bool(self.terrain.population.name)
        per = areas.people if named else np.asarray(tier.columns["population"])
        values: dict[str, Any] = {
            **tier.columns,
            **counts,
            **self._reach(tier, areas, share),
            **self._distances(level, tier, areas),
            **_named("e2sfca", _ratios(self.access[level], areas.people, E2SFCA_PEOPLE)),
            **self._judge(areas, share, counts["places"]),
            "places_per_10k": 10_000 * _ratio(counts["places"], per),
            "small_numbers": _small(counts["places"], areas),
            "municipalities_unknown": areas.municipalities_unknown,
            "population_basis": text([self.terrain.population.basis] * len(tier.first)),
        }
        return check_coverage(pd.DataFrame({name: values[name] for name in COVERAGE_COLUMNS}))

    def _totals(self, tier: Tier, figures: Range) -> Range:
        return Range(*map(tier.total, figures))

    def _reach(self, tier: Tier, areas: _AreaPeople, share: Range) -> dict[str, Any]:
        reached = self._totals(tier, self.reached)
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

    def _distances(self, level: Level, tier: Tier, areas: _AreaPeople) -> dict[str, Any]:
        none = np.full(len(tier.first), np.nan)
        seats = mean = Range(none, none, none)
        if self.some_place:
            mean = _ratios(self._totals(tier, self.people_metres), areas.people)
            if level == "gemeinde":
                seats = Range(*(length_m[tier.first] for length_m in self.seats_m))
        return {**_named("nearest_seat", seats, "_m"), **_named("nearest_mean", mean, "_m")}

    def _judge(self, areas: _AreaPeople, share: Range, places: NDArray[np.int64]) -> dict[str, Any]:
        """Say of each area whether it is a gap (missing: not judged), how sure, and why."""
        limit = self.parameters.gap_share
        judged = (areas.people > 0) & (areas.people >= self.parameters.minimum_people)
        gap = judged & (share.value < limit)
        uncertain = judged & ((share.low < limit) != (share.high < limit))
        kind = np.select([areas.unknown, ~judged, uncertain, gap], [4, 3, 2, 1], 0)
        rows = np.flatnonzero(kind)
        figures = (kind, areas.people, *share, places > 0)
        facts = zip(*(figure[rows].tolist() for figure in figures), strict=True)
        reasons = np.full(len(kind), None, dtype=object)
        reasons[rows] = [_reason(self.parameters, self.some_place, *fact) for fact in facts]
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


def _nearest_people(terrain: Terrain, places: Places) -> Range:
    """Return how far each demand point is from the nearest place."""
    rough = places.counts["rough"] > 0
    if not rough.any():
        return _nearest(terrain.xy_m, places, None)
    bounds = terrain.recent.get(
        ("people", rough.tobytes()),
        lambda: bound_distances(terrain.xy_m, terrain.home, terrain.ground.borders, rough),
    )
    return _nearest(terrain.xy_m, places, bounds)


def _nearest_seats(terrain: Terrain, places: Places) -> Range:
    """Return how far each seat is from the nearest place."""
    rough, seats = places.counts["rough"] > 0, terrain.ground.seats_xy_m
    if not rough.any():
        return _nearest(seats, places, None)
    bounds = terrain.recent.get(
        ("seats", rough.tobytes()),
        lambda: bound_distances(seats, np.arange(len(seats)), terrain.ground.borders, rough),
    )
    return _nearest(seats, places, bounds)


def _nearest(xy_m: Floats, places: Places, bounds: tuple[Floats, Floats] | None) -> Range:
    """Return how far each point is from the nearest place; infinite where there is none."""
    length_m = _distance(xy_m, places.xy_m)
    if bounds is None:
        return Range(length_m, length_m, length_m)
    near, far = bounds
    fixed = _distance(xy_m, places.xy_m[places.fixed])
    # A record's point may lie a little outside its municipality.
    return Range(length_m, np.minimum(length_m, near), np.maximum(length_m, np.minimum(fixed, far)))


def _distance(from_xy_m: Floats, to_xy_m: Floats) -> Floats:
    if not len(to_xy_m):
        return np.full(len(from_xy_m), np.inf)
    return np.asarray(cKDTree(to_xy_m).query(from_xy_m)[0], dtype=np.float64)


def _access(terrain: Terrain, places: Places, parameters: CoverageParameters) -> dict[Level, Range]:
    """Return of each level how many places fall to each area by E2SFCA."""
    tiers, steps = terrain.ground.tiers, parameters.steps_m
    capacities = (places.capacity, places.fixed_capacity)
    access = collect(terrain.tree, terrain.people, places.xy_m, capacities, steps)
    value, fixed = (terrain.total(values) for values in access)
    rough = places.counts["rough"] > 0
    if not rough.any():
        totals = {level: tier.total(value) for level, tier in tiers.items()}
        return {level: Range(total, total, total) for level, total in totals.items()}
    bounds = terrain.recent.get(
        ("shares", rough.tobytes(), steps), lambda: bound_shares(terrain, rough, steps)
    )
    moving = places.counts["rough"][rough].astype(np.float64)
    ranges = {}
    for level, tier in tiers.items():
        here, certain = tier.total(value), tier.total(fixed)
        low, high = (certain + moving @ share for share in bounds[level])
        ranges[level] = Range(here, np.minimum(here, low), np.maximum(here, high))
    return ranges


# -------------------------------------------------------------------------------- helpers


def _named(name: str, figures: Range, unit: str = "") -> dict[str, Floats]:
    """Return the columns of an indicator and its bounds."""
    return {
        f"{name}{unit}": figures.value,
        f"{name}_low{unit}": figures.low,
        f"{name}_high{unit}": figures.high,
    }


def _ratios(figures: Range, denominator: Floats, times: int = 1) -> Range:
    return Range(*(times * _ratio(numerator, denominator) for numerator in figures))


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
    parameters: CoverageParameters,
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
        return _too_small(people, parameters.minimum_people)
    if judgement == "uncertain":
        return (
            f"ungewiss: {german_percent(low, down=True)} bis {_percent_up(high)} erreicht,"
            " je nachdem, wo grob verortete Orte stehen"
        )
    if not some_place:
        return "kein Ort"
    limit = short(parameters.gap_share * 100)
    reason = f"unter {limit} % erreicht ({german_percent(share, down=True)})"
    return reason if own_place else f"{reason}, kein Ort im Gebiet"


def _too_small(people: float, minimum: float) -> str:
    if not people:
        return "nicht beurteilt: niemand gezählt"
    return (
        f"nicht beurteilt: {german_number(people)} Menschen,"
        f" mindestens {german_number(minimum)} nötig"
    )


def _percent_up(share: float) -> str:
    return german_percent(math.ceil(share * 1000 - 1e-9) / 1000)
