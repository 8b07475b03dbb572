"""Embeds: locks that hold, who may frame, what partners paste, oEmbed, the map as a file."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from web_helpers import (
    NOW,
    VECTORS,
    app_of,
    fill,
    initiatives_of,
    place,
    small_territory,
)

from geo_service import cli, config
from geo_service.config import Settings, load_settings
from geo_service.errors import NotFoundError, QueryError, SettingsError
from geo_service.pipeline import Workshop, import_file
from geo_service.schema import THEMES
from geo_service.snapshot import Snapshot, Territory
from geo_service.store import Store
from geo_service.web import BERLIN
from geo_service.web.embed import colour, standalone
from geo_service.web.embed.choice import PER_PAGE
from geo_service.web.embed.frames import allows
from geo_service.web.embed.snippets import SANDBOX
from geo_service.web.site import Backdrop, View

Make = Callable[..., Flask]

SHOWS = ("karte", "liste", "nur-karte")
PARTNERS = json.dumps({"auenland": ["www.auen.example", "*.cms.example"]})
FRAMED = {"Sec-Fetch-Dest": "iframe"}
ROWS = [
    place(1, theme=THEMES[0]),
    place(2, category="Haus der Familie", theme=THEMES[1]),
    place(3, category="Fahrradwerkstatt", ags="07131002", city="Bdorf", theme=THEMES[0]),
    place(4, category="Haus der Familie", ags="07211000", city="Cstadt", point=(7.25, 50.05)),
    place(
        5,
        category="Migrationsberatung",
        ags="07211000",
        city="Cstadt",
        point=None,
        kreis="Cstadt, kreisfreie Stadt",
    ),
]


@pytest.fixture(scope="module")
def make_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    stores: list[Store] = []

    def make(rows: Any = ROWS, **given: Any) -> Flask:
        store = Store(f"sqlite:///{tmp_path_factory.mktemp('embed') / 'x.db'}")
        stores.append(store)
        store.migrate()
        fill(store, initiatives_of(rows))
        return app_of(store, small_territory(), **given)

    yield make
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def app(make_app: Make) -> Flask:
    return make_app(public_url="https://dienst.example")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def partners(make_app: Make) -> Flask:
    return make_app(embed_partners=PARTNERS)


@pytest.fixture(scope="module")
def make_partners(make_app: Make) -> Callable[[bool], FlaskClient]:
    """A client of a service that everyone may embed, or partners only."""
    made = {
        only: make_app(embed_partners=PARTNERS, embed_only_partners=only).test_client()
        for only in (False, True)
    }
    return made.__getitem__


def listed(page: str) -> set[int]:
    """The numbers of the places on a page."""
    return {int(number) for number in re.findall(r'<li class="card" id="ort-ort-(\d+)"', page)}


class Tags(HTMLParser):
    """Every element of a page: its tag and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[Mapping[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def textarea(page: str, name: str) -> str:
    """What a reader copies out of a field."""
    (found,) = re.findall(rf'<textarea id="{name}"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    return html.unescape(found)


# -------------------------------------------------------------------------------- locks


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {1, 2, 3, 4, 5}),
        ("?fest-gebiet=07131", {1, 2, 3}),
        ("?fest-gebiet=07131001", {1, 2}),
        ("?fest-art=haus", {2, 4}),
        (f"?fest-thema={THEMES[0]}", {1, 3}),
        ("?fest-gebiet=07131&fest-art=haus", {2}),
        ("?fest-art=haus&fest-art=hilfe", {2, 3, 4}),
        # What the reader adds only narrows.
        ("?fest-gebiet=07131001&fest-gebiet=07211", {1, 2, 4, 5}),
        ("?fest-gebiet=07131001&fest-gebiet=07211&gebiet=07131", {1, 2}),
        ("?fest-gebiet=07131001&fest-gebiet=07211&gebiet=07131002", set()),
        ("?fest-gebiet=07131&gebiet=07131002", {3}),
        ("?fest-gebiet=07131&gebiet=07211", set()),
        ("?fest-art=haus&art=hilfe", set()),
        ("?fest-art=haus&art=haus&art=hilfe", {2, 4}),
        ("?fest-art=haus&gebiet=07211", {4}),
        # What does not exist in frames.
        ("?fest-gebiet=07131&q=Cstadt&ort=Cstadt&nah=7.25,50.05", {1, 2, 3}),
        # What other people's systems add to every address.
        ("?utm_source=x&fbclid=y&chart=1&fest-gebiet=07131&cHash=z", {1, 2, 3}),
    ],
)
@pytest.mark.parametrize("show", SHOWS)
def test_lock_holds_and_the_reader_narrows(
    client: FlaskClient, show: str, query: str, expected: set[int]
) -> None:
    answer = client.get(f"/embed/{show}{query}")
    assert answer.status_code == 200
    assert listed(answer.text) == expected
    data = client.get(f"/embed/orte.geojson{query}").get_json()
    assert {int(one["id"][4:]) for one in data["features"]} == expected - {5}
    assert data["listed"] == len(expected)


NAMES = ("gebiet", "art", "thema", "zeit", "sprache", "rollstuhl", "unbekannt", "seite", "q",
         "ort", "nah", "umkreis", "start", "farbe", "partner", "fest", "Fest-gebiet",
         "fest-gebiet ", "fest_gebiet", "FEST-GEBIET", "fest-gebiet[]", "fest-gebiet",
         "fest-art", "fest-thema", "fest%2Dgebiet", "locked", "embed")  # fmt: skip
