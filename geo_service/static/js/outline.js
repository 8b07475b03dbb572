// The border of the area that a page is about, drawn over the backdrop.

/* global L */

import { colour, load, onColours, whenShown } from "./map.js";

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
