"""Set up this checkout as far as it is not, then serve, test, check or lock.

Set-up has four steps, each skipped while what it made still holds: the Python environment
``.venv``; the packages of a lock file, by pip with hashes; the front-end packages, by npm
with checksums; and geo_service itself, so that the checkout's code is what runs. What was
done is written to ``.venv/geo-service.json``. A set-up that was interrupted leaves a mark
there and is begun anew, because a package may have been installed by half.

Only the standard library is needed. ``scripts/bootstrap`` finds the Python to run this with.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

import vendor_assets

__all__ = ["SetupError", "State", "main", "read_state", "set_up", "write_state"]

ROOT: Final = Path(__file__).resolve().parent.parent
RUN_LOCK: Final = "requirements.lock"
TEST_LOCK: Final = "requirements-test.lock"
TOOLS_LOCK: Final = "requirements-tools.lock"

PYTEST: Final = (
    *("pytest", "--numprocesses=logical", "--maxprocesses=4"),
    *("--dist=loadfile", "--no-loadscope-reorder"),
)
"""All tests, a file at a time to each process, in the order of tests/conftest.py (xdist's own is
by number of tests, not by time); `-n 0` keeps them in one."""

_PIP_INSTALL: Final = (
    *("-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
    *("--progress-bar", "off", "--no-deps"),
)
_LOCKED: Final = ("--require-hashes", "--only-binary", ":all:")
_TAIL: Final = 25
"""So many last lines of a failed command are shown."""

_NOT_FOR_CHILDREN: Final = frozenset(
    {"PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"}
)
"""Variables that would make pip install into another place than ``.venv``."""


class SetupError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


# ------------------------------------------------------------------- what was done already


@dataclass(frozen=True, slots=True)
class State:
    """What set-up has made of ``.venv``.

    `root` and `python` are where the checkout and the interpreter lay then: an environment
    survives neither a move of the checkout nor a change of Python. `running` names the step
    under way; it stays where a set-up was interrupted. `locks` maps lock file to SHA-256.
    """

    root: str = ""
    python: str = ""
    running: str = ""
    locks: tuple[tuple[str, str], ...] = ()
    project: str = ""


def read_state(venv: Path) -> State | None:
    """Return what set-up noted about `venv`, or None where it noted nothing readable."""
    try:
        noted = json.loads((venv / "geo-service.json").read_bytes())
        locks = tuple(sorted((str(name), str(sha256)) for name, sha256 in noted["locks"].items()))
        texts = {key: str(noted[key]) for key in ("root", "python", "running", "project")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return State(locks=locks, **texts)


def write_state(venv: Path, state: State) -> None:
    """Note `state` in `venv`, whole or not at all."""
    noted = {
        "root": state.root,
        "python": state.python,
        "running": state.running,
        "locks": dict(state.locks),
        "project": state.project,
    }
    temporary = venv / "geo-service.json.new"
    temporary.write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
    temporary.replace(venv / "geo-service.json")


def _is_whole(venv: Path, state: State | None) -> bool:
    """Say whether `venv` can be kept: made here, by a Python that is still there, to its end.

    An environment that somebody made by hand has no note; it is kept where its pip runs.
    """
    python = venv / "bin" / "python"
    if not os.access(python, os.X_OK):
        return False
    if state is not None:
        return (
            not state.running
            and state.root == str(venv.parent)
            and state.python == os.path.realpath(python)
        )
    probe = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -------------------------------------------------------------------------- what is shown


class Progress:
    """One numbered line per step, with its duration; a moving note on a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._number = 0
        self._title = ""
        self._moving = sys.stdout.isatty()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show `title` while the step runs, and how long it took."""
        self._number += 1
        self._title = f"[{self._number}/{self._total}] {title}"
        print(self._title, end=" ... ", flush=True)
        begun = time.monotonic()
        try:
            yield
        except BaseException:
            print(flush=True)
            raise
        self.note("")
        print(f"{time.monotonic() - begun:.1f} s", flush=True)

    def note(self, text: str) -> None:
        """Show where the step is, on a terminal."""
        if self._moving:
            width = shutil.get_terminal_size().columns - len(self._title) - 6
            print(f"\r\x1b[K{self._title} ... {text[: max(width, 0)]}", end="", flush=True)


def _child_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _run(
    command: Sequence[str], hint: str, on_line: Callable[[str], None] | None = None
) -> list[str]:
    """Run `command` to its end and return the lines it wrote.

    Raises
    ------
    SetupError
        If it fails, with its last lines and `hint`.
    """
    code, lines = vendor_assets.run_to_end(command, env=_child_environment(), on_line=on_line)
    if code != 0:
        raise SetupError("\n".join([*lines[-_TAIL:], "", hint]))
    return lines


# -------------------------------------------------------------------------- the four steps


@dataclass(frozen=True, slots=True)
class Checkout:
    """The folder to set up, for running alone or with what tests need too."""

    root: Path
    tests: bool

    @property
    def venv(self) -> Path:
        """The Python environment, made by set-up."""
        return self.root / ".venv"

    @property
    def python(self) -> str:
        """Where the environment's interpreter really lies."""
        return os.path.realpath(self.venv / "bin" / "python")

    @property
    def lock(self) -> Path:
        """The lock file whose packages are wanted."""
        return self.root / (TEST_LOCK if self.tests else RUN_LOCK)

    def pip_install(self, *arguments: str) -> list[str]:
        """Return the command that makes the environment's pip install what is named."""
        return [str(self.venv / "bin" / "python"), *_PIP_INSTALL, *arguments]


