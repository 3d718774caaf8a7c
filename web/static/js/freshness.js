/**
 * How old is what the screen shows? The server says of each symbol whether its last fetch told it. What
 * only the page can know is here: that no message came, that nobody knows whether one can come, and
 * that a price has not moved.
 *
 * Every time and every age here is of this page's monotonic clock: no clock that somebody sets counts.
 */

/** @typedef {import("./protocol.js").Feed} Feed */
/** @typedef {import("./store.js").HeldQuote} HeldQuote */
/** @typedef {"loading" | "stale" | "halted" | "closed" | "frozen" | "live"} RowState */
/** Why a row is stale: the server's word for its symbol, the page's doubt, or the feed as a whole.
 * @typedef {"symbol" | "connection" | "feed"} Cause */

/** A row is stale when the last successful fetch is more intervals old than this. */
const STALE_AFTER_INTERVALS = 3;

/** A price that has not changed for longer in an open session is frozen: a quiet market is not a broken feed. */
export const FROZEN_AFTER_MS = 60_000;

/** The feed's heartbeat: while nothing changes, the last fetch may be told this late. */
export const FEED_HEARTBEAT_MS = 5_000;

/** A connection that may be dead gets this long to answer before nothing is live any more. */
export const DOUBT_MS = 1_000;

/** Until the server tells its fetch interval. */
const DEFAULT_INTERVAL_MS = 5_000;

/**
 * The server's time of day. For showing times of day alone; no age is worked out from it.
 */
export class ServerClock {
  #now;
  #offset;

  /**
   * @param {() => number} now ms, monotonic
   * @param {number} guess the time of day until the server tells it, ms since 1970
   */
  constructor(now, guess) {
    this.#now = now;
    this.#offset = guess - now();
  }

  /** The server's time, ms since 1970. */
  now() {
    return this.#now() + this.#offset;
  }

  /**
   * One reading. Taken at once, so that after a sleep of this machine, or a step of the server's clock,
   * it is right again with the next ping. A slow answer says little about the time and is left out.
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
 * @property {number | null} fetchedAt last successful fetch, ms
 * @property {number | null} interval fetch interval in seconds
 * @property {Feed} feed the server's own word
 * @property {boolean} partly it is of a part of the sources: another one is live, and `fetchedAt` is of those that are
 * @property {boolean} connected whether messages can arrive at all
 * @property {number | null} doubtedSince since when nobody knows whether they can, ms; null without a doubt
 */

/**
 * The age of the last fetch beyond which prices are stale, ms.
 *
 * Three fetch intervals, as the protocol says. But fetches are told with messages, and while prices
 * stand still the next may be a heartbeat away: with a 1 s interval every row would flicker to stale
 * between two heartbeats. So as long as the socket is open and the server calls its feed live, the
 * limit is never under a heartbeat and an interval. Once it says otherwise, the plain rule holds; where it
 * says so of a part of the sources, it says which symbols are theirs, and the others go on as before.
 * @param {FeedView} view
 * @returns {number}
 */
export function staleAfter(view) {
  const interval = view.interval === null ? DEFAULT_INTERVAL_MS : view.interval * 1000;
  const plain = STALE_AFTER_INTERVALS * interval;
  return view.connected && (view.feed === "live" || view.partly) ? Math.max(plain, FEED_HEARTBEAT_MS + interval) : plain;
}

/**
 * @param {FeedView} view
 * @param {number} now ms
 * @returns {boolean} whether there is no word for so long that it may never come
 */
export function isDoubted({ doubtedSince }, now) {
  return doubtedSince !== null && now - doubtedSince > DOUBT_MS;
}

/**
 * @param {FeedView} view
 * @param {number} now ms
 * @returns {boolean} whether no price at all is live
 */
export function isStale(view, now) {
  return view.fetchedAt === null || now - view.fetchedAt > staleAfter(view) || isDoubted(view, now);
}

/**
 * @param {HeldQuote | null} quote null when there is no price yet
 * @param {FeedView} view
 * @param {number} now ms
 * @returns {{state: RowState, cause: Cause | null}} cause only of a stale one
 */
export function rowState(quote, view, now) {
  if (quote === null) return { state: "loading", cause: null };
  // What the provider says of this symbol stays said while the feed is away.
  if (quote.state === "stale") return { state: "stale", cause: "symbol" };
  if (isStale(view, now)) return { state: "stale", cause: !view.connected || isDoubted(view, now) ? "connection" : "feed" };
  if (quote.session === "halted" || quote.session === "closed") return { state: quote.session, cause: null };
  return { state: now - quote.changedAt > FROZEN_AFTER_MS ? "frozen" : "live", cause: null };
}

/**
 * The feed's state as shown: the server's word, unless the age of the data tells another story.
 * "live" over an hour-old price would be a lie even if the server said it.
 * @param {FeedView} view
 * @param {number} now ms
 * @returns {Feed}
 */
export function feedState(view, now) {
  if (!view.connected || isDoubted(view, now)) return "unknown";
  return view.feed === "live" && view.fetchedAt !== null && isStale(view, now) ? "stale" : view.feed;
}
