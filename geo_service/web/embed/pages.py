"""What stands in other people's pages: map and list without anything around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from flask import Blueprint, render_template, request, url_for

from geo_service import maps
from geo_service.errors import InputError, NotFoundError, StoreError
from geo_service.schema import THEMES
from geo_service.web import wording
from geo_service.web.answers import FOREVER, HTML, NOT_KEPT, PRIVATE, Body, answer
from geo_service.web.choices import chosen_of
from geo_service.web.embed.choice import PER_PAGE, Embed, area_names, read_embed, select
from geo_service.web.embed.colour import DEFAULT, accent_css, is_colour
from geo_service.web.embed.frames import (
    Refusal,
    frame_headers,
    may_embed,
    partner_hosts,
    refusal,
)
from geo_service.web.embed.oembed import discovery
from geo_service.web.filters import TIMES, Filter
from geo_service.web.languages import neutral_url_for
from geo_service.web.listing import ListedPage, Option, entries
from geo_service.web.places import GROUP_NAMES, NO_KREIS
from geo_service.web.queries import query_pairs, query_string, read_page
from geo_service.web.rendering import area_index
from geo_service.web.site import the_site
from geo_service.web.tiles import tile_layer
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from flask import Response

    from geo_service.errors import GeoServiceError
    from geo_service.web.areas import AreaIndex
    from geo_service.web.listing import Entry
    from geo_service.web.places import Place
    from geo_service.web.site import View

__all__ = ["EmbedPage", "embeds"]

embeds = Blueprint("embed", __name__, url_prefix="/embed")

HOUR: Final = "public, max-age=3600"
COMPONENT: Final = "js/begegnungsorte-karte.js"


@embeds.get("/<show>")
def frame(show: str) -> Response:
    """Show the places of an embed."""
    site = the_site()
    view = site.view()
    embed = read_embed(request.args, view, show, request.query_string)
    refused = _refusal(embed)
    if refused is not None:
        return _refuse(refused, embed.open_filter)

    def make() -> Body:
        page = EmbedPage(view, select(view, embed), embed.page, embed)
        read_page(request.args, pages=page.pages)
        text = render_template("embed.html", page=page, groups=GROUP_NAMES)
        return Body(text.encode(), HTML, view.snapshot.revision, quality=5)

    body = view.kept(embed.free, ("embed", embed), make)
    response = answer(body, cache=PRIVATE)
    response.headers.update(frame_headers(_hosts(embed.partner)))
    return response


@embeds.get("/orte.geojson")
def places_data() -> Response:
    """Give the places of an embed that have a point, for its map."""
    view = the_site().view()
    embed = read_embed(request.args, view, "karte", request.query_string)

    def make() -> Body:
        numbers = select(view, embed).numbers
        points = filter(None, (_on_map(view, int(number)) for number in numbers))
        revision = view.snapshot.revision
        text = maps.places_geojson(points, revision=revision, listed=len(numbers))
        return Body(text, "application/geo+json", revision, quality=5)

    key = ("embed map", embed.locked, embed.free)
    return answer(view.kept(embed.free, key, make))


@embeds.get("/farbe/<accent>.css")
def accent_style(accent: str) -> Response:
    """Give the style sheet of an accent colour; pages ask for legible ones alone."""
    if not is_colour(accent):
        raise NotFoundError(gettext("Diese Datei gibt es nicht."))
    return answer(Body(accent_css(accent).encode(), "text/css; charset=utf-8"), cache=FOREVER)


@embeds.get("/begegnungsorte-karte.js")
def component() -> Response:
    """Give the web component: the one file of ours that other pages load themselves."""
    body = the_site().assets.get(COMPONENT)
    if body is None:
        raise NotFoundError(gettext("Diese Datei gibt es nicht."))
    response = answer(body, cache=HOUR)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@embeds.errorhandler(InputError)
@embeds.errorhandler(NotFoundError)
@embeds.errorhandler(StoreError)
def explain(error: GeoServiceError) -> Response:
    """Say in the frame what is wrong with its address."""
    title = gettext("Diese Karte kann hier nicht gezeigt werden")
    if isinstance(error, StoreError):
        text = gettext("Bitte versuchen Sie es in ein paar Minuten wieder.")
        return _refuse(Refusal(503, title, text))
    status = 404 if isinstance(error, NotFoundError) else 400
    return _refuse(Refusal(status, title, str(error)))


def _refusal(embed: Embed) -> Refusal | None:
    return refusal(
        the_site().settings,
        embed.partner,
        dest=request.headers.get("Sec-Fetch-Dest", ""),
        referrer=request.headers.get("Referer", ""),
        own=request.host_url.rstrip("/"),
    )


def _refuse(refused: Refusal, open_filter: Filter | None = None) -> Response:
    """Answer with a page that holds nothing but why; everyone may frame that."""
    address = url_for("pages.start") + (query_string(open_filter) if open_filter else "")
    text = render_template("embed_refused.html", refused=refused, address=address)
    response = answer(Body(text.encode(), HTML, quality=5), cache=NOT_KEPT, status=refused.status)
    response.headers.update(frame_headers(None))
    return response


def _hosts(partner: str) -> tuple[str, ...] | None:
    """Return who may frame an embed besides us; None for everyone."""
    settings = the_site().settings
    if partner:
        return tuple(partner_hosts(settings)[partner])
    return () if settings.embed_only_partners else None


def _on_map(view: View, number: int) -> maps.MapPlace | None:
    opening = view.timetable.opening(number, view.minute)
    return view.places[number].on_map(opening)


@dataclass(frozen=True)
class EmbedPage(ListedPage):
    """An embed with its places, ready to be written."""

    embed: Embed

    per_page = PER_PAGE

    @property
    def title(self) -> str:
        """Return what it is about: the locked areas or theme, else the service."""
        locked = self.embed.locked
        if locked.areas:
            return area_names(self.view, locked.areas)
        if len(locked.themes) == 1:
            return wording.label(locked.themes[0])
        return the_site().settings.service_name

    @cached_property
    def shown(self) -> list[tuple[str, list[Entry]]]:
        """Return the places of this page under the names of their Kreise or towns."""
        heading = _town if self.embed.locked.areas else _kreis
        groups: dict[str, list[Entry]] = {}
        for entry in entries(self.view, self.selection, self.numbers):
            groups.setdefault(heading(entry.place), []).append(entry)
        return list(groups.items())

    # ------------------------------------------------------------------------- addresses

    @property
    def own_address(self) -> str:
        """Return the address of this view without its parameters."""
        return url_for("embed.frame", show=self.embed.show)

    def page_address(self, page: int) -> str:
        """Return another page of the list."""
        return self.own_address + self.embed.at(page).query

    @property
    def full_map(self) -> str:
        """Return the same choice on our own pages."""
        return url_for("pages.start") + query_string(self.embed.open_filter)

    @property
    def reset_address(self) -> str:
        """Return this embed with nothing chosen by its reader."""
        return self._with(Filter())

    @property
    def accent_address(self) -> str:
        """Return the style sheet of the partner's colour, empty for ours."""
        accent = self.embed.accent
        return "" if accent == DEFAULT else url_for("embed.accent_style", accent=accent)

    @property
    def oembed_address(self) -> str:
        """Return where programs learn how to embed this; empty where nobody may."""
        if not may_embed(the_site().settings, self.embed.partner):
            return ""
        return discovery(self.own_address + self.embed.query)

    def _with(self, free: Filter) -> str:
        return self.own_address + self.embed.with_free(free).query

    # --------------------------------------------------------------------------- choices

    @property
    def times(self) -> list[Option]:
        """Return when places are open."""
        counter = self.selection.counter("zeit")
        return [
            Option(
                chosen_of(self.view, Filter(times=(time,)))[0][2],
                counter(time),
                time in self.embed.free.times,
                self._with(self.embed.free.toggled("zeit", time, only=True)),
            )
            for time in TIMES
        ]

    @property
    def groups(self) -> list[tuple[str, Option]]:
        """Return the groups of categories that some place of the embed is of."""
        counter = self.selection.counter("art")
        options = [
            (
                group,
                Option(
                    wording.label(name),
                    counter(group),
                    group in self.embed.free.kinds,
                    self._with(self.embed.free.toggled("art", group)),
                ),
            )
            for group, name in GROUP_NAMES.items()
        ]
        known = [one for one in options if one[1].count or one[1].current]
        # One group alone is no choice.
        return known if len(known) > 1 or any(one.current for _, one in known) else []

    @property
    def themes(self) -> list[tuple[str, Option]]:
        """Return the themes to choose from; none where they are locked."""
        if self.embed.locked.themes:
            return []
        counter = self.selection.counter("thema")
        chosen = self.embed.free.themes
        return [
            (theme, Option(wording.label(theme), counter(theme), theme in chosen, ""))
            for theme in THEMES
            if counter(theme) or theme in chosen
        ]

    @property
    def areas(self) -> list[tuple[str, Option]]:
        """Return the areas to choose from: inside the locked one, or those locked and inside."""
        locked, chosen = self.embed.locked.areas, self.embed.free.areas
        named = {} if locked else {key: kreis.name for key, kreis in self.view.kreise.items()}
        if len(locked) > 1:
            named = {key: self.view.area_name(key) for key in locked}
        for key in locked or chosen:
            named |= dict(self.view.areas_in(key[:5]))
        counts, index = self.selection.counts("gebiet"), area_index(self.view)

        def is_inside(key: str) -> bool:
            area = index.get(key)
            return not locked or (area is not None and not {*locked}.isdisjoint(area.path))

        several = locked if len(locked) > 1 else ()
        return [
            (key, Option(name, counts.get(key, 0), key in chosen, ""))
            for key, name in named.items()
            if (counts.get(key) or key in chosen) and (key in several or is_inside(key))
        ]

    @property
    def form_fields(self) -> list[tuple[str, str]]:
        """Return what the form carries along besides its own fields."""
        own = ("gebiet", "thema") if not self.embed.locked.themes else ("gebiet",)
        rest = [pair for pair in query_pairs(self.embed.free) if pair[0] not in own]
        return self.embed.fixed_pairs + rest

    @property
    def chosen(self) -> bool:
        """Whether the reader chose anything."""
        return self.embed.free.active

    # ------------------------------------------------------------------------------- map

    @cached_property
    def map(self) -> maps.MapParts | None:
        """Return the map, None in a list; it begins with `start`, the area, or the places."""
        if self.embed.show == "liste":
            return None
        view, index = self.view, area_index(self.view)
        areas = self.embed.areas
        begun = (self.embed.start,) if self.embed.start else areas
        own = index.canonical(areas[0]) if len(areas) == 1 else None
        return maps.build_places_map(
            maps.MapOptions(
                places_url=url_for("embed.places_data") + self.embed.places_query,
                borders_url=neutral_url_for("pages.borders_data", level="LEVEL"),
                towns_url=neutral_url_for("pages.towns_data"),
                revision=view.snapshot.revision,
                bounds=view.snapshot.territory.bounds,
                tiles=tile_layer(view.today),
                view=_bounds(index, begun),
                outline_url=url_for("area_pages.outline", key=own) if own else "",
            )
        )


def _bounds(index: AreaIndex, keys: tuple[str, ...]) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of areas (degrees, EPSG:4326); None for none."""
    found = [area.bounds for key in keys if (area := index.get(index.canonical(key) or ""))]
    if not found:
        return None
    west, south, east, north = zip(*found, strict=True)
    return min(west), min(south), max(east), max(north)


def _kreis(place: Place) -> str:
    return place.kreis.name if place.kreis else gettext(NO_KREIS)


def _town(place: Place) -> str:
    return place.municipality or place.locality or gettext("Ort nicht bekannt")
