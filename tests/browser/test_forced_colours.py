"""With the system's colours alone (Windows' high contrast) everything can still be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard
from tests.browser.test_admin import Operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.programs import Server

# The colours of what is drawn, beside that of the text, and buttons that nothing sets apart.
LOOKS = """() => {
  const shown = (selector) =>
    [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
  const text = getComputedStyle(document.body).color;
  return {
    own: shown("main .icon, .arrow, .trend-line")
      .map((element) => getComputedStyle(element).color)
      .filter((colour) => colour !== text),
    bare: shown(".button")
      .filter((element) => getComputedStyle(element).borderTopWidth === "0px")
      .map((element) => element.textContent),
  };
}"""
STRIP = """() => ["closed", "half_open", "open"].map((state) => {
  const piece = document.createElement("i");
  piece.dataset.state = state;
  document.querySelector(".strip").append(piece);
  const { backgroundColor, backgroundImage } = getComputedStyle(piece);
  piece.remove();
  return `${backgroundColor} ${backgroundImage}`;
})"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(forced_colors="active", color_scheme="dark")
    yield context.new_page()
    context.close()


def test_the_watch_list(server: Server, page: Page) -> None:
    """Signs, arrows and trends have the colour of text; each button has a border."""
    page.goto(server.url)
    me = Dashboard(page)
    me.subscribe("AAPL MSFT")
    me.expect_changes("AAPL", 2)
    me.remove("MSFT").click()
    expect(me.undo).to_be_visible()
    assert page.evaluate(LOOKS) == {"own": [], "bare": []}


def test_the_admin_page(server: Server, page: Page) -> None:
    """The same; and the strip of the circuit breaker has a pattern for each state."""
    me = Operations(page, server.url)
    me.open()
    expect(page.get_by_test_id("breaker-state")).to_contain_text("Closed")
    assert page.evaluate(LOOKS) == {"own": [], "bare": []}
    assert len(set(page.evaluate(STRIP))) == 3
