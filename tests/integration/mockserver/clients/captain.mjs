// The calls of wiremock-captain against the stub API at the URL that is given.
import assert from 'node:assert/strict';
import { WireMock } from 'wiremock-captain';

const url = process.argv[2];
const mock = new WireMock(url);
const status = async (path, options) => (await fetch(url + path, options)).status;

const first = await mock.register(
  { method: 'POST', endpoint: '/orders', body: { symbol: 'AAPL' }, headers: { 'X-Key': 'k' } },
  { status: 201, body: { id: 7 } },
);
const sent = (body, key) =>
  status('/orders', { method: 'POST', body: JSON.stringify(body), headers: { 'X-Key': key } });
assert.equal(await sent({ symbol: 'AAPL' }, 'k'), 201);
assert.equal(await sent({ symbol: 'MSFT' }, 'k'), 404);
assert.equal(await sent({ symbol: 'AAPL' }, 'other'), 404);

await mock.register(
  { method: 'POST', endpoint: '/form', formParameters: { t: 'W' } },
  { status: 204 },
);
const form = (t) => status('/form', { method: 'POST', body: new URLSearchParams({ t }) });
assert.equal(await form('W'), 204);
assert.equal(await form('X'), 404);

assert.equal((await mock.getMapping(first.id)).id, first.id);
assert.equal((await mock.getAllMappings()).length, 3);
assert.equal((await mock.getRequestsForAPI('POST', '/orders')).length, 3);
assert.equal((await mock.getUnmatchedRequests()).length, 3);
assert.equal((await mock.getAllRequests()).length, 5);
assert.deepEqual(await mock.getAllScenarios(), []);
await mock.resetAllScenarios();
await mock.deleteMapping(first.id);
assert.equal(await sent({ symbol: 'AAPL' }, 'k'), 404);
await mock.clearAllRequests();
assert.equal((await mock.getAllRequests()).length, 0);
await mock.resetMappings();
assert.equal((await mock.getAllMappings()).length, 1);
await mock.clearAll();
assert.equal((await mock.getAllMappings()).length, 0);
console.log('done');
