"""Columns that somebody chooses: shown, sorted by, kept, and told to other tabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import tab_beside
from tests.browser.telling import item, subscribe

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard
    from tests.browser.provider import Provider
    from tests.support.programs import Server


@pytest.fixture
def three(provider: Provider, exact: Server, visit: Visit) -> Dashboard:
    """Two with a volume, the smaller one first, and one without between them."""
    provider.tell_items(
        [item("VA", 10, volume=1_234), item("VNONE", 20), item("VB", 5, volume=12_345_678)]
    )
    me = visit(exact.url)
    subscribe(me, exact, "VA VNONE VB")
    for symbol in ("VA", "VNONE", "VB"):
        me.expect_price(symbol)
    return me


def head(me: Dashboard, name: str) -> Locator:
    """The head of a column."""
    return me.page.get_by_role("columnheader", name=name, exact=True)


def test_a_column_is_chosen_by_keys_shown_sorted_by_and_kept(three: Dashboard) -> None:
    """It is there at once and after a reload; entries without a value are last, both ways."""
    me = three
    opener = me.page.get_by_role("button", name="Columns", exact=True)
    expect(head(me, "Volume")).to_have_count(0)
    expect(me.page.get_by_test_id("volume-VB")).to_have_count(0)
    opener.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(me.page.get_by_role("checkbox", name="Change")).to_be_focused()
    me.page.get_by_role("checkbox", name="Volume").press("Space")
    me.page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    expect(opener).to_have_attribute("aria-expanded", "false")
    volume = me.page.get_by_test_id("volume-VB")
    expect(volume).to_have_text("12.3\N{NO-BREAK SPACE}M")
    expect(volume).to_have_attribute("title", "12,345,678")

    for direction, order in (
        ("descending", ["VB", "VA", "VNONE"]),
        ("ascending", ["VA", "VB", "VNONE"]),
    ):
        head(me, "Volume").get_by_role("button").press("Enter")
        expect(head(me, "Volume")).to_have_attribute("aria-sort", direction)
        me.expect_rows(*order)
    me.page.reload()
    expect(head(me, "Volume")).to_have_attribute("aria-sort", "ascending")
    expect(me.page.get_by_test_id("volume-VA")).to_have_text("1.23\N{NO-BREAK SPACE}K")
    head(me, "Volume").get_by_role("button").press("Enter")
    me.expect_rows("VA", "VNONE", "VB")


def test_columns_that_rows_always_had_are_hidden_and_come_back(three: Dashboard) -> None:
    """Nobody sees a head or a cell of them; the rest is as it was."""
    me = three
    me.page.get_by_role("button", name="Columns", exact=True).click()
    for name in ("Change", "Trend"):
        me.page.get_by_role("checkbox", name=name).uncheck()
        expect(head(me, name)).to_have_count(0)
    expect(me.row("VA").locator(".c-change")).to_be_hidden()
    expect(me.row("VA").locator(".c-trend")).to_be_hidden()
    expect(me.row("VA").get_by_role("cell")).to_have_count(3)
    me.page.get_by_role("button", name="Columns as they were").click()
    expect(head(me, "Trend")).to_be_visible()
    expect(me.row("VA").locator(".c-change")).to_be_visible()


def test_a_choice_is_told_to_other_tabs(three: Dashboard) -> None:
    """Both show it, without a reload."""
    me = three
    other = tab_beside(me.page)
    other.goto(me.page.url)
    expect(other.get_by_test_id("price-VA")).to_have_text("10.00")
    me.page.get_by_role("button", name="Columns", exact=True).click()
    me.page.get_by_role("checkbox", name="Volume").check()
    expect(other.get_by_test_id("volume-VA")).to_have_text("1.23\N{NO-BREAK SPACE}K")


def test_on_a_phone_columns_stand_below_with_their_names_and_sort_by_the_menu(
    three: Dashboard,
) -> None:
    """There is no room for heads: the menu sorts, by keys or by a finger."""
    me = three
    me.page.set_viewport_size({"width": 360, "height": 740})
    me.page.get_by_role("button", name="Columns", exact=True).click()
    me.page.get_by_role("checkbox", name="Volume").check()
    me.page.get_by_label("Sort by").select_option(label="Volume")
    me.expect_rows("VB", "VA", "VNONE")
    me.page.get_by_role("button", name="Descending").click()
    me.expect_rows("VA", "VB", "VNONE")
    cell = me.page.get_by_test_id("volume-VA")
    expect(cell).to_be_visible()
    top = "element => element.getBoundingClientRect().top"
    assert cell.evaluate(top) > me.page.get_by_test_id("age-VA").evaluate(top)
    named = "cell => getComputedStyle(cell, '::before').content"
    assert "Volume" in cell.evaluate(named)
    expect(me.page.get_by_test_id("volume-VNONE")).to_be_hidden()


def test_the_days_range_and_the_market_are_told_in_figures_signs_and_words(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """The price's place is in the bar, and for who hears the page; what nobody tells is empty."""
    day = {"low": 10, "high": 20, "open": 12, "previous_close": 11}
    provider.tell_items([item("DAY", 15, **day, session="pre"), item("NODAY", 15)])
    me = visit(exact.url)
    subscribe(me, exact, "DAY NODAY")
    me.page.get_by_role("button", name="Columns", exact=True).click()
    for column in ("range", "open", "previous-close", "market"):
        me.page.get_by_test_id(f"column-{column}").check()
    ranged = me.page.get_by_test_id("range-DAY")
    expect(ranged).to_have_attribute("title", "Today: low 10.00, high 20.00")
    expect(ranged.get_by_role("img")).to_have_accessible_name("to, the price at 50 %,")
    expect(me.page.get_by_test_id("open-DAY")).to_have_text("12.00")
    expect(me.page.get_by_test_id("previous-close-DAY")).to_have_text("11.00")
    expect(me.page.get_by_test_id("market-DAY")).to_have_text("Pre-market")
    expect(me.page.get_by_test_id("range-NODAY")).to_have_text("")
    provider.tell_items([item("DAY", 19, **day, session="regular"), item("NODAY", 15)])
    expect(ranged.get_by_role("img")).to_have_accessible_name("to, the price at 90 %,")
    expect(me.page.get_by_test_id("market-DAY")).to_have_text("Open")


