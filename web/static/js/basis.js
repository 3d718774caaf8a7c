/**
 * What the change of the day is against, and in words. The server decides it; nothing here guesses.
 */
import { directionOf } from "./format.js";

/** @typedef {import("./protocol.js").Basis} Basis */
/** @typedef {import("./store.js").HeldQuote} HeldQuote */

/** @type {Record<Basis, {long: string, short: string}>} */
const WORDS = {
  previous_close: { long: "since the previous close", short: "since close" },
  open: { long: "since the day’s open", short: "since open" },
  day_first: { long: "since the day’s first price", short: "since day’s first" },
  first_seen: { long: "since first seen", short: "since first seen" },
};

/** With these, the time of the base says how much of the day the change covers. */
const TIMED = new Set(["day_first", "first_seen"]);

/** @type {Map<string, Intl.DateTimeFormat>} */
const clocks = new Map();

/**
 * @param {Pick<HeldQuote, "price" | "base">} quote
 * @returns {{absolute: number, percent: number} | null} null when there is nothing to compare with
 */
export function change({ price, base }) {
  if (base === null) return null;
  const absolute = price - base;
  return { absolute, percent: (absolute / base) * 100 };
}

/**
 * Which way a row points. The row and the sum over all rows have it from here, so they agree.
 * @param {{quote: HeldQuote | null, decimals: number}} entry
 * @returns {"up" | "down" | "flat"}
 */
export function directionOfDay({ quote, decimals }) {
  const day = quote === null ? null : change(quote);
  return day === null ? "flat" : directionOf(day.absolute, decimals);
}

/**
 * @param {Pick<HeldQuote, "basis" | "baseAt" | "dayZone">} quote
 * @returns {string} "since the previous close", "since first seen at 14:02 UTC", "since the day’s first
 *   price at 09:30 in New York"; empty when nobody says
 */
export function since({ basis, baseAt, dayZone }) {
  if (basis === null) return "";
  return WORDS[basis].long + (baseAt === null || !TIMED.has(basis) ? "" : ` at ${timeIn(dayZone ?? "UTC", baseAt)}`);
}

/**
 * @param {string} zone an IANA name
 * @param {number} ms
 * @param {boolean} [named] whether the day is
 * @returns {string} "09:30 in New York", "14:02 UTC"; "Mon 09:30 in New York"
 */
export function timeIn(zone, ms, named = false) {
  if (zone === "UTC") return `${named ? `${new Date(ms).toUTCString().slice(0, 3)} ` : ""}${new Date(ms).toISOString().slice(11, 16)}\u00a0UTC`;
  const key = named ? `${zone} named` : zone;
  let format = clocks.get(key);
  if (format === undefined) {
    try {
      format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: named ? "short" : undefined, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    } catch {
      // A zone that this browser has not heard of.
      return timeIn("UTC", ms, named);
    }
    clocks.set(key, format);
  }
  return `${format.format(ms).replace(",", "")} in ${zone.slice(zone.lastIndexOf("/") + 1).replaceAll("_", "\u00a0")}`;
}

/**
 * What the changes of a list are against.
 * @param {Iterable<HeldQuote | null>} quotes
 * @returns {{head: string, sentence: string}} for the column's head, empty where they differ, and for a
 *   line below the list: "Change is since the previous close for 4 symbols, since first seen for 2."
 */
export function describeBases(quotes) {
  /** @type {Map<Basis, number>} */
  const counts = new Map();
  for (const quote of quotes) if (quote?.basis) counts.set(quote.basis, (counts.get(quote.basis) ?? 0) + 1);
  const [first, ...others] = [...counts].sort(([, a], [, b]) => b - a);
  if (first === undefined) return { head: "", sentence: "" };
  if (others.length === 0) return { head: WORDS[first[0]].short, sentence: `Change is ${WORDS[first[0]].long}.` };
  const parts = [`${WORDS[first[0]].long} for ${first[1]} ${first[1] === 1 ? "symbol" : "symbols"}`];
  for (const [basis, count] of others) parts.push(`${WORDS[basis].long} for ${count}`);
  return { head: "", sentence: `Change is ${parts.join(", ")}.` };
}
