/**
 * The table of rows: which there are, in which order, and the keyboard in it.
 */
import { must, setAttribute } from "./dom.js";
import { RowBlocks } from "./row-blocks.js";
import { Row } from "./row.js";
import { standing } from "./standing.js";
import { TableColumns } from "./table-columns.js";

/** @typedef {import("./freshness.js").FeedView} FeedView */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./sort.js").Sorting} Sorting */
/** @typedef {import("./columns.js").Columns} Columns */

/**
 * @typedef {object} Options
 * @property {Store} store
 * @property {Columns} columns
 * @property {(symbol: string) => void} onRemove
 * @property {(column: string) => void} onSort its id
 * @property {() => void} onPainted prices were painted, in this very frame
 * @property {() => void} onLeave somebody is done with the list, by Escape or because it is empty
 */

export class Watchlist {
  #options;
  #table = must(document, "#watchlist", HTMLTableElement);
  #template = must(document, "#row-template", HTMLTemplateElement);
  #columns;
  #fitAdded = (/** @type {string} */ id, /** @type {number} */ chars) => this.#columns.fit(id, chars);
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** The same, from top to bottom. @type {Row[]} */
  #order = [];
  /** Changed since the last frame. @type {Set<string>} */
  #dirty = new Set();
  #frame = 0;
  /** Rows that are not near the screen are painted once a second, and their trends not at all. */
  #blocks = new RowBlocks(this.#table, (rows) => {
    this.#paintUnseen(rows);
    this.#paintTrends(rows, performance.now());
  });
  /** @type {Row | null} */
  #current = null;
  /** Of the longest price and change that are shown: the columns of all rows follow them. */
  #priceChars = 0;
  #changeChars = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#table.addEventListener("click", (event) => {
      const row = this.#rowAt(event.target);
      if (row !== null && event.target instanceof Element && event.target.closest("button")) options.onRemove(row.symbol);
    });
    this.#table.addEventListener("keydown", (event) => this.#key(event));
    this.#table.addEventListener("focusin", (event) => this.#makeCurrent(this.#rowAt(event.target)));
    this.#table.tHead?.addEventListener("click", (event) => {
      const column = event.target instanceof Element ? event.target.closest("[data-column]")?.getAttribute("data-column") : undefined;
      if (column) options.onSort(column);
    });
    this.#columns = new TableColumns(this.#table, options.columns);
    this.#columns.show();
    options.columns.onChoice(() => this.#columnsChosen());
    options.columns.onChanged((symbols) => this.changed(symbols));
  }

  /** Whether moving rows now would pull one away from under a pointer or the keyboard. */
  get busy() {
    return this.#table.matches(":hover, :focus-within");
  }

  /**
   * Makes the rows these, in this order.
   * @param {readonly string[]} symbols
   */
  arrange(symbols) {
    const wanted = new Set(symbols);
    for (const [symbol, row] of this.#rows) {
      if (wanted.has(symbol)) continue;
      row.element.remove();
      this.#rows.delete(symbol);
      if (this.#current === row) this.#current = null;
    }
    this.#order = symbols.map((symbol) => this.#rows.get(symbol) ?? this.#make(symbol));
    const focused = document.activeElement;
    this.#blocks.arrange(this.#order);
    // A row that changed its block has lost it.
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.#table.hidden = symbols.length === 0;
    this.#priceChars = this.#changeChars = 0;
    for (const row of this.#rows.values()) this.#fit(row);
    if (this.#current === null) this.#makeCurrent(this.#order[0] ?? null);
  }

  #columnsChosen() {
    this.#columns.show();
    const { store } = this.#options;
    const { shown } = this.#options.columns;
    this.#priceChars = this.#changeChars = 0;
    for (const row of this.#order) {
      row.setColumns(shown, this.#fitAdded);
      const entry = store.entry(row.symbol);
      if (entry !== undefined) row.paintUnseen(entry);
      this.#fit(row);
    }
    this.#paintTrends(this.#blocks.near(), performance.now());
  }

  /** @param {Sorting} sorting */
  showSorting(sorting) {
    for (const header of this.#table.querySelectorAll("[data-column]")) {
      const active = sorting !== null && header.getAttribute("data-column") === sorting.column;
      setAttribute(header, "aria-sort", active ? (sorting.descending ? "descending" : "ascending") : null);
    }
  }

  /**
   * Prices changed: painted with the next frame, however many changes there are until then.
   * @param {readonly string[]} symbols
   */
  changed(symbols) {
    for (const symbol of symbols) this.#dirty.add(symbol);
    if (this.#frame === 0 && this.#dirty.size > 0) {
      this.#frame = requestAnimationFrame((now) => {
        this.#frame = 0;
        this.#paintNear(now);
        this.#options.onPainted();
      });
    }
  }

  /**
   * A snapshot came for these.
   * @param {readonly string[]} symbols
   */
  described(symbols) {
    for (const symbol of symbols) {
      const entry = this.#options.store.entry(symbol);
      if (entry !== undefined) this.#rows.get(symbol)?.paintStatic(entry);
    }
    this.changed(symbols);
  }

  /**
   * Once a second: ages, rows out of sight, and trends whose last move came too soon after another.
   * @param {FeedView} feed
   * @param {number} now ms
   */
  tick(feed, now) {
    for (const [symbol, row] of this.#rows) {
      const entry = this.#options.store.entry(symbol);
      if (entry !== undefined) row.paintStanding(standing(entry, feed, now));
    }
    this.#paintNear(now);
    this.#paintUnseen(this.#order.filter((row) => this.#dirty.has(row.symbol)));
    this.#paintTrends(this.#blocks.near(), now);
    this.#options.onPainted();
  }

  /**
   * @param {string} symbol
   * @returns {boolean} whether there is such a row
   */
  focus(symbol) {
    const row = this.#rows.get(symbol);
    row?.element.focus();
    return row !== undefined;
  }

  /** The symbol of the row that has the focus, or had it last, or would get it; null for an empty list. */
  get current() {
    return this.#current?.symbol ?? null;
  }

  /**
   * Where the focus goes when a row is taken away: the next one, else the one before.
   * @param {string} symbol
   * @returns {string | null}
   */
  neighbour(symbol) {
    const row = this.#rows.get(symbol);
    const place = row === undefined ? -1 : this.#order.indexOf(row);
    return place < 0 ? null : ((this.#order[place + 1] ?? this.#order[place - 1])?.symbol ?? null);
  }

  /**
   * Paints the rows that are seen and have changed.
   * @param {number} now ms, of the page's own clock
   */
  #paintNear(now) {
    for (const row of this.#blocks.near()) {
      const entry = this.#options.store.entry(row.symbol);
      if (!this.#dirty.delete(row.symbol) || entry === undefined) continue;
      row.paint(entry, now);
      this.#fit(row);
      row.paintTrend(entry, now);
    }
  }

  /**
   * Paints rows that nobody sees now, or has not seen until now.
   * @param {Iterable<Row>} rows
   */
  #paintUnseen(rows) {
    for (const row of rows) {
      const entry = this.#options.store.entry(row.symbol);
      if (entry === undefined) continue;
      this.#dirty.delete(row.symbol);
      row.paintUnseen(entry);
      this.#fit(row);
    }
  }

  /**
   * @param {Iterable<Row>} rows
   * @param {number} now ms, of the page's own clock
   */
  #paintTrends(rows, now) {
    for (const row of rows) {
      const entry = this.#options.store.entry(row.symbol);
      if (entry === undefined) continue;
      row.paintTrend(entry, now);
      row.speakTrend(entry);
    }
  }

  /**
   * Each row is a grid of its own, so the columns line up by what the longest texts need.
   * @param {Row} row
   */
  #fit({ priceChars, changeChars }) {
    if (priceChars <= this.#priceChars && changeChars <= this.#changeChars) return;
    this.#priceChars = Math.max(this.#priceChars, priceChars);
    this.#changeChars = Math.max(this.#changeChars, changeChars);
    this.#table.style.setProperty("--price-chars", String(this.#priceChars));
    this.#table.style.setProperty("--change-chars", String(this.#changeChars));
    this.#columns.fitOwn({ price: this.#priceChars, change: this.#changeChars });
  }

  /**
   * @param {string} symbol
   * @returns {Row}
   */
  #make(symbol) {
    const row = new Row(this.#template, symbol);
    row.setColumns(this.#options.columns.shown, this.#fitAdded);
    this.#rows.set(symbol, row);
    this.described([symbol]);
    return row;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const row = this.#rowAt(event.target);
    if (row === null || event.altKey || event.ctrlKey || event.metaKey) return;
    const place = this.#order.indexOf(row);
    /** @type {Row | undefined} */
    let target;
    switch (event.key) {
      case "ArrowDown":
        target = this.#order[place + 1];
        break;
      case "ArrowUp":
        target = this.#order[place - 1];
        break;
      case "Home":
        target = this.#order[0];
        break;
      case "End":
        target = this.#order.at(-1);
        break;
      case "Delete":
        this.#options.onRemove(row.symbol);
        break;
      case "Enter":
        // On a link or a button in the row, Enter is that one's.
        if (event.target !== row.element) return;
        row.chartLink.click();
        break;
      case "Escape":
        this.#options.onLeave();
        break;
      default:
        return;
    }
    event.preventDefault();
    target?.element.focus();
  }

  /** @param {Row | null} row */
  #makeCurrent(row) {
    if (row === null || row === this.#current) return;
    if (this.#current !== null) this.#current.current = false;
    row.current = true;
    this.#current = row;
  }

  /**
   * @param {EventTarget | null} target
   * @returns {Row | null}
   */
  #rowAt(target) {
    const symbol = target instanceof Element ? target.closest("tr")?.dataset.symbol : undefined;
    return symbol === undefined ? null : (this.#rows.get(symbol) ?? null);
  }
}
