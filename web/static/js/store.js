/**
 * What the dashboard knows: the list somebody watches, the last quote of each symbol, and the state of
 * the feed. No DOM and no I/O; every method answers which symbols it changed.
 */
import { decimalsFor } from "./format.js";
import { isSymbol } from "./symbols.js";
import { Trend } from "./trend.js";
import { compareVersions } from "./versions.js";

/** @typedef {import("./protocol.js").PriceUpdate} PriceUpdate */
/** @typedef {import("./protocol.js").Confirmation} Confirmation */
/** @typedef {import("./protocol.js").NotServed} NotServed */
/** @typedef {import("./protocol.js").Quote} Quote */
/** @typedef {import("./protocol.js").Status} Status */

/** What one connection may subscribe to (W10). */
export const MAX_SYMBOLS = 1000;

/** The price before the first one that came is so much older in its trend. */
const BEFORE_MS = 1_000;

/**
 * A quote with its times on the page's own monotonic clock.
 * @typedef {Omit<Quote, "state" | "confirmed" | "changed"> & {state: Confirmation, confirmedAt: number | null, changedAt: number}} HeldQuote
 *   confirmedAt null: by the feed's last fetch
 */

/**
 * When a message came. All are ms of the page's monotonic clock.
 * @typedef {object} At
 * @property {number} now
 * @property {number} madeAt when the server made it, at the earliest
 * @property {(steady: number | null) => number | null} here a time of the server's monotonic clock; null stays null
 */

/**
 * @typedef {object} Entry
 * @property {HeldQuote | null} quote
 * @property {Trend} trend
 * @property {number} decimals of the price and of its change as shown: see `decimalsFor`
 * @property {string | null} rejected why the server will not serve it; null when it does
 * @property {string | null} refusal why its provider tells no price of it now; null when it does, or may
 */

export class Store {
  /** @type {string[]} */
  #order = [];
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {number | null} */
  #fetchedAt = null;
  /** The same as it was told. @type {number | null} */
  #fetchedSteady = null;
  /** Live symbols that the last fetch did not tell, since it did not ask for them. @type {Set<string>} */
  #untold = new Set();
  /** @type {Status | null} */
  #status = null;
  /** @type {number | null} */
  #probeAt = null;

