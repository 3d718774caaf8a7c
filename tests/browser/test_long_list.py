"""A list longer than the screen: what is out of sight is there, and costs nothing to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FAST
from tests.browser.dashboard import A_PRICE, tab_beside
from tests.browser.waiting import until
from tests.support.programs import Server, running
from tests.support.server import NO_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard

COUNT = 60
SEEN = "row => row.checkVisibility({ contentVisibilityAuto: true })"
DRAWN = "rows => rows.filter((row) => row.checkVisibility({ contentVisibilityAuto: true })).length"


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose prices all move five times a second."""
    feed = f"sim://?symbols={COUNT}&interval=0.2"
    settings = FAST | {"STOCK_API_URL": feed, "DATABASE_URL": NO_DATABASE}
    server = Server(tmp_path_factory.mktemp("moving"), settings)
    with running(server):
        yield server


@pytest.fixture
def long(moving: Server, visit: Visit) -> tuple[Dashboard, list[str]]:
    """A dashboard with all of them, and their names from top to bottom."""
    me = visit(moving.url)
    listed = httpx.get(f"{moving.url}/api/v1/symbols").json()["symbols"]
    symbols = [str(item["symbol"]) for item in listed]
    assert len(symbols) == COUNT
    me.subscribe(" ".join(symbols))
    me.expect_rows(*symbols)
    expect(me.price(symbols[-1])).to_have_text(A_PRICE)
    return me, symbols


def see_it_move(me: Dashboard, symbol: str) -> None:
    """Wait until the price of a row has changed, drawn or not."""
    expect(me.price(symbol)).not_to_have_text(me.price(symbol).text_content() or "")


def test_rows_out_of_sight_are_not_drawn_and_yet_are_there(
    long: tuple[Dashboard, list[str]],
) -> None:
    """They follow their prices, a search of the page finds them, and scrolling draws them."""
    me, symbols = long
    last = me.row(symbols[-1])
    assert me.rows.evaluate_all(DRAWN) < COUNT
    assert last.evaluate(SEEN) is False
    see_it_move(me, symbols[-1])
    assert last.evaluate(SEEN) is False
    assert me.page.evaluate("name => window.find(name)", symbols[-1]) is True
    last.scroll_into_view_if_needed()
    until(me.page, lambda: last.evaluate(SEEN) is True)  # with the next frame
    see_it_move(me, symbols[-1])


def test_a_price_that_moved_out_of_sight_does_not_light_up_when_it_is_seen(
    long: tuple[Dashboard, list[str]],
) -> None:
    """The light says that a price moves now; one that moved before anybody looked has none."""
    me, symbols = long
    far = me.row(symbols[-1]).locator("[data-flash]")
    see_it_move(me, symbols[-1])
    expect(far).to_have_count(0)
    me.row(symbols[-1]).scroll_into_view_if_needed()
    expect(far).to_have_count(1)  # with its next move
    me.row(symbols[0]).scroll_into_view_if_needed()
    expect(far).to_have_count(0)


def test_the_keyboard_goes_through_all_of_a_long_list(long: tuple[Dashboard, list[str]]) -> None:
    """Down and up one by one, to the end and back: each row is reached, in order, and is seen."""
    me, symbols = long
    me.row(symbols[0]).focus()
    for symbol in symbols[1:25]:
        me.page.keyboard.press("ArrowDown")
        expect(me.row(symbol)).to_be_focused()
        expect(me.row(symbol)).to_be_in_viewport()
    me.page.keyboard.press("End")
    expect(me.row(symbols[-1])).to_be_focused()
    expect(me.row(symbols[-1])).to_be_in_viewport()
    me.page.keyboard.press("ArrowUp")
    expect(me.row(symbols[-2])).to_be_focused()
    me.page.keyboard.press("Delete")
    expect(me.row(symbols[-1])).to_be_focused()
    me.page.keyboard.press("Home")
    expect(me.row(symbols[0])).to_be_focused()
    expect(me.row(symbols[0])).to_be_in_viewport()


def test_a_row_keeps_its_focus_when_another_tab_changes_the_list_above_it(
    long: tuple[Dashboard, list[str]],
) -> None:
    """Each row goes up by one place; the one with the focus is the same, and the order as well."""
    me, symbols = long
    other = tab_beside(me.page)
    other.goto(me.page.url)
    expect(other.locator("[data-testid^=row-]")).to_have_count(COUNT)
    # The first row of the second block: it will be the last of the first one.
    block = me.row(symbols[10]).locator("xpath=..")
    expect(block.locator("tr").first).to_have_attribute("data-symbol", symbols[10])
    me.row(symbols[10]).focus()
    other.get_by_test_id(f"remove-{symbols[0]}").click()
    me.expect_rows(*symbols[1:])
    expect(me.row(symbols[10])).to_be_focused()
    me.page.keyboard.press("ArrowDown")
    expect(me.row(symbols[11])).to_be_focused()
