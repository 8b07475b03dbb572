"""Points with proof: coordinates of the file, online answers and failures, the gazetteer."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gazetteer_helpers import find_small_ags, make_records, small_gazetteer
from geocoder_server import (
    BROKEN_JSON,
    HTML_PAGE,
    NAN_POINT,
    Answer,
    GeocoderServer,
    as_json,
    nominatim_house,
    nominatim_place,
    nominatim_street,
    photon,
    photon_hit,
    serve,
)
from geopy.exc import GeocoderUnavailable
from geopy.geocoders.base import Geocoder
from geopy.location import Location
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo_service import config
from geo_service.errors import GeocodingError
from geo_service.gazetteer import Gazetteer, load_origin, load_places
from geo_service.geocoding import (
    FILE_SOURCE,
    OSM_LICENCE,
    GazetteerGeocoder,
    OnlineGeocoder,
    OnlineSettings,
    geocode_records,
    make_online_geocoder,
)
from geo_service.municipalities import MunicipalityIndex, load_municipalities
from geo_service.reading.reader import read_records
from geo_service.records import validate_records
from geo_service.schema import (
    Address,
    Ambiguous,
    Failed,
    Found,
    Initiatives,
    NotFound,
    Records,
)

TODAY = dt.date(2026, 11, 23)
SMALL = small_gazetteer()
TRIER = (6.95, 49.75)  # the middle of the square that is Trier in the small land
MAINZ = (7.55, 49.75)
STREET = {"street": "Jesuitenstraße", "house_number": "13", "postcode": "54290", "city": "Trier"}


class Clock:
    """Time that passes only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


class Memory:
    """A cache as the store keeps one, with the day it is asked on."""

    def __init__(self, today: dt.date = TODAY) -> None:
        self.today = today
        self.kept: dict[str, tuple[str, dt.datetime]] = {}

    def get(self, key: str) -> str | None:
        text, expires_at = self.kept.get(key, (None, dt.datetime.min.replace(tzinfo=dt.UTC)))
        now = dt.datetime.combine(self.today, dt.time(), tzinfo=dt.UTC)
        return text if expires_at > now else None

    def put(self, key: str, text: str, expires_at: dt.datetime) -> None:
        self.kept[key] = (text, expires_at)


@pytest.fixture
def server() -> Iterator[GeocoderServer]:
    with serve() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def online_at(url: str, clock: Clock, service: str = "nominatim", **changes: Any) -> OnlineGeocoder:
    fields = {"timeout_s": 5.0, "contact": "karte@example.org", **changes}
    return make_online_geocoder(
        OnlineSettings(service, url, **fields), sleep=clock.sleep, clock=clock
    )


def geocode(records: Records, online: OnlineGeocoder | None = None, **more: Any) -> Initiatives:
    fields = {"gazetteer": SMALL, "find_ags": find_small_ags, "today": TODAY, **more}
    return geocode_records(records, online=online, **fields)


def ask(online: OnlineGeocoder, **parts: str) -> Any:
    address = Address(**parts)
    stated = SMALL.municipality_candidates(address)
    return online.find(address, today=TODAY, stated=stated, find_ags=find_small_ags)


# ------------------------------------------------------------- the gazetteer in geopy's form


def test_the_gazetteer_is_a_geopy_geocoder() -> None:
    geocoder = GazetteerGeocoder(SMALL)
    assert isinstance(geocoder, Geocoder)
    location = geocoder.geocode("Ehrang, Trier")
    assert isinstance(location, Location)
    assert (location.longitude, location.latitude) == pytest.approx((6.975, 49.775))
    assert location.raw["status"] == "found"
    assert location.raw["result"] == SMALL.find(Address(city="Ehrang", municipality="Trier"))


def test_the_gazetteer_makes_no_request() -> None:
    with pytest.raises(GeocoderUnavailable):
        GazetteerGeocoder(SMALL).adapter.get_json("http://127.0.0.1:9/", timeout=1, headers={})


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("Trier", "Trier ("),
        ("54290 Trier, Deutschland", "Trier ("),
        ("Jesuitenstraße 13, 54290 Trier", "Trier ("),
        ("Bauler, Kreis Ahrweiler", "Bauler (Landkreis Ahrweiler"),
        ("Bauler, VG Südeifel, Rheinland-Pfalz", "Bauler (Eifelkreis"),
        ("53534 Bauler", "Bauler (Landkreis Ahrweiler"),
        ({"city": "Bauler", "county": "Landkreis Ahrweiler"}, "Bauler (Landkreis Ahrweiler"),
        ({"city": "Bauler", "postalcode": "54673", "state": "RLP"}, "Bauler (Eifelkreis"),
        ({"municipality": "Trier", "city": "Ehrang"}, "Ehrang, Ortsteil von Trier"),
    ],
)
def test_queries_as_geopy_users_write_them(query: Any, label: str) -> None:
    location = GazetteerGeocoder(SMALL).geocode(query, timeout=1)
    assert location is not None
    assert location.address.startswith(label)


