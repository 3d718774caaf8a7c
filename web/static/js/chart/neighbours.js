/**
 * The symbols before and after this one on the list that this window shows.
 */
import { address, storageKey } from "../address.js";
import { must, setAttribute } from "../dom.js";
import { ListBook } from "../list-book.js";
import { Memory, readChosen, readOwn } from "../storage.js";

/**
 * @param {readonly string[]} symbols of the list, in its order
 * @param {string} symbol
 * @returns {{before: string | null, after: string | null}} null at an end, or where it is not on the list
 */
export function neighboursOf(symbols, symbol) {
  const place = symbols.indexOf(symbol);
  if (place < 0) return { before: null, after: null };
  return { before: symbols[place - 1] ?? null, after: symbols[place + 1] ?? null };
}

/** @returns {readonly string[]} the symbols of the list that this window shows */
export function shownList() {
  const memory = new Memory(() => window.localStorage);
  const session = new Memory(() => window.sessionStorage);
  const book = new ListBook(memory.load(storageKey("lists")), readChosen(session.load(storageKey("list"))));
  return book.active?.symbols ?? readOwn(memory).symbols;
}

export class Neighbours {
  #symbol;
  #search;
  #links = { before: must(document, "#symbol-before", HTMLAnchorElement), after: must(document, "#symbol-after", HTMLAnchorElement) };

  /**
   * @param {string} symbol
   * @param {(symbol: string) => string} search what the page of another symbol shows
   */
  constructor(symbol, search) {
    this.#symbol = symbol;
    this.#search = search;
    window.addEventListener("storage", () => this.paint());
  }

  /** The list, or what is shown, may have changed. */
  paint() {
    const found = neighboursOf(shownList(), this.#symbol);
    for (const side of /** @type {const} */ (["before", "after"])) {
      const symbol = found[side];
      const link = this.#links[side];
      const word = side === "before" ? "Symbol before" : "Symbol after";
      setAttribute(link, "href", symbol === null ? null : address(`/s/${encodeURIComponent(symbol)}${this.#search(symbol)}`));
      // Without an address it would be no link to who hears the page.
      setAttribute(link, "role", symbol === null ? "link" : null);
      setAttribute(link, "aria-disabled", symbol === null ? "true" : null);
      setAttribute(link, "title", symbol === null ? `${word}: none on the list` : `${word}: ${symbol}`);
      setAttribute(link, "aria-label", symbol === null ? `${word}: none on the list` : `${word}: ${symbol}`);
    }
  }

  /**
   * @param {"before" | "after"} side
   * @returns {boolean} false where there is none
   */
  go(side) {
    this.paint();
    if (!this.#links[side].hasAttribute("href")) return false;
    location.assign(this.#links[side].href);
    return true;
  }
}
