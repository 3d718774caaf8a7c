/** The cluster on the admin page: what is said of it, without a browser. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { describeCluster } from "../../../../web/static/js/admin/cluster-view.js";

/** @param {string} text */
const plain = (text) => text.replaceAll("\u00a0", " ");

/** @param {object} [changes] */
const member = (changes = {}) => ({ node: "box-1", boot: 1, ready: true, fetches: ["api/0"], silent_seconds: 0.4, version: "1", address: "http://127.0.0.1:4001", load: 0.034, clients: 1200, clock_ahead_seconds: 0, ...changes });

/** @param {object} [changes] */
const cluster = (changes = {}) => ({ node: "box-1", boot: 1, state: "ready", members: [member(), member({ node: "box-2", boot: 2, fetches: [], silent_seconds: 3.2, clock_ahead_seconds: -172800.3, address: null })], fetches_alone: [], bus: { up: true, server: "a:4222", reason: "", seconds: 60 }, echo_age_seconds: 0.2, echo_seconds: 0.0015, troubles: [], ...changes });

test("each node has a row: this one, what it fetches, when it was heard", () => {
  const { tone, state, lag, rows } = describeCluster(cluster());
  assert.deepEqual([tone, state, plain(lag)], ["good", "Ready", "echo after 1.5 ms"]);
  assert.deepEqual(rows.map((row) => row.cells.map(plain)), [
    ["box-1 (this one)", "Ready", "api/0", "1,200", "3 %", "itself", ""],
    ["box-2", "Ready", "nothing", "1,200", "3 %", "3 s", "-172,800 s"],
  ]);
  assert.deepEqual(rows.map((row) => row.address), ["http://127.0.0.1:4001", ""]);
});

test("a node that is alone says so, what it fetches then, and since when it hears nothing", () => {
  const { tone, state, lag, rows } = describeCluster(cluster({ state: "alone", members: [member()], fetches_alone: ["api/0", "api/1"], bus: { up: false, server: "a:4222", reason: "gone", seconds: 12 }, echo_age_seconds: 12.4 }));
  assert.deepEqual([tone, state], ["bad", "Alone"]);
  assert.equal(plain(lag), "no NATS for 12 s, last echo 12 s ago");
  assert.equal(rows[0].cells[2], "api/0, api/1");
  assert.equal(rows[0].ok, false);
});

test("a trouble elsewhere is one of the cluster; many shards are a number", () => {
  const shards = Array.from({ length: 64 }, (_, part) => `api/${part}`);
  const { tone, state, rows } = describeCluster(cluster({ members: [member({ fetches: shards })], troubles: ["box-2 is not ready"] }));
  assert.deepEqual([tone, state, rows[0].cells[2]], ["warn", "In trouble", "64 shards"]);
});
