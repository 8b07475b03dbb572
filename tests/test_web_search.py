"""Search, near me and filters on the start page: complete without scripts, and one set."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask.testing import FlaskClient
from geopy.distance import geodesic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_helpers import NOW, app_of, fill, initiatives_of, place, small_land, small_territory

from geo_service.config import Settings
from geo_service.schema import (
    CATEGORIES,
    CATEGORY_GROUPS,
    FINE_PRECISIONS,
    GROUP_OF_CATEGORY,
    THEMES,
    Address,
    Failed,
    Found,
    GeocodeResult,
    NotFound,
)
from geo_service.server import visitors_geocoder
from geo_service.snapshot import SnapshotHolder, Territory
from geo_service.store import Store
from geo_service.web import BERLIN, create_app
from geo_service.web.addresses import KEPT, PAUSE_S, AddressFinder
from geo_service.web.filters import MAY_BE_SILENT, RADII_KM, TIMES, Filter, PlaceIndex, Selection
from geo_service.web.places import Place, read_places
from geo_service.web.queries import MAX_PLACE_TEXT, query_string, read_filter
from geo_service.web.search import Located, PlaceSearch, Spot
from geo_service.web.timetable import Timetable
from geo_service.web.town_names import POSTCODES

MAINZ = (8.271855, 50.001959)
MONDAY = dt.date(2026, 11, 23)

REAL = [
    place(1, name="Treff Altstadt", city="Mainz", ags="07315000", point=(8.2745, 49.9985),
          languages="Arabisch"),
    place(2, name="Helfer Mainz", category="Initiative/Helferkreis", street=None, city="Mainz",
          ags="07315000", coordinate_precision="municipality", point=MAINZ),
    place(3, name="Café Budenheim", city="Budenheim", ags="07339009", point=(8.1690, 50.0200),
          coordinate_precision="municipality", street=None),
    place(4, name="Haus Trier", category="Mehrgenerationenhaus", city="Trier", ags="07211000",
          point=(6.6416, 49.7557), opening_hours="Mo-Fr 9:00-17:00"),
    place(5, name="Ohne Lage", city="Mainz", point=None),
]  # fmt: skip
"""Near and far from Mainz, in the real Land."""


def names(page: str) -> list[str]:
    """The names of the places on a page, in its order."""
    return [unescape(name) for name in re.findall(r"<h4[^>]*><a [^>]*>(.*?)</a></h4>", page)]


def count(page: str) -> int:
    """How many places a page says it found."""
    said = re.search(r"([\d.]+) Orte? gefunden", page)
    return int(said[1]) if said else 0


def chips(page: str) -> dict[str, int]:
    """Label and count of the chips that act at once."""
    found = re.findall(
        r'<a class="chip[^>]*>(?:<svg.*?</svg>)?([^<]+) <span class="count">([\d.]+)<', page
    )
    return {unescape(label): int(count.replace(".", "")) for label, count in found}


def links(page: str, part: str) -> list[str]:
    """Addresses of links that contain a text."""
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>(.*?)</a>', page, re.DOTALL)
    return [unescape(address) for address, text in found if part in unescape(text)]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[FlaskClient]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('real') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(REAL))
        yield app_of(store, territory).test_client()


@pytest.fixture(scope="module")
def search(territory: Territory) -> PlaceSearch:
    return PlaceSearch(territory)


# ------------------------------------------------------------------- what is typed as a place


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Mainz", "Mainz (kreisfreie Stadt)"),
        ("  mainz ", "Mainz (kreisfreie Stadt)"),
        ("Майнц", "Mainz (kreisfreie Stadt)"),
        ("ماينتس", "Mainz (kreisfreie Stadt)"),
        ("Kaiserlautern", "Kaiserslautern (kreisfreie Stadt)"),
        ("55116", "Mainz (kreisfreie Stadt)"),
        ("D-55116", "Mainz (kreisfreie Stadt)"),
        ("54290 Trier", "Trier (kreisfreie Stadt)"),
        ("Gonsenheim", "Gonsenheim, Ortsteil von Mainz (kreisfreie Stadt)"),
        ("Straßenhaus", "Straßenhaus (Landkreis Neuwied, VG Rengsdorf-Waldbreitbach)"),
        ("Bauler (Landkreis Ahrweiler, VG Adenau)", "Bauler (Landkreis Ahrweiler, VG Adenau)"),
    ],
)
def test_a_place_is_found_in_any_spelling(search: PlaceSearch, text: str, label: str) -> None:
    found = search.locate(text)
    assert found.spot
    assert found.spot.label == label
    assert not found.street


SAID = {
    "Mainz": ("Mainz Hbf", "Bahnhof Mainz", "Mainz Neustadt", "nähe Mainz", "Mainz, Deutschland",
              "ich wohne in Mainz", "MZ", "Mayntz", "55 116", "Mombach", "Mainz-Mombach"),
    "Kaiserslautern": ("KL", "Lautern", "K'lautern", "Keiserslautern", "kaisers lautern",
                       "Kajzerslautern", "Kaiserslautern und Umgebung"),
    "Ludwigshafen am Rhein": ("LU", "Людвігсгафен", "Людвигсхафен", "Lyudvigskhafen",
                              "Ludvigshafen", "ludwigs hafen", "Oggersheim"),
    "Bad Kreuznach": ("Bad Kroytsnakh", "Бад Кройцнах", "Бад-Кройцнах", "Kreuznach",
                      "bad kreuz nach"),
    "Zweibrücken": ("Zweibrucken", "Tsvaybryuken", "Цвайбрюкен"),
    "Trier": ("bei Trier", "Trier Nord", "Trier, Rheinland-Pfalz", "Карл-Маркс-Хаус Трир",
              "تریر", "ترير"),
    "Koblenz": ("كوبلنتس", "كوبلنز", "Koblents", "Karthause Koblenz", "Koplenz",
                "Koblenz an der Mosel"),
    "Wittlich": ("Віттліх",),
    "Speyer": ("Shpayer", "Şpayer"),
    "Haßloch": ("Гаслох", "Хасслох"),
    "Bad Neuenahr-Ahrweiler": ("Bad Neuenahr",),
    "Zeltingen-Rachtig": ("Zeltingen",),
    "Landau in der Pfalz": ("Landau Hbf", "Bahnhof Landau", "Landau i.d. Pfalz"),
    "Kasel": ("in der Nähe von Kasel", "Kasel und Umgebung", "rund um Kasel"),
}  # fmt: skip
"""What residents type who do not know how a name is spelt."""


@pytest.mark.parametrize(("name", "text"), [(n, text) for n, all_ in SAID.items() for text in all_])
def test_a_town_is_found_as_people_write_it(search: PlaceSearch, name: str, text: str) -> None:
    found = search.locate(text)
    assert found.spot
    assert search.name_of(found.spot.ags) == name
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("لودفيجسهافن", "Ludwigshafen am Rhein (kreisfreie Stadt)"),
        ("كايزرسلاوترن", "Kaiserslautern (kreisfreie Stadt)"),
        ("شباير", "Speyer (kreisfreie Stadt)"),
        ("پیرماسنس", "Pirmasens (kreisfreie Stadt)"),
        ("ورمس", "Worms (kreisfreie Stadt)"),
        ("Mainz Trier", "Mainz (kreisfreie Stadt)"),
        ("Landkreis Mainz", "Landkreis Mainz-Bingen"),
        ("Hunsrück", "Rhein-Hunsrück-Kreis"),
        ("Кассель", "Kasel (Landkreis Trier-Saarburg, VG Ruwer)"),
        ("Kassel", "Kasel (Landkreis Trier-Saarburg, VG Ruwer)"),
        ("Landau an der Isar", "Landau in der Pfalz (kreisfreie Stadt)"),
        ("Ludwigshafen am Bodensee", "Ludwigshafen am Rhein (kreisfreie Stadt)"),
        ("Wörth a.d. Donau", "Wörth am Rhein (Landkreis Germersheim)"),
        ("Mühlheim", "Mülheim an der Mosel (Landkreis Bernkastel-Wittlich, VG Bernkastel-Kues)"),
    ],
)
def test_what_only_sounds_like_a_place_is_offered_not_taken(
    search: PlaceSearch, text: str, first: str
) -> None:
    found = search.locate(text)
    assert found.blocked
    assert not found.asked
    assert found.options[0] == first


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Зиммерн", {"Simmern/Hunsrück", "Simmern"}),
        ("زيمرن", {"Simmern/Hunsrück", "Simmern"}),
        ("Noyshtadt", {"Neustadt an der Weinstraße", "Neustadt (Wied)", "Neustadt/Westerwald"}),
        ("Bretzenheim", {"Bretzenheim", "Mainz-Bretzenheim"}),
        ("55128 Bretzenheim", {"Bretzenheim", "Mainz-Bretzenheim"}),
        ("Friesenheim", {"Friesenheim", "Ludwigshafen-Friesenheim"}),
        ("Horchheim", {"Koblenz-Horchheim", "Worms-Horchheim"}),
    ],
)
def test_namesakes_are_asked_back_in_every_script_and_as_parts_of_towns(
    search: PlaceSearch, text: str, options: set[str]
) -> None:
    found = search.locate(text)
    assert found.asked
    assert {
        re.split(r" \((?:Land|kreis|West|Rhein)", label)[0] for label in found.options
    } == options
    assert not any(search.locate(label).blocked for label in found.options)


def test_a_part_of_a_town_is_offered_once(search: PlaceSearch) -> None:
    assert search.suggest("gonsenh") == ("Gonsenheim, Ortsteil von Mainz (kreisfreie Stadt)",)
    options = search.locate("Irsch").options
    assert [label for label in options if "Trier (" in label or label.startswith("Trier-")] == [
        "Irsch, Ortsteil von Trier (kreisfreie Stadt)"
    ]


def test_a_postal_code_tells_a_municipality_from_a_part_of_a_town(search: PlaceSearch) -> None:
    found = search.locate("55559 Bretzenheim")
    assert found.spot
    assert found.spot.ags == "07133018"


@pytest.mark.parametrize("text", ["64646 Heppenheim", "65239 Hochheim", "10115 Mombach"])
def test_a_postal_code_elsewhere_contradicts_a_part_of_a_town(
    search: PlaceSearch, text: str
) -> None:
    assert search.locate(text).blocked
    assert search.locate(f"Hauptstr. 3, {text}").blocked


@pytest.mark.parametrize(
    "text",
    ["Kaiserstraße 5 in Nirgendwo", "Berlin Mitte", "Berlin Kasel", "Pfalz", "Stein", "Бонн"],
)
def test_a_text_with_no_town_of_the_land_is_not_read_as_one(search: PlaceSearch, text: str) -> None:
    assert search.locate(text).blocked


@pytest.mark.parametrize(
    ("text", "street", "town"),
    [
        ("Hauptstr. 12, Mainz-Mombach", "Hauptstr. 12", "Mainz-Mombach"),
        ("Hauptstr. 12, 55120 Mombach", "Hauptstr. 12", "55120 Mombach"),
        ("Kaiserstr. 5, 55116 Mainz, Deutschland", "Kaiserstr. 5", "55116 Mainz"),
        ("Kaiserstr. 5, Mainz, Rheinland-Pfalz, Germany", "Kaiserstr. 5", "Mainz"),
        ("Kaiserstr. 5, Mainz", "Kaiserstr. 5", "Mainz"),
        ("Kaiserstraße 5 Mainz", "Kaiserstraße 5", "Mainz"),
        ("Mainz Kaiserstraße 5", "Kaiserstraße 5", "Mainz"),
        ("Kaiserstr. 5 55116 Mainz", "Kaiserstr. 5", "55116 Mainz"),
        ("Am Markt 3, 55116", "Am Markt 3", "55116"),
        ("Mainz, Kaiserstraße", "Kaiserstraße", "Mainz"),
        ("Майнц, Кайзерштрассе 5", "Кайзерштрассе 5", "Майнц"),
    ],
)
def test_the_town_of_an_address_is_found(
    search: PlaceSearch, text: str, street: str, town: str
) -> None:
    found = search.locate(text)
    assert found.spot
    assert found.spot.ags == "07315000"
    assert found.street
    assert (found.street.street, found.street.town) == (street, town)


def test_a_text_of_many_words_asks_the_gazetteer_no_more_than_an_address(
    search: PlaceSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    find = search._gazetteer.find
    monkeypatch.setattr(search._gazetteer, "find", lambda at: asked.append(at) or find(at))
    search.locate(" ".join("abcdefghijklmnopqrstuvwxyz" * 3) + " 7")
    assert 0 < len(asked) < 40


def test_an_endless_text_means_nothing(search: PlaceSearch) -> None:
    assert search.locate("Mainz " * 100) == Located(("Mainz " * 100).strip())


def test_parts_of_an_address_reach_the_geocoder(search: PlaceSearch) -> None:
    found = search.locate("Am Markt 3a, 55116 Mainz")
    assert found.street
    assert found.street.address == Address("Am Markt", "3a", "55116", "Mainz")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Landkreis Cochem-Zell", "07135"),
        ("Mayen-Koblenz", "07137"),
        ("VG Konz", "072355003"),
        ("verbandsgemeinde konz", "072355003"),
        ("Rhein-Selz", "073395007"),
        ("Kreis Altenkirchen", "07132"),
        ("Westerwald", "07143"),
        ("Rhein Lahn", "07141"),
        ("Eifelkreis", "07232"),
        ("Bitburg-Prüm", "07232"),
        ("Landkreis Birkenfelt", "07134"),
    ],
)
def test_a_kreis_or_verbandsgemeinde_is_an_area(search: PlaceSearch, text: str, key: str) -> None:
    assert search.locate(text).area == key


def test_namesakes_are_asked_back_the_largest_first(search: PlaceSearch) -> None:
    assert len(search.locate("Bauler").options) == 2
    assert search.locate("Neustadt").options[0] == "Neustadt an der Weinstraße (kreisfreie Stadt)"
    assert search.locate("Neustadt").asked
    assert "Bauler (Landkreis Ahrweiler, VG Adenau)" in search.locate("Hauptstr. 3, Bauler").options


@pytest.mark.parametrize("text", ["xyzzy", "99999", "Berlin", "Sprachcafé", "?", "12", "Ring 5"])
def test_what_is_unknown_stays_unknown(search: PlaceSearch, text: str) -> None:
    found = search.locate(text)
    assert found.blocked
    assert not found.asked


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("55131", "Mainz"),
        ("67063", "Ludwigshafen am Rhein"),
        ("67655", "Kaiserslautern"),
        ("54292", "Trier"),
        ("55543", "Bad Kreuznach"),
        ("56077", "Koblenz"),
    ],
)
def test_a_postal_code_of_a_town_that_has_several_is_the_town(
    search: PlaceSearch, code: str, name: str
) -> None:
    found = search.locate(code)
    assert found.spot
    assert (found.spot.name, found.remark) == (name, "postcode_unknown")
    assert search.suggest(code) == (f"{code} {name}",)


def test_no_seat_of_another_municipality_has_a_postal_code_of_a_town(territory: Territory) -> None:
    table = territory.municipalities
    for town, (first, last) in POSTCODES.items():
        codes = table["postcode"].fillna("0").astype(int)
        names = table.loc[(codes >= first) & (codes <= last), "name"]
        assert [name.startswith(town) for name in names] == [True]


@pytest.mark.parametrize("code", ["54298", "54291x", "67098", "10115", "68159"])
def test_a_postal_code_of_no_town_of_the_land_is_not_read_as_one(
    search: PlaceSearch, code: str
) -> None:
    assert search.locate(code).remark != "postcode_unknown"


def test_every_label_leads_back_to_its_place(search: PlaceSearch, territory: Territory) -> None:
    for name in territory.municipalities["name"].iloc[::5]:
        for one in territory.gazetteer.suggest(name, limit=20):
            found = search.locate(one.label)
            assert found.spot, one.label
            assert (found.spot.label, found.spot.ags) == (one.label, one.ags)
            assert len(one.label) <= MAX_PLACE_TEXT


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(max_size=60))
def test_any_text_is_answered(search: PlaceSearch, text: str) -> None:
    found = search.locate(text)
    assert (found.spot is None) or (found.area is None and not found.options)
    assert isinstance(search.suggest(text), tuple)


# -------------------------------------------------------------------------------- suggestions


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("mai", "Mainz (kreisfreie Stadt)"),
        ("Май", "Mainz (kreisfreie Stadt)"),
        ("5511", "55116 Mainz"),
        ("54290 tr", "54290 Trier"),
        ("landkreis coch", "Landkreis Cochem-Zell"),
        ("KL", "Kaiserslautern (kreisfreie Stadt)"),
        ("Гонз", "Gonsenheim, Ortsteil von Mainz (kreisfreie Stadt)"),
        ("باد كر", "Bad Kreuznach (Landkreis Bad Kreuznach)"),
        ("bad kroy", "Bad Kreuznach (Landkreis Bad Kreuznach)"),
        ("momb", "Mainz-Mombach"),
        ("mainz mo", "Mainz-Mombach"),
    ],
)
def test_suggestions_begin_with_the_likeliest(real: FlaskClient, typed: str, first: str) -> None:
    found = real.get("/vorschlaege", query_string={"q": typed}).json["suggestions"]
    assert found[0] == first
    assert len(found) <= 8


def test_every_suggestion_is_found_when_it_is_sent(real: FlaskClient, search: PlaceSearch) -> None:
    for typed in (
        *("ba", "bad", "neu", "st", "ro", "55", "54", "land", "verb", "ко", "ما"),
        *("lu", "mainz-b", "alt", "hor", "нойш", "باد"),
    ):
        for label in real.get("/vorschlaege", query_string={"q": typed}).json["suggestions"]:
            assert not search.locate(label).blocked, label


def test_suggestions_may_be_kept_by_the_browser_alone(real: FlaskClient) -> None:
    answer = real.get("/vorschlaege?q=mainz")
    assert answer.headers["Cache-Control"].startswith("private, max-age")
    assert real.get("/vorschlaege").json == {"suggestions": []}
    assert real.get("/vorschlaege?q=a").json == {"suggestions": []}
    assert real.get("/vorschlaege?q=%FF").status_code == 400
    assert real.get("/vorschlaege?q=" + "x" * 101).status_code == 400


# ------------------------------------------------------------------------- journeys by address


def test_search_for_a_town_sorts_by_distance(real: FlaskClient) -> None:
    page = real.get("/?ort=Mainz").text
    assert names(page) == ["Helfer Mainz", "Treff Altstadt", "Café Budenheim"]
    assert re.findall(r'class="distance">(.*?)<', page) == ["im Ort", "0,4 km", "etwa 8 km"]
    assert "Luftlinie von der Mitte des Ortes" in page
    assert "Von 1 Ort kennen wir die Lage nicht" in page
    assert "<title>Mainz –" in page


@pytest.mark.parametrize("typed", ["۵۵۱۱۶", "٥٥١١٦", "55116 ماينتس"])
def test_digits_of_every_script_are_a_postal_code(real: FlaskClient, typed: str) -> None:
    assert "Rund um Mainz" in real.get(f"/?ort={quote(typed)}").text


def test_wrong_spelling_is_said(real: FlaskClient) -> None:
    assert "Wir haben „Mianz“ als „Mainz“ gelesen." in real.get("/?ort=Mianz").text


def test_namesakes_are_links_that_lead_to_the_place(real: FlaskClient) -> None:
    page = real.get("/?ort=Bauler&art=haus").text
    assert "Welcher Ort ist gemeint: „Bauler“?" in page
    assert names(page) == []
    (address,) = links(page, "Bauler (Landkreis Ahrweiler, VG Adenau)")
    there = real.get(address).text
    assert "Rund um Bauler" in there
    assert "art=haus" in address


def test_a_street_is_kept_while_namesakes_are_asked_back(real: FlaskClient) -> None:
    page = real.get("/?ort=Hauptstr. 3, Bauler&zeit=heute").text
    (address,) = links(page, "VG Adenau")
    asked = {"ort": ["Hauptstr. 3, Bauler (Landkreis Ahrweiler, VG Adenau)"], "zeit": ["heute"]}
    assert parse_qs(urlsplit(address).query) == asked
    page = real.get(address).text
    assert "Straßen können wir nicht suchen." in page
    assert "rund um die Mitte von Bauler" in page


def test_a_street_that_leaves_no_room_for_the_town_is_left_out(real: FlaskClient) -> None:
    page = real.get("/", query_string={"ort": "Weg " * 40 + "3, Bauler"}).text
    (address,) = links(page, "VG Adenau")
    assert parse_qs(urlsplit(address).query) == {"ort": ["Bauler (Landkreis Ahrweiler, VG Adenau)"]}


def test_a_part_of_a_town_without_a_point_is_said_to_be_so(real: FlaskClient) -> None:
    for typed in ("Mombach", "Mainz-Mombach"):
        page = real.get("/", query_string={"ort": typed}).text
        assert "Die Lage dieses Ortsteils kennen wir nicht." in page
        assert "rund um die Mitte von Mainz" in page
        assert names(page)[0] == "Helfer Mainz"


def test_an_unknown_place_offers_what_may_help(real: FlaskClient) -> None:
    page = real.get("/?ort=Altstadt Treff").text
    assert "„Altstadt Treff“ kennen wir nicht." in page
    (address,) = links(page, "1 Ort mit diesem Wort zeigen")
    assert names(real.get(address).text) == ["Treff Altstadt"]
    assert links(page, "Alle 5 Orte zeigen") == ["/"]
    similar = real.get("/?ort=Mannheim").text
    assert links(similar, "Marnheim")
    assert real.get("/daten/orte.geojson?ort=Mannheim").json["features"] == []


def test_a_kreis_that_is_typed_becomes_an_area(real: FlaskClient) -> None:
    answer = real.get("/?ort=Landkreis Mainz-Bingen&zeit=heute")
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["Location"]).query) == {
        "gebiet": ["07339"],
        "zeit": ["heute"],
    }
    assert names(real.get("/?gebiet=07339").text) == ["Café Budenheim"]


def test_without_an_online_geocoder_the_town_is_taken_and_said(real: FlaskClient) -> None:
    page = real.get("/?ort=Kaiserstr. 5, Mainz").text
    assert "Straßen können wir nicht suchen. Wir zeigen Orte rund um die Mitte von Mainz." in page
    assert names(page)[0] == "Helfer Mainz"


def test_near_me_says_where_that_is_and_is_kept_by_no_proxy(real: FlaskClient) -> None:
    answer = real.get("/?nah=8.2745,49.9985")
    assert names(answer.text) == ["Treff Altstadt", "Helfer Mainz", "Café Budenheim"]
    assert "Rund um Ihren Standort" in answer.text
    assert re.findall(r'class="distance">(.*?)<', answer.text)[0] == "0,1 km"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert real.get("/daten/orte.geojson?nah=8.2745,49.9985").headers["Cache-Control"] == (
        "private, no-cache"
    )


@pytest.mark.parametrize("query", ["nah=8.2745,49.9985", "ort=Mainz", "q=Caf%C3%A9"])
@pytest.mark.parametrize("path", ["/", "/daten/orte.geojson", "/handzettel", "/handzettel.pdf"])
def test_what_a_visitor_typed_or_where_they_are_is_kept_by_no_proxy(
    real: FlaskClient, path: str, query: str
) -> None:
    assert real.get(f"{path}?{query}").headers["Cache-Control"] == "private, no-cache"
    assert real.get(f"{path}?art=haus").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("query", ["nah=8.2745,49.9985", "ort=Mainz", "q=Caf%C3%A9"])
def test_way_to_a_language_keeps_what_it_carries_from_everyone(
    real: FlaskClient, query: str
) -> None:
    answer = real.get(f"/uk?{query}")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"/uk/?{query}")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert real.get("/uk").headers["Cache-Control"] == "public, max-age=86400"


def test_distances_say_no_more_than_is_known(real: FlaskClient) -> None:
    """A device rounds its point to about 100 m; so metres are never said."""
    for at, nearest in (("8.2745,49.9985", "0,1 km"), ("6.642,49.756", "unter 0,1 km")):
        for path in ("/", "/handzettel"):
            page = real.get(f"{path}?nah={at}").text
            assert nearest in page
            assert not re.search(r"\d m\b(?!</text>)", page)


def test_where_nothing_is_near_the_nearest_three_are_shown_and_said_to_be_so(
    real: FlaskClient,
) -> None:
    page = real.get("/?nah=6.05,50.32&umkreis=2").text
    assert "Die 3 nächsten Orte" in page
    assert "Im Umkreis von 2 km gibt es dazu keinen Ort." in page
    assert names(page)[0] == "Haus Trier"
    data = real.get("/daten/orte.geojson?nah=6.05,50.32&umkreis=2").json
    assert [one["properties"]["name"] for one in data["features"]] == names(page)


def test_outside_the_land_is_said(real: FlaskClient) -> None:
    page = real.get("/?nah=13.4,52.5").text
    notices = re.findall(r'<p class="notice">.*?</p>', page)
    assert [one for one in notices if "Das liegt nicht in Rheinland-Pfalz." in one]
    assert "/" in links("".join(notices), "Alle 5 Orte zeigen")
    assert len(names(page)) == 3


def test_radius_is_a_link_away(real: FlaskClient) -> None:
    page = real.get("/?ort=Mainz").text
    radii = re.findall(r'href="([^"]*)"[^>]*>(\d+ km)<', page)
    assert [text for _, text in radii] == [f"{radius} km" for radius in RADII_KM]
    two = unescape({text: address for address, text in radii}["2 km"])
    assert two == "/?ort=Mainz&umkreis=2"
    assert names(real.get(two).text) == ["Helfer Mainz", "Treff Altstadt"]


def test_form_keeps_what_is_chosen(real: FlaskClient) -> None:
    page = real.get("/?ort=Mainz&umkreis=25&zeit=heute&art=haus&sprache=arabisch").text
    form, more = re.findall(r"<form.*?</form>", page, re.DOTALL)
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    assert set(hidden) == {
        ("umkreis", "25"),
        ("zeit", "heute"),
        ("art", "haus"),
        ("sprache", "arabisch"),
    }
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', more)
    assert set(hidden) == {("ort", "Mainz"), ("umkreis", "25"), ("zeit", "heute"), ("art", "haus")}


# ----------------------------------------------------------------------- the online geocoder


class Geocoder:
    """An online geocoder that answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: GeocodeResult) -> None:
        self.answer = answer
        self.asked: list[Address] = []

    def start_run(self, addresses: int) -> None:
        assert addresses == 1

    def find(
        self, address: Address, *, today: dt.date, stated: frozenset[str], find_ags: Any
    ) -> GeocodeResult:
        self.asked.append(address)
        return self.answer


