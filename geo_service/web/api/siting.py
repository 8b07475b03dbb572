"""Where the next places could be: the answers of the planners' pages for programs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from geo_service.siting import MAX_SITES, OBJECTIVES
from geo_service.web.answers import PUBLIC, Body, answer
from geo_service.web.api.media import MEDIA_TYPES, to_json
from geo_service.web.api.operations import Operation, operation
from geo_service.web.api.parameters import (
    Parameter,
    ParameterError,
    choice,
    number,
    pattern,
    whole_number,
)
from geo_service.web.api.planners import PARAMETERS, as_problems, choice_of, described_choice
from geo_service.web.api.problems import problem
from geo_service.web.api.schemas import CSV, reference
from geo_service.web.languages import neutral_url_for
from geo_service.web.planning.answers import kept
from geo_service.web.planning.sites import TIME_LIMIT_S, BusyError, SlowError, solve_sites
from geo_service.web.planning.siting import RETRY_AFTER_S, site_file
from geo_service.web.planning.siting_choice import OBJECTIVES as OBJECTIVE_NAMES
from geo_service.web.planning.siting_choice import SitingChoice, normalised, siting_query
from geo_service.web.planning.siting_words import plain_answer
from geo_service.web.site import the_site

if TYPE_CHECKING:
    from flask import Response

    from geo_service.web.api.media import Format
    from geo_service.web.api.operations import Asked
    from geo_service.web.planning.sites import SiteFigures
    from geo_service.web.site import View

_MOST_TOWNS: Final = 200
_TOWN: Final = "the key of a municipality, 8 digits (/api/v1/areas?level=gemeinde lists them)"
_NAMES: Final = {model: name for name, (model, _) in OBJECTIVE_NAMES.items()}
_SMALLER: Final = "a smaller problem: an area with `within`"
_REFUSALS: Final = {
    "ziel": ("objective", f"{_SMALLER}, or the objective mclp", 422),
    "umkreis": ("radius_m", f"{_SMALLER}, or a shorter radius", 422),
    "bedarf": ("demand", "people whose number is known in this area, as it is today", 409),
    "ausser": ("excluded", "at least one municipality left where a place could be", 409),
    "mit": ("forced", "municipalities in the area of `within`", 409),
}
"""What `solve_sites` refuses, by the names that programs use."""


def _towns(name: str, example: str, meaning: str) -> Parameter:
    more: dict[str, Any] = {"many": "repeat", "default": (), "up_to": _MOST_TOWNS}
    return pattern(name, "[0-9]{8}", _TOWN, meaning, example=[example], **more)


@operation(
    Operation(
        name="siting",
        path="/siting",
        summary="Where the next places could be",
        description="At which municipalities' seats new places reach most people (`mclp`), how"
        " few reach a share of them (`lscp`), or where they shorten ways most (`pmedian`), as on"
        " the planners' pages. `bound` is what no choice can beat, `gap_share` how far from it"
        " the answer may be. Each site says what it brings, whose people it reaches"
        " (`from_municipalities`) and what could stand for it at which loss (`near_ties`);"
        " `curve` says what each further place brings. `before`, `after` and `gain` are people,"
        " or metres on average for `pmedian`, with their range in nine of ten layouts of the"
        " roughly located places. What cannot be said is null, and `missing` has the reason."
        " Models are in docs/siting.md. The number of requests is limited.",
        parameters=(
            choice("objective", OBJECTIVES, "What is sought.", default="mclp"),
            whole_number(
                "k", 1, MAX_SITES, "New places at most; not for `lscp`.", default=5, example=3
            ),
            number(
                "share",
                0.0001,
                1,
                "The share of the people to reach, for `lscp` alone.",
                default=0.9,
            ),
            choice(
                "method",
                ("greedy", "exact"),
                "`greedy` answers at once, `exact` looks for the best answer for at most"
                f" {TIME_LIMIT_S:g} seconds; both say how far from the best they can be.",
                default="greedy",
            ),
            choice(
                "people",
                ("within", "all"),
                "Whose people count: those `within` the area, or all; new places stand in the"
                " area in any case.",
                default="within",
            ),
            _towns("excluded", "07131001", "Municipalities without a new place, by their keys."),
            _towns(
                "forced",
                "07131002",
                "Municipalities that get a new place in any case, by their keys; they count"
                " towards `k`.",
            ),
            *PARAMETERS,
        ),
        answers={"json": reference("Siting"), "geojson": reference("SitingCollection"), "csv": CSV},
        example="siting?k=3&radius_m=3000",
        refusals={
            404: "There is no such area, municipality or demand.",
            409: "Each parameter can be read, but they do not go together: a municipality is both"
            " `forced` and `excluded`, more are `forced` than `k`, one lies beyond `within`, none"
            " is left, or nobody is known to live there.",
            422: "The question has no quick answer (ask with `method=exact`), or is too large to"
            " be answered at all; waiting does not help.",
            429: "Too many questions from one address; Retry-After says when to ask again.",
            503: "Another answer that takes long is being looked for; Retry-After says when to ask"
            " again. Or the directory cannot be reached.",
        },
    )
)
def siting(asked: Asked, format_: Format) -> Response:
    """Say where the next places could be."""
    view = the_site().view()
    chosen = _chosen(view, asked)
    make = partial(_body, view, chosen, format_)
    try:
        with as_problems(asked, _REFUSALS):
            return answer(kept(view, ("api", format_, chosen), make), cache=PUBLIC)
    except SlowError:
        expected = "exact, because this question has no quick answer"
        raise ParameterError("method", expected, "greedy", status=422) from None
    except BusyError:
        detail = "Another answer that takes long is being looked for; try again soon."
        response = problem(503, detail)
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response


def _chosen(view: View, asked: Asked) -> SitingChoice:
    excluded, forced = (_keys(view, name, asked[name]) for name in ("excluded", "forced"))
    both = sorted(set(excluded) & set(forced))
    if both:
        raise ParameterError("forced", "no municipality that is `excluded`", both[0], status=409)
    if asked["objective"] != "lscp" and len(forced) > asked["k"]:
        expected = f"at most `k` municipalities ({asked['k']})"
        raise ParameterError("forced", expected, str(len(forced)), status=409)
    chosen = SitingChoice(
        base=choice_of(view, asked),
        objective_name=_NAMES[asked["objective"]],
        sites=asked["k"],
        share=round(asked["share"] * 100, 6),
        everyone=asked["people"] == "all",
        excluded=excluded,
        forced=forced,
        exact=asked["method"] == "exact",
    )
    return normalised(chosen)


def _keys(view: View, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the present keys of municipalities, former ones understood."""
    territory = view.snapshot.territory
    known = frozenset(territory.municipalities["ags"])
    found = {territory.successors.get(key, key): key for key in keys}
    for key, given in found.items():
        if key not in known:
            raise ParameterError(name, _TOWN, given, status=404)
    return tuple(sorted(found))


