"""The pages of places, areas and themes and the legal pages in Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from test_browser import PHONE, SIZES, chromium, opened, to_map
from web_helpers import (
    VECTORS,
    app_of,
    fill,
    initiatives_of,
    place,
    served,
    small_territory,
    wait_until,
)

from geo_service.schema import THEMES
from geo_service.snapshot import Territory
from geo_service.store import Store

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

MAINZ = (8.27, 50.0)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """The real Land with an exact place, a rough one, one without a point, and many beside."""
    town = {"city": "Mainz", "ags": "07315000", "theme": THEMES[0]}
    rows = [
        place(1, point=MAINZ, opening_hours="Mo-Fr 10:00-12:00, Di auch 14-18 Uhr", **town),
        place(2, point=MAINZ, street=None, coordinate_precision="municipality",
              source_date="2016", **town),
        place(3, point=None, opening_hours="nach Absprache", **town),
        *(place(10 + n, point=(8.2 + n / 300, 49.98), **town) for n in range(70)),
        place(200, city="Ingelheim am Rhein", ags="07339030", point=(8.05, 49.97)),
    ]  # fmt: skip
    with Store(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, territory, contact="hilfe@example.org")) as base:
            yield base


OUTLINE = """() => [...document.querySelectorAll('.leaflet-umriss-pane canvas')].some((canvas) => {
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, width, height).data.some((value) => value > 0);
})"""
"""Whether the pane of the outline holds a pixel that is not clear.

Reads a copy: Chromium reports it on the console when the page's own canvas is read repeatedly.
"""


def test_all_is_there_without_scripts(chromium: Browser, pages: str) -> None:
    with opened(chromium, pages + "/gebiete", java_script_enabled=False) as page:
        page.get_by_role("link", name=re.compile("Mainz \\(Stadt\\)")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Mainz (Stadt)")
        expect(page.locator(".card")).to_have_count(60)
        page.get_by_role("link", name="Weiter").click()
        expect(page.locator(".card")).to_have_count(12)
        page.locator(".card h4 a").first.click()
        expect(page.get_by_role("heading", name="Woher kennen wir die Lage?")).to_be_visible()
        expect(page.locator(".nearby li")).to_have_count(5)
        expect(page.locator("noscript p")).to_be_visible()


def test_exact_place_is_one_mark_in_the_middle_of_its_map(chromium: Browser, pages: str) -> None:
    with opened(chromium, pages + "/orte/ort-1") as page:
        expect(page.locator(".map[data-ready='1']")).to_be_visible()
        mark, frame = page.locator(".map-mark").bounding_box(), page.locator(".map").bounding_box()
        assert mark
        assert frame
        for at, size in (("x", "width"), ("y", "height")):
            middle = mark[at] + mark[size] / 2 - frame[at]
            assert middle == pytest.approx(frame[size] / 2, abs=8)  # type: ignore[literal-required]
        assert not page.evaluate(OUTLINE)


def test_rough_place_shows_the_town_it_may_be_anywhere_in(chromium: Browser, pages: str) -> None:
    with opened(chromium, pages + "/orte/ort-2") as page:
        expect(page.locator(".map[data-ready='1'] .mark-rough")).to_be_visible()
        wait_until(page, OUTLINE)


def test_area_map_shows_its_places_and_its_border(chromium: Browser, pages: str) -> None:
    with opened(chromium, pages + "/gebiete/07315", viewport=PHONE) as page:
        to_map(page)
        assert page.locator(".map").get_attribute("data-ready") == "72"
        wait_until(page, OUTLINE)


def test_empty_area_says_so_beside_its_map(chromium: Browser, pages: str) -> None:
    with opened(chromium, pages + "/gebiete/07131015", viewport=PHONE) as page:
        expect(page.locator(".map-status")).to_have_text("Keine Orte gefunden.")
        expect(page.locator(".nearby li")).to_have_count(3)


def tab_to(page: Page, name: str) -> None:
    """Press the Tab key until a link that begins with `name` has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        said = page.evaluate("document.activeElement.closest('a')?.textContent ?? ''")
        if said.strip().startswith(name):
            return
    pytest.fail(f"60 tabs did not reach {name}")


def test_from_area_to_place_by_keyboard_alone(chromium: Browser, pages: str) -> None:
    with opened(chromium, pages + "/") as page:
        page.get_by_role("link", name="Gebiete").focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/gebiete$"))
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        tab_to(page, "Landkreis Mainz-Bingen")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Landkreis Mainz-Bingen")
        to_map(page)
        tab_to(page, "Ingelheim am Rhein")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Ingelheim am Rhein")
        tab_to(page, "Café 200")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/orte/ort-200$"))


def test_links_of_a_place_leave_only_when_followed(chromium: Browser, pages: str) -> None:
    with opened(chromium, pages + "/orte/ort-1") as page:
        page.wait_for_load_state("networkidle")
        app = page.get_by_role("link", name="In der Karten-App öffnen").get_attribute("href")
        assert app == "geo:50.000000,8.270000?q=50.000000,8.270000(Caf%C3%A9%201)"
        osm = page.get_by_role("link", name="Weg auf OpenStreetMap suchen")
        assert osm.get_attribute("rel") == "noopener noreferrer"
        data = page.locator("script[type='application/ld+json']").text_content()
        assert json.loads(data or "")["name"] == "Café 1"


@SIZES
def test_hostile_text_is_text_on_every_page(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory, size: Any
) -> None:
    fields = ("name", "organisation", "street", "house_number", "postcode", "city", "website")
    fields += ("opening_hours", "offers", "languages", "source", "kreis", "municipality")
    rows = [place(n, **dict.fromkeys(fields, text)) for n, text in enumerate(VECTORS)]
    settings = dict.fromkeys(("operator", "operator_address", "responsible"), VECTORS[0])
    with Store(f"sqlite:///{tmp_path_factory.mktemp('bad') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        app = app_of(store, small_territory(), contact=VECTORS[11], **settings)
        with served(app) as base, opened(chromium, base + "/gebiete/07131", viewport=size) as page:
            titles = page.locator(".card h4 a").all_text_contents()
            assert sorted(titles) == sorted(VECTORS)
            for number, text in enumerate(VECTORS):
                page.goto(f"{base}/orte/ort-{number}")
                assert page.locator("h1").text_content() == text
                data = page.locator("script[type='application/ld+json']").text_content()
                assert json.loads(data or "")["name"] == text
                assert page.evaluate("typeof window.pwned") == "undefined"
                assert page.evaluate("window.violations") == []
            page.goto(f"{base}/impressum")
            expect(page.locator("address bdi").first).to_have_text(VECTORS[0])
