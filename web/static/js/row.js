/**
 * One row of the watch list. It remembers what it shows and touches only what differs.
 */
import { address } from "./address.js";
import { must, setAttribute, setIcon, setText } from "./dom.js";
import { age, directionOf, firstDifference, price, signed } from "./format.js";
import { sparkline } from "./sparkline.js";
import { change } from "./store.js";

/** @typedef {import("./store.js").Entry} Entry */
/** @typedef {import("./freshness.js").RowState} RowState */

/** A row that flashes more often than this is noise at the edge of the eye. */
const FLASH_SPACING_MS = 500;

/** A trend is drawn with the price that moved it, but not with each of twenty a second. */
const TREND_SPACING_MS = 400;

/** @type {Record<RowState, {icon: string, title: string}>} */
export const STATES = {
  live: { icon: "dot", title: "Live: fetched just now" },
  stale: { icon: "triangle", title: "Stale: nothing newer could be fetched" },
  frozen: { icon: "pause", title: "Frozen: fetched just now, but unchanged at the source for over a minute" },
  loading: { icon: "ring", title: "No price yet" },
};

/** @type {Record<"up" | "down" | "flat", string>} */
const SPOKEN = { up: "up", down: "down", flat: "unchanged" };

export class Row {
  #kept;
  #ticked;
  #meta;
  #change;
  #arrow;
  #absolute;
  #percent;
  #trend;
  #trendLine;
  #trendOpen;
  #age;
  #ageIcon;
  #ageText;
  #shown = "";
  #shownPrice = 0;
  #flashedAt = -Infinity;
  #flashToggle = false;
  #trendRevision = 0;
  #trendPaintedAt = -Infinity;

  /**
   * @param {HTMLTemplateElement} template
   * @param {string} symbol
   */
  constructor(template, symbol) {
    const fragment = /** @type {DocumentFragment} */ (document.importNode(template.content, true));
    const part = (/** @type {string} */ name) => must(fragment, `[data-part="${name}"]`, HTMLElement);
    this.symbol = symbol;
    this.element = must(fragment, "tr", HTMLTableRowElement);
    this.removeButton = must(fragment, "button", HTMLButtonElement);
    this.#kept = part("kept");
    this.#ticked = part("ticked");
    this.#meta = part("meta");
    this.#absolute = part("absolute");
    this.#percent = part("percent");
    this.#ageText = part("age");
    this.#change = must(fragment, ".c-change", HTMLElement);
    this.#arrow = must(fragment, ".arrow use", SVGUseElement);
    this.#trend = must(fragment, ".trend", SVGSVGElement);
    this.#trendLine = must(fragment, ".trend-line", SVGPolylineElement);
    this.#trendOpen = must(fragment, ".trend-open", SVGLineElement);
    this.#age = must(fragment, ".c-age", HTMLElement);
    this.#ageIcon = must(fragment, ".c-age use", SVGUseElement);
    this.chartLink = must(fragment, '[data-part="symbol"]', HTMLAnchorElement);
    this.chartLink.textContent = symbol;
    this.chartLink.href = address(`/s/${encodeURIComponent(symbol)}`);
    this.chartLink.title = `Chart of ${symbol}`;
    this.element.dataset.symbol = symbol;
    this.element.dataset.testid = `row-${symbol}`;
    must(fragment, ".c-price", HTMLElement).dataset.testid = `price-${symbol}`;
    this.#age.dataset.testid = `age-${symbol}`;
    this.removeButton.dataset.testid = `remove-${symbol}`;
    this.removeButton.setAttribute("aria-label", `Unsubscribe ${symbol}`);
    this.removeButton.title = `Unsubscribe ${symbol}`;
    this.#kept.textContent = "–";
  }

  /** @param {boolean} current the row that Tab reaches */
  set current(current) {
    this.element.tabIndex = current ? 0 : -1;
    this.chartLink.tabIndex = current ? 0 : -1;
    this.removeButton.tabIndex = current ? 0 : -1;
  }

