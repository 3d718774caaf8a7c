/**
 * Asks for the course of the day of the rows that draw it, as many at once as the server takes: once for
 * each, and again after a connection that was lost. The trends go on by themselves with the prices that
 * come. Where there is no history, or it cannot be read now, nothing is said: the rows draw what they have
 * seen. No DOM.
 */
import { itemsIn } from "./rows-api.js";

/** @typedef {import("./connection.js").Clock} Clock */
/** @typedef {import("./rows-api.js").Answer} Answer */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./trend.js").Trend} Trend */
/** @typedef {import("./trend.js").Told} Told */

/** What one question may name. */
export const MOST_SYMBOLS = 100;

/** After a price that began a day, and after one that history has nothing of, it is asked again. */
export const AGAIN_MS = 10 * 60_000;

/** All pages lose the same server at once: their questions after that are spread over this. */
export const SPREAD_MS = 5_000;

const BACKOFF_BASE_MS = 5_000;
const BACKOFF_MAX_MS = 5 * 60_000;

/**
 * @typedef {object} Options
 * @property {(path: string) => Promise<Answer>} ask never throws
 * @property {Store} store
 * @property {Clock} clock
 * @property {() => number} random in [0, 1)
 * @property {() => Iterable<string>} wanted the symbols whose trend is drawn, or sorted by
 * @property {() => boolean} isSeen whether any trend is
 * @property {(symbols: string[]) => void} onTold their trends are others
 */

export class TrendFeed {
  #options;
  /** When each was asked for, ms. @type {WeakMap<Trend, number>} */
  #asked = new WeakMap();
  /** Nothing is asked before then, ms. */
  #notBefore = -Infinity;
  #failures = 0;
  #asking = false;
  /** Goes up with each connection. */
  #life = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /** There is a connection; when it is another one, prices were missed meanwhile. */
  connected() {
    const { clock, random } = this.#options;
    this.#life += 1;
    if (this.#life === 1) return;
    this.#asked = new WeakMap();
    this.#failures = 0;
    this.#notBefore = clock.now() + random() * SPREAD_MS;
  }

  /** Asks for what is wanted and not there, if anything; to be called again and again while the page is seen. */
  async look() {
    const { clock } = this.#options;
    if (this.#asking || clock.now() < this.#notBefore) return;
    const symbols = this.#missing();
    if (symbols.length === 0 || !this.#options.isSeen()) return;
    this.#asking = true;
    const life = this.#life;
    const answer = await this.#options.ask(`sparks?symbols=${symbols.map(encodeURIComponent).join(",")}`);
    this.#asking = false;
    // It may be of before the prices that were missed.
    if (life !== this.#life) return;
    if (!answer.ok) return this.#failed(answer.temporary, answer.retryAfter);
    this.#failures = 0;
    this.#note(symbols);
    this.#tell(readSparks(answer.body));
    await this.look();
  }

  #missing() {
    const { clock, store, wanted } = this.#options;
    const now = clock.now();
    const missing = [];
    for (const symbol of wanted()) {
      const entry = store.entry(symbol);
      if (!entry?.quote) continue;
      const asked = this.#asked.get(entry.trend);
      if (asked === undefined || (!entry.trend.hasDay && now - asked >= AGAIN_MS)) missing.push(symbol);
      if (missing.length === MOST_SYMBOLS) break;
    }
    return missing;
  }

  /** @param {readonly string[]} symbols */
  #note(symbols) {
    const { clock, store } = this.#options;
    for (const symbol of symbols) {
      const entry = store.entry(symbol);
      if (entry !== undefined) this.#asked.set(entry.trend, clock.now());
    }
  }

  /** @param {Map<string, Told>} told */
  #tell(told) {
    const { store, onTold } = this.#options;
    const changed = [];
    for (const [symbol, day] of told) {
      const entry = store.entry(symbol);
      if (!entry?.quote) continue;
      entry.trend.tell(day, entry.quote.price, entry.quote.timestamp);
      changed.push(symbol);
    }
    onTold(changed);
  }

  /**
   * @param {boolean} temporary
   * @param {number | null} retryAfter ms, as the server says
   */
  #failed(temporary, retryAfter) {
    const { clock, random } = this.#options;
    const ceiling = temporary ? Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(10, this.#failures)) : AGAIN_MS;
    this.#failures += 1;
    this.#notBefore = clock.now() + Math.max(retryAfter ?? 0, ceiling / 2 + (random() * ceiling) / 2);
  }
}

/**
 * @param {unknown} body
 * @returns {Map<string, Told>} by symbol; what makes no sense is left out
 */
export function readSparks(body) {
  const found = new Map();
  const seconds = /** @type {any} */ (body)?.bin_seconds;
  if (typeof seconds !== "number" || !(seconds > 0)) return found;
  for (const { symbol, zone, to, first, closes } of itemsIn(body, "sparks")) {
    const end = typeof to === "string" ? Date.parse(to) : NaN;
    const begin = typeof first === "string" ? Date.parse(first) : NaN;
    if (typeof symbol !== "string" || typeof zone !== "string" || Number.isNaN(end) || !Array.isArray(closes)) continue;
    if (closes.length > 0 && !(begin + (closes.length - 1) * seconds * 1000 < end)) continue;
    found.set(symbol, { zone, to: end, step: seconds * 1000, first: begin, closes: closes.map((close) => (typeof close === "number" ? close : NaN)) });
  }
  return found;
}
