import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  arranged,
  isSame,
  itemsOf,
  placed,
  readSections,
  sectionOf,
  sectionPlaced,
  sectionStepped,
  stepped,
  whyNoName,
  withChanged,
  withSection,
  withoutSection,
} from "../../../../web/static/js/arrangement.js";

const section = (name, ...symbols) => ({ name, folded: false, symbols });
/** "A B | Tech: C D | Cars: E" */
const list = (text) => {
  const [loose, ...rest] = text.split("|").map((part) => part.trim());
  const sections = rest.map((part) => {
    const [name, symbols] = part.split(":");
    return { name: name.replace("*", ""), folded: name.endsWith("*"), symbols: symbols.split(" ").filter(Boolean) };
  });
  const top = loose.split(" ").filter(Boolean);
  return { symbols: [...top, ...sections.flatMap((one) => one.symbols)], sections };
};
const text = (it) => {
  if (it === null) return null;
  const held = new Set(it.sections.flatMap((one) => one.symbols));
  const top = it.symbols.filter((symbol) => !held.has(symbol)).join(" ");
  return [top, ...it.sections.map((one) => `${one.name}${one.folded ? "*" : ""}: ${one.symbols.join(" ")}`.trim())].join(" | ").trim();
};

describe("a list in sections", () => {
  it("is its symbols from top to bottom, those of no section first", () => {
    const made = arranged(["E", "A", "C", "B", "D"], [section("Tech", "D", "C", "GONE"), section("Cars", "E", "C")]);
    assert.equal(text(made), "A B | Tech: C D | Cars: E");
    assert.deepEqual(made.symbols, ["A", "B", "C", "D", "E"]);
    assert.ok(isSame(arranged(made.symbols, made.sections), made));
  });

  it("shows of a folded section its name", () => {
    const it = list("A | Tech*: C D | Cars: E F");
    assert.deepEqual(
      itemsOf(it, (symbols) => symbols.toReversed()).map((item) => item.name ?? item),
      ["A", "Tech", "Cars", "F", "E"],
    );
  });

  it("is read from anything", () => {
    for (const odd of [null, 7, {}, "x", [7, null, { name: 1 }, { name: "x" }]]) assert.deepEqual(readSections(odd), []);
    assert.deepEqual(readSections([{ name: "x", symbols: ["A", 7, "no symbol"] }, section("X", "B")]), [section("x", "A")]);
  });
});

describe("a row", () => {
  const it_ = list("A B | Tech: C D | Cars*: E");

  it("goes past the next one, and over the name of a section, which opens", () => {
    for (const [symbol, by, after] of [
      ["A", 1, "B A | Tech: C D | Cars*: E"],
      ["B", 1, "A | Tech: B C D | Cars*: E"],
      ["C", -1, "A B C | Tech: D | Cars*: E"],
      ["D", 1, "A B | Tech: C | Cars: D E"],
      ["E", -1, "A B | Tech: C D E | Cars*:"],
      ["A", -1, null],
      ["E", 1, null],
      ["X", 1, null],
    ]) assert.equal(text(stepped(it_, symbol, by)), after);
  });

  it("goes anywhere at once", () => {
    for (const [symbol, to, before, after] of [
      ["E", null, "A", "E A B | Tech: C D | Cars*:"],
      ["A", "Tech", "D", "B | Tech: C A D | Cars*: E"],
      ["A", "Cars", null, "B | Tech: C D | Cars: E A"],
      ["A", null, null, "B A | Tech: C D | Cars*: E"],
      ["A", null, "A", "A B | Tech: C D | Cars*: E"],
    ]) assert.equal(text(placed(it_, symbol, to, before)), after);
    assert.equal(sectionOf(it_, "D"), "Tech");
    assert.equal(sectionOf(it_, "A"), null);
  });

  it("goes there and back, however often, and no symbol is lost or twice", () => {
    let at = it_;
    for (let n = 0; n < 10; n += 1) at = stepped(at, "A", 1) ?? at;
    assert.equal(text(at), "B | Tech: C D | Cars: E A");
    for (let n = 0; n < 10; n += 1) at = stepped(at, "A", -1) ?? at;
    assert.equal(text(at), "A B | Tech: C D | Cars: E");
  });
});

describe("a section", () => {
  const it_ = list("A B | Tech: C D | Cars: E");

  it("is moved with what it holds", () => {
    const swapped = "A B | Cars: E | Tech: C D";
    assert.equal(text(sectionStepped(it_, "Cars", -1)), swapped);
    assert.equal(text(sectionStepped(it_, "Tech", 1)), swapped);
    assert.equal(sectionStepped(it_, "Tech", -1), null);
    assert.equal(text(sectionPlaced(it_, "Cars", "Tech")), swapped);
    assert.equal(text(sectionPlaced(it_, "Tech", null)), swapped);
    assert.equal(text(sectionPlaced(it_, "Tech", "Tech")), text(it_));
    assert.deepEqual(sectionPlaced(it_, "Tech", null).symbols, ["A", "B", "E", "C", "D"]);
  });

  it("begins with a row, or is empty at the end", () => {
    assert.equal(text(withSection(it_, "New", "B")), "A | New: B | Tech: C D | Cars: E");
    assert.equal(text(withSection(it_, "New", "D")), "A B | Tech: C | New: D | Cars: E");
    assert.equal(text(withSection(it_, "New", null)), "A B | Tech: C D | Cars: E | New:");
  });

  it("is renamed, folded and removed; its symbols stay", () => {
    assert.equal(text(withChanged(it_, "Tech", { name: "IT", folded: true })), "A B | IT*: C D | Cars: E");
    assert.equal(text(withoutSection(it_, "Tech")), "A B C D | Cars: E");
    assert.equal(text(withoutSection(it_, "Cars")), "A B | Tech: C D E");
    assert.equal(text(withoutSection(list("| A*: X | B: Y"), "B")), "| A: X Y");
  });

  it("has a name of its own", () => {
    assert.equal(whyNoName(it_, "New", null), null);
    assert.equal(whyNoName(it_, "tech", "Tech"), null);
    for (const [name, but] of [["", null], ["x".repeat(61), null], ["tech", null], ["cars", "Tech"]]) assert.equal(typeof whyNoName(it_, name, but), "string");
    const full = { symbols: [], sections: Array.from({ length: 50 }, (_, n) => section(`S${n}`)) };
    assert.match(whyNoName(full, "New", null), /at most 50/);
    assert.equal(whyNoName(full, "New", "S1"), null);
  });
});
