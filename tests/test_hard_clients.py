"""Slow, broken and hostile clients: each gets a clear answer, and nobody else waits for them."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import re
import selectors
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging_helpers import Server, free_port, serving
from web_helpers import fill, initiatives_of, place

from geo_service.connections import (
    BODY_MOST,
    FIELDS_MOST,
    HEAD_MOST,
    KEPT_MOST,
    LINE_MOST,
    Connection,
    Framing,
    Phase,
    framing,
    refusal,
)
from geo_service.server import _Worker
from geo_service.store import Store
from geo_service.web import HEADERS
from geo_service.web.request_log import JsonLines

PATIENCE_S = 2.0
SOON_S = 10.0
"""Within which a visitor is answered on a busy machine; a crowd in the threads takes minutes."""

CROWD = 300
FILES = 120
"""Files that a process of some tests may open; it keeps half as many connections."""

MANY, LONG = 1_600, 10_000
"""Places of some tests and the letters of each: all of them are more than any socket takes."""

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
    """Our own `serve`."""

    def __init__(self, port: int, server: Server) -> None:
        self.port = port
        self.server = server
        self.began_with = self.workers

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
    def connections(self) -> int:
        """How many connections the processes have."""
        ours = _sockets(self.server.process.pid)
        return sum(len(_sockets(int(pid)) - ours) for pid in self.workers)

    def wait_for(self, connections: int) -> None:
        while self.connections != connections:  # another process, which has no event to give
            time.sleep(0.02)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Stop the processes, so that all that comes meanwhile is one round of events."""
        pids = [int(pid) for pid in self.workers]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                time.sleep(0.02)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @property
    def log(self) -> str:
        number = self.server.written.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode()


def _sockets(pid: int) -> set[str]:
    links = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.add(str(file.readlink()))
    return {link for link in links if link.startswith("socket:")}


def reset(client: socket.socket) -> None:
    """Close a connection so that whatever is under way to us is refused."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def read_to_end(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def site_of(
    folder: Path,
    *,
    workers: int = 2,
    patience_s: float = PATIENCE_S,
    files: int = 0,
    places: int = 3,
    **given: str,
) -> Iterator[Site]:
    port, database = free_port(), f"sqlite:///{folder / 'geo-service.db'}"
    with Store(database) as store:
        store.migrate()
        fill(store, initiatives_of([place(number, **given) for number in range(1, places + 1)]))
    before = ["sh", "-c", f'ulimit -n {files}; exec "$0" "$@"'] if files else []
    command = [*before, sys.executable, "-m", "geo_service.cli", "serve"]
    command += ["--workers", str(workers), "--port", str(port), "--database", database]
    env = {**os.environ, "GEO_SERVICE_CLIENT_TIMEOUT_S": str(patience_s)}
    env |= {"GEO_SERVICE_TILES_URL": "off"}
    with serving(command, port=port, cwd=folder, env=env) as server:
        site = Site(port, server)
        assert len(site.began_with) == workers
        yield site
        assert site.workers == site.began_with
        assert "Traceback" not in site.log
        assert "fault of ours" not in site.log
        assert SECRET.decode() not in site.log


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of(tmp_path_factory.mktemp("hard")) as started:
        yield started


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One process with few connections, much patience and much to say."""
    folder, text = tmp_path_factory.mktemp("lone"), "x" * LONG
    with site_of(
        folder, workers=1, patience_s=60.0, files=FILES, places=MANY, organisation=text
    ) as started:
        yield started


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
    "a line without CR": (b"GET /geheim HTTP/1.1\r\nHost: x\nX-A: 1\r\n\r\n", 400),
    "a length without CR": (upload(b"Content-Length: 6\nX-A: 1", body=SECRET), 400),
    "a line without LF": (b"GET /geheim HTTP/1.1\r\nHost: x\rX-A: 1\r\n\r\n", 400),
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
    "head too long": (request(b"/", b"X-A: geheim" + b"x" * HEAD_MOST), 431),
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


@pytest.mark.parametrize("name", ["line too long", "head too long", "no colon", "chunks"])
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


@pytest.mark.parametrize("length", [9_000, HEAD_MOST - 500])
def test_one_header_may_take_all_of_the_head(site: Site, length: int) -> None:
    assert answer_of(site.talk(request(b"/", b"Cookie: a=" + b"x" * length))).status == 200


