/**
 * Rows of tables of text, made anew only when what they say has changed: a button that has the focus
 * stays where it is, and a text that is selected stays selected.
 */
import { logLink } from "./log-link.js";

/**
 * @typedef {object} Cell
 * @property {string} text
 * @property {string} [kind] classes
 * @property {string} [title]
 * @property {string} [tone]
 * @property {string} [href]
 * @property {boolean} [header] of its row
 * @property {{correlation: string, of: string} | null} [lines] what has lines in the log
 * @property {{label: string, action: string, value: string, hint?: string}[]} [buttons] `data-action`, its `data-value`, and for whom it is
 */

/** @type {WeakMap<Element, string[]>} */
const written = new WeakMap();

/**
 * @param {HTMLElement} body a `tbody`
 * @param {readonly (readonly (string | Cell)[])[]} rows
 */
export function fill(body, rows) {
  const before = written.get(body) ?? [];
  const now = rows.map((row) => JSON.stringify(row));
  written.set(body, now);
  while (body.childElementCount > rows.length) body.lastElementChild?.remove();
  rows.forEach((row, index) => {
    if (before[index] === now[index] && body.children[index] !== undefined) return;
    const made = rowOf(row);
    const old = body.children[index];
    if (old === undefined) body.append(made);
    else old.replaceWith(made);
  });
}

/** @param {readonly (string | Cell)[]} cells */
function rowOf(cells) {
  const row = document.createElement("tr");
  for (const cell of cells) row.append(cellOf(typeof cell === "string" ? { text: cell } : cell));
  return row;
}

/** @param {Cell} cell */
function cellOf({ text, kind, title, tone, href, header = false, lines = null, buttons = [] }) {
  const cell = document.createElement(header ? "th" : "td");
  if (header) cell.setAttribute("scope", "row");
  if (kind !== undefined) cell.className = kind;
  if (title !== undefined) cell.title = title;
  if (tone !== undefined) cell.dataset.tone = tone;
  if (href === undefined) cell.textContent = text;
  else {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = text;
    cell.append(link);
  }
  if (lines !== null) cell.append(text === "" ? "" : " ", logLink(lines.correlation, lines.of));
  for (const { label, action, value, hint } of buttons) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "text-button";
    button.textContent = label;
    button.dataset.action = action;
    button.dataset.value = value;
    if (hint !== undefined) button.setAttribute("aria-label", hint);
    cell.append(button);
  }
  return cell;
}
