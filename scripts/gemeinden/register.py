"""Read the Gemeindeverzeichnis and the list of territorial changes."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gemeinden.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REGISTER_COLUMNS: Final = (
    "ars",
    "ags",
    "name",
    "bezeichnung",
    "verbandsgemeinde",
    "kreis",
    "plz",
    "flaeche_km2",
    "einwohner",
    "lon",
    "lat",
    "stand",
    "gebietsstand",
    "stand_flaeche",
)
CHANGE_COLUMNS: Final = (
    "datum",
    "ebene",
    "art",
    "alter_schluessel",
    "alter_name",
    "neuer_schluessel",
    "neuer_name",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One municipality of the register; `centre` is its official centre point (lon, lat)."""

    ars: str
    ags: str
    name: str
    designation: str
    verbandsgemeinde: str
    kreis: str
    postcode: str
    area_km2: float
    population: int
    centre: tuple[float, float] | None
    territorial_date: str
    population_date: str
    area_date: str


@dataclass(frozen=True, slots=True)
class Change:
    """One old unit and what it became; `level` is Gemeinde or Verbandsgemeinde."""

    date: str
    level: str
    kind: str
    old_key: str
    old_name: str
    new_key: str
    new_name: str


def read_register(path: Path, land: str) -> tuple[Entry, ...]:
    """Read one Land of the register, sorted by AGS; all faults are reported at once."""
    entries: list[Entry] = []
    faults: list[str] = []
    for line, row in enumerate(_rows(path, REGISTER_COLUMNS), start=2):
        if not row["ags"].startswith(land):
            continue
        try:
            entries.append(_entry(row))
        except ValueError as error:
            faults.append(f"{path.name}, line {line}: {error}")
    keys = [entry.ags for entry in entries]
    faults += [f"{path.name}: expected one row for {key}" for key in _repeated(keys)]
    if not entries and not faults:
        faults.append(f"{path.name}: expected municipalities of Land {land}, got none")
    if faults:
        raise BuildError("\n".join(faults))
    return tuple(sorted(entries, key=lambda entry: entry.ags))


def read_changes(path: Path) -> tuple[Change, ...]:
    """Read the changes, oldest first."""
    changes = (
        Change(
            row["datum"],
            row["ebene"],
            row["art"],
            row["alter_schluessel"],
            row["alter_name"],
            row["neuer_schluessel"],
            row["neuer_name"],
        )
        for row in _rows(path, CHANGE_COLUMNS)
    )
    return tuple(sorted(changes, key=lambda change: change.date))


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in columns if name not in (reader.fieldnames or ())]
            if lacking:
                raise BuildError(f"{path.name}: expected the columns {lacking}, got none")
            return list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"{path}: expected a CSV file in UTF-8, got {error}") from error


def _entry(row: dict[str, str]) -> Entry:
    """Make an entry of a row; ValueError says what is wrong with it."""
    ars, ags = row["ars"], row["ags"]
    if len(ars) != 12 or not ars.isdigit():
        raise ValueError(f"ars: expected 12 digits, got {ars!r}")
    if ags != ars[:5] + ars[9:]:
        raise ValueError(f"ags: expected {ars[:5] + ars[9:]} (from the ars), got {ags!r}")
    if not row["name"] or not row["kreis"]:
        raise ValueError("name, kreis: expected text, got an empty cell")
    return Entry(
        ars=ars,
        ags=ags,
        name=row["name"],
        designation=row["bezeichnung"],
        verbandsgemeinde=row["verbandsgemeinde"],
        kreis=row["kreis"],
        postcode=row["plz"],
        area_km2=float(row["flaeche_km2"]),
        population=int(row["einwohner"]),
        centre=(float(row["lon"]), float(row["lat"])) if row["lon"] else None,
        territorial_date=row["gebietsstand"],
        population_date=row["stand"],
        area_date=row["stand_flaeche"],
    )


def _repeated(keys: Sequence[str]) -> list[str]:
    return sorted({key for key in keys if keys.count(key) > 1})
