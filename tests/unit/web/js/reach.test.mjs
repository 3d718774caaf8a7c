import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { drawn } from "../../../../web/static/js/favicon.js";
import { priceInTitle } from "../../../../web/static/js/page-title.js";
import { BURST_MS, Burst, MOST_IN_A_BURST, readReach, standingOf } from "../../../../web/static/js/reach.js";

describe("how alerts are to reach somebody", () => {
  it("is nothing until it was chosen, and whatever the browser kept is read", () => {
    const nothing = { desktop: false, always: false, sound: false };
    for (const text of [null, "", "null", "7", '"on"', "[true]", "{", '{"desktop":1,"sound":"yes"}']) assert.deepEqual(readReach(text), nothing);
    assert.deepEqual(readReach('{"desktop":true,"sound":true,"more":1}'), { desktop: true, always: false, sound: true });
  });

  it("is on only where it is wanted and allowed", () => {
    assert.equal(standingOf("granted", true).state, "on");
    assert.equal(standingOf("granted", false).state, "off");
    assert.equal(standingOf("default", false).state, "off");
    // It was allowed once, and the browser has forgotten.
    assert.match(standingOf("default", true).text, /asked again/);
    assert.equal(standingOf("denied", true).state, "blocked");
    for (const why of ["absent", "insecure"]) assert.equal(standingOf(why, true).state, "unsupported");
  });

  it("shows a few of a burst one by one and counts the rest, and the next burst begins anew", () => {
    const burst = new Burst();
    const first = Array.from({ length: MOST_IN_A_BURST + 3 }, (_, index) => burst.admit(index));
    assert.deepEqual(first, [...Array(MOST_IN_A_BURST).fill(0), 1, 2, 3]);
    assert.equal(burst.admit(BURST_MS + MOST_IN_A_BURST), 0);
    assert.equal(new Burst().admit(5), 0);
  });
});

describe("the title", () => {
  const entry = (price, base) => ({ quote: { price, base }, decimals: 2 });

  it("tells the price and its change, and leaves out what nobody told", () => {
    assert.equal(priceInTitle("AAPL", entry(151.02, 149.23)), "AAPL 151.02 ▲1.2%");
    assert.equal(priceInTitle("AAPL", entry(149.23, 151.02)), "AAPL 149.23 ▼1.2%");
    assert.equal(priceInTitle("AAPL", entry(150, 150)), "AAPL 150.00 0.0%");
    assert.equal(priceInTitle("BRK.A", entry(712345, null)), "BRK.A 712,345.00");
    assert.equal(priceInTitle("AAPL", { quote: null, decimals: 2 }), "");
    assert.equal(priceInTitle("AAPL", undefined), "");
  });
});

describe("the picture in the tab", () => {
  const svg = '<svg><path stroke="#4cc38a"/></svg>';

  it("is another one for what is unread and for what is not as it should be", () => {
    const all = [false, true].flatMap((unread) => [false, true].map((trouble) => drawn(svg, { unread, trouble })));
    assert.equal(new Set(all).size, 4);
    assert.equal(all[0], svg);
    for (const picture of all) assert.match(picture, /^<svg>.*<\/svg>$/);
  });
});
