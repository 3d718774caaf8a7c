/**
 * The page of one symbol: makes the parts and connects them. As on the dashboard data goes one way:
 * messages, answers and choices change the store and the feeds, and those are painted.
 */
import { Announcer } from "../a11y.js";
import { AlertNotices } from "../alert-notices.js";
import { Banner } from "../banner.js";
import { OVERLAYS, readChoice, writeChoice } from "./choice.js";
import { ChartFeed } from "./feed.js";
import { Headline } from "./headline.js";
import { loadLibrary } from "./library.js";
import { OverlayFeed } from "./overlay.js";
import { Readout } from "./readout.js";
import { FiguresTable } from "./table.js";
import { summary } from "./text.js";
import { ChartView } from "./view.js";
import { Connection } from "../connection.js";
import { must, setAttribute, setText } from "../dom.js";
import { countdown } from "../format.js";
import { ServerClock, isStale, rowState } from "../freshness.js";
import { clock, socketUrl, warn } from "../page.js";
import { StatusStrip } from "../status.js";
import { Store, decimalsOf } from "../store.js";
import { Subscriber } from "../subscriber.js";
import { bindChoice } from "../theme.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./library.js").Library} Library */
/** @typedef {import("./loader.js").LoaderState} LoaderState */
/** @typedef {import("../connection.js").ConnectionState} ConnectionState */
/** @typedef {import("../protocol.js").ServerMessage} ServerMessage */

const symbol = must(document, "#symbol-page", HTMLElement).dataset.symbol ?? "";
const ask = (/** @type {string} */ url, /** @type {RequestInit} */ options) => fetch(url, options);
const serverClock = new ServerClock(clock.now);
const store = new Store();
const announcer = new Announcer(must(document, "#live", HTMLElement));
const notices = new AlertNotices({ announce: (text) => announcer.say(text), where: "on the watch list" });
const strip = new StatusStrip();
const headline = new Headline();
const dateline = must(document, "#dateline", HTMLTimeElement);
const container = must(document, "#chart", HTMLElement);
const summaryLine = must(document, "#chart-summary", HTMLElement);
const stateBox = must(document, "#chart-state", HTMLElement);
const stateText = must(stateBox, '[data-part="text"]', HTMLElement);
const retryButton = must(stateBox, "button", HTMLButtonElement);
const ranges = must(document, "#ranges", HTMLElement);
const forms = must(document, "#form", HTMLFieldSetElement);
const overlayBoxes = must(document, "#overlays", HTMLFieldSetElement);

let choice = readChoice(location.search);
/** @type {Library | null} */
let library = null;
let libraryFailed = false;
/** @type {ChartView | null} */
let view = null;
/** @type {ChartFeed} */
let feed;
/** @type {OverlayFeed[]} */
let overlays = [];
let decimals = 2;
/** The state of history that was told last. @type {LoaderState["name"]} */
let told = "idle";
/** @type {number | null} */
let roundTrip = null;
let everOpen = false;

const shown = () => ({
  range: choice.range,
  candles: feed.candles,
  figures: overlays.map(({ overlay, points }) => ({ overlay, points })),
  decimals,
});
const table = new FiguresTable(shown);
const readout = new Readout({
  slider: container,
  line: must(document, "#readout", HTMLElement),
  shown,
  onMove: (candle) => view?.point(candle),
});

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
  onAccepted: () => paintSoon(),
  onRejected: (rejected) => {
    for (const { symbol: refused, reason } of rejected) store.reject(refused, reason);
    paintSoon();
  },
  onFailed: (reason) => {
    store.reject(symbol, reason);
    paintSoon();
  },
});

const banner = new Banner({
  onRetry: () => connection.retryNow(),
  onFocusLost: () => container.focus(),
  onChange: (lost, state) => {
    if (!lost) announcer.say("Connected again.");
    else announcer.say(state.name === "closed" ? "The server ended the connection." : "Connection lost, retrying.");
    paintSoon();
  },
});

/** @param {ConnectionState} state */
function connectionChanged(state) {
  if (state.name === "open") {
    subscriber.connected();
    void notices.load();
    if (everOpen) {
      feed.reconnected();
      for (const overlay of overlays) overlay.follow();
    }
    everOpen = true;
  } else {
    subscriber.disconnected();
  }
  banner.update(state);
  paintSoon();
}

