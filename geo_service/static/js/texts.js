// Texts and numbers of the scripts in the language of the page. German is the source; the
// other languages come with the page as data: message -> text, or -> form by kind of number.

const LOCALES = { de: "de-DE", en: "en-GB", ar: "ar-u-nu-latn", fa: "fa-u-nu-arabext" };
const code = document.documentElement.lang || "de";
const locale = LOCALES[code] ?? code;
const rules = new Intl.PluralRules(code);
/** @type {Map<number, Intl.NumberFormat>} by decimals: they are slow to make */
const formats = new Map();
/** @type {Record<string, string|Record<string, string>>} */
const texts = JSON.parse(document.getElementById("script-texts")?.textContent || "{}");

/**
 * @param {string} text in German
 * @param {Record<string, string|number>} [values] for its `%(name)s`
 */
export function gettext(text, values) {
  return fill(/** @type {string} */ (texts[text] ?? text), values);
}

/**
 * @param {string} one in German, for one
 * @param {string} many in German, for more
 * @param {number} count decides the form
 * @param {Record<string, string|number>} [values] for `%(name)s`; `count` is there already
 */
export function ngettext(one, many, count, values) {
  const forms = texts[one] ?? { one, other: many };
  const form = forms[rules.select(count)] ?? forms.other;
  return fill(form, { count: number(count), ...values });
}

/**
 * @param {number} value
 * @param {number} [decimals]
 */
export function number(value, decimals = 0) {
  let format = formats.get(decimals);
  if (!format) {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    format = new Intl.NumberFormat(locale, digits);
    formats.set(decimals, format);
  }
  return format.format(value);
}

/**
 * Put values into a text; among letters from right to left each keeps its own direction.
 * @param {string} text
 * @param {Record<string, string|number>} [values]
 */
function fill(text, values = {}) {
  const apart = document.documentElement.dir === "rtl";
  return text.replace(/%\((\w+)\)s|%%/g, (whole, name) => {
    if (whole === "%%") return "%";
    const value = String(values[name] ?? "");
    return apart ? `\u2068${value}\u2069` : value;
  });
}
