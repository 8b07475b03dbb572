"""Opening hours in the map's popups."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from test_browser import chromium, opened, show_place, to_map
from web_helpers import fill, initiatives_of, place, served, small_territory

from geo_service.config import Settings
from geo_service.opening_hours import TIME_ZONE
from geo_service.snapshot import SnapshotHolder
from geo_service.store import Store
from geo_service.web import create_app

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

SATURDAY = dt.datetime(2026, 11, 28, 15, tzinfo=TIME_ZONE)
SHOWN = {
    "Café Sa 14-18 (Angabe 2020)": "Open now until 18:00 (Information from 2020) · Café",
    "Sa ab 16 Uhr": "Today from 16:00",
    "nach <b>Absprache</b>": "Open: nach <b>Absprache</b>",
}
"""What a popup says of a text."""


def test_popup_says_what_is_certain_about_today_and_marks_the_record_s_own_words(
    chromium: Browser, tmp_path: Path
) -> None:
    rows = [
        place(number, opening_hours=text, point=(7.02 + number / 50, 50.05))
        for number, text in enumerate((*SHOWN, None))
    ]
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        holder = SnapshotHolder(store, small_territory(), min_interval_s=0.0)
        app = create_app(holder, Settings(tiles_url="off"), now=lambda: SATURDAY)
        with served(app) as base, opened(chromium, base + "/en/") as page:
            to_map(page)
            for number, said in enumerate(SHOWN.values()):
                show_place(page, f"ort-{number}")
                expect(page.locator(".popup p").nth(2)).to_have_text(said)
                own = page.locator(".popup p bdi[lang=de]").all_text_contents()
                assert own == (["Café"], [], ["nach <b>Absprache</b>"])[number]
            show_place(page, f"ort-{len(SHOWN)}")
            expect(page.locator(".popup p")).to_have_count(3)  # of unknown hours it says nothing
