/**
 * What somebody chose to see of a symbol, and how it stands in the page's address: a link, or a reload,
 * shows the same.
 */
import { isSymbol } from "../symbols.js";
import { RANGES, usualRange, withInterval } from "./ranges.js";

/** @typedef {import("./ranges.js").Interval} Interval */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {"candles" | "line"} Form */
/** @typedef {"sma" | "ema" | "rsi" | "volatility"} OverlayKey */

/**
 * @typedef {object} Overlay
 * @property {OverlayKey} key
 * @property {number} period candles
 * @property {string} name
 * @property {number} pane 0 for the one of the prices; figures on another scale have their own
 */

/** @type {readonly Overlay[]} */
export const OVERLAYS = [
  { key: "sma", period: 20, name: "SMA 20", pane: 0 },
  { key: "ema", period: 20, name: "EMA 20", pane: 0 },
  { key: "rsi", period: 14, name: "RSI 14", pane: 1 },
  { key: "volatility", period: 20, name: "Volatility 20", pane: 2 },
];

/**
 * interval: of the candles, where it was chosen; else the range has its usual one. compare: another symbol,
 * beside which this one is drawn in percent.
 * @typedef {{range: Range, interval: Interval | null, form: Form, overlays: readonly Overlay[], compare: string | null}} Choice
 */

/** A name that a range had. */
const FORMER = new Map([["1w", "5d"]]);

/**
 * What it cannot read is as if it were not there: a link of another version still opens.
 * @param {string} search of the address, with or without its question mark
 * @param {string} [symbol] whose chart it is: it is not compared with itself
 * @returns {Choice}
 */
export function readChoice(search, symbol) {
  const given = new URLSearchParams(search);
  const named = given.get("range") ?? "";
  const key = FORMER.get(named) ?? named;
  const range = RANGES.find((each) => each.key === key) ?? usualRange("1h");
  const interval = range.intervals.find((each) => each === given.get("interval")) ?? null;
  const wanted = (given.get("with") ?? "").split(",");
  const compare = given.get("compare")?.toUpperCase() ?? null;
  return {
    range: interval === null ? range : withInterval(range, interval),
    interval,
    form: given.get("form") === "line" ? "line" : "candles",
    overlays: OVERLAYS.filter(({ key }) => wanted.includes(key)),
    compare: compare !== null && compare !== symbol && isSymbol(compare) ? compare : null,
  };
}

/**
 * @param {Choice} choice
 * @returns {string} "?range=1h", with the rest only where it was chosen
 */
export function writeChoice({ range, interval, form, overlays, compare }) {
  const parts = [`range=${range.key}`];
  if (interval !== null) parts.push(`interval=${interval}`);
  if (form !== "candles") parts.push(`form=${form}`);
  if (overlays.length > 0) parts.push(`with=${overlays.map(({ key }) => key).join(",")}`);
  if (compare !== null) parts.push(`compare=${encodeURIComponent(compare)}`);
  return `?${parts.join("&")}`;
}
