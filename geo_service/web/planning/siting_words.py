"""What siting found, in full German sentences, and as the rows of its tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo_service.exports import Column
from geo_service.formats import german_distance, german_number, german_percent
from geo_service.schema import WGS84
from geo_service.web.planning.query import plain_number
from geo_service.web.planning.sites import TIME_LIMIT_S
from geo_service.web.planning.siting_choice import OBJECTIVES
from geo_service.web.planning.summary import describe_choice, region_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.schema import Areas
    from geo_service.web.planning.sites import SiteFigures, SiteRow, Span, Tie

__all__ = [
    "describe_proof",
    "describe_question",
    "describe_reliability",
    "file_columns",
    "file_row",
    "file_table",
    "plain_answer",
    "sites_json",
    "summarise_sites",
    "tie_text",
]

_TIE_SAME: Final = 0.0005
_SURE: Final = "in neun von zehn durchgerechneten Lagen"


def summarise_sites(figures: SiteFigures) -> tuple[str, ...]:
    """Say what the proposed places bring, a paragraph each."""
    told = {"mclp": _most_people, "lscp": _fewest_sites, "pmedian": _least_way}
    said = told[figures.choice.objective](figures)
    if figures.result.people_unknown:
        points = german_number(figures.result.people_unknown)
        said += (
            f"Bei {points} Punkten ist die Zahl der Menschen unbekannt; sie zählen nicht mit.",
        )
    return said


def describe_proof(figures: SiteFigures) -> str:
    """Say how good the answer is, and how that is known."""
    result = figures.result
    if not result.target_met or not result.sites:
        return ""
    if result.is_optimal:
        return "Nachweislich optimal: Keine andere Auswahl ist besser."
    how = (
        f"In {TIME_LIMIT_S:g} Sekunden genauen Rechnens nicht weiter bewiesen"
        if figures.choice.exact
        else "Schnell gerechnet"
    )
    gap = german_percent(math.ceil(result.gap_share * 1000) / 1000)
    if figures.choice.objective == "lscp":
        least = german_number(result.bound)
        return f"{how}: Weniger als {least} Orte reichen sicher nicht (Abstand höchstens {gap})."
    if figures.choice.objective == "mclp":
        return f"{how}: höchstens {gap} unter dem Bestmöglichen."
    return f"{how}: Die mittlere Entfernung ist höchstens {gap} vom Bestmöglichen entfernt."


def describe_reliability(figures: SiteFigures) -> tuple[str, ...]:
    """Say how sure "already reached" is, in numbers."""
    if not figures.rough:
        return ()
    many = f"{german_number(figures.rough)} von {german_number(figures.places)}"
    said = [
        f"{many} vorhandenen Orten sind nur grob verortet. Wer heute schon erreicht ist, ist"
        " deshalb unsicher."
    ]
    if figures.rows and _differs(figures.gain):
        low, high = (_amount(bound, figures) for bound in (figures.gain.low, figures.gain.high))
        verb = "verkürzen sie den Weg um" if figures.is_distance else "erreichen die neuen Orte"
        new = "" if figures.is_distance else " Menschen neu"
        said.append(
            f"Je nachdem, wo in ihrer Gemeinde die grob verorteten liegen, {verb} {low} bis"
            f" {high}{new} ({_SURE})."
        )
        if figures.gain.value >= figures.gain.high:
            said.append(
                "Der Gewinn ist also eher kleiner als oben genannt: Gesucht wurde das Beste für"
                " die Lagen, die im Verzeichnis stehen."
            )
    return tuple(said)


def describe_question(figures: SiteFigures) -> dict[str, str]:
    """Return label and value of everything that the answer depends on."""
    choice, base = figures.choice, figures.choice.base
    goal = OBJECTIVES[choice.objective_name][1]
    number = (
        {"Anteil": f"{plain_number(choice.share)} %"}
        if choice.objective == "lscp"
        else {"Neue Orte, höchstens": german_number(choice.sites)}
    )
    counted = describe_choice(base)
    if figures.halls is None:
        stood = f"Sitze von {german_number(figures.candidates)} Gemeinden"
    else:
        stood = f"eigene Liste, {german_number(figures.candidates)} Räume"
    return {
        "Ziel": goal,
        **number,
        "Umkreis": f"{plain_number(base.radius_km)} km Luftlinie",
        "Mögliche Standorte": f"{stood} ({figures.region.name})",
        "Menschen": f"{figures.who}; gezählt: {figures.counted_in.name}",
        "Vorhandene Orte": f"{german_number(figures.places)}, davon"
        f" {german_number(figures.rough)} grob verortet",
        "Vorhandene Orte, Auswahl": "; ".join(counted) or "alle",
        **({} if base.kept else {"Szenario": base.scenario.title or "ohne Titel"}),
        "Ausgeschlossen": ", ".join(_names(figures, choice.excluded)) or "keine Gemeinde",
        "Gesetzt": ", ".join(_names(figures, choice.forced)) or "keine Gemeinde",
        "Verfahren": _method(figures),
        "Güte": describe_proof(figures) or "keine Angabe",
    }


def tie_text(tie: Tie) -> str:
    """Say what stands for a site costs.

    >>> from geo_service.web.planning.sites import Tie
    >>> tie_text(Tie("Bauler", None, 12.0, 0.0123))
    '1,3 % weniger'
    """
    if tie.loss_share < _TIE_SAME:
        return "gleich gut"
    return f"{german_percent(math.ceil(tie.loss_share * 1000) / 1000)} weniger"


def _method(figures: SiteFigures) -> str:
    if figures.choice.exact and figures.result.method == "exact":
        return f"genau (HiGHS), mit einer Zeitgrenze von {TIME_LIMIT_S:g} Sekunden"
    return "schnell: gierig, dann Tausch Ort gegen Ort, mit einer Schranke"


def _names(figures: SiteFigures, keys: tuple[str, ...]) -> list[str]:
    return [figures.names[key] for key in keys]


def _most_people(figures: SiteFigures) -> tuple[str, ...]:
    count, radius = len(figures.rows), plain_number(figures.choice.base.radius_km)
    if not count:
        return ("Kein weiterer Ort erreicht jemanden, der heute nicht erreicht ist.",)
    new = german_number(figures.gain.value)
    people = "hätte ein Mensch" if new == "1" else f"hätten {new} Menschen"
    said = (
        f"Mit {_new_places(count)} {people} mehr einen Ort im Umkreis von {radius}"
        " Kilometern (Luftlinie)."
    )
    if count < figures.choice.sites:
        return (said, _shares(figures), "Mehr Orte bringen niemanden mehr dazu.")
    return (said, _shares(figures))


def _fewest_sites(figures: SiteFigures) -> tuple[str, ...]:
    count, result = len(figures.rows), figures.result
    radius = plain_number(figures.choice.base.radius_km)
    share = f"{plain_number(figures.choice.share)} %"
    where = region_phrase(figures.counted_in)
    near = f"einen Ort im Umkreis von {radius} Kilometern (Luftlinie)"
    if not result.target_met:
        most = german_percent(result.attainable_share, 1, down=True)
        return (
            f"{share} sind so nicht erreichbar: Auch mit einem Ort an jedem möglichen Standort"
            f" hätten {where} höchstens {most} der Menschen {near}.",
            f"Dafür genügen die {_places(count)} der Tabelle." if count else "",
        )
    if not count:
        return (f"Es fehlt kein Ort: Schon heute haben {where} mindestens {share} der Menschen"
                f" {near}.",)  # fmt: skip
    verb = "genügt" if count == 1 else "genügen"
    noun = "Ein neuer Ort" if count == 1 else f"{german_number(count)} neue Orte"
    return (
        f"{noun} {verb}, damit {where} {share} der Menschen {near} haben.",
        _shares(figures),
    )


def _least_way(figures: SiteFigures) -> tuple[str, ...]:
    count = len(figures.rows)
    if not count:
        return ("Kein weiterer Ort verkürzt einen Weg.",)
    after = german_distance(figures.after.value)
    before = german_distance(figures.before.value)
    instead = f" statt {before}" if before else ""
    where = region_phrase(figures.counted_in)
    said = (
        f"Mit {_new_places(count)} wäre der nächste Ort {where} im Mittel {after}{instead}"
        " entfernt (Luftlinie, nach Menschen gewichtet)."
    )
    if not before:
        return (said, "Heute zählt in dieser Auswahl kein Ort; einen Weg vorher gibt es nicht.")
    return (said,)


def _shares(figures: SiteFigures) -> str:
    where = region_phrase(figures.counted_in)
    before, after = (
        german_percent(span.value / figures.people, 1) for span in (figures.before, figures.after)
    )
    return (
        f"Damit wären {where} {german_number(figures.after.value)} von"
        f" {german_number(figures.people)} Menschen erreicht, {after} statt {before}."
    )


def _new_places(count: int) -> str:
    return "einem neuen Ort" if count == 1 else f"{german_number(count)} neuen Orten"


def _places(count: int) -> str:
    return "ein Ort" if count == 1 else f"{german_number(count)} Orte"


def _differs(span: Span) -> bool:
    return span.low == span.low and german_number(span.low) != german_number(span.high)


def _amount(value: float, figures: SiteFigures) -> str:
    return german_distance(value) if figures.is_distance else german_number(value)


# ------------------------------------------------------------------------------- the files


def file_columns(figures: SiteFigures) -> Mapping[str, Column]:
    """Return the columns of the files by their names for programs."""
    if figures.is_distance:
        measures = {
            "metres_saved": Column(
                "Weg kürzer um (m)", "um so viel sinkt die mittlere Entfernung", 1, "#,##0.0"
            ),
            "people": Column("Menschen", "Menschen, deren nächster Ort dieser würde", 3),
            "mean_after_m": Column(
                "Mittlere Entfernung danach (m)", "mit diesem und allen Orten davor", 1, "#,##0.0"
            ),
        }
    else:
        measures = {
            "people_gained": Column(
                "Menschen neu erreicht",
                "Menschen, die weder ein vorhandener noch ein Ort davor erreicht",
                3,
            ),
            "people": Column("Menschen", "dieselben, nach Gemeinden aufgeteilt", 3),
            "share_after": Column(
                "Anteil danach",
                "Anteil erreichter Menschen mit diesem und allen Orten davor",
                6,
                "0.0%",
            ),
        }
    degrees = "0.00000"
    return {
        "key": Column("Kennung", "Amtlicher Gemeindeschlüssel, oder Nummer der eigenen Liste"),
        "name": Column("Standort", "Gemeinde, oder Raum der eigenen Liste", width=34),
        "number": Column("Nr.", "Reihenfolge nach dem, was ein Ort bringt", width=6),
        "ags": Column("Gemeindeschlüssel", "Gemeinde, in der er steht"),
        "within": Column("Liegt in", "Verbandsgemeinde und Kreis", width=40),
        "lon": Column("Länge", "geografische Länge in Grad (WGS 84)", 6, degrees),
        "lat": Column("Breite", "geografische Breite in Grad (WGS 84)", 6, degrees),
        "forced": Column("gesetzt", "ja: von Ihnen vorgegeben", width=9),
        **measures,
        "from_municipalities": Column("aus", "Gemeinden dieser Menschen", width=60),
        "near_ties": Column("statt dessen auch", "beinahe gleich gute Standorte", width=50),
    }


def file_row(row: SiteRow) -> tuple[Any, ...]:
    """Return a place as files have it; unknown is None."""
    return (
        row.id,
        row.name,
        row.number,
        row.ags,
        row.within or None,
        row.lon,
        row.lat,
        row.forced,
        _known(row.gain),
        _known(row.people),
        _known(row.after),
        "; ".join(f"{one.name} ({german_number(one.people)})" for one in row.origins) or None,
        "; ".join(f"{tie.name} ({tie_text(tie)})" for tie in row.ties) or None,
    )


def sites_json(figures: SiteFigures, address: str) -> Mapping[str, Any]:
    """Return the whole answer for programs and for the page's script."""
    return {
        "revision": figures.revision,
        "today": figures.today.isoformat(),
        "address": address,
        "objective": figures.choice.objective_name,
        **plain_answer(figures),
        "summary": list(summarise_sites(figures)),
        "proof": describe_proof(figures),
        "parameters": describe_question(figures),
        "sources": list(figures.notes),
    }


