/** What each page that follows prices has of its browser. */
import { address } from "./address.js";

/** Faults in what the server sends that go to the console; a broken server must not fill it. */
const MAX_FAULTS_SHOWN = 5;

/**
 * The browser's time and timers, as the parts that tests drive want them. The time is monotonic: nobody
 * sets it, but on some systems it stands still while the machine sleeps.
 */
export const clock = {
  now: () => performance.now(),
  setTimeout: (/** @type {() => void} */ callback, /** @type {number} */ ms) => window.setTimeout(callback, ms),
  clearTimeout: (/** @type {number | undefined} */ timer) => window.clearTimeout(timer),
};

/** Where this page's server takes WebSockets. */
export function socketUrl() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${address("/ws")}`;
}

/** To be called when the script runs to its end: takes away what says that the page is not started. */
export function started() {
  document.getElementById("not-started")?.remove();
}

let faults = 0;

/** @param {string} fault */
export function warn(fault) {
  faults += 1;
  if (faults <= MAX_FAULTS_SHOWN) console.warn(`StockStream: ${fault}`);
}
