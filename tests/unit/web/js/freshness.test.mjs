import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { DOUBT_MS, FEED_HEARTBEAT_MS, FROZEN_AFTER_MS, ServerClock, feedState, isStale, rowState, staleAfter } from "../../../../web/static/js/freshness.js";

const NOW = 1_000_000;
const view = (over = {}) => ({ fetchedAt: NOW, interval: 5, feed: "live", connected: true, doubtedSince: null, ...over });
const held = (over = {}) => ({ state: "live", reason: null, confirmedAt: null, changedAt: NOW, session: null, ...over });
const stateOf = (quote, over = {}, now = NOW) => rowState(quote, view(over), now);

describe("ServerClock", () => {
  it("is a guess until told otherwise, and goes on with the monotonic clock", () => {
    let local = 20;
    const clock = new ServerClock(() => local, 90_000);
    local += 500;
    assert.equal(clock.now(), 90_500);
  });

  it("takes the time from the welcome", () => {
    let local = 1_000;
    const clock = new ServerClock(() => local, 0);
    clock.observe(91_000, null);
    local += 250;
    assert.equal(clock.now(), 91_250);
  });

  it("allows for half the round trip", () => {
    const clock = new ServerClock(() => 1_000, 0);
    clock.observe(50_000, 200);
    assert.equal(clock.now(), 50_100);
  });

  it("does not believe an answer that took long", () => {
    const clock = new ServerClock(() => 1_000, 0);
    clock.observe(2_000, null);
    clock.observe(9_000, 2_001);
    assert.equal(clock.now(), 2_000);
  });
});

describe("live and stale", () => {
  it("live up to three fetch intervals, stale beyond", () => {
    assert.equal(isStale(view(), NOW + 15_000), false);
    assert.equal(isStale(view(), NOW + 15_001), true);
  });

  it("stale while no fetch is known", () => {
    assert.equal(isStale(view({ fetchedAt: null }), NOW), true);
  });

  it("does not flicker between two heartbeats of a feed whose prices stand still", () => {
    const fast = view({ interval: 1 });
    assert.equal(isStale(fast, NOW + FEED_HEARTBEAT_MS + 1_000), false);
    assert.equal(isStale(fast, NOW + FEED_HEARTBEAT_MS + 1_001), true);
  });

  it("keeps to three intervals when the server does not call the feed live", () => {
    for (const feed of ["stale", "down", "unknown"]) {
      assert.equal(isStale(view({ interval: 1, feed }), NOW + 3_001), true);
      assert.equal(isStale(view({ interval: 1, feed }), NOW + 3_000), false);
    }
  });

  it("keeps to three intervals when no message can come", () => {
    assert.equal(isStale(view({ interval: 1, connected: false }), NOW + 3_001), true);
  });

  it("is patient with the sources that are live while a part of them is away", () => {
    const feed = "down";
    assert.equal(isStale(view({ interval: 1, feed, partly: true }), NOW + 6_000), false);
    assert.equal(isStale(view({ interval: 1, feed, partly: true }), NOW + 6_001), true);
    assert.equal(isStale(view({ interval: 1, feed, partly: false }), NOW + 3_001), true);
  });

  it("follows the interval as the server changes it", () => {
    assert.equal(staleAfter(view({ interval: 5 })), 15_000);
    assert.equal(staleAfter(view({ interval: 60 })), 180_000);
    assert.equal(staleAfter(view({ interval: null })), 15_000);
  });
});

describe("a connection in doubt", () => {
  it("keeps prices live for a moment, and none after it", () => {
    assert.equal(isStale(view({ doubtedSince: NOW }), NOW + DOUBT_MS), false);
    assert.equal(isStale(view({ doubtedSince: NOW }), NOW + DOUBT_MS + 1), true);
    assert.equal(feedState(view({ doubtedSince: NOW }), NOW + DOUBT_MS + 1), "unknown");
  });
});

describe("rowState", () => {
  const unasked = { state: "live", cause: null };

  it("loading without a price, whatever the feed does", () => {
    for (const over of [{}, { fetchedAt: null }]) assert.deepEqual(stateOf(null, over), { state: "loading", cause: null });
  });

  it("live as long as the last fetch told it, whatever time the provider gives", () => {
    assert.deepEqual(stateOf(held({ timestamp: NOW - 900_000 })), unasked);
    assert.deepEqual(stateOf(held({ timestamp: NOW + 280_000 })), unasked);
  });

  it("stale at once when the server says so of the symbol, though the feed is live", () => {
    assert.deepEqual(stateOf(held({ state: "stale", reason: "not_listed", confirmedAt: NOW - 2_000 })), { state: "stale", cause: "symbol" });
  });

  it("stale with the feed, and by what", () => {
    assert.deepEqual(stateOf(held(), {}, NOW + 15_001), { state: "stale", cause: "feed" });
    assert.deepEqual(stateOf(held(), { connected: false }, NOW + 15_001), { state: "stale", cause: "connection" });
    assert.deepEqual(stateOf(held(), { doubtedSince: NOW - 2_000 }), { state: "stale", cause: "connection" });
  });

  it("frozen when it is confirmed and has not changed for a minute, in an open session or an unknown one", () => {
    for (const session of [null, "pre", "regular", "post"]) {
      assert.equal(stateOf(held({ session, changedAt: NOW - FROZEN_AFTER_MS })).state, "live");
      assert.equal(stateOf(held({ session, changedAt: NOW - FROZEN_AFTER_MS - 1 })).state, "frozen");
    }
  });

  it("not frozen while it moves, however old its prices are: that is a delayed one", () => {
    assert.equal(stateOf(held({ delayedSeconds: 900, timestamp: NOW - 900_000, changedAt: NOW - 500 })).state, "live");
  });

  it("closed or halted as the provider says, and then it may stand", () => {
    for (const session of ["closed", "halted"]) assert.equal(stateOf(held({ session, changedAt: 0 })).state, session);
    assert.equal(stateOf(held({ session: "closed" }), {}, NOW + 15_001).state, "stale", "what is not fetched cannot be known");
  });
});

describe("feedState", () => {
  it("is the server's word while the data bear it out", () => {
    for (const feed of ["live", "stale", "down", "unknown"]) assert.equal(feedState(view({ feed }), NOW + 1_000), feed);
  });

  it("is stale over old data, even if the server calls it live", () => {
    assert.equal(feedState(view(), NOW + 20_000), "stale");
  });

  it("is unknown without a connection", () => {
    assert.equal(feedState(view({ connected: false }), NOW), "unknown");
  });
});
