/**
 * Whether somebody has to do something, at the head of the page: red when it is red, with the reasons,
 * each leading to its part. A server that does not answer is red, too.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { adviceFor } from "./advice.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").Verdict} Verdict */
/** @typedef {import("./types.js").Reason} Reason */

const ICONS = { good: "dot", warn: "triangle", bad: "cross" };

/** Where a reason leads to, by its part; others are views of that name. */
const PLACES = new Map([
  ["tree", "tree-title"],
  ["feeds", "feeds"],
  ["symbols", "symbols-title"],
  ["history", "history-title"],
  ["process", "process-title"],
  ["cluster", "cluster-title"],
  ["jobs", "jobs-title"],
  ["clients", "connections"],
]);

/**
 * @param {Verdict | null} verdict null before the first answer
 * @param {boolean} lost whether the server does not answer
 * @returns {{tone: "plain" | "good" | "warn" | "bad", icon: string, text: string, reasons: Reason[]}}
 */
export function describeVerdict(verdict, lost) {
  if (lost) return { tone: "bad", icon: "cross", text: "The server does not answer", reasons: [] };
  if (verdict === null) return { tone: "plain", icon: "dash", text: "Not known yet", reasons: [] };
  const { tone, ready, reasons } = verdict;
  const bad = reasons.filter((reason) => reason.tone === "bad").length;
  const warned = reasons.length - bad;
  const counted = [bad > 0 ? `${plural(bad, "thing")} in trouble` : "", warned > 0 ? `${plural(warned, "warning")}` : ""].filter((part) => part !== "").join(", ");
  const text = `${reasons.length === 0 ? "All is well" : counted}${ready ? "" : "; not ready for clients"}`;
  return { tone, icon: ICONS[tone], text: text.charAt(0).toUpperCase() + text.slice(1), reasons };
}

/**
 * @param {string} part
 * @returns {string} the address of the part, on this page
 */
export function placeOf(part) {
  return `#${PLACES.get(part) ?? part}`;
}

export class VerdictView {
  #box = must(document, "#verdict", HTMLElement);
  #sign = must(this.#box, ".sign", HTMLElement);
  #icon = must(this.#sign, "use", SVGUseElement);
  #text = must(this.#sign, '[data-part="text"]', HTMLElement);
  #list = must(this.#box, "ul", HTMLElement);
  #listed = "";

  /**
   * @param {Verdict | null} verdict
   * @param {boolean} lost
   */
  paint(verdict, lost) {
    const { tone, icon, text, reasons } = describeVerdict(verdict, lost);
    setAttribute(this.#box, "data-tone", tone);
    setAttribute(this.#sign, "data-tone", tone);
    setIcon(this.#icon, icon);
    setText(this.#text, text);
    const key = JSON.stringify(reasons);
    if (key === this.#listed) return;
    this.#listed = key;
    // Figures in it change each second: who is about to follow one must not lose it under the finger.
    while (this.#list.childElementCount > reasons.length) this.#list.lastElementChild?.remove();
    while (this.#list.childElementCount < reasons.length) this.#list.append(item());
    const advice = adviceFor(reasons);
    reasons.forEach(({ tone, part, text }, index) => {
      const element = /** @type {HTMLElement} */ (this.#list.children[index]);
      const link = must(element, "a", HTMLAnchorElement);
      setAttribute(element, "data-tone", tone);
      setAttribute(link, "href", placeOf(part));
      setText(link, text);
      setText(must(element, "span", HTMLElement), advice[index] ?? "");
    });
  }
}

function item() {
  const element = document.createElement("li");
  element.append(document.createElement("a"), " ", document.createElement("span"));
  return element;
}
