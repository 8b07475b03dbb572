"""Whatever a file holds: rows of text cells, or one clear reason why not."""

from __future__ import annotations

import codecs
import dataclasses
import datetime as dt
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geo_service.errors import FileFormatError
from geo_service.reading.child import cells_of
from geo_service.reading.common import Refused
from geo_service.reading.reader import Fault, Limits, RawTable, read_records

FIXTURES = Path(__file__).parent / "fixtures" / "records"
ROWS = (
    ("Name", "Ort", "Öffnungszeiten"),
    ("Café Größe", "Mainz", "Mo, Di"),
    ("Łódź-Treff", "Ürzig"),
)
GERMAN = (ROWS[0], ROWS[1], ("Straßen-Treff", "Ürzig"))


def read(tmp_path: Path, name: str, data: bytes | str, **limits: int) -> RawTable:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_records(path, limits=Limits(**limits))


def refusal(tmp_path: Path, name: str, data: bytes | str, **limits: int) -> str:
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, name, data, **limits)
    assert str(caught.value).startswith(f"{name}: ")
    return str(caught.value)


def separated(rows: tuple[tuple[str, ...], ...], delimiter: str) -> str:
    width = len(rows[0])
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in padded]
    return "".join(delimiter.join(row) + "\r\n" for row in quoted)


# ------------------------------------------------------------------------------ CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_and_separator_gives_the_same_rows(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    table = read(tmp_path, "a.csv", separated(ROWS, delimiter).encode(encoding))
    assert table.rows == ROWS
    assert table.lines == (1, 2, 3)
    assert table.faults == ()


def test_windows_1252_is_read_with_its_umlauts_and_signs(tmp_path: Path) -> None:
    rows = (*GERMAN, ("5 €-Café", "Köln", "„Mo–Fr“"))
    assert read(tmp_path, "a.csv", separated(rows, ";").encode("cp1252")).rows == rows


def test_damaged_utf8_is_refused_with_its_line_not_read_as_windows_1252(tmp_path: Path) -> None:
    data = separated(ROWS, ";").encode() + b"B\xfc;x;y\r\n" + "Müller;Köln;Öl\r\n".encode()
    assert "line 4: expected UTF-8 text" in refusal(tmp_path, "a.csv", data)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16-le"])
def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path, encoding: str) -> None:
    rows = "".join(f"Café {n};Köln\r\n" for n in range(3_000)).encode(encoding)
    broken = {"cp1252": b"\x81", "utf-8-sig": b"\xff", "utf-16-le": b"\x00\xdc"}[encoding]
    said = refusal(tmp_path, "a.csv", rows + broken + rows.removeprefix(codecs.BOM_UTF8))
    assert re.search(r"line 3001: expected (Windows-1252|UTF-8|UTF-16-LE) text, got the byte", said)


def test_lines_are_those_an_editor_shows_also_after_line_breaks_in_cells(tmp_path: Path) -> None:
    text = '\nName;Ort\n"a\nb";Mainz\n\n;\n"c\r\nd\ne";Trier\nf;Worms'
    table = read(tmp_path, "a.csv", text)
    assert table.lines == (2, 3, 7, 10)
    assert [row[0] for row in table.rows] == ["Name", "a\nb", "c\r\nd\ne", "f"]


def test_the_separator_line_of_excel_is_obeyed(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "sep=,\r\nName,Ort;Teil\r\na,b\r\n")
    assert table.rows[0] == ("Name", "Ort;Teil")
    assert table.lines == (2, 3)


