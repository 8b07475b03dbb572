"""What was erased, told to those who keep a copy without keeping anything of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from geo_service.store.results import RecordLog
from geo_service.store.tables import INITIATIVES, REMOVALS, REVISIONS

if TYPE_CHECKING:
    import pandas as pd

ERASURE = "erasure"
"""Cause of the revisions that removed a record."""


def digest_of(record_id: str) -> str:
    """Return the SHA-256 of an id, in hexadecimal digits."""
    return hashlib.sha256(record_id.encode()).hexdigest()


def write_removal(connection: sa.Connection, record_id: str, revision: int) -> None:
    """Keep that a record was removed: a digest of its id and the revision."""
    values = {"digest": digest_of(record_id), "revision": revision}
    connection.execute(sa.insert(REMOVALS).values(**values))


def read_log(connection: sa.Connection, revisions: pd.DataFrame) -> RecordLog:
    """Return the log of the records whose `first_revision` and `last_revision` are given."""
    changed = sa.select(INITIATIVES.c.last_revision)
    moments = sa.select(REVISIONS.c.number, REVISIONS.c.changed_at).where(
        REVISIONS.c.number.in_(changed)
    )
    removals = sa.select(REMOVALS).order_by(REMOVALS.c.revision)  # of several the last one
    untold = sa.select(sa.func.max(REVISIONS.c.number)).where(
        REVISIONS.c.cause == ERASURE, REVISIONS.c.number.not_in(sa.select(REMOVALS.c.revision))
    )
    return RecordLog(
        first=revisions["first_revision"].to_numpy(np.int64),
        last=revisions["last_revision"].to_numpy(np.int64),
        moments={row.number: row.changed_at for row in connection.execute(moments)},
        removed={row.digest: row.revision for row in connection.execute(removals)},
        since=int(connection.scalar(untold) or 0),
    )
