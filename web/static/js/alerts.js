/**
 * Alerts on the dashboard: the rules that were made with the form, and what fired of late.
 */
import { address } from "./address.js";
import { alertText, deliveryText, paceText, readAlert, readRule, ruleText, troubleText } from "./alert-feed.js";
import { AlertForm } from "./alert-form.js";
import { AlertNotices } from "./alert-notices.js";
import { AlertReach } from "./alert-reach.js";
import { DeletedRows } from "./deleted-rows.js";
import { MailAddresses } from "./mail-addresses.js";
import { must, setText } from "./dom.js";
import { FollowUp } from "./follow-up.js";
import { clock } from "./page.js";
import { ask, itemsIn } from "./rows-api.js";
import { makeRule } from "./rule-maker.js";

/** @typedef {import("./alert-feed.js").Alert} Alert */
/** @typedef {import("./alert-feed.js").Rule} Rule */
/** @typedef {import("./rows-api.js").Answer} Answer */
/** @typedef {import("./toast.js").Undoable} Undoable */

/**
 * @typedef {object} Options
 * @property {import("./storage.js").Memory} memory
 * @property {(undoable: Undoable) => void} onDeleted
 * @property {(text: string) => void} announce
 * @property {(symbol: string) => number | null} priceOf the last price that is known
 * @property {(symbol: string) => boolean} isUnlisted whether no feed lists it, as far as is known
 * @property {(count: number) => void} onUnread how many nobody has read
 */

