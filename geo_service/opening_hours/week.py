"""What a text says of each weekday, merged, and written as an OSM `opening_hours` rule.

Times are minutes after midnight; an end after midnight is above 1440; an end of None is an
open end ("ab 15:00"). Weekdays count from 0 (Monday). Of each weekday the first to fifth in
the month are kept apart, and the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "DAY_MINUTES",
    "EVERY",
    "LAST",
    "Item",
    "NotCertainError",
    "Span",
    "Workdays",
    "write_rule",
]

Span: TypeAlias = tuple[int, int | None]
"""Start and end in minutes after midnight; no end is an open end."""

Workdays: TypeAlias = Literal["", "werktags", "wochentags"]
"""Said so of Monday to Friday: Saturday may be meant too. "werktags" is never a holiday."""

DAY_MINUTES: Final = 24 * 60
EVERY: Final = 0
"""Stands for every such weekday of a month, beside 1 to 5 and `LAST`."""
LAST: Final = -1

_NAMES: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_SATURDAY: Final = 5
_WEEK: Final = frozenset(range(7))
_WEEKEND: Final = frozenset({5, 6})
_NTH: Final = (1, 2, 3, 4, 5)


class NotCertainError(Exception):
    """The text has no reading that is certain; the argument is the `Reason`."""


@dataclass(frozen=True, slots=True)
class Item:
    """One statement of a text: some days, and what holds on them."""

    kind: Literal["hours", "until", "closed", "except"]
    """Of days without hours, "Mi geschlossen" is "closed", "außer Mi" is "except"."""
    days: frozenset[tuple[int, int]]
    """Weekday and which of the month (`EVERY`, 1 to 5, `LAST`)."""
    spans: tuple[Span, ...] = ()
    """For "until" one span from 0 to the new end."""
    holidays: bool = False
    workdays: Workdays = ""

    @property
    def weekdays(self) -> frozenset[int]:
        """Return the weekdays, whichever of the month."""
        return frozenset(weekday for weekday, _ in self.days)


@dataclass(slots=True)
class _Day:
    """What is known of one weekday, or of one of its kind in the month."""

    hours: tuple[Span, ...] = ()
    perhaps: tuple[Span, ...] = ()
    nth: bool = False
    weekdays: frozenset[int] = _WEEK
    """Of which weekdays the hours were said: of how few, if several statements were."""
    said: bool = False


@dataclass(slots=True)
class _Week:
    days: dict[tuple[int, int], _Day] = field(default_factory=dict)
    holidays: tuple[Span, ...] | None = None

    def day(self, weekday: int, nth: int) -> _Day:
        return self.days.setdefault((weekday, nth), _Day())


def write_rule(items: Sequence[Item]) -> str:
    """Return the OSM rule that `items` state together.

    Where statements on one day can be read as "also" or as "instead", what both readings
    share is open and the rest is `unknown`: hours said of fewer days hold on them either way.

    Raises
    ------
    NotCertainError
        If statements contradict each other, or there is none of any hours.
    """
    week = _Week()
    for item in items:
        _add(week, item)
    _check_last(week)
    parts = list(_write_days(week))
    if not parts:
        raise NotCertainError("no_times")
    # After ";" a rule replaces its whole day, hours that began the evening before included.
    crossing = any(
        end is not None and end > DAY_MINUTES
        for day in week.days.values()
        for _, end in day.hours + day.perhaps
    )
    rule = (", " if crossing else "; ").join(parts)
    if week.holidays is not None:
        rule += f"; PH {_write_spans(week.holidays) if week.holidays else 'off'}"
    return rule


def _add(week: _Week, item: Item) -> None:
    if item.holidays:
        if item.kind == "until" or week.holidays:
            raise NotCertainError("contradiction")
        week.holidays = _tidy(item.spans)
    elif item.workdays == "werktags" and week.holidays is None:
        week.holidays = ()
    for weekday, which in sorted(item.days):
        for nth in _NTH if which == EVERY else (which,):
            _state(week.day(weekday, nth), item, nth=which != EVERY)
    if item.workdays:
        _add_perhaps_saturday(week, item)


def _add_perhaps_saturday(week: _Week, item: Item) -> None:
    if item.kind == "until":
        raise NotCertainError("contradiction")
    for nth in _NTH:
        day = week.day(_SATURDAY, nth)
        if not day.said:
            day.perhaps = _tidy(day.perhaps + item.spans)


def _state(day: _Day, item: Item, *, nth: bool) -> None:
    """Add one statement to a day."""
    first = not day.said
    day.said = True
    if item.kind == "except" and len(day.hours) > 1:
        # "Mo-Fr 9-12, 14-17 (außer Mi)" may leave Wednesday its morning.
        raise NotCertainError("contradiction")
    if item.kind in {"closed", "except"}:
        day.hours, day.perhaps = (), ()
    elif item.kind == "until":
        day.hours = _until(day.hours, item.spans[0][1])
    elif first:
        day.hours, day.perhaps, day.nth = _tidy(item.spans), (), nth
        day.weekdays = item.weekdays
    elif not day.hours:
        raise NotCertainError("contradiction")
    else:
        new = _Day(_tidy(item.spans), nth=nth, weekdays=item.weekdays)
        day.hours, unsure = _join(day, new)
        day.perhaps = _tidy(day.perhaps + unsure)
        day.nth, day.weekdays = day.nth or nth, day.weekdays & item.weekdays
    if _overlap(day.hours, day.perhaps):
        raise NotCertainError("contradiction")


def _join(old: _Day, new: _Day) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return what two statements on a day say for certain, and what one of them may mean."""
    overlap = _overlap(old.hours, new.hours)
    if overlap and any(end is None for _, end in old.hours + new.hours):
        raise NotCertainError("contradiction")
    if not overlap and not _may_replace(old, new):
        return _tidy(old.hours + new.hours), ()
    special, usual = (new, old) if _is_special(new, old) else (old, new)
    if not overlap:
        return special.hours, usual.hours
    sure = special.hours
    if not _is_special(special, usual):
        sure = _where(old.hours, new.hours, lambda one, other: one and other)
    either = _tidy(_where(old.hours, new.hours, lambda one, other: one or other))
    return sure, _where(either, sure, lambda one, known: one and not known)


