"""Handouts: the same set as the list, on paper, in every script, whatever records say."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from web_helpers import VECTORS, app_of, fill, initiatives_of, place, small_territory

from geo_service import handout, typesetting, writing
from geo_service.errors import TypesettingError
from geo_service.handout import (
    MAX_PLACES,
    Ground,
    Handout,
    HandoutPlace,
    Outline,
    Town,
    Words,
    draw_map,
    draw_qr,
    fit,
    pdf,
    render_pdf,
)
from geo_service.store import Store
from geo_service.typesetting import process

WORDS = Words(
    page="Seite {page} von {pages}",
    live="Liste im Internet",
    map="Karte",
    empty="Nichts gefunden.",
    sources="Quellen:",
    hours="Geöffnet",
    languages="Sprachen",
    rough="ungefähr",
    nowhere="nicht auf der Karte",
    unprintable="Kästchen sind Buchstaben.",
    exact_mark="genaue Lage",
    rough_mark="ungefähre Lage",
    here_mark="von hier",
    kilometres="{n} km",
    metres="{n} m",
)
ARABIC = dataclasses.replace(
    WORDS, hours="مفتوح", rough="تقريبي", direction="rtl", digits="٠١٢٣٤٥٦٧٨٩"
)
SQUARE = Outline.of([(7.0, 50.0), (7.3, 50.0), (7.3, 50.2), (7.0, 50.2), (7.0, 50.0)])
GROUND = Ground(kreise=(SQUARE,), municipalities=(SQUARE,), towns=(Town("Aheim", (7.1, 50.05)),))
SVG = "{http://www.w3.org/2000/svg}"


def spot(number: int, **given: Any) -> HandoutPlace:
    """A place at a point of its own; `given` says what is different."""
    values: dict[str, Any] = {
        "name": f"Café {number}",
        "kind": "Begegnungscafé",
        "where": "Hauptstraße 1, Aheim",
        "point": (7.0 + 0.02 * (number % 10), 50.0 + 0.02 * (number // 10)),
    }
    return HandoutPlace(number=number, **(values | given))


def sheet(*places: HandoutPlace, **given: Any) -> Handout:
    """A handout of `places`."""
    values: dict[str, Any] = {
        "service": "Orte",
        "title": "Orte in Aheim",
        "subtitle": "",
        "notes": ("Stand: heute",),
        "language": "de",
        "words": WORDS,
        "url": "https://example.org/?ort=Aheim",
        "ground": GROUND,
        "foot": "example.org",
        "sources": ("© Kartenamt",),
    }
    return Handout(places=places, **(values | given))


def bookmarks(content: bytes) -> list[str]:
    """The names of places in the outline of a PDF, in their order; its title comes last there."""
    found = re.findall(
        rb"<</Parent \d+ 0 R[^<(]*/Title(?:<FEFF([0-9A-F]*)>|\((.*?)\)/)", content, re.DOTALL
    )
    made = [
        bytes.fromhex(wide.decode()).decode("utf-16-be") if wide else plain.decode("latin-1")
        for wide, plain in found
    ]
    return [text.strip("\u2068\u2069").replace("\u200b", "") for text in made[:-1]]


def pages(content: bytes) -> int:
    found = re.search(rb"/Type/Pages/Count (\d+)", content)
    assert found
    return int(found[1])


def parsed(svg: str | None) -> ET.Element:
    assert svg is not None
    return ET.fromstring(svg)  # noqa: S314 - our own drawing


def labels(svg: str | None) -> list[str]:
    """What stands on the labels of a map, in their order."""
    bold = [text for text in parsed(svg).iter(f"{SVG}text") if text.get("font-weight")]
    return ["".join(text.itertext()).strip("\u2067\u2069") for text in bold]


def pills(svg: str | None) -> list[tuple[float, float, float, float]]:
    """The boxes of a map's labels: left, top, right, bottom."""
    boxes = [rect.attrib for rect in parsed(svg).iter(f"{SVG}rect") if "rx" in rect.attrib]
    found = [[float(box[name]) for name in ("x", "y", "width", "height")] for box in boxes]
    return [(x, y, x + width, y + height) for x, y, width, height in found]


# ---------------------------------------------------------------------------------- the PDF


