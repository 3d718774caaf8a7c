import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Store } from "../../../../web/static/js/store.js";
import { AGAIN_MS, MOST_SYMBOLS, SPREAD_MS, TrendFeed, readSparks } from "../../../../web/static/js/trend-feed.js";
import { Trend } from "../../../../web/static/js/trend.js";
import { FakeClock, at, price, quote } from "./support.mjs";

const STEP = 600_000;
const OPEN = Date.parse("2026-11-30T14:30:00Z");
const END = Date.parse("2026-12-01T05:00:00Z");

const day = (closes, over = {}) => ({ zone: "America/New_York", to: END, step: STEP, first: closes.length === 0 ? NaN : OPEN, closes, ...over });
const valuesOf = (trend) => trend.course(0).values;

describe("the course of a price", () => {
  it("is what was seen, until history tells the day", () => {
    const trend = new Trend();
    trend.add(10, 1_000, OPEN + 30 * 60_000);
    trend.add(11, 2_000, OPEN + 30 * 60_000 + 1_000);
    assert.deepEqual(trend.course(61_000), { values: [10, 11], since: { ago: 60_000 } });
    const { revision } = trend;
    trend.tell(day([1, 2, 3]), 11, OPEN + 30 * 60_000 + 1_000);
    assert.notEqual(trend.revision, revision);
    assert.deepEqual(trend.course(61_000), { values: [1, 2, 3, 11], since: { zone: "America/New_York", at: OPEN } });
    assert.equal(trend.rise, 11);
  });

  it("ends with the newest price, and keeps the last one of each stretch", () => {
    const trend = new Trend();
    trend.tell(day([1, 2, 3]), 3, OPEN + 2 * STEP);
    trend.add(4, 0, OPEN + 3 * STEP - 1);
    assert.deepEqual(valuesOf(trend), [1, 2, 4]);
    trend.add(5, 1_000, OPEN + 3 * STEP);
    trend.add(6, 2_000, OPEN + 3 * STEP + 1_000);
    assert.deepEqual(valuesOf(trend), [1, 2, 4, 6]);
    trend.add(7, 3_000, OPEN + 6 * STEP);
    assert.deepEqual(valuesOf(trend), [1, 2, 4, 6, NaN, NaN, 7]);
  });

  it("takes a price with an older time for the newest all the same", () => {
    const trend = new Trend();
    trend.tell(day([1, 2, 3]), 9, OPEN);
    assert.deepEqual(valuesOf(trend), [1, 2, 9]);
  });

  it("is what was seen while the day has few prices, though they are far apart", () => {
    const trend = new Trend();
    trend.see(8, 0);
    trend.add(9, 1_000, OPEN);
    trend.tell(day([]), 9, OPEN);
    assert.equal(trend.hasDay, true);
    assert.deepEqual(valuesOf(trend), [8, 9]);
    trend.add(10, 2_000, OPEN + 40 * STEP);
    assert.deepEqual(valuesOf(trend), [8, 9, 10]);
    trend.add(11, 3_000, OPEN + 41 * STEP);
    assert.equal(valuesOf(trend).length, 42);
  });

  it("begins anew with a price of the next day", () => {
    const trend = new Trend();
    trend.tell(day([1, 2, 3]), 3, OPEN + 2 * STEP);
    trend.add(4, 1_000, END);
    assert.equal(trend.hasDay, false);
    assert.deepEqual(valuesOf(trend), [4]);
  });

  it("keeps what came since an answer was made, when history tells it again", () => {
    const trend = new Trend();
    trend.tell(day([1, 2, 3]), 3, OPEN + 2 * STEP);
    trend.add(5, 1_000, OPEN + 4 * STEP);
    trend.add(6, 2_000, OPEN + 5 * STEP);
    trend.tell(day([1, 2, 2.5, 4]), 6, OPEN + 5 * STEP);
    assert.deepEqual(valuesOf(trend), [1, 2, 2.5, 4, 5, 6]);
  });

  it("does not change the answer that it was told", () => {
    const told = day([1, 2, 3]);
    const trend = new Trend();
    trend.tell(told, 9, OPEN + 9 * STEP);
    assert.deepEqual(told.closes, [1, 2, 3]);
  });
});

describe("an answer", () => {
  const item = (over = {}) => ({ symbol: "A", zone: "UTC", from: "2026-11-30T00:00:00Z", to: "2026-12-01T00:00:00Z", first: "2026-11-30T14:30:00Z", closes: [1, null, 2], ...over });
  const read = (...sparks) => readSparks({ bin_seconds: 600, sparks });

  it("has a day for each symbol; null is a stretch without a price", () => {
    const found = read(item(), item({ symbol: "B", first: null, closes: [] }));
    assert.deepEqual(found.get("A"), { zone: "UTC", to: Date.parse("2026-12-01T00:00:00Z"), step: STEP, first: OPEN, closes: [1, NaN, 2] });
    assert.deepEqual(found.get("B").closes, []);
  });

  it("of a zone where the day begins a quarter past ends with a stretch that is cut", () => {
    const nepal = { zone: "Asia/Kathmandu", to: "2026-11-30T18:15:00Z", first: "2026-11-30T18:00:00Z" };
    assert.deepEqual(read(item({ ...nepal, closes: [1, 2] })).get("A").closes, [1, 2]);
    assert.equal(read(item({ ...nepal, closes: [1, 2, 3] })).size, 0);
  });

  it("that makes no sense is none", () => {
    for (const body of [null, 1, "x", [], {}, { sparks: [item()] }, { bin_seconds: 0, sparks: [item()] }, { bin_seconds: "x" }]) assert.equal(readSparks(body).size, 0);
    const wrong = [{ symbol: 1 }, { zone: null }, { to: "soon" }, { first: null }, { closes: null }, { closes: new Array(200).fill(1) }];
    assert.equal(read(...wrong.map(item)).size, 0);
  });
});

