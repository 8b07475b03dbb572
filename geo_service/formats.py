"""Numbers, distances, shares and dates in German form, and text that no spreadsheet runs.

Rounding is the commercial one (half away from zero), on the decimal that Python prints.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "BERLIN",
    "MOST_DECIMALS",
    "NOISE",
    "PERCENT_LIMITS",
    "german_date",
    "german_distance",
    "german_number",
    "german_percent",
    "last_months",
    "neutralise_cell",
    "number_text",
    "percent_text",
    "restore_cell",
    "signed_text",
]

BERLIN: Final = ZoneInfo("Europe/Berlin")
"""The clock that days are told by, wherever the server stands."""

MOST_DECIMALS: Final = 3
"""What is too small for so many is written in words."""

NOISE: Final = 5e-7
"""Figures are kept with six decimals at most: what is less was added up in another order."""

PERCENT_LIMITS: Final = (50, 100)
"""Per cent of a share that readers look for: the limit of a gap, and all."""

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


def number_text(
    value: float | None,
    decimals: int = 0,
    *,
    missing: str = "",
    down: bool = False,
    limits: Collection[float] = (),
) -> str:
    """Return a number from 0 in German form, so that it seems to be no other than it is.

    Parameters
    ----------
    value
        A number from 0; None and NaN are unknown.
    decimals
        Decimals to show; more, up to `MOST_DECIMALS`, where it would seem to be 0 and is not.
    missing, down
        As for `german_number`.
    limits
        What a smaller number must not seem to reach: then it is rounded down, with a decimal.

    Examples
    --------
    >>> [number_text(value, 1) for value in (3.21, 0.0, 0.04, 0.0169, 0.0004)]
    ['3,2', '0,0', '0,04', '0,02', 'unter 0,001']
    >>> number_text(49.6, limits=[50]), number_text(49.4, limits=[50])
    ('49,6', '49')
    """
    if value is None or value != value:
        return missing
    places = range(decimals, MOST_DECIMALS + 1)
    tries = (german_number(value, number, down=down) for number in places)
    text = next((one for one in tries if not value or one.strip("0,")), "unter 0,001")
    near = (limit for limit in limits if limit - 1 < value < limit)
    if any(text == german_number(limit, decimals) for limit in near):
        return german_number(value, max(decimals, 1), down=True)
    return text


def percent_text(
    share: float | None, decimals: int = 1, *, missing: str = "", down: bool = False
) -> str:
    """Return a share of 0 to 1 in per cent; what is over 0 or under 50 or 100 does not read so.

    Closer than `NOISE` it is that.

    >>> [percent_text(share) for share in (0.312, 0.0004, 0.499_99, 0.999_92, 1, 1 - 1e-16)]
    ['31,2 %', '0,04 %', '49,9 %', '99,9 %', '100,0 %', '100,0 %']
    """
    if share is None or share != share:
        return missing
    percent = float(Decimal(str(float(share))) * 100)
    exact = (limit for limit in (0, *PERCENT_LIMITS) if abs(percent - limit) < NOISE)
    percent = next(exact, percent)
    return f"{number_text(percent, decimals, down=down, limits=PERCENT_LIMITS)} %"


def signed_text(value: float | None, decimals: int = 0, *, missing: str = "") -> str:
    """Return a difference with its sign; only none at all is 0.

    >>> [signed_text(value) for value in (3.2, -0.4, -0.0004, 0.0, 1e-9)]
    ['+3', '−0,4', 'Abnahme unter 0,001', '0', '0']
    """
    if value is None or value != value:
        return missing
    if abs(value) < NOISE:
        return "0"
    text = number_text(abs(value), decimals)
    if not text[0].isdigit():
        return f"{'Zunahme' if value > 0 else 'Abnahme'} {text}"
    return f"{'+' if value > 0 else '−'}{text}"


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


def last_months(months: int) -> str:
    """Say within which time.

    >>> last_months(1), last_months(24)
    ('im letzten Monat', 'in den letzten 24 Monaten')
    """
    return "im letzten Monat" if months == 1 else f"in den letzten {german_number(months)} Monaten"


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
