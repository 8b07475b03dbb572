"""A text -> the places it may mean: whole names, names in parts, typing errors."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from geo_service.gazetteer.match import CONTRADICTED, MISSPELT, UNKNOWN_PART, Match, whole
from geo_service.gazetteer.sounds import Sounds, consonant_keys, sound_key
from geo_service.gazetteer.spelling import (
    OUTSIDE,
    POSTCODE,
    allowed_edits,
    is_vg,
    place_key,
    short_keys,
    splits,
    untitled_key,
    vg_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from geo_service.gazetteer.index import Index

_LONG_NAME: Final = 9  # letters after folding
_WELL_KNOWN: Final = 10_000  # people
_OUTSIDE_SOUNDS: Final = frozenset(map(sound_key, OUTSIDE))


class Reader:
    """Reads names by the index, and remembers what it has read."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._by_length: dict[int, list[str]] = defaultdict(list)
        for key in index.names:
            self._by_length[len(key)].append(key)
        self._halves = _halves(index)
        self.sounds = Sounds(index.names)
        self._sorted = sorted(index.names.keys() | index.aliases.keys())
        self.read = lru_cache(maxsize=65_536)(self._read)
        self._pool = lru_cache(maxsize=256)(self._names_of_length)

    def _read(self, text: str) -> tuple[Match, ...]:
        """Return the places that `text` may mean, exact names before anything else."""
        plain = POSTCODE.sub(" ", text).strip(" ,;-")
        untitled = untitled_key(plain)
        if not untitled:
            return ()
        if is_vg(plain):
            return self._seat_of_vg(plain)
        exact = self._named(place_key(plain)) or self._named(untitled)
        if exact or self._index.is_area(plain):
            return exact
        return self._in_parts(plain) or self.misspelt(untitled) or self._unknown_part(plain)

    def _named(self, key: str) -> tuple[Match, ...]:
        """Return the places of that name; in another script, with their German namesakes."""
        found = self._index.named(key)
        if key.isascii() or not whole(found):
            return found
        names = frozenset[str]().union(*(_short(match) for match in found))
        more = [
            replace(match, official=False)
            for match in self.sounds.alike(key)
            if _short(match) & names and all(match.place != known.place for known in found)
        ]
        return (*found, *more)

    def _seat_of_vg(self, text: str) -> tuple[Match, ...]:
        """Read "VG Konz" as the municipality of that name inside it, where there is one."""
        vgs = self._index.vg_keys(text)
        remark = "Ort, nach dem die Verbandsgemeinde heißt"
        return tuple(
            replace(match, score=CONTRADICTED, remark=remark)
            for match in whole(self._index.names.get(vg_key(text), ()))
            if match.unit.vg_key in vgs
        )

    def _in_parts(self, text: str) -> tuple[Match, ...]:
        """Read "Trier-Ehrang", "Ehrang (Trier)", "Trier Ehrang", "Roth (Kreis Altenkirchen)"."""
        for head, tail, _ in splits(text):
            heads = self._index.named(untitled_key(head))
            tails = self._index.named(untitled_key(tail))
            inside = (
                _parts_of(heads, tails)
                or _parts_of(tails, heads)
                or self._parts_in_area(heads, tail)
            )
            if inside:
                return inside
        return ()

    def _parts_in_area(self, heads: Sequence[Match], area: str) -> tuple[Match, ...]:
        kreise, vgs = self._index.kreis_keys(area), self._index.vg_keys(area)
        return tuple(m for m in heads if m.unit.kreis_key in kreise or m.unit.vg_key in vgs)

    def _unknown_part(self, text: str) -> tuple[Match, ...]:
        """Read "Mainz-Mombach" as Mainz where no Mombach is known, and say so."""
        for head, tail, sign in splits(text):
            heads = whole(self._index.named(untitled_key(head))) if sign != " " else ()
            if heads:
                kreise = {match.unit.kreis_key for match in heads}
                tails = whole(self._index.named(untitled_key(tail)))
                joint = [m for m in tails if m.official and m.unit.kreis_key in kreise]
                remark = f"Ortsteil „{tail.strip(' )')}“ nicht verzeichnet"
                return tuple(
                    replace(m, score=UNKNOWN_PART, remark=remark) for m in [*heads, *joint]
                )
        return ()

    # ---------------------------------------------------------------- typing errors

    def misspelt(self, key: str) -> tuple[Match, ...]:
        """Return places whose name differs by few typing errors (letters swapped count once).

        Half a double name is no error: "Iggelheim" may be Böhl-Iggelheim, or else Ingelheim.
        """
        edits = allowed_edits(key)
        if not edits:
            return ()
        near = process.extract(
            key, self._pool(len(key), edits), scorer=OSA.distance, score_cutoff=edits, limit=16
        )
        misread = (
            replace(
                _misread(match, key, name, distance),
                official=False,
                known=key not in OUTSIDE and key[0] == name[0] and _is_known(match, name),
            )
            for name, distance, _ in near
            for match in self._index.names[name]
        )
        return (*self._halves.get(key, ()), *misread)

    def misspelt_within(self, key: str, ags: Iterable[str]) -> tuple[Match, ...]:
        """Return Ortsteile of these municipalities whose name differs by few typing errors."""
        edits = allowed_edits(key)
        return tuple(
            _misread(match, key, name, distance)
            for one in ags
            for name, match in self._index.within.get(one, {}).items()
            if (distance := OSA.distance(key, name, score_cutoff=edits)) <= edits
        )

    def _names_of_length(self, length: int, edits: int) -> list[str]:
        lengths = range(length - edits, length + edits + 1)
        return [name for n in lengths if n >= 4 for name in self._by_length.get(n, ())]

    def heard(self, text: str) -> tuple[Match, ...]:
        """Return places whose name sounds like `text`, in any script; known if one of them is."""
        alike = self.sounds.alike(text)
        sure = not consonant_keys(text) and sound_key(text) not in _OUTSIDE_SOUNDS
        known = sure and any(_is_known(match, min(_short(match), key=len)) for match in alike)
        return tuple(_read_as(match, known=known) for match in alike)

    # ------------------------------------------------------------------ beginnings

    def beginning(self, key: str) -> Iterator[Match]:
        """Yield the places whose name, in any script, begins with `key`."""
        for name in self._sorted[bisect_left(self._sorted, key) :]:
            if not name.startswith(key):
                return
            yield from self._index.named(name)


