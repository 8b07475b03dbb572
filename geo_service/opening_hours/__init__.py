"""German opening hours: free text -> OSM `opening_hours` rule -> open, closed or unknown.

`parse_hours` reads a text; what it cannot read with certainty stays text, with a reason.
The other functions ask such a rule about a moment or a day, in Rheinland-Pfalz.
Modules in reading order: hours, grammar, week, schedule, holidays.
The rules are explained in docs/opening-hours.md.
"""

from __future__ import annotations

from geo_service.opening_hours.holidays import public_holidays, unusual_days
from geo_service.opening_hours.hours import REASONS, Hours, Reason, parse_hours
from geo_service.opening_hours.schedule import (
    TIME_ZONE,
    OpenState,
    OpenTime,
    intervals_on,
    next_change,
    opens_on,
    state_at,
    times_on,
)

__all__ = [
    "REASONS",
    "TIME_ZONE",
    "Hours",
    "OpenState",
    "OpenTime",
    "Reason",
    "intervals_on",
    "next_change",
    "opens_on",
    "parse_hours",
    "public_holidays",
    "state_at",
    "times_on",
    "unusual_days",
]
