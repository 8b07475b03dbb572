"""Fold text for comparison: one rule for headings, ids, place names and searches."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["fold", "latin_digits", "slug"]

_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe"})
_NOT_WORD = re.compile(r"[\W_]+", re.UNICODE)


def latin_digits(text: str) -> str:
    """Return `text` with the digits of every script as 0 to 9, all else as it was.

    >>> latin_digits("۵۵۱۱۶ ماينتس")
    '55116 ماينتس'
    """
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in text
    )


def fold(text: str) -> str:
    """Return `text` in the form in which two spellings of one name are equal.

    Case, punctuation and repeated blanks are dropped, umlauts and ß are written out and
    other accents removed; letters of every script are kept.

    >>> fold("  St. Goarshausen ")
    'st goarshausen'
    >>> fold("Bürgerhaus/Nachbarschaftshaus") == fold("BUERGERHAUS – Nachbarschaftshaus")
    True
    >>> fold("Майнц")
    'маинц'
    """
    german = unicodedata.normalize("NFKC", text).casefold().translate(_GERMAN)
    if not german.isascii():
        german = "".join(
            letter
            for letter in unicodedata.normalize("NFKD", german)
            if not unicodedata.combining(letter)
        )
    return _NOT_WORD.sub(" ", german).strip()


def slug(text: str) -> str:
    """Return the form of a name that stands in an address; empty where nothing is left.

    >>> slug("Schutzsuchende 2024 (Jahresende)")
    'schutzsuchende-2024-jahresende'
    """
    return fold(text).replace(" ", "-")
