/**
 * How alerts reach somebody who does not look at the page: what is wanted, whether it can be, and how
 * often. No DOM and no I/O.
 */

/** More notifications than this within `BURST_MS` are one that counts. */
export const MOST_IN_A_BURST = 4;
export const BURST_MS = 10_000;

/**
 * `always`: also while a page of ours is seen.
 * @typedef {{desktop: boolean, always: boolean, sound: boolean}} Reach
 */

/** "absent": the browser has none. "insecure": it has none for a page without TLS. @typedef {"default" | "granted" | "denied" | "absent" | "insecure"} Permission */

/** @typedef {"on" | "off" | "blocked" | "unsupported"} Standing */

/**
 * @param {string | null} text
 * @returns {Reach}
 */
export function readReach(text) {
  let given;
  try {
    given = /** @type {unknown} */ (JSON.parse(text ?? "null"));
  } catch {
    given = null;
  }
  const { desktop, always, sound } = /** @type {Record<string, unknown>} */ (typeof given === "object" && given !== null ? given : {});
  return { desktop: desktop === true, always: always === true, sound: sound === true };
}

/**
 * @param {Permission} permission
 * @param {boolean} wanted
 * @returns {{state: Standing, text: string}}
 */
export function standingOf(permission, wanted) {
  switch (permission) {
    case "absent":
      return { state: "unsupported", text: "Not possible: this browser shows no notifications of pages." };
    case "insecure":
      return { state: "unsupported", text: "Not possible: browsers show notifications only of pages that come by HTTPS or from localhost." };
    case "denied":
      return { state: "blocked", text: "Blocked: this browser was told not to show notifications of this site. Its settings of the site can allow them again." };
    case "granted":
      return wanted ? { state: "on", text: "On." } : { state: "off", text: "Off." };
    default:
      return { state: "off", text: wanted ? "Off: the browser has to be asked again." : "Off. The browser will ask you." };
  }
}

/** Lets a few through one by one, and counts the rest of a burst. */
export class Burst {
  /** @type {number[]} */
  #shown = [];
  #more = 0;

  /**
   * @param {number} now ms
   * @returns {number} 0 when it is shown by itself; else how many this burst has beyond those that were
   */
  admit(now) {
    this.#shown = this.#shown.filter((at) => now - at < BURST_MS);
    if (this.#shown.length < MOST_IN_A_BURST) {
      this.#shown.push(now);
      this.#more = 0;
      return 0;
    }
    this.#more += 1;
    return this.#more;
  }
}
