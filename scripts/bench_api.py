#!/usr/bin/env python3
"""Measure the API against pygeoapi, Datasette and an empty view; print Markdown tables.

Usage: python scripts/bench_api.py [--peers FOLDER] [--seconds 2] [--rounds 4] [--load 60] [PART…]

The parts are `peers`, `many` and `imports`; all of them by default.

`peers`: 500 records, a box and ten of those in it. pygeoapi and Datasette come from PyPI into
an environment of their own, which is made where `--peers` says (kept there) or in a temporary
folder. They get the very records that our API gives. A row has each as its documentation
begins: `datasette serve` (one process) asked by the filters of a table, pygeoapi with its
GeoJSON provider. More rows give them what makes them quicker: Datasette two processes of
uvicorn with uvloop and httptools, then no counts and no facets, or SQL over an index; pygeoapi
its SQLite provider (where SpatiaLite is installed, or SPATIALITE_LIBRARY_PATH names it; PostGIS
was slower). pygeoapi runs in two processes under our gunicorn settings. Before anything counts,
all must find the same records in the box.

`many`: the same question with 100,000 records, in turn with 500; then everything is pulled,
and a record erased, so that a process holds two revisions for a moment.

`imports`: clients check every answer while lists are imported every two seconds, on SQLite and
on PostGIS (`import_load.py`).

Rates need `wrk`; rounds go through all servers in turn, and the best round counts.
Fails if an answer is not 200, or is another one than that of its peers.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import bench_web
import import_load
from bench_pipeline import _synthetic_list

ROOT: Final = Path(__file__).resolve().parent.parent
SETTINGS: Final = {"GEO_SERVICE_TILES_URL": "off", **import_load.SETTINGS}
Name = TypeVar("Name")

WORKERS: Final = 2
THREADS: Final = 4
CONNECTIONS: Final = 8
BOX: Final = (7.4, 49.6, 8.2, 50.2)
"""West, south, east, north: about one in five of the records."""
OURS, EMPTY = "ours", "an empty Flask view"
DATASETTE: Final = "`datasette serve`"
PYGEOAPI: Final = "pygeoapi, GeoJSON provider"
QUESTION: Final = "/api/v1/initiatives?bbox={},{},{},{}&limit=10".format(*BOX)
TOWN: Final = "/api/v1/initiatives?bbox=8.2,49.9,8.4,50.1&limit=10"
MANY: Final = 100_000
EVERY_S: Final = 2

PEERS: Final = (
    "pygeoapi==0.21.0",
    "datasette==0.65.5",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
    "httptools==0.9.0",
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Answers a second, and the latencies of half and of 99 % of them in milliseconds."""

    per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server answers the question, and how its answer becomes records by id."""

    port: int
    path: str
    read: Callable[[bytes], dict[str, tuple[float, float]]]


# ----------------------------------------------------------------------------- servers


def free_port() -> int:
    """Return a port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    port: int,
    path: str,
    *,
    folder: Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a server in a process group of its own until the block ends; gives its number."""
    log = folder / f"server{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait(process, port, path, log)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    fault: Exception | None = None
    while time.monotonic() < deadline and process.poll() is None:
        try:
            bench_web.get(port, path)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            fault = error
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{path}: no answer ({fault}); written: {log.read_text()[-3000:]}")


@contextlib.contextmanager
def ours(database: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Run `geo-service serve`; gives its port and process number."""
    port = free_port()
    command = [sys.executable, "-m", "geo_service.cli", "serve", "--workers", str(WORKERS)]
    command += ["--port", str(port), "--database", database]
    env = {**SETTINGS, "PYTHONPATH": str(ROOT)}
    with running(command, port, "/api/v1/summary", folder=folder, env=env) as pid:
        yield port, pid


# -------------------------------------------------------------------------------- data


def make_database(folder: Path, records: int) -> str:
    """Import a list of made-up records of the whole Land; returns the database's address."""
    import datetime as dt

    from geo_service.pipeline import Workshop, import_file
    from geo_service.snapshot import load_territory
    from geo_service.store import Store

    file = folder / f"list{records}.csv"
    _synthetic_list(file, records)
    url = f"sqlite:///{folder}/{records}.db"
    with Store(url) as store:
        store.migrate()
        workshop = Workshop(store, load_territory(ROOT / "data"))
        report = import_file(file, workshop, today=dt.date(2026, 11, 23))
    if report.created != records or report.statuses.get("found") != records:
        raise RuntimeError(f"import: expected {records} records with a point, got {report}")
    return url


