"""Where the next places could be: one question, one answer in page, JSON and files."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import openpyxl
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from web_helpers import NOW, TODAY, VECTORS, app_of, fill, initiatives_of, place, small_territory
from werkzeug.datastructures import MultiDict

from geo_service.formats import german_number, neutralise_cell
from geo_service.schema import Demand
from geo_service.siting import solve
from geo_service.snapshot import Snapshot, Territory
from geo_service.store import Store
from geo_service.web.planning import sites, sizes
from geo_service.web.planning.figures import figures_of
from geo_service.web.planning.halls import MAX_ROWS, read_halls
from geo_service.web.planning.query import Choice, read_choice
from geo_service.web.planning.sites import SiteFigures, SlowError, Span, Tie, solve_sites
from geo_service.web.planning.siting_choice import (
    OBJECTIVES,
    SitingChoice,
    read_siting,
    siting_query,
)
from geo_service.web.planning.siting_words import (
    describe_proof,
    metres_text,
    summarise_sites,
    tie_text,
)
from geo_service.web.queries import AddressError
from geo_service.web.search import Located, PlaceSearch

AHEIM, BDORF, CSTADT = "07131001", "07131002", "07211000"
NAMES = {AHEIM: "Aheim", BDORF: "Bdorf", CSTADT: "Cstadt"}
AREAS = ("07131", "07211", "071315001", "072110000")
ROOT = Path(__file__).resolve().parents[1]

ONE_PLACE = [place(1)]
"""One exact place in the middle of Aheim, so that Aheim's 2,000 people have one."""


def snapshot_of(folder: Path, rows: list[dict[str, Any]], territory: Territory) -> Snapshot:
    with Store(f"sqlite:///{folder / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        return Snapshot.of(store.read(), territory)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot_of(tmp_path_factory.mktemp("small"), ONE_PLACE, small_territory())


@pytest.fixture(scope="module")
def large_rows(territory: Territory) -> list[dict[str, Any]]:
    """A place in every 40th municipality of the Land, every second of them rough."""
    towns = territory.municipalities[["ags", "seat_lon", "seat_lat"]].iloc[::40]
    return [
        place(
            n,
            ags=ags,
            point=(lon, lat),
            coordinate_precision="address" if n % 2 else "municipality",
        )
        for n, (ags, lon, lat) in enumerate(towns.itertuples(index=False, name=None))
    ]


@pytest.fixture(scope="module")
def large(
    tmp_path_factory: pytest.TempPathFactory, territory: Territory, large_rows: Any
) -> Snapshot:
    return snapshot_of(tmp_path_factory.mktemp("large"), large_rows, territory)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('client') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ONE_PLACE))
        yield app_of(store, small_territory()).test_client()


@pytest.fixture(scope="module")
def land(
    tmp_path_factory: pytest.TempPathFactory, territory: Territory, large_rows: Any
) -> Iterator[FlaskClient]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('land') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(large_rows))
        yield app_of(store, territory).test_client()


SEARCH = PlaceSearch(small_territory())


def asked(text: str) -> SitingChoice:
    """Read a query string as the pages do."""
    args = MultiDict(parse_qsl(text.removeprefix("?")))
    base = read_choice(args, areas=AREAS)
    return read_siting(args, base, names=NAMES, locate=SEARCH.locate)


def answered(snapshot: Snapshot, text: str = "", today: dt.date = TODAY) -> SiteFigures:
    return solve_sites(snapshot, asked(text), today)


@pytest.fixture
def few(tmp_path: Path) -> Iterator[FlaskClient]:
    """A place in Cstadt, and people of whom Aheim has less than one."""
    figures = {AHEIM: 0.4, BDORF: 90_000.0, CSTADT: 9_000.0}
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1, ags=CSTADT, point=(7.25, 50.05))]))
        store.save_demand(Demand("probe", "Probe", "gemeinde", figures, "© Amt"), now=NOW)
        yield app_of(store, small_territory()).test_client()


# ---------------------------------------------------------------------------- addresses


