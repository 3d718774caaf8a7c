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
      ok({ type: "welcome", protocol: 1, session: "x", node: "n", server_time: "2026-11-22T10:00:00.5Z", steady: 5_000, heartbeat: 30, limits: {} }),
      { type: "welcome", protocol: 1, session: "x", serverTime: Date.parse("2026-11-22T10:00:00.500Z"), steady: 5_000, heartbeat: 30, nodes: [] },
    );
  });

  it("reads a snapshot with every field", () => {
    const quote = {
      symbol: "AAPL", price: 150.25, timestamp: "2026-11-22T10:00:00.123Z", version: [1795378525327, 42],
      state: "stale", reason: "not_listed", confirmed: 4_000, changed: 3_000, open: 148, previous: 149.9, base: 147.5, exchange: "NASDAQ", currency: "USD",
      basis: "day_first", name: "Apple Inc.", source: "us", session: "regular", delayed: true,
    };
    assert.deepEqual(ok({ type: "snapshot", as_of: "2026-11-22T10:00:01Z", steady: 9_000, fetched: 8_990, quotes: [{ ...quote, base_at: "2026-11-22T09:30:00Z", day_zone: "Europe/Paris", delayed_seconds: 900, previous_close: 147.2, day: { high: 151.5, low: 147, open: 148, volume: 27631112, at: "2026-11-22T09:59:00Z" }, bid: 150.24, ask: 150.26, quoted_at: "2026-11-22T10:00:01Z" }] }), {
      type: "snapshot",
      steady: 9_000,
      fetched: 8_990,
      quotes: [{ ...quote, timestamp: Date.parse(quote.timestamp), baseAt: Date.parse("2026-11-22T09:30:00Z"), dayZone: "Europe/Paris", delayedSeconds: 900, previousClose: 147.2, day: { high: 151.5, low: 147, open: 148, volume: 27631112, rolling: false, at: Date.parse("2026-11-22T09:59:00Z") }, bid: 150.24, ask: 150.26, quotedAt: Date.parse("2026-11-22T10:00:01Z") }],
    });
  });

  it("reads a quote of which nothing more is known, and words that it does not know as nothing", () => {
    const bare = { symbol: "A", price: 1, timestamp: "2026-11-22T10:00:00Z", version: [1, 1] };
    const odd = { ...bare, state: "great", session: "lunch", basis: "yesterday", name: "", delayed_seconds: "15", confirmed: null, changed: "x", open: null, day: 7, bid: 0, ask: "1", quoted_at: "soon" };
    const nothing = {
      open: null, previous: null, base: null, basis: null, baseAt: null, dayZone: null, changed: null, exchange: null, currency: null, name: null, source: null, session: null,
      delayed: false, delayedSeconds: null, state: null, reason: null, confirmed: null, previousClose: null, day: null, bid: null, ask: null, quotedAt: null,
    };
    for (const quote of [bare, odd]) {
      const { quotes } = ok({ type: "snapshot", as_of: null, quotes: [quote] });
      assert.deepEqual(quotes[0], { ...bare, timestamp: Date.parse(bare.timestamp), ...nothing });
    }
  });

  it("reads a change of a symbol's state, and no reason for a live one", () => {
    const bare = { symbol: "A", price: 1, timestamp: "2026-11-22T10:00:00Z", version: [1, 1] };
    const told = (more) => {
      const { state, reason, confirmed } = ok({ type: "prices", steady: 2_000, fetched: 1_990, prices: [{ ...bare, ...more }] }).prices[0];
      return [state, reason, confirmed];
    };
    assert.deepEqual(told({}), [null, null, null]);
    assert.deepEqual(told({ state: "stale", reason: "not_positive", confirmed: 900 }), ["stale", "not_positive", 900]);
    assert.deepEqual(told({ state: "live", reason: "not_positive", confirmed: 900 }), ["live", null, 900]);
  });

  it("reads the day of an update, without what in it is no figure", () => {
    const bare = { symbol: "A", price: 1, timestamp: "2026-11-22T10:00:00Z", version: [1, 1] };
    const told = (day) => ok({ type: "prices", steady: 2_000, fetched: 1_990, prices: [{ ...bare, day }] }).prices[0].day;
    const none = { high: null, low: null, open: null, volume: null, rolling: false, at: null };
    assert.deepEqual(told({ high: 2, low: 1, volume: 0, rolling: true }), { ...none, high: 2, low: 1, volume: 0, rolling: true });
    assert.deepEqual(told({ high: "2", low: 0, volume: -1, open: null, rolling: 1, at: 5 }), none);
    assert.equal(told(undefined), null);
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
      ok({ type: "status", feed: "down", circuit: "half_open", next_probe: "2026-11-22T10:00:30Z", probe_in: 29_000, reason: "5 failures", interval: 0.5, partly: true, steady: 70, fetched: null }),
      { type: "status", feed: "down", partly: true, circuit: "half_open", probeIn: 29_000, reason: "5 failures", interval: 0.5, steady: 70, fetched: null },
    );
  });

  it("calls words of a status it does not know unknown", () => {
    const status = ok({ type: "status", feed: "great", circuit: 3, interval: -1 });
    assert.deepEqual([status.feed, status.circuit, status.interval, status.probeIn], ["unknown", "unknown", null, null]);
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

  it("reads what providers refuse, and what they do not any more", () => {
    const refused = { type: "not_served", symbols: [{ symbol: "NOPE", code: "unknown_symbol", reason: "us does not know it" }], served: ["A"] };
    assert.deepEqual(ok(refused), refused);
    assert.deepEqual(sent({ type: "not_served", symbols: [7], served: [{}] }).message, { type: "not_served", symbols: [], served: [] });
  });

  it("reads errors, pongs and the farewell", () => {
    assert.deepEqual(ok({ type: "error", code: "rate_limited", reason: "slow down", temporary: true, id: "x" }), {
      type: "error", code: "rate_limited", reason: "slow down", temporary: true, id: "x",
    });
    assert.equal(ok({ type: "pong", id: 3, server_time: "2026-11-22T10:00:00Z" }).id, 3);
    assert.equal(ok({ type: "going_away", reconnect_after: 1.7 }).reconnectAfter, 1.7);
    assert.deepEqual(ok({ type: "expiring", in: 60 }), { type: "expiring", seconds: 60 });
    assert.equal(ok({ type: "expiring", in: "soon" }).seconds, 0);
    assert.equal(ok({ type: "going_away", reconnect_after: -5 }).reconnectAfter, 0);
    assert.deepEqual(ok({ type: "going_away", reconnect_after: 1, nodes: ["http://b"] }).nodes, ["http://b"]);
    assert.deepEqual(sent({ type: "going_away", nodes: ["http://b", 7] }).message.nodes, ["http://b"]);
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
  it("writes a subscribe", () => {
    assert.equal(
      encode({ action: "subscribe", symbols: ["AAPL"], id: 1 }),
      '{"action":"subscribe","symbols":["AAPL"],"id":1}',
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
