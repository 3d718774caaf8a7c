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
 * Sets text only when it differs, for even the same text costs a layout, and in the text node that is
 * there: a new one for each of thousands of prices a second is work for the garbage collector.
 * @param {Element} element that holds nothing but text
 * @param {string} text
 */
export function setText(element, text) {
  const node = element.firstChild;
  if (!(node instanceof Text)) element.textContent = text;
  else if (node.data !== text) node.data = text;
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

/**
 * @param {() => void} paint
 * @returns {() => void} paints with the next frame, once however often it is called before
 */
export function oncePerFrame(paint) {
  let pending = false;
  return () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      paint();
    });
  };
}

/**
 * Names and values, in place of those that were there.
 * @param {Element} list a `dl`
 * @param {Iterable<readonly [name: string, value: string | null, tone?: string | undefined, after?: Node | null]>} facts null is left out
 */
export function setFacts(list, facts) {
  list.replaceChildren();
  for (const [name, value, tone, after = null] of facts) {
    if (value === null) continue;
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.textContent = name;
    description.textContent = value;
    if (tone !== undefined) description.dataset.tone = tone;
    if (after !== null) description.append(" ", after);
    list.append(term, description);
  }
}