def test_an_ambiguous_query_is_none_or_all_candidates() -> None:
    geocoder = GazetteerGeocoder(SMALL)
    assert geocoder.geocode("Bauler") is None
    locations = geocoder.geocode("Bauler", exactly_one=False)
    assert [location.raw["candidate"].ags for location in locations] == ["07131001", "07232010"]
    assert locations[0].raw["status"] == "ambiguous"
    assert isinstance(locations[0].raw["result"], Ambiguous)
    assert geocoder.geocode("Xyz", exactly_one=False) is None
    assert len(geocoder.geocode("Trier", exactly_one=False)) == 1


# ---------------------------------------------------------------------- without a network


def test_a_record_without_coordinates_gets_the_gazetteers_point() -> None:
    table = geocode(make_records({"municipality": "Trier", "street": "Jesuitenstraße"}))
    row = table.iloc[0]
    assert (row["coordinate_status"], row["coordinate_precision"]) == ("found", "municipality")
    assert (row.geometry.x, row.geometry.y) == pytest.approx(TRIER)
    assert row["coordinate_source"] == "Gemeindeverzeichnis (Destatis)"
    assert row["coordinate_licence"].startswith("dl-de/by-2-0")
    assert row["coordinate_date"] == "2025-08-31"
    assert row["coordinate_score"] == 1.0
    assert row["coordinate_note"] == "Trier (kreisfreie Stadt)"
    assert table[["ags", "municipality_check"]].isna().all(axis=None)


def test_coordinates_of_the_file_win_and_nobody_is_asked(
    server: GeocoderServer, clock: Clock
) -> None:
    at = {"lon": 7.0, "lat": 50.0}
    records = make_records(
        {**STREET, **at, "source_date": "2024-05"},
        {**at, "street": "Markt"},
        {**at, "city": "Trier", "house_number": "1"},
    )
    table = geocode(records, online_at(server.url, clock))
    assert list(table["coordinate_precision"]) == ["address", "street", "locality"]
    assert list(table["coordinate_date"]) == ["2024-05", "2026-11-23", "2026-11-23"]
    assert set(table["coordinate_source"]) == {FILE_SOURCE}
    assert [(p.x, p.y) for p in table.geometry] == [(7.0, 50.0)] * 3
    assert server.asked == []


def test_records_without_a_point_say_why() -> None:
    table = geocode(
        make_records({"municipality": "Bauler"}, {"city": "Hintertupfingen"}, {"city": "Trier"})
    )
    assert list(table["coordinate_status"]) == ["ambiguous", "not_found", "found"]
    assert list(table.geometry.isna()) == [True, True, False]
    assert "Bauler (Landkreis Ahrweiler" in table["coordinate_note"][0]
    assert table["coordinate_note"][1] == "kein Ort „Hintertupfingen“ im Verzeichnis"
    assert table.loc[:1, "coordinate_source"].isna().all()


def test_no_records_are_no_initiatives() -> None:
    assert len(geocode(make_records())) == 0


def test_records_are_not_changed() -> None:
    records = make_records({"city": "Trier"}, {"city": "Mainz"})
    before = records.copy()
    geocode(records)
    assert records.equals(before)


def test_many_records_take_the_time_of_their_distinct_addresses() -> None:
    calls: list[Address] = []

    class Counting:
        def find(self, address: Address) -> Any:
            calls.append(address)
            return SMALL.find(address)

        municipality_candidates = SMALL.municipality_candidates

    records = make_records(*[{"city": "Trier"}, {"city": "Mainz"}] * 500)
    assert len(geocode(records, gazetteer=Counting())) == 1_000
    assert len(calls) == 2


# ------------------------------------------------------------------ what a hit proves (OSM)


def test_nominatim_is_asked_as_its_policy_wants(server: GeocoderServer, clock: Clock) -> None:
    server.default = as_json([nominatim_house(*TRIER, "Jesuitenstraße", "13")])
    kreis = {"kreis": "Landkreis Trier-Saarburg", "municipality": "Konz"}
    geocode(make_records({**STREET, **kreis}), online_at(server.url, clock))
    (asked,) = server.asked
    assert asked.path == "/search"
    assert asked.user_agent == "geo-service (karte@example.org)"
    assert asked.query == {
        "street": "Jesuitenstraße 13",
        "city": "Konz",
        "postalcode": "54290",
        "county": "Landkreis Trier-Saarburg",
        "state": "Rheinland-Pfalz",
        "country": "Deutschland",
        "countrycodes": "de",
        "format": "json",
        "addressdetails": "1",
        "accept-language": "de",
        "limit": "5",
    }


def test_photon_is_asked_in_one_line(server: GeocoderServer, clock: Clock) -> None:
    hit = photon_hit(*TRIER, "house", street="Jesuitenstraße", housenumber="13", postcode="54290")
    server.default = as_json(photon(hit))
    table = geocode(make_records(STREET), online_at(server.url, clock, "photon"))
    (asked,) = server.asked
    assert asked.path == "/api"
    assert asked.query["q"] == "Jesuitenstraße 13, 54290 Trier, Deutschland"
    assert table["coordinate_precision"][0] == "address"


