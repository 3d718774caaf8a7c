import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { EventStream, Lines, SILENCE_MS } from "../../../../web/static/js/admin/event-stream.js";
import { FakeClock } from "./support.mjs";

const RUN = 7;
const bytes = (text) => new TextEncoder().encode(text);
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** The server's end of one request. */
class Answer {
  constructor(since, signal) {
    this.since = since;
    this.signal = signal;
    this.body = new ReadableStream({ start: (controller) => (this.controller = controller) });
    signal.addEventListener("abort", () => this.controller.error(new DOMException("aborted", "AbortError")));
  }

  async says(...messages) {
    this.controller.enqueue(bytes(messages.map((message) => `${JSON.stringify(message)}\n`).join("")));
    await settled();
  }

  async ends() {
    this.controller.close();
    await settled();
  }
}

const hello = (run = RUN, last = 0) => ({ type: "hello", run, last, now: 0 });
const event = (number) => ({ type: "event", event: { number, at: 0, kind: "started", path: "a" } });

describe("the event stream", () => {
  let clock, answers, told, refusing, stream;
  beforeEach(() => {
    clock = new FakeClock();
    answers = [];
    refusing = false;
    told = { numbers: [], states: [], gaps: [], runs: 0 };
    stream = new EventStream({
      open: async (since, signal) => {
        if (refusing) throw new Error("refused");
        const answer = new Answer(since, signal);
        answers.push(answer);
        return answer;
      },
      clock,
      onEntries: (entries) => told.numbers.push(...entries.map(({ number }) => number)),
      onState: (state) => told.states.push(state),
      onRun: () => (told.runs += 1),
      onGap: (lost) => told.gaps.push(lost),
    });
    stream.start(RUN, 3);
  });

  it("asks for what comes after the number it was given, and tells each entry once", async () => {
    await settled();
    assert.equal(answers[0].since, 3);
    await answers[0].says(hello(), event(4), event(5));
    await answers[0].says(event(5), { type: "heartbeat", now: 1 }, event(6));
    assert.deepEqual(told.numbers, [4, 5, 6]);
    assert.deepEqual(told.states, ["connecting", "open"]);
  });

  it("connects again when it ends, and goes on where it was", async () => {
    await settled();
    await answers[0].says(hello(), event(4), { type: "bye", reason: "web stops" });
    await answers[0].ends();
    assert.equal(told.states.at(-1), "lost");
    clock.advance(250);
    await settled();
    assert.equal(answers[1].since, 4);
    await answers[1].says(hello(), event(5));
    assert.deepEqual(told.numbers, [4, 5]);
  });

  it("waits longer after each failure, and begins anew after a success", async () => {
    refusing = true;
    await settled();
    await answers[0].ends();
    for (const wait of [250, 500, 1000, 2000, 4000, 5000, 5000]) {
      const tries = told.states.length;
      clock.advance(wait - 1);
      await settled();
      assert.equal(told.states.length, tries, `tried before ${wait} ms`);
      clock.advance(1);
      await settled();
      assert.ok(told.states.length > tries, `not tried after ${wait} ms`);
    }
    refusing = false;
    clock.advance(5000);
    await settled();
    await answers[1].says(hello());
    await answers[1].ends();
    clock.advance(250);
    await settled();
    assert.equal(answers.length, 3);
  });

  it("takes silence for a loss", async () => {
    await settled();
    await answers[0].says(hello());
    clock.advance(SILENCE_MS - 1);
    await answers[0].says({ type: "heartbeat", now: 1 });
    clock.advance(SILENCE_MS - 1);
    assert.equal(answers[0].signal.aborted, false);
    clock.advance(1);
    await settled();
    assert.equal(answers[0].signal.aborted, true);
    assert.equal(told.states.at(-1), "lost");
  });

  it("begins from the first entry when the server is another process", async () => {
    await settled();
    await answers[0].says(hello(8, 2));
    assert.equal(told.runs, 1);
    assert.deepEqual(told.numbers, []);
    clock.advance(250);
    await settled();
    assert.equal(answers[1].since, 0);
    await answers[1].says(hello(8, 2), event(1), event(2));
    assert.deepEqual(told.numbers, [1, 2]);
    assert.equal(told.runs, 1);
  });

  it("tells of entries that were lost", async () => {
    await settled();
    await answers[0].says(hello(), { type: "gap", lost: 40 }, event(44));
    assert.deepEqual(told.gaps, [40]);
    assert.deepEqual(told.numbers, [44]);
  });

  it("says nothing more once it is stopped", async () => {
    await settled();
    await answers[0].says(hello());
    const before = told.states.length;
    stream.stop();
    await settled();
    clock.advance(60_000);
    await settled();
    assert.equal(told.states.length, before);
    assert.equal(answers.length, 1);
  });
});

describe("lines", () => {
  it("come whole out of pieces cut anywhere, within a letter too", () => {
    const text = '{"a":"Zürich €"}\n\n{"b":2}\n{"c"';
    const all = bytes(text);
    for (let cut = 0; cut <= all.length; cut += 1) {
      const lines = new Lines();
      assert.deepEqual([...lines.feed(all.slice(0, cut)), ...lines.feed(all.slice(cut))], ['{"a":"Zürich €"}', '{"b":2}']);
    }
  });
});
