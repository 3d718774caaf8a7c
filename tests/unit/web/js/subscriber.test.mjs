import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { SYMBOLS_PER_MESSAGE, Subscriber } from "../../../../web/static/js/subscriber.js";
import { FakeClock } from "./support.mjs";

let clock;
let up;
let wanted;
let sent;
let accepted;
let rejections;
let failures;
let subscriber;

beforeEach(() => {
  clock = new FakeClock();
  up = true;
  wanted = [];
  sent = [];
  accepted = [];
  rejections = [];
  failures = [];
  subscriber = new Subscriber({
    send: (message) => {
      if (up) sent.push(message);
      return up;
    },
    clock,
    wanted: () => wanted,
    onAccepted: (symbols) => accepted.push(symbols),
    onRejected: (rejected, asked) => rejections.push({ symbols: rejected.map((r) => r.symbol), asked }),
    onFailed: (reason, command) => failures.push({ reason, symbols: command.symbols }),
  });
});

const answer = (id, rejected = []) => ({
  type: "subscriptions",
  symbols: wanted,
  rejected: rejected.map((symbol) => ({ symbol, code: "unknown_symbol", reason: "unknown" })),
  id,
});
const failure = (id, temporary) => ({ type: "error", code: "unavailable", reason: "later", temporary, id });

describe("after a connect", () => {
  it("sends the whole list and no versions: what is known of a symbol may be other under the same one", () => {
    wanted = ["AAPL", "MSFT"];
    subscriber.connected();
    assert.deepEqual(sent, [{ action: "subscribe", symbols: ["AAPL", "MSFT"], id: 1 }]);
  });

  it("sends nothing at all for an empty list", () => {
    subscriber.connected();
    assert.deepEqual(sent, []);
  });

  it("splits a long list so that each message stays well under 64 KiB", () => {
    wanted = Array.from({ length: 1000 }, (_, i) => `NASDAQ:ABCD${1000 + i}`);
    subscriber.connected();
    assert.equal(sent.length, 1000 / SYMBOLS_PER_MESSAGE);
    assert.deepEqual(sent.flatMap((m) => m.symbols), wanted);
    for (const message of sent) assert.ok(JSON.stringify(message).length < 32_768);
  });

  it("forgets commands the old connection did not answer", () => {
    wanted = ["AAPL"];
    subscriber.subscribe(["AAPL"]);
    assert.equal(subscriber.pending, 1);
    subscriber.disconnected();
    assert.equal(subscriber.pending, 0);
    subscriber.answered(answer(1, ["AAPL"]));
    assert.deepEqual(rejections, [{ symbols: ["AAPL"], asked: false }]);
  });
});

describe("rejections", () => {
  it("belong to the field when somebody just typed the symbol", () => {
    wanted = ["NOPE"];
    subscriber.subscribe(["NOPE"]);
    subscriber.answered(answer(1, ["NOPE"]));
    assert.deepEqual(rejections, [{ symbols: ["NOPE"], asked: true }]);
  });

  it("belong to the row when an old list was sent again", () => {
    wanted = ["OLD"];
    subscriber.connected();
    subscriber.answered(answer(1, ["OLD"]));
    assert.deepEqual(rejections, [{ symbols: ["OLD"], asked: false }]);
  });

  it("still belong to the field when it was typed without a connection", () => {
    up = false;
    wanted = ["OLD", "NOPE"];
    subscriber.subscribe(["NOPE"]);
    up = true;
    subscriber.connected();
    assert.deepEqual(sent.map((m) => m.symbols), [["OLD"], ["NOPE"]]);
    subscriber.answered(answer(sent[1].id, ["NOPE"]));
    assert.deepEqual(rejections, [{ symbols: ["NOPE"], asked: true }]);
  });

  it("still belong to the field when the connection was lost before the answer", () => {
    wanted = ["NOPE"];
    subscriber.subscribe(["NOPE"]);
    subscriber.disconnected();
    subscriber.connected();
    subscriber.answered(answer(sent.at(-1).id, ["NOPE"]));
    assert.deepEqual(rejections, [{ symbols: ["NOPE"], asked: true }]);
  });

  it("are nobody's worry when the symbol was taken off meanwhile", () => {
    wanted = ["NOPE"];
    subscriber.subscribe(["NOPE"]);
    wanted = [];
    subscriber.unsubscribe(["NOPE"]);
    subscriber.answered(answer(1, ["NOPE"]));
    assert.deepEqual(rejections, []);
  });
});

