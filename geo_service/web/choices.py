"""What can be chosen beside a list of places, the same for every point and every reader.

Counts and the point itself are gaps of a stencil (`stencils`): the name of a gap is
a text, a `Count` or a `Dimmed`. `listing.ListPage` knows what to put in them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from geo_service.schema import CATEGORY_GROUPS, THEMES
from geo_service.web import wording
from geo_service.web.filters import FACETS, SEVERAL, TIMES, WHEELCHAIR
from geo_service.web.places import GROUP_NAMES
from geo_service.web.queries import query_pairs, query_string
from geo_service.web.wording import N_, gettext

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geo_service.web.filters import Filter
    from geo_service.web.search import Kind, Remark
    from geo_service.web.site import View
    from geo_service.web.stencils import Gap

__all__ = [
    "AreaChoice",
    "Box",
    "Choice",
    "Choices",
    "Chosen",
    "Count",
    "Dimmed",
    "Facet",
    "chosen_of",
]

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


class Count(NamedTuple):
    """A gap: how many places a choice leaves."""

    facet: str
    value: str


class Dimmed(NamedTuple):
    """A gap: the class of a choice that leaves no place, else nothing."""

    facet: str
    value: str


class Box(NamedTuple):
    """What the box about the place that was understood says besides its texts: no place.

    `inside` is whether it lies in the Land.
    """

    kind: Kind
    remark: Remark
    labelled: bool
    noticed: bool
    inside: bool
    radius_km: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice: how many places it leaves, and the address at which it is (un)made."""

    value: str
    label: str
    count: str
    dimmed: str
    current: bool
    address: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice that is made, and the address without it; `german` names stay as they are."""

    label: str
    address: str
    german: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """The choices of one kind."""

    name: str
    title: str
    options: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class AreaChoice:
    """An area in the list of areas."""

    key: str
    name: str
    count: str
    current: bool


@dataclass(frozen=True)
class Choices:
    """The choices beside a list. `query` is what is chosen, without the point."""

    view: View
    query: Filter
    gap: Gap

    @property
    def address(self) -> str:
        """Return the query string of this choice."""
        return self._address(self.query)

    @property
    def times(self) -> list[Choice]:
        """Return when places are open."""
        return [self._linked("zeit", time, only=True) for time in TIMES]

    @property
    def groups(self) -> list[Choice]:
        """Return the six groups of categories."""
        return [self._linked("art", group) for group in GROUP_NAMES]

    @property
    def facets(self) -> list[Facet]:
        """Return the choices of the form, by kind; a kind nobody says anything about is left."""
        listed: Mapping[str, Iterable[str]] = {
            "art": [name for names in CATEGORY_GROUPS.values() for name in names],
            "thema": THEMES,
            "sprache": self._said("sprache", most=None),
            "rollstuhl": WHEELCHAIR,
            "angebot": self._said("angebot", most=MOST_OFFERS),
        }
        facets = [
            Facet(name, gettext(_TITLES[name]), tuple(self._choice(name, one) for one in values))
            for name, values in listed.items()
        ]
        return [facet for facet in facets if facet.options]

    @property
    def filters_chosen(self) -> int:
        """How many choices of the form are made."""
        detailed = [one for one in self.query.kinds if one not in CATEGORY_GROUPS]
        others = ("thema", "sprache", "rollstuhl", "angebot", "gebiet")
        chosen = sum(len(self.query.of(facet)) for facet in others)
        return chosen + len(detailed) + bool(self.query.words)

    @property
    def kreise(self) -> list[AreaChoice]:
        """Return the Kreise to choose from."""
        return [
            AreaChoice(key, kreis.name, self._count("gebiet", key), key in self.query.areas)
            for key, kreis in self.view.kreise.items()
        ]

    @property
    def chosen(self) -> list[Chosen]:
        """Return what is chosen, each with the address without it."""
        query = self.query
        return [
            Chosen(
                label,
                self._address(
                    replace(query, text="") if facet == "q" else query.toggled(facet, value)
                ),
                facet in {"gebiet", "angebot"},
            )
            for facet, value, label in chosen_of(self.view, query)
        ]

    @property
    def search_fields(self) -> list[tuple[str, str]]:
        """Return what the search for a place carries along, besides the radius."""
        return query_pairs(self.query)

    @property
    def filter_fields(self) -> list[tuple[str, str]]:
        """Return what the form of filters carries along, besides the place."""
        return [
            (name, value)
            for name, value in query_pairs(self.query)
            if name in {"zeit", "unbekannt"} or (name == "art" and value in CATEGORY_GROUPS)
        ]

    def _address(self, query: Filter) -> str:
        rest = query_string(query)
        return self.gap("place and") + rest[1:] if rest else self.gap("place")

    def _linked(self, facet: str, value: str, *, only: bool = False) -> Choice:
        return self._choice(
            facet, value, self._address(self.query.toggled(facet, value, only=only))
        )

    def _choice(self, facet: str, value: str, address: str = "") -> Choice:
        current = value in self.query.of(facet)
        dimmed = "" if current else self.gap(Dimmed(facet, value))
        label = _label(self.view, facet, value)
        return Choice(value, label, self._count(facet, value), dimmed, current, address)

    def _count(self, facet: str, value: str) -> str:
        return self.gap(Count(facet, value))

    def _said(self, facet: str, *, most: int | None) -> list[str]:
        """Return what records say of one kind: what most places say first, all that is chosen."""
        ranked = self.view.index.ranked(facet)
        shown = set(ranked[:most]) | set(self.query.of(facet))
        return [key for key in [*ranked, *sorted(shown - set(ranked))] if key in shown]


def chosen_of(view: View, query: Filter) -> list[tuple[str, str, str]]:
    """Return what is chosen: its kind, its value, and what pages call it; words first."""
    words = [("q", query.text, gettext("Wort: %(word)s", word=query.text))] if query.words else []
    return words + [
        (facet, value, _label(view, facet, value)) for facet in FACETS for value in query.of(facet)
    ]


def _label(view: View, facet: str, value: str) -> str:
    if facet == "zeit":
        return gettext(_TIME_LABELS[value])
    if facet == "rollstuhl":
        return gettext(_WHEELCHAIR_LABELS[value])
    if facet == "gebiet":
        return view.area_name(value)
    if facet in view.index.labels:
        label = view.index.labels[facet].get(value, value)
        if facet == "angebot":
            return label
        return gettext(SEVERAL) if label == SEVERAL else wording.language_name(label)
    return wording.label(GROUP_NAMES.get(value, value))
