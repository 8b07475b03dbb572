"""A scenario in Chromium: by map, keys and forms; figures follow; back goes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from barriers import barriers_everywhere, bring_axe
from playwright.sync_api import Browser, Locator, Page, expect
from test_browser import chromium, opened
from web_helpers import (
    VECTORS,
    initiatives_of,
    place,
    served_land,
    small_territory,
    spread_places,
    wait_until,
)

from geo_service.snapshot import Territory

__all__ = ["chromium"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory, territory: Territory) -> Iterator[str]:
    """The real Land with 100 places, half of them rough."""
    places = spread_places(territory)
    with served_land(tmp_path_factory.mktemp("scenario"), places, territory) as base:
        yield base


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three squares; hostile places in Aheim, an exact one alone in Cstadt."""
    rows = [place(n, name=text) for n, text in enumerate(VECTORS)]
    rows.append(place(99, name="Allein", ags="07211000", point=(7.25, 50.05)))
    folder = tmp_path_factory.mktemp("small")
    with served_land(folder, initiatives_of(rows), small_territory()) as base:
        yield base


def ready(page: Page) -> None:
    """Wait until the map stands with its places."""
    expect(page.locator("main[data-shown][data-places]")).to_have_count(1)


def pairs(page: Page, *names: str) -> list[tuple[str, str]]:
    """Return what the address says of the scenario."""
    known = names or ("neu", "verlegt", "ohne")
    return [pair for pair in parse_qsl(urlsplit(page.url).query) if pair[0] in known]


def changes(page: Page) -> Locator:
    return page.locator("#szenario-aenderungen li[data-change]")


def button(page: Page, label: str, what: str) -> Locator:
    """Return the button of a label that says, for those who cannot see, what it is about."""
    return page.get_by_role("button", name=re.compile(rf"{label}\s*: {re.escape(what)}")).first


def free_spot(page: Page) -> tuple[float, float]:
    """Return a point of the map where an area lies and no mark."""
    page.locator("#karte_gebiete").scroll_into_view_if_needed()
    x, y = page.evaluate(
        """() => {
          const { left, top, width, height } =
            document.getElementById("karte_gebiete").getBoundingClientRect();
          for (let part = 0.3; part < 0.7; part += 0.01) {
            const at = [left + part * width, top + part * height];
            if (document.elementFromPoint(...at)?.matches("path.area")) return at;
          }
        }"""
    )
    return float(x), float(y)


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).first.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_tap_adds_a_place_and_all_figures_follow_in_the_same_page(
    chromium: Browser, land: str
) -> None:
    with opened(chromium, f"{land}/planung/szenario?ebene=gemeinde") as page:
        ready(page)
        page.evaluate(
            """() => {
              window.stillHere = true;
              const main = document.querySelector("main");
              const said = document.querySelector("#szenario-meldung").textContent;
              const seen = () => {
                window.atOnce = {
                  list: document.querySelectorAll("li[data-change]").length,
                  map: document.querySelectorAll(".mark-neu").length,
                  table: document.querySelectorAll("#zahlen tbody tr:not(.unchanged)").length > 0,
                  answer: document.querySelector("#szenario-antwort").textContent
                    .includes("Mit diesem Ort"),
                  said: document.querySelector("#szenario-meldung").textContent !== said,
                  address: new URLSearchParams(location.search).getAll("neu").length,
                };
              };
              new MutationObserver(seen).observe(main, {attributeFilter: ["data-shown"]});
            }"""
        )
        page.mouse.click(*free_spot(page))
        follows = wait_until(page, "() => window.atOnce")
        assert follows == {
            "list": 1, "map": 1, "table": True, "answer": True, "said": True, "address": 1,
        }  # fmt: skip
        assert page.evaluate("window.stillHere")
        expect(page.locator("#szenario-meldung")).to_contain_text("Mit diesem Ort")


def test_back_and_forward_walk_through_the_scenario(chromium: Browser, small: str) -> None:
    with opened(chromium, f"{small}/planung/szenario?ebene=gemeinde") as page:
        ready(page)
        for name in ("Bdorf", "Aheim"):
            button(page, "Ort hier setzen", name).click()
            expect(page.locator("#szenario-antwort")).to_contain_text("Mit dies")
            expect(changes(page).filter(has_text=f"in {name}")).to_have_count(1)
        page.go_back()
        expect(changes(page)).to_have_count(1)
        expect(page.locator(".mark-neu")).to_have_count(1)
        page.go_back()
        expect(changes(page)).to_have_count(0)
        page.go_forward()
        expect(changes(page)).to_have_count(1)
        page.locator("#szenario-titel").fill("Plan B")
        page.get_by_role("button", name="Benennen").click()
        expect(page.locator("#szenario-name")).to_contain_text("Plan B")
        page.reload()
        ready(page)
        expect(page.locator("#szenario-name")).to_contain_text("Plan B")
        expect(page.locator(".mark-neu")).to_have_count(1)
        page.get_by_role("link", name="Szenario leeren").click()
        expect(changes(page)).to_have_count(0)
        assert pairs(page, "neu", "titel") == []


