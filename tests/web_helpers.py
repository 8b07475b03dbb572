"""A small Land, places in it, and an application over a real store, for the pages' tests."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from flask import Flask
from werkzeug.serving import make_server

from geo_service.config import Settings
from geo_service.schema import (
    INITIATIVE_COLUMNS,
    MUNICIPALITY_COLUMNS,
    WGS84,
    Demand,
    Initiatives,
    Municipalities,
    as_columns,
    check_initiatives,
    check_municipalities,
)
from geo_service.snapshot import SnapshotHolder, Territory
from geo_service.store import Store
from geo_service.web import BERLIN, create_app

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

MakeApp = Callable[..., Flask]
TODAY = dt.date(2026, 11, 23)
NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
SOURCE_NOTE = "© Kartenamt Musterland 2026"

VECTORS = (
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "${window.pwned=1}",
    "`+(window.pwned=1)+`",
    "{{ 7*7 }}{% raw %}",
    r"\x3cimg src=x onerror=window.pwned=1\x3e",
    r"\u003cimg src=x onerror=window.pwned=1\u003e",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "' onmouseover='window.pwned=1",
    '" autofocus onfocus="window.pwned=1',
    "javascript:window.pwned=1",
    "JaVaScRiPt:window.pwned=1//https://example.org",
    "data:text/html,<script>parent.pwned=1</script>",
    "</title></textarea></noscript><img src=x onerror=window.pwned=1>",
    "<!--<script>window.pwned=1",
    "&lt;img src=x onerror=window.pwned=1&gt;",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<style>*{display:none}</style>",
    "<base href=//example.org/>",
    "\u202etxet sdrawkcab\u202c \u2066\u2069",
    "']}));window.pwned=1;//",
    "<a href=javascript:window.pwned=1>x</a>",
    "%3Cscript%3Ewindow.pwned=1%3C/script%3E",
)
"""Texts that ran as script in some naive page; every one must come out as the text it is."""


def small_land() -> Municipalities:
    """Three squares side by side: Aheim and Bdorf in one Landkreis, the town Cstadt."""
    values: Mapping[str, Sequence[Any]] = {
        "ags": ["07131001", "07131002", "07211000"],
        "ars": ["071315001001", "071315001002", "072110000000"],
        "name": ["Aheim", "Bdorf", "Cstadt"],
        "designation": ["Gemeinde", "Gemeinde", "kreisfreie Stadt"],
        "verbandsgemeinde": ["Aheim", "Aheim", None],
        "verbandsgemeinde_key": ["071315001", "071315001", "072110000"],
        "kreis": ["Auenland", "Auenland", "Cstadt, kreisfreie Stadt"],
        "kreis_key": ["07131", "07131", "07211"],
        "land_key": ["07", "07", "07"],
        "population": [2_000, 7_000, 90_000],
        "area_km2": [80.0, 80.0, 80.0],
        "postcode": ["53501", "53502", "54290"],
        "seat_lon": [7.05, 7.15, 7.25],
        "seat_lat": [50.05, 50.05, 50.05],
        "seat_source": ["official"] * 3,
    }
    squares = [shapely.MultiPolygon([shapely.box(x, 50.0, x + 0.1, 50.1)]) for x in (7.0, 7.1, 7.2)]
    frame = as_columns(values, MUNICIPALITY_COLUMNS)
    return check_municipalities(gpd.GeoDataFrame(frame, geometry=squares, crs=WGS84))


def small_territory() -> Territory:
    """The small Land with its source note."""
    about = {"source": "Musterland", "licence": "CC0", "source_note": SOURCE_NOTE}
    return Territory(small_land(), pd.DataFrame(), about)


def place(number: int, **given: Any) -> dict[str, Any]:
    """A place in Aheim with an exact point; `given` says what is different."""
    return {
        "id": f"ort-{number}",
        "name": f"Café {number}",
        "category": "Begegnungscafé",
        "street": "Hauptstraße",
        "house_number": str(number),
        "postcode": "53501",
        "city": "Aheim",
        "municipality": "Aheim",
        "kreis": "Landkreis Auenland",
        "source": "https://example.org/quelle",
        "source_date": "2026-03",
        "ags": "07131001",
        "coordinate_precision": "address",
        "point": (7.05, 50.05),
    } | given


def initiatives_of(rows: Sequence[Mapping[str, Any]]) -> Initiatives:
    """A table of the places that `place` describes; ``point=None`` leaves a point out."""
    points = [row["point"] for row in rows]
    known = [point is not None for point in points]
    values: dict[str, list[Any]] = {
        name: [row.get(name) for row in rows] for name in INITIATIVE_COLUMNS
    }
    values["lon"] = values["lat"] = [np.nan] * len(rows)
    values["source_line"] = list(range(2, len(rows) + 2))
    values["coordinate_status"] = ["found" if at else "not_found" for at in known]
    for name in ("ags", "coordinate_precision"):
        values[name] = [text if at else None for text, at in zip(values[name], known, strict=True)]
    values["coordinate_source"] = ["Ortsverzeichnis" if at else None for at in known]
    values["coordinate_licence"] = ["CC0" if at else None for at in known]
    values["coordinate_score"] = [1.0 if at else np.nan for at in known]
    values["municipality_check"] = ["match" if at else None for at in known]
    geometry = gpd.GeoSeries([shapely.Point(p) if p else None for p in points], crs=WGS84)
    frame = as_columns(values, INITIATIVE_COLUMNS)
    return check_initiatives(gpd.GeoDataFrame(frame, geometry=geometry))


def spread_places(
    territory: Territory, source_dates: Sequence[str | None] = ("2026-03",)
) -> Initiatives:
    """100 places over the whole Land, every other one rough, dated in turn by `source_dates`."""
    towns = territory.municipalities[["ags", "seat_lon", "seat_lat"]].iloc[::23]
    return initiatives_of(
        [
            place(
                n,
                ags=ags,
                point=(lon, lat),
                coordinate_precision="address" if n % 2 else "municipality",
                source_date=source_dates[n % len(source_dates)],
            )
            for n, (ags, lon, lat) in enumerate(towns.itertuples(index=False, name=None))
        ]
    )


def fill(store: Store, initiatives: Initiatives) -> None:
    """Store the places as one more revision."""
    store.apply_import(
        initiatives,
        dataset="test",
        file_name="test.csv",
        sha256="",
        rows=len(initiatives),
        rejected=0,
        base_revision=store.revision(),
        now=NOW,
    )


def app_of(store: Store, territory: Territory, **settings: Any) -> Flask:
    """The application over `store`, asking for its revision at every request.

    Without a base map and limits, if `settings` name none: a tile server is outside, and
    tests ask often.
    """
    usual = {"tiles_url": "off", "rate_limit_siting": "off", "rate_limit_files": "off"}
    holder = SnapshotHolder(store, territory, min_interval_s=0.0)
    app = create_app(holder, Settings(**(usual | settings)), now=lambda: NOW.astimezone(BERLIN))
    app.testing = False
    return app


@contextmanager
def app_maker(folder: Path, usual: Sequence[Mapping[str, Any]]) -> Iterator[MakeApp]:
    """Gives what makes applications, each over a new store in `folder` that holds its places.

    Without places of its own it holds the `usual` ones; without a territory, the small one.
    """
    numbers = itertools.count()
    with ExitStack() as stores:

        def make(
            rows: Sequence[Mapping[str, Any]] = usual,
            territory: Territory | None = None,
            **settings: Any,
        ) -> Flask:
            store = stores.enter_context(Store(f"sqlite:///{folder / f'{next(numbers)}.db'}"))
            store.migrate()
            if rows:
                fill(store, initiatives_of(rows))
            return app_of(store, territory or small_territory(), **settings)

        yield make


@contextmanager
def served_land(
    folder: Path, initiatives: Initiatives, territory: Territory, demands: Sequence[Demand] = ()
) -> Iterator[str]:
    """Serve the places from a new store in `folder`; gives the address."""
    with Store(f"sqlite:///{folder / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives)
        for demand in demands:
            store.save_demand(demand, now=NOW)
        with served(app_of(store, territory)) as base:
            yield base


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve `app` on a free port of this machine; gives its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_until(
    page: Page | Frame, condition: str, arg: object = None, *, seconds: float = 20
) -> Any:
    """Wait for a JavaScript function of `arg` to give something truthy; give that back.

    Playwright's own `wait_for_function` compiles its text anew at every look, which a page
    with a strict Content-Security-Policy refuses unless the first look succeeds.
    """
    found = page.evaluate(
        f"""async ([arg, milliseconds]) => {{
          const condition = {condition};
          for (const end = performance.now() + milliseconds; performance.now() < end;) {{
            const found = condition(arg);
            if (found) return found;
            await new Promise((done) => setTimeout(done, 20));
          }}
          return null;
        }}""",
        [arg, seconds * 1000],
    )
    assert found is not None, f"not within {seconds:g} s: {condition}"
    return found
