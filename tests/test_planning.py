"""The planners' pages: one choice, one set of figures, the same in page, map and table."""

from __future__ import annotations

import ast
import io
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import shapely
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
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
from werkzeug.datastructures import MultiDict

from geo_service import config, maps
from geo_service.classification import BORDER, HATCHES, METHODS, NO_DATA, SEQUENTIAL
from geo_service.errors import InputError
from geo_service.schema import CATEGORIES, CATEGORY_GROUPS, THEMES, Demand
from geo_service.snapshot import Snapshot, Territory
from geo_service.store import Store
from geo_service.web import planning
from geo_service.web.planning.figures import figures_of, scaled, value_text
from geo_service.web.planning.pictures import subtitle
from geo_service.web.planning.query import (
    COLUMNS,
    INDICATORS,
    PLANNING_LEVELS,
    PRECISION_NAMES,
    Choice,
    query_string,
    read_choice,
    read_pair,
)
from geo_service.web.planning.reports import build_report
from geo_service.web.planning.summary import describe_choice, summarise
from geo_service.web.planning.tables import (
    PER_PAGE,
    Comparison,
    FiguresPage,
    _part,
    values_json,
)
from geo_service.web.queries import AddressError

AHEIM, BDORF, CSTADT = "07131001", "07131002", "07211000"
AREAS = ("07131", "07211", "071315001", "072110000")


def asked(text: str, **known: Any) -> Choice:
    """Read a query string as the pages do."""
    pairs = [pair.split("=", 1) for pair in text.split("&") if pair]
    return read_choice(MultiDict((k, unescape(v)) for k, v in pairs), areas=AREAS, **known)


