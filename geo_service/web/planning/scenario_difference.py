"""A scenario beside today: what differs in every area, in classes, sentences and rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from geo_service.classification import HATCHES
from geo_service.formats import german_number, number_text, percent_text
from geo_service.web.planning.differences import (
    difference_text,
    difference_unit,
    difference_with_unit,
    differences_of,
)
from geo_service.web.planning.figures import (
    JUDGEMENT_TEXTS,
    as_judgement,
    range_text,
    scaled,
    value_text,
)
from geo_service.web.planning.query import INDICATORS, plain_number, query_pairs, query_string
from geo_service.web.planning.summary import (
    listed,
    region_phrase,
    unknown_note,
    whose_people,
)
from geo_service.web.planning.tables import (
    Cell,
    FiguresPage,
    cells,
    named_areas,
    noted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from geo_service.schema import Judgement
    from geo_service.web.planning.differences import Differences
    from geo_service.web.planning.figures import Figures
    from geo_service.web.planning.planned import Change
    from geo_service.web.planning.query import Indicator

    Floats = NDArray[np.float64]

__all__ = ["Difference", "DifferenceRow", "ScenarioPage", "as_json", "difference_json"]

_NAMED: Final = 5
_SAME: Final = 3
"""The shade of no difference."""


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """An area today, in the scenario, and what lies between."""

    key: str
    name: str
    within: str
    shade: int
    today: Cell
    planned: Cell
    difference: str
    judgements: tuple[Judgement, Judgement]
    verdicts: tuple[str, str]
    unknown: str
    people: str
    changed: bool

    @property
    def flips(self) -> bool:
        """Whether the judgement is another one."""
        return self.judgements[0] != self.judgements[1]


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """An indicator of the whole region, today and in the scenario."""

    name: str
    label: str
    today: Cell
    planned: Cell
    difference: str


class Difference:
    """Two measurements of the same areas: the places of today, and those of a scenario."""

    def __init__(self, today: Figures, planned: Figures) -> None:
        self.today = today
        self.planned = planned
        self.indicator = planned.indicator

    @cached_property
    def values(self) -> Floats:
        """Return by how much the indicator of each area grows, in its unit."""
        return np.asarray(self.planned.values - self.today.values)

    @cached_property
    def changed(self) -> NDArray[np.bool_]:
        """Return which areas have another figure, other people reached or another judgement."""
        shades = self.classes.shades
        differs = (shades != 0) & (shades != _SAME)
        moved = np.isfinite(self.people) & (np.round(self.people, 3) != 0)
        return np.asarray(differs | moved | self.flips, dtype=bool)

    @cached_property
    def flips(self) -> NDArray[np.bool_]:
        """Return which areas are judged differently."""
        then, now = (one.coverage["judgement"].to_numpy() for one in (self.planned, self.today))
        return np.asarray(then != now, dtype=bool)

    @cached_property
    def people(self) -> Floats:
        """Return how many more people of each area are reached."""
        then, now = (
            one.coverage["people_reached"].to_numpy(dtype=np.float64)
            for one in (self.planned, self.today)
        )
        return np.asarray(then - now)

    @cached_property
    def classes(self) -> Differences:
        """Return the classes of the map."""
        return differences_of(self.values, self.indicator)

    @property
    def unknown(self) -> int:
        """Return for how many areas there is no figure."""
        return int((self.classes.shades == 0).sum())

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Return the row numbers: changed areas first, the greatest difference first."""
        size = np.where(self.changed, np.nan_to_num(np.abs(self.values)), -1.0)
        place = np.empty(len(size), dtype=np.intp)
        place[self.planned.order] = np.arange(len(size))
        return np.lexsort((place, -size))

    @cached_property
    def lines(self) -> tuple[DifferenceLine, ...]:
        """Return every indicator of the whole region."""
        return tuple(map(self._line, INDICATORS.values()))

    def _line(self, indicator: Indicator) -> DifferenceLine:
        now, then = (
            float(scaled(one.whole, indicator, indicator.column)[0])
            for one in (self.today, self.planned)
        )
        return DifferenceLine(
            indicator.name,
            indicator.label,
            cells(self.today.whole, indicator)[0],
            cells(self.planned.whole, indicator)[0],
            difference_with_unit(then - now, indicator),
        )

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """Say what the scenario brings, the answer first."""
        if not self.planned.changes:
            return (
                "Noch ist nichts geändert. Setzen Sie einen neuen Ort, oder verlegen oder"
                " entfernen Sie einen von heute.",
            )
        said = (self._people(), self._range(), self._flipped(), self._idle())
        return (*filter(None, said), whose_people(self.planned))

    def _people(self) -> str:
        now, then = (one.whole.iloc[0] for one in (self.today, self.planned))
        radius = plain_number(self.planned.choice.radius_km)
        near = f"einen Ort im Umkreis von {radius} Kilometern (Luftlinie)"
        more = round(then["people_reached"] - now["people_reached"], 6)
        with_these = _with_these(self.planned.changes)
        where = region_phrase(self.planned.region)
        if more != more:
            return f"{with_these}: Wie viele Menschen {where} erreicht werden, ist nicht bekannt."
        shares = [percent_text(row["share_reached"], missing="–") for row in (then, now)]
        counts = [number_text(row["people_reached"]) for row in (then, now)]
        if not more:
            return (
                f"{with_these} ändert sich {where} nicht, wie viele Menschen {near} erreichen:"
                f" {counts[0]} ({shares[0]})."
            )
        number = number_text(abs(more))
        much = f"{number} {'Mensch' if number == '1' else 'Menschen'}"
        verb = "erreicht" if number == "1" else "erreichen"
        return (
            f"{with_these} {verb} {where} {much} {'mehr' if more > 0 else 'weniger'} {near}:"
            f" {counts[0]} ({shares[0]}) statt {counts[1]} ({shares[1]})."
        )

    def _range(self) -> str:
        indicator = INDICATORS["anteil"]
        said = []
        for figures in (self.today, self.planned):
            row = figures.whole.iloc[0]
            low, value, high = (
                100 * float(row[name]) for name in (indicator.low, indicator.column, indicator.high)
            )
            said.append(range_text(low, high, value_text(value, indicator), indicator))
        if not all(said):
            return ""
        now, then = said
        both = f"heute wie im Szenario {now}" if now == then else f"heute {now}, im Szenario {then}"
        return (
            "Wo die nur grob verorteten Orte genau liegen, ist offen: In 9 von 10 durchgerechneten"
            f" Lagen sind es {both}."
        )

    def _flipped(self) -> str:
        rows = np.flatnonzero(self.flips)
        if not len(rows):
            return "Kein Gebiet wird anders beurteilt als heute."
        population = self.planned.coverage["population"].to_numpy()
        rows = rows[np.argsort(-population[rows], kind="stable")]
        named = [self._flip(int(row)) for row in rows[:_NAMED]]
        if len(rows) > _NAMED:
            named.append(f"{german_number(len(rows) - _NAMED)} weiteren")
        subject = "einem Gebiet" if len(rows) == 1 else f"{german_number(len(rows))} Gebieten"
        return f"Das Urteil ändert sich bei {subject}: {listed(named)}."

    def _flip(self, row: int) -> str:
        now, then = (
            JUDGEMENT_TEXTS[as_judgement(one.coverage["judgement"].iloc[row])]
            for one in (self.today, self.planned)
        )
        name = self.planned.name(str(self.planned.coverage["key"].iloc[row]))
        return f"{name} ({now} → {then})"

    def _idle(self) -> str:
        idle = [change.name for change in self.planned.changes if not change.counts]
        if not idle:
            return ""
        verb = "zählt" if len(idle) == 1 else "zählen"
        return f"Bei dieser Auswahl {verb} ohnehin nicht mit: {listed(idle)}."

    def rows(self, chosen: NDArray[np.intp]) -> list[DifferenceRow]:
        """Return lines of the table by their numbers."""
        tables = [one.coverage.iloc[chosen] for one in (self.today, self.planned)]
        people = INDICATORS["anzahl"]
        columns = (
            tables[1]["key"].tolist(),
            self.classes.shades[chosen].tolist(),
            *(cells(table, self.indicator) for table in tables),
            self.values[chosen].tolist(),
            *(table["judgement"].tolist() for table in tables),
            tables[1]["municipalities_unknown"].tolist(),
            self.people[chosen].tolist(),
            self.changed[chosen].tolist(),
        )
        return [
            DifferenceRow(
                key=key,
                name=self.planned.name(key),
                within=self.planned.within(key),
                shade=shade,
                today=now,
                planned=then,
                difference=difference_text(value, self.indicator),
                judgements=(before, after),
                verdicts=(JUDGEMENT_TEXTS[before], JUDGEMENT_TEXTS[after]),
                unknown=unknown_note(unknown, self.planned.choice.level),
                people=difference_text(more, people),
                changed=changed,
            )
            for key, shade, now, then, value, before, after, unknown, more, changed in zip(
                *columns, strict=True
            )
        ]


