/**
 * The controls of theme and colours. `theme-init.js` applies what was chosen at the next visit.
 */
import { must } from "./dom.js";

/** @typedef {import("./storage.js").KeyValue} KeyValue */

/** Kept as bare words, not JSON: `theme-init.js` has to stay tiny. */
const KEY_PREFIX = "stockstream.";

/** The values that need no attribute. */
const DEFAULTS = { theme: "system", palette: "western" };

/**
 * @param {"theme" | "palette"} name of the fieldset, the radios in it, and the attribute on the root
 * @param {() => KeyValue} storage
 */
export function bindChoice(name, storage) {
  const root = document.documentElement;
  const fieldset = must(document, `#${name}`, HTMLFieldSetElement);
  const current = root.dataset[name] ?? DEFAULTS[name];
  for (const radio of fieldset.querySelectorAll("input")) radio.checked = radio.value === current;
  fieldset.addEventListener("change", () => {
    const value = fieldset.querySelector("input:checked")?.getAttribute("value") ?? DEFAULTS[name];
    if (value === DEFAULTS[name]) delete root.dataset[name];
    else root.dataset[name] = value;
    try {
      storage().setItem(KEY_PREFIX + name, value);
    } catch {
      // Forbidden or full: it holds for this visit.
    }
  });
}
