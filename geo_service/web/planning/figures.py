"""A choice to figures: the one place that page, map, files and report take their numbers from.

Nothing here needs a request. What is written (`Figures.text`) and what is a number
(`Figures.coverage`) come from the same table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import pandas as pd

from geo_service.classification import (
    HATCHES,
    NO_DATA,
    SEQUENTIAL,
    Classification,
    classify,
    sequential_colours,
    unit_formatter,
)
from geo_service.coverage import TooLargeError, count_places
from geo_service.errors import QueryError
from geo_service.exports import round_figures
from geo_service.formats import PERCENT_LIMITS, number_text
from geo_service.schema import JUDGEMENTS, KEY_COLUMN, Judgement, check_coverage
from geo_service.web.areas import Area, AreaIndex
from geo_service.web.planning import sizes
from geo_service.web.planning.planned import Change, changes_of, planned_places
from geo_service.web.planning.query import LEVEL_OF_LENGTH, Choice, Indicator
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from geo_service.coverage import PlaceCount
    from geo_service.schema import Coverage, Initiatives, Level
    from geo_service.snapshot import Snapshot, Territory

    Floats = NDArray[np.float64]

__all__ = [
    "JUDGEMENT_TEXTS",
    "UNKNOWN",
    "Figures",
    "LegendEntry",
    "area_index",
    "as_judgement",
    "between_text",
    "check_demand",
    "describe_people",
    "figures_of",
    "people_of",
    "range_text",
    "region_row",
    "scaled",
    "territory_key",
    "towns_inside",
    "value_text",
]

UNKNOWN: Final = "keine Angabe"

JUDGEMENT_TEXTS: Final[dict[Judgement, str]] = {
    "gap": "Lücke",
    "no_gap": "keine Lücke",
    "uncertain": "zu unsicher",
    "too_small": "zu klein",
    "unknown": UNKNOWN,
}
"""What a judgement is called."""

BASIS_TEXTS: Final = {
    "seat_points": "am Sitz ihrer Gemeinde, jede Gemeinde als ein Punkt",
    "grid_1km": "in Rasterzellen von 1 km (Zensus 2022)",
    "grid_100m": "in Rasterzellen von 100 m (Zensus 2022)",
    "figures": "nach geladener Tabelle, verteilt wie die Bevölkerung",
}
"""Where the people of a `population_basis` are counted."""

_SERIOUS_FIRST: Final = ("gap", "uncertain", "unknown", "too_small", "no_gap")


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A class of the map: its shade from 1 (little need) to 5, what it holds, how many areas."""

    shade: int
    label: str
    count: int


