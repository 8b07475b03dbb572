"""Proposed places in Chromium: the map, the exact answer, keys, barriers, a hostile list."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from barriers import barriers_everywhere, bring_axe
from playwright.sync_api import Browser, expect
from test_browser import PHONE, chromium, opened
from web_helpers import VECTORS, served_land, spread_places

from geo_service.snapshot import Territory

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

MAX_BYTES = 350_000
PATHS = (
    "?gebiet=07131&k=3&ausser=07131007",
    "?ziel=abdecken&anteil=40&umkreis=10",
    "?ziel=entfernung&art=sprache",
    "?mit=Xheim",
)
HARD = "?k=30&umkreis=10"
"""A question whose quick answer is not proven to be the best."""
PROOF = re.compile(
    r"Nachweislich optimal: Keine andere Auswahl ist besser\."
    r"|In \d+ Sekunden genauen Rechnens nicht weiter bewiesen: höchstens [\d,]+ % unter"
)
"""How good an exact answer is: it was proven, or time ran out."""


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """The real Land with 100 places, half of them rough."""
    places = spread_places(territory)
    with served_land(tmp_path_factory.mktemp("siting"), places, territory) as base:
        yield f"{base}/planung/standorte"


@pytest.mark.parametrize("path", PATHS)
def test_page_has_no_barrier_that_axe_sees(chromium: Browser, land: str, path: str) -> None:
    with opened(chromium, land, quiet=False) as page:
        bring_axe(page)
        page.route("**/standorte.json*", lambda route: route.fulfill(status=503))
        page.goto(land + path)
        if page.locator("#karte_standorte").count():
            expect(page.locator("#karte_standorte[data-drawn]")).to_have_count(1)
        found = barriers_everywhere(page)
    assert found == {}


def test_map_has_the_places_of_the_table(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}?gebiet=07131&k=3") as page:
        expect(page.locator("#karte_standorte")).to_have_attribute("data-drawn", "3")
        assert sorted(page.locator(".map .siting-site").all_inner_texts()) == ["1", "2", "3"]
        keys = page.locator("#standorte tr[data-from]").evaluate_all(
            "rows => rows.flatMap((row) => row.dataset.from.split(' ')).length"
        )
        assert page.locator("path.siting-new").count() == keys
        assert page.locator("path.siting-place").count() == 100
        assert page.locator("path.siting-rough").count() == 50
        page.locator("#standorte th a").first.focus()
        expect(page.locator("path.area-current")).to_have_count(1)
        expect(page.locator("tr.row-current")).to_have_attribute("data-number", "1")


def test_exact_answer_is_looked_for_and_told(chromium: Browser, land: str) -> None:
    with opened(chromium, land + HARD) as page:
        box = page.locator("[data-exact]")
        expect(box).to_have_attribute("data-now", "running")
        expect(box.locator("progress")).to_be_visible()
        expect(box).not_to_have_attribute("data-now", "running", timeout=40_000)
        state = box.get_attribute("data-now") or ""
        said = {"same": "Genau gerechnet: Die Orte der Tabelle", "better": "Es geht besser"}
        expect(box.locator(f"p[data-state={state}]")).to_contain_text(said[state])
        expect(box.locator("p:visible")).to_have_count(1)
        if state == "better":
            expect(box.locator("[data-proof]")).to_contain_text(PROOF)
            expect(page.locator("[data-shown-proof]")).to_contain_text("Schnell gerechnet")
            box.locator("a").click()
            expect(page.locator("[data-exact]")).to_have_count(0)
        expect(page.locator(".answer")).to_contain_text(PROOF)
        expect(page.locator(".answer")).not_to_contain_text("Schnell gerechnet")
        expect(page.locator("[data-fact='Güte']")).to_contain_text(PROOF)
        expect(page.locator("[data-fact='Verfahren']")).to_contain_text("genau (HiGHS)")


EXACT = {
    "value": 0,
    "proof": "Bewiesen.",
    "parameters": {"Verfahren": "genau", "Güte": "Bewiesen."},
}


def test_busy_computer_is_told_and_can_be_asked_again(chromium: Browser, land: str) -> None:
    with opened(chromium, land, quiet=False) as page:
        page.route("**/standorte.json*", lambda route: route.fulfill(status=503))
        page.goto(land + HARD)
        box = page.locator("[data-exact]")
        expect(box).to_have_attribute("data-now", "busy")
        page.unroute("**/standorte.json*")
        page.route(
            "**/standorte.json*",
            lambda route: route.fulfill(json=EXACT),
        )
        box.get_by_role("button", name="Noch einmal versuchen").first.click()
        expect(box).to_have_attribute("data-now", "same")
        expect(page.locator(".answer")).to_contain_text("Bewiesen.")
        expect(page.locator("[data-fact='Verfahren']")).to_have_text("genau")
        expect(page.locator("[data-fact='Ziel']")).not_to_be_empty()


def test_everything_is_there_without_script(chromium: Browser, land: str) -> None:
    with opened(chromium, land + HARD, java_script_enabled=False) as page:
        expect(page.locator("#standorte tbody tr")).to_have_count(30)
        expect(page.get_by_role("link", name="Genau rechnen")).to_be_visible()
        expect(page.locator("[data-exact]")).to_be_hidden()
        page.locator(".siting-form .more > summary").click()
        page.locator("#ausser").fill("Mainz")
        page.locator("#k").fill("2")
        page.get_by_role("button", name="Vorschlagen").first.click()
        expect(page.locator("#standorte tbody tr")).to_have_count(2)
        expect(page.get_by_role("checkbox", name="Mainz")).to_be_checked()


def test_names_of_a_list_are_never_code(chromium: Browser, land: str) -> None:
    lines = [f'"{vector.replace(chr(34), chr(34) * 2)}",7.{n:02},50.1' for n, vector in
             enumerate(VECTORS, start=10)]  # fmt: skip
    text = "name,lon,lat\n" + "\n".join(lines)
    with opened(chromium, f"{land}?k=50", viewport=PHONE, quiet=False) as page:
        page.route("**/standorte.json*", lambda route: route.fulfill(status=503))
        page.locator("main > details.more > summary").click()
        page.locator("#datei").set_input_files(
            {"name": "liste.csv", "mimeType": "text/csv", "buffer": text.encode()}
        )
        page.get_by_role("button", name="Liste prüfen").click()
        expect(page.locator("#karte_standorte[data-drawn]")).to_have_count(1)
        assert page.locator("#standorte tbody tr").count() > 3
        for mark in page.locator(".map .siting-site").all()[:5]:
            mark.dispatch_event("mouseover")
        with page.expect_download() as download:
            page.get_by_role("button", name="GeoJSON").click()
        assert download.value.suggested_filename.endswith(".geojson")


def test_page_weighs_little(chromium: Browser, land: str) -> None:
    sizes: list[int] = []
    with opened(chromium, f"{land}?k=0", quiet=False) as page:
        page.on("response", lambda one: sizes.append(int(one.headers.get("content-length", 0))))
        page.goto(f"{land}?k=10")
        expect(page.locator("#karte_standorte[data-drawn]")).to_have_count(1)
        page.wait_for_load_state("networkidle")
    assert 100_000 < sum(sizes) <= MAX_BYTES
