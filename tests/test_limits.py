"""Limits per client: the expensive has a budget, who asks stays unknown, nobody is locked out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from redis_server import free_port, running_redis
from web_helpers import app_of, fill, initiatives_of, place, small_territory
from werkzeug.test import TestResponse

from geo_service.config import load_settings
from geo_service.errors import SettingsError
from geo_service.store import Store
from geo_service.web import limits
from geo_service.web.api import changes
from geo_service.web.planning import sizes
from geo_service.web.site import EXTENSION

ONE = {"rate_limit_siting": "2 per minute", "rate_limit_files": "2 per minute; 3 per hour"}
EXACT = "/planung/standorte?k=1&genau=1"
Make = Callable[..., FlaskClient]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Makes clients of applications over one store, with small budgets."""
    with Store(f"sqlite:///{tmp_path_factory.mktemp('limits') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1)]))
        yield lambda **more: app_of(store, small_territory(), **(ONE | more)).test_client()


def ask(client: FlaskClient, path: str, *, address: str = "192.0.2.1", **more: Any) -> TestResponse:
    return client.get(path, environ_base={"REMOTE_ADDR": address}, **more)


def statuses(client: FlaskClient, path: str, times: int, **more: Any) -> list[int]:
    return [ask(client, path, **more).status_code for _ in range(times)]


# -------------------------------------------------------------------------------- budgets


def test_program_is_told_when_to_ask_again(make: Make) -> None:
    client = make()
    assert statuses(client, "/api/v1/siting", 2) == [200, 200]
    refused = ask(client, "/api/v1/siting.csv?k=2")
    assert refused.status_code == 429
    assert refused.mimetype == "application/problem+json"
    assert refused.get_json()["status"] == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 61
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert refused.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in refused.headers


def test_planner_sees_a_page_in_our_look(make: Make) -> None:
    client = make()
    assert statuses(client, "/planung/export.csv", 2) == [200, 200]
    refused = ask(client, "/planung/export.pdf")
    assert refused.status_code == 429
    assert refused.mimetype == "text/html"
    assert int(refused.headers["Retry-After"]) > 0
    assert '<header class="top">' in refused.text
    assert "Das waren sehr viele Anfragen" in refused.text
    assert "Set-Cookie" not in refused.headers


def test_clients_and_budgets_are_told_apart(make: Make) -> None:
    client = make()
    assert statuses(client, "/api/v1/siting", 3) == [200, 200, 429]
    assert statuses(client, "/api/v1/siting", 1, address="192.0.2.2") == [200]
    assert statuses(client, "/planung/export.csv", 1) == [200]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/planung",
        "/planung/standorte?k=2",
        "/planung/standorte.json?k=2&genau=0",
        "/api/v1/initiatives?limit=1",
        "/api/v1/changes?since_revision=0",
        "/api/v1/changes?since_revision=0&include=records",
        "/handzettel",
        "/healthz",
    ],
)
def test_what_is_cheap_has_no_limit(make: Make, path: str) -> None:
    assert statuses(make(), path, 4) == [200] * 4


@pytest.mark.parametrize(
    "path",
    [
        EXACT,
        "/planung/standorte?k=1&genau=%D9%A1",
        "/planung/standorte?k=1&genau=&genau=1",
        "/planung/standorte.json?genau=1",
        "/planung/standorte.svg?genau=1",
        "/planung/standorte.xlsx",
        "/planung/export.png",
        "/api/v1/initiatives?limit=all",
        "/api/v1/initiatives.csv?limit=all",
        "/api/v1/coverage",
        "/api/v1/coverage.csv?radius_m=700",
        "/api/v1/coverage.json",
        "/api/v1/coverage.geojson?simplification_m=0",
        "/handzettel.pdf",
    ],
)
def test_what_is_expensive_has_one(make: Make, path: str) -> None:
    found = statuses(make(), path, 3)
    assert found[:2] == [200, 200]
    assert found[2] == 429


