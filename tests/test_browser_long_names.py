"""A record whose name is far too long: refused at import, and harmless if it is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from test_browser import DESK, PHONE, chromium, opened, show_place, to_map
from web_helpers import TODAY, app_of, fill, initiatives_of, place, served, small_territory

from geo_service.reading import read_records
from geo_service.records import validate_records
from geo_service.store import Store

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

LENGTH = 100_000
MOST = 200
NAMES = (
    "x" * LENGTH,
    "Begegnung " * (LENGTH // 10),
    "مقهى اللقاء " * (LENGTH // 12),
    "Z" + "\u0301\u0335\u0489" * 66,  # as long as a name may be, and no line break in it
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    rows = [
        place(n, name=name, organisation=name, street=name, offers=name, languages=name,
              opening_hours=name, point=(7.05 + n / 100, 50.05))
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    with Store(f"sqlite:///{tmp_path_factory.mktemp('long') / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, small_territory())) as base:
            yield base


def test_import_refuses_the_row_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "liste.csv"
    file.write_text(f"name,ort\n{'x' * 32_000},Mainz\n{NAMES[0]},Mainz\nTreff,Mainz\n", "utf-8")
    result = validate_records(read_records(file), today=TODAY)
    assert len(result.records) == 1
    assert [str(issue) for issue in result.issues if issue.severity == "error"] == [
        "liste.csv, line 2, name: expected at most 200 characters, got 32,000 characters",
        "liste.csv, line 3, name: expected at most 32,767 characters, got 100,000 characters",
    ]


SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])


@SIZES
def test_no_page_scrolls_sideways_or_shows_more_than_a_name_may_have(
    chromium: Browser, site: str, size: Any
) -> None:
    paths = ["/", "/?ort=Aheim", "/handzettel", "/gebiete/07131", "/fa/orte/ort-2"]
    with opened(chromium, site, viewport=size) as page:
        for path in [*paths, *(f"/orte/ort-{n}" for n in range(len(NAMES)))]:
            page.goto(site + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            names = page.locator(".card h4 a, .sheet-places h2, .nearby a, main h1")
            shown = names.all_text_contents()
            assert shown, path
            assert max(map(len, shown)) <= MOST, path


@SIZES
def test_popup_has_a_short_name_and_scrolls_in_itself(
    chromium: Browser, site: str, size: Any
) -> None:
    with opened(chromium, site, viewport=size) as page:
        to_map(page)
        for number in range(len(NAMES)):
            show_place(page, f"ort-{number}")
            name = page.locator(".popup h2")
            wanted = NAMES[number]
            expect(name).to_have_text(
                wanted if len(wanted) <= MOST else wanted[: MOST - 1].strip() + "…"
            )
            box = page.locator(".leaflet-popup").bounding_box()
            assert box
            assert box["width"] <= size["width"]
            assert box["height"] < 420
            page.keyboard.press("Escape")
            expect(name).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_pdf_is_short_too(chromium: Browser, site: str) -> None:
    context = chromium.new_context()
    answer = context.request.get(site + "/handzettel.pdf")
    assert answer.ok
    assert b"/Type/Pages/Count 2" in answer.body()
    context.close()
