/**
 * How everything stands, in five short words.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { age, countdown } from "../format.js";
import { bytes, duration } from "./units.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").Overview} Overview */

/**
 * @typedef {object} Facts
 * @property {Overview} overview
 * @property {{actors: number, running: number, unhealthy: number} | null} tree
 * @property {number} restarts of the last ten minutes
 * @property {number} now the server's time, ms
 * @property {boolean} [lost] whether the server does not answer: all this is how it was
 *
 * @typedef {{state: string, icon: string, name: string, detail: string}} Shown
 */

const VITALS = /** @type {const} */ (["system", "feed", "breaker", "clients", "process"]);

/** A loop that lets a task wait for longer is felt by clients: it is the flush interval. */
const LAG_MS = 50;

/**
 * @param {Facts} facts
 * @returns {Record<typeof VITALS[number], Shown>}
 */
export function describeVitals({ overview, tree, restarts, now, lost = false }) {
  const told = {
    system: describeSystem(tree, restarts),
    feed: describeFeed(overview.feed, now),
    breaker: describeBreaker(worst(overview.upstreams), now),
    clients: describeClients(overview.clients),
    process: describeProcess(overview.process),
  };
  if (!lost) return told;
  const { system, feed, breaker, clients, process } = told;
  return { system: past(system), feed: past(feed), breaker: past(breaker), clients: past(clients), process: past(process) };
}

/**
 * @param {Shown} shown
 * @returns {Shown}
 */
function past({ name }) {
  return { state: "unknown", icon: "dash", name: "Unknown", detail: `was: ${name}` };
}

/**
 * @param {Facts["tree"]} tree
 * @param {number} restarts
 * @returns {Shown}
 */
function describeSystem(tree, restarts) {
  if (tree === null) return { state: "unknown", icon: "dash", name: "Unknown", detail: "" };
  const detail = `${plural(restarts, "restart")} in 10\u00a0min`;
  const down = tree.actors - tree.running;
  if (down === 0) return { state: "live", icon: "dot", name: `All ${tree.actors.toLocaleString("en-US")} running`, detail };
  return { state: "down", icon: "cross", name: `${down} of ${tree.actors.toLocaleString("en-US")} down`, detail };
}

/**
 * @param {Overview["feed"]} feed
 * @param {number} now
 * @returns {Shown}
 */
function describeFeed({ status, symbols }, now) {
  if (status === null) return { state: "unknown", icon: "dash", name: "Unknown", detail: "no fetch yet" };
  const fetched = status.as_of === null ? "nothing fetched yet" : `${plural(symbols, "symbol")}, fetched ${age(now - status.as_of)} ago`;
  const shown = { live: ["dot", "Live"], stale: ["triangle", "Stale"], down: ["cross", "Down"] }[status.state] ?? ["dash", status.state];
  return { state: status.state, icon: shown[0] ?? "dash", name: shown[1] ?? "", detail: status.reason === null ? fetched : `${fetched} · ${status.reason}` };
}

const BREAKERS = ["closed", "half_open", "open"];

/**
 * The breaker that holds back most.
 * @param {Overview["upstreams"]} upstreams
 * @returns {import("./types.js").Breaker}
 */
function worst(upstreams) {
  const badness = (/** @type {import("./types.js").Breaker} */ { status }) => BREAKERS.indexOf(status?.state ?? "");
  return upstreams.map(({ breaker }) => breaker).reduce((a, b) => (badness(b) > badness(a) ? b : a), { status: null, figures: null });
}

/**
 * @param {import("./types.js").Breaker} breaker
 * @param {number} now
 * @returns {Shown}
 */
function describeBreaker({ status, figures }, now) {
  if (status === null) return { state: "unknown", icon: "dash", name: "Unknown", detail: "" };
  const forced = figures === null || figures.forced === null ? "" : "forced, ";
  switch (status.state) {
    case "closed":
      return { state: "closed", icon: "dot", name: "Closed", detail: `${forced}${figures === null ? "" : `${figures.failures} of ${figures.calls} failed`}` };
    case "half_open":
      return { state: "half_open", icon: "triangle", name: "Half-open", detail: `${forced}probing` };
    default: {
      const left = status.next_probe === null ? null : status.next_probe - now;
      return { state: "open", icon: "cross", name: "Open", detail: forced + (left === null ? "requests held back" : left > 0 ? `next probe in ${countdown(left)}` : "probe due") };
    }
  }
}

/**
 * @param {Overview["clients"]} clients
 * @returns {Shown}
 */
function describeClients({ connected, subscribed, slow }) {
  const detail = slow > 0 ? `${slow} slow` : `${subscribed.toLocaleString("en-US")} subscribed`;
  return { state: slow > 0 ? "stale" : "live", icon: slow > 0 ? "triangle" : "dot", name: connected.toLocaleString("en-US"), detail };
}

/**
 * @param {Overview["process"]} process
 * @returns {Shown}
 */
function describeProcess({ samples }) {
  const last = samples.at(-1);
  if (last === undefined) return { state: "unknown", icon: "dash", name: "Unknown", detail: "" };
  const late = last.lag_ms >= LAG_MS;
  return { state: late ? "stale" : "live", icon: late ? "triangle" : "dot", name: bytes(last.memory), detail: `lag ${duration(last.lag_ms)}, processor ${Math.round(last.cpu)}\u00a0%` };
}

export class Vitals {
  #parts = VITALS.map((name) => {
    const element = must(document, `#vital-${name}`, HTMLElement);
    return {
      name,
      element,
      use: must(element, "use", SVGUseElement),
      label: must(element, '[data-part="name"]', HTMLElement),
      detail: must(element, '[data-part="detail"]', HTMLElement),
    };
  });

  /** @param {Facts} facts */
  paint(facts) {
    const shown = describeVitals(facts);
    for (const { name, element, use, label, detail } of this.#parts) {
      setAttribute(element, "data-state", shown[name].state);
      setIcon(use, shown[name].icon);
      setText(label, shown[name].name);
      setText(detail, shown[name].detail);
    }
  }
}
