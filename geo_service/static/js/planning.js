// The planners' map: areas by class, linked with the rows of the table beside it.
// Every word comes with the data or stands on the page.

/* global L */

import { load, say, whenShown } from "./map.js";

const SVG = "http://www.w3.org/2000/svg";
const DEGREE = 10_000;
const MANY = 500;

/**
 * @typedef {object} Area
 * @property {string} key
 * @property {string} name
 * @property {string} text the figure
 * @property {string} range in which it can lie, or empty
 * @property {number} shade 1 to 5, 0 for unknown
 * @property {string} hatch
 * @property {string} verdict
 * @property {boolean} drills whether finer areas lie in it
 * @property {string} note what else is to be known of the figure, or empty
 * @property {[number, number][][]} rings latitude first
 */

/**
 * What the event "areas:drawn" hands to scripts that do more with the map.
 * @typedef {object} Drawn
 * @property {L.Map} map
 * @property {any} figures as they came from the server
 * @property {((at: L.LatLng) => void)|undefined} tap what a click on an area does instead of
 *   opening its popup
 * @property {(figures: any) => void} update shows other figures of the same areas, and links
 *   the table anew
 * @property {(key: string, from?: HTMLElement) => void} show goes to an area and opens its popup
 */

/**
 * Draw the areas from the addresses in the container's `data-` attributes, and link them
 * with the table.
 * @param {L.Map} map
 */
export function addAreas(map) {
  const { borders, values } = map.getContainer().dataset;
  const asked = Promise.all([load(borders), load(values)]);
  whenShown(map, () => {
    asked.then(
      ([shapes, figures]) => draw(map, shapes, figures),
      (error) => {
        console.warn(String(error));
        const text = document.querySelector("[data-map-failed]");
        if (text) say(map, text.getAttribute("data-map-failed") ?? "");
      },
    );
  });
}

/** @returns {Area[]} the areas that have figures, with their rings */
function join(shapes, figures) {
  const rings = new Map(shapes.areas.map(([key, ...packed]) => [key, packed]));
  return readAreas(figures).flatMap((area) => {
    const packed = rings.get(area.key);
    return packed ? [{ ...area, rings: packed.map(unpack) }] : [];
  });
}

/** @returns {Omit<Area, "rings">[]} */
function readAreas(figures) {
  return figures.areas.map(([key, name, text, range, shade, hatch, verdict, drills, note = ""]) => ({
    key, name, text, range, shade, note,
    hatch: figures.hatches[hatch],
    verdict: figures.verdicts[verdict],
    drills: Boolean(drills),
  }));
}

/** @param {number[]} packed differences, longitude first */
export function unpack(packed) {
  const ring = [];
  let lon = 0;
  let lat = 0;
  for (let at = 0; at < packed.length; at += 2) {
    lon += packed[at];
    lat += packed[at + 1];
    ring.push([lat / DEGREE, lon / DEGREE]);
  }
  return ring;
}

/**
 * @param {L.Map} map
 * @param {any} shapes
 * @param {any} figures
 */
function draw(map, shapes, figures) {
  const areas = join(shapes, figures);
  const renderer = L.svg({ padding: 0.3 }).addTo(map);
  const group = L.featureGroup();
  /** @type {Map<string, {area: Area, layer: L.Polygon}>} */
  const known = new Map();
  const weight = areas.length > MANY ? 0.4 : 0.8;
  for (const area of areas) {
    const layer = L.polygon(area.rings, {
      renderer, weight, smoothFactor: 1, bubblingMouseEvents: false,
      className: `area ${area.shade ? `klasse-${area.shade}` : "klasse-0"}`,
    });
    layer.key = area.key;
    known.set(area.key, { area, layer });
    group.addLayer(layer);
  }
  group.addTo(map);
  const hatch = hatcher(map, renderer);
  hatch(areas);
  const mark = marker(map, known);
  group.on("mouseover", ({ layer }) => mark(layer.key));
  group.on("mouseout", () => mark(""));
  group.bindTooltip((layer) => tooltip(known.get(layer.key).area), { sticky: true, className: "area-tip" });
  const open = opener(map, known, mark, figures);
  /** @type {Drawn} */
  const drawn = {
    map, figures, tap: undefined, show: () => {},
    update(fresh) {
      for (const area of readAreas(fresh)) {
        const found = known.get(area.key);
        if (!found) continue;
        const before = found.area.shade;
        Object.assign(found.area, area);
        if (area.shade !== before) {
          found.layer.getElement()?.classList.replace(`klasse-${before}`, `klasse-${area.shade}`);
        }
      }
      hatch([...known.values()].map(({ area }) => area));
      drawn.show = linkTable(map, known, mark, open, fresh.words);
    },
  };
  group.on("click", ({ layer, latlng }) => {
    group.closeTooltip();
    if (drawn.tap) drawn.tap(latlng);
    else open(layer.key, latlng);
  });
  drawn.show = linkTable(map, known, mark, open, figures.words);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") map.closePopup();
  });
  keepSizeOnPaper(map);
  map.getContainer().dataset.drawn = String(areas.length);
  map.getContainer().dispatchEvent(new CustomEvent("areas:drawn", { bubbles: true, detail: drawn }));
}