def test_pdf_has_every_place_by_name_on_a4_and_says_its_language() -> None:
    content = render_pdf(sheet(*(spot(n) for n in range(1, 24))))
    assert bookmarks(content) == [f"Café {n}" for n in range(1, 24)]
    assert b"/MediaBox[0 0 595.2756 841.8898]" in content
    assert b"/Lang(de)" in content
    assert b"/URI(https://example.org/?ort=Aheim)" in content
    assert pages(content) == 2


def test_pdf_is_made_for_screen_readers() -> None:
    content = render_pdf(sheet(spot(1), spot(2, rough=True)))
    assert b"/StructTreeRoot" in content
    assert b"/Marked true" in content
    assert b"<pdfuaid:part>1<" in content


@pytest.mark.parametrize(
    ("language", "name", "words", "font"),
    [
        ("de", "Café für Groß und Klein", WORDS, b"NotoSans-Bold"),
        ("ru", "Кафе встреч", WORDS, b"NotoSans-Bold"),
        ("uk", "Кав'ярня зустрічей її", WORDS, b"NotoSans-Bold"),
        ("tr", "Buluşma kahvesi ığİ", WORDS, b"NotoSans-Bold"),
        ("ar", "مقهى اللقاء", ARABIC, b"NotoSansArabic-Bold"),
        ("fa", "کافه دیدار پژوهش", ARABIC, b"NotoSansArabic-Bold"),
    ],
)
def test_every_language_has_its_letters(
    language: str, name: str, words: Words, font: bytes
) -> None:
    content = render_pdf(sheet(spot(1, name=name), language=language, words=words))
    assert name in bookmarks(content)
    assert font in content
    assert f"/Lang({language})".encode() in content
    assert b"<pdfuaid:part>1<" in content, "a letter that no font has forbids PDF/UA"


def test_paper_in_a_language_from_right_to_left_is_mirrored() -> None:
    """The address below the QR code is as far from one edge as otherwise from the other."""
    edges = []
    for words in (WORDS, ARABIC):
        content = render_pdf(sheet(spot(1), words=words))
        found = re.search(rb"/Subtype/Link/Rect\[([\d.]+) [\d.]+ ([\d.]+) ", content)
        assert found
        edges.append((float(found[1]), 595.2756 - float(found[2])))
    assert edges[0] == pytest.approx(edges[1][::-1], abs=0.1)
    assert edges[0][1] < 100 < 400 < edges[0][0]


@pytest.mark.parametrize(
    ("name", "missing"),
    [("中文 አማርኛ ☕", True), ("שלום", True), ("मिलन ښه ئێ ڕۆژ ٹھیک", False)],
)
def test_letters_that_no_font_has_do_not_stop_the_handout_and_are_told_of(
    monkeypatch: pytest.MonkeyPatch, name: str, missing: bool
) -> None:
    content = render_pdf(sheet(spot(1, name=name)))
    assert name in bookmarks(content)
    assert (b"<pdfuaid:part>" not in content) == missing
    silent = dataclasses.replace(WORDS, unprintable="")
    told = content != render_pdf(sheet(spot(1, name=name), words=silent))
    assert told == missing


def test_same_handout_gives_same_bytes_under_any_hash_seed() -> None:
    order = sheet(*map(spot, range(1, 9)))
    code = (
        "import hashlib, pickle, sys; from geo_service.handout import render_pdf;"
        "print(hashlib.sha256(render_pdf(pickle.load(sys.stdin.buffer))).hexdigest())"
    )
    sums = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=pickle.dumps(order),
            env={"PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Kabul"))
    }
    assert sums == {hashlib.sha256(render_pdf(order)).hexdigest().encode()}


def test_several_at_once_come_out_whole() -> None:
    orders = [sheet(spot(n)) for n in range(1, 7)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(render_pdf, orders))
    assert [bookmarks(content)[-1] for content in made] == [f"Café {n}" for n in range(1, 7)]


def test_empty_handout_says_so_and_has_no_map() -> None:
    content = render_pdf(sheet(title="", url="https://example.org/" + "x" * 3000))
    assert pages(content) == 1


def test_only_so_many_places_and_four_pages_hold_them() -> None:
    content = render_pdf(sheet(*(spot(n, hours="Mo-Fr 10-12 Uhr") for n in range(1, 100))))
    assert bookmarks(content)[-1] == f"Café {MAX_PLACES}"
    assert pages(content) <= 4


