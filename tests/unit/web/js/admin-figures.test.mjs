import assert from "node:assert/strict";
import { test } from "node:test";
import { FIGURES, courseOf, describeRuns } from "../../../../web/static/js/admin/figures-view.js";

const MINUTE = 60_000;
const course = (points) => ({ names: ["clients", "memory"], start: 0, end: 10 * MINUTE, step: MINUTE, points, runs: [] });

test("a course is one line while minutes follow each other, and broken where some are missing", () => {
  const { path, last, highest } = courseOf(course([[MINUTE, 1, 7], [2 * MINUTE, 2, 7], [5 * MINUTE, 4, null], [6 * MINUTE, 3, 7]]), "clients");
  assert.deepEqual([last, highest], [3, 4]);
  assert.equal(path.match(/M/g).length, 2);
  assert.match(path, /^M30\.0,41\.0h0\.1L60\.0,28\.0M150\.0,2\.0/);
  assert.equal(courseOf(course([[5 * MINUTE, 4, null]]), "memory").path, "");
});

test("nothing at all is no line, and zero is one at the bottom", () => {
  assert.deepEqual(courseOf(course([]), "clients"), { path: "", last: null, highest: null });
  assert.equal(courseOf(course([[MINUTE, 0, 0]]), "clients").path, "M30.0,54.0h0.1");
});

test("starts are told with what became of the run before", () => {
  const runs = [{ started: 0, ended: null, how: null }, { started: MINUTE, ended: null, how: "killed" }];
  assert.deepEqual(describeRuns(runs, 2 * MINUTE).map((text) => text.replaceAll("\u00a0", " ")), ["Started 1 min ago; the run before was killed, or its machine went down.", "Started 2 min ago."]);
});

test("each figure is written with its unit", () => {
  assert.equal(new Set(FIGURES.map(([name]) => name)).size, FIGURES.length);
  for (const [, title, write] of FIGURES) assert.notEqual(write(1), "", title);
});
