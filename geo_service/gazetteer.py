"""Find places of the Land offline: municipalities, Ortsteile and postal codes.

The rules are in docs/geocoding.md. The gazetteer never guesses between namesakes: what is
stated besides a name (Kreis, Verbandsgemeinde, postal code) tells them apart, or the answer
is `Ambiguous` with every candidate.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from geo_service.errors import FileFormatError
from geo_service.names import fold
from geo_service.schema import Ambiguous, Candidate, Found, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from geo_service.schema import Address, GeocodeResult, Municipalities, Precision

__all__ = [
    "PLACE_COLUMNS",
    "REGISTER",
    "Gazetteer",
    "Origin",
    "load_origin",
    "load_places",
    "place_key",
]

PLACE_COLUMNS: Final[Mapping[str, str]] = {
    "id": "str",
    "name": "str",
    "kind": "str",
    "ags": "str",
    "lon": "float64",
    "lat": "float64",
    "population": "float64",
    "names": "str",
    "source": "str",
    "licence": "str",
}
"""Places besides the municipalities: column -> dtype. `kind` is ``seat`` (a municipality's
main place), ``ortsteil`` or ``former_municipality``; `names` are other spellings and scripts
joined by ``;``; `lon`/`lat` are degrees (EPSG:4326) inside the municipality `ags`."""

_KINDS: Final = frozenset({"seat", "ortsteil", "former_municipality"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the municipalities' names and points come from, and as of when.

    `surface_source` and `surface_licence` are those of a point that is not the register's
    centre point but was put on the municipality's surface.
    """

    source: str
    licence: str
    date: dt.date
    surface_source: str
    surface_licence: str


REGISTER: Final = Origin(
    "Gemeindeverzeichnis (Destatis)",
    "dl-de/by-2-0 (https://www.govdata.de/dl-de/by-2-0)",
    dt.date(2025, 8, 31),
    "VG250 (BKG), Punkt auf der Gemeindefläche",
    "GeoNutzV (https://www.gesetze-im-internet.de/geonutzv/)",
)
"""Origin of the shipped `data/gemeinden/`; the date is its territorial state."""

# Scores: 1 is the official name as stated; each of these says what was less than that.
_SHORT_NAME: Final = 0.95  # "Landau" for "Landau in der Pfalz"
_OTHER_SPELLING: Final = 0.95  # "Майнц", "Mayence"
_MISSPELT: Final = 0.9  # times the similarity
_UNKNOWN_PART: Final = 0.85  # "Mainz-Mombach", with no Mombach in the register
_ELSEWHERE: Final = 0.7  # the Ort is known, but in another municipality
_CONTRADICTED: Final = 0.8  # another Verbandsgemeinde is stated
_POSTCODE_ONLY: Final = 0.5
_POSTCODE_UNKNOWN_NAME: Final = 0.3

_LONG_NAME: Final = 9  # letters after folding
_WELL_KNOWN: Final = 10_000  # people

# ---------------------------------------------------------------------- folding names

_WRITTEN_OUT: Final = {
    "st": "sankt",
    "skt": "sankt",
    "rh": "rhein",
    "weinstr": "weinstrasse",
    "pf": "pfalz",
    "ww": "westerwald",
    "westerw": "westerwald",
    "hunsr": "hunsrueck",
    "suedl": "suedliche",
}
_DROPPED: Final = frozenset(
    (
        *("a", "am", "an", "auf", "b", "bei", "d", "dem", "den", "der", "des"),
        *("i", "im", "in", "o", "ob", "v", "vor"),
    )
)
"""Prepositions, articles and their abbreviations: "Landau i. d. Pf." = "Landau/Pfalz"."""

_TITLES: Final = frozenset(
    (
        *("stadt", "gemeinde", "ortsgemeinde", "stadtverwaltung", "gemeindeverwaltung"),
        *("kreisstadt", "landeshauptstadt", "universitaetsstadt", "grosse", "kreisfreie"),
        *("kreisangehoerige", "verbandsfreie", "verbandsangehoerige"),
        *("ortsteil", "ot", "stadtteil", "ortsbezirk"),
    )
)
_VG_TITLES: Final = frozenset(("vg", "vgv", "verbandsgemeinde", "verbandsgemeindeverwaltung"))
_KREIS_TITLES: Final = frozenset(
    ("kreis", "landkreis", "landkreises", "kreises", "lk", "lkr", "kreisverwaltung", "eifelkreis")
)
_FREE_TITLES: Final = frozenset(
    ("stadt", "kreisfreie", "kreisfrei", "stadtkreis", "stadtverwaltung")
)

