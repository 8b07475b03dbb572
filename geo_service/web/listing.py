"""What surrounds the list on the start page: counts, choices and their addresses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from geo_service.schema import CATEGORY_GROUPS, THEMES
from geo_service.web import wording
from geo_service.web.filters import (
    FACETS,
    MAY_BE_SILENT,
    RADII_KM,
    SEVERAL,
    TIMES,
    WHEELCHAIR,
    Filter,
    round_km,
)
from geo_service.web.places import GROUP_NAMES, NO_KREIS
from geo_service.web.queries import query_pairs, query_string
from geo_service.web.wording import N_, gettext, ngettext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from geo_service.web.filters import Selection
    from geo_service.web.places import Place
    from geo_service.web.search import Located
    from geo_service.web.site import View
    from geo_service.web.timetable import Opening

__all__ = ["PER_PAGE", "Entry", "ListPage", "Option", "distance_text", "entries"]

PER_PAGE: Final = 60
"""Places on one page of the list: 60 cards are about 15 KB compressed."""

_DISTANCE: Final = "\ufdd0"
"""Stands for the distance in a card that is kept; no text has it (a Unicode noncharacter)."""
MOST_OFFERS: Final = 12
_TIME_LABELS: Final = {
    "jetzt": N_("Jetzt geöffnet"),
    "heute": N_("Heute"),
    "wochenende": N_("Am Wochenende"),
}
_WHEELCHAIR_LABELS: Final = {
    "ja": N_("Mit dem Rollstuhl zugänglich"),
    "teilweise": N_("Mit dem Rollstuhl teilweise zugänglich"),
}
_TITLES: Final = {
    "art": N_("Art genauer"),
    "thema": N_("Thema"),
    "sprache": N_("Gesprochene Sprache"),
    "rollstuhl": N_("Rollstuhl"),
    "angebot": N_("Angebot"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A place as a card shows it: with its distance, and with what is certain about today."""

    place: Place
    distance: str | None = None
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One choice: how many places it leaves, and the address at which it is (un)made."""

    value: str
    label: str
    count: int
    current: bool
    address: str = ""


@dataclass(frozen=True, slots=True)
class Facet:
    """The choices of one kind."""

    name: str
    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """Places that say nothing about a chosen kind: how many, and how to show or hide them."""

    text: str
    address: str
    shown: bool


@dataclass(frozen=True, slots=True)
class AreaChoice:
    """An area in the list of areas."""

    key: str
    name: str
    count: int
    current: bool


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
class ListPage:
    """A page of the list with what surrounds it, ready to be written."""

    view: View
    asked: Filter
    page: int
    located: Located
    selection: Selection
    notice: str = ""

    @property
    def query(self) -> Filter:
        """Return the choice, with the area that was typed as a place."""
        return self.selection.query

    @property
    def found(self) -> int:
        """How many places there are."""
        return len(self.selection.numbers)

    @property
    def pages(self) -> int:
        """How many pages the list has, at least 1."""
        return max(1, -(-self.found // PER_PAGE))

    @property
    def first(self) -> int:
        """Number of the first place of this page, counted from 1."""
        return (self.page - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        """Number of the last place of this page."""
        return min(self.page * PER_PAGE, self.found)

    @property
    def placed(self) -> int:
        """How many of the places found are on the map."""
        return self.selection.placed

    @property
    def rough(self) -> int:
        """How many of the places found are on the map only roughly."""
        return self.selection.rough

    @cached_property
    def shown(self) -> list[tuple[str, list[Entry]]]:
        """Return the places of this page under headings: Kreise, or none by distance."""
        cards = entries(
            self.view, self.selection, self.selection.numbers[self.first - 1 : self.last]
        )
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

    def card(self, entry: Entry, write: Callable[..., Markup]) -> Markup:
        """Return a card as the macro `write` writes it, written once while nothing changes.

        The distance alone is of this page.
        """
        kept, key = self.view.cards, (entry.place.id, entry.distance is None)
        place, opening, before, after = kept.get(key, (None, None, "", ""))
        if place is not entry.place or opening != entry.opening:
            mark = None if entry.distance is None else _DISTANCE
            written = str(write(entry.place, mark, entry.opening))
            before, _, after = written.partition(_DISTANCE)
            kept[key] = entry.place, entry.opening, before, after
        return Markup(f"{before}{escape(entry.distance or '')}{after}")  # noqa: S704 - both escaped

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

    def hidden(self, *own: str) -> list[tuple[str, str]]:
        """Return what a form must carry along besides the fields of its own."""
        pairs = query_pairs(self.query)
        if "filters" in own:
            groups = set(CATEGORY_GROUPS)
            kept = {"ort", "nah", "umkreis", "zeit", "unbekannt"}
            return [
                (name, value)
                for name, value in pairs
                if name in kept or (name == "art" and value in groups)
            ]
        return [(name, value) for name, value in pairs if name not in own]

    # --------------------------------------------------------------------------- choices

    @property
    def times(self) -> list[Option]:
        """Return when places are open."""
        counts = self.selection.counts("zeit")
        return [
            self._option("zeit", time, gettext(_TIME_LABELS[time]), counts, only=True)
            for time in TIMES
        ]

    @property
    def groups(self) -> list[Option]:
        """Return the six groups of categories."""
        return [
            self._option("art", group, wording.label(name), self._kinds)
            for group, name in GROUP_NAMES.items()
        ]

    @property
    def radii(self) -> list[Option]:
        """Return the radii to choose from."""
        counts = self.selection.radius_counts()
        return [
            Option(
                str(radius),
                gettext("%(length)s km", length=wording.number(radius)),
                counts[radius],
                radius == self.query.radius_km,
                query_string(replace(self.query, radius_km=radius)),
            )
            for radius in RADII_KM
        ]

    @cached_property
    def facets(self) -> list[Facet]:
        """Return the choices of the form, by kind; a kind nobody says anything about is left."""
        kinds = [name for names in CATEGORY_GROUPS.values() for name in names]
        listed = {
            "art": self._options("art", {kind: wording.label(kind) for kind in kinds}),
            "thema": self._options("thema", {one: wording.label(one) for one in THEMES}),
            "sprache": self._said("sprache", most=None),
            "rollstuhl": self._options(
                "rollstuhl", {one: gettext(_WHEELCHAIR_LABELS[one]) for one in WHEELCHAIR}
            ),
            "angebot": self._said("angebot", most=MOST_OFFERS),
        }
        return [
            Facet(name, gettext(_TITLES[name]), tuple(options))
            for name, options in listed.items()
            if options
        ]

    @property
    def filters_chosen(self) -> int:
        """How many choices of the form are made."""
        detailed = [one for one in self.query.kinds if one not in CATEGORY_GROUPS]
        others = ("thema", "sprache", "rollstuhl", "angebot", "gebiet")
        chosen = sum(len(self.query.of(facet)) for facet in others)
        return chosen + len(detailed) + bool(self.query.words)

    @cached_property
    def areas(self) -> list[tuple[str, list[AreaChoice]]]:
        """Return the areas to choose from: finer ones of the Kreis that is chosen, then all."""
        counts = self.selection.counts("gebiet")
        chosen = self.query.areas[0] if self.query.areas else ""
        groups = []
        if chosen:
            kreis = self.view.kreise[chosen[:5]]
            finer = [
                AreaChoice(key, name, counts.get(key, 0), key == chosen)
                for key, name in self.view.areas_in(kreis.key)
                if counts.get(key) or key == chosen
            ]
            groups.append((kreis.name, finer))
        kreise = [
            AreaChoice(kreis.key, kreis.name, counts.get(kreis.key, 0), kreis.key == chosen)
            for kreis in self.view.kreise.values()
        ]
        groups.append((gettext("Kreise und Städte"), kreise))
        return [group for group in groups if group[1]]

    @property
    def chosen(self) -> list[Option]:
        """Return what is chosen, each with the address without it."""
        query = self.query
        made = []
        if query.words:
            label = gettext("Wort: %(word)s", word=query.text)
            made.append(Option("q", label, 0, True, query_string(replace(query, text=""))))
        for facet in FACETS:
            for value in query.of(facet):
                without = query_string(query.toggled(facet, value))
                made.append(Option(value, self._label(facet, value), 0, True, without))
        return made

    @property
    def silences(self) -> list[Silence]:
        """Return for each chosen kind how many places say nothing about it."""
        texts = {"zeit": _silent_times, "sprache": _silent_languages, "rollstuhl": _silent_steps}
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
        kept = Filter(where=self.query.where, near=self.query.near, radius_km=self.query.radius_km)
        return query_string(kept)

    @cached_property
    def words_instead(self) -> Option | None:
        """Return how many places have the words that were typed as a place."""
        text = self.located.text
        query = replace(self.asked, where="", near=None, text=text)
        if not query.words or not self.located.blocked:
            return None
        count = len(self.view.select(query).numbers)
        return Option("q", text, count, False, query_string(query)) if count else None

    def place_address(self, label: str) -> str:
        """Return the query string of this choice at another place."""
        return query_string(replace(self.asked, where=label, near=None))

    @cached_property
    def _kinds(self) -> Mapping[str, int]:
        return self.selection.counts("art")

    def _option(
        self,
        facet: str,
        value: str,
        label: str,
        counts: Mapping[str, int],
        *,
        only: bool = False,
        linked: bool = True,
    ) -> Option:
        current = value in self.query.of(facet)
        changed = self.query.toggled(facet, value, only=only) if linked else None
        address = query_string(changed) if changed else ""
        return Option(value, label, counts.get(value, 0), current, address)

    def _options(self, facet: str, labels: Mapping[str, str]) -> list[Option]:
        counts = self._kinds if facet == "art" else self.selection.counts(facet)
        return [
            self._option(facet, value, label, counts, linked=False)
            for value, label in labels.items()
        ]

    def _said(self, facet: str, *, most: int | None) -> list[Option]:
        """Return what records say of one kind: what most places say first, all that is chosen."""
        counts, ranked = self.selection.counts(facet), self.view.index.ranked(facet)
        shown = set(ranked[:most]) | set(self.query.of(facet))
        return [
            self._option(facet, key, self._label(facet, key), counts, linked=False)
            for key in [*ranked, *sorted(shown - set(ranked))]
            if key in shown
        ]

    def _label(self, facet: str, value: str) -> str:
        if facet == "zeit":
            return gettext(_TIME_LABELS[value])
        if facet == "rollstuhl":
            return gettext(_WHEELCHAIR_LABELS[value])
        if facet == "gebiet":
            return self.view.area_name(value)
        if facet in self.view.index.labels:
            label = self.view.index.labels[facet].get(value, value)
            if facet == "angebot":
                return label
            return gettext(SEVERAL) if label == SEVERAL else wording.language_name(label)
        return wording.label(GROUP_NAMES.get(value, value))


def _silent_times(count: int) -> str:
    return ngettext(
        "%(count)s Ort sagt nicht sicher, wann er geöffnet ist.",
        "%(count)s Orte sagen nicht sicher, wann sie geöffnet sind.",
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
