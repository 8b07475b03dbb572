"""The records of one revision: written once as JSON, and found by place, kind and order.

Rows are in the order of ids. A page is found by walking the rows of an order in growing
blocks, so that it costs what it shows and not what there is; a box or a point asks a tree.
"""

from __future__ import annotations

import datetime as dt
import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, reduce
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from scipy.spatial import cKDTree

from geo_service.names import fold
from geo_service.schema import METRIC_CRS, PUBLIC_COLUMNS, WGS84
from geo_service.web.filters import offer_key, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from geo_service.schema import Initiatives

    Rows = slice | NDArray[np.intp]
    Test = Callable[[Rows], NDArray[np.bool_]]

__all__ = [
    "DECIMALS",
    "Found",
    "Near",
    "Order",
    "RecordIndex",
    "Walk",
    "changed_since",
    "language_counts",
]

Order = Literal["id", "name", "distance"]
DECIMALS: Final = 5
"""Decimals of a degree that are written; 5 are about 1 m."""

_BLOCK: Final = 1024
_MOST_OF_BLOCK: Final = 65_536
_FEW: Final = 2048
"""So many rows are measured as quickly as the tree is asked."""

_NAME_KEY: Final = 100
"""So many characters of a folded name order it: a cursor holds them, and one letter may fold to
eighteen."""

_write: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_TO_METRIC: Final = Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True)


@dataclass(frozen=True, slots=True)
class Near:
    """A point (EPSG:4326) to measure from, and the radius in metres."""

    lon: float
    lat: float
    radius_m: float = float("inf")


@dataclass(frozen=True, slots=True)
class Walk:
    """Which rows are wanted, in which order, and after which key the walk goes on.

    `box` is west, south, east, north in degrees. `after` is what `RecordIndex.key` gave for
    the last row before.
    """

    tests: tuple[Test, ...] = ()
    box: tuple[float, float, float, float] | None = None
    near: Near | None = None
    order: Order = "id"
    after: tuple[Any, str] | None = None


class Found(NamedTuple):
    """A row and, where a point was asked about, its distance in millimetres."""

    row: int
    distance_mm: int | None = None


