/**
 * Numbers, ages and times as text. One locale, so that a column lines up and reads as the page does.
 */

const MINUS = "\u2212";
const NBSP = "\u00a0";

/** Prices have two decimals at least, as money does. */
const LEAST_DECIMALS = 2;
/** Digits that a price below 0.1 keeps. A larger one keeps six decimals, so it has more digits than that. */
const SIGNIFICANT_DIGITS = 6;
/** What `Intl.NumberFormat` of every browser takes. It is reached at 1e-15, which nothing costs. */
const MOST_DECIMALS = 20;

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/**
 * @param {number} value
 * @param {number} least decimals
 * @param {number} most decimals
 * @returns {string}
 */
function written(value, least, most) {
  const key = `${least} ${most}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: least, maximumFractionDigits: most });
    formats.set(key, format);
  }
  return format.format(value).replace("-", MINUS);
}

/**
 * @param {number} value
 * @param {number} decimals
 * @returns {string}
 */
export function price(value, decimals) {
  return written(value, decimals, decimals);
}

/**
 * A number with all its digits, as somebody typed it: a threshold must not be told rounded.
 * @param {number} value
 * @param {number} [least] decimals
 * @returns {string} "720,000.00", "0.000000382"
 */
export function exact(value, least = LEAST_DECIMALS) {
  const { digits, exponent, decimals } = partsOf(value);
  if (decimals <= MOST_DECIMALS) return written(value, least, MOST_DECIMALS);
  return `${value < 0 ? MINUS : ""}0.${"0".repeat(-1 - exponent)}${digits}`;
}

/**
 * With its sign, a real minus, and none for what rounds to zero.
 * @param {number} value
 * @param {number} decimals
 * @returns {string}
 */
export function signed(value, decimals) {
  const text = price(Math.abs(value), decimals);
  if (isZero(text)) return text;
  return (value > 0 ? "+" : MINUS) + text;
}

/** @type {readonly (readonly [size: number, letter: string])[]} */
const SIZES = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];

/**
 * An amount in few characters: three digits of it, rounded.
 * @param {number} value
 * @returns {string} "12.3 M", "950", "0.05"
 */
export function amount(value) {
  // What rounds to a thousand is one of the next size: 999.9 K is 1.00 M.
  const [size, letter] = SIZES.find(([size]) => Math.abs(value) >= size * 0.9995) ?? [1, ""];
  const short = value / size;
  const whole = Math.max(1, Math.floor(Math.log10(Math.abs(short) * 1.0005 || 1)) + 1);
  const decimals = Math.max(0, 3 - whole);
  return letter === "" ? written(value, 0, decimals) : `${written(short, decimals, decimals)}${NBSP}${letter}`;
}

/**
 * The one rule for what is up and what is down, for rows, counts, charts and alerts: as it is shown.
 * What is written as zero is flat. It is read from the text, since rounding a second time in another
 * way would now and then give an arrow beside a zero.
 * @param {number} value
 * @param {number} decimals
 * @returns {"up" | "down" | "flat"}
 */
export function directionOf(value, decimals) {
  const size = Math.abs(value);
  // Only what is below the last digit shown can be shown as zero: writing each of 1,000 rows in each frame is dear.
  if (!(size >= 10 ** -decimals) && isZero(price(size, decimals))) return "flat";
  return value > 0 ? "up" : "down";
}

/** @param {string} text of a number that is not negative */
function isZero(text) {
  return !/[1-9]/.test(text);
}

/**
 * The one rule for how many decimals: those that the price has, at least two. At most six; a price
 * below 0.1 has six significant digits instead, so that 0.000000382 is not told as zero.
 * @param {number} value
 * @returns {number}
 */
export function decimalsOf(value) {
  // Nearly all prices, without making a text: this is asked with each price that comes.
  if (Math.round(value * 100) / 100 === value) return LEAST_DECIMALS;
  const most = mostDecimals(value);
  const { decimals } = partsOf(value);
  if (decimals <= most) return Math.max(LEAST_DECIMALS, decimals);
  // Rounded as it is written, it may end in zeros: 0.30000000000000004 is 0.30.
  const [, fraction = ""] = written(value, 0, most).split(".");
  return Math.max(LEAST_DECIMALS, fraction.length);
}

/**
 * Decimals for a price and for its change, which have the same: as many as the price and what the
 * change is against need. They do not shrink while the price moves, so that digits do not jump, unless
 * it has become so large that the last ones mean nothing.
 * @param {number} value the price
 * @param {number | null} base what its change is against; null where nobody knows
 * @param {number} before the decimals it had
 * @returns {number}
 */
export function decimalsFor(value, base, before) {
  const needed = Math.max(before, decimalsOf(value), base === null ? 0 : decimalsOf(base));
  return Math.min(needed, Math.max(mostDecimals(value), base === null ? 0 : mostDecimals(base)));
}

/**
 * The fewest digits that tell this number from its neighbours, the first of them at 10 ** exponent.
 * @param {number} value
 * @returns {{digits: string, exponent: number, decimals: number}} decimals that all of them need
 */
function partsOf(value) {
  const [mantissa = "", exponentText] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(exponentText);
  return { digits, exponent, decimals: Math.max(0, digits.length - 1 - exponent) };
}

/** @param {number} value */
function mostDecimals(value) {
  const size = Math.abs(value);
  if (size === 0 || !Number.isFinite(size)) return LEAST_DECIMALS;
  const zeros = Math.max(0, -1 - Math.floor(Math.log10(size)));
  return Math.min(MOST_DECIMALS, SIGNIFICANT_DIGITS + zeros);
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
