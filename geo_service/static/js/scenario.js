// What if: places are added, moved and removed on the map and by forms. Every change is an
// address; the server answers it with figures and the pieces of the page that differ.
// Every word comes with the data or stands on the page. Without this script the forms do it all.

/* global L */

import { load } from "./map.js";
import { renew } from "./renew.js";

const DIGITS = 5;
/** Metres of an arrow key, and with Shift. */
const STEP_M = 100;
const LEAP_M = 1000;
const METRES_PER_DEGREE = 111_320;
/** How long the arrow keys rest before the figures follow. */
const REST_MS = 200;
/** A second tap within so long is none. */
const DOUBLE_MS = 400;
/** More places of today are not drawn at once. */
const MANY = 600;
/** From this zoom on (about a Kreis) they can be touched; further out they would catch every tap. */
const NEAR_ZOOM = 9;

const page = /** @type {HTMLElement} */ (document.querySelector("[data-scenario-page]"));
const line = /** @type {HTMLElement} */ (document.getElementById("szenario-meldung"));

/** The address that is shown, and what the server said to it last. */
let query = location.search;
/** @type {any} */
let last;
/** @type {((fresh: any) => void)|undefined} */
let redraw;
let asking = new AbortController();

/** @param {string} text for the reader, spoken politely */
function say(text) {
  line.textContent = text;
}

// --------------------------------------------------------------------------- addresses

/**
 * Ask for the figures of an address, and show them with all that differs.
 * @param {string} wanted query string
 * @param {{push?: boolean, said?: string, focus?: string}} [how] `push`: a step that goes back;
 *   `focus`: what is focused then
 */
async function go(wanted, { push = true, focus = "" } = {}) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  page.setAttribute("aria-busy", "true");
  let fresh;
  try {
    const answer = await fetch(page.dataset.scenarioValues + wanted, { signal, credentials: "omit" });
    fresh = await answer.json();
  } catch (error) {
    if (signal.aborted) return;
    fresh = { problem: last?.words.failed ?? String(error) };
  }
  if (signal.aborted) return;
  page.removeAttribute("aria-busy");
  if (fresh.problem) {
    say(fresh.problem);
    redraw?.(last);
    return;
  }
  last = fresh;
  query = fresh.query;
  if (push) history.pushState(null, "", page.dataset.scenarioPage + query);
  const held = document.activeElement?.closest("[data-piece]") ? document.activeElement : undefined;
  exchange(fresh.html);
  say(fresh.said);
  redraw?.(fresh);
  // Last, for both wait for the layout: with what comes after it would be made a second time.
  if (focus || held) refocus(focus || held.id);
  for (const box of page.querySelectorAll("[data-piece] .table-scroll")) box.scrollTop = 0;
  page.dataset.shown = query;
}

/**
 * Put into the pieces of the page what is new.
 * @param {string} html written by our server, every text of others escaped
 */
function exchange(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  for (const piece of box.content.querySelectorAll("[data-piece]")) {
    const old = document.getElementById(piece.id);
    if (old) renew(old, piece);
  }
  prepare();
}

/** @param {string} id what had the focus; where it is gone or has no id, the changes have it */
function refocus(id) {
  const found = (id && document.getElementById(id)) || document.getElementById("aenderungen-titel");
  found?.focus({ preventScroll: true });
}

/** @param {(parameters: URLSearchParams) => void} edit @returns {string} another query string */
function changed(edit) {
  const parameters = new URLSearchParams(query);
  parameters.delete("seite");
  edit(parameters);
  return `?${parameters}`;
}

/** @param {L.LatLng} at @returns {string} longitude first */
const point = ({ lat, lng }) => `${lng.toFixed(DIGITS)},${lat.toFixed(DIGITS)}`;

/** @type {Promise<void>} */
let lastChange = Promise.resolve();

/**
 * Change the scenario, once the answer to the change before is there.
 * @param {(parameters: URLSearchParams) => void} edit
 */
function change(edit) {
  const run = () => go(changed(edit));
  lastChange = lastChange.then(run, run);
}

const add = (at) => change((known) => known.append("neu", point(at)));
const remove = (id) => change((known) => known.append("ohne", id));
const undo = (number) => change((known) => known.append("zuruecknehmen", String(number)));

/**
 * Set a changed place, or one of today, somewhere else.
 * @param {{id: string, pair?: [string, string], name?: string}} place
 * @param {L.LatLng} at
 */
function move(place, at) {
  change((known) => {
    if (place.pair) drop(known, place.pair);
    if (place.pair?.[0] === "neu") {
      const [, , ...name] = place.pair[1].split(",");
      known.append("neu", [point(at), ...name].join(","));
    } else {
      known.append("verlegt", `${place.id},${point(at)}`);
    }
  });
}

/** Take one pair away, the first of equal ones. */
function drop(known, [name, value]) {
  const kept = known.getAll(name);
  const at = kept.indexOf(value);
  if (at >= 0) kept.splice(at, 1);
  known.delete(name);
  for (const one of kept) known.append(name, one);
}

