/**
 * Alerts on the dashboard: the form for rules, the rules, and what fired of late.
 */
import { address } from "./address.js";
import { alertText, deliveryText, paceText, readAlert, readRule, ruleText } from "./alert-feed.js";
import { AlertNotices } from "./alert-notices.js";
import { must, setText } from "./dom.js";
import { ask, itemsIn } from "./rows-api.js";
import { parseSymbols } from "./symbols.js";

/** @typedef {import("./alert-feed.js").Alert} Alert */
/** @typedef {import("./alert-feed.js").Rule} Rule */
/** @typedef {import("./toast.js").Undoable} Undoable */

/**
 * @typedef {object} Options
 * @property {(undoable: Undoable) => void} onDeleted
 * @property {(text: string) => void} announce
 * @property {(symbol: string) => number | null} priceOf the last price that is known
 */

/** How soon it is asked again what became of an alert that is to be posted; longer each time. */
const FOLLOW_MS = 2_000;
const LONGEST_FOLLOW_MS = 30_000;

export class Alerts {
  #options;
  #notices;
  /** @type {Rule[]} */
  #rules = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #following;
  #followMs = FOLLOW_MS;
  #form = must(document, "#alert-form", HTMLFormElement);
  #symbol = must(document, "#alert-symbol", HTMLInputElement);
  #kind = must(document, "#alert-kind", HTMLSelectElement);
  #threshold = must(document, "#alert-threshold", HTMLInputElement);
  #window = must(document, "#alert-window", HTMLSelectElement);
  #cooldown = must(document, "#alert-cooldown", HTMLSelectElement);
  #webhook = must(document, "#alert-webhook", HTMLInputElement);
  #hint = must(document, "#alert-hint", HTMLElement);
  #list = must(document, "#rules", HTMLUListElement);
  #fired = must(document, "#fired", HTMLOListElement);
  #firedBox = must(document, "#fired-box", HTMLElement);
  #readAll = must(document, "#fired-read", HTMLButtonElement);
  #sum = must(document, "#alerts-sum", HTMLElement);

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#notices = new AlertNotices({
      announce: options.announce,
      where: "below",
      onChange: () => this.#paint(),
      alsoRead: () => this.#readRules(),
      say: (kind, text) => this.#say(kind, text),
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#kind.addEventListener("change", () => this.#paintForm());
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const rule = this.#rules.find((known) => String(known.id) === button?.dataset.rule);
      if (rule !== undefined) void this.#remove(rule);
    });
    this.#fired.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button?.dataset.alert !== undefined) void this.#post(button.dataset.alert);
    });
    this.#readAll.addEventListener("click", () => void this.#markRead());
    this.#paintForm();
    this.#paint();
  }

  /** Reads rules and what fired: there is a connection. */
  load() {
    return this.#notices.load();
  }

  /** @param {Alert} alert from the socket */
  received(alert) {
    this.#notices.received(alert);
  }

  async #readRules() {
    const answer = await ask(fetch, "GET", "alerts/rules");
    if (answer.ok) {
      this.#rules = itemsIn(answer.body, "rules").map(readRule).filter((rule) => rule !== null);
      this.#paint();
    }
    return answer;
  }

  /**
   * Suggests a symbol, as long as nobody has typed one.
   * @param {string | undefined} symbol
   */
  suggest(symbol) {
    if (this.#symbol.value === "" && document.activeElement !== this.#symbol) this.#symbol.placeholder = symbol ?? "AAPL";
  }

  async #submit() {
    const typed = this.#symbol.value.trim() === "" ? this.#symbol.placeholder : this.#symbol.value;
    const { symbols, invalid } = parseSymbols(typed);
    const [symbol] = symbols;
    const wrong = invalid[0]?.reason ?? (symbols.length === 1 ? null : "Type one symbol.");
    if (symbol === undefined || wrong !== null) return this.#refuse(this.#symbol, wrong ?? "Type one symbol.");
    const threshold = Number(this.#threshold.value.trim().replace(",", "."));
    if (this.#threshold.value.trim() === "" || !(threshold > 0)) return this.#refuse(this.#threshold, "Type a number above 0.");
    const isMove = this.#kind.value === "move";
    const webhook = this.#webhook.value.trim();
    const answer = await ask(fetch, "POST", "alerts/rules", {
      symbol,
      kind: this.#kind.value,
      threshold,
      cooldown: Number(this.#cooldown.value),
      ...(isMove ? { window: Number(this.#window.value), hysteresis: Math.min(0.1, threshold / 2) } : {}),
      ...(webhook === "" ? {} : { webhook }),
    });
    if (!answer.ok) return this.#refuse(this.#threshold, `Not added: ${answer.reason}.`);
    const rule = readRule(/** @type {Record<string, unknown>} */ (answer.body));
    if (rule === null) return;
    this.#put(rule);
    this.#symbol.value = this.#threshold.value = this.#webhook.value = "";
    this.#threshold.focus();
    const price = this.#options.priceOf(symbol);
    const isThere = price !== null && ((rule.kind === "above" && price >= threshold) || (rule.kind === "below" && price <= threshold));
    const told = isThere
      ? `${symbol} is beyond that already. You will be told once it has moved back and crosses again.`
      : `You will be told when ${ruleText(rule)}.`;
    this.#say("note", told);
    this.#options.announce(told);
  }

  /** @param {Rule} rule */
  async #remove(rule) {
    const answer = await ask(fetch, "DELETE", `alerts/rules/${rule.id}`);
    if (!answer.ok && answer.status !== 404) return this.#refuse(null, `Not removed: ${answer.reason}.`);
    const place = this.#rules.indexOf(rule);
    this.#rules = this.#rules.filter((other) => other.id !== rule.id);
    this.#paint();
    const next = this.#list.querySelectorAll("button")[Math.min(place, this.#rules.length - 1)];
    (next ?? must(this.#form, '[type="submit"]', HTMLButtonElement)).focus();
    const label = `Alert “${ruleText(rule)}”`;
    this.#options.onDeleted({ symbol: label, undo: () => void this.#restore(rule) });
    this.#options.announce(`${label} removed. Control Z brings it back.`);
  }

  /** @param {Rule} rule */
  async #restore(rule) {
    const answer = await ask(fetch, "POST", `alerts/rules/${rule.id}/restore`);
    if (!answer.ok) return this.#refuse(null, `Not brought back: ${answer.reason}.`);
    this.#put(rule);
  }

  /** @param {Rule} rule */
  #put(rule) {
    this.#rules = [...this.#rules.filter((other) => other.id !== rule.id), rule].sort((a, b) => a.symbol.localeCompare(b.symbol) || a.id - b.id);
    this.#paint();
  }

  async #markRead() {
    const until = this.#notices.readAll();
    if (until === null) return;
    const answer = await ask(fetch, "POST", "alerts/fired/read", { until: new Date(until).toISOString() });
    if (!answer.ok) this.#refuse(null, `Not marked as read: ${answer.reason}.`);
  }

  /** @param {string} id of an alert that was not posted so far */
  async #post(id) {
    const answer = await ask(fetch, "POST", `alerts/fired/${encodeURIComponent(id)}/post`);
    if (!answer.ok) return this.#refuse(null, `Not posted: ${answer.reason}.`);
    const alert = readAlert(/** @type {Record<string, unknown>} */ (answer.body));
    if (alert === null) return;
    this.#followMs = FOLLOW_MS;
    clearTimeout(this.#following);
    this.#following = undefined;
    this.#options.announce("It is being posted.");
    this.#notices.update(alert);
  }

  /** Asks again while something is to be posted, since the socket says nothing of that. */
  #follow() {
    if (this.#following !== undefined || !this.#isPosting()) return;
    this.#following = setTimeout(() => {
      this.#followMs = Math.min(this.#followMs * 1.5, LONGEST_FOLLOW_MS);
      void this.#notices.refresh().finally(() => {
        this.#following = undefined;
        this.#follow();
      });
    }, this.#followMs);
  }

  #isPosting() {
    const hasWebhook = this.#rules.some((rule) => rule.webhook !== null);
    const waits = this.#notices.alerts.some(({ delivery }) => (delivery === undefined ? hasWebhook : delivery?.state === "pending"));
    if (!waits) this.#followMs = FOLLOW_MS;
    return waits;
  }

  #paintForm() {
    const isMove = this.#kind.value === "move";
    must(this.#form, '[data-part="window"]', HTMLElement).hidden = !isMove;
    setText(must(this.#form, '[data-part="unit"]', HTMLElement), isMove ? "Percent" : "Price");
  }

  #paint() {
    const { alerts, unread } = this.#notices;
    setText(this.#sum, unread > 0 ? `${unread} unread` : "");
    this.#list.replaceChildren(...this.#rules.map(ruleItem));
    this.#list.hidden = this.#rules.length === 0;
    // It is painted anew whenever something was heard, also while somebody is about to press a button of it.
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.alert : undefined;
    this.#fired.replaceChildren(...alerts.map(firedItem));
    if (focused !== undefined) /** @type {HTMLElement | null} */ (this.#fired.querySelector(`[data-alert="${CSS.escape(focused)}"]`))?.focus();
    this.#firedBox.hidden = alerts.length === 0;
    this.#readAll.hidden = unread === 0;
    this.#follow();
  }

  /**
   * @param {HTMLElement | null} field that is to be corrected
   * @param {string} text
   */
  #refuse(field, text) {
    this.#say("error", text);
    this.#options.announce(text);
    field?.focus();
  }

  /**
   * @param {"none" | "note" | "warning" | "error"} kind
   * @param {string} text
   */
  #say(kind, text) {
    this.#hint.dataset.kind = kind;
    setText(this.#hint, text);
  }
}

/** @param {Rule} rule */
function ruleItem(rule) {
  const item = fromTemplate("#rule-template");
  setText(must(item, '[data-part="text"]', HTMLElement), `${ruleText(rule)}, ${paceText(rule)}`);
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
  const { delivery } = alert;
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

/** @param {string} id */
function fromTemplate(id) {
  const made = must(document, id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (!(made instanceof HTMLElement)) throw new Error(`the page has nothing in ${id}`);
  return made;
}
