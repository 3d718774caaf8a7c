/**
 * The picture as the page shows it: made anew when something else is to be drawn, and shown what there
 * is. Without the library there is none, and all of this does nothing.
 */
import { must } from "../dom.js";
import { emptyPlaces } from "./holes.js";
import { rangeFor } from "./ranges.js";
import { ChartView } from "./view.js";
import { ViewTools } from "./view-tools.js";

/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./library.js").Library} Library */
/** @typedef {import("./ranges.js").Range} Range */

/**
 * @typedef {object} Scene
 * @property {Choice} choice
 * @property {Range} range with the candles that are drawn
 * @property {number} decimals
 * @property {import("./zones.js").Zone} zone
 * @property {import("./feed.js").ChartFeed} feed
 * @property {readonly import("./view.js").Figures[]} figures
 * @property {import("./compare.js").Beside | null} beside
 * @property {readonly number[]} thresholds of alerts
 * @property {Candle | null} pointed
 * @property {number | null} now the server's time, ms
 */

/**
 * @typedef {object} Options
 * @property {HTMLElement} container
 * @property {() => Scene} scene
 * @property {import("./view.js").Options["onPointer"]} onPointer
 * @property {import("./view.js").Options["onPrice"]} onPrice
 * @property {import("./view.js").Options["onEdge"]} onEdge
 * @property {() => void} onOlder candles from before those that were drawn are drawn now
 * @property {() => void} onReset
 * @property {(range: Range) => void} onRange a longer one is wanted
 */

export class Picture {
  #options;
  #tools;
  /** @type {Library | null} */
  #library = null;
  /** @type {ChartView | null} */
  #view = null;
  /** How far back somebody went, when the candles were drawn last. @type {number | null} */
  #drawnFrom = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#tools = new ViewTools({
      onZoom: (step) => this.zoom(step),
      onReset: () => this.reset(),
      onRange: options.onRange,
    });
    const recolour = () => this.#view?.recolour();
    // Behind the handler that sets the theme: the page binds that one first.
    must(document, "#theme", HTMLFieldSetElement).addEventListener("change", recolour);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) matchMedia(query).addEventListener("change", recolour);
  }

  get hasLibrary() {
    return this.#library !== null;
  }

  /** @param {Library} library it is loaded */
  begin(library) {
    this.#library = library;
    this.draw();
  }

  /** Another range is shown: what was drawn before is no part of it. */
  forget() {
    this.#drawnFrom = null;
  }

  /** Draws anew, as it is chosen. */
  draw() {
    const { container, scene, onPointer, onPrice, onEdge } = this.#options;
    this.#view?.remove();
    this.#view = null;
    container.dataset.panes = "1";
    if (this.#library === null) return;
    const { choice, range, decimals, zone } = scene();
    this.#view = new ChartView({
      library: this.#library,
      container,
      choice: { ...choice, range },
      decimals,
      zone,
      onPointer,
      onPrice,
      onEdge,
      onPart: (isPart) => this.#paintTools(isPart),
    });
    this.showCandles();
    this.showFigures();
    this.point(scene().pointed);
  }

  showCandles() {
    const { feed, range, beside } = this.#options.scene();
    const { candles, holes, reached } = feed;
    const older = reached !== null && reached !== this.#drawnFrom;
    this.#drawnFrom = reached;
    this.#view?.show(candles, emptyPlaces(holes, range, candles.at(-1)?.start ?? 0), older, beside);
    this.mark();
    if (older) this.#options.onOlder();
    this.#paintTools();
  }

  showFigures() {
    this.#view?.showFigures(this.#options.scene().figures);
  }

  /** Lines at the alerts. */
  mark() {
    this.#view?.mark(this.#options.scene().thresholds);
  }

  /** @param {Candle} candle */
  moveLast(candle) {
    this.#view?.moveLast(candle);
  }

  /** @param {Candle} candle of the second symbol */
  moveSecond(candle) {
    this.#view?.moveSecond(candle);
  }

  /** @param {Candle | null} candle */
  point(candle) {
    this.#view?.point(candle);
  }

  /** @param {1 | -1} step nearer, or further */
  zoom(step) {
    this.#view?.zoom(step);
  }

  /** The range as it was chosen: nothing older, and all of it. */
  reset() {
    this.#options.onReset();
    this.#view?.fit();
    this.#paintTools();
  }

  #paintTools(isPart = this.#view?.isPart ?? false) {
    const { feed, range, now } = this.#options.scene();
    const { reached } = feed;
    this.#tools.paint({ isPart: isPart || reached !== null, wider: reached === null || now === null ? null : rangeFor(now - reached, range) });
  }
}
