"""A list of rooms that a planner brings: rows of a CSV file to candidates, nothing kept."""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from geo_service.coverage.terrain import to_metres
from geo_service.errors import FileFormatError
from geo_service.formats import german_number
from geo_service.names import fold, latin_digits
from geo_service.reading import Limits, read_records
from geo_service.siting import Candidates
from geo_service.web.planning.query import CONTROL, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from geo_service.snapshot import Territory
    from geo_service.web.search import Located

__all__ = ["MAX_BYTES", "MAX_ROWS", "SECONDS", "Halls", "read_halls"]

MAX_BYTES: Final = 1_000_000
MAX_ROWS: Final = 2_000
_LIMITS: Final = Limits(
    file_bytes=MAX_BYTES, rows=100_000, columns=40, cells=500_000, cell_chars=2_000, seconds=5
)
SECONDS: Final = 3.0
"""How long the towns of a list are looked for; rows with lon and lat take next to nothing."""
_TOO_LONG: Final = "die Orte zu suchen dauert zu lange; mit lon und lat geht es sofort"
_MAX_PLACE: Final = 80
_MAX_NAME: Final = 120
_MAX_SHOWN: Final = 60
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "bezeichnung", "raum", "halle", "ort des treffens", "gebäude"),
    "lon": ("lon", "lng", "long", "longitude", "länge", "laenge", "längengrad", "x"),
    "lat": ("lat", "latitude", "breite", "breitengrad", "y"),
    "town": ("ort", "gemeinde", "stadt", "city"),
    "postcode": ("plz", "postleitzahl", "postcode"),
}
"""Headings that are understood, in any spelling."""

