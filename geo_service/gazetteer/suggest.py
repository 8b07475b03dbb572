"""Suggestions while a place name is being typed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from geo_service.gazetteer.spelling import place_key

if TYPE_CHECKING:
    from geo_service.gazetteer.match import Match
    from geo_service.gazetteer.reader import Reader

    Rank: TypeAlias = tuple[int, bool, bool, bool, float, str, str]


def suggest_matches(reader: Reader, text: str, limit: int) -> list[Match]:
    """Return places whose name begins with `text`, then those spelt or sounding like it.

    Where there is none, those that nearly sound so.
    """
    key = place_key(text)
    if not key or limit < 1:
        return []
    best: dict[tuple[str, str], tuple[Rank, Match]] = {}
    begun = list(reader.beginning(key))
    heard = () if begun and key.isascii() else _heard(reader, text)
    matches = [*begun, *reader.misspelt(key), *heard]
    for match in matches or reader.sounds.near(text):
        rank, slot = _rank(match, key), (match.ags, match.place.name)
        if slot not in best or rank < best[slot][0]:
            best[slot] = (rank, match)
    ranked = sorted(best.values(), key=lambda entry: entry[0])
    return [match for _, match in ranked[:limit]]


def _heard(reader: Reader, text: str) -> list[Match]:
    begun = (replace(match, edits=2) for match in reader.sounds.alike(text, begins=True))
    return [*reader.heard(text), *begun]


def _rank(match: Match, key: str) -> Rank:
    """Rank as typed before misspelt, the whole name first, municipalities, then by size."""
    place = match.place
    own = place_key(place.name)
    return (
        match.edits,
        own != key,
        not own.startswith(key),
        not place.is_municipality,
        -place.people if math.isfinite(place.people) else 0.0,
        place.name,
        match.ags,
    )
