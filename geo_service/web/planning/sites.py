"""A question of siting to figures: page, JSON and files take their numbers from here.

Nothing here needs a request. People are rounded to three decimals, metres to one, as in
every file of ours, before anybody shows them.
"""

from __future__ import annotations

import json
import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from geo_service.coverage import measure_reach, select_places
from geo_service.errors import GeoServiceError
from geo_service.schema import FINE_PRECISIONS
from geo_service.siting import (
    MAX_SITES,
    Candidates,
    Goal,
    SitingProblem,
    solve_greedy,
    solve_in_process,
)
from geo_service.web.planning.figures import (
    area_index,
    check_demand,
    describe_people,
    people_of,
    territory_key,
    towns_inside,
)
from geo_service.web.planning.planned import planned_places, town_names
from geo_service.web.planning.query import refuse
from geo_service.web.planning.sizes import check_pairs, count_pairs, is_large, is_slow

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from geo_service.coverage import Reach
    from geo_service.siting import Site, SitingResult
    from geo_service.snapshot import Snapshot, Territory
    from geo_service.web.areas import Area
    from geo_service.web.planning.halls import Halls
    from geo_service.web.planning.query import Choice
    from geo_service.web.planning.siting_choice import SitingChoice

    Floats = NDArray[np.float64]

__all__ = [
    "TIME_LIMIT_S",
    "BusyError",
    "Origin",
    "SiteFigures",
    "SiteRow",
    "SlowError",
    "Span",
    "Step",
    "Tie",
    "place_points",
    "places_json",
    "solve_sites",
]

TIME_LIMIT_S: Final = 5.0
"""What looking for the best answer may take."""

_WAIT_S: Final = 0.2
_MORE: Final = 5
_LEAST_CURVE: Final = 10
_one_at_a_time: Final = threading.BoundedSemaphore(1)
_one_large: Final = threading.BoundedSemaphore(1)


class BusyError(GeoServiceError):
    """Another answer that takes long is being looked for."""


class SlowError(GeoServiceError):
    """There is no quick answer to this question, only one that takes seconds."""


