/**
 * The user's named lists as this browser knows them: what the server had last, and what was changed
 * here since. All windows share them; which of them is shown is a window's own. A change is what differs between the two, so it can wait for days, is sent as symbols
 * to add and to remove, and never undoes what another tab or browser did. No DOM and no I/O.
 */
import { arranged, isSame, readSections } from "./arrangement.js";
import { changed, differences, readPositions } from "./positions.js";
import { isSymbol } from "./symbols.js";

/** @typedef {import("./arrangement.js").Arrangement} Arrangement */
/** @typedef {import("./arrangement.js").Section} Section */
/** @typedef {import("./positions.js").Position} Position */
/** @typedef {import("./positions.js").PositionChanges} PositionChanges */
/** @typedef {{id: number, name: string, symbols: string[], sections: Section[], positions: Record<string, Position>}} Named as the server tells it */
/** @typedef {Named & {base: string[], baseSections: Section[], basePositions: Record<string, Position>}} Kept base: what the server has */
/** `order` and `sections` are there when something was moved, too: those of no section, and the rest. @typedef {{add: string[], remove: string[], order?: string[], sections?: Section[], positions?: PositionChanges}} Change */

/** Positions in one change: a body has a largest size. */
export const MOST_POSITIONS = 300;

export class ListBook {
  /** @type {Kept[]} */
  #lists = [];
  /** The list that is shown; null for the one of this browser alone. @type {number | null} */
  #active = null;
  /** The list that was chosen last in any window. @type {number | null} */
  #last = null;
  /** Lists that the server told of one by one, in any window. */
  #news = 0;

  /**
   * @param {string | null} text as `toText` wrote it; anything else is as good as nothing
   * @param {number | null} [chosen] the list that this window shows; without it, the one that was chosen last in any
   */
  constructor(text, chosen) {
    /** @type {any} */
    let parsed = null;
    try {
      parsed = JSON.parse(text ?? "null");
    } catch {
      // Somebody else's, or cut off: begin with none.
    }
    if (!Array.isArray(parsed?.lists)) return;
    if (Number.isSafeInteger(parsed.news)) this.#news = parsed.news;
    for (const item of parsed.lists) {
      const named = readNamed(item);
      if (named !== null) this.#lists.push({ ...named, base: symbolsOf(item.base), baseSections: readSections(item.baseSections), basePositions: readPositions(item.basePositions) });
    }
    this.#last = this.#known(parsed.active);
    this.#active = chosen === undefined ? this.#last : this.#known(chosen);
  }

