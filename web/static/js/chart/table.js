/**
 * The same figures as a table, for everybody who reads rather than looks. Made only while it is open.
 */
import { percentsAt } from "./compare.js";
import { figure, when } from "./text.js";
import { must } from "../dom.js";
import { exact, price } from "../format.js";
import { DAY } from "./ranges.js";
import { UTC } from "./zones.js";

/** @typedef {import("./readout.js").Shown} Shown */

export class FiguresTable {
  #details = must(document, "#figures", HTMLDetailsElement);
  #head = must(this.#details, "thead", HTMLTableSectionElement);
  #body = must(this.#details, "tbody", HTMLTableSectionElement);
  #shown;
  /** What of it is not as it should be. @type {"nothing" | "newest" | "all"} */
  #stale = "all";

  /** @param {() => Shown} shown */
  constructor(shown) {
    this.#shown = shown;
    this.#details.addEventListener("toggle", () => this.paint());
  }

  open() {
    this.#details.open = true;
  }

  /**
   * Something in it changed; `paint` will show it.
   * @param {"newest" | "all"} [what]
   */
  changed(what = "all") {
    if (this.#stale !== "all") this.#stale = what;
  }

  /** Called once a second: a table that moves with each price cannot be read. */
  paint() {
    if (!this.#details.open || this.#stale === "nothing") return;
    const newestOnly = this.#stale === "newest";
    this.#stale = "nothing";
    const { candles, range, figures, decimals, zone, symbol, beside } = this.#shown();
    const [last] = candles.slice(-1);
    const compared = last === undefined ? [] : percentsAt(symbol, beside, last).map(({ name }) => name);
    const hasVolume = candles.some(({ volume }) => volume !== null);
    const names = [`Begins${zone === UTC || range.step >= DAY ? " (UTC)" : ""}`, "Open", "High", "Low", "Close", "Prices", ...(hasVolume ? ["Volume"] : []), ...compared, ...figures.map(({ overlay }) => overlay.name)];
    const rows = (newestOnly ? candles.slice(-1) : candles).map((candle) => {
      const p = (/** @type {number} */ value) => price(value, decimals);
      const texts = [when(candle.start, range, zone).replace(" UTC", ""), p(candle.open), p(candle.high), p(candle.low), p(candle.close), candle.ticks === null ? "–" : String(candle.ticks)];
      if (hasVolume) texts.push(candle.volume === null ? "–" : exact(Number(candle.volume.toPrecision(15)), 0));
      texts.push(...percentsAt(symbol, beside, candle).map(({ text }) => text));
      for (const { overlay, points } of figures) {
        const value = points.get(candle.start);
        texts.push(value === undefined ? "–" : figure(value, overlay, decimals));
      }
      return row(texts, (index) => (index === 0 ? header("row") : document.createElement("td")));
    });
    const [newest] = rows;
    const [shown] = this.#body.rows;
    if (newestOnly && newest !== undefined && shown !== undefined) {
      if (newest.cells.length === shown.cells.length) return shown.replaceWith(newest);
      // The first volume has come, and with it a column.
      this.#stale = "all";
      this.paint();
      return;
    }
    this.#head.replaceChildren(row(names, () => header("col")));
    this.#body.replaceChildren(...rows.reverse());
  }
}

/**
 * @param {readonly string[]} texts
 * @param {(index: number) => HTMLTableCellElement} cell
 * @returns {HTMLTableRowElement}
 */
function row(texts, cell) {
  const element = document.createElement("tr");
  texts.forEach((text, index) => {
    const made = cell(index);
    made.textContent = text;
    element.append(made);
  });
  return element;
}

/**
 * @param {"col" | "row"} scope
 * @returns {HTMLTableCellElement}
 */
function header(scope) {
  const element = document.createElement("th");
  element.scope = scope;
  return element;
}