def set_up(root: Path = ROOT, *, tests: bool = False) -> None:
    """Make what is missing or out of date; do nothing, quickly, where nothing is.

    Raises
    ------
    SetupError
        If something cannot be made; what was made stays, and the next set-up goes on.
    """
    checkout = Checkout(root, tests)
    if not _missing_steps(checkout):
        return
    with _alone(root):
        # Another set-up may have done it all while this one waited.
        steps = _missing_steps(checkout)
        if not steps:
            return
        progress = Progress(len(steps))
        print(f"Setting up geo_service in {root}", flush=True)
        begun = time.monotonic()
        for title, action in steps:
            with progress.step(title):
                action(checkout, progress)
        print(f"Set-up took {time.monotonic() - begun:.1f} s.", flush=True)


Action = Callable[[Checkout, Progress], None]


def _missing_steps(checkout: Checkout) -> list[tuple[str, Action]]:
    noted = read_state(checkout.venv)
    whole = _is_whole(checkout.venv, noted)
    state = noted if whole and noted is not None else State()
    count = len(_pins(checkout.lock))
    steps: list[tuple[str, Action]] = []
    if not whole:
        version = ".".join(map(str, sys.version_info[:3]))
        steps.append((f"Python environment .venv (Python {version})", _make_venv))
    if (checkout.lock.name, _sha256(checkout.lock)) not in state.locks:
        steps.append((f"{count} Python packages of {checkout.lock.name}", _install_lock))
    if not vendor_assets.is_current(checkout.root, tests=checkout.tests):
        steps.append(("front-end packages of package-lock.json", _fetch_assets))
    if state.project != _sha256(checkout.root / "pyproject.toml"):
        steps.append(("geo_service itself", _install_project))
    return steps


def _make_venv(checkout: Checkout, _progress: Progress) -> None:
    venv = checkout.venv
    if importlib.util.find_spec("ensurepip") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            f"This Python ({sys.executable}) cannot make environments: it lacks ensurepip.\n"
            f"On Debian, as root:  apt-get install python{version}-venv"
        )
    if venv.is_symlink() or (venv.exists() and not _is_ours(venv)):
        raise SetupError(f"{venv} is there and is no Python environment; move it away.")
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir()
    write_state(venv, State(running="venv"))
    python = getattr(sys, "_base_executable", sys.executable)
    _run([python, "-m", "venv", str(venv)], f"{python} -m venv failed; set-up cannot go on.")
    write_state(venv, State(str(checkout.root), checkout.python))


def _is_ours(venv: Path) -> bool:
    made = (venv / "pyvenv.cfg", venv / "geo-service.json", venv / "geo-service.json.new")
    return any(path.exists() for path in made) or not any(venv.iterdir())


