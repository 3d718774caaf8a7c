"""The broadcaster's decisions: who gets which frame when."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import msgspec
import pytest

from stockstream.delivery import fan_out as fan_out_module
from stockstream.delivery.fan_out import CODE_TOO_SLOW, MOST_OWED, RETRY_SECONDS, FanOut
from stockstream.delivery.lanes import REFUSED, Connections, Patience
from stockstream.delivery.messages import Answer, Attach, Changed, Farewell, Say
from stockstream.delivery.protocol import Rejected, Status
from stockstream.delivery.turns import Turn
from stockstream.messages import Alert
from stockstream.quotes import Version, parse_symbol
from stockstream.tables import Subscription
from tests.unit.delivery.support import FRAMING, NOON, PING, MemoryClient, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.statuses import QuoteRow

WELCOME = b'{"type":"welcome"}'
LIVE = Status("live", "closed", 1.0)
STALE = Status("stale", "open", 1.0)


def run(turns: Iterator[None]) -> int:
    """Run to the end; answer how often others got a turn."""
    return sum(1 for _ in turns)


class Broadcast:
    """A fan-out with its clients, and a word for each thing that happens."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.book = connections.book
        self.book.fetched(NOON, 0)
        self.clients: dict[int, MemoryClient] = {}
        self.fan_out = FanOut(connections, FRAMING)
        self.fan_out.set_status(LIVE)
        self.commands = 0
        self.now = 0.0

    @property
    def groups(self) -> int:
        return len(self.fan_out._groups)

    @property
    def behind(self) -> int:
        return sum(lane.behind_since is not None for lane in self.connections.lanes())

    @property
    def slow(self) -> int:
        return sum(lane.slow for lane in self.connections.lanes())

    def attach(self, *, room: float = math.inf, now: float = 0.0) -> MemoryClient:
        number = len(self.clients) + 1
        client = self.clients[number] = MemoryClient(room)
        self.fan_out.attach(Attach(number, client, WELCOME), now)
        return client

    def number(self, client: MemoryClient) -> int:
        return next(number for number, other in self.clients.items() if other is client)

    def want(
        self,
        client: MemoryClient,
        *symbols: str,
        since: dict[str, Version] | None = None,
        command: int | None = None,
        seconds_between: float | None = None,
        now: float = 0.0,
    ) -> None:
        self.commands += 1
        want = (
            Subscription(everything=True) if symbols == ("*",) else Subscription(frozenset(symbols))
        )
        request = Answer(
            self.number(client),
            self.commands if command is None else command,
            Changed(want, ()),
            self.commands,
            since or {},
            seconds_between,
        )
        self.fan_out.answer(request, now)

    def flush(self, *rows: QuoteRow, now: float | None = None) -> int:
        """A second after the last one, unless told when; all who are behind are tried then."""
        self.now = self.now + 1.0 if now is None else now
        self.book.note(rows)
        return run(self.fan_out.flush(self.now))

    def restart(self) -> None:
        """Kill the broadcaster: only what stands in the table is left."""
        self.fan_out = FanOut(self.connections, FRAMING)


@pytest.fixture
def all_of(connections: Connections) -> Broadcast:
    """Two symbols flushed, nobody there."""
    broadcast = Broadcast(connections)
    broadcast.flush(row("AAPL", 150.0, 1), row("MSFT", 310.0, 1))
    return broadcast


def test_the_welcome_comes_first_and_then_the_status(all_of: Broadcast) -> None:
    """Also to a client that takes one frame at a time, and has commands waiting already."""
    client = all_of.attach(room=0)
    assert client.sent == []
    all_of.want(client, "AAPL")
    client.room = 1
    all_of.flush()
    assert client.kinds() == ["welcome"]
    client.room = math.inf
    all_of.flush()
    assert client.kinds() == ["welcome", "status", "subscriptions", "snapshot"]


