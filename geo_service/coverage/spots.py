"""Where a roughly located place may stand: spots of a municipality, and lots that pick one.

No dice: the spots follow from the municipality's key and shape, a lot from the record's id and
the number of the draw. So both are the same in every process, and whatever else is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import shapely

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Hashes = NDArray[np.uint64]

SPOTS: Final = 16
"""Spots of a municipality; a power of two, so that the top bits of a hash pick one."""

_GOLDEN: Final = 0x9E3779B97F4A7C15
"""Step of SplitMix64: Steele, Lea & Flood (2014), Fast Splittable Pseudorandom Number
Generators, OOPSLA '14, doi:10.1145/2660193.2660195; its finaliser is in `_mix`."""

_STEPS: Final = np.array([0.7548776662466927, 0.5698402909980532])
"""Steps of an evenly spread sequence in the unit square, 1/p and 1/p² with p³ = p + 1:
Roberts, M. (2018), The Unreasonable Effectiveness of Quasirandom Sequences."""

_TRIED_AT_ONCE: Final = 64
_TRIED: Final = 64 * _TRIED_AT_ONCE
"""Points tried for a municipality; one too thin for them has its seat in place of a spot."""


def hash_texts(texts: ArrayLike) -> Hashes:
    """Return a hash of each text, the same in every process."""
    return np.asarray(pd.util.hash_array(np.asarray(texts, dtype=object)), dtype=np.uint64)


def draw_lots(hashes: Hashes, draws: int) -> NDArray[np.int64]:
    """Return which spot each hash picks in each draw, shape (draws, n), 0 to `SPOTS` - 1.

    A pick depends on nothing but its hash and the number of the draw.

    Examples
    --------
    >>> draw_lots(hash_texts(["a", "b"]), 3)
    array([[ 2,  7],
           [ 1, 12],
           [12, 14]])
    """
    bits = SPOTS.bit_length() - 1
    return (_mix(hashes, draws) >> np.uint64(64 - bits)).astype(np.int64)


def spread_spots(polygons: NDArray[np.object_], keys: ArrayLike, otherwise_xy_m: Floats) -> Floats:
    """Return `SPOTS` spots in each polygon, evenly spread, shape (n, `SPOTS`, 2).

    The sequence begins at a point of the bounding box that the hash of the key says; its
    first points within the polygon are the spots.

    Parameters
    ----------
    polygons
        Shapes in metres in one plane.
    keys
        Key of each: the same key and shape have the same spots.
    otherwise_xy_m
        Point of each that stands in where the sequence does not find enough, shape (n, 2).
    """
    west, south, east, north = shapely.bounds(polygons).T
    corner, size = np.column_stack([west, south]), np.column_stack([east - west, north - south])
    begin = _mix(hash_texts(keys), 2).T / 2.0**64
    spots = np.repeat(otherwise_xy_m[:, None], SPOTS, axis=1)
    found = np.zeros(len(polygons), dtype=np.int64)
    shapely.prepare(polygons)
    for first in range(0, _TRIED, _TRIED_AT_ONCE):
        todo = np.flatnonzero(found < SPOTS)
        if not len(todo):
            break
        steps = np.arange(first, first + _TRIED_AT_ONCE)[:, None] * _STEPS
        xy_m = corner[todo, None] + (begin[todo, None] + steps) % 1.0 * size[todo, None]
        inside = shapely.contains_xy(polygons[todo, None], xy_m[..., 0], xy_m[..., 1])
        rank = found[todo, None] + np.cumsum(inside, axis=1) - 1
        row, column = np.nonzero(inside & (rank < SPOTS))
        spots[todo[row], rank[row, column]] = xy_m[row, column]
        found[todo] = rank[:, -1] + 1
    return spots


def _mix(hashes: Hashes, count: int) -> NDArray[Any]:
    """Return `count` numbers of 64 even bits that follow from each hash, shape (count, n)."""
    steps = np.arange(1, count + 1, dtype=np.uint64)[:, None] * np.uint64(_GOLDEN)
    mixed = hashes + steps
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
