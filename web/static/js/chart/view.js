/**
 * The picture: candles or a line, and figures over them, drawn by the library in the page's colours.
 * It is told what to show and where the cursor is; it keeps neither.
 */
import { oncePerFrame } from "../dom.js";
import { price, signed } from "../format.js";
import { behaviorIn, markText, priceFormat, zoneOf } from "./axis.js";
import { coloursOf } from "./colours.js";
import { percentOf, priceOf } from "./compare.js";
import { heedAsking, heedPulls } from "./gestures.js";
import { Pointer } from "./pointer.js";
import { figure, when } from "./text.js";
import { VolumeBars } from "./volume-bars.js";

/** @typedef {import("./library.js").Library} Library */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./choice.js").Overlay} Overlay */
/** @typedef {import("./compare.js").Beside} Beside */
/** @typedef {import("./zones.js").Zone} Zone */
/** @typedef {import("lightweight-charts").IChartApiBase<import("lightweight-charts").Time>} Chart */
/** @typedef {import("lightweight-charts").ISeriesApi<"Candlestick"> | import("lightweight-charts").ISeriesApi<"Line">} Series */
/** @typedef {import("lightweight-charts").UTCTimestamp} Time */

/** @typedef {{overlay: Overlay, points: ReadonlyMap<number, number>}} Figures */

/**
 * @typedef {object} Options
 * @property {Library} library
 * @property {HTMLElement} container
 * @property {Choice} choice
 * @property {number} decimals
 * @property {Zone} zone
 * @property {(start: number | null) => void} onPointer over the candle that starts there, or over none
 * @property {(price: number) => void} onPrice it was asked for what can be done at a price
 * @property {() => void} onEdge what is shown comes near the oldest candle
 * @property {(part: boolean) => void} onPart whether only a part of the candles is shown now
 */

/** So near to the oldest candle, in candles, older ones are wanted. */
const NEAR_EDGE = 10;

/** How much of what is shown stays with one step nearer. */
const ZOOM = 0.7;
/** Nobody sees fewer candles than these. */
const FEWEST = 5;

/** Thousands of candles fit on a telephone. */
const MIN_BAR_SPACING = 0.05;
/** Two candles are not drawn as wide as the page, px. */
const MAX_BAR_SPACING = 40;

const INVISIBLE = "rgba(0, 0, 0, 0)";

/** A figure on a scale of its own gets this share of the height of the prices. */
const PANE_SHARE = 0.35;

const pointer = new Pointer(window);

