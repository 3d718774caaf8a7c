import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { labels, unit } from "../../../../web/static/js/labels.js";

describe("labels", () => {
  it("names what is known, the source last", () => {
    assert.deepEqual(labels({ name: "Apple Inc.", exchange: "NASDAQ", currency: "USD", source: "us" }), ["Apple Inc.", "NASDAQ", "via us"]);
    assert.deepEqual(labels({ name: null, exchange: null, currency: "USD", source: null }), []);
  });

  it("says the currency of a price, unless the symbol does", () => {
    assert.equal(unit("AAPL", "USD"), "USD");
    assert.equal(unit("VOD.L", "GBX"), "GBX");
    assert.equal(unit("BTC-USD", "USD"), "");
    assert.equal(unit("BTC-USD", "EUR"), "EUR");
    assert.equal(unit("AAPL", null), "");
  });
});
