/**
 * Candles in words and numbers: for the line above the chart, its table, and screen readers.
 */
import { age, amount, price, signed } from "../format.js";
import { DAY } from "./ranges.js";
import { UTC, nameAt, there } from "./zones.js";

/** @typedef {import("./api.js").Recording} Recording */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Overlay} Overlay */
/** @typedef {import("./choice.js").Range} Range */
/** @typedef {import("./holes.js").Hole} Hole */
/** @typedef {import("./zones.js").Zone} Zone */

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** From here on a range says the year, ms. */
const YEAR_SHOWN = 60 * DAY;

/**
 * @param {number} ms
 * @param {Zone} [zone]
 * @returns {string} "09:05"
 */
export function clockTime(ms, zone = UTC) {
  return there(ms, zone).toISOString().slice(11, 16);
}

/**
 * @param {number} ms
 * @param {Zone} [zone]
 * @returns {string} "Sun 22 Nov"
 */
export function day(ms, zone = UTC) {
  const date = there(ms, zone);
  return `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

/**
 * When a candle begins; with the day where a range spans several. Days and weeks are those of UTC in
 * each zone, since that is what their candles hold.
 * @param {number} ms
 * @param {Range} range
 * @param {Zone} [zone]
 * @returns {string} "09:05 UTC", "Sun 22 Nov, 09:00 EST", "Sun 22 Nov 2026", "week of Mon 23 Nov 2026"
 */
export function when(ms, range, zone = UTC) {
  if (range.step >= DAY) return `${range.step > DAY ? "week of " : ""}${day(ms)} ${new Date(ms).getUTCFullYear()}`;
  const time = `${clockTime(ms, zone)} ${nameAt(ms, zone)}`;
  if (range.length < DAY) return time;
  const year = range.length < YEAR_SHOWN ? "" : ` ${there(ms, zone).getUTCFullYear()}`;
  return `${day(ms, zone)}${year}, ${time}`;
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
 * @param {Zone} [zone]
 * @returns {string}
 */
export function spoken(candle, before, range, decimals, figures, zone = UTC) {
  const p = (/** @type {number} */ value) => price(value, decimals);
  const gap = before === undefined ? 0 : candle.start - before.start - range.step;
  const parts = [
    when(candle.start, range, zone),
    ...(gap > 0 ? [`after ${age(gap)} without prices`] : []),
    `close ${p(candle.close)}`,
    ...(before === undefined ? [] : [`${signed(candle.close - before.close, decimals)} on the one before`]),
    `open ${p(candle.open)}`,
    `high ${p(candle.high)}`,
    `low ${p(candle.low)}`,
    ...(candle.ticks === null ? [] : [`${candle.ticks} ${candle.ticks === 1 ? "price" : "prices"}`]),
    ...(candle.volume === null ? [] : [`volume ${amount(candle.volume)}`]),
    ...figures.map(({ overlay, value }) => `${overlay.name} ${figure(value, overlay, decimals)}`),
  ];
  return parts.join(", ");
}

/**
 * The course of a range, as a text in place of the picture.
 * @param {readonly Candle[]} candles
 * @param {Range} range
 * @param {number} decimals
 * @param {{newest: number | null, holes: readonly Hole[], zone?: Zone}} known newest: the price that is shown above the chart, null when it is not of this range
 * @returns {string}
 */
export function summary(candles, range, decimals, { newest, holes, zone = UTC }) {
  const first = candles[0];
  const last = candles.at(-1);
  if (first === undefined || last === undefined) return `No prices in ${range.noun}.`;
  const p = (/** @type {number} */ value) => price(value, decimals);
  const to = newest ?? last.close;
  const change = to - first.open;
  const percent = signed((change / first.open) * 100, 2);
  const high = Math.max(to, ...candles.map((candle) => candle.high));
  const low = Math.min(to, ...candles.map((candle) => candle.low));
  const sums = `${leading(range)}: from ${p(first.open)} to ${p(to)}, ${signed(change, decimals)} (${percent}\u00a0%), high ${p(high)}, low ${p(low)}.`;
  return [sums, ...holesInWords(holes, range, zone)].join(" ");
}

/**
 * @param {Range} range
 * @returns {string} "Last hour", "This year"
 */
export function leading({ noun }) {
  const bare = noun.replace(/^the /, "");
  return bare.charAt(0).toUpperCase() + bare.slice(1);
}

/**
 * What a sum over the range leaves out.
 * @param {readonly Hole[]} holes
 * @param {Range} range
 * @param {Zone} zone
 * @returns {string[]} sentences
 */
function holesInWords(holes, range, zone) {
  const missing = holes.filter((hole) => hole.missing);
  const quiet = holes.filter((hole) => !hole.missing);
  return [
    ...(missing.length === 0 ? [] : [`${age(total(missing))} missing: ${stretch(missing, range, zone)}.`]),
    ...(quiet.length === 0 ? [] : [`No prices for ${age(total(quiet))} of it: ${stretch(quiet, range, zone)}.`]),
  ];
}

/** @param {readonly Hole[]} holes */
function total(holes) {
  return holes.reduce((sum, { start, end }) => sum + end - start, 0);
}

/**
 * @param {readonly Hole[]} holes
 * @param {Range} range
 * @param {Zone} zone
 * @returns {string} "12:45 to 13:16 UTC", "5 stretches, the longest 12:45 to 13:16 UTC"
 */
function stretch(holes, range, zone) {
  const longest = holes.reduce((long, hole) => (hole.end - hole.start > long.end - long.start ? hole : long));
  const { start, end } = longest;
  const from = when(start, range, zone);
  const name = ` ${nameAt(start, zone)}`;
  // Once is enough, unless the clocks were set within it.
  const time = `${name === ` ${nameAt(end, zone)}` && from.endsWith(name) ? from.slice(0, -name.length) : from} to ${when(end, range, zone)}`;
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
