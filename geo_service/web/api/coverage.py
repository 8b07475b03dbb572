"""Where the gaps are: the figures of the planners' pages for programs (docs/coverage.md)."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from geo_service.exports import plain_rows, render_coverage
from geo_service.schema import COVERAGE_COLUMNS
from geo_service.web.answers import PUBLIC, Body, answer
from geo_service.web.api.media import MEDIA_TYPES, to_json
from geo_service.web.api.operations import Operation, operation
from geo_service.web.api.parameters import ParameterError, choice, pattern
from geo_service.web.api.planners import (
    PARAMETERS,
    SLUG,
    as_problems,
    choice_of,
    described_choice,
    known_slug,
)
from geo_service.web.api.schemas import CSV, reference
from geo_service.web.api.territory import TOLERANCES_M, borders_of
from geo_service.web.languages import neutral_url_for
from geo_service.web.planning.answers import kept
from geo_service.web.planning.figures import figures_of
from geo_service.web.planning.files import parameters_of
from geo_service.web.planning.pages import as_it_was, asked_state
from geo_service.web.planning.pictures import areas_of
from geo_service.web.planning.query import PLANNING_LEVELS, query_string
from geo_service.web.planning.state_choice import may_differ
from geo_service.web.site import the_site

if TYPE_CHECKING:
    from flask import Response

    from geo_service.schema import Coverage
    from geo_service.web.api.media import Format
    from geo_service.web.api.operations import Asked
    from geo_service.web.planning.figures import Figures
    from geo_service.web.planning.query import Choice
    from geo_service.web.site import View

_REFUSALS: Final = {
    "stand": ("state", "a state in the borders of today", 409),
    "bedarf": ("demand", "people loaded for the municipalities of today", 409),
    "umkreis": ("radius_m", "a shorter radius, or fewer places: this takes too long", 422),
}
"""What the planners' pages refuse, by the names that programs use."""


@operation(
    Operation(
        name="coverage",
        path="/coverage",
        summary="How well areas are served, and how sure that is",
        description="Every figure of the planners' pages for the areas of a level, by their keys:"
        " places, people within the radius, distances, E2SFCA, the judgement whether an area is"
        " a gap, and from `…_low` to `…_high` what figures are in nine of ten layouts of the"
        " roughly located places. `whole` is the same for all of them together. What cannot be"
        " said is null, and `missing` has the reason. Formulas are in docs/coverage.md. The"
        " number of requests is limited.",
        parameters=(
            choice("level", PLANNING_LEVELS, "Level of the areas.", default="verbandsgemeinde"),
            *PARAMETERS,
            pattern(
                "state",
                SLUG,
                "the name of a dated state",
                "A dated state in place of the present: its records, people and day, measured"
                " anew; `state` in the answer says whether the published figures may be others."
                " Not with `demand`.",
            ),
            choice(
                "simplification_m",
                TOLERANCES_M,
                "Of the borders in GeoJSON, as in /boundaries; other formats have none.",
                default="100",
            ),
        ),
        answers={
            "json": reference("Coverage"),
            "geojson": reference("CoverageCollection"),
            "csv": CSV,
        },
        example="coverage?level=kreis&radius_m=3000",
        refusals={
            404: "There is no such area, demand or state.",
            409: "Each parameter can be read, but they do not go together: `within` names a"
            " municipality, or a Verbandsgemeinde beside `level=kreis`; `state` beside `demand`;"
            " or the state or the demand is of other borders.",
            422: "The question is too large: the people are in a fine grid, and too many places are"
            " within so long a radius; waiting does not help.",
            429: "Too many questions, or other files, for one address; Retry-After says when to"
            " ask again.",
        },
    )
)
def coverage(asked: Asked, format_: Format) -> Response:
    """Give the figures of a choice."""
    view, chosen = _asked(asked)
    simplified = asked["simplification_m"] if format_ == "geojson" else ""
    make = partial(_body, view, chosen, format_, simplified)
    with as_problems(asked, _REFUSALS):
        body = kept(view, ("api", format_, simplified, chosen), make)
    response = answer(body, cache=PUBLIC)
    if format_ == "csv":  # a table of plain cells has no room for notes
        address = neutral_url_for("planning.describe_csv") + query_string(chosen)
        link = f'<{address}>; rel="describedby"; type="application/csvm+json"'
        response.headers["Link"] = link
    return response


