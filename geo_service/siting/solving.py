"""From a problem to a result: greedy in milliseconds, then the best there is, with its proof."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from geo_service.errors import QueryError
from geo_service.siting.bounds import Prices, fewest_sites, improve_prices
from geo_service.siting.exact import MAX_CORE, choose_best, core_size, cover_with_fewest
from geo_service.siting.explanation import SitingResult, explain, reach
from geo_service.siting.greedy import choose_greedily, exchange, prune, two_best, without_least
from geo_service.siting.problem import build_model, over_floor

if TYPE_CHECKING:
    from geo_service.siting.problem import Floats, Goal, Ints, Model, SitingProblem

__all__ = ["solve", "solve_greedy"]

_PRICES_SHARE: Final = 0.25
_LARGE_PRICES_SHARE: Final = 0.8
_PRUNING_SHARE: Final = 0.2
"""Parts of the time limit by which the bound must end, that of a model too large for HiGHS
unless the bound makes it smaller, and before it exchange for lscp."""
_LARGE: Final = 300_000
"""Entries from which p-median looks at near candidates only; see `_near_part`."""
_MARGIN: Final = 0.25
_TOLERANCE: Final = 1e-7
"""A relative gap below this is none: it is within what HiGHS calls feasible and optimal."""


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Sites, and what no others can beat: savings (mclp, pmedian) or a number of sites (lscp)."""

    sites: Ints
    bound: float


def solve_greedy(problem: SitingProblem, goal: Goal) -> SitingResult:
    """Choose sites greedily, then exchange them one for one while that helps.

    Milliseconds for coverage of the Land's municipalities. The gap is to a quick bound.

    Raises
    ------
    QueryError
        If the problem is too large, or contradicts itself; see `build_model`.
    """
    return _answer(problem, goal, "greedy", 0.0)


def solve(problem: SitingProblem, goal: Goal, *, time_limit_s: float = 10.0) -> SitingResult:
    """Find the best sites, or the best known within the time, never worse than greedy.

    The time limit is kept but for building the model and the last steps of HiGHS, which can
    take as long again; `solve_in_process` ends those too. Where the limit does not end the
    search, equal input gives an equal answer, whatever the order of candidates and points.

    Raises
    ------
    QueryError
        If the problem is too large, or contradicts itself; see `build_model`.
    """
    if not 0 < time_limit_s < math.inf:
        raise QueryError(f"time_limit_s: expected seconds over 0, got {time_limit_s}")
    return _answer(problem, goal, "exact", time_limit_s)


def _answer(
    problem: SitingProblem, goal: Goal, method: Literal["greedy", "exact"], limit_s: float
) -> SitingResult:
    start = time.monotonic()
    model = build_model(problem, goal)
    is_cover = goal.objective == "lscp"
    count, target = (
        (len(model.candidates.ids), model.needed) if is_cover else (goal.sites or 0, math.inf)
    )
    sites, gains = choose_greedily(model, count, target=target)
    if not meets_target(model, sites):
        found = _Found(exchange(model, sites), math.nan)
    else:
        seek = _seek_fewest if is_cover else _seek_best
        found = seek(model, sites, _Effort(start, limit_s))
    return _result(model, found, gains, method, start)


def meets_target(model: Model, sites: Ints) -> bool:
    """Say whether sites reach the share asked for; where none is, they do."""
    return model.goal.objective != "lscp" or model.worth(sites) >= model.needed - model.slack


@dataclass(frozen=True, slots=True)
class _Effort:
    """How hard to look: with a limit of 0 only for a quick bound, without HiGHS."""

    start: float
    limit_s: float

    def until(self, part: float) -> float:
        """Return the time of `time.monotonic` at which a part of the limit is used up."""
        return self.start + part * self.limit_s

    @property
    def left_s(self) -> float:
        return self.until(1.0) - time.monotonic()

    def improve(
        self, model: Model, sites: Ints, *, count: int, wanted: float = -math.inf
    ) -> tuple[Prices, Ints]:
        """Improve the bound, and with it the sites if there is time for that."""
        share = _PRICES_SHARE if model.savings.nnz <= MAX_CORE else _LARGE_PRICES_SHARE
        deadline = self.until(share) if self.limit_s else -math.inf
        return improve_prices(model, sites, count=count, wanted=wanted, deadline=deadline)


# ------------------------------------------------------------------ most people, least way


def _seek_best(model: Model, sites: Ints, effort: _Effort) -> _Found:
    count = model.goal.sites or 0
    sites = _exchanged(model, sites)
    if _is_closed(model, model.worth(sites), model.most):
        return _closed(model, sites, model.most)
    near, offset = _near_part(model, sites)
    prices, met = effort.improve(near, sites, count=count)
    sites = _better(model, sites, met)
    value = model.worth(sites)
    # What was left out was compared with this, so that no bound can be below it.
    known = max(value, near.worth(met) + offset)
    bound = min(model.most, _rounded(model, max(known, prices.bound() + offset)))
    least = known + (0.5 if _is_whole(model) else model.slack)
    out, always = prices.settle(least - offset)
    small = core_size(near, out, always) <= MAX_CORE
    if effort.left_s <= 0 or not small or _is_closed(model, value, bound):
        return _closed(model, sites, bound)
    answer = choose_best(
        near,
        count=count,
        out=out,
        always=always,
        time_limit_s=effort.left_s,
        whole=_is_whole(model),
    )
    if answer.sites is not None:
        sites = _better(model, sites, answer.sites)
    if answer.bound is not None:
        bound = min(bound, _rounded(model, max(known, answer.bound + offset)))
    elif answer.complete:
        bound = known
    return _closed(model, sites, bound)