def test_separators_inside_quoted_headings_do_not_count(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", '"Name, kurz, lang",Ort;x\na,b\n').rows[1] == ("a", "b")


def test_a_row_with_fewer_cells_is_kept_with_a_warning(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "Name;Ort;Kreis\na;b\n")
    assert table.rows[1] == ("a", "b")
    assert table.faults == (
        Fault(
            2, None, "3 cells as in the first row", "2; the others are taken for empty", "warning"
        ),
    )


def test_a_cell_over_the_limit_is_a_fault_of_its_row_only(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", f"Name;Ort\na;{'x' * 40_000}\nb;Mainz\n")
    assert table.rows == (("Name", "Ort"), ("a", ""), ("b", "Mainz"))
    assert table.faults == (Fault(2, 1, "at most 32,767 characters", "40,000 characters"),)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Name;Ort\na\0b;c\n", "line 2: expected text, got a NUL byte"),
        ("Name;Ort\na;b\n".encode("utf-32"), "got UTF-32"),
        (b'Name;Ort\na;b\n"c;d\ne;f\n', "line 3: expected a closing quotation mark"),
        (b'Name;Ort\n"a" b;c\n', "line 2: expected ';' or a line end after a closing"),
        (b"Name;Ort\na;" + b"x" * 1_000_000 + b"\n", "line 2: expected at most 1,000,000 char"),
        (b"Name;Ort\na;" + b"x" * 200_000 + b"\n", "line 2: expected a cell of at most 131,072"),
        (b'Name;Ort\na;"' + b"x\n" * 200_000, "line 2: expected a cell of at most 131,072"),
        (b"Name\x81;Ort\n", "expected"),
        (b"\xff\xfeN\x00\x00\xd8", "expected UTF-16"),
        (b";".join([b"x"] * 300), "line 1: expected at most 200 columns, got 300"),
    ],
)
def test_text_that_cannot_be_split_is_refused_with_line_and_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    assert reason in refusal(tmp_path, "a.csv", data)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"rows": 3}, "at most 3 rows"),
        ({"cells": 5}, "at most 5 cells"),
        ({"text_chars": 9}, "at most 9 characters"),
        ({"file_bytes": 10}, "expected at most 0 MB, got 0.0 MB"),
    ],
)
def test_amounts_over_the_limits_are_refused(
    tmp_path: Path, limits: dict[str, int], reason: str
) -> None:
    assert reason in refusal(tmp_path, "a.csv", "Name;Ort\n" + "a;b\n" * 4, **limits)


# ---------------------------------------------------------------------------- files


def test_a_file_of_another_kind_than_its_ending_says_is_refused(tmp_path: Path) -> None:
    assert "another kind of file" in refusal(tmp_path, "a.xlsx", b"Name;Ort\n")
    assert "a zip file or Excel workbook" in refusal(tmp_path, "a.csv", b"PK\x03\x04....")
    assert "save it as .xlsx" in refusal(tmp_path, "a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    assert "ending in .csv, .xlsx or .geojson, got '.ods'" in refusal(tmp_path, "a.ods", b"PK")
    assert "got 'no ending'" in refusal(tmp_path, "a", b"x")
    assert "got an empty file" in refusal(tmp_path, "a.csv", b"")


def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("folder.csv", "pipe.csv", "zero.csv", "missing.csv", "n\0ul.csv"):
        with pytest.raises(FileFormatError):
            read_records(tmp_path / name)


def test_a_reader_that_needs_too_much_memory_or_time_is_ended(tmp_path: Path) -> None:
    text = json.dumps({"type": "FeatureCollection", "features": [[]] * 300_000})
    assert "MB" in refusal(tmp_path, "a.geojson", text, memory_bytes=40_000_000)
    rows = "Name;Ort\n" + "a;b\n" * 2_000_000
    assert "processor time" in refusal(tmp_path, "a.csv", rows, seconds=1, rows=10**9, cells=10**9)


def test_the_reading_process_sees_the_standard_library_only() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import geo_service.reading.child;"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-I", "-S", "-c", code, root]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"geo_service", "__main__"} <= sys.stdlib_module_names


# -------------------------------------------------------------------------- GeoJSON


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: Any, **members: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features, **members})