_ADDITION: Final = re.compile(r"\s*(?:\(.*|/.*|,.*)$")
_PREPOSITION: Final = re.compile(
    r"\s+(?:an|am|auf|bei|b\.|im|in|ob|vor|a\.|i\.|o\.)\s*(?:d\.|der|dem|den)?\s+.*$"
)
_POSTCODE: Final = re.compile(r"(?<!\d)(?:D\s*-\s*)?(\d{5})(?!\d)")
_SPLIT: Final = re.compile(r"\s*(?:[-–/,;(]|\b(?:OT|Ot|ot|Ortsteil|Stadtteil)\b)\s*")


def _join(tokens: Iterable[str]) -> str:
    written = [_WRITTEN_OUT.get(token, token) for token in tokens]
    return "".join([token for token in written if token not in _DROPPED] or written)


def place_key(text: str) -> str:
    """Return the key under which two spellings of one place name are equal.

    >>> place_key("Neustadt a. d. Weinstr.") == place_key("Neustadt an der Weinstraße")
    True
    >>> place_key("St. Goar") == place_key("Sankt Goar")
    True
    >>> place_key("Landau i.d. Pfalz") == place_key("Landau/Pfalz")
    True
    """
    return _join(fold(text).split())


def _untitled(text: str) -> str:
    """Return the key of `text` without titles before or after: "Stadt Mainz", "Mainz, Stadt"."""
    return _join(_without_titles(fold(text).split()))


def _without_titles(tokens: list[str]) -> list[str]:
    while len(tokens) > 1 and tokens[0] in _TITLES:
        tokens = tokens[1:]
    while len(tokens) > 1 and tokens[-1] in _TITLES:
        tokens = tokens[:-1]
    return tokens


def _short_keys(name: str) -> set[str]:
    """Return the keys of `name` without its addition: "Landau in der Pfalz" -> "landau"."""
    plain = _ADDITION.sub("", name)
    keys = {place_key(plain), place_key(_PREPOSITION.sub("", plain))}
    return {key for key in keys if key} - {place_key(name)}


def _edits(key: str) -> int:
    """Return how many typing errors a name of that length may have (after folding)."""
    return (len(key) >= 5) + (len(key) >= 13) + (len(key) >= 20)


_OUTSIDE: Final = frozenset(
    place_key(name)
    for name in (
        *("Aulendorf", "Bad Dürrheim", "Baesweiler", "Beringen", "Bobingen", "Böblingen"),
        *("Burghausen", "Charlottenburg", "Eislingen", "Eppelheim", "Eschweiler", "Freudenberg"),
        *("Karlstadt", "Lauenburg", "Lindau", "Mörlenbach", "Mosbach", "Neuenburg am Rhein"),
        *("Ottersberg", "Ottweiler", "Schmallenberg", "Schorndorf", "Schriesheim"),
        *("Schwarzenberg", "Winterberg", "Wittenheim", "Wittingen"),
    )
)
"""Towns of 10,000 people and more outside the Land (Germany and neighbours; GeoNames) whose
name would else pass for a misspelling of one inside."""


# -------------------------------------------------------------------- what is indexed


@dataclass(frozen=True, slots=True)
class _Unit:
    """A municipality as far as namesakes are told apart by it."""

    name: str
    kreis_key: str
    vg_key: str
    postcode: str
    kreis_label: str
    vg: str

    @property
    def where(self) -> str:
        return f"{self.kreis_label}, VG {self.vg}" if self.vg else self.kreis_label


@dataclass(frozen=True, slots=True)
class _Place:
    """A point with a name, in one municipality."""

    name: str
    ags: str
    precision: Precision
    lon: float
    lat: float
    source: str
    licence: str
    people: float


