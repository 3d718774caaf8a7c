/**
 * The supervision tree as the page knows it: the last two snapshots, what the event stream told in
 * between, and which rows are to be seen. Knows no DOM.
 */

/** @typedef {import("./types.js").ActorDocument} ActorDocument */
/** @typedef {import("./types.js").Entry} Entry */

/**
 * @typedef {object} Node
 * @property {ActorDocument} actor
 * @property {Node | null} parent
 * @property {Node[]} children
 * @property {number | null} rate messages per second, null for the first look
 *
 * @typedef {object} Mark what has just happened to an actor
 * @property {"down" | "healed"} kind
 * @property {string} reason of its last end
 * @property {number} generation that died, or that is here now
 * @property {number | null} downMs how long nobody was there
 *
 * @typedef {object} Row
 * @property {string} key
 * @property {Node | null} node null for the line that stands for the folded children of `parent`
 * @property {Node} parent of a folded line, else the node itself
 * @property {number} level 1 for the root
 * @property {boolean[]} guides for each level between: whether a line goes on below
 * @property {number} position among its siblings shown, from 1
 * @property {number} size of these
 * @property {boolean | null} expanded null for a leaf
 * @property {boolean} context shown only for what is under it
 *
 * @typedef {object} Filter
 * @property {string} query
 * @property {boolean} unhealthyOnly
 */

/** A death is to be seen, though the successor is there within a millisecond. */
export const DOWN_SHOWN_MS = 900;
export const HEALED_SHOWN_MS = 6_000;

/** An actor that came back a moment ago is still of interest to who looks for trouble. */
const RECENT_SECONDS = 60;

/** @typedef {{downAt: number, reason: string, died: number, upAt: number | null, generation: number, downMs: number | null}} Fate */

export class TreeModel {
  /** @type {Node | null} */
  #root = null;
  /** @type {Map<string, Node>} */
  #nodes = new Map();
  #readAt = 0;
  /** @type {Map<string, Fate>} */
  #fates = new Map();
  /** @type {Set<string>} */
  #collapsed = new Set();
  /** @type {Set<string>} */
  #faulty = new Set();

