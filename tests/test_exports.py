from __future__ import annotations

import csv
import datetime as dt
import io
import json
import sqlite3
import stat
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coverage_world as world
import geopandas as gpd
import openpyxl
import pandas as pd
import pyogrio
import pytest
import shapely

from geo_service import coverage, exports, municipalities, population
from geo_service.coverage import CoverageParameters
from geo_service.errors import QueryError, SchemaError
from geo_service.schema import (
    COVERAGE_COLUMNS,
    LEVELS,
    WGS84,
    Areas,
    Coverage,
    check_areas,
    check_coverage,
)
from geo_service.web.planning.figures import JUDGEMENT_TEXTS

if TYPE_CHECKING:
    from geo_service.exports import ExportKind

TODAY = dt.date(2026, 11, 23)
SOURCES = ("© GeoBasis-DE / BKG 2016 (Daten verändert)", "Bevölkerung: Probe")
NOTES: dict[str, Any] = {
    "parameters": CoverageParameters().describe(),
    "source_notes": SOURCES,
    "revision": 7,
    "today": TODAY,
}


@pytest.fixture(scope="module")
def table() -> Coverage:
    """A is reached, B is too small to judge and has no figures, C is a gap."""
    squares = world.three_squares(people=(1000, 0, 100))
    return coverage.compute_coverage(
        world.places([{"at": (6500, 5000)}]),
        squares,
        population.seat_population(squares),
        level="gemeinde",
        today=TODAY,
    )


@pytest.fixture(scope="module")
def areas() -> Areas:
    return municipalities.build_areas(world.three_squares(people=(1000, 0, 100)), "gemeinde")


def render(kind: ExportKind, table: Coverage, areas: Areas, **notes: Any) -> bytes:
    return exports.render_coverage(kind, table, areas, **(NOTES | notes))


# ------------------------------------------------------------------------------- CSV


def test_csv_has_the_contracts_columns_and_leaves_unknown_empty(
    table: Coverage, areas: Areas
) -> None:
    content = render("csv", table, areas)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
    assert list(rows[0]) == list(COVERAGE_COLUMNS)
    assert rows[0] == {
        "key": "07001001",
        "name": "Adorf",
        "level": "gemeinde",
        "population": "1000",
        "places": "1",
        "places_per_10k": "10",
        "people_counted": "1000",
        "people_reached": "1000",
        "share_reached": "1",
        "share_low": "1",
        "share_high": "1",
        "people_beyond": "0",
        "beyond_low": "0",
        "beyond_high": "0",
        "nearest_seat_m": "1500",
        "nearest_seat_low_m": "1500",
        "nearest_seat_high_m": "1500",
        "nearest_mean_m": "1500",
        "nearest_mean_low_m": "1500",
        "nearest_mean_high_m": "1500",
        "e2sfca": "10",
        "e2sfca_low": "10",
        "e2sfca_high": "10",
        "gap": "false",
        "judgement": "no_gap",
        "gap_reason": "",
        "small_numbers": "true",
        "rough": "0",
        "stale": "0",
        "undated": "1",
        "municipalities_unknown": "0",
        "population_basis": "seat_points",
    }
    unknown = ["places_per_10k", "share_reached", "nearest_mean_m", "e2sfca", "gap"]
    assert [rows[1][name] for name in unknown] == [""] * 5
    assert rows[1]["places"] == "0"
    assert rows[2]["gap"] == "true"
    assert rows[2]["gap_reason"] == "unter 50 % erreicht (0,0 %), kein Ort im Gebiet"


def test_csv_is_read_back_by_pandas_as_it_was(table: Coverage, areas: Areas) -> None:
    back = pd.read_csv(io.BytesIO(render("csv", table, areas)), dtype={"key": "str"})
    assert back["key"].tolist() == table["key"].tolist()
    assert back["nearest_seat_m"].tolist() == pytest.approx(table["nearest_seat_m"].tolist())


