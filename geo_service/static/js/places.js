// The places of the list on the map: one GeoJSON layer, clustered, by mouse, touch and keys.

/* global L */

import { linkList, toList } from "./list.js";
import { load, say, whenShown } from "./map.js";
import { gettext, ngettext, number } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const SHOW_ZOOM = 14;
/** Maps less high than this are low, in pixels; map.css has the same. */
const LOW = 400;
const STEP = 400;
/** @type {Record<string, [0|1, 1|-1]>} */
const WAYS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 1], ArrowUp: [1, -1] };
const GROUPS = new Set(["begegnung", "haus", "initiative", "beratung", "sprache", "hilfe"]);

/**
 * Load the places named by the container's `data-places` and show them.
 *
 * The container then answers the event `place:show` (detail: the id of a place).
 * @param {L.Map} map
 */
export function addPlaces(map) {
  const container = map.getContainer();
  const { places, revision } = container.dataset;
  if (!places) return;
  let loaded = () => {};
  const clusters = L.markerClusterGroup({
    animate: false,
    // In short steps, so that a slow phone stays responsive.
    chunkedLoading: true,
    chunkInterval: 40,
    chunkDelay: 0,
    chunkProgress: (done, all) => done === all && loaded(),
    iconCreateFunction: clusterIcon,
    maxClusterRadius: 56,
    showCoverageOnHover: false,
    spiderfyDistanceMultiplier: 1.5,
    spiderLegPolylineOptions: { weight: 1, className: "map-leg", interactive: false },
  });
  /** @type {Map<string, L.Marker>} */
  const markers = new Map();
  map.getPane("overlayPane")?.setAttribute("aria-hidden", "true"); // the legs of places at one point
  makeKeyable(map);
  linkList(map, (id) => {
    const marker = markers.get(id);
    return marker && clusters.getVisibleParent(marker)?.getElement();
  });
  map.addLayer(clusters);
  const spot = addSpot(map);

  const ready = new Promise((resolve) => {
    const start = async () => {
      say(map, gettext("Orte werden geladen …"));
      try {
        const data = await load(places);
        for (const [number, feature] of data.features.entries()) {
          markers.set(feature.id, placeMarker(feature, map));
          if (number % STEP === STEP - 1) await new Promise((resolve) => setTimeout(resolve));
        }
        await new Promise((resolve) => {
          loaded = () => resolve(undefined);
          clusters.addLayers([...markers.values()]);
        });
        arrive(map, clusters, data, revision, spot);
        container.dataset.ready = String(markers.size);
        resolve(undefined);
      } catch (error) {
        console.warn(String(error));
        say(map, gettext("Die Karte konnte die Orte nicht laden. In der Liste stehen alle."), {
          label: gettext("Noch einmal versuchen"),
          act: start,
        });
      }
    };
    whenShown(map, start);
  });

  container.addEventListener("place:show", async (event) => {
    await ready;
    const marker = markers.get(/** @type {CustomEvent} */ (event).detail);
    if (!marker) return;
    map.invalidateSize({ animate: false });
    reveal(map, clusters, marker);
  });
}

/**
 * Bring a place into view, out of its cluster, and open its popup.
 * @param {L.Map} map
 * @param {L.MarkerClusterGroup} clusters
 * @param {L.Marker} marker
 */
function reveal(map, clusters, marker) {
  map.closePopup();
  map.setView(marker.getLatLng(), Math.max(map.getZoom(), SHOW_ZOOM), { animate: false });
  const seen = clusters.getVisibleParent(marker);
  if (seen && seen !== marker) seen.spiderfy();
  marker.openPopup();
}

/**
 * Fit the map to a choice of places, and say where map and list may differ.
 * @param {L.Map} map
 * @param {L.MarkerClusterGroup} clusters
 * @param {any} data
 * @param {string|undefined} revision
 * @param {L.LatLng|undefined} spot where the reader searched
 */
