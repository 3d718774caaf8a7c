/**
 * The recording of prices: how far behind it is, and what could not be kept.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { age } from "../format.js";
import { bytes, count } from "./units.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").History} History */

/** Younger than this is no lag: a round of the recorder takes a quarter of a second. */
const LAG_MS = 2_000;

/** Younger than this is no lag of the replica: it is looked at once a second. */
const REPLICA_LAG_MS = 3_000;

/** @typedef {Record<"waiting" | "oldest" | "spool" | "lost" | "rejected" | "recorded" | "replica", string>} Figures */

/**
 * @param {History} history
 * @param {number} now the server's time, ms
 * @returns {{tone: string, icon: string, state: string, trouble: string, figures: Figures}}
 */
export function describeHistory({ ok, reason, database, recorder, waiting, rows, oldest }, now) {
  const lag = oldest === null ? 0 : now - oldest;
  const figures = {
    waiting: waiting === 0 ? "nothing" : `${plural(rows, "price")} in ${plural(waiting, "batch", "batches")}`,
    oldest: lag < LAG_MS ? "up to date" : `${age(lag)} behind`,
    spool: recorder === null || recorder.spooled === 0 ? "nothing" : `${plural(recorder.spooled, "batch", "batches")}, ${bytes(recorder.spool_bytes)}`,
    lost: recorder === null ? "none" : lostText(recorder, now),
    rejected: recorder === null || recorder.rejected === 0 ? "none" : `${plural(recorder.rejected, "batch", "batches")}${recorder.rejected_gone === 0 ? "" : `, ${recorder.rejected_gone} not kept`}`,
    recorded: recorder === null ? "–" : count(recorder.recorded_ticks),
    replica: replicaText(database?.replica ?? null, now),
  };
  const trouble = database === null || ok ? "" : (reason ?? "");
  const alert = (recorder?.alert ?? "") !== "";
  if (database === null) return { tone: "plain", icon: "dash", state: "Unknown", trouble, figures };
  if (!database.up) return { tone: alert ? "bad" : "warn", icon: alert ? "cross" : "triangle", state: `Away for ${age(now - database.since)}`, trouble, figures };
  // A backlog that is being worked off is no alert: nobody need do anything about it.
  if (alert || (!ok && !recorder?.spooled)) return { tone: "bad", icon: "cross", state: "In trouble", trouble, figures };
  if (!ok || lag >= LAG_MS) return { tone: "warn", icon: "triangle", state: "Catching up", trouble, figures };
  return { tone: "good", icon: "dot", state: "Recording", trouble, figures };
}

/**
 * @param {import("./types.js").Replica | null} replica
 * @param {number} now the server's time, ms
 */
function replicaText(replica, now) {
  if (replica === null) return "none";
  const lag = replica.as_of === null ? null : now - replica.as_of;
  const behind = lag === null ? "lag unknown" : lag < REPLICA_LAG_MS ? "up to date" : `${age(lag)} behind`;
  return replica.connections > 0 ? behind : `not asked, ${behind}`;
}

/**
 * @param {import("./types.js").Recorder} recorder
 * @param {number} now the server's time, ms
 */
function lostText({ lost, dropped, unread_batches: unread, unread_bytes: size, lost_at: at }, now) {
  const parts = [];
  if (lost + dropped > 0) parts.push(plural(lost + dropped, "price"));
  if (unread > 0) parts.push(`${plural(unread, "unreadable batch", "unreadable batches")} of ${bytes(size)}`);
  if (parts.length === 0) return "none";
  return parts.join(" and ") + (at === null ? "" : `, ${age(now - at)} ago`);
}

export class HistoryView {
  #sign = must(document, "#history-state", HTMLElement);
  #icon = must(this.#sign, "use", SVGUseElement);
  #state = must(this.#sign, '[data-part="text"]', HTMLElement);
  #trouble = must(document, "#history-trouble", HTMLElement);
  #list = must(document, "#history", HTMLElement);

  /**
   * @param {History} history
   * @param {number} now the server's time, ms
   */
  paint(history, now) {
    const { tone, icon, state, trouble, figures } = describeHistory(history, now);
    setIcon(this.#icon, icon);
    setAttribute(this.#sign, "data-tone", tone);
    setText(this.#state, state);
    this.#trouble.hidden = trouble === "";
    setText(this.#trouble, trouble);
    for (const [name, text] of Object.entries(figures)) setText(must(this.#list, `[data-part="${name}"]`, HTMLElement), text);
  }
}
