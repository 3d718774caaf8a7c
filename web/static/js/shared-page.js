/**
 * The page of a list that somebody shared: it can be taken over as a copy.
 */
import { address } from "./address.js";
import { must, setText } from "./dom.js";
import { ask } from "./rows-api.js";

/** Names that are tried when one's own list has the same. */
const MOST_TRIED = 20;
const LONGEST_NAME = 60;

const button = must(document, "#shared-add", HTMLButtonElement);
const hint = must(document, "#shared-hint", HTMLElement);

button.addEventListener("click", () => void add());

async function add() {
  button.disabled = true;
  say("none", "");
  const why = await take(location.pathname.split("/").at(-1) ?? "");
  if (why === null) return;
  say("error", `Not added: ${why}.`);
  button.disabled = false;
}

/**
 * @param {string} token
 * @returns {Promise<string | null>} why there is no copy; null when the page leads to it
 */
async function take(token) {
  const shared = await ask(fetch, "GET", `shared/${token}`);
  if (!shared.ok) return shared.reason;
  const { name, symbols, sections } = /** @type {{name: string, symbols: string[], sections: object[]}} */ (shared.body);
  for (let number = 1; ; number += 1) {
    const suffix = number === 1 ? "" : ` (${number})`;
    const made = await ask(fetch, "POST", "watchlists", { name: name.slice(0, LONGEST_NAME - suffix.length) + suffix, symbols, sections });
    if (made.ok) {
      location.assign(address(`/?list=${/** @type {{id: number}} */ (made.body).id}`));
      return null;
    }
    if (!made.reason.includes("has this name") || number === MOST_TRIED) return made.reason;
  }
}

/**
 * @param {"none" | "error"} kind
 * @param {string} text
 */
function say(kind, text) {
  hint.dataset.kind = kind;
  setText(hint, text);
}
