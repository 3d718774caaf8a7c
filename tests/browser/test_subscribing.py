"""Subscribing, watching and unsubscribing, with the mouse and with the keyboard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.telling import item, subscribe
from tests.browser.waiting import until
from tests.support.programs import Server

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Route, WebSocket

    from tests.browser.conftest import Serving, Visit
    from tests.browser.provider import Provider


def test_from_the_start_command_to_moving_prices_with_no_setting_but_ports(
    tmp_path: Path, serving: Serving, visit: Visit
) -> None:
    """The bundled stub API's prices move in the browser; bench/first_price.py says how soon."""
    me = visit(serving(Server(tmp_path, {"STUB_PORT": "0"})).url)
    me.field.fill("aapl")
    me.page.get_by_test_id("subscribe-button").click()
    me.expect_price("AAPL")
    prices = me.expect_changes("AAPL", 3)
    assert all(145 <= price <= 155 for price in prices), prices
    me.expect_live()
    expect(me.row("AAPL")).to_have_attribute("data-state", "live")
    expect(me.page.get_by_test_id("age-AAPL")).to_have_text(re.compile(r"^\d\ss$"))


def test_enter_subscribes_and_an_answered_field_is_ready_for_the_next(
    server: Server, visit: Visit
) -> None:
    """Enter subscribes several symbols at once; the field is empty again and keeps the focus."""
    me = visit(server.url)
    me.subscribe("aapl, msft")
    me.expect_rows("AAPL", "MSFT")
    me.expect_changes("AAPL", 1)
    me.expect_changes("MSFT", 1)
    expect(me.field).to_have_value("")
    expect(me.field).to_be_focused()


def test_the_cross_unsubscribes_and_undo_brings_the_row_back(server: Server, visit: Visit) -> None:
    """A row removed by its button is gone; Undo puts it back in its place, with moving prices."""
    me = visit(server.url)
    me.subscribe("AAPL MSFT TSLA")
    me.expect_price("MSFT")
    me.remove("MSFT").click()
    me.expect_rows("AAPL", "TSLA")
    me.undo.click()
    me.expect_rows("AAPL", "MSFT", "TSLA")
    expect(me.undo).to_be_hidden()
    me.expect_changes("MSFT", 2)


@pytest.mark.proves("W8")
def test_after_an_unsubscribe_the_server_sends_no_more_of_that_symbol(
    server: Server, visit: Visit
) -> None:
    """What the socket brings after the answer to an unsubscribe does not name the symbol."""
    me = visit(server.url)
    frames: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: frames.append(str(payload)))

    me.page.on("websocket", listen)
    me.page.reload()
    me.subscribe("AAPL MSFT")
    me.expect_changes("AAPL", 2)
    assert any('"prices"' in frame and "AAPL" in frame for frame in frames)
    me.remove("AAPL").click()

    def is_answer(frame: str) -> bool:
        return '"subscriptions"' in frame and "AAPL" not in frame

    until(me.page, lambda: any(map(is_answer, frames)))
    me.expect_changes("MSFT", 2)
    after = frames[[*map(is_answer, frames)].index(True) + 1 :]
    assert any("MSFT" in frame for frame in after)
    assert not any("AAPL" in frame for frame in after)


def test_a_reload_keeps_the_list_and_another_visitor_starts_with_none(
    server: Server, visit: Visit
) -> None:
    """The list belongs to the browser: there after a reload, unknown to somebody else."""
    me = visit(server.url)
    me.subscribe("TSLA AAPL")
    me.expect_price("TSLA")
    me.page.reload()
    me.expect_rows("TSLA", "AAPL")
    me.expect_changes("TSLA", 1)
    somebody = visit(server.url)
    expect(somebody.page.get_by_role("button", name="Add all 6")).to_be_visible()
    somebody.expect_rows()


def test_the_offers_of_an_empty_list_subscribe(server: Server, visit: Visit) -> None:
    """Somebody who knows no symbol gets all six with one press."""
    me = visit(server.url)
    me.page.get_by_role("button", name="Add all 6").click()
    me.expect_rows("AAPL", "AMZN", "GOOGL", "MSFT", "NFLX", "TSLA")
    for symbol in me.shown():
        me.expect_price(symbol)


