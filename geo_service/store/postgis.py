"""PostgreSQL with PostGIS, through psycopg 3."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from geo_service.errors import StoreError
from geo_service.store.backend import Access, Backend, Rows, replaced
from geo_service.store.tables import HISTORY, INITIATIVES, SCHEMA, STATE_RECORDS, TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOCK: Final = 0x67656F73
"""Key of the advisory lock that writers of one PostgreSQL database share ("geos")."""

_CONNECT_S: Final = 5


class Postgis(Backend):
    """PostgreSQL with PostGIS, through psycopg 3."""

    name = "postgresql"
    types: Final = {  # type: ignore[misc]  # final in each backend
        "key": 'text COLLATE "C"',
        "bigkey": "bigint",
        "counter": "bigint GENERATED ALWAYS AS IDENTITY",
        "float": "double precision",
        "time": "timestamptz",
        "json": "jsonb",
        "bytes": "bytea",
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

    def options(self, access: Access) -> dict[str, Any]:
        """Read one state of the database however many statements a reader needs."""
        if access == "read":
            return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return {"isolation_level": "READ COMMITTED"}

    def lock(self, connection: sa.Connection, access: Access) -> None:
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
            if not sa.inspect(connection).has_table(SCHEMA.name):
                return None
            connection.exec_driver_sql(f"CREATE SCHEMA {aside}")
            for table in TABLES.tables:
                connection.exec_driver_sql(f"ALTER TABLE IF EXISTS {table} SET SCHEMA {aside}")
        return f"schema {aside}"

    def scrub(self, engine: sa.Engine) -> None:
        """Drop dead rows, and the samples of them that the planner's statistics keep."""
        with engine.connect() as bare:
            connection = bare.execution_options(isolation_level="AUTOCOMMIT")
            tables = f"{INITIATIVES.name}, {HISTORY.name}, {STATE_RECORDS.name}"
            connection.exec_driver_sql(f"VACUUM (ANALYZE) {tables}")

    def load(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Rows
    ) -> None:
        """Insert by COPY."""
        self._copy(connection, table.name, names, rows)

    def upsert(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Rows
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
                index_elements=list(table.primary_key), set_=replaced(insert, names)
            )
        )
        staged.drop(connection)

    @staticmethod
    def _copy(connection: sa.Connection, table: str, names: Sequence[str], rows: Rows) -> None:
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
            return self.NO_TABLES
        if isinstance(cause, psycopg.errors.LockNotAvailable):
            return self.locked()
        if isinstance(cause, psycopg.errors.DiskFull):
            return self.full(text)
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
