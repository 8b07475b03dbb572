"""When places are open on one day and on the weekend, as far as their texts are certain.

A text that the parser does not understand wholly, and a place without one, are *silent*:
neither open nor closed.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from geo_service.opening_hours import opens_on, parse_hours, times_on
from geo_service.web import wording
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from geo_service.web.places import Place

    Mask = NDArray[np.bool_]

__all__ = ["Opening", "Span", "Timetable", "minute_of"]

_ONE_DAY: Final = dt.timedelta(days=1)
_DAY_MINUTES: Final = 24 * 60


def minute_of(moment: dt.datetime) -> int:
    """Return the minutes on the clock since midnight."""
    return moment.hour * 60 + moment.minute


@dataclass(frozen=True, slots=True)
class Span:
    """Hours in minutes since today's midnight. `sure`: certainly open from start to end.

    `from_start`: it certainly opens then, but until when is not known.
    """

    start: int
    end: int
    sure: bool
    from_start: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """What a card says about today, while that is certain.

    `remark` is the record's own, in its language. `as_of` is when its source said so: ``JJJJ``,
    ``JJJJ-MM`` or ``JJJJ-MM-TT``.
    """

    state: Literal["now", "later"]
    spans: tuple[Span, ...]
    remark: str | None = None
    as_of: str | None = None

    @property
    def text(self) -> str:
        """Return it in a few words, without the remark."""
        first = self.spans[0]
        if self.state == "now" and first.end - first.start < _DAY_MINUTES:
            said = gettext("Jetzt geöffnet bis %(time)s Uhr", time=_end(first.end))
        else:
            said = gettext("Heute %(hours)s", hours=wording.listed(map(_hours, self.spans)))
        dated = gettext("Angabe %(date)s", date=wording.date(self.as_of)) if self.as_of else ""
        return f"{said} ({dated})" if dated else said


def _hours(span: Span) -> str:
    if span.from_start:
        return gettext("ab %(time)s Uhr", time=_clock(span.start))
    return f"{_clock(span.start)}–{_end(span.end)}"


def _end(minute: int) -> str:
    return wording.clock("24:00") if minute == _DAY_MINUTES else _clock(minute)


def _clock(minute: int) -> str:
    return wording.clock(f"{minute // 60 % 24:02}:{minute % 60:02}")


class Timetable:
    """The opening hours of every place around one day.

    Parameters
    ----------
    places
        In the order of the list.
    today
        The day on the calendar in Berlin.
    """

    def __init__(self, places: tuple[Place, ...], today: dt.date) -> None:
        weekend = _weekend(today)
        self._days = [
            _day(place.hours, today, weekend) if place.hours else None for place in places
        ]
        self._is_weekend = today in weekend
        edges = {
            edge
            for day in self._days
            if day
            for span in day.spans
            for edge in (span.start, span.end)
        }
        self._changes = sorted(edges)
        self._masks: dict[int, Mapping[str, Mask]] = {}
        self._openings: dict[tuple[int, int], Opening | None] = {}

    def slot(self, minute: int) -> int:
        """Return a number that stays the same as long as no place opens or closes."""
        return bisect_right(self._changes, minute)

    def masks(self, minute: int) -> Mapping[str, Mask]:
        """Return who is open now, is open or opens today, and on the weekend."""
        slot = self.slot(minute)
        if slot not in self._masks:
            self._masks[slot] = self._read_masks(minute)
        return self._masks[slot]

    def _read_masks(self, minute: int) -> Mapping[str, Mask]:
        today = self._mask(lambda day: bool(_left(day, minute)))
        weekend = self._mask(lambda day: day.weekend is True)
        return {
            "jetzt": self._mask(lambda day: _now(day, minute) is not None),
            "heute": today,
            "wochenende": weekend | today if self._is_weekend else weekend,
        }

    def silent(self, time: str, minute: int) -> Mask:
        """Return of whom it is not certain whether they are open then."""
        unsure: dict[str, Callable[[_Day], bool]] = {
            "jetzt": lambda day: _vague(day, minute, now=True),
            "heute": lambda day: _vague(day, minute),
            "wochenende": lambda day: (
                day.weekend is None or (self._is_weekend and _vague(day, minute))
            ),
        }
        unknown = np.array([day is None or unsure[time](day) for day in self._days], dtype=np.bool_)
        return np.asarray(unknown & ~self.masks(minute)[time])

    def opening(self, number: int, minute: int) -> Opening | None:
        """Say what is certain about the rest of the day of one place, None if nothing."""
        day = self._days[number]
        if day is None:
            return None
        key = (number, self.slot(minute))
        if key not in self._openings:
            self._openings[key] = _opening(day, minute)
        return self._openings[key]

    def _mask(self, test: Callable[[_Day], bool]) -> Mask:
        return np.array([day is not None and test(day) for day in self._days], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class _Day:
    """What a text says of a day and of the days of the weekend after it; None: not certain.

    `closed_else`: outside its hours the place is closed, and not merely without this offer.
    """

    spans: tuple[Span, ...]
    closed_else: bool
    weekend: bool | None
    remark: str | None
    as_of: str | None


def _opening(day: _Day, minute: int) -> Opening | None:
    now = _now(day, minute)
    if now is not None:
        return Opening("now", (now,), day.remark, day.as_of)
    left = _left(day, minute)
    return Opening("later", left, day.remark, day.as_of) if left else None


def _now(day: _Day, minute: int) -> Span | None:
    return next((one for one in day.spans if one.sure and one.start <= minute < one.end), None)


def _left(day: _Day, minute: int) -> tuple[Span, ...]:
    """Return the hours of today that are certain and not over."""
    return tuple(
        one
        for one in day.spans
        if (one.sure and one.end > minute) or (one.from_start and one.start > minute)
    )


def _vague(day: _Day, minute: int, *, now: bool = False) -> bool:
    """Tell whether hours that are not certain lie ahead, or hold now."""
    return not day.closed_else or any(
        not one.sure and one.end > minute and not (now and one.start > minute) for one in day.spans
    )


def _weekend(today: dt.date) -> tuple[dt.date, ...]:
    """Return the days of this weekend that are not over: one on a Sunday, else two."""
    saturday = today + _ONE_DAY * ((5 - today.weekday()) % 7)
    return (today,) if today.weekday() == 6 else (saturday, saturday + _ONE_DAY)


@lru_cache(maxsize=16_384)
def _day(text: str, today: dt.date, weekend: tuple[dt.date, ...]) -> _Day | None:
    hours = parse_hours(text)
    if hours.rule is None:
        return None
    spans = [span for span in _spans(hours.rule, today - _ONE_DAY, today) if span.end > 0]
    spans += _spans(hours.rule, today, today)
    later = {opens_on(hours.rule, day) for day in weekend if day != today}
    on_weekend = True if True in later else None if None in later else False
    as_of = None if hours.dated_in_note else hours.as_of
    return _Day(tuple(spans), hours.closed_else, on_weekend, hours.remark, as_of)


def _spans(rule: str, day: dt.date, origin: dt.date) -> list[Span]:
    """Return the hours that begin on `day`, in minutes since the midnight of `origin`."""
    midnight = dt.datetime.combine(origin, dt.time())
    known = opens_on(rule, day) is True

    def minutes(moment: dt.datetime) -> int:
        return round((moment.replace(tzinfo=None) - midnight).total_seconds() / 60)

    return [
        Span(minutes(time.start), minutes(time.end), time.state == "open", known and time.open_end)
        for time in times_on(rule, day)
    ]
