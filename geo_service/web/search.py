"""What a visitor typed as a place: the point that is meant, or what to ask back.

Postal code, municipality, Ortsteil, Kreis or address, in any script, from the gazetteer
alone. Namesakes are never guessed: `Located.options` are the labels to choose from, and a
label typed back means exactly that one place.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from geo_service.names import fold
from geo_service.schema import Address, Ambiguous, Found
from geo_service.web.town_names import DISTRICTS, POSTCODES, SHORT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from geo_service.schema import Candidate, GeocodeResult
    from geo_service.snapshot import Territory

__all__ = ["MAX_CHARS", "Located", "PlaceSearch", "Spot", "StreetAddress", "round_point"]

MAX_CHARS: Final = 200
"""Longest text that can mean a place; every label of ours fits."""
SUGGESTIONS: Final = 8
_TOWN_WORDS: Final = 6  # the Land's place names have up to four
_MANY: Final = 64
_SIMILAR: Final = 6
_POSTCODE: Final = re.compile(r"(?<!\d)(\d{5})(?!\d)")
_SPACED_POSTCODE: Final = re.compile(r"\d(?:\s?\d){4}")
_ONLY_DIGITS: Final = re.compile(r"\d{1,5}")
_NUMBERED_TOWN: Final = re.compile(r"(\d{1,5})\s+(\D.*)")
_HOUSE_NUMBER: Final = re.compile(
    r"(?<!\d)(\d{1,4}\s?[a-zA-Z]?(?:\s?[-/]\s?\d{1,4}[a-zA-Z]?)?)(?!\w)"
)
_STREET: Final = re.compile(
    r"(?:stra(?:ß|ss)e|str\.?|weg|gasse|allee|platz|ring|ufer|damm|steig|pfad|chaussee)(?!\w)",
    re.IGNORECASE,
)
_LETTER: Final = re.compile(r"[^\W\d_]")
_LABEL_HEAD: Final = re.compile(r", Ortsteil von | \(")
_AREA_TITLE: Final = re.compile(
    r"^(?:vg|verbandsgemeinde|lk|landkreis|kreis)\s+|^eifelkreis\b", re.IGNORECASE
)

_LAND: Final = re.compile(
    r"(?:[\s,]+(?:(?:in\s+)?(?:deutschland|germany|allemagne|almanya)|rheinland[\s-]?pfalz"
    r"|rhineland[\s-]palatinate|rlp))+$",
    re.IGNORECASE,
)
_NEARNESS: Final = re.compile(
    r"^(?:in\s+der\s+|in\s+)?(?:nähe|naehe|nahe|umgebung|raum|region|near)(?:\s+(?:von|bei))?\s+"
    r"|^(?:rund\s+)?um\s+|\s+(?:und|u\.)\s+umgebung$",
    re.IGNORECASE,
)
"""Words for "around", which is what every search for a place means."""
_JOINING: Final = frozenset(
    ("a", "am", "an", "auf", "bei", "d", "der", "i", "im", "in", "ob", "vor")
)
"""Words before what tells a town from its namesakes."""
_WELL_KNOWN: Final = 10_000  # people

Kind = Literal["device", "point", "town", "part", "postcode", "address"]
Remark = Literal["", "read_as", "part_unknown", "postcode_unknown"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A point to measure from. Degrees (EPSG:4326), rounded to about 100 m.

    `name` is what the page calls it; `ags` its municipality; `label` tells namesakes apart.
    """

    lon: float
    lat: float
    kind: Kind
    name: str = ""
    label: str = ""
    ags: str | None = None


@dataclass(frozen=True, slots=True)
class StreetAddress:
    """The parts of a typed address. `street` includes the house number."""

    street: str
    town: str

    @property
    def address(self) -> Address:
        """Return the address as geocoders take it."""
        number = _HOUSE_NUMBER.search(_POSTCODE.sub(" ", self.street))
        street = self.street[: number.start()] if number else self.street
        postcode = _POSTCODE.search(self.town)
        return Address(
            street=street.strip(" ,") or self.street,
            house_number=number[1].strip() if number and number.start() else None,
            postcode=postcode[1] if postcode else None,
            city=_POSTCODE.sub(" ", self.town).strip(" ,") or None,
        )