def _is_known(match: Match, name: str) -> bool:
    return len(name) >= _LONG_NAME or match.place.people >= _WELL_KNOWN


def _short(match: Match) -> set[str]:
    name = match.place.name
    return short_keys(name) or {place_key(name)}


def _parts_of(wholes: Sequence[Match], parts: Sequence[Match]) -> tuple[Match, ...]:
    ags = {match.ags for match in whole(wholes)}
    return tuple(m for m in parts if not m.place.is_municipality and m.ags in ags)


def _halves(index: Index) -> Mapping[str, tuple[Match, ...]]:
    """Return the municipalities by each half of a double name: "zeltingen", "rachtig"."""
    halves: dict[str, tuple[Match, ...]] = defaultdict(tuple)
    for seat in index.seats.values():
        parts = seat.name.split("-")
        for key in {place_key(part) for part in parts} if len(parts) > 1 else ():
            halves[key] += (_read_as(Match(seat, MISSPELT), known=False),)
    return halves


def _read_as(match: Match, *, known: bool) -> Match:
    remark = f"gelesen als „{match.place.name}“"
    return replace(match, score=MISSPELT, official=False, edits=1, remark=remark, known=known)


def _misread(match: Match, key: str, name: str, distance: int) -> Match:
    return replace(
        match,
        score=MISSPELT * (1 - distance / max(len(key), len(name))),
        edits=int(distance),
        remark=f"gelesen als „{match.place.name}“",
    )
