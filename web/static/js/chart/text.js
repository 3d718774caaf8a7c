/**
 * Candles in words and numbers: for the line above the chart, its table, and screen readers.
 */
import { age, price, signed } from "../format.js";

/** @typedef {import("./api.js").Recording} Recording */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Overlay} Overlay */
/** @typedef {import("./choice.js").Range} Range */
/** @typedef {import("./holes.js").Hole} Hole */

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * @param {number} ms
 * @returns {string} "09:05"
 */
export function clockTime(ms) {
  return new Date(ms).toISOString().slice(11, 16);
}

/**
 * @param {number} ms
 * @returns {string} "Sun 22 Nov"
 */
export function day(ms) {
  const date = new Date(ms);
  return `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

/**
 * When a candle begins; with the day where a range spans several.
 * @param {number} ms
 * @param {Range} range
 * @returns {string} "09:05 UTC", "Sun 22 Nov, 09:00 UTC"
 */
export function when(ms, range) {
  const time = `${clockTime(ms)} UTC`;
  return range.length < 24 * 3_600_000 ? time : `${day(ms)}, ${time}`;
}

/**
 * @param {number} value
 * @param {Overlay} overlay
 * @param {number} decimals of prices
 * @returns {string}
 */
export function figure(value, { key }, decimals) {
  if (key === "volatility") return `${price(value * 100, 3)}\u00a0%`;
  return key === "rsi" ? price(value, 1) : price(value, decimals);
}

/**
 * One candle as a sentence.
 * @param {Candle} candle
 * @param {Candle | undefined} before the one shown before it
 * @param {Range} range
 * @param {number} decimals
 * @param {readonly {overlay: Overlay, value: number}[]} figures
 * @returns {string}
 */
export function spoken(candle, before, range, decimals, figures) {
  const p = (/** @type {number} */ value) => price(value, decimals);
  const gap = before === undefined ? 0 : candle.start - before.start - range.step;
  const parts = [
    when(candle.start, range),
    ...(gap > 0 ? [`after ${age(gap)} without prices`] : []),
    `close ${p(candle.close)}`,
    ...(before === undefined ? [] : [`${signed(candle.close - before.close, decimals)} on the one before`]),
    `open ${p(candle.open)}`,
    `high ${p(candle.high)}`,
    `low ${p(candle.low)}`,
    ...(candle.ticks === null ? [] : [`${candle.ticks} ${candle.ticks === 1 ? "price" : "prices"}`]),
    ...figures.map(({ overlay, value }) => `${overlay.name} ${figure(value, overlay, decimals)}`),
  ];
  return parts.join(", ");
}

/**
 * The course of a range, as a text in place of the picture.
 * @param {readonly Candle[]} candles
 * @param {Range} range
 * @param {number} decimals
 * @param {{newest: number | null, holes: readonly Hole[]}} known newest: the price that is shown above the chart, null when it is not of this range
 * @returns {string}
 */
export function summary(candles, range, decimals, { newest, holes }) {
  const first = candles[0];
  const last = candles.at(-1);
  if (first === undefined || last === undefined) return `No prices in the last ${range.name}.`;
  const p = (/** @type {number} */ value) => price(value, decimals);
  const to = newest ?? last.close;
  const change = to - first.open;
  const percent = signed((change / first.open) * 100, 2);
  const high = Math.max(to, ...candles.map((candle) => candle.high));
  const low = Math.min(to, ...candles.map((candle) => candle.low));
  const sums = `Last ${range.name}: from ${p(first.open)} to ${p(to)}, ${signed(change, decimals)} (${percent}\u00a0%), high ${p(high)}, low ${p(low)}.`;
  return [sums, ...holesInWords(holes, range)].join(" ");
}

/**
 * What a sum over the range leaves out.
 * @param {readonly Hole[]} holes
 * @param {Range} range
 * @returns {string[]} sentences
 */
function holesInWords(holes, range) {
  const missing = holes.filter((hole) => hole.missing);
  const quiet = holes.filter((hole) => !hole.missing);
  return [
    ...(missing.length === 0 ? [] : [`${age(total(missing))} missing: ${stretch(missing, range)}.`]),
    ...(quiet.length === 0 ? [] : [`No prices for ${age(total(quiet))} of it: ${stretch(quiet, range)}.`]),
  ];
}

/** @param {readonly Hole[]} holes */
function total(holes) {
  return holes.reduce((sum, { start, end }) => sum + end - start, 0);
}

/**
 * @param {readonly Hole[]} holes
 * @param {Range} range
 * @returns {string} "12:45 to 13:16 UTC", "5 stretches, the longest 12:45 to 13:16 UTC"
 */
function stretch(holes, range) {
  const longest = holes.reduce((long, hole) => (hole.end - hole.start > long.end - long.start ? hole : long));
  const time = `${when(longest.start, range).replace(" UTC", "")} to ${when(longest.end, range)}`;
  return holes.length === 1 ? time : `${holes.length} stretches, the longest ${time}`;
}

/**
 * @param {Recording | null} recording
 * @returns {string | null} null when there is nothing to say
 */
export function behindInWords(recording) {
  if (recording === null || recording.state === "current") return null;
  const down = recording.state === "down" ? ["Recording is down."] : [];
  // A clock that was set makes it seem shorter than it is.
  const behind = recording.behind >= 1_000 ? [`History is ${age(recording.behind)} behind.`] : down.length > 0 ? [] : ["History is behind."];
  return [...down, ...behind, "What is missing comes once it has caught up."].join(" ");
}

/**
 * @param {Overlay} overlay
 * @param {number} needed candles
 * @returns {string} "SMA 20 needs 20 candles"
 */
export function tooFew({ name }, needed) {
  return `${name} needs ${needed} candles`;
}

/**
 * Where a key takes the cursor.
 * @param {string} key
 * @param {boolean} shift
 * @param {number | null} index where it is; null for nowhere
 * @param {number} length of the list
 * @returns {number | null | undefined} undefined for a key that moves nothing; null takes the cursor away
 */
export function cursorAfter(key, shift, index, length) {
  if (key === "Escape") return index === null ? undefined : null;
  const last = length - 1;
  if (length === 0) return undefined;
  const at = index ?? last + 1;
  const to = (/** @type {number} */ value) => Math.min(last, Math.max(0, value));
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return to(at - (shift ? 10 : 1));
    case "ArrowRight":
    case "ArrowUp":
      return to(at + (shift ? 10 : 1));
    case "PageUp":
      return to(at + 10);
    case "PageDown":
      return to(at - 10);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return undefined;
  }
}
