/**
 * The controls above the chart: range, candles, form, figures, and whose time it is shown in.
 */
import { must, setAttribute, setText } from "../dom.js";
import { OVERLAYS, writeChoice } from "./choice.js";
import { INTERVAL_NAMES, RANGES, intervalsFor, usualRange, withInterval } from "./ranges.js";
import { UTC, known, localZone } from "./zones.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./choice.js").Interval} Interval */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {import("./zones.js").Zone} Zone */

/** @typedef {"exchange" | "local" | "utc"} Times */

/**
 * @typedef {object} Options
 * @property {() => Choice} choice
 * @property {(next: Choice, kept: boolean) => void} onChoose kept: as a step of its own, to which "back" leads
 * @property {(zone: Zone) => void} onZone
 * @property {import("../storage.js").Memory} memory
 * @property {string} key under which the times are kept
 * @property {string} exchange the zone of the exchange; UTC where nobody knows it
 */

export class Controls {
  #options;
  #ranges = must(document, "#ranges", HTMLElement);
  #interval = must(document, "#interval", HTMLSelectElement);
  #forms = must(document, "#form", HTMLFieldSetElement);
  #overlays = must(document, "#overlays", HTMLFieldSetElement);
  #times = must(document, "#times", HTMLFieldSetElement);
  #zone;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { memory, key, choice, onChoose, onZone } = options;
    const kept = readTimes(memory.load(key));
    this.#zone = this.#zoneOf(kept);
    this.#ranges.addEventListener("click", (event) => {
      const link = event.target instanceof Element ? event.target.closest("a") : null;
      if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      const range = RANGES.find((each) => each.key === link.dataset.range);
      if (range !== undefined) onChoose({ ...choice(), range, interval: null }, true);
    });
    this.#interval.addEventListener("change", () => {
      const interval = /** @type {Interval} */ (this.#interval.value);
      const { range } = choice();
      onChoose({ ...choice(), range: withInterval(usualRange(range.key), interval), interval }, true);
    });
    for (const fieldset of [this.#forms, this.#overlays]) {
      fieldset.addEventListener("change", () => {
        const form = this.#forms.querySelector("input:checked")?.getAttribute("value") === "line" ? "line" : "candles";
        const wanted = [...this.#overlays.querySelectorAll("input")].filter((box) => box.checked).map((box) => box.value);
        onChoose({ ...choice(), form, overlays: OVERLAYS.filter((each) => wanted.includes(each.key)) }, false);
      });
    }
    for (const radio of this.#times.querySelectorAll("input")) radio.checked = radio.value === kept;
    this.#times.addEventListener("change", () => {
      const times = /** @type {Times} */ (this.#times.querySelector("input:checked")?.getAttribute("value") ?? "utc");
      memory.save(key, times);
      this.#zone = this.#zoneOf(times);
      onZone(this.#zone);
    });
  }

  /** In which times are shown. */
  get zone() {
    return this.#zone;
  }

  /**
   * @param {Range} range with the candles that are shown
   * @param {number | null} length of what there is, ms; null while that is not known
   */
  paint(range, length) {
    const choice = this.#options.choice();
    for (const link of this.#ranges.querySelectorAll("a")) {
      const other = RANGES.find(({ key }) => key === link.dataset.range) ?? range;
      setAttribute(link, "aria-current", other.key === range.key ? "true" : null);
      setAttribute(link, "href", writeChoice({ ...choice, range: other, interval: null }));
    }
    this.#paintIntervals(range, intervalsFor(range, length));
    for (const radio of this.#forms.querySelectorAll("input")) radio.checked = radio.value === choice.form;
    for (const box of this.#overlays.querySelectorAll("input")) box.checked = choice.overlays.some(({ key }) => key === box.value);
  }

  /**
   * @param {Range} range
   * @param {readonly Interval[]} intervals
   */
  #paintIntervals(range, intervals) {
    const there = [...this.#interval.options].map(({ value }) => value);
    if (there.join() !== intervals.join()) {
      this.#interval.replaceChildren(
        ...intervals.map((interval) => {
          const option = document.createElement("option");
          option.value = interval;
          setText(option, INTERVAL_NAMES[interval]);
          return option;
        }),
      );
    }
    this.#interval.value = range.interval;
  }

  /**
   * @param {Times} times
   * @returns {Zone}
   */
  #zoneOf(times) {
    if (times === "utc") return UTC;
    return times === "local" ? localZone() : known(this.#options.exchange);
  }
}

/**
 * @param {string | null} text as it is kept
 * @returns {Times}
 */
function readTimes(text) {
  return text === '"local"' ? "local" : text === '"exchange"' ? "exchange" : "utc";
}
