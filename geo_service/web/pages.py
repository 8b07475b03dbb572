"""The residents' pages, the data their map loads, and the service's health."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from flask import Blueprint, current_app, redirect, render_template, request, url_for

from geo_service.errors import NotFoundError, QueryError, StoreError
from geo_service.schema import Failed, Level
from geo_service.web.answers import (
    FOREVER,
    HTML,
    NOT_KEPT,
    ONE_DAY,
    PUBLIC,
    Body,
    answer,
    caching,
)
from geo_service.web.choices import Choices
from geo_service.web.filters import Filter
from geo_service.web.languages import neutral_url_for
from geo_service.web.listing import ListPage, radii
from geo_service.web.place_pages import place_page
from geo_service.web.places import GROUP_NAMES
from geo_service.web.queries import (
    check_encoding,
    query_string,
    read_filter,
    read_page,
    read_text,
)
from geo_service.web.search import round_point
from geo_service.web.site import Site, View, the_site
from geo_service.web.sources import source_notes
from geo_service.web.stencils import Stencil
from geo_service.web.tiles import tile_notes
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from flask import Response

    from geo_service.web.search import Located
    from geo_service.web.stencils import Gap, Written

__all__ = ["pages"]

pages = Blueprint("pages", __name__)

PRIVATE_DAY: Final = "private, max-age=86400"
"""For what somebody types: their browser may keep it, no proxy."""


@pages.get("/")
def start() -> Response:
    """Show the places of a choice, as a list and on a map."""
    site = the_site()
    view = site.view()
    asked = _query(view)
    located = view.locate(asked)
    if located.area:
        return _elsewhere(query_string(replace(asked, where="", areas=(located.area,))))
    query, notice = _ask_online(site, view, asked, located)
    if query is not asked:
        return _elsewhere(query_string(query))
    page = read_page(request.args, pages=10**6)

    def make() -> Body:
        listing = ListPage(view, view.select(asked, located), page, asked, located, notice)
        read_page(request.args, pages=listing.pages)
        quality = 3 if asked.personal else 5  # a third of the time, an eighth more bytes
        return Body(_write_start(view, listing), HTML, view.snapshot.revision, quality)

    body = view.kept(asked, ("start", asked, page), make)
    return answer(body, cache=caching(personal=asked.personal))


@pages.get("/vorschlaege")
def suggestions() -> Response:
    """Suggest places whose name begins with what is typed, from the gazetteer alone."""
    check_encoding(request.query_string)
    text = read_text(request.args, "q")
    found = the_site().view().search.suggest(" ".join(text.split()))
    content = json.dumps({"suggestions": found}, ensure_ascii=False, separators=(",", ":"))
    return answer(Body(content.encode(), "application/json", quality=4), cache=PRIVATE_DAY)


@pages.get("/orte/<path:place_id>")
def place(place_id: str) -> Response:
    """Show all we know about one place."""
    return place_page(place_id)


@pages.get("/quellen")
def sources() -> Response:
    """Show where the data come from."""
    view = the_site().view()
    notes = (*source_notes(view.snapshot), *tile_notes(view.today))
    return _page(view, "sources.html", notes=notes)


@pages.get("/daten/orte.geojson")
def places_data() -> Response:
    """Give the places of a choice that have a point, for the map."""
    view = the_site().view()
    query = _query(view)
    return answer(view.map_places(query), cache=caching(personal=query.personal))


@pages.get("/daten/grenzen/<level>.geojson")
def borders_data(level: str) -> Response:
    """Give the borders of a level, for the map."""
    view = the_site().view()
    if level not in get_args(Level):
        text = gettext("Diese Ebene gibt es nicht. Möglich sind: %(levels)s.", levels=_levels())
        raise NotFoundError(text)
    kreis = request.args.get("kreis")
    if kreis is not None and kreis not in view.kreise:
        raise QueryError(gettext("Diesen Kreis kennen wir nicht."))
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
        raise NotFoundError(gettext("Diese Datei gibt es nicht."))
    current = request.args.get("v") == assets.version(name)
    return answer(body, cache=FOREVER if current else PUBLIC)


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
    return read_filter(request.args, areas=view.area_keys, said=view.index.labels)


def _ask_online(site: Site, view: View, asked: Filter, located: Located) -> tuple[Filter, str]:
    """Ask the operator's geocoder for an address; else say that the town was taken."""
    street, spot = located.street, located.spot
    if street is None or spot is None:
        return asked, ""
    town = spot.name
    if site.addresses is None:
        return asked, gettext(
            "Straßen können wir nicht suchen. Wir zeigen Orte rund um die Mitte von %(town)s.",
            town=town,
        )
    address = replace(street.address, city=town)
    find_ags = view.snapshot.territory.index.find
    found = site.addresses.find(address, ags=spot.ags, find_ags=find_ags, today=view.today)
    if isinstance(found, Failed):
        return asked, gettext(
            "Die Straße können wir gerade nicht suchen."
            " Wir zeigen Orte rund um die Mitte von %(town)s.",
            town=town,
        )
    if found is None:
        return asked, gettext(
            "Diese Adresse haben wir nicht gefunden."
            " Wir zeigen Orte rund um die Mitte von %(town)s.",
            town=town,
        )
    return replace(asked, near=round_point(found.lon, found.lat)), ""