def test_as_many_headers_are_taken_as_documented(site: Site) -> None:
    beside = len(request(b"/").split(b"\r\n")) - 3
    lines = [b"X-%d: 1" % number for number in range(FIELDS_MOST + 1 - beside)]
    assert answer_of(site.talk(request(b"/", *lines[:-1]))).status == 200
    assert answer_of(site.talk(request(b"/", *lines))).status == 431


@pytest.mark.parametrize("name", [b"SCRIPT_NAME", b"PATH_INFO", b"SCRIPT-NAME", b"script_name"])
def test_no_client_says_where_the_service_lives(site: Site, name: bytes) -> None:
    """Pages are kept for everybody: what one client says must not be in them."""
    for root in (b"//evil.example", b"/geheim"):
        line = name + b": " + root
        assert answer_of(site.talk(request(root + b"/gebiete/07131", line))).status == 404
        assert answer_of(site.talk(request(root + b"/uk", line))).status == 404
        for _ in range(4):  # both processes
            page = answer_of(site.talk(request(b"/gebiete/07131", line))).body
            assert root not in page


def test_a_proxy_on_this_machine_says_whether_visitors_came_by_https(site: Site) -> None:
    for scheme in (b"http", b"https"):
        came = answer_of(site.talk(request(b"/sitemap.xml", b"X-Forwarded-Proto: " + scheme)))
        assert b"<loc>" + scheme + b"://x/" in came.body


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


LENGTHY = {
    "blanks": b"GET / HTTP/1.1\r\nHost: x\r\ncontent-length:%s\nX: y\r\n\r\n" % (b" " * 32_000),
    "blanks in a length": b"GET / HTTP/1.1\r\nHost: x\r\ncontent-length:%s1\r\n\r\n"
    % (b" \t" * 16_000),
    "a body in one line": upload(b"Content-Length: 4000000", body=b"a" * 3_900_000),
    "blanks that are expected": upload(
        b"Expect:" + b" " * 30_000 + b"1", b"Content-Length: 4000000", body=b" " * 3_900_000
    ),
    "a version over and over": b"GET" + b" HTTP/1.1" * 900 + b"x\r\nHost: x",
    "no end": b"GET / HTTP/1.1\r\nX: " + b"\r" * 32_000,
}


@pytest.mark.parametrize("name", LENGTHY)
def test_looking_at_a_request_takes_time_by_its_length(
    pair: tuple[Connection, socket.socket], name: str
) -> None:
    """By the square of it, these would take longer than a test may."""
    conn, _ = pair
    conn.received += LENGTHY[name]
    conn.look()
    conn.wire.close()


@pytest.mark.parametrize(
    ("version", "lines", "beginning"),
    [
        (b"1.1", (b"expect:100-Continue",), b""),
        (b"1.0", (b"Expect: 100-continue",), b""),  # RFC 9110, section 10.1.1
        (b"1.1", (), b"\r\nExpect: 100-continue\r\n"),
        (b"1.1", (), b"x HTTP/1.1\r\nExpect: 100-continue\r\n"),
        (b"1.0", (b"Via: 1.1 x HTTP/1.1", b"Expect: 100-continue"), b""),
    ],
)
def test_only_who_asks_in_a_head_of_today_is_told_to(
    pair: tuple[Connection, socket.socket],
    version: bytes,
    lines: Sequence[bytes],
    beginning: bytes,
) -> None:
    conn, client = pair
    asked = upload(*lines, b"Content-Length: 50", body=beginning)
    client.sendall(asked.replace(b"HTTP/1.1", b"HTTP/" + version))
    conn.receive()
    assert conn.request is None
    conn.wire.close()
    told = version == b"1.1" and bool(lines)
    assert read_to_end(client) == (b"HTTP/1.1 100 Continue\r\n\r\n" if told else b"")


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


ALL = b"/api/v1/initiatives.json?limit=all"


def test_long_answers_to_slow_readers_keep_no_thread(lone: Site) -> None:
    """Twice as many as there are threads read the beginning; then all read the rest."""
    with contextlib.ExitStack() as stack:
        answers = []
        for _ in range(8):
            client = stack.enter_context(lone.connect(reads_at_once=65_536))
            client.sendall(request(ALL))
            answers.append(http.client.HTTPResponse(client))
        for answer in answers:
            answer.begin()
            assert answer.status == 200
        assert max(lone.visit() for _ in range(10)) < SOON_S
        whole = [answer.read() for answer in answers]
    assert all(one == whole[0] for one in whole)
    assert len(json.loads(whole[0])["initiatives"]) == MANY
    lone.wait_for(0)


