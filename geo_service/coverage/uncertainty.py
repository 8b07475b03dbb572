"""How far an indicator can be off: places known only to their municipality, laid out anew.

A layout puts every roughly located place on a spot of its municipality. Layout d puts the
record X on a spot that depends on X and d alone (`spots.draw_lots`): the same places have
the same layouts always, and a filter or a scenario changes only what it changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from geo_service.coverage.e2sfca import share_out
from geo_service.coverage.parameters import DRAWS, FEWER_DRAWS, MANY_POINTS
from geo_service.coverage.spots import SPOTS, draw_lots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geo_service.coverage.places import Places
    from geo_service.coverage.terrain import Terrain, Tier

    Floats = NDArray[np.float64]
    ShortFloats = NDArray[np.float32]
    Ints = NDArray[np.signedinteger[Any]]
    Bools = NDArray[np.bool_]

_NEAR: Final = 32
"""Spots looked at around a point before the places of a layout are searched: of single rough
places every sixteenth spot is taken, so that one of 32 is in seven layouts of eight."""

_POINTS_AT_ONCE: Final = 20_000


class Range(NamedTuple):
    """An indicator of the points on record, and the middle nine tenths of the layouts."""

    value: Floats
    low: Floats
    high: Floats


class Figure(NamedTuple):
    """A figure of each municipality or area, of the points on record and of each layout.

    `draws` has a row for each, a column per layout, and is None where no place is rough.
    """

    value: Floats
    draws: Floats | None

    def by_area(self, tier: Tier) -> Figure:
        """Add up by area."""
        draws = None if self.draws is None else tier.members @ self.draws  # adds in `total`'s order
        return Figure(tier.total(self.value), draws)

    def total(self, tier: Tier) -> Range:
        """Add up by area, and return the range of each."""
        return middle(*self.by_area(tier))

    def less(self, other: Figure) -> Range:
        """Take another figure away, layout by layout, and return the range of the difference.

        Where one has fewer layouts, those that both have count.
        """
        value = self.value - other.value
        counts = [one.draws.shape[1] for one in (self, other) if one.draws is not None]
        if not counts:
            return Range(value, value, value)
        mine, others = (
            one.value[:, None] if one.draws is None else one.draws[:, : min(counts)]
            for one in (self, other)
        )
        return middle(value, mine - others)


def middle(value: Floats, draws: Floats | None) -> Range:
    """Return the middle nine tenths of the draws, widened to contain the value.

    Of n draws the range goes from the n/20-th smallest to the n/20-th largest, so that one
    more draw is within it with a probability of 1 - 2 (n/20) / (n + 1): 90.1 % for 100 draws,
    90.5 % for 20 (distribution-free prediction interval: David, H. A., & Nagaraja, H. N.
    (2003), Order Statistics, 3rd ed., ch. 7).

    Examples
    --------
    >>> low, high = middle(np.array([7.0]), np.arange(1.0, 101.0)[None])[1:]
    >>> float(low[0]), float(high[0])
    (5.0, 96.0)
    """
    if draws is None:
        return Range(value, value, value)
    count = draws.shape[1]
    ends = (count // 20 - 1, count - count // 20)
    ordered = np.sort(draws, axis=1)  # vectorised: a seventh of the time of `np.partition`
    low, high = ordered[:, ends[0]], ordered[:, ends[1]]
    return Range(value, np.minimum(value, low), np.maximum(value, high))


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layouts of a question's rough places on a terrain, which keeps what they cost.

    Parameters
    ----------
    rows, place
        Municipalities that have rough places, and the number among them of each place's.
    hashes
        Hash of each place's id.
    key
        Digest of the set of places: what the terrain keeps is kept by it.
    """

    terrain: Terrain
    rows: Ints
    place: Ints
    hashes: NDArray[np.uint64]
    key: bytes

    @classmethod
    def of(cls, terrain: Terrain, places: Places) -> Layouts | None:
        """Lay out the rough places; None where there is none."""
        if not len(places.rough_home):
            return None
        rows, place = np.unique(places.rough_home, return_inverse=True)
        key = hashlib.sha256(places.rough_home.tobytes() + places.rough_hash.tobytes())
        return cls(terrain, rows, place, places.rough_hash, key.digest())

    @property
    def count(self) -> int:
        """How many layouts are drawn."""
        return FEWER_DRAWS if len(self.terrain.people) > MANY_POINTS else DRAWS

    @property
    def spots_xy_m(self) -> Floats:
        """The spots of the municipalities at hand, shape (n, 2) in EPSG:25832."""
        return self.terrain.ground.spots_xy_m[self.rows].reshape(-1, 2)

    def taken(self) -> NDArray[np.uint32]:
        """Return how many places each spot has in each layout, shape (layouts, spots)."""
        return self.terrain.recent.get(("taken", self.key), self._taken)

    def nearest(self, name: str, xy_m: Floats) -> ShortFloats:
        """Return how far each point is from the nearest place in each layout.

        `name` says which points these are. Metres, to the centimetre; (layouts, points).
        """
        return self.terrain.recent.get(
            ("nearest", name, self.key),
            lambda: nearest_taken(xy_m, self.spots_xy_m, self.taken() > 0),
        )

    def access(self, steps: tuple[tuple[float, float], ...]) -> Floats:
        """Return how many places fall to each municipality by E2SFCA in each layout.

        What a place gives does not depend on other places, so each spot is worked out once.
        Whom a place serves whose own people are unknown is not known: it gives nothing.
        Shape (municipalities, layouts).
        """
        return self.terrain.recent.get(("access", steps, self.key), lambda: self._access(steps))

    def _taken(self) -> NDArray[np.uint32]:
        length = len(self.rows) * SPOTS
        lots = self.place * SPOTS + draw_lots(self.hashes, self.count)
        taken = np.empty((self.count, length), dtype=np.uint32)
        for draw, spots in enumerate(lots):
            taken[draw] = np.bincount(spots, minlength=length)
        return taken

    def _access(self, steps: tuple[tuple[float, float], ...]) -> Floats:
        terrain, taken = self.terrain, self.taken()
        used = taken.any(axis=0) & np.repeat(~terrain.unknown[self.rows], SPOTS)
        shares = share_out(
            terrain.tree,
            terrain.people,
            terrain.home,
            len(terrain.ground.index),
            self.spots_xy_m[used],
            steps,
        )
        return np.asarray(shares.T @ taken[:, used].T.astype(np.float64))


