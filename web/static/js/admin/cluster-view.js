/**
 * The cluster: its nodes, which of them fetches what, and what is wrong. A single node has no such section.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { age } from "../format.js";
import { duration } from "./units.js";

/** @typedef {import("./types.js").Cluster} Cluster */
/** @typedef {import("./types.js").Member} Member */

/** Of more shards than this their number is told. */
const MOST_NAMED = 6;

/** Heartbeats come back twice a second; older than this, and something is slow. */
const ECHO_SECONDS = 1.5;

const STATES = {
  ready: { tone: "good", icon: "dot", state: "Ready" },
  joining: { tone: "warn", icon: "triangle", state: "Joining" },
  alone: { tone: "bad", icon: "cross", state: "Alone" },
  standing_by: { tone: "warn", icon: "triangle", state: "Standing by" },
};

/**
 * @param {Cluster} cluster
 * @returns {{tone: string, icon: string, state: string, lag: string, rows: {ok: boolean, address: string, cells: string[]}[]}}
 */
export function describeCluster(cluster) {
  const { bus, echo_age_seconds: echoAge, echo_seconds: echo } = cluster;
  const parts = [];
  if (bus !== null && !bus.up) parts.push(`no NATS for ${age(bus.seconds * 1000)}`);
  if (echoAge !== null && echo !== null) parts.push(echoAge > ECHO_SECONDS ? `last echo ${age(echoAge * 1000)} ago` : `echo after ${duration(echo * 1000)}`);
  const worst = STATES[cluster.state];
  const trouble = worst.tone === "good" && cluster.troubles.length > 0;
  return {
    ...(trouble ? { tone: "warn", icon: "triangle", state: "In trouble" } : worst),
    lag: parts.join(", "),
    rows: cluster.members.map((member) => describeMember(member, cluster)),
  };
}

/**
 * @param {Member} member
 * @param {Cluster} cluster
 */
function describeMember(member, cluster) {
  const me = member.node === cluster.node && member.boot === cluster.boot;
  const shards = me && cluster.fetches_alone.length > 0 ? cluster.fetches_alone : member.fetches;
  const state = me ? STATES[cluster.state].state : member.ready ? "Ready" : "Not ready";
  return {
    ok: me ? cluster.state === "ready" : member.ready,
    cells: [
      me ? `${member.node} (this one)` : member.node,
      state,
      shards.length === 0 ? "nothing" : shards.length > MOST_NAMED ? `${shards.length} shards` : shards.join(", "),
      member.clients.toLocaleString("en-US"),
      `${Math.round(member.load * 100)} %`,
      me ? "itself" : age(member.silent_seconds * 1000),
      me || member.clock_ahead_seconds === null ? "" : clock(Math.round(member.clock_ahead_seconds)),
    ],
    address: member.address ?? "",
  };
}

/** @param {number} ahead in whole seconds */
function clock(ahead) {
  if (ahead === 0) return "0 s";
  return `${ahead > 0 ? "+" : "-"}${Math.abs(ahead).toLocaleString("en-US")} s`;
}

const NUMBERS = new Set([3, 4, 5, 6]);

export class ClusterView {
  #section;
  #sign;

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#section = section;
    this.#sign = must(section, ".sign", HTMLElement);
  }

  /** @param {string} name */
  #part(name) {
    return must(this.#section, `[data-part="${name}"]`, HTMLElement);
  }

  /** @param {Cluster} cluster */
  paint(cluster) {
    const { tone, icon, state, lag, rows } = describeCluster(cluster);
    setIcon(must(this.#sign, "use", SVGUseElement), icon);
    setAttribute(this.#sign, "data-tone", tone);
    setText(this.#part("state"), state);
    setText(this.#part("lag"), lag);
    const troubles = this.#part("troubles");
    troubles.hidden = cluster.troubles.length === 0;
    troubles.replaceChildren(...cluster.troubles.map((text) => filled("li", text)));
    this.#part("members").replaceChildren(
      ...rows.map(({ ok, address, cells }) => {
        const row = document.createElement("tr");
        if (!ok) row.dataset.kind = "crashed";
        row.append(...cells.map((text, column) => filled("td", text, NUMBERS.has(column) ? "num" : "")));
        row.firstElementChild?.append(filled("span", address, "about"));
        return row;
      }),
    );
  }
}

/**
 * @param {string} tag
 * @param {string} text
 * @param {string} [kind]
 */
function filled(tag, text, kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = kind;
  return element;
}
