from __future__ import annotations

import contextlib
import datetime as dt
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import coverage_world as world
import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service import municipalities, pipeline, population
from geo_service.errors import FileFormatError, InputError, ValidationError
from geo_service.schema import Population
from geo_service.snapshot import Snapshot, Territory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geo_service.pipeline import Workshop

BOUNDARIES = Path(__file__).resolve().parents[1] / "data" / "gemeinden" / "gemeinden.gpkg"
HEAD_1KM = "GITTER_ID_1km;x_mp_1km;y_mp_1km;Einwohner"
HEAD_100M = "GITTER_ID_100m;x_mp_100m;y_mp_100m;Einwohner"
TO_DEGREES = pyproj.Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)


def row(x: int, y: int, people: str, size_m: int = 1000) -> str:
    half = size_m // 2
    return f"CRS3035RES{size_m}mN{y - half}E{x - half};{x};{y};{people}"


TABLE = [
    HEAD_1KM,
    row(4_100_500, 3_000_500, "12"),
    row(4_101_500, 3_000_500, "–"),
    row(4_100_500, 2_999_500, "1234"),
]


def write(path: Path, lines: Sequence[str], encoding: str = "utf-8", end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "Zensus2022_Bevoelkerungszahl_1km-Gitter.csv", TABLE)


# ---------------------------------------------------------------------- seat points


def test_seat_points_carry_the_registers_whole_population() -> None:
    squares = world.three_squares()
    people = population.seat_population(squares, source_note="Quelle")
    assert people.basis == "seat_points"
    assert people.source_note == "Quelle"
    assert people.ags.tolist() == [world.A, world.B, world.C]
    assert people.people.tolist() == [1000, 3000, 100]
    np.testing.assert_allclose(people.x_m, world.CORNER[0] + np.array([5e3, 15e3, 25e3]), atol=1e-4)
    np.testing.assert_allclose(people.y_m, world.CORNER[1] + 5000, atol=1e-4)


def test_seat_points_say_their_source_by_default() -> None:
    note = population.seat_population(world.three_squares()).source_note
    assert "Destatis" in note
    assert "Sitzpunkt" in note


# ---------------------------------------------------------------------- the 1 km table


def test_the_1km_table_is_read_sorted_and_unknown_cells_are_counted(table: Path) -> None:
    cells = population.read_grid(table)
    assert cells.size_m == 1000
    assert cells.x_m.tolist() == [4_100_500, 4_100_500]
    assert cells.y_m.tolist() == [2_999_500, 3_000_500]
    assert cells.people.tolist() == [1234, 12]
    assert (cells.unknown, cells.rows) == (1, 3)


def test_the_100m_table_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "g.csv", [HEAD_100M, row(4_337_050, 2_689_150, "4", 100)])
    cells = population.read_grid(path)
    assert (cells.size_m, cells.x_m.tolist(), cells.people.tolist()) == (100, [4_337_050], [4])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends_of_the_official_files(
    tmp_path: Path, encoding: str, end: str
) -> None:
    cells = population.read_grid(write(tmp_path / "g.csv", TABLE, encoding, end))
    assert (len(cells.people), cells.unknown) == (2, 1)


def test_other_columns_and_the_case_of_headings_do_not_matter(tmp_path: Path) -> None:
    lines = [
        "GITTER_ID_1KM;Einwohner;x_mp_1km;y_mp_1km;werterlaeuternde_Zeichen",
        "CRS3035RES1000mN3000000E4100000;7;4100500;3000500;",
        "",
    ]
    assert population.read_grid(write(tmp_path / "g.csv", lines)).people.tolist() == [7]


def test_only_cells_in_the_bounds_with_a_margin_are_kept(tmp_path: Path) -> None:
    lines = [HEAD_1KM, *(row(4_100_500 + 1000 * i, 3_000_500, "5") for i in range(40))]
    west, south = TO_DEGREES.transform(4_110_000, 3_000_000)
    east, north = TO_DEGREES.transform(4_115_000, 3_001_000)
    cells = population.read_grid(
        write(tmp_path / "g.csv", lines), bounds=(west, south, east, north)
    )
    assert cells.rows == 40
    assert cells.x_m.min() == pytest.approx(4_109_500, abs=1000)
    assert cells.x_m.max() == pytest.approx(4_115_500, abs=1000)
    assert {4_110_500, 4_111_500, 4_112_500, 4_113_500, 4_114_500} <= set(cells.x_m)


