"""A handout as PDF."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from geo_service.handout.drawing import draw_map, draw_mark, draw_qr
from geo_service.handout.texts import fit, short_address
from geo_service.typesetting import typeset
from geo_service.writing import breakable, isolated

if TYPE_CHECKING:
    from geo_service.handout.paper import Handout, HandoutPlace, Words

__all__ = ["legend", "render_pdf"]

_TEMPLATE: Final = Path(__file__).with_name("handout.typ")


def render_pdf(handout: Handout) -> bytes:
    """Set `handout` as PDF on A4: the same handout gives the same bytes.

    It is tagged, and PDF/UA-1 as long as the fonts have every letter. One is set at a time in
    each process; others wait.

    Raises
    ------
    TypesettingError
        If it cannot be set within the limits, or the fonts are missing.
    """
    return typeset(_TEMPLATE, _content(fit(handout)))


def _content(handout: Handout) -> dict[str, Any]:
    """Return what the template is given."""
    words = handout.words
    ground = handout.ground
    picture = (
        draw_map(handout.places, ground, words, here=handout.here) if ground is not None else None
    )
    return {
        "language": handout.language,
        "record_language": handout.record_language,
        "service": handout.service,
        "title": breakable(handout.title),
        "subtitle": breakable(handout.subtitle),
        "notes": [breakable(note) for note in handout.notes],
        "foot": isolated(handout.foot),
        "url": handout.url,
        "qr": draw_qr(handout.url),
        "map": picture,
        "legend": legend(handout) if picture else [],
        "words": dataclasses.asdict(words),
        "places": [_entry(place, words) for place in handout.places],
        "sources": [isolated(note) for note in handout.sources],
    }


def legend(handout: Handout) -> list[dict[str, str]]:
    """Explain the marks that are on the map: each with its drawing and its words."""
    words = handout.words
    placed = [place for place in handout.places if place.point is not None]
    marks: list[dict[str, str]] = []
    if any(not place.rough for place in placed):
        marks.append({"mark": draw_mark("exact", words), "text": words.exact_mark})
    if any(place.rough for place in placed):
        marks.append({"mark": draw_mark("rough", words), "text": words.rough_mark})
    if handout.here is not None:
        marks.append({"mark": draw_mark("here", words), "text": words.here_mark})
    return marks


def _entry(place: HandoutPlace, words: Words) -> dict[str, Any]:
    facts = [
        (words.hours, place.week, place.week_remark if place.week else place.hours),
        (words.languages, place.languages, None),
    ]
    kind = " · ".join(isolated(part) for part in (place.kind, place.distance, place.stated) if part)
    remark = words.nowhere if place.point is None else words.rough if place.rough else ""
    return {
        "number": words.number(place.number),
        "name": isolated(breakable(place.name)),
        "kind": kind,
        "where": isolated(breakable(place.where)),
        "rough": place.rough or place.point is None,
        "remark": remark,
        "facts": [
            {
                "label": label,
                "said": isolated(breakable(ours)) if ours else "",
                "record": isolated(breakable(record)) if record else "",
            }
            for label, ours, record in facts
            if ours or record
        ],
        "wheelchair": place.wheelchair,
        "website": place.website,
        "address": isolated(short_address(place.website)) if place.website else "",
    }