class PipLines:
    """What pip says line by line: shown as "12/41 numpy", and whether it began to install."""

    def __init__(self, progress: Progress, *, total: int) -> None:
        self.installing = False
        self._progress = progress
        self._total = total
        self._seen: set[str] = set()

    def __call__(self, line: str) -> None:
        """Take one line of pip's."""
        found = re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line)
        if found:
            self._seen.add(found[1])
            done = min(len(self._seen), self._total)
            self._progress.note(f"{done}/{self._total} {found[1]}")
        elif line.startswith("Installing collected packages"):
            self.installing = True
            self._progress.note("installing")


def _install_lock(checkout: Checkout, progress: Progress) -> None:
    """Install what the lock pins, with a mark in the note while packages may be half there."""
    lock = checkout.lock
    before = _noted(checkout)
    write_state(checkout.venv, replace(before, running=lock.name))
    lines = PipLines(progress, total=len(_pins(lock)))
    try:
        _run(checkout.pip_install(*_LOCKED, "-r", str(lock)), _pip_hint(lock), lines)
    except SetupError:
        if not lines.installing:
            write_state(checkout.venv, before)
        raise
    names = {lock.name, RUN_LOCK} if checkout.tests else {lock.name}
    locks = tuple(sorted((name, _sha256(checkout.root / name)) for name in names))
    write_state(checkout.venv, replace(before, locks=locks))


def _noted(checkout: Checkout) -> State:
    """Return the environment's note, or a first one for an environment made by hand."""
    return read_state(checkout.venv) or State(str(checkout.root), checkout.python)


def _pip_hint(lock: Path) -> str:
    return (
        f"pip could not install {lock.name}. If this machine reaches packages only through a\n"
        "proxy or a mirror, tell pip (HTTPS_PROXY, PIP_INDEX_URL or pip.conf), then try again."
    )


def _pins(lock: Path) -> list[str]:
    """Return the names of the packages that `lock` pins, each once."""
    found = re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return sorted(set(found))


def _fetch_assets(checkout: Checkout, progress: Progress) -> None:
    with _npm(checkout, progress) as npm:
        progress.note(f"npm {vendor_assets.npm_version(npm)}")
        vendor_assets.fetch(npm, checkout.root, tests=checkout.tests)


@contextlib.contextmanager
def _npm(checkout: Checkout, progress: Progress) -> Iterator[Sequence[str]]:
    """Give the machine's npm, or one from the tools lock that is thrown away afterwards."""
    npm = vendor_assets.machine_npm()
    if npm is not None:
        yield npm
        return
    progress.note(f"no npm {vendor_assets.OLDEST_NPM} or newer here: fetching one")
    with _tool(checkout, vendor_assets.NPM_PACKAGE) as site:
        yield vendor_assets.bundled_npm(site)


@contextlib.contextmanager
def _tool(checkout: Checkout, name: str) -> Iterator[Path]:
    """Install the tool that the tools lock pins as `name` into a folder for a moment."""
    build = checkout.root / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tool-", dir=build) as folder:
        wanted = Path(folder, "requirements.txt")
        pin = vendor_assets.locked_requirement(checkout.root / TOOLS_LOCK, name)
        wanted.write_text(pin, encoding="utf-8")
        site = Path(folder, "site")
        target = ("--no-compile", "--target", str(site), "-r", str(wanted))
        _run(checkout.pip_install(*_LOCKED, *target), f"pip could not fetch {name}.")
        yield site


