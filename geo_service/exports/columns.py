"""What every file of figures shares: its columns as people read them, its rows, its notes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from geo_service.schema import COVERAGE_COLUMNS, check_coverage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geo_service.schema import Coverage

__all__ = [
    "COLUMNS",
    "TITLE",
    "WORDS",
    "Column",
    "Notes",
    "columns_of",
    "method_lines",
    "method_text",
    "plain_rows",
    "round_figures",
]


TITLE: Final = "Abdeckung mit Begegnungsorten und Integrationsinitiativen"


@dataclass(frozen=True, slots=True)
class Notes:
    """What a file says about itself."""

    method: Mapping[str, str]
    sources: tuple[str, ...]
    revision: int
    today: dt.date
    title: str = TITLE


@dataclass(frozen=True, slots=True)
class Column:
    """A column as people read it. `decimals` is what any file keeps."""

    label: str
    meaning: str
    decimals: int = 0
    number_format: str = "#,##0"
    width: int = 14


_LOW: Final = "kleinster Wert in 9 von 10 durchgerechneten Lagen der grob verorteten Orte"
_HIGH: Final = "größter Wert in 9 von 10 durchgerechneten Lagen der grob verorteten Orte"

COLUMNS: Final[Mapping[str, Column]] = {
    "key": Column(
        "Schlüssel", "Amtlicher Schlüssel: Gemeinde 8, Verbandsgemeinde 9, Kreis 5, Land 2 Stellen"
    ),
    "name": Column("Name", "Amtlicher Name", width=34),
    "level": Column("Ebene", "Gemeinde, Verbandsgemeinde, Kreis oder Land", width=18),
    "population": Column("Einwohner", "Einwohner nach dem Gemeindeverzeichnis"),
    "places": Column("Orte", "Orte im Gebiet, die dem Filter entsprechen"),
    "places_per_10k": Column(
        "Orte je 10.000 Einwohner",
        "Orte geteilt durch Einwohner, mal 10.000",
        4,
        "#,##0.00",
    ),
    "people_counted": Column(
        "Gezählte Menschen", "Menschen der Bevölkerungsgrundlage; Nenner des Anteils", 3
    ),
    "people_reached": Column(
        "Erreichte Menschen",
        "Menschen mit mindestens einem Ort im Umkreis, auch im Nachbargebiet",
        3,
    ),
    "share_reached": Column("Anteil erreicht", "Erreichte durch gezählte Menschen", 6, "0.0%"),
    "share_low": Column("Anteil erreicht, Spanne von", f"Anteil erreicht: {_LOW}", 6, "0.0%"),
    "share_high": Column("Anteil erreicht, Spanne bis", f"Anteil erreicht: {_HIGH}", 6, "0.0%"),
    "people_beyond": Column("Nicht erreichte Menschen", "Gezählte ohne erreichte Menschen", 3),
    "beyond_low": Column("Nicht erreicht, Spanne von", f"Nicht erreichte Menschen: {_LOW}", 3),
    "beyond_high": Column("Nicht erreicht, Spanne bis", f"Nicht erreichte Menschen: {_HIGH}", 3),
    "nearest_seat_m": Column(
        "Vom Sitz zum nächsten Ort (m)", "Luftlinie; nur auf Ebene Gemeinde", 1
    ),
    "nearest_seat_low_m": Column(
        "Vom Sitz zum nächsten Ort, Spanne von (m)", f"Entfernung vom Sitz: {_LOW}", 1
    ),
    "nearest_seat_high_m": Column(
        "Vom Sitz zum nächsten Ort, Spanne bis (m)", f"Entfernung vom Sitz: {_HIGH}", 1
    ),
    "nearest_mean_m": Column(
        "Mittlere Entfernung zum nächsten Ort (m)", "Luftlinie, nach Menschen gewichtet", 1
    ),
    "nearest_mean_low_m": Column(
        "Mittlere Entfernung, Spanne von (m)", f"Mittlere Entfernung: {_LOW}", 1
    ),
    "nearest_mean_high_m": Column(
        "Mittlere Entfernung, Spanne bis (m)", f"Mittlere Entfernung: {_HIGH}", 1
    ),
    "e2sfca": Column(
        "E2SFCA (Orte je 10.000 Menschen)",
        "Erreichbarkeit mit Wettbewerb nach Luo und Qi (2009), nach Menschen gewichtet",
        6,
        "#,##0.00",
    ),
    "e2sfca_low": Column("E2SFCA, Spanne von", f"E2SFCA: {_LOW}", 6, "#,##0.00"),
    "e2sfca_high": Column("E2SFCA, Spanne bis", f"E2SFCA: {_HIGH}", 6, "#,##0.00"),
    "gap": Column("Lücke", "ja, nein oder leer: nicht beurteilt", width=8),
    "judgement": Column(
        "Urteil",
        "Lücke, keine Lücke, zu unsicher (hängt von groben Orten ab), zu klein, unbekannt",
        width=14,
    ),
    "gap_reason": Column("Grund", "Warum Lücke, oder warum nicht beurteilt", width=46),
    "small_numbers": Column(
        "Kleine Zahlen", "ja: so wenige Orte oder Menschen, dass ein Verhältnis wenig sagt", width=8
    ),
    "rough": Column("Davon grob verortet", "Orte, deren Punkt gröber als die Straße ist"),
    "stale": Column("Davon veraltet", "Orte ohne jüngere Angabe oder Bestätigung"),
    "undated": Column("Davon ohne Datum", "Orte ohne Datum der Angabe und ohne Bestätigung"),
    "municipalities_unknown": Column(
        "Gemeinden ohne Angabe",
        "Gemeinden des Gebiets, für die die Zahl der Menschen unbekannt ist",
    ),
    "population_basis": Column("Bevölkerungsgrundlage", "Wo die Menschen gezählt sind", width=26),
}
"""The columns as people read them. `decimals` is what any file keeps."""

_OF_NAMED: Final[Mapping[str, Column]] = {
    **COLUMNS,
    "places_per_10k": replace(
        COLUMNS["places_per_10k"],
        label="Orte je 10.000 Menschen",
        meaning="Orte geteilt durch gezählte Menschen, mal 10.000, ohne die Orte von Gemeinden"
        " ohne Angabe",
    ),
}

WORDS: Final[Mapping[object, str]] = {
    "gemeinde": "Gemeinde",
    "verbandsgemeinde": "Verbandsgemeinde",
    "kreis": "Kreis",
    "land": "Land",
    "seat_points": "Sitzpunkte der Gemeinden",
    "grid_1km": "Zensus-Gitter 1 km",
    "grid_100m": "Zensus-Gitter 100 m",
    "figures": "Geladene Zahlen, verteilt wie die Bevölkerung",
    "gap": "Lücke",
    "no_gap": "keine Lücke",
    "uncertain": "zu unsicher",
    "too_small": "zu klein",
    "unknown": "unbekannt",
}


def columns_of(coverage: Coverage) -> Mapping[str, Column]:
    """Return the columns as people read them: of a loaded demand it is not inhabitants."""
    is_demand = bool((coverage["population_basis"] == "figures").any())
    return _OF_NAMED if is_demand else COLUMNS


def round_figures(coverage: Coverage) -> Coverage:
    """Return the figures with as many decimals as files keep: rounded twice is rounded once.

    What shows figures beside a file takes them from here, so that both say the same.
    """
    rounded = {
        name: coverage[name].to_numpy().round(COLUMNS[name].decimals)
        if dtype == "float64"
        else coverage[name].array
        for name, dtype in COVERAGE_COLUMNS.items()
    }
    return check_coverage(pd.DataFrame(rounded))


def plain_rows(
    rounded: pd.DataFrame, names: Iterable[str] = tuple(COVERAGE_COLUMNS)
) -> list[list[Any]]:
    """Return rows of str, int, float, bool or None; whole numbers without a decimal part."""
    columns = [
        [
            None if missing else _plain(value)
            for value, missing in zip(column, column.isna(), strict=True)
        ]
        for column in (rounded[name].astype(object) for name in names)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def method_lines(notes: Notes, columns: Mapping[str, Column]) -> list[tuple[str, str]]:
    """Return what the figures were made with, and what each column means."""
    return [
        ("Stand", f"{notes.today:%d.%m.%Y}, Datenstand Nr. {notes.revision}"),
        *notes.method.items(),
        *((column.label, column.meaning) for column in columns.values()),
    ]


def method_text(notes: Notes) -> str:
    """Return what the figures were made with, on one line."""
    parts = {"Datenstand": str(notes.revision), **notes.method}
    return " | ".join(f"{label}: {text}" for label, text in parts.items())
