/**
 * What all positions of a list are worth, by currency, below the list.
 */
import { must, setAttribute, setText } from "./dom.js";
import { directionOf, price } from "./format.js";
import { gain } from "./position-columns.js";
import { moneyDecimals, sumsOf } from "./positions.js";

/** @typedef {import("./positions.js").Positions} Positions */

export class PositionSums {
  #box = must(document, "#positions", HTMLElement);
  #rows = must(this.#box, "tbody", HTMLTableSectionElement);
  #notes = must(this.#box, "ul", HTMLUListElement);
  #shown = "";

  /**
   * Of what is known at this moment.
   * @param {Positions} positions
   * @param {(symbol: string) => import("./positions.js").Priced | null} quoteOf
   */
  paint(positions, quoteOf) {
    const { sums, notes } = sumsOf(positions, quoteOf);
    this.#box.hidden = sums.length + notes.length === 0;
    must(this.#box, "table", HTMLTableElement).hidden = sums.length === 0;
    while (this.#rows.rows.length > sums.length) this.#rows.deleteRow(-1);
    for (const [place, { currency, value, today, all }] of sums.entries()) {
      const row = this.#rows.rows[place] ?? this.#add();
      const [head, ...cells] = row.cells;
      if (head !== undefined) setText(head, currency ?? "No currency");
      const texts = [price(value, moneyDecimals(value)), today === null ? "–" : gain(today), all === null ? "–" : gain(all)];
      for (const [index, cell] of cells.entries()) setText(cell, texts[index] ?? "");
      for (const [cell, figure] of [[cells[1], today], [cells[2], all]]) {
        if (cell instanceof HTMLElement) setAttribute(cell, "data-direction", typeof figure === "number" ? directionOf(figure, moneyDecimals(figure)) : null);
      }
    }
    const told = notes.join("\n");
    if (told === this.#shown) return;
    this.#shown = told;
    this.#notes.replaceChildren(...notes.map(noteItem));
  }

  #add() {
    const row = this.#rows.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    row.append(head);
    for (let place = 0; place < 3; place += 1) row.insertCell();
    return row;
  }
}

/** @param {string} note */
function noteItem(note) {
  const item = document.createElement("li");
  item.textContent = note;
  return item;
}