def questions(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[SitingChoice]:
    """Questions about the small Land; `given` draws what is asked in this way or that."""
    return st.builds(
        SitingChoice,
        objective_name=st.sampled_from([*OBJECTIVES]),
        share=st.integers(1, 1000).map(lambda tenths: tenths / 10),
        everyone=st.booleans(),
        excluded=st.sampled_from([(), (AHEIM,)]),
        **given,
    )


QUESTIONS = questions(
    base=st.builds(
        Choice,
        radius_km=st.integers(1, 1000).map(lambda tenths: tenths / 10),
        area=st.sampled_from(["", "07131", "071315001"]),
        current_months=st.none() | st.integers(1, 1200),
    ),
    sites=st.integers(3, 50),
    forced=st.sampled_from([(), (BDORF,), (BDORF, CSTADT)]),
    exact=st.booleans(),
)


@given(QUESTIONS)
@settings(deadline=None)
def test_an_address_means_the_question_it_was_written_for(question: SitingChoice) -> None:
    address = siting_query(question)
    again = asked(unquote(address).replace("+", " "))
    assert siting_query(again) == address
    assert again.goal == question.goal


@pytest.mark.parametrize(
    ("text", "parameter", "said"),
    [
        ("ziel=alles", "ziel", "erreichen"),
        ("k=0", "k", "1 bis 50"),
        ("k=51", "k", "„51“"),
        ("anteil=101", "anteil", "Prozent"),
        ("anteil=viel", "anteil", "„viel“"),
        ("mit=Xheim", "mit", "„Xheim“"),
        ("ausser=Aheim&mit=Aheim", "mit", "Aheim"),
        ("mit=Aheim;Bdorf&k=1", "mit", "höchstens so viele"),
        ("menschen=alle", "menschen", "gebiet"),
    ],
)
def test_what_cannot_be_meant_is_told(text: str, parameter: str, said: str) -> None:
    with pytest.raises(AddressError, match=re.escape(said)) as caught:
        asked(text)
    assert caught.value.parameter == parameter
    assert f"„{parameter}“" in str(caught.value)


def test_municipalities_are_named_or_keyed() -> None:
    assert asked("ausser=Aheim;Cstadt&mit=07131002").excluded == (AHEIM, CSTADT)
    assert asked("ausser=Aheim&mit=07131002").forced == (BDORF,)


# ------------------------------------------------------------------------------ answers


def test_the_most_people_are_reached_first(small: Snapshot) -> None:
    figures = answered(small, "k=2")
    assert [(row.name, row.gain, row.after) for row in figures.rows] == [
        ("Cstadt", 90_000, round(92_000 / 99_000, 6)),
        ("Bdorf", 7_000, 1.0),
    ]
    assert figures.before.value == 2_000
    assert figures.gain.value == 97_000
    assert describe_proof(figures).startswith("Nachweislich optimal")
    assert "Mit 2 neuen Orten hätten 97.000 Menschen mehr" in summarise_sites(figures)[0]


def test_near_ties_are_named(small: Snapshot) -> None:
    """Within 8 km both Bdorf and Cstadt reach the people of both."""
    row = answered(small, "k=1&umkreis=8").rows[0]
    assert row.name == "Cstadt" or row.ties[0].name == "Cstadt"
    assert row.ties[0].loss == 0


def test_fewest_sites_reach_the_share(small: Snapshot) -> None:
    figures = answered(small, "ziel=abdecken&anteil=90")
    assert [row.name for row in figures.rows] == ["Cstadt"]
    assert "Ein neuer Ort genügt" in summarise_sites(figures)[0]


def test_a_share_out_of_reach_is_said_so(small: Snapshot) -> None:
    figures = answered(small, "ziel=abdecken&anteil=100&ausser=Cstadt")
    assert "nicht erreichbar" in summarise_sites(figures)[0]
    assert "9,0 %" in summarise_sites(figures)[0]


def test_ways_get_shorter(small: Snapshot) -> None:
    figures = answered(small, "ziel=entfernung&k=1")
    assert [row.name for row in figures.rows] == ["Cstadt"]
    assert figures.after.value < figures.before.value
    assert figures.rows[0].gain == pytest.approx(figures.gain.value, abs=0.1)


def test_nothing_left_to_reach_is_said(small: Snapshot) -> None:
    figures = answered(small, "umkreis=50")
    assert figures.rows == ()
    assert "Keiner der möglichen Standorte erreicht" in summarise_sites(figures)[0]


def test_what_stands_for_a_site_is_said_with_its_loss_in_units(client: FlaskClient) -> None:
    for query, loss in (
        ("?k=1", "Bdorf (83.000 Menschen weniger)"),
        ("?k=1&umkreis=8", "Aheim (90.000 Menschen weniger)"),
    ):
        (row,) = csv.DictReader(io.StringIO(client.get(f"/planung/standorte.csv{query}").text))
        assert loss in row["near_ties"]
        page = text_of(client.get(f"/planung/standorte{query}").text)
        assert loss.replace("(", "").replace(")", "") in page
    (site,) = client.get("/planung/standorte.json?k=1&ziel=entfernung").get_json()["sites"]
    (row,) = csv.DictReader(
        io.StringIO(client.get("/planung/standorte.csv?k=1&ziel=entfernung").text)
    )
    assert metres_text(site["near_ties"][0]["loss"]) + " weiter im Mittel" in row["near_ties"]


@pytest.mark.parametrize(
    ("loss", "is_distance", "said"),
    [
        (0.0, False, "gleich gut"),
        (1.0, False, "1 Mensch weniger"),
        (0.25, False, "0,3 Menschen weniger"),
        (12.0, False, "12 Menschen weniger"),
        (0.0, True, "gleich gut"),
        (0.02, True, "0,02 m weiter im Mittel"),
        (2.5, True, "2,5 m weiter im Mittel"),
    ],
)
def test_only_no_loss_at_all_is_equally_good(loss: float, is_distance: bool, said: str) -> None:
    assert tie_text(Tie("Bauler", None, loss, 0.0), is_distance=is_distance) == said


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("k=3&gebiet=07131", "Die übrigen möglichen Standorte bringen niemanden dazu."),
        ("k=5&gebiet=07211", "Mehr mögliche Standorte gibt es nicht."),
        ("k=5&ausser=Cstadt;Aheim", "Mehr mögliche Standorte gibt es nicht."),
        ("k=5&ziel=entfernung&ausser=Aheim", "Mehr mögliche Standorte gibt es nicht."),
        ("k=5&umkreis=50", "Keiner der möglichen Standorte erreicht jemanden, der heute nicht"),
        ("ziel=abdecken&anteil=100&ausser=Cstadt", "Dafür genügt der eine Ort der Tabelle."),
    ],
)
def test_fewer_places_than_asked_for_say_why(small: Snapshot, query: str, said: str) -> None:
    assert said in " ".join(summarise_sites(answered(small, query)))