def test_own_lists_count_as_exact_questions(make: Make) -> None:
    client = make()
    found = [
        client.post("/planung/standorte", data={"liste": "name,lon,lat\nSaal,7.15,50.05\n"})
        for _ in range(3)
    ]
    assert [response.status_code for response in found] == [200, 200, 429]


def test_a_question_that_turns_out_large_counts_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make()
    monkeypatch.setattr(sizes, "LARGE_PAIRS", 0)
    paths = [
        f"/planung/standorte{kind}?umkreis={km}" for km, kind in enumerate(("", ".json", ".svg"), 2)
    ]
    assert [ask(client, path).status_code for path in paths] == [200, 200, 429]
    assert ask(client, paths[0]).status_code == 200  # kept: it costs nothing more
    assert statuses(make(), "/planung/standorte?umkreis=9&genau=1", 2) == [200, 200]


def test_changes_with_many_records_count(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "FREE_RECORDS", 0)
    path = "/api/v1/changes?include=records&since_revision="
    client = make()
    assert statuses(client, f"{path}0", 3) == [200, 200, 429]
    assert statuses(client, f"{path}1", 1) == [200]  # nothing changed: nothing is sent
    assert statuses(client, "/api/v1/changes?since_revision=0", 1) == [200]


def test_an_exact_file_counts_towards_both_budgets(make: Make) -> None:
    client = make(rate_limit_files="9 per minute")
    assert statuses(client, "/planung/standorte.csv?genau=1", 3) == [200, 200, 429]
    assert statuses(client, "/planung/standorte.csv", 1) == [200]


def test_the_longer_rate_holds_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = set_clock(monkeypatch)
    client = make()
    assert statuses(client, "/planung/export.csv", 2) == [200, 200]
    clock[0] += 62
    assert statuses(client, "/planung/export.csv", 1) == [200]
    refused = ask(client, "/planung/export.csv")
    assert refused.status_code == 429
    assert 3000 < int(refused.headers["Retry-After"]) <= 3601


def test_who_waits_as_told_is_answered(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = set_clock(monkeypatch)
    client = make()
    statuses(client, "/api/v1/siting", 2)
    wait = int(ask(client, "/api/v1/siting").headers["Retry-After"])
    clock[0] += wait - 3
    assert statuses(client, "/api/v1/siting", 1) == [429]
    clock[0] += 3
    assert statuses(client, "/api/v1/siting", 1) == [200]


def set_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1_800_000_000.5]
    now = SimpleNamespace(time=lambda: clock[0])
    for module in ("limits.storage.memory.time", "geo_service.web.limits.time"):
        monkeypatch.setattr(module, now)
    return clock


def test_off_is_off(make: Make) -> None:
    client = make(rate_limit_siting="off", rate_limit_files="off")
    assert statuses(client, "/api/v1/siting", 4) == [200] * 4
    assert statuses(client, "/planung/export.csv", 4) == [200] * 4


def test_every_file_and_every_way_to_ask_for_sites_has_a_budget(make: Make) -> None:
    app: Flask = make().application
    limited = {endpoint for budget in limits.EXPENSIVE.values() for endpoint in budget}
    assert limited <= set(app.view_functions)
    made = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if any(part in rule.rule for part in ("export.", ".pdf", "v1/siting", "v1/coverage"))
    } - {"planning.describe_csv"}
    assert made <= limited
    assert "planning.export_comparison" in made