VALUES = ("", "07211", "07211000", "07131002", "haus", "hilfe", *THEMES, "jetzt", "ja", "1", "7,5")


ANY = st.text(st.characters(codec="utf-8", max_codepoint=0x2FF), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(NAMES) | ANY, st.sampled_from(VALUES) | ANY), max_size=6
    ),
    show=st.sampled_from(SHOWS),
)
def test_no_other_parameter_widens_a_lock(
    app: Flask, pairs: list[tuple[str, str]], show: str
) -> None:
    rest = "".join(f"&{quote(name)}={quote(value)}" for name, value in pairs)
    # A lock of several areas holds those it names, and no other parameter adds one.
    more = {value for name, value in pairs if name == "fest-gebiet"} & {"07211", "07211000"}
    locked = {1, 2, 3} | ({4, 5} if more else set())
    for before, after in (("", rest), (rest[1:] + "&" if rest else "", "")):
        query = f"{before}fest-gebiet=07131{after}"
        page = app.test_client().get(f"/embed/{show}?{query}")
        assert page.status_code in {200, 400, 404}
        assert listed(page.text) <= locked
        data = app.test_client().get(f"/embed/orte.geojson?{query}").get_json(silent=True) or {}
        assert {int(one["id"][4:]) for one in data.get("features", [])} <= locked


def test_every_way_inside_the_frame_keeps_what_the_partner_fixed(client: FlaskClient) -> None:
    fixed = "fest-gebiet=07131&farbe=7a2e6e&start=07131001"
    page = client.get(f"/embed/karte?{fixed}&art=haus").text
    tags = Tags(page)
    inside = [one["href"] for one in tags.all("a") if one.get("target") == "_self"]
    assert len(inside) > 4
    assert all(address.startswith(f"/embed/karte?{fixed}") for address in inside)
    fields = {(one.get("name"), one.get("value")) for one in tags.all("input")}
    assert {("fest-gebiet", "07131"), ("farbe", "7a2e6e"), ("start", "07131001"),
            ("art", "haus")} <= fields  # fmt: skip


def test_an_embed_of_two_areas_names_both_and_offers_what_lies_in_them(
    client: FlaskClient,
) -> None:
    page = client.get("/embed/karte?fest-gebiet=07131001&fest-gebiet=07211").text
    tags = Tags(page)
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", page) == ["Aheim, Cstadt (Stadt)"]
    assert {one["value"] for one in tags.all("option")} == {"", "07131001", "07211"}
    (shown,) = [one for one in tags.all("div") if one.get("class") == "map"]
    assert shown["data-view"] == "7.0000,50.0000,7.3000,50.1000"
    assert "data-outline" not in shown
    fixed = "fest-gebiet=07131001&fest-gebiet=07211"
    inside = [one["href"] for one in tags.all("a") if one.get("target") == "_self"]
    assert inside
    assert all(address.startswith(f"/embed/karte?{fixed}") for address in inside)


@pytest.mark.parametrize(
    ("locked", "address"),
    [
        (("07131001", "07131002"), "/?gebiet=07131"),
        (("07131001", "07211"), "/"),
        (("07131001", "07131001"), "/?gebiet=07131001"),
    ],
)
def test_our_own_pages_have_the_kreis_of_several_areas(
    client: FlaskClient, locked: tuple[str, ...], address: str
) -> None:
    query = "&".join(f"fest-gebiet={key}" for key in locked)
    tags = Tags(client.get(f"/embed/liste?{query}").text)
    (out,) = [one["href"] for one in tags.all("a") if one.get("class") == "button strong"]
    assert out == address
    assert client.get(out).status_code == 200


def test_builder_takes_a_second_area_where_the_area_is_locked(client: FlaskClient) -> None:
    page = client.get("/einbetten?gebiet=07131001&gebiet=07211&fest=gebiet").text
    (frame,) = Tags(textarea(page, "als-rahmen")).all("iframe")
    assert frame["src"].endswith("/embed/karte?fest-gebiet=07131001&fest-gebiet=07211")
    assert frame["title"] == "Begegnungsorte Rheinland-Pfalz: Aheim, Cstadt (Stadt)"
    (element,) = Tags(textarea(page, "als-element")).all("begegnungsorte-karte")
    assert element == {"gebiet": "07131001,07211"}
    chosen = [one["value"] for one in Tags(page).all("option") if "selected" in one]
    assert chosen[:2] == ["07131001", "07211"]
    free = client.get("/einbetten?gebiet=07131001&gebiet=07211")
    assert free.status_code == 400
    assert "nur fest" in html.unescape(free.text)
    second = client.get("/einbetten?gebiet=&gebiet=07211").text
    (frame,) = Tags(textarea(second, "als-rahmen")).all("iframe")
    assert frame["src"].endswith("/embed/karte?gebiet=07211")


