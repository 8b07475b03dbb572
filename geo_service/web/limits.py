"""How often one client may ask for what is expensive; who asks is known as a keyed hash alone.

`EXPENSIVE` says what is limited and by which budget. A budget counts all its requests of one
client in a moving window, by Flask-Limiter: in the memory of this process, or in Redis for all
processes. Where Redis cannot be reached it counts in memory meanwhile; nobody is turned away
for that.
"""

from __future__ import annotations

import logging
import math
import re
import secrets
import time
from functools import wraps
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, current_app, g, request
from flask_limiter import Limiter
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask_limiter import RequestLimit

    from geo_service.config import Settings

__all__ = ["charge", "client_key", "init_limits", "retry_after_s"]

_BUDGETS: Final = "geo_service budgets"

_REDIS_WAIT_S: Final = 0.3
"""How long a request waits for Redis before it is counted in memory."""

_WITH_PORT: Final = re.compile(r"\[(?P<six>[^]]*)\](?::\d+)?|(?P<four>[\d.]+):\d+", re.ASCII)
"""How some proxies write an address: with the port that the client sent from."""

_LONGEST_S: Final = 60
_log = logging.getLogger(__name__)
_log.addFilter(lambda record: record.levelno >= logging.WARNING)  # what is less names clients


def _is_exact() -> bool:
    """Whether the planners' pages are asked for an exact answer, or about an own list."""
    asked = (text.strip() for text in request.args.getlist("genau"))
    return request.method == "POST" or any(text not in {"", "0"} for text in asked)


def _is_whole() -> bool:
    """Whether all records are asked for at once."""
    return "all" in request.args.getlist("limit")


def _always() -> bool:
    return True


EXPENSIVE: Final[Mapping[str, Mapping[str, Callable[[], bool]]]] = {
    "siting": {
        "planning.siting": _is_exact,
        "planning.siting_values": _is_exact,
        "planning.siting_file": _is_exact,
        "planning.siting_picture": _is_exact,
        "api.siting": _always,
        "api.siting_json": _always,
        "api.siting_geojson": _always,
        "api.siting_csv": _always,
    },
    "files": {
        "planning.export": _always,
        "planning.export_comparison": _always,
        "planning.export_scenario": _always,
        "planning.export_records": _always,
        "planning.siting_file": _always,
        "handout.pdf": _always,
        "api.initiatives": _is_whole,
        "api.initiatives_json": _is_whole,
        "api.initiatives_geojson": _is_whole,
        "api.initiatives_csv": _is_whole,
        "api.coverage": _always,
        "api.coverage_json": _always,
        "api.coverage_geojson": _always,
        "api.coverage_csv": _always,
    },
}
"""Budget -> endpoint -> whether this request counts. HEAD counts like GET.

What is seen to be expensive only when it is looked at counts by `charge`.
"""


def init_limits(app: Flask, settings: Settings) -> None:
    """Limit what is expensive in `app`, whose views are all there already.

    The client is the address that the connection comes from, or, behind
    ``settings.trusted_proxies`` proxies, the one that they name.
    """
    if settings.trusted_proxies:
        trusted = {"x_for": settings.trusted_proxies, "x_proto": 0, "x_host": 0}
        app.wsgi_app = ProxyFix(app.wsgi_app, **trusted)  # type: ignore[method-assign]
    budgets = {"siting": settings.rate_limit_siting, "files": settings.rate_limit_files}
    budgets = {name: rates for name, rates in budgets.items() if rates != "off"}
    if not budgets:
        return
    limiter = _limiter(settings)
    app.extensions[_BUDGETS] = {
        name: _counter(limiter, name, rates) for name, rates in budgets.items()
    }
    for name in budgets:
        for endpoint, costs in EXPENSIVE[name].items():
            app.view_functions[endpoint] = _counted(app.view_functions[endpoint], costs, name)
    app.extensions["geo_service limits"] = limiter  # its limits refer to it weakly


