"""The store, on SQLite and on PostgreSQL with PostGIS: the same tests for both."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import multiprocessing
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from pandas.testing import assert_frame_equal
from postgis import PASSWORD, USER
from store_world import (
    NOW,
    apply,
    as_nobody,
    import_forever,
    import_when_told,
    keep_forever,
    keep_when_told,
    make_demand,
    make_initiatives,
    make_population,
    make_results,
    make_state,
    migrate_together,
)

from geo_service.errors import (
    ConflictError,
    NotFoundError,
    QueryError,
    SchemaError,
    StoreError,
)
from geo_service.schema import INITIATIVE_COLUMNS, Population
from geo_service.store import Store, database, migrations, sqlite, tables
from geo_service.store import store as store_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Set
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from postgis import Cluster

    from geo_service.store import DatedState

KILLS = int(os.environ.get("GEO_SERVICE_TEST_KILLS", "9"))
"""How often a process is killed while it imports; 200 and more take a minute.

From 40 on, the disk fails in every combination of fault and moment as well.
"""

VERSION = len(migrations.MIGRATIONS)

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["geo_service.cli"])


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of either kind."""
    if request.param == "postgis":
        return str(request.getfixturevalue("postgis_url"))
    return f"sqlite:///{tmp_path / 'a folder' / 'ä%20#.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        opened.migrate(now=NOW)
        yield opened


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def at(path: Path) -> str:
    return f"sqlite:///{path}"


def is_postgres(url: str) -> bool:
    return url.startswith("postgresql")


@cache
def engine_of(url: str) -> sa.Engine:
    """An engine that keeps no connection."""
    target = url.replace("postgresql://", "postgresql+psycopg://")
    return sa.create_engine(target, poolclass=sa.pool.NullPool)


def run_sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement past the store, as another program would."""
    with engine_of(url).begin() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def assert_holds(store: Store, initiatives: pd.DataFrame) -> None:
    assert_frame_equal(pd.DataFrame(store.read().initiatives), pd.DataFrame(initiatives))


@contextmanager
def child(target: Any, *arguments: Any) -> Iterator[tuple[BaseProcess, Connection]]:
    """Run `target` in a process of its own; the last argument it gets is its end of a pipe."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join(30)
        process.close()
        ours.close()


def answer(talk: Connection) -> Any:
    assert talk.poll(60), "the other process said nothing for a minute"
    return talk.recv()


# --------------------------------------------------------------------------- migration


def test_migrate_makes_an_empty_store_at_revision_0(store: Store) -> None:
    state = store.read()
    assert (state.revision, state.changed_at, state.population) == (0, NOW, None)
    assert list(state.initiatives.columns) == [*INITIATIVE_COLUMNS, "geometry"]
    assert len(state.initiatives) == 0


def test_migrate_twice_changes_nothing(store: Store) -> None:
    apply(store, make_initiatives(3))
    assert store.migrate() == store.migrate()
    assert len(store.read().initiatives) == 3


def test_tables_have_the_columns_that_statements_name(store: Store, url: str) -> None:
    metadata = sa.MetaData()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    for table in tables.TABLES.sorted_tables:
        with pytest.warns(sa.exc.SAWarning) if _has_geometry(table, url) else _nothing():
            found = sa.Table(table.name, metadata, autoload_with=engine)
        extra = {"geom"} if _has_geometry(table, url) else set()
        assert {column.name for column in found.columns} == {*table.columns.keys()} | extra
    engine.dispose()


def _has_geometry(table: sa.Table, url: str) -> bool:
    return is_postgres(url) and table.name == "initiatives"


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def test_store_has_a_column_for_every_column_of_initiatives() -> None:
    created = next(text for text in migrations._V1 if "CREATE TABLE initiatives" in text)
    named = {part.split()[0] for part in created.partition("(")[2].split(",")}
    assert set(INITIATIVE_COLUMNS) <= named


def test_processes_that_migrate_at_once_do_not_race(url: str) -> None:
    count = 6
    barrier = processes.Barrier(count)
    pipes = [processes.Pipe() for _ in range(count)]
    workers = [
        processes.Process(target=migrate_together, args=(url, barrier, theirs))
        for _, theirs in pipes
    ]
    for worker in workers:
        worker.start()
    answers = [answer(ours) for ours, _ in pipes]
    for worker in workers:
        worker.join(30)
    assert answers == [VERSION] * count
    assert run_sql(url, "SELECT count(*) FROM revisions") == [(1,)]


def test_newer_database_is_refused_with_both_versions(store: Store, url: str) -> None:
    run_sql(url, "INSERT INTO geo_service_schema VALUES (99, '2026-11-23T00:00:00Z')")
    expected = rf"version {VERSION} or older, got 99: .*newer geo-service"
    for attempt in (store.migrate, store.read, lambda: apply(store, make_initiatives(1))):
        with pytest.raises(StoreError, match=expected):
            attempt()


def _add_column(connection: sa.Connection, _backend: Any, _now: dt.datetime) -> None:
    connection.exec_driver_sql("ALTER TABLE imports ADD COLUMN who text")


def _add_column_and_fail(connection: sa.Connection, backend: Any, now: dt.datetime) -> None:
    _add_column(connection, backend, now)
    connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")


def test_older_database_migrates_forward_and_keeps_its_records(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(store, make_initiatives(4))
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, _add_column))
    with pytest.raises(StoreError, match=f"schema version {VERSION + 1}, got {VERSION}"):
        store.read()
    assert store.migrate() == VERSION + 1
    assert_holds(store, make_initiatives(4))
    assert run_sql(url, "SELECT who FROM imports") == [(None,)]


