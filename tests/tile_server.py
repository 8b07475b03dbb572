"""A local HTTP server that gives tiles as a tile server does, and fails as they do."""

from __future__ import annotations

import resource
import ssl
import struct
import subprocess
import threading
import zlib
from collections import Counter, deque
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loopback import running

from geo_service.tiles import Tile, TileCache, image_type


def png(red: int = 200, green: int = 205, blue: int = 200, *, side: int = 256) -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = (b"\0" + bytes((red, green, blue)) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


PNG = png()
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 200 + b"\xff\xd9"
WEBP = b"RIFF" + struct.pack("<I", 204) + b"WEBP" + b"\0" * 200


@dataclass(frozen=True)
class Answer:
    """What the server does with one request. `way`: send, hang, head, drip, drop or cut."""

    body: bytes = PNG
    status: int = 200
    mimetype: str = "image/png"
    headers: dict[str, str] = field(default_factory=dict)
    way: str = "send"


HANG = Answer(way="hang")
DROP = Answer(way="drop")
BROKEN = Answer(b"", status=500)
NONE = Answer(b"no such tile", status=404, mimetype="text/plain")


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]


class TileServer(ThreadingHTTPServer):
    """Gives the queued answers in turn, then `default` for ever."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.queue: deque[Answer] = deque()
        self.default = Answer()
        self.asked: list[Asked] = []
        self.released = threading.Event()
        self.came = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/karte/{{z}}/{{y}}/{{x}}.png"

    @property
    def paths(self) -> Counter[str]:
        return Counter(asked.path for asked in self.asked)

    def next_answer(self) -> Answer:
        return self.queue.popleft() if self.queue else self.default


class _Handler(BaseHTTPRequestHandler):
    server: TileServer

    def do_GET(self) -> None:
        self.server.asked.append(Asked(self.path, dict(self.headers.items())))
        self.server.came.release()
        with suppress(BrokenPipeError, ConnectionResetError):  # where the client gave up
            self._send(self.server.next_answer())

    def _send(self, answer: Answer) -> None:
        if answer.way == "hang":
            self.server.released.wait(30)
            return
        if answer.way == "drop":
            return
        if answer.way == "head":  # never ends, and is never silent for long
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            self._drip(b"x")
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.mimetype)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.way == "drip":
            self._drip(b"\x89")
        self.wfile.write(answer.body[: 100 if answer.way == "cut" else None])

    def _drip(self, drop: bytes) -> None:
        while not self.server.released.wait(0.02):
            self.wfile.write(drop)

    def log_message(self, *args: Any) -> None:
        pass


def serve_tiles() -> AbstractContextManager[TileServer]:
    """Run the server on a free port of the loopback interface."""
    return running(TileServer())


def wear_certificate(server: TileServer, folder: Path) -> Path:
    """Let the server speak TLS from now on; return the certificate that vouches for it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    files = ["-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return certificate


def hammer_cache(folder: Path, seed: int, broken: Any) -> None:
    """Write and read the tiles of a small shared cache; counts those that came back broken."""
    cache = TileCache(folder, "k", max_bytes=len(PNG) * 20)
    for n in range(150):
        tile = Tile(12, (n * (seed + 1)) % 40, 0)
        cache.write(tile, png(seed, n % 256, 0))
        kept = cache.read(tile)
        if kept is not None and image_type(kept[0]) is None:
            broken.value += 1


def keep_on_full_disk(folder: Path, kept: Any) -> None:
    """Keep a tile where a file may have 100 bytes; counts the tiles that are there then."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    cache = TileCache(folder, "k", max_bytes=1_000_000)
    cache.write(Tile(12, 1, 1), PNG)
    kept.value = int(cache.read(Tile(12, 1, 1)) is not None)
