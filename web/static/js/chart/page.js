/**
 * The page of one symbol: makes the parts and connects them. As on the dashboard data goes one way:
 * messages, answers and choices change the store and the feeds, and those are painted.
 */
import { AlertNotices } from "../alert-notices.js";
import { address, storageKey } from "../address.js";
import { must, setText } from "../dom.js";
import { decimalsOf } from "../format.js";
import { bindKeyboard } from "../keyboard.js";
import { LivePage } from "../live-page.js";
import { clock, started, warn } from "../page.js";
import { rememberRow } from "../row-memory.js";
import { standing } from "../standing.js";
import { Memory } from "../storage.js";
import { bindChoice } from "../theme.js";
import { AlertHere } from "./alert-here.js";
import { Comparison } from "./comparison.js";
import { readChoice, writeChoice } from "./choice.js";
import { Controls } from "./controls.js";
import { ChartFeed } from "./feed.js";
import { Headline } from "./headline.js";
import { loadLibrary } from "./library.js";
import { bindKeys } from "./keys.js";
import { Neighbours } from "./neighbours.js";
import { OverlayFeed } from "./overlay.js";
import { Picture } from "./picture.js";
import { finestFor, usualRange, withInterval } from "./ranges.js";
import { Readout } from "./readout.js";
import { Announced, OverChart, aboveChart, overChart, sumsOf } from "./saying.js";
import { FiguresTable } from "./table.js";
import { when } from "./text.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {import("../live-page.js").View} View */

const { symbol = "", zone: exchangeZone = "UTC" } = must(document, "#symbol-page", HTMLElement).dataset;
const memory = new Memory(() => window.localStorage);
const ask = (/** @type {string} */ url, /** @type {RequestInit} */ options) => fetch(url, options);
const notices = new AlertNotices({
  memory,
  announce: (text) => page.say(text),
  where: "on the watch list",
  alsoRead: () => alertHere.read(),
  onChange: () => {
    page.unread = notices.unread;
  },
});
const alertHere = new AlertHere({
  symbol,
  newest: () => store.entry(symbol)?.quote?.price ?? null,
  decimals: () => decimals,
  isUnlisted: () => (store.entry(symbol)?.rejected ?? store.entry(symbol)?.refusal ?? null) !== null,
  announce: (text) => page.say(text),
  onMade: () => notices.rulesChanged(),
  onRules: () => picture.mark(),
});
const headline = new Headline();
const container = must(document, "#chart", HTMLElement);
const summaryLine = must(document, "#chart-summary", HTMLElement);
const notes = must(document, "#chart-notes", HTMLElement);
const over = new OverChart({ onRetry: () => feed.loader.retryNow(), onFocusLost: () => container.focus() });

let choice = readChoice(location.search, symbol);
let libraryFailed = false;
/** @type {ChartFeed} */
let feed;
/** @type {OverlayFeed[]} */
let overlays = [];
let decimals = 2;
let everOpen = false;
let lastMoved = false;
let secondMoved = false;
/** The range with the candles that it is drawn with. */
let range = choice.range;
/** How much there is of all, ms; null while that is not known, or something else is shown. @type {number | null} */
let lengthOfAll = null;

const controls = new Controls({
  choice: () => choice,
  onChoose: go,
  onZone: () => {
    drawAnew();
    table.changed();
    page.paintSoon();
  },
  memory,
  key: storageKey("chart-times"),
  exchange: exchangeZone,
});
bindChoice("theme", () => window.localStorage);
const picture = new Picture({
  container,
  scene: () => ({ ...shown(), choice, feed, thresholds: alertHere.thresholds, pointed: readout.candle, now: serverNow() }),
  onPointer: (start) => readout.pointer(start),
  onPrice: (at) => alertHere.open(at),
  onEdge: () => {
    feed.goBack();
    comparison.goBack();
  },
  onOlder: () => overlays.forEach(({ loader }) => loader.refresh(true)),
  onReset: () => {
    feed.forgetOlder();
    comparison.forgetOlder();
  },
  onRange: (wider) => go({ ...choice, range: wider, interval: null }),
});
const neighbours = new Neighbours(symbol, (other) => writeChoice({ ...choice, compare: choice.compare === other ? null : choice.compare }));

