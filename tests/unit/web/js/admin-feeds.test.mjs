import assert from "node:assert/strict";
import { test } from "node:test";
import { describeFeedDetails, lastOf, lineCells } from "../../../../web/static/js/admin/feeds-view.js";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const before = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const FEED = { name: "api", p50: 0.012, p95: 0.2, recent: 200, outcomes: { successful: 1200, failed: 2 }, told: 7200, newer: 6, refused: 1, trouble: null, body: { at: before(1), status: 200, size: 2_000, content_type: "application/json", text: "[]" }, lines: [], pushed: false, state: "live", reason: null, interval: 1, stale_after: 3, confirmed: before(1), ended: before(1), age_p50: 0.05, age_p95: null };
const LINE = { number: 0, phase: "connected", since: before(300), symbols: 6, failures: 0, reason: null, tone: "good", opened: before(300), heard: before(1), priced: before(2), told: "BTC-USD 97000.5", frame: "{}" };
const facts = (feed) => Object.fromEntries(describeFeedDetails({ ...FEED, ...feed }, NOW).filter(([, value]) => value !== null).map(([name, value, tone]) => [name, [value.replaceAll("\u00a0", " "), tone]]));

test("a feed that is polled tells its last fetch", () => {
  const told = facts({});
  assert.deepEqual(told.State, ["Live", "good"]);
  assert.deepEqual(told["Last fetch"][0], "1 s ago, one each 1 s");
  assert.deepEqual(told.Confirmed, ["1 s ago; stale after 3 s", "good"]);
  assert.equal(told.Items[0], "7.2k told, 6 of them newer, 1 refused");
  assert.equal(told.Fetches[0], "1.2k successful, 2 failed");
  assert.equal(told["Last trouble"][0], "none");
  const trouble = { at: before(9), kind: "status_503", detail: "status 503", said: "sorry" };
  assert.equal(facts({ trouble })["Last trouble"][0], "9 s ago, status 503: status 503; they said: sorry");
  assert.equal(told["Last answer"][0], "1 s ago, status 200, 2 KB, application/json");
  assert.equal(told["p50 / p95"][0], "12 ms / 200 ms, of the last 200");
  assert.equal(told["Age of prices, p50 / p95"][0], "at most 50 ms / over an hour, by the provider’s time");
});

test("a feed that is silent for too long is red", () => {
  assert.deepEqual(facts({ state: "stale", reason: "no answer in time", confirmed: before(9) }).State, ["Stale: no answer in time", "warn"]);
  assert.deepEqual(facts({ state: "down", confirmed: null }).Confirmed, ["never; stale after 3 s", "bad"]);
});

test("a feed that is pushed to tells its connections", () => {
  const told = facts({ pushed: true, body: null, lines: [LINE] });
  assert.equal(told["Last attempt to connect"][0], "1 s ago");
  assert.equal(told["Last answer"], undefined);
  const text = (line) => lineCells({ ...LINE, ...line }, NOW).map((cell) => cell.text.replaceAll("\u00a0", " "));
  assert.deepEqual(text({}), ["Line 0", "connected", "5 min", "1 s ago", "2 s ago", "BTC-USD 97000.5", "6", "0", ""]);
  const silent = lineCells({ ...LINE, tone: "bad", priced: before(45) }, NOW);
  assert.deepEqual([silent[1].tone, silent[4].text.replaceAll("\u00a0", " "), silent[4].tone], ["bad", "45 s ago", "bad"]);
  assert.deepEqual(text({ heard: null, priced: null, told: null }).slice(3, 6), ["none yet", "none yet", ""]);
});

test("what came last is an answer, or frames", () => {
  assert.equal(lastOf(FEED), "[]");
  assert.equal(lastOf({ ...FEED, body: null, lines: [LINE, { ...LINE, number: 1, frame: null }] }), "Line 0: {}");
});
