"""The planners' pages in Chromium: map and table linked, keys, barriers, bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from barriers import barriers, barriers_everywhere, bring_axe
from playwright.sync_api import Browser, Page, expect
from test_browser import DESK, PHONE, SIZES, chromium, opened
from web_helpers import (
    NOW,
    VECTORS,
    app_of,
    fill,
    initiatives_of,
    place,
    served,
    served_land,
    small_territory,
    spread_places,
)

from geo_service.schema import Demand
from geo_service.snapshot import Territory
from geo_service.store import Store

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

MAX_BYTES = 350_000
"""What the page may weigh at Gemeinde level, over the wire."""

PATHS = (
    "/planung",
    "/planung?ebene=gemeinde&gebiet=07131&kennzahl=entfernung",
    "/planung?ebene=kreis&bedarf=neu",
    "/planung?thema=Hauptamt+und+Ehrenamt",
    "/planung/gebiete?gebiet=07131&gebiet=07315",
    "/planung/methode",
    "/planung?umkreis=x",
)


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """The real Land with 100 places, half of them rough, and a demand with an unknown Kreis."""
    places = spread_places(territory, (None, "2017-05", "2017-05"))
    keys = sorted(set(territory.municipalities["kreis_key"]))
    people = dict.fromkeys(keys, 100.0) | {keys[0]: None}
    demand = Demand("neu", "Schutzsuchende", "kreis", people, "Amt")
    folder = tmp_path_factory.mktemp("planning")
    with served_land(folder, places, territory, [demand]) as base:
        yield base


def drawn(page: Page, count: int) -> None:
    """Wait until the map shows so many areas."""
    expect(page.locator("#karte_gebiete")).to_have_attribute("data-drawn", str(count))
    expect(page.locator("#karte_gebiete path.area")).to_have_count(count)


def outlined(page: Page) -> int:
    return page.locator("path.area-current").count()


@pytest.mark.parametrize("path", PATHS)
def test_page_has_no_barrier_that_axe_sees(chromium: Browser, land: str, path: str) -> None:
    """Both widths in both schemes, everything unfolded; at 320 px too."""
    with opened(chromium, land, quiet=False) as page:
        bring_axe(page)
        page.goto(land + path)
        if page.locator("#karte_gebiete").count():
            expect(page.locator("#karte_gebiete[data-drawn]")).to_have_count(1)
        found = barriers_everywhere(page)
    assert found == {}


def test_popup_is_no_barrier(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/planung?gebiet=07131", quiet=False) as page:
        bring_axe(page)
        page.reload()
        drawn(page, 8)
        page.locator("button.show-area").first.click()
        expect(page.locator(".popup h2")).to_be_visible()
        assert barriers(page) == []


def test_map_has_the_classes_and_hatchings_of_the_table(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/planung?ebene=kreis&bedarf=neu") as page:
        drawn(page, 36)
        for shade in range(1, 6):
            in_table = page.locator(f"tbody .swatch.klasse-{shade}").count()
            assert page.locator(f"path.area.klasse-{shade}").count() == in_table
        assert page.locator("tbody .swatch.hatch-unknown").count() == 1
        assert page.locator("path.area.klasse-0").count() == 1
        fills = page.locator("path.area-hatch").evaluate_all(
            "paths => paths.map((path) => path.getAttribute('fill'))"
        )
        assert "url(#hatch-unknown)" in fills
        darkest = page.locator("path.area.klasse-5").first
        assert darkest.evaluate("path => getComputedStyle(path).fill") == page.locator(
            ".scale .klasse-5"
        ).evaluate("box => getComputedStyle(box).backgroundColor")


def test_row_and_area_point_at_one_another(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/planung?gebiet=07131") as page:
        drawn(page, 8)
        row = page.locator("tr[data-key]").first
        row.hover()
        assert outlined(page) == 1
        expect(row).to_have_class("row-current")
        page.mouse.move(0, 0)
        expect(row).not_to_have_class("row-current")
        assert outlined(page) == 0
        row.locator("td").first.click()
        expect(page.locator(".popup h2")).to_have_text(row.locator("th a").inner_text())
        expect(page.locator(".popup-figure")).to_contain_text(
            row.locator(".main-figure").evaluate("cell => cell.firstChild.textContent.trim()")
        )
        page.keyboard.press("Escape")
        expect(page.locator(".popup")).to_have_count(0)
        page.locator("path.area").first.hover(force=True)
        expect(page.locator("tr.row-current")).to_have_count(1)
        expect(page.locator(".area-tip strong")).to_have_text(
            page.locator("tr.row-current th a").inner_text()
        )


def test_keys_alone_reach_every_area_and_come_back(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/planung?gebiet=07131") as page:
        drawn(page, 8)
        link = page.locator("tr[data-key] th a").nth(2)
        link.focus()
        expect(page.locator("tr.row-current")).to_have_count(1)
        assert outlined(page) == 1
        button = page.locator("button.show-area").nth(2)
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".popup")).to_be_focused()
        expect(page.locator("tr.row-current")).to_have_count(1)
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        expect(page.locator(".popup")).to_have_count(0)
        expect(button).to_be_focused()
        stops = page.evaluate(
            "document.querySelectorAll('#karte_gebiete a[href], #karte_gebiete [tabindex]').length"
        )
        assert stops <= 6


def test_popup_leads_further_down_and_breadcrumb_back(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/planung?ebene=kreis&umkreis=3") as page:
        drawn(page, 36)
        page.locator("tr", has_text="Landkreis").locator("button.show-area").first.click()
        name = page.locator(".popup h2").inner_text()
        page.locator(".popup a", has_text="Gebiete darin").click()
        expect(page.locator("h1")).to_contain_text(name, timeout=20_000)
        expect(page.locator("#umkreis")).to_have_value("3")
        page.locator(".trail a").first.click()
        expect(page.locator("#ebene")).to_have_value("kreis")
        expect(page.locator("#umkreis")).to_have_value("3")


def test_sorting_and_comparing_work_by_links_and_form(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/planung?ebene=kreis", java_script_enabled=False) as page:
        page.locator("thead a", has_text="Einwohner").first.click()
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("Einwohner")
        first = page.locator("tbody th a").first.inner_text()
        page.locator("thead a", has_text="Einwohner").first.click()
        expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Einwohner")
        assert page.locator("tbody th a").last.inner_text() == first
        for number in range(2):
            page.locator("tbody input[type=checkbox]").nth(number).check()
        page.get_by_role("button", name="vergleichen").click()
        expect(page.locator(".compare-table thead th")).to_have_count(4)


@SIZES
def test_table_scrolls_in_its_own_region_with_head_and_names_in_place(
    chromium: Browser, land: str, size: Any
) -> None:
    with opened(chromium, f"{land}/planung", viewport=size) as page:
        region = page.locator(".table-scroll")
        region.focus()
        region.evaluate("box => box.scrollTo(300, 900)")
        box = region.bounding_box()
        head = page.locator("thead th").first.bounding_box()
        assert box
        assert head
        assert abs(head["y"] - box["y"]) < 3
        assert abs(head["x"] - box["x"]) < 3


def test_page_at_the_level_of_municipalities_is_light(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/quellen", quiet=False) as page:
        page.wait_for_load_state("networkidle")  # what this page still asks for is not counted
        bytes_of: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on(
            "Network.loadingFinished",
            lambda event: bytes_of.update({event["requestId"]: int(event["encodedDataLength"])}),
        )
        page.goto(f"{land}/planung?ebene=gemeinde")
        drawn(page, 2300)
        page.wait_for_load_state("networkidle")
        assert sum(bytes_of.values()) <= MAX_BYTES
        assert sum(bytes_of.values()) > 150_000  # the borders did come


def test_map_that_cannot_load_says_so(chromium: Browser, land: str) -> None:
    with opened(chromium, land, quiet=False) as page:
        page.route("**/werte.json*", lambda route: route.abort())
        page.goto(f"{land}/planung")
        expect(page.locator(".map-status")).to_contain_text("Die Tabelle hat dieselben Zahlen")


def test_phone_has_map_at_full_width_and_controls_folded(chromium: Browser, land: str) -> None:
    with opened(chromium, f"{land}/planung", viewport=PHONE) as page:
        drawn(page, 170)
        box = page.locator("#karte_gebiete").bounding_box()
        assert box
        assert box["width"] >= PHONE["width"] - 2
        expect(page.locator("#klassen")).to_be_hidden()
        page.locator(".controls .more > summary").click()
        expect(page.locator("#klassen")).to_be_visible()


def test_hostile_text_stays_text(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [
        place(n, name=text, organisation=text, point=(7.02 + 0.01 * n, 50.05))
        for n, text in enumerate(VECTORS)
    ]
    with Store(f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        demand = Demand("neu", VECTORS[0], "kreis", {"07131": 3.0, "07211": 4.0}, VECTORS[7])
        store.save_demand(demand, now=NOW)
        with (
            served(app_of(store, small_territory(), operator=VECTORS[0])) as base,
            opened(chromium, f"{base}/planung?bedarf=neu&ebene=gemeinde", viewport=DESK) as page,
        ):
            drawn(page, 3)
            page.locator("button.show-area").first.click()
            expect(page.locator(".popup h2")).to_be_visible()
            page.goto(f"{base}/planung/gebiete?gebiet=07131&gebiet=07211&bedarf=neu")