def point(*place: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": place}


def test_features_become_rows_with_their_numbers_as_lines(tmp_path: Path) -> None:
    text = collection(
        feature(point(8.25, 50.0), name="Café", tags=["de", "ar", None]),
        feature(None, name="Haus", open=True, rooms=3),
    )
    table = read(tmp_path, "a.geojson", text)
    assert table.rows == (
        ("geometry lon", "geometry lat", "name", "tags", "open", "rooms"),
        ("8.25", "50.0", "Café", "de; ar; "),
        ("", "", "Haus", "", "true", "3"),
    )
    assert table.lines == (0, 1, 2)


def test_numbers_of_json_keep_the_form_they_are_written_in(tmp_path: Path) -> None:
    text = '{"type":"Feature","geometry":null,"properties":{"plz":055}}'
    assert "expected JSON" in refusal(tmp_path, "a.json", text)
    table = read(tmp_path, "a.json", text.replace("055", '1.500e3, "key": 9007199254740993'))
    assert table.rows[1] == ("", "", "1.500e3", "9007199254740993")


def test_faults_of_features_stay_with_their_feature(tmp_path: Path) -> None:
    text = collection(
        feature({"type": "Polygon", "coordinates": []}, name="a"),
        feature({"type": "Point", "coordinates": ["8", "50"]}, name="b"),
        {"type": "Point"},
        feature(point(8, 50), name={"de": "c"}),
        {"type": "Feature", "geometry": None, "properties": "x"},
    )
    faults = read(tmp_path, "a.geojson", text).faults
    assert [(fault.line, fault.column, fault.expected) for fault in faults] == [
        (1, 0, "a Point or null"),
        (2, 0, "coordinates [lon, lat]"),
        (3, None, "a Feature"),
        (4, 2, "text, a number or a list of texts"),
        (5, None, "properties as an object"),
    ]


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}},
        {"type": "link", "properties": {"href": "http://127.0.0.1/crs"}},
        {"type": "name"},
        "EPSG:4326",
    ],
)
def test_another_reference_system_is_refused_and_no_link_followed(
    tmp_path: Path, crs: object
) -> None:
    assert "crs: expected degrees" in refusal(tmp_path, "a.geojson", collection(crs=crs))


