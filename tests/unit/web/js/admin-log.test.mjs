import assert from "node:assert/strict";
import { test } from "node:test";
import { settingCells } from "../../../../web/static/js/admin/about-view.js";
import { describeLent, describeLine } from "../../../../web/static/js/admin/log-view.js";
import { describe } from "../../../../web/static/js/admin/wording.js";

const NOW = Date.parse("2026-11-30T14:03:07Z");

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

test("a setting that is not the default stands out", () => {
  assert.deepEqual(settingCells({ name: "PORT", group: "", value: 4000, source: "default" }).map((cell) => [cell.text, cell.tone]), [["PORT", undefined], ["4000", undefined], ["default", "plain"]]);
  assert.equal(settingCells({ name: "HOSTS", group: "", value: ["a", "b"], source: "environment" })[1].text, "a, b");
});

test("a notice has a tone by what it says", () => {
  const notice = { number: 1, at: NOW, kind: "notice", path: "notices", detail: "it is open" };
  assert.equal(describe({ ...notice, reason: "bad" }).tone, "bad");
  assert.equal(describe({ ...notice, reason: "well" }).tone, "good");
});