# ---------------------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("path", "ways"),
    [
        ("/api/v1/initiatives?open_at=2026-11-23T10:{:02}:00Z", range(40)),
        ("/embed/karte?farbe=7a2e{:02x}", range(40)),
        ("/embed/liste?fest-gebiet={}", ("07131", "07131001", "07211")),
        ("/embed/orte.geojson?art={}", ("haus", "hilfe", "sprache")),
        ("/?art={}", ("haus", "hilfe", "sprache")),
        ("/?nah=7.05,50.05&art={}", ("haus", "hilfe", "sprache")),
        ("/daten/orte.geojson?art={}", ("haus", "hilfe", "sprache")),
        ("/gebiete/{}", ("07131", "07131001", "07211")),
        ("/handzettel?art={}", ("haus", "hilfe", "sprache")),
        ("/planung?ebene=gemeinde&gebiet={}", ("07131", "07211")),
        ("/planung?klassen=eigene&grenzen={}", range(3, 40)),
        ("/planung/werte.json?kennzahl={}", ("anteil", "entfernung", "je10000")),
        ("/api/v1/coverage.geojson?simplification_m={}", (100, 500)),
        ("/planung/szenario/orte.json?umkreis={}", (2, 3, 4)),
        ("/planung/standorte?k={}", (1, 2, 3)),
        ("/planung/standorte?umkreis={}", (2, 3, 4)),
        ("/api/v1/siting?radius_m={}", (2000, 3000, 4000)),
    ],
)
def test_free_choices_drive_out_no_figures(make: Make, path: str, ways: Sequence[Any]) -> None:
    client = make(rate_limit_files="off", rate_limit_siting="off")
    client.get(path.format(ways[0]))
    kept = client.application.extensions[EXTENSION].holder.current()._derived
    before = len(kept)
    assert {client.get(path.format(way)).status_code for way in ways} == {200}
    assert len(kept) == before


# -------------------------------------------------------------------------------- clients


def test_without_trusted_proxies_a_named_address_counts_for_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    found = [
        ask(client, "/api/v1/siting", headers={"X-Forwarded-For": f"198.51.100.{number}"})
        for number in range(4)
    ]
    assert [response.status_code for response in found] == [200, 200, 429, 429]
    (line,) = caplog.messages
    assert "GEO_SERVICE_TRUSTED_PROXIES" in line


def test_behind_trusted_proxies_the_client_is_whom_they_name(make: Make) -> None:
    client = make(trusted_proxies=2)

    def through(*addresses: str) -> int:
        headers = {"X-Forwarded-For": ", ".join(addresses)}
        return ask(client, "/api/v1/siting", headers=headers).status_code

    assert [through("198.51.100.1", "10.0.0.1") for _ in range(3)] == [200, 200, 429]
    assert through("198.51.100.2", "10.0.0.1") == 200
    # What the client itself wrote in front makes no other client of it.
    assert through("203.0.113.9", "198.51.100.1", "10.0.0.1") == 429


def test_a_trusted_proxy_changes_nothing_but_the_client(make: Make) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    plain, trusted = (
        ask(make(trusted_proxies=count), "/sitemap.xml", headers=headers).text for count in (0, 1)
    )
    assert plain == trusted
    assert "evil.example" not in trusted


def test_a_network_of_ipv6_is_one_client(make: Make) -> None:
    client = make()
    found = [
        statuses(client, "/api/v1/siting", 1, address=f"2001:db8:1:2::{number}")[0]
        for number in range(1, 4)
    ]
    assert found == [200, 200, 429]
    assert statuses(client, "/api/v1/siting", 1, address="2001:db8:1:3::1") == [200]


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("198.51.100.{}:41000", "198.51.100.1"),
        ("[2001:db8:{}::1]:443", "2001:db8:1::7"),
        ("[2001:db8:{}::1]", "2001:db8:1::7"),
        ('"[2001:db8:{}::1]:443"', "2001:db8:1::7"),
    ],
)
def test_a_proxy_may_name_the_port_too(
    make: Make, caplog: pytest.LogCaptureFixture, named: str, address: str
) -> None:
    client = make(trusted_proxies=1)

    def through(name: str) -> int:
        headers = {"X-Forwarded-For": name}
        return ask(client, "/api/v1/siting", headers=headers).status_code

    assert [through(named.format(1)) for _ in range(3)] == [200, 200, 429]
    assert through(named.format(2)) == 200
    assert through(address) == 429  # whatever port, or none: it is the same client
    assert caplog.messages == []


@pytest.mark.parametrize("named", ["unknown", "_geheim", "1.2.3.4.5:80", "[1.2", ":80", "a]:80"])
def test_what_a_proxy_names_wrongly_is_one_client_and_told_once(
    make: Make, caplog: pytest.LogCaptureFixture, named: str
) -> None:
    client = make(trusted_proxies=1)
    headers = {"X-Forwarded-For": named}
    assert statuses(client, "/api/v1/siting", 4, headers=headers) == [200, 200, 429, 429]
    (line,) = caplog.messages
    assert "X-Forwarded-For" in line
    assert named not in line


