"""The names of the Land, each under its key: municipalities, places in them, areas."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from geo_service.gazetteer.match import OTHER_SPELLING, SHORT_NAME, Match, Place, Unit
from geo_service.gazetteer.spelling import (
    addition_key,
    kreis_base,
    kreis_label,
    means_free_town,
    place_key,
    short_keys,
    vg_key,
)
from geo_service.names import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.gazetteer.files import Origin
    from geo_service.schema import Municipalities


class Index:
    """What stands under which key.

    `seats` are the municipalities by AGS, and by the postal code of their administration in
    `by_postcode`; `names` are official names, with and without their addition, `aliases`
    other spellings and scripts; `within` are the Ortsteile of each municipality (AGS);
    `free_kreise` are the keys of the kreisfreie Städte.
    """

    def __init__(
        self, municipalities: Municipalities, places: pd.DataFrame | None, origin: Origin
    ) -> None:
        self.seats: dict[str, Place] = {}
        self.by_postcode: dict[str, list[Place]] = defaultdict(list)
        self.names: dict[str, tuple[Match, ...]] = {}
        self.aliases: dict[str, tuple[Match, ...]] = {}
        self.within: dict[str, dict[str, Match]] = defaultdict(dict)
        self.free_kreise: set[str] = set()
        self._kreise: dict[str, set[str]] = defaultdict(set)
        self._vgs: dict[str, set[str]] = defaultdict(set)
        self.kreis_keys = lru_cache(maxsize=4_096)(self._find_kreise)
        for row in municipalities.drop(columns="geometry").to_dict("records"):
            self._add_municipality(row, origin)
        for row in places.to_dict("records") if places is not None else ():
            self._add_place(row)

    def named(self, key: str) -> tuple[Match, ...]:
        """Return the places of that name, else those with that other spelling."""
        return self.names.get(key) or self.aliases.get(key, ())

    def vg_keys(self, text: str) -> frozenset[str]:
        """Return the keys of the Verbandsgemeinden that `text` means; empty if none."""
        return frozenset(self._vgs.get(vg_key(text), ()))

    def is_area(self, text: str) -> bool:
        """Say whether `text` names a Kreis or a Verbandsgemeinde."""
        return place_key(kreis_base(text)) in self._kreise or place_key(text) in self._vgs

    def _find_kreise(self, text: str) -> frozenset[str]:
        """Return the keys of the Kreise that `text` may mean; empty if it means none."""
        base = place_key(kreis_base(text))
        found = self._kreise.get(base)
        if not found:
            near = process.extract(
                base, list(self._kreise), scorer=OSA.distance, score_cutoff=len(base) // 8, limit=3
            )
            found = set().union(*(self._kreise[name] for name, *_ in near))
        is_free = means_free_town(text)
        if is_free is None:
            return frozenset(found)
        wanted = found & self.free_kreise if is_free else found - self.free_kreise
        return frozenset(wanted or found)

    # ------------------------------------------------------------------- building it

    def _add_municipality(self, row: Mapping[Any, Any], origin: Origin) -> None:
        free = "kreisfrei" in fold(f"{row['designation']} {row['kreis']}")
        unit = _unit(row, free=free)
        seat = self.seats[unit.ags] = _seat(row, unit, origin)
        if unit.postcode:
            self.by_postcode[unit.postcode].append(seat)
        _add(self.names, place_key(seat.name), Match(seat, 1.0, official=True))
        for key in short_keys(seat.name):
            _add(self.names, key, Match(seat, SHORT_NAME))
        base = kreis_base(row["kreis"])
        for key in {place_key(base), *short_keys(base)}:
            self._kreise[key].add(unit.kreis_key)
        if free:
            self.free_kreise.add(unit.kreis_key)
        if unit.vg:
            for key in {place_key(unit.vg), *short_keys(unit.vg)}:
                self._vgs[key].add(unit.vg_key)

    def _add_place(self, row: Mapping[Any, Any]) -> None:
        """Add a row of `PLACE_COLUMNS`; one outside the municipalities is left out."""
        seat = self.seats.get(row["ags"])
        if seat is None:
            return
        if row["kind"] == "seat":
            match = Match(seat, OTHER_SPELLING)
            _add(self.aliases, place_key(row["name"]), match)
        else:
            match = Match(_ortsteil(row, seat.unit), OTHER_SPELLING)
            for key, score in _ortsteil_keys(row["name"], seat.name).items():
                stated = replace(match, score=score, official=score == 1.0)
                _add(self.names, key, stated)
                self.within[seat.unit.ags].setdefault(key, stated)
        for name in str(row["names"] or "").split(";"):
            if (key := place_key(name)) != addition_key(seat.name):
                _add(self.aliases, key, match)


def _add(index: dict[str, tuple[Match, ...]], key: str, match: Match) -> None:
    """Add a match under its key; one place stands there once."""
    if key and all(other.place != match.place for other in index.get(key, ())):
        index[key] = (*index.get(key, ()), match)


def _unit(row: Mapping[Any, Any], *, free: bool) -> Unit:
    return Unit(
        row["ags"],
        row["name"],
        row["kreis_key"],
        kreis_label(row["kreis"], free=free),
        row["verbandsgemeinde_key"],
        _text(row["verbandsgemeinde"]),
        _text(row["postcode"]),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seat(row: Mapping[Any, Any], unit: Unit, origin: Origin) -> Place:
    official = row["seat_source"] == "official"
    return Place(
        unit.name,
        unit,
        "municipality",
        row["seat_lon"],
        row["seat_lat"],
        origin.source if official else origin.surface_source,
        origin.licence if official else origin.surface_licence,
        float(row["population"]),
    )


def _ortsteil(row: Mapping[Any, Any], unit: Unit) -> Place:
    return Place(
        row["name"],
        unit,
        "locality",
        float(row["lon"]),
        float(row["lat"]),
        row["source"],
        row["licence"],
        0.0 if pd.isna(row["population"]) else float(row["population"]),
    )


def _ortsteil_keys(name: str, municipality: str) -> dict[str, float]:
    """Return the keys of an Ortsteil and their scores: "Mainz-Mombach" is also "Mombach"."""
    key, outer = place_key(name), place_key(municipality)
    keys = dict.fromkeys(short_keys(name), SHORT_NAME)
    if key.startswith(outer) and len(key) > len(outer) + 3:
        keys[key.removeprefix(outer)] = 1.0
    return {**keys, key: 1.0}
