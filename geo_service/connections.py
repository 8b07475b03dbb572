"""Connections that keep no thread waiting: whole requests come in, whole answers go out.

A client may be slow, broken or hostile. So its bytes are gathered here until a request is
whole (`framing`), and an answer is taken at once and given to the network as fast as the
client reads. The server's loop calls all of this without ever blocking; a thread has a
connection only while it computes an answer, or the next part of a long one. How long a client
may take follows Apache's mod_reqtimeout: a patience, which begins anew as long as it sends or
reads fast enough.
"""

from __future__ import annotations

import errno
import json
import re
import secrets
import socket
import time
from collections import deque
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["BODY_MOST", "HEAD_MOST", "Connection", "Framing", "Phase", "framing", "refusal"]

LINE_MOST: Final = 8190
"""Bytes of a request line, as Apache and gunicorn take."""

HEAD_MOST: Final = 32 * 1024
"""Bytes of a request line with its headers, as nginx takes (large_client_header_buffers)."""

FIELDS_MOST: Final = 100
"""Headers of a request, as Apache and gunicorn take."""

BODY_MOST: Final = 4 * 1024 * 1024
"""Bytes of a body that are gathered; what announces more is answered without its body."""

LEAST_RATE: Final = 500
"""Bytes that a client must send or read for each second beyond its patience."""

KEPT_MOST: Final = 1024 * 1024
"""Bytes of an answer of several parts that wait for the client before its next part does."""

UNREAD_MOST: Final = 16 * 1024 * 1024
"""Bytes that a refused client may still send, so that it gets to read why."""

_AT_ONCE: Final = 64 * 1024
_PARTS: Final = 64
_BEGINNING: Final = 64
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_BEGIN: Final = re.compile(rb"(\r?\n?)?([A-Z]|$)")
_REQUEST_LINE: Final = re.compile(rb"[^\r\n]+ HTTP/[0-9.]+")
_LENGTH: Final = re.compile(rb"\ncontent-length:([^\r\n]*)\r")
_EXPECTS: Final = re.compile(rb"\nexpect:[ \t]*100-continue[ \t]*\r")
_API: Final = re.compile(rb"(\r\n)?[A-Z]+ /api/")
_HEAD: Final = re.compile(rb"(\r\n)?HEAD ")

_OPEN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_SAID: Final[Mapping[int, tuple[str, str]]] = {
    400: ("Diese Anfrage ist nicht zu lesen.", "The request cannot be read."),
    408: ("Diese Anfrage kam zu langsam.", "The request came too slowly."),
    411: ("Hier muss die Länge der Daten dabeistehen.", "Content-Length is needed here."),
    414: ("Diese Adresse ist zu lang.", "The address is too long."),
    417: ("Was die Anfrage erwartet, gibt es hier nicht.", "Expect is not met here."),
    431: ("Diese Anfrage hat zu viel im Kopf.", "The headers are too many or too long."),
    500: ("Bei uns ist ein Fehler passiert.", "Something went wrong on our side."),
}


class Phase(Enum):
    """What a connection is about."""

    READING = "a request comes in"
    WORKING = "a thread has it"
    WRITING = "an answer goes out"
    CLOSING = "the client may still be sending"


@dataclass(frozen=True, slots=True)
class Framing:
    """Where the first request in some bytes ends, and what is known of it already.

    `last` means that nothing after it can be trusted to be a request. `status` is what it is
    refused with, 0 where it is for the parser to say.
    """

    end: int
    last: bool = False
    status: int = 0


def framing(data: bytes | bytearray) -> Framing | None:
    r"""Find the end of the first request in `data`; None while it is not whole.

    Whatever is not plain ends here, too: the parser sees no more of it and refuses it.

    >>> framing(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET ")
    Framing(end=27, last=False, status=0)
    >>> framing(b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n1234") is None
    True
    """
    end = data.find(b"\r\n\r\n", 0, HEAD_MOST)
    if end < 0:
        return _refused_early(data)
    end += 4
    head = bytes(data[:end]).lower()
    if not head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n"):
        return Framing(end, last=True, status=HTTPStatus.BAD_REQUEST)
    if b"\nhost:" not in head and b" http/1.1\r" in head:  # RFC 9112, section 3.2
        return Framing(end, last=True, status=HTTPStatus.BAD_REQUEST)
    if b"\ntransfer-encoding:" in head:
        return Framing(end, last=True, status=HTTPStatus.LENGTH_REQUIRED)
    lengths = [length.strip(b" \t") for length in _LENGTH.findall(head)]
    if not lengths:
        return Framing(end)
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        return Framing(end, last=True)
    length = int(lengths[0])
    if length > BODY_MOST:
        return Framing(end, last=True)
    return Framing(end + length) if len(data) >= end + length else None


def _expects_continue(data: bytes | bytearray) -> bool:
    """Tell whether a client waits with its body for a word: RFC 9110, section 10.1.1."""
    line, _, rest = bytes(data[: data.find(b"\r\n\r\n") + 2]).lstrip().partition(b"\r\n")
    return line.endswith(b" HTTP/1.1") and bool(_EXPECTS.search(b"\n" + rest.lower()))


def _refused_early(data: bytes | bytearray) -> Framing | None:
    """Tell whether a head that is not whole can be refused already."""
    line_end = data.find(b"\r\n", 2)
    status = 0
    if not _BEGIN.match(data) or b"\n\n" in data:
        status = 400
    elif (len(data) if line_end < 0 else line_end) > LINE_MOST + 2:
        status = 414
    elif line_end >= 0 and not _REQUEST_LINE.fullmatch(data[:line_end].lstrip()):
        status = 400
    elif len(data) > HEAD_MOST:
        status = 431
    return Framing(len(data), last=True, status=status) if status else None


