"""Embeds on a real page of another site: frame, component and file, allowed and refused."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import pytest
from barriers import AXE, COLOURS, RULES, barriers
from flask import Flask, Response
from playwright.sync_api import Browser, Frame, Page, Route, expect
from test_browser import WATCH, chromium, missing, show_place
from test_embed import textarea, view_of
from web_helpers import (
    NOW,
    VECTORS,
    app_of,
    fill,
    initiatives_of,
    place,
    served,
    small_territory,
    wait_until,
)

from geo_service.pipeline import Workshop, import_file
from geo_service.store import Store
from geo_service.web.embed import standalone
from geo_service.web.embed.snippets import SANDBOX

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

LOUD = "* { color: red !important; font-size: 40px } iframe { border: 9px solid red !important }"
KEPT = "() => { try { return localStorage.length + sessionStorage.length } catch { return 0 } }"
"""What is kept; where the browser lets a frame keep nothing, it cannot."""
BLOCKED = "chrome-error://chromewebdata/"
FITS = "() => Math.ceil(document.body.getBoundingClientRect().height) === innerHeight"
"""Whether a frame is as high as what it shows."""


@dataclass
class Host:
    """Somebody else's site: other pages, another host name, and its own headers."""

    base: str = ""
    pages: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Host and port, as partners are listed."""
        return self.base.removeprefix("http://")

    def put(self, body: str, *, head: str = "", policy: str = "", **attributes: str) -> str:
        """Publish a page and return its address."""
        said = "".join(f' {name}="{value}"' for name, value in attributes.items())
        text = (
            f"<!doctype html><html{said or ' lang=de'}><head><meta charset=utf-8>"
            f"<title>Rathaus</title>{head}</head><body><h1>Rathaus</h1>{body}</body></html>"
        )
        path = f"/{len(self.pages)}"
        self.pages[path] = text, {"Content-Security-Policy": policy} if policy else {}
        return self.base + path


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """The other site goes by another name, so that it is another site and not only a port."""
    found = Host()
    app = Flask("rathaus", static_folder=None)

    @app.get("/<path:path>")
    def page(path: str) -> Response:
        text, headers = found.pages.get(f"/{path}", ("", {}))
        return Response(text, status=200 if text else 204, headers=headers)

    with served(app) as base:
        found.base = base.replace("127.0.0.1", "localhost")
        yield found


ROWS = [
    place(1, opening_hours="Mo-So 00:00-24:00"),
    *(place(n, city="Bdorf", ags="07131002", point=(7.1 + n / 400, 50.05)) for n in range(2, 20)),
    place(40, city="Cstadt", ags="07211000", point=(7.25, 50.05), kreis="Cstadt",
          category="Haus der Familie"),
]  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Serve places with settings of their own."""

    @contextmanager
    def serve(rows: Any = ROWS, **settings: Any) -> Iterator[str]:
        with Store(f"sqlite:///{tmp_path_factory.mktemp('embed') / 'x.db'}") as store:
            store.migrate()
            fill(store, initiatives_of(rows))
            with served(app_of(store, small_territory(), **settings)) as base:
                yield base

    return serve


@pytest.fixture(scope="module")
def site(service: Callable[..., Any]) -> Iterator[str]:
    with service() as base:
        yield base


@pytest.fixture(scope="module")
def hostile_site(service: Callable[..., Any]) -> Iterator[str]:
    rows = [
        place(n, **dict.fromkeys(("name", "organisation", "city", "opening_hours"), text),
              point=(7.02 + 0.01 * n, 50.05))
        for n, text in enumerate(VECTORS)
    ]  # fmt: skip
    with service(rows, operator=VECTORS[0]) as base:
        yield base


@contextmanager
def visited(browser: Browser, address: str, *own: str, **options: Any) -> Iterator[Page]:
    """Open a foreign page; afterwards nothing but it and `own` was asked for, nothing kept."""
    quiet = options.pop("quiet", True)
    given = {"viewport": {"width": 900, "height": 800}, "reduced_motion": "reduce"} | options
    context = browser.new_context(**given)
    requests: list[str] = []
    reports: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    context.on("console", lambda message: reports.append(message.text))
    context.on("weberror", lambda error: reports.append(str(error.error)))
    context.add_init_script(WATCH)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(address)
    yield page
    if options.get("java_script_enabled", True):
        for frame in page.frames:
            if frame.url != BLOCKED:
                assert frame.evaluate("window.violations") == []
                assert frame.evaluate("typeof window.pwned") == "undefined"
                assert frame.evaluate(KEPT) == 0
    assert context.cookies() == []
    known = (re.sub(r"(https?://[^/]+).*", r"\1/", address), *own)
    assert [one for one in requests if not one.startswith(known)] == []
    if quiet:
        assert reports == []
    context.close()


