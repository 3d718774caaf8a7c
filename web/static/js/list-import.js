/**
 * What an import would do to a list. No DOM and no I/O.
 */
import { MAX_SECTIONS, arranged } from "./arrangement.js";
import { heldOf } from "./lots.js";
import { isCost, readPositions } from "./positions.js";
import { isSymbol } from "./symbols.js";

/** @typedef {import("./arrangement.js").Arrangement} Arrangement */
/** @typedef {import("./lots.js").Lot} Lot */
/** @typedef {import("./positions.js").Position} Position */
/** @typedef {import("./positions.js").Positions} Positions */
/** `costs`: the line has a cost. `unlisted`: no feed tells it. @typedef {{symbol: string | null, section: string | null, line: number, lot?: Lot | null, costs?: boolean, unlisted?: boolean}} Entry */
/** @typedef {{line: number, text: string, reason: string}} Unread */

/**
 * @typedef {object} Plan
 * @property {Arrangement} list as it would be
 * @property {string[]} added
 * @property {string[]} there on the list already; they stay where they are
 * @property {Record<string, Position>} positions that are set, of symbols that were there as well
 * @property {string[]} left no room for these
 * @property {Unread[]} unread what is left out, and why
 * @property {string[]} notes what else somebody should know before
 */

/**
 * What the server read of a file, with anything malformed left out.
 * @param {unknown} body
 * @returns {{entries: Entry[], unread: Unread[]}}
 */
export function readAnswer(body) {
  const { entries, unread } = /** @type {{entries?: unknown, unread?: unknown}} */ (body ?? {});
  const list = (/** @type {unknown} */ value) => /** @type {any[]} */ (Array.isArray(value) ? value.filter((item) => typeof item?.line === "number") : []);
  return {
    entries: list(entries)
      .filter(({ symbol, section }) => (symbol === null ? typeof section === "string" : isSymbol(symbol)))
      .map(({ symbol, section, line, quantity, cost, currency, kind, date, fee, unlisted }) => ({
        symbol,
        section: typeof section === "string" ? section : null,
        line,
        lot: symbol === null ? null : lotOf(readPositions({ [symbol]: { quantity, cost, currency } })[symbol], kind, date, fee),
        costs: typeof cost === "string",
        unlisted: unlisted === true,
      })),
    unread: list(unread).filter(({ text, reason }) => typeof text === "string" && typeof reason === "string"),
  };
}

/**
 * @param {Position | undefined} position
 * @param {unknown} kind
 * @param {unknown} date
 * @param {unknown} fee
 * @returns {Lot | null}
 */
function lotOf(position, kind, date, fee) {
  if (position === undefined) return null;
  const trade = kind === "bought" || kind === "sold";
  return { ...position, trade, date: typeof date === "string" ? date : null, fee: typeof fee === "string" && isCost(fee) ? fee : null };
}

/**
 * @param {Arrangement} before
 * @param {readonly Entry[]} entries
 * @param {readonly Unread[]} unread
 * @param {number} most symbols that the list can hold
 * @param {Positions | null} [held] the positions of the list; null where it takes none
 * @returns {Plan}
 */
