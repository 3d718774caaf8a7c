/**
 * Whether the server still answers, and what time it has there. By the page's monotonic clock, which
 * nobody sets. Knows no DOM.
 */

/** Three polls without an answer: what the page shows is not known to hold any more. */
export const LOST_MS = 3_000;

export class Contact {
  #clock;
  #heardAt;
  #askingSince;
  #told = 0;

  /** @param {() => number} clock monotonic, ms */
  constructor(clock) {
    this.#clock = clock;
    this.#heardAt = clock();
    this.#askingSince = this.#heardAt;
  }

  /** @param {number} told the server's time in its answer, ms since 1970 */
  heard(told) {
    this.#told = told;
    this.#heardAt = this.#clock();
  }

  /** The page is in sight again; while it was hidden it asked for nothing. */
  resume() {
    this.#askingSince = this.#clock();
  }

  /** Whether it was asked for so long without an answer. */
  get lost() {
    return this.#clock() - Math.max(this.#heardAt, this.#askingSince) > LOST_MS;
  }

  /** The server's time now, ms since 1970; while it does not answer, that of its last answer. */
  get now() {
    return this.lost ? this.#told : this.#told + this.#clock() - this.#heardAt;
  }

  /**
   * @param {number} at a time of the server, ms since 1970
   * @returns {number} the same by the page's clock
   */
  toPage(at) {
    return this.#heardAt + at - this.#told;
  }
}