def test_a_kreisfreie_stadt_lies_in_no_county(server: GeocoderServer, clock: Clock) -> None:
    geocode(
        make_records({**STREET, "kreis": "Trier (kreisfreie Stadt)"}),
        online_at(server.url, clock),
    )
    assert "county" not in server.asked[0].query


def test_an_online_point_carries_its_proof(server: GeocoderServer, clock: Clock) -> None:
    server.default = as_json([nominatim_house(*TRIER, "Jesuitenstr.", "13")])
    row = geocode(make_records(STREET), online_at(server.url, clock)).iloc[0]
    assert (row.geometry.x, row.geometry.y) == TRIER
    assert row["coordinate_source"] == "Nominatim (127.0.0.1)"
    assert row["coordinate_licence"] == OSM_LICENCE
    assert row["coordinate_date"] == "2026-11-23"
    assert (row["coordinate_precision"], row["coordinate_score"]) == ("address", 0.95)
    assert row["coordinate_note"].startswith("13, Jesuitenstr., Trier")


def poi(lon: float, lat: float) -> dict[str, Any]:
    hit = nominatim_house(lon, lat, "Jesuitenstraße", "13")
    return {**hit, "class": "amenity", "type": "community_centre", "addresstype": "amenity"}


def without_road(hit: dict[str, Any]) -> dict[str, Any]:
    address = {key: text for key, text in hit["address"].items() if key != "road"}
    return {**hit, "address": address}


def without_number(hit: dict[str, Any]) -> dict[str, Any]:
    address = {key: text for key, text in hit["address"].items() if key != "house_number"}
    return {**hit, "address": address}


