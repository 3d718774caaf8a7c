/**
 * Where the rows are in the document: in blocks of a few. A block out of sight costs no style, layout or
 * paint, and is watched as one: when each of 1,000 rows was watched, that was most of a scrolled frame.
 */

import { Row } from "./row.js";

/** @typedef {import("./section-row.js").SectionRow} SectionRow */

/**
 * Rows of a block. Those of one block come into sight in one frame, so more make that frame longer; with
 * fewer, there are more blocks for every frame to look at.
 */
export const BLOCK_ROWS = 10;

/** How far from the screen a block is near it still. */
const MARGIN = "200px";

/**
 * @typedef {object} Block
 * @property {HTMLTableSectionElement} element
 * @property {readonly (Row | SectionRow)[]} rows
 */

export class RowBlocks {
  #table;
  #onNear;
  /** In order; all full but the last. @type {Block[]} */
  #blocks = [];
  /** On the screen or near it. @type {Set<Block>} */
  #near = new Set();
  #observer = new IntersectionObserver((entries) => this.#noteNear(entries), { rootMargin: MARGIN });

  /**
   * @param {HTMLTableElement} table without a body
   * @param {(rows: readonly Row[]) => void} onNear these came near the screen
   */
  constructor(table, onNear) {
    this.#table = table;
    this.#onNear = onNear;
  }

  /**
   * Makes the rows these, in this order. Those that are not among them are out of the document already.
   * Only rows out of place are moved: moving one takes its focus.
   * @param {readonly (Row | SectionRow)[]} rows
   */
  arrange(rows) {
    const needed = Math.ceil(rows.length / BLOCK_ROWS);
    while (this.#blocks.length < needed) this.#append();
    for (const [index, block] of this.#blocks.entries()) {
      block.rows = rows.slice(index * BLOCK_ROWS, (index + 1) * BLOCK_ROWS);
      let place = block.element.firstElementChild;
      for (const row of block.rows) {
        if (row.element === place) {
          place = place.nextElementSibling;
        } else {
          row.settle();
          block.element.insertBefore(row.element, place);
        }
      }
      block.element.style.setProperty("--rows", String(block.rows.length));
    }
    for (const block of this.#blocks.splice(needed)) {
      this.#observer.unobserve(block.element);
      this.#near.delete(block);
      block.element.remove();
    }
  }

  /** The rows on the screen or near it. */
  *near() {
    for (const block of this.#near) for (const row of block.rows) if (row instanceof Row) yield row;
  }

  #append() {
    const element = this.#table.createTBody();
    element.className = "block";
    element.setAttribute("role", "rowgroup");
    this.#blocks.push({ element, rows: [] });
    this.#observer.observe(element);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #noteNear(entries) {
    for (const { target, isIntersecting } of entries) {
      const block = this.#blocks.find(({ element }) => element === target);
      if (block === undefined) continue;
      this.#near.delete(block);
      if (!isIntersecting) continue;
      this.#near.add(block);
      this.#onNear(block.rows.filter((row) => row instanceof Row));
    }
  }
}
