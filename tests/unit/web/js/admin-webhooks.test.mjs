import assert from "node:assert/strict";
import { test } from "node:test";
import { deadCells, describeCalls, receiverCells } from "../../../../web/static/js/admin/webhooks-view.js";

const NOW = 1_796_000_000_000;
const plain = (cells) => cells.map((cell) => (typeof cell === "string" ? cell : cell.text).replaceAll("\u00a0", " "));

test("a receiver in trouble stands out", () => {
  const row = { receiver: "hooks.example:443", waiting: 1200, oldest: NOW - 60_000, failures: 3, reason: "status 503" };
  assert.deepEqual(plain(receiverCells(row, NOW)), ["hooks.example:443", "1.2k", "1 min", "3", "status 503"]);
  assert.equal(receiverCells(row, NOW)[3].tone, "warn");
});

test("a dead call can be posted again by who may", () => {
  const row = { alert: 7, receiver: "h:443", symbol: "AAPL", attempts: 9, status: 500, reason: "given up", ended_at: NOW - 5_000, correlation: "3-1-9" };
  const cells = deadCells(row, NOW, true);
  assert.deepEqual(plain(cells), ["h:443", "AAPL", "5 s ago", "9", "status 500: given up", ""]);
  assert.equal(cells[5].buttons[0].value, "7");
  assert.deepEqual(cells[4].lines, { correlation: "3-1-9", of: "AAPL to h:443" });
  assert.deepEqual(deadCells(row, NOW, false)[5].buttons, []);
});

test("what waits is told with the oldest, and nothing where nothing does", () => {
  const overview = { alerts: { rules: 2, fired: 3, unstored: 0, withheld: 0 }, webhooks: { delivered: 5, failed: 1, dead: 0, under_way: 0 } };
  const facts = describeCalls(overview, { waiting: 2, oldest: NOW - 61_000, receivers: [], dead: [] }, NOW).filter(([, value]) => value !== null);
  assert.deepEqual(facts.map(([name, value]) => `${name}: ${value}`.replaceAll("\u00a0", " ")), ["Rules: 2, 3 fired since the start", "Calls waiting: 2, the oldest for 1 min", "Under way: 0", "Since the start: 5 taken, 1 attempts failed, 0 given up"]);
});
