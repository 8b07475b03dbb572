"""Serve the app with gunicorn: a few workers that follow the store's revision."""

from __future__ import annotations

import errno
import gc
import logging
import resource
import secrets
import selectors
import socket
import time
import traceback
from collections import Counter
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http import RequestParser, wsgi
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.workers.gthread import ThreadWorker

from geo_service.config import private_font_cache
from geo_service.connections import FIELDS_MOST, HEAD_MOST, LINE_MOST, Connection, Phase
from geo_service.errors import SettingsError
from geo_service.geocoding import OnlineSettings, make_online_geocoder
from geo_service.snapshot import SnapshotHolder, Territory
from geo_service.store import Store
from geo_service.web import HEADERS, create_app
from geo_service.web.request_log import log_as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future

    from flask import Flask

    from geo_service.config import Settings
    from geo_service.geocoding import OnlineGeocoder

__all__ = ["check_port", "serve", "visitors_geocoder"]

THREADS: Final = 4
"""Requests that one worker answers at the same time."""

VISITORS_TIMEOUT_S: Final = 3.0
"""How long a visitor waits for the online geocoder at most."""

CONNECTIONS: Final = 1000
"""Connections that a process keeps at the same time, if it may have twice as many files."""

HELD_MOST: Final = 128 * 1024 * 1024
"""Bytes of requests and answers that wait for clients in a process."""

_SWEEP_S: Final = 0.25
_REPORT_S: Final = 60.0
_LINGER_S: Final = 2.0
_PARSED: Final[dict[type[Exception], int]] = {
    InvalidResponseHeader: 500,  # these two are the application's fault
    InvalidResponseHeaderName: 500,
    LimitRequestLine: 414,
    LimitRequestHeaders: 431,
    ExpectationFailed: 417,
    ParseException: 400,
    Exception: 500,
}
"""What gunicorn's parser or the application raised -> status; the first class that fits."""

_HOST_EXPECTED: Final = "expected an address of this machine such as 127.0.0.1 or 0.0.0.0"


def check_port(host: str, port: int) -> None:
    """Raise SettingsError when nothing can listen on `host` and `port`."""
    if not host:  # gunicorn would listen on every address
        raise SettingsError(f"host: {_HOST_EXPECTED}, got none; choose one with --host")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(_bind_fault(host, port, error)) from error
        except UnicodeError:  # what is no host name at all
            raise SettingsError(
                f"host: {_HOST_EXPECTED}, got {host!r}; choose another with --host"
            ) from None


def _bind_fault(host: str, port: int, error: OSError) -> str:
    reason = error.strerror
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"host: {_HOST_EXPECTED}, got {host!r} ({reason}); choose another with --host"
    if error.errno == errno.EACCES:
        return (
            f"port {port} on {host}: expected a port that this account may use, as those from"
            f" 1024 are, got: {reason}; choose another with --port"
        )
    return f"port {port} on {host}: expected a free port, got: {reason}; choose another with --port"


def serve(settings: Settings, territory: Territory) -> None:
    """Serve until SIGINT or SIGTERM; does not return before.

    `territory` is loaded once and shared by the workers; each opens the store itself. They know
    clients by the same secret, be it a new one.
    """
    secret = settings.rate_limit_secret or secrets.token_hex(32)
    with private_font_cache():
        _Server(replace(settings, rate_limit_secret=secret), territory).run()


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's log in our form."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        log_as_json(self.error_log, logging.getLogger("geo_service"))


