/**
 * The symbols the feed lists, for suggestions. They are asked for when somebody first looks at them:
 * of a long list that is the largest answer a page gets, and who only watches prices needs none of it.
 * Until the feed's first list the answer is incomplete and asked for again.
 */
import { address } from "./address.js";
import { readSymbolList } from "./symbols.js";

/** @typedef {import("./symbols.js").Listed} Listed */

const URL = address("/api/v1/symbols");
const TIMEOUT_MS = 10_000;
const RETRY_BASE_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export class KnownSymbols {
  /** @type {{symbols: Listed[], complete: boolean}} */
  #known = { symbols: [], complete: false };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #onChange;
  #wanted = false;
  #connected = false;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  get current() {
    if (!this.#wanted) {
      this.#wanted = true;
      if (this.#connected) this.load();
    }
    return this.#known;
  }

  /** There is a connection: asks, if anybody has looked, and again until the list is complete. */
  load() {
    this.#connected = true;
    if (this.#wanted) void this.#ask(RETRY_BASE_MS);
  }

  /** Asks no more: there is no connection to ask over. */
  pause() {
    this.#connected = false;
    clearTimeout(this.#timer);
  }

  /** @param {number} retryMs */
  async #ask(retryMs) {
    clearTimeout(this.#timer);
    try {
      const response = await fetch(URL, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.ok) {
        this.#known = readSymbolList(await response.json());
        this.#onChange();
      }
    } catch {
      // Suggestions are a help, not a need: the field works without, and the connection tells of trouble.
    }
    if (!this.#known.complete) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#ask(Math.min(RETRY_MAX_MS, retryMs * 2)), retryMs);
    }
  }
}
