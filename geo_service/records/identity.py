"""Which row is which place: stable ids, also where a corrected file says it otherwise."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from geo_service.records.likeness import ALL_PAIRS, NUMBER, core_of, fold_all, pairwise, windows
from geo_service.schema import Records, check_records

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence


__all__ = ["Clash", "assign_ids", "resolve_ids"]

SIMILAR_NAME: Final = 90.0
"""Share of equal letters (per cent, rapidfuzz `ratio`) from which a name is a corrected one."""


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


def _identities(columns: Mapping[str, Sequence[object]]) -> list[_Identity]:
    """Return the identity of each row of `columns` (those of `Records`, some may lack)."""
    length = len(columns["name"])

    def column(name: str) -> list[str]:
        return fold_all(columns[name]) if name in columns else [""] * length

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
        self._cores = [core_of(item.name, item.place) for item in (*rows, *known)]
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
    if len(rows) * len(records) <= ALL_PAIRS:
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
        for ones, others in windows(sorted([*rows, *records], key=keys.__getitem__)):
            for i in np.flatnonzero(pairwise(ones, others, names, SIMILAR_NAME)):
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
            blocks[item.place, item.kreis, *NUMBER.findall(item.name)].append(number)
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
