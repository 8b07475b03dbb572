"""Where the data come from, as the data themselves say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from geo_service.web.places import safe_url
from geo_service.web.wording import N_, gettext

if TYPE_CHECKING:
    from geo_service.schema import Initiatives
    from geo_service.snapshot import Snapshot

__all__ = ["SourceNote", "border_note", "source_notes"]

_TITLES: Final = {
    "": N_("Grenzen"),
    "figures": N_("Einwohner, Flächen, Namen und Mittelpunkte"),
    "places": N_("Ortsnamen"),
}
_OTHERS: Final = N_("Weitere Angaben")


@dataclass(frozen=True, slots=True)
class SourceNote:
    """One source: what it gave, the note its licence asks for, and how much rests on it."""

    title: str
    note: str
    licence: str | None = None
    origin: str | None = None
    url: str | None = None
    used: int | None = None


def source_notes(snapshot: Snapshot) -> tuple[SourceNote, ...]:
    """Return the sources of borders, figures, population and points, each note once."""
    notes = [*_territory_notes(snapshot.territory.about), _population_note(snapshot)]
    notes += _point_notes(snapshot.initiatives)
    once: dict[tuple[str, str | None], SourceNote] = {}
    for note in notes:
        if note.note:
            once.setdefault((note.note, note.licence), note)
    return tuple(once.values())


def border_note(snapshot: Snapshot) -> str:
    """Return the note that a map of the borders must print."""
    return str(snapshot.territory.about.get("source_note", ""))


def _territory_notes(about: Mapping[str, Any], part: str = "") -> list[SourceNote]:
    own = []
    if about.get("source_note"):
        own = [
            SourceNote(
                title=gettext(_TITLES.get(part, _OTHERS)),
                note=str(about["source_note"]),
                licence=_text(about.get("licence")),
                origin=_text(about.get("source")),
                url=safe_url(_text(about.get("url"))),
            )
        ]
    parts = [(name, value) for name, value in about.items() if isinstance(value, Mapping)]
    return own + [note for name, value in parts for note in _territory_notes(value, name)]


def _population_note(snapshot: Snapshot) -> SourceNote:
    return SourceNote(gettext("Wo die Menschen wohnen"), snapshot.population.source_note)


def _point_notes(initiatives: Initiatives) -> list[SourceNote]:
    """Return a note per source and licence of the places' points, the most used first."""
    points = initiatives.loc[initiatives["coordinate_status"] == "found"]
    columns = points[["coordinate_source", "coordinate_licence"]]
    counts = Counter(columns.dropna(subset="coordinate_source").itertuples(index=False, name=None))
    return [
        SourceNote(
            title=gettext("Punkte der Orte auf der Karte"),
            note=str(source),
            licence=licence if isinstance(licence, str) else None,
            used=used,
        )
        for (source, licence), used in sorted(
            counts.items(), key=lambda item: (-item[1], str(item[0]))
        )
    ]


def _text(value: Any) -> str | None:
    return str(value) if value else None
