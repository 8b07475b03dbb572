"""What the planners' pages answer with: bodies kept once made, and what their maps need."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import render_template

from geo_service import maps
from geo_service.web.answers import HTML, PRIVATE, PUBLIC, Body
from geo_service.web.planning.query import Choice, query_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo_service.schema import Level
    from geo_service.web.site import View

__all__ = ["PRIVATE", "caching", "kept", "packed_borders", "page_body", "page_bounds"]


def caching(choice: Choice) -> str:
    """Return who may keep an answer: nobody but the asker where it is about a scenario."""
    return PUBLIC if choice.kept else PRIVATE


def kept(view: View, key: tuple[object, ...], make: Callable[[], Body]) -> Body:
    """Make a body once per revision and day; that of a scenario each time."""
    if any(isinstance(part, Choice) and not part.kept for part in key):
        return make()
    return view.snapshot.keep_answer(("planning", view.today, *key), make)


def page_body(view: View, template: str, **values: object) -> Body:
    """Return a page of the present revision."""
    text = render_template(template, query=query_string, view=view, **values)
    return Body(text.encode(), HTML, view.snapshot.revision, quality=5)


def packed_borders(view: View, level: Level, kreis: str | None) -> Body:
    """Return the thinned borders of a level, or those in one Kreis, as JSON."""
    territory = view.snapshot.territory

    def make() -> Body:
        thinned = view.backdrop.get(
            territory, ("thinned",), partial(maps.thin_borders, territory.municipalities)
        )
        text = maps.packed_borders(thinned, level=level, kreis_key=kreis, note=view.border_note)
        return Body(text, "application/json")

    return view.backdrop.get(territory, ("packed borders", level, kreis), make)


def page_bounds(view: View) -> tuple[float, float, float, float]:
    """Return west, south, east and north of the Land in degrees (EPSG:4326)."""
    west, south, east, north = view.snapshot.territory.bounds
    return round(west, 3), round(south, 3), round(east, 3), round(north, 3)