def test_locked_kinds_are_no_choice(client: FlaskClient) -> None:
    free = Tags(client.get("/embed/karte").text)
    locked = Tags(client.get(f"/embed/karte?fest-gebiet=07131001&fest-thema={THEMES[0]}").text)
    assert {one["name"] for one in free.all("select")} == {"gebiet"}
    assert "thema" in {one.get("name") for one in free.all("input")}
    assert locked.all("select") == []
    assert "thema" not in {one.get("name") for one in locked.all("input")}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("fest-sprache=deutsch", "„fest-sprache“ gibt es hier nicht"),
        ("Fest-Gebiet=07131", "„Fest-Gebiet“ gibt es hier nicht"),
        ("FEST-GEBIET=07131", "fest-gebiet, fest-art, fest-thema"),
        ("fest_gebiet=07131", "„fest_gebiet“"),
        ("festgebiet=07131", "„festgebiet“"),
        ("fest%E2%80%91gebiet=07131", "„fest\u2011gebiet“"),
        ("fest.gebiet=", "„fest.gebiet“"),
        ("fest=07131", "„fest“"),
        ("gebiet-fest=07131", "„gebiet-fest“"),
        ("fets-gebiet=07131", "„fets-gebiet“"),
        ("auswahl-gebiet=07131", "„auswahl-gebiet“"),
        ("gebiet[]=07131", "„gebiet[]“"),
        ("Thema=x", "„Thema“"),
        ("fest-=1", "fest-"),
        ("fest-gebiet=99999", "99999"),
        ("gebiet=07131&gebiet=07211", "nur eine Angabe"),
        ("fest-gebiet=07131,07211", "07131,07211"),
        ("fest-gebiet=07131&fest-gebiet=99999", "99999"),
        ("&".join(f"fest-gebiet={number:05}" for number in range(21)), "zu oft"),
        ("fest-art=xyz", "xyz"),
        ("art=xyz", "xyz"),
        ("farbe=blau", "sechs Ziffern"),
        ("farbe=ffcc00", "1,3"),
        ("start=99", "Gebiet kennen wir nicht"),
        ("seite=0", "Seitenzahl"),
        ("partner=a&partner=b", "mehrfach"),
        ("fest-gebiet=%FF", "nicht lesen"),
        ("fest-gebiet=", "„fest-gebiet“ ist leer"),
        ("fest-art=+&fest-gebiet=07131", "„fest-art“ ist leer"),
    ],
)
def test_what_cannot_be_read_is_said_in_the_frame(
    client: FlaskClient, query: str, said: str
) -> None:
    answer = client.get(f"/embed/karte?{query}")
    assert answer.status_code == 400
    assert said in html.unescape(answer.text)
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    assert listed(answer.text) == set()


def test_unknown_view_and_page_are_not_found(client: FlaskClient) -> None:
    assert client.get("/embed/tabelle").status_code == 404
    assert client.get("/embed/liste?seite=2").status_code == 404


def test_merged_area_keeps_its_lock(territory: Territory, tmp_path: Path) -> None:
    old, new = next(
        (old, new) for old, new in territory.successors.items()
        if len(old) == 8 and new in set(territory.municipalities["ags"])
    )  # fmt: skip
    rows = [place(1, ags=new, point=(7.0, 50.0)), place(2, ags="07315000", point=(8.27, 50.0))]
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        page = app_of(store, territory).test_client().get(f"/embed/liste?fest-gebiet={old}").text
    assert listed(page) == {1}


