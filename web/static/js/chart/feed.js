/**
 * The candles of one symbol and range, kept true: history is asked for when the chart opens, again after
 * each candle that closes, and wholly after a connection that was lost, while live prices move the last.
 */
import { ask, historyAddress, readCandles } from "./api.js";
import { Candles, SETTLE_MS } from "./candles.js";
import { Loader } from "./loader.js";

/** @typedef {import("./api.js").Fetch} Fetch */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Range} Range */
/** @typedef {import("./loader.js").LoaderState} LoaderState */
/** @typedef {import("../connection.js").Clock} Clock */
/** @typedef {import("../protocol.js").Price} Price */

/** "all": candles came or went; "last": the newest one moved. @typedef {"all" | "last"} Extent */

/**
 * @typedef {object} Options
 * @property {string} symbol
 * @property {Range} range
 * @property {Fetch} fetch
 * @property {Clock} clock
 * @property {() => number} serverNow ms
 * @property {() => number} random in [0, 1)
 * @property {(extent: Extent) => void} onCandles
 * @property {(state: LoaderState) => void} onState of history; live prices come without it too
 */

/** Candles close for everybody at once: the questions that follow are spread over this. */
const SPREAD_MS = 3_000;

/** How many candles are asked for anew after one has closed: late prices reach a little way back. */
const TAIL = 3;

export class ChartFeed {
  #options;
  #candles;
  /** Starts, stops and tells its state. @type {Loader<{candles: Candle[], askedAt: number}>} */
  loader;
  #newest = -Infinity;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { symbol, range, fetch, clock, random } = options;
    this.#candles = new Candles(range.step);
    this.loader = new Loader({
      ask: async (whole, signal) => {
        const askedAt = options.serverNow();
        const from = whole ? this.from : Math.max(this.from, this.#newest - TAIL * range.step);
        const answer = await ask(fetch, historyAddress(symbol, range, from), readCandles, signal);
        return answer.ok ? { ok: true, value: { candles: answer.value, askedAt } } : answer;
      },
      onValue: ({ candles, askedAt }) => {
        this.#candles.settle(candles, askedAt);
        this.#show("all");
      },
      onState: options.onState,
      clock,
      random,
    });
  }

  /** The start of the first candle in the range, ms. */
  get from() {
    const { range, serverNow } = this.#options;
    return Math.floor((serverNow() - range.length) / range.step) * range.step;
  }

  get candles() {
    return this.#candles.list;
  }

  /** Prices were missed while there was no connection. */
  reconnected() {
    this.loader.refresh(true);
  }

  /** @param {Price} price */
  price(price) {
    const before = this.#newest;
    const start = this.#candles.move(price, this.#options.serverNow());
    if (start === null || start < this.from) return;
    this.#show(start === before ? "last" : "all");
    // A candle has closed; once its prices are stored, history knows better than we do.
    const { random } = this.#options;
    if (start > before && Number.isFinite(before)) this.loader.refreshIn(SETTLE_MS + random() * SPREAD_MS);
  }

  /** @param {Extent} extent */
  #show(extent) {
    if (extent === "all") {
      this.#candles.trim(this.from);
      this.#newest = this.#candles.list.at(-1)?.start ?? -Infinity;
    }
    this.#options.onCandles(extent);
  }
}
