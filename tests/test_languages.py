"""Languages: addresses, redirects, complete catalogues, and nothing left in German."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import translations
from babel import Locale
from babel.numbers import parse_decimal
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from web_helpers import app_of, fill, initiatives_of, place, small_territory
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Request, Response

from geo_service import config
from geo_service.schema import CATEGORIES, THEMES
from geo_service.store import Store
from geo_service.web import languages, wording
from geo_service.web.languages import LANGUAGES, SOURCE, LanguageMount, language
from geo_service.web.places import GROUP_NAMES
from geo_service.web.town_names import DISTRICTS, POSTCODES, SHORT_NAMES

CODES = [*LANGUAGES]
FOREIGN = [code for code in CODES if code != "de"]
PATHS = (
    *("/", "/?art=haus", "/?ort=Aheim", "/orte/ort-1", "/orte/ort-2", "/gebiete", "/gebiete/07131"),
    *("/themen", "/quellen", "/leichte-sprache", "/barrierefreiheit", "/datenschutz"),
    *("/impressum", "/handzettel?art=haus"),
)
PAGES = Path(config.templates_dir())
WEB = config.static_dir().parent / "web"
SCRIPTS = config.static_dir() / "js"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Some places: dated, old, rough, without a point, with hours and without."""
    rows = [
        place(1, opening_hours="Mi 15:00-17:00", languages="Arabisch; Deutsch", wheelchair="yes"),
        place(2, category="Haus der Familie", source_date="2017-05", theme=THEMES[0]),
        place(3, coordinate_precision="municipality", street=None, source_date=None),
        place(4, point=None, category="Sonstiges"),
        *(place(number, city="Bdorf", ags="07131002") for number in range(5, 80)),
    ]
    with Store(f"sqlite:///{tmp_path_factory.mktemp('languages') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        yield app_of(store, small_territory(), operator="Musterland", contact="a@example.org")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_language_of_a_request_ends_with_it(client: FlaskClient) -> None:
    assert 'lang="ar"' in client.get("/ar/").text
    assert language() is SOURCE
    assert client.get("/ar/orte/nichts").status_code == 404
    assert language() is SOURCE


def in_language(code: str, path: str) -> str:
    return path if code == "de" else f"/{code}{path}"


class Links(HTMLParser):
    """Every address of a page that a reader or a search engine may follow."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if {"href", "action"} & known.keys():
            self.found.append((tag, known))

    def alternates(self) -> dict[str, str]:
        return {
            one["hreflang"]: one["href"]
            for tag, one in self.found
            if tag == "link" and one.get("rel") == "alternate" and "hreflang" in one
        }

    def switcher(self) -> dict[str, str]:
        return {
            one["hreflang"]: one["href"]
            for tag, one in self.found
            if tag == "a" and {"hreflang", "lang"} <= one.keys()
        }

    def canonical(self) -> str:
        (found,) = [one["href"] for _, one in self.found if one.get("rel") == "canonical"]
        return found


# --------------------------------------------------------------------------- addresses


@Request.application
def echo(request: Request) -> Response:
    return Response(f"{request.environ['SCRIPT_NAME']}|{request.environ['PATH_INFO']}")


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/", "|/"),
        ("/ort/7", "|/ort/7"),
        ("/ar/", "/ar|/"),
        ("/ar/ort/7", "/ar|/ort/7"),
        ("/ar/ar/x", "/ar|/ar/x"),
        ("/arabisch/", "|/arabisch/"),
        ("/AR/", "|/AR/"),
        ("/nl/", "|/nl/"),
        ("//ar/x", "|//ar/x"),
    ],
)
def test_language_is_the_first_part_of_the_path_and_only_once(path: str, seen: str) -> None:
    environ = EnvironBuilder(path).get_environ() | {"PATH_INFO": path}
    assert Client(LanguageMount(echo)).open(Request(environ)).text == seen


def test_service_below_a_folder_keeps_its_folder() -> None:
    client = Client(LanguageMount(echo))
    assert client.get("/ar/ort/7", base_url="http://x/dienst").text == "/dienst/ar|/ort/7"
    answer = client.get("/ar?q=1", base_url="http://x/dienst")
    assert answer.headers["Location"] == "/dienst/ar/?q=1"


def test_prefix_without_slash_leads_to_the_start_page(client: FlaskClient) -> None:
    answer = client.get("/uk?art=haus")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/uk/?art=haus")


@pytest.mark.parametrize("code", CODES)
def test_page_says_its_language_and_direction(client: FlaskClient, code: str) -> None:
    for path in (*PATHS, "/nix"):
        answer = client.get(in_language(code, path))
        direction = "rtl" if code in {"ar", "fa"} else "ltr"
        assert f'<html lang="{code}" dir="{direction}">' in answer.text
        assert answer.headers["Content-Language"] == code


@pytest.mark.parametrize("code", [*CODES])
def test_links_keep_the_language(client: FlaskClient, code: str) -> None:
    for path in PATHS:
        for tag, attributes in Links(client.get(f"/{code}{path}").text).found:
            address = attributes.get("href") or attributes.get("action") or ""
            if tag == "link" or "hreflang" in attributes or not address.startswith("/"):
                continue
            assert address.startswith((f"/{code}/", "/static/")), address


@pytest.mark.parametrize("path", PATHS)
def test_search_engines_find_each_page_once_per_language(client: FlaskClient, path: str) -> None:
    greets = path.partition("?")[0] == "/"  # and is the page of no language
    wanted = {code: f"/{code}{path}" if greets else in_language(code, path) for code in CODES}
    neutral = Links(client.get(path).text)
    assert _path(neutral.canonical()) == _path(neutral.alternates()["x-default"]) == path
    for code in CODES:
        links = Links(client.get(f"/{code}{path}").text)
        assert {
            name: _path(url) for name, url in links.alternates().items() if name != "x-default"
        } == wanted
        assert _path(links.canonical()) == wanted[code]


def _path(address: str) -> str:
    return re.sub(r"^https?://[^/]+", "", address)


def test_switcher_keeps_the_choice_and_nothing_else(client: FlaskClient) -> None:
    for noise in ("", "&fremd=%22%3E%3Cscript%3E"):
        links = Links(client.get(f"/?art=haus{noise}").text)
        assert links.switcher() == {code: f"/{code}/?art=haus" for code in CODES}


def test_static_files_are_the_same_for_all_languages(client: FlaskClient) -> None:
    files = [
        set(re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg)[^"]*)"', page))
        for page in (client.get("/").text, client.get("/fa/").text)
    ]
    assert files[0] == files[1]
    assert all(not address.startswith("/fa/") for address in files[1])


# --------------------------------------------------------------- what the browser asks for


@pytest.mark.parametrize(
    ("asked", "to"),
    [
        (None, None),
        ("de-DE,de;q=0.9,en;q=0.8", None),
        ("*", None),
        ("nl,pl;q=0.9", None),
        ("ar-SY,ar;q=0.9,de;q=0.5", "/ar/"),
        ("nl,fa;q=0.9,en;q=0.8", "/fa/"),
        ("en;q=0.5,tr;q=0.9", "/tr/"),
        ("AR", "/ar/"),
        ("uk;q=0,ru;q=0.1", "/ru/"),
        ("nl,tr;q=0", None),
        (";;;q=x,,", None),
    ],
)
def test_bare_address_follows_the_browser(
    client: FlaskClient, asked: str | None, to: str | None
) -> None:
    answer = client.get("/", headers={"Accept-Language": asked} if asked else {})
    assert answer.headers.get("Location") == to
    assert "Accept-Language" in answer.headers["Vary"]
    if to:
        assert answer.status_code == 302
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert client.get(to, headers={"Accept-Language": str(asked)}).status_code == 200


def test_kept_start_page_is_not_shown_to_who_asks_for_another_language(
    client: FlaskClient,
) -> None:
    kept = {"If-None-Match": client.get("/").headers["ETag"]}
    assert client.get("/", headers=kept).status_code == 304
    assert client.get("/", headers=kept | {"Accept-Language": "uk"}).status_code == 302


@pytest.mark.parametrize("path", ["/?art=haus", "/de/", "/quellen", "/en/", "/healthz"])
def test_every_other_address_keeps_its_language(client: FlaskClient, path: str) -> None:
    plain, asked = client.get(path), client.get(path, headers={"Accept-Language": "ar"})
    assert asked.status_code == plain.status_code == 200
    assert asked.headers.get("Content-Language") == plain.headers.get("Content-Language")
    assert "Accept-Language" not in asked.headers.get("Vary", "")


def test_redirect_never_leaves_the_service(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Accept-Language": "ar", "Host": "boese.example"})
    assert answer.headers["Location"] == "/ar/"


# ------------------------------------------------------------------------------- caches


def test_languages_do_not_share_what_is_kept(client: FlaskClient) -> None:
    first = {code: client.get(in_language(code, "/")) for code in CODES}
    again = {code: client.get(in_language(code, "/")) for code in reversed(CODES)}
    assert len({answer.data for answer in first.values()}) == len(CODES)
    for code in CODES:
        assert first[code].data == again[code].data
        known = {"If-None-Match": first[code].headers["ETag"]}
        assert client.get(in_language(code, "/"), headers=known).status_code == 304


def test_data_of_the_map_speak_the_language_of_their_page(client: FlaskClient) -> None:
    page = client.get("/ar/").text
    (address,) = re.findall(r'data-places="([^"]+)"', page)
    assert address.startswith("/ar/")
    texts = {feature["properties"]["category"] for feature in client.get(address).json["features"]}
    german = {
        feature["properties"]["category"]
        for feature in client.get("/daten/orte.geojson").json["features"]
    }
    assert "Begegnungscafé" in german
    assert not texts & german


# ------------------------------------------------------------------- numbers and the like

FORMS: dict[str, tuple[str, ...]] = {
    "de": ("4.129.569", "0,13", "2,3 km", "0,4 km", "23.11.2026", "April 2022", "2015", "Montag"),
    "en": (
        *("4,129,569", "0.13", "2.3 km", "0.4 km"),
        *("23 November 2026", "April 2022", "2015", "Monday"),
    ),
    "fr": (
        *("4\u202f129\u202f569", "0,13", "2,3 km", "0,4 km"),
        *("23 novembre 2026", "avril 2022", "2015", "lundi"),
    ),
    "uk": (
        *("4\xa0129\xa0569", "0,13", "2,3 км", "0,4 км"),
        *("23 листопада 2026\u202fр.", "квітень 2022\u202fр.", "2015", "понеділок"),
    ),
    "ru": (
        *("4\xa0129\xa0569", "0,13", "2,3 км", "0,4 км"),
        *("23 ноября 2026\u202fг.", "апрель 2022\u202fг.", "2015", "понедельник"),
    ),
    "ar": (
        *("4,129,569", "0.13", "2.3 كم", "0.4 كم"),
        *("23 نوفمبر 2026", "أبريل 2022", "2015", "الاثنين"),
    ),
    "fa": (
        *("۴٬۱۲۹٬۵۶۹", "۰٫۱۳", "۲٫۳ کیلومتر", "۰٫۴ کیلومتر"),
        *("۲۳ نوامبر ۲۰۲۶", "آوریل ۲۰۲۲", "۲۰۱۵", "دوشنبه"),
    ),
    "tr": (
        *("4.129.569", "0,13", "2,3 km", "0,4 km"),
        *("23 Kasım 2026", "Nisan 2022", "2015", "Pazartesi"),
    ),
}


@pytest.mark.parametrize("code", CODES)
def test_numbers_distances_and_dates_take_the_form_of_the_language(app: Flask, code: str) -> None:
    with spoken(app, code):
        assert FORMS[code] == (
            wording.number(4_129_569),
            wording.number(0.125, 2),
            wording.distance(2345),
            wording.distance(447),
            wording.date(dt.date(2026, 11, 23)),
            wording.date("2022-04"),
            wording.date("2015"),
            wording.weekday(0),
        )
        assert wording.date("2026-11-23") == wording.date(dt.date(2026, 11, 23))
        assert (
            wording.number(None, missing="–") == wording.distance(float("nan"), missing="–") == "–"
        )
        with pytest.raises(ValueError, match="isoformat"):
            wording.date("23. November")


@contextmanager
def spoken(app: Flask, code: str) -> Iterator[None]:
    """Be inside a request in a language."""
    before = languages._prefix.set(code)
    try:
        with app.test_request_context("/"):
            yield
    finally:
        languages._prefix.reset(before)


@settings(deadline=None)
@given(value=st.decimals(-(10**9), 10**9, places=2), code=st.sampled_from(CODES))
def test_written_numbers_read_back(value: Any, code: str) -> None:
    with spoken(_BARE, code):
        text = wording.number(float(value), 2)
    system = Locale.parse(LANGUAGES[code].locale).default_numbering_system
    plain = "".join(str(int(c)) if c.isdecimal() else c for c in text.replace("\u200e", ""))
    locale = LANGUAGES[code].locale
    if system == "arabext":  # Babel reads its marks, not its digits
        plain, locale = plain.replace("٬", "").replace("٫", ".").replace("−", "-"), "en"
    assert parse_decimal(plain, locale) == value


_BARE = Flask("bare")


def test_spoken_languages_are_named_in_the_language_of_the_page(app: Flask) -> None:
    with spoken(app, "en"):
        names = ["Arabisch (Sprachmittlung)", "Farsi", "Klingonisch der Küste", "mehrsprachig"]
        assert [*map(wording.language_name, names)][:3] == [
            "Arabic (Sprachmittlung)",
            "Persian",
            "Klingonisch der Küste",
        ]
        assert wording.language_name("mehrsprachig") != "mehrsprachig"
    with spoken(app, "ar"):
        assert wording.listed(["أ", "ب"]) == "أ، ب"
        assert wording.parted(["أ", "ب"]) == "أ؛ ب"


def test_what_a_record_says_of_languages_stays_marked_as_german(tmp_path: Path) -> None:
    said = "Arabisch (mit Voranmeldung); Wegweiser in Bildern; mehrsprachig"
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1, languages=said)]))
        client = app_of(store, small_territory()).test_client()
        pages = [client.get(f"/{code}{path}").text for code in ("en", "de") for path in _SHOWN]
    for english, german in zip(pages[: len(_SHOWN)], pages[len(_SHOWN) :], strict=True):
        assert (
            '<bdi>Arabic</bdi> <bdi lang="de">(mit Voranmeldung)</bdi>,'
            ' <bdi lang="de">Wegweiser in Bildern</bdi>, <bdi>multilingual</bdi>'
        ) in english
        assert (
            "<bdi>Arabisch (mit Voranmeldung), Wegweiser in Bildern, mehrsprachig</bdi>" in german
        )


_SHOWN = ("/?q=Café", "/orte/ort-1", "/gebiete/07131001")


def test_chosen_area_and_offer_keep_their_german_names_and_say_so(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1, offers="Sprachcafé")]))
        client = app_of(store, small_territory()).test_client()
        query = "?zeit=heute&angebot=Sprachcafé&gebiet=07131001"
        pages = {code: client.get(f"/{code}/{query}").text for code in ("ar", "de")}
    chips = {code: re.findall(r'<a class="chip made".*?</a>', page) for code, page in pages.items()}
    marked = {code: [' lang="de"' in chip for chip in found] for code, found in chips.items()}
    assert sum(marked["ar"]) == 2
    assert marked["ar"] == ["Sprachcafé" in one or "Aheim" in one for one in chips["ar"]]
    assert marked["de"] == [False] * 3


def test_only_words_of_ours_are_translated(app: Flask) -> None:
    with spoken(app, "en"):
        assert wording.label("Haus der Familie") != "Haus der Familie"
        assert wording.label("Zurück") == "Zurück"


# --------------------------------------------------------------------------- catalogues


@pytest.fixture(scope="module")
def template() -> Any:
    return translations.extract()


def test_every_language_but_the_source_has_a_catalogue() -> None:
    assert [*translations.PLURALS] == FOREIGN
    assert {path.name for path in config.translations_dir().iterdir()} == {*FOREIGN}


@pytest.mark.parametrize("code", FOREIGN)
def test_catalogue_is_complete_and_right(template: Any, code: str) -> None:
    """Mend it with ``.venv/bin/python scripts/translations.py update`` and a translator."""
    assert translations.faults(code, template) == []


@pytest.mark.parametrize("code", FOREIGN)
def test_catalogue_files_agree(template: Any, code: str) -> None:
    catalog = translations.read_catalogue(code)
    fresh = translations.written(translations.updated(code, template))
    assert translations.catalogue_path(code).read_bytes() == fresh
    compiled = translations.catalogue_path(code, "LC_MESSAGES/messages.mo").read_bytes()
    assert compiled == translations.compiled(catalog)
    script = translations.catalogue_path(code, "script.json").read_bytes()
    assert script == translations.script_texts(catalog)


@pytest.mark.parametrize("code", FOREIGN)
def test_translation_is_none_of_the_german_texts(code: str) -> None:
    """A few words are the same in two languages; a sentence never is."""
    same = [
        message.id
        for message in translations.read_catalogue(code)
        if message.id and message.string == message.id
    ]
    assert [text for text in same if " " in re.sub(r"%\(\w+\)s", "", text).strip()] == []


@pytest.mark.parametrize("code", ["ar", "fa", "uk", "ru"])
def test_translation_is_in_the_letters_of_its_language(code: str) -> None:
    letters = "؀-ۿ" if code in {"ar", "fa"} else "Ѐ-ӿ"
    for message in translations.read_catalogue(code):
        for text in [message.string] if isinstance(message.string, str) else message.string:
            if message.id and re.search(r"[A-Za-z]", re.sub(r"%\(\w+\)s|<[^>]+>", "", text)):
                assert re.search(f"[{letters}]", text), text


def test_a_fault_in_a_catalogue_is_named(template: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = translations.StableCatalog(locale="en")
    for message in template:
        if message.id and message.id != "Stand unbekannt":
            catalog.add(message.id, message.id)
    catalog.add("%(date)s gibt es nicht mehr", "gone")
    catalog["Stand %(date)s"].string = "As of %(day)s"
    monkeypatch.setattr(translations, "read_catalogue", lambda code: catalog)
    found = translations.faults("en", template)
    assert "en: not in the catalogue: 'Stand unbekannt'" in found
    assert "en: no longer used: '%(date)s gibt es nicht mehr'" in found
    assert any("placeholders ['%(day)s']" in fault for fault in found)


def test_new_text_is_empty_and_old_text_stays(template: Any) -> None:
    fresh = translations.updated("fr", template)
    assert {m.id for m in fresh if m.id} == {m.id for m in template if m.id}
    assert (
        fresh.get("Begegnung").string == translations.read_catalogue("fr").get("Begegnung").string
    )


def test_groups_categories_and_themes_are_in_the_catalogues() -> None:
    assert {*GROUP_NAMES.values(), *CATEGORIES, *THEMES} <= {*wording.VOCABULARY}


# -------------------------------------------------------------- nothing is left in German


class Said(HTMLParser):
    """What a page says outside of what it marks as German: text, labels, titles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        hidden = tag in _MUTE or bool({"lang", "hreflang"} & known.keys())
        mute = tag != "html" and (hidden or any(self.open))
        if tag not in _VOID:
            self.open.append(mute)
        if not mute:
            self.found += [known[name] or "" for name in _SPOKEN if known.get(name)]

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.open):
            self.found.append(data)


