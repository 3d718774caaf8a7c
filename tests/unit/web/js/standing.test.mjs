import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { change, describeBases, directionOfDay, since } from "../../../../web/static/js/basis.js";
import { standing } from "../../../../web/static/js/standing.js";

const NOW = 1_000_000;
const view = (over = {}) => ({ fetchedAt: NOW - 1_000, interval: 1, feed: "live", connected: true, doubtedSince: null, ...over });
const held = (over = {}) => ({
  price: 151, base: 150, basis: "open", baseAt: null, dayZone: null, state: "live", reason: null, confirmedAt: null, changedAt: NOW, session: null,
  delayed: false, delayedSeconds: null, ...over,
});
const told = (quote, over = {}, rejected = null) => {
  const { state, text, note, title } = standing({ quote, rejected, refusal: over.refusal ?? null, decimals: 2, trend: null }, view(over), NOW);
  return [state, text, note, title].map((part) => part.replaceAll("\u00a0", " "));
};

describe("how a row stands, in words", () => {
  const cases = {
    "no price": [null, {}, ["loading", "Waiting", "", "No price yet"]],
    live: [held(), {}, ["live", "1 s", "", "Live: the last fetch told it."]],
    "gone from the list": [
      held({ state: "stale", reason: "not_listed", confirmedAt: NOW - 240_000 }), {},
      ["stale", "Stale 4 min", "not listed any more", "Stale: it is not in the provider’s list any more."],
    ],
    "told as 0": [
      held({ state: "stale", reason: "not_positive", confirmedAt: NOW - 4_000 }), {},
      ["stale", "Stale 4 s", "price was 0 or less", "Stale: the provider told a price of 0 or less."],
    ],
    "live, and not asked for by the last fetch": [held({ confirmedAt: NOW - 60_000 }), {}, ["live", "1 min", "", "Live: the last fetch that asked for it told it."]],
    "told with a reason that this page does not know": [
      held({ state: "stale", reason: "eclipse", confirmedAt: null }), { fetchedAt: null },
      ["stale", "Stale", "not confirmed", "Stale: the provider’s last answer did not confirm it."],
    ],
    "a feed that is away": [held(), { fetchedAt: NOW - 8_000, feed: "down" }, ["stale", "Stale 8 s", "", "Stale: nothing newer could be fetched."]],
    "no connection": [held(), { fetchedAt: NOW - 8_000, connected: false }, ["stale", "Stale 8 s", "", "Stale: no word from the server."]],
    frozen: [held({ changedAt: NOW - 900_000 }), {}, ["frozen", "Frozen 15 min", "", "Frozen: the price has not changed for over a minute. The last fetch told it again."]],
    "delayed and moving": [
      held({ delayed: true, delayedSeconds: 900 }), {},
      ["live", "1 s", "delayed 15 min", "Live: the last fetch told it. Delayed 15 min."],
    ],
    "delayed, nobody says by how much": [held({ delayed: true }), {}, ["live", "1 s", "delayed", "Live: the last fetch told it. Delayed."]],
    "delayed and stale: the reason comes first": [
      held({ state: "stale", reason: "not_told", confirmedAt: NOW - 9_000, delayedSeconds: 900 }), {},
      ["stale", "Stale 9 s", "left out by the provider", "Stale: the provider was asked for it and left it out of its answer. Delayed 15 min."],
    ],
    halted: [held({ session: "halted", changedAt: 0 }), {}, ["halted", "Halted", "", "Halted: nobody may trade it now. The last fetch told it again."]],
    closed: [held({ session: "closed", changedAt: 0 }), {}, ["closed", "Closed", "", "Closed: its market is closed. The last fetch told it again."]],
    "before the market opens": [held({ session: "pre" }), {}, ["live", "1 s", "pre-market", "Live: the last fetch told it."]],
  };
  for (const [name, [quote, over, expected]] of Object.entries(cases)) {
    it(`tells ${name}`, () => assert.deepEqual(told(quote, over), expected));
  }

  it("tells what the server will not serve, whatever price there was", () => {
    assert.deepEqual(told(held(), {}, "unknown to every feed"), ["refused", "Not served", "unknown to every feed", "Not served: unknown to every feed"]);
  });
});

describe("a symbol that its provider refuses", () => {
  it("says why in its row", () => {
    assert.deepEqual(told(null, { refusal: "us does not know it" }), ["refused", "Not served", "us does not know it", "Not served: us does not know it"]);
  });
});

describe("the change of the day", () => {
  it("is against the base that the server names", () => {
    assert.deepEqual(change({ price: 151, base: 150 }), { absolute: 1, percent: (1 / 150) * 100 });
    assert.equal(change({ price: 151, base: null }), null);
  });

  it("points one way for the row and for the sum", () => {
    const entry = (over) => ({ quote: held(over), decimals: 2 });
    assert.equal(directionOfDay(entry()), "up");
    assert.equal(directionOfDay(entry({ price: 149 })), "down");
    assert.equal(directionOfDay(entry({ price: 150 })), "flat");
    assert.equal(directionOfDay(entry({ base: null })), "flat");
    assert.equal(directionOfDay({ quote: null, decimals: 2 }), "flat");
  });

  it("says its basis", () => {
    const baseAt = Date.parse("2026-11-22T14:02:10Z");
    const said = (basis, at = baseAt, dayZone = "UTC") => since({ basis, baseAt: at, dayZone }).replaceAll("\u00a0", " ");
    assert.equal(said("previous_close"), "since the previous close");
    assert.equal(said("open"), "since the day’s open");
    assert.equal(said("day_first"), "since the day’s first price at 14:02 UTC");
    assert.equal(said("first_seen"), "since first seen at 14:02 UTC");
    assert.equal(said("day_first", baseAt, "America/New_York"), "since the day’s first price at 09:02 in New York");
    assert.equal(said("day_first", baseAt, "Nowhere/At_All"), "since the day’s first price at 14:02 UTC");
    assert.equal(said("first_seen", null, null), "since first seen");
    assert.equal(said(null), "");
  });

  it("says the bases of a list, the most usual first", () => {
    const of = (...bases) => describeBases(bases.map((basis) => (basis === null ? null : held({ basis }))));
    assert.deepEqual(of(), { head: "", sentence: "" });
    assert.deepEqual(of("open", null, "open"), { head: "since open", sentence: "Change is since the day’s open." });
    assert.deepEqual(of("first_seen", "previous_close", "previous_close"), {
      head: "",
      sentence: "Change is since the previous close for 2 symbols, since first seen for 1.",
    });
  });
});
