/**
 * What fired, and the notification of it: on each page that follows prices. From the socket at once;
 * what fired while nobody looked is read from the server after each connect. An alert is notified once
 * in a browser, whichever of its pages did it; to dismiss the notification is to have read it.
 */
import { storageKey } from "./address.js";
import { AlertFeed, alertText, readAlert } from "./alert-feed.js";
import { Desktop } from "./desktop.js";
import { must, setText } from "./dom.js";
import { ask, itemsIn } from "./rows-api.js";
import { readTexts } from "./storage.js";
import { OtherTabs } from "./tabs.js";

/** @typedef {import("./alert-feed.js").Alert} Alert */
/** @typedef {import("./rows-api.js").Answer} Answer */

/** Long enough to be read twice; a pointer or the focus on it stops the time. */
const SHOWN_MS = 15_000;
const RETRY_MS = 5_000;
const AWAY = "Alerts cannot be read or changed just now. Rules that there are go on.";

/** Alerts that were notified. More than a page ever reads at once. */
const TOLD_KEY = storageKey("alerts-told");
const MOST_TOLD = 100;

/** The server counts unread alerts up to here. */
const MOST_COUNTED = 100;

/**
 * @typedef {object} Options
 * @property {import("./storage.js").Memory} memory
 * @property {(text: string) => void} announce
 * @property {string} where the others are, when the notification has room for one: "below"
 * @property {() => void} [onChange] what fired, or was read, is other than before
 * @property {() => Promise<Answer>} [alsoRead] what the page reads along with it, and again with it
 * @property {(kind: "none" | "note" | "warning", text: string) => void} [say] whether it can be read
 */

