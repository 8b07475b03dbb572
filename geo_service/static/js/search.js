// The search field: suggestions while typing, and "near me" from the device's own location.
// Without this script the form does the same with the Enter key.

import { gettext, ngettext } from "./texts.js";

const form = /** @type {HTMLFormElement|null} */ (document.getElementById("suche"));
const field = /** @type {HTMLInputElement|null} */ (document.getElementById("ort"));
const list = document.getElementById("ort-vorschlaege");
const line = document.getElementById("suche-meldung");

const TYPING_MS = 120;
/** Three decimals of a degree are about 100 m: enough for a walk, too few for a house. */
const DECIMALS = 3;

/** @param {string} text for the reader, spoken politely; empty takes it away */
function say(text) {
  if (line) line.textContent = text;
}

// ------------------------------------------------------------------------- suggestions

/**
 * Make the field a combobox with a list of suggestions (ARIA APG, "list autocomplete with
 * manual selection"): nothing is chosen unless the reader does.
 * @param {HTMLFormElement} form
 * @param {HTMLInputElement} field
 * @param {HTMLElement} list
 */
function suggest(form, field, list) {
  /** @type {string[]} */
  let labels = [];
  let active = -1;
  let waiting = 0;
  let asking = new AbortController();
  /** @type {Map<string, string[]>} */
  const known = new Map();

  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-expanded", "false");

  const close = () => {
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };

  const mark = (number) => {
    active = number;
    [...list.children].forEach((option, at) => {
      option.setAttribute("aria-selected", String(at === active));
      if (at === active) option.scrollIntoView({ block: "nearest" });
    });
    if (active < 0) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", list.children[active].id);
  };

  const choose = (number) => {
    field.value = labels[number];
    close();
    form.requestSubmit();
  };

  const draw = () => {
    active = -1;
    field.removeAttribute("aria-activedescendant");
    list.replaceChildren(
      ...labels.map((label, number) => {
        const option = document.createElement("li");
        option.id = `${list.id}-${number}`;
        option.setAttribute("role", "option");
        option.dir = "auto";
        option.lang = "de";
        option.textContent = label;
        option.setAttribute("aria-selected", "false");
        // The field keeps the focus.
        option.addEventListener("pointerdown", (event) => event.preventDefault());
        option.addEventListener("click", () => choose(number));
        return option;
      }),
    );
    list.hidden = labels.length === 0;
    field.setAttribute("aria-expanded", String(labels.length > 0));
    say(labels.length ? ngettext("%(count)s Vorschlag", "%(count)s Vorschläge", labels.length) : "");
  };

  const ask = async () => {
    const text = field.value.trim();
    asking.abort();
    if (text.length < 2) {
      labels = [];
      draw();
      return;
    }
    if (!known.has(text)) {
      asking = new AbortController();
      try {
        const url = `${form.dataset.suggestions}?q=${encodeURIComponent(text.slice(0, 100))}`;
        const answer = await fetch(url, { signal: asking.signal, credentials: "omit" });
        if (!answer.ok) return;
        known.set(text, (await answer.json()).suggestions);
      } catch {
        return; // typed on, or offline: the form works without
      }
    }
    if (field.value.trim() !== text || document.activeElement !== field) return;
    labels = known.get(text) ?? [];
    draw();
  };

  const openWith = async (step) => {
    clearTimeout(waiting);
    await ask();
    if (!list.hidden && active < 0) mark(step > 0 ? 0 : labels.length - 1);
  };

  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, TYPING_MS);
  });
  field.addEventListener("blur", () => {
    clearTimeout(waiting);
    close();
  });
  form.addEventListener("submit", () => clearTimeout(waiting));
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (!open) openWith(step);
      // Up from the first leads back to the field, and from there to the last.
      else mark(((active + 1 + step + labels.length + 1) % (labels.length + 1)) - 1);
    } else if (event.key === "Enter" && open && active >= 0) {
      event.preventDefault();
      choose(active);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  });
}

// ----------------------------------------------------------------------------- near me

/**
 * Offer the places around the device. Its location is asked for only after the tap, is
 * rounded here, and goes nowhere but into the address of the next page.
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 */
function locate(form, button) {
  button.hidden = false;
  const hint = document.getElementById(button.getAttribute("aria-describedby") ?? "");
  if (hint) hint.hidden = false;
  // A button that is disabled would lose the focus.
  const wait = (waits) => {
    for (const name of ["aria-busy", "aria-disabled"]) {
      if (waits) button.setAttribute(name, "true");
      else button.removeAttribute(name);
    }
  };
  const fail = (text) => {
    wait(false);
    say(`${text} ${gettext("Geben Sie oben einen Ort oder eine Postleitzahl ein.")}`);
    field?.focus();
  };
  const go = ({ coords }) => {
    const point = [coords.longitude, coords.latitude].map((one) => one.toFixed(DECIMALS));
    const query = new URLSearchParams({ nah: point.join(",") });
    for (const [name, value] of new FormData(form)) {
      if (name !== "ort") query.append(name, String(value));
    }
    location.assign(`${form.action}?${query.toString().replace("%2C", ",")}`);
  };
  button.addEventListener("click", () => {
    if (button.hasAttribute("aria-busy")) return;
    if (!navigator.geolocation || !window.isSecureContext) {
      fail(gettext("Ihr Gerät gibt hier keinen Standort an."));
      return;
    }
    wait(true);
    say(gettext("Ihr Standort wird gesucht …"));
    navigator.geolocation.getCurrentPosition(
      go,
      ({ code }) =>
        fail(
          code === 1
            ? gettext("Sie haben den Standort nicht freigegeben. Das ist in Ordnung.")
            : gettext("Ihr Standort ist gerade nicht zu finden."),
        ),
      { enableHighAccuracy: false, timeout: 10_000, maximumAge: 300_000 },
    );
  });
  // A page that comes back from the browser's memory must not be stuck.
  window.addEventListener("pageshow", () => {
    wait(false);
    say("");
  });
}

// ------------------------------------------------------------------------------- start

if (form && field && list) suggest(form, field, list);
const near = document.getElementById("in-meiner-naehe");
if (form && near instanceof HTMLButtonElement) locate(form, near);

// Fields that nobody filled in do not belong into an address.
for (const one of document.querySelectorAll("form.search, form.filters")) {
  one.addEventListener("formdata", (event) => {
    const data = /** @type {FormDataEvent} */ (event).formData;
    for (const name of new Set(data.keys())) {
      const values = data.getAll(name).filter((value) => value !== "");
      data.delete(name);
      for (const value of values) data.append(name, value);
    }
  });
}
