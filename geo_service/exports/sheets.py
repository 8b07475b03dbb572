"""Figures as tables: CSV for programs, with its description; XLSX for people."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

import openpyxl
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from geo_service.errors import SchemaError
from geo_service.exports.columns import TITLE, WORDS, method_lines, method_text, plain_rows
from geo_service.formats import neutralise_cell
from geo_service.schema import COVERAGE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from openpyxl.worksheet.worksheet import Worksheet

    from geo_service.exports.columns import Column, Notes

__all__ = ["csv_bytes", "csv_metadata", "xlsx_bytes"]

_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODIFIED: Final = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")


def csv_bytes(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV table; None stays empty, and text that a spreadsheet would run does not."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(heading)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return neutralise_cell(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def csv_metadata(file_name: str, notes: Notes, texts: Mapping[str, Column]) -> bytes:
    """Return the CSV on the Web description of a coverage table (W3C, 2015)."""
    types = {"str": "string", "int64": "integer", "float64": "number", "boolean": "boolean"}
    columns = [
        {
            "name": name,
            "titles": name,
            "dc:title": {"@value": texts[name].label, "@language": "de"},
            "dc:description": {"@value": texts[name].meaning, "@language": "de"},
            "datatype": types[dtype],
        }
        for name, dtype in COVERAGE_COLUMNS.items()
    ]
    described = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "de"}],
        "url": file_name,
        "dc:title": TITLE,
        "dc:date": notes.today.isoformat(),
        "dc:source": list(notes.sources),
        "dc:provenance": method_text(notes),
        "tableSchema": {"columns": columns, "primaryKey": "key"},
    }
    return json.dumps(described, ensure_ascii=False, indent=2).encode() + b"\n"


def xlsx_bytes(rounded: pd.DataFrame, notes: Notes, columns: Mapping[str, Column]) -> bytes:
    """Return a workbook: values, method and sources."""
    book = openpyxl.Workbook()
    values = book.active
    if values is None:
        raise SchemaError("XLSX: expected a first sheet in a new workbook")
    _fill_values(values, rounded, columns)
    _fill_lines(book.create_sheet("Methode"), method_lines(notes, columns))
    _fill_lines(book.create_sheet("Quellen"), [("Quelle", note) for note in notes.sources])
    midnight = dt.datetime.combine(notes.today, dt.time())
    book.properties.title = notes.title
    book.properties.creator = "geo-service"
    book.properties.created = midnight
    packed = io.BytesIO()
    book.save(packed)
    return _timeless(packed, midnight)


def _fill_values(sheet: Worksheet, rounded: pd.DataFrame, columns: Mapping[str, Column]) -> None:
    sheet.title = "Werte"
    sheet.append([column.label for column in columns.values()])
    for row in plain_rows(rounded, columns):
        sheet.append([_xlsx_cell(value) for value in row])
    for number, column in enumerate(columns.values(), start=1):
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = column.width
        for cell in sheet[letter][1:]:
            if isinstance(cell.value, int | float):
                cell.number_format = column.number_format
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "C2"
    sheet.auto_filter.ref = sheet.dimensions


def _fill_lines(sheet: Worksheet, lines: Iterable[tuple[str, str]]) -> None:
    for label, text in lines:
        sheet.append([_xlsx_cell(label), _xlsx_cell(text)])
    for cell in sheet["A"]:
        cell.font = Font(bold=True)
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    for cell in sheet["B"]:
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    sheet.column_dimensions["A"].width = 42
    sheet.column_dimensions["B"].width = 90


def _xlsx_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, str):
        clean = ILLEGAL_CHARACTERS_RE.sub("\ufffd", WORDS.get(value, value))
        return neutralise_cell(clean)[:32_767]
    return value


def _timeless(packed: io.BytesIO, modified: dt.datetime) -> bytes:
    """Pack a workbook again without the moment of writing."""
    stamp = rb"\g<1>" + f"{modified:%Y-%m-%dT%H:%M:%SZ}".encode() + rb"\g<2>"
    result = io.BytesIO()
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _MODIFIED.sub(stamp, content)
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            new.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return result.getvalue()
