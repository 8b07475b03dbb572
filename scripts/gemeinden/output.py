"""Write the files of ``data/gemeinden/``: all of them, or none."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyogrio

from gemeinden.errors import BuildError
from gemeinden.places import GEONAMES_LICENCE, KINDS, geonames_source
from gemeinden.readme import render_readme
from geo_service.errors import FileFormatError
from geo_service.municipalities import LAYER, MunicipalityIndex, load_municipalities
from geo_service.schema import MUNICIPALITY_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    import pandas as pd

    from gemeinden.checks import Differences
    from gemeinden.register import Entry
    from gemeinden.territory import Territory
    from gemeinden.vg250 import Release

MOST_BYTES: Final = 8_000_000
"""The boundary file stays small enough to be committed and shipped."""

LARGEST_LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class Build:
    """Everything that was built, checked, and is ready to be written."""

    release: Release
    territory: Territory
    register: Sequence[Entry]
    register_name: str
    changes_name: str
    differences: Differences
    places: pd.DataFrame
    command: str


def write_build(build: Build, folder: Path, *, built_on: str) -> dict[str, Any]:
    """Write the files to `folder`, replacing old ones only when all new ones are good.

    Where nothing but the day would change, the old day is kept, so that building again
    leaves every byte as it was.

    Returns
    -------
    metadata
        What ``gemeinden.json`` says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as name:
        new = Path(name)
        write_geopackage(build, new / "gemeinden.gpkg")
        _check_geopackage(build, new / "gemeinden.gpkg")
        _write_csv(build.places, new / "orte.csv")
        _write_csv(build.territory.keys, new / "schluessel.csv")
        metadata = describe(build, new, built_on=built_on)
        metadata["built_on"] = _kept_day(metadata, folder / "gemeinden.json")
        text = json.dumps(metadata, ensure_ascii=False, indent=2) + "\n"
        (new / "gemeinden.json").write_text(text, encoding="utf-8", newline="\n")
        readme = render_readme(metadata, build.differences.municipalities.head(LARGEST_LISTED))
        (new / "README.md").write_text(readme, encoding="utf-8", newline="\n")
        for file in sorted(new.iterdir()):
            file.replace(folder / file.name)
    return metadata


def write_geopackage(build: Build, path: Path) -> None:
    """Write the municipalities as a GeoPackage whose bytes depend on nothing but them."""
    stamp = f"{build.register[0].territorial_date}T00:00:00.000Z"
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": stamp})
    try:
        pyogrio.write_dataframe(
            build.territory.municipalities[[*MUNICIPALITY_COLUMNS, "geometry"]],
            path,
            layer=LAYER,
            driver="GPKG",
            geometry_type="MultiPolygon",
            layer_options={
                "GEOMETRY_NAME": "geometry",
                "IDENTIFIER": "Gemeinden",
                "DESCRIPTION": f"{_boundary_note(build)} {_figures_note(build.register)}",
            },
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def describe(build: Build, folder: Path, *, built_on: str) -> dict[str, Any]:
    """Return what ``gemeinden.json`` says about the files in `folder`."""
    table, origin = build.territory.municipalities, build.release.origin
    free = table["verbandsgemeinde"].isna()
    keys = build.territory.keys
    return {
        "source": origin.source,
        "licence": origin.licence,
        "source_note": origin.source_note,
        "boundary_date": origin.territorial_date,
        "territorial_date": build.register[0].territorial_date,
        "land": build.register[0].ars[:2],
        "built_on": built_on,
        "command": build.command,
        "geometry": {
            "crs": "EPSG:4326",
            "vertices": int(table.geometry.count_coordinates().sum()),
            "thinned_m": 0,
            "repaired": list(build.release.repaired),
            "left_out": list(build.territory.left_out),
        },
        "figures": {
            "source": f"{build.register_name}, {build.changes_name}",
            "licence": "dl-de/by-2-0 (https://www.govdata.de/dl-de/by-2-0)",
            "source_note": _figures_note(build.register),
            "population_date": build.register[0].population_date,
            "area_date": build.register[0].area_date,
        },
        "places": {
            "source": geonames_source(),
            "licence": f"{GEONAMES_LICENCE} (https://creativecommons.org/licenses/by/4.0/)",
            "source_note": "© GeoNames (geonames.org), CC BY 4.0 (Daten verändert)",
            "rows": len(build.places),
            **{kind: int((build.places["kind"] == kind).sum()) for kind in KINDS},
        },
        "checks": {
            "municipalities": len(table),
            "verbandsgemeinden": int(table.loc[~free, "verbandsgemeinde_key"].nunique()),
            "outside_verbandsgemeinden": int(free.sum()),
            "kreise": int(table["kreis_key"].nunique()),
            "population": int(table["population"].sum()),
            "area_official_km2": round(build.differences.land_official_km2, 2),
            "area_drawn_km2": round(build.differences.land_drawn_km2, 2),
            "area_difference_percent": round(100 * build.differences.land_share, 3),
            "coverage_valid": True,
            "old_municipalities": len(keys),
            "merged_municipalities": int((keys["alter_ags"] != keys["neuer_ags"]).sum()),
            "seats_official": int((table["seat_source"] == "official").sum()),
            "seats_surface": int((table["seat_source"] == "surface").sum()),
        },
        "files": {file.name: _sha256(file) for file in sorted(folder.iterdir())},
    }


def _boundary_note(build: Build) -> str:
    return f"Grenzen: {build.release.origin.source_note}."


def _figures_note(register: Sequence[Entry]) -> str:
    year, month, day = register[0].territorial_date.split("-")
    return (
        "© Statistisches Bundesamt (Destatis), Gemeindeverzeichnis GV100AD, Gebietsstand "
        f"{day}.{month}.{year}; Daten verändert (Spalten ausgewählt, Namen geteilt, "
        "Koordinaten ergänzt)"
    )


def _check_geopackage(build: Build, path: Path) -> None:
    """Read the file back as the product does, and find every seat in its municipality."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise BuildError(f"{path.name}: expected at most {MOST_BYTES} bytes, got {size}")
    try:
        read = load_municipalities(path)
    except FileFormatError as error:
        raise BuildError(str(error)) from error
    written: gpd.GeoDataFrame = build.territory.municipalities
    same = read["ags"].tolist() == written["ags"].tolist()
    if not same or not bool(read.geometry.geom_equals_exact(written.geometry, 0).all()):
        raise BuildError(f"{path.name}: expected to read what was written, got something else")
    lon, lat = read["seat_lon"].to_numpy(np.float64), read["seat_lat"].to_numpy(np.float64)
    found = MunicipalityIndex(read).find(lon, lat, tolerance_m=0.0)
    astray = read.loc[found != read["ags"].to_numpy(dtype=object), "ags"].tolist()
    if astray:
        raise BuildError(f"{path.name}: expected every seat in its municipality, got {astray}")


def _kept_day(metadata: dict[str, Any], old_file: Path) -> str:
    """Return the day of the old file where all else is the same, else the new one."""
    day = str(metadata["built_on"])
    try:
        old = json.loads(old_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return day
    if not isinstance(old, dict) or {**old, "built_on": day} != metadata:
        return day
    return str(old["built_on"])


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
