"""Tables of the package <-> rows of the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import sqlalchemy as sa

from geo_service.schema import (
    INITIATIVE_COLUMNS,
    WGS84,
    Initiatives,
    Population,
    check_initiatives,
)
from geo_service.store.tables import CELLS, POINT, POPULATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from geo_service.store.backend import Backend


def objects(values: NDArray[Any] | pd.Series) -> list[Any]:
    """Return plain Python values, None where missing."""
    array = np.asarray(values, dtype=object)
    missing = pd.isna(array)
    if missing.any():
        array = array.copy()
        array[missing] = None
    return cast("list[Any]", array.tolist())


def to_rows(content: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Return each row as plain Python values, None where missing."""
    return zip(*(objects(content[name]) for name in content.columns), strict=True)


def to_json(content: pd.DataFrame) -> Iterator[str]:
    """Encode each row; unknown values are left out."""
    names = list(content.columns)
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    for row in to_rows(content):
        known = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        yield encode(known)


def to_content(initiatives: Initiatives) -> pd.DataFrame:
    """Return columns as stored: the point as two numbers in degrees."""
    frame = check_initiatives(initiatives)
    points = np.asarray(frame.geometry.array, dtype=object)
    content = pd.DataFrame(frame[[*INITIATIVE_COLUMNS]])
    return content.assign(point_lon=shapely.get_x(points), point_lat=shapely.get_y(points))


def to_initiatives(content: pd.DataFrame) -> Initiatives:
    """Return the table that `content` was made of."""
    points = np.full(len(content), None, dtype=object)
    placed = content["point_lon"].notna().to_numpy()
    lon, lat = (content.loc[placed, name].to_numpy() for name in POINT)
    points[placed] = shapely.points(lon, lat)
    frame = content.drop(columns=[*POINT])
    return check_initiatives(gpd.GeoDataFrame(frame, geometry=points, crs=WGS84))


def read_frame(
    connection: sa.Connection, query: sa.Select[Any], dtypes: Mapping[str, str]
) -> pd.DataFrame:
    """Return what `query` selects, its columns named and typed as in `dtypes`."""
    rows = connection.execute(query).all()
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(dtypes)
    data = {
        name: pd.Series(np.array(column, dtype=object), dtype=dtype)
        for (name, dtype), column in zip(dtypes.items(), columns, strict=True)
    }
    return pd.DataFrame(data, index=pd.RangeIndex(len(rows)))


# -------------------------------------------------------------------------- population


def read_population(connection: sa.Connection) -> Population | None:
    """Return what is stored, its cells in their order; None where nothing is."""
    about = connection.execute(sa.select(POPULATION.c.basis, POPULATION.c.source_note)).first()
    if about is None:
        return None
    query = sa.select(CELLS.c.ags, CELLS.c.x_m, CELLS.c.y_m, CELLS.c.people)
    rows = connection.execute(query.order_by(CELLS.c.cell)).all()
    ags, x_m, y_m, people = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Population(
        basis=about.basis,
        source_note=about.source_note,
        ags=np.array(ags, dtype=object),
        x_m=np.array(x_m, dtype=np.float64),
        y_m=np.array(y_m, dtype=np.float64),
        people=np.array(people, dtype=np.float64),
    )


def write_population(
    connection: sa.Connection, backend: Backend, population: Population | None, revision: int
) -> None:
    """Replace what is stored; None removes it."""
    connection.execute(sa.delete(CELLS))
    connection.execute(sa.delete(POPULATION))
    if population is None:
        return
    about = {"basis": population.basis, "source_note": population.source_note}
    connection.execute(sa.insert(POPULATION).values(slot=1, **about, revision=revision))
    cells = zip(
        range(len(population.people)),
        objects(population.ags),
        population.x_m.tolist(),
        population.y_m.tolist(),
        population.people.tolist(),
        strict=True,
    )
    backend.load(connection, CELLS, ["cell", "ags", "x_m", "y_m", "people"], cells)


def same_population(one: Population | None, other: Population | None) -> bool:
    """Say whether both have the same cells in the same order, and the same source."""
    if one is None or other is None:
        return one is other
    return (
        (one.basis, one.source_note) == (other.basis, other.source_note)
        and objects(one.ags) == objects(other.ags)
        and np.array_equal(one.x_m, other.x_m)
        and np.array_equal(one.y_m, other.y_m)
        and np.array_equal(one.people, other.people)
    )