NOMINATIM_CLASSES = [
    ("the house", nominatim_house(*TRIER, "Jesuitenstraße", "13"), "address"),
    ("a place with that address", poi(*TRIER), "address"),
    ("a house range", nominatim_house(*TRIER, "Jesuitenstraße", "11-13"), "address"),
    ("the house next door", nominatim_house(*TRIER, "Jesuitenstraße", "15"), "street"),
    ("a place without number", without_number(poi(*TRIER)), "street"),
    ("the street", nominatim_street(*TRIER, "Jesuitenstraße"), "street"),
    ("the street by its name", without_road(nominatim_street(*TRIER, "Jesuitenstraße")), "street"),
    ("a house in no street", without_road(nominatim_house(*TRIER, "", "13")), "locality"),
    ("the town", nominatim_place(*TRIER, "Trier", "city", 16), "municipality"),
    ("a village", nominatim_place(*TRIER, "Zewen", "village", 19), "locality"),
    ("a suburb", nominatim_place(*TRIER, "Zewen", "suburb", 20), "locality"),
    ("the postal code", nominatim_place(*TRIER, "54290", "postcode", 21), "postcode"),
    ("an old answer without type", {
        **nominatim_place(*TRIER, "Trier", "city", 16), "addresstype": None,
    }, "municipality"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("hit", "precision"),
    [(hit, precision) for _, hit, precision in NOMINATIM_CLASSES],
    ids=[name for name, _, _ in NOMINATIM_CLASSES],
)
def test_the_class_of_nominatims_hit_decides_the_precision(
    server: GeocoderServer, clock: Clock, hit: dict[str, Any], precision: str
) -> None:
    server.default = as_json([hit])
    result = ask(online_at(server.url, clock), **STREET)
    assert isinstance(result, Found)
    assert result.precision == precision


PHOTON_CLASSES = [
    (
        photon_hit(*TRIER, "house", street="Jesuitenstraße", housenumber="13", name="Haus"),
        "address",
    ),
    (photon_hit(*TRIER, "house", street="Jesuitenstraße", housenumber="15"), "street"),
    (photon_hit(*TRIER, "house", street="Jesuitenstraße", name="Café"), "street"),
    (photon_hit(*TRIER, "street", name="Jesuitenstraße"), "street"),
    (photon_hit(*TRIER, "city", name="Trier"), "municipality"),
    (photon_hit(*TRIER, "city", name="Zewen", osm_value="village"), "locality"),
    (photon_hit(*TRIER, "district", name="Zewen"), "locality"),
    (photon_hit(*TRIER, "locality", name="Zewen"), "locality"),
    (
        photon_hit(*TRIER, "", osm_key="highway", street="Jesuitenstraße", name="Jesuitenstraße"),
        "street",
    ),
]


@pytest.mark.parametrize(("hit", "precision"), PHOTON_CLASSES)
def test_the_class_of_photons_hit_decides_the_precision(
    server: GeocoderServer, clock: Clock, hit: dict[str, Any], precision: str
) -> None:
    server.default = as_json(photon(hit))
    result = ask(online_at(server.url, clock, "photon"), **STREET)
    assert isinstance(result, Found)
    assert result.precision == precision


@pytest.mark.parametrize(
    ("stated", "name", "same"),
    [
        ("Friedr.-Ebert-Str.", "Friedrich-Ebert-Straße", True),
        ("Friedrich Ebert Strasse", "Friedrich-Ebert-Straße", True),
        ("Hauptstr.", "Hauptstraße", True),
        ("St.-Martin-Str.", "Sankt-Martin-Straße", True),
        ("Am Berg", "Am Bergweg", False),
        ("Parkstraße", "Markstraße", False),
        ("Ebertstraße", "Friedrich-Ebert-Straße", False),
        ("(.*)", "Hauptstraße", False),
        (".", "Hauptstraße", False),
    ],
)
def test_a_hit_must_name_the_stated_street(
    server: GeocoderServer, clock: Clock, stated: str, name: str, same: bool
) -> None:
    server.default = as_json([nominatim_street(*TRIER, name)])
    result = ask(online_at(server.url, clock), street=stated, city="Trier")
    assert isinstance(result, Found if same else NotFound)


def test_without_a_house_number_no_house_is_proven(server: GeocoderServer, clock: Clock) -> None:
    server.default = as_json([nominatim_house(*TRIER, "Jesuitenstraße", "13")])
    parts = {**STREET}
    del parts["house_number"]
    assert ask(online_at(server.url, clock), **parts).precision == "street"


@pytest.mark.parametrize(
    "hit",
    [
        nominatim_house(*TRIER, "Jesuitengasse", "13"),
        nominatim_place(*TRIER, "Rheinland-Pfalz", "state", 8),
        nominatim_place(*TRIER, "Trier-Saarburg", "county", 12),
        nominatim_house(-0.1, 51.5, "Jesuitenstraße", "13"),
    ],
    ids=["another street", "a Land", "a Kreis", "abroad"],
)
def test_hits_that_prove_nothing_are_no_hits(
    server: GeocoderServer, clock: Clock, hit: dict[str, Any]
) -> None:
    server.default = as_json([hit])
    assert isinstance(ask(online_at(server.url, clock), **STREET), NotFound)


def test_a_service_of_unknown_classes_proves_no_more_than_the_town(clock: Clock) -> None:
    class Unknown:
        def geocode(self, query: str, *, exactly_one: bool) -> list[Location]:
            assert not exactly_one
            return [Location(query, (TRIER[1], TRIER[0]), {})]

    settings = OnlineSettings("opencage", "https://geo.example.org", "karte@example.org")
    online = OnlineGeocoder(settings, Unknown(), sleep=clock.sleep, clock=clock)
    assert ask(online, **STREET).precision == "municipality"


def test_a_town_for_a_street_is_the_gazetteers_point_with_a_note(
    server: GeocoderServer, clock: Clock
) -> None:
    server.default = as_json([nominatim_place(*TRIER, "Trier", "city", 16)])
    row = geocode(make_records(STREET), online_at(server.url, clock)).iloc[0]
    assert row["coordinate_precision"] == "municipality"
    assert row["coordinate_source"] == "Gemeindeverzeichnis (Destatis)"
    assert "nur Ort gefunden: Trier, Rheinland-Pfalz" in row["coordinate_note"]


def test_a_town_online_is_kept_where_the_gazetteer_knows_none(
    server: GeocoderServer, clock: Clock
) -> None:
    server.default = as_json([nominatim_place(*TRIER, "Zewen", "village", 19)])
    row = geocode(
        make_records({"street": "Jesuitenstraße", "city": "Zewen"}), online_at(server.url, clock)
    ).iloc[0]
    assert (row["coordinate_status"], row["coordinate_precision"]) == ("found", "locality")
    assert row["coordinate_source"] == "Nominatim (127.0.0.1)"


# --------------------------------------------------------------- choosing among the hits


def test_the_hit_in_the_stated_municipality_is_chosen(server: GeocoderServer, clock: Clock) -> None:
    server.default = as_json(
        [
            nominatim_house(*MAINZ, "Jesuitenstraße", "13", city="Mainz"),
            nominatim_street(*TRIER, "Jesuitenstraße"),
        ]
    )
    result = ask(online_at(server.url, clock), **STREET)
    assert (result.ags, result.precision) == ("07211009", "street")


def test_hits_elsewhere_are_kept_for_review(server: GeocoderServer, clock: Clock) -> None:
    server.default = as_json([nominatim_house(*MAINZ, "Jesuitenstraße", "13", city="Mainz")])
    table = geocode(make_records(STREET), online_at(server.url, clock))
    assert (table.geometry[0].x, table.geometry[0].y) == MAINZ
    assert table["coordinate_score"][0] == 0.475
    assert "liegt nicht in der angegebenen Gemeinde" in table["coordinate_note"][0]


def test_without_boundaries_the_finest_hit_is_chosen(server: GeocoderServer, clock: Clock) -> None:
    server.default = as_json(
        [
            nominatim_street(*TRIER, "Jesuitenstraße"),
            nominatim_house(*MAINZ, "Jesuitenstraße", "13", city="Mainz"),
        ]
    )
    result = online_at(server.url, clock).find(Address(**STREET), today=TODAY)
    assert (result.lon, result.precision, result.ags) == (MAINZ[0], "address", None)


def two_in_trier(postcode: str) -> Answer:
    far = (TRIER[0] + 0.04, TRIER[1])
    return as_json(
        [
            nominatim_house(*TRIER, "Hauptstraße", "1", postcode="54290"),
            nominatim_house(*far, "Hauptstraße", "1", postcode=postcode),
        ]
    )


def test_one_address_in_two_places_of_a_town_is_ambiguous(
    server: GeocoderServer, clock: Clock
) -> None:
    server.default = two_in_trier("54290")
    parts = {"street": "Hauptstraße", "house_number": "1", "city": "Trier"}
    result = ask(online_at(server.url, clock), **parts)
    assert isinstance(result, Ambiguous)
    assert len(result.candidates) == 2
    cache = Memory()
    row = geocode(make_records(parts), online_at(server.url, clock), cache=cache).iloc[0]
    assert (row["coordinate_status"], row["coordinate_precision"]) == ("found", "municipality")
    assert "mehrere Stellen mit dieser Anschrift" in row["coordinate_note"]
    assert cache.kept == {}


def test_the_postcode_tells_two_places_of_a_town_apart(
    server: GeocoderServer, clock: Clock
) -> None:
    server.default = two_in_trier("54292")
    parts = {"street": "Hauptstraße", "house_number": "1", "city": "Trier", "postcode": "54292"}
    assert ask(online_at(server.url, clock), **parts).lon == pytest.approx(TRIER[0] + 0.04)


def test_two_objects_at_one_address_are_one_place(server: GeocoderServer, clock: Clock) -> None:
    near = (TRIER[0] + 0.0005, TRIER[1])
    server.default = as_json([poi(*TRIER), nominatim_house(*near, "Jesuitenstraße", "13")])
    assert ask(online_at(server.url, clock), **STREET).lon == TRIER[0]


# ------------------------------------------------------------------------------- failures

FAILURES = [
    ("429", Answer(b"slow down", 429), "rate_limited", 3),
    ("509", Answer(b"", 509), "rate_limited", 3),
    ("500", Answer(b"oops", 500), "unavailable", 3),
    ("502", Answer(b"", 502), "unavailable", 3),
    ("503", Answer(b"", 503), "unavailable", 3),
    ("504", Answer(b"", 504), "timeout", 3),
    ("400", Answer(b"{}", 400), "refused", 1),
    ("broken JSON", BROKEN_JSON, "bad_answer", 3),
    ("HTML page", HTML_PAGE, "bad_answer", 3),
    ("empty body", Answer(b""), "bad_answer", 3),
    ("not UTF-8", Answer(b'[{"display_name": "\xff"}]'), "bad_answer", 3),
    ("NaN coordinates", NAN_POINT, "bad_answer", 3),
    ("no coordinates", as_json([{"display_name": "Trier"}]), "bad_answer", 3),
    ("latitude 95", as_json([nominatim_house(6.6, 95.0, "Jesuitenstraße", "13")]), "bad_answer", 3),
    ("a number", as_json(7), "bad_answer", 3),
    ("a list of texts", as_json(["Trier"]), "bad_answer", 3),
    ("an error inside", as_json({"error": "Bandwidth limit exceeded"}), "bad_answer", 3),
    ("too long", Answer(b" " * 2_100_000 + b"[]"), "bad_answer", 3),
    ("deep JSON", Answer(b"[" * 100_000), "bad_answer", 3),
    ("connection dropped", Answer(way="drop"), "unavailable", 3),
]


@pytest.mark.parametrize(
    ("answer", "kind", "requests"),
    [case[1:] for case in FAILURES],
    ids=[case[0] for case in FAILURES],
)
@pytest.mark.parametrize("service", ["nominatim", "photon"])
def test_a_failure_is_never_not_found(
    server: GeocoderServer, clock: Clock, service: str, answer: Answer, kind: str, requests: int
) -> None:
    if service == "photon" and answer.body[:2] == b"[{":
        answer = Answer(b'{"features": %s}' % answer.body, answer.status, answer.headers)
    server.default = answer
    cache = Memory()
    table = geocode(
        make_records(STREET, {"street": "Weg", "city": "Hintertupfingen"}),
        online_at(server.url, clock, service),
        cache=cache,
    )
    assert list(table["coordinate_status"]) == ["found", f"failed:{kind}"]
    assert f"failed:{kind}" in table["coordinate_note"][0]
    assert table["coordinate_precision"][0] == "municipality"
    assert len(server.asked) == 2 * requests
    assert cache.kept == {}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"", 401),
        Answer(b"Usage limit reached", 403),
        Answer(b"", 404),
        Answer(b"", 301, {"Location": "http://127.0.0.1:9/"}),
    ],
    ids=["401", "403", "404", "moved"],
)
def test_an_endpoint_that_refuses_us_is_asked_once(
    server: GeocoderServer, clock: Clock, answer: Answer
) -> None:
    server.default = answer
    records = make_records(*[{"street": f"Weg {n}", "city": "Xyz"} for n in range(3)])
    table = geocode(records, online_at(server.url, clock))
    assert list(table["coordinate_status"]) == ["failed:refused", *["failed:gave_up"] * 2]
    assert f"lehnt ab: HTTP {answer.status}" in table["coordinate_note"][2]
    assert len(server.asked) == 1


