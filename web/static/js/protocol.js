/**
 * The WebSocket protocol, version 1, as the dashboard speaks it.
 *
 * Times of day are ISO 8601 on the wire and milliseconds since 1970 here; times that ages are worked out
 * from are milliseconds of the server's monotonic clock. What the server sends is checked item by item:
 * a malformed price is dropped and named, the good ones beside it count.
 */
import { readAlert } from "./alert-feed.js";
import { isSymbol } from "./symbols.js";

export const PROTOCOL_VERSION = 1;

/** @typedef {import("./versions.js").Version} Version */
/** @typedef {"live" | "stale" | "down" | "unknown"} Feed */
/** @typedef {"closed" | "open" | "half_open" | "unknown"} Circuit */
/** @typedef {string | number | null} Id */

/** @typedef {"live" | "stale"} Confirmation whether the last fetch told a symbol */
/** @typedef {"previous_close" | "open" | "day_first" | "first_seen"} Basis */
/** @typedef {"pre" | "regular" | "post" | "closed" | "halted" | "always"} Session */

/**
 * What the server says of a symbol's confirmation.
 * @typedef {object} Told
 * @property {Confirmation | null} state null: as it was
 * @property {string | null} reason a code, of a stale one
 * @property {number | null} confirmed when a fetch told it last, ms of the server's monotonic clock; null: the
 *   feed's last one did
 */

/**
 * @typedef {object} Price
 * @property {string} symbol
 * @property {number} price
 * @property {number} timestamp the provider's time of the price, ms
 * @property {Version} version
 */

/**
 * What the provider tells of the day; null where it tells none.
 * @typedef {object} Day
 * @property {number | null} high
 * @property {number | null} low
 * @property {number | null} open
 * @property {number | null} volume
 * @property {boolean} rolling of the last 24 hours, and of no exchange's day: `open` is the price of 24 hours ago
 * @property {number | null} at time of the price that it was told with, where that is an earlier one, ms
 */

/**
 * What is bid and asked beside a price; null where nobody does, or it is not known.
 * @typedef {object} Top
 * @property {number | null} bid
 * @property {number | null} ask
 * @property {number | null} quotedAt when they were told, where that is not the time of the price, ms
 */

/** @typedef {Price & Told & Top & {day: Day | null}} PriceUpdate day null: as it was */

/**
 * @typedef {object} StaticFields
 * @property {number | null} open
 * @property {number | null} previous
 * @property {number | null} base what the change of the day is against
 * @property {Basis | null} basis what `base` is
 * @property {number | null} previousClose as the provider says
 * @property {number | null} baseAt time of day of `base`, ms
 * @property {string | null} dayZone the IANA zone whose midnight begins the symbol's day
 * @property {string | null} exchange
 * @property {string | null} currency
 * @property {string | null} name
 * @property {string | null} source the name of the upstream that told it
 * @property {Session | null} session
 * @property {boolean} delayed
 * @property {number | null} delayedSeconds
 */

/** @typedef {PriceUpdate & StaticFields & {changed: number | null}} Quote changed: when the price last did, ms of
 * the server's monotonic clock */

/**
 * When a frame was made and when the feed was last fetched, ms of the server's monotonic clock. They
 * mean something within one connection only.
 * @typedef {{steady: number | null, fetched: number | null}} Head
 */

/** @typedef {{symbol: string, code: string, reason: string}} Rejection */

/** @typedef {{type: "welcome", protocol: number, session: string, serverTime: number | null, steady: number | null, heartbeat: number, nodes: string[]}} Welcome nodes: addresses of the others of a cluster */
/** @typedef {{type: "subscriptions", symbols: string[], rejected: Rejection[], id: Id}} Subscriptions */
/** Symbols that have no price and get none, since their provider says so; `served` are those of which that is over.
 * @typedef {{type: "not_served", symbols: Rejection[], served: string[]}} NotServed */
/** @typedef {{type: "snapshot", quotes: Quote[]} & Head} Snapshot */
/** @typedef {{type: "prices", prices: PriceUpdate[]} & Head} Prices */
/**
 * `interval` is the current fetch interval in seconds; null when the server does not say. `probeIn` are
 * the ms from the making of this message to the next probe; null when none is planned. `partly` says that
 * `feed` is the state of a part of the sources, and that another one is live.
 * @typedef {{type: "status", feed: Feed, partly: boolean, circuit: Circuit, probeIn: number | null, reason: string | null, interval: number | null} & Head} Status
 */
/** @typedef {{type: "pong", id: Id, serverTime: number | null}} Pong */
/** @typedef {{type: "error", code: string, reason: string, temporary: boolean, id: Id}} ServerError */
/** @typedef {{type: "going_away", reconnectAfter: number, nodes: string[]}} GoingAway seconds; nodes as in Welcome */
/** @typedef {{type: "expiring", seconds: number}} Expiring so long the login lasts still, unless it is used */
/** @typedef {{type: "alerts_changed"}} AlertsChanged */
/** @typedef {{type: "alert", alert: import("./alert-feed.js").Alert}} AlertFired */
/** @typedef {Welcome | Subscriptions | NotServed | Snapshot | Prices | Status | Pong | ServerError | AlertFired | AlertsChanged | GoingAway | Expiring} ServerMessage */

