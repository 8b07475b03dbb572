"""What if: places added, moved and removed, as a value that lives in an address.

A `Scenario` is read from and written to the texts of an address (`read_scenario`,
`scenario_pairs`), and `apply_scenario` makes the table of places that would be. Nothing of it
is stored. The texts of errors are German, because they answer what planners typed.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo_service.errors import QueryError
from geo_service.schema import (
    INITIATIVE_COLUMNS,
    Initiatives,
    check_initiatives,
)
from geo_service.writing import plain

__all__ = [
    "MAX_CHANGES",
    "MAX_NAME",
    "PARAMETERS",
    "SOURCE",
    "AddedPlace",
    "MovedPlace",
    "Scenario",
    "ScenarioError",
    "apply_scenario",
    "read_scenario",
    "scenario_pairs",
]

FindAgs: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.object_]]

PARAMETERS: Final = ("neu", "verlegt", "ohne", "titel")
"""What addresses call added, moved and removed places, and the scenario's name."""

MAX_CHANGES: Final = 50
"""More do not fit into an address that every browser and proxy takes (8,000 characters)."""

MAX_NAME: Final = 80
"""Characters of a name or title; what is longer is shortened."""

SOURCE: Final = "Szenario"
"""What the points of a scenario name as their source."""

_MAX_ID: Final = 200
_MAX_SHOWN: Final = 60
_DECIMALS: Final = 5
"""Of a degree: about a metre."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,15})?", re.ASCII)
_ADDED: Final = "Länge,Breite oder Länge,Breite,Name wie 7.5886,50.3569,Neues Café"
_MOVED: Final = "Kennung,Länge,Breite wie ort-1,7.5886,50.3569"


class ScenarioError(QueryError):
    """A change of a scenario cannot be read, or not be made; `parameter` is where it stands."""

    def __init__(self, parameter: str, text: str) -> None:
        super().__init__(text)
        self.parameter = parameter


@dataclass(frozen=True, slots=True, order=True)
class AddedPlace:
    """A place that there is not yet. Degrees (EPSG:4326), rounded to about a metre."""

    lon: float
    lat: float
    name: str = ""

    def __post_init__(self) -> None:
        """Bring coordinates and name into their one form."""
        _round(self)
        object.__setattr__(self, "name", plain(self.name, MAX_NAME))


@dataclass(frozen=True, slots=True, order=True)
class MovedPlace:
    """Where a record would stand instead. Degrees (EPSG:4326), rounded to about a metre."""

    id: str
    lon: float
    lat: float

    def __post_init__(self) -> None:
        """Bring the coordinates into their one form."""
        _round(self)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What would be different; equal scenarios are equal values, in whatever order they came.

    Parameters
    ----------
    title
        Its name.
    added
        Planned places; two at one point are two.
    moved
        Records that would stand elsewhere, each once.
    removed
        Ids of records that would be gone.

    Raises
    ------
    ScenarioError
        If there are over `MAX_CHANGES`, or one record is changed twice.
    """

    title: str = ""
    added: tuple[AddedPlace, ...] = ()
    moved: tuple[MovedPlace, ...] = ()
    removed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Sort the changes and check that they fit together."""
        values = {
            "title": plain(self.title, MAX_NAME),
            "added": tuple(sorted(self.added)),
            "moved": tuple(sorted(set(self.moved))),
            "removed": tuple(sorted(set(self.removed))),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if len(self) > MAX_CHANGES:
            many = f"höchstens {MAX_CHANGES} Änderungen"
            raise _refused(self._fullest, many, f"{len(self)}")
        seen = set(self.removed)
        for one in self.moved:
            if one.id in seen:
                raise _refused("verlegt", "jeder Ort nur einmal verlegt oder weggenommen", one.id)
            seen.add(one.id)

    def __len__(self) -> int:
        """Return the number of changes."""
        return len(self.added) + len(self.moved) + len(self.removed)

    @property
    def _fullest(self) -> str:
        sizes = (len(self.added), len(self.moved), len(self.removed))
        return PARAMETERS[sizes.index(max(sizes))]


def read_scenario(
    *,
    added: Sequence[str] = (),
    moved: Sequence[str] = (),
    removed: Sequence[str] = (),
    title: str = "",
) -> Scenario:
    """Read the texts of an address; empty ones count as not given.

    Raises
    ------
    ScenarioError
        If one cannot be read; the message names the parameter, what was expected and what came.

    Examples
    --------
    >>> read_scenario(added=["7.5886,50.3569,Café, am Markt"], removed=["ort-1"]).added
    (AddedPlace(lon=7.5886, lat=50.3569, name='Café, am Markt'),)
    """
    return Scenario(
        title=title,
        added=tuple(_read_added(text) for text in added if text.strip()),
        moved=tuple(_read_moved(text) for text in moved if text.strip()),
        removed=tuple(_read_id("ohne", text) for text in removed if text.strip()),
    )


def scenario_pairs(scenario: Scenario) -> list[tuple[str, str]]:
    """Return parameters and texts of an address, which `read_scenario` reads back.

    >>> scenario_pairs(Scenario("Plan", removed=("ort-1",)))
    [('ohne', 'ort-1'), ('titel', 'Plan')]
    """
    return [
        *(("neu", ",".join(filter(None, (*_texts(one), one.name)))) for one in scenario.added),
        *(("verlegt", ",".join((one.id, *_texts(one)))) for one in scenario.moved),
        *(("ohne", one) for one in scenario.removed),
        *((("titel", scenario.title),) if scenario.title else ()),
    ]


def apply_scenario(
    initiatives: Initiatives,
    scenario: Scenario,
    *,
    find_ags: FindAgs,
    category: str | None = None,
    theme: str | None = None,
    today: dt.date | None = None,
) -> Initiatives:
    """Return the places that would be; `initiatives` stay as they are.

    The point of an added or moved place is where somebody wants it: exact, of the source
    "Szenario". A moved record keeps all else. An added place is to count whatever is asked
    for, so it takes `category`, `theme` and date from the question.

    Parameters
    ----------
    initiatives
        The places of today (EPSG:4326).
    scenario
        What would be different.
    find_ags
        Returns the AGS of the municipality that each of some points (lon, lat in degrees)
        lies in, None outside the Land.
    category, theme
        Of added places, so that they pass the filter of the question; None: unknown.
    today
        Their date, so that they are neither undated nor stale; None: unknown.

    Returns
    -------
    planned
        The records without the removed ones, in their order, then the added places.

    Raises
    ------
    ScenarioError
        If there is no such record, or a point lies outside the Land; the message names it.
    """
    moved_rows = _rows_of(initiatives, [one.id for one in scenario.moved], "verlegt")
    removed_rows = _rows_of(initiatives, scenario.removed, "ohne")
    moved_ags = _inside(scenario.moved, find_ags, "verlegt")
    added_ags = _inside(scenario.added, find_ags, "neu")
    kept = np.setdiff1d(np.arange(len(initiatives)), removed_rows)
    moved_at = np.searchsorted(kept, moved_rows)
    moved = {**_position(scenario.moved, today), "ags": moved_ags}
    added = {
        **_position(scenario.added, today),
        **_described(scenario.added, set(initiatives["id"]), category, theme, today),
        "ags": added_ags,
    }
    new_at = slice(len(kept), None)
    rows = np.concatenate([kept, np.full(len(scenario.added), -1)])
    columns: dict[str, Any] = {}
    for name, dtype in INITIATIVE_COLUMNS.items():
        missing = 0 if dtype == "int64" else None
        column = initiatives[name].array.take(rows, allow_fill=True, fill_value=missing)
        for at, values in ((moved_at, moved), (new_at, added)):
            if values.get(name):
                column[at] = values[name]
        columns[name] = column
    points = np.concatenate([np.asarray(initiatives.geometry.array)[kept], _points(scenario.added)])
    points[moved_at] = _points(scenario.moved)
    columns["geometry"] = gpd.array.GeometryArray(points, crs=initiatives.crs)
    return check_initiatives(gpd.GeoDataFrame(columns, geometry="geometry"))


def _described(
    places: Sequence[AddedPlace],
    taken: set[str],
    category: str | None,
    theme: str | None,
    today: dt.date | None,
) -> dict[str, list[Any]]:
    """Return what added places are, but for where."""
    free = (f"szenario-{n}" for n in range(1, len(taken) + len(places) + 1))
    same: dict[str, Any] = {
        "category": category,
        "theme": theme,
        "source": SOURCE,
        "source_date": today.isoformat() if today else None,
        "source_line": 0,
    }
    return {
        **{name: [value] * len(places) for name, value in same.items()},
        "id": list(itertools.islice((one for one in free if one not in taken), len(places))),
        "name": [one.name or f"Neuer Ort {n}" for n, one in enumerate(places, 1)],
    }


def _position(
    places: Sequence[AddedPlace | MovedPlace], today: dt.date | None
) -> dict[str, list[Any]]:
    """Return where planned places are, and how that is known."""
    same: dict[str, Any] = {
        "coordinate_status": "found",
        "coordinate_source": SOURCE,
        "coordinate_precision": "address",
        "coordinate_score": 1.0,
        "coordinate_date": today.isoformat() if today else None,
        "coordinate_licence": None,
        "coordinate_note": "geplant",
        "municipality_check": "unstated",
    }
    return {
        **{name: [value] * len(places) for name, value in same.items()},
        "lon": [one.lon for one in places],
        "lat": [one.lat for one in places],
    }


def _points(places: Sequence[AddedPlace | MovedPlace]) -> NDArray[np.object_]:
    if not places:
        return np.empty(0, dtype=object)
    return np.asarray(shapely.points([(one.lon, one.lat) for one in places]), dtype=object)


def _rows_of(initiatives: Initiatives, ids: Sequence[str], parameter: str) -> NDArray[np.intp]:
    if not ids:
        return np.empty(0, dtype=np.intp)
    rows = pd.Index(initiatives["id"]).get_indexer(list(ids))
    for one in np.flatnonzero(rows < 0):
        raise _refused(parameter, "die Kennung eines Ortes im Verzeichnis", ids[int(one)])
    return np.asarray(rows, dtype=np.intp)


def _inside(
    places: Sequence[AddedPlace | MovedPlace], find_ags: FindAgs, parameter: str
) -> list[str]:
    """Return the municipality of each place."""
    if not places:
        return []
    found = find_ags(np.array([p.lon for p in places]), np.array([p.lat for p in places]))
    for place, ags in zip(places, found.tolist(), strict=True):
        if not isinstance(ags, str):
            raise _refused(parameter, "ein Punkt im Land", ",".join(_texts(place)))
    return [str(ags) for ags in found.tolist()]


# -------------------------------------------------------------------------------- reading


def _read_added(text: str) -> AddedPlace:
    parts = text.split(",", 2)
    if len(parts) < 2:
        raise _refused("neu", _ADDED, text)
    lon, lat = _read_point("neu", parts[0], parts[1], _ADDED, text)
    return AddedPlace(lon, lat, parts[2] if len(parts) > 2 else "")


def _read_moved(text: str) -> MovedPlace:
    parts = text.rsplit(",", 2)
    if len(parts) < 3:
        raise _refused("verlegt", _MOVED, text)
    lon, lat = _read_point("verlegt", parts[1], parts[2], _MOVED, text)
    if not parts[0].strip():
        raise _refused("verlegt", _MOVED, text)
    return MovedPlace(_read_id("verlegt", parts[0]), lon, lat)


def _read_id(parameter: str, text: str) -> str:
    if len(text) > _MAX_ID:
        raise _refused(parameter, "die Kennung eines Ortes", text)
    return text.strip()


def _read_point(
    parameter: str, lon: str, lat: str, expected: str, text: str
) -> tuple[float, float]:
    lon, lat = lon.strip(), lat.strip()
    if not (_NUMBER.fullmatch(lon) and _NUMBER.fullmatch(lat)):
        raise _refused(parameter, expected, text)
    if abs(float(lon)) > 180 or abs(float(lat)) > 90:
        raise _refused(parameter, "ein Punkt in Grad, Länge zuerst", text)
    return float(lon), float(lat)


def _round(place: AddedPlace | MovedPlace) -> None:
    for name in ("lon", "lat"):
        rounded = round(float(getattr(place, name)), _DECIMALS) + 0.0  # -0.0 is 0.0
        object.__setattr__(place, name, rounded)


def _texts(place: AddedPlace | MovedPlace) -> tuple[str, str]:
    """Write the coordinates with no more digits than needed."""
    lon, lat = (
        f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".") for value in (place.lon, place.lat)
    )
    return lon, lat


def _refused(parameter: str, expected: str, got: str) -> ScenarioError:
    shown = plain(got, _MAX_SHOWN)
    text = f"Angabe „{parameter}“: Erwartet wird {expected}; gekommen ist „{shown}“."
    return ScenarioError(parameter, text)