def test_place_is_dragged_and_taken_back_on_the_map(chromium: Browser, small: str) -> None:
    with opened(chromium, f"{small}/planung/szenario?ebene=gemeinde&neu=7.15,50.05,Neu") as page:
        ready(page)
        page.locator(".mark-neu").scroll_into_view_if_needed()
        x, y = middle(page, ".mark-neu")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 10, y, steps=2)
        page.mouse.move(x + 30, y, steps=4)
        page.mouse.up()
        expect(page.locator("main")).not_to_have_attribute(
            "data-shown", "?ebene=gemeinde&neu=7.15,50.05,Neu"
        )
        [(name, text)] = pairs(page)
        assert name == "neu"
        assert 7.15 < float(text.split(",")[0]) < 7.3
        assert text.endswith(",Neu")
        page.locator(".mark-neu").click()
        page.locator(".popup button", has_text="Zurücknehmen").click()
        expect(changes(page)).to_have_count(0)


def test_record_of_today_is_moved_and_removed_on_the_map(chromium: Browser, small: str) -> None:
    with opened(chromium, f"{small}/planung/szenario?ebene=gemeinde") as page:
        ready(page)
        marks = page.locator(".mark-today")
        expect(marks).to_have_count(2)
        page.evaluate("window.scrollTo(0, 0)")
        alone = marks.nth(1)
        box = alone.bounding_box()
        assert box
        x, y = box["x"] + 12, box["y"] + 12
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 10, y, steps=2)
        page.mouse.move(x - 30, y, steps=4)
        page.mouse.up()
        expect(changes(page)).to_contain_text(["Verlegt: Allein"])
        assert pairs(page)[0][1].startswith("ort-99,")
        expect(marks).to_have_count(1)
        marks.first.click()
        expect(page.locator(".popup-places li")).to_have_count(len(VECTORS))
        page.locator(".popup-places li").first.get_by_role("button", name="Entfernen").click()
        expect(changes(page)).to_have_count(2)
        assert ("ohne", "ort-0") in pairs(page)
        expect(page.locator(".mark-ohne")).to_have_count(1)


def test_popup_comes_into_view_with_motion_for_those_alone_who_want_it(
    chromium: Browser, small: str
) -> None:
    panning = """() => {
      document.querySelector(".mark-today").click();
      return !!document.querySelector(".leaflet-pan-anim");
    }"""
    for motion, some in (("reduce", False), ("no-preference", True)):
        path = "/planung/szenario?ebene=gemeinde"
        with opened(chromium, small + path, reduced_motion=motion) as page:
            ready(page)
            assert page.evaluate(panning) is some
            expect(page.locator(".popup-places")).to_be_visible()


def test_keys_alone_set_move_and_take_back(chromium: Browser, small: str) -> None:
    with opened(chromium, f"{small}/planung/szenario?ebene=gemeinde") as page:
        ready(page)
        button(page, "Ort hier setzen", "Bdorf").focus()
        page.keyboard.press("Enter")
        expect(changes(page)).to_have_count(1)
        button(page, "Verlegen", "Neu").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".mark-neu")).to_be_focused()
        expect(page.locator("#szenario-meldung")).to_contain_text("Pfeiltasten")
        page.keyboard.press("ArrowUp")
        expect(page.locator("#szenario-meldung")).to_contain_text("100 m nach Norden")
        expect(page.locator("main")).to_have_attribute("data-shown", _contains("50.0509"))
        expect(page.locator(".mark-neu")).to_be_focused()
        page.keyboard.press("Shift+ArrowRight")
        expect(page.locator("#szenario-meldung")).to_contain_text("1 km nach Osten")
        expect(page.locator("main")).to_have_attribute("data-shown", _contains("neu=7.16"))
        expect(page.locator(".mark-neu")).to_be_focused()
        assert float(pairs(page)[0][1].split(",")[0]) == pytest.approx(7.164, abs=0.001)
        stops = page.evaluate(
            """() => [...document.querySelectorAll("#karte_gebiete :is(a[href], [tabindex])")]
              .filter((one) => one.tabIndex >= 0).length"""
        )
        assert stops <= 6
        button(page, "Zurücknehmen", "Neu").focus()
        page.keyboard.press("Enter")
        expect(changes(page)).to_have_count(0)
        expect(page.locator("#aenderungen-titel")).to_be_focused()


PIECES = """async () => {
  const fresh = new DOMParser().parseFromString(await (await fetch(location)).text(), "text/html");
  const written = (page) => [...page.querySelectorAll("[data-piece]")].map((piece) => {
    const copy = piece.cloneNode(true);
    for (const one of copy.querySelectorAll("[data-added]")) one.remove();
    for (const one of copy.querySelectorAll(".scenario-hint")) one.hidden = true;
    for (const one of copy.querySelectorAll("details")) one.open = false;
    for (const one of copy.querySelectorAll("tr")) {
      one.classList.remove("row-current");
      if (!one.className) one.removeAttribute("class");
    }
    return copy.outerHTML.replace(/>\\s+/g, ">").replace(/\\s+</g, "<");
  });
  return [written(document), written(fresh)];
}"""


