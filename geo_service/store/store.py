"""The store itself: what readers read, and every change that makes a revision."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Final

import pandas as pd
import sqlalchemy as sa

from geo_service.errors import ConflictError, NotFoundError, QueryError
from geo_service.store.cache import GeocodeCache
from geo_service.store.database import Database, utc_now
from geo_service.store.demands import delete_demand, read_demands, write_demand
from geo_service.store.editions import Plan, compare
from geo_service.store.frames import (
    read_frame,
    read_population,
    same_population,
    to_content,
    to_initiatives,
    to_rows,
    write_population,
)
from geo_service.store.removals import ERASURE, read_log, write_removal
from geo_service.store.results import (
    DatedState,
    HistoryEntry,
    ImportEntry,
    ImportOutcome,
    StateSummary,
    StoredState,
    StoreStats,
)
from geo_service.store.states import (
    delete_state,
    erase_from_states,
    read_dated_state,
    read_summaries,
    write_dated_state,
)
from geo_service.store.tables import (
    CACHE,
    CELLS,
    CONTENT,
    HISTORY,
    IMPORTS,
    INITIATIVES,
    POPULATION,
    REVISIONS,
    SELECT_CONTENT,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo_service.schema import Demand, Initiatives, Population

_LATEST: Final = (
    sa.select(REVISIONS.c.number, REVISIONS.c.changed_at)
    .order_by(REVISIONS.c.number.desc())
    .limit(1)
)
_REVISIONS: Final = {"first_revision": "int64", "last_revision": "int64"}
_KNOWN: Final = (
    "id",
    "name",
    "city",
    "municipality",
    "kreis",
    "street",
    "house_number",
    "dataset",
)


class Store(Database):
    """All records, their history, the imports, where people live: at a revision.

    Everything about opening and setting up is in `Database`. Every change of what readers
    see is one transaction and one new revision.
    """

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
            query = SELECT_CONTENT.add_columns(*(INITIATIVES.c[name] for name in _REVISIONS))
            both = read_frame(
                connection, query.order_by(INITIATIVES.c.id), {**CONTENT, **_REVISIONS}
            )
            log = read_log(connection, both[[*_REVISIONS]])
            population = read_population(connection)
            demands = read_demands(connection)
            states = read_summaries(connection)
        initiatives = to_initiatives(both[[*CONTENT]])
        return StoredState(revision, changed_at, initiatives, population, demands, states, log)

    def known(self) -> pd.DataFrame:
        """Return what ids are resolved by, one row per stored record, sorted by id.

        Columns: id, name, city, municipality, kreis, street, house_number, dataset.
        """
        query = sa.select(*(INITIATIVES.c[name] for name in _KNOWN)).order_by(INITIATIVES.c.id)
        with self._current("read", "read the known records") as connection:
            return read_frame(connection, query, dict.fromkeys(_KNOWN, "str"))

    def imports(self, *, limit: int = 100) -> tuple[ImportEntry, ...]:
        """Return the log of imports, newest first."""
        columns = [column for column in IMPORTS.c if column.name != "number"]
        query = sa.select(*columns).order_by(IMPORTS.c.number.desc()).limit(limit)
        with self._current("read", "read the imports") as connection:
            return tuple(ImportEntry(*row) for row in connection.execute(query))

    def history(self, record_id: str) -> tuple[HistoryEntry, ...]:
        """Return every change of a record, oldest first; empty for an unknown id."""
        past = sa.select(HISTORY).where(HISTORY.c.id == record_id).order_by(HISTORY.c.revision)
        present = SELECT_CONTENT.where(INITIATIVES.c.id == record_id)
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
                    count(INITIATIVES.c.point_lon),
                    count(INITIATIVES.c.dataset.distinct()),
                )
            ).one()
            imports, last_import_at = connection.execute(
                sa.select(count(), sa.func.max(IMPORTS.c.at)).select_from(IMPORTS)
            ).one()
            basis = connection.scalar(sa.select(POPULATION.c.basis))
            cells, cached = (
                connection.execute(sa.select(count()).select_from(table)).scalar_one()
                for table in (CELLS, CACHE)
            )
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

    def cache(self, *, clock: Callable[[], dt.datetime] = utc_now) -> GeocodeCache:
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
        content = to_content(initiatives)
        with self._current("read", "plan the import") as connection:
            return self._plan(connection, content, dataset, base_revision).outcome(base_revision)

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
        content = to_content(initiatives)
        with self._current("write", "import") as connection:
            plan = self._plan(connection, content, dataset, base_revision)
            revision = base_revision
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
            connection.execute(sa.insert(IMPORTS).values(**dataclasses.asdict(entry)))
        return outcome

    def _plan(
        self, connection: sa.Connection, content: pd.DataFrame, dataset: str, base_revision: int
    ) -> Plan:
        self._check_base(connection, base_revision)
        return compare(connection, content, dataset, self._backend.label)

    def _check_base(self, connection: sa.Connection, base_revision: int) -> None:
        revision = _current_revision(connection)
        if revision != base_revision:
            raise ConflictError(
                f"{self._backend.label}: expected revision {base_revision}, got {revision}:"
                " another change came first; read again"
            )

    def _write(self, connection: sa.Connection, plan: Plan, dataset: str, revision: int) -> None:
        names = [*CONTENT, "dataset", "first_revision", "last_revision"]
        self._backend.upsert(
            connection,
            INITIATIVES,
            names,
            ((*row, dataset, revision, revision) for row in to_rows(plan.changed)),
        )
        columns = ["id", "revision", "operation", "before"]
        self._backend.load(connection, HISTORY, columns, plan.history(revision))

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
            if same_population(read_population(connection), population):
                return _current_revision(connection)
            revision = _next_revision(connection, "population", now or utc_now())
            write_population(connection, self._backend, population, revision)
            return revision

    def save_demand(self, demand: Demand, *, now: dt.datetime) -> int:
        """Store a demand in place of the one with its name, as one revision.

        Returns
        -------
        revision
            A new one, or the current one where the stored demand is the same.

        Raises
        ------
        QueryError
            If another name has the same slug.
        """
        with self._current("write", "save the demand") as connection:
            for known in read_demands(connection):
                if known == demand:
                    return _current_revision(connection)
                if known.slug == demand.slug and known.name != demand.name:
                    raise QueryError(
                        f"name: expected another one, got {demand.name!r}: it would have the"
                        f" same address as {known.name!r} ({known.slug}), which is kept"
                    )
            revision = _next_revision(connection, f"demand {demand.slug}", now)
            write_demand(connection, self._backend, demand, revision)
            return revision

    def remove_demand(self, slug: str, *, now: dt.datetime) -> int:
        """Delete a demand, as one revision; states that were measured with it keep theirs.

        Raises
        ------
        NotFoundError
            If there is no such demand.
        """
        with self._current("write", "remove the demand") as connection:
            if not delete_demand(connection, slug):
                raise NotFoundError(f"{self._backend.label}: expected a demand, got {slug!r}")
            return _next_revision(connection, f"removal of demand {slug}", now)

    def save_state(self, state: DatedState) -> int:
        """Keep a dated state for good: all of it or nothing, as one revision.

        Returns
        -------
        revision
            The new one; the state keeps the one that it was taken of.

        Raises
        ------
        ConflictError
            If the revision has moved since the state's: what was erased or imported in
            between would be wrong in it. Take it again.
        QueryError
            If the name is taken.
        """
        with self._current("write", "keep the state") as connection:
            for known in read_summaries(connection):
                if state.slug == known.slug:
                    raise QueryError(
                        f"name: expected a new one, got {state.name!r}: a state is never"
                        f" changed, and {known.name!r} was taken on {known.taken_at:%Y-%m-%d}"
                    )
            self._check_base(connection, state.revision)
            write_dated_state(connection, self._backend, state)
            return _next_revision(connection, f"state {state.slug}", state.taken_at)

    def read_state(self, name: str) -> DatedState:
        """Return the dated state of this name or slug.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        with self._current("read", "read a state") as connection:
            return read_dated_state(connection, self._find_state(connection, name).slug)

    def states(self) -> tuple[StateSummary, ...]:
        """Return the list of dated states, oldest first."""
        with self._current("read", "list the states") as connection:
            return read_summaries(connection)

    def remove_state(self, name: str, *, now: dt.datetime) -> int:
        """Delete a dated state, as one revision.

        Raises
        ------
        NotFoundError
            If there is no such state.
        """
        with self._current("write", "delete the state") as connection:
            state = self._find_state(connection, name)
            delete_state(connection, state.slug)
            return _next_revision(connection, f"removal of state {state.slug}", now)

    def _find_state(self, connection: sa.Connection, name: str) -> StateSummary:
        states = read_summaries(connection)
        for state in states:
            if name in (state.slug, state.name):
                return state
        names = ", ".join(repr(state.name) for state in states) or "there is none yet"
        raise NotFoundError(
            f"{self._backend.label}: expected the name of a state ({names}), got {name!r}"
        )

    def erase(self, record_id: str, *, now: dt.datetime) -> int:
        """Delete a record and its whole history, as one revision, and wipe what is left of it.

        For a person's request for erasure. Dated states lose the record too, and count it;
        their results stand as they were published. The log of imports keeps its counts. For those
        who keep a copy a digest of the id stays (`RecordLog`). Beyond
        reach are backups, what `reset` has set aside, files that were exported, answers in
        the geocoders' cache, and blocks that the file system has freed but not overwritten.
        A list that still has the record brings it back with its next import.

        Parameters
        ----------
        record_id
            The id of the record.
        now
            The moment of the change, with a time zone.

        Returns
        -------
        revision
            The new one.

        Raises
        ------
        NotFoundError
            If no record has this id. What an erasure that was cut short had left behind is
            wiped nevertheless.
        StoreError
            If nothing was deleted, or if the record is deleted but traces of it could not be
            wiped: the message says which. Erasing it again wipes them.
        """
        with self._current("write", "erase a record") as connection:
            gone = sa.delete(INITIATIVES).where(INITIATIVES.c.id == record_id)
            found = connection.execute(gone).rowcount + erase_from_states(connection, record_id)
            if found:
                connection.execute(sa.delete(HISTORY).where(HISTORY.c.id == record_id))
                revision = _next_revision(connection, ERASURE, now)
                write_removal(connection, record_id, revision)
        with self._told("wipe what is left of the deleted record (erase it again to repeat that)"):
            self._backend.scrub(self._engine)
        if not found:
            raise NotFoundError(
                f"{self._backend.label}: expected a record's id, got {record_id!r};"
                " the address of a record's page ends with it (/orte/ID)"
            )
        return revision


def _current_revision(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(sa.func.max(REVISIONS.c.number))) or 0)


def _next_revision(connection: sa.Connection, cause: str, now: dt.datetime) -> int:
    number = _current_revision(connection) + 1
    values = {"number": number, "changed_at": now, "cause": cause}
    connection.execute(sa.insert(REVISIONS).values(**values))
    return number
