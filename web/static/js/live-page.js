/**
 * What both pages with live prices do: keep the connection, its banner and its subscriptions, put what
 * comes into the store, and paint the status strip and the clock. What is different is in the options.
 */
import { Announcer } from "./a11y.js";
import { Banner, GRACE_MS } from "./banner.js";
import { Bulletin, sceneOf, titleOf } from "./bulletin.js";
import { CODE_LOGGED_OUT, Connection } from "./connection.js";
import { ExpiringNotice } from "./expiring.js";
import { must, oncePerFrame, setText } from "./dom.js";
import { ServerClock } from "./freshness.js";
import { PageTitle, priceInTitle } from "./page-title.js";
import { clock, socketUrl, warn } from "./page.js";
import { StatusStrip } from "./status.js";
import { SteadyClock } from "./steady.js";
import { Store } from "./store.js";
import { Subscriber } from "./subscriber.js";

/** @typedef {import("./alert-feed.js").Alert} Alert */
/** @typedef {import("./connection.js").ConnectionState} ConnectionState */
/** @typedef {import("./freshness.js").FeedView} FeedView */
/** @typedef {import("./store.js").At} At */
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
 * @property {() => void} onAlertsChanged rules have changed, or alerts were read, on another page or in another browser
 * @property {SubscriberOptions["onAccepted"]} onAccepted
 * @property {SubscriberOptions["onRejected"]} onRejected
 * @property {SubscriberOptions["onFailed"]} onFailed
 * @property {() => void} onFocusLost the banner goes while the focus is in it
 * @property {(view: View) => void} paint everything but prices, with the next frame
 * @property {() => string | null} titled the symbol whose price is in the title
 * @property {() => void} everySecond after `paint`, while the page is seen
 */

/**
 * @typedef {object} View
 * @property {FeedView} feed
 * @property {number} now ms, of the page's monotonic clock
 * @property {number} serverNow the server's time of day, ms
 */

/**
 * The page's clock and the time of day go on together, unless somebody set the one or the machine slept
 * and the other stood still. A difference of more than this between two seconds is one of the two.
 */
const TIME_LOST_MS = 1_500;

/** Alerts are read again so long after they were changed elsewhere, ms. */
const ALERTS_MS = 200;

/** The title tells prices about as often. */
const TOLD_MS = 1_000;

/** Symbols that are not served, and are said one by one. */
const REFUSALS_SAID = 3;

