"""One immutable view of the store at one revision, and the holder that keeps it current.

A reader takes `SnapshotHolder.current()` once per answer and reads nothing else, so that
everything in the answer is of one revision.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np
import pandas as pd

from geo_service import __version__, changes
from geo_service import demand as demands
from geo_service import gazetteer as gazetteers
from geo_service import municipalities as territories
from geo_service import population as populations
from geo_service.coverage import (
    METHOD,
    TERRAIN_BYTES,
    CoverageParameters,
    Ground,
    Terrain,
    measure_terrain,
    select_places,
)
from geo_service.errors import (
    FileFormatError,
    GeoServiceError,
    NotFoundError,
    QueryError,
    StoreError,
)
from geo_service.schema import LEVELS
from geo_service.store import DatedState

if TYPE_CHECKING:
    from pathlib import Path

    from geo_service.changes import Changes, Side
    from geo_service.schema import (
        Areas,
        Coverage,
        Demand,
        Initiatives,
        Level,
        Municipalities,
        Population,
    )
    from geo_service.store import RecordLog, StateSummary, Store, StoredState

__all__ = [
    "CURRENT",
    "HolderStatus",
    "Snapshot",
    "SnapshotHolder",
    "Territory",
    "compare",
    "load_territory",
    "parameters_of",
]

T = TypeVar("T")

CURRENT: Final = "jetzt"
"""What stands for the present records where a dated state is asked for; no state has it."""

# --------------------------------------------------------------------------- territory


class _AreasByLevel(Mapping["Level", "Areas"]):
    """The areas of each level, merged when first asked for."""

    def __init__(self, municipalities: Municipalities) -> None:
        self._municipalities = municipalities
        self._built: dict[Level, Areas] = {}
        self._lock = threading.Lock()

    def __getitem__(self, level: Level) -> Areas:
        if level not in LEVELS:
            raise KeyError(level)
        with self._lock:
            if level not in self._built:
                self._built[level] = territories.build_areas(self._municipalities, level)
            return self._built[level]

    def __iter__(self) -> Any:
        return iter(LEVELS)

    def __len__(self) -> int:
        return len(LEVELS)


@dataclass(frozen=True, eq=False)
class Territory:
    """The Land: read-only input that every snapshot shares. What is costly is made on demand.

    Parameters
    ----------
    municipalities
        Boundaries and figures (EPSG:4326).
    places
        Names besides the municipalities' own, as `gazetteer.PLACE_COLUMNS`.
    about
        Sources, licences and dates of both, as the build wrote them.
    origin
        The part of `about` that the gazetteer's points carry.
    successors
        Keys that no longer exist, of municipalities (8 digits) and Verbandsgemeinden (9),
        and the present one that each became.
    boundaries
        Which boundaries these are: ``sha256`` of the file, ``territorial_date`` and
        ``boundary_date``. Two territories of the same ``sha256`` are the same.
    """

    municipalities: Municipalities
    places: pd.DataFrame
    about: Mapping[str, Any] = field(default_factory=dict)
    origin: gazetteers.Origin = gazetteers.REGISTER
    successors: Mapping[str, str] = field(default_factory=dict)
    boundaries: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def areas(self) -> Mapping[Level, Areas]:
        """The areas of each level, sorted by key."""
        return _AreasByLevel(self.municipalities)

    @cached_property
    def index(self) -> territories.MunicipalityIndex:
        """Answers which municipality a point lies in."""
        return territories.MunicipalityIndex(self.municipalities)

    @cached_property
    def gazetteer(self) -> gazetteers.Gazetteer:
        """Finds places by name."""
        return gazetteers.Gazetteer(self.municipalities, self.places, origin=self.origin)

    @cached_property
    def seats(self) -> Population:
        """Where people count while no population grid is loaded."""
        return populations.seat_population(self.municipalities)

    @cached_property
    def ground(self) -> Ground:
        """The municipalities made ready for measuring coverage."""
        return Ground(self.municipalities)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees (EPSG:4326)."""
        west, south, east, north = (float(edge) for edge in self.municipalities.total_bounds)
        return west, south, east, north

    @cached_property
    def source_notes(self) -> tuple[str, ...]:
        """The notes that the licences of boundaries and figures ask for, each once."""
        return tuple(dict.fromkeys(_notes(self.about)))


def _notes(about: Mapping[str, Any]) -> list[str]:
    """Return every ``source_note`` in `about`, the outer ones first."""
    own = [str(about["source_note"])] if about.get("source_note") else []
    parts = [part for part in about.values() if isinstance(part, Mapping)]
    return own + [note for part in parts for note in _notes(part)]