def test_a_small_gain_is_said_itself(small: Snapshot) -> None:
    way = replace(
        answered(small, "ziel=entfernung&k=1"),
        before=Span(2_810.0, 2_810.0, 2_810.0),
        after=Span(2_756.0, 2_756.0, 2_756.0),
        gain=Span(54.0, 54.0, 54.0),
    )
    assert "im Mittel 54 m kürzer: weiter rund 2,8 km" in summarise_sites(way)[0]
    reached = replace(
        answered(small, "k=1"),
        before=Span(58_510.0, 58_510.0, 58_510.0),
        after=Span(58_512.0, 58_512.0, 58_512.0),
        gain=Span(2.0, 2.0, 2.0),
    )
    said = " ".join(summarise_sites(reached))
    assert "58.512 statt 58.510 von 99.000 Menschen erreicht, weiter rund 59,1 %." in said
    assert "Menschen sind hier: alle, gezählt am Sitz ihrer Gemeinde" in said


def test_excluded_and_forced_municipalities_count(small: Snapshot) -> None:
    figures = answered(small, "k=1&ausser=Cstadt")
    assert [row.name for row in figures.rows] == ["Bdorf"]
    figures = answered(small, "k=2&mit=Bdorf")
    assert {row.name: row.forced for row in figures.rows} == {"Bdorf": True, "Cstadt": False}


def test_a_region_limits_sites_and_people(small: Snapshot) -> None:
    inside = answered(small, "k=3&gebiet=07131")
    assert [row.name for row in inside.rows] == ["Bdorf"]
    assert inside.people == 9_000
    everyone = answered(small, "k=1&gebiet=07131&umkreis=8&menschen=land")
    assert everyone.people == 99_000
    assert everyone.gain.value == 90_000  # Aheim's place reaches Bdorf already
    with pytest.raises(AddressError, match="Cstadt"):
        answered(small, "mit=Cstadt&gebiet=07131")


def test_who_is_reached_today_is_who_the_figures_say(large: Snapshot) -> None:
    for text in ("", "gebiet=07131"):
        choice = read_choice(MultiDict(parse_qsl(text)), areas=AREAS)
        whole = figures_of(large, choice, TODAY).whole.iloc[0]
        figures = solve_sites(large, SitingChoice(base=choice, sites=3), TODAY)
        assert figures.before.value == pytest.approx(whole["people_reached"])
        assert figures.before.low == pytest.approx(whole["people_counted"] - whole["beyond_high"])
        assert figures.people == pytest.approx(whole["people_counted"])


