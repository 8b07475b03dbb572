"""The map in Chromium: base map and backdrop, list and map linked, many places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from test_browser import DESK, PHONE, chromium, opened, show_place, to_map
from tile_server import BROKEN, HANG, NONE, Answer, TileServer, png, serve_tiles
from web_helpers import (
    app_of,
    fill,
    initiatives_of,
    place,
    served,
    small_territory,
    wait_until,
)

from geo_service.snapshot import Territory
from geo_service.store import Store
from geo_service.web.listing import ListedPage

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

Point: TypeAlias = tuple[float, float]
MAINZ: Point = (8.27, 50.0)
AHEIM: Point = (7.06, 50.04)


@contextmanager
def town(folder: Path, land: Territory, at: Point, upstream: TileServer | None) -> Iterator[str]:
    """Twelve places at one point, five around it, and one without a point."""
    lon, lat = at
    rows = [place(n, name=f"Treff {n}", point=at) for n in range(12)]
    rows += [
        place(20 + n, name=f"Haus {n}", point=(lon - 0.04 + n / 50, lat - 0.01)) for n in range(5)
    ]
    rows.append(place(40, name="Ohne Punkt", point=None))
    settings = {"tiles_url": "off"}
    if upstream is not None:
        upstream.default = Answer(png(180, 190, 185))
        settings = {
            "tiles_url": upstream.url,
            "tiles_attribution": "© Testkarte {jahr}",
            "tiles_cache": str(folder / "tiles"),
        }
    with Store(f"sqlite:///{folder / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, land, **settings)) as base:
            yield base


@pytest.fixture
def upstream() -> Iterator[TileServer]:
    with serve_tiles() as server:
        yield server


@pytest.fixture
def tiled(tmp_path: Path, upstream: TileServer) -> Iterator[str]:
    """A small Land with a base map."""
    with town(tmp_path, small_territory(), AHEIM, upstream) as base:
        yield base


@pytest.fixture
def tiled_land(tmp_path: Path, territory: Territory, upstream: TileServer) -> Iterator[str]:
    """The whole Land with a base map."""
    with town(tmp_path, territory, MAINZ, upstream) as base:
        yield base


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small Land without a base map."""
    with town(tmp_path_factory.mktemp("plain"), small_territory(), AHEIM, None) as base:
        yield base


def tiles_shown(page: Page) -> int:
    return page.locator(".map-tiles .leaflet-tile-loaded").count()


def wide_view(page: Page) -> None:
    """Show a town and its neighbours: near enough for tiles, wide enough for names."""
    show_place(page, "ort-3")
    expect(page.locator(".popup h2")).to_have_text("Treff 3", timeout=3_000)
    page.keyboard.press("Escape")
    for _ in range(3):
        page.get_by_role("button", name="Karte verkleinern").click()


# ---------------------------------------------------------------------------- base map


def test_tiles_come_near_by_with_their_note_and_the_land_below(
    chromium: Browser, tiled_land: str
) -> None:
    with opened(chromium, tiled_land) as page:
        to_map(page)
        page.wait_for_load_state("networkidle")
        assert tiles_shown(page) == 0
        expect(page.locator(".map-credit")).to_contain_text("© Testkarte 2026")
        expect(page.locator(".map-name span").first).to_be_visible()
        wide_view(page)
        expect(page.locator(".map-tiles .leaflet-tile-loaded").first).to_be_visible()
        expect(page.locator(".map-name")).to_have_count(0)  # tiles bring their names
        expect(page.locator(".leaflet-land-pane path")).to_have_count(1)
        layers = page.evaluate(
            "['land', 'tile', 'grenzen'].map((name) =>"
            " +getComputedStyle(document.querySelector(`.leaflet-${name}-pane`)).zIndex)"
        )
        assert layers == sorted(layers)


@pytest.mark.parametrize("answer", [BROKEN, NONE, HANG], ids=["broken", "none", "hanging"])
def test_without_tiles_the_map_shows_its_own_backdrop(
    chromium: Browser, tiled: str, upstream: TileServer, answer: Any
) -> None:
    upstream.default = answer
    with opened(chromium, tiled) as page:
        to_map(page)
        wide_view(page)
        expect(page.locator(".map-name span").first).to_be_visible()
        assert tiles_shown(page) == 0
        assert page.locator(".leaflet-grenzen-pane path").count() > 2


