/**
 * What changed in the state of the feed, the breaker and the rows, told in sentences: for who hears the
 * page, and in a word for its title. What many rows share is one sentence, and what is over before it
 * could be told is not told. No DOM and no I/O.
 */
import { enumerate } from "./format.js";
import { feedState, isDoubted, rowState } from "./freshness.js";
import { CAUSES, reasonWords } from "./standing.js";

/** @typedef {import("./freshness.js").FeedView} FeedView */
/** @typedef {import("./protocol.js").Circuit} Circuit */
/** @typedef {import("./protocol.js").Feed} Feed */
/** @typedef {import("./store.js").Store} Store */

/** A change has to last this long: a fetch that came late is no news. */
export const SETTLED_MS = 2_000;

/** Sentences come no closer than this; what happens between them is told together. */
export const SPACING_MS = 10_000;

/** More reasons than this in one breath are noise. */
const MAX_REASONS = 3;

/**
 * @typedef {object} Scene
 * @property {Feed} feed
 * @property {Circuit} circuit
 * @property {string | null} why the server's reason for the state of its feed
 * @property {ReadonlyMap<string, string>} stale symbols that are stale, and why
 * @property {ReadonlySet<string>} fine the others that have a price
 */

/**
 * @param {Store} store
 * @param {FeedView} view
 * @param {number} now ms
 * @returns {Scene}
 */
export function sceneOf(store, view, now) {
  const stale = new Map();
  const fine = new Set();
  for (const symbol of store.symbols) {
    const quote = store.entry(symbol)?.quote ?? null;
    if (quote === null) continue;
    const { cause } = rowState(quote, view, now);
    if (cause === null) fine.add(symbol);
    else stale.set(symbol, cause === "symbol" ? reasonWords(quote.reason).sentence : CAUSES[cause]);
  }
  const blind = !view.connected || isDoubted(view, now);
  return { feed: feedState(view, now), circuit: blind ? "unknown" : (store.status?.circuit ?? "unknown"), why: store.status?.reason ?? null, stale, fine };
}

/**
 * @param {Scene} scene
 * @param {boolean} lost the connection, after there was one
 * @returns {string} "Connection lost", "Feed down", "3 stale"; empty when all is well
 */
export function titleOf({ feed, stale, fine }, lost) {
  if (lost) return "Connection lost";
  if (feed === "down" && fine.size === 0) return "Feed down";
  if (stale.size === 0) return "";
  if (fine.size > 0) return `${stale.size} stale`;
  return stale.size === 1 ? "Price stale" : "Prices stale";
}

export class Bulletin {
  /** @type {Feed} */
  #feed = "live";
  /** @type {Circuit} */
  #circuit = "closed";
  /** @type {ReadonlyMap<string, string>} */
  #stale = new Map();
  #differsSince = Infinity;
  #saidAt = -Infinity;

  /**
   * To be called about once a second.
   * @param {Scene} scene
   * @param {number} now ms
   * @returns {string} what to say now; empty when there is nothing
   */
  look(scene, now) {
    // What was taken off the list is nobody's worry, and news again when it comes back.
    this.#stale = new Map([...this.#stale].filter(([symbol]) => scene.stale.has(symbol) || scene.fine.has(symbol)));
    const said = this.#differences(scene);
    if (said === "") {
      this.#differsSince = Infinity;
      return "";
    }
    this.#differsSince = Math.min(this.#differsSince, now);
    if (now - this.#differsSince < SETTLED_MS || now - this.#saidAt < SPACING_MS) return "";
    if (scene.feed !== "unknown") this.#feed = scene.feed;
    if (isSettled(scene.circuit)) this.#circuit = scene.circuit;
    this.#stale = scene.stale;
    this.#differsSince = Infinity;
    this.#saidAt = now;
    return said;
  }

  /** @param {Scene} scene */
  #differences(scene) {
    return [feedSentence(this.#feed, scene), breakerSentence(this.#circuit, scene), ...rowSentences(this.#stale, scene)].filter((sentence) => sentence !== "").join(" ");
  }
}

/** An unknown one is told as a lost connection; a half-open one is on its way. @param {Circuit} circuit */
function isSettled(circuit) {
  return circuit === "open" || circuit === "closed";
}

/**
 * @param {Feed} before
 * @param {Scene} scene
 * @returns {string}
 */
function feedSentence(before, { feed, why }) {
  if (feed === before || feed === "unknown") return "";
  if (feed === "live") return "The price feed is live again.";
  return `The price feed is ${feed}${why === null ? "" : `: ${why}`}.`;
}

/**
 * @param {Circuit} before
 * @param {Scene} scene
 * @returns {string}
 */
function breakerSentence(before, { circuit }) {
  if (circuit === before || !isSettled(circuit)) return "";
  return circuit === "open" ? "The circuit breaker is open: requests to the provider are held back." : "The circuit breaker is closed again.";
}

/**
 * @param {ReadonlyMap<string, string>} before
 * @param {Scene} scene
 * @returns {string[]}
 */
function rowSentences(before, { stale, fine }) {
  const watched = stale.size + fine.size;
  /** @type {Map<string, string[]>} */
  const byReason = new Map();
  for (const [symbol, why] of stale) {
    if (before.get(symbol) === why) continue;
    const same = byReason.get(why);
    if (same === undefined) byReason.set(why, [symbol]);
    else same.push(symbol);
  }
  const sentences = [...byReason].slice(0, MAX_REASONS).map(([why, symbols]) => `${subject(symbols, watched)} stale: ${why}.`);
  const rest = [...byReason.values()].slice(MAX_REASONS).flat();
  if (rest.length > 0) sentences.push(`${rest.length} more ${rest.length === 1 ? "is" : "are"} stale.`);
  const back = [...before.keys()].filter((symbol) => fine.has(symbol));
  if (back.length > 0) sentences.push(stale.size === 0 ? "Prices are live again." : `${subject(back, watched)} live again.`);
  return sentences;
}

/**
 * @param {string[]} symbols
 * @param {number} watched
 * @returns {string} "AAPL is", "AAPL, MSFT and 4 more are", "All 6 prices are"
 */
function subject(symbols, watched) {
  if (symbols.length > 1 && symbols.length === watched) return `All ${watched} prices are`;
  return `${enumerate(symbols)} ${symbols.length === 1 ? "is" : "are"}`;
}