def test_csv_comes_with_a_description_of_columns_method_and_sources(
    table: Coverage, areas: Areas, tmp_path: Path
) -> None:
    written = exports.write_coverage(tmp_path / "kreise.csv", table, areas, **NOTES)
    assert written == (tmp_path / "kreise.csv", tmp_path / "kreise.csv-metadata.json")
    described = json.loads(written[1].read_text("utf-8"))
    assert described["url"] == "kreise.csv"
    assert described["dc:source"] == list(SOURCES)
    assert "Umkreis: 5 km Luftlinie" in described["dc:provenance"]
    assert described["dc:date"] == "2026-11-23"
    columns = described["tableSchema"]["columns"]
    assert [column["name"] for column in columns] == list(COVERAGE_COLUMNS)
    assert all(column["dc:description"]["@value"] for column in columns)


# ------------------------------------------------------------------------------- XLSX


def test_xlsx_has_typed_values_a_frozen_head_and_sheets_for_method_and_sources(
    table: Coverage, areas: Areas
) -> None:
    book = openpyxl.load_workbook(io.BytesIO(render("xlsx", table, areas)))
    assert book.sheetnames == ["Werte", "Methode", "Quellen"]
    values = book["Werte"]
    assert values.freeze_panes == "C2"
    head = [cell.value for cell in values[1]]
    assert head[:5] == ["Schlüssel", "Name", "Ebene", "Einwohner", "Orte"]
    first = dict(zip(head, values[2], strict=True))
    assert first["Schlüssel"].value == "07001001"
    assert first["Einwohner"].value == 1000
    assert first["Anteil erreicht"].value == 1
    assert first["Anteil erreicht"].number_format == "0.0%"
    assert first["Lücke"].value == "nein"
    assert first["Ebene"].value == "Gemeinde"
    assert first["Bevölkerungsgrundlage"].value == "Sitzpunkte der Gemeinden"
    second = dict(zip(head, values[3], strict=True))
    assert second["Anteil erreicht"].value is None
    assert second["Lücke"].value is None
    assert second["Orte"].value == 0

    method = {row[0].value: row[1].value for row in book["Methode"]}
    assert method["Umkreis"] == "5 km Luftlinie"
    assert method["Stand"] == "23.11.2026, Datenstand Nr. 7"
    assert set(head) <= set(method)
    assert [row[1].value for row in book["Quellen"]] == list(SOURCES)


# ----------------------------------------------------------------- GeoJSON, GeoPackage


def test_geojson_follows_rfc_7946_and_leaves_unknown_out(table: Coverage, areas: Areas) -> None:
    content = json.loads(render("geojson", table, areas))
    assert content["type"] == "FeatureCollection"
    assert content["attribution"] == " | ".join(SOURCES)
    assert content["method"]["Umkreis"] == "5 km Luftlinie"
    assert (content["date"], content["revision"]) == ("2026-11-23", 7)
    first, second, third = content["features"]
    assert first["properties"]["people_reached"] == 1000
    assert {"share_reached", "gap", "e2sfca"} & set(second["properties"]) == set()
    assert second["properties"]["places"] == 0
    assert third["properties"]["gap"] is True
    for feature in content["features"]:
        for polygon in shapely.geometry.shape(feature["geometry"]).geoms:
            assert polygon.exterior.is_ccw


def test_geojson_of_a_clockwise_area_is_turned(table: Coverage, areas: Areas) -> None:
    clockwise = areas.set_geometry(shapely.orient_polygons(areas.geometry.array, exterior_cw=True))
    assert render("geojson", table, check_areas(clockwise)) == render("geojson", table, areas)


