/**
 * Which server the page's prices come from: its own, or another node of the cluster while that is gone.
 * No I/O and no clock.
 *
 * They are tried in rounds, the page's own first. Within a round the next one is tried soon; between two
 * rounds the pauses grow.
 */

/** Addresses that a server may tell; a cluster has fewer. */
const MOST_NODES = 64;

export class Nodes {
  #own;
  #current;
  /** @type {string[]} */
  #others = [];
  /** What is left of this round. @type {string[]} */
  #round = [];

  /** @param {string} own the WebSocket of the page's own server */
  constructor(own) {
    this.#own = own;
    this.#current = own;
  }

  /** The one that was tried last. */
  get current() {
    return this.#current;
  }

  /** Whether the current one is the page's own. */
  get isOwn() {
    return this.#current === this.#own;
  }

  /** Whether somebody is left to be tried in this round. */
  get left() {
    return this.#round.length > 0;
  }

  /**
   * @param {readonly string[]} addresses of the other nodes, as the current one tells them; what is none is
   *   left out, and a page that came by TLS is not sent to one that does without
   */
  learn(addresses) {
    const secure = this.#own.startsWith("wss:");
    const told = addresses.slice(0, MOST_NODES).flatMap(socketsOf).filter((url) => !secure || url.startsWith("wss:"));
    // Who tells is not in its own list, and is a good place to come back to.
    this.#others = [...new Set([...told, this.#current])].filter((url) => url !== this.#own);
  }

  /** The current one serves the page: the next loss begins a round. */
  settle() {
    this.#round = [];
  }

  /** The current one goes away: what comes is a round without it. */
  leave() {
    this.#round = this.#all().filter((url) => url !== this.#current);
  }

  /** The current one does not want this page back unchanged. It is not the page's own. */
  bar() {
    this.#others = this.#others.filter((url) => url !== this.#current);
  }

  /** @returns {boolean} whether a round began with it; `current` is the next one to try */
  next() {
    const begins = this.#round.length === 0;
    if (begins) this.#round = this.#all();
    this.#current = this.#round.shift() ?? this.#own;
    return begins;
  }

  #all() {
    return [this.#own, ...this.#others];
  }
}

/**
 * @param {string} address of a node, as `https://two.example/stocks`
 * @returns {string[]} where it takes WebSockets; none for what is no such address
 */
function socketsOf(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return [];
  }
  if ((url.protocol !== "http:" && url.protocol !== "https:") || url.username !== "" || url.search !== "" || url.hash !== "") return [];
  return [`${url.protocol === "https:" ? "wss" : "ws"}://${url.host}${url.pathname.replace(/\/+$/, "")}/ws`];
}
