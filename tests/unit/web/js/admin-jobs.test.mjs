import assert from "node:assert/strict";
import { test } from "node:test";
import { describeJob } from "../../../../web/static/js/admin/jobs-view.js";

const NOW = 1_795_348_800_000;
const JOB = { name: "purge", about: "", schedule: "every 10m", started: NOW - 120_000, seconds: 0.25, outcome: "ok", note: "", node: "a", next_run: NOW + 480_000, running_on: null, failing: null };
const told = (changes) => Object.values(describeJob({ ...JOB, ...changes }, NOW)).map((text) => text.replaceAll("\u00a0", " "));

test("a job is told by its last run and its next one", () => {
  assert.deepEqual(told({}), ["good", "dot", "Well", "2 min ago on a, took 250 ms", "in 8 min"]);
  assert.deepEqual(told({ started: null, node: null, seconds: null, outcome: "", next_run: null }), ["plain", "dash", "Not yet", "never", "–"]);
  assert.deepEqual(told({ started: NOW + 5_000, next_run: NOW - 1 }).slice(3), ["0 s ago on a, took 250 ms", "due now"]);
});

test("what runs, failed, or waits is no green sign", () => {
  assert.deepEqual(told({ running_on: "b", outcome: "failed" }).slice(0, 3), ["plain", "dot", "Runs on b"]);
  assert.deepEqual(told({ outcome: "failed" }).slice(0, 3), ["warn", "triangle", "Failed"]);
  assert.deepEqual(told({ outcome: "failed", failing: "fails: no room" }).slice(0, 3), ["bad", "cross", "Failing"]);
  assert.deepEqual(told({ outcome: "waits" }).slice(0, 3), ["warn", "triangle", "Waits"]);
});
