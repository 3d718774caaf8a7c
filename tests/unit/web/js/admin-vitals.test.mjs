import assert from "node:assert/strict";
import { test } from "node:test";
import { describeVitals } from "../../../../web/static/js/admin/vitals.js";

const NOW = 1_795_348_800_000;

const breaker = (state, more = {}) => ({ status: { state, since: NOW, next_probe: null, reason: null }, figures: { failures: 1, calls: 9, forced: null, ...more } });

const facts = (upstreams) => ({
  overview: {
    upstreams: upstreams.map((each, number) => ({ name: `u${number}`, breaker: each })),
    feed: { status: null, symbols: 0, batches: 0 },
    clients: { connected: 0, subscribed: 0, slow: 0 },
    process: { samples: [] },
  },
  tree: null,
  restarts: 0,
  now: NOW,
});

test("of several circuit breakers the worst is told, wherever it stands", () => {
  const shown = (...upstreams) => describeVitals(facts(upstreams)).breaker.state;
  assert.equal(shown(breaker("closed"), breaker("open"), breaker("half_open")), "open");
  assert.equal(shown(breaker("half_open"), breaker("closed")), "half_open");
  assert.equal(shown(breaker("closed")), "closed");
  assert.equal(shown(), "unknown");
});

test("one that is told beside one that is not yet", () => {
  const { state, detail } = describeVitals(facts([{ status: null, figures: null }, breaker("closed")])).breaker;
  assert.deepEqual([state, detail], ["closed", "1 of 9 failed"]);
});
