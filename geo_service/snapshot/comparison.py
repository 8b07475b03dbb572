"""Two dated states, or a dated state and the present, beside each other."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from geo_service import changes
from geo_service.coverage import METHOD, CoverageParameters, select_places
from geo_service.errors import QueryError
from geo_service.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from geo_service.changes import Changes, Side
    from geo_service.schema import Coverage, Initiatives, Level, Population
    from geo_service.snapshot.territory import Territory
    from geo_service.store import DatedState, StateSummary

CURRENT: Final = "jetzt"
"""What stands for the present records where a dated state is asked for; no state has it."""


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
