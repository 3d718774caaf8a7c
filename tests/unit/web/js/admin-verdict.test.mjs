import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceFor } from "../../../../web/static/js/admin/advice.js";
import { kindCells, symbolCells } from "../../../../web/static/js/admin/items-view.js";
import { describeVerdict, placeOf } from "../../../../web/static/js/admin/verdict-view.js";

const NOW = Date.parse("2026-11-30T14:03:07Z");
const ago = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const plain = (cells) => cells.map((cell) => (typeof cell === "string" ? cell : cell.text).replaceAll("\u00a0", " "));

test("a verdict counts what is in trouble apart from warnings", () => {
  const bad = { tone: "bad", part: "history", text: "a" };
  const warn = { tone: "warn", part: "items", text: "b" };
  const { text, tone, icon } = describeVerdict({ tone: "bad", ready: false, reasons: [bad, bad, warn] }, false);
  assert.deepEqual([text, tone, icon], ["2 things in trouble, 1 warning; not ready for clients", "bad", "cross"]);
  assert.equal(describeVerdict({ tone: "warn", ready: true, reasons: [warn] }, false).text, "1 warning");
  assert.equal(describeVerdict({ tone: "good", ready: true, reasons: [] }, false).text, "All is well");
});

test("a server that does not answer is red, whatever it said last", () => {
  const shown = describeVerdict({ tone: "good", ready: true, reasons: [] }, true);
  assert.deepEqual([shown.tone, shown.text, shown.reasons], ["bad", "The server does not answer", []]);
  assert.equal(describeVerdict(null, false).tone, "plain");
});

test("a reason leads to its part, or to the view of that name", () => {
  assert.deepEqual(["history", "clients", "items", "tree"].map(placeOf), ["#history-title", "#connections", "#items", "#tree-title"]);
});

test("a kind that came a moment ago has a tone, with what they said", () => {
  const row = { upstream: "api", kind: "item_not_positive", times: 31, at: ago(4), example: "price of A is 0", said: "sorry" };
  assert.deepEqual(plain(kindCells(row, NOW)), ["not positive", "api", "31", "4 s ago", "price of A is 0; they said: sorry"]);
  assert.equal(kindCells(row, NOW)[0].tone, "warn");
  assert.equal(kindCells({ ...row, at: ago(61) }, NOW)[0].tone, "plain");
});

test("a symbol says whether it was refused or is missing, and how often", () => {
  const row = { upstream: "api", symbol: "A", reason: "not_positive", missing: false, stale: false, times: 2, at: ago(1), detail: "price: 0", confirmed: ago(9) };
  assert.deepEqual(plain(symbolCells(row, NOW)), ["A", "api", "refused", "2", "1 s ago", "9 s ago", "the provider told a price of 0 or less (price: 0)"]);
  const gone = { ...row, reason: "not_listed", missing: true, stale: true, times: 0, at: null, detail: null };
  assert.deepEqual(plain(symbolCells(gone, NOW)).slice(2, 6), ["stale", "0", "–", "9 s ago"]);
});

test("each part says once what to do", () => {
  const reason = (part) => ({ tone: "bad", part, text: part });
  const [first, again, other, unknown] = adviceFor(["history", "history", "webhooks", "elsewhere"].map(reason));
  assert.match(first ?? "", /wait on disk/);
  assert.match(other ?? "", /sent again/);
  assert.deepEqual([again, unknown], ["", ""]);
});
