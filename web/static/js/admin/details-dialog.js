/**
 * One actor, or one crash, in full: every figure, and the trace.
 */
import { must, setFacts, setText } from "../dom.js";
import { age } from "../format.js";
import { count, duration, timeOfDay } from "./units.js";

/** @typedef {import("./types.js").Crash} Crash */
/** @typedef {import("./tree-model.js").Node} Node */

export class DetailsDialog {
  #dialog = must(document, "#details", HTMLDialogElement);
  #title = must(document, "#details-title", HTMLElement);
  #facts = must(this.#dialog, '[data-part="facts"]', HTMLElement);
  #trace = must(this.#dialog, '[data-part="trace"]', HTMLElement);
  /** @type {import("./log-link.js").Wanted} */
  #lines = {};

  /** @param {(wanted: import("./log-link.js").Wanted) => void} onLines goes to what the log has of it */
  constructor(onLines) {
    must(this.#dialog, '[data-part="lines"]', HTMLButtonElement).addEventListener("click", () => {
      this.#dialog.close();
      onLines(this.#lines);
    });
  }

  /**
   * @param {Node} node
   * @param {string[]} troubles
   */
  openActor({ actor, rate }, troubles) {
    const { supervisor, mailbox, handling_p50: half, handling_p95: most } = actor;
    this.#open(actor.path, actor.last_trace, [
      ["Actor", actor.actor === "" ? "none is running" : `${actor.actor}, a ${actor.kind}`],
      ["State", `${actor.state}${actor.uptime === null ? "" : ` for ${age(actor.uptime * 1000)}`}`],
      ["To look at", troubles.length === 0 ? null : troubles.join("; ")],
      ["Restart type", actor.restart],
      ["Strategy", supervisor === null ? null : `${supervisor.strategy}, ${supervisor.restarts_in_window} of ${supervisor.intensity} restarts within ${supervisor.period} s`],
      ["Generation", `${actor.generation}, ${actor.restarts} restarts`],
      ["Last exit", actor.last_exit === null ? null : `${actor.last_exit}${actor.last_exit_ago === null ? "" : `, ${age(actor.last_exit_ago * 1000)} ago`}`],
      ["Mailbox", mailbox === null ? null : `${mailbox.queued} waiting, ${mailbox.high_water} at most so far, bound ${count(mailbox.bound)}; ${mailbox.dropped} dropped, ${mailbox.conflated} conflated`],
      ["Calls", actor.unanswered_calls === 0 ? null : `${actor.unanswered_calls} not answered yet`],
      ["Handled", `${actor.handled.toLocaleString("en-US")} messages${rate === null ? "" : `, ${rate.toFixed(1)}/s`}`],
      ["Handling", half === null || most === null ? null : `half of the last messages took at most ${duration(half * 1000)}, 95 % at most ${duration(most * 1000)}; ${duration((actor.handling_seconds * 1000) / actor.handled)} on average`],
    ]);
  }

  /** @param {Crash} crash */
  openCrash(crash) {
    this.#open(crash.path, crash.trace, [
      ["When", `${timeOfDay(crash.at)}, event ${crash.number}`],
      ["Generation", String(crash.generation)],
      ["Reason", crash.reason],
      ["Decision", crash.decision],
      ["Came of", crash.correlation],
    ], crash.correlation);
  }

  /**
   * @param {string} title
   * @param {string | null} trace
   * @param {[string, string | null][]} facts
   * @param {string | null} [correlation] of what it came of
   */
  #open(title, trace, facts, correlation = null) {
    this.#lines = correlation === null ? { search: title } : { correlation };
    setText(this.#title, title);
    setFacts(this.#facts, facts);
    this.#trace.hidden = trace === null;
    setText(this.#trace, trace ?? "");
    this.#dialog.showModal();
  }
}
