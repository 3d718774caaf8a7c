/**
 * The columns of positions: how many, at which cost, and what they are worth now.
 */
import { setAttribute, setText } from "./dom.js";
import { directionOf, exact, price, signed } from "./format.js";
import { moneyDecimals, worth } from "./positions.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./positions.js").Position} Position */
/** @typedef {import("./positions.js").Positions} Positions */
/** @typedef {import("./store.js").HeldQuote} HeldQuote */

export const POSITION_COLUMNS = ["quantity", "cost", "value", "gain-today", "gain-in-all"];

/**
 * @param {() => Positions} positions of the list that is shown
 * @returns {Column[]}
 */
export function positionColumns(positions) {
  const held = (/** @type {Position} */ { quantity }) => Number(quantity);
  const paid = (/** @type {Position} */ { cost }) => (cost === null ? null : Number(cost));
  const figure = (/** @type {"value" | "today" | "all"} */ name) => (/** @type {Position} */ position, /** @type {HeldQuote | null} */ quote) =>
    quote === null ? null : worth(position, quote)[name];
  return [
    column(positions, { id: "quantity", title: "Quantity", about: "that is held", of: held, text: (value) => exact(value, 0) }),
    column(positions, { id: "cost", title: "Avg. cost", about: "of one, on average", of: paid, text: (value) => exact(value) }),
    column(positions, { id: "value", title: "Value", about: "of all that is held, now", of: figure("value"), text: (value) => price(value, moneyDecimals(value)) }),
    column(positions, { id: "gain-today", title: "Gain today", about: "of all that is held", of: figure("today"), text: gain, directed: true }),
    column(positions, { id: "gain-in-all", title: "Gain in all", about: "since it was bought", of: figure("all"), text: gain, directed: true }),
  ];
}

/** @param {number} value */
export function gain(value) {
  return signed(value, moneyDecimals(value));
}

/**
 * @param {() => Positions} positions
 * @param {object} options
 * @param {string} options.id
 * @param {string} options.title
 * @param {string} options.about
 * @param {(position: Position, quote: HeldQuote | null) => number | null} options.of
 * @param {(value: number) => string} options.text
 * @param {boolean} [options.directed] coloured as up or down
 * @returns {Column}
 */
function column(positions, { id, title, about, of, text, directed = false }) {
  const valueOf = (/** @type {string} */ symbol, /** @type {HeldQuote | null} */ quote) => {
    const position = positions()[symbol];
    return position === undefined ? null : of(position, quote);
  };
  return {
    id,
    title,
    about,
    shown: "no",
    descending: true,
    sortKey: (symbol, entry) => valueOf(symbol, entry?.quote ?? null),
    make: (cell, fit) => {
      const span = document.createElement("span");
      cell.append(span);
      return (symbol, { quote }) => {
        const value = valueOf(symbol, quote);
        const words = value === null ? "" : text(value);
        setText(span, words);
        fit(words.length);
        setAttribute(cell, "data-none", value === null ? "" : null);
        if (directed) setAttribute(cell, "data-direction", value === null ? null : directionOf(value, moneyDecimals(value)));
      };
    },
  };
}
