"""What siting is asked, and the one matrix that all three objectives are solved on.

Each objective is a facility location problem: a set of sites S is worth
``sum over demand points i of max over j in S of saving[j, i]``. For coverage the saving is
the people of a point that nobody reaches yet, for p-median their way saved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from geo_service.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.signedinteger[Any]]
    Objects = NDArray[np.object_]

__all__ = [
    "MAX_PAIRS",
    "MAX_SITES",
    "OBJECTIVES",
    "Candidates",
    "Goal",
    "Model",
    "Objective",
    "SitingProblem",
    "build_model",
    "over_floor",
]

Objective = Literal["mclp", "lscp", "pmedian"]
OBJECTIVES: Final[tuple[Objective, ...]] = ("mclp", "lscp", "pmedian")

MAX_SITES: Final = 50
"""Most sites that can be asked for; an answer to "fewest sites" may have more."""

MAX_PAIRS: Final = 40_000_000
"""Most pairs of demand point and candidate in one problem (12 bytes each, some work beside)."""

_PAIRS_AT_ONCE: Final = 2_000_000
_HAIR: Final = 1 + 1e-9
"""Pairs are found a hair beyond the radius, so that the comparison with it alone decides."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Where a new place could be: `ids` are unique, `xy_m` has shape (n, 2) in EPSG:25832.

    `labels` are for readers; `ags` is the municipality a candidate stands in, None where
    there is none.
    """

    ids: tuple[str, ...]
    xy_m: Floats
    labels: tuple[str, ...]
    ags: tuple[str | None, ...]

    def take(self, rows: Ints | Bools) -> Candidates:
        """Return the candidates of `rows`, in that order."""
        chosen = np.arange(len(self.ids))[rows].tolist()
        return Candidates(
            tuple(self.ids[row] for row in chosen),
            self.xy_m[chosen],
            tuple(self.labels[row] for row in chosen),
            tuple(self.ags[row] for row in chosen),
        )


@dataclass(frozen=True, slots=True, eq=False)
class SitingProblem:
    """Who should be reached, what is there already, and where something could be added.

    Parameters
    ----------
    demand_xy_m
        Where people are: shape (n, 2), metres in EPSG:25832.
    people
        How many are at each point, 0 or more; NaN is unknown and is in no sum.
    demand_ags
        The municipality of each point.
    existing_xy_m
        The places that there are, shape (m, 2). They stay.
    candidates
        Where a new place could be.
    radius_m
        Within this distance, as the crow flies and its end included, people are reached.
        p-median does not use it.
    forced, excluded
        Ids of candidates that every answer has, or none has.

    Raises
    ------
    QueryError
        If lengths differ, a coordinate is not finite, a figure is negative, an id is not
        unique, `forced` or `excluded` names no candidate, or both name the same.
    """

    demand_xy_m: Floats
    people: Floats
    demand_ags: Objects
    existing_xy_m: Floats
    candidates: Candidates
    radius_m: float
    forced: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check what can be checked without measuring a distance."""
        count, choices = len(self.people), self.candidates
        _check_points("demand_xy_m", self.demand_xy_m, count)
        _check_points("existing_xy_m", self.existing_xy_m, len(self.existing_xy_m))
        _check_points("candidates", choices.xy_m, len(choices.ids))
        if not len(self.demand_ags) == count:
            raise QueryError(f"demand_ags: expected {count} keys, got {len(self.demand_ags)}")
        if not len(choices.labels) == len(choices.ags) == len(choices.ids):
            raise QueryError("candidates: expected as many labels and ags as ids")
        if len(set(choices.ids)) != len(choices.ids):
            raise QueryError("candidates: expected unique ids")
        if bool((self.people < 0).any()) or bool(np.isinf(self.people).any()):
            raise QueryError("people: expected numbers from 0, or NaN for unknown")
        if not 0 < self.radius_m < math.inf:
            raise QueryError(f"radius_m: expected metres over 0, got {self.radius_m}")
        unknown = (self.forced | self.excluded) - set(choices.ids)
        if unknown:
            raise QueryError(f"forced, excluded: expected candidates, got {sorted(unknown)[:5]}")
        if self.forced & self.excluded:
            raise QueryError(
                f"forced, excluded: expected one of both, got {sorted(self.forced & self.excluded)}"
            )

    def limited_to(
        self,
        *,
        demand_ags: Collection[str] | None = None,
        candidate_ags: Collection[str] | None = None,
    ) -> SitingProblem:
        """Return the problem of a region: only its people count, only its candidates stand.

        Existing places beyond the region keep reaching people in it. None: no limit. Forced
        and excluded candidates that are left out are no longer named.
        """
        problem = self
        if demand_ags is not None:
            inside = np.isin(self.demand_ags.astype(str), sorted(demand_ags))
            problem = replace(
                problem,
                demand_xy_m=self.demand_xy_m[inside],
                people=self.people[inside],
                demand_ags=self.demand_ags[inside],
            )
        if candidate_ags is not None:
            wanted = frozenset(candidate_ags)
            chosen = np.array([ags in wanted for ags in self.candidates.ags], dtype=bool)
            kept = self.candidates.take(chosen)
            names = frozenset(kept.ids)
            problem = replace(
                problem,
                candidates=kept,
                forced=self.forced & names,
                excluded=self.excluded & names,
            )
        return problem


