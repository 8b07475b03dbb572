"""What planners take along: every file says what the page says, for every choice."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import openpyxl
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from web_helpers import (
    NOW,
    TODAY,
    VECTORS,
    app_of,
    fill,
    initiatives_of,
    place,
    small_territory,
)

from geo_service.exports.columns import COLUMNS
from geo_service.schema import CATEGORIES, CATEGORY_GROUPS, COVERAGE_COLUMNS, THEMES, Demand
from geo_service.snapshot import Snapshot, Territory
from geo_service.store import Store
from geo_service.web.planning import files
from geo_service.web.planning.figures import Figures, figures_of, value_text
from geo_service.web.planning.query import (
    INDICATORS,
    PLANNING_LEVELS,
    PRECISION_NAMES,
    Choice,
    query_string,
)
from geo_service.web.planning.tables import FiguresPage, Row

KINDS = ("csv", "xlsx", "geojson", "gpkg", "png", "svg", "pdf")
ROWS = [
    place(1),
    place(2, source_date="2020", confirmed_on=None),
    place(3, source_date=None, street=None, coordinate_precision="municipality"),
    place(4, point=None),
    place(5, category="Sprachcafé/Sprachkurs", ags="07211000", point=(7.25, 50.05)),
]


class World:
    """A store with some places, the pages over it, and its snapshot."""

    def __init__(self, store: Store, rows: list[dict[str, Any]], territory: Territory) -> None:
        store.migrate()
        fill(store, initiatives_of(rows))
        self.client: FlaskClient = app_of(store, territory).test_client()
        self.snapshot = Snapshot.of(store.read(), territory)

    def figures(self, choice: Choice) -> Figures:
        return figures_of(self.snapshot, choice, TODAY)

    def get(self, kind: str, choice: Choice) -> bytes:
        response = self.client.get(f"/planung/export.{kind}{query_string(choice)}")
        assert response.status_code == 200, response.text
        return response.data

    def rows(self, choice: Choice) -> list[Row]:
        """The rows of all pages of the table."""
        pages = FiguresPage(self.figures(choice)).pages
        numbered = (replace(choice, page=number) for number in range(1, pages + 1))
        return [row for one in numbered for row in FiguresPage(self.figures(one)).rows]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('small') / 'x.db'}") as store:
        yield World(store, ROWS, small_territory())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[World]:
    """The Land with a place in every 40th municipality, every second of them rough."""
    towns = territory.municipalities[["ags", "seat_lon", "seat_lat"]].iloc[::40]
    rows = [
        place(
            number,
            ags=ags,
            point=(lon, lat),
            coordinate_precision="address" if number % 2 else "municipality",
            category=CATEGORIES[number % len(CATEGORIES)],
        )
        for number, (ags, lon, lat) in enumerate(towns.itertuples(index=False, name=None))
    ]
    with Store(f"sqlite:///{tmp_path_factory.mktemp('large') / 'x.db'}") as store:
        yield World(store, rows, territory)


# ------------------------------------------------------------------ the same everywhere

CHOICES = st.builds(
    Choice,
    level=st.sampled_from([*PLANNING_LEVELS]),
    indicator_name=st.sampled_from([*INDICATORS]),
    radius_km=st.floats(0.1, 60).map(lambda value: round(value, 2)),
    kinds=st.sets(st.sampled_from([*CATEGORY_GROUPS, *CATEGORIES]), max_size=3).map(
        lambda kinds: tuple(sorted(kinds))
    ),
    themes=st.sets(st.sampled_from(THEMES), max_size=1).map(tuple),
    precision=st.sampled_from([precision for precision, _ in PRECISION_NAMES.values()]),
    current_months=st.none() | st.integers(1, 120),
    area=st.sampled_from(["", "07131"]),
    method=st.sampled_from(["natuerlich", "quantile", "gleich"]),
    classes=st.integers(2, 5),
)


def from_csv(content: bytes) -> pd.DataFrame:
    rows = [*csv.DictReader(io.StringIO(content.decode()))]
    return pd.DataFrame(rows, columns=[*COVERAGE_COLUMNS]).set_index("key")


def number(text: str) -> float:
    return float(text) if text else float("nan")


def same(one: object, other: str) -> bool:
    """Whether a value of a typed file is what the CSV has; missing is an empty text."""
    if one is None or one != one or one is pd.NA:
        return other == ""
    if isinstance(one, bool | np.bool_):
        return other == ("true" if one else "false")
    if isinstance(one, int | float | np.number):
        return float(one) == number(other)
    return str(one) == other


def assert_page_and_csv_agree(world: World, choice: Choice, table: pd.DataFrame) -> None:
    rows = world.rows(choice)
    assert {row.key for row in rows} == set(table.index)
    for row in rows:
        line = table.loc[row.key]
        shown = [choice.indicator, *FiguresPage(world.figures(choice)).other_indicators]
        for indicator, cell in zip(shown, [row.first, *row.others], strict=True):
            value = round(number(line[indicator.column]) * indicator.scale, 9)
            assert value_text(value, indicator) == cell.text, (row.key, indicator.name)
            if cell.below:
                low, high = (
                    value_text(round(number(line[name]) * indicator.scale, 9), indicator)
                    for name in (indicator.low, indicator.high)
                )
                assert cell.below == f"{low.removesuffix(f' {indicator.unit}')}–{high}"
        assert line["judgement"] == row.judgement


def assert_tables_agree(world: World, choice: Choice, table: pd.DataFrame) -> None:
    book = openpyxl.load_workbook(io.BytesIO(world.get("xlsx", choice)))
    head, *lines = book["Werte"].iter_rows(values_only=True)
    labels = [column.label for column in COLUMNS.values()]
    if choice.demand:
        labels[labels.index("Orte je 10.000 Einwohner")] = "Orte je 10.000 Menschen"
    assert [*head] == labels
    for line in lines:
        values = dict(zip(COLUMNS, line, strict=True))
        for name, dtype in COVERAGE_COLUMNS.items():
            if dtype in {"int64", "float64"}:
                assert same(values[name], table.loc[values["key"], name]) if name != "key" else True
    layer = json.loads(world.get("geojson", choice))
    assert len(layer["features"]) == len(table)
    for feature in layer["features"]:
        properties = feature["properties"]
        line = table.loc[properties["key"]]
        for name in table.columns:
            assert same(properties.get(name), line[name]), name


def assert_layer_agrees(content: bytes, table: pd.DataFrame, figures: Figures, path: Path) -> None:
    """The GeoPackage has the figures, and QGIS's rules draw the classes of the page."""
    path.write_bytes(content)
    layer = f"abdeckung_{figures.choice.level}"
    shade_of = dict(zip(figures.coverage["key"], figures.shades.tolist(), strict=True))
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        for row in database.execute(f"SELECT * FROM {layer}"):  # noqa: S608 - one of three
            line = table.loc[row["key"]]
            for name, dtype in COVERAGE_COLUMNS.items():
                if name != "key":
                    value = (
                        bool(row[name])
                        if dtype == "boolean" and row[name] is not None
                        else row[name]
                    )
                    assert same(value, line[name]), name
        (qml,) = database.execute("SELECT styleQML FROM layer_styles").fetchone()
        rules = ET.fromstring(qml).findall("renderer-v2/rules/rule")  # noqa: S314 - our own
        for rule, entry in zip(rules, figures.legend, strict=False):
            assert rule.get("label") == entry.label
            query = f"SELECT key FROM {layer} WHERE {rule.get('filter')}"  # noqa: S608
            drawn = {key for (key,) in database.execute(query)}
            assert drawn == {key for key, shade in shade_of.items() if shade == entry.shade}
    database.close()


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b\u00ad]", "", text)


