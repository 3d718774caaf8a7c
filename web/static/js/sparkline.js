/** A price's recent course as an SVG polyline, in a box of 100 × 28 with 2 units of air, and in words. */
import { timeIn } from "./basis.js";
import { directionOf } from "./format.js";

/** @typedef {import("./trend.js").Course} Course */

const WIDTH = 100;
const HEIGHT = 28;
const AIR = 2;
const MINUTE_MS = 60_000;

/**
 * Where the points lie. The base of the day's change, when it is known, is part of the scale only if it
 * is near: a trend of cents under a base of dollars away would be a flat line.
 * @param {readonly number[]} values oldest first, as far apart; NaN where there is none
 * @param {number | null} base
 * @param {number} decimals of the price as shown
 * @returns {{points: string, baseAt: number | null, direction: "up" | "down" | "flat"}}
 */
export function sparkline(values, base, decimals) {
  let { low, high } = rangeOf(values);
  const range = high - low;
  const near = base !== null && base >= low - range && base <= high + range;
  if (near) {
    low = Math.min(low, base);
    high = Math.max(high, base);
  }
  const scale = high > low ? (HEIGHT - 2 * AIR) / (high - low) : 0;
  /** @param {number} value */
  const y = (value) => (scale === 0 ? HEIGHT / 2 : HEIGHT - AIR - (value - low) * scale);
  const last = values.at(-1) ?? 0;
  const step = WIDTH / Math.max(1, values.length - 1);
  let points = "";
  for (const [i, value] of values.entries()) if (!Number.isNaN(value)) points += `${i === 0 ? "" : " "}${round(i * step)},${round(y(value))}`;
  // One value is drawn as a line too, so that a quiet symbol does not look broken.
  if (values.length === 1) points += ` ${WIDTH},${round(y(last))}`;
  const from = base ?? values[0] ?? last;
  return {
    points,
    baseAt: near && scale > 0 ? round(y(base)) : null,
    direction: directionOf(last - from, decimals),
  };
}

/**
 * @param {Course} course
 * @param {(value: number) => string} shown
 * @returns {string} "from 149.90 to 151.20, lowest 149.50, highest 151.30, since Mon 09:30 in New York"
 */
export function courseOf({ values, since }, shown) {
  const [first] = values;
  const last = values.at(-1);
  if (first === undefined || last === undefined) return "no prices yet";
  if (values.length === 1) return `one price, ${shown(last)}`;
  const { low, high } = rangeOf(values);
  return `from ${shown(first)} to ${shown(last)}, lowest ${shown(low)}, highest ${shown(high)}${sinceWords(since)}`;
}

/** @param {Course["since"]} since */
function sinceWords(since) {
  if (since === null) return "";
  if ("at" in since) return `, since ${timeIn(since.zone, since.at, true)}`;
  const minutes = Math.ceil(since.ago / MINUTE_MS);
  return `, in the last ${minutes <= 1 ? "minute" : `${minutes} minutes`}`;
}

/**
 * @param {readonly number[]} values
 * @returns {{low: number, high: number}}
 */
function rangeOf(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/**
 * @param {number} value
 * @returns {number}
 */
function round(value) {
  return Math.round(value * 10) / 10;
}
