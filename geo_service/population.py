"""Population: where people live, from the register's figures or from the Zensus grid."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd
import pyproj

from geo_service.errors import FileFormatError, ValidationError
from geo_service.formats import german_number
from geo_service.schema import METRIC_CRS, WGS84, Issue, Municipalities, Population

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "GRID_CRS",
    "REGISTER_NOTE",
    "ZENSUS_NOTE",
    "GridCells",
    "LocatedGrid",
    "complete_grid",
    "describe_grid",
    "has_seats",
    "locate_grid",
    "read_grid",
    "seat_population",
]

GRID_CRS: Final = "EPSG:3035"
"""ETRS89 / LAEA Europe, the CRS of the INSPIRE grid and of the Zensus files."""

REGISTER_NOTE: Final = (
    "Bevölkerung: © Statistisches Bundesamt (Destatis), Gemeindeverzeichnis;"
    " alle Menschen einer Gemeinde am Sitzpunkt gezählt"
)
"""Source note of seat points, where the caller knows none that is more exact."""

ZENSUS_NOTE: Final = (
    "Bevölkerung: © Statistische Ämter des Bundes und der Länder, Zensus 2022"
    " (Stichtag 15.05.2022, Gitterzellen {size}), dl-de/by-2-0;"
    " Daten verändert (Zellmitten Gemeinden zugeordnet)"
)
"""Source note of the grid; `size` is ``1 km`` or ``100 m``."""

SEATED_NOTE: Final = (
    "; wo keine Zelle einer Gemeinde Menschen hat, zählt die Zahl des Gemeindeverzeichnisses"
    " (© Statistisches Bundesamt) am Sitzpunkt: {people} Menschen in {towns} Gemeinden"
)
"""What the source note of the grid says more where `complete_grid` had something to add."""
_SEATED: Final = SEATED_NOTE.partition("{")[0]

MAX_BYTES: Final = 1_073_741_824
"""Largest table read, unpacked; the Zensus 100 m table has about 3 million rows and 150 MB."""

MAX_ZIP_RATIO: Final = 100
"""Highest ratio of unpacked to packed size; the Zensus tables have about 6."""

MAX_PEOPLE_IN_CELL: Final = 1_000_000
MAX_FAULTS: Final = 50
"""Faults listed before reading stops."""

_LINE_BYTES: Final = 1000
_UNKNOWN: Final = frozenset({b"", b"-", b".", "–".encode(), "–".encode("cp1252")})
"""How a suppressed figure is written, in UTF-8 or cp1252."""

_SIZES: Final = {"1km": 1000, "100m": 100}
_BORDER_M: Final = 1500.0
"""How far beyond the bounds cells are kept: they are a box of boundaries, not of cells."""


@dataclass(frozen=True, slots=True)
class GridCells:
    """Populated cells of one Zensus grid: centres in EPSG:3035, and people.

    `unknown` counts the cells whose figure is suppressed, which are left out; `rows` is what
    the file has, inside the bounds or not. Sorted by y, then x.
    """

    size_m: Literal[1000, 100]
    x_m: Floats
    y_m: Floats
    people: Floats
    unknown: int
    rows: int


@dataclass(frozen=True, slots=True)
class LocatedGrid:
    """What became of the cells: those in no municipality are left out."""

    cells: int
    people: float
    cells_outside: int
    people_outside: float
    unknown: int


def seat_population(
    municipalities: Municipalities, *, source_note: str = REGISTER_NOTE
) -> Population:
    """Put each municipality's whole register population at its seat point.

    One point per municipality, in their order.
    """
    x_m, y_m = _transform(
        WGS84,
        METRIC_CRS,
        municipalities["seat_lon"].to_numpy(dtype=np.float64),
        municipalities["seat_lat"].to_numpy(dtype=np.float64),
    )
    return Population(
        basis="seat_points",
        source_note=source_note,
        ags=municipalities["ags"].to_numpy(dtype=object),
        x_m=x_m,
        y_m=y_m,
        people=municipalities["population"].to_numpy(dtype=np.float64),
    )


def read_grid(
    path: Path,
    *,
    bounds: tuple[float, float, float, float] | None = None,
    size_m: Literal[1000, 100] | None = None,
) -> GridCells:
    """Read a Zensus 2022 population grid of 1 km or 100 m.

    The file is the official table as CSV (semicolons; ``GITTER_ID_1km``, ``x_mp_1km``,
    ``y_mp_1km``, ``Einwohner``, or the same with ``100m``; EPSG:3035), or the official ZIP
    that holds it. Other columns are ignored. Only the cells in the bounds are kept in memory.

    Parameters
    ----------
    path
        The file.
    bounds
        West, south, east, north in degrees (EPSG:4326): only cells in this box, with a
        margin of 1.5 km, are kept and checked for duplicates.
    size_m
        Which grid to take from a ZIP that holds several; the 1 km grid if None.

    Raises
    ------
    FileFormatError
        If the file as a whole is not such a table, or has no cell within the bounds.
    ValidationError
        If rows are wrong; `issues` lists the first faults with their lines.
    """
    box = _Box.around(bounds)
    with _open_table(path, size_m) as (name, stream):
        reader = _Reader(name, _heading(name, stream), box)
        if size_m not in (None, reader.heading.size_m):
            raise FileFormatError(
                f"{name}: expected cells of {size_m} m, got {reader.heading.size_m} m"
            )
        reader.read(stream)
    return reader.result()


def locate_grid(
    cells: GridCells,
    find_ags: Callable[[Floats, Floats], NDArray[np.object_]],
    *,
    source_note: str = ZENSUS_NOTE,
) -> Population:
    """Give each cell the municipality in which its centre lies.

    Parameters
    ----------
    cells
        Cells of the grid.
    find_ags
        Longitudes and latitudes in degrees to keys, None where there is no municipality.
        How far outside a point may lie is its decision.
    source_note
        Note to carry along; ``{size}`` stands for the cell size.

    Returns
    -------
    population
        One point per cell in a municipality, in EPSG:25832. Cells elsewhere are left out:
        `describe_grid` counts them. A cell that a border cuts counts whole where its centre
        lies.
    """
    lon, lat = _transform(GRID_CRS, WGS84, cells.x_m, cells.y_m)
    ags = np.asarray(find_ags(lon, lat), dtype=object)
    inside = ~pd.isna(ags)
    x_m, y_m = _transform(GRID_CRS, METRIC_CRS, cells.x_m[inside], cells.y_m[inside])
    return Population(
        basis="grid_1km" if cells.size_m == 1000 else "grid_100m",
        source_note=source_note.format(size="1 km" if cells.size_m == 1000 else "100 m"),
        ags=ags[inside],
        x_m=x_m,
        y_m=y_m,
        people=cells.people[inside],
    )


def complete_grid(grid: Population, seats: Population) -> Population:
    """Put the people of each municipality in which the grid has nobody at its seat.

    No cell's centre lies in some small municipalities, and of others every figure is
    suppressed; the register knows how many live there all the same. Whom the grid has counted
    in a cell of a neighbour, because the cell belongs to it whole, is not counted twice: they
    leave the cell that the seat lies in, as far as it has so many and is not all that its
    municipality has.

    Parameters
    ----------
    grid
        The cells with their municipalities, as `locate_grid` makes them.
    seats
        The register's population at the seats of all municipalities.

    Returns
    -------
    population
        The points of `grid`, then the seats that were added. The note says how many.
    """
    there = np.unique(grid.ags[grid.people > 0].astype(str))
    bare = ~np.isin(seats.ags.astype(str), there) & (seats.people > 0)
    if not bare.any():
        return grid
    x_m, y_m, people = seats.x_m[bare], seats.y_m[bare], seats.people[bare]
    said = SEATED_NOTE.format(
        people=german_number(float(people.sum())), towns=german_number(len(people))
    )
    return replace(
        grid,
        source_note=grid.source_note + said,
        ags=np.concatenate([grid.ags, seats.ags[bare]]),
        x_m=np.concatenate([grid.x_m, x_m]),
        y_m=np.concatenate([grid.y_m, y_m]),
        people=np.concatenate([_without(grid, _cells_of(grid, x_m, y_m), people), people]),
    )


def has_seats(population: Population) -> bool:
    """Say whether a grid has the people of some municipalities at their seats."""
    return _SEATED in population.source_note


def _cells_of(grid: Population, x_m: Floats, y_m: Floats) -> NDArray[np.intp]:
    """Return for each point in EPSG:25832 the number of the cell it lies in, -1 for none."""
    size_m = 1000 if grid.basis == "grid_1km" else 100
    cells, points = (
        pd.MultiIndex.from_arrays(
            [axis // size_m for axis in _transform(METRIC_CRS, GRID_CRS, *place)]
        )
        for place in ((grid.x_m, grid.y_m), (x_m, y_m))
    )
    return np.asarray(cells.get_indexer(points), dtype=np.intp)


def _without(grid: Population, at: NDArray[np.intp], people: Floats) -> Floats:
    """Return the people of each cell without those who are counted at a seat instead."""
    left, owners = grid.people.copy(), pd.Series(grid.people).groupby(grid.ags).sum()
    for cell, moved in zip(at[at >= 0].tolist(), people[at >= 0].tolist(), strict=True):
        taken = min(moved, left[cell])
        if owners[grid.ags[cell]] > taken:
            left[cell] -= taken
            owners[grid.ags[cell]] -= taken
    return left


def describe_grid(cells: GridCells, population: Population) -> LocatedGrid:
    """Count what `locate_grid` made of `cells`."""
    return LocatedGrid(
        cells=len(population.people),
        people=float(population.people.sum()),
        cells_outside=len(cells.people) - len(population.people),
        people_outside=float(cells.people.sum() - population.people.sum()),
        unknown=cells.unknown,
    )


# -------------------------------------------------------------------------------- the file


@dataclass(frozen=True, slots=True)
class _Heading:
    size_m: Literal[1000, 100]
    names: tuple[str, ...]
    id: int
    x: int
    y: int
    people: int


@contextmanager
def _open_table(path: Path, size_m: int | None) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the CSV, or the wanted CSV of the ZIP; its size is checked before it is read."""
    if not path.is_file():
        raise FileFormatError(f"{path}: expected a Zensus grid file, got no file")
    if path.suffix.lower() != ".zip":
        _check_size(path.name, path.stat().st_size)
        with path.open("rb") as stream:
            yield path.name, stream
        return
    try:
        with zipfile.ZipFile(path) as archive:
            member = _pick_member(path.name, archive, size_m)
            name = f"{path.name}/{member.filename}"
            _check_size(name, member.file_size, member.compress_size)
            with archive.open(member) as stream:
                yield name, stream
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        # An unknown compression is a NotImplementedError, a password a RuntimeError.
        raise FileFormatError(f"{path.name}: expected a whole ZIP file, got {error}") from error


