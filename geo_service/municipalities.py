"""Municipalities: the boundary file as a table, points to municipalities, the four levels.

A point on a border belongs to the municipality with the lowest AGS; a point at most
`NEAR_MISS_M` outside every municipality (a jetty, a rounded coordinate) to the nearest one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely
from scipy import ndimage

from geo_service.errors import FileFormatError, QueryError, SchemaError
from geo_service.schema import (
    AREA_COLUMNS,
    INITIATIVE_COLUMNS,
    KEY_COLUMN,
    LAND_NAMES,
    LEVELS,
    METRIC_CRS,
    MUNICIPALITY_COLUMNS,
    WGS84,
    Areas,
    Initiatives,
    Level,
    Municipalities,
    check_areas,
    check_initiatives,
    check_municipalities,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "LAYER",
    "NEAR_MISS_M",
    "MunicipalityIndex",
    "assign",
    "build_areas",
    "load_municipalities",
    "simplify",
]

LAYER: Final = "gemeinden"
"""Name of the boundary file's layer."""

NEAR_MISS_M: Final = 100.0
"""How far outside every municipality a point still counts as in the nearest one, in metres."""

_CELL_DEG: Final = 0.0016
"""Side of a look-up cell, in degrees (about 180 m by 110 m): of 1,000,000 points in the Land
a fifth falls into a cell with a border, and the grid is built in a fraction of a second."""

_CELLS_AT_MOST: Final = 8_000_000
"""Cells of a look-up grid, so that a table spanning all of Germany stays small in memory."""

_BORDER: Final = -2
_OUTSIDE: Final = -1


