import assert from "node:assert/strict";
import { test } from "node:test";
import { logAddress } from "../../../../web/static/js/admin/log-link.js";
import { askedOf, partOf } from "../../../../web/static/js/admin/views.js";

test("a link to the log says by what it is filtered", () => {
  assert.equal(logAddress({}), "#log");
  const hash = logAddress({ correlation: "api-1-2", search: "a&b=c ?#" });
  assert.equal(partOf(hash), "log");
  assert.deepEqual([...(askedOf(hash) ?? [])], [["correlation", "api-1-2"], ["search", "a&b=c ?#"]]);
});

test("an address without a question asks for nothing", () => {
  assert.deepEqual([partOf("#figures"), askedOf("#figures"), partOf(""), askedOf("")], ["figures", null, "", null]);
  assert.deepEqual([...(askedOf("#log?") ?? [])], []);
});
