"""What the files of two compared states hold: the columns of their areas, the changed records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from geo_service.changes import INDICATORS as MEASURED
from geo_service.changes import KIND_NAMES, PART_NAMES, RANGED
from geo_service.exports import Column
from geo_service.web.planning.states import LAYOUTS, RANGED_PARTS, UNSURE, StateComparison

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CHANGED_COLUMNS", "EXPORT_COLUMNS", "record_rows"]


def _export_columns() -> dict[str, Column]:
    """Return the columns of the files: what a program reads, as people read it."""
    columns = {
        "key": Column("Schlüssel", "Amtlicher Schlüssel des Gebiets"),
        "name": Column("Name", "Amtlicher Name", width=34),
        "places_old": Column("Orte vorher", "Orte, die im ersten Stand zählen"),
        "gained": Column("Orte dazu", "Orte, die jetzt hier zählen und vorher nicht"),
        "lost": Column("Orte weg", "Orte, die vorher hier zählten und jetzt nicht"),
        "places_new": Column("Orte nachher", "Orte, die im zweiten Stand zählen"),
        "judgement_old": Column("Urteil vorher", "Lücke, keine Lücke, zu unsicher, zu klein"),
        "judgement_new": Column("Urteil nachher", "wie vorher"),
        **{
            f"municipalities_unknown_{side}": Column(
                f"Gemeinden ohne Angabe {_PART_LABELS[side]}",
                "Gemeinden des Gebiets, für die die Zahl der Menschen unbekannt ist",
            )
            for side in ("old", "new")
        },
        "crossed": Column("Schwelle", "became_gap: neue Lücke; no_longer_gap: keine Lücke mehr"),
        "crossed_by": Column("Ursache", "Teil, der die Schwelle überschreiten ließ"),
    }
    for name in MEASURED:
        for part in _PART_LABELS:
            columns.setdefault(f"{name}_{part}", _measured_column(name, part))
            if name in RANGED and part in RANGED_PARTS:
                columns |= {
                    f"{name}_{part}_{end}": _measured_column(name, part, end)
                    for end in ("low", "high")
                }
        if name in RANGED:
            label, _ = _MEASURED_TEXTS[name]
            columns[f"{name}_unsure"] = Column(
                f"{label}, Unterschied {UNSURE}",
                "ja: In der Spanne des Unterschieds liegt auch gar keiner; leer: unbekannt",
            )
    return columns


def _measured_column(name: str, part: str, end: str = "") -> Column:
    """Return the column of an indicator's value, difference or part, or of the end of a range."""
    label, number_format = _MEASURED_TEXTS[name]
    words = f"{label}, {_PART_LABELS[part]}"
    signed = f"+{number_format};-{number_format};0"
    form = number_format if part in {"old", "new"} else signed
    if not end:
        return Column(words, f"{label}: {_PART_LABELS[part]}", 9, form)
    way, most = ("von", "kleinster") if end == "low" else ("bis", "größter")
    return Column(f"{words}, Spanne {way}", f"{words}: {most} Wert in {LAYOUTS}", 9, form)


_PART_LABELS: Final = {
    "old": "vorher",
    "new": "nachher",
    "change": "Unterschied",
    **{part: f"davon {name}" for part, name in PART_NAMES.items()},
}
_MEASURED_TEXTS: Final = {
    "places": ("Orte", "#,##0"),
    "places_per_10k": ("Orte je 10.000", "#,##0.00"),
    "people_reached": ("Erreichte Menschen", "#,##0"),
    "share_reached": ("Anteil erreicht", "0.0%"),
    "people_beyond": ("Nicht erreichte Menschen", "#,##0"),
    "nearest_mean_m": ("Mittlere Entfernung (m)", "#,##0"),
    "e2sfca": ("E2SFCA", "#,##0.00"),
}
EXPORT_COLUMNS: Final[Mapping[str, Column]] = _export_columns()
"""The columns of the files, in their order."""

CHANGED_COLUMNS: Final = ("id", "name", "kinds", "art", "ags_old", "ags_new", "moved_m")
"""The columns of `record_rows`, in their order."""


def record_rows(comparison: StateComparison) -> list[dict[str, object]]:
    """Return the changed records as rows of a file."""
    return [
        {
            "id": record.id,
            "name": record.name,
            "kinds": " ".join(record.kinds),
            "art": ", ".join(KIND_NAMES[kind][0] for kind in record.kinds),
            "ags_old": record.old_ags,
            "ags_new": record.new_ags,
            "moved_m": None if record.distance_m is None else round(record.distance_m, 1),
        }
        for record in comparison.records
    ]
