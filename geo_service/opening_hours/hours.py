"""Read a text of opening hours: notes on its source first, then refusals, then the grammar."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias, cast, get_args

from opening_hours import validate

from geo_service.opening_hours.grammar import parse_items
from geo_service.opening_hours.week import NotCertainError, write_rule

__all__ = ["MAX_CHARACTERS", "REASONS", "Hours", "Reason", "parse_hours"]

Reason: TypeAlias = Literal[
    "empty",
    "too_long",
    "no_times",
    "no_days",
    "irregular",
    "season",
    "school_holidays",
    "dates",
    "planned",
    "approximate",
    "by_appointment",
    "by_phone",
    "for_some",
    "several_offers",
    "ambiguous_time",
    "contradiction",
    "not_understood",
]
"""Why a text was kept as text; docs/opening-hours.md explains each."""

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

MAX_CHARACTERS: Final = 400
"""A longer text is a description, not opening hours."""


@dataclass(frozen=True, slots=True)
class Hours:
    """What a text of opening hours says. Either `rule` or `reason` is set, never both."""

    text: str
    """The text as it came."""
    rule: str | None = None
    """OSM `opening_hours` syntax, in the words and times of the text alone."""
    offer: str | None = None
    """What the hours are of, where the text names it: "Café", "Sprechzeiten"."""
    note: str | None = None
    """What a reader should see beside the hours: "nach Vereinbarung", "Angabe um 2016"."""
    as_of: str | None = None
    """When the source said so: ``JJJJ``, ``JJJJ-MM`` or ``JJJJ-MM-TT``; the oldest if several."""
    reason: Reason | None = None

    @property
    def remark(self) -> str | None:
        """What stands beside the hours in the text's own words: offer and note."""
        return "; ".join(filter(None, (self.offer, self.note))) or None

    @property
    def dated_in_note(self) -> bool:
        """Whether the note tells the date already: "Angabe um 2016"."""
        return bool(self.as_of and self.note and self.as_of[:4] in self.note)

    @property
    def closed_else(self) -> bool:
        """Whether the place is closed outside these hours; where they are an offer's, who knows."""
        return self.rule is not None and not self.rule.endswith(_ELSE_UNKNOWN)


_ELSE_UNKNOWN: Final = " || unknown"
_DASHES: Final = re.compile("[‐‑‒–—―−]")
_BLANKS: Final = re.compile(r"[^\S\n]+")
_BREAKS: Final = re.compile(r" ?\n[\n ]*")
_MONTHS: Final = (
    "januar", "februar", "märz", "april", "mai", "juni",
    "juli", "august", "september", "oktober", "november", "dezember",
)  # fmt: skip
_MONTH_NAMES: Final = "|".join(_MONTHS)

_AS_OF: Final = re.compile(
    rf"""(?P<lead>angaben?|stand|auskunft)\s*:?\s*(?:von|vom|aus|im)?\s*
    (?P<about>um|ca\.?|etwa)?\s*
    (?: (?P<iso>(?:19|20)\d\d-\d\d(?:-\d\d)?)
      | (?:(?P<day>\d{{1,2}})\.\s?)?(?P<month>\d{{1,2}})[./]\s?(?P<of>(?:19|20)\d\d)
      | (?P<name>{_MONTH_NAMES})\s+(?P<in>(?:19|20)\d\d)
      | (?P<year>(?:19|20)\d\d) )(?![\w-])""",
    re.VERBOSE | re.IGNORECASE,
)
_VAGUE_SOURCE: Final = re.compile(r"(?:alte\s+angabe|angabe\s+(?:älter|alt|bei\s+\w+))", re.I)
_BRACKETS: Final = re.compile(r"\(([^()]*)\)")
_AT_END: Final = re.compile(r"(?:[\s,;–-]|(?<!\.)\.(?!\.))*$")
"""What may stand at the end, but no "...": there the text goes on elsewhere."""
_OR_BY_APPOINTMENT: Final = re.compile(
    r"\s*[,;]?\s*\(?\s*(?:und|u\.|oder|sowie)\s+"
    r"(nach\s+(?:telefonischer\s+|vorheriger\s+|persönlicher\s+)?"
    r"(?:vereinbarung|absprache|terminvereinbarung|anmeldung))\s*\)?\s*$",
    re.IGNORECASE,
)
_ALWAYS: Final = re.compile(
    r"(?:täglich\s+)?(?:24\s*/\s*7|rund um die uhr|24 stunden(?: täglich)?)(?: geöffnet)?",
    re.IGNORECASE,
)

_REFUSALS: Final[tuple[tuple[Reason, re.Pattern[str]], ...]] = tuple(
    (cast("Reason", reason), re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("by_appointment", r"vereinbar|absprache|\btermin|anmeld|anfrage|verabredung|\bn\.\s?[vV]"),
        ("by_phone", r"telefon|\btel\b|hotline|anruf|whatsapp|mail\b|online|digital|virtuell"
                     r"|video|\bzoom\b|\bchat|skype"),
        ("planned", r"geplant|plan\b|voraussichtlich|demnächst|künftig|zukünftig|ab sofort"),
        ("school_holidays", r"ferien|schultag|schulzeit"),
        ("season", rf"sommer|winter|frühling|frühjahr|herbst|saison|halbjahr|advent|ramadan"
                   rf"|\b(?:{_MONTH_NAMES})\b(?!\s*\d{{4}})"),
        ("irregular", r"\b(?:14|vierzehn)[\s-]*t[äa]g|\balle\s+(?:\d|zwei|drei|vier)|mal\b|\d\s?x\b"
                      r"|monatliche|regelmäßig|(?:pro|in der|die|jede\s+\w+|jeder\s+\w+)\s+woche\b"
                      r"|pro\s+monat|wechsel|gerade|\bkw\b|kalenderwoche|gelegentlich|sporadisch"
                      r"|bedarf|\bstd\b|stunden\b(?<!sprechstunden)|\btagen?\s+(?:pro|in)"
                      r"|jede\s+(?:zweite|andere|\d)"),
        ("approximate", r"\b(?:ca|circa|etwa|ungefähr|gegen|meist|meistens|normalerweise|teils)\b"
                        r"|in der regel|i\.\s?d\.\s?r|teilweise|eventuell|\bevtl|wetter|\bje nach"),
        ("for_some", r"\b(?:geflüchtete|familien|mitglieder|anfänger|fortgeschrittene)\b"
                     r"|\b(?:frauen|männer|mädchen|jungen|kinder|jugend|senior|mutter|mütter|vater"
                     r"|väter|eltern)"),
        ("dates", r"\b\d{1,2}\.\s?\d{1,2}\.(?!\d*\s*(?:uhr|h)\b)|\b(?:19|20)\d\d\b(?!\s*uhr)"),
    )
)  # fmt: skip
_NO_TIMES: Final = re.compile(r"vormittag|nachmittag|mittag|abend|morgen|früh|nacht", re.IGNORECASE)