def load_territory(data_dir: Path) -> Territory:
    """Load the Land from ``data/gemeinden/``.

    Raises
    ------
    FileFormatError
        If a file is missing or is not what ``scripts/build_gemeinden.py`` writes.
    """
    folder = data_dir / "gemeinden"
    about_file = folder / "gemeinden.json"
    try:
        about = json.loads(about_file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{about_file}: expected JSON, got {error}") from error
    boundary_file = folder / "gemeinden.gpkg"
    return Territory(
        territories.load_municipalities(boundary_file),
        gazetteers.load_places(folder / "orte.csv"),
        about,
        gazetteers.load_origin(about_file),
        _load_successors(folder / "schluessel.csv"),
        _identify(boundary_file, about),
    )


def _identify(boundary_file: Path, about: Mapping[str, Any]) -> dict[str, str]:
    """Say which boundaries these are: what the file holds, and the dates the build gave."""
    dates = {name: str(about.get(name, "")) for name in ("territorial_date", "boundary_date")}
    return {"sha256": hashlib.sha256(boundary_file.read_bytes()).hexdigest(), **dates}


def _load_successors(path: Path) -> dict[str, str]:
    """Read what became of former keys; of a former Verbandsgemeinde only where it is one.

    Without the file there are none.

    Raises
    ------
    FileFormatError
        If the file has not its columns.
    """
    became: dict[str, set[str]] = {}
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                became.setdefault(row["alter_ags"], set()).add(row["neuer_ags"])
                became.setdefault(row["alter_ars"][:9], set()).add(row["neuer_ars"][:9])
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(f"{path}: expected keys and their successors, got {error}") from error
    present = {key for keys in became.values() for key in keys}
    return {
        old: next(iter(new)) for old, new in became.items() if len(new) == 1 and old not in present
    }


# ---------------------------------------------------------------------- derived values

_MAX_VALUES: Final = 512
_MAX_BYTES: Final = 256_000_000
_SAMPLE: Final = 50

_STATES_KEPT: Final = 2
_STATE_VALUES: Final = 64
_STATE_BYTES: Final = 32_000_000
_STATE_TERRAIN_BYTES: Final = 64_000_000
"""What a dated state may hold: less than the present, for few look at it."""


class _Slot:
    """A value, or the place where one thread makes it while the others wait."""

    __slots__ = ("lock", "made", "size", "value")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.made = False
        self.size = 0
        self.value: Any = None


class _Derived:
    """Values by key, each made once; the least recently used go first when it gets full."""

    def __init__(self, max_values: int = _MAX_VALUES, max_bytes: int = _MAX_BYTES) -> None:
        self._max_values = max_values
        self._max_bytes = max_bytes
        self._bytes = 0
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            if not slot.made:
                self._fill(key, slot, make)
            return cast("T", slot.value)

    def _fill(self, key: Hashable, slot: _Slot, make: Callable[[], Any]) -> None:
        try:
            slot.value = make()
            slot.made = True
        finally:
            with self._lock:
                if slot.made:
                    self._keep(key, slot)
                elif self._slots.get(key) is slot:
                    del self._slots[key]

    def _keep(self, key: Hashable, slot: _Slot) -> None:
        size = _size(slot.value)
        replaced = self._slots.get(key)  # made meanwhile, after a failure had freed the key
        self._bytes += size - (replaced.size if replaced else 0)
        slot.size = size
        self._slots[key] = slot
        for oldest in [key for key, slot in self._slots.items() if slot.made]:
            if len(self._slots) <= self._max_values and self._bytes <= self._max_bytes:
                return
            self._bytes -= self._slots.pop(oldest).size


def _size(value: Any) -> int:
    """Estimate how many bytes a value holds; long sequences by a sample."""
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return int(np.sum(value.memory_usage(deep=False)))
    if dataclasses.is_dataclass(value):
        parts = [getattr(value, part.name) for part in dataclasses.fields(value)]
    elif isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, (tuple, list)):
        parts = list(value)
    else:
        return 64
    sample = parts[:: max(1, len(parts) // _SAMPLE)]
    return 64 + sum(map(_size, sample)) * len(parts) // max(1, len(sample))


# ---------------------------------------------------------------------------- snapshot


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything readers see, at one revision. Never change a table of it.

    `population` is the loaded grid or, where none is loaded, the seats of the
    municipalities; its `basis` says which. `demands` are the loaded figures of other people,
    `states` the list of dated states, oldest first; `log` says when records came, changed and went.
    """

    revision: int
    changed_at: dt.datetime
    initiatives: Initiatives
    population: Population
    territory: Territory
    demands: tuple[Demand, ...] = ()
    states: tuple[StateSummary, ...] = ()
    log: RecordLog | None = None
    _derived: _Derived = field(default_factory=_Derived, repr=False)
    _terrain_bytes: int = field(default=TERRAIN_BYTES, repr=False)

    @classmethod
    def of(cls, state: StoredState, territory: Territory) -> Snapshot:
        """Make the snapshot of what was read from the store in one transaction."""
        return cls(
            revision=state.revision,
            changed_at=state.changed_at,
            initiatives=state.initiatives,
            population=state.population or territory.seats,
            territory=territory,
            demands=state.demands,
            states=state.states,
            log=state.log,
        )

    @classmethod
    def of_state(cls, state: DatedState, territory: Territory) -> Snapshot:
        """Make the snapshot of a dated state: its records and people, as they were.

        What is measured of it equals the state's results to the last digit, with
        `parameters_of` the state and its day, where `territory` has the boundaries of then
        and no record was erased since.
        """
        return cls(
            revision=state.revision,
            changed_at=state.taken_at,
            initiatives=state.initiatives,
            population=state.population,
            territory=territory,
            _derived=_Derived(_STATE_VALUES, _STATE_BYTES),
            _terrain_bytes=_STATE_TERRAIN_BYTES,
        )

    def as_state(
        self,
        name: str,
        slug: str,
        parameters: CoverageParameters,
        *,
        today: dt.date,
        taken_at: dt.datetime,
        demand: str | None = None,
    ) -> DatedState:
        """Measure all levels, and return that with all it rests on as a dated state."""
        return DatedState(
            slug=slug,
            name=name,
            taken_at=taken_at,
            revision=self.revision,
            today=today,
            parameters=dataclasses.asdict(parameters),
            boundaries=dict(self.territory.boundaries),
            initiatives=self.initiatives,
            population=self.demand(demand),
            results=self.levels(parameters, today=today, demand=demand),
            program=__version__,
            method=METHOD,
        )

    @property
    def municipalities(self) -> Municipalities:
        """The municipalities of the territory."""
        return self.territory.municipalities

    @property
    def areas(self) -> Mapping[Level, Areas]:
        """The areas of each level."""
        return self.territory.areas

    def derive(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` makes of this revision, made once per key.

        Threads that ask for the same key wait for the one that makes it. A value that
        `make` could not make is not kept. Old values go when there are too many.

        Parameters
        ----------
        key
            Name of the value and every parameter that it depends on.
        make
            Makes the value from this snapshot alone; it may derive other keys.
        """
        return self._derived.get(key, make)

    def demand(self, slug: str | None) -> Population:
        """Return the people of a loaded demand where they live; the population if None.

        Raises
        ------
        NotFoundError
            If no demand has this slug.
        QueryError
            If its figures are of another territory.
        """
        if slug is None:
            return self.population
        found = next((demand for demand in self.demands if demand.slug == slug), None)
        if found is None:
            names = ", ".join(demand.slug for demand in self.demands) or "there is none"
            raise NotFoundError(f"demand: expected a loaded one ({names}), got {slug!r}")
        return self.derive(
            ("demand", slug),
            lambda: demands.distribute(
                found, self.municipalities, self.population, self.territory.seats
            ),
        )

    def terrain(self, demand: str | None = None) -> Terrain:
        """Return the Land with the people of a demand, made ready for measuring coverage.

        Raises
        ------
        NotFoundError, QueryError
            As `demand`.
        """
        return self.derive(
            ("terrain", demand),
            lambda: Terrain.of(self.territory.ground, self.demand(demand), self._terrain_bytes),
        )

    def levels(
        self,
        parameters: CoverageParameters | None = None,
        *,
        today: dt.date,
        demand: str | None = None,
        initiatives: Initiatives | None = None,
        wanted: Collection[Level] = LEVELS,
    ) -> Mapping[Level, Coverage]:
        """Return the coverage of every level's areas.

        Parameters
        ----------
        parameters
            The defaults of `CoverageParameters` if None.
        today
            Day that staleness is judged by.
        demand
            Slug of a loaded demand; the population if None.
        initiatives
            The records of a scenario, measured anew each time; those of the snapshot,
            measured once, if None.
        wanted
            The levels that a scenario is measured at.

        Raises
        ------
        NotFoundError, QueryError
            As `demand`.
        """
        chosen = parameters or CoverageParameters()
        if initiatives is not None:
            return measure_terrain(
                initiatives, self.terrain(demand), parameters=chosen, today=today, levels=wanted
            )
        return self.derive(
            ("coverage", chosen, today, demand),
            lambda: measure_terrain(
                self.initiatives, self.terrain(demand), parameters=chosen, today=today
            ),
        )

    def coverage(
        self,
        level: Level,
        parameters: CoverageParameters | None = None,
        *,
        today: dt.date,
        demand: str | None = None,
        initiatives: Initiatives | None = None,
    ) -> Coverage:
        """Return the coverage of a level's areas; see `levels`."""
        return self.levels(parameters, today=today, demand=demand, initiatives=initiatives)[level]

    @property
    def source_notes(self) -> tuple[str, ...]:
        """Say what the figures rest on: boundaries, population and points, each note once."""
        return self.derive(("source notes",), self._source_notes)

    def _source_notes(self) -> tuple[str, ...]:
        points = self.initiatives.loc[self.initiatives["coordinate_status"] == "found"]
        origins = points[["coordinate_source", "coordinate_licence"]].drop_duplicates().dropna()
        named = sorted(f"{source} ({licence})" for source, licence in origins.to_numpy().tolist())
        notes = (*self.territory.source_notes, self.population.source_note, *named)
        return tuple(dict.fromkeys(note for note in notes if note))


def parameters_of(state: DatedState | StateSummary) -> CoverageParameters:
    """Return the parameters that a dated state was measured with."""
    return CoverageParameters(**{name: _frozen(v) for name, v in state.parameters.items()})


def compare(
    old: DatedState, new: DatedState | Snapshot, *, today: dt.date, territory: Territory
) -> Changes:
    """Say what changed from a dated state to another one, or to the current snapshot.

    Parameters
    ----------
    old
        Its parameters, and its kind of people, are those of the comparison.
    new
        A state that was measured otherwise, or the current snapshot, is measured anew.
    today
        The day by which a current snapshot is judged.
    territory
        The present one.

    Raises
    ------
    QueryError
        If the states are of different people, or of different parameters and boundaries.
    """
    parameters = parameters_of(old)
    if isinstance(new, Snapshot):
        new = _as_of_now(new, old, parameters, today)
    if old.population.name != new.population.name:
        raise QueryError(
            "states: expected both of the same people, got"
            f" {old.population.name or 'the population'!r} and"
            f" {new.population.name or 'the population'!r}"
        )
    if parameters_of(new) != parameters:
        if new.boundaries != territory.boundaries:
            raise QueryError(
                f"states: expected the parameters of {old.name!r}, got others in {new.name!r},"
                " whose boundaries are no longer there to measure it anew"
            )
        again = Snapshot.of_state(new, territory).levels(parameters, today=new.today)
        new = dataclasses.replace(new, results=again)
    states = {"old": old, "new": new}
    grounds = {"old": Snapshot.of_state(old, territory)}
    same_people = _holds_same(old.population, new.population)
    grounds["new"] = grounds["old"] if same_people else Snapshot.of_state(new, territory)

    def measure(initiatives: Initiatives, side: Side) -> Mapping[Level, Coverage]:
        state = states[side]
        if initiatives is state.initiatives and not state.erased and state.method == METHOD:
            return state.results  # measured again they come out the same, to the last digit
        return grounds[side].levels(parameters, today=state.today, initiatives=initiatives)

    return changes.compare_states(
        old,
        new,
        territory.municipalities,
        measure=measure,
        counts=lambda initiatives, side: select_places(
            initiatives, parameters, today=states[side].today
        ),
    )


def _holds_same(one: Population, other: Population) -> bool:
    """Say whether two populations have the same people at the same points."""
    return one.basis == other.basis and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "people")
        for name in ("ags", "x_m", "y_m", "people")
    )


