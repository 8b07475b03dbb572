"""Every page and state without machine-detectable barriers: axe-core, zoom, paper, keys."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from barriers import (
    AXE,
    COLOURS,
    RULES,
    barriers,
    barriers_at_every_width,
    name_contrasts,
    unheard,
)
from flask import abort
from playwright.sync_api import Browser, BrowserContext, Page, expect
from test_browser import DESK, PHONE, WATCH, chromium, missing, opened, show_place, to_map
from web_helpers import app_of, fill, initiatives_of, place, served, wait_until

from geo_service.schema import THEMES
from geo_service.snapshot import Territory
from geo_service.store import Store
from geo_service.web.themes import PAGES as THEME_PAGES

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

MAINZ = (8.27, 50.0)
START = "/?ort=Mainz"
PAGES = (
    "/",
    "/?q=Café",
    START,
    "/?nah=6.05,50.32&umkreis=2",
    "/?art=haus&zeit=jetzt&sprache=arabisch",
    "/?q=gibtesnicht",
    "/?ort=xyzzy",
    "/?ort=Bauler",
    "/nix",
    "/?umkreis=7",
    "/kaputt/500",
    "/kaputt/503",
    "/orte/ort-1",
    "/orte/ort-2",
    "/orte/ort-3",
    "/gebiete",
    "/gebiete/07",
    "/gebiete/07315",
    "/gebiete/07131015",
    "/themen",
    f"/themen/{THEME_PAGES[0].slug}",
    "/handzettel?ort=Mainz",
    "/leichte-sprache",
    "/barrierefreiheit",
    "/datenschutz",
    "/impressum",
    "/quellen",
    "/api/",
)
LANGUAGES = ("de", "ar")
LOW = {"width": 320, "height": 256}
"""A desk of 1280 x 1024 at 400 %."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """Places of every kind of fact: exact, rough, without a point, old, with and without hours."""
    town = {"city": "Mainz", "ags": "07315000", "theme": THEMES[0]}
    kinds = ("Mehrgenerationenhaus", "Migrationsberatung", "Fahrradwerkstatt")
    rows = [
        place(1, point=MAINZ, opening_hours="Mo-Fr 10:00-12:00, Di auch 14-18 Uhr",
              wheelchair="yes", languages="Arabisch; Deutsch", organisation="Verein",
              website="https://example.org/x", **town),
        place(2, point=MAINZ, street=None, coordinate_precision="municipality",
              source_date="2016", **town),
        place(3, point=None, opening_hours="nach Absprache", **town),
        *(place(10 + n, point=(8.2 + n / 300, 49.98), category=kinds[n % 3], **town)
          for n in range(6)),
        place(200, city="Ingelheim am Rhein", ags="07339030", point=(8.05, 49.97)),
    ]  # fmt: skip
    with Store(f"sqlite:///{tmp_path_factory.mktemp('barriers') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        app = app_of(store, territory, contact="hilfe@example.org")
        app.add_url_rule("/kaputt/<int:status>", view_func=abort)
        with served(app) as base:
            yield base


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One context for all pages, so that styles and scripts are fetched once."""
    if not AXE.exists():
        missing("axe-core")
    context = chromium.new_context(viewport=DESK, reduced_motion="reduce", locale="de-DE")
    context.add_init_script(WATCH)
    context.add_init_script(AXE.read_text("utf-8"))
    yield context
    context.close()


@pytest.fixture(scope="module")
def only_page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def reader(only_page: Page) -> Page:
    """A page at a desk by day, whatever the test before made of it."""
    only_page.set_viewport_size(DESK)  # type: ignore[arg-type]
    only_page.emulate_media(
        media="null", color_scheme="light", forced_colors="null", reduced_motion="reduce"
    )
    return only_page


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


# ---------------------------------------------------------------------------- axe-core


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_page_has_no_barrier(reader: Page, site: str, code: str, path: str) -> None:
    reader.goto(f"{site}/{code}{path}")
    assert reader.locator("html").get_attribute("dir") == ("rtl" if code == "ar" else "ltr")
    assert unheard(reader) == []
    assert barriers_at_every_width(reader) == {}
    assert reader.evaluate("window.violations") == []


