#!/usr/bin/env python3
"""Measure the main path against its peers and print one Markdown table.

Usage: python scripts/bench_pipeline.py [NAME …]      (no name: all, in order)

A benchmark is a function without arguments that returns its rows and stands in
`BENCHMARKS`. Each runs in a process of its own, so that its memory peak is its own, and
compares with its peer in that one run: ratios carry over to other machines, seconds do not.
A benchmark that finds another answer than its peer raises, and the run fails.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from geo_service import schema
    from geo_service.snapshot import Territory

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `peer_s` is None where only a limit is to be kept. `memory_mb` is the peak that the
    benchmark itself measured; by default it is that of the whole process, peer included.
    """

    work: str
    ours_s: float
    peer_s: float | None = None
    note: str = ""
    memory_mb: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times faster than the peer."""
        return None if self.peer_s is None else self.peer_s / self.ours_s


def best_of(runs: int, work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the shortest of `runs` wall-clock times in seconds, and the last result."""
    shortest = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, result


def processor_s(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the seconds that the processor works, and the result: other work does not count."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


# ------------------------------------------------------------------------- benchmarks


def bench_assign() -> list[Row]:
    """Assign 1,000,000 points in the Land to its municipalities; peer: `geopandas.sjoin`."""
    import geopandas as gpd
    import numpy as np
    import shapely

    from geo_service.municipalities import MunicipalityIndex, load_municipalities

    path = ROOT / "data" / "gemeinden" / "gemeinden.gpkg"
    load_s, municipalities = best_of(3, lambda: load_municipalities(path))
    land = shapely.coverage_union_all(np.asarray(municipalities.geometry.array))
    shapely.prepare(land)
    random = np.random.default_rng(2)
    west, south, east, north = land.bounds
    lon, lat = random.uniform(west, east, 2_000_000), random.uniform(south, north, 2_000_000)
    inside = np.flatnonzero(shapely.contains_xy(land, lon, lat))[:1_000_000]
    if len(inside) != 1_000_000:
        raise RuntimeError(f"expected 1,000,000 points in the Land, got {len(inside):,}")
    lon, lat = lon[inside], lat[inside]

    build_s, index = best_of(3, lambda: MunicipalityIndex(municipalities))
    find_s, ours = best_of(3, lambda: index.find(lon, lat))

    keys = municipalities["ags"].to_numpy(dtype=object)

    def peer() -> NDArray[np.object_]:
        points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs=municipalities.crs)
        joined = points.sjoin(municipalities[["geometry"]], predicate="intersects")
        lowest = joined["index_right"].groupby(level=0).min()
        found: NDArray[np.object_] = keys[lowest.reindex(range(len(lon))).to_numpy()]
        return found

    peer_s, theirs = best_of(2, peer)
    if not bool((ours == theirs).all()):
        raise RuntimeError("assign: another answer than geopandas.sjoin")
    return [
        Row(
            "assign 1,000,000 points to the municipalities",
            build_s + find_s,
            peer_s,
            f"same answer; ours includes building the index ({build_s:.2f} s); "
            f"file loaded in {load_s:.2f} s",
        )
    ]