def test_a_table_without_a_cell_in_the_bounds_is_refused(table: Path) -> None:
    with pytest.raises(FileFormatError, match=r"1km-Gitter.csv: expected populated cells within x"):
        population.read_grid(table, bounds=(13.0, 52.0, 14.0, 53.0))


# ------------------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("line", "column", "expected", "got"),
    [
        (row(4_102_500, 3_000_500, "-3"), "Einwohner", "a whole number from 0", "'-3'"),
        (row(4_102_500, 3_000_500, "3,5"), "Einwohner", "a whole number", "'3,5'"),
        (row(4_102_500, 3_000_500, "12.000"), "Einwohner", "a whole number", "'12.000'"),
        (row(4_102_500, 3_000_500, "1e3"), "Einwohner", "a whole number", "'1e3'"),
        (row(4_102_500, 3_000_500, "viele"), "Einwohner", "a whole number", "'viele'"),
        (row(4_102_500, 3_000_500, "9999999"), "Einwohner", "1000000", "'9999999'"),
        (row(4_102_000, 3_000_500, "3"), "x_mp_1km", "centre of a cell of 1000 m", "'4102000'"),
        (row(4_102_500, 3_000_550, "3"), "y_mp_1km", "centre of a cell", "'3000550'"),
        ("CRS3035RES1000mN3000000E4102000;;3000500;3", "x_mp_1km", "centre of a cell", "''"),
        (
            "CRS3035RES1000mN3000000E4102000;4102500,0;3000500;3",
            "x_mp_1km",
            "centre",
            "'4102500,0'",
        ),
        (
            "CRS3035RES1000mN3000000E4999000;4102500;3000500;3",
            "GITTER_ID_1km",
            "CRS3035RES1000mN3000000E4102000 by its centre",
            "'CRS3035RES1000mN3000000E4999000'",
        ),
        (row(4_100_500, 3_000_500, "9"), "GITTER_ID_1km", "each cell once (line 2)", "N3000000"),
        (row(4_101_500, 3_000_500, "9"), "GITTER_ID_1km", "each cell once (line 3)", "N3000000"),
        ("CRS3035RES1000mN3000000E4102000;4102500;3000500", None, "4 cells", "3"),
        (row(4_102_500, 3_000_500, "3;4"), None, "4 cells", "5"),
        ("x" * 1500, None, "4 cells", "1"),
    ],
)
def test_a_fault_says_where_what_was_expected_and_what_came(
    tmp_path: Path, line: str, column: str | None, expected: str, got: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        population.read_grid(write(tmp_path / "g.csv", [*TABLE, line]))
    fault = raised.value.issues[0]
    assert (fault.file, fault.line, fault.column) == ("g.csv", 5, column)
    assert expected in fault.expected
    assert got in fault.got
    assert "g.csv, line 5" in str(raised.value)


def test_all_faults_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    bad = [row(4_100_500 + 1000 * i, 3_000_500, "x") for i in range(3)]
    with pytest.raises(ValidationError, match="3 faults in all") as raised:
        population.read_grid(write(tmp_path / "g.csv", [HEAD_1KM, *bad]))
    assert [fault.line for fault in raised.value.issues] == [2, 3, 4]

    with pytest.raises(ValidationError, match="stopped reading there") as raised:
        population.read_grid(write(tmp_path / "h.csv", [HEAD_1KM, *(["x;y;z;1"] * 5000)]))
    assert population.MAX_FAULTS <= len(raised.value.issues) <= population.MAX_FAULTS + 3


def test_swapped_centre_columns_are_noticed(tmp_path: Path) -> None:
    lines = [HEAD_1KM, "CRS3035RES1000mN3000000E4100000;3000500;4100500;3"]
    with pytest.raises(ValidationError, match="by its centre"):
        population.read_grid(write(tmp_path / "g.csv", lines))


@pytest.mark.parametrize(
    "head",
    [
        "GITTER_ID_10km;x_mp_10km;y_mp_10km;Einwohner",
        "GITTER_ID_1km,x_mp_1km,y_mp_1km,Einwohner",
        "GITTER_ID_1km;x_mp_1km;y_mp_100m;Einwohner",
        "GITTER_ID_1km;x_mp_1km;y_mp_1km;durchschnMieteQM",
        "GITTER_ID_1km;x_mp_1km;y_mp_1km;Einwohner;Einwohner",
        "",
        "PK\x03\x04\x00",
    ],
)
def test_wrong_headings_are_refused_with_what_came(tmp_path: Path, head: str) -> None:
    with pytest.raises(FileFormatError, match=r"g\.csv, line 1: expected the headings GITTER_ID"):
        population.read_grid(write(tmp_path / "g.csv", [head, *TABLE[1:]]))


def test_utf16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="expected the headings"):
        population.read_grid(write(tmp_path / "g.csv", TABLE, "utf-16"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="got no file"):
        population.read_grid(tmp_path / "none.csv")


@given(content=st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_cells_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "g.csv"
    for start in (b"", HEAD_1KM.encode() + b"\n"):
        path.write_bytes(start + content)
        with contextlib.suppress(InputError):
            cells = population.read_grid(path)
            assert len(cells.people) + cells.unknown <= cells.rows


# ------------------------------------------------------------------------------- the ZIP


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "Zensus2022_Bevoelkerungszahl.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Zensus2022_Bevoelkerungszahl_10km-Gitter.csv", "anderes")
        file.writestr("Zensus2022_Bevoelkerungszahl_1km-Gitter.csv", "\n".join(TABLE))
        lines = [HEAD_100M, row(4_337_050, 2_689_150, "4", 100)]
        file.writestr("Zensus2022_Bevoelkerungszahl_100m-Gitter.csv", "\n".join(lines))
        file.writestr("Datensatzbeschreibung.xlsx", "")
    return path


def test_of_the_official_zip_the_1km_table_is_read_unless_asked(archive: Path) -> None:
    assert population.read_grid(archive).size_m == 1000
    assert population.read_grid(archive, size_m=100).people.tolist() == [4]


def test_a_zip_without_a_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("Miete_1km-Gitter.txt", "")
    with pytest.raises(FileFormatError, match=r"g\.zip: expected a table named .*got Miete"):
        population.read_grid(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "g.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Bevoelkerung_1km.csv", "0" * 5_000_000)
    with pytest.raises(FileFormatError, match="expected at most 100 bytes for each packed one"):
        population.read_grid(path)


def test_a_file_over_the_size_limit_is_refused(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "MAX_BYTES", 100)
    with pytest.raises(FileFormatError, match="expected at most 100 bytes, got"):
        population.read_grid(table)


@pytest.mark.parametrize("cut", [0, 10, 200, 500])
def test_a_broken_zip_is_refused(archive: Path, cut: int) -> None:
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(FileFormatError, match="expected a whole ZIP file"):
        population.read_grid(archive)


def test_a_zip_with_damaged_content_is_refused(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo("Zensus2022_Bevoelkerungszahl_1km-Gitter.csv").header_offset
    for at in range(start + 80, start + 120):
        content[at] ^= 0xFF
    archive.write_bytes(bytes(content))
    with pytest.raises(InputError):
        population.read_grid(archive)


def test_a_csv_of_another_cell_size_than_asked_is_refused(table: Path) -> None:
    with pytest.raises(FileFormatError, match="expected cells of 100 m, got 1000 m"):
        population.read_grid(table, size_m=100)


# ------------------------------------------------------------------- cells to municipalities


def test_cells_get_municipalities_and_those_elsewhere_are_counted(table: Path) -> None:
    cells = population.read_grid(table)
    asked: list[tuple[float, float]] = []

    def find_ags(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.object_]:
        asked.extend(zip(lon, lat, strict=True))
        return np.array([world.A, None], dtype=object)

    people = population.locate_grid(cells, find_ags)

    assert asked == [pytest.approx(TO_DEGREES.transform(4_100_500, y)) for y in cells.y_m]
    assert people.basis == "grid_1km"
    assert people.ags.tolist() == [world.A]
    assert people.people.tolist() == [1234]
    to_metres = pyproj.Transformer.from_crs("EPSG:3035", "EPSG:25832", always_xy=True)
    x_m, y_m = to_metres.transform(4_100_500, 2_999_500)
    assert (people.x_m[0], people.y_m[0]) == pytest.approx((x_m, y_m))
    assert "Zensus 2022" in people.source_note
    assert "Gitterzellen 1 km" in people.source_note
    assert "dl-de/by-2-0" in people.source_note
    assert population.describe_grid(cells, people) == population.LocatedGrid(
        cells=1, people=1234, cells_outside=1, people_outside=12, unknown=1
    )


def test_a_100m_grid_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "g.csv", [HEAD_100M, row(4_337_050, 2_689_150, "4", 100)])
    people = population.locate_grid(
        population.read_grid(path), lambda lon, lat: np.array([world.A], dtype=object)
    )
    assert people.basis == "grid_100m"
    assert "Gitterzellen 100 m" in people.source_note


def test_a_grid_over_the_real_land_finds_its_municipalities(tmp_path: Path) -> None:
    land = municipalities.load_municipalities(BOUNDARIES)
    index = municipalities.MunicipalityIndex(land)
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
    x, y = to_grid.transform(land["seat_lon"].to_numpy(), land["seat_lat"].to_numpy())
    centres = np.unique(np.column_stack([x // 100 * 100 + 50, y // 100 * 100 + 50]), axis=0)
    lines = [row(int(cx), int(cy), "5", 100) for cx, cy in centres]
    berlin = row(4_552_050, 3_272_050, "5", 100)
    path = write(tmp_path / "g.csv", [HEAD_100M, berlin, *lines])

    cells = population.read_grid(path, bounds=tuple(land.total_bounds))
    people = population.locate_grid(cells, index.find)

    assert len(cells.people) == len(centres)
    # Cell centres lie at most 71 m from the seat that made them.
    assert np.isin(land["ags"], people.ags).mean() > 0.99
    west, south, east, north = land.to_crs("EPSG:25832").total_bounds
    assert ((people.x_m > west - 100) & (people.x_m < east + 100)).all()
    assert ((people.y_m > south - 100) & (people.y_m < north + 100)).all()


# --------------------------------------------------- municipalities in which the grid has nobody

SEATS = population.seat_population(world.three_squares())
TO_METRES = pyproj.Transformer.from_crs("EPSG:3035", "EPSG:25832", always_xy=True)


def cell_around(x_m: float, y_m: float) -> tuple[float, float]:
    """Return the centre of the 1 km cell around a point, both in EPSG:25832."""
    centre = (
        axis // 1000 * 1000 + 500 for axis in TO_METRES.transform(x_m, y_m, direction="INVERSE")
    )
    x_m, y_m = TO_METRES.transform(*centre)
    return float(x_m), float(y_m)


def grid_of(cells: Sequence[tuple[str, tuple[float, float], float]]) -> Population:
    ags, places, people = zip(*cells, strict=True)
    x_m, y_m = np.array(places).T
    keys = np.array(ags, dtype=object)
    return Population("grid_1km", "Zensus", keys, x_m, y_m, np.array(people, dtype=np.float64))


def people_by_ags(people: Population) -> dict[str, float]:
    keys = np.unique(people.ags.astype(str))
    return {str(ags): float(people.people[people.ags == ags].sum()) for ags in keys}


SEAT_OF_B = (SEATS.x_m[1], SEATS.y_m[1])
ELSEWHERE = (SEATS.x_m[0], SEATS.y_m[0])


def test_municipality_in_which_the_grid_has_nobody_has_its_register_population_at_the_seat() -> (
    None
):
    """B has no cell, the only one of C is empty."""
    far = (SEATS.x_m[2] + 3000, SEATS.y_m[2])
    grid = grid_of([(world.A, cell_around(*ELSEWHERE), 900), (world.C, cell_around(*far), 0)])
    whole = population.complete_grid(grid, SEATS)
    assert people_by_ags(whole) == {world.A: 900, world.B: 3000, world.C: 100}
    assert whole.basis == "grid_1km"
    assert (whole.x_m[2:].tolist(), whole.y_m[2:].tolist()) == (
        SEATS.x_m[1:].tolist(),
        SEATS.y_m[1:].tolist(),
    )
    assert whole.source_note.startswith("Zensus; wo keine Zelle einer Gemeinde Menschen hat")
    assert "3.100 Menschen in 2 Gemeinden" in whole.source_note


def test_grid_that_has_somebody_everywhere_stays_as_it_is() -> None:
    seats = zip(SEATS.ags, SEATS.x_m, SEATS.y_m, strict=True)
    grid = grid_of([(str(ags), cell_around(x_m, y_m), 5) for ags, x_m, y_m in seats])
    assert population.complete_grid(grid, SEATS) is grid


def test_nobody_is_counted_in_a_neighbours_cell_and_at_the_seat() -> None:
    """The cell around B's seat belongs to A, because its centre lies there: B's people leave it."""
    grid = grid_of(
        [
            (world.A, cell_around(*ELSEWHERE), 500),
            (world.A, cell_around(*SEAT_OF_B), 3400),
            (world.C, (SEATS.x_m[2], SEATS.y_m[2]), 90),
        ]
    )
    whole = population.complete_grid(grid, SEATS)
    assert whole.people.tolist() == [500, 400, 90, 3000]
    assert grid.people.tolist() == [500, 3400, 90]


def test_no_municipality_loses_all_its_people_to_a_seat() -> None:
    grid = grid_of(
        [(world.A, cell_around(*SEAT_OF_B), 2000), (world.C, (SEATS.x_m[2], SEATS.y_m[2]), 90)]
    )
    whole = population.complete_grid(grid, SEATS)
    assert people_by_ags(whole) == {world.A: 2000, world.B: 3000, world.C: 90}


def test_small_municipalities_of_the_real_land_are_not_lost_between_cells(
    territory: Territory,
) -> None:
    """15 municipalities contain no centre of a 1 km cell; the sum stays that of the cells."""
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
    west, south, east, north = to_grid.transform_bounds(*territory.bounds)
    x_m, y_m = np.meshgrid(
        np.arange(west // 1000 * 1000 + 500, east, 1000.0),
        np.arange(south // 1000 * 1000 + 500, north, 1000.0),
    )
    full = np.full(x_m.size, 1000.0)
    cells = population.GridCells(1000, x_m.ravel(), y_m.ravel(), full, 0, x_m.size)
    grid = population.locate_grid(cells, territory.index.find)
    whole = population.complete_grid(grid, territory.seats)
    register = territory.municipalities.set_index("ags")["population"]
    added = dict(zip(whole.ags[len(grid.ags) :], whole.people[len(grid.ags) :], strict=True))
    assert len(added) == 15
    assert added == register[list(added)].to_dict()
    assert added["07337065"] == 628  # Ranschbach
    assert whole.people.sum() == pytest.approx(grid.people.sum())
    assert whole.people.min() >= 0


def test_suppressed_and_missing_cells_lose_nobody(workshop: Workshop, tmp_path: Path) -> None:
    """Altenahr's only cell is suppressed, Adenau has none: both count as in the register."""
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
    towns = workshop.territory.municipalities.set_index("ags")
    lines = [HEAD_1KM]
    for ags, people in (("07111000", "111000"), ("07131001", "–")):
        seat = towns.loc[ags]
        x, y = to_grid.transform(seat["seat_lon"], seat["seat_lat"])
        lines.append(row(int(x // 1000 * 1000 + 500), int(y // 1000 * 1000 + 500), people))
    report = pipeline.load_population(write(tmp_path / "g.csv", lines), workshop)
    assert (report.grid.cells, report.grid.people, report.grid.unknown) == (1, 111_000, 1)
    rest = towns["population"].drop("07111000")
    assert (report.seats, report.people_at_seats) == (len(rest), rest.sum())

    current = Snapshot.of(workshop.store.read(), workshop.territory)
    table = current.coverage("gemeinde", today=dt.date(2026, 11, 23)).set_index("key")
    assert (
        table["people_counted"].drop("07111000").equals(table["population"].drop("07111000") * 1.0)
    )
    assert table.loc["07111000", "people_counted"] == 111_000
    assert not (table["gap_reason"] == "nicht beurteilt: niemand gezählt").any()
