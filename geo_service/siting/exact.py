"""The best answer there is, by HiGHS on a model made as small as can be proven harmless.

The saving of a demand point is cut into steps, one per distinct saving that a candidate
offers: step t is won where a site offers at least that much. With sites x and steps z,

    maximise  sum of (height of step) * z    subject to
    z[i, t] <= z[i, t - 1] + sum of x[j] over the j that offer exactly step t,
    sum of x <= k,   x 0 or 1,   0 <= z <= 1.

For coverage each point has one step, which is Church & ReVelle's model (1974); for p-median
it is the radius formulation of Cornuéjols, Nemhauser & Wolsey (1980), whose linear
relaxation is as tight as that of ReVelle & Swain (1970).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from geo_service.siting.problem import over_floor

if TYPE_CHECKING:
    from geo_service.siting.problem import Bools, Floats, Ints, Model

__all__ = ["MAX_CORE", "Answer", "choose_best", "core_size", "cover_with_fewest"]

_DOMINANCE_WORK: Final = 60_000_000
"""Pairs of entries in one column looked at, at most, when dominated candidates are sought."""
MAX_CORE: Final = 250_000
"""Savings left to decide on beyond which HiGHS gets nowhere in any time a reader waits."""
_LEAST_TIME_S: Final = 0.05
_PROVEN, _LIMIT, _INFEASIBLE = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What HiGHS found: `sites` or None, and the `bound` of the objective that it proved.

    The bound is of the model it was given; None where it proved none. `complete`: it came
    to its end; then no `sites` means that there are none.
    """

    sites: Ints | None
    bound: float | None
    complete: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Core:
    """What is left to decide: candidates `free`, and the steps they could still win.

    Row r of `offers` (by candidate, over `free`) is a step; `after` is the step below it in
    the same point, or -1; `height` is what it is worth; `settled` is what the candidates that
    every answer has (`always`) save already.
    """

    free: Ints
    always: Ints
    offers: sparse.csr_array
    after: Ints
    height: Floats
    settled: float


def choose_best(
    model: Model, *, count: int, out: Bools, always: Bools, time_limit_s: float, whole: bool
) -> Answer:
    """Find `count` sites that save most, `always` among them and none of `out`.

    `whole`: all savings are whole numbers, so that less than one to the bound is no gap.
    """
    core = _core(model, out, always)
    more = count - len(core.always)
    if more <= 0 or not len(core.height):
        return Answer(core.always, core.settled, True)
    sites, steps = len(core.free), len(core.height)
    scale = 1e4 / core.height.sum()
    cost = -np.concatenate([np.zeros(sites), core.height]) * scale
    limit = _row(np.ones(sites), 0, sites + steps)
    rows = [LinearConstraint(_step_rows(core), 0.0, np.inf), LinearConstraint(limit, 0.0, more)]
    lower = np.zeros(sites + steps)
    least_gap = 0.5 / float(core.height.sum()) if whole else 0.0
    found = _solve(cost, rows, lower, sites, time_limit_s, least_gap)
    bound = found.bound
    return Answer(
        _chosen(core, found.sites),
        None if bound is None else core.settled - bound / scale,
        found.complete,
    )


