"""The Land: boundaries, figures and names, which every snapshot shares."""

from __future__ import annotations

import csv
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from geo_service import gazetteer as gazetteers
from geo_service import municipalities as territories
from geo_service import population as populations
from geo_service.coverage import Ground
from geo_service.errors import FileFormatError
from geo_service.schema import LEVELS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from geo_service.schema import Areas, Level, Municipalities, Population


class _AreasByLevel(Mapping["Level", "Areas"]):
    """The areas of each level, merged when first asked for."""

    def __init__(self, municipalities: Municipalities) -> None:
        self._municipalities = municipalities
        self._built: dict[Level, Areas] = {}
        self._lock = threading.Lock()

    def __getitem__(self, level: Level) -> Areas:
        if level not in LEVELS:
            raise KeyError(level)
        with self._lock:
            if level not in self._built:
                self._built[level] = territories.build_areas(self._municipalities, level)
            return self._built[level]

    def __iter__(self) -> Any:
        return iter(LEVELS)

    def __len__(self) -> int:
        return len(LEVELS)


@dataclass(frozen=True, eq=False)
class Territory:
    """The Land: read-only input that every snapshot shares. What is costly is made on demand.

    Parameters
    ----------
    municipalities
        Boundaries and figures (EPSG:4326).
    places
        Names besides the municipalities' own, as `gazetteer.PLACE_COLUMNS`.
    about
        Sources, licences and dates of both, as the build wrote them.
    origin
        The part of `about` that the gazetteer's points carry.
    successors
        Keys that no longer exist, of municipalities (8 digits) and Verbandsgemeinden (9),
        and the present one that each became; where that one took others in and kept its
        key, it is there too, as its own successor.
    boundaries
        Which boundaries these are: ``sha256`` of the file, ``territorial_date`` and
        ``boundary_date``. Two territories of the same ``sha256`` are the same.
    """

    municipalities: Municipalities
    places: pd.DataFrame
    about: Mapping[str, Any] = field(default_factory=dict)
    origin: gazetteers.Origin = gazetteers.REGISTER
    successors: Mapping[str, str] = field(default_factory=dict)
    boundaries: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def areas(self) -> Mapping[Level, Areas]:
        """The areas of each level, sorted by key."""
        return _AreasByLevel(self.municipalities)

    @cached_property
    def index(self) -> territories.MunicipalityIndex:
        """Answers which municipality a point lies in."""
        return territories.MunicipalityIndex(self.municipalities)

    @cached_property
    def gazetteer(self) -> gazetteers.Gazetteer:
        """Finds places by name."""
        return gazetteers.Gazetteer(self.municipalities, self.places, origin=self.origin)

    @cached_property
    def seats(self) -> Population:
        """Where people count while no population grid is loaded."""
        return populations.seat_population(self.municipalities)

    @cached_property
    def ground(self) -> Ground:
        """The municipalities made ready for measuring coverage."""
        return Ground(self.municipalities)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees (EPSG:4326)."""
        west, south, east, north = (float(edge) for edge in self.municipalities.total_bounds)
        return west, south, east, north

    @cached_property
    def source_notes(self) -> tuple[str, ...]:
        """The notes that the licences of boundaries and figures ask for, each once."""
        return tuple(dict.fromkeys(_notes(self.about)))


def _notes(about: Mapping[str, Any]) -> list[str]:
    """Return every ``source_note`` in `about`, the outer ones first."""
    own = [str(about["source_note"])] if about.get("source_note") else []
    parts = [part for part in about.values() if isinstance(part, Mapping)]
    return own + [note for part in parts for note in _notes(part)]


def load_territory(data_dir: Path) -> Territory:
    """Load the Land from ``data/gemeinden/``.

    Raises
    ------
    FileFormatError
        If a file is missing or is not what ``scripts/build_gemeinden.py`` writes.
    """
    folder = data_dir / "gemeinden"
    about_file = folder / "gemeinden.json"
    try:
        about = json.loads(about_file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{about_file}: expected JSON, got {error}") from error
    boundary_file = folder / "gemeinden.gpkg"
    return Territory(
        territories.load_municipalities(boundary_file),
        gazetteers.load_places(folder / "orte.csv"),
        about,
        gazetteers.load_origin(about_file),
        _load_successors(folder / "schluessel.csv"),
        _identify(boundary_file, about),
    )


def _identify(boundary_file: Path, about: Mapping[str, Any]) -> dict[str, str]:
    """Say which boundaries these are: what the file holds, and the dates the build gave."""
    dates = {name: str(about.get(name, "")) for name in ("territorial_date", "boundary_date")}
    return {"sha256": hashlib.sha256(boundary_file.read_bytes()).hexdigest(), **dates}


def _load_successors(path: Path) -> dict[str, str]:
    """Read what became of former keys; of a former Verbandsgemeinde only where it is one.

    An area that took others in and kept its key is among its own parts.

    Without the file there are none.

    Raises
    ------
    FileFormatError
        If the file has not its columns.
    """
    became: dict[str, set[str]] = {}
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                became.setdefault(row["alter_ags"], set()).add(row["neuer_ags"])
                became.setdefault(row["alter_ars"][:9], set()).add(row["neuer_ars"][:9])
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(f"{path}: expected keys and their successors, got {error}") from error
    present = {key for keys in became.values() for key in keys}
    former = {
        old: next(iter(new)) for old, new in became.items() if len(new) == 1 and old not in present
    }
    grown = {key for key in former.values() if became.get(key) == {key}}
    return former | {key: key for key in grown}
