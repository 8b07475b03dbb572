"""Rows of text cells become valid records, and every fault becomes an issue with its place.

The headings a file may have are listed for people in docs/records.md, for code in
`cells.FIELDS`. What is unknown stays missing; nothing is guessed.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from geo_service.errors import FileFormatError, QueryError
from geo_service.formats import neutralise_cell
from geo_service.names import fold
from geo_service.reading.geojson_file import GEOMETRY_HEADINGS
from geo_service.records.cells import (
    FIELDS,
    HEADING_FIELD,
    PERSONAL_HEADINGS,
    PLACE_FIELDS,
    Clean,
    Note,
    clean_cell,
    split_street,
    split_town,
)
from geo_service.records.identity import assign_ids
from geo_service.schema import (
    RECORD_COLUMNS,
    Issue,
    ValidationResult,
    as_columns,
    check_records,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from geo_service.reading import RawTable

__all__ = [
    "check_writable",
    "validate_records",
    "write_issues",
]

_HEADING_ROWS: Final = 10
"""Rows among which the headings are looked for."""

_BLANKS: Final = re.compile(r"\s+")

# ------------------------------------------------------------------------- the table


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the headings of a file stand: field -> column, and how the file writes it."""

    top: int
    columns: Mapping[str, int]
    headings: Sequence[str]
    issues: tuple[Issue, ...]

    def heading(self, field: str) -> str:
        """Return the field's heading as the file has it."""
        return self.headings[self.columns[field]] if field in self.columns else field


def _find_layout(raw: RawTable) -> _Layout:
    """Find the heading row among the first rows, and what its headings mean.

    Raises
    ------
    FileFormatError
        If headings are missing or doubled, or there is no row under them.
    """
    tops = range(min(_HEADING_ROWS, len(raw.rows)))
    known = [len({HEADING_FIELD.get(fold(cell)) for cell in raw.rows[top]} - {None})
             for top in tops]  # fmt: skip
    if not known:
        raise FileFormatError(f"{raw.file}: expected a row of headings, got only blank rows")
    top = known.index(max(known)) if max(known) >= 2 else 0
    headings = tuple(_BLANKS.sub(" ", cell).strip() for cell in raw.rows[top])
    columns, doubled = _map_headings(headings, raw)
    faults = [*doubled, *_missing_headings(columns)]
    where = raw.file if raw.kind == "geojson" else f"{raw.file}, line {raw.lines[top]}"
    if faults:
        raise FileFormatError(f"{where}: {'; '.join(faults)}{_came(headings, raw)}")
    if len(raw.rows) == top + 1:
        raise FileFormatError(f"{raw.file}: expected at least one row under the headings, got none")
    return _Layout(top, columns, headings, tuple(_heading_issues(raw, top, headings, columns)))


def _map_headings(headings: Sequence[str], raw: RawTable) -> tuple[dict[str, int], list[str]]:
    """Return field -> column, and a complaint for each field with two headings.

    A GeoJSON point counts more than properties that repeat it, unless no feature has one.
    """
    columns: dict[str, int] = {}
    doubled = []
    geojson = raw.kind == "geojson"
    unplaced = geojson and not any(any(row[:2]) for row in raw.rows[1:])
    for column, heading in enumerate(headings):
        field = HEADING_FIELD.get(fold(heading))
        if field is None or (unplaced and column < 2):
            continue
        if field not in columns:
            columns[field] = column
        elif not (geojson and columns[field] < 2):
            first = headings[columns[field]]
            doubled.append(f"expected one heading for {field}, got {first!r} and {heading!r}")
    return columns, doubled


def _missing_headings(columns: Mapping[str, int]) -> list[str]:
    missing = []
    if "name" not in columns:
        missing.append(f"expected a heading for the name ({', '.join(FIELDS['name'][:3])}), "
                       "got none")  # fmt: skip
    if not any(field in columns for field in PLACE_FIELDS):
        missing.append(
            "expected a heading for the place (Gemeinde, Ort, PLZ, or Längengrad and "
            "Breitengrad), got none"
        )
    if ("lon" in columns) != ("lat" in columns):
        missing.append("expected headings for both longitude and latitude, got one")
    return missing


