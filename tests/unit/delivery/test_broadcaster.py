"""The broadcaster as an actor: its pace, its heartbeats, its restarts. Virtual time."""

from __future__ import annotations

import gc
import json
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream import garbage
from stockstream.delivery.messages import (
    Answer,
    Attach,
    Changed,
    Detach,
    Say,
)
from stockstream.messages import FeedChanged, QuotesPublished
from stockstream.quotes import Symbol
from stockstream.statuses import (
    CircuitState,
    CircuitStatus,
    Confirmations,
    FeedState,
    Lapse,
    StaleReason,
)
from stockstream.tables import Subscription
from stockstream.times import Moment
from tests.unit.delivery.support import PING, MemoryClient, row
from tests.unit.delivery.tree import (
    BREAKER,
    FEED,
    Confirmed,
    Delivery,
    Forgetful,
    SetCircuit,
    running_delivery,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

    from stockstream.statuses import QuoteRow

ALL = Subscription(everything=True)


class TimedClient(MemoryClient):
    """Also notes when each frame came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def try_send(self, frame: bytes, now: float) -> int:
        self.times.append(trio.current_time())
        self.last_received = trio.current_time()
        return super().try_send(frame, now)


async def subscribed(
    delivery: Delivery, client: MemoryClient, number: int = 1, rate: float | None = None
) -> None:
    await delivery.broadcaster.call(Attach(number, client, b'{"type":"welcome"}'))
    request = Answer(number, 1, Changed(ALL, ()), seconds_between=rate)
    await delivery.broadcaster.call(request)


@pytest.mark.parametrize("interval", [0.05, 1.0, 2.0, 3.0, 5.0, 12.0])
@pytest.mark.parametrize("rate", [None, 1.0])
async def test_unchanged_prices_of_a_living_feed_never_look_stale(
    interval: float, rate: float | None, autojump_clock: MockClock
) -> None:
    """`as_of` is never older than three intervals, and the silence never longer than 5 s."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1), interval=interval)
        client = TimedClient()
        await trio.sleep(rng.uniform(0.1, 1.1))
        await subscribed(delivery, client, rate=rate)
        for _ in range(round(60 / interval)):
            await trio.sleep(interval * rng.uniform(0.9, 1.1))
            await delivery.fetched(interval=interval)
        heard = [
            (at, _as_of(message))
            for at, frame in zip(client.times, client.sent, strict=True)
            for message in MemoryClient(sent=[frame]).messages
            if message.get("as_of") is not None
        ]
    assert client.kinds().count("snapshot") == 1
    assert all(after[0] - before[0] <= 5.05 for before, after in pairwise(heard))
    oldest = max(after[0] - before[1] for before, after in pairwise(heard))
    assert oldest < 3 * max(1.0, interval)
    assert len(heard) <= 60 / min(max(interval, 0.5), 4.0) * 1.3 + 2


async def test_a_heartbeat_that_the_clients_own_rate_holds_back_comes_as_soon_as_it_may(
    autojump_clock: MockClock,
) -> None:
    """And not with the next fetch: what the client was told last is from before it subscribed."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        client = TimedClient()
        await trio.sleep(1.02)
        await subscribed(delivery, client, rate=1.0)
        await trio.sleep(0.96)
        await delivery.fetched()
        await trio.sleep(1.08)
        assert client.kinds()[-1] == "prices"
        assert 1.02 + 1.0 <= client.times[-1] < 2.1
        assert _as_of(client.messages[-1]) == pytest.approx(1.98)


async def test_garbage_is_looked_for_right_after_prices_were_sent(
    autojump_clock: MockClock,
) -> None:
    """Left to itself, the collector comes while the next batch is made, and holds that up."""
    events: list[str] = []

    def collecting(phase: str, _info: dict[str, int]) -> None:
        events.append(f"collecting {phase}")

    class Noting(MemoryClient):
        def try_send(self, frame: bytes, now: float) -> int:
            events.append("prices" if b'"prices"' in frame else "status")
            return super().try_send(frame, now)

    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        await subscribed(delivery, Noting(last_received=float("inf")))
        await trio.sleep(1)
        thresholds = gc.get_threshold()
        gc.set_threshold(0)  # from here on it looks only where it is told to
        gc.callbacks.append(collecting)
        try:
            made = [[] for _ in range(2 * garbage.YOUNG_THRESHOLD)]
            events.clear()
            await delivery.fetched(row("AAPL", 151.0, 2))
            await trio.sleep(0.5)
        finally:
            gc.callbacks.remove(collecting)
            gc.set_threshold(*thresholds)
    assert made
    assert [event for event in events if event != "status"] == [
        "prices",
        "collecting start",
        "collecting stop",
    ]


def _as_of(message: dict[str, str]) -> float:
    hours, minutes, seconds = message["as_of"][11:-1].split(":")
    return (int(hours) - 12) * 3600 + int(minutes) * 60 + float(seconds)


async def test_a_client_gets_no_more_messages_than_it_asked_for(autojump_clock: MockClock) -> None:
    """Heartbeats are messages too; in a market that stands still, they are all that comes."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        await trio.sleep(0.1)
        client = TimedClient()
        await subscribed(delivery, client, rate=12.0)
        for second in range(40):
            await trio.sleep(1)
            await delivery.fetched(row("AAPL", 151.0 + second, 2 + second))
        for _ in range(40):
            await trio.sleep(1)
            await delivery.fetched()
        messages = [
            (at, json.loads(line))
            for at, frame in zip(client.times, client.sent, strict=True)
            for line in frame.splitlines()
            if line not in PING
        ]
        heard = [at for at, message in messages if message["type"] == "prices"]
        empty = [message for _, message in messages if message.get("prices") == []]
    assert all(12.0 <= after - before <= 13.1 for before, after in pairwise(heard))
    assert len(heard) == 6
    assert len(empty) == 2


async def test_a_lost_hint_of_the_feed_is_made_good_by_the_look(
    autojump_clock: MockClock,
) -> None:
    """A cast may be lost, and with a feed that is down no prices come that would tell."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        client = MemoryClient(last_received=float("inf"))
        await subscribed(delivery, client)
        await trio.sleep(1)
        client.take()
        await delivery.system.ref(FEED).call(Forgetful(FeedState.DOWN))
        await trio.sleep(1.2)
        (status,) = [message for message in client.messages if message["type"] == "status"]
    assert status["feed"] == "down"


async def test_a_feed_that_is_not_live_has_no_heartbeat(autojump_clock: MockClock) -> None:
    """Staleness is the absence of messages; the status says the rest."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1), state=FeedState.STALE)
        await trio.sleep(0.1)
        client = MemoryClient(last_received=float("inf"))
        await subscribed(delivery, client)
        await trio.sleep(30)
        assert client.kinds() == ["welcome", "status", "subscriptions", "snapshot"]
        assert client.messages[1]["feed"] == "stale"


async def test_the_status_tells_feed_and_breaker(autojump_clock: MockClock) -> None:
    """Down before the first fetch; with the time of the next probe while the breaker is open."""
    async with running_delivery() as delivery:
        client = MemoryClient()
        await delivery.broadcaster.call(Attach(1, client, b'{"type":"welcome"}'))
        await trio.sleep(1)
        open_ = CircuitStatus(CircuitState.OPEN, Moment(0.0), Moment(5.0), "too many failures")
        await delivery.system.ref(BREAKER).call(SetCircuit(open_))
        await delivery.fetched(interval=0.05)
        await trio.sleep(1)
        first, *_, last = [message for message in client.messages if message["type"] == "status"]
        assert (first["feed"], first["circuit"]) == ("down", "closed")
        assert last.pop("probe_in") == 5000 - last["steady"]
        assert last.pop("steady") >= last.pop("fetched") == 1000
        assert last == {
            "type": "status",
            "feed": "live",
            "circuit": "open",
            "interval": 1.0,
            "next_probe": "2026-11-22T12:00:05.000Z",
            "reason": "too many failures",
        }


@pytest.mark.proves("D3")
@pytest.mark.parametrize(("interval", "frames"), [(0.05, 21), (0.5, 3), (0.0, 100)])
async def test_prices_come_at_the_flush_interval(
    interval: float, frames: int, autojump_clock: MockClock
) -> None:
    """A hundred batches in a second are so many frames; at 0 each comes at once."""
    async with running_delivery(flush_interval=interval) as delivery:
        client = TimedClient()
        await subscribed(delivery, client)
        await trio.sleep(1)
        client.sent.clear()
        for seq in range(1, 101):
            await delivery.fetched(row("AAPL", float(seq), seq))
            await trio.sleep(0.01)
        came = [m for m in client.messages if m["type"] in {"prices", "snapshot"}]
        assert abs(len(came) - frames) <= 1
        await trio.sleep(interval)
        assert client.messages[-1]["prices"][0]["version"] == [1, 100]


@pytest.mark.proves("D2")
@pytest.mark.parametrize("interval", [0.0, 0.05])
async def test_a_stuck_client_does_not_make_the_broadcaster_spin(
    interval: float, autojump_clock: MockClock
) -> None:
    """It is tried again some twenty times in eight seconds, also with an interval of 0."""
    async with running_delivery(flush_interval=interval) as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        client = MemoryClient()
        await subscribed(delivery, client)
        await trio.sleep(1)
        client.room = 0
        before = delivery.connections.counts.rounds
        await delivery.fetched(row("AAPL", 151.0, 2))
        await trio.sleep(8)
        assert 15 <= delivery.connections.counts.rounds - before <= 40
        client.room = 2  # the status, as prices are stale by now, and the price
        await trio.sleep(1.1)
        prices = [message for message in client.messages if message["type"] == "prices"]
        assert prices[-1]["prices"][0]["version"] == [1, 2]


@pytest.mark.proves("D2")
async def test_others_do_not_wait_for_the_next_try_of_a_stuck_client(
    autojump_clock: MockClock,
) -> None:
    """Prices that come right after such a try are sent at once, not an interval later."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 1.0, 1))
        good, stuck = TimedClient(), MemoryClient()
        await subscribed(delivery, good, 1)
        await subscribed(delivery, stuck, 2)
        await trio.sleep(1)
        stuck.room = 0
        for seq in range(2, 50):
            await delivery.fetched(row("AAPL", float(seq), seq))
            fetched = trio.current_time()
            await trio.sleep(0.13)
            prices = [at for at in good.times if at >= fetched]
            assert prices[0] - fetched < 0.01, seq


async def test_a_paced_client_is_served_when_due(autojump_clock: MockClock) -> None:
    """Not a look later, and without a heap of timers."""
    async with running_delivery() as delivery:
        client = TimedClient()
        await delivery.fetched(row("AAPL", 1.0, 1))
        await subscribed(delivery, client, rate=0.4)
        await trio.sleep(1)
        start = trio.current_time()
        client.sent.clear()
        client.times.clear()
        for seq in range(2, 201):
            await delivery.fetched(row("AAPL", float(seq), seq))
            await trio.sleep(0.01)
        await trio.sleep(0.5)
        assert len(client.times) in {6, 7}
        assert all(after - before >= 0.399 for before, after in pairwise(client.times))
        assert client.times[-1] - start <= 2.45
        assert client.messages[-1]["prices"][0]["version"] == [1, 200]
        pending = delivery.system.names["delivery/broadcaster"].timers
        assert len(pending) <= 2


@pytest.mark.proves("D4", "W7")
async def test_what_comes_during_a_flush_that_takes_long_is_one_flush(
    mock_clock: MockClock,
) -> None:
    """However many batches; or they would wait for a flush each, and ever longer."""
    async with running_delivery(flush_interval=0.05) as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        client = BusyClient(mock_clock, delivery)
        await subscribed(delivery, client)
        mock_clock.jump(1.0)
        await trio.testing.wait_all_tasks_blocked()
        client.sent.clear()
        client.batches = [row("AAPL", 150.0 + seq, seq) for seq in (3, 4, 5, 6)]
        await delivery.fetched(row("AAPL", 152.0, 2))
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(0.05)
        await trio.testing.wait_all_tasks_blocked()
        prices = [message["prices"] for message in client.messages if "prices" in message]
        assert [each[0]["version"] for each in prices if each] == [[1, 2], [1, 6]]


class BusyClient(MemoryClient):
    """Takes 60 ms for a frame, in which `batches` are published."""

    def __init__(self, clock: MockClock, delivery: Delivery) -> None:
        super().__init__()
        self._clock = clock
        self._delivery = delivery
        self.batches: list[QuoteRow] = []

    def try_send(self, frame: bytes, now: float) -> int:
        batches, self.batches = self.batches, []
        if batches:
            self._clock.jump(0.06)
        for number, batch in enumerate(batches):
            self._delivery.broadcaster.cast(QuotesPublished(number, (batch,)))
        return super().try_send(frame, now)


@pytest.mark.proves("W20", "D2")
async def test_a_killed_broadcaster_is_noticed_by_nobody(autojump_clock: MockClock) -> None:
    """Its successor goes on with the same clients, and with what came while nobody was there."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        clients = [MemoryClient() for _ in range(5)]
        for number, client in enumerate(clients, 1):
            await subscribed(delivery, client, number)
        await trio.sleep(1)
        for client in clients:
            client.sent.clear()
        delivery.broadcaster.kill()
        await delivery.fetched(row("AAPL", 151.0, 2))  # the hint goes to nobody
        await trio.sleep(0.2)
        for client in clients:
            assert [m["prices"][0]["version"] for m in client.messages] == [[1, 2]]
        assert delivery.broadcaster.generation == 2


async def test_a_hint_that_is_lost_is_made_good_by_a_look(autojump_clock: MockClock) -> None:
    """Within a second of the table's change."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1))
        client = MemoryClient()
        await subscribed(delivery, client)
        await trio.sleep(1)
        client.sent.clear()
        await delivery.fetched(row("AAPL", 151.0, 2))
        # Hints on their way are in the mailbox of a broadcaster that dies now.
        delivery.broadcaster.kill()
        await trio.sleep(1.1)
        assert client.messages[0]["prices"][0]["version"] == [1, 2]


@pytest.mark.proves("W21", "C12")
@pytest.mark.parametrize("killed_at", [None, 1.5, 2.99])
async def test_a_symbol_is_told_to_be_stale_when_it_is_due(
    killed_at: float | None, autojump_clock: MockClock
) -> None:
    """On the stroke, without a hint, and whoever was killed meanwhile; once to each client."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1), row("MSFT", 310.0, 1))
        client = MemoryClient()
        await subscribed(delivery, client)
        feed, aapl, msft = delivery.system.ref(FEED), Symbol("AAPL"), Symbol("MSFT")
        start = Moment.now()
        due = start.after(3.0).milliseconds
        lapse = Lapse(StaleReason.NOT_TOLD, start.milliseconds, due)
        lacking = Confirmations(start.milliseconds, frozenset({aapl}), lapsed={msft: lapse})
        await feed.call(Confirmed(lacking))
        delivery.broadcaster.cast(FeedChanged())
        await trio.sleep(killed_at or 0.0)
        if killed_at is not None:
            delivery.broadcaster.kill()
        await trio.sleep(2.99 - start.age)
        assert not [u for u in _updates(client) if "state" in u]
        await trio.sleep(3.1 - start.age)
        (told,) = [u for u in _updates(client) if "state" in u]
        assert (told["symbol"], told["state"], told["reason"]) == ("MSFT", "stale", "not_told")
        assert told["confirmed"] == start.milliseconds
        client.sent.clear()
        await feed.call(Confirmed(Confirmations(start.milliseconds, frozenset({aapl, msft}))))
        await trio.sleep(1.1)
        (told,) = _updates(client)
        assert (told["symbol"], told["state"]) == ("MSFT", "live")


def _updates(client: MemoryClient) -> list[dict[str, Any]]:
    return [update for message in client.messages for update in message.get("prices", [])]


@pytest.mark.proves("W17")
async def test_a_farewell_that_was_lost_leaves_nothing(autojump_clock: MockClock) -> None:
    """`Detach` went to nobody; a look finds the closed connection, and then the manager its row."""
    async with running_delivery() as delivery:
        client = MemoryClient()
        await subscribed(delivery, client)
        delivery.broadcaster.kill()
        client.closed = True
        delivery.broadcaster.cast(Detach(1))
        await trio.sleep(1.1)
        assert len(delivery.connections) == 0
        await delivery.broadcaster.call(Say(1, 2, b"{}"))  # to nobody: no error
