"""The contracts of the tables and small results that rooms hand each other.

A table is a `typing.NewType` of a (Geo)DataFrame and only its ``check_*`` function makes
one, so a raw frame, or two tables in the wrong order, is a type error.

Text columns have pandas' ``str`` dtype and missing text is ``NaN``: unknown is missing,
never "no", never an empty string. What crosses a door is EPSG:4326, x = lon, y = lat.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NewType, TypeAlias, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo_service.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

# --------------------------------------------------------------------------- vocabulary

Level: TypeAlias = Literal["gemeinde", "verbandsgemeinde", "kreis", "land"]
"""The four territorial levels, finest first; a level's key is a prefix of the ARS."""

LEVELS: Final[tuple[Level, ...]] = ("gemeinde", "verbandsgemeinde", "kreis", "land")
KEY_COLUMN: Final[Mapping[Level, str]] = {
    "gemeinde": "ags",
    "verbandsgemeinde": "verbandsgemeinde_key",
    "kreis": "kreis_key",
    "land": "land_key",
}
"""The column of `Municipalities` that holds a level's key (AGS 8 digits, 9, 5 and 2)."""

LAND_NAMES: Final[Mapping[str, str]] = {
    "01": "Schleswig-Holstein",
    "02": "Hamburg",
    "03": "Niedersachsen",
    "04": "Bremen",
    "05": "Nordrhein-Westfalen",
    "06": "Hessen",
    "07": "Rheinland-Pfalz",
    "08": "Baden-Württemberg",
    "09": "Bayern",
    "10": "Saarland",
    "11": "Berlin",
    "12": "Brandenburg",
    "13": "Mecklenburg-Vorpommern",
    "14": "Sachsen",
    "15": "Sachsen-Anhalt",
    "16": "Thüringen",
}
"""The Länder by the first two digits of every official key (Destatis, Gemeindeverzeichnis)."""

Precision: TypeAlias = Literal["address", "street", "postcode", "locality", "municipality"]
"""How exact a point is, finest first; a point is never called finer than its proof."""

PRECISIONS: Final[tuple[Precision, ...]] = (
    "address",
    "street",
    "postcode",
    "locality",
    "municipality",
)
FINE_PRECISIONS: Final = frozenset({"address", "street"})
"""Precisions a resident can walk to; every other point counts as roughly geocoded."""

THEMES: Final = (
    "Begegnungsorte",
    "Hauptamt und Ehrenamt",
    "Migrant*innen im Ehrenamt",
    "Unterstützung für das Ehrenamt",
)
"""The four Leitthemen of the Land's integration ministry (2018)."""

CATEGORY_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "begegnung": ("Begegnungsort", "Begegnungscafé", "Interkulturelles Zentrum"),
    "haus": ("Mehrgenerationenhaus", "Haus der Familie", "Bürgerhaus/Nachbarschaftshaus"),
    "initiative": ("Initiative/Helferkreis", "Freiwilligenagentur", "Sonstiges"),
    "beratung": ("Migrationsberatung", "Jugendmigrationsdienst", "Koordinierungsstelle"),
    "sprache": ("Sprachcafé/Sprachkurs",),
    "hilfe": ("Kleiderkammer/Möbelbörse", "Fahrradwerkstatt"),
}
"""The six groups that share a colour and a shape on maps, and their categories."""

CATEGORIES: Final = tuple(name for group in CATEGORY_GROUPS.values() for name in group)
GROUP_OF_CATEGORY: Final[Mapping[str, str]] = {
    name: group for group, names in CATEGORY_GROUPS.items() for name in names
}

WHEELCHAIR: Final = ("yes", "limited", "no")
"""Values of `wheelchair`, as OpenStreetMap uses them; unknown is missing."""

MunicipalityCheck: TypeAlias = Literal["match", "mismatch", "unstated"]

Judgement: TypeAlias = Literal["gap", "no_gap", "uncertain", "too_small", "unknown"]
"""Whether an area is a gap; `uncertain` where its range over layouts of rough points has both,
`too_small` where too few people are counted, `unknown` where no figure of people is known."""

