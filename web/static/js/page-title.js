/** The title of the page, which is all that a tab in the background shows, and the picture beside it. */
import { change, directionOfDay } from "./basis.js";
import { Favicon } from "./favicon.js";
import { price } from "./format.js";

/** @typedef {import("./store.js").Entry} Entry */

const NAME = "StockStream";
const ARROWS = { up: "▲", down: "▼", flat: "" };

/**
 * @param {string} symbol
 * @param {Readonly<Entry> | undefined} entry with a price that is as it should be
 * @returns {string} "AAPL 151.02 ▲1.2%"; empty when nobody has told a price
 */
export function priceInTitle(symbol, entry) {
  const quote = entry?.quote ?? null;
  if (entry === undefined || quote === null) return "";
  const day = change(quote);
  const percent = day === null ? "" : ` ${ARROWS[directionOfDay(entry)]}${price(Math.abs(day.percent), 1)}%`;
  return `${symbol} ${price(quote.price, entry.decimals)}${percent}`;
}

export class PageTitle {
  #name = document.title;
  #favicon = new Favicon();
  #state = "";
  #price = "";
  #unread = 0;

  /**
   * @param {string} state of what the page shows, when it is not as it should be; else empty
   * @param {string} price of the symbol that is looked at, when it is as it should be; else empty
   */
  show(state, price) {
    this.#state = state;
    this.#price = price;
    this.#paint();
  }

  /** @param {number} count of alerts that nobody has read */
  set unread(count) {
    this.#unread = count;
    this.#paint();
  }

  #paint() {
    const name = this.#price === "" ? this.#name : `${this.#price} · ${NAME}`;
    const title = (this.#unread > 0 ? `(${this.#unread}) ` : "") + (this.#state === "" ? "" : `${this.#state} · `) + name;
    if (document.title !== title) document.title = title;
    this.#favicon.show({ unread: this.#unread > 0, trouble: this.#state !== "" });
  }
}
