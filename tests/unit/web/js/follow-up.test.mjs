import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { FollowUp, LONGEST_MS, SOON_MS } from "../../../../web/static/js/follow-up.js";
import { FakeClock } from "./support.mjs";

/** Lasts until it is told otherwise; notes when it was asked, in ms from the beginning. */
function lasting() {
  const clock = new FakeClock();
  const begin = clock.now();
  const told = { asked: [], lasts: true, clock, answer: () => Promise.resolve() };
  const follow = new FollowUp({
    clock,
    isWanted: () => told.lasts,
    look: () => {
      told.asked.push(clock.now() - begin);
      return told.answer();
    },
  });
  /** Second by second, with the answers between. */
  const pass = async (seconds) => {
    for (let second = 0; second < seconds; second += 1) {
      clock.advance(1_000);
      await new Promise(setImmediate);
    }
  };
  return { told, follow, pass };
}

describe("what lasts", () => {
  it("is asked for soon, then less and less often, until it ends", async () => {
    const { told, follow, pass } = lasting();
    follow.changed();
    follow.changed();
    await pass(300);
    assert.equal(told.asked[0], SOON_MS);
    const gaps = told.asked.slice(1).map((at, index) => Math.round((at - told.asked[index]) / 1_000));
    assert.deepEqual([...gaps].sort((a, b) => a - b), gaps);
    assert.equal(gaps.at(-1), LONGEST_MS / 1_000);
    told.lasts = false;
    follow.changed();
    assert.equal(told.clock.pending, 0);
  });

  it("is asked for soon when it begins beside what has lasted for long", async () => {
    const { told, follow, pass } = lasting();
    follow.changed();
    await pass(300);
    told.asked = [];
    follow.begun();
    await pass(SOON_MS / 1_000);
    assert.equal(told.asked.length, 1);
    assert.equal(told.clock.pending, 1);
  });

  it("is asked for although more begins all the time", async () => {
    const { told, follow, pass } = lasting();
    for (let second = 0; second < 30; second += 1) {
      follow.begun();
      await pass(1);
    }
    assert.ok(told.asked.length >= 10, String(told.asked));
    assert.equal(told.clock.pending, 1);
  });

  it("is not asked for again before there is an answer", async () => {
    const { told, follow, pass } = lasting();
    let answer;
    told.answer = () => new Promise((resolve) => (answer = resolve));
    follow.changed();
    await pass(60);
    follow.begun();
    await pass(60);
    assert.deepEqual(told.asked, [SOON_MS]);
    told.answer = () => Promise.resolve();
    answer();
    await new Promise(setImmediate);
    await pass(SOON_MS / 1_000);
    assert.equal(told.asked.length, 2);
  });
});
