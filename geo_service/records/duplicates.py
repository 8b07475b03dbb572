"""Records that are probably one place, for a person to judge."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from geo_service.records.likeness import (
    ALL_PAIRS,
    NUMBER,
    WINDOW,
    core_of,
    fold_all,
    pairwise,
    windows,
)
from geo_service.schema import FINE_PRECISIONS, METRIC_CRS, Duplicate

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from geo_service.schema import Initiatives

NEAR_M: Final = 100.0
"""Points exact to a street or house and no farther apart are taken for one place."""

_SAME_ADDRESS: Final = 70.0
_SAME_MUNICIPALITY: Final = 88.0
_PER_RECORD: Final = 5
_BLOCK: Final = 100


@dataclass(frozen=True, slots=True)
class _Places:
    """What duplicates are found by, one entry per initiative."""

    names: list[str]
    cores: list[str]
    numbers: list[tuple[str, ...]]
    municipality: list[str]
    address: list[str]
    category: list[str]
    fine: NDArray[np.bool_]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]

    def distance_m(self, one: int, other: int) -> float | None:
        """Return the distance where both points are exact enough to have one."""
        if not (self.fine[one] and self.fine[other]):
            return None
        here, there = (self.x_m[one], self.y_m[one]), (self.x_m[other], self.y_m[other])
        return math.dist(here, there)


def find_duplicates(initiatives: Initiatives) -> tuple[Duplicate, ...]:
    """List pairs of records that are probably one place, for a person to judge.

    Names are alike by the share of their equal letters (rapidfuzz `ratio`), in full or as
    sorted words without the municipality's name and words like "der" or "e.V.", whichever
    is more. A pair is listed if the names are at least

    * 70 per cent alike, and street and house number are the same, or both points are exact
      to a street or house and at most 100 m apart;
    * 88 per cent alike, the municipality is the same, and neither category nor address
      speaks against it.

    Points that are exact to a municipality or postal code say nothing about distance.
    Every record is listed with at most five others. Where that would be more than five
    million comparisons, a record of a place with more than 100 records is compared with its
    neighbours in two alphabetical orders only (by sorted words, and from the end).

    Returns
    -------
    duplicates
        The most alike first; `score` runs from 0 to 1, `distance_m` (metres, EPSG:25832) is
        None where a point is missing or rough.
    """
    places = _places(initiatives)
    found: dict[tuple[int, int], tuple[float, str]] = {}
    for keys, least, reason in _passes(places):
        for one, other, score in _alike(_group(keys, places.numbers), places, least):
            if _plausible(one, other, places, reason):
                found.setdefault((one, other), (score, reason))
    names, ids = initiatives["name"].tolist(), initiatives["id"].tolist()
    order = sorted(found, key=lambda pair: (-found[pair][0], ids[pair[0]], ids[pair[1]]))
    return tuple(
        Duplicate(
            id=ids[one],
            other_id=ids[other],
            name=names[one],
            other_name=names[other],
            score=round(found[one, other][0] / 100, 3),
            distance_m=places.distance_m(one, other),
            reason=found[one, other][1],
        )
        for one, other in _at_most(order)
    )


def _places(initiatives: Initiatives) -> _Places:
    stated = initiatives["municipality"].fillna(initiatives["city"])
    names, towns = fold_all(initiatives["name"]), fold_all(stated)
    streets = fold_all(initiatives["street"])
    addresses = zip(streets, fold_all(initiatives["house_number"]), strict=True)
    metric = initiatives.geometry.to_crs(METRIC_CRS)
    precise = initiatives["coordinate_precision"].isin(FINE_PRECISIONS)
    return _Places(
        names=names,
        cores=[core_of(name, town) for name, town in zip(names, towns, strict=True)],
        numbers=[tuple(NUMBER.findall(name)) for name in names],
        municipality=initiatives["ags"].fillna(pd.Series(towns, dtype="str")).tolist(),
        address=[f"{street} {number}" if street and number else "" for street, number in addresses],
        category=initiatives["category"].fillna("").tolist(),
        fine=(precise & metric.notna()).to_numpy(),
        x_m=np.asarray(metric.x, dtype=np.float64),
        y_m=np.asarray(metric.y, dtype=np.float64),
    )


def _passes(places: _Places) -> Iterator[tuple[Iterable[Hashable], float, str]]:
    """Yield block keys (None: in no block), least score and reason, the strongest first."""
    both = zip(places.municipality, places.address, strict=True)
    yield [(m, a) if m and a else None for m, a in both], _SAME_ADDRESS, "same address"
    for shift_x in (0.0, NEAR_M):
        for shift_y in (0.0, NEAR_M):
            # Four shifted grids of double width: two points within NEAR_M share a cell in one.
            columns = np.floor((places.x_m + shift_x) / (2 * NEAR_M))
            rows = np.floor((places.y_m + shift_y) / (2 * NEAR_M))
            cells = zip(columns, rows, places.fine, strict=True)
            keys = [(x, y) if fine else None for x, y, fine in cells]
            yield keys, _SAME_ADDRESS, "points close together"
    yield [m or None for m in places.municipality], _SAME_MUNICIPALITY, "same municipality"


def _group(keys: Iterable[Hashable], numbers: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Group rows by key and by the numbers in their names, which must be the same."""
    blocks: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key is not None:
            blocks[key, numbers[row]].append(row)
    return [block for block in blocks.values() if len(block) > 1]


