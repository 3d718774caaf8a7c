/**
 * Three of the four truths: the socket, the feed and the circuit breaker, each for itself. The fourth,
 * the age of each price, is in its row.
 */
import { must, setAttribute, setIcon, setText } from "./dom.js";
import { age, countdown } from "./format.js";
import { feedState, isDoubted } from "./freshness.js";

/** @typedef {import("./connection.js").ConnectionState} ConnectionState */
/** @typedef {import("./freshness.js").FeedView} FeedView */
/** @typedef {import("./protocol.js").Status} Status */

/**
 * All times are ms of the page's monotonic clock.
 * @typedef {object} Facts
 * @property {ConnectionState} connection
 * @property {number | null} roundTrip of the last ping, ms
 * @property {Status | null} status the server's last word
 * @property {number | null} probeAt when the breaker probes next
 * @property {FeedView} feed
 * @property {number} now
 */

/** @typedef {{state: string, icon: string, name: string, detail: string}} Shown */

/**
 * @param {Facts} facts
 * @returns {{socket: Shown, feed: Shown, breaker: Shown}}
 */
export function describe(facts) {
  return { socket: describeSocket(facts), feed: describeFeed(facts), breaker: describeBreaker(facts) };
}

/** @param {Facts} facts @returns {Shown} */
function describeSocket({ connection, roundTrip, feed, now }) {
  if (connection.name === "open" && isDoubted(feed, now)) return { state: "waiting", icon: "triangle", name: "No answer", detail: "asking whether it is still there" };
  switch (connection.name) {
    case "open":
      return { state: "open", icon: "dot", name: "Connected", detail: roundTrip === null ? "" : `round trip ${Math.max(1, Math.round(roundTrip))}\u00a0ms` };
    case "waiting":
      return { state: "waiting", icon: "triangle", name: "Lost", detail: `retry in ${countdown(connection.retryAt - now)}` };
    case "closed":
      return { state: "closed", icon: "cross", name: "Ended", detail: connection.reason };
    default:
      return { state: "connecting", icon: "ring", name: "Connecting", detail: "" };
  }
}

/** @param {Facts} facts @returns {Shown} */
function describeFeed({ feed, status, now }) {
  const { fetchedAt, interval } = feed;
  const fetched = fetchedAt === null ? "" : `fetched ${age(now - fetchedAt)} ago`;
  const state = feedState(feed, now);
  switch (state) {
    case "live":
      return { state, icon: "dot", name: "Live", detail: join(fetched, interval === null ? "" : `every ${seconds(interval)}`) };
    case "stale":
      return { state, icon: "triangle", name: feed.partly ? "Partly stale" : "Stale", detail: join(fetched, status?.reason ?? "") };
    case "down":
      return { state, icon: "cross", name: feed.partly ? "Partly down" : "Down", detail: join(fetched, status?.reason ?? "") };
    default:
      return { state, icon: "dash", name: "Unknown", detail: join(feed.connected ? "" : "no connection", fetched) };
  }
}

/** @param {Facts} facts @returns {Shown} */
function describeBreaker({ feed, status, probeAt, now }) {
  const state = !feed.connected || isDoubted(feed, now) ? "unknown" : (status?.circuit ?? "unknown");
  switch (state) {
    case "closed":
      return { state, icon: "dot", name: "Closed", detail: "requests pass" };
    case "half_open":
      return { state, icon: "triangle", name: "Half-open", detail: "probing" };
    case "open": {
      const left = probeAt === null ? null : probeAt - now;
      return { state, icon: "cross", name: "Open", detail: left === null ? "requests held back" : left > 0 ? `next probe in ${countdown(left)}` : "probe due" };
    }
    default:
      return { state: "unknown", icon: "dash", name: "Unknown", detail: feed.connected ? "" : "no connection" };
  }
}

export class StatusStrip {
  #parts = {
    socket: partsOf("socket"),
    feed: partsOf("feed"),
    breaker: partsOf("breaker"),
  };

  /** @param {Facts} facts */
  paint(facts) {
    const shown = describe(facts);
    for (const name of /** @type {const} */ (["socket", "feed", "breaker"])) {
      const { element, use, label, detail } = this.#parts[name];
      setAttribute(element, "data-state", shown[name].state);
      setIcon(use, shown[name].icon);
      setText(label, shown[name].name);
      setText(detail, shown[name].detail);
      setAttribute(element, "title", shown[name].detail === "" ? null : shown[name].detail);
    }
  }
}

/** @param {"socket" | "feed" | "breaker"} name */
function partsOf(name) {
  const element = must(document, `#status-${name}`, HTMLElement);
  return {
    element,
    use: must(element, "use", SVGUseElement),
    label: must(element, '[data-part="name"]', HTMLElement),
    detail: must(element, '[data-part="detail"]', HTMLElement),
  };
}

/** @param {string[]} parts */
function join(...parts) {
  return parts.filter((part) => part !== "").join("\u00a0· ");
}

/** @param {number} value seconds */
function seconds(value) {
  return value < 1 ? `${Math.round(value * 1000)}\u00a0ms` : `${Math.round(value * 10) / 10}\u00a0s`;
}