def _pick_member(name: str, archive: zipfile.ZipFile, size_m: int | None) -> zipfile.ZipInfo:
    found = {}
    for member in archive.infolist():
        match = re.search(r"(?<!\d)(1km|100m)\D*\.csv$", member.filename, re.IGNORECASE)
        if match:
            found[_SIZES[match[1].lower()]] = member
    for size in (1000, 100) if size_m is None else (size_m,):
        if size in found:
            return found[size]
    raise FileFormatError(
        f"{name}: expected a table named …1km….csv or …100m….csv,"
        f" got {', '.join(archive.namelist()[:10]) or 'an empty ZIP'}"
    )


def _check_size(name: str, size: int, packed: int | None = None) -> None:
    if size > MAX_BYTES:
        raise FileFormatError(f"{name}: expected at most {MAX_BYTES} bytes, got {size}")
    if packed is not None and size > MAX_ZIP_RATIO * max(packed, 1000):
        raise FileFormatError(
            f"{name}: expected at most {MAX_ZIP_RATIO} bytes for each packed one,"
            f" got {size} from {packed}"
        )


def _heading(name: str, stream: IO[bytes]) -> _Heading:
    line = stream.readline(10_000).decode("utf-8-sig", errors="replace").strip()
    names = tuple(cell.strip() for cell in line.split(";"))
    folded = [cell.lower() for cell in names]
    for label, size_m in _SIZES.items():
        wanted = [f"gitter_id_{label}", f"x_mp_{label}", f"y_mp_{label}", "einwohner"]
        if all(folded.count(cell) == 1 for cell in wanted):
            columns = [folded.index(cell) for cell in wanted]
            return _Heading(1000 if size_m == 1000 else 100, names, *columns)
    raise FileFormatError(
        f"{name}, line 1: expected the headings GITTER_ID_1km;x_mp_1km;y_mp_1km;Einwohner"
        f" (or with 100m), got {line[:200]!r}"
    )


