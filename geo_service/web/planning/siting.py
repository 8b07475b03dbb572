"""Where the next places could be: the page, its data and its files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from flask import Response, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge

from geo_service import maps
from geo_service.errors import NotFoundError
from geo_service.exports import MEDIA_TYPES, ExportKind, render_table
from geo_service.formats import german_distance, number_text, percent_text
from geo_service.names import slug
from geo_service.scenarios import MAX_CHANGES, MAX_NAME, scenario_pairs
from geo_service.schema import CATEGORY_GROUPS, THEMES
from geo_service.siting import MAX_SITES
from geo_service.web.answers import Body, answer
from geo_service.web.limits import charge
from geo_service.web.place_pages import public_address
from geo_service.web.places import GROUP_NAMES
from geo_service.web.planning.answers import caching, kept, packed_borders, page_body, page_bounds
from geo_service.web.planning.figures import area_index, towns_inside
from geo_service.web.planning.halls import MAX_BYTES, MAX_ROWS, Halls, read_halls
from geo_service.web.planning.pages import planning
from geo_service.web.planning.query import (
    PRECISION_NAMES,
    plain_number,
    query_pairs,
    query_string,
    read_choice,
    refuse,
)
from geo_service.web.planning.sites import (
    TIME_LIMIT_S,
    BusyError,
    SiteFigures,
    SlowError,
    place_points,
    places_json,
    solve_sites,
)
from geo_service.web.planning.siting_choice import (
    OBJECTIVES,
    SitingChoice,
    read_siting,
    siting_pairs,
    siting_query,
)
from geo_service.web.planning.siting_picture import draw_sites
from geo_service.web.planning.siting_words import (
    describe_proof,
    describe_question,
    describe_reliability,
    file_columns,
    file_table,
    metres_text,
    origin_text,
    sites_json,
    summarise_sites,
    tie_text,
)
from geo_service.web.planning.summary import describe_choice, region_phrase
from geo_service.web.queries import check_encoding
from geo_service.web.site import View, the_site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import MultiDict

    from geo_service.web.planning.sites import SiteRow, Step, Tie

__all__ = ["RETRY_AFTER_S", "planning", "site_file"]

_KINDS: Final[tuple[ExportKind, ...]] = ("csv", "xlsx", "geojson")
_SHOWN: Final = 100
_SHOWN_ORIGINS: Final = 4
RETRY_AFTER_S: Final = 6
_MAX_UPLOAD: Final = 2 * MAX_BYTES
_NO_STORE: Final = "no-store"
_TITLE: Final = "Vorgeschlagene Standorte"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart, in its units."""

    x: float
    y: float
    width: float
    height: float
    label: str
    asked: bool
    tick: bool
    sites: int


