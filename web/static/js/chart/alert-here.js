/**
 * Alerts from the chart: the form for a rule, at a price of the picture, and the rules of the symbol that
 * there are.
 */
import { readRule, ruleText } from "../alert-feed.js";
import { AlertForm } from "../alert-form.js";
import { must, setText } from "../dom.js";
import { price } from "../format.js";
import { ask, itemsIn } from "../rows-api.js";
import { makeRule } from "../rule-maker.js";

/** @typedef {import("../alert-feed.js").Rule} Rule */

/**
 * @typedef {object} Options
 * @property {string} symbol
 * @property {() => number | null} newest the last price that is known
 * @property {() => number} decimals of prices
 * @property {() => boolean} isUnlisted whether no feed lists the symbol, as far as is known
 * @property {(text: string) => void} announce
 * @property {() => void} onMade a rule was made here
 * @property {() => void} onRules other rules are there
 */

export class AlertHere {
  #options;
  #dialog = must(document, "#alert-dialog", HTMLDialogElement);
  #line = must(document, "#chart-rules", HTMLElement);
  #form;
  /** @type {readonly Rule[]} */
  #rules = [];

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { symbol, newest, isUnlisted, announce } = options;
    this.#form = new AlertForm({
      onSubmit: (wanted) => void this.#make(wanted),
      announce,
      priceOf: (other) => (other === symbol ? newest() : null),
      isUnlisted: (other) => other === symbol && isUnlisted(),
    });
    must(document, "#alert-open", HTMLButtonElement).addEventListener("click", () => this.open(null));
  }

  /** Prices at which there is a rule. */
  get thresholds() {
    return this.#rules.flatMap(({ kind, threshold }) => (kind === "move" ? [] : [threshold]));
  }

  /** @param {number | null} at a price; null for the newest */
  open(at) {
    if (this.#dialog.open) return;
    const { symbol, newest, decimals } = this.#options;
    const now = newest();
    const threshold = at ?? now;
    this.#form.say("none", "");
    this.#fill("#alert-symbol", symbol);
    must(this.#dialog, "#alert-kind", HTMLSelectElement).value = threshold !== null && now !== null && threshold < now ? "below" : "above";
    this.#dialog.showModal();
    const field = this.#fill("#alert-threshold", threshold === null ? "" : price(threshold, decimals()));
    field.focus();
    field.select();
  }

  /** To be called when there is a connection, and when another window has changed them. */
  async read() {
    const answer = await ask(fetch, "GET", "alerts/rules");
    if (answer.ok) {
      const rules = itemsIn(answer.body, "rules").map(readRule);
      this.#put(rules.filter((rule) => rule !== null).filter((rule) => rule.symbol === this.#options.symbol));
    }
    return answer;
  }

  /** @param {import("../alert-form.js").Wanted} wanted */
  async #make(wanted) {
    const made = await makeRule(wanted, this.#form);
    if (made === null) return;
    const { rule, more } = made;
    // Not as if it were typed: what was said of the rule stays.
    this.#form.made(rule, more);
    must(this.#dialog, "#alert-symbol", HTMLInputElement).value = this.#options.symbol;
    if (rule.symbol === this.#options.symbol) this.#put([...this.#rules, rule]);
    this.#options.onMade();
  }

  /** @param {readonly Rule[]} rules */
  #put(rules) {
    this.#rules = rules;
    this.#line.hidden = rules.length === 0;
    setText(this.#line, `${rules.length === 1 ? "Alert" : "Alerts"}: ${rules.map(ruleText).join(", ")}.`);
    this.#options.onRules();
  }

  /**
   * As if it were typed.
   * @param {string} selector
   * @param {string} text
   * @returns {HTMLInputElement}
   */
  #fill(selector, text) {
    const field = must(this.#dialog, selector, HTMLInputElement);
    field.value = text;
    field.dispatchEvent(new Event("input"));
    return field;
  }
}