def test_list_has_pages_that_reach_every_place_once(make_app: Make) -> None:
    client = make_app([place(number) for number in range(30)]).test_client()
    pages = [listed(client.get(f"/embed/liste?seite={page}").text) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [PER_PAGE, PER_PAGE, 30 - 2 * PER_PAGE]
    assert set().union(*pages) == set(range(30))


# --------------------------------------------------------------------------- what it holds


@pytest.mark.parametrize("show", SHOWS)
def test_frame_has_a_text_twin_a_way_out_and_nothing_around_it(
    client: FlaskClient, show: str
) -> None:
    page = client.get(f"/embed/{show}?fest-gebiet=07131&art=haus").text
    tags = Tags(page)
    (base,) = tags.all("base")
    assert base == {"target": "_blank"}
    out = [one for one in tags.all("a") if one["href"] == "/?art=haus&gebiet=07131"]
    assert [one["rel"] for one in out] == ["noopener"]
    assert tags.all("header") == []
    assert listed(page) == {2}
    assert bool(re.search(r'class="map"', page)) is (show != "liste")
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize("code", ["en", "uk", "ar"])
def test_frame_speaks_the_language_of_its_address(client: FlaskClient, code: str) -> None:
    page = client.get(f"/{code}/embed/karte?fest-gebiet=07131").text
    assert f'<html lang="{code}" dir="{"rtl" if code == "ar" else "ltr"}"' in page
    addresses = [one["href"] for one in Tags(page).all("a") if one["href"].startswith("/")]
    assert addresses
    assert all(address.startswith(f"/{code}/") for address in addresses)


def test_frame_sets_no_cookie_and_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/embed/karte")
    assert "Set-Cookie" not in first.headers
    again = client.get("/embed/karte", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert "frame-ancestors *" in again.headers["Content-Security-Policy"]


def test_frame_of_the_real_land_is_small(workshop: Workshop, example_file: Path) -> None:
    """Page, styles, scripts and data as brotli; what the map asks for at its first view."""
    import_file(example_file, workshop, today=NOW.date())
    with workshop.store as store:
        client = app_of(store, workshop.territory).test_client()
        page = client.get("/embed/karte", headers={"Accept-Encoding": "br"})
        text = brotli.decompress(page.data).decode()
        tags = Tags(text)
        wanted = {one["href"] for one in tags.all("link") if one["rel"] == "stylesheet"}
        wanted |= {one["src"] for one in tags.all("script") if "src" in one}
        (shown,) = [one for one in tags.all("div") if one.get("class") == "map"]
        wanted |= {shown["data-places"], shown["data-towns"]}
        wanted |= {shown["data-borders"].replace("LEVEL", level) for level in ("land", "kreis")}
        wanted |= {f"/static/js/{name}.js" for name in
                   ("map", "texts", "list", "places", "borders", "tiles")}  # fmt: skip
        answers = [client.get(one, headers={"Accept-Encoding": "br"}) for one in wanted]
    assert {answer.status_code for answer in answers} == {200}
    total = sum(len(one.data) + len(str(one.headers)) for one in (page, *answers))
    assert total < 200_000


def test_hostile_text_is_text(make_app: Make) -> None:
    rows = [place(n, name=text, organisation=text, city=text) for n, text in enumerate(VECTORS)]
    client = make_app(rows, service_name=VECTORS[0]).test_client()
    for show in SHOWS:
        page = client.get(f"/embed/{show}?seite=2").text
        tags = Tags(page)
        assert all("src" in one or one.get("type") == "application/json"
                   for one in tags.all("script"))  # fmt: skip
        assert not any(name.startswith("on") for _, one in tags.found for name in one)
        assert {tag for tag, _ in tags.found}.isdisjoint({"img", "iframe", "style"})


# ------------------------------------------------------------------------------- colours


def test_grounds_are_those_of_the_style_sheet() -> None:
    sheet = (config.static_dir() / "css" / "site.css").read_text("utf-8")
    tokens = {
        name: re.findall(rf"--{name}: #([0-9a-f]{{6}});", sheet)
        for name in ("paper", "soft", "accent")
    }
    assert [tokens["paper"][0], tokens["soft"][0]] == list(colour._PAPER)
    assert [tokens["paper"][1], tokens["soft"][1]] == list(colour._NIGHT)
    assert tokens["accent"][0] == colour.DEFAULT


def test_contrast_is_that_of_wcag() -> None:
    assert colour.contrast("ffffff", "000000") == pytest.approx(21)
    assert colour.contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.005)
    assert colour.contrast("767676", "ffffff") == pytest.approx(4.54, abs=0.005)


@settings(deadline=None)
@given(st.from_regex(r"[0-9a-f]{6}", fullmatch=True))
def test_accent_is_legible_in_both_schemes_or_refused(app: Flask, accent: str) -> None:
    answer = app.test_client().get(f"/embed/liste?farbe={accent}")
    assert (answer.status_code == 200) is (colour.least_contrast(accent) >= colour.LEAST)
    if answer.status_code == 200:
        light, _, dark, _ = re.findall(r"#([0-9a-f]{6})", colour.accent_css(accent))
        grounds = ((light, colour._PAPER), (dark, colour._NIGHT))
        assert all(colour.contrast(one, at) >= 4.5 for one, many in grounds for at in many)


def test_style_of_a_colour_holds_the_colour_alone(client: FlaskClient) -> None:
    page = client.get("/embed/liste?farbe=%237A2E6E").text
    assert "/embed/farbe/7a2e6e.css" in page
    assert "--accent:#7a2e6e" in client.get("/embed/farbe/7a2e6e.css").text
    for wrong in ("xyz", "7a2e6e%7Dbody%7Bdisplay:none", "7A2E6E"):
        assert client.get(f"/embed/farbe/{wrong}.css").status_code == 404


# -------------------------------------------------------------------------- who may frame


def framing(answer: Any) -> tuple[str, str | None]:
    policy = re.search(r"frame-ancestors ([^;]*)", answer.headers["Content-Security-Policy"])
    assert policy
    return policy[1], answer.headers.get("X-Frame-Options")


NORMAL = {
    "pages": ["/", "/?gebiet=07131", "/orte/ort-1", "/gebiete", "/gebiete/07131", "/themen",
              "/datenschutz", "/impressum", "/uk/", "/ar/gebiete/07131", "/einbetten",
              "/handzettel", "/vorschlaege?q=A", "/leichte-sprache"],
    "planners": ["/planung", "/planung/standorte", "/planung/szenario", "/planung/vergleich",
                 "/planung/methode"],
    "interface": ["/api/", "/api/v1", "/api/v1/initiatives", "/api/v1/initiatives/ort-1",
                  "/api/v1/openapi.json", "/api/v1/coverage"],
    "downloads": ["/api/v1/initiatives.csv", "/api/v1/areas.csv", "/planung/export.csv",
                  "/planung/export.xlsx", "/planung/export.geojson", "/handzettel.pdf",
                  "/planung/export.csv-metadata.json"],
    "files": ["/embed/orte.geojson", "/embed/begegnungsorte-karte.js", "/embed/farbe/7a2e6e.css",
              "/oembed?url=/", "/daten/orte.geojson", "/daten/grenzen/kreis.geojson", "/karte.js",
              "/healthz", "/static/js/embed.js", "/robots.txt", "/sitemap.xml"],
    "errors": ["/nix", "/?q=%FF", "/?gebiet=99999", "/orte/nix", "/api/v1/nix", "/planung/nix",
               "/api/v1/initiatives?limit=x", "/planung/export.nix", "/daten/orte/nix",
               "/einbetten?farbe=x", "/oembed?url=x", "/static/nix.js", "/embed/karte/nix",
               "/embed/farbe/x/y.css"],
}  # fmt: skip


@pytest.mark.parametrize("path", [path for paths in NORMAL.values() for path in paths])
@pytest.mark.parametrize("key", ["", "auenland", "nix"])
def test_nobody_may_frame_anything_else(partners: Flask, path: str, key: str) -> None:
    """Neither by a key nor by coming from a partner's site."""
    address = path + (f"{'&' if '?' in path else '?'}partner={key}" if key else "")
    headers = FRAMED | {"Referer": "https://www.auen.example/"}
    answer = partners.test_client().get(address, headers=headers)
    assert answer.status_code < 500
    assert framing(answer) == ("'none'", "DENY")
    assert framing(partners.test_client().post(path)) == ("'none'", "DENY")


EVERYONE, NOBODY, NAMED = "*", "'self'", "'self' www.auen.example *.cms.example"
HOSTS = {
    "allowed": "https://www.auen.example/a",
    "wrong": "https://evil.example/a",
    "none": "",
    "ours": "http://localhost/einbetten",
}


@pytest.mark.parametrize("show", [*(f"/embed/{show}" for show in SHOWS), "/uk/embed/karte"])
@pytest.mark.parametrize("only", [False, True], ids=["open", "partners only"])
@pytest.mark.parametrize("key", ["", "auenland", "nix"], ids=["no key", "key", "unknown key"])
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("dest", ["iframe", "document", ""])
def test_every_combination_of_key_and_host(
    make_partners: Callable[[bool], FlaskClient],
    show: str,
    only: bool,
    key: str,
    host: str,
    dest: str,
) -> None:
    headers = {"Sec-Fetch-Dest": dest, "Referer": HOSTS[host]}
    answer = make_partners(only).get(
        f"{show}?partner={key}" if key else show,
        headers={name: value for name, value in headers.items() if value},
    )
    if key == "nix":
        expected = 404, EVERYONE
    elif key:
        # Without a sign of being framed, or of by whom, the browser decides.
        refused = dest == "iframe" and host == "wrong"
        expected = (403, EVERYONE) if refused else (200, NAMED)
    elif only:
        refused = dest == "iframe" and host != "ours"
        expected = (403, EVERYONE) if refused else (200, NOBODY)
    else:
        expected = 200, EVERYONE
    assert (answer.status_code, *framing(answer)) == (*expected, None)
    assert (listed(answer.text) != set()) is (answer.status_code == 200)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("dest", ["frame", "embed", "object", "iframe"])
def test_every_kind_of_frame_is_one(partners: Flask, dest: str) -> None:
    headers = {"Sec-Fetch-Dest": dest, "Referer": HOSTS["wrong"]}
    assert (
        partners.test_client().get("/embed/karte?partner=auenland", headers=headers).status_code
        == 403
    )


def test_who_may_frame_is_who_was_named(partners: Flask, make_app: Make) -> None:
    client = partners.test_client()
    assert framing(client.get("/embed/karte")) == ("*", None)
    named = ("'self' www.auen.example *.cms.example", None)
    assert framing(client.get("/embed/karte?partner=auenland")) == named
    only = make_app(embed_partners=PARTNERS, embed_only_partners=True).test_client()
    assert framing(only.get("/embed/karte")) == ("'self'", None)
    assert framing(only.get("/embed/karte?partner=auenland")) == named


@pytest.mark.parametrize(
    ("referrer", "status"),
    [
        ("https://www.auen.example/seite", 200),
        ("https://a.cms.example/", 200),
        ("https://cms.example/", 403),
        ("https://evil.example/www.auen.example", 403),
        ("https://www.auen.example.evil.example/", 403),
        ("https://www.auen.example:8443/", 403),
        ("https://www.auen.example:99999/", 403),
        ("https://[broken", 200),
        ("http://localhost/einbetten", 200),
        ("", 200),  # not known: the browser decides, by frame-ancestors
    ],
)
def test_wrong_site_is_told(partners: Flask, referrer: str, status: int) -> None:
    headers = FRAMED | ({"Referer": referrer} if referrer else {})
    answer = partners.test_client().get("/embed/karte?partner=auenland", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert "Diese Website darf die Karte nicht einbinden." in answer.text
        assert framing(answer) == ("*", None)
        assert listed(answer.text) == set()
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_unknown_key_is_told(partners: Flask) -> None:
    answer = partners.test_client().get("/embed/karte?partner=nix")
    assert answer.status_code == 404
    assert "Den Schlüssel in ihrer Adresse kennen wir nicht." in answer.text
    assert framing(answer) == ("*", None)


def test_where_a_key_is_needed_only_frames_without_one_are_refused(make_app: Make) -> None:
    client = make_app(embed_partners=PARTNERS, embed_only_partners=True).test_client()
    assert client.get("/embed/karte", headers=FRAMED).status_code == 403
    assert client.get("/embed/karte").status_code == 200  # opened by itself
    own = FRAMED | {"Referer": "http://localhost/einbetten"}
    assert client.get("/embed/karte", headers=own).status_code == 200  # the preview


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("a.example", "https://a.example/x", True),
        ("a.example", "http://a.example/", True),
        ("https://a.example", "http://a.example/", False),
        ("http://a.example", "https://a.example/", True),
        ("a.example:8443", "https://a.example:8443/", True),
        ("a.example:8443", "https://a.example/", False),
        ("*.a.example", "https://b.a.example/", True),
        ("*.a.example", "https://ba.example/", False),
        ("127.0.0.1:80", "http://127.0.0.1/", True),
    ],
)
def test_hosts_are_read_as_browsers_read_them(pattern: str, address: str, expected: bool) -> None:
    assert allows([pattern], address) is expected


