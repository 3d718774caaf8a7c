/**
 * The recent course of a price: what history tells of its day, and what this page has seen. No DOM and no I/O.
 *
 * The day is the last price of every ten minutes, and the newest one is the last of them so far. What comes
 * after the server told it goes on in it, so it is asked for once. Until there are a few of these, or where
 * there is no history, the course is that of the prices that came since the page was opened.
 */

/** Points of what a page has seen. */
export const TREND_POINTS = 90;

/** These are at least this far apart: newer prices inside it move the last point. Under the jitter of the
 * fastest usual fetch, so that each of those is a point. */
const SPACING_MS = 400;

/** With fewer prices, the last ten minutes tell more than the day. */
const LEAST_OF_DAY = 3;

/**
 * The day of a symbol as history tells it. All are ms.
 * @typedef {object} Told
 * @property {string} zone the IANA zone whose midnight begins it
 * @property {number} to when it ends
 * @property {number} step how long each of the stretches is
 * @property {number} first when the first of them begins; NaN where there is none
 * @property {number[]} closes their last prices; NaN where there was none
 */

/**
 * @typedef {object} Course
 * @property {readonly number[]} values oldest first, as far apart in time; NaN where there was no price
 * @property {{zone: string, at: number} | {ago: number} | null} since when it begins: the time of day, or how many ms ago
 */

export class Trend {
  /** What this page has seen. @type {number[]} */
  values = [];
  /** Goes up with every change. */
  revision = 0;
  /** When each of the values was begun, ms of the page's clock. @type {number[]} */
  #times = [];
  /** @type {Told | null} */
  #day = null;
  /** How many prices the day has. */
  #told = 0;

  /** Whether history has told the day that the newest price belongs to. */
  get hasDay() {
    return this.#day !== null;
  }

  /**
   * A price came.
   * @param {number} value
   * @param {number} now ms, of the page's clock
   * @param {number} at its own time, ms
   */
  add(value, now, at) {
    this.see(value, now);
    this.#move(value, at);
  }

  /**
   * What was the price some time ago, and moves no day.
   * @param {number} value
   * @param {number} now ms, of the page's clock
   */
  see(value, now) {
    const { values } = this;
    this.revision += 1;
    if (now - (this.#times.at(-1) ?? -Infinity) < SPACING_MS) {
      values[values.length - 1] = value;
      return;
    }
    values.push(value);
    this.#times.push(now);
    if (values.length > TREND_POINTS) {
      values.shift();
      this.#times.shift();
    }
  }

  /**
   * History tells the day. What came after it was read stays.
   * @param {Told} told
   * @param {number} value the newest price
   * @param {number} at its own time, ms
   */
  tell(told, value, at) {
    const before = this.#day;
    this.#day = { ...told, closes: [...told.closes] };
    this.#told = told.closes.filter((close) => !Number.isNaN(close)).length;
    if (before !== null && before.to === told.to && before.step === told.step) {
      for (const [index, close] of before.closes.entries()) {
        const begin = before.first + index * before.step;
        if (!Number.isNaN(close) && begin > this.#lastBegin) this.#move(close, begin);
      }
    }
    this.#move(value, at);
    this.revision += 1;
  }

  /**
   * @param {number} now ms, of the page's clock
   * @returns {Course}
   */
  course(now) {
    if (this.#day !== null && this.#told >= LEAST_OF_DAY) return { values: this.#day.closes, since: { zone: this.#day.zone, at: this.#day.first } };
    const first = this.#times[0];
    return { values: this.values, since: first === undefined ? null : { ago: now - first } };
  }

  /** By what it has risen: the last price by the first; null where there is none. */
  get rise() {
    const { values } = this.course(0);
    const [first] = values;
    return first === undefined ? null : /** @type {number} */ (values.at(-1)) / first;
  }

  /** When the last stretch begins, ms; NaN where there is none. */
  get #lastBegin() {
    return this.#day === null ? NaN : this.#day.first + (this.#day.closes.length - 1) * this.#day.step;
  }

  /**
   * @param {number} value
   * @param {number} at ms
   */
  #move(value, at) {
    const day = this.#day;
    if (day === null) return;
    if (at >= day.to) {
      // Another day, of which history has to tell the begin.
      this.#day = null;
      return;
    }
    const begin = at - (at % day.step);
    if (day.closes.length === 0) {
      day.first = begin;
    } else {
      // One from before the last stretch is told late, and is the newest price all the same.
      const missing = (begin - this.#lastBegin) / day.step - 1;
      if (missing < 0) {
        day.closes[day.closes.length - 1] = value;
        return;
      }
      for (let index = 0; index < missing; index += 1) day.closes.push(NaN);
    }
    day.closes.push(value);
    this.#told += 1;
  }
}