JUDGEMENTS: Final[tuple[Judgement, ...]] = get_args(Judgement)

STALE_AFTER_MONTHS: Final = 24
"""A record neither confirmed nor stated within so many months counts as stale."""

WGS84: Final = "EPSG:4326"
METRIC_CRS: Final = "EPSG:25832"
"""ETRS89 / UTM 32N, the official CRS of Rheinland-Pfalz; lengths and areas in metres."""

# --------------------------------------------------------------------- small results


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault in one place of a file, or a hint about it.

    `line` counts from 1 as an editor or spreadsheet shows it (the heading is line 1), and
    is None where the whole file is meant; `column` is the heading as the file has it.
    An ``error`` keeps its row out; a ``warning`` does not.
    """

    file: str
    line: int | None
    column: str | None
    expected: str
    got: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = [self.file]
        if self.line is not None:
            where.append(f"line {self.line}")
        if self.column:
            where.append(self.column)
        return f"{', '.join(where)}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a record says it is, as stated; every part may be missing."""

    street: str | None = None
    house_number: str | None = None
    postcode: str | None = None
    city: str | None = None
    municipality: str | None = None
    verbandsgemeinde: str | None = None
    kreis: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of several places a name may mean."""

    label: str
    lon: float
    lat: float
    precision: Precision
    ags: str | None = None
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """A point (degrees, EPSG:4326) with its proof. `score` runs from 0 to 1."""

    lon: float
    lat: float
    precision: Precision
    score: float
    source: str
    licence: str
    date: dt.date
    label: str
    ags: str | None = None


@dataclass(frozen=True, slots=True)
class NotFound:
    """The geocoder answered, and knows no such place."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several places fit and nothing stated tells them apart: never guessed.

    Also a single place that contradicts what is stated besides; `reason` says so.
    """

    source: str
    candidates: tuple[Candidate, ...]
    reason: str = ""


FailureKind: TypeAlias = Literal[
    "timeout", "rate_limited", "unavailable", "bad_answer", "refused", "gave_up"
]


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer was had: an outage, never to be stored as "not found"."""

    source: str
    kind: FailureKind
    detail: str


GeocodeResult: TypeAlias = Found | NotFound | Ambiguous | Failed


PopulationBasis: TypeAlias = Literal["seat_points", "grid_1km", "grid_100m", "figures"]


@dataclass(frozen=True, slots=True)
class Population:
    """Where people live: weighted points in EPSG:25832, each in one municipality.

    `basis` says what the points are: ``seat_points`` (a municipality's whole population at
    its seat), ``grid_1km`` or ``grid_100m`` (cell centres of the Zensus grid, and the seats of
    municipalities in which it has nobody), ``figures`` (a loaded table of any people). All
    arrays have the same length. `people` is NaN where the figure is unknown: that point is in
    no sum. `name` says which people are meant; empty: the whole population.
    """

    basis: PopulationBasis
    source_note: str
    ags: NDArray[np.object_]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    people: NDArray[np.float64]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """Figures of any people per area of one level, as a table gave them.

    `figures` has every area of `level` by its key; None is unknown, never zero. `slug` names
    the demand in addresses; `as_of` is ``JJJJ``, ``JJJJ-MM``, ``JJJJ-MM-TT`` or unknown;
    `sha256` is the file's.
    """

    slug: str
    name: str
    level: Level
    figures: Mapping[str, float | None]
    source_note: str
    as_of: str | None = None
    sha256: str = ""

    @property
    def total(self) -> float:
        """The sum of the known figures."""
        return math.fsum(value for value in self.figures.values() if value is not None)

    @property
    def unknown(self) -> int:
        """How many areas have no figure."""
        return sum(value is None for value in self.figures.values())


# ------------------------------------------------------------------------------ tables

Records = NewType("Records", pd.DataFrame)
"""A valid input row each. Index: 0..n-1."""

Initiatives = NewType("Initiatives", gpd.GeoDataFrame)
"""A place or initiative each; geometry a Point in EPSG:4326 or None. Index: 0..n-1."""

