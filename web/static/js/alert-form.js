/**
 * The form for a rule: what is typed is judged and said back before it counts. A number that was
 * understood in another way than it was meant is an alert that never comes, and nobody would know.
 */
import { ruleText } from "./alert-feed.js";
import { must, setAttribute, setText } from "./dom.js";
import { decimalsOf, exact, price } from "./format.js";
import { parseSymbols } from "./symbols.js";
import { isUnfinished, readNumber } from "./typed-number.js";

/** @typedef {import("./alert-feed.js").Kind} Kind */
/** @typedef {{symbol: string, kind: Kind, threshold: number, window: number | null}} Said what a rule says */
/** @typedef {Said & {cooldown: number, webhook: string | null, mail: string | null}} Wanted */

/**
 * @typedef {object} Options
 * @property {(wanted: Wanted) => void} onSubmit
 * @property {(text: string) => void} announce
 * @property {(symbol: string) => number | null} priceOf the last price that is known
 * @property {(symbol: string) => boolean} isUnlisted whether no feed lists it, as far as is known
 */

export class AlertForm {
  #options;
  #form = must(document, "#alert-form", HTMLFormElement);
  #symbol = must(document, "#alert-symbol", HTMLInputElement);
  #kind = must(document, "#alert-kind", HTMLSelectElement);
  #threshold = must(document, "#alert-threshold", HTMLInputElement);
  #window = must(document, "#alert-window", HTMLSelectElement);
  #cooldown = must(document, "#alert-cooldown", HTMLSelectElement);
  #webhook = must(document, "#alert-webhook", HTMLInputElement);
  /** Where the server sends mail. @type {HTMLInputElement | null} */
  #mail = document.querySelector("input#alert-mail");
  #hint = must(document, "#alert-hint", HTMLElement);

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    for (const field of [this.#symbol, this.#threshold]) field.addEventListener("input", () => this.#preview(true));
    for (const field of [this.#kind, this.#window]) field.addEventListener("change", () => this.#preview(true));
    // On the way out of the field it is said aloud, too.
    this.#threshold.addEventListener("change", () => {
      this.#preview(false);
      if (this.#threshold.value !== "" && this.#hint.textContent) options.announce(this.#hint.textContent);
    });
    this.#paintKind();
  }

  /**
   * Beside the form.
   * @param {"none" | "note" | "warning" | "error"} kind
   * @param {string} text
   */
  say(kind, text) {
    this.#hint.dataset.kind = kind;
    setText(this.#hint, text);
  }

  /**
   * The rule is made.
   * @param {Said & {trouble: import("./alert-feed.js").Trouble | null}} rule
   * @param {string} more what else has come of it
   */
  made(rule, more) {
    if (this.#mail !== null) this.#mail.value = "";
    this.#symbol.value = this.#threshold.value = this.#webhook.value = "";
    this.#threshold.focus();
    const { kind, text } = this.#told(rule);
    const { trouble } = rule;
    const but = trouble === null || this.#options.isUnlisted(rule.symbol) ? "" : ` Not now: ${trouble.reason}.`;
    this.say(trouble === null || trouble.passing ? kind : "warning", `Added. ${text}${but}${more}`);
    this.#options.announce(`Added. ${text}${but}${more}`);
  }

  /** @param {string} text why the server did not take it */
  refused(text) {
    this.#refuse(this.#threshold, text);
  }

  /** To where the form ends. */
  focusButton() {
    must(this.#form, '[type="submit"]', HTMLButtonElement).focus();
  }

  #submit() {
    const symbol = this.#readSymbol();
    if ("reason" in symbol) return this.#refuse(this.#symbol, symbol.reason);
    const threshold = this.#readThreshold();
    if ("reason" in threshold) return this.#refuse(this.#threshold, threshold.reason);
    const webhook = this.#webhook.value.trim();
    const mail = this.#mail?.value.trim() ?? "";
    this.#options.onSubmit({
      ...this.#said(symbol.symbol, threshold.value),
      cooldown: Number(this.#cooldown.value),
      webhook: webhook === "" ? null : webhook,
      mail: mail === "" ? null : mail,
    });
  }

  /** @returns {{symbol: string} | {reason: string}} */
  #readSymbol() {
    const { symbols, invalid } = parseSymbols(this.#symbol.value);
    const [symbol] = symbols;
    if (invalid[0] !== undefined) return { reason: invalid[0].reason };
    if (symbol === undefined) return { reason: "Type a symbol, such as AAPL." };
    return symbols.length === 1 ? { symbol } : { reason: "Type one symbol." };
  }

  /** @returns {{value: number} | {reason: string}} */
  #readThreshold() {
    const isMove = this.#kind.value === "move";
    if (this.#threshold.value.trim() === "") return { reason: `Type a ${isMove ? "percentage" : "price"}.` };
    const read = readNumber(this.#threshold.value, { percent: isMove });
    if ("value" in read && !(read.value > 0)) return { reason: "Type a number above 0." };
    return read;
  }

  /**
   * @param {string} symbol
   * @param {number} threshold
   * @returns {Said}
   */
  #said(symbol, threshold) {
    const kind = /** @type {Kind} */ (this.#kind.value);
    return { symbol, kind, threshold, window: kind === "move" ? Number(this.#window.value) : null };
  }

  /** @param {boolean} typing more may come: what is only unfinished is no error yet */
  #preview(typing) {
    this.#paintKind();
    for (const field of [this.#symbol, this.#threshold]) setAttribute(field, "aria-invalid", null);
    const symbol = this.#readSymbol();
    const threshold = this.#readThreshold();
    const hasSymbol = this.#symbol.value.trim() !== "";
    const isUnfinishedYet = typing && "reason" in threshold && isUnfinished(this.#threshold.value);
    if (this.#threshold.value.trim() === "" || (isUnfinishedYet && /\D$/.test(this.#threshold.value))) {
      if (hasSymbol && "reason" in symbol) this.#wrong(this.#symbol, symbol.reason);
      else if ("symbol" in symbol && this.#options.isUnlisted(symbol.symbol)) this.say("warning", unlistedText(symbol.symbol));
      else this.say("none", "");
    } else if (isUnfinishedYet) {
      this.say("note", threshold.reason);
    } else if ("reason" in threshold) {
      this.#wrong(this.#threshold, threshold.reason);
    } else if ("symbol" in symbol) {
      const { kind, text } = this.#told(this.#said(symbol.symbol, threshold.value));
      this.say(kind, text);
    } else if (hasSymbol) {
      this.#wrong(this.#symbol, symbol.reason);
    } else {
      this.say("note", `${exact(threshold.value, this.#kind.value === "move" ? 0 : 2)}${this.#kind.value === "move" ? " %" : ""}. ${symbol.reason}`);
    }
  }

  /**
   * What will come of a rule, its number as it was understood.
   * @param {Said} rule
   * @returns {{kind: "note" | "warning", text: string}}
   */
  #told(rule) {
    const { symbol, kind, threshold } = rule;
    if (this.#options.isUnlisted(symbol)) return { kind: "warning", text: `${unlistedText(symbol)} You will be told when ${ruleText(rule)}, once one does.` };
    const at = this.#options.priceOf(symbol);
    if (at === null || kind === "move") return { kind: "note", text: `You will be told when ${ruleText(rule)}.` };
    const isThere = kind === "above" ? at >= threshold : at <= threshold;
    const now = `It is at ${price(at, decimalsOf(at))} now`;
    if (!isThere) return { kind: "note", text: `You will be told when ${ruleText(rule)}. ${now}.` };
    return { kind: "warning", text: `You will be told when ${ruleText(rule)}. ${now}: it has to go back first, and come again.` };
  }

  #paintKind() {
    const isMove = this.#kind.value === "move";
    must(this.#form, '[data-part="window"]', HTMLElement).hidden = !isMove;
    setText(must(this.#form, '[data-part="unit"]', HTMLElement), isMove ? "Percent" : "Price");
  }

  /**
   * @param {HTMLElement} field
   * @param {string} text
   */
  #wrong(field, text) {
    setAttribute(field, "aria-invalid", "true");
    this.say("error", text);
  }

  /**
   * @param {HTMLElement} field that is to be corrected
   * @param {string} text
   */
  #refuse(field, text) {
    this.#wrong(field, text);
    this.#options.announce(text);
    field.focus();
  }
}

/** @param {string} symbol */
function unlistedText(symbol) {
  return `No feed lists ${symbol}.`;
}
