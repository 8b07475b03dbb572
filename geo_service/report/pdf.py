"""A report as PDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from geo_service.typesetting import typeset
from geo_service.writing import breakable, plain

if TYPE_CHECKING:
    from geo_service.report.sheet import Report, Section

__all__ = ["render_report"]

_TEMPLATE: Final = Path(__file__).with_name("report.typ")
_SHORT: Final = 160
_LONG: Final = 1_500
_WHOLE: Final = 8_000
"""A scenario's changes and its address; no link in a PDF may be longer."""

_FOOT: Final = 400
"""A longer address stands among the pairs alone, for half of one leads nowhere."""


def render_report(report: Report) -> bytes:
    """Set `report` as PDF on A4: the same report gives the same bytes.

    It is tagged, and PDF/UA-1 as long as the fonts have every letter.

    Raises
    ------
    TypesettingError
        If it cannot be set within the limits of `typesetting`.
    """
    return typeset(_TEMPLATE, _content(report))


def _content(report: Report) -> dict[str, Any]:
    """Return what the template is given: every text plain, on one line, and not too long."""
    return {
        "service": _fit(report.service, _SHORT),
        "title": _fit(report.title, _SHORT),
        "subtitle": _fit(report.subtitle, _LONG),
        "state": _fit(report.state, _SHORT),
        "summary": [_fit(text, _LONG) for text in report.summary],
        "map": report.map_svg.decode(),
        "map_text": _fit(report.map_text, _LONG),
        "table_title": _fit(report.table_title, _SHORT),
        "headings": [
            {"label": _fit(one.label, _SHORT), "number": one.number, "width": one.width}
            for one in report.headings
        ],
        "rows": [
            [[_fit(cell.text, _SHORT), _fit(cell.below, _SHORT)] for cell in row]
            for row in report.rows
        ],
        "sections": [_section(section, report.address) for section in report.sections],
        "sources": [_fit(note, _LONG) for note in report.sources],
        "address": _fit(report.address, _FOOT) if len(report.address) <= _FOOT else "",
    }


def _section(section: Section, address: str) -> dict[str, Any]:
    return {
        "title": _fit(section.title, _SHORT),
        "paragraphs": [_fit(text, _LONG) for text in section.paragraphs],
        "pairs": [
            [_fit(label, _SHORT), _fit(text, _WHOLE), _target(text) if text == address else ""]
            for label, text in section.pairs
        ],
    }


def _target(address: str) -> str:
    """Return what a link may lead to: the address as it is, or nothing."""
    whole = address.startswith(("https://", "http://")) and len(address) <= _WHOLE
    return address if whole and plain(address, _WHOLE) == address else ""


def _fit(text: str, limit: int) -> str:
    return breakable(plain(text, limit))