def _install_project(checkout: Checkout, _progress: Progress) -> None:
    """Install the checkout so that its own code runs; needs no network."""
    flags = ("--no-index", "--no-build-isolation", "--editable", str(checkout.root))
    _run(checkout.pip_install(*flags), "geo_service itself was not installed.")
    project = _sha256(checkout.root / "pyproject.toml")
    write_state(checkout.venv, replace(_noted(checkout), project=project))


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one set-up of this checkout run at a time; a second one waits."""
    (root / "build").mkdir(exist_ok=True)
    with (root / "build" / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up of this checkout is running; waiting for it.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -------------------------------------------------------------------------- the four verbs


def serve(arguments: Sequence[str]) -> NoReturn:
    """Set up and become ``geo-service serve``.

    Unless told otherwise the database is the checkout's, from whichever folder one starts.
    """
    set_up()
    if not os.environ.get("DATABASE_URL", "").strip():
        os.environ["DATABASE_URL"] = f"sqlite:///{ROOT}/instance/geo-service.db"
    program = str(ROOT / ".venv" / "bin" / "geo-service")
    os.execv(program, [program, "serve", *arguments])


def test(arguments: Sequence[str]) -> NoReturn:
    """Set up with test tools and become pytest."""
    set_up(tests=True)
    os.chdir(ROOT)
    program = str(ROOT / ".venv" / "bin" / "python")
    os.execv(program, [program, "-m", *PYTEST, *arguments])


def check(arguments: Sequence[str]) -> int:
    """Set up with test tools and run every check; tests come last and run in any case."""
    set_up(tests=True)
    os.chdir(ROOT)
    rest = [argument for argument in arguments if argument != "--fix"]
    fix = len(rest) < len(arguments)
    failed: list[str] = []
    for command in _checks(fix=fix):
        print(f"$ {' '.join(command)}", flush=True)
        if subprocess.run([Path(".venv", "bin", command[0]), *command[1:]], check=False).returncode:
            failed.append(" ".join(command))
    if failed:
        print(f"Failed: {', '.join(failed)}. Tests follow all the same.", flush=True)
    print(f"$ {' '.join(PYTEST)}", flush=True)
    tested = subprocess.run([Path(".venv", "bin", "python"), "-m", *PYTEST, *rest], check=False)
    return tested.returncode or int(bool(failed))


def _checks(*, fix: bool) -> list[list[str]]:
    rules = ["ruff", "check", *(["--fix"] if fix else []), "."]
    form = ["ruff", "format", *([] if fix else ["--check"]), "."]
    return [rules, form, ["mypy"]]


def lock(arguments: Sequence[str]) -> int:
    """Resolve the dependencies anew and write all four locks, free of host names.

    Raises
    ------
    SetupError
        If `arguments` holds anything but ``--upgrade``, or a resolver fails.
    """
    if [argument for argument in arguments if argument != "--upgrade"]:
        raise SetupError(f"lock: expected --upgrade or nothing, got {' '.join(arguments)}")
    checkout = Checkout(ROOT, tests=False)
    os.chdir(ROOT)
    if not _is_whole(checkout.venv, read_state(checkout.venv)):
        set_up()
    progress = Progress(2)
    with progress.step("requirements*.lock"), _tool(checkout, "uv") as site:
        for command in _compilations(site / "bin" / "uv", upgrade=bool(arguments)):
            _run(command, "uv could not resolve what pyproject.toml asks for.")
    with progress.step("package-lock.json"), _npm(checkout, progress) as npm:
        verb = "update" if arguments else "install"
        flags = ("--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund")
        _run(
            [*npm, verb, *flags, "--omit-lockfile-registry-resolved"],
            "npm could not resolve what package.json asks for.",
        )
    return 0


def _compilations(uv: Path, *, upgrade: bool) -> list[list[str]]:
    """Return uv's commands; the second keeps the pins of the first."""
    command = [
        *(str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--generate-hashes", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        *("--custom-compile-command", "./scripts/lock", *(["--upgrade"] if upgrade else [])),
    ]
    return [
        [*command, "pyproject.toml", "--group", "setup", "-o", RUN_LOCK],
        [*command, "pyproject.toml", "--group", "test", "-c", RUN_LOCK, "-o", TEST_LOCK],
        [*command, "--group", "tools", "-o", TOOLS_LOCK],
    ]


VERBS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "serve": serve,
    "test": test,
    "check": check,
    "lock": lock,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the verb that comes first; the rest is passed on to what it starts."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in VERBS:
        print(f"expected one of {', '.join(VERBS)}, got {given[:1] or 'nothing'}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    try:
        return VERBS[given[0]](given[1:])
    except KeyboardInterrupt:
        print("\nInterrupted; the next start goes on from here.", file=sys.stderr)
        return 130
    except (SetupError, vendor_assets.VendorError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Set-up cannot go on: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
