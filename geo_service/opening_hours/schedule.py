"""Ask a rule about a moment or a day in Rheinland-Pfalz: open, closed, or unknown.

opening-hours-py reads and expands the rule; this module adds what it does not know, does
otherwise than the OSM specification, or cannot be certain of:

- `PH` means the public holidays of Rheinland-Pfalz, not those common to Germany;
- on a public holiday of which the rule says nothing, usual hours are unknown;
- after an open end ("15:00+") the state is unknown, not open until midnight;
- a final ``|| unknown`` makes what lies outside the hours unknown
  (version 2.1 then calls the hours themselves unknown).

The library is asked for wall-clock times; they become moments here, so that a summer-time
change neither fails nor moves an opening.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours, State, validate

from geo_service.errors import InputError
from geo_service.opening_hours.holidays import HOLIDAY_SELECTOR, public_holidays, unusual_days

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "TIME_ZONE",
    "OpenState",
    "OpenTime",
    "intervals_on",
    "next_change",
    "opens_on",
    "state_at",
    "times_on",
]

OpenState: TypeAlias = Literal["open", "closed", "unknown"]

TIME_ZONE: Final = ZoneInfo("Europe/Berlin")

_DAY: Final = dt.timedelta(days=1)
_FALLBACK: Final = re.compile(r"\s*\|\|\s*unknown$")
_PH: Final = re.compile(r"\bPH\b")
_SIMPLE: Final = re.compile(r"(?P<days>\S+) (?P<times>off|[\d:,+-]+)(?P<unknown> unknown)?")
_SEPARATOR: Final = re.compile(r"(; |, (?=[A-Z]))")
_LOOK_AHEAD_DAYS: Final = 400
_YEARS: Final = range(1900, 9998)  # what opening-hours-py knows, less a year for looking ahead


@dataclass(frozen=True, slots=True)
class OpenTime:
    """A stretch of time that a rule names. Times are aware, in Europe/Berlin."""

    start: dt.datetime
    end: dt.datetime
    """After `start`; perhaps on the next day."""
    state: Literal["open", "unknown"]
    open_end: bool = False
    """The rule tells the start alone; `end` is the midnight after it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Schedule:
    """A rule, read once."""

    possible: OpeningHours
    certain: OpeningHours | None
    """Without open ends; nothing where they could not be told apart."""
    outside: Literal["closed", "unknown"]
    tells_holidays: bool
    always: bool


def state_at(rule: str, moment: dt.datetime) -> OpenState:
    """Return whether a place with these hours is open at a moment.

    Parameters
    ----------
    rule
        OSM `opening_hours` syntax, as `Hours.rule` has it.
    moment
        Aware, in any time zone.

    Raises
    ------
    InputError
        If the rule is no such syntax, or the moment has no time zone.

    Examples
    --------
    >>> tuesday = dt.datetime(2026, 11, 24, 15, tzinfo=TIME_ZONE)
    >>> state_at("Tu 14:00-18:00", tuesday), state_at("Tu 14:00+", tuesday)
    ('open', 'unknown')
    """
    local = _local(moment)
    now = local.timestamp()
    states = {
        time.state
        for date in (local.date() - _DAY, local.date())
        for time in times_on(rule, date)
        if time.start.timestamp() <= now < time.end.timestamp()
    }
    if states:
        return "open" if "open" in states else "unknown"
    return _schedule(rule).outside


def next_change(rule: str, moment: dt.datetime) -> dt.datetime | None:
    """Return the first moment after `moment` at which the state is another.

    The answer is in Europe/Berlin; nothing if there is none within about a year.

    Raises
    ------
    InputError
        As `state_at`.

    Examples
    --------
    >>> tuesday = dt.datetime(2026, 11, 24, 15, tzinfo=TIME_ZONE)
    >>> f"{next_change('Tu 14:00-18:00', tuesday):%d.%m. %H:%M}"
    '24.11. 18:00'
    """
    local = _local(moment)
    if _schedule(rule).always:
        return None
    state = state_at(rule, local)
    for edge in _edges_after(rule, local):
        if state_at(rule, edge) != state:
            return edge
    return None