def test_partners_come_as_json_or_file(tmp_path: Path) -> None:
    file = tmp_path / "partner.json"
    file.write_text(PARTNERS)
    for value in (PARTNERS, str(file)):
        found = load_settings({"GEO_SERVICE_EMBED_PARTNERS": value}).embed_partners
        assert json.loads(found) == json.loads(PARTNERS)
    assert load_settings({"GEO_SERVICE_EMBED_ONLY_PARTNERS": "ja"}).embed_only_partners
    assert not Settings().embed_only_partners


@pytest.mark.parametrize(
    "value",
    [
        "nix.json", "{", "[]", "{}x", '{"a": ["x.example"]}', '{"auen": []}', '{"auen": "x"}',
        '{"auen": ["x.example; script-src *"]}', '{"auen": ["*"]}', '{"auen": ["x y"]}',
        '{"auen": ["https://x.example/path"]}', '{"auen": ["x.example\\n"]}', '{"AU": ["x"]}',
        '{"auen": [1]}',
    ],
)  # fmt: skip
def test_partners_that_cannot_be_read_stop_the_start(value: str) -> None:
    with pytest.raises(SettingsError, match="GEO_SERVICE_EMBED_PARTNERS"):
        load_settings({"GEO_SERVICE_EMBED_PARTNERS": value})


