"""What the gazetteer knows of a place, and how well a text fits one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from geo_service.schema import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geo_service.schema import Precision

# Scores: 1 is the official name as stated; each of these says what was less than that.
SHORT_NAME: Final = 0.95  # "Landau" for "Landau in der Pfalz"
OTHER_SPELLING: Final = 0.95  # "Майнц", "Mayence"
MISSPELT: Final = 0.9  # times the similarity
UNKNOWN_PART: Final = 0.85  # "Mainz-Mombach", with no Mombach in the register
ELSEWHERE: Final = 0.7  # the Ort is known, but in another municipality
CONTRADICTED: Final = 0.8  # another Verbandsgemeinde is stated
POSTCODE_ONLY: Final = 0.5
POSTCODE_UNKNOWN_NAME: Final = 0.3


@dataclass(frozen=True, slots=True)
class Unit:
    """A municipality as far as namesakes are told apart by it."""

    ags: str
    name: str
    kreis_key: str
    kreis_label: str
    vg_key: str
    vg: str
    postcode: str

    @property
    def where(self) -> str:
        """Return what tells this municipality from its namesakes."""
        return f"{self.kreis_label}, VG {self.vg}" if self.vg else self.kreis_label


@dataclass(frozen=True, slots=True)
class Place:
    """A point (degrees, EPSG:4326) with a name, in one municipality."""

    name: str
    unit: Unit
    precision: Precision
    lon: float
    lat: float
    source: str
    licence: str
    people: float

    @property
    def is_municipality(self) -> bool:
        """Say whether the place is a municipality, not a part of one."""
        return self.precision == "municipality"

    @property
    def label(self) -> str:
        """Return the name as residents read it, and where that is."""
        if self.is_municipality:
            return f"{self.name} ({self.unit.where})"
        return f"{self.name}, Ortsteil von {self.unit.name} ({self.unit.where})"


@dataclass(frozen=True, slots=True)
class Match:
    """A place that a text may mean, and how well it fits.

    `official`: by its official name, fully; `edits`: typing errors; `known`: if there are
    any, the name is long or the town well known.
    """

    place: Place
    score: float
    official: bool = False
    edits: int = 0
    remark: str = ""
    known: bool = True

    @property
    def unit(self) -> Unit:
        """Return the municipality the place lies in."""
        return self.place.unit

    @property
    def ags(self) -> str:
        """Return the key of that municipality."""
        return self.place.unit.ags

    def noted(self, remark: str, factor: float) -> Match:
        """Return the match with one more remark and its score lowered by `factor`."""
        remarks = "; ".join(part for part in (self.remark, remark) if part)
        return replace(self, remark=remarks, score=self.score * factor)

    @property
    def candidate(self) -> Candidate:
        """Return the match as one of several answers."""
        place = self.place
        return Candidate(
            place.label,
            place.lon,
            place.lat,
            place.precision,
            ags=self.ags,
            score=round(self.score, 3),
        )


def whole(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Return those of the matches that are municipalities."""
    return tuple(match for match in matches if match.place.is_municipality)


def is_split(matches: Iterable[Match]) -> bool:
    """Say whether the matches lie in more than one municipality."""
    return len({match.ags for match in matches}) > 1


def list_labels(matches: Sequence[Match], most: int = 3) -> str:
    """Name the places of the matches in one line, the first few."""
    shown = list(dict.fromkeys(match.place.label for match in matches))
    rest = f" und {len(shown) - most} weitere" if len(shown) > most else ""
    return ", ".join(shown[:most]) + rest
