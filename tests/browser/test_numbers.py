"""Numbers that people type, and those that the page writes: the same ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FAST, until_rows_are_kept
from tests.browser.dashboard import tab_beside
from tests.browser.provider import Provider
from tests.browser.test_alerts import add_alert
from tests.browser.waiting import until
from tests.support.programs import Server, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard

BRK, PICO, TINY = "BRK.A", "PICO", "TINY"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A large price, and two that are far below a cent."""
    prices = {BRK: 712_345.0, PICO: 5.1e-7, TINY: 1.05e-5}
    provider = Provider(tmp_path_factory.mktemp("provider"), prices)
    with running(provider):
        yield provider


@pytest.fixture(scope="module")
def priced(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with those prices, and a database."""
    server = Server(tmp_path_factory.mktemp("priced"), FAST | {"STOCK_API_URL": provider.url})
    with running(server):
        until_rows_are_kept(server)
        yield server


def until_judged(me: Dashboard, server: Server) -> None:
    """Wait until a price was judged by each rule: it fires when a later one crosses."""
    rules = f"{server.url}/api/v1/alerts/rules"
    until(
        me.page,
        lambda: all(
            rule["armed"] is not None for rule in me.page.request.get(rules).json()["rules"]
        ),
    )


def choose(me: Dashboard, symbol: str, kind: str) -> None:
    me.page.get_by_label("Symbol", exact=True).fill(symbol)
    me.page.get_by_label("When it").select_option(label=kind)


def test_a_price_far_below_a_cent_has_its_digits_its_change_and_its_arrow(
    provider: Provider, priced: Server, visit: Visit
) -> None:
    """In the row, in the count above it, on its chart, and in the course of it in words."""
    me = visit(priced.url)
    me.subscribe(PICO)
    expect(me.price(PICO)).to_have_text("0.00000051")
    provider.tell({PICO: 3.82e-7})
    change = me.row(PICO).locator(".c-change")
    expect(me.price(PICO)).to_have_text("0.000000382")
    expect(change).to_have_text("\N{MINUS SIGN}0.000000128\N{MINUS SIGN}25.10\N{NO-BREAK SPACE}%")
    expect(change).to_have_attribute("data-direction", "down")
    expect(me.row(PICO).locator(".trend")).to_have_attribute("data-direction", "down")
    expect(me.page.locator("#summary")).to_have_text("1 symbol · 0 up · 1 down")
    me.page.goto(f"{priced.url}/s/{PICO}?range=15m")
    expect(me.page.get_by_test_id("chart-price")).to_have_text("0.000000382")
    expect(me.page.locator(".chart-change")).to_have_attribute("data-direction", "down")
    expect(me.page.get_by_test_id("chart-summary")).to_contain_text(
        "from 0.000000510 to 0.000000382, \N{MINUS SIGN}0.000000128 (\N{MINUS SIGN}25.10"
    )
    expect(me.page.get_by_test_id("readout")).to_contain_text("0.000000382")


def test_a_threshold_is_read_as_the_page_writes_it_and_is_said_back_before_it_counts(
    provider: Provider, priced: Server, visit: Visit
) -> None:
    """While it is typed, once it is made, and as it fires: 720,000 is never 720."""
    me = visit(priced.url)
    me.subscribe(BRK)
    expect(me.price(BRK)).to_have_text("712,345.00")
    hint = me.page.get_by_test_id("alert-hint")
    price = me.page.get_by_label("Price", exact=True)
    choose(me, BRK, "rises to")
    price.press_sequentially("720")
    expect(hint).to_contain_text(
        "BRK.A rises to 720.00. It is at 712,345.00 now: it has to go back"
    )
    price.press_sequentially(",")
    expect(hint).to_have_attribute("data-kind", "none")
    price.press_sequentially("000")
    said = "You will be told when BRK.A rises to 720,000.00. It is at 712,345.00 now."
    expect(hint).to_have_text(said)
    price.press("Tab")
    expect(me.page.locator("#live")).to_contain_text(said)
    me.page.get_by_role("button", name="Add alert").click()
    expect(hint).to_have_text(f"Added. {said}")
    expect(me.page.get_by_test_id("rules")).to_contain_text("BRK.A rises to 720,000.00")
    until_judged(me, priced)
    provider.tell({BRK: 730_000.0})
    expect(me.page.get_by_test_id("alert-notice")).to_contain_text(
        "BRK.A rose to 730,000.00, over 720,000.00."
    )
    provider.tell({BRK: 712_345.0})


def test_a_number_that_could_be_another_one_is_refused_with_what_to_type(
    priced: Server, visit: Visit
) -> None:
    """While it is typed, and when it is sent; nothing typed is lost."""
    me = visit(priced.url)
    hint = me.page.get_by_test_id("alert-hint")
    price = me.page.get_by_label("Price", exact=True)
    choose(me, BRK, "rises to")
    for typed, told in {
        "101,5": "it could mean 101.5 or 1,015",
        "1,23": "it could mean 1.23 or 123",
        "1.234,56": "type 1,234.56",
        "1e5": "type 100,000",
        "0x10": "is not a number that is understood here",
        "Infinity": "is not a number that is understood here",
        "much": "is not a number that is understood here",
        "0": "Type a number above 0.",
        "-5": "Type a number above 0.",
        "": "Type a price.",
    }.items():
        price.fill(typed)
        if typed != "":
            expect(hint).to_contain_text(told)
        price.press("Enter")
        expect(hint).to_contain_text(told)
        expect(hint).to_have_attribute("data-kind", "error")
        expect(price).to_be_focused()
        expect(price).to_have_value(typed)
        expect(price).to_have_attribute("aria-invalid", "true")
    expect(me.page.get_by_test_id("rules")).to_be_hidden()
    for typed, told in {
        "1,234.56": "1,234.56",
        "1 234.56": "1,234.56",
        "1\N{NO-BREAK SPACE}234.56": "1,234.56",
        "1\N{THIN SPACE}234.56": "1,234.56",
        "0.000000382": "0.000000382",
        "720000.123456789": "720,000.123456789",
    }.items():
        price.fill(typed)
        expect(hint).to_contain_text(f"BRK.A rises to {told}.")
    me.page.get_by_label("When it").select_option(label="moves by")
    percent = me.page.get_by_label("Percent", exact=True)
    percent.fill("2,5")
    percent.press("Enter")
    expect(hint).to_contain_text("it could mean 2.5 or 25")
    percent.fill("2.5 %")
    expect(hint).to_have_text("You will be told when BRK.A moves 2.5 % within 5 min.")


def test_an_alert_at_a_price_far_below_a_cent_is_told_with_its_digits(
    provider: Provider, priced: Server, visit: Visit
) -> None:
    """The threshold in full, and never "over" itself."""
    me = visit(priced.url)
    me.subscribe(TINY)
    expect(me.price(TINY)).to_have_text("0.0000105")
    add_alert(me, TINY, "rises to", "0.0000108")
    expect(me.page.get_by_test_id("rules")).to_contain_text("TINY rises to 0.0000108")
    until_judged(me, priced)
    provider.tell({TINY: 1.09e-5})
    expect(me.page.get_by_test_id("alert-notice")).to_contain_text(
        "TINY rose to 0.0000109, over 0.0000108."
    )


def test_a_rule_that_cannot_fire_says_so_and_nobody_makes_one_of_a_placeholder(
    priced: Server, visit: Visit
) -> None:
    """An unlisted symbol is told before and after; without a symbol there is no rule."""
    me = visit(priced.url)
    expect(me.page.get_by_role("button", name="Add all 3")).to_be_visible()
    hint = me.page.get_by_test_id("alert-hint")
    symbol = me.page.get_by_label("Symbol", exact=True)
    price = me.page.get_by_label("Price", exact=True)
    price.fill("5")
    expect(hint).to_have_text("5.00. Type a symbol, such as AAPL.")
    price.press("Enter")
    expect(hint).to_have_text("Type a symbol, such as AAPL.")
    expect(symbol).to_be_focused()
    symbol.fill("NOSUCH")
    expect(hint).to_contain_text("No feed lists NOSUCH.")
    expect(hint).to_have_attribute("data-kind", "warning")
    symbol.press("Enter")
    expect(hint).to_have_text(
        "Added. No feed lists NOSUCH. You will be told when NOSUCH rises to 5.00, once one does."
    )
    rule = me.page.get_by_test_id("rules").get_by_role("listitem")
    expect(rule).to_have_text(re.compile("NOSUCH rises to 5.00, once in 1 min at most No feed"))


def test_rules_and_what_was_read_are_the_same_in_all_tabs(
    provider: Provider, priced: Server, visit: Visit
) -> None:
    """A rule made, and one removed; a notification that one of them dismisses."""
    me = visit(priced.url)
    me.subscribe(BRK)
    expect(me.price(BRK)).to_have_text("712,345.00")
    other = tab_beside(me.page)
    other.goto(priced.url)
    expect(other.get_by_test_id("row-BRK.A")).to_be_visible()
    rules = other.get_by_test_id("rules").get_by_role("listitem")
    add_alert(me, BRK, "falls to", "700,000")
    expect(rules).to_have_text(re.compile("BRK.A falls to 700,000.00"))
    until_judged(me, priced)
    provider.tell({BRK: 699_000.0})
    for page in (me.page, other):
        expect(page.get_by_test_id("alert-notice")).to_contain_text("BRK.A fell to 699,000.00")
        expect(page.get_by_test_id("alerts-sum")).to_have_text("1 unread")
    me.page.get_by_role("button", name="Dismiss the alert").click()
    for page in (me.page, other):
        expect(page.get_by_test_id("alert-notice")).to_be_hidden()
        expect(page.get_by_test_id("alerts-sum")).to_have_text("")
    me.page.get_by_role("button", name="Remove the alert").click()
    expect(other.get_by_test_id("rules")).to_be_hidden()
    provider.tell({BRK: 712_345.0})


def test_a_percentage_of_the_stubs_page_is_what_was_typed(
    provider: Provider, browser: Browser
) -> None:
    """A number field drops a comma and makes 15 of 1,5; here it stays, and is refused."""
    page = browser.new_page()
    page.goto(f"{provider.url}/__admin")
    field = page.locator("[name=errorRate]")
    field.fill("")
    field.press_sequentially("1,5")
    expect(field).to_have_value("1,5")
    field.press("Enter")
    assert field.evaluate("field => field.validity.patternMismatch")
    field.fill("1.5")
    with page.expect_response("**/__admin/outage") as applied:
        field.press("Enter")
    assert applied.value.ok
    assert page.request.get(f"{provider.url}/__admin/outage").json()["errorRate"] == 0.015
    field.fill("0")
    with page.expect_response("**/__admin/outage"):
        field.press("Enter")
    page.close()


def test_a_rule_of_a_symbol_that_is_listed_later_is_told_to_be_listed(
    provider: Provider, priced: Server, visit: Visit
) -> None:
    """Within a minute, without a reload."""
    # As its time leaps, the page gives a connection up that would have been there in a moment.
    me = visit(priced.url, server_goes_away=True)
    me.page.clock.install()
    me.page.reload()
    expect(me.page.get_by_role("button", name="BRK.A", exact=True)).to_be_visible()
    add_alert(me, "LATER", "rises to", "5")
    rule = me.page.get_by_test_id("rules").get_by_role("listitem")
    unlisted = rule.get_by_text("No feed lists it.")
    expect(unlisted).to_be_visible()
    provider.tell({"LATER": 4.5})
    symbols = f"{priced.url}/api/v1/symbols"
    until(me.page, lambda: "LATER" in me.page.request.get(symbols).text())
    me.page.clock.run_for(61_000)
    expect(unlisted).to_be_hidden()
