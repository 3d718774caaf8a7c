import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { DOWN_SHOWN_MS, HEALED_SHOWN_MS, TreeModel, foldedCount } from "../../../../web/static/js/admin/tree-model.js";

const NOW = 1_000_000;
const ALL = { query: "", unhealthyOnly: false };

const actor = (path, over = {}, children = []) => ({
  path,
  kind: children.length > 0 ? "supervisor" : "worker",
  actor: "Something",
  state: "running",
  restart: "permanent",
  generation: 1,
  restarts: 0,
  last_exit: null,
  last_exit_ago: null,
  last_trace: null,
  uptime: 5,
  mailbox: { queued: 0, high_water: 1, bound: 100, dropped: 0, conflated: 0 },
  unanswered_calls: 0,
  handled: 0,
  handling_seconds: 0,
  supervisor: children.length > 0 ? { strategy: "one_for_one", intensity: 10, period: 5, restarts_in_window: 0 } : null,
  handling_p50: null,
  handling_p95: null,
  folded: {},
  ...over,
  children,
});
const tree = (over = {}) =>
  actor("root", over.root, [
    actor("pubsub", over.pubsub),
    actor("market", over.market, [actor("market/circuit_breaker", over.breaker), actor("market/streamer", over.streamer)]),
    actor("delivery", over.delivery, [actor("delivery/sessions", { kind: "supervisor", ...over.sessions })]),
  ]);
const shown = (model, filter = ALL) => model.rows(filter).map((row) => row.key);

describe("the rows of the tree", () => {
  let model;
  beforeEach(() => {
    model = new TreeModel();
    model.update(tree(), NOW);
  });

  it("stand in the order of the tree, with level, place and number of siblings", () => {
    assert.deepEqual(
      model.rows(ALL).map(({ key, level, position, size, expanded }) => [key, level, position, size, expanded]),
      [
        ["root", 1, 1, 1, true],
        ["pubsub", 2, 1, 3, null],
        ["market", 2, 2, 3, true],
        ["market/circuit_breaker", 3, 1, 2, null],
        ["market/streamer", 3, 2, 2, null],
        ["delivery", 2, 3, 3, true],
        ["delivery/sessions", 3, 1, 1, null],
      ],
    );
  });

  it("have a guide for each level that goes on below", () => {
    const guides = Object.fromEntries(model.rows(ALL).map((row) => [row.key, row.guides]));
    assert.deepEqual(guides["market/streamer"], [true, false]);
    assert.deepEqual(guides["market/circuit_breaker"], [true, true]);
    assert.deepEqual(guides["delivery/sessions"], [false, false]);
  });

  it("are hidden under a folded one, and come back", () => {
    model.setExpanded("market", false);
    assert.deepEqual(shown(model), ["root", "pubsub", "market", "delivery", "delivery/sessions"]);
    assert.equal(model.rows(ALL).find((row) => row.key === "market").expanded, false);
    model.setExpanded("market", true);
    assert.equal(shown(model).length, 7);
  });

  it("of what is searched keep those above them, dimmed, also under a folded one", () => {
    model.setExpanded("market", false);
    const rows = model.rows({ query: "  STREAM ", unhealthyOnly: false });
    assert.deepEqual(rows.map(({ key, context }) => [key, context]), [["root", true], ["market", true], ["market/streamer", false]]);
  });

  it("are none when nothing matches", () => {
    assert.deepEqual(shown(model, { query: "nobody", unhealthyOnly: false }), []);
  });

  it("that are unhealthy keep those above them; all well shows none", () => {
    assert.deepEqual(shown(model, { query: "", unhealthyOnly: true }), []);
    model.update(tree({ breaker: { state: "restarting" } }), NOW + 1000);
    assert.deepEqual(shown(model, { query: "", unhealthyOnly: true }), ["root", "market", "market/circuit_breaker"]);
  });

  it("count folded children in one line, which no search finds", () => {
    model.update(tree({ sessions: { folded: { running: 978, restarting: 2 } } }), NOW + 1000);
    const last = model.rows(ALL).at(-1);
    assert.equal(last.key, "delivery/sessions/…");
    assert.equal(last.node, null);
    assert.equal(foldedCount(last.parent.actor), 980);
    assert.deepEqual(model.summary(), { actors: 987, running: 985, unhealthy: 2 });
    assert.ok(!shown(model, { query: "sessions", unhealthyOnly: false }).includes("delivery/sessions/…"));
  });
});

