"""What a service answered -> hits, each no finer than what its class and street prove."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from geo_service.names import fold
from geo_service.schema import FINE_PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geopy.location import Location

    from geo_service.schema import Address, Precision


@dataclass(frozen=True, slots=True)
class Hit:
    """What a service answered, as far as it proves a point.

    `precision` is what the hit's class allows; `streets` are the names that stand for its
    street or square; `ags` is the municipality the point lies in, where that can be told.
    """

    lon: float
    lat: float
    label: str
    precision: Precision
    streets: tuple[str, ...] = ()
    house_number: str = ""
    postcode: str = ""
    ags: str | None = None


_AREA_TYPES: Final = (
    *("county", "state", "state_district", "region", "province", "country", "continent"),
    *("island", "archipelago", "ocean", "sea"),
)
_TOWN_TYPES: Final = ("city", "town", "municipality")
_LOCALITY_TYPES: Final = (
    *("village", "hamlet", "suburb", "quarter", "neighbourhood", "borough", "district"),
    *("city_district", "subdivision", "isolated_dwelling", "farm", "allotments"),
    *("locality", "city_block", "croft", "residential", "industrial", "commercial"),
)
_STREET_TYPES: Final = (
    *("road", "highway", "street", "square", "pedestrian", "footway", "path", "cycleway"),
    *("living_street", "service", "track", "steps", "bridleway"),
)
_PRECISION_OF_TYPE: Final[Mapping[str, Precision | None]] = {
    **dict.fromkeys(_AREA_TYPES),
    **dict.fromkeys(_TOWN_TYPES, "municipality"),
    **dict.fromkeys(_LOCALITY_TYPES, "locality"),
    **dict.fromkeys(("postcode", "postal_code", "postalcode"), "postcode"),
    **dict.fromkeys(_STREET_TYPES, "street"),
}
"""The precision that a place type of OpenStreetMap allows; None: an area too large."""


def read_hit(service: str, location: Location) -> Hit | None:
    """Read what `service` answered; None where its class proves no point.

    Of a service whose classes we do not know a point proves no more than the town.
    """
    read = _READERS.get(service)
    return read(location) if read else _hit(location, "municipality")


def _hit(
    location: Location,
    precision: Precision,
    streets: tuple[str, ...] = (),
    house_number: Any = None,
    postcode: Any = None,
) -> Hit:
    return Hit(
        location.longitude,
        location.latitude,
        location.address,
        precision,
        streets,
        str(house_number or ""),
        str(postcode or ""),
    )


def _texts(fields: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(str(fields[name]) for name in names if fields.get(name))


# ----------------------------------------------------------------------------- services


_NOMINATIM_STREETS: Final = ("road", "pedestrian", "square", "footway", "path", "place", "street")


def _read_nominatim(location: Location) -> Hit | None:
    raw = location.raw
    parts = raw.get("address") or {}
    main = str(raw.get("class") or raw.get("category") or "")
    kind = str(raw.get("addresstype") or raw.get("type") or "")
    rank = raw.get("place_rank") if isinstance(raw.get("place_rank"), int) else None
    precision: Precision | None = "street"
    if main != "highway":
        known = kind in _PRECISION_OF_TYPE
        precision = _PRECISION_OF_TYPE[kind] if known else _precision_of_rank(rank or 0)
    is_thing = main not in {"highway", "boundary", "landuse"} and precision in {
        "street",
        "locality",
    }
    if parts.get("house_number") and is_thing and (30 if rank is None else rank) >= 28:
        precision = "address"
    if precision is None:
        return None
    streets = _texts(parts, *_NOMINATIM_STREETS)
    if main == "highway":
        streets += _texts(raw, "name")
    return _hit(location, precision, streets, parts.get("house_number"), parts.get("postcode"))


def _precision_of_rank(rank: int) -> Precision | None:
    """Return the precision of Nominatim's `place_rank`.

    Source: https://nominatim.org/release-docs/latest/customize/Ranking
    """
    if rank <= 12:
        return None
    if rank <= 16:
        return "municipality"
    return "locality" if rank <= 25 else "street"


_SMALL_PLACES: Final = frozenset({"village", "hamlet", "suburb", "quarter", "neighbourhood"})


def _read_photon(location: Location) -> Hit | None:
    fields = location.raw["properties"]
    kind = str(fields.get("type") or "")
    value = str(fields.get("osm_value") or "")
    if not kind:  # before Photon 0.4 the answer has only the OSM tags
        kind = "street" if fields.get("osm_key") == "highway" else value
    precision = _PRECISION_OF_TYPE.get(
        value if kind == "city" and value in _SMALL_PLACES else kind,
        "street" if fields.get("street") else "municipality",
    )
    if precision is None:
        return None
    if fields.get("housenumber") and kind in {"house", "other", value}:
        precision = "address"
    streets = _texts(fields, "name" if kind == "street" else "street")
    return _hit(location, precision, streets, fields.get("housenumber"), fields.get("postcode"))


_PELIAS_LAYERS: Final[Mapping[str, Precision]] = {
    "address": "address",
    "venue": "address",
    "street": "street",
    "intersection": "street",
    "postalcode": "postcode",
    "neighbourhood": "locality",
    "borough": "locality",
    "localadmin": "municipality",
    "locality": "municipality",
}


def _read_pelias(location: Location) -> Hit | None:
    fields = location.raw["properties"]
    precision = _PELIAS_LAYERS.get(str(fields.get("layer") or ""))
    if precision is None:
        return None
    streets = _texts(fields, "street") or _texts(fields, "name")
    return _hit(location, precision, streets, fields.get("housenumber"), fields.get("postalcode"))


_READERS: Final[Mapping[str, Callable[[Location], Hit | None]]] = {
    "nominatim": _read_nominatim,
    "photon": _read_photon,
    "pelias": _read_pelias,
}


# -------------------------------------------------------------------------------- proof


def prove(hit: Hit, address: Address) -> Hit | None:
    """Lower a hit to what it proves about `address`; None where it is another street."""
    if hit.precision not in FINE_PRECISIONS or address.street is None:
        return hit
    if not hit.streets:
        return replace(hit, precision="locality")
    if not any(_is_street(address.street, name) for name in hit.streets):
        return None
    asked = _numbers(address.house_number or "")
    if not asked or not asked & _numbers(hit.house_number):
        return replace(hit, precision="street")
    return hit


def _is_street(stated: str, name: str) -> bool:
    """Say whether both are one street: "Friedr.-Ebert-Str." is "Friedrich-Ebert-Straße".

    Only what is abbreviated with a dot may go on; Berg is not Bergweg.
    """
    wanted, words = _street_key(name), []
    for word in re.findall(r"[^\W_]+\.?", stated):
        folded = {"st.": "sankt"}.get(word.casefold(), fold(word))
        abbreviated = word.endswith(".") and not folded.endswith(("str", "sankt"))
        words.append(re.escape(folded) + ("[a-z]*" if abbreviated else ""))
    pattern = re.sub(r"(?:strasse|str)$", "str", "".join(words))
    return _street_key(stated) == wanted or re.fullmatch(pattern, wanted) is not None


def _street_key(street: str) -> str:
    """Fold a street name; "Str." and "Straße" are one."""
    return re.sub(r"(?:strasse|str)$", "str", fold(street).replace(" ", ""))


def _numbers(house_number: str) -> frozenset[str]:
    """Return the house numbers a text names: "10-12" are 10 and 12, "10 a" is 10a."""
    parts = re.split(r"[-–,;/+]", house_number)
    return frozenset(fold(part).replace(" ", "") for part in parts if part.strip())
