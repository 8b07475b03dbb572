"""Demand: figures of any people per area, from a table, put where the population lives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
import pandas as pd

from geo_service.errors import FileFormatError, QueryError, ValidationError
from geo_service.formats import german_date, german_number
from geo_service.names import fold
from geo_service.schema import KEY_COLUMN, Demand, Issue, Level, Municipalities, Population

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "KEY_HEADINGS",
    "LEVEL_WORDS",
    "VALUE_HEADINGS",
    "DemandTable",
    "RawRows",
    "distribute",
    "read_figures",
]

KEY_HEADINGS: Final = (
    "Schlüssel",
    "key",
    "AGS",
    "Amtlicher Gemeindeschlüssel",
    "Gemeindeschlüssel",
    "Verbandsgemeindeschlüssel",
    "Kreisschlüssel",
    "ARS",
    "Amtlicher Regionalschlüssel",
    "Regionalschlüssel",
    "Gebietsschlüssel",
    "Kennziffer",
    "Code",
)
VALUE_HEADINGS: Final = ("Wert", "value", "Anzahl", "Personen", "Zahl", "Insgesamt", "Bedarf")
"""Headings of the two columns, compared by `names.fold`."""

LEVEL_WORDS: Final[Mapping[Level, str]] = {
    "gemeinde": "Gemeinde",
    "verbandsgemeinde": "Verbandsgemeinde",
    "kreis": "Kreis",
}
_LEVEL_OF_LENGTH: Final[Mapping[int, Level]] = {8: "gemeinde", 9: "verbandsgemeinde", 5: "kreis"}

UNKNOWN_SIGNS: Final = frozenset({"", ".", "..", "...", "…", "/", "x", "g", "u", "t"})
ZERO_SIGNS: Final = frozenset({"-", "–", "—", "n", "k"})
"""The signs of the statistical offices in place of a number. ``-`` (also ``[n]``) is "nichts
vorhanden": exactly zero; ``k`` rounds to zero. ``.``/``g`` is unknown or secret, ``/``/``u``
not certain enough, ``x`` makes no sense, ``…``/``t`` comes later: all unknown. Source:
Landesamt für Statistik Niedersachsen, Abkürzungen und Zeichenerklärungen, present and former
signs, https://statistik.niedersachsen.de/ueber_statistik/; the same in DIN 55301."""

_REGIONAL_DIGITS: Final = 12
"""A Regionalschlüssel is Kreis (5 digits), Verbandsgemeinde in it (4), Gemeinde in the Kreis (3);
the Gemeindeschlüssel (AGS) is the same without the middle."""

MAX_FIGURE: Final = 1e9
_HEADING_ROWS: Final = 20
_BLANK: Final = re.compile(r"[\s\u00a0\u2009\u202f]+")
_BRACKETS: Final = re.compile(r"\( ?(.*?) ?\)")
_PARTED: Final = re.compile(r"[1-9]\d{0,2}( \d{3})+([.,]\d+)?", re.ASCII)
_WHOLE: Final = re.compile(r"\d+", re.ASCII)
_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2}(\.\d{3})+", re.ASCII)
_GERMAN: Final = re.compile(r"(\d+|[1-9]\d{0,2}(\.\d{3})+),\d+|[1-9]\d{0,2}(\.\d{3}){2,}", re.ASCII)
_PLAIN: Final = re.compile(r"\d+\.\d+", re.ASCII)


