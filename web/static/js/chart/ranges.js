/**
 * The ranges of a chart, and the candles it may be drawn with: so many that they can be told apart, and
 * no more than MOST_CANDLES.
 */

/** @typedef {"15m" | "1h" | "1d" | "5d" | "1mo" | "3mo" | "6mo" | "ytd" | "1y" | "5y" | "all"} RangeKey */
/** @typedef {"1m" | "5m" | "15m" | "30m" | "1h" | "4h" | "1d" | "1w"} Interval */

/**
 * @typedef {object} Range
 * @property {RangeKey} key
 * @property {string} noun "the last hour"
 * @property {string} last as the API names the stretch
 * @property {boolean} rolls whether it begins so much before now; else the server alone knows when
 * @property {number} length ms; of those that do not roll, roughly
 * @property {Interval} interval of its candles, as the API names it
 * @property {number} step length of one candle, ms
 * @property {readonly Interval[]} intervals that it may have; the first is the usual one
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const FIRST_MONDAY = 4 * DAY;

/** @type {Readonly<Record<Interval, number>>} */
export const STEPS = { "1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR, "4h": 4 * HOUR, "1d": DAY, "1w": 7 * DAY };

/** @type {Readonly<Record<Interval, string>>} */
export const INTERVAL_NAMES = { "1m": "1 min", "5m": "5 min", "15m": "15 min", "30m": "30 min", "1h": "1 h", "4h": "4 h", "1d": "1 day", "1w": "1 week" };

export const MOST_CANDLES = 1_500;

/**
 * @param {RangeKey} key
 * @param {string} noun
 * @param {string} last
 * @param {number} length
 * @param {readonly [Interval, ...Interval[]]} intervals
 * @returns {Range}
 */
function range(key, noun, last, length, intervals) {
  const [interval] = intervals;
  return { key, noun, last, rolls: length < DAY, length, interval, step: STEPS[interval], intervals };
}

/** @type {readonly Range[]} */
export const RANGES = [
  range("15m", "the last 15 minutes", "15m", 15 * MINUTE, ["1m", "5m"]),
  range("1h", "the last hour", "1h", HOUR, ["1m", "5m", "15m"]),
  range("1d", "the last day", "1td", DAY, ["5m", "1m", "15m", "30m", "1h"]),
  range("5d", "the last 5 days", "5td", 7 * DAY, ["15m", "5m", "30m", "1h", "4h"]),
  range("1mo", "the last month", "1mo", 31 * DAY, ["1h", "30m", "4h", "1d"]),
  range("3mo", "the last 3 months", "3mo", 92 * DAY, ["4h", "1d", "1w"]),
  range("6mo", "the last 6 months", "6mo", 184 * DAY, ["1d", "4h", "1w"]),
  range("ytd", "this year", "ytd", 366 * DAY, ["1d", "1w"]),
  range("1y", "the last year", "1y", 366 * DAY, ["1d", "1w"]),
  range("5y", "the last 5 years", "5y", 1_827 * DAY, ["1w"]),
  // How much there is is known once it was read: it begins with the longest candles.
  range("all", "all of the history", "all", 20 * 366 * DAY, ["1w", "1m", "5m", "15m", "30m", "1h", "4h", "1d"]),
];

/** @type {Map<string, Range>} */
const made = new Map();

/**
 * The same range with other candles; the same object each time.
 * @param {Range} usual
 * @param {Interval} interval one of those that it may have
 * @returns {Range}
 */
export function withInterval(usual, interval) {
  if (interval === usual.interval) return RANGES.find(({ key, interval: own }) => key === usual.key && own === interval) ?? usual;
  const name = `${usual.key} ${interval}`;
  const known = made.get(name) ?? { ...usual, interval, step: STEPS[interval] };
  made.set(name, known);
  return known;
}

/** @param {RangeKey} key @returns {Range} with its usual candles */
export function usualRange(key) {
  return /** @type {Range} */ (RANGES.find((each) => each.key === key));
}

/**
 * When the candle begins that a moment belongs to, as the server has it: days at midnight UTC, weeks on Monday.
 * @param {number} ms
 * @param {number} step ms
 * @returns {number} ms
 */
export function beginOf(ms, step) {
  return Math.floor((ms - FIRST_MONDAY) / step) * step + FIRST_MONDAY;
}

/**
 * The shortest candles for all of a stretch.
 * @param {number} length ms
 * @returns {Interval}
 */
export function finestFor(length) {
  const fits = /** @type {Interval[]} */ (Object.keys(STEPS)).filter((interval) => length / STEPS[interval] <= MOST_CANDLES);
  return fits[0] ?? "1w";
}

/**
 * Those that a stretch may be drawn with, the shortest first.
 * @param {Range} of
 * @param {number | null} length of what there is, ms; null while that is not known
 * @returns {Interval[]}
 */
export function intervalsFor(of, length) {
  const sorted = [...of.intervals].sort((a, b) => STEPS[a] - STEPS[b]);
  if (of.key !== "all") return sorted;
  return length === null ? ["1w"] : sorted.filter((interval) => length / STEPS[interval] <= MOST_CANDLES || interval === "1w");
}

/**
 * The next longer range that covers a stretch which somebody went back to.
 * @param {number} length ms up to now
 * @param {Range} now the one that is shown
 * @returns {Range | null} null where there is none with longer candles
 */
export function rangeFor(length, now) {
  const longer = RANGES.filter(({ length: own, step, key }) => own > now.length && step > now.step && key !== "ytd");
  return longer.find(({ length: own }) => own >= length) ?? longer.at(-1) ?? null;
}
