/**
 * The last lines of the log, by what they belong to; and the loggers that have another level for a while.
 */
import { must, setText } from "../dom.js";
import { age } from "../format.js";
import { logAddress } from "./log-link.js";
import { timeOfDay } from "./units.js";

/** @typedef {import("./types.js").LogLine} LogLine */
/** @typedef {import("./types.js").LoggerRow} LoggerRow */
/** @typedef {import("./log-link.js").Wanted} Wanted */

/** @type {Record<string, string>} */
const TONES = { warning: "warn", error: "bad", critical: "bad" };

/**
 * @param {LogLine} line
 * @returns {{tone: string, text: string}}
 */
export function describeLine({ level, event, fields }) {
  const told = Object.entries(fields).map(([name, value]) => `${name}=${value}`).join(" ");
  return { tone: TONES[level] ?? "plain", text: told === "" ? event : `${event} ${told}` };
}

/**
 * @param {readonly LoggerRow[]} loggers
 * @returns {string} which have another level for a while, until when, and who wanted that
 */
export function describeLent(loggers) {
  return loggers.flatMap(({ name, level, lent }) => (lent === null ? [] : [`${name} has ${level} for ${age(lent.seconds_left * 1000)}, by ${lent.who}`])).join("; ");
}

export class LogView {
  #list = must(document, "#log-lines", HTMLElement);
  #sum = must(document, "#log-sum", HTMLElement);
  #lent = must(document, "#log-lent", HTMLElement);
  #empty = must(document, "#log-empty", HTMLElement);
  #search = must(document, "#log-search", HTMLInputElement);
  #correlation = must(document, "#log-correlation", HTMLInputElement);
  #level = must(document, "#log-level", HTMLSelectElement);
  #pause = must(document, "#log-pause", HTMLInputElement);
  #options;
  #written = "";

  /** @param {{lines: (query: string) => Promise<{lines: LogLine[], kept: number}>, loggers: () => Promise<{loggers: LoggerRow[]}>}} options */
  constructor(options) {
    this.#options = options;
    for (const field of [this.#search, this.#correlation, this.#level]) {
      field.addEventListener("input", () => {
        // So that the address leads to what is seen; and a link that was followed leads there again.
        history.replaceState(null, "", logAddress({ correlation: this.#correlation.value.trim(), search: this.#search.value.trim() }));
        void this.#read().catch(() => {});
      });
    }
  }

  /**
   * Goes there.
   * @param {Wanted} wanted
   */
  show(wanted) {
    location.hash = logAddress(wanted);
  }

  /**
   * Filters by what the address asks for.
   * @param {URLSearchParams} asked
   */
  take(asked) {
    this.#correlation.value = asked.get("correlation") ?? "";
    this.#search.value = asked.get("search") ?? "";
    this.#level.value = "debug";
    this.#pause.checked = false;
  }

  async look() {
    if (this.#pause.checked) return;
    const [, { loggers }] = await Promise.all([this.#read(), this.#options.loggers()]);
    const lent = describeLent(loggers);
    this.#lent.hidden = lent === "";
    setText(this.#lent, `Levels that are lent: ${lent}.`);
  }

  async #read() {
    const query = new URLSearchParams({ search: this.#search.value.trim(), correlation: this.#correlation.value.trim(), level: this.#level.value }).toString();
    const { lines, kept } = await this.#options.lines(query);
    setText(this.#sum, `${lines.length} of ${kept.toLocaleString("en-US")} kept`);
    this.#empty.hidden = lines.length > 0;
    const key = `${query} ${lines[0]?.number} ${lines.length}`;
    if (key === this.#written) return;
    this.#written = key;
    this.#list.replaceChildren(...lines.map(lineItem));
  }
}

/** @param {LogLine} line */
function lineItem(line) {
  const { tone, text } = describeLine(line);
  const item = document.createElement("li");
  item.dataset.tone = tone;
  const time = document.createElement("time");
  time.textContent = timeOfDay(line.at);
  const part = document.createElement("b");
  part.textContent = line.part;
  const words = document.createElement("span");
  words.textContent = text;
  item.append(time, part, words);
  if (line.correlation_id !== null) {
    const link = document.createElement("a");
    link.className = "lines";
    link.href = logAddress({ correlation: line.correlation_id });
    link.textContent = line.correlation_id;
    link.title = "Only lines of this";
    item.append(link);
  }
  if (line.trace != null) {
    const trace = document.createElement("pre");
    trace.textContent = line.trace;
    item.append(trace);
  }
  return item;
}
