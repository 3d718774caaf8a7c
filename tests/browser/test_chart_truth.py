"""What the chart's figures stand on: the server's clock, a complete history, and one price."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.chart import Answers, ChartPage
from tests.browser.conftest import FAST
from tests.browser.dashboard import Dashboard
from tests.browser.provider import Provider
from tests.browser.waiting import WAIT_SECONDS, until
from tests.support.programs import Server, running
from tests.support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext

    from tests.browser.conftest import Visit

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
SKEWS = {
    "2 min ahead": 2 * MINUTE,
    "10 min ahead": 10 * MINUTE,
    "20 min ahead": 20 * MINUTE,
    "10 min behind": -10 * MINUTE,
    "3 h ahead": 3 * HOUR,
}
RECORDED_MINUTES = 30
# Only the browser's wall clock is another one: timers, and the server, are as they are.
SKEWED = """
{
  const Real = Date;
  globalThis.skew = %d;
  globalThis.Date = class extends Real {
    constructor(...given) {
      if (given.length === 0) super(Real.now() + globalThis.skew);
      else super(...given);
    }
    static now() { return Real.now() + globalThis.skew; }
  };
}
"""
FIGURES = """() => {
  const rows = [...document.querySelectorAll("#figures tbody tr")];
  // The newest one moves.
  const closed = rows.slice(1).map((row) => row.innerText);
  return { begins: rows.map((row) => row.cells[0].innerText), closed,
           said: document.querySelector("#chart-summary").innerText };
}"""
# After each change of either text, before anything else is painted.
DIFFERENCES = """async (changes) => {
  const price = document.querySelector("[data-testid=chart-price]");
  const summary = document.querySelector("#chart-summary");
  const seen = new Set(), differences = [];
  const end = performance.now() + 15_000;
  while (seen.size < changes && performance.now() < end) {
    await new Promise(requestAnimationFrame);
    // Behind what this frame runs, and so behind what it paints.
    await new Promise((done) => queueMicrotask(done));
    const to = / to ([\\d.,]+),/.exec(summary.innerText)?.[1];
    seen.add(price.innerText);
    if (to !== price.innerText) differences.push([price.innerText, summary.innerText]);
  }
  return [seen.size, differences];
}"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """It tells NEWCO and OLDCO, and what a test adds."""
    provider = Provider(tmp_path_factory.mktemp("provider"), {"NEWCO": 20.5, "OLDCO": 150.0})
    with running(provider):
        yield provider


@pytest.fixture(scope="module")
def recorded(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has recorded OLDCO for half an hour."""
    folder = tmp_path_factory.mktemp("recorded")
    server = Server(folder, FAST | {"STOCK_API_URL": provider.url})
    with running(server):
        _until_recording(server)
        _record(folder)
        yield server


def _until_recording(server: Server) -> None:
    give_up = time.monotonic() + 4 * WAIT_SECONDS
    while True:
        answer = httpx.get(f"{server.url}/api/v1/history/OLDCO", timeout=10)
        if answer.status_code == 200 and answer.json()["recording"]["state"] == "current":
            return
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.05)


def _record(folder: Path) -> None:
    """A price each 5 s up to a minute ago, as another server would have recorded them."""
    now = time.time_ns() // 1_000_000 - 1 * MINUTE
    times = range(now - RECORDED_MINUTES * MINUTE, now, 5 * SECOND)
    lines = [
        json.dumps(
            {
                "symbol": "OLDCO",
                "exchange": None,
                "price": round(150 + 3 * math.sin(n / 30) + math.sin(n * 1.7), 2),
                "ts": _iso(at),
                "received": _iso(at),
                "epoch": 1000,
                "seq": n,
            }
        )
        for n, at in enumerate(times, 1)
    ]
    file = folder / "ticks.ndjson"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "stockstream", "db", "import", str(file)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _iso(ms: int) -> str:
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _chart(context: BrowserContext, url: str) -> ChartPage:
    page = context.new_page()
    page.goto(url)
    me = ChartPage(page)
    me.expect_drawn()
    me.figures.locator("summary").click()
    expect(me.rows.first).to_be_visible()
    return me


