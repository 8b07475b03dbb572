// The backdrop: the Land, its Kreise, near by its municipalities, and the names of towns;
// over it the border of the area that a page is about.

/* global L */

import { colour, load, onColours, whenShown, whenWanted } from "./map.js";

const NEAR_ZOOM = 10;
const KREIS_NAMES_ZOOM = 9;
const SETTLED_MS = 60;

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
  // The land lies under the tiles (200), so that it shows where there are none.
  for (const [name, level] of [["land", "150"], ["grenzen", "250"]]) {
    const pane = map.createPane(name);
    pane.style.zIndex = level;
    pane.style.pointerEvents = "none";
    pane.setAttribute("aria-hidden", "true");
  }
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
 * Everything is SVG: browsers paint it beside the page's own thread, a canvas on it.
 * @param {L.Map} map
 * @param {(level: string, kreis?: string) => string} address
 * @param {(labels: Label[]) => void} names
 */
async function drawKreise(map, address, names) {
  const kind = (pane, style) => {
    const renderer = L.svg({ pane, padding: 0.2 });
    return { style, options: () => ({ pane, renderer, interactive: false, smoothFactor: 1.5, ...style() }) };
  };
  const line = (weight, name) => () => ({ fill: false, weight, color: colour(name) });
  const land = kind("land", () => ({ stroke: false, fill: true, fillOpacity: 1, fillColor: colour("--map-land") }));
  const near = kind("grenzen", line(0.8, "--map-gemeinde"));
  const kreis = kind("grenzen", line(1.4, "--map-kreis"));
  const edge = kind("grenzen", line(2.4, "--map-edge"));
  /** @type {[L.Path, () => object][]} */
  const drawn = [];
  const draw = (features, { style, options }, onto) => {
    const path = L.polygon(features.flatMap(ringsOf), options()).addTo(onto);
    drawn.push([path, style]);
    return path;
  };
  const [kreisData, landData] = await Promise.all([load(address("kreis")), load(address("land"))]);
  draw(landData.features, land, map);
  const nearby = L.layerGroup();
  draw(kreisData.features, kreis, map);
  draw(landData.features, edge, map);
  onColours(() => drawn.forEach(([path, style]) => path.setStyle(style())));
  names(labelsOf(kreisData, KREIS_NAMES_ZOOM, "kreis"));

  const boxes = kreisData.features.map((feature) => [
    feature.properties.key,
    L.latLngBounds(ringsOf(feature).flat()),
  ]);
  const known = new Set();
  const showNear = () => {
    if (map.getZoom() < NEAR_ZOOM) {
      nearby.remove();
      return;
    }
    nearby.addTo(map);
    const view = map.getBounds();
    for (const [key, box] of boxes) {
      if (known.has(key) || !view.intersects(box)) continue;
      known.add(key);
      load(address("gemeinde", key)).then(
        (data) => {
          draw(data.features, near, nearby).bringToBack();
          names(labelsOf(data, NEAR_ZOOM + 1, "near"));
        },
        () => known.delete(key),
      );
    }
  };
  let waiting = 0;
  whenWanted(map, () => {
    map.on("moveend", () => {
      clearTimeout(waiting);
      waiting = setTimeout(showNear); // apart from what tiles and marks do in that task
    });
    showNear();
  });
}

/** The rings of a polygon or multipolygon, latitude first. */
function ringsOf({ geometry: { type, coordinates } }) {
  const polygons = type === "Polygon" ? [coordinates] : coordinates;
  return polygons.flat().map((ring) => ring.map(([lon, lat]) => [lat, lon]));
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
  let tiled = false;
  const draw = () => {
    shown.clearLayers();
    if (tiled) return; // tiles bring their own names
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
      const up = [0, 24, -24, 34, -34, 44, -44].find(fits);
      if (up === undefined) continue;
      taken.push(fits(up));
      texts.add(label.text);
      shown.addLayer(nameMarker(label, up));
    }
  };
  let waiting = 0;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, SETTLED_MS);
  };
  // Clusters settle after the map has moved; names come when they have been painted.
  new MutationObserver(later).observe(map.getPane("markerPane"), { childList: true });
  map.on("moveend zoomend resize", later);
  map.on("tilechange", ({ whole }) => {
    tiled = whole;
    later();
  });
  return (more) => {
    labels = labels.concat(more).sort((a, b) => rank[a.kind] - rank[b.kind]);
    later();
  };
}

/** Boxes of the marks in view, as left, top, right, bottom in pixels of the map. */
function markBoxes(map) {
  const frame = map.getContainer().getBoundingClientRect();
  const marks = ["markerPane", "suche"].flatMap((name) => [...(map.getPane(name)?.children ?? [])]);
  return marks.map((mark) => {
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

/**
 * Outline the area from the container's `data-outline`; without one, do nothing.
 * @param {L.Map} map
 */
export function addOutline(map) {
  const { outline } = map.getContainer().dataset;
  if (!outline) return;
  const pane = map.createPane("umriss");
  pane.style.zIndex = "260";
  pane.style.pointerEvents = "none";
  pane.setAttribute("aria-hidden", "true");
  const renderer = L.canvas({ pane: "umriss", padding: 0.4 });
  const style = () => ({ fill: false, weight: 3, color: colour("--accent") });
  whenShown(map, () => {
    load(outline).then(
      (data) => {
        const layer = L.geoJSON(data, { pane: "umriss", renderer, interactive: false, style });
        layer.addTo(map);
        onColours(() => layer.setStyle(style));
      },
      // Without it the map still shows every place.
      (error) => console.warn(String(error)),
    );
  });
}
