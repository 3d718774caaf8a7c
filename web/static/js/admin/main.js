/**
 * The admin page: makes the parts and connects them. A snapshot once a second says how things stand,
 * the event stream says what happens in between; both change what is known, and that is painted.
 */
import { Announcer } from "../a11y.js";
import { address, loginAddress } from "../address.js";
import { isEditable, must, oncePerFrame, setText } from "../dom.js";
import { age } from "../format.js";
import { started } from "../page.js";
import { bindChoice } from "../theme.js";
import { ActionDialog } from "./action-dialog.js";
import { AboutView } from "./about-view.js";
import { Api, ApiError } from "./api.js";
import { BreakersView, breakerOf } from "./breaker-view.js";
import { ClientsView } from "./clients-view.js";
import { ClusterView } from "./cluster-view.js";
import { ConnectionsView } from "./connections-view.js";
import { Contact } from "./contact.js";
import { CrashesView, MOST as MOST_CRASHES } from "./crashes-view.js";
import { DetailsDialog } from "./details-dialog.js";
import { EventStream } from "./event-stream.js";
import { EventsView } from "./events-view.js";
import { FaultsView } from "./faults-view.js";
import { FeedsView } from "./feeds-view.js";
import { FiguresView } from "./figures-view.js";
import { HistoryView } from "./history-view.js";
import { ItemsView } from "./items-view.js";
import { JobsView } from "./jobs-view.js";
import { LettersView } from "./letters-view.js";
import { LogView } from "./log-view.js";
import { ProcessView } from "./process-view.js";
import { RestartNotice } from "./restart-notice.js";
import { RestartsView } from "./restarts-view.js";
import { SPAN_MS } from "./timeline.js";
import { DOWN_SHOWN_MS, TreeModel } from "./tree-model.js";
import { SAFE, carryOut, drainOrder, fetchOrder, outcomeOf, reconnectOrder, restartOrder } from "./safe-actions.js";
import { TreeView } from "./tree-view.js";
import { SymbolsView } from "./symbols-view.js";
import { timeOfDay } from "./units.js";
import { VerdictView } from "./verdict-view.js";
import { Views } from "./views.js";
import { Vitals } from "./vitals.js";
import { WebhooksView } from "./webhooks-view.js";
import { plural } from "./wording.js";

/** @typedef {import("./types.js").Overview} Overview */
/** @typedef {import("./types.js").Incidents} Incidents */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").ChaosStatus} ChaosStatus */

const POLL_MS = 1_000;

const TOAST_MS = 8_000;
const MOST_TRANSITIONS = 200;

/** What is more than a line in the list of events. */
const INCIDENTS = new Set(["exited", "start_failed", "circuit"]);

const api = new Api(window.fetch.bind(window), must(document, 'meta[name="csrf-token"]', HTMLMetaElement).content);
const contact = new Contact(() => performance.now());
const model = new TreeModel();
const announcer = new Announcer(must(document, "#live", HTMLElement));
const logView = new LogView({ lines: (query) => api.get(`log?${query}`), loggers: () => api.get("loggers") });
const details = new DetailsDialog((wanted) => logView.show(wanted));
const vitals = new Vitals();
const verdictView = new VerdictView();
const views = new Views(() => performance.now());
const restartsView = new RestartsView();
const crashesView = new CrashesView((crash) => details.openCrash(crash));
const clientsView = new ClientsView();
const historyView = new HistoryView();
const clusterSection = document.querySelector("#cluster");
const clusterView = clusterSection instanceof HTMLElement ? new ClusterView(clusterSection) : null;
const symbolsView = new SymbolsView((symbol) => api.get(`symbols/${encodeURIComponent(symbol)}`));
const processView = new ProcessView();
const itemsView = new ItemsView((search) => api.get(`items?search=${encodeURIComponent(search)}`), () => contact.now);
const feedsView = new FeedsView(() => api.get("feeds"), () => contact.now);
const figuresView = new FiguresView({ ask: (hours) => api.get(`figures?hours=${hours}`), now: () => contact.now });
const aboutView = new AboutView({ about: () => api.get("about"), audit: () => api.get("audit?limit=20"), now: () => contact.now });
const eventsView = new EventsView();
const faultsView = new FaultsView(() => void halt());
const uptime = must(document, "#uptime", HTMLElement);
const readOnly = must(document, "#read-only", HTMLElement);
const admin = must(document, "main", HTMLElement);
/** Whether an account has logged in, and not the admin token. */
const byAccount = admin.dataset.byAccount === "true";
/** Whether its role allows faults. */
const mayBreak = admin.dataset.mayBreak === "true";
/** Whether its role allows what breaks nothing: restarts, a fetch now, a drain. */
const mayWrite = admin.dataset.mayWrite === "true";
const lost = must(document, "#lost", HTMLElement);
const lostDetail = must(lost, '[data-part="detail"]', HTMLElement);
const restartNotice = new RestartNotice((text) => announcer.say(text));
const toast = must(document, "#toast", HTMLElement);
const toastText = must(toast, '[data-part="text"]', HTMLElement);

