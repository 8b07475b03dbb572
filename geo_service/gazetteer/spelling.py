"""By which rules two spellings are one place name, and what in a text is a title."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from geo_service.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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

_ONE_LETTER: Final = str.maketrans("یىکةۀ", "ييكهه")
"""Letters that Arabic and Persian keyboards send differently."""

_ADDITION: Final = re.compile(r"\s*(?:\(.*|/.*|,.*)$")
_PREPOSITION: Final = re.compile(
    r"\s+(?:an|am|auf|bei|b\.|im|in|ob|vor|a\.|i\.|o\.)\s*(?:d\.|der|dem|den)?\s+.*$"
)
POSTCODE: Final = re.compile(r"(?<!\d)(?:D\s*-\s*)?(\d{5})(?!\d)")
"""A German postal code in a text, the "D-" before it left out."""
_SPLIT: Final = re.compile(r"\s*(?:[-–/,;(]|\b(?:OT|Ot|ot|Ortsteil|Stadtteil)\b)\s*")


def place_key(text: str) -> str:
    """Return the key under which two spellings of one place name are equal.

    >>> place_key("Neustadt a. d. Weinstr.") == place_key("Neustadt an der Weinstraße")
    True
    >>> place_key("St. Goar") == place_key("Sankt Goar")
    True
    >>> place_key("Landau i.d. Pfalz") == place_key("Landau/Pfalz")
    True
    """
    return _join(fold(text.translate(_ONE_LETTER)).split())


def untitled_key(text: str) -> str:
    """Return the key of `text` without titles before or after: "Stadt Mainz", "Mainz, Stadt"."""
    return _join(_without_titles(fold(text.translate(_ONE_LETTER)).split()))


def _without_titles(tokens: list[str]) -> list[str]:
    while len(tokens) > 1 and tokens[0] in _TITLES:
        tokens = tokens[1:]
    while len(tokens) > 1 and tokens[-1] in _TITLES:
        tokens = tokens[:-1]
    return tokens


def _join(tokens: Iterable[str]) -> str:
    written = [_WRITTEN_OUT.get(token, token) for token in tokens]
    return "".join([token for token in written if token not in _DROPPED] or written)


def short_keys(name: str) -> set[str]:
    """Return the keys of `name` without its addition: "Landau in der Pfalz" -> "landau"."""
    plain = _ADDITION.sub("", name)
    keys = {place_key(plain), place_key(_PREPOSITION.sub("", plain))}
    return {key for key in keys if key} - {place_key(name)}


def addition_key(name: str) -> str:
    """Return the key of what a name has besides itself: "pfalz" for "Hirschhorn/Pfalz"."""
    addition = _ADDITION.search(name)
    return place_key(addition[0]) if addition else ""


def splits(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the ways to cut `text` in two, by signs first, then at each blank."""
    for cut in _SPLIT.finditer(text):
        head, tail = text[: cut.start()].strip(), text[cut.end() :].strip(" )")
        if head and tail:
            sign = cut.group().strip()
            yield head, tail, "," if sign.isalpha() else sign
    words = text.split()
    for at in range(1, len(words)):
        yield " ".join(words[:at]), " ".join(words[at:]), " "


# ----------------------------------------------------- Verbandsgemeinden and Kreise


def is_vg(text: str) -> bool:
    """Say whether `text` begins as the name of a Verbandsgemeinde: "VG Konz"."""
    tokens = fold(text).split()
    return len(tokens) > 1 and tokens[0] in _VG_TITLES


def vg_key(text: str) -> str:
    """Return the key of a Verbandsgemeinde, with or without its title."""
    return _join(token for token in fold(text).split() if token not in _VG_TITLES)


def kreis_base(text: str) -> str:
    """Return the name of a Kreis without its titles, additions in brackets kept."""
    plain = re.sub(r",\s*(?:kreisfreie\s+)?Stadt$", "", text.strip())
    plain = re.sub(r"\(\s*kreisfreie\s+Stadt\s*\)", "", plain)
    titles = _KREIS_TITLES | _FREE_TITLES
    words = [word for word in re.split(r"\s+", plain) if fold(word) not in titles]
    return re.sub(r"-?[Kk]reis$", "", " ".join(words)) or plain


def kreis_label(kreis: str, *, free: bool) -> str:
    """Return a Kreis as residents read it."""
    if free:
        return "kreisfreie Stadt"
    titled = fold(kreis).startswith(("landkreis", "kreis", "eifelkreis"))
    return kreis if titled or fold(kreis).endswith("kreis") else f"Landkreis {kreis}"


def means_free_town(text: str) -> bool | None:
    """Say whether `text` calls itself a kreisfreie Stadt or a Landkreis; None: neither."""
    tokens = set(fold(text).split())
    if tokens & _KREIS_TITLES:
        return False
    return True if tokens & _FREE_TITLES else None


# ----------------------------------------------------------------------- typing errors


def allowed_edits(key: str) -> int:
    """Return how many typing errors a name of that length may have (after folding)."""
    return (len(key) >= 5) + (len(key) >= 13) + (len(key) >= 20)


OUTSIDE: Final = frozenset(
    place_key(name)
    for name in (
        *("Aulendorf", "Bad Dürrheim", "Baesweiler", "Beringen", "Bobingen", "Böblingen"),
        *("Burghausen", "Charlottenburg", "Eislingen", "Eppelheim", "Eschweiler", "Freudenberg"),
        *("Karlstadt", "Lauenburg", "Lindau", "Mörlenbach", "Mosbach", "Neuenburg am Rhein"),
        *("Ottersberg", "Ottweiler", "Schmallenberg", "Schorndorf", "Schriesheim"),
        *("Schwarzenberg", "Villingen", "Weinheim", "Winterberg", "Wittenheim", "Wittingen"),
    )
)
"""Towns of 10,000 people and more outside the Land (Germany and neighbours; GeoNames) whose
name would else pass for a misspelling of one inside."""