  /**
   * Price and change.
   * @param {Readonly<Entry>} entry
   * @param {number} now ms, of the page's own clock
   */
  paint(entry, now) {
    const { quote, decimals } = entry;
    if (quote === null) return;
    const text = price(quote.price, decimals);
    if (text !== this.#shown) this.#paintPrice(text, quote.price, now);
    const sinceOpen = change(quote);
    if (sinceOpen === null) {
      setText(this.#absolute, "–");
      setText(this.#percent, "");
      this.#direct("flat");
    } else {
      setText(this.#absolute, signed(sinceOpen.absolute, decimals));
      setText(this.#percent, `${signed(sinceOpen.percent, 2)}\u00a0%`);
      this.#direct(directionOf(sinceOpen.absolute, decimals));
    }
  }

  /**
   * What a snapshot brings and updates do not.
   * @param {Readonly<Entry>} entry
   */
  paintStatic(entry) {
    const { quote } = entry;
    const words = quote === null ? [] : [quote.exchange, quote.currency, quote.delayed ? "delayed" : null];
    setText(this.#meta, words.filter((word) => word !== null).join(" · "));
  }

  /**
   * @param {Readonly<Entry>} entry
   * @param {number} now ms, of the page's own clock
   */
  paintTrend({ trend, quote, decimals }, now) {
    if (quote === null || trend.revision === this.#trendRevision || now - this.#trendPaintedAt < TREND_SPACING_MS) return;
    this.#trendRevision = trend.revision;
    this.#trendPaintedAt = now;
    const { points, openAt, direction } = sparkline(trend.values, quote.open, decimals);
    this.#trendLine.setAttribute("points", points);
    this.#trend.dataset.direction = direction;
    setAttribute(this.#trendOpen, "y1", String(openAt ?? -10));
    setAttribute(this.#trendOpen, "y2", String(openAt ?? -10));
    setAttribute(this.#trendOpen, "visibility", openAt === null ? "hidden" : null);
  }

  /**
   * @param {Readonly<Entry>} entry
   * @param {RowState} state
   * @param {number} now the server's time, ms
   */
  paintAge({ quote, rejected }, state, now) {
    if (this.element.dataset.state !== state) {
      this.element.dataset.state = state;
      setIcon(this.#ageIcon, STATES[state].icon);
      this.#age.title = STATES[state].title;
    }
    if (rejected !== null) {
      this.element.dataset.rejected = "";
      this.#age.title = rejected;
      setIcon(this.#ageIcon, "cross");
    } else if (this.element.dataset.rejected !== undefined) {
      delete this.element.dataset.rejected;
      this.#age.title = STATES[state].title;
      setIcon(this.#ageIcon, STATES[state].icon);
    }
    setText(this.#ageText, rejected !== null ? "Not served" : ageText(state, quote === null ? 0 : now - quote.timestamp));
  }

  /**
   * @param {string} text
   * @param {number} value
   * @param {number} now
   */
  #paintPrice(text, value, now) {
    const first = this.#shown === "";
    const from = first ? 0 : firstDifference(this.#shown, text);
    setText(this.#kept, text.slice(0, from));
    setText(this.#ticked, text.slice(from));
    if (!first && now - this.#flashedAt >= FLASH_SPACING_MS) {
      this.#flashedAt = now;
      this.#flashToggle = !this.#flashToggle;
      this.#ticked.dataset.flash = `${value > this.#shownPrice ? "up" : "down"}-${this.#flashToggle ? "a" : "b"}`;
    }
    this.#shown = text;
    this.#shownPrice = value;
  }

  /** @param {"up" | "down" | "flat"} direction */
  #direct(direction) {
    if (this.#change.dataset.direction === direction && this.#change.title !== "") return;
    this.#change.dataset.direction = direction;
    this.#change.title = `${SPOKEN[direction]} since the day’s open`;
    setIcon(this.#arrow, direction);
  }
}

/**
 * @param {RowState} state
 * @param {number} ms
 * @returns {string}
 */
export function ageText(state, ms) {
  switch (state) {
    case "loading":
      return "Waiting";
    case "stale":
      return `Stale ${age(ms)}`;
    case "frozen":
      return `Frozen ${age(ms)}`;
    case "live":
      return age(ms);
  }
}
