/**
 * The newest alerts, from the socket and from the API, each once. No DOM and no I/O.
 */
import { decimalsOf, exact, price } from "./format.js";
import { unit } from "./labels.js";
import { isSymbol } from "./symbols.js";

/** @typedef {"above" | "below" | "move"} Kind */

/**
 * @typedef {object} Alert
 * @property {string} id
 * @property {string} symbol
 * @property {Kind} kind
 * @property {number} threshold a price, or percents for a move
 * @property {number | null} window seconds
 * @property {string | null} currency of the price
 * @property {number} price
 * @property {number | null} reference where a move is measured from
 * @property {number} crossings how many it stands for
 * @property {number} firedAt ms
 * @property {boolean} read
 * @property {Delivery | null | undefined} delivery null where it is posted nowhere, undefined where nobody has said
 * @property {Delivery | null | undefined} mail the same of the mail
 */

/**
 * How an alert is posted to an address.
 * @typedef {object} Delivery
 * @property {"pending" | "delivered" | "dead"} state
 * @property {number} attempts
 * @property {string | null} reason of the last attempt, when it failed
 * @property {number | null} nextAt ms; null while an attempt is under way, and at the end
 * @property {number | null} endedAt ms
 */

/** @typedef {{id: number, symbol: string, kind: Kind, threshold: number, window: number | null, currency: string | null, cooldown: number, webhook: {url: string, secret: string} | null, mail: string | null, trouble: Trouble | null}} Rule */

/** Why a rule cannot fire as things are. `passing`: its market is closed, as markets are. @typedef {{reason: string, passing: boolean}} Trouble */

export const SHOWN = 20;

export class AlertFeed {
  /** @type {Map<string, Alert>} */
  #alerts = new Map();

