import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { AlertFeed, SHOWN, alertText, deliveryText, paceText, readAlert, readRule, ruleText } from "../../../../web/static/js/alert-feed.js";
import { decode } from "../../../../web/static/js/protocol.js";

const fired = (number, more = {}) => ({
  type: "alert",
  id: `7-1-${number}`,
  rule: 7,
  symbol: "AAPL",
  kind: "above",
  threshold: 151,
  window: null,
  price: 151.02,
  reference: null,
  timestamp: "2026-11-22T10:00:00.000Z",
  version: [1, number],
  fired_at: new Date(Date.UTC(2026, 10, 22, 10, 0, number)).toISOString(),
  ...more,
});
const alert = (number, more) => readAlert(fired(number, more));

describe("alerts from the socket", () => {
  it("are read, and a malformed one is named and dropped", () => {
    const { message, faults } = decode(JSON.stringify(fired(1)));
    assert.equal(message.type, "alert");
    assert.equal(message.alert.price, 151.02);
    assert.deepEqual(faults, []);
    for (const more of [{ symbol: "no symbol" }, { kind: "over" }, { price: "1" }, { fired_at: "now" }, { id: 7 }, { threshold: null }]) {
      const bad = decode(JSON.stringify(fired(1, more)));
      assert.equal(bad.message, null);
      assert.equal(bad.faults.length, 1);
    }
  });
});

describe("mail", () => {
  it("is told as posting is, and an alert from the socket says nothing of it", () => {
    const mail = { state: "dead", attempts: 1, reason: "550 nobody", next_attempt: null, ended_at: null };
    const feed = new AlertFeed();
    feed.take([alert(1, { delivery: null, mail })]);
    feed.take([alert(1)]);
    assert.equal(deliveryText(feed.alerts[0].mail, "mailed"), "Not mailed: 550 nobody. Given up");
    assert.equal(deliveryText({ ...mail, state: "delivered", endedAt: null }, "mailed"), "Mailed");
    assert.equal(readRule({ ...fired(1), id: 1, mail: "me@a.example" }).mail, "me@a.example");
  });
});

describe("the feed", () => {
  it("has each alert once, the newest first, whichever way it came", () => {
    const feed = new AlertFeed();
    assert.equal(feed.take([alert(1), alert(3)]).length, 2);
    assert.deepEqual(feed.take([alert(2), alert(3)]).map((a) => a.id), ["7-1-2"]);
    assert.deepEqual(feed.alerts.map((a) => a.id), ["7-1-3", "7-1-2", "7-1-1"]);
    assert.equal(feed.unread, 3);
  });

  it("keeps what was read here as read, though the server says otherwise", () => {
    const feed = new AlertFeed();
    feed.take([alert(1), alert(2)]);
    feed.readUntil(Date.UTC(2026, 10, 22, 10, 0, 1));
    assert.equal(feed.unread, 1);
    feed.readUntil(Date.UTC(2026, 10, 22, 10, 0, 2));
    assert.equal(feed.unread, 0);
    feed.take([alert(1), alert(2), alert(3)]);
    assert.equal(feed.unread, 1);
    feed.take([alert(3, { read: true })]);
    assert.equal(feed.unread, 0);
  });

  it("does not grow without end", () => {
    const feed = new AlertFeed();
    for (let number = 1; number <= 3 * SHOWN; number += 1) feed.take([alert(number)]);
    assert.equal(feed.alerts.length, SHOWN);
    assert.equal(feed.alerts[0].id, `7-1-${3 * SHOWN}`);
  });
});

const delivery = (more = {}) => ({
  state: "pending",
  attempts: 0,
  status: null,
  reason: null,
  next_attempt: null,
  ended_at: null,
  ...more,
});