/**
 * @param {L.Map} map
 * @param {Map<string, {area: Area, layer: L.Polygon}>} known
 * @param {(key: string) => void} mark
 * @param {any} figures
 * @returns {(key: string, at: L.LatLng, from?: HTMLElement) => void} opens the popup of an
 *   area; the focus goes there, and back to `from` when it closes
 */
function opener(map, known, mark, figures) {
  return (key, at, from) => {
    const found = known.get(key);
    if (!found) return;
    const opened = L.popup({ maxWidth: 290, minWidth: 200, autoPanPadding: [12, 12] });
    opened.setLatLng(at).setContent(popup(map, found.area, figures)).openOn(map);
    const element = /** @type {HTMLElement} */ (opened.getElement());
    element.querySelector(".leaflet-popup-close-button")?.setAttribute("aria-label", figures.words.close);
    /** @type {HTMLElement} */ (element.querySelector(".popup")).focus({ preventScroll: true });
    mark(key);
    opened.on("remove", () => {
      mark("");
      const inside = element.contains(document.activeElement) || document.activeElement === document.body;
      if (inside && from) from.focus();
      else if (inside) map.getContainer().focus({ preventScroll: true });
    });
  };
}

/**
 * Print the map as wide as it is on screen: paths outside are not drawn.
 * @param {L.Map} map
 */
function keepSizeOnPaper(map) {
  const { style } = map.getContainer();
  window.addEventListener("beforeprint", () => {
    const { x, y } = map.getSize();
    style.inlineSize = `${x}px`;
    style.blockSize = `${y}px`;
  });
  window.addEventListener("afterprint", () => {
    style.inlineSize = style.blockSize = "";
  });
}

/**
 * @param {L.Map} map
 * @param {L.SVG} renderer
 * @returns {(areas: Area[]) => void} lays lines or dots over the areas that are hatched, each
 *   kind as one path, instead of those before
 */
function hatcher(map, renderer) {
  const patterns = document.createElementNS(SVG, "svg");
  patterns.setAttribute("class", "sprite");
  patterns.setAttribute("aria-hidden", "true");
  patterns.append(pattern("unknown"), pattern("uncertain"));
  map.getContainer().append(patterns);
  /** @type {Map<string, L.Polygon>} */
  const layers = new Map();
  let hatched = "";
  const paint = () => {
    for (const [hatch, layer] of layers) layer.getElement()?.setAttribute("fill", `url(#hatch-${hatch})`);
  };
  map.on("zoomend moveend", paint);
  return (areas) => {
    const wanted = areas.map(({ key, hatch }) => (hatch ? hatch + key : "")).join("");
    if (wanted === hatched) return;
    hatched = wanted;
    for (const hatch of ["unknown", "uncertain"]) {
      layers.get(hatch)?.remove();
      layers.delete(hatch);
      const rings = areas.filter((area) => area.hatch === hatch).flatMap((area) => area.rings);
      if (!rings.length) continue;
      const options = { renderer, interactive: false, stroke: false, fillOpacity: 1, className: "area-hatch" };
      layers.set(hatch, L.polygon(rings, options).addTo(map));
    }
    paint();
  };
}

/** @param {string} hatch */
function pattern(hatch) {
  const make = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const tile = make("pattern", { id: `hatch-${hatch}`, width: "7", height: "7", patternUnits: "userSpaceOnUse" });
  if (hatch === "unknown") tile.append(make("path", { d: "M-1 1l2-2M0 7L7 0M6 8l2-2", class: "hatch-line" }));
  else tile.append(make("circle", { cx: "3.5", cy: "3.5", r: "1.05", class: "hatch-dot" }));
  return tile;
}

