"""Siting for programs: the very answers of the pages, and what is said where there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from test_planning_siting import questions
from web_helpers import app_of, fill, initiatives_of, place, small_territory

from geo_service.schema import CATEGORIES, THEMES
from geo_service.snapshot import Territory
from geo_service.store import Store
from geo_service.web.api.schemas import REASONS
from geo_service.web.planning import sites, sizes
from geo_service.web.planning.query import Choice
from geo_service.web.planning.siting_choice import SitingChoice, siting_query

SITING = "/api/v1/siting"
AHEIM, BDORF, CSTADT = "07131001", "07131002", "07211000"
ROWS = [place(1), place(2, street=None, coordinate_precision="municipality")]
NOWHERE = urlencode({"theme": THEMES[1]})
"""A choice that no place is of."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('siting') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        yield app_of(store, small_territory()).test_client()


def asked(client: FlaskClient, query: str = "") -> dict[str, Any]:
    response = client.get(f"{SITING}?{query}")
    assert response.status_code == 200, response.text
    said = response.get_json()
    assert isinstance(said, dict)
    return said


# ------------------------------------------------------------------ the same everywhere

QUESTIONS = questions(
    base=st.builds(
        Choice,
        radius_km=st.integers(1, 300).map(lambda tenths: tenths / 10),
        area=st.sampled_from(["", "07131", "071315001"]),
        kinds=st.sampled_from([(), (CATEGORIES[0],), tuple(sorted(CATEGORIES[:2]))]),
        current_months=st.none() | st.integers(1, 120),
    ),
    sites=st.integers(1, 4),
    forced=st.sampled_from([(), (BDORF,)]),
)


def api_query(question: SitingChoice) -> str:
    """What programs ask for the same as a question of the pages."""
    base = question.base
    pairs = [
        ("objective", question.objective),
        ("k", str(question.sites)),
        ("share", f"{question.share / 100:.10g}"),
        ("people", "all" if question.everyone else "within"),
        ("method", "exact" if question.exact else "greedy"),
        *(("excluded", key) for key in question.excluded),
        *(("forced", key) for key in question.forced),
        ("radius_m", str(round(base.radius_km * 1000))),
        *(("category", name) for name in base.categories),
        ("current_within_months", str(base.current_months or "")),
        ("within", base.area),
    ]
    return urlencode([(name, value) for name, value in pairs if value])


def known(value: Any) -> Any:
    """What an answer says without the reasons for what is null."""
    if isinstance(value, dict):
        return {
            name: known(one)
            for name, one in value.items()
            if name != "missing" and (name, one) != ("within", None)
        }
    return [known(one) for one in value] if isinstance(value, list) else value


def assert_same(client: FlaskClient, question: SitingChoice) -> None:
    page = client.get(f"/planung/standorte.json{siting_query(question)}")
    query = api_query(question)
    answer = client.get(f"{SITING}.json?{query}")
    assert page.status_code == answer.status_code == 200, (page.text, answer.text)
    shown, said = known(page.get_json()), known(answer.get_json())
    alone = {"address", "today", "objective", "summary", "proof", "parameters", "sources"}
    assert {name: said[name] for name in shown if name not in alone} == {
        name: value for name, value in shown.items() if name not in alone
    }
    assert said["attribution"].split("\n") == shown["sources"]
    assert said["date"] == shown["today"]
    assert said["page"].removesuffix("?") in shown["address"]
    table = client.get(f"/planung/standorte.csv{siting_query(question)}")
    assert client.get(f"{SITING}.csv?{query}").data == table.data
    layer = client.get(f"{SITING}.geojson?{query}").get_json()
    sites_of_layer = [feature["properties"] for feature in layer["features"]]
    assert known(sites_of_layer) == said["sites"]
    for feature in layer["features"]:
        site = feature["properties"]
        assert feature["geometry"]["coordinates"] == [site["lon"], site["lat"]]