def test_who_leaves_half_way_ends_that_answer_alone(lone: Site) -> None:
    clients = [lone.connect(reads_at_once=65_536) for _ in range(8)]
    for client in clients:
        client.sendall(request(ALL))
    for client in clients:
        assert client.recv(1)
        reset(client)
    lone.wait_for(0)
    lone.visit()
    assert lone.workers == lone.began_with


@pytest.mark.parametrize("path", [b"/daten/grenzen/gemeinde.geojson", b"/", ALL])
def test_who_is_gone_while_more_was_asked_ends_nothing_else(lone: Site, path: bytes) -> None:
    """All of it is there when the first byte comes back; the reset meets any of the answers."""
    ask = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    expect = upload(b"Content-Length: 5", b"Expect: 100-continue")
    for count in (1, 2, 40):
        client = lone.connect(reads_at_once=65_536)
        client.sendall(ask * count + expect)
        assert client.recv(1)
        reset(client)
    lone.wait_for(0)
    lone.visit()
    assert lone.workers == lone.began_with


def test_who_goes_for_another_is_asked_nothing_more(lone: Site) -> None:
    """A new one comes and the oldest sends on, in one round: the bound holds all the same."""
    most = FILES // 2 - 4
    with contextlib.ExitStack() as stack:
        clients = []

        def come() -> None:
            clients.append(stack.enter_context(lone.connect()))
            clients[-1].sendall(b"GET /geheim HT")

        for number in range(most):
            come()
            lone.wait_for(number + 1)
        for oldest in clients[:10]:
            with lone.held():
                come()
                oldest.sendall(b"T")
            with contextlib.suppress(ConnectionResetError):
                assert read_to_end(oldest).startswith(b"HTTP/1.1 408 ")
        for _ in range(20):
            come()
        lone.visit()
        assert lone.connections <= most
        assert lone.workers == lone.began_with
    lone.wait_for(0)


