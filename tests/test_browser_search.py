"""Search and filters in Chromium: by keyboard alone, by tap, and without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from test_browser import (
    PHONE,
    SIZES,
    chromium,
    opened,
    to_map,
)
from web_helpers import app_of, fill, initiatives_of, place, served

from geo_service.snapshot import Territory
from geo_service.store import Store

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

MAINZ = {"longitude": 8.2745321, "latitude": 49.9985432}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """Places in three towns of the real Land; it is Monday, ten o'clock."""
    rows = [
        place(n, name=f"Treff {n}", city="Mainz", ags="07315000", point=(8.25 + n / 400, 50.0),
              category=("Begegnungscafé", "Mehrgenerationenhaus", "Migrationsberatung")[n % 3],
              opening_hours="Mo 9-12 Uhr" if n % 2 else None,
              languages="Arabisch; Deutsch" if n % 4 == 0 else None,
              wheelchair="yes" if n % 5 == 0 else None)
        for n in range(12)
    ] + [
        place(20, name="Haus Trier", category="Mehrgenerationenhaus", street=None, city="Trier",
              ags="07211000", coordinate_precision="municipality", point=(6.6416, 49.7557)),
        place(21, name="Café Konz", city="Konz", ags="07235068", point=(6.58, 49.70)),
    ]  # fmt: skip
    with Store(f"sqlite:///{tmp_path_factory.mktemp('search') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, territory)) as base:
            yield base


def titles(page: Page) -> list[str]:
    return page.locator(".card h4 a").all_text_contents()


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def assert_one_set(page: Page) -> None:
    """Map and list show the same places."""
    to_map(page)
    ready = int(page.locator(".map").get_attribute("data-ready") or "")
    assert ready == page.locator(".card").count()


# ---------------------------------------------------------------------------- suggestions


def test_suggestions_by_keyboard_alone(chromium: Browser, site: str) -> None:
    with opened(chromium, site) as page:
        field = page.get_by_role("combobox", name="Ort, Postleitzahl oder Adresse")
        while not field.evaluate("(one) => one === document.activeElement"):
            page.keyboard.press("Tab")
        page.keyboard.type("Bau")
        options = page.locator(".suggestions [role=option]")
        expect(options.first).to_be_visible()
        expect(field).to_have_attribute("aria-expanded", "true")
        expect(page.locator("#suche-meldung")).to_contain_text(re.compile(r"\d+ Vorschläge"))
        page.keyboard.press("ArrowUp")
        expect(options.last).to_have_attribute("aria-selected", "true")
        page.keyboard.press("ArrowDown")
        expect(field).not_to_have_attribute("aria-activedescendant", re.compile("."))
        page.keyboard.press("ArrowDown")
        active = field.get_attribute("aria-activedescendant")
        chosen = page.locator(f"#{active}")
        expect(chosen).to_have_attribute("aria-selected", "true")
        label = chosen.inner_text()
        assert field.input_value() == "Bau"  # nothing is chosen unless the reader does
        page.keyboard.press("Enter")
        page.wait_for_url("**/?ort=*")
        assert query_of(page) == {"ort": [label]}
        expect(page.locator(".spot-name")).to_contain_text("Rund um Bau")


def test_enter_works_without_a_suggestion(chromium: Browser, site: str) -> None:
    with opened(chromium, site, quiet=False) as page:
        page.route("**/vorschlaege*", lambda route: route.abort())
        field = page.get_by_role("combobox")
        field.fill("Майнц")
        field.press("Enter")
        page.wait_for_url("**/?ort=*")
        expect(page.locator(".spot-name")).to_contain_text("Rund um Mainz")
        page.unroute("**/vorschlaege*")


def test_escape_closes_and_leaves_what_was_typed(chromium: Browser, site: str) -> None:
    with opened(chromium, site) as page:
        field = page.get_by_role("combobox")
        field.press_sequentially("mainz")
        expect(page.locator(".suggestions [role=option]").first).to_be_visible()
        field.press("Escape")
        expect(page.locator(".suggestions")).to_be_hidden()
        expect(field).to_have_value("mainz")
        expect(field).to_have_attribute("aria-expanded", "false")
        field.press("ArrowDown")
        expect(page.locator(".suggestions [role=option]").first).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.locator(".suggestions")).to_be_hidden()


