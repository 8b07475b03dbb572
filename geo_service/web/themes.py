"""The four Leitthemen of the Land's integration ministry (2018) as pages name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from geo_service.schema import THEMES
from geo_service.web import wording
from geo_service.web.wording import N_, gettext

__all__ = ["PAGES", "Theme", "slug_of"]


@dataclass(frozen=True, slots=True)
class Theme:
    """A Leitthema: its value in records, its word in addresses, and what it is about."""

    value: str
    slug: str
    text: str

    @property
    def name(self) -> str:
        """Return its name in the page's language."""
        return wording.label(self.value)

    @property
    def about(self) -> str:
        """Say in a sentence or two what it is about."""
        return gettext(self.text)


_TEXTS: Final = {
    "begegnungsorte": N_(
        "Räume und Treffpunkte, an denen sich Menschen kennenlernen: Cafés, Häuser, offene Treffs."
    ),
    "hauptamt-und-ehrenamt": N_(
        "Hier arbeiten Fachleute und Freiwillige zusammen: Beratungsstellen, Helferkreise, Kurse."
    ),
    "migrantinnen-im-ehrenamt": N_(
        "Hier setzen sich Zugewanderte für andere ein: in Vereinen, Gruppen und Beiräten."
    ),
    "unterstuetzung-fuer-das-ehrenamt": N_(
        "Wer freiwillig hilft, bekommt hier Rat, Schulung und Kontakte."
    ),
}

PAGES: Final = tuple(
    Theme(value, slug, text) for value, (slug, text) in zip(THEMES, _TEXTS.items(), strict=True)
)
"""The themes in the order of the ministry."""


def slug_of(value: str | None) -> str | None:
    """Return the word for a theme in addresses; None where it has no page.

    >>> slug_of("Migrant*innen im Ehrenamt")
    'migrantinnen-im-ehrenamt'
    """
    return next((theme.slug for theme in PAGES if theme.value == value), None)