def read_features(body: bytes) -> dict[str, tuple[float, float]]:
    """Return the points of a GeoJSON FeatureCollection by id."""
    return {
        one["id"]: tuple(one["geometry"]["coordinates"]) for one in json.loads(body)["features"]
    }


def read_rows(body: bytes) -> dict[str, tuple[float, float]]:
    """Return the points of a JSON array of rows, or of `rows` in an object, by id."""
    said = json.loads(body)
    rows = said if isinstance(said, list) else said["rows"]
    return {row["id"]: (row["lon"], row["lat"]) for row in rows}


# ------------------------------------------------------------------------------- peers


def make_peers(folder: Path) -> Path:
    """Make the environment of the peers where it is not there yet; returns its programs."""
    mark = folder / "peers.txt"
    pins = (*PEERS, f"gunicorn=={importlib.metadata.version('gunicorn')}")
    if not mark.exists() or mark.read_text() != "\n".join(pins):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install: list[str | Path] = [
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            *pins,
        ]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        mark.write_text("\n".join(pins))
    return folder / "bin"


_DATASETTE_APP: Final = """\
from datasette.app import Datasette

def plain():
    return Datasette([], immutables=["places.db"]).app()


def quick():
    return Datasette([], immutables=["places.db"], settings={"suggest_facets": False}).app()
"""
_IN_BOX: Final = "lon between :west and :east and lat between :south and :north"


@contextlib.contextmanager
def datasette(programs: Path, folder: Path, features: Any) -> Iterator[dict[str, Target]]:
    """Run Datasette on a table with an index on its coordinates; gives what it can be asked."""
    with contextlib.closing(sqlite3.connect(folder / "places.db")) as database, database:
        fill_table(database, features, {"lon": "REAL", "lat": "REAL"}, "?, ?")
        database.execute("CREATE INDEX by_point ON places (lon, lat)")
        database.execute("ANALYZE")
    (folder / "datasette_app.py").write_text(_DATASETTE_APP)
    port, two, alone = free_port(), free_port(), free_port()
    workers: list[str | Path] = [programs / "uvicorn", "--factory", "--workers", str(WORKERS)]
    workers += ["--log-level", "error", "--no-access-log", "--port"]
    single: list[str | Path] = [
        programs / "datasette",
        "serve",
        "-i",
        "places.db",
        "--port",
        str(alone),
    ]
    west, south, east, north = BOX
    filters = {"lon__gte": west, "lon__lte": east, "lat__gte": south, "lat__lte": north}
    plain = f"/places/places.json?{urlencode({**filters, '_size': 10, '_shape': 'objects'})}"
    short = f"{plain}&_nocount=1&_nofacet=1"
    question = {
        "sql": f"select * from places where {_IN_BOX} limit 10",  # noqa: S608
        "_shape": "array",
        **dict(zip(("west", "south", "east", "north"), BOX, strict=True)),
    }
    sql = f"/places.json?{urlencode(question)}"
    with (
        running([*workers, str(port), "datasette_app:quick"], port, short, folder=folder),
        running([*workers, str(two), "datasette_app:plain"], two, plain, folder=folder),
        running(single, alone, plain, folder=folder),
    ):
        yield {
            DATASETTE: Target(alone, plain, read_rows),
            "Datasette, 2 processes": Target(two, plain, read_rows),
            "Datasette, 2 processes, no counts": Target(port, short, read_rows),
            "Datasette, 2 processes, SQL": Target(port, sql, read_rows),
        }


def fill_table(
    database: sqlite3.Connection, features: Any, point: Mapping[str, str], made: str
) -> None:
    """Make a table of the records; `made` makes the columns `point` of lon and lat."""
    names = sorted({name for one in features for name in one["properties"]} - {"id"})
    columns = ["id TEXT PRIMARY KEY", *(f"{name} {kind}" for name, kind in point.items()), *names]
    database.execute(f"CREATE TABLE places ({', '.join(columns)})")
    said = ", ".join("?" * len(names))
    rows = [
        (one["id"], *one["geometry"]["coordinates"], *map(one["properties"].get, names))
        for one in features
    ]
    insert = f"INSERT INTO places VALUES (?, {made}, {said})"  # noqa: S608 - names are ours
    database.executemany(insert, rows)


