/**
 * What people do to the chart beside what the library heeds.
 */

/** A drag of so much is meant, px. */
const PULLED = 24;

/**
 * What is older is wanted where nothing older is drawn: by the wheel, or by a drag.
 * @param {HTMLElement} container
 * @param {() => void} onPull
 * @param {AbortSignal} signal
 */
export function heedPulls(container, onPull, signal) {
  /** @type {number | null} */
  let from = null;
  container.addEventListener("wheel", ({ deltaX, deltaY }) => (deltaY > 0 || deltaX < 0) && onPull(), { signal, passive: true });
  container.addEventListener("pointerdown", ({ clientX }) => (from = clientX), { signal });
  container.addEventListener("pointermove", ({ clientX, buttons }) => buttons !== 0 && from !== null && clientX - from > PULLED && onPull(), { signal });
  for (const end of ["pointerup", "pointercancel"]) container.addEventListener(end, () => (from = null), { signal });
}

/**
 * A right click, or a long press, somewhere in the picture or on its axis.
 * @param {HTMLElement} container
 * @param {(y: number) => boolean} onAsk whether something came of it; else the browser's own menu opens
 * @param {AbortSignal} signal
 */
export function heedAsking(container, onAsk, signal) {
  container.addEventListener("contextmenu", (event) => onAsk(event.clientY - container.getBoundingClientRect().top) && event.preventDefault(), { signal });
}
