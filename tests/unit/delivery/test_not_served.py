"""Symbols that their provider refuses: clients are told once, and once when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from stockstream import paths
from stockstream.delivery.lanes import Connections
from stockstream.delivery.messages import Answer, Attach, Change, Changed
from stockstream.quotes import Symbol
from stockstream.refusals import OVER_LIMIT, UNKNOWN_SYMBOL, Refusal, refusal_of, refused
from stockstream.sources import read_routes
from stockstream.statuses import Confirmations, Routing
from stockstream.tables import Subscription, Tables
from tests.unit.alerts.support import acting_as
from tests.unit.delivery.support import MemoryClient, row
from tests.unit.delivery.test_fan_out import Broadcast
from tests.unit.delivery.tree import FEED, Confirmed, running_delivery

if TYPE_CHECKING:
    from trio.testing import MockClock

NO, MORE = Refusal(UNKNOWN_SYMBOL, "us does not know it"), Refusal(OVER_LIMIT, "us is full")


@pytest.fixture
def broadcast(connections: Connections) -> Broadcast:
    """AAPL has a price."""
    made = Broadcast(connections)
    made.flush(row("AAPL", 150.0, 1))
    return made


def told(client: MemoryClient) -> list[tuple[dict[str, str], list[str]]]:
    """The codes of what is not served, and what is again, by message; forgets them."""
    return [
        ({item["symbol"]: item["code"] for item in message["symbols"]}, message["served"])
        for message in client.take()
        if message["type"] == "not_served"
    ]


def test_who_named_a_symbol_is_told_once_that_it_is_refused_and_once_when_that_is_over(
    broadcast: Broadcast,
) -> None:
    """Nobody else is, and who names it later is told with the answer."""
    me, other, everything = broadcast.attach(), broadcast.attach(), broadcast.attach()
    broadcast.want(me, "AAPL", "NOPE")
    broadcast.want(other, "AAPL")
    broadcast.want(everything, "*")
    for client in (me, other, everything):
        client.take()
    assert broadcast.fan_out.set_not_served({Symbol("NOPE"): NO})
    assert not broadcast.fan_out.set_not_served({Symbol("NOPE"): NO})
    broadcast.flush()
    broadcast.flush()
    assert told(me) == [({"NOPE": "unknown_symbol"}, [])]
    assert told(other) == told(everything) == []
    broadcast.want(other, "AAPL", "NOPE")
    assert [m["type"] for m in other.messages][::2] == ["subscriptions", "not_served"]
    why = {"symbol": "NOPE", "code": NO.code, "reason": NO.reason}
    assert other.take()[-1]["symbols"] == [why]
    broadcast.fan_out.set_not_served({})
    broadcast.flush()
    broadcast.flush()
    assert told(me) == told(other) == [({}, ["NOPE"])]


def test_who_drops_a_refused_symbol_and_names_it_again_is_told_again(broadcast: Broadcast) -> None:
    """Also when both commands wait for a client that took nothing meanwhile."""
    me = broadcast.attach()
    broadcast.fan_out.set_not_served({Symbol("NOPE"): NO})
    broadcast.want(me, "NOPE")
    assert told(me) == [({"NOPE": "unknown_symbol"}, [])]
    me.room = 0
    broadcast.want(me)
    broadcast.want(me, "NOPE")
    me.room = 100
    broadcast.flush()
    assert told(me) == [({"NOPE": "unknown_symbol"}, [])]


def test_a_killed_broadcaster_tells_nothing_twice_and_misses_nothing(broadcast: Broadcast) -> None:
    me = broadcast.attach()
    broadcast.want(me, "NOPE", "MORE")
    broadcast.fan_out.set_not_served({Symbol("NOPE"): NO})
    broadcast.flush()
    told(me)
    broadcast.fan_out.set_not_served({Symbol("NOPE"): NO, Symbol("MORE"): MORE})
    broadcast.restart()
    broadcast.flush()
    assert told(me) == [({"MORE": "over_limit"}, [])]


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("refuse"), st.dictionaries(st.sampled_from("ABC"), st.sampled_from([NO, MORE]))
        ),
        st.tuples(st.just("want"), st.frozensets(st.sampled_from("ABC"))),
        st.tuples(st.just("room"), st.integers(0, 4)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=20,
)


@given(STEPS)
def test_what_a_client_was_told_adds_up_to_what_is_so(steps: list[tuple[str, Any]]) -> None:
    """In any order of refusals, of commands and of a client that reads slowly."""
    with acting_as(paths.BROADCASTER):
        broadcast = Broadcast(Connections())
        me = broadcast.attach()
        now: dict[Symbol, Refusal] = {}
        wanted: frozenset[str] = frozenset()
        for what, given_ in [*steps, ("room", 100)]:
            match what:
                case "refuse":
                    now = {Symbol(symbol): why for symbol, why in given_.items()}
                    broadcast.fan_out.set_not_served(now)
                case "want":
                    wanted = given_
                    broadcast.want(me, *given_)
                case "room":
                    me.room = given_
                case "restart":
                    broadcast.restart()
            broadcast.flush()
        broadcast.flush(now=broadcast.now + 60)
        known: dict[str, str] = {}
        for message in me.messages:
            if message["type"] == "subscriptions":
                known = {s: code for s, code in known.items() if s in message["symbols"]}
            elif message["type"] == "not_served":
                known.update((item["symbol"], item["code"]) for item in message["symbols"])
                for symbol in message["served"]:
                    del known[symbol]  # it was told before
        assert known == {s: why.code for s, why in now.items() if s in wanted}


def tables_with(**upstreams: dict[str, str]) -> Tables:
    tables = Tables()
    for name, not_served in upstreams.items():
        with acting_as(paths.feed(name)):
            told = {Symbol(symbol): code for symbol, code in not_served.items()}
            tables.confirmations.put(name, Confirmations(0, not_served=told))
    return tables


def test_the_provider_whose_turn_it_is_decides() -> None:
    """By the routes; what has a price has a state, and is not refused."""
    tables = tables_with(
        one={"NOPE": UNKNOWN_SYMBOL, "AAPL": OVER_LIMIT}, two={"OTHER": "of_a_newer_node"}
    )
    assert refusal_of(Symbol("NOPE"), tables) == (UNKNOWN_SYMBOL, "one does not know it")
    assert refusal_of(Symbol("OTHER"), tables) == ("of_a_newer_node", "two tells no price of it")
    assert set(refused(tables)) == {"NOPE", "AAPL", "OTHER"}
    with acting_as(paths.ROUTER):
        tables.routing.put(Routing(read_routes("*=one,two"), (1,)))
    assert set(refused(tables)) == {"OTHER"}
    assert refusal_of(Symbol("NOPE"), tables) is None
    with acting_as(paths.STREAMER):
        tables.quotes.put_all({Symbol("OTHER"): row("OTHER", 1.0, 1)})
    assert refused(tables) == {}


async def test_the_tables_are_followed_within_a_second(autojump_clock: MockClock) -> None:
    """A refusal that is noted without a message reaches the client, and so does its end."""
    async with running_delivery() as delivery:
        await delivery.fetched(row("AAPL", 150.0, 1), listed=False)
        me = MemoryClient()
        await delivery.broadcaster.call(Attach(1, me, b'{"type":"welcome"}'))
        want = Subscription(frozenset({Symbol("NOPE")}))
        await delivery.broadcaster.call(Answer(1, 1, Changed(want, ())))
        feed = delivery.system.ref(FEED)
        confirmations = Confirmations(0, not_served={Symbol("NOPE"): UNKNOWN_SYMBOL})
        await feed.call(Confirmed(confirmations))
        await trio.sleep(1.2)
        assert told(me) == [({"NOPE": "unknown_symbol"}, [])]
        await feed.call(Confirmed(msgspec.structs.replace(confirmations, not_served={})))
        await trio.sleep(1.2)
        assert told(me) == [({}, ["NOPE"])]


async def test_what_fits_no_route_is_refused_at_once(autojump_clock: MockClock) -> None:
    async with running_delivery() as delivery:
        routes = read_routes("BTC-*=one")
        with acting_as(paths.ROUTER):
            delivery.tables.routing.put(Routing(routes, (0,)))
        answer = await delivery.manager.call(Change(1, ("AAPL", "BTC-USD"), subscribe=True))
        assert isinstance(answer, Changed)
        assert answer.subscription.symbols == {"BTC-USD"}
        assert [(r.symbol, r.code) for r in answer.rejected] == [("AAPL", "no_route")]
