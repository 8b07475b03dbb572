"""Formats, compression, tags, streams and request ids: what every answer of the interface has."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import random
import re
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from api_world import SPREAD, client_of, random_place
from flask.testing import FlaskClient
from web_helpers import place

from geo_service.formats import restore_cell
from geo_service.schema import PUBLIC_COLUMNS
from geo_service.web.request_log import JsonLines

PLACES = "/api/v1/initiatives"
ADDRESSES = (
    "/api/v1",
    PLACES,
    f"{PLACES}?limit=all",
    f"{PLACES}/ort-1",
    "/api/v1/areas",
    "/api/v1/areas/07131",
    "/api/v1/boundaries?level=gemeinde",
    "/api/v1/suggestions?q=Ah",
    "/api/v1/summary",
    "/api/v1/changes?since_revision=0&include=records",
    "/api/v1/openapi.json",
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    with client_of(SPREAD, tmp_path) as (client, _):
        yield client


@pytest.mark.parametrize(
    ("path", "accept", "content_type"),
    [
        (PLACES, None, "application/geo+json"),
        (PLACES, "*/*", "application/geo+json"),
        (PLACES, "text/html,*/*;q=0.1", "application/geo+json"),
        (PLACES, "application/json", "application/json"),
        (PLACES, "application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        (f"{PLACES}.json", "text/csv", "application/json"),
        (f"{PLACES}.csv", None, "text/csv; charset=utf-8"),
        (f"{PLACES}.geojson", None, "application/geo+json"),
        (f"{PLACES}/ort-1.json", None, "application/json"),
        (f"{PLACES}/ort-1", "application/json", "application/json"),
        ("/api/v1/areas.csv", None, "text/csv; charset=utf-8"),
    ],
)
def test_format_follows_extension_then_accept(
    client: FlaskClient, path: str, accept: str | None, content_type: str
) -> None:
    answer = client.get(path, headers={"Accept": accept} if accept else {})
    assert answer.content_type == content_type
    negotiated = "." not in path
    assert ("Accept" in [one.strip() for one in answer.headers["Vary"].split(",")]) == negotiated


def test_a_format_that_is_not_offered_is_refused_by_name(client: FlaskClient) -> None:
    answer = client.get(PLACES, headers={"Accept": "application/xml"})
    assert (answer.status_code, answer.get_json()["parameter"]) == (406, "Accept")
    assert "text/csv" in answer.get_json()["expected"]


def test_all_formats_hold_the_same_records(client: FlaskClient) -> None:
    query = "near=7.05,50.05&limit=2&fields=name,wheelchair"
    plain = client.get(f"{PLACES}.json?{query}").get_json()["initiatives"]
    features = client.get(f"{PLACES}.geojson?{query}").get_json()["features"]
    text = client.get(f"{PLACES}.csv?{query}").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert plain[1] == {
        "id": "ort-2",
        "name": "Café 2",
        "wheelchair": "yes",
        "lon": 7.05,
        "lat": 50.05,
        "distance_m": 0,
    }
    for one, feature, row in zip(plain, features, rows, strict=True):
        lon, lat = feature["geometry"]["coordinates"]
        assert feature["properties"] | {"lon": lon, "lat": lat} == one
        assert {name: value for name, value in row.items() if value} == {
            name: str(value) for name, value in one.items()
        }


def test_stream_and_pages_hold_the_same_features(tmp_path: Path) -> None:
    chance = random.Random(3)
    rows = [random_place(number, chance) for number in range(1200)]
    with client_of(rows, tmp_path) as (client, _):
        whole = client.get(f"{PLACES}?limit=all").get_json()
        first = client.get(f"{PLACES}?limit=1000").get_json()
        rest = client.get(first["next"]).get_json()
    assert whole["features"] == first["features"] + rest["features"]
    assert len(whole["features"]) == 1200
    assert "next" not in whole


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_is_tagged_compressed_and_open(client: FlaskClient, address: str) -> None:
    plain = client.get(address)
    assert plain.status_code == 200
    assert plain.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in plain.headers
    assert "Cache-Control" in plain.headers
    tags = set()
    for name, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress), ("", bytes)):
        answer = client.get(address, headers={"Accept-Encoding": name})
        encoding = answer.headers.get("Content-Encoding", "")
        assert encoding in {name, ""}
        content = unpack(answer.data) if encoding else answer.data
        assert content == plain.data
        tag = answer.headers["ETag"]
        assert tag.startswith('"')
        tags.add((encoding, tag))
        again = client.get(address, headers={"Accept-Encoding": name, "If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        head = client.head(address, headers={"Accept-Encoding": name})
        assert (head.data, head.headers["ETag"]) == (b"", tag)
        assert head.content_type == answer.content_type
    assert len({tag for _, tag in tags}) == len({encoding for encoding, _ in tags})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("GET", f"{PLACES}/nobody", 404),
        ("GET", f"{PLACES}/nobody.json", 404),
        ("GET", "/api/v1/areas/07999", 404),
        ("DELETE", PLACES, 405),
        ("POST", "/api/v1", 405),
        ("GET", f"{PLACES}?x=%ff", 400),
        ("GET", "/api/v1/suggestions", 400),
        ("GET", "/api/v1/summary?x=1", 400),
    ],
)
def test_every_refusal_is_a_problem_that_other_sites_may_read(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method)
    said = json.loads(answer.data)
    assert answer.status_code == said["status"] == status
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert said["detail"].isascii()
    if status == 405:
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_browser_may_ask_beforehand(client: FlaskClient) -> None:
    answer = client.options(
        PLACES, headers={"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    )
    assert answer.status_code == 200
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert "If-None-Match" in answer.headers["Access-Control-Allow-Headers"]


def test_what_tells_a_position_is_kept_by_no_proxy(client: FlaskClient) -> None:
    for query in ("near=7.05,50.05", "bbox=7,50,8,51", "q=anker", "near=7.05,50.05&limit=all"):
        assert client.get(f"{PLACES}?{query}").headers["Cache-Control"] == "private, no-cache"
    assert client.get(f"{PLACES}?limit=5").headers["Cache-Control"] == "no-cache"


def test_cells_of_a_table_are_no_formulas_and_come_back(tmp_path: Path) -> None:
    hostile = ["=1+1", "+49 6131", "@SUM(A1)", "'=x", '"quoted", too', "zwei\nZeilen"]
    rows = [place(number, name=name) for number, name in enumerate(hostile)]
    with client_of(rows, tmp_path) as (client, _):
        text = client.get(f"{PLACES}.csv").get_data(as_text=True)
    names = [row["name"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert [restore_cell(name) for name in names] == hostile
    assert not any(name[0] in "=+-@" for name in names)


def test_an_id_may_look_like_one_with_an_extension(tmp_path: Path) -> None:
    rows = [place(1, id="a.json"), place(2, id="a"), place(3, id="b/c d.csv")]
    with client_of(rows, tmp_path) as (client, _):
        assert client.get(f"{PLACES}/a.json").get_json()["properties"]["id"] == "a.json"
        assert client.get(f"{PLACES}/a.geojson").get_json()["id"] == "a"
        assert client.get(f"{PLACES}/b/c%20d.csv.json").get_json()["id"] == "b/c d.csv"


def test_no_column_leaves_the_house_but_the_public_ones(client: FlaskClient) -> None:
    for one in client.get(f"{PLACES}.json?limit=all").get_json()["initiatives"]:
        assert set(one) <= {*PUBLIC_COLUMNS, "lon", "lat"}
    for path in ("", ".csv", ".json"):
        assert b"only for us" not in client.get(f"{PLACES}{path}").data


def test_borders_are_thinned_as_asked_and_stay_borders(client: FlaskClient) -> None:
    for level, count in (("gemeinde", 3), ("verbandsgemeinde", 2), ("kreis", 2), ("land", 1)):
        said = client.get(f"/api/v1/boundaries?level={level}&simplification_m=0").get_json()
        assert len(said["features"]) == count
    assert client.get("/api/v1/boundaries?simplification_m=7").status_code == 400


def test_areas_are_listed_by_level_and_inside_others(client: FlaskClient) -> None:
    def keys(query: str) -> list[str]:
        return [one["key"] for one in client.get(f"/api/v1/areas?{query}").get_json()["areas"]]

    assert keys("level=kreis") == ["07131", "07211"]
    assert keys("within=07131") == ["071315001", "07131001", "07131002"]
    assert keys("within=07131&level=gemeinde") == ["07131001", "07131002"]
    cstadt = client.get("/api/v1/areas/07211000").get_json()
    assert (cstadt["key"], cstadt["records"], cstadt["within"]) == ("07211", 1, ["07"])


def test_every_answer_of_the_service_has_a_request_id(client: FlaskClient) -> None:
    for path in ("/", "/ar", "/nix", "/healthz", PLACES, f"{PLACES}?x", "/api/", "/vorschlaege"):
        first, second = (client.get(path).headers["X-Request-Id"] for _ in range(2))
        assert re.fullmatch("[0-9a-f]{16}", first)
        assert first != second
    kept = client.get(PLACES, headers={"X-Request-Id": "proxy-4711"}).headers["X-Request-Id"]
    assert kept == "proxy-4711"
    for odd in ("x" * 100, "a b c d e f g", '"><script>', "kurz"):
        answer = client.get(PLACES, headers={"X-Request-Id": odd})
        assert answer.headers["X-Request-Id"] != odd


def test_a_log_line_is_one_json_object_without_who_asked(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonLines().format(record))

    def broken() -> None:
        raise RuntimeError("zwei\nZeilen")

    logger = logging.getLogger("geo_service")
    handler = Lines()
    logger.addHandler(handler)
    site = client.application.extensions["geo_service"]
    monkeypatch.setattr(type(site), "view", lambda _: broken())
    try:
        address = f"{PLACES}?near=7.123,50.456"
        answer = client.get(address, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    finally:
        logger.removeHandler(handler)
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    (line,) = lines
    said = json.loads(line)
    assert said["request_id"] == answer.headers["X-Request-Id"]
    assert said["level"] == "error"
    assert "RuntimeError" in said["exception"]
    for secret in ("203.0.113.7", "7.123", "50.456", "\n"):
        assert secret not in line
