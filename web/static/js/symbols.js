/**
 * Symbols as people type them. The rule is W4 of the protocol; the server applies it again.
 */

/** 1–32 characters of A–Z, digits and `. - : ^ = _ &`; `NASDAQ:AAPL` carries its exchange. */
const SYMBOL = /^[A-Z0-9.\-:^=_&]{1,32}$/;

export const MAX_SYMBOL_LENGTH = 32;

/**
 * @param {unknown} value
 * @returns {value is string}
 */
export function isSymbol(value) {
  return typeof value === "string" && SYMBOL.test(value);
}

/**
 * @typedef {object} Typed
 * @property {string[]} symbols well-formed, upper case, each once, in the order typed
 * @property {{text: string, reason: string}[]} invalid what was typed and why it cannot be a symbol
 */

/**
 * Splits a line at commas, semicolons and white space. `BTC/USD` is `BTC-USD`, as the server has it.
 * @param {string} line
 * @returns {Typed}
 */
export function parseSymbols(line) {
  /** @type {Set<string>} */
  const symbols = new Set();
  const invalid = [];
  for (const text of line.replaceAll("/", "-").split(/[\s,;]+/)) {
    if (text === "") continue;
    const reason = whyInvalid(text);
    if (reason === null) symbols.add(text.toUpperCase());
    else invalid.push({ text, reason });
  }
  return { symbols: [...symbols], invalid };
}

/**
 * Judged before upper-casing: "ß" must not become a symbol by growing into "SS".
 * @param {string} text
 * @returns {string | null} null for a good one
 */
function whyInvalid(text) {
  const bad = [...new Set([...text].filter((c) => !/[A-Za-z0-9.\-:^=_&]/.test(c)))];
  if (bad.length > 0) return `“${shorten(text)}” cannot be a symbol: ${bad.slice(0, 3).map((c) => `“${c}”`).join(" ")} is not allowed`;
  if (text.length > MAX_SYMBOL_LENGTH) return `“${shorten(text)}” is longer than ${MAX_SYMBOL_LENGTH} characters`;
  return null;
}

/**
 * @param {string} text
 * @returns {string}
 */
function shorten(text) {
  return text.length > 20 ? `${text.slice(0, 19)}…` : text;
}

/**
 * @typedef {object} Listed
 * @property {string} symbol
 * @property {string | null} exchange
 * @property {string | null} currency
 * @property {string | null} name in what was found by it
 */

/**
 * What `/api/v1/symbols` answers, with anything malformed left out.
 * @param {unknown} body
 * @returns {{symbols: Listed[], complete: boolean}}
 */
export function readSymbolList(body) {
  if (typeof body !== "object" || body === null || !("symbols" in body) || !Array.isArray(body.symbols)) {
    return { symbols: [], complete: false };
  }
  const symbols = [];
  for (const item of body.symbols) {
    if (typeof item !== "object" || item === null || !isSymbol(item.symbol)) continue;
    symbols.push({ symbol: item.symbol, exchange: textOrNull(item.exchange), currency: textOrNull(item.currency), name: textOrNull(item.name) });
  }
  return { symbols, complete: "complete" in body && body.complete === true };
}

/**
 * Listed symbols that fit what was typed: those beginning with it first, then those containing it.
 * @param {readonly Listed[]} listed
 * @param {string} typed
 * @param {number} limit
 * @returns {Listed[]}
 */
export function suggest(listed, typed, limit) {
  const wanted = typed.toUpperCase();
  const starting = [];
  const containing = [];
  for (const item of listed) {
    // `NASDAQ:AAPL` should be found by someone who types `AAP`.
    const name = item.symbol.slice(item.symbol.indexOf(":") + 1);
    if (item.symbol.startsWith(wanted) || name.startsWith(wanted)) starting.push(item);
    else if (item.symbol.includes(wanted)) containing.push(item);
    if (starting.length >= limit) break;
  }
  return [...starting, ...containing].slice(0, limit);
}

/**
 * @param {unknown} value
 * @returns {string | null}
 */
function textOrNull(value) {
  return typeof value === "string" && value !== "" ? value : null;
}
