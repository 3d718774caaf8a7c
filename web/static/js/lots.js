/**
 * Lots: what was bought and sold of a symbol, one after the other, summed to what is held and its average
 * cost. A purchase goes into the average, with its fee; a sale takes away at the average, which stays. What
 * goes beyond 0 is held the other way round, from there on at its own price. Counted in whole numbers of the
 * last decimal that is kept: nothing is rounded but the average, once. No DOM and no I/O.
 */

/** @typedef {import("./positions.js").Position} Position */
/** Below 0 was sold, or is short. `trade`: it is no more than a part of a history. @typedef {{quantity: string, cost: string | null, currency: string | null, fee?: string | null, date?: string | null, trade?: boolean}} Lot */
/** `note`: what of it is not counted, and why. @typedef {{position: Position | null, note: string | null}} Held */

const DECIMALS = 12;
const ONE = 10n ** BigInt(DECIMALS);
/** More digits than the server keeps. */
const TOO_LARGE = 10n ** BigInt(15 + DECIMALS);

/**
 * @param {readonly Lot[]} lots in the order of a file; of trades the earliest counts first, where all say when
 * @returns {Held}
 */
export function heldOf(lots) {
  let count = 0n;
  /** What all that is held has cost, in units of two times the decimals; null where somebody has not said. @type {bigint | null} */
  let paid = 0n;
  /** @type {string | null} */
  let currency = null;
  let mixed = false;
  /** That of the first cost; null is that of the price, which may be another. @type {string | null | undefined} */
  let ofCosts;
  for (const lot of inOrder(lots)) {
    const change = scaled(lot.quantity);
    if (change < 0n && lot.trade === true && count + change < 0n) return { position: null, note: "more was sold than was bought here: write what is held" };
    if (lot.currency !== null) {
      mixed ||= currency !== null && currency !== lot.currency;
      currency ??= lot.currency;
    }
    if (lot.cost !== null) {
      mixed ||= ofCosts !== undefined && ofCosts !== lot.currency;
      ofCosts = lot.currency;
    }
    const price = lot.cost === null ? null : scaled(lot.cost);
    const fee = scaled(lot.fee ?? "0") * ONE;
    if (count === 0n || count > 0n === change > 0n) {
      const more = price === null ? null : abs(change) * price + (change > 0n ? fee : -fee);
      paid = paid === null || more === null ? null : paid + (more < 0n ? 0n : more);
    } else if (abs(change) <= abs(count)) {
      if (paid !== null) paid -= rounded(paid * abs(change), abs(count));
      if (abs(change) === abs(count)) paid = 0n;
    } else {
      paid = price === null ? null : abs(count + change) * price;
    }
    count += change;
  }
  if (count === 0n) return { position: null, note: "all of it was sold again" };
  const cost = paid === null || mixed ? null : rounded(paid, abs(count));
  if (abs(count) >= TOO_LARGE || (cost !== null && cost >= TOO_LARGE)) return { position: null, note: "the sum is too large to be kept" };
  const note = mixed ? "its costs are in several currencies, so there is no average" : null;
  return { position: { quantity: text(count), cost: cost === null ? null : text(cost), currency: mixed ? null : currency }, note };
}

/**
 * @param {readonly Lot[]} lots
 * @returns {readonly Lot[]}
 */
function inOrder(lots) {
  if (!lots.every(({ date }) => typeof date === "string")) return lots;
  const day = (/** @type {Lot | undefined} */ lot) => lot?.date ?? "";
  // A file with the latest first has those of one day that way round, too.
  const earlier = day(lots[0]) > day(lots.at(-1)) ? lots.toReversed() : lots;
  return earlier.toSorted((a, b) => (day(a) < day(b) ? -1 : Number(day(a) > day(b))));
}

/** @param {string} number a decimal text, as the server keeps it */
function scaled(number) {
  const [whole = "0", fraction = ""] = number.replace("-", "").split(".");
  const value = BigInt(whole + fraction.padEnd(DECIMALS, "0"));
  return number.startsWith("-") ? -value : value;
}

/** @param {bigint} value */
function text(value) {
  const digits = String(abs(value)).padStart(DECIMALS + 1, "0");
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -DECIMALS)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** @param {bigint} value */
function abs(value) {
  return value < 0n ? -value : value;
}

/**
 * @param {bigint} value not below 0
 * @param {bigint} by
 */
function rounded(value, by) {
  return (value + by / 2n) / by;
}
