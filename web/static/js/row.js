/**
 * One row of the watch list. It remembers what it shows and touches only what differs.
 */
import { address } from "./address.js";
import { change, directionOfDay, since } from "./basis.js";
import { must, setAttribute, setIcon, setText } from "./dom.js";
import { firstDifference, price, signed } from "./format.js";
import { labels, unit } from "./labels.js";
import { courseOf, sparkline } from "./sparkline.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./columns.js").Painter} Painter */
/** @typedef {import("./store.js").Entry} Entry */
/** @typedef {import("./standing.js").Standing} Standing */

/** A row that flashes more often than this is noise at the edge of the eye. */
const FLASH_SPACING_MS = 500;

/** A trend is drawn with the price that moved it, but not with each of twenty a second. */
const TREND_SPACING_MS = 400;

/** Characters for which the column of percents has room always: "+10.00 %". */
const USUAL_PERCENT = 8;

/** @type {Record<"up" | "down" | "flat", string>} */
const SPOKEN = { up: "up", down: "down", flat: "unchanged" };

export class Row {
  #parts;
  #added;
  /** Of the columns that the template has not. @type {Painter[]} */
  #painters = [];
  #showsChange = true;
  #showsTrend = true;
  #kept;
  #ticked;
  #unit;
  #meta;
  #note;
  #change;
  #arrow;
  #absolute;
  #percent;
  #trend;
  #trendLine;
  #trendBase;
  #age;
  #ageSign;
  #ageIcon;
  #ageText;
  #shown = "";
  #shownPrice = 0;
  #flashedAt = -Infinity;
  #flashToggle = false;
  #trendRevision = 0;
  #trendSpoken = 0;
  #trendPaintedAt = -Infinity;
  /** How long the price and the change are as shown. */
  priceChars = 0;
  changeChars = 0;

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
    this.#added = must(fragment, ".added", HTMLElement);
    this.#kept = part("kept");
    this.#ticked = part("ticked");
    this.#meta = part("meta");
    this.#unit = part("unit");
    this.#note = part("note");
    this.#absolute = part("absolute");
    this.#percent = part("percent");
    this.#ageText = part("age");
    this.#change = must(fragment, ".c-change", HTMLElement);
    this.#arrow = must(fragment, ".arrow use", SVGUseElement);
    this.#trend = must(fragment, ".trend", SVGSVGElement);
    this.#parts = { change: this.#change, trend: must(fragment, ".c-trend", HTMLElement) };
    this.#trendLine = must(fragment, ".trend-line", SVGPolylineElement);
    this.#trendBase = must(fragment, ".trend-base", SVGLineElement);
    this.#age = must(fragment, ".c-age", HTMLElement);
    this.#ageSign = must(fragment, ".c-age .icon", SVGSVGElement);
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
   * Gives it the cells of these columns, to be painted.
   * @param {readonly Column[]} shown
   * @param {(id: string, chars: number) => void} fit told of each text of a cell
   */
  setColumns(shown, fit) {
    const ids = new Set(shown.map(({ id }) => id));
    this.#showsChange = ids.has("change");
    this.#showsTrend = ids.has("trend");
    this.#parts.change.hidden = !this.#showsChange;
    this.#parts.trend.hidden = !this.#showsTrend;
    this.#painters = [];
    const cells = [];
    for (const { id, title, make } of shown) {
      if (make === undefined) continue;
      const cell = document.createElement("div");
      cell.className = `added-cell c-${id}`;
      cell.setAttribute("role", "cell");
      cell.dataset.title = title;
      cell.dataset.testid = `${id}-${this.symbol}`;
      this.#painters.push(make(cell, (chars) => fit(id, chars)));
      cells.push(cell);
    }
    this.#added.replaceChildren(...cells);
    this.changeChars = 0;
  }

