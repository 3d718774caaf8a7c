/**
 * Which symbols are not confirmed and why, what was refused of the provider's items, and one symbol in full.
 */
import { address } from "../address.js";
import { must, setAttribute, setFacts, setIcon, setText } from "../dom.js";
import { age, exact } from "../format.js";
import { reasonWords } from "../standing.js";
import { count, timeOfDay } from "./units.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").Overview} Overview */
/** @typedef {import("./types.js").SymbolDocument} SymbolDocument */
/** @typedef {{upstream: string, reason: string, count: number, some: string[]}} Group */

/**
 * @param {Pick<Overview, "feed" | "upstreams">} overview
 * @returns {{tone: string, icon: string, text: string, bad: string, groups: Group[]}}
 */
export function describeSymbols({ feed, upstreams }) {
  const groups = upstreams.flatMap(({ name, symbols }) => (symbols?.stale ?? []).map((group) => ({ ...group, upstream: upstreams.length > 1 ? name : "" })));
  /** @type {Map<string, number>} */
  const kinds = new Map();
  for (const { troubles } of upstreams) {
    for (const [kind, number] of Object.entries(troubles)) kinds.set(kind, (kinds.get(kind) ?? 0) + number);
  }
  const told = [...kinds].filter(([, number]) => number > 0).map(([kind, number]) => `${kind.replaceAll("_", " ")} ${count(number)}`);
  const bad = told.length === 0 ? "No trouble since the feeds began." : `Troubles since the feeds began: ${told.join(", ")}.`;
  if (feed.symbols === 0) return { tone: "plain", icon: "dash", text: "None yet", bad, groups };
  if (feed.stale === 0) return { tone: "good", icon: "dot", text: `${plural(feed.symbols, "symbol")}, none stale`, bad, groups };
  return { tone: "warn", icon: "triangle", text: `${feed.stale} of ${feed.symbols} stale`, bad, groups };
}

/**
 * @param {SymbolDocument} document
 * @param {number} now the server's time, ms
 * @returns {[name: string, value: string | null][]}
 */
export function describeSymbol({ symbol, price, state, reason, confirmed, upstreams }, now) {
  /** @type {[string, string | null][]} */
  const facts = [
    ["Symbol", symbol],
    ["Price", price === null ? "none yet" : exact(price)],
    ["State", stateText(state, reason)],
    ["Confirmed", ago(confirmed, now)],
  ];
  const several = upstreams.length > 1;
  for (const { upstream, confirmed, lapsed, refused } of upstreams) {
    // With one upstream its state is the symbol's.
    if (several) facts.push([`By ${upstream}`, `${ago(confirmed, now)}${lapsed === null ? "" : `; then ${reasonWords(lapsed).sentence}`}`]);
    if (refused !== null) facts.push([several ? `Refused of ${upstream}` : "Last refused", `${ago(refused.at, now)}: ${reasonWords(refused.reason).sentence} (${refused.detail})`]);
  }
  return facts;
}

/**
 * @param {"live" | "stale" | null} state
 * @param {string | null} reason
 */
function stateText(state, reason) {
  if (state === null) return "never told acceptably";
  if (state === "live") return "live";
  return reason === "feed_away" ? "stale: the feed is away" : `stale: ${reasonWords(reason).sentence}`;
}

/**
 * @param {string | null} iso
 * @param {number} now
 */
function ago(iso, now) {
  if (iso === null) return "never";
  const at = Date.parse(iso);
  return `${age(now - at)} ago, at ${timeOfDay(at)}`;
}

export class SymbolsView {
  #box = must(document, "#symbols", HTMLElement);
  #sign = must(this.#box, ".sign", HTMLElement);
  #icon = must(this.#sign, "use", SVGUseElement);
  #text = must(this.#sign, '[data-part="text"]', HTMLElement);
  #list = must(document, "#stale-symbols", HTMLElement);
  #bad = must(document, "#bad-items", HTMLElement);
  #field = must(document, "#lookup-symbol", HTMLInputElement);
  #note = must(document, "#lookup-note", HTMLElement);
  #facts = must(document, "#looked-up", HTMLElement);
  #listed = "";
  #now = 0;

  /** @param {(symbol: string) => Promise<SymbolDocument>} ask */
  constructor(ask) {
    must(document, "#lookup", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#look(ask, this.#field.value.trim());
    });
  }

  /**
   * @param {Overview} overview
   * @param {number} now the server's time, ms
   */
  paint(overview, now) {
    this.#now = now;
    const { tone, icon, text, bad, groups } = describeSymbols(overview);
    setAttribute(this.#sign, "data-tone", tone);
    setIcon(this.#icon, icon);
    setText(this.#text, text);
    setText(this.#bad, bad);
    const key = JSON.stringify(groups);
    if (key === this.#listed) return;
    this.#listed = key;
    this.#list.replaceChildren(...groups.map(item));
  }

  /**
   * @param {(symbol: string) => Promise<SymbolDocument>} ask
   * @param {string} symbol
   */
  async #look(ask, symbol) {
    this.#facts.hidden = true;
    if (symbol === "") {
      setText(this.#note, "Type a symbol.");
      return;
    }
    try {
      const document = await ask(symbol);
      setFacts(this.#facts, describeSymbol(document, this.#now));
      this.#facts.hidden = false;
      setText(this.#note, "");
    } catch (error) {
      setText(this.#note, `Not found out: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** @param {Group} group */
function item({ upstream, reason, count: number, some }) {
  const element = document.createElement("li");
  const why = document.createElement("strong");
  why.textContent = `${plural(number, "symbol")}${upstream === "" ? "" : ` of ${upstream}`}: ${reasonWords(reason).note}`;
  element.append(why, " ");
  for (const symbol of some) {
    const link = document.createElement("a");
    link.href = address(`/s/${encodeURIComponent(symbol)}`);
    link.className = "link";
    link.textContent = symbol;
    element.append(link, " ");
  }
  if (number > some.length) element.append(`and ${number - some.length} more`);
  return element;
}
