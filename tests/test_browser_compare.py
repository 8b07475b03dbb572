"""The comparison of states in Chromium: the map draws it, and nobody meets a barrier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from barriers import barriers_everywhere, bring_axe
from playwright.sync_api import Browser, expect
from test_browser import chromium, opened
from test_planning_compare import World, doubtful, grow
from web_helpers import VECTORS, app_of, fill, initiatives_of, place, served

from geo_service.store import Store

__all__ = ["chromium", "doubtful"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A state whose name is hostile, and a place more since."""
    folder: Path = tmp_path_factory.mktemp("compare")
    with Store(f"sqlite:///{folder / 'x.db'}") as store:
        world = World(store)
        fill(store, initiatives_of([place(1), place(2, coordinate_precision="municipality")]))
        world.take("Alt")
        world.take(VECTORS[0])
        grow(world)
        fill(store, initiatives_of([place(8, name=VECTORS[7])]))
        with served(app_of(store, world.workshop.territory)) as base:
            yield f"{base}/planung/vergleich"


@pytest.mark.parametrize("query", ["", "?von=alt", "?von=alt&ebene=gemeinde", "?von=nie"])
def test_page_has_no_barrier_and_runs_no_name(chromium: Browser, grown: str, query: str) -> None:
    with opened(chromium, grown, quiet=False) as page:
        bring_axe(page)
        page.goto(grown + query)
        if page.locator("#karte_gebiete").count():
            expect(page.locator("#karte_gebiete[data-drawn]")).to_have_count(1)
        found = barriers_everywhere(page)
        assert page.evaluate("window.pwned") is None
    assert found == {}


def test_map_has_the_colours_of_the_legend(chromium: Browser, grown: str) -> None:
    with opened(chromium, f"{grown}?von=alt&ebene=gemeinde") as page:
        expect(page.locator("#karte_gebiete[data-drawn='3']")).to_have_count(1)
        better = page.locator("path.area.klasse-2")
        expect(better).to_have_count(1)
        fill_colour = better.evaluate("path => getComputedStyle(path).fill")
        swatch = page.locator(".scale .klasse-2")
        assert fill_colour == swatch.evaluate("box => getComputedStyle(box).backgroundColor")
        assert fill_colour == "rgb(166, 214, 212)"
        page.locator("button.show-area").first.click()
        expect(page.locator(".popup")).to_contain_text("keine Lücke mehr")
        expect(page.locator(".popup")).to_contain_text("0 % → 100 %")


def test_popup_says_how_sure_a_difference_is(chromium: Browser, doubtful: World) -> None:
    address = "planung/vergleich?von=alt&ebene=gemeinde"
    app = app_of(doubtful.store, doubtful.workshop.territory)
    with served(app) as base, opened(chromium, f"{base}/{address}") as page:
        expect(page.locator("#karte_gebiete[data-drawn='3']")).to_have_count(1)
        row = page.locator("tr[data-key='07131002']")
        expect(row.locator(".main-figure")).to_contain_text("innerhalb der Unsicherheit")
        row.locator("button.show-area").click()
        note = page.locator(".popup .meta").last
        expect(note).to_have_text(
            "Unterschied in 9 von 10 Lagen: 0 bis +100,0; innerhalb der Unsicherheit"
        )