def assert_report_agrees(world: World, choice: Choice) -> None:
    reader = PdfReader(io.BytesIO(world.get("pdf", choice)))
    text = squeezed("".join(page.extract_text() for page in reader.pages))
    page = FiguresPage(world.figures(choice))
    for paragraph in page.summary:
        assert squeezed(paragraph) in text
    for row in world.rows(choice):
        cells = [row.first, *row.quality]
        written = "".join(
            [
                row.name,
                row.within,
                row.first.text,
                row.first.below,
                row.verdict,
                "; ".join(filter(None, ("kleine Zahl" * row.small, row.unknown))),
                *(part for cell in cells[1:] for part in (cell.text, cell.below)),
                row.people,
                *(part for cell in row.others for part in (cell.text, cell.below)),
            ]
        )
        assert squeezed(written) in text, row.key


def assert_map_agrees(world: World, choice: Choice) -> None:
    """The JSON of the web map has the texts of the table."""
    address = f"/planung/werte.json{query_string(choice)}"
    listed = {area[0]: area[2:4] for area in json.loads(world.client.get(address).data)["areas"]}
    for row in world.rows(choice):
        assert listed[row.key] == [row.first.text, row.first.below]


def api_query(choice: Choice) -> str:
    """What programs ask for the same as a choice of the pages."""
    pairs = [
        ("level", choice.level),
        ("radius_m", str(round(choice.radius_km * 1000))),
        *(("category", name) for name in choice.categories),
        *(("theme", name) for name in choice.themes),
        ("minimum_precision", choice.precision or ""),
        ("current_within_months", str(choice.current_months or "")),
        ("within", choice.area),
        ("demand", choice.demand),
    ]
    return urlencode([(name, value) for name, value in pairs if value])