class RawFault(Protocol):
    """A fault in a cell, or in a row (`column` None), found while a file was taken apart."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int | None: ...
    @property
    def expected(self) -> str: ...
    @property
    def got(self) -> str: ...
    @property
    def severity(self) -> Literal["error", "warning"]: ...


class RawRows(Protocol):
    """What the reading room makes of a file: rows of text cells with their lines."""

    @property
    def file(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def lines(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def rows(self) -> Sequence[Sequence[str]]: ...  # noqa: D102
    @property
    def faults(self) -> Sequence[RawFault]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class DemandTable:
    """The figures of a file, and every fault of it.

    `figures` has every area of `level`, in the order of keys; None is unknown, also where the
    file lacks the area: `absent` counts those. ``accepted + rejected == rows``.
    """

    level: Level
    figures: Mapping[str, float | None]
    issues: tuple[Issue, ...]
    rows: int
    accepted: int
    absent: int

    @property
    def rejected(self) -> int:
        """How many rows have an error."""
        return self.rows - self.accepted


def read_figures(
    raw: RawRows,
    municipalities: Municipalities,
    *,
    successors: Mapping[str, str],
    column: str | None = None,
    dash_unknown: bool = False,
) -> DemandTable:
    """Read keys and figures from the rows of a file.

    Parameters
    ----------
    raw
        Rows of text cells; the headings stand in one of the first 20.
    municipalities
        Their keys are the ones that exist.
    successors
        Former keys and the present one of each; figures of several former areas that became
        one are added up.
    column
        Heading of the figures; one of `VALUE_HEADINGS`, or the only other column, if None.
    dash_unknown
        Read ``-`` as unknown instead of the statistical offices' "nichts vorhanden" (zero).

    Raises
    ------
    FileFormatError
        If there is no column of keys or of figures, or no row below.
    ValidationError
        If no row holds, or the keys are of several levels.
    """
    layout = _Layout.of(raw, column)
    rows = [
        (line, layout.cell(cells, layout.key), layout.cell(cells, layout.value))
        for line, cells in zip(raw.lines[layout.top + 1 :], raw.rows[layout.top + 1 :], strict=True)
    ]
    sheet = _Sheet(raw.file, layout, _Keys.of(municipalities, successors))
    sheet.take_faults(raw.faults)
    sheet.read(rows, raw.kind, dash_unknown=dash_unknown)
    return sheet.result(municipalities)


# -------------------------------------------------------------------------------- columns


@dataclass(frozen=True, slots=True)
class _Layout:
    top: int
    key: int
    value: int
    headings: tuple[str, ...]

    @classmethod
    def of(cls, raw: RawRows, column: str | None) -> _Layout:
        keys = {fold(name) for name in KEY_HEADINGS}
        tops = [[fold(cell) in keys for cell in cells] for cells in raw.rows[:_HEADING_ROWS]]
        top = next((number for number, hits in enumerate(tops) if any(hits)), None)
        if top is None:
            raise FileFormatError(
                f"{raw.file}: expected a heading of the keys ({', '.join(KEY_HEADINGS[:4])}),"
                f" got none in the first {len(tops)} rows"
            )
        headings = tuple(_BLANK.sub(" ", cell).strip() for cell in raw.rows[top])
        found = [at for at, hit in enumerate(tops[top]) if hit]
        if len(found) > 1:
            names = " and ".join(repr(headings[at]) for at in found)
            raise FileFormatError(f"{raw.file}: expected one column of keys, got {names}")
        if len(raw.rows) == top + 1:
            raise FileFormatError(f"{raw.file}: expected a row below the headings, got none")
        return cls(top, found[0], _value_column(raw.file, headings, found[0], column), headings)

    @staticmethod
    def cell(cells: Sequence[str], at: int) -> str:
        return _BLANK.sub(" ", cells[at]).strip() if at < len(cells) else ""


def _value_column(file: str, headings: Sequence[str], key: int, column: str | None) -> int:
    others = [at for at, name in enumerate(headings) if at != key and name]
    if column is not None:
        wanted, expected = {fold(column)}, f"a heading {column!r}"
    else:
        wanted = {fold(name) for name in VALUE_HEADINGS}
        expected = f"one heading of the figures ({', '.join(VALUE_HEADINGS[:4])}; or name it)"
    found = [at for at in others if fold(headings[at]) in wanted]
    if not found and column is None and len(others) == 1:
        found = others
    if len(found) != 1:
        got = ", ".join(repr(headings[at]) for at in (found or others)) or "none"
        raise FileFormatError(f"{file}: expected {expected}, got {got}")
    return found[0]


# ----------------------------------------------------------------------------------- keys


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys that exist, each with its level, and what former ones became.

    `parts` has all former keys of a present one that has any, `regional` the Regionalschlüssel
    (ARS, 12 digits) of each municipality.
    """

    levels: Mapping[str, Level]
    regional: Mapping[str, str]
    successors: Mapping[str, str]
    parts: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, municipalities: Municipalities, successors: Mapping[str, str]) -> _Keys:
        levels = {
            str(key): level
            for level in LEVEL_WORDS
            for key in municipalities[KEY_COLUMN[level]].unique()
        }
        parts: dict[str, set[str]] = {}
        for old, new in successors.items():
            parts.setdefault(new, set()).add(old)
        regional = dict(zip(municipalities["ags"], municipalities["ars"], strict=True))
        whole = {new: frozenset(old) for new, old in parts.items()}
        return cls(levels, regional, successors, whole)

    def find(self, text: str) -> tuple[str, str, str | None] | None:
        """Return the present key that `text` means, the key it is, and a hint where they differ.

        Tables lose the leading zero of a key where a program takes it for a number.
        """
        written = text.replace(" ", "")
        if not (written.isascii() and written.isdigit()):
            return None
        for given in (written, f"0{written}"):
            key = given[:5] + given[9:] if len(given) == _REGIONAL_DIGITS else given
            present = key if key in self.levels else self.successors.get(key)
            if present is not None and present in self.levels:
                return present, key, self._hint(written, given, key, present)
        return None

    def _hint(self, written: str, given: str, key: str, present: str) -> str | None:
        if present != key:
            return f"a present key; {key} is now {present}"
        if given != key and given != self.regional[key]:
            return f"{self.regional[key]}, now the key of {key}"
        return f"{given}, with its leading zero" if given != written else None


