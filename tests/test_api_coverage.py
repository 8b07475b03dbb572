"""Coverage for programs: what is unknown says why, and questions without an answer say what."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_helpers import NOW, TODAY, app_of, fill, initiatives_of, place, small_territory

from geo_service import pipeline
from geo_service.coverage import METHOD, CoverageParameters, TooLargeError
from geo_service.pipeline import Workshop
from geo_service.schema import COVERAGE_COLUMNS, THEMES, Demand
from geo_service.snapshot import Snapshot
from geo_service.store import Store
from geo_service.web.api.schemas import REASONS
from geo_service.web.planning import sizes

COVERAGE = "/api/v1/coverage"
ROUGH = {"street": None, "coordinate_precision": "municipality"}
ROWS = [
    place(1, theme=THEMES[0]),
    place(2, **ROUGH),
    place(3, point=None),
    place(4, ags="07211000", point=(7.25, 50.05), source_date="2019"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Four places in the small Land, a demand that knows one Kreis, a state without places."""
    with Store(f"sqlite:///{tmp_path_factory.mktemp('coverage') / 'x.db'}") as store:
        store.migrate()
        workshop = Workshop(store, small_territory())
        pipeline.take_state(workshop, name="Vorher", parameters=CoverageParameters(), today=TODAY)
        fill(store, initiatives_of(ROWS))
        store.save_demand(
            Demand("neu", "Neu", "kreis", {"07131": 80.0, "07211": None}, "© Amt"), now=NOW
        )
        yield app_of(store, workshop.territory).test_client()


def asked(client: FlaskClient, query: str = "") -> dict[str, Any]:
    response = client.get(f"{COVERAGE}?{query}")
    assert response.status_code == 200, response.text
    said = response.get_json()
    assert isinstance(said, dict)
    return said


def rows(said: dict[str, Any]) -> dict[str, Any]:
    return {row["key"]: row for row in [said["whole"], *said["areas"]]}


def test_figures_known_by_hand(client: FlaskClient) -> None:
    said = asked(client, "level=gemeinde")
    found = rows(said)
    assert [*found] == ["07", "07131001", "07131002", "07211000"]
    assert found["07131001"]["people_reached"] == 2_000
    assert found["07131002"]["share_reached"] == 0
    assert found["07131002"]["judgement"] == "gap"
    assert found["07131001"]["rough"] == 1
    assert found["07131001"]["small_numbers"] is True
    assert said["count"] == {
        "records": 4, "selected": 4, "counted": 3, "outside": 0, "unplaced": 1,
    }  # fmt: skip
    assert sum(said["judged"].values()) == 3
    assert said["parameters"]["radius_m"] == 5_000
    assert said["page"] == "/planung?ebene=gemeinde"


def test_an_area_within_is_measured_alone_but_served_from_everywhere(client: FlaskClient) -> None:
    said = asked(client, "level=gemeinde&within=07131&radius_m=8000")
    assert [row["key"] for row in said["areas"]] == ["07131001", "07131002"]
    assert said["whole"]["key"] == "07131"
    assert said["areas"][1]["people_reached"] == 7_000  # from Cstadt
    town = asked(client, "level=gemeinde&within=072110000")
    assert town["whole"]["key"] == town["parameters"]["within"] == "07211"
    assert asked(client, "within=07")["whole"]["key"] == "07"


@pytest.mark.parametrize(
    ("query", "key", "name", "reason"),
    [
        ("level=kreis", "07131", "nearest_seat_m", "level"),
        ("level=gemeinde", "07131001", "gap_reason", "no_gap"),
        (f"level=gemeinde&theme={THEMES[1].replace(' ', '+')}", "07131001", "nearest_seat_m",
         "no_place"),
        (f"theme={THEMES[1].replace(' ', '+')}", "07", "nearest_mean_high_m", "no_place"),
        ("level=kreis&demand=neu", "07211", "share_low", "people_unknown"),
        ("level=kreis&demand=neu", "07211", "places_per_10k", "people_unknown"),
        ("level=kreis&demand=neu", "07211", "gap", "people_unknown"),
        ("level=gemeinde&demand=neu", "07131001", "gap", "too_small"),
    ],
)  # fmt: skip
def test_what_is_unknown_is_null_with_its_reason(
    client: FlaskClient, query: str, key: str, name: str, reason: str
) -> None:
    row = rows(asked(client, query))[key]
    assert row[name] is None
    assert row["missing"][name] == reason
    assert reason in REASONS
    assert set(row["missing"]) == {one for one in COVERAGE_COLUMNS if row[one] is None}


def test_nobody_lives_there(tmp_path: Any) -> None:
    land = small_territory()
    land.municipalities.loc[0, "population"] = 0
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        said = asked(app_of(store, land).test_client(), "level=gemeinde")
    row = rows(said)["07131001"]
    assert row["share_reached"] is row["places_per_10k"] is None
    assert row["people_counted"] == 0
    assert {row["missing"][name] for name in ("share_reached", "places_per_10k")} == {"no_people"}


def test_a_dated_state_has_its_own_figures(client: FlaskClient) -> None:
    said = asked(client, "level=kreis&state=vorher")
    assert said["count"]["records"] == 0
    assert said["parameters"]["state"] == "vorher"
    assert said["state"] == {
        "key": "vorher",
        "name": "Vorher",
        "date": "2026-11-23",
        "erased": 0,
        "method": METHOD,
        "may_differ": False,
    }
    assert "stand=vorher" in said["page"]
    today = asked(client, "level=kreis")
    assert today["count"]["records"] == 4
    assert today["state"] is None


