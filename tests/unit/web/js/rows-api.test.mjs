import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { ask } from "../../../../web/static/js/rows-api.js";

const answering = (body, options) => () => Promise.resolve(new Response(body, options));
const breakingOff = (begin) =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(begin));
    },
    pull(controller) {
      controller.error(new TypeError("the connection is gone"));
    },
  });

describe("an answer with rows", () => {
  it("is its body, and nothing where it has none", async () => {
    assert.deepEqual(await ask(answering('{"rules":[]}'), "GET", "alerts/rules"), { ok: true, body: { rules: [] } });
    assert.deepEqual(await ask(answering(null, { status: 204 }), "POST", "alerts/fired/read", {}), { ok: true, body: null });
  });

  it("that breaks off or is no JSON is no answer", async () => {
    for (const body of [breakingOff('{"watchlists":['), '{"watchlists":[', "", "<html>"]) {
      const answer = await ask(answering(body), "GET", "watchlists");
      assert.equal(answer.ok, false);
      assert.equal(answer.temporary, true);
    }
  });

  it("of a refusal counts though its reason is not understood", async () => {
    const refused = await ask(answering(breakingOff('{"error":'), { status: 503, headers: { "Retry-After": "2" } }), "GET", "watchlists");
    assert.deepEqual(refused, { ok: false, status: 503, loggedOut: false, temporary: true, reason: "the server answered 503", retryAfter: 2_000 });
  });

  it("that takes a login tells it from one that takes a cookie", async () => {
    const refused = (code) => ask(answering(JSON.stringify({ error: { code, reason: "why" } }), { status: 401 }), "PATCH", "watchlists/1", {});
    for (const code of ["login_ended", "login_needed"]) {
      const { ok, loggedOut, temporary, reason } = await refused(code);
      assert.deepEqual({ ok, loggedOut, temporary, reason }, { ok: false, loggedOut: true, temporary: false, reason: "your login has ended" });
    }
    const cookieless = await refused("no_user");
    assert.equal(cookieless.loggedOut, false);
    assert.equal(cookieless.reason, "this browser sends no cookie");
  });
});
