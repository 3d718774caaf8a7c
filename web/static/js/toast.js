/**
 * The toast that takes back a removal: of a symbol, a list or an alert. Removals while it is up are gathered, so that one undo
 * brings all of them back.
 */
import { must, setText } from "./dom.js";
import { enumerate } from "./format.js";

/** Long enough to read it and move there; a pointer or the focus on it stops the time. */
const SHOWN_MS = 8_000;

/** `symbol` may be another name of what was removed. @typedef {{symbol: string, undo: () => void}} Undoable */

export class UndoToast {
  #element = must(document, "#toast", HTMLElement);
  #text = must(this.#element, '[data-part="text"]', HTMLElement);
  /** @type {Undoable[]} */
  #removed = [];
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
    this.#removed.push(removal);
    setText(this.#text, `${enumerate(this.#removed.map((r) => r.symbol))} removed.`);
    this.#element.hidden = false;
    this.#countDown();
  }

  /** @returns {boolean} whether there was something to take back */
  undo() {
    if (this.#removed.length === 0) return false;
    const removed = this.#removed;
    this.#hide();
    // Last out, first in: each then finds the places as they were when it left.
    for (const { undo } of [...removed].reverse()) undo();
    this.#onUndone(removed.map((r) => r.symbol));
    return true;
  }

  /** What was removed belongs to a list that is not shown any more. */
  forget() {
    this.#hide();
  }

  #countDown() {
    clearTimeout(this.#timer);
    if (!this.#element.hidden) this.#timer = setTimeout(() => this.#hide(), SHOWN_MS);
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#removed = [];
    this.#element.hidden = true;
  }
}
