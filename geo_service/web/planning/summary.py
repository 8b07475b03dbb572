"""The figures of a choice in full German sentences: for page, report and screen readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from geo_service.formats import (
    german_number,
    german_percent,
    last_months,
    number_text,
    percent_text,
)
from geo_service.web.places import GROUP_NAMES
from geo_service.web.planning.figures import (
    JUDGEMENT_TEXTS,
    as_judgement,
    range_text,
    value_text,
)
from geo_service.web.planning.planned import scenario_name
from geo_service.web.planning.query import INDICATORS, PRECISION_NAMES, plain_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from geo_service.schema import Level
    from geo_service.web.areas import Area
    from geo_service.web.planning.figures import Figures
    from geo_service.web.planning.query import Choice

__all__ = [
    "LEVEL_NAMES",
    "describe_choice",
    "describe_scenario",
    "listed",
    "region_phrase",
    "summarise",
    "unknown_note",
    "whose_people",
]

LEVEL_NAMES: Final[dict[Level, tuple[str, str]]] = {
    "land": ("Länder", "Ländern"),
    "kreis": ("Landkreise und kreisfreie Städte", "Landkreisen und kreisfreien Städten"),
    "verbandsgemeinde": (
        "Verbandsgemeinden und verbandsfreie Städte und Gemeinden",
        "Verbandsgemeinden und verbandsfreien Städten und Gemeinden",
    ),
    "gemeinde": ("Gemeinden", "Gemeinden"),
}
"""What a level's areas are called, and that in the dative."""

_NAMED: Final = 3
_HALF: Final = 0.5


def summarise(figures: Figures) -> tuple[str, ...]:
    """Say what the figures show, a paragraph each: the answer first, then how sure it is."""
    if not figures.count.selected:
        return ("Kein Ort im Verzeichnis erfüllt diese Auswahl. Es gibt nichts zu messen.",)
    paragraphs = (
        (_gaps(figures), *_unjudged(figures)),
        _people(figures),
        (_extremes(figures),),
        (_places(figures), *_uncounted(figures)),
    )
    return tuple(filter(None, (" ".join(filter(None, part)) for part in paragraphs)))


