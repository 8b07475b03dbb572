"""What the store hands out besides tables: small, frozen results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geo_service.schema import Coverage, Demand, Initiatives, Level, Population

__all__ = [
    "DatedState",
    "HistoryEntry",
    "ImportEntry",
    "ImportOutcome",
    "RecordLog",
    "StateSummary",
    "StoreStats",
    "StoredState",
]


@dataclass(frozen=True, slots=True)
class StateSummary:
    """What a list of dated states shows of one; see `DatedState`.

    `records` are those it still has; `people` is the name of the demand that was counted,
    empty for the whole population.
    """

    slug: str
    name: str
    taken_at: dt.datetime
    revision: int
    today: dt.date
    parameters: Mapping[str, Any]
    boundaries: Mapping[str, str]
    people: str
    records: int
    erased: int
    program: str
    method: str


@dataclass(frozen=True, slots=True)
class RecordLog:
    """When each record became what it is, and which were removed: what a mirror follows.

    `first` and `last` are the revisions that created and last changed the records, in their
    order; `moments` tells when those were made. `removed` has the revision of each removal by
    the SHA-256 (hex) of the record's id, because the id is erased with the record.
    Of changes before revision `since` not everything is known.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    moments: Mapping[int, dt.datetime]
    removed: Mapping[str, int]
    since: int = 0


@dataclass(frozen=True, slots=True)
class StoredState:
    """All that a reader sees at one revision, read in one transaction."""

    revision: int
    changed_at: dt.datetime
    initiatives: Initiatives
    population: Population | None
    demands: tuple[Demand, ...] = ()
    states: tuple[StateSummary, ...] = ()
    log: RecordLog | None = None


@dataclass(frozen=True, slots=True)
class DatedState:
    """Records, people, parameters and results as they were when the state was taken.

    Nothing of it ever changes, with one exception: `erased` counts the records that a
    person's request has removed since. The results stand as they were published; they can be
    measured again from the rest only where `erased` is 0.

    `slug` names the state in addresses; `revision` is the one it was taken of; `today` is the
    day by which staleness was judged; `parameters` are those of coverage as JSON has them;
    `boundaries` say which territory it was (``sha256`` of the file and dates); `program` is
    the version that measured it, `method` that of the method (`coverage.METHOD`).
    """

    slug: str
    name: str
    taken_at: dt.datetime
    revision: int
    today: dt.date
    parameters: Mapping[str, Any]
    boundaries: Mapping[str, str]
    initiatives: Initiatives
    population: Population
    results: Mapping[Level, Coverage]
    program: str
    method: str
    erased: int = 0


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