def load_municipalities(path: Path) -> Municipalities:
    """Read the boundary file that ``scripts/build_gemeinden.py`` built.

    Parameters
    ----------
    path
        GeoPackage with the layer ``gemeinden``: the columns of
        `schema.MUNICIPALITY_COLUMNS` and MultiPolygons in EPSG:4326.

    Returns
    -------
    municipalities
        One row per municipality, sorted by AGS.

    Raises
    ------
    FileFormatError
        If there is no such file, or it does not hold such a table.
    """
    if not path.is_file():
        raise FileFormatError(f"{path}: expected the boundary file, got no file")
    try:
        frame = pyogrio.read_dataframe(path, layer=LAYER)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise FileFormatError(
            f"{path}: expected a GeoPackage with the layer {LAYER!r}, got {error}"
        ) from error
    missing = [name for name in MUNICIPALITY_COLUMNS if name not in frame.columns]
    if missing or not isinstance(frame, gpd.GeoDataFrame):
        raise FileFormatError(f"{path}: expected columns {missing} and a geometry, got none")
    frame = frame[[*MUNICIPALITY_COLUMNS, "geometry"]]
    try:
        return check_municipalities(frame.astype(dict(MUNICIPALITY_COLUMNS)))
    except (SchemaError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: expected municipalities, got {error}") from error


class MunicipalityIndex:
    """Answers which municipality a point lies in, for many points at once.

    A grid of small cells knows the municipality of every cell that no border touches, so
    most points cost one array look-up. Only points in the other cells are tested against
    polygons, found by STRtree. The answer is the same as testing every point.
    """

    def __init__(self, municipalities: Municipalities) -> None:
        # The last entry answers for `_OUTSIDE`, which is -1.
        self._ags_or_none: NDArray[np.object_] = np.array(
            [*municipalities["ags"], None], dtype=object
        )
        self._count = len(municipalities)
        self._polygons: NDArray[np.object_] = np.array(municipalities.geometry.array, dtype=object)
        self._tree = _built_tree(self._polygons)
        self._metric_tree: shapely.STRtree | None = None
        _prepare(self._polygons)
        self._west, self._south, self._east, self._north = _bounds(self._polygons)
        self._cell = _cell_side(self._east - self._west, self._north - self._south)
        self._columns = int((self._east - self._west) / self._cell) + 1
        self._lines = int((self._north - self._south) / self._cell) + 1
        self._cells = self._label_cells().ravel()

    def find(
        self,
        lon: NDArray[np.float64],
        lat: NDArray[np.float64],
        *,
        tolerance_m: float = NEAR_MISS_M,
    ) -> NDArray[np.object_]:
        """Return the AGS of the municipality that each point lies in.

        Parameters
        ----------
        lon, lat
            Degrees (EPSG:4326), of one length. A point with a missing, infinite or
            impossible coordinate lies in no municipality.
        tolerance_m
            A point outside every municipality takes the nearest one that is at most so many
            metres away (measured in EPSG:25832), at equal distance the lowest AGS. 0: none.

        Returns
        -------
        ags
            One entry per point, in order; None where there is no municipality. A point on
            a border takes the lowest AGS.

        Raises
        ------
        QueryError
            If the lengths differ or the tolerance is negative or not a number.
        """
        lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        if lon.ndim != 1 or lon.shape != lat.shape:
            raise QueryError(
                f"find: expected lon and lat of one length, got {lon.shape} and {lat.shape}"
            )
        if not 0 <= tolerance_m < np.inf:
            raise QueryError(f"find: expected a tolerance of 0 m or more, got {tolerance_m}")
        rows = self._look_up(lon, lat)
        outside = np.flatnonzero(rows == _OUTSIDE)
        if tolerance_m > 0 and len(outside):
            rows[outside] = self._nearest(lon[outside], lat[outside], tolerance_m)
        return self._ags_or_none[rows]

    def find_one(self, lon: float, lat: float) -> str | None:
        """Return what `find` says of one point, at once where the grid knows its cell.

        Parameters
        ----------
        lon, lat
            Degrees (EPSG:4326).
        """
        column, line = (lon - self._west) / self._cell, (lat - self._south) / self._cell
        if 0 <= column < self._columns and 0 <= line < self._lines:
            row = int(self._cells[int(line) * self._columns + int(column)])
            if row not in (_BORDER, _OUTSIDE):
                return str(self._ags_or_none[row])
        found = self.find(np.array([lon]), np.array([lat]))[0]
        return None if found is None else str(found)

    def _look_up(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int32]:
        """Row of the municipality that each point lies in or on, else `_OUTSIDE`."""
        with np.errstate(invalid="ignore", over="ignore"):
            column = np.floor((lon - self._west) / self._cell)
            line = np.floor((lat - self._south) / self._cell)
            known = (column >= 0) & (column < self._columns) & (line >= 0) & (line < self._lines)
        rows = np.full(len(lon), _OUTSIDE, dtype=np.int32)
        cell = (line[known] * self._columns + column[known]).astype(np.int64)
        rows[known] = self._cells[cell]
        near_border = np.flatnonzero(rows == _BORDER)
        rows[near_border] = self._test_polygons(lon[near_border], lat[near_border])
        return rows

    def _test_polygons(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """Test each point against every polygon whose bounding box holds it."""
        point, row = self._tree.query(shapely.points(lon, lat))
        hit = shapely.intersects_xy(self._polygons[row], lon[point], lat[point])
        return self._lowest(len(lon), point[hit], row[hit])

    def _nearest(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], tolerance_m: float
    ) -> NDArray[np.int32]:
        """Row of the nearest municipality within `tolerance_m`, else `_OUTSIDE`."""
        rows = np.full(len(lon), _OUTSIDE, dtype=np.int32)
        near = np.flatnonzero(self._within_reach(lon, lat, tolerance_m))
        if not len(near):
            return rows
        if self._metric_tree is None:
            self._metric_tree = _built_tree(_to_metric(self._polygons))
        points = _to_metric(np.asarray(shapely.points(lon[near], lat[near])))
        point, row = self._metric_tree.query_nearest(
            points, max_distance=tolerance_m, all_matches=True
        )
        rows[near] = self._lowest(len(near), point, row)
        return rows

    def _lowest(
        self, length: int, point: NDArray[np.intp], row: NDArray[np.intp]
    ) -> NDArray[np.int32]:
        """Lowest of the rows found for each point (rows are sorted by AGS), or `_OUTSIDE`."""
        rows = np.full(length, self._count, dtype=np.int32)
        np.minimum.at(rows, point, row.astype(np.int32))
        rows[rows == self._count] = _OUTSIDE
        return rows

    def _within_reach(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], tolerance_m: float
    ) -> NDArray[np.bool_]:
        """Whether a point may be within `tolerance_m` of the municipalities' bounding box.

        A degree of latitude is at least 110 km, one of longitude at least 60 km up to 57° N.
        """
        more_lon, more_lat = tolerance_m / 60_000.0, tolerance_m / 110_000.0
        within: NDArray[np.bool_] = (
            (lon >= max(self._west - more_lon, -180.0))
            & (lon <= min(self._east + more_lon, 180.0))
            & (lat >= max(self._south - more_lat, -90.0))
            & (lat <= min(self._north + more_lat, 90.0))
        )
        return within

    def _label_cells(self) -> NDArray[np.int32]:
        """Row of the municipality that each cell lies wholly in, `_OUTSIDE` or `_BORDER`.

        A border can only be crossed in a cell it touches, so cells without a border that
        hang together lie in one municipality; one point per such patch tells which.
        """
        free = ~self._border_cells()
        patches, count = ndimage.label(free)
        _, first = np.unique(patches.ravel(), return_index=True)
        if not free.all():
            first = first[1:]
        line, column = np.divmod(first, self._columns)
        lon = self._west + (column + 0.5) * self._cell
        lat = self._south + (line + 0.5) * self._cell
        row_of_patch = np.full(count + 1, _BORDER, dtype=np.int32)
        row_of_patch[1:] = self._test_polygons(lon, lat)
        labelled: NDArray[np.int32] = row_of_patch[patches]
        return labelled

    def _border_cells(self) -> NDArray[np.bool_]:
        """Whether a border touches a cell, or comes so near that rounding could matter.

        Every edge is cut into pieces shorter than a cell; the cells at the corners of a
        piece's bounding box are then all that it can touch.
        """
        start, end = _edges(self._polygons)
        origin = np.array([self._west, self._south])
        start, end = (start - origin) / self._cell, (end - origin) / self._cell
        longest = np.abs(end - start).max(axis=1, initial=0.0)
        pieces = np.ceil(longest / 0.9).astype(np.int64).clip(min=1)
        edge = np.repeat(np.arange(len(pieces)), pieces)
        number = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        step = ((end - start) / pieces[:, None])[edge]
        begin = start[edge] + step * number[:, None]
        low = np.minimum(begin, begin + step) - 1e-6
        high = np.maximum(begin, begin + step) + 1e-6
        touched = np.zeros((self._lines, self._columns), dtype=np.bool_)
        for x in (low[:, 0], high[:, 0]):
            for y in (low[:, 1], high[:, 1]):
                line = np.floor(y).astype(np.int64).clip(0, self._lines - 1)
                column = np.floor(x).astype(np.int64).clip(0, self._columns - 1)
                touched[line, column] = True
        return touched


