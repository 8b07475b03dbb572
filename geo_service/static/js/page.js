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
}

for (const link of switches) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(link.dataset.view ?? "list");
    const target = document.querySelector(link.hash);
    if (target instanceof HTMLElement) target.focus({ preventScroll: true });
  });
}
show(location.hash === "#karte" ? "map" : "list");
// The skip link leads to the list, which a phone hides behind the map.
document.querySelector(".skip")?.addEventListener("click", () => show("list"));

for (const button of document.querySelectorAll("[data-show]")) {
  if (!(button instanceof HTMLElement) || !container) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (!WIDE.matches) show("map");
    container.dispatchEvent(new CustomEvent("place:show", { detail: button.dataset.show }));
  });
}