@settings(max_examples=60, deadline=None)
@given(QUESTIONS)
def test_programs_get_every_figure_of_the_pages(
    client: FlaskClient, question: SitingChoice
) -> None:
    assert_same(client, question)


@pytest.mark.parametrize(
    "question",
    [
        SitingChoice(sites=8),
        SitingChoice(Choice(area="07131"), "entfernung", sites=3),
        SitingChoice(Choice(radius_km=7.3, area="07137"), "abdecken", share=99.0, exact=True),
    ],
    ids=siting_query,
)
def test_every_figure_of_the_land_is_the_same(
    tmp_path: Path, territory: Territory, question: SitingChoice
) -> None:
    towns = territory.municipalities[["ags", "seat_lon", "seat_lat"]].iloc[::40]
    rows = [
        place(number, ags=ags, point=(lon, lat))
        for number, (ags, lon, lat) in enumerate(towns.itertuples(index=False, name=None))
    ]
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        assert_same(app_of(store, territory).test_client(), question)


# ------------------------------------------------------------------------------ answers


def test_most_people_first_with_whom_and_what_instead(client: FlaskClient) -> None:
    said = asked(client, f"k=1&radius_m=8000&{NOWHERE}")
    assert (said["value"], said["bound"], said["gap_share"]) == (99_000, 99_000, 0)
    assert said["is_optimal"] is True
    (site,) = said["sites"]
    assert {one["name"]: one["people"] for one in site["from_municipalities"]} == {
        "Aheim": 2_000, "Bdorf": 7_000, "Cstadt": 90_000,
    }  # fmt: skip
    assert site["name"] == "Bdorf"  # in the middle
    assert [(tie["name"], tie["loss"]) for tie in site["near_ties"]] == [
        ("Cstadt", 2_000),
        ("Aheim", 90_000),
    ]


def test_an_exact_answer_comes_from_its_own_process(client: FlaskClient) -> None:
    said = asked(client, "k=2&method=exact")
    assert said["parameters"]["method"] == "exact"
    assert said["is_optimal"] is True
    assert said["value"] == 97_000


def test_excluded_and_forced_municipalities(client: FlaskClient) -> None:
    said = asked(client, f"k=1&excluded={CSTADT}&forced={BDORF}")
    assert [(site["key"], site["forced"]) for site in said["sites"]] == [(BDORF, True)]
    assert said["parameters"]["excluded"] == [CSTADT]


def test_the_curve_says_what_one_more_brings(client: FlaskClient) -> None:
    said = asked(client, "k=1")
    assert [(step["sites"], step["gain"]) for step in said["curve"]] == [(1, 90_000), (2, 7_000)]


def test_without_a_place_today_there_is_no_way_to_shorten(client: FlaskClient) -> None:
    said = asked(client, f"objective=pmedian&k=2&{NOWHERE}")
    for name in ("before", "gain"):
        assert said[name]["value"] is None
        assert said[name]["missing"]["value"] == "no_way"
    first, second = said["sites"]
    assert first["metres_saved"] is None
    assert first["missing"] == {"metres_saved": "no_way"}
    assert second["metres_saved"] > 0
    assert "missing" not in second
    assert said["curve"][0]["missing"] == {"gain": "no_way"}