/** @typedef {{action: "subscribe", symbols: string[], id: Id}} Subscribe */
/** @typedef {{action: "unsubscribe", symbols: string[], id: Id}} Unsubscribe */
/** @typedef {{action: "ping", id: Id}} Ping */
/** @typedef {Subscribe | Unsubscribe | Ping} ClientMessage */

/**
 * `message` is null when nothing usable was in the text; `faults` says what was dropped.
 * @typedef {{message: ServerMessage | null, faults: string[]}} Decoded
 */

/** @typedef {Record<string, unknown>} Fields */

const CONFIRMATIONS = /** @type {const} */ (["live", "stale"]);
const BASES = /** @type {const} */ (["previous_close", "open", "day_first", "first_seen"]);
const SESSIONS = /** @type {const} */ (["pre", "regular", "post", "closed", "halted", "always"]);

/**
 * @param {ClientMessage} message
 * @returns {string}
 */
export function encode(message) {
  return JSON.stringify(message);
}

/**
 * A message of an unknown type is no fault: a newer server may send one.
 * @param {unknown} data
 * @returns {Decoded}
 */
export function decode(data) {
  if (typeof data !== "string") return { message: null, faults: ["a binary message"] };
  /** @type {unknown} */
  let parsed;
  try {
    parsed = JSON.parse(data);
  } catch {
    return { message: null, faults: [`not JSON: ${data.slice(0, 40)}`] };
  }
  if (!isFields(parsed)) return { message: null, faults: ["not an object"] };
  /** @type {string[]} */
  const faults = [];
  return { message: read(parsed, faults), faults };
}

/**
 * @param {Fields} m
 * @param {string[]} faults
 * @returns {ServerMessage | null}
 */
function read(m, faults) {
  switch (m.type) {
    case "welcome":
      return {
        type: "welcome",
        protocol: numberOr(m.protocol, PROTOCOL_VERSION),
        session: textOr(m.session, ""),
        serverTime: timeOrNull(m.server_time),
        steady: steadyOrNull(m.steady),
        heartbeat: positiveOr(m.heartbeat, 25),
        nodes: listOf(m.nodes ?? [], "nodes", faults, (s) => (typeof s === "string" ? s : null)),
      };
    case "subscriptions":
      return {
        type: "subscriptions",
        symbols: listOf(m.symbols, "symbols", faults, (s) => (typeof s === "string" ? s : null)),
        rejected: listOf(m.rejected ?? [], "rejected", faults, readRejection),
        id: idOrNull(m.id),
      };
    case "not_served":
      return {
        type: "not_served",
        symbols: listOf(m.symbols, "symbols", faults, readRejection),
        served: listOf(m.served ?? [], "served", faults, (s) => (typeof s === "string" ? s : null)),
      };
    case "snapshot":
      return { type: "snapshot", ...readHead(m), quotes: listOf(m.quotes, "quotes", faults, readQuote) };
    case "prices":
      return { type: "prices", ...readHead(m), prices: listOf(m.prices, "prices", faults, readPrice) };
    case "status":
      return {
        type: "status",
        ...readHead(m),
        feed: oneOf(m.feed, /** @type {const} */ (["live", "stale", "down"])),
        partly: m.partly === true,
        circuit: oneOf(m.circuit, /** @type {const} */ (["closed", "open", "half_open"])),
        probeIn: lengthOrNull(m.probe_in),
        reason: textOrNull(m.reason),
        interval: positiveOr(m.interval, null),
      };
    case "pong":
      return { type: "pong", id: idOrNull(m.id), serverTime: timeOrNull(m.server_time) };
    case "error":
      return {
        type: "error",
        code: textOr(m.code, "error"),
        reason: textOr(m.reason, "The server could not serve that."),
        temporary: m.temporary === true,
        id: idOrNull(m.id),
      };
    case "alert": {
      const alert = readAlert(m);
      if (alert === null) faults.push(`a bad alert: ${JSON.stringify(m).slice(0, 80)}`);
      return alert === null ? null : { type: "alert", alert };
    }
    case "alerts_changed":
      return { type: "alerts_changed" };
    case "going_away":
      return {
        type: "going_away",
        reconnectAfter: Math.max(0, numberOr(m.reconnect_after, 0)),
        nodes: listOf(m.nodes ?? [], "nodes", faults, (s) => (typeof s === "string" ? s : null)),
      };
    case "expiring":
      return { type: "expiring", seconds: Math.max(0, numberOr(m.in, 0)) };
    default:
      if (typeof m.type !== "string") faults.push("a message without a type");
      return null;
  }
}

/**
 * @param {unknown} item
 * @returns {PriceUpdate | null}
 */
