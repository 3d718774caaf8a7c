"""A NATS server that takes 64 KB a message, where much is more: all of it comes all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from stockstream.cluster.codec import encode
from stockstream.cluster.messages import AskWants, Heard, Say, TableFull
from stockstream.cluster.nats_server import HOST
from stockstream.cluster.pieces import MOST_WHOLE_BYTES
from stockstream.cluster.wire import Heartbeat, Wants
from stockstream.messages import Alert, BatchReceived, TellAlerts, UpstreamTold
from stockstream.quotes import Symbol, Version
from stockstream.shards import Claim, Sharding
from stockstream.statuses import Confirmations, FeedState, FeedStatus, Lapse, StaleReason
from stockstream.times import Moment
from tests.integration.cluster.nodes import EPOCH, WAIT_SECONDS, a_node, a_row, meet
from tests.integration.cluster.servers import a_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.cluster.nodes import Node

MOST_BYTES = 65_536
SYMBOLS = [Symbol(f"SYMBOL{number:05}") for number in range(6_000)]
SIZES = [1_000, 500]
WANTS = Wants(name="a", boot=1, number=1, symbols=dict.fromkeys(SYMBOLS, 3), connections=7)
CLAIMS = dict.fromkeys(Sharding({f"api{n}": 64 for n in range(40)}).shards, Claim(EPOCH, "b", 1))
ALERTS = tuple(
    Alert(n, "somebody", n, symbol, "above", 1.0, None, 2.0, None, EPOCH, Version(EPOCH, n), EPOCH)
    for n, symbol in enumerate(SYMBOLS[:1_000])
)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server that takes as much, and no more."""
    with a_server(tmp_path, f"max_payload: {MOST_BYTES}") as port:
        yield f"nats://token@{HOST}:{port}"


@pytest.mark.proves("N3", "N9", "N12")
async def test_all_that_grows_comes_whole(url: str):
    """Prices, wants, states, alerts and heartbeats; and what a node that comes later asks for."""
    assert len(encode(WANTS)) > MOST_BYTES
    async with a_node("a", url) as a, a_node("b", url) as b:
        await meet(a, b)
        rows = [a_row(symbol, 1.0 + number) for number, symbol in enumerate(SYMBOLS[:1_500])]
        a.publish(*rows)
        a.cast(Say(WANTS))
        now = Moment.now().milliseconds
        lapse = Lapse(StaleReason.NOT_LISTED, now - 9_000, now - 6_000)
        told = Confirmations(now, frozenset(SYMBOLS), lapsed=dict.fromkeys(SYMBOLS[:2_000], lapse))
        a.cast(state(told))
        a.cast(TellAlerts(ALERTS))
        a.cast(Say(Heartbeat(name="a", boot=1, number=9, claims=CLAIMS)))
        await b.log.until(lambda: beats_with_claims(b) and len(b.received()) == len(rows))
        assert [len(batch.rows) for batch in b.log.of(BatchReceived)] == SIZES
        assert b.received() == {row.quote.symbol: row.quote.price for row in rows}
        assert wants_that_came(b) == [WANTS]
        assert_told(b, told)
        assert beats_with_claims(b)[0].claims == CLAIMS
        # What the node itself told comes back to it as a whole, too: it counts time by that.
        await a.log.until(lambda: beats_with_claims(a))
        await b.until(lambda: "alerts" in b.status.received)
        assert b.status.received["alerts"].bytes > MOST_BYTES
        assert (a.status.dropped, b.status.dropped, b.status.unreadable) == (0, 0, 0)
        async with a_node("c", url) as c:
            c.sees(a)
            await c.begin()
            await c.log.until(lambda: c.log.of(TableFull))
            assert c.received() == b.received()
            assert [len(page.rows) for page in c.log.of(BatchReceived)] == SIZES
            c.cast(AskWants(a.id))
            await c.log.until(lambda: wants_that_came(c))
            assert wants_that_came(c) == [WANTS]
            await meet(a, c)
            # What it confirms was told to all, and is not told again: who lacks it asks, at each
            # round of the feed.
            with trio.fail_after(WAIT_SECONDS):
                while not told_by(c):
                    now += 1_000
                    a.cast(state(msgspec.structs.replace(told, fetched=now)))
                    await trio.sleep(0.1)
            assert_told(c, told)
            assert c.status.unreadable == 0


async def test_what_is_too_large_altogether_is_counted_and_the_rest_goes_on(url: str):
    """Nobody could hold it; who said it says so in its log."""
    symbols = {Symbol(f"S{number:015}"): 1 for number in range(MOST_WHOLE_BYTES // 17)}
    async with a_node("a", url) as a, a_node("b", url) as b:
        await meet(a, b)
        a.cast(Say(Wants(name="a", boot=1, number=2, symbols=symbols)))
        a.cast(Say(WANTS))
        await b.log.until(lambda: wants_that_came(b))
        assert wants_that_came(b) == [WANTS]
        await a.until(lambda: a.status.dropped == 1)


def wants_that_came(node: Node) -> list[Wants]:
    messages = [heard.message for heard in node.log.of(Heard)]
    return [wants for wants in messages if isinstance(wants, Wants)]


def beats_with_claims(node: Node) -> list[Heartbeat]:
    messages = [heard.message for heard in node.log.of(Heard)]
    return [beat for beat in messages if isinstance(beat, Heartbeat) and beat.claims]


def state(told: Confirmations) -> UpstreamTold:
    feed = FeedStatus(FeedState.LIVE, Moment.now(), 1.0, True)
    return UpstreamTold("api", None, feed, None, None, told)


def told_by(node: Node) -> list[Confirmations]:
    told = [message.confirmations for message in node.log.of(UpstreamTold)]
    return [confirmations for confirmations in told if confirmations is not None]


def assert_told(node: Node, told: Confirmations) -> None:
    got = told_by(node)[0]
    assert got.told == told.told
    assert got.lapsed.keys() == told.lapsed.keys()