@pytest.mark.parametrize("way", ["hang", "drip"])
def test_a_slow_server_is_a_timeout(server: GeocoderServer, clock: Clock, way: str) -> None:
    server.default = Answer(way=way)
    result = ask(online_at(server.url, clock, timeout_s=0.15, attempts=2), **STREET)
    assert result == Failed("Nominatim (127.0.0.1)", "timeout", "no answer within 0.15 s")
    assert len(server.asked) == 2


def test_nobody_there_is_unavailable(clock: Clock) -> None:
    with serve() as gone:
        url = gone.url
    result = ask(online_at(url, clock), **STREET)
    assert isinstance(result, Failed)
    assert result.kind == "unavailable"
    assert "refused" in result.detail


def test_an_empty_answer_is_not_found(server: GeocoderServer, clock: Clock) -> None:
    for service, body in (("nominatim", []), ("photon", photon())):
        server.default = as_json(body)
        result = ask(online_at(server.url, clock, service), **STREET)
        assert isinstance(result, NotFound)
        assert result.reason == "kein Treffer"
    assert len(server.asked) == 2


def test_a_failure_passes_and_the_answer_counts(server: GeocoderServer, clock: Clock) -> None:
    server.queue.extend([Answer(b"", 500), BROKEN_JSON])
    server.default = as_json([nominatim_house(*TRIER, "Jesuitenstraße", "13")])
    result = ask(online_at(server.url, clock, backoff_s=2.0), **STREET)
    assert isinstance(result, Found)
    assert clock.slept == [2.0, 4.0]