/** @param {ServerMessage} message */
function received(message) {
  switch (message.type) {
    case "prices":
      if (store.applyPrices(message.prices, message.asOf, clock.now()).length > 0) priceMoved();
      break;
    case "snapshot":
      if (store.applySnapshot(message.quotes, message.asOf, clock.now()).length > 0) priceMoved();
      break;
    case "status":
      store.applyStatus(message);
      break;
    case "subscriptions":
      subscriber.answered(message);
      break;
    case "alert":
      notices.received(message.alert);
      break;
    case "error":
      if (!subscriber.failed(message)) warn(`${message.code}: ${message.reason}`);
      break;
  }
  paintSoon();
}

function priceMoved() {
  const quote = store.entry(symbol)?.quote;
  if (!quote) return;
  feed.price(quote);
  for (const overlay of overlays) overlay.follow();
}

/** What is looked at is another range, another form, or has other figures over it. */
function choose(/** @type {Choice} */ next) {
  const otherRange = next.range !== choice.range;
  choice = next;
  showChoice();
  if (otherRange) openFeed();
  else openOverlays();
  draw();
}

function openFeed() {
  feed?.stop();
  const range = choice.range;
  feed = new ChartFeed({
    symbol,
    range,
    fetch: ask,
    clock,
    serverNow: () => serverClock.now(),
    random: Math.random,
    onCandles: (extent) => candlesChanged(extent),
    onState: (state) => {
      sayState(state);
      paintSoon();
    },
  });
  feed.start();
  // The price that is known already belongs to the new range too.
  const quote = store.entry(symbol)?.quote;
  if (quote) feed.price(quote);
  openOverlays();
}

function openOverlays() {
  const kept = overlays.filter(({ overlay, range }) => range === choice.range && choice.overlays.includes(overlay));
  for (const overlay of overlays) if (!kept.includes(overlay)) overlay.stop();
  overlays = choice.overlays.map((overlay) => {
    const known = kept.find((each) => each.overlay === overlay);
    if (known) return known;
    const made = new OverlayFeed({ symbol, overlay, range: choice.range, from: () => feed.from, fetch: ask, clock, random: Math.random, onChange: figuresChanged });
    made.start();
    return made;
  });
  table.changed();
}

/** @param {import("./feed.js").Extent} extent */
function candlesChanged(extent) {
  const { candles } = feed;
  const needed = Math.max(decimals, ...(extent === "last" ? candles.slice(-1) : candles).flatMap((c) => [c.open, c.high, c.low, c.close].map(decimalsOf)));
  table.changed();
  if (needed !== decimals) {
    decimals = needed;
    draw();
  } else if (extent === "all") {
    view?.show(candles);
    figuresChanged();
  } else {
    lastMoved = true;
  }
  if (extent === "all") {
    readout.changed();
    view?.point(readout.candle);
  }
  paintSoon();
}

function figuresChanged() {
  view?.showFigures(shown().figures);
  table.changed();
  paintSoon();
}

/** Draws the chart anew, as it is chosen. */
function draw() {
  view?.remove();
  view = null;
  container.dataset.panes = "1";
  if (library === null) return;
  view = new ChartView({ library, container, choice, decimals, onPointer: (start) => readout.pointer(start) });
  view.show(feed.candles);
  view.showFigures(shown().figures);
  readout.changed();
  view.point(readout.candle);
}

function showChoice() {
  for (const link of ranges.querySelectorAll("a")) {
    const current = link.dataset.range === choice.range.key;
    setAttribute(link, "aria-current", current ? "true" : null);
    const range = readChoice(`range=${link.dataset.range}`).range;
    setAttribute(link, "href", writeChoice({ ...choice, range }));
  }
  for (const radio of forms.querySelectorAll("input")) radio.checked = radio.value === choice.form;
  for (const box of overlayBoxes.querySelectorAll("input")) box.checked = choice.overlays.some(({ key }) => key === box.value);
}

/** Once per change, not once per try. @param {LoaderState} state */
function sayState(state) {
  if (state.name === told || state.name === "idle" || state.name === "loading") return;
  if (state.name === "unavailable") announcer.say("History cannot be read now. Live prices are drawn.");
  else if (state.name === "refused") announcer.say(`There is no history: ${state.reason}.`);
  else if (told === "unavailable") announcer.say("History is back.");
  told = state.name;
}

