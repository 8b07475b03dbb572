"""Comma, semicolon or tab separated text in the encodings that spreadsheets write."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from typing import IO, TYPE_CHECKING, Final

from geo_service.reading.common import CHUNK, Fault, Item, Limits, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["csv_cells"]

_BOMS: Final = (
    (codecs.BOM_UTF32_LE, None),
    (codecs.BOM_UTF32_BE, None),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH_BYTES: Final = bytes(range(0x80, 0x100))
_UTF8_SEQUENCE: Final = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_SPOKEN: Final = {"cp1252": "Windows-1252", "utf-8-sig": "UTF-8"}
"""Names of codecs for readers, where Python's own say little."""

_SEP_LINE: Final = re.compile(r'"?sep=([;,\t])"?\r?\n?$', re.IGNORECASE)
_MAX_LINE_CHARS: Final = 1_000_000
_MAX_FIELD_CHARS: Final = 131_072


def csv_cells(stream: IO[bytes], limits: Limits) -> Iterator[Item]:
    """Read comma, semicolon or tab separated text (RFC 4180) in any of five encodings.

    A row's line is the line an editor shows for its first character, also after cells
    that hold line breaks.
    """
    csv.field_size_limit(_MAX_FIELD_CHARS)
    encoding = _encoding(stream)
    stream.seek(0)
    lines = _lines(stream, encoding)
    first, skipped = "", 0
    for first in lines:
        sep_line = _SEP_LINE.match(first)
        if first.strip() and not sep_line:
            break
        skipped += 1
        if sep_line:
            yield from _csv_rows(lines, sep_line[1], skipped)
            return
    yield from _csv_rows(itertools.chain([first], lines), _delimiter(first), skipped)


def _csv_rows(lines: Iterable[str], delimiter: str, skipped: int) -> Iterator[Item]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = skipped + 1
    width = 0
    try:
        for cells in reader:
            width = width or len(cells)
            if 0 < len(cells) < width and any(cells):
                got = f"{len(cells)}; the others are taken for empty"
                yield Fault(line, None, f"{width} cells as in the first row", got, "warning")
            yield line, cells
            line = skipped + reader.line_num + 1
    except csv.Error as error:
        raise Refused(f"line {line}: {_csv_reason(str(error), delimiter)}") from None


def _csv_reason(reason: str, delimiter: str) -> str:
    if "field larger" in reason:
        return (
            f"expected a cell of at most {_MAX_FIELD_CHARS:,} characters, got a longer one "
            "(is a closing quotation mark missing?)"
        )
    if "unexpected end" in reason:
        return "expected a closing quotation mark, got the end of the file"
    if "expected after" in reason:
        return (
            f"expected {delimiter!r} or a line end after a closing quotation mark, got other "
            "text (a quotation mark inside a quoted cell is written twice)"
        )
    return f"expected separated text, got what cannot be split ({reason})"


def _lines(stream: IO[bytes], encoding: str) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    number = 0
    try:
        while line := text.readline(_MAX_LINE_CHARS + 1):
            number += 1
            if len(line) > _MAX_LINE_CHARS:
                raise Refused(
                    f"line {number}: expected at most {_MAX_LINE_CHARS:,} characters, "
                    "got a longer line"
                )
            if "\0" in line:
                raise Refused(f"line {number}: expected text, got a NUL byte")
            yield line
    except UnicodeDecodeError:
        stream.seek(0)
        raise _undecodable(stream.read(), encoding) from None


def _undecodable(data: bytes, encoding: str) -> Refused:
    """Say which line of `data` is the first that is no text."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding)
        line = len(_LINE_END.findall(before)) + 1
        got = error.object[error.start : error.start + 4].hex(" ")
        name = _SPOKEN.get(encoding, encoding.upper())
        return Refused(f"line {line}: expected {name} text, got the bytes {got}; is it a CSV file?")
    return Refused(f"expected {encoding} text")


def _delimiter(line: str) -> str:
    """Return the separator that stands beside quotation marks, else is the most frequent one.

    What stands between quotation marks does not count.
    """
    bare = re.sub(r'"[^"]*"?', '"', line)
    return max(";\t,", key=lambda sign: (bare.count(f'"{sign}') + bare.count(f'{sign}"'),
                                         bare.count(sign)))  # fmt: skip


def _encoding(stream: IO[bytes]) -> str:
    """Return the codec: by byte order mark, else UTF-16 by its zeros, else UTF-8 or cp1252."""
    head = stream.read(4096)
    for mark, codec in _BOMS:
        if head.startswith(mark):
            if codec is None:
                raise Refused("expected UTF-8, UTF-16 or Windows-1252 text, got UTF-32")
            return codec
    zeros_even, zeros_odd = head[::2].count(0), head[1::2].count(0)
    if max(zeros_even, zeros_odd) > len(head) * 0.3:
        return "utf-16-le" if zeros_odd > zeros_even else "utf-16-be"
    return _eight_bit_encoding(stream)


def _eight_bit_encoding(stream: IO[bytes]) -> str:
    """Tell UTF-8 from Windows-1252; a damaged UTF-8 file is refused, never read as the other.

    In German Windows-1252 text nearly no byte above 127 is part of what would be a UTF-8
    sequence; in UTF-8 text nearly every one is.
    """
    stream.seek(0)
    data = stream.read()
    try:
        codecs.utf_8_decode(data, "strict", True)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        near = data[max(0, error.start - CHUNK) : error.start + CHUNK]
        high = len(near) - len(near.translate(None, _HIGH_BYTES))
        if sum(len(found[0]) for found in _UTF8_SEQUENCE.finditer(near)) * 2 > high:
            got = data[error.start : error.start + 4].hex(" ")
            raise Refused(f"line {line}: expected UTF-8 text, got the bytes {got}") from None
        return "cp1252"
    return "utf-8"
