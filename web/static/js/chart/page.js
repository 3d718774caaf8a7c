/**
 * The page of one symbol: makes the parts and connects them. As on the dashboard data goes one way:
 * messages, answers and choices change the store and the feeds, and those are painted.
 */
import { address } from "../address.js";
import { AlertNotices } from "../alert-notices.js";
import { must, setAttribute, setText } from "../dom.js";
import { countdown, decimalsOf } from "../format.js";
import { bindKeyboard } from "../keyboard.js";
import { LivePage } from "../live-page.js";
import { clock, started, warn } from "../page.js";
import { rememberRow } from "../row-memory.js";
import { standing } from "../standing.js";
import { Memory } from "../storage.js";
import { bindChoice } from "../theme.js";
import { OVERLAYS, readChoice, writeChoice } from "./choice.js";
import { ChartFeed } from "./feed.js";
import { Headline } from "./headline.js";
import { loadLibrary } from "./library.js";
import { emptyPlaces } from "./holes.js";
import { OverlayFeed } from "./overlay.js";
import { Readout } from "./readout.js";
import { FiguresTable } from "./table.js";
import { behindInWords, summary, tooFew } from "./text.js";
import { ChartView } from "./view.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./library.js").Library} Library */
/** @typedef {import("./loader.js").LoaderState} LoaderState */
/** @typedef {import("../live-page.js").View} View */

const symbol = must(document, "#symbol-page", HTMLElement).dataset.symbol ?? "";
const ask = (/** @type {string} */ url, /** @type {RequestInit} */ options) => fetch(url, options);
const notices = new AlertNotices({
  memory: new Memory(() => window.localStorage),
  announce: (text) => page.say(text),
  where: "on the watch list",
  onChange: () => {
    page.unread = notices.unread;
  },
});
const headline = new Headline();
const container = must(document, "#chart", HTMLElement);
const summaryLine = must(document, "#chart-summary", HTMLElement);
const notes = must(document, "#chart-notes", HTMLElement);
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
/** What is told of recording. @type {"current" | "behind" | "down"} */
let toldRecording = "current";
let everOpen = false;
let lastMoved = false;

