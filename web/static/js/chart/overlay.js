/**
 * One figure over the candles, worked out by the server so that its formula stands in one place. Asked
 * for with the candles, and while prices move at most every few seconds: its newest value moves with them.
 */
import { ask, indicatorAddress, readFigure } from "./api.js";
import { Loader } from "./loader.js";

/** @typedef {import("./api.js").Fetch} Fetch */
/** @typedef {import("./api.js").Figure} Figure */
/** @typedef {import("./choice.js").Overlay} Overlay */
/** @typedef {import("./choice.js").Range} Range */
/** @typedef {import("../connection.js").Clock} Clock */

/**
 * @typedef {object} Options
 * @property {string} symbol
 * @property {Overlay} overlay
 * @property {Range} range
 * @property {() => number | null} from ms, where somebody went back before the range; else null
 * @property {Fetch} fetch
 * @property {Clock} clock
 * @property {() => number} random in [0, 1)
 * @property {() => void} onChange points or state
 */

export const FOLLOW_MS = 5_000;
/** Of long candles, the newest value moves little. */
export const FOLLOW_LONG_MS = 30_000;
const LONG = 3_600_000;

export class OverlayFeed {
  /** Starts, stops and tells its state. @type {Loader<Figure>} */
  loader;
  /** @type {Map<number, number>} */
  #points = new Map();
  /** How many candles there must be before there is a value; null until it is told. @type {number | null} */
  needed = null;

  /** @param {Options} options */
  constructor(options) {
    const { symbol, overlay, range, from, fetch, clock, random, onChange } = options;
    this.overlay = overlay;
    this.range = range;
    this.loader = new Loader({
      ask: (_whole, signal) => ask(fetch, indicatorAddress(symbol, overlay, range, from()), readFigure, signal),
      onValue: ({ points, needed }) => {
        this.needed = needed;
        this.#points = new Map(points.map(({ start, value }) => [start, value]));
        onChange();
      },
      onState: onChange,
      clock,
      random,
    });
  }

  /** Values by the start of their candle, ms, oldest first. @returns {ReadonlyMap<number, number>} */
  get points() {
    return this.#points;
  }

  /** Prices moved. */
  follow() {
    this.loader.refreshIn(this.range.step < LONG ? FOLLOW_MS : FOLLOW_LONG_MS);
  }
}