def test_rough_places_make_the_gain_a_range(large: Snapshot) -> None:
    choice = SitingChoice(base=Choice(radius_km=12.0), sites=30)
    figures = solve_sites(large, choice, TODAY)
    assert figures.rough == 29
    assert figures.gain.low <= figures.gain.value <= figures.gain.high
    assert figures.gain.low < figures.gain.high


@pytest.mark.parametrize("name", ["erreichen", "abdecken", "entfernung"])
def test_exact_is_never_less_than_quick(large: Snapshot, name: str) -> None:
    base = Choice(area="07131")
    choice = SitingChoice(base=base, objective_name=name, sites=4, share=80.0)
    quick = solve_sites(large, choice, TODAY).result
    exact = solve_sites(large, SitingChoice(base, name, 4, 80.0, exact=True), TODAY).result
    better = exact.value - quick.value if name == "erreichen" else quick.value - exact.value
    assert better >= -1e-6
    assert exact.gap_share <= quick.gap_share + 1e-12


def test_the_curve_adds_up_to_the_answer(large: Snapshot) -> None:
    figures = solve_sites(large, SitingChoice(sites=6), TODAY)
    asked_for = [step for step in figures.steps if step.asked]
    assert len(asked_for) == 6
    assert len(figures.steps) == 11
    assert sum(step.gain for step in asked_for) == pytest.approx(figures.gain.value)
    assert asked_for[-1].after == figures.rows[-1].after


def test_the_answer_is_that_of_the_room(large: Snapshot) -> None:
    """The page's problem, built here by hand, has the same optimum."""
    from geo_service.coverage import measure_reach
    from geo_service.siting import Candidates, Goal, SitingProblem

    towns = large.municipalities
    keys = tuple(towns["ags"])
    seats = large.territory.ground.seats_xy_m
    reach = measure_reach(
        large.initiatives, large.terrain(), parameters=Choice().parameters, today=TODAY
    )
    problem = SitingProblem(
        seats,
        towns["population"].to_numpy(dtype=float),
        towns["ags"].to_numpy(dtype=object),
        reach.xy_m,
        Candidates(keys, seats, tuple(towns["name"]), keys),
        5_000.0,
    )
    best = solve(problem, Goal("mclp", sites=3), time_limit_s=60)
    figures = solve_sites(large, SitingChoice(sites=3, exact=True), TODAY)
    assert figures.result.value == best.value
    assert figures.result.is_optimal


def test_distances_without_any_place_have_no_quick_answer(large: Snapshot) -> None:
    base = Choice(kinds=("sprache",))
    with pytest.raises(SlowError):
        solve_sites(large, SitingChoice(base=base, objective_name="entfernung"), TODAY)


# ------------------------------------------------------------------- page, JSON and files


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.parametrize(
    "query", ["?k=2", "?ziel=abdecken&anteil=95", "?ziel=entfernung&k=2", "?k=3&gebiet=07131"]
)
def test_page_json_and_files_have_the_same_numbers(client: FlaskClient, query: str) -> None:
    page = text_of(client.get(f"/planung/standorte{query}").text)
    answer = client.get(f"/planung/standorte.json{query}").get_json()
    table = [*csv.DictReader(io.StringIO(client.get(f"/planung/standorte.csv{query}").text))]
    layer = client.get(f"/planung/standorte.geojson{query}").get_json()
    book = openpyxl.load_workbook(
        io.BytesIO(client.get(f"/planung/standorte.xlsx{query}").data), data_only=True
    )
    assert book.sheetnames == ["Werte", "Methode", "Quellen"]
    assert answer["sites"]
    gain, after = (
        ("metres_saved", "mean_after_m") if "entfernung" in query else ("people_gained",
                                                                        "share_after")
    )  # fmt: skip
    sheet = [*book["Werte"].iter_rows(min_row=2, values_only=True)]
    heads = [*table[0]]
    for number, site in enumerate(answer["sites"]):
        row, cells = table[number], dict(zip(heads, sheet[number], strict=True))
        properties = layer["features"][number]["properties"]
        for name in ("name", "number", "people", gain, after, "lon", "lat", "forced"):
            assert properties[name] == site[name]
        for name in ("people", gain, after, "lon", "lat"):
            assert float(row[name]) == cells[name] == site[name]
        assert layer["features"][number]["geometry"]["coordinates"] == [site["lon"], site["lat"]]
        assert site["name"] in page
        if gain == "people_gained":
            assert german_number(site[gain]) in page
    assert answer["proof"] in page
    assert all(paragraph in page for paragraph in answer["summary"])


