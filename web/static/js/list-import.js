/**
 * What an import would do to a list. No DOM and no I/O.
 */
import { MAX_SECTIONS, arranged } from "./arrangement.js";
import { isSymbol } from "./symbols.js";

/** @typedef {import("./arrangement.js").Arrangement} Arrangement */
/** @typedef {{symbol: string | null, section: string | null, line: number, held?: boolean}} Entry `held`: with a quantity or a cost */
/** @typedef {{line: number, text: string, reason: string}} Unread */

/**
 * @typedef {object} Plan
 * @property {Arrangement} list as it would be
 * @property {string[]} added
 * @property {string[]} there on the list already; they stay where they are
 * @property {string[]} left no room for these
 * @property {Unread[]} unread
 * @property {boolean} held quantities or costs were read, which a list does not keep
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
      .map(({ symbol, section, line, quantity, cost }) => ({
        symbol,
        section: typeof section === "string" ? section : null,
        line,
        held: typeof quantity === "string" || typeof cost === "string",
      })),
    unread: list(unread).filter(({ text, reason }) => typeof text === "string" && typeof reason === "string"),
  };
}

/**
 * @param {Arrangement} before
 * @param {readonly Entry[]} entries
 * @param {readonly Unread[]} unread
 * @param {number} most symbols that the list can hold
 * @returns {Plan}
 */
export function planOf(before, entries, unread, most) {
  const known = new Set(before.symbols);
  const added = /** @type {Set<string>} */ (new Set());
  const there = /** @type {Set<string>} */ (new Set());
  const left = /** @type {Set<string>} */ (new Set());
  const sections = before.sections.map((section) => ({ ...section, symbols: [...section.symbols] }));
  const refused = [...unread];
  for (const { symbol, section, line } of entries) {
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
  return { list, added: [...added], there: [...there], left: [...left], unread: refused, held: entries.some(({ held }) => held === true) };
}

/**
 * @param {Plan} plan
 * @returns {string}
 */
export function sentenceOf({ added, there, left, unread, held }) {
  const parts = [`${count(added.length, "symbol")} would be added`];
  if (there.length > 0) parts.push(`${there.length} ${there.length === 1 ? "is" : "are"} on the list already`);
  if (left.length > 0) parts.push(`${left.length} ${left.length === 1 ? "finds" : "find"} no room`);
  if (unread.length > 0) parts.push(`${unread.length} not understood`);
  return `${parts.join(", ")}.${held ? " Quantities and costs are not kept yet." : ""}`;
}

/**
 * @param {number} number
 * @param {string} thing
 */
function count(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