Municipalities = NewType("Municipalities", gpd.GeoDataFrame)
"""A Gemeinde each; geometry a MultiPolygon in EPSG:4326. Index: 0..n-1, sorted by AGS."""

Areas = NewType("Areas", gpd.GeoDataFrame)
"""An area of one level each: key, name, level, population, area_km2, geometry (EPSG:4326)."""

Coverage = NewType("Coverage", pd.DataFrame)
"""An area of one level each with its indicators. Index: 0..n-1, in the areas' order."""

RECORD_COLUMNS: Final[Mapping[str, str]] = {
    "id": "str",
    "name": "str",
    "category": "str",
    "theme": "str",
    "organisation": "str",
    "street": "str",
    "house_number": "str",
    "postcode": "str",
    "city": "str",
    "municipality": "str",
    "verbandsgemeinde": "str",
    "kreis": "str",
    "website": "str",
    "opening_hours": "str",
    "offers": "str",
    "languages": "str",
    "wheelchair": "str",
    "lon": "float64",
    "lat": "float64",
    "source": "str",
    "source_date": "str",
    "confirmed_on": "str",
    "source_line": "int64",
}
"""`Records`: column -> dtype. `offers` and `languages` hold their items joined by ``"; "``;
`source` is the URL or text the row came from; `source_date` is ``JJJJ``, ``JJJJ-MM`` or
``JJJJ-MM-TT``; `confirmed_on` is ``JJJJ-MM-TT``; `lon`/`lat` are coordinates the file states."""

GEOCODE_COLUMNS: Final[Mapping[str, str]] = {
    "coordinate_status": "str",
    "coordinate_source": "str",
    "coordinate_precision": "str",
    "coordinate_score": "float64",
    "coordinate_date": "str",
    "coordinate_licence": "str",
    "coordinate_note": "str",
    "ags": "str",
    "municipality_check": "str",
}
"""What geocoding and joining add. `coordinate_status` is ``found``, ``not_found``,
``ambiguous`` or ``failed:<kind>``; `coordinate_note` says what was matched, or why not."""

INITIATIVE_COLUMNS: Final[Mapping[str, str]] = {**RECORD_COLUMNS, **GEOCODE_COLUMNS}

MUNICIPALITY_COLUMNS: Final[Mapping[str, str]] = {
    "ags": "str",
    "ars": "str",
    "name": "str",
    "designation": "str",
    "verbandsgemeinde": "str",
    "verbandsgemeinde_key": "str",
    "kreis": "str",
    "kreis_key": "str",
    "land_key": "str",
    "population": "int64",
    "area_km2": "float64",
    "postcode": "str",
    "seat_lon": "float64",
    "seat_lat": "float64",
    "seat_source": "str",
}
"""`Municipalities`. `verbandsgemeinde` is missing where the municipality belongs to none;
`verbandsgemeinde_key` is the first nine digits of the ARS all the same, so every
municipality is in exactly one unit of that level. `area_km2` is the official figure.
`seat_source` is ``official`` (the register's centre point) or ``surface``."""

AREA_COLUMNS: Final[Mapping[str, str]] = {
    "key": "str",
    "name": "str",
    "level": "str",
    "population": "int64",
    "area_km2": "float64",
}

