"""A few records that differ in everything that can be asked for, and random ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from web_helpers import app_of, fill, initiatives_of, place, small_territory

from geo_service.schema import CATEGORIES
from geo_service.store import Store

FAR = (7.25, 50.05)
SPREAD: list[dict[str, Any]] = [
    place(3, point=(7.06, 50.05), languages="Deutsch; Arabisch (Sprachmittlung)"),
    place(2, wheelchair="yes", opening_hours="Mo-Fr 10:00-12:00", theme="Begegnungsorte"),
    place(1, name="Zum Anker", category="Fahrradwerkstatt", opening_hours="nach Vereinbarung"),
    place(
        4, point=None, ags=None, languages="Persisch", wheelchair="no", confirmed_on="2026-10-01"
    ),
    place(5, point=FAR, ags="07211000", coordinate_note="only for us", source_date="2019"),
]
"""Five records: ort-1 and ort-2 stand at one point, ort-4 has none, ort-5 is in Cstadt."""


def random_place(number: int, chance: random.Random) -> dict[str, Any]:
    """A record of a coarse grid, so that many share a point or a distance."""
    point = (7 + chance.randrange(31) / 100, 50 + chance.randrange(11) / 100)
    return place(
        number,
        name=chance.choice(["Café", "Treff", "Haus", "cafe"]),
        category=chance.choice(CATEGORIES[:3]),
        point=point if chance.random() < 0.9 else None,
        wheelchair=chance.choice(["yes", "no", None]),
    )


@contextmanager
def client_of(rows: list[dict[str, Any]], folder: Path) -> Iterator[tuple[FlaskClient, Store]]:
    """A client of an application over a store that holds `rows`, if there are any."""
    with Store(f"sqlite:///{folder / 'api.db'}") as store:
        store.migrate()
        if rows:
            fill(store, initiatives_of(rows))
        yield app_of(store, small_territory()).test_client(), store
