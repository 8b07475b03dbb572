"""A handout as PDF, set by `geo_service.handout.typeset` in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from geo_service.errors import HandoutError
from geo_service.handout.drawing import draw_map, draw_mark, draw_qr
from geo_service.handout.texts import breakable, fit, isolated, short_address

if TYPE_CHECKING:
    from geo_service.handout.paper import Handout, HandoutPlace, Words

__all__ = ["legend", "render_pdf"]

_TEMPLATE: Final = Path(__file__).with_name("handout.typ")
_TYPESET: Final = Path(__file__).with_name("typeset.py")
_FONTS: Final = Path(__file__).resolve().parent.parent / "fonts"
"""Fetched at set-up, as the files under ``static/vendor/`` are."""

_MEMORY_BYTES: Final = 1_000_000_000
_SECONDS: Final = 10
"""Of processor time."""

_LONGEST_S: Final = 30.0
"""By the clock: on a busy machine the same work takes longer."""

_WAIT_S: Final = 20.0
_one_at_a_time: Final = threading.Lock()


def render_pdf(handout: Handout) -> bytes:
    """Set `handout` as PDF on A4: the same handout gives the same bytes.

    It is tagged, and PDF/UA-1 as long as the fonts have every letter. One is set at a time in
    each process; others wait.

    Raises
    ------
    HandoutError
        If it cannot be set within the limits, or the fonts are missing.
    """
    order = {
        "template": _TEMPLATE.read_text("utf-8"),
        "data": json.dumps(_content(fit(handout)), ensure_ascii=False),
        "fonts": str(_FONTS),
    }
    # -I: neither the environment nor the working folder has a say in the child.
    command = [sys.executable, "-I", str(_TYPESET), str(_MEMORY_BYTES), str(_SECONDS)]
    if not _one_at_a_time.acquire(timeout=_WAIT_S):
        raise HandoutError(f"expected a free place within {_WAIT_S:g} s, others still wait")
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and file, no shell)
            command,
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HandoutError(f"expected a handout within {_LONGEST_S:g} s, got none") from None
    finally:
        _one_at_a_time.release()
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF"):
        reason = done.stderr.decode(errors="replace").strip()[-2000:]
        raise HandoutError(f"typesetting ended with {done.returncode}: {reason}")
    return done.stdout


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
    facts = [(words.hours, place.hours), (words.languages, place.languages)]
    kind = " · ".join(isolated(part) for part in (place.kind, place.distance, place.stated) if part)
    remark = words.nowhere if place.point is None else words.rough if place.rough else ""
    return {
        "number": words.number(place.number),
        "name": isolated(breakable(place.name)),
        "kind": kind,
        "where": isolated(breakable(place.where)),
        "rough": place.rough or place.point is None,
        "remark": remark,
        "facts": [(label, isolated(breakable(value))) for label, value in facts if value],
        "wheelchair": place.wheelchair,
        "website": place.website,
        "address": isolated(short_address(place.website)) if place.website else "",
    }
