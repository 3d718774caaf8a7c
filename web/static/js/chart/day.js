/**
 * What the provider tells of the day beside the price: in words, and on the page.
 */
import { must, setText } from "../dom.js";
import { decimalsOf, price } from "../format.js";
import { spread, spreadTitle, when } from "../top-of-book.js";

/** @typedef {Pick<import("../store.js").HeldQuote, "previousClose" | "day" | "bid" | "ask" | "quotedAt">} Told */
/** @typedef {{name: string, text: string, title: string}} Figure title: as exact as it was told; empty where the text is */

const LARGE = 100_000;
/** There is no shorter word beyond "T"; no market has such a volume, but a provider may tell any number. */
const HUGE = 1e15;
const large = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 4 });
const small = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 5 });
const huge = new Intl.NumberFormat("en-US", { notation: "scientific", maximumSignificantDigits: 4 });
const exactly = new Intl.NumberFormat("en-US", { maximumFractionDigits: 20 });

/** @typedef {(name: string, text: string, title?: string) => void} Add */

/**
 * @param {Told} quote
 * @param {number} decimals of prices
 * @returns {Figure[]} what is told, and nothing of what is not
 */
export function dayFigures(quote, decimals) {
  /** @type {Figure[]} */
  const figures = [];
  /** @type {Add} */
  const add = (name, text, title = "") => figures.push({ name, text, title });
  if (quote.previousClose !== null) add("Previous close", price(quote.previousClose, decimals));
  if (quote.day !== null) ofDay(quote.day, decimals, add);
  ofBook(quote, decimals, add);
  return figures;
}

/**
 * @param {import("../protocol.js").Day} day
 * @param {number} decimals
 * @param {Add} add
 */
function ofDay({ high, low, open, volume, rolling, at }, decimals, add) {
  const p = (/** @type {number} */ value) => price(value, decimals);
  if (open !== null) add(rolling ? "24 hours ago" : "Open", p(open));
  const range = rolling ? "Range of 24 hours" : "Day’s range";
  if (high !== null && low !== null) add(range, `${p(low)} – ${p(high)}`);
  else if (high !== null) add(rolling ? "High of 24 hours" : "Day’s high", p(high));
  else if (low !== null) add(rolling ? "Low of 24 hours" : "Day’s low", p(low));
  if (volume !== null) {
    const from = at === null ? "" : ` at ${new Date(at).toISOString().slice(11, 16)}\u00a0UTC`;
    const [short, long] = volume < LARGE ? [small, exactly] : volume < HUGE ? [large, exactly] : [huge, huge];
    add(rolling ? "Volume of 24 hours" : "Volume", short.format(volume) + from, long.format(volume) + from);
  }
}

/**
 * @param {Told} quote
 * @param {number} decimals
 * @param {Add} add
 */
function ofBook({ bid, ask, quotedAt }, decimals, add) {
  const p = (/** @type {number} */ value) => price(value, Math.max(decimals, decimalsOf(value)));
  if (bid !== null && ask !== null) {
    const between = spread({ bid, ask });
    const title = between === null ? "" : `Spread ${spreadTitle(between, { bid, ask }, p(between))}`;
    add("Bid and ask", `${p(bid)} / ${p(ask)}${when(quotedAt)}`, title);
  } else if (bid !== null) add("Bid", p(bid) + when(quotedAt));
  else if (ask !== null) add("Ask", p(ask) + when(quotedAt));
}

/** The figures above the chart. */
export class DayFigures {
  #list = must(document, "#day", HTMLElement);
  #names = "";
  /** @type {HTMLElement[]} */
  #texts = [];

  /**
   * @param {Told} quote
   * @param {number} decimals
   */
  paint(quote, decimals) {
    const figures = dayFigures(quote, decimals);
    const names = figures.map(({ name }) => name).join();
    if (names !== this.#names) {
      this.#names = names;
      this.#texts = figures.map(() => document.createElement("dd"));
      this.#list.hidden = figures.length === 0;
      this.#list.replaceChildren(
        ...figures.map(({ name }, index) => {
          const pair = document.createElement("div");
          const term = document.createElement("dt");
          term.textContent = name;
          pair.append(term, /** @type {HTMLElement} */ (this.#texts[index]));
          return pair;
        }),
      );
    }
    for (const [index, { text, title }] of figures.entries()) {
      const shown = /** @type {HTMLElement} */ (this.#texts[index]);
      setText(shown, text);
      if (shown.title !== title) shown.title = title;
    }
  }
}
