"""SQLite: one file, and all care that it takes so that nothing is lost."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import NullPool

from geo_service.errors import StoreError
from geo_service.store.backend import Access, Backend, Rows, replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAL_SAFE: Final = (3, 51, 3)
"""First SQLite without the WAL-reset race that can corrupt a database under two writers;
see https://www.sqlite.org/wal.html#walresetbug."""


def _journal_mode(version: tuple[int, ...]) -> Literal["wal", "delete"]:
    """Return the journal mode that is safe with this SQLite.

    >>> _journal_mode((3, 40, 1)), _journal_mode((3, 51, 3))
    ('delete', 'wal')
    """
    return "wal" if version >= _WAL_SAFE else "delete"


class Sqlite(Backend):
    """One file; a writer excludes writers, and readers only while it commits."""

    name = "sqlite"
    types: Final = {  # type: ignore[misc]  # final in each backend
        "key": "text",
        "bigkey": "integer",
        "counter": "integer",
        "float": "real",
        "time": "text",
        "json": "text",
        "bytes": "blob",
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

    def options(self, access: Access) -> dict[str, Any]:
        """Take the lock at the beginning, so that no transaction fails half-way for it."""
        begin = {"read": "BEGIN", "migrate": "BEGIN EXCLUSIVE"}.get(access, "BEGIN IMMEDIATE")
        return {"sqlite_begin": begin}

    def lock(self, connection: sa.Connection, access: Access) -> None:
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

    def scrub(self, engine: sa.Engine) -> None:
        """Write the file anew, and empty the write-ahead log.

        ``secure_delete`` alone is not enough: where pages were balanced, copies of rows stay
        in the unused part of a page.
        """
        with contextlib.closing(self._connect()) as connection:
            connection.execute("VACUUM")
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("database is locked")

    def load(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Rows
    ) -> None:
        """Insert with one prepared statement."""
        self._many(connection, sa.insert(table), names, rows)

    def upsert(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Rows
    ) -> None:
        """Insert or replace with one prepared statement."""
        insert = sqlite.insert(table)
        statement = insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=replaced(insert, names)
        )
        self._many(connection, statement, names, rows)

    @staticmethod
    def _many(connection: sa.Connection, statement: Any, names: Sequence[str], rows: Rows) -> None:
        sql = str(statement.compile(dialect=connection.dialect, column_keys=list(names)))
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(sql, cast("Any", rows))
        finally:
            cursor.close()

    def _explain(self, cause: BaseException, text: str) -> str:
        known = {
            "file is not a database": "expected a SQLite database, got a file of another kind",
            "database or disk is full": self.full(text),
            "readonly database": "the file or its folder is read-only",
            "database is locked": self.locked(),
            "no such table": self.NO_TABLES,
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
