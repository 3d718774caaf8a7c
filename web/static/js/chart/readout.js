/**
 * The cursor, for pointer, keyboard and screen reader alike: which candle it is on, and what that says.
 *
 * The chart has the role of a slider. A screen reader then hands it the arrow keys and reads its value
 * after each of them; nothing is read when prices move by themselves.
 */
import { cursorAfter, figure, spoken, when } from "./text.js";
import { percentsAt } from "./compare.js";
import { setAttribute } from "../dom.js";
import { amount, directionOf, price, signed } from "../format.js";

/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Overlay} Overlay */
/** @typedef {import("./choice.js").Range} Range */
/** @typedef {import("./view.js").Figures} Figures */

/** needed: candles before there is a value; null when that is not known. @typedef {Figures & {needed: number | null}} ShownFigures */

/**
 * @typedef {object} Shown
 * @property {Range} range
 * @property {readonly Candle[]} candles
 * @property {readonly ShownFigures[]} figures
 * @property {number} decimals
 * @property {import("./zones.js").Zone} zone
 * @property {string} symbol
 * @property {import("./compare.js").Beside | null} beside
 */

/**
 * @typedef {object} Options
 * @property {HTMLElement} slider
 * @property {HTMLElement} line the readout
 * @property {() => Shown} shown
 * @property {(candle: Candle | null) => void} onMove by a key
 */

export class Readout {
  #options;
  /** The start of the candle under the cursor; null for none. @type {number | null} */
  #at = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    options.slider.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The candle under the cursor. @returns {Candle | null} */
  get candle() {
    return this.#options.shown().candles.find(({ start }) => start === this.#at) ?? null;
  }

  /** @param {number | null} start of the candle a pointer is over */
  pointer(start) {
    this.#at = start;
    this.paint();
    this.#describe();
  }

  /** Candles came or went. */
  changed() {
    if (this.candle === null) this.#at = null;
    this.paint();
    this.#count();
  }

  /** The line above the chart: the candle under the cursor, else the newest. */
  paint() {
    const { line, shown } = this.#options;
    const { candles, range, decimals, figures, zone, symbol, beside } = shown();
    const index = this.#index() ?? candles.length - 1;
    const candle = candles[index];
    if (candle === undefined) {
      line.replaceChildren("\u00a0");
      return;
    }
    const p = (/** @type {number} */ value) => price(value, decimals);
    const before = candles[index - 1];
    const parts = [
      part("", when(candle.start, range, zone)),
      part("O", p(candle.open)),
      part("H", p(candle.high)),
      part("L", p(candle.low)),
      part("C", p(candle.close)),
    ];
    if (before !== undefined) {
      const change = part("", signed(candle.close - before.close, decimals));
      change.classList.add(directionOf(candle.close - before.close, decimals));
      parts.push(change);
    }
    if (candle.ticks !== null) parts.push(part("", `${candle.ticks} ${candle.ticks === 1 ? "price" : "prices"}`));
    if (candles.some(({ volume }) => volume !== null)) parts.push(part("Vol", candle.volume === null ? "–" : amount(candle.volume)));
    const percents = percentsAt(symbol, beside, candle);
    for (const { name, text } of percents) parts.push(part(name, text));
    if (percents.length > 0) /** @type {HTMLElement} */ (parts.at(-1)).dataset.overlay = "compare";
    for (const { overlay, points, needed } of figures) {
      const value = points.get(candle.start);
      const shownPart = part(overlay.name, value === undefined ? without(candle.start, points, needed) : figure(value, overlay, decimals));
      shownPart.dataset.overlay = overlay.key;
      parts.push(shownPart);
    }
    line.replaceChildren(...parts);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { candles } = this.#options.shown();
    const to = cursorAfter(event.key, event.shiftKey, this.#index(), candles.length);
    if (to === undefined) return;
    event.preventDefault();
    const candle = to === null ? null : (candles[to] ?? null);
    this.#at = candle?.start ?? null;
    this.#options.onMove(candle);
    this.paint();
    this.#describe();
  }

  /** @returns {number | null} */
  #index() {
    if (this.#at === null) return null;
    const index = this.#options.shown().candles.findIndex(({ start }) => start === this.#at);
    return index < 0 ? null : index;
  }

  /** What a screen reader reads: only when the cursor has moved. */
  #describe() {
    this.#count();
    const { slider, shown } = this.#options;
    const { candles, range, decimals, figures, zone, symbol, beside } = shown();
    const index = this.#index();
    const candle = index === null ? undefined : candles[index];
    if (index === null || candle === undefined) {
      setAttribute(slider, "aria-valuetext", "No candle chosen");
      return;
    }
    const known = figures.flatMap(({ overlay, points }) => {
      const value = points.get(candle.start);
      return value === undefined ? [] : [{ overlay, value }];
    });
    const percents = percentsAt(symbol, beside, candle).map(({ name, text }) => `, ${name} ${text === "–" ? "no price" : text}`);
    setAttribute(slider, "aria-valuetext", spoken(candle, candles[index - 1], range, decimals, known, zone) + percents.join(""));
  }

  #count() {
    const { slider, shown } = this.#options;
    const last = shown().candles.length - 1;
    setAttribute(slider, "aria-disabled", last < 0 ? "true" : null);
    setAttribute(slider, "aria-valuemax", String(Math.max(0, last)));
    setAttribute(slider, "aria-valuenow", String(this.#index() ?? Math.max(0, last)));
  }
}

/**
 * @param {number} start of a candle without a value
 * @param {ReadonlyMap<number, number>} points
 * @param {number | null} needed
 * @returns {string} why there is none, unless it is only not there yet
 */
function without(start, points, needed) {
  const [first] = points.keys();
  return needed !== null && (first === undefined || start < first) ? `needs ${needed} candles` : "–";
}

/**
 * @param {string} name
 * @param {string} value
 * @returns {HTMLElement}
 */
function part(name, value) {
  const span = document.createElement("span");
  if (name !== "") {
    const label = document.createElement("span");
    label.className = "name";
    label.textContent = `${name}\u00a0`;
    span.append(label);
  }
  const text = document.createElement("b");
  text.textContent = value;
  span.append(text);
  return span;
}
