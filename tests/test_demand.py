"""Figures of any people per area: read with every fault named, spread without losing anybody."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coverage_world as world
import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service import demand, pipeline, population
from geo_service.cli import main
from geo_service.errors import FileFormatError, NotFoundError, QueryError, ValidationError
from geo_service.reading import RawTable, read_records
from geo_service.schema import Demand, Population
from geo_service.snapshot import Snapshot, Territory
from geo_service.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.pipeline import Workshop

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "demand.md"
LAND = world.three_squares()
SUCCESSORS = {
    "07001901": world.A,
    "07001902": world.A,
    world.A: world.A,  # it took the two in and kept its key
    "070015900": "070015001",
}


def read(path: Path, text: str, **options: Any) -> demand.DemandTable:
    path.write_text(text, "utf-8")
    return demand.read_figures(read_records(path), LAND, successors=SUCCESSORS, **options)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "zahlen.csv"


def errors(found: demand.DemandTable | ValidationError) -> list[str]:
    return [str(issue) for issue in found.issues if issue.severity == "error"]


def hints(found: demand.DemandTable) -> list[str]:
    return [str(issue) for issue in found.issues if issue.severity == "warning"]


# ---------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("level", "rows", "figures"),
    [
        ("gemeinde", "07001001;5\n07001002;6\n07002001;7", [5, 6, 7]),
        ("verbandsgemeinde", "070015001;5\n070020001;6", [5, 6]),
        ("kreis", "07001;5\n07002;6", [5, 6]),
        ("gemeinde", "07 001 001;5\n07 001 002;6\n07 002 001;7", [5, 6, 7]),
        ("gemeinde", "070015001001;5\n070015001002;6\n070020001001;7", [5, 6, 7]),
        ("gemeinde", "07 0 01 5001 001;5\n07001002;6\n07002001;7", [5, 6, 7]),
    ],
)
def test_level_is_found_from_the_keys(
    table: Path, level: str, rows: str, figures: list[float]
) -> None:
    found = read(table, f"AGS;Anzahl\n{rows}\n")
    assert found.level == level
    assert list(found.figures.values()) == figures
    assert (found.issues, found.rejected, found.absent) == ((), 0, 0)


def test_levels_mixed_are_refused_with_an_example_of_each(table: Path) -> None:
    with pytest.raises(ValidationError, match="expected keys of one level") as caught:
        read(table, "AGS;Wert\n07001;5\n07001001;6\n07001002;6\n")
    assert (
        "2 of the level Gemeinde (such as 07001001) and 1 of the level Kreis (such as 07001)"
        in (str(caught.value))
    )


@pytest.mark.parametrize(
    ("rows", "level", "present"),
    [
        ("7001001;5", "gemeinde", "07001001"),
        ("7001;5", "kreis", "07001"),
        ("70015001;5", "verbandsgemeinde", "070015001"),
    ],
)
def test_lost_leading_zero_is_put_back_and_said(
    table: Path, rows: str, level: str, present: str
) -> None:
    found = read(table, f"AGS;Wert\n{rows}\n")
    assert (found.level, found.figures[present]) == (level, 5)
    assert hints(found)[0] == (
        f"zahlen.csv, line 2, AGS: expected {present}, with its leading zero,"
        f" got '{rows.partition(';')[0]}'"
    )


def test_regional_key_without_its_leading_zero_is_understood_and_said(table: Path) -> None:
    found = read(table, "ARS;Wert\n70015001001;5\n")
    assert found.figures[world.A] == 5
    assert "expected 070015001001, with its leading zero, got '70015001001'" in hints(found)[0]


def test_regional_key_of_another_verbandsgemeinde_is_understood_and_said(table: Path) -> None:
    """The Gemeinde is digits 1 to 5 and 10 to 12: it may have moved, or the key is wrong."""
    found = read(table, "Regionalschlüssel;Wert\n070015002001;5\n")
    assert (found.level, found.figures[world.A]) == ("gemeinde", 5)
    assert "expected 070015001001, now the key of 07001001, got '070015002001'" in hints(found)[0]


def test_former_regional_keys_are_those_of_their_municipalities(table: Path) -> None:
    found = read(table, "ARS;Wert\n070015900901;5\n070015900902;6\n070015001001;1\n")
    assert found.figures[world.A] == 12
    assert "expected a present key; 07001901 is now 07001001" in hints(found)[0]


def test_one_municipality_by_both_its_keys_is_counted_once(table: Path) -> None:
    found = read(table, "AGS;Wert\n07001001;5\n070015001001;6\n")
    assert "expected each key once (line 2)" in errors(found)[0]
    assert found.figures[world.A] is None


def test_every_regional_key_of_the_real_land_is_its_municipality(
    territory: Territory, table: Path
) -> None:
    towns = territory.municipalities
    table.write_text("ARS;Wert\n" + "".join(f"{key};1\n" for key in towns["ars"]), "utf-8")
    found = demand.read_figures(read_records(table), towns, successors=territory.successors)
    assert (found.level, found.issues, found.absent) == ("gemeinde", (), 0)
    assert set(found.figures.values()) == {1}


def test_former_areas_that_became_one_are_added_up(table: Path) -> None:
    found = read(table, "AGS;Wert\n07001901;5\n07001902;6\n07001001;1\n07001002;2\n07002001;3\n")
    assert found.figures == {world.A: 12, world.B: 2, world.C: 3}
    assert "expected a present key; 07001901 is now 07001001" in hints(found)[0]


def test_sum_with_an_unknown_part_is_unknown(table: Path) -> None:
    found = read(table, "AGS;Wert\n07001901;5\n07001902;.\n07001001;1\n")
    assert found.figures[world.A] is None


def test_area_whose_former_parts_are_not_all_there_is_unknown(table: Path) -> None:
    found = read(table, "AGS;Wert\n07001901;5\n07001002;2\n")
    assert found.figures == {world.A: None, world.B: 2, world.C: None}
    told = "expected all former parts of 07001001, got none of 07001001, 07001902: unknown"
    assert any(told in hint for hint in hints(found))


def test_area_that_grew_needs_its_own_former_figure_too(territory: Territory, table: Path) -> None:
    """Ingelheim took in two towns and kept its key; Brimingen is a new key for two."""
    text = "AGS;Wert\n07339027;100\n07339061;10\n07232021;7\n07232052;8\n"
    whole = "07339030;1000\n"
    figures = {}
    for name, more in (("parts", ""), ("whole", whole)):
        table.write_text(text + more, "utf-8")
        read_in = demand.read_figures(
            read_records(table), territory.municipalities, successors=territory.successors
        )
        figures[name] = read_in.figures["07339030"]
        assert read_in.figures["07232502"] == 15
    assert figures == {"parts": None, "whole": 1110}


def test_former_keys_beside_the_new_one_are_faults(table: Path) -> None:
    successors = {"07001901": "07001001", "07001902": "07001001"}
    table.write_text("AGS;Wert\n07001901;5\n07001902;6\n07001001;11\n07001002;2\n", "utf-8")
    found = demand.read_figures(read_records(table), LAND, successors=successors)
    assert (found.accepted, found.rejected) == (2, 2)
    assert found.figures == {world.A: None, world.B: 2, world.C: None}
    assert errors(found)[0].endswith(
        "expected either 07001001 or the former keys that became it, got 07001901 beside 07001001"
    )


@pytest.mark.parametrize(
    "rows",
    [
        "07001901;5\n07001902;zehn\n07001001;1",
        "07001901;5\n07001902;6\n07001001;1\n07001001;9",
        "07001001;5\n07001001;7",
        "07001001;5\n7001001;7",
        "07001001;zehn",
    ],
)
def test_area_with_a_faulty_row_is_unknown_never_part_of_it(table: Path, rows: str) -> None:
    found = read(table, f"AGS;Wert\n{rows}\n07001002;2\n")
    assert found.figures[world.A] is None
    assert found.figures[world.B] == 2
    assert found.rejected == 1
    assert found.accepted + found.rejected == found.rows


def test_area_that_the_file_lacks_is_unknown_not_zero(table: Path) -> None:
    found = read(table, "AGS;Wert\n07001001;5\n")
    assert found.figures == {world.A: 5, world.B: None, world.C: None}
    assert found.absent == 2
    assert "expected all 3 keys of the level Gemeinde, got 2 missing: unknown" in hints(found)[0]


@pytest.mark.parametrize(
    "key",
    ["07999999", "08111", "Mainz", "", "07", "-7001", "٠٧٠٠١", "070010000000", "070015001999"],
)
def test_unknown_key_is_a_fault_of_its_row(table: Path, key: str) -> None:
    found = read(table, f"AGS;Wert\n{key};5\n07001;6\n")
    (fault,) = errors(found)
    assert "zahlen.csv, line 2, AGS: expected a key of the Land" in fault
    assert (found.rows, found.accepted, found.rejected) == (2, 1, 1)


@pytest.mark.parametrize("again", ["07001001", "7001001", "07 001 001"])
def test_key_twice_is_a_fault_that_names_the_first(table: Path, again: str) -> None:
    found = read(table, f"AGS;Wert\n07001001;5\n{again};6\n")
    assert errors(found) == [
        f"zahlen.csv, line 3, AGS: expected each key once (line 2), got {again!r}"
    ]
    assert found.figures[world.A] is None


# -------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("sign", [".", "..", "...", "…", "/", "x", "X", "", "[g]", "g", "u", "t"])
def test_suppressed_figure_is_unknown_never_zero(table: Path, sign: str) -> None:
    found = read(table, f"AGS;Wert\n07001;{sign}\n07002;6\n")
    assert found.figures == {"07001": None, "07002": 6}
    assert found.rejected == 0


@pytest.mark.parametrize("sign", ["-", "–", "—", "[n]", "0", "k"])
def test_sign_for_nothing_there_is_exactly_zero(table: Path, sign: str) -> None:
    assert read(table, f"AGS;Wert\n07001;{sign}\n07002;6\n").figures["07001"] == 0


def test_dashes_are_counted_aloud_and_can_be_read_as_unknown(table: Path) -> None:
    text = "AGS;Wert\n07001;-\n07002;–\n"
    assert "2 cells with a dash, read as exactly zero" in hints(read(table, text))[0]
    unknown = read(table, text, dash_unknown=True)
    assert unknown.figures == {"07001": None, "07002": None}
    assert "2 cells with a dash, read as unknown" in hints(unknown)[0]


@pytest.mark.parametrize(
    ("cells", "figures"),
    [
        (("1.234", "5"), (1234, 5)),
        (("1.234,5", "5"), (1234.5, 5)),
        (("1234,5", "1.234"), (1234.5, 1234)),
        (("1.234.567", "1.234"), (1234567, 1234)),
        (("1234.5", "1.234"), (1234.5, 1.234)),
        (("0.125", "12"), (0.125, 12)),
        (("1 234", "12"), (1234, 12)),
        (("1\u202f234\u202f567", "12"), (1234567, 12)),
        (("12 345,5", "12"), (12345.5, 12)),
        (("(12)", "3"), (12, 3)),
        (("( 1 234 )", "3"), (1234, 3)),
    ],
)
def test_numbers_are_german_or_plain_as_the_column_says(
    table: Path, cells: tuple[str, str], figures: tuple[float, float]
) -> None:
    found = read(table, f"AGS;Wert\n07001;{cells[0]}\n07002;{cells[1]}\n")
    assert tuple(found.figures.values()) == figures
    assert found.rejected == 0


def test_both_forms_in_one_column_are_faults_of_their_rows(table: Path) -> None:
    text = "AGS;Wert\n07001001;1.234,5\n07001002;12.5\n07002001;7\n"
    found = read(table, text)
    assert [issue.line for issue in found.issues if issue.severity == "error"] == [2, 3]
    assert "in one form in the whole column" in errors(found)[0]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("-5", "a number of people from 0"),
        ("−5", "a number of people from 0"),
        ("viele", "a number from 0, or a sign"),
        ("nan", "a number from 0, or a sign"),
        ("1e5", "a number from 0, or a sign"),
        ("9999999999", "at most 1000000000"),
        ("1,234,567", "a number from 0, or a sign"),
        ("٣", "a number from 0, or a sign"),
        ("- 5", "a number of people from 0"),
        ("5 000 1)", "a number from 0, or a sign"),
        ("3 2)", "a number from 0, or a sign"),
        ("12 (1)", "a number from 0, or a sign"),
        ("7)", "a number from 0, or a sign"),
        ("(5", "a number from 0, or a sign"),
        ("(5) 1)", "a number from 0, or a sign"),
        ("1 2 3", "a number from 0, or a sign"),
        ("1234 567", "a number from 0, or a sign"),
        ("1 23", "a number from 0, or a sign"),
        ("0 123", "a number from 0, or a sign"),
    ],
)
def test_what_is_no_number_of_people_is_a_fault(table: Path, cell: str, expected: str) -> None:
    found = read(table, f"AGS;Wert\n07001;{cell}\n07002;6\n")
    (fault,) = errors(found)
    assert f"zahlen.csv, line 2, Wert: expected {expected}" in fault
    assert found.figures["07001"] is None


def write_workbook(path: Path, rows: list[list[Any]]) -> RawTable:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(path)
    return read_records(path)


def test_workbook_with_numbers_for_keys_and_figures(tmp_path: Path) -> None:
    raw = write_workbook(
        tmp_path / "z.xlsx", [["Schutzsuchende"], ["AGS", "Wert"], [7001, 1234], [7002, 2.5]]
    )
    found = demand.read_figures(raw, LAND, successors={})
    assert found.figures == {"07001": 1234, "07002": 2.5}


def test_number_of_a_workbook_that_may_be_thousands_is_not_guessed(tmp_path: Path) -> None:
    raw = write_workbook(tmp_path / "z.xlsx", [["AGS", "Wert"], ["07001", "1.234"], ["07002", 2]])
    found = demand.read_figures(raw, LAND, successors={})
    assert "in one form in the whole column" in errors(found)[0]


def test_broken_cell_of_a_workbook_is_a_fault_not_an_unknown_figure(tmp_path: Path) -> None:
    raw = write_workbook(tmp_path / "z.xlsx", [["AGS", "Wert"], ["07001", "=1/0"], ["07002", 2]])
    found = demand.read_figures(raw, LAND, successors={})
    assert (found.accepted, found.rejected) == (1, 1)
    assert errors(found)[0].startswith("z.xlsx, line 2, Wert: expected")


# -------------------------------------------------------------------------------- columns


def test_columns_are_found_by_heading_wherever_they_stand(table: Path) -> None:
    text = "Quelle: Amt\nName;Anzahl;Gemeindeschlüssel;Anteil\nA;5;07001001;1\nB;6;07001002;2\n"
    assert read(table, text).figures[world.B] == 6


def test_headings_stand_in_the_document() -> None:
    page = DOCUMENT.read_text("utf-8").partition("<!-- demand headings -->")[2]
    key, value = (line.split("|")[2] for line in page.splitlines()[3:5])
    assert key.strip().split(" · ") == list(demand.KEY_HEADINGS)
    assert value.partition(";")[0].strip().split(" · ") == list(demand.VALUE_HEADINGS)


@pytest.mark.parametrize("sign", sorted(demand.UNKNOWN_SIGNS | demand.ZERO_SIGNS))
def test_signs_stand_in_the_document(sign: str) -> None:
    spelled = {"": "leer", "..": "`...`", "—": "`–`", "n": "`[n]`"}.get(sign, f"`{sign}`")
    assert spelled in DOCUMENT.read_text("utf-8")


def test_only_other_column_has_the_figures(table: Path) -> None:
    assert read(table, "AGS;Schutzsuchende\n07001;5\n").figures["07001"] == 5


def test_column_can_be_named(table: Path) -> None:
    text = "AGS;Männer;Frauen\n07001;5;6\n"
    with pytest.raises(FileFormatError, match=r"expected one heading of the figures .*'Frauen'"):
        read(table, text)
    assert read(table, text, column="frauen").figures["07001"] == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Name;Wert\na;5\n", "expected a heading of the keys"),
        ("AGS;Key;Wert\n07001;07001;5\n", "expected one column of keys, got 'AGS' and 'Key'"),
        ("AGS\n07001\n", "expected one heading of the figures .* got none"),
        ("AGS;Wert\n", "expected a row below the headings"),
    ],
)
def test_table_without_its_columns_is_refused(table: Path, text: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read(table, text)


def test_file_without_a_valid_row_is_refused_with_its_issues(table: Path) -> None:
    with pytest.raises(ValidationError, match="at least one valid row, got none of 2") as caught:
        read(table, "AGS;Wert\n1;5\n2;6\n")
    assert len(caught.value.issues) == 2


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["07001001", "07001002", "7002001", "07001", "x", "", "07001901"]),
            st.one_of(st.text(max_size=6), st.sampled_from(["-", ".", "1.234", "1,5", "2.5", "7"])),
        ),
        max_size=8,
    )
)
def test_every_row_is_accepted_or_has_an_error(rows: list[tuple[str, str]]) -> None:
    cells = (("AGS", "Wert"), *rows)
    raw = RawTable("z.csv", "csv", tuple(range(1, len(cells) + 1)), cells)
    try:
        found = demand.read_figures(raw, LAND, successors=SUCCESSORS)
    except (FileFormatError, ValidationError):
        return
    faulty = {issue.line for issue in found.issues if issue.severity == "error"}
    assert found.accepted + len(faulty) == found.rows == len(rows)
    known = [value for value in found.figures.values() if value is not None]
    assert all(0 <= value < math.inf for value in known)


# --------------------------------------------------------------------------- distribution

SEATS = population.seat_population(LAND)


def make(level: str, figures: Mapping[str, float | None]) -> Demand:
    return Demand("probe", "Probe", level, figures, "© Amt", "2024-12-31")  # type: ignore[arg-type]


def per_municipality(people: Population) -> dict[str, float]:
    return {
        str(ags): float(people.people[people.ags == ags].sum()) for ags in np.unique(people.ags)
    }


def test_figures_of_municipalities_stay_where_they_are() -> None:
    people = demand.distribute(make("gemeinde", {world.A: 10, world.B: None, world.C: 0}), LAND,
                               SEATS, SEATS)  # fmt: skip
    assert (people.basis, people.name) == ("figures", "Probe")
    np.testing.assert_array_equal(people.people, [10, math.nan, 0])
    np.testing.assert_array_equal(people.x_m, SEATS.x_m)


def test_figures_of_a_kreis_are_spread_by_population_and_it_is_said() -> None:
    """A has 1,000 and B 3,000 people: a quarter and three quarters."""
    people = demand.distribute(make("kreis", {"07001": 80, "07002": None}), LAND, SEATS, SEATS)
    np.testing.assert_array_equal(people.people, [20, 60, math.nan])
    for words in ("Bedarf „Probe“", "Stand 31.12.2024", "© Amt", "je Kreis",
                  "nach der Bevölkerung auf die Sitzpunkte", "1 Gebiete ohne Angabe"):  # fmt: skip
        assert words in people.source_note


def test_figures_go_to_the_cells_of_a_grid() -> None:
    grid = world.people_at([(world.A, 1000, 1000, 30), (world.A, 9000, 1000, 10),
                            (world.B, 15_000, 5000, 60), (world.C, 25_000, 5000, 9)])  # fmt: skip
    people = demand.distribute(make("kreis", {"07001": 50, "07002": 3}), LAND, grid, SEATS)
    np.testing.assert_allclose(people.people, [15, 5, 30, 3])
    assert "Gitterzellen von 1 km" in people.source_note


def test_nobody_is_lost_where_the_grid_has_no_cell() -> None:
    """C has no cell and B's only cell is empty: both figures go to the seats."""
    grid = world.people_at([(world.A, 1000, 1000, 30), (world.B, 15_000, 5000, 0)])
    figures = {world.A: 1, world.B: 4, world.C: 8}
    people = demand.distribute(make("gemeinde", figures), LAND, grid, SEATS)
    assert per_municipality(people) == {world.A: 1, world.B: 4, world.C: 8}
    unknown = demand.distribute(make("gemeinde", figures | {world.C: None}), LAND, grid, SEATS)
    assert math.isnan(per_municipality(unknown)[world.C])