def opens_on(rule: str, date: dt.date) -> bool | None:
    """Return whether a place opens on a day; nothing where that is not certain.

    Hours that began the evening before do not count.

    >>> opens_on("Mo-Fr 10:00-12:00", dt.date(2026, 11, 24))
    True
    >>> opens_on("Mo-Fr 10:00-12:00", dt.date(2026, 12, 25)) is None
    True

    Raises
    ------
    InputError
        As `state_at`.
    """
    times = times_on(rule, date)
    # A known start is enough for the day, though not for any moment after it.
    if any(time.state == "open" or (time.open_end and _certain_day(rule, date)) for time in times):
        return True
    return None if times or _schedule(rule).outside == "unknown" else False


def intervals_on(rule: str, date: dt.date) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return start and end of the hours of a day at which a place is certainly open.

    Hours past midnight belong to the day on which they began. `times_on` has the uncertain too.

    >>> [f"{start:%H:%M}–{end:%H:%M}" for start, end
    ...  in intervals_on("Tu 10:00-12:00,14:00-18:00", dt.date(2026, 11, 24))]
    ['10:00–12:00', '14:00–18:00']

    Raises
    ------
    InputError
        As `state_at`.
    """
    return [(time.start, time.end) for time in times_on(rule, date) if time.state == "open"]


@lru_cache(maxsize=16_384)
def times_on(rule: str, date: dt.date) -> tuple[OpenTime, ...]:
    """Return what a rule says of a day, in order: open hours, and hours that are not certain.

    Raises
    ------
    InputError
        As `state_at`.
    """
    if date.year not in _YEARS:
        raise InputError(f"date: expected a year from 1900 to 9997, got {date.isoformat()}")
    schedule = _schedule(rule)
    sure = _certain_day(rule, date)
    times: list[OpenTime] = []
    for start, end, state, open_end in _wall_clock(schedule, date):
        begin, finish = _moment(start), _moment(end)
        if begin.timestamp() < finish.timestamp():
            known: Literal["open", "unknown"] = "open" if state == "open" and sure else "unknown"
            times.append(OpenTime(begin, finish, known, open_end))
    return tuple(times)


def _certain_day(rule: str, date: dt.date) -> bool:
    """Tell whether usual hours hold on a day: it is ordinary, or the rule speaks of it."""
    schedule = _schedule(rule)
    if schedule.always:
        return True
    if date in public_holidays(date.year):
        return schedule.tells_holidays
    return date not in unusual_days(date.year)


@lru_cache(maxsize=8192)
def _schedule(rule: str) -> _Schedule:
    """Read a rule."""
    core = _FALLBACK.sub("", rule)
    expanded = _PH.sub(HOLIDAY_SELECTOR, core)
    certain = _without_open_ends(core)
    if not core.isprintable() or not validate(expanded):  # a lone surrogate has no UTF-8
        raise InputError(f"rule: expected OSM opening_hours syntax, got {rule[:80]!r}")
    possible = OpeningHours(expanded)
    sure: OpeningHours | None = possible
    if certain != core:
        sure = OpeningHours(_PH.sub(HOLIDAY_SELECTOR, certain)) if certain else None
    return _Schedule(
        possible=possible,
        certain=sure,
        outside="closed" if core == rule else "unknown",
        tells_holidays=core != expanded,
        always=core == "24/7",
    )


def _without_open_ends(core: str) -> str | None:
    """Return a rule without its open ends; nothing for one too involved to tell."""
    if "+" not in core:
        return core
    kept: list[str] = []
    for separator, part in _parts(core):
        match = _SIMPLE.fullmatch(part)
        if match is None:
            return None
        times = [time for time in match["times"].split(",") if not time.endswith("+")]
        if times:
            kept += [separator, f"{match['days']} {','.join(times)}{match['unknown'] or ''}"]
        elif not separator.startswith(","):  # a part after ";" stands for its whole day
            kept += [separator, f"{match['days']} off"]
    return "".join(kept[1:])


def _parts(core: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a rule with what stands before each."""
    pieces = ["", *_SEPARATOR.split(core)]
    return zip(pieces[::2], pieces[1::2], strict=True)


