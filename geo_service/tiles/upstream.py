"""The tile server: what is asked of it, what is taken from it, and when it is left alone."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from geo_service.tiles.grid import image_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from geo_service.tiles.grid import Tile
    from geo_service.tiles.sources import TileSource

__all__ = ["MAX_BYTES", "Breaker", "Upstream", "UpstreamError"]

MAX_BYTES: Final = 1_000_000
"""Largest tile that is taken; usual ones have 5 to 60 KB."""


class UpstreamError(Exception):
    """The tile server did not give a tile; the text says why, without the address."""

    def __init__(self, reason: str, *, rest_s: float = 0.0) -> None:
        super().__init__(reason)
        self.rest_s = rest_s


class Breaker:
    """Whether the tile server may be asked: after failures it is left alone for a while.

    Parameters
    ----------
    threshold
        Failures in a row after which the tile server rests.
    first_s, most_s
        The first rest and the longest; each rest is twice the one before.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        *,
        threshold: int = 3,
        first_s: float = 30.0,
        most_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._first_s = first_s
        self._most_s = most_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rest_s = 0.0
        self._until: float | None = None
        self._trying = False

    @property
    def resting(self) -> bool:
        """Whether the tile server failed, and has not answered since."""
        return self._until is not None

    @property
    def left_s(self) -> float:
        """Seconds until the tile server is tried again."""
        return 0.0 if self._until is None else max(self._until - self._clock(), 0.0)

    def may_ask(self) -> bool:
        """Say whether to ask now; after a rest only the first caller may, until it is known."""
        with self._lock:
            if self._until is None:
                return True
            if self._trying or self._clock() < self._until:
                return False
            self._trying = True
            return True

    def succeed(self) -> bool:
        """Take note of an answer; say whether it ended a rest."""
        with self._lock:
            ended = self._until is not None
            self._failures, self._rest_s, self._until, self._trying = 0, 0.0, None, False
            return ended

    def fail(self, *, at_once: bool = False, rest_s: float = 0.0) -> float | None:
        """Take note of a failure; return the length of the rest that it began, if any.

        `at_once` does not wait for more failures, nor does `rest_s`, a rest that the tile
        server asked for itself.
        """
        with self._lock:
            if self._until is not None and not self._trying:
                return None  # asked before the rest began
            self._failures += 1
            enough = self._failures >= self._threshold or at_once or rest_s > 0
            if not self._trying and not enough:
                return None
            self._rest_s = min(max(self._rest_s * 2, self._first_s, rest_s), self._most_s)
            self._until, self._trying = self._clock() + self._rest_s, False
            return self._rest_s


class _Deadline:
    """Ends a connection when its time is over, whatever the other side still sends.

    A socket's own limit begins anew with every byte, and no other holds for the head.
    """

    def __init__(self, timeout_s: float) -> None:
        self.passed = False
        self._connection: socket.socket | None = None
        self._timer = threading.Timer(timeout_s, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._connection is not None:
            self._connection.close()

    def watch(self, connection: socket.socket) -> None:
        """Take care of a connection; the other side of TLS has it under another name."""
        self._connection = connection.dup()
        if self.passed:
            self._pass()

    def _pass(self) -> None:
        self.passed = True
        if self._connection is not None:
            with suppress(OSError):  # it ended by itself
                self._connection.shutdown(socket.SHUT_RDWR)


class _Connection(http.client.HTTPConnection):
    """A connection with a deadline, from before TLS says its first word."""

    deadline: _Deadline

    def connect(self) -> None:
        super().connect()
        self.deadline.watch(self.sock)


class _SecureConnection(http.client.HTTPSConnection, _Connection):
    pass


def _connection(
    host: str, *, kind: type[_Connection], deadline: _Deadline, **given: Any
) -> _Connection:
    connection = kind(host, **given)
    connection.deadline = deadline
    return connection


class _Request(urllib.request.Request):
    def __init__(self, address: str, headers: dict[str, str], deadline: _Deadline) -> None:
        super().__init__(address, headers=headers)
        self.deadline = deadline


class _Handler(urllib.request.AbstractHTTPHandler):
    """Asks by HTTP and HTTPS on connections with a deadline."""

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self) -> None:
        super().__init__()
        self._trust = ssl.create_default_context()

    def http_open(self, request: _Request) -> http.client.HTTPResponse:
        connect = partial(_connection, kind=_Connection, deadline=request.deadline)
        return self.do_open(connect, request)

    def https_open(self, request: _Request) -> http.client.HTTPResponse:
        connect = partial(_connection, kind=_SecureConnection, deadline=request.deadline)
        return self.do_open(connect, request, context=self._trust)


class Upstream:
    """Asks the tile server; follows no redirect, believes nothing it is told."""

    def __init__(self, source: TileSource, *, user_agent: str, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "image/png,image/webp,image/jpeg",
            "Accept-Encoding": "identity",
        }
        # No handler of redirects, files, FTP or errors; the operator's HTTP proxy holds.
        self._opener = urllib.request.OpenerDirector()
        for handler in (urllib.request.ProxyHandler(), _Handler()):
            self._opener.add_handler(handler)

    def fetch(self, tile: Tile) -> bytes | None:
        """Return a tile, None if the tile server has none.

        Raises
        ------
        UpstreamError
            If it does not answer in time, or with anything but a tile.
        """
        with _Deadline(self._timeout_s) as deadline:
            try:
                return self._ask(_Request(self._source.address(tile), self._headers, deadline))
            except (UpstreamError, OSError, http.client.HTTPException, ValueError) as error:
                if deadline.passed or isinstance(error, TimeoutError):
                    raise UpstreamError(f"no answer in {self._timeout_s:g} s") from None
                if isinstance(error, UpstreamError):
                    raise
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                raise UpstreamError(f"{type(error).__name__}: {reason}") from None

    def _ask(self, request: _Request) -> bytes | None:
        answer = self._opener.open(request, timeout=self._timeout_s)
        if answer is None:
            raise UpstreamError("no way to ask it")
        with answer:
            return self._content(answer)

    def _content(self, answer: http.client.HTTPResponse) -> bytes | None:
        if answer.status in {204, 404, 410}:
            return None
        if answer.status != 200:
            rest_s = _seconds(answer.headers.get("Retry-After"))
            raise UpstreamError(f"status {answer.status}", rest_s=rest_s)
        told = answer.headers.get_content_type()
        content = answer.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UpstreamError(f"more than {MAX_BYTES} bytes")
        if not told.startswith("image/") or image_type(content) is None:
            raise UpstreamError(f"no whole PNG, JPEG or WebP but {told}, {len(content)} bytes")
        return content


def _seconds(text: str | None) -> float:
    """Read Retry-After where it is a number of seconds, else 0."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 0.0