def test_the_wait_doubles_up_to_its_limit(server: GeocoderServer, clock: Clock) -> None:
    server.default = Answer(b"", 500)
    ask(online_at(server.url, clock, attempts=6, backoff_s=4.0, longest_wait_s=20.0), **STREET)
    assert clock.slept == [4.0, 8.0, 16.0, 20.0, 20.0]


def test_retry_after_is_honoured(server: GeocoderServer, clock: Clock) -> None:
    server.queue.append(Answer(b"", 429, {"Retry-After": "30"}))
    server.queue.append(Answer(b"", 503, {"Retry-After": "45"}))
    server.default = as_json([nominatim_house(*TRIER, "Jesuitenstraße", "13")])
    assert isinstance(ask(online_at(server.url, clock), **STREET), Found)
    assert clock.slept == [30.0, 45.0]


def test_retry_after_binds_the_next_address_too(server: GeocoderServer, clock: Clock) -> None:
    server.queue.append(Answer(b"", 429, {"Retry-After": "60"}))
    online = online_at(server.url, clock, attempts=1)
    ask(online, **STREET)
    ask(online, **STREET)
    assert clock.slept == [60.0]


def test_a_long_retry_after_ends_the_run(server: GeocoderServer, clock: Clock) -> None:
    server.default = Answer(b"", 429, {"Retry-After": "3600"})
    records = make_records(*[{"street": f"Weg {n}", "city": "Trier"} for n in range(4)])
    table = geocode(records, online_at(server.url, clock))
    assert len(server.asked) == 1
    assert clock.slept == []
    assert "failed:rate_limited" in table["coordinate_note"][0]
    assert table["coordinate_note"][1:].str.contains("failed:gave_up").all()
    assert "bittet um 3600 s Pause" in table["coordinate_note"][3]


def test_after_failures_on_end_nobody_is_asked_any_more(
    server: GeocoderServer, clock: Clock
) -> None:
    server.default = Answer(b"", 500)
    records = make_records(*[{"street": f"Weg {n}", "city": "Xyz"} for n in range(10)])
    online = online_at(server.url, clock, attempts=2, give_up_after=3)
    table = geocode(records, online)
    assert len(server.asked) == 6
    assert list(table["coordinate_status"]) == ["failed:unavailable"] * 3 + ["failed:gave_up"] * 7
    server.default = as_json([])
    again = geocode(records, online)
    assert list(again["coordinate_status"]) == ["not_found"] * 10  # a new run asks again


