import assert from "node:assert/strict";
import { describe as group, it } from "node:test";

import { courseOf, sparkline } from "../../../../web/static/js/sparkline.js";
import { describe } from "../../../../web/static/js/status.js";

const NOW = 500_000;

const status = (over = {}) => ({ type: "status", feed: "live", circuit: "closed", probeIn: null, reason: null, interval: 1, ...over });
const feed = (over = {}) => ({ fetchedAt: NOW - 1_000, interval: 1, feed: "live", connected: true, doubtedSince: null, ...over });
const facts = (over = {}) => ({
  connection: { name: "open" },
  roundTrip: null,
  status: status(),
  probeAt: null,
  feed: feed(),
  now: NOW,
  ...over,
});
/** With breaking spaces, for the eye. */
const told = (shown) => `${shown.state}: ${shown.detail}`.replaceAll("\u00a0", " ");

group("the socket's truth", () => {
  const cases = {
    idle: [{ name: "idle" }, "connecting: "],
    connecting: [{ name: "connecting", attempt: 3 }, "connecting: "],
    open: [{ name: "open" }, "open: "],
    waiting: [{ name: "waiting", attempt: 2, retryAt: NOW + 3_200, reason: "x" }, "waiting: retry in 4 s"],
    "a wait that is over": [{ name: "waiting", attempt: 2, retryAt: NOW - 50, reason: "x" }, "waiting: retry in 0 s"],
    closed: [{ name: "closed", code: 4503, reason: "forbidden" }, "closed: forbidden"],
  };
  for (const [name, [connection, expected]] of Object.entries(cases)) {
    it(`tells ${name}`, () => assert.equal(told(describe(facts({ connection })).socket), expected));
  }

  it("tells the round trip once it is known", () => {
    assert.equal(told(describe(facts({ roundTrip: 12.4 })).socket), "open: round trip 12 ms");
  });
});

group("a connection in doubt", () => {
  it("is no connected one once it has not answered for a second, and neither feed nor breaker is known", () => {
    const shown = (ago) => describe(facts({ feed: feed({ doubtedSince: NOW - ago }) }));
    assert.equal(shown(1_000).socket.state, "open");
    assert.deepEqual(told(shown(1_001).socket), "waiting: asking whether it is still there");
    assert.equal(shown(1_001).feed.state, "unknown");
    assert.equal(shown(1_001).breaker.state, "unknown");
  });
});

group("the feed's truth", () => {
  it("tells when it was fetched and how often", () => {
    assert.equal(told(describe(facts()).feed), "live: fetched 1 s ago · every 1 s");
    assert.equal(told(describe(facts({ feed: feed({ interval: 0.05 }) })).feed), "live: fetched 1 s ago · every 50 ms");
  });

  it("tells why it is down", () => {
    const down = describe(facts({ status: status({ feed: "down", reason: "5 failures" }), feed: feed({ feed: "down", fetchedAt: NOW - 90_000 }) })).feed;
    assert.equal(told(down), "down: fetched 1 min ago · 5 failures");
  });

  it("is stale over old data whatever the server says", () => {
    assert.equal(describe(facts({ feed: feed({ fetchedAt: NOW - 60_000 }) })).feed.state, "stale");
  });

  it("is unknown before the first status and without a connection", () => {
    assert.equal(told(describe(facts({ status: null, feed: feed({ feed: "unknown", fetchedAt: null }) })).feed), "unknown: ");
    assert.equal(told(describe(facts({ feed: feed({ connected: false }) })).feed), "unknown: no connection · fetched 1 s ago");
  });
});

group("the breaker's truth", () => {
  const breaker = (over, more = {}) => told(describe(facts({ status: status(over), ...more })).breaker);

  it("tells each state", () => {
    assert.equal(breaker({}), "closed: requests pass");
    assert.equal(breaker({ circuit: "half_open" }), "half_open: probing");
    assert.equal(breaker({ circuit: "unknown" }), "unknown: ");
  });

  it("counts down to the next probe", () => {
    const open = { circuit: "open" };
    assert.equal(breaker(open, { probeAt: NOW + 11_500 }), "open: next probe in 12 s");
    assert.equal(breaker(open, { probeAt: NOW }), "open: probe due");
  });

  it("is open without a countdown when no probe is planned", () => {
    assert.equal(breaker({ circuit: "open" }), "open: requests held back");
  });

  it("is unknown without a connection: what it was is no news", () => {
    assert.equal(breaker({ circuit: "open" }, { feed: feed({ connected: false }) }), "unknown: no connection");
  });
});

group("sparkline", () => {
  it("spans the box, the highest on top", () => {
    assert.deepEqual(sparkline([1, 3, 2], null, 2), { points: "0,26 50,2 100,14", baseAt: null, direction: "up" });
  });

  it("takes a base that is near into the scale", () => {
    const { baseAt, direction } = sparkline([10, 12], 14, 2);
    assert.equal(baseAt, 2);
    assert.equal(direction, "down");
  });

  it("leaves a base far away out: the course would be a flat line", () => {
    const { points, baseAt, direction } = sparkline([100, 101], 50, 2);
    assert.equal(points, "0,26 100,2");
    assert.equal(baseAt, null);
    assert.equal(direction, "up");
  });

  it("is a line in the middle for one value, or equal ones", () => {
    assert.equal(sparkline([5], null, 2).points, "0,14 100,14");
    assert.equal(sparkline([5, 5, 5], 5, 2).points, "0,14 50,14 100,14");
    assert.equal(sparkline([5, 5], 5, 2).direction, "flat");
  });

  it("goes where the change beside it goes", () => {
    assert.equal(sparkline([5.1e-7, 3.82e-7], 5.1e-7, 9).direction, "down");
    assert.equal(sparkline([5, 5.004], 5, 2).direction, "flat");
  });

  it("is spaced by time: over a stretch without a price it goes straight", () => {
    assert.equal(sparkline([1, NaN, NaN, 3, 2], null, 2).points, "0,26 75,2 100,14");
  });

  it("is told in words to who does not see it", () => {
    const shown = (value) => value.toFixed(2);
    const said = (values, since = null) => courseOf({ values, since }, shown);
    assert.equal(said([]), "no prices yet");
    assert.equal(said([5]), "one price, 5.00");
    const range = "from 3.00 to 4.00, lowest 1.00, highest 9.00";
    assert.equal(said([3, 9, NaN, 1, 4]), range);
    assert.equal(said([3, 9, 1, 4], { ago: 36_000 }), `${range}, in the last minute`);
    assert.equal(said([3, 9, 1, 4], { ago: 150_000 }), `${range}, in the last 3 minutes`);
    const at = Date.parse("2026-11-30T14:30:00Z");
    assert.equal(said([3, 9, 1, 4], { zone: "America/New_York", at }), `${range}, since Mon 09:30 in New\u00a0York`);
    assert.equal(said([3, 9, 1, 4], { zone: "UTC", at }), `${range}, since Mon 14:30\u00a0UTC`);
    assert.equal(said([3, 9, 1, 4], { zone: "Mars/Olympus", at }), `${range}, since Mon 14:30\u00a0UTC`);
  });

});
