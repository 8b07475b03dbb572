"""The places that a scenario makes of those of today, and what it changes, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from pyproj import Geod

from geo_service.coverage import select_places
from geo_service.formats import german_distance, german_number
from geo_service.scenarios import Scenario, ScenarioError, apply_scenario, scenario_pairs
from geo_service.schema import Initiatives
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    import datetime as dt

    import shapely

    from geo_service.scenarios import AddedPlace, MovedPlace
    from geo_service.snapshot import Snapshot, Territory
    from geo_service.web.planning.query import Choice

__all__ = [
    "Change",
    "changes_of",
    "planned_places",
    "scenario_name",
    "town_names",
]

Kind: TypeAlias = Literal["neu", "verlegt", "ohne"]
_GEOD: Final = Geod(ellps="GRS80")
_UNKNOWN: Final = "Gemeinde unbekannt"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a scenario.

    `text` is the whole of it in words. `pair` is parameter and text in the address, and
    `without` the scenario that lacks it. `lon` and `lat` are degrees (EPSG:4326), missing
    where a removed record has no point. `counts`: whether the place passes the filter.
    """

    kind: Kind
    name: str
    text: str
    where: str
    lon: float
    lat: float
    pair: tuple[str, str]
    without: Scenario
    id: str = ""
    counts: bool = True


def planned_places(snapshot: Snapshot, choice: Choice, today: dt.date) -> Initiatives:
    """Return the places of a choice's scenario, those of today where it changes none.

    Raises
    ------
    AddressError
        If the scenario names a place that there is not, or a point outside the Land.
    """
    if not choice.scenario:
        return snapshot.initiatives
    try:
        return apply_scenario(
            snapshot.initiatives,
            choice.scenario,
            find_ags=snapshot.territory.index.find,
            category=next(iter(choice.categories), None),
            theme=next(iter(choice.themes), None),
            today=today,
        )
    except ScenarioError as error:
        raise AddressError(error.parameter, str(error)) from error


def scenario_name(scenario: Scenario) -> str:
    """Return what a scenario is called, with its name where it has one.

    >>> scenario_name(Scenario("Plan B")), scenario_name(Scenario())
    ('Szenario „Plan B“', 'Szenario')
    """
    return f"Szenario „{scenario.title}“" if scenario.title else "Szenario"


def changes_of(snapshot: Snapshot, choice: Choice, today: dt.date) -> tuple[Change, ...]:
    """Say what the scenario of a choice changes: added, moved, then removed places.

    Every record that it names must be there, as `planned_places` checks.
    """
    scenario = choice.scenario
    if not scenario:
        return ()
    describe = _Describe(snapshot, choice, today)
    return (
        *(describe.added(number, one) for number, one in enumerate(scenario.added, 1)),
        *map(describe.moved, scenario.moved),
        *map(describe.removed, scenario.removed),
    )


class _Record(NamedTuple):
    """What is said of a record that a scenario changes; `counts` as in `Change`."""

    name: str
    ags: object
    point: shapely.Point | None
    counts: bool


def _records(
    snapshot: Snapshot, ids: list[str], choice: Choice, today: dt.date
) -> dict[str, _Record]:
    table = snapshot.initiatives
    rows = table.iloc[pd.Index(table["id"]).get_indexer(ids)].reset_index(drop=True)
    counts = select_places(Initiatives(rows), choice.parameters, today=today)
    columns = (rows["name"], rows["ags"], rows.geometry.array, counts.tolist())
    return {one: _Record(*facts) for one, *facts in zip(ids, *columns, strict=True)}


class _Describe:
    """Words for changes, with the names of the records and municipalities at hand."""

    def __init__(self, snapshot: Snapshot, choice: Choice, today: dt.date) -> None:
        self._scenario = choice.scenario
        territory = snapshot.territory
        self._towns = town_names(territory)
        points: list[AddedPlace | MovedPlace] = [*self._scenario.added, *self._scenario.moved]
        found = territory.index.find(
            np.array([one.lon for one in points]), np.array([one.lat for one in points])
        )
        self._at = {(p.lon, p.lat): ags for p, ags in zip(points, found, strict=True)}
        ids = [*(one.id for one in self._scenario.moved), *self._scenario.removed]
        self._records = _records(snapshot, ids, choice, today) if ids else {}

    def added(self, number: int, place: AddedPlace) -> Change:
        town = self._town(self._at[place.lon, place.lat])
        name = place.name or f"Neuer Ort {number}"
        text = f"Neu: {name} in {town} ({_degrees(place)})"
        rest = list(self._scenario.added)
        rest.remove(place)
        pair = scenario_pairs(Scenario(added=(place,)))[0]
        without = replace(self._scenario, added=tuple(rest))
        return Change("neu", name, text, town, place.lon, place.lat, pair, without)

    def moved(self, place: MovedPlace) -> Change:
        record = self._records[place.id]
        town, before = self._town(self._at[place.lon, place.lat]), self._town(record.ags)
        point = record.point
        way = f"in {town} an {_degrees(place)}, vorher ohne Punkt"
        if point is not None:
            _, _, length_m = _GEOD.inv(point.x, point.y, place.lon, place.lat)
            along = f"innerhalb von {town}" if town == before else f"von {before} nach {town}"
            way = f"{along}, {german_distance(length_m)} ({_degrees(place)})"
        rest = tuple(one for one in self._scenario.moved if one != place)
        return Change(
            "verlegt",
            record.name,
            f"Verlegt: {record.name} {way}",
            town,
            place.lon,
            place.lat,
            scenario_pairs(Scenario(moved=(place,)))[0],
            replace(self._scenario, moved=rest),
            place.id,
            record.counts,
        )

    def removed(self, place_id: str) -> Change:
        record = self._records[place_id]
        town, point = self._town(record.ags), record.point
        return Change(
            "ohne",
            record.name,
            f"Weggenommen: {record.name} in {town}",
            town,
            np.nan if point is None else float(point.x),
            np.nan if point is None else float(point.y),
            ("ohne", place_id),
            replace(
                self._scenario,
                removed=tuple(one for one in self._scenario.removed if one != place_id),
            ),
            place_id,
            record.counts,
        )

    def _town(self, ags: object) -> str:
        return str(self._towns.get(ags, _UNKNOWN)) if isinstance(ags, str) else _UNKNOWN


@lru_cache(maxsize=2)
def town_names(territory: Territory) -> dict[str, str]:
    """Return the names of the municipalities by key; made once per Land."""
    table = territory.municipalities
    return dict(zip(table["ags"], table["name"], strict=True))


def _degrees(place: AddedPlace | MovedPlace) -> str:
    return f"{german_number(place.lat, 4)}° N, {german_number(place.lon, 4)}° O"
