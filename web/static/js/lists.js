/**
 * The choice of the watch list: this browser's own, or one that the server keeps. Everything works
 * without the server's database; what is changed meanwhile is kept here and saved when it is back. What
 * the browser does not keep is told. Windows share the lists, and each chooses its own.
 */
import { storageKey } from "./address.js";
import { arranged, isSame } from "./arrangement.js";
import { DeletedRows } from "./deleted-rows.js";
import { must, setText } from "./dom.js";
import { ListBook, MOST_POSITIONS, readNamed } from "./list-book.js";
import { ListForm } from "./list-form.js";
import { listInAddress, showInAddress } from "./list-address.js";
import { noteOf } from "./list-note.js";
import { ask, itemsIn } from "./rows-api.js";
import { SECTIONS_KEY, WATCHLIST_KEY, readChosen, readOwn } from "./storage.js";
import { MAX_SYMBOLS } from "./store.js";

/** @typedef {import("./arrangement.js").Arrangement} Arrangement */
/** @typedef {import("./rows-api.js").Answer} Answer */
/** @typedef {import("./rows-api.js").Refusal} Refusal */
/** @typedef {import("./storage.js").Trouble} Trouble */
/** @typedef {import("./toast.js").Undoable} Undoable */

export const LISTS_KEY = storageKey("lists");
/** The window's choice, in the storage of its session. */
const CHOSEN_KEY = storageKey("list");

/** Changes within this time are saved as one. */
const SAVE_MS = 300;
const RETRY_MS = 5_000;

/**
 * @typedef {object} Options
 * @property {import("./storage.js").Memory} memory that all windows share
 * @property {import("./storage.js").Memory} session that is this window's
 * @property {() => void} onShow another list is to be shown, or the same in another order or with other positions
 * @property {(undoable: Undoable) => void} onDeleted
 * @property {(text: string) => void} announce
 */

