/**
 * The list in the address of the window: `/?list=7` is a bookmark, and opens the same list in another window.
 * The address without it is that of the list of this browser.
 */

/**
 * @param {string} search of the address
 * @returns {number | undefined} undefined where it names none
 */
export function listInAddress(search) {
  const text = new URLSearchParams(search).get("list") ?? "";
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

/**
 * @param {string} href
 * @param {number | null} list
 * @returns {string} the same address, of that list
 */
export function addressOfList(href, list) {
  const url = new URL(href);
  if (list === null) url.searchParams.delete("list");
  else url.searchParams.set("list", String(list));
  return url.href;
}

/**
 * @param {number | null} list that the window shows
 * @param {boolean} chosen by somebody: going back leads to what was shown before
 */
export function showInAddress(list, chosen) {
  const href = addressOfList(location.href, list);
  if (href === location.href) return;
  if (chosen) history.pushState(history.state, "", href);
  else history.replaceState(history.state, "", href);
}
