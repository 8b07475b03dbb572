"""Query strings to typed values; what cannot be read is a QueryError that says why.

docs/urls.md describes the addresses for those who link to them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from geo_service.errors import NotFoundError, QueryError
from geo_service.names import latin_digits
from geo_service.schema import CATEGORIES, CATEGORY_GROUPS, THEMES
from geo_service.web.filters import (
    DEFAULT_RADIUS_KM,
    FACETS,
    MAY_BE_SILENT,
    RADII_KM,
    TIMES,
    WHEELCHAIR,
    Filter,
    offer_key,
)
from geo_service.web.search import MAX_CHARS, round_point
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from werkzeug.datastructures import MultiDict

__all__ = [
    "MAX_PLACE_TEXT",
    "MAX_TEXT",
    "AddressError",
    "check_encoding",
    "is_utf8",
    "query_pairs",
    "query_string",
    "radius_addresses",
    "read_filter",
    "read_page",
    "read_text",
]

MAX_TEXT: Final = 100
"""Most characters of a word to search, or of a text of records."""
MAX_PLACE_TEXT: Final = MAX_CHARS
"""Most characters of a place."""
MAX_CHOICES: Final = 20
"""Most values of one kind at once."""

_MOST_NAMED: Final = 40
"""Most possible values that a refusal names, and most characters of the one that came."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PAGE: Final = re.compile(r"[1-9][0-9]{0,4}")
_DEGREES: Final = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,15})?", re.ASCII)
_KINDS: Final = (*CATEGORY_GROUPS, *CATEGORIES)


class AddressError(QueryError):
    """A parameter of an address cannot be read; the same address without it may be.

    The text says what was expected; `parameter` is its name.
    """

    def __init__(self, parameter: str, text: str) -> None:
        super().__init__(text)
        self.parameter = parameter


def check_encoding(query: bytes) -> None:
    """Refuse a query string that is not UTF-8.

    Raises
    ------
    QueryError
        If it is not.
    """
    if not is_utf8(query):
        raise QueryError(_unreadable())


def is_utf8(query: bytes) -> bool:
    """Tell whether a query string is UTF-8.

    >>> is_utf8(b"q=N%C3%A4hen"), is_utf8(b"q=N%E4hen")
    (True, False)
    """
    if b"%" not in query and query.isascii():
        return True
    try:
        unquote_to_bytes(query).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def read_filter(
    args: MultiDict[str, str],
    *,
    areas: Collection[str],
    said: Mapping[str, Mapping[str, str]],
    several_areas: bool = False,
) -> Filter:
    """Read a choice of places; empty counts as not given.

    Digits of every script become 0 to 9. A value that its parameter does not have is refused,
    whether the list of values is fixed or what records say: never left out in silence, which
    would show places that were not asked for.

    Parameters
    ----------
    args
        The parameters of the request.
    areas
        The keys of all municipalities, Verbandsgemeinden and Kreise.
    said
        What records say of ``sprache`` and ``angebot``: key -> text.
    several_areas
        Whether there may be more than one area: in what embeds lock.

    Raises
    ------
    AddressError
        If one is given too often, is too long, or names what cannot exist.
    """
    chosen_areas = _listed(args, "gebiet", areas)
    return Filter(
        text=read_text(args, "q"),
        where=read_text(args, "ort", most=MAX_PLACE_TEXT),
        near=_read_near(args),
        radius_km=_read_radius(args),
        times=_single("zeit", _listed(args, "zeit", TIMES)),
        kinds=_listed(args, "art", _KINDS),
        themes=_listed(args, "thema", THEMES),
        languages=_said(args, "sprache", said["sprache"]),
        wheelchair=_listed(args, "rollstuhl", WHEELCHAIR),
        offers=_said(args, "angebot", said["angebot"]),
        areas=chosen_areas if several_areas else _single("gebiet", chosen_areas),
        unknown=_listed(args, "unbekannt", MAY_BE_SILENT),
    )


def read_text(args: MultiDict[str, str], name: str, *, most: int = MAX_TEXT) -> str:
    """Read a text that somebody typed; the digits of every script become 0 to 9.

    Raises
    ------
    AddressError
        If it is given twice, is too long or holds control characters.
    """
    text = _one(args, name)
    return _checked(name, text, most).strip() if text else ""


def read_page(args: MultiDict[str, str], *, pages: int) -> int:
    """Read ``seite``, counted from 1; 1 where it is not given.

    Raises
    ------
    AddressError
        If it is not a page number.
    NotFoundError
        If the list has fewer pages.
    """
    text = _one(args, "seite") or "1"
    if not _PAGE.fullmatch(text):
        raise AddressError("seite", gettext("Die Seitenzahl muss eine Zahl ab 1 sein."))
    page = int(text)
    if page > max(pages, 1):
        raise NotFoundError(gettext("Die Liste hat nur %(pages)s Seiten.", pages=max(pages, 1)))
    return page


