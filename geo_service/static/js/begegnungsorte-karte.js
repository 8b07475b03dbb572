// <begegnungsorte-karte gebiet="07137"> for other people's pages: a frame of ours that is as
// high as what it shows. What stands inside the element is shown until the frame has answered,
// and for good where it may not. Nothing inline, nothing kept: it runs under a strict CSP with
// our origin in script-src and frame-src.

const HOME = new URL("..", import.meta.url);
const SANDBOX =
  "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox";
const LISTS = ["gebiet", "art", "thema"];
const PLAIN = ["farbe", "start", "partner"];
const SHOWS = ["karte", "liste", "nur-karte"];
/** A name that may have been meant as a lock, or as what can be locked (`choice.py` too). */
const LIKE_A_LOCK = /^(?!data-|aria-)(.*[^a-z])?(fest|(gebiet|art|thema)($|[^a-z]))/;
const FIRST_HEIGHT = 480;
const LEAST = 120;
const MOST = 20000;

const style = new CSSStyleSheet();
style.replaceSync(`
  :host { display: block; }
  :host([hidden]) { display: none; }
  iframe { display: block; inline-size: 100%; border: 0; color-scheme: normal; }
`);

class BegegnungsorteKarte extends HTMLElement {
  static observedAttributes = [
    ...LISTS,
    ...LISTS.map((name) => `auswahl-${name}`),
    ...PLAIN,
    "ansicht",
    "sprache",
    "hoehe",
    "titel",
  ];

  #frame = document.createElement("iframe");
  #slot = document.createElement("slot");
  #waiting = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [style];
    this.#frame.setAttribute("sandbox", SANDBOX);
    this.#frame.loading = "lazy";
    this.#frame.height = String(FIRST_HEIGHT);
    root.append(this.#slot);
  }

  connectedCallback() {
    window.addEventListener("message", this.#hear);
    this.#later();
  }

  disconnectedCallback() {
    window.removeEventListener("message", this.#hear);
  }

  attributeChangedCallback() {
    this.#later();
  }

  /** Show once for all attributes that change together. */
  #later() {
    if (this.#waiting) return;
    this.#waiting = true;
    queueMicrotask(() => {
      this.#waiting = false;
      if (this.isConnected) this.#show();
    });
  }

  #show() {
    const frame = this.#frame;
    frame.title = this.getAttribute("titel") || this.textContent?.trim() || "Begegnungsorte";
    frame.referrerPolicy = this.hasAttribute("partner") ? "strict-origin" : "no-referrer";
    const height = Number(this.getAttribute("hoehe"));
    if (height >= LEAST) frame.height = String(Math.min(height, MOST));
    const address = this.#address();
    if (frame.src !== address) frame.src = address;
    // Only with its address: an empty frame would be of the host's origin.
    if (!frame.isConnected) this.shadowRoot?.append(frame);
  }

  /** @returns {string} the address of the frame, with our own origin where no server sees it */
  #address() {
    const language = this.getAttribute("sprache") ?? "";
    const show = this.getAttribute("ansicht") ?? "";
    const prefix = /^[a-z]{2}$/.test(language) ? `${language}/` : "";
    const view = SHOWS.includes(show) ? show : SHOWS[0];
    const address = new URL(`${prefix}embed/${view}`, HOME);
    for (const name of LISTS) {
      this.#add(address, name, `fest-${name}`);
      this.#add(address, `auswahl-${name}`, name);
    }
    for (const name of PLAIN) {
      const value = this.getAttribute(name);
      if (value) address.searchParams.set(name, value.replace("#", ""));
    }
    for (const name of this.getAttributeNames()) {
      if (BegegnungsorteKarte.observedAttributes.includes(name) || !LIKE_A_LOCK.test(name)) continue;
      address.searchParams.append(`Attribut ${name}`, ""); // holds nothing: the frame refuses it
    }
    address.hash = `eltern=${encodeURIComponent(location.origin)}`;
    return address.href;
  }

  /** @param {URL} address @param {string} attribute @param {string} parameter */
  #add(address, attribute, parameter) {
    const texts = (this.getAttribute(attribute) ?? "").split(",");
    const values = texts.map((text) => text.trim()).filter(Boolean);
    // An empty lock would hold nothing: it goes out as it is, and the frame refuses it.
    const empty = parameter.startsWith("fest-") && this.hasAttribute(attribute) && !values.length;
    for (const value of empty ? [""] : values) address.searchParams.append(parameter, value);
  }

  #hear = (/** @type {MessageEvent} */ event) => {
    if (event.source !== this.#frame.contentWindow || event.origin !== HOME.origin) return;
    const { begegnungsorte, hoehe } = event.data ?? {};
    if (begegnungsorte !== "hoehe" || !Number.isFinite(hoehe)) return;
    this.#slot.hidden = true;
    this.toggleAttribute("data-da", true);
    if (this.hasAttribute("hoehe")) return;
    this.#frame.height = String(Math.min(Math.max(hoehe, LEAST), MOST));
  };
}

if (!customElements.get("begegnungsorte-karte")) {
  customElements.define("begegnungsorte-karte", BegegnungsorteKarte);
}
