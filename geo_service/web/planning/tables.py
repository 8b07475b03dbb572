"""Figures as a page shows them: rows and headings of the table, the map's JSON, two areas."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import pandas as pd

from geo_service.classification import HATCHES, METHOD_NAMES
from geo_service.errors import NotFoundError
from geo_service.formats import german_number, percent_text
from geo_service.scenarios import scenario_pairs
from geo_service.schema import CATEGORY_GROUPS, THEMES
from geo_service.web.places import GROUP_NAMES
from geo_service.web.planning.figures import (
    JUDGEMENT_TEXTS,
    UNKNOWN,
    area_index,
    as_judgement,
    between_text,
    describe_people,
    region_row,
    scaled,
    value_text,
)
from geo_service.web.planning.planned import scenario_name
from geo_service.web.planning.query import (
    COLUMNS,
    FINER,
    INDICATORS,
    PLANNING_LEVELS,
    PRECISION_NAMES,
    Choice,
    Indicator,
    plain_number,
    query_pairs,
    query_string,
)
from geo_service.web.planning.summary import (
    LEVEL_NAMES,
    describe_choice,
    region_phrase,
    summarise,
    unknown_note,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from geo_service.schema import Coverage, Judgement
    from geo_service.snapshot import Snapshot
    from geo_service.web.areas import Area, AreaIndex
    from geo_service.web.planning.figures import Figures

__all__ = [
    "PER_PAGE",
    "Cell",
    "Comparison",
    "FiguresPage",
    "Heading",
    "Line",
    "Row",
    "can_drill",
    "cells",
    "compare_pairs",
    "drill_query",
    "noted",
    "offered_areas",
    "values_json",
]

T = TypeVar("T")

PER_PAGE: Final = 100
EXPORTS: Final = (
    ("xlsx", "Excel (XLSX)"),
    ("csv", "CSV"),
    ("geojson", "GeoJSON"),
    ("gpkg", "GeoPackage (QGIS)"),
    ("png", "Karte (PNG)"),
    ("svg", "Karte (SVG)"),
    ("pdf", "Bericht (PDF)"),
)
_QUALITY: Final = {"grob": "rough", "veraltet": "stale", "undatiert": "undated"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as written, and what stands below it: its range, or what it is a part of."""

    text: str
    below: str = ""
    possible: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """An area in the table. `address` leads to the areas in it, or to its own page.

    `unknown` says in how many of its municipalities the people are unknown, empty where in none.
    """

    key: str
    name: str
    within: str
    address: str
    drills: bool
    shade: int
    judgement: Judgement
    verdict: str
    reason: str
    small: bool
    unknown: str
    first: Cell
    quality: tuple[Cell, ...]
    people: str
    others: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the table: what a click sorts by, and where the method is told."""

    name: str
    label: str
    address: str
    sorted: str


class FiguresPage:
    """What the page of a choice is made of.

    Parameters
    ----------
    figures
        The figures; the one source of every number here.

    Raises
    ------
    NotFoundError
        If the table has fewer pages.
    """

    endpoint = "planning.overview"
    per_page = PER_PAGE
    exports = EXPORTS
    levels = PLANNING_LEVELS
    indicators = INDICATORS
    precisions = PRECISION_NAMES
    methods = METHOD_NAMES
    groups = GROUP_NAMES
    categories = CATEGORY_GROUPS
    themes = THEMES

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.choice = figures.choice
        self.pages = max(1, -(-len(figures.coverage) // self.per_page))
        if self.choice.page > self.pages:
            raise NotFoundError(f"Die Tabelle hat nur {self.pages} Seiten.")

    @cached_property
    def summary(self) -> tuple[str, ...]:
        """Return the answer in sentences."""
        return summarise(self.figures)

    @property
    def counted(self) -> tuple[str, ...]:
        """Say which places and whose people count, where not all do."""
        return describe_choice(self.choice, self.figures.demands)

    @property
    def query(self) -> str:
        """Return the query string of this very page."""
        return query_string(self.choice)

    @property
    def measured_query(self) -> str:
        """Return the query string of the same figures, whatever the table's order."""
        return query_string(self.choice.measured)

    @property
    def level_name(self) -> str:
        """Return what the areas are."""
        return LEVEL_NAMES[self.choice.level][0]

    @property
    def radius(self) -> str:
        """Return the radius as the form has it."""
        return plain_number(self.choice.radius_km)

    @property
    def demands(self) -> Mapping[str, str]:
        """Return the loaded demands by what addresses call them."""
        return self.figures.demands

    @property
    def where(self) -> str:
        """Say in which area, as a part of a heading."""
        return region_phrase(self.figures.region)

    @property
    def single_kinds(self) -> bool:
        """Whether a single category is chosen, not only whole groups."""
        return not set(self.choice.kinds) <= set(GROUP_NAMES)

    @property
    def unfiltered(self) -> str:
        """Return the query string of the same view with all places."""
        return query_string(
            self.choice, kinds=(), themes=(), precision=None, current_months=None, page=1
        )

    @property
    def scenario_pairs(self) -> list[tuple[str, str]]:
        """Return the parameters of scenario or dated state, which every choice keeps."""
        state = [("stand", self.choice.state)] if self.choice.state else []
        return [*state, *scenario_pairs(self.choice.scenario)]

    @property
    def scenario_name(self) -> str:
        """Return what the scenario is called."""
        return scenario_name(self.choice.scenario)

    @property
    def today_query(self) -> str:
        """Return the query string of the same choice of the places as they are."""
        return query_string(self.choice.today, page=1)

    @property
    def reset(self) -> str:
        """Return the query string of the usual choice."""
        return query_string(Choice(scenario=self.choice.scenario))

    @property
    def compare_pairs(self) -> list[tuple[str, str]]:
        """Return the parameters that a comparison takes over."""
        return compare_pairs(self.choice)

    @property
    def precision(self) -> str:
        """Return the least precision as the form has it."""
        return self.choice.precision_name

    @property
    def breaks(self) -> str:
        """Return the own breaks as the form has them."""
        return ";".join(map(plain_number, self.choice.breaks))

    @property
    def method_name(self) -> str:
        """Return how the classes are made."""
        return METHOD_NAMES[self.choice.method]

    @cached_property
    def regions(self) -> list[tuple[str, str]]:
        """Return the areas that the form offers to look into: key and name."""
        return offered_areas(self.figures.areas, self.choice.area)

    @cached_property
    def trail(self) -> list[tuple[str, str]]:
        """Return the larger areas with their addresses, the Land first; empty on its page."""
        if not self.choice.area:
            return []
        areas = self.figures.areas.areas
        return [
            (areas[key].name, query_string(self.choice, **_look_into(areas[key]), page=1))
            for key in self.figures.region.path
        ]

    @property
    def first_heading(self) -> Heading:
        """Return the heading of the indicator."""
        return self._heading(self.choice.indicator_name)

    @cached_property
    def other_indicators(self) -> list[Indicator]:
        """Return the indicators besides the chosen one."""
        return [one for one in INDICATORS.values() if one.name != self.choice.indicator_name]

    def headings(self, names: list[str]) -> list[Heading]:
        """Return some headings by their columns' names."""
        return [self._heading(name) for name in names]

    def _heading(self, name: str) -> Heading:
        chosen = self.choice.sort_column.name == name
        down = self.choice.is_descending
        descending = not down if chosen else COLUMNS[name].descending
        address = query_string(self.choice, sort=name, descending=descending, page=1)
        state = ("descending" if down else "ascending") if chosen else ""
        return Heading(name, COLUMNS[name].label, address, state)

    def page_address(self, page: int) -> str:
        """Return the query string of another page of the table."""
        return query_string(self.choice, page=page)

    @property
    def first(self) -> int:
        """Return the number of the first row of this page, from 1."""
        return (self.choice.page - 1) * self.per_page + 1

    @cached_property
    def rows(self) -> list[Row]:
        """Return the rows of this page."""
        chosen = self.figures.order[self.first - 1 : self.first - 1 + self.per_page]
        table = self.figures.coverage.iloc[chosen]
        firsts = cells(table, self.choice.indicator)
        others = list(zip(*(cells(table, one) for one in self.other_indicators), strict=True))
        shades = self.figures.shades[chosen].tolist()
        records = table.to_dict("records")
        return [
            self._row(record, shade, first, rest)
            for record, shade, first, rest in zip(records, shades, firsts, others, strict=True)
        ]

    def _row(
        self, record: Mapping[Any, Any], shade: int, first: Cell, others: tuple[Cell, ...]
    ) -> Row:
        key = record["key"]
        area = self.figures.area(key)
        drills = can_drill(area)
        judgement = as_judgement(record["judgement"])
        return Row(
            key=key,
            name=self.figures.name(key),
            within=self.figures.within(key),
            address=query_string(self.choice, **_look_into(area), page=1) if drills else area.key,
            drills=drills,
            shade=shade,
            judgement=judgement,
            verdict=JUDGEMENT_TEXTS[judgement],
            reason=_reason(record),
            small=bool(record["small_numbers"]),
            unknown=unknown_note(record["municipalities_unknown"], record["level"]),
            first=first,
            quality=tuple(_part(record, column) for column in _QUALITY.values()),
            people=german_number(record["population"]),
            others=others,
        )


