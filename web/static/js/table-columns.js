/**
 * The chosen columns in the table: its heads, and whether all stand on one line. Where there is no room
 * for that, those that the template has not stand below, each with its name.
 */
import { must, setAttribute } from "./dom.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./columns.js").Columns} Columns */

/** What the template's own columns need on a line beside price and change, gaps included. All are in rem. */
const OWN = 27;
const GAP = 1.25;
const WIDTH = 5;
/** From here on, the page is as wide as these need. */
const PAGE = 61;
/** A digit of price, of change, and of another column; a letter of a head. */
const CHAR = { price: 0.62, change: 0.58, added: 0.52, head: 0.6 };
/** The arrow before a change, and the sign of sorting in a head. */
const SIGN = { change: 2, head: 1 };

/** @typedef {{price: number, change: number}} OwnChars how long the longest price and change are */

export class TableColumns {
  #table;
  #columns;
  #heads;
  /** Of the longest text that a column has shown. @type {Map<string, number>} */
  #chars = new Map();
  /** @type {OwnChars} */
  #own = { price: 0, change: 0 };
  #needed = 0;
  /** How wide the table is. Asked only when it changes: to ask is to lay out all rows. */
  #room = 0;

  /**
   * @param {HTMLTableElement} table
   * @param {Columns} columns
   */
  constructor(table, columns) {
    this.#table = table;
    this.#columns = columns;
    this.#heads = must(table, "thead .added", HTMLElement);
    new ResizeObserver(() => {
      this.#room = roomOf(table);
      this.#arrange();
    }).observe(table);
  }

  /** The choice has changed. */
  show() {
    this.#chars.clear();
    this.#heads.replaceChildren(...this.#added().map(head));
    for (const { id } of this.#columns.all) this.#table.classList.toggle(`no-${id}`, !this.#columns.isShown(id));
    this.#measure();
  }

  /**
   * A cell shows a text. Columns get wider by what they show, and not narrower: nothing moves to and fro.
   * @param {string} id of its column
   * @param {number} chars
   */
  fit(id, chars) {
    if (chars <= (this.#chars.get(id) ?? 0)) return;
    this.#chars.set(id, chars);
    this.#measure();
  }

  /** @param {OwnChars} chars */
  fitOwn(chars) {
    this.#own = chars;
    this.#measure();
  }

  #added() {
    return this.#columns.shown.filter(({ make }) => make !== undefined);
  }

  #measure() {
    const widths = this.#added().map(({ id, title, width = WIDTH }) =>
      Math.max(width, (this.#chars.get(id) ?? 0) * CHAR.added, title.length * CHAR.head + SIGN.head),
    );
    this.#table.style.setProperty("--added", widths.map((width) => `${width.toFixed(2)}rem`).join(" "));
    const own = OWN + Math.max(7, this.#own.price * CHAR.price) + Math.max(12, this.#own.change * CHAR.change + SIGN.change);
    this.#needed = widths.reduce((sum, width) => sum + width + GAP, own);
    setAttribute(document.documentElement, "data-wide", widths.length > 0 && this.#needed > PAGE ? "" : null);
    this.#arrange();
  }

  #arrange() {
    setAttribute(this.#table, "data-lines", this.#needed <= this.#room ? "one" : "two");
  }
}

/** @param {HTMLElement} element */
function roomOf(element) {
  return element.clientWidth / Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** @param {Column} column */
function head({ id, title }) {
  // In the one head that the template has for all of them.
  const element = document.createElement("div");
  element.className = "added-head";
  element.setAttribute("role", "columnheader");
  element.dataset.column = id;
  const button = document.createElement("button");
  button.type = "button";
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  mark.setAttribute("class", "sort-mark");
  mark.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#i-up");
  mark.append(use);
  button.append(mark, title);
  element.append(button);
  return element;
}
