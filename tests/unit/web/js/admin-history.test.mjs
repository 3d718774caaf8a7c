/** What the admin page says of the recording of prices. */
import assert from "node:assert/strict";
import { describe as group, it } from "node:test";

import { describeHistory } from "../../../../web/static/js/admin/history-view.js";

const NOW = 1_000_000_000;

/** @param {string} text */
const plain = (text) => text.replaceAll("\u00a0", " ");

const recorder = { recorded_ticks: 12_500, spooled: 0, spool_bytes: 0, rejected: 0, rejected_gone: 0, lost: 0, unread_batches: 0, unread_bytes: 0, dropped: 0, lost_at: null, alert: null };
const up = { up: true, reason: "", since: NOW - 60_000, replica: null };
const shown = (over = {}) => {
  const { state, tone, trouble, figures } = describeHistory({ ok: true, reason: null, lag_seconds: 0, database: up, recorder, waiting: 0, rows: 0, oldest: null, ...over }, NOW);
  return { state: plain(state), tone, trouble, ...Object.fromEntries(Object.entries(figures).map(([name, text]) => [name, plain(text)])) };
};

group("the history", () => {
  it("tells how far a replica is behind, and whether it is asked", () => {
    /** @param {number} connections @param {number | null} as_of */
    const replica = (connections, as_of) => shown({ database: { ...up, replica: { connections, as_of, reason: "" } } }).replica;
    assert.equal(replica(4, NOW - 1_500), "up to date");
    assert.equal(replica(4, NOW - 15_000), "15 s behind");
    assert.equal(replica(4, null), "lag unknown");
    assert.equal(replica(0, NOW - 40_000), "not asked, 40 s behind");
  });

  it("is quiet when all is recorded", () => {
    assert.deepEqual(shown({ waiting: 1, rows: 6, oldest: NOW - 300 }), {
      state: "Recording",
      tone: "good",
      trouble: "",
      waiting: "6 prices in 1 batch",
      oldest: "up to date",
      spool: "nothing",
      lost: "none",
      rejected: "none",
      recorded: "13k",
      replica: "none",
    });
  });

  it("tells an outage, why, and what waits for its end", () => {
    const database = { up: false, reason: "DATABASE_URL: db:5432 cannot be reached", since: NOW - 120_000 };
    const told = shown({ ok: false, reason: database.reason, database, recorder: { ...recorder, spooled: 400, spool_bytes: 2_000_000 }, oldest: NOW - 100_000 });
    assert.deepEqual(
      [told.state, told.tone, told.trouble, told.spool, told.oldest],
      ["Away for 2 min", "warn", "DATABASE_URL: db:5432 cannot be reached", "400 batches, 2 MB", "1 min behind"],
    );
  });

  it("tells that it catches up", () => {
    assert.equal(shown({ recorder: { ...recorder, spooled: 4 }, oldest: NOW - 100_000 }).state, "Catching up");
    const late = shown({ ok: false, reason: "4 batches that waited on disk are being recorded", recorder: { ...recorder, spooled: 4 } });
    assert.deepEqual([late.state, late.tone, late.trouble], ["Catching up", "warn", "4 batches that waited on disk are being recorded"]);
  });

  it("is in trouble when nothing is recorded, though every connection stands", () => {
    const reason = "prices are not recorded, they wait: cannot execute INSERT in a read-only transaction";
    const told = shown({ ok: false, reason, recorder: { ...recorder, spooled: 40, alert: reason } });
    assert.deepEqual([told.state, told.tone, told.trouble], ["In trouble", "bad", reason]);
    assert.equal(shown({ ok: false, reason: "the recorder does not keep up" }).state, "In trouble");
  });

  it("never hides what was lost or refused", () => {
    const told = shown({ ok: false, reason: "7 ticks were lost", recorder: { ...recorder, lost: 5, dropped: 2, lost_at: NOW - 60_000, rejected: 3, rejected_gone: 1, alert: "7 ticks were lost" } });
    assert.deepEqual([told.state, told.tone, told.trouble, told.lost, told.rejected], ["In trouble", "bad", "7 ticks were lost", "7 prices, 1 min ago", "3 batches, 1 not kept"]);
  });

  it("tells what was lost and cannot be counted in prices, never as none", () => {
    assert.equal(shown({ recorder: { ...recorder, unread_batches: 2, unread_bytes: 2_000_000 } }).lost, "2 unreadable batches of 2 MB");
    assert.equal(shown({ recorder: { ...recorder, lost: 5, unread_batches: 1, unread_bytes: 2_000_000, lost_at: NOW - 60_000 } }).lost, "5 prices and 1 unreadable batch of 2 MB, 1 min ago");
  });

  it("still tells a loss when it is no trouble any more", () => {
    const told = shown({ recorder: { ...recorder, lost: 5, lost_at: NOW - 7_200_000 } });
    assert.deepEqual([told.state, told.tone, told.lost], ["Recording", "good", "5 prices, 2 h ago"]);
  });

  it("says nothing it does not know", () => {
    const told = shown({ database: null, recorder: null });
    assert.deepEqual([told.state, told.tone, told.recorded], ["Unknown", "plain", "–"]);
  });
});
