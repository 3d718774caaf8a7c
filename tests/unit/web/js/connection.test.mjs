import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { BACKOFF_MAX_MS, CONNECT_TIMEOUT_MS, Connection, HOP_MS, OFFLINE_PROBE_MS, PROBE_MS, SILENCE_MS } from "../../../../web/static/js/connection.js";
import { Nodes } from "../../../../web/static/js/nodes.js";
import { FakeClock, ScriptedSocket, welcome } from "./support.mjs";

let clock;
let chance;
let sockets;
let states;
let messages;
let faults;
let times;
let roundTrips;
let connection;

const last = () => sockets.at(-1);
const names = () => states.map((state) => state.name);
const heartbeat = { type: "prices", as_of: "2026-11-22T10:00:00Z", prices: [] };

/** The answer to the newest ping. */
const pong = () => ({ type: "pong", id: last().sent.at(-1).id, server_time: "2026-11-22T10:00:10Z" });

function connected() {
  connection.start();
  last().says(welcome());
}

beforeEach(() => {
  clock = new FakeClock();
  chance = 0;
  sockets = [];
  states = [];
  messages = [];
  faults = [];
  times = [];
  roundTrips = [];
  connection = new Connection({
    url: "ws://here/ws",
    open: (url) => {
      sockets.push(new ScriptedSocket(url));
      return last();
    },
    clock,
    random: () => chance,
    onState: (state) => states.push(state),
    onMessage: (message) => messages.push(message),
    onPong: (roundTrip) => roundTrips.push(roundTrip),
    onServerTime: (serverTime, roundTrip) => times.push({ serverTime, roundTrip }),
    onFault: (fault) => faults.push(fault),
  });
});

describe("connecting", () => {
  it("does nothing until it is started, and starts once", () => {
    assert.equal(connection.state.name, "idle");
    connection.retryNow();
    connection.wake();
    assert.equal(sockets.length, 0);
    connection.start();
    connection.start();
    assert.equal(sockets.length, 1);
    assert.deepEqual(connection.state, { name: "connecting", attempt: 1 });
  });

  it("names the protocol's version in the URL", () => {
    connection.start();
    assert.equal(last().url, "ws://here/ws?protocol=1");
  });

  it("is open with the welcome, not before", () => {
    connection.start();
    last().says({ type: "status", feed: "live", circuit: "closed" });
    assert.equal(connection.state.name, "connecting");
    last().says(welcome());
    assert.deepEqual(names(), ["connecting", "open"]);
    assert.deepEqual(messages.map((m) => m.type), ["status", "welcome"]);
  });

  it("gives up a handshake that is stuck, and tries again", () => {
    connection.start();
    clock.advance(CONNECT_TIMEOUT_MS - 1);
    assert.equal(connection.state.name, "connecting");
    clock.advance(1);
    assert.equal(connection.state.name, "waiting");
    assert.equal(sockets[0].closedWith.code, 4000);
    clock.advance(500);
    assert.equal(sockets.length, 2);
  });

  it("gives up a server that accepts and never says welcome", () => {
    connection.start();
    clock.advance(CONNECT_TIMEOUT_MS);
    assert.equal(connection.state.name, "waiting");
  });

  it("waits when the browser refuses to make the socket", () => {
    connection = new Connection({
      url: "ws://here/ws",
      open: () => {
        throw new Error("forbidden by policy");
      },
      clock,
      random: () => 0,
      onState: (state) => states.push(state),
      onMessage: () => {},
      onPong: () => {},
      onServerTime: () => {},
      onFault: () => {},
    });
    connection.start();
    assert.equal(connection.state.name, "waiting");
    assert.match(connection.state.reason, /forbidden by policy/);
  });

  it("ignores what an abandoned socket still says or does", () => {
    connection.start();
    const [first] = sockets;
    const { onmessage, onclose } = first;
    clock.advance(CONNECT_TIMEOUT_MS + 500);
    assert.equal(sockets.length, 2);
    onmessage({ data: JSON.stringify(welcome()) });
    onclose({ code: 4503, reason: "forbidden" });
    assert.equal(connection.state.name, "connecting");
    assert.deepEqual(messages, []);
  });
});

