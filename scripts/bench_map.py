#!/usr/bin/env python3
"""Measure how smoothly the map moves with many places, on a phone, in Chromium.

Usage: python scripts/bench_map.py [--places 5000] [--slow-down 4] [--limit-ms 200]

Synthetic places go through the import into a fresh database, the real server code serves
them, and Chromium in a phone's size, with its processor slowed down (CDP
`Emulation.setCPUThrottlingRate`), shows the map, pans, zooms and opens clusters by touch.
`PerformanceObserver` tells every task above 50 ms; a trace tells the processor time of the
page's thread in each, which other work on the machine does not lengthen. Fails if a task
takes more processor time than the limit after the map was ready. Tiles are answered inside
the browser, so no tile server is asked.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import logging
import random
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

PHONE: Final = {"width": 390, "height": 844}
CATEGORIES: Final = ("Begegnungscafé", "Mehrgenerationenhaus", "Fahrradwerkstatt", "Sprachcafé")
GREY_TILE: Final = (
    "<svg xmlns='http://www.w3.org/2000/svg' width='256' height='256'>"
    "<path fill='#ddd' stroke='#999' d='M0 0h256v256H0z'/></svg>"
)
WATCH: Final = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) longTasks.push([startTime, duration]);
}).observe({ type: "longtask", buffered: true });
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """What was done, and its tasks: by the clock those above 50 ms, by the processor all."""

    name: str
    clock_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]

    @property
    def longest_ms(self) -> float:
        """The processor time of the longest task."""
        return max(self.processor_ms, default=0.0)


# ------------------------------------------------------------------------------- places


def write_places(path: Path, count: int) -> None:
    """Write `count` places around the seats of municipalities, as people live."""
    from geo_service import config
    from geo_service.municipalities import load_municipalities

    dice = random.Random(7)
    land = load_municipalities(config.data_dir() / "gemeinden" / "gemeinden.gpkg")
    towns = list(land[["name", "kreis", "seat_lon", "seat_lat"]].itertuples(index=False))
    chosen = dice.choices(towns, weights=list(land["population"]), k=count)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "category", "municipality", "lon", "lat", "source", "source_date"])
        for number, (name, _, lon, lat) in enumerate(chosen):
            at = f"{lon + dice.gauss(0, 0.008):.5f}", f"{lat + dice.gauss(0, 0.005):.5f}"
            category = CATEGORIES[number % len(CATEGORIES)]
            rows.writerow([f"Treff {number}", category, name, *at, "synthetic", "2026-01"])


@contextmanager
def served(count: int) -> Iterator[str]:
    """Serve `count` places on a free port; gives the address."""
    from werkzeug.serving import make_server

    from geo_service import config, pipeline
    from geo_service.pipeline import Workshop
    from geo_service.snapshot import SnapshotHolder, load_territory
    from geo_service.store import Store
    from geo_service.web import create_app

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "places.csv"
        write_places(file, count)
        territory = load_territory(config.data_dir())
        with Store(f"sqlite:///{folder}/bench.db") as store:
            store.migrate()
            report = pipeline.import_file(file, Workshop(store, territory), today=dt.date.today())
            if report.created != count:
                raise RuntimeError(f"expected {count} places imported, got {report.created}")
            app = create_app(SnapshotHolder(store, territory), config.Settings())
            server = make_server("127.0.0.1", 0, app, threaded=True)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()


# -------------------------------------------------------------------------------- hands


class Hand:
    """Touches the map as a finger does."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        self._page = page
        self._cdp = cdp

    def _middle(self) -> tuple[float, float]:
        box = self._page.locator(".map").bounding_box()
        if box is None:
            raise RuntimeError("the map is not to be seen")
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, dx: float, dy: float) -> None:
        """Move the map by so many pixels."""
        x, y = self._middle()
        self._touch("touchStart", (x, y))
        for step in range(1, 21):
            self._touch("touchMove", (x + dx * step / 20, y + dy * step / 20))
            self._page.wait_for_timeout(16)
        self._touch("touchEnd")

    def pinch(self, factor: float) -> None:
        """Zoom by `factor` with two fingers."""
        x, y = self._middle()
        for step in range(21):
            half = (60 if factor > 1 else 150) * factor ** (step / 20)
            kind = "touchMove" if step else "touchStart"
            self._touch(kind, (x - half, y), (x + half, y))
            self._page.wait_for_timeout(16)
        self._touch("touchEnd")

    def _touch(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        self._cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def load(page: Page, hand: Hand) -> None:
    """Open the map and wait until every place is on it."""
    page.locator(".switch [data-view=map]").click()
    page.locator(".map[data-ready]").wait_for(timeout=120_000)
    page.wait_for_timeout(2_500)


def pan(page: Page, hand: Hand) -> None:
    """Pan to and fro."""
    for dx, dy in ((-150, 0), (0, 150), (150, 0), (0, -150)):
        hand.drag(dx, dy)
        page.wait_for_timeout(400)


def zoom_in(page: Page, hand: Hand) -> None:
    """Zoom in to the streets by button."""
    for _ in range(6):
        page.locator(".leaflet-control-zoom-in").click()
        page.wait_for_timeout(900)


def zoom_out(page: Page, hand: Hand) -> None:
    """Zoom out to the Land by button."""
    for _ in range(6):
        page.locator(".leaflet-control-zoom-out").click()
        page.wait_for_timeout(900)


def pinch(page: Page, hand: Hand) -> None:
    """Zoom in and out with two fingers."""
    for factor in (2.2, 2.2, 2.2, 0.4, 0.4, 0.4):
        hand.pinch(factor)
        page.wait_for_timeout(900)


def open_cluster(page: Page, hand: Hand) -> None:
    """Open the cluster nearest to the middle, twice."""
    for _ in range(2):
        page.evaluate(
            """() => {
              const near = (one) => { const b = one.getBoundingClientRect();
                return Math.hypot(b.x + b.width / 2 - 195, b.y + b.height / 2 - 420); };
              const all = [...document.querySelectorAll(".map .cluster")];
              all.sort((a, b) => near(a) - near(b))[0]?.click();
            }"""
        )
        page.wait_for_timeout(1_200)


PHASES: Final[dict[str, Callable[[Page, Hand], None]]] = {
    "load": load,
    "pan, whole Land": pan,
    "zoom in": zoom_in,
    "pan, streets": pan,
    "zoom out": zoom_out,
    "pinch": pinch,
    "open clusters": open_cluster,
}


# ------------------------------------------------------------------------------ measure


def measure(base: str, slow_down: float) -> Iterator[Phase]:
    """Load the map, move it, and give the tasks of each phase; the first is loading."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            viewport=PHONE,  # type: ignore[arg-type]
            device_scale_factor=2,
            has_touch=True,
            is_mobile=True,
            locale="de-DE",
        )
        context.add_init_script(WATCH)
        context.route(
            "**/kacheln/**",
            lambda route: route.fulfill(body=GREY_TILE, content_type="image/svg+xml"),
        )
        page = context.new_page()
        cdp = context.new_cdp_session(page)
        cdp.send("Emulation.setCPUThrottlingRate", {"rate": slow_down})
        hand = Hand(page, cdp)
        trace = Trace(page, cdp)
        page.goto(base)
        for name, act in PHASES.items():
            trace.start()
            act(page, hand)
            yield Phase(name, long_tasks(page), trace.stop())
        browser.close()


class Trace:
    """Chromium's own record of what the page's thread did."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        self._page = page
        self._cdp = cdp
        self._events: list[dict[str, Any]] = []
        self._whole = False
        cdp.on("Tracing.dataCollected", lambda part: self._events.extend(part["value"]))
        cdp.on("Tracing.tracingComplete", lambda _: self._complete())

    def _complete(self) -> None:
        self._whole = True

    def start(self) -> None:
        """Begin to record."""
        self._events, self._whole = [], False
        categories = ["toplevel", "devtools.timeline"]
        config = {"traceConfig": {"includedCategories": categories}}
        self._cdp.send("Tracing.start", {"transferMode": "ReportEvents"} | config)

    def stop(self) -> tuple[float, ...]:
        """Return the processor time of every task of the page's thread, in milliseconds."""
        self._cdp.send("Tracing.end")
        while not self._whole:
            self._page.wait_for_timeout(50)
        scripts = Counter(
            (event["pid"], event["tid"])
            for event in self._events
            if event["name"] == "FunctionCall"
        )
        if not scripts:
            return ()
        ((thread, _),) = scripts.most_common(1)
        return tuple(
            event.get("tdur", 0) / 1_000
            for event in self._events
            if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) == thread
        )


