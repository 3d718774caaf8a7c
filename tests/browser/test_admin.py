"""The admin page in a real browser: an operator breaks things, and sees them heal."""

from __future__ import annotations

import base64
import re
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FAST
from tests.browser.waiting import WAIT_SECONDS
from tests.browser.witness import Witness
from tests.support.programs import Server, Stub, running
from tests.support.server import NO_DATABASE, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

STREAMER = "market/streamer"
BREAKER = "market/feeds/api/circuit_breaker"
VIEWS = ("Figures", "Connections", "Feeds", "Items", "Log", "Alerts", "Settings")
NARROW = {"width": 360, "height": 740}

# Chromium itself writes these; no page can keep it from that. Each test says which may come.
REFUSED = r"Failed to load resource: the server responded with a status of (401|409) "
WEB_DIES = (
    r"Failed to load resource: net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)"
)

# It is down for a moment only, which looking now and then may miss.
NOTE_MARKS = """(row) => {
  window.marks = [];
  new MutationObserver(() => window.marks.push(row.dataset.mark))
    .observe(row, {attributes: true, attributeFilter: ["data-mark"]});
}"""


class Operations:
    """One open admin page. Methods act and wait; properties locate."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.dialog = page.get_by_test_id("action")
        self.confirm = page.get_by_test_id("action-confirm")
        self.error = page.get_by_test_id("action-error")
        self.toast = page.get_by_test_id("toast")
        self.rows = page.locator("#tree-rows [role=row]")

    def log_in(self, token: str = TOKEN) -> None:
        """Go through the login form."""
        self.page.goto(f"{self.url}/admin")
        self.page.get_by_label("Admin token").fill(token)
        self.page.get_by_role("button", name="Log in").click()

    def open(self) -> None:
        """Log in and wait until the tree is there and live."""
        self.log_in()
        expect(self.row(STREAMER)).to_be_visible()
        expect(self.page.get_by_test_id("stream-state")).to_have_attribute("data-state", "open")

    def row(self, path: str) -> Locator:
        """The row of an actor."""
        return self.page.get_by_test_id(f"actor-{path}")

    def generation(self, path: str) -> int:
        """The generation that its row shows."""
        return int(self.row(path).locator('[data-part="generation"]').inner_text())

    def ask(self, action: str, path: str) -> None:
        """Press an action of a row, and wait for the dialog to know its target."""
        self.row(path).get_by_role("button", name=f"{action} {path}", exact=True).click()
        expect(self.dialog.get_by_text("Generation")).to_be_visible()

    def expect_healed(self, path: str, generation: int) -> None:
        """Wait until the row says that the actor is back, with this generation."""
        expect(self.row(path)).to_have_attribute("data-mark", re.compile("^healed"))
        expect(self.row(path).locator('[data-part="state"]')).to_have_text(
            re.compile(r"^Back in [\d.]+\s(µs|ms|s)$")
        )
        expect(self.row(path).locator('[data-part="generation"]')).to_have_text(str(generation))

    def shown(self) -> list[str]:
        """The paths of the rows, from top to bottom."""
        found = self.rows.evaluate_all("rows => rows.map(row => row.dataset.path)")
        return [str(path) for path in found]


@pytest.fixture(scope="module")
def operated(stub: Stub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose parts may be broken on purpose."""
    folder = tmp_path_factory.mktemp("operated")
    server = Server(folder, FAST | {"STOCK_API_URL": stub.url, "CHAOS_ENABLED": "true"})
    with running(server):
        yield server


@pytest.fixture
def operate(browser: Browser) -> Iterator[Callable[..., Operations]]:
    """Opens an admin page; at the end nothing may have gone wrong but what a test allows."""
    contexts = []
    seen: list[tuple[Witness, str]] = []

    def open_page(url: str, *, may_say: str = r"(?!)", **options: object) -> Operations:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(WAIT_SECONDS * 1000)
        page = context.new_page()
        seen.append((Witness(page, server_goes_away=False), may_say))
        return Operations(page, url)

    yield open_page
    for context in contexts:
        context.close()
    assert [
        trouble
        for witness, may_say in seen
        for trouble in witness.troubles
        if not re.search(may_say, trouble)
    ] == []