def inner(page: Page, number: int = 0) -> Frame:
    """The document of a frame, once it is there."""
    frame = page.locator("iframe").nth(number).element_handle().content_frame()
    assert frame
    frame.wait_for_url(lambda url: url not in {"", "about:blank"})
    return frame


def snippet(page: Page, site: str, name: str, query: str = "") -> str:
    """What the builder hands out."""
    return textarea(page.request.get(f"{site}/einbetten?{query}").text(), name)


def pasted(chromium: Browser, site: str, name: str, query: str = "") -> str:
    context = chromium.new_context()
    found = snippet(context.new_page(), site, name, query)
    context.close()
    return found


def component(site: str, attributes: str = "", link: str = "Zur Karte") -> str:
    return (
        f'<script type="module" src="{site}/embed/begegnungsorte-karte.js"></script>'
        f'<begegnungsorte-karte {attributes}><a href="{site}/">{link}</a></begegnungsorte-karte>'
    )


def strict(site: str) -> str:
    """The least policy of a host page that docs/embed.md names."""
    return f"default-src 'none'; script-src {site}; frame-src {site}"


def height_of(page: Page, number: int = 0) -> float:
    box = page.locator("begegnungsorte-karte iframe").nth(number).bounding_box()
    assert box
    return box["height"]


# -------------------------------------------------------------------------------- frame


def test_frame_shows_map_and_list_and_keeps_to_our_server(
    chromium: Browser, site: str, host: Host
) -> None:
    frame = pasted(chromium, site, "als-rahmen", "gebiet=07131&fest=gebiet")
    address = host.put(frame, head=f"<style>{LOUD}</style>")
    with visited(chromium, address, site) as page:
        shown = inner(page)
        expect(shown.locator(".card")).to_have_count(12)
        expect(shown.locator(".map[data-ready]")).to_be_visible()
        assert shown.evaluate("getComputedStyle(document.body).fontSize") == "16px"
        shown.locator(".card .show").first.click()
        expect(shown.locator(".popup h2")).to_have_text("Café 1")


def test_lock_holds_whatever_is_followed(chromium: Browser, site: str, host: Host) -> None:
    frame = pasted(chromium, site, "als-rahmen", "gebiet=07131&fest=gebiet&hoehe=700")
    with visited(chromium, host.put(frame), site) as page:
        shown = inner(page)
        for name in ("Weiter", "Zurück", re.compile("^Jetzt geöffnet"), "Auswahl zurücksetzen"):
            with shown.expect_navigation():
                shown.get_by_role("link", name=name).click()
            expect(shown.locator("#liste .card").first).to_be_attached()
            assert "fest-gebiet=07131" in shown.url
            assert "Cstadt" not in shown.locator("main").inner_text()
        shown.locator(".more summary").click()
        shown.get_by_label("Kreis, Stadt oder Gemeinde").select_option("07131002")
        with shown.expect_navigation():
            shown.get_by_role("button", name="Filter anwenden").click()
        assert "fest-gebiet=07131&gebiet=07131002" in shown.url
        expect(shown.locator("h2")).to_have_text("18 Orte gefunden")


def test_links_open_a_page_of_ours_outside_of_the_frame(
    chromium: Browser, site: str, host: Host
) -> None:
    frame = pasted(chromium, site, "als-rahmen")
    with visited(chromium, host.put(frame), site) as page:
        for name in ("Ganze Karte öffnen", "Café 1", "Datenschutz"):
            with page.context.expect_page() as opened:
                inner(page).get_by_role("link", name=name, exact=name == "Café 1").first.click()
            opened.value.wait_for_load_state()
            assert opened.value.url.startswith(site)
            assert opened.value.evaluate("opener") is None
            assert opened.value.evaluate("document.scripts.length >= 0")  # not sandboxed
            opened.value.close()
        assert inner(page).url.startswith(f"{site}/embed/")


@pytest.mark.parametrize("show", ["karte", "liste", "nur-karte"])
def test_focus_passes_through(chromium: Browser, site: str, host: Host, show: str) -> None:
    frame = pasted(chromium, site, "als-rahmen", f"ansicht={show}&gebiet=07131001&fest=gebiet")
    address = host.put(f"<button id=vor>vor</button>{frame}<button id=nach>nach</button>")
    with visited(chromium, address, site) as page:
        shown = inner(page)
        if show != "liste":
            expect(shown.locator(".map[data-ready]")).to_be_visible()
        for start, key, end in (("vor", "Tab", "nach"), ("nach", "Shift+Tab", "vor")):
            page.locator(f"#{start}").focus()
            for _ in range(40):
                page.keyboard.press(key)
                if page.evaluate("document.activeElement.id") == end:
                    break
            expect(page.locator(f"#{end}")).to_be_focused()


