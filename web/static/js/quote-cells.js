/**
 * Cells of columns that are more than one figure: the day's range, and the state of the market.
 */
import { setAttribute, setIcon, setText } from "./dom.js";
import { price } from "./format.js";

/** @typedef {import("./columns.js").Painter} Painter */
/** @typedef {import("./protocol.js").Session} Session */
/** @typedef {import("./store.js").HeldQuote} HeldQuote */

const SVG = "http://www.w3.org/2000/svg";

/** Places on a range's bar: more could not be told apart, and each would be a change to paint. */
const PLACES = 40;
const BAR_HEIGHT = 8;

/** The bar is as wide as so many digits. */
const RANGE_CHARS = 7;

/**
 * In the order of sorting: where one can trade comes first.
 * @type {Record<Session, {icon: string, words: string}>}
 */
const SESSIONS = {
  always: { icon: "play", words: "Always open" },
  regular: { icon: "sun", words: "Open" },
  pre: { icon: "ring", words: "Pre-market" },
  post: { icon: "ring", words: "After hours" },
  halted: { icon: "halt", words: "Halted" },
  closed: { icon: "moon", words: "Closed" },
};
const SESSION_ORDER = Object.keys(SESSIONS);

/**
 * Where the price is between the day's low and high.
 * @param {Pick<HeldQuote, "price" | "day">} quote
 * @returns {number | null} 0 to 1; null where the provider does not tell both
 */
export function placeInRange({ price, day }) {
  if (day === null || day.low === null || day.high === null || day.low > day.high) return null;
  if (day.low === day.high) return 0.5;
  // The price may be newer than what was told of the day.
  return Math.min(1, Math.max(0, (price - day.low) / (day.high - day.low)));
}

/**
 * @param {HeldQuote} quote
 * @returns {number | null} where its market stands in the order of sorting
 */
export function sessionOrder({ session }) {
  return session === null ? null : SESSION_ORDER.indexOf(session);
}

/**
 * Low, a bar with the price's place, high.
 * @param {HTMLElement} cell
 * @param {(chars: number) => void} fit
 * @returns {Painter}
 */
export function rangeCell(cell, fit) {
  const low = document.createElement("span");
  const high = document.createElement("span");
  const bar = document.createElementNS(SVG, "svg");
  const mark = document.createElementNS(SVG, "rect");
  const line = document.createElementNS(SVG, "path");
  bar.setAttribute("class", "range-bar");
  bar.setAttribute("role", "img");
  bar.setAttribute("viewBox", `0 0 ${PLACES + 2} ${BAR_HEIGHT}`);
  line.setAttribute("d", `M0 ${BAR_HEIGHT / 2}h${PLACES + 2}`);
  mark.setAttribute("width", "2");
  mark.setAttribute("height", String(BAR_HEIGHT));
  bar.append(line, mark);
  cell.append(low, bar, high);
  let painted = "";
  let place = -1;
  return (_, { quote, decimals }) => {
    const at = quote === null ? null : placeInRange(quote);
    setAttribute(cell, "data-none", at === null ? "" : null);
    const day = quote?.day ?? null;
    if (at === null || day === null) return;
    const key = `${day.low} ${day.high} ${decimals} ${day.rolling}`;
    if (key !== painted) {
      painted = key;
      const [from, to] = [price(day.low ?? 0, decimals), price(day.high ?? 0, decimals)];
      setText(low, from);
      setText(high, to);
      fit(from.length + to.length + RANGE_CHARS);
      cell.title = `${day.rolling ? "Last 24 hours" : "Today"}: low ${from}, high ${to}`;
    }
    const now = Math.round(at * PLACES);
    if (now === place) return;
    place = now;
    mark.setAttribute("x", String(place));
    bar.setAttribute("aria-label", `to, the price at ${Math.round((place / PLACES) * 100)} %, `);
  };
}

/**
 * A sign, and what it means.
 * @param {HTMLElement} cell
 * @param {(chars: number) => void} fit
 * @returns {Painter}
 */
export function sessionCell(cell, fit) {
  const icon = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  const words = document.createElement("span");
  icon.setAttribute("class", "icon");
  icon.setAttribute("aria-hidden", "true");
  icon.append(use);
  cell.append(icon, words);
  return (_, { quote }) => {
    const session = quote?.session ?? null;
    setAttribute(cell, "data-none", session === null ? "" : null);
    if (session === cell.dataset.session || session === null) return;
    cell.dataset.session = session;
    setIcon(use, SESSIONS[session].icon);
    setText(words, SESSIONS[session].words);
    fit(SESSIONS[session].words.length);
  };
}