@pytest.mark.proves("W2", "W8")
@pytest.mark.parametrize("room", [1, 2, 3])
def test_an_answer_hides_no_price_from_a_client_that_never_caught_up(
    room: int, all_of: Broadcast
) -> None:
    """It took the welcome, and perhaps an answer; prices come while the next answer waits."""
    client = all_of.attach(room=0)
    client.room = room
    all_of.want(client, "*")
    all_of.fan_out.say(Say(1, 2, b'{"type":"pong"}'), 0.0)
    all_of.flush(row("AAPL", 151.0, 2))
    client.room = math.inf
    all_of.flush()
    told = [q for m in client.messages for q in m.get("quotes", []) + m.get("prices", [])]
    assert [quote["version"] for quote in told if quote["symbol"] == "AAPL"][-1] == [1, 2]
    assert client.kinds()[:2] == ["welcome", "status"]
    assert client.kinds()[-1] == "pong"


def test_attaching_twice_is_attaching_once(all_of: Broadcast) -> None:
    """The request is given again when nobody knows whether it arrived."""
    client = all_of.attach()
    all_of.fan_out.attach(Attach(1, client, WELCOME), 0.0)
    assert client.kinds() == ["welcome", "status"]


@pytest.mark.proves("W2", "W5")
def test_an_answer_is_followed_by_a_snapshot_and_then_by_updates(all_of: Broadcast) -> None:
    """Of what is subscribed, as of the last flush; a second one brings nothing again."""
    client = all_of.attach()
    client.take()
    all_of.want(client, "AAPL")
    answer, snapshot = client.take()
    assert (answer["type"], answer["symbols"], answer["id"]) == ("subscriptions", ["AAPL"], 1)
    assert [quote["version"] for quote in snapshot["quotes"]] == [[1, 1]]
    all_of.flush(row("AAPL", 151.0, 2), row("MSFT", 311.0, 2))
    (update,) = client.take()
    assert [(price["symbol"], price["version"]) for price in update["prices"]] == [("AAPL", [1, 2])]
    all_of.want(client, "AAPL")
    assert client.kinds() == ["subscriptions"]


def test_rejections_are_told_in_the_answer(all_of: Broadcast) -> None:
    """Beside the whole state."""
    client = all_of.attach()
    client.take()
    rejected = (Rejected("!!", "invalid_symbol", "no"),)
    all_of.fan_out.answer(Answer(1, 1, Changed(Subscription(), rejected)), 0.0)
    (answer,) = client.take()
    assert answer == {
        "type": "subscriptions",
        "symbols": [],
        "rejected": [{"symbol": "!!", "code": "invalid_symbol", "reason": "no"}],
    }


@pytest.mark.proves("W8", "W19")
def test_a_command_given_again_is_answered_once(all_of: Broadcast) -> None:
    """Whether its answer was sent, or waits, and whoever was killed in between."""
    client = all_of.attach()
    client.take()
    all_of.want(client, "AAPL", command=1)
    all_of.want(client, "AAPL", command=1)
    all_of.fan_out.say(Say(1, 1, b'{"type":"pong"}'), 0.0)
    assert client.kinds() == ["subscriptions", "snapshot"]
    client.take()
    client.room = 0
    all_of.want(client, "MSFT", command=2)
    all_of.restart()
    all_of.want(client, "MSFT", command=2)
    client.room = math.inf
    all_of.flush()
    assert client.kinds() == ["subscriptions", "snapshot"]


@pytest.mark.proves("W8", "W2", "W7")
def test_a_lagging_client_gets_what_it_lacks_before_its_answer(all_of: Broadcast) -> None:
    """Prices of the old subscription, once each, then the answer, and none of them after it."""
    client = all_of.attach()
    all_of.want(client, "AAPL", "MSFT")
    client.take()
    client.room = 0
    for seq in range(2, 6):
        all_of.flush(row("AAPL", 150.0 + seq, seq))
    all_of.want(client, "MSFT")
    all_of.flush(row("AAPL", 170.0, 6))
    assert client.sent == []
    client.room = math.inf
    all_of.flush(row("AAPL", 171.0, 7), row("MSFT", 311.0, 2))
    prices, answer = client.take()
    assert {p["symbol"]: p["version"] for p in prices["prices"]} == {"AAPL": [1, 7], "MSFT": [1, 2]}
    assert (answer["type"], answer["symbols"]) == ("subscriptions", ["MSFT"])
    all_of.flush(row("AAPL", 172.0, 8))
    assert client.take() == []


