/**
 * How old is what the screen shows? Staleness is the absence of messages, so the client works it out,
 * on the server's clock.
 */

/** @typedef {import("./protocol.js").Feed} Feed */
/** @typedef {"live" | "stale" | "frozen" | "loading"} RowState */

/** A row is stale when the last successful fetch is more intervals old than this. */
const STALE_AFTER_INTERVALS = 3;

/** A price older than this in a fresh fetch is frozen: a closed market is not a broken feed. */
const FROZEN_AFTER_MS = 60_000;

/** The feed's heartbeat: while nothing changes, `as_of` may be this old before it is told again. */
export const FEED_HEARTBEAT_MS = 5_000;

/** Until the server tells its fetch interval. */
const DEFAULT_INTERVAL_MS = 5_000;

/**
 * The difference between the server's clock and this machine's.
 */
export class ServerClock {
  #now;
  #offset = 0;

  /** @param {() => number} now ms since 1970 on this machine */
  constructor(now) {
    this.#now = now;
  }

  /** The server's time, ms since 1970. */
  now() {
    return this.#now() + this.#offset;
  }

  /**
   * One reading. Taken at once, so a clock that was set, or a machine that slept, is right again
   * with the next ping. A slow answer says little about the server's time and is left out.
   * @param {number} serverTime ms
   * @param {number | null} roundTrip ms from question to answer; null when nothing was asked
   */
  observe(serverTime, roundTrip) {
    if (roundTrip !== null && roundTrip > 2_000) return;
    this.#offset = serverTime + (roundTrip ?? 0) / 2 - this.#now();
  }
}

/**
 * What is known of the feed, as far as freshness needs it.
 * @typedef {object} FeedView
 * @property {number | null} asOf last successful fetch, ms on the server's clock
 * @property {number | null} interval fetch interval in seconds
 * @property {Feed} feed the server's own word
 * @property {boolean} connected whether messages can arrive at all
 */

/**
 * The age of `as_of` beyond which prices are stale, ms.
 *
 * Three fetch intervals, as the protocol says. But `as_of` travels with messages, and while prices
 * stand still the next may be a heartbeat away: with a 1 s interval every row would flicker to stale
 * between two heartbeats. So as long as the socket is open and the server calls its feed live, the
 * limit is never under a heartbeat and an interval. Once it says otherwise, the plain rule holds.
 * @param {FeedView} view
 * @returns {number}
 */
export function staleAfter(view) {
  const interval = view.interval === null ? DEFAULT_INTERVAL_MS : view.interval * 1000;
  const plain = STALE_AFTER_INTERVALS * interval;
  return view.connected && view.feed === "live" ? Math.max(plain, FEED_HEARTBEAT_MS + interval) : plain;
}

/**
 * @param {FeedView} view
 * @param {number} now the server's time, ms
 * @returns {boolean}
 */
export function isStale(view, now) {
  return view.asOf === null || now - view.asOf > staleAfter(view);
}

/**
 * @param {number | null} timestamp of the price; null when there is none yet
 * @param {boolean} stale of the feed as a whole
 * @param {number} now the server's time, ms
 * @returns {RowState}
 */
export function rowState(timestamp, stale, now) {
  if (timestamp === null) return "loading";
  if (stale) return "stale";
  return now - timestamp > FROZEN_AFTER_MS ? "frozen" : "live";
}

/**
 * The feed's state as shown: the server's word, unless the age of the data tells another story.
 * "live" over an hour-old price would be a lie even if the server said it.
 * @param {FeedView} view
 * @param {number} now the server's time, ms
 * @returns {Feed}
 */
export function feedState(view, now) {
  if (!view.connected) return "unknown";
  return view.feed === "live" && view.asOf !== null && isStale(view, now) ? "stale" : view.feed;
}