def _check_points(name: str, xy_m: Floats, count: int) -> None:
    if xy_m.shape != (count, 2) or not bool(np.isfinite(xy_m).all()):
        raise QueryError(f"{name}: expected {count} finite points (x, y), got shape {xy_m.shape}")


@dataclass(frozen=True, slots=True)
class Goal:
    """What to look for: `sites` new places (mclp, pmedian), or a `share` of all people (lscp).

    Raises
    ------
    QueryError
        If the objective is unknown, or its number is missing, extra or out of range.
    """

    objective: Objective
    sites: int | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        """Check that the objective has its number, and only that."""
        if self.objective not in OBJECTIVES:
            raise QueryError(f"objective: expected one of {OBJECTIVES}, got {self.objective!r}")
        if self.objective == "lscp":
            if self.sites is not None or self.share is None or not 0 < self.share <= 1:
                raise QueryError(f"share: expected over 0 to 1 for lscp, got {self.share}")
        elif self.share is not None or self.sites is None or not 1 <= self.sites <= MAX_SITES:
            raise QueryError(f"sites: expected 1 to {MAX_SITES}, got {self.sites}")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A problem made ready: who counts, which candidates stand, and what each saves whom.

    Candidates are sorted by id and demand points by place, so that the order of the input
    has no say. `savings` has a row per candidate and a column per demand point, only entries
    over 0: people (mclp, lscp) or person-metres (pmedian). `base` is what is to be saved
    from: people reached already, or the person-metres that are walked today; where there is
    no place today, those to the farthest candidate (`from_nothing`).
    """

    goal: Goal
    candidates: Candidates
    forced: Ints
    people: Floats
    demand_ags: Objects
    people_unknown: int
    base: float
    from_nothing: bool
    savings: sparse.csr_array

    @property
    def total(self) -> float:
        """All people known."""
        return float(self.people.sum())

    @property
    def needed(self) -> float:
        """People still to be reached for the share asked for (lscp), at least 0."""
        return max(0.0, (self.goal.share or 0.0) * self.total - self.base)

    @property
    def slack(self) -> float:
        """What two sums of the same figures may differ by through rounding."""
        return 1e-9 * max(1.0, self.total if self.goal.objective != "pmedian" else self.base)

    def row(self, site: int) -> tuple[Ints, Floats]:
        """Return the demand points that a candidate saves something, and what."""
        part = slice(self.savings.indptr[site], self.savings.indptr[site + 1])
        return self.savings.indices[part], self.savings.data[part]

    def best(self, sites: Ints) -> Floats:
        """Return what each demand point is saved by the best of `sites`."""
        best = np.zeros(len(self.people))
        for site in sites.tolist():
            points, saving = self.row(site)
            best[points] = np.maximum(best[points], saving)
        return best

    def worth(self, sites: Ints) -> float:
        """Return what a set of sites saves together."""
        return float(self.best(sites).sum())

    @property
    def most(self) -> float:
        """Return what all candidates save together, which no choice can beat."""
        return float(self.savings.max(axis=0).sum()) if self.savings.nnz else 0.0


def build_model(problem: SitingProblem, goal: Goal) -> Model:
    """Measure distances and make the matrix.

    Raises
    ------
    QueryError
        If there are more pairs than `MAX_PAIRS`, nobody is known to live there, more
        sites are forced than asked for, or, for p-median, there is neither a place nor a
        candidate.
    """
    choices = problem.candidates
    standing = [row for row, name in enumerate(choices.ids) if name not in problem.excluded]
    rows = np.array(sorted(standing, key=lambda row: choices.ids[row]), dtype=np.int64)
    candidates = choices.take(rows)
    forced = np.flatnonzero([name in problem.forced for name in candidates.ids])
    if goal.sites is not None and len(forced) > goal.sites:
        raise QueryError(f"forced: expected at most {goal.sites} sites, got {len(forced)}")
    known = ~np.isnan(problem.people)
    ags = problem.demand_ags[known].astype(str)
    people, xy_m = problem.people[known], problem.demand_xy_m[known]
    order = np.lexsort((people, ags, xy_m[:, 1], xy_m[:, 0]))
    people, xy_m, ags = people[order], xy_m[order], ags[order]
    if not people.sum() > 0:
        raise QueryError("people: expected somebody to reach, got nobody known")
    nearest_m = _nearest(xy_m, problem.existing_xy_m)
    if goal.objective == "pmedian":
        base, savings = _ways_saved(xy_m, people, nearest_m, candidates.xy_m)
    else:
        reached = nearest_m <= problem.radius_m
        base = float(people[reached].sum())
        counts = np.where(reached, 0.0, people)
        savings = _people_reached(xy_m, counts, candidates.xy_m, problem.radius_m)
    return Model(
        goal,
        candidates,
        forced,
        people,
        ags.astype(object),
        int((~known).sum()),
        base,
        not len(problem.existing_xy_m),
        savings,
    )


def _nearest(xy_m: Floats, places_xy_m: Floats) -> Floats:
    if not len(places_xy_m) or not len(xy_m):
        return np.full(len(xy_m), np.inf)
    nearest_m: Floats = cKDTree(places_xy_m).query(xy_m)[0]
    return nearest_m


def _people_reached(
    xy_m: Floats, people: Floats, candidates_xy_m: Floats, radius_m: float
) -> sparse.csr_array:
    """Return the people within the radius of each candidate, entries over 0 only."""
    shape = (len(candidates_xy_m), len(people))
    needy = np.flatnonzero(people > 0)
    if not len(needy) or not shape[0]:
        return sparse.csr_array(shape)
    tree = cKDTree(candidates_xy_m)
    counts = tree.query_ball_point(xy_m[needy], radius_m * _HAIR, return_length=True)
    _check_pairs(int(counts.sum()))
    found = []
    for part in np.split(needy, np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS_AT_ONCE)) + 1):
        pairs = cKDTree(xy_m[part]).sparse_distance_matrix(
            tree, radius_m * _HAIR, output_type="ndarray"
        )
        pairs = pairs[pairs["v"] <= radius_m]
        points = part[pairs["i"]].astype(np.int32)
        found.append((pairs["j"].astype(np.int32), points, people[points]))
    return _matrix(found, shape)


def _ways_saved(
    xy_m: Floats, people: Floats, nearest_m: Floats, candidates_xy_m: Floats
) -> tuple[float, sparse.csr_array]:
    """Return the person-metres of today, and those that each candidate would save."""
    shape = (len(candidates_xy_m), len(people))
    if not shape[0] and not bool(np.isfinite(nearest_m).all()):
        raise QueryError("pmedian: expected a place or a candidate, got neither")
    found, base, pairs = [], 0.0, 0
    for part in _blocks(shape[1], max(1, _PAIRS_AT_ONCE // max(shape[0], 1))):
        away = xy_m[part, None, :] - candidates_xy_m[None, :, :]
        distance_m = np.hypot(away[..., 0], away[..., 1])
        today_m = nearest_m[part]
        if not bool(np.isfinite(today_m).all()):
            today_m = distance_m.max(axis=1, initial=0.0)
        saved = (today_m[:, None] - distance_m) * people[part, None]
        point, site = np.nonzero(saved > 0)
        pairs += len(point)
        _check_pairs(pairs)
        points = (point + part.start).astype(np.int32)
        found.append((site.astype(np.int32), points, saved[point, site]))
        base += float(people[part] @ today_m)
    return base, _matrix(found, shape)


def _blocks(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def _matrix(found: list[tuple[Ints, Ints, Floats]], shape: tuple[int, int]) -> sparse.csr_array:
    if not found:
        return sparse.csr_array(shape)
    rows, columns, values = (np.concatenate(part) for part in zip(*found, strict=True))
    matrix = sparse.csr_array((values, (rows, columns)), shape=shape)
    matrix.sort_indices()
    return matrix


def over_floor(savings: sparse.csr_array, floor: Floats) -> sparse.csr_array:
    """Return what each saving is over its column's floor; entries at or under it go."""
    left = savings.data - floor[savings.indices]
    kept = left > 0
    counted = np.concatenate([[0], np.cumsum(kept)])
    starts = counted[savings.indptr].astype(savings.indptr.dtype)
    return sparse.csr_array((left[kept], savings.indices[kept], starts), shape=savings.shape)


def _check_pairs(count: int) -> None:
    if count > MAX_PAIRS:
        raise QueryError(
            f"expected at most {MAX_PAIRS:,} pairs of demand point and candidate, got {count:,};"
            " take coarser demand, a smaller region or radius, or fewer candidates"
        )
