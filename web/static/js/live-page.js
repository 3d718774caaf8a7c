/**
 * What both pages with live prices do: keep the connection, its banner and its subscriptions, put what
 * comes into the store, and paint the status strip and the clock. What is different is in the options.
 */
import { Announcer } from "./a11y.js";
import { Banner } from "./banner.js";
import { Connection } from "./connection.js";
import { must, oncePerFrame, setText } from "./dom.js";
import { ServerClock, isStale } from "./freshness.js";
import { clock, socketUrl, warn } from "./page.js";
import { StatusStrip } from "./status.js";
import { Store } from "./store.js";
import { Subscriber } from "./subscriber.js";

/** @typedef {import("./alert-feed.js").Alert} Alert */
/** @typedef {import("./connection.js").ConnectionState} ConnectionState */
/** @typedef {import("./protocol.js").Rejection} Rejection */
/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {ConstructorParameters<typeof Subscriber>[0]} SubscriberOptions */

/**
 * Prices and the feed's status are in `store` when these are called.
 * @typedef {object} Options
 * @property {() => void} onOpen the connection is there, for the first time or again
 * @property {() => void} onClosed
 * @property {(changed: string[]) => void} onPrices of these symbols
 * @property {(changed: string[]) => void} onSnapshot the same, with what is known beside the price
 * @property {(alert: Alert) => void} onAlert
 * @property {SubscriberOptions["onAccepted"]} onAccepted
 * @property {SubscriberOptions["onRejected"]} onRejected
 * @property {SubscriberOptions["onFailed"]} onFailed
 * @property {() => void} onFocusLost the banner goes while the focus is in it
 * @property {(view: View) => void} paint everything but prices, with the next frame
 * @property {() => void} everySecond after `paint`, while the page is seen
 */

/**
 * @typedef {object} View
 * @property {boolean} stale no price is to be taken for a live one
 * @property {number} now ms
 * @property {number} serverNow ms
 */

export class LivePage {
  store = new Store();
  /** @type {Subscriber} */
  subscriber;
  #options;
  #announcer = new Announcer(must(document, "#live", HTMLElement));
  #strip = new StatusStrip();
  #dateline = must(document, "#dateline", HTMLTimeElement);
  #serverClock = new ServerClock(clock.now);
  #connection;
  #banner;
  /** @type {number | null} */
  #roundTrip = null;
  #paintSoon = oncePerFrame(() => this.#paint());

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#connection = new Connection({
      url: socketUrl(),
      open: (url) => new WebSocket(url),
      clock,
      random: Math.random,
      onState: (state) => this.#connectionChanged(state),
      onMessage: (message) => this.#received(message),
      onServerTime: (serverTime, measured) => {
        this.#serverClock.observe(serverTime, measured);
        this.#roundTrip = measured;
        this.paintSoon();
      },
      onFault: warn,
    });
    this.subscriber = new Subscriber({
      send: (message) => this.#connection.send(message),
      clock,
      wanted: () => this.store.symbols,
      versions: (symbols) => this.store.versions(symbols),
      onAccepted: options.onAccepted,
      onRejected: options.onRejected,
      onFailed: options.onFailed,
    });
    this.#banner = new Banner({
      onRetry: () => this.#connection.retryNow(),
      onFocusLost: options.onFocusLost,
      onChange: (lost, state) => {
        if (!lost) this.say("Connected again.");
        else this.say(state.name === "closed" ? "The server ended the connection." : "Connection lost, retrying.");
        this.paintSoon();
      },
    });
  }

  get connected() {
    return this.#connection.state.name === "open";
  }

  /** The time by the server's clock, ms. */
  serverNow() {
    return this.#serverClock.now();
  }

  /** @param {string} text for who hears the page */
  say(text) {
    this.#announcer.say(text);
  }

  paintSoon() {
    this.#paintSoon();
  }

  /** To be called once everything that the options name is there. */
  start() {
    window.addEventListener("online", () => this.#connection.wake());
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.#connection.wake();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.#connection.wake();
      this.paintSoon();
    });
    this.#connection.start();
    this.#everySecond();
  }

  /** @param {ConnectionState} state */
  #connectionChanged(state) {
    if (state.name === "open") {
      this.subscriber.connected();
      this.#options.onOpen();
    } else {
      this.subscriber.disconnected();
      this.#options.onClosed();
    }
    this.#banner.update(state);
    this.paintSoon();
  }

  /** @param {ServerMessage} message */
  #received(message) {
    const { store, subscriber } = this;
    const { onPrices, onSnapshot, onAlert } = this.#options;
    switch (message.type) {
      case "prices":
        // Not painted with the next frame: they come many times a second, and change themselves only.
        onPrices(store.applyPrices(message.prices, message.asOf, clock.now()));
        break;
      case "snapshot":
        onSnapshot(store.applySnapshot(message.quotes, message.asOf, clock.now()));
        this.paintSoon();
        break;
      case "status":
        store.applyStatus(message);
        this.paintSoon();
        break;
      case "subscriptions":
        subscriber.answered(message);
        break;
      case "alert":
        onAlert(message.alert);
        break;
      case "error":
        if (!subscriber.failed(message)) warn(`${message.code}: ${message.reason}`);
        break;
    }
  }

  #paint() {
    const now = clock.now();
    const serverNow = this.serverNow();
    const { status, asOf } = this.store;
    const { lost } = this.#banner;
    const freshness = { asOf, interval: status?.interval ?? null, feed: status?.feed ?? "unknown", connected: !lost };
    this.#strip.paint({ connection: this.#connection.state, roundTrip: this.#roundTrip, lost, status, asOf, now, serverNow });
    this.#banner.paint(now);
    setText(this.#dateline, new Date(serverNow).toUTCString().replace("GMT", "UTC"));
    this.#dateline.dateTime = new Date(serverNow).toISOString();
    this.#options.paint({ stale: isStale(freshness, serverNow), now, serverNow });
  }

  #everySecond() {
    if (!document.hidden) {
      this.#paint();
      this.#options.everySecond();
    }
    // On the server's full second, so that the clock does not skip one.
    setTimeout(() => this.#everySecond(), 1000 - (this.serverNow() % 1000));
  }
}