export class LivePage {
  store = new Store();
  /** @type {Subscriber} */
  subscriber;
  #options;
  #announcer = new Announcer(must(document, "#live", HTMLElement));
  #strip = new StatusStrip();
  #dateline = must(document, "#dateline", HTMLTimeElement);
  #serverClock = new ServerClock(clock.now, Date.now());
  #steadyClock = new SteadyClock();
  #bulletin = new Bulletin();
  #title = new PageTitle();
  #connection;
  #banner;
  #expiring = new ExpiringNotice((text) => this.say(text));
  /** Since when there is no connection, ms; null while there is one. @type {number | null} */
  #awaySince = clock.now();
  #everOpen = false;
  #alertsTimer = 0;
  /** When it was looked at what there is to tell, ms. */
  #toldAt = -Infinity;
  /** What was said of symbols that are not served: on a new connection it is told again. @type {Map<string, string>} */
  #refusalsSaid = new Map();
  /** The time of day less the page's clock, ms. */
  #apart = Date.now() - clock.now();
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
      onPong: (roundTrip) => {
        this.#roundTrip = roundTrip;
        this.#steadyClock.answered(roundTrip, clock.now());
        this.paintSoon();
      },
      onServerTime: (serverTime, roundTrip) => this.#serverClock.observe(serverTime, roundTrip),
      onFault: warn,
    });
    this.subscriber = new Subscriber({
      send: (message) => this.#connection.send(message),
      clock,
      wanted: () => this.store.symbols,
      onAccepted: options.onAccepted,
      onRejected: options.onRejected,
      onFailed: options.onFailed,
    });
    this.#banner = new Banner({
      onRetry: () => this.#connection.retryNow(),
      onFocusLost: options.onFocusLost,
      onChange: (lost, state) => {
        if (!lost) this.say("Connected again.");
        else if (state.name !== "closed") this.say("Connection lost, retrying.");
        else this.say(state.code === CODE_LOGGED_OUT ? "Your login has ended." : "The server ended the connection.");
        this.paintSoon();
      },
    });
  }

  get connected() {
    return this.#connection.state.name === "open";
  }

  /** @param {number} count of alerts that nobody has read */
  set unread(count) {
    this.#title.unread = count;
  }

  /** The server's time of day, ms. For showing it; no age is worked out from it. */
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
    window.addEventListener("offline", () => {
      this.#connection.offline();
      this.paintSoon();
    });
    // The browser stopped this page, as it does with one that is not seen for long.
    document.addEventListener("resume", () => this.#connection.wake());
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
      this.#awaySince = null;
      this.#everOpen = true;
      this.subscriber.connected();
      this.#options.onOpen();
    } else {
      this.#awaySince ??= clock.now();
      this.subscriber.disconnected();
      this.#options.onClosed();
    }
    this.#banner.update(state);
    if (state.name !== "open") this.#expiring.hide();
    this.paintSoon();
    this.#tell();
  }

  /** @param {ServerMessage} message */
  #received(message) {
    const { store, subscriber } = this;
    const { onPrices, onSnapshot, onAlert } = this.#options;
    const at = this.#read(message);
    switch (message.type) {
      case "prices":
        // Not painted with the next frame: they come many times a second, and change themselves only.
        onPrices(store.applyPrices(message.prices, at));
        // A page that was not seen for minutes has its timers run once a minute; its messages come all the same.
        if (document.hidden && at.now - this.#toldAt >= TOLD_MS) this.#tell();
        break;
      case "snapshot":
        onSnapshot(store.applySnapshot(message.quotes, at));
        this.paintSoon();
        break;
      case "status":
        store.applyStatus(message, at);
        this.paintSoon();
        this.#tell();
        break;
      case "welcome":
        store.forgetRefusals();
        break;
      case "not_served":
        this.#notServed(message);
        break;
      case "subscriptions":
        subscriber.answered(message);
        break;
      case "expiring":
        this.#expiring.warn(message.seconds);
        break;
      case "alert":
        onAlert(message.alert);
        break;
      case "alerts_changed":
        // What is read again is the same for all that was changed within a moment.
        window.clearTimeout(this.#alertsTimer);
        this.#alertsTimer = window.setTimeout(this.#options.onAlertsChanged, ALERTS_MS);
        break;
      case "error":
        if (!subscriber.failed(message)) warn(`${message.code}: ${message.reason}`);
        break;
    }
  }

  /** @param {import("./protocol.js").NotServed} message */
  #notServed(message) {
    const said = this.#refusalsSaid;
    for (const symbol of message.served) said.delete(symbol);
    const refused = [...this.store.applyNotServed(message)].filter(([symbol, why]) => said.get(symbol) !== why);
    for (const [symbol, why] of refused) said.set(symbol, why);
    const words = refused.slice(0, REFUSALS_SAID).map(([symbol, why]) => `${symbol} is not served: ${why}.`);
    const more = refused.length - REFUSALS_SAID;
    if (more > 0) words.push(`${more} more ${more === 1 ? "is" : "are"} not served.`);
    if (words.length > 0) this.say(words.join(" "));
    this.paintSoon();
  }

  /**
   * Reads the times of a message, before anything else of it is looked at.
   * @param {ServerMessage} message
   * @returns {At}
   */
  #read(message) {
    const now = clock.now();
    const steadyClock = this.#steadyClock;
    if (message.type === "welcome") steadyClock.begin(now);
    const steady = "steady" in message ? message.steady : null;
    if (steady !== null) this.store.slept(steadyClock.observe(steady, now));
    /** @param {number} then */
    const here = (then) => steadyClock.here(then, now);
    if ("fetched" in message) this.store.fetched(message.fetched, here);
    return { now, madeAt: steady === null ? now : here(steady), here: (then) => (then === null ? null : here(then)) };
  }

  /**
   * @param {number} now
   * @returns {FeedView}
   */
  #feed(now) {
    const { status, fetchedAt } = this.store;
    return {
      fetchedAt,
      interval: status?.interval ?? null,
      feed: status?.feed ?? "unknown",
      partly: status?.partly ?? false,
      connected: this.#awaySince === null || now - this.#awaySince < GRACE_MS,
      doubtedSince: this.#connection.doubtedSince,
    };
  }

  #paint() {
    const now = clock.now();
    const serverNow = this.serverNow();
    const feed = this.#feed(now);
    const { status, probeAt } = this.store;
    this.#strip.paint({ connection: this.#connection.state, roundTrip: this.#roundTrip, status, probeAt, feed, now });
    this.#banner.paint(now);
    setText(this.#dateline, new Date(serverNow).toUTCString().replace("GMT", "UTC"));
    this.#dateline.dateTime = new Date(serverNow).toISOString();
    this.#options.paint({ feed, now, serverNow });
  }

  /** Says what changed, to who hears the page and in its title; also while nobody sees it. */
  #tell() {
    const now = clock.now();
    const feed = this.#feed(now);
    const scene = sceneOf(this.store, feed, now);
    const lost = this.#everOpen && !feed.connected;
    const symbol = this.#options.titled();
    // A price that is not as it should be is none to go by.
    const price = symbol === null || lost || !scene.fine.has(symbol) ? "" : priceInTitle(symbol, this.store.entry(symbol));
    this.#title.show(titleOf(scene, lost), price);
    this.#toldAt = now;
    const said = this.#bulletin.look(scene, now);
    if (said !== "") this.say(said);
  }

  #everySecond() {
    this.#noticeLostTime();
    this.#tell();
    if (!document.hidden) {
      this.#paint();
      this.#options.everySecond();
    }
    // On the server's full second, so that the clock does not skip one.
    setTimeout(() => this.#everySecond(), 1000 - (this.serverNow() % 1000));
  }

  /** Whether the machine slept or somebody set its clock cannot be told apart, and need not: a ping tells. */
  #noticeLostTime() {
    const apart = Date.now() - clock.now();
    if (Math.abs(apart - this.#apart) > TIME_LOST_MS) this.#connection.wake();
    this.#apart = apart;
  }
}