def plain_answer(figures: SiteFigures) -> dict[str, Any]:
    """Return the figures of an answer without a word about them; unknown is None."""
    result = figures.result
    columns = file_columns(figures)
    plain = {"from_municipalities", "near_ties"}
    return {
        "method": result.method,
        "is_optimal": result.is_optimal,
        "value": _known(result.value),
        "bound": _known(result.bound),
        "gap_share": _known(result.gap_share),
        "people": figures.people,
        "people_unknown": result.people_unknown,
        **{
            name: {"value": _known(span.value), "low": _known(span.low), "high": _known(span.high)}
            for name, span in (
                ("before", figures.before),
                ("after", figures.after),
                ("gain", figures.gain),
            )
        },
        "places": figures.places,
        "places_rough": figures.rough,
        "candidates": figures.candidates,
        "sites": [
            {
                **{
                    name: value
                    for name, value in zip(columns, file_row(row), strict=True)
                    if name not in plain
                },
                "from_municipalities": [
                    {"ags": one.ags, "name": one.name, "people": one.people}
                    for one in row.origins
                ],
                "near_ties": [
                    {"name": tie.name, "ags": tie.ags, "loss": tie.loss,
                     "loss_share": tie.loss_share}
                    for tie in row.ties
                ],
            }
            for row in figures.rows
        ],
        "curve": [
            {"sites": step.sites, "gain": _known(step.gain), "after": step.after}
            for step in figures.steps
        ],
    }  # fmt: skip


def _known(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else value


def file_table(figures: SiteFigures) -> tuple[pd.DataFrame, Areas]:
    """Return the places as a table, and their points (EPSG:4326)."""
    table = pd.DataFrame([file_row(row) for row in figures.rows], columns=[*file_columns(figures)])
    points = shapely.points([(row.lon, row.lat) for row in figures.rows] or np.empty((0, 2)))
    frame = gpd.GeoDataFrame({"key": table["key"]}, geometry=points, crs=WGS84)
    return table, cast("Areas", frame)