def found_at(lon: float, lat: float, precision: Any = "address") -> Found:
    return Found(lon, lat, precision, 1.0, "Test", "CC0", MONDAY, "Kaiserstraße 5")


@pytest.fixture
def online(tmp_path: Path, territory: Territory) -> Iterator[Callable[..., FlaskClient]]:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(REAL))
        holder = SnapshotHolder(store, territory, min_interval_s=0.0)

        def make(geocoder: Geocoder) -> FlaskClient:
            app = create_app(
                holder,
                Settings(tiles_url="off"),
                now=lambda: NOW.astimezone(BERLIN),
                geocoder=geocoder,
            )
            return app.test_client()

        yield make


def test_an_address_goes_to_the_operators_geocoder_once(
    online: Callable[..., FlaskClient],
) -> None:
    geocoder = Geocoder(found_at(8.26412, 50.00351))
    client = online(geocoder)
    answer = client.get("/?ort=Kaiserstr. 5, Mainz&umkreis=5")
    assert answer.status_code == 303
    assert answer.headers["Cache-Control"] == "private, no-store"
    target = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert target == {"ort": ["Kaiserstr. 5, Mainz"], "nah": ["8.264,50.004"], "umkreis": ["5"]}
    page = client.get(answer.headers["Location"]).text
    assert "Rund um „Kaiserstr. 5, Mainz“" in page
    client.get("/?ort=Kaiserstr. 5, Mainz")
    assert geocoder.asked == [Address("Kaiserstr.", "5", None, "Mainz")]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (NotFound("Test", ""), "Diese Adresse haben wir nicht gefunden."),
        (found_at(8.27, 50.0, "locality"), "Diese Adresse haben wir nicht gefunden."),
        (found_at(6.64, 49.75), "Diese Adresse haben wir nicht gefunden."),
        (Failed("Test", "timeout", ""), "Die Straße können wir gerade nicht suchen."),
    ],
)
def test_else_the_town_is_taken_and_said(
    online: Callable[..., FlaskClient], result: GeocodeResult, text: str
) -> None:
    client = online(Geocoder(result))
    page = client.get("/?ort=Kaiserstr. 5, Mainz")
    assert page.status_code == 200
    assert text in page.text
    assert "rund um die Mitte von Mainz" in page.text


