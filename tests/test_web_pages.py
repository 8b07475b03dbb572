"""The pages of places, areas and themes, and what law and search engines ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import pytest
import shapely
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_helpers import (
    SOURCE_NOTE,
    TODAY,
    VECTORS,
    MakeApp,
    app_maker,
    initiatives_of,
    place,
    small_land,
)

from geo_service.cli.setup import warn_of_missing
from geo_service.config import Settings, missing_settings
from geo_service.schema import (
    METRIC_CRS,
    MUNICIPALITY_COLUMNS,
    THEMES,
    WGS84,
    as_columns,
    check_municipalities,
)
from geo_service.snapshot import Territory
from geo_service.web.areas import AreaIndex
from geo_service.web.languages import LANGUAGES
from geo_service.web.legal import contact_link
from geo_service.web.place_facts import geo_link, osm_link, read_week
from geo_service.web.places import read_places
from geo_service.web.themes import PAGES, slug_of

OPERATOR: dict[str, Any] = {
    "operator": "Kreis <Auenland> & Co",
    "operator_address": "Rathausplatz 1; 53501 Aheim",
    "operator_email": "post@auenland.example",
    "operator_phone": "02641 1234-5",
    "operator_details": "Register: VR 12; USt-IdNr.: DE1",
    "responsible": "Leitung der Koordinierungsstelle",
    "contact": "hilfe@auenland.example",
    "privacy_contact": "https://auenland.example/datenschutz",
    "privacy_notes": "Das Rechenzentrum des Landes betreibt den Server.",
    "public_url": "https://orte.auenland.example",
}
PLACES = [
    place(
        1,
        name="Café Anker",
        opening_hours="Mo 14:00-18:00 (Angabe 2022)",
        languages="Arabisch; Deutsch",
        theme=THEMES[0],
        website="https://example.org/anker",
    ),
    place(2, name="Haus am Markt", category="Bürgerhaus/Nachbarschaftshaus", theme=THEMES[0],
          point=(7.06, 50.05), opening_hours="nach Absprache"),
    place(3, name="Sprachtreff", category="Sprachcafé/Sprachkurs", city="Bdorf", ags="07131002",
          street=None, house_number=None, postcode=None, municipality="Bdorf",
          coordinate_precision="municipality", point=(7.15, 50.05), source_date="2017-05",
          source="Auskunft am Telefon"),
    place(4, name="Werkstatt", category="Fahrradwerkstatt", city="Cstadt", ags="07211000",
          kreis="Cstadt (kreisfreie Stadt)", point=(7.25, 50.05), theme=THEMES[2]),
    place(5, name="Verein ohne Ort", category="Sonstiges", street=None, city=None, point=None),
    place(6, name="Runde", category="Sonstiges", city="Bdorf", ags="07131002", street=None,
          coordinate_precision="municipality", point=(7.15, 50.05)),
]  # fmt: skip
PAGES_TO_SEE = (
    "/orte/ort-1",
    "/gebiete",
    "/gebiete/07131",
    "/gebiete/071315001",
    "/gebiete/07131001",
    "/gebiete/07211",
    "/gebiete/07",
    "/themen",
    f"/themen/{PAGES[0].slug}",
    "/leichte-sprache",
    "/barrierefreiheit",
    "/datenschutz",
    "/impressum",
    "/quellen",
)


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Builds an application over a store that holds the given places."""
    with app_maker(tmp_path, PLACES) as make:
        yield make


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Reads an application that holds `PLACES`."""
    with app_maker(tmp_path_factory.mktemp("pages"), PLACES) as make:
        yield make().test_client()


def text_of(page: str) -> str:
    """The words of a page without its markup."""
    body = re.sub(r"<(script|style|head|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def facts(page: str) -> dict[str, str]:
    """The pairs of all description lists of a page."""
    pairs = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", page, flags=re.DOTALL)
    return {text_of(term): text_of(value) for term, value in pairs}


def near(page: str) -> list[tuple[str, str]]:
    """The names and distances of what a page says is near."""
    items = re.findall(r'<ul class="nearby">(.*?)</ul>', page, flags=re.DOTALL)
    found = re.findall(r"<a [^>]*>(.*?)</a><span class=\"meta\">(.*?)</span>", "".join(items))
    return [(unescape(name), distance.split(" · ")[-1]) for name, distance in found]


def linked_data(page: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0])
    return data


# ---------------------------------------------------------------------------- one place


def test_place_page_says_where_its_point_comes_from(client: FlaskClient) -> None:
    said = facts(client.get("/orte/ort-1").text)
    assert said["Wie genau"] == "auf das Haus genau"
    assert said["Gefunden in"] == "Ortsverzeichnis"
    assert said["Wie sicher"] == "sicher (100 %)"
    assert said["Geprüft"] == "Der Punkt liegt in der Gemeinde, die der Eintrag nennt."
    assert said["Lizenz"] == "CC0"
    assert said["Punkt"] == "50,05000 Nord, 7,05000 Ost"
    assert said["Zuletzt bestätigt"] == "Noch nie, soweit wir wissen."
    assert said["Stand der Quelle"] == "März 2026"
    assert said["Quelle"] == "https://example.org/quelle"


def test_rough_place_is_called_rough_and_asks_for_the_town(client: FlaskClient) -> None:
    page = client.get("/orte/ort-3").text
    said = facts(page)
    assert said["Wie genau"].startswith("nur auf die Gemeinde genau")
    assert said["Quelle"] == "Auskunft am Telefon"
    assert "Wir kennen nur den Ort, nicht die Straße." in page
    assert "Diese Angaben sind alt: Stand Mai 2017" in page
    assert 'href="geo:50.050000,7.150000?q=Bdorf"' in page
    assert "openstreetmap.org/#map=13/50.05000/7.15000" in page
    assert "mlat" not in page


def test_stated_street_that_was_not_found_is_not_called_unknown(make_app: MakeApp) -> None:
    row = place(1, coordinate_precision="municipality")
    page = make_app([row]).test_client().get("/orte/ort-1").text
    assert "Diese Straße haben wir auf der Karte nicht gefunden." in page
    assert "nicht die Straße" not in page
    assert "q=Hauptstra%C3%9Fe%201%2C%2053501%20Aheim" in page


def test_place_without_a_point_has_no_map_and_says_why(client: FlaskClient) -> None:
    page = client.get("/orte/ort-5").text
    assert "Zu diesem Eintrag haben wir keinen Punkt gefunden." in page
    assert 'class="map"' not in page
    assert "geo:" not in page
    assert "In der Nähe" not in page


def test_mismatch_with_the_stated_municipality_is_shown(make_app: MakeApp) -> None:
    row = place(1)
    app = make_app([row])
    frame = initiatives_of([row])
    frame.loc[0, "municipality_check"] = "mismatch"
    frame.loc[0, "coordinate_score"] = 0.7
    from geo_service.web.place_facts import read_proofs

    with app.test_request_context("/"):
        proof = read_proofs(frame)["ort-1"]
        assert proof.checked is not None
        assert proof.checked.startswith("Achtung")
        assert proof.sure == "wahrscheinlich richtig (70 %)"


@pytest.mark.parametrize(
    ("score", "words"),
    [(1.0, "sicher"), (0.9, "sehr wahrscheinlich"), (0.7, "wahrscheinlich"), (0.2, "unsicher")],
)
def test_score_is_said_in_words(make_app: MakeApp, score: float, words: str) -> None:
    from geo_service.web.place_facts import Proof

    with make_app().test_request_context("/"):
        sure = Proof("found", "address", score, None, None).sure
    assert sure is not None
    assert sure.startswith(words)


def test_certain_hours_become_the_coming_week_beside_their_text(client: FlaskClient) -> None:
    page = client.get("/orte/ort-1").text
    rows = re.findall(r"<tr( class=\"today\")?><th scope=\"row\">(.*?)</th><td>(.*?)</td>", page)
    assert len(rows) == 7
    assert rows[0] == (' class="today"', "Heute, Montag", "14:00–18:00")
    assert {hours for _, _, hours in rows[1:]} == {"geschlossen"}
    assert "So steht es in der Quelle: Mo 14:00-18:00 (Angabe 2022)" in text_of(page)


def test_uncertain_hours_stay_text_and_are_never_closed(client: FlaskClient) -> None:
    page = client.get("/orte/ort-2").text
    assert facts(page)["Geöffnet"] == "nach Absprache"
    assert "geschlossen" not in page
    assert facts(client.get("/orte/ort-4").text)["Geöffnet"] == "Dazu wissen wir nichts."


def test_open_end_and_holidays_are_not_called_closed(make_app: MakeApp) -> None:
    import datetime as dt

    with make_app().test_request_context("/"):
        week = read_week("Di ab 15:30", TODAY)
        assert week is not None
        assert week.days[1].text == "ab 15:30 Uhr"
        christmas = read_week("Mo-Fr 10:00-12:00", dt.date(2026, 12, 24))
        assert christmas is not None
        assert "geschlossen" not in {day.text for day in christmas.days[:2]}


def test_day_by_arrangement_is_not_called_closed(make_app: MakeApp) -> None:
    with make_app().test_request_context("/"):
        week = read_week("Mo 10:00-12:00 und nach Vereinbarung", TODAY)
    assert week is not None
    assert [day.text for day in week.days[:1]] == ["10:00–12:00"]
    assert "geschlossen" not in {day.text for day in week.days}


def test_near_places_come_nearest_first_with_honest_distances(client: FlaskClient) -> None:
    found = near(client.get("/orte/ort-1").text)
    assert [name for name, _ in found] == [
        "Haus am Markt",
        "Runde",
        "Sprachtreff",
        "Werkstatt",
    ]
    # 0.01 degrees of longitude at 50.05° N are 716 m (WGS84), 0.1 are 7.2 km.
    assert dict(found)["Haus am Markt"] == "0,7 km"
    assert dict(found)["Sprachtreff"] == "etwa 7 km"
    assert dict(found)["Werkstatt"] == "14,3 km"


def test_rough_places_of_one_town_have_no_distance(client: FlaskClient) -> None:
    found = dict(near(client.get("/orte/ort-3").text))
    assert found["Runde"] == "im selben Ort"
    assert found["Werkstatt"] == "etwa 7 km"


def test_at_most_five_places_are_near(make_app: MakeApp) -> None:
    rows = [place(n, point=(7.01 + n / 1000, 50.05)) for n in range(20)]
    page = make_app(rows).test_client().get("/orte/ort-10").text
    assert len(near(page)) == 5
    assert "Café 10" not in dict(near(page))


def test_links_open_a_map_app_and_the_way_on_osm_to_the_very_point() -> None:
    found = {p.id: p for p in read_places(initiatives_of(PLACES), small_land(), today=TODAY)}
    assert geo_link(found["ort-1"]) == (
        "geo:50.050000,7.050000?q=50.050000,7.050000(Caf%C3%A9%20Anker)"
    )
    assert osm_link(found["ort-1"]) == (
        "https://www.openstreetmap.org/directions?from=&to=50.05000%2C7.05000"
        "#map=17/50.05000/7.05000"
    )
    assert geo_link(found["ort-5"]) is osm_link(found["ort-5"]) is None


def test_linked_data_says_what_is_known_and_nothing_else(make_app: MakeApp) -> None:
    client = make_app(public_url="https://orte.example").test_client()
    assert linked_data(client.get("/orte/ort-2").text) == {
        "@context": "https://schema.org",
        "@type": "CivicStructure",
        "name": "Haus am Markt",
        "url": "https://orte.example/orte/ort-2",
        "address": {
            "@type": "PostalAddress",
            "streetAddress": "Hauptstraße 2",
            "postalCode": "53501",
            "addressLocality": "Aheim",
            "addressRegion": "Rheinland-Pfalz",
            "addressCountry": "DE",
        },
        "geo": {"@type": "GeoCoordinates", "latitude": 50.05, "longitude": 7.06},
    }
    data = linked_data(client.get("/orte/ort-1").text)
    assert data["sameAs"] == "https://example.org/anker"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mo-Fr 10-12 Uhr", ["Mo-Fr 10:00-12:00"]),
        (
            "Mo-Fr 10-12 u. 14-16 Uhr, Do bis 18",
            [
                "Mo-We,Fr 10:00-12:00",
                "Mo-We,Fr 14:00-16:00",
                "Th 10:00-12:00",
                "Th 14:00-18:00",
            ],
        ),
        ("Café Mi 14-16", None),  # We 14:00-16:00 || unknown
        ("Di ab 14 Uhr", None),  # Tu 14:00+
        ("1. und 3. Sa im Monat 10-14", None),  # Sa[1,3] 10:00-14:00
        ("werktags 9-17", None),
        ("Mo 14:00-18:00 (Angabe 2022)", None),  # its form cannot say how old that is
        ("Mo 14:00-18:00 (Angabe um 2016)", None),
        ("Mo 10-12 und nach Vereinbarung", None),
        ("24/7", None),
        ("nach Absprache", None),
    ],
)
def test_linked_data_gives_hours_only_where_its_form_can_say_them(
    make_app: MakeApp, text: str, said: list[str] | None
) -> None:
    client = make_app([place(1, opening_hours=text)]).test_client()
    assert linked_data(client.get("/orte/ort-1").text).get("openingHours") == said


def test_linked_data_gives_no_point_that_stands_for_a_town(client: FlaskClient) -> None:
    data = linked_data(client.get("/orte/ort-3").text)
    assert data["@type"] == "Organization"
    assert "geo" not in json.dumps(data)


def test_hostile_text_stays_text_in_linked_data_and_links(make_app: MakeApp) -> None:
    fields = ("name", "organisation", "street", "city", "website", "opening_hours", "source")
    rows = [place(n, **dict.fromkeys(fields, text)) for n, text in enumerate(VECTORS)]
    client = make_app(rows, contact="hilfe@example.org").test_client()
    for number, text in enumerate(VECTORS):
        page = client.get(f"/orte/ort-{number}").text
        assert linked_data(page)["name"] == text
        for href in re.findall(r'href="([^"]*)"', page):
            assert re.match(r"(/|https?:|geo:|mailto:|#|\?)", unescape(href)), href
        mail = next(iter(re.findall(r'href="(mailto:[^"]*subject=[^"]*Nummer[^"]*)"', page)))
        assert not re.search(r"[<>\"\s]", unescape(mail))


def test_error_can_be_reported_by_mail_or_page(make_app: MakeApp) -> None:
    page = make_app(contact="hilfe@example.org").test_client().get("/orte/ort-1").text
    subject = "subject=Fehler%20bei%3A%20Caf%C3%A9%20Anker"
    assert f"mailto:hilfe@example.org?{subject}&amp;body=Nummer" in page
    page = make_app(contact="https://example.org/f?a=1#x").test_client().get("/orte/ort-1").text
    assert "https://example.org/f?a=1&amp;betreff=Fehler%20bei" in page
    page = make_app(contact="Zimmer 12").test_client().get("/orte/ort-1").text
    assert "Schreiben Sie an Zimmer 12." in page


@pytest.mark.parametrize("path", ["/orte/ort-1", "/gebiete/07131"])
def test_operator_reads_where_mistakes_could_be_reported_that_no_address_is_set(
    make_app: MakeApp, path: str
) -> None:
    missing = 'Angabe des Betreibers fehlt: <code dir="ltr">GEO_SERVICE_CONTACT</code>'
    assert missing in make_app().test_client().get(path).text
    assert missing not in make_app(contact="Zimmer 12").test_client().get(path).text


@pytest.mark.parametrize(
    "contact",
    ["", "javascript:alert(1)", "mailto:a@b", "x@y.de?bcc=z@w.de", "a b@c.de", "//evil", "Büro"],
)
def test_contact_that_is_no_address_is_no_link(contact: str) -> None:
    assert contact_link(contact, "x") is None


def test_map_of_a_place_has_one_mark_and_starts_around_it(client: FlaskClient) -> None:
    page = client.get("/orte/ort-1").text
    data = client.get(re.findall(r'data-places="([^"]*)"', page)[0]).get_json()
    assert [feature["id"] for feature in data["features"]] == ["ort-1"]
    west, south, east, north = map(float, re.findall(r'data-view="([^"]*)"', page)[0].split(","))
    assert west < 7.05 < east
    assert south < 50.05 < north
    assert east - west < 0.03
    rough = client.get("/orte/ort-3").text
    assert 'data-outline="/daten/umrisse/07131002.geojson"' in rough
    assert 'data-view="7.1000,50.0000,7.2000,50.1000"' in rough


def test_ids_with_odd_characters_have_pages_and_data(make_app: MakeApp) -> None:
    ids = ["a/b", "ä ö", "x%2Fy", "q?r#s", "<b>", "a;b", "..x"]
    rows = [place(n, id=one, name=f"N{n}") for n, one in enumerate(ids)]
    app = make_app(rows)
    client = app.test_client()
    addresses = re.findall(
        r"<loc>http://localhost(/orte/.*?)</loc>", client.get("/sitemap.xml").text
    )
    assert len(addresses) == len(ids)
    for address in addresses:
        page = client.get(unescape(address))
        assert page.status_code == 200
        data = client.get(unescape(re.findall(r'data-places="([^"]*)"', page.text)[0]))
        assert len(data.get_json()["features"]) == 1


# -------------------------------------------------------------------------------- areas


@pytest.fixture(scope="module")
def index(territory: Territory) -> AreaIndex:
    return AreaIndex(territory.municipalities, territory.successors)


def test_every_area_has_one_page(index: AreaIndex) -> None:
    levels = [area.level for area in index.areas.values()]
    assert {level: levels.count(level) for level in set(levels)} == {
        "land": 1,
        "kreis": 36,
        "verbandsgemeinde": 129,
        "gemeinde": 2_288,  # 2,300 without the 12 kreisfreie Städte, whose page is the Kreis's
    }


def test_parts_add_up_to_the_whole(index: AreaIndex) -> None:
    for area in index.areas.values():
        parts = index.children(area)
        if parts:
            assert sum(part.population for part in parts) == area.population, area.name
    assert index.areas["07"].population == 4_129_569


@pytest.mark.parametrize(
    ("key", "own"),
    [
        ("07315000", "07315"),  # Mainz as municipality
        ("073150000", "07315"),  # Mainz as unit beside the Verbandsgemeinden
        ("073390030", "07339030"),  # Ingelheim, outside any Verbandsgemeinde
        ("07339027", "07339030"),  # Heidesheim, since 2019 part of Ingelheim
        ("073395005", "07339030"),  # Verbandsgemeinde Heidesheim
        ("071325001", "071325010"),  # Betzdorf, since 2017 Betzdorf-Gebhardshain
        ("07", "07"),
        ("071315001", "071315001"),
        ("99", None),
        ("", None),
        ("0713100", None),
    ],
)
def test_every_key_of_an_area_leads_to_its_page(
    index: AreaIndex, key: str, own: str | None
) -> None:
    assert index.canonical(key) == own


def test_successors_are_present_areas(index: AreaIndex, territory: Territory) -> None:
    grown = {old for old, new in territory.successors.items() if old == new}
    assert grown == {"07339030", "073390030"}  # Ingelheim
    assert len(territory.successors) == 47 + len(grown)
    for old, new in territory.successors.items():
        assert old in grown or index.get(old) is None
        assert index.canonical(new) is not None


def test_neighbours_share_a_border(index: AreaIndex, territory: Territory) -> None:
    mainz = index.areas["07315"]
    assert [one.name for one in index.neighbours(mainz)] == ["Landkreis Mainz-Bingen"]
    kreise = territory.areas["kreis"]
    lines = kreise.geometry.boundary.to_crs(METRIC_CRS)
    for key, line in zip(kreise["key"], lines, strict=True):
        shared_m = shapely.length(shapely.intersection(lines.array, line))
        beside = set(kreise["key"][shared_m > 1]) - {key}
        assert {one.key for one in index.neighbours(index.areas[key])} == beside


def test_neighbours_of_a_verbandsgemeinde_may_stand_outside_any(index: AreaIndex) -> None:
    found = index.neighbours(index.areas["073395003"])  # Gau-Algesheim
    assert "Ingelheim am Rhein" in {one.name for one in found}
    assert {one.level for one in found} <= {"verbandsgemeinde", "gemeinde", "kreis"}


def test_areas_that_meet_in_a_point_are_no_neighbours() -> None:
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    names = ["West", "Ost", "Nordwest", "Nordost"]
    count = len(corners)
    values = {
        "ags": [f"0713100{n}" for n in range(count)],
        "ars": [f"07131500100{n}" for n in range(count)],
        "name": names,
        "designation": ["Gemeinde"] * count,
        "verbandsgemeinde": ["V"] * count,
        "verbandsgemeinde_key": ["071315001"] * count,
        "kreis": ["K"] * count,
        "kreis_key": ["07131"] * count,
        "land_key": ["07"] * count,
        "population": [100] * count,
        "area_km2": [1.0] * count,
        "postcode": ["53501"] * count,
        "seat_lon": [7.5 + x for x, _ in corners],
        "seat_lat": [50.5 + y for _, y in corners],
        "seat_source": ["official"] * count,
    }
    squares = [
        shapely.MultiPolygon([shapely.box(7 + x, 50 + y, 8 + x, 51 + y)]) for x, y in corners
    ]
    frame = as_columns(values, MUNICIPALITY_COLUMNS)
    land = check_municipalities(gpd.GeoDataFrame(frame, geometry=squares, crs=WGS84))
    found = AreaIndex(land, {}).neighbours(AreaIndex(land, {}).areas["07131000"])
    assert {one.name for one in found} == {"Ost", "Nordwest"}


def test_area_page_counts_what_lies_in_it(client: FlaskClient) -> None:
    page = text_of(client.get("/gebiete/07131").text)
    assert "Hier kennen wir 5 Orte." in page  # one without a point, by its stated Kreis
    assert "2 davon stehen auf der Karte nur ungefähr." in page
    assert "Es leben 9.000 Menschen hier. Auf einen Ort kommen etwa 1.800 Menschen." in page
    page = text_of(client.get("/gebiete/071315001").text)
    assert "Hier kennen wir 4 Orte." in page
    page = text_of(client.get("/gebiete/07131002").text)
    assert "Auf der Karte stehen alle nur ungefähr" in page


@pytest.mark.parametrize("key", ["07131", "071315001", "07131001", "07131002", "07211"])
def test_area_page_lists_the_places_of_the_search(client: FlaskClient, key: str) -> None:
    def names(page: str) -> set[str]:
        return set(re.findall(r"<h4[^>]*><a [^>]*>(.*?)</a></h4>", page))

    page = client.get(f"/gebiete/{key}").text
    assert names(page) == names(client.get(f"/?gebiet={key}").text) != set()
    mapped = client.get(f"/daten/gebiete/{key}.geojson").get_json()["features"]
    assert {feature["properties"]["name"] for feature in mapped} <= names(page)


def test_area_pages_lead_up_down_and_sideways(client: FlaskClient) -> None:
    page = client.get("/gebiete/071315001").text
    for key in ("07", "07131", "07131001", "07131002"):
        assert f'href="/gebiete/{key}"' in page
    assert 'href="/gebiete/07131002"' in client.get("/gebiete/07131001").text


def test_overview_counts_add_up(client: FlaskClient) -> None:
    page = client.get("/gebiete").text
    counts = [int(count) for count in re.findall(r'class="count">(\d+) Ort', page)]
    assert sum(counts) == len(PLACES)


def test_empty_area_shows_what_is_nearest(make_app: MakeApp) -> None:
    client = make_app(PLACES[2:3]).test_client()
    page = client.get("/gebiete/07131001").text
    assert "Hier kennen wir noch keinen Ort." in page
    assert near(page) == [("Sprachtreff", "etwa 7 km")]


def test_former_keys_are_sent_on_for_good(territory: Territory, make_app: MakeApp) -> None:
    client = make_app([place(1)], territory).test_client()
    for prefix in ("", "/ar"):
        answer = client.get(f"{prefix}/gebiete/07339027")
        assert answer.status_code == 301
        assert answer.location == f"{prefix}/gebiete/07339030"


def test_outline_is_the_area_and_names_its_source(client: FlaskClient) -> None:
    data = client.get("/daten/umrisse/07131.geojson").get_json()
    shape = shapely.from_geojson(json.dumps(data["features"][0]["geometry"]))
    assert shape.bounds == pytest.approx((7.0, 50.0, 7.2, 50.1))
    assert data["attribution"] == SOURCE_NOTE


# ------------------------------------------------------------------------------- themes


def test_every_theme_has_a_page_with_its_places(client: FlaskClient) -> None:
    overview = client.get("/themen").text
    for theme in PAGES:
        page = client.get(f"/themen/{theme.slug}")
        assert page.status_code == 200
        assert f"<h1>{theme.value}</h1>" in page.text
        assert f'href="/themen/{theme.slug}"' in overview
    assert "2 Orte" in client.get(f"/themen/{PAGES[0].slug}").text
    assert "Noch kein Ort" in client.get(f"/themen/{PAGES[1].slug}").text
    assert [slug_of(theme) for theme in THEMES] == [theme.slug for theme in PAGES]
    assert slug_of(None) is slug_of("Anderes") is None


def test_long_lists_have_pages(make_app: MakeApp) -> None:
    rows = [place(n, theme=THEMES[0]) for n in range(130)]
    client = make_app(rows).test_client()
    for address in (f"/themen/{PAGES[0].slug}", "/gebiete/07131001"):
        shown = [client.get(f"{address}?seite={page}").text for page in (1, 2, 3)]
        assert [page.count('<li class="card"') for page in shown] == [60, 60, 10]
        assert client.get(f"{address}?seite=4").status_code == 404
        assert client.get(f"{address}?seite=x").status_code == 400
        assert 'rel="next"' in shown[0]
        assert 'rel="prev"' in shown[2]
        assert f'rel="canonical" href="http://localhost{address}"' in shown[0] or (
            f'rel="canonical" href="{address}"' in shown[0]
        )


# -------------------------------------------------------------------- what is not there


@pytest.mark.parametrize(
    "address",
    [
        "/orte/nix",
        "/gebiete/07999",
        "/gebiete/07131001x",
        "/themen/nix",
        "/daten/orte/nix",
        "/daten/gebiete/nix.geojson",
        "/daten/gebiete/07211000.geojson",
        "/daten/umrisse/nix.geojson",
    ],
)
def test_unknown_is_not_found_with_a_way_back(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    if not address.startswith("/daten"):
        assert 'href="/"' in answer.text
        assert 'href="/gebiete"' in answer.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(["/orte/", "/gebiete/", "/themen/", "/daten/umrisse/"]), st.text())
def test_no_address_is_a_server_error(client: FlaskClient, start: str, rest: str) -> None:
    from urllib.parse import quote

    assert client.get(start + quote(rest)).status_code < 500


# ------------------------------------------------------------------------------- legal


def test_missing_settings_are_said_on_pages_and_at_start(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    said: set[str] = set()
    for address in ("/impressum", "/datenschutz", "/barrierefreiheit", "/leichte-sprache"):
        found = re.findall(r"fehlt:\s*<code[^>]*>(GEO_[A-Z_]*)</code>", client.get(address).text)
        assert found, address
        said |= set(found)
    assert said == set(missing_settings(Settings()))
    warn_of_missing(Settings())
    warned = capsys.readouterr().err
    assert all(name in warned for name in said)


def test_given_settings_are_shown_as_text(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert missing_settings(Settings(**OPERATOR)) == ()
    warn_of_missing(Settings(**OPERATOR))
    assert capsys.readouterr().err == ""
    client = make_app(**OPERATOR).test_client()
    pages = {address: client.get(address).text for address in PAGES_TO_SEE}
    assert not any("fehlt:" in page for page in pages.values())
    imprint = pages["/impressum"]
    for text in ("Kreis &lt;Auenland&gt; &amp; Co", "Rathausplatz 1", "VR 12"):
        assert text in imprint
    assert "<bdi>Rathausplatz 1</bdi><br><bdi>53501 Aheim</bdi>" in imprint
    assert 'href="mailto:post@auenland.example"' in imprint
    assert 'href="tel:0264112345"' in imprint
    assert (
        'href="https://auenland.example/datenschutz?betreff=Datenschutz"' in pages["/datenschutz"]
    )
    assert "<bdi>Rathausplatz 1</bdi><br><bdi>53501 Aheim</bdi>" in pages["/datenschutz"]
    assert "Das Rechenzentrum des Landes betreibt den Server." in pages["/datenschutz"]
    assert "mailto:hilfe@auenland.example?subject=Barriere" in pages["/barrierefreiheit"]


def test_hostile_settings_are_text(make_app: MakeApp) -> None:
    for text in VECTORS:
        given_values = dict.fromkeys(
            ("operator", "operator_address", "responsible", "contact"), text
        )
        client = make_app(**given_values, operator_phone=text, privacy_contact=text).test_client()
        for address in ("/impressum", "/datenschutz", "/barrierefreiheit"):
            page = client.get(address).text
            for bad in ("<script>window", "<img", "<iframe", "<base", "onload=window.pwned=1>"):
                assert bad not in page
            hrefs = [unescape(href) for href in re.findall(r'href="([^"]*)"', page)]
            assert not [href for href in hrefs if re.match(r"\s*(javascript|data):", href, re.I)]


def test_privacy_page_says_which_geocoder_is_asked(make_app: MakeApp) -> None:
    page = make_app().test_client().get("/datenschutz").text
    assert "geht an keinen anderen Dienst" in page


def test_accessibility_statement_has_what_the_model_asks(client: FlaskClient) -> None:
    page = text_of(client.get("/barrierefreiheit").text)
    for text in (
        "teilweise",
        "BITV RP",
        "Was noch nicht barrierefrei ist",
        "Selbstbewertung",
        "22.11.2026",
        "zuletzt überprüft",
        "Durchsetzungsstelle",
    ):
        assert text in page


def test_plain_language_has_short_sentences(client: FlaskClient) -> None:
    page = client.get("/leichte-sprache").text
    body = re.findall(r'<div class="legal plain".*?</div>', page, re.DOTALL)[0]
    lines = re.split(r"<br>|</?(?:p|li|ul|ol|h2|div)\b[^>]*>", body)
    sentences = [s for line in lines for s in re.split(r"[.!?:]\s", text_of(line)) if s]
    longest = max(sentences, key=lambda sentence: len(sentence.split()))
    assert len(sentences) > 60
    assert len(longest.split()) <= 12, longest


def test_plain_language_calls_what_is_to_be_pressed_by_its_name(client: FlaskClient) -> None:
    """And has long words in parts: a part has at most 14 letters (BITV 2.0, annex 2)."""
    page = text_of(
        re.findall(r'<div class="legal plain".*?</div>', client.get("/leichte-sprache").text, re.S)[
            0
        ]
    )
    start = text_of(client.get("/").text)
    said = re.findall("drücken Sie auf „(.*?)“|auf „(.*?)“ drücken", page, re.IGNORECASE)
    assert {one or other for one, other in said} == {
        name
        for name in ("Suchen", "In meiner Nähe suchen", "Handzettel zum Drucken")
        if name in start
    }
    words = re.findall(r"[A-Za-zÄÖÜäöüß]{15,}", re.sub(r"<code.*?</code>|GEO_\w+", "", page))
    assert not words


def test_german_only_texts_are_marked_and_summed_up(client: FlaskClient) -> None:
    for address in ("/impressum", "/datenschutz", "/barrierefreiheit", "/leichte-sprache"):
        page = client.get(f"/ar{address}").text
        assert re.search(r'<div class="legal[^"]*" lang="de" dir="ltr">', page), address
        assert re.search(r'</h1>\s*<p class="notice">', page), address


# -------------------------------------------------------------------- every page alike


@pytest.mark.parametrize("address", PAGES_TO_SEE)
def test_every_page_leads_to_every_part(client: FlaskClient, address: str) -> None:
    page = client.get(address).text
    parts = ("", "gebiete", "themen", "leichte-sprache")
    footer = ("barrierefreiheit", "datenschutz", "impressum", "quellen")
    for part in (*parts, *footer):
        assert f'href="/{part}"' in page
    assert len(re.findall(r"<h1\b", page)) == 1
    assert "<main" in page


@pytest.mark.parametrize("address", PAGES_TO_SEE)
def test_page_that_is_known_is_not_sent_again(client: FlaskClient, address: str) -> None:
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""
    assert first.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("address", PAGES_TO_SEE)
def test_ids_of_a_page_are_unique_and_its_references_point_somewhere(
    client: FlaskClient, address: str
) -> None:
    page = client.get(address).text
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    named = re.findall(r'aria-labelledby="([^"]*)"', page)
    assert set(named) | set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


@pytest.mark.parametrize("tiles_url", ["off", "basemap-grau"])
def test_privacy_page_says_who_sees_the_visitor_of_the_map(
    make_app: MakeApp, tiles_url: str
) -> None:
    page = text_of(make_app(tiles_url=tiles_url).test_client().get("/datenschutz").text)
    assert "Ihr Browser lädt alles von unserem Server" in page
    assert ("Der Kartendienst sieht nur unseren Server, nicht Sie." in page) == (tiles_url != "off")
    assert "nennt das Fehlerprotokoll die IP-Adresse" not in page, "`server` leaves it out"


# ----------------------------------------------------------------------- search engines

KEPT_PAGES = (
    "/",
    "/?art=haus",
    "/handzettel",
    "/handzettel?art=haus",
    "/handzettel.pdf",
    "/robots.txt",
    "/sitemap.xml",
    "/daten/orte.geojson",
    "/karte.js",
    *PAGES_TO_SEE,
)


@pytest.mark.parametrize("prefix", ["", "/de", "/ar"])
def test_a_foreign_host_reaches_no_page_but_its_own_answer(make_app: MakeApp, prefix: str) -> None:
    client = make_app().test_client()
    for address in KEPT_PAGES:
        client.get(prefix + address, headers={"Host": "fremd.example"})
        again = client.get(prefix + address, follow_redirects=True)
        assert again.status_code == 200, address
        assert b"fremd.example" not in again.data, address


def test_a_foreign_host_is_repeated_nowhere_once_the_address_is_set(make_app: MakeApp) -> None:
    client = make_app(public_url="https://orte.example").test_client()
    for address in KEPT_PAGES:
        answer = client.get(address, headers={"Host": "fremd.example"})
        assert answer.status_code == 200, address
        assert b"fremd.example" not in answer.data, address


def test_sitemap_names_pages_that_are_there_each_once(make_app: MakeApp) -> None:
    app = make_app(public_url="https://orte.example/x")
    content = app.test_client().get("/sitemap.xml")
    assert content.mimetype == "application/xml"
    space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    tree = ElementTree.fromstring(content.data)  # noqa: S314 - our own answer
    found = [one.text or "" for one in tree.iter(f"{space}loc")]
    assert len(found) == len(set(found)) > len(PLACES)
    for address in found:
        assert address.startswith("https://orte.example/x/")
        assert (
            app.test_client().get(address.removeprefix("https://orte.example/x")).status_code == 200
        )
    assert not any("/gebiete/07211000" in address for address in found)


def test_sitemap_names_each_page_in_every_language_by_its_canonical_address(
    make_app: MakeApp,
) -> None:
    client = make_app(PLACES[:1], public_url="https://orte.example").test_client()
    found = re.findall("<loc>https://orte.example(.*?)</loc>", client.get("/sitemap.xml").text)
    assert {*found} == {
        re.findall('<link rel="canonical" href="https://orte.example(.*?)">', page.text)[0]
        for address in found
        for page in [client.get(address)]
    }
    pages = [address for address in found if not re.match("/[a-z]{2}/", address)]
    assert len(found) == len(LANGUAGES) * len(pages) + 1, "the start page greets, and is German"


def test_sitemap_of_too_many_pages_lists_its_parts(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(public_url="https://orte.example/x").test_client()
    whole = re.findall("<loc>(.*?)</loc>", client.get("/sitemap.xml").text)
    assert client.get("/sitemap-1.xml").status_code == 404
    monkeypatch.setattr(import_module("geo_service.web.legal"), "MOST_ADDRESSES", len(whole) // 2)
    client = make_app(public_url="https://orte.example/x").test_client()
    index = client.get("/sitemap.xml").text
    assert ElementTree.fromstring(index).tag.endswith("}sitemapindex")  # noqa: S314 - our own
    parts = re.findall("<loc>https://orte.example/x(.*?)</loc>", index)
    lists = [re.findall("<loc>(.*?)</loc>", client.get(part).text) for part in parts]
    assert [address for part in lists for address in part] == whole
    assert max(map(len, lists)) == len(whole) // 2
    assert client.get(f"/sitemap-{len(parts) + 1}.xml").status_code == 404
    assert client.get("/sitemap-0.xml").status_code == 404


def test_sitemap_leaves_out_areas_without_a_place(make_app: MakeApp) -> None:
    text = make_app(PLACES[:1]).test_client().get("/sitemap.xml").text
    assert "/gebiete/07131001<" in text
    assert "/gebiete/07131002<" not in text


def test_robots_names_the_sitemap_and_leaves_programs_out(client: FlaskClient) -> None:
    answer = client.get("/robots.txt")
    assert answer.mimetype == "text/plain"
    lines = answer.text.splitlines()
    assert lines[-1] == "Sitemap: http://localhost/sitemap.xml"
    for line in (
        "Disallow: /daten/",
        "Disallow: /ar/daten/",
        "Disallow: /kacheln/",
        "Disallow: /vorschlaege",
        "Disallow: /*?",
        "Allow: /static/",
    ):
        assert line in lines
