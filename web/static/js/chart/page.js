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
import { readChoice, writeChoice } from "./choice.js";
import { Controls } from "./controls.js";
import { ChartFeed } from "./feed.js";
import { Headline } from "./headline.js";
import { loadLibrary } from "./library.js";
import { emptyPlaces } from "./holes.js";
import { bindKeys } from "./keys.js";
import { Neighbours } from "./neighbours.js";
import { OverlayFeed } from "./overlay.js";
import { finestFor, rangeFor, usualRange, withInterval } from "./ranges.js";
import { Readout } from "./readout.js";
import { Announced, OverChart, aboveChart, overChart, sumsOf } from "./saying.js";
import { FiguresTable } from "./table.js";
import { ChartView } from "./view.js";
import { ViewTools } from "./view-tools.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./library.js").Library} Library */
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
  onRules: () => view?.mark(alertHere.thresholds),
});
const headline = new Headline();
const container = must(document, "#chart", HTMLElement);
const summaryLine = must(document, "#chart-summary", HTMLElement);
const notes = must(document, "#chart-notes", HTMLElement);
const over = new OverChart({ onRetry: () => feed.loader.retryNow(), onFocusLost: () => container.focus() });

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
let everOpen = false;
let lastMoved = false;
/** The range with the candles that it is drawn with. */
let range = choice.range;
/** How much there is of all, ms; null while that is not known, or something else is shown. @type {number | null} */
let lengthOfAll = null;
/** How far back somebody went, when the candles were drawn last. @type {number | null} */
let drawnFrom = null;

const controls = new Controls({
  choice: () => choice,
  onChoose: (next, kept) => {
    history[kept ? "pushState" : "replaceState"](null, "", writeChoice(next));
    choose(next);
  },
  onZone: () => {
    draw();
    readout.changed();
    table.changed();
    page.paintSoon();
  },
  memory,
  key: storageKey("chart-times"),
  exchange: exchangeZone,
});
const tools = new ViewTools({
  onZoom: (step) => view?.zoom(step),
  onReset: resetView,
  onRange: (wider) => {
    const next = { ...choice, range: wider, interval: null };
    history.pushState(null, "", writeChoice(next));
    choose(next);
  },
});
const neighbours = new Neighbours(symbol, (other) => writeChoice({ ...choice, compare: choice.compare === other ? null : choice.compare }));

const shown = () => ({
  range,
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
  onMove: (candle) => view?.point(candle),
});

