/**
 * Times of day in a zone: of UTC, of the browser, or of an exchange. Summer time is what the browser's
 * own data says for each moment: an hour that comes twice has two names, and one that is left out has none.
 */

/** An IANA name. @typedef {string} Zone */

export const UTC = "UTC";

/** Zones change by whole quarters of an hour, at such a quarter. */
const QUARTER = 15 * 60_000;

/** @type {Map<Zone, Map<number, number>>} */
const offsets = new Map();
/** @type {Map<Zone, Intl.DateTimeFormat>} */
const formats = new Map();
/** @type {Map<string, string>} */
const names = new Map();

/** @returns {Zone} of this browser */
export function localZone() {
  return known(Intl.DateTimeFormat().resolvedOptions().timeZone);
}

/**
 * @param {string} zone
 * @returns {Zone} UTC where this browser does not know it
 */
export function known(zone) {
  try {
    return formatOf(zone) && zone;
  } catch {
    return UTC;
  }
}

/** @param {Zone} zone */
function formatOf(zone) {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
    formats.set(zone, format);
  }
  return format;
}

/**
 * How far its clocks are ahead of UTC.
 * @param {number} ms
 * @param {Zone} zone
 * @returns {number} ms
 */
export function offsetAt(ms, zone) {
  if (zone === UTC) return 0;
  let ofZone = offsets.get(zone);
  if (ofZone === undefined) offsets.set(zone, (ofZone = new Map()));
  const quarter = Math.floor(ms / QUARTER);
  let offset = ofZone.get(quarter);
  if (offset === undefined) {
    /** @type {Record<string, number>} */
    const at = {};
    for (const { type, value } of formatOf(zone).formatToParts(quarter * QUARTER)) at[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = at;
    offset = Date.UTC(year, month - 1, day, hour, minute, second) - quarter * QUARTER;
    ofZone.set(quarter, offset);
  }
  return offset;
}

/**
 * A moment as the clocks there show it, in the fields of UTC.
 * @param {number} ms
 * @param {Zone} zone
 * @returns {Date}
 */
export function there(ms, zone) {
  return new Date(ms + offsetAt(ms, zone));
}

/**
 * @param {number} ms
 * @param {Zone} zone
 * @returns {string} what the zone calls its time then: "EST", "GMT+1", "UTC"
 */
export function nameAt(ms, zone) {
  if (zone === UTC) return UTC;
  const key = `${zone} ${offsetAt(ms, zone)}`;
  let name = names.get(key);
  if (name === undefined) {
    const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "short" }).formatToParts(ms);
    name = parts.find(({ type }) => type === "timeZoneName")?.value ?? zone;
    names.set(key, name);
  }
  return name;
}

/** Boundaries that a mark of the axis may stand for, ms, each with the library's weight of it. */
const WITHIN_A_DAY = /** @type {const} */ ([
  [12 * 3_600_000, 33],
  [6 * 3_600_000, 32],
  [3 * 3_600_000, 31],
  [3_600_000, 30],
  [1_800_000, 22],
  [300_000, 21],
  [60_000, 20],
  [1_000, 10],
]);

/**
 * How much a mark of the axis at a moment is worth, as the library counts: the most where a year begins.
 * @param {number} ms
 * @param {number} before the moment left of it, ms
 * @param {Zone} zone
 * @returns {number}
 */
export function weightOf(ms, before, zone) {
  const [now, then] = [there(ms, zone), there(before, zone)];
  if (now.getUTCFullYear() !== then.getUTCFullYear()) return 70;
  if (now.getUTCMonth() !== then.getUTCMonth()) return 60;
  if (now.getUTCDate() !== then.getUTCDate()) return 50;
  for (const [length, weight] of WITHIN_A_DAY) {
    if (Math.floor(now.getTime() / length) !== Math.floor(then.getTime() / length)) return weight;
  }
  return 0;
}