class _Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads, whose threads have whole requests only.

    Connections wait in its loop, which never blocks: for the rest of a request, for a client
    that reads its answer, for the end. Where there are too many, the one that has waited
    longest goes: who sends a whole request is served whatever the others do. A long answer
    goes back to a thread for its next part when its client has read the last one.

    `connections` are all there are, each with the events it waits for: none while a thread has
    it.
    """

    nr_conns: int
    """How many connections gunicorn's own loop believes to have."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: dict[Connection, int] = {}
        self.refused: Counter[int] = Counter()
        self.faults: set[str] = set()
        self.next_sweep = self.next_report = 0.0

    # ---------------------------------------------------------------------- the loop's part

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection."""
        if self.nr_conns >= self.worker_connections - THREADS:
            self._make_room()
        try:
            wire, client = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._make_room()
            return
        patience_s = self.app.settings.client_timeout_s
        conn = Connection(wire, client, listener.getsockname(), patience_s)
        self.connections[conn] = 0
        self.nr_conns = len(self.connections)
        self._guard(self._read, conn)

    def finish_request(self, conn: Connection, fs: Future[bool]) -> None:
        """Go on with a connection that a thread is done with."""
        self._guard(partial(self._answered, fs), conn)

    def _guard(self, step: Callable[[Connection], None], conn: Connection, *_: Any) -> None:
        """Take a step with a connection, if it is still there.

        Whatever fails ends that connection alone: an error that left here would end the
        process. The log gets the place of a fault once, without the error's own text, which
        may name a client.
        """
        if conn not in self.connections:  # given up for another in the same round of events
            return
        try:
            step(conn)
        except Exception as error:  # noqa: BLE001 - the last door before the loop
            self._drop(conn)
            self._count(HTTPStatus.INTERNAL_SERVER_ERROR)
            fault = f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
            if fault not in self.faults:
                self.faults.add(fault)
                self.log.error("A connection was given up after a fault of ours: %s", fault)

    def _ready(self, conn: Connection) -> None:
        """Go on with a connection whose socket is ready."""
        if conn.phase is Phase.READING:
            self._read(conn)
        elif conn.phase is Phase.WRITING:
            self._write(conn)
        elif not conn.discard():
            self._drop(conn)

    def _read(self, conn: Connection) -> None:
        conn.receive()
        self._hand_on(conn)

    def _hand_on(self, conn: Connection) -> None:
        """Let a thread answer a whole request; wait for the rest of another."""
        if conn.request is not None:
            self._work(conn)
        elif conn.ended or conn.broken:
            self._drop(conn)
        else:
            self._watch(conn, selectors.EVENT_READ)

    def _work(self, conn: Connection) -> None:
        self._watch(conn, 0)
        conn.begin(Phase.WORKING)
        self.enqueue_req(conn)

    def _answered(self, fs: Future[bool], conn: Connection) -> None:
        if not fs.result():
            conn.answer = None
        self._count(conn.refused)
        conn.begin(Phase.WRITING)
        self._write(conn)

    def _write(self, conn: Connection) -> None:
        flushed = conn.flush()
        if conn.broken:
            self._drop(conn)
        elif conn.answer and conn.wants_more:
            self._work(conn)
        elif not flushed:
            self._watch(conn, selectors.EVENT_WRITE)
        elif conn.keep:
            conn.begin(Phase.READING, self.cfg.keepalive if self.alive else _LINGER_S)
            conn.look()
            self._hand_on(conn)
        elif conn.finish():
            conn.begin(Phase.CLOSING)
            self._watch(conn, selectors.EVENT_READ)
        else:
            self._drop(conn)

    def _watch(self, conn: Connection, events: int) -> None:
        before = self.connections[conn]
        if before == events:
            return
        self.connections[conn] = 0
        if before:
            self.poller.unregister(conn.wire)
        if events:
            self.poller.register(conn.wire, events, partial(self._guard, self._ready, conn))
            self.connections[conn] = events

    def _drop(self, conn: Connection) -> None:
        """Close a connection; what is left of its answer ends in a thread."""
        if self.connections.pop(conn, 0):
            self.poller.unregister(conn.wire)
        self.nr_conns = len(self.connections)
        conn.wire.close()
        if conn.answer:
            self.tpool.submit(conn.context.run, conn.answer.close)

    @property
    def _waiting(self) -> list[Connection]:
        return [conn for conn, events in self.connections.items() if events]

    def _make_room(self) -> None:
        if waiting := self._waiting:
            self._guard(self._give_up, min(waiting, key=lambda one: one.since))

    def _give_up(self, conn: Connection) -> None:
        """Close a connection that took too long, and say so if it has begun to ask."""
        if conn.phase is Phase.READING and conn.received:
            conn.refuse(HTTPStatus.REQUEST_TIMEOUT, HEADERS)
            conn.flush()
            self._count(conn.refused)
        self._drop(conn)

    def murder_pending(self) -> None:
        """Give up the connections whose time is over, and the largest where all are too large."""
        now = time.monotonic()
        if now < self.next_sweep:
            return
        self.next_sweep = now + _SWEEP_S
        waiting = self._waiting
        held = sum(one.held for one in waiting)
        for conn in sorted(waiting, key=lambda one: (one.deadline > now, -one.held)):
            if held > HELD_MOST or conn.deadline <= now:
                held -= conn.held
                self._guard(self._give_up, conn)
        self._count(0)

    def _cap_keepalive(self, deadline: float) -> None:
        for conn in self.connections:
            conn.deadline = min(conn.deadline, deadline)

    def _count(self, status: int) -> None:
        """Log what was refused: the first at once, then at most once a minute."""
        if status:
            self.refused[status] += 1
        if self.refused and time.monotonic() >= self.next_report:
            self.next_report = time.monotonic() + _REPORT_S
            counts = ", ".join(f"{code}: {count}" for code, count in sorted(self.refused.items()))
            self.refused.clear()
            self.log.warning("Requests were refused before they were read; %s", counts)

    # ----------------------------------------------------------------------- a thread's part

    def handle(self, conn: Connection) -> bool:
        """Answer a request, or go on with its answer; whether more of it waits for the client."""
        if conn.answer is None:
            conn.answer = self._answer(conn)
        unfinished = conn.context.run(next, conn.answer, False)
        conn.flush()
        return unfinished

    def _answer(self, conn: Connection) -> Generator[bool]:
        """Answer a request; pause where the client has enough to read for now."""
        framing, data, conn.keep = conn.request, conn.take_request(), False
        if framing is None or framing.status:
            conn.refuse(framing.status if framing else HTTPStatus.BAD_REQUEST, HEADERS)
            return
        asked = response = None
        try:
            asked = next(RequestParser(self.cfg, iter([data]), conn.client))
            asked._expected_100_continue = False  # the body is here already
            response, environ = wsgi.create(asked, conn, conn.client, conn.server, self.cfg)
            environ["wsgi.multithread"] = True
            if framing.last or not self.alive:
                response.force_close()
            body = self.wsgi(environ, response.start_response)
            try:
                for part in body:
                    response.write(part)
                    if conn.is_full():
                        yield True
                response.close()
            finally:
                if hasattr(body, "close"):
                    body.close()
            conn.keep = not response.should_close()
        except Exception as error:  # noqa: BLE001 - the application may raise anything
            self._explain(conn, asked, response, error)

    def _explain(self, conn: Connection, asked: Any, response: Any, error: Exception) -> None:
        """Answer what the parser refused, or what went wrong in the application."""
        if conn.broken:
            return
        status = next(code for kind, code in _PARSED.items() if isinstance(error, kind))
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            at = (asked.method, asked.path) if asked else ("", "")
            self.log.error("Error handling request %s %s", *at, exc_info=error)
        if not (response and response.headers_sent):
            conn.refuse(status, HEADERS)


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured by our settings alone."""

    def __init__(self, settings: Settings, territory: Territory) -> None:
        self.settings = settings
        self.territory = territory
        super().__init__()

    def load_config(self) -> None:
        settings = self.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        options: dict[str, Any] = {
            "bind": f"{host}:{settings.port}",
            "workers": settings.workers,
            "worker_class": _Worker,
            "worker_connections": _connections(),
            "limit_request_line": LINE_MOST,
            "limit_request_field_size": HEAD_MOST,
            "limit_request_fields": FIELDS_MOST,
            "forwarder_headers": "",
            "sendfile": False,
            "threads": THREADS,
            "timeout": 60,
            "graceful_timeout": 5,
            "keepalive": 5,
            "loglevel": "warning",
            "proc_name": "geo-service",
            "control_socket_disable": True,
            "logger_class": _Log,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        holder = SnapshotHolder(Store(self.settings.database_url), self.territory)
        app = create_app(holder, self.settings, geocoder=visitors_geocoder(self.settings))
        gc.freeze()  # code and Land stay: searched for garbage, they hold up a request for 0.1 s
        return app


def _connections() -> int:
    """Return how many connections a process may keep, so that files are left for the rest."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2)


def visitors_geocoder(settings: Settings) -> OnlineGeocoder | None:
    """Set up the operator's geocoder for what visitors type: one quick attempt, or none.

    Raises
    ------
    GeocodingError
        If it cannot be set up.
    """
    if not settings.geocoder:
        return None
    return make_online_geocoder(
        OnlineSettings(
            service=settings.geocoder,
            endpoint=settings.geocoder_url,
            contact=settings.geocoder_contact,
            min_delay_s=settings.geocoder_min_delay_s,
            timeout_s=min(settings.geocoder_timeout_s, VISITORS_TIMEOUT_S),
            attempts=1,
            backoff_s=0.0,
            longest_wait_s=1.0,
            licence=settings.geocoder_licence,
        )
    )