def parse_hours(text: str) -> Hours:
    """Return the opening hours that a German text states with certainty.

    A text that can be read in two ways, or has a word that is not known, is kept as text with
    a reason: such a place is neither open nor closed, its hours are unknown. Never raises.

    >>> parse_hours("jeden 2. und 4. Montag 16:30-18:30 (Angabe 2020)").rule
    'Mo[2,4] 16:30-18:30'
    >>> parse_hours("alle 14 Tage Mi nachmittags").reason
    'irregular'
    """
    if not text.strip():
        return Hours(text, reason="empty")
    if len(text) > MAX_CHARACTERS:
        return Hours(text, reason="too_long")
    return _parse(text)


@lru_cache(maxsize=8192)
def _parse(text: str) -> Hours:
    """Return what `parse_hours` does, for a text of bounded length."""
    clean = _single_blanks(_DASHES.sub("-", unicodedata.normalize("NFKC", text)))
    clean, as_of, notes = _take_source_notes(clean)
    clean, appointment = _take_appointment(clean)
    if appointment:
        notes.append(appointment)
    note = "; ".join(notes) or None
    try:
        rule, offer = _read(clean, appointment=bool(appointment))
    except NotCertainError as problem:
        return Hours(text, note=note, as_of=as_of, reason=cast("Reason", problem.args[0]))
    return Hours(text, rule=rule, offer=offer, note=note, as_of=as_of)


def _single_blanks(text: str) -> str:
    """Make one blank of several: the patterns take time that grows with runs of them."""
    return _BREAKS.sub("\n", _BLANKS.sub(" ", text))


def _read(clean: str, *, appointment: bool) -> tuple[str, str | None]:
    """Return rule and offer of a text without notes."""
    if _ALWAYS.fullmatch(clean):
        return "24/7", None
    if not clean:
        raise NotCertainError("by_appointment" if appointment else "no_times")
    for reason, pattern in _REFUSALS:
        if pattern.search(clean):
            raise NotCertainError(reason)
    try:
        items, offer = parse_items(clean)
    except NotCertainError as problem:
        if problem.args[0] == "not_understood" and _NO_TIMES.search(clean):
            raise NotCertainError("no_times") from None
        raise
    rule = write_rule(items)
    if offer or appointment:
        rule += _ELSE_UNKNOWN
    if not validate(rule):
        raise NotCertainError("not_understood")
    return rule, offer


def _take_source_notes(clean: str) -> tuple[str, str | None, list[str]]:
    """Return the text without "(Angabe 2020)", its date, and notes that say more than a date."""
    dates: list[str] = []
    notes: list[str] = []

    def is_note(piece: str) -> bool:
        match = _AS_OF.fullmatch(piece)
        date = _date_of(match) if match else None
        if match and date:
            dates.append(date)
            if match["about"]:
                notes.append(piece)
            return True
        if _VAGUE_SOURCE.fullmatch(piece):
            notes.append(piece)
            return True
        return False

    def in_brackets(match: re.Match[str]) -> str:
        pieces = [piece.strip() for piece in re.split("[,;]", match[1])]
        kept = [piece for piece in pieces if not is_note(piece)]
        if len(kept) == len(pieces):
            return match[0]
        return f"({', '.join(kept)})" if any(kept) else " "

    clean = _single_blanks(_BRACKETS.sub(in_brackets, clean))
    for match in _AS_OF.finditer(clean):
        if not clean[match.end() :].strip(" .") and is_note(match[0]):
            clean = clean[: match.start()]
            break
    clean = _AT_END.sub("", clean.strip())
    return clean, min(dates, default=None), notes


def _date_of(match: re.Match[str]) -> str | None:
    """Return the ISO form of a date, or nothing if the calendar has no such day."""
    if match["year"]:
        return match["year"]
    if match["iso"]:
        parts = match["iso"].split("-")
    elif match["name"]:
        parts = [match["in"], f"{_MONTHS.index(match['name'].casefold()) + 1:02d}"]
    else:
        parts = [match["of"], f"{int(match['month']):02d}"]
        parts += [f"{int(match['day']):02d}"] if match["day"] else []
    date = "-".join(parts)
    try:
        dt.date.fromisoformat(date if len(parts) == 3 else f"{date}-01")
    except ValueError:
        return None
    return date


def _take_appointment(clean: str) -> tuple[str, str | None]:
    """Return the text without a final "und nach Vereinbarung", and that note."""
    match = _OR_BY_APPOINTMENT.search(clean)
    if not match:
        return clean, None
    return clean[: match.start()].strip(), match[1]