@dataclass(frozen=True, eq=False)
class Figures:
    """What a choice comes to.

    `coverage` has a row per area shown, sorted by key; `whole` is the one row of the Land,
    or of the Kreis or Verbandsgemeinde that they lie in. `values` and `ranges` are the
    indicator and the ends of its range in its unit, a value per row; ends are missing where the
    place of a point does not matter. `people` says who is counted where, `named` whether they
    are others than the population; `notes` are the source notes, `changes` what the scenario
    changes.
    """

    choice: Choice
    revision: int
    today: dt.date
    coverage: Coverage
    whole: Coverage
    classification: Classification
    count: PlaceCount
    people: str
    demands: Mapping[str, str]
    notes: tuple[str, ...]
    areas: AreaIndex
    changes: tuple[Change, ...] = ()
    named: bool = False

    @property
    def indicator(self) -> Indicator:
        """Return what the areas are compared by."""
        return self.choice.indicator

    @property
    def title(self) -> str:
        """Name the indicator with its unit and radius."""
        return self.indicator.title(self.choice.radius_km, named=self.named)

    @cached_property
    def region(self) -> Area:
        """Return the Land, or the area that the areas lie in."""
        return self.area(str(self.whole["key"].iloc[0]))

    @cached_property
    def values(self) -> Floats:
        """Return the indicator of each area, in its unit."""
        return scaled(self.coverage, self.indicator, self.indicator.column)

    @cached_property
    def ranges(self) -> tuple[Floats, Floats]:
        """Return the ends of the indicator's range (docs/coverage.md), in its unit."""
        if not self.indicator.low:
            missing = np.full(len(self.values), np.nan)
            return missing, missing
        low, high = (
            scaled(self.coverage, self.indicator, column)
            for column in (self.indicator.low, self.indicator.high)
        )
        return low, high

    @cached_property
    def shades(self) -> NDArray[np.int8]:
        """Return the shade of each area: 1 to 5 with the need, 0 where it is unknown."""
        ramp = np.array([*_ramp(self.classification, self.indicator), 0], dtype=np.int8)
        return np.asarray(ramp[self.classification.index], dtype=np.int8)

    @cached_property
    def hatches(self) -> tuple[str, ...]:
        """Return what is hatched: a name of `classification.HATCHES`, or empty."""
        return tuple(
            "unknown" if index == NO_DATA else "uncertain" if judgement == "uncertain" else ""
            for index, judgement in zip(
                self.classification.index, self.coverage["judgement"], strict=True
            )
        )

    @cached_property
    def legend(self) -> tuple[LegendEntry, ...]:
        """Return the classes with their breaks, the most need first."""
        said = self.classification.labels(unit_formatter(unit=self.indicator.unit))
        shades = _ramp(self.classification, self.indicator)
        entries = map(LegendEntry, shades, said, self.classification.counts)
        return tuple(sorted(entries, key=lambda entry: -entry.shade))

    @property
    def hatch_legend(self) -> tuple[tuple[str, str, int], ...]:
        """Return name, label and number of areas of each hatching that is there."""
        counts = {name: self.hatches.count(name) for name in HATCHES}
        return tuple((name, HATCHES[name].label, count) for name, count in counts.items() if count)

    @cached_property
    def judged(self) -> dict[Judgement, int]:
        """Return how many areas have each judgement."""
        found = self.coverage["judgement"].value_counts()
        return {name: int(found.get(name, 0)) for name in JUDGEMENTS}

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Return the row numbers as the table lists them: unknown last, namesakes by key."""
        return _order(self.coverage, self.choice)

    @property
    def land(self) -> Area:
        """Return the Land."""
        return next(iter(self.areas.areas.values()))

    def area(self, key: str) -> Area:
        """Return the area that a key of any level means."""
        canonical = self.areas.canonical(key)
        return self.areas.areas[canonical or key]

    def name(self, key: str) -> str:
        """Return the name of an area as a line of its level needs it."""
        return self.area(key).short_name

    def within(self, key: str) -> str:
        """Return in what an area lies, empty right below the region."""
        known = {self.region.key, *self.region.path}
        return self.areas.within(self.area(key), known=known)


def figures_of(snapshot: Snapshot, choice: Choice, today: dt.date) -> Figures:
    """Measure what a choice asks for; the same choice is measured once per revision and day.

    Raises
    ------
    QueryError
        If the choice names an area or a demand that there is not.
    """
    measured = choice.measured
    if not measured.kept:
        return replace(_measure(snapshot, measured, today), choice=choice)
    key = ("planning figures", measured, today)
    figures = snapshot.keep_answer(key, lambda: _measure(snapshot, measured, today))
    return figures if measured == choice else replace(figures, choice=choice)


def region_row(snapshot: Snapshot, choice: Choice, key: str, today: dt.date) -> Coverage:
    """Return the one row of any area, by its key; measured with the rest of the choice.

    Raises
    ------
    QueryError
        If there is no such area.
    """
    places = planned_places(snapshot, choice, today)
    wanted = (_level_of(key),)
    return _region_row(_measure_levels(snapshot, choice, places, today, wanted), key)


@lru_cache(maxsize=2)
def area_index(territory: Territory) -> AreaIndex:
    """Return the names of areas and what lies in what; made once per Land."""
    return AreaIndex(territory.municipalities, territory.successors)


def towns_inside(territory: Territory, key: str) -> pd.DataFrame:
    """Return the rows of the municipalities that the area of a key has."""
    towns = territory.municipalities
    return towns[towns[KEY_COLUMN[LEVEL_OF_LENGTH[len(key)]]] == key]


def value_text(value: float, indicator: Indicator, *, missing: str = UNKNOWN) -> str:
    """Write a value of an indicator, in its unit.

    >>> from geo_service.web.planning.query import INDICATORS
    >>> value_text(62.04, INDICATORS["anteil"]), value_text(3.21, INDICATORS["entfernung"])
    ('62 %', '3,2 km')

    A share never seems to reach 100 or the limit of a gap from outside, and nothing but 0
    reads 0:

    >>> [value_text(share, INDICATORS["anteil"]) for share in (0.2, 49.97, 50.2, 99.8)]
    ['0,2 %', '49,9 %', '50 %', '99,8 %']
    >>> value_text(0.0169, INDICATORS["je10000"])
    '0,02'
    """
    if value != value:
        return missing
    limits = PERCENT_LIMITS if indicator.unit == "%" else ()
    text = number_text(value, indicator.decimals, limits=limits)
    return f"{text} {indicator.unit}" if indicator.unit else text


def range_text(low: float, high: float, value: str, indicator: Indicator) -> str:
    """Write the range of a figure, empty where both ends read like the figure itself.

    >>> from geo_service.web.planning.query import INDICATORS
    >>> range_text(48.0, 71.2, "62 %", INDICATORS["anteil"])
    '48–71 %'
    """
    least, most = (value_text(end, indicator, missing="") for end in (low, high))
    return between_text(least, most, value, indicator)


def between_text(least: str, most: str, value: str, indicator: Indicator) -> str:
    """Put the written ends of a range together, as `range_text`."""
    if not least or not most or least == most == value:
        return ""
    return f"{least.removesuffix(f' {indicator.unit}')}–{most}"


def scaled(table: Coverage, indicator: Indicator, column: str) -> Floats:
    """Return a column of the table in the indicator's unit; missing is NaN.

    29 per cent are 29, not 28.999999999999996: own breaks part them as the files do.
    """
    raw = table[column].to_numpy(dtype=np.float64)
    return np.round(raw * indicator.scale, 9) if indicator.scale != 1.0 else raw


def _measure(snapshot: Snapshot, choice: Choice, today: dt.date) -> Figures:
    territory = snapshot.territory
    places = planned_places(snapshot, choice, today)
    region = choice.area or territory_key(territory)
    wanted = (choice.level, _level_of(region))
    levels = _measure_levels(snapshot, choice, places, today, wanted)
    table = round_figures(levels[choice.level])
    if choice.area:
        table = _rows(table, _inside(territory, choice.level, choice.area))
    whole = _region_row(levels, region)
    values = scaled(table, choice.indicator, choice.indicator.column)
    return Figures(
        choice=choice,
        revision=snapshot.revision,
        today=today,
        coverage=table,
        whole=whole,
        classification=classify(
            values, method=choice.method, classes=choice.classes, own=choice.breaks
        ),
        count=count_places(
            places, snapshot.municipalities, parameters=choice.parameters, today=today
        ),
        demands={one.slug: one.name for one in snapshot.demands},
        people=describe_people(snapshot, choice),
        notes=tuple(dict.fromkeys((*snapshot.source_notes, people_of(snapshot, choice)[1]))),
        areas=area_index(territory),
        changes=changes_of(snapshot, choice, today),
        named=bool(choice.demand or snapshot.population.name),
    )


def territory_key(territory: Territory) -> str:
    """Return the two digits of the Land."""
    return str(territory.municipalities["land_key"].iloc[0])


def _measure_levels(
    snapshot: Snapshot,
    choice: Choice,
    places: Initiatives,
    today: dt.date,
    wanted: tuple[Level, ...],
) -> Mapping[Level, Coverage]:
    check_demand(snapshot, choice)
    try:
        return snapshot.levels(
            choice.parameters,
            today=today,
            demand=choice.demand or None,
            initiatives=places if choice.scenario else None,
            wanted=wanted,
            most_pairs=sizes.MOST_PAIRS,
        )
    except TooLargeError:
        raise sizes.too_large() from None


def _level_of(key: str) -> Level:
    return LEVEL_OF_LENGTH.get(len(key), "land")


def _region_row(levels: Mapping[Level, Coverage], key: str) -> Coverage:
    table = levels[_level_of(key)]
    return round_figures(_rows(table, (table["key"] == key).to_numpy(dtype=bool)))


def check_demand(snapshot: Snapshot, choice: Choice) -> None:
    """Refuse a demand that was loaded for other municipalities than those of today.

    Raises
    ------
    AddressError
        If it was: its figures have to be loaded again.
    """
    try:
        snapshot.demand(choice.demand or None)
    except QueryError:
        name = next(one.name for one in snapshot.demands if one.slug == choice.demand)
        text = (
            f"Der Bedarf „{name}“ gehört zu anderen Gemeinden als den heutigen. Wer das Verzeichnis"
            " betreibt, muss ihn neu laden; bis dahin gibt es keine Zahlen dazu."
        )
        raise AddressError("bedarf", text) from None


def people_of(snapshot: Snapshot, choice: Choice) -> tuple[str, str]:
    """Return what the points of the people are, and their source note."""
    people = snapshot.demand(choice.demand or None)
    return people.basis, people.source_note


def describe_people(snapshot: Snapshot, choice: Choice) -> str:
    """Say which people are counted, and where."""
    population = snapshot.population
    where = BASIS_TEXTS.get(population.basis, "")
    if snapshot.seats_in_grid:
        where += ", wo es keine gibt am Sitz der Gemeinde"
    if not choice.demand:
        return f"{f'„{population.name}“' if population.name else 'alle'}, gezählt {where}"
    basis, _ = people_of(snapshot, choice)
    name = next(one.name for one in snapshot.demands if one.slug == choice.demand)
    return f"„{name}“, gezählt {BASIS_TEXTS[basis]}{f' ({where})' if where else ''}"


def _inside(territory: Territory, level: Level, area: str) -> NDArray[np.bool_]:
    """Return which areas of a level, sorted by key, share a municipality with an area."""
    column = KEY_COLUMN[level]
    keys = np.unique(territory.municipalities[column].to_numpy(dtype=object))
    return np.isin(keys, towns_inside(territory, area)[column].to_numpy(dtype=object))


def _rows(table: Coverage, chosen: NDArray[np.bool_]) -> Coverage:
    return check_coverage(pd.DataFrame(table)[chosen].reset_index(drop=True))


def _ramp(classification: Classification, indicator: Indicator) -> tuple[int, ...]:
    """Return the shade of each class, from the lowest value on; dark is more need."""
    if not classification.classes:
        return ()
    colours = sequential_colours(classification.classes, more_is_better=indicator.need == "low")
    return tuple(SEQUENTIAL.index(colour) + 1 for colour in colours)


def _order(table: Coverage, choice: Choice) -> NDArray[np.intp]:
    column = choice.sort_column
    values = table[column.column]
    if column.name == "urteil":
        ranks = values.map({name: rank for rank, name in enumerate(_SERIOUS_FIRST)})
        numbers = ranks.to_numpy(dtype=np.float64)
    elif column.name == "name":
        numbers = pd.factorize(values.str.casefold(), sort=True)[0].astype(np.float64)
    else:
        numbers = values.to_numpy(dtype=np.float64)
    return np.argsort(-numbers if choice.is_descending else numbers, kind="stable")


def as_judgement(text: object) -> Judgement:
    """Return a cell of the column `judgement` as what it is."""
    return cast("Judgement", text)
