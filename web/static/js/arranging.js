/**
 * A list arranged by hand: rows and sections moved by keys or dragged, sections made, named, folded and
 * removed. Each change is said, as who moves a row by keys may not see it.
 */
import { placed, sectionOf, sectionPlaced, sectionStepped, stepped, whyNoName, withChanged, withSection, withoutSection } from "./arrangement.js";
import { must, setText } from "./dom.js";

/** @typedef {import("./arrangement.js").Arrangement} Arrangement */
/** @typedef {import("./row-mover.js").Drop} Drop */

/**
 * @typedef {object} Options
 * @property {() => Arrangement} list as it is now
 * @property {() => boolean} isSorted by a column: rows have no place of their own then
 * @property {(list: Arrangement) => void} onArranged it is this now
 * @property {() => string | null} current the symbol of the row that Tab reaches
 * @property {(symbol: string) => void} focus its row
 * @property {(name: string) => void} focusSection
 * @property {(text: string) => void} announce
 * @property {(text: string) => void} tell the same, to be seen as well
 */

const SORTED = "The list is sorted. Press the head of that column until its mark is gone, and rows can be moved.";

export class Arranging {
  #options;
  #dialog = must(document, "#section-dialog", HTMLDialogElement);
  #name = must(this.#dialog, "#section-name", HTMLInputElement);
  #from = must(this.#dialog, "#section-from", HTMLInputElement);
  #hint = must(this.#dialog, ".entry-hint", HTMLElement);
  /** The section that is renamed; null while one is made. @type {string | null} */
  #renamed = null;
  /** The row that a new section may begin with. @type {string | null} */
  #first = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    must(document, "#section-new", HTMLButtonElement).addEventListener("click", () => this.#open(null));
    must(this.#dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(this.#name.value.trim().replace(/\s+/g, " "));
    });
    must(this.#dialog, '[data-part="cancel"]', HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
  }

  /** @returns {string | null} why no row can be moved now, which is said then */
  whyUnmovable() {
    if (!this.#options.isSorted()) return null;
    this.#options.tell(SORTED);
    return SORTED;
  }

  /**
   * @param {string} symbol
   * @param {-1 | 1} by
   */
  step(symbol, by) {
    if (this.whyUnmovable() !== null) return;
    const list = stepped(this.#options.list(), symbol, by);
    if (list === null) return this.#options.announce(`${symbol} is the ${by < 0 ? "first" : "last"} already.`);
    this.#moved(list, symbol);
  }

  /**
   * @param {string} name
   * @param {-1 | 1} by
   */
  stepSection(name, by) {
    const list = sectionStepped(this.#options.list(), name, by);
    if (list === null) return this.#options.announce(`${name} is the ${by < 0 ? "first" : "last"} section already.`);
    this.#movedSection(list, name);
  }

  /** @param {Drop} drop */
  drop({ what, at, after }) {
    const list = this.#options.list();
    if ("section" in what) {
      const at_ = "section" in at ? at.section : sectionOf(list, at.symbol);
      const place = list.sections.findIndex((section) => section.name === at_);
      // Before the section it was let go on, or after that where it was let go below its name.
      const below = !("section" in at && !after) && at_ !== null;
      const before = list.sections[below ? place + 1 : Math.max(place, 0)]?.name ?? null;
      return this.#movedSection(sectionPlaced(list, what.section, before), what.section);
    }
    if ("symbol" in at) {
      const section = sectionOf(list, at.symbol);
      return this.#moved(placed(list, what.symbol, section, after ? nextOf(list, section, at.symbol) : at.symbol), what.symbol);
    }
    const place = list.sections.findIndex((section) => section.name === at.section);
    const [section, first] = after ? [at.section, list.sections[place]?.symbols[0] ?? null] : [list.sections[place - 1]?.name ?? null, null];
    this.#moved(placed(list, what.symbol, section, first), what.symbol);
  }

  /** @param {string} name */
  fold(name) {
    const list = this.#options.list();
    const section = list.sections.find((one) => one.name === name);
    if (section === undefined) return;
    this.#options.onArranged(withChanged(list, name, { folded: !section.folded }));
    this.#options.announce(`${name} ${section.folded ? "open" : "folded"}.`);
  }

  /** @param {string} name */
  rename(name) {
    this.#open(name);
  }

  /** @param {string} name */
  remove(name) {
    const before = this.#options.list();
    const place = before.sections.findIndex((section) => section.name === name);
    this.#options.onArranged(withoutSection(before, name));
    const next = before.sections[place + 1]?.name ?? before.sections[place - 1]?.name;
    const first = before.sections[place]?.symbols[0] ?? before.symbols[0];
    if (first !== undefined) this.#options.focus(first);
    else if (next !== undefined) this.#options.focusSection(next);
    this.#options.announce(`Section ${name} removed; its symbols stay on the list.`);
  }

  /** @param {string | null} renamed */
  #open(renamed) {
    this.#renamed = renamed;
    this.#first = renamed === null ? this.#options.current() : null;
    setText(must(this.#dialog, "h2", HTMLElement), renamed === null ? "New section" : "Rename the section");
    this.#name.value = renamed ?? "";
    must(this.#dialog, '[data-part="from"]', HTMLElement).hidden = this.#first === null;
    setText(must(this.#dialog, '[data-part="first"]', HTMLElement), this.#first ?? "");
    this.#from.checked = false;
    this.#refuse("");
    this.#dialog.showModal();
    this.#name.select();
  }

  /** @param {string} name */
  #submit(name) {
    const [list, renamed] = [this.#options.list(), this.#renamed];
    const why = whyNoName(list, name, renamed);
    if (why !== null) return this.#refuse(why);
    const from = this.#from.checked && this.#first !== null && list.symbols.includes(this.#first) ? this.#first : null;
    this.#options.onArranged(renamed === null ? withSection(list, name, from) : withChanged(list, renamed, { name }));
    this.#dialog.close();
    this.#options.focusSection(name);
    this.#options.announce(renamed === null ? `Section ${name} made.` : `Section ${renamed} is ${name} now.`);
  }

  /** @param {string} why */
  #refuse(why) {
    this.#hint.dataset.kind = why === "" ? "none" : "error";
    setText(this.#hint, why);
    this.#name.setAttribute("aria-invalid", String(why !== ""));
    if (why !== "") this.#name.focus();
  }

  /**
   * @param {Arrangement} list
   * @param {string} symbol
   */
  #moved(list, symbol) {
    this.#options.onArranged(list);
    this.#options.focus(symbol);
    const section = sectionOf(list, symbol);
    const among = list.sections.find(({ name }) => name === section)?.symbols ?? list.symbols;
    const count = section === null ? list.symbols.length - list.sections.flatMap(({ symbols }) => symbols).length : among.length;
    this.#options.announce(`${symbol}: ${among.indexOf(symbol) + 1} of ${count}${section === null ? "" : ` in ${section}`}.`);
  }

  /**
   * @param {Arrangement} list
   * @param {string} name
   */
  #movedSection(list, name) {
    this.#options.onArranged(list);
    this.#options.focusSection(name);
    this.#options.announce(`Section ${name}: ${list.sections.findIndex((section) => section.name === name) + 1} of ${list.sections.length}.`);
  }
}

/**
 * @param {Arrangement} list
 * @param {string | null} section
 * @param {string} symbol
 * @returns {string | null} the one after it in that section
 */
function nextOf(list, section, symbol) {
  const among = list.sections.find(({ name }) => name === section)?.symbols ?? list.symbols;
  const next = among[among.indexOf(symbol) + 1];
  return next === undefined || sectionOf(list, next) !== section ? null : next;
}
