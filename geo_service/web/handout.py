"""The handout for paper: the same choice as the list, as a page to print and as PDF."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, request, url_for

from geo_service import handout as paper
from geo_service.handout import Ground, Handout, HandoutPlace, Outline, Town, Words
from geo_service.web import wording
from geo_service.web.answers import Body, answer, caching
from geo_service.web.choices import chosen_of
from geo_service.web.filters import Filter
from geo_service.web.languages import SOURCE, language
from geo_service.web.listing import ListPage, distance_text
from geo_service.web.place_facts import usual_week
from geo_service.web.place_pages import public_address
from geo_service.web.queries import check_encoding, query_string, read_filter
from geo_service.web.rendering import html_body
from geo_service.web.site import View, the_site
from geo_service.web.sources import source_notes
from geo_service.web.wording import gettext, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Response

    from geo_service.web.places import Place

__all__ = ["handouts"]

handouts = Blueprint("handout", __name__)
handouts.add_app_template_filter(paper.short_address, "short_address")


@handouts.get("/handzettel")
def page() -> Response:
    """Show the handout of a choice, ready to be printed by the browser."""
    view, query = _asked()
    root = public_address(url_for("pages.start"))

    def make() -> Body:
        return _render(view, query, root)

    return _answer(query, view.kept(query, ("handout page", root, query), make))


@handouts.get("/handzettel.pdf")
def pdf() -> Response:
    """Give the handout of a choice as PDF."""
    view, query = _asked()
    root = public_address(url_for("pages.start"))

    def make() -> Body:
        content = paper.render_pdf(_handout(view, query, root))
        return Body(content, "application/pdf", view.snapshot.revision)

    response = _answer(query, view.kept(query, ("handout pdf", root, query), make))
    response.headers["Content-Disposition"] = 'inline; filename="handzettel.pdf"'
    return response


def _asked() -> tuple[View, Filter]:
    view = the_site().view()
    check_encoding(request.query_string)
    said = view.index.labels
    return view, read_filter(request.args, areas=view.area_keys, said=said)


def _answer(query: Filter, body: Body) -> Response:
    return answer(body, cache=caching(personal=query.personal))


def _render(view: View, query: Filter, root: str) -> Body:
    sheet = paper.fit(_handout(view, query, root))
    ground = sheet.ground or Ground()
    return html_body(
        view,
        "handzettel.html",
        sheet=sheet,
        picture=paper.draw_map(sheet.places, ground, sheet.words, here=sheet.here),
        code=paper.draw_qr(sheet.url),
        legend=paper.legend(sheet),
        page_query=query_string(query),
    )


# -------------------------------------------------------------------------- what it says


@dataclass(frozen=True, slots=True)
class _Head:
    title: str
    subtitle: str
    notes: tuple[str, ...]


def _handout(view: View, query: Filter, root: str) -> Handout:
    located = view.locate(query)
    listing = ListPage(view, view.select(query, located), 1, query, located)
    head = _head(view, listing)
    spot = listing.selection.spot
    if spot and not spot.ags and listing.selection.is_nearest:
        spot = None  # far outside: a map that reaches there shows nothing
    return Handout(
        service=the_site().settings.service_name,
        title=head.title,
        subtitle=head.subtitle,
        notes=head.notes,
        language=language().code,
        record_language=SOURCE.code,
        places=tuple(_places(view, listing)),
        words=_words(),
        url=root + query_string(query),
        foot=urlsplit(root).netloc + urlsplit(root).path,
        ground=_ground(view),
        here=(spot.lon, spot.lat) if spot else None,
        sources=tuple(dict.fromkeys(note.note for note in source_notes(view.snapshot))),
    )


def _places(view: View, listing: ListPage) -> Iterator[HandoutPlace]:
    for count, number in enumerate(listing.selection.numbers[: paper.MAX_PLACES], start=1):
        place = view.places[int(number)]
        yield _place(count, place, distance_text(listing.selection, int(number)))


def _place(number: int, place: Place, distance: str | None) -> HandoutPlace:
    at = None if place.lon is None or place.lat is None else (place.lon, place.lat)
    said = place.confirmed or place.dated
    week, remark = usual_week(place.hours)
    return HandoutPlace(
        number=number,
        name=place.name,
        kind=wording.label(place.category),
        where=place.where,
        rough=place.rough,
        point=at,
        hours=place.hours,
        week=week,
        week_remark=remark,
        languages=wording.listed(map(wording.language_name, place.languages)) or None,
        wheelchair=place.wheelchair,
        website=place.website,
        distance=distance,
        stated=gettext("Stand %(date)s", date=said) if said else None,
    )


def _head(view: View, listing: ListPage) -> _Head:
    chosen = [label for facet, _, label in chosen_of(view, listing.query) if facet != "gebiet"]
    if listing.query.times:  # on paper, "today" needs its date
        chosen.append(wording.date(view.today))
    state = wording.date(view.snapshot.changed_at.date())
    notes = [
        wording.listed(chosen),
        gettext("Stand %(date)s", date=state),
        gettext("Bitte fragen Sie vor dem Besuch nach, ob die Angaben noch stimmen."),
    ]
    return _Head(_title(view, listing), _subtitle(listing), tuple(filter(None, notes)))


def _title(view: View, listing: ListPage) -> str:
    spot, areas = listing.selection.spot, listing.query.areas
    if spot and spot.name:
        return gettext("Orte in der Nähe von %(place)s", place=spot.name)
    if spot:
        return gettext("Orte in Ihrer Nähe")
    if areas:
        return gettext("Orte: %(area)s", area=view.area_name(areas[0]))
    return gettext("Orte für Begegnung, Rat und Hilfe")


def _subtitle(listing: ListPage) -> str:
    count, most = listing.found, paper.MAX_PLACES
    selection = listing.selection
    radius = gettext("%(length)s km", length=wording.number(listing.query.radius_km))
    if selection.is_nearest:
        return gettext("Im Umkreis von %(radius)s ist nichts. Am nächsten sind:", radius=radius)
    if count <= most:
        said = ngettext("%(count)s Ort", "%(count)s Orte", count)
    else:
        said = gettext(
            "%(shown)s von %(count)s Orten",
            shown=wording.number(most),
            count=wording.number(count),
        )
    if selection.spot is None:
        return said
    where = gettext("im Umkreis von %(radius)s, die nächsten zuerst", radius=radius)
    return f"{said} {where}"


def _words() -> Words:
    return Words(
        page=gettext("Seite %(page)s von %(pages)s", page="{page}", pages="{pages}"),
        live=gettext("Diese Liste im Internet"),
        map=gettext("Karte mit den Nummern der Orte"),
        empty=gettext("Dazu haben wir nichts gefunden."),
        sources=gettext("Quellen:"),
        hours=gettext("Geöffnet"),
        languages=gettext("Sprachen"),
        rough=gettext("ungefähr"),
        nowhere=gettext("nicht auf der Karte"),
        unprintable=gettext(
            "Kästchen stehen für Buchstaben, die dieser Druck nicht kann."
            " Die Liste im Internet hat sie."
        ),
        exact_mark=gettext("genaue Lage"),
        rough_mark=gettext("ungefähr: Wir kennen nur den Ort, nicht die Straße"),
        here_mark=gettext("Von hier zählt die Entfernung"),
        kilometres=gettext("%(length)s km", length="{n}"),
        metres=gettext("%(length)s m", length="{n}"),
        direction="rtl" if language().direction == "rtl" else "ltr",
        digits=wording.digits("0123456789"),
    )


# ---------------------------------------------------------------------- what the map shows


def _ground(view: View) -> Ground:
    """Return borders and towns for small maps, read once for all."""
    return view.backdrop.get(view.snapshot.territory, ("ground",), partial(_read_ground, view))


def _read_ground(view: View) -> Ground:
    towns = view.snapshot.territory.municipalities.sort_values(
        ["population", "ags"], ascending=[False, True]
    )[["name", "seat_lon", "seat_lat"]]
    return Ground(
        kreise=tuple(_outlines(view.borders("kreis", None).content)),
        municipalities=tuple(_outlines(view.borders("gemeinde", None).content)),
        towns=tuple(
            Town(name, (lon, lat)) for name, lon, lat in towns.itertuples(index=False, name=None)
        ),
    )


def _outlines(geojson: bytes) -> Iterator[Outline]:
    for feature in json.loads(geojson)["features"]:
        shape: dict[str, Any] = feature["geometry"]
        parts = shape["coordinates"]
        for rings in parts if shape["type"] == "MultiPolygon" else [parts]:
            for ring in rings:
                yield Outline.of((lon, lat) for lon, lat in ring)
