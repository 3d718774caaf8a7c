/**
 * The dialog in which somebody says what is held of a symbol. Numbers are read as the page writes them.
 */
import { must, setText } from "./dom.js";
import { exact } from "./format.js";
import { isCost, isQuantity } from "./positions.js";
import { readNumber } from "./typed-number.js";

/** @typedef {import("./positions.js").Position} Position */
/** @typedef {import("./positions.js").Positions} Positions */

/**
 * @typedef {object} Options
 * @property {() => readonly string[]} symbols of the list that is shown
 * @property {() => Positions} positions
 * @property {() => string | null} current the symbol that somebody is at
 * @property {(symbol: string) => string | null} currencyOf its price
 * @property {() => string | null} whyNot why the list that is shown takes none; null if it does
 * @property {(symbol: string, position: Position | null) => void} onSaved null: it is taken away
 * @property {(symbol: string) => void} focus
 * @property {(text: string) => void} tell what cannot be done
 */

export class PositionDialog {
  #options;
  #dialog = must(document, "#position-dialog", HTMLDialogElement);
  #symbol = must(this.#dialog, "#position-symbol", HTMLSelectElement);
  #quantity = must(this.#dialog, "#position-quantity", HTMLInputElement);
  #cost = must(this.#dialog, "#position-cost", HTMLInputElement);
  #unit = must(this.#dialog, '[data-part="unit"]', HTMLElement);
  #hint = must(this.#dialog, "#position-hint", HTMLElement);
  #remove = must(this.#dialog, '[data-part="remove"]', HTMLButtonElement);

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    must(document, "#position-open", HTMLButtonElement).addEventListener("click", () => this.open(options.current()));
    must(this.#dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    must(this.#dialog, '[data-part="cancel"]', HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#remove.addEventListener("click", () => this.#done(null));
    this.#symbol.addEventListener("change", () => this.#fill());
    for (const field of [this.#quantity, this.#cost]) field.addEventListener("input", () => this.#refuse(null, ""));
  }

  /** @param {string | null} symbol that it is for at first */
  open(symbol) {
    const { symbols, tell, whyNot } = this.#options;
    const listed = symbols();
    const why = whyNot() ?? (listed.length === 0 ? "There is no symbol on the list yet." : null);
    if (why !== null) return tell(why);
    this.#symbol.replaceChildren(...listed.map((each) => new Option(each, each)));
    this.#symbol.value = symbol !== null && listed.includes(symbol) ? symbol : (listed[0] ?? "");
    this.#fill();
    this.#dialog.showModal();
    this.#quantity.select();
  }

  get #known() {
    return this.#options.positions()[this.#symbol.value] ?? null;
  }

  /** The currency of the cost, which is that of the price unless a file said another. */
  get #currency() {
    return this.#known?.currency ?? this.#options.currencyOf(this.#symbol.value);
  }

  #fill() {
    const position = this.#known;
    this.#quantity.value = position === null ? "" : shown(position.quantity);
    this.#cost.value = position?.cost == null ? "" : shown(position.cost);
    setText(this.#unit, this.#currency === null ? "" : `, in ${this.#currency}`);
    this.#remove.hidden = position === null;
    this.#refuse(null, "");
  }

  #save() {
    const known = this.#known;
    const quantity = this.#read(this.#quantity, "Quantity", known?.quantity ?? null, isQuantity, "A position is not 0, has 15 digits at most, and 12 of them after the point.");
    if (quantity === null) return;
    const empty = this.#cost.value.trim() === "";
    const cost = empty ? null : this.#read(this.#cost, "Cost", known?.cost ?? null, isCost, "It is not below 0; a short position has a quantity below 0.");
    if (cost === null && !empty) return;
    this.#done({ quantity, cost, currency: this.#currency });
  }

  /** @param {Position | null} position */
  #done(position) {
    const symbol = this.#symbol.value;
    this.#dialog.close();
    this.#options.onSaved(symbol, position);
    this.#options.focus(symbol);
  }

  /**
   * @param {HTMLInputElement} field
   * @param {string} name
   * @param {string | null} before kept as it is where nobody touched it: it may have more digits than can be typed
   * @param {(text: string) => boolean} isOne
   * @param {string} bounds
   * @returns {string | null} null when it was refused
   */
  #read(field, name, before, isOne, bounds) {
    if (before !== null && field.value === shown(before)) return before;
    const typed = readNumber(field.value);
    if ("reason" in typed) return this.#refuse(field, `${name}: ${typed.reason}`);
    const text = exact(typed.value, 0).replaceAll(",", "").replace("\u2212", "-");
    return isOne(text) ? text : this.#refuse(field, `${name}: ${bounds}`);
  }

  /**
   * @param {HTMLInputElement | null} field
   * @param {string} why
   * @returns {null}
   */
  #refuse(field, why) {
    this.#hint.dataset.kind = why === "" ? "none" : "error";
    setText(this.#hint, why);
    for (const each of [this.#quantity, this.#cost]) each.setAttribute("aria-invalid", String(each === field));
    field?.focus();
    return null;
  }
}

/** @param {string} text a decimal text, as the page writes numbers, with all its digits */
function shown(text) {
  const [whole = "", fraction] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}
