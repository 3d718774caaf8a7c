/**
 * The buttons beside the chart for who does not turn a wheel: nearer, further, all of it again, and a
 * longer range for who went back beyond this one.
 */
import { must, setText } from "../dom.js";
import { INTERVAL_NAMES } from "./ranges.js";

/** @typedef {import("./ranges.js").Range} Range */

/**
 * @typedef {object} Options
 * @property {(step: 1 | -1) => void} onZoom
 * @property {() => void} onReset
 * @property {(range: Range) => void} onRange
 */

export class ViewTools {
  #reset = must(document, "#view-reset", HTMLButtonElement);
  #offer = must(document, "#view-wider", HTMLButtonElement);
  #nearer = must(document, "#view-nearer", HTMLButtonElement);
  /** @type {Range | null} */
  #wider = null;

  /** @param {Options} options */
  constructor({ onZoom, onReset, onRange }) {
    this.#nearer.addEventListener("click", () => onZoom(1));
    must(document, "#view-further", HTMLButtonElement).addEventListener("click", () => onZoom(-1));
    this.#reset.addEventListener("click", () => onReset());
    this.#offer.addEventListener("click", () => {
      if (this.#wider !== null) onRange(this.#wider);
    });
  }

  /** @param {{isPart: boolean, wider: Range | null}} shown */
  paint({ isPart, wider }) {
    this.#wider = wider;
    for (const [button, isThere] of /** @type {const} */ ([[this.#reset, isPart], [this.#offer, wider !== null]])) {
      if (!isThere && button === document.activeElement) this.#nearer.focus();
      button.hidden = !isThere;
    }
    if (wider !== null) setText(this.#offer, `Show ${wider.noun} in candles of ${INTERVAL_NAMES[wider.interval]}`);
  }
}
