// Calls the admin API for the page's buttons, and keeps its live parts current.

const PERIOD = 2000; // ms between two looks at the server
const status = document.getElementById("status");

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = body;
  }
  const response = await fetch(path, options);
  if (response.ok) return;
  const text = await response.text();
  let problem = text;
  try {
    const error = JSON.parse(text).errors[0];
    problem = [error.title, error.source?.pointer, error.detail].filter(Boolean).join(": ");
  } catch {
    problem = text || `the server answered ${response.status}`;
  }
  throw new Error(problem);
}

async function refresh() {
  const response = await fetch("/__admin/", { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (next === null) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const row = focused?.matches("summary") ? focused.parentElement.id : null;
    // Somebody reads, selects or presses something there: it would be pulled from under them.
    if (focused !== null && row === null) continue;
    for (const open of part.querySelectorAll("details[open]")) {
      next.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
    }
    if (next.innerHTML === part.innerHTML) continue;
    part.replaceChildren(...next.childNodes);
    if (row) part.querySelector(`#${CSS.escape(row)} > summary`)?.focus({ preventScroll: true });
  }
}

async function attempt(action, done) {
  try {
    await action();
    status.textContent = done;
    status.className = "";
  } catch (error) {
    status.textContent = `Failed: ${error.message}`;
    status.className = "bad";
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-call]");
  if (button === null) return;
  const [method, path] = button.dataset.call.split(" ");
  attempt(async () => {
    await call(method, path, button.dataset.body);
    if (button.dataset.reset) clear(document.getElementById(button.dataset.reset));
    button.blur();
    await refresh();
  }, `${button.textContent.trim()}: done`);
});

function clear(form) {
  form.elements.down.checked = false;
  for (const name of ["errorRate", "faultRate", "latencyMilliseconds"]) form.elements[name].value = 0;
}

document.getElementById("outage").addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = event.target.elements;
  const outage = {
    down: fields.down.checked,
    errorRate: Number(fields.errorRate.value) / 100,
    errorStatus: Number(fields.errorStatus.value),
    latencyMilliseconds: Number(fields.latencyMilliseconds.value),
    faultRate: Number(fields.faultRate.value) / 100,
    fault: fields.fault.value,
  };
  attempt(async () => {
    await call("PUT", "/__admin/outage", JSON.stringify(outage));
    await refresh();
  }, "Outage switches applied");
});

async function keepCurrent() {
  if (!document.hidden) {
    try {
      await refresh();
      if (status.className === "lost") {
        status.textContent = "";
        status.className = "";
      }
    } catch {
      status.textContent = "The stub API does not answer; what you see is old.";
      status.className = "lost";
    }
  }
  setTimeout(keepCurrent, PERIOD);
}
setTimeout(keepCurrent, PERIOD);
document.getElementById("not-started").remove();