@pytest.mark.proves("W23")
def test_the_clock_of_the_browser_is_in_no_figure(recorded: Server, browser: Browser) -> None:
    """Minutes or hours ahead or behind: the same candles, and the same sums."""
    contexts: dict[str, BrowserContext] = {}
    try:
        pages: dict[str, ChartPage] = {}
        for name, skew in {"right": 0, **SKEWS}.items():
            contexts[name] = context = browser.new_context()
            context.add_init_script(SKEWED % skew)
            pages[name] = _chart(context, f"{recorded.url}/s/OLDCO?range=15m")

        def seen() -> dict[str, dict[str, Any]]:
            return {name: me.page.evaluate(FIGURES) for name, me in pages.items()}

        def same(found: dict[str, dict[str, Any]]) -> bool:
            return all(figures == found["right"] for figures in found.values())

        def agreed(holds: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
            found: list[dict[str, dict[str, Any]]] = []

            def look() -> bool:
                found.append(seen())
                return holds(found[-1])

            # While one is asked after the other a minute may begin.
            until(pages["right"].page, look, lambda: found[-1])
            return found[-1]

        right = agreed(lambda found: same(found) and len(found["right"]["begins"]) >= 15)["right"]
        assert len(right["begins"]) in {15, 16}
        assert right["said"].startswith("Last 15 minutes: from ")
        # Set while the page is open, too.
        for skew in (3 * HOUR, -3 * HOUR):
            pages["right"].page.evaluate(f"globalThis.skew = {skew}")
            pages["right"].page.wait_for_timeout(1_500)
            agreed(lambda f: f["right"]["closed"][:10] == f["2 min ahead"]["closed"][:10])
    finally:
        for context in contexts.values():
            context.close()


def test_a_refusal_is_asked_again(recorded: Server, browser: Browser) -> None:
    """It is said, with when it is asked again; live prices are drawn meanwhile."""
    context = browser.new_context()
    try:
        answers = Answers(refused="from: that is not before to.")
        page = context.new_page()
        answers.install(page)
        page.goto(f"{recorded.url}/s/OLDCO")
        me = ChartPage(page)
        expect(me.state).to_contain_text(
            "There is no history: from: that is not before to. Live prices are drawn. Next try in"
        )
        answers.refused = None
        me.state.get_by_role("button", name="Try now").click()
        me.expect_drawn()
        expect(me.live).to_contain_text("History is back.")
    finally:
        context.close()


@pytest.mark.proves("H22")
def test_a_history_that_is_behind_is_named_until_it_has_caught_up(
    recorded: Server, browser: Browser
) -> None:
    """By how much, and with what is missing of the sums; the picture has the hole, the whole range
    is asked for again, and then all of it is gone.
    """
    context = browser.new_context()
    try:
        hour = tuple(150.0 + n % 3 for n in range(41))
        answers = Answers(closes=hour, behind=("behind", 20.5 * 60), gap=20)
        page = context.new_page()
        answers.install(page)
        page.goto(f"{recorded.url}/s/OLDCO?range=1h")
        me = ChartPage(page)
        me.expect_drawn()
        expect(me.notes).to_have_text(
            "History is 20\u00a0min behind. What is missing comes once it has caught up."
        )
        expect(me.live).to_contain_text("History is 20\u00a0min behind.")
        # A minute may have begun since history was asked, and have its live price.
        expect(me.summary).to_contain_text(
            re.compile(r"(19|20)\u00a0min missing: \d\d:\d\d to \d\d:\d\d UTC")
        )
        answers.behind = ("down", 31 * 60.0)
        expect(me.notes).to_contain_text("Recording is down. History is 31\u00a0min behind.")
        answers.behind, answers.gap = None, 0
        expect(me.notes).to_be_hidden()
        expect(me.live).to_contain_text("History is complete again.")
        expect(me.summary).not_to_contain_text("missing")
        assert {asked.get("last") for asked in answers.asked} == {"1h"}
    finally:
        context.close()


def test_what_was_not_traded_is_said_with_the_sums(recorded: Server, visit: Visit) -> None:
    """A symbol that was told for the first time a moment ago has no hour of prices."""
    me = ChartPage(visit(f"{recorded.url}/s/NEWCO?range=1h&with=sma,rsi").page)
    me.expect_drawn()
    expect(me.summary).to_contain_text(
        # In the minute in which the symbol came it is an hour, then less.
        re.compile(
            r"^Last hour: from 20\.50 to 20\.50, .* No prices for (\d+\u00a0min|1\u00a0h) of it: "
        )
    )
    expect(me.notes).to_have_text(
        "SMA 20 needs 20 candles: there are not so many yet. "
        "RSI 14 needs 15 candles: there are not so many yet."
    )
    expect(me.readout).to_contain_text("SMA 20\u00a0needs 20 candles")
    expect(me.notes).to_be_visible()


def test_the_sums_end_at_the_price_above_the_chart(keeping: Server, visit: Visit) -> None:
    """At each paint, while the price moves five times a second."""
    me = ChartPage(visit(f"{keeping.url}/s/AAPL?range=15m").page)
    me.expect_drawn()
    expect(me.summary).to_contain_text("Last 15 minutes: from")
    changes, differences = me.page.evaluate(DIFFERENCES, 8)
    assert changes >= 8
    assert differences == []


def _ahead(me: ChartPage) -> list[str]:
    """The candles that begin after now, by their times of day; those of yesterday do not."""
    begins = me.rows.locator("th").all_inner_texts()
    assert begins
    clock = datetime.now(UTC)  # behind the page's: a minute may begin between them
    now = 60 * clock.hour + clock.minute
    return [text for text in begins if 0 < (_minute(text) - now) % 1440 < 720]


def _minute(text: str) -> int:
    """Of the day, from a text that ends with the time: days stand before it around midnight."""
    found = re.search(r"(\d\d):(\d\d)(?: UTC)?$", text)
    assert found is not None, text
    return 60 * int(found[1]) + int(found[2])


@pytest.mark.proves("W23")
def test_no_candle_is_in_the_future(provider: Provider, recorded: Server, browser: Browser) -> None:
    """While the provider's clock is ahead by 280 s a price is drawn where it was received, live and
    from history.
    """
    context = browser.new_context()
    try:
        provider.tell({"AHEAD": 99.5}, ahead=280)
        me = _chart(context, f"{recorded.url}/s/AHEAD?range=15m")
        for price in (100.25, 101.0):
            provider.tell({"AHEAD": price}, ahead=280)
            expect(me.price).to_have_text(f"{price:.2f}")
        assert _ahead(me) == []
        me.page.reload()
        me.expect_drawn()
        me.figures.locator("summary").click()
        expect(me.rows.first.locator("td").nth(4)).to_have_text(re.compile(r"^\d+$"))
        assert _ahead(me) == []
    finally:
        provider.tell({"AHEAD": 99.5})
        context.close()


def test_keys_work_on_the_chart_and_lead_back_to_its_row(keeping: Server, visit: Visit) -> None:
    """`?` tells them, Escape leaves the candles and then the chart, `/` finds a symbol; whoever
    comes back is on the row that was left, by whatever way.
    """
    me = visit(keeping.url)
    me.subscribe("AAPL, MSFT, TSLA")
    me.expect_price("TSLA")
    row = me.row("MSFT")
    row.focus()
    me.page.keyboard.press("Enter")
    chart = ChartPage(me.page)
    chart.expect_drawn()
    me.page.keyboard.press("?")
    expect(me.page.get_by_role("dialog", name="Keys and signs")).to_be_visible()
    me.page.keyboard.press("Escape")
    expect(me.page.get_by_role("dialog")).to_be_hidden()
    chart.chart.focus()
    me.page.keyboard.press("Home")
    me.page.keyboard.press("Escape")
    assert chart.said == "No candle chosen"
    expect(me.page).to_have_url(f"{keeping.url}/s/MSFT")
    me.page.keyboard.press("Escape")
    expect(me.page).to_have_url(f"{keeping.url}/")
    expect(row).to_be_focused()
    me.page.keyboard.press("Enter")
    chart.expect_drawn()
    me.page.go_back()
    expect(row).to_be_focused()
    # Once: a page that is loaded again begins at its top.
    me.page.reload()
    me.expect_price("MSFT")
    expect(row).not_to_be_focused()
    row.get_by_role("link", name="MSFT").click()
    chart.expect_drawn()
    me.page.keyboard.press("/")
    expect(me.page).to_have_url(f"{keeping.url}/#symbol")
    expect(Dashboard(me.page).field).to_be_focused()
    expect(me.field).to_have_value("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_with_forced_colours_the_picture_is_drawn_in_them(
    scheme: str, server: Server, browser: Browser
) -> None:
    """A canvas is not forced by the browser: candles and lines have the system's own colours."""
    context = browser.new_context(forced_colors="active", color_scheme=scheme)
    try:
        page = context.new_page()
        Answers().install(page)
        page.goto(f"{server.url}/s/AAPL?with=sma")
        me = ChartPage(page)
        me.expect_drawn()
        for name in ("Canvas", "CanvasText", "LinkText"):
            me.expect_colour(me.system_colour(name))
        assert me.system_colour("Canvas") != me.system_colour("CanvasText")
        # Chosen while the page is open, as the system lets one do.
        page.emulate_media(forced_colors="none", color_scheme="light")
        me.expect_colour((10, 113, 72))
    finally:
        context.close()
