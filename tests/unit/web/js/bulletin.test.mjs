import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { Bulletin, SETTLED_MS, SPACING_MS, sceneOf, titleOf } from "../../../../web/static/js/bulletin.js";
import { Store } from "../../../../web/static/js/store.js";
import { at, quote } from "./support.mjs";

const AWAY = "nothing newer could be fetched";
const GONE = "it is not in the provider’s list any more";

let bulletin;
let now;
let said;
beforeEach(() => {
  bulletin = new Bulletin();
  now = 100_000;
  said = [];
});

const scene = (stale = {}, over = {}) => ({
  feed: "live", circuit: "closed", why: null, stale: new Map(Object.entries(stale)),
  fine: new Set(["A", "B", "C"].filter((symbol) => !(symbol in stale))), ...over,
});
/** Looks once a second for so long. */
function look(what, ms) {
  for (const end = now + ms; now < end; now += 1_000) {
    const text = bulletin.look(what, now);
    if (text !== "") said.push(text);
  }
}

describe("what is told", () => {
  it("is nothing while all is well, also at the start", () => {
    look(scene(), 60_000);
    assert.deepEqual(said, []);
  });

  it("is an outage in few sentences, and its end", () => {
    const all = { A: AWAY, B: AWAY, C: AWAY };
    look(scene(all, { feed: "stale", why: "HTTP 503" }), 5_000);
    assert.deepEqual(said, [`The price feed is stale: HTTP 503. All 3 prices are stale: ${AWAY}.`]);
    look(scene(all, { feed: "stale", why: "HTTP 503", circuit: "open" }), 20_000);
    assert.equal(said[1], "The circuit breaker is open: requests to the provider are held back.");
    look(scene(all, { feed: "stale", circuit: "half_open" }), 20_000);
    assert.equal(said.length, 2, "a probe is no news");
    look(scene(), 20_000);
    assert.deepEqual(said.slice(2), ["The price feed is live again. The circuit breaker is closed again. Prices are live again."]);
  });

  it("is one symbol with its reason, and several of one reason together", () => {
    look(scene({ A: GONE }), 5_000);
    assert.deepEqual(said, [`A is stale: ${GONE}.`]);
    look(scene({ A: GONE, B: AWAY }), 20_000);
    assert.equal(said[1], `B is stale: ${AWAY}.`);
    look(scene({ B: AWAY }), 20_000);
    assert.equal(said[2], "A is live again.");
  });

  it("names three reasons and counts the rest", () => {
    const stale = { A: "one", B: "two", C: "three", D: "four", E: "five" };
    look(scene(stale, { fine: new Set(["F"]) }), 5_000);
    assert.deepEqual(said, ["A is stale: one. B is stale: two. C is stale: three. 2 more are stale."]);
  });

  it("is not what was over before it could be told", () => {
    look(scene({ A: AWAY }), SETTLED_MS);
    look(scene(), 10_000);
    assert.deepEqual(said, []);
  });

  it("comes no closer than its spacing, however much happens", () => {
    const times = [];
    for (let i = 0; i < 120; i += 1) {
      const text = bulletin.look(scene(i % 5 < 3 ? { [["A", "B", "C"][i % 3]]: GONE } : {}), (now += 1_000));
      if (text !== "") times.push(now);
    }
    assert.ok(times.length >= 2);
    for (let i = 1; i < times.length; i += 1) assert.ok(times[i] - times[i - 1] >= SPACING_MS);
  });

  it("leaves the connection to its own words: an unknown feed is no news, and none when it is as it was", () => {
    look(scene({}, { feed: "unknown", circuit: "unknown" }), 30_000);
    look(scene(), 30_000);
    assert.deepEqual(said, []);
  });

  it("does not call a symbol live that was taken off the list", () => {
    look(scene({ A: GONE }), 20_000);
    look(scene({}, { fine: new Set(["B", "C"]) }), 20_000);
    assert.equal(said.length, 1);
  });
});

describe("the title", () => {
  it("is quiet while all is well, and in a word what is not", () => {
    assert.equal(titleOf(scene(), false), "");
    assert.equal(titleOf(scene({ A: GONE }), false), "1 stale");
    assert.equal(titleOf(scene({ A: GONE, B: GONE, C: GONE }), false), "Prices stale");
    assert.equal(titleOf(scene({ A: GONE }, { fine: new Set() }), false), "Price stale");
    assert.equal(titleOf(scene({ A: GONE }, { feed: "down", fine: new Set() }), false), "Feed down");
    assert.equal(titleOf(scene({}, { feed: "down", fine: new Set() }), false), "Feed down");
    assert.equal(titleOf(scene({ A: GONE }, { feed: "down" }), false), "1 stale", "a part of it");
    assert.equal(titleOf(scene({ A: GONE }, { feed: "unknown" }), true), "Connection lost");
  });
});

describe("the scene", () => {
  it("is what the store and the feed say of each symbol with a price", () => {
    const store = new Store();
    store.add(["A", "B", "NONE"]);
    store.applySnapshot([quote("A", 1, 1, { state: "stale", reason: "not_listed", confirmed: 0 }), quote("B", 1, 1)], at(1_000));
    const view = { fetchedAt: 1_000, interval: 1, feed: "live", connected: true, doubtedSince: null };
    const fresh = sceneOf(store, view, 1_500);
    assert.deepEqual([[...fresh.stale], [...fresh.fine]], [[["A", GONE]], ["B"]]);
    const late = sceneOf(store, { ...view, connected: false }, 60_000);
    assert.deepEqual([...late.stale], [["A", GONE], ["B", "no word from the server"]]);
    assert.deepEqual([late.feed, late.circuit], ["unknown", "unknown"]);
  });
});
