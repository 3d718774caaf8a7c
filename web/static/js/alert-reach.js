/** Where somebody says how alerts are to reach a desktop, and is told whether they do. */
import { must, setText } from "./dom.js";

/** @typedef {import("./desktop.js").Desktop} Desktop */

export class AlertReach {
  #desktop;
  #announce;
  #box = must(document, "#alert-reach", HTMLElement);
  #state = must(this.#box, '[data-part="state"]', HTMLElement);
  #button = must(this.#box, "#reach-desktop", HTMLButtonElement);
  #test = must(this.#box, "#reach-test", HTMLButtonElement);
  #always = must(this.#box, "#reach-always", HTMLInputElement);
  #sound = must(this.#box, "#reach-sound", HTMLInputElement);
  #note = must(this.#box, '[data-part="note"]', HTMLElement);

  /**
   * @param {Desktop} desktop
   * @param {(text: string) => void} announce
   */
  constructor(desktop, announce) {
    this.#desktop = desktop;
    this.#announce = announce;
    desktop.onChange = () => this.#paint();
    this.#button.addEventListener("click", () => void this.#choose({ desktop: desktop.standing.state !== "on" }));
    this.#always.addEventListener("change", () => void this.#choose({ always: this.#always.checked }));
    this.#sound.addEventListener("change", () => void this.#choose({ sound: this.#sound.checked }));
    this.#test.addEventListener("click", async () => this.#tell(await desktop.test()));
    this.#paint();
  }

  /** @param {Partial<import("./reach.js").Reach>} wanted */
  async #choose(wanted) {
    const kept = await this.#desktop.choose(wanted);
    this.#paint();
    const { state, text } = this.#desktop.standing;
    if (wanted.desktop !== undefined) this.#announce(`Notifications on this desktop. ${text}`);
    if (kept) setText(this.#note, "");
    else if (wanted.desktop !== true || state === "on") this.#tell("This browser keeps nothing: it holds until this page is closed.");
    else if (state === "off") this.#tell("The browser was not allowed to show any.");
  }

  #paint() {
    const { state, text } = this.#desktop.standing;
    const { always, sound } = this.#desktop.reach;
    this.#box.dataset.state = state;
    setText(this.#state, text);
    this.#button.hidden = state === "blocked" || state === "unsupported";
    setText(this.#button, state === "on" ? "Turn off" : "Notify me on this desktop");
    this.#always.checked = always;
    must(this.#box, '[data-part="always"]', HTMLElement).hidden = state !== "on";
    this.#sound.checked = sound;
    this.#test.hidden = state !== "on" && !sound;
    if (sound && !this.#desktop.audible) setText(this.#note, "The sound comes once something on this page was pressed: the browser asks for that.");
    else if (this.#note.textContent?.startsWith("The sound comes")) setText(this.#note, "");
  }

  /** @param {string} text */
  #tell(text) {
    setText(this.#note, text);
    this.#announce(text);
  }
}
