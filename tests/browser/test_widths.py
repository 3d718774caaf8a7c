"""No page scrolls sideways: zoomed to 200 %, between two layouts, on the smallest phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.chart import Answers, ChartPage
from tests.browser.conftest import FAST
from tests.browser.dashboard import Dashboard
from tests.browser.provider import Provider
from tests.browser.test_admin import VIEWS, Operations
from tests.browser.test_lists import make_list
from tests.support.programs import Server, Stub, running
from tests.support.server import NO_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


WIDTHS = (
    280,
    320,
    360,
    480,
    639,
    640,
    650,
    659,
    700,
    767,
    768,
    831,
    832,
    835,
    900,
    1024,
    1152,
    1280,
    1440,
)
"""640 to 659 is a window of 1280 to 1318 pixels at 200 %; layouts change at 640 and at 832."""

# What sticks out of the window, other than by scrolling inside a box of its own.
STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth;
  const boxes = ["auto", "scroll", "hidden", "clip"];
  const scrolls = (element) => boxes.includes(getComputedStyle(element).overflowX);
  const unseen = (element) =>
    element.closest(".sr-only, .skip, [aria-hidden]") || !element.checkVisibility();
  const out = [...document.querySelectorAll("body *")].filter((element) => {
    if (unseen(element)) return false;
    const box = element.getBoundingClientRect();
    if (box.width === 0 || (box.left >= -0.5 && box.right <= width + 0.5)) return false;
    for (let at = element.parentElement; at !== document.body; at = at.parentElement) {
      if (scrolls(at)) return false;
    }
    return true;
  });
  return {
    scrolls: document.scrollingElement.scrollWidth - width,
    out: out.slice(0, 5).map((element) => element.outerHTML.slice(0, 90)),
  };
}"""


def expect_to_fit(page: Page, widths: Iterable[int] = WIDTHS) -> None:
    """Go through all widths."""
    bad = {}
    for width in widths:
        page.set_viewport_size({"width": width, "height": 700})
        found = page.evaluate(STICKING_OUT)
        if found["scrolls"] > 0 or found["out"]:
            bad[width] = found
    assert bad == {}, page.url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def test_the_watch_list(server: Server, page: Page) -> None:
    """Empty, with rows and what floats over them, with the form of a list, with the help."""
    page.goto(server.url)
    me = Dashboard(page)
    expect(page.get_by_role("button", name="Add all 6")).to_be_visible()
    expect_to_fit(page)
    me.subscribe("AAPL GOOGL MSFT")
    me.expect_price("AAPL")
    me.remove("GOOGL").click()
    expect(me.undo).to_be_visible()
    page.get_by_role("button", name="New list").click()
    expect_to_fit(page)
    page.locator("#help-open").click()
    expect_to_fit(page)


LIST_DIALOGS = ("section-dialog", "position-dialog", "share-dialog", "import-dialog")
UNBROKEN = "W" * 60


def test_columns_and_dialogs_of_a_list(keeping: Server, page: Page) -> None:
    """All columns chosen, in rows of both heights; what is typed and told in dialogs is long."""
    page.goto(keeping.url)
    me = Dashboard(page)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    make_list(me, UNBROKEN)
    page.get_by_role("button", name="Columns", exact=True).click()
    for box in page.locator("#columns-shown input").all():
        box.check()
    expect_to_fit(page)
    page.get_by_label("Compact rows").check()
    expect_to_fit(page)
    page.keyboard.press("Escape")
    page.get_by_text("Files and links").click()
    for dialog in LIST_DIALOGS:
        page.evaluate(OPENED, [dialog, UNBROKEN])
        expect_to_fit(page, (280, 360, 640, 768, 1280))
        page.keyboard.press("Escape")
        expect(page.locator(f"#{dialog}")).to_be_hidden()


# With its parts that come later, and the longest texts.
OPENED = """([id, text]) => {
  const dialog = document.getElementById(id);
  for (const part of dialog.querySelectorAll("[hidden]")) part.hidden = false;
  for (const part of dialog.querySelectorAll("details")) part.open = true;
  for (const told of dialog.querySelectorAll(".entry-hint")) told.textContent = text;
  for (const list of dialog.querySelectorAll("ul")) {
    list.append(document.createElement("li"));
    list.lastElementChild.textContent = text;
  }
  dialog.showModal();
}"""


