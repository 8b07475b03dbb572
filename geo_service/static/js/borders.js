// The backdrop: the Land, its Kreise, near by its municipalities, and the names of towns.

/* global L */

import { colour, load, onColours, whenShown } from "./map.js";

const NEAR_ZOOM = 10;
const KREIS_NAMES_ZOOM = 9;

/**
 * @typedef {{text: string, at: [number, number], zoom: number, kind: "town"|"kreis"|"near"}} Label
 */

/**
 * Draw borders and names from the addresses in the container's `data-` attributes.
 * @param {L.Map} map
 */
export function addBorders(map) {
  const { borders, towns } = map.getContainer().dataset;
  if (!borders) return;
  const address = (level, kreis) =>
    borders.replace("LEVEL", level) + (kreis ? `?kreis=${encodeURIComponent(kreis)}` : "");
  const pane = map.createPane("grenzen");
  pane.style.zIndex = "250";
  pane.style.pointerEvents = "none";
  const names = addNames(map);
  whenShown(map, () => {
    // Without its backdrop the map still shows every place.
    drawKreise(map, address, names).catch((error) => console.warn(String(error)));
    if (towns) loadTowns(towns, names).catch((error) => console.warn(String(error)));
  });
}

/** @param {string} url @param {(labels: Label[]) => void} names */
async function loadTowns(url, names) {
  const data = await load(url);
  names(data.towns.map(([text, lon, lat, zoom]) => ({ text, at: [lat, lon], zoom, kind: "town" })));
}

/**
 * @param {L.Map} map
 * @param {(level: string, kreis?: string) => string} address
 * @param {(labels: Label[]) => void} names
 */
async function drawKreise(map, address, names) {
  const renderer = L.canvas({ pane: "grenzen", padding: 0.4 });
  const layer = (style) => L.geoJSON(null, { pane: "grenzen", renderer, interactive: false, style });
  const land = layer(() => ({ stroke: false, fill: true, fillOpacity: 1, fillColor: colour("--map-land") }));
  const near = layer(() => ({ fill: false, weight: 0.8, color: colour("--map-gemeinde") }));
  const kreise = layer(() => ({ fill: false, weight: 1.4, color: colour("--map-kreis") }));
  const edge = layer(() => ({ fill: false, weight: 2.4, color: colour("--map-edge") }));
  const all = [land, near, kreise, edge];
  const [kreisData, landData] = await Promise.all([load(address("kreis")), load(address("land"))]);
  land.addData(landData);
  kreise.addData(kreisData);
  edge.addData(landData);
  for (const part of all) part.addTo(map);
  onColours(() => all.forEach((part) => part.setStyle(part.options.style)));
  names(labelsOf(kreisData, KREIS_NAMES_ZOOM, "kreis"));

  const known = new Set();
  const showNear = () => {
    if (map.getZoom() < NEAR_ZOOM) {
      near.remove();
      return;
    }
    if (!map.hasLayer(near)) {
      near.addTo(map);
      near.bringToBack();
      land.bringToBack();
    }
    const view = map.getBounds();
    kreise.eachLayer((kreis) => {
      const key = kreis.feature.properties.key;
      if (known.has(key) || !view.intersects(kreis.getBounds())) return;
      known.add(key);
      load(address("gemeinde", key)).then(
        (data) => {
          near.addData(data);
          near.bringToBack();
          land.bringToBack();
          names(labelsOf(data, NEAR_ZOOM + 1, "near"));
        },
        () => known.delete(key),
      );
    });
  };
  map.on("moveend", showNear);
  showNear();
}

/** @returns {Label[]} */
function labelsOf(data, zoom, kind) {
  return data.features.map(({ properties: { name, at } }) => ({
    text: name,
    at: [at[1], at[0]],
    zoom,
    kind,
  }));
}

/**
 * Write names where they do not run into one another: towns first, the largest first.
 * The names are decoration; the list has them as text.
 * @param {L.Map} map
 * @returns {(labels: Label[]) => void} adds labels
 */
function addNames(map) {
  const pane = map.createPane("namen");
  pane.style.zIndex = "450";
  pane.style.pointerEvents = "none";
  pane.setAttribute("aria-hidden", "true");
  const shown = L.layerGroup().addTo(map);
  /** @type {Label[]} */
  let labels = [];
  const rank = { town: 0, kreis: 1, near: 2 };
  const draw = () => {
    shown.clearLayers();
    const size = map.getSize();
    const zoom = map.getZoom();
    const taken = markBoxes(map);
    const texts = new Set();
    for (const label of labels) {
      if (zoom < label.zoom || texts.has(label.text)) continue;
      const { x, y } = map.latLngToContainerPoint(label.at);
      if (x < 0 || y < 0 || x > size.x || y > size.y) continue;
      const half = label.text.length * 3.4 + 4;
      const fits = (up) => {
        const box = [x - half, y + up - 8, x + half, y + up + 8];
        return taken.some((other) => overlap(other, box)) ? undefined : box;
      };
      const up = [0, 24, -24, 34, -34].find(fits);
      if (up === undefined) continue;
      taken.push(fits(up));
      texts.add(label.text);
      shown.addLayer(nameMarker(label, up));
    }
  };
  let waiting = 0;
  const later = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  };
  // Clusters settle after the map has moved.
  new MutationObserver(later).observe(map.getPane("markerPane"), { childList: true });
  map.on("moveend zoomend resize", later);
  return (more) => {
    labels = labels.concat(more).sort((a, b) => rank[a.kind] - rank[b.kind]);
    later();
  };
}

/** Boxes of the marks in view, as left, top, right, bottom in pixels of the map. */
function markBoxes(map) {
  const frame = map.getContainer().getBoundingClientRect();
  return [...map.getPane("markerPane").children].map((mark) => {
    const { left, top, right, bottom } = mark.getBoundingClientRect();
    return [left - frame.left, top - frame.top, right - frame.left, bottom - frame.top];
  });
}

function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

/** @param {Label} label @param {number} up pixels below its point */
function nameMarker({ text, at, kind }, up) {
  const html = document.createElement("span");
  html.textContent = text;
  return L.marker(at, {
    icon: L.divIcon({ html, className: `map-name map-name-${kind}`, iconSize: [0, 0], iconAnchor: [0, -up] }),
    interactive: false,
    keyboard: false,
    pane: "namen",
  });
}
