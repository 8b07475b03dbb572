"""The page of one place, and the data of its map."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from flask import Blueprint, request, url_for

from geo_service import maps
from geo_service.errors import NotFoundError
from geo_service.schema import LAND_NAMES
from geo_service.web.answers import Body, answer
from geo_service.web.languages import neutral_url_for
from geo_service.web.place_facts import (
    geo_link,
    json_ld,
    nearest,
    osm_link,
    read_proofs,
    read_week,
    spot_of,
)
from geo_service.web.rendering import area_index, html_body, page_map
from geo_service.web.site import the_site
from geo_service.web.themes import slug_of
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from geo_service.web.areas import Area
    from geo_service.web.place_facts import Near, Proof
    from geo_service.web.places import Place
    from geo_service.web.site import View

__all__ = ["place_page", "place_pages", "public_address"]

place_pages = Blueprint("place_pages", __name__)

NEARBY: Final = 5
_STREETS_DEG: Final = (0.009, 0.006)
_TOWN_DEG: Final = (0.06, 0.04)
"""How much of the earth a map shows around a point: lon, lat each way."""


def place_page(place_id: str) -> Response:
    """Show all we know about one place.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    view = the_site().view()
    place = _known(view, place_id)
    values = {
        "place": place,
        "proof": _proofs(view)[place.id],
        "week": read_week(place.hours, view.today),
        "areas": _areas(view, place),
        "theme_slug": slug_of(place.theme),
        "nearby": _nearby(view, place),
        "geo_link": geo_link(place),
        "osm_link": osm_link(place),
        "data": _data(place),
        "map": _map(view, place),
        "border_note": view.border_note,
    }
    return answer(html_body(view, "place.html", **values))


@place_pages.get("/daten/orte/<path:place_id>")
def place_data(place_id: str) -> Response:
    """Give one place as GeoJSON, for its map."""
    view = the_site().view()
    point = _known(view, place_id).on_map()
    text = maps.places_geojson([point] if point else [], revision=view.snapshot.revision, listed=1)
    return answer(Body(text, "application/geo+json", view.snapshot.revision, quality=4))


def public_address(path: str) -> str:
    """Return `path` with the address under which visitors reach the service."""
    return (the_site().settings.public_url or request.host_url.rstrip("/")) + path


def _known(view: View, place_id: str) -> Place:
    place = view.place(place_id)
    if place is None:
        raise NotFoundError(gettext("Diesen Ort gibt es in unserem Verzeichnis nicht."))
    return place


def _proofs(view: View) -> Mapping[str, Proof]:
    return view.snapshot.derive(("proofs",), partial(read_proofs, view.snapshot.initiatives))


def _areas(view: View, place: Place) -> list[Area]:
    """Return the areas that a place lies in, the smallest first, without the Land."""
    index = area_index(view)
    return [index.areas[key] for key in reversed(index.keys_of(place)[1:])]


def _nearby(view: View, place: Place) -> tuple[Near, ...]:
    spot = spot_of(place)
    if spot is None:
        return ()
    return nearest(view.index, spot, count=NEARBY, rough=place.rough, but=place.id)


def _data(place: Place) -> dict[str, object]:
    url = public_address(neutral_url_for("pages.place", place_id=place.id))
    land = LAND_NAMES.get((place.ags or (place.kreis.key if place.kreis else ""))[:2], "")
    return json_ld(place, url=url, land=land or None)


def _map(view: View, place: Place) -> maps.MapParts | None:
    if place.lon is None or place.lat is None:
        return None
    index = area_index(view)
    key = index.canonical(place.ags) if place.ags else None
    area = index.areas[key] if key else None
    places_url = url_for("place_pages.place_data", place_id=place.id)
    if place.rough and area is not None:
        outline = url_for("area_pages.outline", key=area.key)
        return page_map(view, places_url, area.bounds, outline_url=outline)
    lon, lat = _TOWN_DEG if place.rough else _STREETS_DEG
    around = (place.lon - lon, place.lat - lat, place.lon + lon, place.lat + lat)
    return page_map(view, places_url, around)