COVERAGE_COLUMNS: Final[Mapping[str, str]] = {
    "key": "str",
    "name": "str",
    "level": "str",
    "population": "int64",
    "places": "int64",
    "places_per_10k": "float64",
    "people_counted": "float64",
    "people_reached": "float64",
    "share_reached": "float64",
    "share_low": "float64",
    "share_high": "float64",
    "people_beyond": "float64",
    "beyond_low": "float64",
    "beyond_high": "float64",
    "nearest_seat_m": "float64",
    "nearest_seat_low_m": "float64",
    "nearest_seat_high_m": "float64",
    "nearest_mean_m": "float64",
    "nearest_mean_low_m": "float64",
    "nearest_mean_high_m": "float64",
    "e2sfca": "float64",
    "e2sfca_low": "float64",
    "e2sfca_high": "float64",
    "gap": "boolean",
    "judgement": "str",
    "gap_reason": "str",
    "small_numbers": "boolean",
    "rough": "int64",
    "stale": "int64",
    "undated": "int64",
    "municipalities_unknown": "int64",
    "population_basis": "str",
}
"""`Coverage`. `population` is the register's figure; `people_counted` is what the demand
points of `population_basis` add up to and what `share_reached` (0 to 1) divides by.
`nearest_seat_m` is set at level ``gemeinde`` only. From `…_low` to `…_high` an indicator goes
in nine of ten layouts of the roughly located places in their municipalities, a simulation,
not a bound; the indicator itself is always within. `judgement` is one of
`JUDGEMENTS`; `small_numbers` warns of a ratio of few places or people. `rough`, `stale` and
`undated` count records of the area, and may overlap; `municipalities_unknown` counts its
municipalities without a figure for the chosen demand. Missing means it cannot be said."""

PUBLIC_COLUMNS: Final[tuple[str, ...]] = (
    "id",
    "name",
    "category",
    "theme",
    "organisation",
    "street",
    "house_number",
    "postcode",
    "city",
    "municipality",
    "verbandsgemeinde",
    "kreis",
    "website",
    "opening_hours",
    "offers",
    "languages",
    "wheelchair",
    "source",
    "source_date",
    "confirmed_on",
    "coordinate_status",
    "coordinate_source",
    "coordinate_precision",
    "coordinate_score",
    "coordinate_date",
    "coordinate_licence",
    "ags",
    "municipality_check",
)
"""The only list of what leaves the house about a record (its geometry besides)."""


def _check_columns(frame: pd.DataFrame, columns: Mapping[str, str], table: str) -> None:
    wanted = [*columns, "geometry"] if isinstance(frame, gpd.GeoDataFrame) else [*columns]
    if list(frame.columns) != wanted:
        raise SchemaError(f"{table}: expected columns {wanted}, got {list(frame.columns)}")
    for (name, dtype), got in zip(columns.items(), frame.dtypes.tolist(), strict=False):
        if str(got) != dtype:
            raise SchemaError(f"{table}.{name}: expected {dtype}, got {got}")
        if dtype == "str" and "" in np.asarray(frame[name].array).tolist():
            raise SchemaError(f"{table}.{name}: expected missing for unknown, got an empty text")
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        raise SchemaError(f"{table}: expected the index 0..{len(frame) - 1}")


def _check_unique(frame: pd.DataFrame, column: str, table: str) -> None:
    if bool(frame[column].isna().any()) or not frame[column].is_unique:
        raise SchemaError(f"{table}.{column}: expected one distinct value per row")


def _check_crs(frame: gpd.GeoDataFrame, table: str) -> None:
    if frame.crs is None or frame.crs != WGS84:
        raise SchemaError(f"{table}: expected {WGS84}, got {frame.crs}")


