// The base map's tiles, between the land and its borders. Where one is missing, the land shows.

/* global L */

import { whenShown, whenWanted } from "./map.js";

const GIVE_UP_AFTER = 4;
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 600_000;

/**
 * Show the tiles named by the container's `data-tiles`, and tell the map with the event
 * `tilechange` (`whole`: whether tiles cover all that is in view).
 * @param {L.Map} map
 * @param {{bounds: L.LatLngBoundsLiteral, minZoom: number}} options where and from when on
 */
export function addTiles(map, { bounds, minZoom }) {
  const container = map.getContainer();
  const { tiles, tilesNote, tilesZoom, tilesDim } = container.dataset;
  if (!tiles) return;
  credit(container, tilesNote);
  const layer = L.tileLayer(tiles, {
    bounds,
    minZoom,
    maxNativeZoom: Number(tilesZoom),
    className: tilesDim === "true" ? "map-tiles map-tiles-dim" : "map-tiles",
    keepBuffer: 1,
    updateWhenIdle: true,
    updateWhenZooming: false,
  });
  const shown = new Set();
  const failed = new Set();
  const nameOf = ({ x, y, z }) => `${z}/${x}/${y}`;
  let inARow = 0;
  let pause = FIRST_PAUSE_MS;
  let whole = false;

  const tell = () => {
    const now = shown.size > 0 && failed.size === 0;
    if (now === whole) return;
    whole = now;
    map.fire("tilechange", { whole });
  };
  layer.on("tileload", ({ coords }) => {
    inARow = 0;
    pause = FIRST_PAUSE_MS;
    shown.add(nameOf(coords));
    failed.delete(nameOf(coords));
  });
  layer.on("tileerror", ({ coords, tile }) => {
    failed.add(nameOf(coords));
    tell();
    inARow += 1;
    if (inARow >= GIVE_UP_AFTER) rest();
    else askAgain(layer, coords, tile);
  });
  layer.on("tileunload", ({ coords }) => {
    shown.delete(nameOf(coords));
    failed.delete(nameOf(coords));
    tell();
  });
  layer.on("load", tell);

  // No network, or no tile server: leave it alone, the backdrop is there.
  const rest = () => {
    if (!map.hasLayer(layer)) return;
    layer.remove();
    shown.clear();
    failed.clear();
    inARow = 0;
    tell();
    setTimeout(() => map.once("moveend", () => layer.addTo(map)), pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  };
  whenShown(map, () => whenWanted(map, () => layer.addTo(map)));
}

/**
 * Ask once more for a tile that did not come: the server may have been busy.
 * @param {L.TileLayer} layer
 */
function askAgain(layer, coords, tile) {
  if (tile.dataset.again) return;
  tile.dataset.again = "true";
  setTimeout(() => {
    if (tile.isConnected) tile.src = layer.getTileUrl(coords);
  }, 1500 + Math.random() * 1500);
}

/** Print the note of the tiles with those of the map, in its own language and direction. */
function credit(container, note) {
  const line = container.parentElement?.querySelector(".map-credit");
  if (!line || !note) return;
  const said = document.createElement("bdi");
  said.lang = "de";
  said.textContent = note;
  line.prepend(said, " · ");
}
