"""What pages about one place or one area share: their map, and their lists of places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from flask import render_template

from geo_service import maps
from geo_service.web.answers import HTML, Body
from geo_service.web.areas import AreaIndex
from geo_service.web.languages import neutral_url_for
from geo_service.web.listing import ListedPage, entries
from geo_service.web.tiles import tile_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo_service.web.filters import Selection
    from geo_service.web.listing import Entry
    from geo_service.web.places import Place
    from geo_service.web.site import View

__all__ = ["PlaceList", "area_index", "html_body", "list_places", "page_map"]


def html_body(view: View, template: str, **values: object) -> Body:
    """Render a page of the present revision."""
    text = render_template(template, **values)
    return Body(text.encode(), HTML, view.snapshot.revision, quality=5)


def area_index(view: View) -> AreaIndex:
    """Return the areas of the Land."""
    territory = view.snapshot.territory
    make = partial(AreaIndex, territory.municipalities, territory.successors)
    return view.backdrop.get(territory, ("area index",), make)


def page_map(
    view: View,
    places_url: str,
    bounds: tuple[float, float, float, float],
    *,
    outline_url: str = "",
) -> maps.MapParts:
    """Build a map that starts at `bounds` (west, south, east, north; degrees)."""
    territory = view.snapshot.territory
    return maps.build_places_map(
        maps.MapOptions(
            places_url=places_url,
            borders_url=neutral_url_for("pages.borders_data", level="LEVEL"),
            towns_url=neutral_url_for("pages.towns_data"),
            revision=view.snapshot.revision,
            bounds=view.backdrop.get(territory, ("bounds",), lambda: territory.bounds),
            tiles=tile_layer(view.today),
            view=bounds,
            outline_url=outline_url,
        )
    )


@dataclass(frozen=True)
class PlaceList(ListedPage):
    """A page of a list of places, under headings."""

    groups: tuple[tuple[str, list[Entry]], ...]


def list_places(
    view: View, selection: Selection, *, page: int, heading: Callable[[Place], str]
) -> PlaceList:
    """Return a page of `selection`, its places gathered under their headings."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries(view, selection, ListedPage(view, selection, page).numbers):
        groups.setdefault(heading(entry.place), []).append(entry)
    return PlaceList(view, selection, page, tuple(groups.items()))