class ScenarioPage(FiguresPage):
    """What the page of a scenario is made of.

    Parameters
    ----------
    today, planned
        The same choice without and with its scenario.
    """

    endpoint = "planning.scenario"
    per_page = 50

    def __init__(self, today: Figures, planned: Figures) -> None:
        super().__init__(planned)
        self.difference = Difference(today, planned)

    @property
    def unit(self) -> str:
        """Return what differences are counted in."""
        return difference_unit(self.choice.indicator)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Return the changes, in the order of the address."""
        return self.figures.changes

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters that every form of the page hands on."""
        return query_pairs(replace(self.choice, page=1))

    @property
    def unnamed_pairs(self) -> list[tuple[str, str]]:
        """Return the same parameters without the scenario's name."""
        return [pair for pair in self.pairs if pair[0] != "titel"]

    @cached_property
    def difference_rows(self) -> list[DifferenceRow]:
        """Return the rows of this page of the table."""
        end = self.first - 1 + self.per_page
        return self.difference.rows(self.difference.order[self.first - 1 : end])


def difference_json(page: ScenarioPage, html: str, said: str) -> dict[str, Any]:
    """Return what the script of the page needs after a change: areas, markers, new pieces."""
    difference, figures = page.difference, page.figures
    indicator = page.choice.indicator
    unchanged = difference_with_unit(0.0, indicator)
    columns = (
        named_areas(figures.areas, tuple(figures.coverage["key"].tolist())),
        difference.values.tolist(),
        difference.today.values.tolist(),
        figures.values.tolist(),
        difference.classes.shades.tolist(),
        figures.coverage["judgement"].tolist(),
        figures.coverage["municipalities_unknown"].tolist(),
    )
    verdicts = {name: number for number, name in enumerate(JUDGEMENT_TEXTS)}
    return {
        "revision": figures.revision,
        "title": figures.title,
        "query": query_string(page.choice),
        "html": html,
        "said": said,
        "hatches": ["", *HATCHES],
        "verdicts": list(JUDGEMENT_TEXTS.values()),
        "words": _WORDS,
        "areas": [
            [
                key,
                name,
                unchanged if shade == _SAME else difference_with_unit(value, indicator),
                _both(before, after, indicator) if shade != _SAME else "",
                shade,
                0 if shade else 1,
                verdicts[judgement],
                drills,
                *noted(unknown_note(unknown, page.choice.level)),
            ]
            for (key, name, drills), value, before, after, shade, judgement, unknown in zip(
                *columns, strict=True
            )
        ],
        "changes": [_marker(number, change) for number, change in enumerate(page.changes)],
    }