function readPrice(item) {
  if (!isFields(item) || !isSymbol(item.symbol)) return null;
  const timestamp = timeOrNull(item.timestamp);
  const { price, version } = item;
  if (typeof price !== "number" || !Number.isFinite(price) || timestamp === null || !isVersion(version)) return null;
  const state = knownOrNull(item.state, CONFIRMATIONS);
  const reason = state === "stale" ? textOrNull(item.reason) : null;
  return {
    symbol: item.symbol,
    price,
    timestamp,
    version,
    state,
    reason,
    confirmed: steadyOrNull(item.confirmed),
    day: readDay(item.day),
    bid: positiveOr(item.bid, null),
    ask: positiveOr(item.ask, null),
    quotedAt: timeOrNull(item.quoted_at),
  };
}

/**
 * @param {unknown} item
 * @returns {Quote | null}
 */
function readQuote(item) {
  const price = readPrice(item);
  if (price === null || !isFields(item)) return null;
  return {
    ...price,
    open: positiveOr(item.open, null),
    previous: positiveOr(item.previous, null),
    base: positiveOr(item.base, null),
    basis: knownOrNull(item.basis, BASES),
    baseAt: timeOrNull(item.base_at),
    previousClose: positiveOr(item.previous_close, null),
    dayZone: textOrNull(item.day_zone),
    changed: steadyOrNull(item.changed),
    exchange: textOrNull(item.exchange),
    currency: textOrNull(item.currency),
    name: textOrNull(item.name),
    source: textOrNull(item.source),
    session: knownOrNull(item.session, SESSIONS),
    delayed: item.delayed === true,
    delayedSeconds: lengthOrNull(item.delayed_seconds),
  };
}

/**
 * @param {unknown} day
 * @returns {Day | null}
 */
function readDay(day) {
  if (!isFields(day)) return null;
  return {
    high: positiveOr(day.high, null),
    low: positiveOr(day.low, null),
    open: positiveOr(day.open, null),
    volume: lengthOrNull(day.volume),
    rolling: day.rolling === true,
    at: timeOrNull(day.at),
  };
}

/**
 * @param {Fields} m
 * @returns {Head}
 */
function readHead(m) {
  return { steady: steadyOrNull(m.steady), fetched: steadyOrNull(m.fetched) };
}

/**
 * @param {unknown} item
 * @returns {Rejection | null}
 */
function readRejection(item) {
  if (!isFields(item) || typeof item.symbol !== "string") return null;
  return { symbol: item.symbol, code: textOr(item.code, "rejected"), reason: textOr(item.reason, "rejected") };
}

/**
 * @template T
 * @param {unknown} value
 * @param {string} name
 * @param {string[]} faults
 * @param {(item: unknown) => T | null} readItem
 * @returns {T[]}
 */
function listOf(value, name, faults, readItem) {
  if (!Array.isArray(value)) {
    faults.push(`${name} is not a list`);
    return [];
  }
  const items = [];
  for (const item of value) {
    const good = readItem(item);
    if (good === null) faults.push(`bad item in ${name}: ${JSON.stringify(item).slice(0, 80)}`);
    else items.push(good);
  }
  return items;
}

/**
 * @param {unknown} value
 * @returns {value is Fields}
 */
function isFields(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {unknown} value
 * @returns {value is Version}
 */
function isVersion(value) {
  return Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]) && Number.isSafeInteger(value[1]);
}

/**
 * @template {string} T
 * @param {unknown} value
 * @param {readonly T[]} allowed
 * @returns {T | "unknown"}
 */
function oneOf(value, allowed) {
  return allowed.find((name) => name === value) ?? "unknown";
}

/**
 * @template {string} T
 * @param {unknown} value
 * @param {readonly T[]} allowed
 * @returns {T | null}
 */
function knownOrNull(value, allowed) {
  return allowed.find((name) => name === value) ?? null;
}

/**
 * @param {unknown} value
 * @returns {number | null} of a monotonic clock, whose zero means nothing
 */
function steadyOrNull(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * @param {unknown} value
 * @returns {number | null} a length of time, or an amount
 */
function lengthOrNull(value) {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

/**
 * @param {unknown} value
 * @returns {number | null}
 */
function timeOrNull(value) {
  if (typeof value !== "string") return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}

/**
 * @template T
 * @param {unknown} value
 * @param {T} fallback
 * @returns {number | T}
 */
function positiveOr(value, fallback) {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : fallback;
}

/**
 * @param {unknown} value
 * @param {number} fallback
 * @returns {number}
 */
function numberOr(value, fallback) {
  return typeof value === "number" && Number.isFinite(value) ? value : fallback;
}

/**
 * @param {unknown} value
 * @param {string} fallback
 * @returns {string}
 */
function textOr(value, fallback) {
  return typeof value === "string" ? value : fallback;
}

/**
 * @param {unknown} value
 * @returns {string | null}
 */
function textOrNull(value) {
  return typeof value === "string" && value !== "" ? value : null;
}

/**
 * @param {unknown} value
 * @returns {Id}
 */
function idOrNull(value) {
  return typeof value === "string" || typeof value === "number" ? value : null;
}
