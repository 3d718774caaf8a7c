/**
 * The columns that a quote fills. Symbol, price, change, trend and age are painted by the row itself.
 */
import { change } from "./basis.js";
import { setAttribute, setText } from "./dom.js";
import { amount, decimalsOf, exact, price } from "./format.js";
import { spread, spreadTitle, toldAt } from "./top-of-book.js";
import { placeInRange, rangeCell, sessionCell, sessionOrder } from "./quote-cells.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./store.js").Entry} Entry */
/** @typedef {import("./store.js").HeldQuote} HeldQuote */
/** @typedef {import("./store.js").Store} Store */

/**
 * What the row's template has, in its order; other columns stand between the change and the trend.
 * @param {Store} store
 * @returns {Column[]}
 */
export function ownColumns(store) {
  return [
    { id: "symbol", title: "Symbol", shown: "always", descending: false, sortKey: (symbol) => symbol },
    { id: "price", title: "Price", shown: "always", descending: true, sortKey: ofQuote((quote) => quote.price) },
    { id: "change", title: "Change", shown: "yes", descending: true, sortKey: ofQuote((quote) => change(quote)?.percent ?? null) },
    {
      id: "trend",
      title: "Trend",
      shown: "yes",
      descending: true,
      sortKey: (_, entry) => entry?.trend.rise ?? null,
    },
    {
      id: "age",
      title: "Age",
      // A price without how old it is would look live at any age.
      shown: "always",
      descending: false,
      sortKey: ofQuote((quote) => {
        const confirmed = quote.confirmedAt ?? store.fetchedAt;
        return confirmed === null ? null : -confirmed;
      }),
    },
  ];
}

/**
 * What a provider tells beside the price, where it does.
 * @returns {Column[]}
 */
export function toldColumns() {
  return [
    { id: "range", title: "Range", about: "low to high of the day", shown: "no", descending: true, sortKey: ofQuote(placeInRange), width: 9, make: rangeCell },
    {
      ...textColumn({ id: "volume", title: "Volume", of: (quote) => quote.day?.volume ?? null, text: amount, whole: (volume) => exact(volume, 0) }),
      about: "traded today",
      width: 4.5,
    },
    { ...textColumn({ id: "open", title: "Open", of: (quote) => quote.day?.open ?? null }), about: "first price of the day" },
    { ...textColumn({ id: "previous-close", title: "Prev. close", of: (quote) => quote.previousClose }), about: "of the trading day before" },
    { ...textColumn({ id: "bid", title: "Bid", of: (quote) => quote.bid, text: toAll, whole: toldAt }), about: "highest, beside the last price" },
    { ...textColumn({ id: "ask", title: "Ask", of: (quote) => quote.ask, text: toAll, whole: toldAt }), about: "lowest, beside the last price" },
    { ...textColumn({ id: "spread", title: "Spread", of: spread, text: toAll, whole: spreadTitle }), about: "from bid to ask", descending: false },
    { id: "market", title: "Market", about: "open, closed, or between", shown: "no", descending: false, sortKey: ofQuote(sessionOrder), width: 6.5, make: sessionCell },
  ];
}

/**
 * A column of one figure of the quote.
 * @param {object} options
 * @param {string} options.id
 * @param {string} options.title
 * @param {(quote: HeldQuote) => number | null} options.of
 * @param {(value: number, decimals: number) => string} [options.text] as a price, unless told
 * @param {(value: number, quote: HeldQuote, words: string) => string} [options.whole] in its title, where the text is not all
 * @returns {Column}
 */
function textColumn({ id, title, of, text = price, whole }) {
  return {
    id,
    title,
    shown: "no",
    descending: true,
    sortKey: ofQuote(of),
    make: (cell, fit) => {
      const span = document.createElement("span");
      cell.append(span);
      /** Writing a number is dear, and most of these seldom change. */
      let painted = NaN;
      let paintedDecimals = -1;
      let paintedOf = NaN;
      return (_, { quote, decimals }) => {
        const value = quote === null ? null : of(quote);
        const quotedAt = quote?.quotedAt ?? 0;
        if ((value ?? -1) === painted && decimals === paintedDecimals && quotedAt === paintedOf) return;
        painted = value ?? -1;
        paintedDecimals = decimals;
        paintedOf = quotedAt;
        const words = value === null ? "" : text(value, decimals);
        setText(span, words);
        fit(words.length);
        setAttribute(cell, "data-none", value === null ? "" : null);
        setAttribute(cell, "title", quote === null || value === null ? null : (whole?.(value, quote, words) ?? words));
      };
    },
  };
}

/**
 * With all the decimals that it has, though the price has fewer: half a cent more is another bid.
 * @param {number} value
 * @param {number} decimals of the price
 */
function toAll(value, decimals) {
  return price(value, Math.max(decimals, decimalsOf(value)));
}

/**
 * @param {(quote: HeldQuote) => number | null} of
 * @returns {Column["sortKey"]}
 */
function ofQuote(of) {
  return (_, entry) => (entry?.quote ? of(entry.quote) : null);
}