def cover_with_fewest(
    model: Model, *, most: int, out: Bools, always: Bools, time_limit_s: float
) -> Answer:
    """Find at most `most` sites, as few as can be, that save what is needed (lscp).

    The linear relaxation comes first, for half the time: HiGHS tells no bound of its own
    until it has found an answer, and there may be none.
    """
    core = _core(model, out, always)
    needed, possible = model.needed - core.settled, float(core.height.sum())
    if needed <= model.slack:
        return Answer(core.always, float(len(core.always)), True)
    if possible < needed - model.slack:
        return Answer(None, None, True)
    # A point that alone is more than may be missed is reached by every answer.
    must = core.height > possible - needed + model.slack
    if must.all():
        core, must = _essential(core)
    sites, steps = len(core.free), len(core.height)
    lower = np.concatenate([np.zeros(sites), must.astype(float)])
    people = core.height / core.height.sum()
    enough = 1.0 if must.all() else (needed - model.slack) / possible
    rows = [
        LinearConstraint(_step_rows(core), 0.0, np.inf),
        LinearConstraint(_row(people, sites, sites + steps), enough - 1e-12, np.inf),
    ]
    cost = np.concatenate([np.ones(sites), np.zeros(steps)])
    start = time.monotonic()
    relaxed = _solve(cost, rows, lower, 0, time_limit_s / 2, 0.0).bound or 0.0
    least = math.ceil(relaxed - 1e-6) + len(core.always)
    if least > most:
        return Answer(None, None, True)
    rows.append(LinearConstraint(_row(np.ones(sites), 0, sites + steps), 0.0, most))
    left_s = time_limit_s - (time.monotonic() - start)
    found = _solve(cost, rows, lower, sites, left_s, 0.0)
    bound = max(least, math.ceil((found.bound or 0.0) - 1e-6) + len(core.always))
    return Answer(_chosen(core, found.sites), float(bound), found.complete)


def _solve(
    cost: Floats,
    rows: list[LinearConstraint],
    lower: Floats,
    sites: int,
    time_limit_s: float,
    least_gap: float,
) -> Answer:
    whole = np.arange(len(cost)) < sites
    found = milp(
        cost,
        integrality=whole.astype(float),
        bounds=Bounds(lower, np.ones(len(cost))),
        constraints=rows,
        options={"time_limit": max(_LEAST_TIME_S, time_limit_s), "mip_rel_gap": least_gap},
    )
    chosen = None if found.x is None else np.flatnonzero(found.x[:sites] > 0.5)
    told = found.get("mip_dual_bound") if sites else found.fun
    bound = float(told) if isinstance(told, float) and math.isfinite(told) else None
    return Answer(chosen, bound, found.status in (_PROVEN, _INFEASIBLE))


def _chosen(core: _Core, found: Ints | None) -> Ints | None:
    return None if found is None else np.sort(np.concatenate([core.always, core.free[found]]))


# ------------------------------------------------------------------------ making it small


def core_size(model: Model, out: Bools, always: Bools) -> int:
    """Return how many savings the candidates that are neither out nor settled offer."""
    return int(np.diff(model.savings.indptr)[~out & ~always].sum())


def _core(model: Model, out: Bools, always: Bools) -> _Core:
    """Keep what is undecided: points won already, and candidates out or dominated, go."""
    settled = np.flatnonzero(always)
    best = model.best(settled)
    free = np.flatnonzero(~out & ~always)
    matrix = over_floor(model.savings[free], best)
    one_step = model.goal.objective != "pmedian"
    if one_step:
        matrix = _merged(matrix)
        rows = _undominated(matrix)
        free, matrix = free[rows], _merged(matrix[rows])
    steps, after, height = _steps(matrix)
    return _Core(free, settled, steps, after, height, float(best.sum()))


def _merged(matrix: sparse.csr_array) -> sparse.csr_array:
    """Merge demand points that the same candidates reach; empty ones go.

    Coverage only: each column has one value. Equal sets are told by two 64-bit sums of
    fixed random numbers.
    """
    columns = matrix.tocsc()
    random = np.random.default_rng(20_260_101)
    names = random.integers(0, 2**63, size=(2, matrix.shape[0]), dtype=np.uint64)
    counts = np.diff(columns.indptr)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return sparse.csr_array((matrix.shape[0], 0))
    starts = columns.indptr[:-1][filled]
    sums = np.add.reduceat(names[:, columns.indices], starts, axis=1)
    _, first, group = np.unique(sums.T, axis=0, return_index=True, return_inverse=True)
    people = np.bincount(group.ravel(), weights=columns.data[starts])
    merged = columns[:, filled[first]]
    merged.data = np.repeat(people, np.diff(merged.indptr))
    return merged.tocsr()