describe("trouble", () => {
  const troubles = (over) => {
    const model = new TreeModel();
    model.update(tree(over), NOW);
    return model.troubles(model.node(over.market ? "market" : "market/streamer"));
  };
  const mailbox = (over) => ({ queued: 0, high_water: 100, bound: 100, dropped: 0, conflated: 0, ...over });

  it("is none when all is well, however much was queued once", () => {
    assert.deepEqual(troubles({ streamer: { mailbox: mailbox({ queued: 49 }) } }), []);
  });

  const cases = {
    "not running": [{ streamer: { state: "stopped" } }, "stopped"],
    "a mailbox half full": [{ streamer: { mailbox: mailbox({ queued: 50 }) } }, "its mailbox is half full"],
    "dropped messages": [{ streamer: { mailbox: mailbox({ dropped: 3 }) } }, "dropped 3 messages"],
    "a recent end": [{ streamer: { last_exit: "killed", last_exit_ago: 59 } }, "ended a moment ago: killed"],
    "a budget half used": [{ market: { supervisor: { strategy: "one_for_one", intensity: 10, period: 5, restarts_in_window: 5 } } }, "half of its restarts are used"],
  };
  for (const [name, [over, expected]] of Object.entries(cases)) {
    it(`is ${name}`, () => assert.deepEqual(troubles(over), [expected]));
  }

  it("is over a minute after an end", () => {
    assert.deepEqual(troubles({ streamer: { last_exit: "killed", last_exit_ago: 60 } }), []);
  });

  it("is a fault put in on purpose", () => {
    const model = new TreeModel();
    model.update(tree(), NOW);
    model.setFaulty(["market/streamer"]);
    assert.deepEqual(model.troubles(model.node("market/streamer")), ["a fault is active"]);
    assert.deepEqual(model.troubles(model.node("pubsub")), []);
  });
});

describe("rates", () => {
  it("are those between two looks", () => {
    const model = new TreeModel();
    model.update(tree({ streamer: { handled: 100, handling_seconds: 1 } }), NOW);
    assert.equal(model.node("market/streamer").rate, null);
    model.update(tree({ streamer: { handled: 120, handling_seconds: 1.01 } }), NOW + 2000);
    assert.equal(model.node("market/streamer").rate, 10);
  });

  it("begin anew with a generation, and never go below zero", () => {
    const model = new TreeModel();
    model.update(tree({ streamer: { handled: 100, handling_seconds: 1 } }), NOW);
    model.update(tree({ streamer: { handled: 4, handling_seconds: 0.002, generation: 2 } }), NOW + 1000);
    assert.equal(model.node("market/streamer").rate, 4);
  });
});

describe("a death and a healing", () => {
  const PATH = "market/streamer";
  let model;
  beforeEach(() => {
    model = new TreeModel();
    model.update(tree(), NOW);
  });

  it("is no mark on an actor that lives on", () => {
    model.note({ kind: "started", path: PATH, generation: 1 }, NOW);
    assert.equal(model.mark(PATH, NOW), null);
  });

  it("is seen as down for a moment, though the successor is there at once; then as healed; then not at all", () => {
    model.note({ kind: "exited", path: PATH, generation: 1, reason: "killed" }, NOW);
    model.note({ kind: "started", path: PATH, generation: 2, down_ms: 0.9 }, NOW + 1);
    assert.deepEqual(model.mark(PATH, NOW + DOWN_SHOWN_MS - 1), { kind: "down", reason: "killed", generation: 1, downMs: null });
    assert.deepEqual(model.mark(PATH, NOW + DOWN_SHOWN_MS), { kind: "healed", reason: "killed", generation: 2, downMs: 0.9 });
    assert.equal(model.mark(PATH, NOW + DOWN_SHOWN_MS + HEALED_SHOWN_MS - 1).kind, "healed");
    assert.equal(model.mark(PATH, NOW + DOWN_SHOWN_MS + HEALED_SHOWN_MS), null);
  });

  it("stays down for as long as nobody is there", () => {
    model.note({ kind: "exited", path: PATH, generation: 1, reason: "crash(ValueError: x)" }, NOW);
    assert.equal(model.mark(PATH, NOW + 30_000).kind, "down");
    model.note({ kind: "started", path: PATH, generation: 2 }, NOW + 30_000);
    assert.equal(model.mark(PATH, NOW + 30_000).kind, "healed");
  });

  it("begins anew with the next kill", () => {
    model.note({ kind: "exited", path: PATH, generation: 1, reason: "killed" }, NOW);
    model.note({ kind: "started", path: PATH, generation: 2 }, NOW + 1);
    model.note({ kind: "exited", path: PATH, generation: 2, reason: "killed" }, NOW + 2000);
    assert.deepEqual(model.mark(PATH, NOW + 2000), { kind: "down", reason: "killed", generation: 2, downMs: null });
  });

  it("heals by a snapshot when the stream was away", () => {
    model.note({ kind: "exited", path: PATH, generation: 1, reason: "killed" }, NOW);
    model.update(tree({ streamer: { generation: 2 } }), NOW + 1000);
    assert.equal(model.mark(PATH, NOW + 1000).kind, "healed");
    assert.equal(model.mark(PATH, NOW + 1000).generation, 2);
  });

  it("of long ago, told by a stream that begins now, is no mark", () => {
    model.note({ kind: "exited", path: PATH, generation: 1, reason: "killed" }, NOW - 40_000);
    model.note({ kind: "started", path: PATH, generation: 2 }, NOW - 39_999);
    assert.equal(model.mark(PATH, NOW), null);
  });
});
