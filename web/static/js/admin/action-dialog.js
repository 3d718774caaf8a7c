/**
 * Asks before something is broken: says whom it reaches, and does it to exactly that incarnation.
 */
import { must, setFacts, setText } from "../dom.js";
import { ApiError } from "./api.js";
import { blastRadius, budget } from "./wording.js";

/** @typedef {import("./types.js").Target} Target */

/**
 * @typedef {object} Order
 * @property {string} action
 * @property {string} target as the server is told: a path, or the name of an upstream
 * @property {string} path of the actor that it hits
 * @property {Record<string, string | number>} parameters
 * @property {string} title
 * @property {string} what a sentence on what happens
 * @property {string} verb of the button
 *
 * @typedef {object} Options
 * @property {(path: string) => Promise<Target[]>} targets that one as it is now, beside others
 * @property {(body: {target: string, expected_generation: number, reason: string}, headers: Record<string, string>, order: Order) => Promise<any>} inject
 * @property {(order: Order, answer: any) => void} onDone
 */

/** What does not end what it is done by. */
const SAFE_REACH = new Set(["fetch", "reconnect", "drain"]);

export class ActionDialog {
  #options;
  #dialog = must(document, "#action", HTMLDialogElement);
  #form = must(document, "#action-form", HTMLFormElement);
  #title = must(document, "#action-title", HTMLElement);
  #what = this.#part("what");
  #facts = this.#part("facts");
  #typedBox = this.#part("typed");
  #typed = must(document, "#action-typed", HTMLInputElement);
  #roleBox = this.#part("role");
  #role = must(document, "#action-role", HTMLInputElement);
  #reason = must(document, "#action-reason", HTMLInputElement);
  #error = this.#part("error");
  #confirm = must(this.#form, '[type="submit"]', HTMLButtonElement);
  /** @type {Order | null} */
  #order = null;
  /** @type {Target | null} */
  #target = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#part("cancel").addEventListener("click", () => this.#dialog.close());
    this.#typed.addEventListener("input", () => this.#allow());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#do();
    });
  }

  /**
   * What lets the operator break things in production, once it was typed; kept for this visit only.
   * @returns {Record<string, string>}
   */
  get roleHeaders() {
    return this.#role.value === "" ? {} : { "X-Chaos-Token": this.#role.value };
  }

  /** @param {Order} order */
  async open(order) {
    this.#order = order;
    this.#target = null;
    setText(this.#title, order.title);
    setText(this.#what, order.what);
    setText(this.#confirm, order.verb);
    setFacts(this.#facts, []);
    this.#typedBox.hidden = true;
    this.#typed.value = "";
    this.#fail(null);
    this.#confirm.disabled = true;
    this.#dialog.showModal();
    this.#reason.focus();
    await this.#look();
  }

  /** Finds the target as it is at this moment: what is shown is what will be done. */
  async #look() {
    const order = this.#order;
    if (order === null) return;
    try {
      const targets = await this.#options.targets(order.path);
      const target = targets.find(({ path }) => path === order.path);
      if (order !== this.#order) return;
      if (target === undefined) {
        this.#fail(`${order.path} is not running just now.`);
        return;
      }
      this.#target = target;
      this.#paintTarget(target, order);
      this.#allow();
    } catch (error) {
      this.#fail(error instanceof ApiError ? error.message : String(error));
    }
  }

  /**
   * @param {Target} target
   * @param {Order} order
   */
  #paintTarget(target, order) {
    /** @type {[string, string | null][]} */
    const facts = [["Generation", String(target.generation)]];
    if (order.action === "kill" || order.action === "restart") {
      facts.push(["Reaches", blastRadius(target)], ["Restarts left", order.action === "kill" ? budget(target) : "all: this one does not count"]);
      if (target.restartable === false) facts.push(["Comes back", "no: nothing restarts it"]);
    }
    setFacts(this.#facts, facts);
    this.#typedBox.hidden = target.kind !== "supervisor" || SAFE_REACH.has(order.action);
    setText(must(this.#typedBox, "label", HTMLElement), `Type ${target.path} to confirm`);
    if (!this.#typedBox.hidden) this.#typed.focus();
  }

  #allow() {
    this.#confirm.disabled = this.#target === null || (!this.#typedBox.hidden && this.#typed.value.trim() !== this.#target.path);
  }

  async #do() {
    const order = this.#order;
    const target = this.#target;
    if (order === null || target === null || this.#confirm.disabled) return;
    this.#confirm.disabled = true;
    this.#fail(null);
    try {
      const body = {
        action: order.action,
        target: order.target,
        parameters: order.parameters,
        expected_generation: target.generation,
        allow_escalation: false,
        reason: this.#reason.value.trim(),
      };
      const answer = await this.#options.inject(body, this.roleHeaders, order);
      this.#dialog.close();
      this.#options.onDone(order, answer);
    } catch (error) {
      await this.#refused(error, target);
    }
  }

  /**
   * @param {unknown} error
   * @param {Target} before
   */
  async #refused(error, before) {
    if (error instanceof ApiError && error.code === "generation_moved") {
      await this.#look();
      const now = this.#target?.generation;
      this.#fail(`It has moved on: generation ${before.generation} is gone${now === undefined ? "" : `, ${now} is here`}. Nothing was done; press again to mean the new one.`);
      return;
    }
    if (error instanceof ApiError && error.code === "no_chaos_role") this.#roleBox.hidden = false;
    this.#fail(error instanceof ApiError ? `Nothing was done: ${error.message}.` : String(error));
    this.#allow();
  }

  /** @param {string | null} text */
  #fail(text) {
    this.#error.hidden = text === null;
    setText(this.#error, text ?? "");
  }

  /** @param {string} name */
  #part(name) {
    return must(this.#dialog, `[data-part="${name}"]`, HTMLElement);
  }
}
