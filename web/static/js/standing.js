/**
 * How a row stands, in words that are ready to be shown: by the watch list, and above a chart.
 */
import { age } from "./format.js";
import { rowState } from "./freshness.js";

/** @typedef {import("./freshness.js").Cause} Cause */
/** @typedef {import("./freshness.js").FeedView} FeedView */
/** @typedef {import("./freshness.js").RowState} RowState */
/** @typedef {import("./store.js").Entry} Entry */
/** @typedef {import("./store.js").HeldQuote} HeldQuote */

/**
 * @typedef {object} Standing
 * @property {RowState | "refused"} state
 * @property {string} icon
 * @property {string} text how old it is: "2 s", "Stale 4 min"
 * @property {string} note what else has to be known, in few words: "not listed any more", "delayed 15 min"; often empty
 * @property {string} title the whole of it in sentences, without ages: it changes with the state alone
 */

/** @type {Record<Standing["state"], string>} */
const ICONS = { live: "dot", stale: "triangle", frozen: "pause", closed: "moon", halted: "halt", loading: "ring", refused: "cross" };

/**
 * Why the server calls a symbol stale: in a few words beside it, and as the end of "Stale: ".
 * @type {Record<string, {note: string, sentence: string}>}
 */
const REASONS = {
  not_listed: { note: "not listed any more", sentence: "it is not in the provider’s list any more" },
  not_told: { note: "left out by the provider", sentence: "the provider was asked for it and left it out of its answer" },
  not_positive: { note: "price was 0 or less", sentence: "the provider told a price of 0 or less" },
  not_finite: { note: "price was no number", sentence: "the provider told a price that is no finite number" },
  wrong_type: { note: "price was unreadable", sentence: "the provider told it in a way that cannot be read" },
  missing_field: { note: "price or time was missing", sentence: "the provider told it without a price or its time" },
  invalid_timestamp: { note: "time was unreadable", sentence: "the provider told a time that cannot be read" },
  duplicate_symbol: { note: "told twice", sentence: "the provider told it twice in one answer" },
  beyond_limit: { note: "beyond the limit", sentence: "the provider’s answer is longer than this server reads" },
  outdated: { note: "time went back", sentence: "the provider’s time of it is before the one it told last" },
  feed_away: { note: "source is away", sentence: "nothing newer could be fetched from its source" },
  over_limit: { note: "over the limit of its source", sentence: "its source tells no more symbols at a time than it does already" },
  not_in_plan: { note: "not in the plan", sentence: "it is not in the plan with its source" },
  clock_ahead: { note: "time is ahead", sentence: "the provider’s time of it is in the future" },
};
const UNKNOWN_REASON = { note: "not confirmed", sentence: "the provider’s last answer did not confirm it" };

const CONFIRMED = "the last fetch told it again";

/** @type {Record<Exclude<Cause, "symbol">, string>} */
export const CAUSES = { feed: "nothing newer could be fetched", connection: "no word from the server" };

/** @type {Record<string, string>} */
const SESSIONS = { pre: "pre-market", post: "after hours" };

/**
 * @param {string | null} reason a code of the server's; a newer server may have more of them
 * @returns {{note: string, sentence: string}}
 */
export function reasonWords(reason) {
  return REASONS[reason ?? ""] ?? UNKNOWN_REASON;
}

/**
 * @param {Readonly<Entry>} entry
 * @param {FeedView} view
 * @param {number} now ms
 * @returns {Standing}
 */
export function standing({ quote, rejected, refusal }, view, now) {
  const why = rejected ?? refusal;
  if (why !== null) return made("refused", "Not served", why, `Not served: ${why}`);
  const { state, cause } = rowState(quote, view, now);
  if (quote === null) return made("loading", "Waiting", "", "No price yet");
  const delay = delayWords(quote);
  const confirmed = quote.confirmedAt ?? view.fetchedAt;
  const ago = confirmed === null ? "" : age(now - confirmed);
  switch (state) {
    case "stale": {
      const words = cause === "symbol" ? reasonWords(quote.reason) : null;
      const why = words?.sentence ?? CAUSES[cause === "connection" ? "connection" : "feed"];
      return made(state, `Stale ${ago}`.trim(), words?.note ?? delay, sentences(`Stale: ${why}`, delay));
    }
    case "halted":
      return made(state, "Halted", delay, sentences("Halted: nobody may trade it now", CONFIRMED, delay));
    case "closed":
      return made(state, "Closed", delay, sentences("Closed: its market is closed", CONFIRMED, delay));
    case "frozen":
      return made(state, `Frozen ${age(now - quote.changedAt)}`, noteOf(quote), sentences("Frozen: the price has not changed for over a minute", CONFIRMED, delay));
    default:
      return made("live", ago, noteOf(quote), sentences(quote.confirmedAt === null ? "Live: the last fetch told it" : "Live: the last fetch that asked for it told it", delay));
  }
}

/** @param {HeldQuote} quote */
function delayWords({ delayed, delayedSeconds }) {
  if (delayedSeconds !== null && delayedSeconds > 0) return `delayed ${age(delayedSeconds * 1000)}`;
  return delayed ? "delayed" : "";
}

/** @param {HeldQuote} quote */
function noteOf(quote) {
  return [delayWords(quote), SESSIONS[quote.session ?? ""] ?? ""].filter((word) => word !== "").join(", ");
}

/**
 * @param {Standing["state"]} state
 * @param {string} text
 * @param {string} note
 * @param {string} title
 * @returns {Standing}
 */
function made(state, text, note, title) {
  return { state, icon: ICONS[state], text, note, title };
}

/** @param {string[]} parts */
function sentences(...parts) {
  return parts.filter((part) => part !== "").map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}.`).join(" ");
}
