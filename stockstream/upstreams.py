"""Upstreams: the sources of prices, and the status of all of them together.

Each has a feed and a circuit breaker of its own, with a row of each in the tables. Clients get one
status: the worst of them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stockstream.statuses import CircuitState, FeedState, FeedStatus, NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.quotes import Symbol
    from stockstream.statuses import CircuitStatus
    from stockstream.tables import Tables
    from stockstream.times import Moment

STALE_AFTER_INTERVALS = 3
STALE_AFTER_SECONDS = 3.0
"""Clients are told an interval of a second at least, and call prices stale after three of them.
With a few milliseconds, each hiccup would make the market stale, and every client would be told."""
DOWN_AFTER_SECONDS = 60.0
LONGEST_REASON = 200
"""As the protocol promises."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_BAD_FEEDS = [FeedState.LIVE, FeedState.STALE, FeedState.DOWN]
_BAD_CIRCUITS = [CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN]
"""Each worse than the one before it."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A source of prices, at an address that `from_url` of the providers takes.

    Anybody may read `name`: it is part of paths, labels metrics, and stands in what clients are
    told, so it holds nothing of the address.
    """

    name: str
    url: str
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name[:64]!r} is no name of an upstream: 1 to 32 of a-z, 0-9, _ and -, "
                "the first a letter or a digit"
            )


def stale_after(interval: float) -> float:
    """After how many seconds without a confirmation a price is stale."""
    return max(STALE_AFTER_SECONDS, STALE_AFTER_INTERVALS * interval)


def state_of(as_of: Moment | None, interval: float) -> FeedState:
    """The state of a feed by the time since its last good fetch, which ended at `as_of`."""
    age = math.inf if as_of is None else as_of.age
    if age <= stale_after(interval):
        return FeedState.LIVE
    return FeedState.STALE if age <= DOWN_AFTER_SECONDS else FeedState.DOWN


def current_state(row: FeedStatus) -> FeedState:
    """The state of a feed now: a dead feed does not report that its prices grow old."""
    return max(row.state, state_of(row.as_of, row.interval), key=_BAD_FEEDS.index)


def feed_of_all(rows: Mapping[str, FeedStatus]) -> FeedStatus | None:
    """All feeds as one: the worst state, the longest interval, what ails whom.

    `as_of` is the oldest fetch of those that are live, and of all when none is: what a live feed
    told is no older than it says. The symbols of the others are stale by themselves meanwhile.
    """
    if not rows:
        return None
    states = {name: current_state(row) for name, row in rows.items()}
    worst = max(states.values(), key=_BAD_FEEDS.index)
    live = [row for name, row in rows.items() if states[name] is FeedState.LIVE]
    fetches = [row.as_of for row in live or rows.values()]
    known = [as_of for as_of in fetches if as_of is not None]
    # What ails a feed that does well says less than what ails the one that does not.
    ailing = sorted(rows, key=lambda name: states[name] is not worst)
    reasons = [(name, rows[name].reason) for name in ailing if rows[name].reason is not None]
    return FeedStatus(
        worst,
        min(known) if len(known) == len(fetches) else None,
        max(row.interval for row in rows.values()),
        all(row.listed for row in rows.values()),
        _said(reasons[0], rows) if reasons else None,
    )


def knows_all(tables: Tables, symbol: Symbol | None = None) -> bool:
    """Whether the table of quotes has all that the upstreams list: what is not there, they do not.

    With a symbol, all that those list which may tell it, by the routes.

    The node that fetches tells others that it has the list before they have been told all of it.
    One that is alone asks for the list itself.
    """
    rows, routing, members = tables.feeds.rows, tables.routing.value, tables.members.value
    names = rows.keys() if routing is None or symbol is None else routing.names(symbol)
    if not names or not all(name in rows and rows[name].listed for name in names):
        return False
    return members is None or members.filled or members.state is NodeState.ALONE


def circuits_of(tables: Tables) -> Mapping[str, CircuitStatus]:
    """The circuit of each upstream at the node that fetches from it."""
    told = tables.told_circuits.rows
    return {**tables.circuits.rows, **told} if told else tables.circuits.rows


def worst_circuit(rows: Mapping[str, CircuitStatus]) -> CircuitStatus | None:
    """The most restrictive breaker; of several, the one that has been so for longest."""

    def badness(row: CircuitStatus) -> tuple[int, float]:
        probe = row.next_probe
        return _BAD_CIRCUITS.index(row.state), math.inf if probe is None else probe.seconds

    return max(rows.values(), key=badness, default=None)


def _said(reason: tuple[str, str | None], rows: Mapping[str, FeedStatus]) -> str | None:
    name, text = reason
    if text is None or len(rows) == 1:
        return text
    said = f"{name}: {text}"
    return said if len(said) <= LONGEST_REASON else f"{said[: LONGEST_REASON - 1]}…"
