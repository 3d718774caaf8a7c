/**
 * Figures of the server's process, each with its course over two minutes.
 */
import { must, setText } from "../dom.js";
import { bytes, count, duration } from "./units.js";

/** @typedef {import("./types.js").Sample} Sample */

/** @type {[string, (sample: Sample) => number | null, (value: number) => string][]} */
const FIGURES = [
  ["memory", (sample) => sample.memory, bytes],
  ["cpu", (sample) => sample.cpu, (value) => `${Math.round(value)}\u00a0%`],
  ["lag", (sample) => sample.lag_ms, duration],
  ["tasks", (sample) => sample.tasks, count],
  ["files", (sample) => sample.files, count],
  ["threads", (sample) => sample.threads, count],
];

export class ProcessView {
  #parts = FIGURES.map(([name, read, write]) => {
    const element = must(document, `[data-figure="${name}"]`, HTMLElement);
    return { read, write, text: must(element, '[data-part="value"]', HTMLElement), line: must(element, "polyline", SVGPolylineElement) };
  });

  /** @param {readonly Sample[]} samples oldest first */
  paint(samples) {
    for (const { read, write, text, line } of this.#parts) {
      const values = samples.map(read).filter((value) => value !== null);
      const last = values.at(-1);
      setText(text, last === undefined ? "–" : write(last));
      line.setAttribute("points", course(values));
    }
  }
}

/**
 * @param {readonly number[]} values
 * @returns {string} points in a box of 100 by 24, from zero up: a flat line is a steady figure
 */
export function course(values) {
  const highest = Math.max(...values, 1e-9);
  const step = values.length > 1 ? 100 / (values.length - 1) : 0;
  return values.map((value, index) => `${(index * step).toFixed(1)},${(23 - (21 * value) / highest).toFixed(1)}`).join(" ");
}
