"""What axe-core finds on a page, and what people found where it cannot decide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from playwright.sync_api import Page
from test_browser import missing

AXE: Final = (
    Path(__file__).resolve().parents[1] / "build" / "vendor-test" / "axe-core" / "axe.min.js"
)
RULES: Final = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
"""WCAG 2.1 at A and AA, its successor's size of targets, and axe-core's best practices."""

COLOURS: Final = {"type": "rule", "values": ["color-contrast"]}
WIDTHS: Final = (1280, 390, 320)
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Looked:
    """Where axe-core cannot decide, and why a person found no barrier there.

    Colours must have a contrast of 4.5 even so, computed from the nearest painted ground.
    """

    rule: str
    where: str
    reason: str


LOOKED: Final = (
    Looked(
        "color-contrast",
        "*",
        "one character, or a text that something overlaps while the page is not scrolled",
    ),
    Looked(
        "label-content-name-mismatch",
        ".leaflet-control-zoom a, .leaflet-popup-close-button",
        "plus, minus and the cross are signs, not words: WCAG 2.5.3 is about text",
    ),
    Looked(
        "skip-link",
        '[data-view="map"] .skip',
        "on a phone the list is hidden behind the map, and shows when the link is followed",
    ),
    Looked(
        "target-size",
        ".leaflet-marker-pane [role=button]",
        "a mark stands where its place is (WCAG 2.5.8, essential), and the list has them all",
    ),
)

DECORATION: Final = ".leaflet-namen-pane"
"""Names of towns on the map: hidden from screen readers, redrawn whenever the map moves. Their
colours are computed by `name_contrasts`."""

_CONTRAST: Final = """
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parts = (colour) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  };
  const luminance = (colour) => {
    const curve = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const [red, green, blue] = parts(colour).map(curve);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (...colours) => {
    const [dark, bright] = colours.map(luminance).sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
"""

_RUN: Final = (
    """async ([only, rules, looked, decoration]) => {"""
    + _CONTRAST
    + """
  const ground = (element) => {
    let at = element;
    while (at && parts(getComputedStyle(at).backgroundColor)[3] < 1) at = at.parentElement;
    return at ? getComputedStyle(at).backgroundColor : "white";
  };
  const legible = (element) => {
    const { color, fill, stroke } = getComputedStyle(element);
    if (!element.namespaceURI.endsWith("svg")) return contrast(color, ground(element)) >= 4.5;
    const disc = element.previousElementSibling; // a number on its mark, or a text with an edge
    return contrast(fill, stroke === "none" ? getComputedStyle(disc).fill : stroke) >= 4.5;
  };
  const known = (kind, rule, element) =>
    (kind === "incomplete" || rule === "target-size") &&
    looked.some(([id, where]) => id === rule && element.matches(where)) &&
    (rule !== "color-contrast" || legible(element));
  const result = await axe.run({ exclude: [[decoration]] }, {
    rules, runOnly: only, resultTypes: ["violations", "incomplete"],
    elementRef: true, selectors: false, preload: false,
  });
  return ["violations", "incomplete"].flatMap((kind) => result[kind].flatMap(({ id, nodes }) =>
    nodes.filter(({ element }) => !known(kind, id, element))
      .map((node) => [kind, id, node.html.slice(0, 160)])));
}"""
)

_NAMES: Final = (
    "(inks) => {"
    + _CONTRAST
    + """
  const of = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  return inks.flatMap((ink) => ["--map-land", "--map-sea"].map((at) => contrast(of(ink), of(at))));
}"""
)


def barriers(
    page: Page, only: dict[str, Any] = RULES, *, without: tuple[str, ...] = ()
) -> list[list[str]]:
    """Return what is a barrier, or open and not looked at: kind, rule, markup.

    `without` names rules to leave out. The page must have axe-core (`AXE`) as an initial script.
    """
    looked = [[one.rule, one.where] for one in LOOKED]
    rules = {rule: {"enabled": False} for rule in without}
    found: list[list[str]] = page.evaluate(_RUN, [only, rules, looked, DECORATION])
    return found


def unheard(page: Page) -> list[str]:
    """Return what a screen reader cannot name, though it stops there or shows a picture.

    axe-core looks at elements with a role; here is what the browser hands to screen readers. A
    place for news must be there before the news, or many screen readers miss them.
    """
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    pictures = {node["nodeId"] for node in nodes if _role(node) == "image"}
    found = [
        str(session.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"])
        for node in nodes
        # What a picture is made of belongs to it.
        if not node["ignored"] and node.get("parentId") not in pictures and _is_unheard(node)
    ]
    session.detach()
    silent: list[str] = page.locator("[role=status]").evaluate_all(
        """(all) => all.filter((one) => one.parentElement.checkVisibility())
          .filter((one) => !one.checkVisibility()).map((one) => one.outerHTML)"""
    )
    return found + silent


def _role(node: dict[str, Any]) -> str:
    return str(node.get("role", {}).get("value", "none"))


def _is_unheard(node: dict[str, Any]) -> bool:
    role, name = _role(node), node.get("name", {}).get("value", "").strip()
    if role in {"image", "Canvas"}:
        return not name
    properties = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
    stops = properties.get("focusable") and role != "RootWebArea"
    return bool(stops) and (role in {"generic", "none"} or not name)


def bring_axe(page: Page) -> None:
    """Give axe-core to every document that the page opens from now on; skip where it is missing."""
    if not AXE.exists():
        missing("axe-core")
    page.context.add_init_script(AXE.read_text("utf-8"))


def barriers_everywhere(page: Page) -> dict[tuple[int, str], Any]:
    """Unfold everything, and return what `barriers_at_every_width` does."""
    page.evaluate("document.querySelectorAll('main details').forEach((one) => one.open = true)")
    return barriers_at_every_width(page)


def barriers_at_every_width(page: Page) -> dict[tuple[int, str], Any]:
    """Return what is a barrier by width and scheme, or ``sideways``; empty where there is none."""
    found: dict[tuple[int, str], Any] = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found[width, scheme] = barriers(page, RULES if scheme == "light" else COLOURS)
        found[width, "sideways"] = page.evaluate(
            "document.documentElement.scrollWidth > innerWidth"
        )
    return {state: what for state, what in found.items() if what}


def name_contrasts(page: Page) -> list[float]:
    """Return the contrasts of names on the map with the land and with what surrounds it."""
    found: list[float] = page.evaluate(_NAMES, ["--map-name", "--muted"])
    return found