export class Alerts {
  #options;
  #form;
  #notices;
  /** @type {Rule[]} */
  #rules = [];
  #deleted = new DeletedRows({
    box: "#rules-deleted",
    path: "alerts/rules/deleted",
    name: "rules",
    text: (item) => {
      const rule = readRule(item);
      return rule === null ? null : ruleText(rule);
    },
    onRestore: (id) => this.#restore(id),
  });
  /** What becomes of an alert that is to be posted: the socket says nothing of that. */
  #posting = new FollowUp({ clock, look: () => this.#notices.refresh(), isWanted: () => this.#isPosting() });
  /** How the addresses stand that are mailed to: "asked", "confirmed", "stopped". @type {Map<string, string>} */
  #addresses = new Map();
  /** Where the server sends mail. @type {MailAddresses | null} */
  #mail = null;
  /** Rules were made or removed here so many times. */
  #changes = 0;
  #list = must(document, "#rules", HTMLUListElement);
  #fired = must(document, "#fired", HTMLOListElement);
  #firedBox = must(document, "#fired-box", HTMLElement);
  #readAll = must(document, "#fired-read", HTMLButtonElement);
  /** At the alerts, and at the link to them above the list. */
  #sums = [must(document, "#alerts-sum", HTMLElement), must(document, "#alerts-link-sum", HTMLElement)];

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#form = new AlertForm({
      onSubmit: (wanted) => void this.#make(wanted),
      announce: options.announce,
      priceOf: options.priceOf,
      isUnlisted: options.isUnlisted,
    });
    this.#notices = new AlertNotices({
      memory: options.memory,
      announce: options.announce,
      where: "below",
      onChange: () => this.#paint(),
      alsoRead: () => this.#readRules(),
      say: (kind, text) => this.#form.say(kind, text),
    });
    new AlertReach(this.#notices.desktop, options.announce);
    const mail = document.querySelector("details#mail-addresses");
    if (mail instanceof HTMLDetailsElement) this.#mail = new MailAddresses(mail, () => void this.#readRules(), options.announce);
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const rule = this.#rules.find((known) => String(known.id) === button?.dataset.rule);
      if (rule !== undefined) void this.#remove(rule);
    });
    this.#fired.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button?.dataset.alert !== undefined) void this.#post(button.dataset.alert);
    });
    this.#readAll.addEventListener("click", () => this.#notices.readAll());
    this.#paint();
  }

  /** Reads rules and what fired: there is a connection. */
  load() {
    return this.#notices.load();
  }

  /** @param {Alert} alert from the socket */
  received(alert) {
    this.#notices.received(alert);
    this.#posting.begun();
  }

  /** Whether there is a rule that cannot fire: its symbol may be listed one day. */
  get hasTrouble() {
    return this.#rules.some(({ trouble }) => trouble !== null && !trouble.passing);
  }

  /** Reads again whether the rules can fire: markets open and close, and feeds come and go, without a word. */
  lookForTrouble() {
    if (this.#rules.length > 0) void this.#readRules();
  }

  /** @returns {Promise<Answer>} */
  async #readRules() {
    const before = this.#changes;
    const answer = await ask(fetch, "GET", "alerts/rules");
    // The answer may be older than what was made or removed meanwhile.
    if (answer.ok && this.#changes !== before) return this.#readRules();
    if (answer.ok) {
      this.#rules = itemsIn(answer.body, "rules").map(readRule).filter((rule) => rule !== null);
      if (this.#rules.some(({ mail }) => mail !== null)) await this.#readAddresses();
      this.#mail?.changed();
      this.#paint();
    }
    return answer;
  }

  async #readAddresses() {
    const answer = await ask(fetch, "GET", "alerts/mail");
    if (answer.ok) this.#addresses = new Map(itemsIn(answer.body, "addresses").map(({ address, state }) => [String(address), String(state)]));
  }

  /** @param {import("./alert-form.js").Wanted} wanted */
  async #make(wanted) {
    const made = await makeRule(wanted, this.#form);
    if (made === null) return;
    if (made.rule.mail !== null) await this.#readAddresses();
    this.#mail?.changed();
    this.#put(made.rule);
    this.#form.made(made.rule, made.more);
  }

  /** @param {Rule} rule */
  async #remove(rule) {
    const answer = await ask(fetch, "DELETE", `alerts/rules/${rule.id}`);
    if (!answer.ok && answer.status !== 404) return this.#refuse(`Not removed: ${answer.reason}.`);
    const place = this.#rules.indexOf(rule);
    this.#changes += 1;
    this.#rules = this.#rules.filter((other) => other.id !== rule.id);
    this.#notices.rulesChanged();
    this.#deleted.changed();
    this.#paint();
    const next = this.#list.querySelectorAll("button")[Math.min(place, this.#rules.length - 1)];
    if (next === undefined) this.#form.focusButton();
    else next.focus();
    const label = `Alert “${ruleText(rule)}”`;
    this.#options.onDeleted({ symbol: label, undo: () => void this.#restore(rule.id) });
    this.#options.announce(`${label} removed. Control Z brings it back.`);
  }

  /** @param {number} id */
  async #restore(id) {
    const answer = await ask(fetch, "POST", `alerts/rules/${id}/restore`);
    if (!answer.ok) return this.#refuse(`Not brought back: ${answer.reason}.`);
    const rule = readRule(/** @type {Record<string, unknown>} */ (answer.body));
    if (rule === null) return;
    this.#put(rule);
    this.#deleted.changed();
    this.#options.announce(`Alert “${ruleText(rule)}” is back.`);
  }

  /** @param {Rule} rule */
  #put(rule) {
    this.#changes += 1;
    this.#rules = [...this.#rules.filter((other) => other.id !== rule.id), rule].sort((a, b) => a.symbol.localeCompare(b.symbol) || a.id - b.id);
    this.#notices.rulesChanged();
    this.#paint();
  }

  /** @param {string} id of an alert that was not posted so far */
  async #post(id) {
    const answer = await ask(fetch, "POST", `alerts/fired/${encodeURIComponent(id)}/post`);
    if (!answer.ok) return this.#refuse(`Not posted: ${answer.reason}.`);
    const alert = readAlert(/** @type {Record<string, unknown>} */ (answer.body));
    if (alert === null) return;
    this.#options.announce("It is being posted.");
    this.#notices.update(alert);
    this.#posting.begun();
  }

  #isPosting() {
    const hasWebhook = this.#rules.some((rule) => rule.webhook !== null);
    const hasMail = this.#rules.some((rule) => rule.mail !== null);
    return this.#notices.alerts.some(
      ({ delivery, mail }) => (delivery === undefined ? hasWebhook : delivery?.state === "pending") || (mail === undefined ? hasMail : mail?.state === "pending"),
    );
  }

  #paint() {
    const { alerts, unread, unreadText } = this.#notices;
    this.#options.onUnread(unread);
    for (const sum of this.#sums) setText(sum, unreadText);
    const { rule: focusedRule, alert: focusedAlert } = document.activeElement instanceof HTMLElement ? document.activeElement.dataset : {};
    this.#list.replaceChildren(...this.#rules.map((rule) => ruleItem(rule, this.#addresses.get(rule.mail ?? "") ?? "")));
    this.#list.hidden = this.#rules.length === 0;
    this.#fired.replaceChildren(...alerts.map(firedItem));
    // Both are painted anew whenever something was heard, also while somebody is about to press a button in them.
    if (focusedRule !== undefined) focusIn(this.#list, `[data-rule="${CSS.escape(focusedRule)}"]`);
    if (focusedAlert !== undefined) focusIn(this.#fired, `[data-alert="${CSS.escape(focusedAlert)}"]`);
    this.#firedBox.hidden = alerts.length === 0;
    this.#readAll.hidden = unreadText === "";
    this.#posting.changed();
  }

  /** @param {string} text */
  #refuse(text) {
    this.#form.say("error", text);
    this.#options.announce(text);
  }
}

