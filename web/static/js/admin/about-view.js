/**
 * What runs here, the settings in force, and what operators did last.
 */
import { must, setFacts, setText } from "../dom.js";
import { age } from "../format.js";
import { fill } from "./cells.js";

/** @typedef {import("./types.js").About} About */
/** @typedef {import("./types.js").AuditLine} AuditLine */

/**
 * @param {About["settings"][number]} setting
 * @returns {(string | import("./cells.js").Cell)[]}
 */
export function settingCells({ name, value, source }) {
  const text = Array.isArray(value) ? value.join(", ") : value === null ? "" : String(value);
  return [{ text: name, header: true }, { text: text === "" ? "–" : text, kind: "example" }, { text: source, tone: source === "default" || source === "" ? "plain" : "good" }];
}

export class AboutView {
  #facts = must(document, "#about", HTMLElement);
  #settings = must(document, "#settings-rows", HTMLElement);
  #search = must(document, "#settings-search", HTMLInputElement);
  #changed = must(document, "#settings-changed", HTMLInputElement);
  #audit = document.querySelector("#audit-rows");
  #options;
  /** @type {About["settings"]} */
  #known = [];

  /** @param {{about: () => Promise<About>, audit: () => Promise<{entries: AuditLine[], waiting: number}>, now: () => number}} options */
  constructor(options) {
    this.#options = options;
    for (const field of [this.#search, this.#changed]) field.addEventListener("input", () => this.#paint());
  }

  async look() {
    const about = await this.#options.about();
    const now = this.#options.now();
    setFacts(this.#facts, [
      ["Node", about.node],
      ["Version", about.version],
      ["Commit", about.commit],
      ["Python", about.python],
      ["Schema", about.schema ?? "the database does not answer"],
      ["Started", `${new Date(about.started).toLocaleString("en-GB")}, ${age(now - about.started)} ago`],
    ]);
    this.#known = about.settings;
    this.#paint();
    if (this.#audit instanceof HTMLElement) await this.#readAudit(this.#audit, now);
  }

  #paint() {
    const search = this.#search.value.trim().toUpperCase();
    const some = this.#known.filter(({ name, source }) => name.includes(search) && !(this.#changed.checked && source === "default"));
    fill(this.#settings, some.map(settingCells));
  }

  /**
   * @param {HTMLElement} body
   * @param {number} now
   */
  async #readAudit(body, now) {
    const note = must(document, "#audit-note", HTMLElement);
    try {
      const { entries, waiting } = await this.#options.audit();
      setText(note, waiting === 0 ? "" : `${waiting} wait to be stored.`);
      fill(body, entries.map(({ at, who, action, target, outcome, correlation_id: correlation }) => [{ text: `${age(now - Date.parse(at))} ago`, title: at }, { text: who, header: true }, action, { text: target ?? "", kind: "example" }, { text: outcome, tone: outcome === "done" ? "plain" : "warn", lines: correlation === null ? null : { correlation, of: `${action} by ${who}` } }]));
    } catch (error) {
      setText(note, `Not read: ${error instanceof Error ? error.message : error}.`);
    }
  }
}
