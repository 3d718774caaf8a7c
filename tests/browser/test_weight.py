"""What a visit asks of the network: bytes and requests, as Chromium counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.dashboard import Dashboard
from tests.browser.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

    from tests.support.programs import Server

FIRST_PRICE_BYTES = 74 * 1024
SECOND_VISIT_REQUESTS = 5


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of somebody who was never here."""
    context = browser.new_context()
    yield context
    context.close()


def test_the_first_price_costs_little_and_the_second_visit_less(
    context: BrowserContext, keeping: Server
) -> None:
    """All that comes until then, heads included; then only what may have changed meanwhile: the
    page, its socket, and what is asked of the API.
    """
    page = context.new_page()
    network = Network(page)
    page.goto(keeping.url)
    dashboard = Dashboard(page)
    dashboard.subscribe("AAPL")
    dashboard.expect_price("AAPL")
    assert network.priced
    assert network.bytes <= FIRST_PRICE_BYTES, network.told()
    first = set(network.asked)
    again = context.new_page()
    network = Network(again)
    again.goto(keeping.url)
    Dashboard(again).expect_price("AAPL")
    assert len(network.asked) <= SECOND_VISIT_REQUESTS, network.told()
    assert first - set(network.asked) != set()
    assert [url for url in network.asked if "/static/" in url] == []
