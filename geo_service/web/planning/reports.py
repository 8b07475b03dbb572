"""Figures as a report: the sentences and the table of the page, how sure they are, the method."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from geo_service.formats import german_date, german_number, percent_text
from geo_service.report import Cell, Heading, Report, Section
from geo_service.web.planning.figures import JUDGEMENT_TEXTS
from geo_service.web.planning.pictures import subtitle
from geo_service.web.planning.query import COLUMNS
from geo_service.web.planning.tables import FiguresPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geo_service.web.planning.figures import Figures
    from geo_service.web.planning.tables import Cell as PageCell
    from geo_service.web.planning.tables import Row

__all__ = ["build_report"]

_QUALITY: Final = ("grob", "veraltet", "undatiert")
_RATIO: Final = "Orte je 10.000"
_OF_NAMED: Final = (
    "10.000 · S_a / Summe aller P_i, beides ohne die Gemeinden, deren Zahl unbekannt ist. Sagt"
    " nicht, ob jemand hinkommt."
)
_FORMULAS: Final = (
    (
        "Orte",
        "S_a: Orte im Gebiet a, die dem Filter entsprechen. Zwei Einträge an einer Adresse"
        " sind zwei Orte.",
    ),
    (_RATIO, "10.000 · S_a / Einwohner des Gebiets. Sagt nicht, ob jemand hinkommt."),
    (
        "Erreicht",
        "Summe der P_i mit d_i bis r, geteilt durch die Summe aller P_i. Auch Orte im"
        " Nachbargebiet zählen. Sagt nicht, ob dort Platz ist.",
    ),
    ("Menschen außerhalb", "Summe der P_i mit d_i über r."),
    (
        "Entfernung",
        "Summe der P_i · d_i, geteilt durch die Summe der P_i, in Kilometern"
        " Luftlinie. Ein Mittel verdeckt, wer es weit hat.",
    ),
    (
        "E2SFCA",
        "Erreichbarkeit mit Wettbewerb (Luo und Qi 2009): Jeder Ort teilt sich unter die"
        " Menschen um ihn, gewichtet nach Entfernung; jeder Punkt sammelt, was ihm zufällt. In"
        " Orten je 10.000 Menschen.",
    ),
    (
        "Urteil",
        "Lücke, wenn weniger als der Grenzwert der Menschen einen Ort im Umkreis hat; zu"
        " unsicher, wenn das davon abhängt, wo grob verortete Orte wirklich liegen.",
    ),
    (
        "Spanne",
        "Werte in 9 von 10 durchgerechneten Lagen der grob verorteten Orte: Jeder steht je Lage"
        " auf einem von 16 Punkten seiner Gemeinde. Eine Rechnung mit festem Startwert, keine"
        " sichere Grenze.",
    ),
    (
        "Zeichen",
        "P_i: Menschen am Punkt i. d_i: Luftlinie vom Punkt i zum nächsten Ort, gemessen"
        " in EPSG:25832. r: Umkreis.",
    ),
)
"""docs/coverage.md tells more."""


def build_report(
    figures: Figures,
    *,
    service: str,
    map_svg: bytes,
    parameters: Mapping[str, str],
    address: str,
) -> Report:
    """Return the report of a choice; every figure in it is written as on the page."""
    page = FiguresPage(replace(figures, choice=replace(figures.choice, page=1)))
    revision = german_number(figures.revision)
    return Report(
        service=service,
        title=f"Wo fehlen Orte? {figures.region.name}{' (Szenario)' if figures.changes else ''}",
        subtitle=f"{figures.title}. {subtitle(figures)}",
        state=f"Berechnet am {german_date(figures.today)}, Datenstand Nr. {revision}",
        summary=page.summary,
        map_svg=map_svg,
        map_text=f"Karte: {figures.title}. Die Tabelle hat dieselben Zahlen.",
        table_title=page.level_name,
        headings=_headings(page),
        rows=[_row(row) for row in _rows(figures)],
        sections=(
            _uncertainty(figures),
            Section("Methode", pairs=_formulas(figures)),
            Section("Angaben dieser Auswertung", pairs=tuple(parameters.items())),
        ),
        sources=figures.notes,
        address=address,
    )


def _formulas(figures: Figures) -> tuple[tuple[str, str], ...]:
    """Return the formulas of these figures: other people than the population have one more."""
    if not figures.named:
        return _FORMULAS
    return tuple((name, _OF_NAMED if name == _RATIO else text) for name, text in _FORMULAS)


def _headings(page: FiguresPage) -> list[Heading]:
    names = [*_QUALITY, "einwohner", *(one.name for one in page.other_indicators)]
    return [
        Heading(COLUMNS["name"].label, number=False, width=2.6),
        Heading(page.first_heading.label),
        Heading(COLUMNS["urteil"].label, number=False),
        *(Heading(COLUMNS[name].label) for name in names),
    ]


def _rows(figures: Figures) -> Iterator[Row]:
    """Return the rows of every page of the table."""
    number, pages = 1, 1
    while number <= pages:
        page = FiguresPage(replace(figures, choice=replace(figures.choice, page=number)))
        yield from page.rows
        number, pages = number + 1, page.pages


def _row(row: Row) -> list[Cell]:
    return [
        Cell(row.name, row.within),
        _cell(row.first),
        Cell(row.verdict, "; ".join(filter(None, ("kleine Zahl" * row.small, row.unknown)))),
        *map(_cell, row.quality),
        Cell(row.people),
        *map(_cell, row.others),
    ]


def _cell(cell: PageCell) -> Cell:
    return Cell(cell.text, cell.below)


def _uncertainty(figures: Figures) -> Section:
    whole = figures.whole.iloc[0]
    places = int(whole["places"])
    parts = (
        ("Grob verortet", "rough", "der Punkt ist gröber als die Straße"),
        ("Veraltet", "stale", "seit über zwei Jahren weder angegeben noch bestätigt"),
        ("Ohne Datum", "undated", "weder Angabe noch Bestätigung haben ein Datum"),
    )
    pairs = [("Orte", german_number(places))]
    for label, column, meaning in parts:
        count = int(whole[column])
        share = f" ({percent_text(count / places, 0)})" if places else ""
        pairs.append((label, f"{german_number(count)}{share}: {meaning}"))
    for name, count in figures.judged.items():
        pairs.append((f"Urteil: {JUDGEMENT_TEXTS[name]}", _areas(count)))
    if unknown := int(whole["municipalities_unknown"]):
        many = "1 Gemeinde" if unknown == 1 else f"{german_number(unknown)} Gemeinden"
        pairs.append(("Menschen unbekannt", f"{many}: zählen nicht mit"))
    small = int(figures.coverage["small_numbers"].sum())
    pairs.append(("Kleine Zahl", f"{_areas(small)}: ein Verhältnis sagt dort wenig"))
    return Section(
        "Wie sicher das ist",
        (
            "Unter einer Zahl steht, was sie in 9 von 10 durchgerechneten Lagen der grob verorteten"
            " Orte ist, weil von diesen nur die Gemeinde bekannt ist. Eine Lücke ist ein Hinweis"
            " und kein Befund: Ein Ort kann in der Liste fehlen, und ein Ort der Liste kann"
            " geschlossen sein.",
        ),
        pairs,
    )


def _areas(count: int) -> str:
    return "1 Gebiet" if count == 1 else f"{german_number(count)} Gebiete"
