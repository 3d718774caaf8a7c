import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { OVERLAYS, RANGES, readChoice, writeChoice } from "../../../../web/static/js/chart/choice.js";
import { cursorAfter, figure, spoken, summary, when } from "../../../../web/static/js/chart/text.js";

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
  it("tells its course and its extremes", () => {
    const list = [candle(0), candle(1, { high: 160, close: 155 }), candle(2, { low: 140, close: 144 })];
    assert.equal(summary(list, hour, 2), "Last hour: from 150.00 to 144.00, \u22126.00 (\u22124.00\u00a0%), high 160.00, low 140.00.");
  });

  it("says plainly that there is nothing", () => {
    assert.equal(summary([], week, 2), "No prices in the last week.");
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
