"""A Redis server of our own, for as long as a test runs.

It needs nothing but Debian's package `redis-server`: no service, no file. Where it is missing
the tests marked `redis` are skipped by name, or fail where GEO_SERVICE_TEST_REQUIRE_ALL is set.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MISSING = "Redis is not installed (Debian: redis-server)"


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_redis(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a server that keeps nothing; gives its address and its process."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("GEO_SERVICE_TEST_REQUIRE_ALL") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "save": "", "dir": folder}
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with subprocess.Popen(
        [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if "eady to accept connections" in line:
                    break
            yield f"redis://127.0.0.1:{port}/0", server
        finally:
            server.kill()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """Give the address of an empty Redis."""
    with running_redis(tmp_path) as (address, _):
        yield address
