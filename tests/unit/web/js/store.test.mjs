import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { MAX_SYMBOLS, Store } from "../../../../web/static/js/store.js";
import { TREND_POINTS } from "../../../../web/static/js/trend.js";
import { EPOCH, at, price, quote } from "./support.mjs";

let store;
beforeEach(() => {
  store = new Store();
});

const shown = (symbol) => store.entry(symbol)?.quote?.price;

describe("the list", () => {
  it("keeps the order in which symbols were added, each once", () => {
    assert.deepEqual(store.add(["MSFT", "AAPL"]).added, ["MSFT", "AAPL"]);
    assert.deepEqual(store.add(["AAPL", "TSLA"]).added, ["TSLA"]);
    assert.deepEqual([...store.symbols], ["MSFT", "AAPL", "TSLA"]);
  });

  it("takes no malformed symbol", () => {
    assert.deepEqual(store.add(["<b>", "aapl", ""]).added, []);
  });

  it("is full at the server's limit, and says so", () => {
    const many = Array.from({ length: MAX_SYMBOLS + 5 }, (_, i) => `S${i}`);
    const { added, full } = store.add(many);
    assert.equal(added.length, MAX_SYMBOLS);
    assert.equal(full, true);
    assert.equal(store.add(["S0"]).full, false, "what is there already needs no room");
  });

  it("gives a removed symbol back to its place with its price", () => {
    store.add(["A", "B", "C"]);
    store.applySnapshot([quote("B", 10, 1)], at(0));
    const removed = store.remove("B");
    assert.deepEqual([...store.symbols], ["A", "C"]);
    assert.equal(store.restore("B", removed), true);
    assert.deepEqual([...store.symbols], ["A", "B", "C"]);
    assert.equal(shown("B"), 10);
    assert.equal(store.restore("B", removed), false);
  });

  it("puts it at the end when the list has become shorter", () => {
    store.add(["A", "B", "C"]);
    const removed = store.remove("C");
    store.remove("A");
    store.restore("C", removed);
    assert.deepEqual([...store.symbols], ["B", "C"]);
  });

  it("answers null for removing what is not there", () => {
    assert.equal(store.remove("A"), null);
  });
});

