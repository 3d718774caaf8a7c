"""The answers of well-known vendors, over a real socket: what is read, and what is said."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from stockstream.market.breaker_types import BreakerSettings
from stockstream.quotes import Symbol
from tests.integration.market.rogue import answer
from tests.integration.market.test_market_over_http import HttpMarket
from tests.integration.market.vendors import AT, SHAPES, WORKING, body_of

KEY = "hunter2"


async def started(rogue, nursery):
    market = HttpMarket(f"{rogue.url}/v2?apikey={KEY}", BreakerSettings())
    nursery.start_soon(market.system.run, market.spec)
    return market


@pytest.mark.parametrize("vendor", SHAPES)
async def test_what_is_there_instead_is_said(vendor, rogue, nursery):
    """Each trouble is one line, which holds the address once, whole and without the key; the
    lines name the fields that are there, or what the server says. The feed's reason, which
    anybody can read, is short and holds neither the address nor the server's own words.
    """
    shape, words = SHAPES[vendor]
    rogue.always(answer(body_of(shape)))
    with capture_logs() as logs:
        market = await started(rogue, nursery)
        await market.until(lambda: market.feed is not None and market.feed.reason is not None)
    reason = market.feed.reason
    market.system.stop()
    troubles = [line for line in logs if line["event"] == "feed trouble"]
    asked = f"{rogue.url}/v2/api/stock-prices?apikey=********"
    assert [line["address"] for line in troubles] == [asked] * len({t["kind"] for t in troubles})
    assert [str(line).count(rogue.url) for line in troubles] == [1] * len(troubles)
    assert any(words in str(line).replace("\\'", "'") for line in troubles), troubles
    assert KEY not in str(logs)
    assert len(reason) <= 200
    assert rogue.url not in reason
    assert not any(str(line.get("server_said")) in reason for line in troubles)


@pytest.mark.parametrize("vendor", WORKING)
async def test_what_is_read(vendor, rogue, nursery):
    rogue.always(answer(body_of(WORKING[vendor]), headers=["content-type: text/html"]))
    with capture_logs() as logs:
        market = await started(rogue, nursery)
        await market.until(lambda: market.batches)
    assert market.tables.quotes.get(Symbol("AAPL")).quote.timestamp == AT * 1000
    assert not [line for line in logs if line["event"] == "feed trouble"]
    market.system.stop()
