"""Alerts that reach somebody who does not look: the desktop, the title, the picture in the tab."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.test_alerts import PRICED, make_rule, until_stored
from tests.browser.waiting import until
from tests.browser.witness import Witness

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Visit
    from tests.browser.dashboard import Dashboard
    from tests.support.programs import Server

WATCHED = """
    window.shown = [];
    window.Notification = class extends Notification {
      constructor(title, options) {
        super(title, options);
        window.shown.push(options.body);
        window.newest = this;
      }
    };
    const seen = { hidden: [false, true], visibilityState: ["visible", "hidden"] };
    for (const [name, [here, away]] of Object.entries(seen))
      Object.defineProperty(document, name, { get: () => (window.away ? away : here) });
"""
"""Writes down what is shown; and a tab of a headless browser is always seen, unless it says so."""

LEAVE = "() => { window.away = true; document.dispatchEvent(new Event('visibilitychange')); }"


def shown(page: Page) -> list[str]:
    return [str(text) for text in page.evaluate("() => window.shown")]


def visit_watched(visit: Visit, server: Server, **options: object) -> Dashboard:
    """A dashboard in a browser that allows notifications of the server, and writes them down."""
    me = visit("about:blank", **options)
    me.page.context.grant_permissions(["notifications"], origin=server.url)
    me.page.context.add_init_script(WATCHED)
    me.page.goto(server.url)
    me.subscribe("AAPL")
    me.expect_price("AAPL")
    return me


def test_an_alert_is_notified_once_by_all_tabs_and_read_in_all_of_them(
    keeping: Server, visit: Visit
) -> None:
    """Asked for by a button; only while nobody looks; a click has read it, here and on a chart."""
    me = visit_watched(visit, keeping)
    reach = me.page.get_by_test_id("alert-reach")
    expect(reach).to_contain_text("Off.")
    reach.get_by_role("button", name="Notify me on this desktop").click()
    expect(reach).to_contain_text("On.")
    reach.get_by_role("button", name="Try it").click()
    expect(reach).to_contain_text("A notification was shown.")
    assert shown(me.page) == ["Alerts of StockStream look like this."]

    chart = me.page.context.new_page()
    witness = Witness(chart, server_goes_away=False)
    chart.goto(f"{keeping.url}/s/AAPL")
    expect(chart).to_have_title(PRICED)
    expect(me.page).to_have_title(PRICED)
    plain = me.page.locator('link[rel="icon"]').get_attribute("href")

    make_rule(me, keeping, "MSFT")  # while both are looked at
    for page in (me.page, chart):
        expect(page.get_by_test_id("alert-notice")).to_contain_text("MSFT ")
        expect(page).to_have_title(re.compile(r"^\(1\) AAPL "))
        expect(page.locator('link[rel="icon"]')).not_to_have_attribute("href", str(plain))
    for page in (me.page, chart):
        page.evaluate(LEAVE)
    make_rule(me, keeping, "TSLA")
    until(me.page, lambda: any("TSLA" in text for text in shown(me.page) + shown(chart)))
    for page in (me.page, chart):
        expect(page.get_by_test_id("alert-notice")).to_contain_text("TSLA ")
    until_stored(me, keeping, 2)
    told = shown(me.page)[1:] + shown(chart)
    assert len(told) == 1, told

    phone = visit(keeping.url, storage_state=me.page.context.storage_state())
    expect(phone.page.get_by_test_id("alerts-sum")).to_have_text("2 unread")

    teller = me.page if len(shown(me.page)) == 2 else chart
    with teller.expect_response("**/fired/read") as marked:
        teller.evaluate("() => window.newest.dispatchEvent(new Event('click'))")
    assert marked.value.ok
    for page in (me.page, chart):
        expect(page).to_have_title(PRICED)
        expect(page.get_by_test_id("alert-notice")).to_be_hidden()
        expect(page.locator('link[rel="icon"]')).to_have_attribute("href", str(plain))
    expect(phone.page.get_by_test_id("alerts-sum")).to_have_text("")
    expect(phone.page.get_by_test_id("alert-notice")).to_be_hidden()
    me.page.get_by_role("button", name="Remove the alert “TSLA").click()
    expect(phone.page.get_by_test_id("rules").get_by_role("listitem")).to_have_count(1)
    assert witness.troubles == []


def test_a_browser_that_was_told_no_says_so(keeping: Server, visit: Visit) -> None:
    """At once, where somebody changes it; sound is its own choice, and needs no permission."""
    me = visit(keeping.url)
    reach = me.page.get_by_test_id("alert-reach")
    expect(reach).to_contain_text("The browser will ask you.")
    chromium = me.page.context.new_cdp_session(me.page)
    whose = chromium.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
    switch = {"permission": {"name": "notifications"}, "origin": keeping.url}
    denied = switch | {"setting": "denied", "browserContextId": whose}
    chromium.send("Browser.setPermission", denied)
    expect(reach).to_contain_text("Blocked: this browser was told not to show notifications")
    expect(reach.get_by_role("button")).to_have_count(0)
    reach.get_by_label("Sound").check()
    reach.get_by_role("button", name="Try it").click()
    expect(reach).to_contain_text(re.compile("A sound was played|There is no device"))
    me.page.reload()
    expect(reach.get_by_label("Sound")).to_be_checked()
    expect(reach).to_contain_text("once something on this page was pressed")