class Span(NamedTuple):
    """A figure, and the range of nine tenths of the layouts of the roughly located places."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Origin:
    """People of one municipality that a site reaches."""

    ags: str
    name: str
    people: float


@dataclass(frozen=True, slots=True)
class Tie:
    """A candidate that could stand for a site; `loss` in people or metres."""

    name: str
    ags: str | None
    loss: float
    loss_share: float


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A proposed place.

    `gain` is in people newly reached, or metres off the average (NaN: there was no way
    before); `after` is what holds with it and all before it: the share of the people
    reached, or average metres. Degrees are EPSG:4326.
    """

    number: int
    id: str
    name: str
    ags: str | None
    within: str
    lon: float
    lat: float
    forced: bool
    gain: float
    people: float
    after: float
    origins: tuple[Origin, ...]
    ties: tuple[Tie, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What one more place brings; `asked` says whether the answer goes so far."""

    sites: int
    gain: float
    after: float
    asked: bool


@dataclass(frozen=True, eq=False)
class SiteFigures:
    """What a question comes to.

    `before`, `after` and `gain` are people (share of them: divided by `people`), or metres
    on average for p-median. `places` count today, `rough` of them are known only roughly.
    `steps_end`: what more places than the answer has would bring takes too long to say.
    """

    choice: SitingChoice
    revision: int
    today: dt.date
    result: SitingResult
    region: Area
    counted_in: Area
    rows: tuple[SiteRow, ...]
    steps: tuple[Step, ...]
    people: float
    before: Span
    after: Span
    gain: Span
    places: int
    rough: int
    candidates: int
    who: str
    demands: Mapping[str, str]
    names: Mapping[str, str]
    notes: tuple[str, ...]
    halls: Halls | None = None
    steps_end: bool = False

    @property
    def is_distance(self) -> bool:
        """Whether figures are metres, not people."""
        return self.choice.objective == "pmedian"

    @property
    def may_improve(self) -> bool:
        """Whether looking longer could bring more, or a better proof."""
        result = self.result
        return not self.choice.exact and result.target_met and not result.is_optimal


@dataclass(frozen=True, eq=False)
class _Question:
    """A problem with what is said of its answer; `pairs` are those that siting weighs."""

    problem: SitingProblem
    reach: Reach
    inside: NDArray[np.bool_]
    spots: Mapping[str, tuple[float, float]]
    pairs: int

    @property
    def is_large(self) -> bool:
        """Whether even the quick way may take seconds."""
        return is_large(self.pairs)


def solve_sites(
    snapshot: Snapshot,
    choice: SitingChoice,
    today: dt.date,
    halls: Halls | None = None,
    *,
    charge: Callable[[], None] = lambda: None,
) -> SiteFigures:
    """Answer a question; asked of the municipalities, once per revision and day.

    Parameters
    ----------
    snapshot
        The present revision.
    choice
        The question.
    today
        The day by which records are judged.
    halls
        Candidates of a list in place of the municipalities' seats; nothing of it is kept.
    charge
        Called before what takes seconds is begun; what it raises ends the question.

    Raises
    ------
    AddressError
        If the question contradicts itself or is too large.
    SlowError
        If it was to be answered quickly and cannot be.
    BusyError
        If it was to be answered exactly and another question is, or quickly, is large or by
        the p-median, and another such question is.
    """
    make = partial(_solve, snapshot, choice, today, halls, charge)
    if halls is not None or not choice.base.kept:
        return make()
    keep = snapshot.derive if choice.exact else snapshot.keep_answer  # seconds, milliseconds
    return keep(("sites", choice, today), make)


def places_json(snapshot: Snapshot, choice: SitingChoice, today: dt.date) -> bytes:
    """Write where the places stand that count: longitude, latitude, 1 where that is rough."""
    body = {"revision": snapshot.revision, "places": place_points(snapshot, choice, today)}
    return json.dumps(body, separators=(",", ":")).encode()


def place_points(
    snapshot: Snapshot, choice: SitingChoice, today: dt.date
) -> list[tuple[float, float, int]]:
    """Return the distinct points (EPSG:4326) of the places that count, 1 where that is rough."""
    table = planned_places(snapshot, choice.base, today)
    chosen = select_places(table, choice.base.parameters, today=today)
    found = table[chosen & table.geometry.notna().to_numpy()]
    rough = ~found["coordinate_precision"].isin(FINE_PRECISIONS)
    points = zip(found.geometry.x.round(5), found.geometry.y.round(5), rough, strict=True)
    return sorted({(float(lon), float(lat), int(is_rough)) for lon, lat, is_rough in points})


def _solve(
    snapshot: Snapshot,
    choice: SitingChoice,
    today: dt.date,
    halls: Halls | None,
    charge: Callable[[], None],
) -> SiteFigures:
    question = _question(snapshot, choice, today, halls)
    problem = question.problem
    slow = is_slow(choice, problem, question.pairs)
    if slow and not choice.exact:
        raise SlowError("pmedian: takes seconds with so many pairs of points and candidates")
    if question.is_large:
        charge()
    if choice.exact:
        quick = None if slow else solve_sites(snapshot, choice.quick, today, halls).result
        with _turn(_one_at_a_time):
            result = solve_in_process(problem, choice.goal, quick=quick, time_limit_s=TIME_LIMIT_S)
    elif question.is_large or choice.objective == "pmedian":  # where others take milliseconds
        with _turn(_one_large):
            result = solve_greedy(problem, choice.goal)
    else:
        result = solve_greedy(problem, choice.goal)
    return _figures(snapshot, choice, today, halls, question, result)


@contextmanager
def _turn(room: threading.BoundedSemaphore) -> Iterator[None]:
    if not room.acquire(timeout=_WAIT_S):
        raise BusyError("siting: another question is being answered")
    try:
        yield
    finally:
        room.release()


# ------------------------------------------------------------------------------ the question


def _question(
    snapshot: Snapshot, choice: SitingChoice, today: dt.date, halls: Halls | None
) -> _Question:
    base, territory = choice.base, snapshot.territory
    check_demand(snapshot, base)
    terrain = snapshot.terrain(base.demand or None)
    reach = _reach(snapshot, choice.base, today)
    candidates, spots = _candidates(territory) if halls is None else (halls.candidates, halls.spots)
    inside = _inside(territory, base.area) if base.area else None
    _check_forced(choice, territory, inside, halls)
    excluded = set(choice.excluded)
    whole = SitingProblem(
        demand_xy_m=terrain.xy_m,
        people=terrain.population.people,
        demand_ags=terrain.population.ags,
        existing_xy_m=reach.xy_m,
        candidates=candidates,
        radius_m=base.parameters.radius_m,
        forced=frozenset(choice.forced),
        excluded=frozenset(
            one for one, ags in zip(candidates.ids, candidates.ags, strict=True) if ags in excluded
        ),
    )
    counts = None if choice.everyone else inside
    problem = whole.limited_to(demand_ags=counts, candidate_ags=inside)
    _check_solvable(choice, problem, halls)
    ags = terrain.population.ags.astype(str)
    here = np.ones(len(ags), dtype=bool) if counts is None else np.isin(ags, sorted(counts))
    pairs = count_pairs(choice, problem, reach.nearest.length_m[here])
    check_pairs(choice, pairs)
    return _Question(problem, reach, here, spots, pairs)


def _reach(snapshot: Snapshot, base: Choice, today: dt.date) -> Reach:
    """Measure how far people are from the places of the record, or of the scenario."""

    def make() -> Reach:
        return measure_reach(
            planned_places(snapshot, base, today),
            snapshot.terrain(base.demand or None),
            parameters=base.parameters,
            today=today,
        )

    key = ("reach", base.parameters, today, base.demand)
    return snapshot.keep_answer(key, make) if base.kept else make()


def _candidates(territory: Territory) -> tuple[Candidates, Mapping[str, tuple[float, float]]]:
    """Return the seats of the municipalities, in metres and in degrees."""
    towns = territory.municipalities
    keys = tuple(towns["ags"].tolist())
    spots = zip(towns["seat_lon"].tolist(), towns["seat_lat"].tolist(), strict=True)
    names = tuple(towns["name"].tolist())
    candidates = Candidates(keys, territory.ground.seats_xy_m, names, keys)
    return candidates, dict(zip(keys, spots, strict=True))


def _inside(territory: Territory, area: str) -> frozenset[str]:
    """Return the municipalities in a Kreis or Verbandsgemeinde."""
    return frozenset(towns_inside(territory, area)["ags"].tolist())


def _check_forced(
    choice: SitingChoice, territory: Territory, inside: frozenset[str] | None, halls: Halls | None
) -> None:
    if choice.forced and halls is not None:
        raise refuse("mit", "nichts, wenn eine eigene Liste geprüft wird", choice.forced[0])
    outside = [ags for ags in choice.forced if inside is not None and ags not in inside]
    if outside:
        name = area_index(territory).areas[area_index(territory).canonical(outside[0]) or ""].name
        raise refuse("mit", "eine Gemeinde im gewählten Gebiet", name)


def _check_solvable(choice: SitingChoice, problem: SitingProblem, halls: Halls | None) -> None:
    if not np.nansum(problem.people) > 0:
        raise refuse("bedarf", "eine Auswahl mit Menschen, deren Zahl bekannt ist",
                       choice.base.demand or "niemand in diesem Gebiet")  # fmt: skip
    if not set(problem.candidates.ids) - problem.excluded:
        name = "datei" if halls is not None else "ausser"
        raise refuse(name, "mindestens ein möglicher Standort im Gebiet", "keiner")


# ------------------------------------------------------------------------------- the figures


def _figures(
    snapshot: Snapshot,
    choice: SitingChoice,
    today: dt.date,
    halls: Halls | None,
    question: _Question,
    result: SitingResult,
) -> SiteFigures:
    areas = area_index(snapshot.territory)
    land = areas.areas[territory_key(snapshot.territory)]
    region = areas.areas[areas.canonical(choice.base.area) or land.key]
    before, after, gain = _spans(question, result)
    return SiteFigures(
        choice=choice,
        revision=snapshot.revision,
        today=today,
        result=result,
        region=region,
        counted_in=land if choice.everyone else region,
        rows=_rows(snapshot, question, result),
        steps=_steps(snapshot, choice, today, halls, question, result),
        people=round(result.people, 3),
        before=before,
        after=after,
        gain=gain,
        places=question.reach.places,
        rough=question.reach.rough,
        candidates=len(set(question.problem.candidates.ids) - question.problem.excluded),
        who=describe_people(snapshot, choice.base),
        names=town_names(snapshot.territory),
        demands={one.slug: one.name for one in snapshot.demands},
        notes=tuple(dict.fromkeys((*snapshot.source_notes, people_of(snapshot, choice.base)[1]))),
        halls=halls,
        steps_end=question.is_large and choice.objective == "mclp",
    )


def _rows(snapshot: Snapshot, question: _Question, result: SitingResult) -> tuple[SiteRow, ...]:
    areas = area_index(snapshot.territory)
    names = town_names(snapshot.territory)
    labels = question.problem.candidates
    ags_of = dict(zip(labels.ids, labels.ags, strict=True))
    distance = result.goal.objective == "pmedian"
    rows, gained = [], 0.0
    for number, site in enumerate(result.sites, start=1):
        gained += 0.0 if math.isnan(site.gain) else site.gain
        reached = (result.before + gained) / result.people
        lon, lat = question.spots[site.id]
        area = areas.areas.get(areas.canonical(site.ags or "") or "")
        rows.append(
            SiteRow(
                number=number,
                id=site.id,
                name=site.label,
                ags=site.ags,
                within=areas.within(area) if area else "",
                lon=round(lon, 6),
                lat=round(lat, 6),
                forced=site.forced,
                gain=round(site.gain, 1 if distance else 3),
                people=round(site.people, 3),
                after=round(result.curve[number - 1].result, 1) if distance else round(reached, 6),
                origins=tuple(
                    Origin(ags, names[ags], round(people, 3))
                    for ags, people in site.from_municipalities
                ),
                ties=_ties(site, ags_of),
            )
        )
    return tuple(rows)


def _ties(site: Site, ags_of: Mapping[str, str | None]) -> tuple[Tie, ...]:
    return tuple(
        Tie(
            one.label,
            ags_of.get(one.id),
            round(one.loss, 6),
            round(one.loss_share, 6),
        )
        for one in site.near_ties
    )


def _spans(question: _Question, result: SitingResult) -> tuple[Span, Span, Span]:
    """Return before, after and gain, each with its range."""
    problem = question.problem
    known = ~np.isnan(problem.people)
    people, site_m = problem.people[known], _to_sites(problem, result)[known]
    total, radius_m = people.sum(), problem.radius_m
    distance = result.goal.objective == "pmedian"

    def measure(length_m: Floats) -> Floats:
        today_m = length_m[question.inside][known]
        with_sites_m = np.minimum(today_m, site_m)
        if distance:
            before, after = (float(people @ metres) / total for metres in (today_m, with_sites_m))
        else:
            before, after = (
                float(people[metres <= radius_m].sum()) for metres in (today_m, with_sites_m)
            )
        return np.array([before, after, before - after if distance else after - before])

    with np.errstate(invalid="ignore"):  # no place at all: infinite ways
        figures = question.reach.spread(measure)
    decimals = 1 if distance else 3
    columns = zip(*(part.tolist() for part in figures), strict=True)
    before, after, gain = (Span(*(_round(one, decimals) for one in column)) for column in columns)
    return before, after, gain


def _round(value: float, decimals: int) -> float:
    return round(value, decimals) if math.isfinite(value) else math.nan


def _to_sites(problem: SitingProblem, result: SitingResult) -> Floats:
    if not result.sites:
        return np.full(len(problem.people), np.inf)
    sites = np.array([(site.x_m, site.y_m) for site in result.sites])
    return np.asarray(cKDTree(sites).query(problem.demand_xy_m)[0], dtype=np.float64)


def _steps(
    snapshot: Snapshot,
    choice: SitingChoice,
    today: dt.date,
    halls: Halls | None,
    question: _Question,
    result: SitingResult,
) -> tuple[Step, ...]:
    """Return what each place brings: the best known for so many, and some beyond the answer."""
    known = [point.best for point in result.curve]
    if choice.objective == "mclp" and not question.is_large:  # others take too long to ask twice
        more = _curve_beyond(snapshot, choice, today, halls, question.problem)
        known += more[len(known) :]
    return tuple(_told(known, result, len(result.sites)))


def _curve_beyond(
    snapshot: Snapshot,
    choice: SitingChoice,
    today: dt.date,
    halls: Halls | None,
    problem: SitingProblem,
) -> list[float]:
    count = min(MAX_SITES, max(_LEAST_CURVE, choice.sites + _MORE))

    def make() -> list[float]:
        longer = solve_greedy(problem, Goal(choice.objective, sites=count))
        return [point.best for point in longer.curve]

    if halls is not None or not choice.base.kept:
        return make()
    return snapshot.keep_answer(("sites curve", replace(choice.quick, sites=count), today), make)


def _told(known: Iterable[float], result: SitingResult, asked: int) -> Iterable[Step]:
    distance = result.goal.objective == "pmedian"
    decimals = 1 if distance else 3
    last = result.before
    for number, value in enumerate(known, start=1):
        if not math.isnan(last):  # the best for more sites is never worse
            value = min(value, last) if distance else max(value, last)
        gain = last - value if distance else value - last
        after = value if distance else value / result.people
        if number > asked and gain <= 0:
            return
        yield Step(
            number, round(gain, decimals), round(after, 1 if distance else 6), number <= asked
        )
        last = value
