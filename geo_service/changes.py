"""Two dated states beside each other: what really changed, and what is only known better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo_service.names import fold
from geo_service.schema import (
    GEOCODE_COLUMNS,
    KEY_COLUMN,
    LEVELS,
    METRIC_CRS,
    PRECISIONS,
    PUBLIC_COLUMNS,
    WGS84,
    Coverage,
    Initiatives,
    Level,
    Municipalities,
    check_initiatives,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Results = Mapping[Level, Coverage]
    Bools = NDArray[np.bool_]
    _Row = Mapping[Any, Any]

__all__ = [
    "CROSSINGS",
    "CROSSING_NAMES",
    "INDICATORS",
    "KINDS",
    "KIND_NAMES",
    "PARTS",
    "PART_NAMES",
    "RANGED",
    "REAL_KINDS",
    "Changes",
    "Kind",
    "RecordChange",
    "Side",
    "State",
    "compare_states",
]

Kind: TypeAlias = Literal[
    "added",
    "gone",
    "moved",
    "better_coordinate",
    "rougher_coordinate",
    "confirmed",
    "recategorised",
    "reworded",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
KIND_NAMES: Final[Mapping[Kind, tuple[str, str]]] = {
    "added": ("neuer Ort", "neue Orte"),
    "gone": ("Ort fehlt", "Orte fehlen"),
    "moved": ("Ort umgezogen", "Orte umgezogen"),
    "better_coordinate": ("Punkt genauer", "Punkte genauer"),
    "rougher_coordinate": ("Punkt ungenauer", "Punkte ungenauer"),
    "confirmed": ("Eintrag neu bestätigt", "Einträge neu bestätigt"),
    "recategorised": ("Eintrag anders eingeordnet", "Einträge anders eingeordnet"),
    "reworded": ("Eintrag anders beschrieben", "Einträge anders beschrieben"),
}
"""What one and what several such changes are called in German."""

REAL_KINDS: Final = frozenset({"added", "gone", "moved"})
"""What happened to a place; every other kind is something that is now known better."""

INDICATORS: Final = (
    "places",
    "places_per_10k",
    "people_reached",
    "share_reached",
    "people_beyond",
    "nearest_mean_m",
    "e2sfca",
)
RANGED: Final = ("people_reached", "share_reached", "people_beyond", "nearest_mean_m", "e2sfca")
"""The indicators that roughly located places make uncertain."""

PARTS: Final = ("data", "real", "rest")
"""What a difference is made of: better data, real change, and the rest: other figures of
people, the passing of time, records that were erased."""

PART_NAMES: Final = {"data": "bessere Daten", "real": "Veränderung", "rest": "Übriges"}

CROSSINGS: Final = ("became_gap", "no_longer_gap")
CROSSING_NAMES: Final = {"became_gap": "neue Lücke", "no_longer_gap": "keine Lücke mehr"}


Side: TypeAlias = Literal["old", "new"]


class State(Protocol):
    """What is compared: a dated state, or today in the form of one."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def boundaries(self) -> Mapping[str, str]:
        """Which boundaries it was measured in."""

    @property
    def initiatives(self) -> Initiatives:
        """Its records."""

    @property
    def results(self) -> Mapping[Level, Coverage]:
        """What was measured."""

    @property
    def erased(self) -> int:
        """How many of its records were erased since."""


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What became of one record; `distance_m` is how far its point moved, as the crow flies.

    The keys are the AGS of the municipalities it lies in, None where that is unknown.
    """

    id: str
    name: str
    kinds: tuple[Kind, ...]
    old_ags: str | None
    new_ags: str | None
    distance_m: float | None = None

    @property
    def real(self) -> bool:
        """Whether something happened to the place itself."""
        return not REAL_KINDS.isdisjoint(self.kinds)


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two states.

    `areas` has for each level a row per area: ``key``, ``name``, ``places_old``,
    ``places_new``, ``gained`` and ``lost`` (places that count there now and did not, and the
    reverse), ``gap_old``, ``gap_new``, ``judgement_old``, ``judgement_new``,
    ``municipalities_unknown_old``, ``municipalities_unknown_new``, ``crossed`` (one of
    `CROSSINGS`, else missing), ``crossed_by`` (the part that did it); and for each of
    `INDICATORS` the two values (``…_old``, ``…_new``), the difference (``…_change``) and its
    parts (``…_data``, ``…_real``, ``…_rest``), which add up to it exactly. Missing is unknown.
    Those of `RANGED` have ranges as well: of both values (``…_old_low``, ``…_old_high``,
    ``…_new_low``, ``…_new_high``) and of the difference (``…_change_low``, ``…_change_high``),
    in nine of ten layouts of the roughly located places. ``…_unsure``: there is a difference,
    and none at all lies within its range.

    Where `boundaries_changed`, only stored figures are compared: the parts and the ranges of
    differences are missing.
    `erased_old` and `erased_new` count the records that each has lost by erasure since.
    `measured_anew` are the dated states whose figures are not those published.
    """

    old: str
    new: str
    records: tuple[RecordChange, ...]
    areas: Mapping[Level, pd.DataFrame]
    boundaries_changed: bool
    erased_old: int
    erased_new: int
    measured_anew: frozenset[Side] = frozenset()

    def count(self, kind: Kind) -> int:
        """How many records changed in this way."""
        return sum(kind in record.kinds for record in self.records)