def _undominated(matrix: sparse.csr_array) -> Ints:
    """Return the rows that are no subset of another row; of equal ones the first."""
    small, _ = _nested(matrix, first_is_larger=True)
    kept = np.diff(matrix.indptr) > 0
    kept[small] = False
    return np.flatnonzero(kept)


def _nested(matrix: sparse.csr_array, *, first_is_larger: bool) -> tuple[Ints, Ints]:
    """Return pairs of rows (a, b) with a a subset of b; none where that is too much work.

    Of equal rows the first counts as the larger, or as the smaller.
    """
    reach = matrix.copy()
    reach.data = np.ones(len(reach.data))
    per_column = np.bincount(reach.indices, minlength=reach.shape[1]).astype(np.float64)
    if float((per_column**2).sum()) > _DOMINANCE_WORK:
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    sizes = np.diff(reach.indptr)
    shared = (reach @ reach.T).tocoo()
    a, b = shared.row, shared.col
    equal = (sizes[a] == sizes[b]) & ((a > b) if first_is_larger else (a < b))
    found = (shared.data == sizes[a]) & (a != b) & ((sizes[a] < sizes[b]) | equal)
    return a[found], b[found]


def _essential(core: _Core) -> tuple[_Core, Bools]:
    """Leave out steps that are won along with another, and sites then dominated; in turn.

    Only where every step must be won.
    """
    free, offers = core.free, core.offers
    while True:
        before = offers.shape
        _, large = _nested(offers, first_is_larger=False)
        offers = offers[np.setdiff1d(np.arange(offers.shape[0]), large)]
        kept = _undominated(offers.T.tocsr())
        free, offers = free[kept], offers[:, kept]
        if offers.shape == before:
            break
    steps = offers.shape[0]
    height = np.ones(steps)
    smaller = replace(core, free=free, offers=offers, after=np.full(steps, -1), height=height)
    return smaller, np.ones(steps, dtype=bool)


def _steps(matrix: sparse.csr_array) -> tuple[sparse.csr_array, Ints, Floats]:
    """Cut each column into steps from the highest saving down; see the module's text."""
    entries = matrix.tocoo()
    order = np.lexsort((entries.row, -entries.data, entries.col))
    site, point, saving = entries.row[order], entries.col[order], entries.data[order]
    if not len(site):
        return sparse.csr_array((0, matrix.shape[0])), np.zeros(0, dtype=int), np.zeros(0)
    new_point = np.concatenate([[True], np.diff(point) != 0])
    new_step = new_point | np.concatenate([[True], np.diff(saving) != 0])
    step = np.cumsum(new_step) - 1
    first = np.flatnonzero(new_step)
    starts = new_point[first]
    after = np.where(starts, -1, np.arange(len(first)) - 1)
    next_saving = np.append(np.where(starts[1:], 0.0, saving[first][1:]), 0.0)
    offers = sparse.csr_array(
        (np.ones(len(site)), (step, site)), shape=(len(first), matrix.shape[0])
    )
    return offers, after, saving[first] - next_saving


def _step_rows(core: _Core) -> sparse.csr_array:
    """Return the matrix of ``z[t - 1] + sum of x - z[t] >= 0``."""
    steps = len(core.height)
    chained = np.flatnonzero(core.after >= 0)
    chain = sparse.csr_array(
        (np.ones(len(chained)), (chained, core.after[chained])), shape=(steps, steps)
    )
    return sparse.hstack([core.offers, chain - sparse.eye_array(steps)], format="csr")


def _row(values: Floats, at: int, width: int) -> sparse.csr_array:
    """Return one row of `width` columns with `values` from column `at` on."""
    columns = np.arange(at, at + len(values))
    return sparse.csr_array((values, (np.zeros_like(columns), columns)), (1, width))
