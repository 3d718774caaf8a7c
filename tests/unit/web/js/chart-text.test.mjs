import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { emptyPlaces, holesIn } from "../../../../web/static/js/chart/holes.js";
import { OVERLAYS, RANGES, readChoice, writeChoice } from "../../../../web/static/js/chart/choice.js";
import { behindInWords, cursorAfter, figure, spoken, summary, tooFew, when } from "../../../../web/static/js/chart/text.js";

const T0 = Date.parse("2026-11-22T10:00:00Z");
const [quarter, hour, oneDay, week] = RANGES;
const [sma, , rsi, volatility] = OVERLAYS;
const candle = (minute, over = {}) => ({ start: T0 + minute * 60_000, open: 150, high: 151.5, low: 149.25, close: 151, ticks: 12, ...over });

describe("the address", () => {
  it("tells the range, and the rest where it is not the usual", () => {
    assert.equal(writeChoice({ range: hour, form: "candles", overlays: [] }), "?range=1h");
    assert.equal(writeChoice({ range: week, form: "line", overlays: [sma, rsi] }), "?range=1w&form=line&with=sma,rsi");
  });

  it("is read as it was written, for every choice", () => {
    for (const range of RANGES) {
      for (const form of ["candles", "line"]) {
        for (let set = 0; set < 2 ** OVERLAYS.length; set += 1) {
          const choice = { range, form, overlays: OVERLAYS.filter((_, i) => set & (1 << i)) };
          assert.deepEqual(readChoice(writeChoice(choice)), choice);
        }
      }
    }
  });

  it("opens the last hour in candles when it says nothing, or nonsense", () => {
    for (const search of ["", "?", "?range=2y&form=pie&with=macd,,", "?range=&with=%00"]) {
      assert.deepEqual(readChoice(search), { range: hour, form: "candles", overlays: [] });
    }
  });
});

describe("a candle in words", () => {
  it("begins with its time, with the day where the range spans several", () => {
    assert.equal(when(T0, quarter), "10:00 UTC");
    assert.equal(when(T0, oneDay), "Sun 22 Nov, 10:00 UTC");
  });

  it("is one sentence with everything the picture has", () => {
    const said = spoken(candle(1), candle(0, { close: 150.5 }), hour, 2, [{ overlay: sma, value: 150.25 }]);
    assert.equal(said, "10:01 UTC, close 151.00, +0.50 on the one before, open 150.00, high 151.50, low 149.25, 12 prices, SMA 20 150.25");
  });

  it("says a gap before it", () => {
    assert.match(spoken(candle(13), candle(0), hour, 2, []), /^10:13 UTC, after 12\u00a0min without prices, close/);
  });

  it("leaves out what it does not know", () => {
    assert.equal(spoken(candle(0, { ticks: null }), undefined, hour, 2, []), "10:00 UTC, close 151.00, open 150.00, high 151.50, low 149.25");
    assert.match(spoken(candle(0, { ticks: 1 }), undefined, hour, 2, []), /1 price$/);
  });

  it("has figures in their own units", () => {
    assert.equal(figure(61.234, rsi, 2), "61.2");
    assert.equal(figure(0.00123, volatility, 2), "0.123\u00a0%");
  });
});

describe("the whole range in words", () => {
  const list = [candle(0), candle(1, { high: 160, close: 155 }), candle(2, { low: 140, close: 144 })];
  const sums = "Last hour: from 150.00 to 144.00, \u22126.00 (\u22124.00\u00a0%), high 160.00, low 140.00.";
  const hole = (from, to, missing = false) => ({ start: T0 + from * 60_000, end: T0 + to * 60_000, missing });

  it("tells its course and its extremes", () => {
    assert.equal(summary(list, hour, 2, { newest: null, holes: [] }), sums);
  });

  it("ends at the price that is shown above the chart", () => {
    assert.equal(summary(list, hour, 2, { newest: 161, holes: [] }), "Last hour: from 150.00 to 161.00, +11.00 (+7.33\u00a0%), high 161.00, low 140.00.");
  });

  it("does not sum over a hole without saying so", () => {
    const said = (...holes) => summary(list, hour, 2, { newest: null, holes });
    assert.equal(said(hole(-45, -14, true)), `${sums} 31\u00a0min missing: 09:15 to 09:46 UTC.`);
    assert.equal(said(hole(-45, -14)), `${sums} No prices for 31\u00a0min of it: 09:15 to 09:46 UTC.`);
    assert.equal(
      said(hole(-45, -40), hole(-30, -20), hole(-15, -10, true)),
      `${sums} 5\u00a0min missing: 09:45 to 09:50 UTC. No prices for 15\u00a0min of it: 2 stretches, the longest 09:30 to 09:40 UTC.`,
    );
    assert.match(summary(list, week, 2, { newest: null, holes: [hole(-120, -60)] }), /No prices for 1\u00a0h of it: Sun 22 Nov, 08:00 to Sun 22 Nov, 09:00 UTC\.$/);
  });

  it("says plainly that there is nothing", () => {
    assert.equal(summary([], week, 2, { newest: null, holes: [] }), "No prices in the last week.");
  });
});

