// The map of proposed places: the Kreise, the places there are, the municipalities that would
// be reached, and the numbered places of the table. Every word stands on the page.

/* global L */

import { load, say, whenShown } from "./map.js";
import { unpack } from "./planning.js";

const MANY = 3000;

/**
 * Draw the places of the page's table, on borders and places from the addresses in the
 * container's `data-` attributes.
 * @param {L.Map} map
 */
export function addSites(map) {
  const { outline, places, borders } = map.getContainer().dataset;
  const rows = readRows();
  const asked = Promise.all([
    load(outline ?? ""), load(places ?? ""), rows.some((row) => row.from.length) ? load(borders ?? "") : { areas: [] },
  ]);
  whenShown(map, () => {
    asked.then(
      ([kreise, existing, towns]) => draw(map, rows, kreise, existing, towns),
      (error) => {
        console.warn(String(error));
        const text = document.querySelector("[data-map-failed]");
        if (text) say(map, text.getAttribute("data-map-failed") ?? "");
      },
    );
  });
}

/**
 * @typedef {object} Row
 * @property {HTMLTableRowElement} element
 * @property {string} number
 * @property {string} name
 * @property {[number, number]} at latitude first
 * @property {string[]} from keys of the municipalities that it reaches
 */

/** @returns {Row[]} */
function readRows() {
  const rows = /** @type {HTMLTableRowElement[]} */ ([...document.querySelectorAll("#standorte tr[data-lon]")]);
  return rows.map((element) => ({
    element,
    number: element.dataset.number ?? "",
    name: element.dataset.name ?? "",
    at: [Number(element.dataset.lat), Number(element.dataset.lon)],
    from: (element.dataset.from ?? "").split(" ").filter(Boolean),
  }));
}

/**
 * @param {L.Map} map
 * @param {Row[]} rows
 * @param {any} kreise
 * @param {any} existing
 * @param {any} towns
 */
function draw(map, rows, kreise, existing, towns) {
  const renderer = L.svg({ padding: 0.3 }).addTo(map);
  for (const [, ...packed] of kreise.areas) {
    L.polygon(packed.map(unpack), { renderer, interactive: false, weight: 1, className: "siting-land" }).addTo(map);
  }
  const rings = new Map(towns.areas.map(([key, ...packed]) => [key, packed]));
  const reached = new Set(rows.flatMap((row) => row.from));
  for (const key of reached) {
    const packed = rings.get(key);
    if (packed) L.polygon(packed.map(unpack), { renderer, interactive: false, weight: 0.6, className: "siting-new" }).addTo(map);
  }
  const dots = existing.places.length > MANY ? L.canvas({ padding: 0.3 }) : renderer;
  for (const [lon, lat, rough] of existing.places) {
    const className = rough ? "siting-place siting-rough" : "siting-place";
    L.circleMarker([lat, lon], { renderer: dots, interactive: false, radius: 3, weight: 1, className }).addTo(map);
  }
  const show = marker(map, rows);
  for (const row of [...rows].reverse()) {
    const icon = L.divIcon({ className: "siting-site", html: text(row.number), iconSize: [22, 22] });
    const mark = L.marker(row.at, { icon, keyboard: false, zIndexOffset: -Number(row.number) });
    mark.bindTooltip(text(`${row.number}. ${row.name}`), { className: "area-tip", direction: "top", offset: [0, -10] });
    mark.on("click", () => row.element.querySelector("a")?.focus());
    mark.addTo(map);
    row.element.addEventListener("focusin", () => show(row));
    row.element.addEventListener("pointerenter", () => show(row));
    row.element.addEventListener("pointerleave", () => show());
  }
  map.getContainer().dataset.drawn = String(rows.length);
}

/** A ring around the place of a row. */
function marker(map, rows) {
  const ring = L.circleMarker([0, 0], { radius: 15, weight: 4, fill: false, interactive: false, className: "area-current" });
  return (row) => {
    for (const one of rows) one.element.classList.toggle("row-current", one === row);
    if (row) ring.setLatLng(row.at).addTo(map);
    else ring.remove();
  };
}

/** @param {string} value */
function text(value) {
  const element = document.createElement("span");
  element.textContent = value;
  return element;
}
