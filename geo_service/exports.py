"""Exports: coverage as CSV, XLSX, GeoJSON and GeoPackage, with its method and its sources.

CSV, GeoJSON and GeoPackage are for machines: the column names of `schema.COVERAGE_COLUMNS`,
a point before decimals, commas between cells. XLSX is for people: German headings, typed
numbers, a sheet each for method and sources. Unknown stays empty, never 0. The same input
gives the same bytes.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import re
import secrets
import tempfile
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import shapely
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from geo_service.errors import QueryError, SchemaError
from geo_service.formats import neutralise_cell
from geo_service.schema import COVERAGE_COLUMNS, Areas, Coverage, to_geojson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from openpyxl.worksheet.worksheet import Worksheet

__all__ = [
    "EXPORT_KINDS",
    "MEDIA_TYPES",
    "ExportKind",
    "neutralise_cell",
    "render_coverage",
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


@dataclass(frozen=True, slots=True)
class _Notes:
    """What a file says about itself."""

    method: Mapping[str, str]
    sources: tuple[str, ...]
    revision: int
    today: dt.date


@dataclass(frozen=True, slots=True)
class _Column:
    label: str
    meaning: str
    decimals: int = 0
    number_format: str = "#,##0"
    width: int = 14


_COLUMNS: Final[Mapping[str, _Column]] = {
    "key": _Column(
        "Schlüssel", "Amtlicher Schlüssel: Gemeinde 8, Verbandsgemeinde 9, Kreis 5, Land 2 Stellen"
    ),
    "name": _Column("Name", "Amtlicher Name", width=34),
    "level": _Column("Ebene", "Gemeinde, Verbandsgemeinde, Kreis oder Land", width=18),
    "population": _Column("Einwohner", "Einwohner nach dem Gemeindeverzeichnis"),
    "places": _Column("Orte", "Orte im Gebiet, die dem Filter entsprechen"),
    "places_per_10k": _Column(
        "Orte je 10.000 Einwohner", "Orte geteilt durch Einwohner, mal 10.000", 4, "#,##0.00"
    ),
    "people_counted": _Column(
        "Gezählte Menschen", "Menschen der Bevölkerungsgrundlage; Nenner des Anteils", 3
    ),
    "people_reached": _Column(
        "Erreichte Menschen",
        "Menschen mit mindestens einem Ort im Umkreis, auch im Nachbargebiet",
        3,
    ),
    "share_reached": _Column("Anteil erreicht", "Erreichte durch gezählte Menschen", 6, "0.0%"),
    "people_beyond": _Column("Nicht erreichte Menschen", "Gezählte ohne erreichte Menschen", 3),
    "nearest_seat_m": _Column(
        "Vom Sitz zum nächsten Ort (m)", "Luftlinie; nur auf Ebene Gemeinde", 1
    ),
    "nearest_mean_m": _Column(
        "Mittlere Entfernung zum nächsten Ort (m)", "Luftlinie, nach Menschen gewichtet", 1
    ),
    "e2sfca": _Column(
        "E2SFCA (Orte je 10.000 Menschen)",
        "Erreichbarkeit mit Wettbewerb nach Luo und Qi (2009), nach Menschen gewichtet",
        6,
        "#,##0.00",
    ),
    "gap": _Column("Lücke", "ja, nein oder leer: nicht beurteilt", width=8),
    "gap_reason": _Column("Grund", "Warum Lücke, oder warum nicht beurteilt", width=46),
    "rough": _Column("Davon grob verortet", "Orte, deren Punkt gröber als die Straße ist"),
    "stale": _Column("Davon veraltet", "Orte ohne jüngere Angabe oder Bestätigung"),
    "undated": _Column("Davon ohne Datum", "Orte ohne Datum der Angabe und ohne Bestätigung"),
    "population_basis": _Column("Bevölkerungsgrundlage", "Wo die Menschen gezählt sind", width=26),
}
"""The columns as people read them. `decimals` is what any file keeps."""

_WORDS: Final[Mapping[object, str]] = {
    "gemeinde": "Gemeinde",
    "verbandsgemeinde": "Verbandsgemeinde",
    "kreis": "Kreis",
    "land": "Land",
    "seat_points": "Sitzpunkte der Gemeinden",
    "grid_1km": "Zensus-Gitter 1 km",
    "grid_100m": "Zensus-Gitter 100 m",
}
_TITLE: Final = "Abdeckung mit Begegnungsorten und Integrationsinitiativen"
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_GDAL_LOCK: Final = threading.Lock()
_MODIFIED: Final = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")


def write_coverage(
    path: Path,
    coverage: Coverage,
    areas: Areas,
    *,
    parameters: Mapping[str, str],
    source_notes: Sequence[str],
    revision: int,
    today: dt.date,
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
    )
    files = {path: content}
    if kind == "csv":
        notes = _Notes(parameters, tuple(source_notes), revision, today)
        files[path.with_name(f"{path.name}-metadata.json")] = _csv_metadata(path.name, notes)
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
) -> bytes:
    """Return the content of the file that `write_coverage` writes; parameters as there.

    Raises
    ------
    QueryError
        If there is no such kind.
    SchemaError
        If `areas` are not the areas of `coverage`.
    """
    notes = _Notes(parameters, tuple(source_notes), revision, today)
    rounded = _rounded(coverage)
    if kind == "csv":
        return _csv_bytes([*COVERAGE_COLUMNS], _rows(rounded))
    if kind == "xlsx":
        return _as_xlsx(rounded, notes)
    if kind == "geojson":
        return _as_geojson(_with_geometry(rounded, areas), notes)
    if kind == "gpkg":
        return _as_gpkg(_with_geometry(rounded, areas), notes)
    raise QueryError(f"kind: expected one of {', '.join(EXPORT_KINDS)}, got {kind!r}")


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as a CSV table, whole or not at all; None stays empty.

    UTF-8, commas, a heading of all keys in the order they come up; text that a spreadsheet
    would run is neutralised.

    Raises
    ------
    QueryError
        If the file cannot be written there.
    """
    heading = list(dict.fromkeys(key for row in rows for key in row))
    _replace(path, _csv_bytes(heading, ([row.get(key) for key in heading] for row in rows)))