@SIZES
def test_a_suggestion_by_tap(chromium: Browser, site: str, size: Any) -> None:
    with opened(chromium, site, viewport=size) as page:
        page.get_by_role("combobox").press_sequentially("5429")
        page.locator(".suggestions").get_by_role("option", name="54290 Trier").click()
        page.wait_for_url("**/?ort=*")
        expect(page.locator(".spot-name")).to_contain_text("Rund um Trier")
        assert titles(page)[0] == "Haus Trier"
        expect(page.locator(".card .distance").first).to_have_text("im Ort")


def test_hostile_suggestions_are_text(chromium: Browser, site: str) -> None:
    label = '<img src=x onerror="window.pwned=1">'
    with opened(chromium, site) as page:
        body = json.dumps({"suggestions": [label]})
        page.route(
            "**/vorschlaege*",
            lambda route: route.fulfill(body=body, content_type="application/json"),
        )
        page.get_by_role("combobox").press_sequentially("ab")
        expect(page.locator(".suggestions [role=option]")).to_have_text(label)
        expect(page.locator(".suggestions [role=option]")).to_have_attribute("lang", "de")
        assert page.locator(".suggestions img").count() == 0


# ------------------------------------------------------------------------------- near me


def test_location_is_asked_after_the_tap_and_rounded_on_the_device(
    chromium: Browser, site: str
) -> None:
    watch = """
      window.asked = 0;
      const own = navigator.geolocation.getCurrentPosition.bind(navigator.geolocation);
      navigator.geolocation.getCurrentPosition = (...all) => { window.asked += 1; own(...all); };
    """
    with opened(
        chromium,
        site + "/quellen",
        geolocation=MAINZ,
        permissions=["geolocation"],
        quiet=False,
    ) as page:
        page.add_init_script(watch)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(unquote(request.url)))
        page.goto(site + "/?art=haus")
        expect(page.locator("#naehe-hinweis")).to_contain_text("nicht gespeichert")
        assert page.evaluate("window.asked") == 0
        page.get_by_role("button", name="In meiner Nähe suchen").click()
        page.wait_for_url("**/?nah=*")
        assert query_of(page) == {"nah": ["8.275,49.999"], "art": ["haus"]}
        expect(page.locator(".spot-name")).to_contain_text("Rund um Ihren Standort")
        assert_one_set(page)
        assert not [url for url in sent if "8.2745" in url or "49.9985" in url]


def test_refused_location_says_what_to_do(chromium: Browser, site: str) -> None:
    with opened(chromium, site, viewport=PHONE, permissions=[]) as page:
        page.get_by_role("button", name="In meiner Nähe suchen").click()
        said = page.locator("#suche-meldung")
        expect(said).to_contain_text("Sie haben den Standort nicht freigegeben.")
        expect(said).to_contain_text("Geben Sie oben einen Ort oder eine Postleitzahl ein.")
        expect(page.get_by_role("combobox")).to_be_focused()


@pytest.mark.parametrize("code", [2, 3])
def test_lost_location_says_what_to_do(chromium: Browser, site: str, code: int) -> None:
    fake = f"""navigator.geolocation.getCurrentPosition = (_, fail) => {{
      window.lose = () => fail({{ code: {code} }});
    }};"""
    with opened(chromium, site + "/quellen") as page:
        page.add_init_script(fake)
        page.goto(site)
        button = page.get_by_role("button", name="In meiner Nähe suchen")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#suche-meldung")).to_contain_text("wird gesucht")
        expect(button).to_be_disabled()
        expect(button).to_be_focused()
        page.evaluate("window.lose()")
        expect(page.locator("#suche-meldung")).to_contain_text("gerade nicht zu finden")
        expect(button).to_be_enabled()
        expect(page.get_by_role("combobox")).to_be_focused()