@dataclass(frozen=True, slots=True)
class _Match:
    """A place that a text may mean, and how well it fits."""

    place: _Place
    score: float
    official: bool = False
    edits: int = 0
    remark: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is stated besides a name. None: not stated, or (`vgs`) not understood."""

    kreise: frozenset[str] | None
    unknown_kreis: str
    vgs: frozenset[str] | None
    postcode: str


@dataclass(frozen=True, slots=True)
class _Query:
    """The parts of an address that the gazetteer reads."""

    municipality: str
    city: str
    verbandsgemeinde: str
    kreis: str
    postcode: str


_Answer = tuple["GeocodeResult", frozenset[str]]
_NO_AGS: Final[frozenset[str]] = frozenset()


def load_places(path: Path) -> pd.DataFrame:
    """Read the place names besides the municipalities (columns: `PLACE_COLUMNS`).

    Raises
    ------
    FileFormatError
        If the file is not there or not of that form.
    """
    try:
        places = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise FileFormatError(f"{path.name}: expected a readable CSV file, got {error}") from error
    missing = [name for name in PLACE_COLUMNS if name not in places.columns]
    if missing:
        raise FileFormatError(
            f"{path.name}: expected columns {list(PLACE_COLUMNS)}, got none named {missing}"
        )
    unknown = sorted(set(places["kind"]) - _KINDS)
    if unknown:
        raise FileFormatError(f"{path.name}, kind: expected {sorted(_KINDS)}, got {unknown}")
    for column in ("lon", "lat", "population"):
        places[column] = pd.to_numeric(places[column], errors="coerce").astype("float64")
    if bool(places[["lon", "lat"]].isna().any(axis=None)):
        raise FileFormatError(f"{path.name}: expected degrees in lon and lat of every row")
    return places


def load_origin(path: Path) -> Origin:
    """Read licences and territorial date from the metadata `gemeinden.json`.

    Raises
    ------
    FileFormatError
        If the file is not there or lacks one of them.
    """
    try:
        metadata = json.loads(path.read_text("utf-8"))
        return Origin(
            REGISTER.source,
            str(metadata["figures"]["licence"]),
            dt.date.fromisoformat(metadata["territorial_date"]),
            REGISTER.surface_source,
            str(metadata["licence"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path.name}: expected licence, figures.licence and territorial_date, got {error!r}"
        ) from error


# ------------------------------------------------------------------------- the look-up


class Gazetteer:
    """Names of the Land and their points, indexed by `place_key`.

    Parameters
    ----------
    municipalities
        Names, Kreise, Verbandsgemeinden, postal codes of the seat and centre points.
    places
        Ortsteile and other spellings, as `load_places` gives them; may be empty.
    origin
        Source, licence and date of the municipalities.
    """

    def __init__(
        self,
        municipalities: Municipalities,
        places: pd.DataFrame | None = None,
        *,
        origin: Origin = REGISTER,
    ) -> None:
        self._origin = origin
        self._units: dict[str, _Unit] = {}
        self._seats: dict[str, _Place] = {}
        self._names: dict[str, tuple[_Match, ...]] = {}
        self._aliases: dict[str, tuple[_Match, ...]] = {}
        self._within: dict[str, dict[str, _Match]] = defaultdict(dict)
        self._by_postcode: dict[str, list[str]] = defaultdict(list)
        self._kreise: dict[str, set[str]] = defaultdict(set)
        self._vgs: dict[str, set[str]] = defaultdict(set)
        self._free: set[str] = set()
        self._add_municipalities(municipalities)
        self._add_places(places if places is not None else pd.DataFrame(columns=[*PLACE_COLUMNS]))
        self._by_length: dict[int, list[str]] = defaultdict(list)
        for key in self._names:
            self._by_length[len(key)].append(key)
        self._sorted = sorted([*self._names, *(self._aliases.keys() - self._names.keys())])
        self._matches = lru_cache(maxsize=65_536)(self._read)
        self._answer = lru_cache(maxsize=65_536)(self._survey)
        self._pool = lru_cache(maxsize=256)(self._names_of_length)
        self._kreise_of = lru_cache(maxsize=4_096)(self._kreis_keys)

    def find(self, address: Address) -> GeocodeResult:
        """Find the point of the Ort or municipality that `address` states.

        Street and house number are not read: no point is finer than ``locality``.
        """
        return self._answer(_query(address))[0]

    def municipality_candidates(self, address: Address) -> frozenset[str]:
        """Return the AGS that the stated municipality, or else Ort, may mean.

        Empty where neither is stated or known; several where namesakes are not told apart.
        """
        return self._answer(_query(address))[1]

    def suggest(self, text: str, *, limit: int = 8) -> list[Candidate]:
        """Suggest places whose name begins with `text`, then places spelt like it.

        In every script the register has; municipalities first, then by population.
        """
        key = place_key(text)
        if not key or limit < 1:
            return []
        best: dict[tuple[str, str], tuple[tuple[Any, ...], _Match]] = {}
        for match in [*self._beginning(key), *self._misspelt(key)]:
            place = match.place
            own = place_key(place.name)
            rank = (
                match.edits,
                own != key,
                not own.startswith(key),
                place.precision != "municipality",
                -place.people if math.isfinite(place.people) else 0.0,
                place.name,
                place.ags,
            )
            slot = (place.ags, place.name)
            if slot not in best or rank < best[slot][0]:
                best[slot] = (rank, match)
        ranked = sorted(best.values(), key=lambda entry: entry[0])
        return [self._candidate(match) for _, match in ranked[:limit]]

    # ------------------------------------------------------------------- the index

    def _add_municipalities(self, table: Municipalities) -> None:
        for row in table.drop(columns="geometry").to_dict("records"):
            vg = row["verbandsgemeinde"] if isinstance(row["verbandsgemeinde"], str) else ""
            postcode = row["postcode"] if isinstance(row["postcode"], str) else ""
            free = "kreisfrei" in fold(f"{row['designation']} {row['kreis']}")
            unit = _Unit(
                row["name"],
                row["kreis_key"],
                row["verbandsgemeinde_key"],
                postcode,
                _kreis_label(row["kreis"], free=free),
                vg,
            )
            self._units[row["ags"]] = unit
            self._by_postcode[postcode].append(row["ags"])
            self._add_areas(unit, row["kreis"], free=free)
            origin, official = self._origin, row["seat_source"] == "official"
            place = _Place(
                row["name"],
                row["ags"],
                "municipality",
                row["seat_lon"],
                row["seat_lat"],
                origin.source if official else origin.surface_source,
                origin.licence if official else origin.surface_licence,
                float(row["population"]),
            )
            self._seats[row["ags"]] = place
            self._add(self._names, place_key(place.name), _Match(place, 1.0, official=True))
            for key in _short_keys(place.name):
                self._add(self._names, key, _Match(place, _SHORT_NAME))
        self._by_postcode.pop("", None)

    def _add_areas(self, unit: _Unit, kreis: str, *, free: bool) -> None:
        base = _kreis_base(kreis)
        for key in {place_key(base), *_short_keys(base)}:
            self._kreise[key].add(unit.kreis_key)
        if free:
            self._free.add(unit.kreis_key)
        if unit.vg:
            for key in {place_key(unit.vg), *_short_keys(unit.vg)}:
                self._vgs[key].add(unit.vg_key)

    def _add_places(self, places: pd.DataFrame) -> None:
        for row in places.to_dict("records"):
            seat = self._seats.get(row["ags"])
            if seat is None:
                continue
            if row["kind"] == "seat":
                match = _Match(seat, _OTHER_SPELLING)
                self._add(self._aliases, place_key(row["name"]), match)
            else:
                match = _Match(_ortsteil(row), _OTHER_SPELLING)
                for key, score in _ortsteil_keys(row["name"], seat.name).items():
                    stated = replace(match, score=score, official=score == 1.0)
                    self._add(self._names, key, stated)
                    self._within[row["ags"]].setdefault(key, stated)
            for name in str(row["names"] or "").split(";"):
                self._add(self._aliases, place_key(name), match)

    @staticmethod
    def _add(index: dict[str, tuple[_Match, ...]], key: str, match: _Match) -> None:
        """Add a match under its key; one place stands there once."""
        if key and all(other.place != match.place for other in index.get(key, ())):
            index[key] = (*index.get(key, ()), match)

    # -------------------------------------------------------- text -> places it may mean

    def _read(self, text: str) -> tuple[_Match, ...]:
        """Return the places that `text` may mean, exact names before anything else."""
        plain = _POSTCODE.sub(" ", text).strip(" ,;-")
        tokens = fold(plain).split()
        key, untitled = _join(tokens), _join(_without_titles(tokens))
        if not untitled:
            return ()
        if tokens[0] in _VG_TITLES and len(tokens) > 1:
            return self._seat_of_vg(plain)
        exact = self._named(key) or self._named(untitled)
        if exact or self._is_area(plain):
            return exact
        return self._in_parts(plain) or self._misspelt(untitled) or self._unknown_part(plain)

    def _named(self, key: str) -> tuple[_Match, ...]:
        return self._names.get(key) or self._aliases.get(key, ())

    def _is_area(self, text: str) -> bool:
        """Say whether `text` names a Kreis or a Verbandsgemeinde."""
        return place_key(_kreis_base(text)) in self._kreise or place_key(text) in self._vgs

    def _in_parts(self, text: str) -> tuple[_Match, ...]:
        """Read "Trier-Ehrang", "Ehrang (Trier)", "Trier Ehrang", "Roth (Kreis Altenkirchen)"."""
        for head, tail, _ in _splits(text):
            heads, tails = self._named(_untitled(head)), self._named(_untitled(tail))
            inside = (
                self._parts_of(heads, tails)
                or self._parts_of(tails, heads)
                or self._parts_in_area(heads, tail)
            )
            if inside:
                return inside
        return ()

    @staticmethod
    def _parts_of(wholes: Sequence[_Match], parts: Sequence[_Match]) -> tuple[_Match, ...]:
        ags = {match.place.ags for match in wholes if match.place.precision == "municipality"}
        return tuple(
            part for part in parts if part.place.precision == "locality" and part.place.ags in ags
        )

    def _parts_in_area(self, heads: Sequence[_Match], area: str) -> tuple[_Match, ...]:
        kreise = self._kreis_keys(area) or frozenset()
        vgs = self._vgs.get(_vg_key(area), set())
        return tuple(
            match
            for match in heads
            if self._units[match.place.ags].kreis_key in kreise
            or self._units[match.place.ags].vg_key in vgs
        )

    def _unknown_part(self, text: str) -> tuple[_Match, ...]:
        """Read "Mainz-Mombach" as Mainz where no Mombach is known, and say so."""
        for head, tail, sign in _splits(text):
            if sign == " ":
                continue
            heads = [
                match
                for match in self._named(_untitled(head))
                if match.place.precision == "municipality"
            ]
            kreise = {self._units[match.place.ags].kreis_key for match in heads}
            joint = [
                match
                for match in self._named(_untitled(tail))
                if match.official
                and match.place.precision == "municipality"
                and self._units[match.place.ags].kreis_key in kreise
            ]
            if heads:
                remark = f"Ortsteil „{tail.strip(' )')}“ nicht verzeichnet"
                score = _UNKNOWN_PART
                return tuple(replace(m, score=score, remark=remark) for m in [*heads, *joint])
        return ()

    def _seat_of_vg(self, text: str) -> tuple[_Match, ...]:
        """Read "VG Konz" as the municipality of that name inside it, where there is one."""
        key = _vg_key(text)
        vgs = self._vgs.get(key, set())
        remark = "Ort, nach dem die Verbandsgemeinde heißt"
        return tuple(
            replace(match, score=_CONTRADICTED, remark=remark)
            for match in self._names.get(key, ())
            if match.place.precision == "municipality"
            and self._units[match.place.ags].vg_key in vgs
        )

    def _names_of_length(self, length: int, edits: int) -> list[str]:
        lengths = range(length - edits, length + edits + 1)
        return [name for n in lengths if n >= 4 for name in self._by_length.get(n, ())]

    def _misspelt(self, key: str) -> tuple[_Match, ...]:
        """Return places whose name differs by few typing errors (letters swapped count once)."""
        edits = _edits(key)
        if not edits:
            return ()
        names = self._pool(len(key), edits)
        near = process.extract(
            key, names, scorer=OSA.distance, processor=None, score_cutoff=edits, limit=16
        )
        return tuple(
            replace(
                match,
                score=_MISSPELT * (1 - distance / max(len(key), len(name))),
                official=False,
                edits=int(distance),
                remark=f"gelesen als „{match.place.name}“",
                known=key not in _OUTSIDE
                and key[0] == name[0]
                and (len(name) >= _LONG_NAME or match.place.people >= _WELL_KNOWN),
            )
            for name, distance, _ in near
            for match in self._names[name]
        )

    def _beginning(self, key: str) -> Iterator[_Match]:
        start = bisect_left(self._sorted, key)
        for name in self._sorted[start:]:
            if not name.startswith(key):
                return
            yield from self._named(name)

    # ------------------------------------------------------ what is stated besides a name

    def _evidence(self, query: _Query) -> _Evidence:
        kreise = self._kreise_of(query.kreis) if query.kreis else None
        vgs = self._vg_keys(query.verbandsgemeinde)
        postcode = _POSTCODE.search(f"{query.postcode} {query.city} {query.municipality}")
        return _Evidence(
            kreise,
            query.kreis if query.kreis and kreise is None else "",
            vgs,
            postcode.group(1) if postcode else "",
        )

    def _vg_keys(self, text: str) -> frozenset[str] | None:
        found = self._vgs.get(_vg_key(text)) if text else None
        return frozenset(found) if found else None

    def _kreis_keys(self, text: str) -> frozenset[str] | None:
        """Return the keys of the Kreise that `text` may mean, or None where it means none."""
        base = place_key(_kreis_base(text))
        found = self._kreise.get(base)
        if not found:
            near = process.extract(
                base, list(self._kreise), scorer=OSA.distance, score_cutoff=len(base) // 8, limit=3
            )
            found = set().union(*(self._kreise[name] for name, *_ in near))
        tokens = set(fold(text).split())
        wanted = found
        if tokens & _KREIS_TITLES:
            wanted = found - self._free
        elif tokens & _FREE_TITLES:
            wanted = found & self._free
        return frozenset(wanted or found) or None

    # ------------------------------------------------------------------ the decision

    def _survey(self, query: _Query) -> _Answer:
        evidence = self._evidence(query)
        municipality, city, note = query.municipality, query.city, ""
        stated = self._municipalities(municipality) if municipality else ()
        if municipality and city and (not stated or _is_vg(municipality)):
            evidence, note = self._as_area(municipality, evidence)
            stated, municipality = (), ""
        if stated:
            refined = self._refine(stated, municipality, city) if city else stated
            return self._decide(refined, evidence)
        if text := municipality or city:
            matches = self._matches(text)
            if note:
                matches = tuple(_noted(match, note, _CONTRADICTED) for match in matches)
            return self._decide(matches, evidence) if matches else self._unknown(text, evidence)
        return self._unnamed(evidence)

    def _municipalities(self, text: str) -> tuple[_Match, ...]:
        """Return what a text in the column `municipality` may mean: Ortsteile only if no other."""
        matches = self._matches(text)
        return tuple(m for m in matches if m.place.precision == "municipality") or matches

    def _as_area(self, text: str, evidence: _Evidence) -> tuple[_Evidence, str]:
        """Read a Verbandsgemeinde or Kreis that stands in the column `municipality`."""
        vgs, kreise = self._vg_keys(text), self._kreis_keys(text)
        if vgs:
            return replace(evidence, vgs=evidence.vgs or vgs), ""
        if kreise:
            return replace(evidence, kreise=evidence.kreise or kreise), ""
        return evidence, f"Gemeinde „{text}“ nicht verzeichnet"

    def _refine(
        self, stated: tuple[_Match, ...], municipality: str, city: str
    ) -> tuple[_Match, ...]:
        """Go from the municipality to the stated Ort inside it, where that is known."""
        if _untitled(city) == _untitled(municipality) or not _untitled(_POSTCODE.sub(" ", city)):
            return stated
        ags = {match.place.ags for match in stated}
        matches = self._matches(city)
        inside = tuple(match for match in matches if match.place.ags in ags)
        if inside:
            doubt = min(match.score for match in stated)
            known = all(match.known for match in stated)
            return tuple(replace(m, score=min(m.score, doubt), known=known) for m in inside)
        inside = tuple(m for one in ags for m in self._misspelt_within(_untitled(city), one))
        if inside:
            return inside
        elsewhere = [m for m in matches if not m.edits]
        score = _ELSEWHERE if elsewhere else _MISSPELT
        remark = f"Ort „{city}“ in dieser Gemeinde nicht verzeichnet"
        if elsewhere:
            remark += f", wohl aber: {_listed([self._label(m.place) for m in elsewhere])}"
        return tuple(_noted(match, remark, score) for match in stated)

    def _misspelt_within(self, key: str, ags: str) -> Iterator[_Match]:
        for name, match in self._within.get(ags, {}).items():
            distance = OSA.distance(key, name, score_cutoff=_edits(key))
            if distance <= _edits(key):
                score = _MISSPELT * (1 - distance / max(len(key), len(name)))
                remark = f"gelesen als „{match.place.name}“"
                yield replace(match, score=score, edits=distance, remark=remark)

    def _narrow(
        self, matches: Sequence[_Match], evidence: _Evidence
    ) -> tuple[Sequence[_Match], str]:
        """Keep what agrees with the evidence; also say what contradicts it altogether."""
        if evidence.unknown_kreis:
            return matches, f"Kreis „{evidence.unknown_kreis}“ nicht verzeichnet"
        kept = matches
        if evidence.kreise is not None:
            kept = [m for m in kept if self._units[m.place.ags].kreis_key in evidence.kreise]
            if not kept:
                return matches, "liegt nicht im angegebenen Kreis"
        if evidence.vgs:
            inside = [m for m in kept if self._units[m.place.ags].vg_key in evidence.vgs]
            remark = "liegt nicht in der angegebenen Verbandsgemeinde"
            kept = inside or [_noted(m, remark, _CONTRADICTED) for m in kept]
        if _several(kept) and evidence.postcode:
            kept = [
                m for m in kept if self._units[m.place.ags].postcode == evidence.postcode
            ] or kept
        fewest = min(m.edits for m in kept)
        kept = [m for m in kept if m.edits == fewest]
        if _several(kept) and (evidence.kreise or evidence.vgs):
            official = [m for m in kept if m.official]
            kept = official if official and not _several(official) else kept
        return kept, ""

    def _decide(self, matches: Sequence[_Match], evidence: _Evidence) -> _Answer:
        kept, contradiction = self._narrow(matches, evidence)
        ags = frozenset(match.place.ags for match in kept)
        source = self._origin.source
        if contradiction:
            if all(match.edits for match in kept):
                names = _listed([self._label(match.place) for match in kept])
                return NotFound(source, f"nur ähnliche Namen: {names}; {contradiction}"), _NO_AGS
            return Ambiguous(source, self._candidates(kept), contradiction), ags
        if self._doubtful(kept, evidence):
            reason = "nur ähnlich geschrieben; Kreis, Verbandsgemeinde oder PLZ fehlt"
            return Ambiguous(source, self._candidates(kept), reason), ags
        if len(ags) > 1:
            reason = "mehrere Orte dieses Namens; Kreis, Verbandsgemeinde oder PLZ fehlt"
            return Ambiguous(source, self._candidates(kept), reason), ags
        return self._found(self._best(kept)), ags

    def _doubtful(self, matches: Sequence[_Match], evidence: _Evidence) -> bool:
        """Say whether a misspelt name may as well be another place that is not listed.

        One of twenty place names elsewhere in Germany is one letter away from one here
        (Mannheim, Marnheim). Where nothing else is stated, the first letter must agree and
        the name be long or the town well known.
        """
        if evidence.kreise or evidence.vgs or not all(match.edits for match in matches):
            return False
        if evidence.postcode in {self._units[match.place.ags].postcode for match in matches}:
            return False
        return not all(match.known for match in matches)

    def _best(self, matches: Sequence[_Match]) -> _Match:
        """Choose among places of one municipality: itself, or its only Ortsteil of the name."""
        whole = [match for match in matches if match.place.precision == "municipality"]
        if whole or len(matches) == 1:
            return max(whole or matches, key=lambda match: match.score)
        seat = self._seats[matches[0].place.ags]
        return _Match(seat, _UNKNOWN_PART, remark="mehrere Ortsteile dieses Namens")

    def _unknown(self, text: str, evidence: _Evidence) -> _Answer:
        """Answer for a name that no place has: by its postal code where that is certain."""
        here = self._in_postcode(evidence)
        reason = f"kein Ort „{text}“ im Verzeichnis"
        if self._is_area(text) or _is_vg(text):
            reason = f"„{text}“ ist ein Kreis oder eine Verbandsgemeinde, keine Gemeinde"
        if len(here) == 1:
            match = _Match(
                self._seats[here[0]],
                _POSTCODE_UNKNOWN_NAME,
                remark=f"nach der PLZ {evidence.postcode}; {reason}",
            )
            return replace(self._found(match), precision="postcode"), _NO_AGS
        return NotFound(self._origin.source, reason), _NO_AGS

    def _unnamed(self, evidence: _Evidence) -> _Answer:
        """Answer where no name is stated: a kreisfreie Stadt, a postal code, or nothing."""
        source = self._origin.source
        here = self._in_postcode(evidence)
        if len(here) > 1:
            matches = [_Match(self._seats[ags], _POSTCODE_ONLY) for ags in here]
            reason = f"{len(here)} Gemeinden haben die PLZ {evidence.postcode}"
            return Ambiguous(source, self._candidates(matches), reason), _NO_AGS
        if here:
            remark = f"nach der PLZ {evidence.postcode}"
            match = _Match(self._seats[here[0]], _POSTCODE_ONLY, remark=remark)
            return replace(self._found(match), precision="postcode"), _NO_AGS
        if evidence.kreise and evidence.kreise <= self._free and len(evidence.kreise) == 1:
            ags = next(a for a, u in self._units.items() if u.kreis_key in evidence.kreise)
            return self._found(_Match(self._seats[ags], 1.0)), frozenset({ags})
        what = f"PLZ {evidence.postcode} ist kein Sitz einer Gemeinde" if evidence.postcode else ""
        return NotFound(source, what or "weder Ort noch Gemeinde angegeben"), _NO_AGS

    def _in_postcode(self, evidence: _Evidence) -> list[str]:
        if evidence.unknown_kreis:
            return []
        return [
            ags
            for ags in self._by_postcode.get(evidence.postcode, ())
            if (evidence.kreise is None or self._units[ags].kreis_key in evidence.kreise)
            and (evidence.vgs is None or self._units[ags].vg_key in evidence.vgs)
        ]

    # ---------------------------------------------------------------------- results

    def _label(self, place: _Place) -> str:
        unit = self._units[place.ags]
        if place.precision == "locality":
            return f"{place.name}, Ortsteil von {unit.name} ({unit.where})"
        return f"{place.name} ({unit.where})"

    def _candidate(self, match: _Match) -> Candidate:
        place = match.place
        return Candidate(
            self._label(place),
            place.lon,
            place.lat,
            place.precision,
            ags=place.ags,
            score=round(match.score, 3),
        )

    def _candidates(self, matches: Sequence[_Match]) -> tuple[Candidate, ...]:
        ordered = sorted(matches, key=lambda m: (m.edits, -m.score, m.place.ags, m.place.name))
        return tuple(self._candidate(match) for match in ordered)

    def _found(self, match: _Match) -> Found:
        place = match.place
        label = self._label(place)
        return Found(
            place.lon,
            place.lat,
            place.precision,
            round(match.score, 3),
            place.source,
            place.licence,
            self._origin.date,
            f"{label}; {match.remark}" if match.remark else label,
            ags=place.ags,
        )


# --------------------------------------------------------------------------- helpers


def _query(address: Address) -> _Query:
    parts = (
        address.municipality,
        address.city,
        address.verbandsgemeinde,
        address.kreis,
        address.postcode,
    )
    return _Query(*[(part or "").strip() for part in parts])


def _ortsteil(row: Mapping[Any, Any]) -> _Place:
    people = float(row["population"]) if not pd.isna(row["population"]) else 0.0
    return _Place(
        row["name"],
        row["ags"],
        "locality",
        float(row["lon"]),
        float(row["lat"]),
        row["source"],
        row["licence"],
        people,
    )


def _ortsteil_keys(name: str, municipality: str) -> dict[str, float]:
    """Return the keys of an Ortsteil and their scores: "Mainz-Mombach" is also "Mombach"."""
    key, whole = place_key(name), place_key(municipality)
    keys = dict.fromkeys(_short_keys(name), _SHORT_NAME)
    if key.startswith(whole) and len(key) > len(whole) + 3:
        keys[key.removeprefix(whole)] = 1.0
    return {**keys, key: 1.0}


def _splits(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the ways to cut `text` in two, by signs first, then at each blank."""
    for cut in _SPLIT.finditer(text):
        head, tail = text[: cut.start()].strip(), text[cut.end() :].strip(" )")
        if head and tail:
            sign = cut.group().strip()
            yield head, tail, "," if sign.isalpha() else sign
    words = text.split()
    for at in range(1, len(words)):
        yield " ".join(words[:at]), " ".join(words[at:]), " "