def test_wheel_over_the_map_is_the_pages(chromium: Browser, site: str, host: Host) -> None:
    frame = pasted(chromium, site, "als-rahmen", "ansicht=nur-karte&gebiet=07131&fest=gebiet")
    with visited(chromium, host.put(frame), site) as page:
        shown = inner(page)
        expect(shown.locator(".map[data-ready]")).to_be_visible()
        before = shown.locator(".leaflet-control-scale-line").inner_text()
        shown.locator(".map").hover()
        page.mouse.wheel(0, -400)
        shown.evaluate("() => new Promise((done) => setTimeout(done, 300))")
        assert shown.locator(".leaflet-control-scale-line").inner_text() == before
        page.keyboard.down("Control")
        page.mouse.wheel(0, -400)
        page.keyboard.up("Control")
        expect(shown.locator(".leaflet-control-scale-line")).not_to_have_text(before)


def test_what_is_near_by_is_asked_for_when_the_reader_turns_to_the_map(
    chromium: Browser, site: str, host: Host
) -> None:
    frame = pasted(chromium, site, "als-rahmen", "ansicht=nur-karte&gebiet=07131001&fest=gebiet")
    with visited(chromium, host.put(frame), site) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        shown = inner(page)
        expect(shown.locator(".map[data-ready]")).to_be_visible()
        shown.locator(".map").hover()
        page.mouse.wheel(0, 40)
        page.wait_for_load_state("networkidle")
        assert [one for one in asked if "gemeinde" in one] == []
        with page.expect_request(re.compile("grenzen/gemeinde")):
            shown.locator(".map").click(position={"x": 20, "y": 200})


def test_without_scripts_there_is_the_list(chromium: Browser, site: str, host: Host) -> None:
    body = pasted(chromium, site, "als-rahmen") + component(site)
    with visited(chromium, host.put(body), site, java_script_enabled=False) as page:
        page.locator("iframe").scroll_into_view_if_needed()
        shown = page.frame_locator("iframe")
        expect(shown.locator(".card").first).to_be_visible()
        expect(page.get_by_role("link", name="Zur Karte")).to_be_visible()


# ---------------------------------------------------------------------------- component


def test_component_grows_with_its_content_under_a_strict_policy(
    chromium: Browser, site: str, host: Host
) -> None:
    body = component(site, 'gebiet="07131" titel="Orte im Auenland"')
    with visited(chromium, host.put(body, policy=strict(site)), site) as page:
        expect(page.locator("begegnungsorte-karte[data-da]")).to_be_visible()
        expect(page.get_by_role("link", name="Zur Karte")).to_be_hidden()
        shown = inner(page)
        wait_until(shown, FITS)
        assert shown.evaluate("document.documentElement.scrollHeight <= innerHeight")
        assert page.locator("begegnungsorte-karte iframe").get_attribute("title") == (
            "Orte im Auenland"
        )
        before = height_of(page)
        with shown.expect_navigation():
            shown.get_by_role("link", name="Weiter").click()
        wait_until(shown, "(before) => innerHeight < before", before)
        assert "#eltern=" in shown.url


def test_styles_of_the_host_do_not_reach_the_component(
    chromium: Browser, site: str, host: Host
) -> None:
    body = component(site, 'ansicht="liste"')
    with visited(chromium, host.put(body, head=f"<style>{LOUD}</style>"), site) as page:
        expect(page.locator("begegnungsorte-karte[data-da]")).to_be_visible()
        style = "(frame) => getComputedStyle(frame).borderTopWidth"
        assert page.locator("begegnungsorte-karte iframe").evaluate(style) == "0px"


def test_two_on_one_page_are_two(chromium: Browser, site: str, host: Host) -> None:
    body = component(site, 'gebiet="07211" ansicht="liste"') + component(
        site, 'gebiet="07131" ansicht="liste" sprache="ar" farbe="#7a2e6e"'
    )
    with visited(chromium, host.put(body, policy=strict(site)), site) as page:
        page.locator("begegnungsorte-karte").nth(1).scroll_into_view_if_needed()
        expect(page.locator("begegnungsorte-karte[data-da]")).to_have_count(2)
        one, other = inner(page, 0), inner(page, 1)
        expect(one.locator(".card")).to_have_count(1)
        expect(other.locator(".card")).to_have_count(12)
        assert other.locator("html").get_attribute("dir") == "rtl"
        accent = "getComputedStyle(document.documentElement).getPropertyValue('--accent')"
        assert other.evaluate(accent) == "#7a2e6e"
        assert one.evaluate(accent) == "#00606b"
        for frame in (one, other):
            wait_until(frame, FITS)
        assert height_of(page, 0) + 200 < height_of(page, 1)


