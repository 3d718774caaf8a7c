/**
 * Positions of a list: what somebody holds of a symbol, and what that is worth. Sums are by the currency of
 * the prices, and nothing is converted; what cannot be counted is named. No DOM and no I/O.
 */
import { change } from "./basis.js";
import { decimalsOf, enumerate } from "./format.js";
import { isSymbol } from "./symbols.js";

/** Decimal texts, as the server keeps them; a quantity below 0 is short. The cost is that of one. @typedef {{quantity: string, cost: string | null, currency: string | null}} Position */
/** By symbol. @typedef {Readonly<Record<string, Position>>} Positions */
/** null takes one away. @typedef {Record<string, Position | null>} PositionChanges */
/** @typedef {Pick<import("./store.js").HeldQuote, "price" | "base" | "currency">} Priced */

/** What the server takes. */
const QUANTITY = /^-?(?=[0.]*[1-9])\d{1,15}(\.\d{1,12})?$/;
const COST = /^\d{1,15}(\.\d{1,12})?$/;

/** @param {string} text */
export function isQuantity(text) {
  return QUANTITY.test(text);
}

/** @param {string} text */
export function isCost(text) {
  return COST.test(text);
}

/**
 * What is kept or told, with anything malformed left out.
 * @param {unknown} value
 * @returns {Record<string, Position>}
 */
export function readPositions(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  /** @type {Record<string, Position>} */
  const positions = {};
  for (const [symbol, told] of Object.entries(value)) {
    const { quantity, cost, currency } = /** @type {Record<string, unknown>} */ (told ?? {});
    if (!isSymbol(symbol) || typeof quantity !== "string" || !isQuantity(quantity)) continue;
    positions[symbol] = {
      quantity,
      cost: typeof cost === "string" && isCost(cost) ? cost : null,
      currency: typeof currency === "string" ? currency : null,
    };
  }
  return positions;
}

/**
 * These with the changes, of symbols on the list, in its order.
 * @param {Positions} positions
 * @param {Readonly<PositionChanges>} changes
 * @param {readonly string[]} symbols
 * @returns {Record<string, Position>}
 */
export function changed(positions, changes, symbols) {
  /** @type {Record<string, Position>} */
  const made = {};
  for (const symbol of symbols) {
    const position = symbol in changes ? changes[symbol] : positions[symbol];
    if (position) made[symbol] = position;
  }
  return made;
}

/**
 * The changes that make of one the other. A symbol that has gone from the list takes its own along.
 * @param {Positions} from
 * @param {Positions} to
 * @param {readonly string[]} symbols of the list
 * @returns {PositionChanges}
 */
export function differences(from, to, symbols) {
  /** @type {PositionChanges} */
  const found = {};
  for (const symbol of symbols) {
    const position = to[symbol] ?? null;
    if (JSON.stringify(position) !== JSON.stringify(from[symbol] ?? null)) found[symbol] = position;
  }
  return found;
}

/**
 * What a position is worth at this price. null is what nobody can tell: without a base, without a cost, or
 * with one in another currency.
 * @param {Position} position
 * @param {Priced} quote
 * @returns {{value: number, today: number | null, all: number | null}}
 */
export function worth({ quantity, cost, currency }, quote) {
  const count = Number(quantity);
  const day = change(quote);
  const comparable = cost !== null && (currency ?? quote.currency) === quote.currency;
  return {
    value: count * quote.price,
    today: day === null ? null : count * day.absolute,
    all: comparable ? count * (quote.price - Number(cost)) : null,
  };
}

/**
 * @typedef {object} Sum of one currency; null where nothing of it can be told
 * @property {string | null} currency
 * @property {number} value
 * @property {number | null} today
 * @property {number | null} all
 */

/**
 * @param {Positions} positions
 * @param {(symbol: string) => Priced | null} quoteOf
 * @returns {{sums: Sum[], notes: string[]}} by currency, and what is not counted in which of them
 */
export function sumsOf(positions, quoteOf) {
  /** @type {Map<string | null, Sum>} */
  const sums = new Map();
  /** @type {Record<"price" | "base" | "cost" | "other", string[]>} */
  const missing = { price: [], base: [], cost: [], other: [] };
  for (const [symbol, position] of Object.entries(positions)) {
    const quote = quoteOf(symbol);
    if (quote === null) {
      missing.price.push(symbol);
      continue;
    }
    const { value, today, all } = worth(position, quote);
    const sum = sums.get(quote.currency) ?? { currency: quote.currency, value: 0, today: null, all: null };
    sums.set(quote.currency, sum);
    sum.value += value;
    if (today === null) missing.base.push(symbol);
    else sum.today = (sum.today ?? 0) + today;
    if (all !== null) sum.all = (sum.all ?? 0) + all;
    else missing[position.cost === null ? "cost" : "other"].push(symbol);
  }
  const notes = [];
  if (missing.price.length > 0) notes.push(`Not counted, as there is no price: ${enumerate(missing.price)}.`);
  if (missing.base.length > 0) notes.push(`Not in the gain today, as there is nothing to compare with: ${enumerate(missing.base)}.`);
  if (missing.cost.length > 0) notes.push(`Not in the gain in all, as there is no cost: ${enumerate(missing.cost)}.`);
  if (missing.other.length > 0) notes.push(`Not in the gain in all, as the cost is in another currency than the price: ${enumerate(missing.other)}.`);
  const unnamed = sums.get(null);
  const named = [...sums.values()].filter((sum) => sum !== unnamed).sort((a, b) => String(a.currency).localeCompare(String(b.currency)));
  return { sums: unnamed === undefined ? named : [...named, unnamed], notes };
}

/**
 * Money has two decimals; what would be nothing with them has more.
 * @param {number} value
 */
export function moneyDecimals(value) {
  return value === 0 || Math.abs(value) >= 0.01 ? 2 : decimalsOf(value);
}
