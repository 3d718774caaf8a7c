import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { SteadyClock } from "../../../../web/static/js/steady.js";

/** Where the server's clock stands when the page's stands at 0. */
const APART = 5_000_000;

let clock;
beforeEach(() => {
  clock = new SteadyClock();
  clock.begin(0);
  clock.observe(APART, 0);
  clock.answered(0, 0);
});

/** A frame made at `made` of the page's clock that came at `came`. */
const frame = (made, came) => clock.observe(APART + made, came);
/** How old something of `made` is taken to be at `now`, ms. */
const age = (made, now) => now - clock.here(APART + made, now);
const near = (value, expected, most = 10) => assert.ok(Math.abs(value - expected) <= most, `${value} is not ${expected}`);

describe("SteadyClock", () => {
  it("reads the server's clock on the page's", () => {
    frame(1_000, 1_000);
    near(age(900, 1_000), 100);
  });

  it("shows the age of what lay in a socket: a frame that came late brings old prices", () => {
    frame(1_000, 1_000);
    frame(2_000, 10_000);
    near(age(2_000, 10_000), 8_000);
  });

  it("takes what every frame may have waited from the round trip, in full", () => {
    clock.begin(0);
    clock.observe(APART, 7_000);
    near(age(0, 7_000), 7_000);
    clock.answered(7_020, 7_020);
    near(age(0, 7_020), 7_040);
  });

  it("a fast round trip after a slow one is believed", () => {
    clock.begin(0);
    clock.observe(APART, 3_000);
    clock.answered(3_000, 3_000);
    clock.observe(APART + 25_000, 25_000);
    clock.answered(20, 25_020);
    near(age(25_000, 25_020), 40);
  });

  it("tells by how much the page's clock stood still in a sleep, and is right after it", () => {
    frame(1_000, 1_000);
    const slept = 3 * 3_600_000;
    near(clock.observe(APART + 2_000 + slept, 2_000), slept);
    near(age(1_000, 2_000), slept + 1_000);
  });

  it("a frame that only came faster than those before it is no sleep", () => {
    frame(1_000, 1_900);
    assert.equal(frame(2_000, 2_000), 0);
  });

  it("follows clocks that drift apart: an hour at 200 ppm adds no age", () => {
    for (let second = 1; second <= 3_600; second += 1) {
      frame(second * 1_000, second * 1_000.2);
      if (second % 25 === 0) clock.answered(15, second * 1_000.2);
    }
    near(age(3_600_000, 3_600 * 1_000.2), 15);
  });

  it("knows nothing of another process", () => {
    clock.begin(50_000);
    clock.observe(77, 50_010);
    clock.answered(10, 50_010);
    near(clock.here(77, 50_010), 50_000);
  });
});