def test_host_page_may_run_from_right_to_left(chromium: Browser, site: str, host: Host) -> None:
    body = component(site, 'gebiet="07131"') + pasted(chromium, site, "als-rahmen")
    address = host.put(body, lang="ar", dir="rtl")
    with visited(chromium, address, site, viewport={"width": 320, "height": 700}) as page:
        expect(page.locator("begegnungsorte-karte[data-da]")).to_be_visible()
        assert inner(page).locator("html").get_attribute("dir") == "ltr"
        for frame in page.frames:
            assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_change_of_attributes_is_followed(chromium: Browser, site: str, host: Host) -> None:
    with visited(
        chromium, host.put(component(site, 'gebiet="07131" ansicht="liste"')), site
    ) as page:
        expect(inner(page).locator(".card")).to_have_count(12)
        page.locator("begegnungsorte-karte").evaluate(
            "(one) => { one.setAttribute('gebiet', '07211'); one.setAttribute('hoehe', '300'); }"
        )
        expect(page.frame_locator("iframe").locator(".card")).to_have_count(1)
        expect(page.locator("begegnungsorte-karte iframe")).to_have_css("height", "300px")


def test_an_empty_lock_of_the_component_shows_no_place(
    chromium: Browser, site: str, host: Host
) -> None:
    """As a template writes it whose variable is empty."""
    body = component(site, 'gebiet="" ansicht="liste"')
    with visited(chromium, host.put(body), site, quiet=False) as page:
        frame = page.frame_locator("iframe")
        expect(frame.get_by_text("„fest-gebiet“ ist leer")).to_be_visible()
        expect(frame.locator(".card")).to_have_count(0)


@pytest.mark.parametrize("name", ["fest-gebiet", "gebiet-fest", "festgebiet", "auswahl_art"])
def test_a_misspelt_lock_of_the_component_shows_no_place(
    chromium: Browser, site: str, host: Host, name: str
) -> None:
    body = component(site, f'{name}="07131" ansicht="liste" data-art="1" class="karte" id="art"')
    with visited(chromium, host.put(body), site, quiet=False) as page:
        frame = page.frame_locator("iframe")
        expect(frame.get_by_text(f"„Attribut {name}“ gibt es hier nicht")).to_be_visible()
        expect(frame.locator(".card")).to_have_count(0)


def test_component_shows_two_areas(chromium: Browser, site: str, host: Host) -> None:
    body = component(site, 'gebiet="07131001, 07211" ansicht="liste" class="karte"')
    with visited(chromium, host.put(body, policy=strict(site)), site) as page:
        frame = page.frame_locator("iframe")
        expect(frame.locator("h1")).to_have_text("Aheim, Cstadt (Stadt)")
        expect(frame.locator(".card")).to_have_count(2)


ATTRIBUTES = ("gebiet", "art", "thema", "auswahl-gebiet", "auswahl-art", "auswahl-thema", "farbe",
              "start", "partner", "ansicht", "sprache", "hoehe", "titel")  # fmt: skip
HOSTILE = (*VECTORS, "../../evil", "//evil.example/", "https://evil.example/", "a&fest-art=haus",
           "#eltern=https://evil.example", "?x=1#y", "%00", "\n\t\r", "\\\\evil.example",
           "srcdoc=x", "1e9", "-1", "NaN", "Infinity")  # fmt: skip