def test_nobody_of_a_municipality_without_a_cell_is_moved_to_its_neighbours() -> None:
    """A and B are one Kreis; the grid has 1,000 people in A and nobody in B, who has 3,000."""
    grid = world.people_at([(world.A, 1000, 1000, 1000), (world.C, 25_000, 5000, 9)])
    people = demand.distribute(make("kreis", {"07001": 80, "07002": 1}), LAND, grid, SEATS)
    assert per_municipality(people) == {world.A: 20, world.B: 60, world.C: 1}


def test_area_without_any_people_is_spread_evenly() -> None:
    land = world.three_squares((0, 0, 100))
    seats = population.seat_population(land)
    people = demand.distribute(make("kreis", {"07001": 8, "07002": 1}), land, seats, seats)
    assert per_municipality(people) == {world.A: 4, world.B: 4, world.C: 1}


def test_figures_of_another_territory_are_refused() -> None:
    with pytest.raises(QueryError, match=r"demand 'Probe': .* 2 other or missing keys"):
        demand.distribute(make("kreis", {"07001": 8, "07009": 1}), LAND, SEATS, SEATS)


def test_figures_of_every_level_add_up_in_the_real_land(territory: Territory) -> None:
    for level, column in (("kreis", "kreis_key"), ("verbandsgemeinde", "verbandsgemeinde_key")):
        keys = sorted(territory.municipalities[column].unique())
        figures: dict[str, float | None] = {key: 7.0 * at for at, key in enumerate(keys)}
        spread = make(level, figures)
        people = demand.distribute(spread, territory.municipalities, territory.seats,
                                   territory.seats)  # fmt: skip
        assert people.people.sum() == pytest.approx(spread.total, rel=1e-12)


