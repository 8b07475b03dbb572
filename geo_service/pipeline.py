"""The main path: a file becomes a table, the table gets points, the points get
municipalities, and the store keeps them at a revision.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import geopandas as gpd
import pandas as pd

from geo_service import demand, geocoding, municipalities, population, reading, records
from geo_service.coverage import METHOD
from geo_service.errors import ConflictError, QueryError, ValidationError
from geo_service.formats import german_date
from geo_service.names import slug
from geo_service.schema import (
    RECORD_COLUMNS,
    Demand,
    ImportReport,
    Initiatives,
    Records,
    ValidationResult,
    check_initiatives,
    check_records,
)
from geo_service.snapshot import CURRENT, Snapshot, parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geo_service.coverage import CoverageParameters
    from geo_service.schema import Duplicate, Issue
    from geo_service.snapshot import Territory
    from geo_service.store import DatedState, ImportOutcome, Store

__all__ = [
    "DemandReport",
    "PopulationReport",
    "Workshop",
    "check_state",
    "import_file",
    "load_demand",
    "load_population",
    "refresh",
    "take_state",
]

ATTEMPTS: Final = 3
"""How often an import starts anew when another one committed in between."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the main path works with: where state lives, the Land, and who finds addresses."""

    store: Store
    territory: Territory
    online: geocoding.OnlineGeocoder | None = None
    progress: Callable[[int, int, float], None] | None = field(default=None, repr=False)

    def place(self, table: Records, *, today: dt.date) -> Initiatives:
        """Give each record its point with proof, then its municipality.

        One row in, one row out, order kept.
        """
        gazetteer, index = self.territory.gazetteer, self.territory.index
        initiatives = geocoding.geocode_records(
            table,
            gazetteer=gazetteer,
            online=self.online,
            cache=self.store.cache() if self.online else None,
            find_ags=index.find,
            progress=self.progress,
            today=today,
        )
        stated = [
            gazetteer.municipality_candidates(address)
            for address in geocoding.stated_addresses(table)
        ]
        return municipalities.assign(initiatives, index, stated=stated)


@dataclass(frozen=True, slots=True)
class PopulationReport:
    """What loading a population grid did.

    `seats` municipalities, in which the grid has nobody, have `people_at_seats` of the register.
    """

    revision: int
    basis: str
    grid: population.LocatedGrid
    seats: int
    people_at_seats: float


@dataclass(frozen=True, slots=True)
class DemandReport:
    """What loading a demand did; `absent` areas are missing in the file, so unknown."""

    revision: int
    demand: Demand
    rows: int
    accepted: int
    absent: int
    issues: tuple[Issue, ...]


