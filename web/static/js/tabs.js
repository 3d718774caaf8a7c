/**
 * What one tab tells the others of this browser: that alerts were read, or rules changed. The server
 * tells a tab neither. Where a browser forbids it, each tab knows for itself after its next load.
 */
import { storageKey } from "./address.js";

/** @typedef {{kind: "rules"} | {kind: "read", until: number}} TabMessage until: ms */

export class OtherTabs {
  /** @type {BroadcastChannel | null} */
  #channel = null;

  /** @param {(message: TabMessage) => void} onMessage */
  constructor(onMessage) {
    try {
      this.#channel = new BroadcastChannel(storageKey("alerts"));
    } catch {
      // Firefox without cookies has none.
      return;
    }
    this.#channel.addEventListener("message", ({ data }) => {
      if (data?.kind === "rules" || (data?.kind === "read" && typeof data.until === "number")) onMessage(data);
    });
  }

  /** @param {TabMessage} message */
  tell(message) {
    this.#channel?.postMessage(message);
  }
}