def _is_vg(text: str) -> bool:
    tokens = fold(text).split()
    return len(tokens) > 1 and tokens[0] in _VG_TITLES


def _vg_key(text: str) -> str:
    return _join(token for token in fold(text).split() if token not in _VG_TITLES)


def _kreis_base(text: str) -> str:
    """Return the name of a Kreis without its titles, additions in brackets kept."""
    plain = re.sub(r",\s*(?:kreisfreie\s+)?Stadt$", "", text.strip())
    plain = re.sub(r"\(\s*kreisfreie\s+Stadt\s*\)", "", plain)
    titles = _KREIS_TITLES | _FREE_TITLES
    words = [word for word in re.split(r"[\s]+", plain) if fold(word) not in titles]
    joined = " ".join(words)
    return re.sub(r"-?[Kk]reis$", "", joined) or plain


def _kreis_label(kreis: str, *, free: bool) -> str:
    if free:
        return "kreisfreie Stadt"
    titled = fold(kreis).startswith(("landkreis", "kreis", "eifelkreis"))
    return kreis if titled or fold(kreis).endswith("kreis") else f"Landkreis {kreis}"


def _several(matches: Sequence[_Match]) -> bool:
    return len({match.place.ags for match in matches}) > 1


def _noted(match: _Match, remark: str, factor: float) -> _Match:
    remarks = "; ".join(part for part in (match.remark, remark) if part)
    return replace(match, remark=remarks, score=match.score * factor)


def _listed(labels: Sequence[str], most: int = 3) -> str:
    shown = list(dict.fromkeys(labels))
    rest = f" und {len(shown) - most} weitere" if len(shown) > most else ""
    return ", ".join(shown[:most]) + rest
