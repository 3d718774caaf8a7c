/**
 * Whether the pointer moved, or the page under it. A line of text that becomes longer moves the chart
 * under a pointer that rests; the browser then reports that the pointer is over the chart now. That would
 * take the cursor from whoever moves it by the keyboard.
 */

/** @typedef {{screenX: number, screenY: number}} Place */

export class Pointer {
  /** Where it was last. @type {Place | null} */
  #place = null;

  /** @param {EventTarget} page whose elements handle a move before it is noted here */
  constructor(page) {
    page.addEventListener("mousemove", (event) => {
      if (event instanceof MouseEvent) this.#place = { screenX: event.screenX, screenY: event.screenY };
    });
  }

  /**
   * @param {Place} event of the pointer
   * @returns {boolean} whether it is where it was
   */
  rests({ screenX, screenY }) {
    return this.#place !== null && this.#place.screenX === screenX && this.#place.screenY === screenY;
  }
}
