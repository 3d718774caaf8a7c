/**
 * The picture: candles or a line, and figures over them, drawn by the library in the page's colours.
 * It is told what to show and where the cursor is; it keeps neither.
 */
import { price } from "../format.js";
import { Pointer } from "./pointer.js";
import { clockTime, day, figure, when } from "./text.js";

/** @typedef {import("./library.js").Library} Library */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./choice.js").Overlay} Overlay */
/** @typedef {import("lightweight-charts").IChartApi} Chart */
/** @typedef {import("lightweight-charts").ISeriesApi<"Candlestick"> | import("lightweight-charts").ISeriesApi<"Line">} Series */
/** @typedef {import("lightweight-charts").UTCTimestamp} Time */

/** @typedef {{overlay: Overlay, points: ReadonlyMap<number, number>}} Figures */

/**
 * @typedef {object} Options
 * @property {Library} library
 * @property {HTMLElement} container
 * @property {Choice} choice
 * @property {number} decimals
 * @property {(start: number | null) => void} onPointer over the candle that starts there, or over none
 */

/** Of TickMarkType of the library: from here on a mark is a time of day. */
const MARK_OF_TIME = 3;

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
  /** @type {Series} */
  #series;
  /** @type {Map<string, import("lightweight-charts").ISeriesApi<"Line">>} */
  #lines = new Map();
  /** @type {import("lightweight-charts").IPriceLine[]} */
  #marks = [];
  /** @type {readonly Candle[]} */
  #candles = [];
  /** Starts of candles that are not there, where the picture has a hole. @type {readonly number[]} */
  #empty = [];
  /** Where the keyboard has put the crosshair. @type {Candle | null} */
  #pointed = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { library, container, choice, decimals, onPointer } = options;
    const { range, form, overlays } = choice;
    this.#chart = library.createChart(container, {
      autoSize: true,
      // The logo brings a style element, which the policy forbids; the page's foot names the library.
      layout: { attributionLogo: false },
      localization: { locale: "en-US", timeFormatter: (/** @type {Time} */ time) => when(time * 1000, range) },
      // The page scrolls through the chart: the wheel and a vertical swipe are its own.
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
      timeScale: {
        timeVisible: true,
        fixLeftEdge: true,
        fixRightEdge: true,
        lockVisibleTimeRangeOnResize: true,
        maxBarSpacing: MAX_BAR_SPACING,
        tickMarkFormatter: (/** @type {Time} */ time, /** @type {number} */ type) => (type < MARK_OF_TIME ? day(time * 1000).slice(4) : clockTime(time * 1000)),
      },
      crosshair: { mode: library.CrosshairMode.Magnet },
    });
    const format = priceFormat((value) => price(value, decimals), 10 ** -decimals);
    this.#series =
      form === "line"
        ? this.#chart.addSeries(library.LineSeries, { priceFormat: format, lineWidth: 2 })
        : this.#chart.addSeries(library.CandlestickSeries, { priceFormat: format });
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
          priceFormat: priceFormat((value) => figure(value, overlay, decimals), overlay.key === "volatility" ? 1e-6 : 0.01),
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
    for (const mark of this.#marks) mark.applyOptions({ color: c.muted });
    for (const [key, line] of this.#lines) line.applyOptions({ color: c[/** @type {import("./choice.js").OverlayKey} */ (key)] });
  }

  /**
   * Candles came or went: all of them are drawn, and fit.
   * @param {readonly Candle[]} candles
   * @param {readonly number[]} empty starts of candles that are not there, where there is a hole
   */
  show(candles, empty) {
    this.#candles = candles;
    this.#empty = empty;
    this.#series.setData(this.#withHoles(candles.map((candle) => this.#bar(candle))));
    this.#chart.timeScale().fitContent();
  }

  /** @param {Candle} candle the newest, moved */
  moveLast(candle) {
    this.#series.update(this.#bar(candle));
  }

  /** @param {readonly Figures[]} figures */
  showFigures(figures) {
    const starts = new Set(this.#candles.map(({ start }) => start));
    for (const { overlay, points } of figures) {
      /** @type {import("lightweight-charts").LineData<Time>[]} */
      const data = [];
      // Only where there is a candle: a point elsewhere would push the candles apart.
      for (const [start, value] of points) if (starts.has(start)) data.push({ time: seconds(start), value });
      this.#lines.get(overlay.key)?.setData(this.#withHoles(data));
    }
  }

  /** @param {Candle | null} candle where the crosshair goes */
  point(candle) {
    this.#pointed = candle;
    if (candle === null) this.#chart.clearCrosshairPosition();
    else this.#chart.setCrosshairPosition(candle.close, seconds(candle.start), this.#series);
  }

  remove() {
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
    return this.#options.choice.form === "line" ? { time: seconds(start), value: close } : { time: seconds(start), open, high, low, close };
  }
}

/**
 * @param {number} ms
 * @returns {Time}
 */
function seconds(ms) {
  return /** @type {Time} */ (ms / 1000);
}

/**
 * @param {(value: number) => string} formatter
 * @param {number} minMove
 * @returns {import("lightweight-charts").PriceFormatCustom}
 */
function priceFormat(formatter, minMove) {
  return { type: "custom", formatter, minMove };
}

/**
 * The library wants plain colours; the style sheet has `light-dark()` and the system's own colours, which
 * only an element resolves. It is one whose colours are not forced: else each would read as that of text.
 * @param {HTMLElement} container
 */
function coloursOf(container) {
  const probe = document.createElement("i");
  probe.className = "chart-probe";
  container.append(probe);
  const resolve = (/** @type {string} */ name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    paper: resolve("color-paper"),
    ink: resolve("color-ink"),
    muted: resolve("color-muted"),
    rule: resolve("color-rule"),
    up: resolve("up"),
    down: resolve("down"),
    sma: resolve("overlay-sma"),
    ema: resolve("overlay-ema"),
    rsi: resolve("overlay-rsi"),
    volatility: resolve("overlay-volatility"),
  };
  probe.remove();
  return colours;
}
