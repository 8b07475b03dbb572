"""What the readers of all kinds share: limits, verdicts, faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["CHUNK", "Fault", "Item", "Limits", "Refused", "clip", "plain"]

CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may hold and cost; the readers refuse more with a reason.

    100,000 records of 22 columns are 2.2 million cells; Excel's own limit for a cell is
    32,767 characters.
    """

    file_bytes: int = 50_000_000
    rows: int = 250_000
    columns: int = 200
    cells: int = 3_000_000
    cell_chars: int = 32_767
    text_chars: int = 60_000_000
    unpacked_bytes: int = 400_000_000
    unpacked_ratio: int = 200
    memory_bytes: int = 512_000_000
    seconds: int = 10


class Refused(Exception):  # noqa: N818 (a verdict on the file, not a failure of ours)
    """The file as a whole cannot be read; the text says where, what was expected, what came."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in one cell, or in one row (`column` None); columns count from 0."""

    line: int
    column: int | None
    expected: str
    got: str
    severity: Literal["error", "warning"] = "error"


Item: TypeAlias = tuple[int, list[str]] | Fault
"""A row with its line, or a fault."""


def plain(text: str) -> str:
    """Replace halves of characters (lone surrogates), which no text file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clip(text: str, length: int = 80) -> str:
    """Return `text`, cut to `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
