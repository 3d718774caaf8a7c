/**
 * Figures over hours, from the database: they outlive restarts, which are marked. A gap is a gap.
 */
import { must, setAttribute, setText } from "../dom.js";
import { age } from "../format.js";
import { bytes, count, duration, rate } from "./units.js";

/** @typedef {import("./types.js").Course} Course */

const WIDTH = 300;
const HEIGHT = 56;
const SVG = "http://www.w3.org/2000/svg";

/** @type {[name: string, title: string, write: (value: number) => string][]} */
export const FIGURES = [
  ["clients", "Clients", count],
  ["updates", "Prices sent /s", rate],
  ["prices", "New prices /s", rate],
  ["history_lag", "History behind", (value) => duration(value * 1000)],
  ["client_lag", "Slowest client", (value) => duration(value * 1000)],
  ["fetch_p95", "Fetch p95", (value) => duration(value * 1000)],
  ["fetches_failed", "Failed fetches", count],
  ["refused", "Refused items", count],
  ["memory", "Memory", bytes],
  ["cpu", "Processor", (value) => `${Math.round(value)}\u00a0%`],
  ["loop_ms", "Loop lag", duration],
];

/**
 * @param {Course} course
 * @param {string} name of the figure
 * @returns {{path: string, last: number | null, highest: number | null}} the path breaks where minutes are missing
 */
export function courseOf({ names, start, end, step, points }, name) {
  const index = names.indexOf(name) + 1;
  const known = points.flatMap((point) => (typeof point[0] === "number" && typeof point[index] === "number" ? [[point[0], point[index]]] : []));
  const highest = known.length === 0 ? null : Math.max(...known.map(([, value]) => value ?? 0));
  const scale = highest === null || highest <= 0 ? 0 : (HEIGHT - 4) / highest;
  let before = -Infinity;
  let path = "";
  for (const [at = 0, value = 0] of known) {
    const x = ((Math.min(at, end) - start) / (end - start)) * WIDTH;
    const gap = at - before > 1.5 * step;
    path += `${gap ? "M" : "L"}${x.toFixed(1)},${(HEIGHT - 2 - value * scale).toFixed(1)}`;
    if (gap) path += "h0.1"; // a point alone is seen, too
    before = at;
  }
  return { path, last: known.at(-1)?.[1] ?? null, highest };
}

/**
 * @param {Course["runs"]} runs
 * @param {number} now the server's time, ms
 * @returns {string[]} when each began and why, the newest first
 */
export function describeRuns(runs, now) {
  const ends = /** @type {Record<string, string>} */ ({ stopped: "was stopped in order", gave_up: "gave up", crashed: "ended by an error", killed: "was killed, or its machine went down" });
  return runs.toReversed().map(({ started, how }) => `Started ${age(now - started)} ago${how === null ? "" : `; the run before ${ends[how] ?? how}`}.`);
}

export class FiguresView {
  #list = must(document, "#course", HTMLElement);
  #note = must(document, "#course-note", HTMLElement);
  #runs = must(document, "#course-runs", HTMLElement);
  #hours = must(document, "#course-hours", HTMLSelectElement);
  #options;
  #charts = FIGURES.map(([name, title, write]) => ({ name, title, write, ...chart(title) }));

  /** @param {{ask: (hours: string) => Promise<Course>, now: () => number}} options */
  constructor(options) {
    this.#options = options;
    this.#list.replaceChildren(...this.#charts.map(({ element }) => element));
    this.#hours.addEventListener("change", () => void this.look().catch(() => {}));
  }

  async look() {
    const hours = this.#hours.value;
    let course;
    try {
      course = await this.#options.ask(hours);
    } catch (error) {
      setText(this.#note, `The figures are in the database: ${error instanceof Error ? error.message : error}.`);
      return;
    }
    if (hours !== this.#hours.value) return;
    setText(this.#note, course.points.length === 0 ? "The first minute is not over yet." : "");
    for (const { name, title, write, element, line, marks, text } of this.#charts) {
      const { path, last, highest } = courseOf(course, name);
      line.setAttribute("d", path);
      const marked = course.runs.map(({ started }) => `M${(((started - course.start) / (course.end - course.start)) * WIDTH).toFixed(1)},0V${HEIGHT}`).join("");
      marks.setAttribute("d", marked);
      const told = last === null ? "–" : `${write(last)}, at most ${write(highest ?? 0)}`;
      setText(text, told);
      setAttribute(must(element, "svg", SVGSVGElement), "aria-label", `${title} over ${hours} hours: ${told}`);
    }
    this.#runs.replaceChildren(
      ...describeRuns(course.runs, this.#options.now()).map((words) => {
        const item = document.createElement("li");
        item.textContent = words;
        return item;
      }),
    );
  }
}

/** @param {string} title */
function chart(title) {
  const element = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const name = document.createElement("strong");
  name.textContent = title;
  const text = document.createElement("span");
  caption.append(name, text);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const marks = document.createElementNS(SVG, "path");
  marks.setAttribute("class", "course-mark");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("class", "course-line");
  svg.append(marks, line);
  element.append(caption, svg);
  return { element, line, marks, text };
}
