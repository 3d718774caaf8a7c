import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { isSymbol, parseSymbols, readSymbolList, suggest } from "../../../../web/static/js/symbols.js";

describe("parseSymbols (W4)", () => {
  it("trims and upper-cases", () => {
    assert.deepEqual(parseSymbols("  aapl "), { symbols: ["AAPL"], invalid: [] });
  });

  it("takes several, by comma, semicolon or space, each once", () => {
    assert.deepEqual(parseSymbols("aapl, msft;tsla\tAAPL,,nflx").symbols, ["AAPL", "MSFT", "TSLA", "NFLX"]);
  });

  it("takes every character the rule allows", () => {
    assert.deepEqual(parseSymbols("NASDAQ:AAPL BRK.B BF-B ^GSPC EURUSD=X 7203.T NSE:M&M EUR_USD").invalid, []);
  });

  it("takes a pair of currencies with a slash as one with a dash", () => {
    assert.deepEqual(parseSymbols("btc/usd ETH/EUR"), { symbols: ["BTC-USD", "ETH-EUR"], invalid: [] });
  });

  it("takes 32 characters and refuses 33, with the reason", () => {
    assert.deepEqual(parseSymbols("A".repeat(32)).symbols, ["A".repeat(32)]);
    const { symbols, invalid } = parseSymbols("A".repeat(33));
    assert.deepEqual(symbols, []);
    assert.match(invalid[0].reason, /longer than 32/);
  });

  it("names the character that is wrong and keeps the good ones", () => {
    const { symbols, invalid } = parseSymbols("AAPL m$ft");
    assert.deepEqual(symbols, ["AAPL"]);
    assert.equal(invalid[0].text, "m$ft");
    assert.match(invalid[0].reason, /“\$”/);
  });

  it("refuses letters that only become good by upper-casing", () => {
    assert.deepEqual(parseSymbols("ß ı ſ").symbols, []);
  });

  it("finds nothing in nothing", () => {
    assert.deepEqual(parseSymbols(" , "), { symbols: [], invalid: [] });
  });
});

describe("isSymbol", () => {
  it("takes only what is normal already", () => {
    assert.equal(isSymbol("AAPL"), true);
    for (const bad of ["aapl", "", " A", "A\n", 7, null, "<SCRIPT>"]) assert.equal(isSymbol(bad), false);
  });
});

describe("readSymbolList", () => {
  it("reads what the API answers", () => {
    assert.deepEqual(readSymbolList({ symbols: [{ symbol: "AAPL", exchange: null, currency: "USD" }], complete: true }), {
      symbols: [{ symbol: "AAPL", exchange: null, currency: "USD", name: null }],
      complete: true,
    });
  });

  it("leaves out what is malformed, and is incomplete when it is not a list", () => {
    assert.deepEqual(readSymbolList({ symbols: [null, {}, { symbol: "<b>" }, { symbol: "A", exchange: 3 }] }), {
      symbols: [{ symbol: "A", exchange: null, currency: null, name: null }],
      complete: false,
    });
    for (const bad of [null, 1, {}, { symbols: 3 }]) assert.deepEqual(readSymbolList(bad), { symbols: [], complete: false });
  });
});

describe("suggest", () => {
  const listed = ["AMZN", "AAPL", "GOOGL", "MSFT", "NASDAQ:AAPL", "SNAP"].map((symbol) => ({ symbol, exchange: null, currency: null }));
  const names = (typed, limit = 8) => suggest(listed, typed, limit).map((item) => item.symbol);

  it("puts those that begin with it first, then those that contain it", () => {
    assert.deepEqual(names("a"), ["AMZN", "AAPL", "NASDAQ:AAPL", "SNAP"]);
  });

  it("looks past an exchange prefix", () => {
    assert.deepEqual(names("aap"), ["AAPL", "NASDAQ:AAPL"]);
  });

  it("keeps to the limit", () => {
    assert.deepEqual(names("a", 2), ["AMZN", "AAPL"]);
    assert.equal(names("", 3).length, 3);
  });

  it("finds nothing for what nobody lists", () => {
    assert.deepEqual(names("ZZZ"), []);
  });
});
