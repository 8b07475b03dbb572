"""The page of a scenario: what it brings, how forms change it, and files that say what they are."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
import openpyxl
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_helpers import TODAY, VECTORS, app_of, fill, initiatives_of, place, small_territory

from geo_service.exports import round_figures
from geo_service.scenarios import AddedPlace, MovedPlace, Scenario, apply_scenario
from geo_service.schema import CATEGORIES
from geo_service.snapshot import Snapshot
from geo_service.store import Store
from geo_service.web.planning.figures import figures_of
from geo_service.web.planning.query import INDICATORS, PLANNING_LEVELS, Choice, query_string
from geo_service.web.planning.scenario_difference import Difference

AHEIM, BDORF, CSTADT = "07131001", "07131002", "07211000"
IN_BDORF, IN_CSTADT = (7.15, 50.05), (7.25, 50.05)
ROWS = [place(1), place(2, name="Treff <b>zwei</b>"), place(3, point=None)]
"""Two exact places in Aheim and one without a point; Bdorf and Cstadt have none."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('scenario') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        yield store


@pytest.fixture(scope="module")
def small(store: Store) -> Snapshot:
    return Snapshot.of(store.read(), small_territory())


@pytest.fixture(scope="module")
def client(store: Store) -> FlaskClient:
    return app_of(store, small_territory()).test_client()


def difference(small: Snapshot, choice: Choice) -> Difference:
    return Difference(figures_of(small, choice.today, TODAY), figures_of(small, choice, TODAY))


def page_of(client: FlaskClient, query: str) -> str:
    answer = client.get(f"/planung/szenario{query}")
    assert answer.status_code == 200
    return unescape(answer.get_data(as_text=True))


def led_to(client: FlaskClient, query: str) -> list[tuple[str, str]]:
    """Return the parameters of the address that a form's answer leads to."""
    answer = client.get(f"/planung/szenario{query}")
    assert answer.status_code == 303
    assert client.get(answer.location).status_code == 200
    return parse_qsl(urlsplit(answer.location).query)


# ------------------------------------------------------------------------------- figures

CHANGES = st.builds(
    Scenario,
    st.just("Plan"),
    st.lists(
        st.builds(AddedPlace, st.floats(7.0, 7.3), st.floats(50.0, 50.1), st.just("Neu")),
        max_size=3,
    ).map(tuple),
    st.sampled_from([(), (MovedPlace("ort-1", 7.25, 50.02),), (MovedPlace("ort-3", 7.1, 50.0),)]),
    st.sampled_from([(), ("ort-2",)]),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CHANGES, st.sampled_from(list(PLANNING_LEVELS)), st.sampled_from(list(INDICATORS)))
def test_scenario_has_the_figures_of_a_directory_with_these_places(
    small: Snapshot, scenario: Scenario, level: str, name: str
) -> None:
    choice = Choice(level=level, indicator_name=name, scenario=scenario)  # type: ignore[arg-type]
    found = difference(small, choice)
    places = apply_scenario(
        small.initiatives, scenario, find_ags=small.territory.index.find, today=TODAY
    )
    measured = small.levels(choice.parameters, today=TODAY, initiatives=places)[choice.level]
    assert found.planned.coverage.equals(round_figures(measured))
    moved = found.planned.values - found.today.values
    assert np.array_equal(found.values, moved, equal_nan=True)
    better = moved if choice.indicator.need == "low" else -moved
    shades = found.classes.shades
    assert np.array_equal(shades == 0, np.isnan(moved))
    assert (better[(shades > 0) & (shades < 3)] > 0).all()
    assert (better[shades > 3] < 0).all()


def test_new_place_in_bdorf_reaches_all_of_bdorf(small: Snapshot) -> None:
    choice = Choice(level="gemeinde", scenario=Scenario(added=(AddedPlace(*IN_BDORF, "Neu"),)))
    found = difference(small, choice)
    assert found.people.tolist() == [0.0, 7_000.0, 0.0]
    assert found.values.tolist() == [0.0, 100.0, 0.0]
    assert found.sentences[0].startswith("Mit diesem Ort erreichen in Rheinland-Pfalz 7.000 Mensch")
    assert "9.000 (9,1 %) statt 2.000 (2,0 %)" in found.sentences[0]
    assert "Das Urteil ändert sich bei einem Gebiet: Bdorf (Lücke → keine Lücke)." in (
        found.sentences
    )
    assert found.order.tolist()[0] == 1
    assert [row.changed for row in found.rows(found.order)] == [True, False, False]