def as_columns(values: Mapping[str, Sequence[Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Build a frame with exactly `columns` in their order and dtypes.

    A column that `values` lacks is missing throughout; empty text becomes missing.
    """
    length = max((len(column) for column in values.values()), default=0)
    data: dict[str, pd.Series] = {}
    for name, dtype in columns.items():
        column = pd.Series(values.get(name, [None] * length), index=range(length), dtype=dtype)
        data[name] = column.replace("", np.nan) if dtype == "str" else column
    return pd.DataFrame(data, index=pd.RangeIndex(length))


def check_records(frame: pd.DataFrame) -> Records:
    """Promise that `frame` is a `Records` table; raise SchemaError where it is not."""
    _check_columns(frame, RECORD_COLUMNS, "Records")
    _check_unique(frame, "id", "Records")
    if not frame["lon"].isna().equals(frame["lat"].isna()):
        raise SchemaError("Records: expected lon and lat both set or both missing")
    return Records(frame)


def check_initiatives(frame: gpd.GeoDataFrame) -> Initiatives:
    """Promise that `frame` is an `Initiatives` table; raise SchemaError where it is not."""
    _check_columns(frame, INITIATIVE_COLUMNS, "Initiatives")
    _check_unique(frame, "id", "Initiatives")
    _check_crs(frame, "Initiatives")
    placed = frame.geometry.notna()
    if bool((frame["ags"].notna() & ~placed).any()):
        raise SchemaError("Initiatives: expected no ags where there is no point")
    if bool(((frame["coordinate_status"] == "found") != placed).any()):
        raise SchemaError("Initiatives: expected status found exactly where there is a point")
    if bool((placed & ~frame["coordinate_precision"].isin(PRECISIONS)).any()):
        raise SchemaError(f"Initiatives: expected a precision of {PRECISIONS} for every point")
    return Initiatives(frame)


def check_municipalities(frame: gpd.GeoDataFrame) -> Municipalities:
    """Promise that `frame` is a `Municipalities` table; raise SchemaError where it is not.

    That the geometries form a valid coverage is checked when the file is built.
    """
    _check_columns(frame, MUNICIPALITY_COLUMNS, "Municipalities")
    _check_unique(frame, "ags", "Municipalities")
    _check_crs(frame, "Municipalities")
    if not frame["ags"].is_monotonic_increasing:
        raise SchemaError("Municipalities: expected rows sorted by ags")
    return Municipalities(frame)


def check_areas(frame: gpd.GeoDataFrame) -> Areas:
    """Promise that `frame` is an `Areas` table; raise SchemaError where it is not."""
    _check_columns(frame, AREA_COLUMNS, "Areas")
    _check_unique(frame, "key", "Areas")
    _check_crs(frame, "Areas")
    return Areas(frame)


def check_coverage(frame: pd.DataFrame) -> Coverage:
    """Promise that `frame` is a `Coverage` table; raise SchemaError where it is not."""
    _check_columns(frame, COVERAGE_COLUMNS, "Coverage")
    _check_unique(frame, "key", "Coverage")
    return Coverage(frame)


def to_geojson(
    frame: gpd.GeoDataFrame, *, columns: Iterable[str], decimals: int = 5, note: str = ""
) -> bytes:
    """Write `frame` as a compact GeoJSON FeatureCollection (RFC 7946), UTF-8.

    Parameters
    ----------
    frame
        Rows in EPSG:4326; a row without a geometry becomes ``"geometry": null``.
    columns
        Properties to write, in this order; missing values are left out of a feature.
    decimals
        Decimals of a degree that are kept; 5 are about 1 m.
    note
        Source note, written as the collection's ``attribution`` where given.
    """
    names = list(columns)
    geometry = shapely.set_precision(
        np.asarray(frame.geometry.array), 10.0**-decimals, mode="pointwise"
    )
    texts: list[str | None] = shapely.to_geojson(geometry).tolist()
    rows = frame[names].astype(object).to_dict("records")
    features = (
        '{"type":"Feature","properties":'
        + json.dumps(_known(row), ensure_ascii=False, separators=(",", ":"))
        + f',"geometry":{text or "null"}}}'
        for row, text in zip(rows, texts, strict=True)
    )
    head = '{"type":"FeatureCollection"'
    if note:
        head += ',"attribution":' + json.dumps(note, ensure_ascii=False)
    return f'{head},"features":[{",".join(features)}]}}'.encode()


def _known(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Leave out what is missing, so that unknown never reads as a value."""
    return {
        str(key): (value.item() if isinstance(value, np.generic) else value)
        for key, value in row.items()
        if value is not None
        and value is not pd.NA
        and not (isinstance(value, float) and math.isnan(value))
    }


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """The rows of a file that hold, and every fault of those that do not.

    ``len(records) + rejected`` is the number of data rows of the file.
    """

    records: Records
    issues: tuple[Issue, ...]
    rejected: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two records that are probably one place; for a person to judge, never merged."""

    id: str
    other_id: str
    name: str
    other_name: str
    score: float
    distance_m: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do (`dry_run`)."""

    file: str
    revision: int
    rows: int
    accepted: int
    rejected: int
    created: int
    updated: int
    unchanged: int
    missing: tuple[str, ...] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    dry_run: bool = False