def test_page_is_plain_and_keeps_nothing(client: FlaskClient) -> None:
    response = client.get("/planung/standorte?k=2")
    page = response.text
    assert "style=" not in page
    assert "<style" not in page
    assert not re.findall(r"<script(?![^>]*\bsrc=)", page)
    assert "Set-Cookie" not in response.headers
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    address = unescape(re.search(r'href="[^"]*/szenario(\?[^"]*)"', page)[1])  # type: ignore[index]
    found = [value for name, value in parse_qsl(address[1:]) if name == "neu"]
    assert found == ["7.25000,50.05000,Cstadt", "7.15000,50.05000,Bdorf"]


def test_page_without_script_leads_to_the_exact_answer(land: FlaskClient) -> None:
    page = land.get("/planung/standorte?k=40&umkreis=10").text
    assert 'href="/planung/standorte?umkreis=10&amp;k=40&amp;genau=1"' in page
    assert "Bestmöglichen" in page


def test_a_question_without_a_quick_answer_offers_to_count(land: FlaskClient) -> None:
    query = "?ziel=entfernung&art=sprache"
    response = land.get(f"/planung/standorte{query}")
    assert response.status_code == 200
    assert "keine schnelle Antwort" in response.text
    assert "genau=1" in response.text
    values = land.get(f"/planung/standorte.json{query}")
    file = land.get(f"/planung/standorte.csv{query}")
    for refused in (values, file):
        assert refused.status_code == 422
        assert "Retry-After" not in refused.headers  # waiting never helps
        assert refused.headers["Cache-Control"] == "no-store"
        assert "genau=1" in refused.text
    assert values.get_json()["status"] == 422


def test_quick_medians_wait_for_one_another(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "_WAIT_S", 0.0)
    query = "?ziel=entfernung&k=2&umkreis=9"
    with sites._one_large:
        refused = [client.get(f"/planung/standorte{kind}{query}") for kind in ("", ".json", ".csv")]
        other = client.get("/planung/standorte?k=2&umkreis=9")
    for response in refused:
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.headers["Cache-Control"] == "no-store"
    assert "Gerade wird eine andere Frage gerechnet" in refused[0].text
    assert "keine schnelle Antwort" not in refused[0].text
    assert other.status_code == 200
    assert client.get(f"/planung/standorte{query}").status_code == 200


@pytest.mark.parametrize("goal", ["erreichen", "abdecken"])
def test_large_questions_wait_for_one_another(
    land: FlaskClient, monkeypatch: pytest.MonkeyPatch, goal: str
) -> None:
    """No place counts, so that all people are to be reached from each of 2,300 seats."""
    monkeypatch.setattr(sites, "_WAIT_S", 0.0)
    large = f"?ziel={goal}&art=sprache&umkreis=100&k=2"
    with sites._one_large:
        refused = [land.get(f"/planung/standorte{kind}{large}") for kind in ("", ".json", ".csv")]
        near = land.get(f"/planung/standorte?ziel={goal}&art=sprache&umkreis=9&k=2")
    for response in refused:
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
    assert near.status_code == 200