export class AlertNotices {
  /** What is told outside the page. @type {Desktop} */
  desktop;
  #options;
  #feed = new AlertFeed();
  #notice = must(document, "#alert-notice", HTMLElement);
  /** What the notification tells of, the newest first. @type {Alert[]} */
  #showing = [];
  /** Whether any of that fired before this page was opened. */
  #wasAway = false;
  /** Unread ones that this page does not have. */
  #unreadElsewhere = 0;
  /** Read here, and the server could not be told yet: ms. @type {number | null} */
  #readUntil = null;
  #loaded = false;
  /** The server told of one alert by itself so many times. */
  #updates = 0;
  #tabs = new OtherTabs((message) => {
    if (message.kind === "rules") void this.#options.alsoRead?.();
    else this.#wasRead(message.until);
  });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #failures = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.desktop = new Desktop(options.memory, (until) => this.#read(until));
    must(this.#notice, "button", HTMLButtonElement).addEventListener("click", () => this.readAll());
    for (const event of ["pointerenter", "focusin"]) this.#notice.addEventListener(event, () => clearTimeout(this.#timer));
    for (const event of ["pointerleave", "focusout"]) this.#notice.addEventListener(event, () => this.#countDown());
    document.addEventListener("visibilitychange", () => this.#countDown());
  }

  /** The newest first. */
  get alerts() {
    return this.#feed.alerts;
  }

  /** How many nobody has read, as far as is counted. */
  get unread() {
    return this.#feed.unread + this.#unreadElsewhere;
  }

  /** @returns {string} "", "2 unread", "100 or more unread" */
  get unreadText() {
    const count = this.unread;
    if (count === 0) return "";
    return count >= MOST_COUNTED ? `${MOST_COUNTED} or more unread` : `${count} unread`;
  }

  /** Reads what fired: there is a connection, or there may be a database again. */
  async load() {
    clearTimeout(this.#retry);
    if (this.#readUntil !== null) await this.#tellRead();
    const reading = ask(fetch, "GET", "alerts/fired?limit=20");
    const also = (await this.#options.alsoRead?.()) ?? null;
    const fired = await reading;
    if (fired.ok) this.#take(fired.body);
    const refusal = also !== null && !also.ok ? also : fired;
    if (refusal.ok) {
      if (this.#failures > 1) this.#say("none", "");
      this.#failures = 0;
      return;
    }
    if (refusal.loggedOut) return this.#say("note", "Log in again to see your alerts.");
    if (refusal.status === 401) return this.#say("note", "This browser sends no cookie, so it has no alerts.");
    this.#failures += 1;
    // A server that has just started has its database a moment later.
    if (this.#failures > 1) this.#say("warning", AWAY);
    const wait = Math.max(refusal.retryAfter ?? 0, Math.min(RETRY_MS * (this.#failures - 1), 12 * RETRY_MS), 1_000);
    this.#retry = setTimeout(() => void this.load(), wait);
  }

  /** Reads what fired once more. Who calls it comes back anyway, so a failure is no news. */
  async refresh() {
    const before = this.#updates;
    const fired = await ask(fetch, "GET", "alerts/fired?limit=20");
    // An answer that may be older than what is known of one alert is left to the next time.
    if (fired.ok && this.#updates === before) this.#take(fired.body);
  }

  /** @param {Alert} alert that is known, as the server told it just now */
  update(alert) {
    this.#updates += 1;
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

  /** The page changed rules: other tabs read them again. */
  rulesChanged() {
    this.#tabs.tell({ kind: "rules" });
  }

  /** Somebody has seen what fired. It holds here and in other tabs at once, and for the server as soon as it hears it. */
  readAll() {
    const newest = this.#feed.alerts[0];
    if (newest === undefined) return this.#hide();
    this.#read(newest.firedAt);
  }

  /** @param {number} until ms */
  #read(until) {
    this.#wasRead(until);
    this.#tabs.tell({ kind: "read", until });
    this.#readUntil = Math.max(until, this.#readUntil ?? 0);
    void this.#tellRead();
  }

  async #tellRead() {
    const until = this.#readUntil;
    if (until === null) return;
    const answer = await ask(fetch, "POST", "alerts/fired/read", { until: new Date(until).toISOString() });
    // Said again with the next load; one that no time will mend is not.
    if (!answer.ok && answer.temporary) return;
    if (!answer.ok) this.#options.announce(`Not marked as read: ${answer.reason}.`);
    if (this.#readUntil === until) this.#readUntil = null;
  }

  /** @param {number} until ms */
  #wasRead(until) {
    this.#feed.readUntil(until);
    this.desktop.readUntil(until);
    // The others are older than those that are known here.
    if (this.#feed.unread === 0) this.#unreadElsewhere = 0;
    if (this.#showing.every((alert) => alert.firedAt <= until)) this.#hide();
    this.#options.onChange?.();
  }

  /** @param {unknown} body from the server */
  #take(body) {
    const alerts = itemsIn(body, "alerts").map(readAlert).filter((alert) => alert !== null);
    const told = readTexts(this.#options.memory.load(TOLD_KEY));
    const fresh = this.#feed.take(alerts).filter((alert) => !alert.read && !told.includes(alert.id));
    const unread = Number(/** @type {Record<string, unknown>} */ (body)?.unread ?? 0);
    this.#unreadElsewhere = this.#readUntil === null ? Math.max(0, unread - alerts.filter((alert) => !alert.read).length) : 0;
    // Somebody has read them in another browser.
    const read = this.#showing.every(({ id }) => this.#feed.alerts.find((alert) => alert.id === id)?.read === true);
    if (this.#showing.length > 0 && read) this.#hide();
    for (const { read: isRead, firedAt } of alerts) if (isRead) this.desktop.readUntil(firedAt);
    this.#options.onChange?.();
    if (fresh.length > 0) this.#notify(fresh, !this.#loaded);
    this.#loaded = true;
  }

  /**
   * @param {Alert[]} alerts not notified before, at least one
   * @param {boolean} old they fired before this page was opened
   */
  #notify(alerts, old) {
    this.#showing = [...alerts, ...this.#showing].sort((a, b) => b.firedAt - a.firedAt);
    this.#wasAway ||= old;
    const [newest] = this.#showing;
    if (newest === undefined) return;
    if (!old) this.desktop.tell(alerts);
    const more = this.#showing.length === 1 ? "" : ` ${this.#showing.length - 1} more ${this.#options.where}.`;
    const text = `${alertText(newest)}.${more}`;
    setText(must(this.#notice, '[data-part="text"]', HTMLElement), this.#wasAway ? `While you were away: ${text}` : text);
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

  /** Nobody has seen the notification on a page that is not looked at: it waits there. */
  #countDown() {
    clearTimeout(this.#timer);
    if (this.#notice.hidden || document.hidden) return;
    this.#keepTold();
    this.#timer = setTimeout(() => this.#hide(), SHOWN_MS);
  }

  /** The next page does not notify of these again. A browser that keeps nothing notifies once more. */
  #keepTold() {
    const { memory } = this.#options;
    const told = readTexts(memory.load(TOLD_KEY));
    const all = new Set([...told, ...this.#showing.map(({ id }) => id)]);
    if (all.size > told.length) memory.save(TOLD_KEY, [...all].slice(-MOST_TOLD));
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#notice.hidden = true;
    this.#showing = [];
    this.#wasAway = false;
  }
}
