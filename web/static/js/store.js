/**
 * What the dashboard knows: the list somebody watches, the last quote of each symbol, and the state of
 * the feed. No DOM and no I/O; every method answers which symbols it changed.
 */
import { decimalsFor } from "./format.js";
import { isSymbol } from "./symbols.js";
import { compareVersions } from "./versions.js";

/** @typedef {import("./protocol.js").Price} Price */
/** @typedef {import("./protocol.js").Quote} Quote */
/** @typedef {import("./versions.js").Version} Version */
/** @typedef {import("./protocol.js").Status} Status */

/** What one connection may subscribe to (W10). */
export const MAX_SYMBOLS = 1000;

/** Points a sparkline draws. */
export const TREND_POINTS = 90;

/** Points of a trend are at least this far apart: newer prices inside it move the last point. Under the
 * jitter of the fastest usual fetch, so that each of those is a point. */
const TREND_SPACING_MS = 400;

/**
 * @typedef {object} Trend
 * @property {number[]} values oldest first, at most TREND_POINTS
 * @property {number} revision goes up with every change
 * @property {number} lastPointAt ms, when the newest point was begun
 */

/**
 * @typedef {object} Entry
 * @property {Quote | null} quote
 * @property {Trend} trend
 * @property {number} decimals of the price and of its change as shown: see `decimalsFor`
 * @property {string | null} rejected why the server will not serve it; null when it does
 */

export class Store {
  /** @type {string[]} */
  #order = [];
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {number | null} */
  #asOf = null;
  /** @type {Status | null} */
  #status = null;

  /** Symbols in the user's own order. */
  get symbols() {
    return /** @type {readonly string[]} */ (this.#order);
  }

  /** The last successful fetch the server told of, ms on its clock. */
  get asOf() {
    return this.#asOf;
  }

  get status() {
    return this.#status;
  }

  /**
   * @param {string} symbol
   * @returns {Readonly<Entry> | undefined}
   */
  entry(symbol) {
    return this.#entries.get(symbol);
  }

  /**
   * Puts symbols on the list; those already there stay where they are.
   * @param {Iterable<string>} symbols
   * @param {number} [index] where in the list; the end unless told
   * @returns {{added: string[], full: boolean}} full: some did not fit
   */
  add(symbols, index = this.#order.length) {
    const added = [];
    let full = false;
    for (const symbol of symbols) {
      if (!isSymbol(symbol) || this.#entries.has(symbol)) continue;
      if (this.#entries.size >= MAX_SYMBOLS) {
        full = true;
        break;
      }
      this.#entries.set(symbol, newEntry());
      added.push(symbol);
    }
    this.#order.splice(Math.min(index, this.#order.length), 0, ...added);
    return { added, full };
  }

  /**
   * @param {string} symbol
   * @returns {{index: number, entry: Entry} | null} what `restore` needs; null if it was not there
   */
  remove(symbol) {
    const entry = this.#entries.get(symbol);
    if (entry === undefined) return null;
    const index = this.#order.indexOf(symbol);
    this.#order.splice(index, 1);
    this.#entries.delete(symbol);
    return { index, entry };
  }

  /**
   * Takes a removal back, with the price that was known.
   * @param {string} symbol
   * @param {{index: number, entry: Entry}} removed
   * @returns {boolean} false when it is back already, or the list is full
   */
  restore(symbol, removed) {
    if (this.add([symbol], removed.index).added.length === 0) return false;
    this.#entries.set(symbol, removed.entry);
    return true;
  }

  /**
   * @param {Iterable<Quote>} quotes
   * @param {number | null} asOf
   * @param {number} now ms
   * @returns {string[]} changed symbols
   */
  applySnapshot(quotes, asOf, now) {
    this.#advance(asOf);
    const changed = [];
    for (const quote of quotes) {
      const entry = this.#entries.get(quote.symbol);
      // The same version is let in: a snapshot repeats it with the static fields.
      if (entry === undefined || (entry.quote !== null && compareVersions(quote.version, entry.quote.version) < 0)) continue;
      const first = entry.quote === null;
      entry.quote = quote;
      entry.rejected = null;
      entry.decimals = decimalsFor(quote.price, quote.open, entry.decimals);
      if (first && quote.previous !== null) extendTrend(entry.trend, quote.previous, now - TREND_SPACING_MS);
      extendTrend(entry.trend, quote.price, now);
      changed.push(quote.symbol);
    }
    return changed;
  }

  /**
   * @param {Iterable<Price>} prices
   * @param {number | null} asOf
   * @param {number} now ms
   * @returns {string[]} changed symbols
   */
  applyPrices(prices, asOf, now) {
    this.#advance(asOf);
    const changed = [];
    for (const price of prices) {
      const entry = this.#entries.get(price.symbol);
      if (entry === undefined || (entry.quote !== null && compareVersions(price.version, entry.quote.version) <= 0)) continue;
      entry.quote = { ...(entry.quote ?? NO_STATIC_FIELDS), ...price };
      entry.rejected = null;
      entry.decimals = decimalsFor(price.price, entry.quote.open, entry.decimals);
      extendTrend(entry.trend, price.price, now);
      changed.push(price.symbol);
    }
    return changed;
  }

  /** @param {Status} status */
  applyStatus(status) {
    this.#status = status;
  }

  /**
   * The server will not serve a listed symbol. It stays on the list: a provider that forgot a symbol
   * for an hour must not cost somebody their list.
   * @param {string} symbol
   * @param {string} reason
   * @returns {boolean} whether it is on the list
   */
  reject(symbol, reason) {
    const entry = this.#entries.get(symbol);
    if (entry === undefined) return false;
    entry.rejected = reason;
    return true;
  }

  /**
   * Versions known of these symbols, for `since` after a reconnect.
   * @param {Iterable<string>} symbols
   * @returns {Record<string, Version>}
   */
  versions(symbols) {
    /** @type {Record<string, Version>} */
    const since = {};
    for (const symbol of symbols) {
      const quote = this.#entries.get(symbol)?.quote;
      if (quote) since[symbol] = quote.version;
    }
    return since;
  }

  /** @param {number | null} asOf */
  #advance(asOf) {
    if (asOf !== null && (this.#asOf === null || asOf > this.#asOf)) this.#asOf = asOf;
  }
}

/**
 * @param {Quote} quote
 * @returns {{absolute: number, percent: number} | null} since the day's open; null when that is unknown
 */
export function change(quote) {
  if (quote.open === null) return null;
  const absolute = quote.price - quote.open;
  return { absolute, percent: (absolute / quote.open) * 100 };
}

const NO_STATIC_FIELDS = Object.freeze({ open: null, previous: null, exchange: null, currency: null, delayed: false });

/** @returns {Entry} */
function newEntry() {
  return { quote: null, trend: { values: [], revision: 0, lastPointAt: -Infinity }, decimals: 2, rejected: null };
}

/**
 * @param {Trend} trend
 * @param {number} value
 * @param {number} now
 */
function extendTrend(trend, value, now) {
  const { values } = trend;
  if (now - trend.lastPointAt < TREND_SPACING_MS) {
    values[values.length - 1] = value;
  } else {
    values.push(value);
    if (values.length > TREND_POINTS) values.shift();
    trend.lastPointAt = now;
  }
  trend.revision += 1;
}
