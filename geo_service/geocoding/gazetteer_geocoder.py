"""The offline gazetteer as a geopy geocoder."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Protocol

from geopy.adapters import BaseSyncAdapter
from geopy.exc import GeocoderUnavailable
from geopy.geocoders.base import DEFAULT_SENTINEL, Geocoder
from geopy.location import Location

from geo_service.names import fold
from geo_service.schema import Address, Ambiguous, Found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.schema import Candidate, GeocodeResult


class PlaceFinder(Protocol):
    """The gazetteer, as far as geocoding needs it."""

    def find(self, address: Address) -> GeocodeResult:
        """Find the point of the Ort or municipality of `address`."""

    def municipality_candidates(self, address: Address) -> frozenset[str]:
        """Return the AGS the stated municipality may mean."""


class _NoAdapter(BaseSyncAdapter):  # type: ignore[misc]
    """Stands where geopy wants an HTTP client: the gazetteer never makes a request."""

    def get_text(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> str:
        raise GeocoderUnavailable("the gazetteer works offline")

    get_json = get_text


class GazetteerGeocoder(Geocoder):  # type: ignore[misc]
    """The offline gazetteer as a geopy geocoder.

    `Location.raw` is ``{"status": …, "result": …}``: the typed result of the look-up, and for
    one of several candidates also ``"candidate"``.
    """

    def __init__(self, gazetteer: PlaceFinder) -> None:
        super().__init__(adapter_factory=_NoAdapter)
        self.gazetteer = gazetteer

    def geocode(
        self,
        query: str | Mapping[str, str],
        *,
        exactly_one: bool = True,
        timeout: Any = DEFAULT_SENTINEL,
    ) -> Location | list[Location] | None:
        """Find a place of the Land.

        Parameters
        ----------
        query
            "Ehrang, Trier", "55116 Mainz", "Bauler, Kreis Ahrweiler", or a mapping with the
            fields of `Address` or Nominatim's (street, city, county, postalcode).
        exactly_one
            Return one location, or None where the place is unknown or ambiguous: it never
            guesses. False: a list of all candidates, or None.
        timeout
            Not used; here because geopy passes it.
        """
        del timeout
        result = self.gazetteer.find(_parse_query(query))
        if isinstance(result, Found):
            location = _location(result, {"status": "found", "result": result})
            return location if exactly_one else [location]
        if isinstance(result, Ambiguous) and not exactly_one:
            return [
                _location(one, {"status": "ambiguous", "result": result, "candidate": one})
                for one in result.candidates
            ]
        return None


def _location(point: Found | Candidate, raw: dict[str, Any]) -> Location:
    return Location(point.label, (point.lat, point.lon), raw)


# -------------------------------------------------------------------- what is asked for

_PARTS: Final = tuple(part.name for part in fields(Address))
_COUNTRY: Final = frozenset({"deutschland", "germany", "de", "rheinland pfalz", "rlp"})
_STREET_END: Final = ("str", "strasse", "weg", "platz", "gasse", "allee", "ring", "ufer", "markt")


def _parse_query(query: str | Mapping[str, str]) -> Address:
    if not isinstance(query, str):
        stated = {**query}
        stated.setdefault("postcode", stated.pop("postalcode", ""))
        stated.setdefault("kreis", stated.pop("county", ""))
        return Address(**{part: stated[part] for part in _PARTS if stated.get(part)})
    found: dict[str, str] = {}
    names: list[str] = []
    for part in filter(None, (part.strip() for part in query.split(","))):
        plain = re.sub(r"\b\d{5}\b", "", part).strip()
        if plain != part:
            found["postcode"] = re.findall(r"\b\d{5}\b", part)[0]
        kind = _part_kind(plain)
        if kind == "name":
            names.append(plain)
        elif kind:
            found[kind] = plain
    keys = ("city", "municipality") if len(names) > 1 else ("city",)
    return Address(**{**found, **dict(zip(keys, names, strict=False))})


def _part_kind(part: str) -> str:
    """Say what a part of a one-line address is; empty for what says nothing."""
    folded = fold(part)
    if not folded or folded in _COUNTRY:
        return ""
    if folded.startswith(("kreis ", "landkreis ", "lk ")) or folded.endswith("kreis"):
        return "kreis"
    if folded.startswith(("vg ", "verbandsgemeinde ")):
        return "verbandsgemeinde"
    words = folded.rstrip(" 0123456789abcdefgh")
    is_street = any(letter.isdigit() for letter in folded) or words.endswith(_STREET_END)
    return "street" if is_street else "name"
