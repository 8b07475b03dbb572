"""Any text, made fit for paper: what is no writing goes, what is too long ends in an ellipsis."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from geo_service.handout.paper import MAX_PLACES

if TYPE_CHECKING:
    from geo_service.handout.paper import Handout, HandoutPlace

__all__ = ["breakable", "fit", "isolated", "plain", "short_address"]

_LIMITS: Final = {
    "name": 140,
    "kind": 60,
    "where": 120,
    "hours": 260,
    "languages": 160,
    "wheelchair": 80,
    "distance": 40,
    "stated": 60,
}
_CUT: Final = 8
"""How many times its limit of a text is looked at: of 100 kB nobody reads the end."""

_KEPT_FORMAT: Final = "\u200c\u200d"  # Persian and Indic spelling needs them
_LONG_RUN: Final = re.compile(r"[^\s\u200b]{36,}")
_LONGEST_ADDRESS: Final = 2_000
_NOTHING: Final = "–"
_MARKS_IN_A_ROW: Final = 3
_RUN: Final = 30


def fit(handout: Handout) -> Handout:
    """Return `handout` with every text short and plain enough for paper.

    Of texts from outside this leaves out what is no writing (control characters, direction
    overrides, emoji, heaps of accents), makes line breaks spaces, shortens what is too long,
    and leaves out the places after the first `MAX_PLACES`.
    """
    return dataclasses.replace(
        handout,
        service=plain(handout.service, 80),
        title=plain(handout.title, 120) or _NOTHING,
        subtitle=plain(handout.subtitle, 240),
        notes=tuple(plain(note, 240) for note in handout.notes),
        foot=plain(handout.foot, 120),
        places=tuple(_fit_place(place) for place in handout.places[:MAX_PLACES]),
        sources=tuple(plain(note, 300) for note in handout.sources),
    )


def _fit_place(place: HandoutPlace) -> HandoutPlace:
    texts = {
        name: None if text is None else plain(text, limit)
        for name, limit in _LIMITS.items()
        for text in [getattr(place, name)]
    }
    texts["name"] = texts["name"] or _NOTHING
    texts["website"] = _address(place.website)
    return dataclasses.replace(place, **texts)  # type: ignore[arg-type]


def _address(url: str | None) -> str | None:
    """Return a web address that can be linked to, None where it holds what no address holds."""
    return url if url and url.isprintable() and len(url) <= _LONGEST_ADDRESS else None


def plain(text: str, limit: int) -> str:
    r"""Return the writing in `text` on one line of at most `limit` characters.

    >>> plain("Caf\u00e9\n\u202eabc\x00 \U0001f600", 40)
    'Café abc'
    >>> plain("Haus der Begegnung", 10)
    'Haus der…'
    """
    written: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text[: _CUT * limit]):
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category == "Cc" or category.startswith("Z"):
            written.append(" ")
        elif marks <= _MARKS_IN_A_ROW and _is_writing(character, category):
            written.append(character)
    line = " ".join("".join(written).split())
    if len(line) <= limit:
        return line
    return line[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;.-–") + "…"


def _is_writing(character: str, category: str) -> bool:
    if category.startswith("C"):
        return character in _KEPT_FORMAT
    code = ord(character)
    return not (0x1F000 <= code <= 0x1FAFF or 0xFE00 <= code <= 0xFE0F or code >= 0xE0000)


def breakable(text: str) -> str:
    """Allow line breaks in words that are longer than a line."""
    return _LONG_RUN.sub(lambda run: _in_pieces(run[0]), text)


def _in_pieces(run: str) -> str:
    return "\u200b".join(run[at : at + _RUN] for at in range(0, len(run), _RUN))


def short_address(url: str) -> str:
    r"""Return a web address as people write it, with places where a line may end.

    >>> short_address("https://www.example.org/").replace("\u200b", "|")
    'example.|org'
    """
    short = re.sub(r"^https?://(www\.)?", "", plain(url, 400)).rstrip("/")
    short = short if len(short) <= 90 else f"{short[:89]}…"
    return breakable(re.sub(r"([/.?&=_-])(?=\w)", "\\1\u200b", short))


def isolated(text: str) -> str:
    """Keep the direction of `text` apart from that of the words around it (FSI … PDI)."""
    return f"\u2068{text}\u2069"
