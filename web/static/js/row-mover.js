/**
 * Rows dragged to another place: with a mouse by the symbol, with a finger by the grip that each row has
 * while the list is arranged. Where it would go is marked; Escape lets it be where it was.
 */

/**
 * What was dragged, and before or after which row it was let go.
 * @typedef {object} Drop
 * @property {{symbol: string} | {section: string}} what
 * @property {{symbol: string} | {section: string}} at
 * @property {boolean} after
 */

/**
 * @typedef {object} Options
 * @property {HTMLTableElement} table
 * @property {(drop: Drop) => void} onDrop
 * @property {() => string | null} whyNot null where rows can be moved; it says so itself
 */

/** A press that moves less is a click. */
const FAR = 6;
/** So near to the edge of the window, it scrolls. */
const EDGE = 72;
const SCROLL_STEP = 14;

/** What each row is dragged by; of no meaning to who cannot see it: there are keys. */
export const GRIP = (() => {
  const grip = document.createElement("span");
  grip.className = "grip";
  grip.ariaHidden = "true";
  return grip;
})();

export class RowMover {
  #options;
  /** The row that is pressed, and from where. @type {{row: HTMLTableRowElement, pointer: number, x: number, y: number} | null} */
  #pressed = null;
  #dragging = false;
  /** @type {{row: HTMLTableRowElement, after: boolean} | null} */
  #target = null;
  #y = 0;
  #x = 0;
  #frame = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { table } = options;
    table.addEventListener("pointerdown", (event) => this.#press(event));
    table.addEventListener("pointermove", (event) => this.#move(event));
    table.addEventListener("pointerup", () => this.#let(true));
    table.addEventListener("pointercancel", () => this.#let(false));
    // A link and a text are dragged by the browser otherwise.
    table.addEventListener("dragstart", (event) => event.preventDefault());
    // The click at the end of a drag is none.
    table.addEventListener("click", (event) => this.#swallow(event), true);
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.#dragging) return;
      event.preventDefault();
      this.#let(false);
    });
  }

  #moved = false;

  /** @param {PointerEvent} event */
  #press(event) {
    this.#moved = false;
    const target = event.target instanceof Element ? event.target : null;
    const row = target?.closest("tr");
    if (!event.isPrimary || event.button !== 0 || row?.closest("tbody") == null || target === null) return;
    const byGrip = target.closest(".grip") !== null;
    if (!byGrip && (event.pointerType !== "mouse" || target.closest(".c-symbol, .c-section") === null || target.closest("button") !== null)) return;
    this.#pressed = { row, pointer: event.pointerId, x: event.clientX, y: event.clientY };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.#pressed === null || event.pointerId !== this.#pressed.pointer) return;
    [this.#x, this.#y] = [event.clientX, event.clientY];
    if (!this.#dragging) {
      if (Math.hypot(event.clientX - this.#pressed.x, event.clientY - this.#pressed.y) < FAR) return;
      if (this.#options.whyNot() !== null) {
        this.#moved = true;
        return this.#let(false);
      }
      this.#begin(this.#pressed.row, this.#pressed.pointer);
    }
    this.#aim();
  }

  /**
   * @param {HTMLTableRowElement} row
   * @param {number} pointer
   */
  #begin(row, pointer) {
    this.#dragging = this.#moved = true;
    this.#options.table.setPointerCapture(pointer);
    this.#options.table.dataset.dragging = row.dataset.section === undefined ? "row" : "section";
    row.dataset.dragged = "";
    document.getSelection()?.removeAllRanges();
    const scroll = () => {
      const by = this.#y < EDGE ? -SCROLL_STEP : this.#y > window.innerHeight - EDGE ? SCROLL_STEP : 0;
      if (by !== 0) {
        window.scrollBy(0, by);
        this.#aim();
      }
      this.#frame = requestAnimationFrame(scroll);
    };
    this.#frame = requestAnimationFrame(scroll);
  }

  /** Marks the row before or after which it would go. */
  #aim() {
    const { table } = this.#options;
    const box = table.getBoundingClientRect();
    const x = Math.min(Math.max(this.#x, box.left + 1), box.right - 1);
    const row = document.elementFromPoint(x, this.#y)?.closest("tr");
    if (row == null || row.closest("tbody") === null || !table.contains(row)) return;
    const { top, height } = row.getBoundingClientRect();
    const after = this.#y > top + height / 2;
    if (this.#target?.row === row && this.#target.after === after) return;
    this.#unmark();
    row.dataset.drop = after ? "after" : "before";
    this.#target = { row, after };
  }

  /** @param {boolean} done */
  #let(done) {
    const [pressed, target] = [this.#pressed, this.#target];
    this.#unmark();
    cancelAnimationFrame(this.#frame);
    this.#pressed = this.#target = null;
    if (!this.#dragging || pressed === null) return;
    this.#dragging = false;
    const { table } = this.#options;
    if (table.hasPointerCapture(pressed.pointer)) table.releasePointerCapture(pressed.pointer);
    delete table.dataset.dragging;
    delete pressed.row.dataset.dragged;
    if (!done || target === null || target.row === pressed.row) return;
    const [what, at] = [itemOf(pressed.row), itemOf(target.row)];
    if (what !== null && at !== null) this.#options.onDrop({ what, at, after: target.after });
  }

  #unmark() {
    if (this.#target !== null) delete this.#target.row.dataset.drop;
  }

  /** @param {MouseEvent} event */
  #swallow(event) {
    if (!this.#moved) return;
    this.#moved = false;
    event.preventDefault();
    event.stopPropagation();
  }
}

/**
 * @param {HTMLTableRowElement} row
 * @returns {Drop["what"] | null}
 */
function itemOf({ dataset: { symbol, section } }) {
  if (section !== undefined) return { section };
  return symbol === undefined ? null : { symbol };
}
