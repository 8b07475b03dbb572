// Between the map and the cards of the list beside it: each shows which place is meant.

/* global L */

import { pageScrolls } from "./map.js";
import { gettext } from "./texts.js";

const PREFIX = "ort-";

/** @param {string} id of a place @returns {HTMLElement|null} its card, if it is on this page */
function cardOf(id) {
  return document.getElementById(PREFIX + id);
}

/**
 * Mark the card of the place whose popup is open, and the mark of the card that is pointed at
 * or has the focus.
 * @param {L.Map} map
 * @param {(id: string) => HTMLElement|null|undefined} markOf the place's mark, or its cluster's
 */
export function linkList(map, markOf) {
  /** @type {HTMLElement|null} */
  let current = null;
  map.on("popupclose", () => current?.classList.remove("card-current"));
  map.on("popupopen", ({ popup }) => {
    current = cardOf(popup.options.placeId);
    current?.classList.add("card-current");
    // A list of its own beside the map may move; a page would take the map out of sight.
    if (current?.offsetParent && !pageScrolls()) current.scrollIntoView({ block: "nearest" });
  });

  /** @type {HTMLElement|null|undefined} */
  let hinted = null;
  const hint = (/** @type {Event} */ event) => {
    hinted?.classList.remove("map-hint");
    const card = event.target instanceof Element ? event.target.closest(".card") : null;
    hinted = card?.id.startsWith(PREFIX) ? markOf(card.id.slice(PREFIX.length)) : null;
    hinted?.classList.add("map-hint");
  };
  for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, hint);

  // Where cards could be asked for their mark before there was a map, page.js has shown these.
  for (const button of document.querySelectorAll("[data-show][hidden]")) {
    if (!(button instanceof HTMLElement)) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const container = map.getContainer();
      container.scrollIntoView({ block: "nearest" });
      container.dispatchEvent(new CustomEvent("place:show", { detail: button.dataset.show }));
    });
  }
}

/**
 * @param {string} id
 * @param {number} [number] of the place in the list, from 1
 * @returns {HTMLElement|null} what leads to the card of a place, if there is one in the list
 */
export function toList(id, number) {
  const card = cardOf(id);
  return card ? toCard(card) : toPage(id, number);
}

/**
 * @param {string} id
 * @param {number} [number]
 * @returns {HTMLElement|null} a link to the page of the list that has the card of a place
 */
function toPage(id, number) {
  const pager = /** @type {HTMLElement|null} */ (document.querySelector("[data-per-page]"));
  if (!pager || !number) return null;
  const address = new URL(location.href);
  address.searchParams.set("seite", String(Math.ceil(number / Number(pager.dataset.perPage))));
  address.hash = PREFIX + id;
  const link = document.createElement("a");
  link.href = address.href;
  link.textContent = gettext("In der Liste zeigen");
  return link;
}

/**
 * @param {HTMLElement} card
 * @returns {HTMLElement} a button that leads to it
 */
function toCard(card) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = gettext("In der Liste zeigen");
  button.addEventListener("click", () => {
    const list = /** @type {HTMLElement|null} */ (document.querySelector(".switch [data-view=list]"));
    if (!card.offsetParent) list?.click(); // on a phone the list is hidden behind the map
    const folded = card.closest("details");
    if (folded) folded.open = true;
    card.scrollIntoView({ block: "center" });
    /** @type {HTMLElement|null} */ (card.querySelector("a"))?.focus({ preventScroll: true });
  });
  return button;
}