def describe_choice(choice: Choice, demands: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Say which places count, where not all do; and whose people, given the demands' names."""
    said = [f"Stand: {choice.state}"] if choice.state else []
    if choice.demand and demands:
        said.append(f"Menschen: „{demands[choice.demand]}“")
    if choice.kinds:
        said.append(f"Art: {', '.join(GROUP_NAMES.get(kind, kind) for kind in choice.kinds)}")
    if choice.themes:
        said.append(f"Leitthema: {', '.join(choice.themes)}")
    if choice.precision:
        names = dict(PRECISION_NAMES.values())
        said.append(f"Lage: {names[choice.precision]}")
    if choice.current_months:
        said.append(f"angegeben oder bestätigt {last_months(choice.current_months)}")
    return tuple(said)


def describe_scenario(choice: Choice) -> str:
    """Name the scenario and how much it changes; empty where the places are those of today."""
    count = len(choice.scenario)
    if not count:
        return ""
    changes = "1 Änderung" if count == 1 else f"{german_number(count)} Änderungen"
    return f"{scenario_name(choice.scenario)} mit {changes} gegenüber heute"


def unknown_note(municipalities: int, level: str) -> str:
    """Say in how many municipalities of an area the people are unknown; empty where in none."""
    if not municipalities:
        return ""
    if level == "gemeinde":
        return "Zahl der Menschen unbekannt"
    many = "1 Gemeinde" if municipalities == 1 else f"{german_number(municipalities)} Gemeinden"
    return f"ohne {many}: Zahl unbekannt"


def region_phrase(area: Area) -> str:
    """Say where, as a part of a sentence: in the Land, a Kreis or a Verbandsgemeinde."""
    if area.kind == "Landkreis":
        return f"im {area.name}"
    return f"in der {area.name}" if area.kind == "Verbandsgemeinde" else f"in {area.name}"


def _gaps(figures: Figures) -> str:
    total, gaps = len(figures.coverage), figures.judged["gap"]
    where = region_phrase(figures.region)
    share = figures.choice.parameters.gap_share
    limit = "die Hälfte" if share == _HALF else german_percent(share, 0)
    radius = plain_number(figures.choice.radius_km)
    sure = "ziemlich sicher " if figures.judged["uncertain"] else ""
    has = (
        f"hat {sure}weniger als {limit} der Menschen einen Ort im Umkreis von {radius}"
        " Kilometern (Luftlinie)"
    )
    if total == 1:
        return _single(figures)
    areas = f"{german_number(total)} {LEVEL_NAMES[figures.choice.level][1]} {where}"
    if not gaps:
        kinds = LEVEL_NAMES[figures.choice.level][0]
        return (
            f"Bei keinem der {german_number(total)} Gebiete {where} ({kinds}) steht fest, dass"
            f" weniger als {limit} der Menschen einen Ort im Umkreis von {radius} Kilometern"
            " (Luftlinie) hat."
        )
    number = "allen" if gaps == total else f"{german_number(gaps)} von"
    return f"In {number} {areas} {has}."


def _single(figures: Figures) -> str:
    """Say what the one area of the table comes to, as the table does."""
    row = figures.coverage.iloc[0]
    name, judgement = figures.area(row["key"]).name, as_judgement(row["judgement"])
    if judgement == "unknown":
        return f"{name}: Zahl der Menschen unbekannt."
    if not row["people_counted"]:
        return f"{name}: niemand gezählt, {JUDGEMENT_TEXTS[judgement]}."
    reached = _percent(row["share_reached"])
    return f"{name}: {reached} der Menschen erreicht, {JUDGEMENT_TEXTS[judgement]}."


def _percent(share: float) -> str:
    """Write a share of people as the table does."""
    return value_text(100 * share, INDICATORS["anteil"])


def _unjudged(figures: Figures) -> list[str]:
    judged = figures.judged
    said = []
    if count := judged["uncertain"]:
        subject = "Bei einem Gebiet" if count == 1 else f"Bei {german_number(count)} Gebieten"
        flips = figures.coverage["judgement"] == "uncertain"
        below = int((flips & figures.coverage["gap"].fillna(False)).sum())
        gaps = (
            "wäre 1 davon eine Lücke"
            if below == 1
            else f"wären {german_number(below)} davon Lücken"
        )
        so_far = f"; nach den verzeichneten Punkten {gaps}"
        said.append(
            f"{subject} ist das Urteil zu unsicher: Es hängt davon ab, wo in ihrer Gemeinde die"
            f" nur grob verorteten Orte liegen{so_far if count > 1 else ''}."
        )
    if count := judged["too_small"]:
        least = german_number(figures.choice.parameters.minimum_people)
        verb = "Ein Gebiet ist" if count == 1 else f"{german_number(count)} Gebiete sind"
        said.append(f"{verb} mit unter {least} Menschen zu klein für ein Urteil.")
    if (count := judged["unknown"]) and len(figures.coverage) > 1:
        subject = "Für ein Gebiet" if count == 1 else f"Für {german_number(count)} Gebiete"
        said.append(f"{subject} ist keine Zahl der Menschen bekannt.")
    return said


def _people(figures: Figures) -> list[str]:
    """Say how many people live too far from a place, how sure that is, and who is counted."""
    return [_beyond(figures), whose_people(figures)]


def whose_people(figures: Figures) -> str:
    """Say who is counted, where, and of how many municipalities the people are unknown."""
    said = f"Menschen sind hier: {figures.people}."
    count = int(figures.whole["municipalities_unknown"].iloc[0])
    if not count:
        return said
    if count == 1:
        return f"In einer Gemeinde ist die Zahl unbekannt; sie zählt nicht mit. {said}"
    many = german_number(count)
    return f"In {many} Gemeinden ist die Zahl unbekannt; sie zählen nicht mit. {said}"


def _beyond(figures: Figures) -> str:
    row = figures.whole.iloc[0]
    if row["people_beyond"] != row["people_beyond"] or not row["people_counted"]:
        return ""
    share = _percent(row["people_beyond"] / row["people_counted"])
    where = region_phrase(figures.region)
    where = f"{where[0].upper()}{where[1:]}"
    beyond = number_text(row["people_beyond"], 0)
    counted = "bekannten " if row["municipalities_unknown"] else ""
    text = (
        f"{where} {'lebt' if beyond == '1' else 'leben'} {beyond} von"
        f" {number_text(row['people_counted'], 0)} {counted}Menschen ({share}) weiter als"
        f" {plain_number(figures.choice.radius_km)} Kilometer vom nächsten Ort entfernt."
    )
    least, most = (number_text(row[end]) for end in ("beyond_low", "beyond_high"))
    if least != most:
        text += f" Je nachdem, wo die grob verorteten Orte liegen, sind es {least} bis {most}."
    return text


def _extremes(figures: Figures) -> str:
    """Name the areas with most need by the indicator; where many are equal, the largest."""
    values = figures.values
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return ""
    need_high = figures.indicator.need == "high"
    worst = values[known].max() if need_high else values[known].min()
    tied = known[values[known] == worst]
    head = f"{figures.title}: Der {'höchste' if need_high else 'niedrigste'} Wert ist"
    population = figures.coverage["population"].to_numpy()
    if len(tied) > _NAMED:
        largest = tied[np.argsort(-population[tied], kind="stable")][:_NAMED]
        return (
            f"{head} {value_text(float(worst), figures.indicator)}; ihn haben"
            f" {german_number(len(tied))} Gebiete, die bevölkerungsreichsten sind"
            f" {listed([figures.name(str(figures.coverage['key'].iloc[n])) for n in largest])}."
        )
    order = known[np.argsort(-values[known] if need_high else values[known], kind="stable")]
    direction = "höchsten" if need_high else "niedrigsten"
    named = listed([_named_value(figures, int(row)) for row in order[:_NAMED]])
    return f"{figures.title}: Am {direction} ist der Wert in {named}."


def _named_value(figures: Figures, row: int) -> str:
    name = figures.name(str(figures.coverage["key"].iloc[row]))
    value = value_text(float(figures.values[row]), figures.indicator)
    low, high = (float(end[row]) for end in figures.ranges)
    between = range_text(low, high, value, figures.indicator)
    return f"{name} ({value}{f', in 9 von 10 Lagen {between}' if between else ''})"


def _places(figures: Figures) -> str:
    """Say how well the places are known that the figures rest on."""
    row = figures.whole.iloc[0]
    places = int(row["places"])
    where = region_phrase(figures.region)
    if not places:
        return f"Kein Ort der Auswahl liegt {where}."
    months = figures.choice.parameters.stale_after_months
    parts = [
        f"{_how_many(int(row[name]), places)} {text}" if places > 1 else text
        for name, text in (
            ("rough", "nur grob verortet"),
            ("stale", f"seit über {months} Monaten weder angegeben noch bestätigt"),
            ("undated", "ohne jedes Datum"),
        )
        if row[name]
    ]
    if places == 1:
        known = listed(parts) if parts else "genau verortet und aktuell"
        return f"Gezählt ist {where} ein einziger Ort, {known}."
    known = f": {listed(parts)}" if parts else ", alle genau verortet und aktuell"
    return f"Gezählt sind {where} {german_number(places)} Orte{known}."


def _how_many(part: int, whole: int) -> str:
    if part == whole:
        return "alle"
    return f"{german_number(part)} ({percent_text(part / whole, 0)})"


def _uncounted(figures: Figures) -> list[str]:
    count, said = figures.count, []
    if count.unplaced:
        subject = (
            "Ein Ort der Auswahl hat keinen Punkt und zählt"
            if count.unplaced == 1
            else f"{german_number(count.unplaced)} Orte der Auswahl haben keinen Punkt und zählen"
        )
        said.append(f"{subject} nirgends mit.")
    if count.outside:
        verb = "liegt" if count.outside == 1 else "liegen"
        said.append(
            f"{german_number(count.outside)} {verb} außerhalb des Landes, erreicht aber Menschen"
            " nahe der Grenze."
            if count.outside == 1
            else f"{german_number(count.outside)} {verb} außerhalb des Landes, erreichen aber"
            " Menschen nahe der Grenze."
        )
    return said


def listed(items: list[str] | NDArray[np.str_]) -> str:
    """Join items as a sentence does.

    >>> listed(["A", "B", "C"])
    'A, B und C'
    """
    *first, last = items
    return f"{', '.join(first)} und {last}" if first else str(last)
