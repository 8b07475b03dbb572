"""The handout in Chromium: a whole page without scripts, on paper, and for screen readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from test_browser import chromium, hostile_site, opened
from web_helpers import VECTORS, app_of, fill, initiatives_of, place, served

from geo_service.handout import texts
from geo_service.snapshot import Territory
from geo_service.store import Store

__all__ = ["chromium", "hostile_site"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def handouts(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """The real Land with places in and around Mainz, exact, rough and without a point."""
    near = (8.27, 50.0)
    rows = [
        place(
            n,
            name=f"Treff {n} für alle, die gern zusammen kochen",
            city="Mainz",
            ags="07315000",
            opening_hours="Di 14:00-18:00",
            languages="Arabisch; Deutsch",
            point=(near[0] - 0.002 * n, near[1] - 0.001 * n) if n % 9 else None,
            coordinate_precision="address" if n % 3 else "municipality",
        )
        for n in range(1, 30)
    ]
    with Store(f"sqlite:///{tmp_path_factory.mktemp('handouts') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, territory)) as base:
            yield base


def test_button_prints(chromium: Browser, handouts: str) -> None:
    with opened(chromium, handouts + "/handzettel") as page:
        page.evaluate("window.print = () => { window.printed = true; }")
        page.get_by_role("button", name="Drucken").click()
        assert page.evaluate("window.printed") is True


def test_without_scripts_it_is_whole_and_says_which_keys_print(
    chromium: Browser, handouts: str
) -> None:
    with opened(chromium, handouts + "/handzettel", java_script_enabled=False) as page:
        expect(page.locator("#drucken")).to_be_hidden()
        expect(page.get_by_text("Taste Strg und Taste P")).to_be_visible()
        expect(page.locator(".sheet-places li")).to_have_count(29)
        expect(page.locator(".sheet-map svg").first).to_be_visible()
        expect(page.locator(".sheet-code svg")).to_be_visible()
        page.get_by_role("link", name="Zurück zur Liste").click()
        expect(page.locator(".card")).to_have_count(29)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_only_the_sheet_is_left_black_on_white(
    chromium: Browser, handouts: str, scheme: Any
) -> None:
    with opened(chromium, handouts + "/handzettel", color_scheme=scheme) as page:
        page.emulate_media(media="print", color_scheme=scheme)
        for gone in (".top", ".foot", ".paper-tools", ".skip"):
            expect(page.locator(gone).first).to_be_hidden()
        colours = page.locator(".sheet").evaluate(
            "(sheet) => [getComputedStyle(sheet).color, getComputedStyle(sheet).backgroundColor]"
        )
        assert colours == ["rgb(26, 26, 26)", "rgb(255, 255, 255)"]
        expect(page.locator(".sheet-code svg")).to_be_visible()


def test_right_to_left_page_begins_at_the_right(chromium: Browser, handouts: str) -> None:
    with opened(chromium, handouts + "/fa/handzettel?ort=Mainz") as page:
        first = page.locator(".sheet-places li").first
        box, number, name = (
            found.bounding_box()
            for found in (first, first.locator(".sheet-number"), first.locator("h2 bdi"))
        )
        assert box
        assert number
        assert name
        assert number["x"] + number["width"] == pytest.approx(box["x"] + box["width"], abs=2)
        assert name["x"] + name["width"] <= number["x"]
        assert number["x"] - (name["x"] + name["width"]) < 40, "names are set to the right"


def test_record_text_is_text(chromium: Browser, hostile_site: str) -> None:
    with opened(chromium, hostile_site + "/handzettel") as page:
        names = page.locator(".sheet-places h2").all_text_contents()
        assert sorted(names) == sorted(texts.plain(text, 140) for text in VECTORS)
        assert page.locator(".sheet :is(script, img, iframe, style, base)").count() == 0
