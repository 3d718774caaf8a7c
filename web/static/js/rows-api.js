/**
 * The user's rows over HTTP: lists and alerts. The cookie goes along by itself.
 */
import { address } from "./address.js";

/**
 * `loggedOut`: it takes a login, and there is none any more. `temporary`: asking again later may help, `retryAfter` ms is the server's own word on when. `reason`
 * goes into a sentence of ours.
 * @typedef {{ok: false, status: number, loggedOut: boolean, temporary: boolean, reason: string, retryAfter: number | null}} Refusal
 */
/** @typedef {{ok: true, body: unknown} | Refusal} Answer */
/** @typedef {(url: string, options: RequestInit) => Promise<Response>} Fetch */

const TIMEOUT_MS = 10_000;
/** Each page gives its browser one; it comes back unless the browser refuses cookies. */
const NO_COOKIE = "this browser sends no cookie";
/** It was logged in, or has to be. */
const LOGGED_OUT = "your login has ended";

/**
 * Never throws: every way in which this can fail is an answer.
 * @param {Fetch} fetch
 * @param {string} method
 * @param {string} path below `/api/v1/`
 * @param {unknown} [body]
 * @returns {Promise<Answer>}
 */
export async function ask(fetch, method, path, body) {
  try {
    const response = await fetch(address(`/api/v1/${path}`), {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
    if (!response.ok) return refusal(response, await response.json().catch(() => null));
    // One that breaks off, as when the page is left, tells nothing: least of all that there are no rows.
    return { ok: true, body: response.status === 204 ? null : await response.json() };
  } catch {
    return { ok: false, status: 0, loggedOut: false, temporary: true, reason: "the server cannot be reached", retryAfter: null };
  }
}

/**
 * @param {Response} response
 * @param {unknown} body
 * @returns {Refusal}
 */
function refusal(response, body) {
  const error = /** @type {any} */ (body)?.error;
  const fields = typeof error?.fields === "object" && error.fields !== null ? Object.values(error.fields) : [];
  // What is wrong with a field, without its name: it stands beside the field.
  const loggedOut = response.status === 401 && error?.code !== "no_user";
  const told = loggedOut ? LOGGED_OUT : response.status === 401 ? NO_COOKIE : [...fields, error?.reason].find((text) => typeof text === "string");
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return {
    ok: false,
    status: response.status,
    loggedOut,
    temporary: response.status >= 500 || response.status === 429,
    reason: (told ?? `the server answered ${response.status}`).replace(/\.$/, ""),
    retryAfter: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null,
  };
}

/**
 * @param {unknown} body
 * @param {string} name
 * @returns {Record<string, unknown>[]} the objects in a list of the body; empty when there is none
 */
export function itemsIn(body, name) {
  const list = typeof body === "object" && body !== null ? /** @type {Record<string, unknown>} */ (body)[name] : null;
  return Array.isArray(list) ? list.filter((item) => typeof item === "object" && item !== null) : [];
}
