/**
 * Keys that work anywhere on the page, and the dialog that lists them.
 */
import { isEditable, must } from "./dom.js";

/**
 * @typedef {object} Options
 * @property {() => void} onFind
 * @property {() => boolean} onUndo answers whether there was something to undo
 */

/** @param {Options} options */
export function bindKeyboard({ onFind, onUndo }) {
  const dialog = must(document, "#help", HTMLDialogElement);
  must(document, "#help-open", HTMLButtonElement).addEventListener("click", () => dialog.showModal());
  // A press beside the dialog's content lands on the dialog itself.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && !within(dialog.getBoundingClientRect(), event)) dialog.close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || isEditable(event.target) || dialog.open) return;
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
      if (onUndo()) event.preventDefault();
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (event.key === "/") {
      event.preventDefault();
      onFind();
    } else if (event.key === "?") {
      event.preventDefault();
      dialog.showModal();
    }
  });
}

/**
 * @param {DOMRect} box
 * @param {MouseEvent} event
 */
function within(box, event) {
  return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
}