def _came(headings: Sequence[str], raw: RawTable) -> str:
    """Say which headings there are, for a message that misses some."""
    named = [heading for heading in headings if heading]
    cut = " (cells are separated by semicolon, comma or tab)" if raw.kind == "csv" else ""
    shown = ", ".join(f"'{heading[:40]}'" for heading in named[:12]) or "none"
    return f"; the headings are: {shown}{cut if len(named) == 1 else ''}"


def _heading_issues(
    raw: RawTable, top: int, headings: Sequence[str], columns: Mapping[str, int]
) -> Iterator[Issue]:
    """Report what stands above the headings, and each heading that is not read."""
    line = raw.lines[top] or None
    if top:
        got = f"{top} rows above them, which are not read"
        yield Issue(raw.file, raw.lines[0], None, "headings on top", got, "warning")
    read = set(columns.values())
    for column, heading in enumerate(headings):
        if column in read or heading in GEOMETRY_HEADINGS:
            continue
        if not heading and not any(row[column:] for row in raw.rows[top + 1 :]):
            continue
        if fold(heading) in PERSONAL_HEADINGS:
            expected = "no data about persons; the column is not read"
        elif HEADING_FIELD.get(fold(heading)):
            expected = "coordinates in the geometry only; the property is not read"
        else:
            expected = "a heading of docs/records.md; the column is not read"
        yield Issue(raw.file, line, heading or f"column {column + 1}", expected,
                    _quoted(heading), "warning")  # fmt: skip
    if "category" not in columns:
        yield Issue(raw.file, line, None, "a heading for the category", "none", "warning")


class _Sheet:
    """The data rows of a file, column by column, and the issues found in them so far."""

    def __init__(self, raw: RawTable, layout: _Layout) -> None:
        self.file = raw.file
        self.layout = layout
        first = layout.top + 1
        self.lines = raw.lines[first:]
        self.length = len(self.lines)
        self.issues: list[tuple[int, int, Issue]] = []
        self.bad: set[int] = set()
        self.faulty: set[tuple[int, str | None]] = set()
        self.values: dict[str, list[str | None]] = {field: [None] * self.length for field in FIELDS}
        self._check_widths(raw.rows[first:])
        self._take_faults(raw)

    def report(self, row: int, field: str | None, note: Note, got: str) -> None:
        """Add an issue; an error makes the row a rejected one."""
        column = self.layout.heading(field) if field else None
        order = self.layout.columns.get(field, 999) if field else -1
        issue = Issue(self.file, self.lines[row], column, note.expected, got, note.severity)
        self.issues.append((self.lines[row], order, issue))
        if note.severity == "error":
            self.bad.add(row)
            self.faulty.add((row, field))

    def _check_widths(self, rows: Sequence[Sequence[str]]) -> None:
        width = len(self.layout.headings)
        for number, row in enumerate(rows):
            if len(row) > width:
                note = Note(f"{width} cells as in the heading row")
                self.report(number, None, note, f"{len(row)} cells")

    def _take_faults(self, raw: RawTable) -> None:
        row_of = {line: row for row, line in enumerate(self.lines)}
        for fault in raw.faults:
            headings = self.layout.headings
            inside = fault.column is not None and fault.column < len(headings)
            column = headings[fault.column] if inside and fault.column is not None else None
            row = row_of.get(fault.line)
            issue = Issue(raw.file, fault.line, column, fault.expected, fault.got, fault.severity)
            self.issues.append((fault.line, fault.column or -1, issue))
            if row is not None and fault.severity == "error":
                self.bad.add(row)
                self.faulty.add((row, HEADING_FIELD.get(fold(column)) if column else None))

    def clean(self, rows: Sequence[Sequence[str]], today: dt.date) -> None:
        """Check every cell of every known column; equal cells of a column are checked once."""
        for field, column in self.layout.columns.items():
            seen: dict[str, Clean] = {}
            values = self.values[field]
            for number, row in enumerate(rows):
                text = row[column] if column < len(row) else ""
                if not text:
                    continue
                result = seen.get(text)
                if result is None:
                    result = seen[text] = clean_cell(text, field, today)
                values[number] = result.text
                for note in result.notes:
                    self.report(number, field, note, note.got or _quoted(text))


