import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { spread, spreadTitle, when } from "../../../../web/static/js/top-of-book.js";

describe("the spread", () => {
  it("is from bid to ask, without the noise of a difference", () => {
    assert.equal(spread({ bid: 150.24, ask: 150.26 }), 0.02);
    assert.equal(spread({ bid: 0.1, ask: 0.3 }), 0.2);
    assert.equal(spread({ bid: 150.24, ask: 150.24 }), 0);
    assert.equal(spread({ bid: 0.000000382, ask: 0.000000384 }), 0.000000002);
  });

  it("is none where a side is missing, or the book is crossed", () => {
    for (const [bid, ask] of [[null, 1], [1, null], [null, null], [2, 1]]) assert.equal(spread({ bid, ask }), null);
  });

  it("is told in percent of the middle, too", () => {
    assert.equal(spreadTitle(0.02, { bid: 99.99, ask: 100.01 }, "0.02"), "0.02, 0.020\u00a0%");
  });
});

describe("when it was told", () => {
  it("is said where that is not the time of the price", () => {
    assert.equal(when(null), "");
    assert.equal(when(Date.parse("2026-11-22T14:02:10.9Z")), " at 14:02:10\u00a0UTC");
  });
});