def _body(view: View, chosen: SitingChoice, format_: Format) -> Body:
    figures = solve_sites(view.snapshot, chosen, view.today)
    content = site_file(figures, "csv") if format_ == "csv" else _json(figures, format_)
    return Body(content, MEDIA_TYPES[format_], view.snapshot.revision, quality=4)


def _json(figures: SiteFigures, format_: Format) -> bytes:
    said = {**_about(figures), **_explained(plain_answer(figures))}
    if format_ == "json":
        return to_json(said)
    features = [
        {
            "type": "Feature",
            "id": site["key"],
            "geometry": {"type": "Point", "coordinates": [site["lon"], site["lat"]]},
            "properties": site,
        }
        for site in said.pop("sites")
    ]
    return to_json({"type": "FeatureCollection", **said, "features": features})


def _about(figures: SiteFigures) -> dict[str, Any]:
    chosen, result = figures.choice, figures.result
    share = chosen.share / 100 if chosen.objective == "lscp" else None
    attainable = {"target_met": result.target_met, "attainable_share": result.attainable_share}
    return {
        "revision": figures.revision,
        "attribution": "\n".join(figures.notes),
        "date": figures.today.isoformat(),
        "page": neutral_url_for("planning.siting") + siting_query(chosen),
        "parameters": {
            "objective": chosen.objective,
            **({"k": chosen.sites} if share is None else {"share": round(share, 8)}),
            "method": "exact" if chosen.exact else "greedy",
            "people": "all" if chosen.everyone else "within",
            "excluded": list(chosen.excluded),
            "forced": list(chosen.forced),
            **described_choice(chosen.base),
        },
        **(attainable if chosen.objective == "lscp" else {}),
    }


def _explained(said: dict[str, Any]) -> dict[str, Any]:
    """Say of every figure that is null why, here and in what this holds."""
    said = {name: _within(value) for name, value in said.items() if (name, value) != _NOWHERE}
    missing = {name: _reason(name) for name, value in said.items() if value is None}
    return {**said, "missing": missing} if missing else said


_NOWHERE: Final = ("within", None)
"""A town that is a Kreis lies in nothing smaller than the Land: that is known."""


def _within(value: Any) -> Any:
    if isinstance(value, dict):
        return _explained(value)
    return [_within(one) for one in value] if isinstance(value, list) else value


def _reason(name: str) -> str:
    """Say why a figure is missing, in a word of `schemas.REASONS`."""
    return "unbounded" if name in {"bound", "gap_share"} else "no_way"
