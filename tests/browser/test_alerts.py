"""Price alerts on the page: made by keyboard, told once, listed, read, and there after a while."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import A_MOVE
from tests.browser.network import late_answer
from tests.browser.test_looks import CONTRASTS, NARROW, READABLE, expect_no_sideways_scroll
from tests.browser.waiting import until

if TYPE_CHECKING:
    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard
    from tests.support.programs import Server


PRICED = re.compile(r"^AAPL [\d,.]+( [▲▼]?[\d.]+%)? · StockStream$")
"""The title of a page with nothing unread."""


def add_alert(me: Dashboard, symbol: str, kind: str, threshold: str) -> None:
    me.page.get_by_label("Symbol", exact=True).fill(symbol)
    me.page.get_by_label("When it").select_option(label=kind)
    label = "Percent" if kind == "moves by" else "Price"
    me.page.get_by_label(label, exact=True).fill(threshold)
    me.page.get_by_role("button", name="Add alert").click()


def make_rule(me: Dashboard, server: Server, symbol: str) -> None:
    """By the API: it fires with the next price but one, and once only."""
    rule = {"symbol": symbol, "kind": "move", "threshold": float(A_MOVE), "window": 60}
    answer = me.page.request.post(
        f"{server.url}/api/v1/alerts/rules", data=rule | {"hysteresis": 0, "cooldown": 86_400}
    )
    assert answer.ok, answer.text()


def until_stored(me: Dashboard, server: Server, count: int) -> None:
    """Wait until the server has stored so many alerts: pages are told of them before."""
    fired = f"{server.url}/api/v1/alerts/fired"
    until(me.page, lambda: len(me.page.request.get(fired).json()["alerts"]) >= count)


def fired_while_away(me: Dashboard, server: Server) -> None:
    """Leave the page, and wait until an alert of MSFT has fired."""
    me.page.goto("about:blank")
    make_rule(me, server, "MSFT")
    until_stored(me, server, 1)


def test_a_rule_is_made_with_the_keyboard_and_its_alert_is_told(
    keeping: Server, visit: Visit
) -> None:
    """The notification, the one live region, the list and the count; marked as read."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    me.page.get_by_label("Symbol", exact=True).focus()
    keys = me.page.keyboard
    keys.type("aapl")
    keys.press("Tab")
    keys.type("moves")
    expect(me.page.get_by_label("Within")).to_be_visible()
    keys.press("Tab")
    keys.type(A_MOVE)
    keys.press("Enter")
    expect(me.page.get_by_test_id("rules")).to_contain_text(f"AAPL moves {A_MOVE} % within 5 min")
    notice = me.page.get_by_test_id("alert-notice")
    expect(notice).to_contain_text("AAPL ")
    expect(me.page.locator("#live")).to_contain_text("Alert. AAPL")
    expect(me.page.get_by_test_id("alerts-sum")).to_contain_text("unread")
    expect(me.page.get_by_test_id("fired").get_by_role("listitem").first).to_contain_text("AAPL")
    until_stored(me, keeping, 1)
    me.page.get_by_role("button", name="Remove the alert").click()
    expect(me.page.get_by_test_id("rules")).to_be_hidden()
    with me.page.expect_response("**/fired/read") as marked:
        me.page.get_by_role("button", name="Mark all as read").click()
    assert marked.value.ok
    expect(me.page.get_by_test_id("alerts-sum")).to_have_text("")
    expect(me.page).to_have_title(PRICED)
    me.page.reload()
    expect(me.page.get_by_test_id("fired").get_by_role("listitem").first).to_be_visible()
    expect(me.page.get_by_test_id("alerts-sum")).to_have_text("")
    expect(notice).to_be_hidden()


def test_what_fired_while_nobody_looked_is_told_on_return(keeping: Server, visit: Visit) -> None:
    """Once, by the API; the rule is a row, which needs no page."""
    me = visit(keeping.url)
    me.subscribe("MSFT")
    me.expect_price("MSFT")
    url = me.page.url
    fired_while_away(me, keeping)
    me.page.goto(url)
    expect(me.page.get_by_test_id("alert-notice")).to_contain_text("While you were away: MSFT")
    expect(me.page.get_by_test_id("rules")).to_contain_text(f"MSFT moves {A_MOVE} % within 1 min")


