/**
 * The symbol's newest price above its chart, with its change and its age.
 */
import { change, directionOfDay, since } from "../basis.js";
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { price, signed } from "../format.js";
import { labels } from "../labels.js";
import { DayFigures } from "./day.js";

/** @typedef {import("../store.js").Entry} Entry */
/** @typedef {import("../standing.js").Standing} Standing */

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
  #day = new DayFigures();
  #signIcon = must(this.#sign, "use", SVGUseElement);

  /**
   * @param {Readonly<Entry>} entry
   * @param {Standing} standing
   * @param {number} decimals as in the rest of the page
   */
  paint({ quote }, { state, icon, text, note, title }, decimals) {
    this.#element.dataset.state = state;
    this.#sign.dataset.state = state;
    setIcon(this.#signIcon, icon);
    setAttribute(this.#sign, "title", title);
    setText(this.#age, text);
    if (quote === null) return;
    setText(this.#price, price(quote.price, decimals));
    this.#day.paint(quote, decimals);
    setText(this.#meta, [...labels(quote), quote.currency, note].filter((word) => word).join(" · "));
    const day = change(quote);
    const direction = directionOfDay({ quote, decimals });
    this.#change.dataset.direction = direction;
    setIcon(this.#arrow, direction);
    setText(this.#absolute, day === null ? "–" : signed(day.absolute, decimals));
    setText(this.#percent, day === null ? "" : `${signed(day.percent, 2)}\u00a0% ${since(quote)}`);
  }

  /** @param {string} name */
  #part(name) {
    return must(this.#element, `[data-part="${name}"]`, HTMLElement);
  }
}