def inject(server: Server, action: str, target: str, **parameters: object) -> dict[str, object]:
    """Break something as `stockstream chaos` does."""
    answer = httpx.post(
        f"{server.url}/admin/api/chaos/inject",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={"action": action, "target": target, "parameters": parameters, "reason": "a test"},
        timeout=WAIT_SECONDS,
    )
    answer.raise_for_status()
    result: dict[str, object] = answer.json()
    assert result["verified"]
    return result


def test_a_wrong_token_is_told_and_the_right_one_opens(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """The form says what is wrong; logging out closes the page again."""
    me = operate(operated.url, may_say=REFUSED)
    me.log_in("wrong-token-0123456")
    expect(me.page.get_by_role("alert")).to_have_text("This is not the ADMIN_TOKEN of this server.")
    expect(me.page.get_by_label("Admin token")).to_be_focused()
    me.open()
    me.page.get_by_role("button", name="Log out").click()
    expect(me.page).to_have_url(f"{operated.url}/admin/login")
    me.page.goto(f"{operated.url}/admin")
    expect(me.page).to_have_url(f"{operated.url}/admin/login")


def test_a_killed_actor_is_seen_dying_and_healing(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """From the page: the dialog names whom it reaches; the row goes down and comes back."""
    me = operate(operated.url)
    me.open()
    before = me.generation(STREAMER)
    me.ask("Kill", STREAMER)
    expect(me.dialog).to_contain_text("Only this actor ends.")
    expect(me.dialog).to_contain_text("more before its supervisor gives up")
    me.page.get_by_test_id("action-reason").fill("to see it heal")
    me.row(STREAMER).evaluate(NOTE_MARKS)
    me.confirm.click()
    me.page.wait_for_function("() => window.marks.includes('down')")
    me.expect_healed(STREAMER, before + 1)
    expect(me.dialog).to_be_hidden()
    expect(me.toast).to_contain_text(f"{STREAMER}: generation {before} → {before + 1}.")
    expect(me.toast).not_to_contain_text("back in")  # the row says how long, by another clock
    crash = me.page.get_by_test_id("crashes").locator("tbody tr").first
    expect(crash).to_contain_text(STREAMER)
    expect(crash).to_contain_text("restart")
    expect(me.page.get_by_test_id("restarts").locator(".mark-killed").first).to_be_attached()
    events = me.page.get_by_test_id("events").locator("li")
    expect(events.filter(has_text=f"{STREAMER}back, generation {before + 1}")).to_have_count(1)


def test_what_somebody_else_kills_is_seen_as_it_happens_and_the_page_goes_on(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """Kills by the command show within a moment; afterwards the figures still move."""
    me = operate(operated.url)
    me.open()
    for path in (STREAMER, BREAKER, "delivery/broadcaster", "telemetry", "pubsub"):
        before = me.generation(path)
        inject(operated, "kill", path)
        me.expect_healed(path, before + 1)
    # Of one that was just killed: after a minute seconds are not told any more.
    uptime = me.row("pubsub").locator('[data-part="uptime"]')
    expect(uptime).not_to_have_text(uptime.inner_text())
    expect(me.page.get_by_test_id("vital-feed")).to_have_attribute("data-state", "live")
    expect(me.page.get_by_test_id("vital-system")).to_have_attribute("data-state", "live")


def test_a_crash_shows_its_trace_on_demand(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """The last exit of a row opens the trace of the exception that was injected."""
    me = operate(operated.url)
    me.open()
    inject(operated, "crash", "delivery/subscription_manager", exception="KeyError", message="lost")
    exit_ = me.row("delivery/subscription_manager").locator('[data-part="exit"]')
    expect(exit_).to_contain_text("crash(KeyError: 'lost')")
    exit_.click()
    details = me.page.get_by_test_id("details")
    expect(details.locator(".trace")).to_contain_text("Traceback (most recent call last)")
    expect(details.locator(".trace")).to_contain_text("KeyError: 'lost'")
    me.page.keyboard.press("Escape")
    me.page.get_by_test_id("crashes").get_by_role("button", name="KeyError").first.click()
    expect(details.locator(".trace")).to_contain_text("KeyError: 'lost'")


def test_a_supervisor_is_killed_only_by_its_typed_name(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """The button opens with the whole name; its children are seen healing with it."""
    me = operate(operated.url)
    me.open()
    before = {path: me.generation(path) for path in ("market", STREAMER, BREAKER)}
    me.ask("Kill", "market")
    expect(me.dialog).to_contain_text("It and 5 actors under it end.")
    expect(me.confirm).to_be_disabled()
    typed = me.page.get_by_test_id("action-typed")
    typed.fill("marke")
    expect(me.confirm).to_be_disabled()
    typed.fill("market")
    expect(me.confirm).to_be_enabled()
    typed.press("Enter")
    for path, generation in before.items():
        me.expect_healed(path, generation + 1)


def test_an_actor_that_has_moved_on_is_not_killed_by_mistake(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """What was meant is gone: nothing is done, it says so, and a second press means the new one."""
    me = operate(operated.url, may_say=REFUSED)
    me.open()
    before = me.generation("pubsub")
    me.ask("Restart", "pubsub")
    inject(operated, "kill", "pubsub")
    me.confirm.click()
    expect(me.error).to_contain_text(f"generation {before} is gone, {before + 1} is here")
    expect(me.error).to_contain_text("Nothing was done")
    expect(me.row("pubsub").locator('[data-part="generation"]')).to_have_text(str(before + 1))
    me.confirm.click()
    expect(me.toast).to_contain_text(f"pubsub: generation {before + 1} → {before + 2}")
    me.expect_healed("pubsub", before + 2)


def test_the_page_survives_the_death_of_web(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """The one kill that cuts the page off: it comes back by itself, and has missed nothing."""
    me = operate(operated.url, may_say=WEB_DIES)
    me.open()
    before = me.generation("web")
    inject_and_lose(operated, "web")
    expect(me.row("web").locator('[data-part="generation"]')).to_have_text(str(before + 1))
    expect(me.page.get_by_test_id("stream-state")).to_have_attribute("data-state", "open")
    events = me.page.get_by_test_id("events").locator("li")
    expect(events.filter(has_text=f"webback, generation {before + 1}")).to_have_count(1)
    expect(me.page.get_by_test_id("lost")).to_be_hidden()
    # Of `web`, which is young: after a minute seconds are not told any more.
    uptime = me.row("web").locator('[data-part="uptime"]')
    expect(uptime).not_to_have_text(uptime.inner_text())


def inject_and_lose(server: Server, target: str) -> None:
    """Kill what carries the answer, so that none may come."""
    try:
        inject(server, "kill", target)
    except httpx.TransportError:
        return


# In the pictures of the vitals and of all below them.
COLOURED_DOTS = """async (pictures) => {
  let coloured = 0;
  for (const picture of pictures) {
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    for (let i = 0; i < data.length; i += 4) {
      const [red, green, blue] = data.subarray(i, i + 3);
      if (Math.max(red, green, blue) - Math.min(red, green, blue) > 40) coloured += 1;
    }
  }
  return coloured;
}"""


def coloured_dots(me: Operations) -> int:
    """How much of what the page tells of the server has a colour."""
    parts = (me.page.locator(".vitals"), me.page.locator(".admin-columns"))
    over = {"mask": [me.page.get_by_test_id("lost")], "mask_color": "black"}
    pictures = [base64.b64encode(part.screenshot(**over)).decode() for part in parts]
    return int(me.page.evaluate(COLOURED_DOTS, pictures))


def test_a_server_that_is_gone_leaves_nothing_green_and_its_restart_is_told(
    tmp_path: Path, stub: Stub, operate: Callable[..., Operations]
) -> None:
    """One that hangs, and one that was killed: unknown, grey, and after it when and why it began.

    The page's clock was set back meanwhile, which changes nothing.
    """
    settings = {"STOCK_API_URL": stub.url, "DATABASE_URL": NO_DATABASE}
    server = Server(tmp_path, FAST | settings)
    with running(server):
        me = operate(server.url, may_say=WEB_DIES)
        me.open()
        lost, restarted = me.page.get_by_test_id("lost"), me.page.get_by_test_id("restarted")
        feed = me.page.get_by_test_id("vital-feed")
        expect(feed).to_have_attribute("data-state", "live")
        assert coloured_dots(me) > 0
        expect(restarted).to_be_hidden()
        with server.held():
            expect(lost).to_contain_text("how it stood at")
            expect(feed).to_have_attribute("data-state", "unknown")
            expect(feed).to_contain_text("was: Live")
        expect(lost).to_be_hidden()
        expect(feed).to_have_attribute("data-state", "live")
        me.page.evaluate("(now => { Date.now = () => now - 3 * 3_600_000; })(Date.now())")
        server.stop(signal.SIGKILL)
        expect(lost).to_be_visible()
        expect(me.page.locator("#live")).to_contain_text("The server does not answer.")
        for vital in ("system", "feed", "breaker", "clients", "process"):
            state = me.page.get_by_test_id(f"vital-{vital}")
            expect(state).to_have_attribute("data-state", "unknown")
        assert coloured_dots(me) == 0
        verdict = me.page.get_by_test_id("verdict")
        expect(verdict).to_have_attribute("data-tone", "bad")
        expect(verdict).to_contain_text("The server does not answer")
        server.start()
        expect(restarted).to_contain_text("The server was started at")
        expect(restarted).to_contain_text("did not stop in order: it was killed")
        expect(lost).to_be_hidden()
        expect(feed).to_have_attribute("data-state", "live")
        assert coloured_dots(me) > 0
        server.stop()
        server.start()
        expect(restarted).to_contain_text("was stopped in order at")


def _tells(stub: Stub, *items: dict[str, object]) -> None:
    """Have it answer exactly this from now on."""
    mapping = {
        "request": {"method": "GET", "urlPath": "/api/stock-prices"},
        "response": {"status": 200, "jsonBody": items},
        "priority": 1,
    }
    httpx.post(f"{stub.url}/__admin/mappings", json=mapping, timeout=10).raise_for_status()


def _item(symbol: str, price: float) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    return {"symbol": symbol, "price": price, "timestamp": now}


def test_symbols_that_are_not_confirmed_are_named_with_the_reason_and_one_can_be_looked_up(
    tmp_path: Path, operate: Callable[..., Operations]
) -> None:
    """One gone, one at 0: named by reason; the bad items counted; the last refusal is quoted."""
    (folder := tmp_path / "stub").mkdir()
    stub = Stub(folder)
    settings = {"STOCK_API_URL": stub.url, "DATABASE_URL": NO_DATABASE}
    server = Server(tmp_path, FAST | settings)
    with running(stub):
        _tells(stub, _item("GONE", 1), _item("ZERO", 2), _item("FINE", 3))
        with running(server):
            me = operate(server.url, may_say=rf"status of 404 |{WEB_DIES}")
            me.open()
            symbols = me.page.get_by_test_id("symbols")
            sign = me.page.get_by_test_id("symbols-state")
            expect(sign).to_have_text("3 symbols, none stale")
            expect(symbols).to_contain_text("No trouble since")
            _tells(stub, _item("ZERO", 0), _item("FINE", 3.5))
            expect(sign).to_have_text("2 of 3 stale")
            stale = me.page.get_by_test_id("stale-symbols").get_by_role("listitem")
            expect(stale.filter(has_text="GONE")).to_contain_text("1 symbol: not listed any more")
            expect(stale.filter(has_text="ZERO")).to_contain_text("1 symbol: price was 0 or less")
            expect(me.page.get_by_test_id("bad-items")).to_contain_text("not positive")
            reasons = me.page.get_by_test_id("reasons")
            reasons.get_by_role("link", name="items of api are refused, not positive").click()
            kinds, rows = (me.page.get_by_test_id(f"item-{of}") for of in ("kinds", "symbols"))
            expect(kinds).to_contain_text("price of ZERO is 0")
            expect(rows.get_by_role("row", name="ZERO")).to_contain_text("stale")
            me.page.get_by_label("Search symbols").fill("gone")
            expect(rows.locator("tbody tr")).to_have_count(1)
            expect(me.row(STREAMER)).to_be_hidden()
            me.page.get_by_role("link", name="Now", exact=True).click()
            expect(me.row(STREAMER)).to_be_visible()
            lookup, found = me.page.get_by_test_id("lookup"), me.page.get_by_test_id("looked-up")
            lookup.fill("zero")
            lookup.press("Enter")
            expect(found).to_contain_text("stale: the provider told a price of 0 or less")
            expect(found).to_contain_text("Last refused")
            lookup.fill("FINE")
            lookup.press("Enter")
            expect(found).to_contain_text("State")
            expect(found.get_by_role("definition").filter(has_text="live")).to_be_visible()
            lookup.fill("NOSUCH")
            lookup.press("Enter")
            expect(symbols).to_contain_text("Not found out: no upstream has told NOSUCH")
            expect(found).to_be_hidden()


def test_an_outage_shows_while_it_lasts_and_the_breaker_can_be_held(
    operated: Server, stub: Stub, operate: Callable[..., Operations]
) -> None:
    """With the feed down the page goes on: breaker open, why, and a hand on it that lets go."""
    me = operate(operated.url)
    me.open()
    state = me.page.get_by_test_id("breaker-state")
    try:
        stub.switch(down=True)
        expect(me.page.get_by_test_id("vital-breaker")).to_have_attribute("data-state", "open")
        expect(me.page.get_by_test_id("transitions")).to_contain_text("Closed → open")
        expect(
            me.page.get_by_test_id("breaker-strip").locator('[data-state="open"]').first
        ).to_be_attached()
        expect(me.page.get_by_test_id("vital-system")).to_have_attribute("data-state", "live")
    finally:
        stub.switch(down=False)
    expect(state).to_contain_text("Closed")
    me.page.get_by_test_id("force").get_by_role("button", name="Open").click()
    expect(me.dialog).to_contain_text("Nothing is fetched from api for 30 s")
    me.confirm.click()
    expect(state).to_contain_text("Open")
    expect(me.page.get_by_test_id("breaker-counts")).to_contain_text("forced (forced open) for")
    expect(me.page.get_by_test_id("faults")).to_contain_text("breaker-force")
    me.page.get_by_test_id("force").get_by_role("button", name="Auto").click()
    me.confirm.click()
    expect(state).to_contain_text("Closed")


def test_safe_actions_and_connections_take_no_chaos(
    keeping: Server, operate: Callable[..., Operations]
) -> None:
    """A fetch, a restart that costs nothing, one client closed by hand, a drain of all."""
    me = operate(keeping.url)
    me.open()
    expect(me.row(STREAMER).get_by_role("button", name="Kill")).to_be_hidden()
    me.page.get_by_role("button", name="Fetch now from api").click()
    expect(me.dialog).to_contain_text("within what it allows")
    me.confirm.click()
    expect(me.toast).to_contain_text("api: prices were fetched.")
    before = me.generation(STREAMER)
    me.ask("Restart", STREAMER)
    expect(me.dialog).to_contain_text("this one does not count")
    me.confirm.click()
    expect(me.toast).to_contain_text(f"{STREAMER}: generation {before} → {before + 1}.")
    expect(me.page.get_by_test_id("events")).to_contain_text("restart, by session")
    visitor = me.page.context.new_page()
    visitor.goto(keeping.url)
    me.page.bring_to_front()  # a tab behind another one paints nothing
    me.page.get_by_role("link", name="Connections").click()
    rows = me.page.get_by_test_id("connection-rows").locator("tr")
    mine = rows.filter(has_text="Chrom").first
    expect(mine).to_contain_text("127.0.0.1")
    mine.get_by_role("button", name="Details of").click()
    connection = me.page.get_by_test_id("connection")
    expect(connection).to_contain_text("Session")
    connection.get_by_label("Why it is closed").fill("to see it come back")
    connection.get_by_role("button", name="Close the connection").click()
    expect(me.toast).to_contain_text("It may come back.")
    expect(rows.filter(has_text="Chrom").first).to_be_visible()
    mine.get_by_role("button", name="Details of").click()
    connection.get_by_role("button", name="Its lines in the log").click()
    expect(me.page.get_by_label("Correlation id")).not_to_have_value("")
    me.page.get_by_role("link", name="Settings", exact=True).click()
    expect(me.page.get_by_test_id("settings-rows")).to_contain_text("FETCH_INTERVAL")
    expect(me.page.get_by_test_id("audit")).to_contain_text("connection.close")
    me.page.get_by_role("link", name="Feeds", exact=True).click()
    feeds = me.page.get_by_test_id("upstreams")
    expect(feeds.get_by_role("region", name="Feed api")).to_contain_text("p50 / p95")
    feeds.get_by_text("Begin of what came last").click()
    expect(feeds.locator("pre")).to_contain_text("AAPL")
    me.page.get_by_role("link", name="Connections", exact=True).click()
    me.page.get_by_label("Drain").select_option("100")
    me.page.get_by_role("button", name="Drain …").click()
    expect(me.dialog).to_contain_text("told to leave, spread over 30\u00a0s")
    me.confirm.click()
    expect(me.page.get_by_test_id("drain-state")).to_contain_text("No new ones should come.")
    me.page.get_by_role("button", name="End the drain").click()
    expect(me.page.get_by_test_id("drain-state")).to_be_hidden()


def test_faults_are_listed_with_their_time_left_and_halted_by_one_button(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """A slowed actor is marked; Halt all ends it, and the button goes with it."""
    me = operate(operated.url)
    me.open()
    halt = me.page.get_by_test_id("halt-all")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    httpx.post(f"{operated.url}/admin/api/chaos/halt", headers=headers).raise_for_status()
    expect(halt).to_be_hidden()
    inject(operated, "slow", "pubsub", seconds=60, delay=0.01)
    faults = me.page.get_by_test_id("faults")
    expect(faults).to_contain_text(re.compile(r"slow\s*pubsub\s*ends in \d+\ss"))
    expect(me.row("pubsub")).to_have_attribute("data-fault", "")
    halt.click()
    expect(me.toast).to_contain_text("1 fault ended.")
    expect(faults.locator("li")).to_have_count(0)
    expect(halt).to_be_hidden()
    expect(me.row("pubsub")).not_to_have_attribute("data-fault", "")


@pytest.mark.proves("C5")
def test_an_experiment_is_named_with_its_id_while_it_has_the_node(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """Id, title and time left stand on the page, and go with the experiment."""
    me = operate(operated.url)
    me.open()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    begun = httpx.post(
        f"{operated.url}/admin/api/chaos/experiments",
        headers=headers,
        json={"title": "prices under fire", "seconds": 60},
    )
    begun.raise_for_status()
    expect(me.page.locator("#experiment")).to_contain_text(
        f"Experiment {begun.json()['id']}, “prices under fire”, has this node for another"
    )
    me.page.get_by_test_id("halt-all").click()
    expect(me.page.locator("#experiment")).to_be_hidden()


def test_the_tree_can_be_searched_sifted_and_walked_with_the_keyboard_alone(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """`/` searches, U leaves the unhealthy, arrows move and fold, Enter tells all."""
    me = operate(operated.url)
    me.open()
    keys = me.page.keyboard
    keys.press("/")
    expect(me.page.get_by_test_id("search")).to_be_focused()
    keys.type("streamer")
    expect(me.rows).to_have_count(3)
    assert me.shown() == ["root", "market", STREAMER]
    keys.press("Control+a")
    keys.press("Delete")
    for _ in range(3):
        keys.press("Tab")
        if me.page.evaluate("document.activeElement.getAttribute('role')") == "row":
            break
    expect(me.row("root")).to_be_focused()
    keys.press("End")
    last = me.shown()[-1]
    expect(me.row(last)).to_be_focused()
    keys.press("Home")
    keys.press("ArrowDown")
    expect(me.row("telemetry")).to_be_focused()
    while me.page.evaluate("document.activeElement.dataset.path") != "market":
        keys.press("ArrowDown")
    keys.press("ArrowLeft")
    expect(me.row("market")).to_have_attribute("aria-expanded", "false")
    expect(me.row(STREAMER)).to_have_count(0)
    keys.press("ArrowRight")
    expect(me.row(STREAMER)).to_be_visible()
    keys.press("ArrowRight")
    while me.page.evaluate("document.activeElement.dataset.path") != BREAKER:
        keys.press("ArrowDown")
    keys.press("Enter")
    expect(me.page.get_by_test_id("details")).to_contain_text("CircuitBreakerActor, a worker")
    keys.press("Escape")
    expect(me.row(BREAKER)).to_be_focused()
    inject(operated, "kill", BREAKER)
    keys.press("u")
    expect(me.page.get_by_test_id("unhealthy-only")).to_be_checked()
    expect(me.row(BREAKER)).to_be_visible()
    expect(me.row("chaos")).to_have_count(0)
    assert {"root", "market", BREAKER} <= set(me.shown())


def test_without_fault_injection_nothing_can_be_broken(
    server: Server, operate: Callable[..., Operations]
) -> None:
    """A banner says how to change that; there is nothing to kill, and the rest works."""
    me = operate(server.url)
    me.open()
    expect(me.page.get_by_test_id("read-only")).to_contain_text("CHAOS_ENABLED=true")
    expect(me.page.locator("[data-action=kill]:visible")).to_have_count(0)
    expect(me.page.get_by_test_id("force")).to_be_hidden()
    expect(me.page.get_by_test_id("vital-process")).to_contain_text("MB")


def test_tables_scroll_in_their_boxes_on_a_phone_by_keys_and_keep_whose_row_it_is(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """No view is wider than the screen; a table that is has a box to scroll, with a name."""
    no_database_yet = r"the server responded with a status of 503 "
    me = operate(operated.url, may_say=no_database_yet, viewport=NARROW)
    me.open()
    for view in VIEWS:
        me.page.get_by_role("link", name=view, exact=True).click()
        expect(me.page.locator(".view:visible")).to_have_count(1)
        assert me.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    box = me.page.locator(".scroll", has=me.page.get_by_test_id("settings-rows"))
    expect(box).to_have_attribute("role", "group")
    first = box.locator("tbody th").first
    expect(first).to_be_visible()
    before = first.bounding_box()
    box.focus()
    me.page.keyboard.press("ArrowRight")
    me.page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())
    after = first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] == before["x"]


def test_an_event_leads_to_its_lines_in_the_log(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """By the id of the request; a line's own id leads there, too, and the address may be sent."""
    me = operate(operated.url)
    me.open()
    answer = httpx.post(
        f"{operated.url}/admin/api/actions/restart",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={"path": "pubsub", "reason": "to see its lines"},
        timeout=WAIT_SECONDS,
    )
    correlation = answer.headers["X-Request-Id"]
    event = me.page.get_by_test_id("events").locator("li").filter(has_text="to see its lines")
    event.get_by_role("link", name="Lines in the log: pubsub").click()
    expect(me.page).to_have_url(f"{operated.url}/admin#log?correlation={correlation}")
    field = me.page.get_by_label("Correlation id")
    expect(field).to_have_value(correlation)
    lines = me.page.get_by_test_id("log-lines").locator("li")
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("action.restart")
    field.fill("")
    expect(me.page).to_have_url(f"{operated.url}/admin#log")
    lines.filter(has_text=correlation).get_by_role("link", name=correlation).first.click()
    expect(field).to_have_value(correlation)
    expect(lines).to_have_count(1)


def test_a_hidden_tab_asks_for_nothing(
    operated: Server, operate: Callable[..., Operations]
) -> None:
    """In the background the page polls no more; in sight again it goes on."""
    me = operate(operated.url)
    me.page.clock.install()
    me.open()
    asked: list[str] = []
    me.page.on("request", lambda request: asked.append(request.url))
    me.page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    me.page.clock.run_for(1_200)  # one poll may have been on its way
    asked.clear()
    me.page.clock.run_for(10_000)
    assert asked == []
    with me.page.expect_request("**/admin/api/tree*"):
        me.page.evaluate("delete document.hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_either_theme(
    operated: Server, operate: Callable[..., Operations], scheme: str
) -> None:
    """At 360 px nothing sticks out, every name is whole, and a kill can be asked for."""
    me = operate(operated.url, viewport=NARROW, color_scheme=scheme)
    me.open()
    inject(operated, "kill", "delivery/subscription_manager")
    expect(me.row("delivery/subscription_manager")).to_have_attribute("data-mark", re.compile("."))
    assert me.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = me.page.locator("#tree-rows .t-id").evaluate_all(
        """names => names.filter(name => name.getBoundingClientRect().right
                                  > name.closest('td').getBoundingClientRect().right)
                        .map(name => name.textContent)"""
    )
    assert cut == []
    me.ask("Kill", STREAMER)
    box = me.dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW["width"]
