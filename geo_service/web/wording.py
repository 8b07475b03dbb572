"""Numbers, distances, dates and names of things in the language of the page.

German comes from `geo_service.formats`; the other languages follow CLDR, digits included.
Times of day are written with 24 hours everywhere, because the signs on the doors are.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from babel import Locale
from babel.dates import format_date, format_skeleton, get_day_names
from babel.numbers import format_decimal

from geo_service.formats import german_date, german_number, german_percent
from geo_service.web.languages import SOURCE, language, translated, translated_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geo_service.web.languages import Language

__all__ = [
    "FILTERS",
    "N_",
    "clock",
    "date",
    "digits",
    "distance",
    "gettext",
    "label",
    "language_name",
    "listed",
    "ngettext",
    "number",
    "parted",
    "percent",
    "weekday",
]

_WESTERN: Final = "0123456789"


def N_(text: str) -> str:  # noqa: N802 - the name that gettext's tools know
    """Mark a text of the catalogue that is translated where it is shown."""
    return text


def gettext(text: str, **values: object) -> str:
    """Return `text` in the page's language, with `values` for its ``%(name)s``."""
    said = translated(text)
    return said % values if values else said


def ngettext(one: str, many: str, count: int, **values: object) -> str:
    """Return the form of a text that `count` takes; ``%(count)s`` is the count as written."""
    written = {"count": number(count)} | values
    return translated_count(one, many, count) % written


VOCABULARY: Final = (
    N_("Begegnung"),
    N_("Haus"),
    N_("Initiative"),
    N_("Beratung"),
    N_("Sprache"),
    N_("Praktische Hilfe"),
    N_("Begegnungsort"),
    N_("Begegnungscafé"),
    N_("Interkulturelles Zentrum"),
    N_("Mehrgenerationenhaus"),
    N_("Haus der Familie"),
    N_("Bürgerhaus/Nachbarschaftshaus"),
    N_("Initiative/Helferkreis"),
    N_("Freiwilligenagentur"),
    N_("Sonstiges"),
    N_("Migrationsberatung"),
    N_("Jugendmigrationsdienst"),
    N_("Koordinierungsstelle"),
    N_("Sprachcafé/Sprachkurs"),
    N_("Kleiderkammer/Möbelbörse"),
    N_("Fahrradwerkstatt"),
    N_("Begegnungsorte"),
    N_("Hauptamt und Ehrenamt"),
    N_("Migrant*innen im Ehrenamt"),
    N_("Unterstützung für das Ehrenamt"),
)
"""The groups, categories and themes: values of ours, translated where they are shown."""

_SEVERAL: Final = frozenset({N_("mehrere Sprachen"), N_("mehrsprachig")})
_ALSO_CALLED: Final = {"Farsi": "Persisch", "Paschto": "Paschtu", "Kurmandschi": "Kurdisch"}
"""Names of languages that offers use, by the one that CLDR has."""

_LABELS: Final = frozenset(VOCABULARY)


def number(value: float | None, decimals: int = 0, *, missing: str = "") -> str:
    """Return `value` as the page's language writes it, rounded half away from zero."""
    if type(value) is int and not decimals:
        return _whole(value, language())
    if language() is SOURCE:
        return german_number(value, decimals, missing=missing)
    if value is None or value != value:
        return missing
    return digits(_number(_rounded(value, decimals), decimals, language().locale))


def percent(share: float | None, decimals: int = 1, *, missing: str = "") -> str:
    """Return a share of 0 to 1 in per cent."""
    if language() is SOURCE:
        return german_percent(share, decimals, missing=missing)
    if share is None or share != share:
        return missing
    figure = number(float(Decimal(str(float(share))) * 100), decimals)
    pattern = _locale().percent_formats[None].pattern
    sign = _locale().number_symbols[_digits_of(language().locale)]["percentSign"]
    return re.sub(r"[#0,.]+", figure, pattern, count=1).replace("%", sign)


def distance(length_m: float | None, *, missing: str = "") -> str:
    """Return a length in metres in tenths of a kilometre: points are known to about 100 m."""
    if length_m is None or length_m != length_m:
        return missing
    tenths = math.floor(length_m / 100 + 0.5)
    if tenths >= 1000:
        tenths = 10 * math.floor(length_m / 1000 + 0.5)
    return _tenths_of_km(tenths, language())


@lru_cache(maxsize=4096)
def _tenths_of_km(tenths: int, _language: Language) -> str:
    """Write a distance that is rounded already, of which pages have sixty."""
    if tenths < 1:
        return gettext("unter %(length)s km", length=number(0.1, 1))
    return gettext("%(length)s km", length=number(tenths / 10, 0 if tenths >= 1000 else 1))