const shown = () => ({
  range: choice.range,
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
  const otherRange = next.range !== choice.range;
  choice = next;
  showChoice();
  if (otherRange) openFeed();
  else openOverlays();
  draw();
}

function openFeed() {
  feed?.loader.stop();
  const range = choice.range;
  feed = new ChartFeed({
    symbol,
    range,
    fetch: ask,
    clock,
    serverNow,
    random: Math.random,
    onCandles: (extent) => candlesChanged(extent),
    onState: (state) => {
      sayState(state);
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
  const kept = overlays.filter(({ overlay, range }) => range === choice.range && choice.overlays.includes(overlay));
  for (const overlay of overlays) if (!kept.includes(overlay)) overlay.loader.stop();
  overlays = choice.overlays.map((overlay) => {
    const known = kept.find((each) => each.overlay === overlay);
    if (known) return known;
    const made = new OverlayFeed({ symbol, overlay, range: choice.range, fetch: ask, clock, random: Math.random, onChange: figuresChanged });
    made.loader.load();
    return made;
  });
  table.changed();
}

/** @param {import("./feed.js").Extent} extent */
function candlesChanged(extent) {
  const { candles } = feed;
  const needed = Math.max(decimals, store.entry(symbol)?.decimals ?? 0, ...(extent === "last" ? candles.slice(-1) : candles).flatMap((c) => [c.open, c.high, c.low, c.close].map(decimalsOf)));
  table.changed();
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
  const { candles, holes } = feed;
  view?.show(candles, emptyPlaces(holes, choice.range, candles.at(-1)?.start ?? 0));
}

/** Draws the chart anew, as it is chosen. */
function draw() {
  view?.remove();
  view = null;
  container.dataset.panes = "1";
  if (library === null) return;
  view = new ChartView({ library, container, choice, decimals, onPointer: (start) => readout.pointer(start) });
  showCandles();
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
  if (state.name === "unavailable") page.say("History cannot be read now. Live prices are drawn.");
  else if (state.name === "refused") page.say(`There is no history: ${state.reason}.`);
  else if (told === "unavailable" || told === "refused") page.say("History is back.");
  told = state.name;
}

/** Once per change. */
function sayRecording() {
  const state = feed.recording?.state ?? toldRecording;
  if (state === toldRecording) return;
  page.say(state === "current" ? "History is complete again." : (behindInWords(feed.recording) ?? ""));
  toldRecording = state;
}

/** @returns {string[]} what to know before the figures are read */
function describeNotes() {
  const { candles, recording } = feed;
  const behind = behindInWords(recording);
  const few = overlays.filter(({ loader, points }) => loader.state.name === "ready" && points.size === 0 && candles.length > 0);
  return [...(behind === null ? [] : [behind]), ...few.flatMap(({ overlay, needed }) => (needed === null ? [] : [`${tooFew(overlay, needed)}: there are not so many yet.`]))];
}

/** @returns {{kind: string, text: string, retry: boolean} | null} what to say over the chart */
function describeState() {
  const { candles, loader: { state } } = feed;
  const { name } = choice.range;
  if (libraryFailed) return { kind: "refused", text: "The chart could not be loaded. The table below has the same figures; a reload tries again.", retry: false };
  const entry = store.entry(symbol);
  const rejected = entry?.rejected ?? entry?.refusal ?? null;
  switch (state.name) {
    case "unavailable": {
      const left = state.retryAt - clock.now();
      return { kind: "unavailable", text: `History cannot be read now (${state.reason}). Live prices are drawn. ${left > 0 ? `Next try in ${countdown(left)}.` : "Trying …"}`, retry: true };
    }
    case "refused": {
      const left = state.retryAt - clock.now();
      return { kind: "refused", text: `There is no history: ${state.reason}. Live prices are drawn. ${left > 0 ? `Next try in ${countdown(left)}.` : "Trying …"}`, retry: true };
    }
    case "ready": {
      const failed = overlays.find((overlay) => overlay.loader.state.name === "refused" || overlay.loader.state.name === "unavailable");
      if (candles.length === 0) return { kind: "empty", text: rejected === null ? `No prices of ${symbol} in the last ${name}. The chart begins with the next one.` : `${symbol} is not served: ${rejected}.`, retry: false };
      if (failed !== undefined && "reason" in failed.loader.state) return { kind: "unavailable", text: `${failed.overlay.name} cannot be shown: ${failed.loader.state.reason}.`, retry: false };
      return library === null ? { kind: "loading", text: "Loading the chart …", retry: false } : null;
    }
    default:
      return { kind: "loading", text: `Reading the last ${name} …`, retry: false };
  }
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
  const said = describeState();
  stateBox.hidden = said === null;
  if (said !== null) {
    stateBox.dataset.kind = said.kind;
    setText(stateText, said.text);
    if (!said.retry && retryButton.contains(document.activeElement)) container.focus();
    retryButton.hidden = !said.retry;
  }
}

/** With the headline, so that both tell one price. */
function paintSummary() {
  const { candles, holes, from } = feed;
  const quote = store.entry(symbol)?.quote ?? null;
  const newest = quote !== null && from !== null && quote.timestamp >= from ? quote.price : null;
  setText(summaryLine, candles.length === 0 ? "" : summary(candles, choice.range, decimals, { newest, holes }));
  const told = describeNotes().join(" ");
  setText(notes, told);
  notes.hidden = told === "";
  sayRecording();
}

bindChoice("theme", () => window.localStorage);
// After the handler that sets the theme, which was bound before.
must(document, "#theme", HTMLFieldSetElement).addEventListener("change", () => view?.recolour());
for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) matchMedia(query).addEventListener("change", () => view?.recolour());

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
retryButton.addEventListener("click", () => feed.loader.retryNow());
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
rememberRow(symbol);

store.add([symbol]);
showChoice();
openFeed();
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
