/**
 * The order of the rows: the user's own, or by a column. Ties, and rows without a value, keep the
 * user's order.
 */

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./columns.js").Columns} Columns */
/** @typedef {{column: string, descending: boolean} | null} Sorting null: the user's own order */

/**
 * What a click on a column's header leads to: its first direction, the other, the user's own order.
 * @param {Sorting} current
 * @param {Column} column
 * @returns {Sorting}
 */
export function nextSorting(current, { id, descending }) {
  if (current === null || current.column !== id) return { column: id, descending };
  return current.descending === descending ? { column: id, descending: !descending } : null;
}

/**
 * What holds of a sorting: nobody sees an order by a column that is not shown.
 * @param {Sorting} sorting
 * @param {Columns} columns
 * @returns {Sorting}
 */
export function sortingNow(sorting, columns) {
  return sorting !== null && columns.isShown(sorting.column) ? sorting : null;
}

/**
 * @param {Store} store
 * @param {Sorting} sorting
 * @param {Columns} columns
 * @returns {string[]}
 */
export function sorted(store, sorting, columns) {
  const order = [...store.symbols];
  const column = sorting === null ? undefined : columns.column(sorting.column);
  if (sorting === null || column === undefined) return order;
  const sign = sorting.descending ? -1 : 1;
  const keys = new Map(order.map((symbol) => [symbol, keyOf(column, symbol, store)]));
  return order.sort((a, b) => {
    const x = keys.get(a) ?? null;
    const y = keys.get(b) ?? null;
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return sign * (x < y ? -1 : x > y ? 1 : 0);
  });
}

/**
 * @param {Column} column
 * @param {string} symbol
 * @param {Store} store
 * @returns {number | string | null} never a number that is none: it would be neither before nor after another
 */
function keyOf(column, symbol, store) {
  const key = column.sortKey(symbol, store.entry(symbol));
  return typeof key === "number" && Number.isNaN(key) ? null : key;
}
