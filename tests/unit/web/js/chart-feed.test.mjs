import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { SETTLE_MS } from "../../../../web/static/js/chart/candles.js";
import { OVERLAYS } from "../../../../web/static/js/chart/choice.js";
import { CATCH_UP_MS, ChartFeed } from "../../../../web/static/js/chart/feed.js";
import { ANSWER_TIMEOUT_MS, REFUSED_RETRY_MS } from "../../../../web/static/js/chart/loader.js";
import { FOLLOW_MS, OverlayFeed } from "../../../../web/static/js/chart/overlay.js";
import { RANGES, usualRange } from "../../../../web/static/js/chart/ranges.js";
import { EPOCH, FakeClock } from "./support.mjs";

const T0 = Date.parse("2026-11-22T10:00:30Z");
const MINUTE = 60_000;

let clock;
let server;
let states;
let shown;
let feed;
/** The server's time as the page knows it. */
let serverNow;

/** The far end of `fetch`: it answers when the test says so. */
class FakeServer {
  questions = [];

  fetch = (url, { signal }) => {
    const question = { url: new URL(url, "http://test"), signal };
    this.questions.push(question);
    return new Promise((resolve, reject) => {
      question.resolve = resolve;
      question.reject = reject;
      signal.addEventListener("abort", () => reject(new Error("aborted")));
    });
  };

  get last() {
    return this.questions.at(-1);
  }