def _is_special(one: _Day, other: _Day) -> bool:
    """Tell whether a statement is of fewer days than another: "1. Di" than "Di", "Di" of Mo-Fr."""
    return one.nth if one.nth != other.nth else one.weekdays < other.weekdays


def _may_replace(old: _Day, new: _Day) -> bool:
    """Tell whether hours may stand for others of the day that they do not touch.

    "Mo-Fr 9-12, Do 14-18" adds an afternoon. "1. Di im Monat 9-11" may stand for Tuesday's
    evening, "So 14-16" for "täglich 9-12", and "Di 9-12" for the afternoon of "Mo-Fr 14-17".
    """
    if old.nth != new.nth:
        return True
    if not _is_special(new, old):
        return False
    weekend = new.weekdays <= _WEEKEND and not old.weekdays <= _WEEKEND
    return weekend or new.hours[0][0] < old.hours[-1][0]


def _until(hours: tuple[Span, ...], end: int | None) -> tuple[Span, ...]:
    """Give the hours another end: the last of them grows, or what lies after it goes."""
    if end is None or not hours:
        raise NotCertainError("no_times")
    kept = [span for span in hours if span[0] < end]
    if not kept:
        raise NotCertainError("contradiction")
    last = kept[-1]
    if len(kept) < len(hours) and last[1] is not None and last[1] < end:
        raise NotCertainError("contradiction")
    return (*kept[:-1], (last[0], end))


def _tidy(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort hours and join those that touch."""
    tidy: list[Span] = []
    for start, end in sorted(set(spans), key=lambda span: (span[0], span[1] or 2 * DAY_MINUTES)):
        if tidy:
            before, until = tidy[-1]
            if until is None or until > start:
                raise NotCertainError("contradiction")
            if until == start and end is not None:
                tidy[-1] = (before, end)
                continue
        tidy.append((start, end))
    return tuple(tidy)


def _overlap(one: Iterable[Span], other: Sequence[Span]) -> bool:
    return any(
        start < (end_b or DAY_MINUTES) and begin < (end_a or DAY_MINUTES)
        for start, end_a in one
        for begin, end_b in other
    )


def _where(
    old: tuple[Span, ...], new: tuple[Span, ...], wanted: Callable[[bool, bool], bool]
) -> tuple[Span, ...]:
    """Return the times at which `wanted` holds of lying in `old` and in `new`."""
    edges = sorted({edge for span in old + new for edge in span if edge is not None})
    return _tidy(
        (start, end)
        for start, end in pairwise(edges)
        if wanted(_covers(old, start), _covers(new, start))
    )


def _covers(spans: Iterable[Span], minute: int) -> bool:
    return any(start <= minute and (end is None or minute < end) for start, end in spans)


def _check_last(week: _Week) -> None:
    """The last of a month is its fourth or fifth: both cannot be stated."""
    for weekday in range(7):
        last = week.days.get((weekday, LAST))
        if last and any(
            week.days[key].said for key in ((weekday, 4), (weekday, 5)) if key in week.days
        ):
            raise NotCertainError("contradiction")


def _write_days(week: _Week) -> Iterable[str]:
    """Write each set of days that have the same hours once, in the order of the week."""
    alike: dict[tuple[tuple[int, ...], tuple[Span, ...], tuple[Span, ...]], list[int]] = {}
    for weekday in range(7):
        numbers: dict[tuple[tuple[Span, ...], tuple[Span, ...]], list[int]] = {}
        for nth in (*_NTH, LAST):
            day = week.days.get((weekday, nth))
            if day and (day.hours or day.perhaps):
                numbers.setdefault((day.hours, day.perhaps), []).append(nth)
        for (hours, perhaps), nths in numbers.items():
            alike.setdefault((tuple(nths), hours, perhaps), []).append(weekday)
    for (which, hours, perhaps), weekdays in alike.items():
        selector = _write_weekdays(weekdays, which)
        known = [f"{selector} {_write_spans(hours)}"] if hours else []
        unsure = [f"{selector} {_write_spans(perhaps)} unknown"] if perhaps else []
        yield ", ".join(known + unsure)


def _write_weekdays(weekdays: Sequence[int], nths: tuple[int, ...]) -> str:
    if nths != _NTH:
        numbers = ",".join(str(nth) for nth in nths)
        return ",".join(f"{_NAMES[weekday]}[{numbers}]" for weekday in weekdays)
    runs: list[list[int]] = []
    for weekday in weekdays:
        if runs and runs[-1][-1] == weekday - 1:
            runs[-1].append(weekday)
        else:
            runs.append([weekday])
    return ",".join(
        f"{_NAMES[run[0]]}-{_NAMES[run[-1]]}" if len(run) > 1 else _NAMES[run[0]] for run in runs
    )


def _write_spans(spans: Iterable[Span]) -> str:
    return ",".join(
        f"{_write_time(start)}+"
        if end is None
        else f"{_write_time(start)}-{_write_time(end if end <= DAY_MINUTES else end - DAY_MINUTES)}"
        for start, end in spans
    )


def _write_time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
