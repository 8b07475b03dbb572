#!/usr/bin/env python3
"""Measure how soon the planners' pages follow a change of what is asked.

Usage: python scripts/bench_planning.py [--times 9] [--places 100000] [--limit-ms 300]

The example records, or so many synthetic places of which three in five are rough, go through
the import into a fresh database. Every address is asked once of the application, inside this
process, so that no answer is kept yet; processor time is that of the process, which other work
on the machine does not lengthen, the clock's time is lengthened by it. Then the real server
code serves them and Chromium sets places by „Ort hier setzen“: from the click until the frame
with the new figures was painted. Fails if an answer is not 200, or if the median of Chromium
is above the limit, which is meant for a quiet machine.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gc
import logging
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from flask import Flask

    from geo_service.snapshot import Territory

HEADERS: Final = {"Accept-Encoding": "br", "Accept-Language": "de"}
LEVELS: Final = ("kreis", "verbandsgemeinde", "gemeinde")
ROUGH_IN_FIVE: Final = 3
WATCH: Final = """
window.painted = [];
let clicked;
document.addEventListener("click", ({ timeStamp }) => { clicked = timeStamp; }, true);
document.addEventListener("DOMContentLoaded", () => {
  const after = () => requestAnimationFrame(() => {
    const frame = new MessageChannel(); // heard once the frame is painted
    frame.port1.onmessage = () => painted.push(performance.now() - clicked);
    frame.port2.postMessage("");
  });
  const seen = () => { if (clicked) after(); };
  new MutationObserver(seen).observe(
    document.querySelector("main"), { attributeFilter: ["data-shown"] });
});
"""


@dataclass(frozen=True, slots=True)
class Times:
    """What a kind of change took, in milliseconds; no processor time where none was taken."""

    name: str
    clock_ms: tuple[float, ...]
    processor_ms: tuple[float, ...] = ()
    note: str = ""

    def row(self) -> str:
        """Write a row of the table."""
        processor = "–"
        if self.processor_ms:
            processor = f"{statistics.median(self.processor_ms):.0f} ms"
        median = statistics.median(self.clock_ms)
        return (
            f"| {self.name} | {processor} | {median:.0f} ms | {max(self.clock_ms):.0f} ms |"
            f" {self.note or f'answers: {len(self.clock_ms)}'} |"
        )


# ------------------------------------------------------------------------------- places


def write_places(path: Path, count: int, territory: Territory) -> None:
    """Write `count` places over all municipalities, most of them without a point."""
    dice = random.Random(7)
    land = territory.municipalities
    towns = list(land[["name", "kreis", "seat_lon", "seat_lat"]].itertuples(index=False))
    kinds = ("Begegnungscafé", "Mehrgenerationenhaus", "Fahrradwerkstatt", "Sprachcafé")
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["name", "category", "municipality", "district", "lon", "lat", "source", "source_date"]
        )
        for number in range(count):
            name, kreis, lon, lat = towns[number % len(towns)]
            rough = dice.randrange(5) < ROUGH_IN_FIVE
            at = f"{lon + dice.gauss(0, 0.008):.5f}", f"{lat + dice.gauss(0, 0.005):.5f}"
            point = ("", "") if rough else at
            kind = kinds[number % len(kinds)]
            rows.writerow([f"Treff {number}", kind, name, kreis, *point, "synthetic", "2026-01"])


@contextmanager
def application(count: int, territory: Territory) -> Iterator[tuple[Flask, int]]:
    """Make the application over `count` places, 0 for the example; gives their number too."""
    from geo_service import config, pipeline
    from geo_service.pipeline import Workshop
    from geo_service.snapshot import SnapshotHolder
    from geo_service.store import Store
    from geo_service.web import create_app

    with tempfile.TemporaryDirectory() as folder:
        file = config.data_dir() / "initiativen" / "initiativen.csv"
        if count:
            file = Path(folder) / "places.csv"
            write_places(file, count, territory)
        with Store(f"sqlite:///{folder}/bench.db") as store:
            store.migrate()
            report = pipeline.import_file(file, Workshop(store, territory), today=dt.date.today())
            if count and report.created != count:
                raise RuntimeError(f"expected {count} places imported, got {report.created}")
            settings = config.Settings(
                tiles_url="off", rate_limit_siting="off", rate_limit_files="off"
            )
            app = create_app(SnapshotHolder(store, territory), settings)
            gc.freeze()  # as the server does
            yield app, report.created
            gc.unfreeze()


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve the application on a free port; gives the address."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


# ------------------------------------------------------------------------------- server


def addresses(times: int, territory: Territory) -> Mapping[str, list[str]]:
    """Return the addresses of each kind of change; none is answered by what was kept before."""
    from geo_service.schema import CATEGORIES

    towns = territory.municipalities.sample(times * len(LEVELS), random_state=7)
    spots = [f"{x:.5f},{y:.5f}" for x, y in zip(towns["seat_lon"], towns["seat_lat"], strict=True)]
    radii = [f"{2 + 0.7 * number:.1f}" for number in range(times)]
    others = [f"{2.3 + 0.7 * number:.1f}" for number in range(times)]
    kinds = CATEGORIES[:times]
    found = {
        "`/planung`, another radius": [f"/planung?umkreis={radius}" for radius in radii],
        "`/planung`, another radius, 2,300 municipalities": [
            f"/planung?ebene=gemeinde&umkreis={radius}" for radius in others
        ],
        "`/planung`, another category": [f"/planung?art={kind}" for kind in kinds],
        "`/planung`, another level": [f"/planung?ebene={level}" for level in ("kreis", "gemeinde")],
    }
    for number, level in enumerate(LEVELS):
        found[f"`/planung/szenario.json`, another place, {level}"] = [
            f"/planung/szenario.json?ebene={level}&neu={spot}" for spot in spots[number::3]
        ]
    found["`/planung/standorte`, quick answer, another radius"] = [
        f"/planung/standorte?k=10&umkreis={radius}" for radius in radii
    ]
    return found


def ask(app: Flask, name: str, asked: list[str]) -> Times:
    """Ask for each address once.

    Raises
    ------
    RuntimeError
        If an answer is not 200.
    """
    clock, processor = [], []
    client = app.test_client()
    for address in asked:
        begun, worked = time.perf_counter(), time.process_time()
        answer = client.get(address, headers=HEADERS)
        processor.append((time.process_time() - worked) * 1e3)
        clock.append((time.perf_counter() - begun) * 1e3)
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: expected status 200, got {answer.status_code}")
    return Times(name, tuple(clock), tuple(processor))


def changes(app: Flask, times: int, territory: Territory) -> Iterator[Times]:
    """Measure the server: the first answer of the process, then every kind of change."""
    yield ask(app, "first answer of the process, `/planung`", ["/planung"])
    yield ask(app, "first scenario", ["/planung/szenario?neu=7.61,50.01"])
    yield ask(app, "first proposed places", ["/planung/standorte?k=5"])
    for name, asked in addresses(times, territory).items():
        yield ask(app, name, asked)


# ------------------------------------------------------------------------------ browser


def clicks(base: str, times: int) -> Iterator[Times]:
    """Set `times` places in Chromium at each level, from click to painted."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="de-DE")
        context.add_init_script(WATCH)
        page = context.new_page()
        page.set_default_timeout(120_000)
        for level in LEVELS:
            page.goto(f"{base}/planung/szenario?ebene={level}")
            page.locator("main[data-shown][data-places]").wait_for()
            for number in range(times):
                buttons = page.locator("#zahlen button[name=hier]")
                buttons.nth(number % buttons.count()).click()
                page.wait_for_function("(known) => window.painted.length > known", arg=number)
            took: list[Any] = page.evaluate("() => window.painted")
            name = f"Chromium, click on „Ort hier setzen“ to painted, {level}"
            yield Times(name, tuple(took), note=f"clicks, one after the other: {times}")
        browser.close()


def main(arguments: list[str] | None = None) -> int:
    """Measure, print one table; 1 if Chromium's median is above the limit."""
    from geo_service.config import data_dir
    from geo_service.snapshot import load_territory

    parser = argparse.ArgumentParser(description="Measure how soon the planners' pages follow.")
    parser.add_argument("--times", type=int, default=9, help="of each kind of change")
    parser.add_argument("--places", type=int, default=0, help="synthetic, instead of the example")
    parser.add_argument("--limit-ms", type=float, default=300.0, help="click to painted, median")
    given = parser.parse_args(arguments)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    late = False
    territory = load_territory(data_dir())
    with application(given.places, territory) as (app, count):
        kind = "synthetic" if given.places else "example"
        machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
        print(f"{count:,} {kind} places; {machine}, load {os.getloadavg()[0]:.1f}\n")
        print("| change | processor, median | clock, median | clock, longest | note |")
        print("| --- | --- | --- | --- | --- |")
        for times in changes(app, given.times, territory):
            print(times.row(), flush=True)
        with served(app) as base:
            for times in clicks(base, given.times):
                late |= statistics.median(times.clock_ms) > given.limit_ms
                print(times.row(), flush=True)
    return int(late)


if __name__ == "__main__":
    raise SystemExit(main())
