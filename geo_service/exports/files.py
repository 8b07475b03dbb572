"""Figures to a file of any kind, whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from geo_service.errors import QueryError
from geo_service.exports.columns import Column, Notes, columns_of, plain_rows, round_figures
from geo_service.exports.layers import geojson_bytes, gpkg_bytes, with_geometry
from geo_service.exports.sheets import csv_bytes, csv_metadata, xlsx_bytes
from geo_service.schema import COVERAGE_COLUMNS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from geo_service.exports.qgis import LayerStyle
    from geo_service.schema import Areas, Coverage

__all__ = [
    "EXPORT_KINDS",
    "MEDIA_TYPES",
    "ExportKind",
    "describe_table",
    "render_coverage",
    "render_rows",
    "render_table",
    "write_coverage",
    "write_rows",
]

ExportKind: TypeAlias = Literal["csv", "xlsx", "geojson", "gpkg"]
EXPORT_KINDS: Final[tuple[ExportKind, ...]] = get_args(ExportKind)

MEDIA_TYPES: Final[Mapping[ExportKind, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
}


def write_coverage(
    path: Path,
    coverage: Coverage,
    areas: Areas,
    *,
    parameters: Mapping[str, str],
    source_notes: Sequence[str],
    revision: int,
    today: dt.date,
    style: LayerStyle | None = None,
) -> tuple[Path, ...]:
    """Write `coverage` to a file whose ending says the kind, whole or not at all.

    Parameters
    ----------
    path
        Ends in ``.csv``, ``.xlsx``, ``.geojson`` or ``.gpkg``; an existing file is replaced.
    coverage
        The areas of one level.
    areas
        The same areas with their geometry in EPSG:4326.
    parameters
        Label and value of each parameter (`coverage.CoverageParameters.describe`).
    source_notes
        Notes of all sources behind the figures, with their licences.
    revision, today
        State of the records behind the figures, and the day they were made for.
    style
        How QGIS draws the layer of a GeoPackage when it is opened; without, in one colour.

    Returns
    -------
    paths
        The files written: `path`, and for CSV also ``<name>-metadata.json`` beside it
        (W3C CSV on the Web), because a table of plain cells has no room for notes.

    Raises
    ------
    QueryError
        If the ending is another, or the file cannot be written there.
    """
    kind = _kind_of(path)
    content = render_coverage(
        kind,
        coverage,
        areas,
        parameters=parameters,
        source_notes=source_notes,
        revision=revision,
        today=today,
        style=style,
    )
    files = {path: content}
    if kind == "csv":
        files[path.with_name(f"{path.name}-metadata.json")] = describe_table(
            path.name,
            coverage,
            parameters=parameters,
            source_notes=source_notes,
            revision=revision,
            today=today,
        )
    for target, content in files.items():
        _replace(target, content)
    return tuple(files)


def render_coverage(
    kind: ExportKind,
    coverage: Coverage,
    areas: Areas,
    *,
    parameters: Mapping[str, str],
    source_notes: Sequence[str],
    revision: int,
    today: dt.date,
    style: LayerStyle | None = None,
) -> bytes:
    """Return the content of the file that `write_coverage` writes; parameters as there.

    Raises
    ------
    QueryError
        If there is no such kind.
    SchemaError
        If `areas` are not the areas of `coverage`.
    """
    notes = Notes(parameters, tuple(source_notes), revision, today)
    rounded = round_figures(coverage)
    if kind == "csv":
        return csv_bytes([*COVERAGE_COLUMNS], plain_rows(rounded))
    if kind == "xlsx":
        return xlsx_bytes(rounded, notes, columns_of(coverage))
    if kind == "geojson":
        return geojson_bytes(with_geometry(rounded, areas), notes)
    if kind == "gpkg":
        return gpkg_bytes(with_geometry(rounded, areas), notes, style)
    raise QueryError(f"kind: expected one of {', '.join(EXPORT_KINDS)}, got {kind!r}")


def describe_table(
    url: str,
    coverage: Coverage,
    *,
    parameters: Mapping[str, str],
    source_notes: Sequence[str],
    revision: int,
    today: dt.date,
) -> bytes:
    """Return the description of the CSV table of `coverage` at `url` (W3C CSV on the Web), as JSON.

    The other parameters are those of `write_coverage`.
    """
    notes = Notes(parameters, tuple(source_notes), revision, today)
    return csv_metadata(url, notes, columns_of(coverage))


def render_table(
    kind: ExportKind,
    table: pd.DataFrame,
    areas: Areas,
    *,
    title: str,
    columns: Mapping[str, Column],
    parameters: Mapping[str, str],
    source_notes: Sequence[str],
    revision: int,
    today: dt.date,
) -> bytes:
    """Return any figures of areas as a CSV, XLSX or GeoJSON file, every digit as it is.

    Parameters
    ----------
    kind
        ``csv``, ``xlsx`` or ``geojson``.
    table
        A row per area, with all of `columns`, among them ``key``.
    areas
        The same areas, in EPSG:4326.
    title, columns
        What the table is called, and its columns as people read them, in their order.
    parameters, source_notes, revision, today
        As for `write_coverage`.

    Raises
    ------
    QueryError
        If there is no such kind of these.
    SchemaError
        If `areas` are not the areas of `table`.
    """
    notes = Notes(parameters, tuple(source_notes), revision, today, title)
    if kind == "csv":
        return csv_bytes([*columns], plain_rows(table, columns))
    if kind == "xlsx":
        return xlsx_bytes(table, notes, columns)
    if kind == "geojson":
        return geojson_bytes(with_geometry(table, areas), notes, columns)
    raise QueryError(f"kind: expected csv, xlsx or geojson, got {kind!r}")


def render_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> bytes:
    """Return rows as a CSV table; None stays empty.

    UTF-8, commas, a heading of `columns`, which stand there without rows too, then of the
    other keys in the order they come up; text that a spreadsheet would run is neutralised.
    """
    heading = list(dict.fromkeys([*columns, *(key for row in rows for key in row)]))
    return csv_bytes(heading, ([row.get(key) for key in heading] for row in rows))


def write_rows(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()
) -> None:
    """Write what `render_rows` returns, whole or not at all.

    Raises
    ------
    QueryError
        If the file cannot be written there.
    """
    _replace(path, render_rows(rows, columns))


def _kind_of(path: Path) -> ExportKind:
    for kind in EXPORT_KINDS:
        if path.suffix.lower() == f".{kind}":
            return kind
    endings = ", ".join(f".{kind}" for kind in EXPORT_KINDS)
    raise QueryError(f"{path.name}: expected a file ending in {endings}, got {path.suffix!r}")


def _replace(path: Path, content: bytes) -> None:
    """Write beside `path` and put it in place in one step, so that no half file is seen."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            with beside.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise QueryError(f"{path}: expected a place to write to, got: {error.strerror}") from error
