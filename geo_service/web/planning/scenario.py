"""What if: the page that compares a scenario with today, and what its map and forms ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from flask import redirect, render_template, request, url_for

from geo_service.coverage import select_places
from geo_service.errors import NotFoundError
from geo_service.map_images import IMAGE_KINDS
from geo_service.names import fold, latin_digits
from geo_service.scenarios import (
    AddedPlace,
    MovedPlace,
    Scenario,
    ScenarioError,
    read_scenario,
    scenario_pairs,
)
from geo_service.web.answers import HTML, Body, answer
from geo_service.web.planning.answers import PRIVATE, caching
from geo_service.web.planning.figures import area_index, figures_of, towns_inside
from geo_service.web.planning.files import answer_picture, file_name
from geo_service.web.planning.pages import asked_choice, choropleth, planning
from geo_service.web.planning.pictures import (
    DifferenceMap,
    difference_picture,
    picture_notes,
    subtitle,
)
from geo_service.web.planning.query import Choice, query_string
from geo_service.web.planning.scenario_difference import ScenarioPage, as_json, difference_json
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.datastructures import MultiDict

    from geo_service.web.places import Place
    from geo_service.web.search import Located
    from geo_service.web.site import View

__all__ = ["planning"]

MAX_PLACES: Final = 5_000
"""More places of today are not drawn; the planner is asked to choose an area."""

MAX_FOUND: Final = 20
_LONGEST: Final = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address of the page asks for: a choice, and what its forms asked besides.

    `moving` is the record for which a new place is wanted, `located` what a typed place
    means where that is not one point, `found` the records that fit the text in `sought`.
    """

    choice: Choice
    acted: bool = False
    moving: Place | None = None
    located: Located | None = None
    sought: str = ""
    found: tuple[Place, ...] = ()
    more: int = 0

    @property
    def remark(self) -> str:
        """Say why a typed place is no point."""
        if self.located is None:
            return ""
        typed = f"„{self.located.text}“"
        if self.located.area:
            return f"{typed} ist ein Gebiet. Nennen Sie eine Gemeinde darin oder einen Ortsteil."
        if self.located.asked:
            return f"{typed} gibt es mehrmals. Welcher Ort ist gemeint?"
        if self.located.options:
            return f"{typed} ist nicht verzeichnet. Ähnlich heißen:"
        return f"{typed} ist nicht verzeichnet. Versuchen Sie es mit Gemeinde oder Postleitzahl."


@planning.get("/szenario")
def scenario() -> Response:
    """Show a scenario beside today."""
    view, asked = _asked()
    if asked.acted and asked.located is None:
        address = url_for("planning.scenario") + query_string(asked.choice)
        return cast("Response", redirect(address, 303))
    page = _page(view, asked.choice)
    drawn = choropleth(
        view, page.figures, values="planning.scenario_values", drill="planning.scenario"
    )
    places = url_for("planning.scenario_places") + query_string(asked.choice.today.measured)
    text = render_template(
        "planung/szenario.html",
        query=query_string,
        view=view,
        page=page,
        asked=asked,
        map=drawn,
        places=places,
    )
    return answer(Body(text.encode(), HTML, view.snapshot.revision, quality=4), cache=PRIVATE)


@planning.get("/szenario.json")
def scenario_values() -> Response:
    """Give what changes on the page with a scenario; a problem in words where it cannot be."""
    try:
        view, asked = _asked()
        page = _page(view, asked.choice)
    except AddressError as error:
        body = Body(as_json({"problem": str(error)}), "application/json")
        return answer(body, cache="no-store", status=400)
    html = render_template(
        "planung/_szenario_teile.html", query=query_string, page=page, asked=asked
    )
    said = asked.remark or page.difference.sentences[0]
    content = as_json(difference_json(page, html, said))
    body = Body(content, "application/json", view.snapshot.revision, quality=3)
    return answer(body, cache=PRIVATE)


@planning.get("/szenario/export.<kind>")
def export_scenario(kind: str) -> Response:
    """Give the map of the differences as a picture."""
    if kind not in IMAGE_KINDS:
        raise NotFoundError(f"Diese Art von Datei gibt es nicht: {', '.join(IMAGE_KINDS)}.")
    view, choice = asked_choice()
    choice = choice.measured
    page = _page(view, choice)
    return answer_picture(
        view,
        kind,
        lambda: difference_picture(view, _drawn(page)),
        key=("scenario picture", choice),
        name=file_name(page.figures, kind, "unterschied"),
        cache=caching(choice),
    )


@planning.get("/szenario/orte.json")
def scenario_places() -> Response:
    """Give the places of today that count in a choice: id, name, lon, lat (EPSG:4326)."""
    view, choice = asked_choice()
    choice = replace(choice.today.measured, level=Choice().level)

    def make() -> Body:
        return Body(as_json(_places(view, choice)), "application/json", view.snapshot.revision, 5)

    key = ("planning places", view.today, choice.parameters, choice.area)
    return answer(view.snapshot.keep_answer(key, make))


def _page(view: View, choice: Choice) -> ScenarioPage:
    planned = figures_of(view.snapshot, choice, view.today)
    return ScenarioPage(figures_of(view.snapshot, choice.today, view.today), planned)


def _drawn(page: ScenarioPage) -> DifferenceMap:
    """Return what the picture of the map shows."""
    figures = page.figures
    keys = figures.coverage["key"].tolist()
    return DifferenceMap(
        title=figures.title,
        subtitle=subtitle(figures),
        choice=figures.choice,
        keys=keys,
        names=[figures.name(key) for key in keys],
        differences=page.difference.classes,
        dotted=np.zeros(len(keys), dtype=bool),
        dotted_label="",
        notes=picture_notes(figures),
    )