def compare_states(
    old: State,
    new: State,
    municipalities: Municipalities,
    *,
    measure: Callable[[Initiatives, Side], Results],
    spread: Callable[[], Mapping[Level, pd.DataFrame]],
    counts: Callable[[Initiatives, Side], Bools],
) -> Changes:
    """Say what changed from `old` to `new`, and how much of it is only better data.

    Between the two lie states that never were: the old places as they are known now (better
    data), then the new places among the old people (real change). Each step is measured;
    what is left belongs to neither.

    Parameters
    ----------
    old, new
        Their results must be of the same parameters and the same kind of people.
    municipalities
        The present ones.
    measure
        Measures any records with the people and on the day of the old or the new state.
    spread
        Measures the difference of both states and its range: by key, for each of `RANGED`
        the columns ``name``, ``name_low``, ``name_high``.
    counts
        Says which records pass the filter on the day of the old or the new state.
    """
    records = tuple(_compare_records(old.initiatives, new.initiatives))
    changed_land = old.boundaries != new.boundaries
    steps: tuple[Results, ...] | None = None
    if not changed_land:
        known_better = _known_better(old.initiatives, new.initiatives, records)
        steps = (
            measure(old.initiatives, "old"),
            measure(known_better, "old"),
            measure(new.initiatives, "old"),
            measure(new.initiatives, "new"),
        )
    flows = None if changed_land else _Flows.of(old, new, municipalities, counts)
    spreads = None if changed_land else spread()
    areas = {
        level: _compare_areas(level, old.results[level], new.results[level], steps, flows, spreads)
        for level in LEVELS
    }
    return Changes(old.name, new.name, records, areas, changed_land, old.erased, new.erased)


# -------------------------------------------------------------------------------- records

_PLACE: Final = ("street", "house_number", "postcode", "city", "municipality")
_DATES: Final = ("source_date", "confirmed_on")
_CLASS: Final = ("category", "theme")
_WORDS: Final = tuple(
    name
    for name in PUBLIC_COLUMNS
    if name not in {"id", *_DATES, *_CLASS} and name not in GEOCODE_COLUMNS
)
_COMPARED: Final = (*_WORDS, *_DATES, *_CLASS, "coordinate_precision", "ags")
_STREET: Final = re.compile(r"str(asse)?\b")


