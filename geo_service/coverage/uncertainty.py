"""How far an indicator can be off: places known only to their municipality move within it.

Bounds, no dice: the same places give the same range, and any move of a rough place within
its municipality stays inside it (for E2SFCA: any move among the spots that are tried).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from geo_service.coverage.e2sfca import share_out
from geo_service.coverage.terrain import SLACK_M
from geo_service.schema import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from geo_service.coverage.terrain import Borders, Terrain
    from geo_service.schema import Level

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]
    Bools = NDArray[np.bool_]


class Range(NamedTuple):
    """An indicator as the records have it, and the least and most it can be."""

    value: Floats
    low: Floats
    high: Floats


def bound_distances(
    xy_m: Floats, home: Ints, borders: Borders, rough: Bools
) -> tuple[Floats, Floats]:
    """Return how near and how far the nearest of some rough places must be.

    Parameters
    ----------
    xy_m
        Points of shape (n, 2), in EPSG:25832.
    home
        Row of the municipality each point lies in.
    borders
        Where the municipalities end.
    rough
        For each municipality whether a rough place is somewhere in it; at least one is.

    Returns
    -------
    near, far
        For each point the least over those municipalities of the shortest and of the longest
        distance to a point in them. `near` may be too short, by half a step of the border
        next to it and by 5 m at 5 km, and is never too long.
    """
    near = _nearest_border(xy_m, borders, rough)
    near[rough[home]] = 0.0
    return near, _farthest_corner(xy_m, borders, np.flatnonzero(rough))


def _nearest_border(xy_m: Floats, borders: Borders, rough: Bools) -> Floats:
    """Return a lower bound of the distance to the border of the nearest such municipality.

    The nearest point of an edge of length s is at most s/2 from one of its ends and at a
    right angle to the way there, so d² >= (distance to the nearest vertex)² - (s/2)².
    """
    vertices = cKDTree(borders.xy_m[rough[borders.owner]], balanced_tree=False, compact_nodes=False)
    vertex_m = vertices.query(xy_m)[0]
    square = np.maximum(vertex_m**2 - (borders.step_m / 2) ** 2, 0.0)
    return np.asarray(np.maximum(np.sqrt(square) - SLACK_M, 0.0))


def _farthest_corner(xy_m: Floats, borders: Borders, rows: Ints) -> Floats:
    """Return the least over `rows` of the distance to the farthest corner of the hull.

    A shape in the smallest circle of centre c and radius q has a point at least
    sqrt(|x - c|² + q²) from x: the distance of (x, 0) from (c, q) in space. Municipalities
    are taken in that order until no other can be less.
    """
    circles = cKDTree(borders.circles[rows])
    far = np.full(len(xy_m), np.inf)
    todo, count = np.arange(len(xy_m)), 4
    while len(todo):
        count = min(count, len(rows))
        at = np.column_stack([xy_m[todo], np.zeros(len(todo))])
        least, found = circles.query(at, k=range(1, count + 1))
        for column in range(count):
            open_ = np.flatnonzero(least[:, column] * (1 - 1e-6) < far[todo])
            for place, group in _groups(found[open_, column]):
                points, row = todo[open_[group]], rows[place]
                corners = borders.hulls[row, : borders.corners[row]]
                length_m = cdist(xy_m[points], corners).max(axis=1) + SLACK_M
                far[points] = np.minimum(far[points], length_m)
        if count == len(rows):
            break
        todo = todo[least[:, -1] * (1 - 1e-6) < far[todo]]
        count *= 4
    return far


def _groups(labels: Ints) -> Iterator[tuple[int, Ints]]:
    """Give each label and where it stands."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    for group in np.split(order, starts[1:]) if len(order) else ():
        yield int(labels[group[0]]), group


def bound_shares(
    terrain: Terrain, rough: Bools, steps: tuple[tuple[float, float], ...]
) -> Mapping[Level, tuple[sparse.csr_array, sparse.csr_array]]:
    """Return the least and the most that each area can have of a rough place, by E2SFCA.

    For each level two matrices: a row per municipality that has rough places, in order, a
    column per area. What a place gives does not depend on the other places, so each is
    tried on every spot of its municipality (`Borders.spots`) on its own.
    """
    spots = terrain.ground.borders.spots[rough]
    shares = share_out(
        terrain.tree,
        terrain.people,
        terrain.home,
        len(rough),
        np.concatenate(spots.transpose(1, 0, 2)),
        steps,
    )
    tried = [shares[start : start + len(spots)] for start in range(0, shares.shape[0], len(spots))]
    bounds = {}
    for level in LEVELS:
        area = terrain.ground.tiers[level].area
        whole = sparse.csr_array((np.ones(len(area)), (np.arange(len(area)), area)))
        parts = [part @ whole for part in tried]
        bounds[level] = (
            functools.reduce(lambda one, other: one.minimum(other), parts),
            functools.reduce(lambda one, other: one.maximum(other), parts),
        )
    return bounds
