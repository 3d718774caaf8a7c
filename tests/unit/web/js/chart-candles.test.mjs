import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { Candles, SETTLE_MS } from "../../../../web/static/js/chart/candles.js";
import { EPOCH } from "./support.mjs";

const STEP = 60_000;
const T0 = Date.parse("2026-11-22T10:00:00Z");
const at = (minutes, seconds = 0) => T0 + minutes * STEP + seconds * 1000;
const stored = (minute, open, high, low, close, ticks = 5, volume = null) => ({ start: at(minute), open, high, low, close, ticks, volume });
const price = (value, timestamp, seq, epoch = EPOCH) => ({ symbol: "AAPL", price: value, timestamp, version: [epoch, seq] });

let candles;
beforeEach(() => {
  candles = new Candles(STEP);
});

describe("live prices alone", () => {
  it("make a candle with its open, high, low and close, of untold ticks", () => {
    for (const [i, value] of [10, 12, 9, 11].entries()) candles.move(price(value, at(0, i), i + 1), at(0, i));
    assert.deepEqual(candles.list, [{ start: at(0), open: 10, high: 12, low: 9, close: 11, ticks: null, volume: null }]);
  });

  it("begin a candle at the full step, and make none up in between", () => {
    assert.equal(candles.move(price(10, at(0, 59.999), 1), at(1)), at(0));
    assert.equal(candles.move(price(11, at(4), 2), at(4)), at(4));
    assert.deepEqual(candles.list.map(({ start }) => start), [at(0), at(4)]);
  });

  it("count once: a version that was seen, or an older one, is not taken", () => {
    candles.move(price(10, at(0), 7), at(0));
    assert.equal(candles.move(price(99, at(0, 1), 7), at(0, 1)), null);
    assert.equal(candles.move(price(99, at(0, 1), 6), at(0, 1)), null);
    assert.equal(candles.list[0].high, 10);
    assert.equal(candles.move(price(11, at(0, 2), 1, EPOCH + 1), at(0, 2)), at(0));
  });

  it("of a provider whose clock is ahead are in the candle of now, and none is in the future", () => {
    for (const [i, minutes] of [4.6, 90, 4.7].entries()) assert.equal(candles.move(price(10 + i, at(minutes), i + 1), at(0, i)), at(0));
    assert.deepEqual(candles.list, [{ start: at(0), open: 10, high: 12, low: 10, close: 12, ticks: null, volume: null }]);
  });

  it("of one candle are ordered by the provider's time, as the recorder orders them", () => {
    candles.move(price(10, at(0, 30), 1), at(0, 31));
    candles.move(price(8, at(0, 20), 2), at(0, 32));
    candles.move(price(9, at(0, 25), 3), at(0, 33));
    assert.deepEqual(candles.list, [{ start: at(0), open: 8, high: 10, low: 8, close: 10, ticks: null, volume: null }]);
  });

  it("that come late go where their time is", () => {
    candles.move(price(10, at(5), 1), at(5));
    assert.equal(candles.move(price(8, at(3), 2), at(5)), at(3));
    assert.deepEqual(candles.list.map(({ start, close }) => [start, close]), [[at(3), 8], [at(5), 10]]);
  });
});

describe("joined with history", () => {
  it("a candle that is still moving has history's open, everybody's high and low, and the live close", () => {
    candles.move(price(13, at(2, 30), 5), at(2, 30));
    candles.settle([stored(1, 9, 9, 9, 9), stored(2, 10, 12, 8, 12)], at(2, 31));
    assert.deepEqual(candles.list, [stored(1, 9, 9, 9, 9), stored(2, 10, 13, 8, 13)]);
  });

  it("prices that history holds too change nothing, whichever came first", () => {
    const inHistory = stored(2, 10, 12, 8, 11, 4);
    const prices = [10, 12, 8, 11].map((value, i) => price(value, at(2, i), i + 1));
    const other = new Candles(STEP);
    for (const p of prices) candles.move(p, at(2, 4));
    candles.settle([inHistory], at(2, 4));
    other.settle([inHistory], at(2, 4));
    for (const p of prices) other.move(p, at(2, 4));
    assert.deepEqual(candles.list, [inHistory]);
    assert.deepEqual(other.list, [inHistory]);
  });

  it("once settled, history's candle stands as it is: it saw prices that were conflated away", () => {
    candles.move(price(11, at(2, 59), 5), at(2, 59));
    candles.settle([stored(2, 10, 14, 7, 12)], at(2, 59) + SETTLE_MS - 1);
    assert.equal(candles.list[0].close, 11);
    candles.settle([stored(2, 10, 14, 7, 12)], at(2, 59) + SETTLE_MS);
    assert.deepEqual(candles.list, [stored(2, 10, 14, 7, 12)]);
  });

  it("a live candle that history does not have yet stays", () => {
    candles.move(price(11, at(3), 5), at(3));
    candles.settle([stored(1, 9, 9, 9, 9)], at(30));
    assert.deepEqual(candles.list.map(({ start }) => start), [at(1), at(3)]);
  });

  it("while history is behind, the live close stays the newer one, however long ago it moved", () => {
    candles.move(price(13, at(2, 30), 5), at(2, 30));
    candles.settle([stored(2, 10, 12, 8, 12)], at(2, 20));
    assert.deepEqual(candles.list, [stored(2, 10, 13, 8, 13)]);
  });

  it("an answer that was overtaken by a newer one changes nothing", () => {
    candles.settle([stored(2, 10, 14, 7, 12)], at(4));
    candles.settle([stored(2, 10, 10, 10, 10)], at(3));
    assert.equal(candles.list[0].close, 12);
  });

  it("for any way to part a stream between history and live prices, the candles are the same", () => {
    const values = Array.from({ length: 240 }, (_, i) => 100 + ((i * 7919) % 83) / 10);
    // The day's volume grows by one, two, three, … in turn.
    let traded = 1000;
    const prices = values.map((value, i) => ({ ...price(value, at(0) + i * 1000, i + 1), ...told((traded += i % 7)) }));
    const truth = aggregate(prices);
    for (let split = 0; split <= prices.length; split += 13) {
      for (const overlap of [0, 1, 30, 90]) {
        const joined = new Candles(STEP);
        const seen = prices.slice(Math.max(0, split - overlap));
        const asked = split === 0 ? at(0) : prices[split - 1].timestamp + 1;
        // What had come before the answer did, the answer, and what came after it.
        for (const p of seen.slice(0, Math.min(overlap, split))) joined.move(p, p.timestamp);
        joined.settle(aggregate(prices.slice(0, split)), asked);
        for (const p of prices.slice(split)) joined.move(p, p.timestamp);
        // Without a price from before, the first that comes tells nothing of what was traded since.
        const shown = overlap === 0 && split > 0 ? withoutCounts : withoutTicks;
        assert.deepEqual(joined.list.map(shown), truth.map(shown), `split ${split}, overlap ${overlap}`);
      }
    }
  });
});

