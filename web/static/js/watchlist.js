/**
 * The table of rows: which there are, in which order, and the keyboard in it.
 */
import { must, setAttribute } from "./dom.js";
import { GRIP, RowMover } from "./row-mover.js";
import { RowBlocks } from "./row-blocks.js";
import { Row } from "./row.js";
import { SectionRow } from "./section-row.js";
import { standing } from "./standing.js";
import { TableColumns } from "./table-columns.js";

/** @typedef {import("./arrangement.js").Item} Item */
/** @typedef {import("./freshness.js").FeedView} FeedView */
/** @typedef {import("./row-mover.js").Drop} Drop */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./sort.js").Sorting} Sorting */
/** @typedef {import("./columns.js").Columns} Columns */

/**
 * @typedef {object} Options
 * @property {Store} store
 * @property {Columns} columns
 * @property {(symbol: string) => void} onRemove
 * @property {(column: string) => void} onSort its id
 * @property {(symbol: string, by: -1 | 1) => void} onStep a row is to go up or down by one
 * @property {(name: string, by: -1 | 1) => void} onStepSection
 * @property {(drop: Drop) => void} onDrop something was dragged to another place
 * @property {() => string | null} whyUnmovable null where rows can be moved
 * @property {(name: string) => void} onFold
 * @property {(symbol: string) => void} onPosition somebody wants to say what is held
 * @property {(name: string) => void} onRenameSection
 * @property {(name: string) => void} onRemoveSection
 * @property {() => void} onPainted prices were painted, in this very frame
 * @property {() => void} onLeave somebody is done with the list, by Escape or because it is empty
 */

