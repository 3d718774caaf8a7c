/**
 * The row with a section's name: it opens and folds what is below, and is moved with it.
 */
import { must, setAttribute, setText } from "./dom.js";

/** @typedef {import("./arrangement.js").Section} Section */

export class SectionRow {
  #toggle;
  #name;
  #count;
  #buttons;

  /**
   * @param {HTMLTemplateElement} template
   * @param {Section} section
   */
  constructor(template, section) {
    const fragment = /** @type {DocumentFragment} */ (document.importNode(template.content, true));
    this.section = section;
    this.element = must(fragment, "tr", HTMLTableRowElement);
    this.#toggle = must(fragment, '[data-part="toggle"]', HTMLButtonElement);
    this.#name = must(fragment, '[data-part="name"]', HTMLElement);
    this.#count = must(fragment, '[data-part="count"]', HTMLElement);
    this.#buttons = [...fragment.querySelectorAll("button")];
    this.paint(section);
  }

  /** @param {boolean} current the row that Tab reaches */
  set current(current) {
    for (const element of [this.element, ...this.#buttons]) element.tabIndex = current ? 0 : -1;
  }

  /** @param {Section} section the same, as it is now */
  paint(section) {
    this.section = section;
    const { name, folded, symbols } = section;
    this.element.dataset.section = name;
    setText(this.#name, name);
    setText(this.#count, `${symbols.length}`);
    setAttribute(this.#count, "aria-label", `${symbols.length} ${symbols.length === 1 ? "symbol" : "symbols"}`);
    setAttribute(this.#toggle, "aria-expanded", String(!folded));
    for (const button of this.#buttons) {
      const { verb } = button.dataset;
      if (verb !== undefined) setAttribute(button, "aria-label", `${verb} ${name}`);
    }
  }

  /** Nothing in it lights up. */
  settle() {}
}
