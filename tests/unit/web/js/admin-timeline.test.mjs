import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MOST_LANES, SPAN_MS, kindOf, lanes, segments, spanOf, ticks } from "../../../../web/static/js/admin/timeline.js";

const NOW = 10_000_000;
let number = 0;
const restart = (path, ago, over = {}) => ({ number: ++number, at: NOW - ago, path, generation: 2, reason: "killed", down_ms: 1, ...over });

describe("the time line's lanes", () => {
  it("are one for each actor, in the order of the tree, unknown ones last", () => {
    const { lanes: shown, count } = lanes([restart("gone", 5), restart("b", 4), restart("a", 3), restart("b", 2)], ["a", "b"], NOW);
    assert.deepEqual(shown.map(({ path, marks }) => [path, marks.length]), [["a", 1], ["b", 2], ["gone", 1]]);
    assert.equal(count, 4);
  });

  it("leave out what is older than ten minutes", () => {
    assert.deepEqual(lanes([restart("a", SPAN_MS + 1)], ["a"], NOW), { lanes: [], hidden: 0, count: 0 });
  });

  it("are the busiest when there are too many, and say how many are not shown", () => {
    const order = Array.from({ length: MOST_LANES + 3 }, (_, index) => `actor${index}`);
    const restarts = order.flatMap((path, index) => Array.from({ length: index + 1 }, () => restart(path, 1)));
    const { lanes: shown, hidden } = lanes(restarts, order, NOW);
    assert.equal(hidden, 3);
    assert.deepEqual(shown.map(({ path }) => path), order.slice(3));
  });

  it("tell a kill from a crash from a supervisor's doing", () => {
    assert.deepEqual(["killed", "crash(ValueError: x)", "shutdown", null].map(kindOf), ["killed", "crashed", "bystander", "bystander"]);
  });
});

describe("the length of the line", () => {
  it("grows with the server's life, up to ten minutes", () => {
    assert.deepEqual([5, 60, 61, 121, 301, 100_000].map((seconds) => spanOf(NOW - seconds * 1000, NOW) / 60_000), [1, 1, 2, 5, 10, 10]);
  });

  it("has ticks in words, from its beginning to now", () => {
    assert.deepEqual(ticks(60_000).map(({ label }) => label), ["60 s", "45 s", "30 s", "15 s", "now"]);
    assert.deepEqual(ticks(SPAN_MS).map(({ label }) => label), ["10 min", "8 min", "6 min", "4 min", "2 min", "now"]);
    assert.deepEqual(ticks(120_000).map(({ part }) => part), [0, 0.25, 0.5, 0.75, 1]);
  });
});

describe("the breaker's strip", () => {
  const MINUTE = 60_000;
  const move = (ago, left, entered, forced = false) => ({ number: ++number, at: NOW - ago, left, entered, reason: "", forced });
  const pieces = (transitions, state, start = NOW - 10 * MINUTE) =>
    segments(transitions, state, start, NOW, 10 * MINUTE).map(({ from, to, state, forced }) => [Math.round(from * 100), Math.round(to * 100), state, forced]);

  it("is one piece when nothing has changed", () => {
    assert.deepEqual(pieces([], "closed"), [[0, 100, "closed", false]]);
  });

  it("begins with the server", () => {
    assert.deepEqual(pieces([], "closed", NOW - 5 * MINUTE), [[50, 100, "closed", false]]);
  });

  it("has a piece for each state, from its beginning to the next one's", () => {
    const transitions = [move(4 * MINUTE, "closed", "open"), move(2 * MINUTE, "open", "half_open"), move(MINUTE, "half_open", "closed")];
    assert.deepEqual(pieces(transitions, "closed"), [
      [0, 60, "closed", false],
      [60, 80, "open", false],
      [80, 90, "half_open", false],
      [90, 100, "closed", false],
    ]);
  });

  it("goes on from a change that was before it", () => {
    assert.deepEqual(pieces([move(12 * MINUTE, "closed", "open", true)], "open"), [[0, 100, "open", true]]);
  });

  it("shows a hand that holds the same state", () => {
    assert.deepEqual(pieces([move(5 * MINUTE, "closed", "closed", true)], "closed"), [[0, 50, "closed", false], [50, 100, "closed", true]]);
  });
});