def test_component_is_the_one_file_that_others_may_load(client: FlaskClient) -> None:
    answer = client.get("/embed/begegnungsorte-karte.js", headers={"Origin": "https://x.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    for path in ("/static/js/begegnungsorte-karte.js", "/embed/karte", "/embed/orte.geojson"):
        assert "Access-Control-Allow-Origin" not in client.get(path).headers


# ------------------------------------------------------------------------------- builder


def test_builder_hands_out_what_was_chosen(client: FlaskClient) -> None:
    chosen = "gebiet=07131&fest=gebiet&art=haus&ansicht=liste&sprache=uk&hoehe=500&farbe=%237a2e6e"
    page = client.get(f"/einbetten?{chosen}").text
    inner = "uk/embed/liste?fest-gebiet=07131&farbe=7a2e6e&art=haus"
    (frame,) = Tags(textarea(page, "als-rahmen")).all("iframe")
    assert frame == {
        "src": f"https://dienst.example/{inner}",
        "title": "Begegnungsorte Rheinland-Pfalz: Landkreis Auenland",
        "width": "100%",
        "height": "500",
        "loading": "lazy",
        "sandbox": SANDBOX,
        "referrerpolicy": "no-referrer",
    }
    tags = Tags(textarea(page, "als-element"))
    assert tags.all("script") == [
        {"type": "module", "src": "https://dienst.example/embed/begegnungsorte-karte.js"}
    ]
    assert tags.all("begegnungsorte-karte") == [
        {"gebiet": "07131", "auswahl-art": "haus", "ansicht": "liste", "sprache": "uk",
         "farbe": "7a2e6e", "hoehe": "500"}
    ]  # fmt: skip
    assert [one["href"] for one in tags.all("a")] == [
        "https://dienst.example/uk/?art=haus&gebiet=07131"
    ]
    plain = textarea(page, "als-liste")
    assert [one["href"] for one in Tags(plain).all("a")] == [
        "https://dienst.example/uk/orte/ort-2",
        "https://dienst.example/uk/?art=haus&gebiet=07131",
    ]
    (preview,) = Tags(page).all("iframe")
    assert preview["src"] == f"/{inner}"
    oembed = textarea(page, "als-oembed").strip()
    assert client.get(oembed).get_json()["html"].startswith("<iframe src=")


def test_builder_shows_its_choice_again(client: FlaskClient) -> None:
    page = client.get("/einbetten?gebiet=07131001&fest=gebiet&fest=art&art=haus&sprache=ar").text
    tags = Tags(page)
    chosen = {one["value"] for one in tags.all("option") if "selected" in one}
    assert {"07131001", "ar", "karte"} <= chosen
    ticked = {(one["name"], one["value"]) for one in tags.all("input") if "checked" in one}
    assert ticked == {("fest", "gebiet"), ("fest", "art"), ("art", "haus")}


def test_component_asks_for_the_very_frame_that_the_builder_shows() -> None:
    """The names of attributes and parameters, written in two languages, are the same."""
    script = (config.static_dir() / "js" / "begegnungsorte-karte.js").read_text("utf-8")
    assert 'LISTS = ["gebiet", "art", "thema"]' in script
    assert 'PLAIN = ["farbe", "start", "partner"]' in script
    assert SANDBOX in script
    assert str([*SHOWS]).replace("'", '"') in script


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("farbe=%23ffcc00", "Ihr Kontrast ist 1,3"),
        ("hoehe=12", "von 280 bis 2000"),
        ("hoehe=²", "von 280 bis 2000"),
        ("hoehe=000640999", "von 280 bis 2000"),
        ("hoehe=0000640", "von 280 bis 2000"),
        ("ansicht=x", "Ansicht"),
        ("sprache=xx", "Sprache"),
        ("partner=nix", "Schlüssel"),
        ("gebiet=1", "„1“"),
        ("gebiet=1&fest=gebiet", "„1“"),
    ],
)
def test_builder_says_what_is_wrong_and_hands_out_nothing(
    client: FlaskClient, query: str, said: str
) -> None:
    answer = client.get(f"/einbetten?{query}")
    assert answer.status_code == 400
    assert said in html.unescape(answer.text)
    assert "aria-invalid" in answer.text
    assert "<textarea" not in answer.text
    assert Tags(answer.text).all("iframe") == []


def test_builder_is_german_alone(client: FlaskClient) -> None:
    answer = client.get("/uk/einbetten?gebiet=07131")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/einbetten?gebiet=07131")
    assert client.get("/uk/").text.count('href="/einbetten" hreflang="de"') == 1


def test_builder_needs_the_key_that_embeds_need(make_app: Make) -> None:
    client = make_app(embed_partners=PARTNERS, embed_only_partners=True).test_client()
    assert client.get("/einbetten").status_code == 400
    page = client.get("/einbetten?partner=auenland").text
    (frame,) = Tags(textarea(page, "als-rahmen")).all("iframe")
    assert frame["src"].endswith("/embed/karte?partner=auenland")
    assert frame["referrerpolicy"] == "strict-origin"