def _built_tree(geometries: NDArray[np.object_]) -> shapely.STRtree:
    """Return a tree that is built: the first query builds it, and threads must not race."""
    tree = shapely.STRtree(geometries)
    tree.query(shapely.Point(0.0, 0.0))
    return tree


def _prepare(polygons: NDArray[np.object_]) -> None:
    """Prepare `polygons`, and have each build its index now: threads must not race for it."""
    shapely.prepare(polygons)
    points = shapely.get_coordinates(shapely.point_on_surface(polygons))
    shapely.intersects_xy(polygons, points[:, 0], points[:, 1])


def _bounds(polygons: NDArray[np.object_]) -> tuple[float, float, float, float]:
    """Return west, south, east, north in degrees; all 0 where there are no polygons."""
    if not len(polygons):
        return 0.0, 0.0, 0.0, 0.0
    west, south, east, north = shapely.total_bounds(polygons).tolist()
    return west, south, east, north


def _cell_side(width_deg: float, height_deg: float) -> float:
    """Return the side of a look-up cell in degrees for an area of this size."""
    return max(_CELL_DEG, float(np.sqrt(width_deg * height_deg / _CELLS_AT_MOST)))


def _edges(polygons: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return start and end points of every edge of `polygons`."""
    rings = shapely.get_rings(shapely.get_parts(polygons))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same_ring = ring[:-1] == ring[1:]
    return points[:-1][same_ring], points[1:][same_ring]


def _to_metric(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Transform geometries from EPSG:4326 to EPSG:25832."""
    return _transform(geometries, pyproj.Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True))


