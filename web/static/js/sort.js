/**
 * The order of the rows: the user's own, or by a column. Ties, and rows without a value, keep the
 * user's order.
 */
import { change } from "./basis.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {"symbol" | "price" | "change"} Column */
/** @typedef {{column: Column, descending: boolean} | null} Sorting null: the user's own order */

/** @type {Record<Column, boolean>} numbers begin with the highest, names with A */
const DESCENDING_FIRST = { symbol: false, price: true, change: true };

/**
 * What a click on a column's header leads to: its first direction, the other, the user's own order.
 * @param {Sorting} current
 * @param {Column} column
 * @returns {Sorting}
 */
export function nextSorting(current, column) {
  const first = DESCENDING_FIRST[column];
  if (current === null || current.column !== column) return { column, descending: first };
  return current.descending === first ? { column, descending: !first } : null;
}

/**
 * @param {Store} store
 * @param {Sorting} sorting
 * @returns {string[]}
 */
export function sorted(store, sorting) {
  const order = [...store.symbols];
  if (sorting === null) return order;
  const sign = sorting.descending ? -1 : 1;
  if (sorting.column === "symbol") return order.sort((a, b) => sign * (a < b ? -1 : a > b ? 1 : 0));
  const column = sorting.column;
  /** @type {Map<string, number | null>} */
  const values = new Map(order.map((symbol) => [symbol, valueOf(store, symbol, column)]));
  return order.sort((a, b) => {
    const x = values.get(a) ?? null;
    const y = values.get(b) ?? null;
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return sign * (x - y);
  });
}

/**
 * @param {Store} store
 * @param {string} symbol
 * @param {"price" | "change"} column
 * @returns {number | null}
 */
function valueOf(store, symbol, column) {
  const quote = store.entry(symbol)?.quote;
  if (!quote) return null;
  return column === "price" ? quote.price : (change(quote)?.percent ?? null);
}