def _elsewhere(query: str) -> Response:
    response = redirect(url_for("pages.start") + query, 303)
    response.headers["Cache-Control"] = NOT_KEPT
    return cast("Response", response)


def _levels() -> str:
    return ", ".join(get_args(Level))


def _write_start(view: View, listing: ListPage) -> Written:
    """Return the page: a stencil that many visitors share, and what is of this one in its gaps."""
    choice, active, blocked = listing.query.anywhere, listing.asked.active, listing.located.blocked

    def make() -> Stencil:
        return Stencil.of(partial(_start_with_gaps, view, choice, active, blocked))

    stencil = view.kept(choice, ("start with gaps", choice, active, blocked), make)
    write: Any = current_app.jinja_env.get_template("_found.html").module
    found: dict[str, Any] = {
        "listing": listing,
        "start_url": url_for("pages.start"),
        "total": len(view.places),
    }
    around_cards = Stencil.of(lambda gap: write.found(cards=gap, **found))
    texts = {
        "title": f"{listing.title} – " if listing.title else "",
        "where": listing.asked.where,
        "radius fields": write.fields(listing.radius_fields) if listing.radius_fields else "",
        "place fields": write.fields(listing.place_fields),
        "finer areas": write.area_group(*listing.finer) if choice.areas else "",
        "spot": _write_spot(view, write, **found),
        "found": around_cards.filled(lambda group: listing.cards(cast("int", group), write.card)),
    }
    return stencil.filled(listing.values(texts))


def _write_spot(
    view: View, write: Any, *, listing: ListPage, start_url: str, total: int
) -> str | Written:
    """Return the box about the place, filled as the page is; or what to ask back."""
    choice, box = listing.query.anywhere, listing.box
    if listing.located.blocked:
        return cast("str", write.asked_back(listing, start_url, total))
    if box is None:
        return ""

    def with_gaps(gap: Gap) -> str:
        anywhere, around = query_string(choice), radii(choice, box.radius_km, gap)
        return cast("str", write.spot(box, around, gap, start_url, anywhere, total))

    stencil = view.kept(choice, ("box", choice, box), partial(Stencil.of, with_gaps))
    return stencil.filled(listing.box_values)


def _start_with_gaps(view: View, choice: Filter, active: bool, blocked: bool, gap: Gap) -> str:
    choices = Choices(view, choice, gap)
    parts = view.map_of(
        url_for("pages.places_data") + choices.address,
        neutral_url_for("pages.borders_data", level="LEVEL"),
        neutral_url_for("pages.towns_data"),
    )
    return render_template(
        "start.html",
        choices=choices,
        gap=gap,
        active=active,
        blocked=blocked,
        start_url=url_for("pages.start"),
        embeddable=url_for("pages.start") + query_string(choice),
        groups=GROUP_NAMES,
        map=parts,
        border_note=view.border_note,
    )


def _page(view: View, template: str, **values: object) -> Response:
    text = render_template(template, **values)
    return answer(Body(text.encode(), HTML, view.snapshot.revision, quality=5))
