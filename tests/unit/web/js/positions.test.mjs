import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Columns } from "../../../../web/static/js/columns.js";
import { ListBook, MOST_POSITIONS } from "../../../../web/static/js/list-book.js";
import { planOf, readAnswer, sentenceOf } from "../../../../web/static/js/list-import.js";
import { positionColumns } from "../../../../web/static/js/position-columns.js";
import { changed, differences, moneyDecimals, readPositions, sumsOf, worth } from "../../../../web/static/js/positions.js";
import { Memory } from "../../../../web/static/js/storage.js";

const held = (quantity, cost = null, currency = null) => ({ quantity, cost, currency });
const at = (price, base, currency = "USD") => ({ price, base, currency });

describe("what a position is worth", () => {
  it("is quantity times price, its change, and what it has cost", () => {
    assert.deepEqual(worth(held("10", "90"), at(110, 100)), { value: 1100, today: 100, all: 200 });
  });

  it("is turned round for a short one", () => {
    assert.deepEqual(worth(held("-10", "90"), at(110, 100)), { value: -1100, today: -100, all: -200 });
  });

  it("is told as far as it is known, and never converted", () => {
    assert.deepEqual(worth(held("1"), at(5, null)), { value: 5, today: null, all: null });
    assert.equal(worth(held("1", "4", "GBP"), at(500, 400, "GBX")).all, null);
    assert.equal(worth(held("1", "4", "GBX"), at(500, 400, "GBX")).all, 496);
    assert.equal(worth(held("1", "4"), at(5, 4, null)).all, 1);
    assert.equal(worth(held("1", "0"), at(5, 4)).all, 5);
  });

  it("has as many decimals as it needs", () => {
    assert.deepEqual([0, 0.01, -1234.5, 0.00000382].map(moneyDecimals), [2, 2, 2, 8]);
  });
});

describe("sums of positions", () => {
  it("are by currency, and name what is not counted", () => {
    const quotes = { A: at(10, 9), B: at(20, null), C: at(5, 4, "EUR"), D: at(1, 1, null), E: null, G: at(500, 500, "GBX") };
    const positions = { A: held("2", "8"), B: held("1"), C: held("-1", "6"), D: held("3", "1"), E: held("9"), G: held("1", "5", "GBP") };
    const { sums, notes } = sumsOf(positions, (symbol) => quotes[symbol]);
    assert.deepEqual(sums, [
      { currency: "EUR", value: -5, today: -1, all: 1 },
      { currency: "GBX", value: 500, today: 0, all: null },
      { currency: "USD", value: 40, today: 2, all: 4 },
      { currency: null, value: 3, today: 0, all: 0 },
    ]);
    assert.deepEqual(notes, [
      "Not counted, as there is no price: E.",
      "Not in the gain today, as there is nothing to compare with: B.",
      "Not in the gain in all, as there is no cost: B.",
      "Not in the gain in all, as the cost is in another currency than the price: G.",
    ]);
  });

  it("are none of nothing", () => assert.deepEqual(sumsOf({}, () => null), { sums: [], notes: [] }));
});

describe("positions", () => {
  it("are read from anything", () => {
    for (const odd of [null, 7, [], "x", { A: null, "a b": held("1"), B: held("0"), C: held("1e3"), D: { quantity: 1 } }]) {
      assert.deepEqual(readPositions(odd), {});
    }
    assert.deepEqual(readPositions({ A: { quantity: "-0.5", cost: "-1", currency: 7 } }), { A: held("-0.5") });
  });

  it("differ by symbol, and go with it", () => {
    const [from, to] = [{ A: held("1"), B: held("2"), C: held("3") }, { A: held("1"), B: held("4") }];
    assert.deepEqual(differences(from, to, ["A", "B", "C"]), { B: held("4"), C: null });
    assert.deepEqual(differences(from, to, ["A", "B"]), { B: held("4") });
    assert.deepEqual(changed(from, { B: null, X: held("1") }, ["C", "A", "B"]), { C: held("3"), A: held("1") });
  });

  it("are sorted by, and shown when there are some and nobody chose", () => {
    const columns = new Columns(new Memory(() => null), "columns");
    for (const column of positionColumns(() => ({ A: held("2", "8") }))) columns.add(column);
    assert.deepEqual(columns.all.map(({ sortKey }) => sortKey("A", { quote: at(10, 9) })), [2, 8, 20, 2, 4]);
    assert.deepEqual(columns.all.map(({ sortKey }) => sortKey("B", undefined)), Array(5).fill(null));
    columns.want(["cost", "value"], true);
    columns.show("value", false);
    assert.deepEqual(columns.shown.map(({ id }) => id), ["cost"]);
    columns.want(["cost", "value"], false);
    assert.deepEqual(columns.shown, []);
  });
});

describe("positions of a kept list", () => {
  const told = (positions, symbols = ["A", "B"]) => ({ id: 1, name: "Mine", symbols, sections: [], positions });
  const book = (positions, symbols) => {
    const made = new ListBook(null);
    made.received([told(positions, symbols)]);
    made.choose(1);
    return made;
  };

  it("are sent as what differs, and stay beside what others did", () => {
    let mine = book({ A: held("1"), B: held("2") });
    mine.hold({ A: held("5"), B: null });
    assert.deepEqual(mine.change(1), { add: [], remove: [], positions: { A: held("5"), B: null } });
    mine = new ListBook(JSON.stringify(mine.toText()), 1);
    mine.received([told({ A: held("1"), B: held("2"), C: held("7") }, ["A", "B", "C"])]);
    assert.deepEqual(mine.active.positions, { A: held("5"), C: held("7") });
    mine.told(told({ A: held("5"), C: held("7") }, ["A", "B", "C"]));
    assert.equal(mine.change(1), null);
    mine.edited({ symbols: ["B", "C"], sections: [] });
    assert.deepEqual(mine.change(1), { add: [], remove: ["A"] });
  });

  it("are sent in several changes when there are many", () => {
    const symbols = Array.from({ length: MOST_POSITIONS + 1 }, (_, n) => `S${n}`);
    const mine = book({}, symbols);
    const all = Object.fromEntries(symbols.map((symbol) => [symbol, held("1")]));
    mine.hold(all);
    const { positions } = mine.change(1);
    assert.equal(Object.keys(positions).length, MOST_POSITIONS);
    mine.told(told(positions, symbols));
    assert.deepEqual(mine.active.positions, all);
    assert.deepEqual(mine.change(1), { add: [], remove: [], positions: { [`S${MOST_POSITIONS}`]: held("1") } });
  });
});

describe("an import with positions", () => {
  const entry = (line, symbol, quantity, cost = null) => ({ line, symbol, section: null, quantity, cost, currency: "USD" });
  const { entries } = readAnswer({ entries: [entry(1, "A", "1", "2"), entry(2, "B", "-3"), entry(3, "A", "4"), entry(4, "C", null, "5"), entry(5, "D", "0")] });

  it("sets them, of symbols that are there as well, and names what it does not take", () => {
    const plan = planOf({ symbols: ["A"], sections: [] }, entries, [], 3, true);
    assert.deepEqual(plan.positions, { A: held("1", "2", "USD"), B: held("-3", null, "USD") });
    assert.deepEqual(plan.unread.map(({ line }) => line), [3, 4]);
    assert.match(sentenceOf(plan), /2 positions set/);
  });

  it("says that this browser's own list has none", () => {
    const plan = planOf({ symbols: [], sections: [] }, entries, [], 9);
    assert.deepEqual(plan.positions, {});
    assert.deepEqual(plan.unread.map(({ line }) => line), [1, 2, 3, 4]);
  });
});