_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of what follows them."""
_EXPECTED: Final = (
    "eine CSV-Datei mit den Spalten name, lon, lat (Grad, WGS 84) oder name, ort, plz"
)


@dataclass(frozen=True, slots=True, eq=False)
class Halls:
    """The rooms of a list that can be candidates; `refused` says which cannot, and why.

    `left_out` counts those that could, but that the question leaves out. `spots` are longitude
    and latitude (EPSG:4326) by id. `text` is the list again, as CSV, so that a page can carry
    it.
    """

    candidates: Candidates
    spots: Mapping[str, tuple[float, float]]
    refused: tuple[str, ...]
    text: str
    left_out: int = 0

    def asked_for(self, inside: Collection[str] | None, excluded: Collection[str]) -> Halls:
        """Return the same list, with a word on each room that a question leaves out.

        Parameters
        ----------
        inside
            The municipalities that new places can be in; None: all.
        excluded
            Those that get none.
        """
        told = []
        for label, ags in zip(self.candidates.labels, self.candidates.ags, strict=True):
            if inside is not None and ags not in inside:
                told.append(f"{label}: liegt nicht im gewählten Gebiet")
            elif ags in excluded:
                told.append(f"{label}: liegt in einer ausgeschlossenen Gemeinde")
        return replace(self, refused=(*self.refused, *told), left_out=len(told))

    @property
    def usable(self) -> str:
        """Say how many rooms are candidates, and of how many, where some are left out."""
        count = len(self.spots)
        if self.left_out:
            return f"{german_number(count - self.left_out)} von {german_number(count)} Räumen"
        return "1 Raum" if count == 1 else f"{german_number(count)} Räume"


def read_halls(
    content: bytes, territory: Territory, *, locate: Callable[[str], Located], name: str = "datei"
) -> Halls:
    """Read a CSV list of rooms in a process of its own; a row that cannot be meant is told.

    Parameters
    ----------
    content
        The file.
    territory
        The Land; a room must stand in it.
    locate
        Finds the middle of a town by its name and postal code.
    name
        The parameter that errors name.

    Raises
    ------
    AddressError
        If the file cannot be read, lacks columns, or has no usable row.
    """
    lines, rows = _rows_of(content, name)
    columns = _columns(rows[0], name)
    found: list[tuple[str, float, float]] = []
    refused = []
    locate, ends_at = cache(locate), time.monotonic() + SECONDS
    for line, row in zip(lines[1:], rows[1:], strict=True):
        if time.monotonic() > ends_at:
            refused.append(f"ab Zeile {line}: nicht gelesen, {_TOO_LONG}")
            break
        cells = {key: row[at].strip() if at < len(row) else "" for key, at in columns.items()}
        spot = _spot(cells, locate)
        if isinstance(spot, str):
            refused.append(f"Zeile {line}: {spot}")
        else:
            found.append((_label(cells, line), *spot))
    kept, outside = _in_land(found, territory)
    refused += [f"{label}: liegt nicht im Land" for label in outside]
    if not kept:
        why = f"; {refused[0]}" if refused else ""
        raise refuse(name, f"mindestens eine Zeile mit einem Raum im Land{why}", "keine")
    return _halls(kept, tuple(refused))


def _rows_of(content: bytes, name: str) -> tuple[Sequence[int], Sequence[Sequence[str]]]:
    if len(content) > MAX_BYTES:
        raise refuse(name, "eine Datei bis 1 MB", "eine größere")
    if not content.strip():
        raise refuse(name, _EXPECTED, "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "liste.csv"
        path.write_bytes(content)
        try:
            table = read_records(path, limits=_LIMITS)
        except FileFormatError:
            raise refuse(name, _EXPECTED, "eine Datei, die so nicht zu lesen ist") from None
    count = len(table.rows) - 1
    if not 1 <= count <= MAX_ROWS:
        expected = f"1 bis {german_number(MAX_ROWS)} Zeilen unter den Überschriften"
        raise refuse(name, f"{_EXPECTED}, mit {expected}", german_number(max(count, 0)))
    return table.lines, table.rows


def _columns(heading: Sequence[str], name: str) -> Mapping[str, int]:
    folded = [fold(cell) for cell in heading]
    known = {
        key: next((folded.index(fold(one)) for one in names if fold(one) in folded), -1)
        for key, names in _COLUMNS.items()
    }
    found = {key: at for key, at in known.items() if at >= 0}
    if not {"lon", "lat"} <= set(found) and not {"town", "postcode"} & set(found):
        raise refuse(name, _EXPECTED, ", ".join(heading))
    return found


def _spot(cells: Mapping[str, str], locate: Callable[[str], Located]) -> tuple[float, float] | str:
    """Return longitude and latitude, or what was expected and what came."""
    lon, lat = cells.get("lon", ""), cells.get("lat", "")
    if lon or lat:
        point = _degrees(lon, -180, 180), _degrees(lat, -90, 90)
        if point[0] is None or point[1] is None:
            came = _shown(f"{lon}, {lat}")
            return (
                f"Erwartet werden Länge und Breite in Grad wie 7,59 und 50,36; gekommen ist {came}"
            )
        return point[0], point[1]
    text = " ".join(filter(None, (cells.get("postcode", ""), cells.get("town", ""))))
    if not text:
        return "Erwartet werden lon und lat, oder ort oder plz; gekommen ist nichts"
    located = locate(text[:_MAX_PLACE])
    guessed = located.remark == "read_as"
    if located.spot is None or guessed:
        names = (located.spot.label,) if located.spot else located.options[:3]
        options = "; ".join(names)
        hint = f" (gemeint sein kann: {options})" if options else ""
        return f"Erwartet wird ein Ort des Landes{hint}; gekommen ist {_shown(text)}"
    return located.spot.lon, located.spot.lat


def _degrees(text: str, least: float, most: float) -> float | None:
    plain = latin_digits(text).replace(",", ".")
    if len(plain) > 30:
        return None
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if least <= value <= most else None


def _label(cells: Mapping[str, str], line: int) -> str:
    own = _plain(cells.get("name", ""))[:_MAX_NAME]
    return own or _plain(cells.get("town", ""))[:_MAX_NAME] or f"Zeile {line}"


def _plain(text: str) -> str:
    return " ".join(_BIDI.sub("", CONTROL.sub(" ", text)).split())


def _shown(text: str) -> str:
    return f"„{_plain(text)[:_MAX_SHOWN]}“"


def _in_land(
    found: Sequence[tuple[str, float, float]], territory: Territory
) -> tuple[list[tuple[str, float, float, str]], list[str]]:
    lon = np.array([one[1] for one in found], dtype=np.float64)
    lat = np.array([one[2] for one in found], dtype=np.float64)
    keys = territory.index.find(lon, lat)
    kept, outside = [], []
    for one, ags in zip(found, keys, strict=True):
        if isinstance(ags, str):
            kept.append((*one, ags))
        else:
            outside.append(one[0])
    return kept, outside


def _halls(kept: Sequence[tuple[str, float, float, str]], refused: tuple[str, ...]) -> Halls:
    ids = tuple(f"raum-{number:04d}" for number in range(1, len(kept) + 1))
    names, lon, lat, ags = zip(*kept, strict=True)
    xy_m = to_metres(np.array(lon, dtype=np.float64), np.array(lat, dtype=np.float64))
    spots = dict(zip(ids, zip(lon, lat, strict=True), strict=True))
    lines = ["name;lon;lat", *(_csv_line(*one[:3]) for one in kept)]
    return Halls(Candidates(ids, xy_m, names, ags), spots, refused, "\n".join(lines) + "\n")


def _csv_line(name: str, lon: float, lat: float) -> str:
    quoted = name.replace('"', '""')
    return f'"{quoted}";{lon:.6f};{lat:.6f}'