def test_map_leaves_a_failing_tile_server_alone(
    chromium: Browser, tiled: str, upstream: TileServer
) -> None:
    upstream.default = BROKEN
    with opened(chromium, tiled) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        to_map(page)
        show_place(page, "ort-3")
        expect(page.locator(".map-tiles")).to_have_count(0)
        before = sum("/kacheln/" in address for address in asked)
        for place_id in ("ort-21", "ort-23", "ort-3"):
            show_place(page, place_id)
            expect(page.locator(".popup h2")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert sum("/kacheln/" in address for address in asked) == before
        assert len(upstream.asked) <= 3


def test_tile_that_failed_once_is_asked_for_again(
    chromium: Browser, tiled: str, upstream: TileServer
) -> None:
    with opened(chromium, tiled) as page:
        failed: list[str] = []

        def once(route: Any) -> None:
            if failed:
                route.continue_()
            else:
                failed.append(route.request.url)
                route.fulfill(status=204)

        page.route("**/kacheln/**", once)
        to_map(page)
        show_place(page, "ort-3")
        expect(page.locator(".map-tiles .leaflet-tile").first).to_be_attached()
        expect(page.locator(".map-tiles .leaflet-tile:not(.leaflet-tile-loaded)")).to_have_count(0)
        assert len(failed) == 1


def test_tiles_of_another_operator_keep_their_colours(chromium: Browser, tiled: str) -> None:
    with opened(chromium, tiled, color_scheme="dark") as page:
        to_map(page)
        show_place(page, "ort-3")
        expect(page.locator(".map-tiles .leaflet-tile-loaded").first).to_be_visible()
        filtered = page.locator(".map-tiles").evaluate("(one) => getComputedStyle(one).filter")
        assert filtered == "none"


# ------------------------------------------------------------------------ list and map


def test_popup_marks_its_card_and_closing_it_unmarks(chromium: Browser, plain: str) -> None:
    with opened(chromium, plain) as page:
        to_map(page)
        show_place(page, "ort-23")
        card = page.locator("#ort-ort-23")
        expect(card).to_have_class(re.compile("card-current"))
        expect(card).to_be_in_viewport()
        show_place(page, "ort-4")
        expect(page.locator(".card-current")).to_have_count(1)
        expect(page.locator("#ort-ort-4")).to_have_class(re.compile("card-current"))
        page.keyboard.press("Escape")
        expect(page.locator(".card-current")).to_have_count(0)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_popup_leads_back_to_the_list(chromium: Browser, plain: str, size: Any) -> None:
    with opened(chromium, plain, viewport=size) as page:
        to_map(page)
        show_place(page, "ort-7")
        page.get_by_role("button", name="In der Liste zeigen").click()
        expect(page.locator("#ort-ort-7 a").first).to_be_focused()
        expect(page.locator("#ort-ort-7")).to_be_in_viewport()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_popup_leads_to_the_page_of_the_list_that_has_its_card(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: Any
) -> None:
    monkeypatch.setattr(ListedPage, "per_page", 5)
    with (
        town(tmp_path, small_territory(), AHEIM, None) as base,
        opened(chromium, base + "/?q=Treff", viewport=size) as page,
    ):
        to_map(page)
        here = page.locator(".card").evaluate_all("(all) => all.map((card) => card.id)")
        assert len(here) == 5
        last = max({f"ort-ort-{n}" for n in range(12)} - set(here))
        show_place(page, last.removeprefix("ort-"))
        page.get_by_role("link", name="In der Liste zeigen").click()
        page.wait_for_url(re.compile(rf"/\?q=Treff&seite=[23]#{last}$"))
        expect(page.locator(f"#{last}")).to_be_in_viewport()


def test_card_shows_its_mark_by_pointer_and_by_focus(chromium: Browser, plain: str) -> None:
    with opened(chromium, plain + "/?q=Haus") as page:
        to_map(page)
        expect(page.locator(".map-hint")).to_have_count(0)
        page.locator("#ort-ort-22").hover()
        expect(page.locator(".map-hint")).to_have_attribute("aria-label", re.compile("Haus 2"))
        page.locator("#ort-ort-24 a").first.focus()
        expect(page.locator(".map-hint")).to_have_attribute("aria-label", re.compile("Haus 4"))


def test_map_fits_the_places_that_were_found(chromium: Browser, plain: str) -> None:
    with opened(chromium, plain + "/?q=Haus") as page:
        to_map(page)
        expect(page.locator(".map-mark")).to_have_count(5)
        boxes = page.locator(".map-mark").evaluate_all(
            "(all) => all.map((one) => one.getBoundingClientRect().x)"
        )
        width = page.locator(".map").bounding_box()["width"]  # type: ignore[index]
        assert max(boxes) - min(boxes) > width / 4


def test_places_at_one_point_fan_out_and_each_can_be_opened(chromium: Browser, plain: str) -> None:
    with opened(chromium, plain + "/?q=Treff") as page:
        to_map(page)
        page.locator(".map .cluster").click()
        expect(page.locator(".map-mark")).to_have_count(12)
        for number in (0, 11):
            page.get_by_role("button", name=re.compile(f"^Treff {number},")).click()
            expect(page.locator(".popup h2")).to_have_text(f"Treff {number}")
            page.keyboard.press("Escape")


def test_marks_differ_by_shape_and_have_names(chromium: Browser, plain: str) -> None:
    with opened(chromium, plain + "/?q=Haus") as page:
        to_map(page)
        marks = page.locator(".map-mark")
        expect(marks).to_have_count(5)
        assert marks.locator("svg use").count() == 5
        names = marks.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
        assert sorted(names) == [f"Haus {n}, Begegnungscafé" for n in range(5)]
        titles = marks.evaluate_all("(all) => all.map((one) => one.title)")
        assert titles == names, "a screen reader would say both"


def test_mark_of_a_card_far_down_moves_the_list_alone(chromium: Browser, plain: str) -> None:
    with opened(chromium, plain + "/?q=Treff") as page:
        to_map(page)
        last = page.locator(".card").last
        expect(last).not_to_be_in_viewport()
        show_place(page, (last.get_attribute("id") or "").removeprefix("ort-"))
        expect(last).to_be_in_viewport()
        assert page.evaluate("[scrollY, document.documentElement.scrollHeight - innerHeight]") == [
            0,
            0,
        ]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_map_above_a_list_stays_in_sight_and_is_linked_to_it_both_ways(
    chromium: Browser, plain: str, size: Any
) -> None:
    with opened(chromium, plain + "/gebiete/07131", viewport=size) as page:
        page.locator(".map").scroll_into_view_if_needed()
        to_map(page)
        before = page.evaluate("scrollY")
        show_place(page, "ort-23")
        expect(page.locator("#ort-ort-23.card-current")).to_have_count(1)
        expect(page.locator(".popup")).to_be_in_viewport()
        assert page.evaluate("scrollY") == before
        page.get_by_role("button", name="In der Liste zeigen").click()
        expect(page.locator("#ort-ort-23 a").first).to_be_focused()
        page.locator("#ort-ort-21").get_by_role("button").click()
        expect(page.locator(".popup h2")).to_have_text("Haus 1")
        expect(page.locator(".popup")).to_be_in_viewport()


# -------------------------------------------------------------- a finger, a wheel, the keys


def swipe_up(page: Page, *, fingers: int = 1) -> None:
    """Move one or two fingers up over the map."""
    box = page.locator(".map").bounding_box()
    assert box is not None
    seen = page.viewport_size
    assert seen is not None
    x, y = box["x"] + 60, min(box["y"] + box["height"], seen["height"] - 60) - 20
    touch = page.context.new_cdp_session(page)

    def send(kind: str, up: float, count: int) -> None:
        points = [{"x": x + 60 * n, "y": y - up, "id": n} for n in range(count)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", 0, fingers)
    for step in range(1, 11):
        send("touchMove", 8 * step, fingers)
    send("touchEnd", 0, 0)


MARK_TOP = """() => {
  const [map, mark] = [".map", ".map .leaflet-marker-icon"].map((one) =>
    document.querySelector(one).getBoundingClientRect().top);
  return Math.round(mark - map);
}"""


@pytest.mark.parametrize(
    ("path", "size", "moves"),
    [
        ("/gebiete/07131", PHONE, "page"),
        ("/?q=Treff", PHONE, "map"),
        ("/?q=Treff", {"width": 844, "height": 390}, "map"),
        ("/?q=Treff", {"width": 640, "height": 300}, "page"),
    ],
    ids=["in a page", "whole screen", "lying phone", "low screen"],
)
def test_one_finger_moves_the_page_where_it_scrolls_and_two_the_map(
    chromium: Browser, plain: str, path: str, size: Any, moves: str
) -> None:
    with opened(chromium, plain + path, viewport=size, has_touch=True, is_mobile=True) as page:
        to_map(page)
        top = page.evaluate(MARK_TOP)
        swipe_up(page, fingers=1 if moves == "map" else 2)
        wait_until(page, f"(top) => ({MARK_TOP})() < top - 40", top)
        assert page.evaluate("scrollY") == 0
        if moves == "page":
            top = page.evaluate(MARK_TOP)
            swipe_up(page)
            wait_until(page, "() => scrollY > 20")
            assert page.evaluate(MARK_TOP) == top
            expect(page.locator(".map-reminder")).to_contain_text("zwei Fingern")
        else:
            expect(page.locator(".map-reminder")).to_have_count(0)


def test_wheel_moves_the_page_where_it_scrolls_and_with_ctrl_the_map(
    chromium: Browser, plain: str
) -> None:
    scale = ".leaflet-control-scale-line"
    with opened(chromium, plain + "/gebiete/07131") as page:
        to_map(page)
        before = page.locator(scale).inner_text()
        page.locator(".map").hover()
        page.mouse.wheel(0, 100)
        wait_until(page, "() => scrollY > 50")
        assert page.locator(scale).inner_text() == before
        expect(page.locator(".map-reminder")).to_contain_text("Strg")
        top = page.evaluate("scrollY")
        page.keyboard.down("Control")
        page.mouse.wheel(0, 400)
        page.keyboard.up("Control")
        expect(page.locator(scale)).not_to_have_text(before)
        expect(page.locator(".map-reminder")).to_have_count(0)
        assert page.evaluate("scrollY") == top
        page.goto(plain + "/?q=Treff")
        to_map(page)
        before = page.locator(scale).inner_text()
        page.locator(".map").hover()
        page.mouse.wheel(0, 400)
        expect(page.locator(scale)).not_to_have_text(before)


def test_map_that_a_phone_shows_late_is_fitted_with_motion_too(
    chromium: Browser, tiled_land: str
) -> None:
    with opened(chromium, tiled_land, viewport=PHONE, reduced_motion="no-preference") as page:
        page.wait_for_load_state("networkidle")
        to_map(page)
        expect(page.locator(".leaflet-pan-anim")).to_have_count(0)
        land = page.locator(".leaflet-land-pane path").bounding_box()
        frame = page.locator(".map").bounding_box()
        assert land is not None
        assert frame is not None
        for start, length in (("x", "width"), ("y", "height")):
            middles = [box[start] + box[length] / 2 for box in (land, frame)]  # type: ignore[literal-required]
            assert middles[0] == pytest.approx(middles[1], abs=30)
        assert land["width"] > frame["width"] / 2


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_focus_is_never_lost_with_a_popup(chromium: Browser, plain: str, motion: Any) -> None:
    with opened(chromium, plain + "/?q=Haus", reduced_motion=motion) as page:
        to_map(page)
        mark = page.get_by_role("button", name=re.compile("^Haus 2,"))
        mark.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".popup")).to_be_focused()
        page.locator(".leaflet-popup-close-button").focus()
        page.keyboard.press("Enter")
        expect(mark).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".popup")).to_be_focused()
        page.get_by_role("button", name="Karte verkleinern").focus()
        page.keyboard.press("Escape")
        expect(page.locator(".leaflet-popup")).to_have_count(0)
        expect(page.get_by_role("button", name="Karte verkleinern")).to_be_focused()


