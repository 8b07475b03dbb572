"""One online geocoder, asked politely: paced, retried, given up."""

from __future__ import annotations

import inspect
import json
import math
import time
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from geopy.exc import GeocoderNotFound, GeopyError
from geopy.geocoders import get_geocoder_for_service

from geo_service.errors import GeocodingError
from geo_service.geocoding.adapter import Failure, OneRequestAdapter, describe_failure
from geo_service.geocoding.choice import choose
from geo_service.geocoding.hits import Hit, read_hit
from geo_service.geocoding.settings import check_settings
from geo_service.names import fold
from geo_service.schema import Failed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from geopy.geocoders.base import Geocoder

    from geo_service.geocoding.choice import FindAgs
    from geo_service.geocoding.settings import OnlineSettings
    from geo_service.schema import Address, GeocodeResult

PUBLIC_NOMINATIM: Final = "nominatim.openstreetmap.org"
PUBLIC_FEW: Final = 10
PUBLIC_DELAY_S: Final = 15.0
"""More than a few addresses are a script to the public Nominatim: four requests a minute
(https://operations.osmfoundation.org/policies/nominatim/)."""

_HITS: Final = 5


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
    check_settings(settings)
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
            adapter_factory=OneRequestAdapter,
            **settings.options,
        )
    except (TypeError, GeopyError) as error:
        raise GeocodingError(f"geocoder {settings.service}: {error}") from error
    return OnlineGeocoder(settings, geocoder, sleep=sleep, clock=clock)


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
        return choose(hits, address, self.settings, today=today, stated=stated, find_ags=find_ags)

    def cache_key(self, address: Address) -> str:
        """Return the text under which the answer for `address` is cached."""
        parts = [" ".join((part or "").split()).casefold() for part in asdict(address).values()]
        asked = [self.settings.service, self.settings.endpoint.rstrip("/"), *parts]
        return "geocode:1:" + json.dumps(asked, ensure_ascii=False)

    def _ask(self, address: Address) -> list[Hit] | Failed:
        failed = Failed(self.source, "gave_up", "not asked")
        for attempt in range(self.settings.attempts):
            self._pace()
            try:
                return self._request(address)
            except (GeopyError, ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
                failure = describe_failure(e)
            failed = Failed(self.source, failure.kind, failure.detail)
            if self._is_final(failure):
                return failed
            wait_s = min(self.settings.backoff_s * 2**attempt, self.settings.longest_wait_s)
            wait_s = max(wait_s, failure.retry_after_s or 0.0)
            self._next_at = max(self._next_at, self.clock() + wait_s)
        return failed

    def _is_final(self, failure: Failure) -> bool:
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

    def _request(self, address: Address) -> list[Hit]:
        query, extra = _query(address, self.settings), _parameters(self.settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # geopy warns of, then refuses, a latitude over 90
            found = self._geocoder.geocode(query, exactly_one=False, **extra) or []
        hits = [read_hit(self.settings.service, location) for location in found]
        if any(location.latitude == location.longitude == 0 for location in found):
            raise ValueError("a hit without coordinates")
        return [hit for hit in hits if hit is not None]

    def _in_bounds(self, hit: Hit) -> bool:
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


def _parameters(settings: OnlineSettings) -> dict[str, Any]:
    """Return what a service is told besides the address."""
    if settings.service == "nominatim":
        told = {"limit": _HITS, "addressdetails": True, "language": "de"}
        return {**told, "country_codes": settings.country_code}
    if settings.service == "photon":
        return {"limit": _HITS, "language": "de"}
    if settings.service == "pelias":
        return {"countries": [settings.country_code.upper()], "language": "de"}
    return {}


def _query(address: Address, settings: OnlineSettings) -> str | dict[str, str]:
    """Return the address in parts for Nominatim, in one line for the others."""
    street = " ".join(part for part in (address.street, address.house_number) if part)
    town = address.municipality or address.city or ""
    if settings.service != "nominatim":
        place = " ".join(part for part in (address.postcode, address.city or town) if part)
        parts = [street, place, town if address.city and town != address.city else ""]
        return ", ".join(part for part in [*parts, settings.country] if part)
    query = {
        "street": street,
        "city": town,
        "postalcode": address.postcode or "",
        "county": _county(address.kreis or ""),
        "state": settings.state,
        "country": settings.country,
    }
    return {name: value for name, value in query.items() if value}


def _county(kreis: str) -> str:
    """Return the Kreis as OpenStreetMap has it; a kreisfreie Stadt lies in none."""
    folded = fold(kreis)
    return kreis if "kreis" in folded and "kreisfrei" not in folded else ""
