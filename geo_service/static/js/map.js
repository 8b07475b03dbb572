// What every map of ours needs, whatever it shows.

/* global L */

import { gettext, number } from "./texts.js";

const REMINDER_MS = 1500;

/** Whether the reader asked for little motion. */
export function isCalm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Make a map: without motion for readers who asked for little, and one that never holds a page
 * that scrolls.
 * @param {string} id of its container
 * @param {object} options for `L.map`
 * @returns {L.Map}
 */
export function makeMap(id, options) {
  const still = { zoomAnimation: false, fadeAnimation: false, markerZoomAnimation: false, inertia: false };
  const map = L.map(id, { ...options, ...(isCalm() && still) });
  if (isCalm()) {
    // No option of Leaflet's takes the motion out of this one, by which popups come into view.
    const { panBy } = map;
    map.panBy = (offset, given) => panBy.call(map, offset, { ...given, animate: false });
  }
  yieldToPage(map);
  // Leaflet lets the keys reach its container and tells nobody what it is.
  const container = map.getContainer();
  container.setAttribute("role", "group");
  container.setAttribute("aria-label", container.closest("[aria-label]")?.getAttribute("aria-label") ?? "");
  return map;
}

/** Whether the map is part of another page, whose scrolling it cannot know. */
function isEmbedded() {
  return document.documentElement.classList.contains("embedded");
}

/** Whether the page may scroll with the map in it. */
export function pageScrolls() {
  const { scrollHeight, clientHeight } = document.documentElement;
  return isEmbedded() || scrollHeight > clientHeight;
}

/**
 * Where the page scrolls, one finger or the wheel move the page, two fingers or Ctrl and the
 * wheel the map.
 * @param {L.Map} map
 */
function yieldToPage(map) {
  const container = map.getContainer();
  const passing = { capture: true, passive: true };
  const remind = reminder(container);
  const byWheel = (/** @type {WheelEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || !pageScrolls()) return;
    event.stopImmediatePropagation(); // Leaflet's listener stays, or it came too late for the next
    const inPopup = event.target instanceof Element && event.target.closest(".leaflet-popup");
    if (!inPopup) remind(gettext("Strg + Mausrad vergrößert die Karte"));
  };
  container.addEventListener("wheel", byWheel, passing);
  if (!window.matchMedia("(pointer: coarse)").matches) return;
  const byFinger = () => map.dragging[pageScrolls() ? "disable" : "enable"]();
  map.on("resize", byFinger);
  byFinger();
  const moved = (/** @type {TouchEvent} */ event) => {
    if (event.touches.length > 1 || map.dragging.enabled()) return;
    remind(gettext("Die Karte bewegen Sie mit zwei Fingern"));
  };
  container.addEventListener("touchmove", moved, passing);
}

/**
 * Say over the map, for a moment, what the hand could do. Keys and buttons work all the time, so
 * nobody who does not see it misses anything.
 * @param {HTMLElement} container
 * @returns {(text: string) => void}
 */
function reminder(container) {
  const line = document.createElement("p");
  line.className = "map-reminder";
  line.setAttribute("aria-hidden", "true");
  let timer = 0;
  return (text) => {
    line.textContent = text;
    container.append(line);
    clearTimeout(timer);
    timer = setTimeout(() => line.remove(), REMINDER_MS);
  };
}

/** Where lines run from right to left, what stands at one side stands at the other. */
function isMirrored() {
  return document.documentElement.dir === "rtl";
}

/** @returns {object} options for `L.control.zoom` */
export function zoomOptions() {
  return {
    position: isMirrored() ? "bottomleft" : "bottomright",
    zoomInTitle: gettext("Karte vergrößern"),
    zoomOutTitle: gettext("Karte verkleinern"),
  };
}

/** @returns {object} options for `L.control.scale`, which from then on speaks the page's language */
export function scaleOptions() {
  L.Control.Scale.include({
    _updateMetric(most) {
      const length = this._getRoundNum(most);
      // What is longer than its line reaches into the map, not beyond it.
      this._mScale.dir = isMirrored() ? "rtl" : "ltr";
      const metres = gettext("%(length)s m", { length: number(length) });
      const kilometres = gettext("%(length)s km", { length: number(length / 1000) });
      this._updateScale(this._mScale, length < 1000 ? metres : kilometres, length / most);
    },
  });
  return { position: isMirrored() ? "bottomright" : "bottomleft", imperial: false };
}

/**
 * Call `start` once, as soon as the map has a size: a phone shows the list first.
 * @param {L.Map} map
 * @param {() => void} start
 */
export function whenShown(map, start) {
  const container = map.getContainer();
  const observer = new ResizeObserver(() => {
    if (container.clientWidth === 0 || container.clientHeight === 0) return;
    observer.disconnect();
    // Told of its size at once, Leaflet glides back into its bounds, and away from what is fitted next.
    map.invalidateSize({ debounceMoveend: true });
    start();
  });
  observer.observe(container);
}

/**
 * Call `act` once: at once, or in a frame of another page when its reader turns to the map.
 * What is near by has more bytes than all else, and most readers there scroll past.
 * @param {L.Map} map
 * @param {() => void} act
 */
export function whenWanted(map, act) {
  if (!isEmbedded()) {
    act();
    return;
  }
  const kinds = ["pointerdown", "keydown", "wheel", "place:show"];
  const start = (/** @type {Event} */ event) => {
    if (event instanceof WheelEvent && !event.ctrlKey && !event.metaKey) return; // the page's
    for (const kind of kinds) map.getContainer().removeEventListener(kind, start);
    act();
  };
  for (const kind of kinds) map.getContainer().addEventListener(kind, start);
}

/**
 * Fit the map once it is shown, and keep its size true from then on: to the container's
 * `data-view` (west, south, east, north), or to bounds where it has none.
 * @param {L.Map} map
 * @param {[[number, number], [number, number]]} all south-west and north-east, latitude first
 */
export function fitWhenShown(map, all) {
  const view = (map.getContainer().dataset.view ?? "").split(",").map(Number);
  const bounds = view.length === 4 ? [[view[1], view[0]], [view[3], view[2]]] : all;
  map.fitBounds(bounds, { animate: false });
  whenShown(map, () => {
    map.fitBounds(bounds, { animate: false, padding: [4, 4] });
    new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(map.getContainer());
  });
}

/**
 * Load JSON from our own server.
 * @param {string} url
 * @returns {Promise<any>}
 */
export async function load(url) {
  const answer = await fetch(url, { credentials: "omit" });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

/**
 * Tell the reader something about the map, politely; an empty text takes it away.
 * @param {L.Map} map
 * @param {string} text
 * @param {{label: string, act: () => void}} [button]
 */
export function say(map, text, button) {
  const line = map.getContainer().parentElement?.querySelector(".map-status");
  if (!line) return;
  line.replaceChildren(document.createTextNode(text));
  if (!button) return;
  const element = document.createElement("button");
  element.type = "button";
  element.className = "quiet";
  element.textContent = button.label;
  element.addEventListener("click", button.act);
  line.append(" ", element);
}

/**
 * Read a colour of the style sheet, for what is drawn on a canvas.
 * @param {string} name of a custom property
 */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * Call `paint` now and whenever the reader switches between light and dark.
 * @param {() => void} paint
 */
export function onColours(paint) {
  paint();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}