def _places(view: View, choice: Choice) -> dict[str, object]:
    table = view.snapshot.initiatives
    chosen = select_places(table, choice.parameters, today=view.today)
    chosen &= table.geometry.notna().to_numpy()
    if choice.area:
        inside = towns_inside(view.snapshot.territory, choice.area)["ags"]
        chosen &= table["ags"].isin(inside).to_numpy(dtype=bool)
    count = int(chosen.sum())
    if count > MAX_PLACES:
        return {"count": count, "places": []}
    rows = table[chosen]
    points = zip(rows["id"], rows["name"], rows.geometry.x, rows.geometry.y, strict=True)
    places = [[key, name, round(lon, 5), round(lat, 5)] for key, name, lon, lat in points]
    return {"count": count, "places": places}


# --------------------------------------------------------------------- what forms ask


def _asked() -> tuple[View, Asked]:
    """Read the address: the choice, changed by what a form of the page asks.

    Raises
    ------
    AddressError
        If a parameter cannot be meant.
    """
    view, choice = asked_choice()
    args = request.args
    try:
        return view, _changed(view, choice, args)
    except ScenarioError as error:
        raise AddressError(error.parameter, str(error)) from error


def _changed(view: View, choice: Choice, args: MultiDict[str, str]) -> Asked:
    if args.get("zuruecknehmen"):
        return _with(choice, _without(choice.scenario, args["zuruecknehmen"]))
    if args.get("hier"):
        return _with(choice, _at_seat(view, choice.scenario, args["hier"]))
    moving = _record(view, args.get("bewegt", ""))
    if args.get("breite") or args.get("laenge"):
        lon, lat = (_degrees(args, name) for name in ("laenge", "breite"))
        return _with(choice, _put(choice.scenario, lon, lat, _text(args, "name"), moving))
    if _text(args, "ort"):
        return _located(view, choice, args, moving)
    sought = _text(args, "finden")
    found = _find(view, choice.scenario, sought)
    return Asked(
        choice,
        moving=moving,
        sought=sought,
        found=found[:MAX_FOUND],
        more=max(0, len(found) - MAX_FOUND),
    )


def _with(choice: Choice, scenario: Scenario) -> Asked:
    return Asked(replace(choice, scenario=scenario), acted=True)


def _located(view: View, choice: Choice, args: MultiDict[str, str], moving: Place | None) -> Asked:
    located = view.search.locate(_text(args, "ort"))
    if located.spot is None:
        return Asked(choice, acted=True, moving=moving, located=located)
    spot = located.spot
    return _with(choice, _put(choice.scenario, spot.lon, spot.lat, _text(args, "name"), moving))


def _put(scenario: Scenario, lon: float, lat: float, name: str, moving: Place | None) -> Scenario:
    """Add a place, or move one of today."""
    if moving is None:
        return replace(scenario, added=(*scenario.added, AddedPlace(lon, lat, name)))
    others = tuple(one for one in scenario.moved if one.id != moving.id)
    return replace(scenario, moved=(*others, MovedPlace(moving.id, lon, lat)))


def _at_seat(view: View, scenario: Scenario, key: str) -> Scenario:
    """Add a place where most people of an area live."""
    index = area_index(view.snapshot.territory)
    found = index.get(index.canonical(key) or "")
    if found is None:
        raise AddressError("hier", "Angabe „hier“: Erwartet wird der Schlüssel eines Gebiets.")
    _, lon, lat = found.seat
    return _put(scenario, lon, lat, "", None)


def _without(scenario: Scenario, number: str) -> Scenario:
    """Take back a change by its place in the address."""
    pairs = [pair for pair in scenario_pairs(scenario) if pair[0] != "titel"]
    if not (number.isascii() and number.isdecimal() and int(number[:4]) < len(pairs)):
        text = "Angabe „zuruecknehmen“: Erwartet wird die Nummer einer Änderung."
        raise AddressError("zuruecknehmen", text)
    del pairs[int(number[:4])]
    return read_scenario(
        added=[text for name, text in pairs if name == "neu"],
        moved=[text for name, text in pairs if name == "verlegt"],
        removed=[text for name, text in pairs if name == "ohne"],
        title=scenario.title,
    )


def _record(view: View, place_id: str) -> Place | None:
    if not place_id:
        return None
    found = view.place(place_id)
    if found is None:
        text = "Angabe „bewegt“: Erwartet wird die Kennung eines Ortes im Verzeichnis."
        raise AddressError("bewegt", text)
    return found


def _find(view: View, scenario: Scenario, text: str) -> tuple[Place, ...]:
    """Return the records whose name or place has every word of a text."""
    words = fold(text).split()
    if not words:
        return ()
    changed = {*scenario.removed, *(one.id for one in scenario.moved)}
    return tuple(
        place
        for place in view.places
        if place.id not in changed and all(word in place.haystack for word in words)
    )


def _text(args: MultiDict[str, str], name: str) -> str:
    return " ".join(args.get(name, "").split())[:_LONGEST]


def _degrees(args: MultiDict[str, str], name: str) -> float:
    """Read degrees as people type them: a decimal comma or point."""
    text = latin_digits(_text(args, name)).replace(",", ".").removesuffix("°").strip()
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not -180 <= number <= 180:
        label = {"breite": "Breite", "laenge": "Länge"}[name]
        raise AddressError(name, f"Angabe „{label}“: Erwartet werden Grad wie 50,3569.")
    return number
