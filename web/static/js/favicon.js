/**
 * The picture in the tab: with a dot while alerts are unread, and a grey broken line while prices are
 * not as they should be. Each is an address of its own that holds the picture, as the page's own is.
 */
import { must } from "./dom.js";

/** @typedef {{unread: boolean, trouble: boolean}} Shown */

const LINE = 'stroke="#4cc38a"';
/** Not by colour alone: the line is broken. */
const BROKEN = 'stroke="#a8a29e" stroke-dasharray="4.5 4.5"';
/** In a ring of the ground, so that it is seen on the line. */
const DOT = '<circle cx="24.5" cy="24.5" r="6.5" fill="#f2555a" stroke="#1b1a17" stroke-width="2"/>';

/**
 * @param {string} svg the picture when all is well
 * @param {Shown} shown
 * @returns {string}
 */
export function drawn(svg, { unread, trouble }) {
  const line = trouble ? svg.replace(LINE, BROKEN) : svg;
  return unread ? line.replace("</svg>", `${DOT}</svg>`) : line;
}

export class Favicon {
  #link = must(document, 'link[rel="icon"]', HTMLLinkElement);
  #plain = this.#link.href;

  /** @param {Shown} shown */
  show(shown) {
    const [head, picture = ""] = this.#plain.split(",", 2);
    const href = shown.unread || shown.trouble ? `${head},${encodeURIComponent(drawn(decodeURIComponent(picture), shown))}` : this.#plain;
    if (this.#link.href !== href) this.#link.href = href;
  }
}