def test_names_suggestions_and_map_data_never_ask_online(
    online: Callable[..., FlaskClient],
) -> None:
    geocoder = Geocoder(found_at(8.264, 50.004))
    client = online(geocoder)
    for address in ("/?ort=Mainz", "/?ort=Bauler", "/?ort=Berlin", "/vorschlaege?q=Kaiserstr. 5"):
        assert client.get(address).status_code == 200
    client.get("/daten/orte.geojson?ort=Kaiserstr. 5, Mainz")
    assert geocoder.asked == []


def test_after_a_failure_nobody_is_asked_for_a_while() -> None:
    now = 0.0
    geocoder = Geocoder(Failed("Test", "timeout", ""))
    finder = AddressFinder(geocoder, clock=lambda: now)

    def ask(number: int) -> Any:
        address = Address("Weg", str(number), None, "Mainz")
        return finder.find(address, ags=None, find_ags=None, today=MONDAY)

    assert isinstance(ask(1), Failed)
    assert isinstance(ask(2), Failed)
    assert len(geocoder.asked) == 1
    now = PAUSE_S
    geocoder.answer = found_at(8.27, 50.0)
    assert isinstance(ask(2), Found)
    assert len(geocoder.asked) == 2


def test_namesakes_have_answers_of_their_own() -> None:
    """Two places are called Urbar, 28 km apart; a street that one lacks may be in the other."""
    geocoder = Geocoder(found_at(7.62, 50.38))
    finder = AddressFinder(geocoder, clock=lambda: 0.0)
    address = Address("Hauptstraße", "1", None, "Urbar")

    def latitude_in(ags: str) -> float | None:
        def find_ags(_: Any, lat: Any) -> list[str]:
            return ["07137224" if lat[0] > 50.2 else "07140153"]

        found = finder.find(address, ags=ags, find_ags=find_ags, today=MONDAY)
        return found.lat if isinstance(found, Found) else None

    assert latitude_in("07140153") is None
    assert latitude_in("07137224") == 50.38
    geocoder.answer = found_at(7.72, 50.14)
    assert (latitude_in("07140153"), latitude_in("07137224")) == (None, 50.38)
    assert len(geocoder.asked) == 2


