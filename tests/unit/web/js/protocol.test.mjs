import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { decode, encode } from "../../../../web/static/js/protocol.js";
import { compareVersions } from "../../../../web/static/js/versions.js";

const sent = (message) => decode(JSON.stringify(message));
const ok = (message) => {
  const { message: decoded, faults } = sent(message);
  assert.deepEqual(faults, []);
  return decoded;
};

describe("decode", () => {
  it("reads a welcome", () => {
    assert.deepEqual(
      ok({ type: "welcome", protocol: 1, session: "x", node: "n", server_time: "2026-11-22T10:00:00.5Z", heartbeat: 30, limits: {} }),
      { type: "welcome", protocol: 1, session: "x", serverTime: Date.parse("2026-11-22T10:00:00.500Z"), heartbeat: 30 },
    );
  });

  it("reads a snapshot with every field", () => {
    const quote = {
      symbol: "AAPL", price: 150.25, timestamp: "2026-11-22T10:00:00.123Z", version: [1795378525327, 42],
      open: 148, previous: 149.9, exchange: "NASDAQ", currency: "USD", delayed: true,
    };
    assert.deepEqual(ok({ type: "snapshot", as_of: "2026-11-22T10:00:01Z", quotes: [quote] }), {
      type: "snapshot",
      asOf: Date.parse("2026-11-22T10:00:01Z"),
      quotes: [{ ...quote, timestamp: Date.parse(quote.timestamp) }],
    });
  });

  it("reads a quote whose static fields are unknown", () => {
    const { quotes } = ok({
      type: "snapshot", as_of: null,
      quotes: [{ symbol: "A", price: 1, timestamp: "2026-11-22T10:00:00Z", version: [1, 1], open: null }],
    });
    assert.deepEqual(
      { open: quotes[0].open, previous: quotes[0].previous, exchange: quotes[0].exchange, delayed: quotes[0].delayed },
      { open: null, previous: null, exchange: null, delayed: false },
    );
  });

  it("treats an open of zero as unknown: no change can be told from it", () => {
    const { quotes } = ok({
      type: "snapshot", as_of: null,
      quotes: [{ symbol: "A", price: 1, timestamp: "2026-11-22T10:00:00Z", version: [1, 1], open: 0 }],
    });
    assert.equal(quotes[0].open, null);
  });

  it("reads an empty list of prices, the feed's heartbeat", () => {
    assert.deepEqual(ok({ type: "prices", as_of: "2026-11-22T10:00:01Z", prices: [] }).prices, []);
  });

  for (const [what, bad] of Object.entries({
    "a price that is text": { price: "1.5" },
    "no price": { price: undefined },
    "a lower-case symbol": { symbol: "aapl" },
    "a symbol with markup": { symbol: "<b>" },
    "a time that is none": { timestamp: "yesterday" },
    "a version that is one number": { version: 7 },
    "a version of three": { version: [1, 2, 3] },
    "a version with a fraction": { version: [1, 2.5] },
  })) {
    it(`drops a price with ${what}, names it, and keeps the one beside it`, () => {
      const good = { symbol: "MSFT", price: 310, timestamp: "2026-11-22T10:00:00Z", version: [1, 1] };
      const { message, faults } = sent({ type: "prices", as_of: null, prices: [{ ...good, ...bad }, good] });
      assert.deepEqual(message.prices.map((p) => p.symbol), ["MSFT"]);
      assert.equal(message.prices.length, 1);
      assert.equal(faults.length, 1);
      assert.match(faults[0], /bad item in prices/);
    });
  }

  it("reads a status, with the fetch interval in seconds", () => {
    assert.deepEqual(
      ok({ type: "status", feed: "down", circuit: "half_open", next_probe: "2026-11-22T10:00:30Z", reason: "5 failures", interval: 0.5 }),
      { type: "status", feed: "down", circuit: "half_open", nextProbe: Date.parse("2026-11-22T10:00:30Z"), reason: "5 failures", interval: 0.5 },
    );
  });

  it("calls words of a status it does not know unknown", () => {
    const status = ok({ type: "status", feed: "great", circuit: 3, interval: -1 });
    assert.deepEqual([status.feed, status.circuit, status.interval, status.nextProbe], ["unknown", "unknown", null, null]);
  });

  it("reads the answer to a subscribe", () => {
    assert.deepEqual(
      ok({ type: "subscriptions", symbols: ["AAPL"], rejected: [{ symbol: "!!", code: "invalid_symbol", reason: "bad" }], id: 1 }),
      { type: "subscriptions", symbols: ["AAPL"], rejected: [{ symbol: "!!", code: "invalid_symbol", reason: "bad" }], id: 1 },
    );
  });

  it("reads an answer without rejected or id", () => {
    assert.deepEqual(ok({ type: "subscriptions", symbols: ["*"] }), { type: "subscriptions", symbols: ["*"], rejected: [], id: null });
  });

  it("reads errors, pongs and the farewell", () => {
    assert.deepEqual(ok({ type: "error", code: "rate_limited", reason: "slow down", temporary: true, id: "x" }), {
      type: "error", code: "rate_limited", reason: "slow down", temporary: true, id: "x",
    });
    assert.equal(ok({ type: "pong", id: 3, server_time: "2026-11-22T10:00:00Z" }).id, 3);
    assert.equal(ok({ type: "going_away", reconnect_after: 1.7 }).reconnectAfter, 1.7);
    assert.equal(ok({ type: "going_away", reconnect_after: -5 }).reconnectAfter, 0);
  });

  it("lets a message of a later version pass without a fault", () => {
    assert.deepEqual(sent({ type: "candles" }), { message: null, faults: [] });
  });

  for (const [what, data] of Object.entries({
    "half a message": '{"type":"pri',
    "a list": "[]",
    "null": "null",
    "no type": "{}",
    "bytes": new Uint8Array([1]),
  })) {
    it(`names ${what} as a fault`, () => {
      const { message, faults } = decode(data);
      assert.equal(message, null);
      assert.equal(faults.length, 1);
    });
  }

  it("names a list that is none", () => {
    assert.deepEqual(sent({ type: "prices", as_of: null, prices: {} }).faults, ["prices is not a list"]);
  });
});

describe("encode", () => {
  it("writes a subscribe with since", () => {
    assert.equal(
      encode({ action: "subscribe", symbols: ["AAPL"], id: 1, since: { AAPL: [1795378525327, 41] } }),
      '{"action":"subscribe","symbols":["AAPL"],"id":1,"since":{"AAPL":[1795378525327,41]}}',
    );
  });
});

describe("compareVersions (W1)", () => {
  it("compares as a pair: the epoch first", () => {
    assert.equal(compareVersions([1, 9], [2, 1]), -1);
    assert.equal(compareVersions([2, 1], [1, 9]), 1);
    assert.equal(compareVersions([2, 2], [2, 10]), -1);
    assert.equal(compareVersions([2, 2], [2, 2]), 0);
  });
});
