/** Time that a test moves, and a socket that a test speaks through. */

export class FakeClock {
  #time;
  #timers = new Map();
  #next = 1;

  constructor(time = 1_000_000) {
    this.#time = time;
  }

  now = () => this.#time;

  setTimeout = (callback, ms) => {
    const id = this.#next++;
    this.#timers.set(id, { callback, at: this.#time + Math.max(0, ms) });
    return id;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  /** Timers that are set. */
  get pending() {
    return this.#timers.size;
  }

  /** Moves on, running what falls due, in order. */
  advance(ms) {
    const end = this.#time + ms;
    for (;;) {
      let due = null;
      for (const [id, timer] of this.#timers) {
        if (timer.at <= end && (due === null || timer.at < due.timer.at)) due = { id, timer };
      }
      if (due === null) break;
      this.#timers.delete(due.id);
      this.#time = Math.max(this.#time, due.timer.at);
      due.timer.callback();
    }
    this.#time = end;
  }

  /** Time passes and no timer runs, as on a machine that sleeps. */
  sleep(ms) {
    this.#time += ms;
  }
}

/** The far end of one connection attempt. */
export class ScriptedSocket {
  onmessage = null;
  onclose = null;
  sent = [];
  closedWith = null;

  constructor(url) {
    this.url = url;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code, reason) {
    this.closedWith = { code, reason };
  }

  /** The server sends. */
  says(message) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  /** The server, or the network, ends it. */
  ends(code = 1006, reason = "") {
    this.onclose?.({ code, reason });
  }
}

export const EPOCH = 1_795_378_525_327;

export function welcome(over = {}) {
  return {
    type: "welcome",
    protocol: 1,
    session: "s1",
    node: "n1",
    server_time: "2026-11-22T10:00:00.000Z",
    heartbeat: 25,
    limits: {},
    ...over,
  };
}

export function price(symbol, value, seq, over = {}) {
  return { symbol, price: value, timestamp: Date.parse("2026-11-22T10:00:00Z"), version: [EPOCH, seq], state: null, reason: null, confirmed: null, day: null, bid: null, ask: null, quotedAt: null, ...over };
}

export function quote(symbol, value, seq, over = {}) {
  return {
    ...price(symbol, value, seq), state: "live", open: 148, previous: 149.9, base: 148, basis: "open", baseAt: null, dayZone: null, changed: null, exchange: "NASDAQ", currency: "USD",
    name: null, source: null, session: null, delayed: false, delayedSeconds: null, previousClose: null, ...over,
  };
}

/** A message that came at `now` from a server whose monotonic clock is the page's less `apart`. */
export function at(now, apart = 0) {
  return { now, madeAt: now, here: (steady) => (steady === null ? null : steady + apart) };
}

/** Of a property's values: another one with each run, to be said in the test's name; `SEED` repeats one. */
export function seedOf() {
  return Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
}

/**
 * The same numbers for the same seed: mulberry32, whose 32 bits of state are enough for a test.
 * @param {number} seed
 * @returns {() => number} from 0 to below 1
 */
export function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
