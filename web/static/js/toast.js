/**
 * The toast that takes back a removal: of a symbol, a list or an alert. Removals while it is up are gathered, so that one undo
 * brings all of them back. When it has gone, Control Z still takes them back, the last ones first.
 */
import { must, setText } from "./dom.js";
import { enumerate } from "./format.js";

/** Time to read it and to get there by keyboard; a pointer or the focus on it stops the time. */
const SHOWN_MS = 20_000;

/** Removals that can be taken back one after another. */
const MOST_UNDONE = 50;

/**
 * `symbol` may be another name of what was removed. `ofRow`: a row of the list that is shown, which cannot
 * come back into another one.
 * @typedef {{symbol: string, undo: () => void, ofRow?: boolean}} Undoable
 */

export class UndoToast {
  #element = must(document, "#toast", HTMLElement);
  #text = must(this.#element, '[data-part="text"]', HTMLElement);
  /** What one undo takes back; the last one is the toast's while it is up. @type {Undoable[][]} */
  #removals = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #onUndone;

  /** @param {(symbols: string[]) => void} onUndone after the rows are back, in the order of their removal */
  constructor(onUndone) {
    this.#onUndone = onUndone;
    must(this.#element, '[data-testid="undo"]', HTMLButtonElement).addEventListener("click", () => this.undo());
    must(this.#element, '[data-part="dismiss"]', HTMLButtonElement).addEventListener("click", () => this.#hide());
    for (const event of ["pointerenter", "focusin"]) this.#element.addEventListener(event, () => clearTimeout(this.#timer));
    for (const event of ["pointerleave", "focusout"]) this.#element.addEventListener(event, () => this.#countDown());
  }

  /** @param {Undoable} removal */
  offer(removal) {
    const last = this.#element.hidden ? undefined : this.#removals.at(-1);
    if (last === undefined) this.#removals.push([removal]);
    else last.push(removal);
    this.#removals = this.#removals.slice(-MOST_UNDONE);
    setText(this.#text, `${enumerate((this.#removals.at(-1) ?? []).map((r) => r.symbol))} removed.`);
    this.#element.hidden = false;
    this.#countDown();
  }

  /** @returns {boolean} whether there was something to take back */
  undo() {
    const removed = this.#removals.pop();
    if (removed === undefined) return false;
    this.#hide();
    // Last out, first in: each then finds the places as they were when it left.
    for (const { undo } of [...removed].reverse()) undo();
    this.#onUndone(removed.map((r) => r.symbol));
    return true;
  }

  /** Another list is shown: its rows are not those that were removed. */
  forgetRows() {
    this.#removals = this.#removals.map((removed) => removed.filter(({ ofRow }) => ofRow !== true)).filter((removed) => removed.length > 0);
    this.#hide();
  }

  #countDown() {
    clearTimeout(this.#timer);
    if (!this.#element.hidden) this.#timer = setTimeout(() => this.#hide(), SHOWN_MS);
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#element.hidden = true;
  }
}
