"""Query strings to typed values; what cannot be read is a QueryError that says why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes, urlencode

from geo_service.errors import NotFoundError, QueryError
from geo_service.schema import CATEGORIES, CATEGORY_GROUPS
from geo_service.web.places import Filter

if TYPE_CHECKING:
    from collections.abc import Collection

    from werkzeug.datastructures import MultiDict

__all__ = ["MAX_TEXT", "check_encoding", "query_string", "read_filter", "read_page"]

MAX_TEXT: Final = 100
"""Most characters of a search."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PAGE: Final = re.compile(r"[1-9][0-9]{0,4}")


def check_encoding(query: bytes) -> None:
    """Refuse a query string that is not UTF-8.

    Raises
    ------
    QueryError
        If it is not.
    """
    try:
        unquote_to_bytes(query.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise QueryError("Die Adresse enthält Zeichen, die wir nicht lesen können.") from None


def read_filter(args: MultiDict[str, str], *, kreise: Collection[str]) -> Filter:
    """Read ``q``, ``kreis`` and ``art``; empty counts as not given.

    Parameters
    ----------
    args
        The parameters of the request.
    kreise
        The keys of all Kreise.

    Raises
    ------
    QueryError
        If one is given twice, is too long, or names what does not exist.
    """
    text = _one(args, "q").strip()
    kreis = _one(args, "kreis") or None
    kind = _one(args, "art") or None
    if len(text) > MAX_TEXT:
        raise QueryError(f"Die Suche ist zu lang. Möglich sind {MAX_TEXT} Zeichen.")
    if _CONTROL.search(text):
        raise QueryError("Die Suche enthält Zeichen, die wir nicht lesen können.")
    if kreis is not None and kreis not in kreise:
        raise QueryError("Diesen Kreis kennen wir nicht. Bitte wählen Sie ihn aus der Liste.")
    if kind is not None and kind not in CATEGORY_GROUPS and kind not in CATEGORIES:
        raise QueryError("Diese Art von Ort kennen wir nicht. Bitte wählen Sie aus der Liste.")
    return Filter(text=text, kreis=kreis, kind=kind)


def read_page(args: MultiDict[str, str], *, pages: int) -> int:
    """Read ``seite``, counted from 1; 1 where it is not given.

    Raises
    ------
    QueryError
        If it is not a page number.
    NotFoundError
        If the list has fewer pages.
    """
    text = _one(args, "seite") or "1"
    if not _PAGE.fullmatch(text):
        raise QueryError("Die Seitenzahl muss eine Zahl ab 1 sein.")
    page = int(text)
    if page > max(pages, 1):
        raise NotFoundError(f"Die Liste hat nur {max(pages, 1)} Seiten.")
    return page


def query_string(query: Filter, *, page: int = 1) -> str:
    """Return the query string of a set of places: always the same text for the same set.

    >>> query_string(Filter(text="Café", kind="haus"), page=2)
    '?q=Caf%C3%A9&art=haus&seite=2'
    """
    parts = {
        "q": query.text,
        "kreis": query.kreis or "",
        "art": query.kind or "",
        "seite": str(page) if page > 1 else "",
    }
    given = {name: value for name, value in parts.items() if value}
    return f"?{urlencode(given, quote_via=quote)}" if given else ""


def _one(args: MultiDict[str, str], name: str) -> str:
    values = args.getlist(name)
    if len(values) > 1:
        raise QueryError(f"Die Angabe „{name}“ steht mehrfach in der Adresse.")
    return values[0] if values else ""