/** What is said of an address that nothing is mailed to. @type {Record<string, string>} */
const NOT_MAILED = { asked: ", once it has confirmed", stopped: ", which wants no more" };

/**
 * @param {Rule} rule
 * @param {string} address how the one stands that it mails to
 */
function ruleItem(rule, address) {
  const item = fromTemplate("#rule-template");
  setText(must(item, '[data-part="text"]', HTMLElement), `${ruleText(rule)}, ${paceText(rule)}${rule.mail === null ? "" : `, mailed to ${rule.mail}${NOT_MAILED[address] ?? ""}`}`);
  const trouble = must(item, '[data-part="trouble"]', HTMLElement);
  trouble.hidden = rule.trouble === null;
  trouble.dataset.passing = String(rule.trouble?.passing ?? true);
  setText(trouble, rule.trouble === null ? "" : troubleText(rule.trouble));
  const button = must(item, "button", HTMLButtonElement);
  button.dataset.rule = String(rule.id);
  button.title = `Remove the alert “${ruleText(rule)}”`;
  setText(must(button, ".sr-only", HTMLElement), button.title);
  const details = must(item, "details", HTMLDetailsElement);
  details.hidden = rule.webhook === null;
  setText(must(details, '[data-part="url"]', HTMLElement), rule.webhook?.url ?? "");
  setText(must(details, '[data-part="secret"]', HTMLElement), rule.webhook?.secret ?? "");
  return item;
}

/** @param {Alert} alert */
function firedItem(alert) {
  const item = fromTemplate("#fired-template");
  const at = new Date(alert.firedAt);
  const time = must(item, "time", HTMLTimeElement);
  time.dateTime = at.toISOString();
  setText(time, `${at.toISOString().slice(0, 10)} ${at.toISOString().slice(11, 19)} UTC`);
  const link = must(item, "a", HTMLAnchorElement);
  link.href = address(`/s/${encodeURIComponent(alert.symbol)}`);
  setText(link, alertText(alert));
  must(item, '[data-part="new"]', HTMLElement).hidden = alert.read;
  const { delivery, mail } = alert;
  const mailed = must(item, '[data-part="mail"]', HTMLElement);
  mailed.hidden = !mail;
  mailed.dataset.state = mail?.state ?? "";
  setText(mailed, mail ? deliveryText(mail, "mailed") : "");
  const line = must(item, '[data-part="delivery"]', HTMLElement);
  line.hidden = !delivery;
  if (!delivery) return item;
  line.dataset.state = delivery.state;
  setText(must(line, "span", HTMLElement), deliveryText(delivery));
  const button = must(line, "button", HTMLButtonElement);
  button.dataset.alert = alert.id;
  button.hidden = delivery.state === "delivered" || (delivery.state === "pending" && delivery.nextAt === null) || delivery.attempts === 0;
  setText(must(button, '[data-part="label"]', HTMLElement), delivery.state === "dead" ? "Post again" : "Post now");
  setText(must(button, ".sr-only", HTMLElement), `: ${alertText(alert)}`);
  return item;
}

/**
 * @param {Element} list
 * @param {string} selector
 */
function focusIn(list, selector) {
  const found = list.querySelector(selector);
  if (found instanceof HTMLElement) found.focus();
}

/** @param {string} id */
function fromTemplate(id) {
  const made = must(document, id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (!(made instanceof HTMLElement)) throw new Error(`the page has nothing in ${id}`);
  return made;
}