@pytest.mark.proves("W3")
def test_since_leaves_out_what_the_client_has(all_of: Broadcast) -> None:
    """Unless it changed while the answer waited."""
    quick, slow = all_of.attach(), all_of.attach()
    have = {"AAPL": Version(1, 1), "MSFT": Version(0, 9)}
    slow.take()
    slow.room = 0
    all_of.want(quick, "AAPL", "MSFT", since=have)
    all_of.want(slow, "AAPL", "MSFT", since=have)
    assert [quote["symbol"] for quote in quick.messages[-1]["quotes"]] == ["MSFT"]
    slow.room = math.inf
    all_of.flush(row("AAPL", 151.0, 2))
    assert sorted(quote["symbol"] for quote in slow.messages[-1]["quotes"]) == ["AAPL", "MSFT"]


@pytest.mark.proves("D1", "D3")
def test_equal_sets_share_one_frame(all_of: Broadcast) -> None:
    """The very same bytes, and one frame per client and flush, whatever changed."""
    one, two, other = (all_of.attach() for _ in range(3))
    for client in (one, two):
        all_of.want(client, "AAPL", "MSFT")
    all_of.want(other, "MSFT")
    for client in (one, two, other):
        client.take()
    all_of.flush(row("AAPL", 151.0, 2), row("MSFT", 311.0, 2))
    assert one.sent[0] is two.sent[0]
    assert [len(client.sent) for client in (one, two, other)] == [1, 1, 1]


@pytest.mark.proves("D2", "W7")
def test_a_client_that_takes_nothing_changes_nothing_for_others(all_of: Broadcast) -> None:
    """It is left behind, tried again soon, and gets the newest of each symbol in one frame."""
    stuck, well = all_of.attach(), all_of.attach()
    for client in (stuck, well):
        all_of.want(client, "*")
        client.take()
    stuck.room = 0
    for seq in range(2, 12):
        all_of.flush(row("AAPL", 150.0 + seq, seq), now=float(seq))
        assert len(well.take()) == 1
    assert all_of.behind == 1
    stuck.room = math.inf
    all_of.flush(now=12.0)
    (frame,) = stuck.take()
    assert [price["version"] for price in frame["prices"]] == [[1, 11]]
    assert all_of.behind == 0
    assert all_of.fan_out.again == math.inf
    all_of.flush(row("AAPL", 1.0, 12), now=13.0)
    assert stuck.sent[0] is well.sent[0]


@pytest.mark.proves("D2")
def test_a_stuck_client_is_tried_less_and_less_often(all_of: Broadcast) -> None:
    """At once it may be a hiccup; after some seconds, putting frames together for it is waste."""
    stuck = all_of.attach()
    all_of.want(stuck, "*")
    tries: list[float] = []

    def try_send(_frame: bytes, now: float) -> int:
        tries.append(now)
        return REFUSED

    all_of.connections.lanes()[0].try_send = try_send
    all_of.flush(row("AAPL", 151.0, 2), now=0.0)
    while all_of.now < 20.0:
        assert all_of.now + RETRY_SECONDS <= all_of.fan_out.again <= all_of.now + 1.0
        all_of.flush(row("AAPL", all_of.now, 3 + len(tries)), now=all_of.fan_out.again)
        all_of.flush(now=all_of.now)  # somebody else's: no reason to try again
    assert sum(at < 1.0 for at in tries) >= 10
    assert len(tries) <= 40
    all_of.connections.lanes()[0].try_send = stuck.try_send
    stuck.begun = 1  # and while a frame is on its way, none is put together at all
    before = all_of.connections.counts.frames
    all_of.flush(now=30.0)
    assert all_of.connections.counts.frames == before
    stuck.begun = 0
    stuck.take()
    all_of.flush(now=40.0)
    assert stuck.kinds() == ["prices"]


