/**
 * The socket's life: connect, notice silence, come back with back-off, or stay away when told to. In a
 * cluster it comes back to another node when the page's own is gone: `nodes.js` says to which.
 *
 * No DOM and no globals: time, chance and the WebSocket come from outside, so every path is tested
 * with a clock that a test moves.
 *
 *     idle ──start──▶ connecting ──welcome──▶ open
 *                       ▲    │ failed, too slow │ closed, silent
 *          delay over,  │    ▼                  ▼
 *            retryNow   └──────────── waiting          closed ◀── a code of 4500–4999, or stop()
 */
import { Nodes } from "./nodes.js";
import { PROTOCOL_VERSION, decode, encode } from "./protocol.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./protocol.js").ClientMessage} ClientMessage */

/**
 * @typedef {object} Clock
 * @property {() => number} now ms
 * @property {(callback: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/**
 * The part of a WebSocket that is used here.
 * @typedef {object} Socket
 * @property {((event: any) => void) | null} onmessage its `data` is what was received
 * @property {((event: any) => void) | null} onclose its `code` and `reason` tell why
 * @property {(data: string) => void} send
 * @property {(code?: number, reason?: string) => void} close
 */

/** @typedef {{name: "idle"}} Idle */
/** @typedef {{name: "connecting", attempt: number}} Connecting attempt counts rounds of all servers from 1 since the last good connection */
/** @typedef {{name: "open"}} Open */
/** @typedef {{name: "waiting", attempt: number, retryAt: number, reason: string}} Waiting retryAt in ms of the clock */
/** @typedef {{name: "closed", code: number | null, reason: string}} Closed code null: stopped from here */
/** @typedef {Idle | Connecting | Open | Waiting | Closed} ConnectionState */

/**
 * @typedef {object} Options
 * @property {string} url of the WebSocket of the page's own server, without the protocol's version
 * @property {(url: string) => Socket} open
 * @property {Clock} clock
 * @property {() => number} random in [0, 1)
 * @property {(state: ConnectionState) => void} onState
 * @property {(message: ServerMessage) => void} onMessage
 * @property {(roundTrip: number) => void} onPong ms
 * @property {(serverTime: number, roundTrip: number | null) => void} onServerTime both ms
 * @property {(fault: string) => void} onFault something the server sent could not be used
 */

/** The login, or what else let the page in, has ended: it may come back with another one. */
export const CODE_LOGGED_OUT = 4503;

/** First delay is drawn from half of this to all of it, then doubling: 500 ms at the least. */
const BACKOFF_BASE_MS = 1_000;
export const BACKOFF_MAX_MS = 60_000;

/** The clients of a node that went do not come to the next one in one instant. */
export const HOP_MS = 250;

/** A connection that lasted this long was good: the next loss begins with the shortest delay. */
const STABLE_AFTER_MS = 5_000;

/** A handshake stuck on a dead network would hang for minutes; the welcome is part of it. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Two missed heartbeats of the feed. A browser never sees the server's own pings (25 s). */
export const SILENCE_MS = 10_000;

/** How long a ping that was sent into the silence may stay without any message. */
export const PROBE_MS = 5_000;

/** The same, once the browser says that it has no network. */
export const OFFLINE_PROBE_MS = 2_000;

