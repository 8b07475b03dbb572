"""A small grammar of German opening hours: text -> statements on days.

::

    text   = [label] item {separator item}  |  times days
    item   = days ["außer" days] (times | "bis" time | "geschlossen") [exception]
    days   = day {("," | "und" | "+" | …) day}
    day    = [ordinal {"und" ordinal}] weekday ["-" weekday]  |  "täglich" | "werktags" | …
    times  = time "-" time {("," | "und") time "-" time}  |  "ab" time

Every word must be known: one that is not makes the whole text uncertain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from geo_service.opening_hours.week import (
    DAY_MINUTES,
    EVERY,
    LAST,
    Item,
    NotCertainError,
    Span,
    Workdays,
)

__all__ = ["is_label", "parse_items"]

_WEEKDAYS: Final = {"mo": 0, "di": 1, "mi": 2, "do": 3, "fr": 4, "sa": 5, "so": 6}
_ALL_WEEK: Final = frozenset(range(7))
_ORDINALS: Final = {"erst": 1, "zweit": 2, "dritt": 3, "viert": 4, "fünft": 5, "letzt": LAST}

_TOKEN: Final = re.compile(
    r"""
      (?P<time>  \d{1,2} (?: [:.]\d{2}(?!\d) (?:\s*(?:uhr|h)\b\.?)?
        | \s*(?:uhr|h)\b\.? | (?![\d.:]) ) )
    | (?P<ordinal> \d{1,2}\.(?!\d)
        | (?:erst|zweit|dritt|viert|fünft|letzt)e[rnms]?\b )
    | (?P<month>   (?:im|des|eines|jeden|eines\s+jeden|jedes)\s+monate?s?\b | monatlich\b )
    | (?P<daily>   (?:täglich|tgl|jeden\s+tag|an\s+allen\s+tagen)\b\.? )
    | (?P<working> (?:an\s+)?(?:werktags|werktäglich|werktagen)\b )
    | (?P<wochentags> wochentags\b )
    | (?P<weekly>  unter\s+der\s+woche\b )
    | (?P<weekend> (?:(?:am|an\s+den|an)\s+)?(?:wochenenden?|wochenends)\b )
    | (?P<holiday> (?:an\s+)?(?:gesetzlichen\s+)?feiertag(?:s|e|en)?\b )
    | (?P<day>     sonn-(?=\s*(?:und|u|&|/))
        | (?:mo|di|mi|do|fr|sa|so)(?!\w)\.?
        | (?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag)(?:s|e|en)?\b )
    | (?P<and>     [,/+&|] | (?:und|u|sowie)\b\.? )
    | (?P<semi>    [;\n] )
    | (?P<dash>    - )
    | (?P<until>   bis\b )
    | (?P<since>   ab\b )
    | (?P<of>      (?:von|um)\b )
    | (?P<noise>   (?:immer|jeweils|am|an|alle|wöchentlich|jede\s+woche)\b )
    | (?P<each>    (?:jede[nrms]?)\b )
    | (?P<open>    (?:geöffnet|offen|öffnungszeit(?:en)?)\b )
    | (?P<closed>  (?:geschlossen|ruhetag)\b )
    | (?P<except>  (?:außer|ausser|ausgenommen|nicht)\b )
    | (?P<part>    (?:vormittags|morgens|nachmittags|abends)\b )
    | (?P<colon>   : )
    | (?P<left>    \( )
    | (?P<right>   \) )
    | (?P<word>    [^\W\d_][\w'’.-]* )
    | (?P<blank>   [ \t\r\f\v]+ )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_PLAIN: Final = {
    "daily": _ALL_WEEK,
    "weekly": frozenset(range(5)),
    "working": frozenset(range(5)),
    "wochentags": frozenset(range(5)),
    "weekend": frozenset({5, 6}),
}
_WORKDAYS: Final[dict[str, Workdays]] = {"working": "werktags", "wochentags": "wochentags"}
_DAY_KINDS: Final = frozenset({"day", "ordinal", "each", "holiday", *_PLAIN})
_TIME_KINDS: Final = frozenset({"time", "of", "since"})

# What a place may call the hours at which it receives people. Outside of them nothing is known.
_OFFER: Final = re.compile(
    r"(?:cafe|café|cafés|cafeteria|treff|treffen|treffpunkt|büro|bürozeit(?:en)?|sprechstunden?"
    r"|sprechzeit(?:en)?|beratung|beratungszeit(?:en)?|quartierstunde|wohnzimmer|teestube"
    r"|kleiderkammer|kleiderstube|tafel|ausgabe|frühstück|mittagstisch|nachmittag|suppe|küche"
    r"|werkstatt|bücherei|bibliothek|laden|lädchen|stammtisch|begegnung|sprachkurs)$",
    re.IGNORECASE,
)
_NO_NAME: Final = re.compile(
    r"kein|nicht|pause|ruhe|schließ|geschl|schluss|ausfall|entfällt|urlaub|nur|ohne"
    r"|tag$|woche|monat|anruf|telefon|nächst|annahme|abgabe|spende|vorstand|team|redaktion",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(slots=True)
class _Days:
    cells: frozenset[tuple[int, int]]
    holidays: bool
    workdays: Workdays
    every_nth: bool
    """Said as "jeden 2. Di": the second of the month, or every other?"""


def is_label(text: str) -> bool:
    """Tell whether words name an offer of a place ("Café", "Offener Treff").

    >>> is_label("Café Asyl"), is_label("Öffentliches Wohnzimmer"), is_label("Pause")
    (True, True, False)
    """
    words = text.split()
    return (
        0 < len(words) <= 4
        and any(_OFFER.search(word) for word in words)
        and not any(_NO_NAME.search(word) for word in words)
        and all(word[:1].isupper() or word.startswith("offen") for word in words)
    )


def parse_items(text: str) -> tuple[list[Item], str | None]:
    """Return the statements of a text and the offer that they are about, if it names one.

    Raises
    ------
    NotCertainError
        If any word is unknown or any part can be read in two ways.
    """
    return _Parser(text).parse()


class _Parser:
    """Reads a text once, from its first token to its last."""

    def __init__(self, text: str) -> None:
        self._tokens = [
            _Token(match.lastgroup or "other", match.group())
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "blank"
        ]
        self._at = 0

    def parse(self) -> tuple[list[Item], str | None]:
        label = self._label()
        self._skip("open", "colon")
        if self._peek() in _TIME_KINDS and label is None:
            return [self._times_first()], None
        items: list[Item] = []
        while self._skip("and", "semi", "noise", "open") or self._peek():
            if not self._peek():
                break
            if self._peek() == "except" and items:
                items.append(self._exception())
            else:
                items.append(self._item())
                items.extend(self._parenthesis())
        if not items:
            raise NotCertainError("no_times")
        if self._tokens[-1].kind == "and" and self._tokens[-1].text not in ",|":
            raise NotCertainError("not_understood")  # "Mo 9-12 und" goes on elsewhere
        return items, label

    # -- tokens ---------------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> str:
        """Return the kind of a coming token, or nothing at the end."""
        at = self._at + ahead
        return self._tokens[at].kind if at < len(self._tokens) else ""

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1].text

    def _skip(self, *kinds: str) -> set[str]:
        skipped: set[str] = set()
        while self._peek() in kinds:
            skipped.add(self._peek())
            self._take()
        return skipped

    def _expect(self, kind: str) -> str:
        if self._peek() != kind:
            raise self._unclear()
        return self._take()

    def _unclear(self) -> NotCertainError:
        """Return why the coming token does not fit."""
        if self._peek() == "word":
            offer = self._at > 0 and _OFFER.search(self._tokens[self._at].text)
            return NotCertainError("several_offers" if offer else "not_understood")
        if not self._peek() or self._peek() in {"semi", "and", "right", "open"}:
            return NotCertainError("no_times")
        return NotCertainError("irregular" if self._peek() == "month" else "not_understood")

    # -- statements -----------------------------------------------------------------------

    def _label(self) -> str | None:
        words: list[str] = []
        while self._peek() == "word":
            words.append(self._take())
        if not words:
            return None
        label = " ".join(words)
        if not is_label(label):
            raise NotCertainError("not_understood")
        self._skip("colon", "dash")
        return label

    def _times_first(self) -> Item:
        """Read "10-12 Uhr Mo-Fr", and nothing more: else the days could belong to other times."""
        spans = self._times()
        self._skip("and", "noise")
        bracket = self._skip("left")
        if self._peek() not in _DAY_KINDS:
            raise NotCertainError("not_understood" if self._peek() else "no_days")
        days = self._days()
        months = self._skip("month")
        if bracket:
            self._expect("right")
        if self._peek():
            raise NotCertainError("not_understood")
        return self._hours(days, spans, month="month" in months)

    def _item(self) -> Item:
        if self._peek() == "closed":
            return self._close(self._closed_first())
        if self._peek() in _TIME_KINDS | {"until"}:
            raise NotCertainError("no_days")
        seen = self._skip("month", "noise") if self._peek() == "month" else set()
        if self._peek() not in _DAY_KINDS:
            raise NotCertainError("irregular") if seen else self._unclear()
        days = self._days()
        seen |= self._skip("month", "noise", "colon", "open")
        if self._peek() == "except":
            days = _without(days, self._excepted())
            seen |= self._skip("noise", "colon")
        if self._peek() == "closed":
            self._take()
            return self._close(days)
        if self._peek() == "until" and self._peek(1) == "time":
            self._take()
            self._check_ordinal(days, month="month" in seen)
            end = self._time(self._take())[0]
            return Item("until", days.cells, ((0, end),), days.holidays, days.workdays)
        spans = self._bracketed_times() if self._peek() == "left" else self._times_of_day()
        seen |= self._skip("month", "open", "noise")
        return self._hours(days, spans, month="month" in seen)

    def _closed_first(self) -> _Days:
        """Read "geschlossen: Mo", but not the end of "Mo 10-12 geschlossen Di"."""
        if self._at and self._tokens[self._at - 1].kind not in {"and", "semi", "left"}:
            raise NotCertainError("not_understood")
        self._take()
        self._skip("colon", "noise")
        days = self._days()
        self._check_end()
        return days

    def _hours(self, days: _Days, spans: tuple[Span, ...], *, month: bool) -> Item:
        self._check_ordinal(days, month=month)
        return Item("hours", days.cells, spans, days.holidays, days.workdays)

    def _check_ordinal(self, days: _Days, *, month: bool) -> None:
        if month and all(nth == EVERY for _, nth in days.cells):
            raise NotCertainError("irregular")
        if days.every_nth and not month:
            raise NotCertainError("irregular")

    def _close(self, days: _Days) -> Item:
        return Item("closed", days.cells, (), days.holidays)

    def _parenthesis(self) -> list[Item]:
        """Read "(außer 3. Di)", "(Mi geschlossen)", "(wöchentlich)"."""
        items: list[Item] = []
        while self._peek() == "left":
            self._take()
            noise = self._skip("noise", "and")
            if self._peek() == "except":
                items.append(self._exception())
            elif self._peek() in _DAY_KINDS | {"closed"}:
                item = self._item()
                if item.kind != "closed":
                    raise NotCertainError("not_understood")
                items.append(replace(item, kind="except"))
            elif not noise:
                raise self._unclear()
            self._expect("right")
        return items

    def _exception(self) -> Item:
        days = self._excepted()
        self._check_end()
        return Item("except", days.cells, (), days.holidays)

    def _check_end(self) -> None:
        """Let nothing follow that could be hours of days without: "außer Mi Do 10-12"."""
        if self._peek() not in {"", "and", "semi", "right"}:
            raise NotCertainError("not_understood")

    def _excepted(self) -> _Days:
        self._expect("except")
        self._skip("noise")
        if self._peek() not in _DAY_KINDS:
            raise self._unclear()
        days = self._days()
        self._check_ordinal(days, month=bool(self._skip("month")))
        return days

    # -- days -----------------------------------------------------------------------------

    def _days(self) -> _Days:
        cells: set[tuple[int, int]] = set()
        holidays = False
        workdays: Workdays = ""
        every_nth = False
        while True:
            self._skip("noise")
            kind = self._peek()
            if kind == "holiday":
                self._take()
                holidays = True
            elif kind in _PLAIN:
                self._take()
                workdays = _WORKDAYS.get(kind, workdays)
                cells |= {(weekday, EVERY) for weekday in _PLAIN[kind]}
            else:
                each = bool(self._skip("each"))
                ordinals = self._ordinals()
                if ordinals == [EVERY] and not each and any(nth != EVERY for _, nth in cells):
                    raise NotCertainError("not_understood")  # "1. Mo und Mi": the first Mi?
                cells |= {(day, nth) for day in self._weekdays(ordinals) for nth in ordinals}
                every_nth |= each and len(ordinals) == 1 and ordinals[0] > 1
            if not self._another_day():
                break
        return _Days(frozenset(cells), holidays, workdays, every_nth)

    def _another_day(self) -> bool:
        """Step over "," or "und" where another day follows it."""
        ahead = 0
        while self._peek(ahead) == "and":
            ahead += 1
        after = ahead
        while self._peek(after) == "noise":
            after += 1
        if not ahead or self._peek(after) not in _DAY_KINDS:
            return False
        self._at += ahead
        return True

    def _ordinals(self) -> list[int]:
        """Read "1. und 3." or "1.-3."; without any, `EVERY`."""
        if self._peek() != "ordinal":
            return [EVERY]
        ordinals = [_ordinal(self._take())]
        while True:
            if self._peek() == "and" and self._peek(1) == "ordinal":
                self._take()
                ordinals.append(_ordinal(self._take()))
            elif self._peek() in {"dash", "until"} and self._peek(1) == "ordinal":
                self._take()
                last = _ordinal(self._take())
                if not 0 < ordinals[-1] < last:
                    raise NotCertainError("contradiction")
                ordinals.extend(range(ordinals[-1] + 1, last + 1))
            else:
                return ordinals

    def _weekdays(self, ordinals: list[int]) -> list[int]:
        """Read one weekday or "Mo-Fr"."""
        first = _weekday(self._expect("day"))
        if self._peek() in {"dash", "until"} and self._peek(1) == "day":
            self._take()
            last = _weekday(self._take())
            if ordinals != [EVERY] or first == last:
                raise NotCertainError("contradiction")
            return [(first + step) % 7 for step in range((last - first) % 7 + 1)]
        return [first]

    # -- times ----------------------------------------------------------------------------

    def _bracketed_times(self) -> tuple[Span, ...]:
        if self._peek(1) not in _TIME_KINDS:
            raise NotCertainError("not_understood" if self._peek(1) == "word" else "no_times")
        self._take()
        spans = self._times()
        self._expect("right")
        return spans

    def _times_of_day(self) -> tuple[Span, ...]:
        if self._peek() == "and" and self._peek(1) in _TIME_KINDS:
            self._take()
        return self._times()

    def _times(self) -> tuple[Span, ...]:
        spans = [self._span()]
        while self._peek() in {"and", "semi"}:
            ahead = 1
            while self._peek(ahead) == "and":
                ahead += 1
            if self._peek(ahead) not in _TIME_KINDS | {"part"} or self._peek() == "semi":
                break
            self._at += ahead
            spans.append(self._span())
        return tuple(spans)

    def _span(self) -> Span:
        part = self._take().casefold() if self._peek() == "part" else ""
        since = "since" in self._skip("of", "since")
        if self._peek() != "time":
            raise self._unclear()
        begin = self._take()
        start, vague = self._time(begin)
        if vague or (part and (part in {"nachmittags", "abends"}) != (start >= DAY_MINUTES // 2)):
            raise NotCertainError("ambiguous_time")
        if self._peek() in {"dash", "until"} and self._peek(1) == "time":
            self._take()
            finish = self._take()
            end = _end(start, self._time(finish)[0])
            if _may_be_evening(begin, start, end):
                raise NotCertainError("ambiguous_time")
            return start, end
        # A bare "Mo 10" may be cut off, and "10.12" may be a date; "Mi 15:00" is a start.
        if not since and ":" not in begin and not begin.rstrip(".")[-1].isalpha():
            raise NotCertainError("not_understood")
        if start >= DAY_MINUTES:
            raise NotCertainError("contradiction")
        return start, None

    @staticmethod
    def _time(text: str) -> tuple[int, bool]:
        """Return minutes after midnight, and whether "3" may as well mean 15:00."""
        numbers = re.findall(r"\d+", text)
        minute = int(numbers[0]) * 60 + (int(numbers[1]) if len(numbers) > 1 else 0)
        if minute > DAY_MINUTES or (len(numbers) > 1 and int(numbers[1]) > 59):
            raise NotCertainError("not_understood")
        return minute, len(numbers[0]) == 1 and minute < 6 * 60 and numbers[0] != "0"


def _may_be_evening(begin: str, start: int, end: int) -> bool:
    """Tell whether hours may as well be those of an evening: "7-9", but not "07-09" or "7:00"."""
    return len(re.findall(r"\d", begin)) == 1 and start < 8 * 60 and end <= 10 * 60


def _end(start: int, end: int) -> int:
    """Return the end after its start; past midnight only where an evening begins late."""
    if end > start:
        return end
    if start >= 17 * 60 and end <= 6 * 60 and start < DAY_MINUTES:
        return end + DAY_MINUTES
    raise NotCertainError("contradiction")


def _ordinal(text: str) -> int:
    if text[0].isdigit():
        number = int(text[:-1])
        if not 1 <= number <= 5:
            raise NotCertainError("not_understood")
        return number
    word = text.casefold()
    return next(number for stem, number in _ORDINALS.items() if word.startswith(stem))


def _weekday(text: str) -> int:
    word = text.casefold()
    return 5 if word.startswith("sonnabend") else _WEEKDAYS[word[:2]]


def _without(days: _Days, excepted: _Days) -> _Days:
    """Take days out of days: "täglich außer Mo 10-18"."""
    if any(nth != EVERY for _, nth in days.cells | excepted.cells) or excepted.workdays:
        raise NotCertainError("not_understood")
    if excepted.holidays or not excepted.cells <= days.cells or days.workdays:
        raise NotCertainError("not_understood")
    return _Days(days.cells - excepted.cells, days.holidays, days.workdays, days.every_nth)
