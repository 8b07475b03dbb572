"""Walks through pages: nothing is skipped and nothing comes twice while imports happen."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from api_world import SPREAD, client_of, random_place
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from web_helpers import NOW, fill, initiatives_of, place

PLACES = "/api/v1/initiatives.json"


def walk(client: FlaskClient, query: str, between: Any = None) -> list[list[str]]:
    """Follow `next` to the end; `between` is called before every further page."""
    pages = []
    address: str | None = f"{PLACES}?{query}"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.data
        said = answer.get_json()
        pages.append([one["id"] for one in said["initiatives"]])
        address = said.get("next")
        assert (f'<{address}>; rel="next"' in answer.headers.get("Link", "")) == bool(address)
        if between and address:
            between()
    return pages


@pytest.mark.parametrize("query", ["", "sort=name", "near=7.05,50.05", "bbox=7,50,7.3,50.1"])
def test_pages_are_full_and_join_to_the_whole(tmp_path: Path, query: str) -> None:
    chance = random.Random(1)
    rows = [random_place(number, chance) for number in range(45)]
    with client_of(rows, tmp_path) as (client, _):
        whole = walk(client, f"{query}&limit=1000")
        pages = walk(client, f"{query}&limit=7")
    assert len(whole) == 1
    assert [one for page in pages for one in page] == whole[0]
    assert all(len(page) == 7 for page in pages[:-1])
    assert pages[-1]


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 10_000), limit=st.integers(4, 9))
def test_a_record_that_is_there_throughout_comes_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, limit: int
) -> None:
    chance = random.Random(seed)
    numbers = range(10, 40)
    rows = [random_place(number, chance) for number in numbers]
    throughout = {row["id"] for row in rows}
    with client_of(rows, tmp_path_factory.mktemp("walk")) as (client, store):

        def change() -> None:
            present = set(store.known()["id"])
            again = chance.sample(range(60), 10)  # new ones before, between and behind
            fill(store, initiatives_of([random_place(number, chance) for number in again]))
            gone = chance.choice(sorted(present))
            store.erase(gone, now=NOW)
            throughout.discard(gone)

        pages = walk(client, f"limit={limit}", change)
    seen = [one for page in pages for one in page]
    assert len(seen) == len(set(seen))
    assert throughout <= set(seen)


def test_other_orders_keep_the_promise_for_records_that_do_not_change(tmp_path: Path) -> None:
    chance = random.Random(2)
    rows = [random_place(number, chance) for number in range(100, 140)]
    for query in ("sort=name&limit=3", "near=7.1,50.05&limit=3"):
        folder = tmp_path / query[:4]
        folder.mkdir()
        with client_of(rows, folder) as (client, store):
            placed = [row["id"] for row in rows if "sort" in query or row["point"]]

            def change(store: Any = store) -> None:
                number = chance.randrange(100)
                fill(store, initiatives_of([random_place(number, chance)]))

            seen = [one for page in walk(client, query, change) for one in page]
        assert [seen.count(one) for one in placed] == [1] * len(placed)


def test_a_cursor_belongs_to_its_question_and_not_to_the_size_of_a_page(tmp_path: Path) -> None:
    with client_of(SPREAD, tmp_path) as (client, _):
        address = client.get(f"{PLACES}?limit=2").get_json()["next"]
        cursor = address.partition("cursor=")[2]
        assert client.get(f"{PLACES}?limit=1&fields=name&cursor={cursor}").status_code == 200
        for other in ("category=Fahrradwerkstatt", "sort=name", "near=7.05,50.05"):
            answer = client.get(f"{PLACES}?{other}&cursor={cursor}")
            assert (answer.status_code, answer.get_json()["parameter"]) == (409, "cursor")


@pytest.mark.parametrize(
    "said", ["x", 5, [], ["q", 1, "", 3], ["q", True, "", "a"], ["q", 1, None, "a"], {"a": 1}]
)
def test_a_forged_cursor_is_refused(tmp_path: Path, said: Any) -> None:
    text = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    with client_of([place(1)], tmp_path) as (client, _):
        assert client.get(f"{PLACES}?cursor={text}").status_code == 409


def test_a_name_that_folds_to_very_many_letters_does_not_end_a_walk(tmp_path: Path) -> None:
    long = {number: "\ufdfa" * 200 + str(number) for number in (3, 1, 2)}  # 18 letters each
    rows = [place(number, name=long.get(number, f"Haus {number}")) for number in range(8)]
    with client_of(rows, tmp_path) as (client, _):
        seen = [one for page in walk(client, "sort=name&limit=1") for one in page]
    assert seen == [f"ort-{number}" for number in (0, 4, 5, 6, 7, 1, 2, 3)]


@pytest.mark.parametrize(
    "number", [10**400, -(10**400), -1, 2**53 + 1], ids=["huge", "far below", "below", "above"]
)
@pytest.mark.parametrize("part", [1, 2], ids=["revision", "distance"])
def test_a_cursor_with_a_number_that_cannot_be_is_refused(
    tmp_path: Path, part: int, number: int
) -> None:
    with client_of(SPREAD, tmp_path) as (client, _):
        head, cursor = (
            client.get(f"{PLACES}?near=7.05,50.05&limit=2").get_json()["next"].split("cursor=")
        )
        said = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        said[part] = number
        text = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        answer = client.get(f"{head}cursor={text}")
    assert (answer.status_code, answer.get_json()["parameter"]) == (409, "cursor")


def test_a_cursor_of_a_revision_that_is_not_there_yet_makes_the_store_be_asked(
    tmp_path: Path,
) -> None:
    with client_of(SPREAD, tmp_path) as (client, _):
        address = client.get(f"{PLACES}?limit=2").get_json()["next"]
        head, cursor = address.split("cursor=")
        said = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        said[1] = 99
        ahead = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        assert client.get(f"{head}cursor={ahead}").status_code == 200
