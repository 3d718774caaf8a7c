/**
 * How each upstream answers: how fast, how much of it counts, what went wrong last, and its last answer.
 */
import { must, setFacts, setText } from "../dom.js";
import { age } from "../format.js";
import { fill } from "./cells.js";
import { logLink } from "./log-link.js";
import { bytes, count, duration } from "./units.js";

/** @typedef {import("./types.js").FeedDetails} FeedDetails */
/** @typedef {import("./cells.js").Cell} Cell */

const TROUBLE = "Last trouble";
const STATES = { live: "good", stale: "warn", down: "bad" };

/**
 * @param {FeedDetails} feed
 * @param {number} now the server's time, ms
 * @returns {[name: string, value: string | null, tone?: string][]}
 */
export function describeFeedDetails(feed, now) {
  const { p50, p95, recent, outcomes, told, newer, refused, trouble, body, lines, pushed, state, reason, interval, stale_after: staleAfter, confirmed, ended, age_p50: young, age_p95: old } = feed;
  const how = Object.entries(outcomes).map(([name, times]) => `${count(times)} ${name}`).join(", ");
  const took = p50 === null || p95 === null ? null : `${duration(p50 * 1000)} / ${duration(p95 * 1000)}, of the last ${recent}`;
  const said = trouble === null || trouble.said === null ? "" : `; they said: ${trouble.said}`;
  const tone = STATES[state];
  return [
    ["State", `${state.charAt(0).toUpperCase()}${state.slice(1)}${reason === null ? "" : `: ${reason}`}`, tone],
    ["Confirmed", `${confirmed === null ? "never" : ago(confirmed, now)}; stale after ${age(staleAfter * 1000)}`, tone],
    [pushed ? "Last attempt to connect" : "Last fetch", ended === null ? "none yet" : `${ago(ended, now)}${pushed ? "" : `, one each ${duration(interval * 1000)}`}`],
    [pushed ? "Connecting, p50 / p95" : "p50 / p95", took],
    ["Age of prices, p50 / p95", young === null ? null : `at most ${duration(young * 1000)} / ${old === null ? "over an hour" : duration(old * 1000)}, by the provider’s time`],
    [pushed ? "Connections made" : "Fetches", how === "" ? "none yet" : how],
    ["Items", `${count(told)} told, ${count(newer)} of them ${pushed ? "for us" : "newer"}, ${count(refused)} refused`],
    [TROUBLE, trouble === null ? "none" : `${ago(trouble.at, now)}, ${trouble.kind.replaceAll("_", " ")}: ${trouble.detail}${said}`],
    ["Last answer", body === null ? (lines.length > 0 ? null : "none kept") : `${ago(body.at, now)}, status ${body.status}, ${bytes(body.size)}${body.content_type === "" ? "" : `, ${body.content_type}`}`],
  ];
}

/**
 * A connection of a feed that is pushed to.
 * @param {FeedDetails["lines"][number]} line
 * @param {number} now the server's time, ms
 * @returns {(string | Cell)[]}
 */
export function lineCells({ number, phase, since, symbols, failures, reason, tone, heard, priced, told }, now) {
  const quiet = tone === "bad" ? "bad" : "plain";
  return [
    { text: `Line ${number}`, header: true },
    { text: phase, tone: tone === "good" ? "plain" : tone },
    { text: age(now - Date.parse(since)), kind: "num" },
    { text: heard === null ? "none yet" : ago(heard, now), kind: "num", tone: quiet },
    { text: priced === null ? "none yet" : ago(priced, now), kind: "num", tone: quiet },
    { text: told ?? "" },
    { text: count(symbols), kind: "num" },
    { text: String(failures), kind: "num", tone: failures > 0 ? "warn" : "plain" },
    { text: reason ?? "", kind: "example" },
  ];
}

/**
 * @param {FeedDetails} feed
 * @returns {string} the begin of what came last
 */
export function lastOf({ body, lines }) {
  if (body !== null) return body.text;
  return lines.flatMap(({ number, frame }) => (frame === null ? [] : [lines.length > 1 ? `Line ${number}: ${frame}` : frame])).join("\n");
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
      const lines = feed.trouble?.correlation ?? null;
      const link = lines === null ? null : logLink(lines, `the last trouble of ${feed.name}`);
      const facts = describeFeedDetails(feed, now).map(([name, value, tone]) => /** @type {const} */ ([name, value, tone, name === TROUBLE ? link : null]));
      setFacts(must(panel, "dl", HTMLElement), facts);
      const answer = must(panel, "details", HTMLDetailsElement);
      const last = lastOf(feed);
      answer.hidden = last === "";
      setText(must(answer, "pre", HTMLElement), last);
      must(panel, ".scroll", HTMLElement).hidden = feed.lines.length === 0;
      fill(must(panel, "tbody", HTMLElement), feed.lines.map((line) => lineCells(line, now)));
    }
  }

  /** @param {string} name */
  #made(name) {
    const panel = must(/** @type {DocumentFragment} */ (this.#blank.content.cloneNode(true)), "section", HTMLElement);
    panel.setAttribute("aria-label", `Feed ${name}`);
    setText(must(panel, "h3", HTMLElement), name);
    must(panel, "pre", HTMLElement).setAttribute("aria-label", `Last answer of ${name}`);
    must(panel, ".scroll", HTMLElement).setAttribute("aria-label", `Connections to ${name}`);
    this.#list.append(panel);
    this.#shown.set(name, panel);
    return panel;
  }
}