export class Watchlist {
  #options;
  #table = must(document, "#watchlist", HTMLTableElement);
  #template = must(document, "#row-template", HTMLTemplateElement);
  #columns;
  #fitAdded = (/** @type {string} */ id, /** @type {number} */ chars) => this.#columns.fit(id, chars);
  #sectionTemplate = must(document, "#section-template", HTMLTemplateElement);
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** By name. @type {Map<string, SectionRow>} */
  #sections = new Map();
  /** The rows of both kinds, from top to bottom. @type {(Row | SectionRow)[]} */
  #order = [];
  /** Changed since the last frame. @type {Set<string>} */
  #dirty = new Set();
  #frame = 0;
  /** Rows that are not near the screen are painted once a second, and their trends not at all. */
  #blocks = new RowBlocks(this.#table, (rows) => {
    this.#paintUnseen(rows);
    this.#paintTrends(rows, performance.now());
  });
  /** @type {Row | SectionRow | null} */
  #current = null;
  /** Of the longest price and change that are shown: the columns of all rows follow them. */
  #priceChars = 0;
  #changeChars = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#table.addEventListener("click", (event) => {
      const row = this.#rowAt(event.target);
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (row === null || button === null) return;
      if (row instanceof SectionRow) this.#pressed(row, button);
      else if (button === row.removeButton) options.onRemove(row.symbol);
    });
    new RowMover({ table: this.#table, onDrop: options.onDrop, whyNot: options.whyUnmovable });
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

  /** The symbols of the rows on the screen or near it. */
  get near() {
    return [...this.#blocks.near()].map((row) => row.symbol);
  }

  /** Whether trends are seen at all: on a narrow screen, compact rows have none. */
  get hasTrends() {
    return this.#table.querySelector("tbody .c-trend")?.checkVisibility() ?? false;
  }

  /** Whether moving rows now would pull one away from under a pointer or the keyboard. */
  get busy() {
    return this.#table.matches(":hover, :focus-within");
  }

  /**
   * Makes the rows these, in this order.
   * @param {readonly Item[]} items
   */
  arrange(items) {
    this.#drop(this.#rows, new Set(items.filter((item) => typeof item === "string")));
    this.#drop(this.#sections, new Set(items.flatMap((item) => (typeof item === "string" ? [] : [item.name]))));
    this.#order = items.map((item) => (typeof item === "string" ? (this.#rows.get(item) ?? this.#make(item)) : this.#section(item)));
    const focused = document.activeElement;
    this.#blocks.arrange(this.#order);
    // A row that changed its block has lost it.
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.#table.hidden = items.length === 0;
    this.#priceChars = this.#changeChars = 0;
    for (const row of this.#rows.values()) this.#fit(row);
    if (this.#current === null) this.#makeCurrent(this.#order[0] ?? null);
  }

  #columnsChosen() {
    this.#columns.show();
    const { store } = this.#options;
    const { shown } = this.#options.columns;
    this.#priceChars = this.#changeChars = 0;
    for (const row of this.#rows.values()) {
      row.setColumns(shown, this.#fitAdded);
      const entry = store.entry(row.symbol);
      if (entry !== undefined) row.paintUnseen(entry);
      this.#fit(row);
    }
    this.#paintTrends(this.#blocks.near(), performance.now());
  }

  /** @param {boolean} compact whether more rows are seen at once, of less height */
  set compact(compact) {
    this.#table.classList.toggle("compact", compact);
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
    this.#paintUnseen([...this.#rows.values()].filter((row) => this.#dirty.has(row.symbol)));
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

  /** The symbol of the row that has the focus, or had it last, or would get it; null for an empty list, or a section. */
  get current() {
    return this.#current instanceof Row ? this.#current.symbol : null;
  }

  /**
   * Where the focus goes when a row is taken away: the next one, else the one before.
   * @param {string} symbol
   * @returns {string | null}
   */
  neighbour(symbol) {
    const rows = this.#order.filter((row) => row instanceof Row);
    const place = rows.findIndex((row) => row.symbol === symbol);
    return place < 0 ? null : ((rows[place + 1] ?? rows[place - 1])?.symbol ?? null);
  }

  /**
   * @param {string} name of a section
   * @returns {boolean} whether there is such a row
   */
  focusSection(name) {
    const row = this.#sections.get(name);
    row?.element.focus();
    return row !== undefined;
  }

  /** @param {boolean} arranging rows have a grip, for who has no keyboard and no mouse */
  set arranging(arranging) {
    setAttribute(this.#table, "data-arranging", arranging ? "" : null);
    for (const grip of this.#table.querySelectorAll(".grip")) grip.remove();
    for (const row of this.#order) this.#grip(row);
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
      row.speakTrend(entry, now);
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
    this.#grip(row);
    this.#rows.set(symbol, row);
    this.described([symbol]);
    return row;
  }

  /** @param {Row | SectionRow} row */
  #grip(row) {
    if (this.#table.dataset.arranging !== undefined) row.element.append(GRIP.cloneNode(true));
  }

  /** @param {import("./arrangement.js").Section} section */
  #section(section) {
    const known = this.#sections.get(section.name);
    known?.paint(section);
    if (known !== undefined) return known;
    const row = new SectionRow(this.#sectionTemplate, section);
    this.#grip(row);
    this.#sections.set(section.name, row);
    return row;
  }

  /**
   * @param {Map<string, Row> | Map<string, SectionRow>} rows
   * @param {ReadonlySet<string>} wanted
   */
  #drop(rows, wanted) {
    for (const [name, row] of rows) {
      if (wanted.has(name)) continue;
      row.element.remove();
      rows.delete(name);
      if (this.#current === row) this.#current = null;
    }
  }

  /**
   * @param {SectionRow} row
   * @param {HTMLButtonElement} button
   */
  #pressed({ section }, button) {
    if (button.dataset.part === "toggle") this.#options.onFold(section.name);
    else if (button.dataset.part === "rename") this.#options.onRenameSection(section.name);
    else if (button.dataset.part === "remove") this.#options.onRemoveSection(section.name);
  }

  /**
   * @param {Row | SectionRow} row
   * @param {-1 | 1} by
   */
  #step(row, by) {
    if (row instanceof Row) this.#options.onStep(row.symbol, by);
    else this.#options.onStepSection(row.section.name, by);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const row = this.#rowAt(event.target);
    if (row === null || event.ctrlKey || event.metaKey) return;
    if (event.altKey) {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      event.preventDefault();
      return this.#step(row, event.key === "ArrowUp" ? -1 : 1);
    }
    const place = this.#order.indexOf(row);
    /** @type {Row | SectionRow | undefined} */
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
        if (row instanceof Row) this.#options.onRemove(row.symbol);
        else this.#options.onRemoveSection(row.section.name);
        break;
      case "Enter":
        // On a link or a button in the row, Enter is that one's.
        if (event.target !== row.element) return;
        if (row instanceof Row) row.chartLink.click();
        else this.#options.onFold(row.section.name);
        break;
      case "F2":
        if (row instanceof Row) this.#options.onPosition(row.symbol);
        else this.#options.onRenameSection(row.section.name);
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

  /** @param {Row | SectionRow | null} row */
  #makeCurrent(row) {
    if (row === null || row === this.#current) return;
    if (this.#current !== null) this.#current.current = false;
    row.current = true;
    this.#current = row;
  }

  /**
   * @param {EventTarget | null} target
   * @returns {Row | SectionRow | null}
   */
  #rowAt(target) {
    const { symbol, section } = (target instanceof Element ? target.closest("tr")?.dataset : null) ?? {};
    return (symbol === undefined ? this.#sections.get(section ?? "") : this.#rows.get(symbol)) ?? null;
  }
}
