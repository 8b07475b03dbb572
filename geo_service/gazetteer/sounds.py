"""Which names sound alike, in whatever script or by whatever scheme somebody wrote them.

Few people who write Cyrillic or Arabic know how a German name is spelt; they write what they
hear, by one of several schemes: Людвигсхафен, Людвігсгафен, لودفيجسهافن, Lyudvigskhafen. What
the schemes do not agree on is one sound here (g, h and ch; s, z, ts and sch; f, v and w), and
so is what German writes in several ways (ei and ai, eu and äu). Made for what is offered to
be chosen from; names are told apart by `spelling`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from geo_service.gazetteer.spelling import place_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.gazetteer.match import Match

_FEWEST_LETTERS: Final = 4
_FEWEST_CONSONANTS: Final = 3
_MOST_EITHER: Final = 5  # so that a name is read in 32 ways at most

_CYRILLIC: Final = {
    **dict(
        zip("абвгґдезиіјклмнопрстуфхцчшщыэюєж", "abvhhdesiiiklmnoprstuvhssssieues", strict=True)
    ),
    "ь": "",
    "ъ": "",
    "я": "ia",
}
_ARABIC: Final = {
    **dict.fromkeys("بپ", "b"),
    **dict.fromkeys("تطٹ", "t"),
    **dict.fromkeys("دضذ", "d"),
    **dict.fromkeys("سصثزژچظ", "s"),
    **dict.fromkeys("غجگخهح", "h"),
    **dict.fromkeys("كکق", "k"),
    **dict(zip("رلمنفڤ", "rlmnvv", strict=True)),
}
"""Consonants of Arabic and Persian; p is written as b in Arabic. All else is a vowel."""
_EITHER: Final = {"و": ("", "v"), "ش": ("s", "h")}
"""Letters for two sounds: u and w, sch and the ch of "ich"."""

_GERMAN: Final = tuple(
    (re.compile(written), said)
    for written, said in (
        ("(?<=[aeiouy])h(?![aeiouy])", ""),
        ("chs", "ks"),
        ("tz?sch|sch|^sh|sh(?![aeiouy])|t?z|ts", "s"),
        ("([tr])h", r"\1"),
        ("[ck]h", "h"),
        ("ph|w|f", "v"),
        ("c(?=[eiy]|$)", "s"),
        ("qu", "kv"),
        ("ck|c|q", "k"),
        ("x", "ks"),
        ("aeu|eu|o[yij]", "oi"),
        ("[ae][yij]", "ai"),
        ("yu|ue", "u"),
        ("ye|ae|oe|ee", "e"),
        ("[yj]", "i"),
        ("g", "h"),
    )
)
_ALIKE: Final = tuple(
    (re.compile(written), said)
    for written, said in (("ei", "ai"), ("ie", "i"), ("dt", "t"), ("ts", "s"), (r"(.)\1+", r"\1"))
)
_VOWELS: Final = re.compile("[aeiou]")
_IS_ARABIC: Final = re.compile("[\u0620-\u064a\u0671-\u06d3]")


def sound_key(text: str) -> str:
    """Return the key under which names in Latin or Cyrillic letters sound alike.

    >>> sound_key("Людвігсгафен") == sound_key("Lyudvigskhafen") == sound_key("Ludwigshafen")
    True
    >>> sound_key("Бад-Кройцнах") == sound_key("Bad Kreuznach")
    True
    """
    key = _replaced(place_key(text), _GERMAN)
    return _replaced("".join(_CYRILLIC.get(letter, letter) for letter in key), _ALIKE)


def consonant_keys(text: str) -> set[str]:
    """Return the consonants that a text in Arabic letters may mean.

    >>> consonant_keys("كايزرسلاوترن") & {consonants(sound_key("Kaiserslautern"))}
    {'ksrsltrn'}
    """
    key = place_key(text)
    if not _IS_ARABIC.search(key):
        return set()
    said = [_EITHER.get(letter) or (_ARABIC.get(letter, ""),) for letter in key]
    if sum(map(len, said)) > len(said) + _MOST_EITHER:
        said = [one[:1] for one in said]
    return {"".join(letters).replace("ts", "s") for letters in product(*said)}


def consonants(sound: str) -> str:
    """Return what is left of a sound in scripts that write no vowels and no p."""
    return _VOWELS.sub("", sound).replace("p", "b").replace("ts", "s")


class Sounds:
    """Names by their sound; `names` are matches by `place_key`."""

    def __init__(self, names: Mapping[str, tuple[Match, ...]]) -> None:
        self._by_sound: dict[str, list[Match]] = defaultdict(list)
        self._by_consonants: dict[str, list[Match]] = defaultdict(list)
        for key, matches in names.items():
            sound = sound_key(key)
            self._by_sound[sound] += matches
            self._by_consonants[consonants(sound)] += matches

    def alike(self, text: str, *, begins: bool = False) -> tuple[Match, ...]:
        """Return the places whose name sounds like `text`, or (`begins`) begins so.

        Nothing where `text` is too short to tell names apart.
        """
        if keys := consonant_keys(text):
            known, fewest = self._by_consonants, _FEWEST_CONSONANTS
        else:
            known, keys, fewest = self._by_sound, {sound_key(text)}, _FEWEST_LETTERS
        keys = {key for key in keys if len(key) >= fewest}
        if not begins:
            return tuple(match for key in sorted(keys) for match in known.get(key, ()))
        start = tuple(keys)
        return tuple(m for key, found in known.items() if key.startswith(start) for m in found)

    def near(self, text: str) -> tuple[Match, ...]:
        """Return the places whose name sounds like `text` but for one letter, or two of many."""
        key = sound_key(text)
        edits = (len(key) > _FEWEST_LETTERS) + (len(key) > 2 * _FEWEST_LETTERS)
        found = process.extract(
            key, list(self._by_sound) if edits else [], scorer=OSA.distance, score_cutoff=edits
        )
        return tuple(match for name, *_ in found for match in self._by_sound[name])


def _replaced(text: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for written, said in rules:
        text = written.sub(said, text)
    return text
