/**
 * Stretches of a range without a candle: nothing was traded then, or history is not complete there.
 * A sum over one of them says so, and the picture shows it.
 */

import { DAY, beginOf } from "./ranges.js";

/** @typedef {import("./api.js").Recording} Recording */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Range} Range */

/**
 * @typedef {object} Hole
 * @property {number} start ms
 * @property {number} end ms, exclusive
 * @property {boolean} missing prices of it may have been published that history does not have yet
 */

/** A hole without prices takes at most this share of the picture: a market may be closed for hours. */
const WIDEST_SHARE = 0.1;
/** Of several days it takes one place, since there is one each night; of days themselves none, for weekends. */
const WIDEST_OF_DAYS = 1;

/**
 * @param {readonly Candle[]} candles oldest first
 * @param {Range} range
 * @param {{from: number, now: number, recording: Recording | null}} known from: start of the first candle that could be; now: the server's time; ms
 * @returns {Hole[]} oldest first. The candle of this moment is none: its price may still come.
 */
export function holesIn(candles, { step }, { from, now, recording }) {
  const completeTo = recording === null || recording.state === "current" ? Infinity : recording.completeTo;
  /** @type {Hole[]} */
  const holes = [];
  let at = from;
  const upTo = (/** @type {number} */ end) => {
    const complete = Math.min(end, beginOf(completeTo, step));
    if (complete > at) holes.push({ start: at, end: complete, missing: false });
    if (end > Math.max(at, complete)) holes.push({ start: Math.max(at, complete), end, missing: true });
  };
  for (const { start } of candles) {
    upTo(start);
    at = start + step;
  }
  upTo(beginOf(now, step));
  return holes;
}

/**
 * Where the picture has empty places, as starts of candles, ms, oldest first. What is missing has its
 * true width. The end of the range is not among them: the newest candle is the last in the picture.
 * @param {readonly Hole[]} holes
 * @param {Pick<Range, "step" | "length">} range
 * @param {number} end ms
 * @returns {number[]}
 */
export function emptyPlaces(holes, { step, length }, end) {
  const widest = step >= DAY ? 0 : length > DAY ? WIDEST_OF_DAYS : Math.max(1, Math.floor((length / step) * WIDEST_SHARE));
  return holes.flatMap((hole) => {
    if (hole.start >= end) return [];
    const width = (hole.end - hole.start) / step;
    return Array.from({ length: hole.missing ? width : Math.min(width, widest) }, (_, index) => hole.start + index * step);
  });
}