# --------------------------------------------------------------------------- the whole path


def load(workshop: Workshop, path: Path, text: str, **options: Any) -> pipeline.DemandReport:
    path.write_text(text, "utf-8")
    return pipeline.load_demand(path, workshop, **{"name": "Schutzsuchende 2024", **options})


def test_demand_is_loaded_once_and_offered_by_the_snapshot(workshop: Workshop, table: Path) -> None:
    text = "Kreisschlüssel;Anzahl\n07111;1.500\n07131;.\n"
    report = load(workshop, table, text, source_note="© Amt", as_of="2024")
    again = load(workshop, table, text, source_note="© Amt", as_of="2024")
    assert (report.revision, again.revision) == (1, 1)
    current = Snapshot.of(workshop.store.read(), workshop.territory)
    (held,) = current.demands
    assert (held.slug, held.level, held.total) == ("schutzsuchende-2024", "kreis", 1500)
    assert (held.unknown, len(held.figures)) == (35, 36)
    people = current.demand("schutzsuchende-2024")
    assert np.nansum(people.people) == 1500
    assert current.demand("schutzsuchende-2024") is people
    assert current.demand(None) is current.population


def test_unknown_demand_is_not_found(workshop: Workshop, table: Path) -> None:
    load(workshop, table, "AGS;Wert\n07111;1\n")
    current = Snapshot.of(workshop.store.read(), workshop.territory)
    with pytest.raises(NotFoundError, match=r"schutzsuchende-2024.*got 'anderes'"):
        current.demand("anderes")