// ------------------------------------------------------------------------ forms and links

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.matches("form[data-scenario]")) return;
  event.preventDefault();
  const data = new FormData(form, /** @type {SubmitEvent} */ (event).submitter);
  const wanted = new URLSearchParams();
  for (const [name, value] of data) if (value !== "") wanted.append(name, String(value));
  go(`?${wanted}`);
});

document.addEventListener("click", (event) => {
  const link = /** @type {HTMLElement} */ (event.target).closest("a[data-scenario]");
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.search);
});

window.addEventListener("popstate", () => go(location.search, { push: false }));

// --------------------------------------------------------------------------------- map

/** What stands on the map and belongs to the page: prepared anew with every exchange. */
let prepare = () => {};

page.addEventListener("areas:drawn", (event) => {
  const { detail: drawn } = /** @type {CustomEvent} */ (event);
  const { map } = drawn;
  last = drawn.figures;
  let tapped = -Infinity;
  const tap = (at) => {
    const now = performance.now();
    if (now - tapped > DOUBLE_MS) add(at);
    tapped = now;
  };
  map.doubleClickZoom.disable();
  drawn.tap = tap;
  map.on("click", ({ latlng }) => tap(latlng));
  const marks = L.layerGroup().addTo(map);
  const today = L.layerGroup().addTo(map);
  const places = placesOfToday(map, today);
  /** @type {Map<number, L.Marker>} */
  let markers = new Map();

  const show = (fresh) => {
    marks.clearLayers();
    markers = new Map();
    for (const change of fresh.changes) {
      if (change.lat === null) continue;
      const marker = markerOf(map, change, fresh.words).addTo(marks);
      markers.set(change.number, marker);
    }
    places.show(fresh);
  };
  redraw = (fresh) => {
    map.closePopup();
    lifted?.remove();
    drawn.update(fresh);
    show(fresh);
    keepSelected(fresh, markers);
  };
  prepare = () => {
    for (const hint of page.querySelectorAll(".scenario-hint")) hint.hidden = false;
    for (const item of page.querySelectorAll("li[data-change]")) {
      const change = last.changes[Number(/** @type {HTMLElement} */ (item).dataset.change)];
      item.querySelector(".select")?.remove();
      if (!change || change.kind === "ohne") continue;
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.added = "";
      button.className = "button quiet select";
      button.textContent = last.words.move;
      const name = document.createElement("span");
      name.className = "sr";
      name.textContent = `: ${change.text}`;
      button.append(name);
      button.addEventListener("click", () => select(map, markers.get(change.number)));
      item.append(button);
    }
  };
  prepare();
  show(drawn.figures);
  load(page.dataset.scenarioPlaces ?? "").then(
    (found) => places.set(found, last),
    (error) => console.warn(String(error)),
  );
  page.dataset.shown = query;
});

/** The place that the arrow keys have just moved, to be focused again with the answer. */
let selected = "";

/**
 * Give the arrow keys to a marker.
 * @param {L.Map} map
 * @param {L.Marker|undefined} marker
 */
function select(map, marker) {
  if (!marker) return;
  map.getContainer().scrollIntoView({ block: "nearest" });
  if (!map.getBounds().contains(marker.getLatLng())) map.panTo(marker.getLatLng(), { animate: false });
  marker.getElement()?.focus({ preventScroll: true });
  say(last.words.drag);
}

/** After an answer, the marker that was moved by keys has the focus again. */
function keepSelected(fresh, markers) {
  if (!selected) return;
  const found = fresh.changes.find((one) => one.lat !== null && key(one) === selected);
  markers.get(found?.number)?.getElement()?.focus({ preventScroll: true });
  selected = "";
}

const key = (change) => `${change.kind}${change.id}${Number(change.lon).toFixed(DIGITS)},${Number(change.lat).toFixed(DIGITS)}`;

/**
 * @param {L.Map} map
 * @param {any} change
 * @param {Record<string, string>} words
 */
function markerOf(map, change, words) {
  const gone = change.kind === "ohne";
  const marker = L.marker([change.lat, change.lon], {
    draggable: !gone,
    keyboard: false,
    autoPan: true,
    zIndexOffset: 1000,
    bubblingMouseEvents: false,
    icon: L.divIcon({ className: `mark mark-${change.kind}`, iconSize: [28, 28] }),
  });
  marker.on("add", () => {
    const element = /** @type {HTMLElement} */ (marker.getElement());
    element.tabIndex = -1;
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", change.text);
    if (!gone) element.addEventListener("keydown", (event) => step(event, marker, change));
  });
  marker.on("click", () => {
    const box = boxOf(change.text);
    box.append(act(words.undo, () => undo(change.number)));
    popup(map, marker.getLatLng(), box, words);
  });
  marker.on("dragend", () => move(change, marker.getLatLng()));
  return marker;
}

/** @type {ReturnType<typeof setTimeout>|undefined} */
let resting;

/**
 * Move a marker by an arrow key: 100 m, with Shift 1 km; say how far it is from the start.
 * @param {KeyboardEvent} event
 * @param {L.Marker} marker
 * @param {any} change
 */
