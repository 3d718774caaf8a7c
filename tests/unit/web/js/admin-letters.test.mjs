import assert from "node:assert/strict";
import { test } from "node:test";
import { deadLetterCells, describeMail, domainCells } from "../../../../web/static/js/admin/letters-view.js";

const NOW = 1_796_000_000_000;
const plain = (cells) => cells.map((cell) => (typeof cell === "string" ? cell : cell.text).replaceAll("\u00a0", " "));
const told = (facts) => facts.map(([name, value]) => `${name}: ${value}`.replaceAll("\u00a0", " "));
const QUEUE = { waiting: 2, oldest: NOW - 61_000, domains: [], dead: [] };
const MAIL = { delivered: 5, failed: 1, dead: 0, server: "smtp.example:587", trouble: null, trouble_since: null, last_error: null, last_error_at: null, taken_at: NOW - 3_000 };

test("a domain whose letters were refused stands out", () => {
  const row = { domain: "example.org", waiting: 1200, oldest: NOW - 60_000, attempts: 3, reason: "451 later" };
  assert.deepEqual(plain(domainCells(row, NOW)), ["example.org", "1.2k", "1 min", "3", "451 later"]);
  assert.equal(domainCells(row, NOW)[3].tone, "warn");
  assert.equal(domainCells({ ...row, attempts: 0 }, NOW)[3].tone, "plain");
});

test("a dead letter can be sent again by who may, and never to who wants no more", () => {
  const row = { letter: 7, receiver: "m…@example.org", symbol: "AAPL", attempts: 9, status: 550, reason: "550 nobody", ended_at: NOW - 5_000, barred: null, correlation: "letter-7" };
  const cells = deadLetterCells(row, NOW, true);
  assert.deepEqual(plain(cells), ["m…@example.org", "AAPL", "5 s ago", "9", "550 nobody", ""]);
  assert.equal(cells[5].buttons[0].value, "7");
  assert.deepEqual(deadLetterCells(row, NOW, false)[5].buttons, []);
  const barred = deadLetterCells({ ...row, symbol: null, barred: "who reads it wants no more" }, NOW, true);
  assert.equal(barred[1], "May alerts come?");
  assert.equal(barred[4].text, "550 nobody; not sent again: who reads it wants no more");
  assert.deepEqual(barred[5].buttons, []);
});

test("the server's state, what waits for it and what it said last", () => {
  assert.deepEqual(told(describeMail(null, QUEUE, NOW)), ["Server: none: SMTP_URL is not set", "Letters waiting: 2, the oldest for 1 min"]);
  assert.deepEqual(told(describeMail(MAIL, { ...QUEUE, waiting: 0, oldest: null }, NOW)), ["Server: smtp.example:587", "State: takes letters, the last one 3 s ago", "Letters waiting: none", "Since the start: 5 taken, 1 attempts failed, 0 given up", "Last error: none"]);
  const away = { ...MAIL, trouble: "no connection: refused", trouble_since: NOW - 120_000, last_error: "no connection: refused", last_error_at: NOW - 2_000 };
  assert.deepEqual(told(describeMail(away, QUEUE, NOW)).filter((fact) => fact.startsWith("State") || fact.startsWith("Last")), ["State: takes none since 2 min: no connection: refused", "Last error: no connection: refused, 2 s ago"]);
  assert.equal(told(describeMail({ ...MAIL, taken_at: null }, QUEUE, NOW))[1], "State: no letter was handed in yet");
});
