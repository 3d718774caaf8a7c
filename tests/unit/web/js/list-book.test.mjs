import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { ListBook } from "../../../../web/static/js/list-book.js";

const named = (id, name, ...symbols) => ({ id, name, symbols, sections: [], positions: {} });
const loose = (...symbols) => ({ symbols, sections: [] });
const reopened = (book) => new ListBook(JSON.stringify(book.toText()));

describe("lists that are kept here", () => {
  it("are there after a reload, with the one that was chosen", () => {
    const book = new ListBook(null);
    book.received([named(1, "Tech", "AAPL"), named(2, "Cars", "TSLA")]);
    book.choose(2);
    book.edited(loose("TSLA", "F"));
    const again = reopened(book);
    assert.equal(again.active.name, "Cars");
    assert.deepEqual(again.active.symbols, ["TSLA", "F"]);
    assert.deepEqual(again.change(2), { add: ["F"], remove: [] });
  });

  it("are shown one in each window, whatever another chose", () => {
    const book = new ListBook(null);
    book.received([named(1, "Tech", "AAPL"), named(2, "Cars", "TSLA")]);
    book.choose(2);
    const text = JSON.stringify(book.toText());
    assert.equal(new ListBook(text, 1).active.name, "Tech");
    assert.equal(new ListBook(text, null).active, null);
    assert.equal(new ListBook(text, 9).active, null);
    assert.equal(new ListBook(text).active.name, "Cars");
    assert.equal(new ListBook(text, 1).chosen, 1);
    // A window that has no news has nothing to write.
    assert.equal(JSON.stringify(new ListBook(text, 1).toText()), text);
  });

  it("begin with none when what is kept makes no sense", () => {
    for (const text of [null, "", "{", "7", "[]", '{"lists":7}', '{"lists":[7,null,{"id":"x"}],"active":9}']) {
      const book = new ListBook(text);
      assert.deepEqual(book.lists, []);
      assert.equal(book.active, null);
    }
    const book = new ListBook('{"active":1,"lists":[{"id":1,"name":"x","symbols":["AAPL","no symbol",7,"AAPL"]}]}');
    assert.deepEqual(book.active.symbols, ["AAPL"]);
  });
});

describe("a change", () => {
  it("is what differs from the server's, and nothing once it was told", () => {
    const book = new ListBook(null);
    book.received([named(1, "Tech", "AAPL", "MSFT")]);
    book.choose(1);
    assert.equal(book.change(1), null);
    book.edited(loose("MSFT", "TSLA"));
    assert.deepEqual(book.change(1), { add: ["TSLA"], remove: ["AAPL"] });
    book.told(named(1, "Tech", "MSFT", "TSLA"));
    assert.equal(book.change(1), null);
    assert.equal(book.change(7), null);
  });

  it("is joined with what others did meanwhile", () => {
    const book = new ListBook(null);
    book.received([named(1, "Tech", "AAPL", "MSFT")]);
    book.choose(1);
    book.edited(loose("MSFT", "TSLA"));
    book.received([named(1, "Technology", "AAPL", "MSFT", "NFLX")]);
    assert.deepEqual(book.active.symbols, ["MSFT", "NFLX", "TSLA"]);
    assert.equal(book.active.name, "Technology");
    assert.deepEqual(book.change(1), { add: ["TSLA"], remove: ["AAPL"] });
  });

  it("made while it is being saved is not lost", () => {
    const book = new ListBook(null);
    book.received([named(1, "Tech")]);
    book.choose(1);
    book.edited(loose("AAPL"));
    const sent = book.change(1);
    book.edited(loose("AAPL", "MSFT"));
    book.told(named(1, "Tech", ...sent.add));
    assert.deepEqual(book.active.symbols, ["AAPL", "MSFT"]);
    assert.deepEqual(book.change(1), { add: ["MSFT"], remove: [] });
  });
});

describe("a list that was moved about", () => {
  const section = (name, ...symbols) => ({ name, folded: false, symbols });
  const tech = { ...named(1, "Tech", "AAPL", "MSFT", "TSLA"), sections: [section("Cars", "TSLA")] };

  it("is sent as an order, and as sections; what another added meanwhile stays", () => {
    const book = new ListBook(null);
    book.received([tech]);
    book.choose(1);
    book.edited({ symbols: ["MSFT", "AAPL", "TSLA"], sections: [section("Cars", "TSLA")] });
    assert.deepEqual(book.change(1), { add: [], remove: [], order: ["MSFT", "AAPL"], sections: [section("Cars", "TSLA")] });
    book.received([{ ...tech, symbols: ["AAPL", "MSFT", "NFLX", "TSLA"] }]);
    assert.deepEqual(book.active.symbols, ["MSFT", "AAPL", "NFLX", "TSLA"]);
    assert.deepEqual(reopened(book).change(1).order, ["MSFT", "AAPL", "NFLX"]);
    book.told({ ...tech, symbols: ["MSFT", "AAPL", "NFLX", "TSLA"] });
    assert.equal(book.change(1), null);
  });

  it("is the other's where nothing was moved here", () => {
    const book = new ListBook(null);
    book.received([tech]);
    book.choose(1);
    book.edited({ symbols: ["AAPL", "MSFT", "F", "TSLA"], sections: tech.sections });
    assert.deepEqual(book.change(1), { add: ["F"], remove: [] });
    book.received([{ ...named(1, "Tech", "MSFT", "AAPL", "TSLA"), sections: [section("Autos", "TSLA")] }]);
    assert.deepEqual(book.active.symbols, ["MSFT", "AAPL", "F", "TSLA"]);
    assert.deepEqual(book.active.sections, [section("Autos", "TSLA")]);
    assert.deepEqual(book.change(1), { add: ["F"], remove: [] });
  });
});

describe("news of one list", () => {
  it("tell that an answer with all lists may be older, in each window and over a reload", () => {
    const book = new ListBook(null);
    const before = book.news;
    book.received([named(1, "Tech")]);
    book.choose(1);
    book.edited(loose("AAPL"));
    assert.equal(book.news, before);
    book.told(named(2, "Cars"));
    const made = reopened(book).news;
    assert.notEqual(made, before);
    book.drop(2);
    assert.notEqual(reopened(book).news, made);
    for (const news of ["7", null, 1.5, {}]) assert.equal(new ListBook(JSON.stringify({ lists: [], news })).news, 0);
  });
});

describe("a list that is gone", () => {
  it("is not the chosen one any more", () => {
    for (const go of [(book) => book.drop(1), (book) => book.received([])]) {
      const book = new ListBook(null);
      book.received([named(1, "Tech", "AAPL")]);
      book.choose(1);
      go(book);
      assert.equal(book.active, null);
      book.received([named(1, "Tech", "AAPL")]);
      assert.equal(book.active, null);
    }
  });
});
