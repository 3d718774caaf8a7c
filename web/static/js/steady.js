/**
 * The server's monotonic clock, read on this page's monotonic clock. Each frame says when it was made
 * (`steady`); from that and from when it came follows what any other time of that clock is here.
 *
 *     server  ──made at 5,000──┐
 *     page                     └─▶ came at 91,040: their difference is 86,040, latency included
 *
 * The frame that travelled fastest tells the difference best. One that waited in a socket for ten
 * seconds has one that is ten seconds greater, so its prices are seen to be old when they come.
 *
 * What all frames waited for cannot be seen in them. The round trip of a ping bounds it: no frame
 * waits for longer. Ages take the whole of it, so they are never too young.
 */

/**
 * Two clocks drift apart, and a path may become longer for good: a least value is forgotten at this
 * rate, ms per ms. Ten times what two bad quartzes differ by.
 */
const FORGOTTEN = 0.001;

/** A page's clock that stood still for less than this has done no harm. */
const STOOD_STILL_MS = 1_000;

/** The least of the values seen, as long as it was seen lately. */
class Least {
  #value = Infinity;
  #seenAt = 0;

  /** @param {number} now */
  at(now) {
    return this.#value + Math.max(0, now - this.#seenAt) * FORGOTTEN;
  }

  /**
   * @param {number} value
   * @param {number} now
   */
  see(value, now) {
    if (value > this.at(now)) return;
    this.#value = value;
    this.#seenAt = now;
  }
}

export class SteadyClock {
  #difference = new Least();
  #roundTrip = new Least();
  /** When the first ping was sent, until one is answered. @type {number | null} */
  #askedAt = null;

  /**
   * A connection is open: what is known of the clock at its other end is nothing, for it may be
   * another process.
   * @param {number} now ms
   */
  begin(now) {
    this.#difference = new Least();
    this.#roundTrip = new Least();
    this.#askedAt = now;
  }

  /**
   * A frame came.
   * @param {number} steady when it was made, ms of the server's clock
   * @param {number} now when it came, ms
   * @returns {number} by how much the page's clock stood still before, ms: a machine that slept, in most
   *   browsers. Times that were kept are too young by that. 0 when it did not.
   */
  observe(steady, now) {
    const before = this.#difference.at(now);
    const difference = now - steady;
    this.#difference.see(difference, now);
    return Number.isFinite(before) && before - difference > STOOD_STILL_MS ? before - difference : 0;
  }

  /**
   * A ping was answered.
   * @param {number} roundTrip ms
   * @param {number} now ms
   */
  answered(roundTrip, now) {
    this.#roundTrip.see(roundTrip, now);
    this.#askedAt = null;
  }

  /**
   * @param {number} steady ms of the server's clock, of this connection
   * @param {number} now ms
   * @returns {number} the same moment on this page's clock, at the earliest it can have been; ms
   */
  here(steady, now) {
    const waited = this.#askedAt === null ? this.#roundTrip.at(now) : now - this.#askedAt;
    return steady + this.#difference.at(now) - waited;
  }
}