def snapshot_of(folder: Path, rows: list[dict[str, Any]], territory: Territory) -> Snapshot:
    with Store(f"sqlite:///{folder / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        return Snapshot.of(store.read(), territory)


ROWS = [
    place(1),
    place(2, source_date="2020", confirmed_on=None),
    place(3, source_date=None),
    place(4, point=None),
    place(5, category="Sprachcafé/Sprachkurs", ags=CSTADT, point=(7.25, 50.05), theme=THEMES[0]),
]
"""Three exact places at the middle of Aheim, one without a point, one in the town Cstadt."""

ROUGH = [place(1, street=None, coordinate_precision="municipality")]
"""One place somewhere in Aheim."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot_of(tmp_path_factory.mktemp("small"), ROWS, small_territory())


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot_of(tmp_path_factory.mktemp("rough"), ROUGH, small_territory())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Snapshot:
    """The Land with a place in every 40th municipality, every second of them rough."""
    towns = territory.municipalities[["ags", "seat_lon", "seat_lat"]].iloc[::40]
    rows = [
        place(
            n,
            ags=ags,
            point=(lon, lat),
            coordinate_precision="address" if n % 2 else "municipality",
            category=CATEGORIES[n % len(CATEGORIES)],
        )
        for n, (ags, lon, lat) in enumerate(towns.itertuples(index=False, name=None))
    ]
    return snapshot_of(tmp_path_factory.mktemp("large"), rows, territory)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('client') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        yield app_of(store, small_territory()).test_client()


def test_one_month_is_said_as_one(small: Snapshot) -> None:
    assert describe_choice(Choice(current_months=1)) == (
        "angegeben oder bestätigt im letzten Monat",
    )
    assert describe_choice(Choice(current_months=12)) == (
        "angegeben oder bestätigt in den letzten 12 Monaten",
    )


@pytest.mark.parametrize(("rough", "share"), [(299, "99,6 %"), (1, "0,3 %")])
def test_nearly_all_are_not_all_and_a_few_are_not_none(
    tmp_path: Path, rough: int, share: str
) -> None:
    kinds = ["municipality"] * rough + ["address"] * (300 - rough)
    rows = [place(n, coordinate_precision=kind) for n, kind in enumerate(kinds)]
    figures = figures_of(snapshot_of(tmp_path, rows, small_territory()), Choice(), TODAY)
    assert f"300 Orte: {rough} ({share}) nur grob verortet" in summarise(figures)[-1]
    assert _part(figures.whole.iloc[0], "rough").text == share
    report = build_report(figures, service="", map_svg=b"", parameters={}, address="")
    said = dict(report.sections[0].pairs)["Grob verortet"]
    assert said.startswith(f"{rough} ({share}): ")


# ---------------------------------------------------------------------------- addresses

CHOICES = st.builds(
    Choice,
    level=st.sampled_from([*PLANNING_LEVELS]),
    indicator_name=st.sampled_from([*INDICATORS]),
    radius_km=st.integers(1, 1000).map(lambda tenths: tenths / 10),
    kinds=st.lists(st.sampled_from([*CATEGORY_GROUPS, *CATEGORIES]), unique=True, max_size=3).map(
        lambda kinds: tuple(sorted(kinds))
    ),
    themes=st.lists(st.sampled_from(THEMES), unique=True, max_size=2).map(
        lambda themes: tuple(sorted(themes))
    ),
    precision=st.sampled_from([value for value, _ in PRECISION_NAMES.values()]),
    current_months=st.none() | st.integers(1, 1200),
    area=st.sampled_from(["", "07131", "07211"]),
    method=st.sampled_from([method for method in METHODS if method != "eigene"]),
    classes=st.integers(2, 5),
    breaks=st.just(())
    | st.lists(st.integers(1, 90), unique=True, min_size=1, max_size=4).map(
        lambda breaks: tuple(sorted(map(float, breaks)))
    ),
    sort=st.sampled_from(["", *COLUMNS]),
    descending=st.sampled_from([None, True, False]),
    page=st.integers(1, 99),
)


@given(choice=CHOICES)
@example(choice=Choice())
@settings(max_examples=200, deadline=None)
def test_an_address_means_its_choice_and_a_choice_has_one_address(choice: Choice) -> None:
    address = query_string(choice)
    with small_app().test_request_context("/planung" + address) as context:
        read = read_choice(context.request.args, areas=AREAS)
    assert query_string(read) == address
    assert read.parameters == choice.parameters
    assert (read.sort_column, read.is_descending) == (choice.sort_column, choice.is_descending)


def small_app() -> Any:
    from flask import Flask

    return Flask(__name__)


def test_defaults_need_no_address() -> None:
    assert query_string(Choice()) == ""
    assert asked("ebene=verbandsgemeinde&umkreis=5&kennzahl=anteil&klassen=natuerlich") == Choice()
    assert asked("umkreis=2,5") == asked("umkreis=2.5") == Choice(radius_km=2.5)
    assert asked("umkreis=٥") == Choice()  # digits of every script
    assert asked("genauigkeit=gemeinde&aktuell=&art=&neues=1") == Choice()


def test_a_group_means_its_categories() -> None:
    chosen = asked("art=haus&art=Mehrgenerationenhaus&art=Fahrradwerkstatt")
    assert set(chosen.categories) == {*CATEGORY_GROUPS["haus"], "Fahrradwerkstatt"}


@pytest.mark.parametrize(
    ("query", "name", "expected", "came"),
    [
        ("umkreis=0", "umkreis", "0,1 bis 100", "„0“"),
        ("umkreis=100,1", "umkreis", "0,1 bis 100", "„100,1“"),
        ("umkreis=nan", "umkreis", "Zahl", "„nan“"),
        ("umkreis=1e1", "umkreis", "Zahl", "„1e1“"),
        ("umkreis=5&umkreis=6", "umkreis", "eine Angabe", "„5, 6“"),
        ("ebene=land", "ebene", "kreis, verbandsgemeinde, gemeinde", "„land“"),
        ("kennzahl=x", "kennzahl", "anteil", "„x“"),
        ("art=Kneipe", "art", "Begegnungscafé", "„Kneipe“"),
        ("thema=x", "thema", "Begegnungsorte", "„x“"),
        ("genauigkeit=haus", "genauigkeit", "adresse", "„haus“"),
        ("aktuell=0", "aktuell", "1 bis 1.200", "„0“"),
        ("aktuell=1,5", "aktuell", "ganze Zahl", "„1,5“"),
        ("gebiet=07999", "gebiet", "Kreises", "„07999“"),
        ("gebiet=07131001", "gebiet", "Kreises", "„07131001“"),
        ("gebiet=071315001&ebene=kreis", "ebene", "gemeinde", "„kreis“"),
        ("bedarf=x", "bedarf", "nichts geladen", "„x“"),
        ("klassen=jenks", "klassen", "natuerlich", "„jenks“"),
        ("klassen=eigene", "grenzen", "10;20;50", "nichts"),
        ("grenzen=20;10", "grenzen", "aufsteigende", "„20;10“"),
        ("grenzen=1;2;3;4;5", "grenzen", "bis vier", "„1;2;3;4;5“"),
        ("stufen=6", "stufen", "2 bis 5", "„6“"),
        ("sortierung=x", "sortierung", "name", "„x“"),
        ("richtung=x", "richtung", "auf", "„x“"),
        ("seite=0", "seite", "1 bis", "„0“"),
    ],
)
def test_a_refusal_names_the_parameter_what_was_expected_and_what_came(
    client: FlaskClient, query: str, name: str, expected: str, came: str
) -> None:
    answer = client.get(f"/planung?{query}")
    text = unescape(re.sub("<[^>]+>", "", answer.text))
    assert answer.status_code == 400
    assert re.search(
        f"Angabe „{name}“: .*{re.escape(expected)}.*gekommen ist {re.escape(came)}", text
    )
    with pytest.raises(AddressError) as refused:
        asked(query)
    assert refused.value.parameter == name


def test_two_areas_are_read_or_refused() -> None:
    both = MultiDict([("gebiet", "07211"), ("gebiet", "07131"), ("gebiet", "")])
    assert read_pair(both, areas=AREAS) == ("07211", "07131")
    for wrong in ([], ["07131"], ["07131", "07131"], ["07131", "x"], [*AREAS]):
        with pytest.raises(AddressError, match="gebiet"):
            read_pair(MultiDict(("gebiet", key) for key in wrong), areas=AREAS)


@given(
    st.dictionaries(st.sampled_from([*"abc", "umkreis", "grenzen", "seite", "gebiet"]), st.text())
)
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(args: dict[str, str]) -> None:
    try:
        read_choice(MultiDict(args), areas=AREAS)
    except InputError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
    assert len(said) < 400


# ---------------------------------------------------------------------------- figures


def test_figures_are_those_of_the_coverage_in_the_indicators_unit(small: Snapshot) -> None:
    figures = figures_of(small, Choice(level="gemeinde"), TODAY)
    assert figures.coverage["key"].tolist() == [AHEIM, BDORF, CSTADT]
    # Bdorf's seat is 7.2 km from both others, so 5 km do not reach it.
    assert figures.values.tolist() == [100.0, 0.0, 100.0]
    assert figures.judged == {"gap": 1, "no_gap": 2, "uncertain": 0, "too_small": 0, "unknown": 0}
    assert figures.whole["people_beyond"].tolist() == [7000.0]
    wide = figures_of(
        small, Choice(level="gemeinde", radius_km=8, indicator_name="ausserhalb"), TODAY
    )
    assert wide.values.tolist() == [0.0, 0.0, 0.0]
    way = figures_of(small, Choice(level="gemeinde", indicator_name="entfernung"), TODAY)
    assert way.values == pytest.approx([0, 7.16, 0], abs=0.02)


def test_filters_reach_the_figures(small: Snapshot) -> None:
    spoken = figures_of(small, Choice(level="gemeinde", kinds=("sprache",)), TODAY)
    assert spoken.coverage["places"].tolist() == [0, 0, 1]
    dated = figures_of(small, Choice(level="gemeinde", current_months=12), TODAY)
    assert dated.coverage["places"].tolist() == [1, 0, 1]
    assert figures_of(small, Choice(themes=(THEMES[1],)), TODAY).count.selected == 0


def test_area_narrows_the_rows_and_names_the_whole(small: Snapshot) -> None:
    figures = figures_of(small, Choice(level="gemeinde", area="07131"), TODAY)
    assert figures.coverage["key"].tolist() == [AHEIM, BDORF]
    assert (figures.region.name, figures.whole["population"].tolist()) == (
        "Landkreis Auenland",
        [9000],
    )
    inner = figures_of(small, Choice(level="gemeinde", area="071315001"), TODAY)
    assert inner.coverage["key"].tolist() == [AHEIM, BDORF]
    assert inner.region.name == "Verbandsgemeinde Aheim"
    town = figures_of(small, Choice(level="verbandsgemeinde", area="07211"), TODAY)
    assert town.coverage["key"].tolist() == ["072110000"]
    assert town.name("072110000") == "Cstadt (Stadt)"


def test_a_judgement_that_flips_within_the_range_is_hatched_and_said(rough: Snapshot) -> None:
    figures = figures_of(rough, Choice(level="gemeinde"), TODAY)
    # The place may stand anywhere in Aheim, 7 km wide: within 5 km of its seat or not; within
    # 5 km of the next seat in fewer than one layout in twenty.
    assert figures.coverage["judgement"].tolist()[:2] == ["uncertain", "gap"]
    assert figures.hatches[:2] == ("uncertain", "")
    low, high = figures.ranges
    assert (low <= figures.values).all()
    assert (figures.values <= high).all()
    assert low[0] == 0
    assert high[0] == 100
    assert "zu unsicher" in " ".join(summarise(figures))
    page = FiguresPage(figures)
    assert next(row for row in page.rows if row.key == AHEIM).first.below == "0–100 %"


def test_unknown_people_are_hatched_and_never_zero(small: Snapshot) -> None:
    demand = Demand(
        "neu", "Schutzsuchende", "gemeinde", {AHEIM: None, BDORF: 40.0, CSTADT: 9.0}, "Amt"
    )
    counted = replace(small, demands=(demand,))
    figures = figures_of(counted, Choice(level="gemeinde", demand="neu"), TODAY)
    assert figures.hatches[0] == "unknown"
    assert figures.shades[0] == 0
    assert np.isnan(figures.values[0])
    assert figures.coverage["judgement"].iloc[0] == "unknown"
    assert "keine Zahl der Menschen" in " ".join(summarise(figures))
    assert any("Schutzsuchende" in note and "Amt" in note for note in figures.notes)
    row = next(row for row in FiguresPage(figures).rows if row.key == AHEIM)
    assert row.first.text == "keine Angabe"
    assert [row.key for row in FiguresPage(figures).rows][-1] == AHEIM  # unknown last


def test_dark_is_more_need_whatever_the_indicator(small: Snapshot) -> None:
    share = figures_of(small, Choice(level="gemeinde"), TODAY)
    beyond = figures_of(small, Choice(level="gemeinde", indicator_name="ausserhalb"), TODAY)
    assert share.shades.tolist() == beyond.shades.tolist() == [1, 5, 1]
    assert [entry.shade for entry in share.legend] == [5, 1]
    assert sum(entry.count for entry in share.legend) == 3


def test_legend_states_own_breaks(large: Snapshot) -> None:
    figures = figures_of(
        large, Choice(level="gemeinde", breaks=(10.0, 50.0), method="eigene"), TODAY
    )
    assert [entry.label for entry in figures.legend] == [
        "unter 10 %",
        "10 % bis unter 50 %",
        "ab 50 %",
    ]
    for entry in figures.legend:
        assert entry.count == int((figures.shades == entry.shade).sum())


@pytest.mark.parametrize("level", [*PLANNING_LEVELS])
def test_every_area_is_on_one_page_of_the_table(large: Snapshot, level: Any) -> None:
    figures = figures_of(large, Choice(level=level), TODAY)
    pages = FiguresPage(figures).pages
    keys = [
        row.key
        for page in range(1, pages + 1)
        for row in FiguresPage(figures_of(large, Choice(level=level, page=page), TODAY)).rows
    ]
    assert len(keys) == len(set(keys)) == len(figures.coverage)
    assert pages == -(-len(keys) // PER_PAGE)


@pytest.mark.parametrize("column", [*COLUMNS])
@pytest.mark.parametrize("descending", [True, False])
def test_table_is_sorted_by_what_it_says(large: Snapshot, column: str, descending: bool) -> None:
    choice = Choice(level="kreis", sort=column, descending=descending)
    figures = figures_of(large, choice, TODAY)
    ordered = figures.coverage.iloc[figures.order]
    values = ordered[COLUMNS[column].column]
    if column == "name":
        keys: list[Any] = values.str.casefold().tolist()
    elif column == "urteil":
        keys = [("gap", "uncertain", "unknown", "too_small", "no_gap").index(v) for v in values]
    else:
        keys = values.tolist()
    assert keys == sorted(keys, reverse=descending)
    for (one, first), (other, second) in itertools.pairwise(zip(keys, ordered["key"], strict=True)):
        assert one != other or first < second


def test_the_same_choice_is_measured_once(small: Snapshot) -> None:
    figures = figures_of(small, Choice(), TODAY)
    again = figures_of(small, Choice(sort="name", page=2), TODAY)
    assert again.coverage is figures.coverage
    assert again.classification is figures.classification


def test_summary_says_how_many_which_and_how_sure(small: Snapshot) -> None:
    text = " ".join(summarise(figures_of(small, Choice(level="gemeinde"), TODAY)))
    assert text.startswith(
        "In 1 von 3 Gemeinden in Rheinland-Pfalz hat weniger als die Hälfte der Menschen einen"
        " Ort im Umkreis von 5 Kilometern (Luftlinie)."
    )
    assert "7.000 von 99.000 Menschen (7 %) weiter als 5 Kilometer" in text
    assert "Am niedrigsten ist der Wert in Bdorf (0 %)" in text
    assert "Gezählt sind in Rheinland-Pfalz 4 Orte: 1 (25 %) seit über 24 Monaten" in text
    assert "1 (25 %) ohne jedes Datum" in text
    assert "Ein Ort der Auswahl hat keinen Punkt und zählt nirgends mit." in text


@given(choice=CHOICES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_choice_can_be_said_and_shown(small: Snapshot, choice: Choice) -> None:
    if choice.area == "07211" and choice.level == "kreis":
        choice = replace(choice, area="")
    figures = figures_of(small, replace(choice, page=1), TODAY)
    said = " ".join(summarise(figures))
    assert said.endswith(".")
    assert "nan" not in said
    page = FiguresPage(figures)
    assert [row.key for row in page.rows] == figures.coverage["key"].iloc[figures.order].tolist()
    data = json.loads(values_json(figures))
    for key, _, text, below, shade, _, verdict, *_ in data["areas"]:
        row = next(row for row in page.rows if row.key == key)
        assert (text, below, shade) == (row.first.text, row.first.below, row.shade)
        assert data["verdicts"][verdict] == row.verdict


def test_map_values_are_the_numbers_of_the_table(large: Snapshot) -> None:
    for name, indicator in INDICATORS.items():
        figures = figures_of(large, Choice(level="kreis", indicator_name=name), TODAY)
        raw = scaled(figures.coverage, indicator, indicator.column)
        areas = json.loads(values_json(figures))["areas"]
        assert [area[2] for area in areas] == [value_text(float(value), indicator) for value in raw]
        assert (figures.classification.index != NO_DATA).all()


def knowing(snapshot: Snapshot, slug: str = "teils", **figures: float | None) -> Snapshot:
    """Return the same with a demand that knows of Bdorf and Cstadt, but not of Aheim.

    What is measured is kept by the demand's name: other figures need another.
    """
    counted = {AHEIM: None, BDORF: 4_000.0, CSTADT: 900.0, **figures}
    return replace(snapshot, demands=(Demand(slug, "Schutzsuchende", "gemeinde", counted, "Amt"),))


UNKNOWN_NOTE = "ohne 1 Gemeinde: Zahl unbekannt"


def test_people_unknown_in_part_are_said_wherever_the_rest_is_judged(small: Snapshot) -> None:
    choice = Choice(level="kreis", demand="teils", indicator_name="je10000")
    figures = figures_of(knowing(small), choice, TODAY)
    said = " ".join(summarise(figures))
    assert "leben 4.000 von 4.900 bekannten Menschen (82 %)" in said
    assert "In einer Gemeinde ist die Zahl unbekannt; sie zählt nicht mit." in said
    notes = {row.key: row.unknown for row in FiguresPage(figures).rows}
    assert notes == {"07131": UNKNOWN_NOTE, "07211": ""}
    assert [area[8:] for area in json.loads(values_json(figures))["areas"]] == [[UNKNOWN_NOTE], []]
    both = Comparison.of(knowing(small), choice, ("07131", "07211"), TODAY)
    assert [UNKNOWN_NOTE in verdict.below for verdict in both.verdicts] == [True, False]
    report = build_report(figures, service="", map_svg=b"", parameters={}, address="")
    assert [UNKNOWN_NOTE in row[2].below for row in report.rows].count(True) == 1
    assert ("Menschen unbekannt", "1 Gemeinde: zählen nicht mit") in report.sections[0].pairs
    # Three places of Aheim, whose people are unknown, do not count; none is left.
    assert figures.coverage["places_per_10k"].tolist()[0] == 0


def test_whose_people_are_counted_and_where_stands_with_the_figures(small: Snapshot) -> None:
    everybody = figures_of(small, Choice(), TODAY)
    seats = "gezählt am Sitz ihrer Gemeinde, jede Gemeinde als ein Punkt"
    assert f"Menschen sind hier: alle, {seats}." in " ".join(summarise(everybody))
    assert "Einwohnerinnen" in figures_of(small, Choice(indicator_name="je10000"), TODAY).title
    choice = Choice(level="kreis", demand="teils", indicator_name="je10000")
    figures = figures_of(knowing(small), choice, TODAY)
    assert "Menschen sind hier: „Schutzsuchende“, gezählt" in " ".join(summarise(figures))
    assert figures.title == "Orte je 10.000 Menschen"
    assert "Menschen: „Schutzsuchende“" in FiguresPage(figures).counted
    assert "Schutzsuchende" in subtitle(figures)
    both = Comparison.of(knowing(small), choice, ("07131", "07211"), TODAY)
    assert any("Schutzsuchende" in sentence for sentence in both.sentences)
    report = build_report(figures, service="", map_svg=b"", parameters={}, address="")
    formula = dict(report.sections[1].pairs)["Orte je 10.000"]
    assert "Einwohner" not in formula


def test_demand_of_another_territory_is_refused_in_german_with_a_way_out(tmp_path: Path) -> None:
    """Nothing the reader did: the boundaries changed after the demand was loaded."""
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        figures = {AHEIM: 5.0, BDORF: 4_000.0, "07999001": 900.0}
        store.save_demand(Demand("neu", "Schutzsuchende", "gemeinde", figures, "Amt"), now=NOW)
        client = app_of(store, small_territory()).test_client()
        paths = ("/planung", "/planung/szenario", "/planung/standorte", "/planung/export.csv",
                 "/planung/gebiete?gebiet=07131&gebiet=07211")  # fmt: skip
        for path in paths:
            response = client.get(f"{path}{'&' if '?' in path else '?'}bedarf=neu")
            page = unescape(response.text)
            assert response.status_code == 400, path
            assert "Der Bedarf „Schutzsuchende“ gehört zu anderen Gemeinden" in page, path
            assert "Ohne diese Angabe weiter" in page, path
            assert "expected" not in page, path
        for path in ("coverage", "siting"):
            response = client.get(f"/api/v1/{path}?demand=neu")
            assert response.status_code == 409, path
            assert "demand: expected" in response.get_json()["detail"], path


def test_pages_name_the_demand(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        figures = {AHEIM: None, BDORF: 4_000.0, CSTADT: 900.0}
        demand = Demand("neu", "Schutzsuchende", "gemeinde", figures, "Amt")
        store.save_demand(demand, now=NOW)
        client = app_of(store, small_territory()).test_client()
        pair = "gebiet=07131&gebiet=07211&bedarf=neu"
        compared = unescape(client.get(f"/planung/gebiete?{pair}").text)
        table = unescape(client.get("/planung?ebene=kreis&bedarf=neu").text)
        planned = unescape(client.get("/planung/szenario?ebene=kreis&bedarf=neu").text)
        values = client.get("/planung/szenario.json?ebene=kreis&bedarf=neu").get_json()
        book = openpyxl.load_workbook(
            io.BytesIO(client.get("/planung/export.xlsx?bedarf=neu").data), read_only=True
        )
        columns = client.get("/planung/export.csv-metadata.json?bedarf=neu").text
        everybody = unescape(client.get("/planung").text)
    assert "Gezählt wird: Menschen: „Schutzsuchende“." in compared
    for page in (compared, table, planned):
        assert UNKNOWN_NOTE in page
        assert "„Schutzsuchende“, gezählt" in page
    assert [area[8:] for area in values["areas"]] == [[UNKNOWN_NOTE], []]
    sheets = [str(cell) for sheet in book for row in sheet.values for cell in row]
    for text in (table, planned, columns, "\n".join(sheets)):
        assert "Orte je 10.000 Menschen" in text
        assert "10.000 Einwohner" not in text
    assert "Orte je 10.000 Einwohnerinnen und Einwohner" in everybody


def test_a_figure_that_is_not_none_never_reads_0(large: Snapshot) -> None:
    for name, indicator in INDICATORS.items():
        figures = figures_of(large, Choice(level="gemeinde", indicator_name=name), TODAY)
        for value in figures.values[np.isfinite(figures.values)].tolist():
            text = value_text(value, indicator).removesuffix(f" {indicator.unit}")
            assert (text.strip("0,") == "") == (value == 0), (name, value)
    texts = [value_text(value, INDICATORS["je10000"]) for value in (0.017, 0.0004, 0.0)]
    assert texts == ["0,02", "unter 0,001", "0,0"]
    assert value_text(0.0004, INDICATORS["anteil"]) == "unter 0,001 %"


def test_summary_of_one_area_says_what_the_table_says(small: Snapshot) -> None:
    """In the Verbandsgemeinde 6,971 of 7,000 are Bdorf's, whom a place of Aheim's is too far."""
    choice = Choice(level="verbandsgemeinde", area="07131", demand="wenige")
    one = figures_of(knowing(small, "wenige", **{AHEIM: 29.0, BDORF: 6_971.0}), choice, TODAY)
    first = FiguresPage(one).rows[0].first.text
    assert first == "0,4 %"
    assert f": {first} der Menschen erreicht, Lücke." in summarise(one)[0]
    assert "6.971 von 7.000 Menschen (99,5 %)" in " ".join(summarise(one))
    none = replace(choice, demand="keine")
    unknown = figures_of(knowing(small, "keine", **{BDORF: None}), none, TODAY)
    assert "Verbandsgemeinde Aheim: Zahl der Menschen unbekannt." in summarise(unknown)[0]


def test_faults_of_a_single_place_are_said(small: Snapshot, rough: Snapshot) -> None:
    assert "ein einziger Ort, nur grob verortet." in " ".join(
        summarise(figures_of(rough, Choice(), TODAY))
    )
    town = " ".join(summarise(figures_of(small, Choice(area="07211"), TODAY)))
    assert "ein einziger Ort, genau verortet und aktuell." in town


def test_own_breaks_part_exact_shares_as_the_files_do(small: Snapshot) -> None:
    table = figures_of(small, Choice(), TODAY).coverage.assign(share_reached=0.29)
    assert (scaled(table, INDICATORS["anteil"], "share_reached") == 29.0).all()


def test_parts_have_full_stops_between_thousands() -> None:
    assert _part({"places": 1234, "rough": 1200}, "rough").below == "1.200 von 1.234"


# ---------------------------------------------------------------------------- two areas


def test_two_areas_are_measured_alike_and_overlapping_ranges_said(rough: Snapshot) -> None:
    both = Comparison.of(rough, Choice(), (AHEIM, BDORF), TODAY)
    assert [area.name for area in both.areas] == ["Aheim", "Bdorf"]
    share = next(line for line in both.lines if line.name == "anteil")
    assert share.overlap
    assert any("überschneiden" in sentence for sentence in both.sentences)
    levels = Comparison.of(rough, Choice(), ("07131", "072110000"), TODAY)
    assert [area.name for area in levels.areas] == ["Landkreis Auenland", "Cstadt (Stadt)"]


def test_comparison_page_shows_both_and_keeps_the_choice(client: FlaskClient) -> None:
    page = client.get("/planung/gebiete?gebiet=07131&gebiet=07211&umkreis=8&art=haus").text
    assert "Landkreis Auenland und Cstadt" in unescape(page)
    assert '<input type="hidden" name="umkreis" value="8">' in page
    assert '<input type="hidden" name="art" value="haus">' in page
    assert client.get("/planung/gebiete").status_code == 200
    assert client.get("/planung/gebiete?gebiet=07131").status_code == 400


# ---------------------------------------------------------------------------- pages


def links(page: str) -> set[str]:
    return {unescape(address) for address in re.findall(r'href="([^"]*)"', page)}


def test_page_is_whole_without_a_script(client: FlaskClient) -> None:
    page = client.get("/planung?ebene=gemeinde").text
    for text in ("Aheim", "Bdorf", "Cstadt", "keine Lücke", "100 %", "7.000"):
        assert text in page
    assert re.search(
        r'<noscript><a [^>]*><img [^>]*src="/planung/export\.png\?ebene=gemeinde"', page
    )
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=", page)
    assert 'aria-sort="ascending"' in page  # the share, smallest first
    assert page.count('<th scope="row">') == 3


def test_every_heading_leads_to_its_method(client: FlaskClient) -> None:
    method = client.get("/planung/methode").text
    anchors = set(re.findall(r'\bid="([^"]+)"', method))
    wanted = {
        address.partition("#")[2]
        for path in ("/planung?ebene=gemeinde", "/planung/gebiete?gebiet=07131&gebiet=07211")
        for address in links(client.get(path).text)
        if address.startswith("/planung/methode#")
    }
    assert wanted >= {*COLUMNS, "kleine-zahlen"}
    assert wanted <= anchors
    assert {address[1:] for address in links(method) if address.startswith("#")} <= anchors


def test_links_of_the_page_work(client: FlaskClient) -> None:
    seen: set[str] = set()
    for path in ("/planung", "/planung?gebiet=07131", "/planung?ebene=gemeinde&kennzahl=e2sfca"):
        for address in links(client.get(path).text):
            if address.startswith("/planung") and "/export." not in address:
                seen.add(address.partition("#")[0])
    assert len(seen) > 20
    for address in sorted(seen):
        assert client.get(address).status_code == 200, address


def test_drill_down_leads_from_the_land_to_a_municipality(client: FlaskClient) -> None:
    assert "/planung?gebiet=07131" in links(client.get("/planung?ebene=kreis").text)
    inner = links(client.get("/planung?gebiet=07131").text)
    assert "/planung?ebene=gemeinde&gebiet=071315001" in inner
    assert "/planung?ebene=kreis" in inner  # back to the Land
    last = links(client.get("/planung?ebene=gemeinde&gebiet=071315001").text)
    assert {"/gebiete/07131001", "/planung?gebiet=07131"} <= last


def test_planners_pages_are_german_alone(client: FlaskClient) -> None:
    answer = client.get("/ar/planung?ebene=kreis")
    assert answer.status_code == 308
    assert answer.headers["Location"] == "/planung?ebene=kreis"
    page = client.get("/planung")
    assert page.headers["Content-Language"] == "de"
    assert 'rel="alternate"' not in page.text
    assert 'href="/planung"' in client.get("/ar/").text


def test_nothing_passes_the_filter_or_is_there(client: FlaskClient, tmp_path: Path) -> None:
    page = client.get("/planung?thema=Hauptamt+und+Ehrenamt&umkreis=8")
    assert page.status_code == 200
    assert "Kein Ort erfüllt diese Auswahl" in page.text
    assert "/planung?umkreis=8" in links(page.text)
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1, point=None)]))
        empty = app_of(store, small_territory()).test_client()
        for path in (
            "/planung",
            "/planung/werte.json",
            "/planung/gebiete?gebiet=07131&gebiet=07211",
        ):
            assert empty.get(path).status_code == 200


def test_answers_are_kept_tagged_and_need_no_cookie(client: FlaskClient) -> None:
    for path in ("/planung", "/planung/werte.json", "/planung/methode", "/planung/karte.js"):
        answer = client.get(path)
        assert "Set-Cookie" not in answer.headers
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Vary"] == "Accept-Encoding"
        tag = answer.headers["ETag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_borders_are_kept_for_good_under_their_version(client: FlaskClient) -> None:
    page = client.get("/planung").text
    address = unescape(re.search(r'data-borders="([^"]+)"', page)[1])  # type: ignore[index]
    answer = client.get(address)
    assert "immutable" in answer.headers["Cache-Control"]
    assert "immutable" not in client.get(address.partition("?")[0]).headers["Cache-Control"]
    assert client.get("/planung/grenzen/stadt.json").status_code == 404
    assert client.get("/planung/grenzen/kreis.json?kreis=1").status_code == 400


def test_packed_borders_are_those_of_the_geojson(territory: Territory) -> None:
    thinned = maps.thin_borders(territory.municipalities)
    for level in ("gemeinde", "verbandsgemeinde", "kreis"):
        packed = json.loads(maps.packed_borders(thinned, level=level, note="©"))
        plain = json.loads(maps.borders_geojson(thinned, level=level))
        shapes = {
            f["properties"]["key"]: shapely.geometry.shape(f["geometry"]) for f in plain["features"]
        }
        assert packed["attribution"] == "©"
        assert [key for key, *_ in packed["areas"]] == [*shapes]
        for key, *rings in packed["areas"][::37]:
            area: shapely.geometry.base.BaseGeometry = shapely.Polygon()
            for ring in rings:
                points = np.cumsum(np.array(ring).reshape(-1, 2), axis=0) / 10_000
                area = area.symmetric_difference(shapely.Polygon(points).buffer(0))
            assert area.area == pytest.approx(shapes[key].area, rel=0.02), key
    one = json.loads(maps.packed_borders(thinned, level="gemeinde", kreis_key="07211"))
    assert [key for key, *_ in one["areas"]] == ["07211000"]


def test_style_sheet_has_the_colours_of_the_classes() -> None:
    sheet = (config.static_dir() / "css" / "planning.css").read_text("utf-8")
    found = re.findall(r"--klasse-([1-5]): (#\w+);", sheet)
    assert [colour for _, colour in sorted(found)] == [*SEQUENTIAL]
    assert f"--area-border: {BORDER};" in sheet
    assert f"--hatch-ink: {HATCHES['unknown'].ink};" in sheet


def test_modules_use_no_private_name_of_another() -> None:
    for path in sorted(Path(planning.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module != "__future__":
                private = [alias.name for alias in node.names if alias.name.startswith("_")]
                assert not private, f"{path.name}: {private} of {node.module}"


def test_hostile_text_is_never_code(tmp_path: Path) -> None:
    text = VECTORS[0]
    land = replace(small_territory(), about={"source_note": text, "source": text})
    demand = Demand("x", text, "kreis", {"07131": 5.0, "07211": 6.0}, text)
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1, name=text, organisation=text)]))
        store.save_demand(demand, now=NOW)
        hostile = app_of(store, land, operator=text).test_client()
        for path in (
            "/planung?bedarf=x",
            f"/planung?umkreis={text}",
            "/planung/gebiete",
            "/planung/methode",
        ):
            page = hostile.get(path).text
            assert text not in page
            assert "window.pwned" in page or path.endswith("methode") or "gebiete" in path
