import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { age, countdown, decimalsFor, decimalsOf, directionOf, enumerate, exact, firstDifference, price, signed } from "../../../../web/static/js/format.js";
import { noteOf } from "../../../../web/static/js/list-note.js";
import { Memory, readChosen, readSorting, readWatchlist } from "../../../../web/static/js/storage.js";

describe("numbers", () => {
  it("have their decimals, and thousands apart", () => {
    assert.equal(price(150.2, 2), "150.20");
    assert.equal(price(2750.1, 2), "2,750.10");
    assert.equal(price(1.0853, 4), "1.0853");
  });

  it("carry their sign, with a real minus", () => {
    assert.equal(signed(1.254, 2), "+1.25");
    assert.equal(signed(-1.254, 2), "\u22121.25");
  });

  it("that round to zero have no sign and no direction", () => {
    assert.equal(signed(0.004, 2), "0.00");
    assert.equal(signed(-0.004, 2), "0.00");
    assert.equal(directionOf(-0.004, 2), "flat");
    assert.equal(directionOf(-0.005, 2), "down");
    assert.equal(directionOf(0.005, 2), "up");
    assert.equal(directionOf(5e-7, 6), "up");
    for (const decimals of [2, 3, 6, 12, 20]) {
      for (const part of [0, 0.49, 0.5, 0.999, 1, 1.001, 7]) {
        const value = part * 10 ** -decimals;
        const isZero = !/[1-9]/.test(price(value, decimals));
        assert.equal(directionOf(value, decimals), isZero ? "flat" : "up", `${part} of the last of ${decimals} digits`);
        assert.equal(directionOf(-value, decimals), isZero ? "flat" : "down");
      }
    }
  });

  it("have the decimals that the price has, two at least", () => {
    assert.deepEqual([712_345, 150.2, 1.0853, 0.1 + 0.2, 1.23456789].map(decimalsOf), [2, 2, 4, 2, 6]);
  });

  it("below 0.1 have six significant digits", () => {
    const written = (value) => price(value, decimalsOf(value));
    assert.equal(written(0.000000382), "0.000000382");
    assert.equal(written(0.0000064), "0.0000064");
    assert.equal(written(0.0123456789), "0.0123457");
    assert.equal(written(1e-30), "0.00");
  });

  it("of a price far below one: the change has the digits and the arrow of the price", () => {
    const decimals = decimalsFor(3.82e-7, 5.1e-7, 2);
    assert.equal(price(3.82e-7, decimals), "0.000000382");
    assert.equal(signed(3.82e-7 - 5.1e-7, decimals), "\u22120.000000128");
    assert.equal(directionOf(3.82e-7 - 5.1e-7, decimals), "down");
  });

  it("as somebody typed them are written with all digits", () => {
    assert.equal(exact(720_000), "720,000.00");
    assert.equal(exact(2.5, 0), "2.5");
    assert.equal(exact(0.0000105), "0.0000105");
    assert.equal(exact(1.234567890123), "1.234567890123");
    assert.equal(exact(-1.5e-22), "\u22120.00000000000000000000015");
  });
});

/** With breaking spaces, for the eye. */
const plain = (text) => text.replaceAll("\u00a0", " ");

describe("ages", () => {
  it("are told in the unit that matters", () => {
    assert.deepEqual(
      [-5_000, 0, 59_999, 60_000, 3_599_999, 3_600_000, 7_500_000, 86_400_000].map((ms) => plain(age(ms))),
      ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "2 h 5 min", "1 d"],
    );
  });

  it("count down to zero, not past it", () => {
    assert.deepEqual([4_001, 4_000, 1, 0, -10].map((ms) => plain(countdown(ms))), ["5 s", "4 s", "1 s", "0 s", "0 s"]);
  });
});

