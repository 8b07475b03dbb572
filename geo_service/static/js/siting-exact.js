// Ask for the exact answer while the quick one is read already. Every word stands on the page.

const box = /** @type {HTMLElement|null} */ (document.querySelector("[data-exact]"));

/**
 * Show one of the texts of the box; the others hide.
 * @param {HTMLElement} root
 * @param {string} state
 */
function show(root, state) {
  for (const part of root.querySelectorAll("[data-state]")) {
    if (part instanceof HTMLElement) part.hidden = part.dataset.state !== state;
  }
  root.dataset.now = state;
}

/**
 * Say whether a value is better than that of the places shown; it is where none are.
 * @param {HTMLElement} root
 * @param {number} value people, or places or metres, of which less is better
 */
function isBetter(root, value) {
  if (!root.dataset.value) return true;
  const shown = Number(root.dataset.value);
  return root.dataset.less ? value < shown : value > shown;
}

/** @param {HTMLElement} root */
async function ask(root) {
  show(root, "running");
  try {
    const answer = await fetch(root.dataset.exact ?? "", { credentials: "omit" });
    if (answer.status === 503 || answer.status === 429) return show(root, "busy");
    if (!answer.ok) throw new Error(`${root.dataset.exact}: ${answer.status}`);
    const found = await answer.json();
    for (const part of document.querySelectorAll("[data-proof]")) part.textContent = found.proof;
    if (isBetter(root, found.value)) return show(root, "better");
    for (const part of document.querySelectorAll("[data-quick]")) part.remove();
    for (const part of document.querySelectorAll("[data-shown-proof]")) part.textContent = found.proof;
    for (const fact of document.querySelectorAll("[data-fact]")) {
      if (!(fact instanceof HTMLElement)) continue;
      fact.textContent = found.parameters[fact.dataset.fact ?? ""] ?? fact.textContent;
    }
    show(root, "same");
  } catch (error) {
    console.warn(String(error));
    show(root, "failed");
  }
  return undefined;
}

if (box) {
  box.hidden = false;
  for (const again of box.querySelectorAll("[data-again]")) again.addEventListener("click", () => ask(box));
  ask(box);
}
