"""Figures with their areas: GeoJSON for web maps, GeoPackage for QGIS."""

from __future__ import annotations

import json
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from geo_service.errors import SchemaError
from geo_service.exports.columns import TITLE, method_text
from geo_service.exports.qgis import style_table
from geo_service.schema import COVERAGE_COLUMNS, Areas, to_geojson

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from geo_service.exports.columns import Notes
    from geo_service.exports.qgis import LayerStyle

__all__ = ["geojson_bytes", "gpkg_bytes", "with_geometry"]

_GEOMETRY: Final = "geom"
_GDAL_LOCK: Final = threading.Lock()


def with_geometry(rounded: pd.DataFrame, areas: Areas) -> gpd.GeoDataFrame:
    """Return the figures with the shapes of their areas; SchemaError if those are others."""
    geometry = areas.set_index("key").geometry.reindex(rounded["key"])
    if len(areas) != len(rounded) or bool(geometry.isna().any()):
        raise SchemaError("areas: expected exactly the areas of the coverage table")
    return gpd.GeoDataFrame(rounded, geometry=np.asarray(geometry.array), crs=areas.crs)


def geojson_bytes(
    table: gpd.GeoDataFrame, notes: Notes, columns: Iterable[str] = tuple(COVERAGE_COLUMNS)
) -> bytes:
    """Return RFC 7946 GeoJSON; `method` and `attribution` are foreign members (section 6.1)."""
    head = b'{"type":"FeatureCollection"'
    about = {
        "title": notes.title,
        "date": notes.today.isoformat(),
        "revision": notes.revision,
        "method": dict(notes.method),
    }
    inner = json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode()[1:-1]
    # RFC 7946, section 3.1.6: exterior rings run counter-clockwise.
    turned = table.set_geometry(
        shapely.orient_polygons(np.asarray(table.geometry.array), exterior_cw=False), crs=table.crs
    )
    body = to_geojson(turned, columns=columns, note=" | ".join(notes.sources))
    return head + b"," + inner + body.removeprefix(head)


def gpkg_bytes(table: gpd.GeoDataFrame, notes: Notes, style: LayerStyle | None) -> bytes:
    """Return a GeoPackage of one layer, and of the style that QGIS opens it with."""
    layer = f"abdeckung_{table['level'].iloc[0] if len(table) else 'leer'}"
    about = {
        "TITLE": TITLE,
        "DATE": notes.today.isoformat(),
        "REVISION": str(notes.revision),
        "METHOD": method_text(notes),
        "SOURCES": " | ".join(notes.sources),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.gpkg"
        with _gdal_today(notes.today):
            pyogrio.write_dataframe(
                table,
                path,
                layer=layer,
                driver="GPKG",
                geometry_type="MultiPolygon",
                promote_to_multi=True,
                dataset_metadata=about,
                layer_metadata=about,
                layer_options={
                    "IDENTIFIER": TITLE,
                    "DESCRIPTION": about["SOURCES"],
                    "GEOMETRY_NAME": _GEOMETRY,
                },
            )
            if style is not None:
                styles = style_table(style, layer=layer, geometry=_GEOMETRY)
                pyogrio.write_dataframe(
                    styles, path, layer="layer_styles", driver="GPKG", layer_options={"FID": "id"}
                )
        return path.read_bytes()


@contextmanager
def _gdal_today(today: dt.date) -> Iterator[None]:
    """Let GDAL stamp a GeoPackage with `today` instead of the moment of writing.

    The option holds for the whole process, so one file is written at a time.
    """
    with _GDAL_LOCK:
        before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{today}T00:00:00.000Z"})
        try:
            yield
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
