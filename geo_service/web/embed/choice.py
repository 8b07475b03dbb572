"""The address of an embed: what is locked, what its reader chose, and how it looks.

``fest-gebiet``, ``fest-art`` and ``fest-thema`` are the partner's and hold whatever the
other parameters say: those only narrow what is locked. docs/embed.md describes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args
from urllib.parse import quote, urlencode

import numpy as np
from werkzeug.datastructures import MultiDict

from geo_service.errors import NotFoundError
from geo_service.names import fold
from geo_service.web import wording
from geo_service.web.embed.colour import DEFAULT, LEAST, is_colour, least_contrast
from geo_service.web.filters import Filter, Selection
from geo_service.web.queries import (
    AddressError,
    check_encoding,
    query_pairs,
    read_filter,
    read_page,
    read_text,
)
from geo_service.web.rendering import area_index
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from geo_service.web.site import View

    Pairs = list[tuple[str, str]]

__all__ = [
    "LOCK",
    "LOCKABLE",
    "PER_PAGE",
    "SHOWS",
    "Embed",
    "Show",
    "area_names",
    "read_embed",
    "select",
]

Show: TypeAlias = Literal["karte", "liste", "nur-karte"]
SHOWS: Final[tuple[Show, ...]] = get_args(Show)
"""Map and list, list alone, map alone (with the list folded away as its text)."""

LOCK: Final = "fest-"
LOCKABLE: Final = ("gebiet", "art", "thema")
_LOCKS: Final = tuple(LOCK + name for name in LOCKABLE)
_FREE: Final = (*LOCKABLE, "zeit", "sprache", "rollstuhl", "unbekannt")
"""What a reader may narrow; never a place or a word: what somebody types stays out of frames."""

PER_PAGE: Final = 12
"""Places on one page of the list: a frame is small."""


@dataclass(frozen=True, slots=True)
class Embed:
    """What a frame shows, in the words of its address."""

    show: Show = "karte"
    locked: Filter = field(default_factory=Filter)
    free: Filter = field(default_factory=Filter)
    accent: str = DEFAULT
    start: str = ""
    partner: str = ""
    page: int = 1

    @property
    def fixed_pairs(self) -> Pairs:
        """Return the parameters that no choice of the reader changes."""
        pairs = [(LOCK + name, value) for name, value in query_pairs(self.locked)]
        rest = {
            "farbe": self.accent if self.accent != DEFAULT else "",
            "start": self.start,
            "partner": self.partner,
        }
        return pairs + [(name, value) for name, value in rest.items() if value]

    @property
    def place_pairs(self) -> Pairs:
        """Return the parameters that say which places are shown."""
        locked = [(LOCK + name, value) for name, value in query_pairs(self.locked)]
        return locked + query_pairs(self.free)

    @property
    def query(self) -> str:
        """Return the query string: always the same text for the same frame."""
        return _written(self.fixed_pairs + query_pairs(self.free, page=self.page))

    @property
    def places_query(self) -> str:
        """Return the query string of the map's data."""
        return _written(self.place_pairs)

    @property
    def open_filter(self) -> Filter:
        """Return the choice for our own pages, which lock nothing.

        Where the reader chose something of a kind that is locked, that is the narrower one.
        Our pages have one area at a time: of several it is their Kreis, or all of the Land.
        """
        chosen = self.free
        for facet in LOCKABLE:
            if not chosen.of(facet):
                chosen = chosen.changed(facet, self.locked.of(facet))
        if len(chosen.areas) > 1:
            kreise = {key[:5] for key in chosen.areas}
            chosen = chosen.changed("gebiet", tuple(kreise) if len(kreise) == 1 else ())
        return chosen

    @property
    def areas(self) -> tuple[str, ...]:
        """Return the keys of the areas shown; none is the Land."""
        return self.free.areas or self.locked.areas

    def with_free(self, free: Filter) -> Embed:
        """Return the same frame with another choice of the reader, from its first page."""
        return replace(self, free=free, page=1)

    def at(self, page: int) -> Embed:
        """Return another page of its list."""
        return replace(self, page=page)


def _written(pairs: Pairs) -> str:
    return f"?{urlencode(pairs, quote_via=quote, safe=',')}" if pairs else ""