def test_snippets_hold_no_markup_of_records(make_app: Make) -> None:
    rows = [place(n, name=text, city=text) for n, text in enumerate(VECTORS)]
    name = "\"><script>'</textarea>"
    page = make_app(rows, service_name=name).test_client().get("/einbetten").text
    pasted = textarea(page, "als-liste")
    tags = Tags(pasted)
    assert {tag for tag, _ in tags.found} == {"ul", "li", "a", "p"}
    names = [html.unescape(one) for one in re.findall(r"<li><a [^>]*>(.*?)</a>", pasted, re.S)]
    assert sorted(names) == sorted(VECTORS)
    (frame,) = Tags(textarea(page, "als-rahmen")).all("iframe")
    assert frame["title"] == name


# -------------------------------------------------------------------------------- oEmbed


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("/embed/liste?fest-art=haus", "embed/liste?fest-art=haus"),
        ("https://dienst.example/embed/karte?fest-art=haus&fremd=1", "embed/karte?fest-art=haus"),
        ("https://dienst.example/uk/embed/karte", "uk/embed/karte"),
        ("HTTPS://DIENST.example:443/embed/karte", "embed/karte"),
        ("https://dienst.example/gebiete/07131", "embed/karte?fest-gebiet=07131"),
        ("https://dienst.example/gebiete/07", "embed/karte"),
        ("https://dienst.example/themen/begegnungsorte", "embed/karte?fest-thema=Begegnungsorte"),
        ("https://dienst.example/?art=haus&q=x#liste", "embed/karte?art=haus"),
    ],
)
def test_oembed_answers_with_a_frame_of_the_page(
    client: FlaskClient, url: str, source: str
) -> None:
    answer = client.get("/oembed", query_string={"url": url, "maxwidth": 400, "maxheight": 900})
    content = answer.get_json()
    assert {name: content[name] for name in ("version", "type", "width", "height")} == {
        "version": "1.0", "type": "rich", "width": 400, "height": 640,
    }  # fmt: skip
    (frame,) = Tags(content["html"]).all("iframe")
    assert frame["src"] == f"https://dienst.example/{source}"
    assert (frame["width"], frame["height"]) == ("400", "640")
    inner = frame["src"].removeprefix("https://dienst.example")
    assert client.get(inner).status_code == 200


def test_oembed_speaks_xml(client: FlaskClient) -> None:
    query = {"url": "/embed/karte?fest-gebiet=07131&art=haus", "format": "xml"}
    answer = client.get("/oembed", query_string=query)
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    root = ET.fromstring(answer.text)  # noqa: S314 - our own answer
    content = client.get("/oembed", query_string=query | {"format": "json"}).get_json()
    assert {one.tag: one.text for one in root} == {n: str(v) for n, v in content.items()}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 200),  # no address: the start page
        ({"url": "https://evil.example/embed/karte"}, 404),
        ({"url": "https://dienst.example.evil.example/embed/karte"}, 404),
        ({"url": "https://dienst.example@evil.example/embed/karte"}, 404),
        ({"url": "//evil.example/embed/karte"}, 404),
        ({"url": "javascript:alert(1)"}, 404),
        ({"url": "http://[broken"}, 404),
        ({"url": "https://dienst.example:8443/embed/karte"}, 404),
        ({"url": "https://dienst.example:99999/embed/karte"}, 404),
        ({"url": "http://dienst.example/embed/karte"}, 404),
        ({"url": "https://x@dienst.example/embed/karte"}, 404),
        ({"url": "https://dienst.example:443@evil.example/embed/karte"}, 404),
        ({"url": "/embed/karte?fest-gebiet="}, 400),
        ({"url": "/embed/karte", "format": ["json", "xml"]}, 400),
        ({"url": "/embed/karte", "format": "js\x00on"}, 400),
        ({"url": "/datenschutz"}, 404),
        ({"url": "/orte/ort-1"}, 404),
        ({"url": "/embed/nix"}, 404),
        ({"url": "/gebiete/99"}, 404),
        ({"url": "/embed/karte?partner=nix"}, 404),
        ({"url": "/embed/karte?fest-art=nix"}, 400),
        ({"url": "/embed/karte", "maxwidth": "0"}, 400),
        ({"url": "/embed/karte", "maxwidth": "0000001"}, 400),
        ({"url": "/embed/karte", "maxheight": "x"}, 400),
        ({"url": "/embed/karte", "format": "yaml"}, 501),
    ],
)
def test_oembed_knows_our_addresses_alone(
    client: FlaskClient, query: dict[str, Any], status: int
) -> None:
    answer = client.get("/oembed", query_string=query)
    assert answer.status_code == (status if query else 404)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/", "/?gebiet=07131", "/gebiete/07131", "/themen/begegnungsorte", "/embed/karte?art=haus"],
)
def test_pages_name_their_oembed_address(client: FlaskClient, path: str) -> None:
    found = [one["href"] for one in Tags(client.get(path).text).all("link")
             if one.get("type") == "application/json+oembed"]  # fmt: skip
    assert found == [
        f"https://dienst.example/oembed?url={quote('https://dienst.example' + path, safe='')}"
    ]
    assert client.get(found[0]).status_code == 200


