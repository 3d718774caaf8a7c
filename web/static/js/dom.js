/** The few things every view does with the DOM. */

/**
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 * @throws {Error} when the page does not have it: template and script do not belong together
 */
export function must(root, selector, type) {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} at ${selector}`);
  return element;
}

/**
 * Sets text only when it differs: an assignment alone would cost a layout.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value null removes it
 */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @param {Element} use of an icon
 * @param {string} icon name of the symbol
 */
export function setIcon(use, icon) {
  setAttribute(use, "href", `#i-${icon}`);
}

/**
 * Whether keys typed here are text.
 * @param {EventTarget | null} target
 * @returns {boolean}
 */
export function isEditable(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=radio]), textarea, select"));
}