def test_the_names_of_wgs84_are_accepted(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    assert len(read(tmp_path, "a.geojson", collection(feature(name="a"), crs=crs)).rows) == 2


def test_json_that_names_a_member_twice_is_refused(tmp_path: Path) -> None:
    feature = '{"type":"Feature","geometry":null,"properties":{"name":"A","ort":"B","name":"C"}}'
    text = f'{{"type":"FeatureCollection","features":[{feature}]}}'
    assert "got name twice" in refusal(tmp_path, "a.geojson", text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"type":"FeatureCollection","features":[', "line 1, character"),
        ('{"type":"Topology"}', 'got type "Topology"'),
        ("[1]", "got a list"),
        ("NaN", "got NaN"),
        ('{"type":"FeatureCollection","features":{}}', "features: expected a list"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        (" \n", "got an empty file"),
        (b'{"type":"\xff"}', "expected UTF-8 text"),
        ("<OGRVRTDataSource/>", "expected JSON"),
    ],
)
def test_json_that_is_no_collection_is_refused_with_the_reason(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    assert reason in refusal(tmp_path, "a.geojson", text)


def test_half_characters_are_replaced(tmp_path: Path) -> None:
    text = '{"type":"Feature","geometry":null,"properties":{"name":"a\\ud800b"}}'
    assert read(tmp_path, "a.geojson", text).rows[1][2] == "a\ufffdb"


# ----------------------------------------------------------------------------- XLSX

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="dd.mm.yyyy"/>'
    '<numFmt numFmtId="165" formatCode="#,##0.00\\ &quot;days&quot;[Red]"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/>'
    '<xf numFmtId="20"/></cellXfs></styleSheet>'
)


def workbook(
    sheet: str,
    *,
    strings: str = "",
    book: str = "",
    sheets: str = '<sheet name="Liste" sheetId="1" r:id="rId1"/>',
    **parts: str,
) -> bytes:
    """Return an XLSX file around the XML of one sheet's rows."""
    types = f"{REL}"
    rels = "".join(
        f'<Relationship Id="{key}" Type="{types}/{kind}" Target="{target}"/>'
        for key, kind, target in (
            ("rId1", "worksheet", "worksheets/sheet1.xml"),
            ("rId2", "worksheet", "/xl/worksheets/sheet2.xml"),
            ("rId3", "sharedStrings", "sharedStrings.xml"),
            ("rId4", "styles", "styles.xml"),
        )
    )
    files = {
        "_rels/.rels": f'<Relationships><Relationship Id="a" Type="{types}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}">{book}'
        f"<sheets>{sheets}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships>{rels}</Relationships>",
        "xl/styles.xml": STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}">{sheet}</worksheet>',
        "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{MAIN}"><sheetData><row><c><v>2</v></c>'
        "</row></sheetData></worksheet>",
    } | {name.replace("__", "/"): text for name, text in parts.items()}
    return zipped({name: text.encode() for name, text in files.items()})


@pytest.mark.parametrize("rows", [[], [[" "], [None, "\t"]]], ids=["no row", "blank rows"])
def test_empty_first_sheet_names_the_sheets_that_are_not_read(
    tmp_path: Path, rows: list[list[str | None]]
) -> None:
    book = openpyxl.Workbook()
    first = book.worksheets[0]
    first.title = "Deckblatt"
    for row in rows:
        first.append(row)
    book.save(tmp_path / "alone.xlsx")
    book.create_sheet("Orte").append(["name", "ort"])
    book.save(tmp_path / "list.xlsx")
    with pytest.raises(FileFormatError) as alone:
        read_records(tmp_path / "alone.xlsx")
    with pytest.raises(FileFormatError) as told:
        read_records(tmp_path / "list.xlsx")
    empty = "sheet 'Deckblatt': expected a row of headings, got an empty sheet"
    assert str(alone.value) == f"alone.xlsx: {empty}"
    assert str(told.value) == (
        f"list.xlsx: {empty}; only the first visible one is read, not 'Orte': move the list there"
    )


def zipped(files: dict[str, bytes], level: int = 6) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def sheet_rows(*rows: str) -> str:
    return "<sheetData>" + "".join(f"<row>{row}</row>" for row in rows) + "</sheetData>"


def test_cells_of_every_type_become_text(tmp_path: Path) -> None:
    strings = (
        "<si><t>Café</t></si><si><r><t>fett</t></r><r><t> dünn</t></r><rPh><t>x</t></rPh></si>"
    )
    sheet = sheet_rows(
        '<c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="inlineStr"><is><t>in</t></is></c>'
        '<c t="str"><v>a_x000D_b</v></c><c t="b"><v>1</v></c>'
        '<c t="d"><v>2024-05-06T00:00:00</v></c>',
        "<c><v>55116</v></c><c><v>55116.0</v></c><c><v>7.598</v></c><c><v>1E-3</v></c>"
        '<c><v>1234567890123456789</v></c><c s="3"><v>12</v></c>',
        '<c s="1"><v>45418</v></c><c s="2"><v>45418.75</v></c><c s="4"><v>0.5</v></c>'
        '<c s="1"><v>59</v></c><c s="1"><v>-1</v></c><c s="1"><v>61</v></c>',
    )
    rows = read(tmp_path, "a.xlsx", workbook(sheet, strings=strings)).rows
    assert rows[0] == ("Café", "fett dünn", "in", "a\rb", "true", "2024-05-06")
    assert rows[1] == ("55116", "55116", "7.598", "0.001", "1234567890123456789", "12")
    assert rows[2] == ("2024-05-06", "2024-05-06 18:00", "12:00", "1900-02-28", "-1", "1900-03-01")


def test_a_prefix_for_the_namespace_changes_nothing(tmp_path: Path) -> None:
    sheet = sheet_rows('<c t="inlineStr"><is><t>a</t></is></c><c s="1"><v>45418</v></c>')
    prefixed = re.sub(r"<(/?)(\w)", r"<\1x:\2", f"<worksheet>{sheet}</worksheet>")
    prefixed = prefixed.replace("<x:worksheet>", f'<x:worksheet xmlns:x="{MAIN}">')
    data = workbook("", **{"xl__worksheets__sheet1.xml": prefixed})
    assert read(tmp_path, "a.xlsx", data).rows == (("a", "2024-05-06"),)


def test_the_macintosh_calendar_begins_four_years_later(tmp_path: Path) -> None:
    sheet = sheet_rows('<c s="1"><v>43956</v></c>')
    data = workbook(sheet, book='<workbookPr date1904="1"/>')
    assert read(tmp_path, "a.xlsx", data).rows == (("2024-05-06",),)


def test_cells_stand_where_their_position_says(tmp_path: Path) -> None:
    sheet = (
        '<sheetData><row r="3"><c r="B3"><v>1</v></c><c r="D3"><v>2</v></c></row>'
        '<row r="5"/><row r="9"><c r="A9" s="1"/><c r="C9"><v>3</v></c></row></sheetData>'
    )
    table = read(tmp_path, "a.xlsx", workbook(sheet))
    assert table.rows == (("", "1", "", "2"), ("", "", "3"))
    assert table.lines == (3, 9)


def test_formulas_give_their_last_value_and_a_warning_a_column(tmp_path: Path) -> None:
    sheet = sheet_rows(
        '<c t="str"><f>A2</f><v>Name</v></c><c><v>1</v></c>',
        '<c t="str"><f>UPPER("a")</f><v>A</v></c><c><f>1+1</f></c>',
        '<c t="e"><f>1/0</f><v>#DIV/0!</v></c><c><v>2</v></c>',
    )
    table = read(tmp_path, "a.xlsx", workbook(sheet))
    assert table.rows == (("Name", "1"), ("A",), ("", "2"))
    assert table.faults == (
        Fault(2, 1, "a value", "a formula that was never computed"),
        Fault(3, 0, "a value", "#DIV/0!"),
        Fault(1, 0, "typed values", "a formula, and 2 more in this column; its last value is used",
              "warning"),
    )  # fmt: skip


def test_the_first_visible_sheet_is_read_and_others_are_reported(tmp_path: Path) -> None:
    sheets = (
        '<sheet name="alt" state="hidden" r:id="rId1"/><sheet name="neu" r:id="rId2"/>'
        '<sheet name="noch" r:id="rId1"/>'
    )
    table = read(tmp_path, "a.xlsx", workbook(sheet_rows(), sheets=sheets))
    assert table.rows == (("2",),)
    assert table.faults == (Fault(1, None, "one sheet", "1 more; only 'neu' is read", "warning"),)


def test_merged_cells_are_reported(tmp_path: Path) -> None:
    sheet = sheet_rows("<c><v>1</v></c>") + '<mergeCells><mergeCell ref="A1:A3"/></mergeCells>'
    assert "1 merged ranges" in read(tmp_path, "a.xlsx", workbook(sheet)).faults[0].got


def test_a_cell_far_out_is_refused_with_its_place(tmp_path: Path) -> None:
    far = '<sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    reason = refusal(tmp_path, "a.xlsx", workbook(far))
    assert "row 1048576: expected at most 200 columns, got a value in column 16,384" in reason
    empty = '<sheetData><row r="1"><c r="A1"><v>1</v></c><c r="XFD1" s="1"/></row></sheetData>'
    assert read(tmp_path, "a.xlsx", workbook(empty)).rows == (("1",),)
    below = '<sheetData><row r="1048576"><c r="A1048576"><v>1</v></c></row></sheetData>'
    assert read(tmp_path, "a.xlsx", workbook(below)).lines == (1_048_576,)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04" + b"\0" * 40, "got a damaged file"),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}), "another kind"),
        (workbook("<sheetData><row><c></row>"), "expected XML"),
        (workbook(sheet_rows('<c t="s"><v>7</v></c>')), "row 1: expected a known text number"),
        (workbook("", sheets=""), "expected a workbook with a sheet"),
        (zipped({f"f{i}": b"" for i in range(10_001)}), "an archive of 10,001 files"),
        (
            workbook("", **{"xl__workbook.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}),
            "got a document type declaration",
        ),
    ],
)
def test_workbooks_that_are_none_are_refused_with_the_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    assert reason in refusal(tmp_path, "a.xlsx", data)


CELLS = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=20),
    st.integers(-(10**12), 10**12),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 6)),
    st.booleans(),
    st.dates(dt.date(1900, 3, 1), dt.date(2199, 12, 31)),
)


