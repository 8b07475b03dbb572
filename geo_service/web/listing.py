"""The list of the start page: its places, its figures, and what they put in the page's gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from markupsafe import escape

from geo_service.web import wording
from geo_service.web.choices import AreaChoice, Box, Choice, Count, Dimmed
from geo_service.web.filters import FACETS, MAY_BE_SILENT, Filter, round_km
from geo_service.web.languages import language
from geo_service.web.places import NO_KREIS
from geo_service.web.queries import query_pairs, query_string, radius_addresses
from geo_service.web.search import MAX_CHARS
from geo_service.web.stencils import Stencil, Written
from geo_service.web.wording import gettext, ngettext

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geo_service.web.filters import Selection
    from geo_service.web.languages import Language
    from geo_service.web.places import Place
    from geo_service.web.search import Located
    from geo_service.web.site import View
    from geo_service.web.stencils import Gap
    from geo_service.web.timetable import Opening

__all__ = ["Entry", "ListPage", "ListedPage", "Option", "distance_text", "entries", "radii"]


class Entry(NamedTuple):
    """A place as a card shows it: with its distance, and with what is certain about today."""

    place: Place
    distance: str | None = None
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A choice with how many places it leaves, and its address."""

    label: str
    count: int
    current: bool
    address: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Places that say nothing about a chosen kind: how many, and how to show or hide them."""

    text: str
    address: str
    shown: bool


def entries(view: View, selection: Selection, numbers: Iterable[int]) -> list[Entry]:
    """Return the places with these numbers as cards show them."""
    places, timetable, minute = view.places, view.timetable, view.minute
    return [
        Entry(
            places[number],
            distance_text(selection, number),
            timetable.opening(number, minute),
        )
        for number in map(int, numbers)
    ]


def distance_text(selection: Selection, number: int) -> str | None:
    """Say how far a place is: "2,3 km", "etwa 12 km" or "im Ort"; None without a point.

    A place known only to its municipality has no distance inside it.
    """
    if selection.distances_m is None or not selection.index.placed[number]:
        return None
    if selection.in_town[number]:
        return gettext("im Ort")
    length_m = float(selection.distances_m[number])
    if selection.index.rough[number]:
        return gettext("etwa %(length)s km", length=wording.number(round_km(length_m)))
    return wording.distance(length_m)


@dataclass(frozen=True)
class ListedPage:
    """One page of the list of a selection; `page` counts from 1."""

    view: View
    selection: Selection
    page: int

    per_page: ClassVar[int] = 60
    """Places on one page: 60 cards are about 15 KB compressed."""

    @property
    def found(self) -> int:
        """How many places there are."""
        return len(self.selection.numbers)

    @property
    def pages(self) -> int:
        """How many pages the list has, at least 1."""
        return max(1, -(-self.found // self.per_page))

    @property
    def first(self) -> int:
        """Number of the first place of this page, counted from 1."""
        return (self.page - 1) * self.per_page + 1

    @property
    def last(self) -> int:
        """Number of the last place of this page."""
        return min(self.page * self.per_page, self.found)

    @property
    def numbers(self) -> NDArray[np.intp]:
        """Numbers of the places of this page, in the order of the list."""
        return self.selection.numbers[self.first - 1 : self.last]

    @property
    def placed(self) -> int:
        """How many of the places found are on the map."""
        return self.selection.placed

    @property
    def rough(self) -> int:
        """How many of the places found are on the map only roughly."""
        return self.selection.rough


@dataclass(frozen=True)
class ListPage(ListedPage):
    """A page of the list with what surrounds it, ready to be written."""

    asked: Filter
    located: Located
    notice: str = ""

    @property
    def query(self) -> Filter:
        """Return the choice, with the area that was typed as a place."""
        return self.selection.query

    @cached_property
    def shown(self) -> list[tuple[str, list[Entry]]]:
        """Return the places of this page under headings: Kreise, or none by distance."""
        cards = entries(self.view, self.selection, self.numbers)
        if self.selection.spot:
            return [(self._by_distance, cards)] if cards else []
        groups: list[tuple[str, list[Entry]]] = []
        for card in cards:
            kreis = card.place.kreis
            heading = kreis.name if kreis else gettext(NO_KREIS)
            if not groups or groups[-1][0] != heading:
                groups.append((heading, []))
            groups[-1][1].append(card)
        return groups

    @property
    def _by_distance(self) -> str:
        spot = self.selection.spot
        if spot and spot.kind in ("town", "postcode"):
            return gettext("Nach Entfernung: Luftlinie von der Mitte des Ortes")
        return gettext("Nach Entfernung: Luftlinie")

    def cards(self, group: int, write: Callable[..., str]) -> Written:
        """Return the cards of one group of `shown`, one after the other."""
        texts: list[bytes] = []
        said: list[bytes] = []
        for entry in self.shown[group][1]:
            card, distance = self._card(entry, write), _escaped(entry.distance or "")
            texts.append(card.filled_with(distance))
            said += (card.mark, distance)
        return Written.joined(texts, said, between=b"\n")

    def _card(self, entry: Entry, write: Callable[..., str]) -> Stencil:
        """Return a card as the macro `write` writes it, written once while nothing changes.

        The distance alone is of this page: it is the gap.
        """
        kept: dict[Any, tuple[Place, Opening | None, Stencil]] = self.view.cards
        key = (entry.place.id, entry.distance is None)
        place, opening, card = kept.get(key) or (None, None, None)
        if card is None or place is not entry.place or opening != entry.opening:
            card = Stencil.of(
                lambda gap: write(entry.place, entry.distance and gap("distance"), entry.opening)
            )
            kept[key] = entry.place, entry.opening, card
        return card

    # ------------------------------------------------------------------------- addresses

    def page_address(self, page: int) -> str:
        """Return the query string of another page of this set."""
        return query_string(self.query, page=page)

    @property
    def address(self) -> str:
        """Return the query string of this set, in its normal form."""
        return query_string(self.query, page=self.page)

    @property
    def map_address(self) -> str:
        """Return the query string of this set for the map's data."""
        return query_string(self.query)

    @property
    def title(self) -> str:
        """Return what the page is about, empty where that is everything."""
        spot = self.selection.spot
        if spot and spot.kind == "device":
            return gettext("In Ihrer Nähe")
        return self.asked.where

    @property
    def radius_fields(self) -> list[tuple[str, str]]:
        """Return the radius as the search for a place carries it along."""
        return [pair for pair in self.place_fields if pair[0] == "umkreis"]

    @cached_property
    def place_fields(self) -> list[tuple[str, str]]:
        """Return the place as the form of filters carries it along."""
        return query_pairs(self.query.place)

    def values(self, texts: Mapping[str, str | Written]) -> Callable[[Hashable], bytes]:
        """Return what stands in each gap of the page: `texts`, counts, and addresses."""
        place = query_string(self.query.place)
        addresses = {
            "place": place,
            "place and": f"{place}&" if place else "?",
            "page": self.address,
        }
        given: dict[Hashable, bytes] = {
            name: text if isinstance(text, Written) else escape(text).encode()
            for name, text in {**texts, **addresses}.items()
        }
        count_of = {facet: self.selection.counter(facet) for facet in FACETS}
        spoken = language()

        def value(name: Hashable) -> bytes:
            if type(name) is Count:
                facet, choice = name
                return _written(count_of[facet](choice), spoken)
            if type(name) is Dimmed:
                facet, choice = name
                return b"" if count_of[facet](choice) else b" none"
            return given[name]

        return value

    # ------------------------------------------------------------ the box about the place

    @property
    def box(self) -> Box | None:
        """Return what the box about the place says besides its texts; None without a place."""
        spot = self.selection.spot
        if spot is None:
            return None
        return Box(
            spot.kind,
            self.located.remark,
            labelled=spot.label not in ("", spot.name, f"{spot.name} (kreisfreie Stadt)"),
            noticed=bool(self.notice),
            inside=bool(spot.ags),
            radius_km=self.query.radius_km,
        )

    @property
    def box_values(self) -> Callable[[Hashable], bytes]:
        """Return what stands in each gap of the box about the place."""
        query, spot = self.query, self.selection.spot
        texts: dict[Hashable, str] = {
            Count("umkreis", str(radius)): ngettext("%(count)s Ort", "%(count)s Orte", count)
            for radius, count in self.selection.radius_counts().items()
        }
        texts["point"] = query_string(Filter(where=query.where, near=query.near))
        texts |= {"text": self.located.text, "notice": self.notice}
        if spot is not None:
            texts |= {"at": f"{spot.lon},{spot.lat}", "name": spot.name, "label": spot.label}
        return lambda name: escape(texts[name]).encode()

    # --------------------------------------------------------------------------- choices

    @property
    def finer(self) -> tuple[str, list[AreaChoice]]:
        """Return the Kreis that is chosen, and the areas in it that have places."""
        counts = self.selection.counts("gebiet")
        chosen = self.query.areas[0]
        kreis = self.view.kreise[chosen[:5]]
        return kreis.name, [
            AreaChoice(key, name, wording.number(counts.get(key, 0)), key == chosen)
            for key, name in self.view.areas_in(kreis.key)
            if counts.get(key) or key == chosen
        ]

    @property
    def silences(self) -> list[Silence]:
        """Return for each chosen kind how many places say nothing about it."""
        texts = {
            "zeit": _silent_times,
            "thema": _silent_themes,
            "sprache": _silent_languages,
            "rollstuhl": _silent_steps,
            "angebot": _silent_offers,
        }
        found = []
        for facet in MAY_BE_SILENT:
            count = self.selection.silent(facet) if self.query.of(facet) else 0
            if not count:
                continue
            shown = facet in self.query.unknown
            others = tuple(one for one in self.query.unknown if one != facet)
            changed = replace(self.query, unknown=others if shown else (*others, facet))
            found.append(Silence(texts[facet](count), query_string(changed), shown))
        return found

    @property
    def without_filters(self) -> str:
        """Return the query string of the same place without any other choice."""
        return query_string(self.query.place)

    @cached_property
    def words_instead(self) -> Option | None:
        """Return how many places have the words that were typed as a place."""
        text = self.located.text
        query = replace(self.asked, where="", near=None, text=text)
        if not query.words or not self.located.blocked:
            return None
        count = len(self.view.select(query).numbers)
        return Option(text, count, False, query_string(query)) if count else None

    def place_address(self, label: str) -> str:
        """Return the query string of this choice at another place, in the same street."""
        street = self.located.street
        where = f"{street.street}, {label}" if street else label
        where = where if len(where) <= MAX_CHARS else label
        return query_string(replace(self.asked, where=where, near=None))


