/**
 * A list as it is arranged by hand: symbols of no section, then sections with theirs. Nothing here changes
 * what it is given. No DOM and no I/O.
 */
import { isSymbol } from "./symbols.js";

/** @typedef {{name: string, folded: boolean, symbols: string[]}} Section */
/** `symbols` are all, from top to bottom. @typedef {{symbols: string[], sections: Section[]}} Arrangement */
/** One line of a list that is shown. @typedef {string | Section} Item */

export const MAX_SECTIONS = 50;
export const MAX_SECTION_NAME = 60;

/**
 * The list of these symbols, within each section in this order. A symbol is in the first section that names
 * it; what is not on the list is in none.
 * @param {readonly string[]} symbols
 * @param {readonly Section[]} sections
 * @returns {Arrangement}
 */
export function arranged(symbols, sections) {
  if (sections.length === 0) return { symbols: [...symbols], sections: [] };
  /** @type {Map<string, Section>} */
  const sectionOf = new Map();
  const made = sections.map(({ name, folded, symbols: inside }) => {
    const section = { name, folded, symbols: /** @type {string[]} */ ([]) };
    for (const symbol of inside) if (!sectionOf.has(symbol)) sectionOf.set(symbol, section);
    return section;
  });
  /** @type {string[]} */
  const loose = [];
  for (const symbol of symbols) (sectionOf.get(symbol)?.symbols ?? loose).push(symbol);
  return joined([loose, ...made.map((section) => section.symbols)], made);
}

/**
 * What is kept or told, with anything malformed left out.
 * @param {unknown} list
 * @returns {Section[]}
 */
export function readSections(list) {
  if (!Array.isArray(list)) return [];
  const sections = [];
  const names = new Set();
  for (const item of list) {
    if (typeof item?.name !== "string" || !Array.isArray(item.symbols)) continue;
    if (names.has(item.name.toLowerCase())) continue;
    names.add(item.name.toLowerCase());
    sections.push({ name: item.name, folded: item.folded === true, symbols: /** @type {string[]} */ (item.symbols.filter(isSymbol)) });
  }
  return sections.slice(0, MAX_SECTIONS);
}

/**
 * @param {Arrangement} a
 * @param {Arrangement} b
 */
export function isSame(a, b) {
  return JSON.stringify(a.symbols) === JSON.stringify(b.symbols) && JSON.stringify(a.sections.map(asText)) === JSON.stringify(b.sections.map(asText));
}

/**
 * The lines to be shown, `sort` puts those of each section in order. A folded section is its name alone.
 * @param {Arrangement} list
 * @param {(symbols: string[]) => string[]} [sort]
 * @returns {Item[]}
 */
export function itemsOf(list, sort = (symbols) => symbols) {
  const [loose = []] = blocksOf(list);
  return [...sort(loose), ...list.sections.flatMap((section) => [section, ...(section.folded ? [] : sort(section.symbols))])];
}

/**
 * @param {Arrangement} list
 * @param {string} symbol
 * @returns {string | null} the name of the section that it is in
 */
export function sectionOf(list, symbol) {
  return list.sections.find((section) => section.symbols.includes(symbol))?.name ?? null;
}

/**
 * A row one line up or down: past another, or over a section's name into the next section, which opens.
 * @param {Arrangement} list
 * @param {string} symbol
 * @param {-1 | 1} by
 * @returns {Arrangement | null} null at the end of the list
 */
export function stepped(list, symbol, by) {
  const blocks = blocksOf(list);
  const at = blocks.findIndex((block) => block.includes(symbol));
  const block = blocks[at];
  if (block === undefined) return null;
  const place = block.indexOf(symbol);
  const other = block[place + by];
  if (other !== undefined) {
    block[place] = other;
    block[place + by] = symbol;
    return joined(blocks, list.sections);
  }
  const next = blocks[at + by];
  if (next === undefined) return null;
  block.splice(place, 1);
  if (by > 0) next.unshift(symbol);
  else next.push(symbol);
  return joined(blocks, list.sections, at + by - 1);
}

/**
 * A row to another place.
 * @param {Arrangement} list
 * @param {string} symbol
 * @param {string | null} section the name of the one it goes to; null for none
 * @param {string | null} before the symbol it goes before; null for the end
 * @returns {Arrangement}
 */
export function placed(list, symbol, section, before) {
  if (symbol === before) return list;
  const blocks = blocksOf(list).map((block) => block.filter((other) => other !== symbol));
  const at = section === null ? 0 : list.sections.findIndex(({ name }) => name === section) + 1;
  const block = blocks[at] ?? [];
  const place = before === null ? -1 : block.indexOf(before);
  block.splice(place < 0 ? block.length : place, 0, symbol);
  return joined(blocks, list.sections, at - 1);
}

