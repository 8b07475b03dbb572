"""All state and all SQL: SQLite (default) or PostgreSQL with PostGIS, at a revision.

Every change of what readers see is one transaction and one new revision; a reader sees
the old revision or the new one, never a mixture. The same tables, the same statements
and the same tests hold for both databases; what differs is in the two ``_Backend`` classes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sqlite3
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import shapely
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool

from geo_service.errors import ConflictError, SchemaError, StoreError
from geo_service.schema import (
    INITIATIVE_COLUMNS,
    WGS84,
    Initiatives,
    Population,
    check_initiatives,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = [
    "GeocodeCache",
    "HistoryEntry",
    "ImportEntry",
    "ImportOutcome",
    "Store",
    "StoreStats",
    "StoredState",
]

# ----------------------------------------------------------------------- small results


@dataclass(frozen=True, slots=True)
class StoredState:
    """All that a reader sees at one revision, read in one transaction."""

    revision: int
    changed_at: dt.datetime
    initiatives: Initiatives
    population: Population | None


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did: counts of rows, and ids that are stored but not in the file.

    `revision` is the current one afterwards; it is the old one where nothing changed.
    """

    revision: int
    created: int
    updated: int
    unchanged: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """An import that was committed, as the log has it."""

    revision: int
    at: dt.datetime
    dataset: str
    file_name: str
    sha256: str
    rows: int
    accepted: int
    rejected: int
    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of one record; known columns only, `before` is None for a new record.

    The `after` of a change is the `before` of the next one, or the record as it is now:
    so it is stored once.
    """

    id: str
    revision: int
    operation: Literal["create", "update"]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Counts for a health report, read in one transaction."""

    revision: int
    changed_at: dt.datetime
    initiatives: int
    placed: int
    datasets: int
    imports: int
    last_import_at: dt.datetime | None
    population_basis: str | None
    population_cells: int
    cached_answers: int


# ------------------------------------------------------------------------------ tables


class _UtcTime(sa.TypeDecorator[dt.datetime]):
    """A moment with its zone: TIMESTAMPTZ on PostgreSQL, sortable ISO text on SQLite."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type of `dialect`."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        """Write in UTC; a moment without a zone is a bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise SchemaError(f"expected a moment with a time zone, got {value.isoformat()}")
        moment = value.astimezone(dt.UTC)
        if dialect.name == "postgresql":
            return moment
        return moment.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime | None:
        """Read in UTC."""
        if value is None:
            return None
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        return moment.astimezone(dt.UTC)


_TABLES = sa.MetaData()
_SQL_TYPE: Final[Mapping[str, sa.types.TypeEngine[Any]]] = {
    "str": sa.Text(),
    "int64": sa.BigInteger(),
    "float64": sa.Double(),
}
_POINT: Final = {"point_lon": "float64", "point_lat": "float64"}
_CONTENT: Final[Mapping[str, str]] = {**INITIATIVE_COLUMNS, **_POINT}
"""What is stored of an initiative: its columns and the assigned point in degrees."""

_NOT_COMPARED: Final = frozenset({"id", "source_line", "coordinate_date"})
"""Columns that alone do not make a change: a row that only moved within its file, or whose
address was looked up again with the same answer, is the same row."""

