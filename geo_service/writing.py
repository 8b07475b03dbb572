"""Any text, made fit for paper: what is no writing goes, what is too long ends in an ellipsis."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["breakable", "isolated", "plain"]

_CUT: Final = 8
"""How many times its limit of a text is looked at: of 100 kB nobody reads the end."""

_KEPT_FORMAT: Final = "\u200c\u200d"  # Persian and Indic spelling needs them
_LONG_RUN: Final = re.compile(r"[^\s\u200b]{36,}")
_SIMPLE: Final = re.compile("[ -~\u00a1-\u00ac\u00ae-\u024f–]*")
"""Letters and signs of which none is ever left out or put together with another."""

_MARKS_IN_A_ROW: Final = 3
_RUN: Final = 30


def plain(text: str, limit: int) -> str:
    r"""Return the writing in `text` on one line of at most `limit` characters.

    >>> plain("Caf\u00e9\n\u202eabc\x00 \U0001f600", 40)
    'Café abc'
    >>> plain("Haus der Begegnung", 10)
    'Haus der…'
    """
    if len(text) <= limit and _SIMPLE.fullmatch(text):  # a hundred times as quick
        return " ".join(text.split())
    written: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text[: _CUT * limit]):
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category == "Cc" or category.startswith("Z"):
            written.append(" ")
        elif marks <= _MARKS_IN_A_ROW and _is_writing(character, category):
            written.append(character)
    line = " ".join("".join(written).split())
    if len(line) <= limit:
        return line
    return line[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;.-–") + "…"


def _is_writing(character: str, category: str) -> bool:
    if category.startswith("C"):
        return character in _KEPT_FORMAT
    code = ord(character)
    return not (0x1F000 <= code <= 0x1FAFF or 0xFE00 <= code <= 0xFE0F or code >= 0xE0000)


def breakable(text: str) -> str:
    """Allow line breaks in words that are longer than a line."""
    return _LONG_RUN.sub(lambda run: _in_pieces(run[0]), text)


def _in_pieces(run: str) -> str:
    return "\u200b".join(run[at : at + _RUN] for at in range(0, len(run), _RUN))


def isolated(text: str) -> str:
    """Keep the direction of `text` apart from that of the words around it (FSI … PDI)."""
    return f"\u2068{text}\u2069"
