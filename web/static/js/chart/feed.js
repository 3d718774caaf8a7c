/**
 * The candles of one symbol and range, kept true: history is asked for when the chart opens, again after
 * each candle that closes, and wholly after a connection that was lost, or while it is behind. Live
 * prices move the last candle. Candles from before the range are read when somebody goes back to them,
 * and stay.
 */
import { ask, historyAddress, olderAddress, readHistory } from "./api.js";
import { Candles, SETTLE_MS } from "./candles.js";
import { holesIn } from "./holes.js";
import { Loader } from "./loader.js";
import { beginOf } from "./ranges.js";

/** @typedef {import("./api.js").Fetch} Fetch */
/** @typedef {import("./api.js").History} History */
/** @typedef {import("./api.js").Recording} Recording */
/** @typedef {import("./candles.js").Candle} Candle */
/** @typedef {import("./choice.js").Range} Range */
/** @typedef {import("./holes.js").Hole} Hole */
/** @typedef {import("./loader.js").LoaderState} LoaderState */
/** @typedef {import("../connection.js").Clock} Clock */
/** @typedef {import("../protocol.js").Price} Price */

/** "all": candles came or went; "last": the newest one moved. @typedef {"all" | "last"} Extent */

/**
 * @typedef {object} Options
 * @property {string} symbol
 * @property {Range} range
 * @property {Fetch} fetch
 * @property {Clock} clock
 * @property {() => number | null} serverNow ms; null until the server has told it
 * @property {() => number} random in [0, 1)
 * @property {(extent: Extent) => void} onCandles
 * @property {(state: LoaderState) => void} onState of history; live prices come without it too
 */

/** Candles close for everybody at once: the questions that follow are spread over this. */
const SPREAD_MS = 3_000;

/** A history that is behind is asked for again after this, plus the spread. */
export const CATCH_UP_MS = 5_000;

/** When a range begins that does not begin so much before now is asked again after this. */
const BEGIN_AGAIN_MS = 15 * 60_000;

/** How many candles are asked for anew after one has closed: late prices reach a little way back. */
const TAIL = 3;

export class ChartFeed {
  #options;
  #candles;
  /** Starts, stops and tells its state. @type {Loader<History & {whole: boolean}>} */
  loader;
  /** Of what is older. @type {Loader<History>} */
  older;
  /** How far history is complete; null until it is told. @type {Recording | null} */
  recording = null;
  #newest = -Infinity;
  /** The start of the range as history told it, ms. @type {number | null} */
  #told = null;
  /** When the whole range was asked for last, ms of the clock. */
  #askedAt = 0;
  /** Before the range, candles are there from then on, ms. @type {number | null} */
  #reached = null;
  /** The start of the range when all of it was shown last, ms. @type {number | null} */
  #shownFrom = null;
  /** Whether the history has nothing older. */
  isWhole = false;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const { symbol, range, fetch, clock, random } = options;
    this.#candles = new Candles(range.step);
    this.loader = new Loader({
      ask: async (whole, signal) => {
        const since = whole || !Number.isFinite(this.#newest) ? null : this.#newest - TAIL * range.step;
        if (since === null) this.#askedAt = clock.now();
        const answer = await ask(fetch, historyAddress(symbol, range, since), readHistory, signal);
        return answer.ok ? { ok: true, value: { ...answer.value, whole: since === null } } : answer;
      },
      onValue: (history) => this.#answered(history),
      onState: options.onState,
      clock,
      random,
    });
    this.older = new Loader({
      ask: (_whole, signal) => ask(fetch, olderAddress(symbol, range, this.candles[0]?.start ?? 0), readHistory, signal),
      onValue: (history) => this.#gotOlder(history),
      onState: () => {},
      clock,
      random,
    });
  }

  /** The start of the first candle that there could be in the range, ms; null until the server has told its time. */
  get begin() {
    const { range, serverNow } = this.#options;
    const now = serverNow();
    if (range.key === "all") return this.#candles.list[0]?.start ?? this.#told;
    return now === null || !range.rolls ? this.#told : beginOf(now - range.length, range.step);
  }