def nearest_taken(xy_m: Floats, spots_xy_m: Floats, taken: Bools) -> ShortFloats:
    """Return how far each point is from the nearest spot that is taken, for each layout.

    Parameters
    ----------
    xy_m, spots_xy_m
        Arrays of shape (n, 2), metres in one plane.
    taken
        Whether a spot is taken, shape (layouts, spots); one at least in each layout.

    Returns
    -------
    nearest
        Metres, shape (layouts, points).
    """
    nearest = np.empty((len(taken), len(xy_m)), dtype=np.float32)
    tree = cKDTree(spots_xy_m)
    near = min(_NEAR, tree.n)
    free = np.where(taken.T, np.uint8(0), np.uint8(255))
    for start in range(0, len(xy_m), _POINTS_AT_ONCE):
        part = slice(start, start + _POINTS_AT_ONCE)
        length_m, spot = tree.query(xy_m[part], k=range(1, near + 1))
        first = np.full((len(spot), len(taken)), near, dtype=np.uint8)  # none of them is taken
        for column in range(near):
            np.minimum(first, free[spot[:, column]] | np.uint8(column), out=first)
        lengths_m = np.column_stack([length_m, np.full(len(length_m), np.inf)])
        nearest[:, part] = np.take_along_axis(lengths_m.astype(np.float32), first, axis=1).T
    for row, is_taken in zip(nearest, taken, strict=True):
        left = np.flatnonzero(np.isinf(row))
        if len(left):
            row[left] = cKDTree(spots_xy_m[is_taken]).query(xy_m[left])[0]
    return nearest