LONGEST_ALERT = """() => {
  const text = `${"W".repeat(32)} fell to 108.00, under 109.10 USD`;
  const fired = document.querySelector("#fired-template").content.cloneNode(true);
  fired.querySelector("a").textContent = text;
  document.querySelector("#fired").append(fired);
  const notice = document.querySelector("#alert-notice");
  notice.querySelector("span").textContent = text;
  for (const inner of [notice, document.querySelector("#fired")]) {
    for (let at = inner; at !== null; at = at.parentElement) at.hidden = false;
  }
}"""


def test_alerts_of_the_longest_symbol(server: Server, page: Page) -> None:
    """Which has nothing to be broken at: in the list of what fired, and in the notice."""
    page.goto(server.url)
    Dashboard(page).expect_live()
    page.evaluate(LONGEST_ALERT)
    expect(page.get_by_test_id("alert-notice")).to_be_visible()
    expect(page.get_by_test_id("fired")).to_be_visible()
    expect_to_fit(page)


def test_prices_of_any_size(tmp_path: Path, page: Page) -> None:
    """The smallest beside the largest, each with its change. The trend gives way, head and all."""
    provider = Provider(tmp_path, {"LARGE.SYMBOL-XY": 900e9, "SMALL": 1e-9})
    server = Server(tmp_path, FAST | {"STOCK_API_URL": provider.url, "DATABASE_URL": NO_DATABASE})
    with running(provider), running(server):
        page.goto(server.url)
        me = Dashboard(page)
        me.subscribe("LARGE.SYMBOL-XY SMALL")
        me.expect_price("SMALL")
        provider.tell({"LARGE.SYMBOL-XY": 950e9 + 0.25, "SMALL": 1.5e-9})
        expect(me.row("SMALL")).to_contain_text("+0.0000000005")
        expect(me.row("LARGE.SYMBOL-XY")).to_contain_text("+50,000,000,000.25")
        expect_to_fit(page)
        page.set_viewport_size({"width": 832, "height": 700})
        assert (
            page.locator("th.c-trend").evaluate("head => getComputedStyle(head).overflowX")
            == "clip"
        )


@pytest.mark.parametrize("width", [280, 300, 320, 359, 360])
def test_one_truth_never_stands_over_another(server: Server, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.goto(server.url)
    me = Dashboard(page)
    me.expect_live()
    overhang = """() => [...document.querySelectorAll(".truth")].flatMap((truth) => {
      const words = document.createRange();
      words.selectNodeContents(truth);
      const right = Math.max(...[...words.getClientRects()].map((box) => box.right));
      return right > truth.getBoundingClientRect().right ? [truth.innerText] : [];
    })"""
    assert page.evaluate(overhang) == []


def test_the_chart(server: Server, page: Page) -> None:
    """With indicators and its table."""
    Answers().install(page)
    page.goto(f"{server.url}/s/AAPL?range=15m")
    me = ChartPage(page)
    me.expect_drawn()
    page.locator("#figures summary").click()
    expect_to_fit(page)


def test_pages_for_operators(stub: Stub, tmp_path: Path, page: Page) -> None:
    """The log-in, and the tree with its buttons."""
    own = {"STOCK_API_URL": stub.url, "CHAOS_ENABLED": "true", "DATABASE_URL": NO_DATABASE}
    server = Server(tmp_path, FAST | own)
    with running(server):
        me = Operations(page, server.url)
        page.goto(f"{server.url}/admin/login")
        expect_to_fit(page)
        me.open()
        expect(me.row("pubsub").get_by_role("button", name="Kill")).to_be_visible()
        expect_to_fit(page)
        for view in VIEWS:
            page.get_by_role("link", name=view, exact=True).click()
            expect(page.locator(".view:visible")).to_have_count(1)
            expect_to_fit(page)


@pytest.mark.parametrize("path", ["/docs", "/nothing/here"])
def test_pages_to_read(server: Server, page: Page, path: str) -> None:
    page.goto(server.url + path)
    expect_to_fit(page)


def test_the_stub_api(stub: Stub, page: Page) -> None:
    page.goto(f"{stub.url}/__admin")
    expect(page.locator("[data-live=stubs] summary").first).to_be_visible()
    expect_to_fit(page)
