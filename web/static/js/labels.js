/**
 * What a price is of, in words: they come with a snapshot and seldom change.
 */

/** @typedef {Pick<import("./protocol.js").StaticFields, "name" | "exchange" | "currency" | "source">} Labelled */

/**
 * @param {Labelled} quote
 * @returns {string[]} "Apple Inc.", "NASDAQ", "via us"; what is not known is left out
 */
export function labels({ name, exchange, source }) {
  return [name, exchange, source === null ? null : `via ${source}`].filter((word) => word !== null);
}

/**
 * @param {string} symbol
 * @param {string | null} currency
 * @returns {string} the currency of the price; empty where the symbol ends with it, as `BTC-USD`
 */
export function unit(symbol, currency) {
  return currency === null || symbol.endsWith(`-${currency}`) ? "" : currency;
}
