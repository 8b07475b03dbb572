"""Small things that tests of scripts and packaging share: a running server, tiny wheels."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A started `geo-service serve` that has answered."""

    process: subprocess.Popen[bytes]
    written: IO[bytes]
    health: dict[str, Any]
    seconds: float

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C: the exit code, and what the server wrote."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=30)
        return code, _text(self.written)


def _text(written: IO[bytes]) -> str:
    written.seek(0)
    return written.read().decode()


@contextlib.contextmanager
def serving(
    command: Sequence[str], *, port: int, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start `command` and wait until ``/healthz`` answers on `port`."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as written:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            health = _health(process, f"http://127.0.0.1:{port}/healthz", begun + 120)
            assert health is not None, f"no answer; the server wrote:\n{_text(written)}"
            yield Server(process, written, health, time.monotonic() - begun)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _health(process: subprocess.Popen[bytes], url: str, deadline: float) -> dict[str, Any] | None:
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
                return dict(json.load(answer))
        except OSError:
            # What is waited for happens in another process, which has no event to give.
            time.sleep(0.02)
    return None


def make_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], *, scripts: Sequence[str] = ()
) -> str:
    """Write a wheel of `files`; return the lines that a lock pins it with.

    `scripts` are entry points such as ``ruff = checks:ruff``.
    """
    info = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "\n".join(["[console_scripts]", *scripts, ""]),
    }
    record = "".join(f"{path},sha256={_digest(text)},\n" for path, text in members.items())
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(member), text)
    return (
        f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


FAKE_NPM = """\
import json, os, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
with open(here / "calls.jsonl", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + chr(10))
if sys.argv[1:] == ["--version"]:
    print((here / "version").read_text())
elif (here / "hangs").exists():
    print("hanging", flush=True)
    (here / "hanging").touch()
    os.read(os.open(here / "hangs", os.O_RDONLY), 1)
elif (here / "fails").exists():
    sys.exit("npm error code EINTEGRITY")
else:
    shutil.copytree(here / "node_modules", "node_modules")
"""


def make_npm(folder: Path, packages: Mapping[str, Sequence[str]]) -> Path:
    """Make an npm that installs `packages` with the files named; return its folder, for PATH.

    It writes its calls to ``calls.jsonl``, fails while a file ``fails`` is beside it, and
    waits for ever while a FIFO ``hangs`` is.
    """
    folder.mkdir()
    (folder / "fake_npm.py").write_text(FAKE_NPM)
    (folder / "version").write_text("10.8.2")
    for package, names in packages.items():
        home = folder / "node_modules" / package
        for name in names:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(f"{package} {name}\n")
        (home / "package.json").write_text(json.dumps({"version": "1.2.3"}))
    npm = folder / "npm"
    npm.write_text(f'#!/bin/sh\nexec python3 "{folder}/fake_npm.py" "$@"\n')
    npm.chmod(0o755)
    return folder


def npm_calls(folder: Path) -> list[list[str]]:
    """Return the arguments of each call of the npm in `folder`."""
    calls = folder / "calls.jsonl"
    return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
