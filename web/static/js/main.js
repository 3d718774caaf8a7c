/**
 * The dashboard: makes the parts and connects them. Data goes one way: messages and what somebody does
 * change the store, the store is painted.
 */
import { Announcer } from "./a11y.js";
import { Alerts } from "./alerts.js";
import { Banner } from "./banner.js";
import { Connection } from "./connection.js";
import { must, setText } from "./dom.js";
import { enumerate } from "./format.js";
import { ServerClock, isStale } from "./freshness.js";
import { bindKeyboard } from "./keyboard.js";
import { KnownSymbols } from "./known-symbols.js";
import { LISTS_KEY, Lists } from "./lists.js";
import { Offers } from "./offers.js";
import { clock, socketUrl, warn } from "./page.js";
import { nextSorting, sorted } from "./sort.js";
import { StatusStrip } from "./status.js";
import { Memory, SORTING_KEY, WATCHLIST_KEY, readSorting } from "./storage.js";
import { MAX_SYMBOLS, Store, change } from "./store.js";
import { Subscriber } from "./subscriber.js";
import { SymbolField } from "./symbol-field.js";
import { bindChoice } from "./theme.js";
import { UndoToast } from "./toast.js";
import { Watchlist } from "./watchlist.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./connection.js").ConnectionState} ConnectionState */

/** Rows of a list sorted by moving values change places no more often than this, in seconds. */
const RESORT_SECONDS = 5;

const storage = () => window.localStorage;
const memory = new Memory(storage);
const serverClock = new ServerClock(clock.now);
const store = new Store();
const announcer = new Announcer(must(document, "#live", HTMLElement));
const strip = new StatusStrip();
const summary = must(document, "#summary", HTMLElement);
const dateline = must(document, "#dateline", HTMLTimeElement);
let sorting = readSorting(memory.load(SORTING_KEY));
/** @type {number | null} */
let roundTrip = null;

const connection = new Connection({
  url: socketUrl(),
  open: (url) => new WebSocket(url),
  clock,
  random: Math.random,
  onState: connectionChanged,
  onMessage: received,
  onServerTime: (serverTime, measured) => {
    serverClock.observe(serverTime, measured);
    roundTrip = measured;
    paintSoon();
  },
  onFault: warn,
});

const subscriber = new Subscriber({
  send: (message) => connection.send(message),
  clock,
  wanted: () => store.symbols,
  versions: (symbols) => store.versions(symbols),
  onAccepted: (symbols) => announcer.say(`${enumerate(symbols)} added.`),
  onRejected: (rejected, asked) => {
    if (asked) {
      for (const { symbol } of rejected) store.remove(symbol);
      listChanged();
      field.refuse(rejected);
    } else {
      for (const { symbol, reason } of rejected) store.reject(symbol, reason);
      paintSoon();
    }
  },
  onFailed: (reason, { action, symbols }) => {
    if (action === "subscribe") for (const symbol of symbols) store.reject(symbol, reason);
    announcer.say(`Could not ${action} ${enumerate(symbols)}: ${reason}`);
    paintSoon();
  },
});

const known = new KnownSymbols(() => offers.show(known.current.symbols));
const offers = new Offers((symbols) => {
  watch(symbols);
  const first = symbols[0];
  // The button that was pressed is gone with the empty list.
  if (first !== undefined) watchlist.focus(first);
});

const banner = new Banner({
  onRetry: () => connection.retryNow(),
  onFocusLost: () => field.focus(),
  onChange: (lost, state) => {
    if (!lost) announcer.say("Connected again.");
    else announcer.say(state.name === "closed" ? "The server ended the connection." : "Connection lost, retrying.");
    paintSoon();
  },
});

const field = new SymbolField({
  known: () => known.current,
  isWatched: (symbol) => store.entry(symbol) !== undefined,
  onSubscribe: watch,
  announce: (text) => announcer.say(text),
});

const watchlist = new Watchlist({
  store,
  onRemove: unwatch,
  onSort: (column) => {
    sorting = nextSorting(sorting, column);
    memory.save(SORTING_KEY, sorting);
    watchlist.showSorting(sorting);
    arrange();
  },
  onLeave: () => field.focus(),
});

const lists = new Lists({
  memory,
  onShow: () => {
    toast.forget();
    show(lists.symbols);
  },
  onDeleted: (undoable) => toast.offer(undoable),
  announce: (text) => announcer.say(text),
});

const alerts = new Alerts({
  priceOf: (symbol) => store.entry(symbol)?.quote?.price ?? null,
  onDeleted: (undoable) => toast.offer(undoable),
  announce: (text) => announcer.say(text),
});

const toast = new UndoToast((symbols) => {
  const back = symbols.filter((symbol) => store.entry(symbol) !== undefined);
  listChanged();
  subscriber.subscribe(back);
  const first = back[0];
  if (first !== undefined) watchlist.focus(first);
});

/**
 * @param {string[]} symbols
 * @returns {string | null} what to tell beside the field
 */