def refusal(status: int, request: bytes | bytearray, headers: Mapping[str, str]) -> bytes:
    """Write the answer to a request that did not reach the application, in two languages.

    Nothing of the request is in it, so that its name, as every answer has one, is always ours.
    Programs that ask the interface get a problem (RFC 9457).
    """
    phrase = HTTPStatus(status).phrase
    german, english = _SAID.get(status, _SAID[400])
    kind, text = "text/plain; charset=utf-8", f"{status} {phrase}\n{german}\n{english}\n"
    if _API.match(request):
        kind = "application/problem+json"
        said = {"type": "about:blank", "title": phrase, "status": status, "detail": english}
        text, headers = json.dumps(said), {**headers, **_OPEN}
    body = text.encode()
    lines = {
        "Connection": "close",
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Request-Id": secrets.token_hex(8),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    if _HEAD.match(request):
        body = b""
    return f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode("latin-1") + body


@dataclass(slots=True, eq=False)
class Connection:
    """A client's connection; also the socket that the server's threads write answers to.

    Its socket `wire` never blocks. `deadline` is in seconds of `time.monotonic`. `refused` is
    the status with which a request did not reach the application. `answer` makes an answer, in
    `context`, and pauses where its client has enough to read. `broken` means that nothing more
    is to be written.
    """

    wire: socket.socket
    client: Any
    server: Any
    patience_s: float
    phase: Phase = Phase.READING
    received: bytearray = field(default_factory=bytearray)
    request: Framing | None = None
    ended: bool = False
    keep: bool = False
    refused: int = 0
    since: float = 0.0
    deadline: float = 0.0
    answer: Generator[bool] | None = None
    context: Context = field(default_factory=copy_context)
    broken: bool = False
    _asked: bytes = b""
    _moved: int = 0
    _continued: bool = False
    _kept: deque[memoryview] = field(default_factory=deque)
    _kept_bytes: int = 0

    def __post_init__(self) -> None:
        self.wire.setblocking(False)
        self.begin(Phase.READING)

    def begin(self, phase: Phase, patience_s: float | None = None) -> None:
        """Begin a phase, and its time."""
        self.phase, self._moved, self.since = phase, 0, time.monotonic()
        self.deadline = self.since + (self.patience_s if patience_s is None else patience_s)

    def _advance(self, count: int) -> None:
        """Give the client more time for what it did send or read: never more than its patience."""
        now = time.monotonic()
        if not self._moved:  # the first bytes: a kept connection is in use again
            self.since = now
        self._moved += count
        self.deadline = min(now, self.since + self._moved / LEAST_RATE) + self.patience_s

    # ------------------------------------------------------------------------------ reading

    def receive(self) -> None:
        """Take what has come; `request` is set as soon as there is one."""
        try:
            data = self.wire.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self.ended = not data
        if data:
            self._advance(len(data))
            self.received += data
        self.look()

    def look(self) -> None:
        """Find the next request in what has come."""
        self.request = framing(self.received) if self.received else None
        if self.request is None and self.ended and self.received:
            self.request = Framing(len(self.received), last=True, status=HTTPStatus.BAD_REQUEST)
        elif self.request is None and not self._continued and b"\r\n\r\n" in self.received:
            self._continued = True
            if _expects_continue(self.received):
                self.sendall(_CONTINUE)
                self.flush()

    def take_request(self) -> bytes:
        """Return the bytes of the request; what follows it stays."""
        end = self.request.end if self.request else 0
        taken = bytes(self.received[:end])
        del self.received[:end]
        self._asked, self._continued = taken[:_BEGINNING], False
        return taken

    @property
    def held(self) -> int:
        """How many bytes wait here."""
        return len(self.received) + self._kept_bytes

    def discard(self) -> bool:
        """Throw away what still comes; whether there is more to wait for."""
        try:
            data = self.wire.recv(_AT_ONCE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._moved += len(data)
        return bool(data) and self._moved < UNREAD_MOST

    # ------------------------------------------------------------------------------ writing

    def sendall(self, data: bytes) -> None:
        """Take a part of an answer.

        Raises
        ------
        BrokenPipeError
            If the client is gone.
        """
        if self.broken:
            raise BrokenPipeError(errno.EPIPE, "the client is gone")
        if data:
            self._kept.append(memoryview(data))
            self._kept_bytes += len(data)

    def refuse(self, status: int, headers: Mapping[str, str]) -> None:
        """Answer that there is no answer."""
        self.refused = status
        if not self.broken:
            self.sendall(refusal(status, self._asked or self.received[:_BEGINNING], headers))

    def is_full(self) -> bool:
        """Give the network what it takes of a long answer; whether too much is left."""
        return self._kept_bytes > KEPT_MOST and not self.flush() and not self.wants_more

    @property
    def wants_more(self) -> bool:
        """Whether the client has read enough for the next part of its answer."""
        return self._kept_bytes <= KEPT_MOST // 2

    def flush(self) -> bool:
        """Give the network what it takes; whether nothing is left."""
        while self._kept and not self.broken:
            try:
                sent = self.wire.sendmsg(list(islice(self._kept, _PARTS)))
            except BlockingIOError:
                return False
            except OSError:
                self.close()
                break
            self._advance(sent)
            self._kept_bytes -= sent
            while sent:
                part = self._kept.popleft()
                if len(part) > sent:
                    self._kept.appendleft(part[sent:])
                sent -= min(sent, len(part))
        return True

    def finish(self) -> bool:
        """Say that no more will be written; whether the client may still have to read."""
        if self.broken:
            return False
        try:
            self.wire.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return not self.ended

    def close(self) -> None:
        """Give the answer up; the loop closes the socket."""
        self.broken = True
        self._kept.clear()
        self._kept_bytes = 0