  /** Symbols in the user's own order. */
  get symbols() {
    return /** @type {readonly string[]} */ (this.#order);
  }

  /** The last successful fetch the server told of, ms of the page's monotonic clock. */
  get fetchedAt() {
    return this.#fetchedAt;
  }

  get status() {
    return this.#status;
  }

  /** When the breaker's next probe is due, ms; null when none is planned. */
  get probeAt() {
    return this.#probeAt;
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
   * Puts the symbols in this order; those that are not named keep theirs, after them.
   * @param {readonly string[]} symbols
   */
  reorder(symbols) {
    const named = symbols.filter((symbol) => this.#entries.has(symbol));
    this.#order = [...new Set([...named, ...this.#order])];
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
   * @param {At} at
   * @returns {string[]} changed symbols
   */
  applySnapshot(quotes, at) {
    const changed = [];
    for (const quote of quotes) {
      const entry = this.#entries.get(quote.symbol);
      if (entry === undefined) continue;
      const first = entry.quote === null;
      const order = entry.quote === null ? 1 : compareVersions(quote.version, entry.quote.version);
      // The same version is let in: a snapshot repeats it with the static fields.
      if (order < 0) continue;
      const { confirmed, changed: moved, state, ...fields } = quote;
      entry.quote = { ...fields, state: state ?? "live", confirmedAt: at.here(confirmed), changedAt: at.here(moved) ?? at.now };
      if (confirmed !== null && entry.quote.state === "live") this.#untold.add(quote.symbol);
      entry.rejected = entry.refusal = null;
      entry.decimals = decimalsFor(quote.price, quote.base, entry.decimals);
      // Before it: at the same time, the one would take the place of the other.
      if (first && quote.previous !== null) entry.trend.see(quote.previous, at.now - BEFORE_MS);
      if (order > 0) entry.trend.add(quote.price, at.now, quote.timestamp);
      changed.push(quote.symbol);
    }
    return changed;
  }

  /**
   * @param {Iterable<PriceUpdate>} prices
   * @param {At} at
   * @returns {string[]} changed symbols
   */
  applyPrices(prices, at) {
    const changed = [];
    for (const price of prices) {
      const entry = this.#entries.get(price.symbol);
      if (entry === undefined) continue;
      const order = entry.quote === null ? 1 : compareVersions(price.version, entry.quote.version);
      // A symbol that is confirmed no more, or again, keeps the version of the price that it has.
      if (order < 0 || (order === 0 && price.state === null)) continue;
      entry.quote = moved(entry.quote, price, at);
      entry.rejected = entry.refusal = null;
      if (order > 0) {
        entry.decimals = decimalsFor(price.price, entry.quote.base, entry.decimals);
        entry.trend.add(price.price, at.now, price.timestamp);
      }
      changed.push(price.symbol);
    }
    return changed;
  }

  /**
   * The server says when the feed was last fetched.
   * @param {number | null} steady ms of the server's monotonic clock; null says nothing
   * @param {(steady: number) => number} here the same on the page's
   */
  fetched(steady, here) {
    if (steady === null) return;
    this.#fetchedAt = here(steady);
    if (steady === this.#fetchedSteady) return;
    this.#fetchedSteady = steady;
    // What the fetch before had not told, and is called live, this one has told.
    for (const symbol of this.#untold) {
      const quote = this.#entries.get(symbol)?.quote;
      if (quote && quote.state === "live") quote.confirmedAt = null;
    }
    this.#untold.clear();
  }

  /**
   * The page's clock stood still: whatever is kept happened longer ago than it seems.
   * @param {number} ms
   */
  slept(ms) {
    if (this.#fetchedAt !== null) this.#fetchedAt -= ms;
    if (this.#probeAt !== null) this.#probeAt -= ms;
    for (const { quote } of this.#entries.values()) {
      if (quote === null) continue;
      quote.changedAt -= ms;
      if (quote.confirmedAt !== null) quote.confirmedAt -= ms;
    }
  }

  /**
   * @param {Status} status
   * @param {At} at
   */
  applyStatus(status, at) {
    this.#status = status;
    this.#probeAt = status.probeIn === null ? null : at.madeAt + status.probeIn;
  }

  /**
   * A provider tells no price of listed symbols, or does again. What has a price has a state of its own.
   * @param {NotServed} message
   * @returns {Map<string, string>} why, of those it tells no price of
   */
  applyNotServed({ symbols, served }) {
    const refused = new Map();
    for (const { symbol, reason } of symbols) {
      const entry = this.#entries.get(symbol);
      if (entry === undefined || entry.quote !== null) continue;
      entry.refusal = reason;
      refused.set(symbol, reason);
    }
    for (const symbol of served) {
      const entry = this.#entries.get(symbol);
      if (entry !== undefined) entry.refusal = null;
    }
    return refused;
  }

  /** A connection begins: what providers refuse is told anew on each. */
  forgetRefusals() {
    for (const entry of this.#entries.values()) entry.refusal = null;
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
}

const NO_STATIC_FIELDS = Object.freeze({
  open: null,
  previous: null,
  base: null,
  basis: null,
  baseAt: null,
  previousClose: null,
  day: null,
  bid: null,
  ask: null,
  quotedAt: null,
  dayZone: null,
  exchange: null,
  currency: null,
  name: null,
  source: null,
  session: null,
  delayed: false,
  delayedSeconds: null,
});

/**
 * A quote after an update of it.
 * @param {HeldQuote | null} quote
 * @param {PriceUpdate} price
 * @param {At} at
 * @returns {HeldQuote}
 */
function moved(quote, { confirmed, state, reason, day, ...fields }, at) {
  const isNew = quote === null || quote.price !== fields.price;
  const told = state === null ? {} : { state, reason, confirmedAt: at.here(confirmed) };
  const before = quote ?? { ...NO_STATIC_FIELDS, state: /** @type {const} */ ("live"), reason: null, confirmedAt: null };
  return { ...before, ...fields, day: day ?? before.day, changedAt: isNew ? at.madeAt : quote.changedAt, ...told };
}

/** @returns {Entry} */
function newEntry() {
  return { quote: null, trend: new Trend(), decimals: 2, rejected: null, refusal: null };
}
