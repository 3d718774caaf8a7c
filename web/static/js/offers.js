/**
 * What an empty list shows: an invitation, with the first symbols the feed knows.
 */
import { must } from "./dom.js";

/** @typedef {import("./symbols.js").Listed} Listed */

const MAX_OFFERS = 6;

export class Offers {
  #element = must(document, "#empty", HTMLElement);
  #buttons = must(document, "#offers", HTMLElement);
  #onChoose;

  /** @param {(symbols: string[]) => void} onChoose */
  constructor(onChoose) {
    this.#onChoose = onChoose;
  }

  /** @param {boolean} visible */
  set visible(visible) {
    this.#element.hidden = !visible;
  }

  /** @param {readonly Listed[]} listed */
  show(listed) {
    const symbols = listed.slice(0, MAX_OFFERS).map((item) => item.symbol);
    const buttons = symbols.map((symbol) => this.#button(symbol, "offer", [symbol]));
    if (symbols.length > 1) buttons.push(this.#button(`Add all ${symbols.length}`, "offer offer-all", symbols));
    this.#buttons.replaceChildren(...buttons);
  }

  /**
   * @param {string} text
   * @param {string} className
   * @param {string[]} symbols
   */
  #button(text, className, symbols) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = className;
    button.textContent = text;
    button.addEventListener("click", () => this.#onChoose(symbols));
    return button;
  }
}