def test_who_goes_for_another_is_answered_nothing_more(lone: Site) -> None:
    """A new one comes and the oldest reads on, in one round."""
    most = FILES // 2 - 4
    with contextlib.ExitStack() as stack:
        oldest = stack.enter_context(lone.connect(reads_at_once=65_536))
        oldest.sendall(b"GET /api/v1/initiatives?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert oldest.recv(1)
        for number in range(1, most):
            stack.enter_context(lone.connect()).sendall(b"GET")
            lone.wait_for(number + 1)
        with lone.held():
            stack.enter_context(lone.connect()).sendall(b"GET")
            rest = 2_000_000  # of nearly 4 MB that are under way
            while rest > 0:
                rest -= len(oldest.recv(65_536))
        with contextlib.suppress(ConnectionResetError):
            read_to_end(oldest)
        lone.visit()
        assert lone.connections <= most
        assert lone.workers == lone.began_with
    lone.wait_for(0)


def test_where_there_are_too_many_the_slow_ones_go(tmp_path: Path) -> None:
    """A process keeps 60 connections; five times as many come."""
    with site_of(tmp_path, files=FILES) as site, crowd(site, b"GET /geheim HTTP/1.1\r\n"):
        assert max(site.visit() for _ in range(10)) < SOON_S


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


def test_a_long_answer_waits_for_its_reader(pair: tuple[Connection, socket.socket]) -> None:
    conn, client = pair
    conn.sendall(b"x" * KEPT_MOST)
    assert not conn.is_full()
    conn.sendall(b"x" * KEPT_MOST)
    assert conn.is_full()
    while not conn.wants_more:
        assert client.recv(65_536)
        conn.flush()
    assert KEPT_MOST // 4 < conn.held <= KEPT_MOST // 2
    conn.close()
    assert conn.held == 0
    assert conn.wants_more
    with pytest.raises(BrokenPipeError):
        conn.sendall(b"x")


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


# --------------------------------------------------------------------- the loop in our hands


@dataclass
class Loop:
    """The worker of one process, whose rounds a test goes itself."""

    worker: _Worker
    listener: socket.socket
    errors: list[str]

    def turn(self, until: Callable[[], bool]) -> None:
        while not until():
            self.worker.wait_for_and_dispatch_events(30)


@pytest.fixture
def loop() -> Iterator[Loop]:
    errors: list[str] = []

    def error(message: str, *parts: object, exc_info: object = None) -> None:
        errors.append(message % parts)

    log = SimpleNamespace(error=error, warning=lambda *_: None, debug=lambda *_: None)
    app = SimpleNamespace(settings=SimpleNamespace(client_timeout_s=60.0))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = _Worker(1, os.getppid(), [listener], app, 30, Config(), log)
        worker.tpool, worker.poller = worker.get_thread_pool(), selectors.DefaultSelector()
        worker.method_queue.init()
        signals = worker.method_queue
        worker.poller.register(signals.fileno(), selectors.EVENT_READ, signals.run_callbacks)
        worker.set_accept_enabled(True)
        yield Loop(worker, listener, errors)
        worker.tpool.shutdown()
        for conn in list(worker.connections):
            conn.answer = None
            worker._drop(conn)
        worker.poller.close()
        signals.close()
        worker.tmp.close()


def test_no_fault_of_ours_with_one_connection_ends_the_loop(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Connection.look

    def stumble(conn: Connection) -> None:
        if b"stumble" in conn.received:
            raise ValueError(f"something with {conn.client}")
        look(conn)

    monkeypatch.setattr(Connection, "look", stumble)
    with socket.create_connection(loop.listener.getsockname()) as quiet:
        loop.turn(lambda: loop.worker.nr_conns == 1)
        for _ in range(3):
            with socket.create_connection(loop.listener.getsockname()) as client:
                loop.turn(lambda: loop.worker.nr_conns == 2)
                client.sendall(b"stumble")
                loop.turn(lambda: loop.worker.nr_conns == 1)
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
        quiet.sendall(b"GET")
        (conn,) = loop.worker.connections
        loop.turn(lambda: conn.received == b"GET")
    assert len(loop.errors) == 1  # the same fault is told once
    assert "ValueError" in loop.errors[0]
    assert "in stumble" in loop.errors[0]
    assert "127.0.0.1" not in loop.errors[0]
    assert loop.worker.refused.total() == 2  # and counted, once a minute


def test_what_is_left_of_an_answer_ends_with_its_connection(loop: Loop) -> None:
    ended = threading.Event()

    def parts() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * KEPT_MOST
        finally:
            ended.set()

    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return parts()

    loop.worker.wsgi = app
    with socket.create_connection(loop.listener.getsockname()) as client:
        client.sendall(request(b"/"))
        loop.turn(lambda: any(one.phase is Phase.WRITING for one in loop.worker.connections))
        assert not ended.is_set()
        reset(client)
    loop.turn(lambda: not loop.worker.connections)
    assert ended.wait(30)


def test_all_parts_of_an_answer_are_made_in_its_own_context(loop: Loop) -> None:
    """Their lines in the log have the name of their request, whichever thread writes them."""
    name: ContextVar[str] = ContextVar("name")
    seen: list[tuple[str, str]] = []

    def parts(path: str) -> Iterator[bytes]:
        for _ in range(20):
            seen.append((path, name.get()))
            yield b"x" * KEPT_MOST

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        name.set(environ["PATH_INFO"])
        start_response("200 OK", [])
        return parts(environ["PATH_INFO"])

    def read(client: socket.socket) -> None:
        read_to_end(client)
        client.close()

    loop.worker.wsgi = app
    with contextlib.ExitStack() as stack:
        threads = []
        for number in range(6):
            client = stack.enter_context(socket.create_connection(loop.listener.getsockname()))
            client.sendall(request(b"/%d" % number))
            threads.append(threading.Thread(target=read, args=(client,)))
        for thread in threads:
            thread.start()
        loop.turn(lambda: len(seen) == 120 and not loop.worker.connections)
        for thread in threads:
            thread.join()
    assert all(path == known for path, known in seen)


def test_an_answer_that_fails_half_way_is_cut_short(loop: Loop) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x" * 10
        raise ValueError("half way")

    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return parts()

    loop.worker.wsgi = app
    with socket.create_connection(loop.listener.getsockname()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        loop.turn(lambda: any(one.phase is Phase.CLOSING for one in loop.worker.connections))
        came = read_to_end(client)
    assert came.count(b"HTTP/1.1 ") == 1
    assert came.endswith(b"\r\n\r\nA\r\nxxxxxxxxxx\r\n")
    assert loop.errors == ["Error handling request GET /"]