@pytest.mark.proves("W16", "W7")
def test_a_client_that_reads_slowly_and_steadily_stays(all_of: Broadcast) -> None:
    """It takes a frame every five seconds, and never has all: its lag is five seconds, not more."""
    slow = all_of.attach()
    all_of.want(slow, "*")
    slow.take()
    for second in range(100):
        slow.begun = 1 if second % 5 else 0
        all_of.flush(row("AAPL", float(second), second + 2), now=float(second))
        if slow.sent:
            slow.begun = 1
        slow.last_received = slow.last_progress = float(second)
        run(all_of.fan_out.look(float(second), Patience()))
        assert all_of.slow == 0
    assert 15 <= len(slow.messages) <= 20
    assert slow.asked is None


@pytest.mark.proves("W16")
def test_a_client_that_takes_a_large_snapshot_slowly_stays(
    all_of: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part every five seconds is a lag of five seconds, though all of it takes a minute."""
    monkeypatch.setattr(fan_out_module, "SNAPSHOT_PART", 1)
    all_of.flush(*(row(f"S{number}", 1.0, 1) for number in range(10)))
    slow = all_of.attach()
    slow.room = 1
    all_of.want(slow, "*")
    slow.begun = 1
    for second in range(2, 70):
        slow.begun, slow.room = (1, 0) if second % 5 else (0, 1)
        all_of.flush(now=float(second))
        slow.last_received = slow.last_progress = float(second)
        run(all_of.fan_out.look(float(second), Patience()))
        assert all_of.slow == 0
    told = [quote for message in slow.messages for quote in message.get("quotes", [])]
    assert len(told) == 12


def test_a_large_snapshot_comes_in_parts(
    all_of: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as of its turn; in between come updates of what was told, and nothing twice."""
    monkeypatch.setattr(fan_out_module, "SNAPSHOT_PART", 2)
    names = ["AAPL", "MSFT", *(f"S{number}" for number in range(5))]
    all_of.flush(*(row(name, 1.0, 1) for name in names[2:]))
    by_name, everything = all_of.attach(), all_of.attach()
    for client, wanted in ((by_name, names), (everything, ["*"])):
        client.take()
        client.room = 1
        all_of.want(client, *wanted)
        answer, snapshot = client.take()
        assert answer["symbols"] == sorted(wanted)
        versions = {quote["symbol"]: quote["version"] for quote in snapshot["quotes"]}
        assert len(versions) == 2
        seq = all_of.now + 10
        while len(versions) < 7 or any(version[1] < seq for version in versions.values()):
            client.room = 1
            rows = [row(name, seq, int(seq)) for name in names] if len(versions) < 4 else []
            all_of.flush(*rows)
            for message in client.take():
                for quote in message.get("quotes", []) + message.get("prices", []):
                    assert (quote["symbol"] in versions) == (message["type"] == "prices")
                    assert quote["version"] > versions.get(quote["symbol"], [0, 0])
                    versions[quote["symbol"]] = quote["version"]
                assert len(message.get("quotes", [])) <= 2
        assert client.drains >= 2


def test_a_status_reaches_everybody_once(all_of: Broadcast) -> None:
    """In a group or behind; before the prices of the same flush."""
    clients = [all_of.attach() for _ in range(3)]
    for client in clients:
        all_of.want(client, "*")
        client.take()
    clients[2].room = 0
    all_of.fan_out.set_status(STALE)
    all_of.fan_out.set_status(STALE)
    all_of.flush(row("AAPL", 151.0, 2))
    clients[2].room = math.inf
    all_of.flush()
    all_of.flush()
    for client in clients:
        assert client.kinds() == ["status", "prices"]


@pytest.mark.proves("W20")
def test_a_broadcaster_killed_in_the_middle_of_a_flush_leaves_nobody_out(
    all_of: Broadcast,
) -> None:
    """Its successor serves those who lack the flush, and nobody twice."""
    clients = [all_of.attach() for _ in range(6)]
    for client in clients[:3]:
        all_of.want(client, "*")
    for client in clients[3:]:
        all_of.want(client, "AAPL")
    for client in clients:
        client.take()
    all_of.book.note([row("AAPL", 151.0, 2)])
    flush = all_of.fan_out.flush(0.0)
    for _ in range(2):
        next(flush)
    assert 0 < sum(bool(client.sent) for client in clients) < 6
    all_of.restart()
    assert all_of.fan_out.again == 0.0  # at the next opportunity
    all_of.flush()
    all_of.flush(row("AAPL", 152.0, 3))
    for client in clients:
        assert [p["version"] for m in client.messages for p in m["prices"]] == [[1, 2], [1, 3]]
    assert all_of.groups == 2


def test_groups_are_given_up_when_their_last_client_leaves(all_of: Broadcast) -> None:
    """By unsubscribing, by leaving, by being found closed."""
    clients = [all_of.attach() for _ in range(3)]
    for client, symbol in zip(clients, ("AAPL", "MSFT", "TSLA"), strict=True):
        all_of.want(client, symbol)
    assert all_of.groups == 3
    all_of.want(clients[0], "MSFT")
    assert all_of.groups == 2
    clients[0].closed = True
    all_of.flush(row("MSFT", 311.0, 2))
    all_of.fan_out.detach(2)
    all_of.fan_out.detach(2)
    assert all_of.groups == 1
    clients[2].closed = True
    run(all_of.fan_out.look(0.0, Patience()))
    assert (all_of.groups, len(all_of.connections)) == (0, 0)
    assert all(client.drains for client in clients)


@pytest.mark.proves("D2")
def test_others_get_a_turn_however_the_clients_are_grouped(all_of: Broadcast) -> None:
    """A thousand clients with one set or each with its own: whenever the time is over."""
    for number in range(100):
        all_of.want(all_of.attach(), "AAPL", f"S{number}")
    for _ in range(100):
        all_of.want(all_of.attach(), "AAPL")
    assert all_of.flush(row("AAPL", 151.0, 2)) == 200
    looks = itertools.count()
    turn = Turn(lambda: next(looks))  # a clock that moves on whenever it is looked at
    all_of.fan_out = FanOut(all_of.connections, FRAMING, turn)
    all_of.flush()
    all_of.book.note([row("AAPL", 152.0, 3)])
    turns = 0
    turn.begin(20)
    for _ in all_of.fan_out.flush(all_of.now + 1):
        turns += 1
        turn.begin(20)
    assert turns == 10


def test_a_client_without_a_subscription_is_told_of_the_feed_now_and_then(
    all_of: Broadcast,
) -> None:
    """There is no price that could look stale in its hands; five seconds of silence are allowed."""
    idle, subscribed = all_of.attach(), all_of.attach()
    all_of.want(subscribed, "AAPL")
    idle.take()
    subscribed.take()
    for now, expected in ((0.6, 0), (3.9, 0), (4.0, 1), (4.6, 1)):
        run(all_of.fan_out.heartbeat(now, 0.5, 4.0))
        assert len(idle.messages) == expected
    assert len(subscribed.messages) == 3


def test_a_client_with_a_rate_gets_its_prices_when_its_time_has_come(all_of: Broadcast) -> None:
    """Conflated, at most one frame in its time, and the flush for it is asked for."""
    client = all_of.attach()
    all_of.want(client, "AAPL", seconds_between=0.5, now=10.0)
    client.take()
    all_of.flush(row("AAPL", 151.0, 2), now=10.1)
    assert client.take() == []
    assert all_of.fan_out.again == 10.5
    all_of.flush(row("AAPL", 152.0, 3), now=10.5)
    (update,) = client.take()
    assert [price["version"] for price in update["prices"]] == [[1, 3]]
    assert all_of.fan_out.again == math.inf
    all_of.flush(row("AAPL", 153.0, 4), now=10.6)
    # An answer does not wait. It does not bring prices either: a client that asks for pongs all
    # the time would have no rate.
    all_of.fan_out.say(Say(1, 2, b'{"type":"pong"}'), 10.7)
    assert [message["type"] for message in client.take()] == ["pong"]
    # Before its subscription changes it is told what the old one owes.
    all_of.want(client, "AAPL", "MSFT", command=3, now=10.8)
    assert client.kinds() == ["prices", "subscriptions", "snapshot"]
    assert client.messages[0]["prices"][0]["version"] == [1, 4]
    assert all_of.groups == 0


def test_heartbeats_go_to_those_who_heard_nothing(all_of: Broadcast) -> None:
    """Also to one with a rate of its own; not to one that is behind, or lacks something."""
    fresh, silent, paced, behind = (all_of.attach() for _ in range(4))
    for client in (fresh, silent, behind):
        all_of.want(client, "*", now=0.0)
    all_of.want(paced, "*", seconds_between=1.0, now=0.0)
    all_of.fan_out.say(Say(1, 50, b'{"type":"pong"}'), 3.5)
    for client in all_of.clients.values():
        client.take()
    behind.room = 0
    all_of.fan_out.say(Say(4, 51, b'{"type":"pong"}'), 3.6)
    run(all_of.fan_out.heartbeat(4.0, 4.0, 4.0))
    told = [client for client in (fresh, silent, paced, behind) if client.sent]
    assert told == [silent, paced]
    (heartbeat,) = silent.take()
    assert (heartbeat["type"], heartbeat["prices"]) == ("prices", [])
    assert heartbeat["as_of"] == "2026-11-22T12:00:00.000Z"


def test_heartbeats_count_for_a_client_with_a_rate(all_of: Broadcast) -> None:
    """It asked for at most so many messages: none comes while its prices rest."""
    client = all_of.attach()
    all_of.want(client, "AAPL", seconds_between=10.0)
    client.take()
    all_of.flush(row("AAPL", 151.0, 2), now=4.5)
    run(all_of.fan_out.heartbeat(5.0, 4.0, 4.0))
    assert client.take() == []
    all_of.flush(now=10.0)
    assert [message["prices"][0]["version"] for message in client.take()] == [[1, 2]]
    run(all_of.fan_out.heartbeat(19.9, 4.0, 4.0))
    assert client.take() == []
    run(all_of.fan_out.heartbeat(20.0, 4.0, 4.0))
    assert [message["prices"] for message in client.take()] == [[]]
    all_of.flush(row("AAPL", 152.0, 3), now=20.5)
    assert client.take() == []
    assert all_of.fan_out.again == 30.0


@pytest.mark.proves("W16")
@pytest.mark.parametrize("cause", ["a snapshot still on its way", "a heartbeat refused"])
def test_a_client_whose_prices_rest_is_not_behind(all_of: Broadcast, cause: str) -> None:
    """It once took no more for a moment. What it lacks since then is held back by us."""
    client = all_of.attach()
    all_of.want(client, "AAPL", seconds_between=1.0)
    if cause == "a heartbeat refused":
        client.room = 0
        run(all_of.fan_out.heartbeat(1.0, 0.5, 4.0))
    else:
        client.begun = 1
    all_of.want(client, "AAPL", seconds_between=40.0, now=1.0)
    all_of.flush(row("AAPL", 151.0, 2), now=1.0)
    lane = all_of.connections.get(1)
    assert lane is not None
    assert lane.behind_since == 1.0
    client.begun, client.room = 0, math.inf
    all_of.flush(row("AAPL", 152.0, 3), now=2.5)
    assert lane.behind_since is None


def test_a_heartbeat_hides_nothing_from_a_client_taken_over(all_of: Broadcast) -> None:
    """A successor's look may come before its first flush."""
    client = all_of.attach()
    all_of.want(client, "*")
    client.take()
    all_of.book.note([row("AAPL", 151.0, 2)])
    all_of.book.flush()  # begun by the predecessor, and told to nobody
    all_of.restart()
    run(all_of.fan_out.heartbeat(100.0, 4.0, 4.0))
    all_of.flush(now=100.0)
    assert [price["version"] for price in client.messages[-1]["prices"]] == [[1, 2]]


@pytest.mark.proves("W9")
def test_a_ping_is_no_progress_of_its_own(all_of: Broadcast) -> None:
    """A client pinged in a look, that takes nothing more and says nothing, is gone 10 s after."""
    client = all_of.attach()
    client.last_progress = 25.003  # the look began at 25.0, and the kernel took the ping then
    run(all_of.fan_out.look(25.0, Patience()))
    assert client.sent[-1] == PING
    run(all_of.fan_out.look(35.0, Patience()))
    assert not client.aborted
    run(all_of.fan_out.look(35.01, Patience()))
    assert client.aborted
    assert len(all_of.connections) == 0
    assert all_of.connections.counts.gone == 1


@pytest.mark.proves("W16")
def test_a_slow_client_is_marked_and_then_dropped(all_of: Broadcast) -> None:
    """Marked after 10 s of lag, unmarked when it has caught up, 4008 after 30 s."""
    client = all_of.attach()
    all_of.want(client, "*")
    client.room = 0

    def look(now: float) -> bool:
        all_of.flush(row("AAPL", now, int(now)), now=now)
        client.last_received = client.last_progress = now
        run(all_of.fan_out.look(now, Patience()))
        return all_of.slow == 1

    assert [look(now) for now in (100.0, 109.0, 110.0)] == [False, False, True]
    client.room = 1
    assert not look(111.0)
    client.room = 0
    assert [look(now) for now in (112.0, 122.0, 141.0)] == [False, True, True]
    assert client.asked is None
    assert look(142.0)
    assert client.asked == (CODE_TOO_SLOW, "you read too slowly")


@pytest.mark.proves("D11")
def test_a_farewell_tells_each_client_another_time(all_of: Broadcast) -> None:
    """After what it was owed, and within the spread."""
    clients = [all_of.attach() for _ in range(50)]
    for client in clients:
        client.take()
    assert run(all_of.fan_out.farewell(Farewell(0.5, 5.0), 0.0)) == 50, "others get their turns"
    times = {client.messages[-1]["reconnect_after"] for client in clients}
    assert all(0.5 <= time <= 5.0 for time in times)
    assert len(times) > 5


def fired(number: int, owner: str = "me") -> Alert:
    return Alert(
        number=number,
        owner=owner,
        rule=7,
        symbol=parse_symbol("AAPL"),
        kind="above",
        threshold=100.0,
        window=None,
        price=100.5,
        reference=None,
        timestamp=NOON,
        version=Version(1, number),
        fired_at=NOON,
    )


def attach_as(there: Broadcast, user: str | None, room: float = math.inf) -> MemoryClient:
    number = len(there.clients) + 1
    client = there.clients[number] = MemoryClient(room)
    there.fan_out.attach(Attach(number, client, WELCOME, user), 0.0)
    return client


def test_an_alert_goes_to_each_connection_of_its_owner_once(connections: Connections) -> None:
    """Asked twice, by an alert's sender who heard no answer, it tells nothing twice."""
    there = Broadcast(connections)
    me, again, other, nobody = (attach_as(there, user) for user in ("me", "me", "you", None))
    assert there.fan_out.alert(fired(1), 0.0) == 2
    there.fan_out = FanOut(connections, FRAMING)  # a successor knows what was told
    assert there.fan_out.alert(fired(1), 0.0) == 2
    assert there.fan_out.alert(fired(2), 0.0) == 2
    for client in (me, again):
        told = [message["id"] for message in client.messages if message["type"] == "alert"]
        assert told == ["7-1-1", "7-1-2"]
    assert "alert" not in other.kinds() + nobody.kinds()
    there.fan_out.detach(there.number(me))
    there.fan_out.detach(there.number(again))
    assert there.fan_out.alert(fired(3), 0.0) == 0


def test_alerts_wait_in_order_for_a_client_that_takes_no_more_and_not_without_end(
    connections: Connections,
) -> None:
    """What it was owed comes when it reads again; beyond the limit it is left to the API."""
    there = Broadcast(connections)
    client = attach_as(there, "me", room=2)
    for number in range(1, 101):
        there.fan_out.alert(fired(number), 0.0)
    client.room = math.inf
    run(there.fan_out.flush(10.0))
    told = [message["id"] for message in client.messages if message["type"] == "alert"]
    assert told == [f"7-1-{number}" for number in range(1, len(told) + 1)]
    assert len(told) == MOST_OWED


@pytest.mark.proves("W1", "N17")
def test_a_client_that_was_told_more_by_another_node_gets_nothing_older(all_of: Broadcast) -> None:
    """Neither in the snapshot nor later; then all of it at once, with what else has changed."""
    client = all_of.attach()
    client.take()
    all_of.want(client, "AAPL", "MSFT", since={"AAPL": Version(1, 3), "MSFT": Version(1, 1)})
    answer, snapshot = client.take()
    assert (answer["symbols"], snapshot["quotes"]) == (["AAPL", "MSFT"], [])
    all_of.flush(row("AAPL", 151.0, 2, opened=7.0), row("MSFT", 311.0, 2))
    (update,) = client.take()
    assert [price["symbol"] for price in update["prices"]] == ["MSFT"]
    all_of.restart()
    all_of.flush(row("AAPL", 152.0, 4, opened=7.0))
    *_, snapshot = client.take()
    (quote,) = snapshot["quotes"]
    assert (quote["version"], quote["open"]) == ([1, 4], 7.0)
    all_of.flush(row("AAPL", 153.0, 5, opened=7.0))
    (update,) = client.take()
    assert [price["version"] for price in update["prices"]] == [[1, 5]]
    assert all_of.groups == 1, "it shares its frames with others again"


@pytest.mark.proves("W1", "W6", "N17")
def test_a_price_that_has_only_got_a_later_epoch_is_told_to_who_is_ahead_of_it(
    all_of: Broadcast,
) -> None:
    """To nobody else: it is the same price. Else such a client would wait for another one."""
    behind, ahead = all_of.attach(), all_of.attach()
    all_of.want(behind, "AAPL", "MSFT")
    all_of.want(ahead, "AAPL", "MSFT", since={"AAPL": Version(5, 9)})
    for client in (behind, ahead):
        client.take()
    same = row("AAPL", 150.0, 2)
    all_of.flush(replaced(same, Version(4, 2)))
    assert ahead.take() == behind.take() == []
    all_of.flush(replaced(same, Version(6, 3)))
    assert behind.take() == []
    (snapshot,) = ahead.take()
    assert [quote["version"] for quote in snapshot["quotes"]] == [[6, 3]]
    all_of.flush(replaced(row("AAPL", 151.0, 4), Version(6, 4)))
    for client in (behind, ahead):
        (update,) = client.take()
        assert [price["version"] for price in update["prices"]] == [[6, 4]]
    assert all_of.groups == 1


def replaced(row: QuoteRow, version: Version) -> QuoteRow:
    """The same under another version."""
    quote = msgspec.structs.replace(row.quote, version=version)
    return msgspec.structs.replace(row, quote=quote)


@pytest.mark.proves("N18")
def test_a_farewell_names_the_nodes_that_stay_to_each_client_in_another_order(
    all_of: Broadcast,
) -> None:
    """The first of them is where a client goes: they are shared out."""
    clients = [all_of.attach() for _ in range(30)]
    nodes = ("http://b", "http://c", "http://d")
    run(all_of.fan_out.farewell(Farewell(0.5, 5.0, nodes), 0.0))
    told = [client.messages[-1]["nodes"] for client in clients]
    assert all(sorted(one) == list(nodes) for one in told)
    assert {one[0] for one in told} == set(nodes)