@dataclass(frozen=True)
class SitingPage:
    """What the page of a question is made of; without `figures` there is no quick answer.

    `busy`: it is not exact as asked, or is not there, because another question is being answered.
    """

    view: View
    choice: SitingChoice
    figures: SiteFigures | None
    halls: Halls | None = None
    busy: bool = False

    objectives = OBJECTIVES
    precisions = PRECISION_NAMES
    groups = GROUP_NAMES
    categories = CATEGORY_GROUPS
    themes = THEMES
    max_sites = MAX_SITES
    max_rows = MAX_ROWS
    shown = _SHOWN
    time_limit_s = int(TIME_LIMIT_S)

    @property
    def query(self) -> str:
        """Return the query string of this very answer."""
        return siting_query(self.choice, exact=self.choice.exact and not self.busy)

    @property
    def exact_query(self) -> str:
        """Return the query string of the exact answer."""
        return siting_query(self.choice, exact=True)

    @property
    def back(self) -> str:
        """Return the query string of the places that are there, and of their figures."""
        return query_string(self.choice.base)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return all parameters, for a form that sends a list along."""
        return siting_pairs(self.choice)

    @property
    def scenario_pairs(self) -> list[tuple[str, str]]:
        """Return the parameters of the scenario that the places are of, if there is one."""
        return scenario_pairs(self.choice.base.scenario)

    @property
    def radius(self) -> str:
        """Return the radius as the form has it."""
        return plain_number(self.choice.base.radius_km)

    @property
    def share(self) -> str:
        """Return the share as the form has it."""
        return plain_number(self.choice.share)

    @property
    def precision(self) -> str:
        """Return the least precision as the form has it."""
        return self.choice.base.precision_name

    @property
    def single_kinds(self) -> bool:
        """Whether a single category is chosen, not only whole groups."""
        return not set(self.choice.base.kinds) <= set(GROUP_NAMES)

    @property
    def counted(self) -> tuple[str, ...]:
        """Say which places count, where not all do."""
        return describe_choice(self.choice.base)

    @property
    def demands(self) -> Mapping[str, str]:
        """Return the loaded demands."""
        return {one.slug: one.name for one in self.view.snapshot.demands}

    @cached_property
    def areas(self) -> Any:
        """Return the names of areas."""
        return area_index(self.view.snapshot.territory)

    @property
    def land(self) -> str:
        """Return the name of the Land."""
        return str(next(iter(self.areas.areas.values())).name)

    @property
    def where(self) -> str:
        """Say where, as a part of a heading; empty for the Land."""
        key = self.choice.base.area
        return region_phrase(self.areas.areas[self.areas.canonical(key)]) if key else ""

    @cached_property
    def regions(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return what the form offers to look into, by kind: key and name."""
        found = self.areas.areas.values()
        kreise = [(one.key, one.name) for one in found if one.level == "kreis"]
        joint = [
            (one.key, one.short_name)
            for one in found
            if one.level == "verbandsgemeinde" and len(one.key) == 9
        ]
        return [("Landkreise und kreisfreie Städte", kreise), ("Verbandsgemeinden", joint)]

    def town(self, ags: str) -> str:
        """Return the name of a municipality."""
        return str(self.areas.areas[self.areas.canonical(ags)].name)

    # ------------------------------------------------------------------------- the answer

    @property
    def answered(self) -> SiteFigures:
        """Return the answer; to be asked only where there is one."""
        if self.figures is None:
            raise SlowError("sites: expected an answer, got none")
        return self.figures

    @cached_property
    def summary(self) -> tuple[str, ...]:
        """Return the answer in sentences."""
        return tuple(filter(None, summarise_sites(self.answered)))

    @property
    def proof(self) -> str:
        """Say how good the answer is."""
        return describe_proof(self.answered)

    @property
    def reliability(self) -> tuple[str, ...]:
        """Say how sure it is who is reached today."""
        return describe_reliability(self.answered)

    @property
    def question(self) -> Mapping[str, str]:
        """Return all that the answer depends on."""
        return describe_question(self.answered)

    @property
    def rows(self) -> tuple[SiteRow, ...]:
        """Return the places that the page lists."""
        return self.answered.rows[:_SHOWN]

    @property
    def order(self) -> str:
        """Say in which order the places stand, to go on after their number."""
        if len(self.answered.rows) < 2:
            return ""
        forced = {row.forced for row in self.answered.rows}
        order = "in der Reihenfolge ihres Gewinns"
        return f", gesetzte zuerst, jeweils {order}" if len(forced) > 1 else f" {order}"

    @property
    def gain_head(self) -> str:
        """Return the heading of what a place brings."""
        return "Weg kürzer um" if self.answered.is_distance else "Menschen neu erreicht"

    @property
    def after_head(self) -> str:
        """Return the heading of what holds afterwards."""
        return "Mittlere Entfernung danach" if self.answered.is_distance else "Erreicht danach"

    def gain(self, value: float) -> str:
        """Write what a place brings."""
        if value != value:
            return "–"
        return metres_text(value) if self.answered.is_distance else number_text(value, 0)

    def after(self, value: float) -> str:
        """Write what holds afterwards."""
        if self.answered.is_distance:
            return german_distance(value, missing="–")
        return percent_text(value)

    def origins(self, row: SiteRow) -> tuple[str, int]:
        """Name where a place's people live, and say how many more municipalities there are."""
        told = list(map(origin_text, row.origins))
        return ", ".join(told[:_SHOWN_ORIGINS]), max(0, len(told) - _SHOWN_ORIGINS)

    def all_origins(self, row: SiteRow) -> str:
        """Name all municipalities of a place's people beyond the first."""
        return ", ".join(map(origin_text, row.origins[_SHOWN_ORIGINS:]))

    def tie(self, tie: Tie) -> str:
        """Say what standing in for a place costs."""
        return tie_text(tie, is_distance=self.answered.is_distance)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Return what one more place brings, as far as the page shows it."""
        return self.answered.steps[:_SHOWN]

    @cached_property
    def bars(self) -> list[Bar]:
        """Return the chart's bars in a box of 640 x 200."""
        gains = [0.0 if step.gain != step.gain else step.gain for step in self.steps]
        most = max(gains, default=0.0) or 1.0
        width = 640 / max(1, len(gains))
        every = 1 if len(gains) <= 20 else 5 if len(gains) <= 60 else 10
        return [
            Bar(
                x=round(number * width + width * 0.1, 2),
                y=round(180 - 160 * max(0.0, gain) / most, 2),
                width=round(width * 0.8, 2),
                height=round(160 * max(0.0, gain) / most, 2),
                label=self.gain(step.gain),
                asked=step.asked,
                tick=step.sites % every == 0 or step.sites == 1,
                sites=step.sites,
            )
            for number, (gain, step) in enumerate(zip(gains, self.steps, strict=True))
        ]

    @property
    def planned(self) -> int:
        """Return how many of the places a scenario has room for."""
        room = MAX_CHANGES - len(self.choice.base.scenario)
        return min(len(self.answered.rows), room)

    @property
    def scenario(self) -> str:
        """Return the query string of the scenario in which these places are there."""
        sites = [
            ("neu", f"{row.lon:.5f},{row.lat:.5f},{row.name[:MAX_NAME]}")
            for row in self.answered.rows[: self.planned]
        ]
        return "?" + urlencode([*query_pairs(self.choice.base), *sites], quote_via=quote)

    @cached_property
    def map(self) -> maps.MapParts:
        """Return the map."""
        view, area = self.view, self.choice.base.area
        kreis = area[:5] or None
        borders = packed_borders(view, "gemeinde", kreis if not self.choice.everyone else None)
        outline = packed_borders(view, "kreis", None)
        options = maps.SitesMapOptions(
            borders_url=url_for(
                "planning.borders",
                level="gemeinde",
                kreis=kreis if not self.choice.everyone else None,
                v=borders.tag[:10],
            ),
            outline_url=url_for("planning.borders", level="kreis", v=outline.tag[:10]),
            places_url=url_for("planning.siting_places") + self.back,
            revision=view.snapshot.revision,
            bounds=page_bounds(view),
            view=self.areas.areas[self.areas.canonical(area)].bounds if area else None,
        )
        return maps.build_sites_map(options)


