/**
 * What actions do and events mean, in words. Knows no DOM.
 */
import { age } from "../format.js";
import { duration } from "./units.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Target} Target */
/** @typedef {import("./types.js").ActiveFault} ActiveFault */

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 * @returns {string} "1 actor", "3 actors"
 */
export function plural(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}

/**
 * Whom an action on this target reaches.
 * @param {Target} target
 * @returns {string} one or two sentences
 */
export function blastRadius({ path, blast_radius: { actors, clients, disconnects } }) {
  const below = actors - 1;
  const who = below === 0 ? "Only this actor ends." : `It and ${plural(below, "actor")} under it end.`;
  if (clients === 0) return `${who} No client is connected.`;
  if (disconnects === true || path === "web" || path === "root") return `${who} ${plural(clients, "client loses its connection", "clients lose their connections")} and will come back.`;
  return `${who} ${plural(clients, "client")} may see a short pause; none is disconnected.`;
}

/**
 * @param {Target} target
 * @returns {string | null} what is left of its supervisor's patience
 */
export function budget({ budget_left: left }) {
  if (left === null) return null;
  return left <= 0 ? "none left: one more and its supervisor gives up" : `${left} more before its supervisor gives up`;
}

/**
 * @param {Entry} entry
 * @returns {{text: string, tone: "good" | "bad" | "warn" | "plain"}}
 */
export function describe(entry) {
  const { kind, generation = 0, reason = "", decision, detail = "", down_ms: down, more = 0 } = entry;
  if (more > 0) return { text: `${more} more like it (${kind.replaceAll("_", " ")})`, tone: "warn" };
  switch (kind) {
    case "started":
      if (generation <= 1) return { text: "started", tone: "plain" };
      return { text: `back, generation ${generation}${down === undefined ? "" : ` after ${duration(down)}`}`, tone: "good" };
    case "exited":
      return { text: `${reason}${decision === undefined ? "" : ` → ${decision}`}`, tone: isClean(reason) || decision === "stopping" ? "plain" : "bad" };
    case "start_failed":
      return { text: `did not start: ${reason}`, tone: "bad" };
    case "start_ignored":
      return { text: "has nothing to do", tone: "plain" };
    case "restart_scheduled":
      return { text: `restart: ${detail}`, tone: "warn" };
    case "gave_up":
      return { text: `gives up: ${detail}`, tone: "bad" };
    case "stopped_by_child":
      return { text: `stops: ${detail}`, tone: "warn" };
    case "stop_timed_out":
      return { text: `did not stop ${detail}`, tone: "warn" };
    case "still_running":
      return { text: detail.split("\n", 1)[0] ?? "", tone: "bad" };
    case "terminate_failed":
      return { text: `clean-up ${detail}`, tone: "bad" };
    case "unhandled":
      return { text: detail, tone: "warn" };
    case "dropped":
      return { text: `mailbox full: ${detail}`, tone: "warn" };
    case "clock":
      return { text: detail, tone: "warn" };
    case "notice":
      return { text: detail, tone: reason === "well" ? "good" : "bad" };
    case "operator":
      return { text: detail, tone: "warn" };
    case "to_nobody":
      return { text: `${detail} to nobody`, tone: "plain" };
    case "circuit":
      return { text: `${detail.replace("half_open", "half-open")}: ${reason}`, tone: detail.endsWith("closed") ? "good" : "bad" };
    default:
      return { text: [kind.replaceAll("_", " "), reason, detail].filter((part) => part !== "").join(": "), tone: "plain" };
  }
}

/**
 * @param {string} reason of an exit
 * @returns {boolean} whether it was asked for
 */
export function isClean(reason) {
  return reason === "normal" || reason.startsWith("shutdown");
}

/**
 * @param {ActiveFault} fault
 * @param {number} now the server's time, ms
 * @returns {string} "ends in 12 s"
 */
export function remaining({ until }, now) {
  if (until === null) return "until it is halted";
  return until > now ? `ends in ${age(Math.ceil((until - now) / 1000) * 1000)}` : "ending";
}

/**
 * @param {string} state of an actor or the circuit
 * @returns {string} "Half-open"
 */
export function stateName(state) {
  const text = state.replace("half_open", "half-open");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