def _csv_metadata(file_name: str, notes: _Notes) -> bytes:
    """Return the CSV on the Web description of a coverage table (W3C, 2015)."""
    types = {"str": "string", "int64": "integer", "float64": "number", "boolean": "boolean"}
    columns = [
        {
            "name": name,
            "titles": name,
            "dc:title": {"@value": _COLUMNS[name].label, "@language": "de"},
            "dc:description": {"@value": _COLUMNS[name].meaning, "@language": "de"},
            "datatype": types[dtype],
        }
        for name, dtype in COVERAGE_COLUMNS.items()
    ]
    described = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "de"}],
        "url": file_name,
        "dc:title": _TITLE,
        "dc:date": notes.today.isoformat(),
        "dc:source": list(notes.sources),
        "dc:provenance": _method_text(notes),
        "tableSchema": {"columns": columns, "primaryKey": "key"},
    }
    return json.dumps(described, ensure_ascii=False, indent=2).encode() + b"\n"


# ------------------------------------------------------------------------------- the kinds


def _csv_bytes(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(heading)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return neutralise_cell(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _as_xlsx(rounded: pd.DataFrame, notes: _Notes) -> bytes:
    book = openpyxl.Workbook()
    values = book.active
    if values is None:
        raise SchemaError("XLSX: expected a first sheet in a new workbook")
    _fill_values(values, rounded)
    _fill_lines(book.create_sheet("Methode"), _method_lines(notes))
    _fill_lines(book.create_sheet("Quellen"), [("Quelle", note) for note in notes.sources])
    midnight = dt.datetime.combine(notes.today, dt.time())
    book.properties.title = _TITLE
    book.properties.creator = "geo-service"
    book.properties.created = midnight
    packed = io.BytesIO()
    book.save(packed)
    return _timeless(packed, midnight)


def _fill_values(sheet: Worksheet, rounded: pd.DataFrame) -> None:
    sheet.title = "Werte"
    sheet.append([column.label for column in _COLUMNS.values()])
    for row in _rows(rounded):
        sheet.append([_xlsx_cell(value) for value in row])
    for number, column in enumerate(_COLUMNS.values(), start=1):
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = column.width
        for cell in sheet[letter][1:]:
            if isinstance(cell.value, int | float):
                cell.number_format = column.number_format
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "C2"
    sheet.auto_filter.ref = sheet.dimensions


def _fill_lines(sheet: Worksheet, lines: Iterable[tuple[str, str]]) -> None:
    for label, text in lines:
        sheet.append([_xlsx_cell(label), _xlsx_cell(text)])
    for cell in sheet["A"]:
        cell.font = Font(bold=True)
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    for cell in sheet["B"]:
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    sheet.column_dimensions["A"].width = 42
    sheet.column_dimensions["B"].width = 90


def _xlsx_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, str):
        clean = ILLEGAL_CHARACTERS_RE.sub("\ufffd", _WORDS.get(value, value))
        return neutralise_cell(clean)[:32_767]
    return value


def _timeless(packed: io.BytesIO, modified: dt.datetime) -> bytes:
    """Pack a workbook again without the moment of writing."""
    stamp = rb"\g<1>" + f"{modified:%Y-%m-%dT%H:%M:%SZ}".encode() + rb"\g<2>"
    result = io.BytesIO()
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _MODIFIED.sub(stamp, content)
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            new.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return result.getvalue()


def _as_geojson(table: gpd.GeoDataFrame, notes: _Notes) -> bytes:
    """Return RFC 7946 GeoJSON; `method` and `attribution` are foreign members (section 6.1)."""
    head = b'{"type":"FeatureCollection"'
    about = {
        "title": _TITLE,
        "date": notes.today.isoformat(),
        "revision": notes.revision,
        "method": dict(notes.method),
    }
    inner = json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode()[1:-1]
    # RFC 7946, section 3.1.6: exterior rings run counter-clockwise.
    turned = table.set_geometry(
        shapely.orient_polygons(np.asarray(table.geometry.array), exterior_cw=False), crs=table.crs
    )
    body = to_geojson(turned, columns=COVERAGE_COLUMNS, note=" | ".join(notes.sources))
    return head + b"," + inner + body.removeprefix(head)


def _as_gpkg(table: gpd.GeoDataFrame, notes: _Notes) -> bytes:
    level = str(table["level"].iloc[0]) if len(table) else "leer"
    about = {
        "TITLE": _TITLE,
        "DATE": notes.today.isoformat(),
        "REVISION": str(notes.revision),
        "METHOD": _method_text(notes),
        "SOURCES": " | ".join(notes.sources),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.gpkg"
        with _gdal_today(notes.today):
            pyogrio.write_dataframe(
                table,
                path,
                layer=f"abdeckung_{level}",
                driver="GPKG",
                geometry_type="MultiPolygon",
                promote_to_multi=True,
                dataset_metadata=about,
                layer_metadata=about,
                layer_options={"IDENTIFIER": _TITLE, "DESCRIPTION": about["SOURCES"]},
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


# -------------------------------------------------------------------------------- helpers


def _kind_of(path: Path) -> ExportKind:
    for kind in EXPORT_KINDS:
        if path.suffix.lower() == f".{kind}":
            return kind
    endings = ", ".join(f".{kind}" for kind in EXPORT_KINDS)
    raise QueryError(f"{path.name}: expected a file ending in {endings}, got {path.suffix!r}")


def _rounded(coverage: Coverage) -> pd.DataFrame:
    table = pd.DataFrame(coverage)
    floats = [name for name, dtype in COVERAGE_COLUMNS.items() if dtype == "float64"]
    return table.round({name: _COLUMNS[name].decimals for name in floats})


def _rows(rounded: pd.DataFrame) -> list[list[Any]]:
    """Return rows of str, int, float, bool or None; whole numbers without a decimal part."""
    columns = [
        [
            None if missing else _plain(value)
            for value, missing in zip(column, column.isna(), strict=True)
        ]
        for column in (rounded[name].astype(object) for name in COVERAGE_COLUMNS)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_geometry(rounded: pd.DataFrame, areas: Areas) -> gpd.GeoDataFrame:
    geometry = areas.set_index("key").geometry.reindex(rounded["key"])
    if len(areas) != len(rounded) or bool(geometry.isna().any()):
        raise SchemaError("areas: expected exactly the areas of the coverage table")
    return gpd.GeoDataFrame(rounded, geometry=np.asarray(geometry.array), crs=areas.crs)


def _method_lines(notes: _Notes) -> list[tuple[str, str]]:
    return [
        ("Stand", f"{notes.today:%d.%m.%Y}, Datenstand Nr. {notes.revision}"),
        *notes.method.items(),
        *((column.label, column.meaning) for column in _COLUMNS.values()),
    ]


def _method_text(notes: _Notes) -> str:
    parts = {"Datenstand": str(notes.revision), **notes.method}
    return " | ".join(f"{label}: {text}" for label, text in parts.items())


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
