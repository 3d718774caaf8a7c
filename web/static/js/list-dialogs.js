/**
 * The buttons that open dialogs of the list. These come when somebody is near, or wants one.
 */
import { must } from "./dom.js";
import { Later } from "./later.js";
import { warn } from "./page.js";

/** @typedef {import("./dialogs.js").Dialogs} Dialogs */

/** In the folder of the page's script, and of its version. */
const SCRIPT = new URL("./dialogs.bundle.js", import.meta.url).href;

/**
 * @typedef {object} More
 * @property {() => string | null} current the symbol that somebody is at
 * @property {(text: string) => void} tell why none opens
 */

export class ListDialogs {
  #later;

  /** @param {import("./dialogs.js").Options & More} options */
  constructor(options) {
    this.#later = new Later({
      load: async (failures) => (await load(failures)).makeDialogs(options),
      place: () => document.activeElement,
      onFailed: (error) => {
        warn(`the dialogs could not be loaded: ${error}`);
        options.tell("Not opened: this part of the page cannot be loaded. Try again, or load the page anew.");
      },
    });
    const box = must(document, ".lists", HTMLElement);
    for (const near of ["pointerover", "focusin"]) box.addEventListener(near, () => this.#later.prepare(), { once: true });
    this.#opens(box, "#position-open", ({ position }) => position.open(options.current()));
    this.#opens(box, "#list-share", ({ sharing }) => void sharing.open());
    this.#opens(box, "#list-import", ({ files }) => files.open());
    this.#opens(box, '[data-format="csv"]', ({ files }) => void files.save("csv"));
    this.#opens(box, '[data-format="text"]', ({ files }) => void files.save("text"));
  }

  /** @param {string} symbol whose position somebody wants to say */
  openPosition(symbol) {
    void this.#later.use(({ position }) => position.open(symbol));
  }

  /**
   * @param {HTMLElement} box
   * @param {string} selector
   * @param {(dialogs: Dialogs) => void} act
   */
  #opens(box, selector, act) {
    must(box, selector, HTMLButtonElement).addEventListener("click", () => void this.#later.use(act));
  }
}

/**
 * @param {number} failures some browsers keep that an address failed
 * @returns {Promise<typeof import("./dialogs.js")>}
 */
function load(failures) {
  return import(failures === 0 ? SCRIPT : `${SCRIPT}?again=${failures}`);
}
