"""E2SFCA: access with competition, by the enhanced two-step floating catchment area method."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from geo_service.coverage.terrain import sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]
    Zones = NDArray[np.uint8]
    Steps = tuple[tuple[float, float], ...]

_PAIRS_AT_ONCE: Final = 2_000_000
"""Pairs of demand point and place found at a time (24 bytes each, and as much to work with)."""

_PAIRS_KEPT: Final = 24_000_000
"""Pairs kept between the two steps of E2SFCA (9 bytes each); beyond, found a second time."""


def compute_e2sfca(
    demand_xy_m: Floats,
    people: Floats,
    supply_xy_m: Floats,
    capacity: Floats,
    *,
    steps: Steps,
) -> Floats:
    """Return each demand point's access by E2SFCA, in units of capacity per person.

    Step 1 gives each place its ratio R_j = S_j / sum of P_k w(d_kj), step 2 each demand
    point A_i = sum of R_j w(d_ij), with w the weight of the zone that the distance falls in
    and 0 beyond the last (Luo & Qi 2009, see `LUO_QI_STEPS`).
    A place that nobody lives near has no ratio and adds nothing.

    Parameters
    ----------
    demand_xy_m, supply_xy_m
        Arrays of shape (n, 2), metres in one plane.
    people, capacity
        People at each demand point and capacity of each place, 0 or more.
    steps
        Zones as (outer edge in metres, weight), edges rising; an edge belongs to its zone.

    Returns
    -------
    access
        One value per demand point, in order; 0 where no place is within the last edge.

    Examples
    --------
    >>> two_towns = np.array([[0.0, 0.0], [3.0, 0.0]])
    >>> people = np.array([100.0, 50.0])
    >>> place = np.array([[0.0, 0.0]])
    >>> compute_e2sfca(two_towns, people, place, np.ones(1), steps=((1.0, 1.0), (3.0, 0.5)))
    array([0.008, 0.004])
    """
    if not len(demand_xy_m):
        return np.zeros(0)
    return collect(cKDTree(demand_xy_m), people, supply_xy_m, (capacity,), steps)[0]


def collect(
    demand: cKDTree,
    people: Floats,
    supply_xy_m: Floats,
    capacities: Sequence[Floats],
    steps: Steps,
) -> list[Floats]:
    """Return the access of each demand point for each of several capacities of the places."""
    access = [np.zeros(demand.n) for _ in capacities]
    if not len(supply_xy_m):
        return access
    pairs = Pairs(demand, supply_xy_m, steps)
    inverse = pairs.inverse_competition(people)
    ratios = [capacity * inverse for capacity in capacities]
    for i, j, weight in pairs:
        for total, ratio in zip(access, ratios, strict=True):
            total += sums(i, ratio[j] * weight, len(total))
    return access


class Pairs:
    """Demand points and places at most the last edge apart, with their zone's weight.

    Iterating gives blocks of (demand index, place index, weight), each time the same; few
    enough pairs are kept for the second time, more are found again, so that memory is bounded.
    """

    def __init__(self, demand: cKDTree, supply_xy_m: Floats, steps: Steps) -> None:
        supply = cKDTree(supply_xy_m)
        self._places = supply.n
        self._by_supply = supply.n < demand.n
        self._cut, self._other = (supply, demand) if self._by_supply else (demand, supply)
        self._edges = np.array([edge for edge, _ in steps])
        self._weights = np.array([weight for _, weight in steps])
        count = int(supply.count_neighbors(demand, self._edges[-1]))
        self._slices = self._parts(count)
        self._kept = [self._find(part) for part in self._slices] if count <= _PAIRS_KEPT else None

    def __iter__(self) -> Iterator[tuple[Ints, Ints, Floats]]:
        blocks = self._kept if self._kept is not None else map(self._find, self._slices)
        for demand, supply, zone in blocks:
            yield demand, supply, self._weights[zone]

    def inverse_competition(self, people: Floats) -> Floats:
        """Return 1 / sum of P_k w(d_kj) for each place; 0 where nobody lives near."""
        competing = np.zeros(self._places)
        for i, j, weight in self:
            competing += sums(j, people[i] * weight, len(competing))
        return np.divide(1.0, competing, out=np.zeros(len(competing)), where=competing > 0)

    def _parts(self, count: int) -> list[slice]:
        """Cut the side with fewer points so that each part has about `_PAIRS_AT_ONCE` pairs."""
        if count <= _PAIRS_AT_ONCE:
            return [slice(0, self._cut.n)]
        counts = self._other.query_ball_point(self._cut.data, self._edges[-1], return_length=True)
        return _slices(counts, _PAIRS_AT_ONCE)

    def _find(self, part: slice) -> tuple[Ints, Ints, Zones]:
        whole = part == slice(0, self._cut.n)
        tree = self._cut if whole else cKDTree(self._cut.data[part])
        # A hair beyond the last edge, so that the comparison with the edges alone decides.
        found = tree.sparse_distance_matrix(
            self._other, self._edges[-1] * (1 + 1e-9), output_type="ndarray"
        )
        zone = np.searchsorted(self._edges, found["v"], side="left")
        within = zone < len(self._edges)
        cut = (found["i"][within] + part.start).astype(np.int32)
        other = found["j"][within].astype(np.int32)
        demand, supply = (other, cut) if self._by_supply else (cut, other)
        return demand, supply, zone[within].astype(np.uint8)


def _slices(counts: Ints, limit: int) -> list[slice]:
    """Cut 0..len(counts) so that each part adds up to about `limit`, or is one long."""
    group = np.cumsum(counts) // limit
    starts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(counts)]
    return [slice(start, stop) for start, stop in itertools.pairwise(starts)]


def share_out(
    demand: cKDTree, people: Floats, home: Ints, length: int, supply_xy_m: Floats, steps: Steps
) -> sparse.csr_array:
    """Return how one place at each point is shared out among `length` municipalities.

    Row j is a place at point j, column m a municipality: the sum over its demand points of
    P_i w(d_ij) / sum of P_k w(d_kj). A row adds up to 1, or to 0 where nobody lives near.
    """
    shares = sparse.csr_array((len(supply_xy_m), length))
    if not len(supply_xy_m):
        return shares
    pairs = Pairs(demand, supply_xy_m, steps)
    inverse = pairs.inverse_competition(people)
    for i, j, weight in pairs:
        part = people[i] * weight * inverse[j]
        shares = shares + sparse.csr_array((part, (j, home[i])), shape=shares.shape)
    return shares