def test_only_the_last_addresses_are_remembered() -> None:
    geocoder = Geocoder(found_at(8.27, 50.0))
    finder = AddressFinder(geocoder, clock=lambda: 0.0)
    for number in (*range(KEPT + 1), KEPT, 0):
        address = Address("Weg", str(number), None, "Mainz")
        finder.find(address, ags=None, find_ags=None, today=MONDAY)
    assert len(geocoder.asked) == KEPT + 2


def test_visitors_wait_for_one_quick_attempt() -> None:
    assert visitors_geocoder(Settings()) is None
    geocoder = visitors_geocoder(
        Settings(
            geocoder="photon",
            geocoder_url="http://127.0.0.1:9",
            geocoder_contact="geo@example.org",
            geocoder_timeout_s=20.0,
        )
    )
    assert geocoder
    assert (geocoder.settings.attempts, geocoder.settings.timeout_s) == (1, 3.0)


def test_nothing_that_visitors_type_is_kept(real: FlaskClient) -> None:
    site = real.application.extensions["geo_service"]
    for address in ("/?nah=8.2745,49.9985", "/?ort=Kaiserstr. 5, Mainz", "/?q=geheim"):
        real.get(address)
        real.get("/daten/orte.geojson" + address[1:])
    snapshot = site.holder.current()
    kept = repr([*snapshot._derived._slots, *snapshot._answers._slots])
    for text in ("8.2745", "8.274", "Kaiserstr", "geheim"):
        assert text not in kept


