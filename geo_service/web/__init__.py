"""The web application: pages for residents, data for their map, and the service's health."""

from __future__ import annotations

import datetime as dt
import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urlencode

from flask import Flask, redirect, render_template, request
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests
from werkzeug.routing import RequestRedirect

from geo_service.config import static_dir, templates_dir
from geo_service.errors import (
    GeoServiceError,
    InputError,
    NotFoundError,
    StoreError,
    TypesettingError,
)
from geo_service.formats import BERLIN
from geo_service.web.addresses import AddressFinder
from geo_service.web.answers import HTML, NOT_KEPT, Assets, Body, answer
from geo_service.web.api import api, api_page, problem
from geo_service.web.area_pages import area_pages
from geo_service.web.embed.builder import builders
from geo_service.web.embed.oembed import oembeds
from geo_service.web.embed.pages import embeds
from geo_service.web.handout import handouts
from geo_service.web.languages import init_languages, neutral_url_for
from geo_service.web.legal import legal
from geo_service.web.limits import init_limits, retry_after_s
from geo_service.web.pages import pages
from geo_service.web.place_pages import place_pages
from geo_service.web.planning import planning as planning_pages
from geo_service.web.queries import AddressError
from geo_service.web.request_log import RequestIds
from geo_service.web.site import EXTENSION, Backdrop, Site
from geo_service.web.tiles import init_tiles
from geo_service.web.wording import FILTERS, N_, gettext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Response

    from geo_service.config import Settings
    from geo_service.snapshot import SnapshotHolder
    from geo_service.web.addresses import AddressGeocoder

__all__ = ["BERLIN", "HEADERS", "STATUS", "create_app"]

STATUS: Final[dict[type[GeoServiceError], int]] = {
    InputError: 400,
    NotFoundError: 404,
    StoreError: 503,
    TypesettingError: 503,
    GeoServiceError: 500,
}
"""Which HTTP status an error of ours becomes; the first class that fits."""

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "geolocation=(self), camera=(), microphone=(), payment=(), usb=(), interest-cohort=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What every answer carries."""

_GUARDS: Final = [(name.lower(), (name, value)) for name, value in HEADERS.items()]
_API: Final = "/api/"
_MACHINE_PATHS: Final = ("/daten/", "/healthz")
_log = logging.getLogger(__name__)

_TEXTS: Final = {
    400: (N_("Das haben wir nicht verstanden"), N_("Die Adresse ist nicht richtig.")),
    404: (N_("Diese Seite gibt es nicht"), N_("Vielleicht ist die Adresse falsch oder veraltet.")),
    405: (N_("Das geht hier nicht"), N_("Diese Seite kann man nur ansehen.")),
    429: (
        N_("Das waren sehr viele Anfragen"),
        N_("Bitte versuchen Sie es in ein paar Minuten wieder."),
    ),
    500: (
        N_("Bei uns ist ein Fehler passiert"),
        N_("Bitte versuchen Sie es in ein paar Minuten wieder."),
    ),
    503: (
        N_("Das Verzeichnis ist gerade nicht erreichbar"),
        N_("Bitte versuchen Sie es in ein paar Minuten wieder."),
    ),
}