describe("acceptance", () => {
  it("is told for what somebody typed, without what was refused or taken off meanwhile", () => {
    wanted = ["AAPL", "NOPE", "MSFT"];
    subscriber.subscribe(["AAPL", "NOPE", "MSFT"]);
    wanted = ["AAPL", "NOPE"];
    subscriber.answered(answer(1, ["NOPE"]));
    assert.deepEqual(accepted, [["AAPL"]]);
  });

  it("is not told for a list that was sent again", () => {
    wanted = ["AAPL"];
    subscriber.connected();
    subscriber.answered(answer(1));
    assert.deepEqual(accepted, []);
  });
});

describe("commands that fail", () => {
  it("are tried again while the server calls it temporary, more and more slowly", () => {
    wanted = ["AAPL"];
    subscriber.subscribe(["AAPL"]);
    assert.equal(subscriber.failed(failure(1, true)), true);
    clock.advance(499);
    assert.equal(sent.length, 1);
    clock.advance(1);
    assert.equal(sent.length, 2);
    assert.deepEqual(sent[1], { action: "subscribe", symbols: ["AAPL"], id: 2 });
    subscriber.failed(failure(2, true));
    clock.advance(999);
    assert.equal(sent.length, 2);
    clock.advance(1);
    assert.equal(sent.length, 3);
    subscriber.answered(answer(3));
    assert.deepEqual(failures, []);
  });

  it("are given up after five tries, and told", () => {
    wanted = ["AAPL"];
    subscriber.subscribe(["AAPL"]);
    for (let id = 1; id <= 5; id += 1) {
      subscriber.failed(failure(id, true));
      clock.advance(60_000);
    }
    assert.equal(sent.length, 5);
    assert.deepEqual(failures, [{ reason: "later", symbols: ["AAPL"] }]);
  });

  it("are told at once when it is not temporary", () => {
    subscriber.subscribe(["AAPL"]);
    subscriber.failed(failure(1, false));
    clock.advance(60_000);
    assert.equal(sent.length, 1);
    assert.equal(failures.length, 1);
  });

  it("are tried again only for what still holds", () => {
    wanted = ["AAPL", "MSFT"];
    subscriber.subscribe(["AAPL", "MSFT"]);
    subscriber.failed(failure(1, true));
    wanted = ["MSFT"];
    clock.advance(500);
    assert.deepEqual(sent.at(-1).symbols, ["MSFT"]);
  });

  it("do not unsubscribe again what is wanted again", () => {
    subscriber.unsubscribe(["AAPL"]);
    subscriber.failed(failure(1, true));
    wanted = ["AAPL"];
    clock.advance(500);
    assert.equal(sent.length, 1);
  });

  it("are not tried on a connection that is gone", () => {
    wanted = ["AAPL"];
    subscriber.subscribe(["AAPL"]);
    subscriber.failed(failure(1, true));
    subscriber.disconnected();
    clock.advance(60_000);
    assert.equal(sent.length, 1);
    assert.equal(clock.pending, 0);
  });

  it("leave errors about something else to others", () => {
    assert.equal(subscriber.failed(failure(null, true)), false);
    assert.equal(subscriber.failed(failure("ping-1", false)), false);
    assert.equal(subscriber.failed(failure(99, false)), false);
  });
});

describe("unsubscribing", () => {
  it("sends the command, and nothing without a connection: the next one does not ask for it", () => {
    subscriber.unsubscribe(["AAPL"]);
    assert.deepEqual(sent, [{ action: "unsubscribe", symbols: ["AAPL"], id: 1 }]);
    up = false;
    subscriber.unsubscribe(["MSFT"]);
    up = true;
    subscriber.connected();
    assert.equal(sent.length, 1);
  });
});
