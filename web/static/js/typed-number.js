/**
 * Numbers as people type them, read in the convention in which the page writes them: a comma or a blank
 * between thousands, a point before decimals. What could be meant in two ways, or in another notation, is
 * refused with what to type instead: a wrong guess here is an alert that never comes. No DOM and no I/O.
 */
import { exact } from "./format.js";

/** @typedef {{value: number}} Understood */
/** @typedef {{reason: string}} Refused what was typed, what is wrong with it, and what to type instead */

/** Blanks that stand between thousands: those of a keyboard, and those that programs write. */
const BLANKS = /[\u0020\u00a0\u2007\u2009\u202f]/g;
const MINUSES = /^[-\u2212]/;
const APOSTROPHES = /\u2019/g;

const PLAIN = /^(\d+\.?\d*|\.\d+)$/;
const GROUPED = [/^[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/, /^[1-9]\d{0,2}( \d{3})+(\.\d*)?$/, /^[1-9]\d{0,2}('\d{3})+(\.\d*)?$/];
const EXPONENT = /^\d+(\.\d*)?[eE][+-]?\d+$/;

/**
 * @param {string} typed
 * @param {{percent?: boolean}} [options] percent: a percent sign may follow
 * @returns {Understood | Refused}
 */
export function readNumber(typed, { percent = false } = {}) {
  const shown = typed.trim();
  let text = shown.replace(BLANKS, " ").replace(APOSTROPHES, "'");
  if (text === "") return { reason: "Type a number." };
  if (percent) text = text.replace(/ ?%$/, "");
  const sign = MINUSES.test(text) ? "-" : "";
  text = text.replace(/^[-+\u2212] ?/, "");
  if (!PLAIN.test(text) && !GROUPED.some((pattern) => pattern.test(text))) return { reason: whyNot(shown, sign, text) };
  const digits = text.replace(/[, ']/g, "");
  const value = Number(digits);
  if (significant(digits) !== significant(exact(value, 0).replaceAll(",", ""))) {
    return { reason: `“${shorten(shown)}” has more digits than can be kept: type 15 at most.` };
  }
  // Not -0: it would be written with a sign.
  return { value: sign !== "" && value !== 0 ? -value : value };
}

/**
 * Whether what is typed so far is the beginning of a number that is understood, though it is none yet:
 * "720," on the way to "720,000". To be told of an error there would be noise.
 * @param {string} typed
 */
export function isUnfinished(typed) {
  const text = typed.trimStart().replace(BLANKS, " ").replace(APOSTROPHES, "'");
  return /^[-+\u2212]?(\d{1,3}(([,' ])\d{3}(\3\d{3})*)?[,' ]\d{0,2}|\.)?$/.test(text);
}

/**
 * @param {string} shown what was typed
 * @param {string} sign
 * @param {string} text without its sign
 * @returns {string}
 */
function whyNot(shown, sign, text) {
  const meant = meanings(text).map((each) => sign + each);
  if (meant.length === 0) return `“${shorten(shown)}” is not a number that is understood here: type digits, such as 1,234.56.`;
  const [first] = meant;
  const instead = meant.length === 1 ? `type ${first}` : `it could mean ${meant.join(" or ")}. Type the one that is meant`;
  return `“${shorten(shown)}” is not how numbers are written here: ${instead}.`;
}

/**
 * What a text in another notation may stand for.
 * @param {string} text without a sign
 * @returns {string[]} as the page writes it; empty where nobody can tell
 */
function meanings(text) {
  if (EXPONENT.test(text)) return texts([text]);
  if (!/^\d[\d.,' ]*$/.test(text)) return [];
  const marks = [...text.matchAll(/[.,' ]/g)].map(([mark]) => mark);
  const last = marks.at(-1);
  const whole = text.replace(/[.,' ]/g, "");
  if (last !== "." && last !== ",") return texts([whole]);
  const decimal = text.slice(0, text.lastIndexOf(last)).replace(/[.,' ]/g, "") + "." + text.slice(text.lastIndexOf(last) + 1);
  // Two kinds of marks: the last one is before the decimals, if it comes once.
  if (marks.some((mark) => mark !== last)) return marks.indexOf(last) === marks.length - 1 ? texts([decimal]) : [];
  // One kind: before the decimals where it is, or a thousand with a digit too few or too many. Before
  // three digits, the last of several is between thousands.
  const isThousand = marks.length > 1 && /[.,]\d{3}$/.test(text);
  return texts([...(isThousand ? [] : [decimal]), ...(text.startsWith("0") ? [] : [whole])]);
}

/**
 * @param {string[]} numbers for `Number`
 * @returns {string[]}
 */
function texts(numbers) {
  const values = numbers.map(Number).filter((value) => Number.isFinite(value) && value < 1e15);
  return [...new Set(values.map((value) => exact(value, 0)))].filter((text) => "value" in readNumber(text));
}

/**
 * The digits that count, and where the point is among them.
 * @param {string} digits
 */
function significant(digits) {
  const [whole = "", fraction = ""] = digits.split(".");
  return `${whole.replace(/^0+/, "")}.${fraction.replace(/0+$/, "")}`;
}

/** @param {string} text */
function shorten(text) {
  return text.length > 30 ? `${text.slice(0, 29)}…` : text;
}