@pytest.mark.parametrize("address", [None, "", "unix:", "fe80::1%eth0", "::ffff:192.0.2.1"])
def test_every_address_stands_for_some_client(address: str | None) -> None:
    assert len(limits.client_key(address, b"x")) == 32
    assert limits.client_key("::ffff:192.0.2.1", b"x") == limits.client_key("192.0.2.1", b"x")


def test_no_address_is_kept_or_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = make()
    statuses(client, "/api/v1/siting", 4, address="192.0.2.77")
    limiter = client.application.extensions["geo_service limits"]
    kept = [*limiter.storage.events, *limiter.storage.storage]
    assert len(kept) == 1
    assert "192.0.2.77" not in kept[0]
    key = kept[0].split("/")[2]
    told = caplog.text
    assert "192.0.2.77" not in told
    assert key not in told


def test_hashes_are_of_their_application(make: Make) -> None:
    keys = []
    for secret in ("", "", "a", "a"):
        client = make(rate_limit_secret=secret)
        statuses(client, "/api/v1/siting", 1)
        keys += client.application.extensions["geo_service limits"].storage.events
    assert len(set(keys)) == 3


# --------------------------------------------------------------------------------- Redis


@pytest.mark.redis
def test_processes_count_together_in_redis(make: Make, redis_url: str) -> None:
    shared = {"rate_limit_storage": redis_url, "rate_limit_secret": "ours"}
    first, second = make(**shared), make(**shared)
    assert statuses(first, "/api/v1/siting", 1) == [200]
    assert statuses(second, "/api/v1/siting", 2) == [200, 429]
    refused = ask(first, "/api/v1/siting")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 61
    with redis.Redis.from_url(redis_url) as kept:
        (key,) = kept.scan_iter()
        assert b"192.0.2.1" not in key
        assert 0 < kept.ttl(key) <= 60


@pytest.mark.redis
def test_redis_may_go_while_we_serve(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_redis(tmp_path) as (address, server):
        client = make(rate_limit_storage=address)
        assert statuses(client, "/api/v1/siting", 2) == [200, 200]
        server.kill()
        server.wait()
        assert statuses(client, "/api/v1/siting", 3) == [200, 200, 429]
    assert len(caplog.messages) == 1


def test_without_redis_each_process_counts_and_says_so_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(rate_limit_storage=f"redis://:geheim@127.0.0.1:{free_port()}/0")
    assert statuses(client, "/api/v1/siting", 3) == [200, 200, 429]
    (line,) = caplog.messages
    assert "falling back to in-memory" in line
    assert "geheim" not in caplog.text
    assert "192.0.2.1" not in caplog.text


# ------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("20 per minute", "20 per minute"),
        (" 5 PER  Second; 100 per day ", "5 per second; 100 per day"),
        ("off", "off"),
    ],
)
def test_rates_are_read(text: str, read: str) -> None:
    assert load_settings({"GEO_SERVICE_RATE_LIMIT_FILES": text}).rate_limit_files == read


@pytest.mark.parametrize(
    "text", ["viel", "0 per minute", "-1 per hour", "20/minute;", "1 per week"]
)
def test_rates_that_cannot_be_meant_are_told(text: str) -> None:
    with pytest.raises(SettingsError, match="GEO_SERVICE_RATE_LIMIT_SITING: expected rates"):
        load_settings({"GEO_SERVICE_RATE_LIMIT_SITING": text})


def test_only_redis_can_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="GEO_SERVICE_RATE_LIMIT_STORAGE"):
        load_settings({"GEO_SERVICE_RATE_LIMIT_STORAGE": "memcached://localhost"})
    address = {"GEO_SERVICE_RATE_LIMIT_STORAGE": "redis://localhost"}
    assert load_settings(address).rate_limit_storage == "redis://localhost"
    monkeypatch.setattr("geo_service.config.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"geo-service\[redis\]"):
        load_settings(address)
