"""How much any choice of sites could save at most, by Lagrangian relaxation.

A demand point is served by the best site only. Relaxing that with a price per point gives,
for every prices >= 0,

    L = sum of prices + the k largest of  worth[j] = sum over i of max(0, saving[j, i] - price[i])

which no k sites can beat (Cornuéjols, Fisher & Nemhauser 1977). Prices are improved by the
subgradient method: some plain steps, which come near quickly, then shorter ones that keep
most of the former direction (Camerini, Fratta & Maffioli 1975), which come nearly to the
bound of the linear relaxation. What no better choice can have is left out on the way, so
that steps become ever cheaper.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from geo_service.siting.greedy import exchange, two_best

if TYPE_CHECKING:
    from geo_service.siting.problem import Bools, Floats, Ints, Model

__all__ = ["Prices", "fewest_sites", "improve_prices"]

_SURE_STEPS: Final = 40
"""Steps made whatever the clock says: the plain ones."""
_MOST_STEPS: Final = 20_000
_TRY_EVERY: Final = 25
"""Steps, beyond those, after which the choice they lead to may be improved by exchange."""
_WORTHWHILE: Final = 1e-4
"""What part of the gap the bound must fall by not to count as waiting."""
_SMALLEST_STEP: Final = 1e-4
_MANY: Final = 0.1
"""What part of the matrix is worth leaving out."""
_PRICES_TRIED: Final = np.geomspace(1e-3, 1e3, 13)
"""Prices of a person in sites, times the mean people of a point."""


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Prices for `count` sites: a `price` per demand point, and each candidate's worth.

    `forced` are in every choice; candidates worth -inf are in none.
    """

    count: int
    forced: Ints
    price: Floats
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
        return float(self.price.sum() + self.worth[self.forced].sum() + most.sum())

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
    model: Model, sites: Ints, *, count: int, wanted: float, deadline: float
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
    deadline
        Stop at this time of `time.monotonic`; -inf: only a quick bound, the sites stay.

    Returns
    -------
    prices, sites
        The prices with the lowest bound, and the best sites known now. Candidates that are
        in no choice better than these, or none that saves `wanted`, are worth -inf: the bound
        is one of choices without them.
    """
    climb = _Climb(model, sites, count=count, wanted=wanted)
    for step in range(_MOST_STEPS):
        sure = step < _SURE_STEPS
        if not sure and time.monotonic() >= deadline:
            break
        if step == _SURE_STEPS:
            climb.start(_STEADY)
        chosen = climb.look()
        if not sure and step % _TRY_EVERY == 0:
            climb.try_exchange(chosen, deadline)
        climb.leave_out()
        if climb.is_over() or not climb.go_on(chosen):
            break
    return climb.lowest, climb.sites


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


@dataclass(frozen=True, slots=True)
class _Pace:
    """How far to step, as a part of the gap; how much of the direction stays; when to slow."""

    length: float
    kept: float
    patience: int


_PLAIN: Final = _Pace(length=1.0, kept=0.0, patience=15)
_STEADY: Final = _Pace(length=0.1, kept=0.9, patience=30)


class _Climb:
    """The way from prices to better prices, and the best sites met on it."""

    def __init__(self, model: Model, sites: Ints, *, count: int, wanted: float) -> None:
        first, second, _ = two_best(model, sites)
        self.sites, self.value = sites, float(first.sum())
        self._count, self._wanted = count, wanted
        self._most = 0.0
        self._out = np.zeros(model.savings.shape[0], dtype=bool)
        self._take(model)
        self.lowest = self._prices((first + second) / 2)
        self._bound = self._lowest = self.lowest.bound()
        self.start(_PLAIN)

    def start(self, pace: _Pace) -> None:
        """Go on from the best prices, at another pace."""
        self._pace, self._length = pace, pace.length
        self._turn_back()

    def _turn_back(self) -> None:
        self._price, self._waited = self.lowest.price, 0
        self._direction: Floats | None = None

    def look(self) -> Ints:
        """Look at the prices, and return the sites that they lead to."""
        prices = self._prices(self._price)
        self._bound = prices.bound()
        self._waited += 1
        fall = self._lowest - self._bound
        if fall > _WORTHWHILE * (self._lowest - self.value):
            self._waited = 0
        if fall > 0:
            self.lowest, self._lowest = prices, self._bound
        free, forced = prices.free(), prices.forced
        ranked = np.argsort(-free, kind="stable")[: self._count - len(forced)]
        return np.sort(np.concatenate([forced, ranked[np.isfinite(free[ranked])]]))

    def try_exchange(self, chosen: Ints, deadline: float) -> None:
        """Improve the chosen sites if they are the best yet that prices alone led to."""
        worth = self.model.worth(chosen)
        if worth <= self._most:
            return
        self._most = worth
        found = exchange(self.model, chosen, deadline=deadline)
        worth = self.model.worth(found)
        if worth > self.value + self.model.slack:
            self.sites, self.value = found, worth

    def leave_out(self) -> None:
        """Leave out the candidates that no choice wanted has, where they are many."""
        wanted = max(self._wanted, self.value + self.model.slack)
        out = self._out | self.lowest.settle(wanted)[0]
        sizes = np.diff(self.model.savings.indptr)
        if sizes[out].sum() > _MANY * sizes.sum():
            self._out = out
            self._take(replace(self.model, savings=_without(self.model.savings, out)))

    def is_over(self) -> bool:
        """Say whether nothing better can be hoped for, or what is wanted is found."""
        found = self.value >= self._wanted > -math.inf
        return found or self._lowest <= max(self._wanted, self.value)

    def go_on(self, chosen: Ints) -> bool:
        """Take a step from the prices that lead to `chosen`; say whether there is one."""
        if self._waited >= self._pace.patience:
            self._length /= 2
            self._turn_back()
            return self._length >= _SMALLEST_STEP
        slope = self._slope(chosen)
        if self._direction is not None:
            slope += self._pace.kept * (self._direction - slope)
            slope[(self._price <= 0) & (slope > 0)] = 0.0
        self._direction = slope
        norm = float(slope @ slope)
        if norm:
            step = self._length * (self._bound - self.value) / norm
            self._price = np.maximum(0.0, self._price - step * slope)
        return norm > 0

    def _take(self, model: Model) -> None:
        """Work on this model, the whole or what is left of it."""
        matrix = model.savings
        self.model, self._savings = model, matrix.data
        self._points = matrix.indices.astype(np.intp)
        self._left = np.empty(len(self._savings))
        self._filled = np.flatnonzero(np.diff(matrix.indptr))
        self._starts = matrix.indptr[self._filled]

    def _prices(self, price: Floats) -> Prices:
        """Return what candidates are worth at the prices.

        Into an array that is kept: a new one would take as long as the sums.
        """
        left = self._left
        np.take(price, self._points, out=left, mode="clip")
        np.subtract(self._savings, left, out=left)
        np.maximum(left, 0.0, out=left)
        worth = np.where(self._out, -np.inf, 0.0)
        worth[self._filled] = np.add.reduceat(left, self._starts)
        return Prices(self._count, self.model.forced, price, worth)

    def _slope(self, chosen: Ints) -> Floats:
        slope = np.ones(len(self._price))
        for site in chosen.tolist():
            points, saving = self.model.row(site)
            slope[points] -= saving > self._price[points]
        slope[(self._price <= 0) & (slope > 0)] = 0.0
        return slope


def _without(savings: sparse.csr_array, out: Bools) -> sparse.csr_array:
    """Return the savings with nothing in the rows that are out."""
    sizes = np.diff(savings.indptr)
    kept = np.repeat(~out, sizes)
    starts = np.concatenate([[0], np.cumsum(sizes * ~out)]).astype(savings.indptr.dtype)
    return sparse.csr_array((savings.data[kept], savings.indices[kept], starts), savings.shape)