def test_bid_ask_and_spread_are_those_of_the_last_price(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """All decimals that they have, also as what is told again beside the same price, with its time.
    A price without them empties their cells; the page of the symbol has them beside its day.
    """
    told, wide = item("BOOK", 150, bid=149.99, ask=150.005), item("WIDE", 20, bid=19, ask=21)
    provider.tell_items([told, wide])
    me = visit(exact.url)
    subscribe(me, exact, "WIDE BOOK")
    me.page.get_by_role("button", name="Columns", exact=True).click()
    for column in ("bid", "ask", "spread"):
        me.page.get_by_test_id(f"column-{column}").check()
    bid, ask = (me.page.get_by_test_id(f"{column}-BOOK") for column in ("bid", "ask"))
    spread = me.page.get_by_test_id("spread-BOOK")
    expect(bid).to_have_text("149.99")
    expect(ask).to_have_text("150.005")
    expect(spread).to_have_text("0.015")
    expect(spread).to_have_attribute("title", "0.015, 0.010\N{NO-BREAK SPACE}%")
    head(me, "Spread").get_by_role("button").press("Enter")
    me.expect_rows("BOOK", "WIDE")
    with me.page.context.new_page() as symbol:
        symbol.goto(f"{exact.url}/s/BOOK")
        expect(symbol.locator("#day")).to_contain_text("149.99 / 150.005")
    provider.tell_items([{**told, "bid": 149.98}, wide])
    expect(bid).to_have_text("149.98")
    expect(bid).to_have_attribute("title", re.compile(r"^149\.98 at \d\d:\d\d:\d\d\sUTC$"))
    expect(spread).to_have_text("0.025")
    provider.tell_items([item("BOOK", 151), wide])
    expect(me.page.get_by_test_id("price-BOOK")).to_have_text("151.00")
    for cell in (bid, ask, spread):
        expect(cell).to_have_text("")


def test_compact_rows_are_25_pixels_high_and_stay_so(three: Dashboard) -> None:
    """At every width, after a reload, and in another tab."""
    me = three
    me.page.get_by_role("button", name="Columns", exact=True).click()
    me.page.get_by_label("Compact rows").check()
    height = "row => row.getBoundingClientRect().height"
    for width in (360, 768, 1280):
        me.page.set_viewport_size({"width": width, "height": 740})
        assert me.row("VA").evaluate(height) == 25, width
        assert me.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), width
    me.page.reload()
    me.expect_price("VA")
    assert me.row("VA").evaluate(height) == 25


def test_below_832_pixels_a_name_stands_below_the_symbol_and_moves_no_row(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Whole for who hears the page or points at it; compact rows have no room for it."""
    name = "The Amalgamated Widget and Sprocket Company of Long Names, Incorporated"
    provider.tell_items([item("NAMED", 10, name=name), item("BARE", 10)])
    me = visit(exact.url)
    subscribe(me, exact, "NAMED BARE")
    for symbol in ("NAMED", "BARE"):
        me.expect_price(symbol)
    told = me.row("NAMED").locator('[data-part="meta"]')
    box = "element => element.getBoundingClientRect().toJSON()"
    for width in (360, 768, 831):
        me.page.set_viewport_size({"width": width, "height": 740})
        expect(told).to_be_visible()
        expect(told).to_contain_text(name)
        expect(told).to_have_attribute("title", re.compile(f"^{name}"))
        named, bare = (me.row(symbol).evaluate(box) for symbol in ("NAMED", "BARE"))
        assert named["height"] == bare["height"], width
        link = me.row("NAMED").get_by_role("link").evaluate(box)
        assert told.evaluate(box)["top"] >= link["bottom"] - 1, width
        assert told.evaluate("name => name.scrollWidth > name.clientWidth"), width
        assert me.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), width
    me.page.get_by_role("button", name="Columns", exact=True).click()
    me.page.get_by_label("Compact rows").check()
    expect(told).to_be_hidden()
