/**
 * What an operator may do without breaking anything: as orders of the dialog, and what came of each.
 */
import { age } from "../format.js";
import { plural } from "./wording.js";

/** @typedef {import("./action-dialog.js").Order} Order */

/** Orders that go to `/admin/api/actions`; all others are faults. */
export const SAFE = new Set(["restart", "fetch", "reconnect", "drain"]);

/**
 * @param {string} path
 * @returns {Order}
 */
export function restartOrder(path) {
  const what = path === "web" ? "Its clients are told to come back, and it starts again. This page comes back by itself." : "It is asked to stop, cleans up, and is started again by its supervisor. That does not count against the restarts it may have.";
  return { action: "restart", target: path, path, parameters: {}, title: `Restart ${path}?`, what, verb: "Restart" };
}

/**
 * @param {string} upstream
 * @returns {Order}
 */
export function fetchOrder(upstream) {
  const what = "The provider is asked now, within what it allows. An open circuit breaker is asked to let this one probe. No client notices, but by fresh prices.";
  return { action: "fetch", target: upstream, path: `market/feeds/${upstream}/feed`, parameters: { upstream }, title: `Fetch from ${upstream} now?`, what, verb: "Fetch now" };
}

/** @returns {Order} */
export function reconnectOrder() {
  const what = "All connections to the database are cut, and made anew at once. Queries under way fail: charts and lists may show an error once. Prices go on, and wait in memory to be recorded.";
  return { action: "reconnect", target: "database/gateway", path: "database/gateway", parameters: {}, title: "Reconnect the database?", what, verb: "Reconnect" };
}

/**
 * @param {number} share percent
 * @param {number} seconds
 * @param {number} connected
 * @returns {Order}
 */
export function drainOrder(share, seconds, connected) {
  const reached = Math.round((connected * share) / 100);
  const over = seconds === 0 ? "at once" : `spread over ${age(seconds * 1000)}`;
  const all = share >= 100 ? " /health/traffic says that no new clients should come, until the drain is ended." : "";
  const what = `${plural(reached, "client is", "clients are")} told to leave, ${over}. Each goes to another node, or comes back here after a moment.${all}`;
  return { action: "drain", target: "web", path: "web", parameters: { share, over_seconds: seconds }, title: share >= 100 ? "Drain all clients?" : `Drain ${share} % of the clients?`, what, verb: "Drain" };
}

/**
 * Does it.
 * @param {{post: (path: string, body: object, headers?: Record<string, string>) => Promise<any>}} api
 * @param {Order} order
 * @param {{target: string, expected_generation: number, reason: string}} body as a fault has it
 * @param {Record<string, string>} headers
 * @returns {Promise<any>}
 */
export function carryOut(api, order, body, headers) {
  if (!SAFE.has(order.action)) return api.post("chaos/inject", body, headers);
  if (order.action === "restart") return api.post("actions/restart", { path: order.path, generation: body.expected_generation, reason: body.reason });
  return api.post(`actions/${order.action}`, order.parameters);
}

/**
 * @param {Pick<Order, "action">} order
 * @param {any} answer
 * @returns {string} what came of it
 */
export function outcomeOf({ action }, answer) {
  switch (action) {
    case "restart":
      if (answer.generation === null) return `${answer.path}: ${answer.detail}.`;
      return `${answer.path}: generation ${answer.generation_before} → ${answer.generation}.`;
    case "fetch":
      return `${answer.upstream}: ${answer.detail}.`;
    case "reconnect":
      return answer.ok ? `${plural(answer.cut, "connection")} cut, ${answer.connections} made anew.` : `${plural(answer.cut, "connection")} cut. Not connected: ${answer.reason}`;
    default:
      return `${plural(answer.chosen, "client is", "clients are")} told to leave.`;
  }
}