def date(day: dt.date | str | None, *, missing: str = "") -> str:
    """Return a date, or a text ``JJJJ``, ``JJJJ-MM`` or ``JJJJ-MM-TT``.

    Raises
    ------
    ValueError
        If the text is no such date.
    """
    if language() is SOURCE:
        return german_date(day, missing=missing)
    if day is None or day != day:
        return missing
    if isinstance(day, str) and re.fullmatch(r"\d{4}", day):
        return digits(day)
    if isinstance(day, str) and re.fullmatch(r"\d{4}-\d{2}", day):
        month = dt.date.fromisoformat(f"{day}-01")
        return digits(format_skeleton("yMMMM", month, locale=_locale()))
    known = day if isinstance(day, dt.date) else dt.date.fromisoformat(day)
    return digits(format_date(known, "long", locale=_locale()))


def clock(time: dt.time | str) -> str:
    """Return a time of day, given as such or as ``HH:MM``, with 24 hours."""
    return digits(time if isinstance(time, str) else f"{time:%H:%M}")


def weekday(day: int, *, width: str = "wide") -> str:
    """Return the name of a weekday, 0 for Monday; `width` is wide, abbreviated or short."""
    names = get_day_names(width, context="stand-alone", locale=_locale())  # type: ignore[arg-type]
    return str(names[day])


def digits(text: str) -> str:
    """Return `text` with the digits that the page's language writes."""
    own = _own_digits(language().locale)
    return text if own == _WESTERN else text.translate(str.maketrans(_WESTERN, own))


def label(value: str | None) -> str:
    """Return the name of a category, theme or group; any other text as it is."""
    if value is None:
        return ""
    return gettext(value) if value in _LABELS else value


def language_name(name: str) -> str:
    """Return a language, given by its German name, as the page's language calls it.

    A remark in brackets stays; so does a name that CLDR does not know.

    >>> language_name("Arabisch (einzelne Tage)")
    'Arabisch (einzelne Tage)'
    """
    if language() is SOURCE:
        return name
    plain, bracket, remark = name.partition(" (")
    if plain in _SEVERAL:
        return gettext(plain)
    known = _language_names(language().locale)
    return known.get(_ALSO_CALLED.get(plain, plain).casefold(), plain) + bracket + remark


def listed(items: Iterable[str]) -> str:
    """Return `items` as one list: with the comma that the page's language has."""
    return (", " if language().direction == "ltr" else "، ").join(items)


def parted(items: Iterable[str]) -> str:
    """Return `items`, which may hold commas, with the semicolon that the page's language has."""
    return ("; " if language().direction == "ltr" else "؛ ").join(items)


def _locale() -> Locale:
    return Locale.parse(language().locale)


def _rounded(value: float, decimals: int) -> Decimal:
    step = Decimal(1).scaleb(-decimals)
    return Decimal(str(float(value))).quantize(step, rounding=ROUND_HALF_UP) + 0


@lru_cache(maxsize=4096)
def _number(rounded: Decimal, decimals: int, locale: str) -> str:
    """Write a number that is rounded already: what is kept tells no exact distance."""
    pattern = "#,##0" + (f".{'0' * decimals}" if decimals else "")
    return format_decimal(rounded, pattern, locale, numbering_system="default")


@lru_cache(maxsize=4096)
def _whole(value: int, language: Language) -> str:
    """Return a count, of which pages have a hundred."""
    if language is SOURCE:
        return german_number(value)
    return digits(_number(Decimal(value), 0, language.locale))


def _digits_of(locale: str) -> str:
    return Locale.parse(locale).default_numbering_system


@lru_cache
def _own_digits(locale: str) -> str:
    zero = {"arabext": "۰", "arab": "٠"}.get(_digits_of(locale), "0")
    return "".join(chr(ord(zero) + step) for step in range(10))


@lru_cache
def _language_names(locale: str) -> dict[str, str]:
    german, own = Locale.parse(SOURCE.locale).languages, Locale.parse(locale).languages
    return {str(name).casefold(): str(own[code]) for code, name in german.items() if code in own}


FILTERS: Final = {
    "number": number,
    "percent": percent,
    "distance": distance,
    "date": date,
    "german_date": german_date,
    "clock": clock,
    "weekday": weekday,
    "digits": digits,
    "label": label,
    "language_name": language_name,
    "listed": listed,
}
"""The filters that templates know."""