  toText() {
    return { active: this.#last, lists: this.#lists, news: this.#news };
  }

  /**
   * Another number each time that the server told of one list: an answer with all lists that was asked
   * for before may be older, and lack it.
   */
  get news() {
    return this.#news;
  }

  get lists() {
    return /** @type {readonly Readonly<Kept>[]} */ (this.#lists);
  }

  /** The id of the list that is shown; null for the one of this browser alone. */
  get chosen() {
    return this.#active;
  }

  get active() {
    return this.#lists.find((list) => list.id === this.#active) ?? null;
  }

  /** @param {number | null} id */
  choose(id) {
    this.#active = this.#last = this.#known(id);
  }

  /** @param {number | null} id */
  #known(id) {
    return this.#lists.some((list) => list.id === id) ? id : null;
  }

  /**
   * The active list is this now.
   * @param {Arrangement} list
   */
  edited(list) {
    const { active } = this;
    if (active === null) return;
    Object.assign(active, arranged(list.symbols, list.sections));
    active.positions = changed(active.positions, {}, active.symbols);
  }

  /**
   * The active list has these positions now; those that are not named stay.
   * @param {PositionChanges} changes
   */
  hold(changes) {
    const { active } = this;
    if (active !== null) active.positions = changed(active.positions, changes, active.symbols);
  }

  /**
   * What of a list the server does not know yet.
   * @param {number} id
   * @returns {Change | null} null for nothing
   */
  change(id) {
    const list = this.#lists.find((kept) => kept.id === id);
    if (list === undefined) return null;
    const [base, symbols] = [new Set(list.base), new Set(list.symbols)];
    const add = list.symbols.filter((symbol) => !base.has(symbol));
    const remove = list.base.filter((symbol) => !symbols.has(symbol));
    const held = Object.entries(differences(list.basePositions, list.positions, list.symbols)).slice(0, MOST_POSITIONS);
    const told = held.length === 0 ? {} : { positions: Object.fromEntries(held) };
    const kept = list.base.filter((symbol) => symbols.has(symbol));
    if (!isSame(list, arranged([...kept, ...add], list.baseSections))) {
      const inside = new Set(list.sections.flatMap((section) => section.symbols));
      return { add, remove, order: list.symbols.filter((symbol) => !inside.has(symbol)), sections: list.sections, ...told };
    }
    return add.length + remove.length + held.length === 0 ? null : { add, remove, ...told };
  }

  /**
   * The server tells all lists there are. Those it does not name are gone.
   * @param {readonly Named[]} told
   */
  received(told) {
    this.#lists = told.map((named) => this.#merged(named));
    if (this.active === null) this.#active = null;
  }

  /**
   * The server tells one list, made or changed.
   * @param {Named} named
   */
  told(named) {
    this.#news += 1;
    const merged = this.#merged(named);
    this.#lists = [...this.#lists.filter((list) => list.id !== named.id), merged].sort(byName);
  }

  /**
   * The server has deleted a list.
   * @param {number} id
   */
  drop(id) {
    this.#news += 1;
    this.#lists = this.#lists.filter((list) => list.id !== id);
    if (this.active === null) this.#active = null;
  }

  /**
   * @param {Named} named
   * @returns {Kept} with what was changed here since
   */
  #merged(named) {
    const change = this.change(named.id);
    const base = { base: named.symbols, baseSections: named.sections, basePositions: named.positions };
    if (change === null) return { ...named, ...base };
    const mine = /** @type {Kept} */ (this.#lists.find((kept) => kept.id === named.id));
    const held = differences(mine.basePositions, mine.positions, mine.symbols);
    const merged = this.#arranged(named, change, mine);
    return { ...named, ...base, ...merged, positions: changed(named.positions, held, merged.symbols) };
  }

  /**
   * @param {Named} named
   * @param {Change} change
   * @param {Kept} mine
   * @returns {Arrangement} as it is with what was changed here
   */
  #arranged(named, change, mine) {
    const removed = new Set(change.remove);
    const there = [...new Set([...named.symbols.filter((symbol) => !removed.has(symbol)), ...change.add])];
    if (change.sections === undefined) return arranged(there, named.sections);
    const known = new Set(there);
    return arranged([...new Set([...mine.symbols.filter((symbol) => known.has(symbol)), ...there])], mine.sections);
  }
}

/**
 * @param {unknown} item
 * @returns {Named | null}
 */
export function readNamed(item) {
  if (typeof item !== "object" || item === null) return null;
  const { id, name, symbols, sections, positions } = /** @type {Record<string, unknown>} */ (item);
  if (typeof id !== "number" || !Number.isSafeInteger(id) || typeof name !== "string" || !Array.isArray(symbols)) return null;
  const list = arranged(symbolsOf(symbols), readSections(sections));
  return { id, name, ...list, positions: changed(readPositions(positions), {}, list.symbols) };
}

/**
 * @param {unknown} list
 * @returns {string[]}
 */
function symbolsOf(list) {
  return Array.isArray(list) ? [...new Set(list.filter(isSymbol))] : [];
}

/**
 * @param {Named} a
 * @param {Named} b
 */
function byName(a, b) {
  return a.name.toLowerCase().localeCompare(b.name.toLowerCase());
}