# ----------------------------------------------------------------------------------- rows


class _Sheet:
    """Reads the rows of a table, and keeps figures and faults."""

    def __init__(self, file: str, layout: _Layout, keys: _Keys) -> None:
        self.file = file
        self.layout = layout
        self.keys = keys
        self.issues: list[Issue] = []
        self.found: dict[str, dict[str, float | None]] = {}
        self.spoilt: set[str] = set()
        self.lines: dict[str, int] = {}
        self.broken: set[int] = set()
        self.rows = self.accepted = 0

    def take_faults(self, faults: Sequence[RawFault]) -> None:
        """Take over what was wrong with the file's own cells of the two columns."""
        for fault in faults:
            if fault.column in (None, self.layout.key, self.layout.value):
                column = self.layout.key if fault.column is None else fault.column
                warn = fault.severity == "warning"
                self._note(fault.line, column, fault.expected, fault.got, warn=warn)
                self.broken |= set() if warn else {fault.line}

    def read(self, rows: Sequence[tuple[int, str, str]], kind: str, *, dash_unknown: bool) -> None:
        """Read every row; a faulty one becomes an issue."""
        read_number = _Numbers(kind, (value for _, _, value in rows), dash_unknown=dash_unknown)
        for line, key_text, value_text in rows:
            self.rows += 1
            meant = self.keys.find(key_text)
            value, fault = read_number(value_text)
            if line in self.broken:
                pass
            elif meant is None:
                expected = "a key of the Land: Kreis 5, Gemeinde 8 or 12, Verbandsgemeinde 9 digits"
                self._note(line, self.layout.key, expected, repr(key_text[:60]))
            elif (first := self.lines.setdefault(meant[1], line)) != line:
                self._note(line, self.layout.key, f"each key once (line {first})", repr(key_text))
            elif fault:
                self._note(line, self.layout.value, fault, repr(value_text[:60]))
            else:
                self._keep(line, *meant, value, key_text)
                continue
            if meant:
                self.spoilt.add(meant[0])
        self._weigh_parts()
        if read_number.dashes:
            what = "unknown" if dash_unknown else "exactly zero (“nichts vorhanden”)"
            got = f"{read_number.dashes} cells with a dash, read as {what}"
            self._note(None, self.layout.value, "numbers", got, warn=True)

    def _keep(
        self, line: int, key: str, own: str, hint: str | None, value: float | None, key_text: str
    ) -> None:
        if hint:
            self._note(line, self.layout.key, hint, repr(key_text), warn=True)
        self.accepted += 1
        self.found.setdefault(key, {})[own] = value

    def _weigh_parts(self) -> None:
        """Leave areas unknown of whose former parts some are missing, or counted twice."""
        for key, found in self.found.items():
            former, parts = sorted(found.keys() - {key}), self.keys.parts.get(key, frozenset())
            if not former:
                continue
            if key in found and key not in parts:
                for own in former:
                    expected = f"either {key} or the former keys that became it"
                    self._note(self.lines[own], self.layout.key, expected, f"{own} beside {key}")
                self.accepted -= len(former)
                self.spoilt.add(key)
            elif missing := sorted(parts - found.keys()):
                expected = f"all former parts of {key}"
                got = f"none of {', '.join(missing)}: unknown"
                self._note(self.lines[former[0]], self.layout.key, expected, got, warn=True)
                self.spoilt.add(key)

    def _note(
        self, line: int | None, column: int, expected: str, got: str, *, warn: bool = False
    ) -> None:
        severity: Literal["warning", "error"] = "warning" if warn else "error"
        heading = self.layout.headings[column]
        self.issues.append(Issue(self.file, line, heading, expected, got, severity))

    def result(self, municipalities: Municipalities) -> DemandTable:
        """Return what was read; raise where nothing holds or levels are mixed."""
        levels = sorted({self.keys.levels[key] for key in self.found}, key=list(LEVEL_WORDS).index)
        if not levels:
            raise ValidationError(
                f"{self.file}: expected at least one valid row, got none of {self.rows}",
                self.issues,
            )
        if len(levels) > 1:
            counts = " and ".join(self._count(level) for level in levels)
            raise ValidationError(
                f"{self.file}: expected keys of one level, got {counts}; keep the rows of one"
                " level, so that nobody is counted twice",
                self.issues,
            )
        known = sorted(municipalities[KEY_COLUMN[levels[0]]].unique())
        figures = {str(key): self._figure(key) for key in known}
        absent = sum(key not in self.found for key in known)
        if absent:
            expected = f"all {len(known)} keys of the level {LEVEL_WORDS[levels[0]]}"
            self._note(None, self.layout.key, expected, f"{absent} missing: unknown", warn=True)
        return DemandTable(levels[0], figures, tuple(self.issues), self.rows, self.accepted, absent)

    def _figure(self, key: str) -> float | None:
        """Add up what became one area; unknown as soon as one part is."""
        parts = [None] if key in self.spoilt else [*self.found.get(key, {None: None}).values()]
        known = [value for value in parts if value is not None]
        return sum(known) if len(known) == len(parts) else None

    def _count(self, level: Level) -> str:
        rows = sum(self.keys.levels[key] == level for key in self.found)
        example = min(key for key in self.found if self.keys.levels[key] == level)
        return f"{rows} of the level {LEVEL_WORDS[level]} (such as {example})"