/** What both feeds have of the page. */
const feeding = { fetch: ask, clock, serverNow, random: Math.random };
const comparison = new Comparison({
  symbol,
  feeding,
  quoteOf: (other) => store.entry(other)?.quote ?? null,
  refusalOf: (other) => store.entry(other)?.rejected ?? store.entry(other)?.refusal ?? null,
  onChoose: (compare) => go({ ...choice, compare }),
  onCandles: (extent) => {
    if (extent === "all") {
      picture.showCandles();
      picture.showFigures();
    } else secondMoved = true;
    table.changed(extent === "last" ? "newest" : "all");
    page.paintSoon();
  },
  onState: () => page.paintSoon(),
  announce: (text) => page.say(text),
});
const shown = () => ({
  range,
  symbol,
  beside: comparison.beside(feed.inRange),
  zone: controls.zone,
  candles: feed.candles,
  figures: overlays.map(({ overlay, points, needed }) => ({ overlay, points, needed })),
  decimals,
});
const table = new FiguresTable(shown);
const readout = new Readout({
  slider: container,
  line: must(document, "#readout", HTMLElement),
  shown,
  onMove: (candle) => picture.point(candle),
});

const page = new LivePage({
  onOpen: () => {
    void notices.load();
    if (everOpen) {
      feed.reconnected();
      comparison.reconnected();
      for (const overlay of overlays) overlay.follow();
    }
    everOpen = true;
  },
  onClosed: () => {},
  onPrices: (changed) => {
    if (changed.length === 0) return;
    priceMoved();
    page.paintSoon();
  },
  onSnapshot: (changed) => {
    if (changed.length > 0) priceMoved();
  },
  onAlertsChanged: () => void notices.load(),
  onAlert: (alert) => notices.received(alert),
  onAccepted: () => page.paintSoon(),
  onRejected: (rejected) => {
    for (const { symbol: refused, reason } of rejected) store.reject(refused, reason);
    page.paintSoon();
  },
  onFailed: (reason, { action, symbols }) => {
    if (action === "subscribe") for (const failed of symbols) store.reject(failed, reason);
    page.paintSoon();
  },
  onFocusLost: () => container.focus(),
  titled: () => symbol,
  paint,
  everySecond: () => {
    feed.tick();
    comparison.tick();
    table.paint();
  },
});
const { store } = page;
const announced = new Announced((text) => page.say(text));

function priceMoved() {
  comparison.follow();
  const quote = store.entry(symbol)?.quote;
  if (!quote) return;
  feed.price(quote);
  for (const overlay of overlays) overlay.follow();
}

/** @returns {number | null} ms; null until the server has told its time, which comes before all else it says */
function serverNow() {
  return store.status === null && !store.entry(symbol)?.quote ? null : page.serverNow();
}

/** Shows something else, and has it in the address. */
function go(/** @type {Choice} */ next, isStep = true) {
  history[isStep ? "pushState" : "replaceState"](null, "", writeChoice(next));
  choose(next);
}

/** What is looked at is another range, another form, or has other figures over it. */
function choose(/** @type {Choice} */ next) {
  const otherRange = next.range !== choice.range || next.interval !== choice.interval;
  const otherBeside = next.compare !== choice.compare;
  choice = next;
  if (otherBeside) followSecond();
  if (otherRange) {
    lengthOfAll = null;
    openFeed(next.range);
  } else {
    if (otherBeside) comparison.open(choice.compare, range);
    openOverlays();
  }
  showChoice();
  drawAnew();
}

/** All that there is was read in the longest candles: it is drawn in the shortest that do. */
function refine() {
  const first = feed.candles[0];
  if (choice.range.key !== "all" || first === undefined || lengthOfAll !== null) return;
  lengthOfAll = (serverNow() ?? first.start) - first.start;
  const interval = choice.interval ?? finestFor(lengthOfAll);
  if (interval !== range.interval) {
    openFeed(withInterval(usualRange("all"), interval));
    drawAnew();
  }
  showChoice();
}

/** Prices of the symbol beside this one are wanted too, and of no other. */
function followSecond() {
  const { compare } = choice;
  const gone = store.symbols.filter((each) => each !== symbol && each !== compare);
  for (const each of gone) store.remove(each);
  if (gone.length > 0) page.subscriber.unsubscribe(gone);
  if (compare !== null && store.add([compare]).added.length > 0) page.subscriber.subscribe([compare]);
}

function openFeed(/** @type {Range} */ wanted) {
  feed?.stop();
  range = wanted;
  picture.forget();
  feed = new ChartFeed({
    ...feeding,
    symbol,
    range,
    onCandles: (extent) => candlesChanged(extent),
    onState: (state) => {
      announced.state(state);
      if (state.name === "ready") refine();
      page.paintSoon();
    },
  });
  feed.loader.load();
  // The price that is known already belongs to the new range too.
  const quote = store.entry(symbol)?.quote;
  if (quote) feed.price(quote);
  comparison.open(choice.compare, range);
  openOverlays();
}

