// The page around the map: on a phone list or map, and from a card to its mark.

const WIDE = window.matchMedia("(min-width: 64rem)");
const container = /** @type {HTMLElement|null} */ (document.querySelector(".map"));
const switches = /** @type {HTMLAnchorElement[]} */ ([...document.querySelectorAll(".switch a")]);

/**
 * Show the list or the map where there is no room for both.
 * @param {string} view "list" or "map"
 */
function show(view) {
  document.body.dataset.view = view;
  for (const link of switches) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  for (const link of document.querySelectorAll(".languages a")) {
    /** @type {HTMLAnchorElement} */ (link).hash = view === "map" ? "karte" : "";
  }
}

/** Show what the address says. */
function showAsAddressed() {
  show(location.hash === "#karte" ? "map" : "list");
}

/**
 * Show one of the two and keep it in the address, so that "back" and another language lead to it
 * again; beside it, how far down the list was read when the map took its place.
 * @param {string} view "list" or "map"
 */
function turn(view) {
  const read = document.body.dataset.view === "list" ? scrollY : (history.state?.read ?? 0);
  show(view);
  history.replaceState({ read }, "", view === "map" ? "#karte" : location.pathname + location.search);
  if (view === "list") scrollTo({ top: read, behavior: "instant" });
}

for (const link of switches) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    turn(link.dataset.view ?? "list");
    const target = document.querySelector(link.hash);
    if (target instanceof HTMLElement) target.focus({ preventScroll: true });
  });
}
showAsAddressed();
addEventListener("popstate", showAsAddressed);
// The skip link leads to the list, which a phone hides behind the map.
document.querySelector(".skip")?.addEventListener("click", () => turn("list"));

/** The place whose mark was asked for before there was a map. @type {string|undefined} */
let asked;
let mapListens = false;

/** @param {string|undefined} place */
function showPlace(place) {
  if (mapListens) container?.dispatchEvent(new CustomEvent("place:show", { detail: place }));
  else asked = place;
}

for (const button of document.querySelectorAll("[data-show]")) {
  if (!(button instanceof HTMLElement) || !container) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (!WIDE.matches) turn("map");
    showPlace(button.dataset.show);
  });
}

/** Fetch what draws the map, in its order. */
function fetchMap() {
  const late = document.querySelectorAll("script[type='text/late']");
  late.forEach((script, number) => {
    if (!(script instanceof HTMLScriptElement)) return;
    const wanted = document.createElement("script");
    wanted.type = script.dataset.type ?? "";
    wanted.async = false;
    wanted.src = script.src;
    if (number === late.length - 1) {
      wanted.addEventListener("load", () => {
        mapListens = true;
        if (asked) showPlace(asked);
      });
    }
    script.replaceWith(wanted);
  });
}

// The list is what most come for: it is painted before the map takes line and processor.
requestAnimationFrame(() => setTimeout(fetchMap));
