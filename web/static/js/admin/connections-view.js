/**
 * The WebSocket clients of this node: a list to search and sort, one in full, and the hand that closes it.
 */
import { must, setFacts, setText } from "../dom.js";
import { age } from "../format.js";
import { ApiError } from "./api.js";
import { fill } from "./cells.js";
import { timeOfDay } from "./units.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").ConnectionRow} ConnectionRow */
/** @typedef {import("./types.js").DrainStatus} DrainStatus */
/** @typedef {import("./cells.js").Cell} Cell */

const PAGE = 50;

/**
 * @param {ConnectionRow} row
 * @param {number} now the server's time, ms
 * @returns {(string | Cell)[]}
 */
export function connectionCells({ number, name, address, who, agent, since, symbols, everything, lag, waiting, slow, leaving }, now) {
  const state = leaving ? "leaving" : slow ? "slow" : lag >= 1 ? `${age(lag * 1000)} behind` : "";
  return [
    { text: address, header: true },
    who,
    { text: since === null ? "–" : age(now - Date.parse(since)), kind: "num", title: since ?? "" },
    { text: everything ? "all" : String(symbols), kind: "num" },
    { text: lag >= 0.1 ? age(lag * 1000) : "0", kind: "num" },
    { text: String(waiting), kind: "num" },
    { text: state, tone: slow || leaving ? "bad" : "plain" },
    { text: program(agent), kind: "example", title: agent },
    { text: "", kind: "num", buttons: [{ label: "Details", action: "details", value: `${number}`, hint: `Details of ${name} from ${address}` }] },
  ];
}

/**
 * @param {string} agent
 * @returns {string} what it is, short
 */
export function program(agent) {
  for (const [name, mark] of [["Edge", "Edg/"], ["Opera", "OPR/"], ["Firefox", "Firefox/"], ["Chrome", "Chrome/"], ["Safari", "Version/"]]) {
    const found = agent.indexOf(mark ?? "");
    if (found >= 0) return `${name} ${parseInt(agent.slice(found + (mark ?? "").length), 10)}`;
  }
  return agent === "" ? "–" : agent.slice(0, 40);
}

/**
 * @param {DrainStatus | null} drain
 * @returns {string}
 */
export function describeDrain(drain) {
  if (drain === null || (!drain.running && !drain.closed)) return "";
  const told = `${drain.told} of ${plural(drain.chosen, "client")} told to leave`;
  return `${drain.running ? `Draining: ${told}, all within ${age(drain.seconds * 1000)}` : `Drained: ${told}`}.${drain.closed ? " No new ones should come." : ""}`;
}

/**
 * @typedef {object} Options
 * @property {(query: string) => Promise<{node: string, connected: number, found: number, connections: ConnectionRow[]}>} ask
 * @property {(number: string) => Promise<{connection: ConnectionRow, symbols: string[], seconds_between: number | null, flushes_behind: number}>} details
 * @property {(number: string, body: object) => Promise<any>} close
 * @property {boolean} mayClose
 * @property {() => number} now the server's time, ms
 * @property {(text: string) => void} say
 * @property {(share: number, seconds: number, connected: number) => void} drain
 * @property {() => Promise<void>} endDrain
 * @property {(session: string) => void} lines goes to what the log has of it
 */