def assert_api_agrees(world: World, choice: Choice, table: pd.DataFrame) -> None:
    """Programs get every figure that the CSV has; what is unknown is null with a reason."""
    address = "/api/v1/coverage{}?" + api_query(choice)
    answers = {kind: world.client.get(address.format(kind)) for kind in (".json", ".geojson")}
    assert [answer.status_code for answer in answers.values()] == [200, 200]
    said = answers[".json"].get_json()
    assert [row["key"] for row in said["areas"]] == [*table.index]
    for row in said["areas"]:
        for name in table.columns:
            assert same(row[name], table.loc[row["key"], name]), name
    features = answers[".geojson"].get_json()["features"]
    assert [feature["properties"] for feature in features] == said["areas"]
    assert all(feature["geometry"]["coordinates"] for feature in features)
    assert world.client.get(address.format(".csv")).data == world.get("csv", choice)
    figures = world.figures(choice)
    for row, line in zip(
        [*said["areas"], said["whole"]],
        pd.concat([figures.coverage, figures.whole]).to_dict("records"),
        strict=True,
    ):
        silent = {name for name, value in line.items() if pd.isna(value)}
        assert {name for name in line if row[name] is None} == silent
        assert set(row.get("missing", {})) == silent
        assert all(row[name] == line[name] for name in line if name not in silent)
    assert said["judged"] == figures.judged
    assert said["attribution"].split("\n") == [*figures.notes]
    assert said["count"]["selected"] == figures.count.selected
    assert said["revision"] == figures.revision


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(choice=CHOICES)
def test_every_figure_is_the_same_in_page_json_files_and_report(
    small: World, choice: Choice, tmp_path: Path
) -> None:
    assert_same_everywhere(small, choice, tmp_path)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(level="kreis"),
        Choice(level="verbandsgemeinde", indicator_name="entfernung", radius_km=7.3),
        Choice(level="gemeinde", indicator_name="e2sfca", area="07131", radius_km=12),
        Choice(level="gemeinde", area="071315001", method="quantile", breaks=()),
        Choice(level="kreis", indicator_name="je10000", method="eigene", breaks=(0.1, 0.25)),
    ],
    ids=query_string,
)
def test_every_figure_of_the_land_is_the_same(large: World, choice: Choice, tmp_path: Path) -> None:
    assert_same_everywhere(large, choice, tmp_path)


@pytest.mark.parametrize("level", [*PLANNING_LEVELS])
@pytest.mark.parametrize("indicator", ["anteil", "je10000"])
def test_people_known_in_part_are_the_same_everywhere(
    tmp_path: Path, level: Any, indicator: str
) -> None:
    """Nobody knows of Aheim, where four places are; few of the others are reached."""
    counted = {"07131001": None, "07131002": 40_000.0, "07211000": 0.3}
    demand = Demand("teils", "Schutzsuchende", "gemeinde", counted, "Amt")
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        store.save_demand(demand, now=NOW)
        world = World(store, ROWS, small_territory())
        choice = Choice(level=level, indicator_name=indicator, demand="teils")
        assert_same_everywhere(world, choice, tmp_path)
        assert any(row.unknown for row in world.rows(choice))


def assert_same_everywhere(world: World, choice: Choice, folder: Path) -> None:
    table = from_csv(world.get("csv", choice))
    assert_page_and_csv_agree(world, choice, table)
    assert_map_agrees(world, choice)
    assert_tables_agree(world, choice, table)
    figures = world.figures(choice)
    assert_layer_agrees(world.get("gpkg", choice), table, figures, folder / "layer.gpkg")
    assert_report_agrees(world, choice)
    assert_api_agrees(world, choice, table)


# ------------------------------------------------------------------------------ answers


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_given_under_a_name_that_says_what_it_is(small: World, kind: str) -> None:
    response = small.client.get(f"/planung/export.{kind}?ebene=kreis&umkreis=2,5")
    assert response.status_code == 200
    stem = {"png": "karte-anteil", "svg": "karte-anteil", "pdf": "bericht-anteil"}.get(
        kind, "abdeckung"
    )
    shown = "inline" if kind in {"png", "pdf"} else "attachment"
    name = f"{stem}-kreise-2,5km-2026-11-23.{kind}"
    assert response.headers["Content-Disposition"] == f'{shown}; filename="{name}"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    tag = response.headers["ETag"]
    again = small.client.get(
        f"/planung/export.{kind}?ebene=kreis&umkreis=2,5", headers={"If-None-Match": tag}
    )
    assert again.status_code == 304


