"""Finding records: every way through the index gives what looking at each record gives."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_world import SPREAD, client_of, random_place
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from web_helpers import initiatives_of, place

from geo_service.names import fold
from geo_service.schema import CATEGORIES
from geo_service.web.api import records
from geo_service.web.api.records import Near, Order, RecordIndex, Walk

PLACES = "/api/v1/initiatives"


@pytest.fixture(scope="module")
def index() -> RecordIndex:
    chance = random.Random(5)
    return RecordIndex(initiatives_of([random_place(number, chance) for number in range(300)]))


@pytest.fixture(scope="module", autouse=True)
def tree_for_many() -> Iterator[None]:
    """Let `index` be asked by the tree, and smaller worlds by measuring every record."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_FEW", 100)
        yield


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_BLOCK", 7)


Boxes = st.one_of(
    st.none(),
    st.tuples(
        st.integers(700, 730), st.integers(5000, 5010), st.integers(0, 10), st.integers(0, 5)
    ).map(
        lambda box: (box[0] / 100, box[1] / 100, (box[0] + box[2]) / 100, (box[1] + box[3]) / 100)
    ),
)
Nears = st.builds(
    lambda lon, lat, radius: Near(lon / 100, lat / 100, radius),
    st.integers(690, 740),
    st.integers(4990, 5020),
    st.sampled_from([1.0, 800.0, 5_000.0, float("inf")]),
)


def by_hand(index: RecordIndex, walk: Walk, category: str | None) -> list[int]:
    """Look at every record."""
    rows = []
    for row in range(len(index)):
        known = index.values(row)
        if category and known.get("category") != category:
            continue
        if (walk.box or walk.near) and "lon" not in known:
            continue
        if walk.box:
            west, south, east, north = walk.box
            if not (west <= index.lon[row] <= east and south <= index.lat[row] <= north):
                continue
        if walk.near and index.distances_mm(walk.near)[row] > walk.near.radius_m * 1000:
            continue
        rows.append(row)
    keys: dict[Order, Any] = {
        "id": lambda row: index.ids[row],
        "name": lambda row: (fold(index.values(row)["name"]), index.ids[row]),
        "distance": lambda row: (index.distances_mm(walk.near)[row], index.ids[row]),
    }
    return sorted(rows, key=keys[walk.order])


@pytest.mark.usefixtures("small_blocks")
@settings(deadline=None, max_examples=150)
@given(
    box=Boxes,
    near=st.one_of(st.none(), Nears),
    category=st.sampled_from([None, *CATEGORIES[:3]]),
    order=st.sampled_from(["id", "name", "distance"]),
    limit=st.integers(1, 40),
)
def test_pages_joined_are_what_looking_at_each_record_gives(
    index: RecordIndex,
    box: tuple[float, float, float, float] | None,
    near: Near | None,
    category: str | None,
    order: Order,
    limit: int,
) -> None:
    if order == "distance" and near is None:
        order = "id"
    tests = (index.is_one_of("category", [category]),) if category else ()
    walk = Walk(tests, box, near, order)
    expected = by_hand(index, walk, category)
    assert [found.row for found in index.find(walk)] == expected
    walked: list[int] = []
    after = None
    more = True
    while more:
        page, more = index.page(Walk(tests, box, near, order, after), limit)
        walked += [found.row for found in page]
        after = index.key(page[-1], order) if page else None
    assert walked == expected


def test_the_tree_and_measuring_every_record_agree_among_equal_distances(
    index: RecordIndex,
) -> None:
    near = Near(7.15, 50.05)
    for count in (1, 2, 3, 10, 150, 299, 300):
        nearest, _ = index.page(Walk(near=near, order="distance"), count)
        every = list(index.find(Walk(near=near, order="distance")))[:count]
        assert nearest == every