def _as_of_now(
    current: Snapshot, old: DatedState, parameters: CoverageParameters, today: dt.date
) -> DatedState:
    """Return the current snapshot as a state; where a demand is gone, among its people of then."""
    slugs = {demand.name: demand.slug for demand in current.demands}
    name = old.population.name
    if name and name not in slugs:
        current = Snapshot(
            current.revision,
            current.changed_at,
            current.initiatives,
            old.population,
            current.territory,
        )
    return current.as_state(
        CURRENT,
        CURRENT,
        parameters,
        today=today,
        taken_at=current.changed_at,
        demand=slugs.get(name),
    )


def _frozen(value: Any) -> Any:
    """Return what JSON made lists of as tuples again."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


# ------------------------------------------------------------------------------ holder


@dataclass(frozen=True, slots=True)
class HolderStatus:
    """What a holder serves, and since when it has not reached the store, with the reason."""

    revision: int | None
    changed_at: dt.datetime | None
    unreachable_since: dt.datetime | None
    error: str | None


class SnapshotHolder:
    """Keeps the current snapshot of a store, for all threads of a process.

    It asks the store at most once in `min_interval_s`, and only when somebody asks it. One
    thread then builds the new snapshot while the others are given the last one. When the
    store is out of reach the last good snapshot is served on; attempts get rarer, so that a
    store that hangs holds up one caller in ten seconds at the most.

    Parameters
    ----------
    store
        Read only.
    territory
        Shared by all snapshots.
    clock
        Seconds that never run backwards.
    now
        The time of day, for `status`.
    min_interval_s
        Seconds between two questions to the store, >= 0.
    """

    def __init__(
        self,
        store: Store,
        territory: Territory,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        min_interval_s: float = 1.0,
    ) -> None:
        self._store = store
        self._territory = territory
        self._clock = clock
        self._now = now
        self._min_interval_s = min_interval_s
        self._states = _Derived(max_values=_STATES_KEPT)
        self._snapshot: Snapshot | None = None
        self._trouble: tuple[dt.datetime, str] | None = None
        self._next_question = clock()
        self._asking = threading.Lock()

    def current(self, *, at_least: int = 0) -> Snapshot:
        """Return the snapshot of the current revision, or of the last one that was read.

        Parameters
        ----------
        at_least
            A revision that the caller has seen, perhaps from another process: where the last
            one that was read is older, the store is asked at once.

        Raises
        ------
        StoreError
            If the store was never reached.
        """
        served = self._snapshot
        behind = served is not None and served.revision < at_least and not self._trouble
        if (self._due() or behind) and self._asking.acquire(blocking=served is None or behind):
            try:
                if self._due() or (behind and self._snapshot is served):
                    self._ask()
            finally:
                self._asking.release()
        if self._snapshot is None:
            reason = self._trouble[1] if self._trouble else "not asked yet"
            raise StoreError(f"no revision could be read so far: {reason}")
        return self._snapshot

    def read_state(self, snapshot: Snapshot, slug: str) -> DatedState:
        """Return a dated state whole; read from the store once per revision.

        Raises
        ------
        NotFoundError
            If there is none, or no longer.
        StoreError
            If the store is out of reach.
        """
        return snapshot.derive(("dated state", slug), lambda: self._store.read_state(slug))

    def snapshot_of(self, snapshot: Snapshot, state: DatedState) -> Snapshot:
        """Return a dated state, read at the revision of `snapshot`, as a snapshot itself.

        The last two are kept, whoever asked for them: each holds much that is derived.
        """
        key = (snapshot.revision, snapshot.changed_at, state.slug)
        return self._states.get(key, lambda: Snapshot.of_state(state, snapshot.territory))

    def status(self) -> HolderStatus:
        """Say what is served and whether the store was reached the last time."""
        snapshot, trouble = self._snapshot, self._trouble
        return HolderStatus(
            revision=snapshot.revision if snapshot else None,
            changed_at=snapshot.changed_at if snapshot else None,
            unreachable_since=trouble[0] if trouble else None,
            error=trouble[1] if trouble else None,
        )

    @property
    def store_reachable(self) -> bool:
        """Whether the store answered the last time it was asked."""
        return self._trouble is None

    def _due(self) -> bool:
        return self._clock() >= self._next_question

    def _ask(self) -> None:
        asked_at = self._clock()
        try:
            self._refresh()
        except GeoServiceError as error:
            since = self._trouble[0] if self._trouble else self._now()
            self._trouble = (since, str(error))
            waited_s = self._clock() - asked_at
            self._next_question = self._clock() + max(self._min_interval_s, 9 * waited_s)
        else:
            self._trouble = None
            self._next_question = asked_at + self._min_interval_s

    def _refresh(self) -> None:
        served = self._snapshot
        if served is None or self._store.latest() != (served.revision, served.changed_at):
            self._snapshot = Snapshot.of(self._store.read(), self._territory)