def test_file_with_errors_changes_nothing_unless_told(workshop: Workshop, table: Path) -> None:
    text = "AGS;Wert\n07111;15\nInsgesamt;15\n"
    with pytest.raises(ValidationError, match="2 valid rows, got 1 with an error; nothing"):
        load(workshop, table, text)
    assert workshop.store.revision() == 0
    report = load(workshop, table, text, partial=True)
    assert (report.revision, report.accepted, report.rows) == (1, 1, 2)


def test_other_name_of_the_same_address_is_refused_and_the_same_name_replaces(
    workshop: Workshop, table: Path
) -> None:
    load(workshop, table, "AGS;Wert\n07111;1\n", name="Frauen <18")
    with pytest.raises(QueryError, match=r"got 'Frauen >18': .* as 'Frauen <18' \(frauen-18\)"):
        load(workshop, table, "AGS;Wert\n07111;2\n", name="Frauen >18")
    assert [(one.name, one.total) for one in workshop.store.read().demands] == [("Frauen <18", 1)]
    assert workshop.store.revision() == 1
    load(workshop, table, "AGS;Wert\n07111;2\n", name="Frauen <18")
    assert [(one.name, one.total) for one in workshop.store.read().demands] == [("Frauen <18", 2)]


@pytest.mark.parametrize("name", ["", "  ", "…", "a" * 81, "a\nb"])
def test_name_that_cannot_be_one_is_refused(workshop: Workshop, table: Path, name: str) -> None:
    with pytest.raises(QueryError, match="name: expected"):
        load(workshop, table, "AGS;Wert\n07111;1\n", name=name)


