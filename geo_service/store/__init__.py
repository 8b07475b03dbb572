"""All state and all SQL: SQLite (default) or PostgreSQL with PostGIS, at a revision.

Every change of what readers see is one transaction and one new revision; a reader sees
the old revision or the new one, never a mixture. The same tables, the same statements
and the same tests hold for both databases.

::

    store        Store: what is read and every change      <- begin here
    results      the small results it gives
    cache        the geocoders' answers
    demands      figures of named demands
    removals     what was erased, for those who keep a copy
    states       dated states: kept as they were, but for an erasure
    editions     an edition of a list beside what is stored: new, changed, equal, missing
    frames       tables of the package <-> rows of the database
    database     transactions, errors, set-up
    migrations   what creates the tables and brings them forward
    sqlite, postgis    what differs, by the contract in backend
    tables       the tables as statements name them
"""

from __future__ import annotations

from geo_service.store.cache import GeocodeCache
from geo_service.store.results import (
    DatedState,
    HistoryEntry,
    ImportEntry,
    ImportOutcome,
    RecordLog,
    StateSummary,
    StoredState,
    StoreStats,
)
from geo_service.store.store import Store

__all__ = [
    "DatedState",
    "GeocodeCache",
    "HistoryEntry",
    "ImportEntry",
    "ImportOutcome",
    "RecordLog",
    "StateSummary",
    "Store",
    "StoreStats",
    "StoredState",
]
