"""A PostgreSQL cluster with PostGIS of our own, for as long as the tests run.

It needs nothing but Debian's packages `postgresql` and `postgresql-postgis`: no service, no
account. Where they are missing the tests marked `postgis` are skipped by name, or fail where
GEO_SERVICE_TEST_REQUIRE_ALL is set.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "geo_tester"
PASSWORD = "streng-geheim"
TEMPLATE = "with_postgis"
MISSING = "PostgreSQL with PostGIS is not installed (Debian: postgresql postgresql-postgis)"


def find_binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL that has PostGIS, None if there is none."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        version = folder.parent.name
        control = Path(f"/usr/share/postgresql/{version}/extension/postgis.control")
        if (folder / "initdb").exists() and control.exists():
            return folder
    return None


@dataclass
class Cluster:
    """A running cluster; `new_database` gives every test one of its own."""

    binaries: Path
    folder: Path
    port: int
    account: dict[str, int] = field(default_factory=dict)
    _spare: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str, *, password: str = PASSWORD, user: str = USER) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> None:
        log = self.folder / "log"
        with log.open("ab") as out:
            done = subprocess.run(
                [self.binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                check=False,
                **self.account,
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{log.read_text(errors='replace')[-4000:]}")

    def create(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        self.run(
            "initdb",
            f"--pgdata={self.data}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )
        self.start()
        self.execute("postgres", f"CREATE DATABASE {TEMPLATE}")
        self.execute(TEMPLATE, "CREATE EXTENSION postgis")

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
            f" -c unix_socket_directories='{self.folder}' -c max_connections=40"
            " -c shared_buffers=32MB -c log_min_messages=fatal"
        )
        self.run("pg_ctl", "start", "-w", "-s", "-D", str(self.data), "-o", options)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", str(self.data))

    def execute(self, database: str, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, *, template: str = TEMPLATE) -> str:
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        self.execute("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def borrow_database(self) -> str:
        """Give an empty database with PostGIS; a used one is cleaned faster than one is made."""
        return self._spare.pop() if self._spare else self.new_database()

    def disconnect(self, name: str) -> None:
        self.execute("postgres", CLOSE.format(name=name))

    def return_database(self, name: str) -> None:
        self.disconnect(name)
        self.execute(name, CLEAN)
        self._spare.append(name)


CLOSE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
CLEAN = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN SELECT schemaname, tablename FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
        AND tablename <> 'spatial_ref_sys'
    LOOP
        EXECUTE format('DROP TABLE %I.%I CASCADE', found.schemaname, found.tablename);
    END LOOP;
    FOR found IN SELECT nspname FROM pg_namespace WHERE nspname LIKE 'geo\\_service%'
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', found.nspname);
    END LOOP;
END $$
"""


def _account() -> dict[str, int]:
    """Root may not run PostgreSQL: use the account the package made, or nobody."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise RuntimeError("expected an account besides root to run PostgreSQL, got none")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_cluster(binaries: Path) -> Iterator[Cluster]:
    """Start a cluster in a temporary folder; stop and delete it afterwards."""
    # Not below pytest's folder: that one is closed to the account that runs PostgreSQL,
    # and the path of a socket may have 107 characters at the most.
    folder = Path(tempfile.mkdtemp(prefix="geo-postgis-"))
    account = _account()
    if account:
        os.chown(folder, account["user"], account["group"])
    cluster = Cluster(binaries, folder, _free_port(), account)
    try:
        cluster.create()
        yield cluster
    finally:
        with contextlib.suppress(RuntimeError):
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgis_cluster() -> Iterator[Cluster]:
    binaries = find_binaries()
    if binaries is None:
        if os.environ.get("GEO_SERVICE_TEST_REQUIRE_ALL") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with running_cluster(binaries) as cluster:
        yield cluster


@pytest.fixture
def postgis_url(postgis_cluster: Cluster) -> Iterator[str]:
    """Give an empty database with PostGIS, as a URL."""
    name = postgis_cluster.borrow_database()
    yield postgis_cluster.url(name)
    postgis_cluster.return_database(name)