def make_spatialite(path: Path, features: Any) -> bool:
    """Make a SpatiaLite database of the records with a spatial index; False without SpatiaLite."""
    library = os.environ.get("SPATIALITE_LIBRARY_PATH", "mod_spatialite.so")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        try:
            database.enable_load_extension(True)
            database.load_extension(library)
        except (AttributeError, sqlite3.OperationalError):
            return False
        database.execute("SELECT InitSpatialMetaData(1)")
        fill_table(database, features, {"geom": "POINT"}, "MakePoint(?, ?, 4326)")
        database.execute("SELECT RecoverGeometryColumn('places', 'geom', 4326, 'POINT', 'XY')")
        database.execute("SELECT CreateSpatialIndex('places', 'geom')")
    return True


def _pygeoapi_config(port: int, providers: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return pygeoapi's settings: a collection per provider over the same records."""
    url = f"http://127.0.0.1:{port}"
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 1000},
            "map": {"url": f"{url}/tile", "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "places",
                "description": "places",
                "keywords": ["places"],
                "terms_of_service": "none",
                "url": url,
            },
            "license": {"name": "none", "url": url},
            "provider": {"name": "none", "url": url},
            "contact": {"name": "none"},
        },
        "resources": {
            name: {
                "type": "collection",
                "title": name,
                "description": name,
                "keywords": ["places"],
                "links": [],
                "extents": {"spatial": {"bbox": [6, 48, 9, 51]}},
                "providers": [{"type": "feature", "id_field": "id", **provider}],
            }
            for name, provider in providers.items()
        },
    }


@contextlib.contextmanager
def pygeoapi(programs: Path, folder: Path, features: Any) -> Iterator[dict[str, Target]]:
    """Run pygeoapi with a collection per provider; gives what it can be asked."""
    collection = {"type": "FeatureCollection", "features": features}
    (folder / "places.geojson").write_text(json.dumps(collection))
    providers = {"geojson": {"name": "GeoJSON", "data": "places.geojson"}}
    names = {"geojson": PYGEOAPI, "sqlite": "pygeoapi, SQLite provider"}
    if make_spatialite(folder / "places.sqlite", features):
        providers["sqlite"] = {"name": "SQLiteGPKG", "data": "places.sqlite", "table": "places"}
    port = free_port()
    config = json.dumps(_pygeoapi_config(port, providers))  # JSON is YAML
    (folder / "pygeoapi.yml").write_text(config)
    env = {"PYGEOAPI_CONFIG": "pygeoapi.yml", "PYGEOAPI_OPENAPI": "openapi.yml"}
    generate: list[str | Path] = [programs / "pygeoapi", "openapi", "generate", "pygeoapi.yml"]
    subprocess.run(
        [*generate, "--output-file", "openapi.yml"],
        check=True,
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
    )
    command: list[str | Path] = [
        programs / "gunicorn",
        "--workers",
        str(WORKERS),
        "--worker-class",
        "gthread",
    ]
    command += ["--threads", str(THREADS), "--keep-alive", "5", "--log-level", "warning"]
    command += ["--bind", f"127.0.0.1:{port}", "pygeoapi.flask_app:APP"]
    box = quote(",".join(map(str, BOX)), safe=",")
    paths = {name: f"/collections/{name}/items?f=json&limit=10&bbox={box}" for name in providers}
    with running(command, port, paths["geojson"], folder=folder, env=env):
        yield {names[name]: Target(port, path, read_features) for name, path in paths.items()}


def check_same(found: Mapping[str, Target]) -> None:
    """Refuse peers whose answer has not ten records in the box, or that find others in all."""
    west, south, east, north = BOX
    whole: dict[str, set[str]] = {}
    for name, target in found.items():
        page = target.read(bench_web.get(target.port, target.path)[1])
        inside = [west <= lon <= east and south <= lat <= north for lon, lat in page.values()]
        if len(inside) != 10 or not all(inside):
            raise RuntimeError(f"{name}: expected 10 records in the box, got {page}")
        everything = re.sub(r"(limit=|limit\+|_size=)10", r"\g<1>1000", target.path)
        whole[name] = set(target.read(bench_web.get(target.port, everything)[1]))
    if len(set(map(frozenset, whole.values()))) != 1:
        counts = {name: len(ids) for name, ids in whole.items()}
        raise RuntimeError(f"expected the same records of the box from all, got {counts}")


# -------------------------------------------------------------------------------- rates


def rate(port: int, path: str, seconds: int) -> Rate:
    """Ask under wrk.

    Raises
    ------
    RuntimeError
        If one of the answers was an error.
    """
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s*([0-9.]+)", text)
    parts = {name: re.search(rf"{name}%\s+([0-9.]+)(us|ms|s)\b", text) for name in ("50", "99")}
    if found is None or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{path}: expected no error under wrk, got\n{text}")
    unit_ms = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    p50_ms, p99_ms = (float(one[1]) * unit_ms[one[2]] for one in parts.values() if one)
    return Rate(float(found[1]), p50_ms, p99_ms)


