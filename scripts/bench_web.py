#!/usr/bin/env python3
"""Measure the pages against the naive page and an empty view; print Markdown tables.

Usage: python scripts/bench_web.py [--seconds 3] [--rounds 3] [--lighthouse FOLDER]

The naive page is Folium as in its README: all municipalities and a marker per place inline,
rendered per request by a small Flask view. It, an empty view and our pages run under the
same gunicorn settings (two workers) over the same data, in one run: ratios carry over to
other machines, seconds and rates do not. Bytes of our first visit are what Chromium received,
every asset included; of the naive page only its HTML counts, not what it loads elsewhere.
Rates need `wrk`; rounds go through all addresses in turn, and the best round counts.
With `--lighthouse`, Lighthouse's mobile audit of some pages is printed besides; it comes from npm
into that folder (kept there) and needs Node.js 18 or newer.
Fails if an answer is not 200.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from flask import Flask

WORKERS: Final = 2
MAINZ: Final = "8.27,50.0"
EMPTY: Final = "an empty Flask view"
API: Final = f"/api/v1/initiatives?near={MAINZ}&limit=10"
NEAR: Final = f"/?nah={MAINZ}"
CONNECTIONS: Final = 8
LIGHTHOUSE: Final = "lighthouse@12.8.2"
AUDITED: Final = ("/", "/?ort=Mainz", "/gebiete/07315", "/themen", "/ar/")
AUDITS: Final = 3  # of each page; the worst counts


@dataclass(frozen=True, slots=True)
class Visit:
    """What Chromium received on a first visit."""

    requests: int
    bytes: int


# ----------------------------------------------------------------------------- servers


def naive_app(database_url: str) -> Flask:
    """Build the page as Folium's README does: everything inline, made at each request."""
    import folium
    from flask import Flask

    from geo_service.config import data_dir
    from geo_service.municipalities import load_municipalities
    from geo_service.store import Store

    land = load_municipalities(data_dir() / "gemeinden" / "gemeinden.gpkg")
    with Store(database_url) as store:
        places = store.read().initiatives
    points = places[places.geometry.notna()]
    app = Flask("naive")

    @app.get("/")
    def page() -> str:
        chart = folium.Map(location=[49.9, 7.4], zoom_start=8)
        folium.GeoJson(land).add_to(chart)
        shape = points.geometry
        for name, lon, lat in zip(points["name"], shape.x, shape.y, strict=True):
            folium.CircleMarker([lat, lon], popup=name).add_to(chart)
        return str(chart.get_root().render())

    return app


def empty_app() -> Flask:
    """Build an application that answers nothing."""
    from flask import Flask

    app = Flask("empty")

    @app.get("/")
    def page() -> str:
        return ""

    return app


def serve(kind: str, port: int, database_url: str) -> None:
    """Serve one of the applications as `geo-service serve` does; does not return."""
    from geo_service import server
    from geo_service.config import Settings, data_dir
    from geo_service.snapshot import Territory, load_territory

    settings = Settings(
        database_url=database_url,
        public_url=f"http://127.0.0.1:{port}",
        port=port,
        workers=WORKERS,
        tiles_url="off",
    )
    if kind == "ours":
        server.serve(settings, load_territory(data_dir()))
        return

    class Server(server._Server):
        def load(self) -> Flask:
            return naive_app(database_url) if kind == "naive" else empty_app()

    unused: Territory = None  # type: ignore[assignment]
    Server(settings, unused).run()


@contextlib.contextmanager
def running(kind: str, database_url: str) -> Iterator[int]:
    """Run one of the servers in a process group of its own; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, __file__, "--serve", kind, str(port), database_url]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        _wait(process, port)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            get(port, "/")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"server on port {port}: no answer in 60 s")


def get(port: int, path: str, encoding: str = "identity") -> tuple[float, bytes]:
    """Ask once on a new connection; seconds to the last byte, and the body as sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        headers = {"Accept-Encoding": encoding, "Accept-Language": "de"}
        begun = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - begun
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: expected status 200, got {answer.status}")
    return seconds, body