def test_failed_migration_leaves_the_database_as_it_was(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(store, make_initiatives(4))
    with monkeypatch.context() as patch:
        steps = (*database.MIGRATIONS, _add_column_and_fail)
        patch.setattr(database, "MIGRATIONS", steps)
        with pytest.raises(StoreError, match="migrate"):
            store.migrate()
    assert_holds(store, make_initiatives(4))
    assert run_sql(url, "SELECT max(version) FROM geo_service_schema") == [(VERSION,)]
    run_sql(url, "ALTER TABLE imports ADD COLUMN who text")


def test_database_of_the_first_version_gets_demands_and_states(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(url) as store:
        with monkeypatch.context() as patch:
            patch.setattr(database, "MIGRATIONS", migrations.MIGRATIONS[:1])
            assert store.migrate(now=NOW) == 1
            apply(store, make_initiatives(4))
            store.save_population(make_population(3), now=NOW)
        assert store.migrate(now=NOW) == VERSION
        assert_holds(store, make_initiatives(4))
        assert_same_population(store.read().population, make_population(3))
        assert (store.read().demands, store.states()) == ((), ())
        assert store.save_state(make_state(1, 4, revision=2)) == 3


def test_database_of_the_first_version_can_be_set_aside(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(url) as store:
        with monkeypatch.context() as patch:
            patch.setattr(database, "MIGRATIONS", migrations.MIGRATIONS[:1])
            store.migrate(now=NOW)
        assert store.reset(now=NOW) is not None
        assert store.migrate(now=NOW) == VERSION


def test_database_of_another_application_is_left_alone(sqlite_path: Path) -> None:
    with closing(sqlite3.connect(sqlite_path)) as other:
        other.execute("CREATE TABLE kunden (name text)")
    with Store(at(sqlite_path)) as store, pytest.raises(StoreError, match="table 'kunden'"):
        store.migrate()
    assert run_sql(at(sqlite_path), "SELECT name FROM sqlite_master") == [("kunden",)]


def test_reset_sets_everything_aside_and_starts_anew(store: Store, url: str) -> None:
    apply(store, make_initiatives(3))
    aside = store.reset(now=NOW)
    assert aside is not None
    store.migrate()
    assert store.read().revision == 0
    if is_postgres(url):
        assert aside == "schema geo_service_20261123_093000"
        count = "SELECT count(*) FROM geo_service_20261123_093000.initiatives"
        assert run_sql(url, count) == [(3,)]
    else:
        with Store(f"sqlite:///{aside}") as old:
            assert_holds(old, make_initiatives(3))


def test_reset_of_nothing_says_so(url: str) -> None:
    with Store(url) as store:
        assert store.reset(now=NOW) is None


def test_reset_moves_a_damaged_file_away(sqlite_path: Path) -> None:
    sqlite_path.write_bytes(b"rubbish" * 1000)
    with Store(at(sqlite_path)) as store:
        assert store.reset(now=NOW)
        store.migrate()
        assert store.revision() == 0


def test_reset_waits_for_a_writer_and_gives_up(sqlite_path: Path) -> None:
    with Store(at(sqlite_path), timeout_s=0.05) as store:
        store.migrate()
        with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another process kept it locked"):
                store.reset(now=NOW)
        assert store.revision() == 0


# --------------------------------------------------------------------- editions of lists


def test_what_is_read_equals_what_was_imported(store: Store) -> None:
    world = make_initiatives(
        3,
        name=["Ünïcödé 🙂 مقهى", "a\nb\tc'\"\\;--", "  x  "],
        lon=[7.1, None, None],
        lat=[50.123456789012345, None, None],
    )
    apply(store, world)
    assert_holds(store, world)


def test_every_column_comes_back_where_all_are_set(store: Store) -> None:
    values: dict[str, list[Any]] = {
        name: [f"{name} 0", f"{name} 1"]
        for name, dtype in INITIATIVE_COLUMNS.items()
        if dtype == "str" and not name.startswith("coordinate_")
    }
    world = make_initiatives(2, **values, lon=[1.5, 2.5], lat=[3.5, 4.5])
    apply(store, world)
    assert_holds(store, world)


def test_records_are_read_in_the_order_of_their_ids(store: Store) -> None:
    ids = ["b", "B", "ä", "a-1", "a_1", "Z", "z"]
    apply(store, make_initiatives(7, id=ids))
    assert store.read().initiatives["id"].tolist() == sorted(ids)


def test_import_makes_one_revision_and_counts(store: Store) -> None:
    outcome = apply(store, make_initiatives(5))
    assert (outcome.revision, outcome.created, outcome.updated, outcome.unchanged) == (1, 5, 0, 0)
    assert store.revision() == 1


def test_same_file_again_makes_no_revision_but_is_logged(store: Store) -> None:
    later = NOW + dt.timedelta(days=1)
    apply(store, make_initiatives(5))
    outcome = apply(store, make_initiatives(5), now=later)
    assert (outcome.revision, outcome.unchanged) == (1, 5)
    assert store.read().changed_at == NOW
    assert [entry.at for entry in store.imports()] == [later, NOW]
    assert [entry.revision for entry in store.imports()] == [1, 1]


def test_row_that_moved_or_was_looked_up_again_is_unchanged(store: Store) -> None:
    apply(store, make_initiatives(2))
    moved = make_initiatives(2, source_line=[70, 80], coordinate_date=["2027-01-01"] * 2)
    assert apply(store, moved).unchanged == 2


@pytest.mark.parametrize("column", ["name", "city", "coordinate_score", "wheelchair", "lon"])
def test_change_of_one_value_updates_that_record_alone(store: Store, column: str) -> None:
    world = make_initiatives(3)
    apply(store, world)
    changed = world.copy()
    value = 1.25 if changed[column].dtype == "float64" else "neu"
    changed.loc[1, [column, "lat"] if column == "lon" else column] = value
    outcome = apply(store, changed)
    assert (outcome.revision, outcome.updated, outcome.unchanged) == (2, 1, 2)
    assert_holds(store, changed)


def test_point_that_moved_is_an_update(store: Store) -> None:
    world = make_initiatives(3)
    apply(store, world)
    moved = world.copy()
    moved.geometry = world.geometry.translate(xoff=1e-9)
    assert apply(store, moved).updated == 2
    assert_holds(store, moved)


def test_value_that_became_unknown_is_an_update(store: Store) -> None:
    apply(store, make_initiatives(1, wheelchair=["yes"]))
    assert apply(store, make_initiatives(1, wheelchair=[None])).updated == 1
    assert store.read().initiatives["wheelchair"].isna().all()


def test_ids_missing_from_the_file_are_named_and_kept(store: Store) -> None:
    apply(store, make_initiatives(5))
    outcome = apply(store, make_initiatives(5).iloc[:3])
    assert outcome.missing == ("ort-00003", "ort-00004")
    assert_holds(store, make_initiatives(5))


def test_lists_do_not_miss_each_others_records(store: Store) -> None:
    apply(store, make_initiatives(2))
    other = make_initiatives(2, id=["x", "y"])
    outcome = apply(store, other, dataset="andere")
    assert (outcome.created, outcome.missing) == (2, ())
    assert store.stats().datasets == 2


def test_id_of_another_list_is_refused(store: Store) -> None:
    apply(store, make_initiatives(8))
    with pytest.raises(StoreError, match=r"'ort-00000' \(of 'liste'\).* and 3 more; nothing"):
        apply(store, make_initiatives(8), dataset="andere")
    assert store.revision() == 1
    assert len(store.imports()) == 1


def test_import_on_an_outdated_base_is_a_conflict(store: Store) -> None:
    apply(store, make_initiatives(2))
    with pytest.raises(ConflictError, match="expected revision 0, got 1"):
        apply(store, make_initiatives(2, marker="neu"), base_revision=0)
    assert_holds(store, make_initiatives(2))


def test_only_one_of_two_imports_on_the_same_base_gets_through(store: Store, url: str) -> None:
    results: list[str] = []

    def attempt(marker: str) -> None:
        with Store(url) as mine:
            try:
                apply(mine, make_initiatives(50, marker=marker), base_revision=0)
                results.append("ok")
            except ConflictError:
                results.append("conflict")

    threads = [threading.Thread(target=attempt, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["conflict", "ok"]
    assert store.revision() == 1


def test_plan_says_what_import_does_and_changes_nothing(store: Store) -> None:
    apply(store, make_initiatives(4))
    edition = make_initiatives(5, marker="neu").iloc[1:].reset_index(drop=True)
    arguments: dict[str, Any] = {
        "dataset": "liste",
        "file_name": "liste.csv",
        "sha256": "",
        "rows": 4,
        "rejected": 0,
        "base_revision": 1,
        "now": NOW,
    }
    planned = store.plan_import(edition, **arguments)
    assert (store.revision(), len(store.imports())) == (1, 1)
    applied = store.apply_import(edition, **arguments)
    assert (planned.revision, applied.revision) == (1, 2)
    for name in ("created", "updated", "unchanged", "missing"):
        assert getattr(planned, name) == getattr(applied, name), name


def test_plan_on_an_outdated_base_is_a_conflict(store: Store) -> None:
    with pytest.raises(ConflictError):
        store.plan_import(
            make_initiatives(1),
            dataset="liste",
            file_name="",
            sha256="",
            rows=1,
            rejected=0,
            base_revision=7,
            now=NOW,
        )


def test_log_has_file_and_counts_newest_first(store: Store) -> None:
    apply(store, make_initiatives(2), file_name="a.csv", sha256="aa", rows=3, rejected=1)
    apply(store, make_initiatives(3, marker="b"), file_name="b.csv")
    newest, oldest = store.imports()
    assert (oldest.file_name, oldest.sha256, oldest.rows, oldest.accepted) == ("a.csv", "aa", 3, 2)
    assert (oldest.rejected, oldest.created, oldest.dataset) == (1, 2, "liste")
    assert (newest.file_name, newest.revision, newest.created, newest.updated) == ("b.csv", 2, 1, 2)
    assert store.imports(limit=1) == (newest,)


def test_history_has_every_state_of_a_record(store: Store) -> None:
    for marker in ("eins", "zwei", "drei"):
        apply(store, make_initiatives(1, marker=marker))
    created, second, third = store.history("ort-00000")
    assert (created.operation, created.revision, created.before) == ("create", 1, None)
    assert created.after["name"].endswith("eins")
    assert created.after == second.before
    assert second.after == third.before
    assert (third.operation, third.after["name"][-4:]) == ("update", "drei")
    assert (third.after["point_lon"], "wheelchair" in third.after) == (7.0, False)


def test_history_of_an_unknown_id_is_empty(store: Store) -> None:
    assert store.history("nie gesehen") == ()


def test_table_that_breaks_its_contract_is_not_stored(store: Store) -> None:
    broken = make_initiatives(2).drop(columns="theme")
    with pytest.raises(SchemaError, match="theme"):
        apply(store, broken)
    assert store.revision() == 0


def test_moment_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises((SchemaError, StoreError), match="time zone"):
        apply(store, make_initiatives(1), now=NOW.replace(tzinfo=None))
    assert store.revision() == 0


def test_lone_surrogate_is_an_error_and_not_stored(store: Store) -> None:
    with pytest.raises(StoreError, match="surrogate"):
        apply(store, make_initiatives(2, name=["gut", "\ud800"]))
    assert store.revision() == 0


def test_empty_import_is_logged(store: Store) -> None:
    assert apply(store, make_initiatives(0), rows=4, rejected=4).revision == 0
    assert store.imports()[0].rejected == 4


def test_known_has_what_ids_are_resolved_by(store: Store) -> None:
    apply(store, make_initiatives(2, municipality=["Mainz", None]))
    known = store.known()
    assert known.columns.tolist() == [
        "id",
        "name",
        "city",
        "municipality",
        "kreis",
        "street",
        "house_number",
        "dataset",
    ]
    assert known["id"].tolist() == ["ort-00000", "ort-00001"]
    assert known["dataset"].tolist() == ["liste", "liste"]
    assert known["municipality"].isna().tolist() == [False, True]


def test_known_of_an_empty_store_has_its_columns(store: Store) -> None:
    assert len(store.known()) == 0
    assert set(map(str, store.known().dtypes)) == {"str"}


def test_stats_count_what_is_stored(store: Store) -> None:
    apply(store, make_initiatives(7))
    store.save_population(make_population(3), now=NOW)
    store.cache().put("k", "{}", NOW)
    stats = store.stats()
    assert (stats.revision, stats.initiatives, stats.placed, stats.datasets) == (2, 7, 5, 1)
    assert (stats.imports, stats.last_import_at, stats.changed_at) == (1, NOW, NOW)
    assert (stats.population_basis, stats.population_cells, stats.cached_answers) == (
        "grid_1km",
        3,
        1,
    )


def test_stats_of_an_empty_store(store: Store) -> None:
    stats = store.stats()
    assert (stats.initiatives, stats.imports, stats.last_import_at) == (0, 0, None)
    assert stats.population_basis is None


# ----------------------------------------------------------------------------- erasure


def test_erased_record_is_gone_with_its_history_at_a_new_revision(store: Store) -> None:
    later = NOW + dt.timedelta(days=1)
    for marker in ("eins", "zwei"):
        apply(store, make_initiatives(3, marker=marker))
    logged = store.imports()
    assert store.erase("ort-00001", now=later) == 3
    state = store.read()
    assert (state.revision, state.changed_at) == (3, later)
    assert state.initiatives["id"].tolist() == ["ort-00000", "ort-00002"]
    assert store.history("ort-00001") == ()
    assert [entry.revision for entry in store.history("ort-00000")] == [1, 2]
    assert store.imports() == logged


def test_erasing_an_unknown_id_changes_nothing(store: Store) -> None:
    apply(store, make_initiatives(2))
    for _ in range(2):
        with pytest.raises(NotFoundError, match="a record's id, got 'nie gesehen'"):
            store.erase("nie gesehen", now=NOW)
    assert store.revision() == 1
    assert_holds(store, make_initiatives(2))


def test_import_resolved_before_an_erasure_does_not_bring_the_record_back(store: Store) -> None:
    apply(store, make_initiatives(2))
    store.erase("ort-00001", now=NOW)
    with pytest.raises(ConflictError, match="expected revision 1, got 2"):
        apply(store, make_initiatives(2, marker="neu"), base_revision=1)
    assert store.read().initiatives["id"].tolist() == ["ort-00000"]


def test_cached_answers_and_population_survive_an_erasure(store: Store) -> None:
    apply(store, make_initiatives(1))
    store.save_population(make_population(5), now=NOW)
    store.cache().put("k", "x", NOW + dt.timedelta(days=1))
    store.erase("ort-00000", now=NOW)
    assert store.cache(clock=lambda: NOW).get("k") == "x"
    assert_same_population(store.read().population, make_population(5))


def secrets_of(row: int) -> list[str]:
    return [f"schluessel-{row * 7919 % 400:05d}-k", f"Geheimnis {row:05d} "]


def apply_secrets(store: Store, *, editions: int = 3) -> None:
    """Rows of changing length in no order, so that pages are split and balanced.

    With this seed SQLite 3.40 leaves the text of two rows in unused parts of pages, in spite
    of ``secure_delete``.
    """
    lengths = random.Random(1)
    rows = [secrets_of(row) for row in range(400)]
    for _ in range(editions):
        names = [f"{name}{'x' * lengths.randrange(300)}" for _, name in rows]
        apply(store, make_initiatives(400, id=[key for key, _ in rows], name=names))


def found_past_the_store(url: str, texts: list[str]) -> list[str]:
    """Search every table, those of the system too, or every byte of the files."""
    if not is_postgres(url):
        path = Path(sa.make_url(url).database or "")
        held = b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))
        return [text for text in texts if text.encode() in held]
    names = run_sql(url, "SELECT schemaname, tablename FROM pg_tables")
    rows = (f'SELECT t::text AS row FROM "{schema}"."{table}" t' for schema, table in names)  # noqa: S608
    held = "\n".join(row for (row,) in run_sql(url, " UNION ALL ".join(rows)))
    return [text for text in texts if text in held]


def test_text_of_an_erased_record_is_nowhere_in_the_database(store: Store, url: str) -> None:
    apply_secrets(store)
    for number in range(2):
        revision, records = store.revision(), store.read().initiatives
        store.save_state(make_state(number, 2, revision=revision, initiatives=records))
    if is_postgres(url):
        run_sql(url, "ANALYZE")
    rows = range(0, 400, 40 if is_postgres(url) else 2)
    kept, erased = secrets_of(1), [text for row in rows for text in secrets_of(row)]
    assert found_past_the_store(url, kept + erased) == kept + erased
    with pytest.MonkeyPatch.context() as patch:  # once at the end wipes what all have left
        patch.setattr(store._backend, "scrub", lambda _engine: None)
        for row in rows[1:]:
            store.erase(secrets_of(row)[0], now=NOW)
    store.erase(secrets_of(0)[0], now=NOW)
    assert found_past_the_store(url, kept + erased) == kept
    assert len(store.read().initiatives) == 400 - len(rows)
    if not is_postgres(url):
        assert run_sql(url, "PRAGMA integrity_check") == [("ok",)]


def test_erasure_that_was_cut_short_is_finished_by_erasing_again(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader keeps the text in the write-ahead log; the error says so."""
    monkeypatch.setattr(sqlite, "_journal_mode", lambda _version: "wal")
    key, name = secrets_of(0)
    with Store(at(sqlite_path), timeout_s=0.05) as store:
        store.migrate()
        apply_secrets(store, editions=1)
        with store._begin("read", "look") as connection:
            connection.exec_driver_sql("SELECT count(*) FROM initiatives")
            with pytest.raises(StoreError, match=r"deleted record \(erase it again .*locked"):
                store.erase(key, now=NOW)
            assert found_past_the_store(at(sqlite_path), [key, name]) == [key, name]
        with store._begin("read", "keep the log"), pytest.raises(NotFoundError):
            store.erase(key, now=NOW)
        assert found_past_the_store(at(sqlite_path), [key, name]) == []
        assert store.revision() == 2


# -------------------------------------------------------------------------- population


def assert_same_population(one: Population | None, other: Population) -> None:
    assert one is not None
    assert (one.basis, one.source_note) == (other.basis, other.source_note)
    for name in ("ags", "x_m", "y_m", "people"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype


def test_population_comes_back_in_its_order_as_a_revision(store: Store) -> None:
    assert store.save_population(make_population(50), now=NOW) == 1
    assert_same_population(store.read().population, make_population(50))


def test_same_population_again_makes_no_revision(store: Store) -> None:
    store.save_population(make_population(5), now=NOW)
    assert store.save_population(make_population(5)) == 1


def test_population_replaces_the_one_before(store: Store) -> None:
    store.save_population(make_population(5), now=NOW)
    assert store.save_population(make_population(3, shift_m=0.25), now=NOW) == 2
    assert_same_population(store.read().population, make_population(3, shift_m=0.25))


def test_population_can_be_removed(store: Store) -> None:
    store.save_population(make_population(5), now=NOW)
    assert store.save_population(None, now=NOW) == 2
    assert store.read().population is None
    assert store.save_population(None, now=NOW) == 2


def test_empty_population_is_a_population(store: Store) -> None:
    store.save_population(make_population(0), now=NOW)
    assert_same_population(store.read().population, make_population(0))


# ----------------------------------------------------------------------------- demands


def test_demand_comes_back_with_unknown_figures_as_a_revision(store: Store) -> None:
    assert store.save_demand(make_demand(1, 40), now=NOW) == 1
    assert store.read().demands == (make_demand(1, 40),)


def test_same_demand_again_makes_no_revision(store: Store) -> None:
    for _ in range(2):
        assert store.save_demand(make_demand(1, 4), now=NOW) == 1


def test_demand_replaces_the_one_of_its_slug_whole_and_no_other(store: Store) -> None:
    other = dataclasses.replace(make_demand(7, 3), slug="anderer", name="Anderer")
    store.save_demand(make_demand(1, 40), now=NOW)
    store.save_demand(other, now=NOW)
    assert store.save_demand(make_demand(2, 5), now=NOW) == 3
    assert store.read().demands == (other, make_demand(2, 5))


def test_demand_can_be_removed_once(store: Store) -> None:
    store.save_demand(make_demand(1, 4), now=NOW)
    assert store.remove_demand("bedarf", now=NOW) == 2
    assert store.read().demands == ()
    with pytest.raises(NotFoundError, match="expected a demand, got 'bedarf'"):
        store.remove_demand("bedarf", now=NOW)
    assert store.revision() == 2


# ------------------------------------------------------------------------------ states


def assert_same_state(one: DatedState, other: DatedState) -> None:
    for part in ("slug", "name", "taken_at", "revision", "today", "parameters", "boundaries"):
        assert getattr(one, part) == getattr(other, part), part
    assert_frame_equal(pd.DataFrame(one.initiatives), pd.DataFrame(other.initiatives))
    assert_same_population(one.population, other.population)
    assert one.population.name == other.population.name
    assert list(one.results) == list(other.results)
    for level, table in other.results.items():
        assert_frame_equal(one.results[level], table, check_exact=True)


def test_state_comes_back_to_the_last_digit(store: Store) -> None:
    state = make_state(1, 30, revision=0)
    assert store.save_state(state) == 1
    assert_same_state(store.read_state("Bericht 1"), state)
    assert_same_state(store.read_state("bericht-1"), state)


def test_levels_of_a_state_come_from_fine_to_coarse(store: Store) -> None:
    results = {level: make_results(1) for level in ("land", "kreis", "gemeinde")}
    store.save_state(make_state(1, 1, revision=0, results=results))
    assert list(store.read_state("bericht-1").results) == ["gemeinde", "kreis", "land"]


def test_state_stays_what_it_was_whatever_comes_later(store: Store) -> None:
    apply(store, make_initiatives(5))
    state = make_state(1, 5, revision=1, initiatives=store.read().initiatives)
    store.save_state(state)
    apply(store, make_initiatives(5, marker="neu"))
    store.save_population(make_population(9), now=NOW)
    assert_same_state(store.read_state("bericht-1"), state)


def test_states_are_listed_oldest_first_with_every_reading(store: Store) -> None:
    for number in (1, 2):
        store.save_state(make_state(number, 3 * number, revision=number - 1))
    listed = store.states()
    assert [(state.name, state.revision, state.records) for state in listed] == [
        ("Bericht 1", 0, 3),
        ("Bericht 2", 1, 6),
    ]
    assert store.read().states == listed


@pytest.mark.parametrize("name", ["Bericht 1", "bericht 1", "BERICHT-1"])
def test_name_of_a_state_is_given_once(store: Store, name: str) -> None:
    state = make_state(1, 3, revision=0)
    store.save_state(state)
    with pytest.raises(QueryError, match="a state is never changed"):
        store.save_state(dataclasses.replace(make_state(1, 4, revision=1), name=name))
    assert store.revision() == 1
    assert_same_state(store.read_state("Bericht 1"), state)


def test_state_of_an_outdated_revision_is_a_conflict(store: Store) -> None:
    """Else a record that was erased in between would come back in the state."""
    state = make_state(1, 3, revision=0)
    apply(store, make_initiatives(3))
    with pytest.raises(ConflictError, match="expected revision 0, got 1"):
        store.save_state(state)
    assert store.states() == ()


def test_unknown_state_is_not_found_and_the_known_ones_are_named(store: Store) -> None:
    with pytest.raises(NotFoundError, match="there is none yet"):
        store.read_state("Bericht 9")
    store.save_state(make_state(1, 3, revision=0))
    for attempt in (store.read_state, partial(store.remove_state, now=NOW)):
        with pytest.raises(NotFoundError, match=r"'Bericht 1'.*got 'Bericht 9'"):
            attempt("Bericht 9")


def test_states_of_the_same_people_store_them_once(store: Store, url: str) -> None:
    people = make_population(3000)
    for number in range(3):
        store.save_state(make_state(number, 2, revision=number, population=people))
    assert run_sql(url, "SELECT count(*) FROM state_populations") == [(1,)]
    store.save_state(make_state(3, 2, revision=3, population=make_population(3000, shift_m=1e-9)))
    assert run_sql(url, "SELECT count(*) FROM state_populations") == [(2,)]


def test_deleted_state_is_gone_and_leaves_what_others_need(store: Store, url: str) -> None:
    people = make_population(5)
    states = [make_state(number, 4, revision=number, population=people) for number in range(2)]
    for state in states:
        store.save_state(state)
    assert store.remove_state("Bericht 0", now=NOW) == 3
    assert [state.slug for state in store.states()] == ["bericht-1"]
    assert_same_state(store.read_state("bericht-1"), states[1])
    store.remove_state("bericht-1", now=NOW)
    for table in ("states", "state_records", "state_results", "state_populations"):
        assert run_sql(url, f"SELECT count(*) FROM {table}") == [(0,)], table  # noqa: S608


def test_erasure_reaches_states_which_say_so_and_keep_their_results(store: Store) -> None:
    apply(store, make_initiatives(3))
    records = store.read().initiatives
    states = [make_state(number, 3, revision=1 + number, initiatives=records) for number in (0, 1)]
    for state in states:
        store.save_state(state)
    store.erase("ort-00001", now=NOW)
    for state in states:
        left = store.read_state(state.name)
        assert (left.erased, left.initiatives["id"].tolist()) == (1, ["ort-00000", "ort-00002"])
        assert_frame_equal(left.results["kreis"], state.results["kreis"], check_exact=True)
    assert [(state.records, state.erased) for state in store.states()] == [(2, 1)] * 2


def test_log_says_when_records_came_changed_and_went(store: Store) -> None:
    later = NOW + dt.timedelta(days=1)
    apply(store, make_initiatives(3))
    store.save_population(make_population(2), now=NOW)
    apply(store, make_initiatives(2, marker="neu"))
    store.erase("ort-00000", now=later)
    log = store.read().log
    assert log is not None
    assert (log.first.tolist(), log.last.tolist()) == ([1, 1], [3, 1])
    assert log.moments == {1: NOW, 3: NOW}
    assert log.removed == {hashlib.sha256(b"ort-00000").hexdigest(): 4}
    assert log.since == 0


def test_erasures_of_an_older_program_are_known_to_be_unknown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(url) as store:
        store.migrate(now=NOW)
        apply(store, make_initiatives(3))
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "write_removal", lambda *_: None)
            store.erase("ort-00000", now=NOW)
        store.erase("ort-00001", now=NOW)
        log = store.read().log
    assert log is not None
    assert (log.since, list(log.removed.values())) == (2, [3])


def test_record_that_only_states_still_have_can_be_erased(store: Store) -> None:
    store.save_state(make_state(1, 3, revision=0))
    assert store.erase("ort-00002", now=NOW) == 2
    assert store.read_state("bericht-1").erased == 1


# ------------------------------------------------------------------------------- cache


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


def test_cache_gives_back_until_it_expires(store: Store) -> None:
    clock = Clock()
    cache = store.cache(clock=clock)
    assert cache.get("mainz") is None
    cache.put("mainz", '{"lon": 8.27}', NOW + dt.timedelta(hours=1))
    assert cache.get("mainz") == '{"lon": 8.27}'
    clock.now += dt.timedelta(hours=1)
    assert cache.get("mainz") is None


def test_cache_replaces_and_outlives_the_store(store: Store, url: str) -> None:
    cache = store.cache(clock=Clock())
    cache.put("mainz", "alt", NOW + dt.timedelta(days=1))
    cache.put("mainz", "neu", NOW + dt.timedelta(days=2))
    with Store(url) as another:
        assert another.cache(clock=Clock()).get("mainz") == "neu"
    assert store.stats().cached_answers == 1


def test_cache_compares_moments_of_different_zones(store: Store) -> None:
    east = dt.timezone(dt.timedelta(hours=5))
    cache = store.cache(clock=Clock())
    cache.put("k", "x", (NOW + dt.timedelta(minutes=1)).astimezone(east))
    assert cache.get("k") == "x"


def test_cache_purges_what_has_expired(store: Store) -> None:
    cache = store.cache(clock=Clock())
    cache.put("alt", "x", NOW)
    cache.put("neu", "x", NOW + dt.timedelta(seconds=1))
    assert cache.purge() == 1
    assert cache.get("neu") == "x"


def test_caching_makes_no_revision(store: Store) -> None:
    store.cache().put("k", "x", NOW)
    assert store.revision() == 0


# ------------------------------------------------------------------------------ errors


def test_store_that_was_never_set_up_says_what_to_do(url: str) -> None:
    with Store(url) as store, pytest.raises(StoreError, match=r"import a file or start"):
        store.revision()


def test_opening_a_missing_file_does_not_create_it(sqlite_path: Path) -> None:
    with Store(at(sqlite_path)) as store, pytest.raises(StoreError, match="does not exist yet"):
        store.read()
    assert not sqlite_path.exists()


def test_file_of_another_kind_is_refused_and_kept(sqlite_path: Path) -> None:
    content = b"id;name\n" * 500
    sqlite_path.write_bytes(content)
    with Store(at(sqlite_path)) as store:
        for attempt in (store.migrate, store.read):
            with pytest.raises(StoreError, match="a file of another kind"):
                attempt()
    assert sqlite_path.read_bytes() == content


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with Store(at(tmp_path)) as store, pytest.raises(StoreError, match="got a folder"):
        store.migrate()


def test_truncated_file_is_reported_as_damaged(sqlite_path: Path) -> None:
    with Store(at(sqlite_path)) as store:
        store.migrate()
        apply(store, make_initiatives(500))
        whole = sqlite_path.read_bytes()
        sqlite_path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(StoreError, match="damaged"):
            store.read()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "mysql://user:geheim@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=memory",
        "postgresql://user:geheim@host:keinport/db",
    ],
)
def test_unusable_url_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(StoreError, match="database URL: expected sqlite:///") as caught:
        Store(text)
    assert "geheim" not in str(caught.value)


def test_read_only_folder_is_reported() -> None:
    folder = Path(tempfile.mkdtemp(prefix="geo-store-"))  # pytest's own is closed to others
    folder.chmod(0o755)
    try:
        with child(as_nobody, at(folder / "new.sqlite")) as (_, talk):
            assert "Permission denied" in answer(talk)
        with Store(at(folder / "old.sqlite")) as store:
            store.migrate()
        (folder / "old.sqlite").chmod(0o444)
        folder.chmod(0o555)
        with child(as_nobody, at(folder / "old.sqlite")) as (_, talk):
            assert [answer(talk), answer(talk)] == ["done", "done"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_writing_to_a_read_only_file_is_reported(sqlite_path: Path) -> None:
    with Store(at(sqlite_path)) as store:
        store.migrate()
        store._engine.dispose()
        uri = f"{sqlite_path.as_uri()}?mode=ro"
        store._backend._connect = lambda: sqlite3.connect(uri, uri=True, isolation_level=None)
        store._engine = store._backend.make_engine()
        with pytest.raises(StoreError, match="read-only"):
            apply(store, make_initiatives(1))


def test_store_that_another_process_locks_says_so(sqlite_path: Path) -> None:
    with Store(at(sqlite_path), timeout_s=0.05) as store:
        store.migrate()
        with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"another process kept it locked for 0\.05 s"):
                apply(store, make_initiatives(1))
            assert store.read().revision == 0
        apply(store, make_initiatives(1))


@pytest.mark.postgis
def test_postgres_that_another_process_locks_says_so(postgis_url: str) -> None:
    with Store(postgis_url, timeout_s=0.05) as store, Store(postgis_url) as other:
        store.migrate()
        with (
            other._begin("write", "hold the lock"),
            pytest.raises(StoreError, match=r"another process kept it locked"),
        ):
            apply(store, make_initiatives(1))
        assert apply(store, make_initiatives(1)).revision == 1


def test_unreachable_postgres_is_reported_without_the_password() -> None:
    url = "postgresql://editor:streng-geheim@127.0.0.1:1/karte?password=streng-geheim"
    with Store(url) as store:
        with pytest.raises(StoreError, match=r"'karte' on 127\.0\.0\.1:1.*refused") as caught:
            store.revision()
        assert "streng-geheim" not in f"{caught.value} {store!r}"


@pytest.mark.postgis
def test_wrong_password_is_reported_without_it(postgis_cluster: Cluster) -> None:
    url = postgis_cluster.url("postgres", password="falsch-und-geheim")  # noqa: S106
    with Store(url) as store:
        with pytest.raises(StoreError, match="authentication failed") as caught:
            store.migrate()
        assert "falsch-und-geheim" not in str(caught.value)


@pytest.mark.postgis
def test_postgres_is_reached_over_its_local_socket(
    postgis_cluster: Cluster, postgis_url: str
) -> None:
    name = postgis_url.rpartition("/")[2]
    socket = f"host={postgis_cluster.folder}&port={postgis_cluster.port}&user={USER}"
    with Store(f"postgresql:///{name}?{socket}&password={PASSWORD}") as store:
        assert store.migrate() == VERSION
        assert str(postgis_cluster.folder) in repr(store)
        assert PASSWORD not in repr(store)


@pytest.mark.postgis
def test_missing_postgis_is_switched_on_or_reported(postgis_cluster: Cluster) -> None:
    plain = postgis_cluster.new_database(template="template0")
    postgis_cluster.execute("postgres", "CREATE ROLE clerk LOGIN PASSWORD 'c'")
    postgis_cluster.execute("postgres", f"GRANT ALL ON DATABASE {plain} TO clerk")
    postgis_cluster.execute(plain, "GRANT ALL ON SCHEMA public TO clerk")
    clerk = postgis_cluster.url(plain, user="clerk", password="c")  # noqa: S106
    expected = "expected the extension PostGIS, got none"
    with Store(clerk) as store, pytest.raises(StoreError, match=expected):
        store.migrate()
    with Store(postgis_cluster.url(plain)) as store:
        assert store.migrate() == VERSION
    postgis_cluster.drop_database(plain)
    postgis_cluster.execute("postgres", "DROP ROLE clerk")


@pytest.mark.postgis
def test_broken_connection_is_replaced(postgis_cluster: Cluster, postgis_url: str) -> None:
    with Store(postgis_url) as store:
        store.migrate()
        postgis_cluster.disconnect(postgis_url.rpartition("/")[2])
        assert store.revision() == 0


@pytest.mark.postgis
def test_forked_child_does_not_share_the_connection(postgis_url: str) -> None:
    with Store(postgis_url) as store:
        store.migrate()
        ours, theirs = multiprocessing.Pipe()

        def work() -> None:
            theirs.send(store._engine.connect().exec_driver_sql("SELECT pg_backend_pid()").scalar())

        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        other = answer(ours)
        process.join(30)
        with store._engine.connect() as connection:
            mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        assert mine != other
        assert store.revision() == 0


# ------------------------------------------------------------------- what each is made of


@pytest.mark.postgis
def test_postgis_has_points_with_an_index_for_qgis(postgis_url: str) -> None:
    with Store(postgis_url) as store:
        store.migrate()
        world = make_initiatives(4)
        apply(store, world)
    kind = "SELECT type, srid FROM geometry_columns WHERE f_table_name = 'initiatives'"
    assert run_sql(postgis_url, kind) == [("POINT", 4326)]
    index = "SELECT indexdef FROM pg_indexes WHERE indexname = 'initiatives_geom'"
    assert "USING gist (geom)" in run_sql(postgis_url, index)[0][0]
    points = run_sql(postgis_url, "SELECT ST_X(geom), ST_Y(geom) FROM initiatives ORDER BY id")
    expected = [(point.x, point.y) if point else (None, None) for point in world.geometry]
    assert points == expected


def test_journal_is_the_one_that_is_safe_with_the_linked_sqlite(sqlite_path: Path) -> None:
    with Store(at(sqlite_path)) as store:
        store.migrate()
        with store._begin("read", "look") as connection:
            values = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
            }
    safe = sqlite3.sqlite_version_info >= (3, 51, 3)
    assert values["journal_mode"] == ("wal" if safe else "delete")
    assert (values["synchronous"], values["foreign_keys"], values["secure_delete"]) == (3, 1, 1)


@pytest.mark.parametrize(
    ("version", "mode"),
    [((3, 40, 1), "delete"), ((3, 51, 2), "delete"), ((3, 51, 3), "wal"), ((3, 52, 0), "wal")],
)
def test_wal_only_where_its_race_is_fixed(version: tuple[int, ...], mode: str) -> None:
    assert sqlite._journal_mode(version) == mode


def test_wal_of_a_newer_sqlite_is_left_for_the_safe_journal(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_journal_mode", lambda _version: "wal")
        with Store(at(sqlite_path)) as store:
            store.migrate()
            apply(store, make_initiatives(3))
            assert run_sql(at(sqlite_path), "PRAGMA journal_mode") == [("wal",)]
    monkeypatch.setattr(sqlite, "_journal_mode", lambda _version: "delete")
    with Store(at(sqlite_path)) as store:
        assert_holds(store, make_initiatives(3))
    assert run_sql(at(sqlite_path), "PRAGMA journal_mode") == [("delete",)]


def test_deleted_text_is_gone_from_the_file(sqlite_path: Path) -> None:
    secret = "Kontakt Frau Beispiel"
    with Store(at(sqlite_path)) as store:
        store.migrate()
        store.cache().put("k", secret, NOW)
        assert secret.encode() in sqlite_path.read_bytes()
        store.cache(clock=lambda: NOW).purge()
    assert secret.encode() not in sqlite_path.read_bytes()


@pytest.mark.postgis
def test_reader_keeps_its_revision_while_an_import_commits(postgis_url: str) -> None:
    """Two statements of one read are of one revision, whatever happens between them."""
    with Store(postgis_url) as other:
        other.migrate()
        apply(other, make_initiatives(20, marker=1))
    with Store(postgis_url) as store, store._begin("read", "look twice") as connection:
        first = connection.exec_driver_sql("SELECT max(number) FROM revisions").scalar()
        with Store(postgis_url) as other:
            apply(other, make_initiatives(20, marker=2))
        second = connection.exec_driver_sql("SELECT max(last_revision) FROM initiatives").scalar()
    assert (first, second) == (1, 1)


def test_readers_never_see_a_mixture_while_another_process_imports(store: Store, url: str) -> None:
    apply(store, make_initiatives(60, marker=1))
    seen = set()
    with child(import_forever, url, 60) as (_, talk):
        assert answer(talk) == 1
        deadline = time.monotonic() + 30
        while len(seen) < 5 and time.monotonic() < deadline:
            state = store.read()
            seen.add(state.revision)
            assert_is_whole(state.initiatives, state.revision)
    assert len(seen) == 5


def test_writer_waits_for_a_reader_and_then_commits(sqlite_path: Path) -> None:
    """With a rollback journal nothing commits during a read: the other way to the same end."""
    with Store(at(sqlite_path)) as store, Store(at(sqlite_path), timeout_s=0.05) as hasty:
        store.migrate()
        with store._begin("read", "look twice") as connection:
            connection.exec_driver_sql("SELECT max(number) FROM revisions")
            if connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete":
                with pytest.raises(StoreError, match="locked"):
                    apply(hasty, make_initiatives(20))
            assert connection.exec_driver_sql("SELECT count(*) FROM initiatives").scalar() == 0
        assert apply(hasty, make_initiatives(20)).created == 20


def assert_is_whole(initiatives: pd.DataFrame, revision: int) -> None:
    marks = initiatives["name"].str.rpartition(" ")[2].unique().tolist()
    assert marks == [str(revision)]


# ---------------------------------------------------------------------- killed and starved


def killed(
    work: Callable[..., None], url: str, count: int, *, times: int, rounds: int
) -> Iterator[int]:
    """Kill a working process at any moment of its first to `rounds`-th change, in turn.

    Gives after each kill what the process had acknowledged last.
    """
    moments = random.Random(20261123)
    change_s = 0.05
    for turn in range(times):
        with child(work, url, count) as (process, talk):
            acknowledged = answer(talk)
            for _ in range(turn % rounds):
                began = time.monotonic()
                acknowledged = answer(talk)
                change_s = time.monotonic() - began
            time.sleep(moments.uniform(0, change_s))  # the moment is what is tested
            process.kill()
            process.join(30)
            while talk.poll():
                try:
                    acknowledged = talk.recv()
                except EOFError:
                    break
        yield acknowledged


def test_killed_imports_lose_nothing_and_leave_nothing_half_done(store: Store, url: str) -> None:
    """Every third is killed in its first import, in its second one, in its third one."""
    count, kills = 250, KILLS if not is_postgres(url) else max(3, KILLS // 4)
    apply(store, make_initiatives(count, marker=1))
    for acknowledged in killed(import_forever, url, count, times=kills, rounds=3):
        check_after_kill(store, url, count, acknowledged)
    final = store.revision() + 1
    assert final >= 2 + sum(turn % 3 for turn in range(kills))
    assert apply(store, make_initiatives(count, marker=final)).revision == final
    assert apply(store, make_initiatives(count, marker=final)).unchanged == count
    assert [entry.revision for entry in store.history("ort-00000")] == list(range(1, final + 1))


def check_after_kill(store: Store, url: str, count: int, acknowledged: int) -> None:
    if not is_postgres(url):
        assert run_sql(url, "PRAGMA integrity_check") == [("ok",)]
        assert run_sql(url, "PRAGMA foreign_key_check") == []
    state = store.read()
    assert state.revision in (acknowledged, acknowledged + 1)
    assert_frame_equal(
        pd.DataFrame(state.initiatives),
        pd.DataFrame(make_initiatives(count, marker=state.revision)),
    )
    assert run_sql(url, "SELECT count(*) FROM imports") == [(state.revision,)]


def test_killed_demands_and_states_are_whole_or_not_there(store: Store, url: str) -> None:
    count, kills = 120, max(3, KILLS // 4)
    looked_at: set[str] = set()
    for acknowledged in killed(keep_forever, url, count, times=kills, rounds=5):
        looked_at |= check_kept(store, url, count, acknowledged, but=looked_at)
    assert check_kept(store, url, count, store.revision()) >= looked_at
    number = store.revision()
    assert store.save_state(make_state(number + 1, count, revision=number)) == number + 1


def check_kept(
    store: Store, url: str, count: int, acknowledged: int, *, but: Set[str] = frozenset()
) -> set[str]:
    """Every state in the list is whole, every demand is of one revision, nothing is left over.

    Gives the states that were read to the last digit: all `but` those.
    """
    if not is_postgres(url):
        assert run_sql(url, "PRAGMA integrity_check") == [("ok",)]
        assert run_sql(url, "PRAGMA foreign_key_check") == []
    state = store.read()
    assert state.revision in (acknowledged, acknowledged + 1, acknowledged + 2)
    for demand in state.demands:
        number = int(demand.source_note.rpartition(" ")[2])
        assert demand == make_demand(number, count)
    fresh = [kept for kept in state.states if kept.slug not in but]
    for kept in fresh:
        number = int(kept.name.rpartition(" ")[2])
        expected = make_state(number, count, revision=kept.revision)
        assert_same_state(store.read_state(kept.slug), expected)
    rows = run_sql(url, "SELECT count(DISTINCT state) FROM state_records")
    assert rows == [(len(state.states),)]
    return {kept.slug for kept in fresh}


EVERY, SOME = slice(None), slice(None) if KILLS >= 40 else slice(None, None, 2)
TURNS = {"fdatasync,fsync": (1, 2, 3, 4, 5), "pwrite64": (1, 2, 5, 14, 30), "unlink": (1,)}
FAULTS = [
    (calls, fault, turn)
    for calls, turns in TURNS.items()
    for fault, chosen in (("EIO", SOME), ("ENOSPC", SOME), ("KILL", EVERY))
    for turn in turns[chosen]
    if (calls, fault) != ("unlink", "ENOSPC")
]


def can_trace() -> bool:
    strace = shutil.which("strace")
    return (
        bool(strace)
        and not subprocess.run(
            [str(strace), "-qq", "-e", "trace=none", "true"], capture_output=True, check=False
        ).returncode
    )


@pytest.mark.skipif(not can_trace(), reason="strace is not installed or may not trace")
@pytest.mark.parametrize("calls", TURNS)
def test_disk_that_fails_in_any_write_leaves_old_or_new(sqlite_path: Path, calls: str) -> None:
    url, count = at(sqlite_path), 60
    with Store(url) as store:
        store.migrate()
        apply(store, make_initiatives(count, marker=1))
        outcomes = []
        for _, fault, turn in (case for case in FAULTS if case[0] == calls):
            before = store.revision()
            said = import_with_fault(url, count, calls, fault, turn)
            outcomes.append(said)
            check_after_kill(store, url, count, before)
            if said == "ok":
                assert store.revision() == before + 1
        assert {"error", "killed"} <= set(outcomes), outcomes
        apply(store, make_initiatives(count, marker=store.revision() + 1))
        check_after_kill(store, url, count, store.revision())


@pytest.mark.skipif(not can_trace(), reason="strace is not installed or may not trace")
@pytest.mark.parametrize("calls", TURNS)
def test_disk_that_fails_leaves_demands_and_states_old_or_new(
    sqlite_path: Path, calls: str
) -> None:
    url, count = at(sqlite_path), 40
    with Store(url) as store:
        store.migrate()
        outcomes = []
        for _, fault, turn in (case for case in FAULTS if case[0] == calls):
            before = store.revision()
            said = import_with_fault(url, count, calls, fault, turn, work=keep_when_told)
            outcomes.append(said)
            check_kept(store, url, count, before)
            if said == "ok":
                assert store.revision() == before + 2
        assert {"error", "killed"} <= set(outcomes), outcomes


def import_with_fault(
    url: str, count: int, calls: str, fault: str, turn: int, *, work: Any = import_when_told
) -> str:
    """Import once while the `turn`-th of the system calls fails; say how it ended."""
    effect = "signal=KILL" if fault == "KILL" else f"error={fault}"
    with child(work, url, count) as (process, talk):
        assert answer(talk) == "ready"
        command = ["strace", "-f", "-qq", "-o", os.devnull, "-p", str(process.pid)]
        filters = ["-e", f"trace={calls}", "-e", f"inject={calls}:{effect}:when={turn}"]
        with subprocess.Popen([*command, *filters], stderr=subprocess.PIPE) as tracer:
            wait_for_tracer(process, tracer)
            talk.send("go")
            try:
                said, _ = answer(talk)
            except (EOFError, ConnectionResetError):
                said = "killed"
            tracer.terminate()
            tracer.communicate(timeout=30)
    return str(said)


def wait_for_tracer(process: BaseProcess, tracer: subprocess.Popen[bytes]) -> None:
    status = Path(f"/proc/{process.pid}/status")
    deadline = time.monotonic() + 30
    while "TracerPid:\t0\n" in status.read_text():
        assert tracer.poll() is None, "strace gave up"
        assert time.monotonic() < deadline, "strace did not attach"
        time.sleep(0.005)


@contextmanager
def tiny_disk(folder: Path, size_kb: int) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "tiny", 400), Store(at(tmp_path / "tiny" / "s.sqlite")) as store:
        store.migrate()
        apply(store, make_initiatives(20))
        with pytest.raises(StoreError, match="disk is full; nothing was changed"):
            apply(store, make_initiatives(5000, marker="zu viel"))
        assert_holds(store, make_initiatives(20))
        assert apply(store, make_initiatives(20, marker="klein")).revision == 2


def test_file_that_may_not_grow_is_reported_and_changes_nothing(sqlite_path: Path) -> None:
    with Store(at(sqlite_path)) as store:
        store.migrate()
        apply(store, make_initiatives(20))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        try:
            with pytest.raises(StoreError, match="import: "):
                apply(store, make_initiatives(5000, marker="zu viel"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert_holds(store, make_initiatives(20))
        assert run_sql(at(sqlite_path), "PRAGMA integrity_check") == [("ok",)]
        assert apply(store, make_initiatives(20, marker="neu")).revision == 2