# -------------------------------------------------------------------------------------- filters

WORLD = [
    place(
        number,
        name=f"{('Treff', 'Runde')[number % 2]} {number}",
        category=CATEGORIES[number % len(CATEGORIES)],
        theme=(*THEMES, None)[number % 5],
        languages=("Deutsch; Arabisch (nach Absprache)", "Ukrainisch; Deutsch", None)[number % 3],
        wheelchair=("yes", "limited", "no", None, None)[number % 5],
        offers=("Beratung; Kochen", "kochen", "Spiele", None)[number % 4],
        opening_hours=("Mo 9-12 Uhr", "Sa 10:00-14:00", "Mo-Fr 14-18 Uhr", "nach Absprache", None,
                       "Mo ab 16 Uhr", "Mo 22:00-02:00")[number % 7],
        municipality=("Aheim", "Bdorf", "Cstadt")[number % 3],
        city=("Aheim", "Bdorf", "Cstadt")[number % 3],
        ags=("07131001", "07131002", "07211000")[number % 3],
        coordinate_precision=("address", "municipality", "street", "locality")[number % 4],
        point=None if number % 11 == 0 else (7.0 + 0.003 * number, 50.01 + 0.0007 * number),
    )
    for number in range(1, 90)
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('world') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(WORLD))
        yield app_of(store, small_territory()).test_client()


