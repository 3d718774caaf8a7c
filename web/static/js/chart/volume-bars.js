/**
 * Bars of volume at the foot of the prices, on a scale of their own. Where no volume is known there are
 * none, and the prices have all of the height.
 */

/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./colours.js").Colours} Colours */
/** @typedef {import("lightweight-charts").IChartApiBase<import("lightweight-charts").Time>} Chart */
/** @typedef {import("lightweight-charts").UTCTimestamp} Time */
/** @typedef {import("lightweight-charts").ISeriesApi<"Histogram">} Bars */

const SCALE = "volume";
/** The share of the height that bars have. */
const SHARE = 0.2;
/** What the library leaves free of its own accord. */
const MARGINS = { top: 0.2, bottom: 0.1 };
/** Prices end a little above the bars. */
const ABOVE = { top: 0.1, bottom: SHARE + 0.04 };
/** Of the colour of a candle, so that these stand behind the prices. */
const STRENGTH = 0.55;

export class VolumeBars {
  #chart;
  #library;
  /** @type {Bars | null} */
  #bars = null;
  /** @type {readonly Candle[]} */
  #candles = [];
  /** The newest, as it moved since then. @type {Candle | null} */
  #last = null;
  #up = "";
  #down = "";

  /**
   * @param {import("./library.js").Library} library
   * @param {Chart} chart
   */
  constructor(library, chart) {
    this.#library = library;
    this.#chart = chart;
  }

  /** @param {Colours} colours */
  recolour({ up, down, paper }) {
    this.#up = mixed(up, paper);
    this.#down = mixed(down, paper);
    const last = this.#last;
    this.show(last === null ? this.#candles : this.#candles.map((candle) => (candle.start === last.start ? last : candle)));
  }

  /** @param {readonly Candle[]} candles oldest first */
  show(candles) {
    this.#candles = candles;
    this.#last = null;
    const known = candles.filter(({ volume }) => volume !== null);
    if (known.length === 0) return this.#clear();
    this.#made().setData(known.map((candle) => this.#bar(candle)));
  }

  /** @param {Candle} candle the newest, moved */
  moveLast(candle) {
    this.#last = candle;
    if (candle.volume !== null) this.#made().update(this.#bar(candle));
  }

  /** @returns {Bars} */
  #made() {
    if (this.#bars === null) {
      this.#bars = this.#chart.addSeries(this.#library.HistogramSeries, { priceScaleId: SCALE, priceLineVisible: false, lastValueVisible: false });
      this.#bars.priceScale().applyOptions({ scaleMargins: { top: 1 - SHARE, bottom: 0 } });
      // Behind the prices.
      this.#bars.setSeriesOrder(0);
      this.#chart.priceScale("right").applyOptions({ scaleMargins: ABOVE });
    }
    return this.#bars;
  }

  #clear() {
    if (this.#bars === null) return;
    this.#chart.removeSeries(this.#bars);
    this.#bars = null;
    this.#chart.priceScale("right").applyOptions({ scaleMargins: MARGINS });
  }

  /** @param {Candle} candle @returns {{time: Time, value: number, color: string}} */
  #bar({ start, open, close, volume }) {
    return { time: /** @type {Time} */ (start / 1000), value: volume ?? 0, color: close < open ? this.#down : this.#up };
  }
}

/**
 * @param {string} colour as a browser resolves it: rgb(1, 2, 3)
 * @param {string} paper
 * @returns {string} the colour, on paper that shines through
 */
export function mixed(colour, paper) {
  const [front, back] = [partsOf(colour), partsOf(paper)];
  if (front === null || back === null) return colour;
  return `rgb(${front.map((part, index) => Math.round(part * STRENGTH + /** @type {number} */ (back[index]) * (1 - STRENGTH))).join(", ")})`;
}

/**
 * @param {string} colour
 * @returns {number[] | null}
 */
function partsOf(colour) {
  const found = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(colour);
  return found === null ? null : found.slice(1).map(Number);
}
