"""The pages in other languages in Chromium: mirrored, readable, and without barriers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from test_browser import (
    DESK,
    PHONE,
    chromium,
    opened,
    show_place,
    site,
    to_map,
)
from translations import catalogue_path

from geo_service.web.languages import LANGUAGES

__all__ = ["chromium", "site"]

pytestmark = pytest.mark.browser

CODES = [*LANGUAGES]
RTL = pytest.mark.parametrize("code", ["ar", "fa"])
PATHS = (
    "/",
    "/?ort=Mainz",
    "/?q=gibtesnicht",
    "/orte/ort-3",
    "/gebiete/07315",
    "/datenschutz",
    "/nix",
)


@pytest.mark.parametrize("code", CODES)
def test_no_language_makes_a_page_scroll_sideways(chromium: Browser, site: str, code: str) -> None:
    with opened(
        chromium, site + "/de/", viewport=PHONE, java_script_enabled=False, quiet=False
    ) as page:
        for path in PATHS:
            page.goto(f"{site}/{code}{path}")
            page.locator(".languages summary").click()
            for width in (PHONE["width"], 320):
                page.set_viewport_size(PHONE | {"width": width})
                assert page.locator("html").evaluate(
                    "(html) => html.scrollWidth <= html.clientWidth"
                ), (path, width)


SCALES = {"de": r"\d+ km", "ar": "[0-9]+ كم", "fa": "[۰-۹]+ کیلومتر"}


@RTL
def test_layout_is_mirrored(chromium: Browser, site: str, code: str) -> None:
    sides = {}
    for one in ("de", code):
        with opened(chromium, f"{site}/{one}/", viewport=DESK) as page:
            to_map(page)
            parts = (".pane-list", ".leaflet-control-zoom", ".legend", ".leaflet-control-scale")
            sides[one] = [middle(page.locator(part)) > DESK["width"] / 2 for part in parts]
            scale = page.locator(".leaflet-control-scale-line")
            said = re.sub("[\u2068\u2069]", "", scale.text_content() or "")
            assert re.fullmatch(SCALES[one], said)
            direction = scale.evaluate("(line) => getComputedStyle(line).direction")
            assert direction == LANGUAGES[one].direction
    assert sides["de"] == [not side for side in sides[code]]


def middle(element: Any) -> float:
    box = element.bounding_box()
    return float(box["x"] + box["width"] / 2)


@RTL
def test_map_works_from_right_to_left(chromium: Browser, site: str, code: str) -> None:
    with opened(chromium, f"{site}/{code}/?q=Treff", viewport=PHONE) as page:
        to_map(page)
        show_place(page, "ort-507")
        expect(page.locator(".popup h2")).to_have_text("Treff 7")
        expect(page.locator(".popup h2")).to_have_attribute("lang", "de")
        expect(page.locator(".popup")).to_be_in_viewport()
        page.locator(".popup a").click()
        expect(page).to_have_url(re.compile(f"/{code}/orte/"))


def test_scripts_speak_the_language_of_the_page(chromium: Browser, site: str) -> None:
    with opened(chromium, site + "/de/") as page:
        for code in CODES[1:]:
            page.goto(f"{site}/{code}/?q=Treff")
            texts = json.loads(catalogue_path(code, "script.json").read_text("utf-8"))
            zoom = page.locator(".leaflet-control-zoom-in")
            expect(zoom).to_have_attribute("title", texts["Karte vergrößern"])
            name = page.locator(".map .cluster").first.get_attribute("aria-label") or ""
            forms = texts["%(count)s Ort. Öffnen"].values()
            assert without_number(name) in {without_number(form) for form in forms}


def without_number(text: str) -> str:
    return re.sub(r"%\(count\)s|\d+|[\u2068\u2069]", "", text)


def test_switcher_changes_the_language_by_keyboard_and_keeps_the_choice(
    chromium: Browser, site: str
) -> None:
    with opened(chromium, site + "/?art=haus", viewport=PHONE) as page:
        page.locator(".languages summary").focus()
        page.keyboard.press("Enter")
        link = page.locator(".languages").get_by_role("link", name="Українська")
        expect(link).to_be_visible()
        link.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{site}/uk/?art=haus")
        expect(page.locator("html")).to_have_attribute("lang", "uk")


def test_switcher_works_without_scripts_and_german_stays_german(
    chromium: Browser, site: str
) -> None:
    with opened(chromium, site, java_script_enabled=False, locale="tr-TR") as page:
        expect(page).to_have_url(f"{site}/tr/")
        page.locator(".languages summary").click()
        page.locator(".languages").get_by_role("link", name="Deutsch").click()
        expect(page).to_have_url(f"{site}/de/")
        page.locator("a.home").click()
        expect(page).to_have_url(f"{site}/de/")
        expect(page.locator("html")).to_have_attribute("lang", "de")