def test_sources_take_what_room_the_list_leaves() -> None:
    """Seven places fill the first column of a page; a second page for sources would be waste."""
    places = [spot(n, hours="Mo-Fr 10-12 Uhr") for n in range(1, 8)]
    assert pages(render_pdf(sheet(*places, sources=("© Kartenamt " * 20,) * 3))) == 1


# ------------------------------------------------------------------------- hostile texts

CODE = (
    '#panic("x")',
    '#eval("1+1")',
    '#image("/etc/passwd")',
    '#import "@preview/x:1.0.0"',
    "*b* _i_ `c` $x$ @ref <label> = H",
    "\\u{41} \\ ]]}}((",
    "// comment",
    "/* comment",
    '" + panic() + "',
)
BROKEN = (
    "",
    "\x00\x01",
    "\u202e" * 500,
    "\ud800",
    "\ufffe",
    "😀" * 300,
    "\u0301" * 1000,
    "x" * 100_000,
    "م" * 100_000,
    "Wort " * 20_000,
)


def everywhere(text: str) -> Handout:
    """A handout that says `text` wherever it can, an address included."""
    fields = ("name", "kind", "where", "hours", "languages", "wheelchair", "distance", "stated")
    odd = spot(1, **dict.fromkeys(fields, text), website=f"https://example.org/{text[:300]}")
    heads = dict.fromkeys(("service", "title", "subtitle", "foot"), text)
    ground = dataclasses.replace(GROUND, towns=(Town(text, (7.02, 50.03)),))
    return sheet(odd, **heads, notes=(text,), sources=(text,), ground=ground, words=ARABIC)


@pytest.mark.parametrize("text", CODE)
def test_text_is_never_code(text: str) -> None:
    assert text in bookmarks(render_pdf(everywhere(text)))


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: ascii(text[:6]))
def test_text_that_is_none_or_too_much_leaves_a_whole_page(text: str) -> None:
    assert pages(render_pdf(everywhere(text))) <= 2


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=400))
def test_any_text_leaves_a_whole_page(text: str) -> None:
    assert pages(render_pdf(everywhere(text))) <= 3


@given(st.text(st.characters(), max_size=300), st.integers(2, 60))
def test_plain_text_is_one_short_line_without_overrides(text: str, limit: int) -> None:
    plain = writing.plain(text, limit)
    assert len(plain) <= limit
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", plain)
    assert writing.plain(plain, limit) == plain


def test_persian_keeps_the_joiners_of_its_spelling() -> None:
    assert writing.plain("می‌شناسیم", 40) == "می‌شناسیم"


def test_long_words_may_break_and_others_stay_whole() -> None:
    assert writing.breakable("Migrationsberatungsstelle Aheim") == "Migrationsberatungsstelle Aheim"
    broken = writing.breakable("x" * 100)
    assert broken.replace("\u200b", "") == "x" * 100
    assert max(map(len, broken.split("\u200b"))) <= 36


# --------------------------------------------------------------------------------- limits


def test_missing_fonts_are_an_error_and_no_empty_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typesetting, "FONTS", tmp_path)
    with pytest.raises(TypesettingError, match="Noto Sans Arabic"):
        render_pdf(sheet(spot(1)))


def test_template_names_the_fonts_that_are_looked_for() -> None:
    template = Path(pdf.__file__).with_name("handout.typ").read_text("utf-8")
    named = re.search(r"font: \(([^)]*)\)", template)
    assert named
    assert set(re.findall(r'"([^"]+)"', named[1])) == process.FAMILIES


def test_typesetting_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import signal\nsignal.pause()\n")
    monkeypatch.setattr(typesetting, "_PROCESS", hanging)
    monkeypatch.setattr(typesetting, "_LONGEST_S", 0.3)
    with pytest.raises(TypesettingError, match=r"within 0\.3 s"):
        render_pdf(sheet(spot(1)))


def test_typesetting_has_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typesetting, "_MEMORY_BYTES", 60_000_000)
    with pytest.raises(TypesettingError, match="typesetting ended"):
        render_pdf(sheet(spot(1)))


def test_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typesetting, "_WAIT_S", 0.01)
    with typesetting._one_at_a_time, pytest.raises(TypesettingError, match="others"):
        render_pdf(sheet(spot(1)))


