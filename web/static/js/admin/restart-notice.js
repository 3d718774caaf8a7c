/**
 * Tells that the server was started a moment ago, and what became of the run before.
 */
import { must, setText } from "../dom.js";
import { age } from "../format.js";
import { timeOfDay } from "./units.js";

/** @typedef {import("./types.js").PastRun} PastRun */

/** For so long it is news. */
const NEWS_MS = 600_000;

/**
 * @param {{started: number, before: PastRun | null}} process
 * @returns {string} one or two sentences
 */
export function describeRestart({ started, before }) {
  const begun = `The server was started at ${timeOfDay(started)}.`;
  return before === null ? begun : `${begun} ${describeEnd(before, started)}`;
}

/**
 * @param {PastRun} before
 * @param {number} started
 */
function describeEnd({ ended, how }, started) {
  if (ended === null || how === null) return "The run before it did not stop in order: it was killed, or its machine went down.";
  const verb = { stopped: "was stopped in order", gave_up: "gave up, since a part could not be restarted,", crashed: "ended by an error" }[how];
  const away = started > ended ? `, ${age(started - ended)} earlier` : "";
  return `The run before it ${verb} at ${timeOfDay(ended)}${away}.${how === "stopped" ? "" : " Its log says why."}`;
}

export class RestartNotice {
  #box = must(document, "#restarted", HTMLElement);
  #onRestart;
  #started = 0;

  /** @param {(text: string) => void} onRestart called when the page has outlived a run */
  constructor(onRestart) {
    this.#onRestart = onRestart;
  }

  /**
   * @param {{started: number, before: PastRun | null}} process
   * @param {number} now the server's time, ms
   */
  paint(process, now) {
    const outlived = this.#started !== 0 && this.#started !== process.started;
    this.#started = process.started;
    this.#box.hidden = process.before === null || now - process.started >= NEWS_MS;
    setText(this.#box, this.#box.hidden ? "" : describeRestart(process));
    if (outlived) this.#onRestart(describeRestart(process));
  }
}