def _compare_records(old: Initiatives, new: Initiatives) -> Iterator[RecordChange]:
    """Yield what became of every record that is not the same, by id."""
    before, after = old.set_index("id"), new.set_index("id")
    shared = before.index.intersection(after.index)
    moved_m = _distances(before.loc[shared], after.loc[shared])
    differs = _differs(before.loc[shared], after.loc[shared]) | (moved_m > 0)
    distance = dict(zip(shared[differs], moved_m[differs].tolist(), strict=True))
    keys = sorted({*distance, *before.index.symmetric_difference(after.index)})
    was, now = (
        pd.DataFrame(table.loc[table.index.isin(keys), [*_COMPARED]]).to_dict("index")
        for table in (before, after)
    )
    for key in keys:
        if key not in now:
            yield _one_sided(key, was[key], "gone")
        elif key not in was:
            yield _one_sided(key, now[key], "added")
        else:
            change = _two_sided(key, was[key], now[key], distance[key])
            if change.kinds:
                yield change


def _one_sided(key: str, row: _Row, kind: Kind) -> RecordChange:
    ags = _known(row, "ags")
    there = (ags, None) if kind == "gone" else (None, ags)
    return RecordChange(key, _known(row, "name") or key, (kind,), *there)


def _two_sided(key: str, before: _Row, after: _Row, moved_m: float) -> RecordChange:
    found: dict[Kind, bool] = {
        "moved": _has_moved(before, after),
        "confirmed": any(
            (_known(after, name) or "") > (_known(before, name) or "") for name in _DATES
        ),
        "recategorised": any(_known(after, name) != _known(before, name) for name in _CLASS),
        "reworded": any(_known(after, name) != _known(before, name) for name in _WORDS),
    }
    if not found["moved"]:
        finer = _rank(after) - _rank(before)
        found["better_coordinate"] = finer < 0 or (finer == 0 and moved_m > 0)
        found["rougher_coordinate"] = finer > 0
    return RecordChange(
        key,
        _known(after, "name") or key,
        tuple(kind for kind in KINDS if found.get(kind)),
        _known(before, "ags"),
        _known(after, "ags"),
        None if np.isnan(moved_m) else moved_m,
    )


def _has_moved(before: _Row, after: _Row) -> bool:
    """Say whether the stated address is another one, not the same in other words.

    An address that was not stated before says more, not something else.
    """
    other = {name: _is_other(before, after, name) for name in (*_PLACE, "ags")}
    same_house = all(
        _known(before, name) and other[name] is False for name in ("street", "house_number")
    )
    return bool(
        other["street"]
        or other["house_number"]
        or (other["postcode"] and not same_house)
        or (other["ags"] and (other["city"] or other["municipality"]))
    )


def _is_other(before: _Row, after: _Row, name: str) -> bool | None:
    """Say whether both state this part of the address differently; None where one does not."""
    one, two = (_known(row, name) for row in (before, after))
    if one is None or two is None:
        return None
    return _plain(one) != _plain(two)


def _plain(text: str) -> str:
    """Return a part of an address without what is spelled in several ways.

    >>> _plain("Haupt-Str. 5 a") == _plain("Hauptstraße 5a")
    True
    """
    return _STREET.sub("str", fold(text)).replace(" ", "")


def _known(row: _Row, name: str) -> str | None:
    value = row[name]
    return value if isinstance(value, str) else None


def _rank(row: _Row) -> int:
    """Return how rough a point is; none at all is roughest."""
    precisions: tuple[str | None, ...] = (*PRECISIONS, None)
    return precisions.index(_known(row, "coordinate_precision"))