def query_pairs(query: Filter, *, page: int = 1) -> list[tuple[str, str]]:
    """Return the parameters of a set of places, in a fixed order."""
    near = f"{query.near[0]:g},{query.near[1]:g}" if query.near else ""
    measured = bool(query.near or query.where) and query.radius_km != DEFAULT_RADIUS_KM
    pairs = [
        ("ort", query.where),
        ("nah", near),
        ("umkreis", str(query.radius_km) if measured else ""),
        ("q", query.text),
        *[
            (facet, value)
            for facet, field in FACETS.items()
            for value in sorted(getattr(query, field))
        ],
        *[("unbekannt", facet) for facet in MAY_BE_SILENT if facet in query.unknown],
        ("seite", str(page) if page > 1 else ""),
    ]
    return [(name, value) for name, value in pairs if value]


def query_string(query: Filter, *, page: int = 1) -> str:
    """Return the query string of a set of places: always the same text for the same set.

    >>> query_string(Filter(text="Café", kinds=("haus",)), page=2)
    '?q=Caf%C3%A9&art=haus&seite=2'
    >>> query_string(Filter(near=(8.27, 50.0), radius_km=5, times=("heute",)))
    '?nah=8.27,50&umkreis=5&zeit=heute'
    """
    pairs = query_pairs(query, page=page)
    said = "&".join([f"{name}={quote(value, safe=',')}" for name, value in pairs])
    return f"?{said}" if said else ""


def radius_addresses(point: str, choice: Filter) -> dict[int, str]:
    """Return the query string of a choice around a point, itself a query string, by radius.

    >>> radius_addresses("?ort=Mainz", Filter(kinds=("haus",)))[5]
    '?ort=Mainz&umkreis=5&art=haus'
    """
    rest = query_string(choice.anywhere).replace("?", "&", 1)
    return {
        radius: point + (f"&umkreis={radius}" if radius != DEFAULT_RADIUS_KM else "") + rest
        for radius in RADII_KM
    }


def _one(args: MultiDict[str, str], name: str) -> str:
    if name not in args:
        return ""
    values = args.getlist(name)
    if len(values) > 1:
        text = gettext("Die Angabe „%(name)s“ steht mehrfach in der Adresse.", name=name)
        raise AddressError(name, text)
    return latin_digits(values[0])


def _many(args: MultiDict[str, str], name: str) -> tuple[str, ...]:
    if name not in args:
        return ()
    values = tuple(dict.fromkeys(latin_digits(value) for value in args.getlist(name) if value))
    if len(values) > MAX_CHOICES:
        text = gettext("Die Angabe „%(name)s“ steht zu oft in der Adresse.", name=name)
        raise AddressError(name, text)
    return values


def _listed(args: MultiDict[str, str], name: str, known: Collection[str]) -> tuple[str, ...]:
    values = _many(args, name)
    for value in values:
        if value not in known:
            raise _unknown(name, value, known)
    return tuple(sorted(values))


def _said(args: MultiDict[str, str], name: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """Read texts that records say, in any spelling."""
    keys = {offer_key(_checked(name, value)): value for value in _many(args, name)}
    for key, value in keys.items():
        if not key or key not in known:
            raise _unknown(name, value, known.values())
    return tuple(sorted(keys))


def _unknown(name: str, value: str, known: Collection[str]) -> AddressError:
    values = sorted(known)
    more = [] if len(values) <= _MOST_NAMED else ["…"]
    return AddressError(
        name,
        gettext(
            "Die Angabe „%(name)s“ kennt „%(value)s“ nicht. Möglich sind: %(values)s.",
            name=name,
            value=value if len(value) <= _MOST_NAMED else f"{value[:_MOST_NAMED]}…",
            values=", ".join([*values[:_MOST_NAMED], *more]) or "–",
        ),
    )


def _single(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > 1:
        raise AddressError(name, gettext("Hier ist nur eine Angabe auf einmal möglich."))
    return values


def _checked(name: str, text: str, most: int = MAX_TEXT) -> str:
    if len(text) > most:
        said = gettext("Die Suche ist zu lang. Möglich sind %(most)s Zeichen.", most=most)
        raise AddressError(name, said)
    if _CONTROL.search(text):
        raise AddressError(name, _unreadable())
    return text


def _unreadable() -> str:
    return gettext("Die Adresse enthält Zeichen, die wir nicht lesen können.")


def _read_near(args: MultiDict[str, str]) -> tuple[float, float] | None:
    """Read ``lon,lat`` in degrees; rounded to about 100 m."""
    text = _one(args, "nah")
    if not text:
        return None
    parts = text.split(",")
    if len(parts) == 2 and all(map(_DEGREES.fullmatch, parts)):
        lon, lat = map(float, parts)
        if abs(lon) <= 180 and abs(lat) <= 85:
            return round_point(lon, lat)
    expected = gettext("Der Standort muss aus Länge und Breite bestehen, etwa 8.27,50.0.")
    raise AddressError("nah", expected)


def _read_radius(args: MultiDict[str, str]) -> int:
    text = _one(args, "umkreis")
    if not text:
        return DEFAULT_RADIUS_KM
    if text not in map(str, RADII_KM):
        radii = ", ".join(map(str, RADII_KM))
        expected = gettext("Als Umkreis sind möglich: %(radii)s Kilometer.", radii=radii)
        raise AddressError("umkreis", expected)
    return int(text)