def test_taking_away_the_only_places_loses_people(small: Snapshot) -> None:
    choice = Choice(level="gemeinde", scenario=Scenario(removed=("ort-1", "ort-2")))
    found = difference(small, choice)
    assert "Mit diesen 2 Änderungen erreichen" in found.sentences[0]
    assert "2.000 Menschen weniger" in found.sentences[0]
    assert found.people.tolist() == [-2_000.0, 0.0, 0.0]


def test_new_place_counts_under_any_filter_and_an_idle_change_is_named(small: Snapshot) -> None:
    choice = Choice(
        level="gemeinde",
        kinds=(CATEGORIES[-1],),
        current_months=1,
        precision="address",
        scenario=Scenario(added=(AddedPlace(*IN_BDORF),), removed=("ort-1",)),
    )
    found = difference(small, choice)
    assert found.planned.coverage["places"].tolist() == [0, 1, 0]
    assert found.planned.coverage["undated"].sum() == 0
    assert "Bei dieser Auswahl zählt ohnehin nicht mit: Café 1." in found.sentences


def test_figures_of_scenarios_are_not_kept(small: Snapshot) -> None:
    figures_of(small, Choice(), TODAY)
    kept = len(small._derived), len(small._answers)
    for n in range(5):
        scenario = Scenario(f"Nr. {n}", added=(AddedPlace(7.1 + n / 100, 50.05),))
        figures_of(small, Choice(scenario=scenario), TODAY)
        figures_of(small, Choice(scenario=Scenario(f"Nr. {n}")), TODAY)
    assert (len(small._derived), len(small._answers)) == kept


@pytest.mark.parametrize("path", ["", "/werte.json", "/szenario", "/szenario.json", "/export.csv"])
def test_answers_about_scenarios_are_not_kept(store: Store, path: str) -> None:
    client = app_of(store, small_territory()).test_client()
    view = client.application.extensions["geo_service"].holder.current()
    client.get(f"/planung{path}?neu=7.15,50.05")
    client.get(f"/planung{path}")
    kept = len(view._derived), len(view._answers)
    for n in range(4):
        assert client.get(f"/planung{path}?neu=7.15,50.0{n}").status_code == 200
    assert (len(view._derived), len(view._answers)) == kept


# ------------------------------------------------------------------------------- addresses


def test_empty_page_says_what_can_be_done(client: FlaskClient) -> None:
    page = page_of(client, "")
    assert "Noch ist nichts geändert." in page
    assert "Szenario leeren" not in page


def test_page_compares_with_today_and_names_the_changes(client: FlaskClient) -> None:
    page = page_of(client, "?ebene=gemeinde&neu=7.15,50.05,Neu&ohne=ort-2&titel=Plan+B")
    assert "Szenario <bdi>„Plan B“</bdi>" in page
    assert "Neu: Neu in Bdorf (50,0500° N, 7,1500° O)" in page
    assert "Weggenommen: Treff <b>zwei</b> in Aheim" in page
    assert "Treff <b>zwei</b>" not in client.get("/planung/szenario?ohne=ort-2").get_data(
        as_text=True
    )
    first = re.search(r'<tr data-key="(\w+)"', page)
    assert first
    assert first[1] == BDORF


