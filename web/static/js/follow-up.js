/**
 * When to ask again for what ends by itself without a word: soon, and then less and less often while it
 * lasts. What begins later is asked for as soon, however long the others have lasted. No DOM and no I/O.
 */

/** @typedef {import("./connection.js").Clock} Clock */

export const SOON_MS = 2_000;
export const LONGEST_MS = 30_000;

/**
 * @typedef {object} Options
 * @property {Clock} clock
 * @property {() => Promise<void>} look asks; what it finds is told by `changed`
 * @property {() => boolean} isWanted whether anything lasts
 */

export class FollowUp {
  #options;
  /** @type {unknown} */
  #timer;
  #dueAt = Infinity;
  #ms = SOON_MS;
  #looking = false;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /** Something may last now, or nothing any more. */
  changed() {
    if (this.#looking) return;
    if (!this.#options.isWanted()) this.#stop();
    else if (this.#dueAt === Infinity) this.#wait();
  }

  /** Something has begun just now. */
  begun() {
    this.#ms = SOON_MS;
    if (this.#dueAt - this.#options.clock.now() > SOON_MS) this.#forget();
    this.changed();
  }

  #wait() {
    const { clock } = this.#options;
    this.#dueAt = clock.now() + this.#ms;
    this.#timer = clock.setTimeout(() => void this.#look(), this.#ms);
  }

  async #look() {
    this.#forget();
    this.#ms = Math.min(this.#ms * 1.5, LONGEST_MS);
    this.#looking = true;
    await this.#options.look();
    this.#looking = false;
    this.changed();
  }

  #stop() {
    this.#forget();
    this.#ms = SOON_MS;
  }

  #forget() {
    this.#options.clock.clearTimeout(this.#timer);
    this.#dueAt = Infinity;
  }
}