class _Numbers:
    """Reads the numbers of one column, in the one form (German or plain) that it is written in.

    ``1.234`` is 1234 in German and 1.234 elsewhere. Other cells of the column decide; where
    none does, a CSV file is read as German, and a workbook, whose numbers have no form, is
    asked to be clearer.
    """

    def __init__(self, kind: str, texts: Iterable[str], *, dash_unknown: bool) -> None:
        cells = [_bare(text) for text in texts]
        self.german = any(_GERMAN.fullmatch(text) for text in cells)
        self.plain = any(
            _PLAIN.fullmatch(text) and not _THOUSANDS.fullmatch(text) for text in cells
        )
        self.guess_german = self.german or (not self.plain and kind == "csv")
        self.dash_unknown = dash_unknown
        self.dashes = 0

    def __call__(self, text: str) -> tuple[float | None, str | None]:
        """Return the figure, None for unknown; and what was expected where it is none."""
        sign = text.casefold().strip("[]") if text.startswith("[") else text.casefold()
        if sign in UNKNOWN_SIGNS:
            return None, None
        if sign in ZERO_SIGNS:
            self.dashes += sign in "-–—"
            return (None if self.dash_unknown and sign in "-–—" else 0.0), None
        return self._number(_bare(text))

    def _number(self, text: str) -> tuple[float | None, str | None]:
        if re.fullmatch(r"[-−–] ?\d.*", text):
            return None, "a number of people from 0"
        if _WHOLE.fullmatch(text):
            number = text
        elif _GERMAN.fullmatch(text) and not self.plain:
            number = text.replace(".", "").replace(",", ".")
        elif _THOUSANDS.fullmatch(text) and self.guess_german and not self.plain:
            number = text.replace(".", "")
        elif _PLAIN.fullmatch(text) and self.plain and not self.german:
            number = text
        elif _GERMAN.fullmatch(text) or _PLAIN.fullmatch(text):
            return None, "a number in one form in the whole column, as 1.234,5 or as 1234.5"
        else:
            return None, "a number from 0, or a sign of the statistical offices"
        value = float(number)
        return (value, None) if value <= MAX_FIGURE else (None, f"at most {MAX_FIGURE:.0f}")


