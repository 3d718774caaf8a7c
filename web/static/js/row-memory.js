/**
 * Which row somebody came from when a chart was opened: coming back, the focus is there again. Of one
 * tab, and for one return.
 */
import { storageKey } from "./address.js";

const KEY = storageKey("row");

/** @param {string} symbol whose chart is open */
export function rememberRow(symbol) {
  try {
    window.sessionStorage.setItem(KEY, symbol);
  } catch {
    // Storage is off in this browser: the focus begins at the top then.
  }
}

/** @returns {string | null} the symbol whose chart was open last, once */
export function takeRow() {
  try {
    const symbol = window.sessionStorage.getItem(KEY);
    window.sessionStorage.removeItem(KEY);
    return symbol;
  } catch {
    return null;
  }
}