  /** The same of all candles that are there, also before the range. */
  get from() {
    const { begin } = this;
    return begin === null || this.#reached === null ? begin : Math.min(begin, this.#reached);
  }

  /** The candles of the range. */
  get inRange() {
    const { begin } = this;
    return begin === null || this.#reached === null ? this.candles : this.candles.filter(({ start }) => start >= begin);
  }

  /** Where candles from before the range begin, ms; null where there are none. */
  get reached() {
    return this.#reached;
  }

  get candles() {
    return this.#candles.list;
  }

  /** Stretches of the range without candles. @returns {Hole[]} */
  get holes() {
    const { range, serverNow } = this.#options;
    const { from } = this;
    if (from === null) return [];
    return holesIn(this.candles, range, { from, now: serverNow() ?? from + range.length, recording: this.recording });
  }

  /** Prices were missed while there was no connection. */
  reconnected() {
    this.#candles.interrupted();
    this.loader.refresh(true);
  }

  /** Reads candles from before those that are there, unless there are none, or it is at it. */
  goBack() {
    const { name } = this.older.state;
    if (this.isWhole || this.loader.state.name !== "ready" || (name !== "idle" && name !== "ready") || this.candles.length === 0) return;
    this.older.load();
  }

  /** Candles from before the range are not wanted any more. */
  forgetOlder() {
    this.older.stop();
    this.isWhole = false;
    if (this.#reached === null) return;
    this.#reached = null;
    this.#show("all");
  }

  stop() {
    this.loader.stop();
    this.older.stop();
  }

  /** @param {History} history */
  #gotOlder({ candles, serverTime, recording }) {
    this.older.stop();
    const first = candles[0];
    this.isWhole = first === undefined;
    if (first === undefined) return;
    this.#reached = first.start;
    this.#candles.settle(candles, Math.min(serverTime, recording.completeTo));
    this.#show("all");
  }

  /** Time has passed: candles leave the range also while no price comes. */
  tick() {
    const { from } = this;
    const { clock, range } = this.#options;
    if (!range.rolls && clock.now() - this.#askedAt >= BEGIN_AGAIN_MS) this.loader.refresh(true);
    if (from !== null && this.#shownFrom !== null && from > this.#shownFrom) this.#show("all");
  }

  /** @param {Price & import("./live-volume.js").Told} price */
  price(price) {
    const { random, serverNow } = this.#options;
    const now = serverNow();
    // A connection begins with the server's time, so this is no price that came over it.
    if (now === null) return;
    const before = this.#newest;
    const start = this.#candles.move(price, now);
    if (start === null || start < (this.from ?? -Infinity)) return;
    this.#show(start === before ? "last" : "all");
    // A candle has closed; once its prices are stored, history knows better than we do.
    if (start > before && Number.isFinite(before)) this.loader.refreshIn(SETTLE_MS + random() * SPREAD_MS);
  }

  /** @param {History & {whole: boolean}} history */
  #answered({ candles, from, serverTime, recording, whole }) {
    const wasBehind = this.recording !== null && this.recording.state !== "current";
    this.recording = recording;
    if (whole) this.#told = from;
    this.#candles.settle(candles, Math.min(serverTime, recording.completeTo));
    this.#show("all");
    // Wholly: what was missing is older than the newest candles. Also once more after it has caught up.
    const { random } = this.#options;
    if (recording.state !== "current" || (wasBehind && !whole)) this.loader.refreshIn(CATCH_UP_MS + random() * SPREAD_MS, true);
  }

  /** @param {Extent} extent */
  #show(extent) {
    if (extent === "all") {
      const { from } = this;
      this.#shownFrom = from;
      if (from !== null) this.#candles.trim(from);
      this.#newest = this.#candles.list.at(-1)?.start ?? -Infinity;
    }
    this.#options.onCandles(extent);
  }
}
