"""One database behind one URL: its transactions, its errors, its schema version."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

from geo_service.errors import StoreError
from geo_service.store.migrations import MIGRATIONS
from geo_service.store.postgis import Postgis
from geo_service.store.sqlite import Sqlite
from geo_service.store.tables import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from geo_service.store.backend import Access, Backend


def utc_now() -> dt.datetime:
    """Return this moment, in UTC."""
    return dt.datetime.now(dt.UTC)


class Database:
    """A database that can be set up, and transactions on it.

    Nothing is opened before it is needed, and several threads may use it. Every method
    raises StoreError where the database cannot be read or written; the message never has
    a password.

    Parameters
    ----------
    url
        ``sqlite:///path/to/file`` or ``postgresql://user:password@host/database``.
    timeout_s
        How long to wait for another writer before giving up, > 0.

    Raises
    ------
    StoreError
        If the URL names neither of the two databases.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0) -> None:
        self._backend = _make_backend(url, timeout_s)
        self._engine = self._backend.make_engine()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._backend.label}>"

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        self._engine.dispose()

    # ------------------------------------------------------------------ transactions

    @contextlib.contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, psycopg.Error, OSError) as error:
            reason = self._backend.reason(error)
            raise StoreError(f"{self._backend.label}: {doing}: {reason}") from error
        except UnicodeError as error:
            raise StoreError(
                f"{self._backend.label}: {doing}: expected text, got a lone surrogate"
            ) from error

    @contextlib.contextmanager
    def _begin(self, access: Access, doing: str) -> Iterator[sa.Connection]:
        """Open a transaction; it commits at the end, and on any error nothing happened."""
        with self._told(doing), self._engine.connect() as bare:
            connection = bare.execution_options(**self._backend.options(access))
            with connection.begin():
                self._backend.lock(connection, access)
                yield connection

    @contextlib.contextmanager
    def _current(self, access: Access, doing: str) -> Iterator[sa.Connection]:
        """Open a transaction on a database that has this program's version."""
        with self._begin(access, doing) as connection:
            version = _version(connection)
            self._refuse_newer(version)
            if version < len(MIGRATIONS):
                raise StoreError(
                    f"{self._backend.label}: expected schema version {len(MIGRATIONS)},"
                    f" got {version}: start the service or import a file to migrate it"
                )
            yield connection

    def _refuse_newer(self, version: int) -> None:
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._backend.label}: expected schema version {len(MIGRATIONS)} or older,"
                f" got {version}: it was written by a newer geo-service; update this one"
            )

    # --------------------------------------------------------------------- migration

    def migrate(self, *, now: dt.datetime | None = None) -> int:
        """Create the tables, or bring them to this program's version; idempotent.

        Any number of processes may do so at once: one does the work, the others wait.

        Returns
        -------
        version
            The schema version the database has now.

        Raises
        ------
        StoreError
            If the database cannot be made ready, is newer than this program, belongs to
            another application, or lacks PostGIS.
        """
        with self._told("prepare"):
            self._backend.prepare()
        with self._begin("read", "read the schema version") as connection:
            version = _version_if_any(connection)
        self._refuse_newer(version)
        if version < len(MIGRATIONS):
            with self._begin("migrate", "migrate") as connection:
                self._migrate(connection, now or utc_now())
        return len(MIGRATIONS)

    def _migrate(self, connection: sa.Connection, now: dt.datetime) -> None:
        version = _version_if_any(connection)
        self._refuse_newer(version)
        if version == 0:
            self._backend.check_home(connection)
        for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
            step(connection, self._backend, now)
            connection.execute(sa.insert(SCHEMA).values(version=number, applied_at=now))

    def reset(self, *, now: dt.datetime) -> str | None:
        """Set all that is stored aside, so that `migrate` starts anew; nothing is deleted.

        Returns
        -------
        aside
            Where it is now: the path of a file, or the name of a PostgreSQL schema. None
            where nothing was stored.
        """
        stamp = now.astimezone(dt.UTC).strftime("%Y%m%d-%H%M%S")
        with self._told("set aside"):
            return self._backend.set_aside(self._engine, stamp)


def _version(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(sa.func.max(SCHEMA.c.version))) or 0)


def _version_if_any(connection: sa.Connection) -> int:
    return _version(connection) if sa.inspect(connection).has_table(SCHEMA.name) else 0


def _make_backend(url: str, timeout_s: float) -> Backend:
    expected = "expected sqlite:///path/to/file or postgresql://user@host/database"
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise StoreError(f"database URL: {expected}, got something unreadable") from None
    kind = parsed.drivername
    if kind in ("sqlite", "sqlite+pysqlite"):
        return Sqlite(parsed, timeout_s)
    if kind in ("postgresql", "postgres", "postgresql+psycopg"):
        return Postgis(parsed, timeout_s)
    raise StoreError(f"database URL: {expected}, got one that begins with {kind}://")