def test_the_list_can_be_walked_and_cut_with_the_keyboard_alone(
    server: Server, visit: Visit
) -> None:
    """`/` to the field, arrows in the list, Delete and Ctrl+Z: no pointer is needed."""
    me = visit(server.url)
    keys = me.page.keyboard
    keys.press("/")
    expect(me.field).to_be_focused()
    expect(me.field).to_have_value("")
    keys.type("aapl msft tsla")
    keys.press("Enter")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    me.expect_price("TSLA")
    while me.page.evaluate("document.activeElement.closest('tbody')") is None:
        keys.press("Tab")
        assert me.page.evaluate("document.activeElement !== document.body"), "no row in Tab's way"
    expect(me.row("AAPL")).to_be_focused()
    keys.press("ArrowDown")
    expect(me.row("MSFT")).to_be_focused()
    keys.press("Delete")
    me.expect_rows("AAPL", "TSLA")
    expect(me.row("TSLA")).to_be_focused()
    keys.press("Home")
    expect(me.row("AAPL")).to_be_focused()
    keys.press("End")
    expect(me.row("TSLA")).to_be_focused()
    keys.press("ArrowUp")
    expect(me.row("AAPL")).to_be_focused()
    keys.press("Control+z")
    me.expect_rows("AAPL", "MSFT", "TSLA")
    expect(me.row("MSFT")).to_be_focused()
    keys.press("Escape")
    expect(me.field).to_be_focused()


def test_arrows_and_enter_choose_a_suggestion(server: Server, visit: Visit) -> None:
    """Typing a part of a symbol offers the known ones; the keyboard chooses."""
    me = visit(server.url)
    options = me.page.get_by_role("listbox", name="Known symbols").get_by_role("option")
    expect(me.page.get_by_role("button", name="Add all 6")).to_be_visible()
    me.field.press_sequentially("a")
    expect(options).to_have_text(["AAPL", "AMZN", "TSLA"])
    me.field.press("ArrowDown")
    me.field.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    me.field.press("Enter")
    me.expect_rows("AMZN")


def test_what_cannot_be_a_symbol_is_said_while_it_is_typed_and_is_kept(
    server: Server, visit: Visit
) -> None:
    """The good one of two is subscribed; the bad one stays in the focused field with its reason."""
    me = visit(server.url)
    me.field.press_sequentially("AA$PL")
    expect(me.hint).to_contain_text("“AA$PL” cannot be a symbol: “$” is not allowed")
    expect(me.field).to_have_attribute("aria-invalid", "true")
    me.subscribe("AA$PL, MSFT")
    me.expect_rows("MSFT")
    expect(me.field).to_have_value("AA$PL")
    expect(me.field).to_be_focused()
    expect(me.hint).to_contain_text("“$” is not allowed")


@pytest.mark.proves("W4")
def test_what_the_feed_does_not_know_is_refused_and_comes_back_into_the_field(
    server: Server, visit: Visit
) -> None:
    """The server's refusal is told beside the focused field, and the row is gone."""
    me = visit(server.url)
    me.subscribe("ZZZZ, AAPL")
    expect(me.hint).to_contain_text("ZZZZ: ")
    expect(me.field).to_have_value("ZZZZ")
    expect(me.field).to_be_focused()
    me.expect_rows("AAPL")
    expect(me.page.locator("#live")).to_contain_text("Not subscribed. ZZZZ")


def test_a_list_of_symbols_that_comes_late_does_not_take_the_refusal_away(
    server: Server, visit: Visit
) -> None:
    """What the server said of a symbol stands beside the field until the person types again."""
    me = visit(server.url)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    me.page.route("**/api/v1/symbols", hold)
    with me.page.expect_request("**/api/v1/symbols"):
        me.page.reload()
    me.subscribe("ZZZZ, AAPL")
    expect(me.hint).to_contain_text("ZZZZ: ")
    with me.page.expect_response("**/api/v1/symbols") as answer:
        for route in held:
            route.continue_()
    answer.value.finished()
    me.field.press("End")  # the page has handled the answer by the time that it handles this key
    expect(me.hint).to_contain_text("ZZZZ: ")
    me.field.press_sequentially(" ")
    expect(me.hint).to_have_text("The feed does not list ZZZZ.")


def test_a_symbol_is_found_by_words_of_its_companys_name(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Which the provider tells, or which is well known; its text is shown as it is."""
    wicked = "Zebra <img src=x onerror=alert(1)> & Söhne"
    provider.tell_items([item("MSFT"), item("ZZQ", name=wicked), item("QQZ")])
    me = visit(exact.url)
    subscribe(me, exact, "QQZ")
    me.field.fill("soh")
    options = me.page.locator("#suggestions").get_by_role("option")
    expect(options).to_have_count(1)
    expect(options.first).to_contain_text("ZZQ")
    expect(options.first).to_contain_text(wicked)
    me.field.fill("zebra soh")
    expect(options).to_have_count(1)
    expect(me.hint).to_be_empty()
    me.field.fill("microsoft")
    expect(options.first).to_contain_text("MSFT")
    me.field.press("ArrowDown")
    me.field.press("Enter")
    me.expect_rows("QQZ", "MSFT")
    expect(me.row("MSFT")).to_contain_text("Microsoft")
