"""Answers of geocoders, kept until they expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from geo_service.store.tables import CACHE, UtcTime

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from geo_service.store.database import Database


class GeocodeCache:
    """Answers of geocoders by key, each with its expiry; every call is its own transaction."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime]) -> None:
        self._database = database
        self._clock = clock

    def get(self, key: str) -> str | None:
        """Return the text under `key`, or None where there is none or it has expired."""
        query = sa.select(CACHE.c.text).where(
            CACHE.c.key == key, CACHE.c.expires_at > self._clock()
        )
        with self._database._begin("read", "read a cached answer") as connection:
            return connection.scalar(query)

    def put(self, key: str, text: str, expires_at: dt.datetime) -> None:
        """Keep `text` under `key` until `expires_at`, in place of what was there."""
        row = (key, text, UtcTime().process_bind_param(expires_at, self._database._engine.dialect))
        with self._database._begin("put", "cache an answer") as connection:
            self._database._backend.upsert(connection, CACHE, ["key", "text", "expires_at"], [row])

    def purge(self) -> int:
        """Delete what has expired; return how many answers that were."""
        gone = sa.delete(CACHE).where(CACHE.c.expires_at <= self._clock())
        with self._database._begin("put", "purge the cache") as connection:
            return connection.execute(gone).rowcount
