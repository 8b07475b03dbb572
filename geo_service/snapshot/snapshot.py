"""One immutable view of the store at one revision, and what is measured of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from geo_service import __version__
from geo_service import demand as demands
from geo_service.coverage import (
    METHOD,
    CoverageParameters,
    Terrain,
    measure_terrain,
)
from geo_service.errors import NotFoundError
from geo_service.population import complete_grid, has_seats
from geo_service.schema import LEVELS
from geo_service.snapshot.derived import ANSWER_BYTES, Derived
from geo_service.store import DatedState

if TYPE_CHECKING:
    from geo_service.schema import (
        Areas,
        Coverage,
        Demand,
        Initiatives,
        Level,
        Municipalities,
        Population,
    )
    from geo_service.snapshot.territory import Territory
    from geo_service.store import RecordLog, StateSummary, StoredState

T = TypeVar("T")

MOST_TERRAIN_BYTES: Final = 100_000_000
"""What a terrain remembers, of what the figures of a snapshot may hold (`derived.MOST_BYTES`)."""

STATE_VALUES: Final = 64
STATE_BYTES: Final = 64_000_000
STATE_ANSWER_BYTES: Final = 16_000_000
STATE_TERRAIN_BYTES: Final = 48_000_000
"""What a dated state may hold: less than the present, for few look at it."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything readers see, at one revision. Never change a table of it.

    `population` is the loaded grid, whole (`complete_grid`: one loaded by an earlier version was
    not), or, where none is loaded, the seats of the municipalities; its `basis` says which.
    `demands` are the loaded figures of other people, `states` the list of dated states, oldest
    first; `log` says when records came, changed and went.
    """

    revision: int
    changed_at: dt.datetime
    initiatives: Initiatives
    population: Population
    territory: Territory
    demands: tuple[Demand, ...] = ()
    states: tuple[StateSummary, ...] = ()
    log: RecordLog | None = None
    _derived: Derived = field(default_factory=Derived, repr=False)
    _answers: Derived = field(default_factory=partial(Derived, max_bytes=ANSWER_BYTES), repr=False)
    _terrain_bytes: int = field(default=MOST_TERRAIN_BYTES, repr=False)

    @classmethod
    def of(cls, state: StoredState, territory: Territory) -> Snapshot:
        """Make the snapshot of what was read from the store in one transaction."""
        return cls(
            revision=state.revision,
            changed_at=state.changed_at,
            initiatives=state.initiatives,
            population=complete_grid(state.population or territory.seats, territory.seats),
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
            _derived=Derived(STATE_VALUES, STATE_BYTES),
            _answers=Derived(STATE_VALUES, STATE_ANSWER_BYTES),
            _terrain_bytes=STATE_TERRAIN_BYTES,
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

    def keep_answer(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` writes or arranges for one choice; like `derive`, kept apart.

        There are more choices than can be kept, and to think of another one costs nothing:
        what is quickly made of one drives out its like, never what it is made from.
        """
        return self._answers.get(key, make)

    @property
    def seats_in_grid(self) -> bool:
        """Whether the grid has the people of some municipalities at their seats."""
        return has_seats(self.population)

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
        most_pairs: int | None = None,
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
        most_pairs
            What is not measured yet may go through so many pairs of people and place.

        Raises
        ------
        NotFoundError, QueryError
            As `demand`.
        TooLargeError
            As `measure_terrain`.
        """
        chosen = parameters or CoverageParameters()
        if initiatives is not None:
            return measure_terrain(
                initiatives,
                self.terrain(demand),
                parameters=chosen,
                today=today,
                levels=wanted,
                most_pairs=most_pairs,
            )
        return self.derive(
            ("coverage", chosen, today, demand),
            lambda: measure_terrain(
                self.initiatives,
                self.terrain(demand),
                parameters=chosen,
                today=today,
                most_pairs=most_pairs,
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
