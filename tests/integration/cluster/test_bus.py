"""The bus between real nodes on a real NATS server."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from stockstream import paths
from stockstream.cluster.codec import encode
from stockstream.cluster.messages import (
    AskWants,
    BusDown,
    Heard,
    NobodyThere,
    Probe,
    Say,
    SayLast,
    TableFull,
)
from stockstream.cluster.nats_server import run_nats_server
from stockstream.cluster.prices import Prices
from stockstream.cluster.wire import ClaimMessage, Heartbeat, Wants
from stockstream.messages import BatchReceived, QuotesPublished, UpstreamTold
from stockstream.quotes import Symbol
from stockstream.shards import Claim, NodeId, Shard
from stockstream.spans import Traced
from stockstream.statuses import Confirmations, FeedState, FeedStatus, Lapse, StaleReason
from stockstream.times import Moment
from supervision import correlation_id
from tests.integration.cluster.nodes import WAIT_SECONDS, a_node, a_row, meet
from tests.support.kept_spans import keeping

if TYPE_CHECKING:
    from stockstream.cluster.nats_server import NatsServer


@pytest.mark.proves("N3")
async def test_what_one_node_publishes_reaches_the_others_with_ages_of_their_own_clock(
    nats: NatsServer,
):
    """Rows come as they are; their monotonic times are shifted by what the way took, at least."""
    async with a_node("a", nats.url) as a, a_node("b", nats.url) as b:
        await meet(a, b)
        row = a_row("AAPL", 230.5)
        a.publish(row)
        await b.log.until(lambda: b.log.of(BatchReceived))
        [batch] = b.log.of(BatchReceived)
        assert batch.node == a.id
        [got] = batch.rows
        assert 0 <= got.steady - row.steady < 2_000
        assert msgspec.structs.replace(got, steady=row.steady, changed=row.changed) == row
        assert a.log.of(BatchReceived) == []


async def test_more_rows_than_fit_into_a_message_come_in_several(nats: NatsServer):
    """A server takes a megabyte."""
    async with a_node("a", nats.url) as a, a_node("b", nats.url) as b:
        await meet(a, b)
        a.publish(*(a_row(f"S{number}", number + 1) for number in range(2_500)))
        await b.log.until(lambda: len(b.received()) == 2_500)
        assert [len(batch.rows) for batch in b.log.of(BatchReceived)] == [1_000, 1_000, 500]


async def test_a_trace_goes_on_at_the_other_node(nats: NatsServer) -> None:
    """With the prices that belong to it, and with no others; where nobody traces, with none."""
    traced = Traced("api-1", 5, 6)
    async with a_node("a", nats.url) as a, a_node("b", nats.url) as b:
        await meet(a, b)
        with keeping():
            for number, sent in enumerate((traced, "api-2"), 1):
                correlation_id.set(sent)
                a.publish(a_row("AAPL", 230.5, number))
            await b.log.until(lambda: len(b.log.of(BatchReceived)) == 2)
        correlation_id.set(traced)
        a.publish(a_row("AAPL", 230.5, 3))
        await b.log.until(lambda: len(b.log.of(BatchReceived)) == 3)
    told = zip(b.log.all, b.log.ids, strict=True)
    first, *others = (sent for message, sent in told if isinstance(message, BatchReceived))
    assert isinstance(first, Traced)
    assert (first, first.trace, first.span) == ("a", 5, 6)
    assert others == [None, None]


async def test_heartbeats_and_claims_come_back_and_wants_do_not(nats: NatsServer):
    """A node counts time by what comes back, and holds a shard once it has heard its own claim."""
    async with a_node("a", nats.url) as a, a_node("b", nats.url) as b:
        await a.up()
        await b.up()
        assert a.log.of(BusDown) == [], "told before anything was known"
        said = (
            Heartbeat(name="a", boot=1, number=7),
            Wants(name="a", boot=1, number=3, everything=2),
            ClaimMessage(name="a", boot=1, claims={Shard("api/0"): Claim(5, "a", 1)}),
        )
        for message in said:
            a.cast(Say(message))
        await b.log.until(lambda: len(b.log.of(Heard)) == 3)
        await a.log.until(lambda: len(a.log.of(Heard)) == 2)
        beat, wants, claim = (heard.message for heard in b.log.of(Heard))
        assert isinstance(beat, Heartbeat)
        assert msgspec.structs.replace(beat, batch=0) == said[0]
        assert (wants, claim) == said[1:]
        assert [type(heard.message) for heard in a.log.of(Heard)] == [Heartbeat, ClaimMessage]


@pytest.mark.proves("N2")
async def test_a_probe_tells_of_a_node_that_nobody_listens_as(nats: NatsServer):
    """NATS knows at once that a connection is gone; of a node that lives nothing is told."""
    async with a_node("a", nats.url) as a:
        await a.up()
        async with a_node("b", nats.url) as b:
            await b.up()
            a.cast(Probe(b.id))
            b.cast(Say(Wants(name="b", boot=1, number=9)))
            a.cast(AskWants(b.id))
            await a.log.until(lambda: len(a.log.of(Heard)) == 2)  # what it said, and its answer
        with trio.fail_after(WAIT_SECONDS):
            while not a.log.of(NobodyThere):
                a.cast(Probe(NodeId("b", 1)))  # the server may not know yet
                await trio.sleep(0.05)
        assert a.log.of(NobodyThere)[0] == NobodyThere(NodeId("b", 1))


async def test_the_last_word_is_with_the_server_when_it_is_answered(nats: NatsServer):
    """A node that stops waits for it; without a connection it hears so at once."""
    async with a_node("a", nats.url) as a, a_node("b", nats.url) as b:
        await a.up()
        await b.up()
        bye = Heartbeat(name="a", boot=1, number=1, kind="bye")
        assert await a.system.ref(paths.BUS).call(SayLast(bye))
        await b.log.until(lambda: b.log.of(Heard))
        downs = len(a.log.of(BusDown))
        nats.send_signal(signal.SIGKILL)
        await a.log.until(lambda: len(a.log.of(BusDown)) > downs)
        assert not await a.system.ref(paths.BUS).call(SayLast(bye))


@pytest.mark.proves("N9")
async def test_a_node_that_starts_takes_all_prices_of_one_that_is_ready(nats: NatsServer):
    """In pages, after two own heartbeats; then it tells that its table is full."""
    async with a_node("a", nats.url) as a:
        await a.up()
        a.publish(*(a_row(f"S{number:04}", number + 1) for number in range(2_100)))
        async with a_node("b", nats.url) as b:
            b.sees(a)
            await b.begin()
            await b.log.until(lambda: b.log.of(TableFull))
            assert len(b.received()) == 2_100
            pages = b.log.of(BatchReceived)
            assert [len(page.rows) for page in pages] == [1_000, 1_000, 100]


@pytest.mark.proves("N9")
async def test_a_node_alone_does_not_wait_for_prices(nats: NatsServer):
    """Nobody is there to be asked."""
    async with a_node("a", nats.url) as a:
        await a.begin()
        await a.log.until(lambda: a.log.of(TableFull))


@pytest.mark.proves("N9", "N19")
async def test_what_a_dead_bus_has_lost_is_asked_for(nats: NatsServer):
    """Prices published while there is no bus show in the numbers of the next one's heartbeats."""
    async with a_node("a", nats.url) as a, a_node("b", nats.url) as b:
        await a.begin()
        await b.begin()
        await b.log.until(lambda: b.log.of(TableFull))
        b.sees(a)
        bus = a.system.ref(paths.BUS)
        first = bus.generation
        assert bus.kill()
        a.publish(a_row("LOST", 1.0))
        await a.up(2)
        assert bus.generation == first + 1
        a.beat()
        await b.log.until(lambda: "LOST" in b.received())


