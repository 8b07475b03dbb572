"""What is stated besides a name, and which namesakes agree with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geo_service.gazetteer.match import CONTRADICTED, Match, is_split
from geo_service.gazetteer.spelling import POSTCODE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo_service.gazetteer.index import Index
    from geo_service.gazetteer.match import Place
    from geo_service.schema import Address


@dataclass(frozen=True, slots=True)
class Query:
    """The parts of an address that the gazetteer reads; empty where not stated."""

    municipality: str
    city: str
    verbandsgemeinde: str
    kreis: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is stated besides a name; empty where not stated, or (`vgs`) not understood."""

    kreise: frozenset[str]
    unknown_kreis: str
    vgs: frozenset[str]
    postcode: str


def read_query(address: Address) -> Query:
    """Take from an address what the gazetteer reads."""
    parts = (
        address.municipality,
        address.city,
        address.verbandsgemeinde,
        address.kreis,
        address.postcode,
    )
    return Query(*[(part or "").strip() for part in parts])


def read_evidence(query: Query, index: Index) -> Evidence:
    """Understand what is stated besides the name; the postal code may stand before it."""
    kreise = index.kreis_keys(query.kreis) if query.kreis else frozenset()
    postcode = POSTCODE.search(f"{query.postcode} {query.city} {query.municipality}")
    return Evidence(
        kreise,
        "" if kreise else query.kreis,
        index.vg_keys(query.verbandsgemeinde),
        postcode.group(1) if postcode else "",
    )


def narrow(matches: Sequence[Match], evidence: Evidence) -> tuple[Sequence[Match], str]:
    """Keep what agrees with the evidence; also say what contradicts it altogether."""
    if evidence.unknown_kreis:
        return matches, f"Kreis „{evidence.unknown_kreis}“ nicht verzeichnet"
    kept = matches
    if evidence.kreise:
        kept = [m for m in kept if m.unit.kreis_key in evidence.kreise]
        if not kept:
            return matches, "liegt nicht im angegebenen Kreis"
    if evidence.vgs:
        inside = [m for m in kept if m.unit.vg_key in evidence.vgs]
        remark = "liegt nicht in der angegebenen Verbandsgemeinde"
        kept = inside or [m.noted(remark, CONTRADICTED) for m in kept]
    if is_split(kept) and evidence.postcode:
        kept = [m for m in kept if m.unit.postcode == evidence.postcode] or kept
    fewest = min(m.edits for m in kept)
    kept = [m for m in kept if m.edits == fewest]
    if is_split(kept) and (evidence.kreise or evidence.vgs):
        official = [m for m in kept if m.official]
        kept = official if official and not is_split(official) else kept
    return kept, ""


def is_doubtful(matches: Sequence[Match], evidence: Evidence) -> bool:
    """Say whether a misspelt name may as well be another place that is not listed.

    One of twenty place names elsewhere in Germany is one letter away from one here
    (Mannheim, Marnheim). Where nothing else is stated, the first letter must agree and
    the name be long or the town well known.
    """
    if evidence.kreise or evidence.vgs or not all(match.edits for match in matches):
        return False
    if evidence.postcode in {match.unit.postcode for match in matches}:
        return False
    return not all(match.known for match in matches)


def seats_with_postcode(index: Index, evidence: Evidence) -> list[Place]:
    """Return the municipalities of the stated postal code that nothing else contradicts."""
    if evidence.unknown_kreis:
        return []
    return [
        seat
        for seat in index.by_postcode.get(evidence.postcode, ())
        if (not evidence.kreise or seat.unit.kreis_key in evidence.kreise)
        and (not evidence.vgs or seat.unit.vg_key in evidence.vgs)
    ]