def test_a_share_out_of_reach_says_what_can_be_reached(client: FlaskClient) -> None:
    said = asked(client, f"objective=lscp&share=1&excluded={CSTADT}&radius_m=1000")
    assert said["target_met"] is False
    assert math.isclose(said["attainable_share"], 9 / 99)
    assert said["bound"] is said["gap_share"] is None
    assert said["missing"] == {"bound": "unbounded", "gap_share": "unbounded"}
    assert {"no_way", "unbounded"} < set(REASONS)
    assert "target_met" not in asked(client)


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ("objective=best", 400, "objective"),
        ("k=0", 400, "k"),
        ("k=51", 400, "k"),
        ("share=0", 400, "share"),
        ("share=1.1", 400, "share"),
        ("share=nan", 400, "share"),
        ("share=1e0", 400, "share"),
        ("method=fast", 400, "method"),
        ("forced=Aheim", 400, "forced"),
        ("forced=99999999", 404, "forced"),
        ("excluded=00000000", 404, "excluded"),
        ("within=99999", 404, "within"),
        ("demand=alle", 404, "demand"),
        (f"forced={AHEIM}&excluded={AHEIM}", 409, "forced"),
        (f"forced={AHEIM}&forced={BDORF}&k=1", 409, "forced"),
        (f"forced={CSTADT}&within=07131", 409, "forced"),
        (f"excluded={CSTADT}&within=07211", 409, "excluded"),
        (f"within={AHEIM}", 409, "within"),
    ],
)
def test_what_cannot_be_meant_names_parameter_expected_and_came(
    client: FlaskClient, query: str, status: int, parameter: str
) -> None:
    response = client.get(f"{SITING}?{query}")
    said = response.get_json()
    assert (response.status_code, said["parameter"]) == (status, parameter)
    assert response.mimetype == "application/problem+json"
    assert said["expected"]
    assert said["detail"].isascii()


def test_up_to_two_hundred_municipalities_can_be_left_out(client: FlaskClient) -> None:
    many = "&".join(f"excluded={number:08}" for number in range(201))
    response = client.get(f"{SITING}?{many}")
    assert response.get_json()["expected"] == "at most 200 values"


def test_nobody_known_to_live_there_is_a_conflict(tmp_path: Path) -> None:
    land = small_territory()
    land.municipalities["population"] = 0
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        response = app_of(store, land).test_client().get(SITING)
    assert (response.status_code, response.get_json()["parameter"]) == (409, "demand")


def test_a_question_without_a_quick_answer_says_how_to_ask(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "SLOW_PAIRS_OF_FEW", 1)
    slow = client.get(f"{SITING}?objective=pmedian&k=1&radius_m=4100")
    assert (slow.status_code, slow.get_json()["parameter"]) == (422, "method")
    assert "Retry-After" not in slow.headers
    assert asked(client, "objective=pmedian&k=1&radius_m=4100&method=exact")["value"] > 0


@pytest.mark.parametrize(
    ("objective", "parameter", "bound"),
    [("pmedian", "objective", "MOST_MEDIAN_PAIRS"), ("mclp", "radius_m", "MOST_WEIGHED_PAIRS")],
)
def test_a_question_too_large_says_what_makes_it_smaller(
    client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    objective: str,
    parameter: str,
    bound: str,
) -> None:
    monkeypatch.setattr(sizes, bound, 1)
    response = client.get(f"{SITING}?objective={objective}&radius_m=3001")
    assert (response.status_code, response.get_json()["parameter"]) == (422, parameter)
    assert "within" in response.get_json()["expected"]


def test_a_busy_server_says_when_to_come_back(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "_WAIT_S", 0.0)
    query = "k=2&radius_m=4200&method=exact"
    with sites._one_at_a_time:
        busy = client.get(f"{SITING}?{query}")
    assert busy.status_code == 503
    assert busy.mimetype == "application/problem+json"
    assert int(busy.headers["Retry-After"]) > 0
    assert asked(client, query)["is_optimal"] is True
    with sites._one_at_a_time:  # an answer that is there needs no turn
        assert asked(client, query)["is_optimal"] is True


def test_a_quick_median_that_has_to_wait_is_not_called_exact(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "_WAIT_S", 0.0)
    with sites._one_large:
        busy = client.get(f"{SITING}?k=2&radius_m=4300&objective=pmedian")
    assert busy.status_code == 503
    assert "Another answer that takes long" in busy.get_json()["detail"]


def test_answers_are_tagged_and_open_to_other_sites(client: FlaskClient) -> None:
    first = client.get(SITING)
    again = client.get(SITING, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert first.headers["Cache-Control"] == "no-cache"
