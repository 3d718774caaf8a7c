"""Positions: said by keys, shown as columns and sums, kept, and read from files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.test_lists import chosen, is_patch, make_list
from tests.browser.test_looks import NARROW, expect_no_sideways_scroll

if TYPE_CHECKING:
    from tests.browser.conftest import Visit
    from tests.support.programs import Server


def test_a_position_is_said_by_keys_shown_and_kept(keeping: Server, visit: Visit) -> None:
    """Its columns come and go with it; a wrong number is named; undo brings it back, too."""
    me = visit(keeping.url)
    me.subscribe("AAPL MSFT")
    me.expect_rows("AAPL", "MSFT")
    page = me.page
    me.row("MSFT").focus()
    page.keyboard.press("F2")
    expect(page.get_by_test_id("list-note")).to_contain_text("lists that have a name")
    make_list(me, "Held")
    expect(page.get_by_role("columnheader", name="Quantity")).to_have_count(0)
    me.row("MSFT").focus()
    page.keyboard.press("F2")
    quantity = page.get_by_label("Quantity, below 0 if short")
    expect(quantity).to_be_focused()
    expect(page.locator("#position-symbol")).to_have_value("MSFT")
    quantity.fill("1.234,5")
    quantity.press("Enter")
    expect(page.locator("#position-hint")).to_have_text(
        "Quantity: “1.234,5” is not how numbers are written here: type 1,234.5."
    )
    quantity.fill("-1,234.5")
    page.get_by_label("Average cost of one").fill("0.25")
    with page.expect_response(is_patch) as saved:
        page.keyboard.press("Enter")
    assert saved.value.json()["positions"]["MSFT"]["quantity"] == "-1234.5"
    expect(me.row("MSFT")).to_be_focused()
    expect(page.get_by_test_id("quantity-MSFT")).to_have_text("\N{MINUS SIGN}1,234.5")
    expect(page.get_by_test_id("cost-MSFT")).to_have_text("0.25")
    expect(page.get_by_test_id("gain-in-all-MSFT")).to_have_attribute("data-direction", "down")
    expect(page.get_by_test_id("quantity-AAPL")).to_have_text("")
    expect(page.get_by_test_id("positions").get_by_role("row")).to_have_count(2)
    page.set_viewport_size(NARROW)
    expect_no_sideways_scroll(me)
    page.set_viewport_size({"width": 1280, "height": 740})
    with page.expect_response(is_patch):
        page.keyboard.press("Delete")
    expect(page.get_by_test_id("positions")).to_be_hidden()
    expect(page.get_by_role("columnheader", name="Quantity")).to_have_count(0)
    with page.expect_response(is_patch):
        page.keyboard.press("Control+z")
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(chosen(me)).to_have_text("Held")
    expect(page.get_by_test_id("quantity-MSFT")).to_have_text("\N{MINUS SIGN}1,234.5")
    page.get_by_text("Files and links").click()
    page.get_by_role("button", name="Import").click()
    page.get_by_label("Or paste it").fill(
        "Symbol,Quantity,Purchase Price\nAAPL,2,100\nMSFT,3,\nAAPL,1,$130.00\nCASH,5,\nNOSUCH,1,1\n"
    )
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("#import-hint")).to_contain_text("2 positions set, 2 are left out")
    told = page.get_by_test_id("import-told").get_by_role("listitem")
    expect(told).to_have_text(
        [
            "AAPL: 2 lots, 3 at an average cost of 110",
            re.compile("^MSFT: 3 without a cost, instead of -1234.5 at an average cost of 0.25"),
            "Line 5: CASH,5,: cash, not a symbol",
            "Line 6: NOSUCH,1,1: no feed lists NOSUCH",
        ]
    )
    # Else its answer may be taken for that to the next change.
    with page.expect_response(is_patch):
        page.get_by_role("button", name="Set the positions").press("Enter")
    expect(page.get_by_test_id("quantity-AAPL")).to_have_text("3")
    expect(page.get_by_test_id("quantity-MSFT")).to_have_text("3")
    expect(page.get_by_test_id("positions")).to_contain_text("there is no cost: MSFT.")
    me.row("AAPL").focus()
    page.keyboard.press("F2")
    page.get_by_text("Bought or sold more").press("Enter")
    page.get_by_label("How many more, below 0 if sold").fill("1")
    page.get_by_label("Price of one").fill("150")
    expect(page.locator("#position-hint")).to_have_text("Then 4 at an average cost of 120.")
    with page.expect_response(is_patch) as saved:
        page.keyboard.press("Enter")
    assert saved.value.json()["positions"]["AAPL"]["cost"] == "120"
    expect(page.get_by_test_id("quantity-AAPL")).to_have_text("4")