@planning.route("/standorte", methods=["GET", "POST"])
def siting() -> Response:
    """Say where the next places could be."""
    view, choice, halls = _asked()
    page = _page_of(view, choice, halls)
    if page.busy:
        return _refusal(_body(page), busy=True)
    if halls is not None:
        return answer(_body(page), cache=_NO_STORE)
    body = kept(view, ("sites page", choice, choice.base), partial(_body, page))
    return answer(body, cache=caching(choice.base))


@planning.get("/standorte.json")
def siting_values() -> Response:
    """Give an answer for programs, and for the page's script."""
    view, choice, halls = _asked()
    try:
        figures = _solve(view, choice, halls)
    except (BusyError, SlowError) as error:
        return _json_refusal(error)
    address = public_address(url_for("planning.siting")) + siting_query(choice)
    content = json.dumps(sites_json(figures, address), ensure_ascii=False).encode()
    body = Body(content, "application/json", view.snapshot.revision, quality=4)
    return answer(body, cache=caching(choice.base))


@planning.route("/standorte.<kind>", methods=["GET", "POST"])
def siting_file(kind: str) -> Response:
    """Give the proposed places as a file."""
    if kind not in _KINDS:
        raise NotFoundError(f"Diese Art von Datei gibt es nicht: {', '.join(_KINDS)}.")
    view, choice, halls = _asked()
    page = _page_of(view, choice, halls)
    if page.busy or page.figures is None:
        return _refusal(_body(page), busy=page.busy)
    content = site_file(page.figures, kind)
    body = Body(content, MEDIA_TYPES[kind], view.snapshot.revision, quality=4)
    response = answer(body, cache=_NO_STORE if halls is not None else caching(choice.base))
    name = _file_name(page.figures, kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@planning.get("/standorte.svg")
def siting_picture() -> Response:
    """Give the map as a picture, for pages without JavaScript."""
    view, choice, _ = _asked()
    page = _page_of(view, choice, None)
    if page.figures is None:
        raise NotFoundError("Zu dieser Frage gibt es kein schnelles Bild.")
    make = partial(_picture_body, view, page.figures)
    asked = page.figures.choice  # the quick one where another question is in the way
    body = kept(view, ("sites picture", asked, asked.base), make)
    return answer(body, cache=caching(choice.base))


@planning.get("/standorte/orte.json")
def siting_places() -> Response:
    """Give where the places stand that there are, for the map."""
    view, choice, _ = _asked()
    make = partial(_places_body, view, choice)
    return answer(kept(view, ("sites places", choice.base), make), cache=caching(choice.base))


@planning.get("/standorte.js")
def siting_script() -> Response:
    """Give the script of the map."""
    view = the_site().view()

    def make() -> Body:
        options = maps.SitesMapOptions("", "", "", view.snapshot.revision, page_bounds(view))
        script = maps.build_sites_map(options).script.encode()
        return Body(script, "text/javascript; charset=utf-8")

    return answer(kept(view, ("sites script",), make))


def _asked() -> tuple[View, SitingChoice, Halls | None]:
    """Return the present revision, the question, and the list of rooms that came with it."""
    view = the_site().view()
    check_encoding(request.query_string)
    args: MultiDict[str, str] = request.args
    halls = None
    if request.method == "POST":
        args, content = _posted()
        halls = read_halls(content, view.snapshot.territory, locate=view.search.locate)
    if state := args.get("stand"):
        raise refuse("stand", "nichts, denn Vorschläge gibt es nur für heute", state)
    demands = [demand.slug for demand in view.snapshot.demands]
    base = read_choice(args, areas=view.area_keys, demands=demands)
    towns = view.snapshot.territory.municipalities
    names = dict(zip(towns["ags"], towns["name"], strict=True))
    choice = read_siting(args, base, names=names, locate=view.search.locate)
    if halls is not None:
        territory = view.snapshot.territory
        inside = set(towns_inside(territory, base.area)["ags"]) if base.area else None
        halls = halls.asked_for(inside, choice.excluded)
    return view, choice, halls


def _posted() -> tuple[MultiDict[str, str], bytes]:
    """Return the fields of a form and the list in it: a file, or the text of a former answer."""
    if (request.content_length or 0) > _MAX_UPLOAD:
        raise refuse("datei", "eine Datei bis 1 MB", "eine größere")
    request.max_content_length = request.max_form_memory_size = _MAX_UPLOAD
    try:
        form, file = request.form, request.files.get("datei")
    except RequestEntityTooLarge:
        raise refuse("datei", "eine Datei bis 1 MB", "eine größere") from None
    content = b""
    if file is not None:
        content = file.read(MAX_BYTES + 1)
        file.close()
    return form, content or form.get("liste", "").encode()


def _page_of(view: View, choice: SitingChoice, halls: Halls | None) -> SitingPage:
    """Answer as it was asked, or quickly where another question is in the way."""
    try:
        return SitingPage(view, choice, _solve(view, choice, halls), halls)
    except SlowError:
        return SitingPage(view, choice, None, halls)
    except BusyError:
        figures: SiteFigures | None = None
    if choice.exact:
        with suppress(SlowError, BusyError):
            figures = _solve(view, choice.quick, halls)
    return SitingPage(view, choice, figures, halls, busy=True)


def _solve(view: View, choice: SitingChoice, halls: Halls | None) -> SiteFigures:
    """Answer; a question that takes seconds counts as an exact one does (`web.limits`)."""
    paid = partial(charge, "siting")
    return solve_sites(view.snapshot, choice, view.today, halls, charge=paid)


def _body(page: SitingPage) -> Body:
    return page_body(page.view, "planung/standorte.html", page=page)


def _places_body(view: View, choice: SitingChoice) -> Body:
    content = places_json(view.snapshot, choice, view.today)
    return Body(content, "application/json", view.snapshot.revision, quality=5)


def _picture_body(view: View, figures: SiteFigures) -> Body:
    points = place_points(view.snapshot, figures.choice, view.today)
    content = draw_sites(view, figures, points)
    return Body(content, "image/svg+xml", view.snapshot.revision, quality=4)


def _json_refusal(error: BusyError | SlowError) -> Response:
    """Say that there is no answer now, or none to this question."""
    busy = isinstance(error, BusyError)
    if busy:
        text = "Gerade wird eine andere Frage gerechnet. Bitte gleich noch einmal versuchen."
    else:
        text = "Diese Frage hat keine schnelle Antwort. Fragen Sie mit genau=1."
    problem = json.dumps({"status": 503 if busy else 422, "detail": text}, ensure_ascii=False)
    return _refusal(Body(problem.encode(), "application/problem+json"), busy=busy)


def _refusal(body: Body, *, busy: bool) -> Response:
    """Answer that it can be asked again soon where it is `busy`; else waiting never helps."""
    response = answer(body, cache=_NO_STORE, status=503 if busy else 422)
    if busy:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def site_file(figures: SiteFigures, kind: ExportKind) -> bytes:
    """Return the proposed places as a file."""
    table, points = file_table(figures)
    parameters = describe_question(figures)
    if figures.halls is None:
        address = public_address(url_for("planning.siting")) + siting_query(figures.choice)
        parameters["Dieselbe Auswertung im Internet"] = address
    return render_table(
        kind,
        table,
        points,
        title=_TITLE,
        columns=file_columns(figures),
        parameters=parameters,
        source_notes=figures.notes,
        revision=figures.revision,
        today=figures.today,
    )


def _file_name(figures: SiteFigures, kind: str) -> str:
    choice = figures.choice
    number = f"{plain_number(choice.share)}prozent" if choice.objective == "lscp" else choice.sites
    region = slug(figures.region.name) if choice.base.area else ""
    parts = ["standorte", choice.objective_name, str(number), region, figures.today.isoformat()]
    name = "-".join(filter(None, parts)).replace(",", "-")
    return f"{name.encode('ascii', 'ignore').decode()[:120]}.{kind}"
