/** A price's recent course as an SVG polyline, in a box of 100 × 28 with 2 units of air, and in words. */
import { directionOf } from "./format.js";

const WIDTH = 100;
const HEIGHT = 28;
const AIR = 2;

/**
 * Where the points lie. The base of the day's change, when it is known, is part of the scale only if it
 * is near: a trend of cents under a base of dollars away would be a flat line.
 * @param {readonly number[]} values oldest first
 * @param {number | null} base
 * @param {number} decimals of the price as shown
 * @returns {{points: string, baseAt: number | null, direction: "up" | "down" | "flat"}}
 */
export function sparkline(values, base, decimals) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const range = high - low;
  const near = base !== null && base >= low - range && base <= high + range;
  if (near) {
    low = Math.min(low, base);
    high = Math.max(high, base);
  }
  const scale = high > low ? (HEIGHT - 2 * AIR) / (high - low) : 0;
  /** @param {number} value */
  const y = (value) => (scale === 0 ? HEIGHT / 2 : HEIGHT - AIR - (value - low) * scale);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, i) => `${round(i * step)},${round(y(value))}`);
  // One value is drawn as a line too, so that a quiet symbol does not look broken.
  if (points.length === 1) points.push(`${WIDTH},${round(y(/** @type {number} */ (values[0])))}`);
  const last = values.at(-1) ?? 0;
  const from = base ?? values[0] ?? last;
  return {
    points: points.join(" "),
    baseAt: near && scale > 0 ? round(y(base)) : null,
    direction: directionOf(last - from, decimals),
  };
}

/**
 * @param {readonly number[]} values oldest first
 * @param {(value: number) => string} shown
 * @returns {string} "from 149.90 to 151.20, lowest 149.50, highest 151.30"
 */
export function courseOf(values, shown) {
  const [first] = values;
  const last = values.at(-1);
  if (first === undefined || last === undefined) return "no prices yet";
  if (values.length === 1) return `one price, ${shown(last)}`;
  return `from ${shown(first)} to ${shown(last)}, lowest ${shown(Math.min(...values))}, highest ${shown(Math.max(...values))}`;
}

/**
 * @param {number} value
 * @returns {number}
 */
function round(value) {
  return Math.round(value * 10) / 10;
}