def test_device_without_location_says_so(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/quellen") as page:
        page.add_init_script(
            "Object.defineProperty(navigator, 'geolocation', { value: undefined })"
        )
        page.goto(site)
        page.get_by_role("button", name="In meiner Nähe suchen").click()
        expect(page.locator("#suche-meldung")).to_contain_text("gibt hier keinen Standort an")


# ------------------------------------------------------------------------------- filters


def test_filter_journey_by_keyboard_alone(chromium: Browser, site: str) -> None:
    with opened(chromium, site) as page:

        def tab_to(selector: str) -> None:
            for _ in range(120):
                page.keyboard.press("Tab")
                if page.evaluate("(one) => !!document.activeElement.matches(one)", selector):
                    return
            raise AssertionError(selector)

        tab_to("#ort")
        page.keyboard.type("Mainz")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?ort=Mainz")
        tab_to('.chip[href*="art=haus"]')
        page.keyboard.press("Enter")
        page.wait_for_url("**art=haus*")
        assert len(titles(page)) == 4
        tab_to(".more summary")
        page.keyboard.press("Enter")
        tab_to('input[name="sprache"][value="arabisch"]')
        page.keyboard.press("Space")
        tab_to(".filters .apply button")
        page.keyboard.press("Enter")
        page.wait_for_url("**sprache=arabisch*")
        assert query_of(page) == {"ort": ["Mainz"], "art": ["haus"], "sprache": ["arabisch"]}
        assert titles(page) == ["Treff 4"]
        expect(page.locator(".hint", has_text="sagen nichts über Sprachen")).to_contain_text(
            "3 Orte"
        )
        tab_to(".chip.made")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "art=haus" not in url)
        assert query_of(page) == {"ort": ["Mainz"], "sprache": ["arabisch"]}
        page.go_back()
        assert titles(page) == ["Treff 4"]
        assert_one_set(page)


def test_filters_without_scripts(chromium: Browser, site: str) -> None:
    with opened(chromium, site, java_script_enabled=False, viewport=PHONE) as page:
        assert page.locator("#in-meiner-naehe:visible").count() == 0
        page.get_by_label("Ort, Postleitzahl oder Adresse").fill("Kaiserslautern")
        page.get_by_role("button", name="Suchen").click()
        assert page.locator("#liste-titel").inner_text() == "Die 3 nächsten Orte"
        page.get_by_label("Ort, Postleitzahl oder Adresse").fill("Mainz")
        page.get_by_role("button", name="Suchen").click()
        page.get_by_role("link", name="Jetzt geöffnet").click()
        assert page.locator("#liste-titel").inner_text() == "6 Orte gefunden"
        assert "6 Orte sagen nicht sicher" in page.locator(".pane-list > .hint").inner_text()
        page.locator(".more summary").click()
        page.get_by_label(re.compile("Mit dem Rollstuhl zugänglich")).check()
        page.get_by_role("button", name="Filter anwenden").click()
        assert titles(page) == ["Treff 5"]
        page.get_by_role("link", name="Alles zurücksetzen").click()
        assert page.locator("#liste-titel").inner_text() == "12 Orte gefunden"
        page.get_by_role("link", name="Ohne Ort suchen").click()
        assert page.locator("#liste-titel").inner_text() == "14 Orte"


def test_addresses_hold_no_empty_fields(chromium: Browser, site: str) -> None:
    with opened(chromium, site) as page:
        page.locator(".more summary").click()
        page.get_by_label("Wort im Namen oder Angebot").fill("Treff 7")
        page.get_by_role("button", name="Filter anwenden").click()
        page.wait_for_url("**/?q=*")
        assert query_of(page) == {"q": ["Treff 7"]}
        assert urlsplit(page.url).query == "q=Treff+7"
        assert titles(page) == ["Treff 7"]


@pytest.mark.parametrize("path", ["/?ort=Mainz", "/?nah=6.05,50.32&umkreis=2", "/?zeit=heute"])
def test_map_and_list_show_one_set(chromium: Browser, site: str, path: str) -> None:
    with opened(chromium, site + path) as page:
        assert_one_set(page)


# --------------------------------------------------------------------------------- targets


def test_targets_are_large_enough(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/?ort=Mainz&zeit=heute", viewport=PHONE) as page:
        page.locator(".more summary").click()
        small = page.locator(
            ".search button:visible, .chip:visible, .more summary, .check, .combo input"
        ).evaluate_all(
            """(all) => all.map((one) => [one.textContent.trim(), one.getBoundingClientRect()])
              .filter(([, box]) => box.width < 44 || box.height < 44).map(([text]) => text)"""
        )
        assert small == []
