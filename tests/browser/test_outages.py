"""What the page says and does when the price API or the server goes away, and comes back."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FAST
from tests.browser.dashboard import A_PRICE
from tests.browser.waiting import until
from tests.support.programs import Server, Stub, running
from tests.support.server import NO_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import WebSocketRoute

    from tests.browser.conftest import Serving, Visit

GRACE_MS = 800
# When a socket ended, by the page's own clock. What the page paints of it comes with a later frame.
WATCH_THE_SOCKETS = """
  window.seen = {};
  window.WebSocket = class extends WebSocket {
    constructor(...options) {
      super(...options);
      this.addEventListener("close", () => window.seen.lost ??= performance.now());
    }
  };
"""
# When the banner was shown, by the same clock; and what was announced, of which the last alone
# stays in the page.
WATCH_THE_BANNER = """() => {
  const banner = document.querySelector("#banner");
  const live = document.querySelector("#live");
  window.announced = "";
  new MutationObserver(() => {
    window.announced += `${live.textContent}\n`;
  }).observe(live, {childList: true, characterData: true, subtree: true});
  new MutationObserver(() => {
    if (!banner.hidden) window.seen.banner ??= performance.now();
  }).observe(document.body, {subtree: true, attributes: true});
}"""

# Each may be shown too short a time to be found by looking now and then.
NOTE_COUNTDOWNS = """() => {
  const detail = document.querySelector("#status-breaker [data-part=detail]");
  window.countdowns = [];
  new MutationObserver(() => {
    const shown = /^next probe in (\\d+)\\s*s$/.exec(detail.textContent);
    if (shown) window.countdowns.push(shown[1]);
  }).observe(detail, {childList: true, characterData: true, subtree: true});
}"""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Stub]:
    """A price API that a test may switch off."""
    (folder := tmp_path / "stub").mkdir()
    with running(upstream := Stub(folder)):
        yield upstream


@pytest.fixture
def dependent(tmp_path: Path, upstream: Stub, serving: Serving) -> Server:
    """A server that has its prices from `upstream`."""
    settings = {"STOCK_API_URL": upstream.url, "DATABASE_URL": NO_DATABASE}
    return serving(Server(tmp_path, FAST | settings))


@pytest.fixture
def own_server(tmp_path: Path, stub: Stub, serving: Serving) -> Server:
    """A server that a test may stop."""
    settings = {"STOCK_API_URL": stub.url, "DATABASE_URL": NO_DATABASE}
    return serving(Server(tmp_path, FAST | settings))


@pytest.mark.alone
def test_an_upstream_that_is_down_shows_stale_prices_and_the_breaker_then_all_is_live_again(
    upstream: Stub, dependent: Server, visit: Visit
) -> None:
    """Prices stay on screen, marked stale; the breaker counts down to its probe; then all mends."""
    me = visit(dependent.url)
    me.subscribe("AAPL MSFT")
    me.expect_changes("AAPL", 1)
    me.expect_live()
    me.page.evaluate(NOTE_COUNTDOWNS)

    upstream.switch(down=True)
    expect(me.status("breaker")).to_have_attribute("data-state", "open")
    me.page.wait_for_function(
        "() => ['3', '2'].every((seconds) => window.countdowns.includes(seconds))"
    )
    expect(me.row("AAPL")).to_have_attribute("data-state", "stale")
    expect(me.row("MSFT")).to_have_attribute("data-state", "stale")
    expect(me.page.get_by_test_id("age-AAPL")).to_contain_text("Stale")
    expect(me.status("feed")).to_have_attribute("data-state", re.compile("^(stale|down)$"))
    expect(me.status("socket")).to_have_attribute("data-state", "open")
    expect(me.price("AAPL")).to_have_text(A_PRICE)
    expect(me.banner).to_be_hidden()

    upstream.switch(down=False)
    me.expect_live()
    expect(me.row("AAPL")).to_have_attribute("data-state", "live")
    me.expect_changes("AAPL", 2)


def test_an_upstream_whose_process_is_killed_is_the_same_outage(
    upstream: Stub, dependent: Server, visit: Visit
) -> None:
    """No price API at all: stale, not gone; a new one on its port is found by itself."""
    me = visit(dependent.url)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    upstream.stop(signal.SIGKILL)
    expect(me.status("breaker")).to_have_attribute("data-state", "open")
    expect(me.row("AAPL")).to_have_attribute("data-state", "stale")
    me.expect_price("AAPL")
    upstream.start()
    me.expect_live()
    me.expect_changes("AAPL", 2)


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_server_that_restarts_shows_a_banner_and_the_page_comes_back_by_itself(
    number: signal.Signals, own_server: Server, visit: Visit
) -> None:
    """The banner comes 800 ms after the loss, prices stay, and flow again without a reload."""
    me = visit(own_server.url, server_goes_away=True)
    me.page.add_init_script(WATCH_THE_SOCKETS)
    me.page.reload()
    me.subscribe("AAPL")
    me.expect_changes("AAPL", 1)
    me.page.evaluate("window.kept = 'no reload'")
    me.page.evaluate(WATCH_THE_BANNER)

    own_server.stop(number)
    expect(me.banner).to_be_visible()
    expect(me.banner).to_contain_text("Connection lost.")
    expect(me.banner).to_contain_text(re.compile(r"Retrying in \d+\s*s|Reconnecting"))
    me.page.wait_for_function("() => window.announced.includes('Connection lost, retrying.')")
    seen = me.page.evaluate("window.seen")
    assert GRACE_MS - 1 < seen["banner"] - seen["lost"] < GRACE_MS + 1_000
    expect(me.status("feed")).to_have_attribute("data-state", "unknown")
    expect(me.status("breaker")).to_have_attribute("data-state", "unknown")
    expect(me.row("AAPL")).to_have_attribute("data-state", "stale")
    me.expect_price("AAPL")

    own_server.start()
    me.expect_live()
    expect(me.banner).to_be_hidden()
    me.expect_changes("AAPL", 2)
    expect(me.row("AAPL")).to_have_attribute("data-state", "live")
    assert me.page.evaluate("window.kept") == "no reload"


def test_retry_now_does_not_wait_for_the_countdown(own_server: Server, visit: Visit) -> None:
    """With the page's time standing still no retry comes by itself; the button makes one."""
    me = visit(own_server.url, server_goes_away=True)
    me.page.clock.install()
    me.page.reload()
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    own_server.stop(signal.SIGKILL)
    retry = me.page.get_by_test_id("retry-now")
    expect(retry).to_be_visible()
    expect(me.banner).to_contain_text("Retrying in")
    me.page.clock.pause_at(me.page.evaluate("Date.now()") / 1000 + 0.1)
    own_server.start()
    with me.page.expect_websocket():
        retry.click()
    me.page.clock.resume()
    expect(me.status("socket")).to_have_attribute("data-state", "open")
    expect(me.banner).to_be_hidden()
    me.expect_changes("AAPL", 2)


