/**
 * What the browser keeps: the watch list and how it is shown. Storage may be forbidden, full, or hold
 * anything at all; the dashboard works the same, it only forgets, and says so where something is lost.
 */
import { storageKey } from "./address.js";
import { isColumnId } from "./columns.js";
import { arranged, readSections } from "./arrangement.js";
import { isSymbol } from "./symbols.js";
import { MAX_SYMBOLS } from "./store.js";

export const WATCHLIST_KEY = storageKey("watchlist");
/** Which of them are in which section: beside them, as versions without sections read those. */
export const SECTIONS_KEY = storageKey("sections");
export const SORTING_KEY = storageKey("sorting");
export const COLUMNS_KEY = storageKey("columns");
export const COMPACT_KEY = storageKey("compact");

/** @typedef {Pick<Storage, "getItem" | "setItem">} KeyValue */
/** @typedef {import("./sort.js").Sorting} Sorting */

/**
 * @param {string | null} text
 * @returns {string[]} the well-formed symbols in it, each once
 */
export function readWatchlist(text) {
  const parsed = parse(text);
  if (!Array.isArray(parsed)) return [];
  return [...new Set(parsed.filter(isSymbol))].slice(0, MAX_SYMBOLS);
}

/**
 * This browser's own list.
 * @param {Memory} memory
 * @returns {import("./arrangement.js").Arrangement}
 */
export function readOwn(memory) {
  return arranged(readWatchlist(memory.load(WATCHLIST_KEY)), readSections(parse(memory.load(SECTIONS_KEY))));
}

/**
 * @param {string | null} text
 * @returns {string[]}
 */
export function readTexts(text) {
  const parsed = parse(text);
  return Array.isArray(parsed) ? parsed.filter((item) => typeof item === "string") : [];
}

/**
 * @param {string | null} text
 * @returns {Sorting}
 */
export function readSorting(text) {
  const parsed = parse(text);
  if (typeof parsed !== "object" || parsed === null || !("column" in parsed)) return null;
  const { column } = parsed;
  if (!isColumnId(column)) return null;
  return { column, descending: "descending" in parsed && parsed.descending === true };
}

/**
 * The list that a window shows.
 * @param {string | null} text
 * @returns {number | null | undefined} undefined in a window that never chose
 */
export function readChosen(text) {
  if (text === "null") return null;
  return /^\d{1,15}$/.test(text ?? "") ? Number(text) : undefined;
}

/** Why the browser did not take what was to be kept. @typedef {"full" | "forbidden"} Trouble */

export class Memory {
  #storage;

  /** @param {() => KeyValue} storage reading `window.localStorage` itself throws where it is forbidden */
  constructor(storage) {
    this.#storage = storage;
  }

  /**
   * @param {string} key
   * @returns {string | null}
   */
  load(key) {
    try {
      return this.#storage().getItem(key);
    } catch {
      return null;
    }
  }

  /**
   * @param {string} key
   * @param {unknown} value
   * @returns {Trouble | null} null when the browser keeps it
   */
  save(key, value) {
    try {
      this.#storage().setItem(key, JSON.stringify(value));
      return null;
    } catch (error) {
      return error instanceof DOMException && error.name === "QuotaExceededError" ? "full" : "forbidden";
    }
  }

  /** @returns {Trouble | null} "forbidden" where nothing can be kept, before anything is */
  get trouble() {
    try {
      this.#storage().getItem("");
      return null;
    } catch {
      return "forbidden";
    }
  }
}

/**
 * @param {string | null} text
 * @returns {unknown}
 */
function parse(text) {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
