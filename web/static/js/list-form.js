/**
 * The form in which a list gets its name: a new one, or one that is renamed.
 */
import { must } from "./dom.js";

/** What the form is for: a new list, or the one to be renamed. @typedef {number | "new"} Naming */

/**
 * @typedef {object} Options
 * @property {(naming: Naming, name: string, withSymbols: boolean) => void} onSubmit
 * @property {() => void} onOpen
 * @property {() => void} onClose
 */

export class ListForm {
  #options;
  #form = must(document, "#list-form", HTMLFormElement);
  #name = must(document, "#list-name", HTMLInputElement);
  #copy = must(document, "#list-copy", HTMLInputElement);
  /** @type {Naming} */
  #naming = "new";

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      options.onSubmit(this.#naming, this.#name.value.trim(), this.#copy.checked);
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    must(this.#form, '[data-part="cancel"]', HTMLButtonElement).addEventListener("click", () => this.close());
  }

  /**
   * @param {Naming} naming
   * @param {string} name
   * @param {boolean} hasSymbols of the list that is shown: a new one may have them, too
   */
  open(naming, name, hasSymbols) {
    this.#naming = naming;
    this.#form.hidden = false;
    this.#name.value = name;
    this.#copy.checked = hasSymbols;
    must(this.#form, '[data-part="copy"]', HTMLElement).hidden = naming !== "new" || !hasSymbols;
    this.#options.onOpen();
    this.#name.focus();
    this.#name.select();
  }

  close() {
    this.#form.hidden = true;
    this.#options.onClose();
  }

  /** To the name, which has to be another one. */
  focus() {
    this.#name.focus();
  }
}
