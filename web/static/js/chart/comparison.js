/**
 * The second symbol: which one it is, its candles, and what is said of it.
 */
import { must, setText } from "../dom.js";
import { parseSymbols } from "../symbols.js";
import { besideInWords, firstCommon } from "./compare.js";
import { ChartFeed } from "./feed.js";

/** @typedef {import("./compare.js").Beside} Beside */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./feed.js").Extent} Extent */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {import("../protocol.js").Price} Price */

/**
 * @typedef {object} Options
 * @property {string} symbol the first one
 * @property {Omit<ConstructorParameters<typeof ChartFeed>[0], "symbol" | "range" | "onCandles" | "onState">} feeding
 * @property {(symbol: string) => Price | null} quoteOf
 * @property {(symbol: string) => string | null} refusalOf why it is not served
 * @property {(symbol: string | null) => void} onChoose
 * @property {(extent: Extent) => void} onCandles
 * @property {() => void} onState
 * @property {(text: string) => void} announce
 */

export class Comparison {
  #options;
  #form = must(document, "#compare-form", HTMLFormElement);
  #field = must(document, "#compare", HTMLInputElement);
  #remove = must(document, "#compare-remove", HTMLButtonElement);
  /** @type {string | null} */
  #symbol = null;
  /** @type {ChartFeed | null} */
  #feed = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener("input", () => this.#field.setCustomValidity(""));
    this.#remove.addEventListener("click", () => {
      this.#field.focus();
      options.onChoose(null);
      options.announce(`${this.#remove.dataset.symbol} removed.`);
    });
  }

  /** To where it is typed. */
  focus() {
    this.#field.focus();
  }

  get symbol() {
    return this.#symbol;
  }

  /** Its newest candle. @returns {Candle | undefined} */
  get newest() {
    return this.#feed?.candles.at(-1);
  }

  /**
   * @param {string | null} symbol null for none
   * @param {Range} range
   */
  open(symbol, range) {
    this.#feed?.stop();
    this.#symbol = symbol;
    this.#feed = null;
    this.#field.value = "";
    this.#remove.hidden = symbol === null;
    if (symbol === null) return;
    this.#remove.dataset.symbol = symbol;
    setText(this.#remove, `Remove ${symbol}`);
    const { feeding, quoteOf, onCandles, onState } = this.#options;
    const feed = new ChartFeed({ ...feeding, symbol, range, onCandles: (extent) => this.#feed === feed && onCandles(extent), onState });
    this.#feed = feed;
    feed.loader.load();
    const quote = quoteOf(symbol);
    if (quote !== null) feed.price(quote);
  }

  /** A price of it came, maybe. */
  follow() {
    const quote = this.#symbol === null ? null : this.#options.quoteOf(this.#symbol);
    if (quote !== null) this.#feed?.price(quote);
  }

  reconnected() {
    this.#feed?.reconnected();
  }

  tick() {
    this.#feed?.tick();
  }

  goBack() {
    this.#feed?.goBack();
  }

  forgetOlder() {
    this.#feed?.forgetOlder();
  }

  /**
   * @param {readonly Candle[]} mine candles of the range
   * @returns {Beside | null} null where nothing is compared
   */
  beside(mine) {
    if (this.#symbol === null || this.#feed === null) return null;
    const { candles } = this.#feed;
    return { symbol: this.#symbol, base: firstCommon(mine, candles), candles };
  }

  /** Why there is nothing of it, or not yet. @returns {string | null} */
  get trouble() {
    if (this.#symbol === null || this.#feed === null) return null;
    const { state } = this.#feed.loader;
    const refusal = this.#options.refusalOf(this.#symbol);
    if ("reason" in state) return `The history of ${this.#symbol} cannot be read now: ${state.reason}.`;
    if (state.name !== "ready") return `Reading ${this.#symbol} …`;
    return refusal === null || this.#feed.candles.length > 0 ? null : `${this.#symbol} is not served: ${refusal}.`;
  }

  /**
   * @param {readonly Candle[]} mine candles of the range
   * @param {number | null} price the newest of the first symbol
   * @param {{noun: string}} range
   * @param {(start: number) => string} when
   * @returns {string} "" where nothing is compared, or there is trouble
   */
  inWords(mine, price, { noun }, when) {
    const beside = this.beside(mine);
    if (beside === null || this.trouble !== null || mine.length === 0) return "";
    const since = beside.base === null ? "" : when(beside.base.start);
    return besideInWords({ symbol: this.#options.symbol, beside, price, newest: this.newest?.close ?? null, since, noun });
  }

  #submit() {
    const { symbols, invalid } = parseSymbols(this.#field.value);
    const [wanted] = symbols;
    const why = invalid[0]?.reason ?? (wanted === undefined || symbols.length > 1 ? "Type one symbol, such as MSFT." : wanted === this.#options.symbol ? `This is the chart of ${wanted}.` : null);
    if (why !== null || wanted === undefined) {
      this.#field.setCustomValidity(why ?? "");
      this.#field.reportValidity();
      return;
    }
    this.#options.onChoose(wanted);
  }
}