function arrive(map, clusters, data, revision, spot) {
  say(map, "");
  const container = map.getContainer();
  const chosen = new URL(container.dataset.places ?? "", location.href).search !== "";
  if (chosen && !container.dataset.view && data.features.length > 0) {
    const bounds = clusters.getBounds();
    if (spot) bounds.extend(spot);
    map.fitBounds(bounds, { animate: false, maxZoom: 12, padding: [36, 36] });
  }
  if (data.features.length === 0) {
    say(map, data.listed ? gettext("Diese Orte stehen nur in der Liste.") : gettext("Keine Orte gefunden."));
  }
  if (String(data.revision) !== revision) {
    say(map, gettext("Es gibt neue Angaben."), {
      label: gettext("Seite neu laden"),
      act: () => location.reload(),
    });
  }
}

/** A `L.DivIcon` whose element carries a name of its own. */
const NamedIcon = L.DivIcon.extend({
  createIcon(old) {
    const element = L.DivIcon.prototype.createIcon.call(this, old);
    element.setAttribute("aria-label", this.options.label);
    if (this.options.draw) element.replaceChildren(this.options.draw());
    return element;
  },
});

/**
 * Draw where the reader searched, if the page says so, below the places and beside the keys'
 * way: it is a picture with a name, and the legend says what it means.
 * @param {L.Map} map
 * @returns {L.LatLng|undefined}
 */
function addSpot(map) {
  const said = /** @type {HTMLElement|null} */ (document.querySelector(".spot[data-at]"));
  const legend = document.getElementById("legende-suche");
  if (!said?.dataset.at || !legend) return undefined;
  legend.hidden = false;
  const pane = map.createPane("suche");
  pane.style.zIndex = "590";
  pane.style.pointerEvents = "none";
  const [lon, lat] = said.dataset.at.split(",").map(Number);
  const texts = [said.querySelector(".label"), legend].map((one) => one?.textContent?.trim());
  const marker = L.marker([lat, lon], {
    icon: new NamedIcon({
      draw: () => legend.querySelector("svg")?.cloneNode(true),
      className: "map-spot",
      iconSize: [64, 64],
      label: texts.join(": "),
    }),
    interactive: false,
    keyboard: false,
    pane: "suche",
  }).addTo(map);
  marker.getElement()?.setAttribute("role", "img");
  return marker.getLatLng();
}

/** @param {L.MarkerCluster} cluster */
function clusterIcon(cluster) {
  const count = cluster.getChildCount();
  const html = document.createElement("span");
  html.textContent = number(count);
  const size = count < 10 ? 36 : count < 100 ? 42 : 50;
  return new ClusterIcon({
    html,
    className: "cluster",
    iconSize: [size, size],
    label: ngettext(
      "%(count)s Ort. Öffnen",
      "%(count)s Orte nah beieinander. Öffnen",
      count,
    ),
    ring: ring(cluster.getAllChildMarkers().map((marker) => marker.options.group)),
  });
}

/** A cluster's icon: its ring shows how many places are of which group. */
const ClusterIcon = NamedIcon.extend({
  createIcon(old) {
    const element = NamedIcon.prototype.createIcon.call(this, old);
    element.style.background = this.options.ring;
    return element;
  },
});

/**
 * @param {string[]} groups one per place
 * @returns {string} a CSS gradient whose sectors are the groups' shares
 */
function ring(groups) {
  const sectors = [];
  let from = 0;
  for (const group of GROUPS) {
    const to = from + groups.filter((one) => one === group).length / groups.length;
    if (to > from) sectors.push(`var(--${group}) ${from}turn ${to}turn`);
    from = to;
  }
  return `conic-gradient(${sectors.join(", ")})`;
}

/**
 * @param {{id: string, geometry: {coordinates: [number, number]}, properties: Record<string, any>}} feature
 * @param {L.Map} map
 * @returns {L.Marker}
 */
