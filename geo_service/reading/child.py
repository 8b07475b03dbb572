"""The reading process: standard input taken apart within limits, one JSON value a line out.

``[line, [cell, …]]`` is a row (the first one is what stands on top), ``{"fault": …}`` a
fault in one place, ``{"refused": …}`` the reason why the file as a whole cannot be read,
``{"end": rows}`` the proof that nothing is missing. The limits on memory and processor time
are set before the first byte is read.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from typing import IO, TYPE_CHECKING, Any, Final

from geo_service.reading.common import Fault, Item, Limits, Refused
from geo_service.reading.csv_file import csv_cells
from geo_service.reading.geojson_file import geojson_cells
from geo_service.reading.xlsx_file import xlsx_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cells_of", "main"]

_READERS: Final = {"csv": csv_cells, "geojson": geojson_cells, "xlsx": xlsx_cells}


def cells_of(kind: str, stream: IO[bytes], limits: Limits) -> Iterator[Item]:
    """Yield the rows of a file and the faults in it; blank rows are left out.

    Trailing empty cells are dropped, cells over the limit emptied and reported.

    Raises
    ------
    Refused
        If the file as a whole cannot be read, or holds more than `limits` allow.
    """
    rows = cells = chars = faults = 0
    for item in _READERS[kind](stream, limits):
        if isinstance(item, Fault):
            faults += 1
            if faults > limits.rows:
                raise Refused(f"expected at most {limits.rows:,} faulty cells, got more")
            yield item
            continue
        line, row = item
        while row and not row[-1].strip():
            row.pop()
        if not row and kind != "geojson":
            continue
        if len(row) > limits.columns:
            raise Refused(
                f"line {line}: expected at most {limits.columns} columns, got {len(row):,}"
            )
        for column, cell in enumerate(row):
            if len(cell) > limits.cell_chars:
                row[column] = ""
                expected = f"at most {limits.cell_chars:,} characters"
                yield Fault(line, column, expected, f"{len(cell):,} characters")
            chars += len(row[column])
        rows += 1
        cells += len(row)
        _check_size(rows, cells, chars, limits)
        yield line, row


def _check_size(rows: int, cells: int, chars: int, limits: Limits) -> None:
    for what, count, most in (
        ("rows", rows - 1, limits.rows),
        ("cells", cells, limits.cells),
        ("characters", chars, limits.text_chars),
    ):
        if count > most:
            raise Refused(f"expected at most {most:,} {what}, got more")


def _write(kind: str, limits: Limits, out: IO[str]) -> None:
    rows = 0
    for item in cells_of(kind, sys.stdin.buffer, limits):
        if isinstance(item, Fault):
            value: Any = {"fault": [item.line, item.column, item.expected, item.got, item.severity]}
        else:
            value, rows = item, rows + 1
        out.write(json.dumps(value) + "\n")
    out.write(json.dumps({"end": rows}) + "\n")


def main(arguments: list[str]) -> None:
    """Read standard input as ``kind`` within ``limits`` (JSON) and write what it holds."""
    kind, limits = arguments[0], Limits(**json.loads(arguments[1]))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", write_through=False)
    try:
        _write(kind, limits, out)
    except Refused as reason:
        out.write("\n" + json.dumps({"refused": str(reason)}) + "\n")
    except MemoryError:
        most = f"{limits.memory_bytes / 1e6:.0f} MB"
        out.write("\n" + json.dumps({"refused": f"expected a file that fits in {most}"}) + "\n")
    out.flush()