function openOverlays() {
  const kept = overlays.filter((each) => each.range === range && choice.overlays.includes(each.overlay));
  for (const overlay of overlays) if (!kept.includes(overlay)) overlay.loader.stop();
  overlays = choice.overlays.map((overlay) => {
    const known = kept.find((each) => each.overlay === overlay);
    if (known) return known;
    const made = new OverlayFeed({ symbol, overlay, range, from: () => feed.reached, fetch: ask, clock, random: Math.random, onChange: figuresChanged });
    made.loader.load();
    return made;
  });
  table.changed();
}

/** @param {import("./feed.js").Extent} extent */
function candlesChanged(extent) {
  const { candles } = feed;
  const needed = Math.max(decimals, store.entry(symbol)?.decimals ?? 0, ...(extent === "last" ? candles.slice(-1) : candles).flatMap((c) => [c.open, c.high, c.low, c.close].map(decimalsOf)));
  table.changed(extent === "last" ? "newest" : "all");
  if (needed !== decimals) {
    decimals = needed;
    drawAnew();
  } else if (extent === "all") {
    picture.showCandles();
    figuresChanged();
  } else {
    lastMoved = true;
  }
  if (extent === "all") {
    readout.changed();
    picture.point(readout.candle);
  }
  page.paintSoon();
}

function figuresChanged() {
  picture.showFigures();
  table.changed();
  readout.paint(); // of a price that stands nothing else would
  page.paintSoon();
}

function drawAnew() {
  picture.draw();
  readout.changed();
}

function showChoice() {
  controls.paint(range, lengthOfAll);
  neighbours.paint();
}

/** @param {View} view */
function paint({ feed: fetching, now }) {
  const entry = store.entry(symbol);
  if (entry !== undefined) headline.paint(entry, standing(entry, fetching, now), Math.max(decimals, entry.decimals));
  paintSummary();
  if (lastMoved) {
    lastMoved = false;
    const last = feed.candles.at(-1);
    if (last !== undefined) picture.moveLast(last);
    readout.paint();
  }
  if (secondMoved && comparison.newest !== undefined) {
    secondMoved = false;
    picture.moveSecond(comparison.newest);
    readout.paint();
  }
  const said = overChart({
    symbol,
    range,
    feed,
    overlays,
    rejected: entry?.rejected ?? entry?.refusal ?? null,
    library: libraryFailed ? "failed" : picture.hasLibrary ? "ready" : "loading",
    now: clock.now(),
  });
  over.paint(said);
}

/** With the headline, so that both tell one price. */
function paintSummary() {
  const quote = store.entry(symbol)?.quote ?? null;
  const sums = sumsOf({ feed, range, decimals, quote, zone: controls.zone });
  const compared = comparison.inWords(feed.inRange, quote?.price ?? null, range, (start) => when(start, range, controls.zone));
  setText(summaryLine, `${sums} ${compared}`.trim());
  const told = [...aboveChart({ feed, overlays }), ...(comparison.trouble === null ? [] : [comparison.trouble])].join(" ");
  setText(notes, told);
  notes.hidden = told === "";
  announced.recording(feed.recording);
}

window.addEventListener("popstate", () => choose(readChoice(location.search, symbol)));

bindKeyboard({
  // The field is on the watch list, whose address with its name moves the focus there.
  onFind: () => location.assign(address("/#symbol")),
  onUndo: () => false,
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null) return;
  location.assign(address("/"));
});
bindKeys({
  "+": () => picture.zoom(1),
  "=": () => picture.zoom(1),
  "-": () => picture.zoom(-1),
  0: () => picture.reset(),
  c: () => comparison.focus(),
  a: () => alertHere.open(readout.candle?.close ?? null),
  "[": () => neighbours.go("before"),
  "]": () => neighbours.go("after"),
});
rememberRow(symbol);

store.add(choice.compare === null ? [symbol] : [symbol, choice.compare]);
openFeed(choice.range);
showChoice();
page.start();
started();
loadLibrary().then(
  (loaded) => {
    picture.begin(loaded);
    readout.changed();
    page.paintSoon();
  },
  (error) => {
    warn(`the chart library could not be loaded: ${error}`);
    libraryFailed = true;
    table.open();
    page.paintSoon();
  },
);
