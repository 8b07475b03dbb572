"""The planners' pages: gaps as map and table, two areas side by side, and the method."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast, get_args
from urllib.parse import urlencode

from flask import Blueprint, redirect, request, url_for
from markupsafe import escape

from geo_service import maps
from geo_service.coverage import FEW_PEOPLE, FEW_PLACES, CoverageParameters
from geo_service.errors import NotFoundError
from geo_service.schema import Level
from geo_service.web.answers import FOREVER, ONE_DAY, Body, answer
from geo_service.web.languages import neutral_url_for, page_variant
from geo_service.web.planning.answers import caching, kept, packed_borders, page_body, page_bounds
from geo_service.web.planning.figures import area_index, figures_of, territory_key
from geo_service.web.planning.method import CONTENTS, INDICATOR_TEXTS
from geo_service.web.planning.query import Choice, query_string, read_choice, read_pair
from geo_service.web.planning.state_choice import describe_loss, state_label
from geo_service.web.planning.summary import describe_choice, describe_scenario
from geo_service.web.planning.tables import (
    Comparison,
    FiguresPage,
    compare_pairs,
    drill_query,
    values_json,
)
from geo_service.web.queries import AddressError, check_encoding
from geo_service.web.site import View, the_site

if TYPE_CHECKING:
    from flask import Response

    from geo_service.store import StateSummary
    from geo_service.web.planning.figures import Figures

__all__ = ["as_it_was", "asked_choice", "asked_state", "choropleth", "planning"]

planning = Blueprint("planning", __name__, url_prefix="/planung")

_VALUES: Final = "values-of-this-page"
_DRILL: Final = "areas-below-these"


@planning.before_request
def _german_alone() -> Response | None:
    """Lead from an address with a language in front to the one there is."""
    if not page_variant():
        return None
    address = neutral_url_for(str(request.endpoint), **(request.view_args or {}))
    query = request.query_string.decode("latin-1")
    return cast("Response", redirect(f"{address}?{query}" if query else address, 308))


@planning.get("")
def overview() -> Response:
    """Show where the gaps are: summary, map and table of one choice."""
    view, choice = asked_choice(dated=True)

    def make() -> Body:
        figures = figures_of(view.snapshot, choice, view.today)
        drawn = choropleth(view, figures)
        return page_body(
            view,
            "planung/start.html",
            page=FiguresPage(figures),
            map=drawn,
            **_dated(choice),
        )

    return answer(kept(view, ("page", choice), make), cache=caching(choice))


@planning.get("/werte.json")
def values() -> Response:
    """Give the figures of a choice, for the map."""
    view, choice = asked_choice(dated=True)
    choice = choice.measured

    def make() -> Body:
        figures = figures_of(view.snapshot, choice, view.today)
        return Body(values_json(figures), "application/json", view.snapshot.revision, quality=5)

    return answer(kept(view, ("values", choice), make), cache=caching(choice))


@planning.get("/grenzen/<level>.json")
def borders(level: str) -> Response:
    """Give the borders of a level, or those in one Kreis; kept for good under their version."""
    view = the_site().view()
    if level not in get_args(Level):
        raise NotFoundError(f"Die Ebene gibt es nicht. Möglich sind: {', '.join(get_args(Level))}.")
    kreis = request.args.get("kreis")
    if kreis is not None and kreis not in view.kreise:
        raise AddressError("kreis", "Angabe „kreis“: Erwartet wird der Schlüssel eines Kreises.")
    body = packed_borders(view, cast("Level", level), kreis)
    current = request.args.get("v") == body.tag[:10]
    return answer(body, cache=FOREVER if current else ONE_DAY)


@planning.get("/karte.js")
def map_script() -> Response:
    """Give the script of the map."""
    view = the_site().view()

    def make() -> Body:
        options = maps.ChoroplethOptions("", "", "", "", view.snapshot.revision, page_bounds(view))
        script = maps.build_choropleth_map(options).script.encode()
        return Body(script, "text/javascript; charset=utf-8")

    return answer(kept(view, ("script",), make))


@planning.get("/gebiete")
def compare() -> Response:
    """Show two areas side by side."""
    view, choice = asked_choice(without=("gebiet",), dated=True)
    index = area_index(view.snapshot.territory)
    keys = {key for key in request.args.getlist("gebiet") if key}
    pair = read_pair(request.args, areas=_all_keys(view)) if keys else None

    def make() -> Body:
        comparison = Comparison.of(view.snapshot, choice, pair, view.today) if pair else None
        return page_body(
            view,
            "planung/gebiete.html",
            comparison=comparison,
            pairs=compare_pairs(choice),
            address=_pair_query(choice, pair),
            back=query_string(choice),
            counted=[
                *filter(None, [describe_scenario(choice)]),
                *describe_choice(choice, {one.slug: one.name for one in view.snapshot.demands}),
            ],
            offered=[one for one in index.areas.values() if one.level != "gemeinde"],
            **_dated(choice),
        )

    return answer(kept(view, ("compare", choice, pair), make), cache=caching(choice))


@planning.get("/methode")
def method() -> Response:
    """Say how every figure is made, and what it does not say."""
    view = the_site().view()
    make = partial(
        page_body,
        view,
        "planung/methode.html",
        parameters=CoverageParameters(),
        indicators=INDICATOR_TEXTS,
        contents=CONTENTS,
        few_places=FEW_PLACES,
        few_people=FEW_PEOPLE,
    )
    return answer(kept(view, ("method",), make))


def asked_choice(*, without: tuple[str, ...] = (), dated: bool = False) -> tuple[View, Choice]:
    """Return the revision and the choice that the address asks for.

    Where `dated`, ``stand`` may ask for a dated state instead of the present.
    """
    view = the_site().view()
    check_encoding(request.query_string)
    args = request.args.copy()
    for name in (*without, *(() if dated else ("stand",))):
        args.poplist(name)
    demands = [demand.slug for demand in view.snapshot.demands]
    states = [state.slug for state in view.snapshot.states]
    choice = read_choice(args, areas=view.area_keys, demands=demands, states=states)
    return (as_it_was(view, choice.state) if choice.state else view), choice


def asked_state(choice: Choice) -> StateSummary | None:
    """Return the dated state whose figures a choice asks for; None for the present."""
    states = the_site().view().snapshot.states if choice.state else ()
    return next((one for one in states if one.slug == choice.state), None)


def _dated(choice: Choice) -> dict[str, str]:
    """Return what pages say of a dated state: which it is, and what it has lost."""
    state = asked_state(choice)
    return {
        "state": state_label(state) if state else "",
        "loss": describe_loss(state) if state else "",
    }


def as_it_was(view: View, slug: str) -> View:
    """Return a dated state in the place of the present: its records, its people, its day."""
    territory = view.snapshot.territory
    try:
        state = the_site().holder.read_state(view.snapshot, slug)
    except NotFoundError:
        raise AddressError("stand", "Diesen Stand gibt es nicht mehr.") from None
    if state.boundaries != territory.boundaries:
        text = f"„{state.name}“ ist in anderen Grenzen gemessen und lässt sich nicht mehr zeigen."
        raise AddressError("stand", text)
    snapshot = the_site().holder.snapshot_of(view.snapshot, state)
    return replace(view, snapshot=snapshot, now=dt.datetime.combine(state.today, view.now.timetz()))


def _pair_query(choice: Choice, pair: tuple[str, str] | None) -> str:
    pairs = [*compare_pairs(choice), *(("gebiet", key) for key in pair or ())]
    return f"?{urlencode(pairs)}" if pairs else ""


def _all_keys(view: View) -> frozenset[str]:
    return view.area_keys | {territory_key(view.snapshot.territory)}


def choropleth(
    view: View,
    figures: Figures,
    *,
    values: str = "planning.values",
    drill: str = "planning.overview",
) -> maps.MapParts:
    """Return the map of a choice; built once per level and area, because the rest is addresses.

    Within an area it loads the borders of its Kreis alone. `values` and `drill` are the
    endpoints that give its figures and show the areas in an area.
    """
    choice = figures.choice
    kreis = choice.area[:5] or None

    def make() -> maps.MapParts:
        version = packed_borders(view, choice.level, kreis).tag[:10]
        options = maps.ChoroplethOptions(
            borders_url=url_for("planning.borders", level=choice.level, kreis=kreis, v=version),
            values_url=_VALUES,
            drill_url=_DRILL,
            area_url=url_for("area_pages.area", key="KEY"),
            revision=figures.revision,
            bounds=page_bounds(view),
            view=figures.region.bounds if choice.area else None,
        )
        return maps.build_choropleth_map(options)

    built = view.snapshot.keep_answer(("planning map", choice.level, choice.area), make)
    asked = url_for(values) + query_string(choice.measured)
    deeper = url_for(drill) + drill_query(choice, "KEY")
    html = built.html.replace(_VALUES, str(escape(asked))).replace(_DRILL, str(escape(deeper)))
    return replace(built, html=html)