describe("back-off", () => {
  function delays(count) {
    const seen = [];
    connection.start();
    for (let i = 0; i < count; i += 1) {
      last().ends();
      seen.push(connection.state.retryAt - clock.now());
      clock.advance(connection.state.retryAt - clock.now());
    }
    return seen;
  }

  it("doubles from 500 ms to a limit when chance is at its lowest", () => {
    assert.deepEqual(delays(9), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  });

  it("is never over 60 s when chance is at its highest", () => {
    chance = 1 - Number.EPSILON;
    const seen = delays(12).map(Math.round);
    assert.deepEqual(seen.slice(0, 6), [1000, 2000, 4000, 8000, 16000, 32000]);
    assert.deepEqual(seen.slice(6), Array(6).fill(BACKOFF_MAX_MS));
  });

  it("spreads clients by chance", () => {
    chance = 0.25;
    assert.deepEqual(delays(2), [625, 1250]);
  });

  it("counts attempts and says when the next one is", () => {
    connection.start();
    last().ends();
    assert.deepEqual(connection.state, {
      name: "waiting",
      attempt: 1,
      retryAt: clock.now() + 500,
      reason: "the server cannot be reached",
    });
    clock.advance(500);
    assert.deepEqual(connection.state, { name: "connecting", attempt: 2 });
  });

  it("goes on growing when connections die young: a server that accepts and drops gets no storm", () => {
    connection.start();
    const seen = [];
    for (let i = 0; i < 4; i += 1) {
      last().says(welcome());
      last().ends(1011);
      seen.push(connection.state.retryAt - clock.now());
      clock.advance(seen.at(-1));
    }
    assert.deepEqual(seen, [500, 1000, 2000, 4000]);
  });

  it("begins anew after a connection that lasted", () => {
    connection.start();
    last().ends();
    clock.advance(500);
    last().ends();
    clock.advance(1000);
    last().says(welcome());
    clock.advance(6_000);
    last().ends();
    assert.equal(connection.state.retryAt - clock.now(), 500);
  });

  it("passes the server's reason on", () => {
    connected();
    last().ends(1012, "restarting");
    assert.equal(connection.state.reason, "restarting");
  });

  it("tries at once when somebody asks", () => {
    connection.start();
    last().ends();
    connection.retryNow();
    assert.equal(connection.state.name, "connecting");
    assert.equal(sockets.length, 2);
    clock.advance(499);
    assert.equal(sockets.length, 2, "the timer of the wait is gone");
  });

  it("replaces an attempt that is stuck when somebody asks", () => {
    connection.start();
    connection.retryNow();
    assert.equal(sockets.length, 2);
    assert.notEqual(sockets[0].closedWith, null);
    last().says(welcome());
    assert.equal(connection.state.name, "open");
  });

  it("leaves an open connection alone when somebody asks", () => {
    connected();
    connection.retryNow();
    assert.equal(sockets.length, 1);
    assert.equal(connection.state.name, "open");
  });
});

describe("waking up (network back, page looked at again)", () => {
  it("ends a wait", () => {
    connection.start();
    last().ends();
    connection.wake();
    assert.equal(connection.state.name, "connecting");
  });

  it("replaces an attempt that began long ago, but not one just begun", () => {
    connection.start();
    connection.wake();
    assert.equal(sockets.length, 1);
    clock.sleep(5_000);
    connection.wake();
    assert.equal(sockets.length, 2);
  });

  it("makes an open connection prove that it lives", () => {
    connected();
    clock.sleep(1_000);
    last().sent.length = 0;
    connection.wake();
    assert.deepEqual(last().sent.map((m) => m.action), ["ping"]);
    clock.advance(PROBE_MS);
    assert.equal(connection.state.name, "waiting");
  });

  it("keeps the connection that answers, and does not ask twice at once", () => {
    connected();
    connection.wake();
    connection.wake();
    assert.equal(last().sent.filter((m) => m.action === "ping").length, 2, "one at the welcome, one now");
    last().says(pong());
    clock.advance(PROBE_MS);
    assert.equal(connection.state.name, "open");
  });

  it("is in doubt until the ping is answered: a frame may have lain in the socket since before", () => {
    connected();
    assert.equal(connection.doubtedSince, null);
    const before = pong();
    connection.wake();
    assert.equal(connection.doubtedSince, clock.now());
    clock.advance(200);
    last().says(heartbeat);
    last().says(before);
    assert.notEqual(connection.doubtedSince, null);
    last().says(pong());
    assert.equal(connection.doubtedSince, null);
  });

  it("leaves a connection that brings only what lay in the socket", () => {
    connected();
    connection.wake();
    for (let i = 0; i < 4; i += 1) {
      clock.advance(PROBE_MS / 4 - 1);
      last().says(heartbeat);
    }
    clock.advance(4);
    assert.equal(connection.state.name, "waiting");
    assert.notEqual(connection.doubtedSince, null, "no row is live again because the doubt proved right");
    clock.advance(BACKOFF_MAX_MS);
    assert.notEqual(connection.doubtedSince, null, "nor after attempts in vain");
    connection.wake();
    last().says(welcome());
    assert.equal(connection.doubtedSince, null);
  });
});

describe("offline, as the browser says", () => {
  it("asks at once and gives up soon", () => {
    connected();
    connection.offline();
    assert.equal(last().sent.at(-1).action, "ping");
    clock.advance(OFFLINE_PROBE_MS - 1);
    assert.equal(connection.state.name, "open");
    clock.advance(1);
    assert.equal(connection.state.name, "waiting");
  });

  it("keeps a connection that answers: the server may be on this machine", () => {
    connected();
    connection.offline();
    last().says(pong());
    clock.advance(OFFLINE_PROBE_MS);
    assert.equal(connection.state.name, "open");
  });

  it("shortens a probe that is under way, and never lengthens one", () => {
    connected();
    clock.advance(SILENCE_MS);
    clock.advance(PROBE_MS - 1_000);
    connection.offline();
    clock.advance(1_000);
    assert.equal(connection.state.name, "waiting");
  });

  it("does nothing to a connection that is not open", () => {
    connection.start();
    last().ends();
    connection.offline();
    assert.equal(connection.state.name, "waiting");
  });
});

describe("close codes", () => {
  for (const code of [1000, 1001, 1006, 1008, 1009, 1011, 1012, 4000, 4008, 4499]) {
    it(`comes back after ${code}`, () => {
      connected();
      last().ends(code);
      assert.equal(connection.state.name, "waiting");
    });
  }

  for (const code of [4500, 4501, 4503, 4999]) {
    it(`stays away after ${code}`, () => {
      connected();
      last().ends(code, "not like this");
      assert.deepEqual(connection.state, { name: "closed", code, reason: "not like this" });
      connection.retryNow();
      connection.wake();
      clock.advance(3_600_000);
      assert.equal(sockets.length, 1);
      assert.equal(clock.pending, 0);
    });
  }

  it("stays away when refused before the welcome", () => {
    connection.start();
    last().ends(4501, "protocols: 2");
    assert.equal(connection.state.name, "closed");
  });
});

describe("going away", () => {
  it("comes back after the time the server asked for", () => {
    connected();
    last().says({ type: "going_away", reconnect_after: 1.7 });
    assert.equal(connection.state.name, "open", "until the server closes");
    clock.advance(300);
    last().ends(1012);
    assert.equal(connection.state.retryAt - clock.now(), 1700);
  });

  it("falls back to its own delays when the server is not there by then", () => {
    connected();
    clock.advance(6_000);
    last().says({ type: "going_away", reconnect_after: 1.7 });
    last().ends(1012);
    clock.advance(1700);
    last().ends();
    assert.equal(connection.state.retryAt - clock.now(), 500);
  });

  it("does not wait longer than the limit, whatever is asked", () => {
    connected();
    last().says({ type: "going_away", reconnect_after: 86_400 });
    last().ends(1012);
    assert.equal(connection.state.retryAt - clock.now(), BACKOFF_MAX_MS);
  });
});

describe("silence", () => {
  it("asks after two missed heartbeats and leaves when nothing comes", () => {
    connected();
    last().sent.length = 0;
    clock.advance(SILENCE_MS - 1);
    assert.deepEqual(last().sent, []);
    clock.advance(1);
    assert.equal(last().sent.length, 1);
    assert.equal(last().sent[0].action, "ping");
    clock.advance(PROBE_MS - 1);
    assert.equal(connection.state.name, "open");
    clock.advance(1);
    assert.equal(connection.state.name, "waiting");
    assert.equal(connection.state.reason, "the server went silent");
    assert.equal(last().closedWith.code, 4000);
    assert.equal(connection.state.retryAt - clock.now(), 500, "it had been a good connection");
  });

  it("is ended by any message", () => {
    connected();
    for (let i = 0; i < 50; i += 1) {
      clock.advance(5_000);
      last().says(heartbeat);
    }
    assert.equal(connection.state.name, "open");
    assert.equal(sockets.length, 1);
  });

  it("is ended by the answer to the ping, and watched for again", () => {
    connected();
    clock.advance(SILENCE_MS);
    last().says({ type: "pong", id: last().sent.at(-1).id, server_time: "2026-11-22T10:00:10Z" });
    clock.advance(PROBE_MS);
    assert.equal(connection.state.name, "open");
    clock.advance(SILENCE_MS);
    assert.equal(connection.state.name, "waiting");
  });

  it("asks first when the machine slept, instead of dropping what may be alive", () => {
    connected();
    clock.sleep(3_600_000);
    clock.advance(0);
    assert.equal(connection.state.name, "open");
    last().says(heartbeat);
    clock.advance(PROBE_MS);
    assert.equal(connection.state.name, "open");
  });
});

describe("the server's clock", () => {
  it("is read from the welcome and from each pong with its round trip", () => {
    connected();
    assert.deepEqual(times, [{ serverTime: Date.parse("2026-11-22T10:00:00Z"), roundTrip: null }]);
    clock.advance(80);
    last().says({ type: "pong", id: last().sent[0].id, server_time: "2026-11-22T10:00:01Z" });
    assert.deepEqual(times[1], { serverTime: Date.parse("2026-11-22T10:00:01Z"), roundTrip: 80 });
    assert.deepEqual(roundTrips, [80]);
  });

  it("is asked for once per heartbeat", () => {
    connection.start();
    last().says(welcome({ heartbeat: 7 }));
    for (let i = 0; i < 7; i += 1) {
      clock.advance(3_000);
      last().says(heartbeat);
    }
    assert.equal(last().sent.filter((m) => m.action === "ping").length, 4, "at 0, 7, 14 and 21 s");
  });

  it("is not taken from a pong nobody waits for", () => {
    connected();
    last().says({ type: "pong", id: "ping-99", server_time: "2030-01-01T00:00:00Z" });
    assert.equal(times.length, 1);
  });
});

describe("sending and stopping", () => {
  it("sends only when open, and says so", () => {
    assert.equal(connection.send({ action: "ping", id: 1 }), false);
    connection.start();
    assert.equal(connection.send({ action: "ping", id: 1 }), false);
    last().says(welcome());
    assert.equal(connection.send({ action: "ping", id: 1 }), true);
    assert.deepEqual(last().sent.at(-1), { action: "ping", id: 1 });
    last().ends();
    assert.equal(connection.send({ action: "ping", id: 2 }), false);
  });

  it("reports what it cannot use and goes on", () => {
    connected();
    last().says("{half");
    last().says({ type: "prices", as_of: null, prices: [{ symbol: "AAPL", price: "1" }] });
    last().says({ type: "a_later_invention" });
    assert.equal(faults.length, 2);
    assert.equal(connection.state.name, "open");
    assert.deepEqual(messages.at(-1), { type: "prices", steady: null, fetched: null, prices: [] });
  });

  it("stops for good and leaves no timer", () => {
    connected();
    connection.stop();
    assert.deepEqual(last().closedWith.code, 1000);
    assert.equal(connection.state.name, "closed");
    assert.equal(clock.pending, 0);
    connection.retryNow();
    assert.equal(sockets.length, 1);
  });
});

describe("other nodes of the cluster", () => {
  const NODES = ["http://two", "https://three/stocks/", "ftp://four", "http://u:p@five", "nonsense", "http://two"];
  const hosts = () => sockets.map((socket) => new URL(socket.url).host);

  function connectedToOneOf(nodes = NODES) {
    connection.start();
    last().says(welcome({ nodes }));
    clock.advance(6_000);
    last().says(heartbeat);
  }

  it("are tried after the page's own server, soon, and in rounds whose pauses grow", () => {
    chance = 1;
    connectedToOneOf();
    last().ends(1006);
    const pauses = [];
    for (let i = 0; i < 6; i += 1) {
      pauses.push(connection.state.retryAt - clock.now());
      clock.advance(pauses.at(-1));
      last().ends(1006);
    }
    assert.deepEqual(hosts(), ["here", "here", "two", "three", "here", "two", "three"]);
    assert.deepEqual(pauses, [1_000, HOP_MS, HOP_MS, 1_000, HOP_MS, HOP_MS]);
    assert.equal(sockets[3].url, "wss://three/stocks/ws?protocol=1");
  });

  it("are gone on with at once when the page's own server goes away", () => {
    connectedToOneOf();
    last().says({ type: "going_away", reconnect_after: 5, nodes: ["http://three"] });
    last().ends(1012);
    assert.ok(connection.state.retryAt - clock.now() <= HOP_MS);
    clock.advance(HOP_MS);
    assert.deepEqual(hosts(), ["here", "three"]);
    last().says(welcome({ nodes: ["http://here"] }));
    assert.equal(connection.state.name, "open");
  });

  it("are left for the page's own server, and remembered", () => {
    connectedToOneOf(["http://two"]);
    last().says({ type: "going_away", reconnect_after: 5, nodes: ["http://two"] });
    last().ends(1012);
    clock.advance(HOP_MS);
    last().says(welcome());
    clock.advance(6_000);
    last().says(heartbeat);
    last().ends(1006);
    clock.advance(1_000);
    last().ends(1006);
    clock.advance(HOP_MS);
    assert.deepEqual(hosts(), ["here", "two", "here", "two"]);
  });

  it("are tried before a server that went silent", () => {
    connectedToOneOf(["http://two"]);
    clock.advance(SILENCE_MS + PROBE_MS + HOP_MS);
    assert.deepEqual(hosts(), ["here", "two"]);
  });

  it("are not waited for when the server names none", () => {
    connectedToOneOf([]);
    last().says({ type: "going_away", reconnect_after: 5 });
    last().ends(1012);
    assert.equal(connection.state.retryAt - clock.now(), 5_000);
  });

  it("end nothing for the page when they do not want it back", () => {
    connectedToOneOf(["http://two"]);
    last().says({ type: "going_away", reconnect_after: 5 });
    last().ends(1012);
    clock.advance(HOP_MS);
    last().ends(4501, "supported protocols: 2");
    assert.equal(connection.state.name, "waiting");
    for (let i = 0; i < 3; i += 1) {
      clock.advance(4_000);
      last().ends(1006);
    }
    assert.deepEqual(hosts(), ["here", "two", "here", "here", "here"]);
  });

  it("are only those with TLS for a page that came by TLS", () => {
    const nodes = new Nodes("wss://here/ws");
    nodes.learn(["http://two", "https://three"]);
    const tried = [1, 2, 3].map(() => [nodes.next(), nodes.current]);
    assert.deepEqual(tried, [[true, "wss://here/ws"], [false, "wss://three/ws"], [true, "wss://here/ws"]]);
  });
});
