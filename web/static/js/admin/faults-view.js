/**
 * What is broken on purpose just now, and the button that ends it.
 */
import { must, setText } from "../dom.js";
import { countdown } from "../format.js";
import { remaining } from "./wording.js";

/** @typedef {import("./types.js").ChaosStatus} ChaosStatus */

export class FaultsView {
  #list = must(document, "#faults", HTMLElement);
  #empty = must(document, "#faults-empty", HTMLElement);
  #experiment = must(document, "#experiment", HTMLElement);
  #halt = must(document, "#halt-all", HTMLButtonElement);

  /** @param {() => void} onHalt */
  constructor(onHalt) {
    this.#halt.addEventListener("click", onHalt);
  }

  /**
   * @param {ChaosStatus} status
   * @param {number} now the server's time, ms
   */
  paint({ enabled, experiment, active }, now) {
    this.#experiment.hidden = experiment === null;
    if (experiment !== null) setText(this.#experiment, `Experiment ${experiment.id}, “${experiment.title}”, has this node for another ${countdown(experiment.deadline - now)}.`);
    this.#halt.hidden = !enabled || (active.length === 0 && experiment === null);
    this.#empty.hidden = active.length > 0 || experiment !== null;
    setText(this.#empty, enabled ? "No fault is active." : "Fault injection is off.");
    while (this.#list.childElementCount > active.length) this.#list.lastElementChild?.remove();
    while (this.#list.childElementCount < active.length) this.#list.append(item());
    active.forEach((fault, index) => {
      const element = /** @type {HTMLElement} */ (this.#list.children[index]);
      setText(must(element, "strong", HTMLElement), fault.action);
      setText(must(element, '[data-part="target"]', HTMLElement), fault.target);
      setText(must(element, '[data-part="left"]', HTMLElement), remaining(fault, now));
    });
  }
}

function item() {
  const element = document.createElement("li");
  element.append(document.createElement("strong"));
  for (const part of ["target", "left"]) {
    const span = document.createElement("span");
    span.dataset.part = part;
    element.append(span);
  }
  return element;
}
