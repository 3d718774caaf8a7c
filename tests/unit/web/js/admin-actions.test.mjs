import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionCells, describeDrain, program } from "../../../../web/static/js/admin/connections-view.js";
import { carryOut, drainOrder, outcomeOf, reconnectOrder, restartOrder } from "../../../../web/static/js/admin/safe-actions.js";

const NOW = Date.parse("2026-11-30T14:03:07Z");
const plain = (text) => text.replaceAll("\u00a0", " ");
const body = { target: "x", expected_generation: 3, reason: "why" };

test("what is safe goes to the actions, and faults to where they are injected", async () => {
  const asked = [];
  const api = { post: async (...call) => asked.push(call) };
  await carryOut(api, restartOrder("pubsub"), body, { "X-Chaos-Token": "t" });
  await carryOut(api, reconnectOrder(), body, {});
  await carryOut(api, { ...restartOrder("pubsub"), action: "kill" }, body, { "X-Chaos-Token": "t" });
  assert.deepEqual(asked, [
    ["actions/restart", { path: "pubsub", generation: 3, reason: "why" }],
    ["actions/reconnect", {}],
    ["chaos/inject", body, { "X-Chaos-Token": "t" }],
  ]);
});

test("a drain names whom it reaches", () => {
  const { what, title, parameters } = drainOrder(30, 300, 10);
  assert.equal(title, "Drain 30 % of the clients?");
  assert.match(plain(what), /^3 clients are told to leave, spread over 5 min\. /);
  assert.deepEqual(parameters, { share: 30, over_seconds: 300 });
  assert.match(drainOrder(100, 0, 1).what, /^1 client is told to leave, at once\..*health\/traffic/);
});

test("what came of it is said in one sentence", () => {
  assert.equal(outcomeOf({ action: "restart" }, { path: "a", generation_before: 1, generation: 2 }), "a: generation 1 → 2.");
  assert.equal(outcomeOf({ action: "restart" }, { path: "web", generation: null, detail: "it drains" }), "web: it drains.");
  assert.equal(outcomeOf({ action: "reconnect" }, { ok: false, cut: 1, connections: 0, reason: "no" }), "1 connection cut. Not connected: no");
});

test("a drain is told while it runs, and while nobody new should come", () => {
  const drain = { share: 100, seconds: 60, began: 0, chosen: 10, told: 4, running: true, closed: true };
  assert.equal(plain(describeDrain(drain)), "Draining: 4 of 10 clients told to leave, all within 1 min. No new ones should come.");
  assert.equal(describeDrain({ ...drain, running: false, closed: false }), "");
  assert.equal(describeDrain(null), "");
});

test("a connection says how far behind it is, and with what program it came", () => {
  const row = { number: 7, name: "n", address: "203.0.113.7", who: "ann", agent: "Mozilla/5.0 (X11) Gecko/20100101 Firefox/153.8", since: "2026-11-30T14:02:07Z", symbols: 3, everything: false, lag: 12.3, silent: 1, waiting: 2, slow: true, leaving: false };
  const cells = connectionCells(row, NOW).map((cell) => plain(typeof cell === "string" ? cell : cell.text));
  assert.deepEqual(cells, ["203.0.113.7", "ann", "1 min", "3", "12 s", "2", "slow", "Firefox 153", ""]);
  assert.equal(program("Mozilla/5.0 Chrome/140.0 Safari/537 Edg/140.1"), "Edge 140");
  assert.equal(program("python-httpx/0.28"), "python-httpx/0.28");
  assert.equal(program(""), "–");
});