def set_state(page: Page, site: str, state: str) -> None:
    """Open the start page and bring it into a state; `site` may end in a language."""
    page.goto(site + "/?ort=Mainz")
    if state == "popup":
        to_map(page)
        show_place(page, "ort-200" if "ort-200" in page.content() else "ort-12")
        expect(page.locator(".popup h2")).to_be_visible()
    elif state == "legend":
        to_map(page)
        page.locator(".legend summary").click()
    elif state == "filters":
        page.locator(".more").evaluate("(more) => { more.open = true; }")
    elif state == "languages":
        page.locator(".languages summary").click()
    elif state == "suggestions":
        page.get_by_role("combobox").fill("")
        page.get_by_role("combobox").press_sequentially("neu")
        page.get_by_role("combobox").press("ArrowDown")
        expect(page.locator(".suggestions [aria-selected=true]")).to_be_visible()
    elif state == "refused":
        page.locator("#in-meiner-naehe").click()
        expect(page.locator("#ort")).to_be_focused()
        expect(page.locator("#suche-meldung")).not_to_be_empty()


def test_skip_link_leads_from_the_map_to_the_list(chromium: Browser, site: str) -> None:
    with opened(chromium, site, viewport=PHONE) as page:
        to_map(page)
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#liste")).to_be_focused()
        expect(page.locator("#liste")).to_be_in_viewport()


STATES = ("popup", "legend", "filters", "languages", "suggestions", "refused")


@pytest.mark.parametrize(
    ("size", "code"),
    [(DESK, "de"), (PHONE, "de"), (PHONE, "ar")],
    ids=["desk", "phone", "phone-ar"],
)
@pytest.mark.parametrize("state", STATES)
def test_state_has_no_barrier(reader: Page, site: str, state: str, size: Any, code: str) -> None:
    reader.set_viewport_size(size)
    set_state(reader, f"{site}/{code}", state)
    assert unheard(reader) == []
    for scheme in ("light", "dark"):
        reader.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert barriers(reader, RULES if scheme == "light" else COLOURS) == []
        assert min(name_contrasts(reader)) >= 4.5


def test_no_barrier_is_overlooked(reader: Page, site: str) -> None:
    """What axe-core leaves open counts, unless it is legible and known."""
    reader.goto(site + "/impressum")
    reader.locator("h1").evaluate(
        "(one) => { one.textContent = '1'; one.style = 'color: #888; font-size: 1rem'; }"
    )
    assert [issue[1] for issue in barriers(reader)] == ["color-contrast"]
    reader.locator("h1").evaluate("(one) => { one.style = ''; }")
    assert barriers(reader) == []
    reader.locator("h1").evaluate("(one) => { one.outerHTML = '<h3>1</h3>'; }")
    assert [issue[1] for issue in barriers(reader)] == ["page-has-heading-one"]


# ---------------------------------------------------------------- the reader's own settings


@pytest.mark.parametrize("path", [START, "/orte/ort-1", "/gebiete/07315", "/handzettel?ort=Mainz"])
def test_forced_colours_leave_no_barrier(reader: Page, site: str, path: str) -> None:
    reader.emulate_media(forced_colors="active", color_scheme="dark")
    try:
        for size in (DESK, PHONE):
            reader.set_viewport_size(size)
            reader.goto(site + path)
            # Colours are the system's there, and axe-core would compute ours.
            assert barriers(reader, without=("color-contrast",)) == []
    finally:
        reader.emulate_media(forced_colors="none", color_scheme="light")


def test_forced_colours_show_what_is_current(chromium: Browser, site: str) -> None:
    edge = "(one) => getComputedStyle(one).outlineStyle"
    with opened(chromium, site + START, viewport=PHONE, forced_colors="active") as page:
        for kind in (".sections a", ".switch a", ".radii .chip"):
            current = page.locator(f"{kind}[aria-current]").evaluate(edge)
            other = page.locator(f"{kind}:not([aria-current])").first.evaluate(edge)
            assert (current, other) == ("solid", "none")
        page.get_by_role("combobox").fill("")
        page.get_by_role("combobox").press_sequentially("neu")
        page.get_by_role("combobox").press("ArrowDown")
        expect(page.locator(".suggestions [aria-selected=true]")).to_be_visible()
        grounds = page.locator(".suggestions [role=option]").evaluate_all(
            "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
        )
        assert grounds[0] not in grounds[1:]