def found(client: FlaskClient, query: str) -> list[str]:
    answer = client.get(f"{PLACES}.json?{query}")
    assert answer.status_code == 200, answer.data
    return [one["id"].removeprefix("ort-") for one in answer.get_json()["initiatives"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "12345"),
        ("bbox=7,50,7.1,50.1", "123"),
        ("bbox=7.1,50.1,7,50", "123"),
        ("bbox=7.055,50,7.1,50.1", "3"),
        ("area=07131", "1234"),
        ("area=07131001", "123"),
        ("area=071315001", "123"),
        ("area=07211", "5"),
        ("area=07211000", "5"),
        ("area=07211&area=07131001", "1235"),
        ("area=07", "12345"),
        ("category=Fahrradwerkstatt", "1"),
        ("category=Fahrradwerkstatt&category=Begegnungscaf%C3%A9", "12345"),
        ("theme=Begegnungsorte", "2"),
        ("language=arabisch", "3"),
        ("language=PERSISCH&language=Arabisch", "34"),
        ("language=Arabisch&unknown=language", "1235"),
        ("language=Klingonisch", ""),
        ("wheelchair=yes", "2"),
        ("wheelchair=yes&unknown=wheelchair", "1235"),
        ("open_at=2026-11-23T11:00:00%2B01:00", "2"),
        ("open_at=2026-11-23T11:00:00+01:00", "2"),
        ("open_at=2026-11-23T11:00:00Z", ""),
        ("open_at=2026-11-23T11:00:00Z&unknown=open_at", "1345"),
        ("open_at=0001-01-01T00:00:00%2B14:00", ""),
        ("open_at=9999-12-31T23:59:60-12:00&unknown=open_at", "12345"),
        ("since=2026-11-23", "12345"),
        ("since=2026-11-24", ""),
        ("q=anker", "1"),
        ("q=ANKER fahrrad", "1"),
        ("sort=name", "23451"),
        ("near=7.05,50.05&radius_m=800&sort=id", "123"),
        ("near=7.05,50.05&category=Begegnungscaf%C3%A9", "235"),
        ("limit=2.0", "12"),
        ("limit=all", "12345"),
    ],
)
def test_a_choice_leaves_what_it_says(tmp_path: Path, query: str, expected: str) -> None:
    with client_of(SPREAD, tmp_path) as (client, _):
        assert "".join(found(client, query)) == expected


def test_an_area_that_is_none_and_parameters_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with client_of(SPREAD, tmp_path) as (client, _):
        for query, status, parameter in (
            ("area=07999", 404, "area"),
            ("area=7131", 400, "area"),
            ("radius_m=5", 409, "radius_m"),
            ("sort=distance", 409, "sort"),
            ("cursor=abc", 409, "cursor"),
            ("cursor=!", 400, "cursor"),
            ("open_at=2026-11-23T11:00:00", 400, "open_at"),
            ("open_at=2026-02-30T11:00:00Z", 400, "open_at"),
            ("since=2026-11-31", 400, "since"),
            ("since=20261123", 400, "since"),
            ("fields=name,coordinate_note", 400, "fields"),
            ("q=%ff", 400, "query"),
            ("q=" + "x" * 101, 400, "q"),
            ("category=Nix", 400, "category"),
        ):
            answer = client.get(f"{PLACES}?{query}")
            assert (answer.status_code, answer.get_json()["parameter"]) == (status, parameter)
            assert answer.content_type == "application/problem+json"


def test_without_records_everything_is_empty(tmp_path: Path) -> None:
    with client_of([], tmp_path) as (client, _):
        for query in ("", "near=7.05,50.05", "bbox=7,50,8,51&sort=name", "q=x", "limit=all"):
            assert found(client, query) == []
        assert client.get("/api/v1/summary").get_json()["records"] == 0
        assert client.get("/api/").status_code == 200


def test_written_records_say_what_the_table_says() -> None:
    rows = [place(1, name='"\\\n\u2028 ü'), place(2, point=None, coordinate_score=0.5)]
    index = RecordIndex(initiatives_of(rows))
    for row, wanted in enumerate(rows):
        known = json.loads(b"{%s}" % index.properties[row])
        assert known["name"] == wanted["name"]
        assert "theme" not in known
    assert json.loads(index.points[1]) is None
    assert np.isnan(index.lon[1])
