"""The pages in Chromium: nothing foreign, nothing executed, usable by mouse, touch and keys."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
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

pytestmark = pytest.mark.browser

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))),
    "/usr/bin/chromium",
)
"""The shell has the same engine without windows, which take a third of the processor's time."""
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
PATHS = ("/", "/?art=haus", "/?q=gibtesnicht", "/orte/ort-3", "/quellen", "/nix")
OTHER = re.compile(r"[.][a-z]{3,7}$|^/api/v1|^/(de|en|fr|uk|ru|fa|tr)(/|$)")
"""Addresses of files, of data, and of languages whose pages are the same but for the words."""

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

MAINZ = (8.27, 50.0)


def missing(what: str) -> None:
    """Skip, or fail where everything must run."""
    if os.environ.get("GEO_SERVICE_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is required (GEO_SERVICE_TEST_REQUIRE_ALL=1) and is missing")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """The real Land with 150 places: at one town several, some rough, two without a point."""
    towns = territory.municipalities[["ags", "name", "seat_lon", "seat_lat"]].iloc[::17]
    categories = ("Begegnungscafé", "Mehrgenerationenhaus", "Fahrradwerkstatt", "Sonstiges")
    rows = [
        place(
            n,
            name=f"Ort {n} in {name}",
            category=categories[n % 4],
            city=name,
            ags=ags,
            point=(lon, lat) if n % 70 else None,
            coordinate_precision="address" if n % 3 else "municipality",
            source_date="2017-05" if n % 2 else "2026-02",
        )
        for n, (ags, name, lon, lat) in enumerate(towns.itertuples(index=False, name=None))
    ]
    rows += [
        place(500 + n, name=f"Treff {n}", street=None, city="Mainz", ags="07315000", point=MAINZ)
        for n in range(12)
    ]
    with Store(f"sqlite:///{tmp_path_factory.mktemp('site') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, territory)) as base:
            yield base


@pytest.fixture(scope="module")
def hostile_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    fields = ("name", "organisation", "street", "house_number", "postcode", "city", "website")
    fields += ("opening_hours", "offers", "languages", "source", "kreis", "municipality")
    rows = [
        place(n, theme=THEMES[0], **dict.fromkeys(fields, text), point=(7.02 + 0.01 * n, 50.05))
        for n, text in enumerate(VECTORS)
    ]
    with Store(f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, small_territory(), operator=VECTORS[0])) as base:
            yield base


