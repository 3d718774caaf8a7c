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
 * @param {string} symbol
 * @param {Range} range
 * @param {number} from ms
 * @returns {string}
 */
export function historyAddress(symbol, { interval }, from) {
  const query = new URLSearchParams({ interval, from: new Date(from).toISOString() });
  return address(`/api/v1/history/${encodeURIComponent(symbol)}?${query}`);
}

/**
 * @param {string} symbol
 * @param {Overlay} overlay
 * @param {Range} range
 * @param {number} from ms
 * @returns {string}
 */
export function indicatorAddress(symbol, { key, period }, { interval }, from) {
  const query = new URLSearchParams({ indicator: key, period: String(period), interval, from: new Date(from).toISOString() });
  return address(`/api/v1/indicators/${encodeURIComponent(symbol)}?${query}`);
}

/**
 * @param {unknown} body
 * @returns {Candle[] | null} null when it is no such answer; malformed candles are left out
 */
export function readCandles(body) {
  const items = listIn(body, "candles");
  if (items === null) return null;
  const candles = [];
  for (const item of items) {
    if (typeof item !== "object" || item === null) continue;
    const { start, open, high, low, close, ticks } = /** @type {Record<string, unknown>} */ (item);
    const at = timeOf(start);
    if (at === null || !isNumber(open) || !isNumber(high) || !isNumber(low) || !isNumber(close)) continue;
    candles.push({ start: at, open, high, low, close, ticks: isNumber(ticks) ? ticks : null });
  }
  return candles;
}

/**
 * @param {unknown} body
 * @returns {Point[] | null}
 */
export function readPoints(body) {
  const items = listIn(body, "points");
  if (items === null) return null;
  const points = [];
  for (const item of items) {
    if (typeof item !== "object" || item === null) continue;
    const { start, value } = /** @type {Record<string, unknown>} */ (item);
    const at = timeOf(start);
    if (at !== null && isNumber(value)) points.push({ start: at, value });
  }
  return points;
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
 * @param {unknown} body
 * @param {string} name
 * @returns {unknown[] | null}
 */
function listIn(body, name) {
  const list = typeof body === "object" && body !== null ? /** @type {Record<string, unknown>} */ (body)[name] : null;
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