def bench_e2sfca() -> list[Row]:
    """E2SFCA of 2,300 municipalities and 5,000 places within 10 km; peer: PySAL access.

    Twice: against PySAL with its cost table ready (only pairs in the catchment, not timed),
    and both from coordinates, PySAL by its own `create_euclidean_distance`.
    """
    import geopandas as gpd
    import numpy as np
    import pandas as pd
    from access import Access, fca, weights
    from scipy.spatial import cKDTree

    from geo_service import coverage, municipalities, population

    land = municipalities.load_municipalities(ROOT / "data" / "gemeinden" / "gemeinden.gpkg")
    people = population.seat_population(land)
    demand = np.column_stack([people.x_m, people.y_m])
    random = np.random.default_rng(3)
    supply = demand[random.integers(len(demand), size=5000)] + random.normal(0, 3000, (5000, 2))
    reach_m = 10_000.0
    steps = tuple((edge * reach_m, weight) for edge, weight in coverage.LUO_QI_STEPS)
    step_weight = weights.step_fn(dict(steps))
    ones = np.ones(len(supply))
    ours_s, ours = best_of(
        5, lambda: coverage.compute_e2sfca(demand, people.people, supply, ones, steps=steps)
    )

    demand_table = pd.DataFrame({"people": people.people}).rename_axis("geoid")
    supply_table = pd.DataFrame({"places": ones}).rename_axis("geoid")
    pairs = cKDTree(demand).sparse_distance_matrix(cKDTree(supply), reach_m, output_type="ndarray")
    cost = pd.DataFrame({"origin": pairs["i"], "dest": pairs["j"], "cost": pairs["v"]})

    def ready() -> pd.Series[float]:
        access: pd.Series[float] = fca.two_stage_fca(
            demand_table,
            supply_table,
            cost,
            max_cost=reach_m,
            demand_name="people",
            supply_name="places",
            weight_fn=step_weight,
        )
        return access

    def from_coordinates() -> pd.Series[float]:
        access = Access(
            demand_df=gpd.GeoDataFrame(demand_table, geometry=gpd.points_from_xy(*demand.T)),
            demand_value="people",
            supply_df=gpd.GeoDataFrame(supply_table, geometry=gpd.points_from_xy(*supply.T)),
            supply_value="places",
            cost_df=pd.DataFrame({"from": [0], "to": [0], "none": [np.inf]}),
            cost_origin="from",
            cost_dest="to",
            cost_name="none",
        )
        access.create_euclidean_distance(name="euclidean", threshold=reach_m)
        access.cost_origin, access.cost_dest = "origin", "dest"
        result = access.enhanced_two_stage_fca(
            cost="euclidean", max_cost=reach_m, weight_fn=step_weight
        )
        column: pd.Series[float] = result["e2sfca_places"]
        return column

    rows = []
    for name, runs, peer in (
        ("cost table ready", 3, ready),
        ("from coordinates", 1, from_coordinates),
    ):
        peer_s, theirs = best_of(runs, peer)
        full = theirs.reindex(range(len(demand))).fillna(0.0).to_numpy()
        if not np.allclose(ours, full, rtol=1e-9, atol=1e-15):
            raise RuntimeError(f"e2sfca: another answer than PySAL access ({name})")
        note = f"equal to 1e-9; PySAL: {name}; ours from coordinates; {len(cost):,} pairs"
        rows.append(Row("E2SFCA, 2,300 municipalities × 5,000 places", ours_s, peer_s, note))
    return rows


def _scatter(
    territory: Territory, count: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.object_]]:
    """Return longitudes, latitudes and keys of `count` random points in the Land."""
    import numpy as np

    west, south, east, north = territory.bounds
    parts, left = [], count
    while left > 0:  # in parts, so that the peak of memory is the work's
        lon, lat = random.uniform(west, east, 100_000), random.uniform(south, north, 100_000)
        ags = territory.index.find(lon, lat)
        inside = np.flatnonzero(ags != None)[:left]  # noqa: E711 - elementwise
        parts.append((lon[inside], lat[inside], ags[inside]))
        left -= len(inside)
    lon, lat, ags = (np.concatenate(part) for part in zip(*parts, strict=True))
    return lon, lat, ags


def _random_places(
    territory: Territory, count: int, random: np.random.Generator
) -> schema.Initiatives:
    """Return places of every kind, age and precision in the Land."""
    import geopandas as gpd

    from geo_service import schema

    lon, lat, ags = _scatter(territory, count, random)
    values = {
        "id": [f"r{number}" for number in range(count)],
        "name": ["Ort"] * count,
        "category": random.choice(schema.CATEGORIES, count).tolist(),
        "source_date": random.choice(["2015", "2024-11", "2026-03-01"], count).tolist(),
        "source_line": list(range(count)),
        "coordinate_status": ["found"] * count,
        "coordinate_precision": random.choice(schema.PRECISIONS, count).tolist(),
        "ags": ags.tolist(),
    }
    table = schema.as_columns(values, schema.INITIATIVE_COLUMNS)
    points = gpd.points_from_xy(lon, lat)
    return schema.check_initiatives(gpd.GeoDataFrame(table, geometry=points, crs=schema.WGS84))


def _random_cells(
    territory: Territory, size_m: int, count: int, random: np.random.Generator
) -> schema.Population:
    """Return populated cells of a grid in random places of the Land."""
    import numpy as np
    import pyproj

    from geo_service import population, schema

    lon, lat, _ = _scatter(territory, 2 * count, random)
    to_grid = pyproj.Transformer.from_crs(schema.WGS84, population.GRID_CRS, always_xy=True)
    corners = np.column_stack(to_grid.transform(lon, lat)) // size_m * size_m
    centres = np.unique(corners + size_m / 2, axis=0)
    x_m, y_m = centres[random.permutation(len(centres))[:count]].T
    people = random.integers(3, 2 * size_m, len(x_m)).astype(np.float64)
    cells = population.GridCells(
        1000 if size_m == 1000 else 100, x_m, y_m, people, unknown=0, rows=len(x_m)
    )
    return population.locate_grid(cells, territory.index.find)


