"""Answers as the cache keeps them between runs."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import asdict
from typing import Final, Protocol

from geo_service.schema import PRECISIONS, Found, NotFound

HIT_DAYS: Final = 180
MISS_DAYS: Final = 30
"""How long the cache keeps a hit and a miss."""


class GeocodeCache(Protocol):
    """Keeps answers between runs; what has expired is not given out any more."""

    def get(self, key: str) -> str | None:
        """Return the text stored under `key`, or None."""

    def put(self, key: str, text: str, expires_at: dt.datetime) -> None:
        """Store `text` until `expires_at` (UTC)."""


def encode(result: Found | NotFound) -> str:
    """Write an answer as text, for `decode`."""
    status = "found" if isinstance(result, Found) else "not_found"
    return json.dumps({"status": status, **asdict(result)}, ensure_ascii=False, default=str)


def decode(text: str | None) -> Found | NotFound | None:
    """Read a cached answer; what cannot be read counts as not cached."""
    if text is None:
        return None
    try:
        fields = json.loads(text)
        status = fields.pop("status")
        if status == "not_found":
            return NotFound(**fields)
        found = Found(**{**fields, "date": dt.date.fromisoformat(fields["date"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    is_point = math.isfinite(found.lon) and math.isfinite(found.lat)
    return found if status == "found" and is_point and found.precision in PRECISIONS else None
