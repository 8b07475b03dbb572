"""The texts of a handout, short and plain enough for paper."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from geo_service.handout.paper import MAX_PLACES
from geo_service.writing import breakable, plain

if TYPE_CHECKING:
    from geo_service.handout.paper import Handout, HandoutPlace

__all__ = ["fit", "short_address"]

_LIMITS: Final = {
    "name": 140,
    "kind": 60,
    "where": 120,
    "hours": 260,
    "week": 260,
    "week_remark": 120,
    "languages": 160,
    "wheelchair": 80,
    "distance": 40,
    "stated": 60,
}
_LONGEST_ADDRESS: Final = 2_000
_NOTHING: Final = "–"


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


def short_address(url: str) -> str:
    r"""Return a web address as people write it, with places where a line may end.

    >>> short_address("https://www.example.org/").replace("\u200b", "|")
    'example.|org'
    """
    short = re.sub(r"^https?://(www\.)?", "", plain(url, 400)).rstrip("/")
    short = short if len(short) <= 90 else f"{short[:89]}…"
    return breakable(re.sub(r"([/.?&=_-])(?=\w)", "\\1\u200b", short))
