"""How much any choice of sites could save at most, by Lagrangian relaxation.

A demand point is served by the best site only. Relaxing that with a price per point gives,
for every prices >= 0,

    L = sum of prices + the k largest of  worth[j] = sum over i of max(0, saving[j, i] - price[i])

which no k sites can beat (Cornuéjols, Fisher & Nemhauser 1977). Prices are improved by the
subgradient method; the best L comes near the bound of the linear relaxation, at the cost of
one pass over the matrix per step.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from geo_service.siting.greedy import exchange, two_best

if TYPE_CHECKING:
    from geo_service.siting.problem import Bools, Floats, Ints, Model

__all__ = ["Prices", "fewest_sites", "improve_prices"]

_WORK: Final = 150_000_000
"""Entries of the matrix looked at, at most: the number of steps is no matter of the clock."""
_SURE_STEPS: Final = 30
"""Steps made whatever the clock says."""
_PATIENCE: Final = 15
"""Steps without a better bound after which the step length is halved."""
_SMALLEST_STEP: Final = 1e-4
_PRICES_TRIED: Final = np.geomspace(1e-3, 1e3, 13)
"""Prices of a person in sites, times the mean people of a point."""


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """The best prices found for `count` sites: their bound, and each candidate's worth.

    `forced` are in every choice.
    """

    count: int
    forced: Ints
    price_sum: float
    worth: Floats

    def free(self) -> Floats:
        """Return the worth of candidates that are not forced; forced ones get -inf."""
        worth = self.worth.copy()
        worth[self.forced] = -np.inf
        return worth

    def bound(self, count: int | None = None) -> float:
        """Return what `count` sites, forced ones among them, can save at most."""
        more = (self.count if count is None else count) - len(self.forced)
        most = np.sort(self.free())[::-1][: max(more, 0)]
        most = most[np.isfinite(most)]
        return float(self.price_sum + self.worth[self.forced].sum() + most.sum())

    def settle(self, wanted: float) -> tuple[Bools, Bools]:
        """Say which candidates are in no choice, and which in every choice, that saves `wanted`.

        Forced ones are in every choice.
        """
        free, more = self.free(), self.count - len(self.forced)
        ranked = np.sort(free)[::-1]
        bound = self.bound()
        last = ranked[more - 1] if 0 < more <= len(ranked) else 0.0
        following = ranked[more] if more < len(ranked) else 0.0
        last, following = (max(float(value), 0.0) for value in (last, following))
        inside = free >= last if more > 0 else np.zeros(len(free), dtype=bool)
        out = ~inside & (bound - last + free < wanted)
        always = inside & (bound - free + following < wanted)
        out[self.forced], always[self.forced] = False, True
        return out, always


def improve_prices(
    model: Model,
    sites: Ints,
    *,
    count: int,
    wanted: float,
    steps: int,
    attempts: int,
    deadline: float,
) -> tuple[Prices, Ints]:
    """Lower the bound of `count` sites step by step; better sites met on the way are kept.

    Parameters
    ----------
    model
        What is to be saved.
    sites
        The best sites known.
    count
        How many sites the bound is for.
    wanted
        Stop once the bound is below this.
    steps
        Most steps; fewer where the matrix is large.
    attempts
        Choices met on the way that are improved by exchange, at most.
    deadline
        Stop at this time of `time.monotonic`.

    Returns
    -------
    prices, sites
        The prices with the lowest bound, and the best sites known now.
    """
    climb = _Climb(model, count)
    first, second, _ = two_best(model, sites)
    value = float(first.sum())
    price, length, waited = (first + second) / 2, 1.0, 0
    lowest: Prices | None = None
    most = 0.0
    for step in range(max(_SURE_STEPS, min(steps, _WORK // max(1, model.savings.nnz)))):
        prices, chosen, slope = climb.look(price)
        bound = prices.bound()
        if lowest is None or bound < lowest.bound() - 1e-6 * abs(bound):
            waited = 0
            in_time = time.monotonic() < deadline
            if attempts and in_time and (worth := model.worth(chosen)) > most:
                most, attempts = worth, attempts - 1
                sites, value = _better(model, chosen, sites, value, deadline)
        else:
            waited += 1
        if lowest is None or bound < lowest.bound():
            lowest = prices
        if waited >= _PATIENCE:
            length, waited = length / 2, 0
        slope[(price <= 0) & (slope > 0)] = 0.0
        norm = float(slope @ slope)
        gap = bound - value
        late = step >= _SURE_STEPS and time.monotonic() > deadline
        over = min(lowest.bound() - wanted, gap) <= 0
        if over or not norm or length < _SMALLEST_STEP or late:
            break
        price = np.maximum(0.0, price - length * gap / norm * slope)
    if lowest is None:
        raise RuntimeError("no step was made")
    return lowest, sites


def fewest_sites(model: Model) -> int:
    """Return a number of sites that no choice saving what is needed can be below (lscp).

    Dual ascent: each demand point offers up to ``price * people`` for being reached, points
    with fewest candidates first, as long as no candidate is offered more than 1 in all. Then

        sites >= sum of offers - price * (people that can be reached - people needed),

    by weak duality with the linear relaxation. The best of several prices counts.
    """
    left = model.savings.copy()
    best = model.best(model.forced)
    left.data[best[left.indices] > 0] = 0.0
    left.eliminate_zeros()
    by_point = left.tocsc()
    counts = np.diff(by_point.indptr)
    people = np.zeros(len(counts))
    people[counts > 0] = by_point.data[by_point.indptr[:-1][counts > 0]]
    missable = float(people.sum()) - (model.needed - model.slack - float(best.sum()))
    if float(people.sum()) <= missable:
        return len(model.forced)
    order = np.lexsort((-people, counts))[np.count_nonzero(counts == 0) :]
    near = [by_point.indices[by_point.indptr[i] : by_point.indptr[i + 1]] for i in order]
    highest: float = max(
        _offered(near, price * people[order], left.shape[0]) - price * missable
        for price in _PRICES_TRIED / people[people > 0].mean()
    )
    return len(model.forced) + max(0, math.ceil(highest - 1e-6))


def _offered(near: list[Ints], most: Floats, candidates: int) -> float:
    """Return the sum of offers, each at most `most`, to candidates that take 1 each."""
    room = np.ones(candidates)
    total = 0.0
    for sites, wanted in zip(near, most.tolist(), strict=True):
        offer = min(wanted, float(room[sites].min()))
        room[sites] -= offer
        total += offer
    return total


def _better(
    model: Model, chosen: Ints, sites: Ints, value: float, deadline: float
) -> tuple[Ints, float]:
    found = exchange(model, chosen, deadline=deadline)
    worth = model.worth(found)
    return (found, worth) if worth > value + model.slack else (sites, value)


class _Climb:
    """One look at the relaxed problem at a time."""

    def __init__(self, model: Model, count: int) -> None:
        self._model = model
        self._count = count
        matrix = model.savings
        self._row_of = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))

    def look(self, price: Floats) -> tuple[Prices, Ints, Floats]:
        """Return the bound at `price`, the sites it would choose, and the slope there."""
        matrix, forced = self._model.savings, self._model.forced
        left = np.maximum(matrix.data - price[matrix.indices], 0.0)
        worth: Floats = np.bincount(self._row_of, weights=left, minlength=matrix.shape[0]).astype(
            np.float64
        )
        prices = Prices(self._count, forced, float(price.sum()), worth)
        ranked = np.argsort(-prices.free(), kind="stable")[: self._count - len(forced)]
        ranked = ranked[~np.isin(ranked, forced)]
        chosen = np.sort(np.concatenate([forced, ranked]))
        served = np.zeros(len(price))
        for site in chosen.tolist():
            points, saving = self._model.row(site)
            served[points] += saving > price[points]
        return prices, chosen, 1.0 - served
