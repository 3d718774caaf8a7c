import assert from "node:assert/strict";
import { describe as group, it } from "node:test";

import { bytes, count, duration, rate } from "../../../../web/static/js/admin/units.js";
import { blastRadius, budget, describe, isClean, remaining } from "../../../../web/static/js/admin/wording.js";
import { describeVitals } from "../../../../web/static/js/admin/vitals.js";
import { course } from "../../../../web/static/js/admin/process-view.js";

const plain = (text) => text.replaceAll("\u00a0", " ");
const target = (over, radius = {}) => ({ path: "market/streamer", kind: "worker", generation: 1, budget_left: 97, blast_radius: { actors: 1, clients: 0, ...radius }, ...over });

group("whom an action reaches", () => {
  it("names actors and clients, and whether they lose their connection", () => {
    assert.equal(blastRadius(target({})), "Only this actor ends. No client is connected.");
    assert.equal(blastRadius(target({}, { actors: 4, clients: 214 })), "It and 3 actors under it end. 214 clients may see a short pause; none is disconnected.");
    assert.equal(blastRadius(target({}, { actors: 2, clients: 1, disconnects: true })), "It and 1 actor under it end. 1 client loses its connection and will come back.");
    assert.match(blastRadius(target({ path: "web" }, { clients: 1234 })), /1,234 clients lose their connections/);
  });

  it("warns when the supervisor has no restart left", () => {
    assert.equal(budget(target({ budget_left: null })), null);
    assert.equal(budget(target({})), "97 more before its supervisor gives up");
    assert.match(budget(target({ budget_left: 0 })), /one more and its supervisor gives up/);
  });
});

group("an event in words", () => {
  const cases = [
    [{ kind: "started", generation: 1 }, "started", "plain"],
    [{ kind: "started", generation: 3, down_ms: 1.26 }, "back, generation 3 after 1.3 ms", "good"],
    [{ kind: "exited", reason: "killed", decision: "restart" }, "killed → restart", "bad"],
    [{ kind: "exited", reason: "killed", decision: "stopping" }, "killed → stopping", "plain"],
    [{ kind: "exited", reason: "shutdown", decision: "keep" }, "shutdown → keep", "plain"],
    [{ kind: "gave_up", reason: "killed", detail: "a: more than 3 restarts in 5 s" }, "gives up: a: more than 3 restarts in 5 s", "bad"],
    [{ kind: "dropped", detail: "more like it", more: 995 }, "995 more like it (dropped)", "warn"],
    [{ kind: "circuit", detail: "closed to half_open", reason: "x" }, "closed to half-open: x", "bad"],
    [{ kind: "circuit", detail: "open to closed", reason: "x" }, "open to closed: x", "good"],
    [{ kind: "still_running", detail: "cancelled 5 s ago, stands at\n  File" }, "cancelled 5 s ago, stands at", "bad"],
    [{ kind: "of_tomorrow", reason: "r" }, "of tomorrow: r", "plain"],
  ];
  for (const [entry, text, tone] of cases) {
    it(`tells ${JSON.stringify(entry)}`, () => {
      const told = describe({ number: 1, at: 0, path: "a", ...entry });
      assert.deepEqual({ text: plain(told.text), tone: told.tone }, { text, tone });
    });
  }

  it("knows which ends were asked for", () => {
    assert.deepEqual(["normal", "shutdown", "shutdown(x)", "killed", "crash(E: x)", "noproc"].map(isClean), [true, true, true, false, false, false]);
  });

  it("counts a fault's time down", () => {
    assert.equal(plain(remaining({ until: 12_400 }, 0)), "ends in 13 s");
    assert.equal(remaining({ until: 5 }, 6), "ending");
    assert.equal(remaining({ until: null }, 0), "until it is halted");
  });
});

