/**
 * Keeps what the server sends in step with the watch list: sends the whole list after every connect,
 * the differences in between, and sees that each command gets its answer.
 */

/** @typedef {import("./protocol.js").ClientMessage} ClientMessage */
/** @typedef {import("./protocol.js").Subscribe} Subscribe */
/** @typedef {import("./protocol.js").Unsubscribe} Unsubscribe */
/** @typedef {import("./protocol.js").Subscriptions} Subscriptions */
/** @typedef {import("./protocol.js").ServerError} ServerError */
/** @typedef {import("./protocol.js").Rejection} Rejection */
/** @typedef {import("./protocol.js").Version} Version */
/** @typedef {import("./connection.js").Clock} Clock */

/** 1,000 long symbols would come close to the server's limit of 64 KiB a message. */
export const SYMBOLS_PER_MESSAGE = 200;

/** Tries of a command the server says it could not serve just now. */
const MAX_TRIES = 5;
const RETRY_BASE_MS = 500;

/**
 * @typedef {object} Options
 * @property {(message: ClientMessage) => boolean} send false while not connected
 * @property {Clock} clock
 * @property {() => readonly string[]} wanted the watch list
 * @property {(symbols: string[]) => void} onAccepted symbols somebody typed, now served
 * @property {(rejected: Rejection[], asked: boolean) => void} onRejected asked: somebody just typed them,
 *   rather than the list being sent again
 * @property {(reason: string, command: Subscribe | Unsubscribe) => void} onFailed a command the server would not serve at all
 */

/** @typedef {{command: Subscribe | Unsubscribe, asked: boolean, tries: number}} Pending */

export class Subscriber {
  #options;
  #nextId = 1;
  /** Commands without an answer yet, by id. @type {Map<number, Pending>} */
  #pending = new Map();
  /** Symbols typed while there was no connection: their rejection still belongs to the field. @type {Set<string>} */
  #unsent = new Set();
  /** @type {Set<unknown>} */
  #timers = new Set();

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /** Commands that wait for an answer. */
  get pending() {
    return this.#pending.size;
  }

  /** A connection is open, and its server knows nothing of this client yet. */
  connected() {
    this.disconnected();
    const wanted = [...this.#options.wanted()];
    const asked = this.#unsent;
    this.#unsent = new Set();
    this.#subscribe(wanted.filter((symbol) => !asked.has(symbol)), false);
    this.#subscribe(wanted.filter((symbol) => asked.has(symbol)), true);
  }

  /** Answers to come are lost with the connection; the list is sent whole with the next one. */
  disconnected() {
    for (const { command, asked } of this.#pending.values()) {
      if (asked) for (const symbol of command.symbols) this.#unsent.add(symbol);
    }
    this.#pending.clear();
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers.clear();
  }

  /** @param {string[]} symbols just put on the list */
  subscribe(symbols) {
    this.#subscribe(symbols, true);
  }

  /** @param {string[]} symbols just taken off the list */
  unsubscribe(symbols) {
    for (const symbol of symbols) this.#unsent.delete(symbol);
    for (const part of chunks(symbols)) this.#send({ action: "unsubscribe", symbols: part, id: null }, false, 1);
  }

  /** @param {Subscriptions} answer */
  answered(answer) {
    const pending = this.#take(answer.id);
    // What was unsubscribed meanwhile is nobody's worry any more.
    const wanted = new Set(this.#options.wanted());
    const rejected = answer.rejected.filter((r) => wanted.has(r.symbol));
    if (rejected.length > 0) this.#options.onRejected(rejected, pending?.asked ?? false);
    if (pending?.asked) {
      const refused = new Set(rejected.map((r) => r.symbol));
      const accepted = pending.command.symbols.filter((symbol) => wanted.has(symbol) && !refused.has(symbol));
      if (accepted.length > 0) this.#options.onAccepted(accepted);
    }
  }

  /**
   * @param {ServerError} error
   * @returns {boolean} whether it was about a command of ours
   */
  failed(error) {
    const pending = this.#take(error.id);
    if (pending === null) return false;
    if (!error.temporary || pending.tries >= MAX_TRIES) {
      this.#options.onFailed(error.reason, pending.command);
      return true;
    }
    const timer = this.#options.clock.setTimeout(() => {
      this.#timers.delete(timer);
      this.#retry(pending);
    }, RETRY_BASE_MS * 2 ** (pending.tries - 1));
    this.#timers.add(timer);
    return true;
  }

  /**
   * The list may have changed while a command waited for its next try: only what still holds is sent.
   * @param {Pending} pending
   */
  #retry({ command, asked, tries }) {
    const wanted = new Set(this.#options.wanted());
    const subscribing = command.action === "subscribe";
    const symbols = command.symbols.filter((symbol) => wanted.has(symbol) === subscribing);
    if (symbols.length > 0) this.#send({ ...command, symbols }, asked, tries + 1);
  }

  /**
   * Without `since`: a state, a base or a session may have changed under a version that is known.
   * @param {string[]} symbols
   * @param {boolean} asked
   */
  #subscribe(symbols, asked) {
    for (const part of chunks(symbols)) this.#send({ action: "subscribe", symbols: part, id: null }, asked, 1);
  }

  /**
   * @param {Subscribe | Unsubscribe} command
   * @param {boolean} asked
   * @param {number} tries
   */
  #send(command, asked, tries) {
    const id = this.#nextId++;
    const numbered = { ...command, id };
    if (this.#options.send(numbered)) this.#pending.set(id, { command: numbered, asked, tries });
    else if (asked) for (const symbol of command.symbols) this.#unsent.add(symbol);
  }

  /**
   * @param {string | number | null} id
   * @returns {Pending | null}
   */
  #take(id) {
    if (typeof id !== "number") return null;
    const pending = this.#pending.get(id) ?? null;
    this.#pending.delete(id);
    return pending;
  }
}

/**
 * @param {string[]} symbols
 * @returns {string[][]}
 */
function chunks(symbols) {
  const parts = [];
  for (let i = 0; i < symbols.length; i += SYMBOLS_PER_MESSAGE) parts.push(symbols.slice(i, i + SYMBOLS_PER_MESSAGE));
  return parts;
}