def read_embed(args: MultiDict[str, str], view: View, show: str, query: bytes = b"") -> Embed:
    """Read the address of an embed.

    Raises
    ------
    NotFoundError
        If there is no such view.
    AddressError
        If a parameter cannot be read, or the colour is not legible.
    """
    if show not in SHOWS:
        raise NotFoundError(gettext("Diese Seite gibt es nicht"))
    check_encoding(query)
    _check_names(args)
    return Embed(
        show=show,
        locked=_read_locked(args, view),
        free=_read(args, view, _FREE),
        accent=_read_accent(args),
        start=_read_start(args, view),
        partner=read_text(args, "partner"),
        page=read_page(args, pages=10**6),
    )


def select(view: View, embed: Embed) -> Selection:
    """Return the places of an embed: those locked, narrowed by what the reader chose."""
    choose = partial(Selection, view.index, timetable=view.timetable, minute=view.minute)
    within = np.zeros(len(view.places), dtype=np.bool_)
    within[choose(embed.locked).numbers] = True
    return choose(embed.free, within=within)


def area_names(view: View, keys: tuple[str, ...]) -> str:
    """Return the names of areas, joined."""
    return ", ".join(view.area_name(key) for key in keys)


def _check_names(args: MultiDict[str, str]) -> None:
    """Refuse what looks like a lock or like what can be locked, and is neither.

    Nothing would hold it. All else that we do not have is ignored: other people's systems add
    to addresses what they like.
    """
    for name in args:
        meant = any(word.startswith("fest") or word in LOCKABLE for word in fold(name).split())
        if meant and name not in (*_LOCKS, *LOCKABLE):
            said = gettext(
                "Die Angabe „%(name)s“ gibt es hier nicht. Möglich sind: %(values)s.",
                name=name[:40],
                values=", ".join((*_LOCKS, *LOCKABLE)),
            )
            raise AddressError(name, said)


def _read_locked(args: MultiDict[str, str], view: View) -> Filter:
    """Read the lock."""
    pairs = [(name.removeprefix(LOCK), value) for name, value in args.items(multi=True)
             if name in _LOCKS]  # fmt: skip
    for name, value in pairs:
        if not value.strip():  # an empty variable of a template would show everything
            said = gettext(
                "Die Angabe „%(name)s“ ist leer. Leer hält sie nichts fest: Nennen Sie einen Wert"
                " oder lassen Sie sie weg.",
                name=LOCK + name,
            )
            raise AddressError(LOCK + name, said)
    try:
        return _read(MultiDict(pairs), view, LOCKABLE, several_areas=True)
    except AddressError as error:
        raise AddressError(LOCK + error.parameter, str(error)) from None


def _read(
    args: MultiDict[str, str],
    view: View,
    names: tuple[str, ...],
    *,
    several_areas: bool = False,
) -> Filter:
    """Read some kinds of choice; a key of an area that was merged means its successor."""
    pairs = [
        (name, _present_key(view, value) if name == "gebiet" else value)
        for name, value in args.items(multi=True)
        if name in names
    ]
    return read_filter(
        MultiDict(pairs),
        areas=view.area_keys,
        said=view.index.labels,
        several_areas=several_areas,
    )


def _present_key(view: View, key: str) -> str:
    """Return the key to look for; frames stay for years, and areas are merged meanwhile."""
    if key in view.area_keys:
        return key
    return area_index(view).canonical(key) or key


def _read_accent(args: MultiDict[str, str]) -> str:
    accent = (read_text(args, "farbe") or DEFAULT).lower().removeprefix("#")
    if not is_colour(accent):
        said = gettext("Die Farbe muss aus sechs Ziffern 0 bis 9 oder a bis f bestehen.")
        raise AddressError("farbe", said)
    found = least_contrast(accent)
    if found < LEAST:
        # Rounded down: 4.49 is not 4.5.
        said = gettext(
            "Die Farbe ist zu hell: Ihr Kontrast ist %(found)s : 1. Nötig sind %(least)s : 1.",
            found=wording.number(int(found * 100) / 100, 2),
            least=wording.number(LEAST, 1),
        )
        raise AddressError("farbe", said)
    return accent


def _read_start(args: MultiDict[str, str], view: View) -> str:
    key = read_text(args, "start")
    if not key:
        return ""
    known = area_index(view).canonical(key)
    if known is None:
        raise AddressError("start", gettext("Dieses Gebiet kennen wir nicht."))
    return known
