/**
 * A part of the page that is fetched when somebody wants it. No DOM.
 */

/**
 * @template Part
 * @typedef {object} Options
 * @property {(failures: number) => Promise<Part>} load after so many times that it failed
 * @property {() => unknown} place where somebody is, as the element that has the focus
 * @property {(error: unknown) => void} onFailed somebody waits for it in vain
 */

/** @template Part */
export class Later {
  #options;
  /** @type {Part | null} */
  #part = null;
  /** @type {Promise<Part> | null} */
  #coming = null;
  #failures = 0;
  /** Goes up with each time that it is wanted. */
  #turn = 0;

  /** @param {Options<Part>} options */
  constructor(options) {
    this.#options = options;
  }

  /** Fetches it, as somebody may want it soon. That it fails is told to who does. */
  prepare() {
    this.#fetch().catch(() => {});
  }

  /**
   * At once if it is here. What came to it while it was fetched is not done, if somebody has gone on to another
   * place meanwhile: nobody expects a dialog there.
   * @param {(part: Part) => void} act
   */
  async use(act) {
    const turn = ++this.#turn;
    if (this.#part !== null) return act(this.#part);
    const place = this.#options.place();
    try {
      await this.#fetch();
    } catch (error) {
      if (turn === this.#turn) this.#options.onFailed(error);
      return;
    }
    if (this.#part !== null && turn === this.#turn && place === this.#options.place()) act(this.#part);
  }

  /** @returns {Promise<Part>} */
  #fetch() {
    this.#coming ??= this.#options.load(this.#failures).then(
      (part) => (this.#part = part),
      (error) => {
        this.#failures += 1;
        this.#coming = null;
        throw error;
      },
    );
    return this.#coming;
  }
}