def test_what_is_wrong_is_told_beside_the_form_and_a_removed_rule_comes_back(
    keeping: Server, visit: Visit
) -> None:
    """Nothing typed is lost; the focus is where it has to be corrected; Control Z undoes."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    hint = me.page.get_by_test_id("alert-hint")
    add_alert(me, "AA$PL", "rises to", "100000")
    expect(hint).to_contain_text("“$” is not allowed")
    expect(me.page.get_by_label("Symbol", exact=True)).to_be_focused()
    add_alert(me, "AAPL", "rises to", "much")
    expect(hint).to_contain_text("“much” is not a number that is understood here")
    expect(me.page.get_by_label("Price", exact=True)).to_be_focused()
    expect(me.page.get_by_label("Price", exact=True)).to_have_value("much")
    add_alert(me, "AAPL", "rises to", "100000")
    expect(hint).to_contain_text(
        "Added. You will be told when AAPL rises to 100,000.00. It is at 1"
    )
    add_alert(me, "AAPL", "rises to", "100000")
    expect(hint).to_have_text("Not added: there is such a rule already.")
    add_alert(me, "AAPL", "falls to", "99999")
    expect(hint).to_contain_text(" now: it has to go back first, and come again.")
    rules = me.page.get_by_test_id("rules").get_by_role("listitem")
    expect(rules).to_have_count(2)
    me.page.get_by_role("button", name="Remove the alert “AAPL rises").click()
    expect(rules).to_have_count(1)
    me.page.keyboard.press("Control+z")
    expect(rules).to_have_count(2)


def test_a_rule_that_is_made_while_an_older_answer_is_on_its_way_stays(
    keeping: Server, visit: Visit
) -> None:
    """All rules were told before this one was made."""
    me = visit(keeping.url)
    with late_answer(me.page, "**/api/v1/alerts/rules"):
        add_alert(me, "AAPL", "rises to", "100000")
        expect(me.page.get_by_test_id("rules")).to_contain_text("AAPL rises to 100,000.00")
    expect(me.page.get_by_test_id("rules")).to_contain_text("AAPL rises to 100,000.00")


def test_an_alert_is_notified_once_and_not_again_on_each_page_that_is_opened(
    keeping: Server, visit: Visit
) -> None:
    """Told on the dashboard: silent on charts and back there, and unread until it is dismissed."""
    me = visit(keeping.url)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    notice = me.page.get_by_test_id("alert-notice")
    make_rule(me, keeping, "MSFT")
    expect(notice).to_contain_text("MSFT ")
    until_stored(me, keeping, 1)
    for page in ("s/AAPL", "", "s/MSFT", ""):
        with me.page.expect_response("**/alerts/fired?limit=20") as read:
            me.page.goto(f"{keeping.url}/{page}")
        assert read.value.json()["unread"] == 1
        if page == "":  # painted together with the notification, if there is one
            expect(me.page.get_by_test_id("alerts-sum")).to_have_text("1 unread")
        expect(me.page).to_have_title(re.compile(r"^\(1\) "))
        expect(me.page.get_by_test_id("status-feed")).to_have_attribute("data-state", "live")
        expect(notice).to_be_hidden()
    make_rule(me, keeping, "TSLA")
    expect(notice).to_contain_text("TSLA ")
    expect(notice).not_to_contain_text("more")
    until_stored(me, keeping, 2)
    with me.page.expect_response("**/fired/read") as marked:
        notice.get_by_role("button", name="Dismiss the alert").click()
    assert marked.value.ok
    expect(me.page.get_by_test_id("alerts-sum")).to_have_text("")
    expect(me.page).to_have_title(PRICED)
    me.page.reload()
    expect(me.page.get_by_test_id("fired").get_by_role("listitem")).to_have_count(2)
    expect(me.page.get_by_test_id("alerts-sum")).to_have_text("")
    expect(notice).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_alert_is_told_on_the_page_of_a_chart_too(
    scheme: str, keeping: Server, visit: Visit
) -> None:
    """Of any symbol, as it fires and on return; dismissed with the keyboard; it fits 360 pixels."""
    me = visit(keeping.url, viewport=NARROW, color_scheme=scheme, has_touch=True, is_mobile=True)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    notice = me.page.get_by_test_id("alert-notice")
    fired_while_away(me, keeping)
    me.page.goto(f"{keeping.url}/s/AAPL")
    expect(notice).to_contain_text("While you were away: MSFT ")
    dismiss = notice.get_by_role("button", name="Dismiss the alert")
    dismiss.focus()
    with me.page.expect_response("**/fired/read") as marked:
        me.page.keyboard.press("Enter")
    assert marked.value.ok
    expect(notice).to_be_hidden()

    make_rule(me, keeping, "TSLA")
    expect(notice).to_contain_text("TSLA ")
    expect(notice).not_to_contain_text("away")
    expect(me.page.locator("#live")).to_contain_text("Alert. TSLA")
    expect_no_sideways_scroll(me)
    contrasts = me.page.evaluate(CONTRASTS)
    assert any("TSLA" in text for text, _ratio in contrasts)
    assert [(text, ratio) for text, ratio in contrasts if ratio < READABLE] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_became_of_the_posting_is_told_and_an_alert_is_posted_again(
    scheme: str, keeping: Server, visit: Visit
) -> None:
    """Without a reload; one that was given up, one that is tried again; it fits 360 pixels."""
    me = visit(keeping.url, viewport=NARROW, color_scheme=scheme, has_touch=True, is_mobile=True)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    me.page.get_by_text("Post it to an address as well").tap()
    for symbol, url in (
        ("MSFT", "https://localhost/" + "a-long-path/" * 20),
        ("AAPL", "https://no-such-host.invalid/"),
    ):
        me.page.get_by_label("Tell it").select_option(label="once a day")
        me.page.get_by_label("Address", exact=True).fill(url)
        add_alert(me, symbol, "moves by", A_MOVE)
        expect(me.page.get_by_test_id("rules")).to_contain_text(f"{symbol} moves")
    fired = me.page.get_by_test_id("fired").get_by_role("listitem")
    dead = fired.filter(has_text="MSFT")
    expect(dead).to_be_visible()
    expect(dead).to_contain_text("Not posted: localhost is not on the internet. Given up")
    waiting = fired.filter(has_text="AAPL")
    expect(waiting).to_be_visible()
    expect(waiting).to_contain_text("Not posted yet: no-such-host.invalid: ")
    expect(waiting).to_contain_text("Tried ")
    again = dead.get_by_role("button", name="Post again")
    with me.page.expect_response("**/post") as posted:
        again.tap()
    assert posted.value.json()["delivery"]["state"] == "pending"
    expect(again).to_be_visible()
    with me.page.expect_response("**/post") as posted:
        waiting.get_by_role("button", name="Post now").tap()
    assert posted.value.ok
    expect_no_sideways_scroll(me)
    expect(waiting).to_contain_text("Tried ")
    expect(dead).to_contain_text("Given up")  # once more
    contrasts = me.page.evaluate(CONTRASTS)
    assert "Given up" in " ".join(text for text, _ratio in contrasts)
    assert [(text, ratio) for text, ratio in contrasts if ratio < READABLE] == []
