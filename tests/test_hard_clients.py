"""Slow, broken and hostile clients: each gets a clear answer, and nobody else waits for them."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging_helpers import Server, free_port, serving
from web_helpers import fill, initiatives_of, place

from geo_service.connections import (
    BODY_MOST,
    HEAD_MOST,
    KEPT_MOST,
    LINE_MOST,
    Connection,
    Framing,
    framing,
    refusal,
)
from geo_service.store import Store
from geo_service.web import HEADERS
from geo_service.web.request_log import JsonLines

PATIENCE_S = 2.0
SOON_S = 10.0
"""Within which a visitor is answered on a busy machine; a crowd in the threads takes minutes."""

CROWD = 300
SECRET = b"geheim"
"""Stands in what is sent, and may stand in no answer and in no line of the log."""


@dataclass(frozen=True)
class Answer:
    """What came back, read to the end of the connection."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer_of(came: bytes) -> Answer:
    head, _, body = came.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split(" ")[1]), headers, body)


class Site:
    """Our own `serve` with two processes."""

    def __init__(self, port: int, server: Server) -> None:
        self.port = port
        self.server = server

    def connect(self, *, reads_at_once: int = 0) -> socket.socket:
        client = socket.socket()
        client.settimeout(30)
        if reads_at_once:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, reads_at_once)
        client.connect(("127.0.0.1", self.port))
        return client

    def talk(self, data: bytes, *, half: bool = False) -> bytes:
        """Send it all, close our side if `half`, and read to the end."""
        with self.connect() as client:
            client.sendall(data)
            if half:
                client.shutdown(socket.SHUT_WR)
            return read_to_end(client)

    def visit(self, path: str = "/") -> float:
        """Open a page as a visitor does; seconds."""
        begun = time.monotonic()
        visitor = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(visitor):
            visitor.request("GET", path)
            answer = visitor.getresponse()
            assert answer.status == 200
            assert answer.read()
        return time.monotonic() - begun

    @property
    def workers(self) -> set[str]:
        pid = self.server.process.pid
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    @property
    def log(self) -> str:
        number = self.server.written.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode()


