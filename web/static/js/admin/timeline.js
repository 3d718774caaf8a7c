/**
 * What happened when, as places on a line of up to ten minutes. Knows no DOM.
 */

/** @typedef {import("./types.js").RestartEntry} RestartEntry */
/** @typedef {import("./types.js").Transition} Transition */
/** @typedef {"killed" | "crashed" | "bystander"} MarkKind */

export const SPAN_MS = 600_000;

/** A server that has just started has no ten minutes: the line grows with it. */
const SPANS_MS = [60_000, 120_000, 300_000, SPAN_MS];

/** More than these would be a wall; the busiest are kept. */
export const MOST_LANES = 12;

/**
 * @param {number} start of the server, ms
 * @param {number} now ms
 * @returns {number} ms that the line is long
 */
export function spanOf(start, now) {
  return SPANS_MS.find((span) => now - start <= span) ?? SPAN_MS;
}

/**
 * @param {number} span ms
 * @returns {{part: number, label: string}[]} of the span, from its beginning to now
 */
export function ticks(span) {
  const count = span === 300_000 || span === SPAN_MS ? 5 : 4;
  return Array.from({ length: count + 1 }, (_, index) => {
    const seconds = (span * (count - index)) / count / 1000;
    const label = seconds === 0 ? "now" : seconds < 120 ? `${seconds} s` : `${seconds / 60} min`;
    return { part: index / count, label };
  });
}

/**
 * @typedef {object} Lane
 * @property {string} path
 * @property {{at: number, kind: MarkKind, downMs: number, title: RestartEntry}[]} marks oldest first
 */

/**
 * @param {readonly RestartEntry[]} restarts
 * @param {readonly string[]} order paths as they stand in the tree
 * @param {number} now ms
 * @returns {{lanes: Lane[], hidden: number, count: number}} in the order of the tree; `hidden` lanes are left out
 */
export function lanes(restarts, order, now) {
  /** @type {Map<string, Lane>} */
  const found = new Map();
  let count = 0;
  for (const entry of restarts) {
    if (entry.at < now - SPAN_MS) continue;
    count += 1;
    let lane = found.get(entry.path);
    if (lane === undefined) found.set(entry.path, (lane = { path: entry.path, marks: [] }));
    lane.marks.push({ at: entry.at, kind: kindOf(entry.reason), downMs: entry.down_ms ?? 0, title: entry });
  }
  const busiest = [...found.values()].sort((a, b) => b.marks.length - a.marks.length).slice(0, MOST_LANES);
  const place = new Map(order.map((path, index) => [path, index]));
  const rank = (/** @type {Lane} */ lane) => place.get(lane.path) ?? order.length;
  busiest.sort((a, b) => rank(a) - rank(b) || a.path.localeCompare(b.path));
  return { lanes: busiest, hidden: found.size - busiest.length, count };
}

/**
 * @param {string | null} reason why the predecessor ended
 * @returns {MarkKind}
 */
export function kindOf(reason) {
  if (reason === null) return "bystander";
  if (reason.startsWith("crash")) return "crashed";
  return reason === "killed" ? "killed" : "bystander";
}

/**
 * The circuit breaker's states as pieces of the line.
 * @param {readonly Transition[]} transitions oldest first
 * @param {string} state now
 * @param {number} start ms, when the server's log began
 * @param {number} now ms
 * @param {number} span ms
 * @returns {{from: number, to: number, state: string, forced: boolean}[]} parts of the span, 0 to 1; none before the start
 */
export function segments(transitions, state, start, now, span) {
  const begin = Math.max(now - span, start);
  const place = (/** @type {number} */ at) => Math.min(1, Math.max(0, 1 - (now - at) / span));
  const pieces = [];
  let from = begin;
  let current = transitions.find(({ at }) => at >= begin)?.left ?? transitions.at(-1)?.entered ?? state;
  let forced = transitions.findLast(({ at }) => at < begin)?.forced ?? false;
  for (const { at, entered, forced: now_forced } of transitions) {
    if (at < begin) continue;
    if (at > from) pieces.push({ from: place(from), to: place(at), state: current, forced });
    from = at;
    current = entered;
    forced = now_forced;
  }
  if (now > from) pieces.push({ from: place(from), to: 1, state: current, forced });
  return pieces;
}
