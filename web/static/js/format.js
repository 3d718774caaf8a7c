/**
 * Numbers, ages and times as text. One locale, so that a column lines up and reads as the page does.
 */

const MINUS = "\u2212";
const NBSP = "\u00a0";

/** @type {Map<number, Intl.NumberFormat>} */
const formats = new Map();

/**
 * @param {number} value
 * @param {number} decimals
 * @returns {string}
 */
export function price(value, decimals) {
  let format = formats.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format.format(value).replace("-", MINUS);
}

/**
 * With its sign, a real minus, and none for what rounds to zero.
 * @param {number} value
 * @param {number} decimals
 * @returns {string}
 */
export function signed(value, decimals) {
  const text = price(Math.abs(value), decimals);
  const direction = directionOf(value, decimals);
  return direction === "flat" ? text : (direction === "up" ? "+" : MINUS) + text;
}

/**
 * As it is shown: what rounds to zero is flat.
 * @param {number} value
 * @param {number} decimals
 * @returns {"up" | "down" | "flat"}
 */
export function directionOf(value, decimals) {
  const half = 0.5 * 10 ** -decimals;
  return value >= half ? "up" : value <= -half ? "down" : "flat";
}

/**
 * @param {number} ms
 * @returns {string} "3 s", "4 min", "2 h 5 min", "3 d", unbroken
 */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}${NBSP}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${NBSP}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}${NBSP}h` + (minutes % 60 === 0 ? "" : `${NBSP}${minutes % 60}${NBSP}min`);
  return `${Math.floor(hours / 24)}${NBSP}d`;
}

/**
 * @param {number} ms until then
 * @returns {string} whole seconds, rounded up: a countdown reaches "0 s" when it is over
 */
export function countdown(ms) {
  return age(Math.ceil(Math.max(0, ms) / 1000) * 1000);
}

/**
 * Where two texts begin to differ.
 * @param {string} before
 * @param {string} after
 * @returns {number} the length of `after` when only its end was cut
 */
export function firstDifference(before, after) {
  // Another number of digits means every place shifted.
  if (before.length !== after.length) return 0;
  let i = 0;
  while (i < after.length && before[i] === after[i]) i += 1;
  return i;
}

/**
 * @param {readonly string[]} names
 * @returns {string} "A", "A and B", "A, B and C", "A, B and 4 more"
 */
export function enumerate(names) {
  if (names.length <= 1) return names[0] ?? "";
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
}

/**
 * Decimals a price needs, at most 6.
 * @param {number} value
 * @returns {number}
 */
export function decimalsOf(value) {
  const text = String(value);
  const dot = text.indexOf(".");
  if (text.includes("e-")) return 6;
  return dot === -1 ? 0 : Math.min(6, text.length - dot - 1);
}