# -------------------------------------------------------------------------------- the rows


class _Reader:
    """Reads the rows of one table, keeping the cells in the box and the first faults."""

    def __init__(self, name: str, heading: _Heading, box: _Box) -> None:
        self.name = name
        self.heading = heading
        self.box = box
        self.rows = 0
        self.unknown = 0
        self.faults: list[Issue] = []
        self.cells: dict[tuple[int, int], tuple[int, int]] = {}

    def read(self, stream: IO[bytes]) -> None:
        """Read to the end, or until there are `MAX_FAULTS` faults."""
        for number, line in enumerate(iter(lambda: stream.readline(_LINE_BYTES), b""), start=2):
            if text := line.strip():
                self.rows += 1
                self._read_row(number, text.split(b";"))
            if len(self.faults) >= MAX_FAULTS:
                break

    def _read_row(self, line: int, cells: list[bytes]) -> None:
        heading = self.heading
        if len(cells) != len(heading.names):
            self._fault(line, None, f"{len(heading.names)} cells", f"{len(cells)}")
            return
        x, y = (self._centre(line, column, cells[column]) for column in (heading.x, heading.y))
        people = self._people(line, cells[heading.people])
        if x is None or y is None or people is None or not self.box.holds(x, y):
            return
        half = heading.size_m // 2
        id_ = f"CRS3035RES{heading.size_m}mN{y - half}E{x - half}".encode()
        if cells[heading.id] != id_:
            self._fault(line, heading.id, f"{id_.decode()} by its centre", cells[heading.id])
        elif (x, y) in self.cells:
            first = self.cells[x, y][1]
            self._fault(line, heading.id, f"each cell once (line {first})", cells[heading.id])
        else:
            self.cells[x, y] = (people, line)

    def _centre(self, line: int, column: int, cell: bytes) -> int | None:
        size_m = self.heading.size_m
        if cell.isdigit() and len(cell) < 9 and int(cell) % size_m == size_m // 2:
            return int(cell)
        expected = f"the centre of a cell of {size_m} m: whole metres ending in {size_m // 2}"
        self._fault(line, column, expected, cell)
        return None

    def _people(self, line: int, cell: bytes) -> int | None:
        """Return the people of a cell, -1 where unknown, None for a fault."""
        if cell.isdigit() and len(cell) < 9 and int(cell) <= MAX_PEOPLE_IN_CELL:
            return int(cell)
        if cell.strip() in _UNKNOWN:
            return -1
        expected = f"a whole number from 0 to {MAX_PEOPLE_IN_CELL}, or – for unknown"
        self._fault(line, self.heading.people, expected, cell)
        return None

    def _fault(self, line: int, column: int | None, expected: str, got: bytes | str) -> None:
        shown = got if isinstance(got, str) else repr(got[:60].decode("utf-8", "replace"))
        heading = None if column is None else self.heading.names[column]
        self.faults.append(Issue(self.name, line, heading, expected, shown))

    def result(self) -> GridCells:
        """Return the known cells, or raise what is wrong."""
        if self.faults:
            more = "" if len(self.faults) < MAX_FAULTS else "; stopped reading there"
            raise ValidationError(
                f"{self.faults[0]} ({len(self.faults)} faults in all{more})", self.faults
            )
        if not self.cells:
            raise FileFormatError(
                f"{self.name}: expected populated cells within {self.box}, got none"
                f" among {self.rows} rows"
            )
        table = np.array([(y, x, n) for (x, y), (n, _) in sorted(self.cells.items(), key=_by_row)])
        known = table[table[:, 2] >= 0].astype(np.float64)
        return GridCells(
            size_m=self.heading.size_m,
            x_m=known[:, 1].copy(),
            y_m=known[:, 0].copy(),
            people=known[:, 2].copy(),
            unknown=len(table) - len(known),
            rows=self.rows,
        )