def test_hostile_attributes_of_the_component_are_values(
    chromium: Browser, site: str, host: Host
) -> None:
    """Written into the page escaped, as its author must: whatever they say, the frame is ours."""
    body = "".join(
        component(
            site, " ".join(f'{name}="{html.escape(text)}"' for name in ATTRIBUTES), link="Karte"
        )
        for text in HOSTILE
    )
    plain = "".join(component(site, f'ansicht="liste" titel="{html.escape(text)}"')
                    for text in VECTORS[:3])  # fmt: skip
    with visited(chromium, host.put(body + plain, policy=strict(site)), site, quiet=False) as page:
        wait_until(
            page,
            "(count) => [...document.querySelectorAll('begegnungsorte-karte')]"
            ".filter((one) => one.shadowRoot?.querySelector('iframe')).length === count",
            len(HOSTILE) + 3,
        )
        found = page.locator("begegnungsorte-karte").evaluate_all(
            """(all) => all.map((one) => ({
              inside: [...one.shadowRoot.querySelectorAll("*")].map((part) => part.localName),
              names: one.shadowRoot.querySelector("iframe").getAttributeNames().sort(),
              title: one.shadowRoot.querySelector("iframe").title,
              height: one.shadowRoot.querySelector("iframe").height,
              sandbox: one.shadowRoot.querySelector("iframe").getAttribute("sandbox"),
              src: one.shadowRoot.querySelector("iframe").src,
            }))"""
        )
        for one, text in zip(found, (*HOSTILE, *VECTORS[:3]), strict=True):
            address = urlsplit(one["src"])
            assert f"{address.scheme}://{address.netloc}" == site
            assert address.path in {"/embed/karte", "/embed/liste"}
            assert parse_qs(address.fragment) == {"eltern": [host.base]}
            names = {name for name, _ in parse_qsl(address.query, keep_blank_values=True)}
            assert names <= {"fest-gebiet", "fest-art", "fest-thema", "gebiet", "art", "thema",
                             "farbe", "start", "partner"}  # fmt: skip
            assert one["inside"] == ["slot", "iframe"]
            assert one["names"] == [
                "height",
                "loading",
                "referrerpolicy",
                "sandbox",
                "src",
                "title",
            ]
            assert one["sandbox"] == SANDBOX
            assert 0 < float(one["height"]) <= 20_000
            assert one["title"] == text or not text.strip()
        for number in range(len(found)):
            page.locator("begegnungsorte-karte").nth(number).scroll_into_view_if_needed()
            shown = inner(page, number)
            assert shown.url.startswith(f"{site}/embed/")


LISTENER = (
    "<script>window.heard = []; addEventListener('message', (event) =>"
    " window.heard.push([event.origin, JSON.stringify(event.data)]));</script>"
)


def test_height_reaches_the_page_around_and_none_further_out(
    chromium: Browser, site: str, host: Host
) -> None:
    """Somebody frames the host's page, and names itself to our frame as well."""
    wrong = f"{site}/embed/liste#eltern={quote(host.base, safe='')}"
    middle = host.put(f'<iframe src="{wrong}"></iframe>', head=LISTENER)
    middle = middle.replace("localhost", "127.0.0.1")  # another origin than the page around it
    outer = host.put(f'<iframe src="{middle}"></iframe>', head=LISTENER)
    with visited(chromium, outer, site, middle) as page:
        around = inner(page)
        wait_until(around, "() => window.heard.length > 0")
        assert {origin for origin, _ in around.evaluate("window.heard")} == {site}
        assert page.evaluate("window.heard") == []


@pytest.mark.parametrize("said", ["", "https://evil.example", "javascript:1", "null", "*", "ours"])
def test_a_browser_that_names_no_origin_sends_to_the_one_that_was_said(
    chromium: Browser, site: str, host: Host, said: str
) -> None:
    """As in Firefox: `location.ancestorOrigins` is taken away from the script."""
    fragment = f"#eltern={quote(host.base if said == 'ours' else said, safe='')}" if said else ""
    frame = f'<iframe src="{site}/embed/liste{fragment}" referrerpolicy="no-referrer"></iframe>'
    context = chromium.new_context()
    page = context.new_page()
    loaded: list[str] = []

    def without_origins(route: Route) -> None:
        answer = route.fetch()
        assert "location.ancestorOrigins" in answer.text()
        loaded.append(route.request.url)
        route.fulfill(response=answer, body=answer.text().replace("ancestorOrigins", "nothing"))

    page.route("**/static/js/embed.js*", without_origins)
    page.goto(host.put(frame, head=LISTENER))
    shown = inner(page)
    shown.wait_for_load_state("networkidle")
    assert loaded
    assert bool(page.evaluate("window.heard.length")) is (said == "ours")
    context.close()


def test_frame_tells_its_height_and_nothing_else(chromium: Browser, site: str, host: Host) -> None:
    """A host's own script hears the same, from us alone; a wrong fragment changes nothing."""
    address = f"{site}/embed/liste?fest-gebiet=07131#eltern=https%3A%2F%2Fevil.example"
    with visited(
        chromium, host.put(f'<iframe src="{address}"></iframe>', head=LISTENER), site
    ) as page:
        wait_until(page, "() => window.heard.length > 0")
        shown = inner(page)
        shown.locator(".card a").first.hover()
        for origin, data in page.evaluate("window.heard"):
            assert origin == site
            assert json.loads(data) == {
                "begegnungsorte": "hoehe",
                "hoehe": json.loads(data)["hoehe"],
            }


def test_messages_of_others_do_not_move_the_component(
    chromium: Browser, site: str, host: Host
) -> None:
    with visited(chromium, host.put(component(site, 'ansicht="liste"')), site) as page:
        expect(page.locator("begegnungsorte-karte[data-da]")).to_be_visible()
        before = height_of(page)
        page.evaluate("postMessage({ begegnungsorte: 'hoehe', hoehe: 5000 }, '*')")
        page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
        assert height_of(page) == before