function watch(symbols) {
  const { added, full } = store.add(symbols);
  if (added.length > 0) {
    listChanged();
    subscriber.subscribe(added);
  }
  if (full) return `The list is full: it holds ${MAX_SYMBOLS} symbols.`;
  if (added.length === 0) return `${enumerate(symbols)} ${symbols.length === 1 ? "is" : "are"} on the list already.`;
  return connection.state.name === "open" ? null : "Prices will come once there is a connection.";
}

/** @param {string} symbol */
function unwatch(symbol) {
  const next = watchlist.neighbour(symbol);
  const removed = store.remove(symbol);
  if (removed === null) return;
  listChanged();
  subscriber.unsubscribe([symbol]);
  if (next === null || !watchlist.focus(next)) field.focus();
  toast.offer({ symbol, undo: () => store.restore(symbol, removed) });
  announcer.say(`${symbol} removed. Control Z brings it back.`);
}

function listChanged() {
  lists.edited(store.symbols);
  arrange();
  paintSoon();
}

/**
 * Makes the rows these, of another list or changed elsewhere; prices of those that stay are kept.
 * @param {readonly string[]} symbols
 */
function show(symbols) {
  const gone = store.symbols.filter((symbol) => !symbols.includes(symbol));
  for (const symbol of gone) store.remove(symbol);
  const added = symbols.filter((symbol, index) => store.add([symbol], index).added.length > 0);
  subscriber.unsubscribe(gone);
  subscriber.subscribe(added);
  arrange();
  paintSoon();
}

function arrange() {
  watchlist.arrange(sorted(store, sorting));
  offers.visible = store.symbols.length === 0;
  alerts.suggest(store.symbols[0]);
}

/** @param {ConnectionState} state */
function connectionChanged(state) {
  if (state.name === "open") {
    subscriber.connected();
    known.load();
    lists.load();
    void alerts.load();
  } else {
    subscriber.disconnected();
    known.pause();
  }
  banner.update(state);
  paintSoon();
}

/** @param {ServerMessage} message */
function received(message) {
  switch (message.type) {
    case "prices":
      watchlist.changed(store.applyPrices(message.prices, message.asOf, clock.now()));
      break;
    case "snapshot":
      watchlist.described(store.applySnapshot(message.quotes, message.asOf, clock.now()));
      if (sorting !== null && !watchlist.busy) arrange();
      paintSoon();
      break;
    case "status":
      store.applyStatus(message);
      paintSoon();
      break;
    case "subscriptions":
      subscriber.answered(message);
      break;
    case "alert":
      alerts.received(message.alert);
      break;
    case "error":
      if (!subscriber.failed(message)) warn(`${message.code}: ${message.reason}`);
      break;
  }
}

let paintPending = false;

/** Everything but prices, with the next frame. */
function paintSoon() {
  if (paintPending) return;
  paintPending = true;
  requestAnimationFrame(() => {
    paintPending = false;
    paint();
  });
}

function paint() {
  const now = clock.now();
  const serverNow = serverClock.now();
  const { status, asOf } = store;
  const view = { asOf, interval: status?.interval ?? null, feed: status?.feed ?? "unknown", connected: !banner.lost };
  strip.paint({ connection: connection.state, roundTrip, lost: banner.lost, status, asOf, now, serverNow });
  banner.paint(now);
  watchlist.tick(isStale(view, serverNow), serverNow);
  setText(summary, summarise());
  setText(dateline, new Date(serverNow).toUTCString().replace("GMT", "UTC"));
  dateline.dateTime = new Date(serverNow).toISOString();
}

/** @returns {string} "6 symbols · 4 up · 1 down" */
function summarise() {
  const { symbols } = store;
  if (symbols.length === 0) return "";
  let up = 0;
  let down = 0;
  for (const symbol of symbols) {
    const quote = store.entry(symbol)?.quote;
    const sinceOpen = quote ? (change(quote)?.absolute ?? 0) : 0;
    if (sinceOpen > 0) up += 1;
    else if (sinceOpen < 0) down += 1;
  }
  return `${symbols.length} ${symbols.length === 1 ? "symbol" : "symbols"} · ${up} up · ${down} down`;
}

let seconds = 0;

function everySecond() {
  seconds += 1;
  if (!document.hidden) {
    paint();
    if (sorting !== null && seconds % RESORT_SECONDS === 0 && !watchlist.busy) arrange();
  }
  // On the server's full second, so that the clock does not skip one.
  setTimeout(everySecond, 1000 - (serverClock.now() % 1000));
}

bindChoice("theme", storage);
bindChoice("palette", storage);
bindKeyboard({ onFind: () => field.focus(), onUndo: () => toast.undo() });

window.addEventListener("online", () => connection.wake());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) connection.wake();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  connection.wake();
  paintSoon();
});
// Another tab changed the list: this one follows, instead of writing its own over it later.
window.addEventListener("storage", (event) => {
  if (event.key !== WATCHLIST_KEY && event.key !== LISTS_KEY) return;
  lists.reread();
  show(lists.symbols);
});

store.add(lists.symbols);
watchlist.showSorting(sorting);
arrange();
connection.start();
everySecond();
