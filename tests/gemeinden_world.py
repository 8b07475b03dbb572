"""A small Land as BKG's VG250 has it, its register, and runs of scripts/build_gemeinden.py.

Six squares of 1 km in a row, from x = 400 km: Aheim and Bheim (VG Alt), Cheim (VG Neu),
Dstadt (free town, Kreis 07131), Estadt (kreisfrei), and a forest without a municipality.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import build_gemeinden
import geopandas as gpd
import pyogrio
import pytest
import shapely
from gemeinden import vg250
from gemeinden.places import Place

from geo_service.municipalities import load_municipalities

X0, Y0, KM = 400_000.0, 5_500_000.0, 1_000.0

UNITS = (
    ("071315001001", "Aheim", "Gemeinde"),
    ("071315001002", "Bheim", "Gemeinde"),
    ("071315002003", "Cheim", "Gemeinde"),
    ("071310004004", "Dstadt", "Stadt"),
    ("071110000000", "Estadt", "Stadt"),
    ("071319999999", "Forst", "Gemeindefreies Gebiet"),
)

REGISTER_COLUMNS = (
    "ars,ags,name,bezeichnung,verbandsgemeinde,kreis,plz,flaeche_km2,einwohner,lon,lat,"
    "stand,gebietsstand,stand_flaeche"
)
CHANGES = """\
datum,ebene,art,alter_schluessel,alter_name,neuer_schluessel,neuer_name,quelle
2018-01-01,Gemeinde,Zusammenschluss,07131001,Aheim,07131501,Neuheim,Amtsblatt
2018-01-01,Gemeinde,Zusammenschluss,07131002,Bheim,07131501,Neuheim,Amtsblatt
2019-01-01,Verbandsgemeinde,Zusammenschluss,071315001,Alt,071315003,Mitte,Amtsblatt
2019-01-01,Verbandsgemeinde,Zusammenschluss,071315002,Neu,071315003,Mitte,Amtsblatt
"""


def register_row(facts: str, centre: tuple[float, float] | None) -> str:
    lon, lat = centre or ("", "")
    return f"{facts},{lon},{lat},2024-12-31,2025-08-31,2023-12-31\n"


def register() -> str:
    """What the Land became: Aheim and Bheim are Neuheim, both Verbandsgemeinden are Mitte.

    Estadt's centre point lies in Neuheim, and Neuheim has none.
    """
    return (
        f"{REGISTER_COLUMNS}\n"
        + register_row(
            '071110000000,07111000,Estadt,kreisfreie Stadt,,"Estadt, Stadt",55005,1.00,5000',
            degrees(0.5),
        )
        + register_row(
            "071310004004,07131004,Dstadt,verbandsfreie Stadt,,Musterkreis,55004,1.00,4000",
            degrees(3.5),
        )
        + register_row(
            "071315003003,07131003,Cheim,Gemeinde,Mitte,Musterkreis,55003,1.00,300",
            degrees(2.5),
        )
        + register_row(
            "071315003501,07131501,Neuheim,Gemeinde,Mitte,Musterkreis,55001,2.00,1200", None
        )
    )


def cell(number: int, *, south: float = 0.0, north: float = 1.0) -> shapely.Polygon:
    """The square number `number`, all four corners and those of its neighbours as vertices."""
    west = X0 + number * KM
    return shapely.box(west, Y0 + south * KM, west + KM, Y0 + north * KM)


def degrees(number: float, height: float = 0.5) -> tuple[float, float]:
    point = gpd.GeoSeries([shapely.Point(X0 + number * KM, Y0 + height * KM)], crs="EPSG:25832")
    there = point.to_crs("EPSG:4326").iloc[0]
    return round(there.x, 6), round(there.y, 6)


def layers(
    units: tuple[tuple[str, str, str], ...] = UNITS, *, key: str = "ARS"
) -> dict[str, gpd.GeoDataFrame]:
    """The four layers of a VG250 release; a lake (GF = 2) lies north of Aheim."""
    polygons = [cell(number) for number in range(len(units))]

    def layer(digits: int, names: dict[str, str], kinds: dict[str, str]) -> gpd.GeoDataFrame:
        keys = [ars[:digits] for ars, _, _ in units]
        rows: list[dict[str, Any]] = []
        for unit in dict.fromkeys(keys):
            mine = [polygon for k, polygon in zip(keys, polygons, strict=True) if k == unit]
            ags = unit[:5] + unit[9:] if digits == 12 else unit
            rows.append(
                {
                    "ADE": 6,
                    "GF": 4,
                    key: unit,
                    "AGS": ags,
                    "GEN": names[unit],
                    "BEZ": kinds[unit],
                    "geometry": shapely.union_all(mine),
                }
            )
        rows.append({**rows[0], "GF": 2, "geometry": cell(0, south=1.0, north=2.0)})
        return gpd.GeoDataFrame(rows, crs="EPSG:25832")

    full = {ars: name for ars, name, _ in units}
    kinds = {ars: kind for ars, _, kind in units}
    vg = {ars[:9]: f"VG {ars[5:9]}" for ars, _, _ in units}
    return {
        "GEM": layer(12, full, kinds),
        "VWG": layer(9, vg, dict.fromkeys(vg, "Verbandsgemeinde")),
        "KRS": layer(5, {ars[:5]: ars[:5] for ars in full}, {ars[:5]: "Kreis" for ars in full}),
        "LAN": layer(2, {ars[:2]: "Land" for ars in full}, {ars[:2]: "Land" for ars in full}),
    }


def write_gpkg(path: Path, frames: dict[str, gpd.GeoDataFrame]) -> Path:
    for name, frame in frames.items():
        pyogrio.write_dataframe(frame, path, layer=f"vg250_{name.lower()}", driver="GPKG")
    return path


def write_shp_zip(path: Path, frames: dict[str, gpd.GeoDataFrame], *, date: str | None) -> Path:
    folder = path.with_suffix("")
    folder.mkdir()
    for name, frame in frames.items():
        pyogrio.write_dataframe(
            frame, folder / f"VG250_{name}.shp", driver="ESRI Shapefile", encoding="UTF-8"
        )
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"vg250_01-01.utm32s.shape.ebenen/vg250_ebenen_0101/{file.name}")
        if date is not None:
            archive.writestr("vg250_01-01.utm32s.shape.ebenen/aktualitaet.txt", f"{date}\n")
    return path


def write_gpkg_zip(path: Path, frames: dict[str, gpd.GeoDataFrame], *, date: str) -> Path:
    inner = write_gpkg(path.with_suffix(".gpkg"), frames)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "vg250_ebenen_0101/DE_VG250.gpkg")
        archive.writestr("dokumentation/aktualitaet.txt", date)
    return path


class Workbench:
    """A folder with register and changes, and one call of the script at a time."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.out = folder, folder / "out"
        self.register = folder / "register.csv"
        self.changes = folder / "changes.csv"
        self.register.write_text(register(), encoding="utf-8")
        self.changes.write_text(CHANGES, encoding="utf-8")
        self._capsys = capsys

    def build(self, source: str | Path, *options: str) -> tuple[int, str]:
        """Run the script; its exit code and what it wrote to stderr."""
        code = build_gemeinden.main(
            [
                *("--source", str(source), "--out", str(self.out)),
                *("--register", str(self.register), "--changes", str(self.changes)),
                *options,
            ]
        )
        return code, self._capsys.readouterr().err

    def edit(self, file: Path, old: str, new: str) -> None:
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def table(self) -> gpd.GeoDataFrame:
        return load_municipalities(self.out / "gemeinden.gpkg").set_index("ags")

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.out / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def metadata(self) -> dict[str, Any]:
        return dict(json.loads((self.out / "gemeinden.json").read_text("utf-8")))

    def bytes(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted(self.out.iterdir())}


def place(number: int, name: str, at: tuple[float, float], *names: str, people: int = 0) -> Place:
    return Place(f"geonames-{number}", name, at[0], at[1], people, names)


def npm_tarball(path: Path) -> Path:
    """A package as npm packs it: a list of Features and FeatureCollections per level."""
    with tarfile.open(path, "w:gz") as archive:
        for layer, name in vg250.NPM_FILES.items():
            frame = layers(key="RS")[layer].to_crs("EPSG:4326")
            features = json.loads(frame.to_json())["features"]
            for feature in features:
                feature["properties"] |= {"AGS_0": feature["properties"]["AGS"]}
            other = json.loads(json.dumps(features[0]))
            other["properties"]["RS"] = "08" + other["properties"]["RS"][2:]
            content = [
                features[0],
                other,
                {"type": "FeatureCollection", "features": features[1:]},
            ]
            data = json.dumps(content, ensure_ascii=False).encode()
            member = tarfile.TarInfo(f"package/{name}.geo.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
