/**
 * What to do about a reason of the verdict, by its part of the page. Knows no DOM.
 */

/** @type {ReadonlyMap<string, string>} */
const ADVICE = new Map([
  ["tree", "Its last exit and its log lines say why. Where it does not come back by itself, restart it, or its supervisor."],
  ["feeds", "Clients keep the last prices, marked stale. Look at the last trouble under Feeds; Fetch now asks the provider at once."],
  ["upstreams", "The line is replaced by itself once that is certain. Fetch now asks by REST, where the provider has it."],
  ["symbols", "Look one up to see what was told of it last. The provider may not list it any more."],
  ["items", "The provider sends what cannot be a price. Its words are under Items, its last answer under Feeds."],
  ["history", "Prices go on, and wait on disk until they are recorded. Look at the database and at the disk, then Reconnect."],
  ["cluster", "Compare the clocks of the nodes, their settings, and their connections to NATS."],
  ["process", "See Figures for since when. Fewer clients help, or another node; a drain sends some there."],
  ["clients", "Their network or their browser does not keep up, or there are too many. Close one, or drain some."],
  ["jobs", "Its note says why. Run it again once that is mended."],
  ["webhooks", "The reasons are under Alerts. What was given up can be sent again once the receiver takes it."],
  ["settings", "The log has them. Look why the database did not take entries for so long."],
  ["log", "Search the log for its last lines."],
]);

/**
 * @param {readonly import("./types.js").Reason[]} reasons
 * @returns {string[]} for each what to do; nothing where one above it, of the same part, says so
 */
export function adviceFor(reasons) {
  return reasons.map(({ part }, index) => (reasons.findIndex((reason) => reason.part === part) < index ? "" : (ADVICE.get(part) ?? "")));
}
