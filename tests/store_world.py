"""Small worlds for the store, and what child processes do to it while tests watch or kill."""

from __future__ import annotations

import datetime as dt
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely

from geo_service.errors import StoreError
from geo_service.schema import (
    COVERAGE_COLUMNS,
    INITIATIVE_COLUMNS,
    WGS84,
    Coverage,
    Demand,
    Initiatives,
    Population,
    as_columns,
    check_initiatives,
)
from geo_service.store import DatedState, ImportOutcome, Store

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)


def run_command(*arguments: str) -> None:
    """Run the command line in this process, without a word."""
    from geo_service.cli import main  # here, because other children start without it

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        main(arguments)


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


def make_population(count: int, *, shift_m: float = 0.0, unknown: int = 0) -> Population:
    """Return `count` points of numbers that no decimal text has; the first are unknown."""
    steps = np.arange(count, dtype=np.float64)
    return Population(
        basis="grid_1km",
        source_note="© Statistisches Bundesamt, Zensus 2022",
        ags=np.array([f"0731500{step % 10}" for step in range(count)], dtype=object),
        x_m=400_000.125 + steps + shift_m,
        y_m=5_500_000.1 + steps,
        people=np.where(steps < unknown, np.nan, steps / 3),
    )


def make_results(count: int, *, factor: float = 1 / 3) -> Coverage:
    """Return `count` areas; every number is one that decimal texts of 15 digits would lose."""
    rows = range(count)
    values = {
        name: [_figure(dtype, row, factor) for row in rows]
        for name, dtype in COVERAGE_COLUMNS.items()
    }
    return Coverage(as_columns(values, COVERAGE_COLUMNS))


def _figure(dtype: str, row: int, factor: float) -> Any:
    if row % 4 == 3 and dtype != "int64":
        return None
    return {"float64": row * factor, "boolean": row % 2 == 0, "int64": row}.get(dtype, f"ä {row}")


def make_state(number: int, count: int, *, revision: int, **changes: Any) -> DatedState:
    """Return a state of `count` records and as many points; `number` is in all of it."""
    values: dict[str, Any] = {
        "slug": f"bericht-{number}",
        "name": f"Bericht {number}",
        "taken_at": NOW + dt.timedelta(minutes=number),
        "revision": revision,
        "today": NOW.date(),
        "parameters": {"radius_m": 0.1 + 0.2, "categories": [], "steps": [[1 / 3, 1.0]]},
        "boundaries": {"sha256": "ab" * 32, "territorial_date": "2025-08-31"},
        "initiatives": make_initiatives(count, marker=number),
        "population": make_population(count, shift_m=number // 2, unknown=2),
        "results": {"kreis": make_results(count), "land": make_results(1, factor=number / 7)},
        "program": "0.1.0",
        "method": str(number),
        **changes,
    }
    return DatedState(**values)


def make_demand(number: int, count: int) -> Demand:
    """Return figures of `count` Kreise, every third unknown; `number` is in all of them."""
    figures = {f"07{at:03d}": None if at % 3 == 2 else at / 3 + number for at in range(count)}
    note = f"© Amt {number}"
    return Demand("bedarf", "Bedarf", "kreis", figures, note, "2024-12-31", "0" * 64)


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


def keep_when_told(url: str, count: int, talk: Connection) -> None:
    """Replace the demand and take a state per word from the other end, until it hangs up."""
    with Store(url) as store:
        talk.send("ready")
        while talk.poll(60) and talk.recv() == "go":
            try:
                number = store.save_demand(make_demand(store.revision(), count), now=NOW)
                revision = store.save_state(make_state(number + 1, count, revision=number))
            except StoreError as error:
                talk.send(("error", str(error)))
            else:
                talk.send(("ok", revision))


def keep_forever(url: str, count: int, answers: Connection) -> None:
    """Replace the demand and take a state, again and again; say each revision."""
    with Store(url) as store:
        answers.send(store.revision())
        while True:
            number = store.save_demand(make_demand(store.revision(), count), now=NOW)
            answers.send(number)
            answers.send(store.save_state(make_state(number + 1, count, revision=number)))


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