def as_text(value: object) -> str:
    """What a cell that openpyxl gives back is as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, float):
        return repr(int(value)) if value == int(value) else repr(value)
    return str(value)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=6), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_workbooks_say_the_same_as_openpyxl_reads(rows: list[list[Any]]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([f" {c}" if str(c)[:1] in "=#" else c for c in row])  # no formulas
    out = io.BytesIO()
    book.save(out)
    theirs = openpyxl.load_workbook(out).active
    expected = {
        cell.coordinate: as_text(cell.value)
        for row in theirs.iter_rows()
        for cell in row
        if as_text(cell.value).strip()
    }
    assume(expected)  # an empty sheet is refused
    out.seek(0)
    ours = {
        f"{chr(65 + column)}{line}": cell
        for line, cells in (item for item in cells_of("xlsx", out, Limits()) if type(item) is tuple)
        for column, cell in enumerate(cells)
        if cell.strip()
    }
    assert ours == expected


# ------------------------------------------------------------------- whatever comes


def outcome(kind: str, data: bytes) -> list[Any] | None:
    """Read `data` in this process; None where it is refused."""
    try:
        return list(cells_of(kind, io.BytesIO(data), Limits()))
    except Refused:
        return None


@pytest.mark.parametrize("kind", ["csv", "geojson", "xlsx"])
@given(data=st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_rows_or_a_refusal(kind: str, data: bytes) -> None:
    items = outcome(kind, data)
    for item in items or ():
        assert isinstance(item, Fault) or all(isinstance(cell, str) for cell in item[1])


SEEDS = {
    "csv": separated(ROWS, ";").encode(),
    "geojson": collection(feature(point(8, 50), name="a", b=["c"])).encode(),
    "xlsx": workbook(
        sheet_rows('<c t="s"><v>0</v></c><c s="1"><f>1</f><v>4</v></c>'),
        strings="<si><t>a</t></si>",
    ),
}


@pytest.mark.parametrize("kind", sorted(SEEDS))
@given(changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_gives_rows_or_a_refusal(kind: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SEEDS[kind])
    for place, value in changes:
        data[place % len(data)] = value
    outcome(kind, bytes(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "features", "geometry", "properties", "crs", "coordinates"]),
            inner | st.sampled_from(["FeatureCollection", "Feature", "Point"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(features=st.lists(JSON, max_size=4), crs=st.none() | JSON)
@settings(max_examples=150, deadline=None)
def test_every_feature_is_a_row_whatever_it_holds(features: list[Any], crs: Any) -> None:
    text = json.dumps({"type": "FeatureCollection", "features": features, "crs": crs})
    items = outcome("geojson", text.encode("utf-8", "surrogatepass"))
    if items is not None:
        rows = [item for item in items if not isinstance(item, Fault)]
        assert [line for line, _ in rows] == list(range(len(features) + 1))


@given(data=st.binary(max_size=300), ending=st.sampled_from([".csv", ".xlsx", ".geojson"]))
@settings(max_examples=15, deadline=None)
def test_any_file_is_a_table_or_a_format_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"a{ending}"
    path.write_bytes(data)
    message = ""
    try:
        table = read_records(path)
    except FileFormatError as error:
        message = str(error)
    assert re.match(rf"a{ending}: \S", message) or len(table.lines) == len(table.rows)


# ---------------------------------------------------------------------------- bombs


def bomb_files(folder: Path) -> None:
    """Write small files that ask for much."""
    zeros = b"<sheetData>" + b" " * 50_000_000 + b"</sheetData>"
    rows = b"<sheetData>" + b"<row><c><v>1</v></c></row>" * 1_500_000 + b"</sheetData>"
    cells = b"<sheetData><row>" + b"<c/>" * 2_000_000 + b"</row></sheetData>"
    text = b"<sheetData><row><c t='str'><v>" + b"x" * 100_000_000 + b"</v></c></row></sheetData>"
    head = f'<worksheet xmlns="{MAIN}">'.encode()
    for name, sheet in {"zeros": zeros, "rows": rows, "cells": cells, "text": text}.items():
        data = workbook("", **{"xl__worksheets__sheet1.xml": ""})
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            parts = {part: source.read(part) for part in source.namelist()}
        parts["xl/worksheets/sheet1.xml"] = head + sheet + b"</worksheet>"
        parts["noise.bin"] = os.urandom(500_000)
        (folder / f"{name}.xlsx").write_bytes(zipped(parts, level=1))
    nested = b'{"type":"FeatureCollection","features":[' + b"[" * 2_000_000
    (folder / "deep.geojson").write_bytes(nested)
    wide = b'{"type":"FeatureCollection","features":[' + b"[[]]," * 5_000_000 + b"0]}"
    (folder / "wide.geojson").write_bytes(wide)
    (folder / "cells.csv").write_bytes(b"a;b\n" + b"ab;cd\n" * 2_000_000)
    (folder / "separators.csv").write_bytes(b"a;b\n" + b";" * 49_000_000)
    (folder / "lines.csv").write_bytes(b"a;b\n" + b"\n" * 10_000_000)
    (folder / "quotes.csv").write_bytes(b"a;b\n" + b'"\n' * 10_000_000)


def test_bombs_are_refused_within_ten_seconds_and_512_mb(tmp_path: Path) -> None:
    bomb_files(tmp_path)
    code = """
