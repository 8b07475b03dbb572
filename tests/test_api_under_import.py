"""Two processes serve the API while lists are imported: every answer is of one revision.

Walks neither skip nor repeat what was there throughout, and a copy that follows the changes
equals a full pull. The clients and what they check are those of the benchmark.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from import_load import SETTINGS, import_first, make_history, run
from packaging_helpers import free_port, serving

STEPS = 8


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'geo-service.db'}"
    else:
        yield request.getfixturevalue("postgis_url")


def test_answers_walks_and_copies_hold_while_lists_are_imported(
    database: str, tmp_path: Path
) -> None:
    history = make_history(tmp_path, STEPS)
    import_first(database, history)
    port = free_port()
    command = [sys.executable, "-m", "geo_service.cli", "serve", "--workers", "2"]
    command += ["--port", str(port), "--database", database]
    with serving(command, port=port, cwd=tmp_path, env={**os.environ, **SETTINGS}) as server:
        outcome = run(port, database, history, every_s=1.2)
        code, output = server.interrupt()
    assert outcome.faults == []
    assert outcome.imports == STEPS
    assert outcome.walks_through_imports >= 3
    assert outcome.answers > 100
    assert code in {0, 130}
    assert "Traceback" not in output
