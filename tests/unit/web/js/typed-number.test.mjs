import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { decimalsFor, decimalsOf, directionOf, exact, price, signed } from "../../../../web/static/js/format.js";
import { isUnfinished, readNumber } from "../../../../web/static/js/typed-number.js";
import { randomOf, seedOf } from "./support.mjs";

const understood = (typed, options) => readNumber(typed, options).value;
const refused = (typed) => readNumber(typed).reason;

describe("a typed number", () => {
  it("is read as the page writes it", () => {
    assert.equal(understood("720,000"), 720_000);
    assert.equal(understood("1,234.56"), 1234.56);
    assert.equal(understood("1,234"), 1234);
    assert.equal(understood("1.234"), 1.234);
    assert.equal(understood("720000.5"), 720_000.5);
    assert.equal(understood(" 007 "), 7);
    assert.equal(understood(".5"), 0.5);
    assert.equal(understood("5."), 5);
    assert.equal(understood("\u22121,234.50"), -1234.5);
    assert.equal(understood("+3"), 3);
    assert.equal(Object.is(understood("-0"), 0), true);
  });

  it("may have any blank between thousands, or an apostrophe", () => {
    for (const blank of [" ", "\u00a0", "\u2007", "\u2009", "\u202f", "'", "\u2019"]) {
      assert.equal(understood(`1${blank}234.56`), 1234.56, `U+${blank.codePointAt(0).toString(16)}`);
    }
  });

  it("may have its percent sign where percents are asked for", () => {
    assert.equal(understood("2.5 %", { percent: true }), 2.5);
    assert.equal(understood("2.5%", { percent: true }), 2.5);
    assert.match(refused("2.5 %"), /is not a number that is understood here/);
  });

  it("is refused where it could be meant in two ways, with what to type", () => {
    assert.match(refused("101,5"), /it could mean 101\.5 or 1,015\. Type the one that is meant/);
    assert.match(refused("1,23"), /it could mean 1\.23 or 123\./);
    assert.match(refused("1,234,5"), /it could mean 1,234\.5 or 12,345\./);
  });

  it("in another notation is refused, with what to type", () => {
    for (const [typed, instead] of [
      ["1.234,56", "1,234.56"],
      ["1 234,56", "1,234.56"],
      ["1.234.567", "1,234,567"],
      ["12,34,567", "1,234,567"],
      ["0,5", "0.5"],
      ["0,123", "0.123"],
      ["-0,5", "-0.5"],
      ["1 2 3", "123"],
      ["1e5", "100,000"],
      ["3.82e-7", "0.000000382"],
    ]) {
      assert.equal(refused(typed), `“${typed}” is not how numbers are written here: type ${instead}.`);
      assert.notEqual(understood(instead), undefined, instead);
    }
  });

  it("that is none is refused", () => {
    for (const typed of ["0x10", "Infinity", "NaN", "1e999", "720k", "$5", "1,234.567,8", "\uff11", ".", ",", "1.x", "--1", "1-2", "5 USD"]) {
      assert.match(refused(typed), /is not a number that is understood here: type digits, such as 1,234\.56\./, typed);
    }
    assert.equal(refused("  "), "Type a number.");
  });

  it("is no error before it is finished", () => {
    for (const number of ["720,000", "1,234.56", "1 234 567.8", "-5", ".25"]) {
      for (let length = 0; length <= number.length; length += 1) {
        const typed = number.slice(0, length);
        assert.ok(isUnfinished(typed) || understood(typed) !== undefined, typed);
      }
    }
    for (const typed of ["1.234,", "12,3456", "x", "1e", "0x"]) assert.equal(isUnfinished(typed), false, typed);
  });

  it("with more digits than a number holds is refused, and not rounded without a word", () => {
    for (const typed of ["0.1234567890123456789", "12345678901234567890", `0.${"0".repeat(400)}1`]) {
      assert.match(refused(typed), /has more digits than can be kept/, typed);
    }
    assert.equal(understood("999,999,999,999.99"), 999_999_999_999.99);
    assert.equal(understood("0.00000000000000000000000123"), 1.23e-24);
  });
});

describe("what the page writes", () => {
  const seed = seedOf();

  /** Prices of all sizes, with few digits or all that fit. */
  function* prices() {
    const random = randomOf(seed);
    for (let i = 0; i < 3_000; i += 1) {
      const value = 10 ** (random() * 21 - 9) * (random() + 0.1);
      yield value;
      yield Number(value.toPrecision(1 + Math.floor(random() * 7)));
    }
  }

  it(`it reads back: seed ${seed}`, () => {
    for (const value of prices()) {
      assert.equal(understood(exact(value)), value, `${value} written in full: ${exact(value)}`);
      const decimals = decimalsOf(value);
      const text = price(value, decimals);
      assert.ok(Math.abs(understood(text) - value) <= 0.5 * 10 ** -decimals + 2 * Number.EPSILON * value, `${value} written as ${text}`);
      assert.equal(price(understood(text), decimals), text);
      const change = signed(-value, decimals);
      assert.equal(Math.abs(understood(change)), understood(text), change);
    }
  });

  it(`has six significant digits, and none that mean nothing: seed ${seed}`, () => {
    for (const value of prices()) {
      const text = price(value, decimalsOf(value));
      const error = Math.abs(understood(text) - value) / value;
      assert.ok(error <= 5.1e-6, `${value} written as ${text}`);
      assert.doesNotMatch(text, /\.\d\d\d*0$/, `${value} written as ${text}`);
    }
  });

  it(`never has an arrow beside a zero, nor percents beside a flat change: seed ${seed}`, () => {
    const random = randomOf(seed);
    let before = 2;
    for (const base of prices()) {
      const now = Number((base * (1 + (random() - 0.5) * 10 ** -(random() * 9))).toPrecision(15));
      // A price of another size is another symbol's.
      before = random() < 0.5 ? 2 : before;
      const decimals = decimalsFor(now, base, before);
      before = decimals;
      const [change, percent] = [now - base, (now / base - 1) * 100];
      const direction = directionOf(change, decimals);
      const text = signed(change, decimals);
      const told = `${now} against ${base}: ${text}, ${signed(percent, 2)} %, ${direction}`;
      assert.equal(direction === "flat", /^[0.,]+$/.test(text), told);
      assert.equal(direction === "up", text.startsWith("+"), told);
      if (direction === "flat") assert.equal(directionOf(percent, 2), "flat", told);
      else assert.ok(directionOf(percent, 2) === direction || directionOf(percent, 2) === "flat", told);
    }
  });
});
