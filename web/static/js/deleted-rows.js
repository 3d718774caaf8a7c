/**
 * What somebody deleted and can have back: the server keeps lists and rules for a month. It is asked
 * when it is looked at.
 */
import { must, setText } from "./dom.js";
import { ask, itemsIn } from "./rows-api.js";

/**
 * @typedef {object} Options
 * @property {string} box selector of the `details` element
 * @property {string} path of what was deleted, below `/api/v1/`
 * @property {string} name of the list in the answer
 * @property {(item: Record<string, unknown>) => string | null} text one row in words; null for one that makes no sense
 * @property {(id: number) => Promise<void>} onRestore tells itself how it went
 */

export class DeletedRows {
  #options;
  #box;
  #list;
  #note;
  #older;
  /** For those that were deleted before the ones that are shown. @type {string | null} */
  #next = null;
  /** Counts what was asked, so that no late answer is added to something else. */
  #asked = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#box = must(document, options.box, HTMLDetailsElement);
    this.#list = must(this.#box, "ul", HTMLUListElement);
    this.#note = must(this.#box, "p", HTMLParagraphElement);
    this.#older = must(this.#box, '[data-part="older"]', HTMLButtonElement);
    this.#older.addEventListener("click", () => void this.#more());
    this.#box.addEventListener("toggle", () => this.changed());
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button !== null) void this.#restore(Number(button.dataset.row));
    });
  }

  /** Something was deleted, or came back. */
  changed() {
    if (this.#box.open) void this.#load();
  }

  /** @param {number} id */
  async #restore(id) {
    await this.#options.onRestore(id);
    await this.#load();
    // The button that was pressed is gone.
    must(this.#box, "summary", HTMLElement).focus();
  }

  async #load() {
    const items = await this.#ask(null);
    if (items === null) return;
    this.#list.replaceChildren(...items);
    if (items.length === 0) setText(this.#note, "None of late.");
  }

  async #more() {
    const items = await this.#ask(this.#next);
    if (items === null) return;
    this.#list.append(...items);
    // The button may have gone with the last of them, and who pressed it goes on with what came.
    items[0]?.querySelector("button")?.focus();
  }

  /**
   * @param {string | null} cursor
   * @returns {Promise<HTMLLIElement[] | null>} null where it was told why not, or something else was asked since
   */
  async #ask(cursor) {
    const { path, name } = this.#options;
    this.#asked += 1;
    const asked = this.#asked;
    const answer = await ask(fetch, "GET", cursor === null ? path : `${path}?cursor=${encodeURIComponent(cursor)}`);
    if (asked !== this.#asked) return null;
    setText(this.#note, answer.ok ? "" : `They cannot be read: ${answer.reason}.`);
    if (!answer.ok) {
      // What was shown before stays where only more of it was asked for.
      if (cursor === null) this.#list.replaceChildren();
      return null;
    }
    const next = /** @type {{next_cursor?: unknown}} */ (answer.body ?? {}).next_cursor;
    this.#next = typeof next === "string" ? next : null;
    this.#older.hidden = this.#next === null;
    return itemsIn(answer.body, name)
      .map((item) => this.#item(item))
      .filter((item) => item !== null);
  }

  /** @param {Record<string, unknown>} item */
  #item(item) {
    const text = this.#options.text(item);
    if (text === null || typeof item.id !== "number") return null;
    const element = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "text-button";
    button.dataset.row = String(item.id);
    button.textContent = "Bring back";
    const label = document.createElement("span");
    label.className = "sr-only";
    label.textContent = ` ${text}`;
    button.append(label);
    const when = document.createElement("span");
    when.className = "meta";
    when.textContent = typeof item.deleted_at === "string" ? `deleted ${item.deleted_at.slice(0, 10)} ${item.deleted_at.slice(11, 16)} UTC` : "";
    element.append(text, when, button);
    return element;
  }
}