def median_s(port: int, path: str, times: int, encoding: str) -> float:
    """Return the median of `times` answers, after as many to warm every worker."""
    for _ in range(max(4 * WORKERS, times // 5) if times > 10 else WORKERS):
        get(port, path, encoding)
    return statistics.median(get(port, path, encoding)[0] for _ in range(times))


# ------------------------------------------------------------------------------- visit


def first_visit(port: int, *, width: int, height: int) -> Visit:
    """Open ``/`` in a fresh Chromium and count what came over the wire."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=chromium)
        page = browser.new_page(locale="de-DE", viewport={"width": width, "height": height})
        sizes: list[int] = []
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        inline: set[str] = set()  # data: addresses, which the browser asks nobody for

        def asked(event: dict[str, Any]) -> None:
            if event["request"]["url"].startswith("data:"):
                inline.add(event["requestId"])

        def finished(event: dict[str, Any]) -> None:
            if event["requestId"] not in inline:
                sizes.append(int(event["encodedDataLength"]))

        session.on("Network.requestWillBeSent", asked)
        session.on("Network.loadingFinished", finished)
        page.goto(f"http://127.0.0.1:{port}/", wait_until="networkidle")
        browser.close()
    return Visit(len(sizes), sum(sizes))


# -------------------------------------------------------------------------------- rates


def rate(port: int, path: str, seconds: int) -> float:
    """Return answers a second under wrk.

    Raises
    ------
    RuntimeError
        If one of them was an error.
    """
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s*([0-9.]+)", text)
    if found is None or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{path}: expected no error under wrk, got\n{text}")
    return float(found[1])


def rates(ours: int, empty: int, *, seconds: int, rounds: int) -> dict[str, float]:
    """Return the best rate of each address; all of them in turn, `rounds` times."""
    asked = {EMPTY: (empty, "/"), API: (ours, API), NEAR: (ours, NEAR), "/": (ours, "/")}
    for port, path in asked.values():
        rate(port, path, 1)
    best = dict.fromkeys(asked, 0.0)
    for _ in range(rounds):
        for name, (port, path) in asked.items():
            best[name] = max(best[name], rate(port, path, seconds))
    return best


# --------------------------------------------------------------------------- lighthouse


def make_lighthouse(folder: Path) -> Path:
    """Install Lighthouse where it is not there yet; returns its program."""
    program = folder / "node_modules" / ".bin" / "lighthouse"
    if not program.exists():
        print(f"Installing {LIGHTHOUSE} into {folder} ...", file=sys.stderr)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix"]
        subprocess.run([*command, str(folder), LIGHTHOUSE], check=True, stdin=subprocess.DEVNULL)
    return program


def audit(program: Path, url: str, report: Path) -> dict[str, Any]:
    """Run Lighthouse as it comes (a phone, slow 4G) once; returns its report.

    Raises
    ------
    RuntimeError
        If Lighthouse ended without a report that is whole.
    """
    command = [str(program), url, "--quiet", "--output=json", f"--output-path={report}"]
    flags = "--chrome-flags=--headless=new --no-sandbox --lang=de-DE --accept-lang=de-DE"
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    environment = {**os.environ, "CHROME_PATH": chromium}
    subprocess.run([*command, flags], check=True, env=environment, stdin=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(report.read_text())
    if "runtimeError" in found:
        raise RuntimeError(f"{url}: Lighthouse says {found['runtimeError']['message']}")
    return found


def largest(runs: list[dict[str, Any]], name: str) -> float:
    """Return the largest figure that an audit gave."""
    return max(float(run["audits"][name]["numericValue"]) for run in runs)


def report_lighthouse(ours: int, folder: Path) -> None:
    """Print the worst of several audits of each page."""
    program = make_lighthouse(folder)
    kinds = ("performance", "accessibility", "best-practices", "seo")
    print(f"\n| page, {LIGHTHOUSE} | {' | '.join(kinds)} | LCP | blocked | shift |")
    print("| --- |" + " --- |" * (len(kinds) + 3))
    for path in AUDITED:
        url = f"http://127.0.0.1:{ours}{path}"
        runs = [audit(program, url, folder / "report.json") for _ in range(AUDITS)]
        worst = (min(run["categories"][kind]["score"] for run in runs) for kind in kinds)
        scores = " | ".join(f"{score * 100:.0f}" for score in worst)
        painted = largest(runs, "largest-contentful-paint") / 1e3
        blocked = largest(runs, "total-blocking-time")
        shift = largest(runs, "cumulative-layout-shift")
        print(f"| `{path}` | {scores} | {painted:.1f} s | {blocked:.0f} ms | {shift:.2f} |")


# ------------------------------------------------------------------------------- report


def report_naive(ours: int, naive: int) -> None:
    """Print the comparison with the naive page."""
    body = get(naive, "/")[1]
    zipped = len(gzip.compress(body, 6))
    naive_s = median_s(naive, "/", 3, "identity")
    ours_s = median_s(ours, "/", 60, "br")
    html = len(get(ours, "/", "br")[1])
    wide = first_visit(ours, width=1280, height=800)
    phone = first_visit(ours, width=390, height=844)
    most = max(wide, phone, key=lambda visit: visit.bytes)
    print("| what | ours | naive | ratio | note |")
    print("| --- | --- | --- | --- | --- |")
    sent = f"{most.bytes / 1e3:.0f} KB"
    print(
        f"| bytes, first visit of `/` | {sent} | {len(body) / 1e6:.2f} MB |"
        f" {len(body) / most.bytes:.1f} × | ours brotli, all assets; naive HTML as sent |"
    )
    print(
        f"| … naive page behind a proxy that gzips | {sent} | {zipped / 1e6:.2f} MB |"
        f" {zipped / most.bytes:.1f} × | its scripts from elsewhere not counted |"
    )
    print(
        f"| … HTML alone | {html / 1e3:.1f} KB | {len(body) / 1e6:.2f} MB |"
        f" {len(body) / html:.0f} × | ours brotli |"
    )
    print(
        f"| time to serve the HTML, warm, median | {ours_s * 1e3:.1f} ms |"
        f" {naive_s * 1e3:,.0f} ms | {naive_s / ours_s:,.0f} × | on a new connection |"
    )
    print(
        f"| requests, first visit of `/` | {wide.requests} (1280 px), {phone.requests} (390 px)"
        " | – | – | at most 20 are wanted |"
    )


def report_rates(ours: int, empty: int, *, seconds: int, rounds: int) -> None:
    """Print the rates, or that wrk is missing."""
    print("\n| address | answers a second | of an empty view | wanted |")
    print("| --- | --- | --- | --- |")
    if shutil.which("wrk") is None:
        print("| all rates | not measured: wrk is not installed | – | – |")
        return
    found = rates(ours, empty, seconds=seconds, rounds=rounds)
    wanted = {API: "at least 50 %", NEAR: "at least 20 %"}
    for name, value in found.items():
        share = f"{value / found[EMPTY]:.0%}".replace("%", " %")
        label = name if name == EMPTY else f"`{name}`"
        print(f"| {label} | {value:,.0f} | {share} | {wanted.get(name, '–')} |")


def prepare(folder: Path) -> str:
    """Import the example records into a fresh database; returns its address."""
    import datetime as dt

    from geo_service.config import data_dir
    from geo_service.pipeline import Workshop, import_file
    from geo_service.snapshot import load_territory
    from geo_service.store import Store

    url = f"sqlite:///{folder}/bench.db"
    with Store(url) as store:
        store.migrate()
        file = data_dir() / "initiativen" / "initiativen.csv"
        workshop = Workshop(store, load_territory(data_dir()))
        import_file(file, workshop, today=dt.datetime.now(dt.UTC).date())
    return url


def main() -> int:
    """Measure and print; 1 where something failed."""
    parser = argparse.ArgumentParser(description="Measure the pages against their peers.")
    parser.add_argument("--seconds", type=int, default=3, help="of each rate")
    parser.add_argument("--rounds", type=int, default=3, help="of all rates in turn")
    parser.add_argument("--lighthouse", type=Path, help="folder to keep Lighthouse in")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        kind, port, database_url = options.serve
        serve(kind, int(port), database_url)
        return 0
    cores = os.cpu_count()
    print(f"Python {platform.python_version()}, {platform.machine()}, {cores} cores\n")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        database_url = prepare(Path(folder))
        ours = stack.enter_context(running("ours", database_url))
        with running("naive", database_url) as naive:
            report_naive(ours, naive)
        empty = stack.enter_context(running("empty", database_url))
        try:
            report_rates(ours, empty, seconds=options.seconds, rounds=options.rounds)
            if options.lighthouse:
                report_lighthouse(ours, options.lighthouse.resolve())
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print(f"failed: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
