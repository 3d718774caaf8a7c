/**
 * The time line of restarts: a lane for each actor, up to ten minutes wide, now at the right.
 */
import { must, setText } from "../dom.js";
import { lanes, spanOf, ticks } from "./timeline.js";
import { duration, timeOfDay } from "./units.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").RestartEntry} RestartEntry */
/** @typedef {import("./timeline.js").MarkKind} MarkKind */

const SVG = "http://www.w3.org/2000/svg";
const LANE = 22;
const TOP = 4;
const AXIS = 20;
const MARK = 4;

/** @type {Record<MarkKind, string>} */
const SHAPES = {
  killed: "M-3.4-3.4 3.4 3.4M-3.4 3.4 3.4-3.4",
  crashed: "M0-4.2 4.4 3.6H-4.4Z",
  bystander: "M3 0A3 3 0 1 1-3 0 3 3 0 0 1 3 0Z",
};

export class RestartsView {
  #box = must(document, "#restarts", HTMLElement);
  #sum = must(document, "#restarts-sum", HTMLElement);
  #empty = must(document, "#restarts-empty", HTMLElement);
  /** @type {SVGElement | null} */
  #moving = null;
  #drawn = "";
  #base = 0;
  #width = 0;
  #labels = 0;

  constructor() {
    new ResizeObserver(() => {
      this.#drawn = "";
    }).observe(this.#box);
  }

  /**
   * @param {readonly RestartEntry[]} restarts oldest first
   * @param {readonly string[]} order of the paths
   * @param {number} start of the server, ms
   * @param {number} now the server's time, ms
   */
  paint(restarts, order, start, now) {
    const span = spanOf(start, now);
    const { lanes: shown, hidden, count } = lanes(restarts, order, now);
    this.#box.hidden = count === 0;
    this.#empty.hidden = count > 0;
    setText(this.#sum, count === 0 ? "" : `${plural(count, "restart")} in ten minutes${hidden > 0 ? `, ${plural(hidden, "quieter lane")} not shown` : ""}`);
    if (count === 0) return;
    const drawing = span + shown.map(({ path, marks }) => `${path}:${marks[0]?.title.number}:${marks.length}`).join(" ");
    if (drawing !== this.#drawn) {
      this.#draw(shown, span, now, plural(count, "restart"));
      this.#drawn = drawing;
    }
    const perMs = (this.#width - this.#labels) / span;
    this.#moving?.setAttribute("transform", `translate(${(this.#width - (now - this.#base) * perMs).toFixed(2)} 0)`);
  }

  /**
   * @param {ReturnType<typeof lanes>["lanes"]} shown
   * @param {number} spanMs
   * @param {number} now
   * @param {string} sum
   */
  #draw(shown, spanMs, now, sum) {
    this.#width = Math.max(280, this.#box.clientWidth);
    this.#labels = this.#width < 560 ? 0 : Math.min(190, this.#width * 0.24);
    this.#base = now;
    const step = this.#labels === 0 ? LANE + 12 : LANE;
    const height = TOP + shown.length * step + AXIS;
    const span = this.#width - this.#labels;
    const perMs = span / spanMs;
    const svg = make("svg", { viewBox: `0 0 ${this.#width} ${height}`, width: this.#width, height, role: "img", "aria-label": `${sum} in the last ten minutes, of ${shown.map(({ path }) => path).join(", ")}` });
    const clip = make("clipPath", { id: "lanes-clip" });
    clip.append(make("rect", { x: this.#labels, y: 0, width: span, height }));
    svg.append(clip);
    for (const { part, label: words } of ticks(spanMs)) {
      const x = this.#labels + span * part;
      const label = make("text", { x, y: height - 5, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle", class: "axis" });
      label.textContent = words;
      svg.append(make("line", { x1: x, x2: x, y1: TOP, y2: height - AXIS, class: "tick-line" }), label);
    }
    const clipped = make("g", { "clip-path": "url(#lanes-clip)" });
    this.#moving = make("g", {});
    shown.forEach(({ path, marks }, index) => {
      const y = TOP + (index + 1) * step - LANE / 2;
      const label = make("text", this.#labels === 0 ? { x: 0, y: y - LANE / 2 + 1, class: "lane-label" } : { x: this.#labels - 12, y: y + 4, "text-anchor": "end", class: "lane-label" });
      label.textContent = path;
      svg.append(label, make("line", { x1: this.#labels, x2: this.#width, y1: y, y2: y, class: "lane-line" }));
      for (const { at, kind, downMs, title } of marks) {
        const x = (at - this.#base) * perMs;
        if (downMs * perMs > 1) this.#moving?.append(make("rect", { x: x - downMs * perMs, y: y - 3, width: downMs * perMs, height: 6, class: "down-bar" }));
        const mark = make("g", { transform: `translate(${(x - MARK).toFixed(2)} ${y})`, class: `mark mark-${kind}` });
        const shape = make("path", { d: SHAPES[kind] });
        const told = make("title", {});
        told.textContent = `${timeOfDay(title.at)} ${path}: ${title.reason ?? "restarted"}, generation ${title.generation}${title.down_ms === null ? "" : `, back in ${duration(title.down_ms)}`}`;
        mark.append(told, shape);
        this.#moving?.append(mark);
      }
    });
    clipped.append(this.#moving);
    svg.append(clipped);
    this.#box.replaceChildren(svg);
  }
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElement}
 */
function make(name, attributes) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
