"""The residents' pages, the data their map loads, and the service's health."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final, get_args

from flask import Blueprint, render_template, request, url_for

from geo_service.errors import NotFoundError, QueryError, StoreError
from geo_service.schema import CATEGORY_GROUPS, Level
from geo_service.web.answers import HTML, Body, answer
from geo_service.web.places import GROUP_NAMES, Filter
from geo_service.web.queries import check_encoding, query_string, read_filter, read_page
from geo_service.web.site import ListPage, View, the_site
from geo_service.web.sources import source_notes

if TYPE_CHECKING:
    from flask import Response

__all__ = ["pages"]

pages = Blueprint("pages", __name__)

ONE_DAY: Final = "public, max-age=86400"
FOREVER: Final = "public, max-age=31536000, immutable"


@pages.get("/")
def start() -> Response:
    """Show the places of a choice, as a list and on a map."""
    view = the_site().view()
    query = _query(view)
    listing = ListPage.of(view.places, query, 1)
    page = read_page(request.args, pages=listing.pages)
    listing = ListPage(query, page, listing.found, listing.groups)
    return answer(view.start_page(query, page, partial(_render_start, view, listing)))


@pages.get("/ort/<path:place_id>")
def place(place_id: str) -> Response:
    """Show all we know about one place."""
    view = the_site().view()
    found = view.place(place_id)
    if found is None:
        raise NotFoundError("Diesen Ort gibt es in unserem Verzeichnis nicht.")
    return _page(view, "place.html", place=found)


@pages.get("/quellen")
def sources() -> Response:
    """Show where the data come from."""
    view = the_site().view()
    return _page(view, "sources.html", notes=source_notes(view.snapshot))


@pages.get("/daten/orte.geojson")
def places_data() -> Response:
    """Give the places of a choice that have a point, for the map."""
    view = the_site().view()
    return answer(view.map_places(_query(view)))


@pages.get("/daten/grenzen/<level>.geojson")
def borders_data(level: str) -> Response:
    """Give the borders of a level, for the map."""
    view = the_site().view()
    if level not in get_args(Level):
        raise NotFoundError(f"Diese Ebene gibt es nicht. Möglich sind: {_levels()}.")
    kreis = request.args.get("kreis")
    if kreis is not None and kreis not in view.kreise:
        raise QueryError("Diesen Kreis kennen wir nicht.")
    return answer(view.borders(level, kreis), cache=ONE_DAY)  # type: ignore[arg-type]


@pages.get("/daten/staedte.json")
def towns_data() -> Response:
    """Give the names of the larger towns, for the map."""
    return answer(the_site().view().towns(), cache=ONE_DAY)


@pages.get("/karte.js")
def map_script() -> Response:
    """Give the script of the map."""
    return answer(the_site().view().script())


@pages.get("/static/<path:name>")
def static(name: str) -> Response:
    """Give one of our static files."""
    assets = the_site().assets
    body = assets.get(name)
    if body is None:
        raise NotFoundError("Diese Datei gibt es nicht.")
    current = request.args.get("v") == assets.version(name)
    return answer(body, cache=FOREVER if current else "no-cache")


@pages.get("/healthz")
def health() -> Response:
    """Say whether the service works, for the operator's monitoring."""
    status, state = _health()
    body = Body(json.dumps(state, ensure_ascii=False).encode(), "application/json")
    return answer(body, cache="no-store", status=status)


def _health() -> tuple[int, dict[str, object]]:
    site = the_site()
    try:
        view = site.view()
    except StoreError:
        return 503, {"status": "error", "store": "unreachable"}
    reachable = site.holder.store_reachable
    return 200, {
        "status": "ok" if reachable else "degraded",
        "store": "ok" if reachable else "unreachable",
        "revision": view.snapshot.revision,
        "changed_at": view.snapshot.changed_at.isoformat(),
        "places": len(view.places),
        "placed": sum(place.placed for place in view.places),
        "municipalities": len(view.snapshot.territory.municipalities),
    }


def _query(view: View) -> Filter:
    check_encoding(request.query_string)
    return read_filter(request.args, kreise=view.kreise.keys())


def _levels() -> str:
    return ", ".join(get_args(Level))


def _render_start(view: View, listing: ListPage) -> str:
    parts = view.map_parts(
        url_for("pages.places_data") + query_string(listing.query),
        url_for("pages.borders_data", level="LEVEL"),
        url_for("pages.towns_data"),
    )
    return render_template(
        "start.html",
        listing=listing,
        kreise=view.kreise.values(),
        total=len(view.places),
        groups=GROUP_NAMES,
        categories=CATEGORY_GROUPS,
        map=parts,
        border_note=view.border_note,
    )


def _page(view: View, template: str, **values: object) -> Response:
    text = render_template(template, **values)
    return answer(Body(text.encode(), HTML, view.snapshot.revision, quality=5))