# ---------------------------------------------------------------------------------- the map


def test_places_at_one_point_share_a_label() -> None:
    at = (7.1, 50.1)
    places = [spot(1), spot(2), *(spot(n, point=at) for n in (3, 4, 5)), spot(9, point=at)]
    assert sorted(labels(draw_map(places, GROUND, WORDS))) == ["1", "2", "3–5, 9"]


def test_numbers_of_map_and_list_are_written_in_the_digits_of_the_language() -> None:
    drawn = draw_map([spot(7), spot(12)], GROUND, ARABIC)
    assert labels(drawn) == ["٧", "١٢"]


def test_place_without_a_point_is_listed_and_not_on_the_map() -> None:
    places = [spot(1), spot(2, point=None)]
    assert labels(draw_map(places, GROUND, WORDS)) == ["1"]
    assert draw_map(places[1:], GROUND, WORDS) is None


def test_labels_stay_inside_and_apart() -> None:
    near = [spot(n, point=(7.1 + 0.004 * (n % 6), 50.05 + 0.003 * (n // 6))) for n in range(1, 41)]
    drawn = draw_map(near, GROUND, WORDS, here=(7.11, 50.06))
    boxes = pills(drawn)
    assert sum(len(label.split(",")) for label in labels(drawn)) <= 40
    height = float(parsed(drawn).get("viewBox", "").split()[3])
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= 0
        assert right <= 1800
        assert bottom <= height
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, f"{one} and {other}"


def test_rough_place_looks_rough() -> None:
    drawn = draw_map([spot(1), spot(2, rough=True)], GROUND, WORDS)
    assert (drawn or "").count("stroke-dasharray") == 1


def test_rough_places_alone_are_shown_with_more_land_around() -> None:
    fine = draw_map([spot(1)], GROUND, WORDS)
    rough = draw_map([spot(1, rough=True)], GROUND, WORDS)
    assert ">1 km<" in (fine or "")
    assert ">2 km<" in (rough or "")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(6.0, 8.6), st.floats(48.9, 51.0), st.booleans()),
        min_size=1,
        max_size=MAX_PLACES,
    )
)
def test_every_number_is_on_the_map_once(points: list[tuple[float, float, bool]]) -> None:
    places = [
        spot(n, point=(lon, lat), rough=rough) for n, (lon, lat, rough) in enumerate(points, 1)
    ]
    numbers: list[int] = []
    for label in labels(draw_map(places, GROUND, WORDS)):
        for part in label.split(", "):
            first, _, last = part.partition("–")
            numbers += range(int(first), int(last or first) + 1)
    assert sorted(numbers) == list(range(1, len(points) + 1))


def test_town_names_are_text() -> None:
    ground = dataclasses.replace(GROUND, towns=(Town("<script>&", (7.05, 50.03)),))
    drawn = draw_map([spot(1), spot(29)], ground, WORDS)
    assert "<script" not in (drawn or "")
    assert "&lt;script&gt;&amp;" in (drawn or "")


def test_qr_code_is_drawn_for_addresses_that_can_be_read() -> None:
    drawn = draw_qr("https://example.org/?ort=Mainz")
    assert drawn is not None
    assert parsed(drawn).get("viewBox")
    assert "style" not in drawn
    assert drawn != draw_qr("https://example.org/?ort=Trier")
    assert draw_qr("https://example.org/" + "x" * 700) is None


def test_handout_is_shortened_for_the_page_as_well() -> None:
    made = fit(sheet(*(spot(n, name="x" * 5000) for n in range(1, 100))))
    assert len(made.places) == MAX_PLACES
    assert len(made.places[0].name) == 140


# ------------------------------------------------------------------------------- the routes


PLACES = [
    place(1, name="Café Anker", opening_hours="Mi 15-17 Uhr", languages="Arabisch; Deutsch"),
    place(2, name="Haus der Familie", category="Haus der Familie", wheelchair="yes"),
    place(3, name="Treff", coordinate_precision="municipality", street=None, house_number=None),
    place(4, name="Irgendwo", point=None),
    *(
        place(n, name=f"Stadttreff {n}", city="Cstadt", ags="07211000", point=(7.25, 50.05))
        for n in range(10, 80)
    ),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('handout') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(PLACES))
        yield app_of(store, small_territory())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def names(page: str) -> list[str]:
    """The names of a handout's places, in the order of their numbers."""
    found = re.findall(r'<li value="(\d+)">.*?<h2><bdi[^>]*>(.*?)</bdi>', page, re.DOTALL)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    return [unescape(name) for _, name in found]


def listed(page: str) -> list[str]:
    """The names of the start page's list."""
    return [unescape(name) for name in re.findall(r"<h4[^>]*><a[^>]*>(.*?)</a>", page)]


CHOICES = (
    "",
    "?gebiet=07131",
    "?q=treff",
    "?art=haus",
    "?sprache=arabisch",
    "?ort=Aheim&umkreis=5",
)


@pytest.mark.parametrize("choice", CHOICES)
def test_handout_has_the_places_of_the_list_in_its_order(client: FlaskClient, choice: str) -> None:
    page = client.get("/handzettel" + choice).text
    expected = listed(client.get("/" + choice).text)[:MAX_PLACES]
    assert expected
    assert names(page) == expected
    assert bookmarks(client.get("/handzettel.pdf" + choice).data) == expected


def test_page_says_what_is_rough_unknown_or_without_a_point(client: FlaskClient) -> None:
    page = client.get("/handzettel?gebiet=07131").text
    assert re.search(r"Aheim</bdi> · ungefähr</p>", page)
    assert "<strong>Geöffnet</strong> <bdi>Mittwoch 15:00–17:00</bdi>" in page
    assert "Arabisch, Deutsch" in page
    assert "Mit dem Rollstuhl zugänglich" in page
    assert " · nicht auf der Karte</p>" in page


@pytest.mark.parametrize(
    ("text", "german", "english"),
    [
        ("Mi 15-17 Uhr", "Mittwoch 15:00–17:00", "Wednesday 15:00–17:00"),
        (
            "Mo-Fr 9-12 Uhr, Do 14-18 Uhr",
            "Montag–Mittwoch 09:00–12:00; Donnerstag 09:00–12:00, 14:00–18:00; Freitag 09:00–12:00",
            "Monday–Wednesday 09:00–12:00; Thursday 09:00–12:00, 14:00–18:00; Friday 09:00–12:00",
        ),
        ("Sa, So ab 15 Uhr", "Samstag, Sonntag ab 15:00 Uhr", "Saturday, Sunday from 15:00"),
        (
            "Café Do 14-18 (Angabe 2020)",
            'Donnerstag 14:00–18:00 (Angabe 2020)</bdi> · <bdi lang="de">Café</bdi></p>',
            'Thursday 14:00–18:00 (Information from 2020)</bdi> · <bdi lang="de">Café</bdi></p>',
        ),
        ("1. Di im Monat 9-11", None, None),
        ("werktags 9-17", None, None),
        ("nach Absprache", None, None),
        ("24/7", None, None),
        ("Sa 18-24 Uhr", "Samstag 18:00–24:00", "Saturday 18:00–24:00"),
    ],
)
def test_hours_that_are_the_same_every_week_are_in_the_language_of_the_paper(
    tmp_path: Path, text: str, german: str | None, english: str | None
) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(1, opening_hours=text)]))
        client = app_of(store, small_territory()).test_client()
        pages = [client.get(f"/{code}/handzettel").text for code in ("de", "en", "ar")]
        assert client.get("/ar/handzettel.pdf").status_code == 200
    for page, expected in zip(pages, (german, english), strict=False):
        if expected is None:
            assert f'</strong> <bdi lang="de">{text}</bdi>' in page
        else:
            assert f"</strong> <bdi>{expected}" in page
    assert (f'<bdi lang="de">{text}</bdi>' in pages[2]) == (german is None)


