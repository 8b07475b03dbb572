"""Records -> initiatives: each its point, of the file, an online geocoder or the gazetteer."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo_service.geocoding.cache import HIT_DAYS, MISS_DAYS, decode, encode
from geo_service.schema import (
    FINE_PRECISIONS,
    GEOCODE_COLUMNS,
    INITIATIVE_COLUMNS,
    WGS84,
    Address,
    Ambiguous,
    Failed,
    Found,
    NotFound,
    as_columns,
    check_initiatives,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geo_service.geocoding.cache import GeocodeCache
    from geo_service.geocoding.choice import FindAgs
    from geo_service.geocoding.gazetteer_geocoder import PlaceFinder
    from geo_service.geocoding.online import OnlineGeocoder
    from geo_service.schema import GeocodeResult, Initiatives, Precision, Records

    Progress: TypeAlias = Callable[[int, int, float], None]

FILE_SOURCE: Final = "Angabe in der Datei"
FILE_LICENCE: Final = "wie die Quelle des Eintrags"


def geocode_records(
    records: Records,
    *,
    gazetteer: PlaceFinder,
    today: dt.date,
    online: OnlineGeocoder | None = None,
    cache: GeocodeCache | None = None,
    find_ags: FindAgs | None = None,
    progress: Progress | None = None,
) -> Initiatives:
    """Give each record its point with source, precision, score, date and licence.

    Coordinates in the file win. Else a record with a street is asked `online`, where that is
    given; and whatever has no finer point gets the gazetteer's.

    Parameters
    ----------
    records
        Coordinates in degrees (EPSG:4326) or missing.
    gazetteer
        Finds Orte and municipalities offline.
    today
        Date of what is found now; cached answers keep theirs and expire counted from it.
    online
        Asked once per distinct address; None: nothing leaves the house.
    cache
        Keeps online hits for 180 days and misses for 30, so that a run that was interrupted
        goes on where it stopped. Never keeps a failure.
    find_ags
        Degrees to AGS in bulk, to prefer hits in the stated municipality.
    progress
        Called after each online address with done, total and the remaining seconds.

    Returns
    -------
    initiatives
        One row in, one row out, order kept; `ags` and `municipality_check` are missing yet.
    """
    addresses = stated_addresses(records)
    needs = records["lon"].isna().to_numpy()
    distinct = dict.fromkeys(a for a, needed in zip(addresses, needs, strict=True) if needed)
    finer: Mapping[Address, GeocodeResult] = {}
    if online is not None:
        asked = [address for address in distinct if address.street]
        run = _Run(online, gazetteer, cache, find_ags, today)
        finer = run.find_all(asked, progress)
    outcomes = {a: _combine(finer.get(a), gazetteer.find(a)) for a in distinct}
    dates = records["source_date"].where(records["source_date"].notna(), today.isoformat())
    rows = [
        outcomes[address] if needed else _from_file(address, lon, lat, str(date))
        for address, needed, lon, lat, date in zip(
            addresses, needs, records["lon"], records["lat"], dates, strict=True
        )
    ]
    return _initiatives(records, rows)


def stated_addresses(records: Records) -> list[Address]:
    """Return the address of each row; equal addresses are one object."""
    table = records[[part.name for part in fields(Address)]].astype(object)
    rows = list(table.where(table.notna(), None).itertuples(index=False, name=None))
    known = {row: Address(*row) for row in dict.fromkeys(rows)}
    return [known[row] for row in rows]


@dataclass(frozen=True, slots=True)
class _Run:
    """One pass over the distinct addresses of an import."""

    online: OnlineGeocoder
    gazetteer: PlaceFinder
    cache: GeocodeCache | None
    find_ags: FindAgs | None
    today: dt.date

    def find_all(
        self, addresses: Sequence[Address], progress: Progress | None
    ) -> dict[Address, GeocodeResult]:
        """Answer from the cache what it knows, then ask for the rest, each address once."""
        results: dict[Address, GeocodeResult] = {}
        groups: dict[str, list[Address]] = {}
        for address in addresses:
            groups.setdefault(self.online.cache_key(address), []).append(address)
        wanted = []
        for key, group in groups.items():
            known = decode(self.cache.get(key)) if self.cache is not None else None
            if known is None:
                wanted.append(key)
            else:
                results.update(dict.fromkeys(group, known))
        self.online.start_run(len(wanted))
        start = self.online.clock()
        for done, key in enumerate(wanted, start=1):
            result = self._find(groups[key][0], key)
            results.update(dict.fromkeys(groups[key], result))
            if progress is not None:
                spent = self.online.clock() - start
                progress(done, len(wanted), spent / done * (len(wanted) - done))
        return results

    def _find(self, address: Address, key: str) -> GeocodeResult:
        stated = self.gazetteer.municipality_candidates(address)
        result = self.online.find(address, today=self.today, stated=stated, find_ags=self.find_ags)
        if self.cache is not None and isinstance(result, Found | NotFound):
            days = HIT_DAYS if isinstance(result, Found) else MISS_DAYS
            midnight = dt.datetime.combine(self.today, dt.time(), tzinfo=dt.UTC)
            self.cache.put(key, encode(result), midnight + dt.timedelta(days=days))
        return result


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What geocoding says about one record."""

    status: str
    note: str
    lon: float = math.nan
    lat: float = math.nan
    source: str | None = None
    precision: str | None = None
    score: float = math.nan
    date: str | None = None
    licence: str | None = None