@pytest.mark.proves("N9")
async def test_prices_that_were_dropped_are_asked_for(nats: NatsServer):
    """Without a connection nothing is kept for later; the heartbeats after it tell of the gap."""
    async with trio.open_nursery() as nursery:
        second = await nursery.start(run_nats_server, "token")
        async with (
            a_node("a", [nats.url, second.url]) as a,
            a_node("b", [nats.url, second.url]) as b,
        ):
            await a.begin()
            await b.begin()
            await b.log.until(lambda: b.log.of(TableFull))
            b.sees(a)
            downs = len(a.log.of(BusDown))
            second.send_signal(signal.SIGSTOP)  # it answers nobody yet
            nats.send_signal(signal.SIGKILL)
            await a.log.until(lambda: len(a.log.of(BusDown)) > downs)
            a.publish(a_row("AAPL", 1.0))
            await a.log.until(lambda: a.log.of(QuotesPublished))
            bye = Heartbeat(name="a", boot=1, number=9, kind="bye")
            assert not await a.system.ref(paths.BUS).call(SayLast(bye)), "so the price was dropped"
            second.send_signal(signal.SIGCONT)
            await a.up(2)
            await b.up(2)
            a.beat()
            await b.log.until(lambda: "AAPL" in b.received())
            assert a.status.dropped >= 1
        nursery.cancel_scope.cancel()


