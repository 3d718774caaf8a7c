/**
 * The one live region. Prices never go through it: a region that chatters is worse than silence.
 */

/** What happens together is read together. */
const GATHER_MS = 150;

export class Announcer {
  #region;
  /** @type {string[]} */
  #gathered = [];
  /** Told apart from the last text, so that the same words are read again. */
  #odd = false;

  /** @param {HTMLElement} region with `aria-live="polite"` */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text one sentence */
  say(text) {
    if (this.#gathered.length === 0) setTimeout(() => this.#speak(), GATHER_MS);
    this.#gathered.push(text);
  }

  #speak() {
    this.#odd = !this.#odd;
    this.#region.textContent = this.#gathered.join(" ") + (this.#odd ? "" : "\u00a0");
    this.#gathered = [];
  }
}
