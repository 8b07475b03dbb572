"""The figures of a choice to take along: tables, layers, pictures and a report."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, get_args

from flask import Response, render_template, request, url_for

from geo_service.classification import METHOD_NAMES
from geo_service.errors import NotFoundError
from geo_service.exports import (
    EXPORT_KINDS,
    MEDIA_TYPES,
    ExportKind,
    describe_table,
    render_coverage,
)
from geo_service.formats import german_number
from geo_service.map_images import ImageKind, draw_choropleth
from geo_service.names import slug
from geo_service.report import render_report
from geo_service.web.answers import HTML, PUBLIC, Body, answer
from geo_service.web.planning.answers import caching, kept
from geo_service.web.planning.figures import Figures, figures_of
from geo_service.web.planning.pages import asked_choice, asked_state, planning
from geo_service.web.planning.pictures import areas_of, layer_style, map_picture
from geo_service.web.planning.planned import scenario_name
from geo_service.web.planning.query import PLANNING_LEVELS, Choice, plain_number, query_string
from geo_service.web.planning.reports import build_report
from geo_service.web.planning.state_choice import describe_loss, state_label
from geo_service.web.queries import AddressError
from geo_service.web.site import View, the_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geo_service.map_images import MapPicture

__all__ = ["answer_picture", "file_name", "parameters_of", "planning"]

FileKind: TypeAlias = Literal["csv", "xlsx", "geojson", "gpkg", "png", "svg", "pdf"]
_MEDIA_TYPES: Final[dict[FileKind, str]] = {
    **cast("dict[FileKind, str]", MEDIA_TYPES),
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}
_SHOWN: Final = ("png", "pdf")
"""What browsers show; the rest they keep."""

_SHEETS: Final = ("bildschirm", "a4")
_STEMS: Final = {"png": "karte", "svg": "karte", "pdf": "bericht"}
_LEVEL_SLUGS: Final = {
    "kreis": "kreise",
    "verbandsgemeinde": "verbandsgemeinden",
    "gemeinde": "gemeinden",
}

AT_ONCE: Final = 2
"""Files made at the same time in a process; its other threads go on answering."""

WAIT_S: Final = 1.0
RETRY_AFTER_S: Final = 10
_room: Final = threading.BoundedSemaphore(AT_ONCE)


class _BusyError(Exception):
    """Too many files are being made."""


@planning.get("/export.<kind>")
def export(kind: str) -> Response:
    """Give the figures of a choice as a file."""
    if kind not in get_args(FileKind):
        raise NotFoundError(f"Diese Art von Datei gibt es nicht: {', '.join(get_args(FileKind))}.")
    view, choice = asked_choice(dated=True)
    choice = choice.measured
    sheet = _asked_sheet() if kind in {"png", "svg"} else ""
    figures = figures_of(view.snapshot, choice, view.today)
    make = partial(_make, view, figures, cast("FileKind", kind), sheet)
    key = ("planning file", view.today, kind, sheet, choice)
    try:
        body = view.snapshot.keep_answer(key, make) if choice.kept else make()
    except _BusyError:
        return _busy()
    name = file_name(figures, cast("FileKind", kind))
    response = _as_file(body, kind, name, caching(choice))
    if kind == "csv":  # a table of plain cells has no room for notes
        address = url_for("planning.describe_csv") + query_string(choice)
        link = f'<{address}>; rel="describedby"; type="application/csvm+json"'
        response.headers["Link"] = link
    return response


@planning.get("/export.csv-metadata.json")
def describe_csv() -> Response:
    """Give columns, method and sources of the CSV table (W3C, CSV on the Web)."""
    view, choice = asked_choice(dated=True)
    figures = figures_of(view.snapshot, choice.measured, view.today)
    content = describe_table(
        url_for("planning.export", kind="csv") + query_string(figures.choice),
        figures.coverage,
        parameters=parameters_of(figures),
        source_notes=figures.notes,
        revision=figures.revision,
        today=figures.today,
    )
    body = Body(content, "application/csvm+json", figures.revision, quality=4)
    return answer(body, cache=caching(choice))


def answer_picture(
    view: View,
    kind: ImageKind,
    picture: Callable[[], MapPicture],
    *,
    key: tuple[object, ...],
    name: str,
    cache: str = PUBLIC,
) -> Response:
    """Give a map as a picture, on the sheet that the address asks for.

    `key` is what it depends on, besides revision, day, kind and sheet (`answers.kept`); `name`
    is that of the file.
    """
    sheet = _asked_sheet()

    def make() -> Body:
        with _turn():
            content = draw_choropleth(picture(), kind=kind, sheet=sheet)
        return Body(content, _MEDIA_TYPES[kind], view.snapshot.revision, quality=4)

    try:
        body = kept(view, (*key, kind, sheet), make)
    except _BusyError:
        return _busy()
    return _as_file(body, kind, name, cache)


def _as_file(body: Body, kind: str, name: str, cache: str) -> Response:
    response = answer(body, cache=cache)
    shown = "inline" if kind in _SHOWN else "attachment"
    response.headers["Content-Disposition"] = f'{shown}; filename="{name}"'
    return response


def file_name(figures: Figures, kind: FileKind, stem: str = "") -> str:
    """Return a name that says what the file holds, in plain letters; `stem` begins it."""
    choice = figures.choice
    parts = [
        stem or _STEMS.get(kind, "abdeckung"),
        choice.indicator_name if kind in _STEMS else "",
        _LEVEL_SLUGS[choice.level],
        slug(figures.region.name) if choice.area else "",
        f"{plain_number(choice.radius_km)}km",
        "auswahl" if choice.filtered else "",
        f"szenario-{slug(choice.scenario.title)}".rstrip("-") if figures.changes else "",
        choice.demand,
        f"stand-{choice.state}" if choice.state else "",
        figures.today.isoformat(),
    ]
    name = "-".join(part for part in parts if part)
    return f"{name.encode('ascii', 'ignore').decode()[:120]}.{kind}"


def parameters_of(figures: Figures) -> dict[str, str]:
    """Return label and value of everything that the figures depend on."""
    choice = figures.choice
    return {
        **_state(choice),
        **_scenario(figures),
        "Gebiet": figures.region.name,
        "Verglichen werden": PLANNING_LEVELS[choice.level],
        "Menschen": figures.people,
        **choice.parameters.describe(),
        "Kennzahl der Karte": figures.title,
        "Klassen der Karte": f"{METHOD_NAMES[choice.method]}: {_classes(figures)}",
        "Datenstand": f"Nr. {german_number(figures.revision)}",
        "Dieselbe Auswertung im Internet": _address(choice),
    }


def _state(choice: Choice) -> dict[str, str]:
    """Say which dated state it is, and whether the figures published then may be others."""
    state = asked_state(choice)
    if state is None:
        return {}
    said = {"Stand": state_label(state), "Gegenüber der Veröffentlichung": describe_loss(state)}
    return {name: text for name, text in said.items() if text}


def _scenario(figures: Figures) -> dict[str, str]:
    """Say that it is a scenario, and what it changes."""
    if not figures.changes:
        return {}
    changes = "; ".join(change.text for change in figures.changes)
    return {
        "Szenario": f"{scenario_name(figures.choice.scenario)}, nicht das Verzeichnis von heute",
        "Änderungen gegenüber heute": changes,
    }


def _classes(figures: Figures) -> str:
    return "; ".join(entry.label for entry in figures.legend) or "keine"


def _address(choice: Choice) -> str:
    """Return the page's address; without the service's own name where that is not set.

    Files are kept: what a visitor claims the host to be must never get into one.
    """
    home = the_site().settings.public_url
    return home + url_for("planning.overview") + query_string(choice)


def _asked_sheet() -> str:
    sheet = request.args.get("blatt") or _SHEETS[0]
    if sheet not in _SHEETS:
        expected = " oder ".join(_SHEETS)
        raise AddressError("blatt", f"Angabe „blatt“: Erwartet wird {expected}.")
    return sheet


def _make(view: View, figures: Figures, kind: FileKind, sheet: str) -> Body:
    """Make a file in its turn; one that is kept needs none."""
    with _turn():
        content = _content(view, figures, kind, sheet)
    return Body(content, _MEDIA_TYPES[kind], view.snapshot.revision, quality=4)


def _content(view: View, figures: Figures, kind: FileKind, sheet: str) -> bytes:
    if kind in EXPORT_KINDS:
        return _table(view, figures, kind)
    if kind == "pdf":
        return _report(view, figures)
    picture = map_picture(view, figures)
    dated = [f"{label}: {text}" for label, text in _state(figures.choice).items()]
    noted = replace(picture, notes=[*dated, *picture.notes])
    return draw_choropleth(noted, kind=cast("ImageKind", kind), sheet=sheet)


def _table(view: View, figures: Figures, kind: ExportKind) -> bytes:
    return render_coverage(
        kind,
        figures.coverage,
        areas_of(view, figures),
        parameters=parameters_of(figures),
        source_notes=figures.notes,
        revision=figures.revision,
        today=figures.today,
        style=layer_style(figures),
    )


def _report(view: View, figures: Figures) -> bytes:
    picture = draw_choropleth(map_picture(view, figures), kind="svg", sheet="bericht")
    report = build_report(
        figures,
        service=the_site().settings.service_name,
        map_svg=picture,
        parameters=parameters_of(figures),
        address=_address(figures.choice),
    )
    return render_report(report)


@contextmanager
def _turn() -> Iterator[None]:
    """Hold one of the few places where files are made."""
    if not _room.acquire(timeout=WAIT_S):
        raise _BusyError
    try:
        yield
    finally:
        _room.release()


def _busy() -> Response:
    page = render_template(
        "error.html",
        status=503,
        title="Gerade werden viele Dateien gemacht",
        text="Bitte versuchen Sie es in einigen Sekunden noch einmal.",
        back=None,
    )
    response = answer(Body(page.encode(), HTML), cache="no-store", status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response