import json, resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from geo_service.errors import FileFormatError
from geo_service.reading.reader import read_records
answers = {}
for path in sorted(Path(sys.argv[2]).iterdir()):
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime + time.process_time()
    try:
        answer = f"{len(read_records(path).rows)} rows"
    except FileFormatError as error:
        answer = str(error)
    now = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime + time.process_time()
    answers[path.name] = [answer, now - used]
status = Path("/proc/self/status").read_text()  # ru_maxrss would be the test run's own
peaks = [int(status.split("VmHWM:")[1].split()[0]),
         resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]
print(json.dumps([answers, peaks]))
"""
    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-c", code, root, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answers, peaks_kb = json.loads(done.stdout)
    reasons = {
        "zeros.xlsx": "got an empty sheet",
        "rows.xlsx": "at most 250,000 rows",
        "cells.xlsx": "got an empty sheet",
        "text.xlsx": "rows|fits in 512 MB|unpacks",
        "deep.geojson": "nested too deep",
        "wide.geojson": "at most|fits in 512 MB|memory|faulty",
        "cells.csv": "at most 250,000 rows",
        "separators.csv": "at most 1,000,000 characters",
        "lines.csv": "1 rows",
        "quotes.csv": "expected",
    }
    assert answers.keys() == reasons.keys()
    for name, (answer, seconds) in answers.items():
        assert re.search(reasons[name], answer), (name, answer)
        assert seconds < 12, (name, seconds)
    assert max(peaks_kb) < 512_000, peaks_kb


def test_the_ratio_of_a_zip_bomb_is_seen_before_anything_is_unpacked(tmp_path: Path) -> None:
    data = zipped({"xl/workbook.xml": b" " * 30_000_000, "[Content_Types].xml": b""}, level=9)
    assert "a zip bomb?" in refusal(tmp_path, "a.xlsx", data)
    assert "expected at most 20 MB unpacked" in refusal(
        tmp_path, "b.xlsx", data, unpacked_bytes=20_000_000
    )


def test_fixtures_are_read_as_their_readme_says() -> None:
    expected = json.loads((FIXTURES / "expected.json").read_text("utf-8"))
    found = {
        path.name: [list(map(list, table.rows)), list(table.lines)]
        for path in sorted(FIXTURES.iterdir())
        if path.suffix in {".csv", ".xlsx", ".geojson"}
        for table in [read_records(path)]
    }
    assert found == expected


def test_limits_can_be_narrowed_by_name() -> None:
    assert dataclasses.replace(Limits(), rows=3).rows == 3