def _bare(text: str) -> str:
    """Take off brackets around a number and blanks between its thousands, never a footnote.

    >>> _bare("(1 234)"), _bare("5 000 1)")
    ('1234', '5 000 1)')
    """
    if inner := _BRACKETS.fullmatch(text):
        text = inner[1]
    return text.replace(" ", "") if _PARTED.fullmatch(text) else text


# ----------------------------------------------------------------------------- distribution


def distribute(
    demand: Demand, municipalities: Municipalities, base: Population, seats: Population
) -> Population:
    """Put each area's figure where its population lives, in proportion to it.

    Parameters
    ----------
    demand
        Figures per area of one level.
    municipalities
        The keys of every level; each area's demand is spread over its municipalities.
    base
        Where the population lives: the grid, or the seats.
    seats
        The seats, for municipalities in which `base` has nobody: no figure may get lost.

    Returns
    -------
    population
        The points of `base`, but those of `seats` in municipalities where `base` has nobody.
        `people` add up to each area's figure and are NaN throughout an area whose figure is
        unknown.

    Raises
    ------
    QueryError
        If the figures are of another territory.
    """
    area_of = pd.Series(
        municipalities[KEY_COLUMN[demand.level]].to_numpy(dtype=object),
        index=municipalities["ags"].to_numpy(dtype=object),
    )
    _check_keys(demand, set(area_of))
    covered = pd.unique(base.ags[base.people > 0])
    kept, bare = pd.Index(base.ags).isin(covered), ~pd.Index(seats.ags).isin(covered)
    ags, x_m, y_m, people = (
        np.concatenate([getattr(base, name)[kept], getattr(seats, name)[bare]])
        for name in ("ags", "x_m", "y_m", "people")
    )
    areas = area_of.reindex(ags).to_numpy(dtype=object)
    return Population(
        basis="figures",
        source_note=describe(demand, base),
        ags=ags,
        x_m=x_m,
        y_m=y_m,
        people=_share_out(areas, people, demand),
        name=demand.name,
    )


def _check_keys(demand: Demand, known: set[str]) -> None:
    strangers = sorted(set(demand.figures) ^ known)
    if strangers:
        raise QueryError(
            f"demand {demand.name!r}: expected figures for the {len(known)} areas at hand, got"
            f" {len(strangers)} other or missing keys ({', '.join(strangers[:5])}); load it again"
            " after a change of territory"
        )


def _share_out(
    areas: NDArray[np.object_], people: NDArray[np.float64], demand: Demand
) -> NDArray[np.float64]:
    """Return each point's part of its area's figure."""
    keys, at = np.unique(areas.astype(str), return_inverse=True)
    total = np.bincount(at, people, minlength=len(keys))
    points = np.bincount(at, minlength=len(keys))
    weight = np.where(total[at] > 0, people, 1.0)
    share = weight / np.where(total > 0, total, points)[at]
    figures = np.array([demand.figures[key] for key in keys.tolist()], dtype=np.float64)
    return np.asarray(figures[at] * share, dtype=np.float64)


def describe(demand: Demand, base: Population) -> str:
    """Say in German what the figures are, where they come from and how they were spread."""
    parts = [f"Bedarf „{demand.name}“"]
    if demand.as_of:
        parts.append(f"Stand {german_date(demand.as_of)}")
    if demand.source_note:
        parts.append(demand.source_note)
    spread = {
        "seat_points": "nach der Bevölkerung auf die Sitzpunkte der Gemeinden verteilt",
        "grid_1km": "nach der Bevölkerung auf Gitterzellen von 1 km verteilt, sonst am Sitzpunkt",
        "grid_100m": "nach der Bevölkerung auf Gitterzellen von 100 m verteilt, sonst am Sitzpunkt",
    }.get(base.basis, "nach der Bevölkerung verteilt")
    if demand.level == "gemeinde" and base.basis == "seat_points":
        spread = "alle Menschen einer Gemeinde am Sitzpunkt gezählt"
    parts.append(f"Angaben je {LEVEL_WORDS[demand.level]}, {spread}")
    if demand.unknown:
        parts.append(f"{german_number(demand.unknown)} Gebiete ohne Angabe")
    return "; ".join(parts)