  /** The newest first. */
  get alerts() {
    return [...this.#alerts.values()].sort((a, b) => b.firedAt - a.firedAt).slice(0, SHOWN);
  }

  get unread() {
    return this.alerts.filter((alert) => !alert.read).length;
  }

  /**
   * @param {Iterable<Alert>} alerts
   * @returns {Alert[]} those that were not known
   */
  take(alerts) {
    const fresh = [];
    for (const alert of alerts) {
      const known = this.#alerts.get(alert.id);
      if (known === undefined) fresh.push(alert);
      // What was read here is read, though the server may not know it yet. The socket says nothing of deliveries.
      const delivery = alert.delivery === undefined ? known?.delivery : alert.delivery;
      const mail = alert.mail === undefined ? known?.mail : alert.mail;
      this.#alerts.set(alert.id, { ...alert, delivery, mail, read: alert.read || (known?.read ?? false) });
    }
    this.#alerts = new Map(this.alerts.map((alert) => [alert.id, alert]));
    return fresh;
  }

  /** @param {number} until ms */
  readUntil(until) {
    for (const alert of this.#alerts.values()) if (alert.firedAt <= until) alert.read = true;
  }
}

/**
 * @param {Record<string, unknown>} m
 * @returns {Alert | null}
 */
export function readAlert(m) {
  const said = readSaid(m);
  const firedAt = typeof m.fired_at === "string" ? Date.parse(m.fired_at) : NaN;
  if (said === null || typeof m.id !== "string" || typeof m.price !== "number" || Number.isNaN(firedAt)) return null;
  const reference = typeof m.reference === "number" ? m.reference : null;
  const crossings = typeof m.crossings === "number" ? m.crossings : 1;
  const delivery = m.delivery === undefined ? undefined : readDelivery(m.delivery);
  const mail = m.mail === undefined ? undefined : readDelivery(m.mail);
  return { ...said, id: m.id, price: m.price, reference, crossings, firedAt, read: m.read === true, delivery, mail };
}

/**
 * @param {unknown} given
 * @returns {Delivery | null}
 */
function readDelivery(given) {
  const { state, attempts, reason, next_attempt, ended_at } = /** @type {Record<string, unknown>} */ (given ?? {});
  if ((state !== "pending" && state !== "delivered" && state !== "dead") || typeof attempts !== "number") return null;
  return { state, attempts, reason: typeof reason === "string" ? reason : null, nextAt: readTime(next_attempt), endedAt: readTime(ended_at) };
}

/** @param {unknown} text */
function readTime(text) {
  const at = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? null : at;
}

/**
 * @param {Record<string, unknown>} m
 * @returns {Rule | null}
 */
export function readRule(m) {
  const said = readSaid(m);
  if (said === null || typeof m.id !== "number") return null;
  const { url, secret } = /** @type {Record<string, unknown>} */ (m.webhook ?? {});
  const webhook = typeof url === "string" && typeof secret === "string" ? { url, secret } : null;
  const cooldown = typeof m.cooldown === "number" ? m.cooldown : 0;
  const mail = typeof m.mail === "string" ? m.mail : null;
  return { ...said, id: m.id, cooldown, webhook, mail, trouble: readTrouble(m.trouble) };
}

/**
 * @param {unknown} given
 * @returns {Trouble | null}
 */
function readTrouble(given) {
  const { code, reason } = /** @type {Record<string, unknown>} */ (given ?? {});
  return typeof reason === "string" && reason !== "" ? { reason, passing: code === "market_closed" } : null;
}

/**
 * @param {Trouble} trouble
 * @returns {string} "No feed lists it."
 */
export function troubleText({ reason }) {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}

/**
 * @param {Record<string, unknown>} m
 * @returns {Pick<Rule, "symbol" | "kind" | "threshold" | "window" | "currency"> | null}
 */
function readSaid({ symbol, kind, threshold, window, currency }) {
  if (!isSymbol(symbol) || typeof threshold !== "number") return null;
  if (kind !== "above" && kind !== "below" && kind !== "move") return null;
  const of = typeof currency === "string" && currency !== "" ? currency : null;
  return { symbol, kind, threshold, window: typeof window === "number" ? window : null, currency: of };
}

/**
 * @param {Pick<Rule, "symbol" | "kind" | "threshold" | "window"> & {currency?: string | null}} rule
 * @returns {string} "AAPL rises to 151.00 USD", "AAPL moves 2.5 % within 5 min"
 */
export function ruleText({ symbol, kind, threshold, window, currency }) {
  if (kind === "move") return `${symbol} moves ${exact(threshold, 0)} % within ${windowText(window ?? 0)}`;
  return `${symbol} ${kind === "above" ? "rises" : "falls"} to ${exact(threshold)}${inCurrency(symbol, currency)}`;
}

/**
 * @param {Pick<Rule, "cooldown">} rule
 * @returns {string} "each time", "once in 5 min at most"
 */
export function paceText({ cooldown }) {
  return cooldown === 0 ? "each time" : `once in ${windowText(cooldown)} at most`;
}

/**
 * @param {Alert} alert
 * @returns {string} "AAPL rose to 151.02, over 151.00 USD", "AAPL fell 2.6 % to 148.00 USD within 5 min", with
 *   ", the last of 3 crossings" where it stands for more than one
 */
export function alertText(alert) {
  const { crossings } = alert;
  return crossings > 1 ? `${crossingText(alert)}, the last of ${crossings} crossings` : crossingText(alert);
}

/**
 * @param {Delivery} delivery
 * @param {"posted" | "mailed"} [done]
 * @returns {string} "Posted at 10:00:02 UTC", "Not posted yet", "Not posted yet: status 503. Tried 3 times, next at
 *   10:00:09 UTC", "Not posted: status 410. Given up"
 */
export function deliveryText({ state, attempts, reason, nextAt, endedAt }, done = "posted") {
  const ended = done === "posted" ? "Posted" : "Mailed";
  if (state === "delivered") return endedAt === null ? ended : `${ended} at ${clockText(endedAt)}`;
  const why = reason === null ? "" : `: ${reason}`;
  if (state === "dead") return `Not ${done}${why}. Given up`;
  if (attempts === 0) return `Not ${done} yet`;
  const next = nextAt === null ? "trying again" : `next at ${clockText(nextAt)}`;
  return `Not ${done} yet${why}. Tried ${attempts === 1 ? "once" : `${attempts} times`}, ${next}`;
}

/** @param {number} at ms */
function clockText(at) {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}

/** @param {Alert} alert */
function crossingText({ symbol, kind, threshold, window, currency, price: at, reference }) {
  const of = inCurrency(symbol, currency);
  if (kind !== "move") {
    const [went, side] = kind === "above" ? ["rose", "over"] : ["fell", "under"];
    const [to, limit] = [shown(at), exact(threshold)];
    if (at === threshold) return `${symbol} ${went} to ${limit}${of}`;
    // Never "over 0.123457" of a price that is told as 0.123457 itself.
    return `${symbol} ${went} to ${to === limit ? exact(at) : to}, ${side} ${limit}${of}`;
  }
  const percent = reference === null ? threshold : Math.abs(at / reference - 1) * 100;
  const went = reference !== null && at < reference ? "fell" : "rose";
  return `${symbol} ${went} ${price(percent, decimalsOf(threshold))} % to ${shown(at)}${of} within ${windowText(window ?? 0)}`;
}

/**
 * @param {string} symbol
 * @param {string | null | undefined} currency
 */
function inCurrency(symbol, currency) {
  const word = unit(symbol, currency ?? null);
  return word === "" ? "" : `\u00a0${word}`;
}

/** @param {number} seconds */
function windowText(seconds) {
  if (seconds % 3600 === 0) return seconds === 3600 ? "1 h" : `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** @param {number} value */
function shown(value) {
  return price(value, decimalsOf(value));
}