describe("changed digits", () => {
  it("begin where two prices differ", () => {
    assert.equal(firstDifference("150.25", "150.27"), 5);
    assert.equal(firstDifference("150.25", "151.25"), 2);
    assert.equal(firstDifference("150.25", "150.25"), 6);
  });

  it("are all of them when a place was gained or lost", () => {
    assert.equal(firstDifference("99.99", "100.00"), 0);
    assert.equal(firstDifference("", "1.00"), 0);
  });
});

describe("lists of names", () => {
  it("read as a sentence", () => {
    assert.equal(enumerate([]), "");
    assert.equal(enumerate(["A"]), "A");
    assert.equal(enumerate(["A", "B"]), "A and B");
    assert.equal(enumerate(["A", "B", "C"]), "A, B and C");
    assert.equal(enumerate(["A", "B", "C", "D", "E"]), "A, B and 3 more");
  });
});

describe("stored watch list", () => {
  it("is read back, each symbol once", () => {
    assert.deepEqual(readWatchlist('["AAPL","MSFT","AAPL"]'), ["AAPL", "MSFT"]);
  });

  for (const bad of [null, "", "{", "null", "7", '{"a":1}', '["<b>",null,7]']) {
    it(`is empty when the store holds ${bad}`, () => assert.deepEqual(readWatchlist(bad), []));
  }

  it("keeps the good symbols of a damaged list, up to the limit", () => {
    assert.deepEqual(readWatchlist('["AAPL",{"x":1},"msft"]'), ["AAPL"]);
    assert.equal(readWatchlist(JSON.stringify(Array.from({ length: 1500 }, (_, i) => `S${i}`))).length, 1000);
  });
});

describe("stored sorting", () => {
  it("is read back, and anything else is the user's own order", () => {
    assert.deepEqual(readSorting('{"column":"price","descending":true}'), { column: "price", descending: true });
    for (const bad of [null, "x", "null", "[]", '{"column":"__proto__"}']) assert.equal(readSorting(bad), null);
  });
});

describe("what a window shows", () => {
  it("is a list, the browser's own, or not chosen yet", () => {
    assert.deepEqual([null, "", "x", "-1", "null", "7"].map(readChosen), [undefined, undefined, undefined, undefined, null, 7]);
  });
});

describe("Memory", () => {
  it("works where storage is forbidden, and says so", () => {
    const memory = new Memory(() => {
      throw new Error("SecurityError");
    });
    assert.equal(memory.load("k"), null);
    assert.equal(memory.save("k", []), "forbidden");
    assert.equal(memory.trouble, "forbidden");
  });

  it("says when the browser did not take it", () => {
    const full = {
      getItem: () => null,
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
    };
    assert.equal(new Memory(() => full).save("k", []), "full");
    assert.equal(new Memory(() => full).trouble, null);
    assert.equal(new Memory(() => ({ getItem: () => null, setItem: () => {} })).save("k", []), null);
  });
});

describe("what is told of a list", () => {
  const told = (...args) => noteOf(...args).text;

  it("is nothing where it is kept", () => {
    for (const isOwn of [true, false]) assert.deepEqual(noteOf("known", null, isOwn), { kind: "none", text: "" });
    // The server keeps it.
    assert.equal(told("known", "full", false), "");
  });

  it("never says that a browser keeps it that does not", () => {
    for (const server of ["known", "cookieless", "loggedOut", "away"]) {
      for (const trouble of ["full", "forbidden"]) {
        assert.match(told(server, trouble, true), /lost when you leave this page/);
        assert.equal(noteOf(server, trouble, true).kind, "warning");
        if (server !== "known") assert.match(told(server, trouble, false), /lost when you leave this page/);
      }
    }
    assert.match(told("known", "full", true), /storage of this browser is full.* A new list is kept by the server\./);
    assert.match(told("cookieless", "forbidden", true), /neither cookies nor/);
  });

  it("says where it is kept instead", () => {
    assert.match(told("cookieless", null, true), /kept in it alone/);
    assert.match(told("away", null, false), /kept in this browser and saved later/);
    assert.match(told("loggedOut", null, false), /kept in this browser, and saved when you have logged in/);
  });
});
