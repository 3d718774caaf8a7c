import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { amount } from "../../../../web/static/js/format.js";
import { placeInRange, sessionOrder } from "../../../../web/static/js/quote-cells.js";

const day = (low, high) => ({ low, high, open: null, volume: null, rolling: false, at: null });

describe("the place of a price in the day's range", () => {
  it("is between low and high, also of a price newer than what was told of the day", () => {
    assert.equal(placeInRange({ price: 15, day: day(10, 20) }), 0.5);
    assert.equal(placeInRange({ price: 9, day: day(10, 20) }), 0);
    assert.equal(placeInRange({ price: 21, day: day(10, 20) }), 1);
    assert.equal(placeInRange({ price: 10, day: day(10, 10) }), 0.5);
  });

  it("is nowhere where one of them is not told, or they are told the wrong way round", () => {
    for (const told of [null, day(null, 20), day(10, null), day(20, 10)]) assert.equal(placeInRange({ price: 15, day: told }), null);
  });
});

describe("markets", () => {
  it("are sorted by where one can trade", () => {
    const order = ["closed", "pre", "always", "halted", "regular", "post"].sort((a, b) => sessionOrder({ session: a }) - sessionOrder({ session: b }));
    assert.deepEqual(order, ["always", "regular", "pre", "post", "halted", "closed"]);
    assert.equal(sessionOrder({ session: null }), null);
  });
});

describe("amounts", () => {
  it("have three digits and a letter", () => {
    const told = (value) => amount(value).replace("\u00a0", " ");
    assert.deepEqual(
      [0, 7, 950, 999.6, 1_234, 12_345_678, 999_900, 999_400, 9_996_000, 4.56e12, 7.8e15, 0.05, 1.5].map(told),
      ["0", "7", "950", "1.00 K", "1.23 K", "12.3 M", "1.00 M", "999 K", "10.0 M", "4.56 T", "7,800 T", "0.05", "1.5"],
    );
  });
});