/** @returns {{kind: string, text: string, retry: boolean} | null} what to say over the chart */
function describeState() {
  const { state, candles } = feed;
  const { name } = choice.range;
  if (libraryFailed) return { kind: "refused", text: "The chart could not be loaded. The table below has the same figures; a reload tries again.", retry: false };
  const rejected = store.entry(symbol)?.rejected ?? null;
  switch (state.name) {
    case "unavailable": {
      const left = state.retryAt - clock.now();
      return { kind: "unavailable", text: `History cannot be read now (${state.reason}). Live prices are drawn. ${left > 0 ? `Next try in ${countdown(left)}.` : "Trying …"}`, retry: true };
    }
    case "refused":
      return { kind: "refused", text: `There is no history: ${state.reason}.`, retry: false };
    case "ready": {
      const failed = overlays.find((overlay) => overlay.state.name === "refused" || overlay.state.name === "unavailable");
      if (candles.length === 0) return { kind: "empty", text: rejected === null ? `No prices of ${symbol} in the last ${name}. The chart begins with the next one.` : `${symbol} is not served: ${rejected}.`, retry: false };
      if (failed !== undefined && "reason" in failed.state) return { kind: "unavailable", text: `${failed.overlay.name} cannot be shown: ${failed.state.reason}.`, retry: false };
      return library === null ? { kind: "loading", text: "Loading the chart …", retry: false } : null;
    }
    default:
      return { kind: "loading", text: `Reading the last ${name} …`, retry: false };
  }
}

let paintPending = false;
let lastMoved = false;

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
  const freshness = { asOf, interval: status?.interval ?? null, feed: status?.feed ?? "unknown", connected: !banner.lost };
  strip.paint({ connection: connection.state, roundTrip, lost: banner.lost, status, asOf, now, serverNow });
  banner.paint(now);
  const entry = store.entry(symbol);
  if (entry !== undefined) headline.paint(entry, rowState(entry.quote?.timestamp ?? null, isStale(freshness, serverNow), serverNow), serverNow);
  if (lastMoved) {
    lastMoved = false;
    const last = feed.candles.at(-1);
    if (last !== undefined) view?.moveLast(last);
    readout.paint();
  }
  const said = describeState();
  stateBox.hidden = said === null;
  if (said !== null) {
    stateBox.dataset.kind = said.kind;
    setText(stateText, said.text);
    if (!said.retry && retryButton.contains(document.activeElement)) container.focus();
    retryButton.hidden = !said.retry;
  }
}

function everySecond() {
  if (!document.hidden) {
    paint();
    table.paint();
    setText(summaryLine, feed.candles.length === 0 ? "" : summary(feed.candles, choice.range, decimals));
    setText(dateline, new Date(serverClock.now()).toUTCString().replace("GMT", "UTC"));
    dateline.dateTime = new Date(serverClock.now()).toISOString();
  }
  setTimeout(everySecond, 1000 - (serverClock.now() % 1000));
}

bindChoice("theme", () => window.localStorage);
// After the handler that sets the theme, which was bound before.
must(document, "#theme", HTMLFieldSetElement).addEventListener("change", () => view?.recolour());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view?.recolour());

ranges.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  choose(readChoice(location.search));
});
for (const fieldset of [forms, overlayBoxes]) {
  fieldset.addEventListener("change", () => {
    const form = forms.querySelector("input:checked")?.getAttribute("value") === "line" ? "line" : "candles";
    const wanted = [...overlayBoxes.querySelectorAll("input")].filter((box) => box.checked).map((box) => box.value);
    const next = /** @type {Choice} */ ({ range: choice.range, form, overlays: OVERLAYS.filter(({ key }) => wanted.includes(key)) });
    history.replaceState(null, "", writeChoice(next));
    choose(next);
  });
}
retryButton.addEventListener("click", () => feed.retryNow());
window.addEventListener("popstate", () => choose(readChoice(location.search)));
window.addEventListener("online", () => connection.wake());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) connection.wake();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  connection.wake();
  paintSoon();
});

store.add([symbol]);
showChoice();
openFeed();
connection.start();
everySecond();
loadLibrary().then(
  (loaded) => {
    library = loaded;
    draw();
    paintSoon();
  },
  (error) => {
    warn(`the chart library could not be loaded: ${error}`);
    libraryFailed = true;
    table.open();
    paintSoon();
  },
);