def test_focus_of_a_popup_whose_mark_goes_into_a_cluster_stays_among_the_marks(
    chromium: Browser, plain: str
) -> None:
    with opened(chromium, plain, reduced_motion="no-preference") as page:
        to_map(page)
        show_place(page, "ort-23")
        expect(page.locator(".popup")).to_be_focused()
        page.locator(".map").hover(position={"x": 40, "y": 400})
        for _ in range(4):
            page.mouse.wheel(0, 400)
            page.locator(".leaflet-zoom-anim").wait_for(state="detached")
        expect(page.locator(".leaflet-popup")).to_have_count(0)
        wait_until(page, "() => document.activeElement.closest('.leaflet-marker-pane')")


@pytest.mark.parametrize(("width", "height"), [(844, 390), (667, 375), (320, 568)])
def test_popup_on_a_low_map_stays_open_with_its_mark_in_sight(
    chromium: Browser, plain: str, width: int, height: int
) -> None:
    size = {"width": width, "height": height}
    with opened(
        chromium, plain + "/?q=Haus#karte", viewport=size, has_touch=True, is_mobile=True
    ) as page:
        to_map(page)
        mark = page.get_by_role("button", name=re.compile("^Haus 2,"))
        mark.tap()
        expect(page.locator(".popup h2")).to_be_in_viewport()
        page.wait_for_load_state("networkidle")
        expect(page.locator(".popup h2")).to_be_in_viewport()
        frame, box = page.locator(".map").bounding_box(), mark.bounding_box()
        assert frame is not None
        assert box is not None
        assert box["y"] + box["height"] <= frame["y"] + frame["height"]
        more = page.get_by_role("link", name="Mehr zu diesem Ort")
        more.scroll_into_view_if_needed()
        expect(more).to_be_in_viewport()


