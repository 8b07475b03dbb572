"""The pages and their data: complete without scripts, cached, safe, and never a 500."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import brotli
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_helpers import (
    SOURCE_NOTE,
    TODAY,
    VECTORS,
    MakeApp,
    app_maker,
    app_of,
    fill,
    initiatives_of,
    place,
    small_land,
    small_territory,
)

from geo_service.config import static_dir
from geo_service.pipeline import Workshop, import_file
from geo_service.schema import CATEGORIES, CATEGORY_GROUPS
from geo_service.snapshot import Snapshot, Territory
from geo_service.store import Store
from geo_service.web import HEADERS
from geo_service.web.filters import Filter, PlaceIndex
from geo_service.web.listing import ListedPage
from geo_service.web.places import read_places, safe_url
from geo_service.web.queries import query_string

PLACES = [
    place(1, name="Café Anker", opening_hours="Mi 15-17 Uhr", languages="Arabisch; Deutsch"),
    place(2, name="Haus der Familie", category="Haus der Familie", organisation="Familienbund"),
    place(
        3,
        name="Sprachtreff",
        category="Sprachcafé/Sprachkurs",
        city="Bdorf",
        street=None,
        house_number=None,
        postcode=None,
        municipality="Bdorf",
        ags="07131002",
        coordinate_precision="municipality",
        point=(7.15, 50.05),
        source_date="2017-05",
        wheelchair="yes",
    ),
    place(
        4,
        name="Werkstatt Süd",
        category="Fahrradwerkstatt",
        city="Cstadt",
        kreis="Cstadt (kreisfreie Stadt)",
        ags="07211000",
        point=(7.25, 50.05),
        source=None,
        source_date=None,
    ),
    place(5, name="Verein ohne Ort", category="Sonstiges", street=None, city=None, point=None),
]


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Builds an application over a store that holds the given places."""
    with app_maker(tmp_path, PLACES) as make:
        yield make


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Reads an application that holds `PLACES`."""
    with app_maker(tmp_path_factory.mktemp("places"), PLACES) as make:
        yield make().test_client()


def names(page: str) -> list[str]:
    """The names of the places on a page, in its order."""
    return [unescape(name) for name in re.findall(r"<h4[^>]*><a [^>]*>(.*?)</a></h4>", page)]


# ----------------------------------------------------------------------------- the list


def test_list_shows_every_place_by_kreis_town_and_name(client: FlaskClient) -> None:
    page = client.get("/").text
    assert names(page) == [
        "Café Anker",
        "Haus der Familie",
        "Verein ohne Ort",
        "Sprachtreff",
        "Werkstatt Süd",
    ]
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Landkreis Auenland", "Cstadt (Stadt)"]


def test_counts_say_what_is_not_on_the_map_and_what_is_rough(client: FlaskClient) -> None:
    page = " ".join(client.get("/").text.split())
    assert "5 Orte</h2>" in page
    assert "4 davon sind auf der Karte, 1 nur ungefähr. 1 steht nur in der Liste." in page


def test_card_says_what_is_known(client: FlaskClient) -> None:
    page = client.get("/").text
    for text in (
        "Hauptstraße 1, 53501 Aheim",
        "Mi 15-17 Uhr",
        "Arabisch, Deutsch",
        "Familienbund",
        "Mit dem Rollstuhl zugänglich",
        "Stand März 2026",
        "Stand Mai 2017, seit 9 Jahren nicht bestätigt",
        "Stand unbekannt",
        "Lage ungefähr: nur die Gemeinde ist bekannt",
        "Nicht auf der Karte: Lage nicht bekannt",
        'href="https://example.org/quelle"',
        SOURCE_NOTE,
    ):
        assert text in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=anker", ["Café Anker"]),
        ("?q=CAFE+ANKER", ["Café Anker"]),
        ("?q=arabisch", ["Café Anker"]),
        ("?q=bdorf", ["Sprachtreff"]),
        ("?q=53501+familie", ["Haus der Familie"]),
        ("?gebiet=07211", ["Werkstatt Süd"]),
        ("?art=haus", ["Haus der Familie"]),
        ("?art=Fahrradwerkstatt", ["Werkstatt Süd"]),
        ("?q=&gebiet=&art=&ort=&nah=", None),
        ("?gebiet=07131&art=sprache&q=spr", ["Sprachtreff"]),
        ("?q=gibtesnicht", []),
        ("?utm_source=brief", None),
    ],
)
def test_filter(client: FlaskClient, query: str, expected: list[str] | None) -> None:
    answer = client.get(f"/{query}")
    assert answer.status_code == 200
    if expected is None:
        assert len(names(answer.text)) == len(PLACES)
    else:
        assert names(answer.text) == expected
    if expected == []:
        assert "Dazu haben wir nichts gefunden" in answer.text


def test_pages_reach_every_place_once(make_app: MakeApp) -> None:
    rows = [place(n, name=f"Ort {n:03}") for n in range(2 * ListedPage.per_page + 1)]
    client = make_app(rows).test_client()
    seen, address = [], "/"
    while address:
        page = client.get(address).text
        seen += names(page)
        link = re.search(r'rel="next" href="([^"]*)"', page)
        address = unescape(link[1]).split("#")[0] if link else ""
    assert seen == [row["name"] for row in rows]
    data = client.get("/daten/orte.geojson").json
    assert [f["properties"]["name"] for f in data["features"]] == seen


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from(["", "café", "haus", "a", "aheim", "53501", "zz"]),
    kreis=st.sampled_from([None, "07131", "07211"]),
    kind=st.sampled_from([None, *CATEGORY_GROUPS, *CATEGORIES]),
)
def test_map_and_list_are_one_set(
    client: FlaskClient, text: str, kreis: str | None, kind: str | None
) -> None:
    query = query_string(
        Filter(text, areas=(kreis,) if kreis else (), kinds=(kind,) if kind else ())
    )
    listed = names(client.get(f"/{query}").text)
    data = client.get(f"/daten/orte.geojson{query}").json
    placed = {row["name"] for row in PLACES if row["point"]}
    assert [f["properties"]["name"] for f in data["features"]] == [
        name for name in listed if name in placed
    ]
    assert data["listed"] == len(listed)


def test_page_asks_for_the_data_of_its_own_choice(client: FlaskClient) -> None:
    page = client.get("/?q=Süd%20%26&art=hilfe").text
    assert 'data-places="/daten/orte.geojson?q=S%C3%BCd%20%26&amp;art=hilfe"' in page


def test_place_has_a_page_of_its_own(client: FlaskClient) -> None:
    page = client.get("/orte/ort-3")
    assert page.status_code == 200
    assert "Diese Angaben sind alt" in page.text
    assert "Dazu wissen wir nichts." in page.text
    assert client.get("/orte/unbekannt").status_code == 404


def test_empty_store_is_a_page_too(make_app: MakeApp) -> None:
    client = make_app([]).test_client()
    assert "0 Orte" in client.get("/").text
    assert client.get("/daten/orte.geojson").json["features"] == []


# ------------------------------------------------------------------------ hostile input


FIELDS = ("name", "organisation", "street", "house_number", "postcode", "city", "website")
FIELDS += ("opening_hours", "offers", "languages", "source", "kreis", "municipality")
TAGS = ("<script", "<img", "<iframe", "<style", "<base", "<svg", "<!--", "<a ")


def test_record_text_is_never_markup(make_app: MakeApp) -> None:
    hostile = [place(n, **dict.fromkeys(FIELDS, text)) for n, text in enumerate(VECTORS)]
    harmless = [place(n, **dict.fromkeys(FIELDS, "Text")) for n in range(len(VECTORS))]
    client, plain = make_app(hostile).test_client(), make_app(harmless).test_client()
    for path in ("/", *(f"/orte/ort-{n}" for n in range(len(VECTORS)))):
        page, expected = client.get(path).text, plain.get(path).text
        for tag in TAGS:
            assert page.count(tag) == expected.count(tag), (path, tag)
        assert not re.search(r'(href|src)="\s*(javascript|data):', page, re.IGNORECASE)
    assert sorted(names(client.get("/").text)) == sorted(VECTORS)


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "//example.org", "ftp://a.b", "https://", "http://[", "x", ""],
)
def test_only_web_addresses_become_links(address: str) -> None:
    assert safe_url(address) is None


BAD_CHOICES = (
    "?gebiet=xyz",
    "?gebiet=7131",
    "?art=xyz",
    "?q=" + "x" * 101,
    "?q=%00",
    "?q=%FF",
    "?q=%ED%A0%80",
    "?q=a&q=b",
    "?gebiet=07131&gebiet=07211",
)
BAD_PAGES = ("-1", "0", "abc", "1.5", "%C2%B2", "99999999999999999999", "1&seite=2")


@pytest.mark.parametrize("query", [*BAD_CHOICES, *(f"?seite={page}" for page in BAD_PAGES)])
def test_bad_query_is_a_page_with_a_way_back(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/{query}")
    assert answer.status_code == 400
    assert "Das haben wir nicht verstanden" in answer.text
    assert "Zur Karte und zur Liste" in answer.text


@pytest.mark.parametrize("query", BAD_CHOICES)
def test_bad_query_for_data_is_a_problem(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/daten/orte.geojson{query}")
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail"}


def test_page_beyond_the_last_is_a_404(client: FlaskClient) -> None:
    assert client.get("/?seite=2").status_code == 404


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=40),
    st.sampled_from(["q", "gebiet", "art", "seite", "ort", "nah", "x"]),
    st.text(max_size=40),
)
def test_no_address_is_a_500(client: FlaskClient, raw: bytes, name: str, path: str) -> None:
    query = name + "=" + "".join(f"%{byte:02X}" for byte in raw)
    assert client.get("/", query_string=query).status_code in {200, 400, 404}
    assert client.get("/orte/" + path).status_code in {200, 308, 404}


@pytest.mark.parametrize("path", ["/nix", "/static/../pyproject.toml", "/static/nix.js", "/orte/"])
def test_unknown_address_is_a_page_with_a_way_back(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Diese Seite gibt es nicht" in answer.text
    assert 'href="/"' in answer.text


def test_only_reading_is_allowed(client: FlaskClient) -> None:
    for path in ("/", "/healthz", "/daten/orte.geojson"):
        answer = client.post(path)
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]
    assert "Das geht hier nicht" in client.post("/").text


def test_a_bug_shows_no_detail(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("geo_service.web.site.read_places", broken)
    answer = make_app().test_client().get("/")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Bei uns ist ein Fehler passiert" in answer.text


# ------------------------------------------------------------------- headers and caching

ADDRESSES = (
    "/",
    "/?art=haus",
    "/orte/ort-1",
    "/quellen",
    "/daten/orte.geojson",
    "/daten/grenzen/land.geojson",
    "/daten/grenzen/gemeinde.geojson?kreis=07131",
    "/daten/staedte.json",
    "/karte.js",
    "/static/css/site.css",
    "/static/js/places.js",
)


@pytest.mark.parametrize(
    "path", [*ADDRESSES, "/healthz", "/nix", "/ar", "/?seite=-1", "/static/nix"]
)
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    for answer in (client.get(path), client.post(path)):
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert "Set-Cookie" not in answer.headers
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("path", ADDRESSES)
def test_what_is_known_is_not_sent_again(client: FlaskClient, path: str) -> None:
    for encoding in ("identity", "gzip", "br"):
        headers = {"Accept-Encoding": encoding}
        first = client.get(path, headers=headers)
        assert first.status_code == 200
        again = client.get(path, headers=headers | {"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert "Accept-Encoding" in again.headers["Vary"]
        other = client.get(path, headers=headers | {"If-None-Match": '"other"'})
        assert other.data == first.data


@pytest.mark.parametrize("path", ["/", "/daten/orte.geojson", "/static/css/site.css"])
def test_compressed_answers_say_the_same(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    assert "Content-Encoding" not in plain.headers
    packed = client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "br"
    assert brotli.decompress(packed.data) == plain.data
    zipped = client.get(path, headers={"Accept-Encoding": "gzip, br;q=0"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data
    tags = {plain.headers["ETag"], packed.headers["ETag"], zipped.headers["ETag"]}
    assert len(tags) == 3


def test_same_revision_gives_the_same_bytes(make_app: MakeApp) -> None:
    one, other = make_app().test_client(), make_app().test_client()
    for path in ADDRESSES:
        assert one.get(path).data == other.get(path).data
        assert one.get(path).headers["ETag"] == other.get(path).headers["ETag"]


def test_a_new_revision_shows_at_once(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        client = app_of(store, small_territory()).test_client()
        before = client.get("/")
        fill(store, initiatives_of(PLACES))
        after = client.get("/", headers={"If-None-Match": before.headers["ETag"]})
        assert after.status_code == 200
        assert "5 Orte" in after.text
        borders = client.get("/daten/grenzen/land.geojson").headers["ETag"]
        fill(store, initiatives_of([*PLACES[:2], place(9)]))
        assert client.get("/daten/grenzen/land.geojson").headers["ETag"] == borders
        assert len(client.get("/daten/orte.geojson").json["features"]) == 5


def test_static_files_last_for_ever_under_their_version_only(client: FlaskClient) -> None:
    page = client.get("/").text
    link = re.search(r'href="(/static/css/site\.css\?v=\w+)"', page)
    assert link
    assert "immutable" in client.get(link[1]).headers["Cache-Control"]
    assert client.get("/static/css/site.css").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/css/site.css?v=x").headers["Cache-Control"] == "no-cache"


# -------------------------------------------------------------------------- data, health


def test_logo_in_the_style_is_the_favicon() -> None:
    style = (static_dir() / "css" / "site.css").read_text("utf-8")
    (written,) = re.findall(r'url\("data:image/svg\+xml,([^"]*)"\)', style)
    favicon = (static_dir() / "img" / "favicon.svg").read_text("utf-8")
    assert unquote(written).replace("'", '"') == favicon.strip()


def test_borders_by_level_and_kreis(client: FlaskClient) -> None:
    counts = {"gemeinde": 3, "verbandsgemeinde": 2, "kreis": 2, "land": 1}
    for level, count in counts.items():
        data = client.get(f"/daten/grenzen/{level}.geojson").json
        assert len(data["features"]) == count
        assert data["attribution"] == SOURCE_NOTE
    assert client.get("/daten/grenzen/bezirk.geojson").status_code == 404
    assert client.get("/daten/grenzen/gemeinde.geojson?kreis=07999").status_code == 400


def test_map_data_hold_no_more_than_the_popup_says(client: FlaskClient) -> None:
    data = client.get("/daten/orte.geojson").json
    keys = {key for feature in data["features"] for key in feature["properties"]}
    assert keys <= {
        "name",
        "category",
        "group",
        "organisation",
        "where",
        "rough",
        "hours",
        "languages",
        "freshness",
        "number",
    }


def test_health_counts(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json | {"changed_at": None} == {
        "status": "ok",
        "store": "ok",
        "revision": 1,
        "changed_at": None,
        "places": 5,
        "placed": 4,
        "municipalities": 3,
    }


def test_health_is_degraded_while_the_store_is_out_of_reach(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with Store(f"sqlite:///{file}") as store:
        store.migrate()
        fill(store, initiatives_of(PLACES))
        client = app_of(store, small_territory()).test_client()
        assert client.get("/healthz").json["status"] == "ok"
        file.rename(tmp_path / "gone.db")
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json["status"]) == (200, "degraded")
        assert answer.json["store"] == "unreachable"
        assert len(names(client.get("/").text)) == 5


def test_without_any_revision_the_service_says_so(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'none' / 'x.db'}") as store:
        client = app_of(store, small_territory()).test_client()
        assert client.get("/healthz").status_code == 503
        assert client.get("/healthz").json["status"] == "error"
        page = client.get("/")
        assert page.status_code == 503
        assert "Das Verzeichnis ist gerade nicht erreichbar" in page.text
        assert str(tmp_path) not in page.text


def test_sources_are_printed_from_the_data(client: FlaskClient) -> None:
    page = client.get("/quellen").text
    assert page.index(SOURCE_NOTE) < page.index("Ortsverzeichnis")
    for text in (SOURCE_NOTE, "CC0", "Ortsverzeichnis", "4 Einträge"):
        assert text in page


def test_operator_and_contact_are_shown(make_app: MakeApp) -> None:
    client = make_app(PLACES, operator="Land <RLP>", contact="orte@example.org").test_client()
    page = client.get("/").text
    assert "Angeboten von <bdi>Land &lt;RLP&gt;</bdi>" in page
    assert "orte@example.org" in page


def test_whole_land_is_a_small_page(make_app: MakeApp, territory: Territory) -> None:
    towns = territory.municipalities[["ags", "name", "seat_lon", "seat_lat"]].head(500)
    rows = [
        place(n, name=f"Begegnungscafé {name}", city=name, ags=ags, point=(lon, lat))
        for n, (ags, name, lon, lat) in enumerate(towns.itertuples(index=False, name=None))
    ]
    client = make_app(rows, territory).test_client()
    packed = {"Accept-Encoding": "br"}
    assert len(client.get("/", headers=packed).data) < 20_000
    assert len(client.get("/daten/orte.geojson", headers=packed).data) < 40_000
    assert len(client.get("/daten/grenzen/kreis.geojson", headers=packed).data) < 60_000


def test_a_place_without_a_point_stands_under_the_kreis_it_names() -> None:
    rows = [
        place(1, point=None, kreis="Landkreis Auenland"),
        place(2, point=None, kreis="Cstadt (kreisfreie Stadt)"),
        place(3, point=None, kreis="Anderswo"),
    ]
    places = read_places(initiatives_of(rows), small_land(), today=TODAY)
    kreise = {p.id: p.kreis.name if p.kreis else None for p in places}
    assert kreise == {"ort-1": "Landkreis Auenland", "ort-2": "Cstadt (Stadt)", "ort-3": None}
    index = PlaceIndex(places, small_land())
    assert [places[n].id for n in index.options("gebiet")["07211"].nonzero()[0]] == ["ort-2"]


@pytest.mark.parametrize(
    ("stated", "confirmed", "text"),
    [
        ("2024-11", None, "Stand November 2024"),
        ("2024-10", None, "Stand Oktober 2024, seit 2 Jahren nicht bestätigt"),
        ("2024-11-23", None, "Stand 23.11.2024"),
        ("2024-11-22", None, "Stand 22.11.2024, seit 2 Jahren nicht bestätigt"),
        ("2024", None, "Stand 2024"),
        ("2023", None, "Stand 2023, seit 2 Jahren nicht bestätigt"),
        ("2015-01-02", "2026-11-01", "Bestätigt am 01.11.2026"),
        (None, None, "Stand unbekannt"),
    ],
)
def test_freshness(stated: str | None, confirmed: str | None, text: str) -> None:
    rows = [place(1, source_date=stated, confirmed_on=confirmed)]
    (only,) = read_places(initiatives_of(rows), small_land(), today=TODAY)
    assert only.freshness == text


def test_stale_means_the_same_as_in_coverage(workshop: Workshop, example_file: Path) -> None:
    import_file(example_file, workshop, today=TODAY)
    snapshot = Snapshot.of(workshop.store.read(), workshop.territory)
    places = read_places(snapshot.initiatives, snapshot.municipalities, today=TODAY)
    land = snapshot.coverage("land", today=TODAY).iloc[0]
    inside = [place for place in places if place.placed]
    assert land["places"] == len(inside)
    assert land["stale"] == sum(place.stale for place in inside)
    assert land["rough"] == sum(place.rough for place in inside)
    undated = [place for place in inside if place.freshness == "Stand unbekannt"]
    assert land["undated"] == len(undated)


def test_json_of_the_map_is_utf8_without_escapes(client: FlaskClient) -> None:
    raw = client.get("/daten/orte.geojson").data
    assert "Süd".encode() in raw
    json.loads(raw)


@pytest.mark.parametrize("public_url", ["", "https://orte.example"])
@pytest.mark.parametrize(
    ("asked", "to"),
    [
        ("/api", "/api/"),
        ("/api?q=a%2Fb", "/api/?q=a%2Fb"),
        ("/uk/api", "/uk/api/"),
        ("/orte//ort-1", "/orte/ort-1"),
        ("///evil.example/../api", None),
    ],
)
def test_redirects_name_neither_the_host_nor_the_scheme_that_was_asked_with(
    make_app: MakeApp, public_url: str, asked: str, to: str | None
) -> None:
    client = make_app(public_url=public_url).test_client()
    answer = client.get(asked, headers={"Host": "evil.example"})
    if to is None:
        assert answer.status_code == 404 or not answer.headers["Location"].startswith("//")
        return
    assert (answer.status_code, answer.headers["Location"]) == (308, to)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "evil" not in answer.text


@pytest.mark.parametrize("address", ["/uk/planung/szenario?neu=8.27,50&x=1", "/uk/einbetten?q=a"])
def test_redirects_that_carry_a_query_are_kept_by_nobody(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.headers["Location"]) == (308, address.removeprefix("/uk"))
    assert answer.headers["Cache-Control"] == "private, no-store"
