/**
 * What fired, and the notification of it: on each page that follows prices. From the socket at once;
 * what fired while nobody looked is read from the server after each connect.
 */
import { AlertFeed, alertText, readAlert } from "./alert-feed.js";
import { must, setText } from "./dom.js";
import { ask, itemsIn } from "./rows-api.js";

/** @typedef {import("./alert-feed.js").Alert} Alert */
/** @typedef {import("./rows-api.js").Answer} Answer */

/** Long enough to be read twice; a pointer or the focus on it stops the time. */
const SHOWN_MS = 15_000;
const RETRY_MS = 5_000;
const AWAY = "Alerts cannot be read or changed just now. Rules that there are go on.";

/**
 * @typedef {object} Options
 * @property {(text: string) => void} announce
 * @property {string} where the others are, when the notification has room for one: "below"
 * @property {() => void} [onChange] what fired, or was read, is other than before
 * @property {() => Promise<Answer>} [alsoRead] what the page reads along with it, and again with it
 * @property {(kind: "none" | "note" | "warning", text: string) => void} [say] whether it can be read
 */

export class AlertNotices {
  #options;
  #feed = new AlertFeed();
  #notice = must(document, "#alert-notice", HTMLElement);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #failures = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    must(this.#notice, "button", HTMLButtonElement).addEventListener("click", () => this.#hide());
    for (const event of ["pointerenter", "focusin"]) this.#notice.addEventListener(event, () => clearTimeout(this.#timer));
    for (const event of ["pointerleave", "focusout"]) this.#notice.addEventListener(event, () => this.#countDown());
  }

  /** The newest first. */
  get alerts() {
    return this.#feed.alerts;
  }

  get unread() {
    return this.#feed.unread;
  }

  /** Reads what fired: there is a connection, or there may be a database again. */
  async load() {
    clearTimeout(this.#retry);
    const reading = ask(fetch, "GET", "alerts/fired?limit=20");
    const also = (await this.#options.alsoRead?.()) ?? null;
    const fired = await reading;
    if (fired.ok) this.#take(readFired(fired.body));
    const refusal = also !== null && !also.ok ? also : fired;
    if (refusal.ok) {
      if (this.#failures > 1) this.#say("none", "");
      this.#failures = 0;
      return;
    }
    if (refusal.status === 401) return this.#say("note", "This browser sends no cookie, so it has no alerts.");
    this.#failures += 1;
    // A server that has just started has its database a moment later.
    if (this.#failures > 1) this.#say("warning", AWAY);
    const wait = Math.max(refusal.retryAfter ?? 0, Math.min(RETRY_MS * (this.#failures - 1), 12 * RETRY_MS), 1_000);
    this.#retry = setTimeout(() => void this.load(), wait);
  }

  /** Reads what fired once more. Who calls it comes back anyway, so a failure is no news. */
  async refresh() {
    const fired = await ask(fetch, "GET", "alerts/fired?limit=20");
    if (fired.ok) this.#take(readFired(fired.body));
  }

  /** @param {Alert} alert that is known, as the server told it just now */
  update(alert) {
    this.#feed.take([alert]);
    this.#options.onChange?.();
  }

  /** @param {Alert} alert from the socket */
  received(alert) {
    const fresh = this.#feed.take([alert]);
    if (fresh.length === 0) return;
    this.#options.onChange?.();
    this.#notify(fresh, false);
  }

  /** @returns {number | null} up to which moment all is read now, ms; null when there is nothing */
  readAll() {
    const until = this.#feed.readAll();
    this.#hide();
    this.#options.onChange?.();
    return until;
  }

  /** @param {Alert[]} alerts from the server */
  #take(alerts) {
    const first = this.#feed.alerts.length === 0;
    const unread = this.#feed.take(alerts).filter((alert) => !alert.read);
    this.#options.onChange?.();
    if (unread.length > 0) this.#notify(unread, first);
  }

  /**
   * @param {Alert[]} alerts not seen before, at least one
   * @param {boolean} old they fired before this page was opened
   */
  #notify(alerts, old) {
    const [newest] = alerts;
    if (newest === undefined) return;
    const more = alerts.length === 1 ? "" : ` ${alerts.length - 1} more ${this.#options.where}.`;
    const text = `${alertText(newest)}.${more}`;
    setText(must(this.#notice, '[data-part="text"]', HTMLElement), old ? `While you were away: ${text}` : text);
    this.#notice.hidden = false;
    this.#countDown();
    this.#options.announce(`Alert. ${text}`);
  }

  /**
   * @param {"none" | "note" | "warning"} kind
   * @param {string} text
   */
  #say(kind, text) {
    this.#options.say?.(kind, text);
  }

  #countDown() {
    clearTimeout(this.#timer);
    if (!this.#notice.hidden) this.#timer = setTimeout(() => this.#hide(), SHOWN_MS);
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#notice.hidden = true;
  }
}

/**
 * @param {unknown} body
 * @returns {Alert[]}
 */
function readFired(body) {
  return itemsIn(body, "alerts").map(readAlert).filter((alert) => alert !== null);
}