/** @type {Incidents} */
let incidents = { run: 0, last: 0, now: 0, crashes: [], restarts: [], transitions: [] };
/** @type {Overview | null} */
let overview = null;
/** @type {ChaosStatus} */
let chaos = { enabled: false, experiment: null, active: [] };
/** Why the last look failed. */
let failure = "";
/** @type {number | undefined} */
let toastTimer;

const dialog = new ActionDialog({
  targets: async (path) => (await api.get(`chaos/targets?most=0&path=${encodeURIComponent(path)}`)).targets,
  inject: (body, headers, order) => carryOut(api, order, body, headers),
  onDone: (order, answer) => {
    void pollChaos();
    views.soon();
    if (SAFE.has(order.action)) say(outcomeOf(order, answer));
    else say(order.action === "breaker-force" ? `The circuit breaker of ${order.target} is ${order.parameters.state === "auto" ? "free again" : `held ${order.parameters.state}`}.` : outcome(answer));
  },
});

const treeView = new TreeView({
  model,
  onAction: (path, action) => {
    if (action === "restart") {
      void dialog.open(restartOrder(path));
      return;
    }
    const what = "It is cancelled at once, with everything under it, and cannot clean up. Its supervisor decides what comes next.";
    void dialog.open({ action, target: path, path, parameters: {}, title: `Kill ${path}?`, what, verb: "Kill" });
  },
  onDetails: (path) => {
    const node = model.node(path);
    if (node !== undefined) details.openActor(node, model.troubles(node));
  },
});

const breakersView = new BreakersView((upstream, state, seconds) => {
  const what = {
    open: `Nothing is fetched from ${upstream} for ${seconds} s: clients keep the last prices, and see them go stale.`,
    closed: `Every request passes for ${seconds} s, whatever fails.`,
    auto: "Its own outcomes decide again.",
  }[state];
  const title = state === "auto" ? `Let the circuit breaker of ${upstream} decide?` : `Hold the circuit breaker of ${upstream} ${state}?`;
  void dialog.open({
    action: "breaker-force",
    target: upstream,
    path: breakerOf(upstream),
    parameters: { state, seconds },
    title,
    what,
    verb: state === "auto" ? "Let go" : `Force ${state}`,
  });
});

breakersView.onFetch = mayWrite ? (upstream) => void dialog.open(fetchOrder(upstream)) : null;
const connectionsView = new ConnectionsView({
  ask: (query) => api.get(`connections?${query}`),
  details: (number) => api.get(`connections/${number}`),
  close: (number, body) => api.post(`connections/${number}/close`, body),
  mayClose: mayWrite,
  now: () => contact.now,
  say,
  drain: (share, seconds, connected) => void dialog.open(drainOrder(share, seconds, connected)),
  lines: (session) => logView.show({ correlation: session }),
  endDrain: async () => {
    await api.delete("actions/drain");
    say("Nobody else is told to leave; new clients may come.");
  },
});
const webhooksView = new WebhooksView({ ask: () => api.get("webhooks"), post: (alert) => api.post(`webhooks/${alert}/post`, {}), overview: () => overview, mayPost: mayWrite, now: () => contact.now, say });
const lettersView = new LettersView({ ask: () => api.get("mail"), send: (letter) => api.post(`mail/${letter}/send`, {}), mail: () => overview?.mail ?? null, maySend: mayWrite, now: () => contact.now, say });
const reconnect = must(document, "#reconnect", HTMLButtonElement);
reconnect.hidden = !mayWrite;
reconnect.addEventListener("click", () => void dialog.open(reconnectOrder()));