const page = new LivePage({
  onOpen: () => {
    void notices.load();
    if (everOpen) {
      feed.reconnected();
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
  onAlert: (alert) => notices.received(alert),
  onAccepted: () => page.paintSoon(),
  onRejected: (rejected) => {
    for (const { symbol: refused, reason } of rejected) store.reject(refused, reason);
    page.paintSoon();
  },
  onFailed: (reason) => {
    store.reject(symbol, reason);
    page.paintSoon();
  },
  onFocusLost: () => container.focus(),
  titled: () => symbol,
  paint,
  everySecond: () => {
    feed.tick();
    table.paint();
  },
});
const { store } = page;
const announced = new Announced((text) => page.say(text));

function priceMoved() {
  const quote = store.entry(symbol)?.quote;
  if (!quote) return;
  feed.price(quote);
  for (const overlay of overlays) overlay.follow();
}

/** @returns {number | null} ms; null until the server has told its time, which comes before all else it says */
function serverNow() {
  return store.status === null && !store.entry(symbol)?.quote ? null : page.serverNow();
}

/** What is looked at is another range, another form, or has other figures over it. */
function choose(/** @type {Choice} */ next) {
  const otherRange = next.range !== choice.range || next.interval !== choice.interval;
  choice = next;
  if (otherRange) {
    lengthOfAll = null;
    openFeed(next.range);
  } else openOverlays();
  showChoice();
  draw();
}

/** All that there is was read in the longest candles: it is drawn in the shortest that do. */
function refine() {
  const first = feed.candles[0];
  if (choice.range.key !== "all" || first === undefined || lengthOfAll !== null) return;
  lengthOfAll = (serverNow() ?? first.start) - first.start;
  const interval = choice.interval ?? finestFor(lengthOfAll);
  if (interval !== range.interval) {
    openFeed(withInterval(usualRange("all"), interval));
    draw();
  }
  showChoice();
}

function openFeed(/** @type {Range} */ wanted) {
  feed?.stop();
  range = wanted;
  drawnFrom = null;
  feed = new ChartFeed({
    symbol,
    range,
    fetch: ask,
    clock,
    serverNow,
    random: Math.random,
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
    draw();
  } else if (extent === "all") {
    showCandles();
    figuresChanged();
  } else {
    lastMoved = true;
  }
  if (extent === "all") {
    readout.changed();
    view?.point(readout.candle);
  }
  page.paintSoon();
}

function figuresChanged() {
  view?.showFigures(shown().figures);
  table.changed();
  readout.paint(); // of a price that stands nothing else would
  page.paintSoon();
}

function showCandles() {
  const { candles, holes, reached } = feed;
  const older = reached !== null && reached !== drawnFrom;
  drawnFrom = reached;
  view?.show(candles, emptyPlaces(holes, range, candles.at(-1)?.start ?? 0), older);
  if (older) for (const overlay of overlays) overlay.loader.refresh(true);
  paintTools();
}

/** The range as it was chosen: nothing older, and all of it. */
function resetView() {
  feed.forgetOlder();
  view?.fit();
  paintTools();
}

function paintTools(isPart = view?.isPart ?? false) {
  const { reached } = feed;
  const now = serverNow();
  tools.paint({ isPart: isPart || reached !== null, wider: reached === null || now === null ? null : rangeFor(now - reached, range) });
}

/** Draws the chart anew, as it is chosen. */
function draw() {
  view?.remove();
  view = null;
  container.dataset.panes = "1";
  if (library === null) return;
  view = new ChartView({
    library,
    container,
    choice: { ...choice, range },
    decimals,
    zone: controls.zone,
    onPointer: (start) => readout.pointer(start),
    onEdge: () => feed.goBack(),
    onPart: paintTools,
    onPrice: (at) => alertHere.open(at),
  });
  view.mark(alertHere.thresholds);
  showCandles();
  view.showFigures(shown().figures);
  readout.changed();
  view.point(readout.candle);
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
    if (last !== undefined) view?.moveLast(last);
    readout.paint();
  }
  const said = overChart({
    symbol,
    range,
    feed,
    overlays,
    rejected: entry?.rejected ?? entry?.refusal ?? null,
    library: libraryFailed ? "failed" : library === null ? "loading" : "ready",
    now: clock.now(),
  });
  over.paint(said);
}

/** With the headline, so that both tell one price. */
function paintSummary() {
  setText(summaryLine, sumsOf({ feed, range, decimals, quote: store.entry(symbol)?.quote ?? null, zone: controls.zone }));
  const told = aboveChart({ feed, overlays }).join(" ");
  setText(notes, told);
  notes.hidden = told === "";
  announced.recording(feed.recording);
}

bindChoice("theme", () => window.localStorage);
// After the handler that sets the theme, which was bound before.
must(document, "#theme", HTMLFieldSetElement).addEventListener("change", () => view?.recolour());
for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) matchMedia(query).addEventListener("change", () => view?.recolour());

window.addEventListener("popstate", () => choose(readChoice(location.search)));

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
  "+": () => view?.zoom(1),
  "=": () => view?.zoom(1),
  "-": () => view?.zoom(-1),
  0: resetView,
  a: () => alertHere.open(readout.candle?.close ?? null),
  "[": () => neighbours.go("before"),
  "]": () => neighbours.go("after"),
});
rememberRow(symbol);

store.add([symbol]);
openFeed(choice.range);
showChoice();
page.start();
started();
loadLibrary().then(
  (loaded) => {
    library = loaded;
    draw();
    page.paintSoon();
  },
  (error) => {
    warn(`the chart library could not be loaded: ${error}`);
    libraryFailed = true;
    table.open();
    page.paintSoon();
  },
);