  /**
   * What other columns than price and change show.
   * @param {Readonly<Entry>} entry
   */
  paintAdded(entry) {
    for (const paint of this.#painters) paint(this.symbol, entry);
  }

  /**
   * Price and change. A price that moved lights up.
   * @param {Readonly<Entry>} entry
   * @param {number} now ms, of the page's own clock
   */
  paint(entry, now) {
    const [text, value] = [this.#shown, this.#shownPrice];
    this.#paintQuote(entry);
    if (text === "" || text === this.#shown || now - this.#flashedAt < FLASH_SPACING_MS) return;
    this.#flashedAt = now;
    this.#flashToggle = !this.#flashToggle;
    this.#ticked.dataset.flash = `${this.#shownPrice > value ? "up" : "down"}-${this.#flashToggle ? "a" : "b"}`;
  }

  /**
   * The same of a row that nobody sees now, or has not seen until now: nothing lights up.
   * @param {Readonly<Entry>} entry
   */
  paintUnseen(entry) {
    this.settle();
    this.#paintQuote(entry);
  }

  /** @param {Readonly<Entry>} entry */
  #paintQuote(entry) {
    this.paintAdded(entry);
    const { quote, decimals } = entry;
    if (quote === null) return;
    const text = price(quote.price, decimals);
    if (text !== this.#shown) this.#paintPrice(text, quote.price);
    if (!this.#showsChange) return;
    const day = change(quote);
    const absolute = day === null ? "–" : signed(day.absolute, decimals);
    const percent = day === null ? "" : `${signed(day.percent, 2)}\u00a0%`;
    setText(this.#absolute, absolute);
    setText(this.#percent, percent);
    this.changeChars = absolute.length + Math.max(percent.length, USUAL_PERCENT);
    const direction = directionOfDay(entry);
    if (this.#change.dataset.direction !== direction) {
      this.#change.dataset.direction = direction;
      setIcon(this.#arrow, direction);
    }
    setAttribute(this.#change, "title", `${SPOKEN[direction]} ${since(quote)}`.trim());
  }

  /** Out of sight, or in another place, its light would begin anew when it is seen: a change that was none. */
  settle() {
    delete this.#ticked.dataset.flash;
  }

  /**
   * What a snapshot brings and updates do not.
   * @param {Readonly<Entry>} entry
   */
  paintStatic({ quote }) {
    const words = quote === null ? "" : labels(quote).join(" · ");
    setText(this.#meta, words);
    setAttribute(this.#meta, "title", words === "" ? null : words);
    setText(this.#unit, quote === null ? "" : unit(this.symbol, quote.currency));
    // It is cut, or not there, where there is no room.
    this.chartLink.title = `Chart of ${this.symbol}${words === "" ? "" : `: ${words}`}`;
  }

  /**
   * @param {Readonly<Entry>} entry
   * @param {number} now ms, of the page's own clock
   */
  paintTrend({ trend, quote, decimals }, now) {
    if (!this.#showsTrend || quote === null || trend.revision === this.#trendRevision || now - this.#trendPaintedAt < TREND_SPACING_MS) return;
    this.#trendRevision = trend.revision;
    this.#trendPaintedAt = now;
    const { points, baseAt, direction } = sparkline(trend.course(now).values, quote.base, decimals);
    setAttribute(this.#trendLine, "points", points);
    if (this.#trend.dataset.direction !== direction) this.#trend.dataset.direction = direction;
    setAttribute(this.#trendBase, "y1", String(baseAt ?? -10));
    setAttribute(this.#trendBase, "y2", String(baseAt ?? -10));
    setAttribute(this.#trendBase, "visibility", baseAt === null ? "hidden" : null);
  }

  /**
   * The trend in words. Once a second at most: who hears the page reads one row at a time.
   * @param {Readonly<Entry>} entry
   * @param {number} now ms, of the page's own clock
   */
  speakTrend({ trend, decimals }, now) {
    if (!this.#showsTrend || trend.revision === this.#trendSpoken) return;
    this.#trendSpoken = trend.revision;
    const words = courseOf(trend.course(now), (value) => price(value, decimals));
    setAttribute(this.#trend, "aria-label", words);
    setAttribute(this.#parts.trend, "title", words);
  }

  /** @param {Standing} standing */
  paintStanding({ state, icon, text, note, title }) {
    if (this.element.dataset.state !== state) {
      this.element.dataset.state = state;
      setIcon(this.#ageIcon, icon);
      // Every other state is said by its text.
      setAttribute(this.#ageSign, "aria-hidden", state === "live" ? null : "true");
      setAttribute(this.#ageSign, "aria-label", state === "live" ? "Live" : null);
    }
    setAttribute(this.#age, "title", title);
    setText(this.#ageText, text);
    setText(this.#note, note);
  }

  /**
   * @param {string} text
   * @param {number} value
   */
  #paintPrice(text, value) {
    const from = this.#shown === "" ? 0 : firstDifference(this.#shown, text);
    setText(this.#kept, text.slice(0, from));
    setText(this.#ticked, text.slice(from));
    this.#shown = text;
    this.priceChars = text.length;
    this.#shownPrice = value;
  }
}
