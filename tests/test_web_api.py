"""The interface for programs: nearest places as GeoJSON, exact, tagged, open, and clear in no."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from web_helpers import SOURCE_NOTE, VECTORS, app_of, fill, initiatives_of, place, small_territory
from werkzeug.datastructures import MultiDict

from geo_service.schema import PUBLIC_COLUMNS
from geo_service.store import Store
from geo_service.web.api.initiatives import MAX_LIMIT, PARAMETERS
from geo_service.web.api.parameters import ParameterError, read
from geo_service.web.api.records import Near, RecordIndex, Walk

PLACES = "/api/v1/initiatives"
FAR = (7.25, 50.05)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path / 'web.db'}") as store:
        store.migrate()
        yield store


@pytest.fixture
def client(store: Store) -> FlaskClient:
    rows = [
        place(3, point=(7.06, 50.05)),
        place(2),
        place(1),
        place(4, point=None),
        place(5, point=FAR, ags="07211000", coordinate_note="only for us"),
    ]
    fill(store, initiatives_of(rows))
    return app_of(store, small_territory()).test_client()


def found(client: FlaskClient, query: str) -> list[str]:
    features = client.get(f"{PLACES}?{query}").get_json()["features"]
    return [feature["properties"]["id"] for feature in features]


def test_nearest_come_first_and_one_point_in_order_of_ids(client: FlaskClient) -> None:
    assert found(client, "near=7.05,50.05") == ["ort-1", "ort-2", "ort-3", "ort-5"]
    assert found(client, "near=7.25,50.05") == ["ort-5", "ort-3", "ort-1", "ort-2"]


def test_limit_cuts_among_places_of_one_point(client: FlaskClient) -> None:
    assert found(client, "near=7.05,50.05&limit=1") == ["ort-1"]
    assert found(client, "near=7.25,50.05&limit=3") == ["ort-5", "ort-3", "ort-1"]


def test_radius_leaves_out_what_lies_outside(client: FlaskClient) -> None:
    assert found(client, "near=7.05,50.05&radius_m=800") == ["ort-1", "ort-2", "ort-3"]
    assert found(client, "near=7.05,50.05&radius_m=700") == ["ort-1", "ort-2"]
    assert found(client, "near=1,55&radius_m=1") == []


def test_features_have_the_public_columns_and_a_distance(client: FlaskClient) -> None:
    answer = client.get(f"{PLACES}?near=7.05,50.05")
    assert answer.content_type == "application/geo+json"
    collection = json.loads(answer.data)
    assert collection["type"] == "FeatureCollection"
    assert collection["revision"] == 1
    assert SOURCE_NOTE in collection["attribution"]
    for feature in collection["features"]:
        said = feature["properties"]
        assert feature["type"] == "Feature"
        assert feature["id"] == said["id"]
        assert set(said) <= {*PUBLIC_COLUMNS, "distance_m"}
    assert collection["features"][0]["geometry"] == {"type": "Point", "coordinates": [7.05, 50.05]}
    assert b"only for us" not in answer.data


@settings(deadline=None)
@given(
    lon=st.floats(6.0, 8.6, allow_nan=False),
    lat=st.floats(48.9, 51.0, allow_nan=False),
)
def test_distance_is_that_on_the_ellipsoid_to_a_thousandth(lon: float, lat: float) -> None:
    index = RecordIndex(initiatives_of([place(1)]))
    (found,), _ = index.page(Walk(near=Near(lon, lat), order="distance"), 1)
    _, _, expected_m = Geod(ellps="GRS80").inv(lon, lat, 7.05, 50.05)
    assert found.distance_mm is not None
    assert math.isclose(found.distance_mm / 1000, expected_m, rel_tol=1e-3, abs_tol=0.6)


def test_same_question_is_not_answered_twice_until_data_change(
    client: FlaskClient, store: Store
) -> None:
    query = f"{PLACES}?near=7.05,50.05&limit=2"
    first = client.get(query)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert client.get(query, headers={"If-None-Match": tag}).status_code == 304
    for other in ("near=7.05,50.05&limit=3", "near=7.06,50.05&limit=2"):
        assert client.get(f"{PLACES}?{other}").headers["ETag"] != tag
    fill(store, initiatives_of([place(1, name="Neu")]))
    again = client.get(query, headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert again.get_json()["revision"] == 2


def test_same_revision_number_of_other_data_has_another_tag(tmp_path: Path) -> None:
    tags = set()
    for name in ("Café", "Treff"):
        with Store(f"sqlite:///{tmp_path / name}.db") as store:
            store.migrate()
            fill(store, initiatives_of([place(1, name=name)]))
            client = app_of(store, small_territory()).test_client()
            tags.add(client.get(f"{PLACES}?near=7.05,50.05").headers["ETag"])
    assert len(tags) == 2


@pytest.mark.parametrize(
    ("query", "parameter", "got"),
    [
        ("near=", "near", ""),
        ("near=50.05", "near", "50.05"),
        ("near=50.05,7.05", "near", "50.05,7.05"),
        ("near=7.05,nan", "near", "7.05,nan"),
        ("near=7.05,50,1", "near", "7.05,50,1"),
        ("near=7.05,50.05&limit=0", "limit", "0"),
        ("near=7.05,50.05&limit=1001", "limit", "1001"),
        ("near=7.05,50.05&limit=%D9%A1", "limit", "١"),
        ("near=7.05,50.05&radius_m=-1", "radius_m", "-1"),
        ("near=7.05,50.05&radius_m=1e3", "radius_m", "1e3"),
        ("near=7.05,50.05&limt=5", "limt", "limt"),
        ("near=7.05,50.05&limit=1&limit=2", "limit", "1, 2"),
    ],
)
def test_a_problem_names_parameter_expected_and_got(
    client: FlaskClient, query: str, parameter: str, got: str | None
) -> None:
    answer = client.get(f"{PLACES}?{query}")
    problem: dict[str, Any] = json.loads(answer.data)
    assert answer.status_code == problem["status"] == 400
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert problem["parameter"] == parameter
    assert problem["got"] == got
    assert problem["expected"] in problem["detail"]


def test_other_sites_may_read_answers_and_problems_without_credentials(
    client: FlaskClient,
) -> None:
    for query in ("near=7.05,50.05", "near=nowhere"):
        headers = client.get(f"{PLACES}?{query}", headers={"Origin": "https://example.org"}).headers
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Access-Control-Allow-Credentials" not in headers
        assert "Set-Cookie" not in headers


def test_head_says_what_get_would_send(client: FlaskClient) -> None:
    query = f"{PLACES}?near=7.05,50.05"
    head, get = client.head(query), client.get(query)
    assert head.data == b""
    for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control"):
        assert head.headers[name] == get.headers[name]


def test_only_reading_is_possible(client: FlaskClient) -> None:
    answer = client.post(PLACES)
    assert answer.status_code == 405
    assert answer.content_type == "application/problem+json"


def test_a_list_without_points_answers_empty(store: Store) -> None:
    fill(store, initiatives_of([place(1, point=None)]))
    client = app_of(store, small_territory()).test_client()
    assert found(client, "near=7.05,50.05") == []


@pytest.mark.parametrize("text", VECTORS)
def test_record_text_arrives_as_it_is(store: Store, text: str) -> None:
    fill(store, initiatives_of([place(1, name=text)]))
    client = app_of(store, small_territory()).test_client()
    answer = client.get(f"{PLACES}?near=7.05,50.05")
    assert answer.get_json()["features"][0]["properties"]["name"] == text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["near", "radius_m", "limit", "x"]), st.text()))
def test_any_parameters_are_read_or_refused(given_values: dict[str, str]) -> None:
    try:
        asked = read(MultiDict(given_values), PARAMETERS)
    except ParameterError as error:
        refused = error
    else:
        assert asked["limit"] in {None, "all"} or 1 <= asked["limit"] <= MAX_LIMIT
        return
    assert refused.parameter in {"near", "radius_m", "limit", "x"}
    assert len(str(refused)) < 500