export class ChartView {
  #options;
  /** @type {Chart} */
  #chart;
  #volume;
  /** @type {Series} */
  #series;
  /** @type {Map<string, import("lightweight-charts").ISeriesApi<"Line">>} */
  #lines = new Map();
  /** @type {import("lightweight-charts").IPriceLine[]} */
  #marks = [];
  /** @type {import("lightweight-charts").IPriceLine[]} */
  #alerts = [];
  /** @type {readonly Candle[]} */
  #candles = [];
  /** Starts of candles that are not there, where the picture has a hole. @type {readonly number[]} */
  #empty = [];
  /** Where the keyboard has put the crosshair. @type {Candle | null} */
  #pointed = null;
  /** Candles and empty places. */
  #places = 0;
  #isPart = false;
  #ended = new AbortController();
  /** Another symbol beside this one. @type {import("lightweight-charts").ISeriesApi<"Line"> | null} */
  #second = null;
  /** @type {Beside | null} */
  #beside = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { library, container, choice, decimals, onPointer } = options;
    const { range, form, overlays } = choice;
    const zone = zoneOf(range, options.zone);
    const behavior = behaviorIn(library, () => zone);
    /** @type {import("lightweight-charts").DeepPartial<import("lightweight-charts").TimeChartOptions>} */
    const drawn = {
      autoSize: true,
      // The logo brings a style element, which the policy forbids; the page's foot names the library.
      layout: { attributionLogo: false },
      localization: { locale: "en-US", timeFormatter: (/** @type {Time} */ time) => when(time * 1000, range, zone) },
      // The wheel over the picture is the picture's; a vertical swipe stays the page's, which a telephone is full of.
      handleScroll: { mouseWheel: true, pressedMouseMove: true, horzTouchDrag: true, vertTouchDrag: false },
      handleScale: { mouseWheel: true, pinch: true, axisPressedMouseMove: { time: true, price: false }, axisDoubleClickReset: false },
      timeScale: {
        timeVisible: true,
        fixLeftEdge: true,
        fixRightEdge: true,
        lockVisibleTimeRangeOnResize: true,
        maxBarSpacing: MAX_BAR_SPACING,
        minBarSpacing: MIN_BAR_SPACING,
        tickMarkFormatter: (/** @type {Time} */ time, /** @type {number} */ type) => markText(time * 1000, type, zone),
      },
      crosshair: { mode: library.CrosshairMode.Magnet },
    };
    this.#chart = library.createChartEx(container, behavior, drawn);
    // Both of two symbols are in percent, once there is what they are measured from.
    const format = priceFormat((value) => (this.#base === null ? price(value, decimals) : `${signed(value, 2)}\u00a0%`), choice.compare === null ? 10 ** -decimals : 0.01);
    this.#series =
      form === "line"
        ? this.#chart.addSeries(library.LineSeries, { priceFormat: format, lineWidth: 2 })
        : this.#chart.addSeries(library.CandlestickSeries, { priceFormat: format });
    if (choice.compare !== null) {
      // Dotted, and named: told apart without colour too.
      this.#second = this.#chart.addSeries(library.LineSeries, { priceFormat: format, lineWidth: 2, lineStyle: library.LineStyle.Dotted, priceLineVisible: false, crosshairMarkerVisible: false, title: choice.compare });
    }
    this.#volume = new VolumeBars(library, this.#chart);
    const panes = [...new Set(overlays.map(({ pane }) => pane).filter((pane) => pane > 0))].sort();
    for (const overlay of overlays) {
      const line = this.#chart.addSeries(
        library.LineSeries,
        {
          lineWidth: 2,
          // Told apart from the other line over the prices without colour too.
          lineStyle: overlay.key === "ema" ? library.LineStyle.Dashed : library.LineStyle.Solid,
          priceLineVisible: false,
          lastValueVisible: overlay.pane > 0,
          crosshairMarkerVisible: false,
          priceFormat: overlay.pane === 0 ? format : priceFormat((value) => figure(value, overlay, decimals), overlay.key === "volatility" ? 1e-6 : 0.01),
        },
        overlay.pane === 0 ? 0 : panes.indexOf(overlay.pane) + 1,
      );
      if (overlay.key === "rsi") {
        line.applyOptions({ autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 100 } }) });
        // Wilder's own marks of a market that ran too far.
        for (const level of [30, 70]) this.#marks.push(line.createPriceLine({ price: level, lineWidth: 1, lineStyle: library.LineStyle.Dashed, axisLabelVisible: false, title: "" }));
      }
      this.#lines.set(overlay.key, line);
    }
    this.#chart.panes().forEach((pane, index) => pane.setStretchFactor(index === 0 ? 1 : PANE_SHARE));
    container.dataset.panes = String(1 + panes.length);
    this.#chart.subscribeCrosshairMove(({ time, sourceEvent }) => {
      // Without an event it was `point`, or data that came, that moved it.
      if (sourceEvent === undefined) return;
      if (pointer.rests(sourceEvent)) {
        if (this.#pointed !== null) this.point(this.#pointed);
        return;
      }
      this.#pointed = null;
      if (time !== undefined) onPointer(Number(time) * 1000);
    });
    this.#chart.chartElement().addEventListener("pointerleave", (event) => {
      if (!pointer.rests(event)) onPointer(null);
    });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.#looked());
    heedPulls(container, () => this.#pulled(), this.#ended.signal);
    heedAsking(container, (y) => this.#asked(y), this.#ended.signal);
    this.recolour();
  }

  /** The theme or the palette changed. */
  recolour() {
    const { library, container, choice } = this.#options;
    const c = coloursOf(container);
    this.#chart.applyOptions({
      layout: {
        background: { type: library.ColorType.Solid, color: c.paper },
        textColor: c.muted,
        fontFamily: getComputedStyle(container).fontFamily,
        fontSize: 11,
        panes: { separatorColor: c.rule, enableResize: false },
      },
      // Forced colours have no faint one for it.
      grid: { vertLines: { visible: false }, horzLines: { color: c.rule, visible: !matchMedia("(forced-colors: active)").matches } },
      rightPriceScale: { borderColor: c.rule },
      timeScale: { borderColor: c.rule },
      crosshair: { vertLine: { color: c.muted, labelBackgroundColor: c.ink }, horzLine: { color: c.muted, labelBackgroundColor: c.ink } },
    });
    if (choice.form === "line") this.#series.applyOptions({ color: c.ink, priceLineColor: c.muted });
    // A rise is hollow, a fall is filled: told apart without colour too.
    else this.#series.applyOptions({ upColor: c.paper, downColor: c.down, borderUpColor: c.up, borderDownColor: c.down, wickUpColor: c.up, wickDownColor: c.down, priceLineColor: c.muted });
    this.#volume.recolour(c);
    for (const mark of this.#marks) mark.applyOptions({ color: c.muted });
    for (const line of this.#alerts) line.applyOptions({ color: c.warn });
    this.#second?.applyOptions({ color: c.compare });
    for (const [key, line] of this.#lines) line.applyOptions({ color: c[/** @type {import("./choice.js").OverlayKey} */ (key)] });
  }

  /**
   * Candles came or went: all of them are drawn, and fit, unless somebody looks at a part.
   * @param {readonly Candle[]} candles
   * @param {readonly number[]} empty starts of candles that are not there, where there is a hole
   * @param {boolean} older whether older ones came, for somebody who looks at the others meanwhile
   * @param {Beside | null} beside
   */
  show(candles, empty, older, beside) {
    this.#candles = candles;
    this.#empty = empty;
    this.#beside = beside;
    const part = this.#isPart;
    const data = this.#withHoles(candles.map((candle) => this.#bar(candle)));
    this.#places = data.length;
    this.#series.setData(data);
    this.#volume.show(candles);
    this.#showSecond();
    if (!part && !older) this.#chart.timeScale().fitContent();
    this.#looked();
  }

  #pulled() {
    const seen = this.#chart.timeScale().getVisibleLogicalRange();
    if (seen !== null && seen.from < NEAR_EDGE) this.#options.onEdge();
  }

  /**
   * @param {number} y in the picture, px
   * @returns {boolean} whether a price is there
   */
  #asked(y) {
    const at = y < (this.#chart.panes()[0]?.getHeight() ?? 0) ? this.#series.coordinateToPrice(y) : null;
    const asked = at === null || this.#base === null ? at : priceOf(at, this.#base.mine);
    if (asked === null || !(asked > 0)) return false;
    this.#options.onPrice(asked);
    return true;
  }

  /** What both symbols are measured from. */
  get #base() {
    return this.#beside?.base ?? null;
  }

  /** @param {number} value @returns {number} as it is drawn */
  #mine(value) {
    return this.#base === null ? value : percentOf(value, this.#base.mine);
  }

  #showSecond() {
    const { base, candles } = this.#beside ?? { base: null, candles: [] };
    if (this.#second === null) return;
    if (base === null) return this.#second.setData([]);
    const starts = new Set(this.#candles.map(({ start }) => start));
    // Only where there is a candle of this one: another place would push them apart.
    const both = candles.filter(({ start }) => starts.has(start));
    this.#second.setData(this.#withHoles(both.map(({ start, close }) => ({ time: seconds(start), value: percentOf(close, base.theirs) }))));
  }

  /** @param {Candle} candle the newest of the other symbol, moved */
  moveSecond(candle) {
    if (this.#base !== null && candle.start === this.#candles.at(-1)?.start) this.#second?.update({ time: seconds(candle.start), value: percentOf(candle.close, this.#base.theirs) });
  }

  /**
   * Draws a line at each of these prices: there is an alert.
   * @param {readonly number[]} prices
   */
  mark(prices) {
    for (const line of this.#alerts) this.#series.removePriceLine(line);
    const { library, container } = this.#options;
    const { warn } = coloursOf(container);
    this.#alerts = prices.map((at) => this.#series.createPriceLine({ price: this.#mine(at), color: warn, lineWidth: 1, lineStyle: library.LineStyle.LargeDashed, axisLabelVisible: true, title: "alert" }));
  }

  /** Whether only a part of the candles is shown. */
  get isPart() {
    return this.#isPart;
  }

  /** All of the candles again. */
  fit() {
    this.#chart.timeScale().fitContent();
  }

  /** @param {1 | -1} step nearer, or further */
  zoom(step) {
    const scale = this.#chart.timeScale();
    const seen = scale.getVisibleLogicalRange();
    if (seen === null) return;
    if (step < 0 && seen.from < NEAR_EDGE) this.#options.onEdge();
    const width = Math.max(FEWEST, (seen.to - seen.from) * (step > 0 ? ZOOM : 1 / ZOOM));
    const pointed = this.#pointed === null ? null : scale.timeToIndex(seconds(this.#pointed.start), true);
    // Around the candle that is read, else what is newest stays.
    const to = pointed === null ? seen.to : pointed + ((seen.to - pointed) * width) / (seen.to - seen.from);
    this.#see(to - width, to);
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #see(from, to) {
    const last = this.#places - 0.5;
    const shift = Math.min(0, last - to) || Math.max(0, -0.5 - from);
    this.#chart.timeScale().setVisibleLogicalRange({ from: Math.max(-0.5, from + shift), to: Math.min(last, to + shift) });
  }

  /** What is seen has changed. */
  #looked() {
    const { onEdge, onPart } = this.#options;
    const seen = this.#chart.timeScale().getVisibleLogicalRange();
    if (seen === null || this.#places === 0) return;
    if (this.#pointed !== null) this.#crossSoon();
    const part = seen.from > 0.5 || seen.to < this.#places - 1.5;
    if (part !== this.#isPart) {
      this.#isPart = part;
      onPart(part);
    }
    if (part && seen.from < NEAR_EDGE) onEdge();
  }

  /** @param {Candle} candle the newest, moved */
  moveLast(candle) {
    this.#series.update(this.#bar(candle));
    this.#volume.moveLast(candle);
  }

  /** @param {readonly Figures[]} figures */
  showFigures(figures) {
    const starts = new Set(this.#candles.map(({ start }) => start));
    for (const { overlay, points } of figures) {
      /** @type {import("lightweight-charts").LineData<Time>[]} */
      const data = [];
      // Only where there is a candle: a point elsewhere would push the candles apart.
      for (const [start, value] of points) if (starts.has(start)) data.push({ time: seconds(start), value: overlay.pane === 0 ? this.#mine(value) : value });
      this.#lines.get(overlay.key)?.setData(this.#withHoles(data));
    }
  }

  /** @param {Candle | null} candle where the crosshair goes */
  point(candle) {
    this.#pointed = candle;
    if (candle === null) return this.#chart.clearCrosshairPosition();
    const scale = this.#chart.timeScale();
    const [place, seen] = [scale.timeToIndex(seconds(candle.start), true), scale.getVisibleLogicalRange()];
    if (place !== null && seen !== null && (place < seen.from || place > seen.to)) {
      const width = seen.to - seen.from;
      this.#see(place < seen.from ? place - 1 : place + 1 - width, place < seen.from ? place - 1 + width : place + 1);
    }
    this.#cross(candle);
  }

  /**
   * What is seen moves, and the library would leave the crosshair where it is in the picture, over another
   * candle. With the next frame: it tells of a move in the middle of it.
   */
  #crossSoon = oncePerFrame(() => {
    if (this.#pointed !== null && !this.#ended.signal.aborted) this.#cross(this.#pointed);
  });

  /** @param {Candle} candle */
  #cross(candle) {
    this.#chart.setCrosshairPosition(this.#mine(candle.close), seconds(candle.start), this.#series);
  }

  remove() {
    this.#ended.abort();
    this.#chart.remove();
  }

  /**
   * With the places where there is a hole. A line is not drawn across one: nothing is known of it.
   * @template {{time: Time}} D
   * @param {D[]} data in order
   * @returns {(D | {time: Time})[]} in order
   */
  #withHoles(data) {
    if (this.#empty.length === 0) return data;
    /** @type {(D | {time: Time})[]} */
    const all = [...data, ...this.#empty.map((start) => ({ time: seconds(start) }))].sort((a, b) => a.time - b.time);
    return all.map((point, index) => {
      const next = all[index + 1];
      // The library joins what is left and right of empty places, in the colour of the left one.
      const ends = "value" in point && next !== undefined && !("value" in next);
      return ends ? { ...point, color: INVISIBLE } : point;
    });
  }

  /** @param {Candle} candle */
  #bar({ start, open, high, low, close }) {
    const time = seconds(start);
    if (this.#options.choice.form === "line") return { time, value: this.#mine(close) };
    return { time, open: this.#mine(open), high: this.#mine(high), low: this.#mine(low), close: this.#mine(close) };
  }
}

/**
 * @param {number} ms
 * @returns {Time}
 */
function seconds(ms) {
  return /** @type {Time} */ (ms / 1000);
}