export class ConnectionsView {
  #options;
  #body = must(document, "#connection-rows", HTMLElement);
  #sum = must(document, "#connections-sum", HTMLElement);
  #empty = must(document, "#connections-empty", HTMLElement);
  #search = must(document, "#connections-search", HTMLInputElement);
  #sort = must(document, "#connections-sort", HTMLSelectElement);
  #earlier = must(document, "#connections-earlier", HTMLButtonElement);
  #later = must(document, "#connections-later", HTMLButtonElement);
  #dialog = must(document, "#connection", HTMLDialogElement);
  #reason = must(document, "#connection-reason", HTMLInputElement);
  #error = must(this.#dialog, '[data-part="error"]', HTMLElement);
  #form = must(document, "#connection-form", HTMLFormElement);
  #drain = must(document, "#drain", HTMLFormElement);
  #drainState = must(document, "#drain-state", HTMLElement);
  #endDrain = must(document, "#end-drain", HTMLButtonElement);
  #offset = 0;
  #connected = 0;
  /** @type {ConnectionRow | null} */
  #open = null;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const again = () => {
      this.#offset = 0;
      void this.look().catch(() => {});
    };
    this.#search.addEventListener("input", again);
    this.#sort.addEventListener("change", again);
    this.#earlier.addEventListener("click", () => this.#turn(-PAGE));
    this.#later.addEventListener("click", () => this.#turn(PAGE));
    this.#body.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button?.dataset.action === "details") void this.#show(button.dataset.value ?? "");
    });
    must(this.#dialog, '[data-part="cancel"]', HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    must(this.#dialog, '[type="submit"]', HTMLButtonElement).hidden = !options.mayClose;
    must(this.#dialog, '[data-part="ask"]', HTMLElement).hidden = !options.mayClose;
    must(this.#dialog, '[data-part="lines"]', HTMLButtonElement).addEventListener("click", () => {
      this.#dialog.close();
      if (this.#open !== null) options.lines(this.#open.name);
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#close();
    });
    this.#drain.hidden = !options.mayClose;
    this.#drain.addEventListener("submit", (event) => {
      event.preventDefault();
      const [share, seconds] = ["share", "over"].map((name) => Number(must(this.#drain, `[name="${name}"]`, HTMLSelectElement).value));
      options.drain(share ?? 100, seconds ?? 30, this.#connected);
    });
    this.#endDrain.addEventListener("click", () => void options.endDrain().catch((error) => options.say(`Not ended: ${error instanceof Error ? error.message : error}.`)));
  }

  async look() {
    const search = this.#search.value.trim();
    const [sort = "lag", way = "down"] = this.#sort.value.split(" ");
    const query = new URLSearchParams({ search, sort, way, limit: String(PAGE), offset: String(this.#offset) }).toString();
    const { node, connected, found, connections } = await this.#options.ask(query);
    if (search !== this.#search.value.trim()) return; // an answer to what is asked no more
    this.#connected = connected;
    const now = this.#options.now();
    fill(this.#body, connections.map((row) => connectionCells(row, now)));
    this.#empty.hidden = connections.length > 0;
    setText(this.#empty, connected === 0 ? "Nobody is connected to this node." : this.#offset > 0 ? "No more." : "None matches.");
    const shown = connections.length === 0 ? "" : `${this.#offset + 1} to ${this.#offset + connections.length} of `;
    setText(this.#sum, `${shown}${found.toLocaleString("en-US")}${found < connected ? ` found, of ${connected.toLocaleString("en-US")}` : ""}, on ${node}`);
    this.#earlier.disabled = this.#offset === 0;
    this.#later.disabled = this.#offset + connections.length >= found;
  }

  /** @param {DrainStatus | null} drain */
  paintDrain(drain) {
    const text = describeDrain(drain);
    this.#drainState.hidden = text === "";
    this.#endDrain.hidden = text === "" || !this.#options.mayClose;
    setText(must(this.#drainState, "span", HTMLElement), text);
  }

  /** @param {number} by */
  #turn(by) {
    this.#offset = Math.max(0, this.#offset + by);
    void this.look().catch(() => {});
  }

  /** @param {string} number */
  async #show(number) {
    try {
      const { connection, symbols, seconds_between: between, flushes_behind: behind } = await this.#options.details(number);
      this.#open = connection;
      this.#fail(null);
      setText(must(this.#dialog, "h2", HTMLElement), `${connection.address}`);
      setFacts(must(this.#dialog, "dl", HTMLElement), [
        ["Session", connection.name],
        ["User", connection.who],
        ["Program", connection.agent === "" ? "not told" : connection.agent],
        ["Since", connection.since === null ? "not known" : timeOfDay(Date.parse(connection.since))],
        ["Wants", connection.everything ? "everything" : symbols.length === 0 ? "nothing" : `${symbols.join(", ")}${connection.symbols > symbols.length ? ` and ${connection.symbols - symbols.length} more` : ""}`],
        ["Lag", `${age(connection.lag * 1000)}, ${plural(behind, "flush", "flushes")} behind, ${plural(connection.waiting, "answer")} waiting`],
        ["Silent", age(connection.silent * 1000)],
        ["Its own rate", between === null ? null : `at most every ${between} s`],
      ]);
      this.#reason.value = "";
      this.#dialog.showModal();
    } catch (error) {
      this.#options.say(error instanceof ApiError ? `Not shown: ${error.message}.` : String(error));
    }
  }

  async #close() {
    const connection = this.#open;
    if (connection === null) return;
    try {
      await this.#options.close(String(connection.number), { name: connection.name, reason: this.#reason.value.trim() });
      this.#dialog.close();
      this.#options.say(`The connection from ${connection.address} is closed. It may come back.`);
      await this.look();
    } catch (error) {
      this.#fail(error instanceof ApiError ? `Nothing was done: ${error.message}.` : String(error));
    }
  }

  /** @param {string | null} text */
  #fail(text) {
    this.#error.hidden = text === null;
    setText(this.#error, text ?? "");
  }
}
