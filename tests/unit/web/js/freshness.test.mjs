import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { FEED_HEARTBEAT_MS, ServerClock, feedState, isStale, rowState, staleAfter } from "../../../../web/static/js/freshness.js";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const view = (over = {}) => ({ asOf: NOW, interval: 5, feed: "live", connected: true, ...over });

describe("ServerClock", () => {
  it("is this machine's until told otherwise", () => {
    assert.equal(new ServerClock(() => 500).now(), 500);
  });

  it("takes the difference from the welcome", () => {
    let local = 1_000;
    const clock = new ServerClock(() => local);
    clock.observe(91_000, null);
    local += 250;
    assert.equal(clock.now(), 91_250);
  });

  it("allows for half the round trip", () => {
    const clock = new ServerClock(() => 1_000);
    clock.observe(50_000, 200);
    assert.equal(clock.now(), 50_100);
  });

  it("follows at once when a clock was set", () => {
    let local = 1_000;
    const clock = new ServerClock(() => local);
    clock.observe(1_000, null);
    local += 3_600_000;
    clock.observe(1_100, 10);
    assert.equal(clock.now(), 1_105);
  });

  it("does not believe an answer that took long", () => {
    const clock = new ServerClock(() => 1_000);
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
    assert.equal(isStale(view({ asOf: null }), NOW), true);
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

  it("follows the interval as the server changes it", () => {
    assert.equal(staleAfter(view({ interval: 5 })), 15_000);
    assert.equal(staleAfter(view({ interval: 60 })), 180_000);
    assert.equal(staleAfter(view({ interval: null })), 15_000);
  });
});

describe("rowState", () => {
  it("loading without a price, whatever the feed does", () => {
    assert.equal(rowState(null, true, NOW), "loading");
    assert.equal(rowState(null, false, NOW), "loading");
  });

  it("live with a fresh price, up to 60 s", () => {
    assert.equal(rowState(NOW - 60_000, false, NOW), "live");
  });

  it("frozen when the feed is fresh and the price is not: a closed market is not a broken feed", () => {
    assert.equal(rowState(NOW - 60_001, false, NOW), "frozen");
  });

  it("stale wins over frozen: an hour-old feed cannot know", () => {
    assert.equal(rowState(NOW - 3_600_000, true, NOW), "stale");
  });

  it("live when the provider's clock is ahead", () => {
    assert.equal(rowState(NOW + 2_000, false, NOW), "live");
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
