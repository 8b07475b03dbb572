"""What siting found, in full German sentences, and as the rows of its tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo_service.exports import Column
from geo_service.formats import (
    german_distance,
    german_number,
    german_percent,
    number_text,
    percent_text,
)
from geo_service.schema import WGS84
from geo_service.web.planning.query import plain_number
from geo_service.web.planning.sites import TIME_LIMIT_S
from geo_service.web.planning.siting_choice import OBJECTIVES
from geo_service.web.planning.summary import describe_choice, region_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.schema import Areas
    from geo_service.web.planning.sites import Origin, SiteFigures, SiteRow, Tie

__all__ = [
    "describe_proof",
    "describe_question",
    "describe_reliability",
    "file_columns",
    "file_row",
    "file_table",
    "metres_text",
    "origin_text",
    "plain_answer",
    "sites_json",
    "summarise_sites",
    "tie_text",
]

_SURE: Final = "in neun von zehn durchgerechneten Lagen"


def summarise_sites(figures: SiteFigures) -> tuple[str, ...]:
    """Say what the proposed places bring, a paragraph each."""
    told = {"mclp": _most_people, "lscp": _fewest_sites, "pmedian": _least_way}
    said = tuple(filter(None, told[figures.choice.objective](figures)))
    if figures.result.people_unknown:
        count = figures.result.people_unknown
        said += (
            "Bei einem Punkt ist die Zahl der Menschen unbekannt; er zählt nicht mit."
            if count == 1
            else f"Bei {german_number(count)} Punkten ist die Zahl der Menschen unbekannt; sie"
            " zählen nicht mit.",
        )
    return (*said, f"Menschen sind hier: {figures.who}.")


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
    low, high = (_amount(bound, figures) for bound in (figures.gain.low, figures.gain.high))
    if figures.rows and low != high:
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
        stood = f"eigene Liste, {figures.halls.usable}"
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


def origin_text(origin: Origin) -> str:
    """Name a municipality with the people it has there.

    >>> from geo_service.web.planning.sites import Origin
    >>> origin_text(Origin("07131001", "Adenau", 0.4))
    'Adenau (0,4)'
    """
    return f"{origin.name} ({number_text(origin.people)})"


def tie_text(tie: Tie, *, is_distance: bool) -> str:
    """Say what standing in for a site costs: people fewer, or metres more on average.

    >>> from geo_service.web.planning.sites import Tie
    >>> tie_text(Tie("Bauler", None, 6679.0, 0.0123), is_distance=False)
    '6.679 Menschen weniger'
    >>> tie_text(Tie("Bauler", None, 2.5, 0.0009), is_distance=True)
    '2,5 m weiter im Mittel'
    """
    if not tie.loss:
        return "gleich gut"
    if is_distance:
        return f"{metres_text(tie.loss)} weiter im Mittel"
    people = number_text(tie.loss, 0)
    return f"{people} {'Mensch' if people == '1' else 'Menschen'} weniger"


def metres_text(length_m: float) -> str:
    """Write what ways differ by: whole metres under 100, and only nothing as 0.

    >>> [metres_text(value) for value in (0.0, 0.04, 2.5, 54.2, 447, 2345)]
    ['0 m', '0,04 m', '2,5 m', '54 m', '450 m', '2,3 km']
    """
    if length_m and length_m < 10:
        return f"{number_text(length_m, 1)} m"
    if length_m < 99.5:
        return f"{german_number(length_m)} m"
    return german_distance(length_m)


def _method(figures: SiteFigures) -> str:
    if figures.choice.exact and figures.result.method == "exact":
        return f"genau (HiGHS), mit einer Zeitgrenze von {TIME_LIMIT_S:g} Sekunden"
    return "schnell: gierig, dann Tausch Ort gegen Ort, mit einer Schranke"


def _names(figures: SiteFigures, keys: tuple[str, ...]) -> list[str]:
    return [figures.names[key] for key in keys]


def _most_people(figures: SiteFigures) -> tuple[str, ...]:
    count, radius = len(figures.rows), plain_number(figures.choice.base.radius_km)
    if not count:
        return ("Keiner der möglichen Standorte erreicht jemanden, der heute nicht erreicht ist.",)
    new = number_text(figures.gain.value, 0)
    people = "hätte ein Mensch" if new == "1" else f"hätten {new} Menschen"
    said = (
        f"Mit {_new_places(count)} {people} mehr einen Ort im Umkreis von {radius}"
        " Kilometern (Luftlinie)."
    )
    return (said, _shares(figures), _no_more(figures, "bringen niemanden dazu"))


def _fewest_sites(figures: SiteFigures) -> tuple[str, ...]:
    count, result = len(figures.rows), figures.result
    radius = plain_number(figures.choice.base.radius_km)
    share = f"{plain_number(figures.choice.share)} %"
    where = region_phrase(figures.counted_in)
    near = f"einen Ort im Umkreis von {radius} Kilometern (Luftlinie)"
    if not result.target_met:
        most = percent_text(result.attainable_share, down=True)
        return (
            f"{share} sind so nicht erreichbar: Auch mit einem Ort an jedem möglichen Standort"
            f" hätten {where} höchstens {most} der Menschen {near}.",
            _enough(count),
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
        return ("Keiner der möglichen Standorte verkürzt einen Weg.",)
    after = german_distance(figures.after.value)
    before = german_distance(figures.before.value)
    where = region_phrase(figures.counted_in)
    weighted = "(Luftlinie, nach Menschen gewichtet)"
    no_more = _no_more(figures, "verkürzen keinen Weg")
    if not before:
        return (
            f"Mit {_new_places(count)} wäre der nächste Ort {where} im Mittel {after} entfernt"
            f" {weighted}.",
            "Heute zählt in dieser Auswahl kein Ort; einen Weg vorher gibt es nicht.",
            no_more,
        )
    instead = f"{after} statt {before}" if after != before else f"weiter rund {after}"
    return (
        f"Mit {_new_places(count)} wäre der Weg zum nächsten Ort {where} im Mittel"
        f" {metres_text(figures.gain.value)} kürzer: {instead} {weighted}.",
        no_more,
    )


def _no_more(figures: SiteFigures, what: str) -> str:
    """Say why there are fewer places than asked for; empty where there are not."""
    if len(figures.rows) >= figures.choice.sites:
        return ""
    if len(figures.rows) >= figures.candidates:
        return "Mehr mögliche Standorte gibt es nicht."
    return f"Die übrigen möglichen Standorte {what}."


def _shares(figures: SiteFigures) -> str:
    where = region_phrase(figures.counted_in)
    spans = (figures.before, figures.after)
    before, after = (percent_text(span.value / figures.people) for span in spans)
    fewer, more = (number_text(span.value, 0) for span in spans)
    whole = number_text(figures.people, 0)
    if before == after:
        return (
            f"Damit wären {where} {more} statt {fewer} von {whole} Menschen erreicht, weiter rund"
            f" {after}."
        )
    return f"Damit wären {where} {more} von {whole} Menschen erreicht, {after} statt {before}."


def _new_places(count: int) -> str:
    return "einem neuen Ort" if count == 1 else f"{german_number(count)} neuen Orten"


def _enough(count: int) -> str:
    if not count:
        return ""
    if count == 1:
        return "Dafür genügt der eine Ort der Tabelle."
    return f"Dafür genügen die {german_number(count)} Orte der Tabelle."


def _amount(value: float, figures: SiteFigures) -> str:
    return metres_text(value) if figures.is_distance else number_text(value, 0)


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
        "number": Column("Nr.", "Gesetzte zuerst, dann nach dem, was ein Ort bringt", width=6),
        "ags": Column("Gemeindeschlüssel", "Gemeinde, in der er steht"),
        "within": Column("Liegt in", "Verbandsgemeinde und Kreis", width=40),
        "lon": Column("Länge", "geografische Länge in Grad (WGS 84)", 6, degrees),
        "lat": Column("Breite", "geografische Breite in Grad (WGS 84)", 6, degrees),
        "forced": Column("gesetzt", "ja: von Ihnen vorgegeben", width=9),
        **measures,
        "from_municipalities": Column("aus", "Gemeinden dieser Menschen", width=60),
        "near_ties": Column(
            "statt dessen auch",
            "andere Standorte an seiner Stelle, und was sie kosten: Menschen weniger, oder im"
            " Mittel Meter mehr",
            width=50,
        ),
    }


def file_row(row: SiteRow, *, is_distance: bool) -> tuple[Any, ...]:
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
        "; ".join(map(origin_text, row.origins)) or None,
        "; ".join(f"{tie.name} ({tie_text(tie, is_distance=is_distance)})" for tie in row.ties)
        or None,
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
                    for name, value in zip(
                        columns, file_row(row, is_distance=figures.is_distance), strict=True
                    )
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
    rows = [file_row(row, is_distance=figures.is_distance) for row in figures.rows]
    table = pd.DataFrame(rows, columns=[*file_columns(figures)])
    points = shapely.points([(row.lon, row.lat) for row in figures.rows] or np.empty((0, 2)))
    frame = gpd.GeoDataFrame({"key": table["key"]}, geometry=points, crs=WGS84)
    return table, cast("Areas", frame)
