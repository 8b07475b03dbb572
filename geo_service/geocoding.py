"""Give records their points, each with its proof. The only door for geopy.

The rules are in docs/geocoding.md. Outcomes are typed: an outage is `Failed`, never
`NotFound`, and only `Found` and `NotFound` are cached. Nothing leaves the house unless an
operator names an endpoint and a contact.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import math
import re
import time
import warnings
from dataclasses import asdict, dataclass, field, replace
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from geopy.adapters import AdapterHTTPError, BaseSyncAdapter, get_retry_after
from geopy.distance import great_circle
from geopy.exc import (
    GeocoderNotFound,
    GeocoderParseError,
    GeocoderRateLimited,
    GeocoderTimedOut,
    GeocoderUnavailable,
    GeopyError,
)
from geopy.geocoders import get_geocoder_for_service
from geopy.geocoders.base import DEFAULT_SENTINEL, Geocoder
from geopy.location import Location

from geo_service.errors import GeocodingError
from geo_service.names import fold
from geo_service.schema import (
    FINE_PRECISIONS,
    GEOCODE_COLUMNS,
    INITIATIVE_COLUMNS,
    PRECISIONS,
    WGS84,
    Address,
    Ambiguous,
    Candidate,
    Failed,
    Found,
    NotFound,
    as_columns,
    check_initiatives,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from geo_service.schema import FailureKind, GeocodeResult, Initiatives, Precision, Records

    FindAgs: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.object_]]

__all__ = [
    "FILE_SOURCE",
    "OSM_LICENCE",
    "GazetteerGeocoder",
    "GeocodeCache",
    "OnlineGeocoder",
    "OnlineSettings",
    "PlaceFinder",
    "geocode_records",
    "make_online_geocoder",
]

OSM_LICENCE: Final = "ODbL 1.0 (© OpenStreetMap contributors)"
FILE_SOURCE: Final = "Angabe in der Datei"
FILE_LICENCE: Final = "wie die Quelle des Eintrags"

HIT_DAYS: Final = 180
MISS_DAYS: Final = 30
"""How long the cache keeps a hit and a miss."""

PUBLIC_NOMINATIM: Final = "nominatim.openstreetmap.org"
PUBLIC_FEW: Final = 10
PUBLIC_DELAY_S: Final = 15.0
"""More than a few addresses are a script to the public Nominatim: four requests a minute
(https://operations.osmfoundation.org/policies/nominatim/)."""

SAME_PLACE_M: Final[Mapping[str, float]] = {"address": 250.0, "street": 2_000.0}
"""Hits of that precision farther apart are different places: ambiguous, not the first."""

SCORES: Final[Mapping[Precision, float]] = {
    "address": 0.95,
    "street": 0.8,
    "postcode": 0.5,
    "locality": 0.5,
    "municipality": 0.4,
}
"""Score of an online hit by its precision; half of it outside the stated municipality."""

MAX_ANSWER_BYTES: Final = 2_000_000
_HITS: Final = 5


class PlaceFinder(Protocol):
    """The gazetteer, as far as geocoding needs it."""

    def find(self, address: Address) -> GeocodeResult:
        """Find the point of the Ort or municipality of `address`."""

    def municipality_candidates(self, address: Address) -> frozenset[str]:
        """Return the AGS the stated municipality may mean."""


class GeocodeCache(Protocol):
    """Keeps answers between runs; what has expired is not given out any more."""

    def get(self, key: str) -> str | None:
        """Return the text stored under `key`, or None."""

    def put(self, key: str, text: str, expires_at: dt.datetime) -> None:
        """Store `text` until `expires_at` (UTC)."""


# ------------------------------------------------------------ the gazetteer as a geocoder


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


_ADDRESS_COLUMNS: Final = (
    *("street", "house_number", "postcode", "city"),
    *("municipality", "verbandsgemeinde", "kreis"),
)
_COUNTRY: Final = frozenset({"deutschland", "germany", "de", "rheinland pfalz", "rlp"})
_STREET_END: Final = ("str", "strasse", "weg", "platz", "gasse", "allee", "ring", "ufer", "markt")


def _parse_query(query: str | Mapping[str, str]) -> Address:
    if not isinstance(query, str):
        fields = {**query}
        fields.setdefault("postcode", fields.pop("postalcode", ""))
        fields.setdefault("kreis", fields.pop("county", ""))
        known = [name for name in _ADDRESS_COLUMNS if fields.get(name)]
        return Address(**{name: fields[name] for name in known})
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


# ------------------------------------------------------------------- online: settings


@dataclass(frozen=True, slots=True)
class OnlineSettings:
    """How an online geocoder is asked; only an operator's decision makes one.

    `service` is ``nominatim``, ``photon`` or another geocoder that geopy has by name and that
    takes an endpoint; `endpoint` its http(s) address; `contact` a role mailbox or web address,
    sent in the User-Agent. Delays and waits are in seconds. `bounds` (west, south, east,
    north; degrees) is where hits may lie. `options` go to the geopy class, e.g. ``api_key``.
    """

    service: str
    endpoint: str
    contact: str
    min_delay_s: float = 1.0
    timeout_s: float = 10.0
    attempts: int = 3
    backoff_s: float = 2.0
    longest_wait_s: float = 120.0
    give_up_after: int = 5
    licence: str = OSM_LICENCE
    state: str = "Rheinland-Pfalz"
    country: str = "Deutschland"
    country_code: str = "de"
    bounds: tuple[float, float, float, float] = (5.5, 47.0, 15.5, 55.5)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """Return the endpoint's host name."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def source(self) -> str:
        """Return what a point of this geocoder names as its source."""
        name = {"nominatim": "Nominatim", "photon": "Photon"}.get(self.service, self.service)
        return f"{name} ({self.host})"


def make_online_geocoder(
    settings: OnlineSettings,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> OnlineGeocoder:
    """Set up an online geocoder; no request is made yet.

    Raises
    ------
    GeocodingError
        If endpoint or contact is missing or malformed, or geopy has no such geocoder.
    """
    _check_settings(settings)
    try:
        service = get_geocoder_for_service(settings.service)
    except GeocoderNotFound as error:
        raise GeocodingError(
            f"geocoder: expected a name that geopy knows, got {settings.service!r}"
        ) from error
    if "domain" not in inspect.signature(service.__init__).parameters:
        raise GeocodingError(
            f"geocoder: expected one with an endpoint of its own, got {settings.service!r}"
        )
    parts = urlsplit(settings.endpoint)
    try:
        geocoder = service(
            domain=f"{parts.netloc}{parts.path}".strip("/"),
            scheme=parts.scheme,
            user_agent=f"geo-service ({settings.contact})",
            timeout=settings.timeout_s,
            adapter_factory=_OneRequestAdapter,
            **settings.options,
        )
    except (TypeError, GeopyError) as error:
        raise GeocodingError(f"geocoder {settings.service}: {error}") from error
    return OnlineGeocoder(settings, geocoder, sleep=sleep, clock=clock)


def _check_settings(settings: OnlineSettings) -> None:
    parts = urlsplit(settings.endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise GeocodingError(
            "geocoder endpoint: expected an http(s) address such as"
            f" https://nominatim.example.org, got {settings.endpoint!r}"
        )
    contact = settings.contact.strip()
    is_contact = re.fullmatch(
        r"[\x21-\x7e]+@[\x21-\x7e]+\.[\x21-\x7e]+|https?://[\x21-\x7e]+", contact
    )
    if not is_contact:
        raise GeocodingError(
            "geocoder contact: expected a mailbox or web address that the endpoint's operator"
            f" can reach you by, got {settings.contact!r}"
        )
    positive = ("timeout_s", "attempts", "give_up_after", "longest_wait_s")
    for name in positive:
        if not getattr(settings, name) > 0:
            raise GeocodingError(f"{name}: expected more than 0, got {getattr(settings, name)}")
    for name in ("min_delay_s", "backoff_s"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= 0):
            raise GeocodingError(f"{name}: expected 0 or more seconds, got {value}")


# -------------------------------------------------------------------- online: requests


class _NoRedirect(HTTPRedirectHandler):
    """A geocoder that moved is the operator's decision, not ours."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _OneRequestAdapter(BaseSyncAdapter):  # type: ignore[misc]
    """One request per call, with an end.

    geopy's `RequestsAdapter` repeats a failed connection twice on its own, and neither of its
    adapters bounds the length of an answer or the time a trickling one takes.
    """

    def __init__(self, *, proxies: Mapping[str, str] | None, ssl_context: Any) -> None:
        super().__init__(proxies=proxies, ssl_context=ssl_context)
        self._opener = build_opener(
            ProxyHandler(dict(proxies) if proxies is not None else None),
            HTTPSHandler(context=ssl_context),
            _NoRedirect(),
        )

    def get_json(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> Any:
        text = self.get_text(url, timeout=timeout, headers=headers)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise GeocoderParseError(f"not JSON: {text[:60]!r}") from error

    def get_text(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> str:
        request = Request(url, headers=dict(headers))  # noqa: S310 (scheme is checked)
        deadline = time.monotonic() + timeout
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return _read_text(answer, deadline)
        except HTTPError as error:
            with error:
                names = {name.lower(): value for name, value in error.headers.items()}
                raise AdapterHTTPError(
                    f"HTTP {error.code}", status_code=error.code, headers=names, text=None
                ) from error
        except TimeoutError as error:
            raise GeocoderTimedOut(f"no answer within {timeout:g} s") from error
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise GeocoderTimedOut(f"no answer within {timeout:g} s") from error
            raise GeocoderUnavailable(f"no connection: {reason}") from error


def _read_text(answer: Any, deadline: float) -> str:
    parts, size = [], 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise GeocoderParseError(f"answer longer than {MAX_ANSWER_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    try:
        return b"".join(parts).decode("utf-8")
    except UnicodeDecodeError as error:
        raise GeocoderParseError("answer is not UTF-8") from error


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a request failed. `for_all`: no other address would fare better."""

    kind: FailureKind
    detail: str
    retry_after_s: float | None = None
    for_all: bool = False


def _failure(error: Exception) -> _Failure:
    cause = error.__cause__
    if isinstance(cause, AdapterHTTPError):
        status = cause.status_code
        detail = f"HTTP {status}"
        if 300 <= status < 400:
            detail += f", verweist auf {cause.headers.get('location', '?')[:120]}"
        return _Failure(
            _kind_of_status(status),
            detail,
            get_retry_after(cause.headers),
            for_all=300 <= status < 400 or status in {401, 403, 404, 407},
        )
    if isinstance(error, GeocoderTimedOut):
        return _Failure("timeout", str(error))
    if isinstance(error, GeocoderRateLimited):
        return _Failure("rate_limited", str(error), error.retry_after)
    if isinstance(error, GeocoderUnavailable):
        return _Failure("unavailable", str(error))
    return _Failure("bad_answer", f"{type(error).__name__}: {str(error)[:120]}")


def _kind_of_status(status: int) -> FailureKind:
    if status in {402, 429, 509}:
        return "rate_limited"
    if status in {408, 504}:
        return "timeout"
    return "unavailable" if status >= 500 else "refused"


# ------------------------------------------------------------- online: reading the hits


@dataclass(frozen=True, slots=True)
class _Hit:
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


_LOCALITY_TYPES: Final = frozenset(
    {
        *("village", "hamlet", "suburb", "quarter", "neighbourhood", "borough", "district"),
        *("city_district", "subdivision", "isolated_dwelling", "farm", "allotments"),
        *("locality", "city_block", "croft", "residential", "industrial", "commercial"),
    }
)
_TOWN_TYPES: Final = frozenset({"city", "town", "municipality"})
_AREA_TYPES: Final = frozenset(
    {
        *("county", "state", "state_district", "region", "province", "country", "continent"),
        *("island", "archipelago", "ocean", "sea"),
    }
)
_STREET_TYPES: Final = frozenset(
    {
        *("road", "highway", "street", "square", "pedestrian", "footway", "path", "cycleway"),
        *("living_street", "service", "track", "steps", "bridleway"),
    }
)


def _class_of_type(kind: str) -> Precision | str | None:
    """Return the precision a place type allows, None for larger areas, "" if not listed."""
    if kind in _AREA_TYPES:
        return None
    if kind in _STREET_TYPES:
        return "street"
    if kind in _TOWN_TYPES:
        return "municipality"
    if kind in _LOCALITY_TYPES:
        return "locality"
    return "postcode" if kind in {"postcode", "postal_code", "postalcode"} else ""


def _class_of_rank(rank: Any) -> Precision | None:
    """Return the precision of Nominatim's `place_rank`.

    Source: https://nominatim.org/release-docs/latest/customize/Ranking
    """
    number = rank if isinstance(rank, int) else 0
    if number <= 12:
        return None
    if number <= 16:
        return "municipality"
    return "locality" if number <= 25 else "street"


def _texts(fields: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(fields[name]) for name in names if fields.get(name))


_NOMINATIM_STREETS: Final = ("road", "pedestrian", "square", "footway", "path", "place", "street")


def _read_nominatim(location: Location) -> _Hit | None:
    raw = location.raw
    parts = raw.get("address") or {}
    main = str(raw.get("class") or raw.get("category") or "")
    kind = str(raw.get("addresstype") or raw.get("type") or "")
    precision = "street" if main == "highway" else _class_of_type(kind)
    if precision == "":
        precision = _class_of_rank(raw.get("place_rank"))
    is_thing = main not in {"highway", "boundary", "landuse"} and precision in {
        "street",
        "locality",
    }
    if parts.get("house_number") and is_thing and _rank_of(raw) >= 28:
        precision = "address"
    if precision is None:
        return None
    streets = _texts(parts, _NOMINATIM_STREETS)
    if main == "highway":
        streets += _texts(raw, ("name",))
    return _Hit(
        location.longitude,
        location.latitude,
        location.address,
        _as_precision(precision),
        streets,
        str(parts.get("house_number") or ""),
        str(parts.get("postcode") or ""),
    )


def _rank_of(raw: Mapping[str, Any]) -> int:
    rank = raw.get("place_rank")
    return rank if isinstance(rank, int) else 30


_SMALL_PLACES: Final = frozenset({"village", "hamlet", "suburb", "quarter", "neighbourhood"})


def _read_photon(location: Location) -> _Hit | None:
    fields = location.raw["properties"]
    kind = str(fields.get("type") or "")
    value = str(fields.get("osm_value") or "")
    if not kind:  # before Photon 0.4 the answer has only the OSM tags
        kind = "street" if fields.get("osm_key") == "highway" else value
    precision = _class_of_type(value if kind == "city" and value in _SMALL_PLACES else kind)
    if precision is None:
        return None
    if fields.get("housenumber") and kind in {"house", "other", value}:
        precision = "address"
    if precision == "":
        precision = "street" if fields.get("street") else "municipality"
    streets = _texts(fields, ("name",) if kind == "street" else ("street",))
    return _Hit(
        location.longitude,
        location.latitude,
        location.address,
        _as_precision(precision),
        streets,
        str(fields.get("housenumber") or ""),
        str(fields.get("postcode") or ""),
    )


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


def _read_pelias(location: Location) -> _Hit | None:
    fields = location.raw["properties"]
    precision = _PELIAS_LAYERS.get(str(fields.get("layer") or ""))
    if precision is None:
        return None
    streets = _texts(fields, ("street",)) or _texts(fields, ("name",))
    return _Hit(
        location.longitude,
        location.latitude,
        location.address,
        precision,
        streets,
        str(fields.get("housenumber") or ""),
        str(fields.get("postalcode") or ""),
    )


def _read_other(location: Location) -> _Hit:
    """Read a service whose classes we do not know: its point proves no more than the town."""
    return _Hit(location.longitude, location.latitude, location.address, "municipality")


_READERS: Final[Mapping[str, Callable[[Location], _Hit | None]]] = {
    "nominatim": _read_nominatim,
    "photon": _read_photon,
    "pelias": _read_pelias,
}


def _as_precision(text: str) -> Precision:
    return PRECISIONS[PRECISIONS.index(text)]


def _street_key(street: str) -> str:
    """Fold a street name; "Str." and "Straße" are one."""
    return re.sub(r"(?:strasse|str)$", "str", fold(street).replace(" ", ""))


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


def _numbers(house_number: str) -> frozenset[str]:
    """Return the house numbers a text names: "10-12" are 10 and 12, "10 a" is 10a."""
    parts = re.split(r"[-–,;/+]", house_number)
    return frozenset(fold(part).replace(" ", "") for part in parts if part.strip())


def _proven(hit: _Hit, address: Address) -> _Hit | None:
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


# ----------------------------------------------------------------- online: the geocoder


class OnlineGeocoder:
    """Asks one endpoint, one address at a time, politely; see `make_online_geocoder`."""

    def __init__(
        self,
        settings: OnlineSettings,
        geocoder: Geocoder,
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._geocoder = geocoder
        self._sleep = sleep
        self.clock = clock
        self._next_at = -math.inf
        self._delay_s = settings.min_delay_s
        self._failures = 0
        self._stopped = ""

    @property
    def source(self) -> str:
        """Return what a point of this geocoder names as its source."""
        return self.settings.source

    def start_run(self, addresses: int) -> None:
        """Begin a run over so many addresses: pace it, and close the circuit breaker."""
        public = self.settings.host == PUBLIC_NOMINATIM
        least = (PUBLIC_DELAY_S if addresses > PUBLIC_FEW else 1.0) if public else 0.0
        self._delay_s = max(self.settings.min_delay_s, least)
        self._failures, self._stopped = 0, ""

    def find(
        self,
        address: Address,
        *,
        today: dt.date,
        stated: frozenset[str] = frozenset(),
        find_ags: FindAgs | None = None,
    ) -> GeocodeResult:
        """Ask for one address, with retries.

        Parameters
        ----------
        address
            Needs at least a street, an Ort or a municipality.
        today
            The date the point is proven by.
        stated
            AGS that the stated municipality may mean; hits inside it come first.
        find_ags
            Degrees (EPSG:4326) to AGS or None, in bulk.
        """
        if self._stopped:
            return Failed(self.source, "gave_up", self._stopped)
        answer = self._ask(address)
        if isinstance(answer, Failed):
            self._count(answer)
            return answer
        self._failures = 0
        hits = [hit for hit in answer if self._in_bounds(hit)]
        return _choose(hits, address, self.settings, today=today, stated=stated, find_ags=find_ags)

    def cache_key(self, address: Address) -> str:
        """Return the text under which the answer for `address` is cached."""
        parts = [" ".join((part or "").split()).casefold() for part in asdict(address).values()]
        asked = [self.settings.service, self.settings.endpoint.rstrip("/"), *parts]
        return "geocode:1:" + json.dumps(asked, ensure_ascii=False)

    def _ask(self, address: Address) -> list[_Hit] | Failed:
        failed = Failed(self.source, "gave_up", "not asked")
        for attempt in range(self.settings.attempts):
            self._pace()
            try:
                return self._request(address)
            except (GeopyError, ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
                failure = _failure(e)
            failed = Failed(self.source, failure.kind, failure.detail)
            if self._is_final(failure):
                return failed
            wait_s = min(self.settings.backoff_s * 2**attempt, self.settings.longest_wait_s)
            wait_s = max(wait_s, failure.retry_after_s or 0.0)
            self._next_at = max(self._next_at, self.clock() + wait_s)
        return failed

    def _is_final(self, failure: _Failure) -> bool:
        """Say whether another attempt is in vain, and end the run where any address is."""
        pause_s = failure.retry_after_s or 0.0
        if pause_s > self.settings.longest_wait_s:
            self._stopped = f"{self.source} bittet um {pause_s:.0f} s Pause"
        elif failure.for_all:
            self._stopped = f"{self.source} lehnt ab: {failure.detail}"
        return bool(self._stopped) or failure.kind == "refused"

    def _pace(self) -> None:
        wait_s = self._next_at - self.clock()
        if wait_s > 0:
            self._sleep(wait_s)
        self._next_at = self.clock() + self._delay_s

    def _request(self, address: Address) -> list[_Hit]:
        service = self.settings.service
        extra: dict[str, Any] = {}
        if service == "nominatim":
            codes = self.settings.country_code
            extra = {"limit": _HITS, "addressdetails": True, "country_codes": codes}
        elif service == "photon":
            extra = {"limit": _HITS}
        elif service == "pelias":
            extra = {"countries": [self.settings.country_code.upper()]}
        if service in _READERS:
            extra["language"] = "de"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # geopy warns of, then refuses, a latitude over 90
            found = self._geocoder.geocode(self._query(address), exactly_one=False, **extra)
        read = _READERS.get(service, _read_other)
        hits = [read(location) for location in found or []]
        if any(location.latitude == location.longitude == 0 for location in found or []):
            raise ValueError("a hit without coordinates")
        return [hit for hit in hits if hit is not None]

    def _query(self, address: Address) -> str | dict[str, str]:
        street = " ".join(part for part in (address.street, address.house_number) if part)
        town = address.municipality or address.city or ""
        if self.settings.service != "nominatim":
            place = " ".join(part for part in (address.postcode, address.city or town) if part)
            parts = [street, place, town if address.city and town != address.city else ""]
            return ", ".join(part for part in [*parts, self.settings.country] if part)
        query = {
            "street": street,
            "city": town,
            "postalcode": address.postcode or "",
            "county": _county(address.kreis or ""),
            "state": self.settings.state,
            "country": self.settings.country,
        }
        return {name: value for name, value in query.items() if value}

    def _in_bounds(self, hit: _Hit) -> bool:
        west, south, east, north = self.settings.bounds
        return west <= hit.lon <= east and south <= hit.lat <= north

    def _count(self, failed: Failed) -> None:
        """Open the circuit breaker after so many failures on end."""
        self._failures += 1
        if not self._stopped and self._failures >= self.settings.give_up_after:
            self._stopped = (
                f"nach {self._failures} Fehlern in Folge nicht mehr gefragt;"
                f" zuletzt {failed.kind}: {failed.detail}"
            )


def _county(kreis: str) -> str:
    """Return the Kreis as OpenStreetMap has it; a kreisfreie Stadt lies in none."""
    folded = fold(kreis)
    return kreis if "kreis" in folded and "kreisfrei" not in folded else ""


def _choose(
    hits: Sequence[_Hit],
    address: Address,
    settings: OnlineSettings,
    *,
    today: dt.date,
    stated: frozenset[str],
    find_ags: FindAgs | None,
) -> GeocodeResult:
    """Choose the finest hit that proves the address, in the stated municipality if any is."""
    source = settings.source
    proven = [hit for hit in (_proven(hit, address) for hit in hits) if hit is not None]
    if not proven:
        reason = f"{len(hits)} Treffer, keiner in dieser Straße" if hits else "kein Treffer"
        return NotFound(source, reason)
    located = _located(proven, find_ags)
    inside = [hit for hit in located if not stated or find_ags is None or hit.ags in stated]
    pool = inside or located
    finest = min(PRECISIONS.index(hit.precision) for hit in pool)
    pool = [hit for hit in pool if PRECISIONS.index(hit.precision) == finest]
    pool = [hit for hit in pool if address.postcode and hit.postcode == address.postcode] or pool
    if inside and _spread_m(pool) > SAME_PLACE_M.get(pool[0].precision, math.inf):
        reason = f"{source}: mehrere Stellen mit dieser Anschrift"
        return Ambiguous(source, tuple(_as_candidate(hit) for hit in pool), reason)
    best = pool[0]
    score = SCORES[best.precision] * (1.0 if inside else 0.5)
    label = best.label if inside else f"{best.label}; liegt nicht in der angegebenen Gemeinde"
    return Found(
        best.lon,
        best.lat,
        best.precision,
        round(score, 3),
        source,
        settings.licence,
        today,
        label,
        ags=best.ags,
    )


def _located(hits: Sequence[_Hit], find_ags: FindAgs | None) -> list[_Hit]:
    if find_ags is None:
        return list(hits)
    lon = np.array([hit.lon for hit in hits], dtype="float64")
    lat = np.array([hit.lat for hit in hits], dtype="float64")
    found = find_ags(lon, lat)
    return [
        replace(hit, ags=ags if isinstance(ags, str) else None)
        for hit, ags in zip(hits, found, strict=True)
    ]


def _spread_m(hits: Sequence[_Hit]) -> float:
    """Return the largest distance of a hit from the first, in metres."""
    first = (hits[0].lat, hits[0].lon)
    return max(float(great_circle(first, (hit.lat, hit.lon)).meters) for hit in hits)


def _as_candidate(hit: _Hit) -> Candidate:
    score = SCORES[hit.precision]
    return Candidate(hit.label, hit.lon, hit.lat, hit.precision, ags=hit.ags, score=score)


# ----------------------------------------------------------------------------- cache


def _encode(result: Found | NotFound) -> str:
    status = "found" if isinstance(result, Found) else "not_found"
    return json.dumps({"status": status, **asdict(result)}, ensure_ascii=False, default=str)


def _decode(text: str | None) -> Found | NotFound | None:
    """Read a cached answer; what cannot be read counts as not cached."""
    if text is None:
        return None
    try:
        fields = json.loads(text)
        status = fields.pop("status")
        if status == "not_found":
            return NotFound(**fields)
        found = Found(**{**fields, "date": dt.date.fromisoformat(fields["date"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    is_point = math.isfinite(found.lon) and math.isfinite(found.lat)
    return found if status == "found" and is_point and found.precision in PRECISIONS else None


# ---------------------------------------------------------------------------- records


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What geocoding says about one record."""

    status: str
    note: str
    lon: float = math.nan
    lat: float = math.nan
    source: str | None = None
    precision: str | None = None
    score: float = math.nan
    date: str | None = None
    licence: str | None = None


def geocode_records(
    records: Records,
    *,
    gazetteer: PlaceFinder,
    today: dt.date,
    online: OnlineGeocoder | None = None,
    cache: GeocodeCache | None = None,
    find_ags: FindAgs | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Initiatives:
    """Give each record its point with source, precision, score, date and licence.

    Coordinates in the file win. Else a record with a street is asked `online`, where that is
    given; and whatever has no finer point gets the gazetteer's.

    Parameters
    ----------
    records
        Coordinates in degrees (EPSG:4326) or missing.
    gazetteer
        Finds Orte and municipalities offline.
    today
        Date of what is found now; cached answers keep theirs and expire counted from it.
    online
        Asked once per distinct address; None: nothing leaves the house.
    cache
        Keeps online hits for 180 days and misses for 30, so that a run that was interrupted
        goes on where it stopped. Never keeps a failure.
    find_ags
        Degrees to AGS in bulk, to prefer hits in the stated municipality.
    progress
        Called after each online address with done, total and the remaining seconds.

    Returns
    -------
    initiatives
        One row in, one row out, order kept; `ags` and `municipality_check` are missing yet.
    """
    addresses = _addresses(records)
    needs = records["lon"].isna().to_numpy()
    distinct = dict.fromkeys(a for a, needed in zip(addresses, needs, strict=True) if needed)
    finer: Mapping[Address, GeocodeResult] = {}
    if online is not None:
        asked = [address for address in distinct if address.street]
        run = _Run(online, gazetteer, cache, find_ags, today)
        finer = run.find_all(asked, progress)
    outcomes = {a: _combine(finer.get(a), gazetteer.find(a)) for a in distinct}
    dates = records["source_date"].where(records["source_date"].notna(), today.isoformat())
    rows = [
        outcomes[address] if needed else _from_file(address, lon, lat, str(date))
        for address, needed, lon, lat, date in zip(
            addresses, needs, records["lon"], records["lat"], dates, strict=True
        )
    ]
    return _initiatives(records, rows)


def _addresses(records: Records) -> list[Address]:
    """Return the address of each row; equal addresses are one object."""
    table = records[[*_ADDRESS_COLUMNS]].astype(object)
    rows = table.where(table.notna(), None).itertuples(index=False, name=None)
    known: dict[tuple[str | None, ...], Address] = {}
    return [
        known.setdefault(row, Address(*row)) if row not in known else known[row] for row in rows
    ]


def _initiatives(records: Records, rows: Sequence[_Outcome]) -> Initiatives:
    values: dict[str, list[Any]] = {
        "coordinate_status": [row.status for row in rows],
        "coordinate_source": [row.source for row in rows],
        "coordinate_precision": [row.precision for row in rows],
        "coordinate_score": [row.score for row in rows],
        "coordinate_date": [row.date for row in rows],
        "coordinate_licence": [row.licence for row in rows],
        "coordinate_note": [row.note for row in rows],
    }
    proof = as_columns(values, GEOCODE_COLUMNS)
    table = pd.concat([records, proof], axis="columns")[[*INITIATIVE_COLUMNS]]
    lon = np.array([row.lon for row in rows], dtype="float64")
    lat = np.array([row.lat for row in rows], dtype="float64")
    points = np.full(len(rows), None, dtype=object)
    placed = ~np.isnan(lon)
    points[placed] = shapely.points(lon[placed], lat[placed])
    return check_initiatives(gpd.GeoDataFrame(table, geometry=points, crs=WGS84))


def _from_file(address: Address, lon: float, lat: float, date: str) -> _Outcome:
    """Take coordinates that the file states, as fine as the address beside them."""
    precision: Precision = "locality"
    if address.street:
        precision = "address" if address.house_number else "street"
    return _Outcome(
        "found",
        "Koordinaten aus der Datei",
        lon,
        lat,
        FILE_SOURCE,
        precision,
        1.0,
        date,
        FILE_LICENCE,
    )


def _combine(finer: GeocodeResult | None, rough: GeocodeResult) -> _Outcome:
    """Join the online answer, where there is one, with the gazetteer's.

    A finer online point wins; else the gazetteer's, with a note on why no finer one was had.
    A failure online stays a failure where the gazetteer has no point either.
    """
    if finer is None:
        return _outcome(rough)
    if isinstance(finer, Found) and (
        finer.precision in FINE_PRECISIONS or not isinstance(rough, Found)
    ):
        return _outcome(finer)
    note = _note(finer) if not isinstance(finer, Found) else f"nur Ort gefunden: {finer.label}"
    note = f"ohne genaueren Punkt ({finer.source}: {note})"
    if isinstance(rough, Found):
        outcome = _outcome(rough)
        return replace(outcome, note=f"{outcome.note}; {note}")
    first = finer if isinstance(finer, Failed | Ambiguous) else rough
    return _Outcome(_status(first), f"{_note(rough)}; {note}")


def _outcome(result: GeocodeResult) -> _Outcome:
    if not isinstance(result, Found):
        return _Outcome(_status(result), _note(result))
    return _Outcome(
        "found",
        result.label,
        result.lon,
        result.lat,
        result.source,
        result.precision,
        result.score,
        result.date.isoformat(),
        result.licence,
    )


def _status(result: GeocodeResult) -> str:
    if isinstance(result, Failed):
        return f"failed:{result.kind}"
    if isinstance(result, Ambiguous):
        return "ambiguous"
    return "found" if isinstance(result, Found) else "not_found"


def _note(result: GeocodeResult, most: int = 5) -> str:
    if isinstance(result, Failed):
        return f"failed:{result.kind} – {result.detail}"
    if isinstance(result, Ambiguous):
        labels = [candidate.label for candidate in result.candidates[:most]]
        rest = len(result.candidates) - most
        more = f" und {rest} weitere" if rest > 0 else ""
        return f"{result.reason}: {'; '.join(labels)}{more}"
    return result.reason if isinstance(result, NotFound) else result.label


@dataclass(frozen=True, slots=True)
class _Run:
    """One pass over the distinct addresses of an import."""

    online: OnlineGeocoder
    gazetteer: PlaceFinder
    cache: GeocodeCache | None
    find_ags: FindAgs | None
    today: dt.date

    def find_all(
        self,
        addresses: Sequence[Address],
        progress: Callable[[int, int, float], None] | None,
    ) -> dict[Address, GeocodeResult]:
        """Answer from the cache what it knows, then ask for the rest, each address once."""
        results: dict[Address, GeocodeResult] = {}
        groups: dict[str, list[Address]] = {}
        for address in addresses:
            groups.setdefault(self.online.cache_key(address), []).append(address)
        wanted = []
        for key, group in groups.items():
            known = _decode(self.cache.get(key)) if self.cache is not None else None
            if known is None:
                wanted.append(key)
            else:
                results.update(dict.fromkeys(group, known))
        self.online.start_run(len(wanted))
        start = self.online.clock()
        for done, key in enumerate(wanted, start=1):
            result = self._find(groups[key][0], key)
            results.update(dict.fromkeys(groups[key], result))
            if progress is not None:
                spent = self.online.clock() - start
                progress(done, len(wanted), spent / done * (len(wanted) - done))
        return results

    def _find(self, address: Address, key: str) -> GeocodeResult:
        stated = self.gazetteer.municipality_candidates(address)
        result = self.online.find(address, today=self.today, stated=stated, find_ags=self.find_ags)
        if self.cache is not None and isinstance(result, Found | NotFound):
            days = HIT_DAYS if isinstance(result, Found) else MISS_DAYS
            midnight = dt.datetime.combine(self.today, dt.time(), tzinfo=dt.UTC)
            self.cache.put(key, _encode(result), midnight + dt.timedelta(days=days))
        return result
