"""Which rows are the same place: stable ids, corrected files, probable duplicates.

Names are compared in the form of `names.fold`. Two names with different numbers in them
("Treff 1", "Treff 2") are never alike.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from geo_service.names import fold
from geo_service.schema import FINE_PRECISIONS, METRIC_CRS, Duplicate, Records, check_records

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from geo_service.schema import Initiatives

__all__ = ["Clash", "assign_ids", "find_duplicates", "resolve_ids"]

SIMILAR_NAME: Final = 90.0
"""Share of equal letters (per cent, rapidfuzz `ratio`) from which a name is a corrected one."""

_ALL_PAIRS: Final = 5_000_000
"""Up to so many comparisons every name is compared with every other."""

_NUMBER: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class _Identity:
    """What tells a place from others, folded; empty where it is not stated."""

    name: str
    place: str
    kreis: str
    city: str
    street: str
    house_number: str

    @property
    def address(self) -> tuple[str, str, str]:
        """What separates namesakes of one place."""
        return self.city, self.street, self.house_number

    def base_id(self) -> str:
        return _digest(self.name, self.place, self.kreis)

    def address_id(self) -> str:
        return _digest(self.name, self.place, self.kreis, *self.address)


@dataclass(frozen=True, slots=True)
class Clash:
    """Row `row` says of itself to be what row `first` is already."""

    row: int
    first: int
    explicit: bool


def _digest(*parts: str) -> str:
    """Return 16 letters and digits for `parts`: 80 bits, so ids of a million rows differ."""
    data = "\x1f".join(parts).encode()
    return base64.b32encode(hashlib.blake2b(data, digest_size=10).digest()).decode().lower()


def _folded(values: Iterable[object]) -> list[str]:
    """Fold each text once; what is missing becomes empty."""
    known: dict[str, str] = {}
    folded = []
    for value in values:
        text = value if isinstance(value, str) else ""
        result = known.get(text)
        if result is None:
            result = known[text] = fold(text)
        folded.append(result)
    return folded


def _identities(columns: Mapping[str, Sequence[object]]) -> list[_Identity]:
    """Return the identity of each row of `columns` (those of `Records`, some may lack)."""
    length = len(columns["name"])

    def column(name: str) -> list[str]:
        return _folded(columns[name]) if name in columns else [""] * length

    municipality, city, postcode = column("municipality"), column("city"), column("postcode")
    points = _points(columns, length)
    stated = zip(municipality, city, postcode, points, strict=True)
    places = [next(filter(None, parts), "") for parts in stated]
    other_city = ["" if a == b else a for a, b in zip(city, places, strict=True)]
    parts = (column("name"), places, column("kreis"), other_city)
    return [
        _Identity(*row)
        for row in zip(*parts, column("street"), column("house_number"), strict=True)
    ]


def _points(columns: Mapping[str, Sequence[object]], length: int) -> list[str]:
    if "lon" not in columns:
        return [""] * length
    pairs = zip(columns["lon"], columns["lat"], strict=True)
    return [f"{x:.4f} {y:.4f}" if _is_number(x) and _is_number(y) else "" for x, y in pairs]


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and value == value


# ------------------------------------------------------------------------------- ids


def assign_ids(
    columns: Mapping[str, Sequence[object]], stated: Sequence[str | None]
) -> tuple[list[str], list[Clash]]:
    """Give each row its id: the stated one, else one made from name, place and Kreis.

    The place is the municipality, else the city, else the postal code, else the point.
    Namesakes in one place are told apart by city (Ortsteil), street and house number, where
    each states one and they differ; then the address is part of their ids. A row that
    cannot be told from an earlier one, or states its id, is a clash.

    Parameters
    ----------
    columns
        `name` and, where known, `municipality`, `city`, `postcode`, `kreis`, `street`,
        `house_number`, `lon`, `lat`; all of one length.
    stated
        The id each row states, or None.

    Returns
    -------
    ids, clashes
        One id a row, in order; those of clashing rows do not count.
    """
    identities = _identities(columns)
    ids = [""] * len(identities)
    clashes: list[Clash] = []
    groups: dict[str, list[int]] = defaultdict(list)
    for row, (identity, own) in enumerate(zip(identities, stated, strict=True)):
        ids[row] = own or identity.base_id()
        if not own:
            groups[ids[row]].append(row)
    for group in groups.values():
        if len(group) > 1:
            kept = _separate(group, identities, clashes)
            for row in kept if len(kept) > 1 else ():
                ids[row] = identities[row].address_id()
    clashing = {clash.row for clash in clashes}
    seen: dict[str, int] = {}
    for row, key in enumerate(ids):
        if row not in clashing and seen.setdefault(key, row) != row:
            clashes.append(Clash(row, seen[key], explicit=bool(stated[row])))
    return ids, sorted(clashes, key=lambda clash: clash.row)


def _separate(group: list[int], identities: Sequence[_Identity], clashes: list[Clash]) -> list[int]:
    """Return the rows of `group` that their addresses tell apart; the others are clashes."""
    by_address: dict[tuple[str, str, str], int] = {}
    first = group[0]
    if not any(identities[first].address):
        clashes.extend(Clash(row, first, explicit=False) for row in group[1:])
        return [first]
    for row in group:
        address = identities[row].address
        earlier = by_address.setdefault(address, row) if any(address) else first
        if earlier != row:
            clashes.append(Clash(row, earlier, explicit=False))
    return list(by_address.values())


def resolve_ids(records: Records, known: pd.DataFrame, *, dataset: str | None = None) -> Records:
    """Give rows of a corrected file the ids that their records have in the store.

    Rows that state an id keep it. For the others these rules are tried in this order over
    the whole file; each takes only rows and stored records that no earlier rule took, and
    only where exactly one row and exactly one stored record fit each other:

    1. name, place, Kreis, city, street and house number are equal;
    2. the id made from name, place and Kreis is stored;
    3. name and place, else name and city are equal (another Kreis or address, or the
       municipality was added);
    4. name and Kreis are equal, the Kreis is stated (the place moved);
    5. place and Kreis are equal, no two stated addresses differ, and the names are at least
       90 per cent alike (rapidfuzz `ratio` on folded names, in full or as sorted words
       without the place and words like "der" or "e.V.") with the same numbers in them.

    A stored record is taken at most once: two are never merged. What no rule takes is new.
    An id that belongs to another list is never taken over: the row gets one of its own.

    Parameters
    ----------
    records
        Valid rows of one file.
    known
        Stored records: id, name, city, municipality, kreis, street, house_number, and
        optionally dataset.
    dataset
        The list that the file is an edition of. If None, or without the column `dataset`,
        all stored records count.

    Returns
    -------
    records
        The same rows in the same order, with unique ids.
    """
    mine = _of_dataset(known, dataset)
    foreign = set(known["id"]) - set(mine["id"])
    rows = _identities({name: records[name].tolist() for name in records.columns})
    stored = _identities({name: mine[name].tolist() for name in mine.columns})
    matching = _Matching(records["id"].tolist(), rows, mine["id"].tolist(), stored)
    matching.match(lambda item: item)
    matching.match_ids()
    matching.match(lambda item: (item.name, item.place) if item.place else None)
    matching.match(lambda item: (item.name, item.city or item.place) if item.place else None)
    matching.match(lambda item: (item.name, item.kreis) if item.kreis else None)
    matching.match_similar()
    ids = matching.final_ids(foreign, dataset or "")
    return check_records(records.assign(id=pd.Series(ids, index=records.index, dtype="str")))


def _of_dataset(known: pd.DataFrame, dataset: str | None) -> pd.DataFrame:
    if dataset is None or "dataset" not in known.columns:
        return known
    return known[known["dataset"] == dataset]


class _Matching:
    """Rows of a file and stored records, and which of them belong together so far."""

    def __init__(
        self,
        ids: list[str],
        rows: list[_Identity],
        known_ids: list[str],
        known: list[_Identity],
    ) -> None:
        self._ids = ids
        self._rows = rows
        self._known_ids = known_ids
        self._known = known
        self._names = [item.name for item in (*rows, *known)]
        self._cores = [_core(item.name, item.place) for item in (*rows, *known)]
        self._match: dict[int, str] = {}
        made = [
            key == row.base_id() or key == row.address_id()
            for key, row in zip(ids, rows, strict=True)
        ]
        stated = {key for key, is_made in zip(ids, made, strict=True) if not is_made}
        self._free_rows = [number for number, is_made in enumerate(made) if is_made]
        self._free_known = [i for i, key in enumerate(known_ids) if key not in stated]
        self._stated = stated

    def match(self, key_of: Callable[[_Identity], Hashable]) -> None:
        """Match rows and records that alone have a key; None is no key."""
        rows = _alone(self._free_rows, self._rows, key_of)
        records = _alone(self._free_known, self._known, key_of)
        self._take({rows[key]: records[key] for key in rows.keys() & records.keys()})

    def match_ids(self) -> None:
        """Match rows whose made id is stored."""
        records = {self._known_ids[number]: number for number in self._free_known}
        self._take(
            {row: records[self._ids[row]] for row in self._free_rows if self._ids[row] in records}
        )

    def match_similar(self) -> None:
        """Match rows and records of one place that alone have much the same name."""
        rows = _blocks(self._free_rows, self._rows)
        records = _blocks(self._free_known, self._known)
        partners: dict[int, list[int]] = defaultdict(list)
        suitors: dict[int, list[int]] = defaultdict(list)
        for key in sorted(rows.keys() & records.keys()):
            for row, record in self._similar(rows[key], records[key]):
                partners[row].append(record)
                suitors[record].append(row)
        self._take(
            {
                row: found[0]
                for row, found in partners.items()
                if len(found) == 1 and len(suitors[found[0]]) == 1
            }
        )

    def _similar(self, rows: list[int], records: list[int]) -> Iterator[tuple[int, int]]:
        shift = len(self._rows)
        shifted = [shift + record for record in records]
        pairs = {*_across(rows, shifted, self._names), *_across(rows, shifted, self._cores)}
        for row, record in sorted(pairs):
            if _compatible(self._rows[row], self._known[record - shift]):
                yield row, record - shift

    def _take(self, pairs: Mapping[int, int]) -> None:
        self._match.update({row: self._known_ids[record] for row, record in pairs.items()})
        taken = set(pairs.values())
        self._free_rows = [row for row in self._free_rows if row not in self._match]
        self._free_known = [record for record in self._free_known if record not in taken]

    def final_ids(self, foreign: set[str], dataset: str) -> list[str]:
        """Return an id a row; new rows avoid every id that is taken."""
        ids = [self._match.get(row, key) for row, key in enumerate(self._ids)]
        taken = {*foreign, *self._known_ids, *self._stated}
        for row in self._free_rows:
            identity = self._rows[row]
            ids[row] = next(
                key for key in _new_ids(ids[row], identity, dataset) if key not in taken
            )
            taken.add(ids[row])
        return ids


def _alone(
    numbers: list[int], identities: Sequence[_Identity], key_of: Callable[[_Identity], Hashable]
) -> dict[Hashable, int]:
    """Return key -> number for the keys that exactly one of `numbers` has."""
    found: dict[Hashable, int] = {}
    twice: set[Hashable] = set()
    for number in numbers:
        key = key_of(identities[number])
        if key is not None and found.setdefault(key, number) != number:
            twice.add(key)
    return {key: number for key, number in found.items() if key not in twice}


def _across(rows: list[int], records: list[int], names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of a row and a record that have much the same name.

    Where there are more than five million pairs, only those near each other in two
    alphabetical orders (by the beginnings, by the ends) are compared.
    """
    if len(rows) * len(records) <= _ALL_PAIRS:
        scores = process.cdist(
            [names[row] for row in rows],
            [names[record] for record in records],
            scorer=fuzz.ratio,
            score_cutoff=SIMILAR_NAME,
            dtype=np.float32,
        )
        for i, j in zip(*np.nonzero(scores), strict=True):
            yield rows[i], records[j]
        return
    is_row, found = set(rows), set()
    for keys in (names, [name[::-1] for name in names]):
        for ones, others in _windows(sorted([*rows, *records], key=keys.__getitem__)):
            for i in np.flatnonzero(_pairwise(ones, others, names, SIMILAR_NAME)):
                if (ones[i] in is_row) != (others[i] in is_row):
                    found.add((min(ones[i], others[i]), max(ones[i], others[i])))
    yield from sorted(found)