def import_file(
    path: Path,
    workshop: Workshop,
    *,
    today: dt.date,
    dataset: str | None = None,
    strict: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Import a file of records: all or nothing, as one revision.

    Rows with an error stay out and are reported; the others are created, updated or left
    unchanged by their id. Importing the same file again changes nothing.

    Parameters
    ----------
    path
        CSV, XLSX or GeoJSON; see docs/records.md for headings.
    workshop
        Store, territory and geocoders.
    today
        Day of the import; no date of a record may lie after it.
    dataset
        Name of the list the file is an edition of; its file name without ending if None.
    strict
        Refuse the whole file when any row has an error or a warning.
    dry_run
        Do everything but write; geocoding answers are still cached.

    Raises
    ------
    FileFormatError
        If the file as a whole cannot be read.
    ValidationError
        If no row holds, or, under `strict`, if any does not.
    StoreError
        If the database cannot be read or written.
    """
    raw = reading.read_records(path)
    result = records.validate_records(raw, today=today)
    _check_rows(result, path.name, strict=strict)
    list_name = dataset or path.stem
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    initiatives, outcome = _apply(
        result, workshop, path.name, list_name, digest, today=today, dry_run=dry_run
    )
    return ImportReport(
        file=path.name,
        revision=outcome.revision,
        rows=len(result.records) + result.rejected,
        accepted=len(result.records),
        rejected=result.rejected,
        created=outcome.created,
        updated=outcome.updated,
        unchanged=outcome.unchanged,
        missing=outcome.missing,
        statuses=dict(Counter(initiatives["coordinate_status"])),
        issues=result.issues,
        duplicates=_duplicates(initiatives, workshop.store),
        dry_run=dry_run,
    )


def refresh(workshop: Workshop, *, today: dt.date) -> tuple[ImportOutcome, ...]:
    """Find points and municipalities of all stored records anew, one revision per data set.

    For new boundaries, a better gazetteer, or a geocoder that was out of reach. A record
    whose finer point is not to be had this time keeps the one it has.
    """
    stored = workshop.store.known()
    outcomes = []
    for dataset in sorted(stored["dataset"].unique()):
        ids = stored.loc[stored["dataset"] == dataset, "id"]
        state = workshop.store.read()
        old = state.initiatives[state.initiatives["id"].isin(ids)].reset_index(drop=True)
        table = check_records(pd.DataFrame(old[[*RECORD_COLUMNS]]))
        placed = _keep_finer(check_initiatives(old), workshop.place(table, today=today))
        outcomes.append(
            workshop.store.apply_import(
                placed,
                dataset=dataset,
                file_name="refresh",
                sha256="",
                rows=len(placed),
                rejected=0,
                base_revision=state.revision,
                now=_now(),
            )
        )
    return tuple(outcomes)


def load_population(path: Path, workshop: Workshop) -> PopulationReport:
    """Load a Zensus grid file; from then on people count where they live.

    Municipalities in which it has nobody keep the register's population at their seats.

    Raises
    ------
    FileFormatError
        If the file is not a Zensus 2022 grid of 1 km or 100 m.
    ValidationError
        If rows of it are wrong.
    """
    cells = population.read_grid(path, bounds=workshop.territory.bounds)
    located = population.locate_grid(cells, workshop.territory.index.find)
    people = population.complete_grid(located, workshop.territory.seats)
    revision = workshop.store.save_population(people, now=_now())
    seated = people.people[len(located.people) :]
    return PopulationReport(
        revision,
        people.basis,
        population.describe_grid(cells, located),
        seats=len(seated),
        people_at_seats=float(seated.sum()),
    )


def load_demand(
    path: Path,
    workshop: Workshop,
    *,
    name: str,
    source_note: str = "",
    as_of: str | None = None,
    column: str | None = None,
    dash_unknown: bool = False,
    partial: bool = False,
) -> DemandReport:
    """Load figures of any people per Gemeinde, Verbandsgemeinde or Kreis: all or nothing.

    A demand of this name is replaced whole; the same file again changes nothing.

    Parameters
    ----------
    path
        CSV or XLSX with keys and figures; see docs/demand.md.
    workshop
        Store and territory.
    name
        What the people are called, such as ``Schutzsuchende 2024``.
    source_note, as_of
        Where the figures come from, and the day, month or year they are of.
    column, dash_unknown
        See `demand.read_figures`.
    partial
        Load the rows that hold although others have an error: those areas are unknown.

    Raises
    ------
    FileFormatError
        If the file as a whole cannot be read.
    ValidationError
        If a row has an error, unless `partial`; if none holds, or levels are mixed.
    QueryError
        If `name` or `as_of` cannot be used, or another demand's name has the same slug.
    """
    key = _make_slug(name)
    if as_of is not None:
        _check_date(as_of)
    table = demand.read_figures(
        reading.read_records(path),
        workshop.territory.municipalities,
        successors=workshop.territory.successors,
        column=column,
        dash_unknown=dash_unknown,
    )
    if table.rejected and not partial:
        raise ValidationError(
            f"{path.name}: expected {table.rows} valid rows, got {table.rejected} with an error;"
            " nothing was loaded (--partial loads the others)",
            table.issues,
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = Demand(key, name, table.level, table.figures, source_note, as_of, digest)
    revision = workshop.store.save_demand(loaded, now=_now())
    return DemandReport(revision, loaded, table.rows, table.accepted, table.absent, table.issues)


def take_state(
    workshop: Workshop,
    *,
    name: str,
    parameters: CoverageParameters,
    today: dt.date,
    demand_slug: str | None = None,
) -> DatedState:
    """Keep records, people, boundaries' version, parameters and results for good.

    Parameters
    ----------
    workshop
        Store and territory.
    name
        What the state is called; no other has this name.
    parameters
        What the results are measured with.
    today
        Day that staleness is judged by.
    demand_slug
        The demand whose people count; the whole population if None.

    Raises
    ------
    QueryError
        If the name is taken or cannot be one.
    NotFoundError
        If there is no such demand.
    StoreError
        If the database cannot be read or written.
    """
    key = _make_slug(name)
    if key == CURRENT:
        raise QueryError(f"name: expected another one, got {name!r}, which means the present")
    for attempt in range(1, ATTEMPTS + 1):
        current = Snapshot.of(workshop.store.read(), workshop.territory)
        state = current.as_state(
            name, key, parameters, today=today, taken_at=_now(), demand=demand_slug
        )
        try:
            workshop.store.save_state(state)
        except ConflictError:
            if attempt == ATTEMPTS:
                raise
            continue
        return state
    raise ConflictError("unreachable")


def check_state(state: DatedState, territory: Territory) -> str | None:
    """Measure a dated state again; return None where every figure is the same to the last digit.

    Else say why it cannot be, or what differs. The words of `gap_reason` follow from the figures
    and are not compared.
    """
    if state.boundaries != territory.boundaries:
        return "the boundaries have changed since; its figures stand as they were published"
    if state.erased:
        lost = "1 record was" if state.erased == 1 else f"{state.erased} records were"
        return f"{lost} erased since; its figures stand as they were published"
    again = Snapshot.of_state(state, territory).levels(parameters_of(state), today=state.today)
    differing = [
        f"{level}.{column}"
        for level, table in state.results.items()
        for column in table.columns
        if column != "gap_reason"
        and (column not in again[level] or not table[column].equals(again[level][column]))
    ]
    if not differing:
        return None
    if state.method != METHOD:
        return (
            f"the method has changed since (then {state.method}, program {state.program}; now"
            f" {METHOD}): other {', '.join(differing)}; its figures stand as they were published"
        )
    return f"measured anew, other figures come out: {', '.join(differing)}"


def _make_slug(name: str) -> str:
    found = slug(name)
    if not found or len(name) > 80 or not name.isprintable():
        raise QueryError(f"name: expected 1 to 80 characters, one a letter or digit, got {name!r}")
    return found


def _check_date(text: str) -> None:
    try:
        german_date(text)
    except ValueError:
        raise QueryError(f"date: expected JJJJ, JJJJ-MM or JJJJ-MM-TT, got {text!r}") from None


def _apply(
    result: ValidationResult,
    workshop: Workshop,
    file_name: str,
    dataset: str,
    digest: str,
    *,
    today: dt.date,
    dry_run: bool,
) -> tuple[Initiatives, ImportOutcome]:
    """Resolve ids against the stored records and write, anew if another import came first."""
    store = workshop.store
    placed: Initiatives | None = None
    for attempt in range(1, ATTEMPTS + 1):
        base = store.revision()
        table = records.resolve_ids(result.records, store.known(), dataset=dataset)
        if placed is None:
            placed = workshop.place(table, today=today)
        placed = check_initiatives(gpd.GeoDataFrame(placed.assign(id=table["id"])))
        write = store.plan_import if dry_run else store.apply_import
        try:
            outcome = write(
                placed,
                dataset=dataset,
                file_name=file_name,
                sha256=digest,
                rows=len(table) + result.rejected,
                rejected=result.rejected,
                base_revision=base,
                now=_now(),
            )
        except ConflictError:
            if attempt == ATTEMPTS:
                raise
            continue
        return placed, outcome
    raise ConflictError("unreachable")


def _check_rows(result: ValidationResult, file_name: str, *, strict: bool) -> None:
    faults = [issue for issue in result.issues if strict or issue.severity == "error"]
    if strict and faults:
        raise ValidationError(
            f"{file_name}: expected no fault at all (--strict), got {len(faults)};"
            " nothing was imported",
            result.issues,
        )
    if not len(result.records):
        raise ValidationError(
            f"{file_name}: expected at least one valid row, got none of {result.rejected};"
            " nothing was imported",
            result.issues,
        )


def _duplicates(initiatives: Initiatives, store: Store) -> tuple[Duplicate, ...]:
    """Compare what was imported with itself and with all that is stored."""
    stored = store.read().initiatives
    others = stored[~stored["id"].isin(initiatives["id"])]
    everything = pd.concat([initiatives, others], ignore_index=True) if len(others) else initiatives
    ids = set(initiatives["id"])
    pairs = records.find_duplicates(check_initiatives(gpd.GeoDataFrame(everything)))
    return tuple(pair for pair in pairs if pair.id in ids or pair.other_id in ids)


def _keep_finer(old: Initiatives, new: Initiatives) -> Initiatives:
    """Keep the stored point where the new attempt failed and could only say less."""
    failed = new["coordinate_note"].str.contains("failed:", na=False) | new[
        "coordinate_status"
    ].str.startswith("failed", na=False)
    kept = failed & (old["coordinate_status"] == "found")
    merged = new.where(~kept, old)
    return check_initiatives(gpd.GeoDataFrame(merged, geometry="geometry", crs=new.crs))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)
