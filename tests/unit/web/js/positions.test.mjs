import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Columns } from "../../../../web/static/js/columns.js";
import { ListBook, MOST_POSITIONS } from "../../../../web/static/js/list-book.js";
import { leftOut, planOf, readAnswer, sentenceOf } from "../../../../web/static/js/list-import.js";
import { positionColumns } from "../../../../web/static/js/position-columns.js";
import { heldOf } from "../../../../web/static/js/lots.js";
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

  it("sets them, of symbols that are there as well, sums lots, and names what it does not take", () => {
    const plan = planOf({ symbols: ["A"], sections: [] }, entries, [], 3, { A: held("7", "2", "USD") });
    assert.deepEqual(plan.positions, { A: held("5", null, "USD"), B: held("-3", null, "USD") });
    assert.deepEqual(plan.unread.map(({ line }) => line), [4]);
    assert.deepEqual(plan.notes, ["A: 5 without a cost, instead of 7 at an average cost of 2 USD"]);
    assert.match(sentenceOf(plan), /2 positions set/);
  });

  it("says that this browser's own list has none", () => {
    const plan = planOf({ symbols: [], sections: [] }, entries, [], 9);
    assert.deepEqual(plan.positions, {});
    assert.deepEqual(plan.unread.map(({ line }) => line), [4, 1, 2]);
  });

  it("takes trades in the order of their days, and leaves out what was sold again", () => {
    const trade = (line, symbol, kind, quantity, date, cost = "10") => ({ ...entry(line, symbol, quantity, cost), kind, date, fee: "1" });
    const read = readAnswer({
      entries: [
        trade(1, "A", "sold", "-4", "2024-02-01", "90"), trade(2, "A", "bought", "10", "2024-01-01"), trade(3, "A", "bought", "2", "2024-03-01", "40"),
        trade(4, "GONE", "bought", "2", "2024-01-01"), trade(5, "GONE", "sold", "-2", "2024-01-02"),
        trade(6, "PART", "sold", "-2", "2024-01-02"),
        { ...entry(7, "LISTED", null), unlisted: true },
      ],
      unread: [1, 2, 3, 4].map((line) => ({ line, text: "CASH", reason: "cash" })),
    });
    const plan = planOf({ symbols: [], sections: [] }, read.entries, read.unread, 9, {});
    // 10 at 10 and a fee of 1; 4 sold at the average; 2 at 40 and a fee of 1.
    assert.deepEqual(plan.positions, { A: held("8", "17.7", "USD") });
    assert.deepEqual(plan.added, ["A", "LISTED"]);
    assert.deepEqual(plan.notes, ["A: 3 lots, 8 at an average cost of 17.7 USD", "LISTED: no feed lists it, so it will have no price"]);
    const undated = planOf({ symbols: [], sections: [] }, readAnswer({ entries: [trade(1, "A", "bought", "10", null), trade(2, "A", "sold", "-4", null)] }).entries, [], 9, {});
    assert.deepEqual(undated.notes, ["A: 2 lots, 6 at an average cost of 10.1 USD, with its trades in the order of the file: not each has a day that can be read"]);
    assert.deepEqual(leftOut(plan.unread), [
      { what: "Lines 1, 2, 3 and 1 more", why: "cash" },
      { what: "Line 4: GONE", why: "all of it was sold again" },
      { what: "Line 6: PART", why: "more was sold than was bought here: write what is held" },
    ]);
  });
});

describe("lots", () => {
  const lot = (quantity, cost, more = {}) => ({ quantity, cost, currency: null, ...more });

  it("are summed to the last digit", () => {
    assert.deepEqual(heldOf([lot("0.1", "0.1"), lot("0.2", "0.1"), lot("999999999999.000000000001", "0.1")]).position, held("999999999999.300000000001", "0.1"));
    assert.deepEqual(heldOf([lot("1", "100"), lot("2", "50")]).position, held("3", "66.666666666667"));
  });

  it("go to the other side of 0 at their own price", () => {
    assert.deepEqual(heldOf([lot("-10", "5"), lot("4", "9")]).position, held("-6", "5"));
    assert.deepEqual(heldOf([lot("10", "5"), lot("-15", "9")]).position, held("-5", "9"));
    assert.deepEqual(heldOf([lot("-10", "5", { fee: "1" })]).position, held("-10", "4.9"));
    assert.equal(heldOf([lot("10", "5"), lot("-10", "9")]).position, null);
  });

  it("have an average where all say what they cost, in one currency", () => {
    assert.deepEqual(heldOf([lot("1", "5"), lot("1", null)]).position, held("2", null));
    assert.deepEqual(heldOf([lot("1", null), lot("-1", null), lot("1", "5")]).position, held("1", "5"));
    const mixed = heldOf([lot("1", "5", { currency: "USD" }), lot("1", "5", { currency: "EUR" })]);
    assert.deepEqual(mixed.position, held("2", null));
    assert.match(mixed.note, /several currencies/);
    // One that names none may be in another.
    assert.deepEqual(heldOf([lot("1", "5"), lot("1", "5", { currency: "EUR" })]).position, held("2", null));
  });

  it("of any kind leave a quantity that is their sum, and an average between their prices", () => {
    let seed = 7;
    const next = (most) => (seed = (seed * 48271) % 2147483647) % most;
    for (let round = 0; round < 200; round += 1) {
      const lots = Array.from({ length: 1 + next(6) }, () => lot(String(1 + next(1000)), `${next(1000)}.${next(100)}`));
      const { position } = heldOf(lots);
      const prices = lots.map(({ cost }) => Number(cost));
      assert.equal(Number(position.quantity), lots.reduce((sum, { quantity }) => sum + Number(quantity), 0));
      assert.ok(Number(position.cost) >= Math.min(...prices) && Number(position.cost) <= Math.max(...prices));
    }
  });
});
