/**
 * Makes a rule of what a form holds, on whichever page it stands. An address that it is to be mailed to is
 * asked first whether alerts may come.
 */
import { readRule } from "./alert-feed.js";
import { ask } from "./rows-api.js";

/** @typedef {import("./alert-feed.js").Rule} Rule */

/**
 * @param {import("./alert-form.js").Wanted} wanted
 * @param {{refused: (text: string) => void}} form is told why there is none
 * @returns {Promise<{rule: Rule, more: string} | null>} the rule, and what else has come of it, for a sentence behind
 */
export async function makeRule({ symbol, kind, threshold, window, cooldown, webhook, mail }, form) {
  let more = "";
  /** @type {string | null} */
  let address = null;
  if (mail !== null) {
    const asked = await ask(fetch, "POST", "alerts/mail", { address: mail });
    if (!asked.ok) {
      form.refused(`Not added: mail to “${mail}”: ${asked.reason}.`);
      return null;
    }
    const told = /** @type {Record<string, unknown>} */ (asked.body);
    address = String(told.address);
    if (told.state !== "confirmed") more = ` A mail to ${address} asks first: press the link in it.`;
  }
  const answer = await ask(fetch, "POST", "alerts/rules", {
    symbol,
    kind,
    threshold,
    cooldown,
    ...(window === null ? {} : { window, hysteresis: Math.min(0.1, threshold / 2) }),
    ...(webhook === null ? {} : { webhook }),
    ...(address === null ? {} : { mail: address }),
  });
  if (!answer.ok) {
    form.refused(`Not added: ${answer.reason}.`);
    return null;
  }
  const rule = readRule(/** @type {Record<string, unknown>} */ (answer.body));
  return rule === null ? null : { rule, more };
}
