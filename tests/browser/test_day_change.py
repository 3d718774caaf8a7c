"""The change of the day over a restart of the server: on the dashboard, the chart and the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FAST
from tests.browser.provider import Provider
from tests.support.programs import Server, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Serving, Visit
    from tests.browser.dashboard import Dashboard
    from tests.support.database import PostgresServer

UP_TEN = re.compile(r"\+10\.00\s*\+10\.00\s%")
BASIS = "since the day\N{RIGHT SINGLE QUOTATION MARK}s first price"


def expect_ten_percent(me: Dashboard) -> None:
    """Wait until the row says so, and against what."""
    change = me.row("AAA").locator(".c-change")
    expect(change).to_have_text(UP_TEN)
    expect(change).to_have_attribute("title", re.compile(f"^up {BASIS} at "))
    expect(me.page.get_by_test_id("bases")).to_have_text(f"Change is {BASIS}.")


@pytest.mark.proves("W22")
def test_dashboard_chart_and_api_agree_after_a_restart(
    tmp_path: Path, postgres_server: PostgresServer, serving: Serving, visit: Visit
) -> None:
    """100, then 110, then a restart: +10 %, against the same price, everywhere."""
    (folder := tmp_path / "stub").mkdir()
    provider = Provider(folder, {"AAA": 100.0})
    with running(provider):
        settings = {
            **FAST,
            "STOCK_API_URL": provider.url,
            "DATABASE_URL": postgres_server.create_database(),
        }
        server = serving(Server(tmp_path, settings))
        me = visit(server.url, server_goes_away=True)
        me.subscribe("AAA")
        assert me.expect_price("AAA") == 100.0
        provider.tell({"AAA": 110.0})
        expect_ten_percent(me)
        before = me.row("AAA").locator(".c-change").get_attribute("title")

        server.stop()
        expect(me.status("socket")).not_to_have_attribute("data-state", "open")
        server.start()
        me.expect_live()
        expect_ten_percent(me)
        assert me.row("AAA").locator(".c-change").get_attribute("title") == before

        quote = httpx.get(f"{server.url}/api/v1/quotes/AAA", timeout=10).json()["quote"]
        told = quote["price"], quote["base"], quote["basis"], quote["day_zone"]
        assert told == (110.0, 100.0, "day_first", "UTC")
        me.row("AAA").get_by_role("link").click()
        headline = me.page.locator("#headline .chart-change")
        expect(headline).to_have_text(UP_TEN)
        expect(headline).to_contain_text(BASIS)
