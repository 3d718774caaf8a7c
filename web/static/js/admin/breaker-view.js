/**
 * The circuit breaker: its rates against their limits, its last minutes, and the hand on it.
 */
import { must, setAttribute, setIcon, setText } from "../dom.js";
import { age, countdown } from "../format.js";
import { segments, spanOf } from "./timeline.js";
import { timeOfDay } from "./units.js";
import { plural, stateName } from "./wording.js";

/** @typedef {import("./types.js").Overview} Overview */
/** @typedef {import("./types.js").Transition} Transition */
/** @typedef {"open" | "closed" | "auto"} ForcedState */

const TRANSITIONS_SHOWN = 4;

/** @type {Record<string, {icon: string, tone: string}>} */
const STATES = {
  closed: { icon: "dot", tone: "good" },
  half_open: { icon: "triangle", tone: "warn" },
  open: { icon: "cross", tone: "bad" },
};

export class BreakerView {
  #sign = must(document, "#breaker-state", HTMLElement);
  #icon = must(this.#sign, "use", SVGUseElement);
  #state = must(this.#sign, '[data-part="text"]', HTMLElement);
  #counts = must(document, "#breaker-counts", HTMLElement);
  #strip = must(document, "#breaker-strip", HTMLElement);
  #list = must(document, "#transitions", HTMLElement);
  #force = must(document, "#force", HTMLFieldSetElement);
  #seconds = must(document, "#force-seconds", HTMLSelectElement);
  #failed = gauge("failed");
  #slow = gauge("slow");
  #listed = "";

  /** @param {(state: ForcedState, seconds: number) => void} onForce */
  constructor(onForce) {
    this.#force.addEventListener("click", (event) => {
      const state = event.target instanceof HTMLElement ? event.target.dataset.force : undefined;
      if (state === "open" || state === "closed" || state === "auto") onForce(state, Number(this.#seconds.value));
    });
  }

  /** @param {boolean} allowed */
  set allowed(allowed) {
    this.#force.hidden = !allowed;
  }

  /**
   * @param {Overview["breaker"]} breaker
   * @param {readonly Transition[]} transitions oldest first
   * @param {number} start when the server's log began, ms
   * @param {number} now the server's time, ms
   */
  paint({ status, figures }, transitions, start, now) {
    const state = status?.state ?? "unknown";
    const { icon, tone } = STATES[state] ?? { icon: "dash", tone: "plain" };
    setIcon(this.#icon, icon);
    setAttribute(this.#sign, "data-tone", tone);
    setText(this.#state, status === null ? "Unknown" : `${stateName(state)} for ${age(now - status.since)}`);
    if (figures !== null) {
      this.#failed.paint(figures.failure_rate, figures.failure_threshold);
      this.#slow.paint(figures.slow_rate, figures.slow_threshold);
      setText(this.#counts, this.#describe(figures, status?.next_probe ?? null, now));
    }
    this.#paintStrip(transitions, state, start, now);
    this.#paintList(transitions);
  }

  /**
   * @param {import("./types.js").CircuitFigures} figures
   * @param {number | null} nextProbe
   * @param {number} now
   */
  #describe({ calls, failures, window: size, window_is_seconds: timed, minimum_calls: minimum, in_flight: flying, not_permitted: rejected, openings, forced, forced_until: until, computed }, nextProbe, now) {
    const parts = [`${failures} of ${plural(calls, "call")} failed, window ${timed ? `${size}\u00a0s` : size}`];
    if (calls < minimum) parts.push(`judged from ${minimum} on`);
    if (flying > 0) parts.push(`${flying} in flight`);
    if (openings > 1) parts.push(`opened ${openings} times in a row`);
    if (rejected > 0) parts.push(`${plural(rejected, "request")} held back`);
    if (forced !== null) {
      parts.push(`forced (${forced.replaceAll("_", " ")})${until === null ? "" : ` for ${countdown(until - now)}`}, would be ${computed.replace("_", "-")}`);
    } else if (nextProbe !== null) {
      parts.push(nextProbe > now ? `next probe in ${countdown(nextProbe - now)}` : "probe due");
    }
    return `${parts.join(" · ")}.`;
  }

  /**
   * @param {readonly Transition[]} transitions
   * @param {string} state
   * @param {number} start
   * @param {number} now
   */
  #paintStrip(transitions, state, start, now) {
    const span = spanOf(start, now);
    const pieces = segments(transitions, state, start, now, span);
    while (this.#strip.childElementCount > pieces.length) this.#strip.lastElementChild?.remove();
    while (this.#strip.childElementCount < pieces.length) this.#strip.append(document.createElement("i"));
    pieces.forEach(({ from, to, state, forced }, index) => {
      const piece = /** @type {HTMLElement} */ (this.#strip.children[index]);
      piece.style.setProperty("--from", from.toFixed(5));
      piece.style.setProperty("--to", to.toFixed(5));
      setAttribute(piece, "data-state", state);
      setAttribute(piece, "data-forced", forced ? "" : null);
      setAttribute(piece, "title", `${stateName(state)}${forced ? ", forced" : ""}, ${age((to - from) * span)}`);
    });
    setAttribute(this.#strip, "role", "img");
    setAttribute(this.#strip, "aria-label", `Last ${age(span)}: ${pieces.map(({ state, from, to }) => `${stateName(state)} for ${age((to - from) * span)}`).slice(-6).join(", ")}`);
  }

  /** @param {readonly Transition[]} transitions */
  #paintList(transitions) {
    const last = transitions.slice(-TRANSITIONS_SHOWN).reverse();
    const key = last.map(({ number }) => number).join();
    if (key === this.#listed) return;
    this.#listed = key;
    this.#list.replaceChildren(
      ...last.map(({ at, left, entered, reason, forced }) => {
        const item = document.createElement("li");
        const time = document.createElement("time");
        time.textContent = timeOfDay(at);
        const words = document.createElement("span");
        words.textContent = `${left === entered ? stateName(entered) : `${stateName(left)} → ${stateName(entered).toLowerCase()}`}: ${reason.replaceAll("_", " ")}`;
        item.dataset.state = entered;
        if (forced) item.dataset.forced = "";
        item.append(time, words);
        return item;
      }),
    );
  }
}

/** @param {string} name */
function gauge(name) {
  const element = must(document, `#gauge-${name}`, HTMLElement);
  const text = must(document, `[data-part="${name}"]`, HTMLElement);
  return {
    /**
     * @param {number | null} percent
     * @param {number} limit
     */
    paint(percent, limit) {
      element.style.setProperty("--part", String((percent ?? 0) / 100));
      element.style.setProperty("--limit", String(limit / 100));
      setAttribute(element, "data-tone", percent !== null && percent >= limit ? "bad" : percent ? "warn" : null);
      setText(text, `${percent === null ? "–" : `${Math.round(percent)}\u00a0%`} of ${limit}\u00a0%`);
    },
  };
}