_WORDS: Final = {
    "range": "von heute zum Szenario:",
    "drill": "Gebiete darin zeigen",
    "area": "Orte in diesem Gebiet",
    "show": "Auf der Karte zeigen",
    "close": "Schließen",
    "here": "Ort hier setzen",
    "remove": "Entfernen",
    "move": "Verlegen",
    "undo": "Zurücknehmen",
    "drag": "Zum Verschieben ziehen, oder mit den Pfeiltasten: 100 m, mit Umschalttaste 1 km.",
    "moved": "{way} nach {direction}",
    "directions": "Norden,Süden,Osten,Westen",
    "failed": "Das ging nicht: Der Server ist gerade nicht erreichbar.",
    "places": "Orte an dieser Stelle",
}


def _marker(number: int, change: Change) -> dict[str, Any]:
    return {
        "number": number,
        "kind": change.kind,
        "id": change.id,
        "name": change.name,
        "text": change.text,
        "pair": change.pair,
        "lon": None if change.lon != change.lon else change.lon,
        "lat": None if change.lat != change.lat else change.lat,
    }


def _both(before: float, after: float, indicator: Indicator) -> str:
    return " → ".join(value_text(value, indicator) for value in (before, after))


def as_json(values: Mapping[str, Any]) -> bytes:
    """Write JSON without spaces."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _with_these(changes: tuple[Change, ...]) -> str:
    """Name the changes as a sentence begins.

    Only new places are "Orte", whatever else is "Änderungen".
    """
    count = len(changes)
    new = all(change.kind == "neu" for change in changes)
    if count == 1:
        return "Mit diesem Ort" if new else "Mit dieser Änderung"
    return f"Mit diesen {german_number(count)} {'Orten' if new else 'Änderungen'}"