@pytest.mark.parametrize("kind", ["json", "geojson"])
def test_a_state_that_lost_records_is_told(tmp_path: Path, kind: str) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        workshop = Workshop(store, small_territory())
        pipeline.take_state(workshop, name="Vorher", parameters=CoverageParameters(), today=TODAY)
        client = app_of(store, workshop.territory).test_client()
        address = f"{COVERAGE}.{kind}?state=vorher"
        assert client.get(address).get_json()["state"]["may_differ"] is False
        store.erase("ort-1", now=NOW)
        lost = client.get(address).get_json()["state"]
        assert (lost["erased"], lost["may_differ"]) == (1, True)


def test_a_state_of_another_method_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        workshop = Workshop(store, small_territory())
        monkeypatch.setattr("geo_service.snapshot.snapshot.METHOD", "0")
        pipeline.take_state(workshop, name="Vorher", parameters=CoverageParameters(), today=TODAY)
        monkeypatch.undo()
        client = app_of(store, workshop.territory).test_client()
        state = asked(client, "state=vorher")["state"]
        assert (state["erased"], state["method"], state["may_differ"]) == (0, "0", True)


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ("level=land", 400, "level"),
        ("radius_m=99", 400, "radius_m"),
        ("radius_m=5.5", 400, "radius_m"),
        ("minimum_precision=exact", 400, "minimum_precision"),
        ("within=Mainz", 400, "within"),
        ("stand=vorher", 400, "stand"),
        ("within=99999", 404, "within"),
        ("demand=alle", 404, "demand"),
        ("state=nachher", 404, "state"),
        ("within=07131001", 409, "within"),
        ("level=kreis&within=071315001", 409, "level"),
        ("state=vorher&demand=neu", 409, "state"),
    ],
)
def test_what_cannot_be_meant_names_parameter_expected_and_came(
    client: FlaskClient, query: str, status: int, parameter: str
) -> None:
    response = client.get(f"{COVERAGE}?{query}")
    said = response.get_json()
    assert (response.status_code, said["parameter"]) == (status, parameter)
    assert response.mimetype == "application/problem+json"
    assert said["expected"]
    assert said["got"] in query


def test_a_state_of_other_borders_is_a_conflict(tmp_path: Any) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        before = small_territory()
        workshop = Workshop(store, before)
        pipeline.take_state(workshop, name="Alt", parameters=CoverageParameters(), today=TODAY)
        moved = dataclasses.replace(before, boundaries={"sha256": "0" * 64})
        response = app_of(store, moved).test_client().get(f"{COVERAGE}?state=alt")
    assert response.status_code == 409
    assert response.get_json()["parameter"] == "state"


def test_too_many_pairs_of_people_and_places_are_refused(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "MOST_PAIRS", 1)
    refused = client.get(f"{COVERAGE}?radius_m=99000")
    assert (refused.status_code, refused.get_json()["parameter"]) == (422, "radius_m")
    assert "shorter radius" in refused.get_json()["expected"]
    page = client.get("/planung?umkreis=99")
    assert page.status_code == 400
    assert "kleineren Umkreis" in page.text


@pytest.mark.parametrize(
    ("radius_m", "precision", "expected"),
    [(1_000.0, "address", 2), (100_000.0, "address", 2 * 3), (100_000.0, None, (2 + 16) * 3)],
)
def test_pairs_are_those_within_the_radius(
    tmp_path: Path, radius_m: float, precision: Any, expected: int
) -> None:
    """Two exact points, sixteen spots of the rough place at one of them, people at three."""
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(ROWS))
        snapshot = Snapshot.of(store.read(), small_territory())
    parameters = CoverageParameters(radius_m=radius_m, minimum_precision=precision)
    with pytest.raises(TooLargeError, match=f"got {expected}$"):
        snapshot.levels(parameters, today=TODAY, most_pairs=expected - 1)
    measured = snapshot.levels(parameters, today=TODAY, most_pairs=expected)
    assert snapshot.levels(parameters, today=TODAY, most_pairs=0) is measured  # it is there


def test_answers_are_tagged_and_open_to_other_sites(client: FlaskClient) -> None:
    for kind in ("json", "geojson", "csv"):
        first = client.get(f"{COVERAGE}.{kind}")
        tag = first.headers["ETag"]
        again = client.get(f"{COVERAGE}.{kind}", headers={"If-None-Match": tag})
        assert again.status_code == 304
        assert first.headers["Access-Control-Allow-Origin"] == "*"
        assert client.head(f"{COVERAGE}.{kind}").data == b""
    chosen = client.get(COVERAGE, headers={"Accept": "text/csv"})
    assert chosen.mimetype == "text/csv"


def test_csv_leads_to_method_and_sources(client: FlaskClient) -> None:
    link = client.get(f"{COVERAGE}.csv?level=kreis").headers["Link"]
    address = link.partition("<")[2].partition(">")[0]
    described = client.get(address).get_json(force=True)
    assert [one["name"] for one in described["tableSchema"]["columns"]] == [*COVERAGE_COLUMNS]
    assert 'rel="describedby"' in link


def test_borders_are_thinned_as_asked(client: FlaskClient) -> None:
    full, thin = (
        client.get(f"{COVERAGE}.geojson?level=kreis&simplification_m={side}").get_json()
        for side in ("0", "1000")
    )
    borders = client.get("/api/v1/boundaries?level=kreis&simplification_m=0").get_json()
    shapes = {one["properties"]["key"]: one["geometry"] for one in borders["features"]}
    assert {one["id"]: one["geometry"] for one in full["features"]} == shapes
    assert [one["properties"] for one in full["features"]] == [
        one["properties"] for one in thin["features"]
    ]