def _exchanged(model: Model, sites: Ints) -> Ints:
    """Exchange sites among near candidates first, where there are many, then among all."""
    near, _ = _near_part(model, sites)
    return exchange(model, sites if near is model else exchange(near, sites))


def _better(model: Model, sites: Ints, found: Ints) -> Ints:
    """Return the better sites; those found only if they are better for sure."""
    if np.array_equal(sites, found):
        return sites
    found = exchange(model, found)
    return found if model.worth(found) > model.worth(sites) + model.slack else sites


def _is_whole(model: Model) -> bool:
    """Say whether all savings are whole numbers, so that a bound can be rounded down."""
    return model.goal.objective != "pmedian" and bool((model.savings.data % 1 == 0).all())


def _rounded(model: Model, bound: float) -> float:
    return math.floor(bound + 1e-3) if _is_whole(model) else bound


def _closed(model: Model, sites: Ints, bound: float) -> _Found:
    value = model.worth(sites)
    return _Found(sites, value if _is_closed(model, value, bound) else bound)


def _is_closed(model: Model, value: float, bound: float) -> bool:
    """Say whether what is told of both, people or metres left to walk, is the same."""
    told = model.base - value if model.goal.objective == "pmedian" else value
    return bound - value <= _TOLERANCE * max(1.0, told)


def _near_part(model: Model, sites: Ints) -> tuple[Model, float]:
    """Return a smaller model that is never worth less than the whole by more than the offset.

    Every demand point is granted a floor, what a candidate somewhat beyond its second
    nearest chosen site would save; candidates that save it less are left out. For any
    choice: worth <= offset + worth in the smaller model, so that its bound is one of the whole.
    """
    if model.goal.objective != "pmedian" or model.savings.nnz <= _LARGE:
        return model, 0.0
    _, second, _ = two_best(model, sites)
    top = model.savings.max(axis=0).toarray()
    floor = np.maximum(0.0, second - _MARGIN * (top - second))
    return replace(model, savings=over_floor(model.savings, floor)), float(floor.sum())


# -------------------------------------------------------------------------- fewest sites


def _seek_fewest(model: Model, sites: Ints, effort: _Effort) -> _Found:
    """Try to do with one site less, until that is proven impossible or time is over."""
    wanted = model.needed - model.slack
    sites = prune(model, sites, deadline=effort.until(_PRUNING_SHARE))
    while True:
        count = len(sites) - 1
        if count < len(model.forced):
            return _Found(sites, len(sites))
        fewer = without_least(model, sites)
        prices, met = effort.improve(model, fewer, count=count, wanted=wanted)
        if model.worth(met) < wanted:
            break
        sites = prune(model, met)
    bound = max(_fewest(prices, wanted, len(sites)), fewest_sites(model))
    if effort.left_s <= 0 or bound >= len(sites):
        return _Found(exchange(model, sites), bound)
    out, always = prices.settle(wanted)
    answer = cover_with_fewest(
        model, most=count, out=out, always=always, time_limit_s=effort.left_s
    )
    if answer.sites is not None and model.worth(answer.sites) >= wanted:
        sites = answer.sites
    elif answer.complete and answer.sites is None:
        bound = len(sites)
    if answer.bound is not None:
        bound = max(bound, min(len(sites), math.ceil(answer.bound - 1e-6)))
    return _Found(exchange(model, sites), bound)


def _fewest(prices: Prices, wanted: float, most: int) -> int:
    """Return the least number of sites whose bound allows what is wanted."""
    fewest = len(prices.forced)
    while fewest < most and prices.bound(fewest) < wanted:
        fewest += 1
    return fewest


# ------------------------------------------------------------------------------ the result


def _result(
    model: Model,
    found: _Found,
    greedy_gains: Floats,
    method: Literal["greedy", "exact"],
    start: float,
) -> SitingResult:
    sites, curve = explain(model, found.sites, greedy_gains)
    worth = model.worth(found.sites)
    value, bound = _value_and_bound(model, found, worth)
    gap = max(0.0, bound - value if model.goal.objective == "mclp" else value - bound)
    gap = math.nan if math.isnan(bound) else gap
    whole = bound if model.goal.objective == "mclp" else value
    return SitingResult(
        goal=model.goal,
        method=method,
        sites=sites,
        value=value,
        bound=bound,
        gap=gap,
        gap_share=gap / whole if whole else gap,
        is_optimal=gap == 0.0,
        before=math.nan if _no_way_before(model) else float(reach(model, 0.0)),
        after=float(reach(model, worth)),
        people=model.total,
        people_unknown=model.people_unknown,
        target_met=meets_target(model, found.sites),
        attainable_share=_attainable_share(model),
        curve=curve,
        seconds=time.monotonic() - start,
    )


def _value_and_bound(model: Model, found: _Found, worth: float) -> tuple[float, float]:
    if model.goal.objective == "lscp":
        return float(len(found.sites)), float(found.bound)
    if model.goal.objective == "mclp":
        return worth, found.bound
    return float(reach(model, worth)), float(reach(model, found.bound))


def _no_way_before(model: Model) -> bool:
    return model.goal.objective == "pmedian" and model.from_nothing


def _attainable_share(model: Model) -> float:
    if model.goal.objective == "pmedian":
        return math.nan
    everybody = model.worth(np.arange(len(model.candidates.ids)))
    return (model.base + everybody) / model.total
