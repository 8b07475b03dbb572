"""Two dated states, or a dated state and the present, beside each other."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from geo_service import changes
from geo_service.coverage import (
    METHOD,
    CoverageParameters,
    Sample,
    measure_change,
    select_places,
)
from geo_service.errors import QueryError
from geo_service.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from pandas import DataFrame

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
        A state that was measured otherwise, or the current snapshot, is measured anew. If
        such a state lost records since, the old one is too: else they were a difference.
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
    anew = _measured_anew(old, new, territory)
    states: dict[Side, DatedState] = {"old": old, "new": new}
    grounds: dict[Side, Snapshot] = {"old": Snapshot.of_state(old, territory)}
    same_people = _holds_same(old.population, new.population)
    grounds["new"] = grounds["old"] if same_people else Snapshot.of_state(new, territory)
    for side in anew:
        day, records = states[side].today, states[side].initiatives
        again = grounds[side].levels(parameters, today=day, initiatives=records)
        states[side] = dataclasses.replace(states[side], results=again)

    def measure(initiatives: Initiatives, side: Side) -> Mapping[Level, Coverage]:
        state = states[side]
        as_now = side in anew or (not state.erased and state.method == METHOD)
        if initiatives is state.initiatives and as_now:
            return state.results  # measured again they come out the same, to the last digit
        return grounds[side].levels(parameters, today=state.today, initiatives=initiatives)

    def spread() -> Mapping[Level, DataFrame]:
        then, now = (
            Sample(states[side].initiatives, grounds[side].terrain(), states[side].today)
            for side in ("old", "new")
        )
        return measure_change(then, now, parameters=parameters)

    found = changes.compare_states(
        states["old"],
        states["new"],
        territory.municipalities,
        measure=measure,
        spread=spread,
        counts=lambda initiatives, side: select_places(
            initiatives, parameters, today=states[side].today
        ),
    )
    return dataclasses.replace(found, measured_anew=anew)


def _measured_anew(old: DatedState, new: DatedState, territory: Territory) -> frozenset[Side]:
    """Return which figures cannot be those published."""
    if parameters_of(new) == parameters_of(old):
        return frozenset()
    if new.boundaries != territory.boundaries:
        raise QueryError(
            f"states: expected the parameters of {old.name!r}, got others in {new.name!r},"
            " whose boundaries are no longer there to measure it anew"
        )
    both = new.erased > 0 and old.boundaries == new.boundaries
    return frozenset({"old", "new"} if both else {"new"})


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