export class Connection {
  #options;
  #nodes;
  /** @type {ConnectionState} */
  #state = { name: "idle" };
  /** The one socket that counts; events of any other are old news. @type {Socket | null} */
  #socket = null;
  /** The timer of the state: connect timeout, retry, or watchdog. @type {unknown} */
  #timer = null;
  /** @type {unknown} */
  #pingTimer = null;
  #attempt = 0;
  #openedAt = 0;
  #lastHeard = 0;
  /** @type {number | null} */
  #probedAt = null;
  #probeMs = PROBE_MS;
  /** @type {number | null} */
  #doubtedSince = null;
  #heartbeatMs = 25_000;
  /** Delay the server asked for before it went away, ms. @type {number | null} */
  #askedDelay = null;
  #pingId = 0;
  /** The newest ping and when it was sent. @type {{id: string, sentAt: number} | null} */
  #ping = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#nodes = new Nodes(options.url);
  }

  get state() {
    return this.#state;
  }

  /**
   * Since when nobody knows whether this connection lives, ms of the clock; null without a doubt.
   * One that proved right lasts until a server welcomes us. Only the answer to a ping sent since then ends it: a frame may have lain in the socket.
   */
  get doubtedSince() {
    return this.#doubtedSince;
  }

  start() {
    if (this.#state.name === "idle") this.#connect();
  }

  /** Ends it for good. */
  stop() {
    this.#drop(1000, "the page is done");
    this.#enter({ name: "closed", code: null, reason: "stopped" });
  }

  /**
   * @param {ClientMessage} message
   * @returns {boolean} false when the connection is not open: nothing was sent, nothing is kept
   */
  send(message) {
    if (this.#state.name !== "open" || this.#socket === null) return false;
    this.#socket.send(encode(message));
    return true;
  }

  /** Somebody does not want to wait. Also takes the place of an attempt that is stuck. */
  retryNow() {
    if (this.#state.name === "waiting" || this.#state.name === "connecting") this.#connect();
  }

  /**
   * The network is back, the page is looked at again, or time was lost. A wait ends; an attempt is begun
   * anew, since one from before a sleep may be stuck; an open connection has to prove that it lives.
   */
  wake() {
    if (this.#state.name === "waiting") {
      this.#connect();
    } else if (this.#state.name === "connecting" && this.#options.clock.now() - this.#openedAt > 1_000) {
      this.#connect();
    } else if (this.#state.name === "open") {
      this.#doubt(PROBE_MS);
    }
  }

  /**
   * The browser says that it has no network. It may be wrong of this server, as of one on the same
   * machine, so an open connection gets a moment to prove it.
   */
  offline() {
    if (this.#state.name === "open") this.#doubt(OFFLINE_PROBE_MS);
  }

  #connect() {
    this.#drop(1000, "superseded");
    if (this.#nodes.next()) this.#attempt += 1;
    this.#askedDelay = null;
    this.#openedAt = this.#options.clock.now();
    /** @type {Socket} */
    let socket;
    try {
      socket = this.#options.open(`${this.#nodes.current}?protocol=${PROTOCOL_VERSION}`);
    } catch (error) {
      // A URL or a policy that forbids it: the browser says so by throwing.
      this.#wait(String(error));
      return;
    }
    this.#socket = socket;
    socket.onmessage = (event) => this.#heard(socket, event.data);
    socket.onclose = (event) => this.#lost(socket, event.code, event.reason);
    this.#arm(CONNECT_TIMEOUT_MS, () => {
      this.#drop(4000, "connecting took too long");
      this.#wait("no answer from the server");
    });
    this.#enter({ name: "connecting", attempt: this.#attempt });
  }

  /**
   * @param {Socket} socket
   * @param {unknown} data
   */
  #heard(socket, data) {
    if (socket !== this.#socket) return;
    this.#lastHeard = this.#options.clock.now();
    if (this.#doubtedSince === null) this.#probedAt = null;
    const { message, faults } = decode(data);
    for (const fault of faults) this.#options.onFault(fault);
    if (message === null) return;
    if (message.type === "welcome") {
      this.#nodes.learn(message.nodes);
      this.#welcomed(message.heartbeat);
    } else if (message.type === "going_away") {
      this.#askedDelay = Math.min(message.reconnectAfter * 1000, BACKOFF_MAX_MS);
      if (message.nodes.length > 0) this.#nodes.learn(message.nodes);
      this.#nodes.leave();
    }
    this.#readClock(message);
    this.#options.onMessage(message);
  }

  /** @param {number} heartbeat seconds */
  #welcomed(heartbeat) {
    if (this.#state.name !== "connecting") return;
    this.#openedAt = this.#lastHeard;
    this.#doubtedSince = null;
    this.#nodes.settle();
    this.#heartbeatMs = heartbeat * 1000;
    this.#enter({ name: "open" });
    this.#watch();
    this.#sendPing();
  }

  /** @param {ServerMessage} message */
  #readClock(message) {
    if (message.type === "welcome") {
      if (message.serverTime !== null) this.#options.onServerTime(message.serverTime, null);
    } else if (message.type === "pong" && message.id === this.#ping?.id) {
      const { sentAt } = this.#ping;
      this.#ping = null;
      if (this.#doubtedSince !== null && sentAt >= this.#doubtedSince) this.#doubtedSince = this.#probedAt = null;
      this.#options.onPong(this.#lastHeard - sentAt);
      if (message.serverTime !== null) this.#options.onServerTime(message.serverTime, this.#lastHeard - sentAt);
    }
  }

  /**
   * @param {Socket} socket
   * @param {number} code
   * @param {string} reason
   */
  #lost(socket, code, reason) {
    if (socket !== this.#socket) return;
    const wasOpen = this.#state.name === "open";
    const lasted = this.#options.clock.now() - this.#openedAt;
    this.#drop();
    if (code >= 4500 && code <= 4999 && !this.#nodes.isOwn) {
      this.#nodes.bar();
    } else if (code >= 4500 && code <= 4999) {
      this.#enter({ name: "closed", code, reason });
      return;
    }
    if (wasOpen && lasted >= STABLE_AFTER_MS) this.#attempt = 0;
    this.#wait(reason || (wasOpen ? "the connection was lost" : "the server cannot be reached"));
  }

  /** @param {string} reason */
  #wait(reason) {
    const now = this.#options.clock.now();
    // A server that is asked to be spared says nothing of the next one.
    const delay = this.#nodes.left ? this.#options.random() * HOP_MS : (this.#askedDelay ?? this.#backoff());
    this.#arm(delay, () => this.#connect());
    this.#enter({ name: "waiting", attempt: this.#attempt, retryAt: now + delay, reason });
  }

  /**
   * Half of the delay is by chance, so that thousands of clients that lost one server do not come
   * back in one instant.
   * @returns {number} ms
   */
  #backoff() {
    const exponent = Math.min(Math.max(0, this.#attempt - 1), 10);
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** exponent);
    return ceiling / 2 + (this.#options.random() * ceiling) / 2;
  }

  /** Looks at the time of the last message instead of setting a timer anew at each one. */
  #watch() {
    const { clock } = this.#options;
    const silent = clock.now() - this.#lastHeard;
    if (this.#probedAt !== null) {
      this.#arm(Math.max(0, this.#probedAt + this.#probeMs - clock.now()), () => {
        if (this.#probedAt === null) {
          this.#watch();
          return;
        }
        const lasted = clock.now() - this.#openedAt;
        this.#drop(4000, "silent");
        this.#nodes.leave();
        if (lasted >= STABLE_AFTER_MS) this.#attempt = 0;
        this.#wait("the server went silent");
      });
    } else if (silent >= SILENCE_MS) {
      // A machine that slept wakes up here too: ask before giving up what may be alive.
      this.#probe();
    } else {
      this.#arm(SILENCE_MS - silent, () => this.#watch());
    }
  }

  /**
   * A doubt that there is already goes on; of two limits the one that ends first holds.
   * @param {number} limit ms
   */
  #doubt(limit) {
    const now = this.#options.clock.now();
    const ends = this.#probedAt === null ? Infinity : this.#probedAt + this.#probeMs;
    const again = this.#doubtedSince !== null;
    this.#doubtedSince ??= now;
    this.#probedAt ??= now;
    this.#probeMs = Math.min(ends, now + limit) - this.#probedAt;
    if (!again) this.#sendPing();
    this.#watch();
  }

  #probe() {
    this.#probedAt = this.#options.clock.now();
    this.#probeMs = PROBE_MS;
    this.#sendPing();
    this.#watch();
  }

  /** Pings measure the server's clock once per heartbeat; one more is the probe after a silence. */
  #sendPing() {
    const { clock } = this.#options;
    clock.clearTimeout(this.#pingTimer);
    this.#pingId += 1;
    this.#ping = { id: `ping-${this.#pingId}`, sentAt: clock.now() };
    this.send({ action: "ping", id: this.#ping.id });
    this.#pingTimer = clock.setTimeout(() => this.#sendPing(), this.#heartbeatMs);
  }

  /**
   * Lets go of the socket, closing it when there is a code to close it with.
   * @param {number} [code]
   * @param {string} [reason]
   */
  #drop(code, reason) {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    clock.clearTimeout(this.#pingTimer);
    this.#timer = this.#pingTimer = null;
    this.#ping = null;
    // A doubt stays: it proved right, and what is stale by it is so until a server is there again.
    this.#probedAt = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = socket.onclose = null;
    if (code !== undefined) socket.close(code, reason);
  }

  /**
   * @param {number} ms
   * @param {() => void} callback
   */
  #arm(ms, callback) {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(callback, ms);
  }

  /** @param {ConnectionState} state */
  #enter(state) {
    this.#state = state;
    this.#options.onState(state);
  }
}
