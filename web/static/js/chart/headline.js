/**
 * The symbol's newest price above its chart, with its change and its age.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { directionOf, price, signed } from "../format.js";
import { STATES, ageText } from "../row.js";
import { change } from "../store.js";

/** @typedef {import("../store.js").Entry} Entry */
/** @typedef {import("../freshness.js").RowState} RowState */

export class Headline {
  #element = must(document, "#headline", HTMLElement);
  #price = this.#part("price");
  #absolute = this.#part("absolute");
  #percent = this.#part("percent");
  #age = this.#part("age");
  #meta = this.#part("meta");
  #change = must(this.#element, ".chart-change", HTMLElement);
  #arrow = must(this.#change, "use", SVGUseElement);
  #sign = must(this.#element, ".chart-age", HTMLElement);
  #signIcon = must(this.#sign, "use", SVGUseElement);

  /**
   * @param {Readonly<Entry>} entry
   * @param {RowState} state
   * @param {number} now the server's time, ms
   */
  paint({ quote, decimals, rejected }, state, now) {
    this.#element.dataset.state = state;
    this.#sign.dataset.state = state;
    setIcon(this.#signIcon, rejected !== null ? "cross" : STATES[state].icon);
    setAttribute(this.#sign, "title", rejected ?? STATES[state].title);
    setText(this.#age, rejected !== null ? "Not served" : ageText(state, quote === null ? 0 : now - quote.timestamp));
    if (quote === null) return;
    setText(this.#price, price(quote.price, decimals));
    setText(this.#meta, [quote.exchange, quote.currency, quote.delayed ? "delayed" : null].filter((word) => word !== null).join(" · "));
    const since = change(quote);
    const direction = since === null ? "flat" : directionOf(since.absolute, decimals);
    this.#change.dataset.direction = direction;
    setIcon(this.#arrow, direction);
    setText(this.#absolute, since === null ? "–" : signed(since.absolute, decimals));
    setText(this.#percent, since === null ? "" : `${signed(since.percent, 2)}\u00a0% since open`);
  }

  /** @param {string} name */
  #part(name) {
    return must(this.#element, `[data-part="${name}"]`, HTMLElement);
  }
}
