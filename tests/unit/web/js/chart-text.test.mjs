import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { emptyPlaces, holesIn } from "../../../../web/static/js/chart/holes.js";
import { OVERLAYS, readChoice, writeChoice } from "../../../../web/static/js/chart/choice.js";
import { besideInWords, firstCommon, percentOf, percentsAt, priceOf } from "../../../../web/static/js/chart/compare.js";
import { neighboursOf } from "../../../../web/static/js/chart/neighbours.js";
import { MOST_CANDLES, RANGES, STEPS, beginOf, finestFor, intervalsFor, rangeFor, usualRange, withInterval } from "../../../../web/static/js/chart/ranges.js";
import { UTC, known, nameAt, offsetAt, weightOf } from "../../../../web/static/js/chart/zones.js";
import { markText, zoneOf } from "../../../../web/static/js/chart/axis.js";
import { behindInWords, cursorAfter, figure, spoken, summary, tooFew, when } from "../../../../web/static/js/chart/text.js";

const T0 = Date.parse("2026-11-22T10:00:00Z");
const [quarter, hour, oneDay, week] = RANGES;
const usual = { interval: null, compare: null };
const [sma, , rsi, volatility] = OVERLAYS;
const candle = (minute, over = {}) => ({ start: T0 + minute * 60_000, open: 150, high: 151.5, low: 149.25, close: 151, ticks: 12, volume: null, ...over });

describe("the address", () => {
  it("tells the range, and the rest where it is not the usual", () => {
    assert.equal(writeChoice({ ...usual, range: hour, form: "candles", overlays: [] }), "?range=1h");
    assert.equal(writeChoice({ ...usual, range: week, form: "line", overlays: [sma, rsi] }), "?range=5d&form=line&with=sma,rsi");
  });

  it("is read as it was written, for every choice", () => {
    for (const range of RANGES) {
      for (const form of ["candles", "line"]) {
        for (let set = 0; set < 2 ** OVERLAYS.length; set += 1) {
          const choice = { ...usual, range, form, overlays: OVERLAYS.filter((_, i) => set & (1 << i)) };
          assert.deepEqual(readChoice(writeChoice(choice)), choice);
        }
      }
    }
  });

  it("opens the last hour in candles when it says nothing, or nonsense", () => {
    for (const search of ["", "?", "?range=2y&form=pie&with=macd,,", "?range=&with=%00"]) {
      assert.deepEqual(readChoice(search), { ...usual, range: hour, form: "candles", overlays: [] });
    }
  });

  it("keeps the candles that were chosen, and the symbol beside it", () => {
    for (const range of RANGES) {
      for (const interval of range.intervals) {
        const choice = { range: withInterval(range, interval), interval, form: "candles", overlays: [], compare: "BRK.B" };
        assert.deepEqual(readChoice(writeChoice(choice)), choice);
        assert.equal(readChoice(writeChoice(choice)).range, choice.range);
      }
    }
    assert.equal(readChoice("?range=1d&interval=1w&compare=%3Cb%3E").interval, null);
    assert.equal(readChoice("?compare=%3Cb%3E").compare, null);
    assert.equal(readChoice("?compare=aapl", "AAPL").compare, null);
    assert.equal(readChoice("?compare=aapl", "MSFT").compare, "AAPL");
  });

  it("opens what a range was called before", () => {
    assert.equal(readChoice("?range=1w").range.key, "5d");
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
    assert.match(spoken(candle(0, { volume: 12_340_000 }), undefined, hour, 2, []), /12 prices, volume 12.3\u00a0M$/);
  });

  it("has figures in their own units", () => {
    assert.equal(figure(61.234, rsi, 2), "61.2");
    assert.equal(figure(0.00123, volatility, 2), "0.123\u00a0%");
  });
});

describe("ranges and their candles", () => {
  it("are so many as can be told apart", () => {
    for (const range of RANGES.filter(({ key }) => key !== "all")) {
      for (const interval of range.intervals) {
        const most = range.key === "5d" ? 5 * 24 * 3_600_000 : range.length;
        assert.ok(most / STEPS[interval] <= MOST_CANDLES, `${range.key} ${interval}`);
      }
    }
  });

  it("of all there is are the shortest that do", () => {
    const day = 24 * 3_600_000;
    assert.deepEqual([0, day, 4 * day, 20 * day, 400 * day, 20_000 * day].map(finestFor), ["1m", "1m", "5m", "30m", "1d", "1w"]);
    assert.deepEqual(intervalsFor(usualRange("all"), null), ["1w"]);
    assert.deepEqual(intervalsFor(usualRange("all"), 400 * day), ["1d", "1w"]);
    assert.deepEqual(intervalsFor(usualRange("1d"), null), ["1m", "5m", "15m", "30m", "1h"]);
  });

  it("begin at midnight UTC, and weeks on Monday", () => {
    assert.equal(beginOf(T0, STEPS["1w"]), Date.parse("2026-11-16T00:00Z"));
    assert.equal(beginOf(T0, STEPS["1d"]), Date.parse("2026-11-22T00:00Z"));
    assert.equal(beginOf(T0, STEPS["4h"]), Date.parse("2026-11-22T08:00Z"));
  });

  it("have a longer one for who goes back beyond them", () => {
    assert.equal(rangeFor(2 * 3_600_000, quarter).key, "1d");
    assert.equal(rangeFor(40 * 24 * 3_600_000, usualRange("1d")).key, "3mo");
    assert.equal(rangeFor(40 * 24 * 3_600_000, usualRange("all")), null);
  });
});

