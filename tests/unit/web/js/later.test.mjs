import assert from "node:assert/strict";
import { test } from "node:test";

import { Later } from "../../../../web/static/js/later.js";

/** A part that comes when the test says so, and somebody who goes from place to place. */
function made() {
  const loads = [];
  const failed = [];
  const there = { place: "button" };
  const later = new Later({
    load: (failures) => new Promise((resolve, reject) => loads.push({ failures, resolve, reject })),
    place: () => there.place,
    onFailed: (error) => failed.push(error.message),
  });
  return { later, loads, failed, there };
}

test("it is fetched once, before it is wanted or then, and is there at once after that", async () => {
  const { later, loads } = made();
  const done = [];
  later.prepare();
  const first = later.use((part) => done.push(part));
  assert.deepEqual([loads.length, done], [1, []]);
  loads[0].resolve("part");
  await first;
  void later.use((part) => done.push(part));
  assert.deepEqual([loads.length, done], [1, ["part", "part"]]);
});

test("who has gone on meanwhile, or wants something else, gets no dialog of before", async () => {
  const { later, loads } = made();
  const done = [];
  const first = later.use(() => done.push("import"));
  const second = later.use(() => done.push("share"));
  loads[0].resolve("part");
  await Promise.all([first, second]);
  assert.deepEqual(done, ["share"]);
  const other = made();
  const gone = other.later.use(() => done.push("position"));
  other.there.place = "row";
  other.loads[0].resolve("part");
  await gone;
  assert.deepEqual(done, ["share"]);
});

test("a failure is told once to who waits, and it is fetched anew by another address", async () => {
  const { later, loads, failed } = made();
  const done = [];
  later.prepare();
  loads[0].reject(new Error("nobody waits"));
  await new Promise((resolve) => setImmediate(resolve));
  const first = later.use(() => done.push(1));
  const second = later.use(() => done.push(2));
  loads[1].reject(new Error("away"));
  await Promise.all([first, second]);
  assert.deepEqual([failed, done], [["away"], []]);
  const third = later.use(() => done.push(3));
  loads[2].resolve("part");
  await third;
  assert.deepEqual([loads.map(({ failures }) => failures), done], [[0, 1, 2], [3]]);
});