# -------------------------------------------------------------------------- other readers


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_without_scripts_nothing_covers_what_stands_for_the_map(
    chromium: Browser, plain: str, size: Any
) -> None:
    with opened(chromium, plain, java_script_enabled=False, viewport=size) as page:
        for path in ("/", "/gebiete/07131"):
            page.goto(plain + path)
            expect(page.locator(".map")).to_be_hidden()
            page.locator("noscript p").click(position={"x": 40, "y": 24}, trial=True)
            page.locator(".legend summary").click()
            expect(page.locator(".legend li").first).to_be_visible()


def test_note_of_the_tiles_reads_from_left_to_right_on_every_page(
    chromium: Browser, tiled: str
) -> None:
    with opened(chromium, tiled + "/ar/") as page:
        to_map(page)
        note = page.locator(".map-credit bdi").first
        expect(note).to_have_text("© Testkarte 2026")
        expect(note).to_have_attribute("lang", "de")
        expect(note).to_be_in_viewport()


def test_clusters_have_a_ground_where_colours_are_forced(chromium: Browser, plain: str) -> None:
    with opened(chromium, plain + "/?q=Treff", forced_colors="active") as page:
        to_map(page)
        ground = page.locator(".map .cluster").evaluate(
            "(one) => getComputedStyle(one).backgroundColor"
        )
        assert ground == "rgb(255, 255, 255)"