def test_a_large_question_is_answered_without_what_more_places_bring(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = client.get("/planung/standorte?k=1&umkreis=3")
    monkeypatch.setattr(sizes, "LARGE_PAIRS", 0)
    large = client.get("/planung/standorte?k=1&umkreis=3,1")
    assert "über die Antwort hinaus" in usual.text
    assert "über die Antwort hinaus" not in large.text
    assert "bei einer so großen Aufgabe nicht gerechnet" in large.text


def test_pairs_count_whom_no_place_reaches_yet(small: Snapshot) -> None:
    def pairs(text: str) -> int:
        return sites._question(small, asked(text), TODAY, None).pairs

    assert pairs("?umkreis=3") == 2 * 3  # not more than Bdorf and Cstadt, from three seats
    assert pairs("?umkreis=100") == 0
    assert pairs("?ziel=entfernung") == 3 * 3


@pytest.mark.parametrize(
    "path",
    ["", ".json", ".csv", ".svg", "/orte.json", "/../export.csv-metadata.json", "/../gebiete"],
)
def test_answers_about_a_scenario_are_for_the_asker_alone(client: FlaskClient, path: str) -> None:
    path = {"/../gebiete": "/planung/gebiete", "/../export.csv-metadata.json":
            "/planung/export.csv-metadata.json"}.get(path, f"/planung/standorte{path}")  # fmt: skip
    assert client.get(f"{path}?umkreis=4").headers["Cache-Control"] == "no-cache"
    planned = client.get(f"{path}?umkreis=4&neu=7.15000,50.05000,Plan")
    assert planned.headers["Cache-Control"] == "private, no-cache"


def test_one_exact_answer_at_a_time(land: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "_WAIT_S", 0.0)
    query = "?k=41&umkreis=10&genau=1"
    with sites._one_at_a_time:
        busy = land.get(f"/planung/standorte{query}")
        values = land.get(f"/planung/standorte.json{query}")
        file = land.get(f"/planung/standorte.csv{query}")
    for response in (busy, values, file):
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.headers["Cache-Control"] == "no-store"
    assert "Gerade wird eine andere Frage genau gerechnet" in busy.text
    assert "Hier steht die schnelle Antwort" in busy.text
    assert 'data-number="41"' in busy.text


def test_places_of_the_map_are_those_that_count(land: FlaskClient, large: Snapshot) -> None:
    places = land.get("/planung/standorte/orte.json").get_json()["places"]
    assert len(places) == len(large.initiatives)
    assert sum(rough for _, _, rough in places) == 29
    exact = land.get("/planung/standorte/orte.json?genauigkeit=adresse").get_json()["places"]
    assert len(exact) == len(places) - 29


def test_picture_has_every_proposal_and_every_place(land: FlaskClient) -> None:
    response = land.get("/planung/standorte.svg?k=3")
    picture = ElementTree.fromstring(response.data)  # noqa: S314 (our own bytes)
    names = [one.tag.split("}")[1] for one in picture.iter()]
    assert names.count("circle") == 3 + 58
    assert [one.text for one in picture.iter() if one.tag.endswith("}text")][:3] == ["3", "2", "1"]
    assert "style" not in names
    assert all(len(one.get("d", "")) > 1_000 for one in picture.iter() if one.tag.endswith("path"))
    assert response.mimetype == "image/svg+xml"
    assert "standorte.svg?k=3" in land.get("/planung/standorte?k=3").text


def test_an_unknown_kind_of_file_is_not_there(client: FlaskClient) -> None:
    assert client.get("/planung/standorte.pdf").status_code == 404


# -------------------------------------------------------------------------- a list of rooms


def posted(client: FlaskClient, text: str, path: str = "", **fields: str) -> Any:
    """Send a list as browsers do; written by hand, as the client leaves large files open."""
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    parts.append(f'name="datei"; filename="liste.csv"\r\nContent-Type: text/csv\r\n\r\n{text}')
    body = "".join(f"--grenze\r\nContent-Disposition: form-data; {part}\r\n" for part in parts)
    return client.post(
        f"/planung/standorte{path}",
        data=f"{body}--grenze--\r\n".encode(),
        content_type="multipart/form-data; boundary=grenze",
    )


LIST = "name;lon;lat;ort\nHalle;7,15;50,05;\nSaal;;;Cstadt\n"


def test_rooms_of_a_list_are_the_candidates(client: FlaskClient) -> None:
    response = posted(client, LIST, k="1")
    page = text_of(response.text)
    assert response.headers["Cache-Control"] == "no-store"
    assert "Saal" in page
    assert "90.000" in page
    assert "Nichts davon wird gespeichert" in page
    rows = [*csv.DictReader(io.StringIO(posted(client, LIST, ".csv", k="2").text))]
    assert [row["name"] for row in rows] == ["Saal", "Halle"]
    assert [row["ags"] for row in rows] == [CSTADT, BDORF]


def test_the_page_carries_the_list_to_its_files(client: FlaskClient) -> None:
    page = posted(client, LIST, k="2").text
    text = unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.S)[1])  # type: ignore[index]
    again = client.post("/planung/standorte.json", data={"liste": text})
    assert again.status_code in {404, 405}
    layer = client.post("/planung/standorte.geojson", data={"liste": text, "k": "2"}).get_json()
    assert [one["properties"]["name"] for one in layer["features"]] == ["Saal", "Halle"]


def test_rows_that_cannot_be_meant_are_told_and_the_rest_counts(client: FlaskClient) -> None:
    page = text_of(
        posted(client, "name;lon;lat\nGut;7,25;50,05\nSchief;x;50\nWeit;9,9;53,5\n").text
    )
    assert "2 Zeilen der Liste zählen nicht mit" in page
    assert "Zeile 3: Erwartet werden Länge und Breite" in page
    assert "Weit: liegt nicht im Land" in page
    assert "90.000" in page


