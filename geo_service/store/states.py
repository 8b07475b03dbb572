"""Dated states: records as rows, so that an erasure reaches them; the rest by content."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import sqlalchemy as sa

from geo_service.schema import LEVELS, Population
from geo_service.store.frames import objects, read_frame, to_content, to_initiatives, to_rows
from geo_service.store.results import DatedState, StateSummary
from geo_service.store.tables import (
    CONTENT,
    STATE_POPULATIONS,
    STATE_RECORDS,
    STATE_RESULTS,
    STATES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.schema import Coverage, Level
    from geo_service.store.backend import Backend


# --------------------------------------------------------------------------------- reading


def read_summaries(connection: sa.Connection) -> tuple[StateSummary, ...]:
    """Return what a list of states shows, oldest first."""
    query = sa.select(STATES, STATE_POPULATIONS.c.name.label("people")).join(
        STATE_POPULATIONS, STATES.c.population == STATE_POPULATIONS.c.sha256
    )
    rows = connection.execute(query.order_by(STATES.c.taken_at, STATES.c.slug))
    return tuple(
        StateSummary(
            slug=row.slug,
            name=row.name,
            taken_at=row.taken_at,
            revision=row.revision,
            today=dt.date.fromisoformat(row.today),
            parameters=json.loads(row.parameters),
            boundaries=json.loads(row.boundaries),
            people=row.people,
            records=row.records - row.erased,
            erased=row.erased,
            program=row.program,
            method=row.method,
        )
        for row in rows
    )


def read_dated_state(connection: sa.Connection, slug: str) -> DatedState:
    """Return the whole of a state that is there."""
    row = connection.execute(sa.select(STATES).where(STATES.c.slug == slug)).one()
    records = sa.select(*(STATE_RECORDS.c[column] for column in CONTENT))
    mine = records.where(STATE_RECORDS.c.state == row.slug).order_by(STATE_RECORDS.c.id)
    return DatedState(
        slug=row.slug,
        name=row.name,
        taken_at=row.taken_at,
        revision=row.revision,
        today=dt.date.fromisoformat(row.today),
        parameters=json.loads(row.parameters),
        boundaries=json.loads(row.boundaries),
        initiatives=to_initiatives(read_frame(connection, mine, CONTENT)),
        population=_read_population(connection, row.population),
        results=_read_results(connection, row.slug),
        program=row.program,
        method=row.method,
        erased=row.erased,
    )


def _read_population(connection: sa.Connection, sha256: str) -> Population:
    query = sa.select(STATE_POPULATIONS).where(STATE_POPULATIONS.c.sha256 == sha256)
    row = connection.execute(query).one()
    return Population(
        basis=row.basis, source_note=row.source_note, name=row.name, **_unpack(row.points)
    )


def _read_results(connection: sa.Connection, slug: str) -> dict[Level, Coverage]:
    query = sa.select(STATE_RESULTS.c.level, STATE_RESULTS.c.figures)
    rows = connection.execute(query.where(STATE_RESULTS.c.state == slug)).all()
    found = {row.level: from_text(row.figures) for row in rows}
    return {level: found[level] for level in LEVELS if level in found}


# --------------------------------------------------------------------------------- writing


def write_dated_state(connection: sa.Connection, backend: Backend, state: DatedState) -> None:
    """Store a state whose name is free."""
    content = to_content(state.initiatives)
    connection.execute(
        sa.insert(STATES).values(
            slug=state.slug,
            name=state.name,
            taken_at=state.taken_at,
            revision=state.revision,
            today=state.today.isoformat(),
            parameters=_to_json(state.parameters),
            boundaries=_to_json(state.boundaries),
            population=_keep_population(connection, state.population),
            program=state.program,
            method=state.method,
            records=len(content),
            erased=0,
        )
    )
    rows = ((state.slug, *row) for row in to_rows(content))
    backend.load(connection, STATE_RECORDS, ["state", *CONTENT], rows)
    for level, coverage in state.results.items():
        figures = to_text(coverage)
        connection.execute(
            sa.insert(STATE_RESULTS).values(state=state.slug, level=level, figures=figures)
        )


def _keep_population(connection: sa.Connection, population: Population) -> str:
    """Store a population once, however many states are of it; return its hash."""
    points = _pack(population)
    about = {
        "basis": population.basis,
        "source_note": population.source_note,
        "name": population.name,
    }
    sha256 = hashlib.sha256(_to_json(about).encode() + points).hexdigest()
    known = sa.select(sa.func.count()).where(STATE_POPULATIONS.c.sha256 == sha256)
    if not connection.scalar(known):
        values = {"sha256": sha256, **about, "points": zlib.compress(points)}
        connection.execute(sa.insert(STATE_POPULATIONS).values(**values))
    return sha256


def delete_state(connection: sa.Connection, slug: str) -> None:
    """Delete a state, and its population where no other state has it."""
    for table in (STATE_RECORDS, STATE_RESULTS):
        connection.execute(sa.delete(table).where(table.c.state == slug))
    connection.execute(sa.delete(STATES).where(STATES.c.slug == slug))
    used = sa.select(STATES.c.population)
    connection.execute(sa.delete(STATE_POPULATIONS).where(STATE_POPULATIONS.c.sha256.not_in(used)))


def erase_from_states(connection: sa.Connection, record_id: str) -> int:
    """Delete a record from all states, which count it; return from how many."""
    mine = sa.select(STATE_RECORDS.c.state).where(STATE_RECORDS.c.id == record_id)
    connection.execute(
        sa.update(STATES).where(STATES.c.slug.in_(mine)).values(erased=STATES.c.erased + 1)
    )
    gone = sa.delete(STATE_RECORDS).where(STATE_RECORDS.c.id == record_id)
    return connection.execute(gone).rowcount


# -------------------------------------------------------------------------------- encoding


def to_text(coverage: Coverage) -> str:
    """Write a table so that every number comes back to the last digit.

    Python writes a float in the shortest form that reads back as the same one. The columns
    and their types stand beside the values: a later program may have others.
    """
    values = {name: objects(coverage[name]) for name in coverage.columns}
    dtypes = {name: str(coverage[name].dtype) for name in coverage.columns}
    return _to_json({"dtypes": dtypes, "values": values})


def from_text(text: str) -> Coverage:
    """Read what `to_text` wrote."""
    told = json.loads(text)
    columns = {
        name: pd.Series(told["values"][name], dtype=dtype) for name, dtype in told["dtypes"].items()
    }
    return cast("Coverage", pd.DataFrame(columns))


def _to_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=False)


_NUMBERS = ("x_m", "y_m", "people")


def _pack(population: Population) -> bytes:
    """Return the points as bytes: their count, the numbers, then the keys."""
    parts = [np.asarray(getattr(population, name), dtype="<f8").tobytes() for name in _NUMBERS]
    keys = json.dumps(objects(population.ags), separators=(",", ":")).encode()
    return b"".join([len(population.people).to_bytes(8, "little"), *parts, keys])


def _unpack(packed: bytes) -> dict[str, Any]:
    points = zlib.decompress(packed)
    count = int.from_bytes(points[:8], "little")
    numbers = np.frombuffer(points, dtype="<f8", count=3 * count, offset=8).reshape(3, count)
    keys = json.loads(points[8 + 24 * count :])
    arrays = {name: row.astype(np.float64) for name, row in zip(_NUMBERS, numbers, strict=True)}
    return {"ags": np.array(keys, dtype=object), **arrays}
