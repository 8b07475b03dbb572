"""What the store hands out besides tables: small, frozen results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from geo_service.schema import Initiatives, Population

__all__ = ["HistoryEntry", "ImportEntry", "ImportOutcome", "StoreStats", "StoredState"]


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
