/**
 * Jobs that run on a schedule: how each went last, when it runs next, and a run now.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { age } from "../format.js";
import { logAddress } from "./log-link.js";
import { duration } from "./units.js";

/**
 * @typedef {object} JobRow as `/admin/api/jobs` tells it; times in ms since 1970
 * @property {string} name
 * @property {string} about
 * @property {string} schedule
 * @property {number | null} started
 * @property {number | null} seconds
 * @property {string} outcome
 * @property {string} note
 * @property {string | null} node
 * @property {number | null} next_run
 * @property {string | null} running_on
 * @property {string | null} failing
 * @property {string | null} correlation of its lines in the log of this node
 */

/** As often as the jobs themselves look at what other nodes do. */
const LOOK_MS = 5_000;

/**
 * @param {JobRow} job
 * @param {number} now the server's time, ms
 * @returns {{tone: string, icon: string, state: string, last: string, next: string}}
 */
export function describeJob({ outcome, failing, running_on: running, started, seconds, node, next_run: due }, now) {
  const took = seconds === null ? "" : `, took ${duration(seconds * 1000)}`;
  const last = started === null ? "never" : `${age(Math.max(0, now - started))} ago${node === null ? "" : ` on ${node}`}${took}`;
  const next = running !== null ? "runs now" : due === null ? "–" : due <= now ? "due now" : `in ${age(due - now)}`;
  if (running !== null) return { tone: "plain", icon: "dot", state: `Runs on ${running}`, last, next };
  if (failing !== null) return { tone: "bad", icon: "cross", state: "Failing", last, next };
  if (outcome === "failed") return { tone: "warn", icon: "triangle", state: "Failed", last, next };
  if (outcome === "waits") return { tone: "warn", icon: "triangle", state: "Waits", last, next };
  if (outcome === "ok") return { tone: "good", icon: "dot", state: "Well", last, next };
  return { tone: "plain", icon: "dash", state: "Not yet", last, next };
}

/** @typedef {{get: (path: string) => Promise<any>, post: (path: string, body: object) => Promise<any>}} Asked */

export class JobsView {
  #api;
  #say;
  #now;
  #list = must(document, "#jobs", HTMLElement);
  #template = must(document, "#job-row", HTMLTemplateElement);
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();
  /** @type {JobRow[]} */
  #jobs = [];

  /**
   * @param {Asked} api
   * @param {(text: string) => void} say tells an operator what came of it
   * @param {() => number} now the server's time, ms
   */
  constructor(api, say, now) {
    this.#api = api;
    this.#say = say;
    this.#now = now;
  }

  /** Looks, as long as the page is there. */
  async start() {
    await this.look();
    window.setTimeout(() => void this.start(), LOOK_MS);
  }

  /** Asks once. The page itself says when the server does not answer. */
  async look() {
    if (document.hidden) return;
    const told = await this.#api.get("jobs").catch(() => null);
    if (told === null) return;
    this.#jobs = told.jobs;
    this.paint();
  }

  paint() {
    const now = this.#now();
    for (const job of this.#jobs) this.#paintRow(this.#rows.get(job.name) ?? this.#add(job), job, now);
  }

  /** @param {JobRow} job */
  #add({ name, about, schedule }) {
    const row = must(/** @type {DocumentFragment} */ (this.#template.content.cloneNode(true)), "li", HTMLElement);
    row.dataset.job = name;
    setText(must(row, '[data-part="name"]', HTMLElement), name);
    must(row, '[data-part="name"]', HTMLElement).title = `${about}; ${schedule}`;
    const button = must(row, "button", HTMLButtonElement);
    button.setAttribute("aria-label", `Run ${name} now`);
    button.addEventListener("click", () => void this.#run(name));
    this.#rows.set(name, row);
    this.#list.append(row);
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {JobRow} job
   * @param {number} now
   */
  #paintRow(row, job, now) {
    const { tone, icon, state, last, next } = describeJob(job, now);
    const sign = must(row, ".sign", HTMLElement);
    setAttribute(sign, "data-tone", tone);
    setIcon(must(sign, "use", SVGUseElement), icon);
    setText(must(sign, '[data-part="state"]', HTMLElement), state);
    setText(must(row, '[data-part="last"]', HTMLElement), last);
    setText(must(row, '[data-part="next"]', HTMLElement), next);
    const note = must(row, '[data-part="note"]', HTMLElement);
    const text = job.failing ?? (job.outcome === "ok" ? "" : job.note);
    const lines = must(row, '[data-part="lines"]', HTMLAnchorElement);
    lines.hidden = job.correlation === null;
    if (job.correlation !== null) {
      setAttribute(lines, "href", logAddress({ correlation: job.correlation }));
      setAttribute(lines, "aria-label", `Lines in the log: the last run of ${job.name} here`);
    }
    note.hidden = text === "";
    setText(note, text);
    must(row, "button", HTMLButtonElement).disabled = job.running_on !== null;
  }

  /** @param {string} name */
  async #run(name) {
    try {
      await this.#api.post(`jobs/${encodeURIComponent(name)}/run`, {});
      this.#say(`${name} runs now.`);
    } catch (error) {
      this.#say(`Not run: ${error instanceof Error ? error.message : String(error)}.`);
    }
    await this.look();
  }
}