ROOMS = "name;lon;lat\nHalle;7,15;50,05\nSaal;7,25;50,05\nSchief;x;50\nEck;7,05;50,05\n"
"""A room in each municipality, and one row without a place."""


def test_rooms_beyond_the_question_are_told(client: FlaskClient) -> None:
    page = text_of(posted(client, ROOMS, gebiet="07131", ausser=BDORF).text)
    assert "3 Zeilen der Liste zählen nicht mit" in page
    assert "Schief" not in page
    assert "Zeile 4: Erwartet werden Länge und Breite" in page
    assert "Saal: liegt nicht im gewählten Gebiet" in page
    assert "Halle: liegt in einer ausgeschlossenen Gemeinde" in page
    assert "Geprüft wird Ihre Liste: 1 von 3 Räumen." in page
    assert "eigene Liste, 1 von 3 Räumen (Landkreis Auenland)" in page


def test_all_rooms_within_the_question_are_counted_as_they_are(client: FlaskClient) -> None:
    page = text_of(posted(client, LIST).text)
    assert "zählen nicht mit" not in page
    assert "Geprüft wird Ihre Liste: 2 Räume." in page
    assert "1 Zeile der Liste zählt nicht mit" in text_of(posted(client, ROOMS).text)
    assert "eigene Liste, 2 Räume" in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mit den Spalten"),
        ("name;farbe\nA;rot\n", "farbe"),
        ("name;lon;lat\n", "1 bis 2.000 Zeilen"),
        ("name;lon;lat\nA;99;99\n", "mindestens eine Zeile"),
        ("name;lon;lat\n" + "A;7,25;50,05\n" * (MAX_ROWS + 1), "2.001"),
        ("name;lon;lat\n" + "A" * 1_000_000, "bis 1 MB"),
        ("name;lon;lat\n" + "A" * 2_500_000, "bis 1 MB"),
    ],
)
def test_a_list_that_cannot_be_read_says_why(client: FlaskClient, text: str, said: str) -> None:
    response = posted(client, text)
    assert response.status_code == 400
    assert said in text_of(response.text)
    assert "„datei“" in response.text


def test_forced_towns_and_a_list_exclude_one_another(client: FlaskClient) -> None:
    assert posted(client, LIST, mit="Aheim").status_code == 400


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.seen += [value or "" for name, value in attrs if name == "data-name"]


@pytest.mark.parametrize("vector", VECTORS)
def test_names_of_a_list_are_never_code(client: FlaskClient, vector: str) -> None:
    quoted = vector.replace('"', '""')
    text = f'name,lon,lat\n"{quoted}",7.25,50.05\n'
    tags = _Tags()
    tags.feed(posted(client, text, k="1").text)
    plain = _Tags()
    plain.feed(posted(client, "name,lon,lat\nSaal,7.25,50.05\n", k="1").text)
    assert sorted(tags.names) == sorted(plain.names)
    assert tags.attributes == plain.attributes
    straight = re.sub("[\u202a-\u202e\u2066-\u2069]", "", vector)
    assert tags.seen == [" ".join(straight.split())]


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+49", "-x", "＝1"])
def test_names_of_a_list_are_no_formula_in_files(client: FlaskClient, name: str) -> None:
    text = f'name,lon,lat\n"{name}",7.25,50.05\n'
    rows = [*csv.DictReader(io.StringIO(posted(client, text, ".csv").text))]
    book = openpyxl.load_workbook(io.BytesIO(posted(client, text, ".xlsx").data))
    assert rows[0]["name"] == neutralise_cell(name)
    assert book["Werte"]["B2"].value == neutralise_cell(name)
    assert book["Werte"]["B2"].data_type == "s"


def test_reading_a_list_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = read_halls(LIST.encode(), small_territory(), locate=SEARCH.locate)
    assert found.candidates.ags == (BDORF, CSTADT)
    assert [*tmp_path.iterdir()] == []


def test_a_list_whose_towns_take_long_is_read_as_far_as_time_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, asked = iter(range(0, 1000, 2)), []
    monkeypatch.setattr("geo_service.web.planning.halls.time.monotonic", lambda: next(clock))

    def locate(text: str) -> Located:
        asked.append(text)
        return SEARCH.locate("Cstadt")

    rows = "".join(f"Saal {number};Ort {number}\n" for number in range(50))
    found = read_halls(f"name;ort\n{rows}".encode(), small_territory(), locate=locate)
    assert len(found.candidates.ids) == len(asked) == 1
    assert found.refused[-1].startswith("ab Zeile 3: nicht gelesen")