describe("two symbols side by side", () => {
  const mine = [candle(0, { close: 90 }), candle(1, { close: 100 }), candle(2, { close: 110 })];
  const theirs = [candle(1, { close: 50 }), candle(2, { close: 40 })];

  it("are measured from the first candle that both have", () => {
    assert.deepEqual(firstCommon(mine, theirs), { start: T0 + 60_000, mine: 100, theirs: 50 });
    assert.equal(firstCommon(mine, [candle(7)]), null);
    assert.equal(firstCommon([], theirs), null);
  });

  it("are never measured from zero", () => {
    assert.deepEqual(firstCommon(mine, [candle(0, { close: 0 }), candle(1, { close: 50 })]), { start: T0 + 60_000, mine: 100, theirs: 50 });
  });

  it("have their percents at each candle, and a price comes back from one", () => {
    const beside = { symbol: "MSFT", base: firstCommon(mine, theirs), candles: theirs };
    assert.deepEqual(percentsAt("AAPL", beside, mine[2]), [{ name: "AAPL", text: "+10.00\u00a0%" }, { name: "MSFT", text: "\u221220.00\u00a0%" }]);
    assert.deepEqual(percentsAt("AAPL", beside, mine[0])[1], { name: "MSFT", text: "–" });
    assert.deepEqual(percentsAt("AAPL", { ...beside, base: null }, mine[0]), []);
    assert.equal(Math.round(priceOf(percentOf(123.45, 100), 100) * 100), 12_345);
  });

  it("are told in words, also where they cannot be compared", () => {
    const beside = { symbol: "MSFT", base: { start: T0, mine: 100, theirs: 50 }, candles: theirs };
    const known = { symbol: "AAPL", since: "10:00 UTC", noun: "the last hour" };
    assert.equal(besideInWords({ ...known, beside, price: 105, newest: 45 }), "In percent since 10:00 UTC: AAPL +5.00\u00a0%, MSFT \u221210.00\u00a0%.");
    assert.equal(besideInWords({ ...known, beside: { ...beside, base: null }, price: 1, newest: 1 }), "AAPL and MSFT have no candle in common in the last hour: they are not compared.");
  });
});

describe("neighbours on a list", () => {
  it("end where the list does, and are none of a symbol that is not on it", () => {
    assert.deepEqual(neighboursOf(["A", "B", "C"], "B"), { before: "A", after: "C" });
    assert.deepEqual(neighboursOf(["A", "B", "C"], "A"), { before: null, after: "B" });
    assert.deepEqual(neighboursOf(["A", "B", "C"], "X"), { before: null, after: null });
  });
});

describe("times of a zone", () => {
  const york = "America/New_York";
  const at = (text) => Date.parse(text);

  it("are told with their name, in summer and in winter", () => {
    assert.equal(when(at("2026-07-01T14:30Z"), oneDay, york), "Wed 1 Jul, 10:30 EDT");
    assert.equal(when(at("2026-11-30T14:30Z"), oneDay, york), "Mon 30 Nov, 09:30 EST");
    assert.equal(when(at("2026-11-30T14:30Z"), usualRange("6mo"), york), "Mon 30 Nov 2026");
    assert.equal(when(at("2026-11-30T00:00Z"), usualRange("5y"), york), "week of Mon 30 Nov 2026");
    assert.equal(when(at("2026-11-30T12:00Z"), usualRange("3mo"), york), "Mon 30 Nov 2026, 07:00 EST");
  });

  it("tell the hour that comes twice apart, and leave out the one that does not come", () => {
    const told = (text) => when(at(text), hour, york);
    assert.deepEqual(["2026-11-01T05:30Z", "2026-11-01T06:30Z"].map(told), ["01:30 EDT", "01:30 EST"]);
    assert.deepEqual(["2026-03-08T06:59Z", "2026-03-08T07:00Z"].map(told), ["01:59 EST", "03:00 EDT"]);
    assert.deepEqual([offsetAt(at("2026-11-01T05:59:59Z"), york), offsetAt(at("2026-11-01T06:00Z"), york)], [-4 * 3_600_000, -5 * 3_600_000]);
  });

  it("are right where clocks are set by half an hour, and are not whole hours from UTC", () => {
    const howe = "Australia/Lord_Howe";
    assert.deepEqual([offsetAt(at("2026-04-04T14:59Z"), howe), offsetAt(at("2026-04-04T15:00Z"), howe)], [11 * 3_600_000, 10.5 * 3_600_000]);
    assert.match(when(at("2026-11-30T04:15Z"), hour, "Asia/Kathmandu"), /^10:00 /);
  });

  it("are UTC where the browser does not know the zone", () => {
    assert.equal(known("Mars/Olympus"), UTC);
    assert.equal(known(york), york);
    assert.equal(nameAt(T0, UTC), "UTC");
  });

  it("have a mark where a day begins there, and not at midnight UTC", () => {
    const midnight = at("2026-11-30T05:00Z");
    assert.equal(weightOf(midnight, midnight - 300_000, york), 50);
    assert.equal(weightOf(at("2026-11-30T00:00Z"), at("2026-11-29T23:55Z"), york), 30);
    assert.equal(weightOf(at("2026-12-01T05:00Z"), at("2026-12-01T04:55Z"), york), 60);
    assert.equal(weightOf(at("2027-01-01T05:00Z"), at("2027-01-01T04:55Z"), york), 70);
    assert.equal(weightOf(at("2026-11-30T17:00Z"), at("2026-11-30T16:55Z"), york), 33);
    assert.deepEqual([0, 1, 2, 3].map((type) => markText(midnight, type, york)), ["2026", "Nov", "30 Nov", "00:00"]);
  });

  it("are not those of days, which are UTC's own", () => {
    assert.equal(zoneOf(usualRange("1y"), york), UTC);
    assert.equal(zoneOf(oneDay, york), york);
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
    assert.equal(summary([], week, 2, { newest: null, holes: [] }), "No prices in the last 5 days.");
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