def test_geopackage_opens_with_layer_crs_types_and_notes(
    table: Coverage, areas: Areas, tmp_path: Path
) -> None:
    path = tmp_path / "gemeinden.gpkg"
    exports.write_coverage(path, table, areas, **NOTES)
    info = pyogrio.read_info(path, layer="abdeckung_gemeinde")
    assert info["crs"] == WGS84
    assert info["geometry_type"] == "MultiPolygon"
    assert info["fields"].tolist() == list(COVERAGE_COLUMNS)
    assert info["layer_metadata"]["SOURCES"] == " | ".join(SOURCES)
    assert "Umkreis: 5 km Luftlinie" in info["dataset_metadata"]["METHOD"]
    back = pyogrio.read_dataframe(path)
    assert back["key"].tolist() == table["key"].tolist()
    assert [None if pd.isna(gap) else bool(gap) for gap in back["gap"]] == [False, None, True]
    assert pd.isna(back["share_reached"][1])
    assert back.geometry.geom_equals(gpd.GeoSeries(areas.geometry, crs=WGS84)).all()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        contents = database.execute("SELECT description, last_change FROM gpkg_contents").fetchall()
    database.close()
    assert contents == [(" | ".join(SOURCES), "2026-11-23T00:00:00.000Z")]


@pytest.mark.parametrize("kind", ["geojson", "gpkg"])
def test_areas_of_another_level_are_refused(kind: ExportKind, table: Coverage) -> None:
    others = municipalities.build_areas(world.three_squares(), "kreis")
    with pytest.raises(SchemaError, match="exactly the areas"):
        render(kind, table, others)


# ------------------------------------------------------------------------- every kind