def _split_addresses(sheet: _Sheet) -> None:
    """Take apart "Hauptstr. 5, 55116 Mainz" and "55116 Mainz" where the parts are missing."""
    street, number, postcode, city = (
        sheet.values[field] for field in ("street", "house_number", "postcode", "city")
    )
    for row, (road, town) in enumerate(zip(tuple(street), tuple(city), strict=True)):
        if road:
            parts = split_street(road, number[row], postcode[row], town)
            street[row], number[row], postcode[row], city[row] = parts
        if town:
            postcode[row], city[row] = split_town(town, postcode[row])


_LON_RANGE: Final = (5.8, 15.1)
_LAT_RANGE: Final = (47.2, 55.1)
"""Germany's extent in degrees, rounded outwards."""


def _check_points(sheet: _Sheet) -> tuple[list[float], list[float]]:
    """Return the stated coordinates in degrees, NaN where there are none or they are wrong."""
    lon, lat = [np.nan] * sheet.length, [np.nan] * sheet.length
    stated = zip(sheet.values["lon"], sheet.values["lat"], strict=True)
    for row, (x_text, y_text) in enumerate(stated):
        if x_text is None and y_text is None:
            continue
        if x_text is None or y_text is None:
            if row not in sheet.bad:
                field = "lon" if x_text is None else "lat"
                sheet.report(row, field, Note("both longitude and latitude, or none"), "''")
            continue
        x, y = float(x_text), float(y_text)
        note = _point_note(x, y)
        if note is None and max(_decimals(x_text), _decimals(y_text)) < 3:
            expected = "at least 3 decimals (100 m)"
            sheet.report(row, "lon", Note(expected, None, "warning"), f"{x_text}, {y_text}")
        if note is None:
            lon[row], lat[row] = x, y
        else:
            sheet.report(row, "lon", note, f"longitude {x_text}, latitude {y_text}")
    return lon, lat


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _point_note(lon: float, lat: float) -> Note | None:
    """Return what is wrong with a point, and what probably happened to it."""
    if _inside(lon, lat):
        return None
    hint = "is the place in Germany?"
    if _inside(lat, lon):
        hint = "are the two swapped?"
    elif max(lon, lat) >= 5_000_000 and min(lon, lat) >= 100_000:
        hint = "are these UTM or Gauß-Krüger metres instead of degrees?"
    elif max(abs(lon), abs(lat)) > 180:
        hint = "is a decimal point missing?"
    return Note(f"degrees in Germany (longitude 5.8 to 15.1, latitude 47.2 to 55.1); {hint}")


def _inside(lon: float, lat: float) -> bool:
    return _LON_RANGE[0] <= lon <= _LON_RANGE[1] and _LAT_RANGE[0] <= lat <= _LAT_RANGE[1]


def _check_required(sheet: _Sheet) -> None:
    """Report rows without name or place, unless a fault in that cell is reported already."""
    places = [sheet.values[field] for field in PLACE_FIELDS]
    faulty = sheet.faulty.copy()
    for row, name in enumerate(sheet.values["name"]):
        if (row, None) in faulty:
            continue
        if (row, "name") not in faulty and not any(map(str.isalnum, name or "")):
            sheet.report(row, "name", Note("a name"), _quoted(name or ""))
        if all(values[row] is None for values in places) and not any(
            (row, field) in faulty for field in (*PLACE_FIELDS, "lat")
        ):
            expected = "a municipality, city, postal code or coordinates"
            sheet.report(row, None, Note(expected), "none of them")


