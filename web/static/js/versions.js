/** Versions of prices: which of two came later. */

/** @typedef {readonly [epoch: number, seq: number]} Version */

/**
 * -1, 0 or 1, like a comparator: epoch first, then seq.
 * @param {Version} a
 * @param {Version} b
 * @returns {number}
 */
export function compareVersions(a, b) {
  return Math.sign(a[0] - b[0] || a[1] - b[1]);
}