group("figures", () => {
  it("are short enough for a cell", () => {
    assert.deepEqual([0, 0.44, 9.96, 999, 1000, 10_000, 1_250_000].map(count), ["0", "0.4", "10", "999", "1k", "10k", "1.3M"]);
    assert.deepEqual([74_300_000, 1_234_000_000, 4_096].map((value) => plain(bytes(value))), ["74 MB", "1.23 GB", "4.1 KB"]);
    assert.deepEqual([0.012, 0.9, 35.4, 1234, 61_000].map((value) => plain(duration(value))), ["12 µs", "0.9 ms", "35 ms", "1.2 s", "1 min"]);
    assert.deepEqual([0, 0.01, 3.14, 1520].map(rate), ["0", "<0.1", "3.1", "1.5k"]);
  });

  it("have a course from zero up, flat when steady", () => {
    assert.equal(course([5, 5, 5]), "0.0,2.0 50.0,2.0 100.0,2.0");
    assert.equal(course([0, 0]), "0.0,23.0 100.0,23.0");
    assert.equal(course([]), "");
  });
});

group("the vitals", () => {
  const NOW = 1_000_000;
  const upstream = (name, status, figures) => ({ name, breaker: { status, figures } });
  const closed = { state: "closed", since: 0, next_probe: null, reason: null };
  const overview = (over = {}) => ({
    node: "n",
    now: NOW,
    upstreams: [upstream("stub", closed, { forced: null, failures: 1, calls: 20 })],
    feed: { status: { state: "live", as_of: NOW - 1000, interval: 1, reason: null }, symbols: 6, batches: 1 },
    clients: { connected: 214, subscribed: 200, behind: 0, slow: 0, worst: [] },
    process: { started: 0, samples: [{ memory: 74_000_000, cpu: 3.2, lag_ms: 1.1 }] },
    ...over,
  });
  const shown = (over = {}, tree = { actors: 12, running: 12, unhealthy: 0 }) => {
    const vitals = describeVitals({ overview: overview(over), tree, restarts: 3, now: NOW });
    return Object.fromEntries(Object.entries(vitals).map(([name, { state, name: word, detail }]) => [name, plain(`${state}: ${word}, ${detail}`)]));
  };

  it("tell how it stands when all is well", () => {
    assert.deepEqual(shown(), {
      system: "live: All 12 running, 3 restarts in 10 min",
      feed: "live: Live, 6 symbols, fetched 1 s ago",
      breaker: "closed: Closed, 1 of 20 failed",
      clients: "live: 214, 200 subscribed",
      process: "live: 74 MB, lag 1.1 ms, processor 3 %",
    });
  });

  it("tell what is down, late, slow, open and forced", () => {
    const told = shown(
      {
        upstreams: [
          upstream("a", closed, { forced: null, failures: 0, calls: 20 }),
          upstream("b", { state: "open", since: 0, next_probe: NOW + 2500, reason: "x" }, { forced: "forced_open", failures: 0, calls: 0 }),
          upstream("c", { ...closed, state: "half_open" }, { forced: null, failures: 2, calls: 20 }),
        ],
        feed: { status: { state: "down", as_of: null, interval: 1, reason: "refused" }, symbols: 0, batches: 0 },
        clients: { connected: 5, subscribed: 5, behind: 2, slow: 1, worst: [] },
        process: { started: 0, samples: [{ memory: 1, cpu: 99, lag_ms: 80 }] },
      },
      { actors: 12, running: 10, unhealthy: 2 },
    );
    assert.equal(told.system, "down: 2 of 12 down, 3 restarts in 10 min");
    assert.equal(told.feed, "down: Down, nothing fetched yet · refused");
    assert.equal(told.breaker, "open: Open, forced, next probe in 3 s");
    assert.equal(told.clients, "stale: 5, 1 slow");
    assert.match(told.process, /^stale: /);
  });

  it("are unknown before anything was heard", () => {
    const told = shown({ upstreams: [upstream("stub", null, null)], feed: { status: null, symbols: 0, batches: 0 }, process: { started: 0, samples: [] } }, null);
    for (const name of ["system", "feed", "breaker", "process"]) assert.match(told[name], /^unknown: Unknown/, name);
  });
});
