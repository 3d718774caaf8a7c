/**
 * The address of the log view with what it is filtered by: a link to it can be followed, kept and sent.
 */

/** @typedef {{correlation?: string, search?: string}} Wanted */

/**
 * @param {Wanted} wanted
 * @returns {string} "#log?correlation=api-1795000000000-3"
 */
export function logAddress({ correlation = "", search = "" }) {
  const query = new URLSearchParams();
  if (correlation !== "") query.set("correlation", correlation);
  if (search !== "") query.set("search", search);
  const text = query.toString();
  return text === "" ? "#log" : `#log?${text}`;
}

/**
 * @param {string} correlation
 * @param {string} of whose lines they are, for who does not see the row
 * @returns {HTMLAnchorElement}
 */
export function logLink(correlation, of) {
  const link = document.createElement("a");
  link.className = "lines";
  link.href = logAddress({ correlation });
  link.textContent = "log";
  link.title = `Lines of ${correlation} in the log`;
  link.setAttribute("aria-label", `Lines in the log: ${of}`);
  return link;
}
