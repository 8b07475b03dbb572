"""The public holidays of Rheinland-Pfalz, and days on which usual hours often do not hold.

opening-hours-py knows the holidays of Germany as a whole only, not those of a Land:
Fronleichnam and Allerheiligen are missing there.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HOLIDAY_SELECTOR", "public_holidays", "unusual_days"]

# § 2 of the Land's Feiertagsgesetz (LFtG), as (month, day) or as days after Easter Sunday.
_FIXED: Final = {
    (1, 1): "Neujahr",
    (5, 1): "Tag der Arbeit",
    (10, 3): "Tag der Deutschen Einheit",
    (11, 1): "Allerheiligen",
    (12, 25): "1. Weihnachtstag",
    (12, 26): "2. Weihnachtstag",
}
_AFTER_EASTER: Final = {
    -2: "Karfreitag",
    1: "Ostermontag",
    39: "Christi Himmelfahrt",
    50: "Pfingstmontag",
    60: "Fronleichnam",
}
_UNUSUAL_FIXED: Final = {(12, 24): "Heiligabend", (12, 31): "Silvester"}
_UNUSUAL_AFTER_EASTER: Final = {0: "Ostersonntag", 49: "Pfingstsonntag"}

HOLIDAY_SELECTOR: Final = (
    "Jan 01,May 01,Oct 03,Nov 01,Dec 25-26,"
    "easter -2 days,easter +1 day,easter +39 days,easter +50 days,easter +60 days"
)
"""The same holidays as OSM dates, to stand for `PH` in a rule."""


def _easter(year: int) -> dt.date:
    """Return Easter Sunday (anonymous Gregorian algorithm; Meeus, *Astronomical Algorithms*)."""
    century, of_century = divmod(year, 100)
    leap, rest = divmod(century, 4)
    lunar = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * (year % 19) + century - leap - lunar + 15) % 30
    weekday = (32 + 2 * rest + 2 * (of_century // 4) - epact - of_century % 4) % 7
    shift = (year % 19 + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return dt.date(year, month, day + 1)


def _calendar(
    year: int, fixed: Mapping[tuple[int, int], str], after_easter: Mapping[int, str]
) -> Mapping[dt.date, str]:
    easter = _easter(year)
    days = {dt.date(year, month, day): name for (month, day), name in fixed.items()}
    for offset, name in after_easter.items():  # 1 May may be Christi Himmelfahrt too (2008)
        days.setdefault(easter + dt.timedelta(days=offset), name)
    return MappingProxyType(dict(sorted(days.items())))


@lru_cache(maxsize=64)
def public_holidays(year: int) -> Mapping[dt.date, str]:
    """Return the public holidays of Rheinland-Pfalz in `year` with their German names.

    >>> public_holidays(2026)[dt.date(2026, 6, 4)]
    'Fronleichnam'
    """
    return _calendar(year, _FIXED, _AFTER_EASTER)


@lru_cache(maxsize=64)
def unusual_days(year: int) -> Mapping[dt.date, str]:
    """Return days that are no public holidays, but on which few places keep their usual hours.

    >>> [f"{day:%d.%m.}" for day in unusual_days(2026)]
    ['05.04.', '24.05.', '24.12.', '31.12.']
    """
    return _calendar(year, _UNUSUAL_FIXED, _UNUSUAL_AFTER_EASTER)
