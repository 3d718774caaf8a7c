/**
 * What the chart asks the server over HTTP: addresses, and answers read item by item.
 */
import { address } from "../address.js";

/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Range} Range */
/** @typedef {import("./choice.js").Overlay} Overlay */

/** @typedef {{start: number, value: number}} Point start in ms */

/**
 * An answer, or why there is none. `temporary`: asking again later may help; `retryAfter` in ms is the
 * server's own word on when.
 * @template T
 * @typedef {{ok: true, value: T} | {ok: false, temporary: boolean, reason: string, retryAfter: number | null}} Answer
 */

/** The part of `fetch` that is used here. @typedef {(url: string, options: {signal: AbortSignal}) => Promise<Response>} Fetch */

/**
 * How far recording has come: prices received before `completeTo` are in the answer. All in ms.
 * @typedef {{state: "current" | "behind" | "down", completeTo: number, behind: number}} Recording
 */

/** from: the start of the range; serverTime: when the server was asked; ms. @typedef {{candles: Candle[], from: number, serverTime: number, recording: Recording}} History */
/** needed: candles before there is a value. @typedef {{points: Point[], needed: number | null}} Figure */

/** As many candles as a range has at most, and some that came meanwhile. */
const MOST = "2000";

/**
 * The server works out a whole range by its own clock: none of a browser is in it.
 * @param {string} symbol
 * @param {Range} range
 * @param {number | null} from ms; null for the whole range
 * @returns {string}
 */
export function historyAddress(symbol, { last, interval }, from) {
  const query = new URLSearchParams({ interval, limit: MOST, ...(from === null ? { last } : { from: new Date(from).toISOString() }) });
  return address(`/api/v1/history/${encodeURIComponent(symbol)}?${query}`);
}

/** How many older candles are read at once. */
export const OLDER = 500;

/**
 * @param {string} symbol
 * @param {Range} range
 * @param {number} to ms; candles from before then
 * @returns {string}
 */
export function olderAddress(symbol, { interval }, to) {
  const query = new URLSearchParams({ interval, limit: String(OLDER), to: new Date(to).toISOString() });
  return address(`/api/v1/history/${encodeURIComponent(symbol)}?${query}`);
}

/**
 * @param {string} symbol
 * @param {Overlay} overlay
 * @param {Range} range
 * @param {number | null} from ms; null for the whole range
 * @returns {string}
 */
export function indicatorAddress(symbol, { key, period }, { interval, last }, from) {
  const since = from === null ? { last } : { from: new Date(from).toISOString() };
  const query = new URLSearchParams({ indicator: key, period: String(period), interval, limit: MOST, ...since });
  return address(`/api/v1/indicators/${encodeURIComponent(symbol)}?${query}`);
}

/**
 * @param {unknown} body
 * @returns {History | null} null when it is no such answer; malformed candles are left out
 */
export function readHistory(body) {
  const items = listIn(body, "candles");
  const from = timeOf(fieldOf(body, "from"));
  const serverTime = timeOf(fieldOf(body, "server_time"));
  const recording = readRecording(fieldOf(body, "recording"));
  if (items === null || from === null || serverTime === null || recording === null) return null;
  const candles = [];
  for (const item of items) {
    const at = timeOf(fieldOf(item, "start"));
    const { open, high, low, close, ticks, volume } = /** @type {Record<string, unknown>} */ (item ?? {});
    if (at === null || !isNumber(open) || !isNumber(high) || !isNumber(low) || !isNumber(close)) continue;
    candles.push({ start: at, open, high, low, close, ticks: isNumber(ticks) ? ticks : null, volume: isNumber(volume) ? volume : null });
  }
  return { candles, from, serverTime, recording };
}

/**
 * @param {unknown} item
 * @returns {Recording | null}
 */
function readRecording(item) {
  const state = fieldOf(item, "state");
  const completeTo = timeOf(fieldOf(item, "complete_to"));
  const behind = fieldOf(item, "behind_seconds");
  if ((state !== "current" && state !== "behind" && state !== "down") || completeTo === null || !isNumber(behind)) return null;
  return { state, completeTo, behind: behind * 1000 };
}

/**
 * @param {unknown} body
 * @returns {Figure | null}
 */
export function readFigure(body) {
  const items = listIn(body, "points");
  if (items === null) return null;
  const points = [];
  for (const item of items) {
    const at = timeOf(fieldOf(item, "start"));
    const value = fieldOf(item, "value");
    if (at !== null && isNumber(value)) points.push({ start: at, value });
  }
  const warmUp = fieldOf(body, "warm_up");
  return { points, needed: isNumber(warmUp) ? warmUp + 1 : null };
}

/**
 * Never throws: every way in which this can fail is an answer.
 * @template T
 * @param {Fetch} fetch
 * @param {string} url
 * @param {(body: unknown) => T | null} read
 * @param {AbortSignal} signal
 * @returns {Promise<Answer<T>>}
 */
export async function ask(fetch, url, read, signal) {
  try {
    const response = await fetch(url, { signal });
    /** @type {unknown} */
    const body = await response.json().catch(() => null);
    if (!response.ok) return refusal(response, body);
    const value = read(body);
    return value === null ? { ok: false, temporary: true, reason: "the answer makes no sense", retryAfter: null } : { ok: true, value };
  } catch {
    return { ok: false, temporary: true, reason: "the server cannot be reached", retryAfter: null };
  }
}

/**
 * @param {Response} response
 * @param {unknown} body
 * @returns {Answer<never>}
 */
function refusal(response, body) {
  const error = /** @type {any} */ (body)?.error;
  // It goes into a sentence of ours.
  const reason = typeof error?.reason === "string" ? error.reason.replace(/\.$/, "") : `the server answered ${response.status}`;
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return {
    ok: false,
    temporary: response.status >= 500 || response.status === 429,
    reason,
    retryAfter: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null,
  };
}

/**
 * @param {unknown} item
 * @param {string} name
 * @returns {unknown} undefined where there is no such field
 */
function fieldOf(item, name) {
  return typeof item === "object" && item !== null ? /** @type {Record<string, unknown>} */ (item)[name] : undefined;
}

/**
 * @param {unknown} body
 * @param {string} name
 * @returns {unknown[] | null}
 */
function listIn(body, name) {
  const list = fieldOf(body, name);
  return Array.isArray(list) ? list : null;
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/**
 * @param {unknown} value
 * @returns {number | null} ms
 */
function timeOf(value) {
  const ms = typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? null : ms;
}
