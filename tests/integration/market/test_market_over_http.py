"""Streamer, feed, breaker and HTTP provider together, against a real server that misbehaves."""

from __future__ import annotations

import gzip
import json
import random

import pytest
import trio
from structlog.testing import capture_logs

from stockstream import upstreams
from stockstream.market.breaker_types import BreakerSettings
from stockstream.market.feeds.poll import PollFeed
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.providers import HttpProvider, HttpSettings
from stockstream.quotes import iso_utc
from stockstream.times import now_ms
from supervision.events import Exited
from tests.integration.market.rogue import answer, reset
from tests.unit.market.market_tree import FEED, Market

MIB = 1024 * 1024


class HttpMarket(Market):
    """A market whose prices really come over HTTP, in real time."""

    def __init__(self, url, breaker):
        self.url = url
        super().__init__(None, PollSettings(interval=0.03, jitter=0), breaker)

    def poll_feed(self, name, settings):
        http = HttpSettings(read_timeout=0.2, total_timeout=0.4)
        return PollFeed(name, lambda: HttpProvider(self.url, http), settings, self.tables)


@pytest.fixture
async def market(rogue, nursery, monkeypatch):
    """Short waits, so that a test sees the breaker open and close, and prices become stale."""
    monkeypatch.setattr(upstreams, "STALE_AFTER_SECONDS", 0.3)
    settings = BreakerSettings(wait=0.1, max_wait=0.1, jitter=0, slow_call=5)
    running = HttpMarket(rogue.url, settings)
    rogue.script = moving_prices
    nursery.start_soon(running.system.run, running.spec)
    await running.until(lambda: running.batches)
    yield running
    running.system.stop()


def priced(price, symbol="AAPL"):
    return {"symbol": symbol, "price": price, "timestamp": iso_utc(now_ms())}


async def moving_prices(stream, head):
    await stream.send_all(answer(json.dumps([priced(random.uniform(100, 200))]).encode()))


def sends(make):
    async def script(stream, head):
        await stream.send_all(make())

    return script


async def hangs(stream, head):
    await trio.sleep_forever()


async def resets(stream, head):
    reset(stream)


def body(text):
    return sends(lambda: answer(text.encode() if isinstance(text, str) else text))


def half_a_body():
    return answer(json.dumps([priced(1.0)]).encode()[:20], length=500)


def gzip_bomb():
    return answer(gzip.compress(b" " * 50 * MIB), headers=["content-encoding: gzip"])


MISDEEDS = {
    "hang": (hangs, "timeout_read"),
    "reset": (resets, "connection_reset"),
    "garbage": (sends(lambda: b"\x00\xff garbage \r\n\r\n"), "protocol_error"),
    "server error": (sends(lambda: answer(b"", status="500 Oops")), "status_500"),
    "html": (body("<html>Please sign in</html>"), "body_html"),
    "10 MB": (body(b"[" + b" " * 10_000_000 + b"]"), "body_too_large"),
    "bomb": (sends(gzip_bomb), "body_too_large"),
    "wrong types": (body('{"prices":[5,"x",{"symbol":[],"price":{}}]}'), "item_wrong_type"),
    "NaN": (body('[{"symbol":"AAPL","price":NaN,"timestamp":1}]'), "item_not_finite"),
    "negative": (body('[{"symbol":"AAPL","price":-5,"timestamp":1}]'), "item_not_positive"),
    "zero": (body('[{"symbol":"AAPL","price":0,"timestamp":1}]'), "item_not_positive"),
    "clock far ahead": (
        body('[{"symbol":"AAPL","price":5,"timestamp":"2999-01-01T00:00:00Z"}]'),
        "item_clock_ahead",
    ),
}


@pytest.mark.proves("C18", "C17")
@pytest.mark.parametrize("misdeed", MISDEEDS)
async def test_an_upstream_that_misbehaves(misdeed, market, rogue):
    """Counted, logged once, the breaker opens, clients are told, the feed lives, and prices
    flow again when it is over.
    """
    script, kind = MISDEEDS[misdeed]
    with capture_logs() as logs:
        rogue.script = script
        await market.until(lambda: market.circuit.state == "open")
        last = dict(market.tables.quotes.rows)
        assert market.troubles[kind] >= 1
        assert market.feed.reason is not None
        await market.until(lambda: market.feed.state == "stale")
        assert dict(market.tables.quotes.rows) == last, "nothing of it became a price"
        rogue.script = moving_prices
        await market.until(lambda: market.circuit.state == "closed")
        await market.until(lambda: market.tables.quotes.get("AAPL") != last["AAPL"])
    assert [e for e in market.events if isinstance(e, Exited)] == []
    assert len([e for e in logs if e.get("kind") == kind and "over" not in e["event"]]) == 1


@pytest.mark.proves("C18")
async def test_half_a_body(market, rogue):
    async def script(stream, head):
        await stream.send_all(half_a_body())
        await stream.aclose()

    rogue.script = script
    await market.until(lambda: market.circuit.state == "open")
    assert market.troubles["body_truncated"] >= 1


@pytest.mark.proves("C18")
async def test_duplicate_symbols_are_counted_and_the_newest_is_taken(market, rogue):
    def twice():
        early, late = priced(1.0), priced(2.0)
        late["timestamp"] = iso_utc(now_ms() + 1)
        return answer(json.dumps([late, early]).encode())

    rogue.script = sends(twice)
    await market.until(lambda: market.tables.quotes.get("AAPL").quote.price == 2.0)
    assert market.troubles["item_duplicate_symbol"] >= 1
    assert market.circuit.state == "closed"


@pytest.mark.proves("C18")
async def test_an_upstream_that_is_gone_and_comes_back(market, rogue):
    rogue.stop()
    await market.until(lambda: market.circuit.state == "open")
    assert market.troubles["connect_failed"] >= 1
    published = len(market.batches)
    await rogue.start()
    await market.until(lambda: len(market.batches) > published)
    await market.until(lambda: market.circuit.state == "closed")


async def test_a_feed_killed_in_the_middle_of_fetches_leaves_no_connection(market, rogue):
    """Each life closes its client, whatever the moment; only the last one's connection stays."""
    asked = trio.Event()

    async def slow(stream, head):
        asked.set()
        await trio.sleep(0.005)
        await moving_prices(stream, head)

    rogue.script = slow
    for _ in range(30):
        asked = trio.Event()
        await asked.wait()
        await market.kill(FEED)
    await market.until(lambda: rogue.open_now <= 1)
    told = market.breaker
    assert told.in_flight <= 1
    # A kill is no failure. On a machine that is starved an answer may be too late, which is one.
    late = {kind: times for kind, times in market.troubles.items() if "timeout" in kind}
    assert told.failed == sum(late.values())
    published = len(market.batches)
    await market.until(lambda: len(market.batches) > published)
    versions = [row.quote.version for batch in market.batches for row in batch.rows]
    assert versions == sorted(set(versions)), "one after another, none twice"
