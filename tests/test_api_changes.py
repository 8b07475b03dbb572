"""A copy that follows the changes equals a full pull, and learns of erasures without their text."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from api_world import SPREAD, client_of, random_place
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from web_helpers import NOW, fill, initiatives_of, place

from geo_service.store import Store

CHANGES = "/api/v1/changes"


def full_pull(client: FlaskClient) -> tuple[int, dict[str, Any]]:
    said = client.get("/api/v1/initiatives.json?limit=all").get_json()
    return said["revision"], {one["id"]: one for one in said["initiatives"]}


def digest_of(record_id: str) -> str:
    return hashlib.sha256(record_id.encode()).hexdigest()


class Mirror:
    """What docs/api.md tells those who keep a copy to do."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.revision, self.records = full_pull(client)

    def follow(self) -> dict[str, Any]:
        query = f"{CHANGES}?since_revision={self.revision}&include=records"
        said: dict[str, Any] = self.client.get(query).get_json()
        gone = set(said["removed"])
        kept = {key: one for key, one in self.records.items() if digest_of(key) not in gone}
        self.records = kept | {one["id"]: one for one in said["initiatives"]}
        self.revision = said["revision"]
        return said


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_a_mirror_equals_a_full_pull(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    rows = [random_place(number, chance) for number in range(8)]
    with client_of(rows, tmp_path_factory.mktemp("mirror")) as (client, store):
        mirrors = [Mirror(client)]
        for _ in range(12):
            change(store, chance)
            if chance.random() < 0.3:
                mirrors.append(Mirror(client))
            chance.choice(mirrors).follow()
        for mirror in mirrors:
            mirror.follow()
            assert (mirror.revision, mirror.records) == full_pull(client)


def change(store: Store, chance: random.Random) -> None:
    """Import some records, new, changed, equal or erased before; or erase one."""
    ids = store.known()["id"].tolist()
    if ids and chance.random() < 0.4:
        store.erase(chance.choice(ids), now=NOW)
    else:
        numbers = chance.sample(range(12), chance.randrange(1, 6))
        fill(store, initiatives_of([random_place(number, chance) for number in numbers]))


def test_changes_are_told_apart(tmp_path: Path) -> None:
    with client_of([place(1), place(2), place(3)], tmp_path) as (client, store):
        fill(store, initiatives_of([place(2, name="Neu"), place(4)]))
        store.erase("ort-3", now=NOW)
        said = client.get(f"{CHANGES}?since_revision=1").get_json()
    assert (said["created"], said["updated"]) == (["ort-4"], ["ort-2"])
    assert said["removed"] == [digest_of("ort-3")]
    assert said["revision"] == 3
    assert "initiatives" not in said


def test_an_erased_record_is_told_without_anything_of_it(tmp_path: Path) -> None:
    with client_of([place(1, name="Geheimnis"), place(2)], tmp_path) as (client, store):
        store.erase("ort-1", now=NOW)
        answer = client.get(f"{CHANGES}?since_revision=1&include=records")
    assert b"Geheimnis" not in answer.data
    assert b"ort-1" not in answer.data
    assert digest_of("ort-1").encode() in answer.data


def test_a_record_that_came_back_is_not_told_to_be_gone(tmp_path: Path) -> None:
    with client_of([place(1), place(2)], tmp_path) as (client, store):
        store.erase("ort-1", now=NOW)
        fill(store, initiatives_of([place(1, name="Wieder da")]))
        said = client.get(f"{CHANGES}?since_revision=1").get_json()
        assert (said["created"], said["removed"]) == (["ort-1"], [])
        store.erase("ort-1", now=NOW)
        for since in (1, 2, 3):
            said = client.get(f"{CHANGES}?since_revision={since}").get_json()
            assert (said["created"], said["removed"]) == ([], [digest_of("ort-1")])


def test_a_revision_that_never_was_is_refused(tmp_path: Path) -> None:
    with client_of(SPREAD, tmp_path) as (client, _):
        answer = client.get(f"{CHANGES}?since_revision=2")
        assert answer.status_code == 409
        assert answer.get_json()["parameter"] == "since_revision"
        assert client.get(CHANGES).status_code == 400


def test_erasures_of_before_digests_were_kept_ask_for_a_full_pull(tmp_path: Path) -> None:
    with client_of([place(1), place(2)], tmp_path) as (client, store):
        store.erase("ort-1", now=NOW)
        with store._begin("write", "forget") as connection:
            connection.exec_driver_sql("DELETE FROM removals")
        fill(store, initiatives_of([place(3)]))
        assert client.get(f"{CHANGES}?since_revision=1").status_code == 409
        assert client.get(f"{CHANGES}?since_revision=2").status_code == 200
        assert client.get(f"{CHANGES}?since_revision=0").status_code == 200


def test_summary_counts_every_record_once_a_kind(tmp_path: Path) -> None:
    with client_of(SPREAD, tmp_path) as (client, _):
        said = client.get("/api/v1/summary").get_json()
    assert (said["records"], said["with_point"], said["revision"]) == (5, 4, 1)
    for kind in ("category", "theme", "precision", "freshness", "wheelchair"):
        assert sum(said[kind].values()) == 5, kind
    assert said["freshness"] == {"current": 4, "stale": 1, "undated": 0}
    assert said["precision"] == {"address": 4, "": 1}
    assert said["language"] == {"Arabisch": 1, "Deutsch": 1, "Persisch": 1}
