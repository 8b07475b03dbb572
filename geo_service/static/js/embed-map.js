// A map inside another page must not hold what scrolls over it: one finger or the wheel moves
// the page, two fingers or Ctrl and the wheel move the map.

/* global L */

L.Map.mergeOptions({
  scrollWheelZoom: false,
  dragging: !window.matchMedia("(pointer: coarse)").matches,
});
L.Map.addInitHook(function () {
  this.getContainer().addEventListener(
    "wheel",
    (event) => this.scrollWheelZoom[event.ctrlKey || event.metaKey ? "enable" : "disable"](),
    { capture: true },
  );
});