def _by_row(item: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int]:
    (x, y), _ = item
    return y, x


@dataclass(frozen=True, slots=True)
class _Box:
    """A box in EPSG:3035, in metres; unbounded by default."""

    west_m: float = -math.inf
    south_m: float = -math.inf
    east_m: float = math.inf
    north_m: float = math.inf

    @classmethod
    def around(cls, bounds: tuple[float, float, float, float] | None) -> _Box:
        """Return the box around bounds in degrees, with the margin."""
        if bounds is None:
            return cls()
        transformer = pyproj.Transformer.from_crs(WGS84, GRID_CRS, always_xy=True)
        west, south, east, north = transformer.transform_bounds(*bounds)
        return cls(west - _BORDER_M, south - _BORDER_M, east + _BORDER_M, north + _BORDER_M)

    def holds(self, x: float, y: float) -> bool:
        return self.west_m <= x <= self.east_m and self.south_m <= y <= self.north_m

    def __str__(self) -> str:
        edges = (self.west_m, self.south_m, self.east_m, self.north_m)
        return (
            f"x {edges[0]:.0f} to {edges[2]:.0f}, y {edges[1]:.0f} to {edges[3]:.0f} ({GRID_CRS})"
        )


def _transform(source: str, target: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    to_target = pyproj.Transformer.from_crs(source, target, always_xy=True)
    there = to_target.transform(x, y)
    return np.asarray(there[0], dtype=np.float64), np.asarray(there[1], dtype=np.float64)
