/**
 * The tree as a treegrid: rows are kept and moved, one of them is reached by Tab, arrows do the rest.
 */
import { must, setText } from "../dom.js";
import { TreeRow } from "./tree-row.js";
import { plural } from "./wording.js";

/** @typedef {import("./tree-model.js").TreeModel} TreeModel */
/** @typedef {import("./tree-model.js").Row} Row */

/**
 * @typedef {object} Options
 * @property {TreeModel} model
 * @property {(path: string, action: "kill" | "restart") => void} onAction
 * @property {(path: string) => void} onDetails
 */

export class TreeView {
  #options;
  #template = must(document, "#tree-row-template", HTMLTemplateElement);
  #table = must(document, "#tree", HTMLTableElement);
  #body = must(document, "#tree-rows", HTMLElement);
  #sum = must(document, "#tree-sum", HTMLElement);
  #empty = must(document, "#tree-empty", HTMLElement);
  #search = must(document, "#search", HTMLInputElement);
  #unhealthy = must(document, "#unhealthy-only", HTMLInputElement);
  /** @type {Map<string, TreeRow>} */
  #rows = new Map();
  /** @type {Row[]} */
  #shown = [];
  #current = "root";
  #allowed = { kill: false, restart: false };

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#search.addEventListener("input", () => this.paint());
    this.#unhealthy.addEventListener("change", () => this.paint());
    this.#body.addEventListener("click", (event) => this.#clicked(event));
    this.#body.addEventListener("keydown", (event) => this.#pressed(event));
    this.#body.addEventListener("focusin", (event) => {
      const path = pathOf(event.target);
      if (path !== null) this.#setCurrent(path);
    });
  }

  /** @param {{kill: boolean, restart: boolean}} allowed which actions rows have */
  set allowed(allowed) {
    if (allowed.kill === this.#allowed.kill && allowed.restart === this.#allowed.restart) return;
    this.#allowed = allowed;
    this.#table.dataset.actions = String(allowed.kill || allowed.restart);
    this.paint();
  }

  /** For the key that finds. */
  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  toggleUnhealthy() {
    this.#unhealthy.checked = !this.#unhealthy.checked;
    this.paint();
  }

  paint() {
    const { model } = this.#options;
    const now = performance.now();
    const filter = { query: this.#search.value, unhealthyOnly: this.#unhealthy.checked };
    this.#shown = model.rows(filter);
    const seen = new Set(this.#shown.map((row) => row.key));
    for (const [key, row] of this.#rows) {
      if (seen.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    /** @type {Element | null} */
    let place = this.#body.firstElementChild;
    for (const shown of this.#shown) {
      let row = this.#rows.get(shown.key);
      if (row === undefined) this.#rows.set(shown.key, (row = new TreeRow(this.#template, shown.key)));
      const { node } = shown;
      row.paint(shown, node && model.mark(shown.key, now), node === null ? [] : model.troubles(node), model.isFaulty(shown.key), this.#allowed);
      if (row.element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(row.element, place);
    }
    if (!seen.has(this.#current)) this.#current = this.#shown[0]?.key ?? "";
    for (const [key, row] of this.#rows) row.current = key === this.#current;
    this.#paintSum(filter);
  }

  /** @param {{query: string, unhealthyOnly: boolean}} filter */
  #paintSum(filter) {
    const { actors, unhealthy } = this.#options.model.summary();
    setText(this.#sum, `${plural(actors, "actor")}${unhealthy === 0 ? "" : ` · ${unhealthy} to look at`}`);
    this.#empty.hidden = this.#shown.length > 0 || actors === 0;
    setText(this.#empty, filter.query !== "" ? `No actor matches “${filter.query}”.` : "Every actor is well.");
  }

  /** @param {string} path */
  #setCurrent(path) {
    if (path === this.#current) return;
    this.#current = path;
    for (const [key, row] of this.#rows) row.current = key === path;
  }

  /** @param {string | undefined} path */
  #focus(path) {
    if (path === undefined) return;
    this.#setCurrent(path);
    this.#rows.get(path)?.element.focus();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const path = pathOf(event.target);
    if (path === null || !(event.target instanceof Element)) return;
    const action = event.target.closest("[data-action]")?.getAttribute("data-action");
    if (action === "kill" || action === "restart") this.#options.onAction(path, action);
    else if (event.target.closest('[data-part="fold"]')) this.#fold(path);
    else if (event.target.closest('[data-part="exit"], .t-name')) this.#details(path);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const index = this.#shown.findIndex((row) => row.key === this.#current);
    const row = this.#shown[index];
    if (row === undefined) return;
    const inButton = event.target instanceof HTMLButtonElement;
    switch (event.key) {
      case "ArrowDown":
        this.#focus(this.#shown[index + 1]?.key);
        break;
      case "ArrowUp":
        this.#focus(this.#shown[index - 1]?.key);
        break;
      case "Home":
        this.#focus(this.#shown[0]?.key);
        break;
      case "End":
        this.#focus(this.#shown.at(-1)?.key);
        break;
      case "ArrowRight":
        if (row.expanded === false) this.#fold(row.key);
        else if (row.expanded) this.#focus(this.#shown[index + 1]?.key);
        break;
      case "ArrowLeft":
        if (row.expanded) this.#fold(row.key);
        else this.#focus(row.node === null ? row.parent.actor.path : row.node.parent?.actor.path);
        break;
      case "Enter":
        if (inButton) return;
        this.#details(row.key);
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  /** @param {string} path */
  #fold(path) {
    const row = this.#shown.find(({ key }) => key === path);
    this.#options.model.setExpanded(path, row?.expanded === false);
    this.paint();
  }

  /** @param {string} path */
  #details(path) {
    if (this.#options.model.node(path) !== undefined) this.#options.onDetails(path);
  }
}

/**
 * @param {EventTarget | null} target
 * @returns {string | null}
 */
function pathOf(target) {
  const row = target instanceof Element ? target.closest("tr") : null;
  return row?.dataset.path ?? null;
}
