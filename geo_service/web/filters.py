"""What a visitor chose, which places that leaves, and how many each further choice would.

Choices of one kind widen (`art=haus&art=beratung` is both), kinds narrow one another. A
place that says nothing about a chosen kind is left out and counted apart: unknown is not
"no". Everything is a boolean mask over the places, so counts cost microseconds each.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pyproj import Transformer

from geo_service.names import fold
from geo_service.schema import METRIC_CRS, WGS84
from geo_service.web.wording import N_

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from geo_service.schema import Municipalities
    from geo_service.web.places import Place
    from geo_service.web.search import Spot
    from geo_service.web.timetable import Timetable

    Mask = NDArray[np.bool_]
    Metres = NDArray[np.float64]

__all__ = [
    "DEFAULT_RADIUS_KM",
    "FACETS",
    "MAY_BE_SILENT",
    "NEAREST",
    "RADII_KM",
    "TIMES",
    "WHEELCHAIR",
    "Filter",
    "PlaceIndex",
    "Selection",
    "offer_key",
    "spoken",
]

FACETS: Final[Mapping[str, str]] = {
    "zeit": "times",
    "art": "kinds",
    "thema": "themes",
    "sprache": "languages",
    "rollstuhl": "wheelchair",
    "angebot": "offers",
    "gebiet": "areas",
}
"""Kinds of choice: name in addresses -> field of `Filter`."""

MAY_BE_SILENT: Final = ("zeit", "thema", "sprache", "rollstuhl", "angebot")
"""Kinds about which places may say nothing; those can be asked for as well."""

TIMES: Final = ("jetzt", "heute", "wochenende")
WHEELCHAIR: Final[Mapping[str, str]] = {"ja": "yes", "teilweise": "limited"}
"""Values of ``rollstuhl``: word in addresses -> code of the record."""

RADII_KM: Final = (2, 5, 10, 25, 50)
DEFAULT_RADIUS_KM: Final = 10
NEAREST: Final = 3
"""How many places are shown where none lies inside the radius."""

_RADII_M: Final = 1000 * np.array(RADII_KM).reshape(-1, 1)
SEVERAL: Final = N_("mehrere Sprachen")
_REMARK: Final = re.compile(r"\s*\(.*\)\s*$")
_WHOLE_TOWN: Final = frozenset({"municipality", "postcode"})


def offer_key(text: str) -> str:
    """Return the key under which two spellings of an offer or a language are one."""
    return fold(text)


def spoken(languages: Iterable[str]) -> tuple[str, ...]:
    """Return the languages that a record names, without remarks, each once.

    >>> spoken(["Deutsch", "Arabisch (Sprachmittlung)", "mehrsprachig"])
    ('Deutsch', 'Arabisch', 'mehrere Sprachen')
    """
    plain = (_REMARK.sub("", language).strip() for language in languages)
    named = [SEVERAL if fold(one).startswith("mehr") else one for one in plain if fold(one)]
    return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which places a page shows; what is empty does not restrict.

    `where` is what was typed as a place, `near` (lon, lat; EPSG:4326) a point; both given,
    `near` is the point and `where` its name. `radius_km` counts only with one of them.
    `unknown` names the kinds (of `MAY_BE_SILENT`) whose silent places are shown as well.
    """

    text: str = ""
    where: str = ""
    near: tuple[float, float] | None = None
    radius_km: int = DEFAULT_RADIUS_KM
    times: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    wheelchair: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Return the folded words that must all be found."""
        return tuple(fold(self.text).split()) if self.text else ()

    @property
    def active(self) -> bool:
        """Whether anything is restricted at all."""
        return bool(self.where or self.near or any(map(self.of, FACETS)) or self.words)

    @property
    def personal(self) -> bool:
        """Whether it tells what a visitor typed or where they are: pages of it are not kept."""
        return bool(self.text or self.where or self.near)

    @property
    def anywhere(self) -> Filter:
        """Return this choice without the point: what does not tell where somebody is."""
        return replace(self, where="", near=None, radius_km=DEFAULT_RADIUS_KM)

    @property
    def place(self) -> Filter:
        """Return the point of this choice alone."""
        return Filter(where=self.where, near=self.near, radius_km=self.radius_km)

    def of(self, facet: str) -> tuple[str, ...]:
        """Return what is chosen of one kind."""
        chosen: tuple[str, ...] = getattr(self, FACETS[facet])
        return chosen

    def toggled(self, facet: str, value: str, *, only: bool = False) -> Filter:
        """Return this choice with one value added, or taken away if it was there.

        `only`: it takes the place of the others of its kind.
        """
        chosen = self.of(facet)
        if value in chosen:
            chosen = tuple(one for one in chosen if one != value)
        else:
            chosen = (value,) if only else (*chosen, value)
        return self.without_silence(facet) if not chosen else self.changed(facet, chosen)

    def changed(self, facet: str, chosen: tuple[str, ...]) -> Filter:
        """Return this choice with another set of values of one kind."""
        return replace(self, **{FACETS[facet]: chosen})  # type: ignore[arg-type]

    def without_silence(self, facet: str) -> Filter:
        """Return this choice with nothing chosen of one kind."""
        silent = tuple(one for one in self.unknown if one != facet)
        return replace(self.changed(facet, ()), unknown=silent)


# -------------------------------------------------------------------------- the index


class _Column:
    """The values of one kind that places have: each place none, one or several."""

    def __init__(self, said: Sequence[frozenset[str]]) -> None:
        self.values = sorted(frozenset[str]().union(*said))
        self._code_of = {value: number for number, value in enumerate(self.values)}
        code_of = self._code_of
        pairs = [(code_of[value], place) for place, values in enumerate(said) for value in values]
        self._code, self._place = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        self._places = len(said)

    @cached_property
    def masks(self) -> dict[str, Mask]:
        """Return who has each value."""
        table = np.zeros((len(self.values), self._places), dtype=np.bool_)
        table[self._code, self._place] = True
        return dict(zip(self.values, table, strict=True))

    def counts(self, chosen: Mask) -> dict[str, int]:
        """Count the chosen places per value."""
        return dict(zip(self.values, self._found(chosen).tolist(), strict=True))

    def counter(self, chosen: Mask) -> Callable[[str], int]:
        """Return what counts the chosen places of one value: quicker where few are asked for."""
        found, code_of = self._found(chosen).tolist(), self._code_of
        return lambda value: found[code_of[value]] if value in code_of else 0

    def _found(self, chosen: Mask) -> NDArray[np.intp]:
        return np.bincount(self._code[chosen[self._place]], minlength=len(self.values))


class PlaceIndex:
    """Every place of a revision as masks: which have which value, and where they are.

    Parameters
    ----------
    places
        In the order of the list.
    municipalities
        Say which Verbandsgemeinde and Kreis an AGS belongs to.
    """

    def __init__(self, places: tuple[Place, ...], municipalities: Municipalities) -> None:
        self.places = places
        self.all = np.ones(len(places), dtype=np.bool_)
        self.placed = np.array([place.placed for place in places], dtype=np.bool_)
        self.rough = np.array([place.rough for place in places], dtype=np.bool_)
        self._whole_town = np.array(
            [place.placed and place.precision in _WHOLE_TOWN for place in places], dtype=np.bool_
        )
        self._towns = {ags: code for code, ags in enumerate({place.ags for place in places})}
        self._town = np.array([self._towns[place.ags] for place in places], dtype=np.intp)
        self._x_m, self._y_m = _metric(
            np.array([place.lon if place.lon is not None else np.nan for place in places]),
            np.array([place.lat if place.lat is not None else np.nan for place in places]),
        )
        self._ranked: dict[str, list[str]] = {}
        self.labels: dict[str, dict[str, str]] = {"sprache": {}, "angebot": {}}
        self._columns: dict[str, _Column] = {
            "art": self._values(lambda place: (place.group, place.category)),
            "thema": self._values(lambda place: (place.theme,) if place.theme else ()),
            "sprache": self._folded("sprache", lambda place: spoken(place.languages)),
            "rollstuhl": self._values(_wheelchair),
            "angebot": self._folded("angebot", lambda place: place.offers),
            "gebiet": self._values(_areas_of(municipalities)),
        }
        self._silent: dict[str, Mask] = {
            "thema": np.array([not place.theme for place in places], dtype=np.bool_),
            "sprache": np.array([not place.languages for place in places], dtype=np.bool_),
            "rollstuhl": np.array([not place.wheelchair_code for place in places], dtype=np.bool_),
            "angebot": np.array([not place.offers for place in places], dtype=np.bool_),
        }
        self.none = ~self.all

    def options(self, facet: str) -> Mapping[str, Mask]:
        """Return the values of one kind that some place has, with who has them."""
        return self._columns[facet].masks

    def counts(self, facet: str, chosen: Mask) -> dict[str, int]:
        """Count the chosen places per value of one kind."""
        return self._columns[facet].counts(chosen)

    def counter(self, facet: str, chosen: Mask) -> Callable[[str], int]:
        """Return what counts the chosen places of a value of one kind."""
        return self._columns[facet].counter(chosen)

    def ranked(self, facet: str) -> Sequence[str]:
        """Return the values of a kind that records name freely, what most say first."""
        return self._ranked[facet]

    def silent(self, facet: str) -> Mask:
        """Return which places say nothing about a kind of `MAY_BE_SILENT` but the time."""
        return self._silent[facet]

    def spelt(self, words: Sequence[str]) -> Mask:
        """Return which places contain all of the folded words."""
        if not words:
            return self.all
        found = [all(word in place.haystack for word in words) for place in self.places]
        return np.array(found, dtype=np.bool_)

    def distances_m(self, spot: Spot) -> Metres:
        """Return the distance of every place as the crow flies; NaN without a point."""
        x_m, y_m = _metric(spot.lon, spot.lat)
        return np.asarray(np.hypot(self._x_m - x_m, self._y_m - y_m), dtype=np.float64)

    def in_town_of(self, spot: Spot) -> Mask:
        """Return which places are known only to lie in the municipality of `spot`."""
        town = self._towns.get(spot.ags)
        if spot.ags is None or town is None:
            return self.none
        return np.asarray(self._whole_town & (self._town == town), dtype=np.bool_)

    def _values(self, read: Callable[[Place], Iterable[str]]) -> _Column:
        return _Column([frozenset(read(place)) for place in self.places])

    def _folded(self, facet: str, read: Callable[[Place], Iterable[str]]) -> _Column:
        """Index texts of records by their key, and keep the most used spelling of each."""
        spellings: dict[str, Counter[str]] = {}
        for place in self.places:
            for text in read(place):
                spellings.setdefault(offer_key(text), Counter())[text] += 1
        self.labels[facet] = {key: count.most_common(1)[0][0] for key, count in spellings.items()}
        column = self._values(lambda place: {offer_key(text) for text in read(place)} - {""})
        total, labels = column.counts(self.all), self.labels[facet]
        self._ranked[facet] = sorted(total, key=lambda key: (-total[key], labels[key]))
        return column


def _metric(lon: Any, lat: Any) -> tuple[Any, Any]:
    return _TO_METRIC.transform(lon, lat)


_TO_METRIC: Final = Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True)


def _wheelchair(place: Place) -> tuple[str, ...]:
    return tuple(word for word, code in WHEELCHAIR.items() if code == place.wheelchair_code)


def _areas_of(municipalities: Municipalities) -> Callable[[Place], tuple[str, ...]]:
    """Return a function: place -> keys of its municipality, Verbandsgemeinde and Kreis."""
    columns = municipalities[["ags", "verbandsgemeinde_key", "kreis_key"]]
    keys = {row[0]: row for row in columns.itertuples(index=False, name=None)}

    def areas(place: Place) -> tuple[str, ...]:
        if place.ags in keys:
            return tuple(keys[place.ags])
        return (place.kreis.key,) if place.kreis else ()

    return areas


# ------------------------------------------------------------------------ the selection


class Selection:
    """The places of one choice, in the order of the list.

    Parameters
    ----------
    index
        Every place of the revision.
    query
        The choice.
    timetable, minute
        Opening hours of the day, and minutes since its midnight.
    spot
        The point that the choice is about, if any; then the nearest come first.
    blocked
        Show nothing: it is not clear or not known which point is meant.
    within
        Nothing but these places, whatever the choice says; None for all.
    """

    def __init__(
        self,
        index: PlaceIndex,
        query: Filter,
        timetable: Timetable,
        minute: int,
        *,
        spot: Spot | None = None,
        blocked: bool = False,
        within: Mask | None = None,
    ) -> None:
        self.index = index
        self.query = query
        self.spot = spot
        self._timetable = timetable
        self._minute = minute
        self.distances_m = index.distances_m(spot) if spot else None
        self._by_facet = {facet: self._facet_mask(facet) for facet in FACETS if query.of(facet)}
        self._text = index.none if blocked else index.spelt(query.words)
        if within is not None:
            self._text = self._text & within
        self._near = self.inside(query.radius_km)
        self._chosen = self._others(None)
        self._found = self._chosen & self._near
        inside = np.flatnonzero(self._found)
        self.is_nearest = self.distances_m is not None and not len(inside) and not blocked
        self.numbers = self._nearest() if self.is_nearest else self._sorted(inside)

    @property
    def places(self) -> tuple[Place, ...]:
        """Return the places in the order of the list."""
        return tuple(self.index.places[number] for number in self.numbers)

    @property
    def placed(self) -> int:
        """How many are on the map."""
        return int(np.count_nonzero(self.index.placed[self.numbers]))

    @property
    def rough(self) -> int:
        """How many are on the map only roughly."""
        return int(np.count_nonzero(self.index.rough[self.numbers]))

    @property
    def without_point(self) -> int:
        """How many fit but cannot be shown by distance, because they have no point."""
        return int(np.count_nonzero(self._chosen & ~self.index.placed)) if self.spot else 0

    @cached_property
    def in_town(self) -> Mask:
        """Which places are known only to lie in the municipality of the point asked for."""
        return self.index.in_town_of(self.spot) if self.spot else self.index.none

    def inside(self, radius_km: float) -> Mask:
        """Return which places lie in a radius, or are known to lie in the same town."""
        if self._reach_m is None:
            return self.index.all
        with np.errstate(invalid="ignore"):
            return np.asarray(self._reach_m <= radius_km * 1000)

    @cached_property
    def _reach_m(self) -> Metres | None:
        """How far every place is at least: not at all where it is known to lie in the town."""
        if self.distances_m is None:
            return None
        return np.where(self.in_town, 0.0, self.distances_m)

    def counts(self, facet: str) -> dict[str, int]:
        """Count per value of one kind, as if nothing of that kind were chosen."""
        others = self._without(facet)
        if facet != "zeit":
            return self.index.counts(facet, others)
        return {time: int(np.count_nonzero(others & mask)) for time, mask in self._times.items()}

    def counter(self, facet: str) -> Callable[[str], int]:
        """Return what counts the places of a value, as `counts` does for all of them."""
        if facet == "zeit":
            counts = self.counts(facet)
            return lambda value: counts.get(value, 0)
        return self.index.counter(facet, self._without(facet))

    def total(self, facet: str) -> int:
        """Count the places as if nothing of one kind were chosen."""
        return int(np.count_nonzero(self._without(facet)))

    def silent(self, facet: str) -> int:
        """Count the places that are left out only because they say nothing about a kind."""
        return int(np.count_nonzero(self._without(facet) & self._silent_mask(facet)))

    def radius_counts(self) -> dict[int, int]:
        """Count per radius."""
        if self._reach_m is None:
            return dict.fromkeys(RADII_KM, int(np.count_nonzero(self._chosen)))
        with np.errstate(invalid="ignore"):
            inside = self._reach_m[self._chosen] <= _RADII_M
        return dict(zip(RADII_KM, np.count_nonzero(inside, axis=1).tolist(), strict=True))

    def options(self, facet: str) -> Mapping[str, Mask]:
        """Return the values of one kind with who has them."""
        return self._times if facet == "zeit" else self.index.options(facet)

    @cached_property
    def _times(self) -> Mapping[str, Mask]:
        return self._timetable.masks(self._minute)

    def _facet_mask(self, facet: str) -> Mask:
        options = self.options(facet)
        masks = [options.get(value, self.index.none) for value in self.query.of(facet)]
        if facet in self.query.unknown:
            masks.append(self._silent_mask(facet))
        return reduce(np.logical_or, masks)

    def _silent_mask(self, facet: str) -> Mask:
        if facet != "zeit":
            return self.index.silent(facet)
        return self._timetable.silent(self.query.times[0], self._minute)

    def _without(self, facet: str) -> Mask:
        """Return the places as if nothing of one kind were chosen."""
        return self._others(facet) & self._near if facet in self._by_facet else self._found

    def _others(self, facet: str | None) -> Mask:
        masks = [mask for name, mask in self._by_facet.items() if name != facet]
        return reduce(np.logical_and, masks, self._text)

    def _sorted(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        if self.distances_m is None:
            return numbers
        return numbers[np.argsort(self.distances_m[numbers], kind="stable")]

    def _nearest(self) -> NDArray[np.intp]:
        return self._sorted(np.flatnonzero(self._chosen & self.index.placed))[:NEAREST]


def round_km(length_m: float) -> int:
    """Return whole kilometres, at least one, for a distance that is only roughly known.

    >>> round_km(300), round_km(12_400)
    (1, 12)
    """
    return max(1, math.floor(length_m / 1000 + 0.5))
