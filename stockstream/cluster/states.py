"""How the upstreams do, as the nodes that fetch from them tell it on the bus.

What is confirmed is thousands of symbols, and as a rule the same ones as after the last fetch. So
it is told where it changed; else only when it was confirmed again. Times are as in `prices.py`.
"""

from __future__ import annotations

# Not only for type checking: msgspec reads the annotations.
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from stockstream.cluster.wire import MOST, Count, Said
from stockstream.messages import UpstreamTold
from stockstream.statuses import (
    CircuitStatus,
    Confirmations,
    FeedStatus,
    Lapse,
    Rejection,
    Unconfirmed,
    UpstreamClock,
)
from stockstream.times import DAY_MS, Moment

if TYPE_CHECKING:
    from stockstream.shards import NodeId

MOST_SENDERS = 200
"""Nodes and upstreams whose confirmations are kept: names are what senders say."""
FAR_MS = 10 * 366 * DAY_MS
"""No time that is told is further from the moment of telling."""
MOST_REJECTED = 1_000
"""Refusals that are told to other nodes, of so many symbols, the newest: they are for operators."""
MOST_NOT_SERVED = 2_000
"""Symbols of which other nodes are told that the upstream refuses them. Clients may make up any
number, and a message that is too large for the bus is not sent: the upstream would seem silent.
"""


class State(Said, frozen=True, kw_only=True, tag="state"):
    """How an upstream does, as the node that fetches from it found in its last round.

    What is confirmed is told where it is not the same as in the last message but for the time: it
    has a `number`, and the time is `fetched`. Who does not have that number asks for it. Moments
    are the sender's monotonic clock in ms, which was `now`. `routes` are as in `UpstreamTold`.
    """

    upstream: str
    now: int
    feed: FeedStatus
    circuit: CircuitStatus | None = None
    clock: UpstreamClock | None = None
    number: Count = 0
    fetched: int | None = None
    confirmations: Confirmations | None = None
    routes: Mapping[str, str] = {}


class StateWanted(Said, frozen=True, kw_only=True, tag="state_wanted"):
    """A question: the state of an upstream, with all that is confirmed. The answer is a `State`."""

    upstream: str


def encode_moment(value: object) -> object:
    """A moment as ms; for msgspec.

    Raises:
        NotImplementedError: it is something else.
    """
    if isinstance(value, Moment):
        return value.milliseconds
    raise NotImplementedError(type(value).__name__)


def decode_moment(kind: type, value: object) -> object:
    """The other way.

    Raises:
        ValueError: it is no number, or something else is wanted.
    """
    if kind is not Moment or not isinstance(value, int):
        raise ValueError(f"expected a moment in ms, got {value!r:.40}")
    return Moment(value / 1000)


class TellingStates:
    """Makes `State` messages of what the own feeds tell. `name` and `boot` are this node's."""

    def __init__(self, node: NodeId, first: int) -> None:
        """Numbers rise from `first` on."""
        self._node = node
        self._number = first
        self._last: dict[str, tuple[int, UpstreamTold]] = {}

    def state(self, told: UpstreamTold) -> State:
        """What to tell all: what is confirmed only where it has changed."""
        before = self._last.get(told.upstream)
        changed = before is None or not _confirms_the_same(before[1], told)
        if changed:
            self._number += 1
        number = self._number if before is None or changed else before[0]
        self._last[told.upstream] = number, told
        return self._message(number, told, whole=changed)

    def whole(self, upstream: str) -> State | None:
        """The last one with all that is confirmed, for who asks; None where there was none."""
        last = self._last.get(upstream)
        return None if last is None else self._message(*last, whole=True)

    def _message(self, number: int, told: UpstreamTold, *, whole: bool) -> State:
        confirmations = told.confirmations
        return State(
            name=self._node.name,
            boot=self._node.boot,
            upstream=told.upstream,
            now=Moment.now().milliseconds,
            feed=told.feed,
            circuit=told.circuit,
            clock=told.clock,
            number=number,
            fetched=None if confirmations is None else confirmations.fetched,
            confirmations=_few_refused(confirmations) if whole else None,
            routes=told.routes,
        )