export class Lists {
  #options;
  #book;
  #select = must(document, "#list", HTMLSelectElement);
  #rename = must(document, "#list-rename", HTMLButtonElement);
  #delete = must(document, "#list-delete", HTMLButtonElement);
  #form;
  #note = must(document, "#list-note", HTMLElement);
  #deleted = new DeletedRows({
    box: "#lists-deleted",
    path: "watchlists/deleted",
    name: "watchlists",
    text: (item) => {
      const named = readNamed(item);
      return named === null ? null : `${named.name}, ${named.symbols.length} ${named.symbols.length === 1 ? "symbol" : "symbols"}`;
    },
    onRestore: (id) => this.#restore(id),
  });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #busy = false;
  #failures = 0;
  /** What keeps the browser from keeping this browser's list, and the named ones. @type {Trouble | null} */
  #ownTrouble;
  /** @type {Trouble | null} */
  #trouble;
  /** This browser's list. @type {Arrangement} */
  #own;
  /** The list that the address names, as long as the server has not said whether there is one. @type {number | null} */
  #addressed = null;
  /** What somebody has to know until another list is chosen. */
  #remark = "";
  /** Symbols that the server takes in one list. */
  #most = 200;
  /** @type {import("./list-note.js").ListServer} */
  #server = "known";

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { memory, session } = options;
    const addressed = listInAddress(location.search);
    this.#book = new ListBook(memory.load(LISTS_KEY), addressed ?? readChosen(session.load(CHOSEN_KEY)));
    this.#own = readOwn(memory);
    this.#ownTrouble = this.#trouble = memory.trouble;
    if (addressed !== undefined && addressed !== this.#book.chosen) this.#addressed = addressed;
    // A new window begins with the list of its address, or else with the one chosen last, and stays with it.
    session.save(CHOSEN_KEY, this.#book.chosen);
    if (this.#addressed === null) showInAddress(this.#book.chosen, false);
    window.addEventListener("popstate", () => {
      const list = listInAddress(location.search) ?? null;
      if (list !== this.#book.chosen) this.#show(list);
    });
    this.#select.addEventListener("change", () => this.#choose(this.#select.value === "" ? null : Number(this.#select.value)));
    this.#form = new ListForm({
      onSubmit: (naming, name, withSymbols) => void this.#submit(naming, name, withSymbols),
      onOpen: () => this.#say("none", ""),
      onClose: () => {
        this.#paintNote();
        this.#select.focus();
      },
    });
    must(document, "#list-new", HTMLButtonElement).addEventListener("click", () => this.#form.open("new", "", this.symbols.length > 0));
    this.#rename.addEventListener("click", () => {
      const { active } = this.#book;
      if (active !== null) this.#form.open(active.id, active.name, this.symbols.length > 0);
    });
    this.#delete.addEventListener("click", () => void this.#deleteActive());
    this.#paint();
    this.#paintNote();
  }

  /** The list that is chosen, as it is arranged. @returns {Arrangement} */
  get arrangement() {
    return this.#book.active ?? this.#own;
  }

  get symbols() {
    return this.arrangement.symbols;
  }

  /** What is held of its symbols; nothing in this browser's own. @returns {import("./positions.js").Positions} */
  get positions() {
    return this.#book.active?.positions ?? {};
  }

  /** @param {import("./positions.js").PositionChanges} changes those that are not named stay */
  hold(changes) {
    if (this.#book.active === null) return;
    this.#refresh();
    this.#book.hold(changes);
    this.#keep();
    this.#soon(SAVE_MS);
  }

  /** Which list is chosen; no id for this browser's. */
  get chosen() {
    return { id: this.#book.chosen, name: this.#book.active?.name ?? "Watch list" };
  }

  /** How many symbols the list that is chosen can hold. */
  get most() {
    return this.#book.active === null ? MAX_SYMBOLS : this.#most;
  }

  /**
   * The list that is chosen is this now.
   * @param {Arrangement} list
   */
  edited(list) {
    if (this.#book.active === null) {
      const { memory } = this.#options;
      this.#own = arranged(list.symbols, list.sections);
      this.#ownTrouble = memory.save(SECTIONS_KEY, this.#own.sections) ?? memory.save(WATCHLIST_KEY, this.#own.symbols);
      this.#paintNote();
    } else {
      this.#refresh();
      this.#book.edited(list);
      this.#keep();
      this.#soon(SAVE_MS);
    }
  }

  /** Another window changed what is kept. What this one could not have kept stays as it is here. */
  reread() {
    const { memory } = this.#options;
    if (this.#ownTrouble === null) this.#own = readOwn(memory);
    const { active } = this.#book;
    if (this.#trouble === null) this.#book = new ListBook(memory.load(LISTS_KEY), this.#book.chosen);
    this.#noteGone(active);
    this.#paint();
    this.#paintNote();
  }

  /**
   * Something that was asked for cannot be done with this list as it is.
   * @param {string} text
   */
  tell(text) {
    this.#say("warning", text);
    this.#options.announce(text);
  }

  /** Asks the server for the lists, and saves what it does not know yet. */
  load() {
    this.#soon(0);
  }

  /** @param {number} ms */
  #soon(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#sync(), ms);
  }

  async #sync() {
    if (this.#busy) return this.#soon(SAVE_MS);
    this.#busy = true;
    const refusal = (await this.#save()) ?? (await this.#read());
    this.#busy = false;
    this.#judge(refusal);
  }

  /** @returns {Promise<Refusal | null>} */
  async #save() {
    for (const { id } of this.#book.lists) {
      const change = this.#book.change(id);
      if (change === null) continue;
      const answer = await ask(fetch, "PATCH", `watchlists/${id}`, change);
      if (!answer.ok) {
        // Deleted elsewhere: `#read` sees to it.
        if (answer.status === 404) continue;
        return answer;
      }
      this.#tell(answer.body);
      if (Object.keys(change.positions ?? {}).length === MOST_POSITIONS) this.#soon(SAVE_MS);
    }
    return null;
  }

  /** @returns {Promise<Refusal | null>} */
  async #read() {
    const { news } = this.#latest();
    const answer = await ask(fetch, "GET", "watchlists");
    if (!answer.ok) return answer;
    const most = /** @type {any} */ (answer.body)?.limits?.symbols;
    if (typeof most === "number") this.#most = most;
    const before = this.#seen();
    this.#refresh();
    // Older than a list that was made, changed or deleted meanwhile: it would be gone, or back.
    if (this.#book.news !== news) return this.#read();
    const { active } = this.#book;
    this.#book.received(itemsIn(answer.body, "watchlists").map(readNamed).filter((named) => named !== null));
    this.#keep();
    this.#noteGone(active);
    this.#paint();
    if (this.#addressed !== null) this.#take(this.#addressed);
    else this.#showUnless(before);
    return null;
  }

  #seen() {
    return { list: this.arrangement, positions: JSON.stringify(this.positions) };
  }

  /** @param {{list: Arrangement, positions: string}} seen */
  #showUnless({ list, positions }) {
    if (!isSame(this.arrangement, list) || JSON.stringify(this.positions) !== positions) this.#options.onShow();
  }

  /** @param {unknown} body of an answer that tells one list */
  #tell(body) {
    const named = readNamed(body);
    if (named === null) return null;
    const before = this.#seen();
    this.#refresh();
    this.#book.told(named);
    this.#keep();
    this.#paint();
    this.#showUnless(before);
    return named;
  }

  /** @param {Refusal | null} refusal */
  #judge(refusal) {
    if (refusal === null) {
      if (this.#failures > 1) this.#options.announce("Lists are saved again.");
      this.#failures = 0;
      this.#server = "known";
      this.#paintNote();
    } else if (refusal.status === 401) {
      this.#server = refusal.loggedOut ? "loggedOut" : "cookieless";
      this.#paintNote();
    } else if (refusal.temporary) {
      this.#failures += 1;
      // A server that has just started has its database a moment later: that is not shown.
      if (this.#failures > 1) {
        this.#server = "away";
        this.#paintNote();
      }
      this.#soon(Math.max(refusal.retryAfter ?? 0, Math.min(RETRY_MS * (this.#failures - 1), 12 * RETRY_MS), 1_000));
    } else {
      this.#say("error", `Not saved: ${refusal.reason}.`);
    }
  }

  /**
   * The list that the address names, now that all lists are known.
   * @param {number} id
   */
  #take(id) {
    this.#addressed = null;
    if (this.#book.lists.some((list) => list.id === id)) return this.#show(id);
    showInAddress(this.#book.chosen, false);
    this.#remark = `There is no list with the number ${id} here: it was deleted, or is somebody else’s.`;
    this.#paintNote();
  }

  /** @param {number | null} id */
  #choose(id) {
    showInAddress(id, true);
    this.#show(id);
  }

  /** @param {number | null} id */
  #show(id) {
    this.#addressed = null;
    this.#remark = "";
    this.#refresh();
    this.#book.choose(id);
    this.#keep();
    this.#paint();
    this.#paintNote();
    this.#options.onShow();
    this.#options.announce(`${this.#book.active?.name ?? "The list of this browser"} is shown.`);
  }

  async #deleteActive() {
    const { active } = this.#book;
    if (active === null) return;
    const answer = await ask(fetch, "DELETE", `watchlists/${active.id}`);
    if (!answer.ok && answer.status !== 404) return this.#refused("Not deleted", answer);
    this.#refresh();
    this.#book.drop(active.id);
    showInAddress(null, false);
    this.#deleted.changed();
    this.#keep();
    this.#paint();
    this.#paintNote();
    this.#options.onShow();
    // Not the choice: a key there is a choice, and Control Z is to bring the list back.
    must(document, "#list-new", HTMLButtonElement).focus();
    const label = `List “${active.name}”`;
    this.#options.onDeleted({ symbol: label, undo: () => void this.#restore(active.id) });
    this.#options.announce(`${label} removed. Control Z brings it back.`);
  }

  /** @param {number} id */
  async #restore(id) {
    const answer = await ask(fetch, "POST", `watchlists/${id}/restore`);
    if (!answer.ok) return this.#refused("Not brought back", answer);
    this.#deleted.changed();
    if (this.#tell(answer.body) !== null) this.#choose(id);
  }

  /**
   * @param {import("./list-form.js").Naming} naming
   * @param {string} name
   * @param {boolean} withSymbols
   */
  async #submit(naming, name, withSymbols) {
    if (name === "") return this.#say("error", "Type a name first.");
    const answer =
      naming === "new"
        ? await ask(fetch, "POST", "watchlists", { name, ...(withSymbols ? { symbols: this.symbols, sections: this.arrangement.sections } : {}) })
        : await ask(fetch, "PATCH", `watchlists/${naming}`, { name });
    if (!answer.ok) {
      this.#form.focus();
      return this.#refused("Not saved", answer);
    }
    const named = this.#tell(answer.body);
    this.#form.close();
    if (named === null) return;
    if (naming === "new") this.#choose(named.id);
    else this.#options.announce(`Renamed to ${named.name}.`);
  }

  /**
   * @param {string} what
   * @param {Refusal} refusal
   */
  #refused(what, refusal) {
    this.#say("error", `${what}: ${refusal.reason}.`);
    this.#options.announce(`${what}: ${refusal.reason}.`);
  }

  #keep() {
    const { memory, session } = this.#options;
    // Not written when there is no news: what another window wrote a moment ago may not have come to
    // this one yet, and would be lost.
    const lists = this.#book.toText();
    if (this.#trouble !== null || JSON.stringify(lists) !== memory.load(LISTS_KEY)) this.#trouble = memory.save(LISTS_KEY, lists);
    // A session that is not kept begins with the list chosen last.
    session.save(CHOSEN_KEY, this.#book.chosen);
  }

  /** @param {{name: string} | null} before the list that was shown */
  #noteGone(before) {
    if (before === null || this.#book.chosen !== null) return;
    showInAddress(null, false);
    this.#options.announce(`List “${before.name}” was deleted elsewhere. The list of this browser is shown.`);
  }

  /**
   * Before a change: what another tab has changed since this one looked is kept already, and would
   * be lost if this one's idea of it were written over it.
   */
  #refresh() {
    this.#book = this.#latest();
  }

  /** The lists as the windows of this browser have them now. */
  #latest() {
    const text = this.#trouble === null ? this.#options.memory.load(LISTS_KEY) : null;
    return text === null ? this.#book : new ListBook(text, this.#book.chosen);
  }

  #paint() {
    const { active, lists } = this.#book;
    const own = new Option("This browser", "");
    this.#select.replaceChildren(own, ...lists.map((list) => new Option(list.name, String(list.id))));
    this.#select.value = active === null ? "" : String(active.id);
    this.#rename.hidden = this.#delete.hidden = active === null;
  }

  /** What somebody has to know of the list that is shown, as long as it is so. Said aloud when it is new. */
  #paintNote() {
    const isOwn = this.#book.active === null;
    const told = noteOf(this.#server, isOwn ? this.#ownTrouble : this.#trouble, isOwn);
    const { kind, text } = told.kind === "warning" || this.#remark === "" ? told : { kind: /** @type {const} */ ("warning"), text: this.#remark };
    if (kind === "warning" && this.#note.textContent !== text) this.#options.announce(text);
    this.#say(kind, text);
  }

  /**
   * @param {"none" | "note" | "warning" | "error"} kind
   * @param {string} text
   */
  #say(kind, text) {
    this.#note.dataset.kind = kind;
    setText(this.#note, text);
  }
}