def _to_degrees(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Transform geometries from EPSG:25832 to EPSG:4326."""
    return _transform(geometries, pyproj.Transformer.from_crs(METRIC_CRS, WGS84, always_xy=True))


def _transform(
    geometries: NDArray[np.object_], transformer: pyproj.Transformer
) -> NDArray[np.object_]:
    def change(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    changed: NDArray[np.object_] = np.asarray(shapely.transform(geometries, change))
    return changed


def assign(
    initiatives: Initiatives,
    index: MunicipalityIndex,
    *,
    stated: Sequence[AbstractSet[str]],
) -> Initiatives:
    """Set the municipality of every point, and check it against the stated one.

    Parameters
    ----------
    initiatives
        One row per initiative; `ags` and `municipality_check` are written anew.
    index
        The municipalities to look in.
    stated
        For each row the AGS that its stated municipality may mean; empty where none is
        stated or the name is unknown.

    Returns
    -------
    initiatives
        A new table, one row in, one row out. `municipality_check` is ``match`` where the
        point lies in a stated municipality, ``mismatch`` where it lies in another one or in
        none, ``unstated`` where nothing was stated, and missing where there is no point.

    Raises
    ------
    QueryError
        If `stated` does not have one set per row.
    """
    if len(stated) != len(initiatives):
        raise QueryError(
            f"assign: expected {len(initiatives)} sets of stated keys, got {len(stated)}"
        )
    points = np.array(initiatives.geometry.array, dtype=object)
    placed = initiatives.geometry.notna().to_numpy()
    ags = index.find(shapely.get_x(points), shapely.get_y(points))
    checks = [
        _check(key, keys) if has_point else None
        for key, keys, has_point in zip(ags, stated, placed, strict=True)
    ]
    assigned = initiatives.assign(
        ags=pd.Series(ags, index=initiatives.index, dtype="str"),
        municipality_check=pd.Series(checks, index=initiatives.index, dtype="str"),
    )
    return check_initiatives(assigned[[*INITIATIVE_COLUMNS, "geometry"]])


def _check(ags: str | None, stated: AbstractSet[str]) -> str:
    if not stated:
        return "unstated"
    return "match" if ags in stated else "mismatch"


def build_areas(municipalities: Municipalities, level: Level) -> Areas:
    """Merge the municipalities to the areas of a level.

    Parameters
    ----------
    municipalities
        Their geometries form a coverage: neighbours share their border's vertices.
    level
        At level ``verbandsgemeinde`` a municipality that belongs to none is an area of its
        own, so that every level covers the Land once and sums agree.

    Returns
    -------
    areas
        One row per area, sorted by key, MultiPolygons in EPSG:4326. Population and area are
        sums of the municipalities' official figures.

    Raises
    ------
    QueryError
        If there is no such level.
    """
    if level not in LEVELS:
        raise QueryError(f"level: expected one of {', '.join(LEVELS)}, got {level!r}")
    keys = municipalities[KEY_COLUMN[level]]
    names = _area_names(municipalities, level)
    order = np.argsort(keys.to_numpy(dtype=object), kind="stable")
    sorted_keys = keys.to_numpy(dtype=object)[order]
    starts = np.flatnonzero(np.append(True, sorted_keys[1:] != sorted_keys[:-1]))
    if not len(order):
        starts = starts[:0]
    groups = np.split(order, starts[1:]) if len(starts) else []
    frame = gpd.GeoDataFrame(
        {
            "key": pd.Series(sorted_keys[starts], dtype="str"),
            "name": pd.Series(names.to_numpy(dtype=object)[order][starts], dtype="str"),
            "level": pd.Series([level] * len(groups), dtype="str"),
            "population": _sums(municipalities["population"], groups).astype(np.int64),
            "area_km2": _sums(municipalities["area_km2"], groups).astype(np.float64).round(4),
        },
        geometry=_merge(np.array(municipalities.geometry.array, dtype=object), groups),
        crs=WGS84,
    )
    return check_areas(frame[[*AREA_COLUMNS, "geometry"]])


def _area_names(municipalities: Municipalities, level: Level) -> pd.Series[Any]:
    """Return for each municipality the name of its area at `level`."""
    if level == "kreis":
        return municipalities["kreis"]
    if level == "land":
        return municipalities["land_key"].map(LAND_NAMES)
    if level == "verbandsgemeinde":
        return municipalities["verbandsgemeinde"].fillna(municipalities["name"])
    return municipalities["name"]


def _sums(values: pd.Series[Any], groups: Sequence[NDArray[np.intp]]) -> NDArray[Any]:
    numbers = values.to_numpy()
    return np.array([numbers[group].sum() for group in groups])


def _merge(
    polygons: NDArray[np.object_], groups: Sequence[NDArray[np.intp]]
) -> NDArray[np.object_]:
    """Merge each group of polygons into one MultiPolygon."""
    merged = [
        polygons[group[0]] if len(group) == 1 else shapely.coverage_union_all(polygons[group])
        for group in groups
    ]
    return _as_multipolygons(np.array(merged, dtype=object))


def _as_multipolygons(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Wrap every Polygon into a MultiPolygon; one geometry in, one out."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    return np.asarray(shapely.multipolygons(parts, indices=owner))


def simplify(municipalities: Municipalities, tolerance_m: float) -> Municipalities:
    """Thin the borders for drawing; neighbours keep their common border, without gaps.

    Parameters
    ----------
    municipalities
        Their geometries form a coverage.
    tolerance_m
        Size of detail that may vanish, in metres (EPSG:25832; the square root of the area
        in Visvalingam-Whyatt, as `shapely.coverage_simplify` has it). 0 keeps everything.

    Returns
    -------
    municipalities
        A new table with the same rows; only the geometry differs.

    Raises
    ------
    QueryError
        If the tolerance is negative or not a number.
    """
    if not (tolerance_m >= 0 and np.isfinite(tolerance_m)):
        raise QueryError(f"simplify: expected a tolerance of 0 m or more, got {tolerance_m}")
    if tolerance_m == 0:
        return check_municipalities(municipalities.copy())
    metric = _to_metric(np.array(municipalities.geometry.array, dtype=object))
    thin = _to_degrees(shapely.coverage_simplify(metric, tolerance_m))
    return check_municipalities(
        municipalities.set_geometry(gpd.GeoSeries(_as_multipolygons(thin), crs=WGS84))
    )
