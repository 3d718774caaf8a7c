import assert from "node:assert/strict";
import { test } from "node:test";
import { Contact, LOST_MS } from "../../../../web/static/js/admin/contact.js";
import { describeRestart } from "../../../../web/static/js/admin/restart-notice.js";

const at = (start = 0) => {
  const clock = { now: start };
  return { clock, contact: new Contact(() => clock.now) };
};

test("silence of three polls is a lost server, an answer ends it", () => {
  const { clock, contact } = at(5_000);
  contact.heard(1_000_000);
  clock.now += LOST_MS;
  assert.equal(contact.lost, false);
  clock.now += 1;
  assert.equal(contact.lost, true);
  contact.heard(1_003_001);
  assert.equal(contact.lost, false);
});

test("a page that was hidden asked for nothing, and has lost nobody", () => {
  const { clock, contact } = at();
  contact.heard(1_000_000);
  clock.now += 600_000;
  contact.resume();
  assert.equal(contact.lost, false);
  assert.equal(contact.now, 1_600_000);
  clock.now += LOST_MS + 1;
  assert.equal(contact.lost, true);
});

test("the server's time goes on between its answers, and stands still when there are none", () => {
  const { clock, contact } = at(7);
  contact.heard(1_000_000);
  clock.now += 900;
  assert.equal(contact.now, 1_000_900);
  assert.equal(contact.toPage(999_000), 7 - 1_000);
  clock.now += 60_000;
  assert.equal(contact.now, 1_000_000);
});

test("a restart is told with how the run before it ended", () => {
  const started = new Date(2026, 10, 29, 14, 3, 7).getTime();
  const told = (before) => describeRestart({ started, before }).replaceAll("\u00a0", " ");
  assert.equal(told(null), "The server was started at 14:03:07.");
  assert.equal(told({ started: 1, ended: started - 2_000, how: "stopped" }), "The server was started at 14:03:07. The run before it was stopped in order at 14:03:05, 2 s earlier.");
  assert.equal(told({ started: 1, ended: null, how: null }), "The server was started at 14:03:07. The run before it did not stop in order: it was killed, or its machine went down.");
  assert.equal(told({ started: 1, ended: started, how: "gave_up" }), "The server was started at 14:03:07. The run before it gave up, since a part could not be restarted, at 14:03:07. Its log says why.");
});
