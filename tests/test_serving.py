"""A running server with two processes follows imports: no restart, no mixture, no error."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from packaging_helpers import free_port, serving

from geo_service import pipeline
from geo_service.pipeline import Workshop
from geo_service.snapshot import Territory
from geo_service.store import Store

TODAY = dt.date(2026, 11, 23)
TOWNS = ["Mainz", "Trier", "Koblenz", "Worms", "Speyer", "Adenau", "Prüm", "Kusel"]
EDITIONS = 5


@dataclass
class Watch:
    """Clients that ask until told to stop, and what they saw: (when, revision, editions)."""

    port: int
    seen: list[tuple[float, int, frozenset[str]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        while not self.done.is_set():
            # A new connection each time, so that both processes are asked.
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("GET", "/daten/orte.geojson")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self.faults.append(f"{answer.status} {body[:200]!r}")
                    continue
                places = json.loads(body)
                names = [item["properties"]["name"] for item in places["features"]]
                editions = frozenset(name.rsplit(" ", 1)[1] for name in names)
                tag = answer.headers["ETag"]
                revision = int(tag.strip('W/"').split("-")[0].removeprefix("r"))
                self.seen.append((time.monotonic(), revision, editions))
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(repr(error))
            finally:
                connection.close()

    def wait_for(self, revision: int, *, within_s: float) -> bool:
        """Whether every answer that began within the time, and none later, is of `revision`."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self.done.wait(0.02)
        begun = len(self.seen)
        while len(self.seen) < begun + 20 and not self.faults:
            self.done.wait(0.02)
        return all(number == revision for _, number, _ in self.seen[begun + 8 :])


def write_edition(path: Path, edition: int) -> Path:
    rows = [f"treff-{town},Treff {town} {edition},Begegnungsort,{town}" for town in TOWNS]
    path.write_text("\n".join(["id,name,category,municipality", *rows]), "utf-8")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'geo-service.db'}"
    else:
        yield request.getfixturevalue("postgis_url")


def test_two_processes_follow_imports_within_two_seconds_and_never_mix(
    database: str, territory: Territory, tmp_path: Path
) -> None:
    file = tmp_path / "liste.csv"
    port = free_port()
    command = [sys.executable, "-m", "geo_service.cli", "serve", "--workers", "2"]
    command += ["--port", str(port), "--database", database]
    with Store(database) as store:
        store.migrate()
        workshop = Workshop(store, territory)
        pipeline.import_file(write_edition(file, 1), workshop, today=TODAY)
        with serving(command, port=port, cwd=tmp_path) as server:
            assert server.health["revision"] == 1
            watch = Watch(port)
            clients = [threading.Thread(target=watch.ask) for _ in range(4)]
            for client in clients:
                client.start()
            try:
                for edition in range(2, EDITIONS + 1):
                    report = pipeline.import_file(
                        write_edition(file, edition), workshop, today=TODAY
                    )
                    assert report.revision == edition
                    assert watch.wait_for(edition, within_s=2.0)
            finally:
                watch.done.set()
                for client in clients:
                    client.join()
            code, output = server.interrupt()
    assert watch.faults == []
    assert {(revision, editions) for _, revision, editions in watch.seen} == {
        (number, frozenset({str(number)})) for number in range(1, EDITIONS + 1)
    }
    assert code in {0, 130}
    assert "Traceback" not in output