REACH = """() => [...document.querySelectorAll(
  "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']"
)].filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".skip"))
  .filter((one) => {
    one.focus();
    if (document.activeElement !== one) return true;
    const boxes = [...one.getClientRects()];
    return !boxes.some(({ left, top, right, bottom }) => {
      const [x0, x1] = [Math.max(left, 0), Math.min(right, innerWidth)];
      const [y0, y1] = [Math.max(top, 0), Math.min(bottom, innerHeight)];
      if (x1 <= x0 || y1 <= y0) return false;
      return [0.1, 0.5, 0.9].some((share) => {
        const hit = document.elementFromPoint(x0 + (x1 - x0) * share, y0 + (y1 - y0) / 2);
        return hit && (one.contains(hit) || hit.contains(one));
      });
    });
  }).map((one) => one.outerHTML.slice(0, 120))"""


SPACED = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
    word-spacing: 0.16em !important; } p { margin-block-end: 2em !important; }`);
  document.adoptedStyleSheets = [sheet];
  const all = document.querySelectorAll("body *:not(.sr, .map, .map *, svg *, option)");
  return [...all].filter((one) => {
    const { overflowX, overflowY } = getComputedStyle(one);
    return one.checkVisibility() && one.clientWidth && (
      (/hidden|clip/.test(overflowX) && one.scrollWidth > one.clientWidth + 1) ||
      (/hidden|clip/.test(overflowY) && one.scrollHeight > one.clientHeight + 1));
  }).map((one) => one.outerHTML.slice(0, 120));
}"""
"""What is cut where a reader spaces the text, as WCAG 1.4.12 has it."""


@pytest.mark.parametrize("path", PAGES)
def test_at_400_percent_all_is_reached_without_scrolling_sideways(
    reader: Page, site: str, path: str
) -> None:
    reader.set_viewport_size(LOW)
    reader.goto(site + path)
    assert not scrolls_sideways(reader)
    if reader.locator(".map").is_visible():
        expect(reader.locator(".map")).to_have_attribute("data-ready", re.compile(r"\d"))
    with contextlib.suppress(AssertionError):  # the map may still move
        wait_until(reader, f"() => !({REACH})().length")
    assert reader.evaluate(REACH) == []
    assert reader.evaluate(SPACED) == []
    assert not scrolls_sideways(reader)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_that_sticks_hides_what_has_the_focus(reader: Page, site: str, size: Any) -> None:
    reader.set_viewport_size(size)
    reader.goto(site + START)
    assert reader.evaluate(REACH) == []
    for panel in (".languages", ".more"):  # each alone: an open panel lies over what follows
        reader.locator(panel).evaluate("(one) => { one.open = true; }")
        assert reader.evaluate(REACH) == []
        reader.locator(panel).evaluate("(one) => { one.open = false; }")


def test_at_400_percent_the_map_is_usable(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/?q=Café+200", viewport=LOW) as page:
        to_map(page)
        assert not scrolls_sideways(page)
        assert page.evaluate(REACH) == []
        box = page.locator(".map").bounding_box()
        assert box
        assert box["height"] >= LOW["height"] - 56  # what the switch leaves
        page.locator(".map-mark").focus()
        page.keyboard.press("Enter")
        more = page.get_by_role("link", name="Mehr zu diesem Ort")
        more.focus()
        expect(more).to_be_in_viewport()
        page.keyboard.press("Escape")
        expect(page.locator(".map-mark")).to_be_focused()
        page.locator(".switch [data-view=list]").click()
        expect(page.locator(".pane-list")).to_be_visible()


def test_little_motion_is_none(chromium: Browser, site: str) -> None:
    moving = """() => [...document.querySelectorAll("*")].filter((one) => {
      const { transitionDuration, animationName } = getComputedStyle(one);
      return animationName !== "none" || /[1-9]/.test(transitionDuration);
    }).map((one) => one.className)"""
    for motion, some in (("reduce", False), ("no-preference", True)):
        with opened(chromium, site + START, reduced_motion=motion) as page:
            to_map(page)
            assert bool(page.evaluate(moving)) is some
            zooms = page.locator(".leaflet-zoom-anim, .leaflet-fade-anim")
            assert bool(zooms.count()) is some
            if not some:
                page.get_by_role("button", name="Karte vergrößern").click()
                assert page.evaluate("document.getAnimations().length") == 0


# ------------------------------------------------------------------------------- paper


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_list_on_paper_is_the_list_with_addresses(chromium: Browser, site: str, size: Any) -> None:
    with opened(chromium, site + START, viewport=size, color_scheme="dark") as page:
        to_map(page)
        page.emulate_media(media="print", color_scheme="dark")
        for gone in (".map", ".legend", ".map-credit", ".search", ".more", ".switch", ".sections",
                     ".languages", ".skip", ".foot-links", ".card .show", ".button"):  # fmt: skip
            expect(page.locator(gone).first).to_be_hidden()
        expect(page.locator(".home")).to_be_visible()
        expect(page.locator(".card").first).to_be_visible()
        link = page.locator(".card .meta a").first
        shown = link.evaluate("(one) => getComputedStyle(one, '::after').content")
        assert link.get_attribute("href") in shown
        colours = page.evaluate(
            """[getComputedStyle(document.querySelector(".card h4 a")).color,
              getComputedStyle(document.body).backgroundColor]"""
        )
        assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
        bottom = page.locator(".foot").bounding_box()
        assert bottom
        assert bottom["y"] + bottom["height"] <= page.evaluate("document.body.scrollHeight") + 1


def test_place_on_paper_has_its_address_and_no_map(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/orte/ort-1") as page:
        page.emulate_media(media="print")
        for gone in (".map", ".trail", ".actions", ".sections", ".foot-links"):
            expect(page.locator(gone).first).to_be_hidden()
        expect(page.get_by_text("https://example.org/x")).to_be_visible()
        expect(page.get_by_text("https://example.org/quelle")).to_be_visible()


# ----------------------------------------------------------------------------- targets

SMALL = """() => [...document.querySelectorAll(
  "a[href], button, input:not([type=hidden], .check *), select, summary, label.check"
)].filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .filter((one) => !one.closest(".skip, .map, .map-credit, .foot p, .plain, .legal, .sources"))
  .filter((one) => { // a link in a sentence is as high as its line (WCAG 2.5.8, inline)
    const line = one.closest("p, li, dd, h2, h4");
    return !line?.matches(".counts, .hint, .map-status") && !one.closest("p:has(+ form)");
  })
  .filter((one) => {
    one.scrollIntoView({ block: "center", behavior: "instant" });
    const { left, top, right, bottom, width } = one.getBoundingClientRect();
    if (Math.round(width) < 44) return true;
    const hits = (y) => one.contains(document.elementFromPoint((left + right) / 2, y));
    let [from, to] = [(top + bottom) / 2, (top + bottom) / 2];
    while (from > top - 44 && hits(from - 1)) from -= 1;
    while (to < bottom + 44 && hits(to + 1)) to += 1;
    return to - from < 41;
  }).map((one) => one.outerHTML.slice(0, 120))"""
"""What is smaller than a finger; 3 px are left to what rounds and what lies beside it."""


@pytest.mark.parametrize(
    "path",
    [START, "/?q=gibtesnicht", "/?ort=xyzzy", "/orte/ort-1", "/gebiete/07315",
     "/gebiete/07131015", "/themen", "/handzettel?ort=Mainz", "/nix"],
)  # fmt: skip
def test_targets_are_large_enough_for_a_finger(reader: Page, site: str, path: str) -> None:
    reader.set_viewport_size(PHONE)  # type: ignore[arg-type]
    reader.goto(site + path)
    assert reader.evaluate(SMALL) == []


@pytest.mark.parametrize("path", [START, "/gebiete/07315"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_cards_hold_what_belongs_to_them(
    chromium: Browser, site: str, path: str, size: Any
) -> None:
    with opened(chromium, site + path, viewport=size) as page:
        cards = page.locator(".card").evaluate_all(
            """(all) => all.map((card) => {
              const { top, bottom } = card.getBoundingClientRect();
              const parts = [...card.querySelectorAll("a, button")]
                .filter((one) => one.offsetParent).map((one) => one.getBoundingClientRect());
              return [top, Math.min(...parts.map((one) => one.top)),
                Math.max(...parts.map((one) => one.bottom)), bottom];
            })"""
        )
        assert len(cards) >= 8
        for card in cards:
            assert card == sorted(card)
        for (*_, end), (start, *_) in pairwise(cards):
            assert start >= end - 0.5


# -------------------------------------------------------------------- where one searched


def test_map_shows_where_one_searched(chromium: Browser, site: str) -> None:
    with opened(chromium, site + START) as page:
        to_map(page)
        spot = page.get_by_role("img", name="Rund um Mainz: Hier haben Sie gesucht.")
        expect(spot).to_be_visible()
        assert spot.get_attribute("tabindex") is None
        page.locator(".legend summary").click()
        expect(page.locator("#legende-suche")).to_be_visible()
        page.goto(site + "/?art=haus")
        to_map(page)
        expect(page.locator(".map-spot")).to_have_count(0)
        page.locator(".legend summary").click()
        expect(page.locator("#legende-suche")).to_be_hidden()


def test_map_reaches_to_where_one_searched(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/?nah=6.9,50.32&umkreis=2") as page:
        to_map(page)
        spot, frame = page.locator(".map-spot").bounding_box(), page.locator(".map").bounding_box()
        assert spot
        assert frame
        assert frame["x"] < spot["x"] + 32 < frame["x"] + frame["width"]
        assert frame["y"] < spot["y"] + 32 < frame["y"] + frame["height"]


def test_filters_stay_open_while_one_inside_is_chosen(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/?zeit=jetzt", viewport=PHONE) as page:
        more = page.locator(".more")
        expect(more).not_to_have_attribute("open", "")
        more.locator("summary").click()
        page.get_by_role("checkbox", name="Arabisch").check()
        page.get_by_role("button", name="Filter anwenden").click()
        page.wait_for_url("**sprache=arabisch*")
        expect(more).to_have_attribute("open", "")
        expect(page.locator("#auswahl")).to_be_in_viewport()
        expect(page.locator("#liste-titel")).to_be_in_viewport()
        page.reload()
        expect(page.get_by_role("checkbox", name="Arabisch")).to_be_checked()


# -------------------------------------------------------------------------------- keys


def tab_to(page: Page, selector: str) -> None:
    """Press the Tab key until an element that `selector` matches has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("(one) => document.activeElement.matches(one)", selector):
            return
    pytest.fail(f"120 tabs did not reach {selector}")


def test_whole_journey_by_keyboard_alone(chromium: Browser, site: str) -> None:
    with opened(chromium, site) as page:
        tab_to(page, "#ort")
        page.keyboard.type("Mainz")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?ort=Mainz")
        tab_to(page, '.chip[href*="art=beratung"]')
        page.keyboard.press("Enter")
        page.wait_for_url("**art=beratung*")
        expect(page.locator(".card")).to_have_count(2)
        tab_to(page, ".card h4 a")
        name = page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(name)
        tab_to(page, 'a[href^="geo:"]')
        tab_to(page, 'a[href^="https://www.openstreetmap.org/"]')
        page.go_back()
        page.wait_for_url("**art=beratung*")
        tab_to(page, 'a[href*="/handzettel?"]')
        page.keyboard.press("Enter")
        page.wait_for_url("**/handzettel?*")
        tab_to(page, "#drucken")
        page.go_back()
        page.wait_for_url("**art=beratung*")
        to_map(page)
        expect(page.locator(".leaflet-marker-pane [tabindex='0']")).to_have_count(1)
        tab_to(page, ".leaflet-marker-pane .cluster")
        page.keyboard.press("Enter")
        expect(page.locator(".map-mark:focus")).to_have_count(1)
        mark = page.evaluate_handle("document.activeElement")
        page.keyboard.press("Enter")
        expect(page.locator(".popup")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator(".popup")).to_have_count(0)
        assert page.evaluate("(mark) => document.activeElement === mark", mark)
        page.keyboard.press("Enter")
        tab_to(page, ".leaflet-popup-close-button")
        page.keyboard.press("Enter")
        expect(page.locator(".popup")).to_have_count(0)
        assert page.evaluate("(mark) => document.activeElement === mark", mark)


def test_map_on_a_phone_by_keyboard_alone(chromium: Browser, site: str) -> None:
    with opened(chromium, site + START, viewport=PHONE) as page:
        tab_to(page, ".switch [data-view=map]")
        page.keyboard.press("Enter")
        expect(page.locator("#karte")).to_be_focused()
        expect(page.locator(".map[data-ready]")).to_be_visible()
        expect(page.locator(".leaflet-marker-pane [tabindex='0']")).to_have_count(1)
        tab_to(page, ".leaflet-marker-pane .cluster")
        while not page.locator(".map-mark:focus").count():
            page.keyboard.press("Enter")
            expect(page.locator(".leaflet-marker-pane :focus")).to_have_count(1)
        page.keyboard.press("Enter")
        name = page.locator(".popup h2").inner_text()
        tab_to(page, ".popup a")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(name)
        page.go_back()
        expect(page.locator("#karte")).to_be_visible()  # where one came from
        expect(page.locator(".languages a[lang=ar]")).to_have_attribute(
            "href", re.compile("#karte$")
        )
        tab_to(page, ".switch [data-view=list]")
        page.keyboard.press("Enter")
        expect(page.locator("#liste")).to_be_focused()
        expect(page).to_have_url(site + START)
