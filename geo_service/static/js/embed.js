// A frame in another page: tells that page how high it is.

/**
 * The origin of the page around us: from the browser where it says so, else from the fragment
 * that the page itself gave us, else from where we were opened. No other page can read what
 * is sent to a wrong one, because the browser compares.
 * @returns {string} empty if it is not known
 */
function parentOrigin() {
  const known = location.ancestorOrigins?.[0];
  const said = new URLSearchParams(location.hash.slice(1)).get("eltern");
  for (const one of [known, said, document.referrer]) {
    try {
      if (one) return new URL(one).origin;
    } catch {
      continue;
    }
  }
  return "";
}

const origin = window.parent === window ? "" : parentOrigin();
if (/^https?:/.test(origin)) {
  const tell = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    window.parent.postMessage({ begegnungsorte: "hoehe", hoehe: height }, origin);
  };
  new ResizeObserver(tell).observe(document.body);
  tell();
}

// What the page around us said stays when a link inside the frame is followed.
if (location.hash.startsWith("#eltern=")) {
  for (const link of document.querySelectorAll("a[target=_self]")) {
    /** @type {HTMLAnchorElement} */ (link).hash = location.hash;
  }
  for (const form of document.forms) form.action += location.hash;
}