# -------------------------------------------------------------------------- who may frame


def framed(site: str, path: str, policy: str = "strict-origin", *, sandbox: bool = False) -> str:
    limits = f' sandbox="{SANDBOX}"' if sandbox else ""
    return f'<iframe src="{html.escape(site + path)}" referrerpolicy="{policy}"{limits}></iframe>'


@pytest.mark.parametrize("path", ["/", "/orte/ort-1", "/gebiete/07131", "/einbetten", "/planung",
                                  "/planung/standorte", "/uk/", "/nix", "/?partner=rathaus",
                                  "/api/", "/api/v1", "/api/v1/nix", "/healthz",
                                  "/embed/orte.geojson"])  # fmt: skip
def test_nobody_frames_our_own_pages(chromium: Browser, site: str, host: Host, path: str) -> None:
    with visited(chromium, host.put(framed(site, path)), site, "chrome-error", quiet=False) as page:
        page.wait_for_load_state("networkidle")
        assert [frame.url for frame in page.main_frame.child_frames] == [BLOCKED]


@pytest.fixture(scope="module")
def partner_sites(service: Callable[..., Any], host: Host) -> Iterator[Mapping[bool, str]]:
    """A service that everyone may embed, and one for partners only."""
    partners = json.dumps({"rathaus": [host.name], "andere": ["www.andere.example"]})
    with (
        service(embed_partners=partners) as free,
        service(embed_partners=partners, embed_only_partners=True) as only,
    ):
        yield {False: free, True: only}


REFUSED = "Diese Website darf die Karte nicht einbinden."
UNKNOWN = "Den Schlüssel in ihrer Adresse kennen wir nicht."


@pytest.mark.parametrize(
    ("only", "query", "policy", "seen"),
    [
        (False, "", "strict-origin", "card"),
        (False, "", "no-referrer", "card"),
        (False, "?partner=rathaus", "strict-origin", "card"),
        (False, "?partner=rathaus", "no-referrer", "card"),
        (False, "?partner=andere", "strict-origin", REFUSED),
        (False, "?partner=andere", "no-referrer", BLOCKED),
        (False, "?partner=nix", "strict-origin", UNKNOWN),
        (False, "?partner=nix", "no-referrer", UNKNOWN),
        (True, "", "strict-origin", REFUSED),
        (True, "", "no-referrer", REFUSED),
        (True, "?partner=rathaus", "strict-origin", "card"),
        (True, "?partner=rathaus", "no-referrer", "card"),
        (True, "?partner=andere", "strict-origin", REFUSED),
        (True, "?partner=andere", "no-referrer", BLOCKED),
        (True, "?partner=nix", "strict-origin", UNKNOWN),
        (True, "?partner=nix", "no-referrer", UNKNOWN),
    ],
)
@pytest.mark.parametrize("sandbox", [False, True], ids=["plain", "sandboxed"])
def test_only_listed_sites_frame_us(
    chromium: Browser,
    partner_sites: Mapping[bool, str],
    host: Host,
    only: bool,
    query: str,
    policy: str,
    seen: str,
    sandbox: bool,
) -> None:
    base = partner_sites[only]
    frame = framed(base, f"/embed/liste{query}", policy, sandbox=sandbox)
    address = host.put(frame, policy=f"default-src 'none'; frame-src {base}")
    with visited(chromium, address, base, "chrome-error", quiet=False) as page:
        page.wait_for_load_state("networkidle")
        frame = page.main_frame.child_frames[0]
        assert (frame.url == BLOCKED) is (seen == BLOCKED)
        if seen == "card":
            expect(frame.locator(".card").first).to_be_attached()
        elif seen != BLOCKED:
            expect(frame.get_by_text(seen)).to_be_attached()
            expect(frame.locator(".card")).to_have_count(0)
            expect(frame.get_by_role("link", name="Ganze Karte öffnen")).to_be_attached()


