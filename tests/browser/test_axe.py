"""Every page in every state has nothing that axe objects to, in light and in dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.axe import expect_accessible
from tests.browser.chart import Answers, ChartPage
from tests.browser.conftest import FAST, until_rows_are_kept
from tests.browser.dashboard import A_MOVE, Dashboard
from tests.browser.test_admin import BREAKER, STREAMER, VIEWS, Operations, inject
from tests.browser.test_alerts import add_alert
from tests.browser.test_lists import make_list
from tests.browser.test_looks import NARROW
from tests.support.programs import Server, Stub, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page


OPENERS = {
    "section-new": "section-dialog",
    "list-share": "share-dialog",
    "list-import": "import-dialog",
}


@pytest.fixture(scope="module")
def own_stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    """A price API that is switched off in the end."""
    stub = Stub(tmp_path_factory.mktemp("own-stub"))
    with running(stub):
        yield stub


@pytest.fixture(scope="module")
def own_server(own_stub: Stub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps rows, whose parts may be broken, and that is stopped in the end."""
    folder = tmp_path_factory.mktemp("own-server")
    server = Server(folder, FAST | {"STOCK_API_URL": own_stub.url, "CHAOS_ENABLED": "true"})
    with running(server):
        until_rows_are_kept(server)
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose colours do not fade while axe looks at them."""
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def test_the_watch_list(own_server: Server, page: Page) -> None:
    """Empty, suggestions open, refused, rows, undo, list form, help."""
    page.goto(own_server.url)
    me = Dashboard(page)
    expect(page.get_by_role("button", name="Add all 6")).to_be_visible()
    expect_accessible(page, dark=False)
    me.field.fill("a")
    expect(page.locator("#suggestions")).to_be_visible()
    me.field.press("ArrowDown")
    expect_accessible(page)
    me.subscribe("AAPL, THIS-IS-ONE-THAT-IS-LONGER-THAN-ANY")
    expect(me.hint).to_contain_text("longer than 32 characters")
    expect_accessible(page)
    me.subscribe("AAPL MSFT TSLA NOSUCH")
    me.expect_changes("AAPL", 1)
    me.remove("MSFT").click()
    expect(me.undo).to_be_visible()
    expect_accessible(page)
    page.get_by_role("button", name="New list").click()
    expect_accessible(page, dark=False)
    page.get_by_role("button", name="Cancel").click()
    page.locator("#help-open").click()
    expect(page.locator("#help")).to_be_visible()
    expect_accessible(page)


def test_columns_and_dialogs_of_a_list(own_server: Server, page: Page) -> None:
    """The menu, compact rows, a section, a position, a link and an import, refused and told."""
    page.goto(own_server.url)
    me = Dashboard(page)
    me.subscribe("AAPL MSFT")
    me.expect_rows("AAPL", "MSFT")
    make_list(me, "Held")
    page.get_by_role("button", name="Columns", exact=True).click()
    page.get_by_test_id("column-range").check()
    expect_accessible(page)
    page.get_by_label("Compact rows").check()
    page.keyboard.press("Escape")
    me.row("MSFT").focus()
    page.keyboard.press("F2")
    page.get_by_text("Bought or sold more").click()
    page.get_by_label("Quantity, below 0 if short").fill("much")
    page.keyboard.press("Enter")
    expect(page.locator("#position-hint")).to_have_attribute("data-kind", "error")
    expect_accessible(page)
    page.get_by_label("Quantity, below 0 if short").fill("3")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("positions")).to_be_visible()
    page.set_viewport_size(NARROW)
    expect_accessible(page)
    page.get_by_text("Files and links").click()
    for opener, dialog in OPENERS.items():
        page.locator(f"#{opener}").click()
        expect(page.locator(f"#{dialog}")).to_be_visible()
        if dialog == "import-dialog":
            page.get_by_label("Or paste it").fill("Symbol,Quantity\nAAPL,1\nCASH,2\n")
            page.get_by_role("button", name="Look at it").click()
            expect(page.get_by_test_id("import-told")).to_contain_text("cash")
        expect_accessible(page)
        page.keyboard.press("Escape")


def test_alerts(own_server: Server, page: Page) -> None:
    """A refused rule, a rule, its notification, and what fired; more of the form open."""
    page.goto(own_server.url)
    me = Dashboard(page)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    add_alert(me, "AAPL", "rises to", "nothing")
    expect(page.get_by_test_id("alert-hint")).not_to_have_text("")
    page.get_by_text("Post it to an address as well").click()
    expect_accessible(page, dark=False)
    add_alert(me, "AAPL", "moves by", A_MOVE)
    expect(page.get_by_test_id("alert-notice")).to_contain_text("AAPL ")
    expect(page.get_by_test_id("fired").get_by_role("listitem").first).to_be_visible()
    expect_accessible(page)


def test_the_chart(own_server: Server, page: Page) -> None:
    """Drawn with indicators and its table; and when history answers nothing."""
    answers = Answers()
    answers.install(page)
    page.goto(f"{own_server.url}/s/AAPL?range=15m")
    me = ChartPage(page)
    me.expect_drawn()
    me.chart.focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#figures summary").click()
    expect_accessible(page)
    answers.unavailable = "the database is away"
    page.reload()
    expect(me.state).to_be_visible()
    expect_accessible(page)


@pytest.mark.parametrize("path", ["/docs", "/nothing/here"])
def test_pages_to_read(own_server: Server, page: Page, path: str) -> None:
    """The reference of the API, and what is not there."""
    page.goto(own_server.url + path)
    expect_accessible(page, dark=False)  # test_docs.py looks at the colours of both themes


def test_the_stub_api(own_stub: Stub, page: Page) -> None:
    """With stubs, requests, and one of them open."""
    page.request.get(f"{own_stub.url}/nothing/here")
    page.goto(f"{own_stub.url}/__admin")
    rows = page.locator("[data-live=requests] summary")
    expect(rows.first).to_be_visible()
    rows.first.click()
    expect_accessible(page)


def test_the_admin_page(own_server: Server, page: Page) -> None:
    """Log-in, wrong token, tree, a dialog, details, crashes, a fault, a toast."""
    me = Operations(page, own_server.url)
    page.goto(f"{own_server.url}/admin/login")
    expect_accessible(page, dark=False)
    me.log_in("wrong-token-0123456")
    expect(page.get_by_role("alert")).to_be_visible()
    expect_accessible(page)
    me.open()
    expect(page.get_by_test_id("vital-feed")).to_have_attribute("data-state", "live")
    expect_accessible(page, dark=False)
    for view in VIEWS:
        page.get_by_role("link", name=view, exact=True).click()
        expect(page.locator(".view:visible")).to_have_count(1)
        expect_accessible(page, dark=False)
    page.get_by_role("link", name="Now", exact=True).click()
    inject(own_server, "crash", BREAKER, exception="KeyError", message="lost")
    inject(own_server, "slow", "pubsub", seconds=60, delay=0.01)
    expect(me.row("pubsub")).to_have_attribute("data-fault", "")
    me.ask("Kill", STREAMER)
    expect_accessible(page, dark=False)
    me.confirm.click()
    expect(me.toast).to_be_visible()
    expect_accessible(page)
    page.get_by_test_id("crashes").get_by_role("button", name="KeyError").first.click()
    expect_accessible(page)


def test_an_outage_and_a_lost_server(
    own_server: Server, own_stub: Stub, browser: Browser, page: Page
) -> None:
    """Stale prices and an open breaker; then the connection is gone, on all three live pages."""
    context = browser.new_context(reduced_motion="reduce")
    me = Dashboard(page)
    page.goto(own_server.url)
    me.subscribe("AAPL MSFT")
    me.expect_price("AAPL")
    chart = ChartPage(context.new_page())
    chart.page.goto(f"{own_server.url}/s/AAPL")
    operations = Operations(context.new_page(), own_server.url)
    operations.open()
    pages = (page, chart.page, operations.page)
    own_stub.switch(down=True)
    expect(me.row("AAPL")).to_have_attribute("data-state", "stale")
    expect(me.status("breaker")).to_have_attribute("data-state", "open")
    for each in pages:
        expect_accessible(each)
    own_server.end()
    expect(me.banner).to_be_visible()
    expect(operations.page.get_by_test_id("lost")).to_be_visible()
    for each in pages:
        expect_accessible(each)
    context.close()