describe("prices", () => {
  it("takes a snapshot, then only newer versions (W1, W2)", () => {
    store.add(["AAPL"]);
    assert.deepEqual(store.applySnapshot([quote("AAPL", 150, 5)], at(0)), ["AAPL"]);
    assert.deepEqual(store.applyPrices([price("AAPL", 149, 4)], at(0)), []);
    assert.deepEqual(store.applyPrices([price("AAPL", 148, 5)], at(0)), []);
    assert.equal(shown("AAPL"), 150);
    assert.deepEqual(store.applyPrices([price("AAPL", 151, 6)], at(0)), ["AAPL"]);
    assert.equal(shown("AAPL"), 151);
  });

  it("takes a new epoch whatever its seq, and nothing of the old one after it", () => {
    store.add(["AAPL"]);
    store.applyPrices([price("AAPL", 150, 900)], at(0));
    store.applyPrices([price("AAPL", 160, 1, { version: [EPOCH + 1, 1] })], at(0));
    assert.equal(shown("AAPL"), 160);
    store.applyPrices([price("AAPL", 150, 901)], at(0));
    assert.equal(shown("AAPL"), 160);
  });

  it("lets no older snapshot replace a newer price", () => {
    store.add(["AAPL"]);
    store.applyPrices([price("AAPL", 151, 6)], at(0));
    assert.deepEqual(store.applySnapshot([quote("AAPL", 150, 5)], at(0)), []);
    assert.equal(shown("AAPL"), 151);
  });

  it("takes static fields from a snapshot of the same version", () => {
    store.add(["AAPL"]);
    store.applyPrices([price("AAPL", 151, 6)], at(0));
    store.applySnapshot([quote("AAPL", 151, 6, { open: 140 })], at(0));
    assert.equal(store.entry("AAPL").quote.open, 140);
  });

  it("keeps static fields when an update carries none", () => {
    store.add(["AAPL"]);
    store.applySnapshot([quote("AAPL", 150, 1)], at(0));
    store.applyPrices([price("AAPL", 151, 2)], at(0));
    const { open, exchange, currency } = store.entry("AAPL").quote;
    assert.deepEqual([open, exchange, currency], [148, "NASDAQ", "USD"]);
  });

  it("keeps what a snapshot leaves out because it is not newer (W3)", () => {
    store.add(["AAPL", "MSFT"]);
    store.applySnapshot([quote("AAPL", 150, 1), quote("MSFT", 310, 1)], at(0));
    store.applySnapshot([quote("MSFT", 311, 2)], at(0));
    assert.equal(shown("AAPL"), 150);
  });

  it("ignores symbols nobody watches (W8)", () => {
    assert.deepEqual(store.applyPrices([price("AAPL", 150, 1)], at(0)), []);
    assert.deepEqual(store.applySnapshot([quote("AAPL", 150, 1)], at(0)), []);
    assert.equal(store.entry("AAPL"), undefined);
  });

  it("never shows fewer decimals than it has shown", () => {
    store.add(["X"]);
    store.applyPrices([price("X", 1.0853, 1)], at(0));
    store.applyPrices([price("X", 1.1, 2)], at(0));
    assert.equal(store.entry("X").decimals, 4);
    store.applyPrices([price("X", 0.000000012, 3)], at(0));
    assert.equal(store.entry("X").decimals, 9);
  });

  it("has those that the change needs, too", () => {
    store.add(["X"]);
    store.applySnapshot([quote("X", 0.01, 1, { base: 0.014 })], at(0));
    assert.equal(store.entry("X").decimals, 3);
  });

  it("gives up decimals that mean nothing: one wrong price must not give a symbol nine for ever", () => {
    store.add(["X"]);
    store.applyPrices([price("X", 0.000000012, 1)], at(0));
    store.applyPrices([price("X", 150.25, 2)], at(0));
    assert.equal(store.entry("X").decimals, 6);
  });

  it("knows what a provider refuses until it is served or has a price", () => {
    const refusal = (symbol) => store.entry(symbol).refusal;
    store.add(["A", "B", "C"]);
    store.applySnapshot([quote("C", 3, 1)], at(0));
    const symbols = ["A", "B", "C", "GONE"].map((symbol) => ({ symbol, code: "over_limit", reason: "us is full" }));
    assert.deepEqual([...store.applyNotServed({ symbols, served: [] }).keys()], ["A", "B"]);
    assert.deepEqual([refusal("A"), refusal("B"), refusal("C")], ["us is full", "us is full", null]);
    store.applyNotServed({ symbols: [], served: ["A", "GONE"] });
    store.applyPrices([price("B", 3, 1)], at(0));
    assert.deepEqual([refusal("A"), refusal("B")], [null, null]);
    store.applyNotServed({ symbols: symbols.slice(0, 1), served: [] });
    store.forgetRefusals();
    assert.equal(refusal("A"), null);
  });

  it("keeps a rejected symbol on the list until it has a price again", () => {
    store.add(["OLD"]);
    assert.equal(store.reject("OLD", "unknown"), true);
    assert.equal(store.entry("OLD").rejected, "unknown");
    assert.equal(store.reject("NOBODY", "unknown"), false);
    store.applySnapshot([quote("OLD", 3, 1)], at(0));
    assert.equal(store.entry("OLD").rejected, null);
  });
});

