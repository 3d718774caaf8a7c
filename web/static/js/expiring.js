/**
 * Says that the login ends soon. One that would end for not being used goes on when it is used.
 */
import { must, setText } from "./dom.js";
import { ask } from "./rows-api.js";

export class ExpiringNotice {
  #element = must(document, "#expiring", HTMLElement);
  #text = must(this.#element, '[data-part="text"]', HTMLElement);
  #button = must(this.#element, "button", HTMLButtonElement);
  #announce;

  /** @param {(text: string) => void} announce */
  constructor(announce) {
    this.#announce = announce;
    this.#button.addEventListener("click", () => void this.#stay());
  }

  /** @param {number} seconds */
  warn(seconds) {
    const when = seconds >= 60 ? "in a minute" : `in ${Math.ceil(seconds)} s`;
    setText(this.#text, `Your login ends ${when}.`);
    this.#element.hidden = false;
    this.#announce(`Your login ends ${when}.`);
  }

  hide() {
    this.#element.hidden = true;
  }

  async #stay() {
    const answer = await ask(fetch, "GET", "watchlists");
    if (answer.ok) this.hide();
    this.#announce(answer.ok ? "You stay logged in, if the login may last any longer." : `Not done: ${answer.reason}.`);
  }
}
