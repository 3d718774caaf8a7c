"""A rule that is mailed: its address is asked first, and confirms by the page of the letter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import FAST, until_rows_are_kept
from tests.browser.dashboard import A_MOVE
from tests.browser.test_alerts import add_alert
from tests.browser.test_looks import expect_no_sideways_scroll
from tests.browser.waiting import until
from tests.support.programs import Server
from tests.support.smtp_server import smtp_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Serving, Visit
    from tests.support.programs import Stub


def test_an_alert_is_mailed_once_its_address_has_confirmed(
    stub: Stub, serving: Serving, visit: Visit, tmp_path: Path
) -> None:
    """By the link of the letter, in the browser of whoever reads it; the page tells how it went."""
    with smtp_server() as box:
        mail = {
            "SMTP_URL": f"smtp://127.0.0.1:{box.port}",
            "MAIL_FROM": "alerts@example.com",
            "PUBLIC_URL": "https://stocks.example",
        }
        server = serving(Server(tmp_path, FAST | {"STOCK_API_URL": stub.url} | mail))
        until_rows_are_kept(server)
        me = visit(server.url, viewport={"width": 360, "height": 740})
        me.subscribe("AAPL")
        me.expect_price("AAPL")
        me.page.get_by_text("Mail it as well").click()
        me.page.get_by_label("Symbol", exact=True).fill("AAPL")
        me.page.get_by_label("When it").select_option(label="rises to")
        me.page.get_by_label("Price", exact=True).fill("100,000")
        me.page.get_by_label("Mail address").fill("no address")
        add = me.page.get_by_role("button", name="Add alert")
        add.click()
        hint = me.page.get_by_test_id("alert-hint")
        expect(hint).to_contain_text("Not added: mail to “no address”: write name@domain.")
        me.page.get_by_label("Mail address").fill("me@example.org")
        add.click()
        expect(hint).to_contain_text("A mail to me@example.org asks first")
        rules = me.page.get_by_test_id("rules")
        expect(rules).to_contain_text("mailed to me@example.org, once it has confirmed")

        until(me.page, lambda: len(box.letters) == 1)
        addresses = me.page.get_by_test_id("mail-addresses")
        addresses.get_by_text("Mail addresses").press("Enter")
        mine = addresses.get_by_role("listitem").filter(has_text="me@example.org")
        expect(mine).to_contain_text("not confirmed yet; asked 20")
        mine.get_by_role("button", name="Ask again me@example.org").press("Enter")
        until(me.page, lambda: len(box.letters) == 2)
        expect(addresses.locator(".entry-hint")).to_contain_text("press the link in it")
        addresses.get_by_label("Another address").fill("other@example.org")
        addresses.get_by_label("Another address").press("Enter")
        other = addresses.get_by_role("listitem").filter(has_text="other@example.org")
        other.get_by_role("button", name="Remove other@example.org").press("Enter")
        expect(addresses.get_by_role("listitem")).to_have_count(1)
        expect_no_sideways_scroll(me)
        (path,) = re.findall(r"https://stocks.example(/mail/\S+)", box.letters[0].get_content())
        reader = visit(server.url + path, viewport={"width": 360, "height": 740})
        expect(reader.page.get_by_role("main")).to_contain_text("me@example.org")
        expect_no_sideways_scroll(reader)
        reader.page.get_by_role("button", name="Yes, mail them").click()
        expect(reader.page.get_by_role("heading")).to_have_text("Confirmed")

        expect(rules).not_to_contain_text("once it has")
        expect(mine).to_contain_text("confirmed 20")
        expect(mine.get_by_role("button")).to_have_count(1)
        me.page.get_by_label("Mail address").fill("me@example.org")
        add_alert(me, "AAPL", "moves by", A_MOVE)
        expect(hint).to_contain_text("Added. You will be told when AAPL moves")
        expect(hint).not_to_contain_text("asks first")
        fired = me.page.get_by_test_id("fired").get_by_role("listitem")
        expect(fired.filter(has_text="Mailed at").first).to_be_visible()
        assert "AAPL" in box.letters[-1]["Subject"]
        expect_no_sideways_scroll(me)
