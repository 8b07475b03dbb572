"""Which of several proven hits is the answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from geopy.distance import great_circle

from geo_service.geocoding.hits import prove
from geo_service.schema import PRECISIONS, Ambiguous, Candidate, Found, NotFound

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from geo_service.geocoding.hits import Hit
    from geo_service.geocoding.settings import OnlineSettings
    from geo_service.schema import Address, GeocodeResult, Precision

    FindAgs: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.object_]]

SAME_PLACE_M: Final[Mapping[str, float]] = {"address": 250.0, "street": 2_000.0}
"""Hits of that precision farther apart are different places: ambiguous, not the first."""

SCORES: Final[Mapping[Precision, float]] = {
    "address": 0.95,
    "street": 0.8,
    "postcode": 0.5,
    "locality": 0.5,
    "municipality": 0.4,
}
"""Score of an online hit by its precision; half of it outside the stated municipality."""


def choose(
    hits: Sequence[Hit],
    address: Address,
    settings: OnlineSettings,
    *,
    today: dt.date,
    stated: frozenset[str],
    find_ags: FindAgs | None,
) -> GeocodeResult:
    """Choose the finest hit that proves the address, in the stated municipality if any is."""
    source = settings.source
    proven = [hit for hit in (prove(hit, address) for hit in hits) if hit is not None]
    if not proven:
        reason = f"{len(hits)} Treffer, keiner in dieser Straße" if hits else "kein Treffer"
        return NotFound(source, reason)
    located = _located(proven, find_ags)
    inside = [hit for hit in located if not stated or find_ags is None or hit.ags in stated]
    pool = inside or located
    finest = min(PRECISIONS.index(hit.precision) for hit in pool)
    pool = [hit for hit in pool if PRECISIONS.index(hit.precision) == finest]
    pool = [hit for hit in pool if address.postcode and hit.postcode == address.postcode] or pool
    if inside and _spread_m(pool) > SAME_PLACE_M.get(pool[0].precision, math.inf):
        reason = f"{source}: mehrere Stellen mit dieser Anschrift"
        return Ambiguous(source, tuple(_as_candidate(hit) for hit in pool), reason)
    best = pool[0]
    score = SCORES[best.precision] * (1.0 if inside else 0.5)
    label = best.label if inside else f"{best.label}; liegt nicht in der angegebenen Gemeinde"
    return Found(
        best.lon,
        best.lat,
        best.precision,
        round(score, 3),
        source,
        settings.licence,
        today,
        label,
        ags=best.ags,
    )


def _located(hits: Sequence[Hit], find_ags: FindAgs | None) -> list[Hit]:
    if find_ags is None:
        return list(hits)
    lon = np.array([hit.lon for hit in hits], dtype="float64")
    lat = np.array([hit.lat for hit in hits], dtype="float64")
    found = find_ags(lon, lat)
    return [
        replace(hit, ags=ags if isinstance(ags, str) else None)
        for hit, ags in zip(hits, found, strict=True)
    ]


def _spread_m(hits: Sequence[Hit]) -> float:
    """Return the largest distance of a hit from the first, in metres."""
    first = (hits[0].lat, hits[0].lon)
    return max(float(great_circle(first, (hit.lat, hit.lon)).meters) for hit in hits)


def _as_candidate(hit: Hit) -> Candidate:
    score = SCORES[hit.precision]
    return Candidate(hit.label, hit.lon, hit.lat, hit.precision, ags=hit.ags, score=score)