def _check_identity(
    sheet: _Sheet, lon: list[float], lat: list[float]
) -> tuple[list[int], list[str]]:
    """Return the rows that hold and their ids; a row that repeats an earlier one does not."""
    rows = [row for row in range(sheet.length) if row not in sheet.bad]
    fields = ("name", "municipality", "city", "postcode", "kreis", "street", "house_number")
    columns: dict[str, Sequence[object]] = {
        field: [sheet.values[field][row] for row in rows] for field in fields
    }
    columns |= {"lon": [lon[row] for row in rows], "lat": [lat[row] for row in rows]}
    ids, clashes = assign_ids(columns, [sheet.values["id"][row] for row in rows])
    clashing = {clash.row for clash in clashes}
    for clash in clashes:
        row, line = rows[clash.row], sheet.lines[rows[clash.first]]
        if clash.explicit:
            note = Note(f"an id of its own, line {line} has it too")
            sheet.report(row, "id", note, _quoted(ids[clash.row]))
        else:
            note = Note(f"a place of its own, line {line} is the same place by name and "
                         "address (give an address or an id that differs)")  # fmt: skip
            sheet.report(row, "name", note, _quoted(sheet.values["name"][row] or ""))
    kept = [number for number in range(len(rows)) if number not in clashing]
    return [rows[number] for number in kept], [ids[number] for number in kept]


def validate_records(raw: RawTable, *, today: dt.date) -> ValidationResult:
    """Check every cell of a table and keep the rows that hold, with all faults at once.

    Parameters
    ----------
    raw
        What `read_records` read.
    today
        No date in the table may lie after it.

    Returns
    -------
    result
        Its records stand in the order of the file, each with the line it came from
        (`source_line`) and an id (see `identity.assign_ids`). Every data row is either a
        record or rejected by at least one error. Issues stand in the order of lines, then
        columns.

    Raises
    ------
    FileFormatError
        If headings are missing or doubled, or there is no data row.
    """
    layout = _find_layout(raw)
    sheet = _Sheet(raw, layout)
    sheet.clean(raw.rows[layout.top + 1 :], today)
    _split_addresses(sheet)
    lon, lat = _check_points(sheet)
    _check_required(sheet)
    rows, ids = _check_identity(sheet, lon, lat)
    columns: dict[str, Sequence[object]] = {
        field: [sheet.values[field][row] for row in rows] for field in FIELDS
    }
    columns |= {
        "id": ids,
        "lon": [lon[row] for row in rows],
        "lat": [lat[row] for row in rows],
        "source_line": [sheet.lines[row] for row in rows],
    }
    sheet.issues.sort(key=lambda item: item[:2])
    return ValidationResult(
        records=check_records(as_columns(columns, RECORD_COLUMNS)),
        issues=(*layout.issues, *(issue for _, _, issue in sheet.issues)),
        rejected=sheet.length - len(rows),
    )


def _quoted(text: str) -> str:
    """Return `text` as a message shows it: quoted, one line, at most 80 characters."""
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


# ---------------------------------------------------------------------------- issues

ISSUE_COLUMNS: Final = ("file", "line", "column", "expected", "got", "severity")


def write_issues(path: Path, issues: Iterable[Issue]) -> None:
    """Write issues as a CSV file that a German Excel opens with a double click.

    UTF-8 with byte order mark, semicolons, one issue a line; a cell that a spreadsheet
    would take for a formula gets an apostrophe in front.

    Raises
    ------
    QueryError
        If nothing can be written there.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(ISSUE_COLUMNS)
    for issue in issues:
        cells = (getattr(issue, column) for column in ISSUE_COLUMNS)
        writer.writerow(neutralise_cell(cell) if isinstance(cell, str) else cell for cell in cells)
    with _told(path):
        path.write_bytes(out.getvalue().encode("utf-8-sig"))


def check_writable(path: Path) -> None:
    """Raise QueryError unless a file can be written at `path`; what stands there is kept."""
    is_new = not path.exists()
    with _told(path):
        path.open("ab").close()
        if is_new:
            path.unlink()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise QueryError(f"{path}: expected a place to write to, got: {error.strerror}") from error