describe("what became of the posting", () => {
  it("is known from the server, and not forgotten because of the socket", () => {
    const feed = new AlertFeed();
    feed.take([alert(1)]);
    assert.equal(feed.alerts[0].delivery, undefined);
    feed.take([alert(1, { delivery: null })]);
    assert.equal(feed.alerts[0].delivery, null);
    feed.take([alert(1, { delivery: delivery({ attempts: 2 }) })]);
    feed.take([alert(1)]);
    assert.equal(feed.alerts[0].delivery.attempts, 2);
    feed.take([alert(1, { delivery: delivery({ state: "delivered" }) })]);
    assert.equal(feed.alerts[0].delivery.state, "delivered");
  });

  it("is said in words", () => {
    const said = (more) => deliveryText(alert(1, { delivery: delivery(more) }).delivery);
    assert.equal(said({}), "Not posted yet");
    const failed = { attempts: 3, reason: "status 503" };
    assert.equal(said({ ...failed, next_attempt: "2026-11-22T10:00:09.000Z" }), "Not posted yet: status 503. Tried 3 times, next at 10:00:09 UTC");
    assert.equal(said({ ...failed, attempts: 1 }), "Not posted yet: status 503. Tried once, trying again");
    assert.equal(said({ state: "dead", attempts: 1, reason: "status 410" }), "Not posted: status 410. Given up");
    assert.equal(said({ state: "delivered", attempts: 1, ended_at: "2026-11-22T10:00:02.500Z" }), "Posted at 10:00:02 UTC");
  });
});

describe("words", () => {
  it("say what a rule waits for", () => {
    const rule = readRule({ ...fired(1), id: 7 });
    assert.equal(ruleText(rule), "AAPL rises to 151.00");
    assert.equal(ruleText({ ...rule, kind: "below", threshold: 0.0625 }), "AAPL falls to 0.0625");
    assert.equal(ruleText({ ...rule, threshold: 0.0000105 }), "AAPL rises to 0.0000105");
    assert.equal(ruleText({ ...rule, threshold: 720_000.123456789 }), "AAPL rises to 720,000.123456789");
    assert.equal(ruleText({ ...rule, kind: "move", threshold: 2.5, window: 300 }), "AAPL moves 2.5 % within 5 min");
    assert.equal(ruleText({ ...rule, kind: "move", threshold: 2.5, window: 86400 }), "AAPL moves 2.5 % within 24 h");
    assert.equal(ruleText({ ...rule, currency: "GBX" }), "AAPL rises to 151.00\u00a0GBX");
    assert.equal(readRule(fired(1)), null);
  });

  it("say how often a rule tells", () => {
    const pace = (cooldown) => paceText(readRule({ ...fired(1), id: 7, cooldown }));
    assert.deepEqual([0, 60, 300, 90, 86_400].map(pace), ["each time", "once in 1 min at most", "once in 5 min at most", "once in 90 s at most", "once in 24 h at most"]);
  });

  it("say what happened", () => {
    assert.equal(alertText(alert(1)), "AAPL rose to 151.02, over 151.00");
    assert.equal(alertText(alert(1, { price: 151 })), "AAPL rose to 151.00");
    assert.equal(alertText(alert(1, { kind: "below", price: 150.5 })), "AAPL fell to 150.50, under 151.00");
    assert.equal(alertText(alert(1, { threshold: 0.0000105, price: 0.000011 })), "AAPL rose to 0.000011, over 0.0000105");
    assert.equal(alertText(alert(1, { threshold: 0.123457, price: 0.1234571 })), "AAPL rose to 0.1234571, over 0.123457");
    assert.equal(alertText(alert(1, { kind: "move", threshold: 0.005, window: 60, price: 100.006, reference: 100 })), "AAPL rose 0.006 % to 100.006 within 1 min");
    assert.equal(alertText(alert(1, { crossings: 3 })), "AAPL rose to 151.02, over 151.00, the last of 3 crossings");
    assert.equal(alertText(alert(1, { crossings: 1 })), alertText(alert(1)));
    assert.equal(alertText(alert(1, { currency: "USD" })), "AAPL rose to 151.02, over 151.00\u00a0USD");
    assert.equal(alertText(alert(1, { currency: "USD", price: 151 })), "AAPL rose to 151.00\u00a0USD");
    assert.equal(alertText(alert(1, { currency: "USD", symbol: "BTC-USD", price: 151 })), "BTC-USD rose to 151.00");
    const move = { kind: "move", threshold: 2.5, window: 300 };
    assert.equal(alertText(alert(1, { ...move, price: 148, reference: 152 })), "AAPL fell 2.63 % to 148.00 within 5 min");
    assert.equal(alertText(alert(1, { ...move, price: 148, reference: 152, currency: "USD" })), "AAPL fell 2.63 % to 148.00\u00a0USD within 5 min");
    assert.equal(alertText(alert(1, { ...move, price: 156, reference: 152 })), "AAPL rose 2.63 % to 156.00 within 5 min");
  });
});
