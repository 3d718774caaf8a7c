/**
 * What the page says beside the figures: over the chart while there is none, above it what is missing,
 * and aloud what has changed.
 */
import { must, setText } from "../dom.js";
import { countdown } from "../format.js";
import { behindInWords, summary, tooFew } from "./text.js";

/** @typedef {import("./feed.js").ChartFeed} ChartFeed */
/** @typedef {import("./loader.js").LoaderState} LoaderState */
/** @typedef {import("./overlay.js").OverlayFeed} OverlayFeed */
/** @typedef {import("./ranges.js").Range} Range */

/**
 * @typedef {object} Scene
 * @property {string} symbol
 * @property {Range} range
 * @property {ChartFeed} feed
 * @property {readonly OverlayFeed[]} overlays
 * @property {string | null} rejected why the symbol is not served
 * @property {"loading" | "ready" | "failed"} library
 * @property {number} now ms of the clock
 */

/** @typedef {{kind: string, text: string, retry: boolean}} Said */

/**
 * @param {Scene} scene
 * @returns {Said | null} what to say over the chart
 */
export function overChart({ symbol, range, feed, overlays, rejected, library, now }) {
  const { state } = feed.loader;
  if (library === "failed") return { kind: "refused", text: "The chart could not be loaded. The table below has the same figures; a reload tries again.", retry: false };
  switch (state.name) {
    case "unavailable":
      return { kind: "unavailable", text: `History cannot be read now (${state.reason}). Live prices are drawn. ${nextTry(state.retryAt - now)}`, retry: true };
    case "refused":
      return { kind: "refused", text: `There is no history: ${state.reason}. Live prices are drawn. ${nextTry(state.retryAt - now)}`, retry: true };
    case "ready": {
      const failed = overlays.find((overlay) => overlay.loader.state.name === "refused" || overlay.loader.state.name === "unavailable");
      if (feed.candles.length === 0) return { kind: "empty", text: rejected === null ? `No prices of ${symbol} in ${range.noun}. The chart begins with the next one.` : `${symbol} is not served: ${rejected}.`, retry: false };
      if (failed !== undefined && "reason" in failed.loader.state) return { kind: "unavailable", text: `${failed.overlay.name} cannot be shown: ${failed.loader.state.reason}.`, retry: false };
      return library === "loading" ? { kind: "loading", text: "Loading the chart …", retry: false } : null;
    }
    default:
      return { kind: "loading", text: `Reading ${range.noun} …`, retry: false };
  }
}

/** @param {number} left ms */
function nextTry(left) {
  return left > 0 ? `Next try in ${countdown(left)}.` : "Trying …";
}

/**
 * @param {Pick<Scene, "feed" | "overlays">} scene
 * @returns {string[]} what to know before the figures are read
 */
export function aboveChart({ feed, overlays }) {
  const { candles, recording, older } = feed;
  const behind = behindInWords(recording);
  const few = overlays.filter(({ loader, points }) => loader.state.name === "ready" && points.size === 0 && candles.length > 0);
  return [
    ...(behind === null ? [] : [behind]),
    ...few.flatMap(({ overlay, needed }) => (needed === null ? [] : [`${tooFew(overlay, needed)}: there are not so many yet.`])),
    ...("reason" in older.state ? [`Older candles cannot be read now: ${older.state.reason}.`] : []),
  ];
}

/**
 * The course of the range; candles from before it are not in the sums.
 * @param {{feed: ChartFeed, range: Range, decimals: number, quote: {price: number, timestamp: number} | null, zone: import("./zones.js").Zone}} shown
 * @returns {string} "" where there is none
 */
export function sumsOf({ feed, range, decimals, quote, zone }) {
  const begin = feed.begin ?? -Infinity;
  const candles = feed.inRange;
  if (candles.length === 0) return "";
  const newest = quote !== null && feed.begin !== null && quote.timestamp >= begin ? quote.price : null;
  const holes = feed.holes.flatMap((hole) => (hole.end > begin ? [{ ...hole, start: Math.max(hole.start, begin) }] : []));
  return summary(candles, range, decimals, { newest, holes, zone });
}

/** Says what of history has changed, once per change and not once per try. */
export class Announced {
  #say;
  /** The state of history that was told last. @type {LoaderState["name"]} */
  #state = "idle";
  /** What is told of recording. @type {"current" | "behind" | "down"} */
  #recording = "current";

  /** @param {(text: string) => void} say */
  constructor(say) {
    this.#say = say;
  }

  /** @param {LoaderState} state */
  state(state) {
    if (state.name === this.#state || state.name === "idle" || state.name === "loading") return;
    if (state.name === "unavailable") this.#say("History cannot be read now. Live prices are drawn.");
    else if (state.name === "refused") this.#say(`There is no history: ${state.reason}.`);
    else if (this.#state === "unavailable" || this.#state === "refused") this.#say("History is back.");
    this.#state = state.name;
  }

  /** @param {import("./api.js").Recording | null} recording */
  recording(recording) {
    const state = recording?.state ?? this.#recording;
    if (state === this.#recording) return;
    this.#say(state === "current" ? "History is complete again." : (behindInWords(recording) ?? ""));
    this.#recording = state;
  }
}

/** The box over the chart. */
export class OverChart {
  #box = must(document, "#chart-state", HTMLElement);
  #text = must(this.#box, '[data-part="text"]', HTMLElement);
  #retry = must(this.#box, "button", HTMLButtonElement);
  #onFocusLost;

  /** @param {{onRetry: () => void, onFocusLost: () => void}} options */
  constructor({ onRetry, onFocusLost }) {
    this.#onFocusLost = onFocusLost;
    this.#retry.addEventListener("click", onRetry);
  }

  /** @param {Said | null} said */
  paint(said) {
    this.#box.hidden = said === null;
    if (said === null) return;
    this.#box.dataset.kind = said.kind;
    setText(this.#text, said.text);
    if (!said.retry && this.#retry.contains(document.activeElement)) this.#onFocusLost();
    this.#retry.hidden = !said.retry;
  }
}