def create_app(
    holder: SnapshotHolder,
    settings: Settings,
    *,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(BERLIN),
    geocoder: AddressGeocoder | None = None,
) -> Flask:
    """Build the application on a holder of snapshots.

    Parameters
    ----------
    holder
        Gives the present snapshot; is asked once per request.
    settings
        Name, operator and contact as pages show them.
    now
        Gives the time in Berlin: what is open, and against which day records are old.
    geocoder
        The operator's online geocoder for what visitors search, if there is one.
    """
    app = _Application(__name__, static_folder=None, template_folder=str(templates_dir()))
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    addresses = AddressFinder(geocoder) if geocoder else None
    site = Site(holder, settings, now, Assets(static_dir()), Backdrop(), addresses)
    app.extensions[EXTENSION] = site
    for part in (pages, place_pages, area_pages, legal, api, api_page):
        app.register_blueprint(part)
    for part in (handouts, embeds, builders, oembeds):
        app.register_blueprint(part)
    app.register_blueprint(planning_pages)
    init_tiles(app, site)
    init_limits(app, settings)
    app.jinja_env.filters |= FILTERS
    app.jinja_env.globals |= {"settings": settings, "asset": _asset_address(site.assets)}
    app.jinja_env.filters["markup"] = Markup
    init_languages(app, public_url=settings.public_url)
    app.after_request(_send_on)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(GeoServiceError, _our_error)
    app.wsgi_app = RequestIds(_Guarded(app.wsgi_app))  # type: ignore[method-assign]
    return app


class _Application(Flask):
    """Flask without a search for coroutines at every call: no function of ours is one."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function itself."""
        return func


class _Guarded:
    """WSGI middleware: every answer carries `HEADERS`, where it has none of its own."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request."""

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            given = {name.lower(): value for name, value in headers}
            policy = given.get("content-security-policy")
            if policy and "frame-ancestors 'none'" not in policy:
                given["x-frame-options"] = ""  # left out: it cannot name hosts
            headers += [pair for name, pair in _GUARDS if name not in given]
            return start_response(status, headers, *more)

        return self._app(environ, start)


def _asset_address(assets: Assets) -> Callable[[str], str]:
    def asset(name: str) -> str:
        return neutral_url_for("pages.static", name=name, v=assets.version(name) or None)

    return asset


def _send_on(response: Response) -> Response:
    """Keep to ourselves where somebody is sent who asked a question.

    To the proper form of an address they are sent by its path, never to the Host that was
    named. Flask hands such redirects to no error handler. A path that began with two slashes
    would name a host again.
    """
    if not 300 < response.status_code < 309 or response.status_code == 304:
        return response
    error = request.routing_exception if response.status_code == 308 else None
    if not isinstance(error, RequestRedirect):
        if response.location and request.query_string:
            response.headers.setdefault("Cache-Control", NOT_KEPT)
        return response
    path = "/" + error.new_url.split("/", 3)[-1].lstrip("/")
    proper = redirect(path, 308)
    proper.headers["Cache-Control"] = "no-store"
    return cast("Response", proper)


def _our_error(error: GeoServiceError) -> Response:
    """Answer an error of ours: with its text where the visitor can act on it."""
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    if status >= 500:
        _log.error("%s %s: %s", request.method, request.path, error, exc_info=error)
        return _error_answer(status)
    back = _address_without(error.parameter) if isinstance(error, AddressError) else None
    return _error_answer(status, detail=str(error), back=back)


def _address_without(parameter: str) -> str:
    """Return the address that was asked for, without one parameter."""
    kept = [pair for pair in request.args.items(multi=True) if pair[0] != parameter]
    address = quote(request.script_root + request.path)
    return f"{address}?{urlencode(kept)}" if kept else address


def _http_error(error: HTTPException) -> Response:
    response = _error_answer(error.code or 500)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(retry_after_s())
    return response


def _error_answer(status: int, *, detail: str | None = None, back: str | None = None) -> Response:
    """Answer with a page, or with a problem (RFC 9457) where programs ask."""
    if request.path.startswith(_API):
        return problem(status, detail if status < 500 else None)
    title, text = map(gettext, _TEXTS.get(status) or _TEXTS[400 if status < 500 else 500])
    if request.path.startswith(_MACHINE_PATHS):
        said = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail or text,
        }
        body = Body(json.dumps(said, ensure_ascii=False).encode(), "application/problem+json")
    else:
        page = render_template(
            "error.html", status=status, title=title, text=detail or text, back=back
        )
        body = Body(page.encode(), HTML, quality=5)
    return answer(body, cache="no-store", status=status)
