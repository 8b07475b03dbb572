"""Rows of text become valid records, and every fault is said with its place."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import time
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service import records
from geo_service.errors import FileFormatError
from geo_service.formats import restore_cell
from geo_service.names import fold
from geo_service.reading import RawTable, read_records
from geo_service.reading.common import Fault
from geo_service.records.cells import CATEGORY_ALIASES, FIELDS, THEME_ALIASES, WHEELCHAIR_ALIASES
from geo_service.schema import CATEGORIES, THEMES, Issue, ValidationResult, check_records

TODAY = dt.date(2026, 11, 23)
DOCS = Path(__file__).resolve().parents[1] / "docs" / "records.md"


def raw(*rows: list[str], kind: Any = "csv", faults: tuple[Fault, ...] = ()) -> RawTable:
    lines = tuple(range(1, len(rows) + 1))
    return RawTable("a.csv", kind, lines, tuple(tuple(row) for row in rows), faults)


def validate(*rows: list[str], **more: Any) -> ValidationResult:
    result = records.validate_records(raw(*rows, **more), today=TODAY)
    check_records(result.records)
    return result


def one(**cells: str) -> ValidationResult:
    """Validate a single row; a name and a municipality are given unless stated."""
    cells = {"Name": "Café", "Gemeinde": "Mainz", "Kategorie": "Sonstiges", **cells}
    return validate([*cells], [*cells.values()])


def value(field: str, **cells: str) -> Any:
    """Return what a row with `cells` has in `field`; None where it is missing."""
    result = one(**cells)
    assert result.rejected == 0, result.issues
    found = result.records[field].iloc[0]
    return None if pd.isna(found) else found


def fault(**cells: str) -> Issue:
    """Return the only issue of a row that must be rejected."""
    result = one(**cells)
    assert result.rejected == 1
    assert len(result.issues) == 1, result.issues
    return result.issues[0]


# -------------------------------------------------------------------------- headings


def documented(table: str) -> dict[str, list[str]]:
    """Return first cell -> words of the second, of the table after ``<!-- table -->``."""
    text = DOCS.read_text("utf-8").split(f"<!-- {table} -->\n")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
    return {
        row[0].strip("` |"): row[1].rstrip(" |").split(" · ") if len(row) > 1 else []
        for row in rows
    }


def by_value(aliases: Any) -> dict[str, list[str]]:
    return {value: [a for a, v in aliases.items() if v == value] for value in aliases.values()}


def test_documented_headings_are_those_of_the_code() -> None:
    assert documented("headings") == {field: [*words] for field, words in FIELDS.items()}


def test_documented_words_are_those_of_the_code() -> None:
    assert documented("categories") == {
        name: by_value(CATEGORY_ALIASES)[name] for name in CATEGORIES
    }
    assert documented("themes") == {name: by_value(THEME_ALIASES)[name] for name in THEMES}
    words = by_value(WHEELCHAIR_ALIASES)
    names = {"yes": "ja", "limited": "teilweise", "no": "nein", "": "(unbekannt)"}
    assert documented("wheelchair") == {names[v]: words[v] for v in names}


def test_no_heading_means_two_fields() -> None:
    folded = [(fold(h), field) for field, words in FIELDS.items() for h in {field, *words}]
    fields = {heading: {f for h, f in folded if h == heading} for heading, _ in folded}
    assert {heading: names for heading, names in fields.items() if len(names) > 1} == {}


@pytest.mark.parametrize("heading", ["STRASSE", "straße", "Strasse ", "street", " Address"])
def test_headings_are_compared_without_case_umlauts_and_signs(heading: str) -> None:
    assert value("street", **{heading: "Am Markt"}) == "Am Markt"


def test_unknown_and_personal_headings_are_reported_and_not_read() -> None:
    result = validate(
        ["Name", "Gemeinde", "Kategorie", "Farbe", "Telefon", "", ""],
        ["a", "Mainz", "Sonstiges", "rot", "06131 1", "", "x"],
    )
    assert [(i.column, i.severity, i.line) for i in result.issues] == [
        ("Farbe", "warning", 1),
        ("Telefon", "warning", 1),
        ("column 6", "warning", 1),
        ("column 7", "warning", 1),
    ]
    assert "persons" in result.issues[1].expected
    assert "06131" not in result.records.to_csv()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([["Ort"], ["a"]], "expected a heading for the name"),
        ([["Name"], ["a"]], "expected a heading for the place"),
        ([["x"], ["y"]], "expected a heading for the name .*; expected a heading for the place"),
        ([["Name", "Länge"], ["a", "8"]], "both longitude and latitude"),
        (
            [["Name", "Ort", "Stadt"], ["a", "b", "c"]],
            "one heading for city, got 'Ort' and 'Stadt'",
        ),
        ([["Name", "Ort"]], "at least one row under the headings"),
        ([], "got only blank rows"),
    ],
)
def test_a_table_without_the_headings_it_needs_is_refused(
    rows: list[list[str]], reason: str
) -> None:
    with pytest.raises(FileFormatError, match=f"^a.csv.*{reason}"):
        validate(*rows)


def test_features_have_no_heading_line_to_name() -> None:
    with pytest.raises(FileFormatError, match=r"^a\.csv: expected a heading for the name"):
        validate(["geometry lon", "geometry lat", "x"], ["8.25", "50", "a"], kind="geojson")


def test_headings_may_stand_under_a_title() -> None:
    result = validate(
        ["Liste 2024"], ["Stand: Mai"], ["Name", "Ort", "Art"], ["a", "Mainz", "Café"]
    )
    assert result.records["source_line"].tolist() == [4]
    assert result.issues[0].severity == "warning"
    assert "2 rows above" in result.issues[0].got


def test_a_point_of_geojson_counts_more_than_properties_unless_there_is_none() -> None:
    head = ["geometry lon", "geometry lat", "Name", "lon", "lat"]
    placed = validate(head, ["8.2501", "50.0001", "a", "7", "49"], kind="geojson")
    assert placed.records[["lon", "lat"]].to_numpy().tolist() == [[8.2501, 50.0001]]
    assert [i.column for i in placed.issues if "geometry" in i.expected] == ["lon", "lat"]
    unplaced = validate(head, ["", "", "a", "7.2501", "49.0001"], kind="geojson")
    assert unplaced.records[["lon", "lat"]].to_numpy().tolist() == [[7.2501, 49.0001]]


# ---------------------------------------------------------------------------- cells


def test_text_is_composed_trimmed_and_freed_of_controls() -> None:
    decomposed = unicodedata.normalize("NFD", "  Café\u00a0 \n Öl\u200b ")
    assert value("name", Name=decomposed) == "Café Öl"
    result = one(Name="Ca\x07f\u202eé")
    assert result.records["name"].tolist() == ["Café"]
    assert [i.severity for i in result.issues] == ["warning"]
    assert value("name", Name="می‌خواهم") == "می‌خواهم", "a joiner that the script needs"


@pytest.mark.parametrize("text", ["=1+1", "+49", "-x", "@a", "'=a", "<b>", "${x}", '"', "\\x3c"])
def test_text_that_is_code_elsewhere_is_kept_as_text(text: str) -> None:
    assert value("name", Name=f"{text} b") == f"{text} b"


def test_a_lone_dash_is_unknown() -> None:
    assert value("organisation", Träger=" – ") is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"Name": "a" * 201}, "at most 200 characters"),
        ({"Name": "M\ufffdller"}, "readable text"),
        ({"Name": "#REF!"}, "not an error of the spreadsheet"),
        ({"Name": "!!!"}, "a name"),
        ({"Name": ""}, "a name"),
        ({"Gemeinde": ""}, "a municipality, city, postal code or coordinates"),
        ({"Kategorie": "Begegnungskaffee"}, "did you mean 'Begegnungscafé'?"),
        ({"Kategorie": "qqq"}, "Sonstiges"),
        ({"Leitthema": "Hauptamt"}, "did you mean 'Hauptamt und Ehrenamt'?"),
        ({"Rollstuhlgerecht": "vielleicht"}, "ja, teilweise, nein"),
        ({"PLZ": "7017"}, "5 digits"),
        ({"PLZ": "٥٥١١٦"}, "5 digits"),
        ({"Hausnummer": "2025-05-03"}, "did the spreadsheet turn '3-5' into a date?"),
        ({"Hausnummer": "hinten"}, "a house number"),
        ({"ID": "a b"}, "1 to 64 of the characters"),
        ({"ID": ".."}, "1 to 64 of the characters"),
        ({"ID": "a" * 65}, "1 to 64 of the characters"),
    ],
)
def test_wrong_cells_are_faults_with_what_was_expected(
    cells: dict[str, str], expected: str
) -> None:
    issue = fault(**cells)
    assert expected in issue.expected
    assert (issue.file, issue.line) == ("a.csv", 2)
    if "Gemeinde" not in cells:
        assert issue.column == next(iter(cells))


def test_long_values_are_clipped_in_messages() -> None:
    assert len(fault(PLZ="9" * 400).got) < 90


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("begegnungscafe", "Begegnungscafé"),
        ("BEGEGNUNGSCAFÉ", "Begegnungscafé"),
        ("Initiative / Helferkreis", "Initiative/Helferkreis"),
        ("Kleiderkammer", "Kleiderkammer/Möbelbörse"),
        ("Community café", "Begegnungscafé"),
        ("", None),
    ],
)
def test_categories_are_found_by_their_folded_name_or_another_word(
    text: str, category: str | None
) -> None:
    assert value("category", Kategorie=text) == category


def test_every_category_and_theme_has_its_own_name() -> None:
    assert [value("category", Kategorie=name) for name in CATEGORIES] == [*CATEGORIES]
    assert [value("theme", Leitthema=name) for name in THEMES] == [*THEMES]
    assert value("theme", Leitthema="Migrant:innen im Ehrenamt") == "Migrant*innen im Ehrenamt"


@pytest.mark.parametrize(
    ("text", "stored"),
    [("ja", "yes"), ("Yes", "yes"), ("true", "yes"), ("x", "yes"), ("teilweise", "limited"),
     ("NEIN", "no"), ("unbekannt", None), ("k. A.", None), ("?", None), ("", None)],
)  # fmt: skip
def test_unknown_accessibility_is_missing_never_no(text: str, stored: str | None) -> None:
    if text == "?":
        assert "ja, teilweise, nein" in fault(Rollstuhlgerecht=text).expected
    else:
        assert value("wheelchair", Rollstuhlgerecht=text) == stored


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("https://a.de/x?y=1#z", "https://a.de/x?y=1#z"),
        ("http://begegnungscafé.de", "http://begegnungscafé.de"),
        ("https://a.de.:8443/", "https://a.de.:8443/"),
    ],
)
def test_web_addresses_are_kept(text: str, stored: str) -> None:
    assert value("website", Website=text) == stored


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)", "JavaScript://a.de/%0aalert(1)", "data:text/html,x", "ftp://a.de",
        "https://user@a.de", "https://user:pw@a.de", "https://a.de b.de", 'https://a.de/"x',
        "https://a.de/<x>", "https://localhost", "https://127.0.0.1/", "https://[::1]/", "https://",
        "https://a.de:99999/", "https://[", "mailto:a@b.de", "siehe Aushang", "//a.de",
        "https://a.de\\@b.de", "https://a.de/`", "a@b.de",
    ],
)  # fmt: skip
def test_what_is_no_safe_web_address_is_a_fault(text: str) -> None:
    assert "web address" in fault(Website=text).expected


def test_a_bare_domain_is_completed_with_a_warning() -> None:
    result = one(Website="www.a-b.de/x")
    assert result.records["website"].tolist() == ["https://www.a-b.de/x"]
    assert [i.severity for i in result.issues] == ["warning"]


def test_a_source_is_a_web_address_or_a_text() -> None:
    assert value("source", Quelle="Auskunft: Kreis, 2024") == "Auskunft: Kreis, 2024"
    assert value("source", Quelle="https://a.de/1,2;3") == "https://a.de/1,2;3"
    assert "web address" in fault(Quelle="javascript:alert(1)").expected
    assert "web address" in fault(Quelle="https://a.de/ x").expected


def test_an_email_address_in_a_text_is_pointed_out() -> None:
    result = one(Angebote="Fragen an eva.muster@example.org")
    assert [(i.severity, i.column) for i in result.issues] == [("warning", "Angebote")]


def test_lists_are_joined_by_semicolons() -> None:
    text = "Deutsch, Arabisch/Farsi ; Arabisch; Englisch (Mo, Mi)"
    assert value("languages", Sprachen=text) == "Deutsch; Arabisch; Farsi; Englisch (Mo, Mi)"
    assert value("offers", Angebote="Tee, Kaffee;;Kuchen\nMusik") == "Tee, Kaffee; Kuchen; Musik"
    assert value("opening_hours", Öffnungszeiten="Mo 10\r\nDi 12") == "Mo 10; Di 12"


@pytest.mark.parametrize(
    ("text", "stored"),
    [("2022", "2022"), ("2022-04", "2022-04"), ("2022-04-01", "2022-04-01"),
     ("1.4.2022", "2022-04-01"), ("01.04.2022", "2022-04-01"), ("04.2022", "2022-04"),
     ("4/2022", "2022-04"),
     ("2022-04-01 00:00", "2022-04-01"), ("2026", "2026"), ("2026-11", "2026-11"),
     ("23.11.2026", "2026-11-23")],
)  # fmt: skip
def test_dates_of_sources_become_iso(text: str, stored: str) -> None:
    assert value("source_date", Stand=text) == stored


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2027", "not after 2026-11-23"), ("2026-12", "not after"), ("24.11.2026", "not after"),
     ("31.2.2022", "a date"), ("13.2022", "a date"), ("0000", "a date"), ("1899", "from 1900"),
     ("22", "a date"), ("gestern", "a date"), ("1.4.22", "a date"), ("2022-4-1", "a date")],
)  # fmt: skip
def test_impossible_dates_are_faults(text: str, expected: str) -> None:
    assert expected in fault(Stand=text).expected


def test_a_confirmation_has_a_whole_date() -> None:
    assert value("confirmed_on", **{"Bestätigt am": "1.4.2022"}) == "2022-04-01"
    assert "JJJJ-MM-TT" in fault(**{"Bestätigt am": "2022-04"}).expected


@pytest.mark.parametrize(
    ("text", "stored"),
    [("12 a", "12a"), ("Nr. 5", "5"), ("12 – 14", "12-14"), ("3-5", "3-5"), ("10 1/2", "10 1/2"),
     ("12", "12"), ("5 (Hof)", "5 (Hof)")],
)  # fmt: skip
def test_house_numbers_have_one_form(text: str, stored: str) -> None:
    assert value("house_number", Hausnummer=text) == stored


# ------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("cells", "street", "number", "postcode", "city"),
    [
        ({"Straße": "Am Markt 5a"}, "Am Markt", "5a", None, None),
        ({"Straße": "Am Markt 5 - 7, D-55116 Mainz"}, "Am Markt", "5-7", "55116", "Mainz"),
        ({"Straße": "Am Markt, 55116 Mainz"}, "Am Markt", None, "55116", "Mainz"),
        ({"Straße": "Straße des 17. Juni"}, "Straße des 17. Juni", None, None, None),
        ({"Straße": "An 44"}, "An 44", None, None, None),
        ({"Straße": "Am Markt 5", "Hausnummer": "7"}, "Am Markt 5", "7", None, None),
        ({"Straße": "Am Markt 5", "Hausnummer": "5"}, "Am Markt", "5", None, None),
        ({"Straße": "Hof 3, hinten"}, "Hof 3, hinten", None, None, None),
        ({"Straße": "A, 55116 Mainz", "PLZ": "55118"}, "A, 55116 Mainz", None, "55118", None),
        ({"PLZ Ort": "55116 Mainz"}, None, None, "55116", "Mainz"),
        ({"Ort": "55116 Mainz", "PLZ": "55118"}, None, None, "55118", "55116 Mainz"),
    ],
)
def test_cells_with_several_parts_are_taken_apart_where_the_parts_are_missing(
    cells: dict[str, str], street: Any, number: Any, postcode: Any, city: Any
) -> None:
    found = [value(field, **cells) for field in ("street", "house_number", "postcode", "city")]
    assert found == [street, number, postcode, city]


# ---------------------------------------------------------------------- coordinates


def placed(lon: str, lat: str) -> ValidationResult:
    return one(Länge=lon, Breite=lat)


@pytest.mark.parametrize(
    ("lon", "lat"), [("8.2473", "49.9929"), ("8,2473", "49,9929"), ("+8.2473°", " 49.9929 ")]
)
def test_coordinates_are_read_with_point_or_comma(lon: str, lat: str) -> None:
    result = placed(lon, lat)
    assert result.issues == ()
    assert result.records[["lon", "lat"]].to_numpy().tolist() == [[8.2473, 49.9929]]


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        ("49.9929", "8.2473", "are the two swapped?"),
        ("445932.1", "5538130.7", "UTM or Gauß-Krüger"),
        ("32445932.1", "5538130.7", "UTM or Gauß-Krüger"),
        ("5538130", "3445932", "UTM or Gauß-Krüger"),
        ("82473", "499929", "is a decimal point missing?"),
        ("2.35", "48.85", "is the place in Germany?"),
        ("0", "0", "is the place in Germany?"),
        ("8.247.3", "49.9929", "a number of degrees"),
        ("8,247.3", "49.9929", "a number of degrees"),
        ("8°14'", "49.9929", "a number of degrees"),
        ("nan", "49.9929", "a number of degrees"),
        ("1e1", "49.9929", "a number of degrees"),
        ("8.2473", "", "both longitude and latitude"),
        ("", "49.9929", "both longitude and latitude"),
    ],
)
def test_wrong_coordinates_say_what_probably_happened(lon: str, lat: str, expected: str) -> None:
    result = placed(lon, lat)
    assert result.rejected == 1
    assert [expected in issue.expected for issue in result.issues] == [True]


def test_coordinates_of_few_decimals_are_pointed_out() -> None:
    result = placed("8.25", "50")
    assert (result.rejected, [i.severity for i in result.issues]) == (0, ["warning"])


def test_coordinates_alone_are_place_enough() -> None:
    assert one(Gemeinde="", lon="8.2473", lat="49.9929").rejected == 0


# ---------------------------------------------------------------------------- tables


def test_all_faults_are_reported_at_once_with_line_and_column_of_the_file() -> None:
    result = validate(
        ["Name", "Postleitzahl", "Kategorie", "Stand"],
        ["a", "551", "Cafee", "2099"],
        ["b", "55116", "Sonstiges", "2020"],
        ["", "x", "Sonstiges", "2020"],
    )
    places = [(i.line, i.column, i.severity) for i in result.issues]
    assert places == [
        (2, "Postleitzahl", "error"), (2, "Kategorie", "error"), (2, "Stand", "error"),
        (4, "Name", "error"), (4, "Postleitzahl", "error"),
    ]  # fmt: skip
    assert (len(result.records), result.rejected) == (1, 2)
    assert str(result.issues[0]) == "a.csv, line 2, Postleitzahl: expected 5 digits, got '551'"


def test_cells_beyond_the_headings_are_a_fault() -> None:
    result = validate(["Name", "Ort", "Art"], ["a", "Mainz", "Café", "shifted"])
    assert [str(i) for i in result.issues] == [
        "a.csv, line 2: expected 3 cells as in the heading row, got 4 cells"
    ]


def test_faults_of_the_reader_reject_their_rows_and_warnings_do_not() -> None:
    result = validate(
        ["Name", "Ort", "Art"], ["a", "Mainz"], ["b", "Trier"], ["c"],
        faults=(
            Fault(2, 1, "a value", "#REF!"),
            Fault(3, 0, "typed values", "a formula", "warning"),
            Fault(4, 1, "a Point or null", "type"),
            Fault(1, None, "one sheet", "2", "warning"),
        ),
    )  # fmt: skip
    assert result.records["name"].tolist() == ["b"]
    assert result.rejected == 2
    assert [(i.line, i.column) for i in result.issues] == [
        (1, None),
        (2, "Ort"),
        (3, "Name"),
        (4, "Ort"),
    ]


CELL = st.sampled_from(
    ["", "Café", "Mainz", "55116", "8,25", "49.99", "2020", "ja", "x", "=1", "-", "a b", "\x00",
     "Begegnungscafé", "https://a.de", "javascript:x", "\ufffd", "#REF!", "5", "Hauptstr. 5", "id1"]
) | st.text(max_size=8)  # fmt: skip
HEADINGS = [words[0] for words in FIELDS.values()]


@given(
    headings=st.lists(st.sampled_from(HEADINGS) | st.text(max_size=5), max_size=8),
    rows=st.lists(st.lists(CELL, max_size=12), max_size=8),
    kind=st.sampled_from(["csv", "geojson"]),
)
@settings(max_examples=200, deadline=None)
def test_every_row_is_accepted_or_rejected_with_an_error(
    headings: list[str], rows: list[list[str]], kind: str
) -> None:
    headings = ["geometry lon", "geometry lat", "Name", "Ort", *headings]
    try:
        result = records.validate_records(raw(headings, *rows, kind=kind), today=TODAY)
    except FileFormatError:
        return
    assert len(result.records) + result.rejected == len(rows)
    accepted = set(result.records["source_line"])
    faulty = {issue.line for issue in result.issues if issue.severity == "error"}
    assert accepted | faulty == set(range(2, len(rows) + 2))
    assert not accepted & faulty
    assert all("\n" not in str(issue) for issue in result.issues)


def test_the_result_does_not_depend_on_the_day_it_is_read() -> None:
    table = raw(["Name", "Ort"], ["a", "Mainz"])
    first = records.validate_records(table, today=TODAY).records
    second = records.validate_records(table, today=dt.date(2030, 1, 1)).records
    pd.testing.assert_frame_equal(first, second)


# ------------------------------------------------------------------- the whole way in


@pytest.mark.parametrize("name", ["excel_cp1252.csv", "excel_unicode.csv", "qgis.geojson"])
def test_the_same_list_in_another_form_gives_the_same_records(name: str) -> None:
    folder = Path(__file__).parent / "fixtures" / "records"
    ours = records.validate_records(read_records(folder / name), today=TODAY)
    other = records.validate_records(read_records(folder / "excel_utf8_bom.csv"), today=TODAY)
    assert ours.rejected == 0
    ignored = ["source_line", "lon", "lat"]
    pd.testing.assert_frame_equal(
        ours.records.drop(columns=ignored), other.records.drop(columns=ignored)
    )


def test_the_example_records_hold_without_a_single_issue(example_file: Path) -> None:
    table = read_records(example_file)
    result = records.validate_records(table, today=TODAY)
    assert (len(result.records), result.rejected, result.issues) == (474, 0, ())
    assert [*table.rows[0]] == HEADINGS
    assert result.records["id"].str.fullmatch("[a-z2-7]{16}").all()
    assert result.records["category"].notna().all()


def test_the_figures_in_the_readme_of_the_example_records_are_true(example_file: Path) -> None:
    frame = pd.read_csv(example_file, sep=";", dtype=str, encoding="utf-8-sig")
    text = example_file.with_name("README.md").read_text("utf-8")
    stated = dict(re.findall(r"^\| ([^|]+?) \| ([0-9]+) \|$", text, re.MULTILINE))
    counted = frame.notna().sum()
    columns = [column for name in stated for column in name.split(", ") if column in counted]
    assert {"Name", "Träger", "Öffnungszeiten", "Koordinaten"} <= {*columns, "Koordinaten"}
    for names, figure in stated.items():
        for column in names.split(", "):
            assert counted.get(column, int(figure)) == int(figure), column
    assert f"{frame['Gemeinde'].nunique()} Gemeinden" in text
    assert f"{frame['Quelle'].nunique()} Webseiten" in text


def test_issues_are_written_for_a_german_excel_and_cannot_run(tmp_path: Path) -> None:
    path = tmp_path / "issues.csv"
    issues = (
        Issue("a.csv", 3, "=cmd", "5 digits; or none", "'=1+1'"),
        Issue("a.csv", None, None, "a heading", "\t@x", "warning"),
    )
    records.write_issues(path, issues)
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbffile;line;column;expected;got;severity\r\n")
    rows = list(csv.reader(data.decode("utf-8-sig").splitlines(), delimiter=";"))
    assert rows[1] == ["a.csv", "3", "'=cmd", "5 digits; or none", "''=1+1'", "error"]
    assert rows[2][:3] == ["a.csv", "", ""]
    assert not any(re.match(r"[=+\-@\t\r]", cell) for row in rows for cell in row)
    assert restore_cell(rows[1][4]) == "'=1+1'"


def test_time_is_in_proportion_to_the_rows(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        path = tmp_path / f"{count}.geojson"
        features = [
            {"type": "Feature", "geometry": None,
             "properties": {"name": f"Treff {n}", "ort": f"Ort {n % 900}", "plz": "55116"}}
            for n in range(count)
        ]  # fmt: skip
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        table = read_records(path)
        start = time.process_time()
        assert len(records.validate_records(table, today=TODAY).records) == count
        return time.process_time() - start

    small, large = seconds(4_000), seconds(32_000)
    assert large < 8 * small * 2.5 + 0.5