class RecordIndex:
    """The records of one revision.

    Parameters
    ----------
    initiatives
        Records, with or without a point.
    """

    def __init__(self, initiatives: Initiatives) -> None:
        if not initiatives["id"].is_monotonic_increasing:
            initiatives = initiatives.sort_values("id", ignore_index=True)
        self.ids: list[str] = initiatives["id"].tolist()
        self.written_ids = [_write(record_id).encode() for record_id in self.ids]
        points = np.asarray(initiatives.geometry.array, dtype=object)
        self.lon, self.lat = shapely.get_x(points), shapely.get_y(points)
        self.placed = ~np.isnan(self.lon)
        self.properties = _written_properties(initiatives)
        self.points = _written_points(self.lon, self.lat)
        self._initiatives = initiatives

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def mark(self) -> bytes:
        """Return a digest that changes with any byte of any record."""
        digest = blake2b(digest_size=12)
        for said, point in zip(self.properties, self.points, strict=True):
            digest.update(said)
            digest.update(point)
        return digest.digest()

    def row_of(self, record_id: str) -> int | None:
        """Return the row of a record, None if there is none."""
        return self._row_of_id.get(record_id)

    def values(self, row: int) -> dict[str, Any]:
        """Return what is known of a record, its point as lon and lat."""
        said: dict[str, Any] = json.loads(b"{%s}" % self.properties[row])
        if self.placed[row]:
            lon, lat = self.lon[row], self.lat[row]
            said |= {"lon": round(float(lon), DECIMALS), "lat": round(float(lat), DECIMALS)}
        return said

    # --------------------------------------------------------------------------- tests

    def is_one_of(self, column: str, values: Iterable[str]) -> Test:
        """Test whether a column has one of `values`."""
        codes, known = self._codes(column)
        allowed = np.zeros(len(known) + 1, dtype=np.bool_)
        for value in values:
            if value in known:
                allowed[known[value]] = True
        return lambda rows: allowed[codes[rows]]

    def is_silent(self, column: str) -> Test:
        """Test whether nothing is said in a column."""
        codes, _ = self._codes(column)
        return lambda rows: codes[rows] == -1

    def speaks(self, languages: Iterable[str]) -> Test:
        """Test whether a record names one of the languages, in any spelling."""
        none = np.zeros(len(self), dtype=np.bool_)
        masks = [self._languages.get(offer_key(one), none) for one in languages]
        return _masked(reduce(np.logical_or, masks, none))

    def says(self, text: str) -> Test:
        """Test whether a record has all words of a text in it."""
        words = fold(text).split()
        found = [all(word in haystack for word in words) for haystack in self._haystacks]
        return _masked(np.array(found, dtype=np.bool_))

    def is_any(self, mask: NDArray[np.bool_]) -> Test:
        """Test what was looked up before, one value a row."""
        return _masked(mask)

    def column(self, name: str) -> list[Any]:
        """Return the values of a column, None where nothing is known."""
        values = self._initiatives[name].astype(object)
        return values.where(values.notna(), None).tolist()

    # --------------------------------------------------------------------------- walks

    def find(self, walk: Walk) -> Iterator[Found]:
        """Give the rows of a walk in its order."""
        if walk.order == "distance" and walk.near:
            return self._by_distance(walk, walk.near)
        return self._by_position(walk)

    def page(self, walk: Walk, limit: int) -> tuple[list[Found], bool]:
        """Return the first rows of a walk, and whether there are more."""
        if walk.order != "distance" or not walk.near:
            found = list(islice(self._by_position(walk), limit + 1))
        elif walk.after or len(self) <= _FEW:
            found = list(self._by_distance(walk, walk.near, limit + 1))
        else:
            found = self._nearest(walk, walk.near, limit + 1)
        return found[:limit], len(found) > limit

    def key(self, found: Found, order: Order) -> tuple[Any, str]:
        """Return what a row is ordered by; the id is the last part of every key."""
        record_id = self.ids[found.row]
        if order == "distance":
            return found.distance_mm, record_id
        return (self._names[found.row] if order == "name" else ""), record_id

    def _by_position(self, walk: Walk) -> Iterator[Found]:
        tests = (*walk.tests, *self._box_tests(walk.box))
        distances = None
        if walk.near:
            distances = self.distances_mm(walk.near)
            tests += (_masked(self.placed & (distances <= walk.near.radius_m * 1000)),)
        order = self._name_order if walk.order == "name" else None
        for row in self._walked(tests, walk.box, order, self._start(walk)):
            yield Found(row, None if distances is None else int(distances[row]))

    def _start(self, walk: Walk) -> int:
        if walk.after is None:
            return 0
        if walk.order == "name":
            return bisect_right(self._name_keys, tuple(walk.after))
        return bisect_right(self.ids, walk.after[1])

    def _walked(
        self,
        tests: Sequence[Test],
        box: tuple[float, float, float, float] | None,
        order: NDArray[np.intp] | None,
        position: int,
    ) -> Iterator[int]:
        """Give the rows that pass, in order: a first block by looking at each, then by the tree."""
        size, end = _BLOCK, len(self)
        while position < end:
            stop = min(position + size, end)
            if order is None:
                yield from (
                    position + np.flatnonzero(_passed(tests, slice(position, stop)))
                ).tolist()
            else:
                rows = order[position:stop]
                yield from rows[_passed(tests, rows)].tolist()
            position, size = stop, min(4 * size, _MOST_OF_BLOCK)
            if box and position < end:
                yield from self._boxed(tests, box, order, position)
                return

    def _boxed(
        self,
        tests: Sequence[Test],
        box: tuple[float, float, float, float],
        order: NDArray[np.intp] | None,
        position: int,
    ) -> Iterator[int]:
        """Give the rows in a box from a position on."""
        rows = self._points.query(shapely.box(*box))
        rows = np.sort(rows if order is None else self._name_rank[rows])
        rows = rows[np.searchsorted(rows, position) :]
        if order is not None:
            rows = order[rows]
        if len(rows):
            yield from rows[_passed(tests, rows)].tolist()

    def _box_tests(self, box: tuple[float, float, float, float] | None) -> list[Test]:
        if not box:
            return []
        west, south, east, north = box
        lon, lat = self.lon, self.lat
        return [
            lambda rows: (
                (lon[rows] >= west)
                & (lon[rows] <= east)
                & (lat[rows] >= south)
                & (lat[rows] <= north)
            )
        ]

    # ----------------------------------------------------------------------- distances

    def distances_mm(self, near: Near) -> NDArray[np.float64]:
        """Return the distance of every row in whole millimetres; infinite without a point."""
        return self._measured_mm(_TO_METRIC.transform(near.lon, near.lat), slice(None))

    def _measured_mm(self, at: tuple[float, float], rows: Rows) -> NDArray[np.float64]:
        x_m, y_m = at
        xs_m, ys_m = self._metric
        across, along = xs_m[rows] - x_m, ys_m[rows] - y_m
        measured: NDArray[np.float64] = np.rint(np.sqrt(across * across + along * along) * 1000)
        return measured

    def _by_distance(self, walk: Walk, near: Near, most: int | None = None) -> Iterator[Found]:
        """Give the rows that pass, nearest first, by measuring every one."""
        distances = self.distances_mm(near)
        endless = near.radius_m == float("inf")  # as is the distance without a point
        inside = self.placed if endless else distances <= near.radius_m * 1000
        tests = (*walk.tests, *self._box_tests(walk.box))
        if tests:
            inside = inside & _passed(tests, slice(0, len(self)))
        rows = inside.nonzero()[0]
        rows = rows[distances[rows].argsort(kind="stable")]
        if walk.after:
            last, record_id = walk.after
            beyond = distances[rows] > last
            tied = distances[rows] == last
            after = np.array([self.ids[row] > record_id for row in rows[tied]], dtype=np.bool_)
            beyond[np.flatnonzero(tied)[after]] = True
            rows = rows[beyond]
        rows = rows[:most]
        return map(Found, rows.tolist(), map(int, distances[rows].tolist()))

    def _nearest(self, walk: Walk, near: Near, count: int) -> list[Found]:
        """Return the first rows, nearest first; `count` is at least 2.

        The tree says how far the `asked`-th place is, and gives all that are no farther: at one
        point there may be many. Its lengths and ours may differ in the last digit, hence the
        two millimetres, of which one is for rounding.
        """
        if self._tree is None:
            return []
        tests = (*walk.tests, *self._box_tests(walk.box))
        at = _TO_METRIC.transform(near.lon, near.lat)
        asked = count
        while True:
            asked = min(asked, self._tree.n + 1)  # of which the last is infinitely far
            farthest_m = min(float(self._tree.query(at, k=asked)[0][-1]), near.radius_m)
            rows = np.sort(self._placed_rows[self._tree.query_ball_point(at, farthest_m + 0.002)])
            distances = self._measured_mm(at, rows)
            kept = distances <= min(farthest_m * 1000 + 1, near.radius_m * 1000)
            if tests:
                kept &= _passed(tests, rows)
            complete = asked > self._tree.n or farthest_m == near.radius_m
            if complete or np.count_nonzero(kept) >= count:
                rows, distances = rows[kept], distances[kept]
                order = distances.argsort(kind="stable")[:count]
                pairs = zip(rows[order].tolist(), distances[order].tolist(), strict=True)
                return [Found(row, int(distance)) for row, distance in pairs]
            asked *= 8

    # --------------------------------------------------------------- made when first used

    @cached_property
    def _row_of_id(self) -> dict[str, int]:
        return {record_id: row for row, record_id in enumerate(self.ids)}

    @cached_property
    def _metric(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x_m, y_m = _TO_METRIC.transform(self.lon[self.placed], self.lat[self.placed])
        both = np.full((2, len(self)), np.inf)
        both[:, self.placed] = x_m, y_m
        return both[0], both[1]

    @property
    def _x_m(self) -> NDArray[np.float64]:
        return self._metric[0]

    @property
    def _y_m(self) -> NDArray[np.float64]:
        return self._metric[1]

    @cached_property
    def _placed_rows(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.placed)

    @cached_property
    def _tree(self) -> Any:
        rows = self._placed_rows
        return cKDTree(np.column_stack([self._x_m[rows], self._y_m[rows]])) if len(rows) else None

    @cached_property
    def _points(self) -> shapely.STRtree:
        return shapely.STRtree(np.asarray(self._initiatives.geometry.array, dtype=object))

    @cached_property
    def _names(self) -> list[str]:
        return [fold(name or "")[:_NAME_KEY] for name in self.column("name")]

    @cached_property
    def _name_order(self) -> NDArray[np.intp]:
        order = sorted(range(len(self)), key=lambda row: (self._names[row], self.ids[row]))
        return np.array(order, dtype=np.intp)

    @cached_property
    def _name_keys(self) -> list[tuple[str, str]]:
        return [(self._names[row], self.ids[row]) for row in self._name_order]

    @cached_property
    def _name_rank(self) -> NDArray[np.intp]:
        rank = np.empty(len(self), dtype=np.intp)
        rank[self._name_order] = np.arange(len(self))
        return rank

    @cached_property
    def _coded(self) -> dict[str, tuple[NDArray[np.intp], dict[str, int]]]:
        return {}

    def _codes(self, column: str) -> tuple[NDArray[np.intp], dict[str, int]]:
        """Return a number per value of a column, -1 where nothing is said, and the values'."""
        if column not in self._coded:
            codes, values = pd.factorize(self._initiatives[column].to_numpy(dtype=object))
            known = {str(value): number for number, value in enumerate(values)}
            self._coded[column] = codes, known
        return self._coded[column]

    @cached_property
    def _languages(self) -> dict[str, NDArray[np.bool_]]:
        masks: dict[str, NDArray[np.bool_]] = {}
        for row, text in enumerate(self.column("languages")):
            for language in spoken(_items(text)):
                key = offer_key(language)
                if key not in masks:
                    masks[key] = np.zeros(len(self), dtype=np.bool_)
                masks[key][row] = True
        return masks

    @cached_property
    def _haystacks(self) -> list[str]:
        columns = [self.column(name) for name in _SEARCHED]
        return [fold(" ".join(filter(None, row))) for row in zip(*columns, strict=True)]


_SEARCHED: Final = (
    "name",
    "category",
    "organisation",
    "street",
    "house_number",
    "postcode",
    "city",
    "municipality",
    "verbandsgemeinde",
    "kreis",
    "offers",
    "languages",
)


def language_counts(index: RecordIndex) -> dict[str, int]:
    """Count the records that name each language, most first, in its most used spelling."""
    spellings: dict[str, dict[str, int]] = {}
    for text in index.column("languages"):
        for language in spoken(_items(text)):
            spelt = spellings.setdefault(offer_key(language), {})
            spelt[language] = spelt.get(language, 0) + 1
    totals = {
        max(spelt, key=lambda one: (spelt[one], one)): sum(spelt.values())
        for spelt in spellings.values()
    }
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def changed_since(
    moments: Mapping[int, dt.datetime], last: NDArray[np.int64], day: dt.date, zone: dt.tzinfo
) -> NDArray[np.bool_]:
    """Return which records were created or changed on a day or after it."""
    revisions = [number for number, at in moments.items() if at.astimezone(zone).date() >= day]
    return np.isin(last, revisions)


def _items(text: str | None) -> tuple[str, ...]:
    return tuple(item.strip() for item in (text or "").split(";") if item.strip())


def _masked(mask: NDArray[np.bool_]) -> Test:
    return lambda rows: mask[rows]


def _passed(tests: Sequence[Test], rows: Rows) -> NDArray[np.bool_]:
    if not tests:
        length = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        return np.ones(length, dtype=np.bool_)
    return reduce(np.logical_and, (test(rows) for test in tests))


def _written_properties(initiatives: Initiatives) -> list[bytes]:
    """Write what is known of every record: the inside of a JSON object."""
    columns = []
    for name in PUBLIC_COLUMNS:
        values = initiatives[name].to_numpy(dtype=object)
        known = ~pd.isna(values)
        columns.append((f'"{name}":', values.tolist(), known.tolist()))
    written = []
    for row in range(len(initiatives)):
        parts = [key + _write(values[row]) for key, values, known in columns if known[row]]
        written.append(",".join(parts).encode())
    return written


def _written_points(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> list[bytes]:
    """Write the geometry of every record."""
    pairs = zip(np.round(lon, DECIMALS).tolist(), np.round(lat, DECIMALS).tolist(), strict=True)
    return [
        b'{"type":"Point","coordinates":[%s,%s]}' % (repr(x).encode(), repr(y).encode())
        if x == x  # not NaN
        else b"null"
        for x, y in pairs
    ]