def _alike(
    blocks: list[list[int]], places: _Places, least: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs within blocks whose names are at least `least` alike."""
    few = sum(len(block) ** 2 for block in blocks) <= ALL_PAIRS
    for block in blocks:
        compare = _all_pairs if few or len(block) <= _BLOCK else _neighbours
        for one, other, score in compare(block, places, least):
            yield min(one, other), max(one, other), score


def _all_pairs(block: list[int], places: _Places, least: float) -> Iterator[tuple[int, int, float]]:
    best = np.zeros((len(block), len(block)), dtype=np.float32)
    for texts in (places.names, places.cores):
        some = [texts[number] for number in block]
        scores = process.cdist(some, some, scorer=fuzz.ratio, score_cutoff=least, dtype=np.float32)
        np.maximum(best, scores, out=best)
    best = np.triu(best, 1)
    if len(block) > WINDOW:
        # Many records of one name: a few partners of each say all there is to say.
        columns = np.argpartition(best, -WINDOW, axis=1)[:, -WINDOW:]
        rows = np.arange(len(block))[:, None]
        few = np.zeros_like(best)
        few[rows, columns] = best[rows, columns]
        best = few
    for i, j in zip(*np.nonzero(best), strict=True):
        yield block[i], block[j], float(best[i, j])


def _neighbours(
    block: list[int], places: _Places, least: float
) -> Iterator[tuple[int, int, float]]:
    for texts, order in ((places.cores, 1), (places.names, -1)):
        row = sorted(block, key=lambda number: texts[number][::order])
        for ones, others in windows(row):
            scores = pairwise(ones, others, texts, least)
            for i in np.flatnonzero(scores):
                yield ones[i], others[i], float(scores[i])


def _plausible(one: int, other: int, places: _Places, reason: str) -> bool:
    if reason == "same address":
        return True
    if reason == "points close together":
        distance_m = places.distance_m(one, other)
        return distance_m is not None and distance_m <= NEAR_M
    same_category = places.category[one] == places.category[other]
    unknown = not places.category[one] or not places.category[other]
    address, other_address = places.address[one], places.address[other]
    return (same_category or unknown) and (
        address == other_address or not address or not other_address
    )


def _at_most(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield pairs in order, at most `_PER_RECORD` of each record."""
    count: dict[int, int] = defaultdict(int)
    for one, other in pairs:
        if max(count[one], count[other]) < _PER_RECORD:
            count[one] += 1
            count[other] += 1
            yield one, other
