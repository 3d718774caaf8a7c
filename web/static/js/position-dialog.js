/**
 * The dialog in which somebody says what is held of a symbol. Numbers are read as the page writes them.
 */
import { must, setText } from "./dom.js";
import { exact } from "./format.js";
import { heldOf } from "./lots.js";
import { isCost, isQuantity } from "./positions.js";
import { readNumber } from "./typed-number.js";

/** @typedef {import("./positions.js").Position} Position */
/** @typedef {import("./positions.js").Positions} Positions */

/**
 * @typedef {object} Options
 * @property {() => readonly string[]} symbols of the list that is shown
 * @property {() => Positions} positions
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
  #lot = must(this.#dialog, "#position-lot", HTMLDetailsElement);
  #more = must(this.#dialog, "#lot-quantity", HTMLInputElement);
  #price = must(this.#dialog, "#lot-price", HTMLInputElement);
  #fee = must(this.#dialog, "#lot-fee", HTMLInputElement);
  #fields = [this.#quantity, this.#cost, this.#more, this.#price, this.#fee];
  #remove = must(this.#dialog, '[data-part="remove"]', HTMLButtonElement);

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    must(this.#dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    must(this.#dialog, '[data-part="cancel"]', HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#remove.addEventListener("click", () => this.#done(null));
    this.#symbol.addEventListener("change", () => this.#fill());
    for (const field of this.#fields) field.addEventListener("input", () => this.#foresee());
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
    this.#lot.open = false;
    this.#more.value = this.#price.value = this.#fee.value = "";
    this.#remove.hidden = position === null;
    this.#refuse(null, "");
  }

  #save() {
    const wanted = this.#wanted();
    if (wanted !== null) this.#done(wanted.position);
  }

  /** Says what a lot comes to, as long as it is typed; what is wrong is told when it is saved. */
  #foresee() {
    this.#refuse(null, "");
    if (!isTyped(this.#more)) return;
    const wanted = this.#wanted(false);
    if (wanted?.position) setText(this.#hint, `Then ${shown(wanted.position.quantity)}${wanted.position.cost === null ? "" : ` at an average cost of ${shown(wanted.position.cost)}`}.`);
    else if (wanted !== null) setText(this.#hint, "Then there is nothing left of it.");
  }

  /**
   * What the fields say; null when one of them was refused.
   * @param {boolean} [aloud] whether to tell
   * @returns {{position: Position | null} | null}
   */
  #wanted(aloud = true) {
    const known = this.#known;
    const adding = [this.#more, this.#price, this.#fee].some(isTyped);
    const bounds = "A position is not 0, has 15 digits at most, and 12 of them after the point.";
    const read = (/** @type {HTMLInputElement} */ field, /** @type {string} */ name, /** @type {string | null} */ before, /** @type {(text: string) => boolean} */ isOne, /** @type {string} */ why) =>
      isTyped(field) ? this.#read(field, name, before, isOne, why, aloud) : null;
    // Without a lot, or with a cost of it, there has to be one.
    const optional = adding && !isTyped(this.#quantity) && !isTyped(this.#cost);
    const quantity = optional ? null : this.#read(this.#quantity, "Quantity", known?.quantity ?? null, isQuantity, bounds, aloud);
    if (quantity === null && !optional) return null;
    const cost = read(this.#cost, "Cost", known?.cost ?? null, isCost, "It is not below 0; a short position has a quantity below 0.");
    if (cost === null && isTyped(this.#cost)) return null;
    const position = quantity === null ? null : { quantity, cost, currency: this.#currency };
    if (!adding) return { position };
    const more = this.#read(this.#more, "How many more", null, isQuantity, "Type how many were bought, or below 0 how many were sold.", aloud);
    const price = read(this.#price, "Price", null, isCost, "It is not below 0.");
    const fee = read(this.#fee, "Fee", null, isCost, "It is not below 0.");
    if (more === null || (price === null && isTyped(this.#price)) || (fee === null && isTyped(this.#fee))) return null;
    const lot = { quantity: more, cost: price, fee, currency: this.#currency };
    const held = heldOf(position === null ? [lot] : [position, lot]);
    // A sum that is too large is the only one that is no position and not nothing.
    if (held.position === null && held.note?.includes("too large")) return aloud ? this.#refuse(this.#more, "The sum is too large to be kept.") : null;
    return { position: held.position };
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
   * @param {boolean} aloud
   * @returns {string | null} null when it was refused
   */
  #read(field, name, before, isOne, bounds, aloud) {
    if (before !== null && field.value === shown(before)) return before;
    const typed = readNumber(field.value);
    const text = "reason" in typed ? "" : exact(typed.value, 0).replaceAll(",", "").replace("\u2212", "-");
    if (isOne(text)) return text;
    return aloud ? this.#refuse(field, `${name}: ${"reason" in typed ? typed.reason : bounds}`) : null;
  }

  /**
   * @param {HTMLInputElement | null} field
   * @param {string} why
   * @returns {null}
   */
  #refuse(field, why) {
    this.#hint.dataset.kind = why === "" ? "none" : "error";
    setText(this.#hint, why);
    for (const each of this.#fields) each.setAttribute("aria-invalid", String(each === field));
    if (field !== null && this.#lot.contains(field)) this.#lot.open = true;
    field?.focus();
    return null;
  }
}

/** @param {HTMLInputElement} field */
function isTyped(field) {
  return field.value.trim() !== "";
}

/** @param {string} text a decimal text, as the page writes numbers, with all its digits */
function shown(text) {
  const [whole = "", fraction] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}
