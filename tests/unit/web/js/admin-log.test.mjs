import assert from "node:assert/strict";
import { test } from "node:test";
import { settingCells } from "../../../../web/static/js/admin/about-view.js";
import { describeFeedDetails } from "../../../../web/static/js/admin/feeds-view.js";
import { describeLent, describeLine } from "../../../../web/static/js/admin/log-view.js";
import { describe } from "../../../../web/static/js/admin/wording.js";

const NOW = Date.parse("2026-11-30T14:03:07Z");
const ago = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const plain = (facts) => facts.filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`.replaceAll("\u00a0", " "));

test("a line has its fields, and a tone by its severity", () => {
  const line = { number: 1, at: NOW, level: "warning", part: "web", event: "slow", correlation_id: null, fields: { path: "/x", ms: "7" }, trace: null };
  assert.deepEqual(describeLine(line), { tone: "warn", text: "slow path=/x ms=7" });
  assert.deepEqual(describeLine({ ...line, level: "info", fields: {} }), { tone: "plain", text: "slow" });
});

test("lent levels are told with who wanted them", () => {
  const lent = { level: "debug", who: "ann", seconds_left: 61 };
  assert.equal(describeLent([{ name: "web", level: "info", lent: null }, { name: "bus", level: "debug", lent }]).replaceAll("\u00a0", " "), "bus has debug for 1 min, by ann");
  assert.equal(describeLent([]), "");
});

test("a feed tells how fast it is, what counts, and what went wrong last", () => {
  const feed = { name: "api", p50: 0.012, p95: 0.25, recent: 200, outcomes: { successful: 990, failed: 10 }, told: 6000, newer: 5000, refused: 3, trouble: { at: ago(9), kind: "status_503", detail: "status 503", said: "sorry" }, body: { at: ago(1), status: 200, size: 1200, content_type: "application/json", text: "[]" }, lines: [] };
  assert.deepEqual(plain(describeFeedDetails(feed, NOW)), [
    "p50 / p95: 12 ms / 250 ms, of the last 200",
    "Fetches: 990 successful, 10 failed",
    "Items: 6k told, 5k of them newer, 3 refused",
    "Last trouble: 9 s ago, status 503: status 503; they said: sorry",
    "Last answer: 1 s ago, status 200, 1.2 KB, application/json",
  ]);
  const line = { number: 0, phase: "waiting", since: ago(5), symbols: 0, failures: 2, reason: "no answer" };
  const pushed = plain(describeFeedDetails({ ...feed, p50: null, trouble: null, body: null, lines: [line] }, NOW));
  assert.equal(pushed.at(-1), "Line 0: waiting for 5 s, 0 symbols, 2 failures in a row: no answer");
  assert.ok(pushed.includes("Last trouble: none"));
});

test("a setting that is not the default stands out", () => {
  assert.deepEqual(settingCells({ name: "PORT", group: "", value: 4000, source: "default" }).map((cell) => [cell.text, cell.tone]), [["PORT", undefined], ["4000", undefined], ["default", "plain"]]);
  assert.equal(settingCells({ name: "HOSTS", group: "", value: ["a", "b"], source: "environment" })[1].text, "a, b");
});

test("a notice has a tone by what it says", () => {
  const notice = { number: 1, at: NOW, kind: "notice", path: "notices", detail: "it is open" };
  assert.equal(describe({ ...notice, reason: "bad" }).tone, "bad");
  assert.equal(describe({ ...notice, reason: "well" }).tone, "good");
});