def values_json(figures: Figures) -> bytes:
    """Write what the map needs: a short list per area, and the words that it says."""
    table, indicator = figures.coverage, figures.indicator
    verdicts = list(JUDGEMENT_TEXTS)
    hatches = ["", *HATCHES]
    columns = (
        named_areas(figures.areas, tuple(table["key"].tolist())),
        cells(table, indicator),
        figures.shades.tolist(),
        figures.hatches,
        table["judgement"].tolist(),
        table["municipalities_unknown"].tolist(),
    )
    areas = [
        [
            key,
            name,
            cell.text,
            cell.below,
            shade,
            hatches.index(hatch),
            verdicts.index(judgement),
            drills,
            *noted(unknown_note(unknown, figures.choice.level)),
        ]
        for (key, name, drills), cell, shade, hatch, judgement, unknown in zip(
            *columns, strict=True
        )
    ]
    body = {
        "revision": figures.revision,
        "title": figures.title,
        "hatches": hatches,
        "verdicts": [JUDGEMENT_TEXTS[name] for name in verdicts],
        "words": {
            "range": "in 9 von 10 Lagen",
            "drill": "Gebiete darin zeigen",
            "area": "Orte in diesem Gebiet",
            "show": "Auf der Karte zeigen",
            "close": "Schließen",
        },
        "areas": areas,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def noted(*notes: str) -> list[str]:
    """Return the last member of an area in the map's JSON: its notes, nothing where it has none.

    >>> noted("", "ohne 1 Gemeinde: Zahl unbekannt"), noted("")
    (['ohne 1 Gemeinde: Zahl unbekannt'], [])
    """
    said = "; ".join(filter(None, notes))
    return [said] if said else []


@lru_cache(maxsize=8)
def named_areas(index: AreaIndex, keys: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Return key and name of areas, and whether finer ones lie in them (1) or not (0)."""
    areas = (index.areas[index.canonical(key) or key] for key in keys)
    return [
        (key, area.short_name, int(can_drill(area))) for key, area in zip(keys, areas, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of two areas; `overlap`: their ranges meet, so the difference is not sure."""

    name: str
    label: str
    cells: tuple[Cell, Cell]
    overlap: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two areas side by side: a line per figure, and their judgements with the reasons."""

    areas: tuple[Area, Area]
    sentences: tuple[str, ...]
    lines: tuple[Line, ...]
    judgements: tuple[Judgement, ...]
    verdicts: tuple[Cell, ...]

    @classmethod
    def of(
        cls, snapshot: Snapshot, choice: Choice, keys: tuple[str, str], today: dt.date
    ) -> Comparison:
        """Measure two areas of any level by the same choice."""
        index = area_index(snapshot.territory)
        rows = [pd.DataFrame(region_row(snapshot, choice, key, today)) for key in keys]
        table = cast("Coverage", pd.concat(rows, ignore_index=True))
        records = table.to_dict("records")
        judgements = tuple(as_judgement(record["judgement"]) for record in records)
        quality = (
            Line(name, COLUMNS[name].label, _two(_part(record, column) for record in records))
            for name, column in _QUALITY.items()
        )
        people = _two(Cell(german_number(record["population"])) for record in records)
        reasons = (
            "; ".join(filter(None, (_reason(record), _unknown_part(record)))) for record in records
        )
        areas = _two(index.areas[index.canonical(key) or key] for key in keys)
        return cls(
            areas=areas,
            sentences=(
                *_compare_sentences(table, [area.name for area in areas], choice),
                f"Menschen sind hier: {describe_people(snapshot, choice)}.",
            ),
            lines=(
                Line("einwohner", COLUMNS["einwohner"].label, people),
                *(_line(table, indicator) for indicator in INDICATORS.values()),
                *quality,
            ),
            judgements=judgements,
            verdicts=tuple(
                Cell(JUDGEMENT_TEXTS[name], reason)
                for name, reason in zip(judgements, reasons, strict=True)
            ),
        )


def _reason(record: Mapping[Any, Any]) -> str:
    reason = record["gap_reason"]
    return reason if isinstance(reason, str) else ""


def _unknown_part(record: Mapping[Any, Any]) -> str:
    """Say what a judgement leaves out; of unknown people alone its reason says so."""
    if record["judgement"] == "unknown":
        return ""
    return unknown_note(record["municipalities_unknown"], record["level"])


def _compare_sentences(table: Coverage, names: list[str], choice: Choice) -> tuple[str, ...]:
    """Say in which of two areas more people have a place near by, and whether that is sure."""
    shares = _line(table, INDICATORS["anteil"])
    parts = [
        f"{name}: {cell.text}{f' (in 9 von 10 Lagen {cell.below})' if cell.below else ''}"
        for name, cell in zip(names, shares.cells, strict=True)
    ]
    radius = plain_number(choice.radius_km)
    said = f"Menschen mit einem Ort im Umkreis von {radius} Kilometern: {'; '.join(parts)}."
    if shares.overlap:
        return (said, "Die Spannen überschneiden sich: Welches Gebiet besser dasteht, ist offen.")
    return (said,)


def _line(table: Coverage, indicator: Indicator) -> Line:
    overlap = False
    if indicator.low:
        low, high = (scaled(table, indicator, name) for name in (indicator.low, indicator.high))
        values = scaled(table, indicator, indicator.column)
        overlap = bool(values[0] != values[1] and low.max() <= high.min())
    return Line(indicator.name, indicator.label, _two(cells(table, indicator)), overlap)


def _two(items: Iterable[T]) -> tuple[T, T]:
    one, other = items
    return one, other


def compare_pairs(choice: Choice) -> list[tuple[str, str]]:
    """Return the parameters that matter to a comparison of two areas."""
    usual = Choice()
    plain = replace(
        choice.measured, area="", level=usual.level, method=usual.method, breaks=(), classes=5
    )
    return query_pairs(replace(plain, indicator_name=usual.indicator_name))


def offered_areas(index: AreaIndex, chosen: str) -> list[tuple[str, str]]:
    """Return what forms offer to look into, the chosen area included: key and name."""
    found = [(one.key, one.name) for one in index.areas.values() if one.level == "kreis"]
    if len(chosen) == 9:
        found.append((chosen, index.areas[index.canonical(chosen) or chosen].name))
    return found


def can_drill(area: Area) -> bool:
    """Whether areas of a finer level lie in an area."""
    return area.kind == "Landkreis" or area.level in {"land", "verbandsgemeinde"}


def drill_query(choice: Choice, key: str) -> str:
    """Return the query string of the areas in an area of the choice's level."""
    return query_string(choice, area=key, level=FINER.get(choice.level, "gemeinde"), page=1)


def _look_into(area: Area) -> dict[str, str]:
    if area.level == "land":
        return {"area": "", "level": "kreis"}
    return {"area": area.key, "level": FINER[area.level]}


def cells(table: Coverage, indicator: Indicator) -> list[Cell]:
    """Write an indicator of every row, with its range."""
    if not indicator.low:
        return [Cell(text or UNKNOWN) for text in _written(table, indicator, indicator.column)]
    columns = (indicator.column, indicator.low, indicator.high)
    written = zip(*(_written(table, indicator, column) for column in columns), strict=True)
    return [
        Cell(text or UNKNOWN, between_text(least, most, text, indicator), possible=True)
        for text, least, most in written
    ]


def _written(table: Coverage, indicator: Indicator, column: str) -> list[str]:
    """Write a column of the table, empty where it is unknown; equal figures are written once."""
    write = lru_cache(maxsize=None)(partial(value_text, indicator=indicator, missing=""))
    return [write(value) for value in scaled(table, indicator, column).tolist()]


def _part(record: Mapping[Any, Any], column: str) -> Cell:
    """Write how many of an area's places are meant, as a share."""
    places, part = record["places"], record[column]
    if not places:
        return Cell("–")
    share = percent_text(part / places, 0)
    return Cell(share, f"{german_number(part)} von {german_number(places)}")
