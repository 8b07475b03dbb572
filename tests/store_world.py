"""Small worlds for the store, and what child processes do to it while tests watch or kill."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely

from geo_service.errors import StoreError
from geo_service.schema import INITIATIVE_COLUMNS, WGS84, Initiatives, as_columns, check_initiatives
from geo_service.store import ImportOutcome, Store

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)


def make_initiatives(count: int, *, marker: object = "", **columns: list[Any]) -> Initiatives:
    """Return `count` records, every third without a point; `marker` is in every name."""
    rows = range(count)
    placed = [row % 3 != 2 for row in rows]
    values: dict[str, list[Any]] = {
        "id": [f"ort-{row:05d}" for row in rows],
        "name": [f"Café „Miteinander“ {row} {marker}".strip() for row in rows],
        "category": ["Begegnungscafé"] * count,
        "city": [None if row % 5 == 0 else f"Döblingen {row}" for row in rows],
        "opening_hours": [f"Mo-Fr {marker}"] * count,
        "source_line": [row + 2 for row in rows],
        "coordinate_status": ["found" if here else "not_found" for here in placed],
        "coordinate_precision": ["address" if here else None for here in placed],
        "coordinate_score": [0.25 if here else None for here in placed],
        "coordinate_date": ["2026-11-23" if here else None for here in placed],
        "ags": ["07315000" if here else None for here in placed],
        **columns,
    }
    points = np.full(count, None, dtype=object)
    here = np.array(placed, dtype=bool)
    steps = np.arange(count)[here]
    points[here] = shapely.points(7 + steps / (3 * max(count, 1)), 50 - steps / 1e5)
    frame = as_columns(values, INITIATIVE_COLUMNS)
    return check_initiatives(gpd.GeoDataFrame(frame, geometry=points, crs=WGS84))


def apply(store: Store, initiatives: Initiatives, **changes: Any) -> ImportOutcome:
    """Import as the list ``liste`` on top of the current revision, unless said otherwise."""
    arguments: dict[str, Any] = {
        "dataset": "liste",
        "file_name": "liste.csv",
        "sha256": "0" * 64,
        "rows": len(initiatives),
        "rejected": 0,
        "now": NOW,
        **changes,
    }
    arguments.setdefault("base_revision", store.revision())
    return store.apply_import(initiatives, **arguments)


# ------------------------------------------------------------- run in processes of their own


def migrate_together(url: str, barrier: Barrier, answers: Connection) -> None:
    barrier.wait(30)
    with Store(url) as store:
        try:
            answers.send(store.migrate())
        except StoreError as error:
            answers.send(str(error))


def import_forever(url: str, count: int, answers: Connection) -> None:
    """Import one revision after the other; say each as soon as it is acknowledged."""
    with Store(url) as store:
        revision = store.revision()
        answers.send(revision)
        while True:
            revision = apply(store, make_initiatives(count, marker=revision + 1)).revision
            answers.send(revision)


def import_when_told(url: str, count: int, talk: Connection) -> None:
    """Import one revision per word from the other end, until it hangs up."""
    with Store(url) as store:
        talk.send("ready")
        while talk.poll(60) and talk.recv() == "go":
            try:
                outcome = apply(store, make_initiatives(count, marker=store.revision() + 1))
            except StoreError as error:
                talk.send(("error", str(error)))
            else:
                talk.send(("ok", outcome.revision))


def as_nobody(url: str, talk: Connection) -> None:
    """Try to migrate and to read with an account that owns nothing."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    with Store(url) as store:
        for attempt in (store.migrate, store.read):
            try:
                attempt()
            except StoreError as error:
                talk.send(str(error))
            else:
                talk.send("done")