def _from_file(address: Address, lon: float, lat: float, date: str) -> _Outcome:
    """Take coordinates that the file states, as fine as the address beside them."""
    precision: Precision = "locality"
    if address.street:
        precision = "address" if address.house_number else "street"
    return _Outcome(
        "found",
        "Koordinaten aus der Datei",
        lon,
        lat,
        FILE_SOURCE,
        precision,
        1.0,
        date,
        FILE_LICENCE,
    )


def _combine(finer: GeocodeResult | None, rough: GeocodeResult) -> _Outcome:
    """Join the online answer, where there is one, with the gazetteer's.

    A finer online point wins; else the gazetteer's, with a note on why no finer one was had.
    A failure online stays a failure where the gazetteer has no point either.
    """
    if finer is None:
        return _outcome(rough)
    if isinstance(finer, Found) and (
        finer.precision in FINE_PRECISIONS or not isinstance(rough, Found)
    ):
        return _outcome(finer)
    note = f"nur Ort gefunden: {finer.label}" if isinstance(finer, Found) else _note(finer)
    note = f"ohne genaueren Punkt ({finer.source}: {note})"
    if isinstance(rough, Found):
        outcome = _outcome(rough)
        return replace(outcome, note=f"{outcome.note}; {note}")
    first = finer if isinstance(finer, Failed | Ambiguous) else rough
    return _Outcome(_status(first), f"{_note(rough)}; {note}")


def _outcome(result: GeocodeResult) -> _Outcome:
    if not isinstance(result, Found):
        return _Outcome(_status(result), _note(result))
    return _Outcome(
        "found",
        result.label,
        result.lon,
        result.lat,
        result.source,
        result.precision,
        result.score,
        result.date.isoformat(),
        result.licence,
    )


def _status(result: NotFound | Ambiguous | Failed) -> str:
    if isinstance(result, Failed):
        return f"failed:{result.kind}"
    return "ambiguous" if isinstance(result, Ambiguous) else "not_found"


def _note(result: NotFound | Ambiguous | Failed, most: int = 5) -> str:
    if isinstance(result, Failed):
        return f"failed:{result.kind} – {result.detail}"
    if isinstance(result, Ambiguous):
        labels = [candidate.label for candidate in result.candidates[:most]]
        rest = len(result.candidates) - most
        more = f" und {rest} weitere" if rest > 0 else ""
        return f"{result.reason}: {'; '.join(labels)}{more}"
    return result.reason


def _initiatives(records: Records, rows: Sequence[_Outcome]) -> Initiatives:
    values: dict[str, list[Any]] = {
        "coordinate_status": [row.status for row in rows],
        "coordinate_source": [row.source for row in rows],
        "coordinate_precision": [row.precision for row in rows],
        "coordinate_score": [row.score for row in rows],
        "coordinate_date": [row.date for row in rows],
        "coordinate_licence": [row.licence for row in rows],
        "coordinate_note": [row.note for row in rows],
    }
    proof = as_columns(values, GEOCODE_COLUMNS)
    table = pd.concat([records, proof], axis="columns")[[*INITIATIVE_COLUMNS]]
    lon = np.array([row.lon for row in rows], dtype="float64")
    lat = np.array([row.lat for row in rows], dtype="float64")
    points = np.full(len(rows), None, dtype=object)
    placed = ~np.isnan(lon)
    points[placed] = shapely.points(lon[placed], lat[placed])
    return check_initiatives(gpd.GeoDataFrame(table, geometry=points, crs=WGS84))
