import { directionOf } from "./format.js";

/** A price's recent course as an SVG polyline, in a box of 100 × 28 with 2 units of air. */

const WIDTH = 100;
const HEIGHT = 28;
const AIR = 2;

/**
 * Where the points lie. The open, when it is known, is part of the scale only if it is near: a trend
 * of cents under an open of dollars away would be a flat line.
 * @param {readonly number[]} values oldest first
 * @param {number | null} open
 * @param {number} decimals of the price as shown
 * @returns {{points: string, openAt: number | null, direction: "up" | "down" | "flat"}}
 */
export function sparkline(values, open, decimals) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const range = high - low;
  const near = open !== null && open >= low - range && open <= high + range;
  if (near) {
    low = Math.min(low, open);
    high = Math.max(high, open);
  }
  const scale = high > low ? (HEIGHT - 2 * AIR) / (high - low) : 0;
  /** @param {number} value */
  const y = (value) => (scale === 0 ? HEIGHT / 2 : HEIGHT - AIR - (value - low) * scale);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, i) => `${round(i * step)},${round(y(value))}`);
  // One value is drawn as a line too, so that a quiet symbol does not look broken.
  if (points.length === 1) points.push(`${WIDTH},${round(y(/** @type {number} */ (values[0])))}`);
  const last = values.at(-1) ?? 0;
  const base = open ?? values[0] ?? last;
  return {
    points: points.join(" "),
    openAt: near && scale > 0 ? round(y(open)) : null,
    direction: directionOf(last - base, decimals),
  };
}

/**
 * @param {number} value
 * @returns {number}
 */
function round(value) {
  return Math.round(value * 10) / 10;
}