def _differs(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> Bools:
    differs = np.zeros(len(before), dtype=bool)
    for name in _COMPARED:
        one, two = before[name].to_numpy(), after[name].to_numpy()
        differs |= (one != two) & ~(pd.isna(one) & pd.isna(two))
    return differs


def _distances(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """Return how far each point moved, in metres in EPSG:25832; NaN where one has none."""
    one, two = (
        np.asarray(gpd.GeoSeries(table.geometry, crs=WGS84).to_crs(METRIC_CRS).array)
        for table in (before, after)
    )
    return np.asarray(shapely.distance(one, two), dtype=np.float64)


def _known_better(
    old: Initiatives, new: Initiatives, records: tuple[RecordChange, ...]
) -> Initiatives:
    """Return the old places with all that is known of them now, moved ones as they were."""
    real = {record.id for record in records if record.real}
    kept = old[old["id"].isin(real)]
    renewed = new[~new["id"].isin(real) & new["id"].isin(old["id"])]
    table = pd.concat([renewed, kept]).sort_values("id", ignore_index=True)
    return check_initiatives(gpd.GeoDataFrame(table, geometry="geometry", crs=WGS84))


# ---------------------------------------------------------------------------------- areas

_ENDS: Final = {
    "share_reached": ("share_low", "share_high"),
    "people_beyond": ("beyond_low", "beyond_high"),
    "nearest_mean_m": ("nearest_mean_low_m", "nearest_mean_high_m"),
    "e2sfca": ("e2sfca_low", "e2sfca_high"),
}
"""The columns of the range of an indicator."""

_NOISE: Final = 1e-9
"""What a difference is less than, as a part of its range, was added up in another order."""


@dataclass(frozen=True, slots=True)
class _Flows:
    """The ids that count on each side, with the keys of their areas at every level."""

    old: pd.DataFrame
    new: pd.DataFrame

    @classmethod
    def of(
        cls,
        old: State,
        new: State,
        municipalities: Municipalities,
        counts: Callable[[Initiatives, Side], Bools],
    ) -> _Flows:
        keys = pd.DataFrame(municipalities[list(KEY_COLUMN.values())])

        def counted(initiatives: Initiatives, side: Side) -> pd.DataFrame:
            chosen = initiatives.loc[counts(initiatives, side), ["id", "ags"]]
            return pd.DataFrame(chosen).merge(keys, on="ags")

        return cls(counted(old.initiatives, "old"), counted(new.initiatives, "new"))

    def per_area(self, level: Level, keys: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Return how many places each area gained and lost."""
        column = KEY_COLUMN[level]
        before, after = (
            set(zip(table["id"], table[column], strict=True)) for table in (self.old, self.new)
        )

        def count(pairs: set[tuple[str, str]]) -> pd.Series:
            found = pd.Series([key for _, key in pairs], dtype="str").value_counts()
            return keys.map(found).fillna(0).astype("Int64")

        return count(after - before), count(before - after)


def _compare_areas(
    level: Level,
    old: Coverage,
    new: Coverage,
    steps: tuple[Results, ...] | None,
    flows: _Flows | None,
    spreads: Mapping[Level, pd.DataFrame] | None,
) -> pd.DataFrame:
    """Return a row per area, as `Changes` documents; areas that one state lacks are unknown."""
    before, after = old.set_index("key"), new.set_index("key")
    keys = pd.Series(sorted({*before.index, *after.index}), dtype="str")
    before, after = before.reindex(keys), after.reindex(keys)
    parts: list[pd.DataFrame] | None = None
    if steps:
        parts = [pd.DataFrame(step[level]).set_index("key").reindex(keys) for step in steps]
    places = {
        "places_old": before["places"].astype("Int64").array,
        "places_new": after["places"].astype("Int64").array,
    }
    columns: dict[str, object] = {
        "key": keys.array,
        "name": after["name"].fillna(before["name"]).array,
        **places,
    }
    gained, lost = flows.per_area(level, keys) if flows else (None, None)
    for name, flow in (("gained", gained), ("lost", lost)):
        unknown = pd.Series(pd.NA, index=keys.index, dtype="Int64")
        columns[name] = (unknown if flow is None else flow).array
    for name in ("gap", "judgement"):
        columns |= {f"{name}_old": before[name].array, f"{name}_new": after[name].array}
    for side, table in (("old", before), ("new", after)):
        counts = table["municipalities_unknown"].astype("Int64")
        columns[f"municipalities_unknown_{side}"] = counts.array
    columns |= _crossings(before["gap"], after["gap"], parts)
    spread = spreads[level].reindex(keys) if spreads else None
    for name in INDICATORS:
        figures = _split(name, before[name], after[name], parts)
        columns |= figures
        if name in RANGED:
            columns |= _ranges(name, before, after, figures[f"{name}_change"], spread)
    return pd.DataFrame(columns | places)


def _split(
    name: str, old: pd.Series, new: pd.Series, parts: list[pd.DataFrame] | None
) -> dict[str, NDArray[np.float64]]:
    """Return both values, the difference and its parts; they add up to it exactly."""
    first, last = old.to_numpy(np.float64), new.to_numpy(np.float64)
    found = {f"{name}_old": first, f"{name}_new": last}
    if parts is None:
        unknown = np.full(len(first), np.nan)
        return found | {f"{name}_change": last - first} | {f"{name}_{p}": unknown for p in PARTS}
    steps = [part[name].to_numpy(np.float64) for part in parts]
    data, real = steps[1] - steps[0], steps[2] - steps[1]
    # Exactly 0 where nothing but the records differs: the steps begin and end at the results.
    rest = (steps[3] - steps[2]) + (steps[0] - first) + (last - steps[3])
    change = (data + real) + rest
    return found | {
        f"{name}_change": change,
        f"{name}_data": data,
        f"{name}_real": real,
        f"{name}_rest": rest,
    }


def _ranges(
    name: str,
    before: pd.DataFrame,
    after: pd.DataFrame,
    change: NDArray[np.float64],
    spread: pd.DataFrame | None,
) -> dict[str, object]:
    """Return the ranges of both values and of the difference, and whether that is unsure."""
    low = high = np.full(len(change), np.nan)
    if spread is not None:
        # Records that were erased, and another method, shift the difference.
        shift = change - spread[name].to_numpy()
        low = np.minimum(spread[f"{name}_low"].to_numpy() + shift, change)
        high = np.maximum(spread[f"{name}_high"].to_numpy() + shift, change)
    least = _NOISE * np.maximum(1, np.maximum(np.abs(low), np.abs(high)))
    unsure = (np.abs(change) > least) & (low <= least) & (high >= -least)
    return {
        **_ends(name, "old", before),
        **_ends(name, "new", after),
        f"{name}_change_low": low,
        f"{name}_change_high": high,
        f"{name}_unsure": pd.arrays.BooleanArray(unsure, np.isnan(low)),
    }


def _ends(name: str, side: Side, table: pd.DataFrame) -> dict[str, object]:
    """Return the ends of an indicator's range; those of the people reached are what is left."""
    if name == "people_reached":
        value, people = (table[column].to_numpy() for column in (name, "people_counted"))
        low = np.minimum(people - table["beyond_high"].to_numpy(), value)
        high = np.maximum(people - table["beyond_low"].to_numpy(), value)
    else:
        low, high = (table[column].to_numpy() for column in _ENDS[name])
    return {f"{name}_{side}_low": low, f"{name}_{side}_high": high}


def _crossings(
    old: pd.Series, new: pd.Series, parts: list[pd.DataFrame] | None
) -> dict[str, NDArray[np.object_]]:
    """Return which areas crossed the threshold, and by which part of the change."""
    was, now = (series.astype("boolean") for series in (old, new))
    crossed = np.full(len(was), np.nan, dtype=object)
    crossed[(~was & now).fillna(False).to_numpy(dtype=bool)] = CROSSINGS[0]
    crossed[(was & ~now).fillna(False).to_numpy(dtype=bool)] = CROSSINGS[1]
    crossed_by = np.full(len(was), np.nan, dtype=object)
    if parts is not None:
        hit = ~pd.isna(crossed)
        crossed_by[hit] = PARTS[2]
        for part, name in ((2, PARTS[1]), (1, PARTS[0])):
            there = (parts[part]["gap"].astype("boolean") == now).fillna(False)
            crossed_by[hit & there.to_numpy(dtype=bool)] = name
    return {"crossed": crossed, "crossed_by": crossed_by}