class HearingStates:
    """Makes of the `State` messages of other nodes what the own feeds are told."""

    def __init__(self) -> None:
        self._last: dict[tuple[NodeId, str], tuple[int, Confirmations]] = {}

    def told(self, message: State, now: int) -> tuple[UpstreamTold, bool]:
        """With times by our clock, which is `now`; and whether to ask for what is confirmed.

        Raises:
            ValueError: no node can have said that.
        """
        _check(message)
        later = now - message.now
        key = message.sender, message.upstream
        known = self._last.get(key)
        confirmations, lacks = None, False
        if message.confirmations is not None:
            confirmations = _later_confirmations(message.confirmations, later)
        elif message.fetched is not None:
            lacks = known is None or known[0] != message.number
            if known is not None and not lacks:
                fetched = message.fetched + later
                confirmations = msgspec.structs.replace(known[1], fetched=fetched)
        if confirmations is not None:
            if key not in self._last and len(self._last) >= MOST_SENDERS:
                del self._last[next(iter(self._last))]
            self._last[key] = message.number, confirmations
        clock = message.clock
        if clock is not None:
            # Our wall clock has not been compared with the upstream's.
            lead = None if clock.lead is None else clock.lead - later
            dated = None if clock.dated is None else clock.dated - later
            clock = msgspec.structs.replace(
                clock, lead=lead, steady=clock.steady + later, agreed=None, dated=dated
            )
        told = UpstreamTold(
            message.upstream,
            message.sender,
            _later_feed(message.feed, later),
            None if message.circuit is None else _later_circuit(message.circuit, later),
            clock,
            confirmations,
            message.routes,
        )
        return told, lacks

    def forget(self, node: NodeId) -> None:
        """It has gone for good."""
        for key in [key for key in self._last if key[0] == node]:
            del self._last[key]


def _confirms_the_same(before: UpstreamTold, now: UpstreamTold) -> bool:
    one, other = before.confirmations, now.confirmations
    if one is None or other is None:
        return one is other
    return (
        one.told == other.told
        and (one.unasked is other.unasked or one.unasked == other.unasked)
        and (one.lapsed is other.lapsed or one.lapsed == other.lapsed)
        and (one.rejected is other.rejected or one.rejected == other.rejected)
        and one.not_served == other.not_served
    )


def _few_refused(confirmations: Confirmations | None) -> Confirmations | None:
    if confirmations is None:
        return None
    few = confirmations
    if len(few.rejected) > MOST_REJECTED:
        newest = list(few.rejected.items())[-MOST_REJECTED:]
        few = msgspec.structs.replace(few, rejected=dict(newest))
    if len(few.not_served) > MOST_NOT_SERVED:
        first = dict(islice(few.not_served.items(), MOST_NOT_SERVED))
        few = msgspec.structs.replace(few, not_served=first)
    return few


def _check(message: State) -> None:
    """Raise `ValueError` for times that could not be told to anybody, and other numbers of that
    kind. A sum of whatever comes is a date that no calendar has, and ends whoever writes it.
    """
    feed, circuit, clock, confirmed = (
        message.feed,
        message.circuit,
        message.clock,
        message.confirmations,
    )
    moments = [feed.as_of]
    if circuit is not None:
        moments += [circuit.since, circuit.next_probe]
    times = [moment.milliseconds for moment in moments if moment is not None]
    times += [] if message.fetched is None else [message.fetched]
    if confirmed is not None:
        times += [confirmed.fetched]
        times += [last.confirmed for last in confirmed.unasked.values()]
        times += [last.confirmed for last in confirmed.lapsed.values()]
        times += [last.due for last in confirmed.lapsed.values()]
        times += [last.at for last in confirmed.rejected.values()]
    numbers = [message.now]
    if clock is not None:
        numbers += [clock.shift, clock.steps, clock.steady, clock.lead or 0, clock.dated or 0]
    if not (
        all(abs(time - message.now) <= FAR_MS for time in times)
        and all(abs(number) <= MOST for number in numbers)
        and 0 < feed.interval <= DAY_MS
    ):
        raise ValueError(f"no state of {message.upstream!r:.32} has such times")


def _later_feed(feed: FeedStatus, later: int) -> FeedStatus:
    return msgspec.structs.replace(feed, as_of=_later_moment(feed.as_of, later))


def _later_circuit(circuit: CircuitStatus, later: int) -> CircuitStatus:
    return msgspec.structs.replace(
        circuit,
        since=circuit.since.after(later / 1000),
        next_probe=_later_moment(circuit.next_probe, later),
    )


def _later_moment(moment: Moment | None, later: int) -> Moment | None:
    return None if moment is None else moment.after(later / 1000)


def _later_confirmations(told: Confirmations, later: int) -> Confirmations:
    return Confirmations(
        told.fetched + later,
        told.told,
        {
            symbol: Unconfirmed(last.reason, last.confirmed + later)
            for symbol, last in told.unasked.items()
        },
        {
            symbol: Lapse(last.reason, last.confirmed + later, last.due + later)
            for symbol, last in told.lapsed.items()
        },
        {
            symbol: Rejection(last.reason, last.detail, last.at + later)
            for symbol, last in told.rejected.items()
        },
        told.not_served,
    )
