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

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#box = must(document, options.box, HTMLDetailsElement);
    this.#list = must(this.#box, "ul", HTMLUListElement);
    this.#note = must(this.#box, "p", HTMLParagraphElement);
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
    const { path, name } = this.#options;
    const answer = await ask(fetch, "GET", path);
    const items = answer.ok ? itemsIn(answer.body, name) : [];
    this.#list.replaceChildren(...items.map((item) => this.#item(item)).filter((item) => item !== null));
    setText(this.#note, answer.ok ? (items.length === 0 ? "None of late." : "") : `They cannot be read: ${answer.reason}.`);
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
