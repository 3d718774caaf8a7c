/**
 * The addresses to which one's alerts are mailed: how each stands, asked again, and removed. They are asked
 * for when they are looked at; where the server sends no mail, the page has none of it.
 */
import { must, setText } from "./dom.js";
import { ask, itemsIn } from "./rows-api.js";

/** @typedef {{id: number, address: string, state: string, since: string}} Address */

/** What is said of each state, before its time. @type {Record<string, string>} */
const STATES = { confirmed: "confirmed", asked: "not confirmed yet; asked", stopped: "wants no more mail since" };

export class MailAddresses {
  #box;
  #list;
  #note;
  #field;
  #onChanged;
  #announce;
  /** Counts what was asked, so that no late answer is shown. */
  #asked = 0;

  /**
   * @param {HTMLDetailsElement} box
   * @param {() => void} onChanged one is gone; rules and addresses are to be read again
   * @param {(text: string) => void} announce
   */
  constructor(box, onChanged, announce) {
    this.#box = box;
    this.#onChanged = onChanged;
    this.#announce = announce;
    this.#list = must(box, "ul", HTMLUListElement);
    this.#note = must(box, ".entry-hint", HTMLParagraphElement);
    this.#field = must(box, "input", HTMLInputElement);
    box.addEventListener("toggle", () => this.changed());
    must(box, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask(this.#field.value.trim());
    });
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const { address = "", row } = button?.dataset ?? {};
      if (button === null) return;
      if (row === undefined) void this.#ask(address);
      else void this.#remove(Number(row), address);
    });
  }

  /** One was asked, has confirmed, or wants no more. */
  changed() {
    if (this.#box.open) void this.#load();
  }

  async #load() {
    this.#asked += 1;
    const asked = this.#asked;
    const answer = await ask(fetch, "GET", "alerts/mail");
    if (asked !== this.#asked) return;
    if (!answer.ok) return this.#say("error", `They cannot be read: ${answer.reason}.`);
    const addresses = itemsIn(answer.body, "addresses").map(readAddress).filter((one) => one !== null);
    // A button that has the focus comes again with the new line.
    const focused = document.activeElement instanceof HTMLElement && this.#list.contains(document.activeElement) ? document.activeElement.dataset : null;
    this.#list.replaceChildren(...addresses.map(line));
    if (focused !== null) {
      const same = [...this.#list.querySelectorAll("button")].find(({ dataset }) => dataset.row === focused.row && dataset.address === focused.address);
      (same ?? must(this.#box, "summary", HTMLElement)).focus();
    }
    if (addresses.length === 0 && this.#note.textContent === "") this.#say("none", "None yet.");
  }

  /** @param {string} address */
  async #ask(address) {
    const answer = await ask(fetch, "POST", "alerts/mail", { address });
    if (!answer.ok) return this.#tell("error", `Not asked: “${address}”: ${answer.reason}.`);
    const told = readAddress(answer.body);
    this.#tell("none", told?.state === "confirmed" ? `${told.address} has confirmed already.` : `A mail to ${told?.address ?? address} asks: press the link in it.`);
    this.#field.value = "";
    await this.#load();
  }

  /**
   * @param {number} id
   * @param {string} address
   */
  async #remove(id, address) {
    const answer = await ask(fetch, "DELETE", `alerts/mail/${id}`);
    if (!answer.ok && answer.status !== 404) return this.#tell("error", `Not removed: ${answer.reason}.`);
    this.#tell("none", `${address} was removed: nothing is mailed there any more.`);
    // What is told of the rules reads the addresses as well.
    this.#onChanged();
  }

  /**
   * @param {"none" | "error"} kind
   * @param {string} text
   */
  #tell(kind, text) {
    this.#say(kind, text);
    this.#announce(text);
  }

  /**
   * @param {"none" | "error"} kind
   * @param {string} text
   */
  #say(kind, text) {
    this.#note.dataset.kind = kind;
    setText(this.#note, text);
  }
}

/**
 * @param {unknown} item
 * @returns {Address | null}
 */
function readAddress(item) {
  const { id, address, state, since } = /** @type {Record<string, unknown>} */ (item ?? {});
  if (typeof id !== "number" || typeof address !== "string" || typeof state !== "string" || typeof since !== "string") return null;
  return { id, address, state, since };
}

/** @param {Address} address */
function line({ id, address, state, since }) {
  const element = document.createElement("li");
  const when = document.createElement("span");
  when.className = "meta";
  when.textContent = `${STATES[state] ?? state} ${since.slice(0, 10)} ${since.slice(11, 16)} UTC`;
  element.append(address, when);
  if (state !== "confirmed") element.append(button("Ask again", address, null));
  element.append(button("Remove", address, id));
  return element;
}

/**
 * @param {string} what
 * @param {string} address
 * @param {number | null} row
 */
function button(what, address, row) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "text-button";
  element.dataset.address = address;
  if (row !== null) element.dataset.row = String(row);
  element.textContent = what;
  const label = document.createElement("span");
  label.className = "sr-only";
  label.textContent = ` ${address}`;
  element.append(label);
  return element;
}
