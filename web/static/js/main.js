/**
 * The dashboard: makes the parts and connects them. Data goes one way: messages and what somebody does
 * change the store, the store is painted.
 */
import { Alerts } from "./alerts.js";
import { arranged, itemsOf, sectionOf } from "./arrangement.js";
import { Arranging } from "./arranging.js";
import { describeBases, directionOfDay } from "./basis.js";
import { Columns } from "./columns.js";
import { ColumnsMenu } from "./columns-menu.js";
import { must, setText } from "./dom.js";
import { enumerate } from "./format.js";
import { bindKeyboard } from "./keyboard.js";
import { KnownSymbols } from "./known-symbols.js";
import { ListDialogs } from "./list-dialogs.js";
import { LISTS_KEY, Lists } from "./lists.js";
import { LivePage } from "./live-page.js";
import { Offers } from "./offers.js";
import { clock, started } from "./page.js";
import { POSITION_COLUMNS, positionColumns } from "./position-columns.js";
import { PositionSums } from "./position-sums.js";
import { ownColumns, toldColumns } from "./quote-columns.js";
import { ask } from "./rows-api.js";
import { takeRow } from "./row-memory.js";
import { nextSorting, sorted, sortingNow } from "./sort.js";
import { COLUMNS_KEY, COMPACT_KEY, Memory, SECTIONS_KEY, SORTING_KEY, WATCHLIST_KEY, readSorting } from "./storage.js";
import { SymbolField } from "./symbol-field.js";
import { bindChoice } from "./theme.js";
import { UndoToast } from "./toast.js";
import { TrendFeed } from "./trend-feed.js";
import { Watchlist } from "./watchlist.js";

/** @typedef {import("./live-page.js").View} View */

/** Rows of a list sorted by moving values change places no more often than this, in seconds. */
const RESORT_SECONDS = 5;

/** Whether rules can fire is asked again this often, in seconds. */
const RULES_SECONDS = 60;

const storage = () => window.localStorage;
const memory = new Memory(storage);
const session = new Memory(() => window.sessionStorage);
const summary = must(document, "#summary", HTMLElement);
const sinceHead = must(document, "#since", HTMLElement);
const bases = must(document, "#bases", HTMLElement);
let sorting = readSorting(memory.load(SORTING_KEY));

const page = new LivePage({
  onOpen: () => {
    known.load();
    trends.connected();
    lists.load();
    void alerts.load();
  },
  onClosed: () => known.pause(),
  onPrices: (changed) => watchlist.changed(changed),
  onSnapshot: (changed) => {
    watchlist.described(changed);
    if (sorting !== null && !watchlist.busy) arrange();
  },
  onAlert: (alert) => alerts.received(alert),
  onAlertsChanged: () => void alerts.load(),
  onAccepted: (symbols) => page.say(`${enumerate(symbols)} added.`),
  onRejected: (rejected, asked) => {
    if (asked) {
      for (const { symbol } of rejected) store.remove(symbol);
      listChanged();
      field.refuse(rejected);
    } else {
      for (const { symbol, reason } of rejected) store.reject(symbol, reason);
      page.paintSoon();
    }
  },
  onFailed: (reason, { action, symbols }) => {
    if (action === "subscribe") for (const symbol of symbols) store.reject(symbol, reason);
    page.say(`Could not ${action} ${enumerate(symbols)}: ${reason}`);
    page.paintSoon();
  },
  onFocusLost: () => field.focus(),
  titled: () => watchlist.current,
  paint,
  everySecond: () => {
    seconds += 1;
    void trends.look();
    if (seconds % RULES_SECONDS === 0) {
      alerts.lookForTrouble();
      if (alerts.hasTrouble) known.load();
    }
    if (sorting !== null && seconds % RESORT_SECONDS === 0 && !watchlist.busy) arrange();
  },
});
const { store, subscriber } = page;
let seconds = 0;

const columns = new Columns(memory, COLUMNS_KEY);
for (const column of [...ownColumns(store), ...toldColumns(), ...positionColumns(() => lists.positions)]) columns.add(column);

const known = new KnownSymbols(() => {
  offers.show(known.current.symbols);
  field.listChanged();
});
const offers = new Offers((symbols) => {
  watch(symbols); // a few, on an empty list: all have room
  const first = symbols[0];
  // The button that was pressed is gone with the empty list.
  if (first !== undefined) watchlist.focus(first);
});

const field = new SymbolField({
  known: () => known.current,
  isWatched: (symbol) => store.entry(symbol) !== undefined,
  onSubscribe: watch,
  announce: (text) => page.say(text),
});