def long_tasks(page: Page) -> tuple[float, ...]:
    """Return the tasks above 50 ms since the last call."""
    tasks: list[Any] = page.evaluate("() => window.longTasks.splice(0)")
    return tuple(duration for _, duration in tasks)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print one table; 1 if a task after loading took longer than the limit."""
    parser = argparse.ArgumentParser(description="Measure how smoothly the map moves.")
    parser.add_argument("--places", type=int, default=5_000)
    parser.add_argument("--slow-down", type=float, default=4.0)
    parser.add_argument("--limit-ms", type=float, default=200.0)
    given = parser.parse_args(arguments)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    print(f"{given.places} places, processor slowed down {given.slow_down:g} times\n")
    print("| phase | longest task: processor | by the clock | above 50 ms | their sum |")
    print("| --- | --- | --- | --- | --- |")
    slow = False
    with served(given.places) as base:
        for phase in measure(base, given.slow_down):
            slow |= phase.name != "load" and phase.longest_ms > given.limit_ms
            longest, total = max(phase.clock_ms, default=0.0), sum(phase.clock_ms)
            print(
                f"| {phase.name} | {phase.longest_ms:.0f} ms | {longest:.0f} ms"
                f" | {len(phase.clock_ms)} | {total:.0f} ms |",
                flush=True,
            )
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
