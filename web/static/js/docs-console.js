/**
 * The console of the API's page: one WebSocket to this server, what is sent to it and what comes.
 * Without a script its form is hidden, and the messages above it are all there is to see.
 */
import { must } from "./dom.js";
import { clock, socketUrl } from "./page.js";

/** Older messages leave: prices come twenty times a second. */
const MOST_SHOWN = 30;

/** @param {HTMLFormElement} form */
export function bindConsole(form) {
  const command = must(form, "#console-command", HTMLInputElement);
  const leave = must(form, "#console-leave", HTMLButtonElement);
  const state = must(form, "#console-state", HTMLElement);
  const log = must(form, "#console-log", HTMLOListElement);
  /** @type {WebSocket | null} */
  let socket = null;

  /** @param {string} way "sent", "came" or "ended" @param {string} text */
  const show = (way, text) => {
    const line = document.createElement("li");
    line.dataset.way = way;
    const label = document.createElement("span");
    label.className = "label";
    label.textContent = way;
    const message = document.createElement("code");
    message.textContent = text;
    line.append(label, message);
    log.prepend(line);
    while (log.childElementCount > MOST_SHOWN) log.lastElementChild?.remove();
  };

  /** @param {string} text */
  const tell = (text) => {
    state.textContent = text;
  };

  const connect = () => {
    const opened = new WebSocket(socketUrl());
    socket = opened;
    leave.disabled = false;
    tell("Connecting …");
    opened.addEventListener("open", () => {
      tell("Connected. The newest message is on top.");
      say(opened);
    });
    opened.addEventListener("message", (event) => show("came", String(event.data)));
    opened.addEventListener("close", (event) => {
      if (socket === opened) socket = null;
      leave.disabled = socket === null;
      show("ended", `${event.code}${event.reason === "" ? "" : ` ${event.reason}`}`);
      tell(event.code === 1000 ? "Closed." : "The connection has ended; Send opens another.");
    });
  };

  /** @param {WebSocket} opened */
  const say = (opened) => {
    opened.send(command.value);
    show("sent", command.value);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (socket === null) connect();
    else if (socket.readyState === WebSocket.OPEN) say(socket);
  });
  leave.addEventListener("click", () => socket?.close(1000));
  for (const example of form.querySelectorAll("[data-command]")) {
    if (!(example instanceof HTMLButtonElement)) continue;
    example.addEventListener("click", () => {
      command.value = example.dataset.command ?? "";
      // After the click, which would take the focus back.
      clock.setTimeout(() => command.focus(), 0);
    });
  }
  form.hidden = false;
}
