/**
 * Clients, and those of them that cannot follow.
 */
import { must, setText } from "../dom.js";
import { age } from "../format.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").Overview} Overview */

export class ClientsView {
  #sum = must(document, "#clients-sum", HTMLElement);
  #table = must(document, "#slow-clients", HTMLTableElement);
  #body = must(this.#table, "tbody", HTMLTableSectionElement);
  #empty = must(document, "#clients-empty", HTMLElement);

  /** @param {Overview["clients"]} clients */
  paint({ connected, subscribed, behind, worst }) {
    setText(this.#sum, `${connected.toLocaleString("en-US")} connected, ${subscribed.toLocaleString("en-US")} subscribed`);
    this.#table.hidden = worst.length === 0;
    this.#empty.hidden = worst.length > 0;
    setText(this.#empty, connected === 0 ? "Nobody is connected." : behind === 0 ? "None is slow." : "");
    this.#body.replaceChildren(
      ...worst.map((client) => {
        const row = document.createElement("tr");
        if (client.slow) row.dataset.kind = "crashed";
        const who = document.createElement("td");
        const about = document.createElement("span");
        about.className = "about";
        about.textContent = client.name;
        const wants = client.everything ? "everything" : plural(client.symbols, "symbol");
        who.append(`${client.address}, ${wants}`, about);
        who.title = `Session ${client.name} from ${client.address}, ${wants}`;
        row.append(who);
        for (const text of [age(client.behind * 1000), age(client.silent * 1000), String(client.waiting)]) {
          const cell = document.createElement("td");
          cell.textContent = text;
          cell.className = "num";
          row.append(cell);
        }
        return row;
      }),
    );
  }
}
