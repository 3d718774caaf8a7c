/**
 * What somebody chose to see of a symbol, and how it stands in the page's address: a link, or a reload,
 * shows the same.
 */

/** @typedef {"15m" | "1h" | "1d" | "1w"} RangeKey */
/** @typedef {"candles" | "line"} Form */
/** @typedef {"sma" | "ema" | "rsi" | "volatility"} OverlayKey */

/**
 * @typedef {object} Range
 * @property {RangeKey} key
 * @property {string} name
 * @property {number} length ms
 * @property {string} interval of its candles, as the API names it
 * @property {number} step length of one candle, ms
 */

/**
 * @typedef {object} Overlay
 * @property {OverlayKey} key
 * @property {number} period candles
 * @property {string} name
 * @property {number} pane 0 for the one of the prices; figures on another scale have their own
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** @type {readonly Range[]} */
export const RANGES = [
  { key: "15m", name: "15 minutes", length: 15 * MINUTE, interval: "1m", step: MINUTE },
  { key: "1h", name: "hour", length: HOUR, interval: "1m", step: MINUTE },
  { key: "1d", name: "day", length: 24 * HOUR, interval: "5m", step: 5 * MINUTE },
  { key: "1w", name: "week", length: 7 * 24 * HOUR, interval: "1h", step: HOUR },
];

/** @type {readonly Overlay[]} */
export const OVERLAYS = [
  { key: "sma", period: 20, name: "SMA 20", pane: 0 },
  { key: "ema", period: 20, name: "EMA 20", pane: 0 },
  { key: "rsi", period: 14, name: "RSI 14", pane: 1 },
  { key: "volatility", period: 20, name: "Volatility 20", pane: 2 },
];

/** @typedef {{range: Range, form: Form, overlays: readonly Overlay[]}} Choice */

/**
 * What it cannot read is as if it were not there: a link of another version still opens.
 * @param {string} search of the address, with or without its question mark
 * @returns {Choice}
 */
export function readChoice(search) {
  const given = new URLSearchParams(search);
  const range = RANGES.find(({ key }) => key === given.get("range")) ?? /** @type {Range} */ (RANGES[1]);
  const wanted = (given.get("with") ?? "").split(",");
  return {
    range,
    form: given.get("form") === "line" ? "line" : "candles",
    overlays: OVERLAYS.filter(({ key }) => wanted.includes(key)),
  };
}

/**
 * @param {Choice} choice
 * @returns {string} "?range=1h", with the rest only where it is not the usual
 */
export function writeChoice({ range, form, overlays }) {
  const parts = [`range=${range.key}`];
  if (form !== "candles") parts.push(`form=${form}`);
  if (overlays.length > 0) parts.push(`with=${overlays.map(({ key }) => key).join(",")}`);
  return `?${parts.join("&")}`;
}
