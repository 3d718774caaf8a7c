/**
 * One row of the tree. It touches only what differs from what it shows.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { age } from "../format.js";
import { foldedCount } from "./tree-model.js";
import { count, duration, rate } from "./units.js";
import { stateName } from "./wording.js";

/** @typedef {import("./tree-model.js").Row} RowModel */
/** @typedef {import("./tree-model.js").Mark} Mark */

/** @type {Record<string, {icon: string, tone: string}>} */
const STATES = {
  starting: { icon: "ring", tone: "warn" },
  running: { icon: "dot", tone: "good" },
  restarting: { icon: "restart", tone: "warn" },
  stopping: { icon: "pause", tone: "warn" },
  stopped: { icon: "dash", tone: "plain" },
  ended: { icon: "dash", tone: "plain" },
};

export class TreeRow {
  #parts;
  #guides = "";
  #healed = 0;

  /**
   * @param {HTMLTemplateElement} template
   * @param {string} key
   */
  constructor(template, key) {
    const fragment = /** @type {DocumentFragment} */ (document.importNode(template.content, true));
    const part = (/** @type {string} */ name) => must(fragment, `[data-part="${name}"]`, HTMLElement);
    this.key = key;
    this.element = must(fragment, "tr", HTMLTableRowElement);
    this.element.dataset.path = key;
    this.element.dataset.testid = `actor-${key}`;
    this.#parts = {
      guides: part("guides"),
      fold: must(fragment, '[data-part="fold"]', HTMLButtonElement),
      name: part("name"),
      kind: part("kind"),
      sign: must(fragment, ".t-state .sign", HTMLElement),
      icon: must(fragment, ".t-state use", SVGUseElement),
      state: part("state"),
      generation: part("generation"),
      budget: part("budget"),
      fill: must(fragment, ".gauge-fill", HTMLElement),
      restarts: part("restarts"),
      exit: must(fragment, '[data-part="exit"]', HTMLButtonElement),
      uptime: part("uptime"),
      mailbox: part("mailbox"),
      dropped: part("dropped"),
      rate: part("rate"),
      handling: part("handling"),
      actions: /** @type {HTMLButtonElement[]} */ ([...fragment.querySelectorAll("[data-action]")]),
    };
  }

  /** @param {boolean} current the row that Tab reaches */
  set current(current) {
    const index = current ? 0 : -1;
    if (this.element.tabIndex === index) return;
    this.element.tabIndex = index;
    for (const button of this.element.querySelectorAll("button")) button.tabIndex = index;
  }

  /**
   * @param {RowModel} row
   * @param {Mark | null} mark
   * @param {string[]} troubles
   * @param {boolean} faulty
   * @param {{kill: boolean, restart: boolean}} allowed
   */
  paint(row, mark, troubles, faulty, allowed) {
    this.#paintPlace(row);
    const { node } = row;
    if (node === null) {
      this.#paintFolded(row.parent.actor);
      return;
    }
    const { actor } = node;
    const name = actor.path.slice(actor.path.lastIndexOf("/") + 1);
    setText(this.#parts.name, name);
    const kind = actor.supervisor === null ? actor.restart : `${actor.supervisor.strategy} · ${actor.restart}`;
    setText(this.#parts.kind, kind);
    this.#parts.kind.title = actor.kind === "supervisor" ? `Supervisor, ${kind}` : `Worker, ${kind}`;
    this.element.dataset.kind = actor.kind;
    setAttribute(this.element, "data-trouble", troubles.length > 0 ? "" : null);
    setAttribute(this.element, "data-fault", faulty ? "" : null);
    setAttribute(this.element, "data-context", row.context ? "" : null);
    this.#paintState(actor, mark, faulty);
    this.#paintRestarts(actor);
    const exit = actor.last_exit;
    setText(this.#parts.exit, exit === null ? "" : `${exit}${actor.last_exit_ago === null ? "" : `, ${age(actor.last_exit_ago * 1000)} ago`}`);
    this.#parts.exit.hidden = exit === null;
    setAttribute(this.#parts.exit, "title", exit);
    setAttribute(this.#parts.exit, "data-trace", actor.last_trace === null ? null : "");
    setText(this.#parts.uptime, actor.uptime === null ? "–" : age(actor.uptime * 1000));
    const { mailbox } = actor;
    setText(this.#parts.mailbox, mailbox === null ? "–" : `${count(mailbox.queued)} / ${count(mailbox.high_water)} / ${count(mailbox.bound)}`);
    setText(this.#parts.dropped, mailbox !== null && mailbox.dropped > 0 ? `${count(mailbox.dropped)} dropped` : "");
    setText(this.#parts.rate, node.rate === null ? "–" : rate(node.rate));
    const { handling_p50: half, handling_p95: most } = actor;
    setText(this.#parts.handling, half === null || most === null ? "–" : `${duration(half * 1000)} / ${duration(most * 1000)}`);
    for (const button of this.#parts.actions) {
      const restarts = button.dataset.action === "restart";
      const may = restarts ? allowed.restart && actor.restart !== "temporary" && actor.path !== "root" : allowed.kill;
      button.hidden = !may || actor.uptime === null;
      const label = `${button.dataset.action === "kill" ? "Kill" : "Restart"} ${actor.path}`;
      setAttribute(button, "aria-label", label);
      setAttribute(button, "title", label);
    }
  }

  /** @param {RowModel} row */
  #paintPlace({ level, position, size, expanded, guides }) {
    const { element } = this;
    setAttribute(element, "aria-level", String(level));
    element.style.setProperty("--level", String(level - 1));
    setAttribute(element, "aria-posinset", String(position));
    setAttribute(element, "aria-setsize", String(size));
    setAttribute(element, "aria-expanded", expanded === null ? null : String(expanded));
    const { fold } = this.#parts;
    fold.hidden = expanded === null;
    setAttribute(fold, "aria-label", expanded ? "Fold" : "Unfold");
    const drawn = guides.map((goesOn) => (goesOn ? "1" : "0")).join("");
    if (drawn === this.#guides && this.#parts.guides.childElementCount === guides.length) return;
    this.#guides = drawn;
    this.#parts.guides.replaceChildren(
      ...guides.map((goesOn, index) => {
        const guide = document.createElement("i");
        const last = index === guides.length - 1;
        guide.dataset.guide = last ? (goesOn ? "tee" : "corner") : goesOn ? "line" : "blank";
        return guide;
      }),
    );
  }

  /** @param {import("./types.js").ActorDocument} parent */
  #paintFolded(parent) {
    this.element.dataset.kind = "folded";
    const number = foldedCount(parent).toLocaleString("en-US");
    const states = Object.entries(parent.folded).map(([state, count]) => `${count.toLocaleString("en-US")} ${state}`);
    const well = states.length === 1 && parent.folded.running !== undefined;
    setText(this.#parts.name, `and ${number} more${well ? ", all running" : `: ${states.join(", ")}`}`);
    this.#parts.exit.hidden = true;
    this.#parts.budget.hidden = true;
    this.#parts.sign.hidden = true;
    for (const button of this.#parts.actions) button.hidden = true;
  }

  /**
   * @param {import("./types.js").ActorDocument} actor
   * @param {Mark | null} mark
   * @param {boolean} faulty
   */
  #paintState(actor, mark, faulty) {
    let { icon, tone } = STATES[actor.state] ?? { icon: "dash", tone: "plain" };
    let text = stateName(actor.state);
    let generation = actor.generation;
    if (mark?.kind === "down") {
      [icon, tone] = ["cross", "bad"];
      text = stateName(mark.reason.split("(", 1)[0] || "down");
      generation = mark.generation;
    } else if (mark?.kind === "healed") {
      [icon, tone] = ["check", "good"];
      text = mark.downMs === null ? "Back" : `Back in ${duration(mark.downMs)}`;
      generation = Math.max(generation, mark.generation);
    } else if (faulty) {
      [icon, tone] = ["bolt", "warn"];
      text = "Fault";
    }
    setIcon(this.#parts.icon, icon);
    setAttribute(this.#parts.sign, "data-tone", tone);
    setText(this.#parts.state, text);
    setText(this.#parts.generation, String(generation));
    setAttribute(this.element, "data-state", actor.state);
    if (mark?.kind === "healed" && this.#healed !== mark.generation) {
      // Another name for the same animation starts it anew.
      this.#healed = mark.generation;
      this.element.dataset.mark = this.element.dataset.mark === "healed-a" ? "healed-b" : "healed-a";
    } else if (mark?.kind !== "healed") {
      setAttribute(this.element, "data-mark", mark?.kind ?? null);
    }
  }

  /** @param {import("./types.js").ActorDocument} actor */
  #paintRestarts({ supervisor, restarts }) {
    const { budget, fill, restarts: text } = this.#parts;
    budget.hidden = supervisor === null;
    if (supervisor === null) {
      setText(text, restarts === 0 ? "" : count(restarts));
      return;
    }
    const { restarts_in_window: used, intensity, period } = supervisor;
    const part = intensity === 0 ? 0 : Math.min(1, used / intensity);
    fill.style.setProperty("--part", String(part));
    setAttribute(budget, "data-tone", part >= 0.5 ? "bad" : part > 0 ? "warn" : null);
    setText(text, `${used} / ${intensity}`);
    text.title = `${used} of ${intensity} restarts within ${period} s`;
  }
}