def warm_up(port: int, path: str) -> None:
    """Ask until every process answers: each reads the data at its first request."""
    for _ in range(20):
        if rate(port, path, 1).per_s >= CONNECTIONS:
            return
    raise RuntimeError(f"{path}: fewer than {CONNECTIONS} answers a second")


def best_rates(
    asked: Mapping[Name, tuple[int, str]], *, seconds: int, rounds: int
) -> dict[Name, Rate]:
    """Return the best round of each address; all of them in turn, `rounds` times."""
    for port, path in asked.values():
        warm_up(port, path)
    best = dict.fromkeys(asked, Rate(0.0, 0.0, 0.0))
    for _ in range(rounds):
        for name, (port, path) in asked.items():
            best[name] = max(best[name], rate(port, path, seconds), key=lambda one: one.per_s)
    return best


# -------------------------------------------------------------------------------- parts


@contextlib.contextmanager
def postgis_cluster() -> Iterator[Any]:
    """Start the PostgreSQL that the tests use, where PostGIS is installed; else gives None."""
    sys.path.append(str(ROOT / "tests"))
    postgis = importlib.import_module("postgis")
    binaries = postgis.find_binaries()
    if binaries is None:
        yield None
        return
    with postgis.running_cluster(binaries) as cluster:
        yield cluster


def bench_peers(folder: Path, options: argparse.Namespace) -> None:
    """Compare ourselves with the peers and the empty view."""
    programs = make_peers(options.peers or folder / "peers")
    database = make_database(folder, 500)
    with contextlib.ExitStack() as stack:
        port, _ = stack.enter_context(ours(database, folder))
        everything = bench_web.get(port, "/api/v1/initiatives.geojson?limit=all")[1]
        features = json.loads(everything)["features"]
        targets = {
            OURS: Target(port, QUESTION, read_features),
            **stack.enter_context(datasette(programs, folder, features)),
            **stack.enter_context(pygeoapi(programs, folder, features)),
        }
        check_same(targets)
        asked = {name: (one.port, one.path) for name, one in targets.items()}
        asked[EMPTY] = (stack.enter_context(bench_web.running("empty", database)), "/")
        found = best_rates(asked, seconds=options.seconds, rounds=options.rounds)
    print_rates(found)


