"""The main ways through the product in an ordinary Firefox; all other tests have a Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import firefox
from tests.browser.chart import ChartPage
from tests.browser.conftest import skip_for_lack_of
from tests.browser.dashboard import A_MOVE, Dashboard
from tests.browser.test_admin import Operations
from tests.browser.test_alerts import add_alert
from tests.browser.waiting import WAIT_SECONDS, until
from tests.browser.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Playwright

    from tests.support.programs import Server

Opened = Callable[..., Dashboard]


@pytest.fixture(scope="module")
def firefox_path() -> str:
    path = firefox.find()
    if path is None:
        skip_for_lack_of("no Firefox on PATH, and FIREFOX names none")
    return path


@pytest.fixture(scope="module")
def plain(playwright: Playwright, firefox_path: str) -> Iterator[Browser]:
    """A Firefox as it is installed."""
    with firefox.launched(playwright, firefox_path) as browser:
        yield browser


@pytest.fixture
def visit(plain: Browser) -> Iterator[Opened]:
    """Opens a dashboard as somebody who was never here; at the end nothing may have gone wrong."""
    with ExitStack() as stack:

        def open_page(url: str) -> Dashboard:
            return Dashboard(stack.enter_context(_page(plain, url)))

        yield open_page


@contextmanager
def _page(browser: Browser, url: str, may_say: str = r"(?!)") -> Iterator[Page]:
    context = browser.new_context(**firefox.AS_IT_IS)
    context.set_default_timeout(WAIT_SECONDS * 1000)
    page = context.new_page()
    witness = Witness(page, server_goes_away=False)
    page.goto(url)
    yield page
    context.close()
    assert [trouble for trouble in witness.troubles if not re.search(may_say, trouble)] == []


def test_prices_are_subscribed_to_move_and_are_kept_over_a_reload(
    server: Server, visit: Opened
) -> None:
    """Typed, moving, one removed and brought back, one removed for good; the rest is kept."""
    me = visit(server.url)
    me.subscribe("AAPL, MSFT TSLA")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    me.expect_changes("MSFT", 2)
    me.expect_live()
    me.remove("MSFT").click()
    me.expect_rows("AAPL", "TSLA")
    me.undo.click()
    me.expect_rows("AAPL", "MSFT", "TSLA")
    me.remove("TSLA").click()
    me.page.reload()
    me.expect_rows("AAPL", "MSFT")
    me.expect_changes("AAPL", 1)


def test_the_keyboard_does_it_all(server: Server, visit: Opened) -> None:
    """`/` is ours and not Firefox's quick find; arrows, Del, Enter and Esc do as the page says."""
    me = visit(server.url)
    me.subscribe("AAPL MSFT")
    me.expect_price("MSFT")
    keys = me.page.keyboard
    keys.press("Escape")
    me.row("AAPL").focus()
    keys.press("ArrowDown")
    expect(me.row("MSFT")).to_be_focused()
    keys.press("Delete")
    me.expect_rows("AAPL")
    expect(me.row("AAPL")).to_be_focused()
    keys.press("/")
    expect(me.field).to_be_focused()
    expect(me.field).to_have_value("")
    keys.press("Escape")
    me.row("AAPL").focus()
    keys.press("Enter")
    expect(me.page).to_have_url(f"{server.url}/s/AAPL")


def test_an_alert_is_made_and_told(keeping: Server, visit: Opened) -> None:
    """As it fires; dismissed, and its rule removed."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    add_alert(me, "AAPL", "moves by", A_MOVE)
    notice = me.page.get_by_test_id("alert-notice")
    expect(notice).to_contain_text("AAPL ")
    notice.get_by_role("button", name="Dismiss the alert").click()
    expect(notice).to_be_hidden()
    me.page.get_by_role("button", name="Remove the alert").click()
    expect(me.page.get_by_test_id("rules")).to_be_hidden()


def test_a_chart_is_drawn_and_its_cursor_is_read_out(keeping: Server, visit: Opened) -> None:
    """Candles of the history and of now; the cursor walks by keyboard, ranges change."""
    me = ChartPage(visit(f"{keeping.url}/s/AAPL?range=15m").page)
    me.expect_drawn()
    until(me.page, lambda: len(me.colours()) > 2, me.colours)
    me.chart.focus()
    me.page.keyboard.press("ArrowLeft")
    assert "close" in me.said
    me.ranges.get_by_role("link").nth(1).click()
    me.expect_drawn()


def test_an_operator_logs_in_and_sees_the_tree_live(server: Server, plain: Browser) -> None:
    """The form, the tree, the event stream; the figures move; logged out again."""
    with _page(plain, f"{server.url}/docs") as page:
        me = Operations(page, server.url)
        me.open()
        expect(page.get_by_test_id("vital-system")).to_have_attribute("data-state", "live")
        handled = me.row("delivery/broadcaster").locator('[data-part="rate"]')
        expect(handled).to_have_text(re.compile(r"\d"))
        page.get_by_role("button", name="Log out").click()
        expect(page).to_have_url(f"{server.url}/admin/login")


def test_forced_colours_keep_what_colour_said(
    server: Server, playwright: Playwright, firefox_path: str
) -> None:
    """Signs, arrows and names of states are there without one of our colours."""
    with (
        firefox.launched(playwright, firefox_path, firefox.FORCED_COLOURS) as browser,
        _page(browser, server.url) as page,
    ):
        me = Dashboard(page)
        assert page.evaluate("matchMedia('(forced-colors: active)').matches")
        me.subscribe("AAPL")
        me.expect_changes("AAPL", 2)
        me.expect_live()
        colours = page.evaluate(
            """[...document.querySelectorAll("[data-testid=row-AAPL] *")]
                 .filter((element) => element.childElementCount === 0 && element.innerText)
                 .map((element) => getComputedStyle(element).color)"""
        )
        assert len(set(colours)) <= 2, colours  # of text and of a link
        sign = me.row("AAPL").locator(".c-change use")
        expect(sign).to_have_attribute("href", re.compile("^#i-(up|down|flat)$"))
        # A canvas is not forced by the browser: the picture takes the colours of the system itself.
        me.row("AAPL").get_by_role("link", name="AAPL").click()
        chart = ChartPage(page)
        chart.expect_drawn()
        chart.expect_colour(chart.system_colour("CanvasText"))
        chart.expect_colour(chart.system_colour("Canvas"))


def test_without_cookies_it_says_so(
    server: Server, playwright: Playwright, firefox_path: str
) -> None:
    """Prices go on; lists, alerts and the log-in of operators say what they are not."""
    with (
        firefox.launched(playwright, firefox_path, firefox.NO_COOKIES) as browser,
        _page(browser, server.url, may_say=r"status of 401") as page,
    ):
        me = Dashboard(page)
        me.subscribe("AAPL")
        me.expect_changes("AAPL", 1)
        lost = "This browser keeps neither cookies nor the data of this site: the list is lost"
        expect(page.get_by_test_id("list-note")).to_contain_text(lost)
        add_alert(me, "AAPL", "rises to", "100,000")
        refused = "Not added: this browser sends no cookie."
        expect(page.get_by_test_id("alert-hint")).to_have_text(refused)
        operations = Operations(page, server.url)
        operations.log_in()
        expect(page.get_by_role("alert")).to_contain_text("cookie")