_VOID = {"meta", "link", "input", "br", "use", "circle", "path", "rect", "img", "hr", "wbr"}
_MUTE = {"script", "style", "code", "title"}
_SPOKEN = ("aria-label", "title", "alt", "placeholder")
_NAMES = {
    *("Aheim", "Landkreis", "Auenland", "localhost", "QR", "PDF", "Ctrl"),
    *("OpenStreetMap", "JavaScript", "Leaflet", "markercluster", "Folium", "MIT", "BSD", "Clause"),
}
"""What keeps its name in every language, and what stands inside a label or a sentence."""


@pytest.mark.parametrize("path", [*PATHS, "/embed/karte", "/embed/nur-karte"])
def test_arabic_page_says_nothing_in_latin_letters_that_is_not_marked_as_german(
    client: FlaskClient, path: str
) -> None:
    page = re.sub(
        r"(https?://|localhost/)\S+|\S+@\S+",
        "",
        " ".join(Said(client.get(f"/ar{path}").text).found),
    )
    assert {*_LETTERS.findall(page)} - _NAMES == set()


_LETTERS = re.compile(r"[A-Za-zÄÖÜäöüß]{2,}")
_READ = re.compile(r'\b(?:aria-label|title|alt|placeholder|label)="([^"]*)"')


@pytest.mark.parametrize(
    "path",
    # What the law asks for is German in every language; programmers read of the API in English.
    sorted({*PAGES.glob("*.html")} - {PAGES / "_legal.html", PAGES / "api.html"}),
    ids=lambda path: path.name,
)
def test_templates_hold_no_text_of_their_own(path: Path) -> None:
    """What a reader sees goes through ``_`` or ``{% trans %}``; extraction finds it there."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    pieces, inside = [], False
    for _, kind, value in environment.lex(path.read_text("utf-8")):
        if kind == "name" and value in {"trans", "endtrans"}:
            inside = value == "trans"
        elif kind == "data" and not inside:
            pieces.append(value)
        elif kind in {"variable_begin", "block_begin"} and not inside:
            pieces.append("\0")
    # What the law asks for is German in every language, and says so.
    text = re.sub(r'<div[^>]* lang="de".*?</div>', "", "".join(pieces), flags=re.S)
    read = _READ.findall(text)
    plain = re.sub(r"<(script|style|svg|symbol)\b.*?</\1>", "", text, flags=re.S)
    plain = re.sub(r"<[^>]*>|&\w+;|[\w-]+=\"[^\"]*\"", " ", plain)
    assert {*_LETTERS.findall(plain.replace("\0", " "))} <= {"both", "paper", "text"}  # layouts
    assert [one for one in read if _LETTERS.search(one)] == []


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.js")), ids=lambda path: path.name)
def test_scripts_hold_no_text_of_their_own(path: Path) -> None:
    code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text("utf-8"), flags=re.S | re.M)
    code = re.sub(r"(?:console\.\w+|Error)\([^;]*;", "", code)
    code = re.sub(r"n?gettext\(\s*(?:\"[^\"]*\"[,\s]*)+", "", code)
    texts = re.findall(r"\"([^\"\n]*)\"|`([^`]*)`", code)
    suspects = [one or other for one, other in texts if _is_sentence(one or other)]
    assert suspects == []


@pytest.mark.parametrize("path", sorted(WEB.glob("*.py")), ids=lambda path: path.name)
def test_code_of_pages_holds_no_text_of_its_own(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    marked = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) in {"N_", "gettext", "ngettext", "pgettext"}
        for inner in ast.walk(node)
    }
    marked |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    marked |= {
        id(inner)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and _called(node) in _NOT_READ)
        or isinstance(node, ast.Compare)
        for inner in ast.walk(node)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in marked
    ]
    known = {*wording.VOCABULARY, *(one.name for one in LANGUAGES.values())}
    known |= {*DISTRICTS, *POSTCODES, *SHORT_NAMES.values(), *sum(DISTRICTS.values(), ())}
    assert [text for text in texts if _is_german(text) and text not in known] == []


_NOT_READ = {
    "cast",
    "compile",
    "sub",
    "fullmatch",
    "debug",
    "info",
    "warning",
    "error",
    "exception",
}
"""Functions whose texts no reader sees: patterns, and the operator's log."""


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_german(text: str) -> bool:
    """Tell whether a text of code looks like one that somebody reads."""
    return bool(re.search(r"^[A-ZÄÖÜ„]\w*[ ,.].*[a-zäöüß]{2}|[äöüß]", text))


def _is_sentence(text: str) -> bool:
    """Tell whether a text looks like German that somebody reads."""
    return bool(
        re.search(r"[A-ZÄÖÜ][a-zäöüß]+ [a-zäöüß]{2,}|[a-zäöüß]{3,} [A-ZÄÖÜ]?[a-zäöüß]{3,}", text)
    )