expect.set_options(timeout=15_000)  # a busy machine is slow, not wrong


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Open `url`; afterwards nothing foreign was asked for, kept, reported or violated."""
    scripts = options.get("java_script_enabled", True)
    quiet = options.pop("quiet", True)
    context = browser.new_context(
        **{"viewport": DESK, "reduced_motion": "reduce", "locale": "de-DE"} | options
    )
    base = re.match(r"https?://[^/]+", url)
    assert base
    requests: list[str] = []
    reports: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    context.on("console", lambda message: reports.append(message.text))
    context.on("weberror", lambda error: reports.append(str(error.error)))
    context.add_init_script(WATCH)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(url)
    yield page
    if scripts:
        assert page.evaluate("window.violations") == []
        assert page.evaluate("typeof window.pwned") == "undefined"
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
        assert page.evaluate("caches.keys()") == []
        assert page.evaluate("navigator.serviceWorker.getRegistrations()") == []
    assert context.cookies() == []
    assert [address for address in requests if not address.startswith(base[0])] == []
    if quiet:
        assert reports == []
    context.close()


def crawl(page: Page, base: str) -> Iterator[str]:
    """Follow the links, in German and Arabic; gives one address of every kind once it is open.

    Addresses are of one kind if they differ by the place, area or theme that they name, or by
    what they ask.
    """
    waiting = [base + path for path in (*PATHS, "/api/", "/embed/karte", "/embed/nur-karte")]
    seen = set[str]()
    while waiting:
        parts = urlsplit(waiting.pop(0))
        named = re.sub(r"/(orte|themen)/[^/]+", r"/\1/x", re.sub(r"\d", "0", parts.path))
        kind = named + "?" * bool(parts.query)
        if kind in seen or OTHER.search(parts.path):
            continue
        seen.add(kind)
        page.goto(parts.geturl())
        yield parts.geturl()
        links = page.locator("a[href]:not([download])")
        found = links.evaluate_all("(all) => all.map((link) => link.href)")
        waiting += [link for link in found if link.startswith(base + "/")]


def to_map(page: Page) -> None:
    """Show the map, and wait until it has its places."""
    switch = page.locator(".switch [data-view=map]")
    if switch.is_visible():
        switch.click()
    expect(page.locator(".map[data-ready]")).to_be_visible()


def show_place(page: Page, place_id: str) -> None:
    page.evaluate(
        "(id) => document.querySelector('.map')"
        ".dispatchEvent(new CustomEvent('place:show', { detail: id }))",
        place_id,
    )


# ------------------------------------------------------------------------------- safety


@SIZES
def test_record_text_is_text_on_page_and_in_popups(
    chromium: Browser, hostile_site: str, size: Any
) -> None:
    with opened(chromium, hostile_site, viewport=size) as page:
        titles = page.locator(".card h4 a").all_text_contents()
        assert sorted(titles) == sorted(VECTORS)
        to_map(page)
        for number, text in enumerate(VECTORS):
            show_place(page, f"ort-{number}")
            title = page.locator(".leaflet-popup-content h2")
            expect(title).to_have_count(1)
            wait_until(
                page, "(text) => document.querySelector('.popup h2')?.textContent === text", text
            )
            content = page.locator(".leaflet-popup-content")
            assert content.locator("script, img, iframe, style, svg").count() == 0
            hrefs = content.locator("a").evaluate_all("(all) => all.map((a) => a.protocol)")
            assert set(hrefs) == {"http:"}


def test_record_text_is_text_on_the_page_of_a_place(chromium: Browser, hostile_site: str) -> None:
    with opened(chromium, hostile_site + "/orte/ort-0") as page:
        for number, text in enumerate(VECTORS):
            page.goto(f"{hostile_site}/orte/ort-{number}")
            assert page.locator("h1").text_content() == text
            assert page.evaluate("typeof window.pwned") == "undefined"
            assert page.evaluate("window.violations") == []


@SIZES
def test_nothing_foreign_and_nothing_kept(chromium: Browser, site: str, size: Any) -> None:
    with opened(chromium, site, viewport=size, quiet=False) as page:
        for path in PATHS:
            page.goto(site + path)
            if page.locator(".card .show").count():
                to_map(page)
                page.locator(".map .cluster, .map-mark").first.click()
            page.wait_for_load_state("networkidle")
            assert page.evaluate("window.violations") == []


@pytest.mark.parametrize("records", ["site", "hostile_site"])
def test_every_page_asks_nobody_else_and_runs_nothing(
    chromium: Browser, records: str, request: pytest.FixtureRequest
) -> None:
    base = request.getfixturevalue(records)
    sections = set()
    with opened(chromium, base + "/", quiet=False) as page:
        for address in crawl(page, base):
            sections.add(urlsplit(address).path.removeprefix("/ar").split("/")[1])
            assert page.evaluate("window.violations") == [], address
            assert page.evaluate("typeof window.pwned") == "undefined", address
            leads = page.locator("a[href], form[action]").evaluate_all(
                "(all) => all.map((one) => new URL(one.href ?? one.action).protocol)"
            )
            assert set(leads) <= {"http:", "https:", "geo:", "mailto:", "tel:"}, address
    assert sections >= {
        "", "orte", "gebiete", "themen", "handzettel", "leichte-sprache", "barrierefreiheit",
        "datenschutz", "impressum", "quellen", "einbetten", "embed", "api", "planung", "nix",
    }  # fmt: skip


# ---------------------------------------------------------------------- list and map


@pytest.mark.parametrize("path", ["/", "/?art=haus", "/?q=Treff"])
def test_map_shows_as_many_places_as_the_list_says(chromium: Browser, site: str, path: str) -> None:
    with opened(chromium, site + path) as page:
        to_map(page)
        ready = int(page.locator(".map").get_attribute("data-ready") or "")
        counts = page.locator(".counts").inner_text()
        placed = re.match(r"(\d+) davon", counts)
        listed = int(page.locator("#liste-titel").inner_text().split()[0])
        assert ready == (int(placed[1]) if placed else listed)
        shown = page.locator(".map-mark").count() + sum(
            int(text) for text in page.locator(".map .cluster").all_inner_texts()
        )
        assert shown == ready


def test_everything_works_without_scripts(chromium: Browser, site: str) -> None:
    with opened(chromium, site, java_script_enabled=False, viewport=PHONE) as page:
        expect(page.locator(".card")).to_have_count(60)
        assert "Die Karte braucht JavaScript" in page.locator("noscript p").inner_text()
        assert page.locator(".show:visible").count() == 0
        page.locator(".more summary").click()
        page.get_by_label("Kreis, Stadt oder Gemeinde").select_option("07315")
        page.get_by_role("button", name="Filter anwenden").click()
        assert page.locator("#liste-titel").inner_text() == "12 Orte gefunden"
        page.get_by_role("link", name="Treff 3", exact=True).click()
        assert page.locator("h1").inner_text() == "Treff 3"
        page.goto(site)
        page.get_by_role("link", name="Weiter").click()
        assert "Sie sehen Nummer 61 bis 120." in page.locator(".counts").inner_text()
        page.locator(".switch").get_by_text("Karte").click()
        assert page.url.endswith("#karte")


@SIZES
def test_card_leads_to_its_mark_on_the_map(chromium: Browser, site: str, size: Any) -> None:
    with opened(chromium, site + "/?q=Treff", viewport=size) as page:
        page.get_by_role("button", name=re.compile("Auf der Karte zeigen.* Treff 7$")).click()
        expect(page.locator(".popup h2")).to_have_text("Treff 7")
        expect(page.locator(".popup")).to_be_in_viewport()
        page.get_by_role("link", name="Mehr zu diesem Ort").click()
        expect(page.locator("h1")).to_have_text("Treff 7")


def test_rough_places_look_and_read_rough(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/?art=haus") as page:
        to_map(page)
        rough = page.locator(".map-mark:has(.mark-rough)").first
        assert "Lage ungefähr" in (rough.get_attribute("aria-label") or "")
        exact = page.locator(".map-mark:not(:has(.mark-rough))").first
        assert "ungefähr" not in (exact.get_attribute("aria-label") or "")
        fills = [
            mark.locator("svg").evaluate(
                "(svg) => getComputedStyle(svg).getPropertyValue('--hollow')"
            )
            for mark in (rough, exact)
        ]
        assert fills[0] != fills[1]


def test_on_a_phone_the_map_fills_the_screen_and_nothing_scrolls_behind_it(
    chromium: Browser, site: str
) -> None:
    with opened(chromium, site, viewport=PHONE, has_touch=True) as page:
        expect(page.locator(".pane-map")).to_be_hidden()
        to_map(page)
        expect(page.locator(".pane-list")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        page.locator(".switch [data-view=list]").click()
        expect(page.locator(".pane-list")).to_be_visible()


def test_on_a_phone_the_list_stays_where_it_was_read(chromium: Browser, site: str) -> None:
    with opened(chromium, site, viewport=PHONE) as page:
        page.evaluate("scrollTo(0, 2000)")
        to_map(page)
        assert page.evaluate("scrollY") == 0
        page.locator(".switch [data-view=list]").click()
        assert page.evaluate("scrollY") == 2000


# ------------------------------------------------------------------------------- keys


def test_map_has_few_tab_stops_and_all_marks_are_reached_by_arrows(
    chromium: Browser, site: str
) -> None:
    with opened(chromium, site) as page:
        to_map(page)
        wait_until(
            page, "() => document.querySelectorAll('.map [role=button][tabindex=\"0\"]').length"
        )
        stops = page.locator(
            ".pane-map a[href]:visible, .pane-map [tabindex='0']:visible, .pane-map summary"
        )
        names = stops.evaluate_all("(all) => all.map((one) => one.outerHTML.slice(0, 60))")
        assert len(names) <= 6, names
        marks = page.locator(".leaflet-marker-pane [role=button]")
        labels = marks.evaluate_all(
            """(all) => all.filter((one) => {
              const { left, top, width, height } = one.getBoundingClientRect();
              const hit = document.elementFromPoint(left + width / 2, top + height / 2);
              return hit?.closest(".map");
            }).map((one) => one.getAttribute("aria-label"))"""
        )
        page.locator(".leaflet-marker-pane [tabindex='0']").focus()
        for forth, back in (("ArrowRight", "ArrowLeft"), ("ArrowDown", "ArrowUp")):
            for _ in labels:
                page.keyboard.press(back)
            reached = []
            for _ in labels:
                reached.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
                page.keyboard.press(forth)
            assert sorted(reached) == sorted(labels)
        assert page.locator(".leaflet-marker-pane [tabindex='0']").count() == 1


def test_enter_opens_a_place_and_escape_gives_focus_back(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/?q=Treff+7") as page:
        to_map(page)
        mark = page.locator(".map-mark")
        expect(mark).to_have_attribute("tabindex", "0")
        mark.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".popup h2")).to_have_text("Treff 7")
        expect(page.locator(".popup")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator(".leaflet-popup")).to_have_count(0)
        expect(mark).to_be_focused()


def test_enter_opens_a_cluster_and_focus_stays_among_the_marks(
    chromium: Browser, site: str
) -> None:
    with opened(chromium, site + "/?q=Treff") as page:
        to_map(page)
        cluster = page.locator(".map .cluster")
        expect(cluster).to_have_attribute("tabindex", "0")
        cluster.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".map-mark")).to_have_count(12)
        assert page.evaluate("!!document.activeElement.closest('.map')")


def test_skip_link_leads_to_the_list(chromium: Browser, site: str) -> None:
    with opened(chromium, site) as page:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('#liste')")


# ------------------------------------------------------------------------ when it breaks


def test_lost_data_are_said_and_asked_for_again(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/quellen", quiet=False) as page:
        page.route("**/daten/orte.geojson*", lambda route: route.abort())
        page.goto(site)
        expect(page.locator(".map-status")).to_contain_text("In der Liste stehen alle.")
        page.unroute("**/daten/orte.geojson*")
        page.get_by_role("button", name="Noch einmal versuchen").click()
        expect(page.locator(".map[data-ready]")).to_be_visible()
        expect(page.locator(".map-status")).to_be_hidden()


def test_lost_backdrop_leaves_the_places(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/quellen", quiet=False) as page:
        page.route("**/daten/grenzen/**", lambda route: route.abort())
        page.goto(site)
        to_map(page)
        expect(page.locator(".map .cluster").first).to_be_visible()


def test_newer_data_are_offered(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/quellen") as page:

        def newer(route: Any) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, json=answer.json() | {"revision": 99})

        page.route("**/daten/orte.geojson*", newer)
        page.goto(site)
        expect(page.locator(".map-status")).to_contain_text("Es gibt neue Angaben.")