def discovered(client: FlaskClient, path: str) -> list[str]:
    """The oEmbed addresses that a page names."""
    return [one["href"] for one in Tags(client.get(path).text).all("link")
            if one.get("type") == "application/json+oembed"]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/", "/gebiete/07131", "/themen/begegnungsorte", "/embed/karte?art=haus"]
)
def test_where_a_key_is_needed_nothing_is_handed_out_without_one(
    make_partners: Callable[[bool], FlaskClient], path: str
) -> None:
    client = make_partners(True)
    answer = client.get("/oembed", query_string={"url": path})
    assert answer.status_code == 404
    assert "key" in answer.text
    assert discovered(client, path) == []
    everyone = make_partners(False)
    assert everyone.get("/oembed", query_string={"url": path}).status_code == 200
    assert discovered(everyone, path) != []


def test_where_a_key_is_needed_an_embed_with_one_names_its_oembed_address(
    make_partners: Callable[[bool], FlaskClient],
) -> None:
    client = make_partners(True)
    (address,) = discovered(client, "/embed/karte?partner=auenland")
    (frame,) = Tags(client.get(address).get_json()["html"]).all("iframe")
    assert frame["src"].endswith("/embed/karte?partner=auenland")


def test_start_page_names_no_position_in_its_oembed_address(client: FlaskClient) -> None:
    page = client.get("/?nah=7.15,50.05&art=haus").text
    (found,) = [one["href"] for one in Tags(page).all("link")
                if one.get("type") == "application/json+oembed"]  # fmt: skip
    assert "nah" not in found
    assert "7.15" not in found
    assert "haus" in found


# ----------------------------------------------------------------------------- as a file


def view_of(rows: list[dict[str, Any]]) -> View:
    with TemporaryDirectory() as folder, Store(f"sqlite:///{folder}/x.db") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        snapshot = Snapshot.of(store.read(), small_territory())
    return View(snapshot, NOW.astimezone(BERLIN), Backdrop())


def file_of(rows: list[dict[str, Any]], key: str = "", **given: Any) -> str:
    view = view_of(rows)
    area = standalone.read_area(view, key)
    return standalone.StandaloneMap(view, area, name="Orte", **given).html().decode()


def test_file_has_everything_inside_and_asks_for_nothing() -> None:
    page = file_of(ROWS)
    tags = Tags(page)
    assert not [one for one in tags.all("script") if "src" in one]
    assert [one["href"] for one in tags.all("link")] == ["data:,"]
    assert "url(images" not in page
    policy = tags.all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert listed(page) == {1, 2, 3, 4, 5}


def test_file_shows_what_was_asked_for() -> None:
    assert listed(file_of(ROWS, "07131", kinds=("haus",))) == {2}
    assert listed(file_of(ROWS, themes=(THEMES[0],))) == {1, 3}
    data = re.search(r'id="karten-daten">(.*?)</script>', file_of(ROWS, "07211"), re.S)
    assert data
    found = json.loads(data[1])
    assert {one["id"] for one in found["orte"]["features"]} == {"ort-4"}
    assert [one["properties"]["key"] for one in found["umriss"]["features"]] == ["07211"]
    with pytest.raises(NotFoundError, match="99"):
        standalone.read_area(view_of(ROWS), "99")


def test_names_in_the_file_are_text_and_lead_to_our_pages_where_there_are_some() -> None:
    rows = [place(n, name=text, organisation=text) for n, text in enumerate(VECTORS)]
    page = file_of(rows, public_url="https://dienst.example")
    tags = Tags(page)
    assert len(tags.all("script")) == 4  # data, Leaflet, its clusters, and ours
    assert not any(name.startswith("on") for _, one in tags.found for name in one)
    links = {one["href"] for one in tags.all("a")}
    assert "https://dienst.example/orte/ort-0" in links
    assert Tags(file_of(rows)).all("a") == []


def test_bundle_leaves_no_import() -> None:
    script = standalone.bundle_script('import { addPlaces } from "./static/js/places.js";\nx();')
    assert not re.search(r"^\s*(import|export) ", script, re.M)
    order = [script.index(f"modules.{name} = ") for name in ("texts", "map", "list", "places")]
    assert order == sorted(order)


def test_picture_beside_the_file_is_a_picture() -> None:
    view = view_of(ROWS)
    for key in ("", "07131", "07131001"):
        file = standalone.StandaloneMap(view, standalone.read_area(view, key), name="Orte")
        assert file.png().startswith(b"\x89PNG")
    empty = view_of([place(1, point=None)])
    file = standalone.StandaloneMap(empty, standalone.read_area(empty, ""), name=VECTORS[2])
    assert file.png().startswith(b"\x89PNG")


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "a.html"
    standalone.write_whole({first: b"1", second: b"2"})
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    blocked = tmp_path / "folder.html"
    blocked.mkdir()
    with pytest.raises(QueryError, match=r"folder\.html"):
        standalone.write_whole({first: b"new", blocked: b"new"})
    assert first.read_bytes() == b"1"
    with pytest.raises(QueryError):
        standalone.write_whole({first: b"new", tmp_path / "nix" / "a.html": b"new"})
    assert first.read_bytes() == b"1"
    assert {one.name for one in tmp_path.iterdir()} == {"a.png", "a.html", "folder.html"}


def test_command_writes_both_files(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(sqlite_url) as store:
        store.migrate()
        fill(store, initiatives_of([place(1, ags="07315000", point=(8.27, 50.0))]))
    out = tmp_path / "karte.html"
    arguments = ["export-map", str(out), "--gebiet", "07315", "--database", sqlite_url]
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    assert "Café 1" in out.read_text("utf-8")
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit) as ended:
        cli.main(["export-map", str(tmp_path / "karte.pdf"), "--database", sqlite_url])
    assert ended.value.code == 2
    assert "expected a name that ends in .html" in capsys.readouterr().err