function step(event, marker, change) {
  const [north, east] = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] ?? [0, 0];
  if (!north && !east) return;
  event.preventDefault();
  event.stopPropagation();
  asking.abort(); // the way goes on from here
  const length = event.shiftKey ? LEAP_M : STEP_M;
  const { lat, lng } = marker.getLatLng();
  const wide = METRES_PER_DEGREE * Math.cos((lat * Math.PI) / 180);
  const at = L.latLng(lat + (north * length) / METRES_PER_DEGREE, lng + (east * length) / wide);
  marker.setLatLng(at);
  const [up, down, right, left] = last.words.directions.split(",");
  const way = north ? (north > 0 ? up : down) : east > 0 ? right : left;
  say(last.words.moved.replace("{way}", event.shiftKey ? "1 km" : "100 m").replace("{direction}", way));
  clearTimeout(resting);
  resting = setTimeout(() => {
    selected = key({ ...change, kind: change.kind === "neu" ? "neu" : "verlegt", lon: at.lng, lat: at.lat });
    move(change, at);
  }, REST_MS);
}

/**
 * The places of today: one mark per point, drawn where there are few enough in view.
 * @param {L.Map} map
 * @param {L.LayerGroup} group
 */
function placesOfToday(map, group) {
  /** @type {[string, string, number, number][]} */
  let all = [];
  /** Ids of the records that are moved or removed. */
  let changedIds = [];
  const idsOf = (fresh) => fresh.changes.map((change) => change.id).filter(Boolean);
  const draw = () => {
    group.clearLayers();
    const view = map.getBounds().pad(0.1);
    const spots = new Map();
    for (const place of all) {
      const [id, , lon, lat] = place;
      if (changedIds.includes(id) || !view.contains([lat, lon])) continue;
      const at = `${lon},${lat}`;
      if (!spots.has(at)) spots.set(at, []);
      spots.get(at).push(place);
    }
    if (spots.size > MANY) return;
    for (const here of spots.values()) group.addLayer(spotOf(map, here));
  };
  map.on("moveend", draw);
  return {
    set(found, fresh) {
      all = found.places;
      changedIds = idsOf(fresh);
      draw();
      page.dataset.places = String(all.length);
    },
    show(fresh) {
      const ids = idsOf(fresh);
      if (String(ids) === String(changedIds)) return;
      changedIds = ids;
      draw();
    },
  };
}

/**
 * @param {L.Map} map
 * @param {[string, string, number, number][]} here the places at one point
 */
function spotOf(map, here) {
  const [[id, name, lon, lat]] = here;
  const single = here.length === 1;
  const near = map.getZoom() >= NEAR_ZOOM;
  const marker = L.marker([lat, lon], {
    draggable: single && near,
    interactive: near,
    keyboard: false,
    bubblingMouseEvents: false,
    icon: L.divIcon({ className: "mark-today", iconSize: [24, 24] }),
  });
  marker.on("add", () => marker.getElement()?.setAttribute("aria-hidden", "true"));
  marker.on("dragend", () => move({ id }, marker.getLatLng()));
  marker.on("click", () => {
    const { words } = last;
    const box = boxOf(single ? name : `${here.length} ${words.places}`);
    const list = document.createElement("ul");
    list.className = "popup-places";
    for (const [each, called] of here) {
      const item = document.createElement("li");
      if (!single) item.append(text("bdi", called), document.createElement("br"));
      item.append(
        act(words.remove, () => remove(each), called),
        " ",
        act(words.move, () => lift(map, each, called, marker.getLatLng()), called),
      );
      list.append(item);
    }
    box.append(list);
    popup(map, marker.getLatLng(), box, words);
  });
  return marker;
}

/** The place of today that is about to be moved. @type {L.Marker|undefined} */
let lifted;

/** Make a place of today a marker of its own, to be dragged or moved by keys. */
function lift(map, id, name, at) {
  map.closePopup();
  const change = { kind: "verlegt", id, name, text: name, number: -1, lon: at.lng, lat: at.lat };
  lifted?.remove();
  lifted = markerOf(map, change, last.words).addTo(map);
  lifted.off("click");
  select(map, lifted);
}

/** @param {string} tag @param {string} said */
function text(tag, said) {
  const element = document.createElement(tag);
  element.textContent = said;
  return element;
}

/** @param {string} title */
function boxOf(title) {
  const box = document.createElement("article");
  box.className = "popup";
  box.tabIndex = -1;
  box.append(text("h2", title));
  return box;
}

/** @param {string} label @param {() => void} run @param {string} [what] for those who cannot see where it stands */
function act(label, run, what = "") {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet";
  button.textContent = label;
  if (what) {
    const more = text("span", `: ${what}`);
    more.className = "sr";
    button.append(more);
  }
  button.addEventListener("click", run);
  return button;
}

/** Open a popup with the focus in it. */
function popup(map, at, box, words) {
  const opened = L.popup({ maxWidth: 290, minWidth: 180, autoPanPadding: [12, 12] });
  opened.setLatLng(at).setContent(box).openOn(map);
  const element = /** @type {HTMLElement} */ (opened.getElement());
  element.querySelector(".leaflet-popup-close-button")?.setAttribute("aria-label", words.close);
  box.focus({ preventScroll: true });
}
