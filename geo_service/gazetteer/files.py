"""Read what the gazetteer is built from besides the municipalities: `data/gemeinden/`."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from geo_service.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLACE_COLUMNS: Final[Mapping[str, str]] = {
    "id": "str",
    "name": "str",
    "kind": "str",
    "ags": "str",
    "lon": "float64",
    "lat": "float64",
    "population": "float64",
    "names": "str",
    "source": "str",
    "licence": "str",
}
"""Places besides the municipalities: column -> dtype. `kind` is ``seat`` (a municipality's
main place), ``ortsteil`` or ``former_municipality``; `names` are other spellings and scripts
joined by ``;``; `lon`/`lat` are degrees (EPSG:4326) inside the municipality `ags`."""

_KINDS: Final = frozenset({"seat", "ortsteil", "former_municipality"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the municipalities' names and points come from, and as of when.

    `surface_source` and `surface_licence` are those of a point that is not the register's
    centre point but was put on the municipality's surface.
    """

    source: str
    licence: str
    date: dt.date
    surface_source: str
    surface_licence: str


REGISTER: Final = Origin(
    "Gemeindeverzeichnis (Destatis)",
    "dl-de/by-2-0 (https://www.govdata.de/dl-de/by-2-0)",
    dt.date(2025, 8, 31),
    "VG250 (BKG), Punkt auf der Gemeindefläche",
    "GeoNutzV (https://www.gesetze-im-internet.de/geonutzv/)",
)
"""Origin of the shipped `data/gemeinden/`; the date is its territorial state."""


def load_places(path: Path) -> pd.DataFrame:
    """Read the place names besides the municipalities (columns: `PLACE_COLUMNS`).

    Raises
    ------
    FileFormatError
        If the file is not there or not of that form.
    """
    try:
        places = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise FileFormatError(f"{path.name}: expected a readable CSV file, got {error}") from error
    missing = [name for name in PLACE_COLUMNS if name not in places.columns]
    if missing:
        raise FileFormatError(
            f"{path.name}: expected columns {list(PLACE_COLUMNS)}, got none named {missing}"
        )
    unknown = sorted(set(places["kind"]) - _KINDS)
    if unknown:
        raise FileFormatError(f"{path.name}, kind: expected {sorted(_KINDS)}, got {unknown}")
    for column in ("lon", "lat", "population"):
        places[column] = pd.to_numeric(places[column], errors="coerce").astype("float64")
    if bool(places[["lon", "lat"]].isna().any(axis=None)):
        raise FileFormatError(f"{path.name}: expected degrees in lon and lat of every row")
    return places


def load_origin(path: Path) -> Origin:
    """Read licences and territorial date from the metadata `gemeinden.json`.

    Raises
    ------
    FileFormatError
        If the file is not there or lacks one of them.
    """
    try:
        metadata = json.loads(path.read_text("utf-8"))
        return Origin(
            REGISTER.source,
            str(metadata["figures"]["licence"]),
            dt.date.fromisoformat(metadata["territorial_date"]),
            REGISTER.surface_source,
            str(metadata["licence"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path.name}: expected licence, figures.licence and territorial_date, got {error!r}"
        ) from error