export function planOf(before, entries, unread, most, held = null) {
  const known = new Set(before.symbols);
  const added = /** @type {Set<string>} */ (new Set());
  const there = /** @type {Set<string>} */ (new Set());
  const left = /** @type {Set<string>} */ (new Set());
  const sections = before.sections.map((section) => ({ ...section, symbols: [...section.symbols] }));
  const refused = [...unread];
  const sums = sumsOf(entries);
  const unlisted = new Set(entries.flatMap(({ symbol, unlisted: no }) => (no && symbol !== null ? [symbol] : [])));
  for (const { symbol, section, line, lot = null, costs = false } of entries) {
    const sum = symbol === null ? undefined : sums.get(symbol);
    // What was bought and sold again is no reason to watch it.
    if (symbol !== null && !known.has(symbol) && sum?.note !== null && sum?.position === null && sum.trades) continue;
    if (symbol !== null && costs && lot === null) refused.push({ line, text: symbol, reason: "a cost without a quantity is no position" });
    if (symbol !== null && added.has(symbol)) continue;
    if (symbol !== null && known.has(symbol)) {
      there.add(symbol);
      continue;
    }
    if (symbol !== null && before.symbols.length + added.size >= most) {
      left.add(symbol);
      continue;
    }
    let home = sections.find(({ name }) => name.toLowerCase() === section?.toLowerCase());
    if (home === undefined && section !== null) {
      if (sections.length < MAX_SECTIONS) {
        home = { name: section, folded: false, symbols: [] };
        sections.push(home);
      } else if (!refused.some(({ text }) => text === section)) {
        refused.push({ line, text: section, reason: `a list has at most ${MAX_SECTIONS} sections; its symbols go to none` });
      }
    }
    if (symbol === null) continue;
    added.add(symbol);
    home?.symbols.push(symbol);
  }
  const positions = /** @type {Record<string, Position>} */ ({});
  const notes = /** @type {string[]} */ ([]);
  for (const [symbol, { line, position, note, lots, undated }] of sums) {
    const here = added.has(symbol) || there.has(symbol);
    if (note !== null && (here || position === null)) refused.push({ line, text: symbol, reason: note });
    if (position === null || !here) continue;
    if (held === null) {
      refused.push({ line, text: symbol, reason: "its quantity is kept only in a list that has a name" });
      continue;
    }
    positions[symbol] = position;
    const old = held[symbol];
    const order = undated ? ", with its trades in the order of the file: not each has a day that can be read" : "";
    if (old !== undefined && JSON.stringify(old) !== JSON.stringify(position)) notes.push(`${symbol}: ${inWords(position)}, instead of ${inWords(old)}${order}`);
    else if (lots > 1) notes.push(`${symbol}: ${lots} lots, ${inWords(position)}${order}`);
  }
  for (const symbol of added) if (unlisted.has(symbol)) notes.push(`${symbol}: no feed lists it, so it will have no price`);
  const list = arranged([...before.symbols, ...added], sections);
  return { list, added: [...added], there: [...there], positions, left: [...left], unread: refused, notes };
}

/**
 * @param {readonly Entry[]} entries
 * @returns {Map<string, import("./lots.js").Held & {line: number, lots: number, trades: boolean, undated: boolean}>} by symbol
 */
function sumsOf(entries) {
  /** @type {Map<string, {line: number, lots: Lot[]}>} */
  const lots = new Map();
  for (const { symbol, line, lot = null } of entries) {
    if (symbol === null || lot === null) continue;
    const known = lots.get(symbol);
    if (known === undefined) lots.set(symbol, { line, lots: [lot] });
    else known.lots.push(lot);
  }
  return new Map([...lots].map(([symbol, { line, lots: all }]) => [symbol, { ...heldOf(all), line, lots: all.length, trades: all.some(({ trade }) => trade), undated: isUndated(all) }]));
}

/**
 * Whether the average rests on the order of a file, which may have the latest first.
 * @param {readonly Lot[]} lots
 */
function isUndated(lots) {
  const trades = lots.filter(({ trade }) => trade);
  return trades.some(({ quantity }) => quantity.startsWith("-")) && trades.some(({ date }) => typeof date !== "string");
}

/** @param {Position} position */
function inWords({ quantity, cost, currency }) {
  return cost === null ? `${quantity} without a cost` : `${quantity} at an average cost of ${cost}${currency === null ? "" : ` ${currency}`}`;
}

/**
 * What is left out, in lines to read: many of one reason are one.
 * @param {readonly Unread[]} unread
 * @returns {{what: string, why: string}[]}
 */
export function leftOut(unread) {
  const shown = 3;
  /** @type {Map<string, Unread[]>} */
  const reasons = new Map();
  for (const each of unread) reasons.set(each.reason, [...(reasons.get(each.reason) ?? []), each]);
  return [...reasons].flatMap(([why, all]) => {
    if (all.length <= shown) return all.map(({ line, text }) => ({ what: `Line ${line}: ${text}`, why }));
    const lines = all.slice(0, shown).map(({ line }) => line);
    return [{ what: `Lines ${lines.join(", ")} and ${all.length - shown} more`, why }];
  });
}

/**
 * @param {Plan} plan
 * @returns {string}
 */
export function sentenceOf({ added, there, positions, left, unread }) {
  const parts = [`${count(added.length, "symbol")} would be added`];
  if (there.length > 0) parts.push(`${there.length} ${there.length === 1 ? "is" : "are"} on the list already`);
  const held = Object.keys(positions).length;
  if (held > 0) parts.push(`${count(held, "position")} set`);
  if (left.length > 0) parts.push(`${left.length} ${left.length === 1 ? "finds" : "find"} no room`);
  if (unread.length > 0) parts.push(`${unread.length} ${unread.length === 1 ? "is" : "are"} left out`);
  return `${parts.join(", ")}.`;
}

/**
 * @param {number} number
 * @param {string} thing
 */
function count(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