def test_json_has_the_figures_of_the_page(client: FlaskClient) -> None:
    query = "?ebene=gemeinde&neu=7.15,50.05,Neu"
    found = client.get(f"/planung/szenario.json{query}").json
    assert found
    assert found["query"] == query
    assert {area[0]: area[2] for area in found["areas"]} == {
        AHEIM: "0 Prozentpunkte",
        BDORF: "+100,0 Prozentpunkte",
        CSTADT: "0 Prozentpunkte",
    }
    assert [area[3] for area in found["areas"]] == ["", "0 % → 100 %", ""]
    assert found["changes"][0]["pair"] == ["neu", "7.15,50.05,Neu"]
    page = client.get(f"/planung/szenario{query}").get_data(as_text=True)
    for piece in re.split(r"(?=<[a-z]+[^>]* data-piece)", found["html"])[1:]:
        assert piece.strip() in page
    assert 'id="szenario-zahlen"' in found["html"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"ort": "Bdorf"}, ("neu", "7.15,50.05")),
        ({"ort": "53502", "name": "Café"}, ("neu", "7.15,50.05,Café")),
        ({"breite": "50,01", "laenge": "7.12°"}, ("neu", "7.12,50.01")),
        ({"hier": BDORF}, ("neu", "7.15,50.05")),
        ({"hier": "07211"}, ("neu", "7.25,50.05")),
        ({"bewegt": "ort-1", "ort": "Cstadt"}, ("verlegt", "ort-1,7.25,50.05")),
        ({"bewegt": "ort-1", "breite": "50", "laenge": "7.1"}, ("verlegt", "ort-1,7.1,50")),
    ],
)
def test_forms_lead_to_the_address_of_the_scenario(
    client: FlaskClient, asked: dict[str, str], expected: tuple[str, str]
) -> None:
    known = [("umkreis", "3"), ("ohne", "ort-2"), ("titel", "Plan")]
    pairs = led_to(client, f"?{urlencode([*known, *asked.items()])}")
    assert sorted(pairs) == sorted([*known, expected])


def test_each_change_is_taken_back_alone(client: FlaskClient) -> None:
    query = query_string(
        Choice(
            scenario=Scenario(
                "Plan",
                (AddedPlace(*IN_BDORF, "A"), AddedPlace(*IN_CSTADT, "B")),
                (MovedPlace("ort-1", 7.1, 50.0),),
                ("ort-2",),
            )
        )
    )
    all_pairs = parse_qsl(query[1:])
    for number in range(4):
        pairs = led_to(client, f"{query}&zuruecknehmen={number}")
        assert pairs == [pair for at, pair in enumerate(all_pairs) if at != number]


def test_moved_record_is_moved_again_not_twice(client: FlaskClient) -> None:
    pairs = led_to(client, "?verlegt=ort-1,7.1,50.05&bewegt=ort-1&ort=Cstadt")
    assert pairs == [("verlegt", "ort-1,7.25,50.05")]


def test_text_that_is_no_place_is_asked_back(client: FlaskClient) -> None:
    assert "Nennen Sie eine Gemeinde darin" in page_of(client, "?ort=Landkreis+Auenland")
    assert "ist nicht verzeichnet" in page_of(client, "?ort=Xyzzy")
    similar = page_of(client, "?ort=Ahein&ohne=ort-2")
    assert 'name="ort" value="Aheim' in similar or "ist nicht verzeichnet" in similar


def test_records_are_found_by_name_to_be_moved_or_removed(client: FlaskClient) -> None:
    page = page_of(client, "?finden=treff+aheim")
    assert 'name="ohne" value="ort-2"' in page
    assert 'name="bewegt" value="ort-2"' in page
    assert 'value="ort-1"' not in page
    assert 'name="bewegt" value="ort-2"' not in page_of(client, "?finden=treff&ohne=ort-2")
    assert "Wohin mit <bdi>Café 1</bdi>?" in page_of(client, "?bewegt=ort-1")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("neu=x", "„neu“"),
        ("neu=9.9,50.05", "ein Punkt im Land"),
        ("ohne=ort-9", "„ort-9“"),
        ("verlegt=ort-9,7.1,50.05", "„ort-9“"),
        ("verlegt=ort-1,7.1,50.05&ohne=ort-1", "nur einmal"),
        ("breite=x&laenge=7", "Grad wie 50,3569"),
        ("breite=50", "„Länge“"),
        ("hier=07999", "Schlüssel eines Gebiets"),
        ("bewegt=ort-9", "„bewegt“"),
        ("zuruecknehmen=7", "Nummer einer Änderung"),
        ("&".join(f"neu=7.15,50.05,{n}" for n in range(51)), "höchstens 50"),
    ],
)
def test_what_cannot_be_is_refused_in_words(client: FlaskClient, query: str, said: str) -> None:
    page = client.get(f"/planung/szenario?{query}")
    assert page.status_code == 400
    assert said in unescape(page.get_data(as_text=True))
    data = client.get(f"/planung/szenario.json?{query}")
    assert data.status_code == 400
    assert data.json
    assert said in data.json["problem"]


