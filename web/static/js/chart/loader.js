/**
 * Asks for something until it is there, and again when it may have changed: one request at a time, with
 * a limit, and with back-off while the server cannot answer.
 */

/** @typedef {import("../connection.js").Clock} Clock */
/**
 * @template T
 * @typedef {import("./api.js").Answer<T>} Answer
 */

/** @typedef {{name: "idle"}} Idle */
/** @typedef {{name: "loading"}} Loading nothing is known yet */
/** @typedef {{name: "ready"}} Ready */
/** @typedef {{name: "unavailable", reason: string, retryAt: number}} Unavailable retryAt in ms of the clock */
/** @typedef {{name: "refused", reason: string, retryAt: number}} Refused the question itself; asked again all the same, since what is wrong with it may pass */
/** @typedef {Idle | Loading | Ready | Unavailable | Refused} LoaderState */

/**
 * @template T
 * @typedef {object} Options
 * @property {(whole: boolean, signal: AbortSignal) => Promise<Answer<T>>} ask whole: not only what is newest
 * @property {(value: T) => void} onValue
 * @property {(state: LoaderState) => void} onState
 * @property {Clock} clock
 * @property {() => number} random in [0, 1)
 */

export const ANSWER_TIMEOUT_MS = 10_000;
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;

/** What was refused is asked again after this: a server may be changed while a page stays open. */
export const REFUSED_RETRY_MS = 30_000;

/** @template T */
export class Loader {
  #options;
  /** @type {LoaderState} */
  #state = { name: "idle" };
  /** The request that counts. @type {AbortController | null} */
  #asking = null;
  /** Refreshing was asked for while a request was under way. */
  #again = false;
  #failures = 0;
  #whole = true;
  /** @type {unknown} */
  #timer = null;
  /** A later refresh. @type {unknown} */
  #refreshing = null;

  /** @param {Options<T>} options */
  constructor(options) {
    this.#options = options;
  }

  get state() {
    return this.#state;
  }

  /** From the beginning: whatever was asked before does not count any more. */
  load() {
    this.stop();
    this.#enter({ name: "loading" });
    this.#ask();
  }

  /**
   * What is newest may have changed.
   * @param {boolean} [whole] all of it may have
   */
  refresh(whole = false) {
    if (this.#state.name === "idle") return;
    if (whole) this.#whole = true;
    if (this.#asking !== null) this.#again = true;
    else if (this.#state.name === "ready" || (whole && this.#state.name === "refused")) this.#ask();
    // Else the next try is set already.
  }

  /**
   * The same after a while; once, however often it is asked for until then.
   * @param {number} ms
   * @param {boolean} [whole] all of it may have changed by then
   */
  refreshIn(ms, whole = false) {
    if (whole) this.#whole = true;
    if (this.#refreshing !== null) return;
    this.#refreshing = this.#options.clock.setTimeout(() => {
      this.#refreshing = null;
      this.refresh();
    }, ms);
  }

  /** Somebody does not want to wait. */
  retryNow() {
    const waits = this.#state.name === "unavailable" || this.#state.name === "refused";
    if (waits && this.#asking === null) this.#ask();
  }

  stop() {
    this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#options.clock.clearTimeout(this.#refreshing);
    this.#refreshing = null;
    this.#asking?.abort();
    this.#asking = null;
    this.#again = false;
    this.#failures = 0;
    this.#whole = true;
    this.#state = { name: "idle" };
  }

  #ask() {
    const { clock, ask } = this.#options;
    const asking = new AbortController();
    this.#asking = asking;
    const whole = this.#whole;
    this.#whole = false;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => asking.abort(), ANSWER_TIMEOUT_MS);
    ask(whole, asking.signal).then((answer) => {
      if (this.#asking !== asking) return;
      if (!answer.ok) this.#whole ||= whole;
      this.#answered(answer);
    });
  }

  /** @param {Answer<T>} answer */
  #answered(answer) {
    const { clock, onValue } = this.#options;
    clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#asking = null;
    if (answer.ok) {
      this.#failures = 0;
      onValue(answer.value);
      this.#enter({ name: "ready" });
      if (this.#again) {
        this.#again = false;
        this.#ask();
      }
    } else {
      this.#again = false;
      const delay = answer.temporary ? (answer.retryAfter ?? this.#backoff()) : REFUSED_RETRY_MS;
      this.#timer = clock.setTimeout(() => this.#ask(), delay);
      this.#enter({ name: answer.temporary ? "unavailable" : "refused", reason: answer.reason, retryAt: clock.now() + delay });
    }
  }

  /** @returns {number} ms, half of it by chance: all who watch lost the same database at once */
  #backoff() {
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(10, this.#failures));
    this.#failures += 1;
    return ceiling / 2 + (this.#options.random() * ceiling) / 2;
  }

  /** @param {LoaderState} state */
  #enter(state) {
    this.#state = state;
    this.#options.onState(state);
  }
}