def print_rates(found: Mapping[str, Rate]) -> None:
    """Print one row a server."""
    mine = found[OURS].per_s
    wanted = {OURS: "99 % at most 4 × the median", EMPTY: "at least 0.5 ×"}
    wanted |= {
        name: "at least 20 ×" if "pygeoapi" in name else "at least 10 ×"
        for name in found
        if name not in wanted
    }
    print("\n| server | answers a second | ours is | wanted | median | 99 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, one in found.items():
        ratio = "–" if name == OURS else f"{mine / one.per_s:.2f} ×"
        print(
            f"| {name} | {one.per_s:,.0f} | {ratio} | {wanted.get(name, '–')} |"
            f" {one.p50_ms:.1f} ms | {one.p99_ms:.1f} ms |"
        )


def bench_many(folder: Path, options: argparse.Namespace) -> None:
    """Ask the same of 100,000 records as of 500, and pull them all."""
    few, many = make_database(folder, 500), make_database(folder, MANY)
    with ours(few, folder) as (few_port, _), ours(many, folder) as (port, pid):
        asked = {
            (name, records): (at, path)
            for name, path in (("a fifth of the Land", QUESTION), ("a town", TOWN))
            for records, at in ((500, few_port), (MANY, port))
        }
        found = best_rates(asked, seconds=options.seconds, rounds=options.rounds)
        before_mb = memory_mb(pid)
        whole = "/api/v1/initiatives.geojson?limit=all"
        first_ms, whole_s, body = pull(port, whole)
        for _ in range(2 * WORKERS):
            pull(port, whole, "br")
        pulled_mb = memory_mb(pid)
        gone = json.loads(body)["features"][0]["id"]
        erase = [sys.executable, "-m", "geo_service.cli", "erase", gone, "--database", many]
        subprocess.run(erase, check=True, capture_output=True)
        for _ in range(4 * WORKERS):  # asks for revision 2, so that both processes take it
            pull(port, "/api/v1/changes?since_revision=2")
        moved_mb = memory_mb(pid)
    if body.count(b'{"type":"Feature",') != MANY:
        raise RuntimeError(f"expected {MANY} features, got {len(body)} bytes of others")
    print(f"\n| what | 500 records | {MANY:,} records | ratio | wanted |")
    print("| --- | --- | --- | --- | --- |")
    for name in ("a fifth of the Land", "a town"):
        one, other = found[name, 500].per_s, found[name, MANY].per_s
        wanted = "at most 2 × slower"
        print(f"| box of {name} | {one:,.0f} | {other:,.0f} | {one / other:.2f} × | {wanted} |")
    print(
        f"| all as GeoJSON, {len(body) / 1e6:.0f} MB | – | first bytes after {first_ms:.0f} ms,"
        f" all in {whole_s:.1f} s | – | a stream |"
    )
    print(
        f"| memory of the largest process, peak | – | {before_mb:.0f} MB before pulls,"
        f" {pulled_mb:.0f} MB after, {moved_mb:.0f} MB after a new revision | – |"
        " under 1,000 MB |"
    )


def pull(port: int, path: str, encoding: str = "identity") -> tuple[float, float, bytes]:
    """Pull a stream: milliseconds to its first bytes, seconds to the last, the bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    with contextlib.closing(connection):
        begun = time.perf_counter()
        connection.request("GET", path, headers={"Accept-Encoding": encoding})
        answer = connection.getresponse()
        pieces = [answer.read(100)]
        first_ms = (time.perf_counter() - begun) * 1e3
        if answer.status != 200 or answer.headers.get("Content-Length"):
            raise RuntimeError(f"{path}: expected a stream, got {answer.status}")
        pieces.append(answer.read())
        return first_ms, time.perf_counter() - begun, b"".join(pieces)


def memory_mb(group: int) -> float:
    """Return the peak resident memory of the largest process of a group in MB (Linux)."""
    peaks = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(status.parent.name)) == group:
                peak = re.search(r"VmHWM:\s*([0-9]+) kB", status.read_text())
                peaks.append(int(peak[1]) * 1024 / 1e6 if peak else 0.0)
    return max(peaks, default=0.0)


def bench_imports(folder: Path, options: argparse.Namespace) -> None:
    """Import every two seconds while clients check every answer."""
    print("\n| database | imports | began late | answers | walks | through imports | slowest |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with postgis_cluster() as cluster:
        databases = {"SQLite": f"sqlite:///{folder}/imports.db"}
        if cluster:
            databases["PostGIS"] = cluster.url(cluster.new_database())
        for name, database in databases.items():
            steps = options.load // EVERY_S
            history = import_load.make_history(folder, steps)
            import_load.import_first(database, history)
            with ours(database, folder) as (port, _):
                seen = import_load.run(
                    port, database, history, every_s=EVERY_S, most_s=options.load + EVERY_S
                )
            if seen.faults:
                raise RuntimeError(f"{name}: {len(seen.faults)} faults: {seen.faults[:3]}")
            print(
                f"| {name} | {seen.imports} | {seen.late_s:.1f} s | {seen.answers:,} |"
                f" {seen.walks} | {seen.walks_through_imports} | {seen.slowest_s * 1e3:.0f} ms |",
                flush=True,
            )
        if not cluster:
            print("| PostGIS | not measured: not installed | – | – | – | – | – |")


PARTS: Final[Mapping[str, Callable[[Path, argparse.Namespace], None]]] = {
    "peers": bench_peers,
    "many": bench_many,
    "imports": bench_imports,
}


def main() -> int:
    """Measure and print; 1 where something failed."""
    parser = argparse.ArgumentParser(description="Measure the API against its peers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--peers", type=Path, help="folder to keep the peers' environment in")
    parser.add_argument("--seconds", type=int, default=2, help="of each rate")
    parser.add_argument("--rounds", type=int, default=4, help="of all rates in turn")
    parser.add_argument("--load", type=int, default=60, help="seconds of imports a database")
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - PARTS.keys())
    if unknown:
        parser.error(f"expected parts of {sorted(PARTS)}, got {unknown}")
    if shutil.which("wrk") is None:
        parser.error("expected the program wrk, got none")
    if options.peers:
        options.peers = options.peers.resolve()
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(", ".join(PEERS), flush=True)
    failed = False
    for name in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                PARTS[name](Path(folder), options)
            except RuntimeError as error:
                print(f"failed: {name}: {error}", flush=True)
                failed = True
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