  async answers(body, { status = 200, headers = {}, to = this.last } = {}) {
    to.resolve(new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers }));
    await settled();
  }

  async fails(to = this.last) {
    to.reject(new TypeError("network"));
    await settled();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const iso = (ms) => new Date(ms).toISOString();
const stored = (ms, close) => ({ start: iso(ms), open: 10, high: 12, low: 9, close, ticks: 4 });
const MINUTES = 15;
/** What the server answers, which knows its own time. */
const history = (...candles) => answer({}, ...candles);
const answer = ({ state = "current", behind = 0, now = clock.now() } = {}, ...candles) => ({
  symbol: "AAPL",
  interval: "1m",
  from: iso(Math.floor((now - MINUTES * MINUTE) / MINUTE) * MINUTE),
  to: iso(now + 1),
  server_time: iso(now),
  recording: { state, complete_to: iso(now - behind), behind_seconds: behind / 1000 },
  candles,
});
const price = (value, timestamp, seq) => ({ symbol: "AAPL", price: value, timestamp, version: [EPOCH, seq] });

const feedOptions = () => ({
  symbol: "NASDAQ:AAPL",
  range: RANGES[0],
  fetch: server.fetch,
  clock,
  serverNow: () => serverNow(),
  random: () => 0,
  onCandles: (extent) => shown.push(extent),
  onState: (state) => states.push(state.name),
});

beforeEach(() => {
  clock = new FakeClock(T0);
  server = new FakeServer();
  states = [];
  shown = [];
  serverNow = clock.now;
  feed = new ChartFeed(feedOptions());
  feed.loader.load();
});

describe("opening", () => {
  it("asks for the range by its name, with the symbol escaped: the server works it out", () => {
    assert.equal(server.last.url.pathname, "/api/v1/history/NASDAQ%3AAAPL");
    assert.deepEqual([...server.last.url.searchParams], [["interval", "1m"], ["limit", "2000"], ["last", "15m"]]);
    assert.equal(feed.loader.state.name, "loading");
  });

  it("shows what came, and an empty answer is ready too", async () => {
    await server.answers(history());
    assert.equal(feed.loader.state.name, "ready");
    assert.deepEqual(feed.candles, []);
  });

  it("before the server has told its time nothing is worked out but from what history told", async () => {
    serverNow = () => null;
    assert.equal(feed.from, null);
    feed.price(price(11, T0, 5));
    assert.deepEqual([feed.candles, feed.holes], [[], []]);
    await server.answers(answer({ now: T0 + 3 * 3_600_000 }, stored(T0 + 3 * 3_600_000, 10)));
    assert.equal(iso(feed.from), "2026-11-22T12:45:00.000Z");
    assert.equal(feed.candles.length, 1);
  });

  it("keeps prices that came before the answer did", async () => {
    feed.price(price(11, T0, 5));
    assert.equal(feed.candles.length, 1);
    await server.answers(history(stored(T0 - 90_000, 10), stored(T0 - 30_000, 10)));
    assert.deepEqual(feed.candles.map(({ close }) => close), [10, 11]);
  });

  it("leaves malformed candles out and keeps the good ones beside them", async () => {
    await server.answers(history({ start: "yesterday" }, null, 7, { ...stored(T0, 1), high: "12" }, stored(T0 - 90_000, 10)));
    assert.equal(feed.candles.length, 1);
  });
});

describe("while it is open", () => {
  beforeEach(() => server.answers(history(stored(T0 - 90_000, 10), stored(T0 - 30_000, 10))));

  it("a price in the newest candle moves only that", () => {
    shown.length = 0;
    feed.price(price(11, T0, 5));
    assert.deepEqual(shown, ["last"]);
  });

  it("asks for the newest candles anew once one has closed and its prices are stored", async () => {
    feed.price(price(11, T0, 5));
    clock.advance(MINUTE);
    feed.price(price(12, clock.now(), 6));
    assert.equal(server.questions.length, 1);
    clock.advance(SETTLE_MS);
    assert.equal(server.questions.length, 2);
    assert.equal(server.last.url.searchParams.get("from"), "2026-11-22T09:58:00.000Z");
    await server.answers(history({ ...stored(T0 - 30_000, 10.5), high: 20 }));
    const closed = feed.candles.at(-2);
    assert.deepEqual([closed.high, closed.close, closed.ticks], [20, 10.5, 4]);
    assert.equal(feed.candles.at(-1).close, 12);
  });

  it("asks for all of the range after a connection that was lost", () => {
    feed.reconnected();
    assert.equal(server.last.url.searchParams.get("last"), "15m");
  });

  it("asks for all of it even when a question about the newest was under way, or failed", async () => {
    clock.advance(MINUTE);
    feed.price(price(11, clock.now(), 5));
    clock.advance(SETTLE_MS);
    assert.equal(server.questions.length, 2);
    feed.reconnected();
    assert.equal(server.questions.length, 2);
    await server.answers(history());
    assert.equal(server.last.url.searchParams.get("last"), "15m");
    await server.fails();
    clock.advance(SETTLE_MS);
    assert.equal(server.questions.length, 4);
    assert.equal(server.last.url.searchParams.get("last"), "15m");
  });

  it("forgets candles that have left the range", () => {
    clock.advance(15 * MINUTE);
    feed.price(price(11, clock.now(), 5));
    assert.deepEqual(feed.candles.map(({ start }) => iso(start)), ["2026-11-22T10:00:00.000Z", "2026-11-22T10:15:00.000Z"]);
  });

  it("forgets them also when no price comes, and draws them no more", () => {
    shown.length = 0;
    feed.tick();
    assert.deepEqual(shown, []);
    clock.advance(15 * MINUTE);
    feed.tick();
    assert.deepEqual(shown, ["all"]);
    assert.deepEqual(feed.candles.map(({ start }) => iso(start)), ["2026-11-22T10:00:00.000Z"]);
  });

  it("a price from before the range is not drawn", () => {
    shown.length = 0;
    feed.price(price(11, T0 - 60 * MINUTE, 5));
    assert.deepEqual(shown, []);
  });

  it("stopped, it asks no more and an answer under way is dropped", async () => {
    feed.reconnected();
    const { signal } = server.last;
    feed.loader.stop();
    assert.equal(signal.aborted, true);
    await settled();
    assert.equal(clock.pending, 0);
    assert.equal(feed.loader.state.name, "idle");
  });
});

describe("when history cannot be read", () => {
  it("says why, comes back when the server asked it to, and draws live prices meanwhile", async () => {
    await server.answers({ error: { code: "unavailable", reason: "the database is away" } }, { status: 503, headers: { "Retry-After": "4" } });
    assert.deepEqual(feed.loader.state, { name: "unavailable", reason: "the database is away", retryAt: T0 + 4000 });
    feed.price(price(11, T0, 5));
    assert.equal(feed.candles.length, 1);
    clock.advance(3_999);
    assert.equal(server.questions.length, 1);
    clock.advance(1);
    await server.answers(history(stored(T0 - 90_000, 10)));
    assert.equal(feed.loader.state.name, "ready");
    assert.equal(feed.candles.length, 2);
  });

  it("comes back later and later by itself when the server named no time", async () => {
    const delays = [];
    for (let i = 0; i < 8; i += 1) {
      await server.fails();
      delays.push(feed.loader.state.retryAt - clock.now());
      clock.advance(delays.at(-1));
    }
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  });

  it("gives up a question without an answer", async () => {
    clock.advance(ANSWER_TIMEOUT_MS);
    await settled();
    assert.equal(feed.loader.state.name, "unavailable");
  });

  it("asks at once when somebody does not want to wait", async () => {
    await server.fails();
    feed.loader.retryNow();
    assert.equal(server.questions.length, 2);
    feed.loader.retryNow();
    assert.equal(server.questions.length, 2);
  });

  it("an answer that is no JSON, or something else, is no history", async () => {
    await server.answers("<html>");
    assert.equal(feed.loader.state.name, "unavailable");
    feed.loader.retryNow();
    await server.answers({ candles: "none" });
    assert.equal(feed.loader.state.name, "unavailable");
  });

  it("asks again what was refused: the reason may pass", async () => {
    const body = { error: { code: "unknown_symbol", reason: "no price of XXX is known" } };
    await server.answers(body, { status: 404 });
    assert.deepEqual(feed.loader.state, { name: "refused", reason: "no price of XXX is known", retryAt: T0 + REFUSED_RETRY_MS });
    feed.loader.refresh();
    assert.equal(server.questions.length, 1);
    clock.advance(REFUSED_RETRY_MS);
    assert.equal(server.questions.length, 2);
    await server.answers(body, { status: 404 });
    feed.reconnected();
    assert.equal(server.questions.length, 3);
    await server.answers(history(stored(T0 - 90_000, 10)));
    assert.equal(feed.loader.state.name, "ready");
    assert.equal(feed.candles.length, 1);
  });
});

describe("a history that is behind", () => {
  const behind = 31 * MINUTE;

  it("is told, and asked for wholly until it has caught up", async () => {
    await server.answers(answer({ state: "behind", behind }, stored(T0 - 14 * MINUTE, 10)));
    assert.deepEqual(feed.recording, { state: "behind", completeTo: T0 - behind, behind });
    assert.equal(feed.loader.state.name, "ready");
    clock.advance(CATCH_UP_MS);
    assert.equal(server.questions.length, 2);
    assert.equal(server.last.url.searchParams.get("last"), "15m");
    await server.answers(history(stored(T0 - 14 * MINUTE, 10), stored(T0 - 5 * MINUTE, 11)));
    assert.equal(feed.candles.length, 2);
    clock.advance(MINUTE);
    assert.equal(server.questions.length, 2);
  });

  it("is asked for wholly once more when an answer about the newest candles shows that it has", async () => {
    await server.answers(answer({ state: "behind", behind }, stored(T0 - 90_000, 10)));
    clock.advance(CATCH_UP_MS);
    await server.answers(answer({ state: "down", behind }, stored(T0 - 90_000, 10)));
    assert.equal(feed.recording.state, "down");
    clock.advance(CATCH_UP_MS);
    await server.answers(history(stored(T0 - 90_000, 10)));
    assert.equal(feed.recording.state, "current");
    assert.equal(server.questions.length, 3);
  });

  it("has a hole that is missing; another is a stretch without prices", async () => {
    await server.answers(history(stored(T0 - 10.5 * MINUTE, 10)));
    feed.price(price(11, T0, 5));
    const span = ({ start, end, missing }) => [iso(start).slice(11, 16), iso(end).slice(11, 16), missing];
    assert.deepEqual(feed.holes.map(span), [["09:45", "09:50", false], ["09:51", "10:00", false]]);
    feed.reconnected();
    await server.answers(answer({ state: "behind", behind: 9 * MINUTE }, stored(T0 - 10.5 * MINUTE, 10)));
    assert.deepEqual(feed.holes.map(span), [["09:45", "09:50", false], ["09:51", "10:00", true]]);
    feed.reconnected();
    await server.answers(answer({ state: "behind", behind: 5 * MINUTE }, stored(T0 - 10.5 * MINUTE, 10)));
    assert.deepEqual(feed.holes.map(span), [["09:45", "09:50", false], ["09:51", "09:55", false], ["09:55", "10:00", true]]);
  });

  it("leaves to the live price what it does not have yet", async () => {
    feed.price(price(11, T0, 5));
    clock.advance(20_000);
    await server.answers(answer({ state: "behind", behind: 25_000 }, stored(T0 - 30_000, 10)));
    assert.equal(feed.candles.at(-1).close, 11);
  });
});

describe("older candles", () => {
  beforeEach(() => server.answers(history(stored(T0 - 90_000, 10), stored(T0 - 30_000, 10))));

  it("are asked for once, from before the oldest one, and stay though the range goes on", async () => {
    feed.goBack();
    feed.goBack();
    assert.equal(server.questions.length, 2);
    assert.deepEqual([...server.last.url.searchParams], [["interval", "1m"], ["limit", "500"], ["to", "2026-11-22T09:59:00.000Z"]]);
    await server.answers(history(stored(T0 - 3_630_000, 7), stored(T0 - 150_000, 8)));
    assert.deepEqual(feed.candles.map(({ close }) => close), [7, 8, 10, 10]);
    assert.equal(iso(feed.from), "2026-11-22T09:00:00.000Z");
    assert.equal(iso(feed.begin), "2026-11-22T09:45:00.000Z");
    clock.advance(20 * MINUTE);
    feed.tick();
    assert.equal(feed.candles.length, 4);
  });

  it("end where the history begins", async () => {
    feed.goBack();
    await server.answers(history());
    assert.equal(feed.isWhole, true);
    feed.goBack();
    assert.equal(server.questions.length, 2);
  });

  it("are tried again later while they cannot be read, and go when the range is wanted again", async () => {
    feed.goBack();
    await server.answers({ error: { reason: "busy" } }, { status: 503, headers: { "Retry-After": "1" } });
    feed.goBack();
    assert.equal(server.questions.length, 2);
    clock.advance(1_000);
    await server.answers(history(stored(T0 - 3_630_000, 7)));
    assert.equal(feed.candles.length, 3);
    feed.forgetOlder();
    assert.equal(feed.candles.length, 2);
    assert.equal(feed.reached, null);
  });

  it("are none while there is no candle, nor after the feed was stopped", async () => {
    feed.goBack();
    feed.stop();
    assert.equal(server.last.signal.aborted, true);
    clock.advance(MINUTE);
    assert.equal(server.questions.length, 2);
  });
});

describe("a range whose begin the server alone knows", () => {
  it("begins where it said, and is asked for wholly again after a while: a day may have begun", async () => {
    feed.stop();
    feed = new ChartFeed({ ...feedOptions(), range: usualRange("1d") });
    feed.loader.load();
    assert.equal(server.last.url.searchParams.get("last"), "1td");
    await server.answers({ ...history(stored(T0 - 150 * MINUTE, 9), stored(T0 - 30_000, 10)), from: iso(T0 - 180 * MINUTE) });
    assert.equal(feed.begin, T0 - 180 * MINUTE);
    assert.equal(feed.candles.length, 2);
    const asked = server.questions.length;
    clock.advance(14 * MINUTE);
    feed.tick();
    assert.equal(server.questions.length, asked);
    clock.advance(MINUTE);
    feed.tick();
    assert.equal(server.last.url.searchParams.get("last"), "1td");
    await server.answers({ ...history(stored(T0 - 30_000, 10)), from: iso(T0 - MINUTE) });
    assert.equal(feed.candles.length, 1);
  });
});

describe("an overlay", () => {
  let overlay;
  let changes;
  let reached;

  beforeEach(() => {
    changes = 0;
    reached = null;
    server = new FakeServer();
    overlay = new OverlayFeed({
      symbol: "AAPL",
      overlay: OVERLAYS[0],
      range: RANGES[0],
      from: () => reached,
      fetch: server.fetch,
      clock,
      random: () => 0,
      onChange: () => (changes += 1),
    });
    overlay.loader.load();
  });

  it("asks for its figure at the candles' interval", () => {
    assert.equal(server.last.url.pathname, "/api/v1/indicators/AAPL");
    assert.deepEqual([...server.last.url.searchParams], [["indicator", "sma"], ["period", "20"], ["interval", "1m"], ["limit", "2000"], ["last", "15m"]]);
  });

  it("asks for those of older candles too, once they are there", async () => {
    await server.answers({ points: [] });
    reached = T0 - 60 * MINUTE;
    overlay.loader.refresh(true);
    assert.equal(server.last.url.searchParams.get("from"), "2026-11-22T09:00:30.000Z");
    assert.equal(server.last.url.searchParams.has("last"), false);
  });

  it("has the good points of the answer by their time", async () => {
    await server.answers({ warm_up: 19, points: [{ start: iso(T0), value: 10.5 }, { start: iso(T0), value: null }, { start: 3, value: 1 }] });
    assert.equal(overlay.needed, 20);
    assert.deepEqual([...overlay.points], [[T0, 10.5]]);
    assert.ok(changes > 0);
  });

  it("follows moving prices, but not each of them", async () => {
    await server.answers({ points: [] });
    for (let i = 0; i < 40; i += 1) {
      overlay.follow();
      clock.advance(FOLLOW_MS / 20);
    }
    assert.equal(server.questions.length, 2);
  });
});
