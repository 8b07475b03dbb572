"""Quick answers: lazy greedy, and exchange of one site for another until none helps."""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from geo_service.siting.problem import Floats, Ints, Model

__all__ = ["choose_greedily", "exchange", "exchange_profits", "prune", "two_best", "without_least"]

_EXCHANGES: Final = 500
"""Most exchanges in one search."""


def choose_greedily(
    model: Model, count: int, *, target: float = np.inf, within: Ints | None = None
) -> tuple[Ints, Floats]:
    """Choose sites one by one, each the one that saves most, and return them with their gains.

    Forced sites come first, in the order of their gains. Ends at `count` sites, or when
    `target` is saved, or when no site saves anything more. Equal gains: the lower id.

    A gain never grows as sites are added, so most need not be computed anew: Leskovec et
    al. (2007), "Cost-effective outbreak detection in networks" (CELF).
    """
    allowed = np.arange(len(model.candidates.ids)) if within is None else within
    free = np.setdiff1d(allowed, model.forced)
    best = np.zeros(len(model.people))
    chosen, gains = _lazily(model, model.forced, len(model.forced), best, keep_all=True)
    missing = target - sum(gains)
    more, their_gains = _lazily(model, free, count - len(chosen), best, target=missing)
    return np.array(chosen + more, dtype=np.int64), np.array(gains + their_gains)


def _lazily(
    model: Model,
    sites: Ints,
    count: int,
    best: Floats,
    *,
    target: float = np.inf,
    keep_all: bool = False,
) -> tuple[list[int], list[float]]:
    """Choose up to `count` of `sites`; `best` is brought up to date."""
    least = -1.0 if keep_all else model.slack
    heap = [(-np.inf, site, -1) for site in sites.tolist()]
    chosen: list[int] = []
    gains: list[float] = []
    while heap and len(chosen) < count and sum(gains) < target - model.slack:
        negative, site, seen = heapq.heappop(heap)
        points, saving = model.row(site)
        if seen != len(chosen):
            gain = float(np.maximum(saving - best[points], 0.0).sum())
            heapq.heappush(heap, (-gain, site, len(chosen)))
            continue
        if -negative <= least:
            break
        chosen.append(site)
        gains.append(-negative)
        best[points] = np.maximum(best[points], saving)
    return chosen, gains


def exchange_profits(model: Model, sites: Ints) -> Floats:
    """Return what exchanging each of `sites` (column) for each candidate (row) would bring.

    For candidates in `sites` the figures mean nothing. Resende & Werneck (2007), "A fast
    swap-based local search procedure for location problems": gain of the one, less loss of
    the other, plus what both would share.
    """
    first, second, owner = two_best(model, sites)
    matrix = model.savings
    # Whatever saves no more than the second best changes nothing.
    some = np.flatnonzero(matrix.data > second[matrix.indices])
    points, saving = matrix.indices[some], matrix.data[some]
    row_of = np.repeat(np.arange(matrix.shape[0]), np.diff(np.searchsorted(some, matrix.indptr)))
    gain = _sums(row_of, np.maximum(saving - first[points], 0.0), matrix.shape[0])
    loss = _sums(owner[owner >= 0], (first - second)[owner >= 0], len(sites))
    shared = np.minimum(saving, first[points]) - second[points]
    both = np.flatnonzero(owner[points] >= 0)
    at = row_of[both] * len(sites) + owner[points[both]]
    extra = _sums(at, shared[both], matrix.shape[0] * len(sites))
    profit: Floats = gain[:, None] - loss + extra.reshape(matrix.shape[0], len(sites))
    return profit


def two_best(model: Model, sites: Ints) -> tuple[Floats, Floats, Ints]:
    """Return each point's best and second best saving, and whose the best is (-1: nobody's)."""
    first, second = np.zeros(len(model.people)), np.zeros(len(model.people))
    owner = np.full(len(model.people), -1)
    for number, site in enumerate(sites.tolist()):
        points, saving = model.row(site)
        before = first[points]
        better = saving > before
        second[points] = np.maximum(second[points], np.minimum(saving, before))
        first[points[better]] = saving[better]
        owner[points[better]] = number
    return first, second, owner


def _sums(groups: Ints, values: Floats, length: int) -> Floats:
    return np.bincount(groups, weights=values, minlength=length).astype(np.float64)


def exchange(
    model: Model, sites: Ints, *, enough: float = np.inf, deadline: float = np.inf
) -> Ints:
    """Exchange one site for another, the best pair each time, until none saves more.

    Forced sites stay. Ends early when the sites save `enough`, or at `deadline`.
    """
    sites = sites.copy()
    fixed = np.isin(sites, model.forced)
    if not len(sites) or fixed.all():
        return sites
    for _ in range(_EXCHANGES):
        if (enough < np.inf and model.worth(sites) >= enough) or time.monotonic() > deadline:
            break
        profit = exchange_profits(model, sites)
        profit[sites] = -np.inf
        profit[:, fixed] = -np.inf
        site, place = divmod(int(profit.argmax()), len(sites))
        if profit[site, place] <= model.slack:
            break
        sites[place] = site
    return sites


def prune(model: Model, sites: Ints, *, deadline: float = -np.inf) -> Ints:
    """Leave out sites while the others save what is needed (lscp); forced ones stay.

    Until `deadline` (`time.monotonic`), the others are exchanged so that one more can go.
    """
    needed = model.needed - model.slack
    while len(sites) > len(model.forced):
        fewer = without_least(model, sites)
        if model.worth(fewer) < needed and time.monotonic() < deadline:
            fewer = exchange(model, fewer, enough=needed)
        if model.worth(fewer) < needed:
            break
        sites = fewer
    return sites


def without_least(model: Model, sites: Ints) -> Ints:
    """Leave out the one site, no forced one, that is missed least."""
    first, second, owner = two_best(model, sites)
    loss = _sums(owner[owner >= 0], (first - second)[owner >= 0], len(sites))
    loss[np.isin(sites, model.forced)] = np.inf
    return np.delete(sites, int(loss.argmin()))