def test_name_says_region_choice_and_level(small: World) -> None:
    choice = Choice(level="gemeinde", area="07131", kinds=("begegnung",), radius_km=5)
    name = files.file_name(small.figures(choice), "xlsx")
    assert name == "abdeckung-gemeinden-landkreis-auenland-5km-auswahl-2026-11-23.xlsx"
    assert name.isascii()


def test_method_sheet_says_everything_the_figures_depend_on(small: World) -> None:
    choice = Choice(level="gemeinde", area="07131", kinds=("begegnung",), current_months=12)
    book = openpyxl.load_workbook(io.BytesIO(small.get("xlsx", choice)))
    method = {row[0].value: str(row[1].value) for row in book["Methode"]}
    assert method["Gebiet"] == "Landkreis Auenland"
    assert method["Verglichen werden"] == "Gemeinden"
    assert method["Umkreis"] == "5 km Luftlinie"
    assert "12 Monaten" in method["Aktualität"]
    assert method["Dieselbe Auswertung im Internet"].endswith(f"/planung{query_string(choice)}")


def test_csv_leads_to_its_description(small: World) -> None:
    response = small.client.get("/planung/export.csv?ebene=kreis")
    address = re.match("<([^>]+)>", response.headers["Link"])
    assert address
    described = json.loads(small.client.get(address[1]).data)
    assert described["url"] == "/planung/export.csv?ebene=kreis"
    assert [one["name"] for one in described["tableSchema"]["columns"]] == [*COVERAGE_COLUMNS]
    assert "Umkreis: 5 km Luftlinie" in described["dc:provenance"]


def test_a_page_of_the_table_or_its_order_makes_no_other_file(small: World) -> None:
    usual = small.client.get("/planung/export.csv")
    other = small.client.get("/planung/export.csv?sortierung=name&richtung=ab")
    assert usual.headers["ETag"] == other.headers["ETag"]


def test_maps_come_for_the_screen_and_for_paper(small: World) -> None:
    screen = small.client.get("/planung/export.png?ebene=kreis").data
    paper = small.client.get("/planung/export.png?ebene=kreis&blatt=a4").data
    assert [int.from_bytes(png[16:20]) for png in (screen, paper)] == [1600, 1652]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/planung/export.doc", 404),
        ("/planung/export.", 404),
        ("/planung/export.csv?umkreis=0", 400),
        ("/planung/export.pdf?gebiet=99999", 400),
        ("/planung/export.png?blatt=a0", 400),
    ],
)
def test_what_there_is_not_is_refused_with_a_page(small: World, address: str, status: int) -> None:
    response = small.client.get(address)
    assert response.status_code == status
    assert response.mimetype == "text/html"


def test_files_have_no_other_languages(small: World) -> None:
    response = small.client.get("/en/planung/export.csv?ebene=kreis")
    assert response.status_code in {301, 308}
    assert response.headers["Location"].endswith("/planung/export.csv?ebene=kreis")


def test_when_too_many_files_are_made_others_are_told_when_to_come_back(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr(files, "_room", room)
    monkeypatch.setattr(files, "WAIT_S", 0.01)
    with room:
        response = small.client.get("/planung/export.png?ebene=kreis&umkreis=33")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "Sekunden" in response.text
    assert response.headers["Cache-Control"] == "no-store"
    assert small.client.get("/planung/export.png?ebene=kreis&umkreis=33").status_code == 200


def test_a_finished_file_needs_no_place(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr(files, "_room", room)
    monkeypatch.setattr(files, "WAIT_S", 0.01)
    made = small.client.get("/planung/export.csv?ebene=kreis&umkreis=34")
    with room:
        again = small.client.get("/planung/export.csv?ebene=kreis&umkreis=34")
        scenario = small.client.get("/planung/export.csv?ebene=kreis&neu=7.15,50.05")
    assert again.status_code == 200
    assert again.data == made.data
    assert scenario.status_code == 503


def test_choice_without_any_place_still_makes_every_file(small: World) -> None:
    for kind in KINDS:
        response = small.client.get(f"/planung/export.{kind}?thema={THEMES[1]}&ebene=kreis")
        assert response.status_code == 200, kind


def test_hostile_text_is_never_code_in_files(tmp_path: Path) -> None:
    text = '=cmd|"/c calc"!A1 ' + VECTORS[0]
    land = replace(small_territory(), about={"source_note": text, "source": text})
    rows = [place(1, name=text, coordinate_source=text, coordinate_licence=text)]
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        hostile = World(store, rows, land)
        for kind in KINDS:
            content = hostile.get(kind, Choice(level="kreis"))
            if kind == "svg":
                assert b"<script" not in content
            if kind == "xlsx":
                book = openpyxl.load_workbook(io.BytesIO(content))
                cells = [cell for sheet in book for line in sheet for cell in line]
                assert not [cell for cell in cells if cell.data_type == "f"]
