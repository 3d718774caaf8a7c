/**
 * What the provider tells of the day beside the price: in words, and on the page.
 */
import { must, setText } from "../dom.js";
import { price } from "../format.js";

/** @typedef {Pick<import("../store.js").HeldQuote, "previousClose" | "day">} Told */
/** @typedef {{name: string, text: string, title: string}} Figure title: as exact as it was told; empty where the text is */

const LARGE = 100_000;
/** There is no shorter word beyond "T"; no market has such a volume, but a provider may tell any number. */
const HUGE = 1e15;
const large = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 4 });
const small = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 5 });
const huge = new Intl.NumberFormat("en-US", { notation: "scientific", maximumSignificantDigits: 4 });
const exactly = new Intl.NumberFormat("en-US", { maximumFractionDigits: 20 });

/**
 * @param {Told} quote
 * @param {number} decimals of prices
 * @returns {Figure[]} what is told, and nothing of what is not
 */
export function dayFigures({ previousClose, day }, decimals) {
  /** @type {Figure[]} */
  const figures = [];
  const add = (/** @type {string} */ name, /** @type {string} */ text, title = "") => figures.push({ name, text, title });
  const p = (/** @type {number} */ value) => price(value, decimals);
  if (previousClose !== null) add("Previous close", p(previousClose));
  if (day === null) return figures;
  const { high, low, open, volume, rolling, at } = day;
  if (open !== null) add(rolling ? "24 hours ago" : "Open", p(open));
  const range = rolling ? "Range of 24 hours" : "Day’s range";
  if (high !== null && low !== null) add(range, `${p(low)} – ${p(high)}`);
  else if (high !== null) add(rolling ? "High of 24 hours" : "Day’s high", p(high));
  else if (low !== null) add(rolling ? "Low of 24 hours" : "Day’s low", p(low));
  if (volume !== null) {
    const when = at === null ? "" : ` at ${new Date(at).toISOString().slice(11, 16)}\u00a0UTC`;
    const [short, long] = volume < LARGE ? [small, exactly] : volume < HUGE ? [large, exactly] : [huge, huge];
    add(rolling ? "Volume of 24 hours" : "Volume", short.format(volume) + when, long.format(volume) + when);
  }
  return figures;
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