@lru_cache(maxsize=4096)
def _escaped(distance: str) -> bytes:
    """Return a distance as pages hold it: in words, so what is kept tells no exact one."""
    return escape(distance).encode()


@lru_cache(maxsize=4096)
def _written(count: int, _language: Language) -> bytes:
    return escape(wording.number(count)).encode()


def radii(choice: Filter, radius_km: int, gap: Gap) -> list[Choice]:
    """Return the radii to choose from, around any point."""
    return [
        Choice(
            value=str(radius),
            label=gettext("%(length)s km", length=wording.number(radius)),
            count=gap(Count("umkreis", str(radius))),
            dimmed="",
            current=radius == radius_km,
            address=address,
        )
        for radius, address in radius_addresses(gap("point"), choice).items()
    ]


def _silent_times(count: int) -> str:
    return ngettext(
        "%(count)s Ort sagt nicht sicher, wann er geöffnet ist.",
        "%(count)s Orte sagen nicht sicher, wann sie geöffnet sind.",
        count,
    )


def _silent_themes(count: int) -> str:
    return ngettext(
        "%(count)s Ort sagt nichts über sein Thema.",
        "%(count)s Orte sagen nichts über ihr Thema.",
        count,
    )


def _silent_offers(count: int) -> str:
    return ngettext(
        "%(count)s Ort sagt nichts über Angebote.",
        "%(count)s Orte sagen nichts über Angebote.",
        count,
    )


def _silent_languages(count: int) -> str:
    return ngettext(
        "%(count)s Ort sagt nichts über Sprachen.",
        "%(count)s Orte sagen nichts über Sprachen.",
        count,
    )


def _silent_steps(count: int) -> str:
    return ngettext(
        "%(count)s Ort sagt nichts über Rollstühle.",
        "%(count)s Orte sagen nichts über Rollstühle.",
        count,
    )
