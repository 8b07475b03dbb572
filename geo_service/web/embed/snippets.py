"""What partners paste into their own pages: a frame, a web component, or a plain list.

Everything is escaped once; the builder escapes it again to show it as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin

from markupsafe import Markup

from geo_service.formats import german_date
from geo_service.web import wording
from geo_service.web.embed.choice import Embed, area_names, select
from geo_service.web.embed.colour import DEFAULT
from geo_service.web.queries import query_string

if TYPE_CHECKING:
    from geo_service.web.filters import Filter
    from geo_service.web.site import View

__all__ = ["HEIGHT", "HEIGHTS", "MOST_LISTED", "SANDBOX", "WIDTH", "Snippet"]

WIDTH: Final = 720
HEIGHT: Final = 640
HEIGHTS: Final = (280, 2000)
"""Least and greatest height of a frame in pixels; the width has no other least."""

MOST_LISTED: Final = 200
"""Most places of a pasted list: beyond that nobody keeps it current by hand."""

SANDBOX: Final = (
    "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox"
)
"""What a frame needs: the map's scripts, our own data, filters, and links in a new tab.

``allow-same-origin`` leaves the frame our origin, not the host page's.
"""


@dataclass(frozen=True)
class Snippet:
    """An embed as text to paste.

    `base` begins our addresses and has no slash at its end; `code` is the language's prefix,
    empty for German; `height` is in pixels, None for as high as the content; `name` is the
    service's.
    """

    view: View
    embed: Embed
    base: str
    code: str
    height: int | None
    name: str

    @property
    def address(self) -> str:
        """Return the address of the frame."""
        return f"{self._home}embed/{self.embed.show}{self.embed.query}"

    @property
    def title(self) -> str:
        """Return what screen readers call the frame (German; the page around it is)."""
        areas = self.embed.areas
        return f"{self.name}: {area_names(self.view, areas)}" if areas else self.name

    def iframe(self, width: str = "100%") -> Markup:
        """Return the frame."""
        # Only with a key does it matter who frames us; then the site is named, not the page.
        policy = "strict-origin" if self.embed.partner else "no-referrer"
        return Markup(
            '<iframe src="{}" title="{}" width="{}" height="{}" loading="lazy"'
            ' sandbox="{}" referrerpolicy="{}"></iframe>'
        ).format(self.address, self.title, width, self.height or HEIGHT, SANDBOX, policy)

    def component(self) -> Markup:
        """Return the web component, and the script that makes it one."""
        attributes = Markup("").join(
            Markup(' {}="{}"').format(name, value) for name, value in self._attributes if value
        )
        return Markup(
            '<script type="module" src="{}embed/begegnungsorte-karte.js"></script>\n'
            "<begegnungsorte-karte{}>\n"
            '  <a href="{}">{}</a>\n'
            "</begegnungsorte-karte>"
        ).format(f"{self.base}/", attributes, self.full_map, self.title)

    @property
    def _attributes(self) -> list[tuple[str, str]]:
        locked, free, embed = self.embed.locked, self.embed.free, self.embed
        return [
            *_listed(locked),
            *(("auswahl-" + name, value) for name, value in _listed(free)),
            ("ansicht", embed.show if embed.show != "karte" else ""),
            ("sprache", self.code),
            ("farbe", embed.accent if embed.accent != DEFAULT else ""),
            ("start", embed.start),
            ("partner", embed.partner),
            ("hoehe", str(self.height or "")),
        ]

    @property
    def full_map(self) -> str:
        """Return the same choice on our own pages."""
        return self._home + query_string(self.embed.open_filter)

    def plain_list(self) -> Markup:
        """Return the places as HTML without script, style or picture."""
        numbers = select(self.view, self.embed).numbers
        places = [self.view.places[int(number)] for number in numbers[:MOST_LISTED]]
        items = Markup("\n").join(
            Markup('<li><a href="{}">{}</a>, {}, {}</li>').format(
                urljoin(self._home, f"orte/{quote(place.id)}"),
                place.name,
                wording.label(place.category),
                place.where,
            )
            for place in places
        )
        more = len(numbers) - len(places)
        rest = f", {more} weitere dort" if more else ""
        return Markup('<ul>\n{}\n</ul>\n<p>Stand {}. <a href="{}">{}</a>{}</p>').format(
            items, german_date(self.view.today), self.full_map, self.title, rest
        )

    @property
    def _home(self) -> str:
        return f"{self.base}/{self.code}/" if self.code else f"{self.base}/"


def _listed(query: Filter) -> list[tuple[str, str]]:
    kinds = {"gebiet": query.areas, "art": query.kinds, "thema": query.themes}
    return [(name, ",".join(values)) for name, values in kinds.items()]