/**
 * @param {L.Map} map
 * @param {Map<string, {area: Area, layer: L.Polygon}>} known
 * @returns {(key: string) => void} marks an area on the map and in the table; empty: none
 */
function marker(map, known) {
  let current = "";
  /** @type {L.Polygon|undefined} */
  let outline;
  return (key) => {
    if (key === current) return;
    rowOf(current)?.classList.remove("row-current");
    outline?.remove();
    outline = undefined;
    current = key;
    const found = known.get(key);
    rowOf(key)?.classList.add("row-current");
    if (!found) return;
    outline = L.polygon(found.area.rings, { fill: false, weight: 4, interactive: false, className: "area-current" });
    outline.addTo(map);
  };
}

/** @param {string} key @returns {HTMLElement|null} */
function rowOf(key) {
  return key ? document.querySelector(`tr[data-key="${CSS.escape(key)}"]`) : null;
}

/** Tables whose rows point at areas. @type {WeakSet<Element>} */
const linked = new WeakSet();

/**
 * Rows point at areas: under the pointer, with the focus, and by a button in each.
 * @param {L.Map} map
 * @param {Map<string, {area: Area, layer: L.Polygon}>} known
 * @param {(key: string) => void} mark
 * @param {(key: string, at: L.LatLng, from?: HTMLElement) => void} open
 * @param {Record<string, string>} words
 * @returns {(key: string, from?: HTMLElement) => void} goes to an area and opens its popup
 */
function linkTable(map, known, mark, open, words) {
  const body = document.querySelector("#zahlen tbody");
  const keyAt = (target) => target?.closest?.("tr[data-key]")?.dataset.key ?? "";
  const show = (key, from) => {
    const found = known.get(key);
    if (!found) return;
    map.getContainer().scrollIntoView({ block: "nearest" });
    map.fitBounds(found.layer.getBounds(), { maxZoom: 11, padding: [40, 40], animate: false });
    open(key, found.layer.getBounds().getCenter(), from);
  };
  if (!body) return show;
  if (!linked.has(body)) {
    linked.add(body);
    body.addEventListener("pointerover", (event) => mark(keyAt(event.target)));
    body.addEventListener("pointerleave", () => mark(""));
    body.addEventListener("focusin", (event) => mark(keyAt(event.target)));
    body.addEventListener("focusout", () => mark(""));
    body.addEventListener("click", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const button = target.closest("button.show-area");
      if (!button && target.closest("a, button, input, label")) return;
      show(keyAt(target), button ?? undefined);
    });
  }
  for (const row of body.querySelectorAll("tr[data-key]")) {
    const found = known.get(/** @type {HTMLElement} */ (row).dataset.key ?? "");
    if (!found || row.querySelector(".show-area")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "show-area";
    button.dataset.added = "";
    button.title = words.show;
    button.append(pin(), hidden(`${words.show}: ${found.area.name}`));
    row.querySelector(".row-head")?.append(button);
  }
  return show;
}

function pin() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", "M8 15s5-5 5-9A5 5 0 0 0 3 6c0 4 5 9 5 9zm0-7a2 2 0 1 1 0-4 2 2 0 0 1 0 4z");
  svg.append(path);
  return svg;
}

/** @param {string} text */
function hidden(text) {
  const element = document.createElement("span");
  element.className = "sr";
  element.textContent = text;
  return element;
}

/** @param {Area} area */
function tooltip(area) {
  const box = document.createElement("div");
  const name = document.createElement("strong");
  name.textContent = area.name;
  box.append(name, document.createElement("br"), area.range ? `${area.text} (${area.range})` : area.text);
  return box;
}

/**
 * @param {L.Map} map
 * @param {Area} area
 * @param {any} figures
 */
function popup(map, area, { title, words }) {
  const { drill, area: page } = map.getContainer().dataset;
  const box = document.createElement("article");
  box.className = "popup";
  box.tabIndex = -1;
  const line = (tag, text, className = "") => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (className) element.className = className;
    box.append(element);
    return element;
  };
  line("h2", area.name);
  line("p", title, "meta");
  line("p", area.range ? `${area.text} (${words.range} ${area.range})` : area.text, "popup-figure");
  line("p", area.verdict);
  if (area.note) line("p", area.note, "meta");
  const link = /** @type {HTMLAnchorElement} */ (line("a", area.drills ? words.drill : words.area));
  link.href = ((area.drills ? drill : page) ?? "").replace("KEY", encodeURIComponent(area.key));
  return box;
}
