/**
 * What is bid and asked beside a price: in figures and in words.
 */
import { decimalsOf, price } from "./format.js";

/** @typedef {import("./protocol.js").Top} Top */

/**
 * @param {Pick<Top, "bid" | "ask">} quote
 * @returns {number | null} from bid to ask; null where one of them is not told
 */
export function spread({ bid, ask }) {
  if (bid === null || ask === null || bid > ask) return null;
  // A difference has noise behind its last digit.
  return Number((ask - bid).toFixed(Math.max(decimalsOf(bid), decimalsOf(ask))));
}

/**
 * @param {number} value
 * @param {Pick<Top, "bid" | "ask">} quote
 * @param {string} words the spread as it is shown
 */
export function spreadTitle(value, { bid, ask }, words) {
  const middle = ((bid ?? 0) + (ask ?? 0)) / 2;
  return middle > 0 ? `${words}, ${price((value / middle) * 100, 3)}\u00a0%` : words;
}

/**
 * @param {number} _
 * @param {Pick<Top, "quotedAt">} quote
 * @param {string} words
 */
export function toldAt(_, { quotedAt }, words) {
  return words + when(quotedAt);
}

/** @param {number | null} quotedAt */
export function when(quotedAt) {
  return quotedAt === null ? "" : ` at ${new Date(quotedAt).toISOString().slice(11, 19)}\u00a0UTC`;
}
