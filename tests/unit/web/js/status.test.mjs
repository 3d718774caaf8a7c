import assert from "node:assert/strict";
import { describe as group, it } from "node:test";

import { sparkline } from "../../../../web/static/js/sparkline.js";
import { describe } from "../../../../web/static/js/status.js";

const NOW = Date.parse("2026-11-22T10:00:00Z");

const status = (over = {}) => ({ type: "status", feed: "live", circuit: "closed", nextProbe: null, reason: null, interval: 1, ...over });
const facts = (over = {}) => ({
  connection: { name: "open" },
  roundTrip: null,
  lost: false,
  status: status(),
  asOf: NOW - 1_000,
  now: NOW,
  serverNow: NOW,
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

group("the feed's truth", () => {
  it("tells when it was fetched and how often", () => {
    assert.equal(told(describe(facts()).feed), "live: fetched 1 s ago · every 1 s");
    assert.equal(told(describe(facts({ status: status({ interval: 0.05 }) })).feed), "live: fetched 1 s ago · every 50 ms");
  });

  it("tells why it is down", () => {
    const feed = describe(facts({ status: status({ feed: "down", reason: "5 failures" }), asOf: NOW - 90_000 })).feed;
    assert.equal(told(feed), "down: fetched 1 min ago · 5 failures");
  });

  it("is stale over old data whatever the server says", () => {
    assert.equal(describe(facts({ asOf: NOW - 60_000 })).feed.state, "stale");
  });

  it("is unknown before the first status and without a connection", () => {
    assert.equal(told(describe(facts({ status: null, asOf: null })).feed), "unknown: ");
    assert.equal(told(describe(facts({ lost: true })).feed), "unknown: no connection · fetched 1 s ago");
  });
});

group("the breaker's truth", () => {
  const breaker = (over, more = {}) => told(describe(facts({ status: status(over), ...more })).breaker);

  it("tells each state", () => {
    assert.equal(breaker({}), "closed: requests pass");
    assert.equal(breaker({ circuit: "half_open" }), "half_open: probing");
    assert.equal(breaker({ circuit: "unknown" }), "unknown: ");
  });

  it("counts down to the next probe, on the server's clock", () => {
    const open = { circuit: "open", nextProbe: NOW + 11_500 };
    assert.equal(breaker(open), "open: next probe in 12 s");
    assert.equal(breaker(open, { now: NOW + 3_600_000 }), "open: next probe in 12 s", "this machine's clock does not matter");
    assert.equal(breaker(open, { serverNow: NOW + 11_500 }), "open: probe due");
  });

  it("is open without a countdown when no probe is planned", () => {
    assert.equal(breaker({ circuit: "open" }), "open: requests held back");
  });

  it("is unknown without a connection: what it was is no news", () => {
    assert.equal(breaker({ circuit: "open" }, { lost: true }), "unknown: no connection");
  });
});

group("sparkline", () => {
  it("spans the box, the highest on top", () => {
    assert.deepEqual(sparkline([1, 3, 2], null, 2), { points: "0,26 50,2 100,14", openAt: null, direction: "up" });
  });

  it("takes an open that is near into the scale", () => {
    const { openAt, direction } = sparkline([10, 12], 14, 2);
    assert.equal(openAt, 2);
    assert.equal(direction, "down");
  });

  it("leaves an open far away out: the course would be a flat line", () => {
    const { points, openAt, direction } = sparkline([100, 101], 50, 2);
    assert.equal(points, "0,26 100,2");
    assert.equal(openAt, null);
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
});
