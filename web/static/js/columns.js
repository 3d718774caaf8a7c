/**
 * The columns of the watch list: which there are, and which of them somebody chose to see.
 *
 * A column says what it is called, what its rows are sorted by, and how a cell of it is painted. To add
 * one, make a `Column` and hand it to `Columns.add` before the page starts (`main.js` has the place). Its
 * choice in the menu, its head, sorting by it, and its place on narrow screens then come by themselves.
 *
 * A column whose data is not in the quote (a position, a note) has its own book of it and reads that in
 * `sortKey` and in the painter that `make` returns; both are given the symbol. When that data changes, its
 * owner calls `Columns.changed(symbols)`: these rows are painted with the next frame. Nothing else repaints
 * them, save a new price of theirs.
 *
 * A painter is called with each price that is painted, for each row that is seen, so it touches only what
 * differs: `setText` and `setAttribute` of `dom.js` do. It gets `quote: null` until there is a price, and
 * then writes an empty text where it has nothing to say. A column that is not shown has no cells, and
 * nothing of it is called.
 */

/** @typedef {import("./store.js").Entry} Entry */
/** @typedef {import("./storage.js").Memory} Memory */

/** @typedef {(symbol: string, entry: Readonly<Entry>) => void} Painter */

/**
 * @typedef {object} Column
 * @property {string} id lower case and hyphens; kept in browsers, so it is never given to another column
 * @property {string} title of its head, and in the menu
 * @property {string} [about] what it tells, in the menu; where the title does not say
 * @property {"always" | "yes" | "no"} shown before anybody chose; "always" cannot be hidden
 * @property {boolean} descending whether sorting begins with the highest: so numbers do, and names with A
 * @property {(symbol: string, entry: Readonly<Entry> | undefined) => number | string | null} sortKey null is last, in
 *   both directions; all keys of a column are numbers, or all are texts
 * @property {number} [width] of its cells at least, on one line with the others, in rem
 * @property {(cell: HTMLElement, fit: (chars: number) => void) => Painter} [make] fills a new cell of a row, and calls
 *   `fit` with the length of each text that it shows: the column is wide enough for the longest. A cell that has nothing
 *   to say has the attribute `data-none`. Those that the row's template has already (symbol, price, change, trend, age)
 *   have no `make`.
 */

const ID = /^[a-z][a-z-]{0,30}$/;

/**
 * @param {unknown} value
 * @returns {value is string}
 */
export function isColumnId(value) {
  return typeof value === "string" && ID.test(value);
}

export class Columns {
  #key;
  #memory;
  /** @type {Map<string, Column>} */
  #columns = new Map();
  /** What was chosen, of columns that this page may not know. @type {Map<string, boolean>} */
  #chosen;
  /** Shown before anybody chose, as there is something in them now. @type {Set<string>} */
  #wanted = new Set();
  /** @type {(() => void)[]} */
  #onChoice = [];
  /** @type {((symbols: readonly string[]) => void)[]} */
  #onChanged = [];

  /**
   * @param {Memory} memory
   * @param {string} key the choice is kept under it
   */
  constructor(memory, key) {
    this.#memory = memory;
    this.#key = key;
    this.#chosen = readChoice(memory.load(key));
  }

  /** All of them, in the order of the table. */
  get all() {
    return /** @type {readonly Column[]} */ ([...this.#columns.values()]);
  }

  /** Those that are shown. */
  get shown() {
    return this.all.filter((column) => this.isShown(column.id));
  }

  /** @param {Column} column it comes after those that are there */
  add(column) {
    if (!isColumnId(column.id)) throw new Error(`no id of a column: ${column.id}`);
    if (this.#columns.has(column.id)) throw new Error(`there is a column ${column.id} already`);
    this.#columns.set(column.id, column);
    this.#tellChoice();
  }

  /**
   * @param {string} id
   * @returns {Column | undefined}
   */
  column(id) {
    return this.#columns.get(id);
  }

  /** @param {string} id */
  isShown(id) {
    const column = this.#columns.get(id);
    if (column === undefined) return false;
    return column.shown === "always" || (this.#chosen.get(id) ?? (column.shown === "yes" || this.#wanted.has(id)));
  }

  /**
   * @param {string} id
   * @param {boolean} shown
   * @returns {import("./storage.js").Trouble | null} why the browser does not keep it; it holds for this visit
   */
  show(id, shown) {
    this.#chosen.set(id, shown);
    return this.#keep();
  }

  /**
   * There is something in these columns, or not: they are shown so, where nobody chose.
   * @param {readonly string[]} ids
   * @param {boolean} wanted
   */
  want(ids, wanted) {
    const changed = ids.filter((id) => this.#wanted.has(id) !== wanted);
    for (const id of changed) wanted ? this.#wanted.add(id) : this.#wanted.delete(id);
    if (changed.length > 0) this.#tellChoice();
  }

  /** As it was before anybody chose. */
  reset() {
    for (const id of this.#columns.keys()) this.#chosen.delete(id);
    return this.#keep();
  }

  /** Another tab chose. */
  reread() {
    this.#chosen = readChoice(this.#memory.load(this.#key));
    this.#tellChoice();
  }

  /**
   * What a column reads beside the quote has changed for these.
   * @param {readonly string[]} symbols
   */
  changed(symbols) {
    for (const tell of this.#onChanged) tell(symbols);
  }

  /** @param {() => void} tell which are shown, or are there, has changed */
  onChoice(tell) {
    this.#onChoice.push(tell);
  }

  /** @param {(symbols: readonly string[]) => void} tell the table, which paints these rows */
  onChanged(tell) {
    this.#onChanged.push(tell);
  }

  #keep() {
    const trouble = this.#memory.save(this.#key, Object.fromEntries(this.#chosen));
    this.#tellChoice();
    return trouble;
  }

  #tellChoice() {
    for (const tell of this.#onChoice) tell();
  }
}

/**
 * @param {string | null} text
 * @returns {Map<string, boolean>} what is well-formed in it
 */
export function readChoice(text) {
  if (text === null) return new Map();
  /** @type {unknown} */
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch {
    return new Map();
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return new Map();
  return new Map(Object.entries(parsed).filter(([id, shown]) => isColumnId(id) && typeof shown === "boolean"));
}
