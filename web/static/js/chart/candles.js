/**
 * Candles of one symbol: those that were stored, joined with live prices.
 *
 * Live prices are subscribed before history is asked for, so the two overlap and nothing falls between
 * them. The overlap does no harm: a highest and a lowest price stay the same however often a price is
 * counted, a version that was seen is not taken again, and ticks are counted by the server alone.
 *
 * Stored candles are the better ones, since of live prices only the newest between two flushes arrives.
 * But history knows a price a moment after it was published, or later: of a candle that moved after
 * SETTLE_MS before the moment up to which history is complete, the live close is the newer one.
 */
import { compareVersions } from "../versions.js";
import { Flow, LiveVolume, added } from "./live-volume.js";
import { beginOf } from "./ranges.js";

/** @typedef {import("../protocol.js").Price} Price */
/** @typedef {import("../protocol.js").Version} Version */

/**
 * @typedef {object} Candle
 * @property {number} start ms since 1970, a multiple of the step
 * @property {number} open
 * @property {number} high
 * @property {number} low
 * @property {number} close
 * @property {number | null} ticks prices in it; null while only live prices tell of it
 * @property {number | null} volume what was traded in it; null where that is not known
 */

/** @typedef {{candle: Candle, completeTo: number}} Stored completeTo: what was received before then is in it, server's ms */
/**
 * firstAt, lastAt: the times of the prices that opened and closed it, by which the recorder orders them
 * too; movedAt: when its last price arrived, server's ms; flow: what was traded that history has not.
 * @typedef {Omit<Candle, "volume"> & {firstAt: number, lastAt: number, movedAt: number, flow: Flow}} Live
 */

/** By then the recorder has long stored a price: it writes every 250 ms. */
export const SETTLE_MS = 5_000;

export class Candles {
  #step;
  /** @type {Map<number, Stored>} */
  #stored = new Map();
  /** @type {Map<number, Live>} */
  #live = new Map();
  /** @type {Version | null} */
  #version = null;
  #volume = new LiveVolume();
  /** @type {Candle[] | null} */
  #joined = null;

  /** @param {number} step ms */
  constructor(step) {
    this.#step = step;
  }

  /** Oldest first, each start once; where nothing was traded there is none. @returns {readonly Candle[]} */
  get list() {
    if (this.#joined === null) {
      const starts = [...new Set([...this.#stored.keys(), ...this.#live.keys()])].sort((a, b) => a - b);
      this.#joined = starts.map((start) => /** @type {Candle} */ (this.at(start)));
    }
    return this.#joined;
  }

  /**
   * @param {number} start
   * @returns {Candle | undefined}
   */
  at(start) {
    const stored = this.#stored.get(start);
    const live = this.#live.get(start);
    if (stored === undefined) return live && { start, open: live.open, high: live.high, low: live.low, close: live.close, ticks: null, volume: live.flow.total };
    const { candle, completeTo } = stored;
    if (live === undefined || live.movedAt + SETTLE_MS <= completeTo) return candle;
    return { ...candle, high: Math.max(candle.high, live.high), low: Math.min(candle.low, live.low), close: live.close, volume: added(candle.volume, live.flow.total) };
  }

  /**
   * What history answered.
   * @param {Iterable<Candle>} candles
   * @param {number} completeTo what was received before then is in it, server's ms
   */
  settle(candles, completeTo) {
    for (const candle of candles) {
      const known = this.#stored.get(candle.start);
      if (known !== undefined && known.completeTo > completeTo) continue;
      this.#stored.set(candle.start, { candle, completeTo });
      this.#live.get(candle.start)?.flow.forget(completeTo);
    }
    this.#joined = null;
  }

  /**
   * A price just arrived. Its candle is that of its time, and never in the future: where the provider's
   * clock is ahead it is that of now, as the recorder places it.
   * @param {Price & import("./live-volume.js").Told} told the price, and what is told of its day
   * @param {number} now the server's time, ms
   * @returns {number | null} the start of the candle it moved; null when it was not taken
   */
  move(told, now) {
    const { price, timestamp, version } = told;
    if (this.#version !== null && compareVersions(version, this.#version) <= 0) return null;
    this.#version = version;
    const volume = this.#volume.taken(told);
    const time = Math.min(timestamp, now);
    const start = beginOf(time, this.#step);
    let live = this.#live.get(start);
    if (live === undefined) {
      live = { start, open: price, high: price, low: price, close: price, ticks: null, firstAt: time, lastAt: time, movedAt: now, flow: new Flow(Math.max(1000, this.#step / 1000)) };
      this.#live.set(start, live);
    } else {
      live.high = Math.max(live.high, price);
      live.low = Math.min(live.low, price);
      if (time < live.firstAt) {
        live.open = price;
        live.firstAt = time;
      }
      if (time >= live.lastAt) {
        live.close = price;
        live.lastAt = time;
      }
      live.movedAt = now;
    }
    live.flow.add(volume, now);
    this.#joined = null;
    return start;
  }

  /** Prices were missed. */
  interrupted() {
    this.#volume.interrupted();
  }

  /**
   * Forgets candles that end before this.
   * @param {number} time ms
   */
  trim(time) {
    for (const candles of [this.#stored, this.#live]) {
      for (const start of candles.keys()) if (start + this.#step <= time) candles.delete(start);
    }
    this.#joined = null;
  }
}
