"""Traces of a whole server, told to a collector that reads real OTLP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from stockstream import spans
from stockstream.tracing import traced
from tests.integration.alerts.receiver import Receiver
from tests.integration.alerts.support import NEARBY, Me, listening, user_of
from tests.integration.delivery.upstream import started_api
from tests.support.client import connected
from tests.support.collector import Collected, Collector, running_collector
from tests.support.kraken import kraken
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector; what is set for it is not set for the tests after this one."""
    async with running_collector() as collector:
        for name, value in collector.settings.items():
            monkeypatch.setenv(name, value)
        yield collector


@asynccontextmanager
async def tracing(collector: Collector, **more: str) -> AsyncIterator[None]:
    """Trace while inside, and tell all at the end."""
    with traced({**collector.settings, **more}, "node-1"):
        yield


def one(found: list[Collected]) -> Collected:
    assert len(found) == 1, found
    return found[0]


def parent_of(span: Collected, collector: Collector) -> Collected:
    found = [one for one in collector.spans if one.id == span.parent]
    assert found, (span, collector.spans)
    return found[0]


EACH = {"flush stock:all", "record outbox", "judge stock:all"}


def published(collector: Collector) -> list[Collected]:
    return collector.named("publish stock:all")


def followers(span: Collected, collector: Collector) -> set[str]:
    """The names of the spans that are linked to it."""
    return {other.name for other in collector.spans if span.id in other.links}


async def until_recording(me: Me) -> None:
    """Wait until prices go to the database, and none to the disk before that."""
    with trio.fail_after(20):
        while True:
            recorder = (await me.overview())["history"]["recorder"]
            if recorder and recorder["recorded_batches"] and not recorder["spooled"]:
                return
            await trio.sleep(0.05)


async def test_one_price_is_followed_from_its_fetch_to_clients_database_and_webhook(
    collector: Collector, database_url: str, nursery: trio.Nursery
) -> None:
    """All in one trace, each part below what caused it; no span has the key of an address."""
    receiver = Receiver()
    await receiver.start(nursery)
    async with (
        started_api(nursery, AAPL=90.0, MSFT=300.0) as api,
        user_of(api, database_url, **NEARBY) as me,
    ):
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await until_recording(me)
        async with listening(me, nursery) as client, tracing(collector):
            await client.send(action="subscribe", symbols=["AAPL"], id=1)
            # One that began before tracing did would tell the price without a span.
            await collector.until(lambda: collector.named("fetch api"))
            price = 101.0
            await me.price(AAPL=price)
            await client.message("alert")
            await receiver.until(lambda: receiver.posts)
            await collector.until(lambda: collector.named("POST"))
            while not any(followers(one, collector) == EACH for one in published(collector)):
                # What is found in the table before it is told of is flushed without a span.
                price += 1
                await me.price(AAPL=price)
                await collector.until(lambda: collector.named("record outbox"))
        await receiver.stop()
        post = one(collector.named("POST"))
        said = spans.read_traceparent(receiver.posts[0].headers["traceparent"])
        assert said is not None
        assert (f"{said.trace:032x}", f"{said.span:016x}") == (post.trace, post.id)
        judged = parent_of(post, collector)
        caused = [judged, parent_of(judged, collector)]
        caused.append(parent_of(caused[1], collector))
        names = [span.name for span in caused]
        assert names == ["judge stock:all", "publish stock:all", "fetch api"]
        assert {span.trace for span in caused} == {post.trace}
        below = {span.name for span in collector.below(judged)}
        assert below == {"store alerts", "deliver alert", "POST"}

        told = next(one for one in published(collector) if followers(one, collector) == EACH)
        fetched = parent_of(told, collector)
        assert (fetched.name, fetched.parent) == ("fetch api", "")
        assert told.values["stockstream.quotes"] == 1
        asked = one([span for span in collector.below(fetched) if span.name == "GET"])
        assert asked.values["url.full"] == f"{api.url}/api/stock-prices"
        assert asked.values["http.response.status_code"] == 200
        followed = {span.name: span for span in collector.spans if told.id in span.links}
        assert {span.kind for span in followed.values()} == {CONSUMER}
        transaction = one(collector.below(followed["record outbox"]))
        assert (transaction.name, transaction.kind) == ("Record", CLIENT)
        flushed = followed["flush stock:all"]
        assert flushed.values["messaging.batch.message_count"] >= 1
        assert flushed.values["stockstream.clients"] == 1
        whole = (*followed.values(), transaction, asked, fetched)
        assert {span.trace for span in whole} == {told.trace}
        assert post.resource["service.name"] == "stockstream"
        assert post.resource["service.instance.id"] == "node-1"
        assert "key=1" not in repr(collector.spans)


async def test_a_pushed_price_begins_a_trace_and_one_that_waits_for_the_database_is_in_it(
    collector: Collector, nursery: trio.Nursery
) -> None:
    """From the frame on; the database is away here, so the price goes to the disk."""
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols="BTC-USD") as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD"])
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
        async with tracing(collector):
            await server.tell({"BTC/USD": 97_001.0})
            await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_001.0)
            for name in ("flush stock:all", "spool outbox", "receive crypto"):
                await collector.until(lambda name=name: collector.named(name))
    for name in ("flush stock:all", "spool outbox"):
        published = parent_of(collector.named(name)[0], collector)
        assert published.name == "publish stock:all"
        received = parent_of(published, collector)
        assert (received.name, received.parent) == ("receive crypto", "")


async def test_requests_and_commands_are_traced_for_who_asks(
    collector: Collector, nursery: trio.Nursery
) -> None:
    """Below the span that they come with; what machines ask for all the time is left out."""
    carried = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    async with (
        running_tree() as tree,
        httpx.AsyncClient(base_url=tree.url) as http,
        connected(tree.websocket_url, nursery) as client,
        tracing(collector),
    ):
        await client.wait_for(lambda: client.counts["welcome"])
        for path in ("/health/live", "/static/nothing", "/nowhere", "/api/v1/quotes/AAPL"):
            answer = await http.get(path, headers=carried)
        assert answer.status_code == 200
        assert answer.headers["X-Request-Id"]
        await http.get("/api/v1/quotes/AAPL", headers={"traceparent": "00-nonsense"})
        await client.send(action="subscribe", symbols=["AAPL"], id=1, **carried)
        await client.send(action="subscribe", symbols=["AAPL"], id=2)
        await client.send(action="unsubscribe", symbols=["AAPL"], id=3, traceparent="nonsense")
        await client.wait_for(lambda: client.messages_with_id(3))
        assert client.messages_with_id(3)[0]["code"] == "bad_message"
        assert "traceparent" in client.messages_with_id(3)[0]["reason"]
        await collector.until(lambda: collector.named("subscribe"))
        route = "GET /api/v1/quotes/<symbol>"
        await collector.until(lambda: len(collector.named(route)) == 2)
    asked = [span for span in collector.spans if span.kind == SERVER]
    below = [span for span in asked if span.parent == SPAN]
    assert {span.trace for span in below} == {TRACE}
    assert [span.name for span in below] == ["GET", route, "subscribe"]
    assert [span.values.get("http.response.status_code") for span in below] == [404, 200, None]
    assert [span.parent for span in asked if span not in below] == [""]
