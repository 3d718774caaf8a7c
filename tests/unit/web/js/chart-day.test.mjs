import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { dayFigures } from "../../../../web/static/js/chart/day.js";

const none = { high: null, low: null, open: null, volume: null, rolling: false, at: null };
const said = (previousClose, day, decimals = 2, book = { bid: null, ask: null, quotedAt: null }) =>
  dayFigures({ previousClose, day: day && { ...none, ...day }, ...book }, decimals).map(({ name, text }) => `${name}: ${text}`);

describe("the figures of the day", () => {
  it("are what is told, and nothing else", () => {
    assert.deepEqual(said(null, null), []);
    assert.deepEqual(said(147.2, null), ["Previous close: 147.20"]);
    assert.deepEqual(said(147.2, { high: 151.5, low: 149, open: 150, volume: 27_631_112 }), [
      "Previous close: 147.20", "Open: 150.00", "Day’s range: 149.00 – 151.50", "Volume: 27.63M",
    ]);
    assert.deepEqual(said(null, { volume: 4_608 }), ["Volume: 4,608"]);
    assert.deepEqual(said(null, { low: 0.0004 }, 4), ["Day’s low: 0.0004"]);
  });

  it("fit on the page, however large a volume somebody tells", () => {
    assert.deepEqual(said(null, { volume: 3.3e14 }), ["Volume: 330T"]);
    assert.deepEqual(said(null, { volume: 1e308 }), ["Volume: 1E308"]);
  });

  it("end with what is bid and asked, of when it is where that is not the price, and with the spread on demand", () => {
    const book = { bid: 150.24, ask: 150.265, quotedAt: null };
    assert.deepEqual(said(147.2, null, 2, book), ["Previous close: 147.20", "Bid and ask: 150.24 / 150.265"]);
    assert.deepEqual(said(null, null, 2, { bid: null, ask: 150.3, quotedAt: Date.parse("2026-11-22T14:02:10Z") }), ["Ask: 150.30 at 14:02:10\u00a0UTC"]);
    assert.deepEqual(said(null, null, 2, { bid: 150.2, ask: null, quotedAt: null }), ["Bid: 150.20"]);
    const [both] = dayFigures({ previousClose: null, day: null, ...book }, 2);
    assert.equal(both.title, "Spread 0.025, 0.017\u00a0%");
  });

  it("are of 24 hours where they are", () => {
    assert.deepEqual(said(null, { high: 2, low: 1, open: 1.5, volume: 163.28908096, rolling: true }), [
      "24 hours ago: 1.50", "Range of 24 hours: 1.00 – 2.00", "Volume of 24 hours: 163.29",
    ]);
  });

  it("say of when an older volume is, and the whole of it on demand", () => {
    const [volume] = dayFigures({ previousClose: null, bid: null, ask: null, quotedAt: null, day: { ...none, volume: 27_631_112, at: Date.parse("2026-11-22T14:02:10Z") } }, 2);
    assert.deepEqual(volume, { name: "Volume", text: "27.63M at 14:02\u00a0UTC", title: "27,631,112 at 14:02\u00a0UTC" });
  });
});