def _blocks(
    numbers: list[int], identities: Sequence[_Identity]
) -> dict[tuple[str, ...], list[int]]:
    """Group `numbers` by place, Kreis and the numbers in their names."""
    blocks: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number in numbers:
        item = identities[number]
        if item.place:
            blocks[item.place, item.kreis, *_NUMBER.findall(item.name)].append(number)
    return blocks


def _compatible(one: _Identity, other: _Identity) -> bool:
    """Say whether no stated part of the two addresses differs."""
    return all(a == b or not a or not b for a, b in zip(one.address, other.address, strict=True))


def _new_ids(first: str, identity: _Identity, dataset: str) -> Iterator[str]:
    yield first
    yield identity.address_id()
    count = 0
    while True:
        yield _digest(
            identity.name, identity.place, identity.kreis, *identity.address, dataset, str(count)
        )
        count += 1


# ------------------------------------------------------------------------ duplicates

NEAR_M: Final = 100.0
"""Points exact to a street or house and no farther apart are taken for one place."""

_SAME_ADDRESS: Final = 70.0
_SAME_MUNICIPALITY: Final = 88.0
_PER_RECORD: Final = 5
_BLOCK: Final = 100
_WINDOW: Final = 10
_NOISE: Final = frozenset(
    {"e", "v", "ev", "eg", "ggmbh", "gmbh", "der", "die", "das", "des", "dem", "den", "im", "in",
     "am", "an", "und", "fuer", "von", "vom", "zu", "zum", "zur"}
)  # fmt: skip
"""Words that say nothing about which place is meant."""