def test_page_becomes_what_the_server_writes_and_keeps_what_is_the_same(
    chromium: Browser, small: str
) -> None:
    def same() -> None:
        shown, written = page.evaluate(PIECES)
        assert shown == written

    with opened(chromium, f"{small}/planung/szenario?ebene=gemeinde") as page:
        ready(page)
        page.locator("details.fold summary", has_text="Koordinaten").first.click()
        page.evaluate("for (const one of document.querySelectorAll('#zahlen tr')) one.stays = true")
        button(page, "Ort hier setzen", "Bdorf").click()
        expect(changes(page)).to_have_count(1)
        same()
        assert page.evaluate(
            "[...document.querySelectorAll('#zahlen tr')].every((row) => row.stays)"
        )
        assert (
            page.locator("#zahlen tbody .show-area").count()
            == page.locator("#zahlen tbody tr").count()
        )
        expect(page.locator("#szenario-breite")).to_be_visible()  # stays unfolded
        page.locator("#szenario-neu-name").fill("Plan")
        button(page, "Ort hier setzen", "Aheim").click()
        expect(changes(page)).to_have_count(2)
        same()
        expect(page.locator("#szenario-neu-name")).to_have_value("")
        button(page, "Zurücknehmen", "Neu").first.click()
        expect(changes(page)).to_have_count(1)
        same()
        page.go_back()
        expect(changes(page)).to_have_count(2)
        same()


def test_refused_change_says_why_and_leaves_the_map(chromium: Browser, small: str) -> None:
    with opened(chromium, f"{small}/planung/szenario?neu=7.15,50.05", quiet=False) as page:
        ready(page)
        page.locator(".field-row, details.fold summary", has_text="Koordinaten").first.click()
        page.locator("#szenario-breite").fill("52")
        page.locator("#szenario-laenge").fill("13,4")
        page.get_by_role("button", name="Setzen", exact=True).click()
        expect(page.locator("#szenario-meldung")).to_contain_text("ein Punkt im Land")
        expect(changes(page)).to_have_count(1)
        assert pairs(page) == [("neu", "7.15,50.05")]
        expect(page.locator("#szenario-laenge")).to_have_value("13,4")


def test_all_of_it_works_without_script(chromium: Browser, small: str) -> None:
    address = f"{small}/planung/szenario?ebene=gemeinde"
    with opened(chromium, address, java_script_enabled=False) as page:
        page.locator("#szenario-ort").fill("Bdorf")
        page.get_by_role("button", name="Setzen", exact=True).click()
        expect(changes(page)).to_contain_text(["Neuer Ort 1 in Bdorf"])
        page.locator("#szenario-finden").fill("allein")
        page.get_by_role("button", name="Suchen").click()
        button(page, "Verlegen", "Allein").click()
        page.locator("#szenario-ort").fill("Aheim")
        page.get_by_role("button", name="Dorthin verlegen").click()
        expect(changes(page)).to_have_count(2)
        button(page, "Ort hier setzen", "Cstadt").click()
        expect(changes(page)).to_have_count(3)
        button(page, "Zurücknehmen", "Neu: Neuer Ort 1 in Bdorf").click()
        expect(changes(page)).to_have_count(2)
        page.locator("#umkreis").fill("3")
        page.get_by_role("button", name="Zeigen").first.click()
        expect(changes(page)).to_have_count(2)
        assert "umkreis=3" in page.url


def test_page_has_no_barrier_that_axe_sees(chromium: Browser, land: str) -> None:
    """Both widths in both schemes, everything unfolded, a popup open; at 320 px too."""
    with opened(chromium, land, quiet=False) as page:
        bring_axe(page)
        page.goto(f"{land}/planung/szenario?neu=7.6,50.0,Neu&finden=caf&titel=Plan")
        ready(page)
        page.locator(".mark-neu").click()
        found = barriers_everywhere(page)
    assert found == {}


def test_hostile_names_stay_text(chromium: Browser, small: str) -> None:
    with opened(chromium, f"{small}/planung/szenario") as page:
        ready(page)
        page.locator("#szenario-titel").fill(VECTORS[0])
        page.get_by_role("button", name="Benennen").click()
        expect(page.locator("#szenario-name")).to_contain_text("<script>")
        page.locator("#szenario-neu-name").fill(VECTORS[7])
        page.locator("#szenario-ort").fill("Bdorf")
        page.get_by_role("button", name="Setzen", exact=True).click()
        expect(changes(page)).to_contain_text(["<img src=x"])
        page.locator(".mark-neu").click()
        expect(page.locator(".popup h2")).to_contain_text("<img src=x")
        page.keyboard.press("Escape")
        page.locator(".mark-today").first.click()
        expect(page.locator(".popup-places bdi").first).to_be_visible()
        assert page.evaluate("window.pwned") is None


def _contains(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text))