def test_a_town_of_a_list_that_had_to_be_guessed_is_told_and_not_taken() -> None:
    def locate(text: str) -> Located:
        return replace(SEARCH.locate("Cstadt"), text=text, remark="read_as")

    table = b"name;ort;lon;lat\nA;Zstadt;;\nB;;7,25;50,05\n"
    found = read_halls(table, small_territory(), locate=locate)
    assert len(found.candidates.ids) == 1
    assert "gemeint sein kann: Cstadt" in found.refused[0]


def test_equal_towns_of_a_list_are_looked_for_once() -> None:
    asked = []

    def locate(text: str) -> Located:
        asked.append(text)
        return SEARCH.locate(text)

    rows = "".join(f"Saal {number};Cstadt\n" for number in range(50))
    assert read_halls(f"name;ort\n{rows}".encode(), small_territory(), locate=locate)
    assert asked == ["Cstadt"]


def test_a_long_name_of_a_municipality_is_refused(client: FlaskClient) -> None:
    answer = client.get(f"/planung/standorte?ausser={'a+' * 60}7")
    assert answer.status_code == 400
    assert "höchstens 100 Zeichen" in answer.text


@pytest.mark.parametrize("mark", ["\u202e", "\u2067"])
def test_names_of_a_list_turn_no_text_around(client: FlaskClient, mark: str) -> None:
    text = f"name,lon,lat\nSaal{mark}X,7.25,50.05\n"
    assert mark not in posted(client, text, k="1").text
    assert mark not in posted(client, text, ".csv").text


def test_a_scenario_counts_as_what_is_there(client: FlaskClient) -> None:
    """With a place planned in Cstadt, Bdorf is next."""
    query = "?k=1&neu=7.25,50.05,Halle"
    answer = client.get(f"/planung/standorte.json{query}").get_json()
    assert [site["name"] for site in answer["sites"]] == ["Bdorf"]
    page = client.get(f"/planung/standorte{query}").text
    assert "Als vorhanden gelten die Orte dieses Szenarios" in page
    places = client.get(f"/planung/standorte/orte.json{query}").get_json()["places"]
    assert [7.25, 50.05, 0] in places


# ------------------------------------------------------------------------------ documents


def test_every_parameter_is_documented() -> None:
    text = (ROOT / "docs" / "planning.md").read_text("utf-8")
    for name in ("ziel", "k", "anteil", "menschen", "ausser", "mit", "genau"):
        assert f"| `{name}` |" in text
    for name in OBJECTIVES:
        assert f"`{name}`" in text


def test_json_is_json(client: FlaskClient) -> None:
    body = client.get("/planung/standorte.json?ziel=entfernung&k=2").text
    json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


# ------------------------------------------------------------------------- small shares


def test_not_all_is_never_100_per_cent(few: FlaskClient) -> None:
    page = unescape(few.get("/planung/standorte?k=1&bedarf=probe").text)
    assert "99,9 % statt 9,1 %" in page
    shares = re.findall(r">(\d+,\d %)</td></tr>", page)
    assert shares == ["99,9 %", "100,0 %"]  # what one more place brings: with one, with both


@pytest.mark.parametrize(
    ("query", "heading"),
    [
        ("k=1", "1 Vorschlag Standort"),
        ("k=2", "2 Vorschläge in der Reihenfolge ihres Gewinns"),
        ("k=2&mit=Aheim", "2 Vorschläge, gesetzte zuerst, jeweils in der Reihenfolge ihres"),
        ("k=2&mit=Aheim;Cstadt", "2 Vorschläge in der Reihenfolge ihres Gewinns"),
    ],
)
def test_heading_tells_the_order_of_the_places(
    client: FlaskClient, query: str, heading: str
) -> None:
    page = text_of(client.get(f"/planung/standorte?{query}").text)
    assert heading in page.replace("Vorgeschlagene Standorte. ", "").replace(
        "Was ein Ort bringt, kommt zu den Orten über ihm dazu. ", ""
    )


def test_part_of_a_person_is_not_nobody(few: FlaskClient) -> None:
    page = unescape(few.get("/planung/standorte?k=2&bedarf=probe").text)
    assert "Aheim (0,4)" in page
    assert "Aheim (0)" not in page
    table = few.get("/planung/standorte.csv?k=2&bedarf=probe").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["from_municipalities"] for row in rows] == ["Bdorf (90.000)", "Aheim (0,4)"]
