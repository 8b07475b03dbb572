// The builder: preview and snippets follow the form at once, and can be copied.

const form = /** @type {HTMLFormElement} */ (document.getElementById("auswahl"));
let latest = 0;

/** Offer what the browser can do: copy; without it the text can be selected. */
function offerCopies() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (button instanceof HTMLButtonElement) button.hidden = false;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!(button instanceof HTMLElement)) return;
  const area = /** @type {HTMLTextAreaElement} */ (document.getElementById(button.dataset.copy ?? ""));
  area.select();
  await navigator.clipboard.writeText(area.value);
  const said = /** @type {HTMLElement|null} */ (button.nextElementSibling);
  if (said) said.textContent = said.dataset.done ?? "";
});

/** Ask for the page of the present choice, and take its faults, preview and snippets. */
async function follow() {
  const number = (latest += 1);
  const address = new URL(form.action);
  for (const [name, value] of new FormData(form)) {
    if (value) address.searchParams.append(name, String(value));
  }
  const answer = await fetch(address, { credentials: "omit" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const result = page.getElementById("ergebnis");
  if (number !== latest || !result) return;
  document.getElementById("ergebnis")?.replaceWith(document.adoptNode(result));
  history.replaceState(null, "", address);
  offerCopies();
}

form.addEventListener("change", () => {
  follow().catch((error) => console.warn(String(error)));
});
offerCopies();