def fits(row: dict[str, Any], query: Filter, *, without: str = "", value: str = "") -> bool:
    """An oracle: does a record fit a choice, with one kind replaced by a value or left out?"""
    chosen = {
        "zeit": query.times,
        "art": query.kinds,
        "thema": query.themes,
        "sprache": query.languages,
        "rollstuhl": query.wheelchair,
        "angebot": query.offers,
        "gebiet": query.areas,
    }
    if without:
        chosen[without] = (value,) if value else ()
    languages = {one.split(" (")[0].lower() for one in (row["languages"] or "").split("; ") if one}
    keys = {"07131001": "071315001", "07131002": "071315001", "07211000": "072110000"}
    kreis = "07131" if row["kreis"] == "Landkreis Auenland" else ""
    ags = row["ags"]
    areas = {ags, keys[ags], ags[:5]} if row["point"] else {kreis}
    said = {
        "art": {row["category"], GROUP_OF_CATEGORY[row["category"]]},
        "thema": {row["theme"]} if row["theme"] else None,
        "sprache": languages or None,
        "rollstuhl": {"yes": {"ja"}, "limited": {"teilweise"}, "no": set()}.get(row["wheelchair"]),
        "angebot": {one.lower() for one in (row["offers"] or "").split("; ") if one} or None,
        "gebiet": areas,
        "zeit": OPEN_ON_MONDAY_AT_TEN[row["opening_hours"]],
    }
    for facet, values in chosen.items():
        if not values:
            continue
        own = said[facet]
        unsure = own is None or (facet == "zeit" and "?" + values[0] in own)
        if unsure:
            if facet in query.unknown and not (without == facet and value):
                continue
            return False
        if not own & set(values):
            return False
    return all(word in row["name"].lower() for word in query.words)


OPEN_ON_MONDAY_AT_TEN: dict[str | None, set[str] | None] = {
    "Mo 9-12 Uhr": {"jetzt", "heute"},
    "Sa 10:00-14:00": {"wochenende"},
    "Mo-Fr 14-18 Uhr": {"heute"},
    "nach Absprache": None,
    None: None,
    "Mo ab 16 Uhr": {"heute"},
    "Mo 22:00-02:00": {"heute"},
}

some = st.sampled_from
CHOICES = st.builds(
    Filter,
    text=some(["", "", "treff", "Runde", "gibtesnicht"]),
    times=some([(), (), *[(time,) for time in TIMES]]),
    kinds=st.lists(some([*CATEGORY_GROUPS, *CATEGORIES]), max_size=3, unique=True).map(tuple),
    themes=st.lists(some(THEMES), max_size=2, unique=True).map(tuple),
    languages=st.lists(some(["arabisch", "deutsch", "ukrainisch"]), max_size=2, unique=True).map(
        tuple
    ),
    wheelchair=st.lists(some(["ja", "teilweise"]), max_size=2, unique=True).map(tuple),
    offers=st.lists(some(["kochen", "spiele", "beratung"]), max_size=2, unique=True).map(tuple),
    areas=some([(), (), ("07131",), ("07131001",), ("071315001",), ("07211",)]),
    unknown=st.lists(some(MAY_BE_SILENT), max_size=3, unique=True).map(tuple),
)


@pytest.fixture(scope="module")
def index() -> PlaceIndex:
    places = read_places(initiatives_of(WORLD), small_land(), today=MONDAY)
    return PlaceIndex(places, small_land())


@pytest.fixture(scope="module")
def timetable(index: PlaceIndex) -> Timetable:
    return Timetable(index.places, MONDAY)


def rows_of(index: PlaceIndex) -> list[dict[str, Any]]:
    by_id = {row["id"]: row for row in WORLD}
    return [by_id[place.id] for place in index.places]


@settings(max_examples=200, deadline=None)
@given(query=CHOICES)
def test_set_and_counts_equal_brute_force(
    index: PlaceIndex, timetable: Timetable, query: Filter
) -> None:
    chosen = Selection(index, query, timetable, 10 * 60)
    rows = rows_of(index)
    assert [place.id for place in chosen.places] == [row["id"] for row in rows if fits(row, query)]
    for facet in ("zeit", "art", "thema", "sprache", "rollstuhl", "angebot", "gebiet"):
        counts = chosen.counts(facet)
        expected = {
            value: sum(fits(row, query, without=facet, value=value) for row in rows)
            for value in counts
        }
        assert counts == expected, facet
        count = chosen.counter(facet)
        assert {value: count(value) for value in counts} == expected
        assert count("gibtesnicht") == 0


@settings(max_examples=100, deadline=None)
@given(
    query=st.just(Filter()) | CHOICES,
    lon=st.floats(6.9, 7.4),
    lat=st.floats(49.95, 50.15),
    radius_km=some(RADII_KM),
    ags=some([None, "07131001", "07211000"]),
)
def test_near_equals_brute_force(
    index: PlaceIndex,
    timetable: Timetable,
    query: Filter,
    lon: float,
    lat: float,
    radius_km: int,
    ags: str | None,
) -> None:
    spot = Spot(lon, lat, "town", ags=ags)
    query = Filter(**{**as_dict(query), "near": (lon, lat), "radius_km": radius_km})
    chosen = Selection(index, query, timetable, 10 * 60, spot=spot)
    candidates = []
    for row, one in zip(rows_of(index), index.places, strict=True):
        if one.placed and fits(row, query):
            length_m = geodesic((lat, lon), (one.lat, one.lon)).m
            in_town = one.precision == "municipality" and one.ags == ags
            candidates.append((length_m, one.id, in_town))
    candidates.sort()
    tight = [one for one in candidates if one[2] or one[0] <= radius_km * 1000 * 0.999]
    loose = [one for one in candidates if one[2] or one[0] <= radius_km * 1000 * 1.001]
    found = {place.id for place in chosen.places}
    if chosen.is_nearest:
        assert not tight
        assert len(found) == min(3, len(candidates))
        return
    assert {one[1] for one in tight} <= found <= {one[1] for one in loose}
    lengths = [chosen.distances_m[number] for number in chosen.numbers]  # type: ignore[index]
    assert lengths == sorted(lengths)
    for length_m, place_id, _ in candidates:
        number = next(n for n, one in enumerate(index.places) if one.id == place_id)
        assert math.isclose(chosen.distances_m[number], length_m, rel_tol=2e-3, abs_tol=1)  # type: ignore[index]


def as_dict(query: Filter) -> dict[str, Any]:
    return {name: getattr(query, name) for name in Filter.__dataclass_fields__}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(query=CHOICES, near=some([None, (7.05, 50.05), (7.9, 50.9)]), where=some(["", "Aheim"]))
