/**
 * Asks the server which symbols somebody may mean: it knows names. One question at a time, when typing
 * pauses; what was answered is remembered for a while.
 */
import { address } from "./address.js";
import { readSymbolList } from "./symbols.js";

/** @typedef {import("./symbols.js").Listed} Listed */

const PAUSE_MS = 120;
const TIMEOUT_MS = 5_000;
const LONGEST = 64;
/** More than are shown: some of them are on the list already. */
const ASKED = 20;
const REMEMBERED = 50;

export class SymbolSearch {
  #onFound;
  /** @type {Map<string, Listed[]>} */
  #answers = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asking = new AbortController();

  /** @param {(text: string) => void} onFound there is an answer for what was asked last */
  constructor(onFound) {
    this.#onFound = onFound;
  }

  /**
   * @param {string} text
   * @returns {Listed[] | null} what is known of it; null until there is an answer
   */
  found(text) {
    return this.#answers.get(text) ?? null;
  }

  /** @param {string} text what was asked before and is not answered yet is not wanted any more */
  ask(text) {
    this.stop();
    if (text === "" || text.length > LONGEST || this.#answers.has(text)) return;
    this.#timer = setTimeout(() => void this.#ask(text), PAUSE_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#asking.abort();
  }

  /** @param {string} text */
  async #ask(text) {
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#asking.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const response = await fetch(`${address("/api/v1/symbols")}?limit=${ASKED}&q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" }, signal });
      if (!response.ok) return;
      const { symbols } = readSymbolList(await response.json());
      if (this.#answers.size >= REMEMBERED) this.#answers.clear();
      this.#answers.set(text, symbols);
      if (!signal.aborted) this.#onFound(text);
    } catch {
      // Suggestions are a help, not a need: symbols that are listed are suggested without.
    }
  }
}