def _told(told: Confirmations, now: int) -> UpstreamTold:
    feed = FeedStatus(FeedState.LIVE, Moment.now(), 1.0, True)
    return UpstreamTold("api", None, feed, None, None, msgspec.structs.replace(told, fetched=now))


async def test_what_is_confirmed_is_told_once_and_then_its_age(nats: NatsServer):
    """Who came too late for it asks; nobody gets thousands of symbols each second."""
    async with a_node("a", nats.url) as a:
        await a.up()
        now = Moment.now().milliseconds
        lapse = Lapse(StaleReason.NOT_LISTED, now - 9_000, now - 6_000)
        symbols = frozenset(Symbol(f"S{number}") for number in range(1_000))
        told = Confirmations(now, symbols, lapsed={Symbol("OLD"): lapse})
        a.cast(_told(told, now))
        async with a_node("b", nats.url) as b:
            await meet(a, b)
            said = Moment.now().milliseconds
            a.cast(_told(told, now + 1_000))

            def whole() -> list[Confirmations]:
                rows = [message.confirmations for message in b.log.of(UpstreamTold)]
                return [row for row in rows if row is not None]

            await b.log.until(whole)
            [got] = whole()
            assert got.told == symbols
            assert 0 <= got.lapsed[Symbol("OLD")].due - lapse.due < 2_000
            a.cast(_told(told, now + 2_000))
            await b.log.until(lambda: len(whole()) == 2)
            assert whole()[1].told is got.told
            # Each is shifted by what its own way took, which cannot be more than all this took.
            both_ways = Moment.now().milliseconds - said
            assert abs(whole()[1].fetched - got.fetched - 1_000) <= both_ways + 1
            assert b.log.of(UpstreamTold)[0].node == a.id


@pytest.mark.proves("N15", "T20")
async def test_other_versions_and_other_programs_are_refused_and_harm_nothing(
    nats: NatsServer,
):
    """New fields are ignored, missing ones have defaults, a new version is refused. Garbage is
    counted.
    """
    head = {"type": "heartbeat", "name": "z", "boot": 1, "number": 1}
    told = [
        msgspec.msgpack.encode(head | {"protocol": 2, "number": "of another type"}),
        msgspec.msgpack.encode(head | {"protocol": 2}),
        msgspec.msgpack.encode(head | {"protocol": 1, "new": {"field": [1]}}),
        b"",
        b"\xc1garbage",
        b"\x81\xa4type\xa1\xff",
        b"\x91" * 100_000,
        msgspec.msgpack.encode({"type": "prices", "name": "z", "boot": 1, "rows": 5}),
        msgspec.msgpack.encode(head | {"type": "of a later release"}),
        _prices(float("nan")),
        _prices(1.0, epoch=2**62),
        _prices(1.0, symbol="<script>"),
    ]
    async with a_node("a", nats.url) as a:
        await a.up()
        async with await trio.open_tcp_stream("127.0.0.1", nats.port) as stream:
            await stream.send_all(b'CONNECT {"auth_token": "token"}\r\n')
            for data in told:
                await stream.send_all(b"PUB test.tell %d\r\n%b\r\n" % (len(data), data))
            await stream.send_all(b"PUB test.to.a.1 answer.here 3\r\nbad\r\n")
            await stream.send_all(b"PUB test.to.a.1 no.\xff.subject 3\r\nbad\r\nPING\r\n")
            said = b""
            while b"PONG" not in said:  # the server has taken them all
                said += await stream.receive_some()
        a.beat()
        await a.log.until(lambda: a.own_echoes)
        heard = [message.message for message in a.log.of(Heard)]
        assert [beat.name for beat in heard] == ["z", "a"]
        assert a.log.of(BatchReceived) == []
        a.beat()
        await a.log.until(lambda: a.own_echoes == 2)
        await a.until(lambda: (a.status.refused, a.status.unreadable) == (3, 10))


def _prices(price: float, symbol: str = "AAPL", epoch: int = 1) -> bytes:
    row = msgspec.structs.replace
    quote = a_row("AAPL", 1.0)
    bad = row(quote, quote=row(quote.quote, price=price, symbol=symbol, version=(epoch, 1)))
    return encode(Prices(name="z", boot=1, number=1, now=0, rows=(bad,)))
