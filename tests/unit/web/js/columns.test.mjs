import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { Columns, readChoice } from "../../../../web/static/js/columns.js";
import { ownColumns, toldColumns } from "../../../../web/static/js/quote-columns.js";
import { nextSorting, sorted, sortingNow } from "../../../../web/static/js/sort.js";
import { Memory } from "../../../../web/static/js/storage.js";
import { Store } from "../../../../web/static/js/store.js";
import { at, quote } from "./support.mjs";

const KEY = "columns";

/** What a browser keeps, and how often somebody wrote it. */
class Kept {
  values = new Map();
  getItem = (key) => this.values.get(key) ?? null;
  setItem = (key, value) => this.values.set(key, value);
}

let kept;
let store;
let columns;

/** Those of a page that is loaded now. */
function loaded() {
  const made = new Columns(new Memory(() => kept), KEY);
  for (const column of [...ownColumns(store), ...toldColumns()]) made.add(column);
  return made;
}

const ids = (list) => list.map(({ id }) => id);

beforeEach(() => {
  kept = new Kept();
  store = new Store();
  columns = loaded();
});

describe("columns", () => {
  it("show what a list has always had, until somebody chose", () => {
    assert.deepEqual(ids(columns.shown), ["symbol", "price", "change", "trend", "age"]);
  });

  it("keep a choice for the next page, and for those of another version", () => {
    kept.setItem(KEY, '{"gain":true,"price":false,"Bad Id":true,"volume":1}');
    columns = loaded();
    columns.show("volume", true);
    columns.show("trend", false);
    assert.deepEqual(ids(loaded().shown), ["symbol", "price", "change", "age", "volume"]);
    assert.equal(JSON.parse(kept.getItem(KEY)).gain, true);
    assert.equal(columns.isShown("gain"), false, "nobody knows it here");
  });

  it("are as before after a reset, save those that this page does not know", () => {
    kept.setItem(KEY, '{"gain":true,"volume":true}');
    columns = loaded();
    columns.reset();
    assert.deepEqual(ids(columns.shown), ["symbol", "price", "change", "trend", "age"]);
    assert.deepEqual(JSON.parse(kept.getItem(KEY)), { gain: true });
  });

  it("take anything that is kept", () => {
    for (const text of ["", "null", "[]", "7", '"x"', "{", '{"a":{"b":1}}']) assert.deepEqual([...readChoice(text)], []);
  });

  it("follow another tab, and tell who paints them", () => {
    let told = 0;
    columns.onChoice(() => (told += 1));
    loaded().show("volume", true);
    assert.equal(columns.isShown("volume"), false);
    columns.reread();
    assert.deepEqual([columns.isShown("volume"), told], [true, 1]);
  });

  it("hold for the visit where a browser keeps nothing, and say so", () => {
    kept.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    assert.equal(columns.show("volume", true), "full");
    assert.equal(columns.isShown("volume"), true);
  });

  it("tell of data beside the quote", () => {
    const told = [];
    columns.onChanged((symbols) => told.push(...symbols));
    columns.changed(["A", "B"]);
    assert.deepEqual(told, ["A", "B"]);
  });

  it("refuse an id that is taken or none", () => {
    const [column] = toldColumns();
    assert.throws(() => columns.add(column), /already/);
    assert.throws(() => columns.add({ ...column, id: "A b" }), /no id/);
  });
});

describe("sorting", () => {
  /** @param {string} column */
  const by = (column, descending) => sorted(store, { column, descending }, columns);

  beforeEach(() => {
    store.add(["C", "A", "B", "NONE"]);
    const day = (volume) => ({ high: null, low: null, open: null, volume, rolling: false, at: null });
    store.applySnapshot(
      [
        quote("C", 10, 1, { base: 10, day: day(5), confirmed: 50 }),
        quote("A", 30, 1, { base: 20, previous: 15, confirmed: 90 }),
        quote("B", 10, 1, { base: 20, previous: 40, day: day(7), confirmed: 70 }),
      ],
      at(1000),
    );
  });

  it("is the user's own order unless asked, or by a column that nobody knows", () => {
    assert.deepEqual(sorted(store, null, columns), ["C", "A", "B", "NONE"]);
    assert.deepEqual(by("gain", true), ["C", "A", "B", "NONE"]);
  });

  it("goes by symbol, both ways", () => {
    assert.deepEqual(by("symbol", false), ["A", "B", "C", "NONE"]);
    assert.deepEqual(by("symbol", true), ["NONE", "C", "B", "A"]);
  });

  it("keeps the user's order among equals, and rows without a value last, both ways", () => {
    assert.deepEqual(by("price", true), ["A", "C", "B", "NONE"]);
    assert.deepEqual(by("price", false), ["C", "B", "A", "NONE"]);
    assert.deepEqual(by("volume", true), ["B", "C", "A", "NONE"]);
    assert.deepEqual(by("volume", false), ["C", "B", "A", "NONE"]);
  });

  it("goes by percent of the day, by the course of the trend, and by age", () => {
    assert.deepEqual(by("change", true), ["A", "C", "B", "NONE"]);
    assert.deepEqual(by("trend", true), ["A", "B", "C", "NONE"].sort((a, b) => rise(b) - rise(a)));
    assert.deepEqual(by("age", false), ["A", "B", "C", "NONE"], "the youngest first");
  });

  /** @param {string} symbol */
  function rise(symbol) {
    const values = store.entry(symbol).trend.values;
    return values.length === 0 ? -Infinity : values.at(-1) / values[0];
  }

  it("takes what is no number for no value", () => {
    columns.add({ id: "gain", title: "Gain", shown: "yes", descending: true, sortKey: (symbol) => (symbol === "C" ? NaN : symbol.length), make: () => () => {} });
    assert.deepEqual(by("gain", true), ["NONE", "A", "B", "C"]);
  });

  it("does not touch the user's order", () => {
    by("symbol", false);
    assert.deepEqual([...store.symbols], ["C", "A", "B", "NONE"]);
  });

  it("goes through first direction, second direction, own order", () => {
    const [symbol, price] = columns.all;
    const one = nextSorting(null, price);
    const two = nextSorting(one, price);
    assert.deepEqual([one, two, nextSorting(two, price)], [
      { column: "price", descending: true },
      { column: "price", descending: false },
      null,
    ]);
    assert.deepEqual(nextSorting(two, symbol), { column: "symbol", descending: false });
  });

  it("is the user's own again when its column is hidden, until that is back", () => {
    const sorting = { column: "volume", descending: true };
    assert.equal(sortingNow(sorting, columns), null);
    columns.show("volume", true);
    assert.equal(sortingNow(sorting, columns), sorting);
  });
});