def _asked(asked: Asked) -> tuple[View, Choice]:
    """Return the revision, or the dated state in its place, and the planners' choice."""
    view = the_site().view()
    states = [one.slug for one in view.snapshot.states]
    state = known_slug("state", asked["state"], states, "a dated state")
    chosen = choice_of(view, asked, level=asked["level"], state=state)
    if state and chosen.demand:
        raise ParameterError("state", "no `demand` beside it", state, status=409)
    if len(chosen.area) == 9 and chosen.level == "kreis":
        expected = "verbandsgemeinde or gemeinde within a Verbandsgemeinde"
        raise ParameterError("level", expected, chosen.level, status=409)
    with as_problems(asked, _REFUSALS):
        return (as_it_was(view, state) if state else view), chosen


def _body(view: View, chosen: Choice, format_: Format, simplified: str) -> Body:
    figures = figures_of(view.snapshot, chosen, view.today)
    content = _csv(view, figures) if format_ == "csv" else _json(view, figures, simplified)
    return Body(content, MEDIA_TYPES[format_], view.snapshot.revision, quality=4)


def _csv(view: View, figures: Figures) -> bytes:
    """Return the very file that the planners' pages give."""
    return render_coverage(
        "csv",
        figures.coverage,
        areas_of(view, figures),
        parameters=parameters_of(figures),
        source_notes=figures.notes,
        revision=figures.revision,
        today=figures.today,
    )


def _json(view: View, figures: Figures, simplified: str) -> bytes:
    """Return the figures as JSON, as GeoJSON where borders are wanted."""
    said = _about(figures)
    rows = _rows(figures.coverage, figures)
    if not simplified:
        return to_json({**said, "areas": rows})
    borders, _ = borders_of(view, figures.choice.level, simplified)
    shapes = {one["properties"]["key"]: one["geometry"] for one in json.loads(borders)["features"]}
    features = [
        {"type": "Feature", "id": row["key"], "geometry": shapes[row["key"]], "properties": row}
        for row in rows
    ]
    return to_json({"type": "FeatureCollection", **said, "features": features})


def _about(figures: Figures) -> dict[str, Any]:
    chosen, count = figures.choice, figures.count
    measured = chosen.parameters
    return {
        "revision": figures.revision,
        "attribution": "\n".join(figures.notes),
        "date": figures.today.isoformat(),
        "page": neutral_url_for("planning.overview") + query_string(chosen),
        "state": _state(chosen),
        "parameters": {
            "level": chosen.level,
            **described_choice(chosen),
            "state": chosen.state or None,
            "gap_share": measured.gap_share,
            "minimum_people": measured.minimum_people,
            "stale_after_months": measured.stale_after_months,
            "e2sfca_steps": [list(step) for step in measured.e2sfca_steps],
        },
        "count": {
            "records": count.records,
            "selected": count.selected,
            "counted": count.counted,
            "outside": count.outside,
            "unplaced": count.unplaced,
        },
        "judged": dict(figures.judged),
        "whole": _rows(figures.whole, figures)[0],
    }


def _state(chosen: Choice) -> dict[str, Any] | None:
    """Return which dated state it is, and whether its published figures may be others."""
    state = asked_state(chosen)
    if state is None:
        return None
    return {
        "key": state.slug,
        "name": state.name,
        "date": state.today.isoformat(),
        "erased": state.erased,
        "method": state.method,
        "may_differ": may_differ(state),
    }


def _rows(table: Coverage, figures: Figures) -> list[dict[str, Any]]:
    """Return rows as files have them; what is null has its reason in `missing`."""
    some_place = figures.count.counted + figures.count.outside > 0
    rows = (dict(zip(COVERAGE_COLUMNS, cells, strict=True)) for cells in plain_rows(table))
    return [_explained(row, some_place=some_place) for row in rows]


def _explained(row: dict[str, Any], *, some_place: bool) -> dict[str, Any]:
    """Say of every figure that is null why."""
    silent = [name for name, value in row.items() if value is None]
    missing = {name: _reason(name, row, some_place=some_place) for name in silent}
    return {**row, "missing": missing} if missing else row


def _reason(name: str, row: dict[str, Any], *, some_place: bool) -> str:
    """Say why a figure is missing, in a word of `schemas.REASONS`."""
    if name == "gap_reason":
        return "no_gap"
    if name.startswith("nearest_seat") and row["level"] != "gemeinde":
        return "level"
    if name.startswith("nearest") and not some_place:
        return "no_place"
    if name == "gap" and row["judgement"] == "too_small":
        return "too_small"
    if row["people_counted"] is None:
        return "people_unknown"
    return "no_people"
