"""A name for every request, and log lines as JSON that tell nothing about who asked.

A line has the request's id and no address of a visitor; what the log is given as text is
never a query string, which may tell where somebody is.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["JsonLines", "RequestIds", "log_as_json"]

_GIVEN: Final = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_current: ContextVar[str] = ContextVar("request_id", default="")


class RequestIds:
    """WSGI middleware: every answer carries ``X-Request-Id``.

    An id that a proxy in front gives is kept where it is a plain one.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request under its id."""
        given = environ.get("HTTP_X_REQUEST_ID", "")
        name = given if _GIVEN.fullmatch(given) else f"{random.getrandbits(64):016x}"
        _current.set(name)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            headers.append(("X-Request-Id", name))
            return start_response(status, headers, *more)

        return self._app(environ, start)


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII: time (UTC), level, logger, message, what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        said = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": _current.get(),
            "exception": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: text for name, text in said.items() if text})


def log_as_json(*loggers: logging.Logger) -> None:
    """Let loggers write JSON lines, to where they write already or to the error output."""
    for logger in loggers:
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler())
        for handler in logger.handlers:
            handler.setFormatter(JsonLines())
