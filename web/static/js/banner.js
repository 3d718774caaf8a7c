/**
 * Says that the connection is lost, once it has been for long enough to matter.
 */
import { loginAddress } from "./address.js";
import { CODE_LOGGED_OUT } from "./connection.js";
import { must, setText } from "./dom.js";
import { countdown } from "./format.js";
import { clock } from "./page.js";

/** @typedef {import("./connection.js").ConnectionState} ConnectionState */

/** A shorter loss is not shown. */
export const GRACE_MS = 800;

/**
 * @typedef {object} Options
 * @property {() => void} onRetry
 * @property {() => void} onFocusLost the banner goes while the focus is in it, and it must not fall off the page
 * @property {(lost: boolean, state: ConnectionState) => void} onChange lost for longer than the grace, or back
 */

/** @param {ConnectionState} state */
const loggedOut = (state) => state.name === "closed" && state.code === CODE_LOGGED_OUT;

export class Banner {
  #options;
  #element = must(document, "#banner", HTMLElement);
  #title = must(this.#element, '[data-part="title"]', HTMLElement);
  #detail = must(this.#element, '[data-part="detail"]', HTMLElement);
  #button = must(this.#element, "button", HTMLButtonElement);
  /** @type {ConnectionState} */
  #state = { name: "idle" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #lost = false;
  #everOpen = false;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#button.addEventListener("click", () => {
      if (loggedOut(this.#state)) location.assign(loginAddress(location));
      else if (this.#state.name === "closed") location.reload();
      else options.onRetry();
    });
    // A tab that wakes up has found its connection gone while nobody looked: it gets the grace anew.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.#lost && this.#state.name !== "open") this.#startGrace();
    });
  }

  /** @param {ConnectionState} state */
  update(state) {
    this.#state = state;
    if (state.name === "open") {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#everOpen = true;
      this.#setLost(false);
    } else if (state.name === "closed") {
      this.#setLost(true);
    } else if (!this.#lost && this.#timer === undefined) {
      this.#startGrace();
    }
    this.paint(clock.now());
  }

  /** @param {number} now ms */
  paint(now) {
    if (!this.#lost) return;
    const state = this.#state;
    const trying = this.#everOpen ? "Connection lost." : "No connection yet.";
    if (loggedOut(state)) {
      setText(this.#title, "Your login has ended.");
      setText(this.#detail, "Log in to go on; what you changed is kept in this browser.");
      setText(this.#button, "Log in");
    } else if (state.name === "closed") {
      setText(this.#title, state.code === 4501 ? "This page is out of date." : "The server ended the connection.");
      setText(this.#detail, state.reason);
      setText(this.#button, "Reload");
    } else {
      setText(this.#title, trying);
      setText(this.#detail, state.name === "waiting" ? `Retrying in ${countdown(state.retryAt - now)}.` : "Reconnecting…");
      setText(this.#button, "Retry now");
    }
  }

  #startGrace() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!document.hidden) this.#setLost(true);
    }, GRACE_MS);
  }

  /** @param {boolean} lost */
  #setLost(lost) {
    if (lost === this.#lost) return;
    if (!lost && this.#element.contains(document.activeElement)) this.#options.onFocusLost();
    this.#lost = lost;
    this.#element.hidden = !lost;
    this.paint(clock.now());
    this.#options.onChange(lost, this.#state);
  }
}