describe("times", () => {
  beforeEach(() => store.add(["A"]));
  const held = () => store.entry("A").quote;

  it("are the page's own, not the server's", () => {
    store.applySnapshot([quote("A", 1, 1, { state: "stale", reason: "not_listed", confirmed: 4_000, changed: 3_000 })], at(90_000, 80_000));
    assert.deepEqual([held().state, held().reason, held().confirmedAt, held().changedAt], ["stale", "not_listed", 84_000, 83_000]);
  });

  it("a price that is other changed when its message was made; the same with a newer time did not", () => {
    store.applySnapshot([quote("A", 1, 1, { changed: 3_000 })], at(3_500));
    store.applyPrices([price("A", 1, 2)], at(9_000));
    assert.equal(held().changedAt, 3_000);
    store.applyPrices([price("A", 1.5, 3)], at(9_100));
    assert.equal(held().changedAt, 9_100);
  });

  it("a change of state comes with the version that is known, and moves nothing else", () => {
    store.applySnapshot([quote("A", 1, 5, { changed: 3_000 })], at(3_500));
    assert.deepEqual(store.applyPrices([price("A", 1, 5, { state: "stale", reason: "not_positive", confirmed: 3_400 })], at(6_000)), ["A"]);
    assert.deepEqual([held().state, held().reason, held().confirmedAt, held().changedAt], ["stale", "not_positive", 3_400, 3_000]);
    assert.equal(store.entry("A").trend.values.length, 2);
    store.applyPrices([price("A", 1, 5, { state: "live" })], at(7_000));
    assert.deepEqual([held().state, held().reason, held().confirmedAt], ["live", null, null]);
  });

  it("a price without a word on its state leaves the state", () => {
    store.applySnapshot([quote("A", 1, 5, { state: "stale", reason: "outdated", confirmed: 0 })], at(0));
    store.applyPrices([price("A", 2, 6)], at(100));
    assert.equal(held().state, "stale");
  });

  it("the last fetch is as the newest message says, and a message may say nothing", () => {
    const { here } = at(0, 80_000);
    store.fetched(2_000, here);
    store.fetched(null, here);
    assert.equal(store.fetchedAt, 82_000);
    store.fetched(1_900, here);
    assert.equal(store.fetchedAt, 81_900, "another node of a cluster may have fetched earlier");
  });

  it("a live symbol that the last fetch did not ask for is as old as it says until the next one", () => {
    const message = at(9_000);
    store.fetched(8_900, message.here);
    store.applySnapshot([quote("A", 1, 1, { confirmed: 3_000 })], message);
    store.fetched(8_900, message.here);
    assert.equal(held().confirmedAt, 3_000);
    store.fetched(9_900, message.here);
    assert.equal(held().confirmedAt, null);
  });

  it("are further back once the page's clock has stood still", () => {
    store.applySnapshot([quote("A", 1, 1, { state: "stale", reason: "not_told", confirmed: 4_000, changed: 3_000 })], at(4_500));
    store.applyStatus({ type: "status", feed: "down", circuit: "open", probeIn: 500, reason: null, interval: 1 }, at(4_500));
    store.fetched(4_400, at(0).here);
    store.slept(1_000_000);
    assert.deepEqual([held().confirmedAt, held().changedAt, store.fetchedAt, store.probeAt], [-996_000, -997_000, -995_600, -995_000]);
  });
});

describe("trends", () => {
  it("begin with the price before the snapshot's", () => {
    store.add(["A"]);
    store.applySnapshot([quote("A", 150, 1, { previous: 149 })], at(10_000));
    assert.deepEqual(store.entry("A").trend.values, [149, 150]);
  });

  it("move their last point while it is new, and are bounded", () => {
    store.add(["A"]);
    store.applyPrices([price("A", 1, 1)], at(0));
    store.applyPrices([price("A", 2, 2)], at(399));
    assert.deepEqual(store.entry("A").trend.values, [2]);
    for (let i = 3; i < 300; i += 1) store.applyPrices([price("A", i, i)], at(i * 1_000));
    assert.equal(store.entry("A").trend.values.length, TREND_POINTS);
    assert.equal(store.entry("A").trend.values.at(-1), 299);
  });
});