const watchlist = new Watchlist({
  store,
  columns,
  onRemove: unwatch,
  onSort: (id) => {
    const column = columns.column(id);
    if (column !== undefined) sortBy(nextSorting(sortingNow(sorting, columns), column));
  },
  onStep: (symbol, by) => arranging.step(symbol, by),
  onStepSection: (name, by) => arranging.stepSection(name, by),
  onDrop: (drop) => arranging.drop(drop),
  whyUnmovable: () => arranging.whyUnmovable(),
  onFold: (name) => arranging.fold(name),
  onPosition: (symbol) => dialogs.openPosition(symbol),
  onRenameSection: (name) => arranging.rename(name),
  onRemoveSection: (name) => arranging.remove(name),
  onPainted: () => setText(summary, summarise()),
  onLeave: () => field.focus(),
});

const trends = new TrendFeed({
  ask: (path) => ask((url, options) => fetch(url, options), "GET", path),
  store,
  clock,
  random: Math.random,
  wanted: () => (!columns.isShown("trend") ? [] : sortingNow(sorting, columns)?.column === "trend" ? store.symbols : watchlist.near),
  isSeen: () => !document.hidden && watchlist.hasTrends,
  onTold: (symbols) => watchlist.changed(symbols),
});

const menu = new ColumnsMenu({
  columns,
  onSort: sortBy,
  onCompact: (compact) => {
    watchlist.compact = compact;
    return memory.save(COMPACT_KEY, compact);
  },
  announce: (text) => page.say(text),
});
columns.onChoice(() => {
  showSorting();
  arrange();
});

const lists = new Lists({
  memory,
  session,
  onShow: () => {
    toast.forgetRows();
    show(lists.arrangement);
  },
  onDeleted: (undoable) => toast.offer(undoable),
  announce: (text) => page.say(text),
});

const dialogs = new ListDialogs({
  current: () => watchlist.current,
  tell: (text) => lists.tell(text),
  position: {
    symbols: () => lists.symbols,
    positions: () => lists.positions,
    currencyOf: (symbol) => store.entry(symbol)?.quote?.currency ?? null,
    whyNot: () => (lists.chosen.id === null ? "Positions are kept in lists that have a name: make one by “New list”." : null),
    onSaved: (symbol, position) => {
      lists.hold({ [symbol]: position });
      showPositions();
      page.say(position === null ? `${symbol}: no position any more.` : `${symbol}: position saved.`);
    },
    focus: (symbol) => watchlist.focus(symbol),
    tell: (text) => lists.tell(text),
  },
  files: {
    list: () => lists.arrangement,
    positions: () => lists.positions,
    what: () => lists.chosen,
    most: () => lists.most,
    onImported: (list, positions) => {
      lists.edited(list);
      lists.hold(positions);
      show(lists.arrangement);
    },
    tell: (text) => page.say(text),
  },
  sharing: { what: () => lists.chosen, announce: (text) => page.say(text) },
});
const positionSums = new PositionSums();
let hadPositions = false;

const arranging = new Arranging({
  list: () => lists.arrangement,
  isSorted: () => sortingNow(sorting, columns) !== null,
  onArranged: (list) => {
    lists.edited(list);
    store.reorder(lists.symbols);
    arrange();
  },
  current: () => watchlist.current,
  focus: (symbol) => watchlist.focus(symbol),
  focusSection: (name) => watchlist.focusSection(name),
  announce: (text) => page.say(text),
  tell: (text) => lists.tell(text),
});

