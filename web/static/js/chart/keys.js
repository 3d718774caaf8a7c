/**
 * Keys of the chart page, beside those of every page; anywhere but in fields.
 */
import { isEditable } from "../dom.js";

/** What a key does: false where it has nothing to do. @typedef {() => boolean | void} Act */

/** @param {Readonly<Record<string, Act>>} acts by their keys */
export function bindKeys(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") !== null || isEditable(event.target)) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act !== undefined && act() !== false) event.preventDefault();
  });
}
