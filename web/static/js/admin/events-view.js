/**
 * The event log as it is written. Paused, the list stands still and says how much waits.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { logLink } from "./log-link.js";
import { timeOfDay } from "./units.js";
import { describe } from "./wording.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./event-stream.js").StreamState} StreamState */

const KEPT = 300;

/** @type {Record<StreamState, {icon: string, text: string, tone: string}>} */
const STATES = {
  connecting: { icon: "ring", text: "Connecting", tone: "warn" },
  open: { icon: "dot", text: "Live", tone: "good" },
  lost: { icon: "triangle", text: "Lost", tone: "bad" },
};

export class EventsView {
  #list = must(document, "#events", HTMLElement);
  #filter = must(document, "#events-filter", HTMLInputElement);
  #pause = must(document, "#events-pause", HTMLButtonElement);
  #pauseIcon = must(this.#pause, "use", SVGUseElement);
  #sign = must(document, "#stream-state", HTMLElement);
  #icon = must(this.#sign, "use", SVGUseElement);
  #text = must(this.#sign, '[data-part="text"]', HTMLElement);
  /** @type {Entry[]} */
  #waiting = [];
  #paused = false;
  /** @type {StreamState} */
  #state = "connecting";

  constructor() {
    this.#filter.addEventListener("input", () => {
      for (const item of this.#list.children) this.#sift(/** @type {HTMLElement} */ (item));
    });
    this.#pause.addEventListener("click", () => {
      this.#paused = !this.#paused;
      this.#pause.setAttribute("aria-pressed", String(this.#paused));
      setIcon(this.#pauseIcon, this.#paused ? "play" : "pause");
      this.#write(this.#waiting.splice(0));
      this.#paintState();
    });
  }

  /** @param {StreamState} state */
  set state(state) {
    this.#state = state;
    this.#paintState();
  }

  /** @param {readonly Entry[]} entries in order */
  add(entries) {
    if (this.#paused) {
      this.#waiting.push(...entries);
      this.#waiting.splice(0, this.#waiting.length - KEPT);
      this.#paintState();
    } else {
      this.#write(entries);
    }
  }

  /** @param {string} text of a line that is no entry */
  remark(text) {
    const item = document.createElement("li");
    item.dataset.tone = "plain";
    item.textContent = text;
    this.#list.prepend(item);
  }

  /** @param {readonly Entry[]} entries */
  #write(entries) {
    for (const entry of entries.slice(-KEPT)) {
      const { text, tone } = describe(entry);
      const item = document.createElement("li");
      item.dataset.tone = tone;
      const time = document.createElement("time");
      time.textContent = timeOfDay(entry.at);
      const path = document.createElement("b");
      path.textContent = entry.path;
      const words = document.createElement("span");
      words.textContent = text;
      item.append(time, path, words);
      if (entry.correlation !== undefined) item.append(" ", logLink(entry.correlation, `${entry.path} ${text}`));
      this.#sift(item);
      this.#list.prepend(item);
    }
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild?.remove();
  }

  /** @param {HTMLElement} item */
  #sift(item) {
    item.hidden = !(item.textContent ?? "").toLowerCase().includes(this.#filter.value.trim().toLowerCase());
  }

  #paintState() {
    const { icon, text, tone } = STATES[this.#state];
    setIcon(this.#icon, icon);
    setAttribute(this.#sign, "data-tone", tone);
    setAttribute(this.#sign, "data-state", this.#state);
    setText(this.#text, this.#paused ? `Paused, ${this.#waiting.length} wait` : text);
  }
}
