/**
 * A list as a file: read with a look at what it would do, and saved. The server reads and writes them, for
 * programs as well.
 */
import { must, setText } from "./dom.js";
import { leftOut, planOf, readAnswer, sentenceOf } from "./list-import.js";
import { ask } from "./rows-api.js";

/** @typedef {import("./arrangement.js").Arrangement} Arrangement */
/** @typedef {import("./list-import.js").Plan} Plan */
/** @typedef {import("./positions.js").Positions} Positions */

/** As much as the server reads. */
const MOST_BYTES = 192 * 1024;

/**
 * @typedef {object} Options
 * @property {() => Arrangement} list that is shown
 * @property {() => {id: number | null, name: string}} what which list that is
 * @property {() => number} most symbols that it can hold
 * @property {() => Positions} positions of it
 * @property {(list: Arrangement, positions: Positions) => void} onImported
 * @property {(text: string) => void} tell
 */

export class ListFiles {
  #options;
  #dialog = must(document, "#import-dialog", HTMLDialogElement);
  #file = must(this.#dialog, "#import-file", HTMLInputElement);
  #text = must(this.#dialog, "#import-text", HTMLTextAreaElement);
  #hint = must(this.#dialog, "#import-hint", HTMLElement);
  #told = must(this.#dialog, "#import-told", HTMLUListElement);
  #add = must(this.#dialog, "#import-add", HTMLButtonElement);
  /** @type {ReturnType<typeof readAnswer> | null} */
  #read = null;
  /** Counts what was chosen, so that no late answer tells of something else. */
  #looks = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    must(this.#dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#look();
    });
    must(this.#dialog, '[data-part="cancel"]', HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    // What was given last is what is read.
    this.#file.addEventListener("input", () => this.#forget(this.#text));
    this.#text.addEventListener("input", () => this.#forget(this.#file));
    this.#dialog.addEventListener("close", () => this.#forget());
    this.#file.addEventListener("change", () => void this.#look());
    this.#add.addEventListener("click", () => this.#import());
  }

  open() {
    this.#file.value = this.#text.value = "";
    this.#forget();
    this.#dialog.showModal();
  }

  /** @param {HTMLInputElement | HTMLTextAreaElement} [other] */
  #forget(other) {
    if (other !== undefined) other.value = "";
    this.#looks += 1;
    this.#read = null;
    this.#add.hidden = true;
    this.#told.replaceChildren();
    this.#say("none", "");
  }

  async #look() {
    this.#forget();
    const look = this.#looks;
    const [file] = this.#file.files ?? [];
    if (file === undefined && this.#text.value.trim() === "") return this.#say("error", "Choose a file, or paste the symbols.");
    if (file !== undefined && file.size > MOST_BYTES) return this.#say("error", `The file is larger than ${MOST_BYTES / 1024} KB.`);
    const bytes = file === undefined ? new TextEncoder().encode(this.#text.value) : await bytesOf(file);
    if (look !== this.#looks) return;
    if (bytes === null) return this.#say("error", "The file cannot be read.");
    const answer = await ask(fetch, "POST", "watchlists/read", { content: base64(bytes) });
    if (look !== this.#looks) return;
    if (!answer.ok) return this.#say("error", `Not read: ${answer.reason}.`);
    this.#read = readAnswer(answer.body);
    const plan = this.#planOf(this.#read);
    this.#say(plan.unread.length + plan.left.length > 0 ? "warning" : "none", sentenceOf(plan));
    this.#told.replaceChildren(
      ...plan.notes.map((note) => item(note)),
      ...leftOut(plan.unread).map(({ what, why }) => item(`${what}: ${why}`)),
      ...(plan.left.length > 0 ? [item(`No room for ${plan.left.join(", ")}: the list holds ${this.#options.most().toLocaleString("en-US")} symbols`)] : []),
    );
    const grown = plan.list.sections.length > this.#options.list().sections.length;
    const held = Object.keys(plan.positions).length;
    this.#add.hidden = plan.added.length === 0 && !grown && held === 0;
    setText(this.#add, plan.added.length === 0 ? (held > 0 ? "Set the positions" : "Add the sections") : `Add ${plan.added.length} ${plan.added.length === 1 ? "symbol" : "symbols"}`);
    if (!this.#add.hidden) this.#add.focus();
  }

  #import() {
    if (this.#read === null) return;
    // The list may have changed since somebody looked, in another window.
    const { list, added, positions } = this.#planOf(this.#read);
    this.#dialog.close();
    this.#options.onImported(list, positions);
    this.#options.tell(`${added.length} ${added.length === 1 ? "symbol" : "symbols"} added.`);
  }

  /**
   * @param {ReturnType<typeof readAnswer>} read
   * @returns {Plan} for the list as it is now
   */
  #planOf({ entries, unread }) {
    return planOf(this.#options.list(), entries, unread, this.#options.most(), this.#options.what().id === null ? null : this.#options.positions());
  }

  /** @param {string} format */
  async save(format) {
    const { name } = this.#options.what();
    const { symbols, sections } = this.#options.list();
    // As it is shown: what was changed a moment ago may not be with the server yet.
    const answer = await ask(fetch, "POST", `watchlists/write?format=${format}`, { name, symbols, sections, positions: this.#options.positions() });
    if (!answer.ok) return this.#options.tell(`Not saved: ${answer.reason}.`);
    const { file_name: file, media_type: type, text } = /** @type {Record<string, string>} */ (answer.body);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text ?? ""], { type: type ?? "text/plain" }));
    link.download = file ?? "list.txt";
    link.click();
    // The browser has begun to save it by then, and holds it by itself.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
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

/**
 * @param {File} file
 * @returns {Promise<Uint8Array | null>}
 */
async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    // It is gone, or may not be read.
    return null;
  }
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @param {string} text */
function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}
