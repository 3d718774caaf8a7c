/**
 * A circuit breaker for each upstream: its rates against their limits, its last minutes, and the
 * hand on it.
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

/** @param {string} upstream */
export const breakerOf = (upstream) => `market/feeds/${upstream}/circuit_breaker`;

/** @type {Record<string, {icon: string, tone: string}>} */
const STATES = {
  closed: { icon: "dot", tone: "good" },
  half_open: { icon: "triangle", tone: "warn" },
  open: { icon: "cross", tone: "bad" },
};

/** The panels, one for each upstream, in the order of their names. */
export class BreakersView {
  /** What is copied for each; they stand before it. */
  #blank = must(document, "#breaker-panel", HTMLTemplateElement);
  /** @type {Map<string, BreakerView>} */
  #views = new Map();
  #onForce;
  #allowed = false;
  /** @type {((upstream: string) => void) | null} who may not has none; set before the first paint */
  onFetch = null;

  /** @param {(upstream: string, state: ForcedState, seconds: number) => void} onForce */
  constructor(onForce) {
    this.#onForce = onForce;
  }

  /** @param {boolean} allowed */
  set allowed(allowed) {
    this.#allowed = allowed;
    for (const view of this.#views.values()) view.allowed = allowed;
  }

  /**
   * @param {Overview["upstreams"]} upstreams
   * @param {readonly Transition[]} transitions of all breakers, oldest first
   * @param {number} start when the server's log began, ms
   * @param {number} now the server's time, ms
   */
  paint(upstreams, transitions, start, now) {
    if ([...this.#views.keys()].join() !== upstreams.map(({ name }) => name).join()) this.#build(upstreams);
    for (const { name, feed, breaker } of upstreams) {
      const path = breakerOf(name);
      this.#views.get(name)?.paintFeed(feed, now);
      this.#views.get(name)?.paint(breaker, transitions.filter((each) => each.path === path), start, now);
    }
  }

  /** @param {Overview["upstreams"]} upstreams */
  #build(upstreams) {
    for (const { panel } of this.#views.values()) panel.remove();
    this.#views.clear();
    for (const { name } of upstreams) {
      const panel = must(/** @type {DocumentFragment} */ (this.#blank.content.cloneNode(true)), "section", HTMLElement);
      panel.dataset.upstream = name;
      panel.setAttribute("aria-label", `Circuit breaker of ${name}`);
      setText(must(panel, '[data-part="upstream"]', HTMLElement), name);
      const view = new BreakerView(panel, (state, seconds) => this.#onForce(name, state, seconds));
      view.allowed = this.#allowed;
      const fetch = must(panel, '[data-part="fetch"]', HTMLButtonElement);
      fetch.hidden = this.onFetch === null;
      fetch.setAttribute("aria-label", `Fetch now from ${name}`);
      fetch.addEventListener("click", () => this.onFetch?.(name));
      this.#views.set(name, view);
      this.#blank.before(panel);
    }
  }
}

class BreakerView {
  panel;
  #feed;
  #sign;
  #icon;
  #state;
  #counts;
  #strip;
  #list;
  #force;
  #failed;
  #slow;
  #listed = "";

  /**
   * @param {HTMLElement} panel
   * @param {(state: ForcedState, seconds: number) => void} onForce
   */
  constructor(panel, onForce) {
    this.panel = panel;
    this.#feed = must(panel, '[data-part="feed"]', HTMLElement);
    this.#sign = must(panel, ".sign", HTMLElement);
    this.#icon = must(this.#sign, "use", SVGUseElement);
    this.#state = must(this.#sign, '[data-part="text"]', HTMLElement);
    this.#counts = must(panel, '[data-part="counts"]', HTMLElement);
    this.#strip = must(panel, ".strip", HTMLElement);
    this.#list = must(panel, ".transitions", HTMLElement);
    this.#force = must(panel, "fieldset", HTMLFieldSetElement);
    this.#failed = gauge(panel, "failed");
    this.#slow = gauge(panel, "slow");
    const seconds = must(this.#force, "select", HTMLSelectElement);
    this.#force.addEventListener("click", (event) => {
      const state = event.target instanceof HTMLElement ? event.target.dataset.force : undefined;
      if (state === "open" || state === "closed" || state === "auto") onForce(state, Number(seconds.value));
    });
  }

  /** @param {boolean} allowed */
  set allowed(allowed) {
    this.#force.hidden = !allowed;
  }

  /**
   * @param {import("./types.js").FeedStatus} feed
   * @param {number} now the server's time, ms
   */
  paintFeed({ state, as_of: fetched, reason }, now) {
    const parts = [`Feed ${state}`, fetched === null ? "nothing fetched yet" : `fetched ${age(now - fetched)} ago`];
    if (reason !== null) parts.push(reason);
    setText(this.#feed, `${parts.join(" · ")}.`);
  }

  /**
   * @param {import("./types.js").Breaker} breaker
   * @param {readonly Transition[]} transitions of this breaker, oldest first
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

/**
 * @param {HTMLElement} panel
 * @param {string} name
 */
function gauge(panel, name) {
  const element = must(panel, `[data-gauge="${name}"]`, HTMLElement);
  const text = must(panel, `[data-part="${name}"]`, HTMLElement);
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
