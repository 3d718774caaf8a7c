/**
 * The admin API as this page asks it: same origin, by the session's cookie.
 */
import { address } from "../address.js";

/** Longer than this is no answer: the server hangs, or is gone. */
const TIMEOUT_MS = 5_000;

/** What an injection may take: the controller waits for the recovery. */
const ACTION_TIMEOUT_MS = 30_000;

/** The server said no. */
export class ApiError extends Error {
  /**
   * @param {number} status of HTTP; 0 when nobody answered
   * @param {string} code word of the error
   * @param {string} reason for people
   */
  constructor(status, code, reason) {
    super(reason);
    this.status = status;
    this.code = code;
  }
}

export class Api {
  #fetch;
  #csrf;

  /**
   * @param {(address: string, options: RequestInit) => Promise<Response>} fetch
   * @param {string} csrf the session's token
   */
  constructor(fetch, csrf) {
    this.#fetch = fetch;
    this.#csrf = csrf;
  }

  /**
   * @param {string} path under `/admin/api`
   * @returns {Promise<any>}
   * @throws {ApiError}
   */
  async get(path) {
    return await this.#ask(path, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  }

  /**
   * @param {string} path
   * @param {object} body
   * @param {Record<string, string>} [headers]
   * @returns {Promise<any>}
   * @throws {ApiError}
   */
  async post(path, body, headers = {}) {
    return await this.#ask(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", "X-CSRF-Token": this.#csrf, ...headers },
      signal: AbortSignal.timeout(ACTION_TIMEOUT_MS),
    });
  }

  /**
   * @param {string} path
   * @returns {Promise<any>}
   * @throws {ApiError}
   */
  async delete(path) {
    return await this.#ask(path, { method: "DELETE", headers: { "X-CSRF-Token": this.#csrf }, signal: AbortSignal.timeout(ACTION_TIMEOUT_MS) });
  }

  /**
   * The event stream: the response is there once its head is.
   * @param {number} since
   * @param {AbortSignal} signal
   * @returns {Promise<Response>}
   * @throws {ApiError}
   */
  async events(since, signal) {
    return await this.#open(`events?since=${since}`, { signal });
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   */
  async #ask(path, options) {
    const response = await this.#open(path, options);
    try {
      return await response.json();
    } catch (error) {
      throw new ApiError(0, "broken", `the answer broke off: ${error}`);
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   */
  async #open(path, options) {
    let response;
    try {
      response = await this.#fetch(address(`/admin/api/${path}`), { credentials: "same-origin", cache: "no-store", ...options });
    } catch (error) {
      throw new ApiError(0, "unreachable", error instanceof DOMException && error.name === "TimeoutError" ? "no answer in time" : "the server does not answer");
    }
    if (response.ok) return response;
    const told = await response.json().catch(() => null);
    throw new ApiError(response.status, told?.error?.code ?? "error", told?.error?.reason ?? `the server answered ${response.status}`);
  }
}