def test_an_answer_in_between_keeps_the_run_going(server: GeocoderServer, clock: Clock) -> None:
    server.queue.extend([Answer(b"", 500), as_json([]), Answer(b"", 500), as_json([])])
    records = make_records(*[{"street": f"Weg {n}", "city": "Xyz"} for n in range(4)])
    table = geocode(records, online_at(server.url, clock, attempts=1, give_up_after=2))
    assert set(table["coordinate_status"]) == {"failed:unavailable", "not_found"}
    assert len(server.asked) == 4


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *("lat", "lon", "class", "type", "addresstype", "place_rank", "address"),
                    *("features", "properties", "geometry", "coordinates", "road", "street"),
                    *("display_name", "house_number", "housenumber", "error", "osm_value"),
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("service", ["nominatim", "photon", "pelias"])
@given(answer=ANY_JSON)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_answered_the_outcome_is_typed(
    server: GeocoderServer, service: str, answer: Any
) -> None:
    server.default = as_json(answer)
    clock = Clock()
    options = {"api_key": "x"} if service == "pelias" else {}
    result = ask(online_at(server.url, clock, service, attempts=1, options=options), **STREET)
    assert isinstance(result, Found | NotFound | Ambiguous | Failed)
    if isinstance(result, Found):
        assert math.isfinite(result.lon)
        assert math.isfinite(result.lat)


# ------------------------------------------------------------------- asked once, and slowly


def test_one_address_is_asked_once(server: GeocoderServer, clock: Clock) -> None:
    server.default = as_json([nominatim_house(*TRIER, "Jesuitenstraße", "13")])
    shouted = {**STREET, "street": " JESUITENSTRASSE".replace("SS", "ß"), "city": "trier"}
    table = geocode(make_records(STREET, STREET, shouted), online_at(server.url, clock))
    assert len(server.asked) == 1
    assert list(table["coordinate_precision"]) == ["address"] * 3


def test_a_record_without_a_street_is_not_asked(server: GeocoderServer, clock: Clock) -> None:
    geocode(make_records({"city": "Trier"}), online_at(server.url, clock))
    assert server.asked == []


def test_requests_keep_their_distance(server: GeocoderServer, clock: Clock) -> None:
    records = make_records(*[{"street": f"Weg {n}", "city": "Trier"} for n in range(4)])
    online = online_at(server.url, clock, min_delay_s=1.5)
    geocode(records, online)
    assert clock.slept == [1.5, 1.5, 1.5]
    geocode(make_records(STREET), online)  # another run minds the last request of this one
    assert clock.slept == [1.5] * 4


@pytest.mark.parametrize(("addresses", "delay_s"), [(10, 1.0), (11, 15.0)])
def test_the_public_nominatim_is_asked_four_times_a_minute_at_most(
    clock: Clock, addresses: int, delay_s: float
) -> None:
    class Silent:
        def geocode(self, query: Any, **more: Any) -> None:
            return None

    url = "https://nominatim.openstreetmap.org"
    settings = OnlineSettings("nominatim", url, "karte@example.org", min_delay_s=0.1)
    online = OnlineGeocoder(settings, Silent(), sleep=clock.sleep, clock=clock)
    streets = [{"street": f"Weg {number}", "city": "Trier"} for number in range(addresses)]
    geocode(make_records(*streets), online)
    assert clock.slept == [delay_s] * (addresses - 1)


# --------------------------------------------------------------------------------- cache


def test_hits_and_misses_are_cached_with_their_expiry(server: GeocoderServer, clock: Clock) -> None:
    server.queue.append(as_json([nominatim_house(*TRIER, "Jesuitenstraße", "13")]))
    cache = Memory()
    records = make_records(STREET, {"street": "Nirgendweg", "city": "Trier"})
    online = online_at(server.url, clock)
    first = geocode(records, online, cache=cache)
    assert len(server.asked) == 2
    days = sorted((expires_at.date() - TODAY).days for _, expires_at in cache.kept.values())
    assert days == [30, 180]

    later = geocode(records, online, cache=cache, today=TODAY + dt.timedelta(days=3))
    assert len(server.asked) == 2
    assert later.equals(first)  # also its date: the proof is as old as the answer

    cache.today = TODAY + dt.timedelta(days=31)
    geocode(records, online, cache=cache, today=cache.today)
    assert [asked.query["street"] for asked in server.asked[2:]] == ["Nirgendweg"]

    cache.today = TODAY + dt.timedelta(days=181)
    geocode(records, online, cache=cache, today=cache.today)
    assert server.asked[-2].query["street"] == "Jesuitenstraße 13"


def test_an_interrupted_run_goes_on_where_it_stopped(server: GeocoderServer, clock: Clock) -> None:
    records = make_records(*[{"street": f"Weg {n}", "city": "Trier"} for n in range(6)])
    cache = Memory()

    def interrupt(done: int, total: int, remaining_s: float) -> None:
        if done == 4:
            raise KeyboardInterrupt

    online = online_at(server.url, clock)
    with pytest.raises(KeyboardInterrupt):
        geocode(records, online, cache=cache, progress=interrupt)
    geocode(records, online, cache=cache)
    assert [asked.query["street"] for asked in server.asked] == [f"Weg {n}" for n in range(6)]