def test_list_and_map_are_one_set(
    world: FlaskClient, query: Filter, near: tuple[float, float] | None, where: str
) -> None:
    address = query_string(Filter(**{**as_dict(query), "near": near, "where": where}))
    shown: list[str] = []
    page_address = "/" + address
    page = ""
    while page_address:
        page = world.get(page_address).text
        shown += names(page)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        page_address = unescape(following[1]).split("#")[0] if following else ""
    data_address = re.search(r'data-places="([^"]*)"', page)
    assert data_address
    data = world.get(unescape(data_address[1])).json
    placed = {row["name"] for row in WORLD if row["point"]}
    assert [one["properties"]["name"] for one in data["features"]] == [
        name for name in shown if name in placed
    ]
    assert data["listed"] == len(shown)


@settings(max_examples=100, deadline=None)
@given(query=CHOICES, near=some([None, (7.05, 50.05)]), where=some(["", "Aheim & Co"]))
def test_query_string_is_read_back(
    index: PlaceIndex, query: Filter, near: tuple[float, float] | None, where: str
) -> None:
    from werkzeug.datastructures import MultiDict

    whole = Filter(**{**as_dict(query), "near": near, "where": where})
    text = query_string(whole)
    pairs = [
        (name, value) for name, values in parse_qs(text.lstrip("?")).items() for value in values
    ]
    again = read_filter(
        MultiDict(pairs), areas={"07131", "07131001", "071315001", "07211"}, said=index.labels
    )
    assert query_string(again) == text
    assert set(again.kinds) == set(whole.kinds)
    assert (again.near, again.where, again.times) == (near, where, whole.times)


def test_chip_adds_a_choice_and_its_cross_takes_it_back(world: FlaskClient) -> None:
    page = world.get("/?art=haus").text
    (more,) = links(page, "Beratung")[:1]
    assert more == "/?art=beratung&art=haus"
    assert chips(page)["Haus"] == len(names(world.get("/?art=haus").text))
    both = world.get(more).text
    assert len(names(both)) == chips(page)["Haus"] + chips(page)["Beratung"]
    assert "/?art=haus" in links(both, "Beratung")
    assert links(both, "Alles zurücksetzen") == ["/"]


def test_unknown_is_kept_apart_from_no(world: FlaskClient) -> None:
    page = world.get("/?rollstuhl=ja").text
    silent = sum(row["wheelchair"] is None for row in WORLD)
    assert f"{silent} Orte sagen nichts über Rollstühle." in page
    (address,) = links(page, "Diese auch zeigen")
    assert address == "/?rollstuhl=ja&unbekannt=rollstuhl"
    with_them = world.get(address).text
    yes = sum(row["wheelchair"] == "yes" for row in WORLD)
    assert f"{yes + silent} Orte gefunden" in with_them
    assert links(with_them, "Ohne diese Orte") == ["/?rollstuhl=ja"]
    assert "unbekannt" not in links(with_them, "Mit dem Rollstuhl zugänglich")[0]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        (f"thema={quote(THEMES[0])}", "theme", "nichts über ihr Thema"),
        ("angebot=spiele", "offers", "nichts über Angebote"),
        ("sprache=arabisch", "languages", "nichts über Sprachen"),
    ],
)
def test_what_records_leave_out_is_counted_apart_and_shown_on_request(
    world: FlaskClient, query: str, field: str, words: str
) -> None:
    page = world.get(f"/?{query}").text
    silent = sum(row[field] is None for row in WORLD)
    assert silent > 1
    assert f"{silent} Orte sagen {words}." in page
    (address,) = links(page, "Diese auch zeigen")
    assert count(world.get(address).text) == count(page) + silent


def test_unknown_hours_are_not_closed(world: FlaskClient) -> None:
    page = world.get("/?zeit=jetzt").text
    silent = sum(OPEN_ON_MONDAY_AT_TEN[row["opening_hours"]] is None for row in WORLD)
    assert f"{silent} Orte sagen nicht sicher, wann sie geöffnet sind." in page


def test_card_says_what_is_certain_about_today(world: FlaskClient) -> None:
    page = world.get("/").text
    for text in (
        "Jetzt geöffnet bis 12:00 Uhr",
        "Heute 14:00–18:00",
        "Heute ab 16:00 Uhr",
        "Heute 22:00–02:00",
        "nach Absprache",
        "Sa 10:00-14:00",
    ):
        assert text in page


@pytest.mark.parametrize(
    ("hour", "minute", "text"),
    [
        (8, 59, "Heute 09:00–12:00"),
        (9, 0, "Jetzt geöffnet bis 12:00 Uhr"),
        (11, 59, "Jetzt geöffnet bis 12:00 Uhr"),
        (12, 0, None),
    ],
)
def test_opening_changes_on_the_minute(hour: int, minute: int, text: str | None) -> None:
    rows = [place(1, opening_hours="Mo 9-12 Uhr (Angabe 2024)")]
    places = read_places(initiatives_of(rows), small_land(), today=MONDAY)
    opening = Timetable(places, MONDAY).opening(0, hour * 60 + minute)
    assert (opening.text if opening else None) == (text and f"{text} (Angabe 2024)")


def test_hours_past_midnight_are_open_the_next_morning() -> None:
    rows = [place(1, opening_hours="Mo 22:00-02:00")]
    places = read_places(initiatives_of(rows), small_land(), today=MONDAY)
    tuesday = Timetable(places, MONDAY + dt.timedelta(days=1))
    assert tuesday.masks(60)["jetzt"].tolist() == [True]
    assert tuesday.masks(120)["jetzt"].tolist() == [False]


@pytest.mark.parametrize(
    ("day", "open_then"), [(27, True), (28, True), (29, False), (30, True)]
)  # Friday to Monday; open on Saturdays alone
def test_weekend_is_what_is_left_of_it(day: int, open_then: bool) -> None:
    rows = [place(1, opening_hours="Sa 10:00-14:00")]
    today = dt.date(2026, 11, day)
    places = read_places(initiatives_of(rows), small_land(), today=today)
    assert Timetable(places, today).masks(540)["wochenende"].tolist() == [open_then]


def test_pages_follow_the_clock(tmp_path: Path) -> None:
    clock = [dt.datetime(2026, 11, 23, 8, 0, tzinfo=BERLIN)]
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1, opening_hours="Mo 9-12 Uhr")]))
        holder = SnapshotHolder(store, small_territory(), min_interval_s=0.0)
        app = create_app(holder, Settings(tiles_url="off"), now=lambda: clock[0])
        client = app.test_client()
        seen = []
        for hour in (8, 9, 11, 12):
            clock[0] = clock[0].replace(hour=hour)
            seen.append(re.findall(r'class="opening[^"]*">(.*?)<', client.get("/").text))
    assert seen == [["Heute 09:00–12:00"], *2 * [["Jetzt geöffnet bis 12:00 Uhr"]], []]


def test_areas_of_a_kreis_are_offered_once_it_is_chosen(world: FlaskClient) -> None:
    assert "Verbandsgemeinde Aheim" not in world.get("/").text
    page = world.get("/?gebiet=07131").text
    assert re.search(r'<option value="071315001">Verbandsgemeinde Aheim \(\d+\)', page)
    assert re.search(r'<option value="07131002">Bdorf \(\d+\)', page)
    assert '<option value="07131" selected>' in page


