/**
 * What an import would do to a list. No DOM and no I/O.
 */
import { MAX_SECTIONS, arranged } from "./arrangement.js";
import { readPositions } from "./positions.js";
import { isSymbol } from "./symbols.js";

/** @typedef {import("./arrangement.js").Arrangement} Arrangement */
/** @typedef {import("./positions.js").Position} Position */
/** `costs`: the line has a cost. @typedef {{symbol: string | null, section: string | null, line: number, position?: Position | null, costs?: boolean}} Entry */
/** @typedef {{line: number, text: string, reason: string}} Unread */

/**
 * @typedef {object} Plan
 * @property {Arrangement} list as it would be
 * @property {string[]} added
 * @property {string[]} there on the list already; they stay where they are
 * @property {Record<string, Position>} positions that are set, of symbols that were there as well
 * @property {string[]} left no room for these
 * @property {Unread[]} unread
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
      .map(({ symbol, section, line, quantity, cost, currency }) => ({
        symbol,
        section: typeof section === "string" ? section : null,
        line,
        position: symbol === null ? null : (readPositions({ [symbol]: { quantity, cost, currency } })[symbol] ?? null),
        costs: typeof cost === "string",
      })),
    unread: list(unread).filter(({ text, reason }) => typeof text === "string" && typeof reason === "string"),
  };
}

/**
 * @param {Arrangement} before
 * @param {readonly Entry[]} entries
 * @param {readonly Unread[]} unread
 * @param {number} most symbols that the list can hold
 * @param {boolean} [holds] whether the list takes positions
 * @returns {Plan}
 */
export function planOf(before, entries, unread, most, holds = false) {
  const known = new Set(before.symbols);
  const added = /** @type {Set<string>} */ (new Set());
  const there = /** @type {Set<string>} */ (new Set());
  const left = /** @type {Set<string>} */ (new Set());
  const sections = before.sections.map((section) => ({ ...section, symbols: [...section.symbols] }));
  const refused = [...unread];
  const positions = /** @type {Record<string, Position>} */ ({});
  const full = (/** @type {string} */ symbol) => !known.has(symbol) && !added.has(symbol) && before.symbols.length + added.size >= most;
  for (const { symbol, section, line, position = null, costs = false } of entries) {
    if (symbol !== null && !full(symbol)) {
      if (position === null && costs) refused.push({ line, text: symbol, reason: "a cost without a quantity is no position" });
      else if (position !== null && symbol in positions) refused.push({ line, text: symbol, reason: "a symbol has one position: that of its first line is taken" });
      else if (position !== null && !holds) refused.push({ line, text: symbol, reason: "its quantity is kept only in a list that has a name" });
      else if (position !== null) positions[symbol] = position;
    }
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
  const list = arranged([...before.symbols, ...added], sections);
  return { list, added: [...added], there: [...there], positions, left: [...left], unread: refused };
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
  if (unread.length > 0) parts.push(`${unread.length} not understood`);
  return `${parts.join(", ")}.`;
}

/**
 * @param {number} number
 * @param {string} thing
 */
function count(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