_SCHEMA = sa.Table(
    "geo_service_schema",
    _TABLES,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", _UtcTime, nullable=False),
)
_REVISIONS = sa.Table(
    "revisions",
    _TABLES,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("changed_at", _UtcTime, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
)
_INITIATIVES = sa.Table(
    "initiatives",
    _TABLES,
    *(
        sa.Column(name, _SQL_TYPE[dtype], primary_key=name == "id", nullable=name != "id")
        for name, dtype in _CONTENT.items()
    ),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("first_revision", sa.BigInteger, nullable=False),
    sa.Column("last_revision", sa.BigInteger, nullable=False),
)
_HISTORY = sa.Table(
    "history",
    _TABLES,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("before", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
)
_IMPORTS = sa.Table(
    "imports",
    _TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("at", _UtcTime, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("rows", "accepted", "rejected", "created", "updated", "unchanged")
    ),
)
_CACHE = sa.Table(
    "geocode_cache",
    _TABLES,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("expires_at", _UtcTime, nullable=False),
)
_POPULATION = sa.Table(
    "population",
    _TABLES,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("source_note", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
_CELLS = sa.Table(
    "population_cells",
    _TABLES,
    sa.Column("cell", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("ags", sa.Text),
    sa.Column("x_m", sa.Double, nullable=False),
    sa.Column("y_m", sa.Double, nullable=False),
    sa.Column("people", sa.Double, nullable=False),
)

# -------------------------------------------------------------------------- migrations

_V1: Final = (
    """CREATE TABLE geo_service_schema (
        version integer PRIMARY KEY, applied_at {time} NOT NULL)""",
    """CREATE TABLE revisions (
        number bigint PRIMARY KEY, changed_at {time} NOT NULL, cause text NOT NULL)""",
    """CREATE TABLE initiatives (
        id {key} PRIMARY KEY NOT NULL, name text, category text, theme text, organisation text,
        street text, house_number text, postcode text, city text, municipality text,
        verbandsgemeinde text, kreis text, website text, opening_hours text, offers text,
        languages text, wheelchair text, lon {float}, lat {float}, source text,
        source_date text, confirmed_on text, source_line bigint, coordinate_status text,
        coordinate_source text, coordinate_precision text, coordinate_score {float},
        coordinate_date text, coordinate_licence text, coordinate_note text, ags text,
        municipality_check text, point_lon {float}, point_lat {float}, dataset text NOT NULL,
        first_revision bigint NOT NULL REFERENCES revisions (number),
        last_revision bigint NOT NULL REFERENCES revisions (number){geometry})""",
    "CREATE INDEX initiatives_dataset ON initiatives (dataset)",
    """CREATE TABLE history (
        id {key} NOT NULL, revision bigint NOT NULL REFERENCES revisions (number),
        operation text NOT NULL, before {json}, PRIMARY KEY (id, revision))""",
    """CREATE TABLE imports (
        number {counter} PRIMARY KEY, revision bigint NOT NULL REFERENCES revisions (number),
        at {time} NOT NULL, dataset text NOT NULL, file_name text NOT NULL,
        sha256 text NOT NULL, rows bigint NOT NULL, accepted bigint NOT NULL,
        rejected bigint NOT NULL, created bigint NOT NULL, updated bigint NOT NULL,
        unchanged bigint NOT NULL)""",
    """CREATE TABLE geocode_cache (
        key {key} PRIMARY KEY NOT NULL, text text NOT NULL, expires_at {time} NOT NULL)""",
    """CREATE TABLE population (
        slot integer PRIMARY KEY CHECK (slot = 1), basis text NOT NULL,
        source_note text NOT NULL, revision bigint NOT NULL REFERENCES revisions (number))""",
    """CREATE TABLE population_cells (
        cell {bigkey} PRIMARY KEY, ags text, x_m {float} NOT NULL, y_m {float} NOT NULL,
        people {float} NOT NULL)""",
)
_V1_POSTGRES: Final = ("CREATE INDEX initiatives_geom ON initiatives USING gist (geom)",)


def _create_tables(connection: sa.Connection, backend: _Backend, now: dt.datetime) -> None:
    """Version 1. A migration that has been released is never edited: add the next one."""
    for statement in _V1:
        connection.exec_driver_sql(statement.format_map(backend.types))
    for statement in _V1_POSTGRES if backend.name == "postgresql" else ():
        connection.exec_driver_sql(statement)
    connection.execute(sa.insert(_REVISIONS).values(number=0, changed_at=now, cause="set-up"))


_Migration: TypeAlias = "Callable[[sa.Connection, _Backend, dt.datetime], None]"
_MIGRATIONS: tuple[_Migration, ...] = (_create_tables,)

# ---------------------------------------------------------------------------- backends

_Access: TypeAlias = Literal["read", "put", "write", "migrate"]
"""``put`` writes beside an import that runs (the geocode cache), ``write`` excludes it."""


class _Backend(ABC):
    """What differs between the two databases."""

    name: str
    label: str
    types: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """Return an engine; nothing is opened yet."""

    @abstractmethod
    def prepare(self) -> None:
        """Make ready what has to exist before the first connection."""

    @abstractmethod
    def options(self, access: _Access) -> dict[str, Any]:
        """Return the execution options of a transaction."""

    @abstractmethod
    def lock(self, connection: sa.Connection, access: _Access) -> None:
        """Wait until no other writer is at work, where the begin has not done so."""

    @abstractmethod
    def check_home(self, connection: sa.Connection) -> None:
        """Raise StoreError where our tables cannot live in this database."""

    @abstractmethod
    def set_aside(self, engine: sa.Engine, stamp: str) -> str | None:
        """Move what is stored out of the way; return its new name, None if nothing was."""

    @abstractmethod
    def load(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: _Rows
    ) -> None:
        """Insert many rows."""

    @abstractmethod
    def upsert(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: _Rows
    ) -> None:
        """Insert rows or, by primary key, replace all but `dataset` and `first_revision`."""

    def reason(self, error: BaseException) -> str:
        """Say in one line what went wrong, without secrets."""
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
        text = " ".join(str(cause).split()) or type(cause).__name__
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return self._explain(cause, text)

    @abstractmethod
    def _explain(self, cause: BaseException, text: str) -> str:
        """Turn a driver's error into what a person can act on."""


_Rows: TypeAlias = "Iterable[Sequence[Any]]"


def _replaced(insert: Any, names: Sequence[str]) -> dict[str, Any]:
    kept = {"id", "key", "dataset", "first_revision"}
    return {name: insert.excluded[name] for name in names if name not in kept}


_WAL_SAFE: Final = (3, 51, 3)
"""First SQLite without the WAL-reset race that can corrupt a database under two writers;
see https://www.sqlite.org/wal.html#walresetbug."""


def _journal_mode(version: tuple[int, ...]) -> Literal["wal", "delete"]:
    """Return the journal mode that is safe with this SQLite.

    >>> _journal_mode((3, 40, 1)), _journal_mode((3, 51, 3))
    ('delete', 'wal')
    """
    return "wal" if version >= _WAL_SAFE else "delete"


class _Sqlite(_Backend):
    """One file; a writer excludes writers, and readers only while it commits."""

    name = "sqlite"
    types: Final = {  # type: ignore[misc]  # final in each backend
        "key": "text",
        "bigkey": "integer",
        "counter": "integer",
        "float": "real",
        "time": "text",
        "json": "text",
        "geometry": "",
    }

    def __init__(self, url: sa.URL, timeout_s: float) -> None:
        if not url.database or url.database.startswith((":memory:", "file:")) or url.query:
            raise StoreError(
                f"database URL: expected sqlite:///path/to/file, got {str(url)!r}:"
                " state must outlive the process"
            )
        self.path = Path(url.database).absolute()
        self.label = f"SQLite database {url.database}"
        self.timeout_s = timeout_s
        self.journal_mode = _journal_mode(sqlite3.sqlite_version_info)

    def make_engine(self) -> sa.Engine:
        """Open per use: a file has no connection worth keeping, and forks stay safe."""
        engine = sa.create_engine(
            "sqlite://", creator=self._connect, poolclass=NullPool, hide_parameters=True
        )
        sa.event.listen(engine, "begin", self._begin)
        return engine

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self.path.as_uri()}?mode=rw"
        connection = sqlite3.connect(
            uri, uri=True, timeout=self.timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            self._set_up(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        """EXTRA syncs the folder too: without it a power cut can bring back the journal of
        a commit that was acknowledged (https://www.sqlite.org/pragma.html#pragma_synchronous).
        Without spilling, readers are shut out for the commit alone, not for the import.
        """
        for pragma in (
            "synchronous=EXTRA",
            "foreign_keys=ON",
            "secure_delete=ON",
            "cache_spill=OFF",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if mode == "wal" and self.journal_mode == "delete":
            (mode,) = connection.execute("PRAGMA journal_mode=delete").fetchone()
            if mode != "delete":
                raise sqlite3.OperationalError("database is locked")

    @staticmethod
    def _begin(connection: sa.Connection) -> None:
        """Begin explicitly: the driver of Python itself begins late and commits early
        (SQLAlchemy, "Serializable isolation / Savepoints / Transactional DDL").
        """
        options = connection.get_execution_options()
        connection.exec_driver_sql(cast("str", options.get("sqlite_begin", "BEGIN")))

    def prepare(self) -> None:
        """Create folder and empty file; an empty file is a valid empty database."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch()
        if self.journal_mode == "wal":
            with contextlib.closing(self._connect()) as connection:
                connection.execute("PRAGMA journal_mode=wal")

    def options(self, access: _Access) -> dict[str, Any]:
        """Take the lock at the beginning, so that no transaction fails half-way for it."""
        begin = {"read": "BEGIN", "migrate": "BEGIN EXCLUSIVE"}.get(access, "BEGIN IMMEDIATE")
        return {"sqlite_begin": begin}

    def lock(self, connection: sa.Connection, access: _Access) -> None:
        """Nothing more to wait for: the begin took the lock."""

    def check_home(self, connection: sa.Connection) -> None:
        """Leave the database of another application alone."""
        others = sa.inspect(connection).get_table_names()
        if others:
            raise StoreError(
                f"{self.label}: expected a new or a geo_service database,"
                f" got one of another application (with a table {others[0]!r})"
            )

    def set_aside(self, engine: sa.Engine, stamp: str) -> str | None:
        """Rename the file while no one else uses it, a damaged one as it is."""
        if not self.path.exists():
            return None
        aside = self.path.with_name(f"{self.path.stem}-{stamp}{self.path.suffix}")
        if aside.exists():
            raise FileExistsError(f"{aside} is there already")
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(sqlite3.DatabaseError):
                self._lock_out(stack)
            for ending in ("-journal", "-wal", "-shm", ""):
                part = self.path.with_name(self.path.name + ending)
                if part.exists():
                    part.rename(aside.with_name(aside.name + ending))
        return str(aside)

    def _lock_out(self, stack: contextlib.ExitStack) -> None:
        """Finish what a killed writer left behind, then keep everybody out."""
        try:
            connection = stack.enter_context(contextlib.closing(self._connect()))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise TimeoutError(str(error)) from error
            raise

    def load(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: _Rows
    ) -> None:
        """Insert with one prepared statement."""
        self._many(connection, sa.insert(table), names, rows)

    def upsert(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: _Rows
    ) -> None:
        """Insert or replace with one prepared statement."""
        insert = sqlite.insert(table)
        statement = insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=_replaced(insert, names)
        )
        self._many(connection, statement, names, rows)

    @staticmethod
    def _many(connection: sa.Connection, statement: Any, names: Sequence[str], rows: _Rows) -> None:
        sql = str(statement.compile(dialect=connection.dialect, column_keys=list(names)))
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(sql, cast("Any", rows))
        finally:
            cursor.close()

    def _explain(self, cause: BaseException, text: str) -> str:
        known = {
            "file is not a database": "expected a SQLite database, got a file of another kind",
            "database or disk is full": f"the disk is full; nothing was changed ({text})",
            "readonly database": "the file or its folder is read-only",
            "database is locked": f"another process kept it locked for {self.timeout_s:g} s",
            "no such table": "it has no tables yet: import a file or start the service once",
            "malformed": f"the file is damaged; restore a backup ({text})",
        }
        for sign, meaning in known.items():
            if sign in text:
                return meaning
        if "unable to open" in text:
            return self._why_closed()
        return text

    def _why_closed(self) -> str:
        if self.path.is_dir():
            return "expected a file, got a folder"
        if not self.path.exists():
            return "it does not exist yet: import a file or start the service once"
        return "the file cannot be opened: check owner and permissions of it and its folder"


_LOCK: Final = 0x67656F73
"""Key of the advisory lock that writers of one PostgreSQL database share ("geos")."""

_CONNECT_S: Final = 5


class _Postgres(_Backend):
    """PostgreSQL with PostGIS, through psycopg 3."""

    name = "postgresql"
    types: Final = {  # type: ignore[misc]  # final in each backend
        "key": 'text COLLATE "C"',
        "bigkey": "bigint",
        "counter": "bigint GENERATED ALWAYS AS IDENTITY",
        "float": "double precision",
        "time": "timestamptz",
        "json": "jsonb",
        "geometry": ", geom geometry(Point, 4326) GENERATED ALWAYS AS"
        " (ST_SetSRID(ST_MakePoint(point_lon, point_lat), 4326)) STORED",
    }

    def __init__(self, url: sa.URL, timeout_s: float) -> None:
        self.url = url.set(drivername="postgresql+psycopg")
        self.timeout_s = timeout_s
        self.secrets = tuple(filter(None, [str(url.password or ""), *_texts(url, "password")]))
        host = url.host or next(iter(_texts(url, "host")), "the local socket")
        self.label = f"PostgreSQL database {url.database or ''!r} on {host}:{url.port or 5432}"

    def make_engine(self) -> sa.Engine:
        """Pool connections, test each before use, and never share one with a forked child."""
        wait = {"connect_timeout": _CONNECT_S, "tcp_user_timeout": 10_000}
        given = {name: value for name, value in wait.items() if name not in self.url.query}
        engine = sa.create_engine(
            self.url,
            connect_args={"application_name": "geo-service", **given},
            pool_pre_ping=True,
            pool_size=2,
            hide_parameters=True,
        )
        sa.event.listen(engine, "connect", _note_process)
        sa.event.listen(engine, "checkout", _refuse_other_process)
        return engine

    def prepare(self) -> None:
        """Nothing to make ready: the operator creates the database."""

    def options(self, access: _Access) -> dict[str, Any]:
        """Read one state of the database however many statements a reader needs."""
        if access == "read":
            return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return {"isolation_level": "READ COMMITTED"}

    def lock(self, connection: sa.Connection, access: _Access) -> None:
        """Let one writer in at a time."""
        if access in ("write", "migrate"):
            wait_ms = int(self.timeout_s * 1_000)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait_ms}")
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))

    def check_home(self, connection: sa.Connection) -> None:
        """Switch PostGIS on where that is allowed."""
        has = "SELECT count(*) FROM pg_extension WHERE extname = 'postgis'"
        if connection.exec_driver_sql(has).scalar_one():
            return
        try:
            connection.exec_driver_sql("CREATE EXTENSION postgis")
        except sa.exc.DBAPIError as error:
            raise StoreError(
                f"{self.label}: expected the extension PostGIS, got none"
                f" ({self.reason(error)}); install it and let an administrator run"
                " CREATE EXTENSION postgis in this database"
            ) from error

    def set_aside(self, engine: sa.Engine, stamp: str) -> str | None:
        """Move our tables into a schema of their own."""
        aside = f"geo_service_{stamp.lower().replace('-', '_')}"
        with engine.begin() as connection:
            self.lock(connection, "migrate")
            if not sa.inspect(connection).has_table(_SCHEMA.name):
                return None
            connection.exec_driver_sql(f"CREATE SCHEMA {aside}")
            for table in _TABLES.tables:
                connection.exec_driver_sql(f"ALTER TABLE {table} SET SCHEMA {aside}")
        return f"schema {aside}"

    def load(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: _Rows
    ) -> None:
        """Insert by COPY."""
        self._copy(connection, table.name, names, rows)

    def upsert(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: _Rows
    ) -> None:
        """Insert or replace from a temporary table filled by COPY."""
        columns = [sa.Column(name, table.c[name].type) for name in names]
        staged = sa.Table(
            "staged", sa.MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP"
        )
        staged.create(connection)
        self._copy(connection, staged.name, names, rows)
        insert = postgresql.insert(table).from_select(list(names), sa.select(staged))
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=list(table.primary_key), set_=_replaced(insert, names)
            )
        )
        staged.drop(connection)

    @staticmethod
    def _copy(connection: sa.Connection, table: str, names: Sequence[str], rows: _Rows) -> None:
        quoted = ", ".join(f'"{name}"' for name in names)
        driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table} ({quoted}) FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def _explain(self, cause: BaseException, text: str) -> str:
        if isinstance(cause, psycopg.errors.UndefinedTable):
            return "it has no tables yet: import a file or start the service once"
        if isinstance(cause, psycopg.errors.LockNotAvailable):
            return f"another process kept it locked for {self.timeout_s:g} s"
        if isinstance(cause, psycopg.errors.DiskFull):
            return f"the disk is full; nothing was changed ({text})"
        return text


def _texts(url: sa.URL, name: str) -> tuple[str, ...]:
    value = url.query.get(name, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _note_process(_connection: Any, record: Any) -> None:
    record.info["pid"] = os.getpid()


def _refuse_other_process(_connection: Any, record: Any, proxy: Any) -> None:
    """A connection used by a parent and its child mixes their answers (SQLAlchemy,
    "Using Connection Pools with Multiprocessing").
    """
    if record.info["pid"] != os.getpid():
        record.dbapi_connection = proxy.dbapi_connection = None
        raise sa.exc.DisconnectionError("connection of another process")


def _make_backend(url: str, timeout_s: float) -> _Backend:
    expected = "expected sqlite:///path/to/file or postgresql://user@host/database"
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise StoreError(f"database URL: {expected}, got something unreadable") from None
    kind = parsed.drivername
    if kind in ("sqlite", "sqlite+pysqlite"):
        return _Sqlite(parsed, timeout_s)
    if kind in ("postgresql", "postgres", "postgresql+psycopg"):
        return _Postgres(parsed, timeout_s)
    raise StoreError(f"database URL: {expected}, got one that begins with {kind}://")


# -------------------------------------------------------------------------------- store


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Store:
    """The database behind one URL.

    Nothing is opened before it is needed, and a store may be used by several threads.
    Every method raises StoreError where the database cannot be read or written; the
    message never has a password.

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

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store: {self._backend.label}>"

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
    def _begin(self, access: _Access, doing: str) -> Iterator[sa.Connection]:
        """Open a transaction; it commits at the end, and on any error nothing happened."""
        with self._told(doing), self._engine.connect() as bare:
            connection = bare.execution_options(**self._backend.options(access))
            with connection.begin():
                self._backend.lock(connection, access)
                yield connection

    @contextlib.contextmanager
    def _current(self, access: _Access, doing: str) -> Iterator[sa.Connection]:
        """Open a transaction on a database that has this program's version."""
        with self._begin(access, doing) as connection:
            version = int(connection.scalar(sa.select(sa.func.max(_SCHEMA.c.version))) or 0)
            self._refuse_newer(version)
            if version < len(_MIGRATIONS):
                raise StoreError(
                    f"{self._backend.label}: expected schema version {len(_MIGRATIONS)},"
                    f" got {version}: start the service or import a file to migrate it"
                )
            yield connection

    def _refuse_newer(self, version: int) -> None:
        if version > len(_MIGRATIONS):
            raise StoreError(
                f"{self._backend.label}: expected schema version {len(_MIGRATIONS)} or older,"
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
            version = self._version(connection)
        self._refuse_newer(version)
        if version < len(_MIGRATIONS):
            with self._begin("migrate", "migrate") as connection:
                self._migrate(connection, now or _utc_now())
        return len(_MIGRATIONS)

    def _migrate(self, connection: sa.Connection, now: dt.datetime) -> None:
        version = self._version(connection)
        self._refuse_newer(version)
        if version == 0:
            self._backend.check_home(connection)
        for number, step in enumerate(_MIGRATIONS[version:], start=version + 1):
            step(connection, self._backend, now)
            connection.execute(sa.insert(_SCHEMA).values(version=number, applied_at=now))

    @staticmethod
    def _version(connection: sa.Connection) -> int:
        if not sa.inspect(connection).has_table(_SCHEMA.name):
            return 0
        return int(connection.scalar(sa.select(sa.func.max(_SCHEMA.c.version))) or 0)

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

    # ----------------------------------------------------------------------- reading

    def revision(self) -> int:
        """Return the number of the current revision, 0 before the first change; cheap."""
        return self.latest()[0]

    def latest(self) -> tuple[int, dt.datetime]:
        """Return number and moment of the current revision; cheap.

        The two together also tell a database that was set up anew or restored.
        """
        with self._begin("read", "read the revision") as connection:
            number, changed_at = connection.execute(_LATEST).one()
            return number, changed_at

    def read(self) -> StoredState:
        """Read everything a snapshot needs, of one revision.

        Initiatives are sorted by id (by code point, on both databases).
        """
        with self._current("read", "read the records") as connection:
            revision, changed_at = connection.execute(_LATEST).one()
            query = sa.select(*(_INITIATIVES.c[name] for name in _CONTENT))
            content = _read_frame(connection, query.order_by(_INITIATIVES.c.id), _CONTENT)
            population = _read_population(connection)
        return StoredState(revision, changed_at, _to_initiatives(content), population)

    def known(self) -> pd.DataFrame:
        """Return what ids are resolved by, one row per stored record, sorted by id.

        Columns: id, name, city, municipality, kreis, street, house_number, dataset.
        """
        names = ["id", "name", "city", "municipality", "kreis", "street", "house_number"]
        with self._current("read", "read the known records") as connection:
            query = sa.select(*(_INITIATIVES.c[name] for name in [*names, "dataset"]))
            return _read_frame(
                connection,
                query.order_by(_INITIATIVES.c.id),
                dict.fromkeys([*names, "dataset"], "str"),
            )

    def imports(self, *, limit: int = 100) -> tuple[ImportEntry, ...]:
        """Return the log of imports, newest first."""
        columns = [column for column in _IMPORTS.c if column.name != "number"]
        query = sa.select(*columns).order_by(_IMPORTS.c.number.desc()).limit(limit)
        with self._current("read", "read the imports") as connection:
            return tuple(ImportEntry(*row) for row in connection.execute(query))

    def history(self, record_id: str) -> tuple[HistoryEntry, ...]:
        """Return every change of a record, oldest first; empty for an unknown id."""
        past = sa.select(_HISTORY).where(_HISTORY.c.id == record_id).order_by(_HISTORY.c.revision)
        present = sa.select(*(_INITIATIVES.c[name] for name in _CONTENT)).where(
            _INITIATIVES.c.id == record_id
        )
        with self._current("read", "read the history") as connection:
            changes = connection.execute(past).all()
            row = connection.execute(present).mappings().one_or_none()
        current = {name: value for name, value in (row or {}).items() if value is not None}
        afters = [*(change.before for change in changes[1:]), current]
        return tuple(
            HistoryEntry(change.id, change.revision, change.operation, change.before, after)
            for change, after in zip(changes, afters[: len(changes)], strict=True)
        )

    def stats(self) -> StoreStats:
        """Count what is stored, for a health report."""
        count = sa.func.count
        with self._current("read", "count") as connection:
            revision, changed_at = connection.execute(_LATEST).one()
            initiatives, placed, datasets = connection.execute(
                sa.select(
                    count(),
                    count(_INITIATIVES.c.point_lon),
                    count(_INITIATIVES.c.dataset.distinct()),
                )
            ).one()
            imports, last_import_at = connection.execute(
                sa.select(count(), sa.func.max(_IMPORTS.c.at)).select_from(_IMPORTS)
            ).one()
            basis = connection.scalar(sa.select(_POPULATION.c.basis))
            cells = connection.scalar(sa.select(count()).select_from(_CELLS)) or 0
            cached = connection.scalar(sa.select(count()).select_from(_CACHE)) or 0
        return StoreStats(
            revision=revision,
            changed_at=changed_at,
            initiatives=initiatives,
            placed=placed,
            datasets=datasets,
            imports=imports,
            last_import_at=last_import_at,
            population_basis=basis,
            population_cells=cells,
            cached_answers=cached,
        )

    def cache(self, *, clock: Callable[[], dt.datetime] = _utc_now) -> GeocodeCache:
        """Return the cache of geocoders' answers; `clock` decides what has expired."""
        return GeocodeCache(self, clock)

    # ----------------------------------------------------------------------- writing

    def plan_import(
        self,
        initiatives: Initiatives,
        *,
        dataset: str,
        file_name: str,
        sha256: str,
        rows: int,
        rejected: int,
        base_revision: int,
        now: dt.datetime,
    ) -> ImportOutcome:
        """Say what `apply_import` would do, and change nothing; raise what it would raise."""
        del file_name, sha256, rows, rejected, now
        content = _to_content(initiatives)
        with self._current("read", "plan the import") as connection:
            revision = _check_base(connection, base_revision, self._backend.label)
            plan = _compare(connection, content, dataset, self._backend.label)
        return plan.outcome(revision)

    def apply_import(
        self,
        initiatives: Initiatives,
        *,
        dataset: str,
        file_name: str,
        sha256: str,
        rows: int,
        rejected: int,
        base_revision: int,
        now: dt.datetime,
    ) -> ImportOutcome:
        """Store an edition of a list: all of it or nothing, as one revision.

        New ids are created, known ones updated where their content differs. Ids of the
        list that the edition lacks stay, and are named in the outcome. Where nothing
        differs there is no new revision; the import is logged all the same.

        Parameters
        ----------
        initiatives
            The valid rows of the edition.
        dataset
            Name of the list; a record belongs to one list.
        file_name, sha256, rows, rejected
            What the log says about the file; `rows` counts all its data rows.
        base_revision
            The revision against which the ids were resolved.
        now
            The moment of the change, with a time zone.

        Raises
        ------
        ConflictError
            If the revision has moved since `base_revision`: resolve the ids again.
        StoreError
            If an id belongs to another list, or the database cannot be written.
        """
        content = _to_content(initiatives)
        with self._current("write", "import") as connection:
            revision = _check_base(connection, base_revision, self._backend.label)
            plan = _compare(connection, content, dataset, self._backend.label)
            if plan.changes:
                revision = _next_revision(connection, f"import of {dataset}", now)
                self._write(connection, plan, dataset, revision)
            outcome = plan.outcome(revision)
            entry = ImportEntry(
                revision=revision,
                at=now,
                dataset=dataset,
                file_name=file_name,
                sha256=sha256,
                rows=rows,
                accepted=len(content),
                rejected=rejected,
                created=outcome.created,
                updated=outcome.updated,
                unchanged=outcome.unchanged,
            )
            fields = ImportEntry.__dataclass_fields__
            values = {name: getattr(entry, name) for name in fields}
            connection.execute(sa.insert(_IMPORTS).values(**values))
        return outcome

    def _write(self, connection: sa.Connection, plan: _Plan, dataset: str, revision: int) -> None:
        names = [*_CONTENT, "dataset", "first_revision", "last_revision"]
        self._backend.upsert(
            connection,
            _INITIATIVES,
            names,
            ((*row, dataset, revision, revision) for row in _rows(plan.changed)),
        )
        columns = ["id", "revision", "operation", "before"]
        self._backend.load(connection, _HISTORY, columns, plan.history(revision))

    def save_population(
        self, population: Population | None, *, now: dt.datetime | None = None
    ) -> int:
        """Store where people live, in place of what was stored; None removes it.

        Returns
        -------
        revision
            A new one, or the current one where the stored population is the same.
        """
        with self._current("write", "save the population") as connection:
            if _same_population(_read_population(connection), population):
                return _current_revision(connection)
            revision = _next_revision(connection, "population", now or _utc_now())
            connection.execute(sa.delete(_CELLS))
            connection.execute(sa.delete(_POPULATION))
            if population is not None:
                self._load_population(connection, population, revision)
            return revision

    def _load_population(
        self, connection: sa.Connection, population: Population, revision: int
    ) -> None:
        connection.execute(
            sa.insert(_POPULATION).values(
                slot=1,
                basis=population.basis,
                source_note=population.source_note,
                revision=revision,
            )
        )
        cells = zip(
            range(len(population.people)),
            _objects(population.ags),
            population.x_m.tolist(),
            population.y_m.tolist(),
            population.people.tolist(),
            strict=True,
        )
        self._backend.load(connection, _CELLS, ["cell", "ags", "x_m", "y_m", "people"], cells)


class GeocodeCache:
    """Answers of geocoders by key, each with its expiry; every call is its own transaction."""

    def __init__(self, store: Store, clock: Callable[[], dt.datetime]) -> None:
        self._store = store
        self._clock = clock

    def get(self, key: str) -> str | None:
        """Return the text under `key`, or None where there is none or it has expired."""
        query = sa.select(_CACHE.c.text).where(
            _CACHE.c.key == key, _CACHE.c.expires_at > self._clock()
        )
        with self._store._begin("read", "read a cached answer") as connection:
            return connection.scalar(query)

    def put(self, key: str, text: str, expires_at: dt.datetime) -> None:
        """Keep `text` under `key` until `expires_at`, in place of what was there."""
        row = (key, text, _UtcTime().process_bind_param(expires_at, self._store._engine.dialect))
        with self._store._begin("put", "cache an answer") as connection:
            self._store._backend.upsert(connection, _CACHE, ["key", "text", "expires_at"], [row])

    def purge(self) -> int:
        """Delete what has expired; return how many answers that were."""
        gone = sa.delete(_CACHE).where(_CACHE.c.expires_at <= self._clock())
        with self._store._begin("put", "purge the cache") as connection:
            return connection.execute(gone).rowcount


# --------------------------------------------------------------------------- revisions

_LATEST: Final = (
    sa.select(_REVISIONS.c.number, _REVISIONS.c.changed_at)
    .order_by(_REVISIONS.c.number.desc())
    .limit(1)
)


def _current_revision(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(sa.func.max(_REVISIONS.c.number))) or 0)


def _next_revision(connection: sa.Connection, cause: str, now: dt.datetime) -> int:
    number = _current_revision(connection) + 1
    values = {"number": number, "changed_at": now, "cause": cause}
    connection.execute(sa.insert(_REVISIONS).values(**values))
    return number


def _check_base(connection: sa.Connection, base_revision: int, label: str) -> int:
    revision = _current_revision(connection)
    if revision != base_revision:
        raise ConflictError(
            f"{label}: expected revision {base_revision}, got {revision}:"
            " another change came first; resolve the ids again"
        )
    return revision


# ------------------------------------------------------------------ tables <-> database


def _objects(values: NDArray[Any] | pd.Series) -> list[Any]:
    """Return plain Python values, None where missing."""
    array = np.asarray(values, dtype=object)
    missing = pd.isna(array)
    if missing.any():
        array = array.copy()
        array[missing] = None
    return cast("list[Any]", array.tolist())


def _rows(content: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    return zip(*(_objects(content[name]) for name in content.columns), strict=True)


def _json(content: pd.DataFrame) -> Iterator[str]:
    """Encode each row; unknown values are left out."""
    names = list(content.columns)
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    for row in _rows(content):
        known = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        yield encode(known)


def _to_content(initiatives: Initiatives) -> pd.DataFrame:
    """Return columns as stored: the point as two numbers in degrees."""
    frame = check_initiatives(initiatives)
    points = np.asarray(frame.geometry.array, dtype=object)
    content = pd.DataFrame(frame[[*INITIATIVE_COLUMNS]])
    return content.assign(point_lon=shapely.get_x(points), point_lat=shapely.get_y(points))


def _to_initiatives(content: pd.DataFrame) -> Initiatives:
    """Return the table that `content` was made of."""
    points = np.full(len(content), None, dtype=object)
    placed = content["point_lon"].notna().to_numpy()
    lon, lat = (content.loc[placed, name].to_numpy() for name in _POINT)
    points[placed] = shapely.points(lon, lat)
    frame = content.drop(columns=[*_POINT])
    return check_initiatives(gpd.GeoDataFrame(frame, geometry=points, crs=WGS84))


def _read_frame(
    connection: sa.Connection, query: sa.Select[Any], dtypes: Mapping[str, str]
) -> pd.DataFrame:
    rows = connection.execute(query).all()
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(dtypes)
    data = {
        name: pd.Series(np.array(column, dtype=object), dtype=dtype)
        for (name, dtype), column in zip(dtypes.items(), columns, strict=True)
    }
    return pd.DataFrame(data, index=pd.RangeIndex(len(rows)))


def _read_population(connection: sa.Connection) -> Population | None:
    about = connection.execute(sa.select(_POPULATION.c.basis, _POPULATION.c.source_note)).first()
    if about is None:
        return None
    query = sa.select(_CELLS.c.ags, _CELLS.c.x_m, _CELLS.c.y_m, _CELLS.c.people)
    rows = connection.execute(query.order_by(_CELLS.c.cell)).all()
    ags, x_m, y_m, people = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Population(
        basis=about.basis,
        source_note=about.source_note,
        ags=np.array(ags, dtype=object),
        x_m=np.array(x_m, dtype=np.float64),
        y_m=np.array(y_m, dtype=np.float64),
        people=np.array(people, dtype=np.float64),
    )


def _same_population(one: Population | None, other: Population | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        (one.basis, one.source_note) == (other.basis, other.source_note)
        and _objects(one.ags) == _objects(other.ags)
        and np.array_equal(one.x_m, other.x_m)
        and np.array_equal(one.y_m, other.y_m)
        and np.array_equal(one.people, other.people)
    )


# ------------------------------------------------------------------------- comparison


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rows to create and to update, and the stored rows that the updates replace."""

    created: pd.DataFrame
    updated: pd.DataFrame
    replaced: pd.DataFrame
    unchanged: int
    missing: tuple[str, ...]

    @property
    def changes(self) -> int:
        return len(self.created) + len(self.updated)

    @property
    def changed(self) -> pd.DataFrame:
        return pd.concat([self.created, self.updated])

    def outcome(self, revision: int) -> ImportOutcome:
        return ImportOutcome(
            revision, len(self.created), len(self.updated), self.unchanged, self.missing
        )

    def history(self, revision: int) -> Iterator[tuple[Any, ...]]:
        yield from ((key, revision, "create", None) for key in self.created["id"].tolist())
        replaced = zip(self.replaced["id"].tolist(), _json(self.replaced), strict=True)
        yield from ((key, revision, "update", before) for key, before in replaced)


def _compare(connection: sa.Connection, content: pd.DataFrame, dataset: str, label: str) -> _Plan:
    """Tell new, changed, equal and missing rows apart."""
    _check_owner(connection, content, dataset, label)
    query = sa.select(*(_INITIATIVES.c[name] for name in _CONTENT))
    mine = query.where(_INITIATIVES.c.dataset == dataset).order_by(_INITIATIVES.c.id)
    stored = _read_frame(connection, mine, _CONTENT)
    position = pd.Index(stored["id"]).get_indexer(pd.Index(content["id"]))
    known = position >= 0
    current, before = content[known], stored.iloc[position[known]]
    differs = _differs(current, before)
    return _Plan(
        created=content[~known],
        updated=current[differs],
        replaced=before[differs],
        unchanged=int((~differs).sum()),
        missing=tuple(stored.loc[~stored["id"].isin(content["id"]), "id"]),
    )


def _differs(current: pd.DataFrame, before: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which rows differ, pairwise by position; missing equals missing."""
    differs = np.zeros(len(current), dtype=np.bool_)
    for name in _CONTENT:
        if name not in _NOT_COMPARED:
            new, old = current[name].to_numpy(), before[name].to_numpy()
            differs |= (new != old) & ~(pd.isna(new) & pd.isna(old))
    return differs


def _check_owner(
    connection: sa.Connection, content: pd.DataFrame, dataset: str, label: str
) -> None:
    """Refuse ids of another list: an update would silently take the record over."""
    query = sa.select(_INITIATIVES.c.id, _INITIATIVES.c.dataset)
    others = connection.execute(query.where(_INITIATIVES.c.dataset != dataset)).all()
    owner = {row.id: row.dataset for row in others}
    taken = [key for key in content["id"] if key in owner]
    if taken:
        named = ", ".join(f"{key!r} (of {owner[key]!r})" for key in taken[:5])
        more = f" and {len(taken) - 5} more" if len(taken) > 5 else ""
        raise StoreError(
            f"{label}: expected ids of the list {dataset!r} or new ones, got {named}{more};"
            " nothing was imported"
        )