function placeMarker({ id, geometry, properties }, map) {
  const [lon, lat] = geometry.coordinates;
  const parts = [properties.name, properties.category, properties.rough ? gettext("Lage ungefähr") : ""];
  const label = parts.filter(Boolean).join(", ");
  const marker = L.marker([lat, lon], {
    icon: new NamedIcon({
      // Most marks lie in a cluster and are never seen: draw one when it shows.
      draw: () => markElement(properties.group, Boolean(properties.rough)),
      className: "map-mark",
      iconSize: [44, 44],
      popupAnchor: [0, -14],
      label,
    }),
    group: groupOf(properties.group),
    title: label, // the same as its name, or screen readers would say it twice
  });
  const content = () => {
    // The legend's button lies over the upper edge; a low map has room for one of both.
    const low = map.getSize().y < LOW;
    map.getContainer().parentElement?.classList.toggle("map-low", low);
    /** @type {L.Popup} */ (marker.getPopup()).options.autoPanPaddingTopLeft = [12, low ? 12 : 68];
    return popupContent(id, properties);
  };
  marker.bindPopup(content, {
    // Zoom and scale lie over the lower edge.
    autoPanPaddingBottomRight: [12, 16],
    maxWidth: 290,
    minWidth: 200,
    // What is higher scrolls in itself: panning to it would move its place out of the map.
    maxHeight: 320,
    placeId: id,
  });
  return marker;
}

/**
 * @param {string} group
 * @param {boolean} rough
 */
