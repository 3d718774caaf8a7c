/**
 * Suggestions under the symbol field: an ARIA combobox with a listbox popup. The focus stays in the
 * field; the option the arrows reached is told by `aria-activedescendant`.
 */
import { must } from "./dom.js";
/** @typedef {import("./symbols.js").Listed} Listed */

export const MAX_SUGGESTIONS = 8;

/**
 * @typedef {object} Options
 * @property {(symbol: string) => void} onChoose
 */

export class Autocomplete {
  #options;
  #input = must(document, "#symbol", HTMLInputElement);
  #list = must(document, "#suggestions", HTMLUListElement);
  /** @type {string[]} */
  #symbols = [];
  #active = -1;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    // A press would take the focus out of the field, and the list would close before the click.
    this.#list.addEventListener("mousedown", (event) => event.preventDefault());
    this.#list.addEventListener("click", (event) => {
      const symbol = event.target instanceof Element ? event.target.closest("li")?.dataset.symbol : undefined;
      if (symbol !== undefined) this.#choose(symbol);
    });
    this.#input.addEventListener("blur", () => this.close());
  }

  get isOpen() {
    return !this.#list.hidden;
  }

  /**
   * @param {Listed[]} found
   * @param {string} typed
   */
  show(found, typed) {
    // Offering what is typed already helps nobody.
    if (found.length === 1 && found[0]?.symbol === typed.toUpperCase()) this.#show([], typed);
    else this.#show(found, typed);
  }

  close() {
    this.#show([], "");
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was for the suggestions
   */
  key(event) {
    if (!this.isOpen) return false;
    switch (event.key) {
      case "ArrowDown":
        this.#activate(this.#active + 1);
        return true;
      case "ArrowUp":
        this.#activate(this.#active - 1);
        return true;
      case "Enter": {
        const symbol = this.#symbols[this.#active];
        if (symbol === undefined) return false;
        this.#choose(symbol);
        return true;
      }
      case "Escape":
        this.close();
        return true;
      default:
        return false;
    }
  }

  /** @param {string} symbol */
  #choose(symbol) {
    this.close();
    this.#options.onChoose(symbol);
  }

  /**
   * @param {Listed[]} found
   * @param {string} typed
   */
  #show(found, typed) {
    // An answer that comes later leaves the choice where it is.
    const chosen = this.#symbols[this.#active];
    this.#symbols = found.map((item) => item.symbol);
    this.#list.replaceChildren(...found.map((item, i) => option(item, i, typed.toUpperCase())));
    this.#list.hidden = found.length === 0;
    this.#input.setAttribute("aria-expanded", String(found.length > 0));
    this.#activate(chosen === undefined ? -1 : this.#symbols.indexOf(chosen));
  }

  /** @param {number} index -1 is the field itself, which the arrows pass through on their way round */
  #activate(index) {
    const count = this.#symbols.length;
    this.#active = index < -1 ? count - 1 : index >= count ? -1 : index;
    for (const [i, child] of [...this.#list.children].entries()) child.setAttribute("aria-selected", String(i === this.#active));
    if (this.#active === -1) this.#input.removeAttribute("aria-activedescendant");
    else this.#input.setAttribute("aria-activedescendant", optionId(this.#active));
  }
}

/** @param {number} index */
const optionId = (index) => `suggestion-${index}`;

/**
 * @param {Listed} item
 * @param {number} index
 * @param {string} typed
 * @returns {HTMLLIElement}
 */
function option({ symbol, name, exchange, currency }, index, typed) {
  const element = document.createElement("li");
  element.id = optionId(index);
  element.role = "option";
  element.dataset.symbol = symbol;
  const at = typed === "" ? -1 : symbol.indexOf(typed);
  if (at === -1) {
    element.append(symbol);
  } else {
    const mark = document.createElement("mark");
    mark.textContent = typed;
    const marked = document.createElement("span");
    marked.append(symbol.slice(0, at), mark, symbol.slice(at + typed.length));
    element.append(marked);
  }
  if (name !== null) {
    const words = document.createElement("span");
    words.className = "suggested-name";
    words.textContent = name;
    // One does not run into the other where they are read out.
    element.append(" ", words);
  }
  const words = [exchange, currency].filter((word) => word !== null).join(" · ");
  if (words !== "") {
    const meta = document.createElement("span");
    meta.className = "meta";
    meta.textContent = words;
    element.append(meta);
  }
  return element;
}