@pytest.mark.parametrize(
    ("only", "key", "seen"),
    [
        (False, "", "card"),
        (False, "rathaus", "card"),
        (False, "andere", REFUSED),
        (False, "nix", UNKNOWN),
        (True, "", REFUSED),
        (True, "rathaus", "card"),
        (True, "andere", REFUSED),
        (True, "nix", UNKNOWN),
    ],
)
def test_component_is_shown_where_it_may_be_and_leaves_the_link_elsewhere(
    chromium: Browser,
    partner_sites: Mapping[bool, str],
    host: Host,
    only: bool,
    key: str,
    seen: str,
) -> None:
    base = partner_sites[only]
    attributes = f'ansicht="liste" partner="{key}"' if key else 'ansicht="liste"'
    address = host.put(component(base, attributes), policy=strict(base))
    with visited(chromium, address, base, "chrome-error", quiet=False) as page:
        shown, link = page.frame_locator("iframe"), page.get_by_role("link", name="Zur Karte")
        if seen == "card":
            expect(shown.locator(".card").first).to_be_attached()
            expect(link).to_be_hidden()
        else:
            expect(shown.get_by_text(seen)).to_be_visible()
            expect(shown.locator(".card")).to_have_count(0)
            expect(link).to_be_visible()


def test_frame_of_the_real_land_is_small_on_the_wire(
    chromium: Browser, workshop: Workshop, example_file: Path, host: Host
) -> None:
    """All that the browser receives for map and list of every example record, heads included."""
    import_file(example_file, workshop, today=NOW.date())
    with (
        workshop.store as store,
        served(app_of(store, workshop.territory)) as base,
        visited(chromium, host.put("<p>leer</p>"), base) as page,
    ):
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda one: sizes.append(one["encodedDataLength"]))
        page.goto(f"{base}/embed/karte")
        expect(page.locator(".map[data-ready]")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert len(sizes) > 5
        assert sum(sizes) < 200_000


# --------------------------------------------------------------------------- hostile text


def test_record_text_is_text_in_frames(chromium: Browser, hostile_site: str, host: Host) -> None:
    body = component(hostile_site, link="&lt;img src=x onerror=window.pwned=1&gt;")
    with visited(chromium, host.put(body), hostile_site) as page:
        shown = inner(page)
        expect(shown.locator(".map[data-ready]")).to_be_visible()
        titles = shown.locator(".card h4 a").all_text_contents()
        assert set(titles) <= set(VECTORS)
        for number, text in enumerate(VECTORS):
            shown.evaluate(
                "(id) => document.querySelector('.map')"
                ".dispatchEvent(new CustomEvent('place:show', { detail: id }))",
                f"ort-{number}",
            )
            wait_until(
                shown, "(text) => document.querySelector('.popup h2')?.textContent === text", text
            )


def test_pasted_list_is_text(chromium: Browser, hostile_site: str, host: Host) -> None:
    with visited(chromium, host.put(pasted(chromium, hostile_site, "als-liste"))) as page:
        assert sorted(page.locator("li a").all_text_contents()) == sorted(VECTORS)
        assert page.evaluate("document.scripts.length") == 0
        assert page.evaluate("typeof window.pwned") == "undefined"


# ------------------------------------------------------------------------------- the file


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        place(n, **dict.fromkeys(("name", "organisation", "city", "opening_hours"), text),
              point=(7.02 + 0.01 * n, 50.05))
        for n, text in enumerate(VECTORS)
    ]  # fmt: skip
    view = view_of(rows)
    area = standalone.read_area(view, "07131")
    made = standalone.StandaloneMap(view, area, name=VECTORS[0], public_url="https://x.example")
    out = tmp_path_factory.mktemp("file") / "karte.html"
    out.write_bytes(made.html())
    return out


@pytest.mark.parametrize("offline", [True, False], ids=["from disk", "from another site"])
def test_file_works_without_a_network(
    chromium: Browser, hostile_file: Path, host: Host, offline: bool
) -> None:
    host.pages["/karte.html"] = hostile_file.read_text("utf-8"), {}
    address = hostile_file.as_uri() if offline else f"{host.base}/karte.html"
    context = chromium.new_context(offline=offline, viewport={"width": 900, "height": 700})
    requests: list[str] = []
    reports: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    context.on("console", lambda message: reports.append(message.text))
    context.on("weberror", lambda error: reports.append(str(error.error)))
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".map[data-ready]")).to_be_visible()
    assert page.locator(".card h3").all_text_contents() == [
        text for _, text in sorted(enumerate(VECTORS), key=lambda one: names(page).index(one[1]))
    ]
    for number, text in enumerate(VECTORS):
        show_place(page, f"ort-{number}")
        wait_until(
            page, "(text) => document.querySelector('.popup h2')?.textContent === text", text
        )
    link = page.get_by_role("link", name="Mehr zu diesem Ort")
    assert link.get_attribute("href") == f"https://x.example/orte/ort-{len(VECTORS) - 1}"
    assert page.evaluate("typeof window.pwned") == "undefined"
    assert page.evaluate("window.violations") == []
    assert reports == []
    assert [one for one in requests if not one.startswith("data:")] == [address]
    context.close()


def names(page: Page) -> list[str]:
    return page.locator(".card h3").all_text_contents()