_ABBREVIATIONS: Final = {
    "mgh": "mehrgenerationenhaus",
    "jmd": "jugendmigrationsdienst",
    "hdf": "haus familie",
    "mbe": "migrationsberatung",
    "ak": "arbeitskreis",
}


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
    names, towns = _folded(initiatives["name"]), _folded(stated)
    streets = _folded(initiatives["street"])
    addresses = zip(streets, _folded(initiatives["house_number"]), strict=True)
    metric = initiatives.geometry.to_crs(METRIC_CRS)
    precise = initiatives["coordinate_precision"].isin(FINE_PRECISIONS)
    return _Places(
        names=names,
        cores=[_core(name, town) for name, town in zip(names, towns, strict=True)],
        numbers=[tuple(_NUMBER.findall(name)) for name in names],
        municipality=initiatives["ags"].fillna(pd.Series(towns, dtype="str")).tolist(),
        address=[f"{street} {number}" if street and number else "" for street, number in addresses],
        category=initiatives["category"].fillna("").tolist(),
        fine=(precise & metric.notna()).to_numpy(),
        x_m=np.asarray(metric.x, dtype=np.float64),
        y_m=np.asarray(metric.y, dtype=np.float64),
    )


def _core(name: str, town: str) -> str:
    """Return the sorted words of a folded name that the town and the language do not give.

    >>> _core("cafe welcome der stadt mainz e v", "mainz")
    'cafe stadt welcome'
    """
    words = [_ABBREVIATIONS.get(word, word) for word in name.split()]
    noise = _NOISE.union(town.split())
    return " ".join(sorted(word for word in words if word not in noise)) or name


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
    few = sum(len(block) ** 2 for block in blocks) <= _ALL_PAIRS
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
    if len(block) > _WINDOW:
        # Many records of one name: a few partners of each say all there is to say.
        columns = np.argpartition(best, -_WINDOW, axis=1)[:, -_WINDOW:]
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
        for ones, others in _windows(row):
            scores = _pairwise(ones, others, texts, least)
            for i in np.flatnonzero(scores):
                yield ones[i], others[i], float(scores[i])


def _windows(row: list[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield each item of `row` with each of the next `_WINDOW` ones, as two parallel lists."""
    for step in range(1, min(_WINDOW, len(row) - 1) + 1):
        yield row[:-step], row[step:]


def _pairwise(
    ones: list[int], others: list[int], texts: Sequence[str], least: float
) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = process.cpdist(
        [texts[number] for number in ones],
        [texts[number] for number in others],
        scorer=fuzz.ratio,
        score_cutoff=least,
        dtype=np.float32,
    )
    return scores


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
