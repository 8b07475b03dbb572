"""What every handler works with, and what pages derive from a snapshot, once per revision."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from flask import current_app

from geo_service import maps
from geo_service.web.answers import HTML, Body
from geo_service.web.languages import page_variant
from geo_service.web.places import (
    Filter,
    Kreis,
    Place,
    count_groups,
    group_by_kreis,
    read_kreise,
    read_places,
    select,
)
from geo_service.web.queries import query_string
from geo_service.web.sources import border_note

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from geo_service.config import Settings
    from geo_service.schema import Level
    from geo_service.snapshot import Snapshot, SnapshotHolder, Territory
    from geo_service.web.answers import Assets

__all__ = ["EXTENSION", "PER_PAGE", "Backdrop", "ListPage", "Site", "View", "the_site"]

T = TypeVar("T")

EXTENSION: Final = "geo_service"
PER_PAGE: Final = 60
"""Places on one page of the list: 60 cards are about 15 KB compressed."""


class Backdrop:
    """What maps draw of the Land itself: the same at every revision, so kept beside them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._territory: Territory | None = None
        self._made: dict[Hashable, Any] = {}

    def get(self, territory: Territory, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` makes of `territory`, made once per key."""
        with self._lock:
            if self._territory is not territory:
                self._territory, self._made = territory, {}
            if key not in self._made:
                self._made[key] = make()
            return cast("T", self._made[key])


@dataclass(frozen=True, slots=True)
class Site:
    """The parts an application is made of."""

    holder: SnapshotHolder
    settings: Settings
    today: Callable[[], dt.date]
    assets: Assets
    backdrop: Backdrop

    def view(self) -> View:
        """Return the present revision, to be used for the whole answer.

        Raises
        ------
        StoreError
            If the store was never reached.
        """
        return View(self.holder.current(), self.today(), self.backdrop)


def the_site() -> Site:
    """Return the parts of the application that handles this request."""
    return cast("Site", current_app.extensions[EXTENSION])


@dataclass(frozen=True, slots=True)
class View:
    """One revision on one day, as pages see it."""

    snapshot: Snapshot
    today: dt.date
    backdrop: Backdrop

    @property
    def kreise(self) -> Mapping[str, Kreis]:
        """Return the Kreise by key, in the order of lists."""
        municipalities = self.snapshot.territory.municipalities
        make = partial(read_kreise, municipalities)
        return {kreis.key: kreis for kreis in self.snapshot.derive(("kreise",), make)}

    @property
    def places(self) -> tuple[Place, ...]:
        """Return every place in the order of the list."""
        make = partial(
            read_places,
            self.snapshot.initiatives,
            self.snapshot.territory.municipalities,
            today=self.today,
        )
        return self.snapshot.derive(("places", self.today), make)

    def place(self, place_id: str) -> Place | None:
        """Return the place `place_id`, None if there is none."""
        make = partial(_by_id, self.places)
        return self.snapshot.derive(("places by id", self.today), make).get(place_id)

    def borders(self, level: Level, kreis_key: str | None) -> Body:
        """Return the borders of a level as GeoJSON; all of them, or those in one Kreis."""

        def make() -> Body:
            thinned = self.backdrop.get(territory, ("thinned",), thin)
            text = maps.borders_geojson(
                thinned, level=level, kreis_key=kreis_key, note=self.border_note
            )
            return Body(text, "application/geo+json")

        territory = self.snapshot.territory
        thin = partial(maps.thin_borders, territory.municipalities)
        return self.backdrop.get(territory, ("borders", level, kreis_key), make)

    def towns(self) -> Body:
        """Return the names of the larger towns as JSON."""

        def make() -> Body:
            names = maps.towns_json(territory.municipalities, note=self.border_note)
            return Body(names, "application/json")

        territory = self.snapshot.territory
        return self.backdrop.get(territory, ("towns",), make)

    def map_places(self, query: Filter) -> Body:
        """Return the places of `query` that have a point, as GeoJSON."""

        def make() -> Body:
            chosen = select(self.places, query)
            points = (point for place in chosen if (point := place.on_map()))
            text = maps.places_geojson(points, revision=self.snapshot.revision, listed=len(chosen))
            quality = 5 if query.active else 9
            return Body(text, "application/geo+json", self.snapshot.revision, quality)

        return self._kept(query, ("map places", self.today, query), make)

    def start_page(self, query: Filter, page: int, render: Callable[[], str]) -> Body:
        """Return a page of the list, rendered once per revision where many ask for it."""

        def make() -> Body:
            return Body(render().encode(), HTML, self.snapshot.revision, quality=6)

        return self._kept(query, ("start", self.today, query, page), make)

    def script(self) -> Body:
        """Return the script of the map."""

        def make() -> Body:
            script = self.map_parts("").script.encode()
            return Body(script, "text/javascript; charset=utf-8")

        return self.snapshot.derive(("script",), make)

    def map_parts(
        self, places_url: str, borders_url: str = "", towns_url: str = ""
    ) -> maps.MapParts:
        """Build the map of one page."""
        return maps.build_places_map(
            maps.MapOptions(
                places_url=places_url,
                borders_url=borders_url,
                towns_url=towns_url,
                revision=self.snapshot.revision,
                bounds=self._bounds(),
            )
        )

    @property
    def border_note(self) -> str:
        """Return the source note of the borders."""
        return border_note(self.snapshot)

    def _bounds(self) -> tuple[float, float, float, float]:
        territory = self.snapshot.territory
        west, south, east, north = self.backdrop.get(
            territory, ("bounds",), lambda: territory.bounds
        )
        return round(west, 3), round(south, 3), round(east, 3), round(north, 3)

    def _kept(self, query: Filter, key: tuple[object, ...], make: Callable[[], Body]) -> Body:
        """Keep what a choice from the form asks for; free text is made anew each time."""
        return make() if query.words else self.snapshot.derive((page_variant(), *key), make)


def _by_id(places: tuple[Place, ...]) -> dict[str, Place]:
    return {place.id: place for place in places}


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of the list with what surrounds it, ready to be written."""

    query: Filter
    page: int
    found: tuple[Place, ...]
    groups: Mapping[str, int]

    @classmethod
    def of(cls, places: tuple[Place, ...], query: Filter, page: int) -> ListPage:
        """Choose the places of `query` and count them."""
        return cls(query, page, select(places, query), count_groups(places, query))

    @property
    def pages(self) -> int:
        """How many pages the list has, at least 1."""
        return max(1, -(-len(self.found) // PER_PAGE))

    @property
    def shown(self) -> list[tuple[str, list[Place]]]:
        """Return the places of this page under the headings of their Kreise."""
        start = (self.page - 1) * PER_PAGE
        return group_by_kreis(self.found[start : start + PER_PAGE])

    @property
    def first(self) -> int:
        """Number of the first place of this page, counted from 1."""
        return (self.page - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        """Number of the last place of this page."""
        return min(self.page * PER_PAGE, len(self.found))

    @property
    def placed(self) -> int:
        """How many of the places found are on the map."""
        return sum(place.placed for place in self.found)

    @property
    def rough(self) -> int:
        """How many of the places found are on the map only roughly."""
        return sum(place.rough for place in self.found)

    def address(self, **changes: str | None) -> str:
        """Return the query string of this set with some of its choices changed."""
        choices = {"text": self.query.text, "kreis": self.query.kreis, "kind": self.query.kind}
        return query_string(Filter(**{**choices, **changes}))  # type: ignore[arg-type]

    def page_address(self, page: int) -> str:
        """Return the query string of another page of this set."""
        return query_string(self.query, page=page)