const stream = new EventStream({
  open: (since, signal) => api.events(since, signal),
  clock: {
    setTimeout: (callback, ms) => window.setTimeout(callback, ms),
    clearTimeout: (timer) => window.clearTimeout(timer),
  },
  onEntries: heard,
  onState: (state) => {
    eventsView.state = state;
  },
  onRun: () => {
    eventsView.remark("The server was started anew.");
    void loadIncidents();
  },
  onGap: (missed) => eventsView.remark(`${plural(missed, "event")} missed.`),
});

/** @param {Entry[]} entries */
function heard(entries) {
  eventsView.add(entries);
  // By their own time: what is told of the past must not look as if it happened now.
  for (const entry of entries) model.note(entry, contact.toPage(entry.at));
  // Traces, and what a restart followed on, are not in the stream.
  if (entries.some(({ kind, generation = 0 }) => INCIDENTS.has(kind) || (kind === "started" && generation > 1))) void loadIncidents();
  paint();
  // A wound turns into a scar by time alone.
  window.setTimeout(paint, DOWN_SHOWN_MS);
}

let loading = false;
let loadAgain = false;

async function loadIncidents() {
  if (loading) {
    loadAgain = true;
    return;
  }
  loading = true;
  try {
    do {
      loadAgain = false;
      const news = await api.get(`incidents?since=${incidents.last}`);
      contact.heard(news.now);
      incidents = merged(incidents, news);
      crashesView.paint(incidents.crashes);
      paint();
    } while (loadAgain);
  } catch (error) {
    failed(error);
  } finally {
    loading = false;
  }
}

/**
 * @param {Incidents} known
 * @param {Incidents} news what came after `known.last`
 * @returns {Incidents}
 */
function merged(known, news) {
  if (news.run !== known.run) {
    // Another process: its numbers begin anew, so all of its news may not be here yet.
    loadAgain = known.last > 0;
    return loadAgain ? { ...news, last: 0, crashes: [], restarts: [], transitions: [] } : news;
  }
  return {
    ...news,
    crashes: [...known.crashes, ...news.crashes].slice(-MOST_CRASHES),
    restarts: [...known.restarts, ...news.restarts],
    transitions: [...known.transitions, ...news.transitions].slice(-MOST_TRANSITIONS),
  };
}

async function pollTree() {
  const [tree, state] = await Promise.all([api.get("tree?folded"), api.get("overview")]);
  model.update(tree.root, performance.now());
  overview = state;
  contact.heard(state.now);
}