describe("holes", () => {
  const known = { from: T0, now: T0 + 15.5 * 60_000, recording: null };
  const minutes = (list) => list.map(({ start, end }) => [(start - T0) / 60_000, (end - T0) / 60_000]);

  it("are at the begin, between and at the end; the candle of now may still get its price", () => {
    assert.deepEqual(minutes(holesIn([candle(2), candle(3), candle(6)], quarter, known)), [[0, 2], [4, 6], [7, 15]]);
    assert.deepEqual(holesIn(Array.from({ length: 15 }, (_, i) => candle(i)), quarter, known), []);
  });

  it("without prices are drawn narrow, missing ones as wide as they are, and the end not at all", () => {
    const empty = (missing) => emptyPlaces([{ start: T0, end: T0 + 30 * 60_000, missing }, { start: T0 + 50 * 60_000, end: T0 + 60 * 60_000, missing }], hour, T0 + 49 * 60_000);
    assert.deepEqual([empty(false).length, empty(true).length], [6, 30]);
    assert.equal(empty(true)[29], T0 + 29 * 60_000);
  });
});

describe("what to know before the figures are read", () => {
  it("is how far history is behind, and that recording is down", () => {
    const recording = (state, behind) => ({ state, behind, completeTo: T0 });
    assert.equal(behindInWords(null), null);
    assert.equal(behindInWords(recording("current", 300)), null);
    assert.equal(behindInWords(recording("behind", 31 * 60_000)), "History is 31\u00a0min behind. What is missing comes once it has caught up.");
    assert.equal(behindInWords(recording("behind", 0)), "History is behind. What is missing comes once it has caught up.");
    assert.equal(behindInWords(recording("down", 31 * 60_000)), "Recording is down. History is 31\u00a0min behind. What is missing comes once it has caught up.");
    assert.equal(behindInWords(recording("down", 0)), "Recording is down. What is missing comes once it has caught up.");
  });

  it("is how many candles a figure needs", () => {
    assert.equal(tooFew(sma, 20), "SMA 20 needs 20 candles");
  });
});

describe("the cursor", () => {
  it("enters at the newest candle and moves by one, or ten", () => {
    assert.equal(cursorAfter("ArrowLeft", false, null, 30), 29);
    assert.equal(cursorAfter("ArrowLeft", false, 29, 30), 28);
    assert.equal(cursorAfter("ArrowRight", false, 28, 30), 29);
    assert.equal(cursorAfter("ArrowLeft", true, 20, 30), 10);
    assert.equal(cursorAfter("PageDown", false, 20, 30), 10);
    assert.equal(cursorAfter("PageUp", false, 10, 30), 20);
  });

  it("stops at both ends", () => {
    assert.equal(cursorAfter("ArrowRight", false, 29, 30), 29);
    assert.equal(cursorAfter("ArrowLeft", true, 3, 30), 0);
    assert.equal(cursorAfter("Home", false, 12, 30), 0);
    assert.equal(cursorAfter("End", false, 12, 30), 29);
  });

  it("goes away with Escape, and leaves the key alone when it is not there", () => {
    assert.equal(cursorAfter("Escape", false, 12, 30), null);
    assert.equal(cursorAfter("Escape", false, null, 30), undefined);
  });

  it("takes no key when there is nothing to point at, nor any other key", () => {
    assert.equal(cursorAfter("ArrowLeft", false, null, 0), undefined);
    assert.equal(cursorAfter("a", false, 3, 30), undefined);
  });
});
