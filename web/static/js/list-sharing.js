/**
 * Links to lists: one is made, and those there are are shown and ended.
 */
import { address } from "./address.js";
import { must, setText } from "./dom.js";
import { ask, itemsIn } from "./rows-api.js";

/**
 * @typedef {object} Options
 * @property {() => {id: number | null, name: string}} what which list is shown
 * @property {(text: string) => void} announce
 */

export class ListSharing {
  #options;
  #dialog = must(document, "#share-dialog", HTMLDialogElement);
  #form = must(this.#dialog, "form", HTMLFormElement);
  #days = must(this.#dialog, "#share-days", HTMLSelectElement);
  #link = must(this.#dialog, "#share-link", HTMLInputElement);
  #made = must(this.#dialog, '[data-part="made"]', HTMLElement);
  #hint = must(this.#dialog, ".entry-hint", HTMLElement);
  #list = must(this.#dialog, "#shares", HTMLUListElement);

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#make();
    });
    must(this.#dialog, '[data-part="cancel"]', HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    must(this.#dialog, '[data-part="copy"]', HTMLButtonElement).addEventListener("click", () => void this.#copy());
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button !== null) void this.#end(Number(button.dataset.row));
    });
  }

  async open() {
    const { id, name } = this.#options.what();
    this.#made.hidden = true;
    setText(must(this.#dialog, "h2", HTMLElement), id === null ? "Shared lists" : `Share “${name}”`);
    must(this.#dialog, '[data-part="ask"]', HTMLElement).hidden = id === null;
    this.#say("none", id === null ? "The list of this browser is kept here alone. Make a new list of it, and it can be shared." : "");
    this.#dialog.showModal();
    await this.#load();
  }

  async #make() {
    const { id } = this.#options.what();
    if (id === null) return;
    const days = Number(this.#days.value);
    const answer = await ask(fetch, "POST", "shares", { watchlist: id, days: days === 0 ? null : days });
    if (!answer.ok) return this.#say("error", `Not shared: ${answer.reason}.`);
    const { token } = /** @type {{token: string}} */ (answer.body);
    this.#link.value = new URL(address(`/shared/${token}`), location.href).href;
    this.#made.hidden = false;
    this.#say("none", "Whoever has this link sees the list. It is shown once: copy it now.");
    this.#link.focus();
    this.#link.select();
    await this.#load();
  }

  async #copy() {
    this.#link.select();
    try {
      await navigator.clipboard.writeText(this.#link.value);
      this.#say("none", "Copied.");
    } catch {
      // Without TLS, or forbidden: it is marked, for the keys.
      this.#say("warning", "This browser does not let a page copy. The link is marked: press Ctrl C.");
    }
  }

  /** @param {number} id */
  async #end(id) {
    const answer = await ask(fetch, "DELETE", `shares/${id}`);
    if (!answer.ok && answer.status !== 404) return this.#say("error", `Not ended: ${answer.reason}.`);
    this.#made.hidden = true;
    this.#say("none", "The link is ended: who opens it is told so.");
    this.#options.announce("The link is ended.");
    await this.#load();
    must(this.#dialog, '[data-part="cancel"]', HTMLButtonElement).focus();
  }

  async #load() {
    const answer = await ask(fetch, "GET", "shares");
    if (!answer.ok) return this.#say("error", `The links there are cannot be read: ${answer.reason}.`);
    const items = itemsIn(answer.body, "shares").map(itemOf);
    this.#list.replaceChildren(...items.filter((item) => item !== null));
    must(this.#dialog, '[data-part="shared"]', HTMLElement).hidden = items.length === 0;
  }

  /**
   * @param {"none" | "warning" | "error"} kind
   * @param {string} text
   */
  #say(kind, text) {
    this.#hint.dataset.kind = kind;
    setText(this.#hint, text);
  }
}

/** @param {Record<string, unknown>} share */
function itemOf({ id, name, created_at: created, expires_at: expires }) {
  if (typeof id !== "number" || typeof name !== "string" || typeof created !== "string") return null;
  const element = document.createElement("li");
  const ends = typeof expires === "string" ? (Date.parse(expires) < Date.now() ? "expired" : `until ${expires.slice(0, 10)}`) : "until it is ended";
  const when = document.createElement("span");
  when.className = "meta";
  when.textContent = `made ${created.slice(0, 10)}, ${ends}`;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "text-button";
  button.dataset.row = String(id);
  button.textContent = "End";
  button.setAttribute("aria-label", `End the link to ${name}, made ${created.slice(0, 10)}`);
  element.append(name, when, button);
  return element;
}
