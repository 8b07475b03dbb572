"""The pages of the Land's areas and of the Leitthemen, and the data of their maps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, cast

from flask import Blueprint, redirect, request, url_for

from geo_service import maps
from geo_service.errors import NotFoundError
from geo_service.web.answers import ONE_DAY, Body, answer
from geo_service.web.filters import Filter
from geo_service.web.place_facts import nearest
from geo_service.web.places import GROUP_NAMES, NO_KREIS
from geo_service.web.queries import check_encoding, query_string, read_page
from geo_service.web.rendering import area_index, html_body, list_places, page_map
from geo_service.web.search import Spot
from geo_service.web.site import the_site
from geo_service.web.themes import PAGES
from geo_service.web.wording import gettext, label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from geo_service.web.areas import Area
    from geo_service.web.place_facts import Near
    from geo_service.web.places import Place
    from geo_service.web.rendering import PlaceList
    from geo_service.web.site import View
    from geo_service.web.themes import Theme

__all__ = ["area_counts", "area_pages"]

area_pages = Blueprint("area_pages", __name__)

_NEARBY: Final = 3


@area_pages.get("/gebiete")
def overview() -> Response:
    """Show the Land and its Kreise."""
    view = the_site().view()
    index = area_index(view)
    land = next(iter(index.areas.values()))
    children = index.children(land)
    values = {
        "land": land,
        "rural": [area for area in children if area.kind == "Landkreis"],
        "towns": [area for area in children if area.kind != "Landkreis"],
        "counts": area_counts(view),
        "total": len(view.places),
    }
    return answer(html_body(view, "areas.html", **values))


@area_pages.get("/gebiete/<key>")
def area(key: str) -> Response:
    """Show one area: its places, what lies in it and beside it."""
    view = the_site().view()
    own = area_index(view).canonical(key)
    if own is None:
        raise NotFoundError(gettext("Dieses Gebiet kennen wir nicht."))
    if own != key:
        return cast("Response", redirect(url_for("area_pages.area", key=own), 301))
    found = area_index(view).areas[key]
    page = _read_page()
    make = partial(_area_body, view, found, page)
    return answer(view.kept(Filter(), ("area page", key, page), make))


@area_pages.get("/daten/gebiete/<key>.geojson")
def area_data(key: str) -> Response:
    """Give the places of an area that have a point, as GeoJSON, for its map."""
    view = the_site().view()
    return answer(view.map_places(_filter_of(_known(view, key))))


@area_pages.get("/daten/umrisse/<key>.geojson")
def outline(key: str) -> Response:
    """Give the border of an area as GeoJSON, for its map."""
    view = the_site().view()
    known = _known(view, key)
    territory = view.snapshot.territory

    def make() -> Body:
        thin = partial(maps.thin_borders, territory.municipalities)
        thinned = view.backdrop.get(territory, ("thinned",), thin)
        note = view.border_note
        text = maps.outline_geojson(thinned, level=known.level, key=known.key, note=note)
        return Body(text, "application/geo+json")

    return answer(view.backdrop.get(territory, ("outline", key), make), cache=ONE_DAY)


@area_pages.get("/themen")
def themes() -> Response:
    """Show the four Leitthemen."""
    view = the_site().view()
    counts = {theme.slug: len(view.select(_about(theme)).numbers) for theme in PAGES}
    return answer(html_body(view, "themes.html", themes=PAGES, counts=counts))


@area_pages.get("/themen/<slug>")
def theme(slug: str) -> Response:
    """Show the places of one Leitthema, by Kreis."""
    view = the_site().view()
    found = next((one for one in PAGES if one.slug == slug), None)
    if found is None:
        raise NotFoundError(gettext("Dieses Thema kennen wir nicht."))
    page = _read_page()
    make = partial(_theme_body, view, found, page)
    return answer(view.kept(Filter(), ("theme page", slug, page), make))


def area_counts(view: View) -> Mapping[str, int]:
    """Return how many places lie in each area; areas without one are left out."""

    def count() -> dict[str, int]:
        index = area_index(view)
        counts: dict[str, int] = {}
        for place in view.places:
            for key in index.keys_of(place):
                counts[key] = counts.get(key, 0) + 1
        return counts

    return view.snapshot.derive(("area counts", view.today), count)


# ---------------------------------------------------------------------------- one area


def _area_body(view: View, area: Area, page: int) -> Body:
    index = area_index(view)
    listing = None
    if area.level != "land":
        by_kind = not index.children(area)
        heading = _kind_heading if by_kind else _town_heading
        selection = view.select(_filter_of(area))
        listing = list_places(view, selection, page=page, heading=heading)
    _check_page(page, listing)
    outline_url = url_for("area_pages.outline", key=area.key)
    places_url = url_for("area_pages.area_data", key=area.key)
    values = {
        "area": area,
        "parents": index.parents(area),
        "children": index.children(area),
        "neighbours": view.backdrop.get(
            view.snapshot.territory, ("neighbours", area.key), partial(index.neighbours, area)
        ),
        "counts": area_counts(view),
        "listing": listing,
        "page_query": _page_query(page),
        "people_per_place": _rounded(area.population, listing.found if listing else 0),
        "population_date": _population_date(view),
        "search": query_string(_filter_of(area)),
        "nearby": () if listing is None or listing.found else _nearby(view, area),
        "map": page_map(view, places_url, area.bounds, outline_url=outline_url),
        "groups": GROUP_NAMES,
        "border_note": view.border_note,
    }
    return html_body(view, "area.html", **values)


def _filter_of(area: Area) -> Filter:
    return Filter() if area.level == "land" else Filter(areas=(area.key,))


def _known(view: View, key: str) -> Area:
    found = area_index(view).get(key)
    if found is None:
        raise NotFoundError(gettext("Dieses Gebiet kennen wir nicht."))
    return found


def _nearby(view: View, area: Area) -> tuple[Near, ...]:
    """Return the places nearest to where most people of an area without one live."""
    name, lon, lat = area.seat
    spot = Spot(lon, lat, "town", name, ags=None)
    return nearest(view.index, spot, count=_NEARBY, rough=True)


def _rounded(people: int, places: int) -> int | None:
    """Return people per place with two digits that count; None without a place."""
    if not places:
        return None
    each = people / places
    digits = len(str(int(each)))
    return int(round(each, min(0, 2 - digits)))


def _population_date(view: View) -> str | None:
    figures = view.snapshot.territory.about.get("figures") or {}
    date = figures.get("population_date")
    return str(date) if date else None


def _town_heading(place: Place) -> str:
    return place.municipality or place.locality or gettext("Ort nicht bekannt")


def _kind_heading(place: Place) -> str:
    return label(place.group_name)


# --------------------------------------------------------------------------- one theme


def _about(theme: Theme) -> Filter:
    return Filter(themes=(theme.value,))


def _theme_body(view: View, theme: Theme, page: int) -> Body:
    selection = view.select(_about(theme))
    listing = list_places(view, selection, page=page, heading=_kreis_heading)
    _check_page(page, listing)
    values = {
        "theme": theme,
        "others": [one for one in PAGES if one is not theme],
        "listing": listing,
        "page_query": _page_query(page),
        "search": query_string(_about(theme)),
    }
    return html_body(view, "theme.html", **values)


def _kreis_heading(place: Place) -> str:
    return place.kreis.name if place.kreis else gettext(NO_KREIS)


# ------------------------------------------------------------------------------- pages


def _read_page() -> int:
    check_encoding(request.query_string)
    return read_page(request.args, pages=10**6)


def _check_page(page: int, listing: PlaceList | None) -> None:
    """Refuse a page that the list does not have."""
    read_page(request.args, pages=listing.pages if listing else 1)


def _page_query(page: int) -> str:
    return query_string(Filter(), page=page)