  /** Paths in the order of the tree. */
  get paths() {
    return [...this.#nodes.keys()];
  }

  /** @param {string} path */
  node(path) {
    return this.#nodes.get(path);
  }

  /** @param {Iterable<string>} paths with a fault put in on purpose */
  setFaulty(paths) {
    this.#faulty = new Set(paths);
  }

  /** @param {string} path */
  isFaulty(path) {
    return this.#faulty.has(path);
  }

  /**
   * @param {ActorDocument} root
   * @param {number} now ms of a monotonic clock, as all times here
   */
  update(root, now) {
    const before = this.#nodes;
    const seconds = (now - this.#readAt) / 1000;
    this.#nodes = new Map();
    this.#readAt = now;
    this.#root = this.#add(root, null, before, seconds);
    for (const [path, fate] of this.#fates) {
      const actor = this.#nodes.get(path)?.actor;
      if (fate.upAt === null && actor?.state === "running" && actor.generation > fate.died) {
        // The stream was away, or has not told yet.
        fate.upAt = now;
        fate.generation = actor.generation;
      }
      if (now - (fate.upAt ?? fate.downAt) > 60_000) this.#fates.delete(path);
    }
  }

  /**
   * @param {Entry} entry of the event log
   * @param {number} now ms, when it happened by the page's own clock
   */
  note(entry, now) {
    const { kind, path, generation = 0 } = entry;
    const fate = this.#fates.get(path);
    if (kind === "exited" || kind === "start_failed") {
      this.#fates.set(path, { downAt: now, reason: entry.reason ?? "", died: generation, upAt: null, generation, downMs: null });
    } else if (kind === "started" && fate !== undefined) {
      fate.upAt = now;
      fate.generation = generation;
      fate.downMs = entry.down_ms ?? null;
    }
  }

  /**
   * @param {string} path
   * @param {number} now ms
   * @returns {Mark | null}
   */
  mark(path, now) {
    const fate = this.#fates.get(path);
    if (fate === undefined) return null;
    const { reason, died, generation, downMs } = fate;
    if (fate.upAt === null || now - fate.downAt < DOWN_SHOWN_MS) {
      return { kind: "down", reason, generation: died, downMs: null };
    }
    const healedAt = Math.max(fate.upAt, fate.downAt + DOWN_SHOWN_MS);
    return now - healedAt < HEALED_SHOWN_MS ? { kind: "healed", reason, generation, downMs } : null;
  }

  /**
   * @param {Node} node
   * @returns {string[]} what is wrong with it, for people; nothing when it is well
   */
  troubles(node) {
    const { state, mailbox, last_exit: exit, last_exit_ago: ago, supervisor, path } = node.actor;
    const troubles = [];
    if (state !== "running") troubles.push(state);
    if (this.#faulty.has(path)) troubles.push("a fault is active");
    if (mailbox !== null && mailbox.queued * 2 >= mailbox.bound) troubles.push("its mailbox is half full");
    if (mailbox !== null && mailbox.dropped > 0) troubles.push(`dropped ${mailbox.dropped} messages`);
    if (exit !== null && ago !== null && ago < RECENT_SECONDS) troubles.push(`ended a moment ago: ${exit}`);
    if (supervisor !== null && supervisor.restarts_in_window * 2 >= supervisor.intensity && supervisor.restarts_in_window > 0) {
      troubles.push("half of its restarts are used");
    }
    return troubles;
  }

  /** @returns {{actors: number, running: number, unhealthy: number}} those folded by their states */
  summary() {
    let actors = 0;
    let running = 0;
    let unhealthy = 0;
    for (const node of this.#nodes.values()) {
      const folded = foldedCount(node.actor);
      const well = node.actor.folded.running ?? 0;
      actors += 1 + folded;
      running += (node.actor.state === "running" ? 1 : 0) + well;
      unhealthy += folded - well;
      if (this.troubles(node).length > 0) unhealthy += 1;
    }
    return { actors, running, unhealthy };
  }

  /**
   * @param {string} path
   * @param {boolean} expanded
   */
  setExpanded(path, expanded) {
    if (expanded) this.#collapsed.delete(path);
    else this.#collapsed.add(path);
  }

  /**
   * What is to be seen, from top to bottom. A row that matches keeps those above it.
   * @param {Filter} filter
   * @returns {Row[]}
   */
  rows({ query, unhealthyOnly }) {
    const words = query.toLowerCase().split(/\s+/).filter((word) => word !== "");
    const filtered = words.length > 0 || unhealthyOnly;
    const matches = (/** @type {Node} */ node) => {
      const text = `${node.actor.path} ${node.actor.actor} ${node.actor.kind} ${node.actor.state}`.toLowerCase();
      return words.every((word) => text.includes(word)) && (!unhealthyOnly || this.troubles(node).length > 0);
    };
    /** @type {Map<Node, boolean>} */
    const kept = new Map();
    const keep = (/** @type {Node} */ node) => {
      const own = matches(node);
      let any = own;
      for (const child of node.children) any = keep(child) || any;
      if (any) kept.set(node, own);
      return any;
    };
    /** @type {Row[]} */
    const rows = [];
    const lay = (/** @type {Node} */ node, /** @type {number} */ level, /** @type {boolean[]} */ guides, /** @type {number} */ position, /** @type {number} */ size) => {
      const children = node.children.filter((child) => kept.has(child));
      const folded = !filtered && foldedCount(node.actor) > 0;
      const open = filtered || !this.#collapsed.has(node.actor.path);
      rows.push({
        key: node.actor.path,
        node,
        parent: node,
        level,
        guides,
        position,
        size,
        expanded: children.length > 0 || folded ? open : null,
        context: filtered && kept.get(node) === false,
      });
      if (!open) return;
      const below = children.length + (folded ? 1 : 0);
      children.forEach((child, index) => lay(child, level + 1, [...guides, index + 1 < below], index + 1, below));
      if (folded) {
        const key = `${node.actor.path}/…`;
        rows.push({ key, node: null, parent: node, level: level + 1, guides: [...guides, false], position: below, size: below, expanded: null, context: false });
      }
    };
    if (this.#root !== null && keep(this.#root)) lay(this.#root, 1, [], 1, 1);
    return rows;
  }

  /**
   * @param {ActorDocument} actor
   * @param {Node | null} parent
   * @param {Map<string, Node>} before
   * @param {number} seconds since then
   * @returns {Node}
   */
  #add(actor, parent, before, seconds) {
    const last = before.get(actor.path)?.actor;
    // Counters begin anew with each generation.
    const same = last !== undefined && last.generation === actor.generation && actor.handled >= last.handled;
    const handled = actor.handled - (same ? last.handled : 0);
    /** @type {Node} */
    const node = {
      actor,
      parent,
      children: [],
      rate: last === undefined || seconds <= 0 ? null : handled / seconds,
    };
    this.#nodes.set(actor.path, node);
    node.children = actor.children.map((child) => this.#add(child, node, before, seconds));
    return node;
  }
}

/**
 * @param {ActorDocument} actor
 * @returns {number} how many of its children are left out
 */
export function foldedCount({ folded }) {
  return Object.values(folded).reduce((sum, number) => sum + number, 0);
}
