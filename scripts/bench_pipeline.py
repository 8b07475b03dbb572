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
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

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


BENCHMARKS: Final[Mapping[str, Callable[[], list[Row]]]] = {
    "assign": bench_assign,
}

# ------------------------------------------------------------------------------ frame


def _measured(name: str) -> tuple[list[Row], float]:
    """Run one benchmark in this (fresh) process; rows and peak memory in MB."""
    rows = BENCHMARKS[name]()
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


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
