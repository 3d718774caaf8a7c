"""What several upstreams come to together."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

from stockstream import paths
from stockstream.quotes import Symbol
from stockstream.shards import NodeId
from stockstream.sources import read_routes
from stockstream.statuses import (
    CircuitState,
    CircuitStatus,
    FeedState,
    FeedStatus,
    Members,
    NodeState,
    Routing,
)
from stockstream.tables import Tables
from stockstream.times import Moment
from stockstream.upstreams import Upstream, current_state, feed_of_all, knows_all, worst_circuit
from supervision.context import current_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

WELL, ILL, GONE = FeedState.LIVE, FeedState.STALE, FeedState.DOWN


def feed(
    state: FeedState, seconds: float | None, interval: float = 1.0, reason: str | None = None
) -> FeedStatus:
    """A feed whose last good fetch was so many seconds ago."""
    as_of = None if seconds is None else Moment.now().after(-seconds)
    return FeedStatus(state, as_of, interval, listed=seconds is not None, reason=reason)


async def test_one_feed_is_told_as_it_is(autojump_clock: trio.testing.MockClock) -> None:
    """Its name is not told with its reason: clients of one feed need not know that it has one."""
    one = feed(ILL, 5.0, 1.0, "status 500")
    assert feed_of_all({"api": one}) == one
    assert feed_of_all({}) is None


async def test_of_several_feeds_the_worst_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """And the longest interval; but the oldest fetch of those that are live, if there are any: a
    client that counts by it is not misled, for it is told which symbols are of the others.
    """
    rows = {
        "a": feed(WELL, 0.5, 1.0, "its clock was set"),
        "b": feed(ILL, 20.0, 5.0, "status 500"),
        "c": feed(WELL, 4.0, 5.0),
    }
    told = feed_of_all(rows)
    assert told == FeedStatus(ILL, rows["c"].as_of, 5.0, listed=True, reason="b: status 500")
    told = feed_of_all({**rows, "d": feed(GONE, None)})
    assert told is not None
    assert (told.state, told.as_of, told.listed) == (GONE, rows["c"].as_of, False)
    told = feed_of_all({"b": rows["b"], "e": feed(ILL, 30.0)})
    assert told is not None
    assert told.as_of is not None
    assert told.as_of.age == 30.0
    told = feed_of_all({"b": rows["b"], "d": feed(GONE, None)})
    assert told is not None
    assert told.as_of is None
    told = feed_of_all({name: rows[name] for name in ("a", "c")})
    assert told is not None
    assert (told.state, told.reason) == (WELL, "a: its clock was set")
    told = feed_of_all({"a": feed(ILL, 9.0, reason="x" * 200), "b": feed(WELL, 0.5)})
    assert told is not None
    assert told.reason == f"a: {'x' * 196}…", "no longer than the protocol promises"


async def test_a_feed_that_is_gone_for_good_grows_old(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody writes its row any more, and still nobody takes its prices for live."""
    row = feed(WELL, 0.0, 2.0)
    await trio.sleep(6.0)
    assert current_state(row) is WELL
    await trio.sleep(0.1)
    assert current_state(row) is ILL
    await trio.sleep(54)
    assert current_state(row) is GONE


async def test_the_worst_breaker_is_the_one_that_holds_back_longest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    now = Moment.now()

    def open_until(seconds: float | None) -> CircuitStatus:
        probe = None if seconds is None else now.after(seconds)
        return CircuitStatus(CircuitState.OPEN, now, probe, "down")

    closed, probing = (
        CircuitStatus(CircuitState.CLOSED, now),
        CircuitStatus(CircuitState.HALF_OPEN, now),
    )
    assert worst_circuit({}) is None
    assert worst_circuit({"a": closed, "b": probing}) is probing
    soon, late, never = open_until(1.0), open_until(9.0), open_until(None)
    assert worst_circuit({"a": soon, "b": probing, "c": late}) is late
    assert worst_circuit({"a": never, "b": late}) is never


@contextmanager
def writing_as(path: str) -> Iterator[None]:
    """The tables know their writers by path."""
    token = current_cell.set(cast("Any", SimpleNamespace(path=path)))
    try:
        yield
    finally:
        current_cell.reset(token)


@pytest.mark.proves("W4")
@pytest.mark.parametrize(
    ("listed", "filled", "state", "knows"),
    [
        (True, None, None, True),
        (False, None, None, False),
        (True, False, NodeState.JOINING, False),
        (True, True, NodeState.READY, True),
        (True, True, NodeState.JOINING, True),
        (True, False, NodeState.ALONE, True),
        (False, False, NodeState.ALONE, False),
    ],
)
async def test_what_is_not_there_is_not_listed_once_all_has_been_told(
    listed: bool, filled: bool | None, state: NodeState | None, knows: bool
) -> None:
    """A node that has just started hears that the list is complete before it has all of it."""
    tables = Tables()
    assert not knows_all(tables)
    with writing_as(paths.feed("api")):
        tables.feeds.put("api", FeedStatus(FeedState.LIVE, Moment.now(), 1.0, listed))
    if filled is not None and state is not None:
        with writing_as(paths.MEMBERSHIP):
            tables.members.put(Members(NodeId("a", 1), state, (), {}, None, None, filled=filled))
    assert knows_all(tables) is knows


async def test_what_no_provider_of_its_route_lists_is_not_listed() -> None:
    """Beside one that pushes, and never has a list; a fallback may have what the first has not."""
    tables = Tables()
    with writing_as(paths.ROUTER):
        tables.routing.put(Routing(read_routes("BTC-*=coins, T*=list,coins, *=list"), (0, 0, 0)))
    symbols = [Symbol(text) for text in ("BTC-USD", "TSLA", "NOPE")]
    assert not any(knows_all(tables, symbol) for symbol in symbols)
    for name, listed in (("list", True), ("coins", False)):
        with writing_as(paths.feed(name)):
            tables.feeds.put(name, FeedStatus(FeedState.LIVE, Moment.now(), 1.0, listed))
    assert [knows_all(tables, symbol) for symbol in symbols] == [False, False, True]
    assert not knows_all(tables)


@pytest.mark.parametrize("name", ["", "a/b", "Api", "prices.example.com", "-a", "a" * 33, "*"])
def test_a_name_of_an_upstream_fits_in_a_path_and_in_a_pattern(name: str) -> None:
    """And holds no host: it is told to anybody."""
    with pytest.raises(ValueError, match="is no name of an upstream"):
        Upstream(name, "sim://")
