/**
 * The last crashes and kills, the newest first, with what the supervisor did about each.
 */
import { must, setText } from "../dom.js";
import { timeOfDay } from "./units.js";

/** @typedef {import("./types.js").Crash} Crash */

export const MOST = 200;

export class CrashesView {
  #box = must(document, "#crashes-scroll", HTMLElement);
  #body = must(document, "#crashes", HTMLElement);
  #sum = must(document, "#crashes-sum", HTMLElement);
  #empty = must(document, "#crashes-empty", HTMLElement);
  #newest = 0;

  /** @param {(crash: Crash) => void} onOpen */
  constructor(onOpen) {
    this.onOpen = onOpen;
  }

  /** @param {readonly Crash[]} crashes oldest first */
  paint(crashes) {
    const last = crashes.at(-1)?.number ?? 0;
    if (last < this.#newest) {
      this.#newest = 0;
      this.#body.replaceChildren();
    }
    for (const crash of crashes) {
      if (crash.number > this.#newest) this.#body.prepend(this.#row(crash));
    }
    this.#newest = last;
    while (this.#body.childElementCount > MOST) this.#body.lastElementChild?.remove();
    this.#box.hidden = crashes.length === 0;
    this.#empty.hidden = crashes.length > 0;
    setText(this.#sum, crashes.length === 0 ? "" : crashes.length >= MOST ? `the last ${MOST}` : String(crashes.length));
  }

  /** @param {Crash} crash */
  #row(crash) {
    const row = document.createElement("tr");
    row.dataset.path = crash.path;
    row.dataset.kind = crash.trace === null ? "killed" : "crashed";
    const reason = document.createElement("button");
    reason.type = "button";
    reason.className = "exit";
    reason.textContent = crash.reason;
    reason.title = crash.reason;
    if (crash.trace !== null) reason.dataset.trace = "";
    reason.addEventListener("click", () => this.onOpen(crash));
    const decision = document.createElement("span");
    decision.className = "decision";
    decision.dataset.decision = crash.decision;
    decision.textContent = crash.decision;
    for (const content of [timeOfDay(crash.at), crash.path, String(crash.generation), reason, decision]) {
      const cell = document.createElement("td");
      cell.append(content);
      if (content === String(crash.generation)) cell.className = "num";
      row.append(cell);
    }
    return row;
  }
}
