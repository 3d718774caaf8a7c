"""States of upstreams that came over the bus: what no node can have said changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stockstream.cluster.codec import decode_told, encode
from stockstream.cluster.states import (
    FAR_MS,
    MOST_NOT_SERVED,
    MOST_SENDERS,
    HearingStates,
    State,
    TellingStates,
)
from stockstream.messages import UpstreamTold
from stockstream.quotes import Symbol
from stockstream.shards import NodeId
from stockstream.statuses import Confirmations, FeedState, FeedStatus
from stockstream.times import Moment

NOW = 5_000_000
FEED = {"state": "live", "as_of": NOW - 100, "interval": 1.0, "listed": True, "reason": None}
CIRCUIT = {"state": "open", "since": NOW - 9_000, "next_probe": NOW + 60_000, "reason": None}
CLOCK = {"shift": -3_600_000, "steps": 1, "lead": 1_764_000_000_000, "steady": NOW, "agreed": None}


def heard(hearing: HearingStates, **fields: Any) -> State:
    """Have it hear such a message; the message."""
    head = {"type": "state", "name": "rogue", "boot": 1, "upstream": "api", "now": NOW}
    whole = {"feed": FEED, "circuit": CIRCUIT, "clock": CLOCK, "fetched": NOW - 100}
    message = decode_told(msgspec.msgpack.encode(head | whole | fields))
    assert isinstance(message, State)
    told, _ = hearing.told(message, 7_000_000)
    assert told.feed.as_of is not None
    assert told.feed.as_of.milliseconds == 7_000_000 - 100
    return message


def test_a_state_is_told_by_our_clock() -> None:
    """An hour's step of the upstream's clock, and an open breaker, are states as well."""
    heard(HearingStates())


@pytest.mark.proves("N3")
@pytest.mark.parametrize(
    "fields",
    [
        # Each of them ended the broadcasters of the other nodes, as often as it was said.
        {"feed": FEED | {"as_of": 2**62}},
        {"feed": FEED | {"as_of": -(2**62)}},
        {"feed": FEED | {"as_of": NOW - FAR_MS - 1}},
        {"circuit": CIRCUIT | {"since": 2**63}},
        {"circuit": CIRCUIT | {"next_probe": 2**63}},
        {"now": 2**64 - 1},
        {"now": -(2**63)},
        {"fetched": 2**62},
        {"confirmations": {"fetched": NOW, "lapsed": {"AAPL": ["not_told", NOW, 2**63]}}},
        {"confirmations": {"fetched": NOW, "unasked": {"AAPL": [None, -(2**63)]}}},
        {"clock": CLOCK | {"lead": 2**60}},
        {"clock": CLOCK | {"shift": -(2**63)}},
        {"feed": FEED | {"interval": float("nan")}},
        {"feed": FEED | {"interval": -1.0}},
        {"feed": FEED | {"interval": 1e300}},
    ],
)
def test_times_that_nobody_has_are_refused(fields: dict[str, Any]) -> None:
    """Before they are in a table."""
    with pytest.raises(ValueError, match="api"):
        heard(HearingStates(), **fields)


def test_names_that_somebody_makes_up_fill_no_memory() -> None:
    """What is confirmed is thousands of symbols, for each sender."""
    hearing = HearingStates()
    for number in range(MOST_SENDERS + 50):
        heard(hearing, name=f"rogue-{number}", confirmations={"fetched": NOW - 100})
    assert len(hearing._last) == MOST_SENDERS


async def test_what_the_provider_refuses_is_the_same_on_each_node() -> None:
    """It is told where it changed, and holds while only times are told."""
    told = confirming({"NO-SUCH": "unknown_symbol"})
    ours, theirs = TellingStates(NodeId("one", 1), 7), HearingStates()
    first, again = ours.state(told), ours.state(told)
    assert again.confirmations is None
    for message in (first, again):
        heard, lacks = theirs.told(sent(message), NOW)
        assert not lacks
        assert heard.confirmations is not None
        assert heard.confirmations.not_served == {"NO-SUCH": "unknown_symbol"}
    over = ours.state(confirming({}))
    assert over.number > again.number
    assert over.confirmations is not None
    assert over.confirmations.not_served == {}


async def test_symbols_that_clients_make_up_make_no_message_too_large_for_the_bus() -> None:
    """The others would not hear at all of an upstream that refuses 50,000 of them."""
    made_up = {f"{number:032}": "unknown_symbol" for number in range(50_000)}
    ours = TellingStates(NodeId("one", 1), 7)
    message = ours.state(confirming(made_up))
    assert len(encode(message)) < 1_048_576 / 4
    heard = sent(message).confirmations
    assert heard is not None
    assert len(heard.not_served) == MOST_NOT_SERVED
    assert ours.state(confirming(made_up)).confirmations is None  # the same is not told again


def confirming(not_served: dict[str, str]) -> UpstreamTold:
    symbols = {Symbol(symbol): code for symbol, code in not_served.items()}
    confirmations = Confirmations(NOW, frozenset({Symbol("BTC-USD")}), not_served=symbols)
    feed = FeedStatus(FeedState.LIVE, Moment(NOW / 1000), 5.0, listed=False)
    return UpstreamTold("crypto", None, feed, None, None, confirmations, {})


def sent(message: State) -> State:
    """As it comes on another node."""
    taken = decode_told(encode(message))
    assert isinstance(taken, State)
    return taken