@dataclass(frozen=True, slots=True)
class Located:
    """What was found for a text.

    Exactly one of `spot`, `area` (a key) and `options` is set where something was found;
    options without `asked` are only similar names. `street` is set where an address was
    typed, and then `spot` is the middle of its town.
    """

    text: str = ""
    spot: Spot | None = None
    area: str | None = None
    options: tuple[str, ...] = ()
    asked: bool = False
    remark: Remark = ""
    street: StreetAddress | None = None

    @property
    def blocked(self) -> bool:
        """Whether a place was asked for and none can be shown."""
        return bool(self.text) and self.spot is None and self.area is None


def round_point(lon: float, lat: float) -> tuple[float, float]:
    """Round degrees to about 100 m, so that a point does not tell a house."""
    return round(float(lon), 3) + 0.0, round(float(lat), 3) + 0.0


class PlaceSearch:
    """Reads what visitors type, from the names of one territory."""

    def __init__(self, territory: Territory) -> None:
        self._territory = territory
        self._gazetteer = territory.gazetteer
        table = territory.municipalities
        self._names = dict(zip(table["ags"], table["name"], strict=True))
        self._people = dict(zip(table["ags"], table["population"], strict=True))
        known = table[table["postcode"].notna()].sort_values(
            ["population", "ags"], ascending=[False, True]
        )
        self._towns = [
            (postcode, name, ags)
            for postcode, name, ags in known[["postcode", "name", "ags"]].itertuples(
                index=False, name=None
            )
        ]
        self._areas = _area_keys(territory)
        self._districts = self._known_districts()
        self._area_names = sorted({name for _, name in self._areas.values()})
        self.suggest = lru_cache(maxsize=512)(self._suggest)

    def locate(self, text: str) -> Located:
        """Find what `text` means.

        Also where it is an address: then the town is found, and `street` says what was not
        looked for. A text of over `MAX_CHARS` characters means nothing.
        """
        text = " ".join(text.split())
        if not fold(text) or len(text) > MAX_CHARS:
            return Located(text)
        plain = _LAND.sub("", text) or text
        found = self._read(plain)
        if found.blocked and not found.asked and (bare := _NEARNESS.sub("", plain)) != plain:
            found = self._read(bare)
        return replace(found, text=text)

    def _read(self, text: str) -> Located:
        named = (
            self._labelled(text)
            or self._titled_area(text)
            or self._postcode(text)
            or self._address(text)
            or self._district(text)
            or self._named(text)
            or self._area(text)
        )
        if named and (named.asked or not named.blocked):
            return named
        return (
            self._short(text)
            or self._only_beginning(text)
            or self._heard(text)
            or self._town_and_more(text)
            or named
            or Located(text, options=self._similar(text))
        )

    def name_of(self, ags: str | None) -> str:
        """Return the name of a municipality, empty where there is none."""
        return str(self._names.get(ags or "", ""))

    def at(self, lon: float, lat: float, *, kind: Kind = "device", name: str = "") -> Spot:
        """Return a point that was given in degrees (EPSG:4326)."""
        lon, lat = round_point(lon, lat)
        ags = self._territory.index.find_one(lon, lat)
        return Spot(lon, lat, kind, name, self.name_of(ags), ags)

    def _suggest(self, text: str) -> tuple[str, ...]:
        text = " ".join(text.split())
        if _ONLY_DIGITS.fullmatch(text) or _NUMBERED_TOWN.fullmatch(text):
            return self._postcode_towns(text)
        start = fold(text)
        if len(start) < 2:
            return ()
        short = self._short(text)
        labels = [short.spot.label] if short and short.spot else []
        labels += [one.label for one in self._gazetteer.suggest(text, limit=SUGGESTIONS)]
        places = tuple(dict.fromkeys(labels))
        others = self._districts_and_areas(start) if len(start) >= 3 else []
        others = [one for one in others if one not in places][: max(2, SUGGESTIONS - len(places))]
        return (*places[: SUGGESTIONS - len(others)], *others)

    def _districts_and_areas(self, start: str) -> list[str]:
        districts = [
            one
            for name, known in self._districts.items()
            for one in known
            if name.startswith(start) or (" " in start and fold(one).startswith(start))
        ]
        labels = [(_labels(self._plain(one)) or (one,))[0] for one in districts[:3]]
        return labels + [name for name in self._area_names if _begins(name, start)]

    def _postcode_towns(self, text: str) -> tuple[str, ...]:
        digits, _, start = text.partition(" ")
        found = [
            f"{postcode} {name}"
            for postcode, name, _ in self._towns
            if postcode.startswith(digits) and fold(name).startswith(fold(start))
        ]
        if not found and not start and (known := self._postcode(digits)) and known.spot:
            found = [f"{digits} {known.spot.name}"]
        return tuple(dict.fromkeys(found))[:SUGGESTIONS]

    # ---------------------------------------------------------------- ways to read a text

    def _labelled(self, text: str) -> Located | None:
        """Read a label of ours: "Bauler (Landkreis Ahrweiler, VG Adenau)"."""
        if "(" not in text:
            return None
        for cut in [len(text), *(m.start() for m in _LABEL_HEAD.finditer(text))][::-1]:
            for one in self._gazetteer.suggest(text[:cut], limit=_MANY):
                if one.label == text:
                    return Located(text, self._spot(one))
        return None

    def _titled_area(self, text: str) -> Located | None:
        return self._area(text) if _AREA_TITLE.match(text) else None

    def _area(self, text: str) -> Located | None:
        found = self._areas.get(fold(text))
        if found or not _AREA_TITLE.match(text):
            return Located(text, area=found[0]) if found else None
        keys = self._gazetteer.kreis_keys(text) & {key for key, _ in self._areas.values()}
        return Located(text, area=min(keys)) if len(keys) == 1 else None

    def _postcode(self, text: str) -> Located | None:
        """Read a postal code alone; the register has those of the municipalities' seats."""
        if _SPACED_POSTCODE.fullmatch(text):
            text = text.replace(" ", "")
        if not re.fullmatch(r"(?:D\s*-\s*)?\d{5}", text):
            return None
        code = text[-5:]
        found = self._gazetteer.find(Address(postcode=code))
        if isinstance(found, Found):
            return Located(text, self._spot(found, kind="postcode", name=self.name_of(found.ags)))
        if isinstance(found, Ambiguous):
            options = tuple(dict.fromkeys(one.label for one in found.candidates))
            return Located(text, options=options, asked=True)
        town = next((name for name, (a, b) in POSTCODES.items() if a <= int(code) <= b), "")
        if known := self._plain(town):
            return replace(known, text=text, remark="postcode_unknown")
        similar = sorted(
            (abs(int(postcode) - int(code)), name, postcode)
            for postcode, name, _ in self._towns
            if postcode[:2] == code[:2]
        )
        labels = dict.fromkeys(f"{postcode} {name}" for _, name, postcode in similar)
        return Located(text, options=tuple(labels)[:_SIMILAR])

    def _address(self, text: str) -> Located | None:
        """Read an address: its town is found here, its street by others or not at all."""
        plain = _POSTCODE.sub(" ", text)
        if not _HOUSE_NUMBER.search(plain) and not _STREET.search(plain):
            return None
        if self._plain(text):
            return None
        parts = [
            (street, town)
            for street, town in _address_parts(text)
            if _LETTER.search(street)
            and not (_POSTCODE.fullmatch(street[-5:]) and fold(town) in self._districts)
        ]
        for read in (self._town, self._town_with_part):
            for street, town in parts:
                found = read(town)
                if found and (found.spot or found.asked):
                    return replace(found, text=text, street=StreetAddress(street, town))
        return None

    def _town(self, text: str) -> Located | None:
        """Read the town of an address."""
        return (
            self._labelled(text)
            or self._district(text)
            or self._plain(text)
            or self._postcode(_only_postcode(text))
        )

    def _town_with_part(self, text: str) -> Located | None:
        """Read the town of "Hauptstr. 5, Bitburg-Matzen", though its part is not known."""
        street = _STREET.search(text) or _HOUSE_NUMBER.search(_POSTCODE.sub(" ", text))
        found = None if street else self._named(text)
        return found if found and found.remark == "part_unknown" else None

    def _plain(self, text: str) -> Located | None:
        """Read a name that the gazetteer has as it is spelt, without guessing at all."""
        found = self._gazetteer.find(Address(city=text))
        if isinstance(found, Found) and found.precision != "postcode" and ";" not in found.label:
            return Located(text, self._spot(found))
        exact = isinstance(found, Ambiguous) and "Namens" in found.reason
        return self._options(text, found) if exact else None

    def _named(self, text: str) -> Located | None:
        found = self._gazetteer.find(Address(city=text))
        if isinstance(found, Ambiguous):
            return self._options(text, found)
        if not isinstance(found, Found):
            return None
        if found.precision == "postcode":
            return Located(text, self._spot(found, kind="postcode", name=self.name_of(found.ags)))
        return Located(text, self._spot(found), remark=_remark(found))

    def _known_districts(self) -> dict[str, list[str]]:
        """Return the parts of large towns: folded name -> "Mainz-Mombach"."""
        known: dict[str, list[str]] = defaultdict(list)
        for town, names in DISTRICTS.items():
            for name in names if self._plain(town) else ():
                known[fold(name)].append(f"{town}-{name}")
        return known

    def _district(self, text: str) -> Located | None:
        """Read a part of a large town that the gazetteer does not have, or has elsewhere."""
        names = self._districts.get(fold(_POSTCODE.sub(" ", text)), [])
        names = [one for one in names if not self._plain(one)]
        if not names:
            return None
        labels = _labels(self._plain(text))
        agreeing = [one for one in names if _may_be_in(one, text)]
        if not agreeing:
            return None if labels else Located(text, options=tuple(names))
        if len(agreeing) > 1 or labels:
            return Located(text, options=(*labels, *agreeing), asked=True)
        town = self._named(agreeing[0])
        return replace(town, text=text) if town else None

    def _short(self, text: str) -> Located | None:
        """Read "KL", "Lautern"."""
        found = self._plain(SHORT_NAMES.get(fold(text), ""))
        return replace(found, text=text, remark="read_as") if found and found.spot else None

    def _only_beginning(self, text: str) -> Located | None:
        """Read "Bad Neuenahr" as the one name of the Land that goes on after these words."""
        start = f"{fold(text)} "
        if len(start) < 5:
            return None
        begun = [
            one
            for one in self._gazetteer.suggest(text, limit=_MANY)
            if fold(_LABEL_HEAD.split(one.label)[0]).startswith(start)
        ]
        return Located(text, self._spot(begun[0]), remark="read_as") if len(begun) == 1 else None

    def _heard(self, text: str) -> Located | None:
        found = self._gazetteer.find_by_sound(text)
        if isinstance(found, Found):
            return Located(text, self._spot(found), remark="read_as")
        return self._options(text, found)

    def _town_and_more(self, text: str) -> Located | None:
        """Read a large town with other words before or after it: "Mainz Hbf"."""
        words = [] if _AREA_TITLE.match(text) else re.split(r"[\s,]+", text)
        cuts = range(min(len(words) - 1, _TOWN_WORDS), 0, -1)
        first = self._large(" ".join(words[:cut]) for cut in cuts)
        last = self._large(" ".join(words[-cut:]) for cut in cuts)
        if first and last and first.spot != last.spot:
            return Located(text, options=(*_labels(first), *_labels(last)))
        if first and _is_namesake(first):
            return Located(text, options=_labels(first))
        town = first or last
        return replace(town, text=text, remark="read_as") if town else None

    def _large(self, texts: Iterable[str]) -> Located | None:
        """Return the first municipality of 10,000 people and more that is named exactly."""
        for text in texts:
            found = self._plain(text) if len(fold(text)) >= 4 else None
            spot = found.spot if found else None
            people = self._people.get(spot.ags or "", 0) if spot else 0
            if spot and spot.kind == "town" and people >= _WELL_KNOWN:
                return found
        return None

    def _options(self, text: str, found: GeocodeResult) -> Located | None:
        if not isinstance(found, Ambiguous):
            return None
        labels = dict.fromkeys(one.label for one in found.candidates)
        known = [one.label for one in self._gazetteer.suggest(text, limit=_MANY)]
        ranked = [label for label in known if label in labels]  # the largest first
        options = tuple(dict.fromkeys([*ranked, *labels]))
        return Located(text, options=options, asked="Namens" in found.reason)

    def _similar(self, text: str) -> tuple[str, ...]:
        start = fold(text)
        areas = [name for name in self._area_names if len(start) >= 4 and _begins(name, start)]
        found = dict.fromkeys(areas[:2])
        text = _AREA_TITLE.sub("", text)
        for part in [text, *re.split(r"[\s,;]+", _POSTCODE.sub(" ", text))]:
            if len(fold(part)) >= 4:
                places = self._gazetteer.suggest(part, limit=_SIMILAR)
                found |= dict.fromkeys(one.label for one in places)
        return tuple(found)[:_SIMILAR]

    def _spot(self, found: Found | Candidate, *, kind: Kind | None = None, name: str = "") -> Spot:
        label = found.label.split("; ")[0]
        own: Kind = "part" if found.precision == "locality" else "town"
        head = _LABEL_HEAD.split(label)[0]
        lon, lat = round_point(found.lon, found.lat)
        return Spot(lon, lat, kind or own, name or head, label, found.ags)


