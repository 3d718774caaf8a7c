/**
 * A second symbol beside the first: both in percent of their own price at the first candle that both have,
 * so that one scale is enough.
 */

import { signed } from "../format.js";

/** @typedef {import("./candles.js").Candle} Candle */

/** What both are measured from: a start in ms, and the prices there. @typedef {{start: number, mine: number, theirs: number}} Base */

/**
 * What is shown of the second one.
 * @typedef {object} Beside
 * @property {string} symbol
 * @property {Base | null} base null where the two have no candle in common
 * @property {readonly Candle[]} candles
 */

/**
 * @param {readonly Candle[]} mine oldest first
 * @param {readonly Candle[]} theirs oldest first
 * @returns {Base | null}
 */
export function firstCommon(mine, theirs) {
  const known = new Map(theirs.map(({ start, close }) => [start, close]));
  for (const { start, close } of mine) {
    const other = known.get(start);
    if (other !== undefined && close > 0 && other > 0) return { start, mine: close, theirs: other };
  }
  return null;
}

/**
 * @param {number} value
 * @param {number} base
 * @returns {number} percent
 */
export function percentOf(value, base) {
  return (value / base - 1) * 100;
}

/**
 * @param {number} percent
 * @param {number} base
 * @returns {number}
 */
export function priceOf(percent, base) {
  return base * (1 + percent / 100);
}

/**
 * What both have come to at a candle of the first.
 * @param {string} symbol
 * @param {Beside | null} beside
 * @param {Candle} candle
 * @returns {{name: string, text: string}[]} none where nothing is compared
 */
export function percentsAt(symbol, beside, candle) {
  if (beside === null || beside.base === null) return [];
  const other = beside.candles.find(({ start }) => start === candle.start);
  const text = (/** @type {number} */ value, /** @type {number} */ base) => `${signed(percentOf(value, base), 2)}\u00a0%`;
  return [
    { name: symbol, text: text(candle.close, beside.base.mine) },
    { name: beside.symbol, text: other === undefined ? "–" : text(other.close, beside.base.theirs) },
  ];
}

/**
 * The whole of it in words.
 * @param {{symbol: string, beside: Beside, price: number | null, newest: number | null, since: string, noun: string}} shown
 *   price: the newest of the first symbol, newest: of the second; since: when both begin
 * @returns {string}
 */
export function besideInWords({ symbol, beside, price, newest, since, noun }) {
  const { base } = beside;
  if (base === null) return `${symbol} and ${beside.symbol} have no candle in common in ${noun}: they are not compared.`;
  const [mine, theirs] = [price ?? base.mine, newest ?? base.theirs].map((value, index) => signed(percentOf(value, index === 0 ? base.mine : base.theirs), 2));
  return `In percent since ${since}: ${symbol} ${mine}\u00a0%, ${beside.symbol} ${theirs}\u00a0%.`;
}
