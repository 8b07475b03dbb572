"""Imports into a database that is served, and clients that check every answer meanwhile.

What each revision has is worked out beforehand. Each answer says which revision it is of, so
that a record of another one, a missing one or one too many is a fault, whoever asked when.
`bench_api.py` runs this for a minute, the tests for some seconds.
"""

from __future__ import annotations

import csv
import hashlib
import http.client
import io
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["SETTINGS", "Clients", "History", "Outcome", "import_first", "make_history", "run"]

TOWNS: Final = ("Mainz", "Trier", "Koblenz", "Worms", "Speyer", "Adenau", "Prüm", "Kusel")
PLACES: Final = "/api/v1/initiatives"
SETTINGS: Final = {"GEO_SERVICE_RATE_LIMIT_FILES": "off"}
"""What the server needs: our clients pull everything more often than one visitor may."""

PAUSE_S: Final = 0.03
"""What each client waits between two requests, so that walks last for several imports."""

_IMPORTER: Final = """\
import sys
from geo_service.cli import main
for line in sys.stdin:
    try:
        main(line.rstrip().split("\\t"))
    except SystemExit as end:
        if end.code:
            raise
    print("done", flush=True)
"""


@dataclass(frozen=True, slots=True)
class History:
    """What to call `geo-service` with, one revision a call, and the names by id after each.

    `states[0]` is the empty database, `states[n]` what revision n has.
    """

    commands: tuple[tuple[str, ...], ...]
    states: tuple[Mapping[str, str], ...]


def make_history(folder: Path, steps: int, *, records: int = 300, seed: int = 5) -> History:
    """Write the lists to import, after the first one `steps` more.

    Each changes a third of the records and adds three anywhere in the order of ids; every
    fifth step erases a record instead.
    """
    chance = random.Random(seed)
    state: dict[str, str] = {}
    states = [dict(state)]
    commands: list[tuple[str, ...]] = []
    for revision in range(1, steps + 2):
        if revision % 5 == 0:
            gone = chance.choice(sorted(state))
            del state[gone]
            commands.append(("erase", gone))
        else:
            for record_id in [one for one in state if chance.random() < 1 / 3]:
                state[record_id] = f"Treff {record_id} Ausgabe {revision}"
            for number in chance.sample(range(100_000), 3 if state else records):
                state[f"ort-{number:05}"] = f"Treff ort-{number:05} Ausgabe {revision}"
            file = _write_list(folder / f"liste{revision}.csv", state)
            commands.append(("import", str(file), "--dataset", "liste"))
        states.append(dict(state))
    return History(tuple(commands), tuple(states))


def _write_list(path: Path, state: Mapping[str, str]) -> Path:
    rows = [
        (record_id, name, "Begegnungsort", TOWNS[int(record_id[-1]) % len(TOWNS)])
        for record_id, name in state.items()
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "name", "category", "municipality"), *rows])
    return path


@dataclass
class Outcome:
    """What clients saw: faults in words, how many answers and walks, seconds of the slowest."""

    faults: list[str] = field(default_factory=list)
    answers: int = 0
    walks: int = 0
    walks_through_imports: int = 0
    slowest_s: float = 0.0
    imports: int = 0
    late_s: float = 0.0
    """How much later than planned the last import began."""


class _FaultError(Exception):
    """An answer is not what its revision says."""