def charge(budget: str) -> None:
    """Count this request towards a budget, unless it was already.

    Raises
    ------
    RateLimitExceeded
        If the budget is used up.
    """
    count = current_app.extensions.get(_BUDGETS, {}).get(budget)
    charged = g.setdefault("charged", set())
    if count is not None and budget not in charged:
        charged.add(budget)
        count()


def retry_after_s() -> int:
    """Return after how many seconds the request that was refused may be asked again."""
    return int(g.get("retry_after_s", _LONGEST_S))


def client_key(address: str | None, secret: bytes) -> str:
    """Return what stands for a client: a keyed hash of its address, that of its network in IPv6.

    A household has a whole /64 of addresses and could ask from each.

    >>> client_key("2001:db8::1", b"x") == client_key("2001:db8::ffff:2", b"x")
    True
    >>> client_key("192.0.2.1", b"x") == client_key("192.0.2.2", b"x")
    False
    """
    network = _network(address) or "local"  # a socket of this machine
    return blake2b(network.encode(), key=secret, digest_size=16).hexdigest()


def _network(address: str | None) -> str | None:
    """Return what stands for an address, with or without a port; None where it is none.

    >>> _network("192.0.2.1:443"), _network("[2001:db8::1]:443"), _network("unknown")
    ('192.0.2.1', '2001:db8::/64', None)
    """
    parts = _WITH_PORT.fullmatch(address or "")
    host = parts["six"] or parts["four"] if parts else address or ""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def _limiter(settings: Settings) -> Limiter:
    given = settings.rate_limit_secret or secrets.token_hex(32)
    secret = blake2b(given.encode(), digest_size=32).digest()
    shared = bool(settings.rate_limit_storage)
    waits: dict[str, Any] = {
        "socket_connect_timeout": _REDIS_WAIT_S,
        "socket_timeout": _REDIS_WAIT_S,
    }
    limiter = Limiter(
        _Client(secret, proxies=settings.trusted_proxies),
        storage_uri=settings.rate_limit_storage or "memory://",
        storage_options=waits if shared else {},
        strategy="moving-window",
        in_memory_fallback_enabled=shared,
        swallow_errors=True,
        on_breach=_Refusal(proxies=settings.trusted_proxies),
        key_prefix="geo-service",
    )
    limiter.logger = _log
    # What it hangs on every request of an application serves defaults and headers that we do
    # not use, and doubles the time of an empty view: it goes to one that nobody asks.
    limiter.init_app(Flask(__name__))
    return limiter


def _counter(limiter: Limiter, budget: str, rates: str) -> Callable[[], None]:
    """Return what counts a request towards a budget, and refuses it where that is used up."""

    def count() -> None: ...

    count.__qualname__ = budget  # the limiter tells limits apart by it
    return limiter.shared_limit(rates, scope=budget)(count)


def _counted(
    view: Callable[..., Any], costs: Callable[[], bool], budget: str
) -> Callable[..., Any]:
    @wraps(view)
    def counted(*args: Any, **values: Any) -> Any:
        if costs():
            charge(budget)
        return view(*args, **values)

    return counted


class _Client:
    """Says who asks; tells once of proxies that name somebody who cannot be told apart."""

    def __init__(self, secret: bytes, *, proxies: int) -> None:
        self._secret = secret
        self._trusts = bool(proxies)

    def __call__(self) -> str:
        if self._trusts and _network(request.remote_addr) is None:
            self._trusts = False
            _log.warning(
                "A trusted proxy names clients in X-Forwarded-For by what is no address, so these"
                " all count as one: let it write their addresses, with or without a port"
            )
        return client_key(request.remote_addr, self._secret)


class _Refusal:
    """Notes when a refused request may come again; tells once of a proxy that is not trusted."""

    def __init__(self, *, proxies: int) -> None:
        self._hides = not proxies

    def __call__(self, limit: RequestLimit) -> None:
        g.retry_after_s = max(1, math.ceil(limit.reset_at - time.time()))
        if self._hides and "X-Forwarded-For" in request.headers:
            self._hides = False
            _log.warning(
                "Requests come through a proxy that is not trusted, so all clients count as one:"
                " set GEO_SERVICE_TRUSTED_PROXIES"
            )
