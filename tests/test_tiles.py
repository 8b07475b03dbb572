"""The base map's tiles: only ours, only once, never waited for, never anything but an image."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from test_browser import missing
from tile_server import (
    BROKEN,
    DROP,
    HANG,
    JPEG,
    NONE,
    PNG,
    WEBP,
    Answer,
    TileServer,
    hammer_cache,
    keep_on_full_disk,
    png,
    serve_tiles,
    wear_certificate,
)
from web_helpers import app_of, fill, initiatives_of, place, small_territory

from geo_service import config, maps
from geo_service.config import load_settings
from geo_service.errors import SettingsError
from geo_service.snapshot import Territory
from geo_service.store import Store
from geo_service.tiles import (
    FLIGHTS,
    MAX_BYTES,
    PRESETS,
    WAITERS,
    Absent,
    Breaker,
    Image,
    Tile,
    TileCache,
    TileGrid,
    TileProxy,
    TileSource,
    Unavailable,
    image_type,
    tile_source,
)
from geo_service.web import HEADERS

AHEIM = Tile(12, 2128, 1388)
"""A tile of the small Land (7.0 to 7.3 east, 50.0 to 50.1 north)."""

AHEIM_PATH = "/karte/12/1388/2128.png"
DAY_S = 86_400.0


@pytest.fixture
def upstream() -> Iterator[TileServer]:
    with serve_tiles() as server:
        yield server


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.time_s = 1_000.0

    def __call__(self) -> float:
        return self.time_s


MakeProxy = Callable[..., TileProxy]


@pytest.fixture
def make_proxy(upstream: TileServer, tmp_path: Path) -> MakeProxy:
    def make(**given: Any) -> TileProxy:
        source = given.pop("source", None) or source_of(upstream.url)
        cache = TileCache(tmp_path / "tiles", source.key, max_bytes=10_000_000)
        options: dict[str, Any] = {"cache": cache, "user_agent": "geo-service/1 (x@example.org)"}
        return TileProxy(source, **(options | {"timeout_s": 2.0} | given))

    return make


def source_of(url: str) -> TileSource:
    source = tile_source(url, attribution="© Testkarte {jahr}")
    assert source is not None
    return source


def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it never came"
        threading.Event().wait(0.005)


# -------------------------------------------------------------------------------- grid


def test_grid_is_the_box_of_the_land(territory: Territory) -> None:
    grid = TileGrid(territory.bounds, zooms=(10, 17))
    mainz, hamburg = Tile(12, 2142, 1389), Tile(12, 2161, 1323)
    assert mainz in grid
    assert hamburg not in grid
    assert Tile(9, 266, 173) not in grid
    assert Tile(18, 137_088, 88_896) not in grid
    assert Tile(12, -1, 1389) not in grid


def test_grid_of_a_known_box() -> None:
    # From zoom 1 to 2 a tile becomes four; the box lies around 0, 0.
    grid = TileGrid((-1.0, -1.0, 1.0, 1.0), zooms=(1, 2))
    assert len(grid) == 8
    assert {t for t in (Tile(2, x, y) for x in range(4) for y in range(4)) if t in grid} == {
        Tile(2, 1, 1),
        Tile(2, 1, 2),
        Tile(2, 2, 1),
        Tile(2, 2, 2),
    }


# ----------------------------------------------------------------------------- sources


def test_presets_of_settings_and_room_are_the_same() -> None:
    assert set(PRESETS) == set(config.TILE_PRESETS)


def test_basemap_counts_rows_first() -> None:
    source = tile_source("basemap-grau")
    assert source is not None
    assert source.address(Tile(12, 2142, 1389)).endswith(
        "/de_basemapde_web_raster_grau/default/GLOBAL_WEBMERCATOR/12/1389/2142.png"
    )
    assert "CC BY 4.0" in source.attribution


def test_own_note_goes_before_that_of_the_preset() -> None:
    source = tile_source("basemap-farbe", attribution="© wir", licence="frei")
    assert source is not None
    assert (source.attribution, source.licence) == ("© wir", "frei")


@pytest.mark.parametrize(
    "url", ["", "basemap", "file:///etc/{z}{x}{y}", "https://example.org/{z}/{x}.png", "ftp://{z}"]
)
def test_what_names_no_tile_server_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        tile_source(url, attribution="©")


def test_off_is_no_source() -> None:
    assert tile_source("off") is None


# ---------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "host", ["tile.openstreetmap.org", "a.tile.openstreetmap.org", "TILE.OpenStreetMap.org."]
)
def test_tiles_of_openstreetmap_org_are_refused_with_their_policy(host: str) -> None:
    url = f"https://{host}/{{z}}/{{x}}/{{y}}.png"
    with pytest.raises(SettingsError, match=r"operations\.osmfoundation\.org/policies/tiles"):
        load_settings({"GEO_SERVICE_TILES_URL": url, "GEO_SERVICE_TILES_ATTRIBUTION": "©"})


@pytest.mark.parametrize(
    "url",
    ["osm", "https://example.org/{z}/{x}.png", "file:///{z}/{x}/{y}", "https://x/{z}/{z}/{x}/{y}"],
)
def test_settings_say_what_an_address_needs(url: str) -> None:
    with pytest.raises(SettingsError, match="GEO_SERVICE_TILES_URL: expected basemap-grau"):
        load_settings({"GEO_SERVICE_TILES_URL": url})


def test_another_tile_server_needs_its_note() -> None:
    url = "https://tiles.example.org/{z}/{x}/{y}.png"
    with pytest.raises(SettingsError, match="GEO_SERVICE_TILES_ATTRIBUTION"):
        load_settings({"GEO_SERVICE_TILES_URL": url})
    settings = load_settings(
        {"GEO_SERVICE_TILES_URL": url, "GEO_SERVICE_TILES_ATTRIBUTION": "© Beispiel"}
    )
    assert settings.tiles_url == url


def test_grey_basemap_is_the_default_and_off_turns_it_off() -> None:
    assert load_settings({}).tiles_url == "basemap-grau"
    assert load_settings({"GEO_SERVICE_TILES_URL": "off"}).tiles_url == "off"


# ------------------------------------------------------------------------------- proxy


def test_tile_is_asked_for_once_and_then_kept(upstream: TileServer, make_proxy: MakeProxy) -> None:
    proxy = make_proxy()
    first = proxy.get(AHEIM)
    assert first == Image(PNG, "image/png", 30 * DAY_S)
    again = make_proxy().get(AHEIM)
    assert isinstance(again, Image)
    assert again.content == PNG
    assert upstream.paths == {AHEIM_PATH: 1}


def test_tile_server_is_told_who_asks_and_nothing_of_the_visitor(
    upstream: TileServer, make_proxy: MakeProxy
) -> None:
    make_proxy().get(AHEIM)
    (asked,) = upstream.asked
    assert asked.headers["User-Agent"] == "geo-service/1 (x@example.org)"
    assert set(asked.headers) == {"User-Agent", "Accept", "Accept-Encoding", "Host", "Connection"}


@pytest.mark.parametrize(
    ("body", "mimetype"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")]
)
def test_images_of_three_kinds_are_taken(
    upstream: TileServer, make_proxy: MakeProxy, body: bytes, mimetype: str
) -> None:
    upstream.default = Answer(body, mimetype=mimetype)
    assert make_proxy().get(AHEIM) == Image(body, mimetype, 30 * DAY_S)


NO_TILES = {
    "error": BROKEN,
    "forbidden": Answer(b"", status=403),
    "page": Answer(b"<html><script>x</script></html>", mimetype="text/html"),
    "page called image": Answer(b"<html><script>x</script></html>"),
    "image called page": Answer(PNG, mimetype="text/html"),
    "svg": Answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>", mimetype="image/svg+xml"),
    "empty": Answer(b""),
    "cut": Answer(PNG, way="cut"),
    "cut against its length": Answer(PNG, way="cut", headers={"Content-Length": str(len(PNG))}),
    "too large": Answer(PNG[:-8] + b"\0" * MAX_BYTES + PNG[-8:]),
    "dropped": DROP,
    "redirect": Answer(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}),
    "half a status": Answer(b"", status=299),
}


@pytest.mark.parametrize("answer", NO_TILES.values(), ids=NO_TILES.keys())
def test_what_is_no_tile_is_neither_given_nor_kept(
    upstream: TileServer, make_proxy: MakeProxy, tmp_path: Path, answer: Answer
) -> None:
    upstream.default = answer
    assert isinstance(make_proxy().get(AHEIM), Unavailable)
    assert len(upstream.asked) == 1
    assert list(tmp_path.rglob("*.tile*")) == []


def test_redirect_is_never_followed(upstream: TileServer, make_proxy: MakeProxy) -> None:
    with serve_tiles() as other:
        location = other.url.format(z=1, x=1, y=1)
        for status in (301, 302, 303, 307, 308):
            upstream.queue.append(Answer(b"", status=status, headers={"Location": location}))
            assert isinstance(make_proxy().get(AHEIM), Unavailable)
        assert other.asked == []


@pytest.mark.parametrize("way", ["hang", "head", "drip"])
def test_slow_tile_server_is_given_up_and_asked_again_later(
    upstream: TileServer, make_proxy: MakeProxy, way: str
) -> None:
    upstream.default = Answer(way=way)
    clock = Clock()
    proxy = make_proxy(timeout_s=0.2, breaker=Breaker(clock=clock))
    start = time.monotonic()
    assert isinstance(proxy.get(AHEIM), Unavailable)
    assert time.monotonic() - start < 2
    upstream.default = Answer()
    clock.time_s += 31
    until(lambda: isinstance(proxy.get(AHEIM), Image))


def test_expired_tile_that_is_no_more_is_forgotten(
    upstream: TileServer, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    proxy = make_proxy()
    proxy.get(AHEIM)
    age(tmp_path, days=31)
    upstream.default = NONE
    assert isinstance(proxy.get(AHEIM), Image)
    until(lambda: proxy.get(AHEIM) == Absent())
    assert upstream.paths == {AHEIM_PATH: 2}


def test_tls_that_never_ends_its_greeting_is_given_up(make_proxy: MakeProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/{{z}}/{{x}}/{{y}}"
        gone = threading.Event()

        def greet() -> None:
            client, _ = server.accept()
            with client, suppress(OSError):
                client.sendall(b"\x16\x03\x03\x3f\xff")  # a record of 16 KB, byte by byte
                while not gone.wait(0.02):
                    client.sendall(b"\0")
            gone.set()

        threading.Thread(target=greet, daemon=True).start()
        proxy = make_proxy(source=source_of(url), timeout_s=0.2)
        assert isinstance(proxy.get(AHEIM), Unavailable)
        assert gone.wait(10)


def test_tile_server_by_https_must_be_who_it_says(
    upstream: TileServer,
    make_proxy: MakeProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if shutil.which("openssl") is None:
        missing("openssl")
    certificate = wear_certificate(upstream, tmp_path)
    source = source_of(upstream.url.replace("http:", "https:"))
    assert isinstance(make_proxy(source=source).get(AHEIM), Unavailable)
    assert upstream.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert isinstance(make_proxy(source=source).get(AHEIM), Image)


def test_absent_tile_is_not_asked_for_again_that_day(
    upstream: TileServer, make_proxy: MakeProxy
) -> None:
    upstream.default = NONE
    clock = Clock()
    proxy = make_proxy(clock=clock)
    assert [proxy.get(AHEIM), proxy.get(AHEIM)] == [Absent(), Absent()]
    assert len(upstream.asked) == 1
    assert not proxy.resting
    clock.time_s += DAY_S + 1
    proxy.get(AHEIM)
    assert len(upstream.asked) == 2


def test_many_who_want_one_tile_ask_once(upstream: TileServer, make_proxy: MakeProxy) -> None:
    proxy = make_proxy()
    proxy.get(Tile(12, 2128, 1389))  # the tile server is known to answer
    gate = threading.Barrier(WAITERS)

    def ask(_: int) -> object:
        gate.wait()
        return proxy.get(AHEIM)

    with ThreadPoolExecutor(WAITERS) as pool:
        answers = list(pool.map(ask, range(WAITERS)))
    assert all(isinstance(answer, Image) for answer in answers)
    assert upstream.paths[AHEIM_PATH] == 1


def test_whole_view_arrives_from_an_empty_cache(
    upstream: TileServer, make_proxy: MakeProxy
) -> None:
    proxy = make_proxy()
    proxy.get(AHEIM)
    wanted = [Tile(14, 8512 + x, 5560 + y) for x in range(6) for y in range(5)]
    with ThreadPoolExecutor(6) as pool:  # as many as a browser opens
        answers = list(pool.map(proxy.get, wanted))
    assert all(isinstance(answer, Image) for answer in answers)


# --------------------------------------------------------------------------- in trouble


def test_stale_tile_is_given_at_once_and_fetched_anew(
    upstream: TileServer, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    proxy = make_proxy()
    proxy.get(AHEIM)
    age(tmp_path, days=31)
    new = png(1, 2, 3)
    upstream.default = Answer(new)
    stale = proxy.get(AHEIM)
    assert stale == Image(PNG, "image/png", 0.0)
    until(lambda: make_proxy().get(AHEIM) != stale)
    fresh = make_proxy().get(AHEIM)
    assert isinstance(fresh, Image)
    assert fresh.content == new
    assert fresh.expires_s > 29 * DAY_S


def test_stale_tiles_are_given_while_the_tile_server_fails(
    upstream: TileServer, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    proxy = make_proxy()
    proxy.get(AHEIM)
    age(tmp_path, days=400)
    upstream.default = HANG
    for _ in range(20):
        start = time.monotonic()
        assert proxy.get(AHEIM) == Image(PNG, "image/png", 0.0)
        assert time.monotonic() - start < 0.5
    until(lambda: upstream.paths[AHEIM_PATH] > 1)
    assert upstream.paths[AHEIM_PATH] == 2


def age(folder: Path, *, days: float) -> None:
    for path in folder.rglob("*.tile"):
        past = time.time() - days * DAY_S
        os.utime(path, (past, past))


def test_refused_connection_rests_and_is_told_once(
    make_proxy: MakeProxy, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        proxy = make_proxy(source=source_of(f"http://127.0.0.1:{port}/geheim/{{z}}/{{x}}/{{y}}"))
        start = time.monotonic()
        for x in range(200):
            answer = proxy.get(Tile(14, 8512 + x, 5560))
            assert isinstance(answer, Unavailable)
        assert time.monotonic() - start < 1.0
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "127.0.0.1 gives no tiles" in record.message
    assert "geheim" not in record.message


def test_hanging_tile_server_holds_up_one_request_and_no_other(
    upstream: TileServer, make_proxy: MakeProxy
) -> None:
    upstream.default = HANG
    proxy = make_proxy(timeout_s=2.0)
    first = threading.Thread(target=proxy.get, args=(AHEIM,))
    first.start()
    assert upstream.came.acquire(timeout=10)
    start = time.monotonic()
    assert isinstance(proxy.get(Tile(12, 2129, 1388)), Unavailable)
    assert time.monotonic() - start < 1.0
    first.join()
    start = time.monotonic()
    for x in range(100):
        assert isinstance(proxy.get(Tile(14, 8512 + x, 5560)), Unavailable)
    assert time.monotonic() - start < 0.5
    assert len(upstream.asked) <= FLIGHTS


def test_rest_ends_with_one_question_that_nobody_waits_for(
    upstream: TileServer, make_proxy: MakeProxy, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    proxy = make_proxy(breaker=Breaker(clock=clock))
    upstream.default = BROKEN
    assert proxy.get(AHEIM) == Unavailable(30.0)
    clock.time_s += 31
    upstream.default = HANG
    start = time.monotonic()
    for x in range(10):
        assert isinstance(proxy.get(Tile(14, 8512 + x, 5560)), Unavailable)
    assert time.monotonic() - start < 0.5
    assert upstream.came.acquire(timeout=10)
    assert upstream.came.acquire(timeout=10)
    assert len(upstream.asked) == 2
    upstream.released.set()
    until(lambda: len(caplog.records) == 2)  # that question failed too: twice the rest
    assert "in 60 s" in caplog.records[1].message
    clock.time_s += 61
    upstream.default = Answer()
    assert isinstance(proxy.get(AHEIM), Unavailable)
    until(lambda: not proxy.resting)
    assert isinstance(proxy.get(AHEIM), Image)


def test_rest_grows_to_its_limit_and_success_ends_it() -> None:
    clock = Clock()
    breaker = Breaker(threshold=3, first_s=30, most_s=100, clock=clock)
    assert [breaker.fail(), breaker.fail(), breaker.fail()] == [None, None, 30]
    assert not breaker.may_ask()
    assert breaker.fail() is None  # it was asked before
    rests = []
    for _ in range(3):
        clock.time_s += breaker.left_s
        assert (breaker.may_ask(), breaker.may_ask()) == (True, False)
        rests.append(breaker.fail())
    assert rests == [60, 100, 100]
    clock.time_s += 100
    assert breaker.may_ask()
    assert breaker.succeed()
    assert not breaker.resting
    assert [breaker.fail(), breaker.fail(), breaker.fail()] == [None, None, 30]


def test_rest_the_tile_server_asks_for_is_kept(upstream: TileServer, make_proxy: MakeProxy) -> None:
    proxy = make_proxy(breaker=Breaker(clock=Clock()))
    upstream.default = Answer(b"", status=429, headers={"Retry-After": "120"})
    assert proxy.get(AHEIM) == Unavailable(120.0)


# ------------------------------------------------------------------------------- cache


def test_broken_file_counts_as_missing(
    upstream: TileServer, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    proxy = make_proxy()
    proxy.get(AHEIM)
    (path,) = tmp_path.rglob("*.tile")
    for broken in (b"", PNG[:50], b"<html>"):
        path.write_bytes(broken)
        answer = proxy.get(AHEIM)
        assert isinstance(answer, Image)
        assert answer.content == PNG
        assert path.read_bytes() == PNG


def test_two_sources_do_not_mix(upstream: TileServer, make_proxy: MakeProxy) -> None:
    make_proxy().get(AHEIM)
    with serve_tiles() as other:
        other.default = Answer(png(9, 9, 9))
        answer = make_proxy(source=source_of(other.url)).get(AHEIM)
        assert isinstance(answer, Image)
        assert answer.content == png(9, 9, 9)


def test_what_was_not_used_longest_goes_first(tmp_path: Path) -> None:
    now = Clock()
    cache = TileCache(tmp_path, "k", max_bytes=len(PNG) * 10, now=now)
    foreign = tmp_path / "k" / "notes.txt"
    tiles = [Tile(12, x, 0) for x in range(30)]
    for tile in tiles:
        now.time_s += 10_000
        cache.write(tile, PNG)
        foreign.write_text("not ours")
        assert cache.read(tiles[0]) is not None  # used again and again
    kept = [tile for tile in tiles if cache.read(tile)]
    assert tiles[0] in kept
    assert kept[1:] == tiles[-len(kept) + 1 :]
    assert 8 <= len(kept) <= 10
    assert foreign.exists()


def test_what_a_crash_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / "k" / "12" / "1" / "abc.tile.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    TileCache(tmp_path, "k", max_bytes=10_000_000).write(AHEIM, PNG)
    assert not left.exists()


def test_full_or_locked_disk_costs_no_tile(
    make_proxy: MakeProxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    proxy = make_proxy(cache=TileCache(in_the_way, "k", max_bytes=1_000_000))
    for _ in range(3):
        assert isinstance(proxy.get(AHEIM), Image)
    assert len(caplog.records) == 1
    assert "cannot keep tiles" in caplog.records[0].message


def test_disk_that_fills_up_in_the_middle_of_a_tile_leaves_no_part(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    kept = context.Value("i", -1)
    writer = context.Process(target=keep_on_full_disk, args=(tmp_path, kept))
    writer.start()
    writer.join()
    assert (writer.exitcode, kept.value) == (0, 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_tile_server_that_has_no_such_name_is_a_failure_like_any_other(
    make_proxy: MakeProxy,
) -> None:
    proxy = make_proxy(source=source_of("http://a..b/{z}/{x}/{y}"))
    assert isinstance(proxy.get(AHEIM), Unavailable)
    assert proxy.resting


def test_size_zero_keeps_nothing(make_proxy: MakeProxy, upstream: TileServer) -> None:
    proxy = make_proxy(cache=None)
    assert isinstance(proxy.get(AHEIM), Image)
    assert isinstance(proxy.get(AHEIM), Image)
    assert upstream.paths == {AHEIM_PATH: 2}


def test_processes_share_the_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    broken = context.Value("i", 0)
    workers = [context.Process(target=hammer_cache, args=(tmp_path, n, broken)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert broken.value == 0
    left = list(tmp_path.rglob("*.tile"))
    assert left
    assert all(image_type(path.read_bytes()) for path in left)
    assert sum(path.stat().st_size for path in left) <= len(PNG) * 25
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize("content", [b"", b"<html>", PNG[:-1], JPEG[:-1], WEBP + b"x", b"GIF89a"])
def test_only_whole_images_have_a_type(content: bytes) -> None:
    assert image_type(content) is None


# ----------------------------------------------------------------------------- the page

AHEIM_URL = "/kacheln/12/2128/1388"


@pytest.fixture
def client(upstream: TileServer, tmp_path: Path) -> Iterator[FlaskClient]:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1)]))
        app = app_of(
            store,
            small_territory(),
            tiles_url=upstream.url,
            tiles_attribution="© Testkarte {jahr}",
            tiles_licence="CC0",
            tiles_cache=str(tmp_path / "tiles"),
            contact="orte@example.org",
        )
        yield app.test_client()


def test_tile_by_address(client: FlaskClient, upstream: TileServer) -> None:
    answer = client.get(AHEIM_URL)
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/png", PNG)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=604800"
    again = client.get(AHEIM_URL, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert "orte@example.org" in upstream.asked[0].headers["User-Agent"]


@pytest.mark.parametrize(
    "path",
    [
        "/kacheln/12/2161/1323",  # Hamburg
        "/kacheln/9/266/173",
        "/kacheln/18/137088/88896",
        "/kacheln/12/-1/1388",
        "/kacheln/12/2128/1388.png",
        "/kacheln/012/2128/1388",
        "/kacheln/12/2128/٣",
        "/kacheln/12/2128/" + "9" * 5_000,
        "/kacheln/12/2128/..%2f..%2fetc",
        "/kacheln/{z}/{x}/{y}",
        "/kacheln/12/2128/http:%2f%2fexample.org",
    ],
)
def test_what_is_no_tile_of_the_land_asks_nobody(
    client: FlaskClient, upstream: TileServer, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert upstream.asked == []


def test_nothing_of_a_request_reaches_the_tile_server(
    client: FlaskClient, upstream: TileServer
) -> None:
    client.get(AHEIM_URL + "?v=1&url=http://example.org", headers={"Referer": "x", "Cookie": "a=b"})
    (asked,) = upstream.asked
    assert asked.path == AHEIM_PATH
    assert not {"Referer", "Cookie"} & set(asked.headers)


def test_tiles_carry_the_security_headers_whatever_happens(
    client: FlaskClient, upstream: TileServer
) -> None:
    upstream.queue += [Answer(), NONE, BROKEN]
    answers = [client.get(f"/kacheln/12/{x}/1388") for x in (2128, 2129, 2130, 0)]
    assert [answer.status_code for answer in answers] == [200, 204, 204, 404]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value


def test_while_the_tile_server_rests_browsers_rest_too(
    client: FlaskClient, upstream: TileServer
) -> None:
    upstream.default = BROKEN
    answer = client.get(AHEIM_URL)
    assert (answer.status_code, answer.data) == (204, b"")
    pause = answer.headers["Cache-Control"].removeprefix("public, max-age=")
    assert 0 < int(pause) <= 60


def test_page_names_the_tiles_and_their_source(client: FlaskClient) -> None:
    page = client.get("/").text
    assert 'data-tiles="/kacheln/&#123;z&#125;/&#123;x&#125;/&#123;y&#125;?v=' in page
    assert 'data-tiles-note="© Testkarte 2026"' in page
    sources = client.get("/quellen").text
    assert "© Testkarte 2026" in sources
    assert "CC0" in sources
    assert 'data-tiles="/kacheln/' in client.get("/ar/").text


def test_without_base_map_there_are_no_tiles(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        client = app_of(store, small_territory(), tiles_url="off").test_client()
        assert "data-tiles" not in client.get("/").text
        assert client.get(AHEIM_URL).status_code == 404


def test_map_shows_tiles_from_the_zoom_that_the_proxy_serves() -> None:
    parts = maps.build_places_map(
        maps.MapOptions("/p", "/b", "/t", 1, (7.0, 50.0, 7.3, 50.1), maps.TileLayer("/k", "©"))
    )
    assert f'"minZoom": {maps.TILE_ZOOM}' in parts.script