def test_two_files_stand_in_frames_of_one_page(
    chromium: Browser, hostile_file: Path, host: Host
) -> None:
    host.pages["/karte.html"] = hostile_file.read_text("utf-8"), {}
    frame = '<iframe src="/karte.html" width="600" height="500"></iframe>'
    with visited(chromium, host.put(frame * 2)) as page:
        for number in (0, 1):
            expect(inner(page, number).locator(".map[data-ready]")).to_be_visible()


# -------------------------------------------------------------------------------- barriers


@pytest.fixture(scope="module")
def reader(chromium: Browser) -> Iterator[Page]:
    if not AXE.exists():
        missing("axe-core")
    context = chromium.new_context(reduced_motion="reduce", locale="de-DE")
    context.add_init_script(WATCH)
    context.add_init_script(AXE.read_text("utf-8"))
    yield context.new_page()
    context.close()


def found(
    page: Page, address: str, widths: tuple[int, ...], *, without: str = "none"
) -> Mapping[Any, Any]:
    """What is a barrier in both schemes, and where the page scrolls sideways.

    `without` names what is taken out before: frames are looked at by themselves.
    """
    page.goto(address)
    page.locator(without).evaluate_all("(all) => all.forEach((one) => one.remove())")
    result: dict[Any, Any] = {}
    for width in widths:
        page.set_viewport_size({"width": width, "height": 700})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            result[width, scheme] = barriers(page, RULES if scheme == "light" else COLOURS)
        sideways = "document.documentElement.scrollWidth > innerWidth"
        result[width, "sideways"] = page.evaluate(sideways)
    return {state: what for state, what in result.items() if what}


@pytest.mark.parametrize("code", ["de", "ar"])
@pytest.mark.parametrize(
    "path",
    [
        "karte",
        "liste?fest-gebiet=07131&farbe=7a2e6e",
        "nur-karte?fest-art=haus",
        "karte?gebiet=07131&art=haus",
        "karte?partner=nix",
        "karte?farbe=ffcc00",
    ],
)
def test_embed_has_no_barrier(reader: Page, site: str, code: str, path: str) -> None:
    assert found(reader, f"{site}/{code}/embed/{path}", (280, 600)) == {}


def test_frames_have_no_barrier_in_their_page(
    reader: Page, chromium: Browser, site: str, host: Host
) -> None:
    body = pasted(chromium, site, "als-rahmen") + component(site, 'gebiet="07131"')
    reader.goto(host.put(f"<main>{body}</main>").replace("<body>", "<body>"))
    expect(reader.locator("begegnungsorte-karte[data-da]")).to_be_visible()
    assert [
        one for one in barriers(reader) if one[1] in {"frame-title", "frame-title-unique"}
    ] == []


@pytest.mark.parametrize("query", ["", "?gebiet=07131&fest=gebiet", "?farbe=%23ffcc00"])
def test_builder_has_no_barrier(reader: Page, site: str, query: str) -> None:
    assert found(reader, f"{site}/einbetten{query}", (320, 1280), without="iframe") == {}


def test_file_has_no_barrier(chromium: Browser, hostile_file: Path) -> None:
    """The policy of the file keeps axe-core out; without it, the file is the same."""
    if not AXE.exists():
        missing("axe-core")
    context = chromium.new_context(bypass_csp=True)
    context.add_init_script(AXE.read_text("utf-8"))
    page = context.new_page()
    assert found(page, hostile_file.as_uri(), (280, 900)) == {}
    context.close()


# ------------------------------------------------------------------------------- builder


def test_preview_and_snippets_follow_the_form(chromium: Browser, site: str) -> None:
    with visited(chromium, f"{site}/einbetten", permissions=["clipboard-read", "clipboard-write"],
                 quiet=False) as page:  # fmt: skip
        page.get_by_label("Gebiet", exact=True).select_option("07211")
        page.get_by_label("Fest: Besucher können das Gebiet nicht verlassen").check()
        expect(page).to_have_url(re.compile("gebiet=07211&fest=gebiet"))
        page.locator("iframe.preview").scroll_into_view_if_needed()
        expect(page.frame_locator("iframe.preview").locator(".card")).to_have_count(1)
        page.locator("[data-copy=als-rahmen]").click()
        expect(page.get_by_text("Kopiert.")).to_have_count(1)
        copied = page.evaluate("navigator.clipboard.readText()")
        assert f'src="{site}/embed/karte?fest-gebiet=07211"' in copied
        page.get_by_label("Höhe in Pixeln").fill("12")
        page.get_by_label("Höhe in Pixeln").press("Tab")
        expect(page.locator("#ergebnis .warn")).to_contain_text("von 280 bis 2000")
