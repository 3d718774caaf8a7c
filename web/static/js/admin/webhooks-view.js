/**
 * Alerts and their calls: how many wait and since when, receivers in trouble, and dead calls to post again.
 */
import { must, setFacts, setText } from "../dom.js";
import { age } from "../format.js";
import { ApiError } from "./api.js";
import { fill } from "./cells.js";
import { count } from "./units.js";

/** @typedef {import("./types.js").CallQueue} CallQueue */
/** @typedef {import("./types.js").Overview} Overview */
/** @typedef {import("./cells.js").Cell} Cell */

/**
 * @param {CallQueue["receivers"][number]} row
 * @param {number} now the server's time, ms
 * @returns {(string | Cell)[]}
 */
export function receiverCells({ receiver, waiting, oldest, failures, reason }, now) {
  return [
    { text: receiver, header: true },
    { text: count(waiting), kind: "num" },
    { text: oldest === null ? "–" : age(now - oldest), kind: "num" },
    { text: String(failures), kind: "num", tone: failures > 0 ? "warn" : "plain" },
    { text: reason ?? "", kind: "example" },
  ];
}

/**
 * @param {CallQueue["dead"][number]} row
 * @param {number} now the server's time, ms
 * @param {boolean} mayPost
 * @returns {(string | Cell)[]}
 */
export function deadCells({ alert, receiver, symbol, attempts, status, reason, ended_at: ended, correlation }, now, mayPost) {
  return [
    { text: receiver, header: true },
    symbol,
    { text: ended === null ? "–" : `${age(now - ended)} ago`, kind: "num" },
    { text: String(attempts), kind: "num" },
    { text: [status === null ? "" : `status ${status}`, reason ?? ""].filter((part) => part !== "").join(": "), kind: "example", lines: { correlation, of: `${symbol} to ${receiver}` } },
    { text: "", kind: "num", buttons: mayPost ? [{ label: "Post again", action: "post", value: String(alert), hint: `Post again: ${symbol} to ${receiver}` }] : [] },
  ];
}

/**
 * @param {Pick<Overview, "alerts" | "webhooks">} overview
 * @param {CallQueue} queue
 * @param {number} now the server's time, ms
 * @returns {[string, string | null][]}
 */
export function describeCalls({ alerts, webhooks }, { waiting, oldest }, now) {
  return [
    ["Rules", alerts === null ? "–" : `${count(alerts.rules)}, ${count(alerts.fired)} fired since the start`],
    ["Not stored yet", alerts === null || alerts.unstored === 0 ? null : count(alerts.unstored)],
    ["Withheld", alerts === null || alerts.withheld === 0 ? null : `${count(alerts.withheld)} crossings within a cool-down`],
    ["Calls waiting", waiting === 0 ? "none" : `${count(waiting)}, the oldest for ${oldest === null ? "–" : age(now - oldest)}`],
    ["Under way", webhooks === null ? "–" : String(webhooks.under_way)],
    ["Since the start", webhooks === null ? "–" : `${count(webhooks.delivered)} taken, ${count(webhooks.failed)} attempts failed, ${count(webhooks.dead)} given up`],
  ];
}

export class WebhooksView {
  #facts = must(document, "#calls", HTMLElement);
  #receivers = must(document, "#receiver-rows", HTMLElement);
  #dead = must(document, "#dead-rows", HTMLElement);
  #note = must(document, "#calls-note", HTMLElement);
  #options;

  /** @param {{ask: () => Promise<CallQueue>, post: (alert: string) => Promise<{receiver: string}>, overview: () => Overview | null, mayPost: boolean, now: () => number, say: (text: string) => void}} options */
  constructor(options) {
    this.#options = options;
    this.#dead.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button?.dataset.action === "post") void this.#post(button.dataset.value ?? "");
    });
  }

  async look() {
    const overview = this.#options.overview();
    let queue;
    try {
      queue = await this.#options.ask();
    } catch (error) {
      setText(this.#note, `The queue is in the database: ${error instanceof Error ? error.message : error}.`);
      return;
    }
    const now = this.#options.now();
    setText(this.#note, "");
    setFacts(this.#facts, overview === null ? [] : describeCalls(overview, queue, now));
    fill(this.#receivers, queue.receivers.map((row) => receiverCells(row, now)));
    fill(this.#dead, queue.dead.map((row) => deadCells(row, now, this.#options.mayPost)));
    must(document, "#dead-empty", HTMLElement).hidden = queue.dead.length > 0;
    must(document, "#receivers-empty", HTMLElement).hidden = queue.receivers.length > 0;
  }

  /** @param {string} alert */
  async #post(alert) {
    try {
      const { receiver } = await this.#options.post(alert);
      this.#options.say(`It is posted to ${receiver} again now.`);
      await this.look();
    } catch (error) {
      this.#options.say(error instanceof ApiError ? `Not posted: ${error.message}.` : String(error));
    }
  }
}
