// One element made like another with as few changes as possible: what stays needs no layout.

/**
 * Make an element what a fresh one is. Rows of a table that have a `data-key` are told by it,
 * all else by id, class and place. What scripts put in (`data-added`) and what readers unfolded stays;
 * what they typed is taken away, as by a new page.
 * @param {Element} old
 * @param {Element} fresh taken apart for it
 */
export function renew(old, fresh) {
  renewAttributes(old, fresh);
  if (old instanceof HTMLInputElement) old.value = fresh.getAttribute("value") ?? "";
  if (old instanceof HTMLTableSectionElement && old.rows[0]?.dataset.key) {
    renewRows(old, /** @type {HTMLTableSectionElement} */ (fresh));
    return;
  }
  let at = next(old.firstChild);
  for (const node of [...fresh.childNodes]) {
    let same = at;
    while (same && !isAlike(same, node)) same = next(same.nextSibling);
    if (!same) {
      old.insertBefore(node, at);
      continue;
    }
    clear(at, same);
    if (node instanceof Element) renew(/** @type {Element} */ (same), node);
    else if (same.nodeValue !== node.nodeValue) same.nodeValue = node.nodeValue;
    at = next(same.nextSibling);
  }
  clear(at, null);
}

/** Whether one stands for the other, so that what differs in them can be changed. */
function isAlike(one, other) {
  const { nodeName, id, className } = other;
  return one.nodeName === nodeName && one.id === id && one.className === className;
}

/** Take away what lies from a node on, up to another. */
function clear(from, to) {
  while (from !== to) {
    const gone = from;
    from = next(from.nextSibling);
    gone.remove();
  }
}

/** @param {Element} old @param {Element} fresh */
function renewAttributes(old, fresh) {
  for (const name of old.getAttributeNames()) {
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

/**
 * Rows that go leave first, so that those that stay are not moved.
 * @param {HTMLTableSectionElement} old
 * @param {HTMLTableSectionElement} fresh
 */
function renewRows(old, fresh) {
  const rows = [...fresh.rows];
  const wanted = new Set(rows.map((row) => row.dataset.key));
  const known = new Map();
  for (const row of [...old.rows]) {
    if (wanted.has(row.dataset.key)) known.set(row.dataset.key, row);
    else row.remove();
  }
  let at = old.rows[0] ?? null;
  for (const row of rows) {
    const kept = known.get(row.dataset.key);
    if (kept) renew(kept, row);
    if (kept && kept === at) at = /** @type {any} */ (at.nextElementSibling);
    else old.insertBefore(kept ?? row, at);
  }
}

/** @param {ChildNode|null} node @returns {ChildNode|null} the first from there on that the server wrote */
function next(node) {
  while (node instanceof HTMLElement && "added" in node.dataset) node = node.nextSibling;
  return node;
}
