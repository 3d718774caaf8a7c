/**
 * What the upstreams told wrongly or not at all: by kind with the last example, and by symbol.
 */
import { must, setText } from "../dom.js";
import { age } from "../format.js";
import { reasonWords } from "../standing.js";
import { fill } from "./cells.js";
import { count } from "./units.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").ItemsDocument} ItemsDocument */
/** @typedef {import("./cells.js").Cell} Cell */

/** A kind that came within this time is so now. */
const NOW_MS = 60_000;

/**
 * @param {ItemsDocument["kinds"][number]} row
 * @param {number} now the server's time, ms
 * @returns {(string | Cell)[]}
 */
export function kindCells({ upstream, kind, times, at, example, said, correlation }, now) {
  const since = at === null ? null : now - Date.parse(at);
  const words = [example ?? "", said === null ? "" : `they said: ${said}`].filter((part) => part !== "").join("; ");
  return [
    { text: kind.replace(/^item_/, "").replaceAll("_", " "), header: true, tone: since !== null && since <= NOW_MS ? "warn" : "plain" },
    upstream,
    { text: count(times), kind: "num" },
    { text: since === null ? "–" : `${age(since)} ago`, kind: "num" },
    { text: words, kind: "example", lines: correlation === null ? null : { correlation, of: `${kind} of ${upstream}` } },
  ];
}

/**
 * @param {ItemsDocument["symbols"][number]} row
 * @param {number} now the server's time, ms
 * @returns {(string | Cell)[]}
 */
export function symbolCells({ upstream, symbol, reason, missing, stale, times, at, detail, confirmed }, now) {
  return [
    { text: symbol, header: true },
    upstream,
    { text: stale ? "stale" : missing ? "missing" : "refused", tone: stale ? "warn" : "plain" },
    { text: count(times), kind: "num" },
    { text: at === null ? "–" : `${age(now - Date.parse(at))} ago`, kind: "num" },
    { text: confirmed === null ? "never" : `${age(now - Date.parse(confirmed))} ago`, kind: "num" },
    { text: detail === null || missing ? reasonWords(reason).sentence : `${reasonWords(reason).sentence} (${detail})`, kind: "example" },
  ];
}

export class ItemsView {
  #kinds = must(document, "#item-kinds", HTMLElement);
  #symbols = must(document, "#item-symbols", HTMLElement);
  #sum = must(document, "#items-sum", HTMLElement);
  #search = must(document, "#items-search", HTMLInputElement);
  #ask;
  #now;

  /**
   * @param {(search: string) => Promise<ItemsDocument>} ask
   * @param {() => number} now the server's time, ms
   */
  constructor(ask, now) {
    this.#ask = ask;
    this.#now = now;
    this.#search.addEventListener("input", () => void this.look().catch(() => {}));
  }

  async look() {
    const search = this.#search.value.trim();
    const { kinds, symbols, found } = await this.#ask(search);
    if (search !== this.#search.value.trim()) return; // an answer to what is asked no more
    const now = this.#now();
    fill(this.#kinds, kinds.map((row) => kindCells(row, now)));
    fill(this.#symbols, symbols.map((row) => symbolCells(row, now)));
    must(document, "#item-kinds-empty", HTMLElement).hidden = kinds.length > 0;
    must(document, "#item-symbols-empty", HTMLElement).hidden = symbols.length > 0;
    setText(this.#sum, found > symbols.length ? `${symbols.length} of ${plural(found, "symbol")}` : plural(found, "symbol"));
  }
}
