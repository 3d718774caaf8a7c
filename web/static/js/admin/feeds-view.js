/**
 * How each upstream answers: how fast, how much of it counts, what went wrong last, and its last answer.
 */
import { must, setFacts, setText } from "../dom.js";
import { age } from "../format.js";
import { bytes, count, duration } from "./units.js";

/** @typedef {import("./types.js").FeedDetails} FeedDetails */

/**
 * @param {FeedDetails} feed
 * @param {number} now the server's time, ms
 * @returns {[string, string | null][]}
 */
export function describeFeedDetails({ p50, p95, recent, outcomes, told, newer, refused, trouble, body, lines }, now) {
  const ended = Object.entries(outcomes).map(([name, times]) => `${count(times)} ${name}`).join(", ");
  const took = p50 === null || p95 === null ? null : `${duration(p50 * 1000)} / ${duration(p95 * 1000)}, of the last ${recent}`;
  const said = trouble === null || trouble.said === null ? "" : `; they said: ${trouble.said}`;
  return [
    ["p50 / p95", took],
    [lines.length > 0 ? "Connections made" : "Fetches", ended === "" ? "none yet" : ended],
    ["Items", `${count(told)} told, ${count(newer)} of them newer, ${count(refused)} refused`],
    ["Last trouble", trouble === null ? "none" : `${ago(trouble.at, now)}, ${trouble.kind.replaceAll("_", " ")}: ${trouble.detail}${said}`],
    ["Last answer", body === null ? (lines.length > 0 ? null : "none kept") : `${ago(body.at, now)}, status ${body.status}, ${bytes(body.size)}${body.content_type === "" ? "" : `, ${body.content_type}`}`],
    ...lines.map(({ number, phase, since, symbols, failures, reason }) => /** @type {[string, string]} */ ([`Line ${number}`, `${phase} for ${age(now - Date.parse(since))}, ${symbols} symbols${failures > 0 ? `, ${failures} failures in a row` : ""}${reason === null ? "" : `: ${reason}`}`])),
  ];
}

/**
 * @param {string} iso
 * @param {number} now
 */
function ago(iso, now) {
  return `${age(now - Date.parse(iso))} ago`;
}

export class FeedsView {
  #list = must(document, "#feed-details", HTMLElement);
  #blank = must(document, "#feed-blank", HTMLTemplateElement);
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map();
  #ask;
  #now;

  /**
   * @param {() => Promise<{feeds: FeedDetails[]}>} ask
   * @param {() => number} now the server's time, ms
   */
  constructor(ask, now) {
    this.#ask = ask;
    this.#now = now;
  }

  async look() {
    const { feeds } = await this.#ask();
    const now = this.#now();
    for (const [name, panel] of this.#shown) {
      if (feeds.some((feed) => feed.name === name)) continue;
      panel.remove();
      this.#shown.delete(name);
    }
    for (const feed of feeds) {
      const panel = this.#shown.get(feed.name) ?? this.#made(feed.name);
      setFacts(must(panel, "dl", HTMLElement), describeFeedDetails(feed, now));
      const answer = must(panel, "details", HTMLDetailsElement);
      answer.hidden = feed.body === null;
      setText(must(answer, "pre", HTMLElement), feed.body?.text ?? "");
    }
  }

  /** @param {string} name */
  #made(name) {
    const panel = must(/** @type {DocumentFragment} */ (this.#blank.content.cloneNode(true)), "section", HTMLElement);
    panel.setAttribute("aria-label", `Feed ${name}`);
    setText(must(panel, "h3", HTMLElement), name);
    must(panel, "pre", HTMLElement).setAttribute("aria-label", `Last answer of ${name}`);
    this.#list.append(panel);
    this.#shown.set(name, panel);
    return panel;
  }
}
