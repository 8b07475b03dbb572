"""Exports: coverage as CSV, XLSX, GeoJSON and GeoPackage, with its method and its sources.

CSV, GeoJSON and GeoPackage are for machines: the column names of `schema.COVERAGE_COLUMNS`,
a point before decimals, commas between cells. XLSX is for people: German headings, typed
numbers, a sheet each for method and sources. Unknown stays empty, never 0. The same input
gives the same bytes. Begin with `files`.
"""

from geo_service.exports.columns import Column, plain_rows, round_figures
from geo_service.exports.files import (
    EXPORT_KINDS,
    MEDIA_TYPES,
    ExportKind,
    describe_table,
    render_coverage,
    render_rows,
    render_table,
    write_coverage,
    write_rows,
)
from geo_service.exports.qgis import LayerClass, LayerHatch, LayerStyle

__all__ = [
    "EXPORT_KINDS",
    "MEDIA_TYPES",
    "Column",
    "ExportKind",
    "LayerClass",
    "LayerHatch",
    "LayerStyle",
    "describe_table",
    "plain_rows",
    "render_coverage",
    "render_rows",
    "render_table",
    "round_figures",
    "write_coverage",
    "write_rows",
]