def test_endpoints_do_not_share_a_cache_entry(clock: Clock) -> None:
    address = Address(**STREET)
    keys = {
        online_at(url, clock, service).cache_key(address)
        for url in ("http://a.example", "http://b.example")
        for service in ("nominatim", "photon")
    }
    assert len(keys) == 4
    slash = online_at("http://a.example/", clock).cache_key(address)
    assert slash in keys


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"status": "found"}',
        '{"status": "failed", "source": "x", "kind": "timeout", "detail": ""}',
        '{"status": "found", "lon": NaN, "lat": 1, "precision": "street", "score": 1,'
        ' "source": "x", "licence": "y", "date": "2026-01-01", "label": "z"}',
    ],
)
def test_a_cache_entry_that_cannot_be_read_is_asked_anew(
    server: GeocoderServer, clock: Clock, text: str
) -> None:
    online = online_at(server.url, clock)
    cache = Memory()
    expires_at = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    cache.put(online.cache_key(Address(**STREET)), text, expires_at)
    geocode(make_records(STREET), online, cache=cache)
    assert len(server.asked) == 1
    assert json.loads(cache.kept[online.cache_key(Address(**STREET))][0])["status"] == "not_found"


# ------------------------------------------------------------------------------- progress


def test_progress_tells_done_total_and_remaining_time(server: GeocoderServer, clock: Clock) -> None:
    told: list[tuple[int, int, float]] = []
    records = make_records(*[{"street": f"Weg {n}", "city": "Trier"} for n in range(3)])
    online = online_at(server.url, clock, min_delay_s=2.0)
    geocode(records, online, progress=lambda *step: told.append(step))
    assert [step[:2] for step in told] == [(1, 3), (2, 3), (3, 3)]
    assert [step[2] for step in told] == pytest.approx([0.0, 1.0, 0.0])


# ------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"endpoint": ""}, "geocoder endpoint"),
        ({"endpoint": "ftp://geo.example.org"}, "geocoder endpoint"),
        ({"endpoint": "https://user:word@geo.example.org"}, "geocoder endpoint"),
        ({"endpoint": "https://geo.example.org/?key=1"}, "geocoder endpoint"),
        ({"contact": ""}, "geocoder contact"),
        ({"contact": "niemand"}, "geocoder contact"),
        ({"contact": "karte@example.org\r\nX-Evil: 1"}, "geocoder contact"),
        ({"service": "brieftaube"}, "a name that geopy knows, got 'brieftaube'"),
        ({"service": "googlev3", "options": {}}, "geocoder"),
        ({"service": "here"}, "with an endpoint of its own"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"attempts": 0}, "attempts"),
        ({"give_up_after": 0}, "give_up_after"),
        ({"min_delay_s": -1.0}, "min_delay_s"),
        ({"min_delay_s": math.nan}, "min_delay_s"),
        ({"options": {"unknown": 1}}, "geocoder nominatim"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    fields = {
        "service": "nominatim",
        "endpoint": "https://geo.example.org",
        "contact": "karte@example.org",
        **changes,
    }
    with pytest.raises(GeocodingError, match=message):
        make_online_geocoder(OnlineSettings(**fields))


def test_an_endpoint_may_lie_below_a_path(server: GeocoderServer, clock: Clock) -> None:
    geocode(make_records(STREET), online_at(f"{server.url}/nominatim/", clock))
    assert server.asked[0].path == "/nominatim/search"


# ---------------------------------------------------------------------- the real records


@pytest.fixture(scope="module")
def land() -> Gazetteer:
    folder = config.data_dir() / "gemeinden"
    return Gazetteer(
        load_municipalities(folder / "gemeinden.gpkg"),
        load_places(folder / "orte.csv"),
        origin=load_origin(folder / "gemeinden.json"),
    )


@pytest.fixture(scope="module")
def examples() -> Records:
    raw = read_records(config.data_dir() / "initiativen" / "initiativen.csv")
    return validate_records(raw, today=TODAY).records


def test_the_example_records_lie_in_their_municipalities(
    land: Gazetteer, examples: Records
) -> None:
    table = geocode_records(examples, gazetteer=land, today=TODAY)
    index = MunicipalityIndex(
        load_municipalities(config.data_dir() / "gemeinden" / "gemeinden.gpkg")
    )
    placed = table[table["coordinate_status"] == "found"]
    reasons = table.loc[table["coordinate_status"] != "found", ["id", "coordinate_note"]]
    assert len(placed) >= 0.95 * len(table), reasons.to_string()
    ags = index.find(np.asarray(placed.geometry.x), np.asarray(placed.geometry.y))
    parts = ["street", "house_number", "postcode", "city"]
    parts += ["municipality", "verbandsgemeinde", "kreis"]
    rows = placed[parts].astype(object).where(placed[parts].notna(), None)
    stated = [
        land.municipality_candidates(Address(*row))
        for row in rows.itertuples(index=False, name=None)
    ]
    outside = [
        row for row, one, may in zip(placed["name"], ags, stated, strict=True) if one not in may
    ]
    assert outside == []
