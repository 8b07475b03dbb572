"""Serve the app with gunicorn: a few workers that follow the store's revision."""

from __future__ import annotations

import errno
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from geo_service.config import private_font_cache
from geo_service.errors import SettingsError
from geo_service.geocoding import OnlineSettings, make_online_geocoder
from geo_service.snapshot import SnapshotHolder, Territory
from geo_service.store import Store
from geo_service.web import create_app
from geo_service.web.request_log import log_as_json

if TYPE_CHECKING:
    from flask import Flask

    from geo_service.config import Settings
    from geo_service.geocoding import OnlineGeocoder

__all__ = ["check_port", "serve", "visitors_geocoder"]

THREADS: Final = 4
"""Requests that one worker answers at the same time."""

VISITORS_TIMEOUT_S: Final = 3.0
"""How long a visitor waits for the online geocoder at most."""


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

    `territory` is loaded once and shared by the workers; each opens the store itself.
    """
    with private_font_cache():
        _Server(settings, territory).run()


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's log without what visitors are known by: their addresses and what they asked."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        log_as_json(self.error_log, logging.getLogger("geo_service"))

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if msg.startswith("Invalid request from ip="):
            msg, args = "A request was refused: it is too long or not HTTP", ()
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        known = (arg.partition("?")[0] if isinstance(arg, str) else arg for arg in args)
        super().exception(msg, *known, **kwargs)


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
            "worker_class": "gthread",
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
        return create_app(holder, self.settings, geocoder=visitors_geocoder(self.settings))


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
