/**
 * The menu of the table: which columns are shown, and what the rows are sorted by. On a narrow screen,
 * where there is no room for heads, it is the one place to sort by some of them.
 */
import { must, setText } from "./dom.js";

/** @typedef {import("./columns.js").Columns} Columns */
/** @typedef {import("./sort.js").Sorting} Sorting */

/**
 * @typedef {object} Options
 * @property {Columns} columns
 * @property {(compact: boolean) => import("./storage.js").Trouble | null} onCompact rows are to be so, from now on
 * @property {(sorting: Sorting) => void} onSort
 * @property {(text: string) => void} announce
 */

export class ColumnsMenu {
  #options;
  #button = must(document, "#columns-open", HTMLButtonElement);
  #panel = must(document, "#columns", HTMLElement);
  #choices = must(document, "#columns-shown", HTMLFieldSetElement);
  #by = must(document, "#sort-by", HTMLSelectElement);
  #turn = must(document, "#sort-turn", HTMLButtonElement);
  #compact = must(document, "#compact", HTMLInputElement);
  /** @type {Sorting} */
  #sorting = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { columns } = options;
    this.#button.addEventListener("click", () => this.#open(this.#panel.hidden === true));
    this.#choices.addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement) this.#kept(columns.show(target.value, target.checked));
    });
    must(this.#panel, "[data-part=reset]", HTMLButtonElement).addEventListener("click", () => this.#kept(columns.reset()));
    this.#compact.addEventListener("change", () => this.#kept(options.onCompact(this.#compact.checked)));
    this.#by.addEventListener("change", () => {
      const column = columns.column(this.#by.value);
      options.onSort(column === undefined ? null : { column: column.id, descending: column.descending });
    });
    this.#turn.addEventListener("click", () => {
      if (this.#sorting !== null) options.onSort({ ...this.#sorting, descending: !this.#sorting.descending });
    });
    const box = /** @type {HTMLElement} */ (this.#panel.parentElement);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.#panel.hidden) return;
      event.preventDefault();
      this.#open(false);
      this.#button.focus();
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (target instanceof Node && !box.contains(target)) this.#open(false);
    });
    box.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !box.contains(relatedTarget)) this.#open(false);
    });
    columns.onChoice(() => this.#fill());
  }

  /** @param {boolean} compact */
  set compact(compact) {
    this.#compact.checked = compact;
  }

  /** @param {Sorting} sorting */
  showSorting(sorting) {
    this.#sorting = sorting;
    this.#fill();
  }

  /** @param {boolean} open */
  #open(open) {
    if (open === !this.#panel.hidden) return;
    this.#panel.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.#fill();
    this.#choices.querySelector("input")?.focus();
  }

  /** What is there is changed and not made anew: the focus is in it. */
  #fill() {
    if (this.#panel.hidden) return;
    const { columns } = this.#options;
    const boxes = new Map([...this.#choices.querySelectorAll("input")].map((input) => [input.value, input]));
    for (const column of columns.all) {
      if (column.shown === "always") continue;
      const box = boxes.get(column.id) ?? this.#add(column);
      box.checked = columns.isShown(column.id);
    }
    this.#by.replaceChildren(option("", "own order"), ...columns.shown.map(({ id, title }) => option(id, title)));
    this.#by.value = this.#sorting?.column ?? "";
    this.#turn.disabled = this.#sorting === null;
    setText(this.#turn, this.#sorting?.descending ? "Descending" : "Ascending");
  }

  /** @param {import("./columns.js").Column} column */
  #add({ id, title, about }) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "checkbox";
    input.value = id;
    input.dataset.testid = `column-${id}`;
    label.append(input, title);
    if (about !== undefined) {
      const words = document.createElement("span");
      words.className = "meta";
      words.textContent = about;
      label.append(words);
    }
    this.#choices.append(label);
    return input;
  }

  /** @param {import("./storage.js").Trouble | null} trouble */
  #kept(trouble) {
    if (trouble !== null) this.#options.announce("This browser does not keep how the list is shown: it holds for this visit.");
  }
}

/**
 * @param {string} value
 * @param {string} text
 */
function option(value, text) {
  const element = document.createElement("option");
  element.value = value;
  element.textContent = text;
  return element;
}
