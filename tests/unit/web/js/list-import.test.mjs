import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { planOf, readAnswer, sentenceOf } from "../../../../web/static/js/list-import.js";

const list = { symbols: ["AAPL", "TSLA"], sections: [{ name: "Cars", folded: true, symbols: ["TSLA"] }] };
const entry = (symbol, section = null, line = 1) => ({ symbol, section, line });

describe("an import", () => {
  it("adds what is not there, to sections of the same name or new ones", () => {
    const plan = planOf(list, [entry("AAPL", "Tech"), entry("F", "CARS"), entry("MSFT", "Tech"), entry("X"), entry("F", "Tech"), entry(null, "Empty")], [], 10);
    assert.deepEqual(plan.added, ["F", "MSFT", "X"]);
    assert.deepEqual(plan.there, ["AAPL"]);
    assert.deepEqual(plan.list.symbols, ["AAPL", "X", "TSLA", "F", "MSFT"]);
    assert.deepEqual(
      plan.list.sections.map(({ name, symbols }) => [name, ...symbols]),
      [["Cars", "TSLA", "F"], ["Tech", "MSFT"], ["Empty"]],
    );
    assert.deepEqual(list.sections[0].symbols, ["TSLA"]);
    assert.equal(sentenceOf(plan), "3 symbols would be added, 1 is on the list already.");
  });

  it("names all that find no room", () => {
    const plan = planOf(list, [entry("A"), entry("B", "New"), entry("C"), entry("AAPL")], [{ line: 3, text: "?", reason: "no" }], 3);
    assert.deepEqual([plan.added, plan.left, plan.there], [["A"], ["B", "C"], ["AAPL"]]);
    assert.equal(sentenceOf(plan), "1 symbol would be added, 1 is on the list already, 2 find no room, 1 is left out.");
  });

  it("keeps symbols whose section is one too many, and says so", () => {
    const plan = planOf({ symbols: [], sections: [] }, Array.from({ length: 52 }, (_, n) => entry(`A${n}`, `S${n}`, n)), [], 100);
    assert.equal(plan.list.sections.length, 50);
    assert.equal(plan.added.length, 52);
    assert.deepEqual(plan.unread.map(({ text }) => text), ["S50", "S51"]);
  });

  it("is read from anything", () => {
    for (const odd of [null, 7, {}, { entries: 7, unread: [null, 7, {}] }, { entries: [{}, { line: 1, symbol: 7 }, { line: 1, symbol: null, section: null }] }]) {
      assert.deepEqual(readAnswer(odd), { entries: [], unread: [] });
    }
  });
});