def test_a_loss_that_is_over_before_800_ms_is_not_worth_a_banner(
    server: Server, visit: Visit
) -> None:
    """A cut connection that is back with the first retry of 500 ms goes by without a word."""
    me = visit(server.url)
    # The least delay that chance could draw: 500 ms.
    me.page.add_init_script("Math.random = () => 0")
    sockets = []
    came = []

    def pass_on(route: WebSocketRoute) -> None:
        number = len(sockets)
        sockets.append(route)

        def hand_over(text: str | bytes) -> None:
            route.send(text)
            came.append(number)

        route.connect_to_server().on_message(hand_over)

    me.page.route_web_socket("**/ws*", pass_on)
    me.page.add_init_script(WATCH_THE_SOCKETS)
    me.page.clock.install()
    me.page.reload()
    me.subscribe("AAPL")
    me.expect_changes("AAPL", 1)
    me.page.evaluate(WATCH_THE_BANNER)
    # A machine that is busy takes its time to connect, and none of it passes for the page.
    me.page.clock.pause_at(me.page.evaluate("Date.now()") / 1000 + 0.1)
    sockets[0].close(code=1001)
    until(me.page, lambda: me.page.evaluate("window.seen.lost") is not None)
    me.page.clock.run_for(600)
    until(me.page, lambda: 1 in came)
    me.page.clock.run_for(100)
    expect(me.status("socket")).to_have_attribute("data-state", "open")
    me.page.clock.run_for(2 * GRACE_MS)
    seen = me.page.evaluate("window.seen")
    assert "banner" not in seen, seen
    me.page.clock.resume()
    me.expect_changes("AAPL", 3)
    assert len(sockets) == 2
