/**
 * Figures as text, short enough for a cell.
 */
import { age } from "../format.js";

const NBSP = "\u00a0";

/**
 * @param {number} value
 * @returns {string} "0", "0.4", "12", "1.2k", "3.4M"
 */
export function count(value) {
  if (value >= 999_500) return `${trim(value / 1e6)}M`;
  if (value >= 1000) return `${trim(value / 1000)}k`;
  return trim(value);
}

/**
 * @param {number} bytes
 * @returns {string}
 */
export function bytes(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)}${NBSP}GB`;
  return bytes >= 1e6 ? `${trim(bytes / 1e6)}${NBSP}MB` : `${trim(bytes / 1000)}${NBSP}KB`;
}

/**
 * @param {number} ms
 * @returns {string} "12 µs", "0.9 ms", "35 ms", "1.2 s"
 */
export function duration(ms) {
  if (ms < 0.1) return `${Math.round(ms * 1000)}${NBSP}µs`;
  if (ms < 1000) return `${trim(ms)}${NBSP}ms`;
  return ms < 10_000 ? `${trim(ms / 1000)}${NBSP}s` : age(ms);
}

/**
 * @param {number} perSecond
 * @returns {string}
 */
export function rate(perSecond) {
  return perSecond === 0 ? "0" : perSecond < 0.05 ? "<0.1" : count(perSecond);
}

/**
 * @param {number} ms since 1970
 * @returns {string} the time of day here, "14:03:07"
 */
export function timeOfDay(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

/**
 * @param {number} value
 * @returns {string} one decimal below ten, else none
 */
function trim(value) {
  return value < 9.95 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