def _wall_clock(
    schedule: _Schedule, date: dt.date
) -> Iterator[tuple[dt.datetime, dt.datetime, str, bool]]:
    """Yield start, end, state and whether the end is open, for what begins on a day.

    What began the day before and lasts under 24 hours belongs to that day; longer
    stretches are cut at midnight.
    """
    midnight = dt.datetime.combine(date, dt.time())
    tomorrow, window = midnight + _DAY, (midnight - _DAY, midnight + 2 * _DAY)
    for start, end, state, open_end in _stretches(schedule, *window):
        if start >= tomorrow or end <= midnight:
            continue
        long = end - start >= _DAY
        if start < midnight and not long:
            continue
        yield max(start, midnight), min(end, tomorrow) if long else end, state, open_end


def _stretches(
    schedule: _Schedule, start: dt.datetime, end: dt.datetime
) -> Iterator[tuple[dt.datetime, dt.datetime, str, bool]]:
    """Yield the stretches of a window that are not closed."""
    simple = schedule.certain is schedule.possible
    known = [] if simple else list(_known(schedule.certain, start, end))
    for begin, finish, state, _ in schedule.possible.intervals(start, end):
        if state == State.UNKNOWN:
            yield begin, finish, "unknown", False
        elif state == State.OPEN:
            yield from _split(begin, finish, [(begin, finish)] if simple else known)


def _known(
    certain: OpeningHours | None, start: dt.datetime, end: dt.datetime
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """Yield the stretches of a window that are open whatever an open end means."""
    if certain:
        for begin, finish, state, _ in certain.intervals(start, end):
            if state == State.OPEN:
                yield begin, finish


def _split(
    begin: dt.datetime, finish: dt.datetime, certain: list[tuple[dt.datetime, dt.datetime]]
) -> Iterator[tuple[dt.datetime, dt.datetime, str, bool]]:
    """Split a stretch into what is certainly open and what follows an open end."""
    at = begin
    for known_from, known_to in certain:
        if known_to <= begin or known_from >= finish:
            continue
        if at < known_from:
            yield at, known_from, "unknown", True
        yield known_from, known_to, "open", False
        at = known_to
    if at < finish:
        yield at, finish, "unknown", True


def _edges_after(rule: str, local: dt.datetime) -> Iterator[dt.datetime]:
    """Yield starts and ends after a moment, in order, for about a year."""
    last, now = local.date() + _LOOK_AHEAD_DAYS * _DAY, local.timestamp()
    date = local.date() - _DAY
    while date <= last:
        times = times_on(rule, date)
        for time in times:
            yield from (edge for edge in (time.start, time.end) if edge.timestamp() > now)
        date = date + _DAY if times else _next_date(rule, date)


def _next_date(rule: str, empty: dt.date) -> dt.date:
    """Return the first day after an empty one on which the library sees a change."""
    change = _schedule(rule).possible.next_change(dt.datetime.combine(empty, dt.time(23, 59)))
    return max(empty + _DAY, change.date()) if change else dt.date.max


def _local(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        raise InputError(f"moment: expected one with a time zone, got {moment.isoformat()}")
    return moment.astimezone(TIME_ZONE)


def _moment(wall_clock: dt.datetime) -> dt.datetime:
    """Return the moment at which clocks in Rheinland-Pfalz show a time.

    A time that comes twice is the first; one that is skipped is the moment of the change.
    """
    moment = wall_clock.replace(tzinfo=TIME_ZONE)
    real = moment.astimezone(dt.UTC).astimezone(TIME_ZONE)
    if real.replace(tzinfo=None) == wall_clock:
        return moment
    return real.replace(minute=0, second=0, microsecond=0)
