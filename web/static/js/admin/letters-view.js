/**
 * Mail: whether the SMTP server takes letters and what it said last, what waits for it, and dead letters
 * to send again.
 */
import { must, setFacts, setText } from "../dom.js";
import { age } from "../format.js";
import { ApiError } from "./api.js";
import { fill } from "./cells.js";
import { count } from "./units.js";

/** @typedef {import("./types.js").LetterQueue} LetterQueue */
/** @typedef {import("./types.js").MailStatus} MailStatus */
/** @typedef {import("./cells.js").Cell} Cell */

/**
 * @param {LetterQueue["domains"][number]} row
 * @param {number} now the server's time, ms
 * @returns {(string | Cell)[]}
 */
export function domainCells({ domain, waiting, oldest, attempts, reason }, now) {
  return [
    { text: domain, header: true },
    { text: count(waiting), kind: "num" },
    { text: age(now - oldest), kind: "num" },
    { text: String(attempts), kind: "num", tone: attempts > 0 ? "warn" : "plain" },
    { text: reason ?? "", kind: "example" },
  ];
}

/**
 * @param {LetterQueue["dead"][number]} row
 * @param {number} now the server's time, ms
 * @param {boolean} maySend
 * @returns {(string | Cell)[]}
 */
export function deadLetterCells({ letter, receiver, symbol, attempts, reason, ended_at: ended, barred, correlation }, now, maySend) {
  const about = symbol ?? "May alerts come?";
  const again = { label: "Send again", action: "send", value: String(letter), hint: `Send again: ${about} to ${receiver}` };
  return [
    { text: receiver, header: true },
    about,
    { text: ended === null ? "–" : `${age(now - ended)} ago`, kind: "num" },
    { text: String(attempts), kind: "num" },
    { text: [reason, barred === null || barred === reason ? null : `not sent again: ${barred}`].filter((part) => part !== null).join("; "), kind: "example", lines: { correlation, of: `${about} to ${receiver}` } },
    { text: "", kind: "num", buttons: maySend && barred === null ? [again] : [] },
  ];
}

/**
 * @param {MailStatus | null} mail null where no mail is sent
 * @param {LetterQueue} queue
 * @param {number} now the server's time, ms
 * @returns {[string, string | null][]}
 */
export function describeMail(mail, { waiting, oldest }, now) {
  const ago = (/** @type {number} */ at) => `${age(now - at)} ago`;
  const letters = /** @type {[string, string]} */ (["Letters waiting", waiting === 0 ? "none" : `${count(waiting)}, the oldest for ${oldest === null ? "–" : age(now - oldest)}`]);
  if (mail === null) return [["Server", "none: SMTP_URL is not set"], letters];
  const { server, trouble, trouble_since: since, last_error: error, last_error_at: errorAt, taken_at: taken, delivered, failed, dead } = mail;
  return [
    ["Server", server],
    ["State", trouble === null ? (taken === null ? "no letter was handed in yet" : `takes letters, the last one ${ago(taken)}`) : `takes none${since === null ? "" : ` since ${age(now - since)}`}: ${trouble}`],
    letters,
    ["Since the start", `${count(delivered)} taken, ${count(failed)} attempts failed, ${count(dead)} given up`],
    ["Last error", error === null ? "none" : `${error}${errorAt === null ? "" : `, ${ago(errorAt)}`}`],
  ];
}

export class LettersView {
  #facts = must(document, "#letters", HTMLElement);
  #domains = must(document, "#domain-rows", HTMLElement);
  #dead = must(document, "#dead-letter-rows", HTMLElement);
  #note = must(document, "#letters-note", HTMLElement);
  #options;

  /** @param {{ask: () => Promise<LetterQueue>, send: (letter: string) => Promise<{receiver: string}>, mail: () => MailStatus | null, maySend: boolean, now: () => number, say: (text: string) => void}} options */
  constructor(options) {
    this.#options = options;
    this.#dead.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button?.dataset.action === "send") void this.#send(button.dataset.value ?? "");
    });
  }

  async look() {
    let queue;
    try {
      queue = await this.#options.ask();
    } catch (error) {
      setText(this.#note, `The queue is in the database: ${error instanceof Error ? error.message : error}.`);
      return;
    }
    const now = this.#options.now();
    setText(this.#note, "");
    const mail = this.#options.mail();
    setFacts(this.#facts, describeMail(mail, queue, now));
    this.#facts.toggleAttribute("data-trouble", mail !== null && mail.trouble !== null);
    fill(this.#domains, queue.domains.map((row) => domainCells(row, now)));
    fill(this.#dead, queue.dead.map((row) => deadLetterCells(row, now, this.#options.maySend)));
    must(document, "#domains-table", HTMLElement).hidden = queue.domains.length === 0;
    must(document, "#dead-letters-table", HTMLElement).hidden = queue.dead.length === 0;
  }

  /** @param {string} letter */
  async #send(letter) {
    try {
      const { receiver } = await this.#options.send(letter);
      this.#options.say(`It is sent to ${receiver} again now.`);
      await this.look();
    } catch (error) {
      this.#options.say(error instanceof ApiError ? `Not sent: ${error.message}.` : String(error));
    }
  }
}
