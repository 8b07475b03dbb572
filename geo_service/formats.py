"""Numbers, distances, shares and dates in German form, and text that no spreadsheet runs.

Rounding is the commercial one (half away from zero), on the decimal that Python prints.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

__all__ = [
    "german_date",
    "german_distance",
    "german_number",
    "german_percent",
    "neutralise_cell",
    "restore_cell",
]

_SWAP: Final = str.maketrans(",.", ".,")
_MONTHS: Final = (
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
)
_RUNS: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED: Final = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def german_number(
    value: float | None, decimals: int = 0, *, missing: str = "", down: bool = False
) -> str:
    """Return `value` with full stops between thousands and a decimal comma.

    Parameters
    ----------
    value
        A finite number; None and NaN are unknown.
    decimals
        Decimals to show, at least 0.
    missing
        What to show for an unknown value.
    down
        Round down, for a figure that must not seem to reach a limit it stays under.

    Examples
    --------
    >>> german_number(4129569), german_number(0.125, 2), german_number(None, missing="–")
    ('4.129.569', '0,13', '–')
    """
    if value is None or value != value:  # NaN and pandas' NaT are unlike themselves
        return missing
    step = Decimal(1).scaleb(-decimals)
    rounding = ROUND_FLOOR if down else ROUND_HALF_UP
    rounded = Decimal(str(float(value))).quantize(step, rounding=rounding)
    return f"{rounded + 0:,f}".translate(_SWAP)


def german_percent(
    share: float | None, decimals: int = 1, *, missing: str = "", down: bool = False
) -> str:
    """Return a share of 0 to 1 in per cent.

    >>> german_percent(0.3125), german_percent(0.49999, down=True), german_percent(1, 0)
    ('31,3 %', '49,9 %', '100 %')
    """
    if share is None or share != share:
        return missing
    percent = float(Decimal(str(float(share))) * 100)
    return f"{german_number(percent, decimals, down=down)} %"


def german_distance(length_m: float | None, *, missing: str = "") -> str:
    """Return a length in metres as a reader says it: tens of metres, then kilometres.

    >>> german_distance(447), german_distance(2345), german_distance(123_456)
    ('450 m', '2,3 km', '123 km')
    """
    if length_m is None or length_m != length_m:
        return missing
    tens = math.floor(length_m / 10 + 0.5) * 10
    if tens < 1000:
        return f"{tens} m"
    return f"{german_number(length_m / 1000, 1 if length_m < 99_950 else 0)} km"


def german_date(date: dt.date | str | None, *, missing: str = "") -> str:
    """Return a date, or a text ``JJJJ``, ``JJJJ-MM`` or ``JJJJ-MM-TT``, in German form.

    >>> german_date("2026-11-23"), german_date("2022-04"), german_date("2015")
    ('23.11.2026', 'April 2022', '2015')

    Raises
    ------
    ValueError
        If the text is no such date.
    """
    if date is None or date != date:
        return missing
    if isinstance(date, dt.date):
        return f"{date:%d.%m.%Y}"
    if re.fullmatch(r"\d{4}", date):
        return date
    if re.fullmatch(r"\d{4}-\d{2}", date):
        month = dt.date.fromisoformat(f"{date}-01")
        return f"{_MONTHS[month.month - 1]} {month.year}"
    return f"{dt.date.fromisoformat(date):%d.%m.%Y}"


def neutralise_cell(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula; for text cells only.

    Where the text begins with one of ``= + - @``, a tab or a line break, after any number
    of apostrophes, one apostrophe is put before it (OWASP, "CSV Injection"), so that
    `restore_cell` gives back every text exactly.

    >>> neutralise_cell("=1+1"), neutralise_cell("'=1+1"), neutralise_cell("Café")
    ("'=1+1", "''=1+1", 'Café')
    """
    return f"'{text}" if _RUNS.match(text) else text


def restore_cell(text: str) -> str:
    """Undo `neutralise_cell`.

    >>> restore_cell("'=1+1"), restore_cell("'s Lädchen")
    ('=1+1', "'s Lädchen")
    """
    return text[1:] if _GUARDED.match(text) else text