@pytest.mark.parametrize("text", VECTORS)
def test_hostile_names_stay_text(client: FlaskClient, text: str) -> None:
    query = urlencode([("neu", f"7.15,50.05,{text}"), ("titel", text), ("finden", text)])
    answer = client.get(f"/planung/szenario?{query}")
    assert answer.status_code == 200
    page = answer.get_data(as_text=True)
    for piece in ("<script>window", "<img src=x", "<svg onload", "<iframe", "<base", "<style>*"):
        assert piece not in page
        assert piece not in json.loads(client.get(f"/planung/szenario.json?{query}").data)["html"]


def test_places_of_today_follow_the_choice(client: FlaskClient) -> None:
    found = client.get("/planung/szenario/orte.json").json
    assert found == {
        "count": 2,
        "places": [["ort-1", "Café 1", 7.05, 50.05], ["ort-2", "Treff <b>zwei</b>", 7.05, 50.05]],
    }
    other = client.get("/planung/szenario/orte.json?gebiet=07211&neu=7.25,50.05").json
    assert other == {"count": 0, "places": []}


# ----------------------------------------------------------------------------------- files

SCENARIO = "?ebene=gemeinde&neu=7.15,50.05,Neues+Caf%C3%A9&ohne=ort-2&titel=Plan+B"


def test_planning_page_measures_the_scenario_and_says_so(client: FlaskClient) -> None:
    page = unescape(client.get(f"/planung{SCENARIO}").get_data(as_text=True))
    assert "Szenario „Plan B“:" in page
    assert "misst nicht das Verzeichnis von heute" in page
    assert 'name="neu" value="7.15,50.05,Neues Café"' in page
    today = unescape(client.get("/planung?ebene=gemeinde").get_data(as_text=True))
    assert "/planung/szenario?ebene=gemeinde" in today
    assert "misst nicht" not in today
    pair = client.get("/planung/gebiete?gebiet=07131&gebiet=07211&neu=7.25,50.05&titel=Plan+B")
    assert "Szenario „Plan B“ mit 1 Änderung" in unescape(pair.get_data(as_text=True))


def test_files_hold_the_scenario_and_list_its_changes(client: FlaskClient) -> None:
    table = client.get(f"/planung/export.csv{SCENARIO}")
    assert "szenario" in table.headers["Content-Disposition"]
    rows = table.get_data(as_text=True).splitlines()
    shares = {row.split(",")[1]: row for row in rows}
    assert any(BDORF in row for row in shares.values())
    about = client.get(f"/planung/export.csv-metadata.json{SCENARIO}").get_data(as_text=True)
    book = openpyxl.load_workbook(
        io.BytesIO(client.get(f"/planung/export.xlsx{SCENARIO}").data), read_only=True
    )
    cells = [
        str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row
    ]
    for text in ("Szenario „Plan B“", "Neu: Neues Café in Bdorf", "Weggenommen: Treff"):
        assert text in json.dumps(json.loads(about), ensure_ascii=False)
        assert any(text in cell for cell in cells)
    svg = client.get(f"/planung/export.svg{SCENARIO}").get_data(as_text=True)
    assert svg.startswith("<?xml")
    today = client.get("/planung/export.csv?ebene=gemeinde")
    assert "szenario" not in today.headers["Content-Disposition"]
    assert today.data != table.data


def test_report_says_that_it_is_a_scenario(small: Snapshot, tmp_path: Path) -> None:
    from geo_service.web.planning.pictures import subtitle

    choice = Choice(level="gemeinde", scenario=Scenario("Plan B", (AddedPlace(*IN_BDORF, "Neu"),)))
    said = subtitle(figures_of(small, choice, TODAY))
    assert said.startswith("Szenario „Plan B“ mit 1 Änderung gegenüber heute")
    assert "Szenario" not in subtitle(figures_of(small, choice.today, TODAY))


@pytest.mark.parametrize(
    "path",
    ["", "/werte.json", "/export.csv", "/standorte.json", "/standorte.csv", "/szenario"],
)
def test_no_shared_cache_keeps_an_answer_about_a_scenario(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/planung{path}?neu=7.25,50.05,Halle")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_file_does_not_name_the_host_that_a_visitor_claims(client: FlaskClient) -> None:
    answer = client.get("/planung/export.geojson", headers={"Host": "evil.example"})
    assert answer.status_code == 200
    assert "evil.example" not in answer.text