def read_to_end(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def site_of(folder: Path, *before: str) -> Iterator[Site]:
    port, database = free_port(), f"sqlite:///{folder / 'geo-service.db'}"
    with Store(database) as store:
        store.migrate()
        fill(store, initiatives_of([place(number) for number in range(1, 4)]))
    command = [*before, sys.executable, "-m", "geo_service.cli", "serve", "--workers", "2"]
    command += ["--port", str(port), "--database", database]
    env = {**os.environ, "GEO_SERVICE_CLIENT_TIMEOUT_S": str(PATIENCE_S)}
    env |= {"GEO_SERVICE_TILES_URL": "off"}
    with serving(command, port=port, cwd=folder, env=env) as server:
        yield Site(port, server)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of(tmp_path_factory.mktemp("hard")) as started:
        workers = started.workers
        assert len(workers) == 2
        yield started
        assert started.workers == workers
        assert "Traceback" not in started.log
        assert SECRET.decode() not in started.log


# ------------------------------------------------------------------------- broken requests


def request(target: bytes, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    head = [method + b" " + target + b" HTTP/1.1", b"Host: x", b"Connection: close", *lines]
    return b"\r\n".join([*head, b"", body])


def upload(*lines: bytes, body: bytes = b"") -> bytes:
    return request(b"/planung/standorte", *lines, method=b"POST", body=body)


UNREAD = {
    "no version": (b"GET /geheim\r\n", 400),
    "no version, a head": (b"GET /geheim\r\n\r\n", 400),
    "another version": (b"GET /geheim HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03geheim", 400),
    "SSH": (b"SSH-2.0-geheim\r\n", 400),
    "empty lines": (b"\r\n\r\n\r\n", 400),
    "lines without CR": (b"GET /geheim HTTP/1.1\nHost: x\n\n", 400),
    "small letters": (b"get /geheim HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "NUL": (request(b"/geheim\0"), 400),
    "blank in the address": (request(b"/geheim b"), 400),
    "raw bytes in the address": (request(b"/geheim\xff"), 400),
    "raw bytes in the query": (request(b"/?q=geheim\xc3\xbc"), 400),
    "no host": (b"GET /geheim HTTP/1.1\r\n\r\n", 400),
    "two hosts": (request(b"/geheim", b"Host: y"), 400),
    "host that is none": (request(b"http://[::1/geheim"), 400),
    "no colon": (request(b"/", b"geheim"), 400),
    "folded": (request(b"/", b"X-A: geheim", b" b"), 400),
    "blank in a name": (request(b"/", b"X geheim: 1"), 400),
    "control in a value": (request(b"/", b"X-A: geheim\x01"), 400),
    "contradiction": (request(b"/", b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off"), 400),
    "expectation": (request(b"/", b"Expect: geheim"), 417),
    "line too long": (request(b"/?q=geheim" + b"x" * 9_000), 414),
    "10 MB of a query": (request(b"/?q=geheim" + b"x" * 10_000_000), 414),
    "10 MB of an address": (request(b"/geheim/" + b"../" * 3_333_333), 414),
    "header too long": (request(b"/", b"X-A: geheim" + b"x" * 9_000), 431),
    "1 MB of a header": (request(b"/", b"X-A: geheim" + b"x" * 1_000_000), 431),
    "200 headers": (request(b"/", *(b"X-%d: geheim" % n for n in range(200))), 431),
    "200,000 headers": (request(b"/", *(b"X-%d: geheim" % n for n in range(200_000))), 431),
    "length below zero": (upload(b"Content-Length: -5", body=SECRET), 400),
    "length with a sign": (upload(b"Content-Length: +6", body=SECRET), 400),
    "length in words": (upload(b"Content-Length: geheim", body=SECRET), 400),
    "length in other digits": (upload(b"Content-Length: \xb2", body=SECRET), 400),
    "two lengths": (upload(b"Content-Length: 5", b"Content-Length: 6", body=SECRET), 400),
    "chunks": (upload(b"Transfer-Encoding: chunked", body=b"6\r\ngeheim\r\n0\r\n\r\n"), 411),
    "chunk nonsense": (upload(b"Transfer-Encoding: chunked", body=b"zz\r\ngeheim"), 411),
    "another coding": (upload(b"Transfer-Encoding: gzip, geheim", body=SECRET), 411),
    "chunks and length": (upload(b"Transfer-Encoding: chunked", b"Content-Length: 6"), 411),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_gets_a_short_answer(site: Site, name: str) -> None:
    data, status = UNREAD[name]
    answer = answer_of(site.talk(data))
    assert answer.status == status
    assert answer.headers.items() >= HEADERS.items()
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Connection"] == "close"
    assert int(answer.headers["Content-Length"]) == len(answer.body) < 200
    assert SECRET not in answer.body
    assert answer.body.startswith(str(status).encode())


@pytest.mark.parametrize("name", ["line too long", "header too long", "no colon", "chunks"])
def test_programs_get_a_problem(site: Site, name: str) -> None:
    data, status = UNREAD[name]
    method, _, rest = data.partition(b" ")
    target = rest.partition(b" ")[0].replace(b"/planung/standorte", b"/")
    asked = method + b" /api/v1" + target + b" " + rest.partition(b" ")[2]
    answer = answer_of(site.talk(asked))
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    said = json.loads(answer.body)
    assert said.keys() == {"type", "title", "status", "detail"}
    assert said["status"] == answer.status == status
    assert SECRET not in answer.body


def test_head_is_refused_without_a_body(site: Site) -> None:
    assert answer_of(site.talk(request(b"/", b"geheim", method=b"HEAD"))).body == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HT", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 400),
        (upload(b"Content-Length: 10", body=b"gehei"), 400),
        (request(b"/healthz"), 200),
    ],
)
def test_a_closed_half_still_gets_its_answer(site: Site, data: bytes, status: int) -> None:
    assert answer_of(site.talk(data, half=True)).status == status


def test_nothing_asked_is_nothing_answered(site: Site) -> None:
    assert site.talk(b"", half=True) == b""


# ------------------------------------------------------- requests that the application sees


READ = {
    "up": (request(b"/static/../../etc/passwd"), 404),
    "up, encoded": (request(b"/static/%2e%2e/%2e%2e/etc/passwd"), 404),
    "up, slashes encoded": (request(b"/static/..%2f..%2fetc%2fpasswd"), 404),
    "up, twice encoded": (request(b"/static/%252e%252e/etc/passwd"), 404),
    "backslashes": (request(b"/static/..\\..\\etc\\passwd"), 404),
    "backslashes, encoded": (request(b"/static/..%5c..%5cetc%5cpasswd"), 404),
    "another host's": (request(b"//evil.example/geheim"), 404),
    "NUL, encoded": (request(b"/orte/geheim%00"), 404),
    "semicolon": (request(b"/;geheim/orte"), 404),
    "absolute form": (request(b"http://evil.example/geheim"), 404),
    "asterisk": (request(b"*", method=b"OPTIONS"), 404),
    "authority": (request(b"evil.example:443", method=b"CONNECT"), 404),
    "no UTF-8 in the path": (request(b"/orte/%ff%fe"), 404),
    "no UTF-8 in the query": (request(b"/?q=%ff%fe"), 400),
    "no UTF-8 in the interface": (request(b"/api/v1/initiatives?category=%ff"), 400),
    "long query": (request(b"/?q=" + b"x" * 8_000), 400),
    "long query of the interface": (request(b"/api/v1/initiatives?category=" + b"x" * 8_000), 400),
    "no UTF-8 in a form": (upload(b"Content-Type: application/x-www-form-urlencoded",
                                  b"Content-Length: 9", body=b"liste=\xff\xfe\xfd"), 400),
    "no boundary": (upload(b"Content-Type: multipart/form-data", b"Content-Length: 6",
                           body=SECRET), 400),
    "boundary of bytes": (upload(b"Content-Type: multipart/form-data; boundary=\xff",
                                 b"Content-Length: 6", body=SECRET), 400),
    "too long a form": (upload(b"Content-Length: 999999999", body=SECRET), 400),
    "absurd length": (upload(b"Content-Length: " + b"9" * 40, body=SECRET), 400),
    "PUT": (request(b"/", method=b"PUT"), 405),
    "TRACE": (request(b"/", method=b"TRACE"), 405),
    "no method": (request(b"/", method=b"GEHEIM"), 405),
    "DELETE": (request(b"/api/v1/initiatives", method=b"DELETE"), 405),
    "POST": (request(b"/orte/ort-1", b"Content-Length: 6", method=b"POST", body=SECRET), 405),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_leads_nowhere_gets_a_page_or_a_problem(site: Site, name: str) -> None:
    data, status = READ[name]
    answer = answer_of(site.talk(data))
    assert answer.status == status
    assert answer.headers.items() >= {**HEADERS, **_opened(data)}.items()
    kind = "application/problem+json" if b" /api/" in data else "text/html; charset=utf-8"
    assert answer.headers["Content-Type"] == kind
    assert b"root:" not in answer.body


def _opened(data: bytes) -> dict[str, str]:
    return {"Cross-Origin-Resource-Policy": "cross-origin"} if b" /api/" in data else {}


@pytest.mark.parametrize(
    "target", [b"/static//etc/passwd", b"/static/%2fetc", b"/uk///evil.example"]
)
def test_nobody_is_sent_to_another_host(site: Site, target: bytes) -> None:
    answer = answer_of(site.talk(request(target)))
    assert answer.status == 404 or re.match("/[^/\\\\]", answer.headers["Location"])


@pytest.mark.parametrize(
    "lines",
    [
        (b"User-Agent: \xff\xfe", b"Accept-Language: \xff", b"Cookie: \xff=\xfe", b"X-A: \xe4"),
        (b'If-None-Match: \xff"', b"If-Modified-Since: quark", b"Range: bytes=9-1,-,x"),
        (b"Accept: \xff/*;q=x", b"Accept-Encoding: \xff;q=1e999, br;q=nan"),
        (b"X-Request-Id: geheim\xff<script>", b"X-Forwarded-For: geheim", b"Referer: http://["),
        (b"Content-Length: 6", b"Content-Type: \xff"),
    ],
)
def test_odd_headers_are_no_reason_to_refuse_a_page(site: Site, lines: Sequence[bytes]) -> None:
    body = SECRET if any(line.startswith(b"Content-Length") for line in lines) else b""
    answer = answer_of(site.talk(request(b"/", *lines, body=body)))
    assert answer.status == 200
    assert SECRET not in answer.body
    assert "geheim" not in answer.headers["X-Request-Id"]


@pytest.mark.parametrize("path", [b"/", b"/robots.txt", b"/sitemap.xml", b"/oembed?url=x"])
@pytest.mark.parametrize(
    "host", [b"<script>geheim", b'"geheim', b"geheim@x:99999999", b"\xff", b""]
)
def test_a_host_that_is_none_is_never_repeated(site: Site, path: bytes, host: bytes) -> None:
    data = b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    answer = answer_of(site.talk(data))
    assert answer.status in {200, 400, 404}
    assert SECRET not in answer.body


# ------------------------------------------------------------------ several in one connection


def test_pipelined_requests_are_answered_in_turn(site: Site) -> None:
    one = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    with site.connect() as client:
        client.sendall(one % b"/healthz" + one % b"/nix" + one % b"/healthz" + b"GET /he")
        came = b""
        while came.count(b"HTTP/1.1 ") < 3:
            came += client.recv(65_536)
        client.sendall(b"althz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        came += read_to_end(client)
    assert [part[:3] for part in came.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200", b"200"]


def test_body_of_one_request_is_never_the_next_request(site: Site) -> None:
    inner = request(b"/healthz")
    data = upload(b"Content-Length: %d" % len(inner), b"Content-Length: 0", body=inner)
    assert site.talk(data.replace(b"Connection: close\r\n", b"")).count(b"HTTP/1.1 ") == 1
    data = upload(b"Content-Length: 99999999", body=inner)
    assert site.talk(data.replace(b"Connection: close\r\n", b"")).count(b"HTTP/1.1 ") == 1


def test_who_asks_first_whether_to_send_is_told_to(site: Site) -> None:
    length = b"Content-Length: 6"
    with site.connect() as client:
        client.sendall(upload(length, b"Expect: 100-continue"))
        assert client.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(SECRET)
        assert read_to_end(client).startswith(b"HTTP/1.1 400 ")


def test_too_long_an_upload_gets_the_page_that_says_so(site: Site) -> None:
    """A browser sends all of it before it reads."""
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    with contextlib.closing(client):
        client.request("POST", "/planung/standorte", body=b"x" * 10_000_000)
        answer = client.getresponse()
        assert answer.status == 400
        assert "eine Datei bis 1 MB" in answer.read().decode()


# ------------------------------------------------------------------------------ slow clients


@contextlib.contextmanager
def crowd(
    site: Site, beginning: bytes, *, size: int = CROWD, more: bytes = b"", reads_at_once: int = 0
) -> Iterator[list[socket.socket]]:
    """Open many connections that begin alike, and send them `more` again and again."""
    done = threading.Event()
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(site.connect(reads_at_once=reads_at_once)) for _ in range(size)
        ]
        for client in clients:
            client.sendall(beginning)

        def trickle() -> None:
            while not done.wait(0.2):
                for client in clients:
                    with contextlib.suppress(OSError):
                        client.sendall(more)

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield clients
        finally:
            done.set()
            thread.join()


SLOW = {
    "nothing at all": (b"", b""),
    "one letter": (b"G", b""),
    "header lines for ever": (b"GET /geheim HTTP/1.1\r\nHost: x\r\n", b"X-A: geheim\r\n"),
    "an upload in drops": (upload(b"Content-Type: text/csv", b"Content-Length: 900000",
                                  body=b"id,name\r\n"), b"geheim,"),
    "the rest of a second request": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET", b" "),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_slow_clients_keep_nobody_waiting(site: Site, name: str) -> None:
    beginning, more = SLOW[name]
    with crowd(site, beginning, more=more) as clients:
        seconds = [site.visit() for _ in range(10)]
        assert max(seconds) < SOON_S
        ends = []
        for client in clients:
            with contextlib.suppress(ConnectionResetError):
                ends.append(read_to_end(client))
    wanted = b"HTTP/1.1 408 " if beginning else b""
    assert ends
    assert all(end[end.rfind(b"HTTP/1.1 ") :].startswith(wanted) for end in ends)
    assert SECRET not in b"".join(ends)


def test_who_does_not_read_keeps_nobody_waiting_and_is_given_up(site: Site) -> None:
    """Each asks for far more than the network keeps, and reads none of it."""
    asks, count = b"GET /daten/grenzen/gemeinde.geojson HTTP/1.1\r\nHost: x\r\n\r\n", 40
    with crowd(site, asks * count, size=8, reads_at_once=4_096) as clients:
        assert max(site.visit() for _ in range(10)) < SOON_S
        time.sleep(PATIENCE_S + 1.0)
        for client in clients:
            came = b""
            with contextlib.suppress(ConnectionResetError):
                came = read_to_end(client)
            assert came.startswith(b"HTTP/1.1 200 ") or not came
            assert came.count(b"HTTP/1.1 200 ") < count


def test_who_does_not_close_keeps_nobody_waiting(site: Site) -> None:
    with crowd(site, request(b"/healthz")) as clients:
        for client in clients:
            assert client.recv(17).startswith(b"HTTP/1.1 200 ")
        assert max(site.visit() for _ in range(10)) < SOON_S


def test_where_there_are_too_many_the_slow_ones_go(tmp_path: Path) -> None:
    """With 120 files a process keeps 60 connections; five times as many come."""
    with site_of(tmp_path, "sh", "-c", 'ulimit -n 120; exec "$0" "$@"') as site:
        workers = site.workers
        with crowd(site, b"GET /geheim HTTP/1.1\r\n"):
            assert max(site.visit() for _ in range(10)) < SOON_S
        assert site.workers == workers
        assert "Traceback" not in site.log


# -------------------------------------------------------------------------- piece by piece


@pytest.mark.parametrize("data", [data for data, _ in (*UNREAD.values(), *READ.values())][::2])
def test_no_request_is_taken_before_or_after_its_end(data: bytes) -> None:
    """However it is cut, the same request comes out; a refusal may come early."""
    whole = framing(data[: HEAD_MOST + LINE_MOST])
    for end in range(0, min(len(data), 200), 7):
        early = framing(data[:end])
        assert early is None or early.status or early == whole or early.last


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=50))
def test_a_body_ends_where_it_says(body: bytes, length: int, rest: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length
    came = head + body + rest
    found = framing(came)
    end = len(head) + length
    assert found == (Framing(end) if len(came) >= end else None)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_waited_for_or_refused(data: bytes) -> None:
    found = framing(data)
    assert found is None or 0 < found.end <= len(data)


def test_what_is_larger_than_we_gather_is_not_gathered() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    for length in (BODY_MOST + 1, 10**17, 10**30):
        found = framing(head % length)
        assert found == Framing(len(head % length), last=True)
    assert framing(head % BODY_MOST) is None


@pytest.mark.parametrize("status", [400, 408, 411, 414, 417, 431, 500])
def test_refusals_are_whole_answers(status: int) -> None:
    answer = answer_of(refusal(status, b"GET /geheim", HEADERS))
    assert answer.status == status
    assert len(answer.body.splitlines()) == 3
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-Id"])


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    wire, client = socket.socketpair()
    with wire, client:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        client.settimeout(30)
        yield Connection(wire, None, None, 0.05), client


def test_an_answer_goes_out_whole_as_it_is_read(pair: tuple[Connection, socket.socket]) -> None:
    conn, client = pair
    parts = [bytes([number % 251]) * (number * 37 % 5_000) for number in range(300)]
    for part in parts:
        conn.sendall(part)
    came = b""
    while not conn.flush():
        came += client.recv(65_536)
    assert conn.held == 0
    assert conn.finish()
    assert came + read_to_end(client) == b"".join(parts)


def test_a_long_answer_waits_for_its_reader_and_not_for_ever(
    pair: tuple[Connection, socket.socket],
) -> None:
    conn, _ = pair
    conn.sendall(b"x" * 3 * KEPT_MOST)  # one part, however long, costs nothing to keep
    with pytest.raises(BrokenPipeError):
        conn.sendall(b"x")
    assert conn.held == 0
    assert not conn.finish()


def test_a_client_that_is_gone_is_no_error(pair: tuple[Connection, socket.socket]) -> None:
    conn, client = pair
    client.close()
    conn.sendall(b"x" * 100_000)
    assert conn.flush()
    assert not conn.finish()


def test_who_sends_fast_enough_has_all_the_time(pair: tuple[Connection, socket.socket]) -> None:
    conn, client = pair
    conn.patience_s = 100.0
    client.sendall(b"G")
    conn.receive()
    conn.since -= 60.0  # a byte in a minute
    client.sendall(b"ET / HTTP/1.1\r\n")
    conn.receive()
    assert 30.0 < conn.deadline - time.monotonic() <= 40.1
    client.sendall(b"X: 678\r\n" * 4_000)
    conn.receive()
    assert 90.0 < conn.deadline - time.monotonic() <= 100.0


def test_lines_of_the_log_are_ascii_whatever_is_in_them() -> None:
    text = "\r\n{}\x1b[2J\x7f\x9b\u202e\u2028\ud800ü"
    record = logging.LogRecord("x", logging.WARNING, "", 1, "%s", (text,), None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == text


def test_refusals_are_counted_in_the_log_without_who_asked_what(site: Site) -> None:
    site.talk(UNREAD["line too long"][0])
    while "refused" not in site.log:  # written by another process, which has no event to give
        time.sleep(0.02)
    written = site.log.partition("Ctrl-C ends)")[2]
    messages = [json.loads(line)["message"] for line in written.splitlines() if line]
    assert any(one.startswith("Requests were refused before they were read; ") for one in messages)
    assert "127.0.0.1" not in written