def bench_coverage() -> list[Row]:
    """Measure all indicators from nothing with 100,000 places, ranges included; no peer.

    In seconds of the processor, the territory's and the people's making ready included.
    """
    import datetime as dt
    from functools import partial

    import numpy as np

    from geo_service import coverage
    from geo_service.snapshot import load_territory

    territory = load_territory(ROOT / "data")
    random = np.random.default_rng(4)
    places = _random_places(territory, 100_000, random)
    rows = []
    for where in (territory.seats, _random_cells(territory, 1000, 13_000, random)):
        for radius_m in (5000.0, 10_000.0):
            measure = partial(
                coverage.compute_levels,
                places,
                territory.municipalities,
                where,
                parameters=coverage.CoverageParameters(radius_m=radius_m),
                today=dt.date(2026, 11, 23),
            )
            ours_s, levels = processor_s(measure)
            if any(table["places"].sum() != len(places) for table in levels.values()):
                raise RuntimeError("coverage: places of a level do not add up to all")
            note = f"{where.basis}, {len(where.people):,} points; radius {radius_m / 1000:.0f} km"
            work = f"all coverage indicators, four levels, {len(places):,} places"
            rows.append(Row(work, ours_s, None, note))
    return rows


def bench_planning() -> list[Row]:
    """Time a planner's clicks: all indicators, four levels, ranges included; limits only."""
    import datetime as dt
    from functools import partial

    import numpy as np

    from geo_service import coverage, schema
    from geo_service.snapshot import load_territory

    today = dt.date(2026, 11, 23)
    territory = load_territory(ROOT / "data")
    random = np.random.default_rng(4)
    places = _example_places(territory, today)
    ground = coverage.Ground(territory.municipalities)
    rows: list[Row] = []

    def click(
        work: str,
        limit_s: float,
        terrain: coverage.Terrain,
        records: schema.Initiatives,
        questions: Sequence[coverage.CoverageParameters],
        added: Sequence[schema.Initiatives | None] = (None,),
    ) -> None:
        """Ask each question once; the median counts, in seconds of the processor."""
        times = [
            processor_s(
                partial(coverage.measure_terrain, table, terrain, parameters=asked, today=today)
            )[0]
            for table in (_joined(records, more) for more in added)
            for asked in questions
        ]
        seconds = float(np.median(times))
        work = (
            f"{work}, {len(records):,} places, {len(terrain.people):,} {terrain.population.basis}"
        )
        note = (
            f"median of {len(times)}: {seconds * 1000:.0f} ms; at most {limit_s * 1000:.0f} wanted"
        )
        rows.append(Row(work, seconds, note=note))

    first = coverage.CoverageParameters()
    radii = [coverage.CoverageParameters(radius_m=1000.0 + 400 * n) for n in range(20)]
    kinds = [coverage.CoverageParameters(categories=(name,)) for name in schema.CATEGORIES]
    seats = coverage.Terrain.of(ground, territory.seats)
    click("first answer of a process", 2.0, seats, places, [first])
    click("another radius", 0.06, seats, places, radii)
    click("another category", 0.1, seats, places, kinds)
    fine = _random_places(territory, 100, random)
    fine = fine[fine["coordinate_precision"] == "address"]
    click(
        "what if one fine place more",
        0.05,
        seats,
        places,
        [first],
        [fine.iloc[[row]] for row in range(len(fine))],
    )
    many = _random_places(territory, 100_000, random)
    click("first answer", 1.0, seats, many, [first])
    click("another radius", 1.0, seats, many, radii[8:12])
    for size_m, count, limit_s in ((1000, 12_600, 1.0), (100, 500_000, 5.0)):
        cells = coverage.Terrain.of(ground, _random_cells(territory, size_m, count, random))
        click("first answer", limit_s, cells, places, [first])
        click("another radius", limit_s, cells, places, radii[5:8])
    return rows


