import assert from "node:assert/strict";
import { test } from "node:test";
import { describeSymbol, describeSymbols } from "../../../../web/static/js/admin/symbols-view.js";

const NOW = new Date(2026, 10, 29, 14, 3, 7).getTime();
const before = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const plain = (facts) => facts.map(([name, value]) => `${name}: ${value}`.replaceAll("\u00a0", " "));
const upstream = (name, stale = [], troubles = {}) => ({ name, symbols: { told: 3, unasked: 0, stale }, troubles });

test("a symbol that nobody confirms is no green sign", () => {
  const gone = { reason: "not_listed", count: 2, some: ["A", "B"] };
  const { groups, ...told } = describeSymbols({ feed: { symbols: 7, stale: 2 }, upstreams: [upstream("api", [gone], { not_positive: 31, wrong_type: 0 })] });
  assert.deepEqual(told, { tone: "warn", icon: "triangle", text: "2 of 7 stale", bad: "Troubles since the feeds began: not positive 31." });
  assert.deepEqual(groups, [{ ...gone, upstream: "" }]);
  assert.equal(describeSymbols({ feed: { symbols: 7, stale: 0 }, upstreams: [upstream("api")] }).tone, "good");
  assert.equal(describeSymbols({ feed: { symbols: 0, stale: 0 }, upstreams: [] }).text, "None yet");
});

test("what several upstreams do not confirm is told of each, troubles of all", () => {
  const gone = { reason: "not_told", count: 1, some: ["A"] };
  const { bad, groups } = describeSymbols({ feed: { symbols: 7, stale: 0 }, upstreams: [upstream("a", [gone], { outdated: 1 }), upstream("b", [gone], { outdated: 2 }), { name: "c", symbols: null, troubles: {} }] });
  assert.equal(bad, "Troubles since the feeds began: outdated 3.");
  assert.deepEqual(groups.map(({ upstream: name }) => name), ["a", "b"]);
});

test("one symbol is told with its last refusal, quoted", () => {
  const refused = { reason: "not_positive", detail: "price: 0", at: before(4) };
  const api = { upstream: "api", confirmed: before(9), lapsed: "not_positive", refused };
  assert.deepEqual(plain(describeSymbol({ symbol: "A", price: 1.5, state: "stale", reason: "not_positive", confirmed: before(9), upstreams: [api] }, NOW)), [
    "Symbol: A",
    "Price: 1.50",
    "State: stale: the provider told a price of 0 or less",
    "Confirmed: 9 s ago, at 14:02:58",
    "Last refused: 4 s ago, at 14:03:03: the provider told a price of 0 or less (price: 0)",
  ]);
});

test("of several upstreams each is told", () => {
  const upstreams = [
    { upstream: "a", confirmed: before(1), lapsed: null, refused: null },
    { upstream: "b", confirmed: before(8), lapsed: "not_told", refused: null },
  ];
  const told = plain(describeSymbol({ symbol: "A", price: 1, state: "live", reason: null, confirmed: before(1), upstreams }, NOW));
  assert.deepEqual(told.slice(4), ["By a: 1 s ago, at 14:03:06", "By b: 8 s ago, at 14:02:59; then the provider was asked for it and left it out of its answer"]);
});
