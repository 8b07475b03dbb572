"""What a handout says: plain values, with all words translated before they come here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_PLACES", "Ground", "Handout", "HandoutPlace", "Outline", "Point", "Town", "Words"]

MAX_PLACES: Final = 60
"""Most places on one handout: four pages of paper."""

Point: TypeAlias = tuple[float, float]
"""Longitude and latitude in degrees (EPSG:4326)."""


@dataclass(frozen=True, slots=True)
class HandoutPlace:
    """A place as the paper says it; None is unknown.

    `kind` is the translated category; `distance`, `wheelchair` and `stated` (how old the record
    is) are said in full. `week` says the hours in the language of the paper, where they are
    certain and the same in every week, and `week_remark` what the record says beside them; else
    `hours` has the record's own text. `rough` is set where `point` stands for a whole town or
    municipality.
    """

    number: int
    name: str
    kind: str
    where: str
    rough: bool = False
    point: Point | None = None
    hours: str | None = None
    week: str | None = None
    week_remark: str | None = None
    languages: str | None = None
    wheelchair: str | None = None
    website: str | None = None
    distance: str | None = None
    stated: str | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """One ring of a border with the box around it: west, south, east, north."""

    points: tuple[Point, ...]
    box: tuple[float, float, float, float]

    @classmethod
    def of(cls, points: Iterable[Point]) -> Outline:
        """Make the outline of a ring of at least one point."""
        ring = tuple(points)
        lons, lats = [lon for lon, _ in ring], [lat for _, lat in ring]
        return cls(ring, (min(lons), min(lats), max(lons), max(lats)))


@dataclass(frozen=True, slots=True)
class Town:
    """A name that helps to read the map."""

    name: str
    point: Point


@dataclass(frozen=True, slots=True)
class Ground:
    """What lies under the numbers: borders, and towns with the largest first."""

    kreise: tuple[Outline, ...] = ()
    municipalities: tuple[Outline, ...] = ()
    towns: tuple[Town, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the paper itself, in its language.

    `page` has ``{page}`` and ``{pages}``; `kilometres` and `metres` have ``{n}``. `digits` are
    the ten that the language writes, from nought on; lines run in its `direction`.
    """

    page: str
    live: str
    map: str
    empty: str
    sources: str
    hours: str
    languages: str
    rough: str
    nowhere: str
    unprintable: str
    exact_mark: str
    rough_mark: str
    here_mark: str
    kilometres: str
    metres: str
    direction: Literal["ltr", "rtl"] = "ltr"
    digits: str = "0123456789"

    def number(self, value: int) -> str:
        """Write a number from 0 on in the digits of the language."""
        return "".join(self.digits[int(digit)] for digit in str(value))

    def aside(self, text: str) -> str:
        """Write numbers that stand alone in the direction of the language (RLI … PDI)."""
        return f"\u2067{text}\u2069" if self.direction == "rtl" else text


@dataclass(frozen=True, slots=True)
class Handout:
    """All that a handout says, in the order of the paper.

    Parameters
    ----------
    service, title, subtitle, notes
        The head; `notes` are sentences of their own lines.
    language, record_language
        Of the words, and of what records say (BCP 47).
    places
        Numbered, in the order of the paper.
    words
        Translated.
    url
        Address of the live list: absolute.
    foot
        What every page says at its foot.
    ground
        For the map; None leaves the map out.
    here
        From where distances count.
    sources
        Notes that the licences of the data ask for.
    """

    service: str
    title: str
    subtitle: str
    notes: tuple[str, ...]
    language: str
    places: tuple[HandoutPlace, ...]
    words: Words
    url: str
    foot: str = ""
    ground: Ground | None = None
    here: Point | None = None
    sources: tuple[str, ...] = ()
    record_language: str = "de"