/** A page with so many symbols that have a price, and a server that a test answers for. */
function pageOf(count) {
  const clock = new FakeClock();
  const store = new Store();
  const symbols = Array.from({ length: count }, (_, i) => `S${i}`);
  store.add(symbols);
  store.applySnapshot(symbols.map((symbol) => quote(symbol, 5, 1, { timestamp: OPEN + 3 * STEP })), at(0));
  const page = { clock, store, symbols, asked: [], told: [], seen: true, wanted: symbols, answer: null };
  page.answer = (names) => ({
    ok: true,
    body: { bin_seconds: 600, sparks: names.map((symbol) => ({ symbol, zone: "UTC", to: new Date(END).toISOString(), first: new Date(OPEN).toISOString(), closes: [1, 2, 3] })) },
  });
  page.feed = new TrendFeed({
    ask: async (path) => {
      const names = decodeURIComponent(path.slice("sparks?symbols=".length)).split(",");
      page.asked.push(names);
      return page.answer(names);
    },
    store,
    clock,
    random: () => 0.5,
    wanted: () => page.wanted,
    isSeen: () => page.seen,
    onTold: (changed) => page.told.push(...changed),
  });
  page.feed.connected();
  return page;
}

const refusal = (over = {}) => () => ({ ok: false, status: 503, temporary: true, reason: "away", retryAfter: null, ...over });

describe("asking for the day", () => {
  it("is done once for each, as many at once as may be", async () => {
    const page = pageOf(2 * MOST_SYMBOLS + 1);
    await page.feed.look();
    assert.deepEqual(page.asked.map((names) => names.length), [MOST_SYMBOLS, MOST_SYMBOLS, 1]);
    assert.deepEqual(page.told, page.symbols);
    assert.deepEqual(valuesOf(page.store.entry("S7").trend), [1, 2, 3, 5]);
    page.clock.advance(24 * AGAIN_MS);
    await page.feed.look();
    assert.equal(page.asked.length, 3);
  });

  it("is for new symbols only, and for those that were taken off and put back", async () => {
    const page = pageOf(3);
    await page.feed.look();
    page.store.add(["NEW", "PRICELESS"]);
    page.store.applyPrices([price("NEW", 5, 2)], at(0));
    page.store.remove("S1");
    page.store.add(["S1"]);
    page.store.applyPrices([price("S1", 5, 2)], at(0));
    page.wanted = page.store.symbols;
    await page.feed.look();
    assert.deepEqual(page.asked.at(-1).sort(), ["NEW", "S1"]);
  });

  it("is not done while nobody sees a trend, nor for rows that are not near", async () => {
    const page = pageOf(3);
    page.seen = false;
    await page.feed.look();
    page.seen = true;
    page.wanted = [];
    await page.feed.look();
    assert.equal(page.asked.length, 0);
    page.wanted = ["S2"];
    await page.feed.look();
    assert.deepEqual(page.asked, [["S2"]]);
  });

  it("is done again after a connection that was lost, not by all pages at once", async () => {
    const page = pageOf(2);
    await page.feed.look();
    page.feed.connected();
    await page.feed.look();
    assert.equal(page.asked.length, 1);
    page.clock.advance(SPREAD_MS);
    await page.feed.look();
    assert.equal(page.asked.length, 2);
  });

  it("leaves an answer of before that alone", async () => {
    const page = pageOf(1);
    let answer;
    const { answer: good } = page;
    page.answer = () => new Promise((resolve) => (answer = resolve));
    const looking = page.feed.look();
    page.feed.connected();
    answer(good(["S0"]));
    await looking;
    assert.deepEqual(page.told, []);
    page.answer = good;
    page.clock.advance(SPREAD_MS);
    await page.feed.look();
    assert.deepEqual(page.told, ["S0"]);
  });

  it("waits longer and longer while history is away, and as long as the server says", async () => {
    const page = pageOf(1);
    page.answer = refusal();
    const gaps = [];
    let last = page.clock.now();
    for (let second = 0; second < 3_600; second += 1) {
      const before = page.asked.length;
      await page.feed.look();
      if (page.asked.length > before) {
        gaps.push(page.clock.now() - last);
        last = page.clock.now();
      }
      page.clock.advance(1_000);
    }
    assert.deepEqual([...gaps].sort((a, b) => a - b), gaps);
    assert.ok(gaps.length > 10 && gaps.length < 30, `${gaps}`);
    page.answer = refusal({ retryAfter: 1_000_000 });
    page.clock.advance(AGAIN_MS);
    await page.feed.look();
    const count = page.asked.length;
    page.clock.advance(999_000);
    await page.feed.look();
    assert.equal(page.asked.length, count);
    assert.deepEqual(page.told, []);
    assert.equal(page.store.entry("S0").trend.hasDay, false);
  });

  it("is done again for a symbol that history knows nothing of, or whose day is over, after a while", async () => {
    const page = pageOf(2);
    const { answer: good } = page;
    page.answer = () => good(["S0"]);
    await page.feed.look();
    await page.feed.look();
    assert.equal(page.asked.length, 1);
    page.answer = good;
    page.clock.advance(AGAIN_MS);
    await page.feed.look();
    assert.deepEqual(page.asked.at(-1), ["S1"]);
    page.clock.advance(AGAIN_MS);
    page.store.applyPrices([price("S0", 5, 2, { timestamp: END })], at(0));
    await page.feed.look();
    assert.deepEqual(page.asked.at(-1), ["S0"]);
  });
});
