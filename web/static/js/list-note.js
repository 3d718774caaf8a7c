/**
 * What is told beside the choice of a list, so that nobody takes for kept what is not. No DOM and no I/O.
 */

/** @typedef {import("./storage.js").Trouble} Trouble */
/** How it last went with the server: it told its lists, it knows no user without a cookie, or none without a login, it has no database. @typedef {"known" | "cookieless" | "loggedOut" | "away"} ListServer */

const AWAY = "Lists cannot be saved just now. What you change is kept in this browser and saved later.";
const NO_COOKIE = "This browser sends no cookie, so lists are kept in it alone.";
const LOGGED_OUT = "Your login has ended. What you change is kept in this browser, and saved when you have logged in again.";
const LOST = "when you leave this page";

/**
 * @param {ListServer} server
 * @param {Trouble | null} trouble why the browser does not keep the list that is shown
 * @param {boolean} isOwn the list is this browser's own, which no server keeps
 * @returns {{kind: "none" | "note" | "warning", text: string}}
 */
export function noteOf(server, trouble, isOwn) {
  if (trouble !== null && server === "cookieless") {
    return { kind: "warning", text: `This browser keeps neither cookies nor the data of this site: the list is lost ${LOST}.` };
  }
  if (trouble !== null && isOwn) {
    const why = trouble === "full" ? "The storage of this browser is full: what you change is lost" : "This browser keeps no data of this site: the list is lost";
    return { kind: "warning", text: `${why} ${LOST}.${server === "known" ? " A new list is kept by the server." : ""}` };
  }
  if (trouble !== null && (server === "away" || server === "loggedOut")) {
    const why = server === "away" ? "Lists cannot be saved just now" : "Your login has ended";
    return { kind: "warning", text: `${why}, and this browser keeps nothing meanwhile: what you change is lost ${LOST}.` };
  }
  if (server === "loggedOut") return { kind: "warning", text: LOGGED_OUT };
  if (server === "away") return { kind: "warning", text: AWAY };
  return server === "cookieless" ? { kind: "note", text: NO_COOKIE } : { kind: "none", text: "" };
}