def test_point_far_away_leaves_the_map_to_the_places(client: FlaskClient) -> None:
    near, far = (client.get(f"/handzettel?nah={at}").text for at in ("7.05,50.05", "1,2"))
    assert "Von hier zählt die Entfernung" in near
    assert "Von hier zählt die Entfernung" not in far
    assert re.search(r">(500 m|[125] km)<", far)


def test_more_than_paper_holds_is_said(client: FlaskClient) -> None:
    page = client.get("/handzettel?gebiet=07211").text
    assert "60 von 70 Orten" in page
    assert len(names(page)) == MAX_PLACES


def test_page_leads_to_the_pdf_and_back_to_the_same_list(client: FlaskClient) -> None:
    page = unescape(client.get("/handzettel?art=haus&q=familie").text)
    assert 'href="/handzettel.pdf?q=familie&art=haus"' in page
    assert 'href="/?q=familie&art=haus"' in page
    assert 'href="http://localhost/?q=familie&art=haus"' in page


def test_code_leads_to_the_list_in_the_language_of_the_paper(client: FlaskClient) -> None:
    page = client.get("/ar/handzettel?art=haus").text
    code = draw_qr("http://localhost/ar/?art=haus")
    assert code is not None
    assert code in page
    assert '<html lang="ar" dir="rtl"' in page
    assert b"/URI(http://localhost/ar/?art=haus)" in client.get("/ar/handzettel.pdf?art=haus").data