def _labels(found: Located | None) -> tuple[str, ...]:
    if found is None:
        return ()
    return (found.spot.label,) if found.spot else found.options


def _is_namesake(town: Located) -> bool:
    """Tell whether "Landau an der" goes on as another town, not as "Landau in der Pfalz"."""
    own = fold(town.spot.name).split() if town.spot else []
    return fold(town.text).split()[-1] in _JOINING and not _JOINING.isdisjoint(own)


def _remark(found: Found) -> Remark:
    if "gelesen als" in found.label:
        return "read_as"
    return "part_unknown" if "nicht verzeichnet" in found.label else ""


def _may_be_in(district: str, text: str) -> bool:
    """Tell whether `text` has no postal code, or one of the town of "Mainz-Mombach"."""
    code = _POSTCODE.search(text)
    first, last = POSTCODES[district.partition("-")[0]]
    return code is None or first <= int(code[1]) <= last


def _only_postcode(text: str) -> str:
    code = _POSTCODE.search(text)
    return code[1] if code else text


def _begins(name: str, start: str) -> bool:
    words = fold(name).split()
    return any(" ".join(words[at:]).startswith(start) for at in range(min(2, len(words))))


def _address_parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to read a text as (street, town), the plainest and longest town first.

    Without a comma or a postal code a town has at most `_TOWN_WORDS` words, so that a text of
    many words asks the gazetteer no more often than an address does.
    """
    pieces = [piece.strip() for piece in re.split(r"[,;\n]+", text) if piece.strip()]
    if len(pieces) > 1:
        if text.endswith(")"):
            yield pieces[0], text.partition(",")[2].strip()  # "Hauptstr. 3, Roth (Kreis, VG)"
        yield ", ".join(pieces[:-1]), pieces[-1]
        yield ", ".join(pieces[1:]), pieces[0]
        yield pieces[0], " ".join(pieces[1:])
    code = _POSTCODE.search(text)
    if code:
        yield text[: code.start()].strip(" ,"), text[code.start() :].strip(" ,")
    words = text.split()
    for cut in range(max(1, len(words) - _TOWN_WORDS), len(words)):
        yield " ".join(words[:cut]).strip(" ,"), " ".join(words[cut:])  # "Kaiserstraße 5 Mainz"
    for cut in range(min(_TOWN_WORDS, len(words) - 1), 0, -1):
        yield " ".join(words[cut:]), " ".join(words[:cut]).strip(" ,")  # "Mainz Kaiserstraße 5"


def _area_keys(territory: Territory) -> Mapping[str, tuple[str, str]]:
    """Return the Landkreise and Verbandsgemeinden: folded name -> key and full name."""
    table = territory.municipalities
    spellings: dict[str, dict[str, str]] = defaultdict(dict)
    rural = table[table["designation"] != "kreisfreie Stadt"]
    for key, name in set(zip(rural["kreis_key"], rural["kreis"], strict=True)):
        full = name if "kreis" in fold(name) else f"Landkreis {name}"
        bare = re.sub(r"^Eifelkreis |-?kreis$", "", name, flags=re.IGNORECASE)
        more = ("Eifelkreis",) if bare != name and name.startswith("Eifelkreis") else ()
        titled = (f"{title} {name}" for title in ("Kreis", "LK", "Landkreis"))
        for text in (name, full, bare, *titled, *more):
            spellings[fold(text)][key] = full
    joint = table[table["verbandsgemeinde"].notna()]
    columns = (joint["verbandsgemeinde_key"], joint["verbandsgemeinde"])
    for key, name in set(zip(*columns, strict=True)):
        for text in (name, f"VG {name}", f"Verbandsgemeinde {name}"):
            spellings[fold(text)][key] = f"Verbandsgemeinde {name}"
    return {text: next(iter(keys.items())) for text, keys in spellings.items() if len(keys) == 1}