def test_small_figures_of_a_rough_place(world: FlaskClient) -> None:
    texts = set(re.findall(r'class="distance">(.*?)<', world.get("/?ort=Aheim&umkreis=50").text))
    assert "im Ort" in texts
    assert all(
        re.fullmatch(r"im Ort|\d+ m|\d+,\d km|\d+ km|etwa \d+ km", text) for text in texts
    ), texts


# -------------------------------------------------------------------------------- hostile input

BAD = (
    "?nah=8.27",
    "?nah=8.27,50,1",
    "?nah=nan,50",
    "?nah=inf,50",
    "?nah=1e3,50",
    "?nah=999,50",
    "?nah=8,89",
    "?nah=٨،٥٠",
    "?nah=8.27,50&nah=8.27,50",
    "?ort=a&ort=b",
    "?ort=%00",
    "?ort=%FF",
    "?ort=" + "x" * 201,
    "?umkreis=3",
    "?umkreis=-2",
    "?umkreis=²",
    "?zeit=gestern",
    "?zeit=jetzt&zeit=heute",
    "?thema=Weltfrieden",
    "?rollstuhl=nein",
    "?gebiet=08",
    "?gebiet=07131&gebiet=07211",
    "?unbekannt=art",
    "?art=haus&art=schloss",
    "?sprache=" + "x" * 101,
    "?sprache=klingonisch",
    "?sprache=---",
    "?sprache=arabisch&sprache=<script>",
    "?angebot=gibtesnicht",
    "?angebot=%00",
    "?" + "&".join(f"sprache=s{n}" for n in range(21)),
)


@pytest.mark.parametrize("query", BAD)
def test_what_cannot_be_read_is_a_page_with_a_way_back(world: FlaskClient, query: str) -> None:
    answer = world.get(f"/{query}")
    assert answer.status_code == 400
    assert "Zur Karte und zur Liste" in answer.text
    assert world.get(f"/daten/orte.geojson{query}").status_code == 400
    assert world.get(f"/handzettel{query}").status_code == 400


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        ("zeit", "heute, jetzt, wochenende"),
        ("art", "begegnung, beratung, haus, hilfe, initiative, sprache"),
        ("thema", THEMES[0]),
        ("sprache", "Arabisch, Deutsch"),
        ("rollstuhl", "ja, teilweise"),
        ("angebot", "Beratung, "),
        ("gebiet", "07131, 07131001"),
        ("unbekannt", "angebot, rollstuhl, sprache, thema, zeit"),
    ],
)
def test_unknown_value_says_which_what_was_possible_and_leads_on_without_it(
    world: FlaskClient, name: str, possible: str
) -> None:
    answer = world.get("/de/", query_string=[("ort", "Aheim"), (name, "<b>"), ("q", "a&b")])
    text = unescape(answer.text)
    assert answer.status_code == 400
    assert f"Die Angabe „{name}“ kennt „<b>“ nicht. Möglich sind: " in text
    assert "<b>" not in answer.text
    assert possible in text
    (address,) = links(answer.text, "Ohne diese Angabe weiter")
    assert address == "/de/?ort=Aheim&q=a%26b"
    assert world.get(address).status_code == 200
    detail = world.get("/daten/orte.geojson", query_string={name: "zz"}).json["detail"]
    assert name in detail
    assert possible in detail


def test_way_back_keeps_the_other_choices_and_the_page(world: FlaskClient) -> None:
    page = world.get("/handzettel?art=haus&umkreis=3&ort=Aheim&art=sprache").text
    (address,) = links(page, "Ohne diese Angabe weiter")
    assert address == "/handzettel?art=haus&art=sprache&ort=Aheim"


@pytest.mark.parametrize("zero", ["٠", "۰", "०"])
def test_digits_of_every_script_are_read(world: FlaskClient, zero: str) -> None:
    def written(text: str) -> str:
        return "".join(chr(ord(zero) + int(sign)) if sign.isdigit() else sign for sign in text)

    for query in ("seite=1", "umkreis=5&ort=Aheim", "nah=7.05,50.05", "gebiet=07131"):
        pairs = [pair.split("=") for pair in query.split("&")]
        answer = world.get("/", query_string=[(name, written(value)) for name, value in pairs])
        assert answer.status_code == 200, query
        assert names(answer.text) == names(world.get(f"/?{query}").text)


@pytest.mark.parametrize("query", ["?q=zzz", "?q=zzz&art=haus"])
def test_what_no_place_has_is_an_empty_state(world: FlaskClient, query: str) -> None:
    answer = world.get(f"/{query}")
    assert answer.status_code == 200
    assert "Dazu haben wir nichts gefunden." in answer.text
    assert links(answer.text, "Auswahl zurücksetzen") == ["/"]
    assert "<script>alert" not in answer.text


PARAMETERS = (
    *("ort", "nah", "umkreis", "q", "seite", "unbekannt", "zeit", "art", "thema", "sprache"),
    *("rollstuhl", "angebot", "gebiet"),
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    pairs=st.lists(
        st.tuples(
            some(PARAMETERS),
            st.one_of(
                st.text(max_size=30),
                some(["8.27,50", "jetzt", "haus", "07131", "ja", "zeit", "2", "<b>", "' or 1=1"]),
            ),
        ),
        max_size=5,
    )
)
def test_no_query_is_a_500(world: FlaskClient, pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    for path in ("/", "/daten/orte.geojson"):
        assert world.get(f"{path}?{query}").status_code in {200, 303, 400, 404}
    assert world.get(f"/vorschlaege?{query}").status_code in {200, 400}


def test_typed_text_is_never_markup(world: FlaskClient) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    for name in ("ort", "q", "sprache", "angebot"):
        page = world.get("/", query_string={name: hostile}).text
        assert "<img" not in page
        assert "onerror=alert(1)&gt;" in page or hostile not in unescape(page)


def test_random_walk_along_chips_keeps_map_and_count_true(world: FlaskClient) -> None:
    walk = random.Random(7)
    address = "/"
    for _ in range(40):
        page = world.get(address).text
        head = re.search(r'id="liste-titel">([\d.]+) Ort', page)
        data = re.search(r'data-places="([^"]*)"', page)
        assert head
        assert data
        assert world.get(unescape(data[1])).json["listed"] == int(head[1])
        address = unescape(walk.choice(re.findall(r'<a class="chip[^"]*" href="([^"]*)"', page)))


def test_index_tells_rough_from_exact(index: PlaceIndex) -> None:
    exact: list[Place] = [
        one for one, rough in zip(index.places, index.rough, strict=True) if not rough
    ]
    assert all(one.precision in FINE_PRECISIONS or not one.placed for one in exact)
    json.dumps([one.id for one in exact])