/**
 * A section with all that it holds, up or down past another.
 * @param {Arrangement} list
 * @param {string} name
 * @param {-1 | 1} by
 * @returns {Arrangement | null} null at the end of the list
 */
export function sectionStepped(list, name, by) {
  const place = list.sections.findIndex((section) => section.name === name);
  const other = list.sections[place + by];
  if (place < 0 || other === undefined) return null;
  const sections = [...list.sections];
  [sections[place], sections[place + by]] = [other, /** @type {Section} */ (sections[place])];
  return arranged(list.symbols, sections);
}

/**
 * A section with all that it holds to another place.
 * @param {Arrangement} list
 * @param {string} name
 * @param {string | null} before the name of the section it goes before; null for the end
 * @returns {Arrangement}
 */
export function sectionPlaced(list, name, before) {
  const section = list.sections.find((one) => one.name === name);
  if (section === undefined || name === before) return list;
  const sections = list.sections.filter((one) => one !== section);
  const place = before === null ? -1 : sections.findIndex((one) => one.name === before);
  sections.splice(place < 0 ? sections.length : place, 0, section);
  return arranged(list.symbols, sections);
}

/**
 * A new section: from a row to the end of what that one is in, or an empty one at the end of the list.
 * @param {Arrangement} list
 * @param {string} name
 * @param {string | null} from
 * @returns {Arrangement}
 */
export function withSection(list, name, from) {
  const blocks = blocksOf(list);
  const at = from === null ? -1 : blocks.findIndex((block) => block.includes(from));
  const symbols = at < 0 || from === null ? [] : /** @type {string[]} */ (blocks[at]).splice(/** @type {string[]} */ (blocks[at]).indexOf(from));
  const sections = [...list.sections];
  const place = at < 0 ? sections.length : at;
  sections.splice(place, 0, { name, folded: false, symbols });
  blocks.splice(place + 1, 0, symbols);
  return joined(blocks, sections);
}

/**
 * @param {Arrangement} list
 * @param {string} name
 * @returns {Arrangement} without that section; what it held goes to the end of what is above it
 */
export function withoutSection(list, name) {
  const place = list.sections.findIndex((section) => section.name === name);
  if (place < 0) return list;
  const blocks = blocksOf(list);
  const [held = []] = blocks.splice(place + 1, 1);
  blocks[place]?.push(...held);
  return joined(blocks, list.sections.toSpliced(place, 1), held.length > 0 ? place - 1 : -1);
}

/**
 * @param {Arrangement} list
 * @param {string} name
 * @param {Partial<Pick<Section, "name" | "folded">>} change
 * @returns {Arrangement}
 */
export function withChanged(list, name, change) {
  return { symbols: list.symbols, sections: list.sections.map((section) => (section.name === name ? { ...section, ...change } : section)) };
}

/**
 * Why a section cannot have a name.
 * @param {Arrangement} list
 * @param {string} name without blanks around it
 * @param {string | null} but the section that is renamed
 * @returns {string | null} null for a good one
 */
export function whyNoName(list, name, but) {
  if (name === "") return "Type a name first.";
  if (name.length > MAX_SECTION_NAME) return `A name has at most ${MAX_SECTION_NAME} characters.`;
  if (list.sections.some((section) => section.name !== but && section.name.toLowerCase() === name.toLowerCase())) return "Another section has this name.";
  return but === null && list.sections.length >= MAX_SECTIONS ? `A list has at most ${MAX_SECTIONS} sections.` : null;
}

/**
 * @param {Arrangement} list
 * @returns {string[][]} those of no section, then those of each
 */
function blocksOf({ symbols, sections }) {
  const held = new Set(sections.flatMap((section) => section.symbols));
  return [symbols.filter((symbol) => !held.has(symbol)), ...sections.map((section) => [...section.symbols])];
}

/**
 * @param {readonly string[][]} blocks
 * @param {readonly Section[]} sections of all but the first
 * @param {number} [opened] the section that something was moved to
 * @returns {Arrangement}
 */
function joined(blocks, sections, opened = -1) {
  const made = sections.map((section, index) => ({ ...section, folded: section.folded && index !== opened, symbols: blocks[index + 1] ?? [] }));
  return { symbols: blocks.flat(), sections: made };
}

/** @param {Section} section */
function asText({ name, folded, symbols }) {
  return [name, folded, symbols];
}
