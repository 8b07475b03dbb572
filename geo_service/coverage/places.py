"""Which records count as places, where they are, and how good they are."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from geo_service.coverage.spots import hash_texts
from geo_service.coverage.terrain import sums, to_metres
from geo_service.errors import QueryError, SchemaError
from geo_service.schema import FINE_PRECISIONS, PRECISIONS, Initiatives, Municipalities

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from geo_service.coverage.parameters import CoverageParameters

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """What became of the records: ``selected == counted + outside + unplaced``.

    `selected` pass the filter; `counted` stand in a municipality and are what `places` of
    every level adds up to; `outside` have a point, but in no municipality: they reach people
    near the border and count in no area; `unplaced` have no point and count nowhere.
    """

    records: int
    selected: int
    counted: int
    outside: int
    unplaced: int


def select_places(
    initiatives: Initiatives, parameters: CoverageParameters, *, today: dt.date | None = None
) -> Bools:
    """Return for each record whether it passes the filter.

    A record passes that is of one of the categories and of one of the themes (none given:
    any), whose point is not coarser than `minimum_precision`, and that was stated or
    confirmed within `current_within_months` before `today`. A record without a point has
    none that is too coarse, and passes.

    Raises
    ------
    QueryError
        If `current_within_months` is set and `today` is not given.
    """
    chosen = np.ones(len(initiatives), dtype=bool)
    if parameters.categories:
        chosen &= _is_one_of(initiatives["category"], parameters.categories)
    if parameters.themes:
        chosen &= _is_one_of(initiatives["theme"], parameters.themes)
    if parameters.minimum_precision is not None:
        coarser = PRECISIONS[PRECISIONS.index(parameters.minimum_precision) + 1 :]
        chosen &= ~_is_one_of(initiatives["coordinate_precision"], coarser)
    if parameters.current_within_months is not None:
        if today is None:
            raise QueryError("today: expected a date to judge current_within_months by, got None")
        chosen &= _latest_days(initiatives) >= _day_before(today, parameters.current_within_months)
    return chosen


def count_places(
    initiatives: Initiatives,
    municipalities: Municipalities,
    *,
    parameters: CoverageParameters,
    today: dt.date | None = None,
) -> PlaceCount:
    """Count the records that pass the filter, and those of them that no area has.

    Raises
    ------
    QueryError
        If `current_within_months` is set and `today` is not given.
    """
    chosen = select_places(initiatives, parameters, today=today)
    inside = pd.Index(municipalities["ags"]).get_indexer(initiatives["ags"]) >= 0
    has_point = initiatives.geometry.notna().to_numpy()
    return PlaceCount(
        records=len(initiatives),
        selected=int(chosen.sum()),
        counted=int((chosen & inside).sum()),
        outside=int((chosen & has_point & ~inside).sum()),
        unplaced=int((chosen & ~has_point).sum()),
    )


@dataclass(frozen=True, slots=True)
class Places:
    """The places that pass the filter, by the distinct points where they stand.

    A place is movable where its point is rough and in a municipality: it may stand anywhere
    there. The points are in the order of their coordinates, the movable places in that of
    their hashes, whatever the records' order.

    Parameters
    ----------
    xy_m
        The distinct points, shape (n, 2) in EPSG:25832.
    capacity, fixed_capacity
        Places at each point that take part in E2SFCA, all and those that are not movable:
        they stand in a municipality whose people are known.
    fixed
        Whether a place stands at the point that is not movable.
    rough_hash, rough_home
        Hash of the id, and row of the municipality, of each movable place.
    counts
        Per municipality: `places`, `rough` (movable), `stale` and `undated` ones.
    """

    xy_m: Floats
    capacity: Floats
    fixed_capacity: Floats
    fixed: Bools
    rough_hash: NDArray[np.uint64]
    rough_home: Ints
    counts: dict[str, NDArray[np.int64]]

    @classmethod
    def of(
        cls,
        initiatives: Initiatives,
        index: pd.Index[Any],
        parameters: CoverageParameters,
        today: dt.date,
        unknown: Bools,
    ) -> Places:
        """Take the places from the records.

        `index` holds the municipalities' keys, `unknown` says whose people are not known.
        """
        points = np.asarray(initiatives.geometry.array)
        rows = np.flatnonzero(
            select_places(initiatives, parameters, today=today) & ~shapely.is_missing(points)
        )
        municipality = index.get_indexer(initiatives["ags"].array[rows])
        inside = municipality >= 0
        shared = inside & ~unknown[municipality]
        fine = _is_one_of(initiatives["coordinate_precision"], FINE_PRECISIONS)[rows]
        latest = _latest_days(initiatives)[rows]
        kinds = {
            "places": inside,
            "rough": inside & ~fine,
            "stale": inside
            & (latest > 0)
            & (latest < _day_before(today, parameters.stale_after_months)),
            "undated": inside & (latest == 0),
        }
        lon_lat = shapely.get_coordinates(points[rows])
        spots, at = np.unique(lon_lat[:, 0] + 1j * lon_lat[:, 1], return_inverse=True)
        fixed = ~kinds["rough"]
        hashes = hash_texts(initiatives["id"].array[rows[~fixed]])
        home = municipality[~fixed]
        order = np.lexsort((home, hashes))
        return cls(
            to_metres(spots.real, spots.imag),
            sums(at, shared, len(spots)),
            sums(at, shared & fixed, len(spots)),
            sums(at, fixed, len(spots)) > 0,
            hashes[order],
            home[order],
            {
                name: np.bincount(municipality[chosen], minlength=len(index))
                for name, chosen in kinds.items()
            },
        )


# -------------------------------------------------------------------------------- helpers


def _is_one_of(values: pd.Series[str], names: Collection[str]) -> Bools:
    return values.isin(list(names)).to_numpy(dtype=bool)


def _latest_days(initiatives: Initiatives) -> NDArray[np.int64]:
    """Return the last day each record was stated or confirmed as JJJJMMTT; 0: unknown."""
    stated = _last_days(initiatives["source_date"])
    return np.maximum(stated, _last_days(initiatives["confirmed_on"]))


def _last_days(dates: pd.Series[str]) -> NDArray[np.int64]:
    """Return the last day of each stated period as a number JJJJMMTT; 0 where unknown."""
    codes, texts = pd.factorize(dates)
    numbers = np.array([*(_last_day(str(text)) for text in texts), 0], dtype=np.int64)
    return numbers[codes]


def _last_day(text: str) -> int:
    try:
        if len(text) == 4:
            return _day_number(dt.date(int(text), 12, 31))
        if len(text) == 7:
            first = dt.date.fromisoformat(f"{text}-01")
            return _day_number(first.replace(day=calendar.monthrange(first.year, first.month)[1]))
        return _day_number(dt.date.fromisoformat(text))
    except ValueError as error:
        raise SchemaError(
            f"Initiatives: expected a date JJJJ, JJJJ-MM or JJJJ-MM-TT, got {text!r}"
        ) from error


def _day_number(day: dt.date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _day_before(today: dt.date, months: int) -> int:
    """Return the same day `months` earlier, or that month's last day, as JJJJMMTT."""
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return _day_number(dt.date(year, month + 1, min(today.day, last)))
