/**
 * The event log, live: reads lines of JSON from a response that does not end, and connects again
 * when it ends all the same. Knows no DOM.
 */

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {"connecting" | "open" | "lost"} StreamState */

/**
 * @typedef {object} Clock
 * @property {(callback: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 *
 * @typedef {object} Options
 * @property {(since: number, signal: AbortSignal) => Promise<{body: ReadableStream<Uint8Array> | null}>} open
 * @property {Clock} clock
 * @property {(entries: Entry[]) => void} onEntries in order, each once
 * @property {(state: StreamState) => void} onState
 * @property {() => void} onRun the server is another process: what was known of the old one is void
 * @property {(lost: number) => void} onGap so many entries were missed
 */

/** Three of the server's heartbeats. */
export const SILENCE_MS = 15_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

export class EventStream {
  #options;
  #since = 0;
  #run = 0;
  #failures = 0;
  /** @type {AbortController | null} */
  #reading = null;
  /** @type {any} */
  #retry = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /**
   * @param {number} run of the log that `since` is a number of
   * @param {number} since entries after this number are wanted
   */
  start(run, since) {
    this.#run = run;
    this.#since = since;
    void this.#connect();
  }

  /** For a page that goes away. */
  stop() {
    this.#options.clock.clearTimeout(this.#retry);
    this.#reading?.abort();
    this.#reading = null;
  }

  async #connect() {
    const { clock, open, onState } = this.#options;
    const reading = new AbortController();
    this.#reading = reading;
    onState("connecting");
    let silence = clock.setTimeout(() => reading.abort(), SILENCE_MS);
    try {
      const { body } = await open(this.#since, reading.signal);
      if (body === null) throw new Error("an answer without a body");
      const reader = body.getReader();
      const lines = new Lines();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || reading !== this.#reading) break;
        clock.clearTimeout(silence);
        silence = clock.setTimeout(() => reading.abort(), SILENCE_MS);
        if (!this.#take(lines.feed(value))) break;
      }
      await reader.cancel();
    } catch {
      // Broken off, refused, or silent for too long: all of them are answered by another try.
    }
    clock.clearTimeout(silence);
    if (reading !== this.#reading) return;
    reading.abort();
    onState("lost");
    this.#retry = clock.setTimeout(() => void this.#connect(), this.#wait());
  }

  #wait() {
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.#failures, LONGEST_WAIT_MS);
    this.#failures += 1;
    return wait;
  }

  /**
   * @param {string[]} lines
   * @returns {boolean} false when the stream is to be opened anew
   */
  #take(lines) {
    const { onEntries, onGap, onRun, onState } = this.#options;
    /** @type {Entry[]} */
    const entries = [];
    for (const line of lines) {
      const message = JSON.parse(line);
      switch (message.type) {
        case "hello":
          this.#failures = 0;
          onState("open");
          if (message.run !== this.#run) {
            this.#run = message.run;
            onRun();
            if (this.#since > 0) {
              // Its first entries have numbers that were asked to be left out.
              this.#since = 0;
              return false;
            }
          }
          break;
        case "event":
          if (message.event.number > this.#since) {
            this.#since = message.event.number;
            entries.push(message.event);
          }
          break;
        case "gap":
          onGap(message.lost);
          break;
        default: // a heartbeat has done its work by arriving; after a goodbye the stream ends
      }
    }
    if (entries.length > 0) onEntries(entries);
    return true;
  }
}

/** Cuts a stream of bytes into lines. */
export class Lines {
  #decoder = new TextDecoder();
  #rest = "";

  /**
   * @param {Uint8Array} piece
   * @returns {string[]} the lines that it completes
   */
  feed(piece) {
    const parts = (this.#rest + this.#decoder.decode(piece, { stream: true })).split("\n");
    this.#rest = parts.pop() ?? "";
    return parts.filter((line) => line !== "");
  }
}