def test_impossible_date_is_refused(workshop: Workshop, table: Path) -> None:
    with pytest.raises(QueryError, match="date: expected"):
        load(workshop, table, "AGS;Wert\n07111;1\n", as_of="31.12.2024")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output = capsys.readouterr()
    return int(ended.value.code or 0), output.out, output.err


def test_command_loads_lists_and_removes(
    capsys: pytest.CaptureFixture[str], sqlite_url: str, table: Path
) -> None:
    table.write_text("AGS;Wert\n7111;1.500\n07131;-\n", "utf-8")
    database = ("--database", sqlite_url)
    code, out, err = run(capsys, "load-demand", str(table), "--name", "Probe", *database)
    assert code == 0
    assert "2 of 2 rows loaded; revision 1." in out
    assert "07111, with its leading zero" in err
    assert "1.500" in run(capsys, "load-demand", "--list", *database)[1]
    code, out, _ = run(capsys, "load-demand", "--remove", "Probe", *database)
    assert (code, out) == (0, "Removed Probe; revision 2.\n")
    assert run(capsys, "load-demand", "--remove", "Probe", *database)[0] == 2
    run(capsys, "load-demand", str(table), "--name", "Frauen <18", *database)
    assert run(capsys, "load-demand", "--remove", "Frauen >18", *database)[0] == 2
    assert run(capsys, "load-demand", "--remove", "frauen-18", *database)[0] == 0
    with Store(sqlite_url) as store:
        assert store.read().demands == ()


def test_command_refuses_and_writes_its_issues(
    capsys: pytest.CaptureFixture[str], sqlite_url: str, table: Path, tmp_path: Path
) -> None:
    table.write_text("AGS;Wert\n07111;-5\n07131;1\n", "utf-8")
    issues = tmp_path / "issues.csv"
    arguments = ("load-demand", str(table), "--name", "Probe", "--issues", str(issues))
    code, _, err = run(capsys, *arguments, "--database", sqlite_url)
    assert code == 2
    assert "zahlen.csv, line 2, Wert: expected a number of people from 0, got '-5'" in err
    assert "a number of people from 0" in issues.read_text("utf-8-sig")


@pytest.mark.parametrize("arguments", [(), ("--list", "--remove", "x"), ("FILE",)])
def test_command_says_what_it_expects(
    capsys: pytest.CaptureFixture[str], table: Path, arguments: tuple[str, ...]
) -> None:
    table.write_text("AGS;Wert\n07111;1\n", "utf-8")
    given = [str(table) if part == "FILE" else part for part in arguments]
    code, _, err = run(capsys, "load-demand", *given)
    assert code == 2
    assert "Expected" in err