def bench_classes() -> list[Row]:
    """Natural breaks of five classes for 2,300 values; peer: mapclassify `FisherJenks`.

    It is measured as it is installed: with numba, if that is there. It adds up in single
    precision and can miss the least sum of squares, so that is what is compared.
    """
    import importlib.util

    import numpy as np

    from geo_service.classification import classify

    peer_begun_mb = _peak_mb()
    import mapclassify

    grown_mb = _peak_mb() - peer_begun_mb
    values = np.round(np.random.default_rng(5).gamma(2.0, 3.0, 2300), 6)
    ours_s, ours = best_of(5, lambda: classify(values, method="natuerlich", classes=5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for numba
        peer_s, theirs = best_of(1, lambda: mapclassify.FisherJenks(values, k=5))
    by_ours, by_theirs = (
        sum(float(part.var() * part.size) for part in (values[found == n] for n in range(5)))
        for found in (ours.index, theirs.yb)
    )
    if by_ours > by_theirs * (1 + 1e-12):
        raise RuntimeError(f"classes: squares {by_ours:.4f}, by mapclassify {by_theirs:.4f}")
    numba = "with" if importlib.util.find_spec("numba") else "without"
    note = (
        f"sum of squares {by_ours:.4f}, mapclassify's {by_theirs:.4f};"
        f" it runs {numba} numba and needs {grown_mb:.0f} MB"
    )
    return [Row("natural breaks, 2,300 values", ours_s, peer_s, note)]


def _joined(records: schema.Initiatives, more: schema.Initiatives | None) -> schema.Initiatives:
    import pandas as pd

    return records if more is None else pd.concat([records, more], ignore_index=True)


def _example_places(territory: Territory, today: dt.date) -> schema.Initiatives:
    """Import the example records into a database that is thrown away."""
    import tempfile

    from geo_service.pipeline import Workshop, import_file
    from geo_service.store import Store

    with tempfile.TemporaryDirectory() as folder, Store(f"sqlite:///{folder}/x.db") as store:
        store.migrate()
        file = ROOT / "data" / "initiativen" / "initiativen.csv"
        import_file(file, Workshop(store, territory), today=today)
        return store.read().initiatives


def bench_gazetteer() -> list[Row]:
    """Look up names that were never asked before; at least 20,000 exact, 1,000 misspelt a s."""
    import random
    import string

    from geo_service.gazetteer import Gazetteer, load_places
    from geo_service.municipalities import load_municipalities
    from geo_service.schema import Address, Found

    folder = ROOT / "data" / "gemeinden"
    municipalities = load_municipalities(folder / "gemeinden.gpkg")
    places = load_places(folder / "orte.csv")
    build_s, gazetteer = best_of(3, lambda: Gazetteer(municipalities, places))
    table = municipalities[["ags", "name", "kreis", "postcode"]]
    stated = list(table.itertuples(index=False, name=None))
    forms = ("{}", "Gemeinde {}", "{} ", "Stadt {}", "Ortsgemeinde {}")
    chance = random.Random(3)

    def misspell(name: str) -> str:
        at = chance.randrange(1, len(name))
        return name[:at] + chance.choice(string.ascii_lowercase) + name[at:]

    exact = [
        (ags, Address(city=form.format(name), kreis=kreis, postcode=postcode or None))
        for form in (*forms, *(f"{form}-" for form in forms))
        for ags, name, kreis, postcode in stated
    ]
    misspelt = list({misspell(name): None for _ in range(2) for _, name, _, _ in stated})

    def find_exact() -> int:
        answers = ((ags, gazetteer.find(address)) for ags, address in exact)
        return sum(isinstance(answer, Found) and answer.ags == ags for ags, answer in answers)

    # Each name is new to the caches, so there is one run only, in seconds of the processor.
    start = time.process_time()
    right = find_exact()
    exact_s = time.process_time() - start
    start = time.process_time()
    read = sum(isinstance(gazetteer.find(Address(city=name)), Found) for name in misspelt)
    misspelt_s = time.process_time() - start
    rates = len(exact) / exact_s, len(misspelt) / misspelt_s
    if right != len(exact):
        raise RuntimeError(f"gazetteer: {len(exact) - right} names led elsewhere")
    if rates[0] < 20_000 or rates[1] < 1_000:
        raise RuntimeError(f"gazetteer: only {rates[0]:,.0f} exact, {rates[1]:,.0f} misspelt a s")
    return [
        Row(
            f"gazetteer: {len(exact):,} distinct exact names",
            exact_s,
            note=f"{rates[0]:,.0f} a second of CPU, all right; built in {build_s:.2f} s",
        ),
        Row(
            f"gazetteer: {len(misspelt):,} distinct misspelt names",
            misspelt_s,
            note=f"{rates[1]:,.0f} a second of CPU; {read:,} read without Kreis or postal code",
        ),
    ]


def _synthetic_list(path: Path, rows: int) -> None:
    """Write a list of `rows` distinct places spread over all municipalities, seeded."""
    import csv
    import random

    from geo_service.municipalities import load_municipalities
    from geo_service.schema import CATEGORIES, THEMES

    land = load_municipalities(ROOT / "data" / "gemeinden" / "gemeinden.gpkg")
    chance = random.Random(rows)
    kinds = ("Café Welcome", "Treff", "Haus der Begegnung", "Fahrradwerkstatt", "Sprachcafé")
    words = [f"{a}{b}{c}" for a in "BDFGKLMNRST" for b in ("a", "ei", "o", "u") for c in "lmnrst"]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(
            [
                "Name",
                "Kategorie",
                "Leitthema",
                "Straße",
                "Hausnummer",
                "Ort",
                "Gemeinde",
                "Kreis",
                "Angebote",
                "Stand",
            ]
        )
        for number in range(rows):
            town = land.iloc[chance.randrange(len(land))]
            name = f"{chance.choice(kinds)} {''.join(chance.choices(words, k=3))} {number}"
            street = f"{chance.choice(words)}straße" if chance.random() < 0.4 else ""
            address = (street, str(chance.randrange(1, 99)) if street else "", town["name"])
            rest = (town["name"], town["kreis"], "Austausch", f"20{chance.randrange(15, 26)}-05")
            table.writerow(
                (name, chance.choice(CATEGORIES), chance.choice(THEMES), *address, *rest)
            )


def bench_import() -> list[Row]:
    """Import 10,000, 30,000 and 100,000 rows offline, from the file to the stored revision."""
    import datetime as dt
    import tempfile

    from geo_service.pipeline import Workshop, import_file
    from geo_service.snapshot import load_territory
    from geo_service.store import Store

    today = dt.date(2026, 11, 23)
    territory = load_territory(ROOT / "data")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in (10_000, 30_000, 100_000):
            file = Path(folder) / f"list{rows}.csv"
            _synthetic_list(file, rows)
            with Store(f"sqlite:///{folder}/{rows}.db") as store:
                store.migrate()
                start = time.perf_counter()
                report = import_file(file, Workshop(store, territory), today=today)
                seconds = time.perf_counter() - start
                if (report.created, store.revision()) != (rows, 1):
                    raise RuntimeError(f"import: expected {rows} created, got {report.created}")
            note = f"{seconds / rows * 1e6:.0f} µs a row; {report.statuses.get('found')} found"
            found.append(Row(f"import {rows:,} rows, file to revision", seconds, note=note))
    return found


BENCHMARKS: Final[Mapping[str, Callable[[], list[Row]]]] = {
    "assign": bench_assign,
    "e2sfca": bench_e2sfca,
    "coverage": bench_coverage,
    "planning": bench_planning,
    "classes": bench_classes,
    "gazetteer": bench_gazetteer,
    "import": bench_import,
}

# ------------------------------------------------------------------------------ frame


def _peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _measured(name: str) -> tuple[list[Row], float]:
    """Run one benchmark in this (fresh) process; rows and peak memory in MB."""
    rows = BENCHMARKS[name]()
    return rows, _peak_mb()


def run(name: str) -> tuple[list[Row], float]:
    """Run one benchmark in a process of its own; rows and its peak memory in MB."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, name).result()


def line(row: Row, process_mb: float) -> str:
    """Return one Markdown table row."""
    peer = "–" if row.peer_s is None else f"{row.peer_s:.2f} s"
    ratio = "–" if row.ratio is None else f"{row.ratio:.1f} ×"
    memory = f"{row.memory_mb or process_mb:.0f} MB"
    return f"| {row.work} | {row.ours_s:.2f} s | {peer} | {ratio} | {memory} | {row.note} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks and print the table; 1 where one failed."""
    parser = argparse.ArgumentParser(description="Measure the main path against its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"expected names of {sorted(BENCHMARKS)}, got {unknown}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores\n")
    print("| work | ours | peer | faster | memory peak | note |")
    print("| --- | --- | --- | --- | --- | --- |")
    failed = False
    for name in names:
        try:
            rows, memory_mb = run(name)
        except (RuntimeError, BrokenProcessPool) as error:
            failed = True
            print(f"| {name} | failed | – | – | – | {error} |", flush=True)
            continue
        for row in rows:
            print(line(row, memory_mb), flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