describe("the volume of live prices", () => {
  const volumeOf = (tellings) => {
    candles = new Candles(STEP);
    for (const [i, telling] of tellings.entries()) candles.move({ ...price(10, at(0, i), i + 1), ...telling }, at(0, i));
    return candles.at(at(0)).volume;
  };

  it("is what the day's has grown by since the first one, and not known before that", () => {
    assert.equal(volumeOf([told(500)]), null);
    assert.equal(volumeOf([told(500), told(507), told(507), told(512)]), 12);
  });

  it("is not told by one of the last 24 hours, one from before the price, or one of another source", () => {
    assert.equal(volumeOf([told(500, { rolling: true }), told(512, { rolling: true })]), null);
    assert.equal(volumeOf([told(500, { at: at(0) }), told(512, { at: at(0) })]), null);
    assert.equal(volumeOf([told(500), { ...told(512), source: "eu" }]), null);
    assert.equal(volumeOf([told(500), { source: "us", day: null }, told(900), told(903)]), 3);
  });

  it("never falls: a small fall is a correction, a large one the volume of another session", () => {
    assert.equal(volumeOf([told(500), told(490), told(503)]), 3);
    assert.equal(volumeOf([told(500), told(20), told(25)]), 25);
  });

  it("leaves to history what was traded while there was no connection", () => {
    candles.move({ ...price(10, at(0, 1), 1), ...told(500) }, at(0, 1));
    candles.move({ ...price(10, at(0, 2), 2), ...told(510) }, at(0, 2));
    candles.interrupted();
    candles.move({ ...price(10, at(0, 30), 3), ...told(700) }, at(0, 30));
    candles.move({ ...price(10, at(0, 31), 4), ...told(703) }, at(0, 31));
    assert.equal(candles.at(at(0)).volume, 13);
    candles.settle([stored(0, 10, 10, 10, 10, 5, 200)], at(0, 30) + 1);
    assert.equal(candles.at(at(0)).volume, 203);
  });
});

it("forgets what has left the range", () => {
  candles.settle([stored(0, 1, 1, 1, 1), stored(1, 2, 2, 2, 2), stored(2, 3, 3, 3, 3)], at(3));
  candles.trim(at(1));
  assert.deepEqual(candles.list.map(({ start }) => start), [at(1), at(2)]);
});

function aggregate(prices) {
  const byStart = new Map();
  for (const [i, { price: value, timestamp, day }] of prices.entries()) {
    const more = i === 0 ? null : day.volume - prices[i - 1].day.volume;
    const start = timestamp - (timestamp % STEP);
    const candle = byStart.get(start);
    if (candle === undefined) byStart.set(start, { start, open: value, high: value, low: value, close: value, ticks: 1, volume: more });
    else Object.assign(candle, { high: Math.max(candle.high, value), low: Math.min(candle.low, value), close: value, ticks: candle.ticks + 1, volume: (candle.volume ?? 0) + more });
  }
  return [...byStart.values()];
}

function told(volume, rest = {}) {
  return { source: "us", day: { high: null, low: null, open: null, volume, rolling: false, at: null, ...rest } };
}

function withoutCounts({ ticks: _ticks, volume: _volume, ...rest }) {
  return rest;
}

function withoutTicks({ ticks: _ticks, ...rest }) {
  return rest;
}
