"""Files of strangers become rows of text cells: nothing is opened here, only judged.

`read_records` looks at the name, the kind, the size and the first bytes of a file; its
content is taken apart by `geo_service.reading` in a process of its own, within limits
on memory, processor time and amount. No file reaches GDAL, whose drivers follow paths and
addresses inside a file.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, TypeAlias

from geo_service.errors import FileFormatError
from geo_service.reading.common import Fault, Limits

__all__ = ["DEFAULT_LIMITS", "Fault", "FileKind", "Limits", "RawTable",
           "read_records"]  # fmt: skip

FileKind: TypeAlias = Literal["csv", "xlsx", "geojson"]

DEFAULT_LIMITS: Final = Limits()

_KINDS: Final[dict[str, FileKind]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".geojson": "geojson",
    ".json": "geojson",
}
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KNOWN_CELLS: Final = 300_000
_ROOT: Final = str(Path(__file__).resolve().parents[2])
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from geo_service.reading.child import main; main(sys.argv[2:])"
)
"""What the child runs. It sees this package and the standard library, nothing else."""


@dataclass(frozen=True, slots=True)
class RawTable:
    """What stands in a file: rows of text cells with their lines, the top row first.

    A row is as long as its last cell that is not blank; blank rows are left out. `lines`
    are the lines an editor shows (CSV), the row numbers of the sheet (XLSX) or the numbers
    of the features (GeoJSON, whose top row has the line 0).
    """

    file: str
    kind: FileKind
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    faults: tuple[Fault, ...] = ()


def read_records(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> RawTable:
    """Read a CSV, XLSX or GeoJSON file into rows of text cells.

    Parameters
    ----------
    path
        A regular file; its ending says what it is (``.csv .tsv .txt``, ``.xlsx``,
        ``.geojson .json``).
    limits
        How much the file may hold, and what reading it may cost.

    Raises
    ------
    FileFormatError
        If the file is missing, is of another kind than it says, is damaged, or exceeds
        `limits`. The message says where and why.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileFormatError(
            f"{path.name}: expected a file ending in .csv, .xlsx or .geojson, "
            f"got {path.suffix or 'no ending'!r}"
        )
    with _open(path) as source, tempfile.TemporaryFile() as out:
        size = _check_file(source, path.name, kind, limits)
        _run_child(source, out, path.name, kind, size, limits)
        out.seek(0)
        return _collect(out, path.name, kind)


def _open(path: Path) -> IO[bytes]:
    """Open a regular file, and nothing else."""
    try:
        # Non-blocking, so that a named pipe is seen to be one instead of being waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileFormatError(f"{path.name}: cannot be opened ({reason})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileFormatError(f"{path.name}: expected a regular file, got something else")
    return os.fdopen(descriptor, "rb")


def _check_file(source: IO[bytes], file: str, kind: FileKind, limits: Limits) -> int:
    """Return the size in bytes of a regular file that may be what its ending says."""
    status = os.fstat(source.fileno())
    if status.st_size > limits.file_bytes:
        raise FileFormatError(
            f"{file}: expected at most {limits.file_bytes / 1e6:.0f} MB, "
            f"got {status.st_size / 1e6:,.1f} MB"
        )
    if status.st_size == 0:
        raise FileFormatError(f"{file}: expected a row of headings, got an empty file")
    head = os.pread(source.fileno(), 8, 0)
    if head == _OLE:
        raise FileFormatError(
            f"{file}: expected an XLSX file without a password, got an old (.xls) or an "
            "encrypted workbook; save it as .xlsx"
        )
    if (kind == "xlsx") != head.startswith(_ZIP):
        expected = "an Excel workbook (XLSX)" if kind == "xlsx" else f"a {kind.upper()} file"
        got = "another kind of file" if kind == "xlsx" else "a zip file or Excel workbook"
        raise FileFormatError(f"{file}: expected {expected}, got {got}; does the ending fit?")
    return status.st_size


def _run_child(
    source: IO[bytes], out: IO[bytes], file: str, kind: FileKind, size: int, limits: Limits
) -> None:
    """Let the child read `source` and write to `out`; large files get a second per MB."""
    seconds = max(limits.seconds, round(limits.seconds * size / 10_000_000))
    granted = dataclasses.replace(limits, seconds=seconds)
    # -I and -S: neither the environment nor installed packages have a say in the child.
    settings = json.dumps(dataclasses.asdict(granted))
    command = [sys.executable, "-I", "-S", "-c", _START, _ROOT, kind, settings]
    # The processor time is what counts; on a busy machine that takes longer by the clock.
    with subprocess.Popen(  # noqa: S603 (our own interpreter and file, no shell)
        command, stdin=source, stdout=out, stderr=subprocess.DEVNULL
    ) as child:
        try:
            code = child.wait(timeout=3 * seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            code = -signal.SIGXCPU
    if code == -signal.SIGXCPU:
        raise FileFormatError(
            f"{file}: expected a file that is read within {seconds} s of processor time, "
            "this one is not; is it what it should be?"
        )
    if code != 0:
        raise FileFormatError(
            f"{file}: cannot be read within {limits.memory_bytes / 1e6:.0f} MB of memory, "
            f"or is damaged (reader ended with {code})"
        )


def _collect(out: IO[bytes], file: str, kind: FileKind) -> RawTable:
    """Read back what the child wrote; equal cells become one string, which saves memory."""
    lines: list[int] = []
    rows: list[tuple[str, ...]] = []
    faults: list[Fault] = []
    known: dict[str, str] = {}
    end: int | None = None
    for text in out:
        item = json.loads(text) if text.strip() else {}
        if isinstance(item, list):
            lines.append(item[0])
            if len(known) < _KNOWN_CELLS:
                item[1] = [known.setdefault(cell, cell) for cell in item[1]]
            rows.append(tuple(item[1]))
        elif "refused" in item:
            raise FileFormatError(f"{file}: {item['refused']}")
        elif "fault" in item:
            faults.append(Fault(*item["fault"]))
        else:
            end = item.get("end", end)
    if end != len(rows):
        raise FileFormatError(f"{file}: cannot be read (the reader ended early)")
    return RawTable(file, kind, tuple(lines), tuple(rows), tuple(faults))
