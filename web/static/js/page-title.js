/** The title of the page, which is all that a tab in the background shows. */

export class PageTitle {
  #name = document.title;
  #state = "";
  #unread = 0;

  /** @param {string} state of what the page shows, when it is not as it should be; else empty */
  set state(state) {
    this.#state = state;
    this.#paint();
  }

  /** @param {number} count of alerts that nobody has read */
  set unread(count) {
    this.#unread = count;
    this.#paint();
  }

  #paint() {
    const title = (this.#unread > 0 ? `(${this.#unread}) ` : "") + (this.#state === "" ? "" : `${this.#state} · `) + this.#name;
    if (document.title !== title) document.title = title;
  }
}