export function markElement(group, rough) {
  const name = groupOf(group);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `mark mark-${name}${rough ? " mark-rough" : ""}`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#mark-${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} group */
function groupOf(group) {
  return GROUPS.has(group) ? group : "initiative";
}

/**
 * What the popup says; text of records reaches the page as text alone.
 * @param {string} id
 * @param {Record<string, any>} place
 */
function popupContent(id, place) {
  const box = document.createElement("article");
  box.className = "popup";
  box.tabIndex = -1;
  box.setAttribute("aria-label", place.name);
  const line = (tag, text, className) => {
    if (!text) return undefined;
    const element = document.createElement(tag);
    element.textContent = text;
    element.dir = "auto";
    if (className) element.className = className;
    box.append(element);
    return element;
  };
  markGerman(line("h2", place.name));
  const kind = line("p", place.category, "kind");
  if (kind && place.organisation) {
    const organisation = document.createElement("bdi");
    organisation.textContent = place.organisation;
    kind.append(" · ", markGerman(organisation));
  }
  markGerman(line("p", place.where));
  line("p", place.rough ? gettext("Lage ungefähr: Das Zeichen steht in der Mitte des Ortes.") : "", "rough");
  hoursLine(line("p", place.opening ?? (place.hours && gettext("Geöffnet: %(hours)s", { hours: "\0" }))), place);
  line("p", place.languages ? gettext("Sprachen: %(languages)s", { languages: place.languages }) : "");
  line("p", place.freshness, "meta");
  const address = placeAddress(id);
  if (address) {
    const more = document.createElement("a");
    more.href = address;
    more.textContent = gettext("Mehr zu diesem Ort");
    box.append(more);
  }
  const list = toList(id, place.number);
  if (list) box.append(list);
  return box;
}

/**
 * Put the record's own words about its hours into the line about them.
 * @param {HTMLElement|undefined} element
 * @param {{opening?: string, hours?: string}} place
 */
function hoursLine(element, { opening, hours }) {
  if (!element || !hours) return;
  const words = document.createElement("bdi");
  words.textContent = hours;
  const [before, after] = opening ? [`${opening} · `, ""] : (element.textContent ?? "").split("\0");
  element.replaceChildren(before, markGerman(words), after);
}

/**
 * Text of a record stays in its language; mark it as such on pages in another one.
 * @template {HTMLElement|undefined} T
 * @param {T} element
 * @returns {T}
 */
function markGerman(element) {
  if (element && document.documentElement.lang !== "de") element.lang = "de";
  return element;
}

/**
 * @param {string} id
 * @returns {string} the page of a place; empty where nothing says where our pages are
 */
function placeAddress(id) {
  const home = /** @type {HTMLAnchorElement|null} */ (document.querySelector("a.home"))?.href;
  const path = `orte/${id.split("/").map(encodeURIComponent).join("/")}`;
  return home ? new URL(path, home).href : "";
}

/**
 * Make the markers one stop of the Tab key, with arrow keys between them, and give focus
 * back to the marker when its popup closes.
 * @param {L.Map} map
 */
function makeKeyable(map) {
  const container = map.getContainer();
  const pane = /** @type {HTMLElement} */ (map.getPane("markerPane"));
  /** @type {Node|null} what of the map had the focus last: what is taken away with it is not told */
  let held = null;
  let lost = false;
  document.addEventListener("focusin", ({ target }) => {
    held = target instanceof Node && container.contains(target) ? target : null;
    lost = false;
  });
  const marks = () =>
    /** @type {HTMLElement[]} */ ([...pane.querySelectorAll("[role=button]")]).filter(inView);
  const inView = (element) => {
    const box = element.getBoundingClientRect();
    const frame = container.getBoundingClientRect();
    const [x, y] = middle(box);
    return x > frame.left && x < frame.right && y > frame.top && y < frame.bottom;
  };
  const tidy = () => {
    const centre = middle(container.getBoundingClientRect());
    const seen = marks();
    let stop = seen.find((element) => element === document.activeElement);
    stop ??= nearest(seen, centre);
    for (const element of pane.querySelectorAll("[role=button]")) {
      /** @type {HTMLElement} */ (element).tabIndex = element === stop ? 0 : -1;
    }
    lost ||= held !== null && !held.isConnected;
    if (lost && stop && [document.body, container].includes(document.activeElement)) {
      stop.focus({ preventScroll: true });
    }
  };
  let waiting = 0;
  const later = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(tidy);
  };
  new MutationObserver(later).observe(pane, { childList: true });
  map.on("moveend zoomend", later);

  pane.addEventListener("keydown", (event) => {
    const from = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      from.click();
      return;
    }
    const way = WAYS[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const next = following(marks(), from, way);
    if (!next) return;
    from.tabIndex = -1;
    next.tabIndex = 0;
    next.focus({ preventScroll: true });
  });

  map.on("popupopen", ({ popup }) => {
    const element = popup.getElement();
    const close = element?.querySelector(".leaflet-popup-close-button");
    close?.setAttribute("aria-label", gettext("Schließen"));
    close?.setAttribute("title", gettext("Schließen"));
    element?.querySelector(".popup")?.focus({ preventScroll: true });
  });
  map.on("popupclose", ({ popup }) => {
    if (!popup.getElement()?.contains(held)) return;
    const mark = popup._source?.getElement();
    if (mark) {
      mark.focus({ preventScroll: true });
    } else {
      // Its mark went into a cluster; the popup may fade, so it would keep the focus for a while.
      /** @type {HTMLElement} */ (document.activeElement)?.blur();
      lost = true;
      later();
    }
  });
  container.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !container.querySelector(".popup")) return;
    event.stopPropagation();
    map.closePopup();
  });
}

/** @param {DOMRect} box @returns {[number, number]} */
function middle(box) {
  return [box.left + box.width / 2, box.top + box.height / 2];
}

/** @param {HTMLElement[]} elements @param {[number, number]} point */
function nearest(elements, [x, y]) {
  const far = (element) => {
    const [a, b] = middle(element.getBoundingClientRect());
    return (a - x) ** 2 + (b - y) ** 2;
  };
  return elements.reduce((best, element) => (best && far(best) <= far(element) ? best : element), undefined);
}

/**
 * The mark after `from` on the way right (axis 0, step 1), left, down (axis 1) or up, so
 * that one arrow alone reaches every mark in view.
 * @param {HTMLElement[]} elements
 * @param {HTMLElement} from
 * @param {[0|1, 1|-1]} way
 */
function following(elements, from, [axis, step]) {
  const places = elements.map((element) => ({ element, at: middle(element.getBoundingClientRect()) }));
  places.sort((a, b) => a.at[axis] - b.at[axis] || a.at[1 - axis] - b.at[1 - axis]);
  return places[places.findIndex(({ element }) => element === from) + step]?.element;
}
