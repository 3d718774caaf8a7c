"""The course of the day in the watch list: what history has of it, and what comes after that."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
from playwright.sync_api import expect

from tests.browser.conftest import until_rows_are_kept
from tests.browser.telling import subscribe
from tests.browser.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from tests.browser.conftest import Visit
    from tests.browser.provider import Provider
    from tests.support.programs import Server

BEGIN = (datetime.now(UTC) - timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
"""Of yesterday: no midnight comes while the test runs."""


def tell(provider: Provider, number: int, price: float) -> None:
    """A price, ten minutes after the one before it."""
    at = (BEGIN + timedelta(minutes=10 * number)).isoformat().replace("+00:00", "Z")
    provider.tell_items([{"symbol": "SPRK", "price": price, "timestamp": at}])


def recorded(server: Server) -> list[float]:
    """What the history has of it; none while it is started."""
    answer = httpx.get(f"{server.url}/api/v1/ticks/SPRK", params={"from": BEGIN.isoformat()})
    return [tick["price"] for tick in answer.json()["ticks"]] if answer.status_code == 200 else []


def test_a_row_draws_its_day_from_history_and_goes_on_with_the_prices_that_come(
    provider: Provider, exact: Server, visit: Visit
) -> None:
    """Before the exchange opens it is the last day, with the time that it begins at; one question
    is enough for all that comes later.
    """
    until_rows_are_kept(exact)
    told = [100.0, 104.0, 98.0, 101.0]
    for number, price in enumerate(told):
        tell(provider, number, price)
        give_up = time.monotonic() + WAIT_SECONDS
        while len(recorded(exact)) <= number:
            assert time.monotonic() < give_up, recorded(exact)
            time.sleep(0.05)
    asked: list[str] = []
    me = visit("about:blank")
    me.page.on("request", lambda request: asked.append(request.url))
    me.page.goto(exact.url)
    subscribe(me, exact, "SPRK")
    trend = me.row("SPRK").locator(".trend")
    since = f"since {BEGIN:%a} 10:00\N{NO-BREAK SPACE}UTC"
    day = f"from 100.00 to 101.00, lowest 98.00, highest 104.00, {since}"
    expect(trend).to_have_accessible_name(day)
    expect(me.row("SPRK").locator(".c-trend")).to_have_attribute("title", day)
    line = trend.locator(".trend-line")
    expect(line).to_have_attribute("points", re.compile(r"^0,\S+ 33\.3,2 66\.7,26 100,\S+$"))
    tell(provider, 6, 110.0)
    expect(trend).to_have_accessible_name(
        f"from 100.00 to 110.00, lowest 98.00, highest 110.00, {since}"
    )
    # Half an hour without a price is as long as it was.
    expect(line).to_have_attribute("points", re.compile(r"^0,\S+ 16\.7,\S+ 33\.3,26 50,\S+ 100,2$"))
    assert len([url for url in asked if "/sparks?" in url]) == 1, asked