const alerts = new Alerts({
  memory,
  isUnlisted: (symbol) => known.current.complete && !known.current.symbols.some((listed) => listed.symbol === symbol),
  priceOf: (symbol) => store.entry(symbol)?.quote?.price ?? null,
  onUnread: (count) => {
    page.unread = count;
  },
  onDeleted: (undoable) => toast.offer(undoable),
  announce: (text) => page.say(text),
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
 * @returns {{told: string | null, left: string[]}} what to tell beside the field, and what found no room on the list
 */
function watch(symbols) {
  const fresh = symbols.filter((symbol) => store.entry(symbol) === undefined);
  const { added } = store.add(fresh.slice(0, Math.max(0, lists.most - store.symbols.length)));
  if (added.length > 0) {
    listChanged();
    subscriber.subscribe(added);
  }
  const left = fresh.slice(added.length);
  if (left.length > 0) return { told: `The list is full: it holds ${lists.most.toLocaleString("en-US")} symbols. ${left.length} did not fit and stay here.`, left };
  if (added.length === 0) return { told: `${enumerate(symbols)} ${symbols.length === 1 ? "is" : "are"} on the list already.`, left };
  return { told: page.connected ? null : "Prices will come once there is a connection.", left };
}

/** @param {string} symbol */
function unwatch(symbol) {
  const next = watchlist.neighbour(symbol);
  const section = sectionOf(lists.arrangement, symbol);
  const position = lists.positions[symbol];
  const removed = store.remove(symbol);
  if (removed === null) return;
  listChanged();
  subscriber.unsubscribe([symbol]);
  if (next === null || !watchlist.focus(next)) field.focus();
  toast.offer({
    symbol,
    undo: () => {
      store.restore(symbol, removed);
      const sections = lists.arrangement.sections.map((one) => (one.name === section ? { ...one, symbols: [...one.symbols, symbol] } : one));
      lists.edited(arranged(store.symbols, sections));
      if (position !== undefined) lists.hold({ [symbol]: position });
      showPositions();
    },
    ofRow: true,
  });
  page.say(`${symbol} removed. Control Z brings it back.`);
}

function listChanged() {
  lists.edited({ symbols: [...store.symbols], sections: lists.arrangement.sections });
  store.reorder(lists.symbols);
  arrange();
  showPositions();
  page.paintSoon();
}

/** They are others now, of this list or another. */
function showPositions() {
  const some = Object.keys(lists.positions).length > 0;
  columns.want(POSITION_COLUMNS, some);
  if (some || hadPositions) columns.changed(store.symbols);
  hadPositions = some;
  paintSums();
}

function paintSums() {
  positionSums.paint(lists.positions, (symbol) => store.entry(symbol)?.quote ?? null);
}

/**
 * Makes the rows these, of another list or changed elsewhere; prices of those that stay are kept.
 * @param {import("./arrangement.js").Arrangement} list
 */
function show({ symbols }) {
  const wanted = new Set(symbols);
  const gone = store.symbols.filter((symbol) => !wanted.has(symbol));
  for (const symbol of gone) store.remove(symbol);
  const { added } = store.add(symbols);
  store.reorder(symbols);
  subscriber.unsubscribe(gone);
  subscriber.subscribe(added);
  arrange();
  showPositions();
  page.paintSoon();
}

/** @param {import("./sort.js").Sorting} chosen */
function sortBy(chosen) {
  sorting = chosen;
  if (memory.save(SORTING_KEY, sorting) !== null) page.say("This browser does not keep the order.");
  showSorting();
  arrange();
}

function showDensity() {
  watchlist.compact = menu.compact = memory.load(COMPACT_KEY) === "true";
}

function showSorting() {
  const now = sortingNow(sorting, columns);
  watchlist.showSorting(now);
  menu.showSorting(now);
}

function arrange() {
  const now = sortingNow(sorting, columns);
  const place = new Map(sorted(store, now, columns).map((symbol, index) => [symbol, index]));
  // A section stays a section, whatever column the list is sorted by.
  const sort = (/** @type {string[]} */ symbols) => symbols.toSorted((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
  watchlist.arrange(itemsOf(lists.arrangement, now === null ? undefined : sort));
  offers.visible = store.symbols.length === 0;
  if (store.symbols.length === 0) offers.show(known.current.symbols);
}

/** @param {View} view */
function paint({ feed, now }) {
  watchlist.tick(feed, now);
  paintSums();
  const { head, sentence } = describeBases(store.symbols.map((symbol) => store.entry(symbol)?.quote ?? null));
  setText(sinceHead, head === "" ? "" : ` ${head}`);
  setText(bases, sentence);
}

/** Of what is in the rows at this moment. @returns {string} "6 symbols · 4 up · 1 down" */
function summarise() {
  const { symbols } = store;
  if (symbols.length === 0) return "";
  let up = 0;
  let down = 0;
  for (const symbol of symbols) {
    const entry = store.entry(symbol);
    const direction = entry === undefined ? "flat" : directionOfDay(entry);
    if (direction === "up") up += 1;
    else if (direction === "down") down += 1;
  }
  return `${symbols.length} ${symbols.length === 1 ? "symbol" : "symbols"} · ${up} up · ${down} down`;
}

const arrangeButton = must(document, "#list-arrange", HTMLButtonElement);
arrangeButton.addEventListener("click", () => {
  const on = arrangeButton.getAttribute("aria-pressed") !== "true";
  arrangeButton.setAttribute("aria-pressed", String(on));
  watchlist.arranging = on;
});

bindChoice("theme", storage);
bindChoice("palette", storage);
bindKeyboard({ onFind: () => field.focus(), onUndo: () => toast.undo() });

// Another tab changed the list: this one follows, instead of writing its own over it later.
window.addEventListener("storage", (event) => {
  if (event.key === COLUMNS_KEY) columns.reread();
  if (event.key === COMPACT_KEY) showDensity();
  if (event.key !== WATCHLIST_KEY && event.key !== SECTIONS_KEY && event.key !== LISTS_KEY) return;
  lists.reread();
  show(lists.arrangement);
});

store.add(lists.symbols);
showDensity();
showSorting();
arrange();
showPositions();
const row = takeRow();
// An address with a name in it says itself where the focus goes.
if (row !== null && location.hash === "") watchlist.focus(row);
// A page that comes back as it was has its focus, and the row is no news at the next load.
window.addEventListener("pageshow", (event) => event.persisted && takeRow());
page.start();
started();
