"""What a report says, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cell", "Heading", "Report", "Section"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the table; figures stand at the right. `width` is its part of the page."""

    label: str
    number: bool = True
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in the table, and what stands below it in small, such as its range."""

    text: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part after the table: paragraphs, then pairs of a label and what it means.

    In pairs, an underscore before a letter sets that letter low, for formulas.
    """

    title: str
    paragraphs: Sequence[str] = ()
    pairs: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report; every text is German and may come from anybody.

    Parameters
    ----------
    service, title, subtitle
        Who publishes it, what it is about, and which choice it shows.
    state
        Date and revision of the figures.
    summary
        Paragraphs; the answer first.
    map_svg, map_text
        The map, and what it shows for those who cannot see it; empty: no map.
    table_title, headings, rows
        The areas, a row each; as many cells as headings.
    sections
        How sure it is, method, parameters.
    sources
        The notes that the sources' licences ask for.
    address
        Where the same figures are found, printed in the foot unless it is very long; what
        stands among the pairs of a section is linked (PDF/UA allows no links in a foot).
    """

    service: str
    title: str
    subtitle: str
    state: str
    summary: Sequence[str]
    map_svg: bytes
    map_text: str
    table_title: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    sections: Sequence[Section]
    sources: Sequence[str]
    address: str = ""