async function pollChaos() {
  try {
    const told = await api.get("chaos/status");
    chaos = { ...told, enabled: told.enabled && mayBreak };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
  model.setFaulty(chaos.active.map(placeOf));
  treeView.allowed = { kill: chaos.enabled, restart: mayWrite };
  breakersView.allowed = chaos.enabled;
  readOnly.hidden = chaos.enabled;
}

/**
 * Where in the tree a fault is: those of an upstream name that, not an actor.
 * @param {import("./types.js").ActiveFault} fault
 */
function placeOf({ action, target }) {
  if (action === "breaker-force") return breakerOf(target);
  return action.startsWith("upstream-") ? `market/feeds/${target}` : target;
}

/** Runs as long as the page: looks, paints, waits. */
async function poll() {
  if (!document.hidden) {
    try {
      await Promise.all([pollTree(), pollChaos(), views.look()]);
    } catch (error) {
      failed(error);
    }
    paint();
  }
  window.setTimeout(() => void poll(), POLL_MS);
}

/** @param {unknown} error */
function failed(error) {
  if (error instanceof ApiError && error.status === 401) {
    location.assign(byAccount ? loginAddress(location) : address("/admin/login"));
    return;
  }
  failure = error instanceof Error ? error.message : String(error);
}

/** Greys the page while nobody answers: what it shows may not hold any more. */
function paintContact() {
  if (contact.lost !== lost.hidden) return;
  lost.hidden = !contact.lost;
  admin.toggleAttribute("data-lost", contact.lost);
  announcer.say(contact.lost ? "The server does not answer. Trying again." : "The server answers again.");
}

async function halt() {
  try {
    const { ended } = await api.post("chaos/halt", {}, dialog.roleHeaders);
    say(ended === 0 ? "There was nothing to halt." : `${plural(ended, "fault")} ended.`);
    await pollChaos();
    paint();
  } catch (error) {
    say(error instanceof ApiError ? `Not halted: ${error.message}.` : String(error));
  }
}

/**
 * How long nobody was there is told by the row in the tree, once: the order's own time is longer.
 * @param {any} answer of an injection
 */
function outcome({ action, target, verified, generation_before: before, generation_after: after, detail }) {
  if (!verified) return `Not done: ${action} ${target}. ${detail ?? ""}`;
  if (after === null || after === undefined) return `${target} ended. ${detail ?? ""}`;
  return `${target}: generation ${before} → ${after}.`;
}

/** @param {string} text */
function say(text) {
  setText(toastText, text);
  toast.hidden = false;
  window.clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => {
    toast.hidden = true;
  }, TOAST_MS);
}

const paint = oncePerFrame(paintNow);

function paintNow() {
  const { now } = contact;
  paintContact();
  treeView.paint();
  incidents.restarts = incidents.restarts.filter(({ at }) => at >= now - SPAN_MS);
  faultsView.paint(chaos, now);
  verdictView.paint(overview?.verdict ?? null, contact.lost);
  if (overview === null) return;
  restartsView.paint(incidents.restarts, model.paths, overview.process.started, now);
  vitals.paint({ overview, tree: model.paths.length === 0 ? null : model.summary(), restarts: incidents.restarts.length, now, lost: contact.lost });
  if (contact.lost) setText(lostDetail, `What you see is how it stood at ${timeOfDay(now)}; it is asked again every second. (${failure || "no answer in time"})`);
  restartNotice.paint(overview.process, now);
  breakersView.paint(overview.upstreams, incidents.transitions, overview.process.started, now);
  clientsView.paint(overview.clients);
  connectionsView.paintDrain(overview.clients.drain);
  symbolsView.paint(overview, now);
  historyView.paint(overview.history, now);
  if (overview.cluster !== null) clusterView?.paint(overview.cluster);
  processView.paint(overview.process.samples);
  setText(uptime, ` · up ${age(now - overview.process.started)}`);
}

bindChoice("theme", () => window.localStorage);
must(toast, '[data-part="dismiss"]', HTMLButtonElement).addEventListener("click", () => {
  toast.hidden = true;
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || isEditable(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    treeView.focusSearch();
  } else if (event.key === "u" || event.key === "U") {
    treeView.toggleUnhealthy();
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  contact.resume();
  paint();
});
window.addEventListener("pagehide", () => stream.stop());

views.add("connections", () => connectionsView.look(), 2_000);
views.add("upstreams", () => feedsView.look(), 2_000);
views.add("log", () => logView.look(), 2_000, (asked) => logView.take(asked));
views.add("figures", () => figuresView.look(), 20_000);
views.add("webhooks", async () => void (await Promise.all([webhooksView.look(), lettersView.look()])), 5_000);
views.add("settings", () => aboutView.look(), 30_000);
views.add("items", () => itemsView.look(), 2_000);
views.start();
eventsView.state = "connecting";
started();
await loadIncidents();
stream.start(incidents.run, Math.max(0, incidents.last - 100));
void poll();
void new JobsView(api, say, () => contact.now).start();
// A server that hangs lets a poll wait: time alone tells that it does not answer.
window.setInterval(() => {
  if (!document.hidden) paint();
}, POLL_MS);