# ---------------------------------------------------------------------- list before map


def test_map_is_fetched_only_once_the_list_is_painted(chromium: Browser, tiled: str) -> None:
    hold = "window.held = []; window.requestAnimationFrame = (act) => held.push(act);"
    with opened(chromium, tiled) as page:
        to_map(page)
        page.add_init_script(hold)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload(wait_until="networkidle")
        expect(page.get_by_role("button", name="Auf der Karte zeigen").first).to_be_visible()
        assert [one for one in asked if re.search(r"leaflet[.]js|karte[.]js", one)] == []
        with page.expect_request("**/karte.js*"):
            page.evaluate("held.splice(0).forEach((act) => act())")


def test_mark_asked_for_before_there_is_a_map_is_shown_once_there_is(
    chromium: Browser, tiled: str
) -> None:
    held: list[Route] = []
    with opened(chromium, tiled, viewport=PHONE) as page:
        page.route("**/karte.js*", lambda route: held.append(route))
        with page.expect_request("**/karte.js*"):
            page.reload(wait_until="domcontentloaded")
        page.get_by_role("button", name=re.compile("Auf der Karte zeigen.* Haus 2$")).click()
        assert page.locator(".leaflet-popup").count() == 0
        held[0].continue_()
        expect(page.locator(".leaflet-popup-content h2")).to_have_text("Haus 2")


# ------------------------------------------------------------------------- many places


def test_map_is_ready_only_when_every_place_is_on_it(
    chromium: Browser, tmp_path: Path, territory: Territory
) -> None:
    seats = territory.municipalities[["seat_lon", "seat_lat"]].itertuples(index=False, name=None)
    rows = [place(n, name=f"Ort {n}", point=point) for n, point in enumerate(seats)]
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        with served(app_of(store, territory)) as base, opened(chromium, base) as page:
            to_map(page)
            numbers = page.locator(".map .cluster").all_inner_texts()
            single = page.locator(".map-mark").count()
            counted = sum(int(re.sub(r"\D", "", number)) for number in numbers) + single
            assert counted == len(rows)