@dataclass
class Clients:
    """Clients of the server on `port` that go on until `done`; each request is a connection."""

    port: int
    history: History
    outcome: Outcome = field(default_factory=Outcome)
    done: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> list[threading.Thread]:
        """Start them all."""
        follow = Mirror(self).follow
        kinds = (
            *(self.walk_by_id, self.walk_by_id, self.walk_by_name),
            *(self.pull, self.ask_pages, lambda _: follow()),
        )
        threads = [
            threading.Thread(target=self._repeat, args=(one, random.Random(number)))
            for number, one in enumerate(kinds)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _repeat(self, act: Callable[[random.Random], None], chance: random.Random) -> None:
        while not self.done.wait(PAUSE_S):
            try:
                act(chance)
            except (_FaultError, OSError, http.client.HTTPException, ValueError) as error:
                self.outcome.faults.append(f"{type(error).__name__}: {error}")
                self.done.wait(0.2)  # so that a fault that stays does not fill the memory

    # --------------------------------------------------------------------- one request

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask once; the revision in the answer's tag, and its body."""
        begun = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        with self._lock:
            self.outcome.answers += 1
            took_s = time.perf_counter() - begun
            self.outcome.slowest_s = max(self.outcome.slowest_s, took_s)
        if answer.status != 200:
            raise _FaultError(f"{path}: status {answer.status}, {body[:300]!r}")
        tag = re.fullmatch(r'"r([0-9]+)-.*"', answer.headers.get("ETag", ""))
        if tag is None:
            raise _FaultError(f"{path}: expected a tag with the revision, got {answer.headers}")
        return int(tag[1]), body

    def get_json(self, path: str) -> dict[str, Any]:
        """Ask once for JSON, whose revision must be that of its tag."""
        revision, body = self.get(path)
        said: dict[str, Any] = json.loads(body)
        if said["revision"] != revision:
            raise _FaultError(f"{path}: tag of {revision}, content of {said['revision']}")
        return said

    def check_some(self, path: str, revision: int, names: Mapping[str, str]) -> None:
        """Refuse records that the revision does not have like this."""
        state = self.history.states[revision]
        wrong = {one: name for one, name in names.items() if state.get(one) != name}
        if wrong:
            raise _FaultError(f"{path}: not of revision {revision}: {sorted(wrong.items())[:3]}")

    def check_all(self, path: str, revision: int, names: Mapping[str, str]) -> None:
        """Refuse what is not the whole revision."""
        self.check_some(path, revision, names)
        missing = self.history.states[revision].keys() - names.keys()
        if missing:
            raise _FaultError(f"{path}: revision {revision} lacks {sorted(missing)[:3]}")

    # --------------------------------------------------------------------------- walks

    def walk_by_id(self, chance: random.Random) -> None:
        """Follow the cursors: each record that was there throughout comes exactly once."""
        self._walk(f"{PLACES}.json?limit={chance.choice((4, 7, 50))}", lambda _: True)

    def walk_by_name(self, chance: random.Random) -> None:
        """Follow them by name: the same for records that kept their name throughout."""
        path = f"{PLACES}.json?sort=name&limit={chance.choice((5, 60))}"
        self._walk(path, lambda names: len(names) == 1)

    def _walk(self, path: str, promised: Callable[[set[str]], bool]) -> None:
        seen: Counter[str] = Counter()
        revisions: list[int] = []
        address: str | None = path
        while address:
            said = self.get_json(address)
            names = {one["id"]: one["name"] for one in said["initiatives"]}
            self.check_some(address, said["revision"], names)
            revisions.append(said["revision"])
            seen.update(one["id"] for one in said["initiatives"])
            address = said.get("next")
            self.done.wait(PAUSE_S)
        if revisions != sorted(revisions):
            raise _FaultError(f"{path}: a walk went back: {revisions}")
        states = self.history.states[revisions[0] : revisions[-1] + 1]
        throughout = set.intersection(*(set(state) for state in states))
        due = [one for one in throughout if promised({state[one] for state in states})]
        wrong = {one: seen[one] for one in due if seen[one] != 1}
        if wrong or not due:
            raise _FaultError(f"{path}: in {set(revisions)} these came so often: {wrong}")
        with self._lock:
            self.outcome.walks += 1
            self.outcome.walks_through_imports += len(states) > 1

    # --------------------------------------------------------------------------- polls

    def pull(self, chance: random.Random) -> None:
        """Pull everything at once, in one of the formats."""
        kind = chance.choice(("json", "geojson", "csv"))
        path = f"{PLACES}.{kind}?limit=all"
        revision, body = self.get(path)
        if kind == "csv":
            rows = list(csv.DictReader(io.StringIO(body.decode())))
        elif kind == "json":
            rows = json.loads(body)["initiatives"]
        else:
            rows = [one["properties"] for one in json.loads(body)["features"]]
        self.check_all(path, revision, {row["id"]: row["name"] for row in rows})
        if len(rows) != len(self.history.states[revision]):
            raise _FaultError(f"{path}: {len(rows)} records in revision {revision}")

    def ask_pages(self, chance: random.Random) -> None:
        """Ask for a box, for what is near, for counts."""
        path = f"{PLACES}.json?limit=10&" + chance.choice(
            ("bbox=6,49,9,51", "near=8.27,50.0", "q=ausgabe")
        )
        said = self.get_json(path)
        names = {one["id"]: one["name"] for one in said["initiatives"]}
        self.check_some(path, said["revision"], names)
        if len(names) != 10:
            raise _FaultError(f"{path}: {len(names)} records")
        said = self.get_json("/api/v1/summary")
        if said["records"] != len(self.history.states[said["revision"]]):
            raise _FaultError(f"summary: {said['records']} records in {said['revision']}")


class Mirror:
    """What docs/api.md tells those who keep a copy to do; equal to a revision at each step."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.revision, self.records = self.pull()

    def pull(self) -> tuple[int, dict[str, Any]]:
        """Pull everything: revision and records by id."""
        said = self.clients.get_json(f"{PLACES}.json?limit=all")
        return said["revision"], {one["id"]: one for one in said["initiatives"]}

    def follow(self) -> None:
        """Ask for what changed since."""
        path = f"/api/v1/changes?since_revision={self.revision}&include=records"
        said = self.clients.get_json(path)
        gone = set(said["removed"])
        kept = {
            key: one
            for key, one in self.records.items()
            if hashlib.sha256(key.encode()).hexdigest() not in gone
        }
        self.records = kept | {one["id"]: one for one in said["initiatives"]}
        if said["revision"] < self.revision:
            raise _FaultError(f"{path}: went back to {said['revision']}")
        self.revision = said["revision"]
        names = {key: one["name"] for key, one in self.records.items()}
        self.clients.check_all(path, self.revision, names)


# ------------------------------------------------------------------------------- the run


def import_first(database: str, history: History) -> None:
    """Run the first command of a history, as a server needs it to begin with."""
    command = [sys.executable, "-m", "geo_service.cli", *history.commands[0]]
    subprocess.run([*command, "--database", database], check=True, capture_output=True)


def run(
    port: int, database: str, history: History, *, every_s: float, most_s: float = float("inf")
) -> Outcome:
    """Import a step every `every_s` seconds while clients ask; then compare copies.

    The first command of the history has been run, and the server started, before. A step
    begins late where the one before takes longer; none begins after `most_s` seconds.

    Raises
    ------
    RuntimeError
        If an import fails.
    """
    clients = Clients(port, history)
    outcome = clients.outcome
    first = Mirror(clients)
    importer = subprocess.Popen(
        [sys.executable, "-c", _IMPORTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # Again, which changes nothing and makes no revision: now the process has all it needs.
    _call(importer, (*history.commands[0], "--database", database))
    threads = clients.start()
    try:
        begun = time.monotonic()
        for number, command in enumerate(history.commands[1:], 1):
            clients.done.wait(begun + number * every_s - time.monotonic())
            if time.monotonic() - begun > most_s:
                break
            outcome.late_s = time.monotonic() - begun - number * every_s
            _call(importer, (*command, "--database", database))
            outcome.imports += 1
        clients.done.wait(every_s)
    finally:
        clients.done.set()
        for thread in threads:
            thread.join()
        importer.communicate(timeout=60)
    try:
        _compare_copies(clients, first)
    except _FaultError as error:
        outcome.faults.append(str(error))
    return outcome


def _call(importer: subprocess.Popen[str], arguments: tuple[str, ...]) -> None:
    if importer.stdin is None or importer.stdout is None:
        raise RuntimeError("import: expected pipes to the importing process")
    importer.stdin.write("\t".join(arguments) + "\n")
    importer.stdin.flush()
    written = []
    for line in importer.stdout:
        if line == "done\n":
            return
        written.append(line)
    raise RuntimeError(f"{' '.join(arguments)}: failed, it wrote\n{''.join(written)}")


def _compare_copies(clients: Clients, first: Mirror) -> None:
    """Let a copy of before the imports catch up, and compare it with a full pull."""
    last = clients.outcome.imports + 1
    deadline = time.monotonic() + 10
    while first.revision < last and time.monotonic() < deadline:
        first.follow()
    first.follow()
    revision, records = first.pull()
    if (first.revision, revision) != (last, last) or first.records != records:
        clients.outcome.faults.append(
            f"copy of revision {first.revision} is not the full pull of {revision}, last is {last}"
        )
