/**
 * The views of the page, one of which is shown: the one that the address names, or that holds what the
 * address names. Only that one asks the server.
 */
import { setAttribute } from "../dom.js";

/** @typedef {{element: HTMLElement, link: HTMLElement | null, look: () => Promise<void>, every: number, looked: number, take: (asked: URLSearchParams) => void}} View */

const FIRST = "now";

export class Views {
  /** @type {Map<string, View>} */
  #views = new Map();
  #shown = "";
  #clock;

  /** @param {() => number} clock monotonic, ms */
  constructor(clock) {
    this.#clock = clock;
    for (const element of document.querySelectorAll(".view")) {
      if (!(element instanceof HTMLElement)) continue;
      const link = document.querySelector(`.views a[href="#${element.id}"]`);
      this.#views.set(element.id, { element, link: link instanceof HTMLElement ? link : null, look: async () => {}, every: Infinity, looked: -Infinity, take: () => {} });
    }
    window.addEventListener("hashchange", () => void this.#go());
  }

  /**
   * @param {string} id of the view
   * @param {() => Promise<void>} look asks the server, and paints
   * @param {number} every ms, while it is shown
   * @param {(asked: URLSearchParams) => void} [take] what the address asks of it, after a `?`
   */
  add(id, look, every, take = () => {}) {
    const view = this.#views.get(id);
    if (view === undefined) return; // who is logged in may not see it
    view.look = look;
    view.every = every;
    view.take = take;
  }

  /** Shows what the address names; when all are added. */
  start() {
    this.#show(this.#named());
  }

  /** The id of the view that is shown. */
  get shown() {
    return this.#shown;
  }

  /** Have the view that is shown look, when its time has come. */
  async look() {
    const view = this.#views.get(this.#shown);
    if (view === undefined || this.#clock() - view.looked < view.every) return;
    view.looked = this.#clock();
    await view.look();
  }

  /** Have it look with the next round, whatever the time. */
  soon() {
    const view = this.#views.get(this.#shown);
    if (view !== undefined) view.looked = -Infinity;
  }

  /** @returns {string} */
  #named() {
    const target = document.getElementById(partOf(location.hash));
    const view = target?.closest(".view")?.id;
    return view !== undefined && this.#views.has(view) ? view : FIRST;
  }

  async #go() {
    this.#show(this.#named());
    const target = document.getElementById(partOf(location.hash));
    if (target === null) return;
    // It was hidden when the browser looked for it.
    target.scrollIntoView({ block: "start" });
    const heading = target.querySelector("h2[tabindex]") ?? target;
    if (heading instanceof HTMLElement && heading.hasAttribute("tabindex")) heading.focus({ preventScroll: true });
    try {
      await this.look();
    } catch {
      this.soon(); // the next round tells what is wrong
    }
  }

  /** @param {string} id */
  #show(id) {
    this.#shown = id;
    this.soon();
    const asked = askedOf(location.hash);
    if (asked !== null) this.#views.get(id)?.take(asked);
    for (const [name, { element, link }] of this.#views) {
      element.hidden = name !== id;
      if (link !== null) setAttribute(link, "aria-current", name === id ? "page" : null);
    }
  }
}

/**
 * @param {string} hash
 * @returns {string} the id of what it names
 */
export function partOf(hash) {
  return hash.slice(1).split("?", 1)[0] ?? "";
}

/**
 * @param {string} hash
 * @returns {URLSearchParams | null} what it asks of that; null when nothing
 */
export function askedOf(hash) {
  const at = hash.indexOf("?");
  return at < 0 ? null : new URLSearchParams(hash.slice(at));
}