def test_code_leads_to_the_address_that_visitors_know(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        app = app_of(store, small_territory(), public_url="https://orte.example.org")
        content = app.test_client().get("/fr/handzettel.pdf?q=x").data
    assert b"/URI(https://orte.example.org/fr/?q=x)" in content


@pytest.mark.parametrize("code", ["de", "en", "fr", "uk", "ru", "ar", "fa", "tr"])
def test_handout_is_there_in_every_language(client: FlaskClient, code: str) -> None:
    answer = client.get(f"/{code}/handzettel.pdf?gebiet=07131")
    assert answer.status_code == 200
    assert f"/Lang({code})".encode() in answer.data
    assert b"<pdfuaid:part>1<" in answer.data


def test_pdf_is_answered_as_such_and_known_by_its_tag(client: FlaskClient) -> None:
    first = client.get("/handzettel.pdf?art=haus")
    assert first.mimetype == "application/pdf"
    assert first.headers["Content-Disposition"] == 'inline; filename="handzettel.pdf"'
    again = client.get("/handzettel.pdf?art=haus", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/handzettel", "/handzettel.pdf"])
def test_where_a_visitor_is_is_kept_by_no_proxy(client: FlaskClient, path: str) -> None:
    assert client.get(path + "?nah=7.05,50.05").headers["Cache-Control"] == "private, no-cache"
    assert client.get(path + "?gebiet=07131").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/handzettel", "/handzettel.pdf"])
@pytest.mark.parametrize("query", ["art=gibtesnicht", "gebiet=99999", "q=%00", "nah=x", "q=%ff"])
def test_what_the_list_refuses_the_handout_refuses(
    client: FlaskClient, path: str, query: str
) -> None:
    assert client.get(f"/?{query}").status_code == 400
    assert client.get(f"{path}?{query}").status_code == 400


def test_nothing_found_is_a_whole_handout(client: FlaskClient) -> None:
    page = client.get("/handzettel?q=gibtesnicht").text
    assert "Dazu haben wir nichts gefunden." in page
    assert pages(client.get("/handzettel.pdf?q=gibtesnicht").data) == 1


def test_page_has_no_inline_script_or_style(client: FlaskClient) -> None:
    page = client.get("/handzettel").text
    assert not re.search(r"\sstyle=|<style|\son\w+=", page)
    assert all("src=" in tag for tag in re.findall(r"<script\b(?![^>]*json)[^>]*>", page))


def test_pdf_that_cannot_be_made_is_an_error_page(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typesetting, "FONTS", tmp_path)
    answer = client.get("/handzettel.pdf?q=anker")
    assert answer.status_code == 503
    assert "Noto" not in answer.text


def test_hostile_records_are_text_on_page_and_in_pdf(tmp_path: Path) -> None:
    fields = ("name", "street", "city", "opening_hours", "languages", "website")
    rows = [place(n, **dict.fromkeys(fields, text)) for n, text in enumerate(VECTORS)]
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        client = app_of(store, small_territory(), service_name=VECTORS[0]).test_client()
        page = client.get("/handzettel").text
        printed = bookmarks(client.get("/handzettel.pdf").data)
    expected = sorted(writing.plain(text, 140) for text in VECTORS)
    assert sorted(names(page)) == expected
    assert sorted(printed) == expected
    assert "<script>window" not in page
    assert "javascript:" not in re.findall(r'href="([^"]*)"', page)


def test_room_offers_what_it_lists() -> None:
    assert all(hasattr(handout, name) for name in handout.__all__)
