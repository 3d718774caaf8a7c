/**
 * The field where symbols are typed: judged while typing, completed from the known ones, and the place
 * where the server's refusals are shown.
 */
import { Autocomplete, MAX_SUGGESTIONS } from "./autocomplete.js";
import { must, setText } from "./dom.js";
import { enumerate } from "./format.js";
import { SymbolSearch } from "./symbol-search.js";
import { parseSymbols, suggest } from "./symbols.js";

/** @typedef {import("./symbols.js").Listed} Listed */
/** @typedef {import("./protocol.js").Rejection} Rejection */
/** @typedef {{symbols: Listed[], complete: boolean}} Known */

/**
 * @typedef {object} Options
 * @property {() => Known} known symbols the feed lists
 * @property {(symbol: string) => boolean} isWatched
 * @property {(symbols: string[]) => {told: string | null, left: string[]}} onSubscribe answers what to tell, if anything, and
 *   the symbols that the list has no room for
 * @property {(text: string) => void} announce
 */

export class SymbolField {
  #options;
  #form = must(document, "#entry", HTMLFormElement);
  #input = must(document, "#symbol", HTMLInputElement);
  #hint = must(document, "#symbol-hint", HTMLElement);
  #autocomplete;
  #search = new SymbolSearch((text) => {
    if (document.activeElement !== this.#input) return;
    if (text === this.#phrase() || text === this.#beingTyped()) this.#typed();
  });
  /** What stands before the text that the suggestions are for. */
  #kept = "";
  /** What the last submit left to be corrected, and why. */
  #left = { text: "", reason: "" };

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#autocomplete = new Autocomplete({
      onChoose: (symbol) => {
        this.#input.value = this.#kept + symbol;
        this.#submit();
      },
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /**
   * Symbols the server refused. They go back into the field to be corrected, unless something else is
   * being typed by now; the focus is not touched.
   * @param {readonly Rejection[]} rejected
   */
  refuse(rejected) {
    const reasons = rejected.slice(0, 3).map((r) => `${r.symbol}: ${r.reason}`);
    if (rejected.length > 3) reasons.push(`and ${rejected.length - 3} more`);
    if (this.#input.value === this.#left.text) {
      this.#left = {
        text: [this.#left.text, ...rejected.map((r) => r.symbol)].filter((text) => text !== "").join(", "),
        reason: [this.#left.reason, ...reasons].filter((text) => text !== "").join(" · "),
      };
      this.#input.value = this.#left.text;
      this.#tell("error", this.#left.reason);
      if (document.activeElement === this.#input) this.#input.select();
    } else {
      this.#tell("error", reasons.join(" · "));
    }
    this.#options.announce(`Not subscribed. ${reasons.join(". ")}`);
  }

  /** What the feed lists is known now, or has changed. */
  listChanged() {
    // What was left to be corrected keeps its reason: the list has nothing better to say of it.
    if (this.#input.value === this.#left.text) return;
    if (document.activeElement === this.#input && this.#beingTyped() !== "") this.#typed();
  }

  #submit() {
    const { symbols, invalid } = parseSymbols(this.#input.value);
    this.#search.stop();
    this.#autocomplete.close();
    if (symbols.length === 0 && invalid.length === 0) {
      this.#tell("error", "Type a symbol first, such as AAPL.");
    } else {
      // What is wrong stays to be corrected, and what found no room stays; what is right does not wait for it.
      const { told, left } = symbols.length > 0 ? this.#options.onSubscribe(symbols) : { told: null, left: [] };
      const why = invalid[0] === undefined ? [] : [invalid[0].reason + (invalid.length === 1 ? "" : `, and ${invalid.length - 1} more`)];
      if (left.length > 0 && told !== null) why.push(told);
      this.#left = { text: [...invalid.map((part) => part.text), ...left].join(", "), reason: why.join(" · ") };
      this.#input.value = this.#left.text;
      if (why.length > 0) {
        this.#tell("error", this.#left.reason);
        this.#options.announce(this.#left.reason);
      } else {
        this.#tell(told === null ? "none" : "note", told ?? "");
      }
    }
    this.#input.focus();
  }

  #typed() {
    const typed = this.#input.value;
    const { symbols, invalid } = parseSymbols(typed);
    const named = this.#suggest();
    if (named) {
      // Words of a name are no symbols, and no fault.
      this.#tell("none", "");
      return;
    }
    const first = invalid[0];
    if (first !== undefined) {
      this.#tell("error", first.reason);
      return;
    }
    const { symbols: listed, complete } = this.#options.known();
    const names = new Set(listed.map((item) => item.symbol));
    // Nothing is said of the last one while the suggestions still know how it could go on.
    const settled = this.#autocomplete.isOpen ? symbols.slice(0, -1) : symbols;
    const unknown = complete ? settled.filter((symbol) => !names.has(symbol)) : [];
    const watched = symbols.filter((symbol) => this.#options.isWatched(symbol));
    if (unknown.length > 0) this.#tell("warning", `The feed does not list ${enumerate(unknown)}.`);
    else if (watched.length > 0) this.#tell("note", `${enumerate(watched)} ${watched.length === 1 ? "is" : "are"} on the list already.`);
    else this.#tell("none", "");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing) return;
    if (this.#autocomplete.key(event)) {
      event.preventDefault();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      if (this.#beingTyped() !== "") this.#suggest();
      else this.#offer(suggest(this.#unwatched(this.#options.known().symbols), "", MAX_SUGGESTIONS), "", this.#before());
    } else if (event.key === "Escape") {
      if (this.#input.value === "") this.#input.blur();
      this.#input.value = "";
      this.#search.stop();
      this.#tell("none", "");
    }
  }

  /**
   * Suggests what fits: what the server found by name or symbol, until then what is listed.
   * @returns {boolean} whether what is suggested was found by a name
   */
  #suggest() {
    const [phrase, word] = [this.#phrase(), this.#beingTyped()];
    const found = this.#unwatched(this.#search.found(phrase) ?? []);
    if (phrase !== word && found.length > 0) {
      this.#offer(found, phrase, this.#beforePhrase());
      return true;
    }
    const listed = suggest(this.#unwatched(this.#options.known().symbols), word, MAX_SUGGESTIONS);
    const byName = this.#unwatched(this.#search.found(word) ?? []);
    const more = byName.filter(({ symbol }) => !listed.some((item) => item.symbol === symbol));
    const named = listed.map((item) => byName.find(({ symbol }) => symbol === item.symbol) ?? item);
    this.#offer(word === "" ? [] : [...named, ...more], word, this.#before());
    // A phrase of which nothing was found may be symbols, of which the last one is being typed.
    this.#search.ask(phrase !== word && this.#search.found(phrase) !== null ? word : phrase);
    return listed.length === 0 && more.length > 0;
  }

  /**
   * @param {Listed[]} found
   * @param {string} typed
   * @param {string} kept what stays before what is chosen
   */
  #offer(found, typed, kept) {
    this.#kept = kept;
    this.#autocomplete.show(found.slice(0, MAX_SUGGESTIONS), typed);
  }

  /** @param {readonly Listed[]} symbols */
  #unwatched(symbols) {
    return symbols.filter(({ symbol }) => !this.#options.isWatched(symbol));
  }

  /** What is being typed, blanks in it included: a name has some. */
  #phrase() {
    return this.#input.value.slice(this.#beforePhrase().length).trim();
  }

  #beforePhrase() {
    const before = /^.*[,;]/.exec(this.#input.value)?.[0] ?? "";
    return before;
  }

  /** The symbol the cursor is at the end of. */
  #beingTyped() {
    return this.#input.value.slice(this.#before().length);
  }

  /** What stands before it, separators included. */
  #before() {
    return /^.*[\s,;]/.exec(this.#input.value)?.[0] ?? "";
  }

  /**
   * @param {"none" | "note" | "warning" | "error"} kind
   * @param {string} text
   */
  #tell(kind, text) {
    this.#hint.dataset.kind = kind;
    setText(this.#hint, text);
    if (kind === "error") this.#input.setAttribute("aria-invalid", "true");
    else this.#input.removeAttribute("aria-invalid");
  }
}
