/**
 * Tells alerts outside the page: notifications of the desktop, and a sound. Each alert once in a browser,
 * whatever number of its pages is open. A lock of the browser decides which page does it: it is given
 * to one, and free again when that page is closed, crashes or stands still. A leader that says that it
 * lives would need timers, which browsers all but stop in pages that nobody sees.
 */
import { storageKey } from "./address.js";
import { alertText } from "./alert-feed.js";
import { clock } from "./page.js";
import { Burst, readReach, standingOf } from "./reach.js";
import { readTexts } from "./storage.js";
import { Tone } from "./tone.js";

/** @typedef {import("./alert-feed.js").Alert} Alert */
/** @typedef {import("./reach.js").Reach} Reach */
/** @typedef {import("./reach.js").Permission} Permission */
/** @typedef {import("./storage.js").Memory} Memory */

const REACH_KEY = storageKey("alerts-reach");
const SHOWN_KEY = storageKey("alerts-shown");
const SEEN_LOCK = storageKey("page-is-seen");
const MOST_SHOWN = 100;
/** Pages hear of an alert within moments of each other, one that stood still or was not connected later. */
const HELD_MS = 10_000;

export class Desktop {
  #memory;
  #onClick;
  /** @type {Reach} */
  #reach;
  #tone = new Tone();
  #burst = new Burst();
  /** Those of this page, by the time of their alerts. @type {Map<Notification, number>} */
  #open = new Map();
  /** The browser has notifications, but not from pages. */
  #refused = false;
  /** Lets go of what says that this page is seen. @type {() => void} */
  #unseen = () => {};
  /** @type {() => void} */
  onChange = () => {};

  /**
   * @param {Memory} memory
   * @param {(until: number) => void} onClick somebody came by a notification, and has read what fired until then
   */
  constructor(memory, onClick) {
    this.#memory = memory;
    this.#onClick = onClick;
    this.#reach = readReach(memory.load(REACH_KEY));
    window.addEventListener("storage", (event) => {
      if (event.key !== REACH_KEY) return;
      this.#reach = readReach(memory.load(REACH_KEY));
      this.onChange();
    });
    document.addEventListener("visibilitychange", () => this.#lookedAt());
    window.addEventListener("pagehide", () => this.#unseen());
    window.addEventListener("pageshow", () => this.#lookedAt());
    this.#lookedAt();
    for (const event of ["pointerdown", "keydown"]) window.addEventListener(event, () => this.#pressed(), { passive: true });
    navigator.permissions?.query({ name: "notifications" }).then(
      (status) => status.addEventListener("change", () => this.onChange()),
      () => {}, // it is asked again at each paint
    );
  }

  get reach() {
    return this.#reach;
  }

  /** @returns {Permission} */
  get permission() {
    if (!window.isSecureContext) return "insecure";
    if (this.#refused || !("Notification" in window)) return "absent";
    return Notification.permission;
  }

  get standing() {
    return standingOf(this.permission, this.#reach.desktop);
  }

  /** Whether a sound would be heard now. */
  get audible() {
    return this.#tone.ready;
  }

  /**
   * Where somebody presses something.
   * @param {Partial<Reach>} wanted
   * @returns {Promise<boolean>} whether it is so now
   */
  async choose(wanted) {
    if (wanted.desktop && this.permission === "default") await Notification.requestPermission();
    if (wanted.desktop && this.permission !== "granted") return false;
    if (wanted.sound) await this.#tone.unlock();
    this.#reach = { ...this.#reach, ...wanted };
    const trouble = this.#memory.save(REACH_KEY, this.#reach);
    this.onChange();
    return trouble === null;
  }

  /** One of each that is on. @returns {Promise<string>} what became of it */
  async test() {
    const done = [];
    if (this.standing.state === "on") done.push(this.#show("Alerts of StockStream look like this.", "test", Date.now()) ? "A notification was shown" : "The browser shows none");
    if (this.#reach.sound) {
      const heard = await this.#tone.unlock();
      this.#tone.play();
      done.push(heard ? "a sound was played" : "there is no device for sound");
    }
    return done.length === 0 ? "Nothing is on." : `${done.join(", ")}.`.replace(/^./, (first) => first.toUpperCase());
  }

  /** @param {Alert[]} alerts that fired just now, or while there was no connection */
  tell(alerts) {
    for (const alert of alerts) {
      if (this.standing.state === "on") void this.#once(`shown ${alert.id}`, () => this.#tell(alert));
      if (this.#reach.sound && this.#tone.ready) void this.#once(`heard ${alert.id}`, () => this.#tone.play());
    }
  }

  /** @param {number} until ms: what fired until then was read somewhere */
  readUntil(until) {
    for (const [notification, firedAt] of this.#open) if (firedAt <= until) notification.close();
  }

  /**
   * @param {string} what
   * @param {() => void | Promise<void>} act
   */
  async #once(what, act) {
    if (navigator.locks === undefined) return act(); // the tag of a notification still has it replace the other
    if (!(await locksWork())) return act();
    await navigator.locks.request(`${SHOWN_KEY} ${what}`, { ifAvailable: true }, async (lock) => {
      if (lock === null) return;
      const shown = readTexts(this.#memory.load(SHOWN_KEY));
      if (shown.includes(what)) return;
      this.#memory.save(SHOWN_KEY, [...shown, what].slice(-MOST_SHOWN));
      await act();
      await new Promise((resolve) => setTimeout(resolve, HELD_MS));
    });
  }

  /** @param {Alert} alert */
  async #tell(alert) {
    if (!this.#reach.always && (await isSeen())) return;
    const more = this.#burst.admit(clock.now());
    if (more === 0) this.#show(alertText(alert), alert.id, alert.firedAt);
    else this.#show(`${more} more ${more === 1 ? "alert" : "alerts"}. The last: ${alertText(alert)}`, "more", alert.firedAt);
  }

  /**
   * @param {string} text
   * @param {string} tag one that is there with the same is replaced
   * @param {number} firedAt ms
   */
  #show(text, tag, firedAt) {
    let notification;
    try {
      notification = new Notification("StockStream", { body: text, tag: storageKey(tag) });
    } catch {
      // Browsers of telephones have notifications only for what is installed.
      this.#refused = true;
      this.onChange();
      return false;
    }
    this.#open.set(notification, firedAt);
    notification.addEventListener("close", () => this.#open.delete(notification));
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
      if (tag !== "test") this.#onClick(firedAt);
    });
    return true;
  }

  /** Says by a lock whether this page is seen: the other pages can ask for it. */
  #lookedAt() {
    this.#unseen();
    if (document.hidden) return;
    const over = new Promise((/** @type {(value?: unknown) => void} */ resolve) => (this.#unseen = resolve));
    // Where cookies are off, Firefox refuses locks: then this page speaks for itself.
    void navigator.locks?.request(SEEN_LOCK, { mode: "shared" }, () => over).catch(() => {});
  }

  #pressed() {
    if (this.#reach.sound && !this.#tone.ready) void this.#tone.unlock().then(() => this.onChange());
  }
}

/** Whether somebody sees a page of ours in this browser. */
async function isSeen() {
  if (navigator.locks === undefined || !(await locksWork())) return !document.hidden;
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === SEEN_LOCK);
}

/** Whether pages of ours may have locks: not in Firefox where cookies are off. */
async function locksWork() {
  try {
    await navigator.locks.query();
    return true;
  } catch {
    return false;
  }
}
