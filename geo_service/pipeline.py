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

from geo_service import geocoding, municipalities, population, reading, records
from geo_service.errors import ConflictError, ValidationError
from geo_service.schema import (
    RECORD_COLUMNS,
    ImportReport,
    Initiatives,
    Records,
    ValidationResult,
    check_initiatives,
    check_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geo_service.schema import Duplicate
    from geo_service.snapshot import Territory
    from geo_service.store import ImportOutcome, Store

__all__ = ["PopulationReport", "Workshop", "import_file", "load_population", "refresh"]

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
    """What loading a population grid did."""

    revision: int
    basis: str
    grid: population.LocatedGrid


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

    Raises
    ------
    FileFormatError
        If the file is not a Zensus 2022 grid of 1 km or 100 m.
    ValidationError
        If rows of it are wrong.
    """
    cells = population.read_grid(path, bounds=workshop.territory.bounds)
    people = population.locate_grid(cells, workshop.territory.index.find)
    revision = workshop.store.save_population(people, now=_now())
    return PopulationReport(revision, people.basis, population.describe_grid(cells, people))


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