@pytest.mark.parametrize("kind", exports.EXPORT_KINDS)
def test_the_same_input_gives_the_same_bytes_whenever_it_is_written(
    kind: ExportKind, table: Coverage, areas: Areas, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    import openpyxl.writer.excel as writer

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Later:
            return cls(2031, 1, 2, 3, 4, 5, tzinfo=tz)

    before = render(kind, table, areas)
    monkeypatch.setattr(writer.datetime, "datetime", Later, raising=True)
    monkeypatch.setattr(time, "time", lambda: 1_925_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(1_925_000_000))
    assert render(kind, table, areas) == before


@pytest.mark.parametrize("kind", exports.EXPORT_KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_kind_at_every_level_can_be_read_again(
    kind: ExportKind, level: Any, tmp_path: Path
) -> None:
    squares = world.three_squares()
    table = coverage.compute_coverage(
        world.places([]), squares, population.seat_population(squares), level=level, today=TODAY
    )
    areas = municipalities.build_areas(squares, level)
    path = tmp_path / f"x.{kind}"
    exports.write_coverage(path, table, areas, **NOTES)
    if kind == "csv":
        back = pd.read_csv(path, dtype="str")["key"]
    elif kind == "xlsx":
        back = pd.read_excel(path, dtype="str")["Schlüssel"]
    else:
        back = pyogrio.read_dataframe(path)["key"]
    assert back.tolist() == table["key"].tolist()


@pytest.mark.parametrize("start", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_name_that_a_spreadsheet_would_run_is_neutralised(
    start: str, table: Coverage, areas: Areas
) -> None:
    hostile = check_coverage(table.assign(name=pd.Series([start, "Bedorf", "C"], dtype="str")))
    rows = list(csv.DictReader(io.StringIO(render("csv", hostile, areas).decode(), newline="")))
    assert rows[0]["name"] == f"'{start}"
    sheet = openpyxl.load_workbook(io.BytesIO(render("xlsx", hostile, areas)))["Werte"]
    assert sheet["B2"].data_type == "s"
    assert sheet["B2"].value.startswith("'")


def test_characters_that_xlsx_cannot_hold_are_replaced(table: Coverage, areas: Areas) -> None:
    odd = check_coverage(table.assign(name=pd.Series(["a\x00b\x0b", "B", "C"], dtype="str")))
    sheet = openpyxl.load_workbook(io.BytesIO(render("xlsx", odd, areas)))["Werte"]
    assert sheet["B2"].value == "a\ufffdb\ufffd"


def test_shares_keep_six_decimals(areas: Areas, table: Coverage) -> None:
    close = check_coverage(table.assign(share_reached=[0.4999996, float("nan"), 1 / 3]))
    rows = list(csv.DictReader(io.StringIO(render("csv", close, areas).decode())))
    assert [row["share_reached"] for row in rows] == ["0.5", "", "0.333333"]


def test_writing_gdal_files_in_threads_leaves_no_setting_behind(
    table: Coverage, areas: Areas
) -> None:
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    days = [dt.date(2020 + number, 1, 1) for number in range(4)]
    alone = [render("gpkg", table, areas, today=day) for day in days]
    results: dict[int, bytes] = {}

    def work(number: int) -> None:
        results[number] = render("gpkg", table, areas, today=days[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[number] for number in range(4)] == alone
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") == before


# -------------------------------------------------------------------------- the file


def test_an_unknown_ending_is_refused_and_named(
    table: Coverage, areas: Areas, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match=r"x\.pdf: expected a file ending in \.csv, .*'\.pdf'"):
        exports.write_coverage(tmp_path / "x.pdf", table, areas, **NOTES)
    with pytest.raises(QueryError, match="kind: expected one of"):
        render("pdf", table, areas)  # type: ignore[arg-type]


def test_an_existing_file_is_replaced_whole_and_nothing_is_left_beside_it(
    table: Coverage, areas: Areas, tmp_path: Path
) -> None:
    path = tmp_path / "X.XLSX"
    path.write_bytes(b"old" * 100_000)
    exports.write_coverage(path, table, areas, **NOTES)
    assert path.read_bytes() == render("xlsx", table, areas)
    assert [file.name for file in tmp_path.iterdir()] == ["X.XLSX"]


def test_a_new_file_has_the_usual_rights(table: Coverage, areas: Areas, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    path = tmp_path / "x.csv"
    exports.write_coverage(path, table, areas, **NOTES)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_place_that_cannot_be_written_to_is_named_and_the_old_file_stays(
    table: Coverage, areas: Areas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(QueryError, match=r"none/x\.csv: expected a place to write to"):
        exports.write_coverage(tmp_path / "none" / "x.csv", table, areas, **NOTES)

    path = tmp_path / "x.csv"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports.files.os, "fsync", full)
    with pytest.raises(QueryError, match="No space left on device"):
        exports.write_coverage(path, table, areas, **NOTES)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]


def test_rows_are_written_with_neutral_cells_and_empty_unknowns(tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    exports.write_rows(path, [{"id": "a", "name": "=1+1"}, {"id": "b", "distance_m": -12.5}])
    assert path.read_bytes() == b"id,name,distance_m\r\na,'=1+1,\r\nb,,-12.5\r\n"


def test_a_file_without_rows_still_names_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "leer.csv"
    exports.write_rows(path, [], ["id", "name"])
    assert path.read_bytes() == exports.render_rows([], ["id", "name"]) == b"id,name\r\n"
    rows = [{"name": "Treff", "art": "neu"}]
    assert exports.render_rows(rows, ["id", "name"]) == b"id,name,art\r\n,Treff,neu\r\n"


# ---------------------------------------------------------------------- the style for QGIS

STYLE = exports.LayerStyle(
    name='Anteil <b>&"x"</b>',
    column="share_reached",
    classes=[
        exports.LayerClass("unter 50 %", "#186872", None, 0.5),
        exports.LayerClass("ab 50 % < 100", "#f8f5e6", 0.5, None),
    ],
    hatches=[
        exports.LayerHatch("keine", '"share_reached" IS NULL', "lines", "#6b6b6b", "#ffffff"),
        exports.LayerHatch("unsicher", "\"judgement\" = 'uncertain'", "dots", "#0c0c0c", None),
    ],
)


def styled(table: Coverage, areas: Areas, path: Path) -> Path:
    path.write_bytes(render("gpkg", table, areas, style=STYLE))
    return path


def test_geopackage_holds_a_style_that_is_opened_by_default(
    table: Coverage, areas: Areas, tmp_path: Path
) -> None:
    path = styled(table, areas, tmp_path / "x.gpkg")
    assert [*pyogrio.list_layers(path)[:, 0]] == ["abdeckung_gemeinde", "layer_styles"]
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        (row,) = database.execute("SELECT * FROM layer_styles").fetchall()
        geometry = database.execute("SELECT column_name FROM gpkg_geometry_columns").fetchone()[0]
        kinds = dict(
            tuple(found)
            for found in database.execute("SELECT table_name, data_type FROM gpkg_contents")
        )
    database.close()
    assert (row["f_table_name"], row["f_geometry_column"]) == ("abdeckung_gemeinde", geometry)
    assert (row["useAsDefault"], row["styleName"]) == (1, STYLE.name)
    assert kinds["layer_styles"] == "attributes"
    assert len(pyogrio.read_dataframe(path, layer="abdeckung_gemeinde")) == len(table)


def test_style_has_a_rule_and_a_symbol_for_every_class_and_hatching(
    table: Coverage, areas: Areas, tmp_path: Path
) -> None:
    styles = pyogrio.read_dataframe(
        styled(table, areas, tmp_path / "x.gpkg"), layer="layer_styles", read_geometry=False
    )
    root = ET.fromstring(styles["styleQML"][0])  # noqa: S314 - our own
    assert root.find("renderer-v2").get("type") == "RuleRenderer"  # type: ignore[union-attr]
    rules = root.findall("renderer-v2/rules/rule")
    assert [rule.get("label") for rule in rules] == [
        "unter 50 %",
        "ab 50 % < 100",
        "keine",
        "unsicher",
    ]
    assert [rule.get("filter") for rule in rules] == [
        '"share_reached" IS NOT NULL AND "share_reached" < 0.5',
        '"share_reached" IS NOT NULL AND "share_reached" >= 0.5',
        '"share_reached" IS NULL',
        "\"judgement\" = 'uncertain'",
    ]
    symbols = {one.get("name"): one for one in root.findall("renderer-v2/symbols/symbol")}
    layers = [
        [layer.get("class") for layer in symbols[rule.get("symbol")].findall("layer")]
        for rule in rules
    ]
    assert layers == [
        ["SimpleFill"],
        ["SimpleFill"],
        ["SimpleFill", "LinePatternFill"],
        ["PointPatternFill"],
    ]
    colours = [
        one.get("value")
        for one in root.findall(".//layer[@class='SimpleFill']/Option/Option[@name='color']")
    ]
    assert colours == ["24,104,114,255", "248,245,230,255", "255,255,255,255"]


def test_rules_of_the_style_part_the_values_as_the_classes_do(
    table: Coverage, areas: Areas, tmp_path: Path
) -> None:
    """The filters are SQL as well, so SQLite says which areas each rule draws."""
    path = styled(table, areas, tmp_path / "x.gpkg")
    styles = pyogrio.read_dataframe(path, layer="layer_styles", read_geometry=False)
    root = ET.fromstring(styles["styleQML"][0])  # noqa: S314 - our own
    drawn = {}
    with sqlite3.connect(path) as database:
        for rule in root.findall("renderer-v2/rules/rule"):
            query = f"SELECT name FROM abdeckung_gemeinde WHERE {rule.get('filter')}"  # noqa: S608
            drawn[rule.get("label")] = [name for (name,) in database.execute(query)]
    database.close()
    assert drawn["unter 50 %"] == ["Zestadt"]
    assert drawn["ab 50 % < 100"] == ["Adorf"]
    assert drawn["keine"] == ["Bedorf"]


def test_styled_geopackages_are_the_same_bytes(table: Coverage, areas: Areas) -> None:
    assert render("gpkg", table, areas, style=STYLE) == render("gpkg", table, areas, style=STYLE)


def test_files_call_things_what_pages_call_them() -> None:
    for judgement in ("gap", "no_gap", "uncertain", "too_small"):
        assert exports.columns.WORDS[judgement] == JUDGEMENT_TEXTS[judgement]
        assert JUDGEMENT_TEXTS[judgement] in exports.columns.COLUMNS["judgement"].meaning
    assert exports.columns.WORDS["figures"] == "Geladene Zahlen, verteilt wie die Bevölkerung"


def test_figures_rounded_for_files_stay_as_they_are(table: Coverage) -> None:
    once = exports.round_figures(table)
    pd.testing.assert_frame_equal(once, exports.round_figures(once))
