"""What every handler works with, and what pages derive from a snapshot, once per revision."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from flask import current_app
from markupsafe import escape

from geo_service import maps
from geo_service.names import fold
from geo_service.web.answers import Body
from geo_service.web.filters import Filter, PlaceIndex, Selection
from geo_service.web.languages import page_variant
from geo_service.web.places import Kreis, Place, read_kreise, read_places
from geo_service.web.search import Located, PlaceSearch
from geo_service.web.sources import border_note
from geo_service.web.tiles import tile_layer
from geo_service.web.timetable import Timetable, minute_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from geo_service.config import Settings
    from geo_service.schema import Level
    from geo_service.snapshot import Snapshot, SnapshotHolder, Territory
    from geo_service.web.addresses import AddressFinder
    from geo_service.web.answers import Assets

__all__ = ["EXTENSION", "Backdrop", "Site", "View", "the_site"]

T = TypeVar("T")

EXTENSION: Final = "geo_service"
_PLACES_URL: Final = "places-of-this-page"


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
    now: Callable[[], dt.datetime]
    assets: Assets
    backdrop: Backdrop
    addresses: AddressFinder | None = None

    def view(self) -> View:
        """Return the present revision, to be used for the whole answer.

        Raises
        ------
        StoreError
            If the store was never reached.
        """
        return View(self.holder.current(), self.now(), self.backdrop)


def the_site() -> Site:
    """Return the parts of the application that handles this request."""
    return cast("Site", current_app.extensions[EXTENSION])


@dataclass(frozen=True)
class View:
    """One revision at one moment (Berlin's clock), as pages see it."""

    snapshot: Snapshot
    now: dt.datetime
    backdrop: Backdrop

    @cached_property
    def today(self) -> dt.date:
        """Return the day."""
        return self.now.date()

    @cached_property
    def minute(self) -> int:
        """Return the minutes since midnight."""
        return minute_of(self.now)

    @cached_property
    def kreise(self) -> Mapping[str, Kreis]:
        """Return the Kreise by key, in the order of lists."""
        municipalities = self.snapshot.territory.municipalities
        make = partial(read_kreise, municipalities)
        return {kreis.key: kreis for kreis in self.snapshot.derive(("kreise",), make)}

    @cached_property
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

    @cached_property
    def index(self) -> PlaceIndex:
        """Return every place by what can be chosen."""
        make = partial(PlaceIndex, self.places, self.snapshot.territory.municipalities)
        return self.snapshot.derive(("place index", self.today), make)

    @cached_property
    def timetable(self) -> Timetable:
        """Return when every place is open around today."""
        make = partial(Timetable, self.places, self.today)
        return self.snapshot.derive(("timetable", self.today), make)

    @cached_property
    def cards(self) -> dict[Any, Any]:
        """Return the cards that are written already, of this revision and language."""
        return self.snapshot.derive(("cards", page_variant()), dict)

    @cached_property
    def search(self) -> PlaceSearch:
        """Return what finds places by what visitors type."""
        territory = self.snapshot.territory
        return self.backdrop.get(territory, ("search",), partial(PlaceSearch, territory))

    @cached_property
    def area_keys(self) -> frozenset[str]:
        """Return the keys of all municipalities, Verbandsgemeinden and Kreise."""
        territory = self.snapshot.territory
        return self.backdrop.get(territory, ("area keys",), partial(_area_keys, territory))

    def areas_in(self, kreis_key: str) -> tuple[tuple[str, str], ...]:
        """Return the Verbandsgemeinden and municipalities of a Kreis: key and name."""
        areas = self.backdrop.get(self.snapshot.territory, ("areas",), self._areas)
        return tuple((key, name) for key, name in areas.items() if key[:5] == kreis_key)

    def area_name(self, key: str) -> str:
        """Return the name of a municipality, Verbandsgemeinde or Kreis."""
        if len(key) == 5:
            return self.kreise[key].name
        areas = self.backdrop.get(self.snapshot.territory, ("areas",), self._areas)
        return areas.get(key) or self.kreise[key[:5]].name

    def _areas(self) -> dict[str, str]:
        return _areas_by_key(self.snapshot.territory)

    def locate(self, query: Filter) -> Located:
        """Return the point that a choice is about, or what to ask back."""
        if query.near is None:
            return self.search.locate(query.where)
        spot = self.search.at(
            *query.near, kind="address" if query.where else "device", name=query.where
        )
        return Located(query.where, spot)

    def select(self, query: Filter, located: Located | None = None) -> Selection:
        """Return the places of a choice, in the order of the list."""
        found = located or self.locate(query)
        return Selection(
            self.index,
            query if found.area is None else query.changed("areas", (found.area,)),
            self.timetable,
            self.minute,
            spot=found.spot,
            blocked=found.blocked,
        )

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
            chosen = self.select(query)
            points = (
                point
                for listed, number in enumerate(chosen.numbers, start=1)
                if (point := self._on_map(int(number), listed)) is not None
            )
            text = maps.places_geojson(
                points, revision=self.snapshot.revision, listed=len(chosen.numbers)
            )
            quality = 5 if query.active else 9
            return Body(text, "application/geo+json", self.snapshot.revision, quality)

        return self.kept(query, ("map places", query), make)

    def _on_map(self, number: int, listed: int) -> maps.MapPlace | None:
        opening = self.timetable.opening(number, self.minute)
        return self.places[number].on_map(opening, number=listed)

    def script(self) -> Body:
        """Return the script of the map."""

        def make() -> Body:
            script = self.map_parts("").script.encode()
            return Body(script, "text/javascript; charset=utf-8")

        return self.snapshot.derive(("script",), make)

    def map_of(self, places_url: str, borders_url: str, towns_url: str) -> maps.MapParts:
        """Return the map of one page; built once, because pages differ in their places alone."""
        make = partial(self.map_parts, _PLACES_URL, borders_url, towns_url)
        key = ("map parts", self.today, borders_url, towns_url)
        built = self.snapshot.derive(key, make)
        return replace(built, html=built.html.replace(_PLACES_URL, str(escape(places_url))))

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
                tiles=tile_layer(self.today),
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

    def kept(self, query: Filter, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Keep the answer to a choice from the form until some place opens or closes.

        What visitors type and where they are is made anew each time, and not kept.
        """
        if query.personal:
            return make()
        moment = (self.today, self.timetable.slot(self.minute))
        return self.snapshot.keep_answer((page_variant(), moment, *key), make)


def _by_id(places: tuple[Place, ...]) -> dict[str, Place]:
    return {place.id: place for place in places}


def _area_keys(territory: Territory) -> frozenset[str]:
    columns = territory.municipalities[["ags", "verbandsgemeinde_key", "kreis_key"]]
    return frozenset(columns.to_numpy().ravel().tolist())


def _areas_by_key(territory: Territory) -> dict[str, str]:
    """Return the Verbandsgemeinden, then the municipalities, each by name: key -> name."""
    table = territory.municipalities
    joint = table[table["verbandsgemeinde"].notna()]
    vgs = {
        key: f"Verbandsgemeinde {name}"
        for key, name in zip(joint["verbandsgemeinde_key"], joint["verbandsgemeinde"], strict=True)
    }
    rural = table[table["designation"] != "kreisfreie Stadt"]
    towns = dict(zip(rural["ags"], rural["name"], strict=True))

    def by_name(one: tuple[str, str]) -> tuple[str, str]:
        return fold(one[1]), one[0]

    return dict([*sorted(vgs.items(), key=by_name), *sorted(towns.items(), key=by_name)])
