"""Give records their points, each with its proof. The only door for geopy.

The rules are in docs/geocoding.md. Outcomes are typed: an outage is `Failed`, never
`NotFound`, and only `Found` and `NotFound` are cached. Nothing leaves the house unless an
operator names an endpoint and a contact.

::

    records               geocode_records: Records -> Initiatives     <- begin here
    cache                 answers kept between runs
    gazetteer_geocoder    the offline gazetteer in geopy's form
    online                an online geocoder: query, pace, retries, circuit breaker
    settings              what an operator states of it
    adapter               one HTTP request with an end; why one failed
    hits                  what a service answered, no finer than it proves
    choice                which of several hits is the answer
"""

from __future__ import annotations

from geo_service.geocoding.cache import GeocodeCache
from geo_service.geocoding.gazetteer_geocoder import GazetteerGeocoder, PlaceFinder
from geo_service.geocoding.online import OnlineGeocoder, make_online_geocoder
from geo_service.geocoding.records import FILE_SOURCE, geocode_records, stated_addresses
from geo_service.geocoding.settings import OSM_LICENCE, OnlineSettings

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
    "stated_addresses",
]
