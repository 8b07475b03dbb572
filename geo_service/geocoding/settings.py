"""How an online geocoder is asked: what an operator states, checked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from geo_service.errors import GeocodingError

if TYPE_CHECKING:
    from collections.abc import Mapping

OSM_LICENCE: Final = "ODbL 1.0 (© OpenStreetMap contributors)"


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


def check_settings(settings: OnlineSettings) -> None:
    """Make sure that requests with these settings have an end and a sender.

    Raises
    ------
    GeocodingError
        If endpoint or contact is missing or malformed, or a number makes no sense.
    """
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
    for name in ("timeout_s", "attempts", "give_up_after", "longest_wait_s"):
        if not getattr(settings, name) > 0:
            raise GeocodingError(f"{name}: expected more than 0, got {getattr(settings, name)}")
    for name in ("min_delay_s", "backoff_s"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= 0):
            raise GeocodingError(f"{name}: expected 0 or more seconds, got {value}")
